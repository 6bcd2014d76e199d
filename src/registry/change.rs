//! One step of the store: events and their views in one transaction, in the log first and then in the database.
//!
//! The order, and why no crash can tell a lie: the write lock is taken, `log/` is settled, events are entered
//! and applied, the item is appended to `log/` and durable, and only then the database commits. Before the
//! append nothing happened; after it the operation did happen, and whoever settles next enters it.

use std::io;
use std::path::Path;

use crate::db::{DbError, WriteTx};
use crate::disk::Disk;
use crate::env::Timestamp;
use crate::error::Error;
use crate::events::{
    Bookkeeping, EventType, Head, INLINE_PAYLOAD_BYTES_MAX, Payloads as _, Record, Settled, Stored, settle,
};
use crate::identity::{Blake3, Digests};
use crate::monitor::{Monitor, Problem};
use crate::storage::{Action, LockError, Staging, StorageError, StoreLock, layout};
use crate::views::{self, VIEWS_VERSION, ViewError, ViewWriter};

use super::{Access, Registry};

/// The payload of an event to come. A large one is an object, durable before the transaction that names it.
#[derive(Debug)]
pub(super) struct Payload {
    bytes: Vec<u8>,
    is_object: bool,
    /// Where they were taken already.
    digests: Option<Digests>,
}

impl Payload {
    /// Takes bytes that are small by their nature.
    pub(super) fn inline(bytes: Vec<u8>) -> Self {
        debug_assert!(bytes.len() <= INLINE_PAYLOAD_BYTES_MAX, "a large payload must be an object first");
        Self { bytes, is_object: false, digests: None }
    }

    /// Takes the bytes of an object that is durable under its name already, with the digests that were taken when it
    /// was written; the first of them again when it was read.
    pub(super) fn stored(bytes: Vec<u8>, digests: Digests) -> Self {
        let is_object = bytes.len() > INLINE_PAYLOAD_BYTES_MAX;
        Self { bytes, is_object, digests: Some(digests) }
    }

    /// Puts a large payload into a batch that is about to be published.
    pub(super) fn staged(bytes: Vec<u8>, staging: &Staging) -> Result<Self, Error> {
        let is_object = bytes.len() > INLINE_PAYLOAD_BYTES_MAX;
        let digests = is_object.then(|| Digests::of(&bytes));
        if let Some(digests) = digests {
            staging.put_bytes(&bytes, digests)?;
        }
        Ok(Self { bytes, is_object, digests })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns whether it is large, and thus an object.
    pub(super) const fn is_object(&self) -> bool {
        self.is_object
    }

    fn blake3(&self) -> Blake3 {
        self.digests.map_or_else(|| Blake3::of(&self.bytes), |digests| digests.blake3)
    }

    /// Returns what the views are given.
    fn as_applied(&self) -> views::Payload<'_> {
        views::Payload { bytes: &self.bytes, sha256: self.digests.map(|digests| digests.sha256) }
    }
}

impl Registry {
    /// Makes a payload of any size ready: a large one is stored, durable, before this returns.
    pub(super) fn prepare_payload(&self, bytes: Vec<u8>) -> Result<Payload, Error> {
        if bytes.len() <= INLINE_PAYLOAD_BYTES_MAX {
            return Ok(Payload::inline(bytes));
        }
        let staging = Staging::begin(self.disk.clone(), self.env.random_id())?;
        let payload = Payload::staged(bytes, &staging)?;
        staging.publish()?;
        Ok(payload)
    }
}

/// A transaction that holds the write lock, has settled, and collects events. Dropped, it leaves no trace.
#[must_use = "a change that is not committed leaves no trace"]
pub(super) struct Change<'r> {
    registry: &'r Registry,
    tx: WriteTx<'r>,
    kept: Bookkeeping,
    head: Head,
    now: Timestamp,
    events: Vec<Stored>,
}

