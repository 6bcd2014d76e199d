//! A verify takes its time, and others do not wait for it: what they did meanwhile is not damage, what is damage stays on
//! record, and who ends it learns what is on record.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use astore::disk::testing::{Call, Observed};
use astore::error::Error;
use astore::monitor::Void;
use astore::registry::report::{Completion, Concern, VerifyReport, VerifyRequest};
use astore::registry::{Access, OpenOptions, Registry};

use crate::support::cli::Desk;
use crate::support::oracle::file_of;
use crate::support::store::{add, env, fast_dir, init, open, options, real_disk, tree};

const CONTENT: &[u8] = b"what rots";

/// Other bytes of the same length, under the same name.
fn rot(root: &Path) {
    let file = file_of(root, CONTENT);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, vec![b'~'; CONTENT.len()]).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
}

/// Verifies, and does something meanwhile: once it has looked at the log, before it opens the first object.
fn verify_beside(
    root: &Path,
    request: &VerifyRequest,
    meanwhile: impl Fn() + Send + Sync + 'static,
) -> Result<VerifyReport, Error> {
    let done = AtomicBool::new(false);
    let disk = Observed::with_reads(real_disk(root), move |_, call| {
        if matches!(call, Call::Open { path } if path.starts_with("blake3"))
            && !done.swap(true, Ordering::SeqCst)
        {
            meanwhile();
        }
        Ok(())
    });
    let request = VerifyRequest { threads: Some(1), ..request.clone() };
    Registry::open_on(Arc::new(disk), root, options(Access::Read), env(), &Void)?.verify(&request, &Void)
}

#[test]
fn what_was_healed_beside_a_verify_and_rots_again_is_on_record() {
    // store-layout.md 8.13.5
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let doc = tree(&place.path().join("doc"), &[("file", CONTENT)]);
    let add_as = |name| add(&open(&root, Access::Write).unwrap(), name, &doc, Completion::Finalize).unwrap();
    let verify = |request| open(&root, Access::Read).unwrap().verify(&request, &Void).unwrap();
    add_as("doc");
    rot(&root);
    assert_eq!(verify(VerifyRequest::default()).faults.len(), 1);
    for references in [Vec::new(), vec![crate::support::store::reference("doc")]] {
        let request = VerifyRequest { references, ..VerifyRequest::default() };
        let (at, tree) = (root.clone(), doc.clone());
        let before = open(&root, Access::Read).unwrap().health().unwrap().head_sequence;
        let report = verify_beside(&root, &request, move || {
            let healing = open(&at, Access::Write).unwrap();
            add(&healing, "again", &tree, Completion::Finalize).unwrap();
            rot(&at);
        });
        let report = report.unwrap();
        assert_eq!((report.faults.len(), report.on_record.len()), (1, 0), "{report:?}");
        assert_eq!(report.faults[0].kind, "altered");
        // The add's two, and the verify's two.
        let health = open(&root, Access::Read).unwrap().health().unwrap();
        assert_eq!((report.recorded, health.head_sequence), (Ok(before + 3), before + 4));
        assert!(health.concerns.contains(&Concern::DamagedObjects(1)), "{health:?}");
        assert!(open(&root, Access::Read).unwrap().replay_check(&Void).unwrap().differing.is_empty());
    }
    // So the next add heals it, and that is the end of it.
    add_as("heals");
    assert!(verify(VerifyRequest::default()).is_sound());
    assert_eq!(open(&root, Access::Read).unwrap().health().unwrap().concerns, []);
}

#[test]
fn what_is_purged_beside_a_verify_after_a_recover_is_not_missing() {
    let desk = Desk::new();
    tree(&desk.path("gone"), &[("file", CONTENT)]);
    tree(&desk.path("kept"), &[("file", b"another")]);
    desk.ok(["add", "gone", "--finalize"]);
    desk.ok(["add", "kept", "--finalize"]);
    let root = desk.root();
    let desk = Arc::new(desk);
    let beside = Arc::clone(&desk);
    let refused = verify_beside(&root, &VerifyRequest::default(), move || {
        beside.ok(["recover"]);
        beside.ok(["remove", "gone", "--reason", "r"]);
        beside.ok(["gc", "--confirm", "--min-age", "0s"]);
    });
    assert!(matches!(refused, Err(Error::DatabaseReplaced)), "{refused:?}");
    desk.ok(["verify"]);
}

/// What is on record is on record: a signal that comes by then changes nothing.
#[test]
fn a_signal_that_comes_while_a_verify_is_recorded_hides_nothing() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    // More than it looks at between two looks at the signal.
    let files: Vec<String> = (0..4100).map(|number| number.to_string()).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let doc = tree(&place.path().join("doc"), &files);
    tree(&doc, &[("file", CONTENT)]);
    add(&open(&root, Access::Write).unwrap(), "doc", &doc, Completion::Finalize).unwrap();
    rot(&root);
    let options = OpenOptions { cancelled: Arc::default(), ..options(Access::Read) };
    let signal = options.cancelled.clone();
    let disk = Observed::new(real_disk(&root), move |_, call| {
        if matches!(call, Call::SyncFile { path, .. } if path.starts_with("log")) {
            signal.store(true, Ordering::SeqCst);
        }
        Ok(())
    });
    let asked = options.cancelled.clone();
    let registry = Registry::open_on(Arc::new(disk), &root, options, env(), &Void).unwrap();
    let request = VerifyRequest { max_age: Some(Duration::from_secs(1)), ..VerifyRequest::default() };
    let report = registry.verify(&request, &Void).unwrap();
    assert!(asked.load(Ordering::SeqCst), "the signal came");
    assert_eq!(report.faults.len(), 1, "{:?}", report.faults);
    assert!(report.recorded.is_ok() && report.overdue.is_some(), "{:?}", report.recorded);
}
