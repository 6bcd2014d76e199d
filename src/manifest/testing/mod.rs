//! What must hold of any bytes that are taken for CBOR, an entry, a manifest or its JSON, and manifests out of chance.
//!
//! The checks panic where a promise is broken. Fuzz targets and property tests call the same ones, so that neither
//! can forget what the other knows. Each returns whether the bytes were taken.

#[cfg(test)]
mod chance;

#[cfg(test)]
pub(crate) use chance::{Chance, entries, manifest, manifest_bytes};

use super::cbor::{self, CborFault, Decoder, INTEGER_MAX, NESTING_MAX, VALUE_BYTES_MAX};
use super::{
    ENTRIES_MAX, EntryBody, EntryPath, JcsError, LABEL_BYTES_MAX, LABELS_MAX, Labels, Manifest,
    PATH_BYTES_MAX, RECEIPTS_MAX, TARGET_BYTES_MAX, TEXT_BYTES_MAX, check_entry, decode_entry, encode_entry,
    from_jcs, to_jcs, write_manifest,
};

/// Walks bytes as canonical CBOR, in each of the ways in which the store does.
///
/// # Panics
/// Where two ways disagree, or what was taken is not encoded again as the same bytes.
pub fn check_cbor(bytes: &[u8]) -> bool {
    check_sequence(bytes);
    match cbor::check(bytes) {
        Ok(()) => {
            if bytes.len() <= VALUE_BYTES_MAX {
                let value = cbor::to_value(bytes).expect("what the walker took is a value");
                assert_eq!(cbor::from_value(&value).as_deref(), Ok(bytes), "one value has one spelling");
                assert!(depth(&value) <= NESTING_MAX, "deeper than is allowed");
            }
            match to_jcs(bytes) {
                Ok(json) => {
                    let back = from_jcs(&json).expect("what was projected comes back");
                    assert_eq!(back, bytes, "there and back again");
                    assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok(), "it is JSON");
                }
                Err(JcsError::Misplaced { .. }) => {}
                Err(error) => panic!("canonical, and not projected: {error}"),
            }
            true
        }
        Err(error) => {
            assert!(error.offset <= bytes.len(), "the fault is behind the end: {error:?}");
            assert!(cbor::to_value(bytes).is_err() && to_jcs(bytes).is_err(), "refused by one way only");
            // Another's decoder takes what is not canonical, too; what it takes is spelled otherwise then.
            if let Ok(value) = ciborium::from_reader::<ciborium::Value, _>(bytes)
                && let Ok(again) = cbor::from_value(&value)
            {
                assert_ne!(again, bytes, "canonical, and refused: {error:?}");
            }
            false
        }
    }
}

/// Reads items one after the other, as `log/` holds them.
fn check_sequence(bytes: &[u8]) {
    let mut decoder = Decoder::new(bytes);
    loop {
        let before = decoder.position();
        match decoder.raw_item() {
            Ok(item) => {
                assert!(decoder.position() > before, "an item takes a byte at least");
                assert_eq!(item, &bytes[before..decoder.position()]);
            }
            Err(error) => {
                assert!((before..=bytes.len()).contains(&error.offset), "{error:?} from {before}");
                let at_end = error.what == CborFault::Truncated && before == bytes.len();
                assert!(!decoder.is_at_end() || at_end || decoder.position() > before);
                return;
            }
        }
    }
}

/// How deep arrays and maps stand within each other.
fn depth(value: &ciborium::Value) -> usize {
    let deepest = |values: &mut dyn Iterator<Item = &ciborium::Value>| values.map(depth).max().unwrap_or(0);
    match (value.as_array(), value.as_map()) {
        (Some(items), _) => 1 + deepest(&mut items.iter()),
        (_, Some(pairs)) => 1 + deepest(&mut pairs.iter().map(|(_, value)| value)),
        _ => 0,
    }
}

/// Reads bytes as one entry.
///
/// # Panics
/// Where what was taken breaks a promise of store-layout.md 9.3 to 9.7.
pub fn check_entry_bytes(bytes: &[u8]) -> bool {
    let mut decoder = Decoder::new(bytes);
    let Ok(entry) = decode_entry(&mut decoder) else { return false };
    let used = decoder.position();
    let mut again = Vec::new();
    encode_entry(&mut again, &entry);
    assert_eq!(again, &bytes[..used], "one entry has one spelling");
    check_entry(&entry).expect("what was read can be written");
    check_path(&entry.path);
    if let EntryBody::Symlink { target } = &entry.body {
        assert!((1..=TARGET_BYTES_MAX).contains(&target.len()) && !target.contains(&0));
    }
    decoder.finish().is_ok()
}

/// Reads bytes as a manifest.
///
/// # Panics
/// Where what was taken breaks a promise of store-layout.md, "Manifests", or does not come back from its JSON.
pub fn check_manifest(bytes: &[u8]) -> bool {
    let Ok(manifest) = Manifest::parse(bytes) else { return false };
    let header = manifest.header();
    let mut again = Vec::new();
    let entries: Vec<_> = manifest.entries().collect();
    write_manifest(&mut again, header, entries.iter()).expect("what was read can be written");
    assert_eq!(again, bytes, "one manifest has one spelling");
    assert_eq!(entries.len() as u64, manifest.entry_count());
    assert!(manifest.entry_count() <= ENTRIES_MAX);
    assert!(header.version > 0 && header.version <= INTEGER_MAX);
    assert!(header.receipts.len() <= RECEIPTS_MAX);
    check_labels(&header.metadata);
    check_labels(&header.provenance);
    for text in [&header.created_by, &header.retention.class] {
        assert!(text.len() <= TEXT_BYTES_MAX);
    }
    let mut last: Option<&EntryPath> = None;
    for entry in &entries {
        check_path(&entry.path);
        assert!(last.is_none_or(|last| last < &entry.path), "out of order: {:?}", entry.path);
        last = Some(&entry.path);
        if let Some(slash) = entry.path.as_bytes().iter().rposition(|&byte| byte == b'/') {
            let parent = &entry.path.as_bytes()[..slash];
            let at = entries.binary_search_by(|other| other.path.as_bytes().cmp(parent));
            let is_directory = |at: usize| matches!(entries[at].body, EntryBody::Directory { .. });
            assert!(at.is_ok_and(is_directory), "nothing above {:?}", entry.path);
        }
    }
    let json = to_jcs(bytes).expect("a manifest has a projection");
    assert_eq!(from_jcs(&json).expect("what was projected comes back"), bytes);
    true
}

fn check_labels(labels: &Labels) {
    assert!(labels.len() <= LABELS_MAX);
    assert!(labels.iter().all(|(key, value)| key.len().max(value.len()) <= LABEL_BYTES_MAX));
}

/// A path that was taken can be put below a directory and stays there.
fn check_path(path: &EntryPath) {
    let bytes = path.as_bytes();
    assert!((1..=PATH_BYTES_MAX).contains(&bytes.len()), "{} bytes", bytes.len());
    assert!(!bytes.contains(&0), "a NUL in {path:?}");
    for component in bytes.split(|&byte| byte == b'/') {
        assert!(![&b""[..], b".", b".."].contains(&component), "{path:?} could leave its tree");
    }
}

/// Reads bytes as canonical JSON.
///
/// # Panics
/// Where what was taken is not canonical CBOR, or has another projection.
pub fn check_json(json: &[u8]) -> bool {
    let Ok(bytes) = from_jcs(json) else { return false };
    assert_eq!(cbor::check(&bytes), Ok(()), "what came of it is canonical");
    assert_eq!(to_jcs(&bytes).expect("it has a projection"), json, "one value has one text");
    true
}
