//! Any bytes as the payload of an event: the first one says of which type.
#![no_main]

use astore::EventType;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((&first, payload)) = bytes.split_first() {
        let event_type = EventType::ALL[usize::from(first) % EventType::ALL.len()];
        astore::events::testing::check_payload(event_type, payload);
    }
});
