//! Texts that a person gives an event: reasons.

use crate::error::Error;

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
