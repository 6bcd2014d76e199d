//! Two copies of a store were both written to, and somebody mixed them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use astore::error::{Error, ErrorKind};
use astore::events::LogError;
use astore::monitor::{Recording, Void};
use astore::registry::Access;
use astore::registry::report::{InitRequest, PinRequest};

use super::{FIRST, Stage, cat, packages, recover, verify};
use crate::support::store::{env, open, real_disk, reference};

const LOG: &str = "log/00000000000000000001.cborseq";

/// The bytes of both copies of the log, and of every object.
fn bytes(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for name in ["log", "blake3", "astore.db", "astore.toml"] {
        for entry in walkdir::WalkDir::new(root.join(name)) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                found.insert(entry.path().to_owned(), std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

fn is_parted(error: &Error) -> bool {
    matches!(error, Error::Log(LogError::Parted { sequence: 3 })) && error.kind() == ErrorKind::Damage
}

/// Two stores of the same history but for their last event, and logs of the same length.
fn forked() -> (Stage, Stage) {
    let left = Stage::new();
    let right = left.copy();
    left.add_here("x", b"left ");
    right.add_here("x", b"right");
    let (ours, theirs) = (left.root().join(LOG), right.root().join(LOG));
    let (ours, theirs) = (std::fs::read(ours).unwrap(), std::fs::read(theirs).unwrap());
    assert_eq!(ours.len(), theirs.len(), "the fork is of equal length");
    assert_ne!(ours, theirs);
    (left, right)
}

#[test]
fn an_equal_length_fork_of_the_log_is_refused_where_it_parts() {
    let (left, right) = forked();
    // The database of one, `log/` of the other; and the other way round.
    for (ours, theirs, content) in [(&left, &right, &b"left "[..]), (&right, &left, b"right")] {
        let mixed = ours.copy();
        let root = mixed.root();
        std::fs::copy(theirs.root().join(LOG), root.join(LOG)).unwrap();
        let before = bytes(&root);

        // Whoever would write.
        for access in [Access::Write, Access::Alone] {
            let error = open(&root, access).unwrap_err();
            assert!(is_parted(&error), "{access:?}: {error:?}");
            assert!(error.to_string().contains("part at event 3"), "{error}");
        }
        let init = astore::registry::Registry::init(&root, &InitRequest::default(), &env()).unwrap();
        assert!(init.existed);
        let error = recover(&root, real_disk(&root)).unwrap_err();
        assert!(is_parted(&error), "{error:?}");

        // Whoever reads is told, and what the database says is true of what it has.
        let monitor = Recording::default();
        let reader =
            mixed.open_and_wait(mixed.disk(), Access::Read, std::time::Duration::ZERO, &monitor).unwrap();
        let told: Vec<String> = monitor.problems().iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.contains("log/")), "a reader is told nothing: {told:?}");
        assert_eq!(packages(&reader), ["first@1", "x@1"]);
        assert_eq!(
            (cat(&reader, "first").unwrap(), cat(&reader, "x").unwrap()),
            (FIRST.to_vec(), content.to_vec())
        );

        // And verify says which event it is.
        let report = verify(&reader);
        let found: Vec<_> = report.faults.iter().filter(|fault| fault.kind == "log").collect();
        assert!(found.iter().any(|fault| format!("{fault:?}").contains("event 3")), "{:?}", report.faults);
        drop(reader);

        let after = bytes(&root);
        let changed: Vec<_> = before.iter().filter(|(path, old)| after.get(*path) != Some(*old)).collect();
        assert!(changed.is_empty(), "nothing is cut or merged: {:?}", changed.iter().map(|(path, _)| path));
        assert_eq!(before.len(), after.len());

        // The operator chooses: the one that he moves aside is gone, the other is the store.
        std::fs::rename(root.join("log"), mixed.at("aside")).unwrap();
        assert_eq!(mixed.check_whole("log/ moved aside"), ["first@1", "x@1"]);
        assert_eq!(cat(&open(&root, Access::Read).unwrap(), "x").unwrap(), content);
    }
}

/// The process that knew one history stays open, and the other's `log/` is put under it.
#[test]
fn a_fork_that_is_put_under_an_open_registry_is_refused_as_well() {
    let (left, right) = forked();
    let registry = left.open(left.disk(), Access::Write).unwrap();
    let reader = left.open(left.disk(), Access::Read).unwrap();
    std::fs::copy(right.root().join(LOG), left.root().join(LOG)).unwrap();
    let before = bytes(&left.root());
    let outcomes = [
        left.add_by(&registry, "y", b"another").map(drop),
        registry.remove(&[reference("x")], "no more").map(drop),
        registry.pin("mine", &PinRequest::Package(reference("x")), None).map(drop),
        registry.finalize(&reference("x"), &Void).map(drop),
    ];
    for (nth, outcome) in outcomes.into_iter().enumerate() {
        let error = outcome.unwrap_err();
        // The last one is refused before anything is written: it is finalised.
        assert!(is_parted(&error) || nth == 3, "{nth}: {error:?}");
    }
    assert_eq!(packages(&reader), ["first@1", "x@1"]);
    drop((registry, reader));
    let after = bytes(&left.root());
    assert_eq!(before.get(&left.root().join(LOG)), after.get(&left.root().join(LOG)));
    // Only what the refused add had made durable before it was refused may have come.
    assert!(before.keys().all(|path| after.contains_key(path)));
}

/// The same, where one of them is longer: the shorter is no better than the longer.
#[test]
fn a_longer_fork_is_no_better_than_a_shorter_one() {
    let (left, right) = forked();
    right.add_here("y", b"one more");
    for (database, log) in [(&left, &right), (&right, &left)] {
        let mixed = database.copy();
        std::fs::copy(log.root().join(LOG), mixed.root().join(LOG)).unwrap();
        let before = bytes(&mixed.root());
        let error = open(&mixed.root(), Access::Write).unwrap_err();
        assert!(is_parted(&error), "{error:?}");
        let error = recover(&mixed.root(), real_disk(&mixed.root())).unwrap_err();
        assert!(is_parted(&error), "{error:?}");
        assert_eq!(bytes(&mixed.root()), before);
    }
}
