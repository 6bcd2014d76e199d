//! The events in `fixtures/events`: a small log, one event a file, at least one of each type. What this build
//! writes must be these bytes, and it must read them back.
//!
//! `NNN-TYPE.txt` has four lines, each a word and lower-case hex: the `payload`, its `payload_digest`, the
//! `record`, and its `digest`, which the next event's record carries on. To add one, add it below at the end and
//! run `just fixtures`, which writes what is missing and changes nothing.

use std::fmt::Write as _;

use uuid::Uuid;

use super::testing::Said;
use super::*;
use crate::env::Timestamp;
use crate::fixtures;
use crate::identity::{Blake3, ContentAddress, Digests};
use crate::manifest::{
    Entry, EntryBody, EntryPath, Labels, ManifestHeader, Mtime, Receipt, RetentionSummary, write_manifest,
};

const FOLDER: &str = "events";

const STORE: Uuid = Uuid::from_u128(0x1111_1111_1111_4111_8111_1111_1111_1111);
const PACKAGE: Uuid = Uuid::from_u128(0x018b_cfe5_6800_7000_8000_0000_0000_0001);
const FOREIGN: Uuid = Uuid::from_u128(0x018b_cfe5_6800_7000_8000_0000_0000_0002);
const ADD: Uuid = Uuid::from_u128(0x2222_2222_2222_4222_8222_2222_2222_2222);
const GC: Uuid = Uuid::from_u128(0x3333_3333_3333_4333_8333_3333_3333_3333);
const VERIFY: Uuid = Uuid::from_u128(0x4444_4444_4444_4444_8444_4444_4444_4444);

