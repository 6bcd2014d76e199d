//! What a scan finds, all of it in one run.

use std::os::unix::fs::symlink;
use std::sync::atomic::Ordering;

use super::*;
use crate::disk::testing::{Act, Call, Observed};
use crate::storage::layout;

fn scan_with(
    bench: &Bench,
    expected: &[Digests],
    depth: Depth,
    coverage: Coverage,
) -> Result<Scanned, VerifyError> {
    let mut expected = expected.to_vec();
    expected.sort_by_key(|object| object.blake3);
    let options = ScanOptions { depth, coverage, threads: 3, ..ScanOptions::default() };
    let mut expected = expected.into_iter().map(Ok);
    scan(&*bench.disk, &mut expected, &options, &bench.log, &bench.monitor, &bench.cancelled)
}

/// Returns findings as lines: the file's name that was used for it, and the fault.
fn told(scanned: &Scanned, names: &[(&str, Digests)]) -> Vec<String> {
    let name = |subject: &Subject| match subject {
        Subject::Object(address) => {
            let known = names.iter().find(|(_, object)| object.address() == *address);
            known.map_or_else(|| "?".to_owned(), |(name, _)| (*name).to_owned())
        }
        Subject::Path(path) => path.display().to_string(),
    };
    let mut lines: Vec<String> = scanned
        .findings
        .iter()
        .map(|finding| format!("{} {}", name(&finding.subject), finding.fault.name()))
        .collect();
    lines.sort();
    lines
}

