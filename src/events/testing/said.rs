//! Events as tests say them: everything that a payload of each type can hold, written and compared with what was
//! read. What `decode` passes over, because no view needs it, is said here as well.

use uuid::Uuid;

use super::super::payload::{self, GcEnd, GcStart, VerifyEnd};
use super::super::{Decoded, Event, EventType, Items, PayloadError, PinTarget, PurgedObject, RecordedFault};
use crate::env::Timestamp;
use crate::identity::{Blake3, Digests, Sha256};
use crate::manifest::testing::{Chance, entries, manifest_bytes};
use crate::manifest::{Entry, Labels, PackageName};

/// One event's payload before it is written.
#[derive(Clone, Debug)]
pub(in crate::events) enum Said {
    StoreCreated {
        store_id: Uuid,
        classes: Vec<(String, Option<u64>)>,
    },
    PackageCreated {
        id: Uuid,
        name: PackageName,
        version: u64,
        class: String,
        metadata: Labels,
        provenance: Labels,
    },
    ObjectsStored {
        backend_id: String,
        objects: Vec<Digests>,
    },
    EntriesAdded {
        backend_id: String,
        entries: Vec<Entry>,
        replace: bool,
    },
    PackageFinalized {
        manifest: Vec<u8>,
    },
    PackageRemoved {
        reason: String,
    },
    PackageRestored {
        reason: Option<String>,
    },
    PackageImported {
        manifest: Vec<u8>,
        origin: String,
    },
    PinAdded {
        name: String,
        target: PinTarget,
        reason: Option<String>,
    },
    PinRemoved {
        name: String,
        reason: Option<String>,
    },
    RetentionChanged {
        class: Option<String>,
        expires_at: Option<Option<Timestamp>>,
        hold: Option<bool>,
        reason: String,
    },
    GcStarted {
        plan: String,
        round: u64,
        rounds: u64,
        reason: Option<String>,
        clock_accepted: bool,
        packages: Vec<Uuid>,
        objects: Vec<PurgedObject>,
    },
    GcCompleted {
        started: u64,
        objects: u64,
        bytes: u64,
        missing: Vec<Blake3>,
        failed: Vec<(Blake3, String)>,
        duration_micros: u64,
    },
    ObjectHealed {
        object: Digests,
        backend_id: String,
        fault: String,
        source: String,
    },
    VerifyCompleted {
        head: u64,
        head_digest: Blake3,
        mode: String,
        range: Option<(Blake3, Blake3)>,
        expected: Option<(u64, Blake3)>,
        objects: u64,
        bytes: u64,
        faults: Vec<RecordedFault>,
    },
    SchemaRegistered {
        name: PackageName,
        version: u64,
        media_type: String,
        document: Vec<u8>,
    },
}

impl Said {
    pub(in crate::events) fn event_type(&self) -> EventType {
        match self {
            Self::StoreCreated { .. } => EventType::StoreCreated,
            Self::PackageCreated { .. } => EventType::PackageCreated,
            Self::ObjectsStored { .. } => EventType::ObjectsStored,
            Self::EntriesAdded { .. } => EventType::EntriesAdded,
            Self::PackageFinalized { .. } => EventType::PackageFinalized,
            Self::PackageRemoved { .. } => EventType::PackageRemoved,
            Self::PackageRestored { .. } => EventType::PackageRestored,
            Self::PackageImported { .. } => EventType::PackageImported,
            Self::PinAdded { .. } => EventType::PinAdded,
            Self::PinRemoved { .. } => EventType::PinRemoved,
            Self::RetentionChanged { .. } => EventType::RetentionChanged,
            Self::GcStarted { .. } => EventType::GcStarted,
            Self::GcCompleted { .. } => EventType::GcCompleted,
            Self::ObjectHealed { .. } => EventType::ObjectHealed,
            Self::VerifyCompleted { .. } => EventType::VerifyCompleted,
            Self::SchemaRegistered { .. } => EventType::SchemaRegistered,
        }
    }

