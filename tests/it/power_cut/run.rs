//! A store at work on a recorded disk, and what it promised while it worked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use astore::disk::Disk;
use astore::disk::testing::{Observed, dead_from};
use astore::monitor::Void;
use astore::registry::report::{ClockTrust, Completion, InitRequest};
use astore::registry::{Access, Registry};

use super::forgetful::{Forget, Forgetful};
use super::recording::{Position, Recorder, Recording};
use super::volume::{FileSystem, Image, Mounted};
use crate::support::cli::{ACTOR, Said, said};
use crate::support::gc::{collect, whatever};
use crate::support::oracle::{self, Digest};
use crate::support::store::{add, env, fast_dir, open_on, options, real_disk, reference, tree};

/// The only file of `log/` that so short a history has.
pub(super) const LOG: &str = "log/00000000000000000001.cborseq";

/// What a store had acknowledged at some moment, and when that was.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    /// What had just succeeded.
    pub(super) what: String,
    pub(super) at: Position,
    pub(super) packages: BTreeMap<String, (bool, bool)>,
    /// The digest of each event, in order.
    pub(super) chain: Vec<Digest>,
    /// What the store says that it holds.
    pub(super) objects: BTreeSet<Digest>,
    /// What a gc said that it had deleted, and nobody added since.
    pub(super) purged: BTreeSet<Digest>,
    /// What `log/` held.
    pub(super) log: Vec<u8>,
    /// What mends the store, where somebody harmed it by hand right then: that comes before all else.
    pub(super) mend: Option<Vec<String>>,
}

/// What was done, recorded.
pub(super) struct Run {
    /// The disk before: an empty file system.
    pub(super) image: Image,
    pub(super) recording: Recording,
    pub(super) promises: Vec<Promise>,
    /// Packages that were acknowledged while others were at work, so that all else could not be looked at.
    pub(super) acknowledged: Vec<(Position, String)>,
    /// The input of an add, in the process's own memory.
    pub(super) trees: Trees,
}

/// What is added to stores.
pub(super) struct Trees {
    place: tempfile::TempDir,
}

impl Trees {
    fn new() -> Self {
        let trees = Self { place: fast_dir() };
        let files = |count: usize, name: &dyn Fn(usize) -> String, bytes: &dyn Fn(usize) -> Vec<u8>| {
            (0..count).map(|n| (name(n), bytes(n))).collect::<Vec<_>>()
        };
        let some = |n: usize| format!("{n} of many\n").repeat(10 + n * 23).into_bytes();
        trees.make("small", vec![("a".into(), b"alpha".to_vec()), ("d/b".into(), b"beta".to_vec())]);
        trees.make("many", files(40, &|n| format!("{}/{n}", n % 5), &some));
        trees.make("large", vec![("large".into(), (0..300_000u32).flat_map(u32::to_le_bytes).collect())]);
        trees.make("more", files(3, &|n| format!("more/{n}"), &|n| some(n + 50)));
        // Few objects, and a manifest of more than 64 KiB: its event's payload is an object too.
        let long = |n: usize| format!("{}/{n}", "a-rather-long-name-that-makes-the-manifest-large".repeat(2));
        trees.make("wide", files(400, &long, &|n| some(n % 4 + 60)));
        trees
    }

    fn make(&self, name: &str, files: Vec<(String, Vec<u8>)>) {
        let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])).collect();
        tree(&self.tree(name), &files);
    }

    pub(super) fn tree(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }
}

/// Runs the binary on the store of a mounted disk.
pub(super) fn astore(mounted: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_astore"));
    command
        .args(arguments)
        .env_clear()
        .env("ASTORE_ROOT", store_on(mounted))
        .env("ASTORE_ACTOR", ACTOR)
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    said(command)
}

pub(super) fn store_on(mounted: &Path) -> PathBuf {
    mounted.join("store")
}

/// A file system on a disk that is recorded.
struct Desk {
    // Dropped in this order: the file system, then the disk below it.
    mounted: Mounted,
    recorder: Recorder,
    at: PathBuf,
    image: Image,
    promises: Vec<Promise>,
    acknowledged: Vec<(Position, String)>,
    trees: Trees,
    _place: tempfile::TempDir,
}

