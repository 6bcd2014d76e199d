//! The views: tables computed from events by [`ViewWriter::apply`], and from nothing else.
//!
//! The live path and replay call the same function, so that replay equals live by construction. Each view owns
//! its statements. Nothing here knows a file; payload objects come in as bytes.

pub(crate) mod browse;
mod compare;
mod digest;
mod mentions;
mod named;
pub(crate) mod objects;
pub(crate) mod packages;
pub(crate) mod pins;
mod purges;
pub(crate) mod reach;
pub(crate) mod retention;
pub(crate) mod runs;
pub(crate) mod schemas;
#[cfg(test)]
mod tests;
pub(crate) mod trees;

pub(crate) use browse::EntryPages;
pub(crate) use compare::{Value, differing_rows};
pub(crate) use digest::table_digests;
pub use digest::{TABLES, Table, ViewDigests, view_digest, view_digests};
pub use objects::{Leftover, ObjectRecord, Standing, TreeUse};
pub use packages::{PackageFilter, PackageRow};

use self::named::Named;
use crate::db::{DbError, WriteTx, index_statements};
use crate::events::{Decoded, Event, PayloadError, Record, Stored, decode};
use crate::identity::{Blake3, Sha256};
use crate::manifest::{EntryPath, ManifestError};

/// The version of the views' schema and of their meaning. Views of another version are made again by replay.
pub const VIEWS_VERSION: u64 = 3;

/// The tables that are views.
pub(crate) const SCHEMA: &str = include_str!("../db/sql/views.sql");

/// Indices over every object or entry that no handler asks. A replay makes them at its end, out of sorted keys: that
/// costs a fraction of one random place for each row.
const INDICES_LEFT_TO_THE_END: [&str; 2] = ["artifact_files_by_object", "objects_by_sha256"];

/// Returns the statement of the schema that makes an index.
fn index_statement(name: &str) -> &'static str {
    let mut all = index_statements(SCHEMA);
    all.find(|(found, _)| *found == name).expect("the schema has this index").1
}

/// Why an event cannot be applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// SQLite refused.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The payload is not what the format prescribes.
    #[error("event {sequence}: {source}")]
    Payload {
        /// The event.
        sequence: u64,
        /// What is wrong.
        source: PayloadError,
    },
    /// The event says something that cannot be, given the events before it.
    #[error("event {sequence}: {what}")]
    Impossible {
        /// The event.
        sequence: u64,
        /// What cannot be.
        what: String,
    },
    /// Two entries claim one path.
    #[error("event {sequence}: {path:?} is there already")]
    PathTaken {
        /// The event.
        sequence: u64,
        /// The path.
        path: EntryPath,
    },
}

impl From<rusqlite::Error> for ViewError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(DbError::Sqlite(error))
    }
}

/// Why a handler did not apply an event.
enum Refusal {
    /// It failed.
    Error(ViewError),
    /// It refers to something that no event made.
    Unmade(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self::Error(error.into())
    }
}

impl From<ViewError> for Refusal {
    fn from(error: ViewError) -> Self {
        Self::Error(error)
    }
}

/// What a handler works with: the transaction, and the event's record.
struct Context<'t, 'c> {
    tx: &'t WriteTx<'c>,
    record: &'t Record,
    named: Option<&'t Named>,
}

impl Context<'_, '_> {
    const fn sequence(&self) -> u64 {
        self.record.sequence
    }

    /// Returns whether no event before can have named an object; from here on one has.
    fn names_first(&self, object: &Blake3) -> bool {
        self.named.is_some_and(|named| named.enter(object))
    }

    fn impossible(&self, what: impl Into<String>) -> Refusal {
        Refusal::Error(ViewError::Impossible { sequence: self.sequence(), what: what.into() })
    }
}

impl From<PayloadError> for Refusal {
    fn from(source: PayloadError) -> Self {
        Self::Error(ViewError::Payload { sequence: 0, source })
    }
}

impl From<ManifestError> for Refusal {
    fn from(error: ManifestError) -> Self {
        PayloadError::Manifest(error).into()
    }
}

/// An event's payload, as it is applied.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'p> {
    /// Its bytes.
    pub bytes: &'p [u8],
    /// Their second digest, where the caller took it when they were written.
    pub sha256: Option<Sha256>,
}

