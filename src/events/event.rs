//! Events by type: what each payload says. store-layout.md, "Payloads", has the table.
//!
//! Lists that can be long stay in their bytes and are read item by item: an add of a million files is
//! replayed without a million values in memory.

use uuid::Uuid;

use super::fields::{Field, Fields};
use super::record::Record;
use crate::env::Timestamp;
use crate::identity::{Blake3, Digests};
use crate::manifest::cbor::{CborError, Decoder};
use crate::manifest::{Entry, Labels, Manifest, ManifestError, PackageName, decode_entry};

/// A payload larger than this many bytes is an object under its digest, and stands as NULL in the database and
/// as null in `log/`.
pub const INLINE_PAYLOAD_BYTES_MAX: usize = 65_536;

/// Why a payload of a type that this build knows cannot be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// It is not canonical CBOR.
    #[error("the payload is not canonical: {0}")]
    Cbor(#[from] CborError),
    /// It is not a manifest.
    #[error("the payload's manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// A field that every version has is not there.
    #[error("the payload has no field {field:?}")]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// A field has another type or range than the format prescribes.
    #[error("the payload's field {field:?} is not of its type")]
    Field {
        /// Which.
        field: &'static str,
    },
}

/// The type of an event, as text in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// `v1.store.created`
    StoreCreated,
    /// `v1.package.created`
    PackageCreated,
    /// `v1.objects.stored`
    ObjectsStored,
    /// `v1.package.entries_added`
    EntriesAdded,
    /// `v1.package.finalized`
    PackageFinalized,
    /// `v1.package.removed`
    PackageRemoved,
    /// `v1.package.restored`
    PackageRestored,
    /// `v1.package.imported`
    PackageImported,
    /// `v1.pin.added`
    PinAdded,
    /// `v1.pin.removed`
    PinRemoved,
    /// `v1.retention.changed`
    RetentionChanged,
    /// `v1.gc.started`
    GcStarted,
    /// `v1.gc.completed`
    GcCompleted,
    /// `v1.object.healed`
    ObjectHealed,
    /// `v1.verify.completed`
    VerifyCompleted,
    /// `v1.schema.registered`
    SchemaRegistered,
}

impl EventType {
    /// Every type that this build understands.
    pub const ALL: [Self; 16] = [
        Self::StoreCreated,
        Self::PackageCreated,
        Self::ObjectsStored,
        Self::EntriesAdded,
        Self::PackageFinalized,
        Self::PackageRemoved,
        Self::PackageRestored,
        Self::PackageImported,
        Self::PinAdded,
        Self::PinRemoved,
        Self::RetentionChanged,
        Self::GcStarted,
        Self::GcCompleted,
        Self::ObjectHealed,
        Self::VerifyCompleted,
        Self::SchemaRegistered,
    ];

    /// Returns the text that stands in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StoreCreated => "v1.store.created",
            Self::PackageCreated => "v1.package.created",
            Self::ObjectsStored => "v1.objects.stored",
            Self::EntriesAdded => "v1.package.entries_added",
            Self::PackageFinalized => "v1.package.finalized",
            Self::PackageRemoved => "v1.package.removed",
            Self::PackageRestored => "v1.package.restored",
            Self::PackageImported => "v1.package.imported",
            Self::PinAdded => "v1.pin.added",
            Self::PinRemoved => "v1.pin.removed",
            Self::RetentionChanged => "v1.retention.changed",
            Self::GcStarted => "v1.gc.started",
            Self::GcCompleted => "v1.gc.completed",
            Self::ObjectHealed => "v1.object.healed",
            Self::VerifyCompleted => "v1.verify.completed",
            Self::SchemaRegistered => "v1.schema.registered",
        }
    }

    /// Returns the kind of subject that events of this type have.
    pub const fn subject_kind(self) -> &'static str {
        match self {
            Self::StoreCreated => "store",
            Self::ObjectsStored => "add",
            Self::PackageCreated
            | Self::EntriesAdded
            | Self::PackageFinalized
            | Self::PackageRemoved
            | Self::PackageRestored
            | Self::PackageImported
            | Self::RetentionChanged => "package",
            Self::PinAdded | Self::PinRemoved => "pin",
            Self::GcStarted | Self::GcCompleted => "gc",
            Self::ObjectHealed => "object",
            Self::VerifyCompleted => "verify",
            Self::SchemaRegistered => "schema",
        }
    }

    /// Returns the type of this name, or `None` where this build does not know it.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// What a pin keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinTarget {
    /// All that a package reaches.
    Package(Uuid),
    /// One object.
    Object(Blake3),
}

