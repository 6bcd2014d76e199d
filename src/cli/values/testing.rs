//! What must hold of any text that is taken for a value of the command line. The property test calls it, and so does
//! the fuzz target, which is a crate of its own and takes this file and the one above it by their paths.

use super::{byte_range, date, duration, head, label, min_age, number, number_from_1, plan, retention_class};

/// Reads a text as each value that people type, and panics where something was taken and means something else.
pub(crate) fn check_typed(text: &str) {
    if let Ok(length) = duration(text) {
        let digits = &text[..text.len() - 1];
        let unit = match &text[text.len() - 1..] {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            unit => panic!("no unit: {unit}"),
        };
        let count: u128 = digits.parse().expect("a number");
        assert_eq!(u128::from(length.as_secs()), count * unit, "{text}");
        assert_eq!(min_age(text).is_ok(), length.as_secs() < 1 << 53, "{text}");
    }
    if let Ok(end) = date(text) {
        let before = jiff::Timestamp::from_microsecond(end.as_micros() - 1).expect("an instant");
        assert!(before.to_string().starts_with(text), "{text} ends at {end}");
        assert_eq!(end.as_micros() % 86_400_000_000, 0);
    }
    if let Ok(range) = byte_range(text) {
        assert!(range.last.is_none_or(|last| last >= range.first), "{text}");
        assert!(text.contains('-'));
    }
    if let Ok(count) = number(text) {
        assert_eq!(text.trim_start_matches('0'), count.to_string().trim_start_matches('0'));
        assert_eq!(number_from_1(text).ok(), (count > 0).then_some(count));
    }
    if let Ok((key, value)) = label(text) {
        assert_eq!(format!("{key}={value}"), text);
        assert!(!key.is_empty() && !key.contains('='));
    }
    if let Ok(class) = retention_class(text) {
        assert!(text.starts_with(&class.name) && !class.name.is_empty());
    }
    if let Ok((sequence, digest)) = head(text) {
        assert!(sequence > 0 && text.ends_with(&digest.to_string()));
    }
    if let Ok(name) = plan(text) {
        assert_eq!(name.to_string(), text);
    }
}
