//! Bytes that an operator let go are gone for good, and whoever asks for them hears by which event; a gc that
//! was interrupted is not damage.

use std::path::PathBuf;

use astore::error::Error;
use astore::events::{EventType, PurgedObject, payload};
use astore::identity::{Blake3, ContentAddress};
use astore::manifest::EntryPath;
use astore::monitor::Void;
use astore::registry::report::{
    CatTarget, Completion, Concern, ExplainDepth, ExplainRequest, ExplainTarget, ExportRequest, LinkMode,
    Outcome, Verdict, VerifyReport, VerifyRequest,
};
use astore::registry::{Access, Registry};

use crate::support::gc::{Kept, append_event, begin_gc};
use crate::support::store::{add, fast_dir, init, open, reference, tree};

const GONE: &[u8] = b"these bytes are let go";

struct Store {
    dir: tempfile::TempDir,
    root: PathBuf,
    tree: PathBuf,
}

fn store() -> Store {
    let dir = fast_dir();
    let root = dir.path().join("store");
    init(&root);
    let at = tree(&dir.path().join("tree"), &[("kept", b"kept"), ("gone", GONE)]);
    add(&open(&root, Access::Write).expect("open"), "app", &at, Completion::Finalize).expect("add");
    begin_gc(&root, &[GONE]);
    Store { dir, root, tree: at }
}

fn verify(registry: &Registry) -> VerifyReport {
    registry.verify(&VerifyRequest::default(), &Void).expect("verify")
}

#[test]
fn whoever_asks_for_purged_bytes_hears_by_which_event() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    let target =
        CatTarget::Path { reference: reference("app"), path: EntryPath::new(*b"gone").expect("a path") };
    let mut out = Vec::new();
    let error = registry.cat(&target, None, &mut out).expect_err("purged");
    assert!(matches!(&error, Error::Purged { purge, .. } if purge.sequence == 3), "{error}");
    let request = ExportRequest {
        reference: reference("app"),
        destination: store.dir.path().join("out"),
        link: LinkMode::Copy,
        special_modes: false,
    };
    let error = registry.export(&request, &Void).expect_err("purged");
    assert!(matches!(&error, Error::Purged { purge, .. } if purge.sequence == 3), "{error}");
    assert!(!request.destination.exists(), "nothing was begun");
}

#[test]
fn what_an_interrupted_gc_left_is_no_damage_and_neither_is_what_it_deleted() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    let report = verify(&registry);
    assert_eq!(report.faults, []);
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    assert!(report.notes[0].contains("the gc that event 3 began"), "{:?}", report.notes);
    assert!(report.notes[1].starts_with("1 file(s) of purged objects"), "{:?}", report.notes);

    let hex = Blake3::of(GONE).to_string();
    std::fs::remove_file(store.root.join("blake3").join(&hex[..2]).join(&hex[2..4]).join(&hex))
        .expect("removed");
    let report = verify(&registry);
    assert_eq!((report.faults.len(), report.notes.len()), (0, 1), "{report:?}");
    let concerns = registry.health().expect("health").concerns;
    assert_eq!(concerns, [Concern::UnfinishedGc(3)]);
}

#[test]
fn the_story_stands_in_payloads_which_may_be_objects_and_may_be_damaged() {
    let dir = fast_dir();
    let root = dir.path().join("store");
    init(&root);
    let contents = [&b"deleted"[..], b"missing", b"failed"];
    let files: Vec<(&str, &[u8])> =
        contents.iter().map(|&bytes| (str::from_utf8(bytes).unwrap(), bytes)).collect();
    let at = tree(&dir.path().join("tree"), &files);
    add(&open(&root, Access::Write).expect("open"), "app", &at, Completion::Finalize).expect("add");
    let mut objects: Vec<PurgedObject> = contents
        .iter()
        .map(|bytes| (Blake3::of(bytes), bytes.len() as u64, "removed"))
        .chain((0..999_u32).map(|number| (Blake3::of(&number.to_le_bytes()), 4, "unrecorded")))
        .map(|(address, size_bytes, why)| PurgedObject { address, size_bytes, why: why.to_owned() })
        .collect();
    objects.sort_by_key(|object| *object.address.as_bytes());
    let start = payload::GcStart {
        plan: "plan",
        round: 1,
        rounds: 1,
        reason: Some("room"),
        clock_accepted: false,
        packages: &[],
    };
    let started = payload::gc_started(&start, &objects);
    let payload_digest = Blake3::of(&started);
    let sequence = append_event(&root, EventType::GcStarted, started, Kept::Object);
    drop(open(&root, Access::Write).expect("entered"));
    let story = |bytes: &[u8]| {
        let registry = open(&root, Access::Read).expect("open");
        let target = ExplainTarget::Object(ContentAddress::new(Blake3::of(bytes)).into());
        let request = ExplainRequest { target, depth: ExplainDepth::Short, paths_max: None };
        let report = registry.explain(&request, &Void).expect("a verdict");
        assert_eq!(report.verdict, Verdict::Purged);
        let purge = report.purge.expect("its story");
        assert_eq!(
            (purge.sequence, purge.actor.as_str(), purge.plan.as_str()),
            (sequence, "operator@here", "plan")
        );
        assert_eq!(purge.reason.as_deref(), Some("room"));
        (purge.why, purge.size_bytes, purge.outcome)
    };
    let why = |why: &str, size_bytes| (Some(why.to_owned()), Some(size_bytes));
    for bytes in contents {
        let (reason, size_bytes, outcome) = story(bytes);
        assert_eq!((reason, size_bytes), why("removed", bytes.len() as u64));
        assert_eq!(outcome, Outcome::Unfinished);
    }
    assert_eq!(story(&998_u32.to_le_bytes()), (Some("unrecorded".into()), Some(4), Outcome::Unfinished));

    let end = payload::GcEnd {
        started: sequence,
        objects: 1000,
        bytes: 4000,
        missing: &[Blake3::of(b"missing")],
        failed: &[(Blake3::of(b"failed"), "busy".to_owned())],
        duration_micros: 1,
    };
    let completed = payload::gc_completed(&end);
    let completed_digest = Blake3::of(&completed);
    append_event(&root, EventType::GcCompleted, completed, Kept::Object);
    drop(open(&root, Access::Write).expect("entered"));
    let outcomes = || contents.map(|bytes| story(bytes).2);
    let told = [Outcome::Deleted, Outcome::WasMissing, Outcome::Failed("busy".into())];
    assert_eq!(outcomes(), told);

    // A gap in the story is no gap in the verdict.
    for (digest, all_told) in [(payload_digest, true), (completed_digest, false)] {
        let hex = digest.to_string();
        std::fs::remove_file(root.join("blake3").join(&hex[..2]).join(&hex[2..4]).join(&hex))
            .expect("removed");
        assert_eq!(story(b"missing").0, None);
        assert_eq!(outcomes() == told, all_told);
    }
    assert_eq!(outcomes(), [Outcome::Untold, Outcome::Untold, Outcome::Untold]);
}

#[test]
fn purged_bytes_that_are_added_again_are_back() {
    let store = store();
    let writer = open(&store.root, Access::Write).expect("open");
    add(&writer, "again", &store.tree, Completion::Finalize).expect("add");
    let target =
        CatTarget::Path { reference: reference("app"), path: EntryPath::new(*b"gone").expect("a path") };
    let mut out = Vec::new();
    writer.cat(&target, None, &mut out).expect("they are back, for the first package too");
    assert_eq!(out, GONE);
    assert_eq!(verify(&writer).faults, []);
}
