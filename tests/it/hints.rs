//! Somebody does what other tools would have done for him, or meets what is nobody's fault: the line that he gets says
//! what to do, and that is right.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::cli::{Desk, Said};
use crate::support::store::tree;
use crate::support::trees::everything;

/// A desk with two finalised versions of `doc`.
fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("doc"), &[("a", b"1"), ("d/b", b"2")]);
    desk.ok(["add", "doc", "--finalize"]);
    desk.ok(["add", "doc", "--finalize", "--meta", "again=1"]);
    desk
}

/// The one line that a command says which fails with this code.
#[track_caller]
fn told(desk: &Desk, code: i32, said: Said) -> String {
    assert_eq!((said.code, said.out.as_str(), said.err.lines().count()), (code, "", 1), "{said:#?}");
    said.err.replace(desk.path("").to_str().unwrap().trim_end_matches('/'), "~")
}

#[test]
fn who_wants_to_see_first_what_would_be_removed_sees_it() {
    let desk = desk();
    let before = everything(&desk.root());
    let said = desk.run(["remove", "doc@1", "doc@1", "--dry-run"]);
    assert_eq!((said.code, said.out.as_str()), (0, "doc@1\n"), "{said:#?}");
    assert_eq!(said.err, "astore: nothing is changed; these would be removed:\n");
    desk.ok(["remove", "doc@2", "doc@1", "--dry-run", "--reason", "to be typed again without the other"]);
    let json: serde_json::Value =
        serde_json::from_str(&desk.ok(["remove", "doc@2", "--dry-run", "--json"])).unwrap();
    assert_eq!((&json["dry_run"], &json["packages"][0]["reference"]), (&true.into(), &"doc@2".into()));
    // And hears what the removal would have said.
    let line = told(&desk, 2, desk.run(["remove", "doc", "--dry-run"]));
    assert!(line.contains("\"doc\" means several packages: doc@2, doc@1"), "{line}");
    let line = told(&desk, 7, desk.run(["remove", "dog", "--dry-run"]));
    assert!(line.contains("no package \"dog\""), "{line}");
    assert_eq!(desk.ok(["list", "--quiet"]).lines().count(), 2);
    let touched: Vec<_> = everything(&desk.root()).into_iter().filter(|now| !before.contains(now)).collect();
    assert!(touched.iter().all(|now| !format!("{now:?}").contains("log/")), "{touched:?}");
}

#[test]
fn a_list_that_names_a_symlink_and_what_is_behind_it_is_told_of() {
    let desk = desk();
    symlink("d", desk.path("doc/l")).unwrap();
    fs::write(desk.path("list"), "doc\ndoc/l\ndoc/l/b\ndoc/d/b\n").unwrap(); // find -L
    let line = told(&desk, 2, desk.run(["add", "--files-from", "list", "--name", "x"]));
    assert!(
        line.starts_with("astore: the list names doc/l, which is a symlink, and what is behind it; "),
        "{line}"
    );
    // Either advice is right: what is behind alone, or the symlink alone.
    fs::write(desk.path("list"), "doc/l/b\ndoc/d/b\n").unwrap();
    desk.ok(["add", "--files-from", "list", "--name", "x"]);
    fs::write(desk.path("list"), "doc\ndoc/l\ndoc/d/b\n").unwrap();
    desk.ok(["add", "--files-from", "list", "--name", "x"]);
    assert!(desk.ok(["files", "x@1"]).contains("doc/l/b") && !desk.ok(["files", "x@2"]).contains("doc/l/b"));
}

#[test]
fn the_description_that_is_closed_is_the_file_that_is_named() {
    let desk = desk();
    let someone = desk.mortal();
    if someone.is_another() {
        for entry in walkdir::WalkDir::new(desk.root()) {
            std::os::unix::fs::lchown(entry.unwrap().path(), Some(65_534), Some(65_534)).unwrap();
        }
    }
    for (part, mode, advice) in [("astore.toml", 0o600, "u+rw"), ("log", 0o700, "u+rwx")] {
        let path = desk.root().join(part);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
        let line = told(&desk, 1, someone.run(["add", "doc"]));
        let expected = format!(
            "; ~/store/{part} is yours, and its modes do not let you: 'chmod {advice} ~/store/{part}'\n"
        );
        assert!(line.ends_with(&expected), "{line}");
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
}

#[test]
fn nothing_is_made_inside_of_a_store() {
    let desk = desk();
    symlink("store/tmp", desk.path("way")).unwrap();
    let before = everything(&desk.root());
    for inside in ["store/blake3", "store/log", "store/tmp/a/b", "store/other", "way/new", "way"] {
        let line = told(&desk, 2, desk.run(["init", "--root", inside]));
        assert_eq!(
            line,
            format!("astore: ~/{inside} is inside the store at ~/store; name a directory elsewhere\n")
        );
        let line = told(&desk, 2, desk.run(["man", "--out", inside]));
        assert!(line.starts_with(&format!("astore: {inside} belongs to the store at ~/store; ")), "{line}");
    }
    let line = told(&desk, 2, desk.run(["man", "--out", "store"]));
    assert!(line.contains("store belongs to the store at "), "{line}");
    assert_eq!(everything(&desk.root()), before);
    // A store of a later format is one, and a description that is somebody else's makes none.
    let config = desk.root().join("astore.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("format = 1", "format = 2")).unwrap();
    told(&desk, 2, desk.run(["init", "--root", "store/log/x"]));
    fs::write(desk.path("astore.toml"), "[settings]\n").unwrap();
    desk.ok(["init", "--root", "beside"]);
}

#[test]
fn a_home_that_no_shell_put_there_is_no_directory() {
    let desk = desk();
    for line in [&["init", "--root=~/s"][..], &["--root=~/s", "list"], &["add", "doc", "--root", "~/s"]] {
        let line = told(&desk, 2, desk.run(line));
        assert_eq!(
            line,
            "astore: --root is '~/s', and no such directory is here; a shell puts your home in the place of ~ only where \
             a word begins with it: write --root ~/s or --root=$HOME/s\n"
        );
    }
    let mut command = desk.command(["init"]);
    command.env("ASTORE_ROOT", "~/s");
    let line = told(&desk, 2, crate::support::cli::said(command));
    let expected = "astore: ASTORE_ROOT is '~/s', and no such directory is here; ";
    assert!(line.starts_with(expected) && line.ends_with(": write ASTORE_ROOT=$HOME/s\n"), "{line}");
    assert!(!desk.path("~").exists());
    // Whoever means it can say so, and whoever has it already goes on.
    desk.ok(["init", "--root", "./~/s"]);
    desk.ok(["list", "--root=~/s"]);
}
