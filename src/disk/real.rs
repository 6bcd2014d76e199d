//! The disk that is one: system calls relative to the root's open handle.
//!
//! `EINTR` is retried, short writes are completed, and the first failed sync is remembered for the life of
//! the process. Knows nothing of objects, events or layouts, but for one name: [`SCRATCH`].

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::{Errno, retry_on_intr};

use self::held::{one_name, open_in, stat_of};
use self::reading::Behind;
use super::resolve::Resolver;
use super::{Directory, Disk, DiskFile, FileKind, Listed, SCRATCH, Stat};

mod held;
mod reading;

/// How much one system call writes. A file system with large folios takes memory in pieces of the size of the write;
/// small ones are the pages that were in use a moment ago, and in a virtual machine those are far cheaper: files of
/// 64 KiB to 1 MiB took a third longer to store in one write each.
const WRITE_BYTES: usize = 64 << 10;

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

/// How a new file is opened.
const NEW_FILE: OFlags = OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL);

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
        let behind = Behind::default();
        RealFile { file: File::from(fd), poisoned: Arc::clone(&self.poisoned), behind }
    }

    /// Makes a file of what was opened, if it is one, and says what it is.
    fn regular(&self, fd: OwnedFd) -> io::Result<(RealFile, Stat)> {
        let stat = stat_of(&rustix::fs::fstat(&fd)?);
        if stat.kind != FileKind::File {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular));
        }
        Ok((self.file(fd), stat))
    }

    fn open_file(&self, path: &Path, access: OFlags) -> io::Result<RealFile> {
        // O_NONBLOCK: opening a fifo that someone put among the objects must not wait for its other end.
        let fd = self.at.open_beneath(path, access | OFlags::NONBLOCK, Mode::empty())?;
        Ok(self.regular(fd)?.0)
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
        self.finish_file(self.at.open_beneath(path, NEW_FILE, Mode::from_raw_mode(mode))?, mode)
    }

    /// Makes a new file this process's own: the right owner, and exactly the mode that was asked for.
    fn finish_file(&self, fd: OwnedFd, mode: u32) -> io::Result<RealFile> {
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

    /// Returns whether a new directory is not at once as it has to be.
    fn changes_new_dirs(&self) -> bool {
        let mode = self.directory_mode;
        self.umask_strips(mode & 0o777) || mode & 0o5000 != 0 || self.owner.is_some()
    }

    fn make_dir_in_place(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.at.parent(path)?;
        let mode = self.directory_mode;
        retry_on_intr(|| rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(mode & 0o777)))?;
        // A set-group-ID bit comes from the parent by itself; the umask and the other special bits do not.
        if self.changes_new_dirs() {
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
        let veiled = self.umask_strips(self.directory_mode & 0o777) || self.owner.is_some();
        if veiled && !path.starts_with(SCRATCH) {
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

    fn directory_in(&self, parent: &Directory, name: &OsStr) -> io::Result<Directory> {
        let Some(at) = parent.handle() else { return self.directory(&parent.path_of(name)) };
        let handle = open_in(at, name, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Directory::open(parent.path_of(name), handle))
    }

    fn create_in(&self, parent: &Directory, name: &OsStr, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        match parent.handle() {
            Some(at) if parent.path().starts_with(SCRATCH) => {
                let fd = open_in(at, name, NEW_FILE, Mode::from_raw_mode(mode))?;
                Ok(Box::new(self.finish_file(fd, mode)?))
            }
            // Elsewhere others look on, and it may have to be made under a scratch name first.
            Some(_) | None => self.create(&parent.path_of(name), mode),
        }
    }

    fn make_dir_in(&self, parent: &Directory, name: &OsStr) -> io::Result<()> {
        match parent.handle() {
            Some(at) if !self.changes_new_dirs() => {
                let mode = Mode::from_raw_mode(self.directory_mode & 0o777);
                Ok(retry_on_intr(|| rustix::fs::mkdirat(at, one_name(name)?, mode))?)
            }
            Some(_) | None => self.make_dir(&parent.path_of(name)),
        }
    }

    fn rename_in(&self, from: &Directory, name: &OsStr, to: &Directory, new_name: &OsStr) -> io::Result<()> {
        match (from.handle(), to.handle()) {
            (Some(from), Some(to)) => {
                let (name, new_name) = (one_name(name)?, one_name(new_name)?);
                Ok(retry_on_intr(|| rustix::fs::renameat(from, name, to, new_name))?)
            }
            _ => self.rename(&from.path_of(name), &to.path_of(new_name)),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.at.parent(path)?;
        Ok(retry_on_intr(|| rustix::fs::unlinkat(&parent, name, AtFlags::empty()))?)
    }

    fn remove_file_in(&self, parent: &Directory, name: &OsStr) -> io::Result<()> {
        let Some(at) = parent.handle() else { return self.remove_file(&parent.path_of(name)) };
        Ok(retry_on_intr(|| rustix::fs::unlinkat(at, one_name(name)?, AtFlags::empty()))?)
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
        Ok(self.listing(path)?.1)
    }

    fn listing(&self, path: &Path) -> io::Result<(Directory, Vec<Listed>)> {
        let handle = self.at.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        held::listing(path.to_owned(), handle)
    }

    fn listing_in(&self, parent: &Directory, name: &OsStr) -> io::Result<(Directory, Vec<Listed>)> {
        let Some(at) = parent.handle() else { return self.listing(&parent.path_of(name)) };
        held::listing(parent.path_of(name), open_in(at, name, OFlags::DIRECTORY, Mode::empty())?)
    }

    fn open_in(&self, parent: &Directory, name: &OsStr) -> io::Result<(Box<dyn DiskFile>, Stat)> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let fd = match parent.handle() {
            Some(at) => open_in(at, name, flags, Mode::empty())?,
            None => self.at.open_beneath(&parent.path_of(name), flags, Mode::empty())?,
        };
        let (file, stat) = self.regular(fd)?;
        Ok((Box::new(file), stat))
    }

    fn stat_in(&self, parent: &Directory, name: &OsStr) -> io::Result<Stat> {
        match parent.handle() {
            Some(at) => held::stat_in(at, name),
            None => self.stat(&parent.path_of(name)),
        }
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
    behind: Behind,
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

    fn read_once_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.behind.read_at(&self.file, buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut at = offset;
        for piece in bytes.chunks(WRITE_BYTES) {
            // The standard library goes on after short writes and EINTR, and takes a write of nothing for an error.
            self.file.write_all_at(piece, at)?;
            at += piece.len() as u64;
        }
        Ok(())
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

    fn reflink(&self, source: BorrowedFd<'_>) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::ioctl_ficlone(&self.file, source))?)
    }

    fn begin_writeback(&self, offset: u64, length: u64) {
        // Linux begins to write dirty pages that nobody needs, and waits for none; those that are clean it forgets.
        // (What `sync_file_range` is for, which cannot be called without unsafe code.) Advice: a refusal costs nothing.
        let unneeded = rustix::fs::Advice::DontNeed;
        rustix::fs::fadvise(&self.file, offset, NonZeroU64::new(length), unneeded).ok();
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

/// Reads this process's umask without changing it, which only `/proc` can do: which bits the kernel takes from the modes
/// of new files. `None` where it does not say.
pub(crate) fn umask() -> Option<u32> {
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
