//! Bytes on their way into the store: written under `tmp/`, made durable as a batch, then given final names.
//!
//! This is where invariants 1 and 2 of the design are kept, so the order of the calls is the whole point:
//!
//! 1. All bytes of a batch are written to `tmp/<writer>/<n>`. No reader looks there, and what a crash leaves
//!    there is cleared under the exclusive lock.
//! 2. The bytes are made durable, by one `syncfs` or, where they are few, an `fdatasync` for each. Nothing
//!    is renamed before *all* of that has succeeded: a rename may reach the disk long before the data of the
//!    file that it names, and after a power cut the final name would stand over zeros.
//! 3. Each file is renamed to its final name. A rename is atomic, and it replaces what stood there, which is
//!    how damaged bytes are healed and bytes that no event vouches for are replaced.
//! 4. The renames are made durable: by a second `syncfs`, or an `fsync` of the directory of each object, of
//!    its parent and of `blake3/`. The parents always, whoever made them: another writer may have made
//!    `blake3/ab` a moment ago and not synced `blake3/` yet, and without that our object has no path after a
//!    power cut.
//!
//! Only when [`Staging::publish`] has returned may the caller commit an event that names the objects. A crash
//! before leaves files under `tmp/`, or whole and true objects that no event names; never a false one.
//!
//! This module hashes nothing: the caller says what the digests of the bytes are, and took them as it wrote.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::error::{Action, Doing as _, StorageError};
use super::layout;
use crate::disk::{Disk, DiskFile, FileKind};
use crate::identity::{ContentAddress, Digests};

/// The mode of every object.
pub const OBJECT_MODE: u32 = 0o444;

/// Up to so many files are synced one by one: that costs about a millisecond each, while `syncfs` waits for
/// whatever else the machine has written to the file system.
pub const FEW: usize = 16;

/// From so many files on the renames are shared among threads.
const MANY: usize = 256;

/// At most so many threads rename: the kernel does most of a rename under one lock of the file system.
const RENAMERS: usize = 4;

/// What waits to be published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// The number of files.
    pub files: u64,
    /// Their bytes, all together.
    pub bytes: u64,
}

/// One writer's bytes in flight. All methods may be called from several threads.
#[derive(Debug)]
pub struct Staging {
    disk: Arc<dyn Disk>,
    writer: Uuid,
    next: AtomicU64,
    state: Mutex<State>,
    finished: bool,
}

#[derive(Debug, Default)]
struct State {
    batch: Vec<Kept>,
    bytes: u64,
    /// What is in the batch.
    seen: HashSet<ContentAddress>,
    /// What was in the batch before it, which the caller may not have recorded yet. Older ones it has: to
    /// remember them too would cost more for each file than all else that an add keeps in memory.
    before: HashSet<ContentAddress>,
    failed: bool,
}

/// One file of a batch, whole but not yet durable.
#[derive(Debug)]
struct Kept {
    nth: u64,
    digests: Digests,
    /// Open for as long as the file may have to be synced by itself. A descriptor older than the writes is sure
    /// to hear of a failed writeback; one opened afterwards may not, once the kernel has forgotten the inode.
    file: Option<Box<dyn DiskFile>>,
}

/// A file in flight, being written. It is removed when dropped, unless [`Staging::keep`] takes it.
#[derive(Debug)]
pub struct Staged {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    nth: u64,
    file: Option<Box<dyn DiskFile>>,
    size_bytes: u64,
}

