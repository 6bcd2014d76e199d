//! A package's tree written out again, every byte checked on the way.
//!
//! Everything is made relative to directory handles and beneath the destination: nothing that somebody puts
//! there meanwhile leads anywhere else, and nothing that stands there is written over. Modes are exact,
//! whatever the umask; a directory gets its own last of all, so that one that may not be written can be
//! filled. Content that is damaged gets no name, and the rest goes on.
//!
//! Knows nothing of packages: entries in, files out.

mod documents;
mod parents;

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, mkdirat, symlinkat, unlinkat, utimensat};
use rustix::io::{Errno, retry_on_intr};

pub use self::documents::Document;
use super::copy::{Copied, Copier, times};
use super::fault::Fault;
use super::handle::{Follow, open_beneath, open_directory};
use super::hook::{Hook, Moment};
use super::ingest::BoxError;
use super::threads::crew_of;
use crate::cache::FileId;
use crate::identity::Digests;
use crate::manifest::{Entry, EntryBody, EntryPath, Mtime};
use crate::monitor::{Counter, Monitor, Task};
use crate::storage::Local;
use parents::{Parents, expect, make_directory};

/// How many files are handed to a thread together, and how many such handfuls wait; each file may hold
/// another directory open.
const JOBS_TOGETHER: usize = 16;
const JOBS_WAITING: usize = 16;

/// How files are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LinkMode {
    /// By reflink where that is possible, else by copying.
    #[default]
    Auto,
    /// By reflink or not at all.
    Reflink,
    /// By copying.
    Copy,
}

/// What becomes of setuid, setgid and sticky bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SpecialModes {
    /// They are left out.
    #[default]
    Drop,
    /// They are set.
    Keep,
}

/// How to export.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// How files are made.
    pub link: LinkMode,
    /// Whether setuid, setgid and sticky bits are set.
    pub special_modes: SpecialModes,
    /// How many threads copy, at least one.
    pub threads: usize,
    /// How many bytes there are to write, for the monitor, where that is known.
    pub bytes_expected: Option<u64>,
    /// What is written last, in this order, and only if nothing is damaged: files that are no objects.
    pub documents: Vec<Document>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            link: LinkMode::default(),
            special_modes: SpecialModes::default(),
            threads: std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16),
            bytes_expected: None,
            documents: Vec::new(),
        }
    }
}

/// An entry that was not written because its object is damaged or missing.
#[derive(Debug)]
pub struct DamagedEntry {
    /// Its path in the package.
    pub path: EntryPath,
    /// Its object.
    pub object: Digests,
    /// What is wrong with that.
    pub fault: Fault,
}

/// What an export wrote.
#[derive(Debug, Default)]
pub struct Exported {
    /// Entries written.
    pub entries: u64,
    /// Bytes of files written.
    pub bytes: u64,
    /// What could not be written, all of it, sorted by path. Nothing stands under these names.
    pub damaged: Vec<DamagedEntry>,
}

