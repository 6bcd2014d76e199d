//! Files among the objects that the log does not call stored: what no event names, and what a gc has purged and
//! not deleted.
//!
//! Only names and sizes are looked at. What stands under a name that no object can have is verify's to tell, and
//! nobody's to delete.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::threads::crew_of;
use crate::disk::{Disk, FileKind, Listed};
use crate::env::Timestamp;
use crate::identity::{Blake3, ContentAddress};
use crate::storage::{Action, StorageError, layout};

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

fn beginning(address: &Blake3) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&address.as_bytes()[..8]);
    u64::from_be_bytes(bytes)
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
    let objects = Path::new(layout::OBJECTS);
    let failed = |source| StorageError::Io { action: Action::Read, path: objects.to_owned(), source };
    let outer = disk.list(objects).map_err(failed)?;
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Strays::default()));
    let list = || {
        let mut lister = Lister { disk, named: &named, found: Strays::default() };
        while let Some(outer) = outer.get(next.fetch_add(1, Ordering::Relaxed)) {
            if cancelled.load(Ordering::Relaxed) {
                break;
            }
            lister.outer(outer);
        }
        let mut all = found.lock().unwrap_or_else(PoisonError::into_inner);
        all.unrecorded.append(&mut lister.found.unrecorded);
        all.purged.append(&mut lister.found.purged);
        all.unreadable.append(&mut lister.found.unreadable);
    };
    std::thread::scope(|scope| {
        let (_, refused) = crew_of(threads, |thread| thread.spawn_scoped(scope, list));
        if refused.is_err() {
            list();
        }
    });
    if cancelled.load(Ordering::Relaxed) {
        return Err(failed(io::ErrorKind::Interrupted.into()));
    }
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.unrecorded.sort_unstable_by_key(|file| file.address);
    found.purged.sort_unstable();
    found.unreadable.sort_unstable();
    Ok(found)
}

struct Lister<'a> {
    disk: &'a dyn Disk,
    named: &'a NamedObjects,
    found: Strays,
}

impl Lister<'_> {
    fn outer(&mut self, outer: &Listed) {
        if outer.kind != FileKind::Directory {
            return;
        }
        let path = layout::within(Path::new(layout::OBJECTS), &outer.name);
        for inner in self.list(&path) {
            if inner.kind != FileKind::Directory {
                continue;
            }
            let path = layout::within(&path, &inner.name);
            for file in self.list(&path) {
                let address = layout::parse_object_path(&outer.name, &inner.name, &file.name);
                if let Some(address) = address.filter(|_| file.kind == FileKind::File) {
                    self.file(&address);
                }
            }
        }
    }

    fn list(&mut self, path: &Path) -> Vec<Listed> {
        match self.disk.list(path) {
            Ok(listed) => listed,
            Err(error) => {
                self.found.unreadable.push(format!("{}: {error}", path.display()));
                Vec::new()
            }
        }
    }

    fn file(&mut self, address: &ContentAddress) {
        match self.named.ask(&address.digest()) {
            Named::Stored => {}
            Named::Purged => self.found.purged.push(address.digest()),
            Named::Never => {
                let path = layout::object_path(address);
                match self.disk.stat(&path) {
                    Ok(stat) => self.found.unrecorded.push(UnrecordedFile {
                        address: address.digest(),
                        size_bytes: stat.size_bytes,
                        changed_at: Timestamp::from_micros(
                            i64::try_from(stat.ctime_ns.div_euclid(1000)).unwrap_or(i64::MAX),
                        ),
                    }),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => self.found.unreadable.push(format!("{}: {error}", path.display())),
                }
            }
        }
    }
}
