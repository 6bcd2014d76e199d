//! Retention classes: how long after its finalisation a package is wanted.

use crate::env::Timestamp;

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

/// The last instant that canonical CBOR can write, in microseconds: some 285 years after 1970.
const LAST_MICROS: i64 = (1 << 53) - 1;

/// Returns when a package of a class of this duration expires: `None` is never. What would come after the last instant
/// that can be written down comes with it.
pub fn expires_at(finalized_at: Timestamp, duration_seconds: Option<u64>) -> Option<Timestamp> {
    let micros = i64::try_from(duration_seconds?).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    Some(Timestamp::from_micros(finalized_at.as_micros().saturating_add(micros).min(LAST_MICROS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_counts_from_finalisation_and_never_overflows() {
        let at = Timestamp::from_micros;
        assert_eq!(expires_at(at(5), Some(7)), Some(at(7_000_005)));
        assert_eq!(expires_at(at(5), Some(0)), Some(at(5)));
        assert_eq!(expires_at(at(5), Some(u64::MAX)), Some(at((1 << 53) - 1)));
        assert_eq!(expires_at(at(5), None), None);
    }
}
