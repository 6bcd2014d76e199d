//! Any bytes as `astore.toml`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    astore::storage::testing::check_config(bytes);
});
