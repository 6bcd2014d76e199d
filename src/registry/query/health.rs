//! `health`: how the store is, as far as that is known without reading it again. How much there is, exactly, is
//! [`Registry::stats`]'s; what was made last, [`Registry::glance`]'s.

use super::super::Registry;
use super::super::open::is_writable;
use super::super::report::{Concern, HealthReport};
use super::super::verify::{PastVerifies, Sought};
use crate::db::ReadTx;
use crate::error::{Error, with_causes};
use crate::events::{self, Bookkeeping};
use crate::storage::{Backend as _, Leftovers, StorageError, layout, reserve, staging};
use crate::views::{browse, runs};

/// Less free space than this is worth a word.
const ROOM_BYTES_MIN: u64 = 1 << 30;

/// As much as this in flight is worth a word: it is more than an add that is at work leaves there for long.
const LEFTOVER_BYTES_MAX: u64 = 1 << 30;

impl Registry {
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
        let mut concerns = damage_on_record(&tx, &past)?;
        if matches!(log_stands, Ok(false)) && self.stays_apart(&kept)? {
            concerns.push(Concern::LogApart);
        }
        if let Err(error) = log_stands {
            concerns.push(Concern::LogUnreadable(with_causes(&error)));
        }
        self.other_concerns(&tx, &kept, &mut concerns)?;
        if past.last.is_none() {
            concerns.push(Concern::NeverVerified);
        }
        if free_bytes < ROOM_BYTES_MIN {
            concerns.push(Concern::LittleRoom(free_bytes));
        }
        Ok(HealthReport {
            store_id: self.config.store_id,
            root: self.root.clone(),
            head_sequence: head.sequence,
            head_digest: head.digest,
            free_bytes,
            writable: self.is_writable(),
            last_verify: past.last,
            damage: concerns.iter().any(Concern::is_damage),
            concerns,
        })
    }

    /// Returns whether this process may write wherever an add writes. What is missing is another's to tell of.
    fn is_writable(&self) -> bool {
        let parts = [layout::OBJECTS, layout::LOG, layout::TMP, layout::DATABASE];
        let parts = parts.map(|part| layout::within(&self.root, part.as_ref()));
        let there = parts.iter().filter(|part| std::fs::symlink_metadata(part).is_ok());
        is_writable(&self.root) && there.into_iter().all(|part| is_writable(part))
    }

    /// Returns whether `log/` lacks what the database has, and that not because it was looked at between two steps of a
    /// writer. One that is ahead is a writer's between append and commit: whoever opened this store would have settled
    /// what nobody is at work on, or said why that cannot be.
    fn stays_apart(&self, kept: &Bookkeeping) -> Result<bool, Error> {
        let now = Bookkeeping::load(&self.db.again()?.read()?)?;
        Ok(now.log.head == kept.log.head && !self.files.reaches(&now.log)?)
    }

    /// Adds what is worth a look and not damage, as far as is known.
    fn other_concerns(
        &self,
        tx: &ReadTx<'_>,
        kept: &Bookkeeping,
        concerns: &mut Vec<Concern>,
    ) -> Result<(), Error> {
        if let Err(error) = self.local.health() {
            concerns.push(Concern::ObjectsUnreadable(with_causes(&error)));
        }
        concerns.extend(runs::unfinished_gc(tx)?.into_iter().map(Concern::UnfinishedGc));
        if kept.skipped > 0 {
            concerns.push(Concern::Unknown(kept.skipped));
        }
        let left = staging::leftovers(self.disk.as_ref());
        if left.bytes >= LEFTOVER_BYTES_MAX {
            let Leftovers { writers, bytes } = left;
            concerns.push(Concern::Leftovers { writers, bytes });
        }
        if !reserve::is_present(self.disk.as_ref()).unwrap_or(true) {
            concerns.push(Concern::NoReserve);
        }
        Ok(())
    }
}

/// Returns what is known to be damaged without reading anything again.
fn damage_on_record(tx: &ReadTx<'_>, past: &PastVerifies) -> Result<Vec<Concern>, Error> {
    let of =
        |is_it: fn(&Sought) -> bool| past.unsettled.iter().filter(|fault| is_it(&fault.about)).count() as u64;
    let heads = of(|about| matches!(about, Sought::Head { .. }));
    let second_digests = of(|about| matches!(about, Sought::SecondDigest(_)));
    let all = [
        (browse::damaged(tx)?, Concern::DamagedObjects as fn(u64) -> Concern),
        (past.outstanding, Concern::Faults),
        (heads, Concern::Heads),
        (second_digests, Concern::SecondDigests),
    ];
    Ok(all.into_iter().filter(|(count, _)| *count > 0).map(|(count, concern)| concern(count)).collect())
}
