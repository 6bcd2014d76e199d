//! A store without a registry, and the trees that the data path is tried on.

#![expect(clippy::disallowed_methods, reason = "builds trees to read, and damages stores by hand")]

mod batches;
mod hostile;
mod out;
mod swapped;
mod trees;
mod verify;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::crew::Run;
use super::hook::Hook;
use super::*;
use crate::disk::{Disk, RealDisk};
use crate::identity::{ContentAddress, Digests};
use crate::manifest::{Entry, EntryBody, EntryPath};
use crate::monitor::{Counter, Recording};
use crate::storage::{Local, Staging};

/// What a log would know.
#[derive(Default)]
struct Log {
    standings: Mutex<HashMap<ContentAddress, Standing>>,
    /// The stamp that it vouches for.
    stamp: Mutex<Option<crate::cache::Stamp>>,
    /// How often it was asked for an object, and for a run.
    asked: [std::sync::atomic::AtomicU64; 2],
}

impl Known for Log {
    fn standing(&self, address: &ContentAddress) -> Result<Standing, BoxError> {
        self.asked[0].fetch_add(1, Relaxed);
        Ok(self.standings.lock().unwrap().get(address).copied().unwrap_or(Standing::Unknown))
    }

    fn vouches_for(&self, stamp: &crate::cache::Stamp) -> Result<bool, BoxError> {
        self.asked[1].fetch_add(1, Relaxed);
        Ok(*self.stamp.lock().unwrap() == Some(*stamp))
    }
}

impl Log {
    /// Returns how often it was asked since the last time, for an object and for a run.
    fn asked(&self) -> [u64; 2] {
        self.asked.each_ref().map(|asked| asked.swap(0, Relaxed))
    }

    fn set(&self, address: ContentAddress, standing: Standing) {
        self.standings.lock().unwrap().insert(address, standing);
    }
}

/// A store's objects and a directory to read from.
struct Bench {
    root: tempfile::TempDir,
    source: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    local: Local,
    log: Log,
    monitor: Recording,
    cancelled: AtomicBool,
    options: IngestOptions,
    cache: Option<crate::cache::StatCache>,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("blake3")).unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(root.path()).unwrap());
        Self {
            local: Local::new(Arc::clone(&disk)),
            root,
            source: tempfile::tempdir().unwrap(),
            disk,
            log: Log::default(),
            monitor: Recording::default(),
            cancelled: AtomicBool::new(false),
            options: IngestOptions::default(),
            cache: None,
        }
    }

    /// Returns a path under the source directory.
    fn path(&self, name: impl AsRef<[u8]>) -> PathBuf {
        self.source.path().join(OsStr::from_bytes(name.as_ref()))
    }

    /// Writes a file in the source directory, with the directories above it.
    fn file(&self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        self
    }

    /// Makes a directory in the source directory.
    fn directory(&self, name: impl AsRef<[u8]>) -> &Self {
        fs::create_dir_all(self.path(name)).unwrap();
        self
    }

    /// Returns the path of an object's file.
    fn object(&self, address: &ContentAddress) -> PathBuf {
        self.root.path().join(crate::storage::layout::object_path(address))
    }

    /// Adds the source directory as a registry would: publishes all, and records it.
    fn add(&self) -> Result<Found, IngestError> {
        self.add_sources(&[Source::Path(self.source.path().to_owned())], &mut std::io::empty())
    }

    fn add_sources(
        &self,
        sources: &[Source],
        stdin: &mut (dyn std::io::Read + Send),
    ) -> Result<Found, IngestError> {
        self.add_hooked(sources, stdin, &Hook::none())
    }

    fn add_hooked(
        &self,
        sources: &[Source],
        stdin: &mut (dyn std::io::Read + Send),
        hook: &Hook<'_>,
    ) -> Result<Found, IngestError> {
        let staging = Staging::begin(Arc::clone(&self.disk), Uuid::new_v4()).unwrap();
        let store = IngestStore { staging: &staging, local: &self.local, known: &self.log };
        let context =
            IngestContext { cache: self.cache.as_ref(), monitor: &self.monitor, cancelled: &self.cancelled };
        let mut record = |objects: Vec<Digests>| {
            objects.iter().for_each(|object| self.log.set(object.address(), Standing::Stored));
            Ok(())
        };
        let ingested =
            Run::new(&self.options, Some(store), context, hook)?.collect(sources, stdin, &mut record)?;
        record(staging.publish()?).unwrap();
        staging.finish().unwrap();
        let found = Found { entries: ingested.entries.iter().collect(), ingested };
        check(&found.entries);
        Ok(found)
    }

    /// Returns the objects that stand under final names, and checks each against its name.
    fn objects(&self) -> Vec<ContentAddress> {
        let mut found = Vec::new();
        for entry in walkdir::WalkDir::new(self.root.path().join("blake3")).sort_by_file_name() {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let address = Digests::of(&fs::read(entry.path()).unwrap()).address();
                assert_eq!(entry.path(), self.object(&address), "name implies bytes");
                found.push(address);
            }
        }
        found
    }

    fn counted(&self, counter: Counter) -> u64 {
        self.monitor.counted(counter)
    }
}

/// Checks what every manifest needs of entries.
fn check(entries: &[Entry]) {
    for pair in entries.windows(2) {
        assert!(pair[0].path < pair[1].path, "{:?} before {:?}", pair[0].path, pair[1].path);
    }
    for entry in entries {
        if let Some(parent) = entry.path.parent() {
            let at = entries.binary_search_by(|entry| entry.path.as_bytes().cmp(parent));
            let at = at.unwrap_or_else(|_| panic!("the parent of {:?} is no entry", entry.path));
            assert!(matches!(entries[at].body, EntryBody::Directory { .. }), "{:?}", entry.path);
        }
    }
}

/// Returns entries as lines: path, kind, mode, and the content's first digits or the target.
/// What an ingest found, its entries unpacked.
#[derive(Debug)]
struct Found {
    entries: Vec<Entry>,
    ingested: Ingested,
}

impl std::ops::Deref for Found {
    type Target = Ingested;

    fn deref(&self) -> &Ingested {
        &self.ingested
    }
}

fn lines(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| {
        let path = entry.path.as_bytes().escape_ascii();
        match &entry.body {
            EntryBody::File { mode, object } => {
                format!("{path} file {mode:o} {} {}", object.size_bytes, &object.blake3.to_string()[..8])
            }
            EntryBody::Directory { mode } => format!("{path} directory {mode:o}"),
            EntryBody::Symlink { target } => format!("{path} -> {}", target.escape_ascii()),
        }
    };
    entries.iter().map(line).collect()
}

fn paths(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.path.as_bytes().escape_ascii().to_string()).collect()
}

fn entry_path(text: impl AsRef<[u8]>) -> EntryPath {
    EntryPath::new(text.as_ref()).unwrap()
}

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
}

/// Runs one test again as a user who may not do everything, and returns whether that was needed: where we are
/// such a user already, it returns `false` and the test goes on.
fn as_nobody(test: &str) -> bool {
    use std::os::unix::process::CommandExt as _;
    if !rustix::process::geteuid().is_root() {
        return false;
    }
    // A copy, since that user may not be let into the directory where we stand.
    let place = tempfile::tempdir().unwrap();
    mode(place.path(), 0o755);
    let copy = place.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    mode(&copy, 0o755);
    let output = std::process::Command::new(&copy)
        .args(["--exact", test])
        .current_dir(place.path())
        .uid(65534)
        .gid(65534)
        .env_remove("TMPDIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    true
}
