//! Properties of entries and manifests; the fixtures have tests of their own (`manifest/golden.rs`).

use std::collections::BTreeMap;
use std::io;

use proptest::prelude::*;

use super::*;
use crate::identity::{Digests, Sha256};
use crate::manifest::cbor::testing::{damage, damaged};
use crate::manifest::cbor::{Decoder, INTEGER_MAX, check, from_value, to_value};
use crate::manifest::testing::{Chance, entries, manifest, manifest_bytes};
use crate::manifest::{Entry, EntryBody, EntryPath, ManifestHeader, Mtime, Receipt, to_jcs};

fn path(path: &str) -> EntryPath {
    EntryPath::new(path.as_bytes()).expect("a good path")
}

fn directory(at: &str) -> Entry {
    Entry { path: path(at), body: EntryBody::Directory { mode: 0o755 }, mtime: None }
}

fn symlink(target: &[u8]) -> Entry {
    Entry { path: path("link"), body: EntryBody::Symlink { target: target.into() }, mtime: None }
}

fn file(mode: u32, size_bytes: u64) -> Entry {
    Entry::file(path("file"), mode, Blake3::of(b""), Sha256::from_bytes([0; 32]), size_bytes)
}

/// Writes a manifest and says what the writer refuses.
fn refused(header: &ManifestHeader, entries: &[Entry]) -> Option<ManifestError> {
    let error = write_manifest(&mut io::sink(), header, entries.iter()).err()?;
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    error.into_inner().and_then(|inner| inner.downcast::<ManifestError>().ok()).map(|inner| *inner)
}

proptest! {
    #[test]
    fn what_was_written_is_read(seed: u64) {
        let (header, entries) = manifest(seed);
        let mut bytes = Vec::new();
        let info = write_manifest(&mut bytes, &header, entries.iter()).expect("a good manifest");
        prop_assert_eq!(check(&bytes), Ok(()));
        prop_assert_eq!(info.digests, Digests::of(&bytes));
        prop_assert_eq!(info.content_digest, content_digest(entries.iter()));

        let manifest = Manifest::parse(&bytes).expect("what was written");
        prop_assert_eq!(manifest.content_digest(), info.content_digest);
        prop_assert_eq!(manifest.entry_count(), entries.len() as u64);
        prop_assert_eq!(manifest.entries().len(), entries.len());
        prop_assert_eq!(manifest.entries().collect::<Vec<_>>(), entries);
        prop_assert_eq!(manifest.into_header(), header);
    }

    #[test]
    fn ciborium_writes_the_same_bytes(seed: u64) {
        let bytes = manifest_bytes(seed);
        let value = to_value(&bytes).expect("canonical bytes");
        prop_assert_eq!(from_value(&value), Ok(bytes));
    }

    #[test]
    fn damaged_bytes_are_refused_or_a_manifest_of_their_own(seed: u64, damage in damage()) {
        let damaged = damaged(manifest_bytes(seed % 256), &damage);
        if let Ok(manifest) = Manifest::parse(&damaged) {
            let mut again = Vec::new();
            write_manifest(&mut again, manifest.header(), manifest.entries()).expect("what was read can be written");
            prop_assert_eq!(again, damaged);
        }
    }

    #[test]
    fn an_entry_that_is_read_is_written_the_same(seed: u64, damage in damage()) {
        for entry in entries(&mut Chance::new(seed), 3) {
            prop_assert_eq!(check_entry(&entry), Ok(()));
            let mut bytes = Vec::new();
            encode_entry(&mut bytes, &entry);
            prop_assert_eq!(decode_entry(&mut Decoder::new(&bytes)), Ok(entry));

            let damaged = damaged(bytes, &damage);
            let mut d = Decoder::new(&damaged);
            if let Ok(entry) = decode_entry(&mut d) {
                prop_assert_eq!(check_entry(&entry), Ok(()));
                let mut again = Vec::new();
                encode_entry(&mut again, &entry);
                prop_assert_eq!(&again[..], &damaged[..d.position()]);
            }
        }
    }
}

