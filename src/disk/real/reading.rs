//! Looking at much: directories listed through one handle, and bytes read once without crowding out other files.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{Advice, AtFlags, FileType, Mode, OFlags, RawDir, fadvise, openat, statat};
use rustix::io::{Errno, ReadWriteFlags, preadv2, retry_on_intr};

use super::{Directory, FileKind, Listed, Stat};

/// How much of a listing the kernel hands out at once: the whole of a shard directory of some 180 objects.
const LISTING_BYTES: usize = 16 * 1024;

/// Lists an open directory, sorted by the bytes of the names, and holds on to it.
pub(super) fn listing(path: PathBuf, handle: OwnedFd) -> io::Result<(Directory, Vec<Listed>)> {
    let mut listed = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); LISTING_BYTES];
    let mut entries = RawDir::new(&handle, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Err(Errno::INTR) => continue,
            entry => entry?,
        };
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match kind_of(entry.file_type()) {
            FileKind::Other if entry.file_type() == FileType::Unknown => {
                // Some file systems do not say in the listing what an entry is.
                match stat_in(&handle, name) {
                    Ok(stat) => stat.kind,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // taken away meanwhile
                    Err(error) => return Err(error),
                }
            }
            kind @ (FileKind::File | FileKind::Directory | FileKind::Symlink | FileKind::Other) => kind,
        };
        listed.push(Listed { name: name.to_owned(), kind });
    }
    listed.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    Ok((Directory::open(path, handle), listed))
}

/// Opens a name in an open directory for reading. A symlink is not followed, and that is an error.
pub(super) fn open_in(at: &OwnedFd, name: &OsStr, flags: OFlags) -> io::Result<OwnedFd> {
    let (name, flags) = (one_name(name)?, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC);
    Ok(retry_on_intr(|| openat(at, name, flags, Mode::empty()))?)
}

/// Looks at a name in an open directory, without following it.
pub(super) fn stat_in(at: &OwnedFd, name: &OsStr) -> io::Result<Stat> {
    let name = one_name(name)?;
    Ok(stat_of(&retry_on_intr(|| statat(at, name, AtFlags::SYMLINK_NOFOLLOW))?))
}

/// Refuses a name that leads further than one step down.
pub(super) fn one_name(name: &OsStr) -> rustix::io::Result<&OsStr> {
    match name.as_bytes() {
        b"" | b"." | b".." => Err(Errno::INVAL),
        bytes if bytes.contains(&b'/') => Err(Errno::INVAL),
        _ => Ok(name),
    }
}

/// Takes of what the system says of a file what anyone here asks.
pub(super) fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    Stat {
        kind: kind_of(FileType::from_raw_mode(stat.st_mode)),
        size_bytes: u64::try_from(stat.st_size).unwrap_or(0), // the kernel reports no negative size
        mode: stat.st_mode & 0o7777,
        inode: stat.st_ino,
        device: stat.st_dev,
        ctime_ns: i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec),
    }
}

fn kind_of(kind: FileType) -> FileKind {
    match kind {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => FileKind::Other,
    }
}

/// `RWF_DONTCACHE` (Linux 6.14): pages that this read brings into the page cache leave it again when they have been
/// copied; pages that were there before stay. `rustix` has no name for it yet.
const DONTCACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);

/// How a file is read so that the page cache is afterwards as it was before (docs/decisions/0016).
#[derive(Debug, Default)]
pub(super) struct Behind(AtomicU8);

/// The kernel does it, as far as is known yet.
const BY_KERNEL: u8 = 0;
/// It cannot. All that was read so far was in the page cache before, and is left there.
const CACHED: u8 = 1;
/// It cannot. The rest of the file was not in the page cache, or only because we made the kernel read ahead.
const OURS: u8 = 2;
/// It cannot, and does not tell what is in the page cache: whatever was dropped could be what others need.
const UNTOLD: u8 = 3;

impl Behind {
    /// Reads as [`File::read_at`] does.
    pub(super) fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // Threads that read one file together may each find out the same.
        if self.0.load(Ordering::Relaxed) == BY_KERNEL {
            match flagged(file, buffer, offset, DONTCACHE) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.0.store(CACHED, Ordering::Relaxed);
                }
                read => return Ok(read?),
            }
        }
        let without_waiting = |buffer: &mut [u8]| flagged(file, buffer, offset, ReadWriteFlags::NOWAIT);
        self.without_the_kernel(file, buffer, offset, without_waiting)
    }

    /// What is read without waiting was in the page cache. Where that ends, the file was not, and from there on what
    /// was read is dropped.
    fn without_the_kernel(
        &self,
        file: &File,
        buffer: &mut [u8],
        offset: u64,
        without_waiting: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        let mut perhaps_at_end = false;
        if self.0.load(Ordering::Relaxed) == CACHED {
            match without_waiting(buffer) {
                // Linux 5.9 and 5.10 say so, too, of what is not in the page cache (preadv2(2), BUGS). Taken for the end of
                // the file, that would make damage of every sound object that nobody has read lately.
                Ok(0) => perhaps_at_end = true,
                Ok(read) => return Ok(read),
                Err(Errno::AGAIN) => self.0.store(OURS, Ordering::Relaxed),
                // A failing disk says more to the plain read.
                Err(_) => self.0.store(UNTOLD, Ordering::Relaxed),
            }
        }
        let read = loop {
            match file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if perhaps_at_end && read > 0 {
            self.0.store(OURS, Ordering::Relaxed);
        }
        if self.0.load(Ordering::Relaxed) == OURS {
            // To the end of the file where this is it: a length would spare its last page. Advice, so a refusal is no error.
            let length = if read < buffer.len() { None } else { NonZeroU64::new(read as u64) };
            fadvise(file, offset, length, Advice::DontNeed).ok();
        }
        Ok(read)
    }
}

fn flagged(file: &File, buffer: &mut [u8], offset: u64, flags: ReadWriteFlags) -> rustix::io::Result<usize> {
    retry_on_intr(|| preadv2(file, &mut [IoSliceMut::new(buffer)], offset, flags))
}

#[cfg(test)]
mod tests;