impl Staging {
    /// Begins a writer's staging: makes `tmp/<writer>/`.
    ///
    /// The caller holds the store's lock, shared or exclusive, for as long as the staging lives; without it
    /// the directory counts as a dead writer's.
    ///
    /// # Errors
    /// [`StorageError::Io`] where the directory cannot be made.
    pub fn begin(disk: Arc<dyn Disk>, writer: Uuid) -> Result<Self, StorageError> {
        let directory = layout::writer_dir(writer);
        let made = match disk.make_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_dir_if_missing(&*disk, Path::new(layout::TMP))?;
                disk.make_dir(&directory)
            }
            made => made,
        };
        made.doing(Action::Create, &directory)?;
        Ok(Self { disk, writer, next: AtomicU64::new(0), state: Mutex::default(), finished: false })
    }

    /// Opens a new file in flight.
    ///
    /// # Errors
    /// [`StorageError::Io`] where it cannot be made.
    pub fn stage(&self) -> Result<Staged, StorageError> {
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        let path = layout::staged_path(self.writer, nth);
        let file = self.disk.create(&path, OBJECT_MODE).doing(Action::Create, &path)?;
        Ok(Staged { disk: Arc::clone(&self.disk), path, nth, file: Some(file), size_bytes: 0 })
    }

    /// Takes a written file into the batch, as the object that has these digests.
    ///
    /// Returns `false`, and drops the file, where this writer [holds](Staging::holds) the object already.
    ///
    /// # Errors
    /// [`StorageError::WrongSize`] where the file does not hold as many bytes as were hashed, and
    /// [`StorageError::Io`]; the file is removed then.
    pub fn keep(&self, mut staged: Staged, digests: Digests) -> Result<bool, StorageError> {
        let Some(file) = staged.file.take() else { return Ok(false) };
        // The pair of the check that `publish` needs before its rename: a write that was lost or made twice is
        // caught here, where it happened. Defaults of access control lists can take bits from the mode.
        let stat = file.stat().doing(Action::Look, &staged.path)?;
        if stat.size_bytes != digests.size_bytes {
            let (expected, found) = (digests.size_bytes, stat.size_bytes);
            return Err(StorageError::WrongSize { path: staged.path.clone(), expected, found });
        }
        if stat.mode != OBJECT_MODE {
            file.set_mode(OBJECT_MODE).doing(Action::Write, &staged.path)?;
        }
        // Where `syncfs` cannot be believed, each file is synced while the descriptor that wrote it is open.
        let syncs_itself = !self.disk.can_sync_all();
        if syncs_itself {
            file.sync().doing(Action::Sync, &staged.path)?;
        }
        let mut state = self.state();
        if state.failed {
            return Err(StorageError::EarlierBatchFailed);
        }
        if state.before.contains(&digests.address()) || !state.seen.insert(digests.address()) {
            return Ok(false);
        }
        // Descriptors are scarce: only as many stay open as `publish` would sync one by one.
        let hold = !syncs_itself && state.batch.len() < FEW;
        state.batch.push(Kept { nth: staged.nth, digests, file: hold.then_some(file) });
        state.bytes += digests.size_bytes;
        drop(state);
        staged.kept();
        Ok(true)
    }

    /// Stages bytes that are in memory already, as the object that has these digests.
    ///
    /// Returns `false`, and writes nothing, where this writer [holds](Staging::holds) the object already.
    ///
    /// # Errors
    /// Those of [`Staging::stage`] and [`Staging::keep`].
    pub fn put_bytes(&self, bytes: &[u8], digests: Digests) -> Result<bool, StorageError> {
        if self.holds(&digests.address()) {
            return Ok(false);
        }
        let mut staged = self.stage()?;
        staged.append(bytes)?;
        self.keep(staged, digests)
    }

    /// Returns whether this writer has kept the object, in the present batch or the one published last. For
    /// older ones the log is asked, as for any other writer's.
    pub fn holds(&self, address: &ContentAddress) -> bool {
        let state = self.state();
        state.seen.contains(address) || state.before.contains(address)
    }

    /// Returns what waits to be published.
    pub fn pending(&self) -> Pending {
        let state = self.state();
        Pending { files: state.batch.len() as u64, bytes: state.bytes }
    }

    /// Gives the batch final names, durably, and returns what was in it, sorted by address.
    ///
    /// When this returns, every object of the batch survives a power cut. What is kept by other threads
    /// meanwhile belongs to the next batch. An empty batch costs nothing.
    ///
    /// # Errors
    /// [`StorageError::Io`] where the system refuses; then none of the batch may be named by an event, and
    /// the staging takes nothing more ([`StorageError::EarlierBatchFailed`]).
    pub fn publish(&self) -> Result<Vec<Digests>, StorageError> {
        let mut batch = {
            let mut state = self.state();
            if state.failed {
                return Err(StorageError::EarlierBatchFailed);
            }
            state.bytes = 0;
            if !state.batch.is_empty() {
                state.before = std::mem::take(&mut state.seen);
            }
            std::mem::take(&mut state.batch)
        };
        batch.sort_unstable_by_key(|kept| kept.digests.blake3);
        self.publish_batch(&mut batch).inspect_err(|_| self.state().failed = true)?;
        Ok(batch.into_iter().map(|kept| kept.digests).collect())
    }

    /// Ends the staging: removes `tmp/<writer>/` and what was not published.
    ///
    /// # Errors
    /// [`StorageError::Io`]. What is left is harmless; the next holder of the exclusive lock clears it.
    pub fn finish(mut self) -> Result<(), StorageError> {
        self.finished = true;
        self.clear()
    }

    fn publish_batch(&self, batch: &mut [Kept]) -> Result<(), StorageError> {
        if batch.is_empty() {
            return Ok(());
        }
        let whole = batch.len() > FEW && self.disk.can_sync_all();
        if whole {
            self.disk.sync_all().doing(Action::Sync, Path::new(""))?;
        } else {
            // What has no open file here was synced by `keep`.
            for kept in batch.iter() {
                if let Some(file) = &kept.file {
                    file.sync().doing(Action::Sync, &layout::staged_path(self.writer, kept.nth))?;
                }
            }
        }
        self.disk.point("bytes durable");

        self.rename_all(batch)?;
        self.disk.point("renamed");

        if whole {
            self.disk.sync_all().doing(Action::Sync, Path::new(""))?;
        } else {
            for directory in directories(batch) {
                self.disk.sync_dir(&directory).doing(Action::Sync, &directory)?;
            }
        }
        self.disk.point("published");
        Ok(())
    }

    fn rename_all(&self, batch: &[Kept]) -> Result<(), StorageError> {
        if batch.len() < MANY {
            return batch.iter().try_for_each(|kept| self.place(kept));
        }
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, RENAMERS);
        // The batch is sorted, so each thread works in directories of its own but for the first and last.
        let share = batch.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let place = |chunk: &[Kept]| chunk.iter().try_for_each(|kept| self.place(kept));
            let workers: Vec<_> = batch
                .chunks(share)
                .map(|chunk| (std::thread::Builder::new().spawn_scoped(scope, move || place(chunk)), chunk))
                .collect();
            workers.into_iter().try_for_each(|(worker, chunk)| match worker.map(|worker| worker.join()) {
                Ok(Ok(placed)) => placed,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                // The system has no thread to spare.
                Err(_) => place(chunk),
            })
        })
    }

    /// Renames one durable file to its final name, making the directories above where they are missing.
    fn place(&self, kept: &Kept) -> Result<(), StorageError> {
        let address = kept.digests.address();
        let from = layout::staged_path(self.writer, kept.nth);
        let to = layout::object_path(&address);
        let renamed = match self.disk.rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // `blake3/` itself is never made here: where it is missing, this is not the store it was.
                for directory in layout::shard_dirs(&address) {
                    make_dir_if_missing(&*self.disk, &directory)?;
                }
                self.disk.rename(&from, &to)
            }
            // No file takes a directory's name.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                self.clear_name(&to)?;
                self.disk.rename(&from, &to)
            }
            renamed => renamed,
        };
        renamed.doing(Action::Rename, &to)
    }

    /// Takes a directory away that stands where an object belongs. One that is not empty holds what is not ours to
    /// delete: it gets the next free name beside it, and verify tells of it until somebody has looked.
    fn clear_name(&self, path: &Path) -> Result<(), StorageError> {
        // Gone already where another writer heals the same object.
        let unless_gone = |done: io::Result<()>| match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
        match self.disk.remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            removed => return unless_gone(removed).doing(Action::Remove, path),
        }
        // An object's name is hexadecimal digits: nothing is lost.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for number in 1..u32::MAX {
            let aside = path.with_file_name(layout::aside(&name, number));
            match self.disk.stat(&aside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return unless_gone(self.disk.rename(path, &aside)).doing(Action::Rename, path);
                }
                found => drop(found.doing(Action::Look, &aside)?),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists)).doing(Action::Rename, path)
    }

    fn clear(&self) -> Result<(), StorageError> {
        clear_below(&*self.disk, &layout::writer_dir(self.writer))?;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while holding it left it whole: each change is one push or one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody is left to tell; the next holder of the exclusive lock clears what stays.
            drop(self.clear());
        }
    }
}