#[test]
fn a_thousand_manifests_have_the_bytes_that_they_always_had() {
    let mut fold = blake3::Hasher::new();
    for seed in 0..1000 {
        let bytes = manifest_bytes(seed);
        fold.update(Blake3::of(&bytes).as_bytes());
        fold.update(Blake3::of(&to_jcs(&bytes).unwrap()).as_bytes());
    }
    // A change of this line is a change of the format: every digest that anyone wrote down is at stake.
    assert_eq!(
        fold.finalize().to_string(),
        "1891719bcd27d5492939a28354bec240cccffec64e00dc2c7992ec7c399883c0"
    );
}

#[test]
fn a_later_manifest_is_not_damage() {
    let bytes = manifest_bytes(3);
    let at = bytes.windows(17).position(|window| window == b"manifest_version\x01").unwrap() + 16;
    let with = |version: u8| [&bytes[..at], &[version], &bytes[at + 1..]].concat();
    assert_eq!(Manifest::parse(&with(2)).err(), Some(ManifestError::Version(2)));
    let zero = ManifestError::Invalid { offset: at, key: "manifest_version" };
    assert_eq!(Manifest::parse(&with(0)).err(), Some(zero));
    // Whatever else it may hold, as long as it is canonical.
    let other = b"\xa2\x65files\xf6\x70manifest_version\x18\x20";
    assert_eq!(Manifest::parse(other).err(), Some(ManifestError::Version(32)));
    let cut = Manifest::parse(&with(2)[..bytes.len() - 1]).err();
    assert!(matches!(cut, Some(ManifestError::Cbor(_))), "{cut:?}");
}

#[test]
fn large_manifests_pass_through_in_chunks() {
    struct Chunks(Vec<usize>, Vec<u8>);
    impl io::Write for Chunks {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.len());
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let entries: Vec<Entry> =
        (0..5000).map(|n| Entry { path: path(&format!("{n:05}")), ..file(0o644, n) }).collect();
    let mut chunks = Chunks(Vec::new(), Vec::new());
    let info = write_manifest(&mut chunks, &manifest(0).0, entries.iter()).unwrap();
    assert!(chunks.0.len() > 4 && chunks.0.iter().all(|&len| len < 160 * 1024), "{:?}", chunks.0);
    let manifest = Manifest::parse(&chunks.1).unwrap();
    assert_eq!(
        (manifest.content_digest(), info.digests),
        (content_digest(entries.iter()), Digests::of(&chunks.1))
    );
    assert!(manifest.entries().eq(entries));
}

