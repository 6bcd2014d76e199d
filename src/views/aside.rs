//! Trees whose rows a replay does not keep: digested as they come, and the digests added up.
//!
//! A replay that is only compared writes most rows of `artifact_files` to read each of them once. Where a tree is
//! entered at one go and nothing asks for its rows later, their digest says as much. The digests of the trees are added,
//! so that the order of the trees makes no difference. Who asks for rows that are not there is noted, and then the sum
//! means nothing.

use std::cell::{Cell, RefCell};

use rusqlite::types::ValueRef;

use super::digest::{CHUNK_BYTES, encode_value};
use crate::db::{DbError, ReadTx};
use crate::manifest::cbor::Encoder;
use crate::manifest::{BodyRef, EntryRef};

/// How many columns `artifact_files` has.
const COLUMNS: usize = 8;

/// The digests of all trees, added word by word, and that of the columns' names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TreeSum([u64; 4]);

impl TreeSum {
    fn add(&mut self, digest: &blake3::Hash) {
        for (word, bytes) in self.0.iter_mut().zip(digest.as_bytes().as_chunks::<8>().0) {
            *word = word.wrapping_add(u64::from_le_bytes(*bytes));
        }
    }

    /// Returns the sum of both.
    pub(super) fn and(mut self, other: Self) -> Self {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word = word.wrapping_add(more);
        }
        self
    }
}

/// Adds up trees whose rows come in order, one tree after the other.
#[derive(Debug, Default)]
struct Adder {
    sum: TreeSum,
    tree: Option<i64>,
    hasher: blake3::Hasher,
    rows: Vec<u8>,
}

impl Adder {
    /// Begins a row, whose columns are to be encoded into what is returned.
    fn row(&mut self, tree: i64) -> Encoder<'_> {
        if self.tree != Some(tree) {
            self.end_tree();
            self.tree = Some(tree);
        } else if self.rows.len() >= CHUNK_BYTES {
            self.hasher.update(&self.rows);
            self.rows.clear();
        }
        Encoder::new(&mut self.rows)
    }

    fn end_tree(&mut self) {
        if self.tree.take().is_some() {
            self.sum.add(&self.hasher.update(&self.rows).finalize());
            self.hasher.reset();
            self.rows.clear();
        }
    }
}

/// The trees that a replay did not keep.
#[derive(Debug, Default)]
pub(super) struct Aside {
    trees: RefCell<Adder>,
    was_asked: Cell<bool>,
}

impl Aside {
    /// Takes the next row of a tree, in place of the table.
    pub(super) fn enter(&self, tree: i64, entry: &EntryRef<'_>, object: Option<i64>) {
        let mut trees = self.trees.borrow_mut();
        let mut row = trees.row(tree);
        let (mode, target) = match entry.body() {
            BodyRef::File { mode, .. } | BodyRef::Directory { mode } => (Some(*mode), None),
            BodyRef::Symlink { target } => (None, Some(*target)),
        };
        row.int(tree).bytes(entry.path()).text(entry.body().kind());
        row.uint_or_null(mode.map(u64::from));
        int_or_null(&mut row, object);
        match target {
            Some(target) => row.bytes(target),
            None => row.null(),
        };
        int_or_null(&mut row, entry.mtime().map(|mtime| mtime.seconds));
        int_or_null(&mut row, entry.mtime().map(|mtime| mtime.nanoseconds.into()));
    }

    /// Notes that rows were asked for which may be missing.
    pub(super) fn ask(&self) {
        self.was_asked.set(true);
    }

    /// Returns the sum of the trees, unless rows were missed.
    pub(super) fn sum(&self) -> Option<TreeSum> {
        let mut trees = self.trees.borrow_mut();
        trees.end_tree();
        (!self.was_asked.get()).then_some(trees.sum)
    }
}

fn int_or_null(row: &mut Encoder<'_>, value: Option<i64>) {
    match value {
        Some(value) => _ = row.int(value),
        None => _ = row.null(),
    }
}

/// Adds up the trees that stand in the table.
///
/// # Errors
/// [`DbError::Sqlite`] where it cannot be read, has other columns than ours, or holds a value that it may not hold.
pub(super) fn sum_of_trees(tx: &ReadTx<'_>) -> Result<TreeSum, DbError> {
    let mut statement = tx.prepare("SELECT * FROM artifact_files ORDER BY tree, path")?;
    let mut trees = Adder::default();
    let mut names = blake3::Hasher::new();
    for name in statement.column_names() {
        names.update(name.as_bytes()).update(&[0]);
    }
    trees.sum.add(&names.finalize());
    if statement.column_count() != COLUMNS {
        return Err(rusqlite::Error::InvalidQuery.into());
    }
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let ValueRef::Integer(tree) = row.get_ref(0)? else {
            return Err(rusqlite::Error::InvalidQuery.into());
        };
        let mut out = trees.row(tree);
        for column in 0..COLUMNS {
            encode_value(&mut out, column, row.get_ref(column)?)?;
        }
    }
    trees.end_tree();
    Ok(trees.sum)
}
