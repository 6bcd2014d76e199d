//! The model of a crash, judged by what is known of file systems.

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

#[test]
#[expect(clippy::disallowed_methods, reason = "plays SQLite")]
fn what_others_wrote_is_as_it_was_at_the_last_point() {
    let root = tempfile::tempdir().expect("a directory");
    let before = Tree::take(root.path()).expect("a tree");
    let disk = Arc::new(RealDisk::open(root.path()).expect("a disk"));
    let trace = Trace::with_foreign(disk, root.path(), &["db"]);
    for bytes in ["one", "two"] {
        std::fs::write(root.path().join("db"), bytes).expect("written");
        trace.point("database committed");
    }
    std::fs::write(root.path().join("db"), "three").expect("written");
    trace.sync_all().expect("synced");
    let calls = trace.calls();
    let after =
        |n: usize, kind| Crashes::state(&before, &calls[..n], kind).tree.file("db").map(<[u8]>::to_vec);
    assert_eq!(after(0, CrashKind::Kill), None);
    assert_eq!(after(2, CrashKind::Kill), some(b"one"));
    assert_eq!(after(4, CrashKind::Kill), some(b"two"));
    let cuts: Vec<_> = (4..40).map(|seed| after(4, CrashKind::PowerCut { seed })).collect();
    assert!(cuts.contains(&some(b"one")) && cuts.contains(&some(b"two")), "{cuts:?}");
    // A sync of everything makes durable what others had written by the last point.
    assert!((0..40).all(|seed| after(5, CrashKind::PowerCut { seed }) == some(b"two")));
    assert_eq!(before.file("db"), None);
}
