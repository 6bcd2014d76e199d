//! The manifests in `fixtures/manifests`: what this build writes must be these bytes, and what it must refuse.
//!
//! `NAME.cbor` is the manifest, `NAME.jcs` its projection, `NAME.digest` its digest; `refused/NAME.cbor` is no
//! manifest of version 1, and `refused/NAME.txt` says why. To add one, add it below and run
//! `just fixtures`, which writes what is missing and changes nothing.

use std::error::Error;

use ciborium::Value;
use uuid::Uuid;

use super::cbor::INTEGER_MAX;
use super::*;
use crate::env::Timestamp;
use crate::fixtures;
use crate::identity::{Blake3, Digests, Sha256};

const FOLDER: &str = "manifests";

fn entry(path: impl Into<Box<[u8]>>, body: EntryBody) -> Entry {
    Entry { path: EntryPath::new(path).expect("a good path"), body, mtime: None }
}

fn file(path: &[u8], mode: u32, content: &[u8]) -> Entry {
    entry(path, EntryBody::File { mode, object: Digests::of(content) })
}

fn directory(path: &[u8], mode: u32) -> Entry {
    entry(path, EntryBody::Directory { mode })
}

fn symlink(path: &[u8], target: &[u8]) -> Entry {
    entry(path, EntryBody::Symlink { target: target.into() })
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// No entries, and everything that may be empty is.
fn minimal() -> (ManifestHeader, Vec<Entry>) {
    let header = ManifestHeader {
        id: Uuid::nil(),
        name: "minimal".parse().expect("a name"),
        version: 1,
        created_at: Timestamp::from_micros(0),
        created_by: String::new(),
        metadata: Labels::new(),
        receipts: Vec::new(),
        retention: RetentionSummary { class: "permanent-record".into(), duration_seconds: None },
        provenance: Labels::new(),
    };
    (header, Vec::new())
}

/// What `astore add --finalize` makes of a small directory.
fn typical() -> (ManifestHeader, Vec<Entry>) {
    let header = ManifestHeader {
        id: "018bcfe5-6800-7000-8000-000000000001".parse().expect("an id"),
        name: "build".parse().expect("a name"),
        version: 3,
        created_at: Timestamp::from_micros(1_700_000_000_000_000),
        created_by: "builder@example".into(),
        metadata: labels(&[("branch", "main"), ("commit", "0123abc")]),
        receipts: vec![Receipt { backend_id: "local".into(), objects: 2, bytes: 13 }],
        retention: RetentionSummary { class: "raw-evidence".into(), duration_seconds: Some(7_776_000) },
        provenance: labels(&[("source", "dist")]),
    };
    let entries = vec![
        directory(b"bin", 0o755),
        file(b"bin/tool", 0o755, b"#!/bin/sh\n:\n"),
        symlink(b"bin/tool-latest", b"tool"),
        file(b"empty", 0o644, b""),
        file(b"log.txt", 0o644, b"\n"),
    ];
    (header, entries)
}

/// Each thing that a manifest can hold, at its odd ends.
fn everything() -> (ManifestHeader, Vec<Entry>) {
    let odd = [
        ("", "an empty key"),
        ("b", "shorter keys come first in CBOR"),
        ("aa", "and last here"),
        ("blake3", "a label is text, whatever it is called"),
        ("\u{fb33}", "in UTF-8 before the next one"),
        ("\u{1f600}", "in UTF-16 before the last one"),
        ("control", "\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f}\"\\/\u{7f}\u{80}\u{2028}"),
    ];
    let header = ManifestHeader {
        id: Uuid::max(),
        name: "_every.Thing+1-2".parse().expect("a name"),
        version: INTEGER_MAX,
        created_at: Timestamp::from_micros(-1),
        created_by: "Zoë@höst \"quoted\"".into(),
        metadata: labels(&odd),
        receipts: vec![
            Receipt { backend_id: "local".into(), objects: 24, bytes: 256 },
            Receipt { backend_id: "local-2".into(), objects: INTEGER_MAX, bytes: 65_536 },
        ],
        retention: RetentionSummary { class: "transient".into(), duration_seconds: Some(604_800) },
        provenance: labels(&[("metadata", "{}"), ("path_bytes", "ff")]),
    };
    let mut entries = vec![
        file(b"\n", 0o644, b"a line end"),
        file(b"-rf", 0o4755, b"setuid"),
        file(b"..a", 0o2755, b"setgid"),
        directory(b"a", 0o1777),
        directory(b"a-b", 0),
        file(b"a-b/c", 0, b"no permission"),
        file(b"a/b", 0o600, b"below a, and after a-b"),
        directory(b"a/\xff", 0o700),
        symlink(b"a/\xff/up", b"../\xfe"),
        symlink(b"absolute", b"/etc/passwd"),
        symlink(b"self", b"self"),
        file("ünïcödé".as_bytes(), 0o7777, b"NFC as it was read"),
    ];
    entries.push(Entry::file(
        EntryPath::new(&b"\xff"[..]).expect("a good path"),
        0o444,
        Blake3::from_bytes([0xff; 32]),
        Sha256::from_bytes([0; 32]),
        INTEGER_MAX,
    ));
    entries[3].mtime = Some(Mtime { seconds: 0, nanoseconds: 0 });
    entries[8].mtime = Some(Mtime { seconds: 1_700_000_000, nanoseconds: 999_999_999 });
    entries[12].mtime = Some(Mtime { seconds: -2_208_988_800, nanoseconds: 1 });
    (header, entries)
}

/// The longest path, target and text, in the shortest manifest.
fn longest() -> (ManifestHeader, Vec<Entry>) {
    let mut header = minimal().0;
    header.created_by = "é".repeat(TEXT_BYTES_MAX / 2);
    (header, vec![symlink(&[b'p'; PATH_BYTES_MAX], &[b't'; TARGET_BYTES_MAX])])
}

fn good() -> Vec<(&'static str, ManifestHeader, Vec<Entry>)> {
    [("minimal", minimal()), ("typical", typical()), ("everything", everything()), ("longest", longest())]
        .map(|(name, (header, entries))| (name, header, entries))
        .into()
}

fn written(header: &ManifestHeader, entries: &[Entry]) -> (Vec<u8>, ManifestInfo) {
    let mut bytes = Vec::new();
    let info = write_manifest(&mut bytes, header, entries.iter()).expect("a good manifest");
    (bytes, info)
}

/// Returns the value under a key, or the item of an index, to be changed.
fn at<'v>(value: &'v mut Value, step: &str) -> &'v mut Value {
    if let Value::Array(items) = value {
        return &mut items[step.parse::<usize>().expect("an index")];
    }
    let pairs = value.as_map_mut().expect("an array or a map");
    &mut pairs.iter_mut().find(|(key, _)| key.as_text() == Some(step)).expect("a key").1
}

