//! Whether a place lies within a store: all that is beneath a store's root is the store's own.

use std::path::{Path, PathBuf};

use super::{StorageError, has_remains, open};
use crate::disk::RealDisk;

/// Returns the root of the store that a path lies in, be there something at the path or not; `None` where it lies in
/// none. What stands at the path itself does not count, and a directory that cannot be looked into is taken for none.
pub fn store_around(path: &Path) -> Option<PathBuf> {
    // Where it leads to counts, not how it is written.
    let path = std::path::absolute(path).ok()?;
    let standing = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let (above, resolved) = standing?;
    let skipped = usize::from(above == path);
    resolved.ancestors().skip(skipped).find(|directory| is_store(directory)).map(Path::to_owned)
}

fn is_store(directory: &Path) -> bool {
    match open(directory) {
        // One of a later format is a store all the same.
        Ok(_) | Err(StorageError::UnknownFormat { .. }) => true,
        // So is one whose description is damaged or lost: it can be mended. A file that is called `astore.toml` alone may be
        // anybody's, and so may a directory that is called `blake3`.
        Err(StorageError::Config { .. } | StorageError::Unnamed { .. } | StorageError::NoStore { .. }) => {
            RealDisk::open(directory).is_ok_and(|disk| has_remains(&disk).unwrap_or(false))
        }
        Err(_) => false,
    }
}
