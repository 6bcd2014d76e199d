//! `metadata_schemas`: which versions of which schemas were registered. The documents stay in their events.

use rusqlite::Row;

use super::{Context, Refusal};
use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::events::{digest_column, instant, signed, unsigned};
use crate::identity::Blake3;

/// A schema, but for its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaRecord {
    /// Its name.
    pub(crate) name: String,
    /// Its version, from 1 for each name.
    pub(crate) version: u64,
    /// BLAKE3 of the document.
    pub(crate) digest: Blake3,
    /// The size of the document.
    pub(crate) size_bytes: u64,
    /// What the document is.
    pub(crate) media_type: String,
    /// When it was registered.
    pub(crate) registered_at: Timestamp,
    /// Who registered it.
    pub(crate) actor: String,
    /// The event that did.
    pub(crate) registered_sequence: u64,
}

const SELECT: &str = "SELECT name, version, schema_digest, size_bytes, media_type, registered_at, actor,
    registered_sequence FROM metadata_schemas";

fn read(row: &Row<'_>) -> rusqlite::Result<SchemaRecord> {
    Ok(SchemaRecord {
        name: row.get("name")?,
        version: unsigned(row, "version")?,
        digest: digest_column(row, "schema_digest")?,
        size_bytes: unsigned(row, "size_bytes")?,
        media_type: row.get("media_type")?,
        registered_at: instant(row, "registered_at")?,
        actor: row.get("actor")?,
        registered_sequence: unsigned(row, "registered_sequence")?,
    })
}

/// Returns every version of every schema, by name and then by version.
pub(crate) fn all(tx: &ReadTx<'_>) -> Result<Vec<SchemaRecord>, DbError> {
    Ok(tx.all(&format!("{SELECT} ORDER BY name, version"), [], read)?)
}

/// Returns the newest version of a schema.
pub(crate) fn newest(tx: &ReadTx<'_>, name: &str) -> Result<Option<SchemaRecord>, DbError> {
    Ok(tx.maybe(&format!("{SELECT} WHERE name = ?1 ORDER BY version DESC LIMIT 1"), [name], read)?)
}

/// Returns one version of a schema.
pub(crate) fn by_version(tx: &ReadTx<'_>, name: &str, version: u64) -> Result<Option<SchemaRecord>, DbError> {
    Ok(tx.maybe(&format!("{SELECT} WHERE name = ?1 AND version = ?2"), (name, signed(version)), read)?)
}

/// Enters the next version of a schema.
pub(super) fn register(
    context: &Context<'_, '_>,
    name: &str,
    version: u64,
    media_type: &str,
    document: &[u8],
) -> Result<(), Refusal> {
    let known = newest(context.tx, name)?.map_or(0, |newest| newest.version);
    if version <= known {
        return Err(context.impossible(format!("the schema {name}@{version} is there already")));
    }
    if version != known + 1 {
        return Err(Refusal::Unmade(format!("there is no schema {name}@{}", version - 1)));
    }
    context.tx.execute(
        "INSERT INTO metadata_schemas VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            name,
            signed(version),
            Blake3::of(document).as_bytes(),
            signed(document.len() as u64),
            media_type,
            context.record.created_at.as_micros(),
            &context.record.actor,
            signed(context.sequence()),
        ),
    )?;
    Ok(())
}
