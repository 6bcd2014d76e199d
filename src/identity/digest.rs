//! Digests: 32 bytes of one algorithm, strict in and lower-case hex out.

use std::fmt;
use std::str::FromStr;

/// A digest algorithm that a store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// BLAKE3 with 32 bytes of output: the primary digest, which names objects.
    Blake3,
    /// SHA-256 (FIPS 180-4): the second digest, which other people's tools can check.
    Sha256,
}

impl Algorithm {
    /// Returns the name that stands before the colon of a text form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDigestError {
    /// The hexadecimal part does not have the length that the algorithm prescribes.
    #[error("expected 64 hexadecimal digits, found {found}")]
    Length {
        /// How many characters stood there.
        found: usize,
    },
    /// A prefix is too short to be unique in practice.
    #[error("a prefix needs at least 8 hexadecimal digits, found {found}")]
    PrefixTooShort {
        /// How many characters stood there.
        found: usize,
    },
    /// A character is not one of `0123456789abcdef`; upper case is refused, so that one digest has one spelling.
    #[error("expected lower-case hexadecimal digits only")]
    NotHex,
    /// The text before the colon names no algorithm of this store, or there is no colon.
    #[error("expected \"blake3:\" or \"sha256:\" before the digits")]
    Algorithm,
}

/// Returns the value of one lower-case hexadecimal digit.
pub(super) const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn parse_hex(text: &str) -> Result<[u8; 32], ParseDigestError> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return Err(ParseDigestError::Length { found: digits.len() });
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        match (nibble(pair[0]), nibble(pair[1])) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            _ => return Err(ParseDigestError::NotHex),
        }
    }
    Ok(bytes)
}

pub(super) fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0u8; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    for &digit in &text[..(bytes.len() * 2).min(64)] {
        fmt::Write::write_char(f, char::from(digit))?;
    }
    Ok(())
}

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident, $algorithm:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The algorithm whose output this is.
            pub const ALGORITHM: Algorithm = $algorithm;

            /// Takes 32 bytes for a digest of this algorithm.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Takes a slice for a digest, or returns `None` where it is not 32 bytes long.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Returns the 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            /// Writes 64 lower-case hexadecimal digits, without the algorithm.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{self}", $algorithm)
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;

            /// Parses exactly 64 lower-case hexadecimal digits.
            fn from_str(text: &str) -> Result<Self, ParseDigestError> {
                parse_hex(text).map(Self)
            }
        }
    };
}

digest_type!(
    /// A BLAKE3 digest (BLAKE3 specification, section 2, default mode, 32 bytes of output).
    Blake3,
    Algorithm::Blake3
);
digest_type!(
    /// A SHA-256 digest (FIPS 180-4).
    Sha256,
    Algorithm::Sha256
);

impl Sha256 {
    /// Returns the digest of bytes that are in memory already.
    pub fn of(bytes: &[u8]) -> Self {
        Self(<sha2::Sha256 as sha2::Digest>::digest(bytes).into())
    }
}

impl Blake3 {
    /// The first of all, in the order of their bytes.
    pub const FIRST: Self = Self([0; 32]);
    /// The last one.
    pub const LAST: Self = Self([0xff; 32]);

    /// Returns the digest of bytes that are in memory already.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_only_what_it_prints() {
        let digest = Blake3::of(b"");
        let text = digest.to_string();
        assert_eq!(text, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(text.to_uppercase().parse::<Blake3>(), Err(ParseDigestError::NotHex));
        assert_eq!(text[1..].parse::<Blake3>(), Err(ParseDigestError::Length { found: 63 }));
        assert_eq!("".parse::<Sha256>(), Err(ParseDigestError::Length { found: 0 }));
        assert_eq!(text.replace('a', "g").parse::<Sha256>(), Err(ParseDigestError::NotHex));
    }
}
