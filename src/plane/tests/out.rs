//! Bytes out again: served, exported, and checked on the way.

use std::os::unix::fs::{MetadataExt as _, symlink};

use super::*;
use crate::storage::ByteRange;

/// Writes other bytes over an object's file.
fn damage(path: &Path, content: &[u8]) {
    mode(path, 0o644);
    fs::write(path, content).unwrap();
    mode(path, 0o444);
}

#[test]
fn bytes_are_served_whole_and_in_ranges() {
    let bench = Bench::new();
    for size in [0, 10, (16 << 20) - 1, 16 << 20, (16 << 20) + 1, 17 << 20] {
        let content: Vec<u8> = (0..size).map(|at: u32| (at % 253) as u8).collect();
        bench.file("f", &content);
        let address = bench.add().unwrap().entries[0].object().unwrap().address();
        let serve = |range: Option<(u64, Option<u64>)>| {
            let mut out = Vec::new();
            let range = range.map(|(first, last)| ByteRange { first, last });
            let written = copy_checked(&bench.local, &address, range, &mut out, &bench.cancelled);
            written.map(|written| {
                assert_eq!(written, out.len() as u64);
                out
            })
        };
        assert!(serve(None).unwrap() == content);
        if size > 0 {
            let end = size as usize;
            let last = u64::from(size) - 1;
            for (first, to) in
                [(0, Some(0)), (0, None), (3, Some(7)), (last, Some(last)), (last, None), (5, Some(u64::MAX))]
            {
                let from = usize::try_from(first).unwrap();
                let upto = to.map_or(end, |to| usize::try_from(to.saturating_add(1).min(last + 1)).unwrap());
                if from < end {
                    assert!(
                        serve(Some((first, to))).unwrap() == content[from..upto],
                        "{first}-{to:?} of {size}"
                    );
                }
            }
        }
        for first in [u64::from(size), u64::MAX] {
            let error = serve(Some((first, None))).unwrap_err();
            assert!(
                matches!(error, ServeError::OutOfRange { size_bytes, .. } if size_bytes == u64::from(size))
            );
        }
    }
}

#[test]
fn damaged_bytes_are_not_served_as_good_ones() {
    let bench = Bench::new();
    for size in [100, 17 << 20] {
        let content = vec![b'a'; size];
        bench.file("f", &content);
        let address = bench.add().unwrap().entries[0].object().unwrap().address();
        let path = bench.object(&address);
        let mut flipped = content.clone();
        flipped[size - 1] ^= 1;
        for bytes in [&flipped[..], &content[..size - 1], &[&content[..], b"x"].concat(), b""] {
            damage(&path, bytes);
            // A range that does not touch the damage, and one behind the end, are no better.
            for range in [None, Some((0, Some(1))), Some((size as u64 * 2, None))] {
                let mut out = Vec::new();
                let range = range.map(|(first, last)| ByteRange { first, last });
                let error =
                    copy_checked(&bench.local, &address, range, &mut out, &bench.cancelled).unwrap_err();
                let ServeError::Damaged { expected, found, found_bytes } = error else { panic!("{error}") };
                assert_eq!((expected, found), (address, Digests::of(bytes).address()));
                assert_eq!(found_bytes, bytes.len() as u64);
                assert!(
                    out.is_empty() || bytes.len() as u64 > WHOLE_BYTES_MAX,
                    "written before it was checked"
                );
            }
            assert!(read_checked(&bench.local, &address, u64::MAX).is_err());
        }
        fs::remove_file(&path).unwrap();
        let error =
            copy_checked(&bench.local, &address, None, &mut std::io::sink(), &bench.cancelled).unwrap_err();
        assert!(matches!(error, ServeError::Missing { address: missing } if missing == address));
    }
}

#[test]
fn a_payload_is_read_up_to_a_limit() {
    let bench = Bench::new();
    bench.file("f", "12345");
    let address = bench.add().unwrap().entries[0].object().unwrap().address();
    assert_eq!(read_checked(&bench.local, &address, 5).unwrap(), b"12345");
    let error = read_checked(&bench.local, &address, 4).unwrap_err();
    assert!(matches!(error, ServeError::TooLong { size_bytes: 5, limit_bytes: 4, .. }), "{error}");
}

#[test]
fn a_writer_that_fails_is_told_from_damage() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let bench = Bench::new();
    bench.file("f", "12345");
    let address = bench.add().unwrap().entries[0].object().unwrap().address();
    let error = copy_checked(&bench.local, &address, None, &mut Closed, &bench.cancelled).unwrap_err();
    assert!(matches!(error, ServeError::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe));
}

