//! Every object's file looked at again, and everything else that stands among them.
//!
//! What should be there comes from the caller in the order of addresses; what is there comes from the directories. A
//! thread takes a share of both at a time, all that begins with one byte, lists its directories and reads its files
//! through their handles, and meets the others only to take the next one. Nothing is changed, nothing is concluded:
//! a finding may be a running add, so whoever reports it looks at it once more ([`look`]) under the lock.

mod feed;
mod part;

use std::ffi::{OsStr, OsString};
use std::io;
use std::iter::{Copied, Peekable};
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, bounded};

use self::feed::{Feed, Share};
use self::part::Bounds;
pub use self::part::Part;
use super::fault::Fault;
use super::ingest::{BoxError, Known};
use super::look::Looker;
use super::threads::{crew_of, limit};
use super::together::Together;
use crate::disk::{Directory, Disk, FileKind, Listed};
use crate::identity::{Blake3, ContentAddress, Digests};
use crate::monitor::{Counter, Monitor, Task};
use crate::storage::layout;

/// How many shares wait: one, so that nobody waits for the list of what to expect.
const SHARES_WAITING: usize = 1;

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
#[derive(Clone, Copy, Debug, Default)]
pub enum Coverage {
    /// The directories are listed, and what nobody expects there is found too.
    #[default]
    Everything,
    /// The same, of some keys only. What stands beside the directories of the objects belongs to every part.
    Part(Part),
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
    /// The last key of those that it covered. Meaningless where only what is expected was looked at.
    pub last: Option<Blake3>,
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
        together: Together::default(),
    };
    monitor.start(Task::Verifying, options.bytes_expected);
    let shards = match options.coverage {
        Coverage::Everything | Coverage::Part(_) => Some(scan.shards()),
        Coverage::Expected => None,
    };
    let root = shards.as_ref().map(|shards| &shards.directory);
    let mut last = None;
    std::thread::scope(|threads| {
        // What waits when the time of a part is over would begin then.
        let waiting = if matches!(options.coverage, Coverage::Part(_)) { 0 } else { SHARES_WAITING };
        let (give, take) = bounded(waiting);
        let (_, refused) = crew_of(options.threads, |thread| {
            let (scan, take) = (&scan, take.clone());
            thread.spawn_scoped(threads, move || scan.attempt(|| scan.work(&take, root)))
        });
        drop(take);
        scan.attempt(|| refused.map_err(VerifyError::Thread));
        let feed = Feed::new(&scan, give, expected);
        scan.attempt(|| {
            if shards.is_some() {
                scan.leftovers();
            }
            last = match (&shards, options.coverage) {
                (Some(shards), Coverage::Part(part)) => Some(feed.by_parts(shards, &part)?),
                (Some(shards), _) => Some(feed.by_shards(shards)?),
                (None, _) => feed.in_order().map(|()| None)?,
            };
            Ok(())
        });
    });
    monitor.finish(Task::Verifying);
    if let Some(error) = scan.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut findings = scan.findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.sort_by(|left, right| left.subject.cmp(&right.subject));
    // A directory that cannot be read is met by each part of what should be in it.
    findings
        .dedup_by(|left, right| matches!(left.subject, Subject::Path(_)) && left.subject == right.subject);
    Ok(Scanned { findings, objects: scan.objects.into_inner(), bytes: scan.bytes.into_inner(), last })
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

/// What stands directly among the directories of the objects.
struct Shards {
    directory: Directory,
    /// Ascending by the byte that their objects begin with.
    outer: Vec<Outer>,
    strays: Vec<Listed>,
}

/// A directory of objects that begin with one byte.
#[derive(Clone, Debug)]
struct Outer {
    number: u8,
    name: OsString,
}

