//! The store's root as a handle: every file operation under the root, but SQLite's own, is a call of [`Disk`].
//!
//! One seam serves three ends. Paths are relative to an open directory and never follow a symlink, so that
//! nothing under the root can lead a write out of it. A failing, recording or stalling disk stands in for
//! the real one in tests (`testing`), which makes every crash and fault an ordinary test. And a sync that
//! failed is remembered: this process never claims durability again.
//!
//! This module knows nothing of objects, events or layouts: only paths and bytes.

mod directory;
mod real;
mod resolve;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

pub use directory::Directory;
pub(crate) use real::umask;
pub use real::{EarlierSyncFailed, NotRegular, RealDisk};

/// The one name beneath the root that a disk knows: where things wait until they are fit for their own names.
pub const SCRATCH: &str = "tmp";

/// Returns the mode of a file that belongs to the store as a whole: the root's own, for reading and writing.
///
/// That is `0600`, or `0660` in a store that a group shares.
///
/// # Errors
/// Where the root cannot be looked at.
pub fn file_mode(disk: &dyn Disk) -> io::Result<u32> {
    Ok(disk.stat(Path::new(""))?.mode & 0o666)
}

/// Returns the path of a file with the symlinks on the way to its directory resolved, but not its own.
///
/// The person who names a root may name it through symlinks; SQLite, told to follow none under the root, follows
/// none above it either.
pub fn through_symlinks(path: &Path) -> PathBuf {
    let directory = path.parent().map(|parent| match parent.as_os_str().is_empty() {
        true => Path::new(".").canonicalize(),
        false => parent.canonicalize(),
    });
    match (directory, path.file_name()) {
        (Some(Ok(mut resolved)), Some(name)) => {
            resolved.push(name);
            resolved
        }
        _ => path.to_owned(),
    }
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else: sockets, fifos, devices.
    Other,
}

/// What `lstat` says, as far as anyone here asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// The size in bytes.
    pub size_bytes: u64,
    /// The permission bits, `07777` of the mode.
    pub mode: u32,
    /// The inode number.
    pub inode: u64,
    /// The device that holds it.
    pub device: u64,
    /// The last change of the inode, nanoseconds since the Unix epoch.
    pub ctime_ns: i128,
}

/// One entry of a directory listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name, without any directory.
    pub name: OsString,
    /// What it is.
    pub kind: FileKind,
}

/// An open file under the root. Positions are arguments, so a handle has no state to get wrong.
pub trait DiskFile: Send + Sync + Debug {
    /// Reads up to `buffer.len()` bytes at `offset`; 0 means the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// [`DiskFile::read_at`] for whoever reads much and each byte once: what the page cache held before stays there,
    /// and what it did not hold does not stay, as far as the system can be told so.
    fn read_once_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }
    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns what the file is now.
    fn stat(&self) -> io::Result<Stat>;
    /// Cuts the file off, or extends it with zeros.
    fn set_len(&self, size_bytes: u64) -> io::Result<()>;
    /// Sets the permission bits.
    fn set_mode(&self, mode: u32) -> io::Result<()>;
    /// Makes the file's bytes and size durable (`fdatasync`; `fsync` where the mode matters is not needed here).
    ///
    /// A failure is final: see [`Disk::sync_all`].
    fn sync(&self) -> io::Result<()>;
    /// Makes an empty file share all blocks of another, as that is now; what either is changed to later stays its own.
    fn reflink(&self, source: BorrowedFd<'_>) -> io::Result<()> {
        let _: BorrowedFd<'_> = source;
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Asks for the bytes of a range to be on their way to the disk, without waiting: what is synced later is there
    /// sooner. Promises nothing, and no error is heard of here.
    fn begin_writeback(&self, offset: u64, length: u64) {
        let _: (u64, u64) = (offset, length);
    }
    /// Returns the descriptor, where there is one, for what the kernel does between two files (reflinks).
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// The file operations under the root. Paths are relative to the root and free of `.`, `..` and symlinks.
pub trait Disk: Send + Sync + Debug {
    /// Opens a regular file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a regular file for reading and writing.
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Makes a new file with exactly this mode, open for reading and writing. `AlreadyExists` where there is one.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>>;
    /// Makes a new directory. `AlreadyExists` where there is one.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file's name away.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Takes an empty directory away.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Returns what stands under a name, without following it (`lstat`).
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// Lists a directory, sorted by the bytes of the names. The empty path is the root itself.
    fn list(&self, path: &Path) -> io::Result<Vec<Listed>>;
    /// Makes the entries of one directory durable (`fsync` of the directory). The empty path is the root itself.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes everything written so far on the root's file system durable (`syncfs`).
    ///
    /// The descriptor it uses is older than any write of this process, so an error of writeback is seen here
    /// (Linux 5.8 and later). After any failed sync, of a file, a directory or all, each later one fails too:
    /// the kernel may have dropped the dirty pages and would report success for bytes that are gone.
    fn sync_all(&self) -> io::Result<()>;
    /// Returns whether [`Disk::sync_all`] reports writeback errors here (Linux 5.8 and later).
    fn can_sync_all(&self) -> bool;
    /// Returns how many bytes an unprivileged process may still write.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Takes hold of a directory, for the calls below. What is not there may show at the first of them only.
    fn directory(&self, path: &Path) -> io::Result<Directory> {
        Ok(Directory::by_path(path))
    }
    /// Takes hold of a directory in a directory.
    fn directory_in(&self, parent: &Directory, name: &OsStr) -> io::Result<Directory> {
        self.directory(&parent.path_of(name))
    }
    /// [`Disk::list`] and [`Disk::directory`] in one.
    fn listing(&self, path: &Path) -> io::Result<(Directory, Vec<Listed>)> {
        Ok((Directory::by_path(path), self.list(path)?))
    }
    /// [`Disk::listing`] of a directory in a directory that is held.
    fn listing_in(&self, parent: &Directory, name: &OsStr) -> io::Result<(Directory, Vec<Listed>)> {
        self.listing(&parent.path_of(name))
    }
    /// [`Disk::open`] in a directory that is held, and what the file was when it was opened.
    fn open_in(&self, parent: &Directory, name: &OsStr) -> io::Result<(Box<dyn DiskFile>, Stat)> {
        let file = self.open(&parent.path_of(name))?;
        let stat = file.stat()?;
        Ok((file, stat))
    }
    /// [`Disk::stat`] in a directory that is held.
    fn stat_in(&self, parent: &Directory, name: &OsStr) -> io::Result<Stat> {
        self.stat(&parent.path_of(name))
    }
    /// [`Disk::create`] in a directory that is held.
    fn create_in(&self, parent: &Directory, name: &OsStr, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        self.create(&parent.path_of(name), mode)
    }
    /// [`Disk::make_dir`] in a directory that is held.
    fn make_dir_in(&self, parent: &Directory, name: &OsStr) -> io::Result<()> {
        self.make_dir(&parent.path_of(name))
    }
    /// [`Disk::rename`] from one directory that is held to another.
    fn rename_in(&self, from: &Directory, name: &OsStr, to: &Directory, new_name: &OsStr) -> io::Result<()> {
        self.rename(&from.path_of(name), &to.path_of(new_name))
    }
    /// [`Disk::remove_file`] in a directory that is held.
    fn remove_file_in(&self, parent: &Directory, name: &OsStr) -> io::Result<()> {
        self.remove_file(&parent.path_of(name))
    }
    /// Marks a named point of an operation. Real disks ignore it; test disks stop, record or stall there.
    fn point(&self, name: &'static str) {
        let _: &str = name;
    }
}
