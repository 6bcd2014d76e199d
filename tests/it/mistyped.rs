//! Someone mistypes, or asks for what is not there, or may not: one clear line says what failed, on what, in
//! which store, and the exit code tells scripts the kind of it. Nothing else happens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;

use crate::support::cli::{Desk, Said, said};
use crate::support::store::tree;

/// A desk with a finalised `doc` and an open `run`.
fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("doc"), &[("a", b"1"), ("d/b", b"2")]);
    desk.ok(["add", "doc", "--finalize"]);
    desk.ok(["add", "doc/d", "--name", "run"]);
    desk
}

/// Shows how a command failed: its exit code and the one line that it said, with the desk's place as `~`.
#[track_caller]
fn shown(desk: &Desk, said: Said) -> String {
    assert_eq!(said.out, "", "a failure prints no result: {said:#?}");
    assert_eq!(said.err.lines().count(), 1, "one line: {said:#?}");
    let place = desk.path("");
    let place = place.to_str().unwrap().trim_end_matches('/');
    format!("{} {}", said.code, said.err.replace(place, "~"))
}

/// What a command says that changes nothing and fails.
#[track_caller]
fn told(desk: &Desk, arguments: &[&str]) -> String {
    shown(desk, desk.run(arguments))
}

#[test]
fn a_reference_that_names_nothing_or_too_much() {
    let desk = desk();
    assert_snapshot!(told(&desk, &["show", "dog"]), @"");
    assert_snapshot!(told(&desk, &["export", "doc@7", "out"]), @"");
    assert_snapshot!(told(&desk, &["show", "not a name"]), @"");
    assert_snapshot!(told(&desk, &["cat", "doc:nothing"]), @"");
    assert_snapshot!(told(&desk, &["cat", "doc:d"]), @"");
    assert_snapshot!(told(&desk, &["cat", "doc"]), @"");
    assert_snapshot!(told(&desk, &["cat", "blake3:0123456789"]), @"");
    assert_snapshot!(told(&desk, &["cat", "blake3:012"]), @"");
    assert_snapshot!(told(&desk, &["manifest", "run"]), @"");
    assert_snapshot!(told(&desk, &["diff", "doc", "dog"]), @"");
    assert_snapshot!(told(&desk, &["remove", "dog", "--reason", "r"]), @"");
    assert_snapshot!(told(&desk, &["restore", "doc"]), @"");
    // Versions of a name, where one is meant.
    desk.ok(["add", "doc", "--finalize"]);
    assert_snapshot!(told(&desk, &["remove", "doc", "--reason", "r"]), @"");
    // Ids begin with the time, so the first digits of two that were made at once are alike.
    let ids: Vec<String> = ["doc@1", "doc@2"].iter().map(|&reference| desk.fact(reference, "id")).collect();
    let alike: String =
        ids[0].chars().zip(ids[1].chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    assert!(alike.len() >= 8, "{ids:?}");
    let said = desk.run(["show", &alike[..8]]);
    let line = shown(&desk, said).replace(&alike[..8], "<digits>");
    assert_snapshot!(line, @"");
    assert_eq!(desk.expect(0, ["list", "--all", "--quiet"]).lines().count(), 3, "nothing was changed");
}

#[test]
fn what_is_frozen_stays_so() {
    let desk = desk();
    assert_snapshot!(told(&desk, &["finalize", "doc"]), @"");
    assert_snapshot!(told(&desk, &["finalize", "doc@1"]), @"");
    assert_snapshot!(told(&desk, &["add", "doc/a", "--package", "doc"]), @"");
    assert_snapshot!(told(&desk, &["add", "doc/a", "--package", "doc@1", "--replace"]), @"");
    desk.ok(["remove", "doc", "--reason", "wrong"]);
    assert_snapshot!(told(&desk, &["show", "doc"]), @"");
    assert_snapshot!(told(&desk, &["remove", "doc@1", "--reason", "again"]), @"");
}

#[test]
fn the_same_path_twice() {
    let desk = desk();
    tree(&desk.path("other"), &[("a", b"another"), ("d", b"a file")]);
    assert_snapshot!(told(&desk, &["add", "doc/a", "other/a", "--name", "x"]), @"");
    assert_snapshot!(told(&desk, &["add", "doc", "doc/", "--name", "x"]), @"");
    assert_snapshot!(told(&desk, &["add", "-", "-", "--name", "x"]), @"");
    assert_snapshot!(told(&desk, &["add", "doc/d/b", "--package", "run"]), @"");
    assert_eq!(desk.ok(["list", "--all", "--quiet"]).lines().count(), 2);
}

#[test]
fn a_root_that_is_no_store() {
    let desk = desk();
    assert_snapshot!(told(&desk, &["list", "--root", "nowhere"]), @"");
    assert_snapshot!(told(&desk, &["add", "doc", "--root", "nowhere"]), @"");
    assert!(!desk.path("nowhere").exists(), "a root that was named is made by init alone");
    assert_snapshot!(told(&desk, &["verify", "--root", "doc"]), @"");
    assert_snapshot!(told(&desk, &["list", "--root", "doc/a"]), @"");
    assert_snapshot!(told(&desk, &["list", "--root", ""]), @"");
    assert_snapshot!(told(&desk, &["init", "--root", "doc"]), @"");
    assert_snapshot!(told(&desk, &["init", "--root", "doc/a"]), @"");
    let mut command = desk.command(["list"]);
    command.env("ASTORE_ROOT", "nowhere");
    assert_snapshot!(shown(&desk, said(command)), @"");
    // Where nobody named a root, a path that is not there makes no store.
    let mut command = desk.command(["add", "dog"]);
    command.env_remove("ASTORE_ROOT");
    assert_snapshot!(shown(&desk, said(command)), @"");
    assert!(!desk.path(".local").exists());
    let mut command = desk.command(["list"]);
    command.env_remove("ASTORE_ROOT").env_remove("HOME");
    assert_snapshot!(shown(&desk, said(command)), @"");
}

/// Every file beneath a directory, with its bytes and its time.
fn everything(root: &Path) -> Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut files: Vec<_> = walkdir::WalkDir::new(root)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let time = entry.metadata().unwrap().modified().unwrap();
            (entry.path().to_owned(), fs::read(entry.path()).unwrap(), time)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_store_of_format_2_is_not_touched() {
    let desk = desk();
    let config = desk.root().join("astore.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("format = 1", "format = 2")).unwrap();
    let before = everything(&desk.root());
    assert_snapshot!(told(&desk, &["list"]), @"");
    for arguments in [
        &["init"][..],
        &["add", "doc"],
        &["finalize", "run"],
        &["manifest", "doc"],
        &["show", "doc"],
        &["files", "doc"],
        &["diff", "doc", "run"],
        &["cat", "doc:a"],
        &["export", "doc", "out"],
        &["remove", "doc", "--reason", "r"],
        &["restore", "doc"],
        &["verify"],
        &["log"],
        &["replay"],
        &["replay", "--check"],
        &["stats"],
        &["health"],
    ] {
        let line = told(&desk, arguments);
        assert!(line.starts_with("8 ") && line.contains("format 2"), "{arguments:?}: {line}");
    }
    assert_eq!(everything(&desk.root()), before);
    assert!(!desk.path("out").exists());
    // What is no configuration at all.
    fs::write(&config, "format = \n").unwrap();
    assert_snapshot!(told(&desk, &["list"]), @"");
    fs::write(&config, "").unwrap();
    assert_snapshot!(told(&desk, &["list"]), @"");
}

#[test]
fn an_argument_that_is_missing_or_makes_no_sense() {
    let desk = desk();
    assert_snapshot!(told(&desk, &[]), @"");
    assert_snapshot!(told(&desk, &["add"]), @"");
    assert_snapshot!(told(&desk, &["export", "doc"]), @"");
    assert_snapshot!(told(&desk, &["remove", "doc"]), @"");
    assert_snapshot!(told(&desk, &["show"]), @"");
    assert_snapshot!(told(&desk, &["ad", "doc"]), @"");
    assert_snapshot!(told(&desk, &["add", "doc", "--finalise"]), @"");
    assert_snapshot!(told(&desk, &["add", "dog"]), @"");
    assert_snapshot!(told(&desk, &["add", ""]), @"");
    assert_snapshot!(told(&desk, &["add", "doc", "doc/d"]), @"");
    assert_snapshot!(told(&desk, &["add", "-"]), @"");
    assert_snapshot!(told(&desk, &["add", "/"]), @"");
    assert_snapshot!(told(&desk, &["add", "store"]), @"");
    assert_snapshot!(told(&desk, &["add", "doc", "--name", "a b"]), @"");
    assert_snapshot!(told(&desk, &["add", "doc", "--class", "forever"]), @"");
    assert_snapshot!(told(&desk, &["add", "doc", "--meta", "novalue"]), @"");
    assert_snapshot!(told(&desk, &["add", "doc", "--exclude", "[a"]), @"");
    assert_snapshot!(told(&desk, &["cat", "doc:a", "--range", "9-1"]), @"");
    assert_snapshot!(told(&desk, &["cat", "doc:a", "--range", "5-"]), @"");
    assert_snapshot!(told(&desk, &["list", "--limit", "many"]), @"");
    assert_snapshot!(told(&desk, &["manifest", "doc", "--format", "xml"]), @"");
    assert_snapshot!(told(&desk, &["export", "doc", "doc"]), @"");
    assert_snapshot!(told(&desk, &["verify", "--wait", "soon"]), @"");
    assert_snapshot!(told(&desk, &["completions", "cmd"]), @"");
}

#[test]
fn who_may_not_hears_of_it() {
    let desk = desk();
    let someone = desk.mortal();
    // The store belongs to another, and is closed.
    let closed = desk.path("closed");
    tree(&closed, &[("secret", b"s")]);
    fs::set_permissions(desk.root(), PermissionsExt::from_mode(0o000)).unwrap();
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
    assert_snapshot!(shown(&desk, someone.run(["list"])), @"");
    assert_snapshot!(shown(&desk, someone.run(["add", "doc"])), @"");
    assert_snapshot!(shown(&desk, someone.run(["init", "--root", "closed/store"])), @"");
    fs::set_permissions(desk.root(), PermissionsExt::from_mode(0o700)).unwrap();
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o755)).unwrap();
}

