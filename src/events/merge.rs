//! One log out of two copies, either of which may be damaged: for `recover`.
//!
//! The chain decides. At each place an event is taken from whichever copy has it whole and following the event before
//! it. Where both have one and they differ, there are two histories, and a person has to choose; where neither has
//! one and events stand behind it, the log has a hole, and a person has to say that what is behind it is given up.

use std::collections::BTreeSet;

use super::files::{LogError, LogFiles, is_bad_sector};
use super::log::{self, Head, Position, Stored};
use super::replay::ChainFault;
use super::walk::Step;
use crate::db::{DbError, ReadTx};

/// So many events that the database lacks are remembered: one of them may stand there under another number.
const LACKING_MAX: usize = 1024;

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
    /// What stands behind the last whole item of `log/`, where that is no event and nothing follows it: an append that
    /// was cut short, or an event that was damaged.
    pub tail: Option<LogError>,
    /// What is wrong with the database's events, if anything is.
    pub fault: Option<String>,
}

/// Hands every event that one of the copies has to `each`, in order.
///
/// # Errors
/// [`LogError::Parted`] where the copies differ, [`LogError::Damaged`] and [`ChainFault`] where an event is in neither
/// and others stand behind it, [`LogError::Later`] where a later build wrote some of them, [`LogError::Io`] and
/// [`DbError`] where the system refused, and whatever `each` returns. `each` may have seen events by then.
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
        tail: None,
        fault: None,
    };
    let mut merge = Merge { rows: Rows { tx: database }, each, merged, lacking: Vec::new() };
    let mut walk = files.walk(Position::START);
    let mut walked = BTreeSet::new();
    merge.merged.damage = loop {
        match walk.step() {
            Ok(Step::Item(events)) => {
                walked.insert(walk.position().file);
                for event in events {
                    merge.take_from_log(event)?;
                }
            }
            // A file that is missing hides those behind it.
            Ok(Step::End) => {
                let reached = walk.position().head.sequence;
                break files.names()?.into_iter().any(|first| first > reached).then(|| walk.damage());
            }
            Ok(Step::Broken { continued, cut_short }) => {
                if !continued {
                    merge.merged.tail = Some(walk.damage());
                }
                break (continued || !cut_short).then(|| walk.damage());
            }
            Err(error @ LogError::Parted { .. }) => break Some(error),
            Err(LogError::Io { path, source }) if is_bad_sector(&source) => {
                break Some(LogError::Io { path, source });
            }
            Err(error) => return Err(error.into()),
        }
    };
    merge.merged.position = walk.position();
    merge.take_from_database()?;
    // A file that lost its name is not on the way of a walk.
    let is_off_the_way = |first: &u64| !walked.contains(first);
    if merge.merged.damage.is_some()
        || !files.strays()?.is_empty()
        || files.names()?.iter().any(is_off_the_way)
    {
        merge.look_behind(files, walk.position().head)?;
    }
    merge.see_to_the_end()?;
    Ok(merge.merged)
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
            Err(error) if error.is_damage() => Ok(Err(Some(error.to_string()))),
            Err(error) => Err(error),
        }
    }

    /// Returns whether every row from this sequence on is one of those events, and stands under a number that is not its
    /// own: the number is not where the digest could see it change, so one flipped bit is enough.
    fn are_misplaced(&self, from: u64, lacking: &[u64]) -> Result<bool, DbError> {
        let Some(tx) = self.tx else { return Ok(true) };
        let mut all = true;
        let looked = log::each_after(tx, from - 1, |mut row| -> Result<(), DbError> {
            all &= lacking.iter().any(|&sequence| {
                row.record.sequence = sequence;
                row.is_sound()
            });
            Ok(())
        });
        match looked {
            Err(error) if error.is_damage() => Ok(false),
            looked => looked.map(|()| all),
        }
    }

    /// Returns the last sequence that the database has a row of, as far as it can be read.
    fn last(&self) -> Result<u64, DbError> {
        let Some(tx) = self.tx else { return Ok(0) };
        match log::head(tx) {
            Ok(head) => Ok(head.sequence),
            Err(error) if error.is_damage() => Ok(0),
            Err(error) => Err(error),
        }
    }
}

