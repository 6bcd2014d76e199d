//! Files among the objects that the log does not call stored: what no event names, and what a gc has purged and
//! not deleted.
//!
//! Only names and sizes are looked at. What stands under a name that no object can have is verify's to tell, and
//! nobody's to delete.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::shards::{Met, beginning, each_file, each_file_in};
use super::threads::in_threads;
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

/// The files that stand among the objects, eight bytes each: the beginnings of the digests that they are named by.
#[derive(Debug, Default)]
pub struct ObjectFiles {
    /// A run for each thread that listed, ascending.
    runs: Vec<Vec<u64>>,
    /// Directories that could not be listed, with the reason.
    unreadable: Vec<String>,
}

/// Lists the directories of the objects, on several threads.
///
/// Asks nothing of the log, so that somebody else can read that meanwhile.
///
/// # Errors
/// [`StorageError::Io`] where the objects' directory itself cannot be listed, or with
/// [`io::ErrorKind::Interrupted`] where the caller's flag says to stop.
pub fn object_files(
    disk: &dyn Disk,
    threads: usize,
    cancelled: &AtomicBool,
) -> Result<ObjectFiles, StorageError> {
    let start = || (Vec::new(), Vec::new());
    let parts = each_file(disk, threads, cancelled, start, |(run, unreadable), met| match met {
        Met::File(address) => run.push(beginning(&address.digest())),
        Met::Unlisted(path, error) => unreadable.push(format!("{}: {error}", path.display())),
    })?;
    let mut files = ObjectFiles::default();
    for (mut run, mut unreadable) in parts {
        // They were met in this order, but for what a file system or a test lists otherwise.
        run.sort_unstable();
        files.runs.push(run);
        files.unreadable.append(&mut unreadable);
    }
    Ok(files)
}

impl ObjectFiles {
    /// Returns the directories with a file that the log does not call stored, each once: the two bytes that name it.
    fn odd_directories(&self, named: &NamedObjects) -> BTreeSet<[u8; 2]> {
        let mut odd = BTreeSet::new();
        for run in &self.runs {
            let mut stored = named.stored.iter().peekable();
            for file in run {
                while stored.next_if(|stored| *stored < file).is_some() {}
                if stored.peek() != Some(&file) {
                    let [outer, inner, ..] = file.to_be_bytes();
                    odd.insert([outer, inner]);
                }
            }
        }
        odd
    }
}

/// Finds those files that the log does not call stored. Their directories are listed again for it: there are few of
/// them, and to keep all names until the log is read would take four times the memory.
pub fn strays(disk: &dyn Disk, files: ObjectFiles, mut named: NamedObjects, threads: usize) -> Strays {
    named.sort();
    let odd: Vec<[u8; 2]> = files.odd_directories(&named).into_iter().collect();
    let mut found = Strays { unreadable: files.unreadable, ..Strays::default() };
    if odd.is_empty() {
        found.unreadable.sort_unstable();
        return found;
    }
    let next = AtomicUsize::new(0);
    let parts = in_threads(threads.min(odd.len()), || {
        let mut found = Strays::default();
        while let Some([outer, inner]) = odd.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (outer, inner) = (format!("{outer:02x}"), format!("{inner:02x}"));
            let mut take = |met: Met<'_>| found.take(disk, &named, met);
            each_file_in(disk, OsStr::new(&outer), OsStr::new(&inner), &mut take);
        }
        found
    });
    for mut part in parts {
        found.unrecorded.append(&mut part.unrecorded);
        found.purged.append(&mut part.purged);
        found.unreadable.append(&mut part.unreadable);
    }
    found.unrecorded.sort_unstable_by_key(|file| file.address);
    found.purged.sort_unstable();
    found.unreadable.sort_unstable();
    found
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
