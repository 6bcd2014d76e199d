//! Where a verify of a part begins, and what is told of it afterwards.

use std::time::{Duration, Instant};

use super::super::Registry;
use super::super::report::{VerifyDepth, VerifyPart, VerifyRequest};
use super::reads::next_key;
use crate::db::ReadTx;
use crate::env::Timestamp;
use crate::error::Error;
use crate::events::Head;
use crate::identity::{Blake3, ContentAddress};
use crate::plane::Part;
use crate::views::objects;
use crate::views::runs::{self, ReadingRun};

/// All keys, from the first to the last: the range of a verify of everything.
pub(super) const KEYS: (Blake3, Blake3) = (Blake3::FIRST, Blake3::LAST);

/// The turn of a verify that goes on where the last one ended.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// The last key that was covered before; `None` where a pass begins.
    after: Option<Blake3>,
    budget: Option<Duration>,
    objects_max: Option<u64>,
    /// When the first part of the pass ended, and how many parts came before this one.
    since: Option<Timestamp>,
    parts_before: u64,
}

impl Turn {
    /// Returns whether a pass begins with it.
    pub(super) const fn begins(&self) -> bool {
        self.after.is_none()
    }

    /// Returns the first key of its range.
    pub(super) fn first(&self) -> Blake3 {
        self.after.and_then(|after| next_key(&after)).unwrap_or(KEYS.0)
    }

    pub(super) const fn after(&self) -> Option<&Blake3> {
        self.after.as_ref()
    }

    /// Begins to count the time.
    pub(super) fn begin(&self) -> Part {
        Part {
            after: self.after,
            // What no clock reaches is no limit.
            until: self.budget.and_then(|budget| Instant::now().checked_add(budget)),
            objects_max: self.objects_max,
        }
    }

    /// Tells of what was covered, up to a key.
    pub(super) fn report(&self, tx: &ReadTx<'_>, last: Blake3, head: Head) -> Result<VerifyPart, Error> {
        let next = next_key(&last);
        let (objects_left, bytes_left) = match next {
            Some(_) => objects::totals_after(tx, &last, head.sequence)?,
            None => (0, 0),
        };
        Ok(VerifyPart {
            first: ContentAddress::new(self.first()),
            last: ContentAddress::new(last),
            next: next.map(ContentAddress::new),
            since: self.since,
            parts: self.parts_before + 1,
            objects_left,
            bytes_left,
            views_compared: self.begins(),
        })
    }
}

impl Registry {
    /// Finds out where a verify begins that need not read everything; `None` where it has to.
    pub(super) fn turn(&self, request: &VerifyRequest) -> Result<Option<Turn>, Error> {
        let is_partial = !request.references.is_empty() || request.depth == VerifyDepth::Quick;
        if is_partial && request.is_part() {
            let problem = "is for a verify that reads the bytes of the whole store";
            return Err(Error::BadText { what: "budget or sample", problem });
        }
        if !request.references.is_empty() && request.max_age.is_some() {
            return Err(Error::BadText { what: "maximum age", problem: "is for the whole store" });
        }
        if !request.is_part() {
            return Ok(None);
        }
        let tx = self.db.read()?;
        let (after, since, parts_before) = match runs::reading_runs(&tx, None, 1)?.into_iter().next() {
            Some(last) if last.last < KEYS.1 => {
                let after = last.last;
                let (since, parts) = pass_so_far(&tx, last)?;
                (Some(after), Some(since), parts)
            }
            Some(_) | None => (None, None, 0),
        };
        let objects_max = match request.sample {
            Some(sample) => Some(sample.of(objects::totals(&tx)?.0)),
            None => None,
        };
        Ok(Some(Turn { after, budget: request.budget, objects_max, since, parts_before }))
    }
}

/// Returns when the first part of a pass ended, and how many parts it has, up to a verify that does not end it.
fn pass_so_far(tx: &ReadTx<'_>, last: ReadingRun) -> Result<(Timestamp, u64), Error> {
    let (mut run, mut parts) = (last, 1);
    while run.first != KEYS.0 {
        let Some(before) = runs::reading_runs(tx, Some(run.sequence), 1)?.pop() else { break };
        (run, parts) = (before, parts + 1);
    }
    Ok((run.completed_at, parts))
}
