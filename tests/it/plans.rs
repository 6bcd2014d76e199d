//! Someone works out with `store-layout.md` alone what a gc may take, and under which name: `tests/reader` does so,
//! and `gc` must say the same of whatever history, for whatever instant and age.

mod history;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use astore::env::{Env, Timestamp};
use astore::error::Error;
use astore::monitor::Void;
use astore::registry::report::{
    AddRequest, AddTarget, ClockTrust, Completion, Confirmed, HoldRequest, OnConflict, PinRequest,
    PlanReport, PlanRequest, RetainRequest,
};
use astore::registry::{Access, Registry};

use self::history::{Dice, History};
use crate::reader;
use crate::support::cli::is_slow_run;
use crate::support::gc::{collect, whatever};
use crate::support::oracle::{file_of, put_object};
use crate::support::store::{add, fast_dir, init, options, reference, request, tree};

/// When the histories begin. Files that no event names have the time of the test itself, which is later.
const BEGIN: i64 = 1_790_000_000_000_000;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

fn open_at(root: &Path, access: Access, micros: i64) -> Registry {
    let env = Env::fixed("tester@here", Timestamp::from_micros(micros), 0);
    Registry::open(root, options(access), env, &Void).expect("a store")
}

fn plan(root: &Path, micros: i64, min_age: u64) -> PlanReport {
    let request = PlanRequest { min_age: Duration::from_secs(min_age) };
    open_at(root, Access::Read, micros).plan(&request, &Void).expect("a plan")
}

/// Compares what `gc` says with what the reader says, where there is a Python, and returns it.
#[track_caller]
fn check<const N: usize>(root: &Path, asked: [(i64, u64); N], context: &str) -> [PlanReport; N] {
    let reports = asked.map(|(micros, min_age)| plan(root, micros, min_age));
    let Some((code, text)) = reader::plans(root, &asked) else { return reports };
    assert_eq!(code, 0, "{context}: {text}");
    let read: serde_json::Value = serde_json::from_str(&text).expect("a document");
    for (nth, report) in reports.iter().enumerate() {
        let (read, context) = (&read["plans"][nth], format!("{context} for {:?}", asked[nth]));
        let ours: Vec<_> = (report.plan.objects().iter())
            .map(|object| {
                let address = object.content_address().to_string();
                serde_json::json!({"address": address, "size": object.size_bytes, "reason": object.reason.name()})
            })
            .collect();
        assert_eq!(serde_json::Value::from(ours), read["objects"], "{context}");
        assert_eq!(report.plan.name().to_string(), read["plan"], "{context}");
        assert_eq!(report.plan.bytes(), read["bytes"], "{context}");
        assert_eq!(report.kept_total.0, read["kept"], "{context}: kept");
        assert_eq!(report.young.map_or(0, |young| young.objects), read["young"], "{context}: young");
    }
    reports
}

#[test]
fn the_reader_plans_what_gc_plans_whatever_happened() {
    // store-layout.md 18.3, 18.4, 18.5, 18.6, 18.7
    let seeds = if is_slow_run() { 300 } else { 16 };
    let mut reasons = BTreeMap::new();
    for seed in 0..seeds {
        let place = fast_dir();
        let root = place.path().join("store");
        let mut history = History::new(&root, seed);
        for _ in 0..60 {
            history.step();
        }
        let (mut dice, times) = (Dice(seed), history.write());
        let between = dice.of(&times);
        let near = dice.of(&[-1, 0, 1, DAY]);
        let asked = [
            (between + near, 0),
            (between + DAY, 86_400),
            (times.iter().max().expect("events") + 40 * DAY, dice.of(&[0, 86_400, 20 * 86_400])),
            (2_000_000_000_000_000, 0),
        ];
        for report in check(&root, asked, &format!("history {seed}")) {
            for (reason, objects, _) in report.reasons {
                *reasons.entry(reason.name()).or_insert(0) += objects;
            }
        }
    }
    let named: Vec<_> = reasons.keys().copied().collect();
    assert_eq!(named, ["expired", "removed", "stored", "unrecorded"], "the histories lack something");
}

