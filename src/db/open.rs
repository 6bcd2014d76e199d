//! Opening `astore.db`: pragmas, the application's mark, and the schema's version.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::DbError;
use super::tx::{ReadTx, WriteTx};
use crate::disk::through_symlinks;

/// The version of the tables `events` and `bookkeeping`, in `PRAGMA user_version`. The views have their own.
pub const SCHEMA_VERSION: i64 = 1;

/// Returns the version of the SQLite that is built in.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// How long a connection waits for another one until it is told otherwise.
const WAIT: Duration = Duration::from_secs(600);

/// `PRAGMA application_id` of an astore database: "astr" in ASCII.
const APPLICATION_ID: i64 = 0x6173_7472;

/// The tables that are no views.
pub(crate) const SCHEMA: &str = include_str!("sql/schema.sql");

/// How a database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading and writing.
    Write,
    /// For reading, beside others that write.
    Read,
}

/// An open database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    /// Where it is and how it was opened; `None` for a temporary one.
    origin: Option<Origin>,
}

/// The write lock of a database, held until dropped, by somebody who writes nothing: nobody else commits meanwhile.
#[derive(Debug)]
pub struct WriteHold {
    _connection: Connection,
}

/// Where a database came from.
#[derive(Debug)]
struct Origin {
    path: PathBuf,
    mode: OpenMode,
    /// Device and inode of the file that has the name.
    file: (u64, u64),
}

impl Origin {
    fn of(path: &Path, mode: OpenMode) -> Option<Self> {
        Some(Self { path: path.to_owned(), mode, file: file_of(path).ok()? })
    }
}

/// Refuses a rollback journal, which we never have: SQLite would play it back, pages and all, into a database that has
/// nothing to do with it.
fn check_journal(path: &Path) -> Result<(), DbError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
    if std::fs::symlink_metadata(&name).is_ok() {
        return Err(DbError::Journal { path: name.into() });
    }
    Ok(())
}

/// Returns device and inode of what stands under a name.
fn file_of(path: &Path) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Refuses what is no regular file under the names that SQLite is about to open. It follows no symlink there, but
/// waits for the other end of a fifo for ever.
fn check_regular(path: &Path) -> Result<(), DbError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        if std::fs::symlink_metadata(&name).is_ok_and(|found| !found.is_file()) {
            return Err(DbError::NotRegular { path: name.into() });
        }
    }
    Ok(())
}

impl Database {
    /// Makes a new database with the tables `events` and `bookkeeping`. The file must be there and empty, or
    /// not be there.
    ///
    /// # Errors
    /// [`DbError::Sqlite`] where SQLite cannot make it.
    pub fn create(path: &Path) -> Result<Self, DbError> {
        Self::make(path, |database| database.set_up(OpenMode::Write))
    }

