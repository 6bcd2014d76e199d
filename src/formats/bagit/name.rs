//! How names of files stand in a bag's lists, and which cannot.
//!
//! RFC 8493 §2.1.3 has CR, LF and `%` percent-encoded, and nothing else. bagit.py 1.9 encodes and decodes CR and LF
//! alone, at most two of each in a path, and splits and strips lines as Python does. So `%` is written as it is, which
//! both read alike as long as what follows is no encoding of one of the three, and the rest is refused.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, is_nfc_quick};

use super::{is_line_break, is_space};
use crate::manifest::EntryPath;

/// How many CR, and how many LF, bagit.py decodes in a path.
const ENCODED_MAX: usize = 2;

/// Why no bag can have a file of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unbaggable {
    /// It is no text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It has a character that ends a line of a bag's list.
    #[error("it has a character that ends a line")]
    LineBreak,
    /// It ends with what is dropped at the end of a line.
    #[error("it ends with white space")]
    SpaceAtEnd,
    /// It has more line ends than are decoded.
    #[error("it has more than two LF or CR")]
    Encoded,
    /// It has `%0A`, `%0D` or `%25`, which some read as what that encodes.
    #[error("it has %0A, %0D or %25 in it")]
    Percent,
    /// It is longer than a path that the system takes.
    #[error("it is too long to be opened there")]
    TooLong,
    /// Another one is the same text in another normalisation form of Unicode.
    #[error("it differs from another name by its Unicode form alone")]
    Alike,
}

/// Says how many names no bag can hold, and why the first of them.
pub fn unbaggable_in_words(names: &[(EntryPath, Unbaggable)], count: u64) -> String {
    let all = if count == 1 { "1 name".to_owned() } else { format!("{count} names") };
    let named =
        names.iter().map(|(path, why)| format!("{} ({why})", String::from_utf8_lossy(path.as_bytes())));
    let named: Vec<String> = named.collect();
    let rest = match count.saturating_sub(names.len() as u64) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!("{all} that no bag can hold: {}{rest}", named.join(", "))
}

/// Says why a bag cannot have a file of this path, if it cannot, as far as that is due to this path by itself.
///
/// # Errors
/// Whatever of [`Unbaggable`] is wrong with it first.
pub fn check_name(path: &EntryPath) -> Result<(), Unbaggable> {
    let text = path.as_str().ok_or(Unbaggable::NotUtf8)?;
    if text.contains(|c| is_line_break(c) && !matches!(c, '\n' | '\r')) {
        return Err(Unbaggable::LineBreak);
    }
    if text.ends_with(|c| is_space(c) && !matches!(c, '\n' | '\r')) {
        return Err(Unbaggable::SpaceAtEnd);
    }
    if ['\n', '\r'].iter().any(|end| text.matches(*end).count() > ENCODED_MAX) {
        return Err(Unbaggable::Encoded);
    }
    let encodes = |at: usize| encoded(&text.as_bytes()[at..]).is_some();
    if text.match_indices('%').any(|(at, _)| encodes(at)) {
        return Err(Unbaggable::Percent);
    }
    Ok(())
}

/// Returns the composed form (NFC) of a path where that is another text.
pub fn composed(path: &EntryPath) -> Option<EntryPath> {
    let text = path.as_str()?;
    if text.is_ascii() || is_nfc_quick(text.chars()) == unicode_normalization::IsNormalized::Yes {
        return None;
    }
    let composed: String = text.nfc().collect();
    if composed == text { None } else { EntryPath::new(composed.into_bytes()).ok() }
}

/// Writes a path as it stands in a list.
pub(super) fn encode(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return path.into();
    }
    let mut encoded = Vec::with_capacity(path.len() + 4);
    for &byte in path {
        match byte {
            b'\n' => encoded.extend_from_slice(b"%0A"),
            b'\r' => encoded.extend_from_slice(b"%0D"),
            plain => encoded.push(plain),
        }
    }
    encoded.into()
}

/// Reads a path as it stands in a list; `%25` is decoded only where that is asked for.
pub(super) fn decode(listed: &[u8], percent_too: bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(listed.len());
    let mut rest = listed;
    while let Some((&byte, behind)) = rest.split_first() {
        match encoded(rest).filter(|&meant| meant != b'%' || percent_too) {
            Some(meant) => {
                decoded.push(meant);
                rest = &rest[3..];
            }
            None => {
                decoded.push(byte);
                rest = behind;
            }
        }
    }
    decoded
}

/// Returns what the bytes begin with, percent-encoded.
fn encoded(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'%', b'0', b'a' | b'A', ..] => Some(b'\n'),
        [b'%', b'0', b'd' | b'D', ..] => Some(b'\r'),
        [b'%', b'2', b'5', ..] => Some(b'%'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(bytes: &[u8]) -> EntryPath {
        EntryPath::new(bytes).unwrap()
    }

    #[test]
    fn names_that_one_reader_would_lose_are_refused() {
        for (name, why) in [
            (&b"caf\xe9"[..], Unbaggable::NotUtf8),
            (b"a\x0bb", Unbaggable::LineBreak),
            (b"a\x1cb", Unbaggable::LineBreak),
            ("a\u{85}".as_bytes(), Unbaggable::LineBreak),
            ("a\u{2028}b".as_bytes(), Unbaggable::LineBreak),
            (b"a ", Unbaggable::SpaceAtEnd),
            (b"a\t", Unbaggable::SpaceAtEnd),
            (b"a\x1f", Unbaggable::SpaceAtEnd),
            ("a\u{3000}".as_bytes(), Unbaggable::SpaceAtEnd),
            (b"a\n/\n\n", Unbaggable::Encoded),
            (b"\r\r\r", Unbaggable::Encoded),
            (b"a%0ab", Unbaggable::Percent),
            (b"100%25", Unbaggable::Percent),
        ] {
            assert_eq!(check_name(&path(name)), Err(why), "{name:?}");
        }
        for name in [
            &b"a b"[..],
            b" a",
            b"a /b",
            b"a\n\n\r\r",
            b"end\n",
            b"100%",
            b"%41%2",
            b"~a",
            b"*",
            b"#",
            b"a\x1fb",
        ] {
            assert_eq!(check_name(&path(name)), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn a_name_is_composed_where_that_changes_it() {
        assert_eq!(composed(&path("cafe\u{301}".as_bytes())), Some(path("caf\u{e9}".as_bytes())));
        assert_eq!(composed(&path("\u{212a}".as_bytes())), Some(path(b"K")));
        for name in ["cafe", "caf\u{e9}", "\u{1f600}"] {
            assert_eq!(composed(&path(name.as_bytes())), None, "{name}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(&*encode(b"a\nb\r%"), b"a%0Ab%0D%");
        assert_eq!(decode(b"a%0ab%0D%25%41%", true), b"a\nb\r%%41%");
        assert_eq!(decode(b"a%0ab%250A", false), b"a\nb%250A");
        assert_eq!(decode(b"%250A", true), b"%0A", "what was decoded is not decoded again");
    }
}
