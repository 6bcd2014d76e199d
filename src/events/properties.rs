//! Properties of what is written and read: nothing is lost on the way, and no bytes make a reader panic.

use proptest::prelude::*;

use super::testing::{Said, all};
use super::*;
use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::manifest::cbor::testing::{damage, damaged};
use crate::manifest::cbor::{check, from_value, to_value};
use crate::manifest::testing::Chance;

fn event_type() -> impl Strategy<Value = EventType> {
    prop::sample::select(EventType::ALL.to_vec())
}

/// A record of this type; all else in it comes out of chance.
fn record(event_type: &str, chance: &mut Chance) -> Record {
    Record {
        sequence: chance.integer().max(1),
        created_at: Timestamp::from_micros(chance.signed()),
        event_type: event_type.to_owned(),
        subject_kind: chance.text(),
        subject_id: chance.text(),
        actor: chance.text(),
        payload_digest: Blake3::from_bytes(chance.digest()),
        previous_digest: Blake3::from_bytes(chance.digest()),
    }
}

fn record_of(event_type: EventType) -> Record {
    record(event_type.name(), &mut Chance::new(0))
}

/// Reads everything that a payload holds, its lists too.
fn read_all(record: &Record, payload: &[u8]) -> Result<(), PayloadError> {
    match decode(record, payload)?.event {
        Event::ObjectsStored { objects, .. } => all(&objects).map(drop),
        Event::EntriesAdded { entries, .. } => all(&entries).map(drop),
        Event::GcStarted { objects, .. } => all(&objects).map(drop),
        Event::GcCompleted { missing, failed, .. } => all(&missing).and(all(&failed).map(drop)),
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
        | Event::VerifyCompleted { .. }
        | Event::Unknown => Ok(()),
    }
}

proptest! {
    #[test]
    fn what_is_said_is_read(event_type in event_type(), seed: u64) {
        let said = Said::by_chance(event_type, &mut Chance::new(seed));
        let bytes = said.write();
        prop_assert_eq!(check(&bytes), Ok(()), "the payload is canonical");
        let decoded = decode(&record_of(event_type), &bytes).expect("what was written");
        prop_assert_eq!(&decoded.unknown_fields, &Vec::<String>::new());
        let again = said.read_again(decoded).expect("what was written");
        prop_assert_eq!(again.write(), bytes);
    }

    #[test]
    fn a_field_of_the_future_is_counted_and_changes_nothing(event_type in event_type(), seed: u64) {
        // store-layout.md 16.2
        prop_assume!(event_type != EventType::PackageFinalized);
        let said = Said::by_chance(event_type, &mut Chance::new(seed));
        let bytes = said.write();
        let mut value = to_value(&bytes).expect("a payload");
        let map = value.as_map_mut().expect("a map");
        map.push(("of the future".into(), vec![ciborium::Value::from(seed >> 12)].into()));
        let later = from_value(&value).expect("canonical");
        let decoded = decode(&record_of(event_type), &later).expect("a field more is no fault");
        prop_assert_eq!(&decoded.unknown_fields, &["of the future".to_owned()]);
        prop_assert_eq!(said.read_again(decoded).expect("what was written").write(), bytes);
    }

    #[test]
    fn a_field_that_is_of_another_type_is_refused(event_type in event_type(), seed: u64) {
        let bytes = Said::by_chance(event_type, &mut Chance::new(seed)).write();
        let count = to_value(&bytes).expect("a payload").as_map().expect("a map").len();
        for at in 0..count {
            let mut value = to_value(&bytes).expect("a payload");
            let field = &mut value.as_map_mut().expect("a map")[at];
            // What `decode` passes over may be anything.
            let key = field.0.as_text().expect("a text key");
            if is_passed_over(event_type, key) {
                continue;
            }
            let key = key.to_owned();
            // No field is a list within a list of a truth.
            field.1 = vec![ciborium::Value::Array(vec![true.into()])].into();
            let changed = from_value(&value).expect("canonical");
            prop_assert!(read_all(&record_of(event_type), &changed).is_err(), "{} took {:?}", key, changed);
        }
    }

    #[test]
    fn a_payload_that_was_damaged_never_panics(event_type in event_type(), seed: u64, damage in damage()) {
        let bytes = Said::by_chance(event_type, &mut Chance::new(seed)).write();
        let bytes = damaged(bytes, &damage);
        // Whatever it is read as: what counts as read is canonical to the last byte.
        if read_all(&record_of(event_type), &bytes).is_ok() {
            prop_assert_eq!(check(&bytes), Ok(()));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(event_type in event_type(), bytes: Vec<u8>) {
        drop(read_all(&record_of(event_type), &bytes));
        drop(Record::decode(&bytes));
    }

    #[test]
    fn a_type_of_the_future_is_unknown_whatever_it_says(name in "v[0-9]\\.[a-z.]{1,20}", bytes: Vec<u8>) {
        prop_assume!(EventType::of(&name).is_none());
        let decoded = decode(&record(&name, &mut Chance::new(0)), &bytes).expect("no error");
        prop_assert!(matches!(decoded.event, Event::Unknown));
    }

    #[test]
    fn a_record_is_read_as_it_was_written(event_type in event_type(), seed: u64) {
        let record = record(event_type.name(), &mut Chance::new(seed));
        let bytes = record.encode();
        prop_assert_eq!(check(&bytes), Ok(()), "the record is canonical");
        prop_assert_eq!(Record::decode(&bytes).expect("what was written"), record);
    }

    #[test]
    fn a_record_has_one_spelling(seed: u64, damage in damage()) {
        // store-layout.md 1.3
        let record = record("v1.package.removed", &mut Chance::new(seed));
        let bytes = damaged(record.encode(), &damage);
        if let Ok(read) = Record::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }
}

fn is_passed_over(event_type: EventType, key: &str) -> bool {
    let passed = [
        (EventType::PinRemoved, "reason"),
        (EventType::GcStarted, "clock_accepted"),
        (EventType::ObjectHealed, "source"),
        (EventType::VerifyCompleted, "head_digest"),
    ];
    passed.contains(&(event_type, key))
}

#[test]
fn a_field_that_every_version_has_must_be_there() {
    let may_be_absent = |event_type: EventType, key: &str| {
        let optional = match event_type {
            EventType::EntriesAdded => &["replace"][..],
            EventType::PackageRestored | EventType::PinAdded => &["reason"],
            EventType::RetentionChanged => &["class", "expires_at", "hold"],
            EventType::GcStarted => &["reason"],
            EventType::VerifyCompleted => &["first", "last"],
            EventType::StoreCreated
            | EventType::PackageCreated
            | EventType::ObjectsStored
            | EventType::PackageFinalized
            | EventType::PackageRemoved
            | EventType::PackageImported
            | EventType::PinRemoved
            | EventType::GcCompleted
            | EventType::ObjectHealed => &[],
        };
        optional.contains(&key) || is_passed_over(event_type, key)
    };
    for event_type in EventType::ALL {
        for seed in 0..32 {
            let bytes = Said::by_chance(event_type, &mut Chance::new(seed)).write();
            let whole = to_value(&bytes).expect("a payload");
            for at in 0..whole.as_map().expect("a map").len() {
                let mut value = whole.clone();
                let (key, _) = value.as_map_mut().expect("a map").remove(at);
                let key = key.as_text().expect("a text key");
                let read = read_all(&record_of(event_type), &from_value(&value).expect("canonical"));
                let optional = may_be_absent(event_type, key);
                assert_eq!(read.is_ok(), optional, "{} without {key}: {read:?}", event_type.name());
            }
        }
    }
}
