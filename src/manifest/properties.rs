//! Hostile bytes: whatever is done to an encoding, it is refused, or taken for what it then says and nothing else.
//! `fuzz/` calls the same checks with bytes of its own making.

use proptest::prelude::*;

use super::cbor::testing::{damage, damaged, mutated, mutations};
use super::cbor::{CborFault, check, from_value};
use super::testing::{
    Chance, check_cbor, check_entry_bytes, check_json, check_manifest, entries, manifest_bytes,
};
use super::{JcsError, Manifest, encode_entry, from_jcs, to_jcs};

proptest! {
    #[test]
    fn any_bytes_are_some_canonical_cbor_or_none(bytes: Vec<u8>) {
        check_cbor(&bytes);
        check_entry_bytes(&bytes);
        check_manifest(&bytes);
        check_json(&bytes);
    }

    #[test]
    fn a_value_that_was_tampered_with_has_one_spelling_or_none(
        value in super::cbor::testing::value(), mutations in mutations(), damage in damage(),
    ) {
        let bytes = from_value(&value).expect("a value that the store can write");
        prop_assert!(check_cbor(&bytes));
        let bytes = mutated(bytes, &mutations);
        check_cbor(&bytes);
        check_cbor(&damaged(bytes, &damage));
    }

    #[test]
    fn a_manifest_that_was_tampered_with_keeps_every_promise_or_is_none(
        seed: u64, mutations in mutations(), damage in damage(),
    ) {
        let bytes = manifest_bytes(seed % 256);
        prop_assert!(check_manifest(&bytes));
        let bytes = mutated(bytes, &mutations);
        check_manifest(&bytes);
        check_cbor(&bytes);
        check_manifest(&damaged(bytes, &damage));
    }

    #[test]
    fn an_entry_that_was_tampered_with_stays_in_its_tree(seed: u64, mutations in mutations()) {
        for entry in entries(&mut Chance::new(seed), 3) {
            let mut bytes = Vec::new();
            encode_entry(&mut bytes, &entry);
            prop_assert!(check_entry_bytes(&bytes));
            check_entry_bytes(&mutated(bytes, &mutations));
        }
    }

    #[test]
    fn json_that_was_tampered_with_has_one_text_or_none(
        seed: u64, at: prop::sample::Index, token in prop::sample::select(TOKENS.to_vec()), damage in damage(),
    ) {
        let mut json = to_jcs(&manifest_bytes(seed % 256)).expect("a manifest has a projection");
        prop_assert!(check_json(&json));
        let at = at.index(json.len());
        drop(json.splice(at..at, token.bytes()));
        check_json(&json);
        check_json(&damaged(json, &damage));
    }
}

/// What JSON and CBOR do not agree on, and what has more than one spelling in JSON.
const TOKENS: [&str; 24] = [
    " ",
    "\n",
    "\t",
    "1e1",
    "1.0",
    "-0",
    "0",
    "9007199254740992",
    "\\u0041",
    "\\/",
    "\\ud800",
    "\\u0000",
    "\"a\":0,",
    "\"blake3\":\"\",",
    "{",
    "}",
    "[[[[[[[[[[[[[[[[[",
    "]",
    ",",
    "null",
    "\u{feff}",
    "\u{7f}",
    "\"",
    "\u{1f600}",
];

#[test]
fn nothing_is_nested_so_deep_that_the_stack_ends() {
    // A walker that calls itself for each level would need gigabytes of stack for these.
    for opening in [&[0x81][..], &[0xa1, 0x60], &[0x9f], &[0xbf, 0x60], &[0xc1], &[0xd8, 0x20]] {
        let bytes = opening.repeat(1 << 20);
        let error = check(&bytes).expect_err("deeper than is allowed");
        assert!(error.offset <= 2 * opening.len() + 32, "{error:?}");
        assert!(Manifest::parse(&bytes).is_err() && to_jcs(&bytes).is_err());
    }
    for opening in ["[", "{\"a\":", "{\"metadata\":"] {
        let json = opening.repeat(1 << 20);
        assert!(matches!(from_jcs(json.as_bytes()), Err(JcsError::Json(_))), "{opening}");
    }
}

#[test]
fn what_a_head_promises_is_not_taken_for_there() {
    for major in 2..=5u8 {
        for argument in [1u64 << 16, 1 << 32, (1 << 53) - 1, 1 << 53, 1 << 63, u64::MAX] {
            let mut bytes = match u32::try_from(argument) {
                Ok(argument) => [&[major << 5 | 26][..], &argument.to_be_bytes()].concat(),
                Err(_) => [&[major << 5 | 27][..], &argument.to_be_bytes()].concat(),
            };
            bytes.extend([0; 64]);
            let error = check(&bytes).expect_err("there are 64 bytes");
            assert_eq!((error.offset, error.what), (0, CborFault::Truncated), "{major} {argument}");
            check_cbor(&bytes);
            check_manifest(&bytes);
        }
    }
}
