//! Golden files under `fixtures/`, for tests: what is there must be exactly what is expected, to the byte.
//!
//! With `ASTORE_MAKE_FIXTURES` set, what is missing is written first. What is there is never changed: to make a
//! file anew, delete it. Knows nothing of what the files mean.

use std::collections::BTreeSet;
use std::fs;

/// Fails unless the folder `fixtures/FOLDER` holds these files with these bytes, and no other file.
#[track_caller]
pub(crate) fn check(folder: &str, expected: &[(String, Vec<u8>)]) {
    let path = format!("{}/fixtures/{folder}", env!("CARGO_MANIFEST_DIR"));
    make_missing(&path, expected);
    let wanted: BTreeSet<String> = expected.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(wanted.len(), expected.len(), "two fixtures of one name in {folder}");
    let found = names(&path);
    let missing: Vec<_> = wanted.difference(&found).collect();
    assert!(missing.is_empty(), "fixtures/{folder} has no {missing:?}: `just fixtures` writes them");
    let unknown: Vec<_> = found.difference(&wanted).collect();
    assert!(unknown.is_empty(), "fixtures/{folder} has {unknown:?}, which no test expects");
    for (name, bytes) in expected {
        assert!(read(folder, name) == *bytes, "{folder}/{name} is not what this build makes");
    }
}

/// Returns the bytes of `fixtures/FOLDER/NAME`.
#[track_caller]
pub(crate) fn read(folder: &str, name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{folder}/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the names of the files in a folder; folders in it are somebody else's.
fn names(path: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let entries = entries.map(|entry| entry.expect("a readable folder"));
    let files = entries.filter(|entry| entry.file_type().expect("a known type").is_file());
    files.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect()
}

#[expect(clippy::disallowed_methods, reason = "fixtures are files of the repository, not of a store")]
fn make_missing(path: &str, expected: &[(String, Vec<u8>)]) {
    if std::env::var_os("ASTORE_MAKE_FIXTURES").is_none() {
        return;
    }
    fs::create_dir_all(path).expect("a folder");
    for (name, bytes) in expected {
        let path = format!("{path}/{name}");
        if !fs::exists(&path).expect("an answer") {
            fs::write(&path, bytes).expect("a fixture");
        }
    }
}
