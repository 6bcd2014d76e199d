//! A script writes `REF=$(astore add --finalize --quiet dir)`, and has exactly one usable reference in it, whatever else
//! there was to say.

use crate::support::cli::{Desk, said};
use crate::support::oracle::file_of;
use crate::support::store::tree;

fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("dir"), &[("a", b"1"), ("b", b"2")]);
    desk
}

/// Standard output of `add --quiet` is this reference, and the reference works.
#[track_caller]
fn check(desk: &Desk, arguments: &[&str], code: i32, reference: &str) {
    let said = desk.run(["add", "--quiet", "--finalize"].iter().chain(arguments));
    assert_eq!((said.code, said.out.as_str()), (code, &*format!("{reference}\n")), "{said:#?}");
    desk.ok(["show", said.out.trim_end()]);
}

#[test]
fn whatever_came_of_it() {
    let desk = desk();
    check(&desk, &["dir"], 0, "dir@1");
    check(&desk, &["dir", "--if-changed"], 0, "dir@1");
    check(&desk, &["dir"], 0, "dir@2");
    check(&desk, &["dir", "--exclude", "a", "--exclude-caches"], 0, "dir@3");
    check(&desk, &["--name", "x", "--from-command", "echo", "x"], 0, "x@1");
    desk.ok(["add", "dir", "--name", "open", "--quiet"]);
    check(&desk, &["dir", "--package", "open@1", "--replace"], 0, "open@1");
    // What is skipped is said, and not here.
    assert!(std::process::Command::new("mkfifo").arg(desk.path("dir/fifo")).status().unwrap().success());
    check(&desk, &["dir"], 0, "dir@4");
    std::fs::write(desk.path("list"), "dir/a\ndir/none\n").unwrap();
    check(&desk, &["--name", "x", "--keep-going", "--files-from", "list"], 3, "x@2");
    desk.check_sound();
}

#[test]
fn where_something_was_healed() {
    let desk = desk();
    desk.ok(["add", "dir", "--finalize"]);
    let object = file_of(&desk.root(), b"1");
    for arguments in [&["dir", "--no-cache"][..], &["dir", "--no-cache", "--if-changed"]] {
        std::fs::remove_file(&object).unwrap();
        check(&desk, arguments, 0, "dir@2");
        assert!(object.exists(), "healed");
    }
    desk.check_sound();
}

#[test]
fn where_the_store_had_to_be_made() {
    let desk = Desk::without_store();
    tree(&desk.path("dir"), &[("a", b"1")]);
    let mut command = desk.command(["add", "--finalize", "--quiet", "dir"]);
    command.env_remove("ASTORE_ROOT");
    let said = said(command);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "dir@1\n", ""));
    assert!(desk.path(".local/share/astore/astore.toml").exists());
}

/// After `--` nothing is an option, for any command; and a name may begin with a dash.
#[test]
fn after_two_dashes_nothing_is_an_option() {
    let desk = desk();
    tree(&desk.path("-dir"), &[("-a", b"1")]);
    tree(&desk.path("--help"), &[("b", b"2")]);
    check(&desk, &["--name", "d", "--", "-dir"], 0, "d@1");
    check(&desk, &["--name", "d", "--", "--help", "-dir"], 0, "d@2");
    check(&desk, &["./-dir", "--name", "d"], 0, "d@3");
    assert_eq!(desk.ok(["cat", "--", "d@1:-a"]), "1");
    desk.ok(["export", "--", "d@1", "-out"]);
    assert_eq!(std::fs::read(desk.path("-out/-a")).unwrap(), b"1");
    desk.ok(["diff", "--", "d@1", "./-dir"]);
    desk.ok(["explain", "--", "./-dir/-a"]);
    for command in [
        &["show", "--", "d@1"][..],
        &["files", "--", "d@1"],
        &["manifest", "--", "d@1"],
        &["pin", "--", "p", "d@1"],
        &["unpin", "--", "p"],
        &["retain", "--hold", "--reason", "r", "--", "d@1"],
        &["verify", "--", "d@1"],
        &["remove", "--reason", "r", "--", "d@3"],
        &["restore", "--", "d@3"],
    ] {
        desk.ok(command);
    }
}

/// The same tree is told in the same order, however the file system lists it.
#[test]
fn the_order_is_of_bytes() {
    let desk = desk();
    for name in ["z", "a-", "a.", "B", "\u{e9}"] {
        tree(&desk.path("dir"), &[(name, b"x"), (&format!("sub{name}/{name}"), b"y")]);
    }
    desk.ok(["add", "dir", "--finalize"]);
    let listed = desk.ok(["files", "dir", "-0"]);
    let paths: Vec<_> = listed.split_terminator('\0').collect();
    assert!(paths.is_sorted(), "{paths:?}");
    assert_eq!(paths.len(), 2 + 3 * 5);
}
