//! `log`: the events as they stand, in order, and those to come.

use std::io;
use std::time::Duration;

use super::super::Registry;
use super::super::report::{EventRow, LogFilter};
use super::event_row;
use crate::error::Error;
use crate::events::{self, Bookkeeping, EventType, Payloads as _, Step, Stored};
use crate::views::packages;

/// How often a follower looks for news.
const POLL: Duration = Duration::from_millis(100);

impl Registry {
    /// Tells the events of a filter in order; an error of `each` ends it.
    ///
    /// # Errors
    /// [`Error::NoSuchEventType`], [`Error::Output`], [`Error::Cancelled`], [`Error::Db`].
    pub fn log(
        &self,
        filter: &LogFilter,
        each: &mut dyn FnMut(EventRow) -> io::Result<()>,
    ) -> Result<(), Error> {
        self.check_type(filter)?;
        self.tell(filter, filter.since, each).map(drop)
    }

    /// The same, and then waits for more, until it is cancelled or `each` fails.
    ///
    /// # Errors
    /// As [`Registry::log`]: it ends with one of them.
    pub fn follow(
        &self,
        filter: &LogFilter,
        each: &mut dyn FnMut(EventRow) -> io::Result<()>,
    ) -> Result<(), Error> {
        self.check_type(filter)?;
        let mut told = self.tell(filter, filter.since, each)?;
        // A private copy hears of nothing that others write: there the plain-file log tells what is new.
        let mut files = if self.private.is_some() {
            Some(self.files.walk(Bookkeeping::load(&self.db.read()?)?.log))
        } else {
            None
        };
        loop {
            self.check_cancelled()?;
            std::thread::sleep(POLL);
            match &mut files {
                // What others write goes to another database now.
                None if !self.db.has_its_name()? => return Err(Error::DatabaseReplaced),
                None => told = self.tell(filter, told, each)?,
                Some(walk) => {
                    while let Step::Item(events) = walk.step()? {
                        events.into_iter().try_for_each(|event| pass_on(filter, event, each))?;
                    }
                }
            }
        }
    }

    /// Refuses a type that is mistyped: one that this build does not know and that the log does not hold either. What
    /// a later build wrote may be asked for.
    fn check_type(&self, filter: &LogFilter) -> Result<(), Error> {
        let Some(wanted) = &filter.event_type else { return Ok(()) };
        if EventType::of(wanted).is_some() || events::unknown_types(&self.db.read()?)?.contains(wanted) {
            return Ok(());
        }
        Err(Error::NoSuchEventType { event_type: wanted.clone() })
    }

    /// Tells what comes after an event, and returns the last one that was looked at.
    fn tell(
        &self,
        filter: &LogFilter,
        after: u64,
        each: &mut dyn FnMut(EventRow) -> io::Result<()>,
    ) -> Result<u64, Error> {
        let mut told = after;
        let tx = self.db.read()?;
        events::each_after(&tx, after, |event| -> Result<(), Error> {
            self.check_cancelled()?;
            told = event.record.sequence;
            if !is_wanted(filter, &event) {
                return Ok(());
            }
            let mut row = event_row(event);
            if filter.names_packages {
                let package = packages::by_subject(&tx, &row.line.subject_id)?;
                row.package = package.map(|package| format!("{}@{}", package.name, package.version));
            }
            each(row).map_err(Error::Output)
        })?;
        Ok(told)
    }

    /// Returns an event's payload, from its object where it is one, checked.
    ///
    /// # Errors
    /// [`Error::PayloadUnavailable`] where its object is missing or damaged.
    pub fn payload(&self, row: &EventRow) -> Result<Vec<u8>, Error> {
        match &row.payload {
            Some(payload) => Ok(payload.clone()),
            None => Ok(self.local.load(&row.payload_digest)?),
        }
    }
}

fn pass_on(
    filter: &LogFilter,
    event: Stored,
    each: &mut dyn FnMut(EventRow) -> io::Result<()>,
) -> Result<(), Error> {
    if !is_wanted(filter, &event) {
        return Ok(());
    }
    each(event_row(event)).map_err(Error::Output)
}

fn is_wanted(filter: &LogFilter, event: &Stored) -> bool {
    filter.event_type.as_ref().is_none_or(|wanted| *wanted == event.record.event_type)
}
