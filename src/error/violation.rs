//! What is wrong with metadata, label by label.

use std::fmt;

/// One thing that is wrong with metadata, as its schema has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The JSON pointer (RFC 6901) of what is wrong; empty where it is about all labels together.
    pub pointer: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.what)
        } else {
            write!(f, "{}: {}", self.pointer, self.what)
        }
    }
}
