//! Extended header records: `LENGTH KEY=VALUE\n`, the length counting all of it (POSIX.1-2017, pax, Extended Header).

use super::read::Refusal;
use crate::manifest::Mtime;

/// What extended records say of a member, as far as a package keeps it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) mtime: Option<Mtime>,
}

/// Reads the records of one extended header.
pub(super) fn parse(mut rest: &[u8]) -> Result<Records, Refusal> {
    let mut records = Records::default();
    let mut seen: Vec<&[u8]> = Vec::new();
    // Old writers fill up with NUL.
    while rest.first().is_some_and(|byte| *byte != 0) {
        let (key, value, after) = record(rest).ok_or(Refusal::Record)?;
        rest = after;
        // The later one would count. Readers differ in what they make of it, which is what makes it worth trying.
        if matches!(key, b"path" | b"linkpath" | b"size" | b"mtime") {
            if seen.contains(&key) {
                return Err(Refusal::RecordTwice);
            }
            seen.push(key);
        }
        match key {
            _ if key.starts_with(b"GNU.sparse.") => return Err(Refusal::Sparse),
            _ if value.is_empty() => {} // takes back what a global header said
            b"path" => records.path = Some(value.to_vec()),
            b"linkpath" => records.link = Some(value.to_vec()),
            b"size" => records.size = Some(number(value).ok_or(Refusal::Record)?),
            b"mtime" => records.mtime = Some(time(value).ok_or(Refusal::Record)?),
            _ => {}
        }
    }
    Ok(records)
}

/// Takes one record off the front.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(number(&bytes[..space])?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let [text @ .., b'\n'] = record.get(space + 1..)? else { return None };
    let equals = text.iter().position(|byte| *byte == b'=')?;
    Some((&text[..equals], &text[equals + 1..], rest))
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    // `parse` takes a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Reads decimal seconds; what is finer than a nanosecond is cut off, towards the past.
fn time(text: &[u8]) -> Option<Mtime> {
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &[][..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = i64::try_from(number(whole)?).ok()?;
    let digits = |at: usize| u32::from(fraction.get(at).map_or(0, |digit| digit - b'0'));
    let nanoseconds = (0..9).fold(0, |sum, at| sum * 10 + digits(at));
    let is_finer = fraction.iter().skip(9).any(|digit| *digit != b'0');
    if !is_negative {
        return Some(Mtime { seconds, nanoseconds });
    }
    match nanoseconds + u32::from(is_finer) {
        0 => Some(Mtime { seconds: -seconds, nanoseconds: 0 }),
        below => Some(Mtime { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - below }),
    }
}

/// Writes one record.
pub(super) fn write(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    // The length counts its own digits: at most one more than those of the rest.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    if length.to_string().len() > rest.to_string().len() {
        length += 1;
    }
    out.extend(format!("{length} {key}=").bytes());
    out.extend(value);
    out.push(b'\n');
}

/// Writes a time as decimal seconds.
pub(super) fn decimal(time: Mtime) -> String {
    let Mtime { seconds, nanoseconds } = time;
    let (sign, seconds, nanoseconds) = match (seconds, nanoseconds) {
        (0.., _) => ("", seconds, nanoseconds),
        (_, 0) => ("-", -seconds, 0),
        (_, below) => ("-", -(seconds + 1), 1_000_000_000 - below),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            path in prop::collection::vec(1_u8.., 1..3000),
            size: u64,
            seconds in -9_007_199_254_740_991_i64..9_007_199_254_740_991,
            nanoseconds in 0_u32..1_000_000_000,
        ) {
            let mtime = Mtime { seconds, nanoseconds };
            let mut written = Vec::new();
            write(&mut written, "comment", b"a\nb=c");
            write(&mut written, "path", &path);
            write(&mut written, "size", size.to_string().as_bytes());
            write(&mut written, "mtime", decimal(mtime).as_bytes());
            let expected = Records { path: Some(path), link: None, size: Some(size), mtime: Some(mtime) };
            prop_assert_eq!(parse(&written), Ok(expected));
        }

        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>) {
            parse(&bytes).ok();
        }
    }

    #[test]
    fn lengths_count_themselves() {
        for value in 0..2000 {
            let mut written = Vec::new();
            write(&mut written, "path", &vec![b'x'; value]);
            assert_eq!(record(&written).map(|(_, found, rest)| (found.len(), rest.len())), Some((value, 0)));
        }
    }

    #[test]
    fn what_lies_is_refused() {
        for bad in [
            "99 path=x\n",
            "8 path=x\n",
            "11 path=x\n",
            "x path=x\n",
            "+9 path=x\n",
            "7 path\n",
            "9 path=x",
            " 9 path=x\n",
            "10 size=-1\n",
            "13 mtime=1e3\n",
            "13 mtime=1.x\n",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(Refusal::Record), "{bad:?}");
        }
        assert_eq!(parse(b"9 path=x\n10 path=y\n"), Err(Refusal::RecordTwice));
        assert_eq!(parse(b"23 GNU.sparse.size=100\n"), Err(Refusal::Sparse));
    }

    #[test]
    fn times_are_decimal() {
        for (text, seconds, nanoseconds) in [
            ("0", 0, 0),
            ("1.5", 1, 500_000_000),
            ("-1.5", -2, 500_000_000),
            ("-0.000000001", -1, 999_999_999),
            ("-1", -1, 0),
        ] {
            let mtime = Mtime { seconds, nanoseconds };
            assert_eq!(time(text.as_bytes()), Some(mtime));
            assert_eq!(decimal(mtime), text);
        }
        assert_eq!(time(b"1.0000000019"), Some(Mtime { seconds: 1, nanoseconds: 1 }));
        assert_eq!(time(b"-1.0000000001"), Some(Mtime { seconds: -2, nanoseconds: 999_999_999 }));
    }
}
