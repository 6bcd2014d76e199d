//! Writing payloads: one function a type, each the inverse of what [`super::decode`] reads.

use std::borrow::Borrow;

use uuid::Uuid;

use super::event::{PinTarget, PurgedObject, RecordedFault};
use super::fields::write_labels;
use crate::env::Timestamp;
use crate::identity::{Blake3, Digests};
use crate::manifest::cbor::Encoder;
use crate::manifest::{Entry, Labels, PackageName, encode_entry};

/// A canonical map in the making: its keys come out in the order of their encodings, whatever order they are
/// given in (RFC 8949 §4.2.1).
#[derive(Default)]
struct Map {
    items: Vec<(&'static str, Vec<u8>)>,
}

impl Map {
    fn with(mut self, key: &'static str, write: impl FnOnce(&mut Encoder<'_>)) -> Self {
        let mut bytes = Vec::new();
        write(&mut Encoder::new(&mut bytes));
        self.items.push((key, bytes));
        self
    }

    fn with_bytes(mut self, key: &'static str, bytes: Vec<u8>) -> Self {
        self.items.push((key, bytes));
        self
    }

    fn text(self, key: &'static str, value: &str) -> Self {
        self.with(key, |out| done(out.text(value)))
    }

    fn maybe_text(self, key: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    fn uint(self, key: &'static str, value: u64) -> Self {
        self.with(key, |out| done(out.uint(value)))
    }

    fn digest(self, key: &'static str, value: &Blake3) -> Self {
        self.with(key, |out| done(out.bytes(value.as_bytes())))
    }

    fn write(mut self, into: &mut Vec<u8>) {
        self.items.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        Encoder::new(into).map(self.items.len());
        for (key, bytes) in self.items {
            Encoder::new(into).text(key);
            into.extend_from_slice(&bytes);
        }
    }

    fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }
}

/// Ends a chain of calls on an encoder where nothing is to be returned.
fn done(_: &mut Encoder<'_>) {}

fn array<T>(items: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).array(items.len());
    for item in items {
        write(&mut bytes, item);
    }
    bytes
}

/// `v1.store.created`
pub fn store_created(store_id: Uuid, classes: &[(String, Option<u64>)]) -> Vec<u8> {
    let classes = array(classes.iter(), |out, (name, duration)| {
        let map = Map::default().text("name", name);
        let map = map.with("duration_seconds", |out| done(out.uint_or_null(*duration)));
        map.write(out);
    });
    Map::default()
        .uint("format", 1)
        .text("store_id", &store_id.to_string())
        .text("primary_algorithm", "blake3")
        .with_bytes("retention_classes", classes)
        .finish()
}

/// `v1.package.created`
pub fn package_created(
    id: Uuid,
    name: &PackageName,
    version: u64,
    class: &str,
    metadata: &Labels,
    provenance: &Labels,
) -> Vec<u8> {
    Map::default()
        .text("id", &id.to_string())
        .text("name", name.as_str())
        .uint("version", version)
        .text("retention_class", class)
        .with("metadata", |out| write_labels(out, metadata))
        .with("provenance", |out| write_labels(out, provenance))
        .finish()
}

/// `v1.objects.stored`; `objects` ascend by address.
pub fn objects_stored(backend_id: &str, objects: &[Digests]) -> Vec<u8> {
    let objects = array(objects.iter(), |out, object| {
        let mut out = Encoder::new(out);
        out.array(3);
        out.bytes(object.blake3.as_bytes());
        out.bytes(object.sha256.as_bytes());
        out.uint(object.size_bytes);
    });
    Map::default().text("backend_id", backend_id).with_bytes("objects", objects).finish()
}

/// `v1.package.entries_added`; `entries` ascend by path.
pub fn entries_added<E: Borrow<Entry>>(
    backend_id: &str,
    entries: impl ExactSizeIterator<Item = E>,
    replace: bool,
) -> Vec<u8> {
    // Not by way of a map in the making, which would hold a million entries three times. The keys stand in the order
    // of their encoding: the shorter first.
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).map(if replace { 3 } else { 2 }).text("entries").array(entries.len());
    for entry in entries {
        encode_entry(&mut bytes, entry.borrow());
    }
    let mut rest = Encoder::new(&mut bytes);
    if replace {
        rest.text("replace").bool(true);
    }
    rest.text("backend_id").text(backend_id);
    bytes
}

/// `v1.package.removed`
pub fn package_removed(reason: &str) -> Vec<u8> {
    Map::default().text("reason", reason).finish()
}

/// `v1.package.restored`
pub fn package_restored(reason: Option<&str>) -> Vec<u8> {
    Map::default().maybe_text("reason", reason).finish()
}

/// `v1.package.imported`
pub fn package_imported(manifest: &[u8], origin: &str) -> Vec<u8> {
    // Not by way of a map in the making, which would hold a large manifest three times.
    let mut bytes = Vec::with_capacity(manifest.len() + origin.len() + 64);
    let mut out = Encoder::new(&mut bytes);
    out.map(2).text("origin").text(origin).text("manifest").bytes(manifest);
    bytes
}

/// `v1.pin.added`
pub fn pin_added(name: &str, target: PinTarget, reason: Option<&str>) -> Vec<u8> {
    let target = match target {
        PinTarget::Package(id) => Map::default().text("package", &id.to_string()),
        PinTarget::Object(address) => Map::default().digest("object", &address),
    };
    Map::default()
        .text("name", name)
        .with_bytes("target", target.finish())
        .maybe_text("reason", reason)
        .finish()
}

