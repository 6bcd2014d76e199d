//! An operator's store was hit by something worse than rot: a file of it is gone, cut off, overwritten, put back from
//! yesterday's backup, or two stores were mixed. Each command says so in a line and leaves it at that, `verify` names
//! it, and `recover`, or nothing at all, mends it: with the same events to the byte and the same views.

mod copies;
mod database;
mod files;
mod log;
mod parted;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use astore::{Access, Void};
use rusqlite::types::Value;

use crate::support::cli::{Desk, Said};
use crate::support::oracle;
use crate::support::store::{copy_store, open, tree};

const LOG: &str = "log/00000000000000000001.cborseq";

/// What ordinary commands ask and change, in the store of this story.
const READS: [&[&str]; 11] = [
    &["list", "--all"],
    &["show", "doc@1"],
    &["files", "doc@1"],
    &["manifest", "doc@1"],
    &["diff", "doc@1", "later"],
    &["cat", "doc@1:a"],
    &["explain", "doc@1:a"],
    &["pins"],
    &["stats"],
    &["gc"],
    &["replay", "--check"],
];
const WRITES: [&[&str]; 11] = [
    &["add", "run", "--name", "new"],
    &["add", "run", "--package", "run", "--replace"],
    &["finalize", "run"],
    &["remove", "doc@1", "--reason", "r"],
    &["restore", "gone"],
    &["pin", "another", "doc@1"],
    &["unpin", "p"],
    &["retain", "doc@1", "--hold", "--reason", "r"],
    &["gc", "--confirm", "--min-age", "0s"],
    &["replay"],
    &["add", "doc", "--finalize", "--if-changed"],
];

/// A store as it was one day, and a day later.
struct Story {
    desk: Desk,
    facts: Facts,
}

/// What must come out again.
struct Facts {
    /// The table `events`, every column of every row.
    events: Vec<Vec<Value>>,
    /// The digest of the views.
    views: String,
}

impl Facts {
    fn of(root: &Path) -> Self {
        let registry = open(root, Access::Read).unwrap();
        let check = registry.replay_check(&Void).unwrap();
        assert!(check.differing.is_empty(), "{:?}", check.differing);
        drop(registry);
        Self { events: events(root), views: check.view_digest.to_string() }
    }
}

fn events(root: &Path) -> Vec<Vec<Value>> {
    let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    let mut statement = db.prepare("SELECT * FROM events ORDER BY sequence").unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|nth| row.get(nth)).collect()).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

impl Story {
    fn new() -> Self {
        let desk = Desk::new();
        tree(&desk.path("doc"), &[("a", b"alpha"), ("d/b", b"beta"), ("c", b"gamma")]);
        tree(&desk.path("run"), &[("a", b"alpha"), ("log", b"a log")]);
        let names: Vec<String> = (0..300).map(|number| format!("{number:0200}")).collect();
        let bulk: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
        tree(&desk.path("bulk"), &bulk);
        desk.ok(["add", "doc", "--finalize"]); // event 2
        desk.ok(["add", "bulk", "--finalize"]); // event 3, whose payload is an object
        desk.ok(["add", "run"]); // events 4 and 5
        copy_store(&desk.root(), &desk.path("yesterday"));
        desk.ok(["add", "doc", "--name", "later", "--finalize"]); // event 6
        desk.ok(["pin", "p", "doc@1"]);
        desk.ok(["add", "run", "--name", "gone"]);
        desk.ok(["remove", "gone", "--reason", "over"]); // event 10
        let facts = Facts::of(&desk.root());
        assert_eq!(facts.events.len(), 10);
        copy_store(&desk.root(), &desk.path("today"));
        Self { desk, facts }
    }

    /// The store as it is today, before anything befalls it.
    fn again(&self) -> &Desk {
        fs::remove_dir_all(self.root()).unwrap();
        copy_store(&self.desk.path("today"), &self.root());
        &self.desk
    }

    fn root(&self) -> PathBuf {
        self.desk.root()
    }

    fn log(&self) -> Vec<u8> {
        fs::read(self.desk.path("today").join(LOG)).unwrap()
    }

