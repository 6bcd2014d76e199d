//! `export`: a package's tree again, checked as it is written.

use std::path::Path;

use super::super::Registry;
use super::super::report::{ExportReport, ExportRequest, Fault, Harm, LinkMode, Remedy};
use super::super::resolve::reference as spelled;
use super::summary;
use crate::db::{DbError, ReadTx};
use crate::error::Error;
use crate::monitor::Monitor;
use crate::plane::{self, BoxError, DamagedEntry, ExportError, ExportOptions, SpecialModes};
use crate::views::{EntryPages, browse, objects};

impl Registry {
    /// Returns whether a path lies within the store, as far as it is there already.
    pub fn is_inside(&self, path: &Path) -> bool {
        is_inside(path, &self.root)
    }

    /// Writes a package's contents into a directory that is missing or empty. What is damaged is left out and
    /// listed, all of it.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::Ambiguous`], [`Error::Purged`] where bytes of it are gone for good
    /// (before anything is written, unless a gc takes them meanwhile); [`Error::Changed`], [`Error::Export`],
    /// [`Error::EntriesAstray`].
    pub fn export(&self, request: &ExportRequest, monitor: &dyn Monitor) -> Result<ExportReport, Error> {
        if self.is_inside(&request.destination) {
            return Err(ExportError::InsideStore { path: request.destination.clone() }.into());
        }
        let tx = self.db.read()?;
        let package = self.resolve(&tx, &request.reference)?;
        if let Some(object) = browse::purged_in_tree(&tx, package.tree)? {
            self.refuse_purged(&tx, &object)?;
        }
        let options = ExportOptions {
            link: request.link.into(),
            special_modes: if request.special_modes { SpecialModes::Keep } else { SpecialModes::Drop },
            bytes_expected: Some(package.totals.bytes),
            ..ExportOptions::default()
        };
        let mut entries = EntryPages::new(&tx, package.tree).map(|entry| entry.map_err(BoxError::from));
        let destination = &request.destination;
        let exported =
            plane::export(&mut entries, &self.local, destination, &options, monitor, &self.cancelled)?;
        let name = spelled(&package);
        let found = exported.entries + exported.damaged.len() as u64;
        if found != package.totals.entries {
            return Err(Error::EntriesAstray { reference: name, expected: package.totals.entries, found });
        }
        let damaged = self.faults_of(tx, exported.damaged, &name)?;
        Ok(ExportReport {
            package: summary(package),
            entries: exported.entries,
            bytes: exported.bytes,
            damaged,
        })
    }

    /// Tells what is damaged of what an export wrote; [`Error::Changed`] where a gc took it meanwhile. It lets go of the
    /// snapshot, which has to be older than what is asked now.
    pub(super) fn faults_of(
        &self,
        tx: ReadTx<'_>,
        damaged: Vec<DamagedEntry>,
        package: &str,
    ) -> Result<Vec<Fault>, Error> {
        self.check_missing(tx, &damaged, package)?;
        Ok(damaged.into_iter().map(|damaged| fault(damaged, package)).collect())
    }

    /// Asks the log again about what was missing: a gc may have taken files since it was asked, and that is no damage.
    /// `tx` is the snapshot by which they should be there; it has to be older than what is asked now.
    ///
    /// # Errors
    /// [`Error::Purged`] or [`Error::Changed`] where that is why.
    pub(super) fn check_missing(
        &self,
        tx: ReadTx<'_>,
        damaged: &[DamagedEntry],
        package: &str,
    ) -> Result<(), Error> {
        let missing = (damaged.iter())
            .filter(|damaged| matches!(damaged.fault, plane::Fault::Missing))
            .filter_map(|damaged| objects::find(&tx, &damaged.object.blake3).transpose())
            .collect::<Result<Vec<_>, _>>()
            .map_err(DbError::from)?;
        drop(tx);
        for object in missing {
            if self.ask_again(&object)? != object {
                return Err(Error::Changed { reference: package.to_owned() });
            }
        }
        Ok(())
    }
}

impl From<LinkMode> for plane::LinkMode {
    fn from(asked: LinkMode) -> Self {
        match asked {
            LinkMode::Auto => Self::Auto,
            LinkMode::Reflink => Self::Reflink,
            LinkMode::Copy => Self::Copy,
        }
    }
}

/// Returns whether a path lies beneath the root, as far as it is there already.
fn is_inside(path: &Path, root: &Path) -> bool {
    let (Ok(root), Ok(path)) = (root.canonicalize(), std::path::absolute(path)) else { return false };
    let there = path.ancestors().find_map(|path| path.canonicalize().ok());
    there.is_some_and(|there| there.starts_with(root))
}

fn fault(damaged: DamagedEntry, package: &str) -> Fault {
    let address = damaged.object.address();
    Fault {
        kind: damaged.fault.name().to_owned(),
        address: Some(address),
        subject: address.to_string(),
        detail: damaged.fault.to_string(),
        harms: vec![Harm { package: package.to_owned(), path: Some(damaged.path) }],
        remedy: Remedy::RecordThenAdd,
    }
}
