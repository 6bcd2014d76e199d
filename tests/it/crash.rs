//! An operator pulls the plug, or kills astore, at any moment: what was acknowledged is there, nothing under a
//! final name is torn, the log has no gap, and the next command simply works.
//!
//! Each operation is recorded once, call by call; then every state that a kill or a power cut can leave of it is made
//! anew, opened, and judged by an oracle that reads files and SQLite by hand (`support::history`). Which operations, and
//! which points each of them passes, is in `support::sweep::POINTS`.

mod adding;
mod beginning;
mod collecting;
mod harness;
mod log;
mod recovering;
mod room;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use astore::disk::Disk;
use astore::disk::testing::Call;
use astore::error::Error;
use astore::monitor::Void;
use astore::registry::report::{
    Completion, HoldRequest, ListFilter, PinRequest, RetainRequest, VerifyDepth, VerifyRequest,
};
use astore::registry::{Access, Registry};
use astore::views::VIEWS_VERSION;

use crate::support::history::History;
use crate::support::oracle;
use crate::support::store::{add, fast_dir, init, open, open_on, reference, tree};
use crate::support::sweep::{POINTS, Sweep, points_in};

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

    /// One with a package.
    fn with(name: &str, files: &[(&str, &[u8])], completion: Completion) -> Self {
        let stage = Self::new();
        let source = stage.tree("t", files);
        add(&open(&stage.root(), Access::Write).unwrap(), name, &source, completion).unwrap();
        stage
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("store")
    }

    /// A tree outside of the store.
    fn tree(&self, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        tree(&self.place.path().join(name), files)
    }

    /// Records something that a writing command does.
    fn record(&self, name: &'static str, operate: impl Fn(&Registry) -> Result<(), Error>) -> Sweep {
        let root = self.root();
        Sweep::of(name, &root, |disk| operate(&in_small_batches(disk, &root)).unwrap())
    }
}

fn in_small_batches(disk: Arc<dyn Disk>, root: &Path) -> Registry {
    let mut registry = open_on(disk, root).unwrap();
    registry.set_batch_files(2);
    registry
}

/// What an operator does who is not sure: the same again.
fn again(operate: impl Fn(&Registry) -> Result<(), Error>) -> impl Fn(&Path) -> Result<(), String> {
    move |root| {
        let registry = open(root, Access::Write).map_err(|error| format!("{error:?}"))?;
        operate(&registry).map_err(|error| format!("{error:?}"))
    }
}

/// The package is as it was, or as it is to be, and which is known but while its event is being written.
fn either<'a>(
    sweep: &'a Sweep,
    package: &'a str,
    before: Option<(bool, bool)>,
    after: (bool, bool),
) -> impl Fn(usize, &History) -> Result<(), String> + 'a {
    move |done, history| {
        let found = history.packages.get(package).copied();
        let is_right = match sweep.is_done(done) {
            Some(true) => found == Some(after),
            Some(false) => found == before,
            None => found == Some(after) || found == before,
        };
        if is_right { Ok(()) } else { Err(format!("{package} is {found:?}")) }
    }
}

/// Returns the calls but some: as if the code did not make them.
fn without(calls: &[Call], is_left_out: impl Fn(&Call) -> bool) -> Vec<Call> {
    calls.iter().filter(|call| !is_left_out(call)).cloned().collect()
}

#[test]
fn every_point_is_passed_by_a_sweep() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let named = points_in(&sources);
    let passed: BTreeSet<&str> = POINTS.iter().flat_map(|(_, points)| points.iter().copied()).collect();
    for (point, file) in &named {
        assert!(passed.contains(point.as_str()), "{point:?} in {} is in no sweep", file.display());
    }
    for point in passed {
        assert!(named.contains_key(point), "{point:?} is nowhere in the code");
    }
}

#[test]
fn a_package_is_finalised_or_still_open() {
    let stage = Stage::with("x", &[("a", b"alpha"), ("d/b", b"beta")], Completion::LeaveOpen);
    let sweep = stage.record("finalize", |registry| registry.finalize(&reference("x"), &Void).map(drop));
    sweep.run(
        either(&sweep, "x@1", Some((false, false)), (true, false)),
        again(|registry| match registry.finalize(&reference("x"), &Void) {
            Err(error) if !error.to_string().contains("finalized") => Err(error),
            _ => Ok(()),
        }),
    );
}

#[test]
fn a_package_is_removed_or_not() {
    let stage = Stage::with("x", &[("a", b"alpha")], Completion::Finalize);
    let sweep = stage.record("remove and restore", |registry| {
        registry.remove(&[reference("x")], "no more")?;
        registry.restore(&reference("x"))?;
        registry.remove(&[reference("x")], "no more, again").map(drop)
    });
    sweep.run(
        |done, history| match sweep.is_done(done) {
            Some(true) if history.packages["x@1"] != (true, true) => Err("it is not removed".to_owned()),
            _ => Ok(()),
        },
        again(|registry| match registry.restore(&reference("x")) {
            Err(error) if !error.to_string().contains("not removed") => Err(error),
            _ => Ok(()),
        }),
    );
}

#[test]
fn what_is_kept_is_kept_or_not_yet() {
    let stage = Stage::with("x", &[("a", b"alpha")], Completion::Finalize);
    let keep = |registry: &Registry| {
        registry.pin("first", &PinRequest::Package(reference("x")), Some("shown to the board"))?;
        registry.pin("second", &PinRequest::Package(reference("x")), None)?;
        let hold =
            RetainRequest { hold: HoldRequest::Set, ..RetainRequest::new(reference("x"), "a lawsuit") };
        registry.retain(&hold)?;
        registry.unpin("first", None).map(drop)
    };
    let sweep = stage.record("pin, retain, unpin", keep);
    sweep.run(
        |done, history| match sweep.is_done(done) {
            Some(true) if !history.pins.iter().eq(["second"]) => Err(format!("{:?}", history.pins)),
            _ => Ok(()),
        },
        again(|registry| {
            // What is there already is refused, and that is an answer.
            for pin in ["first", "second"] {
                if !registry.pins()?.iter().any(|known| known.pin.name == pin) {
                    registry.pin(pin, &PinRequest::Package(reference("x")), None)?;
                }
            }
            registry.unpin("first", None).map(drop)
        }),
    );
}

#[test]
fn a_verify_is_on_record_or_not() {
    let stage = Stage::with("x", &[("a", b"alpha"), ("b", b"beta")], Completion::Finalize);
    let verify = |registry: &Registry| {
        let request =
            VerifyRequest { depth: VerifyDepth::Both, threads: Some(1), ..VerifyRequest::default() };
        let report = registry.verify(&request, &Void)?;
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        Ok(())
    };
    let sweep = stage.record("verify, recorded", verify);
    sweep.run(
        |done, history| {
            let runs = history.types.get("v1.verify.completed").copied().unwrap_or(0);
            match sweep.is_done(done) {
                Some(is_done) if runs != usize::from(is_done) => Err(format!("{runs} runs are on record")),
                _ => Ok(()),
            }
        },
        again(verify),
    );
}

#[test]
fn a_replay_that_is_stopped_leaves_the_views_as_they_were() {
    let stage = Stage::with("x", &[("a", b"alpha"), ("b", b"beta")], Completion::Finalize);
    let sweep = stage.record("replay", |registry| registry.replay(&Void).map(drop));
    sweep.run(|_, _| Ok(()), again(|registry| registry.replay(&Void).map(drop)));
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
