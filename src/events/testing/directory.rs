//! A whole `log/` of any files beside a database that knows some events: walked, searched, compared and settled.

use std::path::Path;
use std::sync::Arc;

use super::super::item::decode_item;
use super::super::{
    Bookkeeping, Compared, Head, LogError, LogFiles, NO_PREDECESSOR, Position, Record, Settled, Step, Stored,
    compare, encode_item, event, head, insert, settle,
};
use crate::db::{Database, DbError, WriteTx};
use crate::disk::{Disk as _, RealDisk};
use crate::env::Timestamp;
use crate::identity::Blake3;

/// The directory of the plain-file log.
const DIRECTORY: &str = "log";

/// Returns a chain of so many events, of a type that nobody knows.
pub fn chain(count: u64) -> Vec<Stored> {
    let mut last = Head::NONE;
    let next = |sequence: u64| {
        let payload = vec![0xa1, 0x61, b'a' + u8::try_from(sequence % 26).expect("a letter"), 0xf6];
        let record = Record {
            sequence,
            created_at: Timestamp::from_micros(0),
            event_type: "v9.future".to_owned(),
            subject_kind: "test".to_owned(),
            subject_id: sequence.to_string(),
            actor: "a@b".to_owned(),
            payload_digest: Blake3::of(&payload),
            previous_digest: if sequence == 1 { NO_PREDECESSOR } else { last.digest },
        };
        let event = Stored::new(record, Some(payload));
        last = Head::from(&event);
        event
    };
    (1..=count).map(next).collect()
}

/// Returns a log of these events, one an item: the bytes of its only file.
pub fn items_of(events: &[Stored]) -> Vec<u8> {
    events.iter().flat_map(|event| encode_item(std::slice::from_ref(event))).collect()
}

/// Returns the events of a file of `log/`.
///
/// # Panics
/// Where it holds anything but whole items.
pub fn events_of(file: &[u8]) -> Vec<Stored> {
    let (mut events, mut at) = (Vec::new(), 0);
    while at < file.len() {
        let (item, used) = decode_item(&file[at..]).expect("a whole item");
        events.extend(item);
        at += used;
    }
    events
}

/// A database that knows some events, in a directory of its own, where a `log/` is put beside it.
#[derive(Debug)]
pub struct Known {
    disk: Arc<RealDisk>,
    database: Database,
    head: Head,
    remembers: bool,
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Known {
    /// Makes a database of these events, a chain from event 1, in a directory that is there and empty. It believes
    /// that `log/` holds them one an item, where `remembers` says so, and knows nothing of `log/` otherwise.
    ///
    /// # Panics
    /// Where that cannot be.
    pub fn new(root: &Path, events: &[Stored], remembers: bool) -> Self {
        let disk = Arc::new(RealDisk::open(root).expect("a directory"));
        disk.make_dir(Path::new(DIRECTORY)).expect("a directory");
        let mut path = root.as_os_str().to_owned();
        path.push("/astore.db");
        let database = Database::create(Path::new(&path)).expect("a database");
        let tx = database.write().expect("the write lock");
        for event in events {
            insert(&tx, event).expect("a chain");
        }
        let head = events.last().map_or(Head::NONE, Head::from);
        if remembers {
            let mut kept = Bookkeeping::load(&tx).expect("bookkeeping");
            kept.log = Position { file: 1, length: items_of(events).len() as u64, head };
            kept.store(&tx).expect("bookkeeping");
        }
        tx.commit().expect("a commit");
        Self { disk, database, head, remembers }
    }

    fn fill(&self, files: &[(String, &[u8])]) {
        let directory = Path::new(DIRECTORY);
        for listed in self.disk.list(directory).expect("a directory") {
            self.disk.remove_file(&within(&listed.name.to_string_lossy())).expect("a file");
        }
        for (name, bytes) in files {
            let file = self.disk.create(&within(name), 0o600).expect("a name of its own");
            file.write_all_at(bytes, 0).expect("room");
        }
    }

    /// Returns what is in `log/` now.
    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let listed = self.disk.list(Path::new(DIRECTORY)).expect("a directory");
        let read = |name: String| {
            let file = self.disk.open(&within(&name)).expect("a file");
            let size = file.stat().expect("a look").size_bytes;
            let mut bytes = vec![0; usize::try_from(size).expect("a small file")];
            let mut filled = 0;
            while filled < bytes.len() {
                filled += file.read_at(&mut bytes[filled..], filled as u64).expect("bytes");
            }
            (name, bytes)
        };
        listed.into_iter().map(|entry| read(entry.name.to_string_lossy().into_owned())).collect()
    }
}

