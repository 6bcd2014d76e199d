//! Schemas for people: which there are, since when and by whom.

use std::io::{self, Write};

use astore::env::Timestamp;
use astore::registry::report as r;

use super::escape;
use super::page::Page;
use super::table::{self, Column};
use super::units::{ago, instant, size};

/// The columns of `schema list`.
const SCHEMAS: [Column; 5] = [
    Column::new("SCHEMA").cut_to(16),
    Column::new("SIZE").right().floor(10).rank(2),
    Column::new("SINCE").floor(20).rank(1),
    Column::new("BY").cut_to(10).rank(3),
    Column::new("DIGEST").cut_to(16).rank(4),
];

/// Writes schemas as a table. In a window, it says how long ago they were registered, as seen at an instant; in a pipe, when.
pub(crate) fn schemas(
    rows: &[r::SchemaRow],
    now: Timestamp,
    page: Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    let row = |row: &r::SchemaRow| {
        let at = row.registered_at;
        [
            escape::line(&row.reference()).into(),
            size(row.size_bytes).into(),
            page.window.map_or_else(|| instant(at), |_| ago(now, at)).into(),
            escape::line(&row.registered_by).into(),
            format!("blake3:{}", row.digest).into(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    table::write(&SCHEMAS, &rows, page, out)
}