fn export_to(
    bench: &Bench,
    entries: &[Entry],
    destination: &Path,
    options: &ExportOptions,
) -> Result<Exported, ExportError> {
    let mut entries = entries.iter().cloned().map(Ok);
    export(&mut entries, &bench.local, destination, options, &bench.monitor, &bench.cancelled)
}

/// A tree with a bit of everything.
fn varied(bench: &Bench) {
    bench
        .file("a/x", "1")
        .file("a-b", "2")
        .file("empty", "")
        .directory("c/d/e")
        .file("big", vec![7; (5 << 20) + 3]);
    bench.file(b"\xff\n", "odd").file("closed/inside/f", "3").file("suid", "4");
    symlink("../nowhere", bench.path("a/link")).unwrap();
    symlink("a", bench.path("to-directory")).unwrap();
    let file = fs::File::create(bench.path("sparse")).unwrap();
    file.set_len(32 << 20).unwrap();
    for nth in 0..100 {
        bench.file(format!("many/{nth}"), nth.to_string());
    }
    mode(&bench.path("suid"), 0o4755);
    mode(&bench.path("a"), 0o1777);
    mode(&bench.path("a-b"), 0o000);
    mode(&bench.path("c/d/e"), 0o2750);
    mode(&bench.path("closed/inside/f"), 0o400);
    mode(&bench.path("closed/inside"), 0o500);
    mode(&bench.path("closed"), 0o555);
}

#[test]
fn an_exported_tree_is_the_tree_that_was_added() {
    let mut bench = Bench::new();
    varied(&bench);
    bench.options.keep_mtime = true;
    let added = bench.add().unwrap();
    let out = tempfile::tempdir().unwrap();
    for link in [LinkMode::Auto, LinkMode::Copy] {
        let destination = out.path().join(format!("{link:?}"));
        let options = ExportOptions { link, special_modes: SpecialModes::Keep, ..ExportOptions::default() };
        let exported = export_to(&bench, &added.entries, &destination, &options).unwrap();
        assert!(exported.damaged.is_empty());
        assert_eq!(exported.entries, added.entries.len() as u64);
        let bytes: u64 = added.entries.iter().filter_map(Entry::object).map(|object| object.size_bytes).sum();
        assert_eq!(exported.bytes, bytes);
        assert!(destination.join("sparse").metadata().unwrap().blocks() < 100, "what was sparse is sparse");
        // Adding it again finds the same tree: kinds, modes, targets, bytes and times.
        let again = bench.add_sources(&[Source::Path(destination)], &mut std::io::empty()).unwrap();
        assert_eq!(lines(&again.entries), lines(&added.entries), "{link:?}");
        assert_eq!(again.entries, added.entries, "{link:?}");
    }
}

#[test]
fn special_bits_are_left_out_unless_asked_for() {
    let bench = Bench::new();
    varied(&bench);
    let added = bench.add().unwrap();
    let out = tempfile::tempdir().unwrap();
    // What is made in such a directory inherits the bit; it must not stay.
    mode(out.path(), 0o2755);
    let destination = out.path().join("new");
    export_to(&bench, &added.entries, &destination, &ExportOptions::default()).unwrap();
    for (name, expected) in
        [("suid", 0o755), ("a", 0o777), ("c/d/e", 0o750), ("closed", 0o555), ("a-b", 0), ("many", 0o755)]
    {
        let found = destination.join(name).metadata().unwrap().mode() & 0o7777;
        let original = bench.path(name).metadata().unwrap().mode() & 0o777;
        assert_eq!((found, original), (expected, expected), "{name}");
    }
}

/// A default ACL takes other bits away than the umask, and so may give what nobody asked for.
#[test]
fn modes_are_exact_where_a_directory_has_a_default_acl() {
    let bench = Bench::new();
    bench.file("f", "1").file("d/f", "2").file("none", "3");
    mode(&bench.path("none"), 0o000);
    let added = bench.add().unwrap();
    let out = tempfile::tempdir().unwrap();
    // Version 2; user::rwx, group::---, other::---: what `setfacl -d -m u::rwx,g::---,o::---` sets.
    let mut acl = 2u32.to_le_bytes().to_vec();
    for (tag, bits) in [(0x01u16, 7u16), (0x04, 0), (0x20, 0)] {
        acl.extend([tag.to_le_bytes(), bits.to_le_bytes()].concat());
        acl.extend(u32::MAX.to_le_bytes());
    }
    let set =
        rustix::fs::setxattr(out.path(), c"system.posix_acl_default", &acl, rustix::fs::XattrFlags::empty());
    if let Err(error) = set {
        return eprintln!("skipped: no default ACLs here: {error}");
    }
    let destination = out.path().join("out");
    export_to(&bench, &added.entries, &destination, &ExportOptions::default()).unwrap();
    for (name, bits) in [("f", 0o644), ("d", 0o755), ("d/f", 0o644), ("none", 0)] {
        assert_eq!(destination.join(name).metadata().unwrap().mode() & 0o7777, bits, "{name}");
    }
}

