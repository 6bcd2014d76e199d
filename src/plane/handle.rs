//! Files and directories as open handles: what the walk opens, and what it finds there.
//!
//! Every open but that of a path somebody typed is of one name relative to an open directory and does not
//! follow a symlink, so nothing that is swapped in while we walk leads anywhere else. Paths exist for
//! people to read; no system call takes one, so depth has no limit here.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::{Errno, retry_on_intr};

use crate::cache::{FileId, FileTime, Fingerprint};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    Special(&'static str),
    /// The directory did not say: `stat` does.
    Unknown,
}

/// What `stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStat {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) links: u64,
    /// Whether the file takes room on a disk; what the kernel makes up (/proc, /sys) does not.
    pub(super) has_blocks: bool,
    pub(super) print: Fingerprint,
}

/// Whether a symlink is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// It is not: everything that the walk found.
    Never,
    /// It is: what the person named.
    Named,
}

impl Follow {
    fn open_flags(self) -> OFlags {
        match self {
            Self::Never => OFlags::NOFOLLOW,
            Self::Named => OFlags::empty(),
        }
    }
}

/// Opens a directory for listing.
pub(super) fn open_directory(at: impl AsFd, name: &CStr, follow: Follow) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | follow.open_flags();
    Ok(retry_on_intr(|| openat(&at, name, flags, Mode::empty()))?)
}

/// Opens a directory as a place to open other names from, which needs no right to list it.
pub(super) fn open_place(at: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(retry_on_intr(|| openat(&at, name, flags, Mode::empty()))?)
}

/// Opens a directory by its path beneath another, following no symlink on the way.
///
/// `access` is how: `O_PATH` to open other names from, `O_RDONLY` to change its mode and times.
pub(super) fn open_beneath(root: impl AsFd, path: &[u8], access: OFlags) -> io::Result<OwnedFd> {
    let flags = beneath_flags(access);
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match retry_on_intr(|| openat2(&root, path, flags, Mode::empty(), resolve)) {
        // Kernels before 5.6 do not have it, and some sandboxes refuse what they do not know.
        Err(Errno::NOSYS | Errno::PERM) => open_step_by_step(root, path, access),
        opened => Ok(opened?),
    }
}

fn beneath_flags(access: OFlags) -> OFlags {
    access | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW
}

fn open_step_by_step(root: impl AsFd, path: &[u8], access: OFlags) -> io::Result<OwnedFd> {
    let mut at: Option<OwnedFd> = None;
    let mut names = path.split(|&byte| byte == b'/').peekable();
    while let Some(name) = names.next() {
        let flags = beneath_flags(if names.peek().is_some() { OFlags::PATH } else { access });
        let from = at.as_ref().map_or(root.as_fd(), AsFd::as_fd);
        let opened = retry_on_intr(|| openat(from, name, flags, Mode::empty()))?;
        at = Some(opened);
    }
    at.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Opens what should be a regular file. Does not wait for a fifo's other end, and takes no terminal over; the
/// caller looks at what it got before it reads.
pub(super) fn open_file(at: impl AsFd, name: &CStr, follow: Follow) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | follow.open_flags();
    Ok(retry_on_intr(|| openat(&at, name, flags, Mode::empty()))?)
}

/// Looks at an open file.
pub(super) fn stat(fd: impl AsFd) -> io::Result<FileStat> {
    Ok(convert(&rustix::fs::fstat(fd)?))
}

/// Looks at a name.
pub(super) fn stat_at(at: impl AsFd, name: &CStr, follow: Follow) -> io::Result<FileStat> {
    let flags = match follow {
        Follow::Never => AtFlags::SYMLINK_NOFOLLOW,
        Follow::Named => AtFlags::empty(),
    };
    Ok(convert(&rustix::fs::statat(at, name, flags)?))
}

/// Translates the kind that a directory listing or `stat` gives.
pub(super) fn kind_of(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Special("fifo"),
        FileType::Socket => Kind::Special("socket"),
        FileType::CharacterDevice => Kind::Special("character device"),
        FileType::BlockDevice => Kind::Special("block device"),
        FileType::Unknown => Kind::Unknown,
    }
}

// The widths of these fields differ between the machines that Rust runs on; all values fit.
#[allow(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    clippy::cast_lossless,
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    reason = "the field types differ by target"
)]
fn convert(stat: &rustix::fs::Stat) -> FileStat {
    let time = |seconds, nanoseconds| FileTime { seconds, nanoseconds };
    FileStat {
        kind: match kind_of(FileType::from_raw_mode(stat.st_mode as u32)) {
            Kind::Unknown => Kind::Special("file of an unknown kind"),
            kind @ (Kind::File | Kind::Directory | Kind::Symlink | Kind::Special(_)) => kind,
        },
        mode: stat.st_mode as u32 & 0o7777,
        links: stat.st_nlink as u64,
        has_blocks: stat.st_blocks > 0,
        print: Fingerprint {
            id: FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
            size_bytes: stat.st_size as u64,
            mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "makes a tree to open")]
    fn no_symlink_leads_out_of_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("a/b/c")).unwrap();
        std::fs::write(at("a/file"), "").unwrap();
        symlink("b", at("a/link")).unwrap();
        symlink("/", at("out")).unwrap();
        let fd: OwnedFd = std::fs::File::open(root.path()).unwrap().into();
        for (path, opens) in [
            ("a", true),
            ("a/b/c", true),
            ("a/link", false),
            ("a/link/c", false),
            ("out/tmp", false),
            ("a/file", false),
        ] {
            assert_eq!(open_beneath(&fd, path.as_bytes(), OFlags::PATH).is_ok(), opens, "{path}");
            assert_eq!(open_beneath(&fd, path.as_bytes(), OFlags::RDONLY).is_ok(), opens, "{path}");
            assert_eq!(
                open_step_by_step(&fd, path.as_bytes(), OFlags::RDONLY).is_ok(),
                opens,
                "{path}, step by step"
            );
        }
    }
}
