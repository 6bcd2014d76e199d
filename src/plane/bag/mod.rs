//! Bags (RFC 8493) as directories: written around the tree of a package, and read to be checked.
//!
//! What stands in their text files is `formats::bagit`'s to know.

mod check;
mod read;
mod write;

use std::io;
use std::path::PathBuf;

pub use check::Described;
pub use read::Bag;
pub use write::BagDirectory;

use crate::formats::bagit::{ListProblem, TagProblem};
use crate::manifest::EntryPath;

/// Our own tag file in a bag: the canonical manifest, which has what a bag cannot say.
pub(super) const MANIFEST: &str = "astore/manifest.cbor";

/// Why a bag cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BagError {
    /// Something of it cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It lacks what every bag has.
    #[error("{} is no bag: {what}", directory.display())]
    NoBag {
        /// The directory.
        directory: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A tag file is larger than one that is read.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Labels and values cannot be understood.
    #[error("cannot take {}", path.display())]
    Tags {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TagProblem,
    },
    /// A list cannot be understood.
    #[error("cannot take {}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ListProblem,
    },
    /// A list has a path that does not belong there.
    #[error("{} lists {}, which is {what}", path.display(), String::from_utf8_lossy(listed.as_bytes()))]
    Misplaced {
        /// The list.
        path: PathBuf,
        /// The path in it.
        listed: EntryPath,
        /// Why it does not belong there.
        what: &'static str,
    },
    /// Two manifests list different files.
    #[error("{} lists {}, and {} does not", path.display(), String::from_utf8_lossy(listed.as_bytes()), other.display())]
    Unlike {
        /// One manifest.
        path: PathBuf,
        /// What it lists.
        listed: EntryPath,
        /// The other.
        other: PathBuf,
    },
    /// No manifest is of an algorithm that can be relied on.
    #[error("{} has manifests of {} alone, and what these say can be forged or not be checked", directory.display(), algorithms.join(", "))]
    Weak {
        /// The bag.
        directory: PathBuf,
        /// Of which algorithms there are manifests.
        algorithms: Vec<String>,
    },
    /// Files of the payload were never fetched.
    #[error("{} of {} {} still to be fetched, as fetch.txt says: {}", files(*count), directory.display(), if *count == 1 { "is" } else { "are" }, String::from_utf8_lossy(first.as_bytes()))]
    NotFetched {
        /// The bag.
        directory: PathBuf,
        /// How many.
        count: u64,
        /// The first of them.
        first: EntryPath,
    },
    /// A tag file is not what a tag manifest says.
    #[error("{} {what}, by {}", path.display(), list.display())]
    TagFile {
        /// The tag file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// The tag manifest.
        list: PathBuf,
    },
    /// The payload is not as large as `Payload-Oxum` says.
    #[error("{} has {}.{} bytes and files in data/, and Payload-Oxum says {}.{}", directory.display(), found.0, found.1, told.0, told.1)]
    Oxum {
        /// The bag.
        directory: PathBuf,
        /// Bytes and files by `bag-info.txt`.
        told: (u64, u64),
        /// Bytes and files that there are.
        found: (u64, u64),
    },
    /// Our manifest in the bag has a symbolic link that leads out of the tree.
    #[error("{} has the symlink {}, which leads out of it, to {}", file.display(), String::from_utf8_lossy(path.as_bytes()), String::from_utf8_lossy(target))]
    LeadsOut {
        /// The manifest.
        file: PathBuf,
        /// The link.
        path: EntryPath,
        /// Where it points.
        target: Vec<u8>,
    },
    /// It was to be added together with something else.
    #[error("{} can be added only by itself", directory.display())]
    NotAlone {
        /// The bag.
        directory: PathBuf,
    },
    /// The caller's flag said to stop.
    #[error("cancelled")]
    Cancelled,
}

fn files(count: u64) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}
