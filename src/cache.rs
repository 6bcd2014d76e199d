//! The stat cache: which digests a file had when it was last read, in a SQLite file of its own.
//!
//! It is nobody's truth. It may be deleted or damaged at any time: then it is made anew, or not used, and
//! nothing but time is lost. Each row carries a checksum of itself, so that a damaged file can make the cache
//! forget but not lie, and SQLite need not sync it. A row is a fact about a file (these bytes were read under
//! this size and these times), true whatever the store holds; whether the store still has the object is for
//! the caller to ask.
//!
//! Files whose times are too fresh to tell are neither stored nor answered for: a file that is changed
//! again within one tick of the file system's clock keeps its size and times.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::disk::through_symlinks;
use crate::env::Timestamp;
use crate::identity::{Blake3, ContentAddress, Digests, Sha256};

/// A file whose times are within this long of the instant it was looked at is not cached.
const RACY_SECONDS: i64 = 2;
/// A cache file larger than this is dropped and begun anew: rows of files that are gone are never collected.
const CACHE_BYTES_MAX: u64 = 2 << 30;
/// How long a write waits for another process's; what cannot be written is read again next time.
const WRITE_WAIT: Duration = Duration::from_secs(2);
/// "asta", so that somebody else's database under this name is never written to.
const APPLICATION_ID: i32 = 0x6173_7461;
/// Counts the shapes of the table; a cache of another shape is dropped.
const SHAPE: i32 = 1;
const FACT_BYTES: usize = 104;
/// What SQLite keeps beside the file.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS file (
    device INTEGER NOT NULL, inode INTEGER NOT NULL, fact BLOB NOT NULL,
    PRIMARY KEY (device, inode)) WITHOUT ROWID, STRICT";
const SELECT: &str = "SELECT fact FROM file WHERE device = ?1 AND inode = ?2";
const INSERT: &str = "INSERT OR REPLACE INTO file (device, inode, fact) VALUES (?1, ?2, ?3)";
const ADDRESSES: &str = "SELECT device, inode, substr(fact, 33, 32) FROM file";
const DELETE: &str = "DELETE FROM file WHERE device = ?1 AND inode = ?2";

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device that holds it.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
}

/// A time of a file, as `stat` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime {
    /// Seconds since the Unix epoch.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanoseconds: u32,
}

/// What tells a file's present content from its past ones, as far as `stat` can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Which file.
    pub id: FileId,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When its bytes were last changed, as its owner says.
    pub mtime: FileTime,
    /// When its inode was last changed, as the kernel says.
    pub ctime: FileTime,
}

/// A file as it was when these digests were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The file, before and after it was read.
    pub print: Fingerprint,
    /// What was read; as many bytes as the fingerprint says.
    pub digests: Digests,
}

/// The stat cache of one store, open for writing.
#[derive(Debug)]
pub struct StatCache {
    path: PathBuf,
    started: Timestamp,
    writer: Mutex<Option<Connection>>,
}

/// One thread's view of the cache.
#[derive(Debug)]
pub struct CacheReader {
    started: Timestamp,
    connection: Option<Connection>,
}

impl StatCache {
    /// Opens the cache, making it anew where it is missing, damaged or not ours. A new file gets exactly `mode`.
    ///
    /// `started` is an instant before anything is looked at. `None` means that there is none to be had (a
    /// read-only store, a file system without locks): every file is then read.
    pub fn open(path: &Path, mode: u32, started: Timestamp) -> Option<Self> {
        let connection = match connect(path, mode) {
            Ok(connection) => connection,
            Err(error) if is_useless(&error) => {
                discard(path);
                connect(path, mode).ok()?
            }
            Err(_) => return None,
        };
        Some(Self { path: path.to_owned(), started, writer: Mutex::new(Some(connection)) })
    }

    /// Opens the cache where there is one, and makes none.
    pub fn open_existing(path: &Path, started: Timestamp) -> Option<Self> {
        let there = path.symlink_metadata().is_ok_and(|found| found.is_file());
        let connection = if there { connect(path, 0o600).ok()? } else { return None };
        Some(Self { path: path.to_owned(), started, writer: Mutex::new(Some(connection)) })
    }

