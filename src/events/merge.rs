//! One log out of two copies, either of which may be damaged: for `recover`.
//!
//! The chain decides. At each place an event is taken from whichever copy has it whole and following the event before
//! it. Where both have one and they differ, there are two histories, and a person has to choose; where neither has
//! one and events stand behind it, the log has a hole, and a person has to say that what is behind it is given up.

use std::io;

use super::files::{LogError, LogFiles};
use super::log::{self, Head, Position, Stored};
use super::replay::ChainFault;
use super::walk::Step;
use crate::db::{DbError, ReadTx};

/// How many events are looked for at once behind what is broken in `log/`.
const SEARCH_EVENTS: u64 = 1024;

/// What came of it.
#[derive(Debug)]
pub struct Merged {
    /// The last event that was handed on.
    pub head: Head,
    /// How many events only `log/` had.
    pub only_in_log: u64,
    /// How many events only the database had.
    pub only_in_database: u64,
    /// Where the walk through `log/` ended: behind its last whole item that continues the chain.
    pub position: Position,
    /// What is wrong with `log/`, unless it merely ends too early or in an append that was cut short.
    pub damage: Option<LogError>,
    /// What is wrong with the database's events, if anything is.
    pub fault: Option<String>,
}

/// Hands every event that one of the copies has to `each`, in order.
///
/// # Errors
/// [`LogError::Parted`] where the copies differ, [`LogError::Damaged`] and [`ChainFault`] where an event is in neither
/// and others stand behind it, [`LogError::Io`] and [`DbError`] where the system refused, and whatever `each`
/// returns. `each` may have seen events by then.
pub fn merge<E>(
    database: Option<&ReadTx<'_>>,
    files: &LogFiles,
    each: &mut dyn FnMut(Stored) -> Result<(), E>,
) -> Result<Merged, E>
where
    E: From<LogError> + From<DbError> + From<ChainFault>,
{
    let merged = Merged {
        head: Head::NONE,
        only_in_log: 0,
        only_in_database: 0,
        position: Position::START,
        damage: None,
        fault: None,
    };
    let mut merge = Merge { rows: Rows { tx: database }, each, merged };
    let mut walk = files.walk(Position::START);
    merge.merged.damage = loop {
        match walk.step() {
            Ok(Step::Item(events)) => {
                for event in events {
                    merge.take_from_log(event)?;
                }
            }
            // A file that is missing hides those behind it.
            Ok(Step::End) => {
                let reached = walk.position().head.sequence;
                break files.names()?.into_iter().any(|first| first > reached).then(|| walk.damage());
            }
            Ok(Step::Broken { continued: false, cut_short: true }) => break None,
            Ok(Step::Broken { .. }) => break Some(walk.damage()),
            Err(error @ LogError::Parted { .. }) => break Some(error),
            Err(error) if is_bad_sector(&error) => break Some(error),
            Err(error) => return Err(error.into()),
        }
    };
    merge.merged.position = walk.position();
    merge.take_from_database()?;
    if merge.merged.damage.is_some() {
        merge.look_behind(files, walk.position().head)?;
    }
    merge.see_to_the_end()?;
    Ok(merge.merged)
}

/// The disk gives these bytes no more, however often it is asked.
fn is_bad_sector(error: &LogError) -> bool {
    const EIO: i32 = 5;
    matches!(error, LogError::Io { source, .. } if io::Error::raw_os_error(source) == Some(EIO))
}

/// The database's events, as far as it can be read.
struct Rows<'t, 'c> {
    tx: Option<&'t ReadTx<'c>>,
}

impl Rows<'_, '_> {
    /// Returns the event of this sequence where the database has it whole; with what is wrong where it has not.
    fn event(&self, sequence: u64) -> Result<Result<Stored, Option<String>>, DbError> {
        let Some(tx) = self.tx else { return Ok(Err(None)) };
        match log::event(tx, sequence) {
            Ok(Some(event)) if event.is_sound() => Ok(Ok(event)),
            Ok(Some(_)) => Ok(Err(Some(format!("event {sequence} is altered")))),
            Ok(None) => Ok(Err(None)),
            Err(error) if error.is_corrupt() || error.is_system() => Ok(Err(Some(error.to_string()))),
            Err(error) => Err(error),
        }
    }