fn store(bench: &Bench, names: &[&'static str]) -> Vec<(&'static str, Digests)> {
    for name in names {
        bench.file(name, name.repeat(100));
    }
    bench.add().unwrap();
    names.iter().map(|name| (*name, Digests::of(name.repeat(100).as_bytes()))).collect()
}

fn rewrite(path: &Path, content: &[u8]) {
    mode(path, 0o644);
    fs::write(path, content).unwrap();
    mode(path, 0o444);
}

#[test]
fn a_sound_store_has_no_findings() {
    let bench = Bench::new();
    let names = store(&bench, &["a", "b", "c"]);
    bench.file("big", vec![3; 5 << 20]).file("empty", "");
    let objects: Vec<Digests> =
        bench.add().unwrap().entries.iter().filter_map(|entry| entry.object().copied()).collect();
    for (depth, bytes) in
        [(Depth::Quick, 0), (Depth::Primary, (5 << 20) + 300), (Depth::Both, (5 << 20) + 300)]
    {
        let scanned = scan_with(&bench, &objects, depth, Coverage::Everything).unwrap();
        assert_eq!(told(&scanned, &names), [""; 0], "{depth:?}");
        assert_eq!((scanned.objects, scanned.bytes), (5, bytes), "{depth:?}");
    }
}

/// Every kind of damage, each to another object, and strays of every kind.
fn ruin(bench: &Bench, names: &[(&str, Digests)]) {
    let path = |name: &str| {
        let object = names.iter().find(|(known, _)| *known == name).unwrap().1;
        bench.object(&object.address())
    };
    let mut bytes = "altered".repeat(100).into_bytes();
    bytes[699] ^= 1;
    rewrite(&path("altered"), &bytes);
    rewrite(&path("cut"), b"cut");
    rewrite(&path("grown"), "grown".repeat(101).as_bytes());
    fs::remove_file(path("missing")).unwrap();
    fs::rename(path("renamed"), path("sound").with_file_name("elsewhere")).unwrap();
    rewrite(&path("other"), "sound".repeat(100).as_bytes());
    mode(&path("mode"), 0o600);
    fs::remove_file(path("link")).unwrap();
    symlink("/etc/passwd", path("link")).unwrap();
    fs::remove_file(path("dir")).unwrap();
    fs::create_dir(path("dir")).unwrap();
    // Strays.
    let root = bench.root.path();
    fs::write(root.join("blake3/readme"), "x").unwrap();
    fs::create_dir(root.join("blake3/AB")).unwrap();
    let foreign = Digests::of(b"foreign");
    for (object, content) in [(foreign, &b"foreign"[..]), (Digests::of(b"claimed"), b"something else")] {
        let path = bench.object(&object.address());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::create_dir_all(root.join("tmp/writer")).unwrap();
}

const NAMES: [&str; 10] =
    ["altered", "cut", "grown", "missing", "renamed", "other", "mode", "link", "dir", "sound"];

#[test]
fn all_damage_is_found_in_one_run() {
    let bench = Bench::new();
    let mut names = store(&bench, &NAMES);
    let objects: Vec<Digests> = names.iter().map(|(_, object)| *object).collect();
    ruin(&bench, &names);
    names.push(("(foreign)", Digests::of(b"foreign")));
    names.push(("(claimed)", Digests::of(b"claimed")));
    let beside = |name: &str| {
        let object = names.iter().find(|(known, _)| *known == name).unwrap().1;
        layout::object_path(&object.address()).with_file_name("elsewhere").display().to_string()
    };
    let full = [
        "(claimed) foreign".to_owned(),
        "(foreign) unrecorded".into(),
        "altered altered".into(),
        "blake3/AB foreign".into(),
        "blake3/readme foreign".into(),
        "cut truncated".into(),
        "dir not-a-file".into(),
        "grown altered".into(),
        "link not-a-file".into(),
        "missing missing".into(),
        "mode wrong-mode".into(),
        "other misnamed".into(),
        "renamed missing".into(),
        "tmp/writer leftover".into(),
        format!("{} misnamed", beside("sound")),
    ];
    let sorted = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    for depth in [Depth::Primary, Depth::Both] {
        let scanned = scan_with(&bench, &objects, depth, Coverage::Everything).unwrap();
        assert_eq!(told(&scanned, &names), sorted(&full), "{depth:?}");
        assert_eq!(scanned.objects, 10);
    }
    // A quick one sees what shows without reading: not the flipped bit, and not whose bytes they are. The one
    // that holds another object's bytes has as many of them.
    let quick: Vec<String> = full
        .iter()
        .filter(|line| *line != "altered altered" && *line != "other misnamed")
        .map(|line| line.replace("elsewhere misnamed", "elsewhere foreign"))
        .map(|line| if line == "(claimed) foreign" { "(claimed) unrecorded".into() } else { line })
        .collect();
    let scanned = scan_with(&bench, &objects, Depth::Quick, Coverage::Everything).unwrap();
    assert_eq!(told(&scanned, &names), sorted(&quick));
    // Without the listing only what is expected is found.
    let scanned = scan_with(&bench, &objects, Depth::Primary, Coverage::Expected).unwrap();
    let expected: Vec<String> = sorted(&full)
        .into_iter()
        .filter(|line| !line.starts_with("blake3/") && !line.starts_with("tmp/") && !line.starts_with('('))
        .collect();
    assert_eq!(told(&scanned, &names), expected);
    // Each is found again when it is looked at alone.
    for (name, object) in names.iter().filter(|(name, _)| !name.starts_with('(')) {
        let faults = look(&*bench.disk, object, Depth::Primary, &bench.log, &bench.cancelled).unwrap();
        assert_eq!(faults.is_empty(), *name == "sound", "{name}: {faults:?}");
    }
}

#[test]
fn the_second_digest_is_compared_where_asked_for() {
    let bench = Bench::new();
    let names = store(&bench, &["a"]);
    let mut object = names[0].1;
    object.sha256 = Digests::of(b"other").sha256;
    let scan = |depth| told(&scan_with(&bench, &[object], depth, Coverage::Everything).unwrap(), &names);
    assert_eq!(scan(Depth::Primary), [""; 0]);
    assert_eq!(scan(Depth::Both), ["a second-digest"]);
}

#[test]
fn an_object_that_cannot_be_read_is_a_fault_and_not_the_end() {
    let mut bench = Bench::new();
    let names = store(&bench, &["a", "b", "c"]);
    let objects: Vec<Digests> = names.iter().map(|(_, object)| *object).collect();
    bench.disk = failing(&bench, layout::object_path(&objects[1].address()));
    let scanned = scan_with(&bench, &objects, Depth::Primary, Coverage::Everything).unwrap();
    assert_eq!(told(&scanned, &names), ["b unreadable"]);
    assert_eq!(scanned.objects, 3);
    // A directory that cannot be listed: what is in it is found by name, and the directory is named.
    let [outer, _] = layout::shard_dirs(&objects[0].address());
    bench.disk = failing(&bench, outer.clone());
    let scanned = scan_with(&bench, &objects, Depth::Primary, Coverage::Everything).unwrap();
    assert_eq!(
        told(&scanned, &names),
        ["b unreadable".to_owned(), format!("{} unreadable", outer.display())]
    );
}

/// Whatever else it costs: no byte is asked for twice, a small object is one read, and nothing is found by its path that
/// was listed.
#[test]
fn each_byte_is_read_once_and_each_directory_is_listed_once() {
    let mut bench = Bench::new();
    store(&bench, &["a", "b", "c"]);
    bench.file("big", vec![3; 600_000]).file("long", vec![4; 9 << 20]).file("empty", "");
    let objects: Vec<Digests> =
        bench.add().unwrap().entries.iter().filter_map(|entry| entry.object().copied()).collect();
    let calls = Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = Arc::clone(&calls);
    bench.disk = Arc::new(Observed::with_reads(Arc::clone(&bench.disk), move |_, call| {
        into.lock().unwrap().push(call.clone());
        Ok(())
    }));
    for (depth, reads) in [(Depth::Quick, 0), (Depth::Primary, 1), (Depth::Both, 1)] {
        let scanned = scan_with(&bench, &objects, depth, Coverage::Everything).unwrap();
        assert!(scanned.findings.is_empty(), "{depth:?}: {:?}", scanned.findings);
        let calls = std::mem::take(&mut *calls.lock().unwrap());
        let mut listed: Vec<_> =
            calls.iter().filter(|call| matches!(call, Call::List { .. })).map(Call::path).collect();
        let lists = listed.len();
        listed.sort();
        listed.dedup();
        // Every object has two directories of its own here; beside them there are `blake3/` and `tmp/`.
        assert_eq!((lists, listed.len()), (14, 14), "{depth:?}: {listed:?}");
        for object in &objects {
            let path = layout::object_path(&object.address());
            let of_it: Vec<_> = calls.iter().filter(|call| call.path() == Some(&path)).collect();
            let count = |is: fn(&Call) -> bool| of_it.iter().filter(|call| is(call)).count();
            assert_eq!(count(|call| matches!(call, Call::Open { .. })), reads, "{depth:?}: {of_it:?}");
            assert_eq!(count(|call| matches!(call, Call::Stat { .. })), 1 - reads, "{depth:?}: {of_it:?}");
            let mut offsets: Vec<u64> = of_it
                .iter()
                .filter_map(|call| if let Call::Read { offset, .. } = call { Some(*offset) } else { None })
                .collect();
            let all = offsets.len();
            offsets.sort_unstable();
            offsets.dedup();
            assert_eq!(all, offsets.len(), "{depth:?}: {of_it:?}");
            if object.size_bytes < 1000 {
                assert_eq!(all, reads, "{depth:?}: {of_it:?}");
            }
        }
    }
}

#[test]
fn short_reads_and_a_file_that_grows_meanwhile_change_no_verdict() {
    let mut bench = Bench::new();
    let names = store(&bench, &["a", "b", "c"]);
    let objects: Vec<Digests> = names.iter().map(|(_, object)| *object).collect();
    rewrite(&bench.object(&objects[1].address()), "B".repeat(100).as_bytes());
    let (real, grows) = (Arc::clone(&bench.disk), bench.object(&objects[2].address()));
    bench.disk = Arc::new(Observed::acting(Arc::clone(&real), |_, _| Act::ReadAtMost(7)));
    for depth in [Depth::Primary, Depth::Both] {
        let scanned = scan_with(&bench, &objects, depth, Coverage::Everything).unwrap();
        assert_eq!(told(&scanned, &names), ["b altered"]);
    }
    // It was as long as it should be when it was opened.
    bench.disk = Arc::new(Observed::with_reads(real, move |_, call| {
        if matches!(call, Call::Read { path, offset: 0, .. } if grows.ends_with(path)) {
            mode(&grows, 0o644);
            rewrite(&grows, "c".repeat(101).as_bytes());
        }
        Ok(())
    }));
    let scanned = scan_with(&bench, &objects, Depth::Primary, Coverage::Everything).unwrap();
    assert_eq!(told(&scanned, &names), ["b altered", "c altered"]);
}

#[test]
fn everything_missing_is_everything_found() {
    let bench = Bench::new();
    let names = store(&bench, &["a", "b", "c"]);
    let objects: Vec<Digests> = names.iter().map(|(_, object)| *object).collect();
    fs::rename(bench.root.path().join("blake3"), bench.root.path().join("gone")).unwrap();
    let scanned = scan_with(&bench, &objects, Depth::Primary, Coverage::Everything).unwrap();
    assert_eq!(told(&scanned, &names), ["a missing", "b missing", "blake3 unreadable", "c missing"]);
}

#[test]
fn errors_and_cancelling_end_a_scan() {
    let bench = Bench::new();
    store(&bench, &["a"]);
    let options = ScanOptions::default();
    let mut failing = std::iter::once(Err("no".into()));
    let failed = scan(&*bench.disk, &mut failing, &options, &bench.log, &bench.monitor, &bench.cancelled);
    assert!(matches!(failed, Err(VerifyError::Expected(_))));
    bench.cancelled.store(true, Ordering::Relaxed);
    let cancelled = scan_with(&bench, &[Digests::of(b"x")], Depth::Primary, Coverage::Everything);
    assert!(matches!(cancelled, Err(VerifyError::Cancelled)));
}

/// Returns a disk on which one path can be neither opened nor listed.
fn failing(bench: &Bench, path: PathBuf) -> Arc<dyn Disk> {
    Arc::new(Observed::with_reads(Arc::clone(&bench.disk), move |_, call| {
        let opens = matches!(call, Call::Open { .. } | Call::List { .. });
        let fails = opens && call.path() == Some(&path);
        if fails { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }))
}
