//! Someone lets another program say what goes into a package: `find … -print0 | astore add --from0 --files-from -`.
//! What is listed is in it, under the path that it was listed by, and nothing else.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use astore::monitor::Void;
use astore::registry::Access;
use astore::registry::report::{AddSource, CacheUse, Completion, PathList};
use insta::assert_snapshot;

use crate::support::cli::{Desk, Said, listen_to_signals, said};
use crate::support::stalled::LONG;
use crate::support::store::{later_clock, open_by, options, real_disk, request, tree};

/// A desk with a tree `src` of three files, two directories and a symlink.
fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("src"), &[("a.o", b"a"), ("a.c", b"c"), ("deep/b.o", b"b"), ("empty/", b"")]);
    symlink("a.o", desk.path("src/link.o")).unwrap();
    std::fs::set_permissions(desk.path("src/deep"), PermissionsExt::from_mode(0o750)).unwrap();
    desk
}

/// Adds what a list on standard input names.
fn add(desk: &Desk, list: &[u8], more: &[&str]) -> Said {
    let arguments = ["add", "--finalize", "--name", "objs", "--files-from", "-"];
    let mut command = desk.command(arguments.iter().chain(more));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(list).ok(); // who refuses at once reads nothing
    drop(input);
    Said::of(&child.wait_with_output().unwrap())
}

/// The paths of the newest package.
fn paths(desk: &Desk) -> Vec<String> {
    let listed = desk.ok(["files", "objs", "-0"]);
    listed.split_terminator('\0').map(str::to_owned).collect()
}

/// Adds what a list names, and returns the paths of the package.
#[track_caller]
fn taken(desk: &Desk, list: &[u8], more: &[&str]) -> Vec<String> {
    add(desk, list, more).expect(0);
    paths(desk)
}

#[track_caller]
fn refused(desk: &Desk, list: &[u8], more: &[&str]) -> String {
    let said = add(desk, list, more);
    assert_eq!((said.out.as_str(), desk.ok(["list", "--all"]).as_str()), ("", ""), "nothing was added");
    assert_eq!(said.err.lines().count(), 1, "one line: {said:#?}");
    let place = desk.path("");
    let place = place.to_str().unwrap().trim_end_matches('/');
    format!("{} {}", said.code, said.err.replace(place, "~"))
}

#[test]
fn what_find_prints_is_added() {
    let desk = desk();
    let script =
        "find . -name '*.o' -print0 | \"$ASTORE\" add --from0 --files-from - --name objs --finalize --quiet";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(desk.path(""));
    shell.env("ASTORE", desk.command([""; 0]).get_program()).env("ASTORE_ROOT", desk.root());
    assert_eq!(said(shell).expect(0), "objs@1\n");
    assert_eq!(paths(&desk), ["src", "src/a.o", "src/deep", "src/deep/b.o", "src/link.o"]);
    let entries = desk.ok(["files", "objs", "--json"]);
    let modes = |path: &str| {
        let entry = entries.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        entry.into_iter().find(|entry| entry["path"] == path).unwrap()["mode"].clone()
    };
    assert_eq!(modes("src/deep"), "0750", "a directory on the way has its own mode");
    // The same as the tree has, whichever way it was added: nothing is stored again.
    let said = add(&desk, b"src/a.o\nsrc/deep/b.o\n", &[]);
    assert!(said.err.contains("nothing new to store"), "{said:#?}");
    desk.check_sound();
}

