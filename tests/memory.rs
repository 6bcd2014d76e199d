//! Hostile bytes cost whoever reads them a few times their own length in memory and no more: nothing is set aside for
//! what only a head promises. A binary of its own, because every allocation in it is counted.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and says why"
)]
#![allow(clippy::disallowed_methods, reason = "tests make and break files by hand")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use astore::disk::RealDisk;
use astore::events::testing::{chain, read_all, read_item};
use astore::events::{EventType, LogFiles, Position, Record, Step, encode_item};
use astore::identity::{AddressPrefix, ContentAddress};
use astore::manifest::cbor::{self, Encoder};
use astore::manifest::{Decoder, Manifest, PackageName, decode_entry, from_jcs, to_jcs};
use astore::{Blake3, Timestamp};

/// What a reader may take whatever it reads: buffers, messages, the 1,024 labels that there may be.
const CONSTANT: u64 = 128 * 1024;

/// How many times its input a reader may have in memory at once beside it: the texts that it keeps, once, while a
/// vector of them doubles; six times for the JSON of control characters, of which each takes six.
const TIMES: u64 = 10;

/// The length of the inputs, nearly.
const INPUT: usize = 1 << 17;

/// Collects what was measured.
#[derive(Default)]
struct Measured {
    inputs: u64,
    worst: BTreeMap<&'static str, (f64, String)>,
    broken: Vec<String>,
}

impl Measured {
    fn of<T>(&mut self, reader: &'static str, what: &str, input: &[u8], read: impl FnOnce(&[u8]) -> T) {
        self.within(reader, what, input, TIMES * input.len() as u64 + CONSTANT, read);
    }

    fn within<T>(
        &mut self,
        reader: &'static str,
        what: &str,
        input: &[u8],
        bytes_max: u64,
        read: impl FnOnce(&[u8]) -> T,
    ) {
        let peak = allocation_counter::measure(|| drop(read(input))).bytes_max;
        self.inputs += 1;
        let times = peak as f64 / input.len() as f64;
        let worst = self.worst.entry(reader).or_default();
        if times > worst.0 && input.len() > 4096 {
            *worst = (times, what.to_owned());
        }
        if peak > bytes_max {
            self.broken
                .push(format!("{reader} of {what}: {peak} bytes for {}, {times:.1} times", input.len()));
        }
    }

    fn finish(self) {
        for (reader, (times, what)) in &self.worst {
            eprintln!("{reader}: at most {times:.2} times its input ({what})");
        }
        eprintln!("{} inputs", self.inputs);
        assert!(self.broken.is_empty(), "{}", self.broken.join("\n"));
    }
}

fn encoded(write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes));
    bytes
}

/// Distinct short keys in canonical order: shorter ones first.
fn keys(bytes: usize, each: usize) -> Vec<String> {
    let digits = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut keys = Vec::new();
    let mut length = 1;
    let mut left = bytes;
    loop {
        for number in 0..digits.len().pow(length) {
            let digit = |place: u32| char::from(digits[number / digits.len().pow(place) % digits.len()]);
            let key: String = (0..length).rev().map(digit).collect();
            let Some(rest) = left.checked_sub(key.len() + each) else { return keys };
            left = rest;
            keys.push(key);
        }
        length += 1;
    }
}

/// Canonical values of about that length that are as costly to hold as can be: much structure and little content.
fn dense() -> Vec<(&'static str, Vec<u8>)> {
    let keys = keys(INPUT, 2);
    let text = "x".repeat(INPUT);
    let mut values = vec![
        ("small integers", encoded(|e| (0..INPUT).fold(e.array(INPUT), |e, _| e.uint(0)).done())),
        ("empty texts", encoded(|e| (0..INPUT).fold(e.array(INPUT), |e, _| e.text("")).done())),
        ("empty arrays", encoded(|e| (0..INPUT).fold(e.array(INPUT), |e, _| e.array(0)).done())),
        ("empty maps", encoded(|e| (0..INPUT).fold(e.array(INPUT), |e, _| e.map(0)).done())),
        (
            "maps of one",
            encoded(|e| (0..INPUT / 3).fold(e.array(INPUT / 3), |e, _| e.map(1).text("").uint(0)).done()),
        ),
        ("short keys", encoded(|e| keys.iter().fold(e.map(keys.len()), |e, key| e.text(key).uint(0)).done())),
        ("a text", encoded(|e| e.text(&text).done())),
        ("control characters", encoded(|e| e.text(&"\u{1}".repeat(INPUT)).done())),
        ("bytes", encoded(|e| e.map(1).text("blake3").bytes(text.as_bytes()).done())),
    ];
    for key in ["metadata", "provenance", "files", "storage_receipts", "package"] {
        values.push((
            key,
            encoded(|e| {
                keys.iter().fold(e.map(1).text(key).map(keys.len()), |e, key| e.text(key).text("")).done();
            }),
        ));
    }
    let deep = |opening: &[u8], last: &[u8]| [opening.repeat(15), last.to_vec()].concat();
    values.push(("the deepest array", deep(&[0x81], &values[0].1)));
    values.push(("the deepest map", deep(&[0xa1, 0x60], &values[5].1)));
    values
}

