//! What means nothing to this build, and may mean much to whoever wrote it: keys of astore.toml beside `[defaults]` that
//! look as if they belonged there, and variables that are called nearly as one of ours.
//!
//! What is like nothing of ours is somebody else's, and stays so: `format` alone decides who may open a store.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use astore::storage::root::DefaultValue;

use super::output::escape;

/// How many letters of a name may be others, or in another place, for it to be taken for a mistyped one.
const LETTERS_MAX: usize = 2;

/// How our variables begin.
const PREFIX: &[u8] = b"ASTORE_";

/// Those of our own tests begin so.
const TEST_PREFIX: &[u8] = b"ASTORE_TEST_";

/// Returns those of the keys at the top of astore.toml that are like one of the `known` or like `defaults`, and the tables
/// that have one of these somewhere in them, as they are written.
pub(super) fn misplaced(others: &BTreeMap<String, DefaultValue>, known: &[&str]) -> Vec<String> {
    let is_odd = |(key, value): &(&String, &DefaultValue)| {
        let written = normal(key);
        known.iter().copied().chain(["defaults"]).any(|known| is_near(&written, known)) || has(value, known)
    };
    let shown = |(key, value): (&String, &DefaultValue)| match value {
        DefaultValue::Table(_) => format!("[{}]", escape::line(key)),
        DefaultValue::Text(_) | DefaultValue::Integer(_) | DefaultValue::Other(_) => escape::line(key),
    };
    others.iter().filter(is_odd).map(shown).collect()
}

/// Returns the variable of ours that a name is like without being one.
pub(super) fn meant_variable<'a>(name: &OsStr, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_str()?;
    let distance = |known: &&str| strsim::osa_distance(name, known);
    known.iter().copied().min_by_key(distance).filter(|known| *known != name && is_near(name, known))
}

/// Returns whether a variable has a name that only ours have.
pub(super) fn is_like_ours(name: &OsString) -> bool {
    name.as_bytes().starts_with(PREFIX) && !name.as_bytes().starts_with(TEST_PREFIX)
}

fn has(value: &DefaultValue, known: &[&str]) -> bool {
    let DefaultValue::Table(table) = value else { return false };
    table.iter().any(|(key, value)| known.contains(&&*normal(key)) || has(value, known))
}

fn normal(key: &str) -> String {
    key.trim().to_lowercase().replace('_', "-")
}

fn is_near(written: &str, known: &str) -> bool {
    // Longer ones are far away, and a key may have thousands of letters.
    written.len() <= known.len() + 4 * LETTERS_MAX && strsim::osa_distance(written, known) <= LETTERS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(text: &str) -> Vec<String> {
        let place = tempfile::tempdir().unwrap();
        let file: std::path::PathBuf = place.path().iter().chain([OsStr::new("astore.toml")]).collect();
        #[expect(clippy::disallowed_methods, reason = "a description made by hand")]
        std::fs::write(file, format!("format = 1\n{text}")).unwrap();
        let (_, others) = astore::storage::root::read_defaults(place.path()).unwrap().unwrap();
        misplaced(&others, &["class", "color", "metrics-file", "min-age", "threads", "wait"])
    }

    #[test]
    fn what_looks_like_a_default_is_odd_and_what_does_not_is_not() {
        for (text, named) in [
            ("min_age = \"1d\"", "min_age"),
            ("MIN-AGE = \"1d\"", "MIN-AGE"),
            ("minage = \"1d\"", "minage"),
            ("[default]", "[default]"),
            ("[Defaults]", "[Defaults]"),
            ("[dfeaults]", "[dfeaults]"),
            ("[settings]\nMin_Age = \"1d\"", "[settings]"),
            ("[a.b.c]\nwait = \"1d\"", "[a]"),
        ] {
            assert_eq!(odd(text), [named], "{text}");
        }
        for text in
            ["owner = \"me\"", "[backend]\nurl = \"x\"\nsecret = 1", "[a.b.c]\nkeep = 1", "minutes = 3"]
        {
            assert_eq!(odd(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_variable_is_meant_by_what_is_nearly_its_name() {
        let known = ["ASTORE_MIN_AGE", "ASTORE_ROOT", "ASTORE_WAIT"];
        for (name, meant) in [
            ("ASTORE_MIN_AGEE", Some("ASTORE_MIN_AGE")),
            ("ASTORE_MINAGE", Some("ASTORE_MIN_AGE")),
            ("ASTORE_MIN_AGE", None),
            ("ASTORE_WIAT", Some("ASTORE_WAIT")),
            ("ASTORE_HOME", None),
            ("ASTORE_MIRROR", None),
        ] {
            assert_eq!(meant_variable(OsStr::new(name), &known), meant, "{name}");
        }
        assert!(!is_like_ours(&"ASTORE_TEST_WAIT".into()) && is_like_ours(&"ASTORE_WIAT".into()));
    }
}
