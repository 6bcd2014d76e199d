//! Two people archive the same tree on two machines, and want to know that it is the same: from another place,
//! by another user, in another locale, listed in another order, the content digest does not change.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown, symlink};
use std::path::Path;

use crate::support::cli::{Desk, said};

/// What the tree below is called, on every machine and for ever.
const CONTENT: &str = "blake3:3b94b7a56f0e5db59a93a8a9c34d549948438bdb81061ccfab61c1cf7893291d";

/// Makes the tree, its names in this order or the other way round.
fn make(at: &Path, backwards: bool) {
    let mut files: Vec<(String, u32)> = (0..200).map(|number| (format!("many/{number:x}"), 0o644)).collect();
    let named = [
        ("I", 0o644),
        ("i", 0o644),
        ("\u{131}", 0o600),
        ("\u{130}", 0o600),
        ("z\u{e4}hlen", 0o644),
        ("zahlen", 0o644),
        ("Z", 0o755),
        ("a/b", 0o444),
        ("a-b", 0o444),
        ("a.b", 0o444),
        ("a b", 0o444),
    ];
    files.extend(named.iter().map(|&(name, mode)| (name.to_owned(), mode)));
    if backwards {
        files.reverse();
    }
    for (name, mode) in files {
        let path = at.join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("the content of {name}")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
    symlink("a/b", at.join("link")).unwrap();
    fs::create_dir(at.join("empty")).unwrap();
    for directory in ["many", "a", "empty"] {
        fs::set_permissions(at.join(directory), PermissionsExt::from_mode(0o755)).unwrap();
    }
}

fn listed(directory: &Path) -> Vec<std::ffi::OsString> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn place_order_locale_and_time_make_no_difference() {
    let (here, there) = (Desk::new(), Desk::on_disk());
    make(&here.path("tree"), false);
    fs::create_dir_all(there.path("a/long way/from here")).unwrap();
    let far = there.path("a/long way/from here/another name");
    make(&far, true);
    if listed(&here.path("tree/many")) == listed(&far.join("many")) {
        eprintln!("both file systems list in the same order here");
    }
    here.ok(["add", "tree", "--finalize"]);
    assert_eq!(here.fact("tree", "content"), CONTENT);

    there.ok(["init"]);
    for (number, locale) in ["C", "C.UTF-8", "tr_TR.UTF-8", "de_DE.ISO-8859-1", "nonsense"].iter().enumerate()
    {
        let mut command =
            there.command(["add", "--no-cache", "--finalize", "--name", "tree", "--class", "transient"]);
        command.arg(&far).envs([("LC_ALL", locale), ("LANG", locale), ("TZ", &"Asia/Kathmandu")]);
        command.args(["--actor", locale, "--meta", &format!("number={number}")]);
        said(command).expect(0);
        assert_eq!(there.fact(&format!("tree@{}", number + 1), "content"), CONTENT, "{locale}");
    }
    // Times are no content, unless they are asked for.
    fs::File::open(here.path("tree/Z")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    here.ok(["add", "tree", "--finalize"]);
    assert_eq!(here.fact("tree@2", "content"), CONTENT);
    here.ok(["add", "tree", "--finalize", "--mtime"]);
    assert_ne!(here.fact("tree@3", "content"), CONTENT);
    // A mode is.
    fs::set_permissions(here.path("tree/Z"), PermissionsExt::from_mode(0o700)).unwrap();
    here.ok(["add", "tree", "--finalize"]);
    assert_ne!(here.fact("tree@4", "content"), CONTENT);
    // Unchanged content is told so.
    there.ok(["add", far.to_str().unwrap(), "--name", "tree", "--finalize", "--if-changed"]);
    assert_eq!(there.ok(["list", "--quiet"]).lines().count(), 5);
    // Exported and added again it is the same.
    there.ok(["export", "tree", "out"]);
    there.ok(["add", "out", "--finalize"]);
    assert_eq!(there.fact("out", "content"), CONTENT);
}

#[test]
fn two_users_of_one_store_add_the_same() {
    let desk = Desk::without_store();
    let other = desk.mortal();
    if !other.is_another() {
        eprintln!("skipped: only root can be two users");
        return;
    }
    desk.ok(["init", "--shared"]);
    // The group of the store is the other's.
    let group = 65_534;
    for entry in walkdir::WalkDir::new(desk.root()) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode();
        chown(entry.path(), None, Some(group)).unwrap();
        fs::set_permissions(entry.path(), PermissionsExt::from_mode(mode)).unwrap(); // chown takes setgid away
    }
    make(&desk.path("tree"), false);
    fs::set_permissions(desk.path("tree/\u{131}"), PermissionsExt::from_mode(0o604)).unwrap();
    fs::set_permissions(desk.path("tree/\u{130}"), PermissionsExt::from_mode(0o604)).unwrap();
    // In turns: what one leaves behind, the other can write.
    for turn in 1..=3 {
        desk.ok(["add", "tree", "--finalize", "--no-cache"]);
        desk.ok(["verify"]);
        other.run(["add", "tree", "--finalize"]).expect(0);
        other.run(["verify"]).expect(0);
        fs::write(desk.path("tree/new"), format!("{turn}")).unwrap();
        let contents: Vec<String> =
            [2 * turn - 1, 2 * turn].map(|version| desk.fact(&format!("tree@{version}"), "content")).into();
        assert_eq!(contents[0], contents[1]);
    }
    for entry in walkdir::WalkDir::new(desk.root()) {
        let entry = entry.unwrap();
        let stat = entry.metadata().unwrap();
        let name = entry.path().display();
        assert_eq!(stat.gid(), group, "{name} belongs to another group");
        let object = stat.is_file() && entry.path().starts_with(desk.root().join("blake3"));
        assert!(object || stat.mode() & 0o060 == 0o060, "{name} has mode {:o}", stat.mode());
    }
    desk.check_sound();
}
