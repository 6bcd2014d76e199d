//! The order of writes, syncs and renames, judged by what crashes leave.

use std::collections::BTreeSet;
use std::sync::mpsc;

use super::placing::MANY;
use super::*;
use crate::disk::RealDisk;
use crate::disk::testing::{Call, CrashKind, Crashes, Observed, Trace, Tree, dead_from, fail_nth};
use crate::identity::Blake3;

mod groups;

/// Power cuts tried after each call, by seed.
const SEEDS: u64 = 12;

struct Bench {
    root: tempfile::TempDir,
    disk: Arc<RealDisk>,
}

fn bench() -> Bench {
    // In memory where that can be: thousands of real syncs would prove nothing here.
    let memory = tempfile::tempdir_in("/dev/shm");
    let root = memory.or_else(|_| tempfile::tempdir()).expect("a directory");
    let disk = Arc::new(RealDisk::open(root.path()).expect("a disk"));
    for directory in [layout::TMP, layout::OBJECTS] {
        disk.make_dir(Path::new(directory)).expect("a directory");
    }
    Bench { root, disk }
}

fn contents(n: usize) -> Vec<Vec<u8>> {
    (0..n).map(|n| format!("content number {n}").repeat(n % 5).into_bytes()).chain([Vec::new()]).collect()
}

fn writer() -> Uuid {
    Uuid::from_u128(7)
}

/// Checks invariant 1 on what a crash left: every file under an object's name holds the bytes of that name.
fn check_names(tree: &Tree) -> Result<usize, String> {
    let mut objects = 0;
    for (path, bytes) in tree.files_beneath(layout::OBJECTS) {
        let parts: Vec<_> = path.components().map(|part| part.as_os_str()).collect();
        let [_, outer, inner, name] = parts.as_slice() else {
            return Err(format!("{} is misplaced", path.display()));
        };
        let address = layout::parse_object_path(outer, inner, name).ok_or("a name that is none")?;
        if address.digest() != Blake3::of(bytes) {
            return Err(format!("{address} holds {} other bytes", bytes.len()));
        }
        objects += 1;
    }
    Ok(objects)
}

/// Stores contents in one batch on a traced disk, lets `edit` change the trace, and sweeps over every crash.
///
/// Names must be true after each (invariant 1), and what was published must survive each that comes after
/// (invariant 2).
fn sweep(
    disk: RealDisk,
    root: &Path,
    contents: &[Vec<u8>],
    edit: impl FnOnce(&mut Vec<Call>),
) -> Result<(), String> {
    let before = Tree::take(root).expect("a tree");
    let trace = Arc::new(Trace::new(Arc::new(disk)));
    let published = live(trace.clone(), contents).expect("stored");
    judge(&before, &trace, &published, edit)
}

/// Sweeps over every crash of what was traced, as `edit` has it.
fn judge(
    before: &Tree,
    trace: &Trace,
    published: &[Digests],
    edit: impl FnOnce(&mut Vec<Call>),
) -> Result<(), String> {
    let mut calls = trace.calls();
    edit(&mut calls);
    let end = calls.iter().position(|call| *call == Call::Point { name: "published" }).expect("a point");
    let mut objects_seen = 0;
    for state in Crashes::of(before, &calls, SEEDS) {
        let at =
            || format!("after {} calls, {:?}, next {:?}", state.calls, state.kind, calls.get(state.calls));
        let objects = check_names(&state.tree).map_err(|what| format!("{what} {}", at()))?;
        objects_seen = objects_seen.max(objects);
        for digests in published.iter().filter(|_| state.calls > end) {
            let path = layout::object_path(&digests.address());
            state.tree.file(&path).ok_or_else(|| format!("{} is lost {}", path.display(), at()))?;
        }
    }
    assert_eq!(objects_seen, published.len(), "the sweep saw the objects");
    Ok(())
}

fn sweep_plain(contents: &[Vec<u8>], edit: impl FnOnce(&mut Vec<Call>)) -> Result<(), String> {
    let bench = bench();
    sweep(RealDisk::open(bench.root.path()).expect("a disk"), bench.root.path(), contents, edit)
}

#[test]
fn no_crash_leaves_a_false_name_or_loses_a_published_object() {
    for n in [1, FEW - 2, FEW + 9] {
        sweep_plain(&contents(n), |_| {}).expect("true and durable");
    }
}

#[test]
fn no_crash_hurts_on_a_kernel_whose_syncfs_lies() {
    for n in [3, FEW + 9] {
        let bench = bench();
        let disk = RealDisk::open(bench.root.path()).expect("a disk").of_old_kernel();
        sweep(disk, bench.root.path(), &contents(n), |calls| {
            assert!(!calls.contains(&Call::SyncAll), "its success would mean nothing");
        })
        .expect("true and durable");
    }
}

