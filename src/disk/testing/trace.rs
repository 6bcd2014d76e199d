//! A disk that remembers every call that had an effect.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::call::Call;
use super::wrapped::{Extent, Hook, Wrapped};
use crate::disk::{Directory, Disk, DiskFile, Listed, Stat};

/// A disk that remembers, in order, every call that succeeded and changed or synced something, and every point.
///
/// Calls of several threads happen one after the other, so that the order remembered is the order on the disk.
#[derive(Debug)]
pub struct Trace(Wrapped<Remembering>);

struct Remembering {
    remembered: Mutex<Remembered>,
    foreign: Option<Foreign>,
}

/// Files in the root that are not written through the disk.
struct Foreign {
    root: PathBuf,
    names: Vec<&'static str>,
}

#[derive(Default)]
struct Remembered {
    calls: Vec<Call>,
    /// The foreign files, as they were when they were last looked at.
    seen: BTreeMap<PathBuf, Arc<Vec<u8>>>,
}

impl Hook for Remembering {
    fn around(&self, call: Call, run: &mut dyn FnMut(Extent) -> io::Result<()>) -> io::Result<()> {
        if call.is_reading() {
            return run(Extent::Whole);
        }
        let mut remembered = self.remembered();
        // What a call makes durable, moves or takes away is looked at first; at a point, whatever happened until then.
        if let Some(foreign) = self.foreign.as_ref().filter(|foreign| foreign.concerns(&call)) {
            remembered.look(foreign)?;
        }
        run(Extent::Whole)?;
        let at_point = matches!(call, Call::Point { .. });
        remembered.follow(&call);
        remembered.calls.push(call);
        if let Some(foreign) = self.foreign.as_ref().filter(|_| at_point) {
            remembered.look(foreign)?;
        }
        Ok(())
    }
}

impl Remembering {
    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Foreign {
    /// Returns whether a file of this name in the root is one of them.
    fn has(&self, path: &Path) -> bool {
        path.to_str().is_some_and(|path| self.names.iter().any(|name| path.starts_with(name)))
    }

    fn concerns(&self, call: &Call) -> bool {
        match call {
            Call::SyncAll => true,
            Call::SyncDir { path } => path.as_os_str().is_empty(),
            Call::Rename { from, to } => self.has(from) || self.has(to),
            Call::SyncFile { path, .. } | Call::RemoveFile { path } | Call::Create { path, .. } => {
                self.has(path)
            }
            Call::Open { .. }
            | Call::Read { .. }
            | Call::Stat { .. }
            | Call::List { .. }
            | Call::OpenWrite { .. }
            | Call::Write { .. }
            | Call::SetLen { .. }
            | Call::SetMode { .. }
            | Call::MakeDir { .. }
            | Call::RemoveDir { .. }
            | Call::Point { .. }
            | Call::Foreign { .. } => false,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "reads what SQLite wrote beside the disk, in tests")]
    fn read(&self) -> io::Result<BTreeMap<PathBuf, Arc<Vec<u8>>>> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(&self.root)? {
            let name = PathBuf::from(entry?.file_name());
            if !self.has(&name) {
                continue;
            }
            // Whoever opens a database first makes the -shm anew: that it is there is all that a crash can leave of it.
            let is_index = name.to_str().is_some_and(|name| name.ends_with("-shm"));
            match if is_index { Ok(Vec::new()) } else { std::fs::read(self.root.join(&name)) } {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                read => drop(found.insert(name, Arc::new(read?))),
            }
        }
        Ok(found)
    }
}

impl Remembered {
    fn look(&mut self, foreign: &Foreign) -> io::Result<()> {
        let found = foreign.read()?;
        let gone =
            self.seen.keys().filter(|path| !found.contains_key(*path)).map(|path| (path.clone(), None));
        let new = found.iter().filter(|(path, bytes)| self.seen.get(*path) != Some(*bytes));
        let new = new.map(|(path, bytes)| (path.clone(), Some(Arc::clone(bytes))));
        let files: Vec<_> = new.chain(gone).collect();
        if !files.is_empty() {
            self.calls.push(Call::Foreign { files });
            self.seen = found;
        }
        Ok(())
    }

    /// Follows what the disk itself does to the names of foreign files.
    fn follow(&mut self, call: &Call) {
        if let Call::Rename { from, to } = call
            && let Some(bytes) = self.seen.remove(from)
        {
            self.seen.insert(to.clone(), bytes);
        } else if let Call::RemoveFile { path } = call {
            self.seen.remove(path);
        }
    }
}

impl Trace {
    /// Remembers what happens on a disk.
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        let remembered = Mutex::default();
        Self(Wrapped::new(inner, Remembering { remembered, foreign: None }))
    }

    /// Remembers also what others make of some files in the root that are not written through the disk: at each point,
    /// and before each call that makes them durable, moves them or takes them away.
    ///
    /// For the database: `root` is its directory, and one name is `astore.db`. Every file is meant whose name begins
    /// with one of these names.
    ///
    /// # Panics
    /// Where the root cannot be read.
    pub fn with_foreign(inner: Arc<dyn Disk>, root: &Path, names: &[&'static str]) -> Self {
        let foreign = Foreign { root: root.to_owned(), names: names.to_vec() };
        let seen = foreign.read().expect("the root can be read");
        let remembered = Mutex::new(Remembered { calls: Vec::new(), seen });
        Self(Wrapped::new(inner, Remembering { remembered, foreign: Some(foreign) }))
    }

    /// Returns what was remembered so far.
    pub fn calls(&self) -> Vec<Call> {
        self.0.hook().remembered().calls.clone()
    }

    /// Forgets what was remembered so far, and returns it.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.hook().remembered().calls)
    }

    /// Looks once more at what others made of their files: at the end, when the last of them closed the database.
    ///
    /// # Errors
    /// Those of reading the root.
    pub fn look(&self) -> io::Result<()> {
        let hook = self.0.hook();
        hook.foreign.as_ref().map_or(Ok(()), |foreign| hook.remembered().look(foreign))
    }
}

super::delegate_disk!(Trace);