#[test]
fn a_path_stands_as_it_is_listed() {
    let desk = desk();
    assert_eq!(taken(&desk, b"./src//a.o\nsrc/a.o\n\nsrc/./a.o/\n.\n", &[]), ["src", "src/a.o"]);
    // Lists from elsewhere end their lines in their own way, and a last line need not end.
    assert_eq!(taken(&desk, b"src/a.o\r\nsrc/a.c", &[]), ["src", "src/a.c", "src/a.o"]);
    // No line is a comment or an option.
    tree(&desk.path(""), &[("#x", b"1"), ("-y", b"2"), (" z ", b"3"), ("cr\r", b"4"), ("-", b"5")]);
    assert_eq!(taken(&desk, b"#x\n-y\n z \n-\n", &[]), [" z ", "#x", "-", "-y"]);
    assert_eq!(taken(&desk, b"cr\r\0#x\0", &["--from0"]), ["#x", "cr\r"]);
    // An absolute path loses the / that it begins with, as it does with tar.
    let absolute = desk.path("src/a.o");
    let said = add(&desk, absolute.as_os_str().as_bytes(), &[]);
    assert!(said.err.contains("without the / that they begin with"), "{said:#?}");
    assert_eq!(paths(&desk).last().unwrap(), absolute.to_str().unwrap().strip_prefix('/').unwrap());
    // From a file, which may itself be anywhere.
    std::fs::write(desk.path("list"), "src/deep/b.o\n").unwrap();
    desk.ok(["add", "--name", "objs", "--files-from", "list", "--finalize"]);
    assert_eq!(paths(&desk), ["src", "src/deep", "src/deep/b.o"]);
}

#[test]
fn names_are_bytes() {
    let desk = desk();
    let name = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    for bytes in [&b"caf\xe9"[..], b"new\nline", b"b\\s"] {
        std::fs::write(desk.path(name(bytes)), bytes).unwrap();
    }
    add(&desk, b"caf\xe9\0new\nline\0b\\s\0", &["--from0"]).expect(0);
    desk.ok(["export", "objs", "out"]);
    for bytes in [&b"caf\xe9"[..], b"new\nline", b"b\\s"] {
        assert_eq!(std::fs::read(desk.path("out").join(name(bytes))).unwrap(), bytes);
    }
}

#[test]
fn a_directory_is_taken_as_itself() {
    let desk = desk();
    let said = add(&desk, b"src\nsrc/empty\n", &[]);
    assert!(
        !said.err.contains("without what"),
        "what is listed beneath src says what is wanted of it: {said:#?}"
    );
    assert_eq!(paths(&desk), ["src", "src/empty"]);
    let said = add(&desk, b"src\n", &[]);
    assert!(said.err.contains("took a listed directory without what is in it (src)"), "{said:#?}");
    assert_eq!(paths(&desk), ["src"]);
    let said = add(&desk, b"src\nsrc/deep\nsrc/deep-er\n", &["--keep-going"]);
    assert!(said.err.contains("(src/deep)"), "{said:#?}");
    // The order in which they are listed means nothing.
    assert_eq!(taken(&desk, b"src/deep/b.o\nsrc/deep\nsrc\nsrc/a.o\n", &[]).len(), 4);
}

#[test]
fn many_in_one_directory_and_a_deep_one() {
    let desk = desk();
    let mut list = String::new();
    for nth in 0..300 {
        let path = format!("many/{nth}");
        tree(&desk.path(""), &[(&path, path.as_bytes())]);
        list += &format!("{path}\n");
    }
    let deep = "d/".repeat(300);
    tree(&desk.path(""), &[(&format!("{deep}end"), b"end")]);
    list += &format!("{deep}end\n");
    assert_eq!(taken(&desk, list.as_bytes(), &[]).len(), 301 + 301);
    desk.check_sound();
}

/// The library takes lists too, and does not read again what it knows.
#[test]
fn an_unchanged_list_is_not_read_again() {
    let desk = desk();
    let registry =
        open_by(&later_clock(), real_disk(&desk.root()), &desk.root(), options(Access::Write)).unwrap();
    let mut list = PathList::default();
    for path in ["src/a.o", "src/deep/b.o", "src/link.o"] {
        list.push(desk.path(path).as_os_str().as_bytes()).unwrap();
    }
    let add = || {
        let mut request = request("objs", &desk.path("src"), Completion::Finalize);
        request.sources = vec![AddSource::Listed(list.clone())];
        request.cache = CacheUse::Use;
        let report = registry.add(request, &mut std::io::empty(), &Void).unwrap();
        (report.files_hashed, report.cache_hits)
    };
    assert_eq!([add(), add()], [(2, 0), (0, 2)]);
}

