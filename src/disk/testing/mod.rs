//! Disks that watch, fail, stall and remember: what makes every fault and every crash an ordinary test.
//!
//! [`Observed`] asks a closure before each call: it counts, refuses, or blocks until the test lets it go on.
//! [`Trace`] remembers every call that had an effect. [`Crashes`] replays such a trace over the [`Tree`] that
//! was there before, and says what a kill or a power cut at any of its calls can leave behind.
//!
//! The model of a crash knows nothing of the code under test, and promises less than any real file system:
//! what was not synced is kept, lost or torn, each piece by itself.

/// Implements [`Disk`](crate::disk::Disk) for a newtype by handing every call to what it wraps.
macro_rules! delegate_disk {
    ($type:ty) => {
        impl Disk for $type {
            fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
                self.0.open(path)
            }
            fn open_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
                self.0.open_write(path)
            }
            fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
                self.0.create(path, mode)
            }
            fn make_dir(&self, path: &Path) -> io::Result<()> {
                self.0.make_dir(path)
            }
            fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
                self.0.rename(from, to)
            }
            fn listing(&self, path: &Path) -> io::Result<(Directory, Vec<Listed>)> {
                self.0.listing(path)
            }
            fn listing_in(&self, parent: &Directory, name: &OsStr) -> io::Result<(Directory, Vec<Listed>)> {
                self.0.listing_in(parent, name)
            }
            fn open_in(&self, parent: &Directory, name: &OsStr) -> io::Result<(Box<dyn DiskFile>, Stat)> {
                self.0.open_in(parent, name)
            }
            fn stat_in(&self, parent: &Directory, name: &OsStr) -> io::Result<Stat> {
                self.0.stat_in(parent, name)
            }
            fn directory(&self, path: &Path) -> io::Result<Directory> {
                self.0.directory(path)
            }
            fn directory_in(&self, parent: &Directory, name: &OsStr) -> io::Result<Directory> {
                self.0.directory_in(parent, name)
            }
            fn create_in(
                &self,
                parent: &Directory,
                name: &OsStr,
                mode: u32,
            ) -> io::Result<Box<dyn DiskFile>> {
                self.0.create_in(parent, name, mode)
            }
            fn make_dir_in(&self, parent: &Directory, name: &OsStr) -> io::Result<()> {
                self.0.make_dir_in(parent, name)
            }
            fn rename_in(
                &self,
                from: &Directory,
                name: &OsStr,
                to: &Directory,
                new_name: &OsStr,
            ) -> io::Result<()> {
                self.0.rename_in(from, name, to, new_name)
            }
            fn remove_file(&self, path: &Path) -> io::Result<()> {
                self.0.remove_file(path)
            }
            fn remove_file_in(&self, parent: &Directory, name: &OsStr) -> io::Result<()> {
                self.0.remove_file_in(parent, name)
            }
            fn remove_dir(&self, path: &Path) -> io::Result<()> {
                self.0.remove_dir(path)
            }
            fn stat(&self, path: &Path) -> io::Result<Stat> {
                self.0.stat(path)
            }
            fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
                self.0.list(path)
            }
            fn sync_dir(&self, path: &Path) -> io::Result<()> {
                self.0.sync_dir(path)
            }
            fn sync_all(&self) -> io::Result<()> {
                self.0.sync_all()
            }
            fn can_sync_all(&self) -> bool {
                self.0.can_sync_all()
            }
            fn free_bytes(&self) -> io::Result<u64> {
                self.0.free_bytes()
            }
            fn point(&self, name: &'static str) {
                self.0.point(name);
            }
        }
    };
}
use delegate_disk;

mod call;
mod crash;
mod fate;
mod model;
mod observed;
mod trace;
mod tree;
mod wrapped;

pub use call::{Call, FileId};
pub use crash::{CrashKind, CrashState, Crashes};
pub use observed::{Act, Observed, dead_from, fail_nth};
pub use trace::Trace;
pub use tree::{Node, Tree};
