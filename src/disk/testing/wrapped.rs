//! A disk around a disk: each call becomes a value, and a hook decides what happens around it.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::call::{Call, FileId};
use crate::disk::{Directory, Disk, DiskFile, Listed, Stat};

/// How much of a read or a write happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// Its first bytes.
    AtMost(usize),
}

impl Extent {
    fn of(self, length: usize) -> usize {
        match self {
            Self::Whole => length,
            Self::AtMost(bytes) => bytes.min(length),
        }
    }
}

/// What happens around a call.
pub(super) trait Hook: Send + Sync {
    /// Runs the call, or refuses. `run` is called once at most.
    fn around(&self, call: Call, run: &mut dyn FnMut(Extent) -> io::Result<()>) -> io::Result<()>;

    /// Returns how many bytes are free, if that is not the disk's to say.
    fn free_bytes(&self) -> Option<u64> {
        None
    }
}

pub(super) struct Wrapped<H> {
    inner: Arc<dyn Disk>,
    hook: Arc<H>,
    files: AtomicU64,
}

impl<H: Hook> Wrapped<H> {
    pub(super) fn new(inner: Arc<dyn Disk>, hook: H) -> Self {
        Self { inner, hook: Arc::new(hook), files: AtomicU64::new(0) }
    }

    pub(super) fn hook(&self) -> &H {
        &self.hook
    }

    /// Returns the hook, to be changed before any file is open.
    pub(super) fn hook_mut(&mut self) -> Option<&mut H> {
        Arc::get_mut(&mut self.hook)
    }

    fn file(&self) -> FileId {
        FileId(self.files.fetch_add(1, Ordering::Relaxed))
    }
}

fn around<H: Hook, T>(hook: &H, call: Call, mut run: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    around_part(hook, call, |_| run())
}

fn around_part<H: Hook, T>(
    hook: &H,
    call: Call,
    mut run: impl FnMut(Extent) -> io::Result<T>,
) -> io::Result<T> {
    let mut result = None;
    hook.around(call, &mut |extent| {
        result = Some(run(extent)?);
        Ok(())
    })?;
    result.ok_or_else(|| io::Error::other("the hook neither ran the call nor refused it"))
}

impl<H> fmt::Debug for Wrapped<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wrapped").field(&self.inner).finish()
    }
}