/// One thing that a verify found, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFault {
    /// The word for it.
    pub kind: String,
    /// The object, where it is about one.
    pub address: Option<Blake3>,
    /// The file, event or table, where it is not.
    pub name: Option<String>,
    /// More, for people.
    pub detail: Option<String>,
}

/// A list of a payload that is read item by item.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a, T> {
    item: &'a [u8],
    read: fn(&mut Decoder<'a>) -> Result<T, PayloadError>,
}

impl<'a, T> Items<'a, T> {
    fn new(field: &Field<'a>, read: fn(&mut Decoder<'a>) -> Result<T, PayloadError>) -> Self {
        Self { item: field.raw(), read }
    }

    /// Hands each item to `each`, in order.
    ///
    /// # Errors
    /// [`PayloadError`] where an item is not of its type, and whatever `each` returns.
    pub fn each<E: From<PayloadError>>(&self, mut each: impl FnMut(T) -> Result<(), E>) -> Result<(), E> {
        let mut input = Decoder::new(self.item);
        let count = input.array().map_err(PayloadError::from)?;
        for _ in 0..count {
            each((self.read)(&mut input)?)?;
        }
        Ok(())
    }

    /// Returns how many items there are.
    ///
    /// # Errors
    /// [`PayloadError`] where it is not a list.
    pub fn count(&self) -> Result<u64, PayloadError> {
        Ok(Decoder::new(self.item).array()?)
    }
}

/// An object that a gc round purges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgedObject {
    /// Which.
    pub address: Blake3,
    /// Its size.
    pub size_bytes: u64,
    /// Why it may go.
    pub why: String,
}

/// An object that a gc round purged, and whose file it could not delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndeletedObject {
    /// Which.
    pub address: Blake3,
    /// What the system said.
    pub error: String,
}

