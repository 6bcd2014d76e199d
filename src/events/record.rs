//! The record: what an event's digest is taken over, byte for byte. store-layout.md, "Records".

use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::manifest::cbor::{CborError, Decoder, Encoder};

/// The version of the record's form, its first element.
pub const RECORD_VERSION: u64 = 1;

/// The longest text of a record, in bytes (store-layout.md 5.5).
pub(super) const TEXT_BYTES_MAX: usize = 65_536;

/// What stands as predecessor in the record of event 1.
pub const NO_PREDECESSOR: Blake3 = Blake3::from_bytes([0; 32]);

/// One event without its payload: what its digest binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log, from 1.
    pub sequence: u64,
    /// What the clock read.
    pub created_at: Timestamp,
    /// Its type, such as `v1.package.created`.
    pub event_type: String,
    /// What kind of thing it is about.
    pub subject_kind: String,
    /// Which of them.
    pub subject_id: String,
    /// Who did it: a claim.
    pub actor: String,
    /// BLAKE3 of the payload.
    pub payload_digest: Blake3,
    /// The digest of the event before, or [`NO_PREDECESSOR`].
    pub previous_digest: Blake3,
}

/// Why some bytes are not a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// They are not the canonical CBOR of an array of nine.
    #[error("the record is not canonical: {0}")]
    Cbor(#[from] CborError),
    /// The record is of a later version.
    #[error("the record has version {found}, this build knows {RECORD_VERSION}")]
    Version {
        /// The version it has.
        found: u64,
    },
    /// A field has not the length or the range that the format prescribes.
    #[error("the record's {field} is out of its range")]
    Field {
        /// Which.
        field: &'static str,
    },
}

impl Record {
    /// Returns the canonical CBOR array `[1, sequence, created_at, event_type, subject_kind, subject_id, actor,
    /// payload_digest, previous_digest]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let mut out = Encoder::new(&mut bytes);
        out.array(9);
        out.uint(RECORD_VERSION);
        out.uint(self.sequence);
        out.int(self.created_at.as_micros());
        for text in [&self.event_type, &self.subject_kind, &self.subject_id, &self.actor] {
            out.text(text);
        }
        out.bytes(self.payload_digest.as_bytes());
        out.bytes(self.previous_digest.as_bytes());
        bytes
    }

    /// Returns the digest of the record: BLAKE3 of [`Record::encode`].
    pub fn digest(&self) -> Blake3 {
        Blake3::of(&self.encode())
    }

    /// Reads a record back; what it accepts, [`Record::encode`] gives again byte for byte.
    ///
    /// # Errors
    /// [`RecordError`] by what is wrong first.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Decoder::new(bytes);
        if input.array()? != 9 {
            return Err(RecordError::Field { field: "length" });
        }
        match input.uint()? {
            RECORD_VERSION => {}
            found => return Err(RecordError::Version { found }),
        }
        let sequence = input.uint()?;
        let created_at = Timestamp::from_micros(input.int()?);
        let mut text = |field| match input.text()? {
            text if text.len() <= TEXT_BYTES_MAX => Ok(text.to_owned()),
            _ => Err(RecordError::Field { field }),
        };
        let [event_type, subject_kind, subject_id, actor] =
            [text("event_type")?, text("subject_kind")?, text("subject_id")?, text("actor")?];
        let digest = |bytes, field| Blake3::from_slice(bytes).ok_or(RecordError::Field { field });
        let payload_digest = digest(input.bytes()?, "payload_digest")?;
        let previous_digest = digest(input.bytes()?, "previous_digest")?;
        input.finish()?;
        if sequence == 0 {
            return Err(RecordError::Field { field: "sequence" });
        }
        Ok(Self {
            sequence,
            created_at,
            event_type,
            subject_kind,
            subject_id,
            actor,
            payload_digest,
            previous_digest,
        })
    }
}
