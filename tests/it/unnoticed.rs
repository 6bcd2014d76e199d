//! Someone in a hurry says what is nearly right. Nothing of it is passed over in silence: it is done, or refused with what to
//! say instead.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::cli::{Desk, said};
use crate::support::store::tree;

fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("tree"), &[("a", b"1")]);
    desk
}

#[test]
fn a_removal_that_is_only_looked_at_names_what_keeps_the_bytes() {
    let desk = desk();
    desk.ok(["add", "tree", "--finalize"]);
    desk.ok(["add", "tree", "--finalize", "--no-cache"]);
    desk.ok(["pin", "keep", "tree@1", "--reason", "audit"]);
    for line in [&["remove", "tree@1", "--dry-run"][..], &["remove", "tree", "--keep", "1", "--dry-run"]] {
        let told = desk.run(line);
        assert_eq!((told.code, &*told.out), (0, "tree@1\n"), "{told:#?}");
        assert!(told.err.ends_with("astore: pin keep keeps the bytes of tree@1: audit\n"), "{told:#?}");
        let document: Value = serde_json::from_str(&desk.ok([line, &["--json"]].concat())).unwrap();
        assert_eq!(document["pinned_by"], serde_json::json!(["keep"]), "{document}");
        assert_eq!(document["kept_by"].as_array().unwrap().len(), 1, "{document}");
        assert_eq!((&document["dry_run"], &document["sequences"]), (&true.into(), &serde_json::json!([])));
    }
    desk.expect(2, ["remove", "tree@1", "--dry-run", "--reason", ""]);
    assert!(desk.ok(["list"]).contains("tree@1"), "nothing was removed");
}

#[test]
fn a_fifo_that_is_named_is_no_empty_package() {
    let desk = desk();
    assert!(Command::new("mkfifo").arg(desk.path("tree/fifo")).status().unwrap().success());
    for (path, is) in [("tree/fifo", "fifo"), ("/dev/null", "character device")] {
        let told = desk.run(["add", "-q", "--finalize", "--keep-going", "--name", "x", path]);
        let expected = format!("astore: {path} is a {is}; what comes out of it is stored by - as a PATH, ");
        assert!(told.code == 2 && told.err.starts_with(&expected), "{told:#?}");
    }
    fs::write(desk.path("list"), "tree/fifo\ntree/a\n").unwrap();
    let listed = ["add", "-q", "--finalize", "--name", "x", "--files-from", "list"];
    let told = desk.run(listed);
    assert!(
        told.code == 1 && told.err.starts_with("astore: cannot read tree/fifo: it is a fifo; "),
        "{told:#?}"
    );
    assert_eq!(desk.ok(["list", "--all"]), "", "no package was made");
    let told = desk.run([&listed[..], &["--keep-going"]].concat());
    assert_ne!(told.code, 0, "{told:#?}");
    assert!(desk.ok(["files", "x"]).contains("tree/a"));
    // In a directory it is skipped.
    let told = desk.run(["add", "tree", "--finalize"]);
    assert!(told.code == 0 && told.err.contains("tree/fifo"), "{told:#?}");
}

#[test]
fn metrics_replace_nothing_of_somebody_else() {
    let desk = desk();
    let file = desk.path("m.prom");
    desk.ok(["health", "--metrics-file", "m.prom"]);
    desk.ok(["health", "--metrics-file", "m.prom"]);
    let ours = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{ours}node_up 1\n")).unwrap();
    for (path, why) in [
        ("m.prom", "there is a file with something else in it"),
        ("{cmd}.prom", "{cmd} stands for nothing; the command's place is {command}"),
        ("-", "metrics go into a file; a file of that name is ./-"),
    ] {
        let told = desk.run(["health", "--metrics-file", path]);
        assert!(told.code == 2 && told.err.contains(&format!(": {why}")), "{told:#?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{ours}node_up 1\n"));
    assert!(!desk.path("-").exists() && !desk.path("{cmd}.prom").exists());
}

