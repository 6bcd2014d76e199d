//! The event log: the only source of truth, as rows of the database and as plain files under `log/`.
//!
//! Knows what events say and how they are chained; what follows from them, the views know.

mod event;
mod fields;
mod files;
#[cfg(test)]
mod golden;
mod item;
mod log;
mod merge;
pub mod payload;
#[cfg(test)]
mod properties;
mod record;
mod replay;
mod search;
mod settle;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod walk;

pub use event::{
    Decoded, Event, EventType, INLINE_PAYLOAD_BYTES_MAX, Items, PayloadError, PinTarget, PurgedObject,
    RecordedFault, UndeletedObject, decode,
};
pub(crate) use fields::{read_labels, write_labels};
pub use files::{FILE_BYTES_MAX, LogError, LogFiles};
pub use item::encode_item;
pub use log::{
    Bookkeeping, Head, Position, Stored, each_after, event, head, insert, of_package, since, stored_digest,
    time_of, unknown_types, with_payload_objects,
};
pub(crate) use log::{digest_column, instant, signed, unsigned};
pub use merge::{Merged, merge};
pub use record::{NO_PREDECESSOR, RECORD_VERSION, Record, RecordError};
pub use replay::{ChainFault, PayloadUnavailable, Payloads, check_link, replay};
pub use settle::{Compared, Settled, compare, settle};
pub use walk::{Step, Walk};
