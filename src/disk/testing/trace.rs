//! A disk that remembers every call that had an effect.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::call::Call;
use super::wrapped::{Hook, Wrapped};
use crate::disk::{Disk, DiskFile, Listed, Stat};

/// A disk that remembers, in order, every call that succeeded and changed or synced something, and every point.
///
/// Calls of several threads happen one after the other, so that the order remembered is the order on the disk.
#[derive(Debug)]
pub struct Trace(Wrapped<Remembering>);

struct Remembering {
    calls: Mutex<Vec<Call>>,
    foreign: Option<(PathBuf, Vec<&'static str>)>,
}

impl Hook for Remembering {
    fn around(&self, call: Call, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        if call.is_reading() {
            return run();
        }
        let mut calls = self.calls();
        run()?;
        let at_point = matches!(call, Call::Point { .. });
        calls.push(call);
        if at_point && let Some((root, names)) = &self.foreign {
            calls.push(Call::Foreign { files: foreign(root, names)? });
        }
        Ok(())
    }
}

impl Remembering {
    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trace {
    /// Remembers what happens on a disk.
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        Self(Wrapped::new(inner, Remembering { calls: Mutex::default(), foreign: None }))
    }

    /// Remembers also, at each point, the whole of some files in the root that are not written through the disk.
    ///
    /// For the database: `root` is its directory, `names` are `astore.db` and `astore.db-wal`.
    pub fn with_foreign(inner: Arc<dyn Disk>, root: &Path, names: &[&'static str]) -> Self {
        let foreign = Some((root.to_owned(), names.to_vec()));
        Self(Wrapped::new(inner, Remembering { calls: Mutex::default(), foreign }))
    }

    /// Returns what was remembered so far.
    pub fn calls(&self) -> Vec<Call> {
        self.0.hook().calls().clone()
    }

    /// Forgets what was remembered so far, and returns it.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.hook().calls())
    }
}

#[expect(clippy::disallowed_methods, reason = "reads what SQLite wrote beside the disk, in tests")]
fn foreign(root: &Path, names: &[&'static str]) -> io::Result<Vec<(PathBuf, Option<Vec<u8>>)>> {
    let mut files = Vec::new();
    for name in names {
        let bytes = match std::fs::read(root.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(read?),
        };
        files.push((PathBuf::from(name), bytes));
    }
    Ok(files)
}

super::delegate_disk!(Trace);
