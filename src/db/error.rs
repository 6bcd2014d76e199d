//! What a database can fail with, and of which kind it is.

use std::path::PathBuf;

use super::open::SCHEMA_VERSION;
use super::words::in_words;

/// What SQLite or the look of the database can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// There is no database where one should be.
    #[error("no database at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is a database of something else.
    #[error("{} is not an astore database", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Something that is no regular file stands where the database should, or a file that SQLite keeps beside it.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The name.
        path: PathBuf,
    },
    /// A rollback journal stands beside the database, which never has one.
    #[error("{} stands beside the database, which never has one", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
    },
    /// The database holds something that acts on its tables and is not ours.
    #[error("the database has a {kind} {name:?} that is not ours")]
    Planted {
        /// A trigger, a view, a virtual table.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Rows come back in another order than that of their keys: a page is damaged in a way that SQLite does not see.
    #[error("the database: the rows of {table} are out of order")]
    Disorder {
        /// Which table.
        table: &'static str,
    },
    /// The database was written by a later build.
    #[error("the database has schema version {found}, this build knows {SCHEMA_VERSION}")]
    Version {
        /// The version it has.
        found: i64,
    },
    /// SQLite would not keep a write-ahead log.
    #[error("the database cannot be put into WAL mode, and stays in mode {journal}")]
    NoWal {
        /// The journal that it keeps instead.
        journal: String,
    },
    /// The system would not say which file is under the database's name.
    #[error("the database cannot be looked at")]
    Look(#[source] std::io::Error),
    /// The system would not let the database be opened.
    #[error("the database cannot be opened")]
    Open(#[source] std::io::Error),
    /// SQLite refused.
    #[error("the database: {}", in_words(_0))]
    Sqlite(rusqlite::Error),
}

// Not thiserror's: SQLite's error is said above, and its own causes are numbers.
impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl DbError {
    /// Returns whether another connection holds what this one needs.
    pub fn is_busy(&self) -> bool {
        self.sqlite_code().is_some_and(|code| {
            matches!(code, rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
        })
    }

    /// Returns whether the system refused what the database needs: on a full disk, room for the files beside it.
    pub fn is_system(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Look(_))
            || self.sqlite_code().is_some_and(|code| {
                matches!(
                    code,
                    rusqlite::ErrorCode::SystemIoFailure
                        | rusqlite::ErrorCode::DiskFull
                        | rusqlite::ErrorCode::CannotOpen
                )
            })
    }

    /// Returns whether this user, or anybody, may only read the database, or not write beside it.
    pub fn is_read_only(&self) -> bool {
        self.sqlite_code() == Some(rusqlite::ErrorCode::ReadOnly)
    }

    /// Returns whether there was no room for what was to be written.
    pub fn is_full(&self) -> bool {
        self.sqlite_code() == Some(rusqlite::ErrorCode::DiskFull)
    }

    /// Returns whether the file itself is damaged: no new tables in it help.
    pub fn is_malformed(&self) -> bool {
        matches!(
            self.sqlite_code(),
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
        )
    }

    /// Returns whether the database's own bytes are damaged, or hold a value that nothing of ours writes there.
    pub fn is_corrupt(&self) -> bool {
        use rusqlite::Error as Odd;
        matches!(
            self,
            Self::Foreign { .. }
                | Self::NotRegular { .. }
                | Self::Journal { .. }
                | Self::Planted { .. }
                | Self::Disorder { .. }
                | Self::Sqlite(
                    Odd::FromSqlConversionFailure(..)
                        | Odd::IntegralValueOutOfRange(..)
                        | Odd::InvalidColumnType(..)
                        | Odd::InvalidColumnName(..)
                        | Odd::Utf8Error(..)
                        | Odd::QueryReturnedNoRows
                        | Odd::InvalidQuery
                )
        ) || self.sqlite_code().is_some_and(|code| {
            // Every statement is ours and known to be good. Where SQLite finds no such table or column, or a row
            // breaks a rule of its table, it is the database that is not what we made.
            matches!(
                code,
                rusqlite::ErrorCode::DatabaseCorrupt
                    | rusqlite::ErrorCode::NotADatabase
                    | rusqlite::ErrorCode::Unknown
                    | rusqlite::ErrorCode::ConstraintViolation
                    | rusqlite::ErrorCode::TypeMismatch
                    | rusqlite::ErrorCode::TooBig
            )
        })
    }

    /// Returns whether it tells of the file or of the disk beneath it: [corrupt](Self::is_corrupt), or a place that cannot
    /// be read. What stands in the way of this process only (a lock, a full disk, a missing permission) is
    /// none of that, and says nothing of what the database holds.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ffi;
        const READS: [i32; 4] = [
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_SHORT_READ,
            ffi::SQLITE_IOERR_CORRUPTFS,
            ffi::SQLITE_IOERR_DATA,
        ];
        let Self::Sqlite(error) = self else { return self.is_corrupt() };
        self.is_corrupt() || error.sqlite_extended_error_code().is_some_and(|code| READS.contains(&code))
    }

    pub(super) fn sqlite_code(&self) -> Option<rusqlite::ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::Missing { .. }
            | Self::Foreign { .. }
            | Self::NotRegular { .. }
            | Self::Journal { .. }
            | Self::Planted { .. }
            | Self::Disorder { .. }
            | Self::Version { .. }
            | Self::NoWal { .. }
            | Self::Look(_)
            | Self::Open(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn what_stands_in_the_way_of_one_process_is_no_damage() {
        let of = |code| DbError::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_ERROR, ffi::SQLITE_IOERR_READ] {
            assert!(of(code).is_damage(), "{code}");
        }
        for code in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_FULL,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_PERM,
            ffi::SQLITE_IOERR_SHMSIZE,
            ffi::SQLITE_IOERR_LOCK,
        ] {
            assert!(!of(code).is_damage(), "{code}");
        }
    }
}
