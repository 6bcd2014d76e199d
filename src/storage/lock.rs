//! The store's lock: shared by those who add, exclusive for gc and recovery, and who holds it.
//!
//! Both are advisory `flock`s, which the kernel drops with the process, so no lock is ever stale. Two files:
//! whoever wants `astore.lock` for itself alone takes `astore.gate` first, and keeps it; whoever shares passes
//! through the gate. So a waiting gc lets nobody in before it, and when it is done the others pass before the
//! next gc can close the gate again on them for good: neither starves.
//!
//! The holders write their process ids and commands into `astore.lock`, for people; nothing depends on that.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::layout;
use crate::disk::{RealDisk, file_mode};

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Waits shorter than this are not worth a word.
const PATIENCE: Duration = Duration::from_millis(250);

/// At most so many bytes of the holders' lines are read.
const LINES_BYTES_MAX: usize = 64 * 1024;

/// A process that holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id, as this process sees it.
    pub pid: u32,
    /// The command that it said it runs; empty where that is not known.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.command.is_empty() {
            write!(f, "process {}", self.pid)
        } else {
            write!(f, "{} (process {})", self.command, self.pid)
        }
    }
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Others held it for as long as the caller would wait.
    #[error("the store is in use{}", by(holders))]
    Busy {
        /// Those others, as far as they can be told.
        holders: Vec<Holder>,
    },
    /// The file was deleted or replaced while this process held the lock.
    #[error("{} was taken away while it was locked", layout::LOCK)]
    Replaced,
    /// The caller's flag said to stop waiting.
    #[error("stopped while waiting for the lock")]
    Cancelled,
    /// The system refused.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The file, relative to the root, or the root.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// How the lock is asked for.
pub struct LockRequest<'a> {
    /// What the others are told about this process: the command, on one line.
    pub command: &'a str,
    /// How long to wait for the others; zero tries once.
    pub wait: Duration,
    /// Ends the waiting when set.
    pub cancelled: &'a AtomicBool,
    /// Is called once, when the waiting has gone on for long enough to be noticed.
    pub on_wait: &'a mut dyn FnMut(&[Holder]),
}

impl fmt::Debug for LockRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockRequest")
            .field("command", &self.command)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// The lock, held until dropped.
#[derive(Debug)]
pub struct StoreLock {
    main: File,
    /// The file that `main` is: an open handle never becomes another one's.
    inode: u64,
    /// Held by whoever holds the lock exclusively.
    gate: Option<File>,
}

impl StoreLock {
    /// Takes the lock together with others who share it.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn shared(root: &Path, request: &mut LockRequest<'_>) -> Result<Self, LockError> {
        let files = Files::open(root)?;
        let mut patience = Patience::new(request.wait);
        loop {
            // The gate is held only while passing through it.
            if try_shared(&files.gate, layout::GATE)? {
                let passed = try_shared(&files.main, layout::LOCK);
                unlock(&files.gate, layout::GATE)?;
                if passed? {
                    break;
                }
            }
            patience.pause(&files, request)?;
        }
        let lock = Self::of(files.main, None)?;
        lock.sign(request.command);
        Ok(lock)
    }

    /// Takes the lock alone. While it waits, nobody new is let in.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn exclusive(root: &Path, request: &mut LockRequest<'_>) -> Result<Self, LockError> {
        let files = Files::open(root)?;
        let mut patience = Patience::new(request.wait);
        while !try_exclusive(&files.gate, layout::GATE)? {
            patience.pause(&files, request)?;
        }
        while !try_exclusive(&files.main, layout::LOCK)? {
            patience.pause(&files, request)?;
        }
        Self::alone(files, request.command)
    }

    /// Takes the lock alone if nobody holds it now; `None` where somebody does.
    ///
    /// # Errors
    /// [`LockError::Io`].
    pub fn try_exclusive(root: &Path, command: &str) -> Result<Option<Self>, LockError> {
        let files = Files::open(root)?;
        if try_exclusive(&files.gate, layout::GATE)? && try_exclusive(&files.main, layout::LOCK)? {
            return Ok(Some(Self::alone(files, command)?));
        }
        Ok(None)
    }

    /// Shares a lock that was held alone, without letting it go in between.
    ///
    /// # Errors
    /// [`LockError::Io`]; the lock is lost then.
    pub fn downgrade(mut self) -> Result<Self, LockError> {
        if self.gate.is_some() {
            // The kernel drops the old lock before it takes the new one. Nobody can step in between: to hold
            // the lock alone one must hold the gate, which is ours until the next line.
            if !try_shared(&self.main, layout::LOCK)? {
                return Err(LockError::Busy { holders: Vec::new() });
            }
            self.gate = None;
        }
        Ok(self)
    }

    /// Returns whether the lock still is the file of its name, which this inode number is. Where somebody deleted it,
    /// the next one locks another file, and both think that they are alone.
    pub const fn is_of(&self, inode: u64) -> bool {
        self.inode == inode
    }

    /// Returns whether the lock is held alone.
    pub fn is_exclusive(&self) -> bool {
        self.gate.is_some()
    }

    fn of(main: File, gate: Option<File>) -> Result<Self, LockError> {
        match main.metadata() {
            Ok(meta) => Ok(Self { inode: meta.ino(), main, gate }),
            Err(source) => Err(LockError::Io { path: PathBuf::from(layout::LOCK), source }),
        }
    }

    fn alone(files: Files, command: &str) -> Result<Self, LockError> {
        let lock = Self::of(files.main, Some(files.gate))?;
        // Nobody else holds the lock, so every line in it is a dead one's.
        drop(lock.main.set_len(0));
        lock.sign(command);
        Ok(lock)
    }

    /// Writes who holds the lock. That it fails (a full disk) is no reason not to work.
    fn sign(&self, command: &str) {
        let command: String =
            command.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        drop((&self.main).write_all(format!("{} {command}\n", std::process::id()).as_bytes()));
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // Whoever goes last sweeps. Trying costs the shared lock, which is about to go anyway.
        if fs2::FileExt::try_lock_exclusive(&self.main).is_ok() {
            drop(self.main.set_len(0));
        }
        // Closing the descriptors releases the locks: the lock first, then the gate, as the fields stand.
    }
}

