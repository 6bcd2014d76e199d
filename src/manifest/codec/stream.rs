//! Reading a manifest that is not in memory: entry by entry through a window, so that memory does not grow with
//! their number. For whoever looks for manifests among files that may be anything.

use std::io;

use super::order::{Disorder, Order};
use super::read::parse_parts;
use super::{ManifestError, check_count, entry};
use crate::identity::Blake3;
use crate::manifest::cbor::{CborError, CborFault, Decoder, array_head};
use crate::manifest::model::{Entry, EntryBody, ManifestHeader};

/// How a manifest of version 1 begins: a map of seven, and in the order of keys the entries first.
const BEGINNING: &[u8] = b"\xa7\x65files";
/// An array without items, in the place of the entries when the rest is read.
const NO_ENTRIES: u8 = 0x80;

/// How much of the manifest is held at a time.
const WINDOW_BYTES: usize = 256 * 1024;
/// No entry is longer: a path and a target of 4,096 bytes each, and what stands around them.
const ENTRY_BYTES_MAX: usize = 16 * 1024;
/// What stands behind the entries is never longer: twice 1,024 labels, 64 receipts, each text of 64 KiB at most.
const REST_BYTES_MAX: usize = 280 << 20;

/// A manifest that went by.
#[derive(Clone, Debug)]
pub struct ScannedManifest {
    /// Everything but the entries.
    pub header: ManifestHeader,
    /// The digest of the entries.
    pub content_digest: Blake3,
    /// How many entries there are.
    pub entry_count: u64,
    /// The digest of all of its bytes.
    pub digest: Blake3,
    /// How many bytes these are.
    pub size_bytes: u64,
}

/// Why there is no manifest to be told of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError<E> {
    /// The bytes could not be read.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// They are no manifest of version 1. More than the beginning need not have been read.
    #[error(transparent)]
    Manifest(ManifestError),
    /// Whoever took the entries did not want more.
    #[error(transparent)]
    Taker(E),
}

/// Returns whether bytes begin as a manifest does, of version 1 or of a later one with more keys. Seven bytes say it.
pub fn begins_manifest(bytes: &[u8]) -> bool {
    let is_map = bytes.first().is_some_and(|byte| (0xa1..=0xb7).contains(byte));
    is_map && bytes.get(1..BEGINNING.len()) == Some(&BEGINNING[1..])
}

/// Reads a manifest of version 1 from front to end and hands out its entries in order.
///
/// What it refuses and takes is what [`super::Manifest::parse`] refuses and takes; but that the entries have the digest
/// that the manifest says for them is known at the end only, so `each` may see entries of what turns out to be none.
///
/// # Errors
/// [`ScanError`]: at the first thing that is wrong.
pub fn scan_manifest<E>(
    source: &mut dyn io::Read,
    mut each: impl FnMut(&Entry) -> Result<(), E>,
) -> Result<ScannedManifest, ScanError<E>> {
    let mut window = Window::new(source);
    let fault = |offset, what| ScanError::Manifest(CborError { offset, what }.into());
    window.see(ENTRY_BYTES_MAX)?;
    if !window.bytes().starts_with(BEGINNING) {
        return Err(fault(0, CborFault::Truncated));
    }
    window.pass(BEGINNING.len());
    window.content = Some(blake3::Hasher::new());
    let (count, length) = array_head(window.bytes()).map_err(|error| fault(window.offset(), error.what))?;
    check_count(window.offset(), count).map_err(ScanError::Manifest)?;
    window.pass(length);
    let mut order = Order::default();
    for index in 0..count {
        window.see(ENTRY_BYTES_MAX)?;
        let offset = window.offset();
        let mut decoder = Decoder::new(window.bytes());
        let entry: Entry = entry::decode(&mut decoder).map_err(ScanError::Manifest)?.into();
        let length = decoder.position();
        let is_directory = matches!(entry.body, EntryBody::Directory { .. });
        order.next(entry.path.as_bytes(), is_directory).map_err(|disorder| {
            ScanError::Manifest(match disorder {
                Disorder::Order => ManifestError::Order { offset, index },
                Disorder::Parent => ManifestError::Parent { offset, index },
            })
        })?;
        window.pass(length);
        each(&entry).map_err(ScanError::Taker)?;
    }
    let found = window.content.take().map(|content| content.finalize()).expect("it was set above");
    let found = Blake3::from_bytes(*found.as_bytes());
    let (parts, digest, size_bytes) = window.rest()?;
    if parts.content_digest != found {
        let expected = parts.content_digest;
        return Err(ScanError::Manifest(ManifestError::ContentDigest { expected, found }));
    }
    let (header, content_digest) = (parts.header, parts.content_digest);
    Ok(ScannedManifest { header, content_digest, entry_count: count, digest, size_bytes })
}

