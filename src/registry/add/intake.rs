//! Bytes into the store: from what sources, and when their batches are recorded.

use std::io;

use uuid::Uuid;

use super::super::Registry;
use super::super::change::Change;
use super::super::known::KnownObjects;
use super::super::report::{AddRequest, AddSource, CacheUse, OnUnreadable};
use super::LOCAL;
use crate::cache::StatCache;
use crate::db::{Database, OpenMode};
use crate::error::Error;
use crate::events::{EventType, payload};
use crate::identity::Digests;
use crate::monitor::Monitor;
use crate::plane::{self, BoxError, IngestContext, IngestOptions, IngestStore, Ingested, Source};
use crate::storage::{Staging, layout};

impl Registry {
    pub(super) fn stat_cache(&self, usage: CacheUse) -> Option<StatCache> {
        match usage {
            CacheUse::Use => {
                let path = layout::within(&self.root, layout::CACHE.as_ref());
                StatCache::open(&path, self.file_mode, self.env.now())
            }
            CacheUse::Ignore => None,
        }
    }

    /// Takes the bytes in; records every batch but the last, or holds them back.
    #[expect(clippy::too_many_arguments, reason = "one call, and each is another's")]
    pub(super) fn ingest(
        &self,
        request: &mut AddRequest,
        stdin: &mut (dyn io::Read + Send),
        staging: &Staging,
        cache: Option<&StatCache>,
        adding: Uuid,
        batches: &mut Batches,
        monitor: &dyn Monitor,
    ) -> Result<Ingested, Error> {
        let database = layout::within(&self.root, layout::DATABASE.as_ref());
        let known = KnownObjects::new(Database::open(&database, OpenMode::Write)?);
        // A list may be long: it is handed on, not copied.
        let sources: Vec<Source> = std::mem::take(&mut request.sources).into_iter().map(source).collect();
        let mut options = IngestOptions {
            exclude: request.exclude.clone(),
            exclude_caches: request.exclude_caches,
            one_file_system: request.one_file_system,
            keep_mtime: request.keep_mtime,
            outside_links: request.outside_links,
            taking: request.taking,
            on_unreadable: match request.on_unreadable {
                OnUnreadable::Fail => plane::OnUnreadable::Fail,
                OnUnreadable::Skip => plane::OnUnreadable::Skip,
            },
            own_root: Some(self.own_root()?),
            ..IngestOptions::default()
        };
        options.batch_files = self.batch_files.unwrap_or(options.batch_files);
        options.group_files = self.group_files.unwrap_or(options.group_files);
        let store = IngestStore { staging, local: &self.local, known: &known };
        let context = IngestContext { cache, monitor, cancelled: &self.cancelled };
        let mut record = |batch: Vec<Digests>| -> Result<(), BoxError> {
            match batches {
                Batches::Recorded => self.record_batch(adding, &batch, monitor)?,
                Batches::Held(held) => held.push(batch),
            }
            Ok(())
        };
        Ok(plane::ingest(&sources, stdin, &options, store, context, &mut record)?)
    }

    /// Records a batch that is durable, though in no package yet.
    pub(super) fn record_batch(
        &self,
        adding: Uuid,
        batch: &[Digests],
        monitor: &dyn Monitor,
    ) -> Result<(), Error> {
        let payload = self.prepare_payload(payload::objects_stored(LOCAL, batch))?;
        let mut change = Change::begin(self, monitor)?;
        change.append(EventType::ObjectsStored, &adding.to_string(), &payload)?;
        change.commit()?;
        Ok(())
    }
}

/// What becomes of the batches that are durable before the add has ended.
pub(super) enum Batches {
    /// They are recorded as they come, so that an interrupted add does not start from nothing.
    Recorded,
    /// They wait: what they are part of may yet be refused, and then nothing is to be recorded.
    Held(Vec<Vec<Digests>>),
}

impl Batches {
    /// Decides it by what may yet be refused as a whole: an archive, a bag, an artifact, and what is to be held against a check file.
    pub(super) fn of(request: &AddRequest, is_described: bool) -> Self {
        let is_archive = |source: &AddSource| matches!(source, AddSource::Tar { .. });
        match is_described || request.check.is_some() || request.sources.iter().any(is_archive) {
            true => Self::Held(Vec::new()),
            false => Self::Recorded,
        }
    }
}

fn source(source: AddSource) -> Source {
    match source {
        AddSource::Path(path) => Source::Path(path),
        AddSource::Listed(list) => Source::Listed(list),
        AddSource::Stdin(name) => Source::Stdin { name },
        AddSource::Tar { archive } => Source::Tar { archive },
        AddSource::Artifact(artifact) => Source::Blobs(artifact.blobs()),
        AddSource::Bag(bag) => Source::Path(bag.payload()),
    }
}