/// What an event says, by type.
#[derive(Debug)]
pub enum Event<'a> {
    /// The store came to be.
    StoreCreated {
        /// Its id.
        store_id: Uuid,
        /// The retention classes: name and duration in seconds.
        classes: Vec<(String, Option<u64>)>,
    },
    /// A package came to be, open.
    PackageCreated {
        /// Its id.
        id: Uuid,
        /// Its name.
        name: PackageName,
        /// Its version.
        version: u64,
        /// Its retention class.
        class: String,
        /// What the user says of it.
        metadata: Labels,
        /// Where it comes from.
        provenance: Labels,
    },
    /// A batch of an add is durable, though in no package yet.
    ObjectsStored {
        /// Where.
        backend_id: &'a str,
        /// What, ascending by address.
        objects: Items<'a, Digests>,
    },
    /// An open package got entries.
    EntriesAdded {
        /// Where their objects are.
        backend_id: &'a str,
        /// What, ascending by path.
        entries: Items<'a, Entry>,
        /// Whether they displace what is there.
        replace: bool,
    },
    /// A package became immutable.
    PackageFinalized {
        /// Its manifest.
        manifest: Box<Manifest<'a>>,
    },
    /// A package was taken away.
    PackageRemoved {
        /// Why.
        reason: String,
    },
    /// A removed package was brought back.
    PackageRestored {
        /// Why, where that was said.
        reason: Option<String>,
    },
    /// A package came from elsewhere.
    PackageImported {
        /// Its manifest.
        manifest: Box<Manifest<'a>>,
        /// The manifest's bytes.
        manifest_bytes: &'a [u8],
        /// From where.
        origin: String,
    },
    /// A pin was set.
    PinAdded {
        /// Its name.
        name: String,
        /// What it keeps.
        target: PinTarget,
        /// Why.
        reason: Option<String>,
    },
    /// A pin was taken away.
    PinRemoved {
        /// Its name.
        name: String,
    },
    /// How long a package is wanted changed.
    RetentionChanged {
        /// The new class.
        class: Option<String>,
        /// The new expiry; the inner `None` is never.
        expires_at: Option<Option<Timestamp>>,
        /// Whether a hold is set or taken away.
        hold: Option<bool>,
        /// Why.
        reason: String,
    },
    /// A gc round is about to delete: from here on its objects are purged.
    GcStarted {
        /// The plan's word.
        plan: String,
        /// Which round, from 1.
        round: u64,
        /// Of how many.
        rounds: u64,
        /// Why.
        reason: Option<String>,
        /// Expired packages that lose an object.
        packages: Vec<Uuid>,
        /// What goes, ascending by address.
        objects: Items<'a, PurgedObject>,
    },
    /// A gc round has deleted.
    GcCompleted {
        /// The sequence of its start.
        started: u64,
        /// Objects deleted.
        objects: u64,
        /// Their bytes.
        bytes: u64,
        /// What was missing already, ascending by address.
        missing: Items<'a, Blake3>,
        /// What could not be deleted, ascending by address.
        failed: Items<'a, UndeletedObject>,
        /// How long it took, in microseconds.
        duration_micros: u64,
    },
    /// An object's bytes are whole again.
    ObjectHealed {
        /// Which.
        object: Digests,
        /// Where.
        backend_id: &'a str,
        /// What was wrong.
        fault: String,
    },
    /// A verify ended.
    VerifyCompleted {
        /// The head when it began.
        head: u64,
        /// How much it looked at.
        mode: String,
        /// The first key of its range.
        first: Option<Blake3>,
        /// The last key of its range.
        last: Option<Blake3>,
        /// The event that it compared with what somebody had written down.
        expected_head: Option<u64>,
        /// That.
        expected_digest: Option<Blake3>,
        /// Objects looked at.
        objects: u64,
        /// Bytes read.
        bytes: u64,
        /// What it found.
        faults: Items<'a, RecordedFault>,
    },
    /// A schema for metadata was registered.
    SchemaRegistered {
        /// Its name.
        name: PackageName,
        /// Its version.
        version: u64,
        /// What the document is.
        media_type: &'a str,
        /// The document.
        document: &'a [u8],
    },
    /// Something that a later build wrote.
    Unknown,
}

/// A payload that was read: what it says, and what this build does not know of it.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// What it says.
    pub event: Event<'a>,
    /// How many fields this build does not know.
    pub unknown_fields: u64,
}

/// Reads an event's payload by the type that its record names.
///
/// An unknown type, and a manifest of a later version, is [`Event::Unknown`] and no error.
///
/// # Errors
/// [`PayloadError`] where a payload of a known type is not what the format prescribes.
pub fn decode<'a>(record: &Record, payload: &'a [u8]) -> Result<Decoded<'a>, PayloadError> {
    let unknown = || Ok(Decoded { event: Event::Unknown, unknown_fields: 0 });
    let Some(event_type) = EventType::of(&record.event_type) else {
        return unknown();
    };
    if event_type == EventType::PackageFinalized {
        return match Manifest::parse(payload) {
            Ok(manifest) => Ok(Decoded {
                event: Event::PackageFinalized { manifest: Box::new(manifest) },
                unknown_fields: 0,
            }),
            Err(ManifestError::Version { .. }) => unknown(),
            Err(error) => Err(error.into()),
        };
    }
    let mut fields = Fields::parse(payload)?;
    let event = decode_fields(event_type, &mut fields)?;
    Ok(Decoded { event, unknown_fields: fields.rest() })
}

