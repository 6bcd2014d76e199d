//! What the registry asks for and answers: plain values that a front end renders.

mod attest;
mod claims;
mod concern;
mod explain;
mod gc;
mod interchange;
mod log;
mod recover;
mod remedy;
mod remove;
mod roots;
mod schema;
mod store;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

pub use crate::audit::{LastPurge, Outcome, Purge, Purges, PurgesOfActor};
use crate::env::Timestamp;
pub use crate::error::Violation;
pub use crate::gc::{Candidate, Plan, PlanName};
use crate::identity::{AddressPrefix, Blake3, ContentAddress, Digests};
use crate::manifest::{Entry, EntryPath, Labels, PackageName};
pub use crate::plane::Taking;
pub use crate::plane::{Artifact, ArtifactError, Bag, LayoutProblem, OutsideLinks};
pub use crate::plane::{ListError, PathList, PatternError, patterns_of};
pub use crate::retention::{Reason, RetentionClass, Wanted};
pub use crate::storage::Leftovers;
pub use attest::{AttestReport, AttestRequest, Attestation};
pub use claims::{
    BegunLog, ClaimStanding, ClaimsReport, ImportReport, ImportRequest, ImportedPackage, PackageClaim,
};
pub use concern::Concern;
pub use explain::{
    Checked, Collectable, ExplainDepth, ExplainReport, ExplainRequest, ExplainTarget, LostBytes, PackageUse,
    PartOfLog, Verdict,
};
pub use gc::{
    ClockDoubt, ClockTrust, CollectReport, CollectRequest, Confirmed, DEFAULT_MIN_AGE, Keeper, Kept,
    LosingPackage, Lost, PlanReport, PlanRequest, Round, WithoutReport, Young,
};
pub use interchange::{
    BagNote, BagReport, BagRequest, Check, LayoutReport, LayoutRequest, Stream, StreamReport, StreamRequest,
};
pub use log::{EventLine, EventRow, LogFilter};
pub use recover::{LeftOut, LogMended, RecoverReport};
pub use remedy::Remedy;
pub use remove::{RemoveReport, Superseded};
pub use roots::{
    HoldRequest, Pin, PinRequest, PinRow, PinTarget, RetainReport, RetainRequest, Root, RootKind, UnpinReport,
};
pub use schema::{ParseSchemaError, SchemaReference, SchemaReport, SchemaRow, SchemaUse};
pub use store::{Glance, HealthReport, InitReport, InitRequest, ReplayReport, Sharing, StatsReport};
pub use verify::{
    Fault, Harm, LastVerify, Overdue, Recorded, Sample, VerifyDepth, VerifyPart, VerifyReport, VerifyRequest,
};

/// How a person names a package: `name`, `name@version`, an id, or a unique prefix of an id of 8 or more digits.
///
/// Tried in that order. Any text is a reference; whether it names something is the store's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(pub String);

/// Where `add` takes something from.
#[derive(Debug)]
pub enum AddSource {
    /// A file or a tree.
    Path(PathBuf),
    /// Paths that somebody listed, each as itself.
    Listed(PathList),
    /// A package that an OCI image layout holds, by itself: its entries are those of its manifest.
    Artifact(Box<Artifact>),
    /// The reader handed in, as one entry of this path.
    Stdin(EntryPath),
    /// The reader handed in, as a tar archive whose members are the entries.
    Tar {
        /// What it is called where it is refused.
        archive: PathBuf,
    },
    /// The payload of a bag, once it was found to be what the bag says; by itself only.
    Bag(Box<Bag>),
}

/// Which package `add` adds to.
#[derive(Clone, Debug)]
pub enum AddTarget {
    /// A new version of this name.
    New {
        /// The name.
        name: PackageName,
        /// The retention class; `None` is the default one.
        class: Option<String>,
        /// What the user says of it.
        metadata: Labels,
        /// Where it comes from. With a schema, what that is called is added as `schema`.
        provenance: Labels,
        /// What the metadata has to fit.
        schema: Option<SchemaUse>,
    },
    /// An open package that is there already.
    Open {
        /// Which.
        reference: Reference,
        /// What happens where a path is taken.
        on_conflict: OnConflict,
    },
}

impl AddTarget {
    /// Makes a new version of this name, in the default class, of which nothing more is said.
    pub const fn new_version(name: PackageName) -> Self {
        Self::New { name, class: None, metadata: Labels::new(), provenance: Labels::new(), schema: None }
    }
}

