//! One process's disk lies or lags, and another one builds on what the first has left: what the second acknowledges is
//! there after a power cut.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use astore::disk::Disk;
use astore::disk::testing::{Call, CrashKind, Crashes, Observed, Trace, Tree};
use astore::error::Error;
use astore::events::LogError;
use astore::registry::Access;

use super::{Stage, check_whole, is_inside};
use crate::support::oracle;
use crate::support::stalled::{Calls, each_call, stalled_on};
use crate::support::store::{fast_dir, open};

const DATABASE: [&str; 2] = ["astore.db", "astore.db-wal"];

fn seeds() -> u64 {
    std::env::var("ASTORE_TEST_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(5)
}

fn position(calls: &[Call], from: usize, is: impl Fn(&Call) -> bool) -> usize {
    from + calls[from..].iter().position(is).expect("such a call")
}

/// Design 5.1: settling believes no earlier sync. The page that the first could not sync is clean to the kernel.
#[test]
fn a_failed_fsync_in_one_process_is_not_believed_by_the_commit_in_the_next() {
    let stage = Stage::new();
    let root = stage.root();
    let before = Tree::take(&root).unwrap();
    let trace = Arc::new(Trace::with_foreign(stage.disk(), &root, &DATABASE));

    // The first: the sync of its log fails, and the process is dead before it can take anything back.
    let dead = AtomicBool::new(false);
    let failing = Observed::new(trace.clone(), move |_, call| {
        let log = call.path().is_some_and(|path| path.starts_with("log"));
        if matches!(call, Call::SyncFile { .. }) && log {
            dead.store(true, Ordering::SeqCst);
        }
        if dead.load(Ordering::SeqCst) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    });
    let first = stage.open(Arc::new(failing), Access::Write).unwrap();
    let error = stage.add_by(&first, "unsure", b"written, and not synced").unwrap_err();
    assert!(matches!(error, Error::Log(LogError::Unsure { .. })), "{error:?}");
    drop(first);
    let begun = trace.calls().len();

    // The next: it finds the item whole, and applies it before it adds its own.
    let next = stage.open(trace.clone(), Access::Write).unwrap();
    let settled = trace.calls().len();
    stage.add_by(&next, "next", b"of the second").unwrap();
    drop(next);
    let calls = trace.take();
    let in_log = |call: &Call| call.path().is_some_and(|path| path.starts_with("log/"));
    let over = position(&calls, begun, |call| matches!(call, Call::Write { .. }) && in_log(call));
    let synced = position(&calls, over, |call| matches!(call, Call::SyncFile { .. }) && in_log(call));
    let listed = position(&calls, synced, |call| *call == Call::SyncDir { path: "log".into() });
    let applied = position(&calls, listed, |call| *call == Call::Point { name: "settled" });
    let own = position(&calls, applied, |call| matches!(call, Call::Write { .. }) && in_log(call));
    assert!(own >= settled, "settled before anything else");
    let Call::Write { offset, bytes, .. } = &calls[over] else { unreachable!("a write") };
    assert!(offset.is_multiple_of(4096), "from the page where the database's head ends");
    let log = std::fs::read(root.join("log/00000000000000000001.cborseq")).unwrap();
    let from = usize::try_from(*offset).unwrap();
    assert_eq!(bytes[..], log[from..from + bytes.len()], "what is applied is written over itself");

    // And a power cut at any moment after that keeps it, whatever the first one's write came to.
    let mut states = 0;
    for state in Crashes::of(&before, &calls, seeds()).filter(|state| state.calls > applied) {
        let place = fast_dir();
        let root = place.path().join("store");
        state.tree.write_to(&root).unwrap();
        let at = format!("after {} of {} calls, {:?}", state.calls, calls.len(), state.kind);
        let found = check_whole(&root, &at);
        assert!(found.contains(&"unsure@1".to_owned()), "{at}: {found:?}");
        assert!(state.calls < calls.len() || found.contains(&"next@1".to_owned()), "{at}: {found:?}");
        states += 1;
    }
    eprintln!("{} calls, {states} crash states", calls.len());
    assert!(states > 50);
}

/// Two contents whose objects share the outer shard directory, or both. No other object of the store is in it.
fn neighbours(shared: usize, root: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut contents = (0..).map(|nth: u32| format!("content {nth}").into_bytes());
    let outer =
        |content: &Vec<u8>| root.join("blake3").join(format!("{:02x}", blake3::hash(content).as_bytes()[0]));
    let first =
        contents.by_ref().find(|content| !outer(content).exists()).expect("an outer directory that is free");
    let prefix = blake3::hash(&first).as_bytes()[..shared].to_vec();
    let second = contents.find(|content| blake3::hash(content).as_bytes()[..shared] == prefix[..]);
    (first, second.expect("a neighbour"))
}

/// The first has made `blake3/ab` (and `blake3/ab/cd`) and stands somewhere before its own syncs; the second finds them
/// there, adds, and is acknowledged; then the power goes.
#[test]
fn a_shard_directory_that_another_has_made_and_not_synced_is_synced_by_who_uses_it() {
    let mut states = 0;
    for shared in [1, 2] {
        let stage = Stage::new();
        let (ours, theirs) = neighbours(shared, &stage.copy().root());
        each_call(8, |nth| {
            let copy = stage.copy();
            let root = copy.root();
            let before = Tree::take(&root).unwrap();
            let trace: Arc<Trace> = Arc::new(Trace::with_foreign(copy.disk(), &root, &DATABASE));
            let shard = oracle::file_of(Path::new(""), &ours).parent().unwrap().to_owned();
            assert!(!root.join(&shard).parent().unwrap().exists(), "another object is there already");
            let disk: Arc<dyn Disk> = trace.clone();
            let (first, met) = stalled_on(
                disk,
                (Calls::Changes, nth),
                |disk| copy.add_by(&copy.open(disk, Access::Write)?, "other", &ours),
                |call, _| {
                    // From here on the first one holds the write lock, and nobody else commits.
                    if is_inside(call) {
                        return None;
                    }
                    let second = copy.open(trace.clone(), Access::Write).unwrap();
                    copy.add_by(&second, "second", &theirs).unwrap();
                    drop(second);
                    Some(trace.calls())
                },
            );
            first.unwrap();
            let Some(Some(calls)) = met else { return false };
            for seed in 0..seeds() {
                let state = Crashes::state(&before, &calls, CrashKind::PowerCut { seed });
                let place = fast_dir();
                let root = place.path().join("store");
                state.tree.write_to(&root).unwrap();
                let at = format!("{shared} shared, stalled at {nth}, seed {seed}");
                oracle::check_names(&root).unwrap_or_else(|fault| panic!("{at}: {fault}"));
                let found = check_whole(&root, &at);
                assert!(found.contains(&"second@1".to_owned()), "{at}: {found:?}");
                assert_eq!(
                    super::cat(&open(&root, Access::Read).unwrap(), "second").unwrap(),
                    theirs,
                    "{at}"
                );
                states += 1;
            }
            true
        });
    }
    eprintln!("{states} crash states");
}
