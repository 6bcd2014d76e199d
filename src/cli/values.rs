//! The values that people type: durations, dates, byte ranges, labels, a head. Each parser says in one
//! sentence what it expected.

use std::time::Duration;

use astore::env::Timestamp;
use astore::gc::PlanName;
use astore::identity::Blake3;
use astore::registry::report::{ByteRange, RetentionClass, Sample, WantedLabel};

/// Parses an integer with `s`, `m` (minutes), `h`, `d` or `w`: `90s`, `24h`, `30d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected an integer with s, m (minutes), h, d or w, such as 90s or 30d".to_owned();
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(expected()),
    };
    let count = integer(&text[..text.len() - 1]).ok_or_else(expected)?;
    let total = count.checked_mul(seconds).filter(|&total| i64::try_from(total).is_ok());
    total.map(Duration::from_secs).ok_or_else(|| "the duration is too long".to_owned())
}

/// The longest age of a plan, in seconds: what a number of every other language holds exactly.
const MIN_AGE_SECONDS_MAX: u64 = (1 << 53) - 1;

/// Parses how long objects stay after they were let go.
pub(crate) fn min_age(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|age| {
        let fits = age.as_secs() <= MIN_AGE_SECONDS_MAX;
        if fits { Ok(age) } else { Err("the duration is too long".to_owned()) }
    })
}

/// Parses a share of the objects: `5%`, `0.5%`; at most four digits after the point.
pub(crate) fn sample(text: &str) -> Result<Sample, String> {
    let expected = || "expected a share above 0% and up to 100%, such as 5% or 0.5%".to_owned();
    let number = text.strip_suffix('%').ok_or_else(expected)?;
    let (whole, part) = match number.split_once('.') {
        Some((whole, part)) if (1..=4).contains(&part.len()) => (whole, part),
        Some(_) => return Err(expected()),
        None => (number, ""),
    };
    // In ten-thousandths of a hundredth.
    let part = integer(&format!("{part:0<4}")).ok_or_else(expected)?;
    let whole = integer(whole).filter(|&whole| whole <= 100).ok_or_else(expected)?;
    let millionths = u32::try_from(whole * 10_000 + part).map_err(|_| expected())?;
    Sample::from_millionths(millionths).ok_or_else(expected)
}

/// Parses the name of a plan.
pub(crate) fn plan(text: &str) -> Result<PlanName, String> {
    text.parse().map_err(|_| "expected <instant>-<min-age>-<digest>, as 'astore gc' prints it".to_owned())
}

/// Parses a number of things, from 0.
pub(crate) fn number(text: &str) -> Result<u64, String> {
    integer(text).ok_or_else(|| too_large(text).unwrap_or("expected a number").to_owned())
}

/// Parses a number of things, from 1.
pub(crate) fn number_from_1(text: &str) -> Result<u64, String> {
    integer(text)
        .filter(|&number| number > 0)
        .ok_or_else(|| too_large(text).unwrap_or("expected a number from 1").to_owned())
}

/// Parses `YYYY-MM-DD` and returns the instant at which that day has ended, UTC.
pub(crate) fn date(text: &str) -> Result<Timestamp, String> {
    let expected = || "expected a date as YYYY-MM-DD, such as 2031-12-31".to_owned();
    let shape = |(index, byte): (usize, u8)| {
        if matches!(index, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() }
    };
    if text.len() != 10 || !text.bytes().enumerate().all(shape) {
        return Err(expected());
    }
    let day: jiff::civil::Date = text.parse().map_err(|_| expected())?;
    let end = day.tomorrow().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC));
    let end = end.map_err(|_| "the date is too far away".to_owned())?;
    Ok(Timestamp::from_micros(end.timestamp().as_microsecond()))
}

/// Parses `A-B` or `A-`: bytes counted from 0, both ends included.
pub(crate) fn byte_range(text: &str) -> Result<ByteRange, String> {
    let expected =
        || "expected A-B or A-, counted from 0 and with both ends included, such as 0-99".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(expected)?;
    let first = integer(first).ok_or_else(expected)?;
    let last = match last {
        "" => None,
        last => Some(integer(last).ok_or_else(expected)?),
    };
    if last.is_some_and(|last| last < first) {
        return Err(format!("the range ends before it begins; {}", expected()));
    }
    Ok(ByteRange { first, last })
}

