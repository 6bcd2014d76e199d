//! Reading the views for people: the newest version of a name, lists, sums, and who has what.
//!
//! Only reads. What a row of `artifact_packages` is, [`super::packages`] knows.

use super::objects::ObjectRecord;
use super::packages::{self, PackageFilter, PackageRow};
use super::{objects, trees};
use crate::db::{DbError, ReadTx};
use crate::events::{digest_column, signed, unsigned};
use crate::identity::{Blake3, ContentAddress};
use crate::manifest::Entry;

/// Returns every name that a package ever had, with its newest version, in the order of their bytes: out of an index.
pub(crate) fn names(tx: &ReadTx<'_>) -> Result<Vec<(String, u64)>, DbError> {
    let sql = "SELECT name, max(version) AS newest FROM artifact_packages GROUP BY name ORDER BY name";
    Ok(tx.all(sql, [], |row| Ok((row.get("name")?, unsigned(row, "newest")?)))?)
}

/// Returns how many packages were ever made: their numbers count from 1 and are never used again.
pub(crate) fn packages_ever(tx: &ReadTx<'_>) -> Result<u64, DbError> {
    let sql = "SELECT coalesce(max(package), 0) AS ever FROM artifact_packages";
    Ok(tx.one(sql, [], |row| unsigned(row, "ever"))?)
}

/// Which of a name's versions is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// Finalised and not removed.
    Finalized,
    /// Open and not removed.
    Open,
    /// Removed.
    Removed,
    /// Any.
    Any,
}

/// Returns the newest version of a name that fits.
pub(crate) fn newest(tx: &ReadTx<'_>, name: &str, pick: Pick) -> Result<Option<PackageRow>, DbError> {
    let condition = match pick {
        Pick::Finalized => "status = 'finalized' AND removed_at IS NULL",
        Pick::Open => "status = 'open' AND removed_at IS NULL",
        Pick::Removed => "removed_at IS NOT NULL",
        Pick::Any => "TRUE",
    };
    let sql = format!("{} WHERE name = ?1 AND {condition} ORDER BY version DESC LIMIT 1", packages::SELECT);
    Ok(tx.maybe(&sql, [name], packages::read)?)
}

/// Returns the versions of a name that are not removed, newest first, up to `limit`.
pub(crate) fn present_versions(tx: &ReadTx<'_>, name: &str, limit: u32) -> Result<Vec<PackageRow>, DbError> {
    let sql =
        format!("{} WHERE name = ?1 AND removed_at IS NULL ORDER BY version DESC LIMIT ?2", packages::SELECT);
    Ok(tx.all(&sql, (name, limit), packages::read)?)
}

/// Hands the packages of a filter to `each` in the order in which they were made; of more than `limit` the
/// newest ones.
pub(crate) fn each_package<E: From<DbError>>(
    tx: &ReadTx<'_>,
    filter: PackageFilter,
    limit: Option<u64>,
    mut each: impl FnMut(PackageRow) -> Result<(), E>,
) -> Result<(), E> {
    let (condition, now) = match filter {
        PackageFilter::Present => ("removed_at IS NULL", 0),
        PackageFilter::All => ("TRUE", 0),
        PackageFilter::Open => ("status = 'open' AND removed_at IS NULL", 0),
        PackageFilter::Removed => ("removed_at IS NOT NULL", 0),
        PackageFilter::Expired(now) => (
            "status = 'finalized' AND removed_at IS NULL AND hold = 0
              AND (expires_at <= ?1 OR expired_sequence IS NOT NULL)",
            now.as_micros(),
        ),
    };
    let sql = format!(
        "SELECT * FROM ({} WHERE {condition} AND ?1 IS NOT NULL ORDER BY package DESC LIMIT ?2) ORDER BY package",
        packages::SELECT
    );
    let sqlite = |error| E::from(DbError::Sqlite(error));
    let mut statement = tx.prepare(&sql).map_err(sqlite)?;
    let mut rows = statement.query((now, limit.map_or(-1, signed))).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        each(packages::read(row).map_err(sqlite)?)?;
    }
    Ok(())
}

/// How many packages there are, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Open and not removed.
    pub(crate) open: u64,
    /// Finalised and not removed.
    pub(crate) finalized: u64,
    /// Removed.
    pub(crate) removed: u64,
    /// The files of all that are not removed, each as often as it appears.
    pub(crate) logical_bytes: u64,
}