    /// Returns the last sequence that the database has a row of, as far as it can be read.
    fn last(&self) -> Result<u64, DbError> {
        let Some(tx) = self.tx else { return Ok(0) };
        match log::head(tx) {
            Ok(head) => Ok(head.sequence),
            Err(error) if error.is_corrupt() || error.is_system() => Ok(0),
            Err(error) => Err(error),
        }
    }
}

struct Merge<'m, 't, 'c, E> {
    rows: Rows<'t, 'c>,
    each: &'m mut dyn FnMut(Stored) -> Result<(), E>,
    merged: Merged,
}

impl<E> Merge<'_, '_, '_, E>
where
    E: From<LogError> + From<DbError> + From<ChainFault>,
{
    /// Takes a whole event of `log/` that is the next one, unless the database has another in its place.
    fn take_from_log(&mut self, event: Stored) -> Result<(), E> {
        let sequence = event.record.sequence;
        match self.row(sequence)? {
            Some(row) if row.digest == event.digest => {}
            // A row that is whole and follows is another history. One that does not follow is a row that was damaged.
            Some(row) if self.merged.head.is_followed_by(&row.record) => {
                return Err(LogError::Parted { sequence }.into());
            }
            Some(_) => {
                self.find(format!("event {sequence} does not follow the one before it"));
                self.merged.only_in_log += 1;
            }
            None => self.merged.only_in_log += 1,
        }
        self.merged.head = Head::from(&event);
        (self.each)(event)
    }

    /// Takes events from the database as long as it has the next one.
    fn take_from_database(&mut self) -> Result<(), E> {
        while let Some(row) = self.row(self.merged.head.sequence + 1)? {
            if !self.merged.head.is_followed_by(&row.record) {
                break;
            }
            self.merged.only_in_database += 1;
            self.merged.head = Head::from(&row);
            (self.each)(row)?;
        }
        Ok(())
    }

    /// Goes through what `log/` has behind the place where it is broken: nothing there may contradict what was
    /// taken from the database instead, and what the database lacks is taken from there.
    fn look_behind(&mut self, files: &LogFiles, walked: Head) -> Result<(), E> {
        let mut last = walked.sequence;
        files.scan(|event| -> Result<(), E> {
            let sequence = event.record.sequence;
            last = last.max(sequence);
            let taken = walked.sequence < sequence && sequence <= self.merged.head.sequence;
            if taken && self.row(sequence)?.is_some_and(|row| row.digest != event.digest) {
                return Err(LogError::Parted { sequence }.into());
            }
            Ok(())
        })?;
        while self.merged.head.sequence < last {
            let before = self.merged.head.sequence;
            let wanted: Vec<u64> = (before + 1..=last.min(before + SEARCH_EVENTS)).collect();
            for (sequence, event) in files.find(&wanted)? {
                if sequence == self.merged.head.sequence + 1 && self.merged.head.is_followed_by(&event.record)
                {
                    self.take_from_log(event)?;
                }
            }
            self.take_from_database()?;
            if self.merged.head.sequence == before {
                // Whole, and yet it does not follow; or not there, and others behind it.
                return Err(match files.find(&[before + 1])?.is_empty() {
                    true => self.merged.damage.take().map_or_else(|| self.hole().into(), E::from),
                    false => LogError::Parted { sequence: before + 1 }.into(),
                });
            }
        }
        Ok(())
    }

    /// Sees to it that the database has nothing behind the last event that could be taken.
    fn see_to_the_end(&mut self) -> Result<(), E> {
        let next = self.merged.head.sequence + 1;
        if self.rows.last()? < next {
            return Ok(());
        }
        match self.row(next)? {
            Some(_) => Err(LogError::Parted { sequence: next }.into()),
            None => Err(self.hole().into()),
        }
    }

    fn hole(&self) -> ChainFault {
        let sequence = self.merged.head.sequence + 1;
        ChainFault {
            sequence,
            what: "neither log/ nor the database has it whole, and events stand behind it",
        }
    }

    fn row(&mut self, sequence: u64) -> Result<Option<Stored>, E> {
        match self.rows.event(sequence)? {
            Ok(event) => Ok(Some(event)),
            Err(fault) => {
                fault.into_iter().for_each(|fault| self.find(fault));
                Ok(None)
            }
        }
    }

    /// Keeps the first thing that is wrong with the database.
    fn find(&mut self, fault: String) {
        self.merged.fault.get_or_insert(fault);
    }
}