struct Merge<'m, 't, 'c, E> {
    rows: Rows<'t, 'c>,
    each: &'m mut dyn FnMut(Stored) -> Result<(), E>,
    merged: Merged,
    /// Events that only `log/` had, the last of them: the database may have them under another number.
    lacking: Vec<u64>,
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
            None => {
                self.merged.only_in_log += 1;
                if self.rows.tx.is_some() && self.lacking.len() < LACKING_MAX {
                    self.lacking.push(sequence);
                }
            }
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
            let mut next_is_there = false;
            // From file to file, so that a whole log goes by once, however far the database is behind.
            files.scan(|event| -> Result<(), E> {
                if event.record.sequence > self.merged.head.sequence + 1 {
                    self.take_from_database()?;
                }
                next_is_there |= event.record.sequence == before + 1;
                if self.merged.head.is_followed_by(&event.record) {
                    self.take_from_log(event)
                } else {
                    Ok(())
                }
            })?;
            self.take_from_database()?;
            if self.merged.head.sequence == before {
                // Whole, and yet it does not follow; or not there, and others behind it.
                return Err(match next_is_there {
                    false => self.merged.damage.take().map_or_else(|| self.hole().into(), E::from),
                    true => LogError::Parted { sequence: before + 1 }.into(),
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
            None if self.rows.are_misplaced(next, &self.lacking)? => Ok(()),
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests make and break files by hand")]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::db::Database;
    use crate::disk::RealDisk;
    use crate::env::Timestamp;
    use crate::events::{Record, insert};
    use crate::identity::Blake3;

    #[derive(Debug, thiserror::Error)]
    enum TestError {
        #[error(transparent)]
        Log(#[from] LogError),
        #[error(transparent)]
        Db(#[from] DbError),
        #[error(transparent)]
        Chain(#[from] ChainFault),
    }

    /// A `log/` of so many events, so many in a file, and the first ones of them in a database.
    struct Copies {
        root: tempfile::TempDir,
        db: Database,
        files: LogFiles,
        head: Head,
    }

    fn copies(events: u64, in_file: u64, in_database: u64) -> Copies {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("log")).unwrap();
        let files = LogFiles::new(Arc::new(RealDisk::open(root.path()).unwrap()), 0o600);
        let db = Database::create(&root.path().join("astore.db")).unwrap();
        db.hurry().unwrap();
        let tx = db.write().unwrap();
        let (mut head, mut file) = (Head::NONE, Vec::new());
        for sequence in 1..=events {
            let payload = vec![0xa0];
            let event = Stored::new(
                Record {
                    sequence,
                    created_at: Timestamp::from_micros(7),
                    event_type: "v1.test".to_owned(),
                    subject_kind: "test".to_owned(),
                    subject_id: sequence.to_string(),
                    actor: "a@b".to_owned(),
                    payload_digest: Blake3::of(&payload),
                    previous_digest: head.digest,
                },
                Some(payload),
            );
            head = Head::from(&event);
            if sequence <= in_database {
                insert(&tx, &event).unwrap();
            }
            file.extend(crate::events::item::encode_item(&[event]));
            if sequence % in_file == 0 || sequence == events {
                let first = (sequence - 1) / in_file * in_file + 1;
                std::fs::write(root.path().join(LogFiles::path(first)), &file).unwrap();
                file.clear();
            }
        }
        tx.commit().unwrap();
        Copies { root, db, files, head }
    }

    impl Copies {
        fn file(&self, first: u64) -> PathBuf {
            self.root.path().join(LogFiles::path(first))
        }

        fn merge(&self, with_database: bool) -> Result<(Merged, u64), TestError> {
            let tx = self.db.read()?;
            let mut next = 1;
            let merged = merge(with_database.then_some(&tx), &self.files, &mut |event| {
                assert_eq!(event.record.sequence, next);
                next += 1;
                Ok::<_, TestError>(())
            })?;
            Ok((merged, next - 1))
        }

        fn alter(&self, first: u64, at: usize) {
            let mut bytes = std::fs::read(self.file(first)).unwrap();
            bytes[at] ^= 1;
            std::fs::write(self.file(first), bytes).unwrap();
        }
    }

    #[test]
    fn a_file_under_a_wrong_name_is_found() {
        for name in ["log/00000000000000000025.cborseq", "log/#1234", "log/00000000000000000011.cborseq~"] {
            for lost in [11, 31] {
                let copies = copies(40, 10, 0);
                std::fs::rename(copies.file(lost), copies.root.path().join(name)).unwrap();
                let (merged, events) = copies.merge(false).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!((merged.head, events), (copies.head, 40), "{lost} as {name}");
            }
        }
    }

    #[test]
    fn a_missing_file_is_a_hole_unless_the_database_has_what_was_in_it() {
        for (lost, in_database) in [(1, 15), (11, 20), (11, 35), (21, 30)] {
            let copies = copies(40, 10, in_database);
            std::fs::remove_file(copies.file(lost)).unwrap();
            assert!(matches!(copies.merge(false), Err(TestError::Log(LogError::Damaged { .. }))));
            let (merged, events) = copies.merge(true).unwrap();
            assert_eq!((merged.head, events), (copies.head, 40));
            assert!(merged.damage.is_some());
        }
        let copies = copies(40, 10, 19);
        std::fs::remove_file(copies.file(11)).unwrap();
        assert!(matches!(copies.merge(true), Err(TestError::Log(LogError::Damaged { .. }))));
    }

    #[test]
    fn files_of_another_history_are_refused() {
        let ours = copies(30, 10, 25);
        let mut bytes = Vec::new();
        let mut head = Head { sequence: 10, digest: Blake3::of(b"another") };
        for sequence in 11..=20 {
            let payload = vec![0xa0];
            let event = Stored::new(
                Record {
                    sequence,
                    created_at: Timestamp::from_micros(8),
                    event_type: "v1.test".to_owned(),
                    subject_kind: "test".to_owned(),
                    subject_id: "other".to_owned(),
                    actor: "c@d".to_owned(),
                    payload_digest: Blake3::of(&payload),
                    previous_digest: head.digest,
                },
                Some(payload),
            );
            head = Head::from(&event);
            bytes.extend(crate::events::item::encode_item(&[event]));
        }
        std::fs::write(ours.file(11), bytes).unwrap();
        for with_database in [true, false] {
            let refused = ours.merge(with_database);
            assert!(matches!(refused, Err(TestError::Log(LogError::Parted { sequence: 11 }))), "{refused:?}");
        }
    }

    #[test]
    fn what_is_far_behind_the_damage_costs_one_pass() {
        // A database from an old backup, and a log that is damaged within what it has.
        let copies = copies(60_000, 60_000, 6);
        copies.alter(1, 700);
        let start = std::time::Instant::now();
        let (merged, events) = copies.merge(true).unwrap();
        eprintln!("60,000 events behind the damage: {:?}", start.elapsed());
        assert_eq!((merged.head, events), (copies.head, 60_000));
        assert_eq!(merged.only_in_database, 1, "{merged:?}");
    }
}