/// Returns the typical manifest with one change, canonical and with the right digest for its entries.
fn changed(path: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (header, entries) = typical();
    let mut manifest = cbor::to_value(&written(&header, &entries).0).expect("canonical bytes");
    change(path.split('/').filter(|step| !step.is_empty()).fold(&mut manifest, at));
    if let Value::Map(pairs) = &mut manifest
        && let Some((_, files)) = pairs.iter().find(|(key, _)| key.as_text() == Some("files"))
    {
        let digest = Blake3::of(&cbor::from_value(files).expect("a value of ours"));
        if path != "content_digest" && path.starts_with("files") {
            *at(&mut manifest, "content_digest") = Value::Bytes(digest.as_bytes().to_vec());
        }
    }
    cbor::from_value(&manifest).expect("a value of ours")
}

fn set(path: &str, value: impl Into<Value>) -> Vec<u8> {
    changed(path, |place| *place = value.into())
}

fn drop_key(path: &str, key: &str) -> Vec<u8> {
    changed(path, |map| {
        map.as_map_mut().expect("a map").retain(|(found, _)| found.as_text() != Some(key));
    })
}

fn add_key(path: &str, key: &str, value: impl Into<Value>) -> Vec<u8> {
    changed(path, |map| map.as_map_mut().expect("a map").push((key.into(), value.into())))
}

