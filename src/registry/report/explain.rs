//! What `explain` is asked for and what it answers.

use std::path::PathBuf;

use uuid::Uuid;

use super::{EventLine, Lost, PackageStatus, Pin, Reference};
use crate::audit::Purge;
use crate::env::Timestamp;
use crate::identity::{AddressPrefix, ContentAddress, Sha256};
use crate::manifest::{EntryPath, PackageName};
use crate::retention::{Reason, Wanted};

/// Which bytes are meant.
#[derive(Clone, Debug)]
pub enum ExplainTarget {
    /// An object, by its address or the beginning of it.
    Object(AddressPrefix),
    /// Whatever a file anywhere holds.
    File(PathBuf),
    /// A file of a package.
    Path {
        /// The package.
        reference: Reference,
        /// The file's path in it.
        path: EntryPath,
    },
}

/// How much of an object's file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ExplainDepth {
    /// All of it up to 16 MiB, and where a verify found it damaged; of a longer one only the size is looked at.
    #[default]
    Short,
    /// All of it.
    Whole,
}

/// What `explain` is asked for.
#[derive(Clone, Debug)]
pub struct ExplainRequest {
    /// Which bytes.
    pub target: ExplainTarget,
    /// How much of the object's file is read.
    pub depth: ExplainDepth,
    /// How many paths are named, of those that keep the object alive first; `None` is all.
    pub paths_max: Option<u64>,
}

/// The verdict on a digest: always exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The bytes are here.
    Present,
    /// Another backend has them.
    Evicted,
    /// A gc deleted them, and the log says so.
    Purged,
    /// The log says that they should be here, and they are not, or they are wrong.
    Lost,
    /// The log never named them.
    Unknown,
}

impl Verdict {
    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Evicted => "evicted",
            Self::Purged => "purged",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }
}

/// What was looked at of an object's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Every byte, against the primary digest.
    Bytes,
    /// Its size.
    Size,
}

/// What is wrong with a lost object's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostBytes {
    /// In one word, as verify says it: `missing`, `truncated`, `altered`, `misnamed`, `not-a-file`, `unreadable`.
    pub kind: &'static str,
    /// More, for people: expected and found.
    pub detail: String,
}

/// What `explain` says.
#[derive(Clone, Debug)]
pub struct ExplainReport {
    /// The verdict.
    pub verdict: Verdict,
    /// The address. `None` where the beginning of one, or a SHA-256, names nothing.
    pub address: Option<ContentAddress>,
    /// The second digest, where it is known.
    pub sha256: Option<Sha256>,
    /// The size, where it is known.
    pub size_bytes: Option<u64>,
    /// What was looked at of the object's file; `None` where none should be there, or none can be read.
    pub checked: Option<Checked>,
    /// What is wrong, where it is lost.
    pub lost: Option<LostBytes>,
    /// The verify that found it damaged, unless it was mended since.
    pub damage_on_record: Option<u64>,
    /// Who purged it, when and why, where it is purged.
    pub purge: Option<Purge>,
    /// The event that first named it.
    pub first: Option<EventLine>,
    /// What of the log it is: such an object is never collected.
    pub part_of_log: Option<PartOfLog>,
    /// The pins on the object itself, by name.
    pub pins: Vec<Pin>,
    /// The packages that have it, those that keep it first, then by name and version.
    pub packages: Vec<PackageUse>,
    /// Under how many paths of these it stands.
    pub paths_total: u64,
    /// What a gc may do, where it is present and nothing keeps it.
    pub collectable: Option<Collectable>,
    /// What is worth knowing beside that, for people.
    pub notes: Vec<String>,
}

/// An object that is part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOfLog {
    /// The first event that says so.
    pub event: EventLine,
    /// The package whose manifest it is, as `name@version`; `None` where it is another payload.
    pub manifest_of: Option<String>,
}

/// A package that has an object.
#[derive(Clone, Debug)]
pub struct PackageUse {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: u64,
    /// Open or finalised.
    pub status: PackageStatus,
    /// Why it is not there any more.
    pub gone: Option<Lost>,
    /// When it expires, or did.
    pub expires_at: Option<Timestamp>,
    /// What it does for the object.
    pub wanted: Wanted,
    /// The pins on the package, by name.
    pub pins: Vec<Pin>,
    /// Whether a hold stands on it, and why.
    pub hold: Option<String>,
    /// The object's paths in it, ascending, as far as they were asked for.
    pub paths: Vec<EntryPath>,
    /// How many there are.
    pub paths_total: u64,
}

impl PackageUse {
    /// Returns the reference that always means this package: `name@version`.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// What nothing keeps any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collectable {
    /// Why a gc may take it.
    pub reason: Reason,
    /// From when on, with the default age; `None` is now.
    pub from: Option<Timestamp>,
}