fn decode_fields<'a>(event_type: EventType, fields: &mut Fields<'a>) -> Result<Event<'a>, PayloadError> {
    let string = |field: Option<Field<'a>>| field.map(|field| field.string()).transpose();
    let event = match event_type {
        EventType::StoreCreated => {
            let known = (fields.take("format")?.uint()?, fields.take("primary_algorithm")?.text()?);
            if known != (1, "blake3") {
                return Err(PayloadError::Field { field: "format" });
            }
            Event::StoreCreated {
                store_id: fields.take("store_id")?.id()?,
                classes: fields.take("retention_classes")?.list(read_class)?,
            }
        }
        EventType::PackageCreated => Event::PackageCreated {
            id: fields.take("id")?.id()?,
            name: read_name(&fields.take("name")?)?,
            version: fields.take("version")?.uint()?,
            class: fields.take("retention_class")?.string()?,
            metadata: fields.take("metadata")?.labels()?,
            provenance: fields.take("provenance")?.labels()?,
        },
        EventType::ObjectsStored => Event::ObjectsStored {
            backend_id: fields.take("backend_id")?.text()?,
            objects: Items::new(&fields.take("objects")?, read_stored),
        },
        EventType::EntriesAdded => Event::EntriesAdded {
            backend_id: fields.take("backend_id")?.text()?,
            entries: Items::new(&fields.take("entries")?, |input| Ok(decode_entry(input)?)),
            replace: fields.maybe("replace").map(|field| field.truth()).transpose()?.unwrap_or(false),
        },
        EventType::PackageFinalized => Event::Unknown, // read by the caller: its payload is no ordinary map
        EventType::PackageRemoved => Event::PackageRemoved { reason: fields.take("reason")?.string()? },
        EventType::PackageRestored => Event::PackageRestored { reason: string(fields.maybe("reason"))? },
        EventType::PackageImported => {
            let manifest_bytes = fields.take("manifest")?.bytes()?;
            let origin = fields.take("origin")?.string()?;
            match Manifest::parse(manifest_bytes) {
                Ok(manifest) => {
                    Event::PackageImported { manifest: Box::new(manifest), manifest_bytes, origin }
                }
                Err(ManifestError::Version { .. }) => Event::Unknown,
                Err(error) => return Err(error.into()),
            }
        }
        EventType::SchemaRegistered => Event::SchemaRegistered {
            name: read_name(&fields.take("name")?)?,
            version: fields.take("version")?.uint()?,
            media_type: fields.take("media_type")?.text()?,
            document: fields.take("document")?.bytes()?,
        },
        EventType::PinAdded => Event::PinAdded {
            name: fields.take("name")?.string()?,
            target: fields.take("target")?.with(read_pin_target)?,
            reason: string(fields.maybe("reason"))?,
        },
        EventType::PinRemoved => {
            fields.pass("reason");
            Event::PinRemoved { name: fields.take("name")?.string()? }
        }
        EventType::RetentionChanged => Event::RetentionChanged {
            class: string(fields.maybe("class"))?,
            expires_at: (fields.maybe("expires_at"))
                .map(|field| field.optional(|field| field.int().map(Timestamp::from_micros)))
                .transpose()?,
            hold: fields.maybe("hold").map(|field| field.truth()).transpose()?,
            reason: fields.take("reason")?.string()?,
        },
        EventType::GcStarted => {
            fields.pass("clock_accepted");
            Event::GcStarted {
                plan: fields.take("plan")?.string()?,
                round: fields.take("round")?.uint()?,
                rounds: fields.take("rounds")?.uint()?,
                reason: string(fields.maybe("reason"))?,
                packages: fields.take("packages")?.list(read_id)?,
                objects: Items::new(&fields.take("objects")?, read_purged),
            }
        }
        EventType::GcCompleted => Event::GcCompleted {
            started: fields.take("started")?.uint()?,
            objects: fields.take("objects")?.uint()?,
            bytes: fields.take("bytes")?.uint()?,
            missing: Items::new(&fields.take("missing")?, read_missing),
            failed: Items::new(&fields.take("failed")?, read_undeleted),
            duration_micros: fields.take("duration")?.uint()?,
        },
        EventType::ObjectHealed => {
            fields.pass("source");
            Event::ObjectHealed {
                object: Digests {
                    blake3: fields.take("address")?.blake3()?,
                    sha256: fields.take("sha256")?.sha256()?,
                    size_bytes: fields.take("size")?.uint()?,
                },
                backend_id: fields.take("backend_id")?.text()?,
                fault: fields.take("fault")?.string()?,
            }
        }
        EventType::VerifyCompleted => {
            fields.pass("head_digest");
            Event::VerifyCompleted {
                head: fields.take("head")?.uint()?,
                mode: fields.take("mode")?.string()?,
                first: fields.maybe("first").map(|field| field.blake3()).transpose()?,
                last: fields.maybe("last").map(|field| field.blake3()).transpose()?,
                expected_head: fields.maybe("expected_head").map(|field| field.uint()).transpose()?,
                expected_digest: fields.maybe("expected_digest").map(|field| field.blake3()).transpose()?,
                objects: fields.take("objects")?.uint()?,
                bytes: fields.take("bytes")?.uint()?,
                faults: Items::new(&fields.take("faults")?, read_fault),
            }
        }
    };
    Ok(event)
}

