//! A disk that says that it has synced what it has not: the order of writes broken on purpose.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use astore::disk::{Disk, DiskFile, Listed, SCRATCH, Stat};

/// Which syncs are never done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forget {
    Nothing,
    /// Those of bytes in flight, before they get their names.
    Bytes,
    /// Those of the names.
    Names,
    /// Those of `log/`.
    Log,
    /// Those of what a gc deleted.
    Deletions,
}

#[derive(Debug)]
pub(super) struct Forgetful {
    inner: Arc<dyn Disk>,
    forget: Forget,
    /// Whether there are names that were given and not yet synced.
    renamed: AtomicBool,
    /// Whether there are names that were taken away and not yet synced.
    purged: AtomicBool,
}

#[derive(Debug)]
struct ForgetfulFile {
    inner: Box<dyn DiskFile>,
    forgotten: bool,
}

impl Forgetful {
    pub(super) fn new(inner: Arc<dyn Disk>, forget: Forget) -> Self {
        Self { inner, forget, renamed: AtomicBool::new(false), purged: AtomicBool::new(false) }
    }

    fn file(&self, path: &Path, inner: io::Result<Box<dyn DiskFile>>) -> io::Result<Box<dyn DiskFile>> {
        let forgotten = match self.forget {
            Forget::Bytes => path.starts_with(SCRATCH),
            Forget::Log => path.starts_with("log"),
            Forget::Nothing | Forget::Names | Forget::Deletions => false,
        };
        Ok(Box::new(ForgetfulFile { inner: inner?, forgotten }))
    }
}

impl DiskFile for ForgetfulFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_all_at(bytes, offset)
    }
    fn stat(&self) -> io::Result<Stat> {
        self.inner.stat()
    }
    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.inner.set_len(size_bytes)
    }
    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.inner.set_mode(mode)
    }
    fn sync(&self) -> io::Result<()> {
        if self.forgotten { Ok(()) } else { self.inner.sync() }
    }
}

impl Disk for Forgetful {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.file(path, self.inner.open(path))
    }
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.file(path, self.inner.open_write(path))
    }
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        self.file(path, self.inner.create(path, mode))
    }
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.make_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.inner.stat(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        self.inner.list(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let forgotten = match self.forget {
            Forget::Names => path.starts_with("blake3"),
            Forget::Log => path.starts_with("log"),
            Forget::Deletions => self.purged.load(Ordering::SeqCst),
            Forget::Nothing | Forget::Bytes => false,
        };
        if forgotten { Ok(()) } else { self.inner.sync_dir(path) }
    }
    fn sync_all(&self) -> io::Result<()> {
        let forgotten = match self.forget {
            Forget::Bytes => !self.renamed.load(Ordering::SeqCst),
            Forget::Names => self.renamed.load(Ordering::SeqCst),
            Forget::Deletions => self.purged.load(Ordering::SeqCst),
            Forget::Nothing | Forget::Log => false,
        };
        if forgotten { Ok(()) } else { self.inner.sync_all() }
    }
    fn can_sync_all(&self) -> bool {
        self.inner.can_sync_all()
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.inner.free_bytes()
    }
    fn point(&self, name: &'static str) {
        match name {
            "renamed" => self.renamed.store(true, Ordering::SeqCst),
            "published" => self.renamed.store(false, Ordering::SeqCst),
            "purged" => self.purged.store(true, Ordering::SeqCst),
            "purge durable" => self.purged.store(false, Ordering::SeqCst),
            _ => {}
        }
        self.inner.point(name);
    }
}