/// A stretch of what is read, and the digests of what went by.
struct Window<'s> {
    source: &'s mut dyn io::Read,
    buffer: Vec<u8>,
    /// Where in the buffer the next byte stands.
    start: usize,
    /// How many bytes went by.
    passed: usize,
    is_at_end: bool,
    /// Over all that was passed.
    whole: blake3::Hasher,
    /// Over the entries, while they pass.
    content: Option<blake3::Hasher>,
}

impl<'s> Window<'s> {
    fn new(source: &'s mut dyn io::Read) -> Self {
        let (whole, content) = (blake3::Hasher::new(), None);
        Self { source, buffer: Vec::new(), start: 0, passed: 0, is_at_end: false, whole, content }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn offset(&self) -> usize {
        self.passed + self.start
    }

    /// Sees to it that so many bytes can be seen, unless the end comes first.
    fn see<E>(&mut self, wanted: usize) -> Result<(), ScanError<E>> {
        if self.bytes().len() >= wanted || self.is_at_end {
            return Ok(());
        }
        self.hash();
        self.buffer.drain(..self.start);
        self.passed += std::mem::take(&mut self.start);
        let before = self.buffer.len();
        self.buffer.resize(WINDOW_BYTES, 0);
        let filled =
            crate::fill::fill(&mut self.buffer[before..], |rest, _| self.source.read(rest), || Ok(()));
        let filled = before + filled.map_err(ScanError::Read)?;
        self.is_at_end = filled < self.buffer.len();
        self.buffer.truncate(filled);
        Ok(())
    }

    /// Steps over bytes that can be seen.
    fn pass(&mut self, length: usize) {
        // The whole is hashed in long stretches, when the window moves; the entries begin in the middle of one.
        if let Some(content) = &mut self.content {
            content.update(&self.buffer[self.start..self.start + length]);
        }
        self.start += length;
    }

    /// Hashes what went by since the window moved last.
    fn hash(&mut self) {
        self.whole.update(&self.buffer[..self.start]);
    }

    /// Reads what is left, as of a manifest without entries; returns it with the digest of everything, and its length.
    ///
    /// What is no manifest is not read to its end: what there is of it is looked at each time that it has doubled.
    fn rest<E>(mut self) -> Result<(Rest, Blake3, u64), ScanError<E>> {
        self.hash();
        let before = BEGINNING.len() + 1;
        let mut rest = [BEGINNING, &[NO_ENTRIES], self.bytes()].concat();
        let parts = loop {
            match parse_parts(&rest) {
                Ok(parts) if self.is_at_end => {
                    break Rest { header: parts.header, content_digest: parts.content_digest };
                }
                Err(error) if self.is_at_end || !is_cut_off(&error) => {
                    return Err(ScanError::Manifest(error));
                }
                Ok(_) | Err(_) if rest.len() > REST_BYTES_MAX => {
                    let error = CborError { offset: self.offset(), what: CborFault::TooLarge };
                    return Err(ScanError::Manifest(error.into()));
                }
                Ok(_) | Err(_) => {}
            }
            let wanted = rest.len().max(1024) as u64;
            let mut more = io::Read::take(&mut *self.source, wanted);
            let read = io::Read::read_to_end(&mut more, &mut rest).map_err(ScanError::Read)?;
            self.is_at_end = (read as u64) < wanted;
        };
        self.whole.update(&rest[before..]);
        let digest = Blake3::from_bytes(*self.whole.finalize().as_bytes());
        let size_bytes = (self.offset() + rest.len() - before) as u64;
        Ok((parts, digest, size_bytes))
    }
}

/// What stands behind the entries.
struct Rest {
    header: ManifestHeader,
    /// What the manifest says that the digest of its entries is.
    content_digest: Blake3,
}

/// Returns whether bytes are no manifest for want of more bytes.
fn is_cut_off(error: &ManifestError) -> bool {
    matches!(error, ManifestError::Cbor(CborError { what: CborFault::Truncated, .. }))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::manifest::{Manifest, testing, write_manifest};

    /// Hands out few bytes at a time, as a pipe does.
    struct Drip<'a>(&'a [u8], usize);

