//! An operator's store may hold anything by now: a disk that rots, a program that errs, somebody who means harm. Whatever
//! stands in `astore.toml`, in `log/`, in `astore.db` or beside it, a command ends with a clear word or a right answer,
//! soon, and touches nothing that it was not asked to.

mod beside;
mod config;
mod database;
mod plain_log;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use astore::Blake3;
use astore::env::{Env, Timestamp};
use astore::error::{Error, ErrorKind};
use astore::monitor::Void;
use astore::registry::report::{Completion, InitRequest, PinRequest};
use astore::registry::testing::{Answer, read_everything};
use astore::registry::{Access, Registry};

use crate::support::store::{add, env, fast_dir, options, reference, tree};

const SHARED: &[u8] = b"in two packages";
const GONE: &[u8] = b"in a package that was removed";

/// What the questions are about: packages and objects that are there, and some that are not.
const PACKAGES: [&str; 5] = ["kept", "kept@1", "gone@1", "nobody@7", "018bcfe5"];

/// A store with something of everything, and what it answers.
struct Store {
    place: tempfile::TempDir,
    answers: Vec<Answer>,
    files: Files,
}

/// Every file below a directory: what it is, and what is in it.
type Files = BTreeMap<PathBuf, (u32, u64, Vec<u8>)>;

impl Store {
    /// Makes one that no other is equal to.
    fn new() -> Self {
        Self::by([env(), env()])
    }

    /// Makes one that is the same to the byte whatever is tested beside it: what chance strikes is the same then, too.
    fn unvarying() -> Self {
        Self::by([0, 1].map(|second| {
            Env::fixed("tester@here", Timestamp::from_micros((1_790_000_000 + second) * 1_000_000), 10)
        }))
    }

    fn by([beginning, filling]: [Env; 2]) -> Self {
        let place = fast_dir();
        let root = place.path().join("store");
        Registry::init(&root, &InitRequest::default(), &beginning).expect("init");
        let kept =
            tree(&place.path().join("trees/kept"), &[("a/shared", SHARED), ("own", b"own"), ("empty/", b"")]);
        let gone = tree(&place.path().join("trees/gone"), &[("shared", SHARED), ("gone", GONE)]);
        let registry = Registry::open(&root, options(Access::Write), filling, &Void).expect("open");
        add(&registry, "kept", &kept, Completion::Finalize).expect("add");
        add(&registry, "gone", &gone, Completion::Finalize).expect("add");
        add(&registry, "draft", &kept, Completion::LeaveOpen).expect("add");
        registry.remove(&[reference("gone@1")], "done with").expect("remove");
        registry.pin("mine", &PinRequest::Package(reference("kept@1")), None).expect("pin");
        drop(registry);
        let mut store = Self { place, answers: Vec::new(), files: Files::new() };
        checkpoint(&store.database());
        std::fs::create_dir(store.elsewhere()).unwrap();
        std::fs::write(store.elsewhere().join("file"), "nobody's business").unwrap();
        store.files = files(&store.root());
        store.answers = store.ask();
        assert!(store.is_right(&store.answers), "{:?}", store.answers.last());
        store
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("store")
    }

    fn database(&self) -> PathBuf {
        self.root().join("astore.db")
    }

    fn log(&self) -> PathBuf {
        self.root().join("log")
    }

    fn elsewhere(&self) -> PathBuf {
        self.place.path().join("elsewhere")
    }

    /// Returns what the database was.
    fn whole(&self) -> Vec<u8> {
        self.files[Path::new("astore.db")].2.clone()
    }

    /// Makes the store what it was.
    fn restore(&self) {
        let root = self.root();
        for entry in std::fs::read_dir(&root).unwrap().chain(std::fs::read_dir(self.log()).unwrap()) {
            let path = entry.unwrap().path();
            let known = path.strip_prefix(&root).unwrap();
            let is_place = ["blake3", "log", "tmp", "reserve"].iter().any(|name| Path::new(name) == known);
            if is_place {
                continue;
            }
            if path.symlink_metadata().unwrap().is_dir() {
                std::fs::remove_dir_all(&path).unwrap();
            } else {
                std::fs::remove_file(&path).unwrap();
            }
        }
        for (name, (mode, _, bytes)) in &self.files {
            if !name.starts_with("blake3") && name != Path::new("reserve") {
                use std::os::unix::fs::PermissionsExt;
                std::fs::write(root.join(name), bytes).unwrap();
                std::fs::set_permissions(root.join(name), PermissionsExt::from_mode(mode & 0o777)).unwrap();
            }
        }
    }

