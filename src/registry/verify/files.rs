//! `log/` against the database: the same events in both, byte for byte.

use std::path::{Path, PathBuf};

use super::super::Registry;
use super::super::report::{Fault, Remedy};
use super::LogLook;
use super::chain::Chain;
use super::fault::{about, fault, stray};
use crate::db::ReadTx;
use crate::disk::FileKind;
use crate::error::Error;
use crate::events::{self, Head, LogError, LogFiles, Position, Step, Stored};
use crate::storage::layout;

impl Registry {
    /// Compares the plain-file log with the database. What is broken ends a file; the next one is read all the
    /// same.
    pub(super) fn check_files(
        &self,
        tx: &ReadTx<'_>,
        chain: &Chain,
        look: &mut LogLook,
    ) -> Result<(), Error> {
        let head = events::head(tx)?;
        let names = match self.files.names() {
            Ok(names) => names,
            Err(error) => {
                look.find(unreadable(&error));
                return Ok(());
            }
        };
        self.check_strangers(&names, look);
        let mut start = Position::START;
        loop {
            let (end, broken) = self.check_from(tx, chain, start, head, look)?;
            let next = names.iter().copied().find(|&first| first > end.file && first > end.head.sequence);
            if !broken && end.head.sequence < head.sequence {
                let missing = end.head.sequence + 1;
                // A log/ that merely ends too early is completed; with a file behind the gap it is damaged.
                let remedy = if next.is_some() { Remedy::Recover } else { Remedy::NextWrite };
                look.find(fault("log", missing, "log/ does not hold it".to_owned(), remedy));
            }
            let Some(first) = next.filter(|_| broken || end.head.sequence < head.sequence) else {
                // The files were listed before the log was walked: it has not grown past its end since.
                if let Some(beyond) = next.filter(|&first| !broken && first > end.head.sequence + 1) {
                    let why = "the log ends before the event that it is named by".to_owned();
                    look.find(stray("foreign", &LogFiles::path(beyond), why));
                }
                return Ok(());
            };
            // What comes before a file is known from the database: its last event's digest.
            let before = match first - 1 {
                0 => Some(Head::NONE.digest),
                sequence => events::stored_digest(tx, sequence)?,
            };
            let Some(digest) = before else { return Ok(()) };
            start = Position { file: first, length: 0, head: Head { sequence: first - 1, digest } };
        }
    }

    /// Finds what stands in `log/` and is no file of it.
    fn check_strangers(&self, names: &[u64], look: &mut LogLook) {
        let directory = Path::new(layout::LOG);
        let named: Vec<PathBuf> = names.iter().map(|&first| LogFiles::path(first)).collect();
        for listed in self.disk.list(directory).unwrap_or_default() {
            let path = layout::within(directory, &listed.name);
            if listed.kind != FileKind::File || !named.contains(&path) {
                look.find(stray("foreign", &path, "it is no file of the log".to_owned()));
            }
        }
    }

    /// Walks from a position to the first thing that is wrong, or to the end. Says where that is, and whether
    /// something is wrong there.
    fn check_from(
        &self,
        tx: &ReadTx<'_>,
        chain: &Chain,
        start: Position,
        head: Head,
        look: &mut LogLook,
    ) -> Result<(Position, bool), Error> {
        let mut walk = self.files.walk(start);
        loop {
            self.check_cancelled()?;
            let here = walk.position();
            let next = here.head.sequence + 1;
            match walk.step() {
                Ok(Step::Item(events)) => {
                    for event in &events {
                        let sequence = event.record.sequence;
                        if sequence <= head.sequence && !chain.is_broken(sequence) && !is_same(tx, event)? {
                            let detail = "log/ and the database differ".to_owned();
                            look.find(fault("log", sequence, detail, Remedy::Choose));
                            return Ok((walk.position(), true));
                        }
                    }
                }
                Ok(Step::End) => {
                    let ahead = here.head.sequence.saturating_sub(head.sequence);
                    if ahead > 0 {
                        look.notes.push(format!("log/ is ahead of the database by {ahead} event(s)"));
                    }
                    return Ok((here, false));
                }
                // Behind the head it is an append that was cut short, or one that is being written.
                Ok(Step::Broken { continued: false, .. }) if here.head.sequence >= head.sequence => {
                    look.notes.push("log/ ends with an append that was cut short".to_owned());
                    return Ok((here, false));
                }
                Ok(Step::Broken { continued, cut_short }) => {
                    let completed = cut_short && !continued;
                    look.find(if completed {
                        // What is missing there, the database has.
                        let path = LogFiles::path(walk.cursor().file);
                        let detail =
                            format!("{} ends too early, at byte {}", path.display(), walk.cursor().length);
                        fault("log", next, detail, Remedy::NextWrite)
                    } else {
                        fault("log", next, walk.damage().to_string(), Remedy::Recover)
                    });
                    return Ok((walk.position(), true));
                }
                Err(LogError::Parted { sequence }) => {
                    let detail = "what log/ has there does not continue the chain".to_owned();
                    look.find(fault("log", sequence, detail, Remedy::Choose));
                    return Ok((walk.position(), true));
                }
                Err(error) => {
                    look.find(unreadable(&error));
                    return Ok((walk.position(), true));
                }
            }
        }
    }
}

fn is_same(tx: &ReadTx<'_>, event: &Stored) -> Result<bool, Error> {
    Ok(events::stored_digest(tx, event.record.sequence)? == Some(event.digest))
}

fn unreadable(error: &LogError) -> Fault {
    let source = std::error::Error::source(error).map(ToString::to_string);
    about("log", error.to_string(), source.unwrap_or_default(), Remedy::SeeToDisk)
}
