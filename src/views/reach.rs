//! Who reaches which object: what a gc asks of the views, in one pass over each.

use std::collections::HashSet;

use super::objects;
use crate::db::{DbError, ReadTx};
use crate::events::{digest_column, signed, unsigned};
use crate::identity::Blake3;

/// A row of `objects`, as far as a gc looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReachedObject {
    /// The surrogate key.
    pub(crate) number: i64,
    /// The primary digest.
    pub(crate) address: Blake3,
    /// Its size.
    pub(crate) size_bytes: u64,
    /// The last event that stored it anew or let it go by itself.
    pub(crate) since: u64,
    /// Whether it is part of the log.
    pub(crate) is_payload: bool,
    /// Whether it is purged.
    pub(crate) is_purged: bool,
}

/// Hands every object that the log ever named to `each`, with the trees that have it, ascending.
///
/// Two cursors side by side, both in the order of the surrogate key: the table itself, and the index of entries
/// by object, which holds nothing else that is needed. Neither is sorted nor looked up row by row.
pub(crate) fn each_object<E: From<DbError>>(
    tx: &ReadTx<'_>,
    mut each: impl FnMut(&ReachedObject, &[i64]) -> Result<(), E>,
) -> Result<(), E> {
    let sqlite = |error| E::from(DbError::Sqlite(error));
    let mut objects = tx.prepare(include_str!("../db/sql/reached_objects.sql")).map_err(sqlite)?;
    let mut objects = objects.query([]).map_err(sqlite)?;
    let mut uses = tx.prepare(include_str!("../db/sql/uses_by_object.sql")).map_err(sqlite)?;
    let mut uses = uses.query([]).map_err(sqlite)?;
    let mut next: Option<(i64, i64)> = None;
    let mut trees = Vec::new();
    while let Some(row) = objects.next().map_err(sqlite)? {
        let object = read(row).map_err(sqlite)?;
        trees.clear();
        loop {
            let found = match next.take() {
                Some(found) => found,
                None => match uses.next().map_err(sqlite)? {
                    Some(row) => (row.get(0).map_err(sqlite)?, row.get(1).map_err(sqlite)?),
                    None => break,
                },
            };
            if found.0 > object.number {
                next = Some(found);
                break;
            }
            if found.0 == object.number && trees.last() != Some(&found.1) {
                trees.push(found.1);
            }
        }
        each(&object, &trees)?;
    }
    Ok(())
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<ReachedObject> {
    Ok(ReachedObject {
        number: row.get("object")?,
        address: digest_column(row, "digest_primary")?,
        size_bytes: unsigned(row, "size_bytes")?,
        since: unsigned(row, "since")?,
        is_payload: row.get("is_payload")?,
        is_purged: row.get("is_purged")?,
    })
}

/// Returns the trees that have one of these objects.
pub(crate) fn trees_of<'a>(
    tx: &ReadTx<'_>,
    addresses: impl Iterator<Item = &'a Blake3>,
) -> Result<HashSet<i64>, DbError> {
    let mut trees = HashSet::new();
    let mut uses = tx.prepare("SELECT DISTINCT tree FROM artifact_files WHERE object = ?1")?;
    for address in addresses {
        if let Some(object) = objects::find(tx, address)? {
            for tree in uses.query_map([object.number], |row| row.get(0))? {
                trees.insert(tree?);
            }
        }
    }
    Ok(trees)
}

/// Returns the leftovers that were purged, in no order: files that no event had named before.
pub(crate) fn purged_leftovers(tx: &ReadTx<'_>) -> Result<Vec<Blake3>, DbError> {
    Ok(tx.all("SELECT digest_primary FROM leftovers", [], |row| digest_column(row, "digest_primary"))?)
}

/// Returns what an event purged and no later one stored again or purged anew: digests and sizes, ascending.
pub(crate) fn purged_by(tx: &ReadTx<'_>, sequence: u64) -> Result<Vec<(Blake3, u64)>, DbError> {
    let sql = "SELECT digest_primary, size_bytes FROM objects WHERE purged_sequence = ?1
               UNION ALL
               SELECT digest_primary, size_bytes FROM leftovers AS left_over
               WHERE purged_sequence = ?1 AND NOT EXISTS (
                   SELECT 1 FROM objects WHERE substr(digest_primary, 1, 8) = substr(left_over.digest_primary, 1, 8)
                       AND digest_primary = left_over.digest_primary)
               ORDER BY digest_primary";
    Ok(tx.all(sql, [signed(sequence)], |row| {
        Ok((digest_column(row, "digest_primary")?, unsigned(row, "size_bytes")?))
    })?)
}
