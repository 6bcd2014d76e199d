//! The lists of a bag: manifests and tag manifests (RFC 8493 §2.1.3, §2.2.1), and what is yet to be fetched (§2.2.3).

use std::fmt::Display;
use std::io::{self, Write};

use super::name::{decode, encode};
use super::{Version, is_space, lines};
use crate::manifest::{EntryPath, PathError};

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The path from the top of the bag.
    pub path: EntryPath,
    /// The path that the line means to those who decode no `%25`, as bagit.py up to 1.9 does not.
    pub otherwise: Option<EntryPath>,
    /// The digest.
    pub digest: Vec<u8>,
}

/// Why a list cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListProblem {
    /// A line is not a digest and a name.
    #[error("line {0} is not a digest and a path")]
    Form(usize),
    /// A digest is not of the algorithm.
    #[error("the digest in line {line} is not {digits} hexadecimal digits")]
    Digest {
        /// The line, counted from 1.
        line: usize,
        /// How many it has to be.
        digits: usize,
    },
    /// A path leads out of the bag, or is none.
    #[error("the path in line {line} is none within the bag: {problem}")]
    Path {
        /// The line.
        line: usize,
        /// What is wrong with it.
        problem: PathError,
    },
    /// A path begins with `~`, which a shell would replace.
    #[error("the path in line {0} begins with ~")]
    Home(usize),
    /// Two lines are of one path.
    #[error("{} is listed twice", String::from_utf8_lossy(.0.as_bytes()))]
    Twice(EntryPath),
}

/// Writes a line. What the path must not be is [`check_name`](super::check_name)'s to say.
///
/// # Errors
/// Whatever `out` answers.
pub fn write_line(digest: &dyn Display, path: &[u8], out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{digest}  ")?;
    out.write_all(&encode(path))?;
    out.write_all(b"\n")
}

/// Reads a list whose digests have so many bytes, and sorts it by path. Digits may be of either case, a `*` may stand
/// before a path, as `md5sum -b` writes it, and `./`.
///
/// # Errors
/// [`ListProblem`] for the first line that cannot be taken. The same line twice was allowed before version 1.0.
pub fn parse_list(bytes: &[u8], version: Version, digest_bytes: usize) -> Result<Vec<Listed>, ListProblem> {
    let mut list = Vec::new();
    for (line, text) in lines(bytes).enumerate().filter(|(_, line)| !is_blank(line)) {
        let line = line + 1;
        let blank = text.iter().position(|&byte| is_blank(&[byte])).ok_or(ListProblem::Form(line))?;
        let (digest, rest) = text.split_at(blank);
        let name = trim(rest);
        let name = name.strip_prefix(b"*").unwrap_or(name);
        if digest.is_empty() || name.is_empty() {
            return Err(ListProblem::Form(line));
        }
        let digits = digest_bytes * 2;
        let digest = bytes_of(digest).filter(|digest| digest.len() == digest_bytes);
        let digest = digest.ok_or(ListProblem::Digest { line, digits })?;
        let (path, otherwise) = path_of(name, version, line)?;
        list.push(Listed { path, otherwise, digest });
    }
    list.sort_by(|left, right| left.path.cmp(&right.path));
    if version < Version::RFC {
        list.dedup();
    }
    match list.windows(2).find(|pair| pair[0].path == pair[1].path) {
        Some(pair) => Err(ListProblem::Twice(pair[0].path.clone())),
        None => Ok(list),
    }
}

/// Reads which paths are yet to be fetched: lines of an address, a length and a path.
///
/// # Errors
/// [`ListProblem`] for the first line that cannot be taken.
pub fn parse_fetch(bytes: &[u8], version: Version) -> Result<Vec<EntryPath>, ListProblem> {
    let mut paths = Vec::new();
    for (line, text) in lines(bytes).enumerate().filter(|(_, line)| !is_blank(line)) {
        let line = line + 1;
        let mut rest = trim(text);
        for _ in ["address", "length"] {
            let blank = rest.iter().position(|&byte| is_blank(&[byte])).ok_or(ListProblem::Form(line))?;
            rest = trim(&rest[blank..]);
        }
        paths.push(path_of(rest, version, line)?.0);
    }
    Ok(paths)
}

fn path_of(
    name: &[u8],
    version: Version,
    line: usize,
) -> Result<(EntryPath, Option<EntryPath>), ListProblem> {
    let mut name = name;
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
    }
    if name.starts_with(b"~") {
        return Err(ListProblem::Home(line));
    }
    let path = |name: Vec<u8>| EntryPath::new(name).map_err(|problem| ListProblem::Path { line, problem });
    let plain = path(decode(name, false))?;
    if version < Version::RFC {
        return Ok((plain, None)); // it was CR and LF alone that were encoded
    }
    let meant = path(decode(name, true))?;
    let otherwise = (meant != plain).then_some(plain);
    Ok((meant, otherwise))
}

/// Returns whether it is all ASCII white space.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| is_space(char::from(byte)) && byte.is_ascii())
}