/// What happens where a path of an open package is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// The add is refused.
    Refuse,
    /// The new entry displaces the old one and, unless both are directories, all beneath it.
    Replace,
}

/// What becomes of the package after its entries are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// It stays open.
    LeaveOpen,
    /// It is finalised in the same transaction.
    Finalize,
    /// The same; but where the newest finalised version of the name has the same content, that one is the answer.
    FinalizeIfChanged,
}

/// What happens when a path cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnreadable {
    /// The add fails and leaves no package.
    Fail,
    /// The path is left out and listed.
    Skip,
}

/// Whether the stat cache may answer for a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// It may.
    Use,
    /// Every file is read.
    Ignore,
}

/// What `add` is asked for.
#[derive(Debug)]
pub struct AddRequest {
    /// What to add.
    pub sources: Vec<AddSource>,
    /// Where to.
    pub target: AddTarget,
    /// And then.
    pub completion: Completion,
    /// What to leave out, by its path in the package: patterns of gitignore(5), of which the last that matches decides.
    /// None is a comment; [`patterns_of`] reads a file of them.
    pub exclude: Vec<String>,
    /// Whether of a directory that is tagged as a cache (CACHEDIR.TAG) only the tag is taken.
    pub exclude_caches: bool,
    /// Whether mount points are left out.
    pub one_file_system: bool,
    /// Whether modification times are kept.
    pub keep_mtime: bool,
    /// What to do about what cannot be read.
    pub on_unreadable: OnUnreadable,
    /// What becomes of symbolic links that lead out of an archive.
    pub outside_links: OutsideLinks,
    /// How bytes get into the store.
    pub taking: Taking,
    /// What has to hold of the files. Nothing is recorded before it was found to.
    pub check: Option<Check>,
    /// Whether the stat cache is asked.
    pub cache: CacheUse,
}

impl AddRequest {
    /// Asks for all of these sources: nothing excluded, no times kept, every file read, all or nothing.
    pub const fn new(sources: Vec<AddSource>, target: AddTarget, completion: Completion) -> Self {
        Self {
            sources,
            target,
            completion,
            exclude: Vec::new(),
            exclude_caches: false,
            one_file_system: false,
            keep_mtime: false,
            on_unreadable: OnUnreadable::Fail,
            outside_links: OutsideLinks::Refuse,
            taking: Taking::Any,
            check: None,
            cache: CacheUse::Ignore,
        }
    }
}

/// A path that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedPath {
    /// The path as it was walked.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// What `add` did.
#[derive(Clone, Debug)]
pub struct AddReport {
    /// The package as it is now.
    pub package: PackageSummary,
    /// Whether nothing was added because the newest version has the same content already.
    pub unchanged: bool,
    /// Files of this add that were read and hashed.
    pub files_hashed: u64,
    /// Files of this add whose digests the stat cache knew.
    pub cache_hits: u64,
    /// Objects written.
    pub objects_new: u64,
    /// Bytes of these.
    pub bytes_new: u64,
    /// Objects that were missing or damaged and are whole again.
    pub healed: Vec<ContentAddress>,
    /// What was left out because it could not be read.
    pub skipped: Vec<SkippedPath>,
    /// How many paths were left out because the request says so; what is beneath one is not counted.
    pub excluded: u64,
    /// What there is to know of a bag that was added.
    pub bag_notes: Vec<BagNote>,
}

/// Whether a package still takes entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackageStatus {
    /// It does.
    Open,
    /// It is immutable and has a manifest.
    Finalized,
}

impl PackageStatus {
    /// Returns the word that views and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finalized => "finalized",
        }
    }
}

/// A package in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageSummary {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: u64,
    /// Open or finalised.
    pub status: PackageStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: String,
    /// When it was finalised.
    pub finalized_at: Option<Timestamp>,
    /// When it was removed.
    pub removed_at: Option<Timestamp>,
    /// The digest of its manifest.
    pub manifest_digest: Option<Blake3>,
    /// The digest of its tree.
    pub content_digest: Option<Blake3>,
    /// Entries of all kinds.
    pub entries: u64,
    /// Entries that are files.
    pub files: u64,
    /// The sum of the files' sizes.
    pub bytes: u64,
    /// Its retention class.
    pub class: String,
    /// When it becomes eligible for gc.
    pub expires_at: Option<Timestamp>,
    /// Whether a hold keeps it.
    pub hold: bool,
    /// Why, where one does.
    pub hold_reason: Option<String>,
}

