//! Reading payloads: the fields of a canonical map by name, and what is left over.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::event::PayloadError;
use crate::identity::{Blake3, Sha256};
use crate::manifest::cbor::{Decoder, Encoder};
use crate::manifest::{LABEL_BYTES_MAX, LABELS_MAX, Labels};

/// The fields of a payload. Each known one is taken out; what is left then is unknown to this build.
pub(super) struct Fields<'a> {
    items: BTreeMap<&'a str, &'a [u8]>,
    /// How many more there are, of names that no payload of this build has. A payload may hold a million of them.
    nameless: u64,
}

/// Returns whether some payload, or a map in one, has a field of this name.
fn is_name(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "backend_id"
            | "bytes"
            | "class"
            | "clock_accepted"
            | "detail"
            | "document"
            | "duration"
            | "duration_seconds"
            | "entries"
            | "error"
            | "expected_digest"
            | "expected_head"
            | "expires_at"
            | "failed"
            | "fault"
            | "faults"
            | "first"
            | "format"
            | "head"
            | "head_digest"
            | "hold"
            | "id"
            | "kind"
            | "last"
            | "manifest"
            | "media_type"
            | "metadata"
            | "missing"
            | "mode"
            | "name"
            | "object"
            | "objects"
            | "origin"
            | "package"
            | "packages"
            | "plan"
            | "primary_algorithm"
            | "provenance"
            | "reason"
            | "replace"
            | "retention_class"
            | "retention_classes"
            | "round"
            | "rounds"
            | "sha256"
            | "size"
            | "source"
            | "started"
            | "store_id"
            | "target"
            | "version"
            | "why"
    )
}

impl<'a> Fields<'a> {
    /// Splits a payload, one canonical map and nothing after it, into its fields without copying them.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, PayloadError> {
        let mut input = Decoder::new(payload);
        let fields = Self::read(&mut input)?;
        input.finish()?;
        Ok(fields)
    }

    /// Splits the map that comes next.
    pub(super) fn read(input: &mut Decoder<'a>) -> Result<Self, PayloadError> {
        let (mut items, mut nameless) = (BTreeMap::new(), 0);
        input.map_entries(|key, input| -> Result<(), PayloadError> {
            let item = input.raw_item()?;
            if is_name(key) {
                items.insert(key, item);
            } else {
                nameless += 1;
            }
            Ok(())
        })?;
        Ok(Self { items, nameless })
    }

    /// Takes a field that may be absent.
    pub(super) fn maybe(&mut self, name: &'static str) -> Option<Field<'a>> {
        debug_assert!(is_name(name), "{name} is missing in the list of names");
        self.items.remove(name).map(|item| Field { name, item })
    }

    /// Takes a field that must be there.
    pub(super) fn take(&mut self, name: &'static str) -> Result<Field<'a>, PayloadError> {
        self.maybe(name).ok_or(PayloadError::Missing { field: name })
    }

    /// Passes over a field that no view needs, so that it does not count as unknown.
    pub(super) fn pass(&mut self, name: &'static str) {
        self.items.remove(name);
    }

    /// Returns how many fields nobody took.
    pub(super) fn rest(self) -> u64 {
        self.items.len() as u64 + self.nameless
    }
}

/// One field of a payload: its canonical bytes.
pub(super) struct Field<'a> {
    name: &'static str,
    item: &'a [u8],
}

impl<'a> Field<'a> {
    fn bad(&self) -> PayloadError {
        PayloadError::Field { field: self.name }
    }

    /// Reads the field with a decoder of the right kind.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<T, PayloadError>,
    ) -> Result<T, PayloadError> {
        let mut input = Decoder::new(self.item);
        let value = read(&mut input)?;
        input.finish()?;
        Ok(value)
    }

    pub(super) fn text(&self) -> Result<&'a str, PayloadError> {
        self.with(|input| input.text().map_err(|_| self.bad()))
    }

    pub(super) fn string(&self) -> Result<String, PayloadError> {
        self.text().map(str::to_owned)
    }

    pub(super) fn uint(&self) -> Result<u64, PayloadError> {
        self.with(|input| input.uint().map_err(|_| self.bad()))
    }

    pub(super) fn int(&self) -> Result<i64, PayloadError> {
        self.with(|input| input.int().map_err(|_| self.bad()))
    }

    pub(super) fn truth(&self) -> Result<bool, PayloadError> {
        self.with(|input| input.bool().map_err(|_| self.bad()))
    }

    pub(super) fn bytes(&self) -> Result<&'a [u8], PayloadError> {
        self.with(|input| input.bytes().map_err(|_| self.bad()))
    }

    pub(super) fn blake3(&self) -> Result<Blake3, PayloadError> {
        Blake3::from_slice(self.bytes()?).ok_or_else(|| self.bad())
    }

    pub(super) fn sha256(&self) -> Result<Sha256, PayloadError> {
        Sha256::from_slice(self.bytes()?).ok_or_else(|| self.bad())
    }

    pub(super) fn id(&self) -> Result<Uuid, PayloadError> {
        let text = self.text()?;
        let id = Uuid::try_parse(text).map_err(|_| self.bad())?;
        // One spelling only: what is parsed prints the same.
        if id.hyphenated().to_string() == text { Ok(id) } else { Err(self.bad()) }
    }

    /// Returns `None` for null.
    pub(super) fn optional<T>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, PayloadError>,
    ) -> Result<Option<T>, PayloadError> {
        if self.item == [0xf6] { Ok(None) } else { read(self).map(Some) }
    }

    pub(super) fn labels(&self) -> Result<Labels, PayloadError> {
        self.with(|input| {
            // As in a manifest (store-layout.md 9.7), which the package cannot have otherwise.
            let count = input.clone().map().map_err(|_| self.bad())?;
            if count > LABELS_MAX as u64 {
                return Err(self.bad());
            }
            let labels = read_labels(input)?;
            let fits = |text: &String| text.len() <= LABEL_BYTES_MAX;
            if labels.iter().all(|(key, value)| fits(key) && fits(value)) {
                Ok(labels)
            } else {
                Err(self.bad())
            }
        })
    }

    /// Reads an array, item by item.
    pub(super) fn list<T>(
        &self,
        mut read: impl FnMut(&mut Decoder<'a>) -> Result<T, PayloadError>,
    ) -> Result<Vec<T>, PayloadError> {
        self.with(|input| {
            let count = input.array().map_err(|_| self.bad())?;
            (0..count).map(|_| read(input)).collect()
        })
    }

    /// Returns the bytes of the field, for those that read it piece by piece.
    pub(super) const fn raw(&self) -> &'a [u8] {
        self.item
    }
}

/// Reads a map of text to text.
pub(crate) fn read_labels(input: &mut Decoder<'_>) -> Result<Labels, PayloadError> {
    let mut labels = Labels::new();
    input.map_entries(|key, input| -> Result<(), PayloadError> {
        labels.insert(key.to_owned(), input.text()?.to_owned());
        Ok(())
    })?;
    Ok(labels)
}

/// Writes a map of text to text, its keys in the order of their encodings (RFC 8949 §4.2.1).
pub(crate) fn write_labels(out: &mut Encoder<'_>, labels: &Labels) {
    let mut sorted: Vec<_> = labels.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    out.map(sorted.len());
    for (key, value) in sorted {
        out.text(key);
        out.text(value);
    }
}
