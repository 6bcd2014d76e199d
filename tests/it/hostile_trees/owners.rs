//! Stores and their users are not always each other's: somebody else owns it, shares it, or is root and only helps.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::cli::{Desk, Said, said};
use crate::support::oracle;
use crate::support::store::tree;

const NOBODY: u32 = 65_534;

/// What an operator does to a store, with `t` as its tree: each succeeds, in this order.
const DAY: [&[&str]; 20] = [
    &["add", "t", "--finalize"],
    &["add", "t", "--name", "open"],
    &["finalize", "open"],
    &["add", "u", "--finalize"],
    &["list"],
    &["show", "t"],
    &["cat", "t:f"],
    &["verify"],
    &["verify", "--both"],
    &["pin", "mine", "t"],
    &["unpin", "mine"],
    &["retain", "t", "--hold", "--reason", "wait"],
    &["retain", "t", "--release", "--reason", "done"],
    &["remove", "u", "--reason", "no more"],
    &["gc", "--min-age", "0s"],
    &["gc", "--confirm", "--yes", "--min-age", "0s"],
    &["replay"],
    &["recover"],
    &["health"],
    &["replay", "--check"],
];

fn trees(desk: &Desk) {
    tree(&desk.path("t"), &[("f", b"content"), ("d/g", b"more")]);
    tree(&desk.path("u"), &[("f", b"of another one")]);
    for name in ["t", "u", "t/d"] {
        fs::set_permissions(desk.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Makes the root, empty, and gives it to another user.
fn give_root_to_nobody(desk: &Desk) {
    fs::create_dir(desk.root()).unwrap();
    chown(desk.root(), Some(NOBODY), Some(NOBODY)).unwrap();
}

fn is_root() -> bool {
    let is_root = rustix::process::getuid().is_root();
    if !is_root {
        eprintln!("skipped: only root can be two users");
    }
    is_root
}

/// Everything under a root belongs to this user, and has the modes of the specification.
#[track_caller]
fn check_owned(root: &Path, what: &[&str]) {
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.unwrap();
        let found = entry.path().symlink_metadata().unwrap();
        let at = format!("{what:?} leaves {}", entry.path().display());
        assert_eq!((found.uid(), found.gid()), (NOBODY, NOBODY), "{at}");
        let mode = found.mode() & 0o7777;
        let is_object = entry.path().starts_with(root.join("blake3"));
        let right = match (found.is_dir(), is_object) {
            (true, _) => mode == 0o700,
            (false, true) => mode == 0o444,
            (false, false) => mode == 0o600 || mode == 0o400,
        };
        assert!(right, "{at} with mode {mode:o}");
    }
}

#[test]
fn a_root_users_command_leaves_nothing_that_the_owner_cannot_write() {
    if !is_root() {
        return;
    }
    let desk = Desk::without_store();
    trees(&desk);
    let owner = desk.mortal();
    // Root makes it for somebody: what counts is whose the directory is.
    give_root_to_nobody(&desk);
    desk.ok(["init"]);
    check_owned(&desk.root(), &["init"]);
    owner.run(["add", "t", "--name", "before"]).expect(0);
    for umask in ["022", "077", "000"] {
        for arguments in DAY {
            let ours = desk.command(arguments);
            let mut command = Command::new("sh");
            command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]).arg(ours.get_program());
            command.args(ours.get_args()).env_clear().current_dir(desk.path("."));
            command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
            said(command).expect(0);
            check_owned(&desk.root(), arguments);
        }
        // And the owner goes on with it, as ever.
        for arguments in DAY {
            owner.run(arguments).expect(0);
        }
        check_owned(&desk.root(), &["its owner"]);
    }
    assert_eq!(owner.run(["show", "before"]).code, 0);
}

/// Every name under a root, with all that a change of it would change.
fn state(root: &Path) -> Vec<(std::path::PathBuf, u32, u64, i64, i64)> {
    let entries = walkdir::WalkDir::new(root).sort_by_file_name();
    let look = |entry: walkdir::DirEntry| {
        let found = entry.path().symlink_metadata().unwrap();
        (entry.path().to_owned(), found.mode(), found.ino(), found.ctime(), found.ctime_nsec())
    };
    entries.into_iter().map(|entry| look(entry.unwrap())).collect()
}

const WRITING: [&str; 10] =
    ["add", "finalize", "remove", "restore", "pin", "unpin", "retain", "recover", "init", "replay"];