    fn make(path: &Path, set_up: impl FnOnce(&Self) -> Result<(), DbError>) -> Result<Self, DbError> {
        check_regular(path)?;
        // Not the defaults, by which a path that begins with `file:` is read as a URI.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(through_symlinks(path), flags)?;
        let database = Self { connection, origin: Origin::of(path, OpenMode::Write) };
        database.be_wary()?;
        set_up(&database)?;
        let tx = database.write()?;
        tx.execute_batch(SCHEMA)?;
        tx.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
        ))?;
        tx.commit()?;
        Ok(database)
    }

    /// Makes a new database as [`Database::create`] does, to be filled at one go: nothing of it is durable before
    /// [`Database::finish`], and whoever makes it syncs the file then and gives it its name.
    ///
    /// # Errors
    /// [`DbError::Sqlite`] where SQLite cannot make it.
    pub fn build(path: &Path) -> Result<Self, DbError> {
        Self::make(path, |database| {
            database.set_up(OpenMode::Read)?;
            // No WAL, through which every page would go twice; and no sync of SQLite's own: one that failed may be
            // passed over by it, and is then not told again.
            Ok(database
                .connection
                .execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;")?)
        })
    }

    /// Ends what [`Database::build`] began: all of it is in the one file, which is in WAL mode again.
    ///
    /// # Errors
    /// [`DbError::Sqlite`] where SQLite cannot write it.
    pub fn finish(self) -> Result<(), DbError> {
        self.connection.execute_batch("PRAGMA journal_mode = WAL;")?;
        self.connection.close().map_err(|(_, error)| DbError::Sqlite(error))
    }

    /// Makes a database that lives on disk only as long as this connection: for computing views beside others.
    ///
    /// # Errors
    /// [`DbError::Sqlite`] where SQLite cannot make it.
    pub fn temporary() -> Result<Self, DbError> {
        let connection = Connection::open("")?;
        // A journal in memory, not none: applying an event that leans on a skipped one rolls back to a savepoint,
        // and without a journal SQLite does not say what that does. New pages are not journalled, so it stays small.
        connection.execute_batch(
            "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;",
        )?;
        Ok(Self { connection, origin: None })
    }

    /// Opens the database at `path`.
    ///
    /// # Errors
    /// [`DbError::Missing`] where there is none, [`DbError::NotRegular`] where it is none of SQLite's files,
    /// [`DbError::Foreign`] and [`DbError::Version`] where it is not ours or of a later build, [`DbError::Journal`] and
    /// [`DbError::Planted`] where something was put there that would act in our name, [`DbError::Sqlite`] otherwise.
    /// None of them has changed anything.
    pub fn open(path: &Path, mode: OpenMode) -> Result<Self, DbError> {
        loop {
            let before = match file_of(path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(DbError::Missing { path: path.to_owned() });
                }
                Err(_) => None, // SQLite says what is wrong
            };
            let origin = before.map(|file| Origin { path: path.to_owned(), mode, file });
            let opened = Self::open_once(path, mode, origin);
            // A recover may have put another database there meanwhile: the file of one and the WAL of the other would
            // be neither.
            if file_of(path).ok() == before {
                return opened.map_err(|error| Self::why_not_open(path, error));
            }
        }
    }

    fn open_once(path: &Path, mode: OpenMode, origin: Option<Origin>) -> Result<Self, DbError> {
        check_regular(path)?;
        check_journal(path)?;
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let flags = match mode {
            OpenMode::Write => flags | OpenFlags::SQLITE_OPEN_READ_WRITE,
            OpenMode::Read => flags | OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let connection = Connection::open_with_flags(through_symlinks(path), flags)?;
        let database = Self { connection, origin };
        // Before anything is set: the journal's mode is written into the file, and it may be somebody else's.
        database.be_wary()?;
        database.check_identity(path)?;
        database.check_schema()?;
        database.set_up(mode)?;
        Ok(database)
    }

    /// Returns why the files of a database cannot be opened: SQLite keeps to itself what the system said. It opens three
    /// at least, and has closed them again when it fails. The directory stands in for them: whoever closes another
    /// descriptor of the database's own file takes away the locks that this process has on it (POSIX, `fcntl`).
    fn why_not_open(path: &Path, error: DbError) -> DbError {
        if error.sqlite_code() != Some(rusqlite::ErrorCode::CannotOpen) {
            return error;
        }
        let open = || std::fs::File::open(path.parent().unwrap_or(path));
        match (open(), open(), open(), open()) {
            (Ok(_), Ok(_), Ok(_), Ok(_)) => error,
            (Err(why), ..) | (_, Err(why), ..) | (_, _, Err(why), _) | (.., Err(why)) => DbError::Open(why),
        }
    }

    /// Takes the write lock of the database at `path` and leaves everything in it as it is; `None` where it is missing
    /// or so damaged that nobody can write to it either.
    ///
    /// # Errors
    /// [`DbError::Sqlite`], busy where the lock is not to be had in time.
    pub fn hold(path: &Path, wait: Duration) -> Result<Option<WriteHold>, DbError> {
        let held = || -> Result<WriteHold, DbError> {
            check_regular(path)?;
            let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_NOFOLLOW
                | OpenFlags::SQLITE_OPEN_READ_WRITE;
            let mut wal = path.as_os_str().to_owned();
            wal.push("-wal");
            let holds_events = std::fs::symlink_metadata(&wal).is_ok_and(|found| found.len() > 0);
            let connection = Connection::open_with_flags(through_symlinks(path), flags)?;
            // Else the last one to close it takes the WAL into the database.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, holds_events)?;
            connection.busy_timeout(wait)?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            Ok(WriteHold { _connection: connection })
        };
        match held() {
            Ok(held) => Ok(Some(held)),
            Err(error) if error.is_busy() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Returns whether the file under the name still is the one that was opened; a temporary one always is.
    ///
    /// # Errors
    /// [`DbError::Look`] where the system does not say.
    pub fn has_its_name(&self) -> Result<bool, DbError> {
        let Some(origin) = &self.origin else { return Ok(true) };
        match file_of(&origin.path) {
            Ok(file) => Ok(file == origin.file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(DbError::Look(error)),
        }
    }

    /// Opens the same database once more, in the same way: for another thread.
    ///
    /// # Errors
    /// As [`Database::open`]; [`DbError::Missing`] for a temporary one, which only its own connection sees.
    pub fn again(&self) -> Result<Self, DbError> {
        match &self.origin {
            Some(origin) => Self::open(&origin.path, origin.mode),
            None => Err(DbError::Missing { path: PathBuf::new() }),
        }
    }

    /// Begins a transaction that sees one state of the database.
    ///
    /// # Errors
    /// [`DbError::Sqlite`] where SQLite cannot begin one.
    pub fn read(&self) -> Result<ReadTx<'_>, DbError> {
        ReadTx::begin(&self.connection)
    }

    /// Lets questions be asked that are one statement each, which sees what stands when it is asked. Beginning and ending a
    /// transaction costs more than a lookup does: who asks for each file of a tree notices. Not
    /// for two questions whose answers must agree.
    pub const fn read_single_statements(&self) -> ReadTx<'_> {
        ReadTx::of_single_statements(&self.connection)
    }

    /// Begins a transaction that holds the write lock from its first moment (`BEGIN IMMEDIATE`).
    ///
    /// # Errors
    /// [`DbError::Sqlite`], busy where the lock is not to be had in time: see [`Database::set_wait`].
    pub fn write(&self) -> Result<WriteTx<'_>, DbError> {
        WriteTx::begin(&self.connection)
    }

    /// Sets how long [`Database::write`] waits for the write lock.
    ///
    /// # Errors
    /// [`DbError::Sqlite`] where SQLite refuses.
    pub fn set_wait(&self, wait: Duration) -> Result<(), DbError> {
        Ok(self.connection.busy_timeout(wait)?)
    }

    /// Moves what the WAL holds into the database and gives the WAL's room back; `false` where a reader still needs
    /// it, or the disk has no room for that. Does not wait, but leaves the wait at `wait` for what comes.
    ///
    /// # Errors
    /// [`DbError`] where the wait cannot be set.
    pub fn take_in_wal(&self, wait: Duration) -> Result<bool, DbError> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let busy =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        self.connection.busy_timeout(wait)?;
        Ok(busy.is_ok_and(|busy| busy == 0))
    }

    /// Keeps few pages in memory from here on: for who reads tables from front to end, and no page twice.
    ///
    /// # Errors
    /// [`DbError::Sqlite`] where SQLite refuses.
    pub fn keep_few_pages(&self) -> Result<(), DbError> {
        Ok(self.connection.execute_batch("PRAGMA cache_size = -1024;")?)
    }

    /// Stops waiting for the disk: for tests that make hundreds of databases and pull no plug.
    #[cfg(test)]
    pub(crate) fn hurry(&self) -> Result<(), DbError> {
        Ok(self.connection.execute_batch("PRAGMA synchronous = OFF;")?)
    }

    /// Believes nothing of what the file says it can do.
    fn be_wary(&self) -> Result<(), DbError> {
        self.connection.busy_timeout(WAIT)?;
        for (setting, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        ] {
            self.connection.set_db_config(setting, on)?;
        }
        Ok(self.connection.execute_batch("PRAGMA cell_size_check = ON;")?)
    }

    /// Refuses a database with triggers that are not ours, with views, and with tables that are programs: whatever
    /// reads or writes here would set them going.
    fn check_schema(&self) -> Result<(), DbError> {
        let mut all = self.connection.prepare(
            "SELECT type, name, sql FROM sqlite_schema
             WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'",
        )?;
        let mut rows = all.query(())?;
        while let Some(row) = rows.next()? {
            let (kind, name, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if kind != "trigger" || !SCHEMA.contains(&sql) {
                return Err(DbError::Planted { kind, name });
            }
        }
        Ok(())
    }

    fn set_up(&self, mode: OpenMode) -> Result<(), DbError> {
        self.connection.set_prepared_statement_cache_capacity(64);
        // Recursive triggers make INSERT OR REPLACE fire the delete trigger of `events`.
        self.connection.execute_batch(
            "PRAGMA recursive_triggers = ON; PRAGMA cache_size = -16384; PRAGMA temp_store = FILE;",
        )?;
        if mode == OpenMode::Write {
            // FULL: a commit is durable when it returns. docs/decisions tells when NORMAL would do.
            let set = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
            let journal = self.connection.query_row("PRAGMA journal_mode = WAL", [], set)?;
            if journal != "wal" {
                // SQLite says so little where the system refused what the change needs.
                return Err(DbError::NoWal { journal });
            }
            self.connection
                .execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 1048576;")?;
        }
        Ok(())
    }

    fn check_identity(&self, path: &Path) -> Result<(), DbError> {
        let pragma = |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if pragma("application_id")? != APPLICATION_ID {
            return Err(DbError::Foreign { path: path.to_owned() });
        }
        match pragma("user_version")? {
            SCHEMA_VERSION => Ok(()),
            found => Err(DbError::Version { found }),
        }
    }
}
