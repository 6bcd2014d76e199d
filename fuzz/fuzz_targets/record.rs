//! Any bytes as an event's record.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    astore::events::testing::check_record(bytes);
});