/// The sweep itself is put to the test: each sync that is left out, and each that comes late, is noticed.
#[test]
fn the_sweep_notices_every_sync_that_is_left_out() {
    let depth = |path: &Path| path.components().count();
    type Is = Box<dyn Fn(&Call) -> bool>;
    let kinds: [(usize, &str, Is); 6] = [
        (3, "other bytes", Box::new(|call| matches!(call, Call::SyncFile { .. }))),
        (3, "is lost", Box::new(move |call| matches!(call, Call::SyncDir { path } if depth(path) == 3))),
        (3, "is lost", Box::new(move |call| matches!(call, Call::SyncDir { path } if depth(path) == 2))),
        (3, "is lost", Box::new(move |call| matches!(call, Call::SyncDir { path } if depth(path) == 1))),
        (FEW + 9, "other bytes", Box::new(|call| *call == Call::SyncAll)),
        (FEW + 9, "is lost", Box::new(|call| *call == Call::SyncAll)),
    ];
    for (nth, (n, what, is)) in kinds.into_iter().enumerate() {
        let error = sweep_plain(&contents(n), |calls| {
            if nth == 5 {
                // Only the second sync of everything.
                let last = calls.iter().rposition(&is).expect("a sync");
                calls.remove(last);
            } else {
                calls.retain(|call| !is(call));
            }
        })
        .expect_err("a sync is missing");
        assert!(error.contains(what), "{nth}: {error}");
    }
    let error = sweep_plain(&contents(FEW + 9), |calls| {
        let first = calls.iter().position(|call| *call == Call::SyncAll).expect("a sync");
        let late = calls.remove(first);
        let rename = calls.iter().position(|call| matches!(call, Call::Rename { .. })).expect("a rename");
        calls.insert(rename + 1, late);
    })
    .expect_err("one rename comes before the sync");
    assert!(error.contains("other bytes"), "{error}");
}

#[test]
fn bytes_are_durable_before_any_rename_and_names_before_the_end() {
    for n in [3, FEW + 9] {
        let bench = bench();
        let trace = Arc::new(Trace::new(bench.disk.clone()));
        let staging = Staging::begin(trace.clone(), writer()).expect("begun");
        for bytes in contents(n) {
            staging.put_bytes(&bytes, Digests::of(&bytes)).expect("kept");
        }
        trace.take();
        staging.publish().expect("published");
        let calls = trace.take();
        let points: Vec<usize> = ["bytes durable", "renamed", "published"]
            .iter()
            .map(|name| calls.iter().position(|call| *call == Call::Point { name }).expect("a point"))
            .collect();
        assert!(calls[..points[0]].iter().all(Call::is_sync));
        assert!(!calls[points[0]..points[1]].iter().any(Call::is_sync));
        assert!(calls[points[1] + 1..points[2]].iter().all(Call::is_sync));
        let syncs = calls.iter().filter(|call| call.is_sync()).count();
        if n > FEW {
            assert_eq!(syncs, 2, "a batch costs two syncs, however large");
        }
    }
}

#[test]
fn a_batch_is_sorted_and_each_object_is_kept_once() {
    let bench = bench();
    let staging = Staging::begin(bench.disk.clone(), writer()).expect("begun");
    let all = contents(40);
    for bytes in &all {
        staging.put_bytes(bytes, Digests::of(bytes)).expect("kept");
    }
    let distinct: BTreeSet<_> = all.iter().map(|bytes| Digests::of(bytes).blake3).collect();
    let bytes: u64 = distinct_bytes(&all);
    assert_eq!(staging.pending(), Pending { files: distinct.len() as u64, bytes });
    // A second copy that was written before anyone knew is dropped.
    let mut copy = staging.stage().expect("staged");
    copy.append(&all[1][..5]).expect("written");
    copy.append(&all[1][5..]).expect("written");
    assert_eq!(copy.size_bytes(), all[1].len() as u64);
    assert!(!staging.keep(copy, Digests::of(&all[1])).expect("dropped"));
    let published = staging.publish().expect("published");
    assert!(published.iter().map(|digests| digests.blake3).eq(distinct));
    assert_eq!(staging.pending(), Pending::default());
    assert!(staging.holds(&Digests::of(&all[1]).address()), "published before");
    assert!(!staging.put_bytes(&all[1], Digests::of(&all[1])).expect("known"));
    assert_eq!(staging.publish().expect("nothing"), []);
    staging.finish().expect("finished");
    assert_eq!(names(&bench, layout::TMP), [] as [&str; 0]);
    let stat = bench.disk.stat(&layout::object_path(&published[0].address())).expect("a look");
    assert_eq!(stat.mode, OBJECT_MODE);
}

