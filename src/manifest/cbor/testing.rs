//! Values and nearly canonical bytes for the property tests of this room.

use ciborium::Value;
use proptest::prelude::*;

use super::{INTEGER_MAX, from_value};

/// Any value that the store can write, up to five levels deep, the keys of its maps in any order.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes);
    above(prop_oneof![3 => leaf(), 1 => bytes].boxed())
}

/// The same without byte strings.
pub(crate) fn value_without_bytes() -> impl Strategy<Value = Value> {
    above(leaf())
}

fn leaf() -> BoxedStrategy<Value> {
    let max = i64::try_from(INTEGER_MAX).expect("2^53-1 is within an i64");
    prop_oneof![
        (-max..=max).prop_map(Value::from),
        (-300i64..300).prop_map(Value::from),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        ".{0,30}".prop_map(Value::Text),
    ]
    .boxed()
}

fn above(leaf: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(5, 64, 8, |inner| {
        let pairs = proptest::collection::hash_map(".{0,5}", inner.clone(), 0..8);
        prop_oneof![
            proptest::collection::vec(inner, 0..8).prop_map(Value::Array),
            pairs.prop_map(|map| Value::Map(
                map.into_iter().map(|(key, value)| (Value::Text(key), value)).collect()
            )),
        ]
    })
}

/// Canonical bytes with up to three of them changed, taken out, put in, or cut off.
pub(crate) fn nearly_canonical() -> impl Strategy<Value = Vec<u8>> {
    let canonical = value().prop_map(|value| from_value(&value).expect("a value that the store can write"));
    (canonical, damage()).prop_map(|(bytes, damage)| damaged(bytes, &damage))
}

/// Up to three changes for [`damaged`]: where, what kind, and the byte for it.
pub(crate) fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    proptest::collection::vec((any::<prop::sample::Index>(), 0u8..5, any::<u8>()), 0..=3)
}

/// Applies changes to bytes.
pub(crate) fn damaged(mut bytes: Vec<u8>, damage: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    for (at, kind, byte) in damage {
        let at = at.index(bytes.len() + 1);
        match kind {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, *byte),
            2 if at < bytes.len() => _ = bytes.remove(at),
            3 if at < bytes.len() => bytes[at] = *byte,
            _ if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
            _ => {}
        }
    }
    bytes
}
