//! A store in which something else stands where a file or a directory of its own should.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, mknodat};

use super::surroundings::{Surroundings, within_a_minute};
use crate::support::cli::{Desk, Said};
use crate::support::oracle;
use crate::support::store::{copy_store, tree};

const KEPT: &[u8] = b"kept in a package";
const OPEN: &[u8] = b"in an open package";
const GONE: &[u8] = b"in a removed package";

/// A desk with a store to copy, and trees to add.
struct Stage {
    desk: Desk,
    /// What the commands that only look say of a store that nobody has touched.
    sound: Vec<(Vec<&'static str>, Said)>,
}

/// Those that only look, and say the same each time.
const LOOKS: [&[&str]; 11] = [
    &["list", "--all"],
    &["show", "kept@1"],
    &["files", "kept@1"],
    &["manifest", "kept@1", "--format", "sha256sums"],
    &["cat", "kept@1:f"],
    &["diff", "kept@1", "./trees/kept"],
    &["log"],
    &["pins"],
    &["explain", "kept@1:f", "--read"],
    &["explain", "gone@1:f"],
    &["replay", "--check"],
];

/// Those that change something, or say something else each time.
const ACTS: [&[&str]; 20] = [
    &["export", "kept@1", "out"],
    &["verify", "--no-record"],
    &["verify", "--both"],
    &["verify", "--quick"],
    &["health"],
    &["gc", "--min-age", "0s"],
    &["stats"],
    &["add", "trees/new", "--finalize"],
    &["add", "trees/kept", "--finalize", "--no-cache"],
    &["finalize", "open"],
    &["remove", "new", "--reason", "no more"],
    &["restore", "new"],
    &["pin", "mine", "kept@1"],
    &["unpin", "mine"],
    &["retain", "kept@1", "--hold", "--reason", "wait"],
    &["gc", "--confirm", "--yes", "--min-age", "0s"],
    &["replay"],
    &["init"],
    &["recover"],
    &["verify", "--no-record"],
];

/// What a command may end with, whatever was done to the store: done, failed, damage found, the plan has changed,
/// no such package, no store, lost, purged. Not a panic, not a signal.
const CODES: [i32; 8] = [0, 1, 4, 5, 7, 8, 9, 11];

impl Stage {
    fn new() -> Self {
        let desk = Desk::new();
        for (name, content) in [("kept", KEPT), ("open", OPEN), ("gone", GONE), ("new", b"new")] {
            tree(&desk.path("trees").join(name), &[("f", content), ("d/g", name.as_bytes())]);
        }
        for arguments in [
            &["add", "trees/kept", "--finalize"][..],
            &["add", "trees/open"],
            &["add", "trees/gone", "--finalize"],
            &["remove", "gone", "--reason", "done with"],
            &["pin", "first", "kept"],
        ] {
            desk.ok(arguments);
        }
        let looks = LOOKS.iter().map(|arguments| (arguments.to_vec(), desk.run(*arguments)));
        let sound: Vec<_> = looks.collect();
        fs::rename(desk.root(), desk.path("template")).unwrap();
        Self { desk, sound }
    }

    /// Puts the store back as it was.
    fn set(&self) {
        for name in ["store", "elsewhere", "aside", "out"] {
            let path = self.desk.path(name);
            if path.symlink_metadata().is_ok() {
                fs::remove_dir_all(path).unwrap();
            }
        }
        copy_store(&self.desk.path("template"), &self.desk.root());
        fs::create_dir(self.desk.path("elsewhere")).unwrap();
        fs::create_dir(self.desk.path("aside")).unwrap();
    }

    fn said(&self, arguments: &[&str]) -> Said {
        within_a_minute(&self.desk.command(arguments))
    }

