//! What errors say of many things, and how a chain of them becomes a line.

use crate::identity::ContentAddress;

/// Lists the first of so many objects.
pub(super) fn first_of(objects: &[ContentAddress], count: u64) -> String {
    let named: Vec<String> = objects.iter().map(ToString::to_string).collect();
    format!("{}{}", named.join(", "), rest_in_words(count, objects.len()))
}

/// Puts an error and its causes on one line, for what is written down or told as a text.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Some errors end with their cause's own words.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}

/// Writes a number of objects.
pub(crate) fn objects_in_words(count: u64) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}

/// Says how many there are beyond those that are named.
pub(crate) fn rest_in_words(count: u64, named: usize) -> String {
    match count.saturating_sub(named as u64) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    }
}
