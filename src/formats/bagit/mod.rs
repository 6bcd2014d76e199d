//! BagIt (RFC 8493): the text files that make a bag of a directory, and how names stand in them.
//!
//! What is written is what both the RFC and bagit.py 1.9, the client that most bags are checked with, read alike; a name
//! for which there is no such form is [`Unbaggable`]. What is read is what either of them writes.

mod list;
mod name;
mod tags;

pub use list::{ListProblem, Listed, parse_fetch, parse_list, write_line};
pub use name::{Unbaggable, check_name, composed, unbaggable_in_words};
pub use tags::{TagProblem, flat, parse_tags, write_tag};

/// What a bag says that it is.
pub const DECLARATION: &[u8] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// The version of BagIt that a bag is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the point.
    pub major: u32,
    /// Behind it.
    pub minor: u32,
}

impl Version {
    /// The version of the RFC.
    pub const RFC: Self = Self { major: 1, minor: 0 };
    /// The oldest that is read.
    pub const OLDEST: Self = Self { major: 0, minor: 93 };

    /// Parses `major.minor`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let number = |digits: &str| {
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
        };
        Some(Self { major: number(major)?, minor: number(minor)? })
    }

    /// Returns whether bags of this version can be read.
    pub fn is_known(self) -> bool {
        self >= Self::OLDEST && self <= Self::RFC
    }

    /// Returns what the tag file with the metadata is called.
    pub fn info_file(self) -> &'static str {
        if self < (Self { major: 0, minor: 96 }) { "package-info.txt" } else { "bag-info.txt" }
    }
}

/// In which encoding the tag files of a bag are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, or ASCII, which is part of it.
    Utf8,
    /// ISO-8859-1.
    Latin1,
    /// UTF-16; without a byte order mark it is big-endian (RFC 2781).
    Utf16,
}

impl Encoding {
    /// Finds it by its name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" | "US-ASCII" | "ASCII" => Some(Self::Utf8),
            "ISO-8859-1" | "LATIN1" | "LATIN-1" => Some(Self::Latin1),
            "UTF-16" | "UTF16" => Some(Self::Utf16),
            _ => None,
        }
    }

    /// Makes UTF-8 of a tag file, without the byte order mark that it may begin with. UTF-8 stays as it is: names of
    /// files are bytes, and those of a manifest need not be text to be right.
    pub fn decode(self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 => Some(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).to_vec()),
            Self::Latin1 => Some(bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into_bytes()),
            Self::Utf16 => {
                let (is_little, rest) = match bytes {
                    [0xff, 0xfe, rest @ ..] => (true, rest),
                    [0xfe, 0xff, rest @ ..] => (false, rest),
                    rest => (false, rest),
                };
                let pairs = rest.chunks_exact(2);
                if !pairs.remainder().is_empty() {
                    return None;
                }
                let read = if is_little { u16::from_le_bytes } else { u16::from_be_bytes };
                let units = pairs.map(|pair| read([pair[0], pair[1]]));
                char::decode_utf16(units).collect::<Result<String, _>>().ok().map(String::into_bytes)
            }
        }
    }
}

/// Splits a tag file into lines, which end with LF, CR or both.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let without_return = |line: &'_ [u8]| line.len() - usize::from(line.ends_with(b"\r"));
    bytes
        .split(|byte| *byte == b'\n')
        .flat_map(move |line| line[..without_return(line)].split(|byte| *byte == b'\r'))
}

/// Returns whether a reader that knows Unicode may end a line here: Python's do, and would read the rest as a line of
/// its own.
fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Returns whether a reader may take it for white space and drop it at the end of a line.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_files_are_read_in_their_encoding() {
        let text = "data/caf\u{e9}\u{1f600}";
        let units = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
        let utf16 = Encoding::named("utf-16").unwrap();
        for bytes in [
            units(u16::to_be_bytes),
            [&[0xfe, 0xff][..], &units(u16::to_be_bytes)].concat(),
            [&[0xff, 0xfe][..], &units(u16::to_le_bytes)].concat(),
        ] {
            assert_eq!(utf16.decode(&bytes).unwrap(), text.as_bytes());
        }
        assert_eq!(utf16.decode(b"abc"), None);
        assert_eq!(utf16.decode(b"\xd8\x00"), None, "half a character");
        assert_eq!(Encoding::named("ISO-8859-1").unwrap().decode(b"\xe9").unwrap(), "\u{e9}".as_bytes());
        let utf8 = Encoding::named("us-ascii").unwrap();
        assert_eq!(utf8.decode(b"\xef\xbb\xbfa\xff").unwrap(), b"a\xff");
        assert_eq!(Encoding::named("EBCDIC"), None);
    }

    #[test]
    fn versions_are_two_numbers() {
        assert_eq!(Version::parse("1.0"), Some(Version::RFC));
        assert_eq!(Version::parse("0.97").map(|version| version.info_file()), Some("bag-info.txt"));
        assert_eq!(Version::parse("0.95").map(|version| version.info_file()), Some("package-info.txt"));
        for (text, is_known) in [("0.93", true), ("0.92", false), ("1.1", false), ("2.0", false)] {
            assert_eq!(Version::parse(text).unwrap().is_known(), is_known, "{text}");
        }
        for text in ["1", "1.", ".1", "+1.0", "1.0.0", "one.zero"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
