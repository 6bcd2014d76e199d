//! `add`: bytes in, then events. All or nothing for its package.
//!
//! Every batch but the last is recorded as stored on the way, so that an interrupted add does not start from
//! nothing. The last batch takes the manifest along and is durable under its names before the one
//! transaction that makes the package is committed.

mod artifact;
mod bag;
mod intake;

use std::collections::BTreeMap;
use std::io;

use uuid::Uuid;

use super::Registry;
use super::change::{Change, Payload};
use super::claim::claim;
use super::open::is_writable;
use super::publish::{publish, stage_manifest};
use super::report::{AddReport, AddRequest, AddTarget, Completion, OnConflict, PackageSummary, SkippedPath};
use super::text::check_labels;
use crate::cache::{Stamp, StatCache};
use crate::db::ReadTx;
use crate::env::Timestamp;
use crate::error::Error;
use crate::events::{self, EventType, payload};
use crate::identity::{Blake3, ContentAddress};
use crate::manifest::{
    EntryList, EntryPath, Labels, Manifest, ManifestHeader, PackageName, Receipt, RetentionSummary,
    content_digest,
};
use crate::monitor::Monitor;
use crate::plane::{Healed, HealedFrom, Ingested};
use crate::retention::{DEFAULT_CLASS, Wanted, wanted};
use crate::storage::{Staging, layout};
use crate::views::{PackageRow, packages, retention, trees};
use bag::TakenBag;
use intake::Batches;

/// The backend that holds what is added.
pub(super) const LOCAL: &str = "local";

/// A package in the making: everything that a new one needs but its version.
struct Draft {
    id: Uuid,
    name: PackageName,
    class: String,
    duration_seconds: Option<u64>,
    metadata: Labels,
    provenance: Labels,
    created_at: Timestamp,
}

impl Registry {
    /// Adds files and trees to a new package or to an open one.
    ///
    /// # Errors
    /// Whatever is wrong with the request, before anything is read; [`Error::Ingest`] at the first path that
    /// cannot be read, unless those are skipped; then no package is made. What was stored on the way stays.
    pub fn add(
        &self,
        mut request: AddRequest,
        stdin: &mut (dyn io::Read + Send),
        monitor: &dyn Monitor,
    ) -> Result<AddReport, Error> {
        let mut bag = TakenBag::of(&mut request)?;
        let target = self.check_target(&request)?;
        let since = events::head(&self.db.read()?)?.sequence;
        let adding = self.env.random_id();
        let staging = Staging::begin(self.disk.clone(), adding)?;
        let cache = self.stat_cache(request.cache);
        let artifact = artifact::among(&request.sources)?;
        let mut batches = Batches::of(&request, bag.is_some() || artifact.is_some());
        if let Some(bag) = &mut bag {
            bag.prepare(monitor, &self.cancelled)?;
        }
        let mut ingested =
            self.ingest(&mut request, stdin, &staging, cache.as_ref(), adding, &mut batches, monitor)?;
        if let Some(artifact) = artifact {
            ingested.entries = artifact.entries_if_taken(&ingested.entries)?;
        }
        if let Some(check) = &request.check {
            let mismatches = check.expected.hold(&ingested.entries);
            if !mismatches.is_empty() {
                return Err(Error::Mismatch { file: check.file.clone(), mismatches });
            }
        }
        let bag_notes = match bag {
            Some(bag) => bag.settle(&mut ingested, request.outside_links)?,
            None => Vec::new(),
        };
        if let Batches::Held(held) = batches {
            held.iter().try_for_each(|batch| self.record_batch(adding, batch, monitor))?;
        }
        let report = match target {
            Target::New(draft) => self.make_package(draft, ingested, request.completion, &staging, monitor),
            Target::Open(package, on_conflict) => {
                self.extend_package(&package, ingested, on_conflict, request.completion, &staging, monitor)
            }
        };
        let report = AddReport { bag_notes, ..report? };
        if let Some(cache) = &cache {
            self.vouch(cache, since);
        }
        drop(staging); // the events stand: what cannot be cleared away now must not make a failure of this
        Ok(report)
    }

    /// Tells the stat cache by what its new facts are to be believed: an add that ended well has named every object that
    /// they speak of, or found it stored. That it was found so is no older than `since`, the head when the add began.
    fn vouch(&self, cache: &StatCache, since: u64) {
        // The events stand: what cannot be noted of them costs the next add time, and must not make a failure of this.
        if let Ok(head) = self.db.read().and_then(|tx| events::head(&tx)) {
            cache.vouch(&Stamp { since, sequence: head.sequence, digest: head.digest });
        }
    }

