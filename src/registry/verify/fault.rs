//! Faults, as verify makes them.

use std::path::{Path, PathBuf};

use super::super::report::{Fault, Remedy};

/// Makes a fault about an event.
pub(super) fn fault(kind: &str, sequence: u64, detail: String, remedy: Remedy) -> Fault {
    about(kind, subject(sequence), detail, remedy)
}

/// Makes a fault about something that has a name: a file, a table.
pub(super) fn about(kind: &str, subject: String, detail: String, remedy: Remedy) -> Fault {
    Fault { kind: kind.to_owned(), address: None, subject, detail, harms: Vec::new(), remedy }
}

/// Makes a fault about a file that has no business where it is.
pub(super) fn stray(kind: &str, path: &Path, detail: String) -> Fault {
    about(kind, path.display().to_string(), detail, Remedy::MoveAway(PathBuf::from(path)))
}

/// Returns how an event is called in a fault.
fn subject(sequence: u64) -> String {
    format!("event {sequence}")
}

/// Returns the event that a fault is about.
pub(super) fn sequence_of(fault: &Fault) -> Option<u64> {
    sequence_in(&fault.subject)
}

/// Returns the event that a fault's subject names.
pub(super) fn sequence_in(subject: &str) -> Option<u64> {
    subject.strip_prefix("event ")?.parse().ok()
}
