//! An archive asks for bags (BagIt, RFC 8493), and sends some: what leaves has to satisfy its client, what comes has to be
//! whole before anything is recorded.

mod client;
mod wrong;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use astore::identity::Sha256;

use crate::support::cli::{Desk, said};
use crate::support::oracle::file_of;
use crate::support::store::tree;
use crate::support::trees::{PLAIN, check_same};

/// A tree with what a bag can say, and what it cannot.
fn mixed_tree(desk: &Desk) {
    let at = desk.path("tree");
    tree(&at, &[("a", b"one"), ("d/sp ace%", b"two"), ("d/new\nline\r", b""), ("d/e/", b"")]);
    symlink("../a", at.join("d/link")).unwrap();
    fs::set_permissions(at.join("a"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(at.join("d/e"), fs::Permissions::from_mode(0o500)).unwrap();
}

fn read(path: &Path) -> String {
    String::from_utf8(fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_bag_is_these_files() {
    let desk = Desk::new();
    mixed_tree(&desk);
    let forged = "two\nPayload-Oxum: 0.0\n";
    let meta = ["--meta", "Contact-Name=Kim", "--meta", &format!("note={forged}"), "--meta", "k=v"];
    desk.ok([&["add", "tree", "--finalize", "--mtime"][..], &meta].concat());
    let exported = desk.run(["export", "tree", "--bagit", "bag"]);
    assert_eq!(exported.code, 0, "{exported:#?}");
    let bag = desk.path("bag");
    let digest = Sha256::of(&fs::read(bag.join("tagmanifest-sha256.txt")).unwrap());
    assert_eq!(exported.out, format!("sha256:{digest}\n"));
    insta::assert_snapshot!(exported.err, @"
    astore: exported tree@1 to bag: 3 files, 6 B
    astore: a bag has no symlinks: 1 is not in data/, and only add --bagit brings them back
    astore: a bag lists files alone: 1 empty directory may be lost by other tools
    ");

    insta::assert_snapshot!(read(&bag.join("bagit.txt")), @"
    BagIt-Version: 1.0
    Tag-File-Character-Encoding: UTF-8
    ");
    insta::assert_snapshot!(read(&bag.join("manifest-sha256.txt")), @"
    7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  data/a
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  data/d/new%0Aline%0D
    3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3  data/d/sp ace%
    ");
    let (finalized, manifest) = (desk.fact("tree", "finalized"), desk.fact("tree", "manifest"));
    let day = &finalized[..10];
    let info = read(&bag.join("bag-info.txt"))
        .replace(manifest.split(' ').next().unwrap(), "[manifest]")
        .replace(&desk.fact("tree", "content"), "[content]")
        .replace(day, "[day]")
        .replace(env!("CARGO_PKG_VERSION"), "[version]");
    let info: Vec<&str> = info.lines().filter(|line| !line.starts_with("Astore-Provenance: ")).collect();
    insta::assert_snapshot!(info.join("\n"), @"
    Bag-Software-Agent: astore [version]
    Bagging-Date: [day]
    External-Identifier: tree@1
    Payload-Oxum: 6.3
    Contact-Name: Kim
    Astore-Content-Digest: [content]
    Astore-Manifest-Digest: [manifest]
    Astore-Metadata: k=v
    Astore-Metadata: note=two
      Payload-Oxum: 0.0
    ");
    let ours = desk.command(["manifest", "tree", "--format", "cbor"]).output().unwrap().stdout;
    assert!(fs::read(bag.join("astore/manifest.cbor")).unwrap() == ours);
    let listed = read(&bag.join("tagmanifest-sha256.txt"));
    let listed: Vec<&str> = listed.lines().map(|line| &line[64..]).collect();
    assert_eq!(listed, ["  astore/manifest.cbor", "  bag-info.txt", "  bagit.txt", "  manifest-sha256.txt"]);
    // To other tools its lists are check files.
    let mut check = Command::new("sha256sum");
    check.args(["--quiet", "--strict", "-c", "tagmanifest-sha256.txt"]).current_dir(&bag);
    assert_eq!(said(check).code, 0);

    // The payload is the tree without its symlinks, and the same bag comes again.
    fs::remove_file(desk.path("tree/d/link")).unwrap();
    check_same(&desk.path("tree"), &bag.join("data"), PLAIN);
    desk.ok(["export", "tree", "--bagit", "again"]);
    check_same(&bag, &desk.path("again"), PLAIN);

    let refused = desk.run(["export", "tree", "--bagit", "again"]);
    assert!(refused.code == 2 && refused.err.contains("is not empty"), "{refused:#?}");
    let refused = desk.run(["export", "tree", "--bagit", "store/bag"]);
    assert!(refused.code == 2 && refused.err.contains("is inside the store"), "{refused:#?}");
    desk.ok(["add", "tree", "--name", "open"]);
    let refused = desk.run(["export", "open", "--bagit", "of-open"]);
    assert!(refused.code == 2 && refused.err.contains("astore finalize"), "{refused:#?}");
    assert!(!desk.path("of-open").exists());
}

#[test]
fn a_bag_brings_back_all_that_it_was_made_of() {
    let desk = Desk::new();
    mixed_tree(&desk);
    desk.ok(["add", "tree", "--finalize", "--mtime", "--meta", "k=v"]);
    desk.ok(["export", "tree", "--bagit", "bag"]);
    // Somebody packed it, and lost what a bag does not list.
    fs::remove_dir(desk.path("bag/data/d/e")).unwrap();
    fs::set_permissions(desk.path("bag/data/a"), fs::Permissions::from_mode(0o644)).unwrap();
    let added = desk.run(["add", "--finalize", "--bagit", "bag"]);
    assert!(added.code == 0 && added.out.starts_with("tree@2 "), "named by its identifier: {added:#?}");
    assert_eq!(desk.fact("tree@2", "content"), desk.fact("tree@1", "content"));
    assert_eq!(desk.fact("tree@2", "bag-info.External-Identifier ="), "tree@1");
    assert_eq!(desk.fact("tree@2", "bag-info.Payload-Oxum ="), "6.3");
    let same = desk.run(["add", "--finalize", "--if-changed", "--bagit", "bag", "--name", "tree"]);
    assert!(same.code == 0 && same.err.contains("no new version"), "{same:#?}");
    desk.ok(["export", "tree@2", "out"]);
    check_same(&desk.path("tree"), &desk.path("out"), PLAIN);

    desk.ok(["add", "--bagit", "bag", "--name", "open"]);
    desk.ok(["remove", "open", "--reason", "r"]);
    desk.ok(["add", "tree/a", "--name", "part"]);
    let into = desk.run(["add", "--bagit", "bag", "--package", "part", "--replace", "--finalize"]);
    assert!(into.code == 0 && into.err.contains("lines of bag-info.txt not kept"), "{into:#?}");
    assert_eq!(desk.fact("part", "content"), desk.fact("tree@1", "content"));
    desk.check_sound();
}

/// A symlink that leads out of the tree is nothing that a stranger's bag may bring along unseen.
#[test]
fn a_bag_brings_no_symlink_that_leads_out_unless_it_may() {
    let desk = Desk::new();
    tree(&desk.path("tree"), &[("a", b"one")]);
    symlink("/etc", desk.path("tree/out")).unwrap();
    desk.ok(["add", "tree", "--finalize"]);
    desk.ok(["export", "tree", "--bagit", "bag"]);
    let refused = desk.run(["add", "--finalize", "--bagit", "bag"]);
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.err.contains("the symlink out, which leads out of it, to /etc"), "{refused:#?}");
    assert!(refused.err.contains("--outside-links"), "{refused:#?}");
    desk.ok(["add", "--finalize", "--bagit", "bag", "--outside-links"]);
    assert_eq!(desk.fact("tree@2", "content"), desk.fact("tree@1", "content"));
    let refused = desk.run(["add", "tree", "--outside-links"]);
    assert_eq!(refused.code, 2, "{refused:#?}");
}

#[test]
fn names_that_a_bag_would_lose_are_refused_before_anything_is_written() {
    let desk = Desk::new();
    let names: [&[u8]; 6] =
        [b"caf\xe9", b"end ", b"a%0Ab", b"\x0c", "e\u{301}".as_bytes(), "\u{e9}".as_bytes()];
    fs::create_dir(desk.path("tree")).unwrap();
    for name in names {
        fs::write(desk.path("tree").join(OsStr::from_bytes(name)), name).unwrap();
    }
    // Where there are no files, names cost nothing: a bag does not list them.
    fs::create_dir(desk.path("tree").join(OsStr::from_bytes(b"empty\xff "))).unwrap();
    symlink("end ", desk.path("tree").join(OsStr::from_bytes(b"link\xff "))).unwrap();
    desk.ok(["add", "tree", "--finalize"]);
    let refused = desk.run(["export", "tree", "--bagit", "bag"]);
    assert_eq!((refused.code, &*refused.out), (1, ""), "{refused:#?}");
    insta::assert_snapshot!(
        refused.err.replace(&*desk.root().to_string_lossy(), "[root]"),
        @r"astore: tree@1 has 6 names that no bag can hold: \x0c (it has a character that ends a line), a%0Ab (it has %0A, %0D or %25 in it), caf� (it is not UTF-8) and 3 more; export --tar holds every name (root [root])"
    );
    assert!(!desk.path("bag").exists());
    for name in &names[..5] {
        fs::remove_file(desk.path("tree").join(OsStr::from_bytes(name))).unwrap();
    }
    desk.ok(["add", "tree", "--finalize"]);
    desk.ok(["export", "tree@2", "--bagit", "bag"]);
    desk.ok(["add", "--bagit", "bag", "--finalize"]);
    assert_eq!(desk.fact("tree@3", "content"), desk.fact("tree@2", "content"));
}

#[test]
fn what_is_damaged_makes_no_bag() {
    let desk = Desk::new();
    tree(&desk.path("tree"), &[("a", b"one"), ("b", b"two")]);
    desk.ok(["add", "tree", "--finalize"]);
    fs::remove_file(file_of(&desk.root(), b"two")).unwrap();
    let exported = desk.run(["export", "tree", "--bagit", "bag"]);
    assert_eq!((exported.code, &*exported.out), (4, ""), "{exported:#?}");
    assert!(exported.err.contains("not exported: b: missing"), "{exported:#?}");
    assert!(exported.err.contains("bag is no bag; remove it"), "{exported:#?}");
    assert_eq!(read(&desk.path("bag/data/a")), "one");
    assert!(!desk.path("bag/bagit.txt").exists());
    assert_eq!(desk.run(["add", "--bagit", "bag"]).code, 1);
}
