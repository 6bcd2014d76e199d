//! The harness itself: it finds what it is there to find. Calls of a recorded operation are left out or put in another
//! order, as if the code made them so, and the sweep has to notice.

use std::path::Path;

use astore::disk::testing::Call;
use astore::registry::Registry;
use astore::registry::report::Completion;

use super::collecting::{collect, with_something_to_go};
use super::{Stage, again, without};
use crate::support::store::{add, later_clock, real_disk};
use crate::support::sweep::Sweep;

/// Returns the calls with those of a range put before another one.
fn earlier(calls: &[Call], range: std::ops::RangeInclusive<usize>, before: usize) -> Vec<Call> {
    assert!(before < *range.start(), "{range:?} is before {before} already");
    let (moved, rest) = (&calls[range.clone()], &calls[before..*range.start()]);
    [&calls[..before], moved, rest, &calls[range.end() + 1..]].concat()
}

fn place(calls: &[Call], is_it: impl Fn(&Call) -> bool) -> usize {
    calls.iter().position(is_it).expect("such a call")
}

fn syncs(call: &Call, directory: &str) -> bool {
    let everywhere = *call == Call::SyncAll && directory != "log";
    everywhere || (call.is_sync() && call.path().is_some_and(|path| path.starts_with(directory)))
}

fn logs(call: &Call) -> bool {
    matches!(call, Call::Write { path, .. } if path.starts_with("log"))
}

fn is_point(call: &Call, name: &str) -> bool {
    matches!(call, Call::Point { name: found } if *found == name)
}

fn unlinks(call: &Call) -> bool {
    matches!(call, Call::RemoveFile { path } if path.starts_with("blake3"))
}

fn assert_noticed(what: &str, sweep: &Sweep, calls: Vec<Call>, repeat: impl Fn(&Path) -> Result<(), String>) {
    assert_ne!(calls, sweep.calls, "{what}: nothing was altered");
    let fault = sweep.altered(calls).try_run(|_, _| Ok(()), repeat).expect_err(what);
    eprintln!("{what}: {fault}");
}

#[test]
fn the_sweep_notices_an_add_that_syncs_too_little_or_too_late() {
    let stage = Stage::new();
    let source = stage.tree("t", &[("a", b"alpha"), ("d/b", b"beta")]);
    let adding = |registry: &Registry| add(registry, "x", &source, Completion::Finalize).map(drop);
    let sweep = stage.record("add", adding).with_subsets_up_to(3);
    let calls = &sweep.calls;
    for (what, directory) in
        [("object bytes", "tmp"), ("directories of objects", "blake3"), ("the log", "log")]
    {
        let fewer = without(calls, |call| syncs(call, directory));
        assert_noticed(&format!("no sync of {what}"), &sweep, fewer, again(adding));
    }
    let opens = |call: &Call| matches!(call, Call::OpenWrite { path, .. } if path.starts_with("log"));
    let event = place(calls, opens)..=place(calls, |call| is_point(call, "database committed"));
    let rename = place(calls, |call| matches!(call, Call::Rename { .. }));
    assert_noticed("an event before its renames", &sweep, earlier(calls, event, rename), again(adding));
}

#[test]
fn the_sweep_notices_a_gc_that_deletes_too_early_or_ends_too_early() {
    let stage = with_something_to_go();
    let (clock, root) = (later_clock(), stage.root());
    let sweep = Sweep::of("gc", &root, |disk| collect(&clock, disk, &root).unwrap());
    let repeat = |root: &Path| collect(&clock, real_disk(root), root).map_err(|error| format!("{error:?}"));
    let calls = &sweep.calls;
    let unlink = place(calls, unlinks);
    let early = earlier(calls, unlink..=unlink, place(calls, logs));
    assert_noticed("an unlink before its intent", &sweep, early, repeat);
    let unsynced = without(calls, |call| syncs(call, "blake3"));
    assert_noticed("an end before its unlinks are durable", &sweep, unsynced, repeat);
}
