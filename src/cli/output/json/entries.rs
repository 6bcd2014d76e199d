//! Documents about entries and how they differ.

use std::io::{self, Write};

use astore::manifest::{Entry, EntryBody};
use astore::registry::report as r;
use serde::Serialize;

use super::{PathText, Text, schema};
use crate::cli::output::change::Change;

/// An entry, with the words of the manifest.
#[derive(Serialize)]
pub(crate) struct EntryText {
    #[serde(flatten)]
    path: PathText,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blake3: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtime: Option<(i64, u32)>,
}

impl EntryText {
    pub(crate) fn of(entry: &Entry) -> Self {
        let mode = match &entry.body {
            EntryBody::File { mode, .. } | EntryBody::Directory { mode } => Some(format!("{mode:04o}")),
            EntryBody::Symlink { .. } => None,
        };
        let target = match &entry.body {
            EntryBody::Symlink { target } => Some(Text::of(target)),
            EntryBody::File { .. } | EntryBody::Directory { .. } => None,
        };
        let (target, target_bytes) = target.map_or((None, None), |Text { text, bytes }| (Some(text), bytes));
        Self {
            path: PathText::of(entry.path.as_bytes()),
            kind: entry.body.kind(),
            mode,
            size: entry.object().map(|object| object.size_bytes),
            blake3: entry.object().map(|object| object.blake3.to_string()),
            sha256: entry.object().map(|object| object.sha256.to_string()),
            target,
            target_bytes,
            mtime: entry.mtime.map(|mtime| (mtime.seconds, mtime.nanoseconds)),
        }
    }
}

/// One path in which two trees differ.
#[derive(Serialize)]
struct Difference {
    #[serde(flatten)]
    path: PathText,
    change: &'static str,
    aspects: Vec<&'static str>,
    left: Option<EntryText>,
    right: Option<EntryText>,
}

impl Difference {
    fn of(difference: &r::Difference) -> Self {
        let change = Change::of(difference);
        Self {
            path: PathText::of(difference.path.as_bytes()),
            change: change.name(),
            aspects: change.aspects(),
            left: difference.left.as_ref().map(EntryText::of),
            right: difference.right.as_ref().map(EntryText::of),
        }
    }
}

/// The document about two trees, written as the differences come: there may be a million of them.
#[derive(Debug, Default)]
pub(crate) struct Diff {
    begun: bool,
}

impl Diff {
    /// Adds a difference.
    pub(crate) fn add(&mut self, difference: &r::Difference, out: &mut dyn Write) -> io::Result<()> {
        if self.begun {
            out.write_all(b",")?;
        } else {
            self.begun = true;
            write!(out, r#"{{"schema":"{}","equal":false,"differences":["#, schema::DIFF)?;
        }
        Ok(serde_json::to_writer(out, &Difference::of(difference))?)
    }

    /// Ends the document. Two trees without a difference have one, too.
    pub(crate) fn end(self, out: &mut dyn Write) -> io::Result<()> {
        if self.begun {
            out.write_all(b"]}\n")
        } else {
            writeln!(out, r#"{{"schema":"{}","equal":true,"differences":[]}}"#, schema::DIFF)
        }
    }
}