impl<'p> From<&'p [u8]> for Payload<'p> {
    fn from(bytes: &'p [u8]) -> Self {
        Self { bytes, sha256: None }
    }
}

impl<'p> From<&'p Vec<u8>> for Payload<'p> {
    fn from(bytes: &'p Vec<u8>) -> Self {
        bytes.as_slice().into()
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The views say what it says.
    Whole,
    /// The same, but for fields that this build does not know.
    WithoutFields(u64),
    /// This build does not know its type, or it refers to what only a skipped event can have made.
    Skipped,
}

/// Writes the views: the only writer there is.
#[derive(Debug)]
pub struct ViewWriter<'t, 'c> {
    tx: &'t WriteTx<'c>,
    skipped: u64,
    /// What was named since the views were empty, if this writer made them so.
    named: Option<Named>,
}

impl<'t, 'c> ViewWriter<'t, 'c> {
    /// Goes on from views of which `skipped` events and fields were left out.
    pub const fn new(tx: &'t WriteTx<'c>, skipped: u64) -> Self {
        Self { tx, skipped, named: None }
    }

    /// Drops every view and makes it again, empty.
    ///
    /// # Errors
    /// [`ViewError::Db`] where SQLite refuses.
    pub fn reset(&mut self) -> Result<(), ViewError> {
        self.reset_to_replay()?;
        self.complete()
    }

    /// The same for who applies a whole log at once: some indices are missing until [`ViewWriter::complete`].
    ///
    /// # Errors
    /// [`ViewError::Db`] where SQLite refuses.
    pub fn reset_to_replay(&mut self) -> Result<(), ViewError> {
        for table in TABLES {
            self.tx.execute_batch(&format!("DROP TABLE IF EXISTS {}", table.name))?;
        }
        let begun = INDICES_LEFT_TO_THE_END
            .iter()
            .fold(SCHEMA.to_owned(), |schema, name| schema.replace(index_statement(name), ""));
        self.tx.execute_batch(&begun)?;
        self.skipped = 0;
        self.named = Some(Named::default());
        Ok(())
    }

    /// Makes the indices that [`ViewWriter::reset_to_replay`] left out. Views that are thrown away after they were
    /// read from front to end do without.
    ///
    /// # Errors
    /// [`ViewError::Db`] where SQLite refuses.
    pub fn complete(&self) -> Result<(), ViewError> {
        for name in INDICES_LEFT_TO_THE_END {
            self.tx.execute_batch(index_statement(name))?;
        }
        Ok(())
    }

    /// Returns how many events and payload fields were skipped so far.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Leaves an event out whose payload cannot be had. What refers to what it made is skipped from here on.
    pub const fn leave_out(&mut self) {
        self.skipped += 1;
    }

    /// Applies one event to every view. The payload is what the event's record names: whoever read it has checked
    /// that, or has just taken its digest.
    ///
    /// # Errors
    /// [`ViewError`] where the event cannot be: damage, unless something was skipped before it.
    pub fn apply<'p>(
        &mut self,
        event: &Stored,
        payload: impl Into<Payload<'p>>,
    ) -> Result<Applied, ViewError> {
        let payload = payload.into();
        let record = &event.record;
        debug_assert_eq!(Blake3::of(payload.bytes), record.payload_digest, "another event's payload");
        let Decoded { event: said, unknown_fields } = decode(record, payload.bytes)
            .map_err(|source| ViewError::Payload { sequence: record.sequence, source })?;
        let context = Context { tx: self.tx, record, named: self.named.as_ref() };
        // Outside of the savepoint on purpose: the payload is part of the log, whatever becomes of its event.
        mentions::name_payload(&context, event.payload.is_none(), &payload, &said)?;
        // What turns out to lean on a skipped event must leave no half of itself behind.
        let undo = self.skipped > 0;
        if undo {
            self.tx.execute_batch("SAVEPOINT event")?;
        }
        let outcome = dispatch(&context, said, payload.bytes);
        if undo {
            let back = if outcome.is_err() { "ROLLBACK TO event; RELEASE event" } else { "RELEASE event" };
            self.tx.execute_batch(back)?;
        }
        match outcome {
            Ok(Known::Yes) if unknown_fields == 0 => Ok(Applied::Whole),
            Ok(Known::Yes) => {
                self.skipped += unknown_fields;
                Ok(Applied::WithoutFields(unknown_fields))
            }
            Ok(Known::No) => {
                self.skipped += 1;
                Ok(Applied::Skipped)
            }
            Err(Refusal::Unmade(_)) if self.skipped > 0 => {
                self.skipped += 1;
                Ok(Applied::Skipped)
            }
            Err(Refusal::Unmade(what)) => Err(ViewError::Impossible { sequence: record.sequence, what }),
            Err(Refusal::Error(ViewError::Payload { source, .. })) => {
                Err(ViewError::Payload { sequence: record.sequence, source })
            }
            Err(Refusal::Error(error)) => Err(error),
        }
    }
}

