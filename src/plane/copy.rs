//! One object copied to one new file, checked.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, fstat, openat, statat, unlinkat};
use rustix::io::retry_on_intr;

use super::beside::{CHUNK_BYTES, read_hashed};
use super::export::{ExportOptions, LinkMode};
use super::fault::{Fault, ReadFailure, fill};
use super::hook::{Hook, Moment};
use super::stream::is_zero;
use crate::disk::{DiskFile, umask};
use crate::identity::{Blake3, ContentAddress, Digests};
use crate::manifest::Mtime;
use crate::storage::{Local, StorageError};

/// What became of a file.
pub(super) enum Copied {
    /// It is there.
    Whole,
    /// It is not, and nothing is under its name.
    Damaged(Fault),
    /// It is not: reflinks were insisted on.
    NoReflink(io::Error),
    /// The caller's flag said to stop.
    Cancelled,
}

/// Why the copying of one file ended early.
enum Stop {
    Write(io::Error),
    Cancelled,
}

/// Copies objects to files.
pub(super) struct Copier<'a> {
    local: &'a Local,
    link: LinkMode,
    cancelled: &'a AtomicBool,
    /// Which bits of the modes of new files may not be those that were asked for.
    doubtful: u32,
    hook: &'a Hook<'a>,
    /// Whether the destination's file system may still make reflinks of our objects.
    reflinks: AtomicBool,
}

impl<'a> Copier<'a> {
    pub(super) fn new(
        local: &'a Local,
        destination: &OwnedFd,
        options: &ExportOptions,
        cancelled: &'a AtomicBool,
        hook: &'a Hook<'a>,
    ) -> Self {
        // A default ACL, which new directories inherit, stands in the place of the umask.
        let has_acl = rustix::fs::fgetxattr(destination, c"system.posix_acl_default", &mut [0_u8; 0]).is_ok();
        let doubtful = if has_acl { 0o777 } else { umask().unwrap_or(0o777) };
        let reflinks = AtomicBool::new(options.link != LinkMode::Copy);
        Self { local, link: options.link, cancelled, doubtful, hook, reflinks }
    }

