//! A gc that must not be carried out says why, truly, and changes nothing.

use std::path::Path;
use std::time::Duration;

use astore::env::Timestamp;
use astore::error::{Error, ErrorKind};
use astore::monitor::Void;
use astore::registry::report::{
    AddRequest, AddTarget, ClockTrust, CollectRequest, Completion, Confirmed, Plan, PlanRequest,
};
use astore::registry::{Access, Registry};

use crate::support::store::{
    add, fast_dir, init, later_clock, open, open_by, options, real_disk, reference, request, tree,
};

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

fn of(confirmed: Confirmed) -> CollectRequest {
    CollectRequest { confirmed, reason: None, clock: ClockTrust::Doubted }
}

fn whatever() -> CollectRequest {
    of(Confirmed::Whatever(PlanRequest { min_age: Duration::ZERO }))
}

fn head(root: &Path) -> u64 {
    open(root, Access::Read).expect("a store").stats().expect("numbers").events
}

#[test]
fn who_shares_the_store_cannot_collect() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let before = head(&root);
    for access in [Access::Read, Access::Write] {
        let registry = open(&root, access).expect("a store");
        let refused = registry.collect(&whatever(), &mut |_| panic!("a plan is shown"), &Void);
        let error = refused.expect_err("others may write");
        assert!(matches!(error, Error::NotAlone), "{access:?}: {error}");
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
    assert_eq!(head(&root), before);
}

#[test]
fn whatever_spoils_a_plan_is_named() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let clock = later_clock();
    let open = |access| open_by(&clock, real_disk(&root), &root, options(access)).expect("a store");
    let pass = |days| clock.set(Timestamp::from_micros(clock.now().as_micros() + days * DAY_MICROS));
    let add = |registry: &Registry, name: &str, content: &[u8]| {
        let tree = tree(&place.path().join(name), &[("file", content)]);
        let AddRequest { target, .. } = request(name, &tree, Completion::Finalize);
        let AddTarget::New { name, metadata, provenance, .. } = target else { unreachable!("a new package") };
        let target =
            AddTarget::New { name, class: Some("transient".to_owned()), metadata, provenance, schema: None };
        let request = AddRequest { target, ..request("none", &tree, Completion::Finalize) };
        registry.add(request, &mut std::io::empty(), &Void).expect("an add");
    };
    add(&open(Access::Write), "expired", b"of a package that expires");
    pass(8);
    let plan =
        |registry: &Registry| -> Plan { registry.plan(&PlanRequest::default(), &Void).expect("a plan").plan };
    let old = plan(&open(Access::Read));
    assert_eq!(old.objects().len(), 1);

    // To remove what has expired makes it young again: nothing of the plan may go today.
    clock.set(Timestamp::from_micros(clock.now().as_micros() + 1));
    open(Access::Write).remove(&[reference("expired")], "rotation").expect("removed");
    let gc = open(Access::Alone);
    let refused = gc.collect(&of(Confirmed::Exactly(old.name())), &mut |_| panic!("it is shown"), &Void);
    let error = refused.expect_err("it has changed");
    assert_eq!(error.kind(), ErrorKind::PlanGone);
    let text = error.to_string();
    assert!(text.contains("(v1.package.removed expired@1)"), "{text}");
    assert!(matches!(error, Error::PlanChanged { objects: 0, bytes: 0, .. }), "{error:?}");
}

#[test]
fn a_reason_too_long_is_refused_before_anybody_is_asked() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let request = CollectRequest { reason: Some("x".repeat(5000)), ..whatever() };
    let error = open(&root, Access::Read).expect("a store").review(&request, &Void).expect_err("too long");
    assert!(matches!(error, Error::BadText { what: "reason", .. }), "{error}");
}

#[test]
fn what_has_expired_is_no_answer_to_if_changed() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let clock = later_clock();
    let tree = tree(&place.path().join("tree"), &[("file", b"the same each night")]);
    let add = || {
        let AddRequest { target, .. } = request("nightly", &tree, Completion::Finalize);
        let AddTarget::New { name, metadata, provenance, .. } = target else { unreachable!("a new package") };
        let target =
            AddTarget::New { name, class: Some("transient".to_owned()), metadata, provenance, schema: None };
        let request = AddRequest { target, ..request("none", &tree, Completion::FinalizeIfChanged) };
        let registry = open_by(&clock, real_disk(&root), &root, options(Access::Write)).expect("a store");
        registry.add(request, &mut std::io::empty(), &Void).expect("an add")
    };
    assert_eq!(add().package.reference(), "nightly@1");
    let again = add();
    assert_eq!((again.package.reference().as_str(), again.unchanged), ("nightly@1", true));
    clock.set(Timestamp::from_micros(clock.now().as_micros() + 8 * DAY_MICROS));
    let later = add();
    assert_eq!((later.package.reference().as_str(), later.unchanged), ("nightly@2", false));
    let gc = open_by(&clock, real_disk(&root), &root, options(Access::Alone)).expect("a store");
    let report = gc.collect(&whatever(), &mut |_| Ok(()), &Void).expect("a gc");
    assert_eq!(report.freed(), (0, 0), "the package of today keeps it");
}

/// store-layout.md 3.5: somebody tidies up and takes the lock's file away: the next one locks another file. Who held the first one
/// must not record what it decided before.
#[test]
fn a_lock_that_was_taken_away_protects_nothing_and_is_noticed() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let tree = tree(&place.path().join("tree"), &[("file", b"content")]);
    let writer = open(&root, Access::Write).expect("a store");
    std::fs::remove_file(root.join("astore.lock")).expect("removed");
    let gc = open(&root, Access::Alone).expect("it locks a new file");
    let before = head(&root);
    let refused = add(&writer, "late", &tree, Completion::Finalize).expect_err("its lock is gone");
    assert!(refused.to_string().contains("astore.lock was taken away"), "{refused}");
    assert_eq!(head(&root), before);
    drop(gc);
    add(&open(&root, Access::Write).expect("a store"), "late", &tree, Completion::Finalize).expect("an add");
}
