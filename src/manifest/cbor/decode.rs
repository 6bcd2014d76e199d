//! Reading canonical CBOR, and refusing everything else.

use super::nest::Nest;
use super::{CborError, CborFault, INTEGER_MAX, Major, NESTING_MAX};

/// Reads items one after the other out of bytes, borrowing from them and copying nothing.
///
/// What was read to the end without an error is canonical: heads, text, the order of keys and the nesting are
/// checked as they pass, whichever way the caller reads. A method that reads one head or string and fails has
/// read nothing. Several items in a row are a CBOR sequence (RFC 8742); [`Decoder::finish`] says that there is
/// nothing more.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    position: usize,
    nest: Nest,
}

/// The head of an item: what it is, its argument, and how many bytes they took.
struct Head {
    major: Major,
    argument: u64,
    len: usize,
}

impl<'a> Decoder<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, nest: Nest::default() }
    }

    /// Returns how many bytes were read.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Returns whether all bytes were read.
    pub const fn is_at_end(&self) -> bool {
        self.position == self.bytes.len()
    }

    /// Returns the bytes that are left to be read.
    pub(in crate::manifest) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    /// Returns whether the next item may be a map with arrays in it.
    pub(in crate::manifest) fn takes_map_of_arrays(&self) -> bool {
        !self.nest.at_key() && self.nest.depth() + 2 <= NESTING_MAX
    }

    /// Goes past one whole item of `len` bytes, that the caller found canonical and fit for its place.
    pub(in crate::manifest) fn pass(&mut self, len: usize) {
        self.position += len;
        self.nest.leaf();
    }

    /// Returns how many bytes are left to be read.
    pub const fn left(&self) -> u64 {
        (self.bytes.len() - self.position) as u64
    }

    /// Returns what the next item is.
    ///
    /// # Errors
    /// There is none, or its head is not canonical.
    pub fn peek(&self) -> Result<Major, CborError> {
        self.head().map(|head| head.major)
    }

    /// Enters a map and returns the number of its pairs; as many keys (each a [`Decoder::text`]) and values follow.
    ///
    /// The number is never more than half of the bytes that are left.
    ///
    /// # Errors
    /// The next item is no map, or nested too deeply, or longer than the bytes.
    pub fn map(&mut self) -> Result<u64, CborError> {
        let head = self.expect(Major::Map)?;
        self.open(&head)?;
        Ok(head.argument)
    }

    /// Enters an array and returns the number of its items, which follow; never more than the bytes that are left.
    ///
    /// # Errors
    /// The next item is no array, or nested too deeply, or longer than the bytes.
    pub fn array(&mut self) -> Result<u64, CborError> {
        let head = self.expect(Major::Array)?;
        self.open(&head)?;
        Ok(head.argument)
    }

    /// Reads a text, or the key of a map.
    ///
    /// # Errors
    /// The next item is no text, is cut off, is not UTF-8, or is a key not above the one before it.
    pub fn text(&mut self) -> Result<&'a str, CborError> {
        let head = self.expect(Major::Text)?;
        self.take_text(&head)
    }

    /// Reads a byte string.
    ///
    /// # Errors
    /// The next item is no byte string, or is cut off.
    pub fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        let head = self.expect(Major::Bytes)?;
        self.take_string(&head)
    }

    /// Reads an integer from 0 to [`INTEGER_MAX`].
    ///
    /// # Errors
    /// The next item is no such integer.
    pub fn uint(&mut self) -> Result<u64, CborError> {
        let head = self.expect(Major::Unsigned)?;
        self.take(&head);
        Ok(head.argument)
    }

    /// Reads an integer within ±[`INTEGER_MAX`].
    ///
    /// # Errors
    /// The next item is no such integer.
    pub fn int(&mut self) -> Result<i64, CborError> {
        let head = self.head()?;
        let argument = i64::try_from(head.argument).unwrap_or(i64::MAX); // the head was checked to be within 2^53
        let value = if head.major == Major::Negative { -1 - argument } else { argument };
        if !matches!(head.major, Major::Unsigned | Major::Negative) {
            let what = CborFault::Unexpected { expected: Major::Unsigned, found: head.major };
            return Err(self.fault(what));
        }
        self.take(&head);
        Ok(value)
    }

    /// Reads `false` or `true`.
    ///
    /// # Errors
    /// The next item is neither.
    pub fn bool(&mut self) -> Result<bool, CborError> {
        let head = self.expect(Major::Bool)?;
        self.take(&head);
        Ok(head.argument == 1)
    }

    /// Reads `null`.
    ///
    /// # Errors
    /// The next item is something else.
    pub fn null(&mut self) -> Result<(), CborError> {
        let head = self.expect(Major::Null)?;
        self.take(&head);
        Ok(())
    }

    /// Reads `null` as `None`, and anything else with `read`.
    ///
    /// # Errors
    /// There is no item, or `read` fails.
    pub fn null_or<T, E: From<CborError>>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        if self.peek()? == Major::Null {
            self.null()?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// Reads a map; `read` is given each key and must read (or skip) exactly its value.
    ///
    /// # Errors
    /// The next item is no map, a key is at fault, or `read` fails.
    pub fn map_entries<E: From<CborError>>(
        &mut self,
        mut read: impl FnMut(&'a str, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        for _ in 0..self.map()? {
            let key = self.text()?;
            debug_assert!(!self.nest.at_key(), "the value before was not read");
            read(key, self)?;
        }
        Ok(())
    }

    /// Reads past one item with all that it holds, and checks it.
    ///
    /// # Errors
    /// The first fault within the item.
    pub fn skip(&mut self) -> Result<(), CborError> {
        let depth = self.nest.depth();
        loop {
            let head = self.head()?;
            match head.major {
                Major::Text => _ = self.take_text(&head)?,
                Major::Bytes => _ = self.take_string(&head)?,
                Major::Array | Major::Map => self.open(&head)?,
                Major::Unsigned | Major::Negative | Major::Bool | Major::Null => self.take(&head),
            }
            // The last item of an array closes it, so the depth may end below where it began.
            if self.nest.depth() <= depth {
                return Ok(());
            }
        }
    }

    /// Reads past one item, checks it, and returns its bytes.
    ///
    /// # Errors
    /// The first fault within the item.
    pub fn raw_item(&mut self) -> Result<&'a [u8], CborError> {
        let start = self.position;
        self.skip()?;
        Ok(&self.bytes[start..self.position])
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// An array or map is not at its end, or bytes are left.
    pub fn finish(self) -> Result<(), CborError> {
        if self.nest.depth() > 0 {
            Err(self.fault(CborFault::Truncated))
        } else if self.is_at_end() {
            Ok(())
        } else {
            Err(self.fault(CborFault::Trailing))
        }
    }

    fn fault(&self, what: CborFault) -> CborError {
        CborError { offset: self.position, what }
    }

    /// Returns the head of the next item, canonical and fit for its place, without reading past it.
    fn head(&self) -> Result<Head, CborError> {
        let head = parse_head(&self.bytes[self.position..]).map_err(|what| self.fault(what))?;
        if head.major != Major::Text && self.nest.at_key() {
            return Err(self.fault(CborFault::KeyNotText));
        }
        Ok(head)
    }

    fn expect(&self, expected: Major) -> Result<Head, CborError> {
        let head = self.head()?;
        if head.major == expected {
            Ok(head)
        } else {
            Err(self.fault(CborFault::Unexpected { expected, found: head.major }))
        }
    }

    fn take(&mut self, head: &Head) {
        self.position += head.len;
        self.nest.leaf();
    }

    /// Returns where the bytes of a string begin and end, or that they are cut off.
    fn string(&self, head: &Head) -> Result<(usize, usize), CborError> {
        let start = self.position + head.len;
        let end = usize::try_from(head.argument).ok().and_then(|len| start.checked_add(len));
        match end {
            Some(end) if end <= self.bytes.len() => Ok((start, end)),
            _ => Err(self.fault(CborFault::Truncated)),
        }
    }

    fn take_string(&mut self, head: &Head) -> Result<&'a [u8], CborError> {
        let (start, end) = self.string(head)?;
        self.position = end;
        self.nest.leaf();
        Ok(&self.bytes[start..end])
    }

    fn take_text(&mut self, head: &Head) -> Result<&'a str, CborError> {
        let (start, end) = self.string(head)?;
        let text =
            std::str::from_utf8(&self.bytes[start..end]).map_err(|_| self.fault(CborFault::NotUtf8))?;
        if self.nest.at_key() {
            self.nest.key(self.bytes, self.position..end).map_err(|what| self.fault(what))?;
        }
        self.position = end;
        self.nest.leaf();
        Ok(text)
    }

    /// Enters an array or a map. Each of its items takes a byte at least, so what cannot fit is refused here.
    fn open(&mut self, head: &Head) -> Result<(), CborError> {
        let is_map = head.major == Major::Map;
        let items = if is_map { head.argument.checked_mul(2) } else { Some(head.argument) };
        let left = (self.bytes.len() - self.position - head.len) as u64;
        let items = items.filter(|&items| items <= left).ok_or_else(|| self.fault(CborFault::Truncated))?;
        self.nest.open(items, is_map).map_err(|what| self.fault(what))?;
        self.position += head.len;
        Ok(())
    }
}

