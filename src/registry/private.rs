//! A private copy of the database, for reading a store that may not be written: taken only when it is known to
//! be one moment's state, and gone when the registry goes.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::NotRegular;
use crate::error::Error;
use crate::storage::{Action, StorageError, layout};

/// How often a private copy is tried again when the store changes while it is copied.
const COPY_TRIES: u32 = 100;

/// How long it waits between two tries: longer than the ticks in which file times move.
const COPY_PAUSE: Duration = Duration::from_millis(25);

/// A copy of the database that only this process sees; it goes when the registry goes.
#[derive(Debug)]
pub(super) struct PrivateCopy {
    pub(super) directory: PathBuf,
}

impl Drop for PrivateCopy {
    #[expect(clippy::disallowed_methods, reason = "the copy is outside of any store")]
    fn drop(&mut self) {
        for name in ["astore.db", "astore.db-wal", "astore.db-shm"] {
            drop(std::fs::remove_file(self.directory.join(name)));
        }
        drop(std::fs::remove_dir(&self.directory));
    }
}

/// Makes the directory of a private copy: nobody else's business.
fn make_private_dir(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(directory)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = OsString::from(path);
    text.push(suffix);
    text.into()
}

/// What tells whether a file was changed: its size, its times, its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print {
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
}

impl Print {
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let found = std::fs::symlink_metadata(path).ok()?;
        Some(Self {
            size_bytes: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            inode: found.ino(),
        })
    }

    /// Returns whether a change from now on would show in the times: they move in ticks of up to 10 ms.
    fn is_telling(&self) -> bool {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        let age = nanoseconds(now.tv_sec, now.tv_nsec) - nanoseconds(self.changed.0, self.changed.1);
        // A change long in the future is a clock that was set; waiting would not help.
        !(-20_000_000..20_000_000).contains(&age)
    }
}

/// Copies database and WAL, again if either changed meanwhile.
pub(super) fn copy_database(source: &Path, directory: PathBuf) -> Result<PrivateCopy, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Storage(StorageError::Io { action: Action::Create, path, source })
    };
    make_private_dir(&directory).map_err(failed(&directory))?;
    let private = PrivateCopy { directory };
    for nth in 0..COPY_TRIES {
        if nth > 0 {
            std::thread::sleep(COPY_PAUSE);
        }
        if copy_once(source, &private.directory)? {
            return Ok(private);
        }
    }
    Err(failed(source)(io::Error::other("it changes faster than it can be copied")))
}

/// Copies database and WAL, and returns whether the copy can be trusted: neither changed meanwhile, and neither
/// was changed so lately that another change would not show.
#[expect(clippy::disallowed_methods, reason = "the copy is outside of any store")]
fn copy_once(source: &Path, directory: &Path) -> Result<bool, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Storage(StorageError::Io { action: Action::Create, path, source })
    };
    let wal = with_suffix(source, "-wal");
    let target = layout::within(directory, layout::DATABASE.as_ref());
    let target_wal = with_suffix(&target, "-wal");
    // What an earlier try left: a WAL over a database that has taken it in already would turn it back.
    for left in [&target, &target_wal] {
        match std::fs::remove_file(left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(left)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let before = (Print::of(source), Print::of(&wal));
    let (Some(database), log) = before else { return Err(Error::DatabaseMissing) };
    if !database.is_telling() || log.is_some_and(|log| !log.is_telling()) {
        return Ok(false);
    }
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Storage(StorageError::Io { action: Action::Open, path, source })
    };
    let mut from = open_file(source).map_err(unread(source))?;
    copy_file(&mut from, &target).map_err(failed(&target))?;
    if log.is_some() {
        match open_file(&wal) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => {
                let mut from = opened.map_err(unread(&wal))?;
                copy_file(&mut from, &target_wal).map_err(failed(&target_wal))?;
            }
        }
    }
    Ok(before == (Print::of(source), Print::of(&wal)))
}

/// Opens a regular file. Neither follows a symlink that somebody put under its name, nor waits for a fifo's other end.
fn open_file(source: &Path) -> io::Result<std::fs::File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let from = std::fs::File::from(openat(CWD, source, flags, Mode::empty())?);
    if from.metadata()?.is_file() {
        Ok(from)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular))
    }
}

/// Copies a file to a name that nothing has.
fn copy_file(from: &mut std::fs::File, target: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut to = std::fs::File::from(openat(CWD, target, flags, Mode::RUSR | Mode::WUSR)?);
    io::copy(from, &mut to).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wal_that_is_gone_by_the_next_try_leaves_no_copy_of_itself() {
        let place = tempfile::tempdir().expect("a directory");
        let at = |name: &str| layout::within(place.path(), name.as_ref());
        let (source, copy) = (at("astore.db"), at("copy"));
        let write = |name: &str| std::fs::File::create(at(name)).expect("a file");
        write("astore.db");
        write("astore.db-wal");
        std::fs::DirBuilder::new().recursive(true).create(&copy).expect("a directory");
        assert!(!copy_once(&source, &copy).expect("a look"), "too fresh to tell");
        std::thread::sleep(COPY_PAUSE * 2);
        assert!(copy_once(&source, &copy).expect("a copy"));
        let copied = layout::within(&copy, "astore.db-wal".as_ref());
        assert!(copied.exists());
        rustix::fs::unlink(at("astore.db-wal")).expect("a checkpoint");
        assert!(copy_once(&source, &copy).expect("a copy"));
        assert!(!copied.exists(), "the WAL of the first try lies beside the database of the second");
    }
}