/// Parses `KEY=VALUE`: the first `=` ends the key, which is not empty.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as commit=1a2b3c".to_owned()),
    }
}

/// Parses `KEY=VALUE`, or a key alone where any value will do.
pub(crate) fn wanted_label(text: &str) -> Result<WantedLabel, String> {
    match text.split_once('=') {
        None if !text.is_empty() => Ok(WantedLabel { key: text.to_owned(), value: None }),
        Some((key, value)) if !key.is_empty() => {
            Ok(WantedLabel { key: key.to_owned(), value: Some(value.to_owned()) })
        }
        _ => Err("expected KEY=VALUE or KEY, such as commit=1a2b3c".to_owned()),
    }
}

/// Parses `NAME=DURATION` or `NAME=never`.
pub(crate) fn retention_class(text: &str) -> Result<RetentionClass, String> {
    let (name, length) =
        label(text).map_err(|_| "expected NAME=DURATION or NAME=never, such as nightly=14d")?;
    let name: astore::manifest::PackageName = name.parse().map_err(|error| format!("{error}"))?;
    let duration_seconds = match length.as_str() {
        "never" => None,
        length => Some(duration(length)?.as_secs()),
    };
    Ok(RetentionClass { name: name.to_string(), duration_seconds })
}

/// Parses `N:DIGEST`, the head as `astore health` prints it.
pub(crate) fn head(text: &str) -> Result<(u64, Blake3), String> {
    let expected =
        || "expected N:DIGEST as 'astore health' prints it, a number and 64 hexadecimal digits".to_owned();
    // As mail programs and other tools hand it on.
    let text = text.trim().to_ascii_lowercase();
    let (sequence, digest) = text.split_once(':').ok_or_else(expected)?;
    let sequence = integer(sequence).filter(|&sequence| sequence > 0).ok_or_else(expected)?;
    let digest = digest.parse().map_err(|error| format!("{error}; {}", expected()))?;
    Ok((sequence, digest))
}

/// Says so where a text is a number that does not fit.
fn too_large(text: &str) -> Option<&'static str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && text.parse::<u64>().is_err()).then_some("the number is too large")
}