trait Done {
    fn done(&mut self) {}
}

impl Done for Encoder<'_> {}

/// Heads that promise what is not there, alone and within each other.
fn promises() -> Vec<(String, Vec<u8>)> {
    let mut inputs = Vec::new();
    for major in 2..=5u8 {
        for argument in [1u64 << 20, 1 << 31, 1 << 40, (1 << 53) - 1, 1 << 62, u64::MAX] {
            let head = match u32::try_from(argument) {
                Ok(argument) => [&[major << 5 | 26][..], &argument.to_be_bytes()].concat(),
                Err(_) => [&[major << 5 | 27][..], &argument.to_be_bytes()].concat(),
            };
            for (place, before) in [
                ("alone", &[][..]),
                ("in arrays", &[0x81, 0x83]),
                ("in a map", &[0xa1, 0x65, b'f', b'i', b'l', b'e', b's']),
                ("as labels", b"\xa1\x68metadata"),
                ("as faults", b"\xa1\x66faults"),
                ("as objects", b"\xa1\x67objects"),
            ] {
                let bytes = [before, &head, &[0x80; 64]].concat();
                inputs.push((format!("major type {major} of {argument} {place}"), bytes));
            }
        }
    }
    inputs
}

#[test]
fn canonical_cbor_and_what_is_made_of_it() {
    let mut measured = Measured::default();
    let whole = dense();
    let all = whole.into_iter().map(|(what, bytes)| (what.to_owned(), bytes)).chain(promises());
    for (what, bytes) in all {
        measured.within("the walker", &what, &bytes, 0, cbor::check);
        measured.of("a manifest", &what, &bytes, |bytes| Manifest::parse(bytes).is_ok());
        measured.of("an entry", &what, &bytes, |bytes| decode_entry(&mut Decoder::new(bytes)).is_ok());
        measured.of("the projection", &what, &bytes, to_jcs);
        // The one reader that needs much more, and therefore takes no long input.
        measured.within("a value", &what, &bytes, 128 * bytes.len() as u64 + CONSTANT, cbor::to_value);
    }
    measured.finish();
}

#[test]
fn json() {
    let mut measured = Measured::default();
    let keys = keys(INPUT, 5);
    let pairs: Vec<String> = keys.iter().map(|key| format!("\"{key}\":0")).collect();
    let list = |item: &str| format!("[{}]", vec![item; INPUT / (item.len() + 1)].join(","));
    let map = format!("{{{}}}", pairs.join(","));
    let inputs = [
        ("small integers", list("0")),
        ("empty texts", list("\"\"")),
        ("empty arrays", list("[]")),
        ("empty maps", list("{}")),
        ("maps of one", list("{\"\":0}")),
        ("short keys", map.clone()),
        ("a text", format!("\"{}\"", "x".repeat(INPUT))),
        ("escapes", format!("\"{}\"", "\\n".repeat(INPUT / 2))),
        ("long escapes", format!("\"{}\"", "\\u0001".repeat(INPUT / 6))),
        ("digits", format!("{{\"blake3\":\"{}\"}}", "00".repeat(INPUT / 2))),
        ("a long number", "1".repeat(INPUT)),
        ("a long fraction", format!("0.{}", "1".repeat(INPUT))),
        ("openings", "[".repeat(INPUT)),
        ("nested openings", "{\"a\":".repeat(INPUT / 5)),
        ("the deepest array", format!("{}{}{}", "[".repeat(15), list("0"), "]".repeat(15))),
        ("the deepest map", format!("{}{map}{}", "{\"a\":".repeat(15), "}".repeat(15))),
    ];
    for (what, json) in &inputs {
        measured.of("JSON", what, json.as_bytes(), from_jcs);
    }
    measured.finish();
}

fn record(event_type: EventType) -> Record {
    Record {
        sequence: 1,
        created_at: Timestamp::from_micros(0),
        event_type: event_type.name().to_owned(),
        subject_kind: event_type.subject_kind().to_owned(),
        subject_id: "x".to_owned(),
        actor: "x".to_owned(),
        payload_digest: Blake3::of(b""),
        previous_digest: Blake3::from_bytes([0; 32]),
    }
}