    /// Returns a view of what the cache holds now, for one thread.
    pub fn reader(&self) -> CacheReader {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection =
            Connection::open_with_flags(through_symlinks(&self.path), flags).and_then(|connection| {
                connection.busy_timeout(WRITE_WAIT)?;
                // One read transaction for the whole run: a lookup then costs no lock of its own.
                connection.execute_batch("PRAGMA cache_size = -4096; BEGIN")?;
                Ok(connection)
            });
        CacheReader { started: self.started, connection: connection.ok() }
    }

    /// Stores facts, but for those of files that are too fresh. What cannot be stored is left out.
    pub fn remember(&self, facts: &[Fact]) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connection) = writer.as_mut() else { return };
        if let Err(error) = insert(connection, facts, self.started) {
            self.give_up(&mut writer, &error);
        }
    }

    /// Forgets the files that had this content, and returns how many they were: the next add reads them again.
    pub fn forget(&self, addresses: &[ContentAddress]) -> u64 {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connection) = writer.as_mut() else { return 0 };
        match delete(connection, addresses) {
            Ok(files) => files,
            Err(error) => {
                self.give_up(&mut writer, &error);
                0
            }
        }
    }

    /// Stops using a cache that failed, and drops it where it is damaged. One that is merely busy goes on.
    fn give_up(&self, writer: &mut Option<Connection>, error: &rusqlite::Error) {
        if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) {
            return;
        }
        *writer = None;
        if is_useless(error) {
            discard(&self.path);
        }
    }
}

impl CacheReader {
    /// Returns the digests of a file that is still as it was when it was read, if the cache can tell.
    pub fn lookup(&mut self, print: &Fingerprint) -> Option<Digests> {
        if is_racy(print, self.started) {
            return None;
        }
        let connection = self.connection.as_ref()?;
        let (device, inode) = key(print.id);
        let fact = connection.prepare_cached(SELECT).and_then(|mut select| {
            let mut rows = select.query((device, inode))?;
            let Some(row) = rows.next()? else { return Ok(None) };
            Ok(decode(row.get_ref(0)?.as_blob()?, print))
        });
        match fact {
            Ok(found) => found,
            Err(_) => {
                self.connection = None;
                None
            }
        }
    }
}

/// Returns whether a file changed so lately that a later change might not show in its times.
fn is_racy(print: &Fingerprint, started: Timestamp) -> bool {
    let seconds_max = started.as_micros().div_euclid(1_000_000) - RACY_SECONDS;
    print.mtime.seconds >= seconds_max || print.ctime.seconds >= seconds_max
}

/// Returns whether an error says that the file is damaged or not a cache of this shape.
fn is_useless(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::InvalidQuery)
        || matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn insert(connection: &mut Connection, facts: &[Fact], started: Timestamp) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    {
        let mut insert = transaction.prepare_cached(INSERT)?;
        for fact in facts {
            if !is_racy(&fact.print, started) && fact.print.size_bytes == fact.digests.size_bytes {
                let (device, inode) = key(fact.print.id);
                insert.execute((device, inode, encode(fact)))?;
            }
        }
    }
    transaction.commit()
}

fn delete(connection: &mut Connection, addresses: &[ContentAddress]) -> rusqlite::Result<u64> {
    let unwanted: std::collections::HashSet<&[u8]> =
        addresses.iter().map(|address| address.as_bytes().as_slice()).collect();
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut files: Vec<(i64, i64)> = Vec::new();
    {
        let mut all = transaction.prepare(ADDRESSES)?;
        let mut rows = all.query(())?;
        while let Some(row) = rows.next()? {
            if unwanted.contains(row.get_ref(2)?.as_blob()?) {
                files.push((row.get(0)?, row.get(1)?));
            }
        }
        let mut delete = transaction.prepare(DELETE)?;
        for key in &files {
            delete.execute(*key)?;
        }
    }
    transaction.commit()?;
    Ok(files.len() as u64)
}

/// SQLite's integers are signed: the same 64 bits, read as such.
fn key(id: FileId) -> (i64, i64) {
    (id.device.cast_signed(), id.inode.cast_signed())
}

/// Lays a fact out: size, mtime, ctime (8 + 4 bytes each), both digests, and 8 bytes of a checksum over
/// device, inode and all of that.
fn encode(fact: &Fact) -> [u8; FACT_BYTES] {
    let mut bytes = [0; FACT_BYTES];
    bytes[..32].copy_from_slice(&print_bytes(&fact.print));
    bytes[32..64].copy_from_slice(fact.digests.blake3.as_bytes());
    bytes[64..96].copy_from_slice(fact.digests.sha256.as_bytes());
    let check = checksum(fact.print.id, &bytes[..96]);
    bytes[96..].copy_from_slice(&check);
    bytes
}