fn within(name: &str) -> std::path::PathBuf {
    std::path::PathBuf::from(format!("{DIRECTORY}/{name}"))
}

/// Puts these files into `log/`, no name twice, and does with it whatever the store ever does with a log. Returns
/// whether the database and it could be made to agree. Nothing of it stays in the database.
///
/// # Panics
/// Where a walk goes on from what is no chain, a refusal has changed anything, or settling has lost an event that
/// one of the two had, or left the two apart.
pub fn check_log(known: &Known, files: &[(String, &[u8])]) -> bool {
    known.fill(files);
    let before = known.contents();
    let log = LogFiles::new(known.disk.clone(), 0o600);
    let walked = walk(&log);
    let wanted: Vec<u64> = (1..=known.head.sequence + 3).collect();
    for (sequence, event) in log.find(&wanted).expect("files that can be read") {
        assert!(event.is_sound() && event.record.sequence == sequence);
    }
    let tx = known.database.write().expect("the write lock");
    drop(compare::<Failed>(&tx, &log, known.head));
    assert_eq!(known.contents(), before, "looking changed something");
    match settle_once(&tx, &log) {
        Ok(_) => {
            let now = head(&tx).expect("a head");
            assert!(now.sequence >= known.head.sequence, "events were lost");
            // Who remembers where the log stood looks at its end only; what is damaged before that, verify finds.
            if !known.remembers || walked.len() as u64 >= known.head.sequence {
                let again = walk(&log);
                assert_eq!(again.len() as u64, now.sequence, "the two copies differ");
                for stored in &again {
                    let ours = event(&tx, stored.record.sequence).expect("a row");
                    assert_eq!(ours.as_ref(), Some(stored), "event {}", stored.record.sequence);
                }
                assert!(again.starts_with(&walked), "what could be read before is gone");
                let compared = compare::<Failed>(&tx, &log, now).expect("a comparison");
                assert!(matches!(compared, Compared::Reaches(at) if at.head == now), "{compared:?}");
            }
            assert_eq!(settle_once(&tx, &log).expect("settled already"), Settled::Even);
            true
        }
        Err(Failed::Log(LogError::Parted { .. } | LogError::Damaged { .. })) => {
            assert_eq!(known.contents(), before, "a refusal changed something");
            assert_eq!(head(&tx).expect("a head"), known.head);
            false
        }
        Err(error) => panic!("neither settled nor refused: {error}"),
    }
}

fn settle_once(tx: &WriteTx<'_>, log: &LogFiles) -> Result<Settled, Failed> {
    let (position, settled) =
        settle(tx, log, &mut |event: Stored| -> Result<(), Failed> { Ok(insert(tx, &event)?) })?;
    let kept = Bookkeeping { log: position, ..Bookkeeping::load(tx)? };
    kept.store(tx)?;
    Ok(settled)
}

/// Returns the events that a walk from the beginning meets.
fn walk(log: &LogFiles) -> Vec<Stored> {
    let mut walk = log.walk(Position::START);
    let mut met: Vec<Stored> = Vec::new();
    loop {
        let before = walk.position();
        match walk.step() {
            Ok(Step::Item(events)) => {
                for event in events {
                    let last = met.last().map_or(Head::NONE, Head::from);
                    assert!(event.is_sound() && last.is_followed_by(&event.record), "not a chain");
                    met.push(event);
                }
                let after = walk.position();
                assert_eq!(met.last().map(Head::from), Some(after.head));
                assert!(after.file > before.file || after.length > before.length, "the walk stands still");
            }
            Ok(Step::End | Step::Broken { .. }) | Err(LogError::Parted { .. }) => return met,
            Err(error) => panic!("files that can be read: {error}"),
        }
    }
}
