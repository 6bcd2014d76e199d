//! Faults that are about an event.

use super::super::report::Fault;

/// Makes a fault about an event.
pub(super) fn fault(kind: &str, sequence: u64, detail: String) -> Fault {
    Fault { kind: kind.to_owned(), address: None, subject: subject(sequence), detail, harms: Vec::new() }
}

/// Returns how an event is called in a fault.
fn subject(sequence: u64) -> String {
    format!("event {sequence}")
}

/// Returns the event that a fault is about.
pub(super) fn sequence_of(fault: &Fault) -> Option<u64> {
    fault.subject.strip_prefix("event ")?.parse().ok()
}