    /// Looks at everything that can be wrong with a request before a byte is read.
    fn check_target(&self, request: &AddRequest) -> Result<Target, Error> {
        let tx = self.db.read()?;
        match &request.target {
            AddTarget::New { name, class, metadata, provenance, schema } => {
                check_labels("metadata", metadata)?;
                let class = class.clone().unwrap_or_else(|| DEFAULT_CLASS.to_owned());
                let known = retention::classes(&tx)?;
                let Some((_, duration_seconds)) = known.iter().find(|(name, _)| *name == class) else {
                    let known = known.into_iter().map(|(name, _)| name).collect();
                    return Err(Error::NoSuchClass { class, known });
                };
                let mut provenance = provenance.clone();
                if let Some(schema) = schema {
                    provenance.insert("schema".to_owned(), self.check_schema(&tx, schema, metadata)?);
                }
                check_labels("provenance", &provenance)?;
                let created_at = self.env.now();
                Ok(Target::New(Draft {
                    id: self.env.package_id(created_at),
                    name: name.clone(),
                    duration_seconds: *duration_seconds,
                    class,
                    metadata: metadata.clone(),
                    provenance,
                    created_at,
                }))
            }
            AddTarget::Open { reference, on_conflict } => {
                Ok(Target::Open(Box::new(self.resolve_open(&tx, reference)?), *on_conflict))
            }
        }
    }

    /// Makes the stat cache forget the files that have this content, which is missing or wrong: the next add reads them,
    /// and heals.
    pub(super) fn forget_files_of(&self, objects: &[ContentAddress]) {
        let path = layout::within(&self.root, layout::CACHE.as_ref());
        if !objects.is_empty()
            && is_writable(&self.root)
            && let Some(cache) = StatCache::open_existing(&path, self.env.now())
        {
            cache.forget(objects);
        }
    }

    /// Makes a new package of what was taken in.
    fn make_package(
        &self,
        draft: Draft,
        mut ingested: Ingested,
        completion: Completion,
        staging: &Staging,
        monitor: &dyn Monitor,
    ) -> Result<AddReport, Error> {
        if completion == Completion::FinalizeIfChanged
            && let Some(same) = self.unchanged(&draft.name, &ingested.entries)?
        {
            let package = self.heal_alone(same, &ingested, staging, monitor)?;
            return Ok(report(package, ingested, true));
        }
        let entries = std::mem::take(&mut ingested.entries);
        let number = match completion {
            Completion::LeaveOpen => self.open_draft(&draft, entries, &ingested, staging, monitor)?,
            Completion::Finalize | Completion::FinalizeIfChanged => {
                self.finalize_draft(draft, entries, &ingested, staging, monitor)?
            }
        };
        let package = self.summary_by_number(&self.db.read()?, number)?;
        Ok(report(package, ingested, false))
    }

    /// Makes a package that stays open.
    fn open_draft(
        &self,
        draft: &Draft,
        entries: EntryList,
        ingested: &Ingested,
        staging: &Staging,
        monitor: &dyn Monitor,
    ) -> Result<i64, Error> {
        let added = payload::entries_added(LOCAL, entries.iter(), false);
        drop(entries);
        let added = Payload::staged(added, staging)?;
        let (change, number) = self.publish_and_prepare(staging, &added, monitor, || {
            let (mut change, created) = self.begin_created(draft, monitor)?;
            let id = draft.id.to_string();
            change.append(EventType::PackageCreated, &id, &created)?;
            change.append(EventType::EntriesAdded, &id, &added)?;
            append_healed(&mut change, &ingested.healed, HealedFrom::Add)?;
            let number = self.number_of(&change, &draft.id)?;
            Ok((change, number))
        })?;
        change.commit()?;
        Ok(number)
    }

    /// Begins the transaction that makes a package, with the payload that says so. Metadata can be large, and such a
    /// payload is an object before the transaction: so the version is taken first, and again where another took it.
    fn begin_created(&self, draft: &Draft, monitor: &dyn Monitor) -> Result<(Change<'_>, Payload), Error> {
        let mut version = packages::next_version(&self.db.read()?, draft.name.as_str())?;
        loop {
            let created = self.prepare_payload(payload::package_created(
                draft.id,
                &draft.name,
                version,
                &draft.class,
                &draft.metadata,
                &draft.provenance,
            ))?;
            let change = Change::begin(self, monitor)?;
            let next = packages::next_version(change.tx(), draft.name.as_str())?;
            if next == version {
                return Ok((change, created));
            }
            version = next;
        }
    }

