//! SQLite: opening the database, and transactions as types, so that a write outside of one does not compile.
//!
//! Knows what a database and a transaction are; what an event or a view is, the rooms above know.

mod error;
mod indices;
mod open;
#[cfg(test)]
pub(crate) mod statements;
mod tx;
mod words;

pub use error::DbError;
pub(crate) use indices::index_statements;
pub(crate) use open::SCHEMA;
pub use open::{Database, OpenMode, SCHEMA_VERSION, WriteHold, sqlite_version};
pub use tx::{ReadTx, WriteTx};
