//! What `log` tells.

use crate::env::Timestamp;
use crate::identity::Blake3;

/// An event in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLine {
    /// Its number.
    pub sequence: u64,
    /// When the clock said it happened.
    pub created_at: Timestamp,
    /// Its type.
    pub event_type: String,
    /// What kind of thing it is about.
    pub subject_kind: String,
    /// Which of them.
    pub subject_id: String,
    /// Who did it.
    pub actor: String,
}

/// An event in full, as the log has it.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// What a line says.
    pub line: EventLine,
    /// The package that it is about, as `name@version`: where that was asked for, and is known.
    pub package: Option<String>,
    /// The payload's bytes (canonical CBOR); `None` where it is an object, named by `payload_digest`.
    pub payload: Option<Vec<u8>>,
    /// BLAKE3 of the payload.
    pub payload_digest: Blake3,
    /// The digest of the event before.
    pub previous_digest: Blake3,
    /// The digest of this event's record.
    pub digest: Blake3,
}

/// Which events `log` tells.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Only events after this sequence number.
    pub since: u64,
    /// Only events of this type.
    pub event_type: Option<String>,
    /// Whether packages are named. A lookup for each event.
    pub names_packages: bool,
}