/// Reads the head of the array that the bytes begin with: how many items it has, and where the first one begins.
///
/// For a stream whose end is not here yet: nothing is said of the items, not even that they could be there.
///
/// # Errors
/// The bytes begin with something else, or within a head.
pub fn array_head(bytes: &[u8]) -> Result<(u64, usize), CborError> {
    let fault = |what| CborError { offset: 0, what };
    let head = parse_head(bytes).map_err(fault)?;
    if head.major == Major::Array {
        return Ok((head.argument, head.len));
    }
    Err(fault(CborFault::Unexpected { expected: Major::Array, found: head.major }))
}

/// Reads the canonical head that the bytes begin with: what the item is, its argument, and the bytes after the head.
#[inline]
pub(in crate::manifest) fn split_head(bytes: &[u8]) -> Option<(Major, u64, &[u8])> {
    let head = parse_head(bytes).ok()?;
    Some((head.major, head.argument, &bytes[head.len..]))
}

/// Parses the head at the beginning of the bytes (RFC 8949 §3).
#[inline]
fn parse_head(bytes: &[u8]) -> Result<Head, CborFault> {
    let initial = *bytes.first().ok_or(CborFault::Truncated)?;
    let (major, additional) = (initial >> 5, initial & 0x1f);
    if major == 7 {
        return simple(additional);
    }
    let (argument, len) = match additional {
        0..24 => (u64::from(additional), 1),
        24..28 => long_argument(bytes, 1 << (additional - 24))?,
        28..31 => return Err(CborFault::Reserved),
        _ => return Err(CborFault::Indefinite),
    };
    let major = match major {
        0 if argument > INTEGER_MAX => return Err(CborFault::IntegerRange),
        0 => Major::Unsigned,
        // The argument of -1 is 0.
        1 if argument >= INTEGER_MAX => return Err(CborFault::IntegerRange),
        1 => Major::Negative,
        2 => Major::Bytes,
        3 => Major::Text,
        4 => Major::Array,
        5 => Major::Map,
        _ => return Err(CborFault::Tag),
    };
    Ok(Head { major, argument, len })
}

