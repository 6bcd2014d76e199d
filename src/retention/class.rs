//! Retention classes: how long after its finalisation a package is wanted.

/// A named rule for how long a package is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionClass {
    /// The name, of the form of a package name.
    pub name: String,
    /// How long after finalisation a package expires, or `None` for never.
    pub duration_seconds: Option<u64>,
}

/// The class that `add` gives a package where none is named.
pub const DEFAULT_CLASS: &str = "permanent-record";

const DAY: u64 = 24 * 60 * 60;

/// The classes that every store begins with: name and duration in seconds.
pub const SEEDED_CLASSES: [(&str, Option<u64>); 5] = [
    ("transient", Some(7 * DAY)),
    ("raw-evidence", Some(90 * DAY)),
    ("summary-evidence", Some(365 * DAY)),
    ("release-evidence", Some(7 * 365 * DAY)),
    (DEFAULT_CLASS, None),
];
