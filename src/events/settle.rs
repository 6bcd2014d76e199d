//! Settling: making the plain-file log and the database agree before anything is written.
//!
//! Both are written in one transaction, the file first. So they differ in one honest way: `log/` is ahead by
//! what was appended and durable when the process died before its COMMIT. Anything else was done by a hand or
//! by a broken disk, and is completed where that loses nothing, else refused. store-layout.md, "Settling".

use super::files::{LogError, LogFiles};
use super::item::encode_item;
use super::log::{self, Bookkeeping, Head, Position, Stored};
use super::walk::Step;
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
        match walk.step()? {
            Step::Item(events) => {
                for event in events {
                    let sequence = event.record.sequence;
                    if log::event(tx, sequence)?.is_none_or(|known| known.digest != event.digest) {
                        return Err(LogError::Parted { sequence }.into());
                    }
                }
            }
            // The database knows what should stand here, and something else does: only a copy that simply ends
            // too early is completed from it.
            Step::Broken { continued: true, .. } | Step::Broken { cut_short: false, .. } => {
                return Err(walk.damage().into());
            }
            Step::End | Step::Broken { .. } => {
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
        match walk.step()? {
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
            Step::Broken { continued: false, .. } => break true,
            Step::Broken { continued: true, .. } => return Err(walk.damage().into()),
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
        match walk.step()? {
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests make and break files by hand")]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::db::Database;
    use crate::disk::RealDisk;
    use crate::disk::testing::{Call, Observed};
    use crate::env::Timestamp;
    use crate::events::{Record, insert};
    use crate::identity::Blake3;

    /// A database and a `log/`, without views: events are entered as rows only.
    struct Pair {
        root: tempfile::TempDir,
        db: Database,
        files: LogFiles,
    }

    #[derive(Debug, thiserror::Error)]
    enum TestError {
        #[error(transparent)]
        Log(#[from] LogError),
        #[error(transparent)]
        Db(#[from] DbError),
    }

    impl Pair {
        fn new(limit: u64) -> Self {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir(root.path().join("log")).unwrap();
            let disk = Arc::new(RealDisk::open(root.path()).unwrap());
            let db = Database::create(&root.path().join("astore.db")).unwrap();
            db.hurry().unwrap();
            let files = LogFiles::new(disk, 0o600).with_limit(limit);
            Self { root, db, files }
        }

        fn settle(&self) -> Result<Settled, TestError> {
            let tx = self.db.write()?;
            let (position, settled) =
                settle(&tx, &self.files, &mut |event: Stored| -> Result<(), TestError> {
                    Ok(insert(&tx, &event)?)
                })?;
            let kept = Bookkeeping { log: position, ..Bookkeeping::load(&tx)? };
            kept.store(&tx)?;
            tx.commit()?;
            Ok(settled)
        }

        /// Writes one transaction of `count` events; `commit` says whether the database hears of it.
        fn write(&self, count: u64, commit: bool) {
            let tx = self.db.write().unwrap();
            let mut kept = Bookkeeping::load(&tx).unwrap();
            let mut events = Vec::new();
            let mut last = kept.log.head;
            for _ in 0..count {
                let event = event(last);
                last = Head::from(&event);
                insert(&tx, &event).unwrap();
                events.push(event);
            }
            kept.log = self.files.append(&kept.log, &events).unwrap();
            kept.store(&tx).unwrap();
            if commit {
                tx.commit().unwrap();
            }
        }

        fn compare(&self) -> Result<Compared, TestError> {
            let tx = self.db.read()?;
            compare(&tx, &self.files, log::head(&tx)?)
        }

        fn head(&self) -> u64 {
            log::head(&self.db.read().unwrap()).unwrap().sequence
        }

        /// Returns the bytes of all files of `log/`, in order.
        fn bytes(&self) -> Vec<u8> {
            let names = self.files.names().unwrap();
            names.iter().flat_map(|&first| std::fs::read(self.path(first)).unwrap()).collect()
        }

        fn path(&self, first: u64) -> std::path::PathBuf {
            self.root.path().join(super::super::files::file_path(first))
        }

        fn last_file(&self) -> std::path::PathBuf {
            self.path(*self.files.names().unwrap().last().unwrap())
        }
    }

    fn event(after: Head) -> Stored {
        let sequence = after.sequence + 1;
        let payload = vec![0x61, b'a' + u8::try_from(sequence % 26).unwrap()];
        let record = Record {
            sequence,
            created_at: Timestamp::from_micros(1_000 * i64::try_from(sequence).unwrap()),
            event_type: "v1.test".to_owned(),
            subject_kind: "test".to_owned(),
            subject_id: sequence.to_string(),
            actor: "a@b".to_owned(),
            payload_digest: Blake3::of(&payload),
            previous_digest: after.digest,
        };
        Stored::new(record, Some(payload))
    }

    fn started(limit: u64) -> Pair {
        let pair = Pair::new(limit);
        assert!(matches!(pair.settle().unwrap(), Settled::Even | Settled::Cut));
        for count in [1, 2, 1, 3] {
            pair.write(count, true);
        }
        pair
    }

    #[test]
    fn what_was_committed_is_even() {
        for limit in [u64::MAX, 1, 300] {
            let pair = started(limit);
            assert_eq!(pair.settle().unwrap(), Settled::Even, "limit {limit}");
            assert_eq!(pair.head(), 7);
        }
        assert_eq!(started(1).files.names().unwrap(), [1, 2, 4, 5]);
    }

    #[test]
    fn an_append_that_was_not_committed_is_applied() {
        for limit in [u64::MAX, 1] {
            let pair = started(limit);
            pair.write(2, false);
            assert_eq!(pair.head(), 7);
            assert_eq!(pair.settle().unwrap(), Settled::CaughtUp { events: 2 });
            assert_eq!(pair.head(), 9);
            assert_eq!(pair.settle().unwrap(), Settled::Even);
        }
    }

    #[test]
    fn a_database_from_an_old_backup_catches_up_through_several_files() {
        let pair = started(1);
        let backup = pair.root.path().join("backup.db");
        pair.db.write().unwrap().execute_batch("").unwrap();
        std::fs::copy(pair.root.path().join("astore.db"), &backup).unwrap();
        std::fs::copy(pair.root.path().join("astore.db-wal"), pair.root.path().join("backup.db-wal"))
            .unwrap();
        for _ in 0..5 {
            pair.write(1, true);
        }
        let old = Pair {
            db: Database::open(&backup, crate::db::OpenMode::Write).unwrap(),
            files: pair.files.clone(),
            root: pair.root,
        };
        assert_eq!(old.head(), 7);
        assert_eq!(old.settle().unwrap(), Settled::CaughtUp { events: 5 });
        assert_eq!(old.settle().unwrap(), Settled::Even);
    }

    #[test]
    fn every_torn_append_is_cut_off() {
        for limit in [u64::MAX, 1] {
            let whole = started(limit);
            let before = whole.bytes();
            whole.write(2, false);
            let item = whole.bytes()[before.len()..].to_vec();
            for length in (0..item.len()).step_by(3) {
                let pair = started(limit);
                pair.write(2, false);
                let file = std::fs::OpenOptions::new().write(true).open(pair.last_file()).unwrap();
                let kept = file.metadata().unwrap().len() - (item.len() - length) as u64;
                file.set_len(kept).unwrap();
                let settled = pair.settle().unwrap();
                assert!(settled == Settled::Cut || (length == 0 && settled == Settled::Even), "{length}");
                assert_eq!(pair.head(), 7);
                assert_eq!(pair.bytes(), before, "cut at {length}");
                pair.write(1, true);
                assert_eq!(pair.settle().unwrap(), Settled::Even);
            }
        }
    }

    /// A disk for whom the modes count, as they do not for root, who may be running this.
    fn as_a_plain_user(pair: &mut Pair) {
        let root = pair.root.path().to_owned();
        let disk = Observed::new(Arc::new(RealDisk::open(&root).unwrap()), move |_, call| {
            use std::os::unix::fs::PermissionsExt as _;
            let Call::OpenWrite { path, .. } = call else { return Ok(()) };
            let mode = std::fs::metadata(root.join(path)).map_or(0o600, |found| found.permissions().mode());
            if mode & 0o200 == 0 { Err(std::io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
        });
        pair.files = LogFiles::new(Arc::new(disk), 0o600).with_limit(1);
    }

    #[test]
    fn a_file_that_was_closed_is_no_obstacle_to_its_owner() {
        // Killed within the append that begins the next file: the one before it is read-only by then.
        let mut pair = started(1);
        as_a_plain_user(&mut pair);
        pair.write(2, false);
        let torn = std::fs::OpenOptions::new().write(true).open(pair.last_file()).unwrap();
        torn.set_len(7).unwrap();
        assert_eq!(pair.settle().unwrap(), Settled::Cut);
        pair.write(1, true);
        assert_eq!(pair.settle().unwrap(), Settled::Even);
        // The last files are gone: what is left ends with one that was closed.
        std::fs::remove_file(pair.path(8)).unwrap();
        std::fs::remove_file(pair.path(5)).unwrap();
        assert_eq!(pair.settle().unwrap(), Settled::Completed { events: 4 });
        assert_eq!(pair.settle().unwrap(), Settled::Even);
        // A closed file was cut short by a hand.
        let file = pair.path(1);
        let bytes = std::fs::read(&file).unwrap();
        for first in pair.files.names().unwrap().into_iter().skip(1) {
            std::fs::remove_file(pair.path(first)).unwrap();
        }
        std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(pair.settle().unwrap(), Settled::Completed { events: 8 });
        assert!(matches!(pair.compare(), Ok(Compared::Reaches(_))));
        // And where the next items go into it, because it is not full any more.
        pair.files = pair.files.clone().with_limit(u64::MAX);
        let closed = std::fs::File::open(pair.last_file()).unwrap();
        closed.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
        pair.write(1, true);
        assert_eq!(pair.settle().unwrap(), Settled::Even);
    }

    #[test]
    fn zeros_where_an_append_should_be_are_cut_off() {
        let pair = started(u64::MAX);
        let file = std::fs::OpenOptions::new().write(true).open(pair.last_file()).unwrap();
        file.set_len(file.metadata().unwrap().len() + 5000).unwrap();
        assert_eq!(pair.settle().unwrap(), Settled::Cut);
        assert_eq!(pair.settle().unwrap(), Settled::Even);
    }

    #[test]
    fn a_log_that_is_behind_is_completed() {
        for limit in [u64::MAX, 1] {
            let whole = started(limit).bytes();
            for length in (0..whole.len()).step_by(5) {
                let pair = started(limit);
                // Cut the log off after `length` bytes, across its files.
                let mut left = length as u64;
                for first in pair.files.names().unwrap() {
                    let path = pair.path(first);
                    let size = std::fs::metadata(&path).unwrap().len();
                    if left == 0 {
                        std::fs::remove_file(path).unwrap();
                    } else if left < size {
                        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(left).unwrap();
                    }
                    left = left.saturating_sub(size);
                }
                let settled = pair.settle().unwrap();
                assert!(matches!(settled, Settled::Completed { events: 1.. }), "{length}: {settled:?}");
                assert_eq!(pair.settle().unwrap(), Settled::Even, "{length}");
                pair.write(1, true);
                assert_eq!(pair.settle().unwrap(), Settled::Even, "{length}");
                assert!(matches!(pair.compare(), Ok(Compared::Reaches(_))), "{length}");
            }
        }
    }

    #[test]
    fn a_changed_byte_before_the_end_is_found_by_comparison_and_never_cut() {
        let pair = started(u64::MAX);
        let whole = pair.bytes();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x01;
            std::fs::write(pair.last_file(), &bytes).unwrap();
            // The last item has nothing after it: by its own bytes, damage there looks like an append that was
            // cut short. The database knows better.
            assert!(!matches!(pair.compare(), Ok(Compared::Reaches(_))), "byte {at}");
        }
    }

    #[test]
    fn a_changed_last_item_is_never_written_again() {
        let pair = started(u64::MAX);
        let whole = pair.bytes();
        // A bit in the last 32 bytes, where every settling looks.
        let mut bytes = whole.clone();
        *bytes.last_mut().unwrap() ^= 0x01;
        std::fs::write(pair.last_file(), &bytes).unwrap();
        assert!(matches!(pair.settle(), Err(TestError::Log(LogError::Damaged { sequence: 5, .. }))));
        assert_eq!(pair.bytes(), bytes);
    }

    #[test]
    fn two_histories_are_refused_where_they_part() {
        let pair = started(u64::MAX);
        let other = started(u64::MAX);
        pair.write(1, true);
        // The other store goes on differently: same length, another event.
        let tx = other.db.write().unwrap();
        let mut kept = Bookkeeping::load(&tx).unwrap();
        let mut parted = event(kept.log.head);
        parted.record.actor = "c@d".to_owned();
        let parted = Stored::new(parted.record, parted.payload);
        insert(&tx, &parted).unwrap();
        kept.log = other.files.append(&kept.log, &[parted]).unwrap();
        kept.store(&tx).unwrap();
        tx.commit().unwrap();
        assert_eq!(pair.bytes().len(), other.bytes().len());
        std::fs::copy(other.last_file(), pair.last_file()).unwrap();
        assert!(matches!(pair.settle(), Err(TestError::Log(LogError::Parted { sequence: 8 }))));
        // And the longer of two histories is no better than the shorter.
        other.write(1, true);
        std::fs::copy(other.last_file(), pair.last_file()).unwrap();
        assert!(matches!(pair.settle(), Err(TestError::Log(LogError::Parted { sequence: 8 }))));
        assert_eq!(pair.head(), 8);
    }

    #[test]
    fn damage_with_events_behind_it_is_never_cut() {
        let pair = started(u64::MAX);
        let kept = std::fs::metadata(pair.last_file()).unwrap().len();
        pair.write(1, false);
        let tail = std::fs::read(pair.last_file()).unwrap()[usize::try_from(kept).unwrap()..].to_vec();
        // The item that follows is whole and further on: what is before it was no append cut short.
        let mut bytes = std::fs::read(pair.last_file()).unwrap();
        bytes.truncate(usize::try_from(kept).unwrap());
        bytes.extend([0; 100]);
        bytes.extend(&tail);
        std::fs::write(pair.last_file(), &bytes).unwrap();
        assert!(matches!(pair.settle(), Err(TestError::Log(LogError::Damaged { sequence: 8, .. }))));
        assert_eq!(std::fs::read(pair.last_file()).unwrap(), bytes);
    }

    #[test]
    fn a_missing_file_in_the_middle_is_damage() {
        let pair = started(1);
        std::fs::remove_file(pair.path(2)).unwrap();
        // The end agrees, so an ordinary settling does not look; a comparison does.
        assert!(matches!(pair.compare(), Err(TestError::Log(LogError::Damaged { .. }))));
    }
}
