//! Texts that a person gives an event: reasons, the actor, labels.

use crate::error::Error;
use crate::manifest::{LABEL_BYTES_MAX, LABELS_MAX, Labels};

/// The longest text that a person gives an event, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// Refuses a text that is empty or too long for an event.
pub(super) fn check_text(what: &'static str, text: &str) -> Result<(), Error> {
    match text.len() {
        0 => Err(Error::BadText { what, problem: "is empty" }),
        1..=TEXT_BYTES_MAX => Ok(()),
        _ => Err(Error::BadText { what, problem: "is longer than 4096 bytes" }),
    }
}

/// Refuses labels that no manifest can have.
pub(super) fn check_labels(what: &'static str, labels: &Labels) -> Result<(), Error> {
    if labels.len() > LABELS_MAX {
        return Err(Error::BadText { what, problem: "has more than 1024 keys" });
    }
    if labels.iter().any(|(key, value)| key.len().max(value.len()) > LABEL_BYTES_MAX) {
        return Err(Error::BadText { what, problem: "has a key or value longer than 65536 bytes" });
    }
    Ok(())
}

/// Refuses an actor that no event can have (store-layout.md 5.5).
pub(super) fn check_actor(actor: &str) -> Result<(), Error> {
    match actor.len() {
        0..=LABEL_BYTES_MAX => Ok(()),
        _ => Err(Error::BadText { what: "actor", problem: "is longer than 65536 bytes" }),
    }
}
