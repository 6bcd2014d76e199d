//! The view `artifact_files`: the entries of packages. Packages of equal content digest share one tree.

use std::collections::BTreeMap;
use std::ops::Bound;

use rusqlite::{CachedStatement, Row};

use super::mentions::{Mention, ObjectWriter};
use super::packages::PackageKey;
use super::{Context, Refusal, ViewError, objects};
use crate::db::{DbError, ReadTx};
use crate::events::{Items, digest_column, signed, unsigned};
use crate::identity::{Digests, Sha256};
use crate::manifest::cbor::INTEGER_MAX;
use crate::manifest::{AsEntry as _, BodyRef, Entry, EntryBody, EntryPath, EntryRef, Mtime};

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let corrupt = |what: &str| rusqlite::Error::InvalidColumnName(what.to_owned());
    let path = EntryPath::new(row.get::<_, Vec<u8>>("path")?).map_err(|_| corrupt("path"))?;
    let kind: String = row.get("kind")?;
    let mode = || -> rusqlite::Result<u32> { row.get("mode") };
    let body = match kind.as_str() {
        "file" => EntryBody::File {
            mode: mode()?,
            object: Digests {
                blake3: digest_column(row, "digest_primary")?,
                sha256: Sha256::from_bytes(row.get("digest_sha256")?),
                size_bytes: unsigned(row, "size_bytes")?,
            },
        },
        "directory" => EntryBody::Directory { mode: mode()? },
        _ => EntryBody::Symlink { target: row.get::<_, Vec<u8>>("target")?.into() },
    };
    let mtime = match (row.get("mtime")?, row.get("mtime_nanos")?) {
        (Some(seconds), Some(nanoseconds)) => Some(Mtime { seconds, nanoseconds }),
        _ => None,
    };
    Ok(Entry { path, body, mtime })
}

pub(super) const SELECT: &str = include_str!("../db/sql/tree_entries.sql");

/// Hands the entries of a tree to `each`, ascending by path.
pub(crate) fn each_entry<E: From<DbError>>(
    tx: &ReadTx<'_>,
    tree: i64,
    mut each: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let sqlite = |error| E::from(DbError::Sqlite(error));
    let mut statement = tx.prepare(&format!("{SELECT} ORDER BY path")).map_err(sqlite)?;
    let mut rows = statement.query([tree]).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        each(read(row).map_err(sqlite)?)?;
    }
    Ok(())
}

/// Returns the entry at a path of a tree.
pub(crate) fn entry_at(tx: &ReadTx<'_>, tree: i64, path: &[u8]) -> Result<Option<Entry>, DbError> {
    Ok(tx.maybe(&format!("{SELECT} AND path = ?2"), (tree, path), read)?)
}

/// Enters entries into a tree, and counts them. Its statements are prepared once for all of them.
pub(super) struct TreeWriter<'a, 't, 'c> {
    tree: i64,
    objects: ObjectWriter<'a, 't, 'c>,
    insert: CachedStatement<'a>,
    totals: Totals,
    /// The number of the first object that was entered with this tree: this one and those above were counted then.
    first_own: i64,
    /// Objects that were there before, with their sizes, as often as they were met.
    older: Vec<(i64, u64)>,
}

/// What an entry met at its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing, and it stands there now.
    Free,
    /// Another entry, which stands there still. The object is entered all the same.
    Taken,
}

impl<'a, 't, 'c> TreeWriter<'a, 't, 'c> {
    pub(super) fn new(context: &'a Context<'t, 'c>, tree: i64, backend: &'a str) -> Result<Self, Refusal> {
        let insert = "INSERT INTO artifact_files VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                      ON CONFLICT (tree, path) DO NOTHING";
        Ok(Self {
            tree,
            objects: ObjectWriter::new(context, backend)?,
            insert: context.tx.prepare(insert)?,
            totals: Totals::default(),
            first_own: i64::MAX,
            older: Vec::new(),
        })
    }

