//! What is purged, and what must not be: one place refuses it, tells by whom, when and why, and asks the log again
//! where a file was missing that the log had called stored.

use super::Registry;
use super::resolve::reference;
use crate::audit::{self, Purge};
use crate::db::{DbError, ReadTx};
use crate::error::Error;
use crate::events::{Bookkeeping, ChainFault};
use crate::identity::{Blake3, ContentAddress};
use crate::views::{ObjectRecord, PackageRow, browse, objects};

/// How many purged objects a refusal names.
const PURGED_NAMED_MAX: u32 = 3;

impl Registry {
    /// Asks the log, as it stands now, about an object that was found missing.
    ///
    /// # Errors
    /// [`Error::Purged`] where that is why, [`Error::Changed`] where the log cannot be asked anew.
    pub(super) fn ask_again(&self, object: &ObjectRecord) -> Result<ObjectRecord, Error> {
        let tx = self.db.read()?;
        self.check_current(&tx)?;
        let address = object.digests.address();
        let found = objects::find(&tx, &address.digest()).map_err(DbError::from)?;
        let now = found.ok_or_else(|| Error::NoSuchObject { address: address.to_string() })?;
        self.refuse_purged(&tx, &now)?;
        Ok(now)
    }

    /// Fails where this works on a private copy of the database, and the log has gone on since that was made.
    pub(super) fn check_current(&self, tx: &ReadTx<'_>) -> Result<(), Error> {
        if self.private.is_some() && !self.files.stands_at(&Bookkeeping::load(tx)?.log)? {
            return Err(Error::Changed { reference: "the log".to_owned() });
        }
        Ok(())
    }

    /// Fails where an object is purged, and tells by whom, when and why.
    pub(super) fn refuse_purged(&self, tx: &ReadTx<'_>, object: &ObjectRecord) -> Result<(), Error> {
        match object.purged_sequence {
            Some(sequence) => Err(self.purged(tx, &object.digests.blake3, sequence)?),
            None => Ok(()),
        }
    }

    /// Makes the error that tells who purged an object.
    pub(super) fn purged(&self, tx: &ReadTx<'_>, address: &Blake3, sequence: u64) -> Result<Error, Error> {
        let purge = Box::new(self.purge_of(tx, address, sequence)?);
        Ok(Error::Purged { address: ContentAddress::new(*address), purge })
    }

    /// Tells who purged an object, when and why.
    pub(super) fn purge_of(&self, tx: &ReadTx<'_>, address: &Blake3, sequence: u64) -> Result<Purge, Error> {
        let purge = audit::purge(tx, &self.local, address, sequence)?;
        Ok(purge.ok_or(ChainFault { sequence, what: "the gc that it is to have begun is not there" })?)
    }
}

/// Fails where objects of a package that is to be live are purged.
pub(super) fn refuse_purged_package(tx: &ReadTx<'_>, package: &PackageRow) -> Result<(), Error> {
    match browse::purged_of_tree(tx, package.tree, PURGED_NAMED_MAX)? {
        (0, _) => Ok(()),
        (count, objects) => Err(Error::HasPurged { reference: reference(package), count, objects }),
    }
}
