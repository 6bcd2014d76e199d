//! The view digest: one BLAKE3 over all views, by which two stores, or live and replay, are compared.
//! store-layout.md, "The view digest".

use rusqlite::types::ValueRef;

use super::VIEWS_VERSION;
use crate::db::{DbError, ReadTx};
use crate::identity::Blake3;
use crate::manifest::cbor::{Encoder, INTEGER_MAX};

/// A view: its table, its columns in order, and the primary key that its rows are ordered by.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The table's name.
    pub name: &'static str,
    pub(super) key: &'static str,
}

impl Table {
    /// Returns the columns of the primary key, separated by commas.
    pub const fn key(&self) -> &'static str {
        self.key
    }
}

/// Every view, in bytewise order of the names.
pub const TABLES: [Table; 11] = [
    Table { name: "artifact_files", key: "tree, path" },
    Table { name: "artifact_packages", key: "package" },
    Table { name: "gc_runs", key: "started_sequence" },
    Table { name: "leftovers", key: "digest_primary" },
    Table { name: "metadata_schemas", key: "name" },
    Table { name: "objects", key: "object" },
    Table { name: "pins", key: "name" },
    Table { name: "retention_classes", key: "name" },
    Table { name: "retention_state", key: "package" },
    Table { name: "storage_locations", key: "object, backend_id" },
    Table { name: "verify_runs", key: "sequence" },
];

/// How many bytes of encoding are collected before they are hashed.
const CHUNK_BYTES: usize = 1 << 16;

/// What one pass over all views found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewDigests {
    /// The view digest.
    pub whole: Blake3,
    /// The digest of each view by itself, in the order of [`TABLES`]: to say which of them differ.
    pub tables: Vec<(&'static str, Blake3)>,
}

/// Returns the digest over all views: BLAKE3 of the canonical CBOR array
/// `[views' schema version, [name, [column, …], [row, …]], …]`.
///
/// # Errors
/// [`DbError::Sqlite`] where a view cannot be read, or holds a value that no view may hold.
pub fn view_digest(tx: &ReadTx<'_>) -> Result<Blake3, DbError> {
    let mut whole = begin();
    for table in &TABLES {
        encode_table(tx, table, &mut |bytes| _ = whole.update(bytes))?;
    }
    Ok(Blake3::from_bytes(*whole.finalize().as_bytes()))
}

/// Returns the view digest, and that of each view by itself, from one pass.
///
/// # Errors
/// As [`view_digest`].
pub fn view_digests(tx: &ReadTx<'_>) -> Result<ViewDigests, DbError> {
    let mut whole = begin();
    let mut tables = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        let mut own = blake3::Hasher::new();
        encode_table(tx, table, &mut |bytes| {
            whole.update(bytes);
            own.update(bytes);
        })?;
        tables.push((table.name, Blake3::from_bytes(*own.finalize().as_bytes())));
    }
    Ok(ViewDigests { whole: Blake3::from_bytes(*whole.finalize().as_bytes()), tables })
}

/// Begins the view digest with what stands before the first table.
fn begin() -> blake3::Hasher {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).array(1 + TABLES.len()).uint(VIEWS_VERSION);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes);
    hasher
}

/// Hands the encoding of a table to `hash`, in pieces.
fn encode_table(tx: &ReadTx<'_>, table: &Table, hash: &mut dyn FnMut(&[u8])) -> Result<(), DbError> {
    let rows: i64 = tx.one(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get(0))?;
    let mut statement = tx.prepare(&format!("SELECT * FROM {} ORDER BY {}", table.name, table.key))?;
    let columns = statement.column_count();
    let mut buffer = Vec::with_capacity(CHUNK_BYTES * 2);
    let mut out = Encoder::new(&mut buffer);
    out.array(3).text(table.name).array(columns);
    for name in statement.column_names() {
        out.text(name);
    }
    out.array(usize::try_from(rows).unwrap_or(0));
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let mut out = Encoder::new(&mut buffer);
        out.array(columns);
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Integer(value) if value.unsigned_abs() > INTEGER_MAX => {
                    return Err(rusqlite::Error::IntegralValueOutOfRange(column, value).into());
                }
                ValueRef::Integer(value) => out.int(value),
                ValueRef::Text(text) => {
                    let text = std::str::from_utf8(text)
                        .map_err(|error| rusqlite::Error::Utf8Error(column, error))?;
                    out.text(text)
                }
                ValueRef::Blob(bytes) => out.bytes(bytes),
                ValueRef::Null => out.null(),
                ValueRef::Real(_) => return Err(rusqlite::Error::InvalidQuery.into()),
            };
        }
        if buffer.len() >= CHUNK_BYTES {
            hash(&buffer);
            buffer.clear();
        }
    }
    hash(&buffer);
    Ok(())
}