impl PackageSummary {
    /// Returns the reference that always means this package: `name@version`.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// A package in full, but for its entries.
#[derive(Clone, Debug)]
pub struct PackageDetail {
    /// What a line says.
    pub summary: PackageSummary,
    /// Distinct objects.
    pub objects: u64,
    /// The sum of their sizes.
    pub object_bytes: u64,
    /// What the user says of it.
    pub metadata: Labels,
    /// Where it comes from.
    pub provenance: Labels,
    /// Why it was removed, where it was.
    pub removed_reason: Option<String>,
    /// The size of its manifest in bytes.
    pub manifest_size: Option<u64>,
    /// How much of it is purged, by the gcs that did it, oldest first.
    pub purged: Vec<PurgedPart>,
    /// The pins on it and on objects of it, by name.
    pub pins: Vec<Pin>,
    /// The attestations about it that are not removed, oldest first.
    pub attestations: Vec<Attestation>,
    /// The events about it, oldest first.
    pub events: Vec<EventLine>,
}

/// The objects of a package that one gc round purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgedPart {
    /// The event that says so.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// The reason that was given.
    pub reason: Option<String>,
    /// How many distinct objects.
    pub objects: u64,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// Which packages `list` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ListFilter {
    /// Open and finalised ones that are not removed.
    #[default]
    Present,
    /// All that ever were.
    All,
    /// Open ones.
    Open,
    /// Removed ones.
    Removed,
    /// Finalised ones, not removed, whose expiry is past.
    Expired,
}

/// A label that a package has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedLabel {
    /// The key in its metadata.
    pub key: String,
    /// Its value; any, where there is none.
    pub value: Option<String>,
}

impl WantedLabel {
    /// Returns whether it is among these.
    pub fn is_in(&self, labels: &Labels) -> bool {
        let found = labels.get(&self.key);
        found.is_some_and(|found| self.value.as_ref().is_none_or(|value| value == found))
    }
}

/// A manifest as it is stored.
#[derive(Clone, Debug)]
pub struct ManifestReport {
    /// The package.
    pub package: PackageSummary,
    /// The manifest's digest: BLAKE3 of `bytes`.
    pub digest: Blake3,
    /// The canonical CBOR.
    pub bytes: Vec<u8>,
}

/// What `diff` compares a package with.
#[derive(Clone, Debug)]
pub enum DiffTarget {
    /// Another package.
    Package(Reference),
    /// A directory, as `add` would take it.
    Directory(PathBuf),
}

/// How one path differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path.
    pub path: EntryPath,
    /// How it was on the left; `None` where it is new.
    pub left: Option<Entry>,
    /// How it is on the right; `None` where it is gone.
    pub right: Option<Entry>,
}

/// What `cat` prints.
#[derive(Clone, Debug)]
pub enum CatTarget {
    /// A file of a package.
    Path {
        /// The package.
        reference: Reference,
        /// The file's path in it.
        path: EntryPath,
    },
    /// An object.
    Object(AddressPrefix),
}

/// A range of bytes, counted from 0, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub first: u64,
    /// The last byte, or `None` for the end.
    pub last: Option<u64>,
}

/// How export makes files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LinkMode {
    /// By reflink where that is possible, else by copying.
    #[default]
    Auto,
    /// By reflink or not at all.
    Reflink,
    /// By copying.
    Copy,
}

/// What `export` is asked for.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// Which package.
    pub reference: Reference,
    /// Where to: a directory that is missing or empty.
    pub destination: PathBuf,
    /// How.
    pub link: LinkMode,
    /// Whether setuid, setgid and sticky bits are set.
    pub special_modes: bool,
}

/// What `export` did.
#[derive(Clone, Debug)]
pub struct ExportReport {
    /// The package.
    pub package: PackageSummary,
    /// Entries written.
    pub entries: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Entries whose object is damaged or missing: nothing stands under their names.
    pub damaged: Vec<Fault>,
}

/// How long a command waits for a lock.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(600);

/// An object as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRow {
    /// Digests and size.
    pub digests: Digests,
    /// The event that first named it.
    pub first_sequence: u64,
    /// The gc that purged it, unless it was stored again since.
    pub purged_sequence: Option<u64>,
    /// The verify that found it damaged, unless it was mended since.
    pub damaged_sequence: Option<u64>,
}
