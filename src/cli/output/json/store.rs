//! Documents about the store: its log, its views, its health, what verify found.

use astore::registry::report as r;
use serde::Serialize;
use serde_json::Value;

use super::event::EventHead;
use super::purges::PurgesText;
use super::{PathText, RootText, hex};
use crate::cli::output::concern;
use crate::cli::output::remedy::remedy;

#[derive(Serialize)]
pub(crate) struct Init {
    store_id: String,
    #[serde(flatten)]
    root: RootText,
    existed: bool,
}

impl Init {
    pub(crate) fn of(report: &r::InitReport) -> Self {
        Self {
            store_id: report.store_id.to_string(),
            root: RootText::of(&report.root),
            existed: report.existed,
        }
    }
}

#[derive(Serialize)]
struct HarmText {
    package: String,
    #[serde(flatten)]
    path: Option<PathText>,
}

#[derive(Serialize)]
pub(super) struct FaultText {
    kind: String,
    address: Option<String>,
    subject: String,
    detail: String,
    harms: Vec<HarmText>,
    remedy: RemedyText,
}

#[derive(Serialize)]
struct RemedyText {
    action: &'static str,
    text: String,
}

impl FaultText {
    pub(super) fn of(fault: &r::Fault) -> Self {
        let harm = |harm: &r::Harm| HarmText {
            package: harm.package.clone(),
            path: harm.path.as_ref().map(|path| PathText::of(path.as_bytes())),
        };
        Self {
            kind: fault.kind.clone(),
            address: fault.address.map(|address| address.to_string()),
            subject: fault.subject.clone(),
            detail: fault.detail.clone(),
            harms: fault.harms.iter().map(harm).collect(),
            remedy: RemedyText { action: fault.remedy.name(), text: remedy(fault) },
        }
    }
}

#[derive(Serialize)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) digest: String,
}

#[derive(Serialize)]
pub(crate) struct Verify {
    sound: bool,
    head: Head,
    objects: u64,
    bytes: u64,
    events: u64,
    faults: Vec<FaultText>,
    on_record: Vec<FaultText>,
    notes: Vec<String>,
    recorded: Option<u64>,
    not_recorded: Option<String>,
    part: Option<PartText>,
    overdue: Option<OverdueText>,
}

#[derive(Serialize)]
struct PartText {
    first: String,
    last: String,
    next: Option<String>,
    since: Option<String>,
    parts: u64,
    objects_left: u64,
    bytes_left: u64,
    views_compared: bool,
}

impl PartText {
    fn of(part: &r::VerifyPart) -> Self {
        Self {
            first: part.first.to_string(),
            last: part.last.to_string(),
            next: part.next.map(|next| next.to_string()),
            since: part.since.map(|since| since.to_string()),
            parts: part.parts,
            objects_left: part.objects_left,
            bytes_left: part.bytes_left,
            views_compared: part.views_compared,
        }
    }
}

#[derive(Serialize)]
struct OverdueText {
    max_age_seconds: u64,
    objects: u64,
    bytes: u64,
    oldest: Option<OldestText>,
}

#[derive(Serialize)]
struct OldestText {
    since: String,
    address: String,
}

impl OverdueText {
    fn of(overdue: &r::Overdue) -> Self {
        let oldest = |(since, address): (astore::env::Timestamp, astore::identity::ContentAddress)| {
            OldestText { since: since.to_string(), address: address.to_string() }
        };
        Self {
            max_age_seconds: overdue.max_age.as_secs(),
            objects: overdue.objects,
            bytes: overdue.bytes,
            oldest: overdue.oldest.map(oldest),
        }
    }
}

