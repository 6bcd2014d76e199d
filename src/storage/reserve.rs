//! A few MiB set aside, so that `remove` and `gc` still find room for their events on a full disk.
//!
//! The bytes are really there: pseudo-random, so that no file system stores them as a hole or compresses
//! them, and always the same, so that two writers who make the file at once write the same thing.

use std::io;
use std::path::Path;

use super::error::{Action, Doing as _, StorageError};
use super::layout::RESERVE;
use crate::disk::{Disk, DiskFile, FileKind, file_mode};

/// The size of the reserve in bytes.
pub const RESERVE_BYTES: u64 = 4 * 1024 * 1024;

const CHUNK: usize = 256 * 1024;

/// Sets the reserve aside, durably, unless it is there.
///
/// # Errors
/// [`StorageError::Io`]; where there is no room for it, what was written of it is given back first.
pub fn create(disk: &dyn Disk) -> Result<(), StorageError> {
    if is_present(disk)? {
        return Ok(());
    }
    let path = Path::new(RESERVE);
    let mode = file_mode(disk).doing(Action::Look, Path::new(""))?;
    let file = match disk.create(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open_write(path),
        created => created,
    };
    let file = file.doing(Action::Create, path)?;
    if let Err(error) = fill(&*file) {
        drop(disk.remove_file(path)); // the failure that is reported is the one that counts
        return Err(error).doing(Action::Write, path);
    }
    file.sync().doing(Action::Sync, path)?;
    disk.sync_dir(Path::new("")).doing(Action::Sync, Path::new(""))
}

/// Gives the reserved room back to the file system, if there is any.
///
/// The caller holds the exclusive lock or is about to fail for lack of room; it calls [`create`] again when
/// there is room.
///
/// # Errors
/// [`StorageError::Io`].
pub fn release(disk: &dyn Disk) -> Result<(), StorageError> {
    let path = Path::new(RESERVE);
    match disk.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.doing(Action::Remove, path),
    }
}

/// Returns whether the whole reserve is set aside.
///
/// # Errors
/// [`StorageError::Io`].
pub fn is_present(disk: &dyn Disk) -> Result<bool, StorageError> {
    let path = Path::new(RESERVE);
    match disk.stat(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        stat => stat
            .doing(Action::Look, path)
            .map(|stat| stat.kind == FileKind::File && stat.size_bytes == RESERVE_BYTES),
    }
}

fn fill(file: &dyn DiskFile) -> io::Result<()> {
    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut chunk = vec![0; CHUNK];
    for offset in (0..RESERVE_BYTES).step_by(CHUNK) {
        noise.fill(&mut chunk);
        file.write_all_at(&chunk, offset)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn the_reserve_takes_real_room() {
        use std::os::unix::fs::MetadataExt as _;
        let root = tempfile::tempdir().expect("a directory");
        let disk = RealDisk::open(root.path()).expect("a disk");
        assert!(!is_present(&disk).expect("a look"));
        create(&disk).expect("room");
        assert!(is_present(&disk).expect("a look"));
        let meta = std::fs::metadata(layout_path(root.path())).expect("a file");
        assert_eq!(meta.len(), RESERVE_BYTES);
        assert!(meta.blocks() * 512 >= RESERVE_BYTES, "the reserve is sparse: {} blocks", meta.blocks());
        // Nothing that a file system could compress or share: no block looks like another.
        let bytes = std::fs::read(layout_path(root.path())).expect("bytes");
        let blocks: std::collections::HashSet<_> = bytes.chunks(512).collect();
        assert_eq!(blocks.len() as u64, RESERVE_BYTES / 512);
        assert!(
            bytes
                .chunks(4096)
                .all(|block| block.iter().collect::<std::collections::HashSet<_>>().len() > 250)
        );
        release(&disk).expect("gone");
        release(&disk).expect("gone twice");
        assert!(!is_present(&disk).expect("a look"));
    }

    #[test]
    fn a_reserve_that_was_cut_short_is_completed() {
        let root = tempfile::tempdir().expect("a directory");
        let disk = RealDisk::open(root.path()).expect("a disk");
        disk.create(Path::new(RESERVE), 0o600).expect("a file").write_all_at(b"short", 0).expect("written");
        assert!(!is_present(&disk).expect("a look"));
        create(&disk).expect("room");
        assert!(is_present(&disk).expect("a look"));
    }

    fn layout_path(root: &Path) -> std::path::PathBuf {
        super::super::layout::within(root, RESERVE.as_ref())
    }
}
