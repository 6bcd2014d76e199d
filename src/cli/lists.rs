//! Lists that are read from files: of paths to add, and of patterns of what to leave out.

use std::io::{self, ErrorKind, Read};
use std::path::Path;

use anyhow::Context as _;
use astore::error::Error;
use astore::plane::IngestError;
use astore::registry::report::{ListError, PathList, patterns_of};

use super::context::Context;
use super::failure::{usage, usage_hint};
use super::output::escape;

const CHUNK_BYTES: usize = 64 * 1024;

/// What is between the paths of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separator {
    /// A line each; a carriage return before the end of the line belongs to it.
    Newline,
    /// A NUL byte after each, as `find -print0` writes it.
    Nul,
}

/// Reads a list of paths; `-` is standard input.
///
/// # Errors
/// Where it cannot be read; a usage error where it names nothing, or what cannot be listed.
pub(crate) fn paths(file: &Path, separator: Separator, ctx: &mut Context) -> anyhow::Result<PathList> {
    let (shown, mut input) = if file.as_os_str() == "-" {
        ("standard input".to_owned(), ctx.input())
    } else {
        let shown = escape::path(file);
        let input = ctx.reader(file).with_context(|| format!("cannot read the list {shown}"))?;
        (shown, input)
    };
    let list = split(&mut *input, separator, &shown)?;
    if list.is_empty() {
        return Err(usage(format!("the list {shown} names no path, so there is nothing to add")));
    }
    Ok(list)
}

fn split(input: &mut dyn Read, separator: Separator, shown: &str) -> anyhow::Result<PathList> {
    let mut list = PathList::default();
    let (mut begun, mut number) = (Vec::new(), 0_u64);
    let end = match separator {
        Separator::Newline => b'\n',
        Separator::Nul => 0,
    };
    let mut take = |path: &[u8]| {
        number += 1;
        let path = match separator {
            Separator::Newline => path.strip_suffix(b"\r").unwrap_or(path),
            Separator::Nul => path,
        };
        list.push(path).map_err(|error| refused(error, path, separator, number, shown))
    };
    each_chunk(input, &format!("the list {shown}"), |chunk| {
        let mut rest = chunk;
        while let Some(at) = rest.iter().position(|&byte| byte == end) {
            begun.extend_from_slice(&rest[..at]);
            take(&begun)?;
            begun.clear();
            rest = &rest[at + 1..];
        }
        begun.extend_from_slice(rest);
        Ok(())
    })?;
    take(&begun)?; // the last line need not end
    Ok(list)
}

/// Reads to the end, or until a signal asks.
fn each_chunk(
    input: &mut dyn Read,
    what: &str,
    mut each: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => each(&buffer[..read])?,
            // A signal asked to end; a read that was merely interrupted does not come here.
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                return Err(Error::from(IngestError::Cancelled).into());
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {what}")),
        }
    }
}

fn refused(error: ListError, path: &[u8], separator: Separator, number: u64, shown: &str) -> anyhow::Error {
    let path = escape::bytes(path);
    let place = match separator {
        Separator::Newline => "line",
        Separator::Nul => "path",
    };
    match error {
        ListError::Nul => usage_hint(
            format!("{place} {number} of the list {shown} holds a NUL byte"),
            "say --from0 if NUL ends each path",
        ),
        ListError::Parent => usage_hint(
            format!("{place} {number} of the list {shown}: '{path}' has '..' in it"),
            "list paths from a directory above, and run astore there",
        ),
        error => usage(format!("{place} {number} of the list {shown}: '{path}': {error}")),
    }
}

/// Reads the patterns of these files, in their order.
///
/// # Errors
/// Where one cannot be read or is no text; a usage error for `-`.
pub(crate) fn patterns(files: &[impl AsRef<Path>], ctx: &Context) -> anyhow::Result<Vec<String>> {
    let mut patterns = Vec::new();
    for file in files.iter().map(AsRef::as_ref) {
        if file.as_os_str() == "-" {
            return Err(usage_hint(
                "--exclude-from reads no standard input",
                "name a file (./- if it is called -)",
            ));
        }
        let what = format!("the patterns in {}", escape::path(file));
        let mut input = ctx.reader(file).with_context(|| format!("cannot read {what}"))?;
        let mut text = Vec::new();
        each_chunk(&mut *input, &what, |chunk| {
            text.extend_from_slice(chunk);
            Ok(())
        })?;
        let text = String::from_utf8(text).map_err(|error| io::Error::new(ErrorKind::InvalidData, error));
        patterns.extend(patterns_of(&text.with_context(|| format!("cannot read {what}"))?));
    }
    Ok(patterns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], separator: Separator) -> Result<PathList, String> {
        split(&mut &*text, separator, "l").map_err(|error| error.to_string())
    }

    fn list(paths: &[&[u8]]) -> PathList {
        let mut list = PathList::default();
        paths.iter().for_each(|path| list.push(path).unwrap());
        list
    }

    #[test]
    fn a_list_is_lines_or_ends_with_nul() {
        let read = |text: &[u8], separator| format!("{:?}", read(text, separator).unwrap());
        let list = |paths: &[&[u8]]| format!("{:?}", list(paths));
        assert_eq!(read(b"a\nb\r\n\n#c\n d", Separator::Newline), list(&[b"a", b"b", b"#c", b" d"]));
        assert_eq!(read(b"a\r\0b\nc\0\xff", Separator::Nul), list(&[b"a\r", b"b\nc", b"\xff"]));
        assert_eq!(read(b"", Separator::Nul), list(&[]));
        let long = vec![b'a'; CHUNK_BYTES + 1];
        assert_eq!(read(&[&long[..], b"\n", &long].concat(), Separator::Newline), list(&[&long, &long]));
    }

    #[test]
    fn what_cannot_be_listed_is_named_with_its_place() {
        let error = |text: &[u8], separator| read(text, separator).unwrap_err();
        insta::assert_snapshot!(error(b"a\n../b", Separator::Newline), @"line 2 of the list l: '../b' has '..' in it; list paths from a directory above, and run astore there");
        insta::assert_snapshot!(error(b"a\0b/..\0", Separator::Nul), @"path 2 of the list l: 'b/..' has '..' in it; list paths from a directory above, and run astore there");
        insta::assert_snapshot!(error(b"a\0b\0", Separator::Newline), @"line 1 of the list l holds a NUL byte; say --from0 if NUL ends each path");
    }
}
