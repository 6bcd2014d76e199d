//! Whether every document is described: its fields in docs/json.md, its form by a file under `schemas/`.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use astore::identity::Sha256;
use astore::registry::report::{
    BagReport, ExportReport, InitReport, LayoutReport, ManifestReport, RemoveReport, Stream, StreamReport,
};
use serde_json::Value;

use super::super::tests::{document, read};
use super::super::*;
use super::schemas::Schemas;
use crate::cli::exit::Exit;
use crate::cli::output::samples;

#[test]
fn every_schema_is_documented() {
    let manual = std::fs::read_to_string(format!("{}/docs/json.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for schema in schema::ALL {
        assert!(manual.contains(&format!("| `{schema}` |")), "docs/json.md does not describe {schema}");
    }
    let described = manual.lines().filter(|line| line.starts_with("| `astore/")).count();
    assert_eq!(described, schema::ALL.len(), "docs/json.md describes a document that there is not");
}

/// One document of each kind, and several of those that have several forms.
fn documents() -> Vec<Value> {
    let manifest =
        ManifestReport { package: samples::finalized(), digest: Blake3::of(b""), bytes: Vec::new() };
    let export =
        ExportReport { package: samples::finalized(), entries: 1, bytes: 1, damaged: vec![samples::fault()] };
    let bag = BagReport {
        package: samples::finalized(),
        files: 1,
        bytes: 1,
        symlinks: 0,
        empty_directories: 2,
        sha256: Some(Sha256::from_bytes([7; 32])),
        damaged: Vec::new(),
    };
    let no_bag = BagReport { sha256: None, damaged: vec![samples::fault()], ..bag.clone() };
    let stream = StreamReport {
        package: samples::finalized(),
        entries: 1,
        bytes: 1,
        sha256: Sha256::from_bytes([7; 32]),
        stream_bytes: 10_240,
        not_carried: 0,
    };
    let layout = LayoutReport {
        package: samples::finalized(),
        tag: "doc-1".to_owned(),
        manifest_sha256: Sha256::from_bytes([8; 32]),
        manifest_bytes: 700,
        layers: 1,
        bytes: 1,
        has_titles: true,
        damaged: vec![samples::fault()],
    };
    let init = InitReport { store_id: uuid::Uuid::nil(), root: PathBuf::from("/s"), existed: false };
    let remove = RemoveReport {
        packages: vec![samples::removed()],
        sequences: vec![7],
        kept_by: samples::roots(),
        attestations: vec![samples::attestation()],
    };
    let mut differences = Vec::new();
    let mut diff = Diff::default();
    samples::differences().iter().try_for_each(|one| diff.add(one, &mut differences)).unwrap();
    diff.end(&mut differences).unwrap();
    let mut documents = vec![
        document(schema::INIT, Init::of(&init)),
        document(schema::ADD, Add::of(&samples::added())),
        document(schema::FINALIZE, OnePackage::of(&samples::finalized())),
        document(schema::MANIFEST, ManifestHead::of(&manifest)),
        document(schema::SHOW, Show::of(&samples::detail())),
        read(schema::DIFF, &differences),
        document(schema::EXPLAIN, Explain::of(&samples::explained())),
        document(schema::EXPLAIN, Explain::of(&samples::explained_purged())),
        document(schema::EXPORT, Export::of(&export, Path::new("/d"))),
        document(schema::EXPORT_BAG, ExportBag::of(&bag, Path::new("/d"))),
        document(schema::EXPORT_BAG, ExportBag::of(&no_bag, Path::new("/d"))),
        document(schema::EXPORT_STREAM, ExportStream::of(&stream, Stream::Tar, Path::new("/d.tar"))),
        document(schema::EXPORT_OCI, ExportOci::of(&layout, Path::new("/d"))),
        document(schema::REMOVE, Remove::of(&remove, false)),
        document(schema::PIN, OnePin::of(&samples::pins()[0])),
        document(schema::UNPIN, Unpin::of(&samples::unpinned())),
        document(schema::PINS, Pins::of(&samples::pins())),
        document(schema::RETAIN, Retain::of(&samples::retained())),
        document(schema::SCHEMA, SchemaText::of(&samples::schema())),
        document(schema::ATTEST, Attest::of(&samples::attested())),
        document(schema::GC, GcPlan::of(&samples::plan())),
        document(schema::GC, GcCollected::of(&samples::collected())),
        document(schema::GC, GcWithout::of(&samples::without())),
        document(schema::VERIFY, Verify::of(&samples::verified(vec![samples::fault()]))),
        document(schema::REPLAY, Replay::of(&samples::replayed(), true)),
        document(schema::RECOVER, Recover::of(&samples::recovered())),
        document(schema::CLAIMS, ClaimsList::of(&samples::claims())),
        document(schema::CLAIMS, ClaimsImported::of(&samples::imported())),
        document(schema::STATS, Stats::of(&samples::stats())),
        document(schema::HEALTH, Health::of(&samples::health())),
        document(schema::STATUS, status::sample()),
        document(schema::VERSION, version::sample()),
        document(schema::PACKAGE, Package::of(&samples::open())),
        document(schema::RESTORE, OnePackage::of(&samples::finalized())),
        document(schema::REMOVE, Remove::of(&remove, true)),
        document(schema::EVENT, Event::of(&samples::event())),
        document(schema::VERIFY, Verify::of(&samples::verified(Vec::new()))),
        document(schema::VERIFY, Verify::of(&samples::part_verified())),
    ];
    documents.extend(samples::entries().iter().map(|entry| document(schema::ENTRY, EntryText::of(entry))));
    let ambiguous = ["doc@1".to_owned(), "doc@2".to_owned()];
    let failure = Failure::new(Exit::Usage, "which?", Some(Path::new("/s")), Some("say"), &ambiguous);
    documents.push(document(schema::ERROR, failure));
    documents.push(document(schema::ERROR, Failure::new(Exit::Interrupted, "interrupted", None, None, &[])));
    let skipped = Some(Path::new("a"));
    documents
        .push(document(schema::REMARK, Remark::new(Level::Warning, About::Skipped, "skipped a", skipped)));
    documents.push(document(schema::REMARK, Remark::new(Level::Note, About::Other, "so", None)));
    documents.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// Every field of every document is a word of docs/json.md.
#[test]
fn every_field_is_documented() {
    let manual = std::fs::read_to_string(format!("{}/docs/json.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let words: HashSet<&str> = manual.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    documents().iter().for_each(|document| check_fields(document, &words));
}

#[test]
fn every_document_is_what_its_schema_says() {
    let schemas = Schemas::load();
    let mut seen: Vec<String> = Vec::new();
    for document in documents() {
        seen.push(schemas.check(&document).unwrap_or_else(|wrong| panic!("{wrong}")).to_owned());
    }
    for name in schema::ALL {
        assert!(seen.iter().any(|seen| seen == name), "no sample of {name}");
    }
    let mut names = schema::ALL.to_vec();
    names.sort_unstable();
    assert!(schemas.names().eq(names.iter().copied()), "schemas/ has a file for each document, and no other");
}

/// A part that stands in several files is the same in each.
#[test]
fn a_part_is_described_in_one_way() {
    let schemas = Schemas::load();
    let mut parts = HashMap::new();
    for (file, part, text) in schemas.parts() {
        let (first, known) = parts.entry(part).or_insert((file, text));
        assert_eq!(*known, text, "{part} of {first} and of {file}");
    }
}

/// What a schema is there for: a field that is lost, renamed or of another form is found, and one more is not.
#[test]
fn a_document_that_changed_is_found() {
    let schemas = Schemas::load();
    let fits = |document: &Value| schemas.check(document).map(drop);
    for document in documents() {
        for field in document.as_object().unwrap().keys() {
            let optional = match document["schema"].as_str() {
                Some(schema::ENTRY) => &["mtime", "path_bytes", "target_bytes"][..],
                Some(schema::ERROR) => &["root", "hint", "candidates"],
                _ => &[],
            };
            let optional = optional.contains(&field.as_str());
            let mut lost = document.clone();
            let value = lost.as_object_mut().unwrap().remove(field).unwrap();
            assert!(optional || fits(&lost).is_err(), "{field} was not missed: {document}");
            lost[format!("{field}_now")] = value;
            assert!(fits(&lost).is_err(), "{field} has another name: {document}");
        }
    }
}

fn check_fields(value: &Value, words: &HashSet<&str>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                assert!(words.contains(field.as_str()), "docs/json.md does not describe {field}");
                if field != "metadata" && field != "provenance" {
                    check_fields(value, words);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| check_fields(item, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