    /// Returns the payload.
    pub(in crate::events) fn write(&self) -> Vec<u8> {
        match self.clone() {
            Self::StoreCreated { store_id, classes } => payload::store_created(store_id, &classes),
            Self::PackageCreated { id, name, version, class, metadata, provenance } => {
                payload::package_created(id, &name, version, &class, &metadata, &provenance)
            }
            Self::ObjectsStored { backend_id, objects } => payload::objects_stored(&backend_id, &objects),
            Self::EntriesAdded { backend_id, entries, replace } => {
                payload::entries_added(&backend_id, entries.iter(), replace)
            }
            Self::PackageFinalized { manifest } => manifest,
            Self::PackageRemoved { reason } => payload::package_removed(&reason),
            Self::PackageRestored { reason } => payload::package_restored(reason.as_deref()),
            Self::PackageImported { manifest, origin } => payload::package_imported(&manifest, &origin),
            Self::PinAdded { name, target, reason } => payload::pin_added(&name, target, reason.as_deref()),
            Self::PinRemoved { name, reason } => payload::pin_removed(&name, reason.as_deref()),
            Self::RetentionChanged { class, expires_at, hold, reason } => {
                payload::retention_changed(class.as_deref(), expires_at, hold, &reason)
            }
            Self::GcStarted { plan, round, rounds, reason, clock_accepted, packages, objects } => {
                let (plan, reason, packages) = (plan.as_str(), reason.as_deref(), packages.as_slice());
                let start = GcStart { plan, round, rounds, reason, clock_accepted, packages };
                payload::gc_started(&start, &objects)
            }
            Self::GcCompleted { started, objects, bytes, missing, failed, duration_micros } => {
                let (missing, failed) = (missing.as_slice(), failed.as_slice());
                payload::gc_completed(&GcEnd { started, objects, bytes, missing, failed, duration_micros })
            }
            Self::ObjectHealed { object, backend_id, fault, source } => {
                payload::object_healed(&object, &backend_id, &fault, &source)
            }
            Self::SchemaRegistered { name, version, media_type, document } => {
                payload::schema_registered(&name, version, &media_type, &document)
            }
            Self::VerifyCompleted { head, head_digest, mode, range, expected, objects, bytes, faults } => {
                let mode = mode.as_str();
                let end = VerifyEnd { head, head_digest, mode, range, expected, objects, bytes };
                payload::verify_completed(&end, &faults)
            }
        }
    }

    /// Says again what was read. What `decode` passes over is taken from `self`; all else comes from the event.
    pub(in crate::events) fn read_again(&self, decoded: Decoded<'_>) -> Result<Self, PayloadError> {
        Ok(match (decoded.event, self.clone()) {
            (Event::StoreCreated { store_id, classes }, _) => Self::StoreCreated { store_id, classes },
            (Event::PackageCreated { id, name, version, class, metadata, provenance }, _) => {
                Self::PackageCreated { id, name, version, class, metadata, provenance }
            }
            (Event::ObjectsStored { backend_id, objects }, _) => {
                Self::ObjectsStored { backend_id: backend_id.to_owned(), objects: all(&objects)? }
            }
            (Event::EntriesAdded { backend_id, entries, replace }, _) => {
                Self::EntriesAdded { backend_id: backend_id.to_owned(), entries: all(&entries)?, replace }
            }
            (Event::PackageFinalized { manifest }, _) => {
                let mut bytes = Vec::new();
                let entries: Vec<Entry> = manifest.entries().collect();
                let written = crate::manifest::write_manifest(&mut bytes, manifest.header(), entries.iter());
                written.expect("a Vec takes it");
                Self::PackageFinalized { manifest: bytes }
            }
            (Event::PackageRemoved { reason }, _) => Self::PackageRemoved { reason },
            (Event::PackageRestored { reason }, _) => Self::PackageRestored { reason },
            (Event::PackageImported { manifest_bytes, origin, .. }, _) => {
                Self::PackageImported { manifest: manifest_bytes.to_owned(), origin }
            }
            (Event::SchemaRegistered { name, version, media_type, document }, _) => Self::SchemaRegistered {
                name,
                version,
                media_type: media_type.to_owned(),
                document: document.to_owned(),
            },
            (Event::PinAdded { name, target, reason }, _) => Self::PinAdded { name, target, reason },
            (Event::PinRemoved { name }, Self::PinRemoved { reason, .. }) => {
                Self::PinRemoved { name, reason }
            }
            (Event::RetentionChanged { class, expires_at, hold, reason }, _) => {
                Self::RetentionChanged { class, expires_at, hold, reason }
            }
            (
                Event::GcStarted { plan, round, rounds, reason, packages, objects },
                Self::GcStarted { clock_accepted, .. },
            ) => Self::GcStarted {
                plan,
                round,
                rounds,
                reason,
                clock_accepted,
                packages,
                objects: all(&objects)?,
            },
            (
                Event::GcCompleted { started, objects, bytes, missing: gone, failed: not, duration_micros },
                Self::GcCompleted { .. },
            ) => {
                let missing = all(&gone)?;
                let failed = all(&not)?.into_iter().map(|object| (object.address, object.error)).collect();
                Self::GcCompleted { started, objects, bytes, missing, failed, duration_micros }
            }
            (Event::ObjectHealed { object, backend_id, fault }, Self::ObjectHealed { source, .. }) => {
                Self::ObjectHealed { object, backend_id: backend_id.to_owned(), fault, source }
            }
            (
                Event::VerifyCompleted {
                    head,
                    mode,
                    first,
                    last,
                    expected_head,
                    expected_digest,
                    objects,
                    bytes,
                    faults,
                },
                Self::VerifyCompleted { head_digest, .. },
            ) => Self::VerifyCompleted {
                head,
                head_digest,
                mode,
                range: first.zip(last),
                expected: expected_head.zip(expected_digest),
                objects,
                bytes,
                faults: all(&faults)?,
            },
            (event, said) => panic!("{said:?} was read as {event:?}"),
        })
    }

