//! The view digest: one BLAKE3 over all views, by which two stores, or live and replay, are compared.
//! store-layout.md, "The view digest".

use rusqlite::types::ValueRef;

use super::{SCHEMA, VIEWS_VERSION};
use crate::db::{DbError, ReadTx};
use crate::identity::{Algorithm, Blake3};
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
    Table { name: "metadata_schemas", key: "name, version" },
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

/// Returns the digest of each view by itself, in the order of [`TABLES`].
///
/// # Errors
/// As [`view_digest`].
pub(crate) fn table_digests(tx: &ReadTx<'_>) -> Result<[Blake3; TABLES.len()], DbError> {
    let mut digests = [Blake3::from_bytes([0; 32]); TABLES.len()];
    for (table, digest) in TABLES.iter().zip(&mut digests) {
        let mut own = blake3::Hasher::new();
        encode_table(tx, table, &mut |bytes| _ = own.update(bytes))?;
        *digest = Blake3::from_bytes(*own.finalize().as_bytes());
    }
    Ok(digests)
}

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// SQLite says it.
    Row(usize),
    /// It is the word `blake3`.
    Algorithm,
    /// It is the content address of the digest in that column of the row.
    Address(usize),
}

/// Returns what to ask for in place of every column, and where the columns' values come from then.
///
/// Two columns of `objects` are stored nowhere: SQLite computes them of another one for each row.
/// Where the table is declared as in [`SCHEMA`], by which they are that and nothing else, they are computed here.
fn columns_asked(
    tx: &ReadTx<'_>,
    table: &Table,
    names: &[&str],
) -> Result<Option<(String, Vec<Source>)>, DbError> {
    if table.name != "objects" {
        return Ok(None);
    }
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let declared: Option<String> = tx.maybe(sql, [table.name], |row| row.get(0))?;
    if declared.as_deref() != Some(declaration_of_objects()) {
        return Ok(None);
    }
    let stored: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !matches!(*name, "digest_algorithm" | "content_address"))
        .collect();
    let place = |name: &str| stored.iter().position(|stored| *stored == name);
    let source = |name: &&str| match *name {
        "digest_algorithm" => Some(Source::Algorithm),
        "content_address" => place("digest_primary").map(Source::Address),
        name => place(name).map(Source::Row),
    };
    let sources: Option<Vec<Source>> = names.iter().map(source).collect();
    Ok(sources.map(|sources| (stored.join(", "), sources)))
}

/// Returns how the schema declares `objects`, as SQLite remembers it.
fn declaration_of_objects() -> &'static str {
    let start = SCHEMA.find("CREATE TABLE objects (").expect("the schema has this table");
    let length = SCHEMA[start..].find(';').expect("a statement has an end");
    &SCHEMA[start..start + length]
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
    let order = format!("FROM {} ORDER BY {}", table.name, table.key);
    let mut statement = tx.prepare(&format!("SELECT * {order}"))?;
    let columns = statement.column_count();
    let mut buffer = Vec::with_capacity(CHUNK_BYTES * 2);
    let mut out = Encoder::new(&mut buffer);
    out.array(3).text(table.name).array(columns);
    for name in statement.column_names() {
        out.text(name);
    }
    out.array(usize::try_from(rows).unwrap_or(0));
    let names: Vec<&str> = statement.column_names().collect();
    let asked = columns_asked(tx, table, &names)?;
    let sources = match asked {
        Some((asked, sources)) => {
            statement = tx.prepare(&format!("SELECT {asked} {order}"))?;
            sources
        }
        None => (0..columns).map(Source::Row).collect(),
    };
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let mut out = Encoder::new(&mut buffer);
        out.array(columns);
        for source in &sources {
            match *source {
                Source::Row(column) => encode_value(&mut out, column, row.get_ref(column)?)?,
                Source::Algorithm => _ = out.text(Algorithm::Blake3.name()),
                Source::Address(column) => match row.get_ref(column)? {
                    ValueRef::Blob(digest) => encode_address(&mut out, digest),
                    // No view of ours has that, and the row differs from one of ours by that column already.
                    ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => {
                        _ = out.null();
                    }
                },
            }
        }
        if buffer.len() >= CHUNK_BYTES {
            hash(&buffer);
            buffer.clear();
        }
    }
    hash(&buffer);
    Ok(())
}

fn encode_value(out: &mut Encoder<'_>, column: usize, value: ValueRef<'_>) -> Result<(), DbError> {
    match value {
        ValueRef::Integer(value) if value.unsigned_abs() > INTEGER_MAX => {
            return Err(rusqlite::Error::IntegralValueOutOfRange(column, value).into());
        }
        ValueRef::Integer(value) => out.int(value),
        ValueRef::Text(text) => {
            let text =
                std::str::from_utf8(text).map_err(|error| rusqlite::Error::Utf8Error(column, error))?;
            out.text(text)
        }
        ValueRef::Blob(bytes) => out.bytes(bytes),
        ValueRef::Null => out.null(),
        ValueRef::Real(_) => return Err(rusqlite::Error::InvalidQuery.into()),
    };
    Ok(())
}

/// Appends `blake3:` and the digest in hexadecimal digits.
fn encode_address(out: &mut Encoder<'_>, digest: &[u8]) {
    const BEGINS: &[u8] = b"blake3:";
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; BEGINS.len() + 64];
    let Some(digest) = digest.first_chunk::<32>().filter(|_| digest.len() == 32) else {
        _ = out.null(); // as above
        return;
    };
    text[..BEGINS.len()].copy_from_slice(BEGINS);
    for (pair, byte) in text[BEGINS.len()..].chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    out.text(std::str::from_utf8(&text).expect("digits are text"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Database, WriteTx};
    use crate::views::ViewWriter;

    fn with_objects(change: impl FnOnce(&WriteTx<'_>)) -> [Blake3; TABLES.len()] {
        let database = Database::temporary().unwrap();
        let tx = database.write().unwrap();
        ViewWriter::new(&tx, 0).reset().unwrap();
        change(&tx);
        let sql =
            "INSERT INTO objects (digest_primary, digest_sha256, size_bytes, first_sequence, stored_sequence)
                   VALUES (?1, ?2, 9, 1, 1)";
        for byte in [0, 0x0f, 0xa5, 0xff] {
            tx.execute(sql, ([byte; 32], [byte; 32])).unwrap();
        }
        assert_eq!(
            view_digests(&tx).unwrap().tables,
            TABLES.map(|table| table.name).into_iter().zip(table_digests(&tx).unwrap()).collect::<Vec<_>>()
        );
        table_digests(&tx).unwrap()
    }

    #[test]
    fn what_sqlite_computes_is_what_is_computed_here_and_only_where_the_table_is_ours() {
        let redeclare = |from: &str, to: &str| {
            let declared = declaration_of_objects().replace(from, to);
            assert!(!declared.is_empty());
            with_objects(|tx| tx.execute_batch(&format!("DROP TABLE objects; {declared}")).unwrap())
        };
        let ours = with_objects(|tx| {
            let names = ["digest_algorithm", "digest_primary", "content_address"];
            let asked = columns_asked(tx, &TABLES[5], &names).unwrap();
            assert_eq!(asked.expect("the table is ours").0, "digest_primary");
        });
        assert_eq!(redeclare("counts from 1", "counted from 1"), ours, "computed by SQLite");
        assert_ne!(redeclare("AS ('blake3')", "AS ('blake4')"), ours);
        assert_ne!(redeclare("lower(hex(digest_primary))", "hex(digest_primary)"), ours);
    }
}
