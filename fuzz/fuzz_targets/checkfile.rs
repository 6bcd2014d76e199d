//! Any bytes as a check file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    astore::formats::testing::check_check_file(bytes);
});