/// Reads an argument of 1, 2, 4 or 8 bytes after the initial one, and the length of the head.
fn long_argument(bytes: &[u8], width: usize) -> Result<(u64, usize), CborFault> {
    let tail = bytes.get(1..=width).ok_or(CborFault::Truncated)?;
    let argument = tail.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    let least = if width == 1 { 24 } else { 1 << (width * 4) };
    if argument < least { Err(CborFault::NotShortest) } else { Ok((argument, 1 + width)) }
}

const fn simple(additional: u8) -> Result<Head, CborFault> {
    match additional {
        20 => Ok(Head { major: Major::Bool, argument: 0, len: 1 }),
        21 => Ok(Head { major: Major::Bool, argument: 1, len: 1 }),
        22 => Ok(Head { major: Major::Null, argument: 0, len: 1 }),
        25..28 => Err(CborFault::Float),
        28..31 => Err(CborFault::Reserved),
        31 => Err(CborFault::Indefinite),
        _ => Err(CborFault::Simple),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::cbor::{Encoder, check};

    #[test]
    fn everything_that_is_not_canonical_is_refused_where_it_stands() {
        let deep = |levels: usize| [vec![0x81; levels], vec![0x00]].concat();
        for (bytes, offset, what) in [
            (&b""[..], 0, CborFault::Truncated),
            (b"\x00\x00", 1, CborFault::Trailing),
            (b"\x18\x17", 0, CborFault::NotShortest),
            (b"\x19\x00\xff", 0, CborFault::NotShortest),
            (b"\x1a\x00\x00\xff\xff", 0, CborFault::NotShortest),
            (b"\x1b\0\0\0\0\xff\xff\xff\xff", 0, CborFault::NotShortest),
            (b"\x78\x01a", 0, CborFault::NotShortest),
            (b"\x9f\xff", 0, CborFault::Indefinite),
            (b"\x5f\xff", 0, CborFault::Indefinite),
            (b"\xff", 0, CborFault::Indefinite),
            (b"\x1c", 0, CborFault::Reserved),
            (b"\xfc", 0, CborFault::Reserved),
            (b"\xf9\x3c\x00", 0, CborFault::Float),
            (b"\xfb\x3f\xf0\0\0\0\0\0\0", 0, CborFault::Float),
            (b"\xc0\x00", 0, CborFault::Tag),
            (b"\xf7", 0, CborFault::Simple),
            (b"\xe0", 0, CborFault::Simple),
            (b"\xf8\x20", 0, CborFault::Simple),
            (b"\x1b\x00\x20\0\0\0\0\0\0", 0, CborFault::IntegerRange),
            (b"\x3b\x00\x1f\xff\xff\xff\xff\xff\xff", 0, CborFault::IntegerRange),
            (b"\x62\xc3\x28", 0, CborFault::NotUtf8),
            (b"\xa1\x00\x00", 1, CborFault::KeyNotText),
            (b"\xa1\xa0\x00", 1, CborFault::KeyNotText),
            (b"\xa2\x61b\x00\x61a\x00", 4, CborFault::KeyOrder),
            (b"\xa2\x61a\x00\x61a\x00", 4, CborFault::KeyOrder),
            (b"\xa2\x62aa\x00\x61b\x00", 5, CborFault::KeyOrder),
            (b"\x62a", 0, CborFault::Truncated),
            (b"\x82\x00", 0, CborFault::Truncated),
            (b"\xa1\x61a", 3, CborFault::Truncated),
            (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", 0, CborFault::Truncated),
            (b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", 0, CborFault::Truncated),
            (b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff", 0, CborFault::Truncated),
            (&deep(17), 16, CborFault::Nesting),
        ] {
            assert_eq!(check(bytes), Err(CborError { offset, what }), "{bytes:02x?}");
        }
        assert_eq!(check(&deep(16)), Ok(()));
        assert_eq!(check(b"\xa2\x61b\x00\x62aa\x00"), Ok(()));
    }

    #[test]
    fn reading_by_type_is_as_strict_as_checking() {
        let mut d = Decoder::new(b"\xa2\x61b\x00\x61a\x20");
        assert_eq!((d.map(), d.text(), d.uint()), (Ok(2), Ok("b"), Ok(0)));
        assert_eq!(d.text(), Err(CborError { offset: 4, what: CborFault::KeyOrder }));

        let mut d = Decoder::new(b"\x82\x20\xf5\x40");
        let unexpected = CborFault::Unexpected { expected: Major::Text, found: Major::Negative };
        assert_eq!((d.array(), d.text()), (Ok(2), Err(CborError { offset: 1, what: unexpected })));
        assert_eq!((d.int(), d.null_or(Decoder::bool), d.peek()), (Ok(-1), Ok(Some(true)), Ok(Major::Bytes)));
        assert_eq!(d.clone().finish(), Err(CborError { offset: 3, what: CborFault::Trailing }));
        assert_eq!((d.raw_item(), d.finish()), (Ok(&b"\x40"[..]), Ok(())));

        let mut d = Decoder::new(b"\x82\xf6");
        assert!(d.array().is_err());
        let mut d = Decoder::new(b"\x82\xf6\xf6");
        assert_eq!((d.array(), d.null_or(Decoder::uint)), (Ok(2), Ok(None)));
        assert_eq!(d.finish(), Err(CborError { offset: 2, what: CborFault::Truncated }));
    }

    #[test]
    fn a_map_is_read_by_its_keys() {
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes).map(2).text("a").uint(1).text("bb").array(2).null().bytes(b"x");
        let mut seen = Vec::new();
        let read = Decoder::new(&bytes).map_entries(|key, d| {
            seen.push((key, d.raw_item()?));
            Ok::<(), CborError>(())
        });
        assert_eq!(read, Ok(()));
        assert_eq!(seen, [("a", &b"\x01"[..]), ("bb", b"\x82\xf6\x41x")]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_the_value_s_only_spelling(bytes in crate::manifest::cbor::testing::nearly_canonical()) {
            if check(&bytes).is_ok() {
                let value: ciborium::Value = ciborium::from_reader(&bytes[..]).expect("ciborium reads what is canonical");
                prop_assert_eq!(crate::manifest::cbor::from_value(&value), Ok(bytes.clone()));
                prop_assert_eq!(crate::manifest::cbor::to_value(&bytes), Ok(value));
            }
        }

        #[test]
        fn what_ciborium_cannot_read_is_not_canonical(bytes in crate::manifest::cbor::testing::nearly_canonical()) {
            let refused = ciborium::from_reader::<ciborium::Value, _>(&bytes[..]).is_err();
            prop_assert!(!refused || check(&bytes).is_err());
        }
    }
}
