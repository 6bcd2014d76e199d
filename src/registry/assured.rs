//! Whether the log is understood in full: nothing may rest on what it does not say while it may say it in words that
//! this build cannot read (design §3, invariant 9). gc and `explain` ask here.

use std::collections::{BTreeMap, BTreeSet};

use super::Registry;
use super::resolve::reference;
use crate::db::{DbError, ReadTx};
use crate::error::Error;
use crate::events::{self, Bookkeeping, Payloads as _, Record};
use crate::identity::{Blake3, ContentAddress};
use crate::plane::{self, BoxError, Depth, Fault, Known, Standing};
use crate::views::{objects, packages};

/// How many unknown types of events are named.
const TYPES_MAX: usize = 5;

/// How much of the payload objects is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Every byte.
    All,
    /// Every byte of the first ones, up to so many together; of the others presence and size.
    UpTo(u64),
}

impl Registry {
    /// Sees to it that the log is understood in full: nothing in it was skipped, and the payload of every event about
    /// a package that is not removed can be had.
    ///
    /// # Errors
    /// [`Error::Unsure`], which names what is in the way, and `undecided`, what depends on it.
    pub(super) fn assured(
        &self,
        tx: &ReadTx<'_>,
        undecided: &'static str,
        reading: Reading,
    ) -> Result<(), Error> {
        self.payloads_are_there(tx, undecided, reading)?;
        let skipped = Bookkeeping::load(tx)?.skipped;
        if skipped > 0 {
            let mut what =
                format!("the log holds {skipped} event(s) or field(s) that this build does not know");
            let types = events::unknown_types(tx)?;
            if !types.is_empty() {
                let more = if types.len() > TYPES_MAX { ", …" } else { "" };
                let named: Vec<String> = types.into_iter().take(TYPES_MAX).collect();
                what.push_str(&format!(" ({}{more})", named.join(", ")));
            }
            return Err(Error::Unsure { what, undecided });
        }
        Ok(())
    }

    fn payloads_are_there(
        &self,
        tx: &ReadTx<'_>,
        undecided: &'static str,
        reading: Reading,
    ) -> Result<(), Error> {
        let mut left = match reading {
            Reading::All => u64::MAX,
            Reading::UpTo(bytes) => bytes,
        };
        let mut removed: BTreeMap<String, bool> = BTreeMap::new();
        let mut seen: BTreeSet<Blake3> = BTreeSet::new();
        for record in events::with_payload_objects(tx)? {
            self.check_cancelled()?;
            let is_removed = match removed.get(&record.subject_id) {
                Some(&known) => known,
                None => {
                    let known = is_removed(tx, &record.subject_id)?;
                    removed.insert(record.subject_id.clone(), known);
                    known
                }
            };
            if is_removed || !seen.insert(record.payload_digest) {
                continue;
            }
            if let Some(why) = self.payload_fault(tx, &record.payload_digest, &mut left)? {
                return Err(Error::Unsure { what: payload(tx, &record, &why)?, undecided });
            }
        }
        Ok(())
    }

    /// Says why a payload object cannot be had, if so; takes what is read from what may be `left` to read.
    fn payload_fault(
        &self,
        tx: &ReadTx<'_>,
        digest: &Blake3,
        left: &mut u64,
    ) -> Result<Option<String>, Error> {
        let Some(object) = objects::find(tx, digest).map_err(DbError::from)? else {
            // A recover left its event out of the views; where it is back, a replay takes it in.
            return Ok(self.local.load(digest).err().map(|unavailable| unavailable.why));
        };
        let size_bytes = object.digests.size_bytes;
        let depth = if size_bytes <= *left { Depth::Primary } else { Depth::Quick };
        if depth == Depth::Primary {
            *left -= size_bytes;
        }
        // Read in pieces: a manifest of a million entries need not be in memory whole.
        let faults = plane::look(self.disk.as_ref(), &object.digests, depth, &Unasked, &self.cancelled)?;
        Ok(faults.iter().find(|fault| fault.harms_bytes()).map(Fault::to_string))
    }
}

fn is_removed(tx: &ReadTx<'_>, id: &str) -> Result<bool, DbError> {
    let package = packages::by_subject(tx, id)?;
    Ok(package.is_some_and(|package| package.removed_at.is_some()))
}

/// Names the payload of an event.
fn payload(tx: &ReadTx<'_>, record: &Record, why: &str) -> Result<String, DbError> {
    let Record { sequence, event_type, payload_digest, .. } = record;
    let package = packages::by_subject(tx, &record.subject_id)?;
    let of = package.map(|package| format!(" of {}", reference(&package))).unwrap_or_default();
    let address = ContentAddress::new(*payload_digest);
    Ok(format!("the payload {address} of event {sequence} ({event_type}{of}) cannot be read: {why}"))
}

/// Whose other bytes wrong bytes are does not matter here.
struct Unasked;

impl Known for Unasked {
    fn standing(&self, _address: &ContentAddress) -> Result<Standing, BoxError> {
        Ok(Standing::Unknown)
    }
}
