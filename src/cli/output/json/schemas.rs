//! The document of a schema for metadata.

use astore::registry::report as r;
use serde::Serialize;

use super::primary;

#[derive(Serialize)]
pub(crate) struct SchemaText {
    reference: String,
    name: String,
    version: u64,
    document: String,
    size: u64,
    media_type: String,
    registered_at: String,
    registered_by: String,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_new: Option<bool>,
}

impl SchemaText {
    pub(crate) fn of(row: &r::SchemaRow) -> Self {
        Self {
            reference: row.reference(),
            name: row.name.clone(),
            version: row.version,
            document: primary(row.digest),
            size: row.size_bytes,
            media_type: row.media_type.clone(),
            registered_at: row.registered_at.to_string(),
            registered_by: row.registered_by.clone(),
            sequence: row.sequence,
            is_new: None,
        }
    }

    /// The same, and whether that is new.
    pub(crate) fn registered(report: &r::SchemaReport) -> Self {
        Self { is_new: Some(report.is_new), ..Self::of(&report.schema) }
    }
}
