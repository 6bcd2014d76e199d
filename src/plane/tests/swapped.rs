//! Somebody who may write to the tree that is added, or to the directory that is exported to, puts something else
//! there at the worst moment. Nothing outside is read as part of the tree, written, given another mode or deleted.
//!
//! No race is waited for: the swap happens at a hook, at every moment that there is.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::sync::atomic::Ordering;

use rustix::fs::{CWD, FileType, mknodat};

use super::super::export::export_hooked;
use super::super::hook::Moment;
use super::*;

const SECRET: &[u8] = b"nobody's business";

/// What stands outside: a directory that has the names of the tree, with other content.
struct Outside(tempfile::TempDir);

type Snapshot = BTreeMap<PathBuf, (u32, u64, i64, Vec<u8>)>;

impl Outside {
    fn new() -> Self {
        let outside = Self(tempfile::tempdir().unwrap());
        for name in ["f", "d/f", "d/g", "d/sub/f"] {
            let path = outside.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, SECRET).unwrap();
            mode(&path, 0o640);
        }
        fs::create_dir(outside.path("empty")).unwrap();
        mode(&outside.path("empty"), 0o710);
        mode(&outside.path("d"), 0o710);
        mode(&outside.path("d/sub"), 0o710);
        outside
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Everything about it that a write, a chmod, a link or an unlink would change.
    fn snapshot(&self) -> Snapshot {
        let mut found = Snapshot::new();
        for entry in walkdir::WalkDir::new(self.0.path()).min_depth(1) {
            let entry = entry.unwrap();
            let stat = entry.path().symlink_metadata().unwrap();
            let content = if stat.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
            let changed = stat.mtime() * 1_000_000_000 + stat.mtime_nsec();
            found.insert(entry.path().to_owned(), (stat.mode(), stat.ino(), changed, content));
        }
        found
    }
}

/// What is put in the place of a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swap {
    Symlink,
    Dangling,
    Fifo,
    Socket,
    Device,
    Directory,
    /// Another file, a real one.
    File,
    Nothing,
}

const SWAPS: [Swap; 8] = [
    Swap::Symlink,
    Swap::Dangling,
    Swap::Fifo,
    Swap::Socket,
    Swap::Device,
    Swap::Directory,
    Swap::File,
    Swap::Nothing,
];

/// Moves what has a name out of the way, and puts something else there.
fn swap(path: &Path, swap: Swap, target: &Path) {
    let aside = path.with_extension("aside");
    if aside.exists() {
        return; // once is enough: what is tried again meets what was put there
    }
    fs::rename(path, &aside).unwrap();
    let make = |kind: FileType, device: u64| mknodat(CWD, path, kind, 0o644.into(), device);
    match swap {
        Swap::Symlink => symlink(target, path).unwrap(),
        Swap::Dangling => symlink(target.with_extension("missing"), path).unwrap(),
        Swap::Fifo => make(FileType::Fifo, 0).unwrap(),
        Swap::Socket => drop(UnixListener::bind(path).unwrap()),
        // /dev/null; where we may not make one, a fifo has to do.
        Swap::Device => make(FileType::CharacterDevice, rustix::fs::makedev(1, 3))
            .or_else(|_| make(FileType::Fifo, 0))
            .unwrap(),
        Swap::Directory => fs::create_dir(path).unwrap(),
        Swap::File => fs::write(path, "another").unwrap(),
        Swap::Nothing => {}
    }
}

fn add_with(bench: &Bench, act: impl Fn(Moment, &[u8]) + Sync) -> Result<Found, IngestError> {
    let sources = [Source::Path(bench.source.path().to_owned())];
    bench.add_hooked(&sources, &mut std::io::empty(), &Hook(Some(&act)))
}