    impl io::Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let few = self.1.min(buffer.len()).min(self.0.len());
            buffer[..few].copy_from_slice(&self.0[..few]);
            self.0 = &self.0[few..];
            Ok(few)
        }
    }

    fn check(bytes: &[u8], few: usize) {
        let mut seen = Vec::new();
        let scanned = scan_manifest(&mut Drip(bytes, few), |entry| -> Result<(), Infallible> {
            seen.push(entry.clone());
            Ok(())
        });
        match (Manifest::parse(bytes), scanned) {
            (Ok(parsed), Ok(scanned)) => {
                assert_eq!(parsed.header(), &scanned.header);
                assert_eq!(parsed.content_digest(), scanned.content_digest);
                assert_eq!(parsed.entry_count(), scanned.entry_count);
                assert_eq!(parsed.entries().collect::<Vec<_>>(), seen);
                assert_eq!((Blake3::of(bytes), bytes.len() as u64), (scanned.digest, scanned.size_bytes));
                assert!(begins_manifest(bytes));
            }
            (Err(_), Err(ScanError::Manifest(_))) => {}
            (parsed, scanned) => panic!("{parsed:?}, and yet {scanned:?}"),
        }
    }

    fn manifest(seed: u64) -> Vec<u8> {
        let (header, entries) = testing::manifest(seed);
        let mut bytes = Vec::new();
        write_manifest(&mut bytes, &header, entries.iter()).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn takes_and_refuses_what_parsing_does(seed: u64, few in 1_usize..100, at: usize, with: u8, cut: usize) {
            let mut bytes = manifest(seed);
            check(&bytes, few);
            let at = at % bytes.len();
            bytes[at] = with;
            check(&bytes, usize::MAX);
            bytes.truncate(cut % bytes.len());
            check(&bytes, few);
            bytes.push(with);
            check(&bytes, few);
        }
    }

    #[test]
    fn more_entries_than_the_window_holds() {
        let (header, _) = testing::manifest(1);
        let directory = |nth: u32| Entry {
            path: crate::manifest::EntryPath::new(format!("{nth:0>3000}").into_bytes()).unwrap(),
            body: EntryBody::Directory { mode: 0o755 },
            mtime: None,
        };
        let mut bytes = Vec::new();
        write_manifest(&mut bytes, &header, (0..300).map(directory)).unwrap();
        assert!(bytes.len() > 3 * WINDOW_BYTES);
        check(&bytes, usize::MAX);
        check(&bytes, 4097);
        for at in [WINDOW_BYTES, 2 * WINDOW_BYTES + 7, bytes.len() - 300] {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x55;
            check(&wrong, usize::MAX);
        }
    }

    #[test]
    fn what_only_begins_like_one_is_left_early() {
        // So many entries, says the head, and then the bytes go on for ever.
        let mut endless = io::Read::chain(&b"\xa7\x65files\x9a\x00\xff\xff\xff"[..], io::repeat(0x62));
        let none = |_: &Entry| -> Result<(), Infallible> { panic!("it has no entry") };
        assert!(matches!(scan_manifest(&mut endless, none), Err(ScanError::Manifest(_))));
        let mut endless = io::Read::chain(&b"\xa7\x65files\x80"[..], io::repeat(0x62));
        assert!(matches!(scan_manifest(&mut endless, none), Err(ScanError::Manifest(_))));
    }
}
