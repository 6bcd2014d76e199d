//! The files that stand where objects belong, listed directory by directory and on several threads.
//!
//! Knows names alone. What stands under a name that no object can have is verify's to tell, and is left out here.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::threads::in_threads;
use crate::disk::{Directory, Disk, FileKind, Listed};
use crate::identity::{Blake3, ContentAddress};
use crate::storage::{Action, StorageError, layout};

/// What is met on the way.
pub(super) enum Met<'a> {
    /// A regular file under the name of this object.
    File(ContentAddress),
    /// A directory that cannot be listed, and why.
    Unlisted(&'a Path, io::Error),
}

/// Goes through the directories of the objects. Each thread begins with a `start` of its own and takes into it what it
/// meets; what the threads have then is returned, in no order.
///
/// # Errors
/// [`StorageError::Io`] where the objects' directory itself cannot be listed, or with
/// [`io::ErrorKind::Interrupted`] where the caller's flag says to stop.
pub(super) fn each_file<T: Send>(
    disk: &dyn Disk,
    threads: usize,
    cancelled: &AtomicBool,
    start: impl Fn() -> T + Sync,
    take: impl Fn(&mut T, Met<'_>) + Sync,
) -> Result<Vec<T>, StorageError> {
    let objects = Path::new(layout::OBJECTS);
    let failed = |source| StorageError::Io { action: Action::Read, path: objects.to_owned(), source };
    let outer = disk.list(objects).map_err(failed)?;
    let next = AtomicUsize::new(0);
    let all = in_threads(threads, || {
        let mut taken = start();
        while let Some(outer) = outer.get(next.fetch_add(1, Ordering::Relaxed)) {
            if cancelled.load(Ordering::Relaxed) {
                break;
            }
            each_file_below(disk, outer, &mut |met| take(&mut taken, met));
        }
        taken
    });
    if cancelled.load(Ordering::Relaxed) {
        return Err(failed(io::ErrorKind::Interrupted.into()));
    }
    Ok(all)
}

fn each_file_below(disk: &dyn Disk, outer: &Listed, take: &mut dyn FnMut(Met<'_>)) {
    if outer.kind != FileKind::Directory {
        return;
    }
    let path = layout::within(Path::new(layout::OBJECTS), &outer.name);
    let Some((held, listed)) = listing(&path, disk.listing(&path), take) else { return };
    for inner in listed.iter().filter(|inner| inner.kind == FileKind::Directory) {
        let path = layout::within(&path, &inner.name);
        files(&outer.name, &inner.name, &path, disk.listing_in(&held, &inner.name), take);
    }
}

/// Goes through one directory of the objects, which these two names lead to.
pub(super) fn each_file_in(disk: &dyn Disk, outer: &OsStr, inner: &OsStr, take: &mut dyn FnMut(Met<'_>)) {
    let path = layout::within(&layout::within(Path::new(layout::OBJECTS), outer), inner);
    files(outer, inner, &path, disk.listing(&path), take);
}

type Listing = (Directory, Vec<Listed>);

fn files(
    outer: &OsStr,
    inner: &OsStr,
    path: &Path,
    found: io::Result<Listing>,
    take: &mut dyn FnMut(Met<'_>),
) {
    for file in listing(path, found, take).iter().flat_map(|(_, listed)| listed) {
        let address = layout::parse_object_path(outer, inner, &file.name);
        if let Some(address) = address.filter(|_| file.kind == FileKind::File) {
            take(Met::File(address));
        }
    }
}

fn listing(path: &Path, found: io::Result<Listing>, take: &mut dyn FnMut(Met<'_>)) -> Option<Listing> {
    found.map_err(|error| take(Met::Unlisted(path, error))).ok()
}

/// Returns the first eight bytes of a digest: enough to tell the objects of a store apart, where a mistake costs little
/// and all of them are held.
pub(super) fn beginning(digest: &Blake3) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}
