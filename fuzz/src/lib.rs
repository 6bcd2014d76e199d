//! What several targets need. The checks themselves are the library's (`testing`), where the property tests call them.

/// The words of the command line that only the binary reads, with their check.
pub mod typed {
    #[path = "../../../src/cli/values.rs"]
    mod values;
    #[path = "../../../src/cli/values/testing.rs"]
    mod testing;

    use values::{byte_range, date, duration, head, label, min_age, number, number_from_1, plan, retention_class};

    pub fn check(text: &str) {
        testing::check_typed(text);
    }
}
