//! The views `objects` and `storage_locations`: what the log says of every object it ever named.

use rusqlite::{OptionalExtension as _, Row};

use super::mentions::ObjectWriter;
use super::{Context, Refusal};
use crate::db::{DbError, ReadTx};
use crate::events::{digest_column, signed, unsigned};
use crate::identity::{AddressPrefix, Algorithm, Blake3, Digests, Sha256};

/// What the log says about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It never named it.
    Unknown,
    /// Its bytes are here.
    Stored,
    /// They were, and a gc purged them.
    Purged,
    /// They should be here, and a verify found them missing or wrong.
    Damaged,
}

/// A row of `objects`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    /// The surrogate key.
    pub number: i64,
    /// Digests and size.
    pub digests: Digests,
    /// The event that first named it.
    pub first_sequence: u64,
    /// The last event that said its bytes were stored anew.
    pub stored_sequence: u64,
    /// The first event whose payload it is.
    pub payload_sequence: Option<u64>,
    /// The gc that purged it.
    pub purged_sequence: Option<u64>,
    /// The verify that found it damaged.
    pub damaged_sequence: Option<u64>,
    /// The last event that took a pin off it, or displaced it in an open package.
    pub let_go_sequence: Option<u64>,
}

impl ObjectRecord {
    /// Returns what the log says about it.
    pub const fn standing(&self) -> Standing {
        match (self.purged_sequence, self.damaged_sequence) {
            (Some(_), _) => Standing::Purged,
            (None, Some(_)) => Standing::Damaged,
            (None, None) => Standing::Stored,
        }
    }
}

/// A file that a gc purged and that no event had named before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Which.
    pub address: Blake3,
    /// The size of the file that was there.
    pub size_bytes: u64,
    /// The last gc that purged it.
    pub purged_sequence: u64,
}

/// A path of a package that an object stands under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeUse {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// The path's bytes.
    pub path: Vec<u8>,
}

/// The columns of `objects` that [`read`] reads, also where a statement has to be one literal.
macro_rules! columns {
    () => {
        "object, digest_primary, digest_sha256, size_bytes, first_sequence, stored_sequence, payload_sequence, \
         purged_sequence, damaged_sequence, let_go_sequence"
    };
}

pub(super) const COLUMNS: &str = columns!();

/// Asked for every object of an add: a literal, so that nothing is put together each time.
const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM objects WHERE substr(digest_primary, 1, 8) = ?1 AND digest_primary = ?2"
);

const LEFTOVERS: &str = "SELECT digest_primary, size_bytes, purged_sequence FROM leftovers";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<ObjectRecord> {
    let maybe = |column| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(|value| u64::try_from(value).unwrap_or(0)))
    };
    Ok(ObjectRecord {
        number: row.get("object")?,
        digests: Digests {
            blake3: digest_column(row, "digest_primary")?,
            sha256: Sha256::from_bytes(row.get("digest_sha256")?),
            size_bytes: unsigned(row, "size_bytes")?,
        },
        first_sequence: unsigned(row, "first_sequence")?,
        stored_sequence: unsigned(row, "stored_sequence")?,
        payload_sequence: maybe("payload_sequence")?,
        purged_sequence: maybe("purged_sequence")?,
        damaged_sequence: maybe("damaged_sequence")?,
        let_go_sequence: maybe("let_go_sequence")?,
    })
}

/// Returns the object of this primary digest, if the log ever named it.
pub(crate) fn find(tx: &ReadTx<'_>, address: &Blake3) -> rusqlite::Result<Option<ObjectRecord>> {
    tx.prepare(FIND)?.query_row((&address.as_bytes()[..8], address.as_bytes()), read).optional()
}

/// Returns what the log says about the object of this primary digest, and reads no more of its row than that takes.
pub(crate) fn standing(tx: &ReadTx<'_>, address: &Blake3) -> rusqlite::Result<Standing> {
    let sql = "SELECT purged_sequence IS NOT NULL, damaged_sequence IS NOT NULL FROM objects
               WHERE substr(digest_primary, 1, 8) = ?1 AND digest_primary = ?2";
    let found = tx.maybe(sql, (&address.as_bytes()[..8], address.as_bytes()), |row| {
        Ok(match (row.get(0)?, row.get(1)?) {
            (true, _) => Standing::Purged,
            (false, true) => Standing::Damaged,
            (false, false) => Standing::Stored,
        })
    })?;
    Ok(found.unwrap_or(Standing::Unknown))
}