    /// Makes and finalises a package in one transaction: the manifest says it all.
    fn finalize_draft(
        &self,
        draft: Draft,
        entries: EntryList,
        ingested: &Ingested,
        staging: &Staging,
        monitor: &dyn Monitor,
    ) -> Result<i64, Error> {
        let mut version = packages::next_version(&self.db.read()?, draft.name.as_str())?;
        let mut header = ManifestHeader {
            id: draft.id,
            name: draft.name.clone(),
            version,
            created_at: draft.created_at,
            created_by: self.env.actor().to_owned(),
            metadata: draft.metadata,
            receipts: vec![receipt(&entries)],
            retention: RetentionSummary { class: draft.class, duration_seconds: draft.duration_seconds },
            provenance: draft.provenance,
        };
        let mut manifest = stage_manifest(staging, &header, entries.refs())?;
        drop(entries); // from here on the manifest's own bytes are the entries
        loop {
            let payload = manifest.keep(staging)?;
            let prepared = self.publish_and_prepare(staging, &payload, monitor, || {
                let mut change = Change::begin(self, monitor)?;
                let next = packages::next_version(change.tx(), draft.name.as_str())?;
                if next != version {
                    return Ok(Attempt::Taken { next });
                }
                change.append(EventType::PackageFinalized, &draft.id.to_string(), &payload)?;
                append_healed(&mut change, &ingested.healed, HealedFrom::Add)?;
                let number = self.number_of(&change, &draft.id)?;
                Ok(Attempt::Prepared { change, number })
            })?;
            match prepared {
                Attempt::Prepared { change, number } => {
                    change.commit()?;
                    return Ok(number);
                }
                // Another add took the version meanwhile: the same entries under the next one.
                Attempt::Taken { next } => (version, header.version) = (next, next),
            }
            let read = Manifest::parse(payload.bytes())?;
            manifest = stage_manifest(staging, &header, read.entries())?;
        }
    }

    /// Returns the newest finalised version of a name, where it has just this content.
    fn unchanged(&self, name: &PackageName, entries: &EntryList) -> Result<Option<PackageRow>, Error> {
        let now = self.env.now();
        let tx = self.db.read()?;
        let newest = packages::versions(&tx, name.as_str())?
            .into_iter()
            .rfind(|package| package.finalized && package.removed_at.is_none());
        let content = content_digest(entries.refs());
        // One that has expired keeps nothing: what is added now would be the next gc's.
        Ok(newest.filter(|package| {
            package.content_digest == Some(content)
                && !matches!(wanted(&claim(package, false), now), Wanted::Gone(_))
        }))
    }

    /// Records what was healed or brought back on the way where nothing else changes: the package may have
    /// expired and lost objects to a gc.
    fn heal_alone(
        &self,
        package: PackageRow,
        ingested: &Ingested,
        staging: &Staging,
        monitor: &dyn Monitor,
    ) -> Result<PackageSummary, Error> {
        let mut brought_back = publish(staging, monitor)?;
        brought_back.retain(|object| !ingested.healed.iter().any(|healed| healed.object == *object));
        if !brought_back.is_empty() {
            self.record_batch(self.env.random_id(), &brought_back, monitor)?;
        }
        if !ingested.healed.is_empty() {
            let mut change = Change::begin(self, monitor)?;
            append_healed(&mut change, &ingested.healed, HealedFrom::Add)?;
            change.commit()?;
        }
        self.summary_by_number(&self.db.read()?, package.number)
    }

    /// Adds what was taken in to a package that is open.
    fn extend_package(
        &self,
        package: &PackageRow,
        mut ingested: Ingested,
        on_conflict: OnConflict,
        completion: Completion,
        staging: &Staging,
        monitor: &dyn Monitor,
    ) -> Result<AddReport, Error> {
        let entries = std::mem::take(&mut ingested.entries);
        let replace = on_conflict == OnConflict::Replace;
        let summary = match completion {
            Completion::LeaveOpen => {
                self.extend_open(package, &entries, replace, &ingested.healed, staging, monitor)?
            }
            Completion::Finalize | Completion::FinalizeIfChanged => {
                // One step, so one transaction: the manifest says what the package holds with these in it.
                let merged = self.merge(package, &entries, replace)?;
                self.freeze(package, merged, &ingested.healed, staging, monitor)?
            }
        };
        Ok(report(summary, ingested, false))
    }