    /// Makes a file of exactly this mode. Errors are those of the destination.
    pub(super) fn copy(
        &self,
        object: &Digests,
        parent: &OwnedFd,
        name: &[u8],
        mode: u32,
        mtime: Option<Mtime>,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Copied> {
        let source = match self.local.open_object(&object.address()) {
            Ok(Some(source)) => source,
            Ok(None) => return Ok(Copied::Damaged(Fault::Missing)),
            Err(error) => return Ok(Copied::Damaged(fault_of(error))),
        };
        buffer.resize(CHUNK_BYTES, 0);
        let head = match fill(&*source, buffer, 0) {
            Ok(filled) => filled,
            Err(error) => return Ok(Copied::Damaged(Fault::Unreadable { error })),
        };
        let is_small = head < buffer.len();
        let reflink = self.reflinks.load(Ordering::Relaxed) && object.size_bytes > 0;
        // Where it costs no second pass nothing is made before the bytes are known to be right.
        let checked = match (is_small, reflink) {
            (true, _) => Ok(wrong(object, Blake3::of(&buffer[..head]), head as u64)),
            (false, true) => self.pass(object, &*source, None),
            (false, false) => Ok(None),
        };
        match checked {
            Ok(None) => {}
            Ok(Some(fault)) => return Ok(Copied::Damaged(fault)),
            Err(Stop::Cancelled) => return Ok(Copied::Cancelled),
            Err(Stop::Write(error)) => return Err(error),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let created = Mode::from_raw_mode(mode & 0o777);
        self.hook.call(Moment::BeforeCreate, name);
        let file = File::from(retry_on_intr(|| openat(parent, name, flags, created))?);
        self.hook.call(Moment::AfterCreate, name);
        let result = match self.reflink(&*source, &file, reflink) {
            Ok(true) => Ok(Copied::Whole),
            Err(error) => Ok(Copied::NoReflink(error)),
            Ok(false) if is_small => file.write_all_at(&buffer[..head], 0).map(|()| Copied::Whole),
            Ok(false) => match self.pass(object, &*source, Some(&file)) {
                Ok(None) => Ok(Copied::Whole),
                Ok(Some(fault)) => Ok(Copied::Damaged(fault)),
                Err(Stop::Cancelled) => Ok(Copied::Cancelled),
                Err(Stop::Write(error)) => Err(error),
            },
        };
        if matches!(result, Ok(Copied::Whole)) {
            // Writing takes setuid bits away, so the mode comes after it.
            if mode & (self.doubtful | !0o777) != 0 {
                rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            }
            if let Some(mtime) = mtime {
                rustix::fs::futimens(&file, &times(mtime))?;
            }
        } else {
            // What went wrong is told in any case.
            if is_under(&file, parent, name) {
                unlinkat(parent, name, AtFlags::empty()).ok();
            }
        }
        result
    }

    /// Makes the file share the object's blocks, where that is wanted and possible. An error where it is
    /// insisted on.
    fn reflink(&self, source: &dyn DiskFile, file: &File, wanted: bool) -> io::Result<bool> {
        if !wanted {
            return Ok(false);
        }
        let cloned = match source.descriptor() {
            Some(descriptor) => rustix::fs::ioctl_ficlone(file, descriptor).map_err(io::Error::from),
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        match cloned {
            Ok(()) => Ok(true),
            Err(error) if self.link == LinkMode::Reflink => Err(error),
            Err(_) => {
                // Another file system, or one that cannot: it will not be otherwise for the next file.
                self.reflinks.store(false, Ordering::Relaxed);
                Ok(false)
            }
        }
    }

    /// Reads the whole object, writing it where there is somewhere to write to, and says what is wrong with it.
    fn pass(
        &self,
        object: &Digests,
        source: &dyn DiskFile,
        file: Option<&File>,
    ) -> Result<Option<Fault>, Stop> {
        let read = read_hashed(source, |chunk, offset| {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Stop::Cancelled);
            }
            match file {
                Some(file) if !is_zero(chunk) => file.write_all_at(chunk, offset).map_err(Stop::Write),
                Some(_) | None => Ok(()),
            }
        });
        let found = match read {
            Ok(found) => found,
            Err(ReadFailure::File(error)) => return Ok(Some(Fault::Unreadable { error })),
            Err(ReadFailure::Taker(stop)) => return Err(stop),
        };
        if let Some(file) = file {
            file.set_len(found.size_bytes).map_err(Stop::Write)?; // it may end in zeros, which are not written
        }
        Ok(wrong(object, found.digest, found.size_bytes))
    }
}

/// Returns whether a file stands under this name still, and not what somebody else put there.
fn is_under(file: &File, parent: &OwnedFd, name: &[u8]) -> bool {
    let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
    let open = fstat(file);
    found.is_ok_and(|found| open.is_ok_and(|open| (open.st_dev, open.st_ino) == (found.st_dev, found.st_ino)))
}

/// Returns what is wrong with bytes that should be an object's, if anything is.
fn wrong(object: &Digests, found: Blake3, found_bytes: u64) -> Option<Fault> {
    if found == object.blake3 {
        None
    } else if found_bytes < object.size_bytes {
        Some(Fault::Truncated { expected_bytes: object.size_bytes, found_bytes })
    } else {
        Some(Fault::Altered { found_bytes, found: Some(ContentAddress::new(found)) })
    }
}

fn fault_of(error: StorageError) -> Fault {
    if let StorageError::NotAFile { kind, .. } = error {
        Fault::NotAFile { kind }
    } else if let StorageError::Io { source, .. } = error {
        Fault::Unreadable { error: source }
    } else {
        Fault::Unreadable { error: io::Error::other(error) }
    }
}

/// Returns what a modification time is to the kernel, beside an access time that stays.
pub(super) fn times(mtime: Mtime) -> Timestamps {
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let last_modification = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() };
    Timestamps { last_access, last_modification }
}
