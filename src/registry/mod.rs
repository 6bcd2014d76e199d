//! The front desk: every operation of the store, one file each. The only room that commits.
//!
//! A [`Registry`] is one open store. Reading operations work on a read-only store and take no lock. Writing
//! ones hold the shared lock from before the database is opened until the registry is dropped.

mod add;
mod assured;
mod attest;
mod change;
mod claim;
mod collect;
mod explain;
mod finalize;
mod first;
mod indices;
mod init;
mod known;
mod open;
mod pin;
mod plan;
mod private;
mod publish;
mod purged;
mod query;
mod recover;
mod remove;
mod replay;
pub mod report;
mod resolve;
mod retain;
mod schema;
mod supersede;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;
mod verify;

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;

use crate::db::Database;
pub use attest::STATEMENT_BYTES_MAX;
pub use schema::SCHEMA_BYTES_MAX;

use crate::disk::Disk;
use crate::env::Env;
use crate::error::{Error, with_causes};
use crate::events::{LogFiles, PayloadUnavailable, Payloads};
use crate::identity::{Blake3, ContentAddress};
use crate::storage::{Backend as _, Local, StoreConfig, StoreLock};

/// Whether a store is opened to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only: works on a read-only store, takes no lock.
    Read,
    /// Writing: takes the shared lock before the database is opened and keeps it.
    Write,
    /// Writing while nobody else does: takes the exclusive lock before the database is opened and keeps it. For
    /// [`Registry::collect`] and [`Registry::recover`].
    Alone,
    /// Reading the log alone: works with views that a later build wrote.
    Log,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// To read or to write.
    pub access: Access,
    /// How long to wait for a lock.
    pub wait: Duration,
    /// The command, as others see it beside the lock.
    pub command: String,
    /// Set by a signal handler: the operation ends cleanly with [`crate::error::ErrorKind::Cancelled`].
    pub cancelled: Arc<AtomicBool>,
    /// Where a private copy of the database goes when a store that may not be written has to be caught up.
    pub scratch: PathBuf,
    /// Whether the reserve may be given up where the disk is full: for what makes room in the end (`remove`), or
    /// makes the store whole again (`recover`), and for nothing that fills it.
    pub spends_reserve: bool,
}

impl OpenOptions {
    /// Opens for this kind of access, with the defaults: a wait of ten minutes, never cancelled.
    pub fn new(access: Access, scratch: impl Into<PathBuf>) -> Self {
        Self {
            access,
            wait: report::DEFAULT_WAIT,
            command: "library".to_owned(),
            cancelled: Arc::default(),
            scratch: scratch.into(),
            spends_reserve: false,
        }
    }
}

/// An open store.
pub struct Registry {
    /// Dropped in this order: the database before the lock, and both before the private copy.
    db: Database,
    lock: Option<StoreLock>,
    private: Option<private::PrivateCopy>,
    root: PathBuf,
    config: StoreConfig,
    disk: Arc<dyn Disk>,
    local: Local,
    files: LogFiles,
    file_mode: u32,
    env: Env,
    access: Access,
    wait: Duration,
    cancelled: Arc<AtomicBool>,
    /// After how many new objects an add publishes and records a batch, where a test says so.
    batch_files: Option<u64>,
    /// After how many new objects an add gives them their names while it writes the next ones, where a test says so.
    group_files: Option<u64>,
    /// The most objects that one round of a gc names.
    round_objects: usize,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("root", &self.root)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Returns the store's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns what the store says of itself.
    pub const fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// Makes batches of so few files that a test sees several.
    #[cfg(any(test, feature = "testing"))]
    pub const fn set_batch_files(&mut self, batch_files: u64) {
        self.batch_files = Some(batch_files);
    }

    /// Makes groups within a batch of so few files that a test sees several.
    #[cfg(any(test, feature = "testing"))]
    pub const fn set_group_files(&mut self, group_files: u64) {
        self.group_files = Some(group_files);
    }

    /// Closes the files of `log/` so early that a test sees several.
    #[cfg(any(test, feature = "testing"))]
    pub fn set_log_file_bytes(&mut self, file_bytes_max: u64) {
        self.files = self.files.clone().with_limit(file_bytes_max);
    }

    /// Makes the rounds of a gc so small that a test sees several.
    #[cfg(any(test, feature = "testing"))]
    pub const fn set_round_objects(&mut self, round_objects: usize) {
        self.round_objects = round_objects;
    }

    /// Fails where the caller asked to stop.
    fn check_cancelled(&self) -> Result<(), Error> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Payload objects are objects of the local backend, checked on the way out.
impl Payloads for Local {
    fn load(&self, digest: &Blake3) -> Result<Vec<u8>, PayloadUnavailable> {
        let unavailable = |why: String| PayloadUnavailable { digest: *digest, why, is_refused: false };
        // An error of the disk, or something else in its place, is taken for damage: the bytes are not to be had.
        let is_refused = |error: &io::Error| {
            Errno::from_io_error(error).is_some_and(|errno| !matches!(errno, Errno::IO | Errno::LOOP))
        };
        let found = self.get(&ContentAddress::new(*digest), None).map_err(|error| {
            let is_refused = error.io().is_some_and(is_refused);
            PayloadUnavailable { is_refused, ..unavailable(with_causes(&error)) }
        })?;
        let mut reader = found.ok_or_else(|| unavailable("its object is missing".to_owned()))?;
        let address = ContentAddress::new(*digest);
        let size = self.head(&address).ok().flatten().map_or(0, |found| found.size_bytes);
        // Room for all of it at once: doubling would touch twice as much memory as a large manifest needs.
        // What the file only claims to hold (it may be sparse, and longer than any memory) is no reason to die.
        let mut bytes = Vec::new();
        let room = usize::try_from(size).ok().and_then(|size| size.checked_add(1));
        room.and_then(|room| bytes.try_reserve_exact(room).ok()).ok_or_else(|| {
            unavailable(format!("its object has {size} bytes, and memory has no room for them"))
        })?;
        reader.read_to_end(&mut bytes).map_err(|error| {
            let is_refused = is_refused(&error);
            PayloadUnavailable { is_refused, ..unavailable(error.to_string()) }
        })?;
        if Blake3::of(&bytes) == *digest {
            Ok(bytes)
        } else {
            Err(unavailable("its object is altered".to_owned()))
        }
    }
}
