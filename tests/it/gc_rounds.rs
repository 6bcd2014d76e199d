//! An operator confirms a gc of many objects: it goes in rounds, each on record, and what one gc left undone the
//! next one ends.

use std::time::Duration;

use astore::error::Error;
use astore::monitor::Void;
use astore::registry::report::{
    ClockTrust, CollectReport, CollectRequest, Completion, Confirmed, PlanReport, PlanRequest, Reason,
};
use astore::registry::{Access, Registry};

use crate::support::store::{add, fast_dir, init, open, reference, tree};

fn plan(registry: &Registry) -> PlanReport {
    registry.plan(&PlanRequest { min_age: Duration::ZERO }, &Void).expect("a plan")
}

fn collect(registry: &Registry, confirmed: Confirmed) -> Result<CollectReport, Error> {
    let request = CollectRequest { confirmed, reason: Some("room".to_owned()), clock: ClockTrust::Doubted };
    registry.collect(&request, &mut |_| Ok(()), &Void)
}

#[test]
fn many_objects_go_in_rounds() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let files: Vec<(String, Vec<u8>)> =
        (0..10_u8).map(|number| (format!("f{number}"), vec![number; 10])).collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let goes = tree(&place.path().join("goes"), &files);
    let stays = tree(&place.path().join("stays"), &files[..3]);
    let registry = open(&root, Access::Write).expect("a store");
    add(&registry, "goes", &goes, Completion::Finalize).expect("an add");
    add(&registry, "stays", &stays, Completion::Finalize).expect("an add");
    assert_eq!(plan(&registry).plan.objects(), []);
    registry.remove(&[reference("goes")], "no longer needed").expect("removed");
    drop(registry);

    let mut registry = open(&root, Access::Alone).expect("a store");
    registry.set_round_objects(3);
    let before = plan(&registry);
    assert_eq!(before.reasons, [(Reason::Removed, 7, 70)]);
    assert_eq!(before.packages.len(), 1);
    let report = collect(&registry, Confirmed::Exactly(before.plan.name())).expect("a gc");
    let rounds: Vec<_> = report.rounds.iter().map(|round| (round.objects, round.bytes)).collect();
    assert_eq!(rounds, [(3, 30), (3, 30), (1, 10)]);
    assert_eq!(plan(&registry).plan.objects(), []);
    let error = collect(&registry, Confirmed::Exactly(before.plan.name())).expect_err("it is done");
    let text = error.to_string();
    assert!(text.contains("v1.gc.started") && text.contains("today 0 objects (0 bytes)"), "{text}");
}
