//! How much stands under `tmp/`.

use std::path::Path;

use super::super::layout;
use crate::disk::{Disk, FileKind};

/// What writers have under `tmp/`, those at work and those that died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Of how many writers: what stands directly in `tmp/`.
    pub writers: u64,
    /// The sizes of all files beneath it.
    pub bytes: u64,
}

/// Counts what stands under `tmp/`. What cannot be looked at, or goes meanwhile, does not count.
pub fn leftovers(disk: &dyn Disk) -> Leftovers {
    let tmp = Path::new(layout::TMP);
    let writers = disk.list(tmp).map_or(0, |listed| listed.len() as u64);
    Leftovers { writers, bytes: bytes_within(disk, tmp) }
}

fn bytes_within(disk: &dyn Disk, directory: &Path) -> u64 {
    let listed = disk.list(directory).unwrap_or_default();
    let sizes = listed.into_iter().map(|entry| {
        let path = layout::within(directory, &entry.name);
        match entry.kind {
            FileKind::Directory => bytes_within(disk, &path),
            FileKind::File | FileKind::Symlink | FileKind::Other => {
                disk.stat(&path).map_or(0, |stat| stat.size_bytes)
            }
        }
    });
    sizes.fold(0, u64::saturating_add)
}
