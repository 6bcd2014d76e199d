//! The new database: every event of either copy, and the views that follow from them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use super::super::query::manifest_from_views;
use super::super::report::LeftOut;
use super::{aside, failed};
use crate::db::{Database, ReadTx, WriteTx};
use crate::disk::Disk;
use crate::env::Env;
use crate::error::Error;
use crate::events::{
    self, Bookkeeping, EventType, LogFiles, Merged, PayloadUnavailable, Payloads as _, Stored, merge,
};
use crate::identity::{Blake3, ContentAddress, Digests};
use crate::monitor::{Counter, Monitor};
use crate::plane::{Healed, HealedFault, HealedFrom};
use crate::storage::{Action, Backend as _, Local, Staging, StorageError, StoreConfig, layout};
use crate::views::{Applied, VIEWS_VERSION, ViewWriter, view_digest};

/// What building works with.
pub(super) struct Rebuilding<'a> {
    pub(super) disk: &'a Arc<dyn Disk>,
    pub(super) root: &'a Path,
    pub(super) mode: u32,
    pub(super) files: &'a LogFiles,
    pub(super) local: &'a Local,
    /// What `astore.toml` says, where it is there.
    pub(super) config: Option<&'a StoreConfig>,
    pub(super) env: &'a Env,
    pub(super) cancelled: &'a AtomicBool,
}

/// What was built.
pub(super) struct Rebuilt {
    pub(super) merged: Merged,
    pub(super) config: StoreConfig,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) healed: Vec<(Healed, HealedFrom)>,
    /// Events and fields that this build does not know, by type.
    pub(super) skipped: Vec<(String, u64)>,
    pub(super) view_digest: Blake3,
}

impl Rebuilding<'_> {
    /// Builds the new database under a name of its own, whole and durable; `old` is the present one, as far as it
    /// can be read.
    pub(super) fn run(&self, old: Option<&ReadTx<'_>>, monitor: &dyn Monitor) -> Result<Rebuilt, Error> {
        aside::clear_new(self.disk.as_ref())?;
        let built = self.build(old, monitor);
        if built.is_err() {
            drop(aside::discard_new(self.disk.as_ref())); // the failure counts; the next run clears as well
        }
        built
    }

    fn build(&self, old: Option<&ReadTx<'_>>, monitor: &dyn Monitor) -> Result<Rebuilt, Error> {
        let new = Path::new(layout::DATABASE_NEW);
        // SQLite would make it with the umask's mode. Held until it is synced: a write-back that fails meanwhile is
        // told to who had the file open then.
        let file = self.disk.create(new, self.mode).map_err(failed(Action::Create, layout::DATABASE_NEW))?;
        let database = Database::build(&layout::within(self.root, layout::DATABASE_NEW.as_ref()))?;
        let tx = database.write()?;
        let staging = Staging::begin(self.disk.clone(), self.env.random_id())?;
        let mut views = ViewWriter::new(&tx, 0);
        views.reset_to_replay()?;
        let mut entering = Entering {
            tx: &tx,
            views,
            old,
            local: self.local,
            staging: &staging,
            config: None,
            left_out: Vec::new(),
            healed: Vec::new(),
            skipped: BTreeMap::new(),
        };
        let merged = merge(old, self.files, &mut |event| -> Result<(), Error> {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            monitor.count(Counter::EventsReplayed, 1);
            entering.enter(&event)
        })?;
        let Entering { views, config, left_out, healed, skipped, .. } = entering;
        views.complete()?;
        let config = self.see_to_config(config.ok_or(Error::NothingToRecover)?)?;
        // Manifests that are put right are durable before an event says so.
        staging.publish()?;
        drop(staging);
        let kept = Bookkeeping {
            log: merged.position,
            views_version: VIEWS_VERSION,
            views_sequence: merged.head.sequence,
            skipped: views.skipped(),
        };
        kept.store(&tx)?;
        let view_digest = view_digest(&tx)?;
        tx.commit()?;
        database.finish()?;
        file.sync().map_err(failed(Action::Sync, layout::DATABASE_NEW))?;
        aside::call_ready(self.disk.as_ref())?;
        self.disk.point("database built");
        Ok(Rebuilt { merged, config, left_out, healed, skipped: skipped.into_iter().collect(), view_digest })
    }

    /// Holds what the first event says of the store against `astore.toml`.
    fn see_to_config(&self, first: StoreConfig) -> Result<StoreConfig, Error> {
        match self.config {
            Some(config) if config.store_id != first.store_id => {
                Err(Error::OtherStore { expected: config.store_id, found: first.store_id })
            }
            Some(config) => Ok(config.clone()),
            None => Ok(first),
        }
    }
}

