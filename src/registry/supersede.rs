//! `remove NAME --keep N`: the versions of a name that newer ones have taken the place of go; no byte moves.

use super::Registry;
use super::attest::attestations;
use super::change::{Change, Payload};
use super::pin::roots_of;
use super::report::{RemoveReport, Superseded};
use super::text::check_text;
use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::error::Error;
use crate::events::{EventType, payload};
use crate::monitor::Void;
use crate::views::{PackageRow, browse};

impl Registry {
    /// Says which versions of a name [`Registry::remove_superseded`] would take away, oldest first, and what would
    /// keep their bytes.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`] where no version of the name is present.
    pub fn superseded(&self, superseded: &Superseded) -> Result<RemoveReport, Error> {
        let now = self.env.now();
        let tx = self.db.read()?;
        self.would_remove(&tx, &select(&tx, superseded, now)?)
    }

    /// Takes the superseded versions of a name away, all or none; their bytes stay. Which these are is decided
    /// under the write lock, so that versions made meanwhile count.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`] where no version of the name is present.
    pub fn remove_superseded(&self, superseded: &Superseded, reason: &str) -> Result<RemoveReport, Error> {
        check_text("reason", reason)?;
        self.make_room();
        let now = self.env.now();
        let mut change = Change::begin(self, &Void)?;
        let mut report = RemoveReport::default();
        let packages = select(change.tx(), superseded, now)?;
        for package in &packages {
            report.kept_by.extend(roots_of(change.tx(), package)?);
            report.attestations.extend(attestations(change.tx(), package)?);
            let payload = Payload::inline(payload::package_removed(reason));
            report.sequences.push(change.append(
                EventType::PackageRemoved,
                &package.id.to_string(),
                &payload,
            )?);
        }
        for package in &packages {
            report.packages.push(self.summary_by_number(change.tx(), package.number)?);
        }
        report.keep_those_that_stay();
        change.commit()?;
        Ok(report)
    }
}

/// Chooses among the finalised versions that are present: all but the newest, and of these the old ones.
fn select(tx: &ReadTx<'_>, superseded: &Superseded, now: Timestamp) -> Result<Vec<PackageRow>, Error> {
    let present: Result<_, DbError> = browse::present_versions(tx, superseded.name.as_str(), u32::MAX);
    let mut packages = present?;
    if packages.is_empty() {
        return Err(Error::NoSuchPackage { reference: superseded.name.to_string() });
    }
    packages.retain(|package| package.finalized);
    let keep = usize::try_from(superseded.keep).unwrap_or(usize::MAX);
    packages.drain(..keep.min(packages.len()));
    if let Some(age) = superseded.older_than {
        let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let limit = now.as_micros().saturating_sub(age);
        packages.retain(|package| package.finalized_at.is_some_and(|at| at.as_micros() < limit));
    }
    packages.reverse();
    Ok(packages)
}
