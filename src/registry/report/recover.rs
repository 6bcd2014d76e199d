//! What `recover` answers.

use crate::identity::{Blake3, ContentAddress};
use crate::plane::HealedFrom;

/// What `recover` found and did.
#[derive(Clone, Debug)]
pub struct RecoverReport {
    /// The last event of either copy.
    pub head_sequence: u64,
    /// Its digest.
    pub head_digest: Blake3,
    /// How many events the old database lacked.
    pub only_in_log: u64,
    /// How many events `log/` lacked.
    pub only_in_database: u64,
    /// What became of `log/`.
    pub log: LogMended,
    /// The name under which the old database stands aside, where there was one.
    pub database_aside: Option<String>,
    /// What was wrong with the old database, as far as its events showed.
    pub database_fault: Option<String>,
    /// Whether `astore.toml` was missing and is written again.
    pub config_written: bool,
    /// The manifests and payloads whose objects were missing or damaged and are whole again.
    pub healed: Vec<(ContentAddress, HealedFrom)>,
    /// The events whose payload objects cannot be read: they are in the log, and the views lack what they say.
    pub left_out: Vec<LeftOut>,
    /// The types of events that this build does not know in full, with their numbers.
    pub skipped: Vec<(String, u64)>,
    /// The digest of the new views.
    pub view_digest: Blake3,
}

/// What became of `log/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogMended {
    /// It was whole, but perhaps for an append that was cut short.
    Whole,
    /// It was missing or ended too early, and is complete.
    Completed {
        /// How many events were written.
        events: u64,
    },
    /// It was damaged, and is written again.
    WrittenAgain {
        /// The name under which the damaged one stands.
        aside: String,
        /// What was wrong with it.
        damage: String,
    },
}

/// An event whose payload cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub sequence: u64,
    /// Its type.
    pub event_type: String,
    /// What it is about: for a package its id.
    pub subject_id: String,
    /// The object that is missing or damaged.
    pub payload: ContentAddress,
    /// What is wrong with it.
    pub why: String,
}
