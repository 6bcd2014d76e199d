//! What a report looks like, as text.

use std::io::{self, Write};

/// Returns what is written.
#[track_caller]
pub(crate) fn rendered(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}