#[test]
fn a_large_batch_is_renamed_by_several_threads() {
    let bench = bench();
    let staging = Staging::begin(bench.disk.clone(), writer()).expect("begun");
    let all: Vec<_> = (0..MANY as u64 + 50).map(|n| n.to_be_bytes()).collect();
    for bytes in &all {
        staging.put_bytes(bytes, Digests::of(bytes)).expect("kept");
    }
    assert_eq!(staging.publish().expect("published").len(), all.len());
    staging.finish().expect("finished");
    let tree = Tree::take(bench.root.path()).expect("a tree");
    assert_eq!(check_names(&tree), Ok(all.len()));
}

#[test]
fn what_stood_under_the_name_is_replaced() {
    let bench = bench();
    let digests = Digests::of(b"good");
    for directory in layout::shard_dirs(&digests.address()) {
        bench.disk.make_dir(&directory).expect("a directory");
    }
    let path = layout::object_path(&digests.address());
    bench.disk.create(&path, 0o600).expect("a file").write_all_at(b"bad", 0).expect("written");
    let staging = Staging::begin(bench.disk.clone(), writer()).expect("begun");
    staging.put_bytes(b"good", digests).expect("kept");
    staging.publish().expect("published");
    let stat = bench.disk.stat(&path).expect("a look");
    assert_eq!((stat.size_bytes, stat.mode), (4, OBJECT_MODE));
}

#[test]
fn a_file_of_another_size_than_was_hashed_is_refused() {
    let bench = bench();
    let staging = Staging::begin(bench.disk.clone(), writer()).expect("begun");
    let mut staged = staging.stage().expect("staged");
    staged.append(b"shor").expect("written");
    let error = staging.keep(staged, Digests::of(b"short")).expect_err("one byte is missing");
    assert!(matches!(error, StorageError::WrongSize { expected: 5, found: 4, .. }), "{error:?}");
    assert_eq!(staging.pending(), Pending::default());
    assert!(!staging.holds(&Digests::of(b"short").address()));
    // Begun again, it fits.
    let mut staged = staging.stage().expect("staged");
    staged.append(b"a false start").expect("written");
    staged.restart().expect("cut");
    staged.append(b"short").expect("written");
    assert!(staging.keep(staged, Digests::of(b"short")).expect("kept"));
}

#[test]
fn an_object_gets_its_mode_whatever_took_it_away() {
    let bench = bench();
    let staging = Staging::begin(bench.disk.clone(), writer()).expect("begun");
    let mut staged = staging.stage().expect("staged");
    staged.append(b"x").expect("written");
    // As a default access control list would.
    staged.file.as_ref().expect("open").set_mode(0o400).expect("mode");
    let digests = Digests::of(b"x");
    staging.keep(staged, digests).expect("kept");
    staging.publish().expect("published");
    assert_eq!(bench.disk.stat(&layout::object_path(&digests.address())).expect("a look").mode, OBJECT_MODE);
}

#[test]
fn what_is_dropped_is_removed() {
    let bench = bench();
    let staging = Staging::begin(bench.disk.clone(), writer()).expect("begun");
    let own = layout::writer_dir(writer());
    let own = own.to_str().expect("text");
    drop(staging.stage().expect("staged"));
    assert_eq!(names(&bench, own), [] as [&str; 0]);
    staging.put_bytes(b"kept", Digests::of(b"kept")).expect("kept");
    assert_eq!(names(&bench, own), ["1"]);
    drop(staging);
    assert_eq!(names(&bench, layout::TMP), [] as [&str; 0]);
    assert_eq!(names(&bench, layout::OBJECTS), [] as [&str; 0]);
}

#[test]
fn the_dead_are_cleared() {
    let bench = bench();
    let dead = Observed::new(bench.disk.clone(), |_, call| {
        let removes = matches!(call, Call::RemoveFile { .. } | Call::RemoveDir { .. });
        if removes { Err(io::Error::other("dead")) } else { Ok(()) }
    });
    let staging = Staging::begin(Arc::new(dead), writer()).expect("begun");
    staging.put_bytes(b"1", Digests::of(b"1")).expect("kept");
    staging.put_bytes(b"2", Digests::of(b"2")).expect("kept");
    drop(staging);
    bench.disk.make_dir(Path::new("tmp/new-1-2")).expect("a directory");
    bench.disk.create(Path::new("tmp/stray"), 0o600).expect("a file");
    assert_eq!(clear_dead(&*bench.disk).expect("cleared"), 3);
    assert_eq!(names(&bench, layout::TMP), [] as [&str; 0]);
    assert_eq!(clear_dead(&*bench.disk).expect("nothing"), 0);
}

