//! `stats` and `health`: how much there is, and how it is.

use std::path::Path;

use super::super::Registry;
use super::super::open::is_writable;
use super::super::report::{HealthReport, StatsReport};
use crate::audit;
use crate::db::ReadTx;
use crate::disk::FileKind;
use crate::error::{Error, with_causes};
use crate::events::{self, Bookkeeping};
use crate::storage::{Backend as _, Leftovers, StorageError, layout, reserve, staging};
use crate::views::{browse, objects, runs};

/// Less free space than this is worth a word.
const ROOM_BYTES_MIN: u64 = 1 << 30;

/// How many of the largest packages are told.
const LARGEST_TOLD: u32 = 10;
/// As much as this in flight is worth a word: it is more than an add that is at work leaves there for long.
const LEFTOVER_BYTES_MAX: u64 = 1 << 30;

impl Registry {
    /// Returns what the store holds, in numbers.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn stats(&self) -> Result<StatsReport, Error> {
        let tx = self.db.read()?;
        let counts = browse::counts(&tx)?;
        let (objects, object_bytes, purged_objects) = objects::totals(&tx)?;
        Ok(StatsReport {
            store_id: self.config.store_id,
            root: self.root.clone(),
            events: events::head(&tx)?.sequence,
            packages_open: counts.open,
            packages_finalized: counts.finalized,
            packages_removed: counts.removed,
            objects,
            object_bytes,
            logical_bytes: counts.logical_bytes,
            purged_objects,
            purges: audit::purges(&tx)?,
            overhead_bytes: self.overhead_bytes(),
            classes: browse::usage_by_class(&tx)?,
            largest: browse::largest(&tx, LARGEST_TOLD)?,
            months: browse::usage_by_month(&tx)?,
        })
    }

    /// Sums what stands in the root and in `log/`: all but the objects and what is in flight.
    fn overhead_bytes(&self) -> u64 {
        [Path::new(""), Path::new(layout::LOG)]
            .into_iter()
            .flat_map(|directory| {
                let listed = self.disk.list(directory).unwrap_or_default();
                listed.into_iter().map(move |entry| (directory, entry))
            })
            .filter(|(_, entry)| entry.kind == FileKind::File)
            .filter_map(|(directory, entry)| self.disk.stat(&layout::within(directory, &entry.name)).ok())
            .map(|stat| stat.size_bytes)
            .sum()
    }

    /// Returns how the store is: its head, its room, its last verify, and what an operator should look at.
    ///
    /// # Errors
    /// [`Error::Db`], [`Error::Storage`].
    pub fn health(&self) -> Result<HealthReport, Error> {
        let tx = self.db.read()?;
        let head = events::head(&tx)?;
        let free_bytes = self.disk.free_bytes().map_err(|source| {
            let path = self.root.clone();
            Error::Storage(StorageError::Io { action: crate::storage::Action::Look, path, source })
        })?;
        let past = self.past_verifies(&tx)?;
        let kept = Bookkeeping::load(&tx)?;
        let log_stands = self.files.stands_at(&kept.log);
        let mut concerns = damage_on_record(&tx, past.outstanding)?;
        if matches!(log_stands, Ok(false)) && self.stays_apart(&kept)? {
            concerns.push("log/ does not end where the database does".to_owned());
        }
        let damage = !concerns.is_empty();
        if let Err(error) = log_stands {
            concerns.push(format!("log/: {}", with_causes(&error)));
        }
        self.other_concerns(&tx, &kept, &mut concerns)?;
        if past.last.is_none() {
            concerns.push("no full verify is recorded".to_owned());
        }
        if free_bytes < ROOM_BYTES_MIN {
            concerns.push(format!("only {free_bytes} bytes are free"));
        }
        Ok(HealthReport {
            store_id: self.config.store_id,
            root: self.root.clone(),
            head_sequence: head.sequence,
            head_digest: head.digest,
            free_bytes,
            writable: self.is_writable(),
            last_verify: past.last,
            concerns,
            damage,
        })
    }

    /// Returns whether this process may write wherever an add writes. What is missing is another's to tell of.
    fn is_writable(&self) -> bool {
        let parts = [layout::OBJECTS, layout::LOG, layout::TMP, layout::DATABASE];
        let parts = parts.map(|part| layout::within(&self.root, part.as_ref()));
        let there = parts.iter().filter(|part| std::fs::symlink_metadata(part).is_ok());
        is_writable(&self.root) && there.into_iter().all(|part| is_writable(part))
    }

    /// Returns whether `log/` does not end where the database does, and that not because a writer has appended since.
    fn stays_apart(&self, kept: &Bookkeeping) -> Result<bool, Error> {
        let now = Bookkeeping::load(&self.db.again()?.read()?)?;
        Ok(now.log.head == kept.log.head && !self.files.stands_at(&now.log)?)
    }

    /// Adds what is worth a look and not damage, as far as is known.
    fn other_concerns(
        &self,
        tx: &ReadTx<'_>,
        kept: &Bookkeeping,
        concerns: &mut Vec<String>,
    ) -> Result<(), Error> {
        if let Err(error) = self.local.health() {
            concerns.push(format!("the objects: {}", with_causes(&error)));
        }
        for started in runs::unfinished_gc(tx)? {
            concerns.push(format!("the gc that event {started} began is not finished"));
        }
        if kept.skipped > 0 {
            let skipped = kept.skipped;
            concerns.push(format!("events or fields of the log that this build does not know: {skipped}"));
        }
        let left = staging::leftovers(self.disk.as_ref());
        if left.bytes >= LEFTOVER_BYTES_MAX {
            let Leftovers { writers, bytes } = left;
            concerns.push(format!(
                "{bytes} bytes in tmp/, of {writers} writer(s) at work or dead: a confirmed gc deletes what is dead"
            ));
        }
        if !reserve::is_present(self.disk.as_ref()).unwrap_or(true) {
            concerns.push("the reserve is gone: the disk was full, or somebody deleted it".to_owned());
        }
        Ok(())
    }
}

/// Returns what is known to be damaged without reading anything again, and how each is taken off the record.
fn damage_on_record(tx: &ReadTx<'_>, outstanding: u64) -> Result<Vec<String>, Error> {
    let mut damage = Vec::new();
    match browse::damaged(tx)? {
        0 => {}
        damaged => damage.push(format!(
            "objects found damaged and not yet mended: {damaged}; 'astore verify --quick' says what mends each"
        )),
    }
    match outstanding {
        0 => {}
        faults => damage.push(format!(
            "faults that the last full verify found: {faults}; once they are mended, 'astore verify' takes them off the record"
        )),
    }
    Ok(damage)
}
