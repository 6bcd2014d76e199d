//! The names there are: for who looks for the one that was meant.

use super::super::Registry;
use crate::error::Error;
use crate::views::{browse, pins};

impl Registry {
    /// Returns every name that a package ever had, with its newest version, in the order of their bytes. Goes through
    /// all of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_names(&self) -> Result<Vec<(String, u64)>, Error> {
        Ok(browse::names(&self.db.read()?)?)
    }

    /// Returns the names of all pins, in the order of their bytes.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn pin_names(&self) -> Result<Vec<String>, Error> {
        Ok(pins::all(&self.db.read()?)?.into_iter().map(|pin| pin.name).collect())
    }
}
