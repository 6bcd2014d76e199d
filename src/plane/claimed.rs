//! The objects that claims speak of: read, compared, and made durable. Nobody vouches for what stands there, so
//! nothing of it counts that was not read to its end here.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::beside::CHUNK_BYTES;
use super::fault::{Fault, ReadFailure, read_chunks};
use super::threads::in_threads;
use super::verify::VerifyError;
use crate::disk::Disk;
use crate::identity::{Blake3, ContentAddress, Digests, DualHasher};
use crate::monitor::{Counter, Monitor, Task};
use crate::storage::{Action, StorageError, layout};

/// Makes objects durable that somebody else may have put there: their bytes, and the names that lead to them.
///
/// # Errors
/// [`StorageError::Io`]. What is missing is none.
pub fn make_durable(
    disk: &dyn Disk,
    objects: impl Iterator<Item = ContentAddress>,
) -> Result<(), StorageError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| StorageError::Io { action, path, source }
    };
    let all = Path::new(layout::OBJECTS);
    if disk.can_sync_all() {
        return disk.sync_all().map_err(failed(Action::Sync, all));
    }
    let mut directories = HashSet::new();
    for object in objects {
        let path = layout::object_path(&object);
        match disk.open(&path) {
            // What cannot be opened is told elsewhere, and vouched for by nobody.
            Err(_) => {}
            Ok(file) => {
                file.sync().map_err(failed(Action::Sync, &path))?;
                directories.extend(layout::shard_dirs(&object));
            }
        }
    }
    for directory in &directories {
        disk.sync_dir(directory).map_err(failed(Action::Sync, directory))?;
    }
    disk.sync_dir(all).map_err(failed(Action::Sync, all))
}

/// What the files of some objects hold.
#[derive(Debug, Default)]
pub struct CheckedObjects {
    /// Those whose bytes are not to be had, ascending, and why.
    pub faults: Vec<(Blake3, Fault)>,
    /// What somebody says of an object, and its bytes say otherwise: another SHA-256, or another size.
    pub refuted: HashSet<Digests>,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Reads every byte of some objects and compares both digests and the size. `said` ascends by address; different
/// things may be said of one object, which is read once.
///
/// # Errors
/// [`VerifyError::Cancelled`].
pub fn check_objects(
    disk: &dyn Disk,
    said: &[Digests],
    threads: usize,
    monitor: &dyn Monitor,
    cancelled: &AtomicBool,
) -> Result<CheckedObjects, VerifyError> {
    let groups: Vec<&[Digests]> = said.chunk_by(|one, next| one.blake3 == next.blake3).collect();
    let next = AtomicUsize::new(0);
    let bytes = groups.iter().map(|group| group[0].size_bytes).fold(0, u64::saturating_add);
    monitor.start(Task::Verifying, Some(bytes));
    let parts = in_threads(threads, || {
        let (mut checked, mut buffer) = (CheckedObjects::default(), vec![0; CHUNK_BYTES]);
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            match read_whole(disk, &group[0].address(), &mut buffer, cancelled) {
                Err(ReadFailure::Taker(Stopped)) => break,
                Err(ReadFailure::File(error)) if error.kind() == io::ErrorKind::NotFound => {
                    checked.faults.push((group[0].blake3, Fault::Missing));
                }
                Err(ReadFailure::File(error)) => {
                    checked.faults.push((group[0].blake3, Fault::Unreadable { error }));
                }
                Ok(found) => {
                    checked.bytes += found.size_bytes;
                    monitor.count(Counter::ObjectsVerified, 1);
                    monitor.count(Counter::BytesVerified, found.size_bytes);
                    if found.blake3 == group[0].blake3 {
                        checked.refuted.extend(group.iter().filter(|said| **said != found));
                    } else {
                        checked.faults.push((group[0].blake3, other_bytes(&group[0], &found)));
                    }
                }
            }
        }
        checked
    });
    monitor.finish(Task::Verifying);
    if cancelled.load(Ordering::Relaxed) {
        return Err(VerifyError::Cancelled);
    }
    let mut all = CheckedObjects::default();
    for mut part in parts {
        all.faults.append(&mut part.faults);
        all.refuted.extend(part.refuted);
        all.bytes += part.bytes;
    }
    all.faults.sort_unstable_by_key(|(object, _)| *object);
    Ok(all)
}

/// The caller's flag said to stop.
struct Stopped;

fn read_whole(
    disk: &dyn Disk,
    address: &ContentAddress,
    buffer: &mut [u8],
    cancelled: &AtomicBool,
) -> Result<Digests, ReadFailure<Stopped>> {
    let file = disk.open(&layout::object_path(address)).map_err(ReadFailure::File)?;
    let mut hasher = DualHasher::new();
    read_chunks(&*file, buffer, |chunk, _| {
        hasher.update(chunk);
        if cancelled.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    })?;
    Ok(hasher.finish())
}

fn other_bytes(said: &Digests, found: &Digests) -> Fault {
    if found.size_bytes < said.size_bytes {
        Fault::Truncated { expected_bytes: said.size_bytes, found_bytes: found.size_bytes }
    } else {
        Fault::Altered { found_bytes: found.size_bytes, found: Some(found.address()) }
    }
}
