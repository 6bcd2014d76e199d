//! Every object's file looked at again, and everything else that stands among them.
//!
//! What should be there comes from the caller in the order of addresses; what is there comes from the
//! directories in the same order. Reading is spread over threads. Nothing is changed, nothing is concluded:
//! a finding may be a running add, so whoever reports it looks at it once more ([`look`]) under the lock.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::fault::Fault;
use super::ingest::{BoxError, Known};
use super::look::Looker;
use super::threads::{crew_of, limit};
use crate::disk::{Disk, FileKind};
use crate::identity::{ContentAddress, Digests};
use crate::monitor::{Counter, Monitor, Task};
use crate::storage::layout;

/// How many objects are handed to a thread together.
const JOBS_TOGETHER: usize = 32;
/// How many such handfuls wait.
const JOBS_WAITING: usize = 16;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Depth {
    /// Names, kinds, sizes and modes.
    Quick,
    /// Every byte, against the primary digest.
    #[default]
    Primary,
    /// Every byte, against both digests.
    Both,
}

/// Whether anything but the expected objects is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Coverage {
    /// The directories are listed, and what nobody expects there is found too.
    #[default]
    Everything,
    /// Only what is expected is looked at.
    Expected,
}

/// How to scan.
#[derive(Clone, Debug)]
pub struct ScanOptions {
    /// How much is looked at.
    pub depth: Depth,
    /// Whether strays are looked for.
    pub coverage: Coverage,
    /// How many threads read, at least one.
    pub threads: usize,
    /// How many bytes there are to read, for the monitor, where that is known.
    pub bytes_expected: Option<u64>,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            depth: Depth::default(),
            coverage: Coverage::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            bytes_expected: None,
        }
    }
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An object, or a file under a name that only that object may have.
    Object(ContentAddress),
    /// Something else, by its path beneath the root.
    Path(PathBuf),
}

