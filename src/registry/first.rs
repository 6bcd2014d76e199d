//! The first event of a store, and a database that holds it and nothing else: `init` begins with it, and so does
//! whoever makes a log anew where nothing of the old one is left.

use std::path::Path;

use uuid::Uuid;

use super::open::file_mode;
use crate::db::Database;
use crate::disk::{Disk, DiskFile};
use crate::env::{Env, Timestamp};
use crate::error::Error;
use crate::events::{Bookkeeping, EventType, Head, Position, Record, Stored, insert, payload};
use crate::identity::Blake3;
use crate::storage::{Action, StorageError, layout};
use crate::views::{VIEWS_VERSION, ViewWriter};

/// Event 1, `v1.store.created`, with its payload.
pub(super) struct FirstEvent {
    event: Stored,
    payload: Vec<u8>,
}

impl FirstEvent {
    /// Makes it: the store of this id begins, with these retention classes.
    pub(super) fn new(env: &Env, now: Timestamp, store_id: Uuid, classes: &[(String, Option<u64>)]) -> Self {
        let payload = payload::store_created(store_id, classes);
        let record = Record {
            sequence: 1,
            created_at: now,
            event_type: EventType::StoreCreated.name().to_owned(),
            subject_kind: EventType::StoreCreated.subject_kind().to_owned(),
            subject_id: store_id.to_string(),
            actor: env.actor().to_owned(),
            payload_digest: Blake3::of(&payload),
            previous_digest: Head::NONE.digest,
        };
        Self { event: Stored::new(record, Some(payload.clone())), payload }
    }

    /// Makes a database of this name in the root, with the event in it and the views that follow. `append` writes the
    /// event to `log/` before the database has it, and says where that stands then. Returns the file, held since before
    /// anything was written to it: a write-back that fails is told to who had it open then.
    pub(super) fn make_database(
        &self,
        disk: &dyn Disk,
        root: &Path,
        name: &str,
        append: impl FnOnce(&Stored) -> Result<Position, Error>,
    ) -> Result<Box<dyn DiskFile>, Error> {
        // SQLite would make it with the umask's mode; its -wal and -shm take after it.
        let file = disk.create(Path::new(name), file_mode(disk)?);
        let failed = |source| StorageError::Io { action: Action::Create, path: name.into(), source };
        let file = file.map_err(failed)?;
        let db = Database::create(&layout::within(root, name.as_ref()))?;
        let tx = db.write()?;
        let mut views = ViewWriter::new(&tx, 0);
        views.reset()?;
        insert(&tx, &self.event)?;
        views.apply(&self.event, &self.payload)?;
        let log = append(&self.event)?;
        Bookkeeping { log, views_version: VIEWS_VERSION, views_sequence: 1, skipped: 0 }.store(&tx)?;
        tx.commit()?;
        Ok(file)
    }
}