/// Returns who holds the store's lock now, as far as that can be told.
///
/// # Errors
/// [`LockError::Io`].
pub fn holders(root: &Path) -> Result<Vec<Holder>, LockError> {
    Ok(Files::open(root)?.holders())
}

/// The two files, open and not locked.
#[derive(Debug)]
struct Files {
    main: File,
    gate: File,
}

impl Files {
    fn open(root: &Path) -> Result<Self, LockError> {
        let disk = RealDisk::open(root).map_err(|source| LockError::Io { path: root.to_owned(), source })?;
        let mode = file_mode(&disk).map_err(|source| LockError::Io { path: root.to_owned(), source })?;
        let open = |name: &'static str| {
            disk.open_or_create(Path::new(name), mode)
                .map_err(|source| LockError::Io { path: PathBuf::from(name), source })
        };
        let files = Self { main: open(layout::LOCK)?, gate: open(layout::GATE)? };
        // Lines of several processes must not overwrite each other.
        rustix::fs::fcntl_setfl(&files.main, OFlags::APPEND)
            .map_err(|error| LockError::Io { path: PathBuf::from(layout::LOCK), source: error.into() })?;
        Ok(files)
    }

    /// Reads the lines, and leaves out those of processes that are gone or hold nothing any more.
    fn holders(&self) -> Vec<Holder> {
        let mut bytes = vec![0; LINES_BYTES_MAX];
        let read = self.main.read_at(&mut bytes, 0).unwrap_or(0);
        let mut signed = parse_lines(&String::from_utf8_lossy(&bytes[..read]));
        signed.retain(|holder| Path::new(&format!("/proc/{}", holder.pid)).exists());
        let inode = self.main.metadata().map_or(0, |meta| meta.ino());
        let table = std::fs::read_to_string("/proc/locks").unwrap_or_default();
        let holding = parse_locks(&table, inode);
        let known: Vec<Holder> =
            signed.iter().filter(|holder| holding.contains(&holder.pid)).cloned().collect();
        // Where the kernel's table shows nothing of this lock (another namespace), the lines are all there is.
        if known.is_empty() { signed } else { known }
    }
}

/// How long one has waited, and how long one still will.
#[derive(Debug)]
struct Patience {
    since: Instant,
    wait: Duration,
    next: Duration,
    told: bool,
}

impl Patience {
    fn new(wait: Duration) -> Self {
        Self { since: Instant::now(), wait, next: PAUSES.0, told: false }
    }

    fn pause(&mut self, files: &Files, request: &mut LockRequest<'_>) -> Result<(), LockError> {
        if request.cancelled.load(Ordering::Relaxed) {
            return Err(LockError::Cancelled);
        }
        let waited = self.since.elapsed();
        if waited >= self.wait {
            return Err(LockError::Busy { holders: files.holders() });
        }
        if waited >= PATIENCE && !self.told {
            self.told = true;
            (request.on_wait)(&files.holders());
        }
        sleep(self.next.min(self.wait - waited));
        self.next = (self.next * 2).min(PAUSES.1);
        Ok(())
    }
}

fn try_shared(file: &File, name: &'static str) -> Result<bool, LockError> {
    taken(fs2::FileExt::try_lock_shared(file), name)
}

fn try_exclusive(file: &File, name: &'static str) -> Result<bool, LockError> {
    taken(fs2::FileExt::try_lock_exclusive(file), name)
}

fn unlock(file: &File, name: &'static str) -> Result<(), LockError> {
    fs2::FileExt::unlock(file).map_err(|source| LockError::Io { path: PathBuf::from(name), source })
}

fn taken(tried: io::Result<()>, name: &'static str) -> Result<bool, LockError> {
    match tried {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(false)
        }
        Err(source) => Err(LockError::Io { path: PathBuf::from(name), source }),
    }
}

fn parse_lines(text: &str) -> Vec<Holder> {
    let mut holders: Vec<Holder> = Vec::new();
    for line in text.lines() {
        let (pid, command) = line.split_once(' ').unwrap_or((line, ""));
        let Ok(pid) = pid.parse() else { continue };
        holders.retain(|holder| holder.pid != pid || holder.command != command);
        holders.push(Holder { pid, command: command.to_owned() });
    }
    holders
}

/// Returns the processes that hold a `flock` on an inode, by the kernel's table (proc(5), `/proc/locks`).
///
/// The device is not compared: on some file systems the table and `stat` name it differently.
fn parse_locks(table: &str, inode: u64) -> Vec<u32> {
    let mut pids = Vec::new();
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:56789 0 EOF; who only waits has "->" for a second field.
        let [_, "FLOCK", _, _, pid, file, ..] = fields.as_slice() else { continue };
        if file.rsplit(':').next().and_then(|number| number.parse().ok()) == Some(inode)
            && let Ok(pid) = pid.parse()
        {
            pids.push(pid);
        }
    }
    pids
}

fn by(holders: &[Holder]) -> String {
    match holders {
        [] => String::new(),
        some => format!(" by {}", some.iter().map(Holder::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests;
