//! Writing a manifest in one pass over its entries, and the digests of what was written.

use std::io;

use super::entry::{self, AsEntry, BodyRef};
use super::order::{Disorder, Order};
use super::{
    LABELS_MAX, MANIFEST_VERSION, ManifestError, RECEIPTS_MAX, TEXT_BYTES_MAX, check_count, check_len,
};
use crate::identity::{Blake3, Digests, DualHasher};
use crate::manifest::cbor::{Encoder, INTEGER_MAX};
use crate::manifest::model::{LABEL_BYTES_MAX, Labels, ManifestHeader};

/// How many bytes are gathered before they are hashed and handed on.
const CHUNK_BYTES: usize = 128 * 1024;

/// What a written manifest is called, and its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestInfo {
    /// Digests and size of the manifest's bytes; the primary one is the manifest digest.
    pub digests: Digests,
    /// The digest of the entries alone: equal for equal trees, whatever the packages are called.
    pub content_digest: Blake3,
}

/// Returns the digest of entries: BLAKE3 of their canonical array. They must be sorted by path.
pub fn content_digest<E: AsEntry>(entries: impl ExactSizeIterator<Item = E>) -> Blake3 {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = Vec::with_capacity(CHUNK_BYTES + 8192);
    Encoder::new(&mut buffer).array(entries.len());
    for entry in entries {
        entry::encode(&mut buffer, &entry.as_entry());
        if buffer.len() >= CHUNK_BYTES {
            hasher.update(&buffer);
            buffer.clear();
        }
    }
    hasher.update(&buffer);
    Blake3::from_bytes(*hasher.finalize().as_bytes())
}

/// Writes a manifest of version 1, from first byte to last; memory grows with the header alone.
///
/// What it wrote without an error, [`super::Manifest::parse`] takes.
///
/// # Errors
/// What `out` says; or, of kind [`io::ErrorKind::InvalidInput`] with a [`ManifestError`] within, that entries or
/// header cannot stand in a manifest: not sorted, not unique, below no directory, beyond a limit. `out` then
/// holds a part that is no manifest.
pub fn write_manifest<E: AsEntry>(
    out: &mut dyn io::Write,
    header: &ManifestHeader,
    entries: impl ExactSizeIterator<Item = E>,
) -> io::Result<ManifestInfo> {
    let mut stream = Stream::new(out);
    let expected = entries.len() as u64;
    check_header(header).and_then(|()| check_count(0, expected)).map_err(invalid)?;

    // Keys in the order of their encoding: the shorter first. So the entries come before everything else.
    Encoder::new(&mut stream.buffer).map(7).text("files");
    stream.pass_on()?;
    stream.content = Some(blake3::Hasher::new());
    Encoder::new(&mut stream.buffer).array(entries.len());
    let (mut order, mut index) = (Order::default(), 0);
    for entry in entries {
        let (entry, offset) = (entry.as_entry(), stream.position());
        entry::check(&entry).map_err(|error| invalid(at(error, offset)))?;
        let is_directory = matches!(entry.body, BodyRef::Directory { .. });
        order.next(entry.path, is_directory).map_err(|disorder| match disorder {
            Disorder::Order => invalid(ManifestError::Order { offset, index }),
            Disorder::Parent => invalid(ManifestError::Parent { offset, index }),
        })?;
        entry::encode(&mut stream.buffer, &entry);
        if stream.buffer.len() >= CHUNK_BYTES {
            stream.pass_on()?;
        }
        index += 1;
    }
    if index != expected {
        return Err(invalid(ManifestError::Count { expected, found: index }));
    }
    stream.pass_on()?;
    let content_digest = stream.content.take().map(|hasher| hasher.finalize()).expect("it was set above");
    let content_digest = Blake3::from_bytes(*content_digest.as_bytes());

    write_header(&mut stream.buffer, header, content_digest);
    stream.pass_on()?;
    Ok(ManifestInfo { digests: stream.digests.finish(), content_digest })
}

/// Hashes what passes through to the writer.
struct Stream<'a> {
    out: &'a mut dyn io::Write,
    buffer: Vec<u8>,
    passed: usize,
    digests: DualHasher,
    /// Over the entries, while they pass.
    content: Option<blake3::Hasher>,
}

