//! The disk that is one: system calls relative to the root's open handle.
//!
//! `EINTR` is retried, short writes are completed, and the first failed sync is remembered for the life of
//! the process. Knows nothing of objects, events or layouts, but for one name: [`SCRATCH`].

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::{Errno, retry_on_intr};

use super::resolve::Resolver;
use super::{Directory, Disk, DiskFile, FileKind, Listed, SCRATCH, Stat};

/// An earlier sync of this process failed, so that no later one may claim anything.
///
/// The kernel may have dropped the dirty pages and marked them clean; the next sync would succeed for bytes
/// that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an earlier sync failed, so nothing written by this process counts as durable")]
pub struct EarlierSyncFailed;

/// Something that is no regular file stands where a file was to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a regular file")]
pub struct NotRegular;

/// The files beneath one directory of this machine.
#[derive(Debug)]
pub struct RealDisk {
    // Opened before anything is written: syncfs reports the errors of writeback since its descriptor was opened.
    at: Resolver,
    poisoned: Arc<AtomicBool>,
    sync_all_alone: Mutex<()>,
    directory_mode: u32,
    umask: Option<u32>,
    /// Whom new things are given to, where this process is the superuser's and the root is not.
    owner: Option<(Uid, Gid)>,
    can_sync_all: bool,
    scratch_names: AtomicU64,
}

impl RealDisk {
    /// Opens a directory as the root. Its permission bits are those that new directories beneath it get.
    ///
    /// # Errors
    /// Where the directory cannot be opened for reading.
    pub fn open(root: &Path) -> io::Result<Self> {
        Self::with(Resolver::open(root)?)
    }

    fn with(at: Resolver) -> io::Result<Self> {
        let root = rustix::fs::fstat(at.root())?;
        let foreign = rustix::process::geteuid().is_root() && root.st_uid != 0;
        Ok(Self {
            at,
            poisoned: Arc::new(AtomicBool::new(false)),
            sync_all_alone: Mutex::new(()),
            directory_mode: root.st_mode & 0o7777,
            umask: umask(),
            owner: foreign.then(|| (Uid::from_raw(root.st_uid), Gid::from_raw(root.st_gid))),
            can_sync_all: kernel_reports_writeback_errors(rustix::system::uname().release().to_bytes()),
            scratch_names: AtomicU64::new(0),
        })
    }

    /// Plays a kernel of before Linux 5.8.
    #[cfg(test)]
    pub(crate) fn of_old_kernel(mut self) -> Self {
        self.can_sync_all = false;
        self
    }

