//! Reading a manifest: everything is checked in one pass, and nothing but the header is kept.

use std::iter::FusedIterator;

use uuid::Uuid;

use super::entry::{self, BodyRef, EntryRef};
use super::order::{Disorder, Order};
use super::{
    LABELS_MAX, MANIFEST_VERSION, ManifestError, RECEIPTS_MAX, TEXT_BYTES_MAX, check_count, check_len,
    decode_entry,
};
use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::manifest::cbor::{CborError, Decoder};
use crate::manifest::model::{
    Entry, LABEL_BYTES_MAX, Labels, ManifestHeader, PackageName, Receipt, RetentionSummary,
};

/// A manifest that was checked, over the bytes that hold it.
#[derive(Clone, Debug)]
pub struct Manifest<'a> {
    header: ManifestHeader,
    content_digest: Blake3,
    /// The array of entries, as it stands in the bytes.
    files: &'a [u8],
    entry_count: u64,
}

impl<'a> Manifest<'a> {
    /// Checks that the bytes are one manifest of version 1, in all that version 1 promises.
    ///
    /// That is: canonical form, the limits, no unknown key, sorted unique safe paths, each below a directory
    /// that came before it, and the digest of the entries. Memory grows with the header alone.
    ///
    /// # Errors
    /// [`ManifestError::Version`] for what a later build wrote; otherwise the first thing that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ManifestError> {
        match parse_version_1(bytes) {
            // The version stands behind the entries, whose shape another version is free to change.
            Err(error) => Err(later_version(bytes)?.map_or(error, ManifestError::Version)),
            parsed => parsed,
        }
    }

    /// Returns everything but the entries and their digest.
    pub const fn header(&self) -> &ManifestHeader {
        &self.header
    }

    /// Returns everything but the entries and their digest, and lets go of the bytes.
    pub fn into_header(self) -> ManifestHeader {
        self.header
    }

    /// Returns the digest of the entries, which is that of their canonical array.
    pub const fn content_digest(&self) -> Blake3 {
        self.content_digest
    }

    /// Returns how many entries there are.
    pub const fn entry_count(&self) -> u64 {
        self.entry_count
    }

    /// Returns the entries in the order of their paths, read from the bytes as they are asked for.
    pub fn entries(&self) -> Entries<'a> {
        let mut decoder = Decoder::new(self.files);
        let left = decoder.array().expect("the array was read when the manifest was checked");
        Entries { decoder, left: usize::try_from(left).expect("it has fewer entries than bytes in memory") }
    }
}

/// The entries of a [`Manifest`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    decoder: Decoder<'a>,
    left: usize,
}

