//! What can go wrong, by room: one [`Error`], and [`Error::kind`] for those who must branch.

mod kind;
mod violation;
mod words;

use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use crate::audit::Purge;
use crate::db::DbError;
use crate::env::Timestamp;
use crate::events::{ChainFault, LogError, PayloadError, PayloadUnavailable};
use crate::formats::bagit::{Unbaggable, unbaggable_in_words};
use crate::formats::checkfile::{Mismatch, mismatches_in_words};
use crate::gc::PlanName;
use crate::identity::ContentAddress;
use crate::manifest::{EntryPath, ManifestError};
use crate::plane::{ArtifactError, BagError, ExportError, IngestError, PourError, ServeError, VerifyError};
use crate::storage::{LockError, StorageError};
use crate::views::ViewError;
pub use kind::ErrorKind;
pub use violation::Violation;
use words::first_of;
pub(crate) use words::{objects_in_words, rest_in_words, with_causes};

/// Everything that an operation of the registry can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The files of the store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The plain-file log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The views.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The event chain.
    #[error("the event log is damaged: {0}")]
    Chain(#[from] ChainFault),
    /// A payload that is an object.
    #[error(transparent)]
    PayloadUnavailable(#[from] PayloadUnavailable),
    /// A payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Files are not what a check file says.
    #[error("the tree is not what {} says: {}", file.display(), mismatches_in_words(mismatches))]
    Mismatch {
        /// The check file.
        file: PathBuf,
        /// Every way in which they are not, in the order of paths.
        mismatches: Vec<Mismatch>,
    },
    /// A package that somebody hands over as an OCI image layout.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// What has its own manifest was to be added together with something else.
    #[error("a package out of an OCI image layout cannot be added together with anything else")]
    ArtifactBeside,
    /// A format holds no more than this in one part.
    #[error("{reference} has a {part} of {found} bytes in this format, and no more than {limit} are written")]
    TooLargeFor {
        /// The package, as `name@version`.
        reference: String,
        /// The part.
        part: &'static str,
        /// Its size in bytes.
        found: u64,
        /// What is written.
        limit: u64,
    },
    /// Taking bytes in.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// A bag is not what it says, or cannot be read.
    #[error(transparent)]
    Bag(#[from] BagError),
    /// Names of a package cannot stand in a bag.
    #[error("{reference} has {}", unbaggable_in_words(names, *count))]
    NotBaggable {
        /// The package, as `name@version`.
        reference: String,
        /// How many names.
        count: u64,
        /// The first of them, each with the reason.
        names: Vec<(EntryPath, Unbaggable)>,
    },
    /// Handing bytes out.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Writing a tree out in one stream.
    #[error(transparent)]
    Pour(#[from] PourError),
    /// Writing a tree out.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Looking at the objects.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database is gone where the root says that there is a store.
    #[error("the database astore.db is missing")]
    DatabaseMissing,
    /// Neither copy of the log has an event.
    #[error("neither log/ nor astore.db holds an event")]
    NothingToRecover,
    /// Another database got the name since this one was opened.
    #[error("astore.db was replaced while it was open")]
    DatabaseReplaced,
    /// The root says that it is one store, and its events are another's.
    #[error("astore.toml is of the store {expected}, and the events are those of the store {found}")]
    OtherStore {
        /// What `astore.toml` says.
        expected: Uuid,
        /// What the first event says.
        found: Uuid,
    },
    /// The views were written by a later build.
    #[error("the views have schema version {found}, this build knows {known}")]
    ViewsVersion {
        /// The version they have.
        found: u64,
        /// The version that this build writes.
        known: u64,
    },
    /// The views hold other entries than they say.
    #[error("{reference} has {expected} entries, and the views hold {found}")]
    EntriesAstray {
        /// The package, as `name@version`.
        reference: String,
        /// How many it has.
        expected: u64,
        /// How many were found.
        found: u64,
    },
    /// No package answers to a reference.
    #[error("no package {reference:?}")]
    NoSuchPackage {
        /// What was asked for.
        reference: String,
    },
    /// A name has versions, and all of them are removed.
    #[error("every version of {name} is removed, {newest} the last")]
    AllRemoved {
        /// The name that was asked for.
        name: String,
        /// Its newest version, as `name@version`.
        newest: String,
    },
    /// A package answers, but not one that the operation can use.
    #[error("{reference} is {state}")]
    WrongState {
        /// The package, as `name@version`.
        reference: String,
        /// What it is: `finalized already`, `open`, `removed`, …
        state: &'static str,
    },
    /// Several packages answer to a reference.
    #[error("{reference:?} means several packages: {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        reference: String,
        /// What it could mean, as `name@version`.
        candidates: Vec<String>,
    },
    /// No object answers to an address or a prefix.
    #[error("no object {address}")]
    NoSuchObject {
        /// What was asked for.
        address: String,
    },
    /// Several objects answer to a prefix.
    #[error("{prefix} begins several objects: {}", candidates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    AmbiguousObject {
        /// What was asked for.
        prefix: String,
        /// Some of what it could mean.
        candidates: Vec<ContentAddress>,
    },
    /// The object was purged.
    #[error("{address} was purged {purge}")]
    Purged {
        /// The object.
        address: ContentAddress,
        /// By whom, when, why, by which event and plan.
        purge: Box<Purge>,
    },
    /// Events of a type were asked for that no event has and that this build does not know.
    #[error("no event is a {event_type}, and this build knows no such type")]
    NoSuchEventType {
        /// The type.
        event_type: String,
    },
    /// What would be live again is purged in part.
    #[error("{} of {reference} {} purged: {}", objects_in_words(*count), if *count == 1 { "is" } else { "are" }, first_of(objects, *count))]
    HasPurged {
        /// The package, as `name@version`.
        reference: String,
        /// How many.
        count: u64,
        /// The first of them.
        objects: Vec<ContentAddress>,
    },
    /// A gc was asked of a store that others may change meanwhile.
    #[error("a gc needs the store for itself")]
    NotAlone,
    /// A plan was confirmed, and another one holds today.
    #[error("the plan no longer holds: {what}")]
    PlanChanged {
        /// What is different, in words.
        what: String,
        /// The plan that holds today.
        now: PlanName,
        /// How many objects would go by that.
        objects: u64,
        /// How many bytes would come back.
        bytes: u64,
    },
    /// A plan of an instant that has not come was confirmed.
    #[error("the plan is of {instant}, and it is {now} by this machine's clock")]
    PlanOfTheFuture {
        /// The plan's instant.
        instant: Timestamp,
        /// What the clock reads.
        now: Timestamp,
    },
    /// The machine's clock is behind the log, or far ahead of it.
    #[error("this machine's clock reads {now}, and the log's last event is of {last_event}")]
    ClockDoubted {
        /// What the clock reads.
        now: Timestamp,
        /// When the last event happened, by the clock of that time.
        last_event: Timestamp,
    },
    /// What the log says is not understood or not to be had in full, so nothing may rest on what it does not say.
    #[error("{what}, so {} cannot be decided", undecided)]
    Unsure {
        /// What is not understood or not to be had.
        what: String,
        /// What depends on it: `what may be purged`, `whether it is lost`, `whether the log ever named it`, …
        undecided: &'static str,
    },
    /// A pin of that name is there.
    #[error("the pin {name} is there already, on {target}")]
    PinTaken {
        /// The pin.
        name: String,
        /// What it keeps: a package as `name@version`, or an address.
        target: String,
    },
    /// There is no such pin.
    #[error("no pin {name:?}")]
    NoSuchPin {
        /// What was asked for.
        name: String,
    },
    /// An expiry would be moved to an earlier day.
    #[error("{reference} {}, and {asked} is earlier", if now == "never" { "never expires".to_owned() } else { format!("expires {now}") })]
    EarlierExpiry {
        /// The package, as `name@version`.
        reference: String,
        /// When it expires now: an instant, or `never`.
        now: String,
        /// What was asked for.
        asked: String,
    },
    /// A package has no such path.
    #[error("{reference} has no path {path:?}")]
    NoSuchPath {
        /// The package, as `name@version`.
        reference: String,
        /// The path.
        path: EntryPath,
    },
    /// A path is no file.
    #[error("{path:?} of {reference} is a {kind}, not a file")]
    NotAFile {
        /// The package, as `name@version`.
        reference: String,
        /// The path.
        path: EntryPath,
        /// What it is.
        kind: &'static str,
    },
    /// A path of an open package is taken.
    #[error("{reference} has {path:?} already")]
    PathTaken {
        /// The package, as `name@version`.
        reference: String,
        /// The path.
        path: EntryPath,
    },
    /// There is no such retention class.
    #[error("no retention class {class:?}")]
    NoSuchClass {
        /// What was asked for.
        class: String,
        /// The classes there are.
        known: Vec<String>,
    },
    /// What was to be a schema is none that can be used.
    #[error("the schema {problem}")]
    BadSchema {
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such schema.
    #[error("no schema {schema:?}")]
    NoSuchSchema {
        /// What was asked for.
        schema: String,
    },
    /// Metadata does not fit its schema.
    #[error("the metadata does not fit the schema {schema}: {}{}", violations.first().map(ToString::to_string).unwrap_or_default(), rest_in_words(*count, 1))]
    SchemaViolated {
        /// The schema, as `name@version`.
        schema: String,
        /// The first things that are wrong.
        violations: Vec<Violation>,
        /// How many there are.
        count: u64,
    },
    /// What was to be a statement about a package is none.
    #[error("the statement {problem}")]
    BadStatement {
        /// What is wrong with it.
        problem: String,
    },
    /// A range begins behind the end of the bytes.
    #[error("the range begins at byte {first}, and there are {size_bytes} bytes")]
    Range {
        /// The first byte asked for.
        first: u64,
        /// The size.
        size_bytes: u64,
    },
    /// A text that a person gave is too long or holds what it must not.
    #[error("the {what} {problem}")]
    BadText {
        /// What it is: `reason`, `actor`, `class name`, …
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The package was changed by another process meanwhile.
    #[error("{reference} was changed by another process meanwhile")]
    Changed {
        /// The package, as `name@version`.
        reference: String,
    },
    /// The events are durable in `log/`, and the database did not confirm them.
    #[error("the operation may stand: its events are in log/, but the database did not confirm them")]
    MayStand(#[source] DbError),
    /// A directory that holds something else was to become a store.
    #[error("{} holds the remains of a store", root.display())]
    Remains {
        /// The directory.
        root: PathBuf,
    },
    /// Nothing is left of the log, and no package would be in a new one.
    #[error("neither log/ nor astore.db of {} holds an event, and no manifest among the objects tells of a package that could be imported", root.display())]
    NothingClaimed {
        /// The directory.
        root: PathBuf,
    },
    /// Claims were confirmed, and others are there now.
    #[error("what the manifests among the objects say is no longer what was shown")]
    ClaimsChanged,
    /// The caller's flag said to stop.
    #[error("stopped on request")]
    Cancelled,
    /// Writing the answer failed.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
}
