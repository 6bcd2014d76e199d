//! Trees that work against us: what cannot be read, what changes, what leads astray.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::super::hook::Moment;
use super::*;
use crate::monitor::Problem;

/// Adds with something done at each moment of each file, until it says that it is done.
fn add_with(bench: &Bench, act: impl Fn(Moment, &[u8]) + Sync) -> Result<Found, IngestError> {
    let sources = [Source::Path(bench.source.path().to_owned())];
    bench.add_hooked(&sources, &mut std::io::empty(), &Hook(Some(&act)))
}

#[test]
fn what_is_no_file_is_skipped_and_said() {
    let bench = Bench::new();
    bench.file("file", "1");
    let fifo = bench.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    let _listener = UnixListener::bind(bench.path("socket")).unwrap();
    assert_eq!(paths(&bench.add().unwrap().entries), ["file"]);
    let mut problems = bench.monitor.problems();
    problems.sort_by_key(ToString::to_string);
    assert_eq!(
        problems,
        [
            Problem::SpecialFileSkipped { path: fifo.clone(), kind: "fifo" },
            Problem::SpecialFileSkipped { path: bench.path("socket"), kind: "socket" },
        ]
    );
    // Named, they are not: somebody wanted what comes out of them.
    for (path, is) in
        [(fifo, "fifo"), (bench.path("socket"), "socket"), ("/dev/zero".into(), "character device")]
    {
        let error = bench.add_sources(&[Source::Path(path)], &mut std::io::empty()).unwrap_err();
        assert!(matches!(error, IngestError::Special { kind, .. } if kind == is), "{error}");
    }
}

#[test]
fn an_unreadable_path_ends_it_or_is_left_out() {
    let mut bench = Bench::new();
    bench.file("d/keep", "1").file("d/gone", "2").file("z", "3");
    let vanish = |moment, name: &[u8]| {
        if moment == Moment::BeforeOpen && name == b"gone" {
            drop(fs::remove_file(bench.path("d/gone")));
        }
    };
    let error = add_with(&bench, vanish).unwrap_err();
    let IngestError::Unreadable { path, source: Unreadable::Io(source) } = &error else { panic!("{error}") };
    assert_eq!((path, source.kind()), (&bench.path("d/gone"), std::io::ErrorKind::NotFound));
    bench.options.on_unreadable = OnUnreadable::Skip;
    bench.file("d/gone", "2");
    let vanish = |moment, name: &[u8]| {
        if moment == Moment::BeforeOpen && name == b"gone" {
            drop(fs::remove_file(bench.path("d/gone")));
        }
    };
    let ingested = add_with(&bench, vanish).unwrap();
    assert_eq!(paths(&ingested.entries), ["d", "d/keep", "z"]);
    let [Skipped { path, why: Unreadable::Io(why) }] = &ingested.skipped[..] else { panic!("{ingested:?}") };
    assert_eq!((path, why.kind()), (&bench.path("d/gone"), std::io::ErrorKind::NotFound));
    assert!(
        matches!(&bench.monitor.problems()[..], [Problem::EntrySkipped { path, .. }] if path.ends_with("d/gone"))
    );
}

#[test]
fn what_an_ordinary_user_may_not_read_is_named() {
    if as_nobody("plane::tests::hostile::what_an_ordinary_user_may_not_read_is_named") {
        return;
    }
    let mut bench = Bench::new();
    bench.file("closed/f", "1").file("file", "2").file("listed/f", "3").file("z", "4");
    mode(&bench.path("closed"), 0o000);
    mode(&bench.path("file"), 0o200);
    mode(&bench.path("listed"), 0o400);
    let error = bench.add().unwrap_err();
    assert!(matches!(&error, IngestError::Unreadable { .. }), "{error}");
    bench.options.on_unreadable = OnUnreadable::Skip;
    let ingested = bench.add().unwrap();
    assert_eq!(paths(&ingested.entries), ["listed", "z"]);
    let skipped: Vec<_> = ingested.skipped.iter().map(|skipped| skipped.path.clone()).collect();
    assert_eq!(skipped, [bench.path("closed"), bench.path("file"), bench.path("listed/f")]);
    for skipped in &ingested.skipped {
        let Unreadable::Io(why) = &skipped.why else { panic!("{skipped:?}") };
        assert_eq!(why.kind(), std::io::ErrorKind::PermissionDenied);
    }
    mode(&bench.path("closed"), 0o700);
    mode(&bench.path("listed"), 0o700);
}