    /// Returns the root's own handle, for what only a system call on it can tell (the kind of file system).
    pub fn root(&self) -> BorrowedFd<'_> {
        self.at.root()
    }

    /// Opens a file for reading and writing as the standard library's own, making it with `mode` where there is none.
    ///
    /// This is for advisory locks, which need such a handle; its bytes never have to be durable.
    ///
    /// # Errors
    /// Those of [`Disk::open_write`] and [`Disk::create`].
    pub fn open_or_create(&self, path: &Path, mode: u32) -> io::Result<File> {
        loop {
            match self.open_file(path, OFlags::RDWR) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => return opened.map(|file| file.file),
            }
            match self.create_file(path, mode) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|file| file.file),
            }
        }
    }

    /// Gives a directory beneath the root the root's own permission bits, where it has others.
    ///
    /// # Errors
    /// Where it is no directory, or belongs to another user.
    pub fn level_mode(&self, directory: &Path) -> io::Result<()> {
        let opened = self.at.open_beneath(directory, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        if rustix::fs::fstat(&opened)?.st_mode & 0o7777 != self.directory_mode {
            retry_on_intr(|| rustix::fs::fchmod(&opened, Mode::from_raw_mode(self.directory_mode)))?;
        }
        Ok(())
    }

    fn file(&self, fd: OwnedFd) -> RealFile {
        RealFile { file: File::from(fd), poisoned: Arc::clone(&self.poisoned) }
    }

    fn open_file(&self, path: &Path, access: OFlags) -> io::Result<RealFile> {
        // O_NONBLOCK: opening a fifo that someone put among the objects must not wait for its other end.
        let fd = self.at.open_beneath(path, access | OFlags::NONBLOCK, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular));
        }
        Ok(self.file(fd))
    }

    /// Returns whether the umask would take bits away from `mode`; where it is not known, it might.
    fn umask_strips(&self, mode: u32) -> bool {
        self.umask.is_none_or(|umask| mode & umask != 0)
    }

    /// Makes something under a scratch name, with its mode, and only then gives it its own.
    ///
    /// A name that others look at must not appear before its mode is right: in a shared store, whoever is
    /// killed between making and chmod would leave a directory that the group can never write to.
    /// `Ok(None)` where that cannot be done: there is no scratch directory yet (the store is being made, and
    /// nobody else looks), or no rename that refuses to replace.
    fn make_veiled<T>(
        &self,
        path: &Path,
        make: impl Fn(&Path) -> io::Result<T>,
        unmake: impl Fn(&Path) -> io::Result<()>,
    ) -> io::Result<Option<T>> {
        loop {
            let nth = self.scratch_names.fetch_add(1, Ordering::Relaxed);
            let scratch = PathBuf::from(format!("{SCRATCH}/new-{}-{nth}", std::process::id()));
            let made = match make(&scratch) {
                Ok(made) => made,
                // A dead process of the same number left it, or one of another container has it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            let unveiled = self.unveil(&scratch, path);
            if !matches!(unveiled, Ok(true)) {
                unmake(&scratch)?;
            }
            return Ok(unveiled?.then_some(made));
        }
    }

    /// Gives what stands under a scratch name its own name, unless that is taken.
    ///
    /// `Ok(false)` where the file system has no rename that refuses to replace.
    fn unveil(&self, scratch: &Path, path: &Path) -> io::Result<bool> {
        let (from, from_name) = self.at.parent(scratch)?;
        let (to, to_name) = self.at.parent(path)?;
        let renamed = retry_on_intr(|| {
            rustix::fs::renameat_with(&from, from_name, &to, to_name, RenameFlags::NOREPLACE)
        });
        match renamed {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn create_file(&self, path: &Path, mode: u32) -> io::Result<RealFile> {
        if (self.umask_strips(mode) || self.owner.is_some()) && !path.starts_with(SCRATCH) {
            let make = |scratch: &Path| self.create_in_place(scratch, mode);
            if let Some(file) = self.make_veiled(path, make, |scratch| self.remove_file(scratch))? {
                return Ok(file);
            }
        }
        self.create_in_place(path, mode)
    }

    fn create_in_place(&self, path: &Path, mode: u32) -> io::Result<RealFile> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let fd = self.at.open_beneath(path, flags, Mode::from_raw_mode(mode))?;
        self.give_away(&fd)?;
        if self.umask_strips(mode) {
            retry_on_intr(|| rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode)))?;
        }
        Ok(self.file(fd))
    }

    /// Gives what the superuser made to the root's owner: whoever verifies a store as root must not leave
    /// anything in it that its owner cannot write to. Before the mode is set, for this may take bits of it away.
    fn give_away(&self, made: &OwnedFd) -> io::Result<()> {
        match self.owner {
            Some((user, group)) => Ok(retry_on_intr(|| rustix::fs::fchown(made, Some(user), Some(group)))?),
            None => Ok(()),
        }
    }

    fn make_dir_in_place(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.at.parent(path)?;
        let mode = self.directory_mode;
        retry_on_intr(|| rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(mode & 0o777)))?;
        // A set-group-ID bit comes from the parent by itself; the umask and the other special bits do not.
        if self.umask_strips(mode & 0o777) || mode & 0o5000 != 0 || self.owner.is_some() {
            let made = self.at.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
            self.give_away(&made)?;
            retry_on_intr(|| rustix::fs::fchmod(&made, Mode::from_raw_mode(mode)))?;
        }
        Ok(())
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.open_file(path, OFlags::RDONLY)?))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.open_file(path, OFlags::RDWR)?))
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.create_file(path, mode)?))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let changed_after = self.umask_strips(self.directory_mode & 0o777) || self.owner.is_some();
        if changed_after && !path.starts_with(SCRATCH) {
            let make = |scratch: &Path| self.make_dir_in_place(scratch);
            if self.make_veiled(path, make, |scratch| self.remove_dir(scratch))?.is_some() {
                return Ok(());
            }
        }
        self.make_dir_in_place(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, from_name) = self.at.parent(from)?;
        let (to, to_name) = self.at.parent(to)?;
        Ok(retry_on_intr(|| rustix::fs::renameat(&from, from_name, &to, to_name))?)
    }

    fn directory(&self, path: &Path) -> io::Result<Directory> {
        let handle = self.at.open_beneath(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Directory::open(path.to_owned(), handle))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.at.parent(path)?;
        Ok(retry_on_intr(|| rustix::fs::unlinkat(&parent, name, AtFlags::empty()))?)
    }

    fn remove_file_in(&self, parent: &Directory, name: &OsStr) -> io::Result<()> {
        match parent.handle() {
            Some(at) => Ok(retry_on_intr(|| rustix::fs::unlinkat(at, one_name(name)?, AtFlags::empty()))?),
            None => self.remove_file(&parent.path_of(name)),
        }
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.at.parent(path)?;
        Ok(retry_on_intr(|| rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR))?)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        if path.as_os_str().is_empty() {
            return Ok(stat_of(&rustix::fs::fstat(self.at.root())?));
        }
        let (parent, name) = self.at.parent(path)?;
        Ok(stat_of(&retry_on_intr(|| rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW))?))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        let fd = self.at.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let mut listed = Vec::new();
        for entry in rustix::fs::Dir::read_from(&fd)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                // Some file systems do not say in the listing what an entry is.
                kind = match rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue, // taken away meanwhile
                    Err(error) => return Err(error.into()),
                };
            }
            let kind = kind_of(kind);
            listed.push(Listed { name: name.to_owned(), kind });
        }
        listed.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        Ok(listed)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let directory = self.at.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        synced(&self.poisoned, || rustix::fs::fsync(&directory))
    }

    fn sync_all(&self) -> io::Result<()> {
        // One at a time: an error of writeback is reported once to this descriptor. Were two threads in the call,
        // one could take the report while the other's success still counts as true.
        let _alone = self.sync_all_alone.lock().unwrap_or_else(PoisonError::into_inner);
        synced(&self.poisoned, || rustix::fs::syncfs(self.at.root()))
    }

    fn can_sync_all(&self) -> bool {
        self.can_sync_all
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let volume = retry_on_intr(|| rustix::fs::fstatvfs(self.at.root()))?;
        Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
    }
}

