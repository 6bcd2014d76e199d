//! Asking: what the store holds, and its bytes back. Nothing here changes anything.
//!
//! Each answer comes from one transaction, so it is the state of one moment, however long it takes to tell.

mod bag;
mod browse;
mod cat;
mod diff;
mod export;
mod glance;
mod health;
mod log;
mod manifest;
mod names;
mod oci;
mod stats;
mod stream;

pub(super) use manifest::{SoundPayloads, manifest_from_views};

use super::Registry;
use super::report::{EventLine, EventRow, PackageStatus, PackageSummary};
use crate::db::ReadTx;
use crate::error::Error;
use crate::events::Stored;
use crate::views::{PackageRow, packages};

impl Registry {
    /// Returns a package in a line, by its surrogate number.
    pub(super) fn summary_by_number(&self, tx: &ReadTx<'_>, number: i64) -> Result<PackageSummary, Error> {
        let package = packages::by_number(tx, number)?;
        let missing = || Error::NoSuchPackage { reference: format!("number {number}") };
        Ok(summary(package.ok_or_else(missing)?))
    }
}

pub(super) fn summary(package: PackageRow) -> PackageSummary {
    PackageSummary {
        id: package.id,
        name: package.name,
        version: package.version,
        status: if package.finalized { PackageStatus::Finalized } else { PackageStatus::Open },
        created_at: package.created_at,
        created_by: package.created_by,
        finalized_at: package.finalized_at,
        removed_at: package.removed_at,
        manifest_digest: package.manifest_digest,
        content_digest: package.content_digest,
        entries: package.totals.entries,
        files: package.totals.files,
        bytes: package.totals.bytes,
        class: package.class,
        expires_at: package.expires_at,
        hold: package.hold,
        hold_reason: package.hold_reason,
    }
}

pub(super) fn event_line(event: Stored) -> EventLine {
    let record = event.record;
    EventLine {
        sequence: record.sequence,
        created_at: record.created_at,
        event_type: record.event_type,
        subject_kind: record.subject_kind,
        subject_id: record.subject_id,
        actor: record.actor,
    }
}

pub(super) fn event_row(mut event: Stored) -> EventRow {
    EventRow {
        package: None,
        payload: event.payload.take(),
        payload_digest: event.record.payload_digest,
        previous_digest: event.record.previous_digest,
        digest: event.digest,
        line: event_line(event),
    }
}