    /// A file of yesterday's store.
    fn yesterday(&self, name: &str) -> PathBuf {
        self.desk.path("yesterday").join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.root().join(name), bytes).unwrap();
    }

    fn lose(&self, name: &str) {
        let path = self.root().join(name);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    /// Every one of these commands fails with one line that says this, and changes nothing.
    #[track_caller]
    fn check_refused(&self, commands: &[&[&str]], code: i32, says: &[&str]) {
        let before = bytes_of(&self.root());
        for words in commands {
            let said = self.desk.run(*words);
            check_line(words, &said, code, says);
            for (path, bytes) in bytes_of(&self.root()) {
                assert!(before.get(&path) == Some(&bytes), "{words:?} changed {}", path.display());
            }
        }
        assert_eq!(before.len(), bytes_of(&self.root()).len());
    }

    /// Every command that only looks answers as it does where nothing has happened.
    #[track_caller]
    fn check_answers(&self) {
        for words in READS {
            self.desk.ok(words);
        }
    }

    /// `verify` finds just this, and says this of it.
    #[track_caller]
    fn check_named(&self, expected: &[(&str, &str)]) {
        let said = self.desk.run(["verify", "--quiet", "--no-record"]);
        let mut found: Vec<(String, String)> = Vec::new();
        for line in said.out.lines() {
            match line.strip_prefix("  mend: ") {
                Some(mend) => found.last_mut().unwrap().1 = mend.to_owned(),
                None if line.starts_with("  ") => {}
                None => found.push((line.to_owned(), String::new())),
            }
        }
        assert_eq!(
            (said.code, found.len()),
            (if expected.is_empty() { 0 } else { 4 }, expected.len()),
            "{said:#?}"
        );
        for ((what, mend), (says, mends)) in found.iter().zip(expected) {
            assert!(what.starts_with(says) && mend.starts_with(mends), "{what:?}, {mend:?}: {expected:?}");
        }
    }

    /// `recover` puts it right.
    #[track_caller]
    fn check_recovers(&self) {
        self.desk.ok(["recover"]);
        self.check_mended();
    }

    /// The same where many states are tried: the events, the views, and one look at all of it.
    #[track_caller]
    fn check_recovers_briefly(&self) {
        self.desk.ok(["recover"]);
        self.check_mended_briefly();
    }

    #[track_caller]
    fn check_mended_briefly(&self) {
        let found = events(&self.root());
        assert!(found.get(..self.facts.events.len()) == Some(&self.facts.events), "the events are others");
        if found.len() == self.facts.events.len() {
            assert_eq!(Facts::of(&self.root()).views, self.facts.views);
        }
        self.desk.ok(["verify", "--quiet"]);
    }

    /// The store is what it was, to the byte; what comes next is added to that.
    #[track_caller]
    fn check_mended(&self) {
        let found = events(&self.root());
        assert!(found.len() >= self.facts.events.len(), "{} events", found.len());
        let (old, new) = found.split_at(self.facts.events.len());
        assert!(old == self.facts.events, "the events are others");
        if new.is_empty() {
            assert_eq!(Facts::of(&self.root()).views, self.facts.views);
        }
        self.desk.check_sound();
        let name = format!("next-{}", new.len());
        self.desk.ok(["add", "run", "--name", &name, "--finalize"]);
        self.desk.check_sound();
        oracle::check_log(&self.root()).unwrap();
        oracle::check_names(&self.root()).unwrap();
    }
}

/// A failure is told in one line, with what is to be done.
#[track_caller]
fn check_line(words: &[&str], said: &Said, code: i32, says: &[&str]) {
    assert_eq!(
        (said.code, said.out.as_str(), said.err.lines().count()),
        (code, "", 1),
        "{words:?}: {said:#?}"
    );
    for says in says {
        assert!(said.err.contains(says), "{words:?} does not say {says:?}: {}", said.err);
    }
}

/// What a store holds: all of it but locks, bytes in flight, what SQLite makes beside its database, and what may be
/// deleted at any time.
fn bytes_of(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let beside = ["astore.lock", "astore.gate", "astore.db-wal", "astore.db-shm", "reserve", "tmp"];
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(root).unwrap().to_owned();
        let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        if entry.file_type().is_file() && !beside.contains(&first.as_str()) && !first.starts_with("cache.db")
        {
            found.insert(path, fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// Every command that opens the store.
fn all_commands() -> Vec<&'static [&'static str]> {
    let others: [&[&str]; 3] = [&["verify"], &["health"], &["log"]];
    READS.into_iter().chain(WRITES).chain(others).collect()
}
