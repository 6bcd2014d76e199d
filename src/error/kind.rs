//! What a caller can branch on.

use std::io;

use super::Error;
use crate::events::LogError;
use crate::plane::{
    ArtifactError, BagError, ExportError, IngestError, LayoutProblem, PourError, ServeError, VerifyError,
};
use crate::storage::{LockError, StorageError};
use crate::views::ViewError;

/// What a caller can branch on; the binary makes its exit code of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It failed: the system, the disk, a limit.
    Failed,
    /// The request makes no sense as given: an ambiguous reference, a bad name, a finalised package.
    Usage,
    /// The store or an object is damaged.
    Damage,
    /// A lock is held for longer than the caller would wait.
    Busy,
    /// No such package or object.
    NotFound,
    /// No store there, or one of a format that this build does not know.
    NoStore,
    /// What was asked for was purged, or would need what was purged.
    Purged,
    /// A plan no longer holds.
    PlanGone,
    /// The caller's flag said to stop.
    Cancelled,
    /// The reader of the output went away.
    ClosedPipe,
}

impl Error {
    /// Returns what kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Storage(StorageError::NoStore { .. } | StorageError::UnknownFormat { .. }) => {
                ErrorKind::NoStore
            }
            Self::Storage(
                StorageError::Unnamed { .. } | StorageError::Config { .. } | StorageError::NotAFile { .. },
            ) => ErrorKind::Damage,
            Self::Storage(StorageError::NotEmpty { .. } | StorageError::InsideStore { .. })
            | Self::Remains { .. } => ErrorKind::Usage,
            Self::Db(error) if error.is_busy() => ErrorKind::Busy,
            Self::Db(error) | Self::View(ViewError::Db(error)) if error.is_corrupt() => ErrorKind::Damage,
            Self::PayloadUnavailable(error) if error.is_refused => ErrorKind::Failed,
            Self::Log(LogError::Parted { .. } | LogError::Damaged { .. } | LogError::Later { .. })
            | Self::Chain(_)
            | Self::PayloadUnavailable(_)
            | Self::Payload(_)
            | Self::Manifest(_)
            | Self::OtherStore { .. }
            | Self::EntriesAstray { .. }
            | Self::DatabaseMissing
            | Self::NothingToRecover
            | Self::NothingClaimed { .. } => ErrorKind::Damage,
            Self::View(ViewError::Payload { .. } | ViewError::Impossible { .. }) => ErrorKind::Damage,
            Self::View(ViewError::PathTaken { .. }) => ErrorKind::Usage,
            Self::Ingest(IngestError::Cancelled) | Self::Bag(BagError::Cancelled) => ErrorKind::Cancelled,
            Self::Bag(BagError::NotAlone { .. }) => ErrorKind::Usage,
            Self::Ingest(
                IngestError::StdinTwice
                | IngestError::Alike { .. }
                | IngestError::ListedThrough { .. }
                | IngestError::NoName { .. }
                | IngestError::Special { .. }
                | IngestError::NoReflink { .. }
                | IngestError::StoreItself { .. }
                | IngestError::Exclude { .. },
            ) => ErrorKind::Usage,
            Self::Serve(
                ServeError::Missing { .. }
                | ServeError::Damaged { .. }
                | ServeError::Storage(StorageError::NotAFile { .. }),
            ) => ErrorKind::Damage,
            Self::Serve(ServeError::OutOfRange { .. })
            | Self::Export(
                ExportError::NotEmpty { .. }
                | ExportError::InsideStore { .. }
                | ExportError::NoReflink { .. },
            ) => ErrorKind::Usage,
            Self::Pour(PourError::File {
                source:
                    ServeError::Missing { .. }
                    | ServeError::Damaged { .. }
                    | ServeError::Storage(StorageError::NotAFile { .. }),
                ..
            }) => ErrorKind::Damage,
            Self::Pour(PourError::Cancelled) => ErrorKind::Cancelled,
            Self::Pour(PourError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                ErrorKind::ClosedPipe
            }
            Self::Serve(ServeError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                ErrorKind::ClosedPipe
            }
            Self::Serve(ServeError::Cancelled)
            | Self::Export(ExportError::Cancelled)
            | Self::Verify(VerifyError::Cancelled)
            | Self::Lock(LockError::Cancelled) => ErrorKind::Cancelled,
            Self::Lock(LockError::Busy { .. }) => ErrorKind::Busy,
            Self::NoSuchPackage { .. }
            | Self::AllRemoved { .. }
            | Self::NoSuchObject { .. }
            | Self::NoSuchPath { .. }
            | Self::NoSuchSchema { .. }
            | Self::NoSuchPin { .. } => ErrorKind::NotFound,
            Self::Purged { .. } | Self::HasPurged { .. } => ErrorKind::Purged,
            Self::PlanChanged { .. } | Self::PlanOfTheFuture { .. } | Self::ClaimsChanged => {
                ErrorKind::PlanGone
            }
            Self::Artifact(ArtifactError {
                source: LayoutProblem::NoTag { .. } | LayoutProblem::Several { .. },
                ..
            }) => ErrorKind::Usage,
            Self::WrongState { .. }
            | Self::ArtifactBeside
            | Self::Ambiguous { .. }
            | Self::AmbiguousObject { .. }
            | Self::NotAFile { .. }
            | Self::PathTaken { .. }
            | Self::NoSuchClass { .. }
            | Self::NoSuchEventType { .. }
            | Self::BadSchema { .. }
            | Self::BadStatement { .. }
            | Self::SchemaViolated { .. }
            | Self::NotAlone
            | Self::PinTaken { .. }
            | Self::EarlierExpiry { .. }
            | Self::Range { .. }
            | Self::BadText { .. } => ErrorKind::Usage,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ErrorKind::ClosedPipe,
            Self::Storage(_)
            | Self::Db(_)
            | Self::Log(_)
            | Self::View(_)
            | Self::Mismatch { .. }
            | Self::Bag(_)
            | Self::NotBaggable { .. }
            | Self::Artifact(_)
            | Self::TooLargeFor { .. }
            | Self::Ingest(_)
            | Self::Serve(_)
            | Self::Pour(_)
            | Self::Export(_)
            | Self::Verify(_)
            | Self::Lock(_)
            | Self::ViewsVersion { .. }
            | Self::Changed { .. }
            | Self::DatabaseReplaced
            | Self::MayStand(_)
            | Self::ClockDoubted { .. }
            | Self::Unsure { .. }
            | Self::Output(_) => ErrorKind::Failed,
        }
    }
}
