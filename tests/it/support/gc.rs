//! A gc through the library; and what a gc says in the log, said by hand: one that dies between its intent and its
//! first unlink, for instance.

use std::path::Path;
use std::time::Duration;

use astore::db::{Database, OpenMode};
use astore::env::Timestamp;
use astore::error::Error;
use astore::events::{Bookkeeping, EventType, LogFiles, PurgedObject, Record, Stored, payload};
use astore::identity::{Blake3, Digests};
use astore::monitor::Void;
use astore::registry::Registry;
use astore::registry::report::{ClockTrust, CollectReport, CollectRequest, Confirmed, PlanRequest};
use astore::storage::{Backend as _, Local};

use super::store::real_disk;

/// What somebody confirms who has seen no plan: whatever may go and is so old.
pub(crate) fn whatever(min_age: Duration) -> Confirmed {
    Confirmed::Whatever(PlanRequest { min_age })
}

/// Carries out a gc.
pub(crate) fn collect(
    registry: &Registry,
    confirmed: Confirmed,
    reason: Option<&str>,
    clock: ClockTrust,
) -> Result<CollectReport, Error> {
    let request = CollectRequest { confirmed, reason: reason.map(str::to_owned), clock };
    registry.collect(&request, &mut |_| Ok(()), &Void)
}

/// Appends to `log/` what a gc says before its first unlink, and dies: whoever opens the store next enters it.
pub(crate) fn begin_gc(root: &Path, contents: &[&[u8]]) {
    let mut objects: Vec<PurgedObject> = (contents.iter())
        .map(|content| PurgedObject {
            address: Blake3::of(content),
            size_bytes: content.len() as u64,
            why: "removed".to_owned(),
        })
        .collect();
    objects.sort_by_key(|object| *object.address.as_bytes());
    let start = payload::GcStart {
        plan: "plan",
        round: 1,
        rounds: 1,
        reason: None,
        clock_accepted: false,
        packages: &[],
    };
    let payload = payload::gc_started(&start, &objects);
    append_event(root, EventType::GcStarted, payload, Kept::Inline);
}

/// Appends to `log/` an event that this build does not know, as a later one would.
pub(crate) fn later_event(root: &Path) {
    append(root, ("v1.object.evicted", "object"), payload::package_restored(None), Kept::Inline);
}

/// Where a payload is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In the event.
    Inline,
    /// As an object, as a large one is.
    Object,
}

/// Appends an event to `log/` and returns its sequence; whoever opens the store next enters it.
pub(crate) fn append_event(root: &Path, event_type: EventType, payload: Vec<u8>, kept: Kept) -> u64 {
    append(root, (event_type.name(), event_type.subject_kind()), payload, kept)
}

fn append(root: &Path, (event_type, subject_kind): (&str, &str), payload: Vec<u8>, kept: Kept) -> u64 {
    let db = Database::open(&root.join("astore.db"), OpenMode::Read).expect("the database");
    let log = Bookkeeping::load(&db.read().expect("a snapshot")).expect("the bookkeeping").log;
    let digests = Digests::of(&payload);
    if kept == Kept::Object {
        Local::new(real_disk(root)).put(&digests, &mut &payload[..]).expect("put");
    }
    let record = Record {
        sequence: log.head.sequence + 1,
        created_at: Timestamp::from_micros(1),
        event_type: event_type.to_owned(),
        subject_kind: subject_kind.to_owned(),
        subject_id: "00000000-0000-4000-8000-000000000000".to_owned(),
        actor: "operator@here".to_owned(),
        payload_digest: digests.blake3,
        previous_digest: log.head.digest,
    };
    let files = LogFiles::new(real_disk(root), 0o600);
    let event = Stored::new(record, (kept == Kept::Inline).then_some(payload));
    files.append(&log, &[event]).expect("appended");
    log.head.sequence + 1
}
