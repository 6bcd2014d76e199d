//! Transactions as types: a [`ReadTx`] sees one state, a [`WriteTx`] holds the write lock.

use std::ops::Deref;

use rusqlite::{CachedStatement, Connection, Params, Transaction, TransactionBehavior};

use super::DbError;

/// What questions are asked of: one state of the database, for as long as this is held; or, from
/// [`Database::read_single_statements`](super::Database::read_single_statements), for each statement the state of its
/// moment.
#[derive(Debug)]
pub struct ReadTx<'c> {
    connection: &'c Connection,
    /// Rolled back when dropped, which lets go of the state. `None` where somebody else holds it, or nobody.
    _tx: Option<Transaction<'c>>,
}

impl<'c> ReadTx<'c> {
    pub(super) fn begin(connection: &'c Connection) -> Result<Self, DbError> {
        let tx = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
        // A deferred transaction takes its snapshot at its first read: take it now, not at some later moment.
        tx.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(Self { connection, _tx: Some(tx) })
    }

    pub(super) const fn of_single_statements(connection: &'c Connection) -> Self {
        Self { connection, _tx: None }
    }

    /// Returns a prepared statement, made once a connection.
    pub(crate) fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        #[cfg(test)]
        super::statements::note(sql);
        self.connection.prepare_cached(sql)
    }

    /// Runs a query that answers with one row.
    pub(crate) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.prepare(sql)?.query_row(params, read)
    }

    /// Runs a query that answers with one row or none.
    pub(crate) fn maybe<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        rusqlite::OptionalExtension::optional(self.one(sql, params, read))
    }

    /// Returns what SQLite itself finds wrong with the database, up to `limit` lines: pages, rows that break a rule of
    /// their table, and indices that do not say what their tables do. Reads all of it.
    pub(crate) fn integrity(&self, limit: u32) -> rusqlite::Result<Vec<String>> {
        let sql = format!("PRAGMA integrity_check({limit})");
        let lines: Vec<String> = self.all(&sql, [], |row| row.get(0))?;
        Ok(lines.into_iter().filter(|line| line != "ok").map(|line| line.replace('\n', " ")).collect())
    }

    /// Runs a query and collects its rows: for answers that are small by their nature.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.prepare(sql)?.query_map(params, read)?.collect()
    }
}

/// A transaction that holds the write lock. Dropped without [`WriteTx::commit`], it leaves no trace.
#[derive(Debug)]
pub struct WriteTx<'c> {
    tx: Transaction<'c>,
    /// Reads on the same connection, and so within the transaction.
    read: ReadTx<'c>,
}

impl<'c> WriteTx<'c> {
    pub(super) fn begin(connection: &'c Connection) -> Result<Self, DbError> {
        let tx = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        Ok(Self { tx, read: ReadTx { connection, _tx: None } })
    }

    /// Runs a statement and returns how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.prepare(sql)?.execute(params)
    }

    /// Runs several statements.
    pub(crate) fn execute_batch(&self, sql: &str) -> rusqlite::Result<()> {
        self.read.connection.execute_batch(sql)
    }

    /// Does something that may fail half-way: then nothing of it is left in this transaction, which goes on.
    pub(crate) fn attempt<T, E: From<DbError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let batch = |sql| self.execute_batch(sql).map_err(|error| E::from(error.into()));
        batch("SAVEPOINT attempt")?;
        let done = work();
        batch(if done.is_ok() { "RELEASE attempt" } else { "ROLLBACK TO attempt; RELEASE attempt" })?;
        done
    }

    /// Makes all of it stand.
    ///
    /// # Errors
    /// [`DbError::Sqlite`]: then none of it stands in this database.
    pub fn commit(self) -> Result<(), DbError> {
        Ok(self.tx.commit()?)
    }
}

/// What can be read can be read inside a write, too.
impl<'c> Deref for WriteTx<'c> {
    type Target = ReadTx<'c>;

    fn deref(&self) -> &ReadTx<'c> {
        &self.read
    }
}
