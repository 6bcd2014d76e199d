//! A gc is killed, or the power goes, between any two of its calls: nothing is lost that the log does not call
//! purged, nothing comes to light again for good, and the next gc ends what this one began.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use astore::disk::testing::{Call, CrashKind, Crashes, Node, Observed, Trace, Tree, dead_from};
use astore::env::TestClock;
use astore::error::Error;
use astore::events::LogError;
use astore::identity::{Blake3, ContentAddress};
use astore::monitor::Void;
use astore::registry::report::{
    AddTarget, ClockTrust, CollectReport, Completion, Recorded, VerifyDepth, VerifyRequest,
};
use astore::registry::{Access, Registry};

use crate::faults::{ERRNOS, assert_clear};
use crate::support::gc;
use crate::support::oracle::{self, Digest};
use crate::support::store::{
    add, copy_store, fast_dir, init, later_clock, open_by, options, real_disk, reference, request, tree,
};
use crate::support::verdict::{Verdict, cat, verdict};

/// How many power cuts are tried at each call.
fn seeds() -> u64 {
    std::env::var("ASTORE_TEST_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(10)
}

const GONE: [(&str, &[u8]); 4] =
    [("a", b"gone 1"), ("b/c", b"gone 2"), ("b/d", b"gone 3"), ("shared", b"kept by another")];
const EXPIRED: [(&str, &[u8]); 2] = [("e", b"expired 1"), ("f", b"gone 2")];
const KEPT: [(&str, &[u8]); 2] = [("k", b"kept 1"), ("shared", b"kept by another")];
const STORED: [(&str, &[u8]); 2] = [("s", b"stored 1"), ("t", b"stored 2")];
const STRAY: &[u8] = b"no event names this";

/// A store in which a gc finds something of every kind.
struct Stage {
    place: tempfile::TempDir,
    clock: Arc<TestClock>,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { place: fast_dir(), clock: later_clock() };
        let root = stage.root();
        init(&root);
        for (name, files) in
            [("gone", &GONE[..]), ("expired", &EXPIRED[..]), ("kept", &KEPT[..]), ("stored", &STORED[..])]
        {
            tree(&stage.tree(name), files);
        }
        // What happened long ago first.
        let now = stage.clock.now();
        stage.clock.set(astore::env::Timestamp::from_micros(now.as_micros() - 8 * 24 * 3600 * 1_000_000));
        let registry = stage.open(&root, Access::Write);
        let mut expired = request("expired", &stage.tree("expired"), Completion::Finalize);
        if let AddTarget::New { class, .. } = &mut expired.target {
            *class = Some("transient".to_owned());
        }
        registry.add(expired, &mut io::empty(), &Void).unwrap();
        drop(registry);
        stage.clock.set(now);
        let registry = stage.open(&root, Access::Write);
        add(&registry, "gone", &stage.tree("gone"), Completion::Finalize).unwrap();
        add(&registry, "kept", &stage.tree("kept"), Completion::Finalize).unwrap();
        registry.remove(&[reference("gone")], "no longer needed").unwrap();
        drop(registry);
        // An add that dies when it is about to say that it is done.
        let written = AtomicUsize::new(0);
        let watch = move |_: usize, call: &Call| {
            let logs = matches!(call, Call::Write { path, .. } if path.starts_with("log"));
            let dead = written.fetch_add(usize::from(logs), Ordering::SeqCst) + usize::from(logs) > 1;
            if dead { Err(io::Error::other("it is dead")) } else { Ok(()) }
        };
        let disk = Arc::new(Observed::new(real_disk(&root), watch));
        let mut registry = open_by(&stage.clock, disk, &root, options(Access::Write)).unwrap();
        registry.set_batch_files(1);
        add(&registry, "stored", &stage.tree("stored"), Completion::Finalize).unwrap_err();
        drop(registry);
        drop(stage.open(&root, Access::Write));
        oracle::put_object(&root, STRAY);
        stage
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("store")
    }

    fn tree(&self, name: &str) -> PathBuf {
        self.place.path().join("trees").join(name)
    }

    fn open(&self, root: &Path, access: Access) -> Registry {
        open_by(&self.clock, real_disk(root), root, options(access)).unwrap()
    }
}

fn collect(registry: &Registry, min_age: Duration) -> Result<CollectReport, Error> {
    gc::collect(registry, gc::whatever(min_age), Some("room"), ClockTrust::Doubted)
}

fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}

fn named(digest: &Digest) -> ContentAddress {
    ContentAddress::new(Blake3::from_bytes(*digest))
}