#[test]
fn a_destination_is_missing_or_empty() {
    let bench = Bench::new();
    bench.file("f", "1");
    let added = bench.add().unwrap();
    let out = tempfile::tempdir().unwrap();
    let export = |path: &Path| export_to(&bench, &added.entries, path, &ExportOptions::default());
    export(out.path()).unwrap();
    assert!(matches!(export(out.path()), Err(ExportError::NotEmpty { path }) if path == out.path()));
    for bad in [out.path().join("f"), out.path().join("missing/below")] {
        assert!(matches!(export(&bad), Err(ExportError::Destination { path, .. }) if path == bad));
    }
}

#[test]
fn all_damage_is_listed_and_nothing_stands_under_those_names() {
    let bench = Bench::new();
    let contents =
        [vec![b'a'; 100], vec![b'b'; 3 << 20], vec![b'c'; 200], vec![b'd'; 300], vec![b'e'; 3 << 20]];
    for (name, content) in ["altered", "big", "cut", "deleted", "e"].iter().zip(&contents) {
        bench.file(format!("d/{name}"), content);
    }
    bench.file("d/good", "good").file("good", "good");
    let added = bench.add().unwrap();
    let path = |nth: usize| bench.object(&Digests::of(&contents[nth]).address());
    let flip = |nth: usize| {
        let mut bytes = contents[nth].clone();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        bytes
    };
    damage(&path(0), &flip(0));
    damage(&path(1), &flip(1));
    damage(&path(2), b"c");
    fs::remove_file(path(3)).unwrap();
    fs::remove_file(path(4)).unwrap();
    symlink("/etc/passwd", path(4)).unwrap();
    for link in [LinkMode::Auto, LinkMode::Copy] {
        let out = tempfile::tempdir().unwrap();
        let options = ExportOptions { link, ..ExportOptions::default() };
        let exported = export_to(&bench, &added.entries, out.path(), &options).unwrap();
        let found: Vec<_> = exported
            .damaged
            .iter()
            .map(|damaged| (damaged.path.as_str().unwrap(), damaged.fault.name()))
            .collect();
        assert_eq!(
            found,
            [
                ("d/altered", "altered"),
                ("d/big", "altered"),
                ("d/cut", "truncated"),
                ("d/deleted", "missing"),
                ("d/e", "not-a-file"),
            ]
        );
        assert_eq!(exported.entries, 3);
        let mut names: Vec<_> =
            fs::read_dir(out.path().join("d")).unwrap().map(|name| name.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["good"]);
        assert_eq!(fs::read(out.path().join("good")).unwrap(), b"good");
    }
}

