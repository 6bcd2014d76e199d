//! What can go wrong, by kind: one variant a room, and [`Error::kind`] for those who must branch.

use std::path::PathBuf;

/// What a caller can branch on; the binary makes its exit code of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It failed: the system, the disk, a limit.
    Failed,
    /// The request makes no sense as given: an ambiguous reference, a bad name, a finalised package.
    Usage,
    /// The store or an object is damaged.
    Damage,
    /// A lock is held for longer than the caller would wait.
    Busy,
    /// No such package or object.
    NotFound,
    /// No store there, or one of a format that this build does not know.
    NoStore,
    /// The caller's flag said to stop.
    Cancelled,
    /// The reader of the output went away.
    ClosedPipe,
}

/// Everything that an operation of the registry can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No store at this root.
    #[error("no store at {}", root.display())]
    NoStore {
        /// The root that was asked for.
        root: PathBuf,
    },
}

impl Error {
    /// Returns what kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::NoStore
    }

    /// Returns what to do about it, where there is something: a hint for people, without the root.
    pub fn hint(&self) -> Option<String> {
        None
    }
}