/// Payloads with one list in them that is as dense as its type allows; the rest is what must be there.
fn lists() -> Vec<(EventType, &'static str, Vec<u8>)> {
    let id = "018bcfe5-6800-7000-8000-000000000001";
    let digest = [7; 32];
    let count = |each: usize| INPUT / each;
    let keys = keys(INPUT, 2);
    let labels =
        |e: &mut Encoder<'_>| keys.iter().fold(e.map(keys.len()), |e, key| e.text(key).text("")).done();
    let created = |e: &mut Encoder<'_>, many: &str| {
        e.map(6).text("id").text(id).text("name").text("a").text("version").uint(1);
        for key in ["metadata", "provenance"] {
            e.text(key);
            if key == many { labels(e) } else { e.map(0).done() }
        }
        e.text("retention_class").text("x").done();
    };
    let classes = encoded(|e| {
        e.map(4).text("format").uint(1).text("store_id").text(id);
        e.text("primary_algorithm").text("blake3").text("retention_classes").array(count(25));
        for _ in 0..count(25) {
            e.map(2).text("name").text("").text("duration_seconds").null();
        }
    });
    let started = |packages: usize, objects: usize| {
        encoded(|e| {
            e.map(5).text("plan").text("").text("round").uint(1).text("rounds").uint(1);
            e.text("objects").array(objects);
            for _ in 0..objects {
                e.map(3).text("why").text("").text("size").uint(0).text("address").bytes(&digest);
            }
            e.text("packages").array(packages);
            (0..packages).fold(e, |e, _| e.text(id)).done();
        })
    };
    let verified = encoded(|e| {
        e.map(6).text("head").uint(1).text("mode").text("full").text("bytes").uint(0);
        e.text("faults").array(count(7));
        for _ in 0..count(7) {
            e.map(1).text("kind").text("");
        }
        e.text("objects").uint(0).text("head_digest").bytes(&digest).done();
    });
    vec![
        (EventType::StoreCreated, "classes", classes),
        (EventType::PackageCreated, "metadata", encoded(|e| created(e, "metadata"))),
        (EventType::PackageCreated, "provenance", encoded(|e| created(e, "provenance"))),
        (EventType::GcStarted, "packages", started(count(38), 0)),
        (EventType::GcStarted, "objects", started(0, count(55))),
        (EventType::VerifyCompleted, "faults", verified),
    ]
}

#[test]
fn payloads_of_every_type() {
    let mut measured = Measured::default();
    let whole = dense().into_iter().map(|(what, bytes)| (what.to_owned(), bytes));
    let all: Vec<(String, Vec<u8>)> = whole.chain(promises()).collect();
    for event_type in EventType::ALL {
        let record = record(event_type);
        for (what, bytes) in &all {
            let what = format!("{what} as {}", event_type.name());
            measured.of("a payload", &what, bytes, |bytes| read_all(&record, bytes).is_ok());
        }
    }
    for (event_type, what, bytes) in lists() {
        assert_eq!(cbor::check(&bytes), Ok(()), "{what}");
        let what = format!("{what} of {}", event_type.name());
        measured.of("a payload", &what, &bytes, |bytes| read_all(&record(event_type), bytes).is_ok());
    }
    measured.finish();
}

#[test]
fn records_and_items() {
    let mut measured = Measured::default();
    for (what, bytes) in dense().into_iter().map(|(what, bytes)| (what.to_owned(), bytes)).chain(promises()) {
        measured.of("a record", &what, &bytes, |bytes| Record::decode(bytes).is_ok());
        measured.of("an item", &what, &bytes, read_item);
    }
    let events = chain(8_000);
    measured.of("an item", "small events", &encode_item(&events), |bytes| assert!(read_item(bytes)));
    let long = Record { actor: "x".repeat(65_536), ..record(EventType::PinAdded) };
    measured.of("a record", "a long text", &long.encode(), |bytes| assert!(Record::decode(bytes).is_ok()));
    measured.finish();
}

/// A file as long as a disk, of zeros behind a few bytes: it costs nothing to make.
fn sparse(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
}

#[test]
fn a_log_file_that_only_promises_to_be_long() {
    // Walked as far as a look tells that it is none of ours.
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("log")).unwrap();
    let log = LogFiles::new(Arc::new(RealDisk::open(place.path()).unwrap()), 0o600);
    let path = place.path().join(LogFiles::path(1));
    let item = encode_item(&chain(1));
    let head = [0x9b, 0, 0, 0, 16, 0, 0, 0, 0];
    let long = [0x5b, 0, 0, 0, 16, 0, 0, 0, 0];
    for (what, bytes) in [
        ("a long record", [&[0x81, 0x83][..], &long].concat()),
        ("a long list", [&head[..], &item[1..]].concat()),
        ("a long payload", [&[0x81, 0x83, 0x41, 0x80][..], &long].concat()),
        ("a long digest", [&[0x81, 0x83, 0x41, 0x80, 0xf6][..], &long].concat()),
    ] {
        sparse(&path, &bytes);
        let mut found = None;
        let peak = allocation_counter::measure(|| found = log.walk(Position::START).step().ok());
        assert!(matches!(found, Some(Step::Broken { continued: true, .. })), "{what}: {found:?}");
        eprintln!("{what}: {} bytes in memory", peak.bytes_max);
        assert!(peak.bytes_max <= 128 << 20, "{what}: {} bytes", peak.bytes_max);
    }
}

#[test]
fn words() {
    let mut measured = Measured::default();
    for text in ["a", "0", "-", ":", "@", "blake3:", "0-", "\u{1f600}"] {
        let text = text.repeat(INPUT / text.len());
        measured.of("a word", &text[..8], text.as_bytes(), |bytes| {
            let text = std::str::from_utf8(bytes).unwrap();
            drop(text.parse::<ContentAddress>());
            drop(text.parse::<AddressPrefix>());
            drop(text.parse::<PackageName>());
            drop(text.parse::<astore::gc::PlanName>());
            astore::registry::testing::check_reference(text);
        });
    }
    measured.finish();
}
