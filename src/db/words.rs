//! What an error of SQLite says to a person.

/// Says what SQLite refused, and what the system refused it.
pub(super) fn in_words(error: &rusqlite::Error) -> String {
    // A damaged schema is quoted as it is found: its names may hold anything.
    let said = format!("{}{error}", doing(error));
    said.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Says what the system refused to do, as far as SQLite's extended codes tell it (sqlite3.h, `SQLITE_IOERR_…`); its
/// messages say "disk I/O error" of all of them.
fn doing(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ffi;
    match error.sqlite_error().map(|error| error.extended_code) {
        Some(ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ) => "cannot read its files: ",
        Some(ffi::SQLITE_IOERR_WRITE) => "cannot write its files: ",
        Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => "cannot sync its files: ",
        Some(ffi::SQLITE_IOERR_TRUNCATE) => "cannot cut its files to size: ",
        Some(ffi::SQLITE_IOERR_FSTAT | ffi::SQLITE_IOERR_ACCESS) => "cannot look at its files: ",
        Some(ffi::SQLITE_IOERR_DELETE | ffi::SQLITE_IOERR_DELETE_NOENT) => "cannot remove its files: ",
        Some(
            ffi::SQLITE_IOERR_LOCK
            | ffi::SQLITE_IOERR_RDLOCK
            | ffi::SQLITE_IOERR_UNLOCK
            | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK
            | ffi::SQLITE_IOERR_SHMLOCK,
        ) => "cannot lock its files: ",
        Some(
            ffi::SQLITE_IOERR_SHMOPEN
            | ffi::SQLITE_IOERR_SHMSIZE
            | ffi::SQLITE_IOERR_SHMMAP
            | ffi::SQLITE_IOERR_MMAP,
        ) => "cannot map its files: ",
        Some(_) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::super::DbError;

    #[test]
    fn an_error_of_sqlite_says_what_was_refused() {
        for (code, says) in [
            (ffi::SQLITE_IOERR_FSYNC, "the database: cannot sync its files: disk I/O error"),
            (ffi::SQLITE_IOERR_WRITE, "the database: cannot write its files: disk I/O error"),
            (ffi::SQLITE_IOERR_SHMSIZE, "the database: cannot map its files: disk I/O error"),
            (ffi::SQLITE_CONSTRAINT, "the database: disk I/O error"),
        ] {
            let refused = ffi::Error::new(code);
            let error = DbError::from(rusqlite::Error::SqliteFailure(refused, Some("disk I/O error".into())));
            assert_eq!(error.to_string(), says);
            assert!(std::error::Error::source(&error).is_none(), "its causes are numbers");
        }
        let quoted = "malformed database schema (\u{12}a\nb)".to_owned();
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(quoted));
        assert_eq!(
            DbError::from(error).to_string(),
            "the database: malformed database schema (\u{fffd}a\u{fffd}b)"
        );
    }
}
