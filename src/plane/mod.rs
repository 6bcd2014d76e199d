//! The data path: bytes in, bytes out, on top of the objects of the store.
//!
//! [`ingest()`] reads trees and stages what is new; [`serve`] and [`export()`] hand bytes out and check them on
//! the way; [`verify`] reads them all again. What they return are facts (entries, findings); nothing here
//! writes an event, knows a package or opens the database.

pub mod artifact;
mod bag;
mod beside;
mod cachedir;
pub mod claimed;
pub mod claims;
mod content;
mod copy;
mod crew;
mod exclude;
pub mod export;
mod fault;
mod hand;
mod handle;
mod hook;
pub mod ingest;
mod intake;
mod leaves;
mod list;
mod listed;
mod look;
mod pour;
mod queue;
mod roots;
pub mod serve;
mod shards;
mod sift;
mod strays;
mod stream;
pub(crate) mod threads;
mod tick;
mod together;
mod unpack;
pub mod verify;
mod walk;

pub use artifact::{Artifact, ArtifactError, Blobs, LayoutProblem};
pub use bag::{Bag, BagDirectory, BagError, Described};
pub use claims::{Claim, Claims, claims};
pub use content::digests_of;
pub use exclude::{PatternError, patterns_of};
pub use export::{
    DamagedEntry, Document, ExportError, ExportOptions, Exported, LinkMode, SpecialModes, export,
};
pub use fault::Fault;
pub use ingest::{
    BoxError, Healed, HealedFault, HealedFrom, IngestContext, IngestError, IngestOptions, IngestStore,
    Ingested, Known, OnUnreadable, OutsideLinks, Skipped, Source, Standing, Taking, Unreadable, ingest,
    survey,
};
pub use list::{ListError, PathList};
pub use pour::{PourError, Poured, pour};
pub use serve::{ServeError, WHOLE_BYTES_MAX, copy_checked, read_checked};
pub use strays::{NamedObjects, ObjectFiles, Strays, UnrecordedFile, object_files, strays};
pub use unpack::ArchiveRefusal;
pub use verify::{Coverage, Depth, Finding, Part, ScanOptions, Scanned, Subject, VerifyError, look, scan};

#[cfg(test)]
mod tests;