impl Entries<'_> {
    /// Hands every entry to `each` in place, for those who keep none of them.
    pub(crate) fn each_ref<E>(
        mut self,
        mut each: impl FnMut(EntryRef<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        (0..self.left).try_for_each(|_| {
            each(entry::decode(&mut self.decoder).expect("the entry was read when the manifest was checked"))
        })
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.left = self.left.checked_sub(1)?;
        Some(decode_entry(&mut self.decoder).expect("the entry was read when the manifest was checked"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Entries<'_> {}
impl FusedIterator for Entries<'_> {}

/// Returns the version of a canonical manifest that is later than this build's.
fn later_version(bytes: &[u8]) -> Result<Option<u64>, CborError> {
    let mut version = None;
    let mut d = Decoder::new(bytes);
    d.map_entries(|key, d| {
        if key == "manifest_version" {
            version = Some(d.uint()?);
            return Ok(());
        }
        d.skip()
    })?;
    d.finish()?;
    Ok(version.filter(|&version| version > MANIFEST_VERSION))
}

fn parse_version_1(bytes: &[u8]) -> Result<Manifest<'_>, ManifestError> {
    let Parts { header, content_digest, files, entry_count } = parse_parts(bytes)?;
    let found = Blake3::of(files);
    if found != content_digest {
        return Err(ManifestError::ContentDigest { expected: content_digest, found });
    }
    Ok(Manifest { header, content_digest, files, entry_count })
}

/// What stands in a manifest of version 1, each part checked by itself.
pub(super) struct Parts<'a> {
    pub(super) header: ManifestHeader,
    /// What the manifest says that the digest of its entries is.
    pub(super) content_digest: Blake3,
    /// The array of entries.
    files: &'a [u8],
    entry_count: u64,
}

/// Reads the parts of a manifest of version 1; whether the digest is that of the entries is not looked at.
pub(super) fn parse_parts(bytes: &[u8]) -> Result<Parts<'_>, ManifestError> {
    let (mut files, mut package, mut provenance, mut digest) = (None, None, None, None);
    let (mut version, mut receipts, mut retention) = (None, None, None);
    let mut d = Decoder::new(bytes);
    d.map_entries(|key, d| {
        let offset = d.position();
        match key {
            "files" => {
                let count = check_files(d)?;
                files = Some((&bytes[offset..d.position()], count));
            }
            "package" => package = Some(read_package(d)?),
            "provenance" => provenance = Some(read_labels(d, "provenance")?),
            "content_digest" => {
                let invalid = ManifestError::Invalid { offset, key: "content_digest" };
                digest = Some(Blake3::from_slice(d.bytes()?).ok_or(invalid)?);
            }
            "manifest_version" => match d.uint()? {
                MANIFEST_VERSION => version = Some(()),
                _ => return Err(ManifestError::Invalid { offset, key: "manifest_version" }),
            },
            "storage_receipts" => receipts = Some(read_receipts(d)?),
            "retention_summary" => retention = Some(read_retention(d)?),
            _ => return Err(ManifestError::UnknownKey { offset, map: "a manifest" }),
        }
        Ok(())
    })?;
    d.finish()?;

    let missing = |key| ManifestError::Missing { offset: 0, map: "a manifest", key };
    version.ok_or_else(|| missing("manifest_version"))?;
    let (files, entry_count) = files.ok_or_else(|| missing("files"))?;
    let content_digest = digest.ok_or_else(|| missing("content_digest"))?;
    let mut header = package.ok_or_else(|| missing("package"))?;
    header.provenance = provenance.ok_or_else(|| missing("provenance"))?;
    header.receipts = receipts.ok_or_else(|| missing("storage_receipts"))?;
    header.retention = retention.ok_or_else(|| missing("retention_summary"))?;
    Ok(Parts { header, content_digest, files, entry_count })
}

/// Checks the array of entries and returns their number.
fn check_files(d: &mut Decoder<'_>) -> Result<u64, ManifestError> {
    let offset = d.position();
    let count = d.array()?;
    check_count(offset, count)?;
    let mut order = Order::default();
    for index in 0..count {
        let offset = d.position();
        let entry = entry::decode(d)?;
        order.next(entry.path, matches!(entry.body, BodyRef::Directory { .. })).map_err(|disorder| {
            match disorder {
                Disorder::Order => ManifestError::Order { offset, index },
                Disorder::Parent => ManifestError::Parent { offset, index },
            }
        })?;
    }
    Ok(count)
}

/// Reads what stands under `package`; the rest of the header is left empty.
fn read_package(d: &mut Decoder<'_>) -> Result<ManifestHeader, ManifestError> {
    let (mut id, mut name, mut version, mut created_at, mut created_by, mut metadata) =
        (None, None, None, None, None, None);
    let start = d.position();
    d.map_entries(|key, d| {
        let offset = d.position();
        let invalid = |key| ManifestError::Invalid { offset, key };
        match key {
            "id" => id = Some(parse_id(d.text()?).ok_or_else(|| invalid("id"))?),
            "name" => name = Some(d.text()?.parse::<PackageName>().map_err(|_| invalid("name"))?),
            "version" => {
                version =
                    Some(Some(d.uint()?).filter(|&number| number > 0).ok_or_else(|| invalid("version"))?);
            }
            "metadata" => metadata = Some(read_labels(d, "metadata")?),
            "created_at" => created_at = Some(Timestamp::from_micros(d.int()?)),
            "created_by" => created_by = Some(read_text(d, "created_by", TEXT_BYTES_MAX)?.to_owned()),
            _ => return Err(ManifestError::UnknownKey { offset, map: "a package" }),
        }
        Ok(())
    })?;
    let missing = |key| ManifestError::Missing { offset: start, map: "a package", key };
    Ok(ManifestHeader {
        id: id.ok_or_else(|| missing("id"))?,
        name: name.ok_or_else(|| missing("name"))?,
        version: version.ok_or_else(|| missing("version"))?,
        created_at: created_at.ok_or_else(|| missing("created_at"))?,
        created_by: created_by.ok_or_else(|| missing("created_by"))?,
        metadata: metadata.ok_or_else(|| missing("metadata"))?,
        receipts: Vec::new(),
        retention: RetentionSummary { class: String::new(), duration_seconds: None },
        provenance: Labels::new(),
    })
}

/// Takes the one spelling of a UUID: lower case, with hyphens.
fn parse_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
}

