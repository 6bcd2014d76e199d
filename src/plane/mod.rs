//! The data path: bytes in, bytes out, on top of the objects of the store.
//!
//! [`ingest`] reads trees and stages what is new; [`serve`] and [`export`] hand bytes out and check them on
//! the way; [`verify`] reads them all again. What they return are facts (entries, findings); nothing here
//! writes an event, knows a package or opens the database.

mod crew;
mod exclude;
mod hand;
mod handle;
pub mod ingest;
mod queue;
mod roots;
mod stream;
mod walk;

pub use ingest::{
    BoxError, Healed, HealedFault, IngestContext, IngestError, IngestOptions, IngestStore, Ingested, Known,
    OnUnreadable, Skipped, Source, Standing, Unreadable, ingest, survey,
};

#[cfg(test)]
mod tests;
