//! `replay`: the views again from the first event.

use std::collections::BTreeMap;

use super::change::{settle_into, tell};
use super::report::ReplayReport;
use super::{Access, Registry};
use crate::db::{Database, ReadTx, WriteTx};
use crate::error::Error;
use crate::events::{Bookkeeping, Settled, head, replay};
use crate::monitor::{Counter, Monitor, Task};
use crate::storage::{LockRequest, StoreLock};
use crate::views::{Applied, VIEWS_VERSION, ViewWriter, table_digests, view_digest};

/// How often a long replay looks whether it should stop, in events.
const CHECK_EVERY: u64 = 1024;

impl Registry {
    /// Computes the views again from the first event, in one transaction.
    ///
    /// # Errors
    /// What breaks the chain, a payload that cannot be read, an event that cannot be applied: then the views
    /// stand as they did.
    pub fn replay(&self, monitor: &dyn Monitor) -> Result<ReplayReport, Error> {
        let tx = self.db.write()?;
        let (mut kept, settled) = match self.private {
            // A private copy settles nothing: `log/` is another's to write.
            Some(_) => (Bookkeeping::load(&tx)?, Settled::Even),
            None => settle_into(self, &tx)?,
        };
        tell(settled, monitor);
        if kept.views_version > VIEWS_VERSION {
            return Err(Error::ViewsVersion { found: kept.views_version, known: VIEWS_VERSION });
        }
        let before = if kept.views_version == VIEWS_VERSION { view_digest(&tx).ok() } else { None };
        let skipped = self.feed(&tx, &tx, &mut kept, monitor)?;
        let digest = view_digest(&tx)?;
        kept.store(&tx)?;
        tx.commit()?;
        self.disk.point("database committed");
        Ok(ReplayReport {
            events: kept.views_sequence,
            skipped,
            view_digest: digest,
            view_digest_before: before,
            differing: Vec::new(),
        })
    }

    /// Computes the views beside the present ones and compares, changing nothing.
    ///
    /// # Errors
    /// As [`Registry::replay`].
    pub fn replay_check(&self, monitor: &dyn Monitor) -> Result<ReplayReport, Error> {
        let tx = self.db.read()?;
        let aside = Database::temporary()?;
        let fresh = aside.write()?;
        let mut kept = Bookkeeping::load(&tx)?;
        let skipped = self.feed(&tx, &fresh, &mut kept, monitor)?;
        let computed = table_digests(&fresh)?;
        let present = table_digests(&tx)?;
        let differing = computed
            .iter()
            .zip(&present)
            .filter(|(fresh, present)| fresh != present)
            .map(|((name, _), _)| (*name).to_owned())
            .collect();
        Ok(ReplayReport {
            events: kept.views_sequence,
            skipped,
            view_digest: view_digest(&fresh)?,
            view_digest_before: Some(view_digest(&tx)?),
            differing,
        })
    }

    /// Resets the views of `into` and applies every event of `from` to them. Returns what was skipped, by type.
    fn feed(
        &self,
        from: &ReadTx<'_>,
        into: &WriteTx<'_>,
        kept: &mut Bookkeeping,
        monitor: &dyn Monitor,
    ) -> Result<Vec<(String, u64)>, Error> {
        monitor.start(Task::Replaying, None);
        let mut views = ViewWriter::new(into, 0);
        views.reset()?;
        let mut skipped: BTreeMap<String, u64> = BTreeMap::new();
        let outcome = replay(from, &self.local, |event, payload| -> Result<(), Error> {
            if event.record.sequence.is_multiple_of(CHECK_EVERY) {
                self.check_cancelled()?;
            }
            match views.apply(event, payload)? {
                Applied::Whole => {}
                Applied::WithoutFields(_) | Applied::Skipped => {
                    *skipped.entry(event.record.event_type.clone()).or_default() += 1;
                }
            }
            monitor.count(Counter::EventsReplayed, 1);
            Ok(())
        });
        monitor.finish(Task::Replaying);
        kept.views_sequence = outcome?.sequence;
        kept.views_version = VIEWS_VERSION;
        kept.skipped = views.skipped();
        Ok(skipped.into_iter().collect())
    }

    /// Brings views of an earlier version up to this build's; refuses those of a later one. Views of this version
    /// may be behind the events, where a build that does not know it entered some.
    pub(super) fn bring_views_up(&self, monitor: &dyn Monitor) -> Result<(), Error> {
        let (kept, head) = {
            let tx = self.db.read()?;
            (Bookkeeping::load(&tx)?, head(&tx)?)
        };
        match kept.views_version.cmp(&VIEWS_VERSION) {
            std::cmp::Ordering::Equal if kept.views_sequence >= head.sequence => Ok(()),
            _ if self.access == Access::Log => Ok(()),
            std::cmp::Ordering::Less | std::cmp::Ordering::Equal => {
                let lock = self.lock_to_replay()?;
                self.replay(monitor)?;
                drop(lock);
                Ok(())
            }
            std::cmp::Ordering::Greater => {
                Err(Error::ViewsVersion { found: kept.views_version, known: VIEWS_VERSION })
            }
        }
    }

    /// Takes the shared lock where this registry was opened to read, and the store itself is written now.
    fn lock_to_replay(&self) -> Result<Option<StoreLock>, Error> {
        if self.lock.is_some() || self.private.is_some() {
            return Ok(None);
        }
        let mut request = LockRequest {
            command: "replay",
            wait: self.wait,
            cancelled: &self.cancelled,
            on_wait: &mut |_| {},
        };
        Ok(Some(StoreLock::shared(&self.root, &mut request)?))
    }
}
