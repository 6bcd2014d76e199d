//! Someone leaves things out, in the patterns that they know from git; and whoever leaves out nothing has everything.

use crate::support::cli::{Desk, Said};
use crate::support::store::tree;

const TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n# for people\n";

/// A desk with a tree that has what people leave out.
fn desk() -> Desk {
    let desk = Desk::new();
    tree(
        &desk.path("tree"),
        &[
            (".gitignore", b"*\n"),
            ("a.o", b"1"),
            ("src/b.o", b"2"),
            ("src/b.c", b"3"),
            ("src/target", b"4"),
            ("target/deep/x", b"5"),
            ("keep.o", b"6"),
        ],
    );
    desk
}

/// Adds the tree and returns its paths without `src`, and what was said.
fn taken(desk: &Desk, more: &[&str]) -> (Vec<String>, Said) {
    let said = desk.run(["add", "tree", "--finalize"].iter().chain(more));
    assert_eq!(said.code, 0, "{said:#?}");
    let listed = desk.ok(["files", "tree", "-0"]);
    (listed.split_terminator('\0').filter(|path| *path != "src").map(str::to_owned).collect(), said)
}

#[test]
fn patterns_are_those_of_git() {
    let desk = desk();
    let (all, said) = taken(&desk, &[]);
    assert_eq!(all.len(), 9, "nothing is left out by default, whatever .gitignore says: {all:?}");
    assert!(!said.err.contains("excluded"), "{said:#?}");
    let (left, said) = taken(&desk, &["--exclude", "*.o", "--exclude", "!keep.o", "--exclude", "/target"]);
    assert_eq!(left, [".gitignore", "keep.o", "src/b.c", "src/target"]);
    assert!(said.err.contains("astore: excluded 3 paths\n"), "a directory counts once: {said:#?}");
    let (left, said) = taken(&desk, &["--exclude", "target/", "--exclude", "*.tmp", "--json"]);
    assert_eq!(left, [".gitignore", "a.o", "keep.o", "src/b.c", "src/b.o", "src/target"]);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["excluded"], 1);
    let (_, said) = taken(&desk, &["--exclude", "*.tmp"]);
    assert!(said.err.contains("astore: excluded nothing; no pattern matched\n"), "{said:#?}");
}

#[test]
fn patterns_stand_in_files_too() {
    let desk = desk();
    std::fs::write(desk.path("one"), "# objects\r\n*.o\r\n\r\n").unwrap();
    std::fs::write(desk.path("two"), "/target/\n!src/b.o").unwrap();
    let files = ["--exclude-from", "one", "--exclude-from", "two"];
    assert_eq!(taken(&desk, &files).0, [".gitignore", "src/b.c", "src/b.o", "src/target"]);
    // What is typed comes after what stands in files, wherever it was typed.
    let typed = [&["--exclude", "!a.o"][..], &files].concat();
    assert_eq!(taken(&desk, &typed).0, [".gitignore", "a.o", "src/b.c", "src/b.o", "src/target"]);
    let line = |arguments: &[&str]| {
        let said = desk.run([&["add", "tree"][..], arguments].concat());
        (said.code, said.err)
    };
    let nowhere = "astore: cannot read the patterns in no: No such file or directory (os error 2)\n";
    assert_eq!(line(&["--exclude-from", "no"]), (1, nowhere.into()));
    let dash = "astore: --exclude-from reads no standard input; name a file (./- if it is called -)\n";
    assert_eq!(line(&["--exclude-from", "-"]), (2, dash.into()));
    std::fs::write(desk.path("bad"), "ok\n[a\n").unwrap();
    let (code, said) = line(&["--exclude-from", "bad"]);
    assert_eq!(code, 2);
    let why = "astore: cannot understand the pattern \"[a\": a '[' is not closed; write \\[ for the character itself";
    assert!(said.starts_with(why), "{said}");
}

/// A directory that says that it is a cache stays, with the file that says so and nothing else.
#[test]
fn caches_are_left_out_where_asked_for() {
    let desk = desk();
    for nth in 0..200 {
        tree(&desk.path("tree/cache"), &[(&format!("{nth}"), b"x"), (&format!("d{nth}/x"), b"x")]);
    }
    let status = std::process::Command::new("mkfifo").arg(desk.path("tree/cache/fifo")).status();
    assert!(status.unwrap().success());
    tree(&desk.path("tree"), &[("cache/CACHEDIR.TAG", TAG), ("cache/.hidden", b"")]);
    let (all, _) = taken(&desk, &[]);
    assert!(all.len() > 400, "nobody asked for it");
    let (left, said) = taken(&desk, &["--exclude-caches", "--exclude", "*.o", "--exclude", "target"]);
    assert_eq!(left, [".gitignore", "cache", "cache/CACHEDIR.TAG", "src/b.c"]);
    assert!(said.err.contains("astore: excluded 407 paths\n"), "{said:#?}");
    assert!(!said.err.contains("fifo"), "of what is left out nothing is said: {said:#?}");
    // A tag that is itself left out still says so.
    let (left, _) = taken(&desk, &["--exclude-caches", "--exclude", "CACHEDIR.TAG", "--exclude", "/[!c]*"]);
    assert_eq!(left, [".gitignore", "cache"].map(str::to_owned)[1..]);
    // A file of that name that does not say it says nothing, nor does a link to one that does.
    for other in [&TAG[..42], b"", b"signature: 8a477f597d28d172789f06886806bc55\n"] {
        std::fs::write(desk.path("tree/cache/CACHEDIR.TAG"), other).unwrap();
        assert!(taken(&desk, &["--exclude-caches"]).0.len() > 400, "{other:?}");
    }
    std::fs::remove_file(desk.path("tree/cache/CACHEDIR.TAG")).unwrap();
    std::fs::write(desk.path("tag"), TAG).unwrap();
    std::os::unix::fs::symlink(desk.path("tag"), desk.path("tree/cache/CACHEDIR.TAG")).unwrap();
    assert!(taken(&desk, &["--exclude-caches"]).0.len() > 400, "a symlink is no tag");
    // What was named is no exception.
    tree(&desk.path("tree"), &[("CACHEDIR.TAG", TAG)]);
    assert_eq!(taken(&desk, &["--exclude-caches"]).0, ["CACHEDIR.TAG"]);
}

/// The tag of a cache is looked for among names that were read anyway.
#[test]
#[cfg(target_os = "linux")]
fn looking_for_caches_opens_nothing_else() {
    if !crate::support::cli::has("strace") {
        return;
    }
    let desk = desk();
    tree(&desk.path("tree"), &[("cache/CACHEDIR.TAG", TAG), ("cache/x", b"")]);
    let calls = |more: &[&str]| {
        let mut strace = std::process::Command::new("strace");
        let plain = desk.command(["add", "tree", "--name", "x", "--no-cache"].iter().chain(more));
        strace.args(["-f", "-qq", "-o", "calls", "-e", "trace=openat,openat2,newfstatat"]);
        strace.arg(plain.get_program()).args(plain.get_args()).current_dir(desk.path(""));
        strace.env("ASTORE_ROOT", desk.root());
        crate::support::cli::said(strace).expect(0);
        let calls = std::fs::read_to_string(desk.path("calls")).unwrap();
        calls.lines().filter(|call| call.contains("CACHEDIR.TAG")).count()
    };
    assert_eq!(calls(&["--exclude-caches"]), 2, "once to look at the tag, once to add it");
    assert_eq!(calls(&[]), 1, "once to add it");
}