    /// Enters an entry where nothing has its path, and its object in any case.
    pub(super) fn enter(&mut self, entry: &EntryRef<'_>) -> Result<Place, Refusal> {
        let (mode, object, target) = match entry.body() {
            BodyRef::File { mode, object } => (Some(*mode), Some(self.mention(object)?), None),
            BodyRef::Directory { mode } => (Some(*mode), None, None),
            BodyRef::Symlink { target } => (None, None, Some(*target)),
        };
        let entered = self.insert.execute(rusqlite::params![
            self.tree,
            entry.path(),
            entry.body().kind(),
            mode,
            object,
            target,
            entry.mtime().map(|mtime| mtime.seconds),
            entry.mtime().map(|mtime| mtime.nanoseconds),
        ])?;
        self.totals.entries += 1;
        Ok(if entered == 0 { Place::Taken } else { Place::Free })
    }

    fn mention(&mut self, object: &Digests) -> Result<i64, Refusal> {
        let (number, mention) = self.objects.mention(object)?;
        let size = object.size_bytes;
        self.totals.files += 1;
        self.totals.bytes = self.totals.bytes.saturating_add(size);
        if mention == Mention::First {
            self.first_own = self.first_own.min(number);
            self.totals.objects += 1;
            self.totals.object_bytes = self.totals.object_bytes.saturating_add(size);
        } else if number < self.first_own {
            self.older.push((number, size));
        }
        Ok(number)
    }

    /// Returns what was entered, counted: what the tree holds, if it was empty before and no place was taken.
    pub(super) fn totals(self) -> Result<Totals, Refusal> {
        let Self { mut totals, mut older, .. } = self;
        older.sort_unstable();
        older.dedup();
        totals.objects += older.len() as u64;
        totals.object_bytes =
            older.iter().fold(totals.object_bytes, |sum, (_, size)| sum.saturating_add(*size));
        // Where the same is asked of SQLite, a sum that no view may hold is an error of its own.
        if totals.bytes > INTEGER_MAX {
            return Err(rusqlite::Error::IntegralValueOutOfRange(0, signed(totals.bytes)).into());
        }
        Ok(totals)
    }
}

/// Says what an entry does to what a tree has at its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meeting {
    /// Nothing is there.
    Free,
    /// A directory equal to it is there.
    Merges,
    /// Something else is there.
    Taken,
}

/// Compares an entry with what a tree has at its path.
pub(crate) fn meet(there: Option<&Entry>, entry: &Entry) -> Meeting {
    match there {
        None => Meeting::Free,
        Some(there) if matches!(entry.body, EntryBody::Directory { .. }) && there == entry => Meeting::Merges,
        Some(_) => Meeting::Taken,
    }
}

/// Enters the entries of one add into an open package, and returns what it holds then.
pub(super) fn add_entries(
    context: &Context<'_, '_>,
    package: &PackageKey,
    backend: &str,
    entries: &Items<'_, Entry>,
    replace: bool,
) -> Result<Totals, Refusal> {
    let tree = package.tree;
    let mut writer = TreeWriter::new(context, tree, backend)?;
    let mut all_free = package.is_empty;
    entries.each(|entry| -> Result<(), Refusal> {
        if writer.enter(&entry.as_entry())? == Place::Free {
            return Ok(());
        }
        all_free = false;
        let there = entry_at(context.tx, tree, entry.path.as_bytes())?;
        match meet(there.as_ref(), &entry) {
            Meeting::Merges => Ok(()),
            Meeting::Free | Meeting::Taken if replace => {
                let is_directory = |entry: &Entry| matches!(entry.body, EntryBody::Directory { .. });
                if !(is_directory(&entry) && there.as_ref().is_some_and(is_directory)) {
                    delete_beneath(context, tree, entry.path.as_bytes())?;
                }
                delete_at(context, tree, entry.path.as_bytes())?;
                writer.enter(&entry.as_entry())?;
                Ok(())
            }
            Meeting::Free | Meeting::Taken => {
                Err(ViewError::PathTaken { sequence: context.sequence(), path: entry.path }.into())
            }
        }
    })?;
    if all_free { writer.totals() } else { Ok(totals(context.tx, tree)?) }
}