/// Every call of a whole life of a staging fails once; no failure may leave a false name, or be taken for success.
#[test]
fn every_failing_call_is_told_and_leaves_no_false_name() {
    for n_files in [3, FEW + 9] {
        for die in [false, true] {
            for nth in 0.. {
                let bench = bench();
                let watched = if die {
                    Observed::new(bench.disk.clone(), dead_from(nth))
                } else {
                    Observed::new(bench.disk.clone(), fail_nth(nth, io::ErrorKind::StorageFull))
                };
                let watched = Arc::new(watched);
                let result = live(watched.clone(), &contents(n_files));
                let tree = Tree::take(bench.root.path()).expect("a tree");
                check_names(&tree).expect("true names");
                if watched.calls() <= nth {
                    result.expect("no call failed");
                    break;
                }
                // A point cannot fail, and making a directory that is missing is tried and may be there.
                if let Ok(published) = result {
                    for digests in published {
                        assert!(tree.file(layout::object_path(&digests.address())).is_some(), "call {nth}");
                    }
                }
            }
        }
    }
}

fn live(disk: Arc<dyn Disk>, contents: &[Vec<u8>]) -> Result<Vec<Digests>, StorageError> {
    let staging = Staging::begin(disk, writer())?;
    for bytes in contents {
        staging.put_bytes(bytes, Digests::of(bytes))?;
    }
    let published = staging.publish()?;
    staging.finish()?;
    Ok(published)
}

#[test]
fn after_a_failed_batch_nothing_more_is_taken() {
    let bench = bench();
    let disk = Observed::new(bench.disk.clone(), |_, call| {
        if matches!(call, Call::Rename { .. }) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    });
    let staging = Staging::begin(Arc::new(disk), writer()).expect("begun");
    staging.put_bytes(b"x", Digests::of(b"x")).expect("kept");
    let error = staging.publish().expect_err("the rename fails");
    assert_eq!(error.io().map(io::Error::kind), Some(io::ErrorKind::StorageFull));
    let error = staging.put_bytes(b"y", Digests::of(b"y")).expect_err("failed before");
    assert!(matches!(error, StorageError::EarlierBatchFailed), "{error:?}");
    let error = staging.publish().expect_err("failed before");
    assert!(matches!(error, StorageError::EarlierBatchFailed), "{error:?}");
}

#[test]
fn what_is_kept_while_a_batch_is_published_belongs_to_the_next() {
    let bench = bench();
    let ((reached, wait_reached), (go, wait_go)) = (mpsc::channel(), mpsc::channel::<()>());
    let wait_go = Mutex::new(wait_go);
    let disk = Observed::new(bench.disk.clone(), move |_, call| {
        if *call == (Call::Point { name: "bytes durable" }) {
            reached.send(()).expect("heard");
            // Where the test fails before it says so, the other end is gone and this goes on as well.
            let _: Result<(), _> = wait_go.lock().expect("no panic").recv();
        }
        Ok(())
    });
    let staging = Staging::begin(Arc::new(disk), writer()).expect("begun");
    staging.put_bytes(b"first", Digests::of(b"first")).expect("kept");
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| staging.publish().expect("published"));
        let go = go; // dropped, should an assertion fail
        wait_reached.recv().expect("there");
        assert!(staging.put_bytes(b"second", Digests::of(b"second")).expect("kept"));
        assert!(!staging.put_bytes(b"first", Digests::of(b"first")).expect("in flight"));
        assert_eq!(staging.pending(), Pending { files: 1, bytes: 6 });
        go.send(()).expect("waited for");
        assert_eq!(publishing.join().expect("no panic"), [Digests::of(b"first")]);
    });
    let path = layout::object_path(&Digests::of(b"second").address());
    assert!(bench.disk.stat(&path).is_err(), "not durable, so not published");
}

#[test]
fn one_state_of_a_crash_can_be_asked_for() {
    let bench = bench();
    let before = Tree::take(bench.root.path()).expect("a tree");
    let trace = Arc::new(Trace::new(bench.disk.clone()));
    live(trace.clone(), &contents(3)).expect("stored");
    let state = Crashes::state(&before, &trace.calls(), CrashKind::PowerCut { seed: 0 });
    assert_eq!(check_names(&state.tree), Ok(4 - 1), "content number 0 is empty, and so is the last");
}

fn distinct_bytes(all: &[Vec<u8>]) -> u64 {
    all.iter().collect::<BTreeSet<_>>().iter().map(|bytes| bytes.len() as u64).sum()
}

fn names(bench: &Bench, directory: &str) -> Vec<String> {
    let listed = bench.disk.list(Path::new(directory)).expect("a listing");
    listed.into_iter().map(|entry| entry.name.to_string_lossy().into_owned()).collect()
}