impl Verify {
    pub(crate) fn of(report: &r::VerifyReport) -> Self {
        Self {
            sound: report.is_sound(),
            head: Head { sequence: report.head_sequence, digest: report.head_digest.to_string() },
            objects: report.objects,
            bytes: report.bytes,
            events: report.events,
            faults: report.faults.iter().map(FaultText::of).collect(),
            on_record: report.on_record.iter().map(FaultText::of).collect(),
            notes: report.notes.clone(),
            recorded: report.recorded.as_ref().ok().copied(),
            not_recorded: report.recorded.as_ref().err().cloned(),
            part: report.part.as_ref().map(PartText::of),
            overdue: report.overdue.as_ref().map(OverdueText::of),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Event {
    #[serde(flatten)]
    line: EventHead,
    payload: Value,
    payload_digest: String,
    previous_digest: String,
    digest: String,
}

impl Event {
    pub(crate) fn of(row: &r::EventRow) -> Self {
        Self {
            line: EventHead::of(&row.line),
            payload: row.payload.as_deref().map_or(Value::Null, payload),
            payload_digest: row.payload_digest.to_string(),
            previous_digest: row.previous_digest.to_string(),
            digest: row.digest.to_string(),
        }
    }
}

/// Projects a payload: byte strings become hexadecimal text, everything else is itself. What is no CBOR (a
/// damaged row) becomes its bytes in hexadecimal.
fn payload(bytes: &[u8]) -> Value {
    ciborium::from_reader::<ciborium::Value, _>(bytes)
        .ok()
        .and_then(project)
        .unwrap_or_else(|| hex(bytes).into())
}

fn project(value: ciborium::Value) -> Option<Value> {
    use ciborium::Value as Cbor;
    Some(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(truth) => truth.into(),
        Cbor::Integer(number) => {
            let number = i128::from(number);
            i64::try_from(number).map(Value::from).or_else(|_| u64::try_from(number).map(Value::from)).ok()?
        }
        Cbor::Text(text) => text.into(),
        Cbor::Bytes(bytes) => hex(&bytes).into(),
        Cbor::Array(items) => Value::Array(items.into_iter().map(project).collect::<Option<_>>()?),
        Cbor::Map(entries) => {
            let entry = |(key, value): (Cbor, Cbor)| Some((key.into_text().ok()?, project(value)?));
            Value::Object(entries.into_iter().map(entry).collect::<Option<_>>()?)
        }
        Cbor::Float(_) | Cbor::Tag(..) | _ => return None,
    })
}

#[derive(Serialize)]
pub(super) struct SkippedEvents {
    event_type: String,
    count: u64,
}

impl SkippedEvents {
    pub(super) fn of((event_type, count): &(String, u64)) -> Self {
        Self { event_type: event_type.clone(), count: *count }
    }
}

#[derive(Serialize)]
pub(crate) struct Replay {
    checked_only: bool,
    events: u64,
    skipped: Vec<SkippedEvents>,
    equal: bool,
    view_digest: String,
    view_digest_before: Option<String>,
    differing: Vec<String>,
}

impl Replay {
    pub(crate) fn of(report: &r::ReplayReport, checked_only: bool) -> Self {
        Self {
            checked_only,
            events: report.events,
            skipped: report.skipped.iter().map(SkippedEvents::of).collect(),
            equal: report.view_digest_before == Some(report.view_digest),
            view_digest: report.view_digest.to_string(),
            view_digest_before: report.view_digest_before.map(|digest| digest.to_string()),
            differing: report.differing.clone(),
        }
    }
}

#[derive(Serialize)]
struct ClassText {
    class: String,
    packages: u64,
    bytes: u64,
}

#[derive(Serialize)]
pub(crate) struct Stats {
    store_id: String,
    #[serde(flatten)]
    root: RootText,
    events: u64,
    packages_open: u64,
    packages_finalized: u64,
    packages_removed: u64,
    objects: u64,
    object_bytes: u64,
    logical_bytes: u64,
    purged_objects: u64,
    purges: PurgesText,
    overhead_bytes: u64,
    classes: Vec<ClassText>,
    saved_bytes: u64,
    largest: Vec<LargeText>,
    months: Vec<MonthText>,
}

#[derive(Serialize)]
struct LargeText {
    reference: String,
    bytes: u64,
}

#[derive(Serialize)]
struct MonthText {
    month: String,
    packages: u64,
    bytes: u64,
}

impl Stats {
    pub(crate) fn of(report: &r::StatsReport) -> Self {
        let class = |(class, packages, bytes): &(String, u64, u64)| ClassText {
            class: class.clone(),
            packages: *packages,
            bytes: *bytes,
        };
        let large =
            |(reference, bytes): &(String, u64)| LargeText { reference: reference.clone(), bytes: *bytes };
        let month = |(month, packages, bytes): &(String, u64, u64)| MonthText {
            month: month.clone(),
            packages: *packages,
            bytes: *bytes,
        };
        Self {
            store_id: report.store_id.to_string(),
            root: RootText::of(&report.root),
            events: report.events,
            packages_open: report.packages_open,
            packages_finalized: report.packages_finalized,
            packages_removed: report.packages_removed,
            objects: report.objects,
            object_bytes: report.object_bytes,
            logical_bytes: report.logical_bytes,
            purged_objects: report.purged_objects,
            purges: PurgesText::of(&report.purges),
            overhead_bytes: report.overhead_bytes,
            classes: report.classes.iter().map(class).collect(),
            saved_bytes: report.saved_bytes(),
            largest: report.largest.iter().map(large).collect(),
            months: report.months.iter().map(month).collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct LastVerify {
    at: String,
    faults: u64,
    since: String,
    parts: u64,
}

impl LastVerify {
    pub(super) fn of(last: r::LastVerify) -> Self {
        Self {
            at: last.at.to_string(),
            faults: last.faults,
            since: last.since.to_string(),
            parts: last.parts,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Health {
    store_id: String,
    #[serde(flatten)]
    root: RootText,
    head: Head,
    free_bytes: u64,
    writable: bool,
    last_verify: Option<LastVerify>,
    damage: bool,
    concerns: Vec<String>,
}

impl Health {
    pub(crate) fn of(report: &r::HealthReport) -> Self {
        Self {
            store_id: report.store_id.to_string(),
            root: RootText::of(&report.root),
            head: Head { sequence: report.head_sequence, digest: report.head_digest.to_string() },
            free_bytes: report.free_bytes,
            writable: report.writable,
            last_verify: report.last_verify.map(LastVerify::of),
            damage: report.damage,
            concerns: report.concerns.iter().map(concern::in_document).collect(),
        }
    }
}