/// Parses digits and nothing else: no sign, no spaces.
fn integer(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_taken_means_what_it_says(
            text in prop_oneof![
                "[0-9]{1,22}[smhdwS ]?",
                "[0-9]{4}-[0-9]{2}-[0-9]{2}",
                "[0-9+-]{0,24}",
                "[a-z._=-]{0,5}=[0-9a-z=]{0,8}",
                "[0-9]{1,4}:[0-9a-f]{63,65}",
                "0?[0-9]{1,17}-0?[0-9]{1,17}-[0-9a-f]{63,65}",
                ".{0,40}",
            ],
        ) {
            testing::check_typed(&text);
        }
    }

    #[test]
    fn durations() {
        for (text, seconds) in
            [("0s", 0), ("90s", 90), ("5m", 300), ("24h", 86_400), ("30d", 2_592_000), ("2w", 1_209_600)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in [
            "",
            "s",
            "5",
            "-5s",
            "+5s",
            "1.5h",
            "5 s",
            "5S",
            "5y",
            "é",
            "99999999999999999999s",
            "9999999999999999999w",
        ] {
            assert!(duration(bad).is_err(), "{bad:?} was taken for a duration");
        }
    }

    #[test]
    fn an_age_is_exact_everywhere() {
        assert_eq!(min_age("9007199254740991s"), Ok(Duration::from_secs((1 << 53) - 1)));
        assert!(min_age("9007199254740992s").is_err());
        let digest = Blake3::of(b"");
        assert!(plan(&format!("1-9007199254740991-{digest}")).is_ok());
        for bad in [
            "",
            "yes",
            &format!("1-9007199254740992-{digest}"),
            &format!("01-0-{digest}"),
            &format!("1-0-blake3:{digest}"),
            &format!("1-0-{digest} "),
        ] {
            assert!(plan(bad).is_err(), "{bad:?} was taken for a plan");
        }
    }

    #[test]
    fn a_date_ends_that_day() {
        assert_eq!(date("1970-01-01"), Ok(Timestamp::from_micros(86_400_000_000)));
        assert_eq!(date("2024-02-29").map(|end| end.to_string()), Ok("2024-03-01T00:00:00.000000Z".into()));
        for bad in [
            "",
            "2024-02-30",
            "2023-02-29",
            "2024-2-3",
            "20240203",
            "2024-01-01T00:00",
            "+024-01-01",
            "9999-12-31",
        ] {
            assert!(date(bad).is_err(), "{bad:?} was taken for a date");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!((number("0"), number_from_1("1")), (Ok(0), Ok(1)));
        assert_eq!(number("-1"), Err("expected a number".to_owned()));
        assert_eq!(number(""), Err("expected a number".to_owned()));
        assert_eq!(number_from_1("0"), Err("expected a number from 1".to_owned()));
        for parse in [number, number_from_1] {
            assert_eq!(parse("18446744073709551616"), Err("the number is too large".to_owned()));
        }
    }

    #[test]
    fn shares() {
        let of = |text: &str| sample(text).map(|share| share.of(1_000_000));
        for (text, objects) in
            [("5%", 50_000), ("0.5%", 5000), ("100%", 1_000_000), ("0.0001%", 1), ("12.25%", 122_500)]
        {
            assert_eq!(of(text), Ok(objects), "{text}");
        }
        assert_eq!(sample("5%").map(|share| (share.of(0), share.of(1), share.of(21))), Ok((0, 1, 2)));
        for bad in [
            "", "%", "5", "0%", "0.0%", "101%", "100.1%", "-5%", "+5%", ".5%", "5.%", "5 %", "0.00001%",
            "5%%",
        ] {
            assert!(sample(bad).is_err(), "{bad:?} was taken for a share");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(byte_range("0-0"), Ok(ByteRange { first: 0, last: Some(0) }));
        assert_eq!(byte_range("5-"), Ok(ByteRange { first: 5, last: None }));
        for bad in ["", "-", "-5", "5", "5-4", "a-b", "1-2-3", "+1-2", "0x1-2"] {
            assert!(byte_range(bad).is_err(), "{bad:?} was taken for a range");
        }
    }

    #[test]
    fn labels_and_classes() {
        assert_eq!(label("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(label("a="), Ok(("a".into(), String::new())));
        assert!(label("=b").is_err() && label("ab").is_err());
        let wanted = |text| wanted_label(text).map(|label| (label.key, label.value));
        assert_eq!(wanted("a=b=c"), Ok(("a".into(), Some("b=c".into()))));
        assert_eq!(wanted("a="), Ok(("a".into(), Some(String::new()))));
        assert_eq!(wanted("a"), Ok(("a".into(), None)));
        assert!(wanted("").is_err() && wanted("=b").is_err());
        assert_eq!(
            retention_class("nightly=2w"),
            Ok(RetentionClass { name: "nightly".into(), duration_seconds: Some(1_209_600) })
        );
        assert_eq!(
            retention_class("keep=never"),
            Ok(RetentionClass { name: "keep".into(), duration_seconds: None })
        );
        assert!(retention_class("a b=1d").is_err() && retention_class("a=").is_err());
    }

    #[test]
    fn a_head_is_what_health_prints() {
        let digest = Blake3::of(b"");
        assert_eq!(head(&format!("12:{digest}")), Ok((12, digest)));
        for bad in [
            "",
            "12",
            "12:",
            "0:af",
            &format!("0:{digest}"),
            &format!(":{digest}"),
            &format!("12:blake3:{digest}"),
        ] {
            assert!(head(bad).is_err(), "{bad:?} was taken for a head");
        }
    }
}
