//! Bytes that an operator let go are gone for good, and whoever asks for them hears by which event; a gc that
//! was interrupted is not damage.

use std::path::PathBuf;

use astore::error::Error;
use astore::identity::Blake3;
use astore::manifest::EntryPath;
use astore::monitor::Void;
use astore::registry::report::{CatTarget, Completion, ExportRequest, LinkMode, VerifyReport, VerifyRequest};
use astore::registry::{Access, Registry};

use crate::support::gc::begin_gc;
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
    assert_eq!(concerns, ["the gc that event 3 began is not finished"]);
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