/// `printf hello`, and nothing.
fn objects() -> [Digests; 2] {
    let mut objects = [Digests::of(b"hello"), Digests::of(b"")];
    objects.sort_by_key(|object| *object.blake3.as_bytes());
    objects
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn entry(path: &[u8], body: EntryBody) -> Entry {
    Entry { path: EntryPath::new(path).expect("a good path"), body, mtime: None }
}

fn entries() -> Vec<Entry> {
    let object = Digests::of(b"hello");
    let mtime = Some(Mtime { seconds: -1, nanoseconds: 999_999_999 });
    vec![
        entry(b"bin", EntryBody::Directory { mode: 0o755 }),
        Entry { mtime, ..entry(b"bin/tool", EntryBody::File { mode: 0o4755, object }) },
        entry(b"empty", EntryBody::File { mode: 0o644, object: Digests::of(b"") }),
        entry(b"l\xffnk", EntryBody::Symlink { target: b"bin/tool".as_slice().into() }),
    ]
}

fn manifest(id: Uuid, name: &str) -> Vec<u8> {
    let header = ManifestHeader {
        id,
        name: name.parse().expect("a name"),
        version: 1,
        created_at: Timestamp::from_micros(1_700_000_000_000_000),
        created_by: "builder@example".to_owned(),
        metadata: labels(&[("branch", "main")]),
        receipts: vec![Receipt { backend_id: "local".to_owned(), objects: 2, bytes: 5 }],
        retention: RetentionSummary { class: "transient".to_owned(), duration_seconds: Some(604_800) },
        provenance: labels(&[("source", "dist")]),
    };
    let mut bytes = Vec::new();
    write_manifest(&mut bytes, &header, entries().iter()).expect("a Vec takes it");
    bytes
}

/// The events in their order: what each says, and what it is about.
#[expect(clippy::too_many_lines, reason = "a list")]
fn said() -> Vec<(Said, String)> {
    let text = str::to_owned;
    let hello = Digests::of(b"hello");
    let fault = |kind: &str, address, name: Option<&str>, detail: Option<&str>| RecordedFault {
        kind: kind.to_owned(),
        address,
        name: name.map(str::to_owned),
        detail: detail.map(str::to_owned),
    };
    let classes = vec![("permanent-record".to_owned(), None), ("transient".to_owned(), Some(604_800))];
    let [package, foreign, gc] = [PACKAGE, FOREIGN, GC].map(|id| id.to_string());
    let plan = format!("1700000000000000-86400-{}", Blake3::of(b"a plan"));
    let two = objects().map(|object| object.blake3);
    vec![
        (Said::StoreCreated { store_id: STORE, classes }, STORE.to_string()),
        (Said::ObjectsStored { backend_id: text("local"), objects: objects().to_vec() }, ADD.to_string()),
        (
            Said::PackageCreated {
                id: PACKAGE,
                name: "build".parse().expect("a name"),
                version: 1,
                class: text("transient"),
                metadata: labels(&[("branch", "main"), ("é", "\n"), ("aa", "")]),
                provenance: Labels::new(),
            },
            package.clone(),
        ),
        (
            Said::EntriesAdded { backend_id: text("local"), entries: entries(), replace: false },
            package.clone(),
        ),
        (
            Said::EntriesAdded { backend_id: text("local"), entries: entries(), replace: true },
            package.clone(),
        ),
        (Said::PackageFinalized { manifest: manifest(PACKAGE, "build") }, package.clone()),
        (Said::PackageRemoved { reason: text("superseded") }, package.clone()),
        (Said::PackageRestored { reason: None }, package.clone()),
        (Said::PackageRemoved { reason: String::new() }, package.clone()),
        (Said::PackageRestored { reason: Some(text("a mistake")) }, package.clone()),
        (
            Said::PackageImported { manifest: manifest(FOREIGN, "foreign"), origin: text("elsewhere") },
            foreign.clone(),
        ),
        (
            Said::PinAdded {
                name: text("keep"),
                target: PinTarget::Package(PACKAGE),
                reason: Some(text("why not")),
            },
            text("keep"),
        ),
        (
            Said::PinAdded { name: text("bytes"), target: PinTarget::Object(hello.blake3), reason: None },
            text("bytes"),
        ),
        (Said::PinRemoved { name: text("keep"), reason: None }, text("keep")),
        (Said::PinRemoved { name: text("bytes"), reason: Some(text("done")) }, text("bytes")),
        (
            Said::RetentionChanged {
                class: Some(text("permanent-record")),
                expires_at: Some(Some(Timestamp::from_micros(1_900_000_000_000_000))),
                hold: Some(true),
                reason: text("an audit"),
            },
            package.clone(),
        ),
        (
            Said::RetentionChanged {
                class: None,
                expires_at: Some(None),
                hold: Some(false),
                reason: text("for ever"),
            },
            package.clone(),
        ),
        (
            Said::RetentionChanged { class: None, expires_at: None, hold: None, reason: text("nothing") },
            package,
        ),
        (Said::PackageRemoved { reason: text("not ours") }, foreign),
        (
            Said::GcStarted {
                plan: plan.clone(),
                round: 1,
                rounds: 2,
                reason: None,
                clock_accepted: false,
                packages: vec![PACKAGE, FOREIGN],
                objects: objects()
                    .map(|object| PurgedObject {
                        address: object.blake3,
                        size_bytes: object.size_bytes,
                        why: "expired".to_owned(),
                    })
                    .to_vec(),
            },
            gc.clone(),
        ),
        (
            Said::GcCompleted {
                started: 20,
                objects: 2,
                bytes: 5,
                missing: Vec::new(),
                failed: Vec::new(),
                duration_micros: 1_234,
            },
            gc.clone(),
        ),
        (
            Said::GcStarted {
                plan,
                round: 2,
                rounds: 2,
                reason: Some(text("room")),
                clock_accepted: true,
                packages: Vec::new(),
                objects: Vec::new(),
            },
            gc.clone(),
        ),
        (
            Said::GcCompleted {
                started: 22,
                objects: 0,
                bytes: 0,
                missing: vec![two[0]],
                failed: vec![(two[1], text("Permission denied (os error 13)"))],
                duration_micros: (1 << 53) - 1,
            },
            gc,
        ),
        (
            Said::ObjectHealed {
                object: hello,
                backend_id: text("local"),
                fault: text("truncated"),
                source: text("add"),
            },
            ContentAddress::new(hello.blake3).to_string(),
        ),
        (
            Said::VerifyCompleted {
                head: 24,
                head_digest: Blake3::of(b"a head"),
                mode: text("full"),
                range: Some((Blake3::from_bytes([0; 32]), Blake3::from_bytes([255; 32]))),
                expected: None,
                objects: 2,
                bytes: 5,
                faults: vec![
                    fault("altered", Some(hello.blake3), None, Some("expected 5 bytes")),
                    fault("foreign", None, Some("blake3/x"), None),
                ],
            },
            VERIFY.to_string(),
        ),
        (
            Said::VerifyCompleted {
                head: 25,
                head_digest: Blake3::from_bytes([0; 32]),
                mode: text("quick"),
                range: None,
                expected: None,
                objects: 0,
                bytes: 0,
                faults: Vec::new(),
            },
            VERIFY.to_string(),
        ),
        (
            Said::VerifyCompleted {
                head: 26,
                head_digest: Blake3::of(b"another head"),
                mode: text("both"),
                range: Some((Blake3::from_bytes([0; 32]), Blake3::from_bytes([255; 32]))),
                expected: Some((24, Blake3::of(b"a head"))),
                objects: 1,
                bytes: 5,
                faults: vec![fault("head", None, Some("event 24"), Some("expected another"))],
            },
            VERIFY.to_string(),
        ),
        (
            Said::SchemaRegistered {
                name: "release".parse().expect("a name"),
                version: 1,
                media_type: text("application/schema+json"),
                document: b"{\"required\": [\"commit\"]}\n".to_vec(),
            },
            text("release"),
        ),
    ]
}

/// The whole log: each event with its payload, chained to the one before.
fn log() -> Vec<(Said, Vec<u8>, Stored)> {
    let mut head = Head::NONE;
    let mut log = Vec::new();
    for (said, subject_id) in said() {
        let payload = said.write();
        let sequence = head.sequence + 1;
        let event_type = said.event_type();
        // The clock steps back once, to before 1970.
        let micros =
            if sequence == 5 { -1 } else { 1_700_000_000_000_000 + i64::try_from(sequence).expect("few") };
        let record = Record {
            sequence,
            created_at: Timestamp::from_micros(micros),
            event_type: event_type.name().to_owned(),
            subject_kind: event_type.subject_kind().to_owned(),
            subject_id,
            actor: if sequence == 4 { "ünï@ço\n".to_owned() } else { "builder@example".to_owned() },
            payload_digest: Blake3::of(&payload),
            previous_digest: head.digest,
        };
        let event = Stored::new(record, Some(payload.clone()));
        head = Head::from(&event);
        log.push((said, payload, event));
    }
    log
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes it");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn file_name(event: &Stored) -> String {
    format!("{:03}-{}.txt", event.record.sequence, event.record.event_type)
}

fn check_files() {
    let text = |(_, payload, event): (Said, Vec<u8>, Stored)| {
        let Record { payload_digest, .. } = event.record;
        let (record, digest) = (hex(&event.record.encode()), event.digest);
        let payload = hex(&payload);
        let text =
            format!("payload {payload}\npayload_digest {payload_digest}\nrecord {record}\ndigest {digest}\n");
        (file_name(&event), text.into_bytes())
    };
    fixtures::check(FOLDER, &log().into_iter().map(text).collect::<Vec<_>>());
}

#[test]
fn the_golden_events_are_written_and_read_to_the_byte() {
    // store-layout.md 5.2, 5.3, 5.4
    check_files();
    let mut head = Head::NONE;
    for (said, _, event) in log() {
        let name = file_name(&event);
        let text = String::from_utf8(fixtures::read(FOLDER, &name)).expect("UTF-8");
        let lines: Vec<(&str, &str)> = text.lines().map(|line| line.split_once(' ').expect(&name)).collect();
        let [
            ("payload", payload),
            ("payload_digest", payload_digest),
            ("record", record),
            ("digest", digest),
        ] = lines[..]
        else {
            panic!("{name} has other lines");
        };
        let (payload, record) = (unhex(payload), unhex(record));
        assert_eq!(Blake3::of(&payload).to_string(), payload_digest, "{name}");
        assert_eq!(Blake3::of(&record).to_string(), digest, "{name}");
        let read = Record::decode(&record).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((&read, read.payload_digest), (&event.record, Blake3::of(&payload)), "{name}");
        assert!(head.is_followed_by(&read), "{name} does not follow");
        head = Head { sequence: read.sequence, digest: read.digest() };
        let decoded = decode(&read, &payload).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(decoded.unknown_fields, 0, "{name}");
        let again = said.read_again(decoded).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(format!("{again:?}"), format!("{said:?}"), "{name}");
    }
}

#[test]
fn every_type_is_among_the_golden_events() {
    let log = log();
    for event_type in EventType::ALL {
        let name = event_type.name();
        assert!(log.iter().any(|(said, ..)| said.event_type() == event_type), "no golden event {name}");
    }
}
