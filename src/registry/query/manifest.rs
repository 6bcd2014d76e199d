//! A manifest's bytes, from whichever of its copies is sound.
//!
//! The object comes first, then the event that carries it, and last what the views know: they hold all that a
//! manifest says, so it can be written again, and its digest tells whether it is the same to the byte.

use std::io;

use super::super::Registry;
use crate::db::{DbError, ReadTx};
use crate::error::Error;
use crate::events::{self, PayloadUnavailable, Payloads};
use crate::identity::Blake3;
use crate::manifest::{Entry, ManifestHeader, Receipt, RetentionSummary, write_manifest};
use crate::views::{EntryPages, ObjectRecord, PackageRow, browse, retention};

impl Registry {
    /// Returns the manifest of a package, checked against its digest.
    pub(in crate::registry) fn manifest_bytes(
        &self,
        tx: &ReadTx<'_>,
        package: &PackageRow,
        digest: &Blake3,
    ) -> Result<Vec<u8>, Error> {
        let unavailable = match self.local.load(digest) {
            Ok(bytes) => return Ok(bytes),
            Err(unavailable) => unavailable,
        };
        let in_log = match package.finalized_sequence {
            Some(sequence) => events::event(tx, sequence)?.and_then(|event| event.payload),
            None => None,
        };
        if let Some(bytes) = in_log.filter(|bytes| Blake3::of(bytes) == *digest) {
            return Ok(bytes);
        }
        rewrite(tx, package, digest)?.ok_or_else(|| unavailable.into())
    }
}

impl Registry {
    /// Returns whether the bytes of an object that is a payload, or a manifest, can be had without its file: from the
    /// event that carries them, or from what the views know.
    pub(in crate::registry) fn has_payload_elsewhere(
        &self,
        tx: &ReadTx<'_>,
        object: &ObjectRecord,
    ) -> Result<bool, Error> {
        let digest = object.digests.blake3;
        let event =
            object.payload_sequence.map(|sequence| events::event(tx, sequence)).transpose()?.flatten();
        if event.and_then(|event| event.payload).is_some_and(|payload| Blake3::of(&payload) == digest) {
            return Ok(true);
        }
        for package in browse::with_manifest(tx, &digest)? {
            if rewrite(tx, &package, &digest)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Payload objects, and manifests among them also where their objects are damaged.
pub(in crate::registry) struct SoundPayloads<'a> {
    pub(in crate::registry) registry: &'a Registry,
    pub(in crate::registry) tx: &'a ReadTx<'a>,
}

impl Payloads for SoundPayloads<'_> {
    fn load(&self, digest: &Blake3) -> Result<Vec<u8>, PayloadUnavailable> {
        self.registry
            .local
            .load(digest)
            .or_else(|unavailable| manifest_from_views(self.tx, digest).ok_or(unavailable))
    }
}

/// Writes the manifest of this digest again from the views, if they hold what it says.
pub(in crate::registry) fn manifest_from_views(tx: &ReadTx<'_>, digest: &Blake3) -> Option<Vec<u8>> {
    let packages = browse::with_manifest(tx, digest).unwrap_or_default();
    packages.iter().find_map(|package| rewrite(tx, package, digest).ok().flatten())
}

/// Writes a manifest again from the views; `None` where that does not give the same digest.
fn rewrite(tx: &ReadTx<'_>, package: &PackageRow, digest: &Blake3) -> Result<Option<Vec<u8>>, DbError> {
    // The class may have changed since, and the manifest says which one it was then: most likely the present one.
    let mut classes = retention::classes(tx)?;
    classes.sort_by_key(|(name, _)| *name != package.class);
    for (class, duration_seconds) in classes {
        let header = ManifestHeader {
            id: package.id,
            name: package.name.clone(),
            version: package.version,
            created_at: package.created_at,
            created_by: package.created_by.clone(),
            metadata: package.metadata.clone(),
            receipts: vec![Receipt {
                backend_id: "local".to_owned(),
                objects: package.totals.objects,
                bytes: package.totals.object_bytes,
            }],
            retention: RetentionSummary { class, duration_seconds },
            provenance: package.provenance.clone(),
        };
        let entries = Counted {
            entries: EntryPages::new(tx, package.tree),
            left: usize::try_from(package.totals.entries).unwrap_or(0),
        };
        let mut bytes = Vec::new();
        let written: io::Result<_> = write_manifest(&mut bytes, &header, entries);
        if written.is_ok_and(|info| info.digests.blake3 == *digest) {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Entries of a number that is known; they end early where the database fails, and the digest tells.
struct Counted<'t, 'c> {
    entries: EntryPages<'t, 'c>,
    left: usize,
}

impl Iterator for Counted<'_, '_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let entry = self.entries.next()?.ok()?;
        self.left = self.left.saturating_sub(1);
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Counted<'_, '_> {}
