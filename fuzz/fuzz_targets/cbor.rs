//! Any bytes as canonical CBOR, and as one entry.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    astore::manifest::testing::check_cbor(bytes);
    astore::manifest::testing::check_entry_bytes(bytes);
});