/// Does to entries in memory what [`add_entries`] does to a tree: for a package that gets its last entries with
/// its manifest. Fails with the path that is taken, where nothing is to be replaced.
pub(crate) fn merge(
    tree: &mut BTreeMap<EntryPath, Entry>,
    entries: impl Iterator<Item = Entry>,
    replace: bool,
) -> Result<(), EntryPath> {
    for entry in entries {
        match meet(tree.get(&entry.path), &entry) {
            Meeting::Free => {}
            Meeting::Merges => continue,
            Meeting::Taken if !replace => return Err(entry.path),
            Meeting::Taken => {
                let is_directory = |entry: &Entry| matches!(entry.body, EntryBody::Directory { .. });
                if !(is_directory(&entry) && tree.get(&entry.path).is_some_and(is_directory)) {
                    let above = entry.path.as_bytes();
                    let beneath: Vec<EntryPath> = tree
                        .range((Bound::Excluded(&entry.path), Bound::Unbounded))
                        .map(|(path, _)| path)
                        .take_while(|path| path.as_bytes().starts_with(above))
                        .filter(|path| path.as_bytes().get(above.len()) == Some(&b'/'))
                        .cloned()
                        .collect();
                    beneath.iter().for_each(|path| drop(tree.remove(path)));
                }
            }
        }
        tree.insert(entry.path.clone(), entry);
    }
    Ok(())
}

/// Takes away the entry at a path, which lets its object go.
fn delete_at(context: &Context<'_, '_>, tree: i64, path: &[u8]) -> Result<(), Refusal> {
    let sql = "DELETE FROM artifact_files WHERE tree = ?1 AND path = ?2 RETURNING object";
    let object: Option<Option<i64>> = context.tx.maybe(sql, (tree, path), |row| row.get("object"))?;
    object.flatten().map_or(Ok(()), |object| objects::let_go(context, object))
}

/// Takes away everything beneath a path, which lets its objects go: what begins with it and a slash.
fn delete_beneath(context: &Context<'_, '_>, tree: i64, path: &[u8]) -> Result<(), Refusal> {
    let low = [path, b"/"].concat();
    let high = [path, b"0"].concat(); // '0' is the byte after '/'
    context.tx.execute(
        "UPDATE objects SET let_go_sequence = ?4 WHERE object IN (
             SELECT object FROM artifact_files WHERE tree = ?1 AND path > ?2 AND path < ?3)",
        (tree, &low, &high, signed(context.sequence())),
    )?;
    context.tx.execute(
        "DELETE FROM artifact_files WHERE tree = ?1 AND path > ?2 AND path < ?3",
        (tree, low, high),
    )?;
    Ok(())
}

/// Returns the objects of a tree, ascending by number, none twice.
pub(super) fn objects(tx: &ReadTx<'_>, tree: i64) -> Result<Vec<i64>, DbError> {
    let sql =
        "SELECT DISTINCT object FROM artifact_files WHERE tree = ?1 AND object IS NOT NULL ORDER BY object";
    Ok(tx.all(sql, [tree], |row| row.get(0))?)
}

/// Lets go of those of some objects, ascending by number, that a tree does not have.
pub(super) fn let_go_of_all_but(context: &Context<'_, '_>, before: &[i64], tree: i64) -> Result<(), Refusal> {
    if before.is_empty() {
        return Ok(());
    }
    let now = self::objects(context.tx, tree)?;
    for &object in before.iter().filter(|object| now.binary_search(object).is_err()) {
        objects::let_go(context, object)?;
    }
    Ok(())
}

/// Takes away a tree that nobody shares.
pub(super) fn delete(context: &Context<'_, '_>, tree: i64) -> Result<(), Refusal> {
    context.tx.execute("DELETE FROM artifact_files WHERE tree = ?1", [tree])?;
    Ok(())
}

/// What a tree holds, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Entries of all kinds.
    pub(crate) entries: u64,
    /// Entries that are files.
    pub(crate) files: u64,
    /// The sum of the files' sizes.
    pub(crate) bytes: u64,
    /// Distinct objects.
    pub(crate) objects: u64,
    /// The sum of their sizes.
    pub(crate) object_bytes: u64,
}

/// Counts what a tree holds.
pub(crate) fn totals(tx: &ReadTx<'_>, tree: i64) -> Result<Totals, DbError> {
    Ok(tx.one(include_str!("../db/sql/tree_totals.sql"), [tree], |row| {
        Ok(Totals {
            entries: unsigned(row, "entries")?,
            files: unsigned(row, "files")?,
            bytes: unsigned(row, "bytes")?,
            objects: unsigned(row, "objects")?,
            object_bytes: unsigned(row, "object_bytes")?,
        })
    })?)
}

impl Totals {
    /// Returns the numbers as SQLite takes them, in the order of the columns.
    pub(super) fn signed(&self) -> [i64; 5] {
        [self.entries, self.files, self.bytes, self.objects, self.object_bytes].map(signed)
    }
}