/// Enters event after event.
struct Entering<'e, 't, 'c> {
    tx: &'t WriteTx<'c>,
    views: ViewWriter<'t, 'c>,
    old: Option<&'e ReadTx<'e>>,
    local: &'e Local,
    staging: &'e Staging,
    config: Option<StoreConfig>,
    left_out: Vec<LeftOut>,
    healed: Vec<(Healed, HealedFrom)>,
    skipped: BTreeMap<String, u64>,
}

impl Entering<'_, '_, '_> {
    fn enter(&mut self, event: &Stored) -> Result<(), Error> {
        let record = &event.record;
        if record.sequence == 1
            && EventType::of(&record.event_type) == Some(EventType::StoreCreated)
            && let Ok(store_id) = Uuid::try_parse(&record.subject_id)
        {
            self.config = Some(StoreConfig { store_id, created_at: record.created_at });
        }
        events::insert(self.tx, event)?;
        let applied = match &event.payload {
            Some(payload) => {
                let applied = self.views.apply(event, payload)?;
                // A small manifest stands in its event, and is an object all the same.
                if EventType::of(&record.event_type) == Some(EventType::PackageFinalized)
                    && let Err(unavailable) = self.local.load(&record.payload_digest)
                {
                    refuse_limits(unavailable)?;
                    self.heal(payload, HealedFrom::Log)?;
                }
                applied
            }
            None => match self.payload(&record.payload_digest)? {
                Ok(payload) => self.views.apply(event, &payload)?,
                Err(unavailable) => {
                    self.views.leave_out();
                    self.left_out.push(LeftOut {
                        sequence: record.sequence,
                        event_type: record.event_type.clone(),
                        subject_id: record.subject_id.clone(),
                        payload: ContentAddress::new(record.payload_digest),
                        why: unavailable.why,
                    });
                    return Ok(());
                }
            },
        };
        match applied {
            Applied::Whole => {}
            Applied::WithoutFields(_) | Applied::Skipped => {
                *self.skipped.entry(record.event_type.clone()).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Returns a payload that is an object, written again from the old views where it has to be.
    fn payload(&mut self, digest: &Blake3) -> Result<Result<Vec<u8>, PayloadUnavailable>, Error> {
        let unavailable = match self.local.load(digest) {
            Ok(bytes) => return Ok(Ok(bytes)),
            Err(unavailable) => refuse_limits(unavailable)?,
        };
        match self.old.and_then(|tx| manifest_from_views(tx, digest)) {
            Some(bytes) => {
                self.heal(&bytes, HealedFrom::Views)?;
                Ok(Ok(bytes))
            }
            None => Ok(Err(unavailable)),
        }
    }

    fn heal(&mut self, bytes: &[u8], from: HealedFrom) -> Result<(), Error> {
        let object = Digests::of(bytes);
        if self.staging.put_bytes(bytes, object)? {
            let fault = match self.local.head(&object.address()) {
                Ok(None) => HealedFault::Missing,
                Ok(Some(found)) if found.size_bytes != object.size_bytes => HealedFault::Truncated,
                Ok(Some(_)) | Err(StorageError::NotAFile { .. }) => HealedFault::Damaged,
                Err(error) => return Err(error.into()),
            };
            self.healed.push((Healed { object, fault }, from));
        }
        Ok(())
    }
}

/// What this process may not or cannot do now says nothing of the object: nothing is healed or left out for that.
fn refuse_limits(unavailable: PayloadUnavailable) -> Result<PayloadUnavailable, Error> {
    if unavailable.is_refused { Err(unavailable.into()) } else { Ok(unavailable) }
}