fn read_name(field: &Field<'_>) -> Result<PackageName, PayloadError> {
    field.text()?.parse().map_err(|_| PayloadError::Field { field: "name" })
}

fn read_class(input: &mut Decoder<'_>) -> Result<(String, Option<u64>), PayloadError> {
    let mut fields = Fields::read(input)?;
    let name = fields.take("name")?.string()?;
    Ok((name, fields.take("duration_seconds")?.optional(Field::uint)?))
}

fn read_stored(input: &mut Decoder<'_>) -> Result<Digests, PayloadError> {
    let bad = || PayloadError::Field { field: "objects" };
    if input.array()? != 3 {
        return Err(bad());
    }
    Ok(Digests {
        blake3: Blake3::from_slice(input.bytes()?).ok_or_else(bad)?,
        sha256: crate::identity::Sha256::from_slice(input.bytes()?).ok_or_else(bad)?,
        size_bytes: input.uint()?,
    })
}

fn read_pin_target(input: &mut Decoder<'_>) -> Result<PinTarget, PayloadError> {
    let mut fields = Fields::read(input)?;
    match (fields.maybe("package"), fields.maybe("object")) {
        (Some(package), None) => Ok(PinTarget::Package(package.id()?)),
        (None, Some(object)) => Ok(PinTarget::Object(object.blake3()?)),
        _ => Err(PayloadError::Field { field: "target" }),
    }
}

fn read_id(input: &mut Decoder<'_>) -> Result<Uuid, PayloadError> {
    let text = input.text()?;
    let id = Uuid::try_parse(text).map_err(|_| PayloadError::Field { field: "packages" })?;
    // One spelling only: what is parsed prints the same.
    if id.hyphenated().to_string() == text { Ok(id) } else { Err(PayloadError::Field { field: "packages" }) }
}

fn read_purged(input: &mut Decoder<'_>) -> Result<PurgedObject, PayloadError> {
    let mut fields = Fields::read(input)?;
    Ok(PurgedObject {
        address: fields.take("address")?.blake3()?,
        size_bytes: fields.take("size")?.uint()?,
        why: fields.take("why")?.string()?,
    })
}

fn read_fault(input: &mut Decoder<'_>) -> Result<RecordedFault, PayloadError> {
    let mut fields = Fields::read(input)?;
    Ok(RecordedFault {
        kind: fields.take("kind")?.string()?,
        address: fields.maybe("address").map(|field| field.blake3()).transpose()?,
        name: fields.maybe("name").map(|field| field.string()).transpose()?,
        detail: fields.maybe("detail").map(|field| field.string()).transpose()?,
    })
}

fn read_missing(input: &mut Decoder<'_>) -> Result<Blake3, PayloadError> {
    Blake3::from_slice(input.bytes()?).ok_or(PayloadError::Field { field: "missing" })
}

fn read_undeleted(input: &mut Decoder<'_>) -> Result<UndeletedObject, PayloadError> {
    let mut fields = Fields::read(input)?;
    Ok(UndeletedObject { address: fields.take("address")?.blake3()?, error: fields.take("error")?.string()? })
}
