//! Any bytes as an item of `log/`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    astore::events::testing::check_item(bytes);
});
