//! `finalize`: an open package becomes immutable and gets its manifest.

use super::Registry;
use super::add::{append_healed, receipt};
use super::change::Change;
use super::publish::stage_manifest;
use super::report::{PackageSummary, Reference};
use crate::db::ReadTx;
use crate::error::Error;
use crate::events::EventType;
use crate::manifest::{EntryList, ManifestHeader, RetentionSummary};
use crate::monitor::Monitor;
use crate::plane::{Healed, HealedFrom};
use crate::storage::Staging;
use crate::views::{PackageRow, packages, retention, trees};

impl Registry {
    /// Freezes an open package. Its manifest is durable as an object before the transaction that records it.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::Ambiguous`], [`Error::WrongState`] where it is not open,
    /// [`Error::Changed`] where another process changed it meanwhile.
    pub fn finalize(&self, reference: &Reference, monitor: &dyn Monitor) -> Result<PackageSummary, Error> {
        let (package, entries) = {
            let tx = self.db.read()?;
            let package = self.resolve_open(&tx, reference)?;
            let mut entries = EntryList::new();
            trees::each_entry(&tx, package.tree, |entry| -> Result<(), Error> {
                entries.push(&entry);
                Ok(())
            })?;
            (package, entries)
        };
        let staging = Staging::begin(self.disk.clone(), self.env.random_id())?;
        let summary = self.freeze(&package, entries, &[], &staging, monitor)?;
        drop(staging); // the event stands: what cannot be cleared away now must not make a failure of this
        Ok(summary)
    }

    /// Finalises a package that was open when it was read, with these entries, in one transaction.
    pub(super) fn freeze(
        &self,
        package: &PackageRow,
        entries: EntryList,
        healed: &[Healed],
        staging: &Staging,
        monitor: &dyn Monitor,
    ) -> Result<PackageSummary, Error> {
        let class = package.class.clone();
        let duration_seconds = retention::classes(&self.db.read()?)?
            .into_iter()
            .find_map(|(name, duration)| (name == class).then_some(duration))
            .flatten();
        let header = ManifestHeader {
            id: package.id,
            name: package.name.clone(),
            version: package.version,
            created_at: package.created_at,
            created_by: package.created_by.clone(),
            metadata: package.metadata.clone(),
            receipts: vec![receipt(&entries)],
            retention: RetentionSummary { class, duration_seconds },
            provenance: package.provenance.clone(),
        };
        let manifest = stage_manifest(staging, &header, entries.refs())?;
        drop(entries);
        let payload = manifest.keep(staging)?;
        let (change, summary) = self.publish_and_prepare(staging, &payload, monitor, || {
            let mut change = Change::begin(self, monitor)?;
            self.resolve_still_open(change.tx(), package)?;
            change.append(EventType::PackageFinalized, &package.id.to_string(), &payload)?;
            append_healed(&mut change, healed, HealedFrom::Add)?;
            let summary = self.summary_by_number(change.tx(), package.number)?;
            Ok((change, summary))
        })?;
        change.commit()?;
        Ok(summary)
    }

    /// Fails unless a package is open and as it was read.
    pub(super) fn resolve_still_open(&self, tx: &ReadTx<'_>, read: &PackageRow) -> Result<(), Error> {
        let now = packages::by_number(tx, read.number)?;
        if now.is_some_and(|now| now.changed_sequence == read.changed_sequence) {
            Ok(())
        } else {
            Err(Error::Changed { reference: format!("{}@{}", read.name, read.version) })
        }
    }
}
