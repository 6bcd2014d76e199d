//! Stores in temporary directories, opened through the library with a clock that repeats itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use astore::disk::{Disk, RealDisk};
use astore::env::{Env, TestClock, Timestamp};
use astore::error::Error;
use astore::manifest::Labels;
use astore::monitor::Void;
use astore::registry::report::{
    AddReport, AddRequest, AddSource, AddTarget, CacheUse, Completion, InitRequest, OnUnreadable,
    OutsideLinks, Reference, Taking,
};
use astore::registry::{Access, OpenOptions, Registry};

/// A directory that goes when the test ends: in memory where the machine has that, for a thousand syncs cost
/// nothing there and nobody pulls the plug.
pub(crate) fn fast_dir() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.expect("a temporary directory")
}

/// A clock that repeats itself, a second later each time that it is asked for: ids follow from the clock.
pub(crate) fn env() -> Env {
    static ASKED: AtomicI64 = AtomicI64::new(0);
    let start = 1_790_000_000_000_000 + ASKED.fetch_add(1, Ordering::Relaxed) * 1_000_000;
    Env::fixed("tester@here", Timestamp::from_micros(start), 10)
}

/// A clock some hours ahead of the kernel's, so that files which no event names are of that age already, however
/// long a test takes.
pub(crate) fn later_clock() -> Arc<TestClock> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let hours = Duration::from_secs(5 * 60 * 60);
    TestClock::new(Timestamp::from_micros(i64::try_from((now + hours).as_micros()).expect("an instant")))
}

/// Opens a store by this clock, on a disk that somebody watches.
pub(crate) fn open_by(
    clock: &Arc<TestClock>,
    disk: Arc<dyn Disk>,
    root: &Path,
    options: OpenOptions,
) -> Result<Registry, Error> {
    Registry::open_on(disk, root, options, Env::on_clock("tester@here", clock.clone()), &Void)
}

/// Makes a store in a directory that does not exist yet.
pub(crate) fn init(root: &Path) {
    Registry::init(root, &InitRequest::default(), &env()).expect("init");
}

pub(crate) fn options(access: Access) -> OpenOptions {
    OpenOptions::new(access, std::env::temp_dir())
}

pub(crate) fn open(root: &Path, access: Access) -> Result<Registry, Error> {
    Registry::open(root, options(access), env(), &Void)
}

/// Opens a store to be written, on a disk that somebody watches.
pub(crate) fn open_on(disk: Arc<dyn Disk>, root: &Path) -> Result<Registry, Error> {
    Registry::open_on(disk, root, options(Access::Write), env(), &Void)
}

pub(crate) fn real_disk(root: &Path) -> Arc<dyn Disk> {
    Arc::new(RealDisk::open(root).expect("a root"))
}

/// What a script would ask of `add` for one directory.
pub(crate) fn request(name: &str, tree: &Path, completion: Completion) -> AddRequest {
    AddRequest {
        outside_links: OutsideLinks::Refuse,
        taking: Taking::Any,
        check: None,
        sources: vec![AddSource::Path(tree.to_owned())],
        target: AddTarget::New {
            name: name.parse().expect("a name"),
            class: None,
            metadata: Labels::new(),
            provenance: Labels::new(),
            schema: None,
        },
        completion,
        exclude: Vec::new(),
        exclude_caches: false,
        one_file_system: false,
        keep_mtime: false,
        on_unreadable: OnUnreadable::Fail,
        cache: CacheUse::Ignore,
    }
}

pub(crate) fn add(
    registry: &Registry,
    name: &str,
    tree: &Path,
    completion: Completion,
) -> Result<AddReport, Error> {
    registry.add(request(name, tree, completion), &mut std::io::empty(), &Void)
}

pub(crate) fn reference(text: &str) -> Reference {
    Reference(text.to_owned())
}

/// Makes a tree of these files; a path that ends in a slash is a directory.
pub(crate) fn tree(at: &Path, files: &[(&str, &[u8])]) -> PathBuf {
    for (path, bytes) in files {
        let path = at.join(path);
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            std::fs::create_dir_all(path).expect("a directory");
        } else {
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, bytes).expect("a file");
        }
    }
    at.to_owned()
}

/// Copies a store. What is never written in place is linked, so that a thousand copies cost little.
pub(crate) fn copy_store(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().expect("a type").is_dir() {
            copy_store(&source, &target);
        } else if entry.file_name() == "reserve" {
            std::fs::hard_link(source, target).expect("a link");
        } else {
            std::fs::copy(source, target).expect("a copy");
        }
    }
    let mode = std::fs::metadata(from).expect("a directory").permissions();
    std::fs::set_permissions(to, mode).expect("a mode");
}
