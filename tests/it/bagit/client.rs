//! bagit.py, the client of the Library of Congress, judges the bags that we write and writes some that we take. Where it is
//! not to be had the stories say so; `.ci/run` installs it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use super::mixed_tree;
use crate::support::cli::{Desk, Said, said};
use crate::support::store::tree;

/// Runs bagit.py, if it is here.
fn bagit(arguments: &[&str], directory: &Path) -> Option<Said> {
    let named = std::env::var("ASTORE_TEST_PYTHON").ok().filter(|python| !python.is_empty());
    let python = |name: &str| {
        let mut found = Command::new(name);
        found.args(["-c", "import bagit"]);
        found.output().is_ok_and(|found| found.status.success())
    };
    let Some(python) = named.into_iter().chain(["python3".to_owned()]).find(|name| python(name)) else {
        eprintln!("skipped: there is no bagit.py (pip install bagit)");
        return None;
    };
    let mut command = Command::new(python);
    command.args(["-m", "bagit"]).args(arguments).arg(directory);
    Some(said(command))
}

#[track_caller]
fn check_valid(bag: &Path) -> bool {
    let Some(judged) = bagit(&["--validate"], bag) else { return false };
    assert!(judged.code == 0 && judged.err.ends_with("bag is valid\n"), "{judged:#?}");
    true
}

/// Out as a bag, valid to the client, and in again as what it was.
#[track_caller]
fn check_round_trip(desk: &Desk, name: &str) {
    desk.ok(["export", name, "--bagit", "bag"]);
    check_valid(&desk.path("bag"));
    desk.ok(["add", "--finalize", "--outside-links", "--bagit", "bag", "--name", "back"]);
    assert_eq!(desk.fact("back", "content"), desk.fact(name, "content"));
}

#[test]
fn the_client_accepts_a_hostile_tree() {
    let desk = Desk::new();
    mixed_tree(&desk);
    let at = desk.path("tree");
    let deep = format!("{}x", "deep/".repeat(100));
    let names = [
        "-rf",
        "--help",
        "-",
        "*",
        "*star",
        "~",
        "~root",
        "#",
        " ",
        "\\",
        "back\\slash",
        "\\x41",
        "'\"`$(x)",
        "100%",
        "%41",
        "%2",
        "tab\tbell\x07",
        "\n",
        "\r",
        "\r\n",
        "two\n\nlines",
        "...",
        "a ..",
        "\u{1f600}",
        "caf\u{e9}",
        "K",
        "manifest-sha256.txt",
        "data",
        "bagit.txt",
        "x\u{1f}y",
        &deep,
    ];
    let mut refused = 0;
    for name in names {
        if name.ends_with([' ', '\t']) {
            refused += 1;
            continue; // refused by export, see names_that_a_bag_would_lose
        }
        tree(&at, &[(&*format!("at/{name}"), name.as_bytes())]);
        if !name.contains('/') {
            tree(&at, &[(&*format!("in/{name}/f"), name.as_bytes())]);
        }
    }
    assert_eq!(refused, 1);
    tree(&at, &[("in/ends in space /f", b"f"), ("large", &vec![7; 3 << 20])]);
    symlink("../../outside", at.join("climbs")).unwrap();
    fs::set_permissions(at.join("large"), fs::Permissions::from_mode(0o400)).unwrap();
    desk.ok(["add", "tree", "--finalize", "--mtime"]);
    check_round_trip(&desk, "tree");
    desk.check_sound();
}

#[test]
fn the_client_accepts_thousands_of_files() {
    let desk = Desk::new();
    for nth in 0..3000 {
        let path = format!("tree/{}/{}/file {nth}", nth % 7, nth % 50);
        fs::create_dir_all(desk.path(&path).parent().unwrap()).unwrap();
        fs::write(desk.path(&path), format!("content {}", nth % 1000)).unwrap();
    }
    desk.ok(["add", "tree", "--finalize"]);
    check_round_trip(&desk, "tree");
}

#[test]
fn the_client_accepts_a_package_of_no_files() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("tree/empty")).unwrap();
    desk.ok(["add", "tree", "--finalize"]);
    check_round_trip(&desk, "tree");
}

/// What any reader of BagIt may take for a line end is one to none of them.
#[test]
fn the_client_reads_the_metadata_as_they_were_given() {
    let desk = Desk::new();
    tree(&desk.path("tree"), &[("a", b"one")]);
    let value = "one\u{2028}Payload-Oxum: 0.0\u{85}no colon\n\n \nx\u{1c}y: z\r\nSource-Organization: forged";
    desk.ok([
        "add",
        "tree",
        "--finalize",
        "--meta",
        &format!("k={value}"),
        "--meta",
        "Source-Organization=ours",
    ]);
    check_round_trip(&desk, "tree");
}

#[test]
fn bags_of_the_client_are_taken() {
    for (nth, algorithms) in
        [&["--sha256", "--md5"][..], &["--sha512"], &["--sha256", "--sha512"]].iter().enumerate()
    {
        let desk = Desk::new();
        tree(
            &desk.path("tree"),
            &[("a", b"one"), ("d/b c", b"two"), ("d/new\nline", b"three"), ("p%25%", b"4"), ("e/", b"")],
        );
        desk.ok(["add", "tree", "--finalize"]);
        let told = [*algorithms, &["--contact-name", "Kim", "--external-identifier", "urn:no name"]].concat();
        let Some(made) = bagit(&told, &desk.path("tree")) else { return };
        assert_eq!(made.code, 0, "{made:#?}");
        let added = desk.run(["add", "--finalize", "--bagit", "tree"]);
        assert!(added.code == 0 && added.out.starts_with("tree@2 "), "{added:#?}");
        assert_eq!(desk.fact("tree@2", "content"), desk.fact("tree@1", "content"), "{algorithms:?}");
        assert_eq!(desk.fact("tree@2", "bag-info.Contact-Name ="), "Kim");
        let is_told = added.err.contains(" was not used: the bag was checked by another list");
        assert_eq!(is_told, nth != 1, "{added:#?}");
    }
    let desk = Desk::new();
    tree(&desk.path("tree"), &[("a", b"one")]);
    if bagit(&["--md5", "--sha1"], &desk.path("tree")).is_some() {
        let refused = desk.run(["add", "--finalize", "--bagit", "tree"]);
        assert!(
            refused.code == 1 && refused.err.contains("has manifests of md5, sha1 alone"),
            "{refused:#?}"
        );
    }
}