#[test]
fn no_store_is_made_inside_of_one_that_is_to_be_mended() {
    let desk = desk();
    desk.ok(["add", "tree", "--finalize"]);
    let file = desk.root().join("astore.toml");
    let text = fs::read_to_string(&file).unwrap();
    let refuses = || {
        for inside in ["store/log/new", "store/new"] {
            let told = desk.run(["init", "--root", inside]);
            assert!(told.code == 2 && told.err.contains(" is inside the store at "), "{told:#?}");
            assert!(!desk.path(inside).exists());
        }
    };
    fs::write(&file, "format = ").unwrap();
    refuses();
    fs::remove_file(&file).unwrap();
    refuses();
    fs::write(&file, text).unwrap();
    refuses();
    // A directory that is called as ours are is no store.
    tree(&desk.path("work"), &[("blake3/README", b"an algorithm"), ("log/app.log", b"")]);
    desk.ok(["init", "--root", "work/new"]);
}

#[test]
fn a_root_within_the_store_is_told_which_one_that_is() {
    let desk = desk();
    let store = desk.root().display().to_string();
    let told = desk.run(["--root", "store/log", "list"]);
    let expected = format!("astore: no store at {store}/log; it is inside the store at {store}: name that");
    assert!(told.code == 8 && told.err.starts_with(&expected), "{told:#?}");
    let told = desk.ok(["--root", "store/log"]);
    assert!(told.contains(&format!("no store: it is inside the one at {store}")), "{told}");
    assert!(told.contains(&format!("astore --root {store}")) && !told.contains("init"), "{told}");
}

#[test]
fn advice_is_about_what_was_typed() {
    let desk = desk();
    let told = |line: &[&str]| {
        let told = desk.run(line);
        assert_eq!(told.code, 2, "{told:#?}");
        told.err
    };
    for line in [&["init", "--shred"][..], &["init", "--clas"]] {
        assert!(!told(line).contains("ASTORE_ROOT"), "{line:?}");
    }
    assert!(told(&["init", "--shred"]).contains("'--shared'"));
    assert!(told(&["init", "there"]).contains("ASTORE_ROOT"));
    assert!(!told(&["add", "-v", "tree"]).contains("./-v"));
    fs::write(desk.path("-v"), "").unwrap();
    assert!(told(&["add", "-v", "tree"]).contains("a file of that name is ./-v;"));
    for line in [["gc", "--dry-run"], ["gc", "-n"]] {
        assert!(told(&line).contains("gc without --confirm changes nothing;"), "{line:?}");
    }
    assert!(told(&["gc", "1234-0-abc"]).contains("--confirm=PLAN"));
    assert!(!told(&["gc", "tree"]).contains("--confirm=PLAN"));
    assert!(!told(&["restore", "tree", "--reason", "x"]).contains("--json"));
    assert!(told(&["help", "lst"]).contains("did you mean 'astore help list'?"));
    assert!(told(&["man", "lst"]).contains("did you mean 'astore man list'?"));
    assert!(
        told(&["add", "--from0", "tree"])
            .contains("--from0 is about a list; name one with --files-from FILE")
    );
}

#[test]
fn a_home_that_is_nowhere_is_no_home() {
    let desk = desk();
    let mut command = desk.command(["add", "tree"]);
    command.env_remove("ASTORE_ROOT").env("HOME", "somewhere");
    let told = said(command);
    let expected = "astore: no place for a store: HOME is no absolute path; name one with --root DIR";
    assert!(told.code == 2 && told.err.starts_with(expected), "{told:#?}");
    assert!(!desk.path("somewhere").exists());
}

#[test]
fn a_version_that_cannot_be_printed_says_what_to_do() {
    let desk = desk();
    for line in ["--version", "--help"] {
        let mut command = desk.command([line]);
        command.stdout(fs::File::options().write(true).open("/dev/full").unwrap());
        let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(1) && told.contains("; make room where the output goes"),
            "{told}"
        );
    }
}