impl<'r> Change<'r> {
    /// Takes the write lock and settles. What settling had to do is committed by itself, before anything else.
    pub(super) fn begin(registry: &'r Registry, monitor: &dyn Monitor) -> Result<Self, Error> {
        debug_assert!(
            matches!(registry.access, Access::Write | Access::Alone),
            "a store that is opened to be read is not changed"
        );
        Self::begin_locked(registry, monitor)
    }

    /// The same for a registry that was opened to read, and whose caller holds the shared lock by now.
    pub(super) fn begin_under(
        registry: &'r Registry,
        _lock: &StoreLock,
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        Self::begin_locked(registry, monitor)
    }

    fn begin_locked(registry: &'r Registry, monitor: &dyn Monitor) -> Result<Self, Error> {
        super::text::check_actor(registry.env.actor())?;
        loop {
            let tx = registry.db.write()?;
            match settle_into(registry, &tx)? {
                (kept, Settled::Even) => {
                    // A later build may have opened the store since this process did, and replayed the views:
                    // today's handlers must not write into tomorrow's tables.
                    if kept.views_version != VIEWS_VERSION {
                        return Err(Error::ViewsVersion { found: kept.views_version, known: VIEWS_VERSION });
                    }
                    registry.check_lock()?;
                    let head = crate::events::head(&tx)?;
                    return Ok(Self {
                        registry,
                        tx,
                        kept,
                        head,
                        now: registry.env.now(),
                        events: Vec::new(),
                    });
                }
                (_, settled) => {
                    tx.commit()?;
                    registry.disk.point("settled");
                    tell(settled, monitor);
                }
            }
        }
    }

    /// Returns the transaction, for reading inside the step.
    pub(super) const fn tx(&self) -> &WriteTx<'r> {
        &self.tx
    }

    /// Fails where the log's last event is not the one that the caller decided by.
    pub(super) fn expect_head(&self, expected: Head) -> Result<(), Error> {
        if self.head == expected { Ok(()) } else { Err(Error::Changed { reference: "the store".to_owned() }) }
    }

    /// Appends an event: its row, and every view. Returns its sequence.
    pub(super) fn append(
        &mut self,
        event_type: EventType,
        subject_id: &str,
        payload: &Payload,
    ) -> Result<u64, Error> {
        let event = self.next(event_type, subject_id, payload);
        enter(&self.tx, &mut self.kept, &event, payload.as_applied())?;
        Ok(self.entered(event))
    }

    /// The same with what comes from elsewhere, and may say what cannot be. Where the views refuse it, it leaves no
    /// trace, and the step goes on without it.
    pub(super) fn append_unless_refused(
        &mut self,
        event_type: EventType,
        subject_id: &str,
        payload: &Payload,
    ) -> Result<Result<u64, ViewError>, Error> {
        let event = self.next(event_type, subject_id, payload);
        let mut kept = self.kept;
        let tx = &self.tx;
        match tx.attempt(|| enter(tx, &mut kept, &event, payload.as_applied())) {
            Ok(()) => {
                self.kept = kept;
                Ok(Ok(self.entered(event)))
            }
            Err(Error::View(ViewError::Db(error))) => Err(error.into()),
            Err(Error::View(refused)) => Ok(Err(refused)),
            Err(error) => Err(error),
        }
    }

    fn next(&self, event_type: EventType, subject_id: &str, payload: &Payload) -> Stored {
        let record = Record {
            sequence: self.head.sequence + 1,
            created_at: self.now,
            event_type: event_type.name().to_owned(),
            subject_kind: event_type.subject_kind().to_owned(),
            subject_id: subject_id.to_owned(),
            actor: self.registry.env.actor().to_owned(),
            payload_digest: payload.blake3(),
            previous_digest: self.head.digest,
        };
        Stored::new(record, (!payload.is_object).then(|| payload.bytes.clone()))
    }

    fn entered(&mut self, event: Stored) -> u64 {
        self.head = Head::from(&event);
        self.events.push(event);
        self.head.sequence
    }

    /// Makes it stand: appended to `log/`, durable there, committed in the database.
    pub(super) fn commit(mut self) -> Result<Head, Error> {
        if self.events.is_empty() {
            return Ok(self.head);
        }
        self.kept.log = self.registry.files.append(&self.kept.log, &self.events)?;
        self.kept.store(&self.tx).map_err(Error::MayStand)?;
        self.tx.commit().map_err(Error::MayStand)?;
        self.registry.disk.point("database committed");
        Ok(self.head)
    }
}