#[test]
fn a_source_that_is_not_there_is_named() {
    let bench = Bench::new();
    for names in [&["nothing"][..], &["nothing", "nothing/else"]] {
        let sources: Vec<Source> = names.iter().map(|name| Source::Path(bench.path(name))).collect();
        let error = bench.add_sources(&sources, &mut std::io::empty()).unwrap_err();
        assert!(
            matches!(&error, IngestError::Unreadable { path, .. } if *path == bench.path("nothing")),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_holds_still_at_last_is_taken_whole() {
    let bench = Bench::new();
    for size in [100, 3 << 20] {
        let content = |fill: u8| vec![fill; size];
        bench.file("f", content(b'a'));
        let changes = AtomicU32::new(0);
        // The same size, other bytes, after the file was looked at and before it is read; twice.
        let ingested = add_with(&bench, |moment, _| {
            if moment == Moment::BeforeRead && changes.fetch_add(1, Ordering::Relaxed) < 2 {
                fs::write(bench.path("f"), content(b'b')).unwrap();
            }
        })
        .unwrap();
        assert_eq!(ingested.entries[0].object(), Some(&Digests::of(&content(b'b'))), "{size}");
        assert_eq!(changes.into_inner(), 3, "read again, as often as it changed");
    }
    assert_eq!(bench.objects().len(), 2);
}

#[test]
fn a_file_that_never_holds_still_is_a_failure() {
    for (size, moment) in [(10, Moment::BeforeRead), (10, Moment::AfterRead), (3 << 20, Moment::AfterRead)] {
        let mut bench = Bench::new();
        bench.file("f", vec![b'a'; size]).file("g", "1");
        let grow = |bench: &Bench, at: Moment, name: &[u8]| {
            if at == moment && name == b"f" {
                use std::io::Write as _;
                fs::OpenOptions::new()
                    .append(true)
                    .open(bench.path("f"))
                    .unwrap()
                    .write_all(b"more")
                    .unwrap();
            }
        };
        let error = add_with(&bench, |at, name| grow(&bench, at, name)).unwrap_err();
        let IngestError::Unreadable { path, source: Unreadable::Changed } = &error else { panic!("{error}") };
        assert_eq!(*path, bench.path("f"));
        bench.options.on_unreadable = OnUnreadable::Skip;
        let ingested = add_with(&bench, |at, name| grow(&bench, at, name)).unwrap();
        assert_eq!(paths(&ingested.entries), ["g"]);
        assert_eq!(ingested.skipped.len(), 1);
        assert_eq!(bench.objects(), [Digests::of(b"1").address()], "no torn object is left");
    }
}

#[test]
fn bytes_read_while_they_are_overwritten_are_never_torn() {
    let bench = Bench::new();
    bench.file("f", vec![0; 512 << 10]);
    let stop = AtomicBool::new(false);
    let rounds = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::os::unix::fs::FileExt as _;
            let file = fs::OpenOptions::new().write(true).open(bench.path("f")).unwrap();
            let mut fill = 0u8;
            while !stop.load(Ordering::Relaxed) {
                fill = fill.wrapping_add(1);
                file.write_all_at(&vec![fill; 512 << 10], 0).unwrap();
                rounds.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(u64::from(fill % 40)));
            }
        });
        for _ in 0..20 {
            // A failure is right too; what must not be is an object of two fillings.
            if let Ok(ingested) = bench.add() {
                let object = ingested.entries[0].object().unwrap();
                let whole = (0..=255u8).any(|fill| Digests::of(&vec![fill; 512 << 10]) == *object);
                assert!(whole, "a torn read became an object");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_symlink_swapped_in_is_not_followed() {
    let bench = Bench::new();
    bench.file("f", "1").file("d/inner", "2").file("secret", "secret");
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("inner"), "stolen").unwrap();
    let swapped = AtomicBool::new(false);
    let ingested = add_with(&bench, |moment, name| {
        if moment == Moment::BeforeOpen && name == b"f" {
            fs::remove_file(bench.path("f")).unwrap();
            symlink("secret", bench.path("f")).unwrap();
        }
        // The directory is open by now; its name leads elsewhere.
        if moment == Moment::BeforeOpen && name == b"inner" && !swapped.swap(true, Ordering::Relaxed) {
            fs::rename(bench.path("d"), bench.path("moved")).unwrap();
            symlink(elsewhere.path(), bench.path("d")).unwrap();
        }
    })
    .unwrap();
    let lines = lines(&ingested.entries);
    assert!(lines.contains(&"f -> secret".to_owned()), "{lines:?}");
    let inner = ingested.entries.iter().find(|entry| entry.path.as_bytes() == b"d/inner").unwrap();
    assert_eq!(inner.object(), Some(&Digests::of(b"2")), "read from the directory that was listed");
}

#[test]
fn a_fifo_or_directory_swapped_in_does_not_hang_or_confuse() {
    let mut bench = Bench::new();
    bench.options.on_unreadable = OnUnreadable::Skip;
    bench.file("fifo", "1").file("directory", "2").file("z", "3");
    let ingested = add_with(&bench, |moment, name| {
        let path = bench.path(name);
        if moment == Moment::BeforeOpen && name == b"fifo" {
            fs::remove_file(&path).unwrap();
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
        }
        if moment == Moment::BeforeOpen && name == b"directory" {
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
        }
    })
    .unwrap();
    assert_eq!(paths(&ingested.entries), ["z"]);
    assert!(
        matches!(&ingested.skipped[..], [Skipped { path, why: Unreadable::Changed }] if path.ends_with("directory"))
    );
}

#[test]
fn a_tree_as_deep_as_paths_go_comes_through_whole() {
    let bench = Bench::new();
    // 2047 levels: the deepest stored path of a file is 4095 bytes long, and far beyond PATH_MAX with its root.
    let levels = 2047;
    let deepest = descend(&bench, levels);
    rustix::fs::symlinkat("x", &deepest, "l").unwrap();
    drop(deepest);
    let (looks, open_max) = (AtomicU32::new(0), AtomicU64::new(0));
    let ingested = add_with(&bench, |moment, _| {
        if moment == Moment::BeforeOpen && looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(100) {
            let open = fs::read_dir("/proc/self/fd").unwrap().count();
            open_max.fetch_max(open as u64, Ordering::Relaxed);
        }
    })
    .unwrap();
    assert_eq!(ingested.entries.len(), levels * 2 + 1);
    // Other tests have files open too; a handle for each level would be twice as many.
    assert!(open_max.into_inner() < 1000, "directories are not all kept open");
    let longest = ingested.entries.iter().map(|entry| entry.path.as_bytes().len()).max();
    assert_eq!(longest, Some(4095));
    remove_deep(&bench, levels);
}

#[test]
fn a_tree_deeper_than_that_is_a_clear_error() {
    let mut bench = Bench::new();
    let levels = 2060;
    drop(descend(&bench, levels));
    let error = bench.add().unwrap_err();
    let IngestError::Unreadable { path, source } = &error else { panic!("{error}") };
    assert!(matches!(source, Unreadable::Path(crate::manifest::PathError::TooLong)), "{error}");
    assert!(path.starts_with(bench.source.path()) && path.as_os_str().len() > 4096);
    bench.options.on_unreadable = OnUnreadable::Skip;
    let ingested = bench.add().unwrap();
    // The first directory and the first file that do not fit; what is beneath that directory goes with it.
    assert_eq!(ingested.skipped.len(), 2);
    assert!(ingested.entries.len() > 4090);
    remove_deep(&bench, levels);
}

#[test]
fn a_directory_moved_away_while_we_are_deep_in_it_is_noticed() {
    let mut bench = Bench::new();
    let levels = 200;
    drop(descend(&bench, levels));
    // More names at the level of the tenth, some to be walked when we come back up to it, and the same ones
    // where `..` will lead.
    let tenth: String = "d/".repeat(10);
    for nth in 0..64 {
        bench.file(format!("{tenth}e{nth}/f"), "right").file(format!("e{nth}/f"), "wrong");
    }
    bench.options.on_unreadable = OnUnreadable::Skip;
    // With one reader the walk is at most one full queue ahead: when this file's turn comes, the walk is
    // far beneath the directory that is moved, and not at the bottom yet.
    bench.options.threads = 1;
    let moved = AtomicBool::new(false);
    let ingested = add_with(&bench, |moment, name| {
        if moment == Moment::BeforeOpen && name == b"100" && !moved.swap(true, Ordering::Relaxed) {
            fs::rename(bench.path(format!("{tenth}d")), bench.path("elsewhere")).unwrap();
        }
    })
    .unwrap();
    let right = Digests::of(b"right");
    let walked = ingested.entries.iter().filter(|entry| {
        let ours =
            entry.path.as_bytes().starts_with(tenth.as_bytes()) && entry.path.as_bytes().ends_with(b"/f");
        assert!(!ours || entry.object() == Some(&right), "read from elsewhere: {:?}", entry.path);
        ours
    });
    // Those that were not walked before are behind the lost way back, which is said.
    assert!(walked.count() == 64 || !ingested.skipped.is_empty());
    remove_deep(&bench, levels);
}

#[test]
fn what_is_mounted_beneath_is_left_out_where_asked_for() {
    let mut bench = Bench::new();
    let (above, below) = (Path::new("/dev").metadata(), Path::new("/dev/shm").metadata());
    let (Ok(above), Ok(below)) = (above, below) else { return };
    if above.dev() == below.dev() {
        return; // nothing is mounted here that we could use
    }
    let probe = tempfile::Builder::new().prefix("astore-probe").tempfile_in("/dev/shm").unwrap();
    let probe = format!("shm/{}", probe.path().file_name().unwrap().to_str().unwrap());
    bench.options.on_unreadable = OnUnreadable::Skip;
    let survey = |bench: &Bench| {
        let context = IngestContext { cache: None, monitor: &bench.monitor, cancelled: &bench.cancelled };
        let mut options = bench.options.clone();
        options.exclude = vec!["/fd".into(), "/pts".into()];
        let surveyed = survey(&["/dev".into()], &options, context).unwrap();
        paths(&surveyed.entries.iter().collect::<Vec<_>>())
    };
    let crossed = survey(&bench);
    assert!(crossed.contains(&"shm".to_owned()));
    bench.options.one_file_system = true;
    let stayed = survey(&bench);
    assert!(stayed.contains(&"shm".to_owned()), "the mount point is an entry");
    assert!(!stayed.iter().any(|path| path.starts_with("shm/")), "what is mounted there is not");
    drop(probe);
}

#[test]
fn files_of_no_honest_size_are_read_to_their_end() {
    let bench = Bench::new();
    let sources = [Source::Path("/proc/self/status".into()), Source::Path("/proc/version".into())];
    let ingested = bench.add_sources(&sources, &mut std::io::empty()).unwrap();
    let version = ingested.entries.iter().find(|entry| entry.path.as_bytes() == b"version").unwrap();
    assert_eq!(version.object(), Some(&Digests::of(&fs::read("/proc/version").unwrap())));
}

#[test]
fn a_sparse_file_stays_sparse() {
    let bench = Bench::new();
    let size = 64 << 20;
    let file = fs::File::create(bench.path("sparse")).unwrap();
    file.set_len(size).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"middle", size / 2).unwrap();
    let ingested = bench.add().unwrap();
    let object = ingested.entries[0].object().unwrap();
    assert_eq!(object.size_bytes, size);
    let stored = bench.object(&object.address()).metadata().unwrap();
    assert_eq!(stored.len(), size);
    assert!(stored.blocks() * 512 < 4 << 20, "{} blocks", stored.blocks());
    assert_eq!(bench.objects(), [object.address()]);
}

#[test]
fn cancelling_ends_it_and_leaves_no_object() {
    let bench = Bench::new();
    bench.file("big", vec![1; 64 << 20]).file("small", "1");
    let result = add_with(&bench, |moment, _| {
        if moment == Moment::BeforeRead {
            bench.cancelled.store(true, Ordering::Relaxed);
        }
    });
    assert!(matches!(result, Err(IngestError::Cancelled)), "{result:?}");
    assert!(bench.objects().is_empty());
    assert_eq!(fs::read_dir(bench.root.path().join("tmp")).unwrap().count(), 0);
    assert!(bench.counted(Counter::BytesHashed) < 64 << 20, "it did not read on to the end");
}

#[test]
fn standard_input_that_fails_or_is_interrupted() {
    struct Odd(Vec<std::io::Result<Vec<u8>>>);
    impl std::io::Read for Odd {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some(next) = self.0.pop() else { return Ok(0) };
            let bytes = next?;
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }
    let bench = Bench::new();
    let source = [Source::Stdin { name: entry_path("in") }];
    let interrupted = || Err(std::io::ErrorKind::Interrupted.into());
    let mut odd = Odd(vec![Ok(b"c".to_vec()), interrupted(), Ok(b"ab".to_vec()), interrupted()]);
    let ingested = bench.add_sources(&source, &mut odd).unwrap();
    assert_eq!(ingested.entries[0].object(), Some(&Digests::of(b"abc")));
    let mut odd = Odd(vec![Err(std::io::ErrorKind::Other.into()), Ok(b"ab".to_vec())]);
    assert!(matches!(bench.add_sources(&source, &mut odd), Err(IngestError::Stdin(_))));
    bench.cancelled.store(true, Ordering::Relaxed);
    let mut odd = Odd((0..1_000_000).map(|_| interrupted()).collect());
    assert!(matches!(bench.add_sources(&source, &mut odd), Err(IngestError::Cancelled)));
}

/// Makes a chain of directories `d/d/…`, each with an empty file named after its level where there is room
/// for more than one letter, and returns the deepest one.
fn descend(bench: &Bench, levels: usize) -> std::os::fd::OwnedFd {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    let open = |at: &std::os::fd::OwnedFd, name: &str| {
        openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    };
    let mut at: std::os::fd::OwnedFd = fs::File::open(bench.source.path()).unwrap().into();
    for level in 0..levels {
        let name = if levels < 1000 { level.to_string() } else { "f".to_owned() };
        drop(openat(&at, &*name, OFlags::WRONLY | OFlags::CREATE, Mode::from_raw_mode(0o644)).unwrap());
        mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = open(&at, "d");
    }
    at
}

/// Removes such a chain, for which tempfile's own removal is not made.
fn remove_deep(bench: &Bench, levels: usize) {
    let status = std::process::Command::new("rm").arg("-rf").arg(bench.source.path()).status().unwrap();
    assert!(status.success(), "{levels} levels");
}
