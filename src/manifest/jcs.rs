//! The JSON projection of manifests: RFC 8785 (JCS) text, exact in both directions.
//!
//! Maps, arrays, text, integers, `false`, `true` and `null` are themselves, with keys sorted by UTF-16 code
//! units. JSON has no bytes, so these stand under known keys only ([`BYTE_KEYS`]), as lower-case hexadecimal
//! digits; below `metadata` and `provenance`, whose keys are the user's, there are none. What does not fit is
//! refused, so that text and bytes never change places. Whether the value is a manifest is not asked here.

use std::fmt;
use std::io::{self, Write as _};

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use super::cbor::{CborError, Decoder, Encoder, INTEGER_MAX, Major, NESTING_MAX};

/// The keys whose values are byte strings, and hexadecimal digits in JSON.
pub const BYTE_KEYS: [&str; 5] = ["blake3", "sha256", "path_bytes", "target_bytes", "content_digest"];

/// Why a value has no exact projection, or a text is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JcsError {
    /// The bytes are not canonical CBOR.
    #[error("not canonical CBOR")]
    Cbor(#[from] CborError),
    /// A byte string under a key that is not one of [`BYTE_KEYS`], or something else under one that is.
    #[error("at byte {offset}: {found} under a key that does not hold such")]
    Misplaced {
        /// Where the item stands in the CBOR.
        offset: usize,
        /// What it is.
        found: Major,
    },
    /// The text is not JSON, or holds what canonical CBOR does not: other numbers than integers within
    /// ±(2^53−1), a key twice, nesting too deep, something else than digits under one of [`BYTE_KEYS`].
    #[error("not JSON that has a canonical CBOR form")]
    Json(#[source] serde_json::Error),
    /// The text is JSON for a value, but not the one canonical text for it.
    #[error("at byte {offset}: not the canonical JSON of its value")]
    NotCanonical {
        /// The first byte that should be another.
        offset: usize,
    },
    /// The projection could not be handed on.
    #[error("the JSON could not be written")]
    Write(#[source] io::Error),
}

/// Returns the canonical JSON (RFC 8785) of canonical CBOR.
///
/// # Errors
/// The bytes are not one canonical item, or a byte string stands where the projection would lose that it is one.
pub fn to_jcs(cbor: &[u8]) -> Result<Vec<u8>, JcsError> {
    let mut out = Vec::with_capacity(cbor.len() * 3 / 2);
    write_jcs(&mut out, cbor)?;
    Ok(out)
}

/// Writes the canonical JSON (RFC 8785) of canonical CBOR, without a line end; holds one map's keys at a time.
///
/// # Errors
/// As [`to_jcs`], and what `out` says. `out` then holds a part.
pub fn write_jcs(out: &mut dyn io::Write, cbor: &[u8]) -> Result<(), JcsError> {
    let mut out = io::BufWriter::new(out);
    let mut d = Decoder::new(cbor);
    project(&mut out, &mut d, Place::Plain, 0)?;
    d.finish()?;
    out.flush().map_err(JcsError::Write)
}

/// Returns the canonical CBOR of canonical JSON: exactly the bytes whose [`to_jcs`] this text is.
///
/// # Errors
/// The text is not the projection of any value.
pub fn from_jcs(json: &[u8]) -> Result<Vec<u8>, JcsError> {
    let mut cbor = Vec::with_capacity(json.len());
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let item = Item { out: &mut cbor, place: Place::Plain, levels: NESTING_MAX };
    item.deserialize(&mut deserializer).and_then(|()| deserializer.end()).map_err(JcsError::Json)?;

    // JSON has many spellings for one value. Only the one that comes out again is taken.
    let mut expected = Expected { text: json, offset: 0 };
    match write_jcs(&mut expected, &cbor) {
        Err(JcsError::Write(_)) => Err(JcsError::NotCanonical { offset: expected.offset }),
        Ok(()) if expected.offset < json.len() => Err(JcsError::NotCanonical { offset: expected.offset }),
        result => result.map(|()| cbor),
    }
}

/// What may stand at a place, which its key says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Anything but a byte string.
    Plain,
    /// A byte string.
    Bytes,
    /// Anything but a byte string, whatever the keys below are.
    Labels,
}

impl Place {
    fn under(self, key: &str) -> Self {
        match self {
            Self::Labels => Self::Labels,
            Self::Plain | Self::Bytes if BYTE_KEYS.contains(&key) => Self::Bytes,
            Self::Plain | Self::Bytes if matches!(key, "metadata" | "provenance") => Self::Labels,
            Self::Plain | Self::Bytes => Self::Plain,
        }
    }
}

/// Writes one item as JSON; `base` is where the decoder's first byte stands in the whole.
fn project(out: &mut dyn io::Write, d: &mut Decoder<'_>, place: Place, base: usize) -> Result<(), JcsError> {
    let found = d.peek()?;
    if (place == Place::Bytes) != (found == Major::Bytes) {
        return Err(JcsError::Misplaced { offset: base + d.position(), found });
    }
    match found {
        Major::Unsigned | Major::Negative => write!(out, "{}", d.int()?),
        Major::Bool => write!(out, "{}", d.bool()?),
        Major::Null => d.null().map(|()| out.write_all(b"null"))?,
        Major::Text => write_text(out, d.text()?),
        Major::Bytes => write_hex(out, d.bytes()?),
        Major::Array => {
            return project_array(out, d, if place == Place::Labels { place } else { Place::Plain }, base);
        }
        Major::Map => return project_map(out, d, place, base),
    }
    .map_err(JcsError::Write)
}

fn project_array(
    out: &mut dyn io::Write,
    d: &mut Decoder<'_>,
    place: Place,
    base: usize,
) -> Result<(), JcsError> {
    let count = d.array()?;
    out.write_all(b"[").map_err(JcsError::Write)?;
    for index in 0..count {
        if index > 0 {
            out.write_all(b",").map_err(JcsError::Write)?;
        }
        project(out, d, place, base)?;
    }
    out.write_all(b"]").map_err(JcsError::Write)
}

fn project_map(
    out: &mut dyn io::Write,
    d: &mut Decoder<'_>,
    place: Place,
    base: usize,
) -> Result<(), JcsError> {
    // Of each pair only where the key's text and its value begin: a map may be of nothing but short keys.
    let bytes = d.rest();
    let start = d.position();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    d.map_entries(|key, d| {
        let value = d.position() - start;
        pairs.push((value - key.len(), value));
        d.skip()
    })?;
    // RFC 8785 §3.2.3: by UTF-16 code units, which for characters beyond U+FFFF is not the order of UTF-8.
    let units = |&(key, value): &(usize, usize)| bytes[key..value].iter().copied().map(utf_16_rank);
    pairs.sort_unstable_by(|one, other| units(one).cmp(units(other)));
    out.write_all(b"{").map_err(JcsError::Write)?;
    for (index, (key, value)) in pairs.into_iter().enumerate() {
        if index > 0 {
            out.write_all(b",").map_err(JcsError::Write)?;
        }
        let key = std::str::from_utf8(&bytes[key..value]).expect("it was read as a text");
        write_text(out, key).and_then(|()| out.write_all(b":")).map_err(JcsError::Write)?;
        project(out, &mut Decoder::new(&bytes[value..]), place.under(key), base + start + value)?;
    }
    out.write_all(b"}").map_err(JcsError::Write)
}

/// Ranks a byte so that UTF-8 is ordered as its UTF-16: where two texts part, the bytes lead or follow alike, and
/// what is a pair of surrogates there (led by F0 to F4 here) comes before U+E000 to U+FFFF (EE and EF).
const fn utf_16_rank(byte: u8) -> u8 {
    if matches!(byte, 0xee | 0xef) { byte + 7 } else { byte }
}

/// Writes a text; serde_json's escapes are those of RFC 8785 §3.2.2.2, which the tests hold it to.
fn write_text(out: &mut dyn io::Write, text: &str) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}

