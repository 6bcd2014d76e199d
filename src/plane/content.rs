//! The digests of a file that stands anywhere: what its bytes would be called in a store.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ingest::{IngestError, Unreadable};
use super::stream::{StreamError, stream};
use crate::identity::Digests;
use crate::monitor::{Counter, Monitor, Task};

/// Reads a file once, from front to end, and returns both digests of what was read. Follows symlinks.
///
/// # Errors
/// [`IngestError::Unreadable`] where it cannot be read, is a directory or a fifo, or changed meanwhile;
/// [`IngestError::Cancelled`].
pub fn digests_of(
    path: &Path,
    monitor: &dyn Monitor,
    cancelled: &AtomicBool,
) -> Result<Digests, IngestError> {
    let unreadable = |source| IngestError::Unreadable { path: path.to_owned(), source };
    let system = |error| unreadable(Unreadable::Io(error));
    if is_named_fifo(path) {
        // Opening it would wait for a writer, deaf to signals.
        return Err(system(io::Error::new(io::ErrorKind::InvalidInput, "it is a fifo, not a file")));
    }
    let mut file = File::open(path).map_err(system)?;
    let before = file.metadata().map_err(system)?;
    if before.is_dir() {
        return Err(system(io::ErrorKind::IsADirectory.into()));
    }
    let each = |read| {
        monitor.count(Counter::BytesHashed, read);
        if cancelled.load(Ordering::Relaxed) { Err(IngestError::Cancelled) } else { Ok(()) }
    };
    monitor.start(Task::Hashing, before.is_file().then_some(before.len()));
    let read = stream(&mut file, &[], None, &each);
    monitor.finish(Task::Hashing);
    let digests = read.map_err(|error| match error {
        StreamError::Read(error) => system(error),
        StreamError::Stop(error) => error,
    })?;
    // Of a file that is written to, there is no telling which bytes belong together. A pipe has none of this.
    let after = file.metadata().map_err(system)?;
    if before.is_file() && (digests.size_bytes != after.len() || state(&before) != state(&after)) {
        return Err(unreadable(Unreadable::Changed));
    }
    Ok(digests)
}

/// Returns whether a path leads to a fifo that stands in a directory. What the shell hands over as `/dev/fd/63` or
/// `/dev/stdin` stands in none, is open already, and is read like a file.
fn is_named_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    path.canonicalize().and_then(|path| path.metadata()).is_ok_and(|found| found.file_type().is_fifo())
}

fn state(metadata: &Metadata) -> (u64, [i64; 4]) {
    use std::os::unix::fs::MetadataExt as _;
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    (metadata.len(), times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Void;

    fn digests(path: &Path) -> Result<Digests, IngestError> {
        digests_of(path, &Void, &AtomicBool::new(false))
    }

    #[test]
    fn a_file_has_the_digests_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        for length in [0, 1, super::super::beside::CHUNK_BYTES + 1] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            file.as_file_mut().set_len(0).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            std::io::Write::write_all(&mut file, &bytes).unwrap();
            assert_eq!(digests(&path).unwrap(), Digests::of(&bytes));
        }
        let cancelled = digests_of(&path, &Void, &AtomicBool::new(true));
        assert!(matches!(cancelled, Err(IngestError::Cancelled)), "{cancelled:?}");
        drop(file);
        assert!(digests(&path).is_err());
        assert!(digests(dir.path()).is_err(), "a directory has no content of its own");

        let (fifo, link) = (dir.path().with_extension("fifo"), dir.path().with_extension("link"));
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        for path in [&fifo, &link] {
            let error = digests(path).unwrap_err();
            assert!(format!("{error:?}").contains("it is a fifo"), "nobody writes to it: {error:?}");
        }
        drop(std::process::Command::new("rm").args([fifo, link]).status());
    }
}