/// Takes white space from the front: behind a name it may belong to it.
fn trim(bytes: &[u8]) -> &[u8] {
    let begin = bytes.iter().position(|&byte| !is_blank(&[byte])).unwrap_or(bytes.len());
    &bytes[begin..]
}

fn bytes_of(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::check_name;
    use super::*;
    use crate::identity::Sha256;

    fn digits() -> String {
        Sha256::of(b"").to_string()
    }

    fn parse(text: &str) -> Result<Vec<Listed>, ListProblem> {
        parse_list(text.as_bytes(), Version::RFC, 32)
    }

    fn paths(list: &[Listed]) -> Vec<&str> {
        list.iter().map(|listed| listed.path.as_str().unwrap()).collect()
    }

    #[test]
    fn lines_are_taken_as_others_write_them() {
        let (low, high) = (digits(), digits().to_uppercase());
        let text = format!("{low}  data/b\r\n{high} *data/a\r{low}\t./data/c d \n\n{low} data/e%0Af%2541\n");
        let list = parse(&text).unwrap();
        assert_eq!(paths(&list), ["data/a", "data/b", "data/c d ", "data/e\nf%41"]);
        assert!(list.iter().all(|listed| listed.digest == Sha256::of(b"").as_bytes()));
        assert_eq!(list[3].otherwise.as_ref().and_then(EntryPath::as_str), Some("data/e\nf%2541"));
        let old = parse_list(text.as_bytes(), Version { major: 0, minor: 97 }, 32).unwrap();
        assert_eq!((paths(&old)[3], &old[3].otherwise), ("data/e\nf%2541", &None));
    }

    #[test]
    fn a_line_that_leads_out_or_says_nothing_is_refused() {
        let digest = digits();
        let path = |line, problem| ListProblem::Path { line, problem };
        for (text, problem) in [
            ("hello".to_owned(), ListProblem::Form(1)),
            (digest.clone(), ListProblem::Form(1)),
            (format!("{digest} "), ListProblem::Form(1)),
            (format!("{digest} *"), ListProblem::Form(1)),
            (format!("\n{digest} data/a\nabc data/b"), ListProblem::Digest { line: 3, digits: 64 }),
            (format!("{} data/b", "g".repeat(64)), ListProblem::Digest { line: 1, digits: 64 }),
            (format!("{digest} /etc/passwd"), path(1, PathError::Absolute)),
            (format!("{digest} data/../../x"), path(1, PathError::DotComponent)),
            (format!("{digest} ~/x"), ListProblem::Home(1)),
        ] {
            assert_eq!(parse(&text), Err(problem), "{text}");
        }
        let twice = format!("{digest} data/a\n{digest} data/a\n");
        let a = EntryPath::new(&b"data/a"[..]).unwrap();
        assert_eq!(parse(&twice), Err(ListProblem::Twice(a.clone())));
        assert_eq!(parse_list(twice.as_bytes(), Version { major: 0, minor: 97 }, 32).unwrap().len(), 1);
        let conflict = format!("{digest} data/a\n{} data/a\n", "0".repeat(64));
        let old = parse_list(conflict.as_bytes(), Version { major: 0, minor: 97 }, 32);
        assert_eq!(old, Err(ListProblem::Twice(a)));
    }

    #[test]
    fn what_is_to_be_fetched_is_a_path_behind_two_words() {
        let text = b"http://example.org/a 12 data/a b\nhttp://example.org/b  - data/c%0Ad\n";
        let fetch = parse_fetch(text, Version::RFC).unwrap();
        assert_eq!(
            fetch.iter().map(|path| path.as_str().unwrap()).collect::<Vec<_>>(),
            ["data/a b", "data/c\nd"]
        );
        assert_eq!(parse_fetch(b"http://example.org/a data/a", Version::RFC), Err(ListProblem::Form(1)));
        let out = parse_fetch(b"http://example.org/a 1 ../a", Version::RFC);
        assert!(matches!(out, Err(ListProblem::Path { line: 1, .. })), "{out:?}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(names in proptest::collection::btree_set("[ -~\\n\\r\\t\u{85}é\u{2028}%]{1,12}", 0..8)) {
            let paths: Vec<EntryPath> = names.iter()
                .filter_map(|name| EntryPath::new(format!("data/{name}").into_bytes()).ok())
                .filter(|path| check_name(path).is_ok())
                .collect();
            let mut text = Vec::new();
            for path in &paths {
                write_line(&Sha256::of(path.as_bytes()), path.as_bytes(), &mut text).unwrap();
            }
            let read = parse_list(&text, Version::RFC, 32).unwrap();
            prop_assert_eq!(read.len(), paths.len());
            for (listed, path) in read.iter().zip(&paths) {
                prop_assert_eq!(&listed.path, path);
                prop_assert_eq!(&listed.otherwise, &None, "both readings are the same");
                let digest = Sha256::of(path.as_bytes());
                prop_assert_eq!(&listed.digest[..], &digest.as_bytes()[..]);
            }
        }

        #[test]
        fn no_bytes_make_the_reader_fall(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(parse_list(&bytes, Version::RFC, 32));
            drop(parse_fetch(&bytes, Version::RFC));
        }
    }
}
