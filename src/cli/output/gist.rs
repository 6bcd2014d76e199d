//! What an event comes to, in a few words: for those types whose line alone says too little.

use astore::events::{Event, EventType, Record, decode};
use astore::registry::report as r;

use super::escape;
use super::units::{count, size};

/// The types of which there is more to say. The others are not decoded: that takes long for a large payload.
const TOLD: [EventType; 3] = [EventType::PackageRemoved, EventType::GcStarted, EventType::GcCompleted];

/// Returns what an event comes to, where there is more to say than its type and subject do.
pub(crate) fn gist(row: &r::EventRow) -> Option<String> {
    let line = &row.line;
    if !TOLD.contains(&EventType::of(&line.event_type)?) {
        return None;
    }
    let record = Record {
        sequence: line.sequence,
        created_at: line.created_at,
        event_type: line.event_type.clone(),
        subject_kind: line.subject_kind.clone(),
        subject_id: line.subject_id.clone(),
        actor: line.actor.clone(),
        payload_digest: row.payload_digest,
        previous_digest: row.previous_digest,
    };
    let event = decode(&record, row.payload.as_deref()?).ok()?.event;
    let said = match event {
        Event::PackageRemoved { reason } => reason,
        Event::GcStarted { plan, round, rounds, reason, objects, .. } => {
            let reason = reason.unwrap_or_else(|| "no reason given".to_owned());
            let objects = count(objects.count().ok()?, "object");
            format!("purges {objects}, round {round} of {rounds} of plan {plan}: {reason}")
        }
        Event::GcCompleted { started, objects, bytes, missing, failed, .. } => {
            let mut said = format!("deleted {} ({})", count(objects, "object"), size(bytes));
            for (number, what) in
                [(missing.count().ok()?, "missing already"), (failed.count().ok()?, "failed")]
            {
                if number > 0 {
                    said.push_str(&format!(", {number} {what}"));
                }
            }
            format!("{said}; begun by event {started}")
        }
        Event::StoreCreated { .. }
        | Event::PackageCreated { .. }
        | Event::ObjectsStored { .. }
        | Event::EntriesAdded { .. }
        | Event::PackageFinalized { .. }
        | Event::PackageRestored { .. }
        | Event::PackageImported { .. }
        | Event::PinAdded { .. }
        | Event::PinRemoved { .. }
        | Event::RetentionChanged { .. }
        | Event::ObjectHealed { .. }
        | Event::VerifyCompleted { .. }
        | Event::SchemaRegistered { .. }
        | Event::Unknown => return None,
    };
    Some(escape::line(&said))
}

#[cfg(test)]
mod tests {
    use astore::events::{PurgedObject, payload};
    use astore::identity::Blake3;

    use super::super::samples;
    use super::*;

    fn said(event_type: EventType, payload: Vec<u8>) -> Option<String> {
        let mut row = samples::event();
        row.line.event_type = event_type.name().to_owned();
        row.payload = Some(payload);
        gist(&row)
    }

    #[test]
    fn a_gc_says_how_much() {
        let start = payload::GcStart {
            plan: "1-0-ab",
            round: 1,
            rounds: 2,
            reason: Some("full\ndisk"),
            clock_accepted: false,
            packages: &[],
        };
        let object = PurgedObject { address: Blake3::of(b"x"), size_bytes: 1, why: "removed".into() };
        assert_eq!(
            said(EventType::GcStarted, payload::gc_started(&start, &[object])).as_deref(),
            Some("purges 1 object, round 1 of 2 of plan 1-0-ab: full\\ndisk")
        );
        let mut end = payload::GcEnd {
            started: 7,
            objects: 2,
            bytes: 2048,
            missing: &[],
            failed: &[],
            duration_micros: 5,
        };
        let whole = "deleted 2 objects (2.0 KiB); begun by event 7";
        assert_eq!(said(EventType::GcCompleted, payload::gc_completed(&end)).as_deref(), Some(whole));
        let failed = [(Blake3::of(b"y"), "busy".to_owned())];
        end.missing = &[];
        end.failed = &failed;
        let odd = "deleted 2 objects (2.0 KiB), 1 failed; begun by event 7";
        assert_eq!(said(EventType::GcCompleted, payload::gc_completed(&end)).as_deref(), Some(odd));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        assert_eq!(said(EventType::GcCompleted, b"\xff".to_vec()), None);
        assert_eq!(said(EventType::PackageRestored, payload::package_restored(None)), None);
        assert_eq!(gist(&r::EventRow { payload: None, ..samples::event() }), None);
    }
}
