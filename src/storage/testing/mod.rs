//! What tests of a store's files need beside the disks of [`crate::disk::testing`].

mod config;
pub mod conformance;

pub use config::check_config;