/// Everything that is to be purged in the end, in no order.
fn doomed() -> BTreeSet<Digest> {
    let trees = [&GONE[..3], &EXPIRED[..], &STORED[..]];
    let all = trees.into_iter().flatten().map(|(_, bytes)| *bytes).chain([STRAY]);
    all.map(digest).collect()
}

/// Looks at a store in which a gc ended somehow, and returns what is purged.
fn check_honest(stage: &Stage, root: &Path) -> Result<BTreeSet<Digest>, String> {
    oracle::check_names(root)?;
    let registry = stage.open(root, Access::Read);
    let purges = oracle::purges(root);
    let mut purged = BTreeSet::new();
    let contents = GONE.iter().chain(&EXPIRED).chain(&KEPT).chain(&STORED).map(|(_, bytes)| *bytes);
    for bytes in contents.chain([STRAY]) {
        let address = digest(bytes);
        let is_there = oracle::object_path(root, &address).exists();
        match verdict(&registry, &address) {
            Verdict::Present if is_there => {}
            Verdict::Unknown if is_there && bytes == STRAY => {}
            // The second batch of an add that was killed has its name, or has not; no event names it.
            Verdict::Unknown if STORED.iter().any(|(_, stored)| *stored == bytes) => {}
            Verdict::Purged(sequence) if purges.iter().any(|purge| purge.is_of(sequence, &address)) => {
                assert!(doomed().contains(&address), "{bytes:?} is wanted, and purged");
                purged.insert(address);
            }
            verdict @ (Verdict::Present
            | Verdict::Evicted
            | Verdict::Purged(_)
            | Verdict::Lost
            | Verdict::Unknown) => {
                return Err(format!("{verdict:?} of {:?}", String::from_utf8_lossy(bytes)));
            }
        }
    }
    let quick = VerifyRequest { depth: VerifyDepth::Quick, record: Recorded::No, ..VerifyRequest::default() };
    let report = registry.verify(&quick, &Void).map_err(|error| format!("no verify: {error:?}"))?;
    if !report.faults.is_empty() {
        return Err(format!("verify finds {:?}", report.faults));
    }
    let check = registry.replay_check(&Void).map_err(|error| format!("no replay: {error:?}"))?;
    if !check.differing.is_empty() {
        return Err(format!("views differ: {:?}", check.differing));
    }
    // What a gc says that it deleted stays deleted, whatever happens to the power.
    for purge in purges.iter().filter(|purge| purge.completed) {
        for address in purge.objects.iter().filter(|address| !purge.failed.contains(*address)) {
            let is_purged = verdict(&registry, address) == Verdict::Purged(purge.started);
            if is_purged && oracle::object_path(root, address).exists() {
                return Err(format!(
                    "{} is there, and event {} purged it and ended",
                    named(address),
                    purge.started
                ));
            }
        }
    }
    Ok(purged)
}

/// What is done after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The same gc again.
    Gc,
    /// One that finds nothing to do of its own.
    IdleGc,
    /// What was let go is added again, then a gc.
    AddAndGc,
}

fn check_ended(stage: &Stage, root: &Path, purged: &BTreeSet<Digest>, next: Next) {
    if next == Next::AddAndGc {
        let registry = stage.open(root, Access::Write);
        let report = add(&registry, "gone", &stage.tree("gone"), Completion::Finalize).unwrap();
        // Whether their files lie there yet or not.
        let anew = GONE.iter().filter(|(_, bytes)| purged.contains(&digest(bytes))).count();
        assert_eq!(report.objects_new, anew as u64, "{report:?}");
    }
    let registry = stage.open(root, Access::Alone);
    let min_age = if next == Next::IdleGc { Duration::from_secs(90 * 24 * 3600) } else { Duration::ZERO };
    let report = collect(&registry, min_age).unwrap();
    assert!(report.failed().next().is_none(), "{report:?}");
    assert!(next != Next::IdleGc || report.rounds.is_empty(), "{report:?}");
    drop(registry);
    let now_purged = check_honest(stage, root).unwrap();
    let back: BTreeSet<Digest> = GONE.iter().map(|(_, bytes)| digest(bytes)).collect();
    let expected: BTreeSet<Digest> = match next {
        Next::Gc => doomed(),
        Next::IdleGc => purged.clone(),
        Next::AddAndGc => doomed().difference(&back).copied().collect(),
    };
    assert!(now_purged.is_subset(&expected), "{now_purged:?} are purged");
    for address in &expected {
        assert!(!oracle::object_path(root, address).exists(), "{} is purged, and there", named(address));
    }
    assert!(oracle::purges(root).iter().all(|purge| purge.completed), "a round has no end");
    let registry = stage.open(root, Access::Read);
    if next == Next::AddAndGc {
        for (_, bytes) in GONE {
            assert_eq!(cat(&registry, &digest(bytes)).unwrap(), bytes);
        }
    }
    for (_, bytes) in KEPT {
        assert_eq!(cat(&registry, &digest(bytes)).unwrap(), bytes);
    }
}