impl Desk {
    /// With an empty file system.
    fn new(on: &FileSystem) -> Self {
        let place = fast_dir();
        let made = place.path().join("made");
        on.make(&made);
        Self::with(Image::read(&made), on)
    }

    fn with(image: Image, on: &FileSystem) -> Self {
        let place = fast_dir();
        let recorder = Recorder::start(&place.path().join("disk"), &image);
        let at = place.path().join("mounted");
        std::fs::create_dir(&at).unwrap();
        let mounted = on.mount(&recorder.disk(), &at).unwrap();
        Self {
            mounted,
            recorder,
            at,
            image,
            promises: Vec::new(),
            acknowledged: Vec::new(),
            trees: Trees::new(),
            _place: place,
        }
    }

    /// What was said just now is promised from here on.
    fn promise(&mut self, what: &str) {
        let at = self.recorder.position();
        self.promises.push(Promise::take(what, at, &store_on(&self.at)));
    }

    fn end(self) -> Run {
        drop(self.mounted);
        let recording = self.recorder.recording();
        let Self { image, promises, acknowledged, trees, .. } = self;
        Run { image, recording, promises, acknowledged, trees }
    }
}

impl Promise {
    /// Looks at a store that nobody is writing to. The database is copied first: to open it may change it.
    fn take(what: &str, at: Position, root: &Path) -> Self {
        let copy = fast_dir();
        for name in ["astore.db", "astore.db-wal"] {
            if root.join(name).exists() {
                std::fs::copy(root.join(name), copy.path().join(name)).unwrap();
            }
        }
        symlink(root.join("blake3"), copy.path().join("blake3")).unwrap();
        oracle::check_names(root).unwrap();
        let packages = oracle::check_log(copy.path()).unwrap().packages;
        let log = std::fs::read(root.join(LOG)).unwrap();
        let (chain, objects) = (chain(copy.path()), objects(copy.path()));
        // Not those of a round that was interrupted: of them some may be there still.
        let ended = oracle::purges(copy.path()).into_iter().filter(|purge| purge.completed);
        let purged =
            ended.flat_map(|purge| purge.objects).filter(|object| !objects.contains(object)).collect();
        Self { what: what.to_owned(), at, packages, chain, objects, purged, log, mend: None }
    }
}

/// The digest of each event that a store's database has.
pub(super) fn chain(root: &Path) -> Vec<Digest> {
    column(root, "SELECT digest FROM events ORDER BY sequence")
}

/// The objects that a store says it holds.
fn objects(root: &Path) -> BTreeSet<Digest> {
    column(root, "SELECT digest_primary FROM objects WHERE purged_sequence IS NULL").into_iter().collect()
}

/// The objects that a store says were purged.
pub(super) fn purged(root: &Path) -> BTreeSet<Digest> {
    column(root, "SELECT digest_primary FROM objects WHERE purged_sequence IS NOT NULL").into_iter().collect()
}

