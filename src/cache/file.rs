//! The file of the cache: opening it, and dropping what is not ours, damaged or too large.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::disk::through_symlinks;

/// A cache file larger than this is dropped and begun anew: facts about files that are gone are never collected.
const CACHE_BYTES_MAX: u64 = 2 << 30;
/// How long a write waits for another process's; what cannot be written is read again next time.
const WRITE_WAIT: Duration = Duration::from_secs(2);
/// "asta", so that somebody else's database under this name is never written to.
const APPLICATION_ID: i32 = 0x6173_7461;
/// Counts the shapes of the tables; a cache of another shape is dropped.
const SHAPE: i32 = 2;
/// What SQLite keeps beside the file.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The schema, each statement exactly as SQLite keeps it: whatever else stands there is not ours.
const SCHEMA: [&str; 3] = [
    "CREATE TABLE block (number INTEGER PRIMARY KEY, device INTEGER NOT NULL, first INTEGER NOT NULL, \
     facts BLOB NOT NULL) STRICT",
    "CREATE UNIQUE INDEX block_by_place ON block (device, first)",
    "CREATE TABLE run (run INTEGER PRIMARY KEY, stamp BLOB) STRICT",
];

/// Returns whether an error says that the file is damaged or not a cache of this shape.
pub(super) fn is_useless(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::InvalidQuery)
        || matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Opens the database for reading, in one transaction that lasts: a lookup then costs no lock of its own.
pub(super) fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(through_symlinks(path), flags)?;
    connection.busy_timeout(WRITE_WAIT)?;
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA cache_size = -2048; BEGIN")?;
    Ok(connection)
}

/// Opens the database for writing and checks that it is ours and of this shape.
pub(super) fn connect(path: &Path, mode: u32) -> rusqlite::Result<Connection> {
    prepare_file(path, mode).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(through_symlinks(path), flags)?;
    connection.busy_timeout(WRITE_WAIT)?;
    // A block is some 28 KiB: of large pages it takes two or three.
    connection.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA page_size = 16384",
    )?;
    let is_made = is_made(&connection)?;
    // No sync: what a power cut spoils, the checksums or SQLite itself notice.
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096")?;
    if !is_made {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        if !self::is_made(&transaction)? {
            SCHEMA.iter().try_for_each(|sql| transaction.execute_batch(sql))?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", SHAPE)?;
        }
        transaction.commit()?;
    }
    Ok(connection)
}

/// Returns whether there is a schema, and fails where it is not just ours: a trigger or a view that somebody planted
/// would act, or loop, whenever a fact is stored or looked up.
fn is_made(connection: &Connection) -> rusqlite::Result<bool> {
    let all = "SELECT count(*), count(*) FILTER (WHERE sql IN (?1, ?2, ?3)) FROM sqlite_schema";
    let (all, ours): (i64, i64) = connection.query_row(all, SCHEMA, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let mark = (pragma("application_id")?, pragma("user_version")?);
    match (all, ours, mark) {
        (0, _, (0, 0)) => Ok(false),
        (3, 3, (APPLICATION_ID, SHAPE)) => Ok(true),
        _ => Err(rusqlite::Error::InvalidQuery), // not ours: the caller drops the name
    }
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
pub(super) fn discard(path: &Path) {
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
