//! Values in memory: `ciborium::Value` from canonical bytes and back, for what has no type of its own.
//!
//! For looking at payloads of unknown shape; what is large is read with a [`Decoder`](super::Decoder).

use ciborium::Value;

use super::encode::write_head;
use super::{CborError, CborFault, INTEGER_MAX, NESTING_MAX, check};

/// The most bytes that [`to_value`] takes: a value in memory may need a hundred times as much.
pub const VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Takes canonical bytes for a value.
///
/// They are checked before ciborium sees them, and what it made of them is encoded again and compared.
///
/// # Errors
/// The bytes are not one canonical item, or more than [`VALUE_BYTES_MAX`].
pub fn to_value(bytes: &[u8]) -> Result<Value, CborError> {
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(CborError { offset: 0, what: CborFault::TooLarge });
    }
    check(bytes)?;
    let value: Value =
        ciborium::from_reader(bytes).map_err(|_| CborError { offset: 0, what: CborFault::Reserved })?;
    let again = from_value(&value)?;
    match again.iter().zip(bytes).position(|(ours, theirs)| ours != theirs) {
        None if again.len() == bytes.len() => Ok(value),
        at => Err(CborError { offset: at.unwrap_or(again.len()), what: CborFault::NotShortest }),
    }
}

/// Returns the canonical bytes of a value; the keys of its maps may stand in any order.
///
/// # Errors
/// It holds what the store does not write: a float, a tag, an integer beyond ±[`INTEGER_MAX`], a key that is
/// not a text or stands twice, or nesting beyond [`NESTING_MAX`].
pub fn from_value(value: &Value) -> Result<Vec<u8>, CborError> {
    let mut out = Vec::new();
    write(&mut out, value, NESTING_MAX)?;
    Ok(out)
}

/// Appends a value that may hold `levels` of arrays and maps.
fn write(out: &mut Vec<u8>, value: &Value, levels: usize) -> Result<(), CborError> {
    let fault = |out: &Vec<u8>, what| CborError { offset: out.len(), what };
    let below = || levels.checked_sub(1);
    match value {
        Value::Integer(integer) => {
            let integer = i128::from(*integer);
            let magnitude = u64::try_from(integer.unsigned_abs()).ok().filter(|&abs| abs <= INTEGER_MAX);
            match magnitude.ok_or_else(|| fault(out, CborFault::IntegerRange))? {
                magnitude if integer < 0 => write_head(out, 1, magnitude - 1),
                magnitude => write_head(out, 0, magnitude),
            }
        }
        Value::Bytes(bytes) => {
            write_head(out, 2, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Value::Text(text) => write_text(out, text),
        Value::Bool(value) => out.push(0xf4 + u8::from(*value)),
        Value::Null => out.push(0xf6),
        Value::Array(items) => {
            let below = below().ok_or_else(|| fault(out, CborFault::Nesting))?;
            write_head(out, 4, items.len() as u64);
            items.iter().try_for_each(|item| write(out, item, below))?;
        }
        Value::Map(pairs) => {
            let below = below().ok_or_else(|| fault(out, CborFault::Nesting))?;
            let mut sorted = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                let key = key.as_text().ok_or_else(|| fault(out, CborFault::KeyNotText))?;
                sorted.push((key, value));
            }
            // Bytewise order of the encodings of texts: the length is in the head, so shorter ones come first.
            sorted.sort_unstable_by_key(|(key, _)| (key.len(), *key));
            write_head(out, 5, sorted.len() as u64);
            let mut last = None;
            for (key, value) in sorted {
                if last == Some(key) {
                    return Err(fault(out, CborFault::KeyOrder));
                }
                last = Some(key);
                write_text(out, key);
                write(out, value, below)?;
            }
        }
        Value::Float(_) => return Err(fault(out, CborFault::Float)),
        Value::Tag(..) => return Err(fault(out, CborFault::Tag)),
        // ciborium's enum is open; whatever it may add is nothing that the store writes.
        _ => return Err(fault(out, CborFault::Simple)),
    }
    Ok(())
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_head(out, 3, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(value: &Value) -> Option<CborFault> {
        from_value(value).err().map(|error| error.what)
    }

    #[test]
    fn what_the_store_does_not_write_is_refused() {
        let text = |text: &str| Value::Text(text.into());
        let deep = |levels| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        for (value, what) in [
            (Value::Float(1.0), CborFault::Float),
            (Value::Tag(0, Box::new(Value::Null)), CborFault::Tag),
            (Value::from(INTEGER_MAX + 1), CborFault::IntegerRange),
            (Value::from(-9_007_199_254_740_992i64), CborFault::IntegerRange),
            (Value::from(u64::MAX), CborFault::IntegerRange),
            (Value::Map(vec![(Value::Null, Value::Null)]), CborFault::KeyNotText),
            (Value::Map(vec![(text("a"), Value::Null), (text("a"), Value::Null)]), CborFault::KeyOrder),
            (deep(17), CborFault::Nesting),
            (Value::Array(vec![Value::Float(0.0)]), CborFault::Float),
        ] {
            assert_eq!(fault(&value), Some(what), "{value:?}");
        }
        assert_eq!(fault(&deep(16)), None);
        assert_eq!(fault(&Value::from(INTEGER_MAX)), None);
    }

    #[test]
    fn keys_are_sorted_by_their_encoding() {
        let pair = |key: &str| (Value::Text(key.into()), Value::Null);
        let value = Value::Map(vec![pair("b"), pair("aa"), pair(""), pair("a")]);
        assert_eq!(from_value(&value), Ok(b"\xa4\x60\xf6\x61a\xf6\x61b\xf6\x62aa\xf6".to_vec()));
    }

    #[test]
    fn a_value_in_memory_has_a_limit() {
        let too_large = CborError { offset: 0, what: CborFault::TooLarge };
        assert_eq!(to_value(&vec![0; VALUE_BYTES_MAX + 1]), Err(too_large));
    }

    proptest! {
        #[test]
        fn a_value_comes_back_with_its_keys_sorted(value in crate::manifest::cbor::testing::value()) {
            let bytes = from_value(&value).expect("a value that the store can write");
            prop_assert_eq!(check(&bytes), Ok(()));
            let sorted = to_value(&bytes).expect("canonical bytes");
            prop_assert_eq!(from_value(&sorted), Ok(bytes));
        }
    }
}