    fn extend_open(
        &self,
        package: &PackageRow,
        entries: &EntryList,
        replace: bool,
        healed: &[Healed],
        staging: &Staging,
        monitor: &dyn Monitor,
    ) -> Result<PackageSummary, Error> {
        if !replace {
            self.check_conflicts(&self.db.read()?, package, entries)?;
        }
        let added = payload::entries_added(LOCAL, entries.iter(), replace);
        let added = Payload::staged(added, staging)?;
        let (change, summary) = self.publish_and_prepare(staging, &added, monitor, || {
            let mut change = Change::begin(self, monitor)?;
            self.resolve_still_open(change.tx(), package)?;
            if !replace {
                self.check_conflicts(change.tx(), package, entries)?;
            }
            change.append(EventType::EntriesAdded, &package.id.to_string(), &added)?;
            append_healed(&mut change, healed, HealedFrom::Add)?;
            let summary = self.summary_by_number(change.tx(), package.number)?;
            Ok((change, summary))
        })?;
        change.commit()?;
        Ok(summary)
    }

    /// Returns what an open package would hold with these entries in it, sorted by path.
    fn merge(&self, package: &PackageRow, entries: &EntryList, replace: bool) -> Result<EntryList, Error> {
        let mut merged = BTreeMap::new();
        trees::each_entry(&self.db.read()?, package.tree, |entry| -> Result<(), Error> {
            merged.insert(entry.path.clone(), entry);
            Ok(())
        })?;
        trees::merge(&mut merged, entries.iter(), replace).map_err(|path| path_taken(package, path))?;
        Ok(merged.into_values().collect())
    }

    /// Refuses entries that would displace what an open package has.
    fn check_conflicts(
        &self,
        tx: &ReadTx<'_>,
        package: &PackageRow,
        entries: &EntryList,
    ) -> Result<(), Error> {
        for entry in entries.iter() {
            let there = trees::entry_at(tx, package.tree, entry.path.as_bytes())?;
            if trees::meet(there.as_ref(), &entry) == trees::Meeting::Taken {
                return Err(path_taken(package, entry.path));
            }
        }
        Ok(())
    }

    fn number_of(&self, change: &Change<'_>, id: &Uuid) -> Result<i64, Error> {
        let package = packages::by_id(change.tx(), id)?;
        package
            .map(|package| package.number)
            .ok_or_else(|| Error::NoSuchPackage { reference: id.to_string() })
    }
}

fn path_taken(package: &PackageRow, path: EntryPath) -> Error {
    Error::PathTaken { reference: format!("{}@{}", package.name, package.version), path }
}

/// What became of a version that was chosen before its transaction began.
enum Attempt<'r> {
    /// It is still free: everything is entered, nothing committed.
    Prepared { change: Change<'r>, number: i64 },
    /// Another add took it; this is the next free one.
    Taken { next: u64 },
}

enum Target {
    New(Draft),
    Open(Box<PackageRow>, OnConflict),
}

/// Records the objects that were found missing or damaged and are whole again.
pub(super) fn append_healed(
    change: &mut Change<'_>,
    healed: &[Healed],
    from: HealedFrom,
) -> Result<(), Error> {
    for healed in healed {
        let payload = payload::object_healed(&healed.object, LOCAL, healed.fault.name(), from.name());
        let subject = healed.object.address().to_string();
        change.append(EventType::ObjectHealed, &subject, &Payload::inline(payload))?;
    }
    Ok(())
}

/// Counts the distinct objects of some entries.
pub(super) fn receipt(entries: &EntryList) -> Receipt {
    let mut objects: Vec<(Blake3, u64)> =
        entries.objects().map(|object| (object.blake3, object.size_bytes)).collect();
    objects.sort_unstable();
    objects.dedup();
    Receipt {
        backend_id: LOCAL.to_owned(),
        objects: objects.len() as u64,
        bytes: objects.iter().map(|(_, size)| size).sum(),
    }
}

fn report(package: PackageSummary, ingested: Ingested, unchanged: bool) -> AddReport {
    AddReport {
        package,
        unchanged,
        files_hashed: ingested.files_hashed,
        cache_hits: ingested.cache_hits,
        objects_new: ingested.objects_new,
        bytes_new: ingested.bytes_new,
        healed: ingested.healed.iter().map(|healed| healed.object.address()).collect(),
        skipped: ingested
            .skipped
            .into_iter()
            .map(|skipped| SkippedPath { path: skipped.path, why: skipped.why.to_string() })
            .collect(),
        excluded: ingested.excluded,
        bag_notes: Vec::new(),
    }
}
