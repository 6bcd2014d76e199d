//! An add beside a verify: what comes while a part is read was not read by it, wherever its address is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use astore::disk::testing::{Call, Observed};
use astore::env::{Env, TestClock, Timestamp};
use astore::identity::{Blake3, Sha256};
use astore::monitor::Void;
use astore::registry::report::{
    Completion, Concern, InitRequest, Sample, VerifyDepth, VerifyReport, VerifyRequest,
};
use astore::registry::{Access, Registry};

use crate::support::store::{add, fast_dir, later_clock, open_by, options, real_disk, tree};

const HOUR: i64 = 3_600_000_000;

fn later(clock: &TestClock, micros: i64) {
    clock.set(Timestamp::from_micros(clock.now().as_micros() + micros));
}

/// Adds a package of ten files, all its own.
fn add_some(clock: &Arc<TestClock>, place: &Path, name: &str) {
    let files: Vec<(String, String)> =
        (0..10).map(|number| (number.to_string(), format!("{name} {number}"))).collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    let root = place.join("store");
    let registry = open_by(clock, real_disk(&root), &root, options(Access::Write)).unwrap();
    add(&registry, name, &tree(&place.join(name), &files), Completion::Finalize).unwrap();
}

#[test]
fn what_is_added_while_a_part_is_read_is_read_once_and_by_a_later_one() {
    let place = fast_dir();
    let root = place.path().join("store");
    let clock = later_clock();
    Registry::init(&root, &InitRequest::default(), &Env::on_clock("tester@here", clock.clone())).unwrap();
    add_some(&clock, place.path(), "first");
    // How often each object is opened; and beside the first that is, in each of three parts, an add.
    let opened: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let adds = Arc::new(AtomicUsize::new(3));
    let verify = |adding: usize, share: u32| -> VerifyReport {
        let (into, adds) = (Arc::clone(&opened), Arc::clone(&adds));
        let (its_clock, at) = (clock.clone(), place.path().to_owned());
        let disk = Observed::with_reads(real_disk(&root), move |_, call| {
            if let Call::Open { path } = call
                && let Some(name) = path.strip_prefix("blake3").ok().and_then(|path| path.file_name())
            {
                *into.lock().unwrap().entry(name.to_str().unwrap().to_owned()).or_default() += 1;
                if adds.compare_exchange(adding, adding - 1, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                    add_some(&its_clock, &at, &format!("beside-{adding}"));
                    later(&its_clock, HOUR);
                }
            }
            Ok(())
        });
        let registry = open_by(&clock, Arc::new(disk), &root, options(Access::Read)).unwrap();
        let sample = Sample::from_millionths(share * 10_000);
        let max_age = Some(Duration::from_secs(30 * 60));
        let request = VerifyRequest { sample, max_age, threads: Some(1), ..VerifyRequest::default() };
        registry.verify(&request, &Void).unwrap()
    };
    // Eleven objects, of which it reads seven; eleven come meanwhile, some of them between those seven.
    let report = verify(3, 55);
    assert_eq!((report.faults.len(), report.objects), (0, 7));
    let overdue = report.overdue.unwrap();
    assert_eq!(overdue.objects, 11 - 7 + 11, "stored an hour ago, and not read since");
    later(&clock, HOUR);
    let mut parts = vec![report.part.unwrap()];
    for adding in [2, 1] {
        parts.push(verify(adding, 10).part.unwrap());
    }
    while parts.last().unwrap().next.is_some() {
        parts.push(verify(usize::MAX, 10).part.unwrap());
    }
    let opened = opened.lock().unwrap();
    assert!(opened.values().all(|times| *times == 1), "{opened:?}");
    // Every object whose address was still to come has been read.
    let all =
        Registry::stats(&open_by(&clock, real_disk(&root), &root, options(Access::Read)).unwrap()).unwrap();
    assert_eq!(all.objects, 44);
    assert!(parts.len() > 3 && opened.len() > 16, "{} of them in {} parts", opened.len(), parts.len());
}