#[test]
fn what_cannot_be_listed_is_refused() {
    let desk = desk();
    assert_snapshot!(refused(&desk, b"", &[]), @"2 astore: the list standard input names no path, so there is nothing to add");
    assert_snapshot!(refused(&desk, b"\n.\n", &[]), @"2 astore: the list standard input names no path, so there is nothing to add");
    assert_snapshot!(refused(&desk, b"src/a.o\n../x\n", &[]), @"2 astore: line 2 of the list standard input: '../x' has '..' in it; list paths from a directory above, and run astore there");
    assert_snapshot!(refused(&desk, b"src/a.o\0src/a.c\0", &[]), @"2 astore: line 1 of the list standard input holds a NUL byte; say --from0 if NUL ends each path");
    assert_snapshot!(refused(&desk, b"src/none.o\n", &[]), @"1 astore: cannot read src/none.o: No such file or directory (os error 2) (root ~/store)");
    assert_snapshot!(refused(&desk, b"none/a.o\n", &[]), @"1 astore: cannot read none/a.o: No such file or directory (os error 2) (root ~/store)");
    assert_snapshot!(refused(&desk, b"src/a.o/x\n", &[]), @"1 astore: cannot read src/a.o/x: Not a directory (os error 20); --keep-going leaves out what cannot be read (root ~/store)");
    assert_snapshot!(refused(&desk, b"src/a.o\0src/a.c\n\0", &["--from0"]), @r"1 astore: cannot read src/a.c\n: No such file or directory (os error 2) (root ~/store)");
    assert_snapshot!(refused(&desk, b"src/a.o\n", &["src"]), @"2 astore: the argument '--files-from <FILE>' cannot be used with '[PATH]...'; see 'astore add --help'");
    let said = desk.run(["add", "--files-from", "nowhere", "--name", "x"]);
    assert_snapshot!(said.err, @"astore: cannot read the list nowhere: No such file or directory (os error 2)");
    let said = desk.run(["add", "--files-from", "src/a.c"]);
    assert_snapshot!(said.err, @"astore: a list gives the package no name; give it one with --name NAME");
    assert_eq!(said.code, 2);
    // Symlinks cannot have something beneath them in a package.
    symlink("src", desk.path("ln")).unwrap();
    assert_snapshot!(refused(&desk, b"ln\nln/a.o\n", &[]), @"2 astore: the list names ln, which is a symlink, and what is behind it; leave out one of the two: 'find -L ... ! -type d' names what is behind it alone, 'find' without -L the symlink (root ~/store)");
}

#[test]
fn what_cannot_be_read_is_left_out_where_asked_for() {
    let desk = desk();
    let said = add(&desk, b"none/a.o\nnone/b.o\nsrc/a.o\nsrc/none.o\n", &["--keep-going"]);
    assert_eq!(said.code, 3, "{said:#?}");
    for path in ["none/a.o", "none/b.o", "src/none.o"] {
        assert!(said.err.contains(&format!("skipped {path}")), "{path}: {said:#?}");
    }
    assert!(said.err.contains("left out 3 paths"), "{said:#?}");
    assert_eq!(paths(&desk), ["src", "src/a.o"]);
}

#[test]
fn symlinks_on_the_way_are_followed_and_listed_ones_are_not() {
    let desk = desk();
    symlink("src", desk.path("ln")).unwrap();
    assert_eq!(taken(&desk, b"ln/a.o\n", &[]), ["ln", "ln/a.o"]);
    assert!(desk.ok(["show", "objs"]).contains("directory") || desk.ok(["files", "objs"]).starts_with('d'));
    assert_eq!(taken(&desk, b"ln\n", &[]), ["ln"]);
    let entry: serde_json::Value = serde_json::from_str(&desk.ok(["files", "objs", "--json"])).unwrap();
    assert_eq!((&entry["kind"], &entry["target"]), (&"symlink".into(), &"src".into()));
}

