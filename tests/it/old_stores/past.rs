//! A store that gcs have been at: what was pinned, held, expired, purged and brought back, and a round that was
//! interrupted. How it is made, and what a build of today makes of it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use astore::disk::testing::{Call, Observed};
use astore::env::TestClock;
use astore::report::{
    AddTarget, ClockTrust, Completion, HoldRequest, InitRequest, PinRequest, Recorded, RetainRequest,
    RetentionClass, VerifyRequest,
};
use astore::{Access, Env, EventType, Registry, Timestamp, Void};

use super::{Copy, check_sound, expected};
use crate::support::gc::{collect, whatever};
use crate::support::oracle::{self, Digest};
use crate::support::store::{add, fast_dir, open_by, options, real_disk, reference, request, tree};
use crate::support::verdict::{Verdict, explain, verdict};

/// A clock by which the files of a checkout are of any age. What is made of it is the same each time.
const BEGAN: i64 = 1_900_000_000_000_000;
const DAY: i64 = 24 * 3600 * 1_000_000;

const STRAY: &[u8] = b"no event named this\n";
const STORED: &[u8] = b"stored, and in no package 1\n";
const BACK: &[u8] = b"gone, and back\n";
const HEALED: &[u8] = b"healed\n";
const PINNED: &[u8] = b"a pin on the object keeps it\n";
const UNFINISHED: [&[u8]; 3] = [b"in the round that was interrupted 1\n", b"2\n", b"3\n"];

/// Nightly builds, which expire; one is held, one pinned, one moved to another class.
const NIGHTLY: [(&str, &[u8]); 3] = [("a", b"expired 1\n"), ("b", b"expired 2\n"), ("c", PINNED)];
const HELD: [(&str, &[u8]); 2] = [("a", b"a hold keeps it\n"), ("b", b"expired 2\n, and held\n")];
const MOVED: [(&str, &[u8]); 1] = [("m", b"of a longer class by now\n")];
const GONE: [(&str, &[u8]); 3] = [("back", BACK), ("d/x", b"gone 1\n"), ("kept", b"kept\n")];
const KEPT: [(&str, &[u8]); 3] = [("healed", HEALED), ("kept", b"kept\n"), ("link/", b"")];
const ANCHORED: [(&str, &[u8]); 1] = [("x", b"a pin on the package keeps it\n")];

fn steps(clock: &TestClock, micros: i64) {
    clock.set(Timestamp::from_micros(clock.now().as_micros() + micros));
}