/// The commands that change nothing work, those that would change something say why they cannot.
#[track_caller]
fn check_read_only(run: &dyn Fn(&[&str]) -> Said) {
    let reading: [&[&str]; 14] = [
        &["list"],
        &["show", "doc"],
        &["files", "doc"],
        &["manifest", "doc"],
        &["manifest", "doc", "--format", "sha256sums"],
        &["diff", "doc", "run"],
        &["cat", "doc:a"],
        &["log"],
        &["stats"],
        &["health"],
        &["verify"],
        &["verify", "--quick"],
        &["replay", "--check"],
        &["list", "--json"],
    ];
    for arguments in reading {
        let said = run(arguments);
        let code = if arguments[0] == "diff" { 9 } else { 0 };
        assert_eq!((said.code, said.err.as_str()), (code, ""), "{arguments:?}: {said:#?}");
    }
    let verified = run(&["verify"]).out;
    assert!(verified.contains("sound") && verified.contains("not recorded"), "{verified}");
    assert!(run(&["health"]).out.contains("writable  no"));
    for arguments in
        [&["add", "doc"][..], &["finalize", "run"], &["remove", "run", "--reason", "r"], &["replay"]]
    {
        let said = run(arguments);
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{arguments:?}: {said:#?}");
        assert!(said.err.contains("/store"), "the root is named: {said:#?}");
    }
}

#[test]
fn a_store_that_may_only_be_read_is_read() {
    let desk = desk();
    let someone = desk.mortal();
    let chmod = |directories: u32, files: u32| {
        for entry in walkdir::WalkDir::new(desk.root()).contents_first(true) {
            let entry = entry.unwrap();
            let mode = if entry.file_type().is_dir() { directories } else { files };
            fs::set_permissions(entry.path(), PermissionsExt::from_mode(mode)).unwrap();
        }
    };
    chmod(0o555, 0o444);
    let before = everything(&desk.root());
    check_read_only(&|arguments| someone.run(arguments));
    let said = someone.run(["add", "doc"]);
    assert_snapshot!(shown(&desk, said), @"");
    assert_eq!(everything(&desk.root()), before);
    chmod(0o700, 0o600);
}

#[test]
fn a_store_on_read_only_media_is_read() {
    let desk = desk();
    let root = desk.root();
    // A mount of its own, which goes with its process.
    let script = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && shift && exec "$@""#;
    let mounted = |arguments: &[&str]| {
        let plain = desk.command(arguments);
        let mut command = Command::new("unshare");
        if !rustix::process::getuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--mount", "sh", "-c", script]).arg(&root).arg("-");
        command.arg(plain.get_program()).args(plain.get_args()).current_dir(desk.path(""));
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    };
    let probe = mounted(&["--version"]).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no read-only mount is to be had here: {probe:?}");
        return;
    }
    let before = everything(&root);
    check_read_only(&|arguments| said(mounted(arguments)));
    assert_snapshot!(shown(&desk, said(mounted(&["add", "doc"]))), @"");
    assert_eq!(everything(&root), before);
    // With a write-ahead log that nobody may bring in, too.
    let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    let count = "SELECT count(*) FROM events";
    let _: i64 = db.query_row(count, [], |row| row.get(0)).unwrap();
    desk.ok(["finalize", "run"]);
    assert!(root.join("astore.db-wal").metadata().unwrap().len() > 0, "the connection keeps it");
    let shown = said(mounted(&["show", "run"]));
    assert!(shown.code == 0 && shown.out.contains("finalized"), "{shown:#?}");
    check_read_only(&|arguments| said(mounted(arguments)));
    drop(db);
}