#[test]
fn the_store_is_never_listed() {
    let desk = desk();
    let said = add(&desk, b"store\nstore/astore.toml\nstore/log\nsrc/a.o\n", &[]);
    assert_eq!(said.err.matches("skipped store").count(), 1, "{said:#?}");
    assert_eq!(paths(&desk), ["src", "src/a.o"]);
    symlink("store/log", desk.path("inside")).unwrap();
    let said = add(&desk, b"inside/x\n", &[]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("inside belongs to the store itself"), "{said:#?}");
    let mut within = desk.command(["add", "--name", "x", "--files-from", "../list"]);
    std::fs::write(desk.path("list"), "astore.toml\n").unwrap();
    let said = said_in(&mut within, desk.root());
    assert_eq!(said.code, 2, "{said:#?}");
}

fn said_in(command: &mut Command, place: PathBuf) -> Said {
    Said::of(&command.current_dir(place).output().unwrap())
}

#[test]
fn what_is_excluded_is_left_out_of_a_list_too() {
    let desk = desk();
    let list = b"src/a.o\nsrc/a.c\nsrc/deep/b.o\nsrc/deep/none\n";
    let said = add(&desk, list, &["--exclude", "deep/", "--exclude", "*.c", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["excluded"], 2, "a directory counts once: {report}");
    assert_eq!(paths(&desk), ["src", "src/a.o"]);
    tree(&desk.path("src/deep"), &[("CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n")]);
    let list = b"src/a.o\nsrc/deep\nsrc/deep/b.o\nsrc/deep/CACHEDIR.TAG\nsrc/deep/sub/x\n";
    assert_eq!(
        taken(&desk, list, &["--exclude-caches"]),
        ["src", "src/a.o", "src/deep", "src/deep/CACHEDIR.TAG"]
    );
}

/// A list that never ends is no reason to wait for ever.
#[test]
fn a_signal_ends_the_wait_for_a_list() {
    listen_to_signals();
    let desk = desk();
    let mut command = desk.command(["add", "--name", "x", "--files-from", "-"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"src/a.o\n").unwrap();
    // Its handlers stand before it reads: it has read when the pipe is empty.
    while rustix::io::ioctl_fionread(&input).unwrap_or(0) > 0 {
        std::thread::yield_now();
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)
        .unwrap();
    let said = Said::of(&child.wait_with_output().unwrap());
    drop(input);
    assert_eq!((said.code, said.err.contains("interrupted")), (143, true), "{said:#?}");
}

/// Nor is a fifo that nobody writes to, which is opened all the same; and who writes late is heard.
#[test]
fn a_list_that_is_a_fifo_is_waited_for_until_a_signal_comes() {
    listen_to_signals();
    for (option, text) in [("--files-from", "src/a.o\n"), ("--exclude-from", "*.o\n")] {
        let desk = desk();
        let fifo = desk.path("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let start = || {
            let paths: &[&str] = if option == "--files-from" { &[] } else { &["src"] };
            let mut command =
                desk.command([&["add", "--name", "x", "--quiet", option, "fifo"][..], paths].concat());
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let begun = std::time::Instant::now();
            while !has_open(&child, &fifo) {
                assert!(child.try_wait().unwrap().is_none(), "{:?}", child.wait_with_output());
                if begun.elapsed() > LONG {
                    child.kill().unwrap();
                    panic!("it does not open the fifo");
                }
                std::thread::yield_now();
            }
            child
        };
        if !std::path::Path::new("/proc/self/fd").exists() {
            eprintln!("skipped: the system does not tell what a process has open");
            return;
        }
        let child = start();
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        let said = Said::of(&child.wait_with_output().unwrap());
        assert_eq!((said.code, said.err.contains("interrupted")), (143, true), "{option}: {said:#?}");
        let child = start();
        std::fs::write(&fifo, text).unwrap();
        assert_eq!(Said::of(&child.wait_with_output().unwrap()).expect(0), "x@1\n", "{option}");
        assert_eq!(desk.ok(["files", "x"]).contains("a.o"), option == "--files-from", "{option}");
    }
}

fn has_open(child: &std::process::Child, file: &std::path::Path) -> bool {
    let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    open.flatten().any(|open| std::fs::read_link(open.path()).is_ok_and(|open| open == file))
}
