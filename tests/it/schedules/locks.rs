//! Somebody deletes or replaces `astore.lock` while others rely on it: then nothing keeps a gc and an add apart but what
//! each of them checks for itself.

use std::time::Duration;

use astore::disk::testing::Call;
use astore::error::Error;
use astore::manifest::EntryPath;
use astore::registry::Access;
use astore::registry::report::{CatTarget, ClockTrust};

use super::{Stage, is_inside};
use crate::support::gc;
use crate::support::oracle;
use crate::support::stalled::{Calls, each_call, stalled};
use crate::support::store::{later_clock, open_by, options, reference};

const GONE: &[u8] = b"in a removed package, and wanted again";

/// A store with a candidate.
fn with_candidate() -> Stage {
    let stage = Stage::new();
    stage.add_here("gone", GONE);
    super::open(&stage.root(), Access::Write).unwrap().remove(&[reference("gone")], "no more").unwrap();
    stage
}

/// How the lock is taken away.
#[derive(Clone, Copy, Debug)]
enum Away {
    Deleted,
    Replaced,
}

impl Away {
    fn act(self, stage: &Stage) {
        let lock = stage.root().join("astore.lock");
        std::fs::remove_file(&lock).unwrap();
        drop(std::fs::remove_file(stage.root().join("astore.gate")));
        if matches!(self, Self::Replaced) {
            std::fs::write(lock, "").unwrap();
        }
    }
}

fn collect(stage: &Stage, disk: std::sync::Arc<dyn astore::disk::Disk>) -> Result<(), Error> {
    // By its clock the files are old enough.
    let registry = open_by(&later_clock(), disk, &stage.root(), options(Access::Alone))?;
    gc::collect(&registry, gc::whatever(Duration::ZERO), None, ClockTrust::Accepted).map(drop)
}

/// What was acknowledged is there, and nothing is wrong.
#[track_caller]
fn check(stage: &Stage, acknowledged: bool, at: &str) {
    let found = stage.check_whole(at);
    assert!(!acknowledged || found.contains(&"again@1".to_owned()), "{at}: {found:?}");
    if found.contains(&"again@1".to_owned()) {
        let registry = super::open(&stage.root(), Access::Read).unwrap();
        let path = EntryPath::new(&b"f"[..]).unwrap();
        let mut out = Vec::new();
        registry.cat(&CatTarget::Path { reference: reference("again"), path }, None, &mut out).unwrap();
        assert_eq!(out, GONE, "{at}");
    }
}

#[test]
fn an_add_whose_lock_is_taken_away_records_nothing_that_a_gc_has_taken() {
    let stage = with_candidate();
    for away in [Away::Deleted, Away::Replaced] {
        each_call(15, |nth| {
            let copy = stage.copy();
            let (added, met) = stalled(
                &copy.root(),
                (Calls::Changes, nth),
                |disk| copy.add_by(&copy.open(disk, Access::Write)?, "again", GONE),
                |call, _| {
                    // Within its transaction it holds the write lock as well, and a gc waits for that.
                    let inside = is_inside(call);
                    away.act(&copy);
                    if !inside {
                        collect(&copy, copy.disk()).unwrap();
                    }
                    call.clone()
                },
            );
            let at = format!("{away:?}, {nth}, {met:?}: {added:?}");
            check(&copy, added.is_ok(), &at);
            met.is_some()
        });
    }
}

#[test]
fn a_gc_whose_lock_is_taken_away_deletes_nothing_that_an_add_has_stored_again() {
    let stage = with_candidate();
    for away in [Away::Deleted, Away::Replaced] {
        each_call(10, |nth| {
            let copy = stage.copy();
            let (collected, met) = stalled(
                &copy.root(),
                (Calls::Changes, nth),
                |disk| collect(&copy, disk),
                |call, _| {
                    // Nor does anything help between its look at the lock and the unlink.
                    let inside = is_inside(call) || matches!(call, Call::RemoveFile { .. });
                    away.act(&copy);
                    if !inside {
                        let registry = copy.open(copy.disk(), Access::Write).unwrap();
                        copy.add_by(&registry, "again", GONE).unwrap();
                    }
                    (inside, call.clone())
                },
            );
            let at = format!("{away:?}, {nth}, {met:?}: {collected:?}");
            let acknowledged = met.as_ref().is_some_and(|(inside, _)| !inside);
            check(&copy, acknowledged, &at);
            oracle::check_names(&copy.root()).unwrap();
            met.is_some()
        });
    }
}