/// Counts the packages.
pub(crate) fn counts(tx: &ReadTx<'_>) -> Result<Counts, DbError> {
    Ok(tx.one(include_str!("../db/sql/package_counts.sql"), [], |row| {
        Ok(Counts {
            open: unsigned(row, "open")?,
            finalized: unsigned(row, "finalized")?,
            removed: unsigned(row, "removed")?,
            logical_bytes: unsigned(row, "logical_bytes")?,
        })
    })?)
}

/// Returns each retention class with the number of its packages that are not removed, and their bytes.
pub(crate) fn usage_by_class(tx: &ReadTx<'_>) -> Result<Vec<(String, u64, u64)>, DbError> {
    Ok(tx.all(include_str!("../db/sql/class_usage.sql"), [], |row| {
        Ok((row.get("class")?, unsigned(row, "packages")?, unsigned(row, "bytes")?))
    })?)
}

/// Returns the packages that are not removed and have most bytes, up to `limit`, the largest first.
pub(crate) fn largest(tx: &ReadTx<'_>, limit: u32) -> Result<Vec<(String, u64)>, DbError> {
    let sql =
        "SELECT name || '@' || version AS reference, bytes FROM artifact_packages WHERE removed_at IS NULL
               ORDER BY bytes DESC, package LIMIT ?1";
    Ok(tx.all(sql, [limit], |row| Ok((row.get("reference")?, unsigned(row, "bytes")?)))?)
}

/// Returns the months in which the packages were made that are not removed, each with their number and their bytes.
pub(crate) fn usage_by_month(tx: &ReadTx<'_>) -> Result<Vec<(String, u64, u64)>, DbError> {
    // SQLite knows the years 0 to 9999.
    let sql = "SELECT coalesce(strftime('%Y-%m', created_at / 1000000, 'unixepoch'), 'unknown') AS month,
                      count(*) AS packages, sum(bytes) AS bytes
               FROM artifact_packages WHERE removed_at IS NULL GROUP BY month ORDER BY month";
    Ok(tx.all(sql, [], |row| Ok((row.get("month")?, unsigned(row, "packages")?, unsigned(row, "bytes")?)))?)
}

/// Returns the packages that have this manifest: one, or none.
pub(crate) fn with_manifest(tx: &ReadTx<'_>, digest: &Blake3) -> Result<Vec<PackageRow>, DbError> {
    let sql = format!("{} WHERE manifest_digest = ?1 ORDER BY package", packages::SELECT);
    Ok(tx.all(&sql, [digest.as_bytes()], packages::read)?)
}

/// Returns the packages that are attestations about this manifest and are not removed, oldest first.
pub(crate) fn attesting(tx: &ReadTx<'_>, manifest: &Blake3) -> Result<Vec<PackageRow>, DbError> {
    let sql = format!("{} WHERE attests = ?1 AND removed_at IS NULL ORDER BY package", packages::SELECT);
    Ok(tx.all(&sql, [manifest.as_bytes()], packages::read)?)
}

/// Returns the packages whose entries these rows of `artifact_files` are, up to `limit`.
pub(crate) fn of_tree(tx: &ReadTx<'_>, tree: i64, limit: u32) -> Result<Vec<PackageRow>, DbError> {
    let sql = format!("{} WHERE tree = ?1 ORDER BY package LIMIT ?2", packages::SELECT);
    Ok(tx.all(&sql, (tree, limit), packages::read)?)
}

