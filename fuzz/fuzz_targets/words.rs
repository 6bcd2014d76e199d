//! Any text as what people type: addresses, digests, plans, names, REFs, durations, dates, ranges, heads.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    astore::registry::testing::check_words(text);
    astore_fuzz::typed::check(text);
});
