//! Check files: what `sha256sum` and `b3sum` print and accept with `-c`.
//!
//! Both know the escaped form: a line that begins with a backslash, its name with `\\`, `\n` and `\r` for what
//! cannot stand in a line. Old releases of both (b3sum 1.2, coreutils 8) do not know `\r`, so it is written only for
//! a name that ends with a carriage return, which the newer ones would drop; elsewhere all take it as it is.

use std::io::{self, Write};

use crate::identity::Digests;
use crate::manifest::{Entry, EntryList, EntryPath, PathError};

/// Whose lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// GNU coreutils' `sha256sum`; takes any bytes for a name.
    Sha256sum,
    /// BLAKE3's `b3sum`; reads names as UTF-8 and refuses U+FFFD in them.
    B3sum,
}

/// Whether a line could be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It was, or the entry is no file and needs none.
    Written,
    /// The tool has no way to say this name.
    Inexpressible,
}

/// Writes the line of an entry, where it is a file.
///
/// # Errors
/// Whatever `out` answers.
pub fn line(tool: Tool, entry: &Entry, out: &mut dyn Write) -> io::Result<Line> {
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

/// What is wrong with a line of a check file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// It is not a digest and a name.
    #[error("it is not a digest, two spaces and a name, as sha256sum writes it")]
    Form,
    /// It is of another algorithm.
    #[error("it has a digest of {0} digits; SHA-256 and BLAKE3 have 64, and only these are taken")]
    Digest(usize),
    /// It escapes something that is not escaped.
    #[error("its name has a backslash that escapes nothing")]
    Escape,
    /// Its name is no path within a tree.
    #[error("its name is no path within the tree: {0}")]
    Path(PathError),
    /// The same name has another digest further up.
    #[error("its name has another digest in a line before")]
    Twice,
}

/// A line that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct CheckFileError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: LineProblem,
}

/// What files are to hold, by SHA-256 or BLAKE3: the lines do not say which, and either proves it.
#[derive(Clone, Debug)]
pub struct CheckFile {
    /// Sorted by path, each once.
    expected: Vec<(EntryPath, [u8; 32])>,
    /// The check file itself, which may lie in the tree and cannot list itself.
    own: Digests,
}

/// One way in which a tree is not what a check file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The file holds other bytes.
    Differs(EntryPath),
    /// There is no such file.
    Missing(EntryPath),
    /// No line speaks of this file.
    Unlisted(EntryPath),
}

impl CheckFile {
    /// Reads a check file: lines as `sha256sum`, `b3sum` and both with `--tag` write them. Empty lines are nothing.
    ///
    /// # Errors
    /// [`CheckFileError`] for the first line that cannot be taken.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckFileError> {
        let mut expected = Vec::new();
        for (nth, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let at = |problem| CheckFileError { line: nth + 1, problem };
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if !text.is_empty() {
                let (path, digest) = parse_line(text).map_err(at)?;
                expected.push((path, digest, nth + 1));
            }
        }
        expected.sort_unstable();
        expected.dedup_by(|next, before| (&next.0, next.1) == (&before.0, before.1));
        if let Some(pair) = expected.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let line = pair[0].2.max(pair[1].2);
            return Err(CheckFileError { line, problem: LineProblem::Twice });
        }
        let expected = expected.into_iter().map(|(path, digest, _)| (path, digest)).collect();
        Ok(Self { expected, own: Digests::of(bytes) })
    }

    /// Says of how many files it speaks.
    pub fn len(&self) -> usize {
        self.expected.len()
    }

    /// Returns whether it speaks of none.
    pub fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    /// Holds entries, sorted by path, against the lines, and returns every mismatch in the order of paths.
    pub fn hold(&self, entries: &EntryList) -> Vec<Mismatch> {
        let mut mismatches = Vec::new();
        let mut expected = self.expected.iter().peekable();
        for entry in entries.iter() {
            while let Some((path, _)) = expected.next_if(|(path, _)| *path < entry.path) {
                mismatches.push(Mismatch::Missing(path.clone()));
            }
            let told = expected.next_if(|(path, _)| *path == entry.path);
            match (entry.object(), told) {
                (Some(object), Some((_, digest))) => {
                    if object.sha256.as_bytes() != digest && object.blake3.as_bytes() != digest {
                        mismatches.push(Mismatch::Differs(entry.path));
                    }
                }
                (Some(object), None) if *object != self.own => {
                    mismatches.push(Mismatch::Unlisted(entry.path));
                }
                (None, Some(_)) => mismatches.push(Mismatch::Missing(entry.path)),
                (Some(_) | None, None) => {}
            }
        }
        mismatches.extend(expected.map(|(path, _)| Mismatch::Missing(path.clone())));
        mismatches
    }
}

/// How many paths are named where many are wrong.
const NAMED: usize = 3;

/// Says what does not match, with the names of the first few.
pub fn mismatches_in_words(mismatches: &[Mismatch]) -> String {
    let shown = |path: &EntryPath| String::from_utf8_lossy(path.as_bytes()).into_owned();
    let named = mismatches.iter().take(NAMED).map(|mismatch| match mismatch {
        Mismatch::Differs(path) => format!("{} holds other bytes", shown(path)),
        Mismatch::Missing(path) => format!("{} is no file of it", shown(path)),
        Mismatch::Unlisted(path) => format!("{} is not listed", shown(path)),
    });
    let mut words: Vec<String> = named.collect();
    if mismatches.len() > NAMED {
        words.push(format!("and {} more", mismatches.len() - NAMED));
    }
    words.join(", ")
}