/// `v1.pin.removed`
pub fn pin_removed(name: &str, reason: Option<&str>) -> Vec<u8> {
    Map::default().text("name", name).maybe_text("reason", reason).finish()
}

/// `v1.retention.changed`; the inner `None` of an expiry is never.
pub fn retention_changed(
    class: Option<&str>,
    expires_at: Option<Option<Timestamp>>,
    hold: Option<bool>,
    reason: &str,
) -> Vec<u8> {
    let mut map = Map::default().maybe_text("class", class).text("reason", reason);
    if let Some(expiry) = expires_at {
        map = map.with("expires_at", |out| {
            match expiry {
                Some(instant) => out.int(instant.as_micros()),
                None => out.null(),
            };
        });
    }
    if let Some(hold) = hold {
        map = map.with("hold", |out| done(out.bool(hold)));
    }
    map.finish()
}

/// What a `v1.gc.started` says beside its objects.
#[derive(Clone, Debug)]
pub struct GcStart<'a> {
    /// The plan's word.
    pub plan: &'a str,
    /// Which round, from 1.
    pub round: u64,
    /// Of how many.
    pub rounds: u64,
    /// Why.
    pub reason: Option<&'a str>,
    /// Whether a clock that looks wrong was accepted.
    pub clock_accepted: bool,
    /// Expired packages that lose an object.
    pub packages: &'a [Uuid],
}

/// `v1.gc.started`; `objects` ascend by address.
pub fn gc_started(start: &GcStart<'_>, objects: &[PurgedObject]) -> Vec<u8> {
    let objects = array(objects.iter(), |out, object| {
        Map::default()
            .digest("address", &object.address)
            .uint("size", object.size_bytes)
            .text("why", &object.why)
            .write(out);
    });
    let packages = array(start.packages.iter(), |out, id| done(Encoder::new(out).text(&id.to_string())));
    let map = Map::default()
        .text("plan", start.plan)
        .uint("round", start.round)
        .uint("rounds", start.rounds)
        .maybe_text("reason", start.reason)
        .with_bytes("packages", packages)
        .with_bytes("objects", objects);
    if start.clock_accepted { map.with("clock_accepted", |out| done(out.bool(true))) } else { map }.finish()
}

/// What a `v1.gc.completed` says.
#[derive(Clone, Debug)]
pub struct GcEnd<'a> {
    /// The sequence of its start.
    pub started: u64,
    /// Objects deleted.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was missing already, ascending.
    pub missing: &'a [Blake3],
    /// What could not be deleted and why, ascending.
    pub failed: &'a [(Blake3, String)],
    /// How long it took.
    pub duration_micros: u64,
}

/// `v1.gc.completed`
pub fn gc_completed(end: &GcEnd<'_>) -> Vec<u8> {
    let missing = array(end.missing.iter(), |out, address| done(Encoder::new(out).bytes(address.as_bytes())));
    let failed = array(end.failed.iter(), |out, (address, error)| {
        Map::default().digest("address", address).text("error", error).write(out);
    });
    Map::default()
        .uint("started", end.started)
        .uint("objects", end.objects)
        .uint("bytes", end.bytes)
        .with_bytes("missing", missing)
        .with_bytes("failed", failed)
        .uint("duration", end.duration_micros)
        .finish()
}

/// `v1.object.healed`
pub fn object_healed(object: &Digests, backend_id: &str, fault: &str, source: &str) -> Vec<u8> {
    Map::default()
        .digest("address", &object.blake3)
        .with("sha256", |out| done(out.bytes(object.sha256.as_bytes())))
        .uint("size", object.size_bytes)
        .text("backend_id", backend_id)
        .text("fault", fault)
        .text("source", source)
        .finish()
}

/// `v1.schema.registered`
pub fn schema_registered(name: &PackageName, version: u64, media_type: &str, document: &[u8]) -> Vec<u8> {
    Map::default()
        .text("name", name.as_str())
        .uint("version", version)
        .text("media_type", media_type)
        .with("document", |out| done(out.bytes(document)))
        .finish()
}

/// What a `v1.verify.completed` says beside its faults.
#[derive(Clone, Debug)]
pub struct VerifyEnd<'a> {
    /// The head when it began.
    pub head: u64,
    /// That event's digest.
    pub head_digest: Blake3,
    /// `full`, `quick` or `both`.
    pub mode: &'a str,
    /// The range of keys, both inclusive; `None` where packages were named.
    pub range: Option<(Blake3, Blake3)>,
    /// The event that somebody had written down, and the digest that they had for it.
    pub expected: Option<(u64, Blake3)>,
    /// Objects looked at.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// `v1.verify.completed`
pub fn verify_completed(end: &VerifyEnd<'_>, faults: &[RecordedFault]) -> Vec<u8> {
    let faults = array(faults.iter(), |out, fault| {
        let mut map = Map::default()
            .text("kind", &fault.kind)
            .maybe_text("name", fault.name.as_deref())
            .maybe_text("detail", fault.detail.as_deref());
        if let Some(address) = &fault.address {
            map = map.digest("address", address);
        }
        map.write(out);
    });
    let mut map = Map::default()
        .uint("head", end.head)
        .digest("head_digest", &end.head_digest)
        .text("mode", end.mode)
        .uint("objects", end.objects)
        .uint("bytes", end.bytes)
        .with_bytes("faults", faults);
    if let Some((first, last)) = &end.range {
        map = map.digest("first", first).digest("last", last);
    }
    if let Some((sequence, digest)) = &end.expected {
        map = map.uint("expected_head", *sequence).digest("expected_digest", digest);
    }
    map.finish()
}
