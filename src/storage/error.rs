//! What can go wrong among the files of a store.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::FileKind;
use crate::identity::ContentAddress;

/// What was being done when the system refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Opening a file or directory.
    Open,
    /// Reading bytes or a listing.
    Read,
    /// Making a file or directory.
    Create,
    /// Writing bytes.
    Write,
    /// Making bytes or names durable.
    Sync,
    /// Giving a file its final name.
    Rename,
    /// Taking a file or directory away.
    Remove,
    /// Looking at what stands under a name.
    Look,
    /// Taking or releasing an advisory lock.
    Lock,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Create => "create",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::Look => "look at",
            Self::Lock => "lock",
        })
    }
}

/// A failure of the file side of a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The system refused.
    #[error("cannot {action} {}", shown(path))]
    Io {
        /// What was being done.
        action: Action,
        /// To what, relative to the root where it is beneath it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file about to be published does not have the size of the bytes that were hashed.
    #[error("{} holds {found} bytes where {expected} were hashed", shown(path))]
    WrongSize {
        /// The file in flight.
        path: PathBuf,
        /// How many bytes were hashed.
        expected: u64,
        /// How many the file holds.
        found: u64,
    },
    /// The bytes that were to be stored could not be read from where they come.
    #[error("cannot read the bytes to be stored")]
    Source {
        /// What reading them said.
        source: io::Error,
    },
    /// Something that is no regular file stands under an object's name.
    #[error("a {} stands under the name of object {address}", kind_name(*kind))]
    NotAFile {
        /// The object.
        address: ContentAddress,
        /// What stands there.
        kind: FileKind,
    },
    /// There are objects of a store, and nothing says which it is.
    #[error("astore.toml is missing at {}, and there are objects of a store", root.display())]
    Unnamed {
        /// The root.
        root: PathBuf,
    },
    /// A batch failed to be published earlier, so that nothing more is taken by this writer.
    #[error("an earlier batch of this writer could not be published")]
    EarlierBatchFailed,
    /// No store at this root.
    #[error("no store at {}", root.display())]
    NoStore {
        /// The root.
        root: PathBuf,
    },
    /// The store is of a format that this build does not know.
    #[error("the store has format {found}, and this build knows format 1 only")]
    UnknownFormat {
        /// The number in `astore.toml`.
        found: i64,
    },
    /// `astore.toml` cannot be understood.
    #[error("astore.toml is damaged: {what}")]
    Config {
        /// What is wrong with it.
        what: String,
    },
    /// A store was to be made in a directory that holds something else.
    #[error("{} is not empty: it holds {}", root.display(), name.display())]
    NotEmpty {
        /// The directory.
        root: PathBuf,
        /// One name in it that no unfinished `init` leaves.
        name: PathBuf,
    },
    /// A store was to be made within another: nothing there is anybody else's, and a gc clears some of it.
    #[error("{} is inside the store at {}", root.display(), around.display())]
    InsideStore {
        /// The directory.
        root: PathBuf,
        /// The root of the other store.
        around: PathBuf,
    },
    /// A store was to be made where there is one.
    #[error("a store is at {} already", root.display())]
    IsStore {
        /// The root.
        root: PathBuf,
    },
    /// The root is on a file system that does not keep the promises that a store needs.
    #[error("{} is on {file_system}, a network file system", root.display())]
    NetworkFileSystem {
        /// The root.
        root: PathBuf,
        /// What it is called.
        file_system: &'static str,
    },
}

impl StorageError {
    /// Returns what the system said, where it was the system.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } | Self::Source { source } => Some(source),
            Self::WrongSize { .. }
            | Self::NotAFile { .. }
            | Self::EarlierBatchFailed
            | Self::NoStore { .. }
            | Self::Unnamed { .. }
            | Self::UnknownFormat { .. }
            | Self::Config { .. }
            | Self::NotEmpty { .. }
            | Self::InsideStore { .. }
            | Self::IsStore { .. }
            | Self::NetworkFileSystem { .. } => None,
        }
    }
}

/// Says what was done to what, around a result of the system.
pub(super) trait Doing<T> {
    fn doing(self, action: Action, path: &Path) -> Result<T, StorageError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, action: Action, path: &Path) -> Result<T, StorageError> {
        self.map_err(|source| StorageError::Io { action, path: path.to_owned(), source })
    }
}

fn shown(path: &Path) -> std::path::Display<'_> {
    if path.as_os_str().is_empty() { Path::new("the root").display() } else { path.display() }
}

fn kind_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symbolic link",
        FileKind::Other => "special file",
    }
}
