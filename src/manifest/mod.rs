//! The description of a package: entries, manifests, and their canonical forms.
//!
//! Pure: values in, values out. Knows no file, no database, no clock.

pub mod cbor;
mod codec;
#[cfg(test)]
mod golden;
mod jcs;
mod list;
mod model;
mod path;
#[cfg(test)]
mod properties;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use cbor::{CborError, CborFault, Decoder, Encoder, Major};
pub(crate) use codec::BodyRef;
pub use codec::{
    AsEntry, Entries, EntryRef, LABELS_MAX, MANIFEST_VERSION, Manifest, ManifestError, ManifestInfo,
    RECEIPTS_MAX, ScanError, ScannedManifest, TEXT_BYTES_MAX, begins_manifest, check_entry, content_digest,
    decode_entry, encode_entry, scan_manifest, write_manifest,
};
pub use jcs::{BYTE_KEYS, JcsError, from_jcs, to_jcs, write_jcs};
pub use list::EntryList;
pub use model::{
    ENTRIES_MAX, Entry, EntryBody, LABEL_BYTES_MAX, Labels, ManifestHeader, Mtime, PackageName,
    ParseNameError, Receipt, RetentionSummary, TARGET_BYTES_MAX,
};
pub use path::{EntryPath, PATH_BYTES_MAX, PathError};