/// One thing that is wrong or odd.
#[derive(Debug)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What a scan saw.
#[derive(Debug, Default)]
pub struct Scanned {
    /// What is wrong or odd, objects first, in order. One object may have several faults.
    pub findings: Vec<Finding>,
    /// Expected objects that were looked at.
    pub objects: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Why a scan came to no end. An object that cannot be read is a finding, not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The caller's list of what to expect failed.
    #[error("cannot tell which objects to expect")]
    Expected(#[source] BoxError),
    /// The log could not be asked.
    #[error("cannot ask the log")]
    Known(#[source] BoxError),
    /// A thread to work with could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// A limit of this process or machine was in the way of looking: that says nothing of what is there.
    #[error("cannot look at {}", path.display())]
    Limit {
        /// What was to be looked at, relative to the root.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The caller's flag said to stop.
    #[error("cancelled")]
    Cancelled,
}

/// Looks at every expected object and, with [`Coverage::Everything`], for everything else among the objects.
///
/// `expected` is in strictly ascending order of addresses. `known` is asked only about bytes that are not what
/// they should be.
///
/// # Errors
/// [`VerifyError`].
pub fn scan(
    disk: &dyn Disk,
    expected: &mut (dyn Iterator<Item = Result<Digests, BoxError>> + '_),
    options: &ScanOptions,
    known: &dyn Known,
    monitor: &dyn Monitor,
    cancelled: &AtomicBool,
) -> Result<Scanned, VerifyError> {
    let scan = Scan {
        disk,
        depth: options.depth,
        known,
        monitor,
        cancelled,
        stopped: AtomicBool::new(false),
        failure: Mutex::default(),
        findings: Mutex::default(),
        objects: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    monitor.start(Task::Verifying, options.bytes_expected);
    std::thread::scope(|threads| {
        let (give, take) = bounded(JOBS_WAITING);
        let (_, refused) = crew_of(options.threads, |thread| {
            let (scan, take) = (&scan, take.clone());
            thread.spawn_scoped(threads, move || scan.attempt(|| scan.work(&take)))
        });
        drop(take);
        scan.attempt(|| refused.map_err(VerifyError::Thread));
        let mut feed = Feed { scan: &scan, give, jobs: Vec::new(), expected, ahead: None };
        scan.attempt(|| {
            if options.coverage == Coverage::Everything {
                feed.walk()?;
                scan.leftovers();
            }
            feed.rest()
        });
    });
    monitor.finish(Task::Verifying);
    if let Some(error) = scan.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut findings = scan.findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.sort_by(|left, right| left.subject.cmp(&right.subject));
    Ok(Scanned { findings, objects: scan.objects.into_inner(), bytes: scan.bytes.into_inner() })
}

/// Looks at one object's file and returns what is wrong with it: nothing, most of the time.
///
/// `known` tells whether wrong bytes are another object's.
///
/// # Errors
/// [`VerifyError::Known`], [`VerifyError::Limit`] and [`VerifyError::Cancelled`].
pub fn look(
    disk: &dyn Disk,
    expected: &Digests,
    depth: Depth,
    known: &dyn Known,
    cancelled: &AtomicBool,
) -> Result<Vec<Fault>, VerifyError> {
    let faults = Looker::new(disk, known, cancelled).look(expected, depth)?;
    for fault in &faults {
        if let Fault::Unreadable { error } = fault
            && let Some(source) = limit(error)
        {
            return Err(VerifyError::Limit { path: layout::object_path(&expected.address()), source });
        }
    }
    Ok(faults)
}

/// Something to look at.
enum Job {
    /// An object that should be there.
    Expected(Digests),
    /// A file under an object's name that nobody expects.
    Unexpected(ContentAddress),
    /// Something under a name that no object can have, at that place.
    Stray(PathBuf, FileKind),
}

struct Scan<'a> {
    disk: &'a dyn Disk,
    depth: Depth,
    known: &'a dyn Known,
    monitor: &'a dyn Monitor,
    cancelled: &'a AtomicBool,
    stopped: AtomicBool,
    failure: Mutex<Option<VerifyError>>,
    findings: Mutex<Vec<Finding>>,
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl Scan<'_> {
    fn attempt(&self, work: impl FnOnce() -> Result<(), VerifyError>) {
        if let Err(error) = work() {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    fn go_on(&self) -> Result<(), VerifyError> {
        let stop = self.stopped.load(Ordering::Relaxed) || self.cancelled.load(Ordering::Relaxed);
        if stop { Err(VerifyError::Cancelled) } else { Ok(()) }
    }

    fn find(&self, subject: Subject, fault: Fault) {
        // Once in the log as damage, it would stand there for ever.
        if let Fault::Unreadable { error } = &fault
            && let Some(source) = limit(error)
        {
            let path = match subject {
                Subject::Object(address) => layout::object_path(&address),
                Subject::Path(path) => path,
            };
            return self.attempt(|| Err(VerifyError::Limit { path, source }));
        }
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).push(Finding { subject, fault });
    }

    fn work(&self, jobs: &Receiver<Vec<Job>>) -> Result<(), VerifyError> {
        let mut looker = Looker::new(self.disk, self.known, self.cancelled);
        for handful in jobs {
            let (mut objects, before) = (0, looker.bytes);
            for job in handful {
                self.go_on()?;
                match job {
                    Job::Expected(expected) => {
                        objects += 1;
                        for fault in looker.look(&expected, self.depth)? {
                            self.find(Subject::Object(expected.address()), fault);
                        }
                    }
                    Job::Unexpected(address) => {
                        let fault = looker.unexpected(&address, self.depth)?;
                        self.find(Subject::Object(address), fault);
                    }
                    Job::Stray(path, kind) => {
                        let fault = looker.stray(&path, kind, self.depth)?;
                        self.find(Subject::Path(path), fault);
                    }
                }
            }
            let read = looker.bytes - before;
            self.objects.fetch_add(objects, Ordering::Relaxed);
            self.bytes.fetch_add(read, Ordering::Relaxed);
            self.monitor.count(Counter::ObjectsVerified, objects);
            self.monitor.count(Counter::BytesVerified, read);
        }
        Ok(())
    }

    /// Notes what stands in `tmp/`.
    fn leftovers(&self) {
        let tmp = Path::new(layout::TMP);
        match self.disk.list(tmp) {
            Ok(names) => {
                for name in names {
                    self.find(Subject::Path(layout::within(tmp, &name.name)), Fault::Leftover);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.find(Subject::Path(tmp.to_owned()), Fault::Unreadable { error }),
        }
    }
}

/// Merges what is expected with what the directories list, and hands it out in order.
struct Feed<'a, 'b> {
    scan: &'a Scan<'a>,
    give: Sender<Vec<Job>>,
    jobs: Vec<Job>,
    expected: &'a mut (dyn Iterator<Item = Result<Digests, BoxError>> + 'b),
    /// The next expected object, where it is behind what the directories have listed so far.
    ahead: Option<Digests>,
}

impl Feed<'_, '_> {
    /// Goes through `blake3/ab/cd/`.
    fn walk(&mut self) -> Result<(), VerifyError> {
        let objects = Path::new(layout::OBJECTS);
        for (outer, outer_path) in self.directories(objects)? {
            for (inner, inner_path) in self.directories(&outer_path)? {
                self.scan.go_on()?;
                for listed in self.list(&inner_path)? {
                    match layout::parse_object_path(&outer, &inner, &listed.name) {
                        Some(address) => self.listed(address)?,
                        None => {
                            self.push(Job::Stray(layout::within(&inner_path, &listed.name), listed.kind))?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Lists the shard directories in a directory; whatever else is there is a stray.
    fn directories(&mut self, path: &Path) -> Result<Vec<(std::ffi::OsString, PathBuf)>, VerifyError> {
        let mut directories = Vec::new();
        for listed in self.list(path)? {
            let below = layout::within(path, &listed.name);
            if listed.kind == FileKind::Directory && is_shard(&listed.name) {
                directories.push((listed.name, below));
            } else {
                self.push(Job::Stray(below, listed.kind))?;
            }
        }
        Ok(directories)
    }

    /// Lists a directory. One that cannot be listed is a finding; the objects in it are looked for by name.
    fn list(&self, path: &Path) -> Result<Vec<crate::disk::Listed>, VerifyError> {
        match self.scan.disk.list(path) {
            Ok(listed) => Ok(listed),
            Err(error) => {
                self.scan.find(Subject::Path(path.to_owned()), Fault::Unreadable { error });
                Ok(Vec::new())
            }
        }
    }

    /// Hands out what is expected up to a listed name, and that name.
    fn listed(&mut self, address: ContentAddress) -> Result<(), VerifyError> {
        while let Some(next) = self.next()? {
            if next.address() > address {
                self.ahead = Some(next);
                break;
            }
            self.push(Job::Expected(next))?;
            if next.address() == address {
                return Ok(());
            }
        }
        self.push(Job::Unexpected(address))
    }

    /// Hands out what is still expected.
    fn rest(&mut self) -> Result<(), VerifyError> {
        while let Some(next) = self.next()? {
            self.push(Job::Expected(next))?;
        }
        self.flush()
    }

    fn next(&mut self) -> Result<Option<Digests>, VerifyError> {
        match self.ahead.take() {
            Some(next) => Ok(Some(next)),
            None => self.expected.next().transpose().map_err(VerifyError::Expected),
        }
    }

    fn push(&mut self, job: Job) -> Result<(), VerifyError> {
        self.jobs.push(job);
        if self.jobs.len() >= JOBS_TOGETHER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), VerifyError> {
        self.scan.go_on()?;
        let jobs = std::mem::take(&mut self.jobs);
        // The readers leave only after a failure, which is noted elsewhere.
        self.give.send(jobs).map_err(|_| VerifyError::Cancelled)
    }
}

/// Returns whether a name is two lower-case hexadecimal digits.
fn is_shard(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.len() == 2 && bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
