//! The files of a store: objects under their names, bytes in flight, locks, the root's own description.
//!
//! [`staging`] is the heart: it gives a batch of bytes their final names in an order that no crash can turn
//! into a lie. [`backend`] is what a place that keeps objects must do, [`local`] and [`memory`] are two such
//! places. This room knows no SQLite, no events and no packages; it hashes nothing and interprets nothing.

pub mod backend;
mod error;
pub mod filesystem;
pub mod layout;
pub mod local;
pub mod lock;
pub mod memory;
pub mod reserve;
pub mod root;
pub mod staging;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use backend::{Backend, BackendHealth, BackendId, ByteRange, Deleted, ObjectStat, Receipt};
pub use error::{Action, StorageError};
pub use local::Local;
pub use lock::{Holder, LockError, LockRequest, StoreLock};
pub use memory::Memory;
pub use root::{Sharing, StoreConfig};
pub use staging::{Leftovers, Pending, Staged, Staging};
