//! What the log says of an object, for the data plane: its threads ask while an add or a scan runs.

use std::sync::{Mutex, PoisonError};

use crate::db::Database;
use crate::identity::ContentAddress;
use crate::plane::{self, BoxError, Known};
use crate::views::{Standing, objects};

/// Asks on a connection of its own, each time anew: what was recorded meanwhile is seen.
pub(super) struct KnownObjects(Mutex<Database>);

impl KnownObjects {
    /// Takes the connection.
    pub(super) const fn new(db: Database) -> Self {
        Self(Mutex::new(db))
    }
}

impl Known for KnownObjects {
    fn standing(&self, address: &ContentAddress) -> Result<plane::Standing, BoxError> {
        let db = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = objects::find(&db.read()?, &address.digest())?;
        Ok(match found.map(|object| object.standing()) {
            None | Some(Standing::Unknown) => plane::Standing::Unknown,
            Some(Standing::Stored) => plane::Standing::Stored,
            Some(Standing::Purged) => plane::Standing::Purged,
            Some(Standing::Damaged) => plane::Standing::Damaged,
        })
    }
}
