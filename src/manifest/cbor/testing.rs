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

/// One change of [`mutated`]: which item, what is done to it, and a number for that.
pub(crate) type Mutation = (prop::sample::Index, u8, u64);

/// Up to four changes that know what CBOR is made of.
pub(crate) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let number = prop_oneof![0u64..40, any::<u64>(), Just(u64::MAX), Just(1 << 32), Just((1 << 53) - 1)];
    proptest::collection::vec((any::<prop::sample::Index>(), 0u8..16, number), 1..=4)
}

/// Where an item stands: its head, and its end with all that it holds.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    /// Where the head ends.
    body: usize,
    end: usize,
}

/// Finds the items that can still be told; what was changed already may hide some.
fn places(bytes: &[u8], at: usize, found: &mut Vec<Place>, depth: usize) -> Option<usize> {
    let initial = *bytes.get(at)?;
    let width = match initial & 0x1f {
        24..28 => 1 << ((initial & 0x1f) - 24),
        28.. => return None,
        _ => 0,
    };
    let tail = bytes.get(at + 1..at + 1 + width)?;
    let argument = tail.iter().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
    let argument = if width == 0 { u64::from(initial & 0x1f) } else { argument };
    let body = at + 1 + width;
    let place = found.len();
    found.push(Place { start: at, body, end: body });
    let mut end = body;
    let items = match initial >> 5 {
        2 | 3 => {
            end = body.checked_add(usize::try_from(argument).ok()?).filter(|&end| end <= bytes.len())?;
            0
        }
        4 => argument,
        5 => argument.checked_mul(2)?,
        6 => 1,
        _ => 0,
    };
    for _ in 0..items {
        if depth > 40 {
            return None;
        }
        end = places(bytes, end, found, depth + 1)?;
    }
    found[place].end = end;
    Some(end)
}

/// Applies changes to an encoding: to lengths, heads, order and nesting, so that what comes of it is nearly right.
pub(crate) fn mutated(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for (which, kind, number) in mutations {
        let mut found = Vec::new();
        places(&bytes, 0, &mut found, 0);
        if found.is_empty() {
            return bytes;
        }
        let Place { start, body, end } = found[which.index(found.len())];
        let major = bytes[start] & 0xe0;
        let item = bytes[start..end].to_vec();
        let nth = usize::try_from(number % 64).expect("a small number");
        let head = |major: u8, argument: u64, width: u8| -> Vec<u8> {
            let all = argument.to_be_bytes();
            [&[major | (24 + width)][..], &all[8 - (1 << width)..]].concat()
        };
        match kind {
            // Another length than there is: any, one more, one less.
            0 => drop(bytes.splice(start..body, head(major, *number, 3))),
            1 => bytes[start] = bytes[start].wrapping_add(1),
            2 => bytes[start] = bytes[start].wrapping_sub(1),
            // The same length in a longer head.
            3 => {
                let width = u8::try_from(number % 4).expect("below 4");
                drop(bytes.splice(start..body, head(major, u64::from(bytes[start] & 0x1f), width)));
            }
            // A length that is not given, with and without the end that it needs.
            4 => {
                if number % 2 == 0 {
                    bytes.insert(end, 0xff);
                }
                drop(bytes.splice(start..body, [major | 0x1f]));
            }
            5 => bytes.insert(start, 0xc0 | u8::try_from(number % 24).expect("below 24")), // a tag
            6 => drop(bytes.splice(start..end, [0xf9, 0x3c, 0x00])),                       // 1.0
            7 => drop(bytes.splice(start..end, [0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0])),     // an infinity
            8 => drop(bytes.splice(end..end, item)),                                       // twice
            9 => drop(bytes.splice(start..end, [])),                                       // gone
            // Deep within arrays of one, or maps of one.
            10 => drop(bytes.splice(start..start, std::iter::repeat_n(0x81, nth))),
            11 => drop(bytes.splice(start..start, [0xa1, 0x60].repeat(nth))),
            // No text, a NUL, a way out.
            12 if end > body => bytes[body + nth % (end - body)] = 0xff,
            13 if end > body => bytes[body + nth % (end - body)] = 0,
            14 if matches!(major, 0x40 | 0x60) && end - body >= 2 => {
                for (byte, dots) in bytes[body..end].iter_mut().zip(b"../".iter().cycle()) {
                    *byte = *dots;
                }
            }
            // Two items change places.
            15 => {
                let other = found[nth % found.len()];
                if other.start >= end {
                    let theirs = bytes[other.start..other.end].to_vec();
                    drop(bytes.splice(other.start..other.end, item));
                    drop(bytes.splice(start..end, theirs));
                }
            }
            _ => {}
        }
    }
    bytes
}
