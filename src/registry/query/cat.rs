//! `cat`: an object's bytes, checked on the way out.

use std::io;

use super::super::Registry;
use super::super::report::{ByteRange, CatTarget};
use super::super::resolve::reference as spelled;
use crate::db::{DbError, ReadTx};
use crate::error::Error;
use crate::manifest::EntryBody;
use crate::plane::{self, ServeError};
use crate::views::{ObjectRecord, objects, trees};

impl Registry {
    /// Writes an object's bytes, or a range of them, and returns how many. Up to 16 MiB are checked before the
    /// first byte is written, longer ones by the end.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::NoSuchPath`], [`Error::NotAFile`], [`Error::NoSuchObject`],
    /// [`Error::AmbiguousObject`], [`Error::Purged`], [`Error::Range`], and [`Error::Serve`] where the bytes are
    /// missing or damaged: what was written is not to be trusted then.
    pub fn cat(
        &self,
        target: &CatTarget,
        range: Option<ByteRange>,
        out: &mut dyn io::Write,
    ) -> Result<u64, Error> {
        let mut object = self.object_of(&self.db.read()?, target)?;
        loop {
            let digests = object.digests;
            let range = range.map(|range| check_range(range, digests.size_bytes)).transpose()?;
            match plane::copy_checked(&self.local, &digests.address(), range, out, &self.cancelled) {
                // Nothing was written yet. A gc may have taken the file since the log was asked.
                Err(missing @ ServeError::Missing { .. }) => match self.ask_again(&object)? {
                    now if now == object => return Err(missing.into()),
                    now => object = now,
                },
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Finds the object that a target means, and sees to it that it is not purged.
    fn object_of(&self, tx: &ReadTx<'_>, target: &CatTarget) -> Result<ObjectRecord, Error> {
        let object = match target {
            CatTarget::Object(prefix) => self.resolve_object(tx, prefix)?,
            CatTarget::Path { reference, path } => {
                let package = self.resolve(tx, reference)?;
                let reference = spelled(&package);
                let Some(entry) = trees::entry_at(tx, package.tree, path.as_bytes())? else {
                    return Err(Error::NoSuchPath { reference, path: path.clone() });
                };
                let EntryBody::File { object, .. } = &entry.body else {
                    return Err(Error::NotAFile { reference, path: path.clone(), kind: entry.body.kind() });
                };
                let found = objects::find(tx, &object.blake3).map_err(DbError::from)?;
                found.ok_or_else(|| Error::NoSuchObject { address: object.address().to_string() })?
            }
        };
        self.refuse_purged(tx, &object)?;
        Ok(object)
    }
}

/// Refuses a range that holds no byte of the object; one that goes beyond the end stops there.
fn check_range(range: ByteRange, size_bytes: u64) -> Result<crate::storage::ByteRange, Error> {
    if range.last.is_some_and(|last| last < range.first) {
        return Err(Error::BadText { what: "range", problem: "ends before it begins" });
    }
    if range.first >= size_bytes {
        return Err(Error::Range { first: range.first, size_bytes });
    }
    Ok(crate::storage::ByteRange { first: range.first, last: range.last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_must_hold_a_byte() {
        let check = |first, last, size| check_range(ByteRange { first, last }, size).is_ok();
        assert!(check(0, Some(0), 1));
        assert!(check(0, None, 1));
        assert!(check(4, Some(100), 5));
        assert!(!check(0, Some(0), 0));
        assert!(!check(5, None, 5));
        assert!(!check(3, Some(2), 5));
    }
}
