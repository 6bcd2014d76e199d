//! The model of a crash, judged by what is known of file systems.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::disk::testing::Trace;
use crate::disk::{Disk as _, RealDisk};

const SEEDS: u64 = 40;

/// Runs something on a traced disk and returns what was there before, and what was called.
fn traced(before: &[(&str, &[u8])], run: impl FnOnce(&Trace)) -> (Tree, Vec<Call>, Tree) {
    let root = tempfile::tempdir().expect("a directory");
    let disk = Arc::new(RealDisk::open(root.path()).expect("a disk"));
    disk.make_dir(Path::new("d")).expect("a directory");
    for (path, bytes) in before {
        disk.create(Path::new(path), 0o600).expect("a file").write_all_at(bytes, 0).expect("written");
    }
    let tree = Tree::take(root.path()).expect("a tree");
    let trace = Trace::new(disk);
    run(&trace);
    (tree, trace.calls(), Tree::take(root.path()).expect("a tree"))
}

/// Returns everything that can be found under a name at the end, `None` among it where nothing may be.
fn found(path: &str, before: &[(&str, &[u8])], run: impl FnOnce(&Trace)) -> Vec<Option<Vec<u8>>> {
    let (tree, calls, _) = traced(before, run);
    let mut found: Vec<_> = Crashes::of(&tree, &calls, SEEDS)
        .filter(|state| state.calls == calls.len())
        .map(|state| state.tree.file(path).map(<[u8]>::to_vec))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn some(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}

#[test]
fn a_kill_leaves_what_the_disk_holds() {
    let (tree, calls, after) = traced(&[("old", b"old")], |disk| {
        let file = disk.create(Path::new("new"), 0o640).expect("a file");
        file.write_all_at(b"abcdef", 0).expect("written");
        file.set_len(4).expect("cut");
        file.write_all_at(b"XY", 6).expect("written");
        disk.make_dir(Path::new("d/e")).expect("a directory");
        disk.rename(Path::new("new"), Path::new("d/e/f")).expect("renamed");
        file.set_mode(0o444).expect("mode");
        disk.remove_file(Path::new("old")).expect("removed");
        file.write_all_at(b"Z", 0).expect("written");
    });
    let state = Crashes::state(&tree, &calls, CrashKind::Kill);
    assert_eq!(state.tree, after);
    assert_eq!(state.tree.file("d/e/f"), Some(b"Zbcd\0\0XY".as_slice()));
    // A tree in memory is the tree in a directory.
    let copy = tempfile::tempdir().expect("a directory");
    state.tree.write_to(copy.path()).expect("written");
    assert_eq!(Tree::take(copy.path()).expect("a tree").nodes, after.nodes);
}

#[test]
fn a_rename_that_was_not_synced_may_not_have_happened() {
    let rename = |disk: &Trace| disk.rename(Path::new("a"), Path::new("b")).expect("renamed");
    let before: &[(&str, &[u8])] = &[("a", b"new"), ("b", b"old")];
    assert_eq!(found("b", before, rename), [some(b"new"), some(b"old")]);
    let synced = |disk: &Trace| {
        rename(disk);
        disk.sync_dir(Path::new("")).expect("synced");
    };
    assert_eq!(found("b", before, synced), [some(b"new")]);
    assert_eq!(found("a", before, synced), [None]);
    // To sync the one directory says nothing of the other.
    let moved = |disk: &Trace| {
        disk.rename(Path::new("a"), Path::new("d/b")).expect("renamed");
        disk.sync_dir(Path::new("d")).expect("synced");
    };
    assert_eq!(found("d/b", before, moved), [some(b"new")]);
    assert_eq!(found("a", before, moved), [None, some(b"new")]);
}

#[test]
fn a_rename_without_a_sync_of_the_bytes_shows_torn_bytes() {
    let run = |disk: &Trace| {
        disk.create(Path::new("a"), 0o600).expect("a file").write_all_at(b"bytes", 0).expect("written");
        disk.rename(Path::new("a"), Path::new("d/b")).expect("renamed");
        disk.sync_dir(Path::new("d")).expect("synced");
    };
    let all = found("d/b", &[], run);
    for expected in [some(b""), some(b"\0\0\0\0\0"), some(b"by"), some(b"bytes")] {
        assert!(all.contains(&expected), "{expected:?} is not among {all:?}");
    }
    assert!(!all.contains(&None), "the name was synced");
    let synced = found("d/b", &[], |disk| {
        let file = disk.create(Path::new("a"), 0o600).expect("a file");
        file.write_all_at(b"bytes", 0).expect("written");
        file.sync().expect("synced");
        disk.rename(Path::new("a"), Path::new("d/b")).expect("renamed");
        disk.sync_dir(Path::new("d")).expect("synced");
    });
    assert_eq!(synced, [some(b"bytes")]);
}

#[test]
fn a_file_whose_directory_was_not_synced_may_be_gone() {
    let run = |disk: &Trace| {
        disk.make_dir(Path::new("d/e")).expect("a directory");
        let file = disk.create(Path::new("d/e/f"), 0o600).expect("a file");
        file.write_all_at(b"x", 0).expect("written");
        file.sync().expect("synced");
        disk.sync_dir(Path::new("d/e")).expect("synced");
    };
    assert_eq!(found("d/e/f", &[], run), [None, some(b"x")]);
    let whole = |disk: &Trace| {
        run(disk);
        disk.sync_dir(Path::new("d")).expect("synced");
    };
    assert_eq!(found("d/e/f", &[], whole), [some(b"x")]);
    let all = |disk: &Trace| {
        run(disk);
        disk.sync_all().expect("synced");
    };
    assert_eq!(found("d/e/f", &[], all), [some(b"x")]);
}

#[test]
fn a_kill_within_a_write_leaves_half_of_it() {
    let (tree, calls, _) = traced(&[("a", b"....")], |disk| {
        disk.open_write(Path::new("a")).expect("a file").write_all_at(b"abcd", 0).expect("written");
    });
    let within = Crashes::of(&tree, &calls, 0).find(|state| state.kind == CrashKind::KillInWrite);
    assert_eq!(within.expect("a state").tree.file("a"), Some(b"ab..".as_slice()));
}

#[test]
fn a_removal_that_was_not_synced_may_not_have_happened() {
    let remove = |disk: &Trace| disk.remove_file(Path::new("a")).expect("removed");
    assert_eq!(found("a", &[("a", b"x")], remove), [None, some(b"x")]);
    let cut = |disk: &Trace| {
        disk.open_write(Path::new("a")).expect("a file").set_len(1).expect("cut");
    };
    assert_eq!(found("a", &[("a", b"xy")], cut), [some(b"x"), some(b"xy")]);
}

/// Every state of a trace of two entries and two writes: each subset once.
#[test]
fn every_subset_of_what_was_not_synced_is_gone_through() {
    let (tree, calls, _) = traced(&[], |disk| {
        let file = disk.create(Path::new("a"), 0o600).expect("a file");
        disk.sync_dir(Path::new("")).expect("synced");
        file.write_all_at(b"1", 0).expect("written");
        file.write_all_at(b"2", 1).expect("written");
        disk.rename(Path::new("a"), Path::new("b")).expect("renamed");
    });
    let mut found: Vec<[Option<Vec<u8>>; 2]> = Crashes::of(&tree, &calls, 0)
        .with_subsets_up_to(4)
        .filter(|state| state.calls == calls.len() && state.kind != CrashKind::Kill)
        .map(|state| ["a", "b"].map(|name| state.tree.file(name).map(<[u8]>::to_vec)))
        .collect();
    assert_eq!(found.len(), 16);
    found.sort();
    found.dedup();
    // Neither name, one of them, or both, with each of four contents, but for neither.
    assert_eq!(found.len(), 1 + 3 * 4);
    assert!(found.contains(&[None, some(b"\x002")]), "{found:?}");
    let fewer = Crashes::of(&tree, &calls, 0).with_subsets_up_to(3);
    assert!(fewer.filter(|state| state.calls == calls.len()).all(|state| state.kind == CrashKind::Kill));
}

/// A directory in which somebody plays SQLite.
struct Beside {
    root: tempfile::TempDir,
    before: Tree,
    trace: Trace,
}

#[expect(clippy::disallowed_methods, reason = "plays SQLite")]
impl Beside {
    fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        for (name, bytes) in files {
            std::fs::write(root.path().join(name), bytes).expect("written");
        }
        let before = Tree::take(root.path()).expect("a tree");
        let disk = Arc::new(RealDisk::open(root.path()).expect("a disk"));
        let trace = Trace::with_foreign(disk, root.path(), &["db"]);
        Self { root, before, trace }
    }

    fn write(&self, name: &str, bytes: &str) {
        std::fs::write(self.root.path().join(name), bytes).expect("written");
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.root.path().join(name)).expect("removed");
    }

    /// What may be found of two files at the end.
    fn found(&self, names: [&str; 2]) -> Vec<[Option<String>; 2]> {
        let calls = self.trace.calls();
        let text = |state: &CrashState, name: &str| {
            state.tree.file(name).map(|bytes| String::from_utf8(bytes.to_vec()).expect("text"))
        };
        let mut found: Vec<_> = Crashes::of(&self.before, &calls, SEEDS)
            .with_subsets_up_to(6)
            .filter(|state| state.calls == calls.len())
            .map(|state| names.map(|name| text(&state, name)))
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

fn pair(a: Option<&str>, b: Option<&str>) -> [Option<String>; 2] {
    [a.map(str::to_owned), b.map(str::to_owned)]
}

#[test]
fn what_others_wrote_is_as_it_was_at_one_moment() {
    let beside = Beside::new(&[("db", "0"), ("db-wal", "0")]);
    for text in ["1", "2"] {
        beside.write("db", text);
        beside.write("db-wal", text);
        beside.trace.point("database committed");
    }
    let moments = ["0", "1", "2"].map(|text| pair(Some(text), Some(text)));
    assert_eq!(beside.found(["db", "db-wal"]), moments);
    // A sync of everything makes durable what others had written by then.
    beside.write("db", "3");
    beside.trace.sync_all().expect("synced");
    assert_eq!(beside.found(["db", "db-wal"]), [pair(Some("3"), Some("2"))]);
    // And a kill loses nothing.
    beside.write("db", "4");
    beside.trace.point("here");
    let kill = Crashes::state(&beside.before, &beside.trace.calls(), CrashKind::Kill);
    assert_eq!(kill.tree.file("db"), Some(b"4".as_slice()));
}

#[test]
fn a_rename_moves_what_others_wrote() {
    let beside = Beside::new(&[("db", "old"), ("db-wal", "tail")]);
    drop(beside.trace.create(Path::new("db.new"), 0o600).expect("a file"));
    beside.write("db.new", "whole");
    beside.trace.point("database built");
    for (from, to) in [("db", "db.aside"), ("db-wal", "db.aside-wal"), ("db.new", "db")] {
        beside.trace.rename(Path::new(from), Path::new(to)).expect("renamed");
    }
    // It was not synced before it got its name: an empty database may have it.
    let found = beside.found(["db", "db.aside"]);
    assert!(found.contains(&pair(Some(""), Some("old"))), "{found:?}");
    assert!(found.contains(&pair(Some("old"), None)), "{found:?}");
    assert!(found.contains(&pair(None, Some("old"))), "{found:?}");
    assert!(found.contains(&pair(None, None)), "{found:?}");
    beside.trace.open_write(Path::new("db")).expect("a file").sync().expect("synced");
    let found = beside.found(["db", "db.aside"]);
    assert!(!found.contains(&pair(Some(""), Some("old"))), "{found:?}");
    beside.trace.sync_dir(Path::new("")).expect("synced");
    assert_eq!(beside.found(["db", "db.aside"]), [pair(Some("whole"), Some("old"))]);
    assert_eq!(beside.found(["db-wal", "db.aside-wal"]), [pair(None, Some("tail"))]);
}

#[test]
fn sqlite_syncs_a_database_before_it_takes_the_wal_away_where_it_is_told_to() {
    for (name, wal, is_trusted) in [("db", "db-wal", true), ("db.new", "db.new-wal", false)] {
        let beside = Beside::new(&[]);
        beside.write(name, "");
        beside.write(wal, "tail");
        beside.trace.point("log durable");
        beside.write(name, "whole");
        beside.remove(wal);
        beside.trace.point("database committed");
        beside.trace.sync_dir(Path::new("")).expect("synced");
        let found = beside.found([name, wal]);
        assert_eq!(found.contains(&pair(Some(""), None)), !is_trusted, "{found:?}");
        assert!(found.contains(&pair(Some("whole"), None)), "{found:?}");
    }
}
