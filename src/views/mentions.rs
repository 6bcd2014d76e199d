//! What the mention of an object in an event does to `objects` and `storage_locations`.

use rusqlite::{CachedStatement, OptionalExtension as _};

use super::{Context, Payload, Refusal, ViewError, packages, runs};
use crate::events::{Event, EventType, Items, signed};
use crate::identity::{Digests, Sha256};

/// The backend that keeps payload objects: the store's own.
const LOCAL: &str = "local";

/// Enters objects that one event mentions. Its statements are prepared once for all of them.
pub(super) struct ObjectWriter<'a, 't, 'c> {
    context: &'a Context<'t, 'c>,
    backend: &'a str,
    find: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    locate: CachedStatement<'a>,
}

/// What became of an object that an event mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mention {
    /// The event is the first to name it.
    First,
    /// It was purged, and is stored again.
    BroughtBack,
    /// It stands as it stood.
    Known,
}

/// What a mention compares with: the columns that are neither its key nor told of later.
const FIND_KNOWN: &str = "SELECT object, digest_sha256, size_bytes, purged_sequence IS NOT NULL FROM objects
                          WHERE substr(digest_primary, 1, 8) = ?1 AND digest_primary = ?2";

impl<'a, 't, 'c> ObjectWriter<'a, 't, 'c> {
    pub(super) fn new(context: &'a Context<'t, 'c>, backend: &'a str) -> Result<Self, Refusal> {
        let tx = context.tx;
        let insert =
            "INSERT INTO objects (digest_primary, digest_sha256, size_bytes, first_sequence, stored_sequence)
                      VALUES (?1, ?2, ?3, ?4, ?4)";
        let locate = "INSERT OR IGNORE INTO storage_locations VALUES (?1, ?2, 'online', NULL)";
        Ok(Self {
            context,
            backend,
            find: tx.prepare(FIND_KNOWN)?,
            insert: tx.prepare(insert)?,
            locate: tx.prepare(locate)?,
        })
    }

    /// Enters an object, and returns its number and what became of it.
    pub(super) fn mention(&mut self, object: &Digests) -> Result<(i64, Mention), Refusal> {
        let address = object.blake3.as_bytes();
        let known = if self.context.names_first(&object.blake3) {
            None
        } else {
            let found = self.find.query_row((&address[..8], address), |row| {
                let same = row.get_ref(1)?.as_blob()? == object.sha256.as_bytes()
                    && row.get::<_, i64>(2)? == signed(object.size_bytes);
                Ok((row.get(0)?, same, row.get(3)?))
            });
            found.optional()?
        };
        let (number, mention) = match known {
            Some((_, false, _)) => {
                let what = format!("{} has another size or SHA-256 than before", object.address());
                return Err(self.context.impossible(what));
            }
            Some((number, true, false)) => return Ok((number, Mention::Known)),
            Some((number, true, true)) => {
                bring_back(self.context, number)?;
                (number, Mention::BroughtBack)
            }
            None => {
                let size = signed(object.size_bytes);
                let row = (address, object.sha256.as_bytes(), size, signed(self.context.sequence()));
                (self.insert.insert(row)?, Mention::First)
            }
        };
        self.locate(number)?;
        Ok((number, mention))
    }

    /// Enters an object whose bytes the event says were written just now, whatever was there before.
    pub(super) fn store_anew(&mut self, object: &Digests) -> Result<(), Refusal> {
        let (number, mention) = self.mention(object)?;
        if mention == Mention::Known {
            self.context.tx.execute(
                "UPDATE objects SET stored_sequence = ?2, damaged_sequence = NULL WHERE object = ?1",
                (number, signed(self.context.sequence())),
            )?;
            self.locate(number)?;
        }
        Ok(())
    }

    fn locate(&mut self, object: i64) -> Result<(), Refusal> {
        self.locate.execute((object, self.backend))?;
        Ok(())
    }
}

/// Enters a batch of objects whose bytes an event says were written just now.
pub(super) fn store_all_anew(
    context: &Context<'_, '_>,
    objects: &Items<'_, Digests>,
    backend: &str,
) -> Result<(), Refusal> {
    let mut writer = ObjectWriter::new(context, backend)?;
    objects.each(|object| writer.store_anew(&object))
}

/// Takes the mark of a purge off an object that an event names again.
fn bring_back(context: &Context<'_, '_>, object: i64) -> Result<(), Refusal> {
    context.tx.execute(
        "UPDATE objects SET purged_sequence = NULL, damaged_sequence = NULL, stored_sequence = ?2
         WHERE object = ?1",
        (object, signed(context.sequence())),
    )?;
    Ok(())
}

/// Brings back every purged object of a tree that an event names again.
pub(super) fn store_tree(context: &Context<'_, '_>, tree: i64, backend: &str) -> Result<(), Refusal> {
    if runs::purged_nothing_since(context.tx, packages::last_named(context.tx, tree)?)? {
        return Ok(());
    }
    let purged: Vec<i64> = context.tx.all(
        "SELECT DISTINCT object FROM artifact_files JOIN objects USING (object)
         WHERE tree = ?1 AND purged_sequence IS NOT NULL ORDER BY object",
        [tree],
        |row| row.get(0),
    )?;
    let mut writer = ObjectWriter::new(context, backend)?;
    for object in purged {
        bring_back(context, object)?;
        writer.locate(object)?;
    }
    Ok(())
}

/// Enters the payload of an event as an object, where it is one: a large payload, or a manifest. Its second digest
/// is taken here, unless the caller had to take it before.
pub(super) fn name_payload(
    context: &Context<'_, '_>,
    is_object: bool,
    payload: &Payload<'_>,
    event: &Event<'_>,
) -> Result<(), ViewError> {
    let is_manifest = context.record.event_type == EventType::PackageFinalized.name();
    if is_object || is_manifest {
        let blake3 = context.record.payload_digest;
        let sha256 = payload.sha256.unwrap_or_else(|| Sha256::of(payload.bytes));
        name(context, &Digests { blake3, sha256, size_bytes: payload.bytes.len() as u64 })?;
    }
    if let Event::PackageImported { manifest_bytes, .. } = event {
        name(context, &Digests::of(manifest_bytes))?;
    }
    Ok(())
}

/// Enters an object that is part of the log.
fn name(context: &Context<'_, '_>, object: &Digests) -> Result<(), ViewError> {
    let mentioned = ObjectWriter::new(context, LOCAL).and_then(|mut writer| writer.mention(object));
    let (number, _) = mentioned.map_err(|refusal| match refusal {
        Refusal::Error(error) => error,
        Refusal::Unmade(what) => ViewError::Impossible { sequence: context.sequence(), what },
    })?;
    context.tx.execute(
        "UPDATE objects SET payload_sequence = ?2 WHERE object = ?1 AND payload_sequence IS NULL",
        (number, signed(context.sequence())),
    )?;
    Ok(())
}
