//! `remove` and `restore`: a package goes and comes back; no byte moves.

use super::Registry;
use super::attest::attestations;
use super::change::{Change, Payload};
use super::pin::roots_of;
use super::purged::refuse_purged_package;
use super::report::{PackageSummary, Reference, RemoveReport};
use super::text::check_text;
use crate::db::ReadTx;
use crate::error::Error;
use crate::events::{EventType, payload};
use crate::monitor::Void;
use crate::views::PackageRow;

impl Registry {
    /// Says which packages [`Registry::remove`] would take away, each once, and what would keep their bytes.
    ///
    /// # Errors
    /// As those of [`Registry::remove`] about its references.
    pub fn removable(&self, references: &[Reference]) -> Result<RemoveReport, Error> {
        let tx = self.db.read()?;
        let mut packages: Vec<PackageRow> = Vec::new();
        for reference in references {
            let package = self.resolve_to_remove(&tx, reference)?;
            if packages.iter().all(|known| known.number != package.number) {
                packages.push(package);
            }
        }
        self.would_remove(&tx, &packages)
    }

    /// Says what would be removed, and changes nothing: no event has a number yet.
    pub(super) fn would_remove(
        &self,
        tx: &ReadTx<'_>,
        packages: &[PackageRow],
    ) -> Result<RemoveReport, Error> {
        let mut report = RemoveReport::default();
        for package in packages {
            report.packages.push(self.summary_by_number(tx, package.number)?);
            report.kept_by.extend(roots_of(tx, package)?);
            report.attestations.extend(attestations(tx, package)?);
        }
        report.keep_those_that_stay();
        Ok(report)
    }

    /// Takes packages away, all or none; their bytes stay.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::Ambiguous`], [`Error::WrongState`] where one is removed already.
    pub fn remove(&self, references: &[Reference], reason: &str) -> Result<RemoveReport, Error> {
        check_text("reason", reason)?;
        self.make_room();
        let mut change = Change::begin(self, &Void)?;
        let mut report = RemoveReport::default();
        let mut removed = Vec::new();
        for reference in references {
            let package = self.resolve_to_remove(change.tx(), reference)?;
            if removed.contains(&package.number) {
                continue; // named twice: once is enough
            }
            report.kept_by.extend(roots_of(change.tx(), &package)?);
            report.attestations.extend(attestations(change.tx(), &package)?);
            let payload = Payload::inline(payload::package_removed(reason));
            let sequence = change.append(EventType::PackageRemoved, &package.id.to_string(), &payload)?;
            report.sequences.push(sequence);
            removed.push(package.number);
        }
        for number in removed {
            report.packages.push(self.summary_by_number(change.tx(), number)?);
        }
        report.keep_those_that_stay();
        change.commit()?;
        Ok(report)
    }

    /// Brings a removed package back.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::Ambiguous`], [`Error::WrongState`] where it is not removed,
    /// [`Error::HasPurged`] where bytes of it are gone.
    pub fn restore(&self, reference: &Reference) -> Result<PackageSummary, Error> {
        let mut change = Change::begin(self, &Void)?;
        let package = self.resolve_to_restore(change.tx(), reference)?;
        refuse_purged_package(change.tx(), &package)?;
        let payload = Payload::inline(payload::package_restored(None));
        change.append(EventType::PackageRestored, &package.id.to_string(), &payload)?;
        let summary = self.summary_by_number(change.tx(), package.number)?;
        change.commit()?;
        Ok(summary)
    }
}
