//! What nobody needs any more under `tmp/` is taken away.

use std::io;
use std::path::Path;

use super::super::error::{Action, Doing as _, StorageError};
use super::super::layout;
use crate::disk::{Disk, FileKind};

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
pub(super) fn clear_below(disk: &dyn Disk, directory: &Path) -> Result<u64, StorageError> {
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