/// Returns up to `limit` entries of a tree that come after a path, ascending: for those who go through two
/// trees side by side.
pub(crate) fn entries_after(
    tx: &ReadTx<'_>,
    tree: i64,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Entry>, DbError> {
    let sql = format!("{} AND path > ?2 ORDER BY path LIMIT ?3", trees::SELECT);
    Ok(tx.all(&sql, (tree, after, limit), trees::read)?)
}

/// Returns an object of a tree that is purged, if there is one.
pub(crate) fn purged_in_tree(tx: &ReadTx<'_>, tree: i64) -> Result<Option<ObjectRecord>, DbError> {
    let sql = format!(
        "SELECT {} FROM objects WHERE purged_sequence IS NOT NULL
         AND object IN (SELECT object FROM artifact_files WHERE tree = ?1) LIMIT 1",
        objects::COLUMNS
    );
    Ok(tx.maybe(&sql, [tree], objects::read)?)
}

/// Returns how many objects of a tree each gc round purged, by the event that began it, and the sum of their sizes.
pub(crate) fn purged_parts(tx: &ReadTx<'_>, tree: i64) -> Result<Vec<(u64, u64, u64)>, DbError> {
    let sql = "SELECT purged_sequence, count(*) AS objects, sum(size_bytes) AS bytes FROM objects
               WHERE purged_sequence IS NOT NULL
                 AND object IN (SELECT object FROM artifact_files WHERE tree = ?1)
               GROUP BY purged_sequence ORDER BY purged_sequence";
    Ok(tx.all(sql, [tree], |row| {
        Ok((unsigned(row, "purged_sequence")?, unsigned(row, "objects")?, unsigned(row, "bytes")?))
    })?)
}

/// Returns how many distinct objects of a tree are purged, and the first of them, ascending by primary digest, up
/// to `limit`.
pub(crate) fn purged_of_tree(
    tx: &ReadTx<'_>,
    tree: i64,
    limit: u32,
) -> Result<(u64, Vec<ContentAddress>), DbError> {
    let sql =
        "SELECT digest_primary, count(*) OVER () AS purged FROM objects WHERE purged_sequence IS NOT NULL
               AND object IN (SELECT object FROM artifact_files WHERE tree = ?1)
               ORDER BY digest_primary LIMIT ?2";
    let rows = tx.all(sql, (tree, limit), |row| {
        Ok((unsigned(row, "purged")?, digest_column(row, "digest_primary")?))
    })?;
    let count = rows.first().map_or(0, |(count, _)| *count);
    Ok((count, rows.into_iter().map(|(_, digest)| ContentAddress::new(digest)).collect()))
}

/// Hands the objects of some trees, and some by their numbers, to `use_them` as one iterator, ascending by
/// primary digest, none twice.
pub(crate) fn with_objects_of<T>(
    tx: &ReadTx<'_>,
    trees: &[i64],
    numbers: &[i64],
    use_them: impl FnOnce(&mut dyn Iterator<Item = rusqlite::Result<ObjectRecord>>) -> T,
) -> Result<T, DbError> {
    let sql = format!(
        "SELECT {} FROM objects WHERE object IN (
             SELECT object FROM artifact_files WHERE tree IN (SELECT value FROM json_each(?1))
             UNION SELECT value FROM json_each(?2))
         ORDER BY digest_primary",
        objects::COLUMNS
    );
    let mut statement = tx.prepare(&sql)?;
    let mut rows = statement.query_map((json(trees), json(numbers)), objects::read)?;
    Ok(use_them(&mut rows))
}

/// Spells numbers as a JSON array, for `json_each`.
fn json(numbers: &[i64]) -> String {
    format!("[{}]", numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(","))
}

/// How many objects were found damaged and are not mended.
pub(crate) fn damaged(tx: &ReadTx<'_>) -> Result<u64, DbError> {
    let sql = "SELECT count(*) AS damaged FROM objects
               WHERE damaged_sequence IS NOT NULL AND purged_sequence IS NULL";
    Ok(tx.one(sql, [], |row| unsigned(row, "damaged"))?)
}

/// How many entries are read at once.
const PAGE_ENTRIES: u32 = 512;

/// The entries of a tree, ascending by path, read by the page: several can go on side by side.
pub(crate) struct EntryPages<'t, 'c> {
    tx: &'t ReadTx<'c>,
    tree: i64,
    page: std::vec::IntoIter<Entry>,
    last: Vec<u8>,
    ended: bool,
}

impl<'t, 'c> EntryPages<'t, 'c> {
    /// Begins at the first entry.
    pub(crate) fn new(tx: &'t ReadTx<'c>, tree: i64) -> Self {
        Self { tx, tree, page: Vec::new().into_iter(), last: Vec::new(), ended: false }
    }

    fn turn(&mut self) -> Result<(), DbError> {
        let page = entries_after(self.tx, self.tree, &self.last, PAGE_ENTRIES)?;
        self.ended = page.len() < PAGE_ENTRIES as usize;
        if let Some(entry) = page.last() {
            // A damaged page can lead back to where one came from, and round and round.
            if entry.path.as_bytes() <= self.last.as_slice() {
                return Err(DbError::Disorder { table: "artifact_files" });
            }
            self.last = entry.path.as_bytes().to_vec();
        }
        self.page = page.into_iter();
        Ok(())
    }
}

impl Iterator for EntryPages<'_, '_> {
    type Item = Result<Entry, DbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.as_slice().is_empty()
            && !self.ended
            && let Err(error) = self.turn()
        {
            self.ended = true;
            return Some(Err(error));
        }
        self.page.next().map(Ok)
    }
}