    /// Returns a payload of this type out of chance.
    pub(in crate::events) fn by_chance(event_type: EventType, chance: &mut Chance) -> Self {
        let flip = |chance: &mut Chance| chance.below(2) == 0;
        match event_type {
            EventType::StoreCreated => Self::StoreCreated {
                store_id: id(chance),
                classes: some(chance, |chance| (chance.text(), maybe(chance, Chance::integer))),
            },
            EventType::PackageCreated => Self::PackageCreated {
                id: id(chance),
                name: chance.pick(&["a", "build-1.2+3", "_", "Z"]).parse().expect("a name"),
                version: chance.integer(),
                class: chance.text(),
                metadata: chance.labels(),
                provenance: chance.labels(),
            },
            EventType::ObjectsStored => {
                Self::ObjectsStored { backend_id: chance.text(), objects: some(chance, object) }
            }
            EventType::EntriesAdded => {
                let paths = chance.below(12);
                Self::EntriesAdded {
                    backend_id: chance.text(),
                    entries: entries(chance, paths),
                    replace: flip(chance),
                }
            }
            EventType::PackageFinalized => Self::PackageFinalized { manifest: manifest_bytes(chance.next()) },
            EventType::PackageRemoved => Self::PackageRemoved { reason: chance.text() },
            EventType::PackageRestored => Self::PackageRestored { reason: maybe(chance, Chance::text) },
            EventType::PackageImported => {
                Self::PackageImported { manifest: manifest_bytes(chance.next()), origin: chance.text() }
            }
            EventType::PinAdded => Self::PinAdded {
                name: chance.text(),
                target: if flip(chance) {
                    PinTarget::Package(id(chance))
                } else {
                    PinTarget::Object(blake3(chance))
                },
                reason: maybe(chance, Chance::text),
            },
            EventType::PinRemoved => {
                Self::PinRemoved { name: chance.text(), reason: maybe(chance, Chance::text) }
            }
            EventType::RetentionChanged => Self::RetentionChanged {
                class: maybe(chance, Chance::text),
                expires_at: maybe(chance, |chance| {
                    maybe(chance, |chance| Timestamp::from_micros(chance.signed()))
                }),
                hold: maybe(chance, flip),
                reason: chance.text(),
            },
            EventType::GcStarted => Self::GcStarted {
                plan: chance.text(),
                round: chance.integer(),
                rounds: chance.integer(),
                reason: maybe(chance, Chance::text),
                clock_accepted: flip(chance),
                packages: some(chance, id),
                objects: some(chance, |chance| PurgedObject {
                    address: blake3(chance),
                    size_bytes: chance.integer(),
                    why: chance.text(),
                }),
            },
            EventType::GcCompleted => Self::GcCompleted {
                started: chance.integer(),
                objects: chance.integer(),
                bytes: chance.integer(),
                missing: some(chance, blake3),
                failed: some(chance, |chance| (blake3(chance), chance.text())),
                duration_micros: chance.integer(),
            },
            EventType::ObjectHealed => Self::ObjectHealed {
                object: object(chance),
                backend_id: chance.text(),
                fault: chance.text(),
                source: chance.text(),
            },
            EventType::SchemaRegistered => Self::SchemaRegistered {
                name: chance.pick(&["a", "release-2.0"]).parse().expect("a name"),
                version: chance.integer(),
                media_type: chance.text(),
                document: chance.text().into_bytes(),
            },
            EventType::VerifyCompleted => Self::VerifyCompleted {
                head: chance.integer(),
                head_digest: blake3(chance),
                mode: chance.text(),
                range: maybe(chance, |chance| (blake3(chance), blake3(chance))),
                expected: maybe(chance, |chance| (chance.integer(), blake3(chance))),
                objects: chance.integer(),
                bytes: chance.integer(),
                faults: some(chance, |chance| RecordedFault {
                    kind: chance.text(),
                    address: maybe(chance, blake3),
                    name: maybe(chance, Chance::text),
                    detail: maybe(chance, Chance::text),
                }),
            },
        }
    }
}

/// Returns all items of a list.
fn all<T>(items: &Items<'_, T>) -> Result<Vec<T>, PayloadError> {
    let mut found = Vec::new();
    items.each(|item| -> Result<(), PayloadError> {
        found.push(item);
        Ok(())
    })?;
    assert_eq!(items.count()?, found.len() as u64);
    Ok(found)
}

fn maybe<T>(chance: &mut Chance, make: impl FnOnce(&mut Chance) -> T) -> Option<T> {
    (chance.below(2) == 0).then(|| make(chance))
}

fn some<T>(chance: &mut Chance, mut make: impl FnMut(&mut Chance) -> T) -> Vec<T> {
    (0..chance.below(5)).map(|_| make(chance)).collect()
}

fn id(chance: &mut Chance) -> Uuid {
    Uuid::from_u64_pair(chance.next(), chance.next())
}

fn blake3(chance: &mut Chance) -> Blake3 {
    Blake3::from_bytes(chance.digest())
}

fn object(chance: &mut Chance) -> Digests {
    let sha256 = Sha256::from_bytes(chance.digest());
    Digests { blake3: blake3(chance), sha256, size_bytes: chance.integer() }
}
