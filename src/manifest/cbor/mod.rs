//! Canonical CBOR: the one encoding that manifests, events and digests over values are written in.
//!
//! It is the core deterministic encoding of RFC 8949 §4.2.1 (definite lengths, shortest heads, map keys in
//! bytewise order of their encoding), narrowed to what the store writes: text keys only, no floats, no tags,
//! no simple values but `false`, `true` and `null`, integers within ±(2^53−1), nesting up to [`NESTING_MAX`].
//! One value has one spelling, hence one digest. This module knows nothing of what the values mean.

mod decode;
mod encode;
mod nest;
#[cfg(test)]
pub(crate) mod testing;
mod value;

pub(in crate::manifest) use decode::split_head;
pub use decode::{Decoder, array_head};
pub use encode::Encoder;
pub use value::{VALUE_BYTES_MAX, from_value, to_value};

/// The largest integer, and with a minus sign the smallest: 2^53−1, so that JSON holds it exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// The most arrays and maps that may be open at once (part of manifest version 1).
pub const NESTING_MAX: usize = 16;

/// What an item is: the major types of RFC 8949 §3.1, as far as the store writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Major {
    /// An integer from 0 up.
    Unsigned,
    /// An integer below 0.
    Negative,
    /// A byte string.
    Bytes,
    /// A UTF-8 text.
    Text,
    /// An array.
    Array,
    /// A map.
    Map,
    /// `false` or `true`.
    Bool,
    /// `null`.
    Null,
}

impl std::fmt::Display for Major {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unsigned => "an unsigned integer",
            Self::Negative => "a negative integer",
            Self::Bytes => "a byte string",
            Self::Text => "a text",
            Self::Array => "an array",
            Self::Map => "a map",
            Self::Bool => "a truth value",
            Self::Null => "null",
        })
    }
}

/// Where some bytes stop being canonical CBOR of the expected shape, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {what}")]
pub struct CborError {
    /// The position of the first byte of the item at fault; in [`from_value`], of the output so far.
    pub offset: usize,
    /// What is wrong with it.
    pub what: CborFault,
}

/// What is wrong with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CborFault {
    /// The bytes end before the item does.
    #[error("the bytes end too early")]
    Truncated,
    /// Bytes stand after the end of the item.
    #[error("bytes follow after the end")]
    Trailing,
    /// An argument is not in its shortest form.
    #[error("a number or length is not in its shortest form")]
    NotShortest,
    /// An indefinite length, or the break that ends one.
    #[error("an indefinite length")]
    Indefinite,
    /// Additional information 28, 29 or 30 (RFC 8949 §3).
    #[error("a reserved initial byte")]
    Reserved,
    /// A floating-point number.
    #[error("a floating-point number")]
    Float,
    /// A tag.
    #[error("a tag")]
    Tag,
    /// A simple value that is not `false`, `true` or `null`.
    #[error("a simple value other than false, true and null")]
    Simple,
    /// An integer beyond ±(2^53−1).
    #[error("an integer beyond 2^53-1")]
    IntegerRange,
    /// A text that is not UTF-8.
    #[error("a text that is not UTF-8")]
    NotUtf8,
    /// A map's key that is not a text.
    #[error("a key that is not a text")]
    KeyNotText,
    /// A map's key that is not above the one before it.
    #[error("a key twice, or out of order")]
    KeyOrder,
    /// More than [`NESTING_MAX`] arrays and maps within each other.
    #[error("arrays or maps nested deeper than {NESTING_MAX}")]
    Nesting,
    /// More bytes than [`to_value`] takes.
    #[error("more than {VALUE_BYTES_MAX} bytes for one value in memory")]
    TooLarge,
    /// A good item of another type than the reader asked for.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What was asked for.
        expected: Major,
        /// What stands there.
        found: Major,
    },
}

/// Checks that the bytes are one canonical item with nothing after it.
///
/// Takes one pass and no memory, whatever the bytes are.
///
/// # Errors
/// The first fault and where it is.
pub fn check(bytes: &[u8]) -> Result<(), CborError> {
    let mut decoder = Decoder::new(bytes);
    decoder.skip()?;
    decoder.finish()
}