/// Two crashes that leave the same are one.
fn fingerprint(tree: &Tree) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for (path, node) in &tree.nodes {
        hasher.update(path.as_os_str().as_encoded_bytes()).update(b"\0");
        match node {
            Node::File { bytes, .. } => hasher.update(&(bytes.len() as u64).to_be_bytes()).update(bytes),
            Node::Directory { .. } | Node::Symlink { .. } => hasher.update(b"-"),
        };
    }
    *hasher.finalize().as_bytes()
}

/// Goes through all that a crash can leave: everything that differs on disk once, however many crashes leave the
/// same, and each of that with every [`Next`]. `judge` is told what is purged, and of which crash that is. Returns
/// how many different things a crash can leave, and how many calls change something.
///
/// Their number is that of the calls that change something, and of the choices that a power cut has: a gc makes
/// few calls, and each of its rounds is durable before the next one begins. So what is counted is whether each of
/// those calls was followed by a crash that left what none before it had.
fn sweep(
    stage: &Stage,
    before: &Tree,
    calls: &[Call],
    mut judge: impl FnMut(&BTreeSet<Digest>, &str),
) -> (usize, usize) {
    let (mut seen, mut kills) = (BTreeSet::new(), 0);
    for state in Crashes::of(before, calls, seeds()) {
        if !seen.insert(fingerprint(&state.tree)) {
            continue;
        }
        kills += usize::from(state.kind == CrashKind::Kill);
        let at = format!("after {} calls of {}, {:?}", state.calls, calls.len(), state.kind);
        for next in [Next::Gc, Next::IdleGc, Next::AddAndGc] {
            let place = fast_dir();
            let root = place.path().join("store");
            state.tree.write_to(&root).unwrap();
            let purged = check_honest(stage, &root).unwrap_or_else(|fault| panic!("{at}: {fault}"));
            if next == Next::Gc {
                judge(&purged, &at);
            }
            check_ended(stage, &root, &purged, next);
        }
    }
    let is_change =
        |call: &&Call| matches!(call, Call::Foreign { .. } | Call::Write { .. } | Call::RemoveFile { .. });
    let changes = calls.iter().filter(is_change).count();
    eprintln!("{} calls, {changes} changes, {} crash states, {kills} kills", calls.len(), seen.len());
    assert!(kills > changes, "{kills} kills, {changes} calls that change something");
    (seen.len(), changes)
}

#[test]
fn a_gc_that_is_stopped_anywhere_is_ended_by_the_next_one() {
    // store-layout.md 18.10, 18.11
    let stage = Stage::new();
    let root = stage.root();
    let before = Tree::take(&root).unwrap();
    let trace = Arc::new(Trace::with_foreign(real_disk(&root), &root, &["astore.db", "astore.db-wal"]));
    let mut registry = open_by(&stage.clock, trace.clone(), &root, options(Access::Alone)).unwrap();
    registry.set_round_objects(3);
    let report = collect(&registry, Duration::ZERO).unwrap();
    assert!(report.rounds.len() >= 3, "{report:?}");
    drop(registry);
    let mut between = 0;
    let (states, changes) =
        sweep(&stage, &before, &trace.take(), |purged, _| between += usize::from(!purged.is_empty()));
    assert!(between > states / 2, "of {states} states {between} are in the middle");
    // A round writes to the log twice and to the database twice.
    let expected = 4 * report.rounds.len() + report.plan.plan.objects().len();
    assert!(changes >= expected, "{changes} calls change something, of {expected}");
}