fn decode(bytes: &[u8], print: &Fingerprint) -> Option<Digests> {
    if bytes.len() != FACT_BYTES
        || bytes[..32] != print_bytes(print)
        || bytes[96..] != checksum(print.id, &bytes[..96])
    {
        return None;
    }
    let blake3 = Blake3::from_slice(&bytes[32..64])?;
    let sha256 = Sha256::from_slice(&bytes[64..96])?;
    Some(Digests { blake3, sha256, size_bytes: print.size_bytes })
}

fn print_bytes(print: &Fingerprint) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&print.size_bytes.to_le_bytes());
    bytes[8..16].copy_from_slice(&print.mtime.seconds.to_le_bytes());
    bytes[16..20].copy_from_slice(&print.mtime.nanoseconds.to_le_bytes());
    bytes[20..28].copy_from_slice(&print.ctime.seconds.to_le_bytes());
    bytes[28..32].copy_from_slice(&print.ctime.nanoseconds.to_le_bytes());
    bytes
}

fn checksum(id: FileId, fact: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&id.device.to_le_bytes()).update(&id.inode.to_le_bytes()).update(fact);
    let mut check = [0; 8];
    hasher.finalize_xof().fill(&mut check);
    check
}

/// Opens the database for writing and checks that it is ours and of this shape.
fn connect(path: &Path, mode: u32) -> rusqlite::Result<Connection> {
    prepare_file(path, mode).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(through_symlinks(path), flags)?;
    connection.busy_timeout(WRITE_WAIT)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, shape) = (pragma("application_id")?, pragma("user_version")?);
    let pages = connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))?;
    if pages > 0 && (application, shape) != (APPLICATION_ID, SHAPE) {
        return Err(rusqlite::Error::InvalidQuery); // not ours: the caller drops the name
    }
    // A trigger or a view that somebody planted would act, or loop, whenever a fact is stored or looked up.
    let others = "SELECT count(*) FROM sqlite_schema WHERE type <> 'table' OR name <> 'file'";
    if connection.query_row(others, [], |row| row.get::<_, i64>(0))? > 0 {
        return Err(rusqlite::Error::InvalidQuery);
    }
    // No sync: what a power cut spoils, the rows' checksums or SQLite itself notice.
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096")?;
    if pages > 0 {
        return Ok(connection);
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SHAPE)?;
    transaction.commit()?;
    Ok(connection)
}

/// Makes the file where it is missing, with this mode and the directory's owner, whoever runs this.
fn prepare_file(path: &Path, mode: u32) -> io::Result<()> {
    drop_alien(path)?;
    match path.symlink_metadata() {
        Ok(found) if found.is_file() && found.len() <= CACHE_BYTES_MAX => return Ok(()),
        Ok(_) => discard(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => {
            file.set_permissions(std::fs::Permissions::from_mode(mode))?;
            if let Some(parent) = path.parent()
                && rustix::process::geteuid().is_root()
            {
                let owner = parent.symlink_metadata()?;
                std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()), // another process was faster
        Err(error) => Err(error),
    }
}

/// Takes the cache away where something stands beside it that SQLite would follow (a symlink), wait for (a fifo) or
/// play back (a rollback journal); the cache has no such journal but for a moment when it is made.
fn drop_alien(path: &Path) -> io::Result<()> {
    let is_alien = || {
        BESIDE.iter().any(|suffix| {
            with_suffix(path, suffix)
                .symlink_metadata()
                .is_ok_and(|found| !found.is_file() || *suffix == "-journal")
        })
    };
    if is_alien() {
        discard(path);
        if is_alien() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
    }
    Ok(())
}

/// Takes away a cache that is of no use, with the files that SQLite keeps beside it.
#[expect(clippy::disallowed_methods, reason = "the cache is a file of its own that may vanish at any time")]
fn discard(path: &Path) {
    for suffix in std::iter::once("").chain(BESIDE) {
        // Whatever cannot be removed stays; the cache is then not used.
        drop(std::fs::remove_file(with_suffix(path, suffix)));
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;