/// Takes one line apart.
fn parse_line(line: &[u8]) -> Result<(EntryPath, [u8; 32]), LineProblem> {
    let (is_escaped, line) = match line {
        [b'\\', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (name, digest) = match tagged(line) {
        Some(parts) => parts,
        None => {
            let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
            let (digest, rest) = line.split_at(digits);
            let [b' ', b' ' | b'*', name @ ..] = rest else { return Err(LineProblem::Form) };
            (name, digest)
        }
    };
    if digest.is_empty() || name.is_empty() {
        return Err(LineProblem::Form);
    }
    let digest = bytes_of(digest).ok_or(LineProblem::Digest(digest.len()))?;
    let name = if is_escaped { unescaped(name)? } else { name.to_vec() };
    // "./a" is what find has sha256sum write.
    let mut name = &name[..];
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
    }
    Ok((EntryPath::new(name).map_err(LineProblem::Path)?, digest))
}

/// Takes apart what `--tag` writes: `SHA256 (name) = digest`.
fn tagged(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(b"SHA256 (").or_else(|| line.strip_prefix(b"BLAKE3 ("))?;
    let end = rest.windows(4).rposition(|four| four == b") = ")?;
    Some((&rest[..end], &rest[end + 4..]))
}

fn bytes_of(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn unescaped(name: &[u8]) -> Result<Vec<u8>, LineProblem> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name.iter();
    while let Some(&byte) = rest.next() {
        plain.push(match (byte, if byte == b'\\' { rest.next() } else { None }) {
            (b'\\', Some(b'n')) => b'\n',
            (b'\\', Some(b'r')) => b'\r',
            (b'\\', Some(b'\\')) => b'\\',
            (b'\\', _) => return Err(LineProblem::Escape),
            (other, _) => other,
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::{Command, Stdio};

    use crate::manifest::EntryBody;

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
        let told = CheckFile::parse(&sums).unwrap();
        let list: EntryList = names.iter().map(|name| entry(name)).collect();
        let sorted = {
            let mut list = list;
            list.sort();
            list
        };
        assert_eq!(told.hold(&sorted), [], "what is written is read");
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

    fn list(files: &[(&str, &[u8])]) -> EntryList {
        let mut list = EntryList::new();
        for (path, content) in files {
            let body = EntryBody::File { mode: 0o644, object: Digests::of(content) };
            list.push(&Entry { path: EntryPath::new(path.as_bytes()).unwrap(), body, mtime: None });
        }
        list.sort();
        list
    }

    #[test]
    fn a_tree_is_held_against_every_line() {
        let (a, b) = (Digests::of(b"a"), Digests::of(b"b"));
        let sums = format!(
            "{}  ./a\n\n{} *b\r\nBLAKE3 (c) = {}\nSHA256 (d) (e) = {}\n",
            a.sha256, b.blake3, a.blake3, b.sha256
        );
        let check = CheckFile::parse(sums.as_bytes()).unwrap();
        assert_eq!(check.len(), 4);
        let good = [("a", &b"a"[..]), ("b", b"b"), ("c", b"a"), ("d) (e", b"b")];
        assert_eq!(check.hold(&list(&good)), []);
        // The check file itself may lie in the tree, under any name.
        let with_own = [&good[..], &[("SUMS", sums.as_bytes())]].concat();
        assert_eq!(check.hold(&list(&with_own)), []);
        let path = |text: &str| EntryPath::new(text.as_bytes()).unwrap();
        let wrong = [("a", &b"b"[..]), ("b", b"b"), ("bb", b"new"), ("d) (e", b"a")];
        assert_eq!(
            check.hold(&list(&wrong)),
            [
                Mismatch::Differs(path("a")),
                Mismatch::Unlisted(path("bb")),
                Mismatch::Missing(path("c")),
                Mismatch::Differs(path("d) (e")),
            ]
        );
        assert_eq!(check.hold(&EntryList::new()).len(), 4);
    }

    #[test]
    fn a_line_that_says_nothing_is_refused() {
        let digest = Digests::of(b"").sha256.to_string();
        let short = &digest[..32];
        for (text, line, problem) in [
            ("hello\n".to_owned(), 1, LineProblem::Form),
            (format!("{digest}\n"), 1, LineProblem::Form),
            (format!("{digest} a\n"), 1, LineProblem::Form),
            (format!("{digest}  \n"), 1, LineProblem::Form),
            (format!("\n{short}  a\n"), 2, LineProblem::Digest(32)),
            (format!("\\{digest}  a\\b\n"), 1, LineProblem::Escape),
            (format!("{digest}  /a\n"), 1, LineProblem::Path(PathError::Absolute)),
            (format!("{digest}  ../a\n"), 1, LineProblem::Path(PathError::DotComponent)),
            (format!("{digest}  a\n{}  a\n", "0".repeat(64)), 2, LineProblem::Twice),
        ] {
            assert_eq!(
                CheckFile::parse(text.as_bytes()).err(),
                Some(CheckFileError { line, problem }),
                "{text}"
            );
        }
        let twice = format!("{digest}  a\n{digest}  a\n");
        assert_eq!(CheckFile::parse(twice.as_bytes()).unwrap().len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_strange(lines: Vec<(u8, Vec<u8>)>) {
            let digests = ["0".repeat(64), "a1".repeat(32), "f".repeat(32)];
            let line = |(kind, name): (u8, Vec<u8>)| {
                let before = if kind & 4 == 0 { "" } else { "\\" };
                let digest = &digests[usize::from(kind) % 3];
                [before.as_bytes(), digest.as_bytes(), b"  ", &name, b"\n"].concat()
            };
            crate::formats::testing::check_check_file(&lines.into_iter().map(line).collect::<Vec<_>>().concat());
        }
    }
}