impl Staged {
    /// Writes the next bytes.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let offset = self.size_bytes;
        self.write_all_at(bytes, offset)
    }

    /// Writes bytes at an offset; what was never written in between reads as zeros.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<(), StorageError> {
        if let Some(file) = &self.file
            && !bytes.is_empty()
        {
            file.write_all_at(bytes, offset).doing(Action::Write, &self.path)?;
            self.size_bytes = self.size_bytes.max(offset + bytes.len() as u64);
        }
        Ok(())
    }

    /// Forgets what was written, to begin again.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn restart(&mut self) -> Result<(), StorageError> {
        if let Some(file) = &self.file {
            file.set_len(0).doing(Action::Write, &self.path)?;
        }
        self.size_bytes = 0;
        Ok(())
    }

    /// Returns how many bytes it holds.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Gives up the claim to remove the file.
    fn kept(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            drop(self.disk.remove_file(&self.path));
        }
    }
}

/// Removes everything beneath `tmp/`, and returns how many files that were.
///
/// The caller holds the exclusive lock, so that no writer lives and everything there is dead.
///
/// # Errors
/// [`StorageError::Io`].
pub fn clear_dead(disk: &dyn Disk) -> Result<u64, StorageError> {
    clear_within(disk, Path::new(layout::TMP))
}