fn rename_key(path: &str, from: &str, to: &str, value: impl Into<Value>) -> Vec<u8> {
    changed(path, |map| {
        let pairs = map.as_map_mut().expect("a map");
        let pair = pairs.iter_mut().find(|(key, _)| key.as_text() == Some(from)).expect("a key");
        *pair = (to.into(), value.into());
    })
}

/// Returns the typical manifest with some bytes, which stand in it once, replaced.
fn replaced(from: &[u8], to: &[u8]) -> Vec<u8> {
    let (header, entries) = typical();
    let bytes = written(&header, &entries).0;
    let places: Vec<_> =
        bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from).collect();
    let &[(start, _)] = &places[..] else { panic!("{from:02x?} stands there {} times", places.len()) };
    [&bytes[..start], to, &bytes[start + from.len()..]].concat()
}

fn with_entries(change: impl FnOnce(&mut Vec<Value>)) -> Vec<u8> {
    changed("files", |files| change(files.as_array_mut().expect("an array")))
}

/// Everything that is no manifest of version 1, each with one thing wrong.
fn bad() -> Vec<(&'static str, Vec<u8>)> {
    let bytes = |len: usize| Value::Bytes(vec![0; len]);
    let text = |len: usize| Value::Text("x".repeat(len));
    let deep = |levels: usize| [vec![0x81; levels], vec![0xf6]].concat();
    let typical = written(&typical().0, &typical().1).0;
    let label = |n: usize| (Value::Text(n.to_string()), Value::Text(String::new()));
    let receipt = |id: &str| {
        Value::Map(vec![
            ("bytes".into(), 0.into()),
            ("objects".into(), 0.into()),
            ("backend_id".into(), id.into()),
        ])
    };
    vec![
        // What is not canonical CBOR.
        ("nothing", Vec::new()),
        ("cut-off", typical[..typical.len() - 1].to_vec()),
        ("trailing", [&typical[..], &[0xf6]].concat()),
        ("number-not-shortest", replaced(b"\x67version\x03", b"\x67version\x18\x03")),
        ("length-not-shortest", replaced(b"\x65build", b"\x78\x05build")),
        ("indefinite-text", replaced(b"\x65build", b"\x7f\x65build\xff")),
        ("indefinite-array", replaced(b"\x65files\x85", b"\x65files\x9f")),
        ("float", replaced(b"\x67version\x03", b"\x67version\xf9\x42\x00")),
        ("tag", replaced(b"\x67version\x03", b"\x67version\xc1\x03")),
        ("undefined", replaced(b"\x67version\x03", b"\x67version\xf7")),
        ("integer-above-2-53", replaced(b"\x67version\x03", b"\x67version\x1b\x00\x20\0\0\0\0\0\0")),
        ("text-not-utf-8", replaced(b"\x64main", b"\x64ma\xffn")),
        ("keys-out-of-order", replaced(b"\x66branch\x64main\x66commit", b"\x66commit\x64main\x66branch")),
        ("key-twice", replaced(b"\x66branch\x64main\x66commit", b"\x66commit\x64main\x66commit")),
        ("key-not-text", replaced(b"\x66branch\x64main", b"\x46branch\x64main")),
        ("nested-too-deep", replaced(b"\x67version\x03", &[b"\x67version", &deep(15)[..]].concat())),
        ("length-beyond-memory", b"\xa1\x65files\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        // What version 1 does not have.
        ("array", b"\x80".to_vec()),
        ("version-0", set("manifest_version", 0)),
        ("version-2", set("manifest_version", 2)),
        ("version-2-of-another-shape", b"\xa2\x65files\xa0\x70manifest_version\x02".to_vec()),
        ("version-missing", drop_key("", "manifest_version")),
        ("files-missing", drop_key("", "files")),
        ("digest-missing", drop_key("", "content_digest")),
        ("retention-missing", drop_key("", "retention_summary")),
        ("key-unknown", add_key("", "extra", 1)),
        ("package-without-name", drop_key("package", "name")),
        ("package-key-unknown", add_key("package", "extra", 1)),
        ("receipt-without-objects", drop_key("storage_receipts/0", "objects")),
        ("receipt-key-unknown", add_key("storage_receipts/0", "extra", 1)),
        ("retention-without-class", drop_key("retention_summary", "class")),
        ("retention-key-unknown", add_key("retention_summary", "extra", 1)),
        ("id-upper-case", set("package/id", "018BCFE5-6800-7000-8000-000000000001")),
        ("id-without-hyphens", set("package/id", "018bcfe5680070008000000000000001")),
        ("name-with-slash", set("package/name", "a/b")),
        ("name-too-long", set("package/name", text(129))),
        ("package-version-0", set("package/version", 0)),
        ("package-version-negative", set("package/version", -1)),
        ("actor-too-long", set("package/created_by", text(TEXT_BYTES_MAX + 1))),
        ("label-not-text", set("package/metadata/branch", 1)),
        ("label-too-long", set("provenance/source", text(LABEL_BYTES_MAX + 1))),
        ("label-key-too-long", add_key("provenance", &"k".repeat(LABEL_BYTES_MAX + 1), "")),
        ("labels-too-many", set("package/metadata", Value::Map((0..=LABELS_MAX).map(label).collect()))),
        (
            "receipts-too-many",
            changed("storage_receipts", |list| {
                *list = Value::Array((0..=RECEIPTS_MAX).map(|n| receipt(&format!("{n:02}"))).collect());
            }),
        ),
        ("receipts-out-of-order", set("storage_receipts", Value::Array(vec![receipt("b"), receipt("a")]))),
        ("receipts-twice", set("storage_receipts", Value::Array(vec![receipt("a"), receipt("a")]))),
        ("digest-wrong", set("content_digest", bytes(32))),
        ("digest-short", set("content_digest", bytes(31))),
        // Entries.
        ("kind-unknown", set("files/3/kind", "fifo")),
        ("kind-missing", drop_key("files/3", "kind")),
        ("entry-key-unknown", add_key("files/3", "owner", 0)),
        ("file-without-mode", drop_key("files/3", "mode")),
        ("file-without-size", drop_key("files/3", "size")),
        ("file-without-blake3", drop_key("files/3", "blake3")),
        ("file-without-sha256", drop_key("files/3", "sha256")),
        ("file-with-target", add_key("files/3", "target", "x")),
        ("file-blake3-short", set("files/3/blake3", bytes(31))),
        ("file-sha256-long", set("files/3/sha256", bytes(33))),
        ("file-blake3-text", set("files/3/blake3", text(32))),
        ("file-size-negative", set("files/3/size", -1)),
        ("mode-too-large", set("files/3/mode", 0o10000)),
        ("directory-without-mode", drop_key("files/0", "mode")),
        ("directory-with-size", add_key("files/0", "size", 0)),
        ("directory-with-target", add_key("files/0", "target", "x")),
        ("symlink-without-target", drop_key("files/2", "target")),
        ("symlink-with-mode", add_key("files/2", "mode", 0o777)),
        ("symlink-with-blake3", add_key("files/2", "blake3", bytes(32))),
        ("symlink-with-two-targets", add_key("files/2", "target_bytes", Value::Bytes(vec![0xff]))),
        ("target-empty", set("files/2/target", "")),
        ("target-with-nul", set("files/2/target", "a\0b")),
        ("target-too-long", set("files/2/target", text(TARGET_BYTES_MAX + 1))),
        ("target-bytes-of-text", rename_key("files/2", "target", "target_bytes", b"tool".to_vec())),
        ("mtime-of-one", add_key("files/3", "mtime", Value::Array(vec![0.into()]))),
        ("mtime-of-three", add_key("files/3", "mtime", Value::Array(vec![0.into(), 0.into(), 0.into()]))),
        (
            "mtime-whole-second",
            add_key("files/3", "mtime", Value::Array(vec![0.into(), 1_000_000_000.into()])),
        ),
        (
            "mtime-nanoseconds-negative",
            add_key("files/3", "mtime", Value::Array(vec![0.into(), (-1).into()])),
        ),
        // Paths.
        ("path-missing", drop_key("files/3", "path")),
        ("path-twice-in-entry", add_key("files/3", "path_bytes", Value::Bytes(b"empty\xff".to_vec()))),
        ("path-bytes-of-text", rename_key("files/3", "path", "path_bytes", b"empty".to_vec())),
        ("path-empty", set("files/0/path", "")),
        ("path-absolute", set("files/3/path", "/empty")),
        ("path-dot", set("files/3/path", "./empty")),
        ("path-dot-dot", set("files/1/path", "bin/../tool")),
        ("path-dot-dot-in-bytes", rename_key("files/3", "path", "path_bytes", b"../\xff".to_vec())),
        ("path-empty-component", set("files/1/path", "bin//tool")),
        ("path-slash-at-end", set("files/0/path", "bin/")),
        ("path-with-nul", set("files/3/path", "emp\0ty")),
        ("path-too-long", set("files/3/path", "e".repeat(PATH_BYTES_MAX + 1))),
        ("paths-out-of-order", with_entries(|files| files.swap(3, 4))),
        ("paths-twice", with_entries(|files| files.insert(3, files[3].clone()))),
        ("path-as-file-and-directory", {
            with_entries(|files| {
                files.insert(0, files[3].clone());
                *at(&mut files[0], "path") = "bin".into();
            })
        }),
        ("parent-missing", with_entries(|files| drop(files.remove(0)))),
        ("parent-is-a-file", set("files/4/path", "empty/log.txt")),
        ("parent-is-a-symlink", set("files/3/path", "bin/tool-latest/x")),
        ("parent-only-begins-alike", set("files/1/path", "bin-x/tool")),
    ]
}

/// Returns an error and its sources, as the command line would print them.
fn chain(error: &dyn Error) -> String {
    let source = error.source().map(|source| format!(": {}", chain(source)));
    format!("{error}{}", source.unwrap_or_default())
}

fn verdict(bytes: &[u8]) -> String {
    let error = Manifest::parse(bytes).err().map(|error| chain(&error));
    error.unwrap_or_else(|| "it was taken for a manifest".into()) + "\n"
}

/// Returns all files that must be in the folder, with what must be in them.
fn expected_good() -> Vec<(String, Vec<u8>)> {
    let three = |(name, header, entries): (&str, ManifestHeader, Vec<Entry>)| {
        let (bytes, info) = written(&header, &entries);
        let json = to_jcs(&bytes).expect("a manifest has a projection");
        let digest = format!("{}\n", info.digests.blake3);
        [
            (format!("{name}.cbor"), bytes),
            (format!("{name}.jcs"), json),
            (format!("{name}.digest"), digest.into_bytes()),
        ]
    };
    good().into_iter().flat_map(three).collect()
}

#[test]
fn the_golden_manifests_are_written_and_read_to_the_byte() {
    fixtures::check(FOLDER, &expected_good());
    for (name, header, entries) in good() {
        let bytes = fixtures::read(FOLDER, &format!("{name}.cbor"));
        let manifest = Manifest::parse(&bytes).expect("a golden manifest");
        assert_eq!((manifest.header(), manifest.entries().collect::<Vec<_>>()), (&header, entries), "{name}");
        let json = fixtures::read(FOLDER, &format!("{name}.jcs"));
        assert_eq!(from_jcs(&json).expect("a projection"), bytes, "{name}");
    }
}

#[test]
fn what_is_no_manifest_is_refused_for_its_reason() {
    let two = |(name, bytes): (&str, Vec<u8>)| {
        let reason = verdict(&bytes).into_bytes();
        [(format!("{name}.cbor"), bytes), (format!("{name}.txt"), reason)]
    };
    let expected: Vec<_> = bad().into_iter().flat_map(two).collect();
    fixtures::check(&format!("{FOLDER}/refused"), &expected);
}
