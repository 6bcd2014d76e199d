//! What is done in a directory that is held open: names listed, opened and looked at, one step from its handle.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, openat, statat};
use rustix::io::{Errno, retry_on_intr};

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

/// Opens a name in an open directory. A symlink is not followed, and that is an error.
pub(super) fn open_in(at: &OwnedFd, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let (name, flags) = (one_name(name)?, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC);
    Ok(retry_on_intr(|| openat(at, name, flags, mode))?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_one_step_down() {
        for name in ["", ".", "..", "a/b", "/", "/etc"] {
            one_name(OsStr::new(name)).expect_err(name);
        }
        one_name(OsStr::new("...")).expect("a name");
    }
}
