//! `bagit.txt` and `bag-info.txt`: labels and their values (RFC 8493 §2.1.1, §2.2.2).

use std::io::{self, Write};

use super::{is_line_break, is_space, lines};

/// Why a tag file cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagProblem {
    /// It is not text in the encoding that bagit.txt names.
    #[error("it is not text in the encoding that bagit.txt names")]
    Encoding,
    /// A line has no colon and is not indented.
    #[error("a line of it is not a label and its value")]
    Form,
}

/// Writes a label and its value. What would end a line in the value is written as the RFC continues a value: a new line
/// that is indented. So no value makes another label, whatever is in it.
///
/// # Errors
/// Whatever `out` answers.
pub fn write_tag(label: &str, value: &str, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{label}:")?;
    for (nth, part) in parts(value).enumerate() {
        write!(out, "{}{part}", if nth == 0 { " " } else { "\n  " })?;
    }
    out.write_all(b"\n")
}

/// Returns a value as it is read again: each end of a line is a space.
pub fn flat(value: &str) -> String {
    parts(value).collect::<Vec<_>>().join(" ")
}

fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split(is_line_break).map(|part| part.trim_matches(is_space)).filter(|part| !part.is_empty())
}

/// Reads labels and their values, in their order. A value that goes on in indented lines is put on one.
///
/// # Errors
/// [`TagProblem`].
pub fn parse_tags(bytes: &[u8]) -> Result<Vec<(String, String)>, TagProblem> {
    let mut tags: Vec<(String, String)> = Vec::new();
    for line in lines(bytes) {
        let line = std::str::from_utf8(line).map_err(|_| TagProblem::Encoding)?;
        let text = line.trim_matches(is_space);
        if text.is_empty() {
            continue;
        }
        match (tags.last_mut(), line.starts_with(is_space)) {
            (Some((_, value)), true) => {
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(text);
            }
            (None, true) => return Err(TagProblem::Form),
            (_, false) => {
                let (label, value) = text.split_once(':').ok_or(TagProblem::Form)?;
                let label = label.trim_matches(is_space);
                if label.is_empty() {
                    return Err(TagProblem::Form);
                }
                tags.push((label.to_owned(), value.trim_matches(is_space).to_owned()));
            }
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(tags: &[(&str, &str)]) -> String {
        let mut out = Vec::new();
        tags.iter().try_for_each(|(label, value)| write_tag(label, value, &mut out)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_value_makes_no_other_label() {
        let text = written(&[("A", "one\nPayload-Oxum: 0.0\r\n\r\n B: x\u{2028}C: y\n"), ("E", "")]);
        insta::assert_snapshot!(text, @"
        A: one
          Payload-Oxum: 0.0
          B: x
          C: y
        E:
        ");
        let read = parse_tags(text.as_bytes()).unwrap();
        assert_eq!(
            read,
            [("A".to_owned(), "one Payload-Oxum: 0.0 B: x C: y".to_owned()), ("E".to_owned(), String::new()),]
        );
    }

    #[test]
    fn tags_are_read_as_others_write_them() {
        let text = "Source-Organization: FOO\r\n\r\nLong : a\r\n\tb  c\r\n   d\rLast:x:y";
        let read = parse_tags(text.as_bytes()).unwrap();
        let read: Vec<(&str, &str)> = read.iter().map(|(label, value)| (&**label, &**value)).collect();
        assert_eq!(read, [("Source-Organization", "FOO"), ("Long", "a b  c d"), ("Last", "x:y")]);
        for text in ["no colon\n", "  indented: first\n", ": no label\n"] {
            assert_eq!(parse_tags(text.as_bytes()), Err(TagProblem::Form), "{text}");
        }
        assert_eq!(parse_tags(b"A: \xff"), Err(TagProblem::Encoding));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec("[ -~\\n\\r\\t\u{b}\u{1c}\u{85}é\u{2028}:]{0,40}|\\PC{0,20}", 0..6)) {
            let mut out = Vec::new();
            for (nth, value) in values.iter().enumerate() {
                write_tag(&format!("Label-{nth}"), value, &mut out).unwrap();
            }
            let read = parse_tags(&out).unwrap();
            prop_assert_eq!(read.len(), values.len());
            for (nth, ((label, value), original)) in read.iter().zip(&values).enumerate() {
                prop_assert_eq!(label, &format!("Label-{nth}"));
                prop_assert_eq!(value, &flat(original));
            }
            // A reader that splits lines as Unicode has it sees as many labels.
            let text = String::from_utf8(out).unwrap();
            let unfolded = text.split(is_line_break).filter(|line| !line.is_empty() && !line.starts_with(' '));
            prop_assert_eq!(unfolded.count(), values.len());
        }

        #[test]
        fn no_bytes_make_the_reader_fall(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(parse_tags(&bytes));
        }
    }
}
