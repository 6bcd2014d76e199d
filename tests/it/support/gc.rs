//! A gc that dies between its intent and its first unlink.

use std::path::Path;

use astore::db::{Database, OpenMode};
use astore::env::Timestamp;
use astore::events::{Bookkeeping, EventType, LogFiles, PurgedObject, Record, Stored, payload};
use astore::identity::Blake3;

use super::store::real_disk;

/// Appends to `log/` what a gc says before its first unlink, and dies: whoever opens the store next enters it.
pub(crate) fn begin_gc(root: &Path, contents: &[&[u8]]) {
    let db = Database::open(&root.join("astore.db"), OpenMode::Read).expect("the database");
    let log = Bookkeeping::load(&db.read().expect("a snapshot")).expect("the bookkeeping").log;
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
    let event_type = EventType::GcStarted;
    let record = Record {
        sequence: log.head.sequence + 1,
        created_at: Timestamp::from_micros(1),
        event_type: event_type.name().to_owned(),
        subject_kind: event_type.subject_kind().to_owned(),
        subject_id: "00000000-0000-4000-8000-000000000000".to_owned(),
        actor: "operator@here".to_owned(),
        payload_digest: Blake3::of(&payload),
        previous_digest: log.head.digest,
    };
    let files = LogFiles::new(real_disk(root), 0o600);
    files.append(&log, &[Stored::new(record, Some(payload))]).expect("appended");
}
