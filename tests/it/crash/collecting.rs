//! A gc that is stopped anywhere, judged by the oracle of all sweeps; `gc_crash` asks what becomes of each object.

use std::sync::Arc;
use std::time::Duration;

use astore::disk::Disk;
use astore::disk::testing::Observed;
use astore::env::TestClock;
use astore::error::Error;
use astore::registry::report::{ClockTrust, Completion};
use astore::registry::{Access, Registry};

use super::Stage;
use crate::support::gc;
use crate::support::store::{add, later_clock, open, open_by, options, real_disk, reference};
use crate::support::sweep::Sweep;

/// A store with two packages, one of them removed.
pub(super) fn with_something_to_go() -> Stage {
    let stage = Stage::with("kept", &[("k", b"kept"), ("both", b"in both")], Completion::Finalize);
    let gone: [(&str, &[u8]); 4] =
        [("a", b"gone 1"), ("b", b"gone 2"), ("c", b"gone 3"), ("both", b"in both")];
    let gone = stage.tree("gone", &gone);
    let registry = open(&stage.root(), Access::Write).unwrap();
    add(&registry, "gone", &gone, Completion::Finalize).unwrap();
    registry.remove(&[reference("gone")], "no longer needed").unwrap();
    drop(registry);
    stage
}

pub(super) fn collect(
    clock: &Arc<TestClock>,
    disk: Arc<dyn Disk>,
    root: &std::path::Path,
) -> Result<(), Error> {
    let mut registry: Registry = open_by(clock, disk, root, options(Access::Alone))?;
    registry.set_round_objects(2);
    let report = gc::collect(&registry, gc::whatever(Duration::ZERO), None, ClockTrust::Accepted)?;
    assert!(report.failed().next().is_none(), "{report:?}");
    Ok(())
}

/// Sweeps a gc on a disk, and says how many of its states had the reserve no more.
fn sweep(name: &'static str, wrap: impl Fn(Arc<dyn Disk>) -> Arc<dyn Disk>) {
    let stage = with_something_to_go();
    let clock = later_clock();
    let root = stage.root();
    let sweep = Sweep::on(name, &root, wrap(real_disk(&root)), |disk| collect(&clock, disk, &root).unwrap());
    sweep.run(
        |_, history| {
            let begun = history.types.get("v1.gc.started").copied().unwrap_or(0);
            let ended = history.types.get("v1.gc.completed").copied().unwrap_or(0);
            if begun - ended <= 1 { Ok(()) } else { Err(format!("{begun} rounds, {ended} ends")) }
        },
        |root| collect(&clock, real_disk(root), root).map_err(|error| format!("{error:?}")),
    );
}

#[test]
fn a_gc_that_is_stopped_anywhere_leaves_a_true_store() {
    sweep("gc", |disk| disk);
}

#[test]
fn a_gc_on_a_full_disk_gives_the_reserve_up_and_loses_nothing_else() {
    sweep("gc on a full disk", |disk| Arc::new(Observed::new(disk, |_, _| Ok(())).with_free_bytes(3 << 20)));
}
