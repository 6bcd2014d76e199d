//! `list`, `show`, `files`, `manifest`.

use std::io;

use super::super::Registry;
use super::super::attest::attestations;
use super::super::pin::pins_touching;
use super::super::report::{
    ListFilter, ManifestReport, PackageDetail, PackageSummary, PurgedPart, Reference, WantedLabel,
};
use super::super::resolve::reference as spelled;
use super::{event_line, summary};
use crate::db::ReadTx;
use crate::error::Error;
use crate::events::{self, ChainFault};
use crate::manifest::Entry;
use crate::views::{PackageFilter, PackageRow, browse, runs, trees};

impl Registry {
    /// Lists packages in the order in which they were made, the newest last; with a limit the newest ones.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn list(&self, filter: ListFilter, limit: Option<u64>) -> Result<Vec<PackageSummary>, Error> {
        self.list_labelled(filter, &[], limit)
    }

    /// The same, of packages whose metadata has all of these labels.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn list_labelled(
        &self,
        filter: ListFilter,
        labels: &[WantedLabel],
        limit: Option<u64>,
    ) -> Result<Vec<PackageSummary>, Error> {
        let filter = match filter {
            ListFilter::Present => PackageFilter::Present,
            ListFilter::All => PackageFilter::All,
            ListFilter::Open => PackageFilter::Open,
            ListFilter::Removed => PackageFilter::Removed,
            ListFilter::Expired => PackageFilter::Expired(self.env.now()),
        };
        let mut listed = Vec::new();
        // Labels are in no index: each package is looked at, and the limit is for those that have them.
        let rows = if labels.is_empty() { limit } else { None };
        browse::each_package(&self.db.read()?, filter, rows, |package| -> Result<(), Error> {
            if labels.iter().all(|label| label.is_in(&package.metadata)) {
                listed.push(summary(package));
            }
            self.check_cancelled()
        })?;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        listed.drain(..listed.len().saturating_sub(limit));
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
        let purged = purged_parts(&tx, &package)?;
        let pins = pins_touching(&tx, &package)?;
        let attestations = attestations(&tx, &package)?;
        let PackageRow { metadata, provenance, removed_reason, manifest_size, .. } = package.clone();
        Ok(PackageDetail {
            objects: package.totals.objects,
            object_bytes: package.totals.object_bytes,
            metadata,
            provenance,
            removed_reason,
            manifest_size,
            purged,
            pins,
            attestations,
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

/// Tells what of a package is purged. Only what was removed or could expire, and has seen a gc since it was made, is
/// looked through: nothing else ever loses an object, and a package may have a million.
fn purged_parts(tx: &ReadTx<'_>, package: &PackageRow) -> Result<Vec<PurgedPart>, Error> {
    let could_lose = package.removed_at.is_some() || package.expires_at.is_some();
    if !could_lose && package.expired_sequence.is_none() {
        return Ok(Vec::new());
    }
    if runs::last_gc_round(tx)?.is_none_or(|last| last.started_sequence < package.created_sequence) {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    for (sequence, objects, bytes) in browse::purged_parts(tx, package.tree)? {
        let gone = ChainFault { sequence, what: "the gc that it is to have begun is not there" };
        let run = runs::gc_round(tx, sequence)?.ok_or(gone)?;
        let (at, actor, reason) = (run.started_at, run.actor, run.reason);
        parts.push(PurgedPart { sequence, at, actor, reason, objects, bytes });
    }
    Ok(parts)
}
