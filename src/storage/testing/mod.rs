//! What tests of a store's files need beside the disks of [`crate::disk::testing`].

pub mod conformance;
