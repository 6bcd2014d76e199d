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
//! Steps 2 and 3 need not wait for the whole batch: [`Staging::place`] does them for the *group* that has been
//! kept so far, while other threads write the next one. Step 4 is left to the batch, whose objects are until
//! then what a crash leaves of any: true, and vouched for by nobody.
//!
//! This module hashes nothing: the caller says what the digests of the bytes are, and took them as it wrote.

mod clear;
mod left;
mod placing;
mod staged;

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

pub use self::clear::clear_dead;
pub use self::left::{Leftovers, leftovers};
use self::placing::{directories, rename_all, unless_there};
pub use self::staged::Staged;
use super::error::{Action, Doing as _, StorageError};
use super::layout;
use crate::disk::{Directory, Disk, DiskFile};
use crate::identity::{ContentAddress, Digests};

/// The mode of every object.
pub const OBJECT_MODE: u32 = 0o444;

/// Up to so many files are synced one by one: that costs about two milliseconds each with their directories, and no
/// more whatever others do, while `syncfs` waits for all that the machine has written to the file system. Where
/// nobody else writes, `syncfs` is the faster one from two files on (decision 0015 has the figures).
pub const FEW: usize = 16;

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// The number of files.
    pub files: u64,
    /// Their bytes, all together.
    pub bytes: u64,
}

impl Pending {
    /// Returns whether anything waits, and as much as so many times `each`, in files or in bytes.
    pub fn reaches(self, times: u64, each: Self) -> bool {
        self.files > 0
            && (self.bytes >= each.bytes.saturating_mul(times)
                || self.files >= each.files.saturating_mul(times))
    }
}

/// One writer's bytes in flight. All methods may be called from several threads.
#[derive(Debug)]
pub struct Staging {
    disk: Arc<dyn Disk>,
    writer: Uuid,
    /// `tmp/<writer>/`, in which one file after the other is made and renamed away.
    own: Directory,
    next: AtomicU64,
    state: Mutex<State>,
    /// Held by whoever places or publishes: one group goes after the other.
    placing: Mutex<()>,
    finished: bool,
}

#[derive(Debug, Default)]
struct State {
    /// What is kept and not placed yet.
    group: Vec<Kept>,
    group_bytes: u64,
    /// What is in the batch and has its final name, though no sync says so.
    placed: Vec<Digests>,
    /// All of the batch, whatever has become of it.
    batch: Pending,
    /// What is in the batch.
    seen: HashSet<ContentAddress>,
    /// What was in the batch before it, which the caller may not have recorded yet. Older ones it has: to
    /// remember them too would cost more for each file than all else that an add keeps in memory.
    before: HashSet<ContentAddress>,
    failed: bool,
}

impl State {
    fn take_group(&mut self) -> Vec<Kept> {
        self.group_bytes = 0;
        std::mem::take(&mut self.group)
    }
}

