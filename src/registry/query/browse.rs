//! `list`, `show`, `files`, `manifest`.

use std::io;

use super::super::Registry;
use super::super::pin::pins_touching;
use super::super::report::{ListFilter, ManifestReport, PackageDetail, PackageSummary, Reference};
use super::super::resolve::reference as spelled;
use super::{event_line, summary};
use crate::error::Error;
use crate::events;
use crate::manifest::Entry;
use crate::views::{PackageFilter, PackageRow, browse, trees};

impl Registry {
    /// Lists packages in the order in which they were made, the newest last; with a limit the newest ones.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn list(&self, filter: ListFilter, limit: Option<u64>) -> Result<Vec<PackageSummary>, Error> {
        let filter = match filter {
            ListFilter::Present => PackageFilter::Present,
            ListFilter::All => PackageFilter::All,
            ListFilter::Open => PackageFilter::Open,
            ListFilter::Removed => PackageFilter::Removed,
            ListFilter::Expired => PackageFilter::Expired(self.env.now()),
        };
        let mut listed = Vec::new();
        browse::each_package(&self.db.read()?, filter, limit, |package| -> Result<(), Error> {
            listed.push(summary(package));
            self.check_cancelled()
        })?;
        Ok(listed)
    }

    /// Shows a package in full, but for its entries. A removed one too, where it is named exactly.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::AllRemoved`], [`Error::Ambiguous`].
    pub fn show(&self, reference: &Reference) -> Result<PackageDetail, Error> {
        let tx = self.db.read()?;
        let package = self.resolve(&tx, reference)?;
        let events = events::of_package(&tx, &package.id)?.into_iter().map(event_line).collect();
        let pins = pins_touching(&tx, &package)?;
        let PackageRow { metadata, provenance, removed_reason, manifest_size, .. } = package.clone();
        Ok(PackageDetail {
            objects: package.totals.objects,
            object_bytes: package.totals.object_bytes,
            metadata,
            provenance,
            removed_reason,
            manifest_size,
            pins,
            events,
            summary: summary(package),
        })
    }

    /// Hands out a package's entries, ascending by path; an error of `each` ends it.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::AllRemoved`], [`Error::Ambiguous`], [`Error::Output`].
    pub fn files(
        &self,
        reference: &Reference,
        each: &mut dyn FnMut(&Entry) -> io::Result<()>,
    ) -> Result<PackageSummary, Error> {
        let tx = self.db.read()?;
        let package = self.resolve(&tx, reference)?;
        trees::each_entry(&tx, package.tree, |entry| -> Result<(), Error> {
            self.check_cancelled()?;
            each(&entry).map_err(Error::Output)
        })?;
        Ok(summary(package))
    }

    /// Returns a finalised package's manifest, checked against its digest. Where its object is damaged, the copy
    /// in the log serves, or what the views know of it.
    ///
    /// # Errors
    /// [`Error::WrongState`] where the package is open, [`Error::PayloadUnavailable`] where no copy is sound.
    pub fn manifest(&self, reference: &Reference) -> Result<ManifestReport, Error> {
        let tx = self.db.read()?;
        let package = self.resolve(&tx, reference)?;
        let digest = package
            .manifest_digest
            .ok_or_else(|| Error::WrongState { reference: spelled(&package), state: "open" })?;
        let bytes = self.manifest_bytes(&tx, &package, &digest)?;
        Ok(ManifestReport { package: summary(package), digest, bytes })
    }
}
