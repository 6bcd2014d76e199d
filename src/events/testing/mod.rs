//! What must hold of any bytes that are taken for a record, a payload, an item or a whole `log/`; and, for the tests
//! of this room, payloads out of chance.
//!
//! The checks panic where a promise is broken. Fuzz targets and property tests call the same ones, so that neither
//! can forget what the other knows. Each returns whether the bytes were taken.

mod directory;
#[cfg(test)]
mod said;

#[cfg(test)]
pub(super) use said::Said;

pub use directory::{Known, chain, check_log, events_of, items_of};

use super::item::{NotAnItem, begins_item, decode_item, holds_item_after};
use super::record::{NO_PREDECESSOR, TEXT_BYTES_MAX};
use super::{
    Event, EventType, Head, INLINE_PAYLOAD_BYTES_MAX, Items, PayloadError, Record, decode, encode_item,
};
use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::manifest::cbor::{self, INTEGER_MAX};

/// Reads bytes as a record.
///
/// # Panics
/// Where what was taken breaks a promise of store-layout.md, "Records and the chain".
pub fn check_record(bytes: &[u8]) -> bool {
    let Ok(record) = Record::decode(bytes) else { return false };
    assert_eq!(cbor::check(bytes), Ok(()), "a record is canonical");
    assert_eq!(record.encode(), bytes, "one record has one spelling");
    assert!((1..=INTEGER_MAX).contains(&record.sequence), "sequence {}", record.sequence);
    for text in [&record.event_type, &record.subject_kind, &record.subject_id, &record.actor] {
        assert!(text.len() <= TEXT_BYTES_MAX, "a text of {} bytes", text.len());
    }
    true
}

/// Reads bytes as the payload of an event of this type, its lists to their ends.
///
/// # Panics
/// Where what was taken is not canonical.
pub fn check_payload(event_type: EventType, payload: &[u8]) -> bool {
    let taken = read_all(&record_of(event_type), payload).is_ok();
    if taken {
        assert_eq!(cbor::check(payload), Ok(()), "what counts as read is canonical to the last byte");
    }
    taken
}

/// A record of this type; nothing else in it matters.
pub(super) fn record_of(event_type: EventType) -> Record {
    Record {
        sequence: 1,
        created_at: Timestamp::from_micros(0),
        event_type: event_type.name().to_owned(),
        subject_kind: event_type.subject_kind().to_owned(),
        subject_id: String::new(),
        actor: String::new(),
        payload_digest: NO_PREDECESSOR,
        previous_digest: NO_PREDECESSOR,
    }
}

/// Reads everything that a payload holds, its lists too, and keeps nothing of it.
///
/// # Errors
/// [`PayloadError`] where it is not what its type says.
pub fn read_all(record: &Record, payload: &[u8]) -> Result<(), PayloadError> {
    match decode(record, payload)?.event {
        Event::ObjectsStored { objects, .. } => pass(&objects),
        Event::EntriesAdded { entries, .. } => pass(&entries),
        Event::GcStarted { objects, .. } => pass(&objects),
        Event::GcCompleted { missing, failed, .. } => pass(&missing).and(pass(&failed)),
        Event::VerifyCompleted { faults, .. } => pass(&faults),
        Event::PackageFinalized { manifest } | Event::PackageImported { manifest, .. } => {
            manifest.entries().for_each(drop);
            Ok(())
        }
        Event::StoreCreated { .. }
        | Event::PackageCreated { .. }
        | Event::PackageRemoved { .. }
        | Event::PackageRestored { .. }
        | Event::PinAdded { .. }
        | Event::PinRemoved { .. }
        | Event::RetentionChanged { .. }
        | Event::ObjectHealed { .. }
        | Event::SchemaRegistered { .. }
        | Event::Unknown => Ok(()),
    }
}

fn pass<T>(items: &Items<'_, T>) -> Result<(), PayloadError> {
    let mut found = 0;
    items.each(|_| -> Result<(), PayloadError> {
        found += 1;
        Ok(())
    })?;
    assert_eq!(items.count()?, found);
    Ok(())
}

/// Reads bytes as an item of `log/` and keeps nothing of it.
pub fn read_item(bytes: &[u8]) -> bool {
    decode_item(bytes).is_ok()
}

/// Reads bytes as what an item of `log/` begins with, and looks for one behind them.
///
/// # Panics
/// Where what was taken breaks a promise of store-layout.md 6.2 to 6.4.
pub fn check_item(bytes: &[u8]) -> bool {
    holds_item_after(bytes, 0);
    let (events, used) = match decode_item(bytes) {
        Ok(taken) => taken,
        Err(NotAnItem::Incomplete | NotAnItem::Unsound | NotAnItem::Later) => return false,
    };
    assert!(begins_item(bytes), "a search would pass over it");
    assert!(!events.is_empty(), "an item of nothing");
    assert_eq!(encode_item(&events), &bytes[..used], "one item has one spelling");
    let mut head: Option<Head> = None;
    for event in &events {
        assert!(event.is_sound(), "event {}", event.record.sequence);
        assert!(event.payload.as_ref().is_none_or(|payload| payload.len() <= INLINE_PAYLOAD_BYTES_MAX));
        assert!(head.is_none_or(|head| head.is_followed_by(&event.record)), "a gap");
        check_record(&event.record.encode());
        head = Some(Head::from(event));
    }
    let last = events.last().map(|event| event.digest);
    assert_eq!(last.as_ref().map(Blake3::as_bytes).map(<[u8; 32]>::as_slice), Some(&bytes[used - 32..used]));
    assert!(holds_item_after(bytes, events[0].record.sequence - 1), "it stands there");
    // Whatever follows, and wherever it ends: a part of an item is none.
    assert_eq!(decode_item(&bytes[..used - 1]), Err(NotAnItem::Incomplete));
    used == bytes.len()
}