/// One verify that began before another had ended takes nothing back of what that one found.
#[test]
fn what_a_verify_finds_is_not_settled_by_one_that_looked_before() {
    let place = fast_dir();
    let root = place.path().join("store");
    let clock = later_clock();
    Registry::init(&root, &InitRequest::default(), &Env::on_clock("tester@here", clock.clone())).unwrap();
    add_some(&clock, place.path(), "first");
    let (seen, its_clock, at) = (AtomicUsize::new(0), clock.clone(), root.clone());
    // At the last object that the slow one opens, the first one has long been read: now its mode goes wrong, and the
    // other verify says so.
    let disk = Observed::with_reads(real_disk(&root), move |_, call| {
        if let Call::Open { path } = call
            && path.starts_with("blake3")
            && seen.fetch_add(1, Ordering::SeqCst) == 10
        {
            let mut objects: Vec<_> = walkdir::WalkDir::new(at.join("blake3"))
                .sort_by_file_name()
                .into_iter()
                .map(|entry| entry.unwrap().into_path())
                .filter(|path| path.is_file())
                .collect();
            let first = objects.remove(0);
            std::fs::set_permissions(first, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
            let other = open_by(&its_clock, real_disk(&at), &at, options(Access::Read)).unwrap();
            let report = other.verify(&VerifyRequest::default(), &Void).unwrap();
            assert_eq!(report.faults.len(), 1);
        }
        Ok(())
    });
    let slow = open_by(&clock, Arc::new(disk), &root, options(Access::Read)).unwrap();
    let request = VerifyRequest { threads: Some(1), ..VerifyRequest::default() };
    assert!(slow.verify(&request, &Void).unwrap().faults.is_empty(), "it looked before");
    let registry = open_by(&clock, real_disk(&root), &root, options(Access::Read)).unwrap();
    assert!(registry.health().unwrap().damage, "the other one's finding stands");
    // One that begins after both settles it, once there is nothing to find.
    let found = registry.verify(&VerifyRequest::default(), &Void).unwrap();
    assert_eq!(found.faults.len(), 1);
    for entry in walkdir::WalkDir::new(root.join("blake3")).into_iter().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::set_permissions(entry.path(), std::os::unix::fs::PermissionsExt::from_mode(0o444))
                .unwrap();
        }
    }
    assert!(registry.verify(&VerifyRequest::default(), &Void).unwrap().faults.is_empty());
    assert!(!registry.health().unwrap().damage);
}

/// So with what only some verifies look for: an event that somebody had written down, and second digests.
#[test]
fn what_only_some_verifies_look_for_is_not_settled_by_one_that_looked_before() {
    let place = fast_dir();
    let root = place.path().join("store");
    let clock = later_clock();
    Registry::init(&root, &InitRequest::default(), &Env::on_clock("tester@here", clock.clone())).unwrap();
    add_some(&clock, place.path(), "first");
    let request = |digest| VerifyRequest {
        head: Some((2, digest)),
        depth: VerifyDepth::Both,
        threads: Some(1),
        ..VerifyRequest::default()
    };
    let open_plain = || open_by(&clock, real_disk(&root), &root, options(Access::Read)).unwrap();
    let head = open_plain().health().unwrap().head_digest;
    let (seen, its_clock, at) = (AtomicUsize::new(0), clock.clone(), root.clone());
    let disk = Observed::with_reads(real_disk(&root), move |_, call| {
        if let Call::Open { path } = call
            && path.starts_with("blake3")
            && seen.fetch_add(1, Ordering::SeqCst) == 10
        {
            let database = rusqlite::Connection::open(at.join("astore.db")).unwrap();
            let key = Blake3::of(b"first 0");
            let set = |sha256: Sha256| {
                let sql = "UPDATE objects SET digest_sha256 = ?1 WHERE digest_primary = ?2";
                assert_eq!(database.execute(sql, (sha256.as_bytes(), key.as_bytes())), Ok(1));
            };
            set(Sha256::of(b"something else"));
            let other = open_by(&its_clock, real_disk(&at), &at, options(Access::Read)).unwrap();
            let faults = other.verify(&request(Blake3::of(b"wrong")), &Void).unwrap().faults;
            let found = |kind| faults.iter().filter(|fault| fault.kind == kind).count();
            assert_eq!((found("head"), found("second-digest")), (1, 1), "{faults:?}");
            set(Sha256::of(b"first 0"));
        }
        Ok(())
    });
    let slow = open_by(&clock, Arc::new(disk), &root, options(Access::Read)).unwrap();
    let report = slow.verify(&request(head), &Void).unwrap();
    assert!(report.faults.is_empty(), "it looked before: {report:?}");
    let on_record: Vec<&str> = report.on_record.iter().map(|fault| &*fault.kind).collect();
    assert_eq!(on_record, ["head", "second-digest"]);
    let concerns = open_plain().health().unwrap().concerns;
    assert!(concerns.contains(&Concern::Heads(1)) && concerns.contains(&Concern::SecondDigests(1)));
    assert!(open_plain().verify(&request(head), &Void).unwrap().is_sound());
    assert_eq!(open_plain().health().unwrap().concerns, []);
}