/// Makes the store.
pub(super) fn make(root: &Path) {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str, files: &[(&str, &[u8])]| tree(&place.path().join(name), files);
    let clock = TestClock::new(Timestamp::from_micros(BEGAN));
    let classes = vec![RetentionClass { name: "nightly".to_owned(), duration_seconds: Some(3 * 86_400) }];
    let env = Env::on_clock("keeper@fixtures", clock.clone());
    Registry::init(root, &InitRequest { classes, ..InitRequest::default() }, &env).unwrap();
    let open = |disk, access| {
        let env = Env::on_clock("keeper@fixtures", clock.clone());
        Registry::open_on(disk, root, options(access), env, &Void).unwrap()
    };

    let store = open(real_disk(root), Access::Write);
    for (name, files) in [("nightly", &NIGHTLY[..]), ("held", &HELD[..]), ("moved", &MOVED[..])] {
        let mut request = request(name, &at(name, files), Completion::Finalize);
        let AddTarget::New { class, .. } = &mut request.target else { panic!("a new package") };
        *class = Some("nightly".to_owned());
        steps(&clock, 1_000_003);
        store.add(request, &mut io::empty(), &Void).unwrap();
    }
    for (name, files) in [("gone", &GONE[..]), ("kept", &KEPT[..]), ("anchored", &ANCHORED[..])] {
        steps(&clock, 1_000_003);
        add(&store, name, &at(name, files), Completion::Finalize).unwrap();
    }
    let retain = |name: &str, change: &dyn Fn(&mut RetainRequest)| {
        let mut request = RetainRequest::new(reference(name), "it is still wanted");
        change(&mut request);
        steps(&clock, 1_000_003);
        store.retain(&request).unwrap();
    };
    retain("held", &|request| request.hold = HoldRequest::Set);
    retain("moved", &|request| request.class = Some("release-evidence".to_owned()));
    retain("kept", &|request| request.hold = HoldRequest::Set);
    retain("kept", &|request| request.hold = HoldRequest::Release);
    let object = astore::ContentAddress::new(astore::Blake3::of(PINNED)).to_string();
    store.pin("one", &PinRequest::Object(object.parse().unwrap()), Some("the one that counts")).unwrap();
    store.pin("all", &PinRequest::Package(reference("anchored")), None).unwrap();
    store.pin("short", &PinRequest::Package(reference("gone")), None).unwrap();
    steps(&clock, 1_000_003);
    store.remove(&[reference("gone"), reference("anchored")], "superseded").unwrap();
    store.unpin("short", Some("no longer")).unwrap();
    drop(store);

    // An add that dies after its first batch, and one that dies before its first event.
    let dead = Arc::new(AtomicBool::new(false));
    let dies = dead.clone();
    let watch = move |_: usize, call: &Call| {
        let renames = matches!(call, Call::Point { name: "database committed" });
        match dies.load(Ordering::SeqCst) {
            true => Err(io::Error::other("it is dead")),
            false => {
                dies.store(renames, Ordering::SeqCst);
                Ok(())
            }
        }
    };
    let mut store = open(Arc::new(Observed::new(real_disk(root), watch)), Access::Write);
    store.set_batch_files(1);
    let stored = at("stored", &[("s", STORED)]);
    steps(&clock, 1_000_003);
    add(&store, "stored", &stored, Completion::Finalize).unwrap_err();
    assert!(dead.load(Ordering::SeqCst));
    drop(store);
    oracle::put_object(root, STRAY);

    // Eight days later: a gc of several rounds.
    steps(&clock, 8 * DAY);
    let mut store = open(real_disk(root), Access::Alone);
    store.set_round_objects(2);
    let report =
        collect(&store, whatever(Duration::ZERO), Some("the disk is full"), ClockTrust::Doubted).unwrap();
    assert_eq!(report.rounds.len(), 3, "{report:?}");
    drop(store);

    // What it took comes back; what went missing is healed.
    let store = open(real_disk(root), Access::Write);
    steps(&clock, DAY);
    add(&store, "back", &at("again", &[("back", BACK)]), Completion::Finalize).unwrap();
    fs::remove_file(oracle::file_of(root, HEALED)).unwrap();
    assert_eq!(store.verify(&VerifyRequest::default(), &Void).unwrap().faults.len(), 1);
    steps(&clock, 1_000_003);
    let again = place.path().join("kept");
    assert_eq!(add(&store, "kept", &again, Completion::LeaveOpen).unwrap().healed.len(), 1);
    let doomed: Vec<(String, &[u8])> =
        UNFINISHED.iter().enumerate().map(|(number, bytes)| (number.to_string(), *bytes)).collect();
    let doomed: Vec<(&str, &[u8])> = doomed.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    add(&store, "doomed", &at("doomed", &doomed), Completion::Finalize).unwrap();
    steps(&clock, 1_000_003);
    store.remove(&[reference("doomed")], "a mistake").unwrap();
    drop(store);

    // A second gc dies in its first round, after its first unlink.
    steps(&clock, DAY);
    let unlinked = AtomicBool::new(false);
    let watch = move |_: usize, call: &Call| {
        let unlinks = matches!(call, Call::RemoveFile { path } if path.starts_with("blake3"));
        if unlinked.fetch_or(unlinks, Ordering::SeqCst) {
            Err(io::Error::other("it is dead"))
        } else {
            Ok(())
        }
    };
    let mut store = open(Arc::new(Observed::new(real_disk(root), watch)), Access::Alone);
    store.set_round_objects(2);
    collect(&store, whatever(Duration::ZERO), None, ClockTrust::Accepted).unwrap_err();
}

/// A clock that reads the instant of the last event of the store, a minute later.
fn today(copy: &Copy) -> Arc<TestClock> {
    let mut last = 0;
    let each = &mut |event: astore::report::EventRow| {
        last = last.max(event.line.created_at.as_micros());
        Ok(())
    };
    copy.open(Access::Read).log(&astore::report::LogFilter::default(), each).unwrap();
    TestClock::new(Timestamp::from_micros(last + 60_000_000))
}

fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}

fn kept() -> Copy {
    super::make_missing();
    Copy::of("v1", "collected")
}

