//! What names an object, what has it, and what keeps it: what the views say.

use super::super::claim::{claim, lost};
use super::super::pin::pinned;
use super::super::query::event_line;
use super::super::report::{
    Collectable, DEFAULT_MIN_AGE, ExplainReport, PackageStatus, PackageUse, PartOfLog, PinTarget, Verdict,
};
use super::super::resolve::reference;
use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::error::Error;
use crate::events::{self, EventType};
use crate::manifest::EntryPath;
use crate::retention::{Fate, ObjectFacts, Reason, Wanted, fate, wanted};
use crate::views::pins::{self, PinRecord};
use crate::views::{ObjectRecord, PackageRow, browse, objects, packages};

/// Tells what names an object, what has it, and what keeps it.
pub(super) fn tell(
    tx: &ReadTx<'_>,
    object: &ObjectRecord,
    now: Timestamp,
    paths_max: Option<u64>,
    report: &mut ExplainReport,
) -> Result<(), Error> {
    report.first = events::event(tx, object.first_sequence)?.map(event_line);
    report.part_of_log = part_of_log(tx, object)?;
    let target = || PinTarget::Object(object.digests.address());
    report.pins = pins::on_object(tx, object.number)?.into_iter().map(|pin| pinned(pin, target())).collect();
    let mut uses = Vec::new();
    let mut since = object.stored_sequence.max(object.let_go_sequence.unwrap_or(0));
    for (tree, paths) in objects::trees_with(tx, object.number)? {
        for package in browse::of_tree(tx, tree, u32::MAX)? {
            since = since.max(package.changed_sequence).max(package.let_go_sequence.unwrap_or(0));
            let pins = pins::on_package(tx, package.number)?;
            report.paths_total += paths;
            uses.push((tree, usage(tx, package, pins, paths, now)?));
        }
    }
    uses.sort_by(|(_, one), (_, other)| {
        let order = |package: &PackageUse| matches!(package.wanted, Wanted::Gone(_));
        (order(one), &one.name, one.version).cmp(&(order(other), &other.name, other.version))
    });
    let mut left = paths_max;
    for (tree, package) in &mut uses {
        let paths =
            if left == Some(0) { Vec::new() } else { objects::paths_in(tx, object.number, *tree, left)? };
        left = left.map(|left| left.saturating_sub(paths.len() as u64));
        package.paths = paths.into_iter().filter_map(|path| EntryPath::new(path).ok()).collect();
    }
    report.packages = uses.into_iter().map(|(_, package)| package).collect();
    if report.verdict == Verdict::Present && report.part_of_log.is_none() {
        report.collectable = collectable(report, events::time_of(tx, since)?, now);
    }
    Ok(())
}

/// Says what of the log an object is, if it is.
fn part_of_log(tx: &ReadTx<'_>, object: &ObjectRecord) -> Result<Option<PartOfLog>, DbError> {
    let Some(event) =
        object.payload_sequence.map(|sequence| events::event(tx, sequence)).transpose()?.flatten()
    else {
        return Ok(None);
    };
    // The payload of a finalising is the manifest itself; that of an import has it inside.
    let is_payload = event.record.payload_digest == object.digests.blake3;
    let is_manifest = match EventType::of(&event.record.event_type) {
        Some(EventType::PackageFinalized) => true,
        Some(EventType::PackageImported) => !is_payload,
        _other => false,
    };
    let package = if is_manifest { packages::by_subject(tx, &event.record.subject_id)? } else { None };
    Ok(Some(PartOfLog { manifest_of: package.as_ref().map(reference), event: event_line(event) }))
}

/// Says what a package does for an object that it has.
fn usage(
    tx: &ReadTx<'_>,
    package: PackageRow,
    pins: Vec<PinRecord>,
    paths_total: u64,
    now: Timestamp,
) -> Result<PackageUse, Error> {
    let wanted = wanted(&claim(&package, !pins.is_empty()), now);
    let gone = lost(tx, &package, now)?;
    let spelled = reference(&package);
    Ok(PackageUse {
        id: package.id,
        name: package.name,
        version: package.version,
        status: if package.finalized { PackageStatus::Finalized } else { PackageStatus::Open },
        gone,
        expires_at: package.expires_at,
        wanted,
        pins: pins.into_iter().map(|pin| pinned(pin, PinTarget::Package(spelled.clone()))).collect(),
        hold: package.hold.then(|| package.hold_reason.unwrap_or_default()),
        paths: Vec::new(),
        paths_total,
    })
}

/// Says what a gc may do about an object that was last named or let go at an instant.
fn collectable(report: &ExplainReport, since: Timestamp, now: Timestamp) -> Option<Collectable> {
    let is = |wanted: fn(&Wanted) -> bool| report.packages.iter().any(|package| wanted(&package.wanted));
    let reasons = report.packages.iter().filter_map(|package| match package.wanted {
        Wanted::Gone(reason) => Some(reason),
        Wanted::Present | Wanted::Kept => None,
    });
    let reason = reasons.min().unwrap_or(Reason::Stored);
    let facts = ObjectFacts {
        wanted: is(|wanted| *wanted == Wanted::Present),
        kept: !report.pins.is_empty() || is(|wanted| *wanted == Wanted::Kept),
        reason,
        since,
    };
    match fate(&facts, now, DEFAULT_MIN_AGE) {
        Fate::Stays | Fate::Kept => None,
        Fate::Young(until) => Some(Collectable { reason, from: Some(until) }),
        Fate::Collectable(reason) => Some(Collectable { reason, from: None }),
    }
}