impl<'a> Stream<'a> {
    fn new(out: &'a mut dyn io::Write) -> Self {
        let buffer = Vec::with_capacity(CHUNK_BYTES + 8192);
        Self { out, buffer, passed: 0, digests: DualHasher::new(), content: None }
    }

    fn position(&self) -> usize {
        self.passed + self.buffer.len()
    }

    fn pass_on(&mut self) -> io::Result<()> {
        self.digests.update(&self.buffer);
        if let Some(content) = &mut self.content {
            content.update(&self.buffer);
        }
        self.out.write_all(&self.buffer)?;
        self.passed += self.buffer.len();
        self.buffer.clear();
        Ok(())
    }
}

fn invalid(error: ManifestError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

fn at(error: ManifestError, offset: usize) -> ManifestError {
    if let ManifestError::Invalid { key, .. } = error {
        ManifestError::Invalid { offset, key }
    } else {
        error
    }
}

/// Writes the six pairs that follow the entries.
fn write_header(out: &mut Vec<u8>, header: &ManifestHeader, content_digest: Blake3) {
    pair(out, "package", |e| {
        e.map(6);
        e.text("id").text(header.id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
        e.text("name").text(header.name.as_str());
        e.text("version").uint(header.version);
        labels(e.text("metadata"), &header.metadata);
        e.text("created_at").int(header.created_at.as_micros());
        e.text("created_by").text(&header.created_by);
    });
    pair(out, "provenance", |e| labels(e, &header.provenance));
    pair(out, "content_digest", |e| _ = e.bytes(content_digest.as_bytes()));
    pair(out, "manifest_version", |e| _ = e.uint(MANIFEST_VERSION));
    pair(out, "storage_receipts", |e| {
        e.array(header.receipts.len());
        for receipt in &header.receipts {
            e.map(3).text("bytes").uint(receipt.bytes);
            e.text("objects").uint(receipt.objects);
            e.text("backend_id").text(&receipt.backend_id);
        }
    });
    pair(out, "retention_summary", |e| {
        e.map(2).text("class").text(&header.retention.class);
        e.text("duration_seconds").uint_or_null(header.retention.duration_seconds);
    });
}

/// Writes one pair of the outermost map.
fn pair(out: &mut Vec<u8>, key: &str, value: impl FnOnce(&mut Encoder<'_>)) {
    let mut encoder = Encoder::new(out);
    value(encoder.text(key));
}

/// Writes labels with their keys in the order of the encoding, which is not the order of the texts.
fn labels(e: &mut Encoder<'_>, labels: &Labels) {
    let mut sorted: Vec<_> = labels.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| (key.len(), *key));
    e.map(sorted.len());
    for (key, value) in sorted {
        e.text(key).text(value);
    }
}

fn check_header(header: &ManifestHeader) -> Result<(), ManifestError> {
    let invalid = |key| Err(ManifestError::Invalid { offset: 0, key });
    if header.version == 0 || header.version > INTEGER_MAX {
        return invalid("version");
    }
    if header.created_at.as_micros().unsigned_abs() > INTEGER_MAX {
        return invalid("created_at");
    }
    check_len(0, "created_by", header.created_by.len(), TEXT_BYTES_MAX)?;
    for (name, labels) in [("metadata", &header.metadata), ("provenance", &header.provenance)] {
        check_len(0, name, labels.len(), LABELS_MAX)?;
        for (key, value) in labels {
            check_len(0, name, key.len().max(value.len()), LABEL_BYTES_MAX)?;
        }
    }
    check_len(0, "storage_receipts", header.receipts.len(), RECEIPTS_MAX)?;
    if !header.receipts.is_sorted_by(|one, next| one.backend_id < next.backend_id) {
        return invalid("storage_receipts");
    }
    for receipt in &header.receipts {
        check_len(0, "backend_id", receipt.backend_id.len(), TEXT_BYTES_MAX)?;
        if receipt.objects.max(receipt.bytes) > INTEGER_MAX {
            return invalid("storage_receipts");
        }
    }
    check_len(0, "class", header.retention.class.len(), TEXT_BYTES_MAX)?;
    if header.retention.duration_seconds.is_some_and(|seconds| seconds > INTEGER_MAX) {
        return invalid("duration_seconds");
    }
    Ok(())
}