impl Registry {
    /// Fails where the lock that this process holds is no longer the file that others would lock: then a gc may
    /// have run beside it, and what was decided by may be so no more.
    pub(super) fn check_lock(&self) -> Result<(), Error> {
        self.lock.as_ref().map_or(Ok(()), |lock| check_lock(lock, self.disk.as_ref()))
    }
}

/// Fails where a lock is no longer the file of its name.
pub(super) fn check_lock(lock: &StoreLock, disk: &dyn Disk) -> Result<(), Error> {
    let path = Path::new(layout::LOCK);
    let stands = match disk.stat(path) {
        Ok(stat) => lock.is_of(stat.inode),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(source) => {
            return Err(StorageError::Io { action: Action::Look, path: path.to_owned(), source }.into());
        }
    };
    if stands { Ok(()) } else { Err(LockError::Replaced.into()) }
}

/// Enters an event into the table and the views.
fn enter<'p>(
    tx: &WriteTx<'_>,
    kept: &mut Bookkeeping,
    event: &Stored,
    payload: impl Into<views::Payload<'p>>,
) -> Result<(), Error> {
    crate::events::insert(tx, event)?;
    let mut views = ViewWriter::new(tx, kept.skipped);
    views.apply(event, payload)?;
    kept.skipped = views.skipped();
    kept.views_sequence = event.record.sequence;
    Ok(())
}

/// Settles inside a transaction and keeps what came of it in the bookkeeping.
pub(super) fn settle_into(registry: &Registry, tx: &WriteTx<'_>) -> Result<(Bookkeeping, Settled), Error> {
    // Under the write lock of a database that has lost its name nothing that is written counts, and `log/` is another's.
    if !registry.db.has_its_name()? {
        return Err(Error::DatabaseReplaced);
    }
    let mut kept = Bookkeeping::load(tx)?;
    let (position, settled) = settle(tx, &registry.files, &mut |event: Stored| -> Result<(), Error> {
        enter_found(registry, tx, &mut kept, &event)
    })?;
    kept.log = position;
    if settled != Settled::Even {
        kept.store(tx)?;
    }
    Ok((kept, settled))
}

/// Enters an event that `log/` has and the database lacks.
pub(super) fn enter_found(
    registry: &Registry,
    tx: &WriteTx<'_>,
    kept: &mut Bookkeeping,
    event: &Stored,
) -> Result<(), Error> {
    // Views of another version cannot take events: they are replayed right after settling. Views that know the
    // event have it already: only its row was lost.
    if kept.views_version != VIEWS_VERSION || event.record.sequence <= kept.views_sequence {
        return Ok(crate::events::insert(tx, event)?);
    }
    match &event.payload {
        Some(payload) => enter(tx, kept, event, payload),
        None => enter(tx, kept, event, &registry.local.load(&event.record.payload_digest)?),
    }
}

pub(super) fn tell(settled: Settled, monitor: &dyn Monitor) {
    match settled {
        Settled::CaughtUp { events } => monitor.problem(&Problem::CaughtUp { events }),
        Settled::Completed { events } => monitor.problem(&Problem::LogRewritten { events }),
        Settled::Even | Settled::Cut => {}
    }
}

/// Says whether an error of SQLite is one of waiting, for those who would rather not.
pub(super) fn unless_busy<T>(result: Result<T, DbError>) -> Result<Option<T>, DbError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_busy() => Ok(None),
        Err(error) => Err(error),
    }
}
