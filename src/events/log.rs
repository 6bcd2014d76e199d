//! The table `events`: appending, reading in order, and the bookkeeping beside it.

use rusqlite::Row;
use uuid::Uuid;

use super::event::EventType;
use super::record::{NO_PREDECESSOR, Record};
use crate::db::{DbError, ReadTx, WriteTx};
use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::manifest::cbor::INTEGER_MAX;

/// An event as the log keeps it: its record, the digest of that, and the payload unless it is an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What the digest binds.
    pub record: Record,
    /// The payload, or `None` where it is an object under `record.payload_digest`.
    pub payload: Option<Vec<u8>>,
    /// The digest as it is written; [`Stored::is_sound`] tells whether it is the record's.
    pub digest: Blake3,
}

impl Stored {
    /// Makes an event out of its record and payload, and takes its digest.
    pub fn new(record: Record, payload: Option<Vec<u8>>) -> Self {
        let digest = record.digest();
        Self { record, payload, digest }
    }

    /// Returns whether the digests are those of the record and of the payload, as far as that is here.
    pub fn is_sound(&self) -> bool {
        self.digest == self.record.digest()
            && self.payload.as_ref().is_none_or(|payload| Blake3::of(payload) == self.record.payload_digest)
    }
}

/// The last event of a log: where it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its sequence; 0 where there is none yet.
    pub sequence: u64,
    /// Its digest; 32 zero bytes where there is none yet.
    pub digest: Blake3,
}

impl Head {
    /// The head of a log that holds nothing.
    pub const NONE: Self = Self { sequence: 0, digest: NO_PREDECESSOR };

    /// Returns whether an event is the one that comes next.
    pub fn is_followed_by(&self, record: &Record) -> bool {
        record.sequence == self.sequence + 1 && record.previous_digest == self.digest
    }
}

impl From<&Stored> for Head {
    fn from(event: &Stored) -> Self {
        Self { sequence: event.record.sequence, digest: event.digest }
    }
}

/// Reads an unsigned integer that the schema keeps as INTEGER; all of ours are at most 2^53−1.
pub(crate) fn unsigned(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    let within = u64::try_from(value).ok().filter(|&value| value <= INTEGER_MAX);
    within.ok_or(rusqlite::Error::IntegralValueOutOfRange(0, value))
}

/// Reads an instant that the schema keeps as INTEGER; all of ours are within ±(2^53−1).
pub(crate) fn instant(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    let value: i64 = row.get(column)?;
    if value.unsigned_abs() > INTEGER_MAX {
        return Err(rusqlite::Error::IntegralValueOutOfRange(0, value));
    }
    Ok(Timestamp::from_micros(value))
}

/// Turns a number of ours into SQLite's; all of ours stay below 2^53.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn digest_column(row: &Row<'_>, column: &str) -> rusqlite::Result<Blake3> {
    row.get(column).map(Blake3::from_bytes)
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        record: Record {
            sequence: unsigned(row, "sequence")?,
            created_at: instant(row, "created_at")?,
            event_type: row.get("event_type")?,
            subject_kind: row.get("subject_kind")?,
            subject_id: row.get("subject_id")?,
            actor: row.get("actor")?,
            payload_digest: digest_column(row, "payload_digest")?,
            previous_digest: digest_column(row, "previous_digest")?,
        },
        payload: row.get("payload")?,
        digest: digest_column(row, "digest")?,
    })
}

/// Returns the last event of the database's log.
///
/// # Errors
/// [`DbError::Sqlite`] where the database cannot be read.
pub fn head(tx: &ReadTx<'_>) -> Result<Head, DbError> {
    let sql = "SELECT sequence, digest FROM events ORDER BY sequence DESC LIMIT 1";
    let head = tx.maybe(sql, [], |row| {
        Ok(Head { sequence: unsigned(row, "sequence")?, digest: digest_column(row, "digest")? })
    })?;
    Ok(head.unwrap_or(Head::NONE))
}