/// Returns the object of this surrogate number.
pub(crate) fn by_number(tx: &ReadTx<'_>, number: i64) -> Result<Option<ObjectRecord>, DbError> {
    Ok(tx.maybe(&format!("SELECT {COLUMNS} FROM objects WHERE object = ?1"), [number], read)?)
}

/// Returns up to `limit` objects whose digest begins with a prefix, in the order of that digest.
pub(crate) fn by_prefix(
    tx: &ReadTx<'_>,
    prefix: &AddressPrefix,
    limit: u32,
) -> Result<Vec<ObjectRecord>, DbError> {
    let column = match prefix.algorithm() {
        Algorithm::Blake3 => "digest_primary",
        Algorithm::Sha256 => "digest_sha256",
    };
    let (low, high) = prefix.bounds();
    let sql = format!(
        "SELECT {COLUMNS} FROM objects
         WHERE substr({column}, 1, 8) BETWEEN ?1 AND ?2 AND {column} BETWEEN ?3 AND ?4
         ORDER BY {column} LIMIT ?5"
    );
    Ok(tx.all(&sql, (&low[..8], &high[..8], &low[..], &high[..], limit), read)?)
}

fn read_leftover(row: &Row<'_>) -> rusqlite::Result<Leftover> {
    Ok(Leftover {
        address: digest_column(row, "digest_primary")?,
        size_bytes: unsigned(row, "size_bytes")?,
        purged_sequence: unsigned(row, "purged_sequence")?,
    })
}

/// Returns what a gc purged under this address though no event had named it. Whoever asks what the log says of an
/// address asks [`find`] first: what was stored since has a row there, and keeps this one.
pub(crate) fn leftover(tx: &ReadTx<'_>, address: &Blake3) -> Result<Option<Leftover>, DbError> {
    Ok(tx.maybe(&format!("{LEFTOVERS} WHERE digest_primary = ?1"), [address.as_bytes()], read_leftover)?)
}

/// Returns up to `limit` leftovers whose address begins with a prefix, ascending; of a SHA-256 the log knows none.
pub(crate) fn leftovers_by_prefix(
    tx: &ReadTx<'_>,
    prefix: &AddressPrefix,
    limit: u32,
) -> Result<Vec<Leftover>, DbError> {
    match prefix.algorithm() {
        Algorithm::Sha256 => Ok(Vec::new()),
        Algorithm::Blake3 => {
            let (low, high) = prefix.bounds();
            let sql = format!(
                "{LEFTOVERS} WHERE digest_primary BETWEEN ?1 AND ?2 ORDER BY digest_primary LIMIT ?3"
            );
            Ok(tx.all(&sql, (&low[..], &high[..], limit), read_leftover)?)
        }
    }
}

/// Returns the digests that [`digests_by_key`] would, all of them at once, if the log named no more than `max` objects.
///
/// Reads the table from front to end and sorts, which costs less than to ask for each row in the order of an index.
pub(crate) fn few_digests(tx: &ReadTx<'_>, head: u64, max: u32) -> Result<Option<Vec<Digests>>, DbError> {
    let count: i64 = tx.one("SELECT count(*) FROM objects", [], |row| row.get(0))?;
    if count > i64::from(max) {
        return Ok(None);
    }
    let sql = "SELECT digest_primary, digest_sha256, size_bytes FROM objects
               WHERE purged_sequence IS NULL AND first_sequence <= ?1";
    let mut found = tx.all(sql, [signed(head)], read_digests)?;
    found.sort_unstable_by_key(|object| object.blake3);
    Ok(Some(found))
}

fn read_digests(row: &Row<'_>) -> rusqlite::Result<Digests> {
    Ok(Digests {
        // By number: a name is looked for among all of them, for each row.
        blake3: Blake3::from_bytes(row.get(0)?),
        sha256: Sha256::from_bytes(row.get(1)?),
        size_bytes: unsigned(row, "size_bytes")?,
    })
}

