//! An operator pulls the plug, or kills astore, at any moment: what was acknowledged is there, nothing under a
//! final name is torn, the log has no gap, and the next command simply works.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use astore::disk::testing::{Call, CrashState, Crashes, Trace, Tree};
use astore::error::Error;
use astore::monitor::Void;
use astore::registry::report::{Completion, ListFilter};
use astore::registry::{Access, Registry};
use astore::views::VIEWS_VERSION;

use crate::support::oracle::{self, Seen};
use crate::support::store::{add, fast_dir, init, open, open_on, real_disk, reference, tree};

/// SQLite's files are not written through the disk; at each point of an operation they are copied whole.
const DATABASE: [&str; 2] = ["astore.db", "astore.db-wal"];

/// How many power cuts are tried at each call.
fn seeds() -> u64 {
    std::env::var("ASTORE_TEST_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(6)
}

/// A store in a state from which something is done to it.
struct Stage {
    place: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { place: fast_dir() };
        init(&stage.root());
        stage
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("store")
    }

    /// A tree outside of the store.
    fn tree(&self, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        tree(&self.place.path().join(name), files)
    }
}

/// The oracle's view of one crash state after it was opened again.
fn recovered(state: &CrashState, root: &Path) -> Seen {
    let at = |what: &str| format!("after {} calls, {:?}: {what}", state.calls, state.kind);
    // Before anything of ours looks: no torn bytes under a final name.
    oracle::check_names(root).unwrap_or_else(|fault| panic!("{}", at(&fault)));
    let registry = open(root, Access::Write).unwrap_or_else(|error| panic!("{}", at(&format!("{error:?}"))));
    let check = registry.replay_check(&Void).unwrap_or_else(|error| panic!("{}", at(&format!("{error:?}"))));
    assert!(check.differing.is_empty(), "{}", at(&format!("views differ: {:?}", check.differing)));
    drop(registry);
    oracle::check_log(root).unwrap_or_else(|fault| panic!("{}", at(&fault)))
}

/// Does something to a store on a recorded disk, then goes through everything that a crash can leave of it.
///
/// `judge` hears how far the operation had come and what the store says after it was opened again; `repeat`
/// does the same once more, and must succeed whatever was left.
fn sweep(
    stage: &Stage,
    operate: impl Fn(&Registry),
    judge: impl Fn(Progress, &Seen),
    repeat: impl Fn(&Registry),
) {
    let root = stage.root();
    let before = Tree::take(&root).unwrap();
    let trace = Arc::new(Trace::with_foreign(real_disk(&root), &root, &DATABASE));
    let mut registry = open_on(trace.clone(), &root).unwrap();
    registry.set_batch_files(2);
    operate(&registry);
    drop(registry);
    let calls = trace.take();

    let mut states = 0;
    for state in Crashes::of(&before, &calls, seeds()) {
        let place = fast_dir();
        let root = place.path().join("store");
        state.tree.write_to(&root).unwrap();
        let seen = recovered(&state, &root);
        judge(Progress::of(&calls, state.calls), &seen);
        let registry = open(&root, Access::Write).unwrap();
        repeat(&registry);
        drop(registry);
        oracle::check_names(&root).unwrap();
        oracle::check_log(&root).unwrap();
        states += 1;
    }
    eprintln!("{} calls, {states} crash states", calls.len());
    assert!(states > 20, "the sweep saw {states} states only");
}

/// How far an operation had come when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The last event was not appended to `log/` yet: it must not have happened.
    Before,
    /// It was being appended: it may have happened, or not.
    Between,
    /// It was durable in `log/`: it did happen.
    Durable,
}

impl Progress {
    fn of(calls: &[Call], done: usize) -> Self {
        let last = |name: &str| {
            calls.iter().rposition(|call| matches!(call, Call::Point { name: found } if *found == name))
        };
        // The write into `log/` comes right before its point.
        let (written, durable) = (last("log written").unwrap() - 1, last("log durable").unwrap());
        match done {
            _ if done <= written => Self::Before,
            _ if done < durable => Self::Between,
            _ => Self::Durable,
        }
    }
}

