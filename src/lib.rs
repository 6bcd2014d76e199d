//! An append-only, content-addressed store for build outputs, with explicit garbage collection.

pub mod cache;
pub mod db;
pub mod disk;
pub mod env;
pub mod error;
pub mod events;
pub mod identity;
pub mod manifest;
pub mod monitor;
pub mod plane;
pub mod registry;
pub mod storage;
pub mod views;