/// Returns the digests of objects in ascending order, those after one of them, up to `limit`: of those that an event up
/// to `head` named and that are not purged.
pub(crate) fn digests_by_key(
    tx: &ReadTx<'_>,
    after: Option<&Blake3>,
    head: u64,
    limit: u32,
) -> Result<Vec<Digests>, DbError> {
    let low: &[u8] = after.map_or(&[], |digest| digest.as_bytes());
    let sql = "SELECT digest_primary, digest_sha256, size_bytes FROM objects
               WHERE substr(digest_primary, 1, 8) >= ?1 AND digest_primary > ?2
                 AND purged_sequence IS NULL AND first_sequence <= ?3
               ORDER BY substr(digest_primary, 1, 8), digest_primary LIMIT ?4";
    Ok(tx.all(sql, (&low[..low.len().min(8)], low, signed(head), limit), read_digests)?)
}

/// Returns the packages and paths that an object stands under, by name, version and path, up to `limit`.
pub(crate) fn uses(tx: &ReadTx<'_>, object: i64, limit: u32) -> Result<Vec<TreeUse>, DbError> {
    let sql = include_str!("../db/sql/object_uses.sql");
    Ok(tx.all(sql, (object, limit), |row| {
        Ok(TreeUse { name: row.get("name")?, version: unsigned(row, "version")?, path: row.get("path")? })
    })?)
}

/// Returns the trees that have an object, ascending, and under how many paths each has it.
pub(crate) fn trees_with(tx: &ReadTx<'_>, object: i64) -> Result<Vec<(i64, u64)>, DbError> {
    let sql =
        "SELECT tree, count(*) AS paths FROM artifact_files WHERE object = ?1 GROUP BY tree ORDER BY tree";
    Ok(tx.all(sql, [object], |row| Ok((row.get("tree")?, unsigned(row, "paths")?)))?)
}

/// Returns the paths under which a tree has an object, ascending, up to `limit`.
pub(crate) fn paths_in(
    tx: &ReadTx<'_>,
    object: i64,
    tree: i64,
    limit: Option<u64>,
) -> Result<Vec<Vec<u8>>, DbError> {
    let sql = "SELECT path FROM artifact_files WHERE object = ?1 AND tree = ?2 ORDER BY path LIMIT ?3";
    Ok(tx.all(sql, (object, tree, limit.map_or(-1, signed)), |row| row.get("path"))?)
}

/// Returns how many objects were ever named: their numbers count from 1 and are never used again.
pub(crate) fn ever(tx: &ReadTx<'_>) -> Result<u64, DbError> {
    Ok(tx.one("SELECT coalesce(max(object), 0) AS ever FROM objects", [], |row| unsigned(row, "ever"))?)
}

/// Returns how many objects should be here with their bytes together, and how many are purged.
pub(crate) fn totals(tx: &ReadTx<'_>) -> Result<(u64, u64, u64), DbError> {
    let sql = "SELECT count(*) FILTER (WHERE purged_sequence IS NULL) AS present,
                      coalesce(sum(size_bytes) FILTER (WHERE purged_sequence IS NULL), 0) AS bytes,
                      count(*) FILTER (WHERE purged_sequence IS NOT NULL) AS purged
               FROM objects";
    Ok(tx.one(sql, [], |row| {
        Ok((unsigned(row, "present")?, unsigned(row, "bytes")?, unsigned(row, "purged")?))
    })?)
}

/// Returns how many objects after a key were named up to an event and should be here, and their bytes together.
pub(crate) fn totals_after(tx: &ReadTx<'_>, after: &Blake3, head: u64) -> Result<(u64, u64), DbError> {
    let sql = "SELECT count(*) AS objects, coalesce(sum(size_bytes), 0) AS bytes FROM objects
               WHERE purged_sequence IS NULL AND first_sequence <= ?2 AND digest_primary > ?1";
    let read = |row: &Row<'_>| Ok((unsigned(row, "objects")?, unsigned(row, "bytes")?));
    Ok(tx.one(sql, (after.as_bytes(), signed(head)), read)?)
}

/// Hands every object that should be here to `each`, in the order of their first mention: its digest, its size, and
/// the last event that said its bytes were stored anew.
pub(crate) fn each_stored<E: From<DbError>>(
    tx: &ReadTx<'_>,
    mut each: impl FnMut(Blake3, u64, u64) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT digest_primary, size_bytes, stored_sequence FROM objects WHERE purged_sequence IS NULL";
    let db = |error: rusqlite::Error| E::from(error.into());
    let mut statement = tx.prepare(sql).map_err(db)?;
    let mut rows = statement.query([]).map_err(db)?;
    while let Some(row) = rows.next().map_err(db)? {
        let key = digest_column(row, "digest_primary").map_err(db)?;
        each(key, unsigned(row, "size_bytes").map_err(db)?, unsigned(row, "stored_sequence").map_err(db)?)?;
    }
    Ok(())
}

