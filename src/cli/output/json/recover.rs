//! The document of `recover`.

use astore::registry::report as r;
use serde::Serialize;

use super::store::{Head, SkippedEvents};

#[derive(Serialize)]
pub(crate) struct Recover {
    head: Head,
    only_in_log: u64,
    only_in_database: u64,
    log: LogText,
    database_aside: Option<String>,
    database_fault: Option<String>,
    config_written: bool,
    healed: Vec<HealedText>,
    left_out: Vec<LeftOutText>,
    skipped: Vec<SkippedEvents>,
    view_digest: String,
}

#[derive(Serialize)]
struct LogText {
    outcome: &'static str,
    events: Option<u64>,
    aside: Option<String>,
    damage: Option<String>,
}

#[derive(Serialize)]
struct HealedText {
    address: String,
    source: &'static str,
}

#[derive(Serialize)]
struct LeftOutText {
    sequence: u64,
    event_type: String,
    subject_id: String,
    payload: String,
    why: String,
}

impl LogText {
    fn of(log: &r::LogMended) -> Self {
        let (outcome, events, aside, damage) = match log {
            r::LogMended::Whole => ("whole", None, None, None),
            r::LogMended::Completed { events } => ("completed", Some(*events), None, None),
            r::LogMended::WrittenAgain { aside, damage } => {
                ("written-again", None, Some(aside.clone()), Some(damage.clone()))
            }
        };
        Self { outcome, events, aside, damage }
    }
}

impl Recover {
    pub(crate) fn of(report: &r::RecoverReport) -> Self {
        let healed = |(address, source): &(_, astore::plane::HealedFrom)| HealedText {
            address: astore::identity::ContentAddress::to_string(address),
            source: source.name(),
        };
        let left_out = |event: &r::LeftOut| LeftOutText {
            sequence: event.sequence,
            event_type: event.event_type.clone(),
            subject_id: event.subject_id.clone(),
            payload: event.payload.to_string(),
            why: event.why.clone(),
        };
        Self {
            head: Head { sequence: report.head_sequence, digest: report.head_digest.to_string() },
            only_in_log: report.only_in_log,
            only_in_database: report.only_in_database,
            log: LogText::of(&report.log),
            database_aside: report.database_aside.clone(),
            database_fault: report.database_fault.clone(),
            config_written: report.config_written,
            healed: report.healed.iter().map(healed).collect(),
            left_out: report.left_out.iter().map(left_out).collect(),
            skipped: report.skipped.iter().map(SkippedEvents::of).collect(),
            view_digest: report.view_digest.to_string(),
        }
    }
}