/// Appends an event's row. The table's trigger refuses a gap.
///
/// # Errors
/// [`DbError::Sqlite`] where the database refuses.
pub fn insert(tx: &WriteTx<'_>, event: &Stored) -> Result<(), DbError> {
    let record = &event.record;
    tx.execute(
        include_str!("../db/sql/insert_event.sql"),
        rusqlite::params![
            signed(record.sequence),
            record.created_at.as_micros(),
            record.event_type,
            record.subject_kind,
            record.subject_id,
            record.actor,
            event.payload,
            record.payload_digest.as_bytes(),
            record.previous_digest.as_bytes(),
            event.digest.as_bytes(),
        ],
    )?;
    Ok(())
}

/// Returns the event of this sequence.
///
/// # Errors
/// [`DbError::Sqlite`] where the database cannot be read.
pub fn event(tx: &ReadTx<'_>, sequence: u64) -> Result<Option<Stored>, DbError> {
    Ok(tx.maybe("SELECT * FROM events WHERE sequence = ?1", [signed(sequence)], read_row)?)
}

/// Returns when an event happened, by the clock of that time.
///
/// # Errors
/// [`DbError`]; an event that is not there is one.
pub fn time_of(tx: &ReadTx<'_>, sequence: u64) -> Result<Timestamp, DbError> {
    let sql = "SELECT created_at FROM events WHERE sequence = ?1";
    Ok(tx.one(sql, [signed(sequence)], |row| instant(row, "created_at"))?)
}

/// Returns up to `limit` events of these types that happened after an instant, by the clock of their time, oldest
/// first: their records.
///
/// # Errors
/// [`DbError::Sqlite`] where the database cannot be read.
pub fn since(
    tx: &ReadTx<'_>,
    instant: Timestamp,
    types: &[EventType],
    limit: usize,
) -> Result<Vec<Record>, DbError> {
    let names: Vec<String> = types.iter().map(|known| format!("'{}'", known.name())).collect();
    let sql = format!(
        "SELECT * FROM events WHERE created_at > ?1 AND event_type IN ({}) ORDER BY sequence LIMIT ?2",
        names.join(", ")
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(tx.all(&sql, (instant.as_micros(), limit), |row| Ok(read_row(row)?.record))?)
}

/// Returns the digest that the database has of an event, without the rest of it.
///
/// # Errors
/// [`DbError::Sqlite`] where the database cannot be read.
pub fn stored_digest(tx: &ReadTx<'_>, sequence: u64) -> Result<Option<Blake3>, DbError> {
    let sql = "SELECT digest FROM events WHERE sequence = ?1";
    Ok(tx.maybe(sql, [signed(sequence)], |row| digest_column(row, "digest"))?)
}

/// Hands every event after `after` to `each`, in order.
///
/// No statement is open while `each` works: it may write to the same database, and rolling back to a savepoint
/// ends every reader of a connection whose schema has changed in the transaction, as it has in a replay.
///
/// # Errors
/// [`DbError::Sqlite`] where the database cannot be read, and whatever `each` returns.
pub fn each_after<E: From<DbError>>(
    tx: &ReadTx<'_>,
    mut after: u64,
    mut each: impl FnMut(Stored) -> Result<(), E>,
) -> Result<(), E> {
    let sqlite = |error| E::from(DbError::Sqlite(error));
    let sql = "SELECT * FROM events WHERE sequence > ?1 ORDER BY sequence LIMIT 1";
    while let Some(event) = tx.maybe(sql, [signed(after)], read_row).map_err(sqlite)? {
        // A damaged page can lead back to where one came from, and round and round.
        if event.record.sequence <= after {
            return Err(E::from(DbError::Disorder { table: "events" }));
        }
        after = event.record.sequence;
        each(event)?;
    }
    Ok(())
}

/// Returns the events about one package, oldest first, without their payloads.
///
/// # Errors
/// [`DbError::Sqlite`] where the database cannot be read.
pub fn of_package(tx: &ReadTx<'_>, id: &Uuid) -> Result<Vec<Stored>, DbError> {
    let sql = "SELECT sequence, created_at, event_type, subject_kind, subject_id, actor, NULL AS payload,
                      payload_digest, previous_digest, digest
               FROM events WHERE subject_kind = 'package' AND subject_id = ?1 ORDER BY sequence";
    Ok(tx.all(sql, [id.to_string()], read_row)?)
}

/// Returns the records of the events about packages whose payloads are objects, in order.
///
/// # Errors
/// [`DbError::Sqlite`] where the database cannot be read.
pub fn with_payload_objects(tx: &ReadTx<'_>) -> Result<Vec<Record>, DbError> {
    let sql = "SELECT * FROM events WHERE payload IS NULL AND subject_kind = 'package' ORDER BY sequence";
    Ok(tx.all(sql, [], |row| Ok(read_row(row)?.record))?)
}

/// Returns the types of events that this build does not know, by name. Reads the whole table.
///
/// # Errors
/// [`DbError::Sqlite`] where the database cannot be read.
pub fn unknown_types(tx: &ReadTx<'_>) -> Result<Vec<String>, DbError> {
    let sql = "SELECT DISTINCT event_type FROM events ORDER BY event_type";
    let types: Vec<String> = tx.all(sql, [], |row| row.get("event_type"))?;
    Ok(types.into_iter().filter(|name| EventType::of(name).is_none()).collect())
}

/// Where the plain-file log stood: a file, its length, and the digest that it ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The sequence that the current file is named by; 0 before there is any file.
    pub file: u64,
    /// The length of that file in bytes.
    pub length: u64,
    /// The last event in it, which is the log's head.
    pub head: Head,
}