#[test]
fn a_store_that_gcs_have_been_at_opens_and_says_what_became_of_everything() {
    let copy = kept();
    let store = copy.open(Access::Read);
    let purges = oracle::purges(&copy.root());
    let said: Vec<_> =
        purges.iter().map(|round| (round.round, round.completed, round.objects.len())).collect();
    assert_eq!(
        said,
        [((1, 3), true, 2), ((2, 3), true, 2), ((3, 3), true, 2), ((1, 2), false, 2)],
        "three rounds, and one of two that was interrupted"
    );
    let by_log: BTreeSet<Digest> = purges.iter().flat_map(|round| round.objects.clone()).collect();
    let gone = [STRAY, STORED, NIGHTLY[0].1, NIGHTLY[1].1, GONE[1].1, BACK];
    let present = [
        HELD[0].1,
        HELD[1].1,
        PINNED,
        MOVED[0].1,
        ANCHORED[0].1,
        HEALED,
        GONE[2].1,
        BACK,
        UNFINISHED[0],
        UNFINISHED[1],
        UNFINISHED[2],
    ];
    for bytes in gone.iter().chain(&present) {
        let by = purges.iter().rfind(|round| round.objects.contains(&digest(bytes)));
        let expected = match by {
            Some(round) if *bytes != BACK => Verdict::Purged(round.started),
            _ => Verdict::Present,
        };
        assert_eq!(verdict(&store, &digest(bytes)), expected, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(by_log.contains(&digest(bytes)), by.is_some());
    }
    for bytes in gone {
        assert!(by_log.contains(&digest(bytes)), "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(
        UNFINISHED.iter().filter(|bytes| by_log.contains(&digest(bytes))).count(),
        2,
        "the third comes later"
    );
    let purge = explain(&store, &digest(GONE[1].1)).purge.unwrap();
    assert_eq!(
        (purge.reason.as_deref(), purge.actor.as_str()),
        (Some("the disk is full"), "keeper@fixtures")
    );

    let said = expected("collected");
    for event_type in [
        EventType::PinAdded,
        EventType::PinRemoved,
        EventType::RetentionChanged,
        EventType::GcStarted,
        EventType::GcCompleted,
        EventType::ObjectHealed,
        EventType::ObjectsStored,
    ] {
        assert!(said.contains(&format!("events {} ", event_type.name())), "no {}", event_type.name());
    }
    assert_eq!(store.pins().unwrap().len(), 2);
    let unfinished = format!("the gc that event {} began is not finished", purges[3].started);
    let left = UNFINISHED
        .map(digest)
        .into_iter()
        .find(|digest| by_log.contains(digest) && oracle::object_path(&copy.root(), digest).exists());
    let left = blake3::Hash::from_bytes(left.unwrap()).to_hex();
    let left = format!("1 file(s) of purged objects, still there: blake3:{left}");
    check_sound(&store, &["the reserve is missing", &unfinished, &left]);
}

#[test]
fn the_next_gc_ends_what_an_old_one_began() {
    let copy = kept();
    let (root, clock) = (copy.root(), today(&copy));
    let open = |access| open_by(&clock, real_disk(&root), &root, options(access)).unwrap();
    let store = open(Access::Alone);
    let there = |bytes: &[u8]| oracle::file_of(&root, bytes).exists();
    assert_eq!(
        UNFINISHED.iter().filter(|bytes| there(bytes)).count(),
        2,
        "one of two went, and the third stays"
    );
    let report = collect(&store, whatever(Duration::ZERO), Some("ended"), ClockTrust::Doubted).unwrap();
    assert_eq!((report.resumed.len(), report.rounds.len()), (1, 1), "{report:?}");
    drop(store);
    let purges = oracle::purges(&root);
    assert_eq!(purges.len(), 5);
    assert!(purges.iter().all(|round| round.completed));
    let store = open(Access::Read);
    for bytes in UNFINISHED {
        assert!(!there(bytes));
        assert!(matches!(verdict(&store, &digest(bytes)), Verdict::Purged(_)));
    }
    check_sound(&store, &[]);
    drop(store);

    // What it purged comes back, and the store goes on.
    let place = fast_dir();
    let again = tree(&place.path().join("again"), &[("1", UNFINISHED[0]), ("2", STRAY), ("3", STORED)]);
    let store = open(Access::Write);
    add(&store, "again", &again, Completion::Finalize).unwrap();
    for bytes in [UNFINISHED[0], STRAY, STORED] {
        assert_eq!(verdict(&store, &digest(bytes)), Verdict::Present);
    }
    store.restore(&reference("anchored")).unwrap();
    store.replay(&Void).unwrap();
    check_sound(&store, &[]);
    drop(store);
    oracle::check_log(&root).unwrap();
    oracle::check_names(&root).unwrap();
}

#[test]
fn what_an_old_gc_took_is_healed_by_nothing_but_an_add() {
    // Lost is not purged: what is missing from what a pin keeps is told apart from what a gc took.
    let copy = kept();
    let root = copy.root();
    fs::remove_file(oracle::file_of(&root, PINNED)).unwrap();
    let store = copy.open(Access::Write);
    assert_eq!(verdict(&store, &digest(PINNED)), Verdict::Lost);
    let request = VerifyRequest { record: Recorded::No, ..VerifyRequest::default() };
    let report = store.verify(&request, &Void).unwrap();
    let found: Vec<_> =
        report.faults.iter().map(|fault| (fault.kind.as_str(), fault.remedy.name())).collect();
    assert_eq!(found, [("missing", "add")]);
    let place = fast_dir();
    let again: PathBuf = tree(&place.path().join("again"), &[("c", PINNED)]);
    assert_eq!(add(&store, "again", &again, Completion::Finalize).unwrap().healed.len(), 1);
    assert_eq!(verdict(&store, &digest(PINNED)), Verdict::Present);
}