#[test]
fn an_add_is_there_or_not_at_all() {
    let stage = Stage::new();
    let source =
        stage.tree("t", &[("a", b"alpha"), ("d/b", b"beta"), ("d/e/", b""), ("same", b"alpha"), ("z", b"")]);
    sweep(
        &stage,
        |registry| drop(add(registry, "x", &source, Completion::Finalize).unwrap()),
        |progress, seen| match progress {
            Progress::Before => assert!(seen.packages.is_empty(), "{:?}", seen.packages),
            Progress::Between => {}
            Progress::Durable => assert_eq!(seen.packages.get("x@1"), Some(&(true, false))),
        },
        |registry| {
            let report = add(registry, "x", &source, Completion::Finalize).unwrap();
            assert_eq!(report.package.files, 4);
        },
    );
}

#[test]
fn an_open_package_is_there_or_not_at_all() {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha"), ("d/b", b"beta")]);
    sweep(
        &stage,
        |registry| drop(add(registry, "x", &source, Completion::LeaveOpen).unwrap()),
        |progress, seen| match progress {
            Progress::Before => assert!(seen.packages.is_empty(), "{:?}", seen.packages),
            Progress::Between => {}
            Progress::Durable => assert_eq!(seen.packages.get("x@1"), Some(&(false, false))),
        },
        |registry| drop(add(registry, "x", &source, Completion::LeaveOpen).unwrap()),
    );
}

#[test]
fn a_package_is_finalised_or_still_open() {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha"), ("d/b", b"beta")]);
    let registry = open(&stage.root(), Access::Write).unwrap();
    add(&registry, "x", &source, Completion::LeaveOpen).unwrap();
    drop(registry);
    sweep(
        &stage,
        |registry| drop(registry.finalize(&reference("x"), &Void).unwrap()),
        |progress, seen| match progress {
            Progress::Before => assert_eq!(seen.packages.get("x@1"), Some(&(false, false))),
            Progress::Between => assert!(seen.packages.contains_key("x@1")),
            Progress::Durable => assert_eq!(seen.packages.get("x@1"), Some(&(true, false))),
        },
        |registry| match registry.finalize(&reference("x"), &Void) {
            Ok(package) => assert_eq!(package.version, 1),
            Err(error) => assert!(error.to_string().contains("finalized"), "{error}"),
        },
    );
}

#[test]
fn a_package_is_removed_or_not() {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha")]);
    let registry = open(&stage.root(), Access::Write).unwrap();
    add(&registry, "x", &source, Completion::Finalize).unwrap();
    drop(registry);
    sweep(
        &stage,
        |registry| {
            registry.remove(&[reference("x")], "no more").unwrap();
            registry.restore(&reference("x")).unwrap();
            registry.remove(&[reference("x")], "no more, again").unwrap();
        },
        |progress, seen| match progress {
            Progress::Before | Progress::Between => assert!(seen.packages.contains_key("x@1")),
            Progress::Durable => assert_eq!(seen.packages.get("x@1"), Some(&(true, true))),
        },
        |registry| drop(registry.restore(&reference("x"))),
    );
}

#[test]
fn an_object_that_was_damaged_is_healed_or_still_reported() {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha"), ("b", b"beta")]);
    let registry = open(&stage.root(), Access::Write).unwrap();
    let report = add(&registry, "x", &source, Completion::Finalize).unwrap();
    drop(registry);
    assert_eq!(report.objects_new, 2);
    let hex = blake3::hash(b"alpha").to_hex();
    let object = stage.root().join("blake3").join(&hex[..2]).join(&hex[2..4]).join(hex.as_str());
    std::fs::remove_file(object).unwrap();
    let root = stage.root();
    let before = Tree::take(&root).unwrap();
    let trace = Arc::new(Trace::with_foreign(real_disk(&root), &root, &DATABASE));
    let registry = open_on(trace.clone(), &root).unwrap();
    let report = add(&registry, "y", &source, Completion::Finalize).unwrap();
    assert_eq!(report.healed.len(), 1, "{report:?}");
    drop(registry);
    for state in Crashes::of(&before, &trace.take(), seeds()) {
        let place = fast_dir();
        let root = place.path().join("store");
        state.tree.write_to(&root).unwrap();
        oracle::check_names(&root)
            .unwrap_or_else(|fault| panic!("{:?} {:?}: {fault}", state.calls, state.kind));
        let registry = open(&root, Access::Write).unwrap();
        add(&registry, "z", &source, Completion::Finalize).unwrap();
        drop(registry);
        oracle::check_log(&root)
            .unwrap_or_else(|fault| panic!("{:?} {:?}: {fault}", state.calls, state.kind));
    }
}

