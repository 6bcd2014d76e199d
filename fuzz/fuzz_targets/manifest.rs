//! Any bytes as a manifest.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    astore::manifest::testing::check_manifest(bytes);
});