/// A store that was made by commands, before and after a gc of it.
#[test]
fn the_reader_plans_what_gc_plans_before_and_after_it() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let far = 2_000_000_000_000_000;
    let make = |name: &str, files: &[(&str, &[u8])]| tree(&place.path().join(name), files);
    let stays = make("stays", &[("a", b"alpha"), ("b", b"beta")]);
    let goes = make("goes", &[("a", b"alpha"), ("g", b"gamma"), ("d/e", b"delta")]);
    {
        let mut registry = open_at(&root, Access::Write, BEGIN);
        registry.set_batch_files(1);
        add(&registry, "stays", &stays, Completion::Finalize).expect("an add");
        add(&registry, "goes", &goes, Completion::Finalize).expect("an add");
        let clash = make("clash", &[("1", b"one"), ("a", b"another"), ("z", b"zeta")]);
        add(&registry, "open", &stays, Completion::LeaveOpen).expect("an add");
        let target = AddTarget::Open { reference: reference("open"), on_conflict: OnConflict::Refuse };
        let wanted = request("open", &clash, Completion::LeaveOpen);
        let wanted = AddRequest { target, ..wanted };
        registry.add(wanted, &mut std::io::empty(), &Void).expect_err("a path is taken");
        registry.remove(&[reference("goes")], "no longer needed").expect("removed");
    }
    put_object(&root, b"nobody's");
    fs::write(root.join("blake3/notes"), "none of the store's").expect("a file");
    // One whose name begins as an object's does.
    let alpha = file_of(&root, b"alpha");
    let (beginning, last) = alpha.to_str().expect("UTF-8").split_at(alpha.as_os_str().len() - 1);
    fs::copy(&alpha, format!("{beginning}{}", if last == "0" { "1" } else { "0" })).expect("a copy");
    let misplaced = file_of(&root, b"misplaced");
    fs::write(root.join("blake3").join(misplaced.file_name().expect("a name")), "misplaced").expect("a file");
    let link = file_of(&root, b"a link");
    fs::create_dir_all(link.parent().expect("a parent")).expect("a directory");
    std::os::unix::fs::symlink("nobody", link).expect("a link");

    let asked = [(far, 86_400), (BEGIN, 0), (BEGIN + DAY - 1, 86_400), (BEGIN + DAY, 86_400)];
    let [before, ..] = check(&root, asked, "before");
    let reasons: Vec<_> =
        before.reasons.iter().map(|(reason, objects, _)| (reason.name(), *objects)).collect();
    assert_eq!(reasons[0], ("removed", 2));
    assert_eq!(reasons.last(), Some(&("unrecorded", 1)));
    assert_eq!(reasons.len(), 3, "some of what the refused add stored: {reasons:?}");

    {
        let mut registry = open_at(&root, Access::Alone, far);
        registry.set_round_objects(2);
        let confirmed = Confirmed::Exactly(before.plan.name());
        let report = collect(&registry, confirmed, None, ClockTrust::Accepted).expect("a gc");
        assert!(report.rounds.len() > 1, "it goes in rounds");
        assert_eq!(report.freed().1, before.plan.bytes());
    }
    assert_eq!(check(&root, [(far, 0)], "after")[0].plan.objects(), []);
    // A file of what was purged is in no plan, be it once named or not; what is stored again may go again.
    put_object(&root, b"nobody's");
    put_object(&root, b"gamma");
    let [after] = check(&root, [(far, 0)], "after");
    assert_eq!((after.plan.objects(), after.remains), (&[][..], 2));
    let again = open_at(&root, Access::Write, far);
    let nobodys = make("nobodys", &[("n", b"nobody's")]);
    add(&again, "nobodys", &nobodys, Completion::Finalize).expect("an add");
    again.remove(&[reference("nobodys")], "nobody wants it").expect("removed");
    drop(again);
    assert_eq!(check(&root, [(far, 0)], "again")[0].plan.objects().len(), 1);
    if let Some((code, text)) = reader::read(&root, &["--no-objects"]) {
        assert!(code == 4 && !text.contains("\"views\""), "only the files by hand are wrong: {text}");
    }
}

