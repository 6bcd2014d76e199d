//! What trees become: names, order, kinds, modes, and what is left out.

use std::os::unix::fs::{MetadataExt as _, symlink};

use super::*;

#[test]
fn a_directory_contributes_its_entries_in_order_of_whole_paths() {
    let bench = Bench::new();
    // By whole paths "a-b" and "a.b" stand between "a" and "a/x": '-' and '.' are below '/', '0' is above.
    bench
        .file("a/x", "1")
        .file("a-b", "2")
        .file("a.b", "3")
        .file("a0", "4")
        .file("b/empty", "")
        .directory("c/d");
    symlink("../a", bench.path("b/link")).unwrap();
    mode(&bench.path("a"), 0o750);
    mode(&bench.path("a-b"), 0o600);
    mode(&bench.path("b"), 0o1777);
    for name in ["c", "c/d"] {
        mode(&bench.path(name), 0o755);
    }
    mode(&bench.path("a0"), 0o4755);
    let ingested = bench.add().unwrap();
    insta::assert_snapshot!(lines(&ingested.entries).join("\n"), @r"
    a directory 750
    a-b file 600 1 813e9b72
    a.b file 644 1 58d6fd3d
    a/x file 644 1 d63bd9a8
    a0 file 4755 1 e67a9c45
    b directory 1777
    b/empty file 644 0 af1349b9
    b/link -> ../a
    c directory 755
    c/d directory 755
    ");
    assert_eq!((ingested.files_hashed, ingested.objects_new, ingested.bytes_new), (5, 5, 4));
    assert_eq!(bench.objects().len(), 5);
    assert!(ingested.entries.iter().all(|entry| entry.mtime.is_none()));
}

#[test]
fn other_sources_stand_under_their_last_components() {
    let bench = Bench::new();
    bench.file("x/one", "1").file("y/two", "2").file("z/one", "3");
    let add = |names: &[&str]| {
        let sources: Vec<Source> = names.iter().map(|name| Source::Path(bench.path(name))).collect();
        bench.add_sources(&sources, &mut std::io::empty()).map(|ingested| paths(&ingested.entries))
    };
    assert_eq!(add(&["x/one"]).unwrap(), ["one"]);
    assert_eq!(add(&["x/one", "y"]).unwrap(), ["one", "y", "y/two"]);
    assert_eq!(add(&["x/.", "y/../y/"]).unwrap(), ["x", "x/one", "y", "y/two"]);
    let own = bench.source.path().file_name().unwrap().to_str().unwrap();
    assert_eq!(add(&["x/..", "z/one"]).unwrap()[..2], [own.to_owned(), format!("{own}/x")]);
}

#[test]
fn two_names_alike_are_an_error() {
    let bench = Bench::new();
    bench.file("x/one", "1").file("z/one", "3");
    let sources = ["x/one", "z/one"].map(|name| Source::Path(bench.path(name)));
    let error = bench.add_sources(&sources, &mut std::io::empty()).unwrap_err();
    assert!(matches!(&error, IngestError::Alike { path } if path.as_bytes() == b"one"), "{error}");
    let sources = [Source::Path(bench.path("x/one")), Source::Stdin { name: entry_path("one") }];
    let error = bench.add_sources(&sources, &mut std::io::empty()).unwrap_err();
    assert!(matches!(&error, IngestError::Alike { .. }), "{error}");
    // A name of standard input that lies in a tree.
    let sources = [Source::Path(bench.path("x")), Source::Stdin { name: entry_path("x/one") }];
    let error = bench.add_sources(&sources, &mut std::io::empty()).unwrap_err();
    assert!(matches!(&error, IngestError::Alike { path } if path.as_bytes() == b"x/one"), "{error}");
    let sources = [Source::Path(bench.path("x/one")), Source::Stdin { name: entry_path("one/x") }];
    let error = bench.add_sources(&sources, &mut std::io::empty()).unwrap_err();
    assert!(matches!(&error, IngestError::Alike { path } if path.as_bytes() == b"one"), "{error}");
}

#[test]
fn the_root_of_all_has_no_name() {
    let bench = Bench::new();
    bench.file("x", "1");
    let sources = [Source::Path("/".into()), Source::Path(bench.path("x"))];
    let error = bench.add_sources(&sources, &mut std::io::empty()).unwrap_err();
    assert!(matches!(error, IngestError::NoName { .. }), "{error}");
}

#[test]
fn named_symlinks_are_followed_and_no_others() {
    let bench = Bench::new();
    bench.file("real/one", "1");
    symlink("real", bench.path("to-directory")).unwrap();
    symlink("real/one", bench.path("to-file")).unwrap();
    symlink("to-directory", bench.path("real/inner")).unwrap();
    let add = |names: &[&str]| {
        let sources: Vec<Source> = names.iter().map(|name| Source::Path(bench.path(name))).collect();
        lines(&bench.add_sources(&sources, &mut std::io::empty()).unwrap().entries)
    };
    assert_eq!(add(&["to-directory"]), ["inner -> to-directory", "one file 644 1 d63bd9a8"]);
    assert_eq!(add(&["to-file"]), ["to-file file 644 1 d63bd9a8"]);
    mode(&bench.path("real"), 0o711);
    assert_eq!(
        add(&["to-directory", "to-file"]),
        [
            "to-directory directory 711",
            "to-directory/inner -> to-directory",
            "to-directory/one file 644 1 d63bd9a8",
            "to-file file 644 1 d63bd9a8",
        ]
    );
}

#[test]
fn odd_names_and_links_come_through() {
    let bench = Bench::new();
    let long = "n".repeat(255);
    for name in
        [&b"-rf"[..], b"new\nline", b"\xff\xfe", b" ", b"...", b"a b\t", "ü".as_bytes(), long.as_bytes()]
    {
        bench.file(name, name);
    }
    symlink("nowhere", bench.path("dangling")).unwrap();
    symlink("/etc/passwd", bench.path("absolute")).unwrap();
    symlink("itself", bench.path("itself")).unwrap();
    symlink(OsStr::from_bytes(b"\xff\n"), bench.path("raw")).unwrap();
    let target = "t".repeat(4095);
    symlink(&target, bench.path("far")).unwrap();
    let ingested = bench.add().unwrap();
    assert_eq!(ingested.entries.len(), 13);
    for entry in &ingested.entries {
        match &entry.body {
            EntryBody::File { object, .. } => assert_eq!(*object, Digests::of(entry.path.as_bytes())),
            EntryBody::Symlink { target } => {
                let expected = fs::read_link(bench.path(entry.path.as_bytes())).unwrap();
                assert_eq!(**target, *expected.as_os_str().as_bytes());
            }
            EntryBody::Directory { .. } => panic!("there is none"),
        }
    }
}

#[test]
fn hard_links_are_entries_of_one_object() {
    let mut bench = Bench::new();
    bench.file("one", vec![b'x'; 3 << 20]);
    fs::hard_link(bench.path("one"), bench.path("two")).unwrap();
    bench.options.threads = 1;
    let ingested = bench.add().unwrap();
    let objects: Vec<_> = ingested.entries.iter().map(|entry| entry.object().copied().unwrap()).collect();
    assert_eq!(objects[0], objects[1]);
    assert_eq!((ingested.objects_new, bench.objects().len()), (1, 1));
    assert_eq!(ingested.files_hashed, 1, "the second name needs no second read");
}

#[test]
fn times_are_kept_where_asked_for() {
    let mut bench = Bench::new();
    bench.file("d/f", "1");
    symlink("f", bench.path("d/l")).unwrap();
    bench.options.keep_mtime = true;
    let ingested = bench.add().unwrap();
    for (entry, name) in ingested.entries.iter().zip(["d", "d/f", "d/l"]) {
        let expected = bench.path(name).symlink_metadata().unwrap();
        let found = entry.mtime.unwrap();
        assert_eq!(
            (found.seconds, i64::from(found.nanoseconds)),
            (expected.mtime(), expected.mtime_nsec()),
            "{name}"
        );
    }
}

#[test]
fn globs_leave_out() {
    let mut bench = Bench::new();
    bench
        .file("a.o", "1")
        .file("src/b.o", "2")
        .file("src/b.c", "3")
        .file("target/deep/x", "4")
        .file("src/target", "5");
    bench.options.exclude = vec!["*.o".into(), "/target".into()];
    assert_eq!(paths(&bench.add().unwrap().entries), ["src", "src/b.c", "src/target"]);
    bench.options.exclude = vec!["target/".into(), "src/b.?".into()];
    assert_eq!(paths(&bench.add().unwrap().entries), ["a.o", "src", "src/target"]);
    bench.options.exclude = vec!["a[".into()];
    assert!(matches!(bench.add(), Err(IngestError::Exclude { pattern, .. }) if pattern == "a["));
    // A source that is named and excluded is left out like anything else.
    bench.options.exclude = vec!["*.o".into()];
    let sources = ["a.o", "src"].map(|name| Source::Path(bench.path(name)));
    let ingested = bench.add_sources(&sources, &mut std::io::empty()).unwrap();
    assert_eq!(paths(&ingested.entries), ["src", "src/b.c", "src/target"]);
}

#[test]
fn the_store_is_never_a_source() {
    let mut bench = Bench::new();
    let stat = bench.disk.stat(Path::new("")).unwrap();
    bench.options.own_root = Some(crate::cache::FileId { device: stat.device, inode: stat.inode });
    let root = bench.root.path();
    fs::write(root.join("astore.db"), "x").unwrap();
    for path in [root.to_owned(), root.join("blake3"), root.join("astore.db"), root.join("tmp/..")] {
        let error = bench.add_sources(&[Source::Path(path.clone())], &mut std::io::empty()).unwrap_err();
        assert!(matches!(&error, IngestError::StoreItself { path: found } if *found == path), "{error}");
    }
    // Through a symlink too.
    symlink(root.join("astore.db"), bench.path("link")).unwrap();
    let error = bench.add_sources(&[Source::Path(bench.path("link"))], &mut std::io::empty()).unwrap_err();
    assert!(matches!(error, IngestError::StoreItself { .. }), "{error}");
    // A tree that has the store in it is added without.
    let above = tempfile::tempdir().unwrap();
    fs::create_dir_all(above.path().join("sub/store")).unwrap();
    fs::write(above.path().join("sub/store/secret"), "x").unwrap();
    fs::write(above.path().join("sub/file"), "x").unwrap();
    let inner = above.path().join("sub/store").metadata().unwrap();
    bench.options.own_root = Some(crate::cache::FileId { device: inner.dev(), inode: inner.ino() });
    let ingested =
        bench.add_sources(&[Source::Path(above.path().to_owned())], &mut std::io::empty()).unwrap();
    assert_eq!(paths(&ingested.entries), ["sub", "sub/file"]);
    assert!(bench.monitor.problems().iter().any(|problem| {
        matches!(problem, crate::monitor::Problem::StoreSkipped { path } if path.ends_with("sub/store"))
    }));
}

#[test]
fn standard_input_is_one_entry() {
    let bench = Bench::new();
    let add = |name: &str, content: &[u8]| {
        let sources = [Source::Stdin { name: entry_path(name) }];
        lines(&bench.add_sources(&sources, &mut { content }).unwrap().entries)
    };
    assert_eq!(add("stdin", b""), ["stdin file 644 0 af1349b9"]);
    assert_eq!(add("stdin", b"1"), ["stdin file 644 1 d63bd9a8"]);
    assert_eq!(add("a/b/c", b"1"), ["a directory 755", "a/b directory 755", "a/b/c file 644 1 d63bd9a8"]);
    for size in [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 17] {
        let content: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
        let expected = Digests::of(&content);
        assert_eq!(add("s", &content), [format!("s file 644 {size} {}", &expected.blake3.to_string()[..8])]);
        assert!(bench.objects().contains(&expected.address()));
    }
    let twice = [Source::Stdin { name: entry_path("a") }, Source::Stdin { name: entry_path("b") }];
    assert!(matches!(bench.add_sources(&twice, &mut std::io::empty()), Err(IngestError::StdinTwice)));
    // Beside a tree, into a directory that it has.
    bench.file("t/x", "1");
    mode(&bench.path("t"), 0o700);
    let sources = [Source::Path(bench.path("t")), Source::Stdin { name: entry_path("t/in") }];
    let ingested = bench.add_sources(&sources, &mut &b"1"[..]).unwrap();
    assert_eq!(lines(&ingested.entries)[0], "t directory 700");
    assert_eq!(paths(&ingested.entries), ["t", "t/in", "t/x"]);
}

#[test]
fn a_survey_stores_nothing() {
    let bench = Bench::new();
    bench.file("d/f", "1").file("big", vec![7; 2 << 20]);
    let context = IngestContext { cache: None, monitor: &bench.monitor, cancelled: &bench.cancelled };
    let surveyed = survey(&[bench.source.path().to_owned()], &bench.options, context).unwrap();
    assert!(bench.objects().is_empty());
    assert_eq!(surveyed.objects_new, 0);
    assert_eq!(surveyed.entries.iter().collect::<Vec<_>>(), bench.add().unwrap().entries);
}