#[test]
fn nothing_is_written_through_what_somebody_puts_there() {
    let bench = Bench::new();
    bench.file("d/f", "1").file("e", "2");
    let added = bench.add().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("f"), "precious").unwrap();
    let out = tempfile::tempdir().unwrap();
    // After the directory was made, and before the file in it is, somebody swaps it for a symlink.
    let swap = |nth: usize, entry: Entry| {
        if nth == 1 {
            fs::remove_dir(out.path().join("d")).unwrap();
            symlink(elsewhere.path(), out.path().join("d")).unwrap();
        }
        Ok(entry)
    };
    let mut entries = added.entries.iter().cloned().enumerate().map(|(nth, entry)| swap(nth, entry));
    let options = ExportOptions::default();
    let error = export(&mut entries, &bench.local, out.path(), &options, &bench.monitor, &bench.cancelled)
        .unwrap_err();
    assert!(matches!(&error, ExportError::Write { path, .. } if path.ends_with("d/f")), "{error}");
    // A file that stands there already is not written over, and a symlink in its place not followed.
    let out = tempfile::tempdir().unwrap();
    let place = |entry: Entry| {
        if entry.path.as_bytes() == b"e" {
            symlink(elsewhere.path().join("f"), out.path().join("e")).unwrap();
        }
        Ok(entry)
    };
    let mut entries = added.entries.iter().cloned().map(place);
    let error = export(&mut entries, &bench.local, out.path(), &options, &bench.monitor, &bench.cancelled)
        .unwrap_err();
    assert!(matches!(&error, ExportError::Write { path, .. } if path.ends_with("e")), "{error}");
    assert_eq!(fs::read(elsewhere.path().join("f")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}

#[test]
fn no_symlink_on_the_way_is_followed() {
    let bench = Bench::new();
    bench.file("p/d/a/f", "1").directory("p/d/c");
    let added = bench.add().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("d")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let swap = |entry: Entry| {
        if entry.path.as_bytes() == b"p/d/c" {
            fs::rename(out.path().join("p"), out.path().join("moved")).unwrap();
            symlink(elsewhere.path(), out.path().join("p")).unwrap();
        }
        Ok(entry)
    };
    let mut entries = added.entries.iter().cloned().map(swap);
    let options = ExportOptions::default();
    let error = export(&mut entries, &bench.local, out.path(), &options, &bench.monitor, &bench.cancelled)
        .unwrap_err();
    assert!(matches!(&error, ExportError::Write { path, .. } if path.ends_with("p/d/c")), "{error}");
    assert_eq!(fs::read_dir(elsewhere.path().join("d")).unwrap().count(), 0);
}

#[test]
fn directories_that_may_not_be_written_are_filled_by_an_ordinary_user() {
    if as_nobody("plane::tests::out::directories_that_may_not_be_written_are_filled_by_an_ordinary_user") {
        return;
    }
    let bench = Bench::new();
    bench.file("a/b/c/f", "1").file("a/g", "2");
    let added = {
        let mut added = bench.add().unwrap();
        for entry in &mut added.entries {
            if let EntryBody::Directory { mode } = &mut entry.body {
                *mode = if entry.path.as_bytes() == b"a/b" { 0o000 } else { 0o500 };
            }
        }
        added
    };
    let out = tempfile::tempdir().unwrap();
    let exported = export_to(&bench, &added.entries, out.path(), &ExportOptions::default()).unwrap();
    assert_eq!(exported.entries, 5);
    assert_eq!(fs::read(out.path().join("a/g")).unwrap(), b"2");
    mode(&out.path().join("a/b"), 0o700);
    assert_eq!(fs::read(out.path().join("a/b/c/f")).unwrap(), b"1");
    mode(&out.path().join("a"), 0o700);
    mode(&out.path().join("a/b/c"), 0o700);
}

#[test]
fn reflinks_are_made_or_refused() {
    let bench = Bench::new();
    bench.file("f", "12345").file("g", vec![8; 2 << 20]);
    let added = bench.add().unwrap();
    let out = tempfile::tempdir().unwrap();
    let options = ExportOptions { link: LinkMode::Reflink, ..ExportOptions::default() };
    match export_to(&bench, &added.entries, out.path(), &options) {
        Ok(_) => {
            assert_eq!(fs::read(out.path().join("f")).unwrap(), b"12345"); // btrfs, xfs
            assert_eq!(fs::read(out.path().join("g")).unwrap(), vec![8; 2 << 20]);
        }
        Err(error) => {
            assert!(matches!(error, ExportError::NoReflink { .. }), "{error}");
            assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "nothing half-made is left");
        }
    }
}

#[test]
fn the_deepest_tree_is_exported_too() {
    let bench = Bench::new();
    let object = {
        bench.file("f", "1");
        *bench.add().unwrap().entries[0].object().unwrap()
    };
    let mut entries = Vec::new();
    let mut path = String::new();
    for _ in 0..2047 {
        path.push('d');
        let body = EntryBody::Directory { mode: 0o755 };
        entries.push(Entry { path: entry_path(&path), body, mtime: None });
        path.push('/');
    }
    path.push('f');
    entries.push(Entry {
        path: entry_path(&path),
        body: EntryBody::File { mode: 0o644, object },
        mtime: None,
    });
    let out = tempfile::tempdir().unwrap();
    let exported = export_to(&bench, &entries, out.path(), &ExportOptions::default()).unwrap();
    assert_eq!(exported.entries, 2048);
    let again = bench.add_sources(&[Source::Path(out.path().to_owned())], &mut std::io::empty()).unwrap();
    assert_eq!(again.entries, entries);
    assert!(std::process::Command::new("rm").arg("-rf").arg(out.path()).status().unwrap().success());
}
