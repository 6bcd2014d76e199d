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
use crate::views::{Applied, VIEWS_VERSION, ViewDigests, ViewWriter, view_digest, view_digests};

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
        let (fed, before) = match (kept.views_version == VIEWS_VERSION, settled) {
            (false, _) => (self.feed_whole(&tx, &mut kept, monitor), None),
            // Nobody else commits while the write lock is held: another connection sees what stands here.
            (true, Settled::Even) => {
                let standing = kept;
                self.beside(&tx, &standing, || self.feed_whole(&tx, &mut kept, monitor))
            }
            // But not what settling has just added to it.
            (true, _) => {
                let before = view_digests(&tx).ok();
                (self.feed_whole(&tx, &mut kept, monitor), before)
            }
        };
        let skipped = fed?;
        let before = before.map(|before| before.whole);
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
        let standing = kept;
        let (fed, present) = self.beside(&tx, &standing, || -> Result<_, Error> {
            let (skipped, _) = self.feed(&tx, &fresh, &mut kept, monitor)?;
            Ok((skipped, view_digests(&fresh)?))
        });
        let (skipped, computed) = fed?;
        let present = present.map_or_else(|| view_digests(&tx), Ok)?;
        let differing = computed
            .tables
            .iter()
            .zip(&present.tables)
            .filter(|(fresh, present)| fresh != present)
            .map(|((name, _), _)| (*name).to_owned())
            .collect();
        Ok(ReplayReport {
            events: kept.views_sequence,
            skipped,
            view_digest: computed.whole,
            view_digest_before: Some(present.whole),
            differing,
        })
    }

    /// Works while another thread takes the digests of the views as they stand: those that `kept` speaks of, and that
    /// `tx` sees until the work changes them. `None` where they cannot be read.
    fn beside<T>(
        &self,
        tx: &ReadTx<'_>,
        kept: &Bookkeeping,
        work: impl FnOnce() -> T,
    ) -> (T, Option<ViewDigests>) {
        let other = self.db.again().ok();
        std::thread::scope(|threads| {
            let thread = std::thread::Builder::new();
            let started = other.map(|db| thread.spawn_scoped(threads, move || standing(&db, kept)));
            match started {
                Some(Ok(thread)) => {
                    let done = work();
                    (done, thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                }
                // The system has no thread or no file to spare.
                Some(Err(_)) | None => {
                    let standing = view_digests(tx).ok();
                    (work(), standing)
                }
            }
        })
    }

    /// Replays within one database, to the last index.
    fn feed_whole(
        &self,
        tx: &WriteTx<'_>,
        kept: &mut Bookkeeping,
        monitor: &dyn Monitor,
    ) -> Result<Vec<(String, u64)>, Error> {
        let (skipped, views) = self.feed(tx, tx, kept, monitor)?;
        views.complete()?;
        Ok(skipped)
    }

    /// Resets the views of `into` and applies every event of `from` to them. Returns what was skipped, by type, and
    /// the views, which lack the indices that stand at the end.
    fn feed<'t, 'c>(
        &self,
        from: &ReadTx<'_>,
        into: &'t WriteTx<'c>,
        kept: &mut Bookkeeping,
        monitor: &dyn Monitor,
    ) -> Result<(Vec<(String, u64)>, ViewWriter<'t, 'c>), Error> {
        monitor.start(Task::Replaying, Some(head(from)?.sequence));
        let mut views = ViewWriter::new(into, 0);
        views.reset_to_replay()?;
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
        Ok((skipped.into_iter().collect(), views))
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

/// Returns the digests of the views, if they still are those that `kept` speaks of.
///
/// Another process may replay them meanwhile: then these are the new ones, computed from the same events.
fn standing(db: &Database, kept: &Bookkeeping) -> Option<ViewDigests> {
    db.keep_few_pages().ok()?;
    let tx = db.read().ok()?;
    if Bookkeeping::load(&tx).ok()? != *kept {
        return None;
    }
    view_digests(&tx).ok()
}
