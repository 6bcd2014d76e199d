//! Files among the objects that the log does not call stored: what no event names, and what a gc has purged and
//! not deleted.
//!
//! Only names and sizes are looked at. What stands under a name that no object can have is verify's to tell, and
//! nobody's to delete.

use std::io;
use std::sync::atomic::AtomicBool;

use super::shards::{Met, beginning, each_file};
use crate::disk::Disk;
use crate::env::Timestamp;
use crate::identity::{Blake3, ContentAddress};
use crate::storage::{StorageError, layout};

/// What the log says of every object, in eight bytes each: the beginning of its digest.
///
/// Two digests that begin alike are taken for one that is stored: then a stray file stays, which costs room and
/// nothing else.
#[derive(Clone, Debug, Default)]
pub struct NamedObjects {
    stored: Vec<u64>,
    purged: Vec<u64>,
}

/// What the log says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Never,
    Stored,
    Purged,
}

impl NamedObjects {
    /// Enters an object that the log calls stored.
    pub fn stored(&mut self, address: &Blake3) {
        self.stored.push(beginning(address));
    }

    /// Enters an object that the log calls purged.
    pub fn purged(&mut self, address: &Blake3) {
        self.purged.push(beginning(address));
    }

    fn sort(&mut self) {
        self.stored.sort_unstable();
        self.purged.sort_unstable();
    }

    fn ask(&self, address: &Blake3) -> Named {
        let beginning = beginning(address);
        if self.stored.binary_search(&beginning).is_ok() {
            Named::Stored
        } else if self.purged.binary_search(&beginning).is_ok() {
            Named::Purged
        } else {
            Named::Never
        }
    }
}

/// A file that no event names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnrecordedFile {
    /// The object that its name says it is.
    pub address: Blake3,
    /// The file's size.
    pub size_bytes: u64,
    /// The last change of its inode.
    pub changed_at: Timestamp,
}

/// What stands among the objects beside those that are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// Files that no event names, ascending.
    pub unrecorded: Vec<UnrecordedFile>,
    /// Files of purged objects, ascending.
    pub purged: Vec<Blake3>,
    /// Directories that could not be listed, and files that could not be looked at, with the reason.
    pub unreadable: Vec<String>,
}

/// Lists the directories of the objects, on several threads.
///
/// # Errors
/// [`StorageError::Io`] where the objects' directory itself cannot be listed, or with
/// [`io::ErrorKind::Interrupted`] where the caller's flag says to stop.
pub fn strays(
    disk: &dyn Disk,
    mut named: NamedObjects,
    threads: usize,
    cancelled: &AtomicBool,
) -> Result<Strays, StorageError> {
    named.sort();
    let parts =
        each_file(disk, threads, cancelled, Strays::default, |found, met| found.take(disk, &named, met))?;
    let mut found = Strays::default();
    for mut part in parts {
        found.unrecorded.append(&mut part.unrecorded);
        found.purged.append(&mut part.purged);
        found.unreadable.append(&mut part.unreadable);
    }
    found.unrecorded.sort_unstable_by_key(|file| file.address);
    found.purged.sort_unstable();
    found.unreadable.sort_unstable();
    Ok(found)
}

impl Strays {
    fn take(&mut self, disk: &dyn Disk, named: &NamedObjects, met: Met<'_>) {
        match met {
            Met::File(address) => self.file(disk, named, &address),
            Met::Unlisted(path, error) => self.unreadable.push(format!("{}: {error}", path.display())),
        }
    }

    fn file(&mut self, disk: &dyn Disk, named: &NamedObjects, address: &ContentAddress) {
        match named.ask(&address.digest()) {
            Named::Stored => {}
            Named::Purged => self.purged.push(address.digest()),
            Named::Never => {
                let path = layout::object_path(address);
                match disk.stat(&path) {
                    Ok(stat) => self.unrecorded.push(UnrecordedFile {
                        address: address.digest(),
                        size_bytes: stat.size_bytes,
                        changed_at: Timestamp::from_micros(
                            i64::try_from(stat.ctime_ns.div_euclid(1000)).unwrap_or(i64::MAX),
                        ),
                    }),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => self.unreadable.push(format!("{}: {error}", path.display())),
                }
            }
        }
    }
}
