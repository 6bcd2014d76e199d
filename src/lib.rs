//! An append-only, content-addressed store for build outputs, with explicit garbage collection.

pub mod disk;
pub mod env;
pub mod error;
pub mod identity;
pub mod db;
pub mod events;
pub mod manifest;
pub mod monitor;
pub mod registry;
pub mod views;
