//! An event in a line: part of several documents.

use astore::registry::report as r;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct EventHead {
    sequence: u64,
    created_at: String,
    event_type: String,
    subject_kind: String,
    subject_id: String,
    actor: String,
}

impl EventHead {
    pub(super) fn of(line: &r::EventLine) -> Self {
        Self {
            sequence: line.sequence,
            created_at: line.created_at.to_string(),
            event_type: line.event_type.clone(),
            subject_kind: line.subject_kind.clone(),
            subject_id: line.subject_id.clone(),
            actor: line.actor.clone(),
        }
    }
}