/// One file of a group, whole but not yet durable.
#[derive(Debug)]
struct Kept {
    nth: u64,
    digests: Digests,
    /// Open for as long as the file may have to be synced by itself. A descriptor older than the writes is sure
    /// to hear of a failed writeback; one opened afterwards may not, once the kernel has forgotten the inode.
    file: Option<Box<dyn DiskFile>>,
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
                let above = Path::new(layout::TMP);
                unless_there(disk.make_dir(above)).doing(Action::Create, above)?;
                disk.make_dir(&directory)
            }
            made => made,
        };
        made.doing(Action::Create, &directory)?;
        let own = disk.directory(&directory).doing(Action::Open, &directory)?;
        let (next, state, placing) = (AtomicU64::new(0), Mutex::default(), Mutex::default());
        Ok(Self { disk, writer, own, next, state, placing, finished: false })
    }

    /// Opens a new file in flight.
    ///
    /// # Errors
    /// [`StorageError::Io`] where it cannot be made.
    pub fn stage(&self) -> Result<Staged, StorageError> {
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        let path = layout::staged_path(self.writer, nth);
        let created = self.disk.create_in(&self.own, layout::staged_name(nth).as_ref(), OBJECT_MODE);
        let file = created.doing(Action::Create, &path)?;
        Ok(Staged::new(Arc::clone(&self.disk), path, nth, file))
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
        let mut state = self.living()?;
        if state.before.contains(&digests.address()) || !state.seen.insert(digests.address()) {
            return Ok(false);
        }
        // Descriptors are scarce: only as many stay open as would be synced one by one.
        let hold = !syncs_itself && state.group.len() < FEW;
        state.group.push(Kept { nth: staged.nth, digests, file: hold.then_some(file) });
        state.group_bytes += digests.size_bytes;
        state.batch.files += 1;
        state.batch.bytes += digests.size_bytes;
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

    /// Returns whether this writer has kept the object, in the present batch, placed or not, or the one published last. For
    /// older ones the log is asked, as for any other writer's.
    pub fn holds(&self, address: &ContentAddress) -> bool {
        let state = self.state();
        state.seen.contains(address) || state.before.contains(address)
    }

    /// Returns what waits to be published, placed or not.
    pub fn pending(&self) -> Pending {
        self.state().batch
    }

    /// Returns what waits to be placed.
    pub fn waiting(&self) -> Pending {
        let state = self.state();
        Pending { files: state.group.len() as u64, bytes: state.group_bytes }
    }

    /// Gives what has been kept so far its final names, and leaves it to [`Staging::publish`] to make these durable.
    ///
    /// What is kept by other threads meanwhile belongs to the next group. An empty one costs nothing.
    ///
    /// # Errors
    /// Those of [`Staging::publish`], with the same end.
    pub fn place(&self) -> Result<(), StorageError> {
        let _alone = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        let group = self.living()?.take_group();
        if group.is_empty() {
            return Ok(());
        }
        let placed = self.place_group(group).inspect_err(|_| self.state().failed = true)?;
        self.state().placed.extend(placed);
        self.disk.point("group placed");
        Ok(())
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
        let _alone = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut placed, group) = {
            let mut state = self.living()?;
            if state.batch.files > 0 {
                state.before = std::mem::take(&mut state.seen);
            }
            state.batch = Pending::default();
            (std::mem::take(&mut state.placed), state.take_group())
        };
        let published = self.place_group(group).and_then(|group| {
            placed.extend(group);
            placed.sort_unstable_by_key(|digests| digests.blake3);
            self.make_names_durable(&placed)
        });
        published.inspect_err(|_| self.state().failed = true)?;
        Ok(placed)
    }

    /// Ends the staging: removes `tmp/<writer>/` and what was not published.
    ///
    /// # Errors
    /// [`StorageError::Io`]. What is left is harmless; the next holder of the exclusive lock clears it.
    pub fn finish(mut self) -> Result<(), StorageError> {
        self.finished = true;
        self.clear()
    }

    /// Makes the bytes of a group durable, and only then renames its files.
    fn place_group(&self, mut group: Vec<Kept>) -> Result<Vec<Digests>, StorageError> {
        if group.is_empty() {
            return Ok(Vec::new());
        }
        group.sort_unstable_by_key(|kept| kept.digests.blake3);
        // This begins after the last write of the group has returned, so it leaves none of them out. What others
        // write meanwhile is in the next group, and waits for a sync of its own.
        if self.syncs_all(group.len()) {
            self.disk.sync_all().doing(Action::Sync, Path::new(""))?;
        } else {
            // What has no open file here was synced by `keep`.
            for kept in &group {
                if let Some(file) = &kept.file {
                    file.sync().doing(Action::Sync, &layout::staged_path(self.writer, kept.nth))?;
                }
            }
        }
        self.disk.point("bytes durable");
        rename_all(self, &group)?;
        Ok(group.into_iter().map(|kept| kept.digests).collect())
    }

    fn make_names_durable(&self, placed: &[Digests]) -> Result<(), StorageError> {
        if placed.is_empty() {
            return Ok(());
        }
        self.disk.point("renamed");
        if self.syncs_all(placed.len()) {
            self.disk.sync_all().doing(Action::Sync, Path::new(""))?;
        } else {
            for directory in directories(placed) {
                self.disk.sync_dir(&directory).doing(Action::Sync, &directory)?;
            }
        }
        self.disk.point("published");
        Ok(())
    }

    /// Returns whether so many files are better synced with all else on the file system, and can be.
    fn syncs_all(&self, files: usize) -> bool {
        files > FEW && self.disk.can_sync_all()
    }

    fn living(&self) -> Result<MutexGuard<'_, State>, StorageError> {
        let state = self.state();
        if state.failed { Err(StorageError::EarlierBatchFailed) } else { Ok(state) }
    }

    fn clear(&self) -> Result<(), StorageError> {
        clear::clear_below(&*self.disk, &layout::writer_dir(self.writer))?;
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

#[cfg(test)]
mod tests;
