//! Check files: lines that `sha256sum -c` and `b3sum -c` accept in an exported tree.
//!
//! Both know the escaped form: a line that begins with a backslash, its name with `\\`, `\n` and `\r` for what
//! cannot stand in a line. Old releases of both (b3sum 1.2, coreutils 8) do not know `\r`, so it is used only for
//! a name that ends with a carriage return, which the newer ones would drop; elsewhere all take it as it is.

use std::io::{self, Write};

use astore::manifest::Entry;

/// Whose lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// GNU coreutils' `sha256sum`; takes any bytes for a name.
    Sha256sum,
    /// BLAKE3's `b3sum`; reads names as UTF-8 and refuses U+FFFD in them.
    B3sum,
}

/// Whether a line could be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It was, or the entry is no file and needs none.
    Written,
    /// The tool has no way to say this name.
    Inexpressible,
}

/// Writes the line of an entry, where it is a file.
///
/// # Errors
/// Whatever `out` answers.
pub(crate) fn line(tool: Tool, entry: &Entry, out: &mut dyn Write) -> io::Result<Line> {
    let Some(object) = entry.object() else { return Ok(Line::Written) };
    let name = entry.path.as_bytes();
    match tool {
        Tool::Sha256sum => write_line(&object.sha256, name, out)?,
        Tool::B3sum => match std::str::from_utf8(name) {
            Ok(text) if !text.contains(char::REPLACEMENT_CHARACTER) => write_line(&object.blake3, name, out)?,
            _ => return Ok(Line::Inexpressible),
        },
    }
    Ok(Line::Written)
}

fn write_line(digest: &dyn std::fmt::Display, name: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let ends_with_return = name.ends_with(b"\r");
    let escaped = ends_with_return || name.iter().any(|byte| matches!(byte, b'\\' | b'\n'));
    if escaped {
        out.write_all(b"\\")?;
    }
    write!(out, "{digest}  ")?;
    if name == b"-" {
        out.write_all(b"./")?; // a bare dash would mean standard input to both tools
    }
    if escaped {
        for &byte in name {
            match byte {
                b'\\' => out.write_all(b"\\\\")?,
                b'\n' => out.write_all(b"\\n")?,
                b'\r' if ends_with_return => out.write_all(b"\\r")?,
                plain => out.write_all(&[plain])?,
            }
        }
    } else {
        out.write_all(name)?;
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::{Command, Stdio};

    use astore::identity::Digests;
    use astore::manifest::{EntryBody, EntryPath};

    use super::*;

    const NAMES: [&[u8]; 12] = [
        b"plain",
        b"new\nline",
        b"back\\slash",
        b"carriage\rreturn",
        b"end\r",
        b"all\\of\nthem\r",
        b"-",
        b"-rf",
        b"*star",
        b" space",
        b"two  spaces",
        b"\\leading",
    ];

    fn entry(name: &[u8]) -> Entry {
        let path = EntryPath::new(name).unwrap();
        Entry { path, body: EntryBody::File { mode: 0o644, object: Digests::of(name) }, mtime: None }
    }

    /// Makes a file of each name, whose content is the name, and asks the tool; `None` where it is not here.
    fn accepted(program: &str, tool: Tool, names: &[&[u8]]) -> Option<bool> {
        let tree = tempfile::tempdir().unwrap();
        let mut sums = Vec::new();
        for name in names {
            let place: std::path::PathBuf =
                tree.path().iter().chain([std::ffi::OsStr::from_bytes(name)]).collect();
            std::io::Write::write_all(&mut std::fs::File::create(place).unwrap(), name).unwrap();
            assert_eq!(line(tool, &entry(name), &mut sums).unwrap(), Line::Written);
        }
        let mut child = Command::new(program)
            .arg("-c")
            .arg("-")
            .current_dir(tree.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        child.stdin.take().unwrap().write_all(&sums).unwrap();
        Some(child.wait().unwrap().success())
    }

    /// Whether the tool writes `\r` itself: old ones know neither to write nor to read it.
    fn knows_returns(program: &str) -> bool {
        let tree = tempfile::tempdir().unwrap();
        let place: std::path::PathBuf = tree.path().iter().chain([std::ffi::OsStr::new("a\r")]).collect();
        drop(std::fs::File::create(&place).unwrap());
        Command::new(program).arg(place).output().is_ok_and(|said| said.stdout.starts_with(b"\\"))
    }

    #[test]
    fn sha256sum_accepts_every_name() {
        let mut names = NAMES.to_vec();
        names.push(b"caf\xe9");
        names.push("\u{fffd}".as_bytes());
        assert_ne!(accepted("sha256sum", Tool::Sha256sum, &names), Some(false));
    }

    #[test]
    fn b3sum_accepts_every_name_that_it_can_say() {
        let ends_with_return = |name: &&[u8]| name.ends_with(b"\r");
        let (returning, others): (Vec<_>, Vec<_>) = NAMES.into_iter().partition(ends_with_return);
        assert_ne!(accepted("b3sum", Tool::B3sum, &others), Some(false));
        if knows_returns("b3sum") {
            assert_ne!(accepted("b3sum", Tool::B3sum, &returning), Some(false));
        }
        for name in [&b"caf\xe9"[..], "\u{fffd}".as_bytes()] {
            let mut sums = Vec::new();
            assert_eq!(line(Tool::B3sum, &entry(name), &mut sums).unwrap(), Line::Inexpressible);
            assert!(sums.is_empty());
        }
    }

    #[test]
    fn lines_have_the_escaped_form_only_where_needed() {
        let mut sums = Vec::new();
        for name in [&b"g h"[..], b"g\nh", b"-", b"g\rh", b"g\rh\r"] {
            line(Tool::Sha256sum, &entry(name), &mut sums).unwrap();
        }
        let text: Vec<String> = String::from_utf8(sums)
            .unwrap()
            .split_terminator('\n')
            .map(|line| line.replace(|c: char| c.is_ascii_hexdigit(), ""))
            .collect();
        assert_eq!(text, ["  g h", "\\  g\\nh", "  ./-", "  g\rh", "\\  g\\rh\\r"]);
    }
}