/// Returns the objects that a verify found damaged and nothing has mended since, ascending.
pub(crate) fn damaged(tx: &ReadTx<'_>) -> Result<Vec<ObjectRecord>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM objects WHERE damaged_sequence IS NOT NULL AND purged_sequence IS NULL"
    );
    let mut found = tx.all(&sql, [], read)?;
    found.sort_unstable_by_key(|object| object.digests.blake3);
    Ok(found)
}

/// Returns whether one of some trees has an object.
pub(crate) fn is_in(tx: &ReadTx<'_>, object: i64, trees: &[i64]) -> Result<bool, DbError> {
    Ok(trees_with(tx, object)?.iter().any(|(tree, _)| trees.contains(tree)))
}

fn known(context: &Context<'_, '_>, address: &Blake3) -> Result<ObjectRecord, Refusal> {
    find(context.tx, address)?.ok_or_else(|| Refusal::Unmade(format!("blake3:{address} was never stored")))
}

/// Notes that this event took a pin off an object, or displaced it.
pub(super) fn let_go(context: &Context<'_, '_>, object: i64) -> Result<(), Refusal> {
    let sql = "UPDATE objects SET let_go_sequence = ?2 WHERE object = ?1";
    context.tx.execute(sql, (object, signed(context.sequence())))?;
    Ok(())
}

/// Takes the mark of damage off an object.
pub(super) fn heal(context: &Context<'_, '_>, object: &Digests, backend: &str) -> Result<(), Refusal> {
    known(context, &object.blake3)?;
    ObjectWriter::new(context, backend)?.store_anew(object)
}

/// Returns whether a kind of fault means that an object's bytes are not to be had.
pub(crate) fn is_damage(kind: &str) -> bool {
    matches!(kind, "missing" | "truncated" | "altered" | "misnamed" | "unreadable" | "not-a-file")
}

/// Marks an object as damaged by what a verify found, where that concerns its bytes. What was stored anew after
/// the event `head`, with which the verify began, is not what it looked at.
pub(super) fn find_damaged(
    context: &Context<'_, '_>,
    address: &Blake3,
    kind: &str,
    head: u64,
) -> Result<(), Refusal> {
    if is_damage(kind) {
        context.tx.execute(
            "UPDATE objects SET damaged_sequence = ?2
             WHERE substr(digest_primary, 1, 8) = ?3 AND digest_primary = ?1 AND purged_sequence IS NULL
               AND stored_sequence <= ?4",
            (address.as_bytes(), signed(context.sequence()), &address.as_bytes()[..8], signed(head)),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;
    use crate::views::ViewWriter;

    #[test]
    fn leftovers_are_found_by_address_and_by_prefix() {
        let database = Database::temporary().unwrap();
        let tx = database.write().unwrap();
        ViewWriter::new(&tx, 0).reset().unwrap();
        let address = |last: u8| {
            let mut bytes = [0xab; 32];
            bytes[31] = last;
            Blake3::from_bytes(bytes)
        };
        for last in [3, 1, 2] {
            let row = (*address(last).as_bytes(), i64::from(last), 7);
            tx.execute("INSERT INTO leftovers VALUES (?1, ?2, ?3)", row).unwrap();
        }
        let expected = Leftover { address: address(2), size_bytes: 2, purged_sequence: 7 };
        assert_eq!(leftover(&tx, &address(2)).unwrap(), Some(expected));
        assert_eq!(leftover(&tx, &address(4)).unwrap(), None);
        let found = |prefix: &str, limit| {
            let found = leftovers_by_prefix(&tx, &prefix.parse().unwrap(), limit).unwrap();
            found.iter().map(|found| found.size_bytes).collect::<Vec<_>>()
        };
        assert_eq!(found("blake3:abababab", 9), [1, 2, 3]);
        assert_eq!(found("blake3:abababab", 2), [1, 2]);
        assert_eq!(found("blake3:abababac", 9), [0_u64; 0]);
        assert_eq!(found(&format!("blake3:{}", address(3)), 9), [3]);
        assert_eq!(found("sha256:abababab", 9), [0_u64; 0], "no event tells a leftover's SHA-256");
    }
}
