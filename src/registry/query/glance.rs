//! What can be said of what a store holds in no time, however large it is: from its newest packages. Exact numbers are
//! [`Registry::stats`]'s, how the store is [`Registry::health`]'s; `astore` without a command tells a glance and the health.

use super::super::Registry;
use super::super::report::Glance;
use super::super::resolve::reference;
use super::summary;
use crate::error::Error;
use crate::retention::Reason;
use crate::views::{PackageFilter, browse, objects, runs};

/// How many packages are looked at, the newest.
const PACKAGES_LOOKED_AT: u64 = 256;

impl Registry {
    /// Returns what a look at the newest packages tells. Costs the same in a store of any size.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn glance(&self) -> Result<Glance, Error> {
        let tx = self.db.read()?;
        let now = self.env.now();
        let last_gc = runs::last_gc_round(&tx)?.map_or(0, |round| round.started_sequence);
        let mut glance = Glance {
            packages_ever: browse::packages_ever(&tx)?,
            objects_ever: objects::ever(&tx)?,
            at: now,
            looked_at: 0,
            newest: None,
            open: Vec::new(),
            present: 0,
            let_go: Vec::new(),
        };
        let limit = Some(PACKAGES_LOOKED_AT);
        browse::each_package(&tx, PackageFilter::All, limit, |package| -> Result<(), Error> {
            glance.looked_at += 1;
            let is_expired =
                package.finalized && !package.hold && package.expires_at.is_some_and(|at| at <= now);
            match package.removed_sequence {
                Some(sequence) if sequence > last_gc => {
                    glance.let_go.push((reference(&package), Reason::Removed));
                }
                Some(_) => {}
                None if is_expired && package.expired_sequence.is_none() => {
                    glance.let_go.push((reference(&package), Reason::Expired));
                }
                None if !package.finalized => glance.open.push(reference(&package)),
                None => {}
            }
            if package.removed_sequence.is_none() {
                glance.present += 1;
                glance.newest = Some(summary(package));
            }
            Ok(())
        })?;
        Ok(glance)
    }
}
