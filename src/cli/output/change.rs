//! How a path differs between two packages.

use astore::manifest::{Entry, EntryBody};
use astore::registry::report::Difference;

/// How two entries of one path differ.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// It is on the right only.
    Added,
    /// It is on the left only.
    Removed,
    /// It is on both sides and not the same.
    Changed(&'a Entry, &'a Entry),
}

impl<'a> Change<'a> {
    /// Reads a difference.
    pub(crate) const fn of(difference: &'a Difference) -> Self {
        match (&difference.left, &difference.right) {
            (Some(left), Some(right)) => Self::Changed(left, right),
            (Some(_), None) => Self::Removed,
            (None, _) => Self::Added,
        }
    }

    /// Returns the word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed(..) => "changed",
        }
    }

    /// Returns what is not the same: `kind`, or of `content`, `target`, `mode`, `mtime` those that apply.
    pub(crate) fn aspects(self) -> Vec<&'static str> {
        let Self::Changed(left, right) = self else { return Vec::new() };
        if left.body.kind() != right.body.kind() {
            return vec!["kind"];
        }
        let mut aspects = Vec::new();
        if left.object() != right.object() {
            aspects.push("content");
        }
        match (&left.body, &right.body) {
            (EntryBody::Symlink { target: one }, EntryBody::Symlink { target: other }) => {
                if one != other {
                    aspects.push("target");
                }
            }
            (
                EntryBody::File { mode: one, .. } | EntryBody::Directory { mode: one },
                EntryBody::File { mode: other, .. } | EntryBody::Directory { mode: other },
            ) => {
                if one != other {
                    aspects.push("mode");
                }
            }
            (EntryBody::Symlink { .. }, _) | (_, EntryBody::Symlink { .. }) => {}
        }
        if left.mtime != right.mtime {
            aspects.push("mtime");
        }
        aspects
    }
}
