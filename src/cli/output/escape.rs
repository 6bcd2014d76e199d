//! Names for people: bytes that a terminal would act on, or that are no text, are written out.
//!
//! The result is unambiguous (a backslash is doubled) and holds no control character, no invisible
//! direction mark and no line break, whatever was put into a file's name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Writes bytes as text: `\n`, `\t`, `\r`, `\\`, `\xff` for a byte that is not UTF-8 or controls a terminal,
/// `\u{202e}` for a character that does.
pub(crate) fn bytes(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                other => push(&mut text, other),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Writes a path as text; see [`bytes`].
pub(crate) fn path(path: &Path) -> String {
    bytes(path.as_os_str().as_bytes())
}

/// Writes an argument as text; see [`bytes`].
pub(crate) fn argument(argument: &OsStr) -> String {
    bytes(argument.as_bytes())
}

/// Makes one line of a sentence: as [`bytes`], but a backslash stands for itself, since what is escaped
/// already must not be escaped again.
pub(crate) fn line(sentence: &str) -> String {
    let mut text = String::with_capacity(sentence.len());
    sentence.chars().for_each(|character| push(&mut text, character));
    text
}

/// Writes an argument so that a shell takes it for itself, whatever is in it: bare, in quotes, or, where it has
/// what must not reach a terminal, in the `$'…'` of POSIX.1-2024.
pub(crate) fn shell(argument: &OsStr) -> String {
    let raw = argument.as_bytes();
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&byte);
    let shown = bytes(raw).replace("\\\\", "\\");
    if !raw.is_empty() && raw.iter().all(|&byte| is_bare(byte)) {
        shown
    } else if shown.as_bytes() == raw {
        format!("'{}'", shown.replace('\'', "'\\''"))
    } else {
        let byte = |&byte: &u8| match byte {
            byte if is_bare(byte) || byte == b' ' => char::from(byte).to_string(),
            byte => format!("\\{byte:03o}"),
        };
        format!("$'{}'", raw.iter().map(byte).collect::<String>())
    }
}

fn push(text: &mut String, character: char) {
    match character {
        '\n' => text.push_str("\\n"),
        '\t' => text.push_str("\\t"),
        '\r' => text.push_str("\\r"),
        control if control.is_ascii_control() => text.push_str(&format!("\\x{:02x}", u32::from(control))),
        hidden if hidden.is_control() || is_hidden(hidden) => {
            text.push_str(&format!("\\u{{{:x}}}", u32::from(hidden)));
        }
        plain => text.push(plain),
    }
}

/// Returns whether a character changes how its neighbours look: line and paragraph separators, direction
/// marks, overrides and isolates, the byte order mark.
const fn is_hidden(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_act_on() {
        for (raw, text) in [
            (&b"plain-name.txt"[..], "plain-name.txt"),
            ("grün 木".as_bytes(), "grün 木"),
            (b"a\nb\tc\rd", "a\\nb\\tc\\rd"),
            (b"back\\slash", "back\\\\slash"),
            (b"\x1b[31m", "\\x1b[31m"),
            (b"\x7f\x00", "\\x7f\\x00"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"caf\xe9", "caf\\xe9"),
            ("\u{202e}gpj.exe".as_bytes(), "\\u{202e}gpj.exe"),
            ("\u{9b}1m".as_bytes(), "\\u{9b}1m"),
        ] {
            assert_eq!(bytes(raw), text);
        }
        for (raw, text) in [
            (&b"/srv/store-1.2"[..], "/srv/store-1.2"),
            (b"", "''"),
            (b"my store", "'my store'"),
            (b"$(x) `y` \"z\" \\", "'$(x) `y` \"z\" \\'"),
            (b"it's", "'it'\\''s'"),
            ("grün".as_bytes(), "'grün'"),
            (b"a\n'\xff", "$'a\\012\\047\\377'"),
        ] {
            assert_eq!(shell(OsStr::from_bytes(raw)), text);
        }
        assert_eq!(line("a\\x41\nb"), "a\\x41\\nb");
    }
}
