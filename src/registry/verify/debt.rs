//! What was not read for too long: from the events alone.
//!
//! An object counts as read by a verify that read bytes (a quick one does not), if its key is in the range of that and
//! its bytes were stored by the event that was the head then. What no verify has read counts from when it was stored.
//! Goes through every object once, with all verifies as few ranges.

use std::time::Duration;

use super::super::Registry;
use super::super::report::Overdue;
use super::reads::Reads;
use crate::env::Timestamp;
use crate::error::Error;
use crate::events;
use crate::identity::ContentAddress;
use crate::views::{objects, runs};

/// How far ahead of the clock something may have happened. What is further ahead was told by a wrong clock, and tells
/// nothing of an age: it would hide the debt for as long as it is ahead.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// When a walk over all objects ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// With the last object, whoever asks.
    Last,
    /// Earlier if somebody asks.
    WhenAsked,
}

impl Registry {
    /// Says what was not read for longer than `max_age`.
    pub(super) fn overdue(&self, max_age: Duration, ends: Ends) -> Result<Overdue, Error> {
        let now = self.env.now();
        let micros = |length: Duration| i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        let oldest_allowed = Timestamp::from_micros(now.as_micros().saturating_sub(micros(max_age)));
        let latest = Timestamp::from_micros(now.as_micros().saturating_add(micros(AHEAD_MAX)));
        let tx = self.db.read()?;
        let runs = runs::reading_runs(&tx, None, u32::MAX)?;
        // The oldest first: what is read again takes the place of what was known.
        let reads = Reads::of(runs.iter().rev().filter(|run| run.completed_at <= latest));
        let mut overdue = Overdue { max_age, objects: 0, bytes: 0, oldest: None };
        let mut stored_at = (0, now);
        let mut until_asked = 0_u32;
        objects::each_stored(&tx, |key, size_bytes, stored| -> Result<(), Error> {
            until_asked = until_asked.wrapping_add(1);
            if ends == Ends::WhenAsked && until_asked.is_multiple_of(4096) {
                self.check_cancelled()?;
            }
            let read = reads.last_of(&key, stored);
            if read.is_some_and(|read| read >= oldest_allowed) {
                return Ok(());
            }
            if stored_at.0 != stored {
                stored_at = (stored, events::time_of(&tx, stored)?);
            }
            let stored_at = stored_at.1;
            if (oldest_allowed..=latest).contains(&stored_at) {
                return Ok(());
            }
            let since = read.into_iter().chain((stored_at <= latest).then_some(stored_at)).max();
            let since = (since.unwrap_or(stored_at), ContentAddress::new(key));
            overdue.objects += 1;
            overdue.bytes = overdue.bytes.saturating_add(size_bytes);
            if overdue.oldest.is_none_or(|oldest| since < oldest) {
                overdue.oldest = Some(since);
            }
            Ok(())
        })?;
        Ok(overdue)
    }
}