impl Position {
    /// Before the first event of the first file.
    pub const START: Self = Self { file: 0, length: 0, head: Head::NONE };
}

/// What is kept beside the events and is neither event nor view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bookkeeping {
    /// Where `log/` stood at the last commit.
    pub log: Position,
    /// The version of the views' schema.
    pub views_version: u64,
    /// The last event that the views know.
    pub views_sequence: u64,
    /// Events and payload fields that replay skipped because this build does not know them.
    pub skipped: u64,
}

impl Bookkeeping {
    /// Reads it.
    ///
    /// # Errors
    /// [`DbError::Sqlite`] where the database cannot be read.
    pub fn load(tx: &ReadTx<'_>) -> Result<Self, DbError> {
        let mut kept = Self { log: Position::START, views_version: 0, views_sequence: 0, skipped: 0 };
        let mut all = tx.prepare("SELECT name, value FROM bookkeeping")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let number = || -> rusqlite::Result<u64> {
                Ok(u64::try_from(row.get::<_, Option<i64>>(1)?.unwrap_or(0)).unwrap_or(0))
            };
            match row.get::<_, String>(0)?.as_str() {
                "log_file" => kept.log.file = number()?,
                "log_length" => kept.log.length = number()?,
                "log_sequence" => kept.log.head.sequence = number()?,
                "log_digest" => kept.log.head.digest = Blake3::from_bytes(row.get(1)?),
                "views_version" => kept.views_version = number()?,
                "views_sequence" => kept.views_sequence = number()?,
                "skipped" => kept.skipped = number()?,
                _ => {}
            }
        }
        Ok(kept)
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`DbError::Sqlite`] where the database refuses.
    pub fn store(&self, tx: &WriteTx<'_>) -> Result<(), DbError> {
        for (name, value) in [
            ("log_file", self.log.file),
            ("log_length", self.log.length),
            ("log_sequence", self.log.head.sequence),
            ("views_version", self.views_version),
            ("views_sequence", self.views_sequence),
            ("skipped", self.skipped),
        ] {
            tx.execute("INSERT OR REPLACE INTO bookkeeping VALUES (?1, ?2)", (name, signed(value)))?;
        }
        tx.execute(
            "INSERT OR REPLACE INTO bookkeeping VALUES ('log_digest', ?1)",
            [self.log.head.digest.as_bytes()],
        )?;
        Ok(())
    }
}
