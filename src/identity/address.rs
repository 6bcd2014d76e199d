//! Content addresses: the text form of the primary digest, and prefixes of either digest that people type.

use std::fmt;
use std::str::FromStr;

use super::digest::{Algorithm, Blake3, ParseDigestError, nibble};

/// The name of an object: `blake3:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentAddress(Blake3);

impl ContentAddress {
    /// Names the object that has this primary digest.
    pub const fn new(digest: Blake3) -> Self {
        Self(digest)
    }

    /// Returns the primary digest.
    pub const fn digest(&self) -> Blake3 {
        self.0
    }

    /// Returns the 32 bytes of the primary digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl From<Blake3> for ContentAddress {
    fn from(digest: Blake3) -> Self {
        Self(digest)
    }
}

impl fmt::Display for ContentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Algorithm::Blake3, self.0)
    }
}

impl FromStr for ContentAddress {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let digits = text.strip_prefix("blake3:").ok_or(ParseDigestError::Algorithm)?;
        digits.parse().map(Self)
    }
}

/// What a person types for an object: a whole digest or its first 8 or more digits, of either algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPrefix {
    algorithm: Algorithm,
    digits: String,
}

impl AddressPrefix {
    /// Returns the algorithm that the text names.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns whether all 64 digits were given.
    pub fn is_whole(&self) -> bool {
        self.digits.len() == 64
    }

    /// Returns the smallest and the largest digest that begin with these digits, both inclusive.
    pub fn bounds(&self) -> ([u8; 32], [u8; 32]) {
        let mut low = [0x00; 32];
        let mut high = [0xff; 32];
        for (index, digit) in self.digits.bytes().enumerate() {
            let value = nibble(digit).unwrap_or(0); // parsing admitted hexadecimal digits only
            let (shift, keep) = if index % 2 == 0 { (4, 0x0f) } else { (0, 0xf0) };
            low[index / 2] = low[index / 2] & keep | value << shift;
            high[index / 2] = high[index / 2] & keep | value << shift;
        }
        (low, high)
    }
}

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.digits)
    }
}

impl FromStr for AddressPrefix {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let (algorithm, digits) = match text.split_once(':') {
            Some(("blake3", digits)) => (Algorithm::Blake3, digits),
            Some(("sha256", digits)) => (Algorithm::Sha256, digits),
            _ => return Err(ParseDigestError::Algorithm),
        };
        if !digits.bytes().all(|digit| nibble(digit).is_some()) {
            return Err(ParseDigestError::NotHex);
        }
        match digits.len() {
            found @ 0..8 => Err(ParseDigestError::PrefixTooShort { found }),
            8..=64 => Ok(Self { algorithm, digits: digits.to_owned() }),
            found => Err(ParseDigestError::Length { found }),
        }
    }
}

impl From<ContentAddress> for AddressPrefix {
    fn from(address: ContentAddress) -> Self {
        Self { algorithm: Algorithm::Blake3, digits: address.digest().to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_strict() {
        let address = ContentAddress::new(Blake3::of(b"x"));
        let text = address.to_string();
        assert_eq!(text.parse(), Ok(address));
        for bad in [
            "",
            "blake3:",
            &text[7..],
            &text.replace("blake3", "BLAKE3"),
            &format!("{text} "),
            &format!("{text}0"),
        ] {
            assert!(bad.parse::<ContentAddress>().is_err(), "{bad:?} was taken for an address");
        }
    }

    #[test]
    fn a_prefix_bounds_what_begins_with_it() {
        let prefix: AddressPrefix = "blake3:0123456789abc".parse().expect("a prefix");
        let (low, high) = prefix.bounds();
        assert_eq!(low[..7], [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xc0]);
        assert_eq!(high[..7], [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcf]);
        assert_eq!((low[31], high[31]), (0x00, 0xff));
        assert!(!prefix.is_whole());
        assert!("sha256:0123456".parse::<AddressPrefix>().is_err());
        assert!("md5:0123456789".parse::<AddressPrefix>().is_err());
    }
}