/// Events of gcs as this build writes them, taken at their word by someone who has only the layout.
#[test]
fn what_a_gc_records_is_what_the_layout_says() {
    // store-layout.md 18.10, and the tables of 8.10 and 8.11
    let place = reader::place("collected");
    let root = place.as_path();
    init(root);
    let far = 2_000_000_000_000_000;
    let sources = fast_dir();
    let make = |name: &str, files: &[(&str, &[u8])]| tree(&sources.path().join(name), files);
    let transient = |at: i64, name: &str, source: &Path| {
        let mut request = request(name, source, Completion::Finalize);
        let AddTarget::New { class, .. } = &mut request.target else { panic!("a new package") };
        *class = Some("transient".to_owned());
        open_at(root, Access::Write, at).add(request, &mut std::io::empty(), &Void).expect("an add");
    };
    // Made the other way round than their ids, which follow the clock. The same clock makes the same ids.
    transient(BEGIN + 2 * DAY, "second", &make("second", &[("s", b"second"), ("shared", b"shared")]));
    transient(BEGIN + DAY, "first", &make("first", &[("f", b"first"), ("shared", b"shared")]));
    transient(BEGIN + DAY + SECOND, "pinned", &make("pinned", &[("p", b"pinned")]));
    transient(BEGIN + DAY + 2 * SECOND, "held", &make("held", &[("h", b"held")]));
    let store = open_at(root, Access::Write, BEGIN + 2 * DAY);
    store.pin("launch", &PinRequest::Package(reference("pinned")), Some("went live")).expect("a pin");
    let hold = RetainRequest { hold: HoldRequest::Set, ..RetainRequest::new(reference("held"), "an audit") };
    store.retain(&hold).expect("a hold");
    drop(store);
    put_object(root, b"nobody's");

    for (round_objects, expected) in [(2, vec![2, 2]), (100, vec![2])] {
        let mut registry = open_at(root, Access::Alone, far);
        registry.set_round_objects(round_objects);
        let all = whatever(Duration::ZERO);
        let report = collect(&registry, all, Some("room"), ClockTrust::Accepted).expect("a gc");
        let rounds: Vec<u64> = report.rounds.iter().map(|round| round.objects).collect();
        assert_eq!(rounds, expected);
        drop(registry);
        // By now an expiry that was acted upon counts, whatever the clock says.
        check(root, [(BEGIN, 0), (far, 0)], "after a gc");
        let store = open_at(root, Access::Write, far);
        if round_objects == 2 {
            store.unpin("launch", None).expect("unpinned");
            let release = HoldRequest::Release;
            let release = RetainRequest { hold: release, ..RetainRequest::new(reference("held"), "audited") };
            store.retain(&release).expect("released");
        }
    }
    for options in [&[][..], &["--from-log"]] {
        if let Some((code, text)) = reader::read(root, options) {
            assert_eq!(code, 0, "{options:?}: {text}");
        }
    }
}

/// A clock that is a minute behind the log or a month ahead of it is believed, and none that is further off.
#[test]
fn a_clock_is_believed_within_limits() {
    // store-layout.md 18.13
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let source = tree(&place.path().join("gone"), &[("g", b"gone")]);
    let last = BEGIN + DAY;
    let store = open_at(&root, Access::Write, last);
    add(&store, "gone", &source, Completion::Finalize).expect("an add");
    store.remove(&[reference("gone")], "no longer needed").expect("removed");
    drop(store);
    let confirm = |micros: i64, clock: ClockTrust| {
        collect(&open_at(&root, Access::Alone, micros), whatever(Duration::ZERO), None, clock)
    };
    for (off, believed) in
        [(-60 * SECOND, true), (-60 * SECOND - 1, false), (31 * DAY + 1, false), (31 * DAY, true)]
    {
        let there = file_of(&root, b"gone").exists();
        assert_eq!(plan(&root, last + off, 0).clock.is_none(), believed, "{off}");
        match confirm(last + off, ClockTrust::Doubted) {
            Ok(report) => assert!(believed && report.plan.clock.is_none(), "{off}"),
            Err(error) => {
                assert!(!believed && matches!(error, Error::ClockDoubted { .. }), "{off}: {error:?}");
                assert_eq!(file_of(&root, b"gone").exists(), there);
            }
        }
    }
    assert!(!file_of(&root, b"gone").exists(), "the last of them took it");
    // Now the log ends a month later; whoever vouches for the clock may go on all the same.
    put_object(&root, b"gone");
    confirm(last, ClockTrust::Doubted).expect_err("a month behind");
    confirm(last, ClockTrust::Accepted).expect("a gc");
    assert!(!file_of(&root, b"gone").exists());
}