    /// Every command, on a store in which this has another meaning: refused clearly, or answered right. Returns
    /// what was not so.
    fn faults(&self, surroundings: &Surroundings) -> Vec<String> {
        let mut faults = Vec::new();
        let commands = self.sound.iter().map(|(arguments, sound)| (arguments.as_slice(), Some(sound)));
        for (arguments, sound) in commands.chain(ACTS.iter().map(|arguments| (*arguments, None))) {
            let said = self.said(arguments);
            let mut fault = |what: &str| faults.push(format!("{arguments:?}: {what}: {said:#?}"));
            if !CODES.contains(&said.code) || said.err.contains("panicked") {
                fault("an odd end");
            }
            if said.code == 1 && !said.err.lines().any(|line| line.starts_with("astore: ")) {
                fault("no clear word");
            }
            if sound.is_some_and(|sound| said.code == sound.code && said.out != sound.out) {
                fault("another answer");
            }
            let exported = said.code == 0 && arguments[0] == "export";
            if exported && fs::read(self.desk.path("out/f")).unwrap() != KEPT {
                fault("another tree");
            }
            if let Some(what) = surroundings.fault() {
                fault(&what);
            }
            drop(fs::remove_dir_all(self.desk.path("out")));
        }
        faults
    }
}

/// The names under the root, each with whether a directory stands there.
fn names(root: &Path) -> Vec<(PathBuf, bool)> {
    let object = oracle::file_of(root, KEPT).strip_prefix(root).unwrap().to_owned();
    let (inner, outer) = (object.parent().unwrap(), object.parent().unwrap().parent().unwrap());
    let mut names: Vec<(PathBuf, bool)> = ["blake3", "log", "tmp"].map(|name| (name.into(), true)).into();
    names.extend([(outer.to_owned(), true), (inner.to_owned(), true), (object.clone(), false)]);
    for name in [
        "astore.toml",
        "astore.db",
        "astore.db-wal",
        "astore.db-shm",
        "astore.db-journal",
        "astore.lock",
        "astore.gate",
        "reserve",
        "cache.db",
        "cache.db-wal",
        "log/00000000000000000001.cborseq",
    ] {
        names.push((name.into(), false));
    }
    names
}

/// Puts something else in the place of each name in turn, and runs everything.
fn check_each(put: impl Fn(&Stage, &Path, bool)) {
    let stage = Stage::new();
    let (mut tried, mut faults) = (0, Vec::new());
    for (name, is_directory) in names(&stage.desk.path("template")) {
        stage.set();
        put(&stage, &name, is_directory);
        let surroundings = Surroundings::watch(&stage.desk.path("elsewhere"));
        let found = stage.faults(&surroundings);
        faults.extend(found.into_iter().map(|fault| format!("{}, {fault}", name.display())));
        tried += 1;
    }
    eprintln!("{tried} names, {} commands on each", LOOKS.len() + ACTS.len());
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

/// Takes what has this name away, where there is something.
fn move_away(stage: &Stage, name: &Path, to: &str) -> PathBuf {
    let target = stage.desk.path(to).join("it");
    let path = stage.desk.root().join(name);
    if path.symlink_metadata().is_ok() {
        fs::rename(path, &target).unwrap();
    } else {
        fs::write(&target, "nobody's business").unwrap();
    }
    target
}

#[test]
fn a_symlink_to_the_same_thing_elsewhere_is_not_followed() {
    check_each(|stage, name, _| {
        let target = move_away(stage, name, "elsewhere");
        symlink(target, stage.desk.root().join(name)).unwrap();
    });
}

#[test]
fn a_symlink_that_leads_nowhere_makes_nothing_there() {
    check_each(|stage, name, _| {
        move_away(stage, name, "aside");
        symlink(stage.desk.path("elsewhere/missing"), stage.desk.root().join(name)).unwrap();
    });
}

#[test]
fn a_fifo_is_no_file_and_nobody_waits_for_its_other_end() {
    check_each(|stage, name, _| {
        move_away(stage, name, "aside");
        mknodat(CWD, stage.desk.root().join(name), FileType::Fifo, 0o600.into(), 0).unwrap();
    });
}

#[test]
fn a_directory_is_no_file_and_a_file_no_directory() {
    check_each(|stage, name, is_directory| {
        move_away(stage, name, "aside");
        let path = stage.desk.root().join(name);
        if is_directory {
            fs::write(path, "a file").unwrap();
        } else {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("inside"), "somebody's").unwrap();
        }
    });
}

#[test]
fn a_root_that_is_named_through_symlinks_is_a_store_like_any_other() {
    let desk = Desk::new();
    tree(&desk.path("t"), &[("f", KEPT)]);
    fs::rename(desk.root(), desk.path("real")).unwrap();
    fs::create_dir(desk.path("above")).unwrap();
    symlink(desk.path("real"), desk.path("above/store")).unwrap();
    symlink("above", desk.path("link")).unwrap();
    for root in ["above/store", "link/store", "./link/../link/store/"] {
        for arguments in [&["add", "t", "--finalize"][..], &["cat", "t:f"], &["verify"], &["recover"]] {
            let arguments: Vec<&str> = ["--root", root].iter().chain(arguments).copied().collect();
            desk.ok(arguments);
        }
    }
    assert_eq!(desk.ok(["--root", "real", "list", "--quiet"]), "t@1\nt@2\nt@3\n");
    assert!(desk.path("real/cache.db").exists(), "the stat cache is opened the same way");
    // One that is to be made too; and the way may change later.
    symlink(desk.path("new"), desk.path("to new")).unwrap();
    fs::create_dir(desk.path("new")).unwrap();
    desk.ok(["--root", "to new", "init"]);
    desk.ok(["--root", "to new", "add", "t"]);
}
