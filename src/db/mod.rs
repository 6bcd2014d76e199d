//! SQLite: opening the database, and transactions as types, so that a write outside of one does not compile.
//!
//! Knows what a database and a transaction are; what an event or a view is, the rooms above know.

mod error;
mod open;
mod tx;

pub use error::DbError;
pub use open::{Database, OpenMode, SCHEMA_VERSION, WriteHold};
pub use tx::{ReadTx, WriteTx};