enum Known {
    Yes,
    No,
}

/// Hands an event to the views that it concerns. Every type is named: a new one must be considered here.
fn dispatch(context: &Context<'_, '_>, event: Event<'_>, payload: &[u8]) -> Result<Known, Refusal> {
    match event {
        Event::StoreCreated { classes, .. } => retention::seed(context, &classes)?,
        Event::PackageCreated { id, name, version, class, metadata, provenance } => {
            let package =
                packages::create(context, &packages::NewPackage { id, name, version, metadata, provenance })?;
            retention::begin(context, package, &class)?;
        }
        Event::ObjectsStored { backend_id, objects } => {
            mentions::store_all_anew(context, &objects, backend_id)?;
        }
        Event::EntriesAdded { backend_id, entries, replace } => {
            let package = packages::open_subject(context)?;
            let totals = trees::add_entries(context, &package, backend_id, &entries, replace)?;
            packages::set_totals(context, package.number, backend_id, totals)?;
        }
        Event::PackageFinalized { manifest } => {
            packages::finalize(
                context,
                &manifest,
                context.record.payload_digest,
                payload.len() as u64,
                None,
            )?;
        }
        Event::PackageImported { manifest, manifest_bytes, origin } => {
            let digest = Blake3::of(manifest_bytes);
            packages::finalize(context, &manifest, digest, manifest_bytes.len() as u64, Some(&origin))?;
        }
        Event::PackageRemoved { reason } => packages::remove(context, &reason)?,
        Event::PackageRestored { .. } => packages::restore(context)?,
        Event::PinAdded { name, target, reason } => pins::add(context, &name, target, reason.as_deref())?,
        Event::PinRemoved { name } => pins::remove(context, &name)?,
        Event::RetentionChanged { class, expires_at, hold, reason } => {
            retention::change(context, class.as_deref(), expires_at, hold, &reason)?;
        }
        Event::GcStarted { plan, round, rounds, reason, packages, objects } => {
            for package in &packages {
                retention::expire(context, package)?;
            }
            let purges::Purged { objects: count, bytes } = purges::purge(context, &objects)?;
            runs::gc_started(context, &runs::GcRound { plan, round, rounds, reason, count, bytes })?;
        }
        Event::GcCompleted { started, objects, bytes, missing, failed, duration_micros } => {
            let (missing, failed) = (missing.count()?, failed.count()?);
            let end = runs::GcEnd { started, objects, bytes, missing, failed, duration_micros };
            runs::gc_completed(context, &end)?;
        }
        Event::ObjectHealed { object, backend_id, fault: _ } => objects::heal(context, &object, backend_id)?,
        Event::VerifyCompleted {
            head,
            mode,
            first,
            last,
            expected_head: _,
            expected_digest: _,
            objects,
            bytes,
            faults,
        } => {
            let mut count = 0;
            faults.each(|fault| -> Result<(), Refusal> {
                count += 1;
                if let Some(address) = &fault.address {
                    objects::find_damaged(context, address, &fault.kind, head)?;
                }
                Ok(())
            })?;
            let end = runs::VerifyEnd { head, mode, first, last, objects, bytes, faults: count };
            runs::verify_completed(context, &end)?;
        }
        Event::SchemaRegistered { name, version, media_type, document } => {
            if name.as_str() != context.record.subject_id {
                return Err(context.impossible("the schema's name is not the event's subject"));
            }
            schemas::register(context, name.as_str(), version, media_type, document)?;
        }
        Event::Unknown => return Ok(Known::No),
    }
    Ok(Known::Yes)
}