#[test]
fn a_writer_that_fails_is_heard() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = write_manifest(&mut Full, &manifest(0).0, [].iter().map(|entry: &Entry| entry)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn the_writer_refuses_entries_that_the_reader_would() {
    let header = manifest(0).0;
    let start = 7; // map(7), "files", and the head of up to 23 entries
    let second = |first: &Entry| {
        let mut bytes = Vec::new();
        encode_entry(&mut bytes, first);
        start + 1 + bytes.len()
    };
    let offset = second(&directory("a"));
    assert_eq!(refused(&header, &[directory("a"), directory("a/b"), directory("c")]), None);
    assert_eq!(
        refused(&header, &[directory("a"), directory("a")]),
        Some(ManifestError::Order { offset, index: 1 })
    );
    assert_eq!(
        refused(&header, &[directory("b"), directory("a")]),
        Some(ManifestError::Order { offset, index: 1 })
    );
    assert_eq!(
        refused(&header, &[directory("a"), directory("b/c")]),
        Some(ManifestError::Parent { offset, index: 1 })
    );
    let late = |seconds, nanoseconds| Entry { mtime: Some(Mtime { seconds, nanoseconds }), ..file(0, 0) };
    let max = i64::try_from(INTEGER_MAX).unwrap();
    for (entry, key) in [
        (file(0o10000, 0), "mode"),
        (file(0, INTEGER_MAX + 1), "size"),
        (symlink(b""), "target"),
        (symlink(b"a\0"), "target"),
        (symlink(&[b'a'; 4097]), "target"),
        (late(max + 1, 0), "mtime"),
        (late(-max - 1, 0), "mtime"),
        (late(i64::MIN, 0), "mtime"),
        (late(0, 1_000_000_000), "mtime"),
    ] {
        assert_eq!(check_entry(&entry), Err(ManifestError::Invalid { offset: 0, key }));
        assert_eq!(refused(&header, &[entry]), Some(ManifestError::Invalid { offset: start + 1, key }));
    }
    for entry in [file(0o7777, INTEGER_MAX), symlink(&[b'a'; 4096]), late(-max, 999_999_999)] {
        assert_eq!(check_entry(&entry), Ok(()));
        assert_eq!(refused(&header, &[entry]), None);
    }
}

#[test]
fn the_writer_refuses_a_header_that_the_reader_would() {
    let mut good = manifest(0).0;
    good.receipts = vec![Receipt { backend_id: "local".into(), objects: 0, bytes: 0 }];
    let receipt = |id: &str| Receipt { backend_id: id.into(), objects: 0, bytes: 0 };
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let change = |apply: &dyn Fn(&mut ManifestHeader)| {
        let mut header = good.clone();
        apply(&mut header);
        match refused(&header, &[]) {
            Some(ManifestError::Invalid { key, .. } | ManifestError::Limit { key, .. }) => Some(key),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&good, &[]), None);
    assert_eq!(change(&|h| h.version = 0), Some("version"));
    assert_eq!(change(&|h| h.version = INTEGER_MAX + 1), Some("version"));
    assert_eq!(change(&|h| h.created_at = crate::env::Timestamp::from_micros(i64::MIN)), Some("created_at"));
    assert_eq!(change(&|h| h.created_by.clone_from(&long)), Some("created_by"));
    assert_eq!(change(&|h| drop(h.metadata.insert(long.clone(), String::new()))), Some("metadata"));
    assert_eq!(change(&|h| drop(h.provenance.insert(String::new(), long.clone()))), Some("provenance"));
    let many: BTreeMap<_, _> = (0..=LABELS_MAX).map(|n| (n.to_string(), String::new())).collect();
    assert_eq!(change(&|h| h.metadata.clone_from(&many)), Some("metadata"));
    assert_eq!(change(&|h| h.receipts.push(receipt("local"))), Some("storage_receipts"));
    assert_eq!(change(&|h| h.receipts[0].bytes = INTEGER_MAX + 1), Some("storage_receipts"));
    assert_eq!(change(&|h| h.receipts[0].backend_id.clone_from(&long)), Some("backend_id"));
    let backends = |count| (0..count).map(|n| receipt(&format!("{n:02}"))).collect();
    assert_eq!(change(&|h| h.receipts = backends(RECEIPTS_MAX + 1)), Some("storage_receipts"));
    assert_eq!(change(&|h| h.retention.class.clone_from(&long)), Some("class"));
    assert_eq!(change(&|h| h.retention.duration_seconds = Some(u64::MAX)), Some("duration_seconds"));
}

#[test]
fn an_iterator_that_miscounts_is_refused() {
    struct Liar(std::iter::Once<Entry>);
    impl Iterator for Liar {
        type Item = Entry;
        fn next(&mut self) -> Option<Entry> {
            self.0.next()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (2, Some(2))
        }
    }
    impl ExactSizeIterator for Liar {}
    let liar = Liar(std::iter::once(directory("a")));
    let error = write_manifest(&mut io::sink(), &manifest(0).0, liar).unwrap_err().into_inner().unwrap();
    let count = ManifestError::Count { expected: 2, found: 1 };
    assert_eq!(error.downcast_ref(), Some(&count));
}

#[test]
fn more_entries_than_the_limit_are_refused_before_any_is_read() {
    let too_many = ENTRIES_MAX + 1;
    let limit = |offset| ManifestError::Limit { offset, key: "files", found: too_many, max: ENTRIES_MAX };
    let count = u32::try_from(too_many).unwrap();
    let items = vec![0xf6; usize::try_from(count).unwrap()];
    let bytes = [&b"\xa1\x65files\x9a"[..], &count.to_be_bytes(), &items].concat();
    assert_eq!(Manifest::parse(&bytes).err(), Some(limit(7)));
    let entries = std::iter::repeat_n(directory("a"), items.len());
    let error = write_manifest(&mut io::sink(), &manifest(0).0, entries).unwrap_err().into_inner().unwrap();
    assert_eq!(error.downcast_ref(), Some(&limit(0)));
}