fn is_writing(arguments: &[&str]) -> bool {
    WRITING.contains(&arguments[0]) && arguments != ["replay", "--check"] || arguments.contains(&"--confirm")
}

#[test]
fn a_store_that_may_be_read_and_not_written_is_answered_from_and_left_as_it_is() {
    if !is_root() {
        return;
    }
    let desk = Desk::new();
    trees(&desk);
    for arguments in
        [&["add", "t", "--finalize"][..], &["add", "u", "--finalize"], &["add", "t", "--name", "open"]]
    {
        desk.ok(arguments);
    }
    let someone = desk.mortal();
    for entry in walkdir::WalkDir::new(desk.root()) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        let bits = if entry.file_type().is_dir() { 0o055 } else { 0o044 };
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode | bits)).unwrap();
    }
    let before = state(&desk.root());
    for arguments in DAY {
        let theirs = someone.run(arguments);
        if is_writing(arguments) {
            assert_eq!(theirs.code, 1, "{arguments:?}: {theirs:#?}");
            assert!(theirs.err.contains("ermission denied"), "{arguments:?}: {theirs:#?}");
        } else {
            let ours = desk
                .run([arguments, if arguments[0] == "verify" { &["--no-record"][..] } else { &[] }].concat());
            assert_eq!(theirs.code, ours.code, "{arguments:?}: {theirs:#?}");
            let varies = ["gc", "health", "verify"].contains(&arguments[0]);
            assert!(varies || theirs.out == ours.out, "{arguments:?}: {theirs:#?} instead of {ours:#?}");
        }
    }
    // Root's own commands, between, changed nothing but what SQLite keeps beside the database.
    let kept = |state: Vec<(std::path::PathBuf, u32, u64, i64, i64)>| -> Vec<_> {
        state
            .into_iter()
            .filter(|(path, ..)| path.is_file() && !path.to_string_lossy().contains("astore.db"))
            .collect()
    };
    assert_eq!(kept(state(&desk.root())), kept(before));
    // Not even looked at: one line, and no guess.
    fs::set_permissions(desk.root(), fs::Permissions::from_mode(0o700)).unwrap();
    for arguments in DAY {
        let theirs = someone.run(arguments);
        assert_eq!((theirs.code, theirs.err.lines().count()), (1, 1), "{arguments:?}: {theirs:#?}");
        assert!(theirs.err.contains("ermission denied"), "{arguments:?}: {theirs:#?}");
    }
}

/// A command of one of two users who have nothing in common but a group, whatever umask he has.
fn member(desk: &Desk, user: u32, umask: &str, arguments: &[&str]) -> Said {
    let theirs = desk.mortal();
    let theirs = theirs.command(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]).arg(theirs.get_program());
    command.args(theirs.get_args()).env_clear().current_dir(desk.path("."));
    command.envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // The standard library lets go of all other groups by itself.
    command.uid(user).gid(60_000);
    said(command)
}

#[test]
fn a_group_shares_a_store_whatever_umask_its_members_have() {
    if !is_root() {
        return;
    }
    for sticky in [false, true] {
        let desk = Desk::without_store();
        trees(&desk);
        drop(desk.mortal());
        fs::create_dir(desk.root()).unwrap();
        chown(desk.root(), Some(1), Some(60_000)).unwrap();
        member(&desk, 1, "077", &["init", "--shared"]).expect(0);
        if sticky {
            // Nobody may delete what is another's.
            for entry in walkdir::WalkDir::new(desk.root()) {
                let entry = entry.unwrap();
                if entry.file_type().is_dir() {
                    fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o3770)).unwrap();
                }
            }
        }
        for (turn, (user, umask)) in
            [(1, "077"), (NOBODY, "077"), (1, "022"), (NOBODY, "000")].into_iter().enumerate()
        {
            for arguments in DAY {
                let said = member(&desk, user, umask, arguments);
                let at = format!("{turn}, {arguments:?}, sticky: {sticky}: {said:#?}");
                if !sticky {
                    assert_eq!(said.code, 0, "{at}");
                } else {
                    assert!([0, 1, 4, 7].contains(&said.code) && !said.err.contains("panicked"), "{at}");
                }
            }
        }
        oracle::check_names(&desk.root()).unwrap();
        desk.ok(["verify", "--no-record"]);
    }
}