type Expected<'s> = Peekable<Copied<slice::Iter<'s, Digests>>>;

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
    together: Together,
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

    fn work(&self, shares: &Receiver<Share>, root: Option<&Directory>) -> Result<(), VerifyError> {
        let member = self.together.join();
        let mut looker = Looker::new(self.disk, self.known, self.cancelled).with_others(&self.together);
        for share in shares {
            let before = looker.bytes;
            let mut expected = share.expected.iter().copied().peekable();
            for stray in &share.strays {
                self.stray(&mut looker, Path::new(layout::OBJECTS), stray)?;
            }
            if let Some(root) = root {
                for shard in &share.shards {
                    self.shard(&mut looker, root, shard, &share.bounds, &mut expected)?;
                }
            }
            for object in expected {
                self.unlisted(&mut looker, &object)?;
            }
            let (objects, read) = (share.expected.len() as u64, looker.bytes - before);
            self.objects.fetch_add(objects, Ordering::Relaxed);
            self.bytes.fetch_add(read, Ordering::Relaxed);
            self.monitor.count(Counter::ObjectsVerified, objects);
            self.monitor.count(Counter::BytesVerified, read);
        }
        drop(member);
        looker.help(&self.together);
        Ok(())
    }

    /// Looks at what stands in one of the outer directories within some bounds, and at what is expected there up to
    /// its last name.
    fn shard(
        &self,
        looker: &mut Looker<'_>,
        root: &Directory,
        outer: &Outer,
        bounds: &Bounds,
        expected: &mut Expected<'_>,
    ) -> Result<(), VerifyError> {
        let Some((directory, inner)) = self.list(root, &outer.name) else { return Ok(()) };
        for inner in inner {
            self.go_on()?;
            let Some(number) = shard_number(&inner) else {
                if bounds.begins(&[outer.number]) {
                    self.stray(looker, directory.path(), &inner)?;
                }
                continue;
            };
            let beginning = [outer.number, number];
            if !bounds.meets(&beginning) {
                continue;
            }
            let Some((directory, files)) = self.list(&directory, &inner.name) else { continue };
            for file in files {
                match layout::parse_object_path(&outer.name, &inner.name, &file.name) {
                    Some(address) if bounds.contains(&address.digest()) => {
                        self.listed(looker, &directory, &file.name, address, expected)?;
                    }
                    Some(_) => {}
                    None if bounds.begins(&beginning) => self.stray(looker, directory.path(), &file)?,
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Lists a directory. One that cannot be listed is a finding; the objects in it are looked for by name.
    fn list(&self, parent: &Directory, name: &OsStr) -> Option<(Directory, Vec<Listed>)> {
        match self.disk.listing_in(parent, name) {
            Ok(listed) => Some(listed),
            Err(error) => {
                self.find(Subject::Path(parent.path_of(name)), Fault::Unreadable { error });
                None
            }
        }
    }

    /// Looks at what is expected up to a listed name, and at that name.
    fn listed(
        &self,
        looker: &mut Looker<'_>,
        directory: &Directory,
        name: &OsStr,
        address: ContentAddress,
        expected: &mut Expected<'_>,
    ) -> Result<(), VerifyError> {
        self.go_on()?;
        while let Some(object) = expected.next_if(|object| object.address() <= address) {
            if object.address() == address {
                for fault in looker.look_in(directory, name, &object, self.depth)? {
                    self.find(Subject::Object(address), fault);
                }
                return Ok(());
            }
            self.unlisted(looker, &object)?;
        }
        let fault = looker.unexpected(&address, self.depth)?;
        self.find(Subject::Object(address), fault);
        Ok(())
    }

    /// Looks at an object that no listing has shown: it is missing, or has come since, or could not be listed.
    fn unlisted(&self, looker: &mut Looker<'_>, object: &Digests) -> Result<(), VerifyError> {
        self.go_on()?;
        for fault in looker.look(object, self.depth)? {
            self.find(Subject::Object(object.address()), fault);
        }
        Ok(())
    }

    /// Looks at something under a name that no object can have.
    fn stray(&self, looker: &mut Looker<'_>, directory: &Path, stray: &Listed) -> Result<(), VerifyError> {
        let path = layout::within(directory, &stray.name);
        let fault = looker.stray(&path, stray.kind, self.depth)?;
        self.find(Subject::Path(path), fault);
        Ok(())
    }

    /// Lists the outermost directory.
    fn shards(&self) -> Shards {
        let path = Path::new(layout::OBJECTS);
        let (directory, listed) = self.disk.listing(path).unwrap_or_else(|error| {
            self.find(Subject::Path(path.to_owned()), Fault::Unreadable { error });
            (Directory::by_path(path), Vec::new())
        });
        let (mut outer, mut strays) = (Vec::new(), Vec::new());
        for listed in listed {
            match shard_number(&listed) {
                Some(number) => outer.push(Outer { number, name: listed.name }),
                None => strays.push(listed),
            }
        }
        outer.sort_unstable_by_key(|outer| outer.number);
        Shards { directory, outer, strays }
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

/// Returns the byte that a directory of objects stands for: its name is two lower-case hexadecimal digits.
fn shard_number(listed: &Listed) -> Option<u8> {
    let name = listed.name.to_str().filter(|_| listed.kind == FileKind::Directory)?;
    let number = u8::from_str_radix(name, 16).ok()?;
    // Neither `F0`, nor `+f`, nor `f`.
    (format!("{number:02x}") == name).then_some(number)
}