/// Removes a directory and everything beneath it, and returns how many files that were.
fn clear_below(disk: &dyn Disk, directory: &Path) -> Result<u64, StorageError> {
    let removed = clear_within(disk, directory)?;
    match disk.remove_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(removed),
        done => done.doing(Action::Remove, directory).map(|()| removed),
    }
}

/// Removes everything beneath a directory, and returns how many files that were.
fn clear_within(disk: &dyn Disk, directory: &Path) -> Result<u64, StorageError> {
    let mut removed = 0;
    for entry in listed(disk, directory)? {
        let path = layout::within(directory, &entry.name);
        if entry.kind == FileKind::Directory {
            removed += clear_below(disk, &path)?;
            continue;
        }
        match disk.remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => {
                done.doing(Action::Remove, &path)?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Lists a directory; a missing one is empty.
fn listed(disk: &dyn Disk, directory: &Path) -> Result<Vec<crate::disk::Listed>, StorageError> {
    match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.doing(Action::Read, directory),
    }
}

fn make_dir_if_missing(disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
    match disk.make_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.doing(Action::Create, path),
    }
}

/// Returns every directory whose entries the renames of a batch depend on, the innermost first.
fn directories(batch: &[Kept]) -> Vec<PathBuf> {
    let mut inner = BTreeSet::new();
    let mut outer = BTreeSet::new();
    for kept in batch {
        let [above, beside] = layout::shard_dirs(&kept.digests.address());
        inner.insert(beside);
        outer.insert(above);
    }
    inner.into_iter().chain(outer).chain([PathBuf::from(layout::OBJECTS)]).collect()
}

#[cfg(test)]
mod tests;
