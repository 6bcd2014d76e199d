//! An operator confirms a gc of many objects: it goes in rounds, each on record, and the plan goes, no more and no less.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use astore::error::{Error, ErrorKind};
use astore::monitor::{Counter, Monitor, Problem, Task, Void};
use astore::registry::report::{
    ClockTrust, CollectRequest, Completion, Confirmed, ExportRequest, LinkMode, PlanReport, PlanRequest,
    Reason,
};
use astore::registry::{Access, Registry};

use crate::support::gc::collect;
use crate::support::gc::whatever;
use crate::support::oracle::{self, Digest};
use crate::support::store::{add, env, fast_dir, init, open, options, reference, tree};

fn plan(registry: &Registry) -> PlanReport {
    registry.plan(&PlanRequest { min_age: Duration::ZERO }, &Void).expect("a plan")
}

#[test]
fn many_objects_go_in_rounds() {
    // store-layout.md 18.10
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
    let name = before.plan.name();
    let confirm = || collect(&registry, Confirmed::Exactly(name), Some("room"), ClockTrust::Doubted);
    let report = confirm().expect("a gc");
    let told: Vec<_> = report.rounds.iter().map(|round| (round.objects, round.bytes)).collect();
    assert_eq!(told, [(3, 30), (3, 30), (1, 10)]);

    // The log says the same of each round, and together they are the plan.
    let rounds = oracle::purges(&root);
    assert_eq!(rounds.iter().map(|round| round.round).collect::<Vec<_>>(), [(1, 3), (2, 3), (3, 3)]);
    for (round, told) in rounds.iter().zip(&report.rounds) {
        assert_eq!((round.started, round.plan.as_str()), (told.started, name.to_string().as_str()));
        assert!(round.completed && round.missing.is_empty() && round.failed.is_empty(), "{round:?}");
        assert_eq!((&round.gc, told.completed), (&rounds[0].gc, told.started + 1), "they follow one another");
    }
    let purged: Vec<Digest> = rounds.into_iter().flat_map(|round| round.objects).collect();
    let planned = before.plan.objects().iter().map(|object| *object.address.as_bytes());
    assert_eq!(purged, planned.collect::<Vec<_>>(), "in the order of the plan");
    let own: BTreeSet<Digest> = files[3..].iter().map(|(_, bytes)| *blake3::hash(bytes).as_bytes()).collect();
    assert_eq!(purged.into_iter().collect::<BTreeSet<_>>(), own);

    for (number, (name, bytes)) in files.iter().enumerate() {
        assert_eq!(oracle::file_of(&root, bytes).exists(), number < 3, "{name}");
    }
    let out = place.path().join("out");
    let request = ExportRequest {
        reference: reference("stays"),
        destination: out.clone(),
        link: LinkMode::Copy,
        special_modes: false,
    };
    registry.export(&request, &Void).expect("an export");
    for (name, bytes) in &files[..3] {
        assert_eq!(std::fs::read(out.join(name)).expect("a file"), *bytes);
    }

    assert_eq!(plan(&registry).plan.objects(), []);
    let error = confirm().expect_err("it is done");
    let text = error.to_string();
    assert!(text.contains("v1.gc.started"), "{text}");
    assert!(matches!(error, Error::PlanChanged { objects: 0, bytes: 0, .. }), "{error:?}");
}

/// Somebody who presses Ctrl-C as soon as the first object is deleted.
#[derive(Default)]
struct Impatient {
    enough: Arc<AtomicBool>,
    told: Mutex<Vec<String>>,
}

impl Monitor for Impatient {
    fn start(&self, _task: Task, _bytes: Option<u64>) {}

    fn count(&self, counter: Counter, _n: u64) {
        if counter == Counter::ObjectsPurged {
            self.enough.store(true, Ordering::SeqCst);
        }
    }

    fn problem(&self, problem: &Problem) {
        self.told.lock().unwrap().push(problem.to_string());
    }

    fn finish(&self, _task: Task) {}
}

#[test]
fn a_signal_during_the_deletions_lets_the_round_end_and_is_answered() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let files = [("a", &b"a"[..]), ("b", b"b"), ("c", b"c")];
    let goes = tree(&place.path().join("goes"), &files);
    let registry = open(&root, Access::Write).expect("a store");
    add(&registry, "goes", &goes, Completion::Finalize).expect("an add");
    registry.remove(&[reference("goes")], "no longer needed").expect("removed");
    drop(registry);

    // The second time it is in the last round: then nothing is left to be stopped, and all that was asked for is done.
    for is_last in [false, true] {
        let person = Impatient::default();
        let mut options = options(Access::Alone);
        options.cancelled = person.enough.clone();
        let mut registry = Registry::open(&root, options, env(), &Void).expect("a store");
        registry.set_round_objects(2);
        let request =
            CollectRequest { confirmed: whatever(Duration::ZERO), reason: None, clock: ClockTrust::Doubted };
        let collected = registry.collect(&request, &mut |_| Ok(()), &person);
        assert!(person.enough.load(Ordering::SeqCst), "it was asked to stop");
        let told = person.told.into_inner().unwrap();
        if is_last {
            assert_eq!((collected.expect("done").freed(), told), ((1, 1), Vec::new()));
        } else {
            let error = collected.expect_err("an object is left");
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
            let expected =
                "before it ended, the gc deleted 2 object(s) of 2 bytes, and 1 object of its plan is left;";
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with(expected), "{told:?}");
        }
        assert!(oracle::purges(&root).iter().all(|round| round.completed), "the round is brought to its end");
    }
    assert_eq!(plan(&open(&root, Access::Read).expect("a store")).plan.objects(), []);
}