/// Settling itself is interrupted: the log is ahead of the database, and the command that settles is killed.
#[test]
fn settling_can_be_interrupted_at_any_call() {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha")]);
    let root = stage.root();
    let database = std::fs::read(root.join("astore.db")).unwrap();
    let registry = open(&root, Access::Write).unwrap();
    add(&registry, "x", &source, Completion::Finalize).unwrap();
    registry.remove(&[reference("x")], "gone").unwrap();
    drop(registry);
    // The database comes back from an old backup: `log/` is ahead by two transactions, and torn behind them.
    std::fs::write(root.join("astore.db"), database).unwrap();
    drop(std::fs::remove_file(root.join("astore.db-wal")));
    let log = root.join("log/00000000000000000001.cborseq");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes.extend([0x81, 0x83, 0x58]);
    std::fs::write(&log, bytes).unwrap();
    let before = Tree::take(&root).unwrap();
    let trace = Arc::new(Trace::with_foreign(real_disk(&root), &root, &DATABASE));
    drop(open_on(trace.clone(), &root).unwrap());
    let calls = trace.take();
    assert!(
        calls.iter().any(|call| matches!(call, Call::Write { .. })),
        "settling writes the tail over itself"
    );
    let mut states = 0;
    for state in Crashes::of(&before, &calls, seeds()) {
        let place = fast_dir();
        let root = place.path().join("store");
        state.tree.write_to(&root).unwrap();
        let seen = recovered(&state, &root);
        assert_eq!(seen.head, 3, "after {} calls, {:?}", state.calls, state.kind);
        assert_eq!(seen.packages.get("x@1"), Some(&(true, true)));
        states += 1;
    }
    eprintln!("{} calls, {states} crash states", calls.len());
}

/// An older build may settle a store whose views are of a later version: it enters the events, and cannot apply
/// them. The later build must notice that its views are behind.
#[test]
fn views_that_another_build_left_behind_are_made_again() {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha")]);
    let root = stage.root();
    let database = std::fs::read(root.join("astore.db")).unwrap();
    add(&open(&root, Access::Write).unwrap(), "x", &source, Completion::Finalize).unwrap();
    std::fs::write(root.join("astore.db"), database).unwrap();
    let set_version = |version: u64| {
        let version = i64::try_from(version).unwrap();
        let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
        db.execute("UPDATE bookkeeping SET value = ?1 WHERE name = 'views_version'", [version]).unwrap();
    };
    set_version(VIEWS_VERSION + 1);
    let refused = open(&root, Access::Write);
    assert!(matches!(refused, Err(Error::ViewsVersion { found, .. }) if found == VIEWS_VERSION + 1));
    drop(open(&root, Access::Log).unwrap());
    set_version(VIEWS_VERSION);
    for access in [Access::Read, Access::Write] {
        let registry = open(&root, access).unwrap();
        assert_eq!(registry.list(ListFilter::All, None).unwrap().len(), 1, "{access:?}");
        assert!(registry.replay_check(&Void).unwrap().differing.is_empty(), "{access:?}");
    }
}

/// The database loses its last rows to a hand; its views stay. The rows come back from `log/`, and nothing is
/// applied twice.
#[test]
fn rows_that_the_views_know_are_entered_and_not_applied_again() {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha")]);
    let root = stage.root();
    let registry = open(&root, Access::Write).unwrap();
    add(&registry, "x", &source, Completion::Finalize).unwrap();
    registry.remove(&[reference("x")], "gone").unwrap();
    drop(registry);
    let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    db.execute_batch("DROP TRIGGER events_are_never_deleted; DELETE FROM events WHERE sequence > 1").unwrap();
    drop(db);
    let registry = open(&root, Access::Write).unwrap();
    assert!(registry.replay_check(&Void).unwrap().differing.is_empty());
    drop(registry);
    assert_eq!(oracle::check_log(&root).unwrap().head, 3);
}
