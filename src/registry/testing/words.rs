//! The small languages of the command line, as far as the library reads them.

use std::fmt::Display;
use std::str::FromStr;

use super::super::resolve::{id_prefix, version};
use crate::gc::PlanName;
use crate::identity::{AddressPrefix, Blake3, ContentAddress, Sha256};
use crate::manifest::cbor::INTEGER_MAX;
use crate::manifest::{EntryPath, PATH_BYTES_MAX, PackageName};

/// Reads a text as each thing that a person can name: addresses, digests, plans, names, paths.
///
/// # Panics
/// Where something was taken and is not spelled so.
pub fn check_words(text: &str) {
    one_spelling::<ContentAddress>(text);
    one_spelling::<Blake3>(text);
    one_spelling::<Sha256>(text);
    one_spelling::<PackageName>(text);
    one_spelling::<AddressPrefix>(text);
    if let Ok(prefix) = text.parse::<AddressPrefix>() {
        let (low, high) = prefix.bounds();
        assert!(low <= high && (low == high) == prefix.is_whole(), "{prefix}");
    }
    if let Some(plan) = one_spelling::<PlanName>(text) {
        assert!(plan.min_age_seconds <= INTEGER_MAX && plan.min_age().as_secs() == plan.min_age_seconds);
    }
    if let Ok(path) = EntryPath::new(text.as_bytes()) {
        assert_eq!(path.as_bytes(), text.as_bytes());
        assert!(path.as_bytes().len() <= PATH_BYTES_MAX && !text.contains('\0'));
        assert!(text.split('/').all(|component| !["", ".", ".."].contains(&component)), "{text:?}");
    }
    check_reference(text);
}

/// Reads a text as each form that a REF can have beside a bare name.
///
/// # Panics
/// Where something was taken and is not spelled so.
pub fn check_reference(text: &str) {
    if let Some((_, digits)) = text.split_once('@')
        && let Some(number) = version(digits)
    {
        assert_eq!(number.to_string(), digits);
    }
    if let Some(prefix) = id_prefix(text) {
        let digits = |text: &str| text.replace('-', "").to_ascii_lowercase();
        assert_eq!(digits(&prefix), digits(text), "another id than was typed");
        assert!((8..=36).contains(&prefix.len()) && prefix.is_ascii(), "{prefix}");
        assert_eq!(id_prefix(&prefix).as_ref(), Some(&prefix), "its own canonical spelling");
    }
}

/// What is taken is printed as it was typed.
fn one_spelling<T: FromStr + Display>(text: &str) -> Option<T> {
    let value = text.parse::<T>().ok()?;
    assert_eq!(value.to_string(), text, "{} has another spelling", std::any::type_name::<T>());
    Some(value)
}