fn column(root: &Path, sql: &str) -> Vec<Digest> {
    let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Everything that the binary does to a store, one command after the other.
pub(super) fn commands(on: &FileSystem) -> Run {
    let mut desk = Desk::new(on);
    let tree = |name: &str| desk.trees.tree(name).into_os_string().into_string().unwrap();
    let [small, many, large, more, wide] = ["small", "many", "large", "more", "wide"].map(tree);
    let gc = ["gc", "--confirm", "--yes", "--min-age", "0s", "--reason", "no room"];
    let steps: &[(&[&str], &str, (bool, bool))] = &[
        (&["init"], "", (false, false)),
        (&["add", &small, "--name", "small", "--finalize"], "small@1", (true, false)),
        (&["add", &many, "--name", "many", "--finalize"], "many@1", (true, false)),
        (&["add", &wide, "--name", "wide", "--finalize"], "wide@1", (true, false)),
        (&["add", &large, "--name", "large"], "large@1", (false, false)),
        (&["add", &more, "--package", "large"], "large@1", (false, false)),
        (&["finalize", "large"], "large@1", (true, false)),
        (&["pin", "keep", "many"], "many@1", (true, false)),
        (&["remove", "small@1", "--reason", "old"], "small@1", (true, true)),
        (&["remove", "large@1", "--reason", "old"], "large@1", (true, true)),
        (&gc, "large@1", (true, true)),
        (&["add", &small, "--name", "small", "--finalize"], "small@2", (true, false)),
        (&["remove", "wide@1", "--reason", "a slip"], "wide@1", (true, true)),
        (&["restore", "wide@1"], "wide@1", (true, false)),
        (&["verify"], "wide@1", (true, false)),
    ];
    for (arguments, package, state) in steps {
        let said = astore(&desk.at, arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:#?}");
        desk.promise(&arguments.join(" "));
        let packages = &desk.promises.last().unwrap().packages;
        if !package.is_empty() {
            assert_eq!(packages.get(*package), Some(state), "{arguments:?}: {packages:?}");
        }
    }
    desk.end()
}

/// Writers at the same time. What they add is partly the same: each may find directories, and objects, that another one
/// made and has not synced yet.
pub(super) fn writers_together(on: &FileSystem) -> Run {
    let mut desk = Desk::new(on);
    assert_eq!(astore(&desk.at, &["init"]).code, 0);
    desk.promise("init");
    let names = ["small", "many", "more"];
    let acknowledged = std::thread::scope(|scope| {
        let desk = &desk;
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    for turn in 0..3 {
                        let tree = desk.trees.tree(names[(writer + turn) % 3]);
                        let tree = tree.into_os_string().into_string().unwrap();
                        let name = format!("of-{writer}-{turn}");
                        let said = astore(&desk.at, &["add", &tree, "--name", &name, "--finalize"]);
                        assert_eq!(said.code, 0, "{said:#?}");
                        acknowledged.push((desk.recorder.position(), format!("{name}@1")));
                    }
                    acknowledged
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    desk.acknowledged = acknowledged;
    desk.promise("adds by three");
    desk.end()
}

/// A store whose database is deleted by hand, then a byte of its log changed, then an object deleted: `recover` mends
/// the first two, an add the last.
pub(super) fn mended(on: &FileSystem) -> Run {
    let mut desk = Desk::new(on);
    let root = store_on(&desk.at);
    let run = |desk: &mut Desk, arguments: &[&str]| {
        let said = astore(&desk.at, arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:#?}");
        desk.promise(&arguments.join(" "));
    };
    let tree = |name: &str| desk.trees.tree(name).into_os_string().into_string().unwrap();
    let (small, many, wide) = (tree("small"), tree("many"), tree("wide"));
    run(&mut desk, &["init"]);
    run(&mut desk, &["add", &many, "--name", "many"]);
    run(&mut desk, &["add", &wide, "--name", "wide", "--finalize"]);
    run(&mut desk, &["add", &small, "--name", "small", "--finalize"]);
    run(&mut desk, &["remove", "many@1", "--reason", "a slip"]);
    let no_database = || std::fs::remove_file(root.join("astore.db")).unwrap();
    let other_log = || {
        let log = File::options().read(true).write(true).open(root.join(LOG)).unwrap();
        let middle = log.metadata().unwrap().size() / 2;
        let mut byte = [0];
        log.read_exact_at(&mut byte, middle).unwrap();
        log.write_all_at(&[byte[0] ^ 1], middle).unwrap();
    };
    let no_object = || std::fs::remove_file(oracle::file_of(&root, b"alpha")).unwrap();
    let add: &[&str] = &["add", &small, "--name", "small", "--finalize", "--no-cache"];
    let harms: [(&dyn Fn(), &[&str]); 3] =
        [(&no_database, &["recover"]), (&other_log, &["recover"]), (&no_object, add)];
    for (harm, mend) in harms {
        let harmed = desk.promises.last_mut().unwrap();
        harmed.mend = Some(mend.iter().map(|argument| (*argument).to_owned()).collect());
        harm();
        run(&mut desk, mend);
    }
    desk.end()
}

/// Adds that are killed, each a little later than the one before, and after each of them one that is not: what that
/// one finds in the kernel's memory may never have reached the disk.
pub(super) fn after_kills(on: &FileSystem) -> Run {
    let mut desk = Desk::new(on);
    let root = store_on(&desk.at);
    Registry::init(&root, &InitRequest::default(), &env()).unwrap();
    desk.promise("init");
    let mut kills = 0;
    for nth in (1..).step_by(3) {
        // Bytes that the store has not seen: else there is little to do.
        let name = format!("killed-{nth}");
        desk.trees
            .make(&name, (0..2).map(|n| (format!("{n}"), format!("{name} {n}").into_bytes())).collect());
        let tree = desk.trees.tree(&name);
        let disk = Arc::new(Observed::new(real_disk(&root), dead_from(nth)));
        let killed = open_on(disk, &root)
            .and_then(|registry| add(&registry, &name, &tree, Completion::Finalize).map(drop));
        let tree = tree.into_os_string().into_string().unwrap();
        let said = astore(&desk.at, &["add", &tree, "--name", &format!("after-{nth}"), "--finalize"]);
        assert_eq!(said.code, 0, "{said:#?}");
        desk.promise(&format!("an add after one that was killed at call {nth}"));
        if killed.is_ok() {
            break;
        }
        kills += 1;
    }
    assert!(kills > 5, "an add has {kills} calls only");
    desk.end()
}

/// What is done first after a power cut, recorded as well: the store settles, an add is repeated, a gc clears up.
pub(super) fn after_a_cut(on: &FileSystem, image: Image, promised: &Promise) -> Run {
    let mut desk = Desk::with(image, on);
    desk.promises.push(Promise { at: Position::START, ..promised.clone() });
    let tree = desk.trees.tree("many").into_os_string().into_string().unwrap();
    let steps: [&[&str]; 3] = [
        &["add", &tree, "--name", "many", "--finalize"],
        &["gc", "--confirm", "--yes", "--min-age", "0s"],
        &["verify"],
    ];
    for arguments in steps {
        let said = astore(&desk.at, arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:#?}");
        desk.promise(&arguments.join(" "));
    }
    desk.end()
}

/// What a store goes through, by the library, beside a neighbour who syncs a file of his own before and after whatever the store
/// does: then the file system's journal has every instant of it, and not those alone at which the store synced. What
/// `forget` names is never synced.
pub(super) fn beside_a_neighbour(on: &FileSystem, forget: Forget) -> Run {
    let mut desk = Desk::new(on);
    let root = store_on(&desk.at);
    Registry::init(&root, &InitRequest::default(), &env()).unwrap();
    desk.promise("init");
    let neighbour = Arc::new(Neighbour::new(&desk.at));
    let disk = || -> Arc<dyn Disk> {
        let neighbour = Arc::clone(&neighbour);
        Arc::new(Observed::new(Arc::new(Forgetful::new(real_disk(&root), forget)), move |_, _| {
            neighbour.sync();
            Ok(())
        }))
    };
    let open = || {
        let mut registry = open_on(disk(), &root).unwrap();
        registry.set_batch_files(18);
        registry.set_group_files(5);
        registry
    };
    let [small, many, wide] = ["small", "many", "wide"].map(|name| desk.trees.tree(name));
    drop(add(&open(), "small", &small, Completion::Finalize).unwrap());
    desk.promise("add small");
    drop(add(&open(), "many", &many, Completion::LeaveOpen).unwrap());
    desk.promise("add many");
    drop(open().finalize(&reference("many"), &Void).unwrap());
    desk.promise("finalize many");
    drop(add(&open(), "wide", &wide, Completion::Finalize).unwrap());
    desk.promise("add wide");
    drop(open().remove(&[reference("small"), reference("wide")], "old").unwrap());
    desk.promise("remove small");
    let alone = options(Access::Alone);
    let mut registry = Registry::open_on(disk(), &root, alone, env(), &Void).unwrap();
    registry.set_round_objects(2);
    let report = collect(&registry, whatever(Duration::ZERO), None, ClockTrust::Accepted).unwrap();
    assert_eq!(report.rounds.len(), 3, "{report:?}");
    drop(registry);
    desk.promise("gc");
    drop(add(&open(), "small", &small, Completion::Finalize).unwrap());
    desk.promise("add small again");
    drop(neighbour);
    desk.end()
}

/// Somebody else on the same file system.
struct Neighbour {
    file: File,
}

impl Neighbour {
    fn new(at: &Path) -> Self {
        Self { file: File::create(at.join("neighbour")).unwrap() }
    }

    /// Makes his file longer, so that there is something for the journal to say.
    fn sync(&self) {
        let end = self.file.metadata().unwrap().size();
        self.file.write_all_at(b"mine\n", end).unwrap();
        self.file.sync_all().unwrap();
    }
}
