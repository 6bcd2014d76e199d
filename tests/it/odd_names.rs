//! Someone archives a tree full of oddities, as build machines make them, and wants exactly that tree again:
//! what cannot be kept is said, and what cannot be read is a failure or, where asked for, left out and listed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat};

use crate::support::cli::{Desk, is_slow_run};
use crate::support::trees::{PLAIN, SPECIAL, check_same, check_sums};

fn named(directory: &Path, name: &[u8]) -> PathBuf {
    directory.join(OsStr::from_bytes(name))
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Adds a tree, finalised, exports it again, and has it judged by `diff`, by eye and by the check files.
#[track_caller]
fn check_kept(desk: &Desk, tree: &Path, special: bool) {
    let printed = desk.ok([OsStr::new("add"), tree.as_os_str(), "--finalize".as_ref(), "--quiet".as_ref()]);
    let reference = printed.trim();
    let exported = desk.path(format!("exported-{reference}"));
    let mut arguments = vec![OsStr::new("export"), reference.as_ref(), exported.as_os_str()];
    arguments.extend(special.then_some(OsStr::new("--special-modes")));
    desk.ok(arguments);
    check_same(tree, &exported, if special { SPECIAL } else { PLAIN });
    check_sums(desk, reference, &exported);
    desk.check_sound();
}

#[test]
fn names_are_bytes() {
    let desk = Desk::new();
    let tree = desk.path("tree");
    let names: [&[u8]; 17] = [
        b"-rf",
        b"--help",
        b"-",
        b" ",
        b"ends in space ",
        b"new\nline",
        b"carriage\rreturn",
        b"tab\tbell\x07",
        b"back\\slash",
        b"\\x41",
        b"\xff\xfe",
        b"half a character \xc3",
        "cafe\u{301}".as_bytes(),
        "caf\u{e9}".as_bytes(),
        b"*",
        b"blake3:0123456789",
        b"...",
    ];
    for name in names {
        for directory in [tree.clone(), tree.join("beneath").join(OsStr::from_bytes(name))] {
            fs::create_dir_all(&directory).unwrap();
            fs::write(named(&directory, name), name).unwrap();
        }
    }
    fs::write(named(&tree, &[b'x'; 255]), "255 bytes").unwrap();
    fs::write(named(&tree, &[0x80; 255]), "255 bytes that are no text").unwrap();
    symlink(OsStr::from_bytes(b"\xff\xfe"), named(&tree, b"to \xff")).unwrap();
    check_kept(&desk, &tree, false);
    // Each is reached by its exact bytes, and -0 prints them.
    for name in names {
        let path = [b"tree:", name].concat();
        let printed = desk.command([OsStr::new("cat"), OsStr::from_bytes(&path)]).output().unwrap();
        assert_eq!(printed.stdout, name, "{}", String::from_utf8_lossy(&printed.stderr));
    }
    let printed = desk.command(["files", "tree", "-0"]).output().unwrap().stdout;
    let listed: Vec<&[u8]> = printed.split(|&byte| byte == 0).collect();
    assert!(names.iter().all(|name| listed.contains(name)), "{}", String::from_utf8_lossy(&printed));
    assert!(listed[..listed.len() - 1].is_sorted(), "the order is that of the bytes");
    // What people see is one line for each, whatever the name.
    assert_eq!(desk.ok(["files", "tree"]).lines().count(), listed.len() - 1);
    assert_eq!(desk.expect(0, ["diff", "tree", "./tree"]), "");
}

#[test]
fn links_and_empty_things() {
    let desk = Desk::new();
    let tree = desk.path("tree");
    fs::create_dir_all(tree.join("empty/nested")).unwrap();
    fs::write(tree.join("nothing"), "").unwrap();
    fs::write(tree.join("file"), "content").unwrap();
    fs::hard_link(tree.join("file"), tree.join("empty/same file")).unwrap();
    symlink("nowhere", tree.join("dangling")).unwrap();
    symlink("/etc/hostname", tree.join("absolute")).unwrap();
    symlink("itself", tree.join("itself")).unwrap();
    symlink("..", tree.join("empty/up")).unwrap();
    symlink("x".repeat(4095), tree.join("long")).unwrap();
    check_kept(&desk, &tree, false);
    assert_eq!(desk.fact("tree", "objects"), "2 (7 B)", "two names of one file are one object");
    // The named roots are followed, and only they.
    symlink("tree", desk.path("way in")).unwrap();
    desk.ok(["add", "way in", "--name", "through", "--finalize"]);
    assert_eq!(desk.fact("through", "content"), desk.fact("tree", "content"));
    // Nothing at all is a tree too.
    fs::create_dir(desk.path("void")).unwrap();
    check_kept(&desk, &desk.path("void"), false);
}

#[test]
fn modes_are_kept() {
    let desk = Desk::new();
    let tree = desk.path("tree");
    fs::create_dir_all(tree.join("closed/inner")).unwrap();
    for bits in [0o400, 0o444, 0o755, 0o777, 0o666, 0o4755, 0o2755, 0o6711, 0o1644] {
        let path = tree.join(format!("closed/{bits:o}"));
        fs::write(&path, "same content").unwrap();
        mode(&path, bits);
    }
    for (path, bits) in [("closed/inner", 0o1777), ("closed", 0o2555)] {
        mode(&tree.join(path), bits);
    }
    desk.ok(["add", "tree", "--finalize"]);
    desk.ok(["export", "tree", "plain"]);
    check_same(&tree, &desk.path("plain"), PLAIN);
    let special = crate::support::trees::survey(&desk.path("plain"), 0o7000);
    assert!(
        special
            .values()
            .all(|kept| !format!("{kept:?}").contains("mode") || format!("{kept:?}").contains("mode: 0")),
        "special bits are set only where they were asked for"
    );
    check_kept(&desk, &tree, true);
    // So that whoever is not root can clear the desk.
    for exported in ["tree", "plain", "exported-tree@2"] {
        mode(&desk.path(exported).join("closed"), 0o755);
    }
}

#[test]
fn what_is_no_file_is_skipped_with_a_warning() {
    let desk = Desk::new();
    let tree = desk.path("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), "1").unwrap();
    mknodat(CWD, tree.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    let _listener = UnixListener::bind(tree.join("socket")).unwrap();
    let said = desk.run(["add", "tree", "--finalize"]);
    assert_eq!(said.code, 0, "{said:#?}");
    for (name, kind) in [("fifo", "fifo"), ("socket", "socket")] {
        let warned = said.err.lines().filter(|line| line.contains(&format!("tree/{name}"))).count();
        assert_eq!(warned, 1, "{said:#?}");
        assert!(said.err.contains(&format!("({kind})")), "{said:#?}");
    }
    desk.ok(["export", "tree", "out"]);
    check_same(&tree, &desk.path("out"), PLAIN);
    check_sums(&desk, "tree", &desk.path("out"));
}

/// Makes directories in one another, and a file in the last whose stored path is `length` bytes long. No path
/// is used on the way that the system would refuse.
fn dig(tree: &Path, length: usize) {
    let enter = |place: &OwnedFd, name: &OsStr| {
        openat(place, name, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap()
    };
    fs::create_dir(tree).unwrap();
    let mut place: OwnedFd = File::open(tree).unwrap().into();
    let mut left = length;
    let name = "d".repeat(199);
    while left > 255 {
        mkdirat(&place, &name, Mode::from_raw_mode(0o755)).unwrap();
        place = enter(&place, name.as_ref());
        left -= name.len() + 1;
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let file = openat(&place, "f".repeat(left), flags, Mode::from_raw_mode(0o644)).unwrap();
    File::from(file).write_all(b"deep down").unwrap();
}

#[test]
fn trees_are_as_deep_as_a_path_may_be_long() {
    let desk = Desk::new();
    // As deep as other programs can follow from where the test stands.
    let above = desk.path("exported-following@1/").as_os_str().len();
    dig(&desk.path("following"), 4095 - above);
    check_kept(&desk, &desk.path("following"), false);
    // As deep as a path may be: nobody else can follow, but the content can be compared.
    dig(&desk.path("deep"), 4096);
    desk.ok(["add", "deep", "--finalize"]);
    desk.ok(["export", "deep", "again"]);
    desk.ok(["add", "again", "--finalize"]);
    assert_eq!(desk.fact("again", "content"), desk.fact("deep", "content"));
    assert_eq!(desk.ok(["files", "deep", "-0"]).split('\0').map(str::len).max(), Some(4096));
    desk.check_sound();
}

#[test]
fn deeper_than_that_is_one_clear_line() {
    let desk = Desk::new();
    dig(&desk.path("deep"), 4097);
    let said = desk.run(["add", "deep", "--finalize"]);
    assert_eq!((said.code, said.err.lines().count()), (1, 1), "{said:#?}");
    assert!(said.err.contains("4096") && said.err.contains("fff"), "{said:#?}");
    assert_eq!(desk.ok(["list", "--all", "--quiet"]), "");
    let said = desk.run(["add", "deep", "--keep-going"]);
    assert_eq!(said.code, 3, "{said:#?}");
    desk.check_sound();
}

#[test]
fn a_sparse_file_is_all_of_its_zeros() {
    let (desk, size) =
        if is_slow_run() { (Desk::on_disk(), 10 << 30) } else { (Desk::without_store(), 96 << 20) };
    desk.ok(["init"]);
    fs::create_dir(desk.path("tree")).unwrap();
    let file = File::create(desk.path("tree/sparse")).unwrap();
    file.set_len(size).unwrap();
    file.write_all_at(b"an island", size / 2).unwrap();
    desk.ok(["add", "tree", "--finalize"]);
    desk.ok(["export", "tree", "out"]);
    check_same(&desk.path("tree"), &desk.path("out"), PLAIN);
    check_sums(&desk, "tree", &desk.path("out"));
    desk.ok(["verify"]);
}

#[test]
fn what_cannot_be_read_fails_the_add_or_is_left_out() {
    let desk = Desk::without_store();
    let someone = desk.mortal();
    if someone.is_another() {
        mode(&desk.path("."), 0o777);
    }
    someone.run(["init"]).expect(0);
    for path in ["tree/a/readable", "tree/b/secret", "tree/closed/inner", "tree/z"] {
        fs::create_dir_all(desk.path(path).parent().unwrap()).unwrap();
        fs::write(desk.path(path), path).unwrap();
    }
    mode(&desk.path("tree/b/secret"), 0);
    mode(&desk.path("tree/closed"), 0);
    let said = someone.run(["add", "tree", "--finalize"]);
    assert_eq!((said.code, said.err.lines().count()), (1, 1), "{said:#?}");
    assert!(said.err.contains("Permission denied"), "{said:#?}");
    assert!(said.err.contains("tree/b/secret") || said.err.contains("tree/closed"), "{said:#?}");
    assert_eq!(someone.run(["list", "--all", "--quiet"]).expect(0), "", "no package is left");

    let said = someone.run(["add", "tree", "--finalize", "--keep-going", "--quiet"]);
    assert_eq!((said.code, said.out.as_str()), (3, "tree@1\n"), "{said:#?}");
    for path in ["tree/b/secret", "tree/closed"] {
        assert!(said.err.lines().any(|line| line.contains(path)), "{path} is not listed: {said:#?}");
    }
    let listed = someone.run(["files", "tree", "-0"]).expect(0);
    assert_eq!(listed, "a\0a/readable\0b\0z\0");
    someone.run(["verify"]).expect(0);
    mode(&desk.path("tree/closed"), 0o755);
}

/// Does something over and over while `work` runs.
fn meanwhile<T>(act: impl Fn(u32) + Sync, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                act(turn);
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn a_file_that_grows_while_it_is_read_is_never_half_kept() {
    let desk = Desk::new();
    fs::create_dir(desk.path("tree")).unwrap();
    fs::write(desk.path("tree/still"), "still").unwrap();
    fs::write(desk.path("tree/growing"), vec![b'g'; 24 << 20]).unwrap();
    let grow = |_| {
        let mut file = fs::OpenOptions::new().append(true).open(desk.path("tree/growing")).unwrap();
        file.write_all(b"more").unwrap();
        thread::sleep(Duration::from_micros(200));
    };
    let said = meanwhile(grow, || desk.run(["add", "tree", "--finalize"]));
    assert_eq!((said.code, said.err.lines().count()), (1, 1), "{said:#?}");
    assert!(said.err.contains("tree/growing") && said.err.contains("changed while it was read"), "{said:#?}");
    assert_eq!(desk.ok(["list", "--all", "--quiet"]), "");
    let said = meanwhile(grow, || desk.run(["add", "tree", "--finalize", "--keep-going"]));
    assert_eq!(said.code, 3, "{said:#?}");
    assert_eq!(desk.ok(["files", "tree", "-0"]), "still\0");
    desk.check_sound();
    // Now it holds still.
    check_kept(&desk, &desk.path("tree"), false);
}

#[test]
fn a_file_that_vanishes_is_named() {
    let desk = Desk::new();
    let tree = desk.path("tree");
    fs::create_dir(&tree).unwrap();
    let many = 400;
    let (mut failed, mut left_out) = (0, 0);
    for round in 0..60 {
        for number in 0..many {
            fs::write(tree.join(number.to_string()), format!("{round}/{number}")).unwrap();
        }
        let keep_going = round % 2 == 1;
        // From the moment that the writer has begun, the files go one by one.
        let vanish = |turn: u32| {
            let begun = fs::read_dir(desk.root().join("tmp")).unwrap().next().is_some();
            if begun || turn > 0 && !tree.join("0").exists() {
                for number in 0..many {
                    drop(fs::remove_file(tree.join(number.to_string())));
                }
            }
        };
        let mut arguments = vec!["add", "tree", "--no-cache"];
        arguments.extend(keep_going.then_some("--keep-going"));
        let said = meanwhile(vanish, || desk.run(arguments));
        match said.code {
            0 => {}
            1 if !keep_going => {
                failed += 1;
                assert_eq!(said.err.lines().count(), 1, "{said:#?}");
                assert!(said.err.contains("tree/") && said.err.contains("No such file"), "{said:#?}");
            }
            3 if keep_going => {
                left_out += 1;
                assert!(said.err.contains("No such file"), "{said:#?}");
            }
            _ => panic!("{said:#?}"),
        }
        if failed > 0 && left_out > 0 {
            break;
        }
    }
    assert!(failed > 0 && left_out > 0, "nothing vanished in time: {failed}, {left_out}");
    desk.check_sound();
}