#[test]
fn an_object_that_nobody_may_read_is_named_and_healed() {
    if !is_root() {
        return;
    }
    let desk = Desk::without_store();
    trees(&desk);
    let owner = desk.mortal();
    give_root_to_nobody(&desk);
    owner.run(["init"]).expect(0);
    owner.run(["add", "t", "--finalize"]).expect(0);
    let object = oracle::file_of(&desk.root(), b"content");
    fs::set_permissions(&object, fs::Permissions::from_mode(0o000)).unwrap();
    let refused = owner.run(["cat", "t:f"]);
    assert!([1, 4].contains(&refused.code) && refused.err.contains("ermission denied"), "{refused:#?}");
    let found = owner.run(["verify"]);
    assert!(
        found.code == 4 && found.out.contains(object.file_name().unwrap().to_str().unwrap()),
        "{found:#?}"
    );
    let exported = owner.run(["explain", "t:f", "--read"]);
    assert_eq!(exported.code, 4, "{exported:#?}");
    owner.run(["add", "t", "--finalize", "--no-cache"]).expect(0);
    assert_eq!(owner.run(["cat", "t:f"]).expect(0), "content");
    owner.run(["verify"]).expect(0);
    check_owned(&desk.root(), &["healing"]);
}

/// An object that is another name of a file outside: healing replaces the name, and leaves the file alone.
#[test]
fn a_hard_link_to_a_file_outside_is_never_written_through() {
    let desk = Desk::new();
    trees(&desk);
    desk.ok(["add", "t", "--finalize"]);
    let object = oracle::file_of(&desk.root(), b"content");
    let outside = desk.path("precious");
    fs::write(&outside, "precious").unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o640)).unwrap();
    fs::remove_file(&object).unwrap();
    fs::hard_link(&outside, &object).unwrap();
    desk.expect(4, ["cat", "t:f"]);
    desk.expect(4, ["verify"]);
    desk.ok(["add", "t", "--finalize", "--no-cache"]);
    desk.check_sound();
    let found = fs::metadata(&outside).unwrap();
    assert_eq!(
        (fs::read(&outside).unwrap(), found.mode() & 0o7777, found.nlink()),
        (b"precious".to_vec(), 0o640, 1)
    );
    // In a source it is a file like any other, and gc takes the name that it has in the store alone.
    fs::hard_link(&outside, desk.path("t/linked")).unwrap();
    desk.ok(["add", "t", "--name", "linked", "--finalize"]);
    desk.ok(["remove", "linked", "--reason", "no more"]);
    desk.ok(["gc", "--confirm", "--yes", "--min-age", "0s"]);
    assert_eq!(fs::read(&outside).unwrap(), b"precious");
}

/// Whoever may not learns who may, and on what.
#[test]
fn who_is_kept_out_learns_by_what() {
    if !is_root() {
        return;
    }
    let desk = Desk::without_store();
    trees(&desk);
    let owner = desk.mortal();
    give_root_to_nobody(&desk);
    owner.run(["init"]).expect(0);
    owner.run(["add", "t", "--finalize"]).expect(0);
    let root = desk.root().display().to_string();
    let mode = |mode| fs::set_permissions(desk.root(), fs::Permissions::from_mode(mode)).unwrap();

    // SQLite writes beside its file as well.
    mode(0o500);
    for arguments in [&["add", "t"][..], &["remove", "t", "--reason", "r"], &["replay"], &["gc", "--confirm"]]
    {
        let said = owner.run(arguments);
        assert!(said.err.contains(&format!("{root}/astore.db")), "{said:#?}");
        assert!(said.err.contains(&format!("see its modes with 'ls -ld {root} {root}/*'")), "{said:#?}");
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{said:#?}");
    }
    mode(0o700);
    chown(desk.root(), Some(NOBODY - 1), Some(NOBODY - 1)).unwrap();
    for (bits, arguments) in [(0o700, ["list"]), (0o755, ["list"]), (0o700, ["verify"])] {
        mode(bits);
        let config = desk.root().join("astore.toml");
        chown(config, Some(NOBODY - 1), Some(NOBODY - 1)).unwrap();
        let said = owner.run(arguments);
        assert!(said.err.contains("Permission denied"), "{said:#?}");
        assert!(said.err.contains(&format!("{root} belongs to user 65533: ")), "{said:#?}");
        assert!(said.err.contains("(sudo -u \\#65533 astore"), "{said:#?}");
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{said:#?}");
    }
}