#[test]
fn whatever_takes_a_files_place_while_an_add_looks_at_it_is_not_taken_for_it() {
    let outside = Outside::new();
    let before = outside.snapshot();
    let secret = Digests::of(SECRET);
    let mut tried = 0;
    for size in [5, 3 << 20] {
        for moment in [Moment::BeforeOpen, Moment::BeforeRead, Moment::AfterRead] {
            for instead in SWAPS {
                for on_unreadable in [OnUnreadable::Fail, OnUnreadable::Skip] {
                    let what = format!("{size} bytes, {moment:?}, {instead:?}, {on_unreadable:?}");
                    let mut bench = Bench::new();
                    bench.options.on_unreadable = on_unreadable;
                    bench.file("f", vec![b'i'; size]).file("z", "last");
                    let outcome = add_with(&bench, |at, name| {
                        if at == moment && name == b"f" {
                            swap(&bench.path("f"), instead, &outside.path("f"));
                        }
                    });
                    assert!(!bench.objects().contains(&secret.address()), "{what}");
                    match outcome {
                        Ok(found) => {
                            let f = found.entries.iter().find(|entry| entry.path.as_bytes() == b"f");
                            // What was open is read whole, or what is there now is taken for what it is.
                            let right = match f.map(|entry| &entry.body) {
                                Some(EntryBody::File { object, .. }) => {
                                    *object == Digests::of(&vec![b'i'; size])
                                        || instead == Swap::File && *object == Digests::of(b"another")
                                }
                                Some(EntryBody::Symlink { target }) => {
                                    matches!(instead, Swap::Symlink | Swap::Dangling)
                                        && target.starts_with(outside.0.path().as_os_str().as_encoded_bytes())
                                }
                                Some(EntryBody::Directory { .. }) => false,
                                None => !found.skipped.is_empty() || !bench.monitor.problems().is_empty(),
                            };
                            assert!(right, "{what}: {f:?}");
                        }
                        Err(IngestError::Unreadable { path, .. }) => {
                            assert_eq!(on_unreadable, OnUnreadable::Fail, "{what}");
                            assert_eq!(path, bench.path("f"), "{what}");
                        }
                        Err(error) => panic!("{what}: {error:?}"),
                    }
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(outside.snapshot(), before);
    eprintln!("{tried} swaps of a file");
}

#[test]
fn whatever_takes_a_directorys_place_while_an_add_walks_is_not_entered_by_mistake() {
    let outside = Outside::new();
    let secret = Digests::of(SECRET);
    for instead in SWAPS {
        for (victim, name) in [("d", "d"), ("d/sub", "sub")] {
            for on_unreadable in [OnUnreadable::Fail, OnUnreadable::Skip] {
                let what = format!("{instead:?} for {victim}, {on_unreadable:?}");
                let mut bench = Bench::new();
                bench.options.on_unreadable = on_unreadable;
                bench.file("d/f", "inside").file("d/sub/f", "inside").file("z", "last");
                let outcome = add_with(&bench, |at, found| {
                    if at == Moment::BeforeEnter && found == name.as_bytes() {
                        swap(&bench.path(victim), instead, &outside.path(victim));
                    }
                });
                assert!(!bench.objects().contains(&secret.address()), "{what}");
                match outcome {
                    Err(IngestError::Unreadable { path, source }) => {
                        assert_eq!((on_unreadable, path), (OnUnreadable::Fail, bench.path(victim)), "{what}");
                        // One that is gone is said to be gone.
                        let changed = matches!(source, Unreadable::Changed);
                        assert_eq!(changed, instead != Swap::Nothing, "{what}: {source:?}");
                    }
                    Ok(found) if instead == Swap::Directory => {
                        // What stands there now is a directory of the tree, and empty.
                        let beneath = format!("{victim}/");
                        assert!(!paths(&found.entries).iter().any(|path| path.starts_with(&beneath)));
                    }
                    Ok(found) => {
                        assert_eq!(on_unreadable, OnUnreadable::Skip, "{what}");
                        assert_eq!(found.skipped.len(), 1, "{what}");
                        assert!(!paths(&found.entries).contains(&victim.to_owned()), "{what}");
                    }
                    Err(error) => panic!("{what}: {error:?}"),
                }
            }
        }
    }
}

/// The tree that is exported while somebody interferes.
fn exported(bench: &Bench, large: usize) -> Vec<Entry> {
    bench.file("d/f", "1").file("d/g", vec![b'g'; large]).file("d/sub/f", "2").file("f", "3");
    bench.directory("e");
    mode(&bench.path("d"), 0o777);
    mode(&bench.path("d/sub"), 0o777);
    mode(&bench.path("e"), 0o777);
    bench.add().unwrap().entries
}

fn export_with(
    bench: &Bench,
    entries: &[Entry],
    destination: &Path,
    act: impl Fn(Moment, &[u8]) + Sync,
) -> Result<Exported, ExportError> {
    let mut entries = entries.iter().cloned().map(Ok);
    // One writer, so that the schedule is the same each time.
    let options = ExportOptions { threads: 1, link: LinkMode::Copy, ..ExportOptions::default() };
    let hook = Hook(Some(&act));
    let (monitor, cancelled) = (&bench.monitor, &bench.cancelled);
    export_hooked(&mut entries, &bench.local, destination, &options, monitor, cancelled, &hook)
}

const MOMENTS: [Moment; 3] = [Moment::BeforeCreate, Moment::AfterCreate, Moment::BeforeFinish];

#[test]
fn whatever_takes_a_directorys_place_while_an_export_writes_is_left_alone() {
    let bench = Bench::new();
    let entries = exported(&bench, 10);
    let (mut tried, mut refused) = (0, 0);
    for moment in MOMENTS {
        for trigger in ["f", "g", "sub", "d", "e"] {
            for victim in ["d", "d/sub", "e"] {
                for instead in ["symlink", "dangling", "full directory", "empty directory", "file", "nothing"]
                {
                    let what = format!("{instead} for {victim} at {moment:?} of {trigger}");
                    let outside = Outside::new();
                    let before = outside.snapshot();
                    let place = tempfile::tempdir().unwrap();
                    let out = place.path().join("out");
                    let at = out.join(victim);
                    let outcome = export_with(&bench, &entries, &out, |found, name| {
                        if found != moment || name != trigger.as_bytes() || !at.exists() {
                            return;
                        }
                        let aside = place.path().join("aside");
                        if aside.exists() {
                            return;
                        }
                        fs::rename(&at, aside).unwrap();
                        match instead {
                            "symlink" => symlink(outside.path("d"), &at).unwrap(),
                            "dangling" => symlink(outside.path("missing"), &at).unwrap(),
                            // What an attacker may move, and not write to.
                            "full directory" => fs::rename(outside.path("d"), &at).unwrap(),
                            "empty directory" => fs::rename(outside.path("empty"), &at).unwrap(),
                            "file" => fs::rename(outside.path("f"), &at).unwrap(),
                            _ => {}
                        }
                    });
                    for (from, to) in [("full directory", "d"), ("empty directory", "empty"), ("file", "f")] {
                        if from == instead && !outside.path(to).exists() {
                            fs::rename(&at, outside.path(to)).unwrap();
                        }
                    }
                    let after = outside.snapshot();
                    let untimed = |snapshot: Snapshot| -> Vec<_> {
                        snapshot
                            .into_iter()
                            .map(|(path, (mode, inode, _, content))| (path, mode, inode, content))
                            .collect()
                    };
                    assert_eq!(untimed(after), untimed(before), "{what}");
                    tried += 1;
                    match outcome {
                        Ok(exported) => assert_eq!(exported.damaged.len(), 0, "{what}"),
                        Err(ExportError::Write { path, .. }) => {
                            refused += 1;
                            assert!(path.starts_with(&out), "{what}: {}", path.display());
                        }
                        Err(error) => panic!("{what}: {error:?}"),
                    }
                }
            }
        }
    }
    eprintln!("{tried} swaps of a directory, {refused} met and refused");
    assert!(refused > 20, "only {refused} of {tried} swaps were met");
}

#[test]
fn whatever_takes_a_files_place_while_an_export_writes_it_is_left_alone() {
    let bench = Bench::new();
    let entries = exported(&bench, 3 << 20);
    for damaged in [false, true] {
        if damaged {
            // What is found only while it is written: then the file is taken away again.
            let object = bench.object(&Digests::of(&vec![b'g'; 3 << 20]).address());
            mode(&object, 0o644);
            fs::write(&object, vec![b'h'; 3 << 20]).unwrap();
        }
        for moment in [Moment::BeforeCreate, Moment::AfterCreate] {
            for instead in ["symlink", "dangling", "hard link", "file", "fifo", "directory"] {
                let what = format!("{instead} at {moment:?}, damaged: {damaged}");
                let outside = Outside::new();
                let place = tempfile::tempdir().unwrap();
                let out = place.path().join("out");
                let at = out.join("d/g");
                if instead == "hard link" {
                    fs::hard_link(outside.path("f"), outside.path("linked")).unwrap();
                }
                let before = outside.snapshot();
                let outcome = export_with(&bench, &entries, &out, |found, name| {
                    if found != moment || name != b"g" {
                        return;
                    }
                    drop(fs::rename(&at, place.path().join("aside")));
                    match instead {
                        "symlink" => symlink(outside.path("f"), &at).unwrap(),
                        "dangling" => symlink(outside.path("missing"), &at).unwrap(),
                        "hard link" => fs::hard_link(outside.path("f"), &at).unwrap(),
                        "file" => fs::write(&at, "somebody else's").unwrap(),
                        "fifo" => mknodat(CWD, &at, FileType::Fifo, 0o644.into(), 0).unwrap(),
                        _ => fs::create_dir(&at).unwrap(),
                    }
                });
                assert_eq!(outside.snapshot(), before, "{what}");
                assert!(at.symlink_metadata().is_ok(), "{what}: what somebody else put there is deleted");
                assert!(instead != "file" || fs::read(&at).unwrap() == b"somebody else's", "{what}");
                match outcome {
                    Err(ExportError::Write { path, source }) => {
                        assert_eq!((moment, path), (Moment::BeforeCreate, at), "{what}");
                        assert_eq!(source.kind(), std::io::ErrorKind::AlreadyExists, "{what}");
                    }
                    Ok(exported) => {
                        assert_eq!(moment, Moment::AfterCreate, "{what}");
                        assert_eq!(exported.damaged.len(), usize::from(damaged), "{what}");
                    }
                    Err(error) => panic!("{what}: {error:?}"),
                }
            }
        }
    }
}

#[test]
fn a_destination_that_is_renamed_or_replaced_is_still_the_one_that_is_written_to() {
    let bench = Bench::new();
    let entries = exported(&bench, 10);
    for moment in MOMENTS {
        for replace in [false, true] {
            let outside = Outside::new();
            let before = outside.snapshot();
            let place = tempfile::tempdir().unwrap();
            let (out, moved) = (place.path().join("out"), place.path().join("moved"));
            let once = AtomicBool::new(false);
            let exported = export_with(&bench, &entries, &out, |found, _| {
                if found == moment && !once.swap(true, Ordering::Relaxed) {
                    fs::rename(&out, &moved).unwrap();
                    if replace {
                        symlink(outside.0.path(), &out).unwrap();
                    }
                }
            })
            .unwrap();
            assert_eq!(exported.entries, entries.len() as u64, "{moment:?}");
            assert_eq!(outside.snapshot(), before, "{moment:?}");
            assert_eq!(fs::read(moved.join("d/sub/f")).unwrap(), b"2", "{moment:?}");
            assert_eq!(out.symlink_metadata().is_ok(), replace);
        }
    }
}

#[test]
fn a_destination_that_is_a_symlink_is_the_one_that_was_named() {
    let bench = Bench::new();
    let entries = exported(&bench, 10);
    let place = tempfile::tempdir().unwrap();
    let (out, real) = (place.path().join("out"), place.path().join("real"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &out).unwrap();
    export_with(&bench, &entries, &out, |_, _| {}).unwrap();
    assert_eq!(fs::read(real.join("d/sub/f")).unwrap(), b"2");
    // One that leads nowhere makes nothing at its other end.
    let dangling = place.path().join("dangling");
    symlink(place.path().join("missing"), &dangling).unwrap();
    for destination in [dangling.clone(), dangling.join("")] {
        let error = export_with(&bench, &entries, &destination, |_, _| {}).unwrap_err();
        assert!(matches!(error, ExportError::Destination { .. }), "{error:?}");
    }
    assert!(!place.path().join("missing").exists());
}

/// Entries that no manifest can hold: views that somebody wrote by hand.
#[test]
fn entries_that_lead_out_of_the_destination_are_refused() {
    let bench = Bench::new();
    let object = {
        bench.file("f", "1");
        *bench.add().unwrap().entries[0].object().unwrap()
    };
    let outside = Outside::new();
    let before = outside.snapshot();
    let entry = |path: &str, body: EntryBody| Entry { path: entry_path(path), body, mtime: None };
    let file = |path: &str| entry(path, EntryBody::File { mode: 0o644, object });
    let directory = |path: &str| entry(path, EntryBody::Directory { mode: 0o777 });
    let link = |path: &str, target: &Path| {
        let target = target.as_os_str().as_encoded_bytes().into();
        entry(path, EntryBody::Symlink { target })
    };
    let d = outside.path("d");
    let cases: [(&str, Vec<Entry>); 7] = [
        ("a file beneath a symlink", vec![link("d", &d), file("d/x")]),
        ("a directory beneath a symlink", vec![link("d", &d), directory("d/sub")]),
        ("a symlink beneath a symlink", vec![link("d", &d), link("d/x", &d)]),
        ("far beneath a symlink", vec![link("d", outside.0.path()), file("d/d/sub/f")]),
        ("a file beneath a file", vec![file("d"), file("d/x")]),
        ("a file without its directory", vec![file("d/x")]),
        ("a directory twice", vec![directory("d"), link("d", &d), file("d/x")]),
    ];
    for (what, entries) in cases {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        let error = export_with(&bench, &entries, &out, |_, _| {}).unwrap_err();
        assert!(matches!(error, ExportError::Write { .. }), "{what}: {error:?}");
        assert_eq!(outside.snapshot(), before, "{what}");
    }
    // And what climbs is no path at all.
    for path in ["..", "../x", "a/../../x", "/etc/x", "a/./x", "a//x", "a/", "", "a\0b", "."] {
        assert!(EntryPath::new(path.as_bytes()).is_err(), "{path:?}");
    }
}