/// Why an export came to no end. What it had written stays where it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The destination can be neither made nor opened.
    #[error("cannot write to {}", path.display())]
    Destination {
        /// The destination.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something is in the destination.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The destination.
        path: PathBuf,
    },
    /// The destination lies within the store: nothing there is anybody else's, and a gc clears some of it.
    #[error("{} is inside the store", path.display())]
    InsideStore {
        /// The destination.
        path: PathBuf,
    },
    /// An entry could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Its path beneath the destination.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reflinks were insisted on.
    #[error("cannot make a reflink of {}", path.display())]
    NoReflink {
        /// The path beneath the destination.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A thread to work with could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The caller's entries failed.
    #[error("cannot tell the entries")]
    Entries(#[source] BoxError),
    /// The caller's flag said to stop.
    #[error("cancelled")]
    Cancelled,
}

/// Writes entries out beneath a directory that is missing or empty. They come in the order of their paths,
/// each after its parent.
///
/// # Errors
/// [`ExportError`]. Damage is not an error: all of it is in the result.
pub fn export(
    entries: &mut (dyn Iterator<Item = Result<Entry, BoxError>> + '_),
    local: &Local,
    destination: &Path,
    options: &ExportOptions,
    monitor: &dyn Monitor,
    cancelled: &AtomicBool,
) -> Result<Exported, ExportError> {
    export_hooked(entries, local, destination, options, monitor, cancelled, &Hook::none())
}

/// The same, with a test looking on.
pub(super) fn export_hooked(
    entries: &mut (dyn Iterator<Item = Result<Entry, BoxError>> + '_),
    local: &Local,
    destination: &Path,
    options: &ExportOptions,
    monitor: &dyn Monitor,
    cancelled: &AtomicBool,
    hook: &Hook<'_>,
) -> Result<Exported, ExportError> {
    let (root, made) = open_destination(destination)?;
    let exported = export_into(&root, entries, local, destination, options, monitor, cancelled, hook);
    if exported.is_err() && made == Made::ByUs {
        // Where nothing came of it, nothing is left of it. The system lets go of no directory that holds something.
        unlinkat(CWD, destination, AtFlags::REMOVEDIR).ok();
    }
    exported
}

/// Writes entries out beneath a directory that is open and empty; `destination` is what people call it.
#[expect(clippy::too_many_arguments, reason = "those of an export, and the directory")]
pub(super) fn export_into(
    root: &OwnedFd,
    entries: &mut (dyn Iterator<Item = Result<Entry, BoxError>> + '_),
    local: &Local,
    destination: &Path,
    options: &ExportOptions,
    monitor: &dyn Monitor,
    cancelled: &AtomicBool,
    hook: &Hook<'_>,
) -> Result<Exported, ExportError> {
    let export = Export {
        copier: Copier::new(local, root, options, cancelled, hook),
        hook,
        destination,
        mode_mask: mode_mask(options.special_modes),
        monitor,
        cancelled,
        stopped: AtomicBool::new(false),
        failure: Mutex::default(),
        damaged: Mutex::default(),
        written: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    monitor.start(Task::Exporting, options.bytes_expected);
    std::thread::scope(|scope| {
        let (give, take) = bounded(JOBS_WAITING);
        let (workers, refused) = crew_of(options.threads, |thread| {
            let (export, take) = (&export, take.clone());
            thread.spawn_scoped(scope, move || export.attempt(|| export.files(&take)))
        });
        drop(take);
        export.attempt(|| {
            refused.map_err(ExportError::Thread)?;
            let directories = export.tree(root, entries, give)?;
            // Every file must be there before its directory may be closed to writing.
            for worker in workers {
                if let Err(panic) = worker.join() {
                    std::panic::resume_unwind(panic);
                }
            }
            export.go_on()?;
            export.documents(root, &options.documents)?;
            export.finish(root, &directories)
        });
    });
    monitor.finish(Task::Exporting);
    if let Some(error) = export.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut damaged = export.damaged.into_inner().unwrap_or_else(PoisonError::into_inner);
    damaged.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(Exported { entries: export.written.into_inner(), bytes: export.bytes.into_inner(), damaged })
}

/// Which of the mode's bits are set.
fn mode_mask(special_modes: SpecialModes) -> u32 {
    match special_modes {
        SpecialModes::Drop => 0o777,
        SpecialModes::Keep => 0o7777,
    }
}

/// Makes the destination, or opens it and makes sure that it is empty.
pub(super) fn open_destination(path: &Path) -> Result<(OwnedFd, Made), ExportError> {
    let failed = |source: io::Error| ExportError::Destination { path: path.to_owned(), source };
    let (follow, made) = match mkdirat(CWD, path, Mode::from_raw_mode(0o777)) {
        // Nobody named the symlink that may stand there by now.
        Ok(()) => (Follow::Never, Made::ByUs),
        Err(Errno::EXIST) => (Follow::Named, Made::ByOthers),
        Err(error) => return Err(failed(error.into())),
    };
    // Without the slash that people put behind a directory: with it the kernel follows a symlink in any case.
    let plain = path.components().as_path();
    let name = CString::new(plain.as_os_str().as_bytes()).map_err(|error| failed(error.into()))?;
    let root = open_directory(CWD, &name, follow).map_err(failed)?;
    // Ours or not: it may have been replaced since it was made.
    let mut buffer = Vec::with_capacity(4096);
    let mut listing = RawDir::new(&root, buffer.spare_capacity_mut());
    while let Some(item) = listing.next() {
        let item = item.map_err(|error| failed(error.into()))?;
        if item.file_name() != c"." && item.file_name() != c".." {
            return Err(ExportError::NotEmpty { path: path.to_owned() });
        }
    }
    Ok((root, made))
}

/// Who made the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// This export.
    ByUs,
    /// It was there.
    ByOthers,
}

/// A file to be written.
struct Job {
    parent: Arc<OwnedFd>,
    path: EntryPath,
    mode: u32,
    mtime: Option<Mtime>,
    object: Digests,
}

/// A directory that was made and has yet to get its own mode and time.
struct Unfinished {
    path: EntryPath,
    mode: u32,
    mtime: Option<Mtime>,
    /// Which one it is: nothing is written to another directory that somebody puts in its place.
    id: FileId,
}

/// One export, as all its threads see it.
struct Export<'a> {
    copier: Copier<'a>,
    hook: &'a Hook<'a>,
    destination: &'a Path,
    mode_mask: u32,
    monitor: &'a dyn Monitor,
    cancelled: &'a AtomicBool,
    stopped: AtomicBool,
    failure: Mutex<Option<ExportError>>,
    damaged: Mutex<Vec<DamagedEntry>>,
    written: AtomicU64,
    bytes: AtomicU64,
}

impl Export<'_> {
    fn attempt(&self, work: impl FnOnce() -> Result<(), ExportError>) {
        if let Err(error) = work() {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    fn go_on(&self) -> Result<(), ExportError> {
        let stop = self.stopped.load(Ordering::Relaxed) || self.cancelled.load(Ordering::Relaxed);
        if stop { Err(ExportError::Cancelled) } else { Ok(()) }
    }

    /// Returns the path of an entry beneath the destination, for people.
    fn shown(&self, path: &EntryPath) -> PathBuf {
        let mut bytes = self.destination.as_os_str().as_bytes().to_vec();
        bytes.push(b'/');
        bytes.extend_from_slice(path.as_bytes());
        PathBuf::from(std::ffi::OsString::from_vec(bytes))
    }

    fn failed(&self, path: &EntryPath, error: impl Into<io::Error>) -> ExportError {
        ExportError::Write { path: self.shown(path), source: error.into() }
    }

    /// Makes directories and symlinks, and hands out the files. Returns the directories, parents first.
    fn tree(
        &self,
        root: &OwnedFd,
        entries: &mut (dyn Iterator<Item = Result<Entry, BoxError>> + '_),
        give: Sender<Vec<Job>>,
    ) -> Result<Vec<Unfinished>, ExportError> {
        let mut directories = Vec::new();
        let mut jobs = Vec::new();
        let mut parents =
            Parents { root: Arc::new(root.try_clone().map_err(|source| self.lost(source))?), last: None };
        for entry in entries {
            self.go_on()?;
            let Entry { path, body, mtime } = entry.map_err(ExportError::Entries)?;
            let parent = parents.of(&path, &directories).map_err(|error| self.failed(&path, error))?;
            match body {
                EntryBody::File { mode, object } => {
                    jobs.push(Job { parent, path, mode, mtime, object });
                    if jobs.len() >= JOBS_TOGETHER {
                        self.hand_out(&give, &mut jobs)?;
                    }
                }
                EntryBody::Directory { mode } => {
                    let id = make_directory(&parent, path.file_name())
                        .map_err(|error| self.failed(&path, error))?;
                    directories.push(Unfinished { path, mode, mtime, id });
                }
                EntryBody::Symlink { target } => {
                    symlinkat(&*target, &*parent, path.file_name())
                        .map_err(|error| self.failed(&path, error))?;
                    if let Some(mtime) = mtime {
                        utimensat(&*parent, path.file_name(), &times(mtime), AtFlags::SYMLINK_NOFOLLOW)
                            .map_err(|error| self.failed(&path, error))?;
                    }
                    self.count(1, 0);
                }
            }
        }
        self.hand_out(&give, &mut jobs)?;
        Ok(directories)
    }

    fn lost(&self, source: io::Error) -> ExportError {
        ExportError::Destination { path: self.destination.to_owned(), source }
    }

    fn hand_out(&self, give: &Sender<Vec<Job>>, jobs: &mut Vec<Job>) -> Result<(), ExportError> {
        // The workers leave only after a failure, which is noted elsewhere.
        give.send(std::mem::take(jobs)).map_err(|_| ExportError::Cancelled)
    }

    /// Writes files until there are none left.
    fn files(&self, jobs: &Receiver<Vec<Job>>) -> Result<(), ExportError> {
        let mut buffer = Vec::new();
        for handful in jobs {
            let (mut written, mut bytes) = (0, 0);
            for job in handful {
                self.go_on()?;
                let mode = job.mode & self.mode_mask;
                let name = job.path.file_name();
                match self.copier.copy(&job.object, &job.parent, name, mode, job.mtime, &mut buffer) {
                    Ok(Copied::Whole) => {
                        written += 1;
                        bytes += job.object.size_bytes;
                    }
                    Ok(Copied::Damaged(fault)) => {
                        let damaged = DamagedEntry { path: job.path, object: job.object, fault };
                        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).push(damaged);
                    }
                    Ok(Copied::Cancelled) => return Err(ExportError::Cancelled),
                    Ok(Copied::NoReflink(source)) => {
                        return Err(ExportError::NoReflink { path: self.shown(&job.path), source });
                    }
                    Err(error) => return Err(self.failed(&job.path, error)),
                }
            }
            self.count(written, bytes);
        }
        Ok(())
    }

    /// Gives the directories their own modes and times, the deepest first.
    fn finish(&self, root: &OwnedFd, directories: &[Unfinished]) -> Result<(), ExportError> {
        for directory in directories.iter().rev() {
            self.finish_directory(root, directory).map_err(|error| self.failed(&directory.path, error))?;
        }
        self.count(directories.len() as u64, 0);
        Ok(())
    }

    fn finish_directory(&self, root: &OwnedFd, directory: &Unfinished) -> io::Result<()> {
        self.hook.call(Moment::BeforeFinish, directory.path.file_name());
        let opened = open_beneath(root, directory.path.as_bytes(), OFlags::RDONLY)?;
        expect(&opened, directory.id)?;
        if let Some(mtime) = directory.mtime {
            rustix::fs::futimens(&opened, &times(mtime))?;
        }
        let mode = Mode::from_raw_mode(directory.mode & self.mode_mask);
        Ok(retry_on_intr(|| rustix::fs::fchmod(&opened, mode))?)
    }

    fn count(&self, entries: u64, bytes: u64) {
        self.written.fetch_add(entries, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.monitor.count(Counter::EntriesExported, entries);
        self.monitor.count(Counter::BytesExported, bytes);
    }
}
