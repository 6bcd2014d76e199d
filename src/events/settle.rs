//! Settling: making the plain-file log and the database agree before anything is written.
//!
//! Both are written in one transaction, the file first. So they differ in one honest way: `log/` is ahead by
//! what was appended and durable when the process died before its COMMIT. Anything else was done by a hand or
//! by a broken disk, and is completed where that loses nothing, else refused. store-layout.md, "Settling".

use super::files::{LogError, LogFiles, Step};
use super::item::encode_item;
use super::log::{self, Bookkeeping, Head, Position, Stored};
use crate::db::{DbError, ReadTx, WriteTx};

/// How the two copies of the log stood, and what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// They agreed.
    Even,
    /// `log/` was ahead; its events were applied.
    CaughtUp {
        /// How many.
        events: u64,
    },
    /// `log/` was missing or behind and was completed from the database.
    Completed {
        /// How many events were written.
        events: u64,
    },
    /// `log/` ended with an append that was cut short, which was cut off, or only the bookkeeping was old.
    Cut,
}

/// How many bytes of items are collected before they are written and synced, when `log/` is written again.
const COMPLETE_BYTES: usize = 4 << 20;

/// Settles under the write lock. `apply` enters an event that only `log/` had into the database and the views.
/// Returns where `log/` stands then; the caller keeps that in the bookkeeping.
///
/// # Errors
/// [`LogError::Parted`] and [`LogError::Damaged`] where a person has to choose, [`LogError::Io`] and [`DbError`]
/// where the system refused, and whatever `apply` returns. Nothing was applied then.
pub fn settle<E: From<LogError> + From<DbError>>(
    tx: &WriteTx<'_>,
    files: &LogFiles,
    apply: &mut dyn FnMut(Stored) -> Result<(), E>,
) -> Result<(Position, Settled), E> {
    let kept = Bookkeeping::load(tx)?.log;
    let head = log::head(tx)?;
    let kept_is_head = kept.head == head;
    if kept_is_head && files.stands_at(&kept)? {
        return Ok((kept, Settled::Even));
    }
    files.make_directory()?;
    let start = if kept_is_head && files.reaches(&kept)? {
        Compared::Reaches(kept)
    } else {
        compare::<E>(tx, files, head)?
    };
    match start {
        Compared::Reaches(position) => catch_up(files, position, apply),
        Compared::Behind(position) => complete(tx, files, position),
    }
}

/// What a comparison of `log/` with the database found.
#[derive(Clone, Copy, Debug)]
pub enum Compared {
    /// It holds every event of the database; the last of them ends here.
    Reaches(Position),
    /// It ends before the database does.
    Behind(Position),
}

/// Compares every event of `log/` with the database's, up to the database's head.
///
/// # Errors
/// [`LogError::Parted`] at the first event that differs, [`LogError::Damaged`] where events stand behind
/// something that is none, [`LogError::Io`] and [`DbError`] where the system refused.
pub fn compare<E: From<LogError> + From<DbError>>(
    tx: &ReadTx<'_>,
    files: &LogFiles,
    head: Head,
) -> Result<Compared, E> {
    let mut walk = files.walk(Position::START);
    while walk.position().head.sequence < head.sequence {
        match walk.next()? {
            Step::Item(events) => {
                for event in events {
                    let sequence = event.record.sequence;
                    if log::event(tx, sequence)?.is_none_or(|known| known.digest != event.digest) {
                        return Err(LogError::Parted { sequence }.into());
                    }
                }
            }
            Step::Broken { continued: true } => return Err(walk.damage().into()),
            Step::End | Step::Broken { continued: false } => {
                let position = walk.position();
                let next = position.head.sequence + 1;
                if files.names()?.into_iter().any(|first| first > next) {
                    return Err(walk.damage().into());
                }
                return Ok(Compared::Behind(position));
            }
        }
    }
    Ok(Compared::Reaches(walk.position()))
}

/// Applies what `log/` has beyond the database, and cuts off an append that was cut short.
fn catch_up<E: From<LogError> + From<DbError>>(
    files: &LogFiles,
    start: Position,
    apply: &mut dyn FnMut(Stored) -> Result<(), E>,
) -> Result<(Position, Settled), E> {
    // First look at all of it: nothing is touched where a person has to choose.
    let mut walk = files.walk(start);
    let mut segments: Vec<(u64, u64, u64)> = Vec::new();
    let torn = loop {
        let from = walk.position();
        match walk.next()? {
            Step::Item(_) => {
                let to = walk.position();
                match segments.last_mut() {
                    Some((file, _, end)) if *file == to.file => *end = to.length,
                    _ => {
                        let begin = if from.file == to.file { from.length } else { 0 };
                        segments.push((to.file, begin, to.length));
                    }
                }
            }
            Step::End => break false,
            Step::Broken { continued: false } => break true,
            Step::Broken { continued: true } => return Err(walk.damage().into()),
        }
    };
    let end = walk.position();
    for (file, from, to) in segments {
        files.write_over(file, from, to)?;
    }
    if torn {
        files.cut(&end)?;
    }
    files.sync_directory()?;

    let mut walk = files.walk(start);
    while walk.position().head.sequence < end.head.sequence {
        match walk.next()? {
            Step::Item(events) => events.into_iter().try_for_each(&mut *apply)?,
            Step::End | Step::Broken { .. } => return Err(walk.damage().into()),
        }
    }
    let events = end.head.sequence - start.head.sequence;
    Ok((end, if events > 0 { Settled::CaughtUp { events } } else { Settled::Cut }))
}

/// Writes the events that `log/` lacks, one an item, from the database.
fn complete<E: From<LogError> + From<DbError>>(
    tx: &WriteTx<'_>,
    files: &LogFiles,
    start: Position,
) -> Result<(Position, Settled), E> {
    files.cut(&start)?;
    let mut position = start;
    let mut items = Vec::new();
    let mut first = start.head.sequence + 1;
    let mut head = start.head;
    log::each_after(tx, start.head.sequence, |event| -> Result<(), E> {
        head = Head::from(&event);
        items.extend(encode_item(std::slice::from_ref(&event)));
        if items.len() >= COMPLETE_BYTES {
            position = files.append_items(&position, &items, first, head)?;
            items.clear();
            first = head.sequence + 1;
        }
        Ok(())
    })?;
    if !items.is_empty() {
        position = files.append_items(&position, &items, first, head)?;
    }
    Ok((position, Settled::Completed { events: head.sequence - start.head.sequence }))
}