impl<H: Hook + 'static> Disk for Wrapped<H> {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let (file, owned) = (self.file(), path.to_owned());
        let inner = around(&*self.hook, Call::Open { path: owned.clone() }, || self.inner.open(path))?;
        Ok(Box::new(WrappedFile { inner, hook: Arc::clone(&self.hook), path: owned, file }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let (file, owned) = (self.file(), path.to_owned());
        let call = Call::OpenWrite { path: owned.clone(), file };
        let inner = around(&*self.hook, call, || self.inner.open_write(path))?;
        Ok(Box::new(WrappedFile { inner, hook: Arc::clone(&self.hook), path: owned, file }))
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let (file, owned) = (self.file(), path.to_owned());
        let call = Call::Create { path: owned.clone(), mode, file };
        let inner = around(&*self.hook, call, || self.inner.create(path, mode))?;
        Ok(Box::new(WrappedFile { inner, hook: Arc::clone(&self.hook), path: owned, file }))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        around(&*self.hook, Call::MakeDir { path: path.to_owned() }, || self.inner.make_dir(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let call = Call::Rename { from: from.to_owned(), to: to.to_owned() };
        around(&*self.hook, call, || self.inner.rename(from, to))
    }

    // To take hold of a directory has no effect; what is done in it is the same call as by its path.
    fn directory(&self, path: &Path) -> io::Result<Directory> {
        self.inner.directory(path)
    }

    fn directory_in(&self, parent: &Directory, name: &OsStr) -> io::Result<Directory> {
        self.inner.directory_in(parent, name)
    }

    fn create_in(&self, parent: &Directory, name: &OsStr, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let (file, owned) = (self.file(), parent.path_of(name));
        let call = Call::Create { path: owned.clone(), mode, file };
        let inner = around(&*self.hook, call, || self.inner.create_in(parent, name, mode))?;
        Ok(Box::new(WrappedFile { inner, hook: Arc::clone(&self.hook), path: owned, file }))
    }

    fn make_dir_in(&self, parent: &Directory, name: &OsStr) -> io::Result<()> {
        let call = Call::MakeDir { path: parent.path_of(name) };
        around(&*self.hook, call, || self.inner.make_dir_in(parent, name))
    }

    fn rename_in(&self, from: &Directory, name: &OsStr, to: &Directory, new_name: &OsStr) -> io::Result<()> {
        let call = Call::Rename { from: from.path_of(name), to: to.path_of(new_name) };
        around(&*self.hook, call, || self.inner.rename_in(from, name, to, new_name))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        around(&*self.hook, Call::RemoveFile { path: path.to_owned() }, || self.inner.remove_file(path))
    }

    fn remove_file_in(&self, parent: &Directory, name: &OsStr) -> io::Result<()> {
        let call = Call::RemoveFile { path: parent.path_of(name) };
        around(&*self.hook, call, || self.inner.remove_file_in(parent, name))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        around(&*self.hook, Call::RemoveDir { path: path.to_owned() }, || self.inner.remove_dir(path))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        around(&*self.hook, Call::Stat { path: path.to_owned() }, || self.inner.stat(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        around(&*self.hook, Call::List { path: path.to_owned() }, || self.inner.list(path))
    }

    // What is done in a directory that is held is the same call as by its path.
    fn listing(&self, path: &Path) -> io::Result<(Directory, Vec<Listed>)> {
        around(&*self.hook, Call::List { path: path.to_owned() }, || self.inner.listing(path))
    }

    fn listing_in(&self, parent: &Directory, name: &OsStr) -> io::Result<(Directory, Vec<Listed>)> {
        let call = Call::List { path: parent.path_of(name) };
        around(&*self.hook, call, || self.inner.listing_in(parent, name))
    }

    fn open_in(&self, parent: &Directory, name: &OsStr) -> io::Result<(Box<dyn DiskFile>, Stat)> {
        let (file, path) = (self.file(), parent.path_of(name));
        let call = Call::Open { path: path.clone() };
        let (inner, stat) = around(&*self.hook, call, || self.inner.open_in(parent, name))?;
        Ok((Box::new(WrappedFile { inner, hook: Arc::clone(&self.hook), path, file }), stat))
    }

    fn stat_in(&self, parent: &Directory, name: &OsStr) -> io::Result<Stat> {
        let call = Call::Stat { path: parent.path_of(name) };
        around(&*self.hook, call, || self.inner.stat_in(parent, name))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        around(&*self.hook, Call::SyncDir { path: path.to_owned() }, || self.inner.sync_dir(path))
    }

    fn sync_all(&self) -> io::Result<()> {
        around(&*self.hook, Call::SyncAll, || self.inner.sync_all())
    }

    fn can_sync_all(&self) -> bool {
        self.inner.can_sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.hook.free_bytes().map_or_else(|| self.inner.free_bytes(), Ok)
    }

    fn point(&self, name: &'static str) {
        // A point cannot fail; a hook that says so has stalled or counted, and that is all it can do here.
        drop(around(&*self.hook, Call::Point { name }, || {
            self.inner.point(name);
            Ok(())
        }));
    }
}

struct WrappedFile<H> {
    inner: Box<dyn DiskFile>,
    hook: Arc<H>,
    path: PathBuf,
    file: FileId,
}

impl<H> fmt::Debug for WrappedFile<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WrappedFile").field(&self.inner).finish()
    }
}

impl<H: Hook> DiskFile for WrappedFile<H> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let call = Call::Read { path: self.path.clone(), offset, length: buffer.len() };
        around_part(&*self.hook, call, |extent| {
            let length = extent.of(buffer.len());
            self.inner.read_at(&mut buffer[..length], offset)
        })
    }

    fn read_once_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let call = Call::Read { path: self.path.clone(), offset, length: buffer.len() };
        around_part(&*self.hook, call, |extent| {
            let length = extent.of(buffer.len());
            self.inner.read_once_at(&mut buffer[..length], offset)
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let call = Call::Write { path: self.path.clone(), file: self.file, offset, bytes: bytes.to_vec() };
        around_part(&*self.hook, call, |extent| {
            self.inner.write_all_at(&bytes[..extent.of(bytes.len())], offset)
        })
    }

    fn stat(&self) -> io::Result<Stat> {
        around(&*self.hook, Call::Stat { path: self.path.clone() }, || self.inner.stat())
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        let call = Call::SetLen { path: self.path.clone(), file: self.file, size_bytes };
        around(&*self.hook, call, || self.inner.set_len(size_bytes))
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        let call = Call::SetMode { path: self.path.clone(), file: self.file, mode };
        around(&*self.hook, call, || self.inner.set_mode(mode))
    }

    fn sync(&self) -> io::Result<()> {
        let call = Call::SyncFile { path: self.path.clone(), file: self.file };
        around(&*self.hook, call, || self.inner.sync())
    }
}
