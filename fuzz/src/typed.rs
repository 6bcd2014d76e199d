//! The words of the command line that only the binary reads, with their check.

#[path = "../../src/cli/values/testing.rs"]
mod testing;
#[path = "../../src/cli/values.rs"]
mod values;

use values::{byte_range, date, duration, head, label, min_age, number, number_from_1, plan, retention_class};

/// Reads a text as each value that people type.
pub fn check(text: &str) {
    testing::check_typed(text);
}
