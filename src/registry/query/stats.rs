//! `stats`: how much there is. Counts every package and object, and so grows with the store; what can be said in no time
//! is [`Registry::glance`]'s, how the store is [`Registry::health`]'s.

use std::path::Path;

use super::super::Registry;
use super::super::report::StatsReport;
use crate::audit;
use crate::disk::FileKind;
use crate::error::Error;
use crate::events;
use crate::storage::layout;
use crate::views::{browse, objects};

/// How many of the largest packages are told.
const LARGEST_TOLD: u32 = 10;

impl Registry {
    /// Returns what the store holds, in numbers.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn stats(&self) -> Result<StatsReport, Error> {
        let tx = self.db.read()?;
        let counts = browse::counts(&tx)?;
        let (objects, object_bytes, purged_objects) = objects::totals(&tx)?;
        Ok(StatsReport {
            store_id: self.config.store_id,
            root: self.root.clone(),
            events: events::head(&tx)?.sequence,
            packages_open: counts.open,
            packages_finalized: counts.finalized,
            packages_removed: counts.removed,
            objects,
            object_bytes,
            logical_bytes: counts.logical_bytes,
            purged_objects,
            purges: audit::purges(&tx)?,
            overhead_bytes: self.overhead_bytes(),
            classes: browse::usage_by_class(&tx)?,
            largest: browse::largest(&tx, LARGEST_TOLD)?,
            months: browse::usage_by_month(&tx)?,
        })
    }

    /// Sums what stands in the root and in `log/`: all but the objects and what is in flight.
    fn overhead_bytes(&self) -> u64 {
        [Path::new(""), Path::new(layout::LOG)]
            .into_iter()
            .flat_map(|directory| {
                let listed = self.disk.list(directory).unwrap_or_default();
                listed.into_iter().map(move |entry| (directory, entry))
            })
            .filter(|(_, entry)| entry.kind == FileKind::File)
            .filter_map(|(directory, entry)| self.disk.stat(&layout::within(directory, &entry.name)).ok())
            .map(|stat| stat.size_bytes)
            .sum()
    }
}
