//! Entries and manifests as canonical CBOR (store-layout.md, "Manifests"), written as a stream and read in place.
//!
//! Nothing here holds the entries of a manifest: the writer takes them from an iterator, the reader checks all
//! of them in one pass and hands them out again from the bytes. Knows no object and no file: whether an entry's
//! bytes exist is not its question.

mod entry;
mod order;
mod read;
mod stream;
#[cfg(test)]
mod tests;
mod write;

use super::cbor::CborError;
use super::model::{ENTRIES_MAX, LABEL_BYTES_MAX};
use super::path::PathError;
use crate::identity::Blake3;

pub(crate) use entry::BodyRef;
pub use entry::{AsEntry, EntryRef, check_entry, decode_entry, encode_entry};
pub use read::{Entries, Manifest};
pub use stream::{ScanError, ScannedManifest, begins_manifest, scan_manifest};
pub use write::{ManifestInfo, content_digest, write_manifest};

/// The manifest version that this build writes and reads.
pub const MANIFEST_VERSION: u64 = 1;
/// The most labels of metadata, and of provenance (part of manifest version 1).
pub const LABELS_MAX: usize = 1024;
/// The most storage receipts of a manifest (part of manifest version 1).
pub const RECEIPTS_MAX: usize = 64;
/// The longest other text in bytes: actor, backend, retention class (part of manifest version 1).
pub const TEXT_BYTES_MAX: usize = LABEL_BYTES_MAX;

/// Why some bytes are not a manifest or an entry, or a value cannot be written as one.
///
/// An offset is the position of the item at fault: in the bytes that were read, or in those written so far.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The bytes are not canonical CBOR, or an item has another type than belongs there.
    #[error("not the canonical CBOR of a manifest")]
    Cbor(#[from] CborError),
    /// A manifest of a later version: canonical, but not to be judged by this build. It is not damage.
    #[error("manifest version {0}, where this build knows version {MANIFEST_VERSION}")]
    Version(u64),
    /// A key that must be there is not.
    #[error("at byte {offset}: {map} without \"{key}\"")]
    Missing {
        /// Where the map begins.
        offset: usize,
        /// What the map describes.
        map: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key that version 1 does not have there.
    #[error("at byte {offset}: a key that does not belong in {map}")]
    UnknownKey {
        /// Where the key's value stands, or the map where the key is one of another kind of entry.
        offset: usize,
        /// What the map describes.
        map: &'static str,
    },
    /// A value of the right type that version 1 does not allow there.
    #[error("at byte {offset}: a value that is not allowed for \"{key}\"")]
    Invalid {
        /// Where the value, or the map that holds it, stands.
        offset: usize,
        /// The key.
        key: &'static str,
    },
    /// More than the limits of version 1 allow.
    #[error("at byte {offset}: \"{key}\" has {found}, where at most {max} are allowed")]
    Limit {
        /// Where it stands.
        offset: usize,
        /// The key.
        key: &'static str,
        /// How many bytes, entries, labels or receipts there are.
        found: u64,
        /// How many there may be.
        max: u64,
    },
    /// A path that could leave its tree, or is too long.
    #[error("at byte {offset}: an unusable path")]
    Path {
        /// Where the entry stands.
        offset: usize,
        /// What is wrong with it.
        source: PathError,
    },
    /// A path that is not above the one before it.
    #[error("at byte {offset}: the path of entry {index} is there twice, or out of order")]
    Order {
        /// Where the entry stands.
        offset: usize,
        /// Which entry, from 0.
        index: u64,
    },
    /// A path whose parent is not a directory entry before it.
    #[error("at byte {offset}: the parent of entry {index} is not a directory before it")]
    Parent {
        /// Where the entry stands.
        offset: usize,
        /// Which entry, from 0.
        index: u64,
    },
    /// The entries do not have the digest that the manifest gives for them.
    #[error("the entries have the digest {found}, where the manifest says {expected}")]
    ContentDigest {
        /// What the manifest says.
        expected: Blake3,
        /// What its entries have.
        found: Blake3,
    },
    /// The iterator did not hold as many entries as it said.
    #[error("{found} entries, where {expected} were announced")]
    Count {
        /// How many it announced.
        expected: u64,
        /// How many came.
        found: u64,
    },
}

/// Checks a number of entries against the limit.
const fn check_count(offset: usize, found: u64) -> Result<(), ManifestError> {
    if found > ENTRIES_MAX {
        return Err(ManifestError::Limit { offset, key: "files", found, max: ENTRIES_MAX });
    }
    Ok(())
}

/// Checks the length of a text against a limit.
fn check_len(offset: usize, key: &'static str, found: usize, max: usize) -> Result<(), ManifestError> {
    if found > max {
        return Err(ManifestError::Limit { offset, key, found: found as u64, max: max as u64 });
    }
    Ok(())
}
