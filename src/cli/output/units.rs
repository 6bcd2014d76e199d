//! Sizes, counts, instants and modes for people.

use std::time::Duration;

use astore::env::Timestamp;
use astore::manifest::{Entry, EntryBody};

/// Writes a number of bytes in binary units with one decimal: `0 B`, `1023 B`, `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // In tenths of the unit, rounded half up; 1023.95 of a unit is 1.0 of the next.
    let (mut index, mut divisor) = (0, 1024_u128);
    let tenths = |divisor: u128| (u128::from(bytes) * 10 + divisor / 2) / divisor;
    while tenths(divisor) >= 10_240 && index + 1 < UNITS.len() {
        index += 1;
        divisor *= 1024;
    }
    let tenths = tenths(divisor);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[index])
}

/// Writes a count with its noun, which gets an `s` where it is not one.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let stem = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match (number, stem) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// Writes an instant to the second, RFC 3339 in UTC.
pub(crate) fn instant(instant: Timestamp) -> String {
    let text = instant.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// Writes the day of an instant, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('T').map_or_else(|| text.clone(), |(day, _)| day.to_owned())
}

/// Writes how long ago an instant was, in its largest unit; one that is yet to come, by a clock that was wrong then or
/// is now, as it is.
pub(crate) fn ago(now: Timestamp, then: Timestamp) -> String {
    const UNITS: [(&str, i64); 5] =
        [("year", 31_556_952), ("month", 2_629_746), ("day", 86_400), ("hour", 3_600), ("minute", 60)];
    let seconds = now.as_micros().saturating_sub(then.as_micros()).div_euclid(1_000_000);
    match UNITS.iter().find(|(_, unit)| seconds >= *unit) {
        _ if seconds < 0 => instant(then),
        Some((name, unit)) => format!("{} ago", count((seconds / unit).unsigned_abs(), name)),
        None => "just now".to_owned(),
    }
}

/// Writes a length of time as it would be typed, in whole seconds: in the largest unit of which it is two or more.
pub(crate) fn age(length: Duration) -> String {
    let seconds = length.as_secs();
    let units = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60)];
    let fits = |&&(_, unit): &&(&str, u64)| seconds.is_multiple_of(unit) && seconds / unit >= 2;
    match units.iter().find(fits) {
        Some((name, unit)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// Writes kind and permission bits as `ls -l` does.
pub(crate) fn mode(entry: &Entry) -> String {
    let (kind, bits) = match &entry.body {
        EntryBody::File { mode, .. } => ('-', *mode),
        EntryBody::Directory { mode } => ('d', *mode),
        EntryBody::Symlink { .. } => ('l', 0o777),
    };
    let mut text = String::with_capacity(10);
    text.push(kind);
    for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let three = bits >> shift;
        text.push(if three & 4 != 0 { 'r' } else { '-' });
        text.push(if three & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & special != 0, three & 1 != 0) {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use astore::manifest::EntryPath;

    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_048_576, "1.0 MiB"),
            (5_368_709_120, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
        assert_eq!((count(1, "entry"), count(2, "entry")), ("1 entry".into(), "2 entries".into()));
        assert_eq!((count(0, "file"), count(1, "file")), ("0 files".into(), "1 file".into()));
    }

    #[test]
    fn instants_are_to_the_second() {
        assert_eq!(instant(Timestamp::from_micros(1_999_999)), "1970-01-01T00:00:01Z");
        assert_eq!(instant(Timestamp::from_micros(i64::MAX)), "9223372036854775807us");
    }

    #[test]
    fn what_was_long_ago_is_told_in_its_largest_unit() {
        let then = Timestamp::from_micros(0);
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7_199, "1 hour ago"),
            (3 * 86_400, "3 days ago"),
            (45 * 86_400, "1 month ago"),
            (800 * 86_400, "2 years ago"),
            (-1, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(ago(Timestamp::from_micros(seconds * 1_000_000), then), text, "{seconds}");
        }
        assert_eq!(
            ago(Timestamp::from_micros(i64::MAX), Timestamp::from_micros(i64::MIN)),
            "292277 years ago"
        );
        assert_eq!(day(Timestamp::from_micros(86_400_000_000)), "1970-01-02");
    }

    #[test]
    fn ages_can_be_typed_again() {
        for text in ["0s", "59s", "60s", "90s", "2m", "24h", "36h", "2d", "7d", "2w", "400d"] {
            let typed = crate::cli::values::duration(text).unwrap();
            assert_eq!(age(typed), text);
        }
    }

    #[test]
    fn modes_look_like_those_of_ls() {
        let directory = |mode| Entry {
            path: EntryPath::new(&b"d"[..]).unwrap(),
            body: EntryBody::Directory { mode },
            mtime: None,
        };
        for (bits, text) in
            [(0o755, "drwxr-xr-x"), (0o1777, "drwxrwxrwt"), (0o6640, "drwSr-S---"), (0, "d---------")]
        {
            assert_eq!(mode(&directory(bits)), text);
        }
    }
}