/// The end of a gc that was interrupted is interrupted as well.
#[test]
fn the_gc_that_ends_an_earlier_one_may_be_stopped_too() {
    // store-layout.md 18.11
    let stage = Stage::new();
    let root = stage.root();
    // The first gc dies right after its intent.
    let dead = Arc::new(AtomicBool::new(false));
    let watch = move |_: usize, call: &Call| {
        if matches!(call, Call::Point { name: "intent recorded" }) {
            dead.store(true, Ordering::SeqCst);
        }
        if dead.load(Ordering::SeqCst) { Err(io::Error::other("it is dead")) } else { Ok(()) }
    };
    let disk = Arc::new(Observed::new(real_disk(&root), watch));
    let mut registry = open_by(&stage.clock, disk, &root, options(Access::Alone)).unwrap();
    registry.set_round_objects(3);
    collect(&registry, Duration::ZERO).unwrap_err();
    drop(registry);
    let purged = check_honest(&stage, &root).unwrap();
    assert!(!purged.is_empty());
    assert_eq!(oracle::purges(&root).len(), 1, "one round was begun");

    let before = Tree::take(&root).unwrap();
    let trace = Arc::new(Trace::with_foreign(real_disk(&root), &root, &["astore.db", "astore.db-wal"]));
    let registry = open_by(&stage.clock, trace.clone(), &root, options(Access::Alone)).unwrap();
    assert_eq!(collect(&registry, Duration::from_secs(90 * 24 * 3600)).unwrap().resumed.len(), 1);
    drop(registry);
    let (_, changes) = sweep(&stage, &before, &trace.take(), |still, at| assert_eq!(*still, purged, "{at}"));
    let files = oracle::purges(&root)[0].objects.len();
    assert!(changes >= files + 2, "its {files} files, the log, and the database: {changes}");
}

/// Every call of a gc fails once: it says so, or has it on record and goes on; and the next one succeeds.
#[test]
fn a_gc_fails_clearly_or_succeeds() {
    let stage = Stage::new();
    for reads in [false, true] {
        let mut nth = 0;
        loop {
            let errno = ERRNOS[nth % 7];
            let place = fast_dir();
            let root = place.path().join("store");
            copy_store(&stage.root(), &root);
            let failed: Arc<Mutex<Option<(Call, usize)>>> = Arc::default();
            let ended = Arc::new(AtomicUsize::new(0));
            let (note, ends) = (failed.clone(), ended.clone());
            let watch = move |n: usize, call: &Call| {
                if matches!(call, Call::Point { name: "completion recorded" }) {
                    ends.fetch_add(1, Ordering::SeqCst);
                }
                if n == nth {
                    *note.lock().unwrap() = Some((call.clone(), ends.load(Ordering::SeqCst)));
                    return Err(io::Error::from_raw_os_error(errno));
                }
                Ok(())
            };
            let real = real_disk(&root);
            let disk = if reads { Observed::with_reads(real, watch) } else { Observed::new(real, watch) };
            let outcome = open_by(&stage.clock, Arc::new(disk), &root, options(Access::Alone)).and_then(
                |mut registry| {
                    registry.set_round_objects(3);
                    collect(&registry, Duration::ZERO)
                },
            );
            let hit = failed.lock().unwrap().take();
            let at = |what: &str| format!("call {nth}, {hit:?}, fails with {errno}: {what}");
            check_honest(&stage, &root).unwrap_or_else(|fault| panic!("{}", at(&fault)));
            let completed = oracle::purges(&root).iter().filter(|purge| purge.completed).count();
            match &outcome {
                Err(error) => {
                    assert_clear(error, errno, &at);
                    let may_stand = matches!(error, Error::MayStand(_) | Error::Log(LogError::Unsure { .. }));
                    assert!(may_stand || completed == ended.load(Ordering::SeqCst), "{}", at("its end"));
                }
                Ok(_) => {
                    assert!(oracle::purges(&root).iter().all(|purge| purge.completed), "{}", at("no end"));
                }
            }
            // What was not made durable is not called done by the process that saw it fail.
            if let Some((call, before)) = &hit
                && call.is_sync()
                && call.path().is_none_or(|path| !path.starts_with("reserve") && !path.starts_with("log"))
                && outcome.is_ok()
                && completed > *before
            {
                panic!("{}", at("a sync failed, and yet the gc ended"));
            }
            let told: BTreeMap<ContentAddress, String> =
                outcome.iter().flat_map(CollectReport::failed).cloned().collect();
            for (address, why) in &told {
                let system = io::Error::from_raw_os_error(errno).to_string();
                assert!(why.contains(&system), "{}", at(why));
                assert!(
                    oracle::object_path(&root, address.digest().as_bytes()).exists(),
                    "{}",
                    at("it is gone")
                );
            }
            if matches!(&hit, Some((Call::RemoveFile { path }, _)) if path.starts_with("blake3")) {
                assert_eq!(told.len(), 1, "{}", at("one failed, the rest went on"));
            }
            check_ended(&stage, &root, &BTreeSet::new(), Next::Gc);
            if hit.is_none() {
                outcome.unwrap();
                assert!(nth > 20, "only {nth} calls were seen");
                break;
            }
            nth += 1;
        }
    }
}

