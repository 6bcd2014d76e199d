//! Someone mistypes, or asks for what is not there, or may not: one clear line says what failed, on what, in
//! which store, and the exit code tells scripts the kind of it. Nothing else happens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use insta::assert_snapshot;

use crate::support::cli::{Desk, Said, said};
use crate::support::store::tree;
use crate::support::trees::everything;

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
    assert_snapshot!(told(&desk, &["show", "dog"]), @r#"7 astore: no package "dog"; did you mean doc? 'astore list --all' shows the packages there are (root ~/store)"#);
    assert_snapshot!(told(&desk, &["export", "doc@7", "out"]), @r#"7 astore: no package "doc@7"; did you mean doc@1? 'astore list --all' shows the packages there are (root ~/store)"#);
    assert_snapshot!(told(&desk, &["show", "not a name"]), @r#"7 astore: no package "not a name"; 'astore list --all' shows the packages there are (root ~/store)"#);
    assert_snapshot!(told(&desk, &["cat", "doc:nothing"]), @r#"7 astore: doc@1 has no path "nothing"; 'astore files doc@1' shows its paths (root ~/store)"#);
    assert_snapshot!(told(&desk, &["cat", "doc:d"]), @r#"2 astore: "d" of doc@1 is a directory, not a file (root ~/store)"#);
    assert_snapshot!(told(&desk, &["cat", "doc"]), @"2 astore: 'doc' is neither REF:PATH nor an address such as blake3:1a2b3c4d");
    assert_snapshot!(told(&desk, &["cat", "blake3:0123456789"]), @"7 astore: no object blake3:0123456789; 'astore explain FILE' tells the address of a file (root ~/store)");
    assert_snapshot!(told(&desk, &["cat", "blake3:012"]), @"2 astore: 'blake3:012' is no address: a prefix needs at least 8 hexadecimal digits, found 3");
    assert_snapshot!(told(&desk, &["manifest", "run"]), @"2 astore: run@1 is open; freeze it with 'astore finalize run@1' (root ~/store)");
    assert_snapshot!(told(&desk, &["diff", "doc", "dog"]), @r#"7 astore: no package "dog"; did you mean doc? 'astore list --all' shows the packages there are (root ~/store)"#);
    assert_snapshot!(told(&desk, &["remove", "dog", "--reason", "r"]), @r#"7 astore: no package "dog"; did you mean doc? 'astore list --all' shows the packages there are (root ~/store)"#);
    assert_snapshot!(told(&desk, &["restore", "doc"]), @"2 astore: doc@1 is not removed; 'astore export doc@1 DEST' writes what is in it (root ~/store)");
    // Versions of a name, where one is meant.
    desk.ok(["add", "doc", "--finalize"]);
    assert_snapshot!(told(&desk, &["remove", "doc", "--reason", "r"]), @r#"2 astore: "doc" means several packages: doc@2, doc@1; name one of them (root ~/store)"#);
    // Ids begin with the time: the first digits of those that were made in the same minute are alike.
    let digits = |reference: &str| desk.fact(reference, "id")[..8].to_owned();
    let alike = digits("doc@2");
    if digits("doc@1") != alike {
        return; // a minute has just ended
    }
    let said = desk.run(["show", &alike]);
    let line = shown(&desk, said).replace(&alike, "<digits>");
    assert_snapshot!(line, @r#"2 astore: "<digits>" means several packages: doc@1, run@1, doc@2; name one of them (root ~/store)"#);
    assert_eq!(desk.expect(0, ["list", "--all", "--quiet"]).lines().count(), 3, "nothing was changed");
}

#[test]
fn what_is_frozen_stays_so() {
    let desk = desk();
    assert_snapshot!(told(&desk, &["finalize", "doc"]), @"2 astore: doc@1 is finalized already (root ~/store)");
    assert_snapshot!(told(&desk, &["finalize", "doc@1"]), @"2 astore: doc@1 is finalized already (root ~/store)");
    assert_snapshot!(told(&desk, &["add", "doc/a", "--package", "doc"]), @"2 astore: doc@1 is finalized already; without --package, add makes a new version (root ~/store)");
    assert_snapshot!(told(&desk, &["add", "doc/a", "--package", "doc@1", "--replace"]), @"2 astore: doc@1 is finalized already; without --package, add makes a new version (root ~/store)");
    desk.ok(["remove", "doc", "--reason", "wrong"]);
    assert_snapshot!(told(&desk, &["show", "doc"]), @"7 astore: every version of doc is removed, doc@1 the last; 'astore restore doc@1' brings it back (root ~/store)");
    assert_snapshot!(told(&desk, &["remove", "doc@1", "--reason", "again"]), @"2 astore: doc@1 is removed already (root ~/store)");
}

#[test]
fn the_same_path_twice() {
    let desk = desk();
    tree(&desk.path("other"), &[("a", b"another"), ("d", b"a file")]);
    assert_snapshot!(told(&desk, &["add", "doc/a", "other/a", "--name", "x"]), @"2 astore: two of the given paths would both be stored as a (root ~/store)");
    assert_snapshot!(told(&desk, &["add", "doc", "doc/", "--name", "x"]), @"2 astore: two of the given paths would both be stored as doc (root ~/store)");
    assert_snapshot!(told(&desk, &["add", "-", "-", "--name", "x"]), @"2 astore: standard input can be read only once (root ~/store)");
    assert_snapshot!(told(&desk, &["add", "doc/d/b", "--package", "run"]), @r#"2 astore: run@1 has "b" already; --replace lets what is added displace it (root ~/store)"#);
    assert_eq!(desk.ok(["list", "--all", "--quiet"]).lines().count(), 2);
}

#[test]
fn a_root_that_is_no_store() {
    let desk = desk();
    assert_snapshot!(told(&desk, &["list", "--root", "nowhere"]), @"8 astore: no store at ~/nowhere; make one with 'astore init' and the same --root");
    assert_snapshot!(told(&desk, &["add", "doc", "--root", "nowhere"]), @"8 astore: no store at ~/nowhere; make one with 'astore init' and the same --root");
    assert!(!desk.path("nowhere").exists(), "a root that was named is made by init alone");
    assert_snapshot!(told(&desk, &["verify", "--root", "doc"]), @"8 astore: no store at ~/doc; make one with 'astore init' and the same --root");
    assert_snapshot!(told(&desk, &["list", "--root", "doc/a"]), @"8 astore: no store at ~/doc/a; make one with 'astore init' and the same --root");
    assert_snapshot!(told(&desk, &["list", "--root", ""]), @"2 astore: a value is required for '--root <DIR>' but none was supplied; see 'astore list --help'");
    assert_snapshot!(told(&desk, &["init", "--root", "doc"]), @"2 astore: ~/doc is not empty: it holds a; name a directory that is missing or empty");
    assert_snapshot!(told(&desk, &["init", "--root", "doc/a"]), @"1 astore: cannot open ~/doc/a: Not a directory (os error 20)");
    let mut command = desk.command(["list"]);
    command.env("ASTORE_ROOT", "nowhere");
    assert_snapshot!(shown(&desk, said(command)), @"8 astore: no store at ~/nowhere; make one with 'astore init'");
    // Where nobody named a root, a path that is not there makes no store.
    let mut command = desk.command(["add", "dog"]);
    command.env_remove("ASTORE_ROOT");
    assert_snapshot!(shown(&desk, said(command)), @"1 astore: cannot read dog: No such file or directory (os error 2) (root ~/.local/share/astore)");
    assert!(!desk.path(".local").exists());
    let mut command = desk.command(["list"]);
    command.env_remove("ASTORE_ROOT").env_remove("HOME");
    assert_snapshot!(shown(&desk, said(command)), @"2 astore: no place for a store: HOME is not set; name one with --root DIR or ASTORE_ROOT");
}

#[test]
fn a_store_of_format_2_is_not_touched() {
    let desk = desk();
    let config = desk.root().join("astore.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("format = 1", "format = 2")).unwrap();
    let before = everything(&desk.root());
    assert_snapshot!(told(&desk, &["list"]), @"8 astore: the store has format 2, and this build knows format 1 only; use the newer astore that made it (root ~/store)");
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
        &["gc"],
        &["gc", "--without", "doc"],
        &["gc", "--confirm"],
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
    assert_snapshot!(told(&desk, &["list"]), @"4 astore: astore.toml is damaged: line 1: string values must be quoted, expected literal string; if somebody edited it, correct that; else put it back from a backup, or move it aside, and 'astore recover' writes it again from the event log, without [defaults] (root ~/store)");
    fs::write(&config, "").unwrap();
    assert_snapshot!(told(&desk, &["list"]), @"4 astore: astore.toml is damaged: `format` is missing; if somebody edited it, correct that; else put it back from a backup, or move it aside, and 'astore recover' writes it again from the event log, without [defaults] (root ~/store)");
}

#[test]
fn an_argument_that_is_missing_or_makes_no_sense() {
    let desk = desk();
    assert_snapshot!(told(&desk, &["add"]), @"2 astore: the following required arguments were not provided: <PATH>...; usage: astore add [OPTIONS] <PATH>...");
    assert_snapshot!(told(&desk, &["export", "doc"]), @"2 astore: the following required arguments were not provided: <DEST>; usage: astore export <REF> <DEST>");
    assert_snapshot!(told(&desk, &["remove", "doc"]), @"2 astore: the following required arguments were not provided: --reason <TEXT>; usage: astore remove [OPTIONS] --reason <TEXT> <REF>...");
    assert_snapshot!(told(&desk, &["show"]), @"2 astore: the following required arguments were not provided: <REF>; usage: astore show <REF>");
    assert_snapshot!(told(&desk, &["ad", "doc"]), @"2 astore: unrecognized subcommand 'ad'; a similar subcommand exists: 'add'; see 'astore --help'");
    assert_snapshot!(told(&desk, &["add", "doc", "--finalise"]), @"2 astore: unexpected argument '--finalise' found; a similar argument exists: '--finalize'; see 'astore add --help'");
    assert_snapshot!(told(&desk, &["add", "dog"]), @"1 astore: cannot read dog: No such file or directory (os error 2) (root ~/store)");
    assert_snapshot!(told(&desk, &["add", ""]), @"2 astore: a value is required for '[PATH]...' but none was supplied; see 'astore add --help'");
    assert_snapshot!(told(&desk, &["add", "doc", "doc/d"]), @"2 astore: several paths give the package no name; give it one with --name NAME");
    assert_snapshot!(told(&desk, &["add", "-"]), @"2 astore: standard input gives the package no name; give it one with --name NAME");
    assert_snapshot!(told(&desk, &["add", "/"]), @"2 astore: / gives the package no name: it is the root directory; give it one with --name NAME");
    assert_snapshot!(told(&desk, &["add", "store"]), @"2 astore: store belongs to the store itself (root ~/store)");
    assert_snapshot!(told(&desk, &["add", "doc", "--name", "a b"]), @"2 astore: invalid value 'a b' for '--name <NAME>': a name is 1 to 128 of the characters A-Z a-z 0-9 . _ + - and does not begin with '.', '+' or '-'; see 'astore add --help'");
    assert_snapshot!(told(&desk, &["add", "doc", "--class", "forever"]), @r#"2 astore: no retention class "forever"; the classes are permanent-record, raw-evidence, release-evidence, summary-evidence, transient (root ~/store)"#);
    assert_snapshot!(told(&desk, &["add", "doc", "--meta", "novalue"]), @"2 astore: invalid value 'novalue' for '--meta <KEY=VALUE>': expected KEY=VALUE, such as commit=1a2b3c; see 'astore add --help'");
    assert_snapshot!(told(&desk, &["add", "doc", "--exclude", "[a"]), @r#"2 astore: cannot understand the pattern "[a": a '[' is not closed; write \[ for the character itself (root ~/store)"#);
    assert_snapshot!(told(&desk, &["cat", "doc:a", "--range", "9-1"]), @"2 astore: invalid value '9-1' for '--range <A-B>': the range ends before it begins; expected A-B or A-, counted from 0 and with both ends included, such as 0-99; see 'astore cat --help'");
    assert_snapshot!(told(&desk, &["cat", "doc:a", "--range", "5-"]), @"2 astore: the range begins at byte 5, and there are 1 bytes (root ~/store)");
    assert_snapshot!(told(&desk, &["list", "--limit", "many"]), @"2 astore: invalid value 'many' for '--limit <N>': expected a number from 1; see 'astore list --help'");
    assert_snapshot!(told(&desk, &["manifest", "doc", "--format", "xml"]), @"2 astore: invalid value 'xml' for '--format <FORMAT>' [possible values: text, json, cbor, sha256sums, b3sums, in-toto]; see 'astore manifest --help'");
    assert_snapshot!(told(&desk, &["export", "doc", "doc"]), @"2 astore: doc is not empty; name a directory that is missing or empty (root ~/store)");
    assert_snapshot!(told(&desk, &["verify", "--wait", "soon"]), @"2 astore: invalid value 'soon' for '--wait <DURATION>': expected an integer with s, m (minutes), h, d or w, such as 90s or 30d; see 'astore verify --help'");
    assert_snapshot!(told(&desk, &["completions", "cmd"]), @"2 astore: invalid value 'cmd' for '<SHELL>' [possible values: bash, zsh, fish]; see 'astore completions --help'");
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
    // Who is told to ask whom depends on who runs the tests; see hostile_trees::owners.
    let told = |arguments: &[&str]| {
        let said = shown(&desk, someone.run(arguments));
        said.split("; ~/store ").next().unwrap_or_default().to_owned()
    };
    assert_snapshot!(told(&["list"]), @"1 astore: cannot open ~/store: Permission denied (os error 13)");
    assert_snapshot!(told(&["add", "doc"]), @"1 astore: cannot open ~/store: Permission denied (os error 13)");
    assert_snapshot!(told(&["init", "--root", "closed/store"]), @"1 astore: cannot open ~/closed/store: Permission denied (os error 13)");
    fs::set_permissions(desk.root(), PermissionsExt::from_mode(0o700)).unwrap();
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o755)).unwrap();
}

/// One part of a store has another owner or other modes, after somebody worked as root there: it is named.
#[test]
fn the_part_that_is_closed_is_named() {
    let desk = desk();
    let someone = desk.mortal();
    if someone.is_another() {
        for entry in walkdir::WalkDir::new(desk.root()) {
            std::os::unix::fs::lchown(entry.unwrap().path(), Some(65_534), Some(65_534)).unwrap();
        }
    }
    let writable = || {
        let health = someone.run(["health"]).out;
        health.lines().find_map(|line| line.strip_prefix("writable")).map(|rest| rest.trim().to_owned())
    };
    assert_eq!(writable().as_deref(), Some("yes"));
    for part in ["blake3", "tmp", "log"] {
        fs::set_permissions(desk.root().join(part), PermissionsExt::from_mode(0o555)).unwrap();
        assert_eq!(writable().as_deref(), Some("no"), "{part}");
        fs::set_permissions(desk.root().join(part), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let database = desk.root().join("astore.db");
    fs::set_permissions(&database, PermissionsExt::from_mode(0o000)).unwrap();
    for arguments in [&["list"][..], &["add", "doc"]] {
        let said = shown(&desk, someone.run(arguments));
        assert!(
            said.contains("~/store/astore.db is yours, and its modes do not let you: 'chmod u+rw "),
            "{said}"
        );
        assert!(!said.contains("full") && !said.contains("cannot create"), "{said}");
    }
    fs::set_permissions(&database, PermissionsExt::from_mode(0o600)).unwrap();
    if someone.is_another() {
        std::os::unix::fs::chown(&database, Some(0), Some(0)).unwrap();
        for arguments in [&["list"][..], &["add", "doc"]] {
            let said = shown(&desk, someone.run(arguments));
            assert!(
                said.contains("~/store/astore.db belongs to user 0, and you may not open it: "),
                "{said}"
            );
            assert!(!said.contains("full") && !said.contains("cannot create"), "{said}");
        }
    }
}

/// The commands that change nothing work, those that would change something say why they cannot.
#[track_caller]
fn check_read_only(run: &dyn Fn(&[&str]) -> Said) {
    let reading: [&[&str]; 16] = [
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
        &["gc", "--min-age", "0s"],
        &["gc", "--without", "doc"],
    ];
    for arguments in reading {
        let said = run(arguments);
        let code = if arguments[0] == "diff" { 9 } else { 0 };
        assert_eq!((said.code, said.err.as_str()), (code, ""), "{arguments:?}: {said:#?}");
    }
    let verified = run(&["verify"]).out;
    assert!(verified.contains("sound") && verified.contains("not recorded"), "{verified}");
    assert!(run(&["health"]).out.contains("writable  no"));
    let writing: [&[&str]; 5] = [
        &["add", "doc"],
        &["finalize", "run"],
        &["remove", "run", "--reason", "r"],
        &["gc", "--confirm"],
        &["replay"],
    ];
    for arguments in writing {
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
    assert_snapshot!(shown(&desk, said), @"1 astore: cannot lock astore.lock: Permission denied (os error 13); only who may write to the store can change it (root ~/store)");
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
    assert_snapshot!(shown(&desk, said(mounted(&["add", "doc"]))), @"1 astore: cannot lock astore.lock: Read-only file system (os error 30); see why its file system is read-only: some are after an error of the disk (root ~/store)");
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

#[test]
fn a_type_that_no_event_has() {
    let desk = desk();
    let said = told(&desk, &["log", "--type", "v1.package.finalised"]);
    assert!(
        said.starts_with(
            "2 astore: no event is a v1.package.finalised, and this build knows no such type; did you mean v1.package.finalized? "
        ),
        "{said}"
    );
    let said = told(&desk, &["log", "--type", "quite-another"]);
    assert!(said.contains("knows no such type; it knows v1.store.created, "), "{said}");
    assert!(
        told(&desk, &["log", "--type", ""]).starts_with("2 astore: --type is empty; name a type, such as ")
    );
    assert!(told(&desk, &["log", "--type", "finalized", "-q"]).starts_with("2 astore: no event is a "));
    assert_eq!(desk.ok(["log", "--type", "v1.pin.added"]), "", "a type there is, and no event of it");
    assert_eq!(desk.ok(["log", "--type", "v1.package.finalized"]).lines().count(), 1);
}

#[test]
fn an_export_that_ends_half_way_says_so_whatever_else_is_not_wanted() {
    let desk = desk();
    let said = desk.run(["export", "doc", "out", "--link", "reflink", "--quiet"]);
    if said.code == 0 {
        return; // btrfs, xfs
    }
    assert!(said.err.contains("out is incomplete; remove it before the next try\n"), "{said:#?}");
    assert_eq!((said.code, said.err.lines().count()), (2, 2), "{said:#?}");
}