    fn ask(&self) -> Vec<Answer> {
        let (root, scratch) = (self.root(), self.place.path().to_owned());
        within_a_minute(move || {
            let objects = [Blake3::of(SHARED), Blake3::of(GONE), Blake3::of(b"never seen")];
            read_everything(&root, &scratch, &PACKAGES, &objects)
        })
    }

    /// Returns whether a store that answers so says of itself that nothing is wrong with it.
    fn is_right(&self, answers: &[Answer]) -> bool {
        let says = |what: &str, end: &str| {
            let found = answers.iter().find(|(asked, _)| asked == what);
            found.is_some_and(|(_, answer)| answer.as_ref().is_ok_and(|answer| answer.ends_with(end)))
        };
        says("verify", " []") && says("replay --check", " []")
    }

    /// Asks everything of a store that was tampered with: no panic, and an end; each answer is right, or the store is
    /// known to be damaged, by an error or by what verify and `replay --check` say. Nothing but the database's own
    /// files, the cache and the locks is touched. Returns whether damage was seen.
    #[track_caller]
    fn check(&self, what: &str) -> bool {
        let before = files(self.place.path());
        let answers = self.ask();
        let mut damaged = !self.is_right(&answers);
        for (asked, answer) in &answers {
            match answer {
                Ok(_) => {}
                Err(error) => {
                    let kind = error.kind();
                    damaged |= kind == ErrorKind::Damage;
                    assert!(
                        is_clear(error),
                        "{what}: {asked}: {kind:?} {}",
                        shortened(&format!("{error:?}"))
                    );
                }
            }
        }
        if !damaged {
            let (now, then) = (text(&answers), text(&self.answers));
            let differ = now.iter().filter(|answer| !then.contains(answer)).map(|answer| shortened(answer));
            assert_eq!(
                differ.collect::<Vec<_>>(),
                Vec::<String>::new(),
                "{what}: no damage, and other answers"
            );
            assert_eq!(now.len(), then.len(), "{what}");
        }
        let after = files(self.place.path());
        assert_eq!(changed(&before, &after), Vec::<PathBuf>::new(), "{what}: looking changed something");
        damaged
    }
}

/// What a store that was damaged may fail with. That something is not there, or was purged, is a wrong answer only where
/// verify finds nothing, and then it is compared.
fn is_clear(error: &Error) -> bool {
    use ErrorKind::{Damage, Failed, NoStore, NotFound, Purged, Usage};
    let text = error.to_string();
    let of_the_future = ["this build knows", "does not know", "views", "doubted"];
    // An index that lies can say of a payload that it is an object, which is then looked for in vain.
    let of_a_payload = ["cannot be read: its object is missing"];
    matches!(error.kind(), Damage | NotFound | NoStore | Purged | Usage)
        || error.kind() == Failed && of_the_future.iter().chain(&of_a_payload).any(|word| text.contains(word))
}

fn text(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(|(asked, answer)| format!("{asked}: {answer:?}")).collect()
}

fn shortened(text: &str) -> String {
    text.chars().take(600).collect()
}

/// Puts all that the WAL holds into the database itself.
fn checkpoint(database: &Path) {
    rusqlite::Connection::open(database).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// Returns what is below a directory; nothing is followed, and only regular files are read.
fn files(place: &Path) -> Files {
    let mut found = Files::new();
    for entry in walkdir::WalkDir::new(place) {
        let entry = entry.unwrap();
        let stat = entry.path().symlink_metadata().unwrap();
        if stat.is_dir() {
            continue;
        }
        let small = stat.is_file() && stat.len() < 3 << 20;
        let bytes = if small { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
        let name = entry.path().strip_prefix(place).unwrap().to_owned();
        found.insert(name, (stat.mode(), stat.len(), bytes));
    }
    found
}

/// Returns the names of what differs, but for what any look at a store may touch: the database with its WAL, the cache,
/// the locks.
fn changed(before: &Files, after: &Files) -> Vec<PathBuf> {
    let may_change = |name: &&PathBuf| {
        let name = name.to_string_lossy();
        ["store/astore.db", "store/cache.db", "store/astore.lock", "store/astore.gate"]
            .iter()
            .any(|own| name.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
    };
    let names = before.keys().chain(after.keys()).filter(|name| !may_change(name));
    let differ = names.filter(|name| before.get(*name) != after.get(*name));
    differ.cloned().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// Runs what must come to an end by itself.
#[track_caller]
fn within_a_minute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    let worker = std::thread::spawn(move || drop(send.send(work())));
    match receive.recv_timeout(Duration::from_secs(60)) {
        Ok(done) => done,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it ended without an answer"),
        },
    }
}

/// A generator that gives the same numbers each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}