/// So many objects that the intent is too large for its row: its payload is an object, durable before the event.
#[test]
fn a_large_intent_is_there_before_anything_goes() {
    let stage = Stage { place: fast_dir(), clock: later_clock() };
    let root = stage.root();
    init(&root);
    let files: Vec<(String, Vec<u8>)> =
        (0..1200_u32).map(|number| (number.to_string(), number.to_be_bytes().to_vec())).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
    tree(&stage.tree("many"), &files);
    let registry = stage.open(&root, Access::Write);
    add(&registry, "many", &stage.tree("many"), Completion::Finalize).unwrap();
    registry.remove(&[reference("many")], "no longer needed").unwrap();
    drop(registry);
    // The calls, and those of them at which something else happens than one more unlink.
    let traced = |root: &Path| {
        let trace = Arc::new(Trace::new(real_disk(root)));
        let registry = open_by(&stage.clock, trace.clone(), root, options(Access::Alone)).unwrap();
        assert_eq!(collect(&registry, Duration::ZERO).unwrap().rounds.len(), 1);
        drop(registry);
        trace.take()
    };
    let place = fast_dir();
    copy_store(&root, &place.path().join("store"));
    let calls = traced(&place.path().join("store"));
    let unlinks = |call: &Call| matches!(call, Call::RemoveFile { path } if path.starts_with("blake3"));
    let count = calls.iter().filter(|call| unlinks(call)).count();
    assert_eq!(count, files.len());
    let deaths: Vec<usize> = (0..=calls.len())
        .filter(|&nth| {
            let is_unlink = calls.get(nth).is_some_and(unlinks);
            let was_unlink = nth > 0 && unlinks(&calls[nth - 1]);
            !is_unlink || !was_unlink || nth % 500 == 0
        })
        .collect();
    assert!(deaths.len() > 15, "{deaths:?}");
    let mut begun = 0;
    for nth in deaths {
        let place = fast_dir();
        let copied = place.path().join("store");
        copy_store(&root, &copied);
        let disk = Arc::new(Observed::new(real_disk(&copied), dead_from(nth)));
        if let Ok(registry) = open_by(&stage.clock, disk, &copied, options(Access::Alone)) {
            drop(collect(&registry, Duration::ZERO));
        }
        let at = || format!("dead from call {nth}, {:?}", calls.get(nth));
        let check = |when: &str| {
            oracle::check_names(&copied).unwrap_or_else(|fault| panic!("{}, {when}: {fault}", at()));
            oracle::check_log(&copied).unwrap_or_else(|fault| panic!("{}, {when}: {fault}", at()));
            let registry = stage.open(&copied, Access::Read);
            let quick = VerifyDepth::Quick;
            let request = VerifyRequest { depth: quick, record: Recorded::No, ..VerifyRequest::default() };
            assert_eq!(registry.verify(&request, &Void).unwrap().faults, [], "{}, {when}", at());
            assert_eq!(registry.replay_check(&Void).unwrap().differing, <[String; 0]>::default());
        };
        drop(stage.open(&copied, Access::Write));
        check("after the death");
        begun += usize::from(!oracle::purges(&copied).is_empty());
        collect(&stage.open(&copied, Access::Alone), Duration::ZERO).unwrap();
        check("after the next gc");
        let purges = oracle::purges(&copied);
        assert!(purges.len() == 1 && purges[0].completed, "{}", at());
        for (_, bytes) in &files {
            assert!(!oracle::object_path(&copied, &digest(bytes)).exists(), "{}", at());
        }
    }
    assert!(begun > 5, "only {begun} had begun");
}

/// What is missing already is purged all the same, and on record as missing.
#[test]
fn what_is_missing_already_counts_as_done() {
    let stage = Stage::new();
    let root = stage.root();
    let missing = digest(GONE[0].1);
    std::fs::remove_file(oracle::object_path(&root, &missing)).unwrap();
    assert_eq!(verdict(&stage.open(&root, Access::Read), &missing), Verdict::Lost);
    let report = collect(&stage.open(&root, Access::Alone), Duration::ZERO).unwrap();
    assert_eq!(report.rounds.iter().map(|round| round.missing).sum::<u64>(), 1);
    assert!(report.failed().next().is_none());
    let purges = oracle::purges(&root);
    let purge = purges.iter().find(|purge| purge.objects.contains(&missing)).unwrap();
    assert_eq!(purge.missing, [missing]);
    let told = verdict(&stage.open(&root, Access::Read), &missing);
    assert_eq!(told, Verdict::Purged(purge.started));
    check_honest(&stage, &root).unwrap();
}
