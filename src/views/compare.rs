//! Which rows two databases have differently: what the view digest says in one bit, for people.

use std::cmp::Ordering;

use rusqlite::{Rows, types};

use super::digest::Table;
use crate::db::{DbError, ReadTx};

/// What stands in one column of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing.
    Null,
    /// An integer.
    Integer(i64),
    /// A number that no view has: somebody else wrote it.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl From<types::Value> for Value {
    fn from(value: types::Value) -> Self {
        match value {
            types::Value::Null => Self::Null,
            types::Value::Integer(number) => Self::Integer(number),
            types::Value::Real(number) => Self::Real(number),
            types::Value::Text(text) => Self::Text(text),
            types::Value::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

/// Returns the primary keys of up to `limit` rows of a view that are not the same in both databases.
///
/// # Errors
/// [`DbError::Sqlite`] where a table cannot be read or lacks a column.
pub(crate) fn differing_rows(
    left: &ReadTx<'_>,
    right: &ReadTx<'_>,
    table: &Table,
    limit: usize,
) -> Result<Vec<Vec<Value>>, DbError> {
    let sql = format!("SELECT * FROM {} ORDER BY {}", table.name, table.key);
    let (mut left, mut right) = (left.prepare(&sql)?, right.prepare(&sql)?);
    if !left.column_names().eq(right.column_names()) {
        return Ok(vec![vec![Value::Text("the columns themselves".to_owned())]]);
    }
    let key: Vec<usize> =
        table.key.split(", ").map(|name| right.column_index(name)).collect::<Result<_, _>>()?;
    let columns = right.column_count();
    let (mut left, mut right) = (left.query([])?, right.query([])?);
    let (mut ours, mut theirs) = (next(&mut left, columns)?, next(&mut right, columns)?);
    let mut differing = Vec::new();
    while differing.len() < limit {
        let order = match (&ours, &theirs) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(ours), Some(theirs)) => compare_keys(ours, theirs, &key),
        };
        let same = order == Ordering::Equal && ours == theirs;
        let row = if order == Ordering::Greater { &theirs } else { &ours };
        if let (false, Some(row)) = (same, row) {
            differing.push(key.iter().map(|&column| row[column].clone()).collect());
        }
        if order.is_le() {
            ours = next(&mut left, columns)?;
        }
        if order.is_ge() {
            theirs = next(&mut right, columns)?;
        }
    }
    Ok(differing)
}

fn next(rows: &mut Rows<'_>, columns: usize) -> Result<Option<Vec<Value>>, DbError> {
    match rows.next()? {
        None => Ok(None),
        Some(row) => {
            let value = |column| row.get::<_, types::Value>(column).map(Value::from);
            Ok(Some((0..columns).map(value).collect::<Result<_, _>>()?))
        }
    }
}

fn compare_keys(left: &[Value], right: &[Value], key: &[usize]) -> Ordering {
    key.iter()
        .map(|&column| compare(&left[column], &right[column]))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Orders values as SQLite does under BINARY collation: NULL, numbers, text, blobs.
fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Value::Blob(left), Value::Blob(right)) => left.cmp(right),
        (left, right) => rank(left).cmp(&rank(right)),
    }
}

const fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) => 2,
        Value::Blob(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;
    use crate::views::{TABLES, ViewWriter};

    fn database(change: &str) -> Database {
        let database = Database::temporary().unwrap();
        let tx = database.write().unwrap();
        ViewWriter::new(&tx, 0).reset().unwrap();
        tx.execute_batch(
            "INSERT INTO artifact_files VALUES (1, x'61', 'directory', 493, NULL, NULL, NULL, NULL),
                 (1, x'62', 'directory', 493, NULL, NULL, NULL, NULL),
                 (2, x'61', 'directory', 493, NULL, NULL, NULL, NULL)",
        )
        .unwrap();
        tx.execute_batch(change).unwrap();
        tx.commit().unwrap();
        database
    }

    fn check(change: &str, expected: &[(i64, &[u8])]) {
        let (live, fresh) = (database(change), database(""));
        let files = TABLES.iter().find(|table| table.name == "artifact_files").unwrap();
        let found = differing_rows(&live.read().unwrap(), &fresh.read().unwrap(), files, 10).unwrap();
        let expected: Vec<Vec<Value>> = expected
            .iter()
            .map(|(tree, path)| vec![Value::Integer(*tree), Value::Blob(path.to_vec())])
            .collect();
        assert_eq!(found, expected, "{change}");
    }

    #[test]
    fn names_rows_that_were_edited_added_or_deleted() {
        check("", &[]);
        check("UPDATE artifact_files SET mode = 0 WHERE tree = 1 AND path = x'62'", &[(1, b"b")]);
        check("DELETE FROM artifact_files WHERE tree = 1", &[(1, b"a"), (1, b"b")]);
        check(
            "INSERT INTO artifact_files VALUES (1, x'6161', 'directory', 0, NULL, NULL, NULL, NULL)",
            &[(1, b"aa")],
        );
        check("UPDATE artifact_files SET path = x'63' WHERE tree = 2", &[(2, b"a"), (2, b"c")]);
    }
}