/// An open file of this machine.
#[derive(Debug)]
struct RealFile {
    file: File,
    poisoned: Arc<AtomicBool>,
}

impl DiskFile for RealFile {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        // The standard library goes on after short writes and EINTR, and takes a write of nothing for an error.
        self.file.write_all_at(bytes, offset)
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::fstat(&self.file)?))
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::ftruncate(&self.file, size_bytes))?)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fchmod(&self.file, Mode::from_raw_mode(mode)))?)
    }

    fn sync(&self) -> io::Result<()> {
        synced(&self.poisoned, || rustix::fs::fdatasync(self.file.as_fd()))
    }
}

/// Refuses a name that leads further than one step down.
fn one_name(name: &OsStr) -> rustix::io::Result<&OsStr> {
    match name.as_bytes() {
        b"" | b"." | b".." => Err(Errno::INVAL),
        bytes if bytes.contains(&b'/') => Err(Errno::INVAL),
        _ => Ok(name),
    }
}

/// Runs one sync, unless an earlier one failed, and remembers where it does.
///
/// `EINTR` alone is tried again: the wait was cut short, and no error of writeback was reported or consumed.
fn synced(poisoned: &AtomicBool, sync: impl FnMut() -> rustix::io::Result<()>) -> io::Result<()> {
    if poisoned.load(Ordering::Acquire) {
        return Err(io::Error::other(EarlierSyncFailed));
    }
    retry_on_intr(sync).map_err(|error| {
        poisoned.store(true, Ordering::Release);
        io::Error::from(error)
    })
}

fn stat_of(stat: &rustix::fs::Stat) -> Stat {
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

/// Reads this process's umask without changing it, which only `/proc` can do.
fn umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

/// Linux 5.8 and later report errors of writeback to `syncfs`; before, it succeeded whatever happened.
fn kernel_reports_writeback_errors(release: &[u8]) -> bool {
    let mut numbers = release
        .split(|byte| !byte.is_ascii_digit())
        .map(|digits| str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok()));
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= (5, 8),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