fn write_hex(out: &mut dyn io::Write, bytes: &[u8]) -> io::Result<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.write_all(b"\"")?;
    for chunk in bytes.chunks(32) {
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(chunk) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        out.write_all(&text[..chunk.len() * 2])?;
    }
    out.write_all(b"\"")
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| Some(nibble(pair[0])? << 4 | nibble(pair[1])?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

/// Compares what is written with a text, as far as they agree.
struct Expected<'a> {
    text: &'a [u8],
    offset: usize,
}

impl io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let agreed =
            self.text[self.offset..].iter().zip(bytes).take_while(|(one, other)| one == other).count();
        self.offset += agreed;
        if agreed == bytes.len() { Ok(agreed) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends the canonical CBOR of one JSON item.
struct Item<'o> {
    out: &'o mut Vec<u8>,
    place: Place,
    /// How many arrays and maps may still be opened.
    levels: usize,
}

impl Item<'_> {
    /// Returns the encoder where anything but a text may stand.
    fn plain<E: serde::de::Error>(&mut self) -> Result<Encoder<'_>, E> {
        if self.place == Place::Bytes {
            return Err(E::custom("expected hexadecimal digits"));
        }
        Ok(Encoder::new(self.out))
    }

    fn deeper<E: serde::de::Error>(&mut self) -> Result<usize, E> {
        self.plain()?;
        self.levels.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that canonical CBOR can hold")
    }

    fn visit_unit<E: serde::de::Error>(mut self) -> Result<(), E> {
        self.plain()?.null();
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(mut self, value: bool) -> Result<(), E> {
        self.plain()?.bool(value);
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(mut self, value: u64) -> Result<(), E> {
        if value > INTEGER_MAX {
            return Err(E::custom("an integer beyond 2^53-1"));
        }
        self.plain()?.uint(value);
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(mut self, value: i64) -> Result<(), E> {
        if value.unsigned_abs() > INTEGER_MAX {
            return Err(E::custom("an integer beyond 2^53-1"));
        }
        self.plain()?.int(value);
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if self.place == Place::Bytes {
            let bytes = parse_hex(text).ok_or_else(|| E::custom("expected hexadecimal digits"))?;
            Encoder::new(self.out).bytes(&bytes);
        } else {
            Encoder::new(self.out).text(text);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let levels = self.deeper()?;
        let (mut items, mut count) = (Vec::new(), 0);
        while seq.next_element_seed(Item { out: &mut items, place: self.place, levels })?.is_some() {
            count += 1;
        }
        Encoder::new(self.out).array(count);
        self.out.extend_from_slice(&items);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let levels = self.deeper()?;
        // All pairs, encoded, and of each where it begins and ends: no more, for there may be nothing but short keys.
        let (mut encoded, mut pairs) = (Vec::new(), Vec::new());
        while let Some(key) = map.next_key_seed(Key { out: &mut encoded, place: self.place })? {
            map.next_value_seed(Item { out: &mut encoded, place: key.place, levels })?;
            pairs.push((key.start, encoded.len()));
        }
        // No encoding of a key begins another one, so the values behind them make no difference.
        pairs.sort_unstable_by_key(|&(start, end)| &encoded[start..end]);
        let key = |&(start, _): &(usize, usize)| Decoder::new(&encoded[start..]).text();
        if pairs.windows(2).any(|two| key(&two[0]) == key(&two[1])) {
            return Err(A::Error::custom("a key twice"));
        }
        Encoder::new(self.out).map(pairs.len());
        for (start, end) in pairs {
            self.out.extend_from_slice(&encoded[start..end]);
        }
        Ok(())
    }
}

/// Appends the key of a map.
struct Key<'o> {
    out: &'o mut Vec<u8>,
    place: Place,
}

/// A key that was appended: what may stand under it, and where its encoding begins.
struct Keyed {
    place: Place,
    start: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Keyed;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Keyed, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Keyed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Keyed, E> {
        let start = self.out.len();
        Encoder::new(self.out).text(key);
        Ok(Keyed { place: self.place.under(key), start })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::cbor::{self, testing};
    use crate::manifest::testing::manifest_bytes;

    /// The projection made the long way round: through serde_json and the canonicalizer crate.
    fn oracle(json: &[u8]) -> Vec<u8> {
        let value: serde_json::Value = serde_json::from_slice(json).expect("the projection is JSON");
        serde_json_canonicalizer::to_vec(&value).expect("a JSON value can be canonicalized")
    }

    #[test]
    fn keys_are_sorted_by_utf_16() {
        let mut bytes = Vec::new();
        // RFC 8785 §3.2.3. In UTF-16 the dancer is U+D83D U+DC83, so it comes before the private U+FB33.
        let mut e = Encoder::new(&mut bytes);
        e.map(5).text("\r").uint(1).text("1").uint(2).text("\u{f6}").uint(3);
        e.text("\u{fb33}").uint(4).text("\u{1f600}").uint(5);
        let json = to_jcs(&bytes).unwrap();
        assert_eq!(
            String::from_utf8(json.clone()).unwrap(),
            "{\"\\r\":1,\"1\":2,\"\u{f6}\":3,\"\u{1f600}\":5,\"\u{fb33}\":4}"
        );
        assert_eq!(from_jcs(&json).unwrap(), bytes);
    }

    #[test]
    fn every_control_character_has_one_escape() {
        let text: String = (0..0x100u32).filter_map(char::from_u32).collect();
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes).text(&text);
        let json = to_jcs(&bytes).unwrap();
        assert!(
            json.starts_with(br#""\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e"#)
        );
        assert_eq!(json, oracle(&json));
        assert_eq!(from_jcs(&json).unwrap(), bytes);
    }

    #[test]
    fn bytes_stand_under_their_keys_only() {
        let project = |write: &dyn Fn(&mut Encoder<'_>)| {
            let mut bytes = Vec::new();
            write(&mut Encoder::new(&mut bytes));
            to_jcs(&bytes).map(|json| String::from_utf8(json).unwrap()).map_err(|error| error.to_string())
        };
        let good = project(&|e| _ = e.map(1).text("blake3").bytes(b"\x00\xff"));
        assert_eq!(good.as_deref(), Ok(r#"{"blake3":"00ff"}"#));
        let label = project(&|e| _ = e.map(1).text("metadata").map(1).text("blake3").text("mine"));
        assert_eq!(label.as_deref(), Ok(r#"{"metadata":{"blake3":"mine"}}"#));
        let below =
            project(&|e| _ = e.map(1).text("metadata").map(1).text("a").map(1).text("blake3").text("mine"));
        assert_eq!(below.as_deref(), Ok(r#"{"metadata":{"a":{"blake3":"mine"}}}"#));
        for (refused, message) in [
            (project(&|e| _ = e.bytes(b"")), "at byte 0: a byte string"),
            (project(&|e| _ = e.map(1).text("other").bytes(b"")), "at byte 7: a byte string"),
            (project(&|e| _ = e.map(1).text("sha256").text("00")), "at byte 8: a text"),
            (project(&|e| _ = e.map(1).text("sha256").null()), "at byte 8: null"),
            (project(&|e| _ = e.map(1).text("sha256").array(1).bytes(b"")), "at byte 8: an array"),
            (
                project(&|e| _ = e.map(1).text("provenance").map(1).text("sha256").bytes(b"")),
                "at byte 20: a byte string",
            ),
            (project(&|e| _ = e.array(1).map(1).text("a").array(1).bytes(b"")), "at byte 5: a byte string"),
        ] {
            assert_eq!(refused, Err(format!("{message} under a key that does not hold such")));
        }
    }

    #[test]
    fn json_that_is_not_canonical_is_refused() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for (json, message) in [
            ("", "EOF while parsing a value"),
            ("1.0", "invalid type: floating point `1.0`, expected a value that canonical CBOR can hold"),
            ("-0", "invalid type: floating point `-0.0`, expected a value that canonical CBOR can hold"),
            ("1e3", "invalid type: floating point `1000.0`, expected a value that canonical CBOR can hold"),
            ("9007199254740992", "an integer beyond 2^53-1"),
            ("-9007199254740992", "an integer beyond 2^53-1"),
            (r#"{"a":1,"a":1}"#, "a key twice"),
            (r#"{"blake3":"0"}"#, "expected hexadecimal digits"),
            (r#"{"blake3":"0G"}"#, "expected hexadecimal digits"),
            (r#"{"blake3":"0g"}"#, "expected hexadecimal digits"),
            (r#"{"blake3":"AA"}"#, "expected hexadecimal digits"),
            (r#"{"blake3":null}"#, "expected hexadecimal digits"),
            (r#"{"blake3":["00"]}"#, "expected hexadecimal digits"),
            (&deep(17), "nested too deeply"),
            ("1 2", "trailing characters"),
            (r#""\ud800""#, "unexpected end of hex escape"),
        ] {
            match from_jcs(json.as_bytes()) {
                Err(JcsError::Json(source)) => {
                    assert!(source.to_string().starts_with(message), "{json}: {source}");
                }
                other => panic!("{json}: {other:?}"),
            }
        }
        for (json, at) in [
            (" 1", 0),
            ("1\n", 1),
            ("[1, 2]", 3),
            (r#"{"b":1,"a":2}"#, 2),
            (r#""\u0041""#, 1),
            (r#""\/""#, 1),
            (r#""\u000A""#, 2),
        ] {
            match from_jcs(json.as_bytes()) {
                Err(JcsError::NotCanonical { offset }) => assert_eq!(offset, at, "{json}"),
                other => panic!("{json}: {other:?}"),
            }
        }
        assert!(from_jcs(deep(16).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn any_value_without_bytes_comes_back(value in testing::value_without_bytes()) {
            let bytes = cbor::from_value(&value).expect("a value that the store can write");
            let json = to_jcs(&bytes).expect("no key of it is one of BYTE_KEYS");
            prop_assert_eq!(&json, &oracle(&json));
            prop_assert_eq!(from_jcs(&json).expect("what was projected comes back"), bytes);
        }

        #[test]
        fn a_manifest_comes_back(seed: u64) {
            let bytes = manifest_bytes(seed);
            let json = to_jcs(&bytes).expect("a manifest has a projection");
            prop_assert_eq!(&json, &oracle(&json));
            prop_assert_eq!(from_jcs(&json).expect("what was projected comes back"), bytes);
        }

        #[test]
        fn damaged_json_is_refused_or_has_a_value_of_its_own(seed: u64, damage in testing::damage()) {
            let json = to_jcs(&manifest_bytes(seed % 64)).expect("a manifest has a projection");
            let damaged = testing::damaged(json, &damage);
            if let Ok(bytes) = from_jcs(&damaged) {
                prop_assert_eq!(to_jcs(&bytes).expect("it was compared with its projection"), damaged);
            }
        }
    }
}
