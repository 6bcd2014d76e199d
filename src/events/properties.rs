//! Properties of what is written and read: nothing is lost on the way, and no bytes make a reader panic.

use proptest::prelude::*;

use super::testing::{
    Known, Said, chain, check_item, check_log, check_payload, check_record, items_of, read_all, record_of,
};
use super::*;
use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::manifest::cbor::testing::{damage, damaged, mutated, mutations};
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

proptest! {
    #[test]
    fn what_is_said_is_read(event_type in event_type(), seed: u64) {
        let said = Said::by_chance(event_type, &mut Chance::new(seed));
        let bytes = said.write();
        prop_assert_eq!(check(&bytes), Ok(()), "the payload is canonical");
        let decoded = decode(&record_of(event_type), &bytes).expect("what was written");
        prop_assert_eq!(decoded.unknown_fields, 0);
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
        prop_assert_eq!(decoded.unknown_fields, 1);
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
    fn a_payload_that_was_tampered_with_is_canonical_or_none(
        event_type in event_type(), seed: u64, mutations in mutations(), damage in damage(),
    ) {
        let bytes = Said::by_chance(event_type, &mut Chance::new(seed)).write();
        prop_assert!(check_payload(event_type, &bytes));
        check_payload(event_type, &damaged(bytes.clone(), &damage));
        check_payload(event_type, &mutated(bytes, &mutations));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(event_type in event_type(), bytes: Vec<u8>) {
        check_payload(event_type, &bytes);
        check_record(&bytes);
        check_item(&bytes);
    }

    #[test]
    fn an_item_that_was_tampered_with_is_whole_and_sound_or_none(
        count in 1u64..4, at in 0u64..4, mutations in mutations(), damage in damage(),
    ) {
        let at = at.min(count - 1);
        let events = &chain(count)[usize::try_from(at).expect("a small number")..];
        let item = encode_item(events);
        prop_assert!(check_item(&item));
        check_item(&damaged(item.clone(), &damage));
        check_item(&mutated(item.clone(), &mutations));
        check_item(&[&item[..], &damaged(item.clone(), &damage)].concat());
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
    fn a_record_has_one_spelling(seed: u64, mutations in mutations(), damage in damage()) {
        // store-layout.md 1.3
        let record = record("v1.package.removed", &mut Chance::new(seed));
        prop_assert!(check_record(&record.encode()));
        check_record(&damaged(record.encode(), &damage));
        check_record(&mutated(record.encode(), &mutations));
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
            EventType::VerifyCompleted => &["first", "last", "expected_head", "expected_digest"],
            EventType::StoreCreated
            | EventType::PackageCreated
            | EventType::ObjectsStored
            | EventType::PackageFinalized
            | EventType::PackageRemoved
            | EventType::PackageImported
            | EventType::PinRemoved
            | EventType::GcCompleted
            | EventType::ObjectHealed
            | EventType::SchemaRegistered => &[],
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

#[test]
fn a_text_is_no_longer_than_it_may_be() {
    // store-layout.md 5.5
    let of = |length: usize| Record { actor: "x".repeat(length), ..record_of(EventType::PinAdded) };
    assert!(check_record(&of(65_536).encode()));
    assert!(!check_record(&of(65_537).encode()), "each at most 65,536 bytes");
    let said = Stored::new(of(65_537), Some(vec![0xa0]));
    assert!(!check_item(&encode_item(&[said])));
}

#[test]
fn a_payload_that_should_be_an_object_is_no_part_of_an_item() {
    // store-layout.md 5.4
    let of = |length: usize| {
        let payload = vec![0x18; length];
        let record = Record { payload_digest: Blake3::of(&payload), ..record_of(EventType::PinAdded) };
        encode_item(&[Stored::new(record, Some(payload))])
    };
    assert!(check_item(&of(INLINE_PAYLOAD_BYTES_MAX)));
    assert!(!check_item(&of(INLINE_PAYLOAD_BYTES_MAX + 1)));
}

/// Four databases beside which a log is put: they know none of six events, some, and all; with and without a memory
/// of where the log stood.
fn databases() -> Vec<(tempfile::TempDir, Known)> {
    let events = chain(6);
    let sizes = [(0, false), (3, false), (3, true), (6, true)];
    let make = |(count, remembers): (usize, bool)| {
        let root = tempfile::tempdir().expect("a directory");
        let known = Known::new(root.path(), &events[..count], remembers);
        (root, known)
    };
    sizes.into_iter().map(make).collect()
}

#[test]
fn whatever_stands_in_log_it_is_settled_or_refused() {
    let databases = databases();
    let events = chain(8);
    let name = |first: u64| format!("{first:020}.cborseq");
    let whole = items_of(&events);
    // Each case settles twenty logs: a fifth of what is asked for is many.
    let default = ProptestConfig::default();
    let config = ProptestConfig { cases: default.cases.div_ceil(5), failure_persistence: None, ..default };
    let strategy = (mutations(), damage(), 0u64..10, 0usize..9, prop::option::of(0u64..12), any::<u8>());
    proptest!(config, |((mutations, damage, second, cut, third, noise) in strategy)| {
        // One file, or cut in two between two events, the second under any name; one of them changed, one more.
        let one = items_of(&events[..cut.min(8)]);
        let two = items_of(&events[cut.min(8)..]);
        let third = third.map(|third| (name(third), vec![noise; usize::from(noise)]));
        let trees = [
            vec![(name(1), damaged(whole.clone(), &damage))],
            vec![(name(1), mutated(whole.clone(), &mutations))],
            vec![(name(1), one.clone()), (name(second), two.clone())],
            vec![(name(1), damaged(one.clone(), &damage)), (name(cut as u64 + 1), two.clone())],
            vec![(name(1), one), (name(cut as u64 + 1), mutated(two, &mutations))],
        ];
        for tree in trees {
            let mut files: Vec<(String, &[u8])> = Vec::new();
            for (name, bytes) in tree.iter().chain(&third) {
                if files.iter().all(|(taken, _)| taken != name) {
                    files.push((name.clone(), bytes));
                }
            }
            for (_, known) in &databases {
                check_log(known, &files);
            }
        }
    });
}