fn read_labels(d: &mut Decoder<'_>, key: &'static str) -> Result<Labels, ManifestError> {
    let offset = d.position();
    let count = d.clone().map()?;
    if count > LABELS_MAX as u64 {
        return Err(ManifestError::Limit { offset, key, found: count, max: LABELS_MAX as u64 });
    }
    let mut labels = Labels::new();
    d.map_entries(|label, d| {
        check_len(d.position(), key, label.len(), LABEL_BYTES_MAX)?;
        labels.insert(label.to_owned(), read_text(d, key, LABEL_BYTES_MAX)?.to_owned());
        Ok::<(), ManifestError>(())
    })?;
    Ok(labels)
}

fn read_receipts(d: &mut Decoder<'_>) -> Result<Vec<Receipt>, ManifestError> {
    let start = d.position();
    let count = d.array()?;
    let key = "storage_receipts";
    if count > RECEIPTS_MAX as u64 {
        return Err(ManifestError::Limit { offset: start, key, found: count, max: RECEIPTS_MAX as u64 });
    }
    let mut receipts: Vec<Receipt> = Vec::new();
    for _ in 0..count {
        let offset = d.position();
        let receipt = read_receipt(d)?;
        if receipts.last().is_some_and(|last| last.backend_id >= receipt.backend_id) {
            return Err(ManifestError::Invalid { offset, key });
        }
        receipts.push(receipt);
    }
    Ok(receipts)
}

fn read_receipt(d: &mut Decoder<'_>) -> Result<Receipt, ManifestError> {
    let (mut backend_id, mut objects, mut bytes) = (None, None, None);
    let start = d.position();
    d.map_entries(|key, d| {
        match key {
            "bytes" => bytes = Some(d.uint()?),
            "objects" => objects = Some(d.uint()?),
            "backend_id" => backend_id = Some(read_text(d, "backend_id", TEXT_BYTES_MAX)?.to_owned()),
            _ => return Err(ManifestError::UnknownKey { offset: d.position(), map: "a storage receipt" }),
        }
        Ok(())
    })?;
    let missing = |key| ManifestError::Missing { offset: start, map: "a storage receipt", key };
    Ok(Receipt {
        backend_id: backend_id.ok_or_else(|| missing("backend_id"))?,
        objects: objects.ok_or_else(|| missing("objects"))?,
        bytes: bytes.ok_or_else(|| missing("bytes"))?,
    })
}

fn read_retention(d: &mut Decoder<'_>) -> Result<RetentionSummary, ManifestError> {
    let (mut class, mut duration_seconds) = (None, None);
    let start = d.position();
    d.map_entries(|key, d| {
        match key {
            "class" => class = Some(read_text(d, "class", TEXT_BYTES_MAX)?.to_owned()),
            "duration_seconds" => duration_seconds = Some(d.null_or::<_, CborError>(Decoder::uint)?),
            _ => return Err(ManifestError::UnknownKey { offset: d.position(), map: "a retention summary" }),
        }
        Ok(())
    })?;
    let missing = |key| ManifestError::Missing { offset: start, map: "a retention summary", key };
    Ok(RetentionSummary {
        class: class.ok_or_else(|| missing("class"))?,
        duration_seconds: duration_seconds.ok_or_else(|| missing("duration_seconds"))?,
    })
}

fn read_text<'a>(d: &mut Decoder<'a>, key: &'static str, max: usize) -> Result<&'a str, ManifestError> {
    let offset = d.position();
    let text = d.text()?;
    check_len(offset, key, text.len(), max)?;
    Ok(text)
}
