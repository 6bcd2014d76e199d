//! What the documents of a layout are, and that they come back.

use proptest::prelude::*;

use super::*;
use crate::env::Timestamp;
use crate::identity::{Blake3, Digests, Sha256};
use crate::manifest::{EntryPath, Labels, ManifestHeader, RetentionSummary};

fn header(name: &str, version: u64) -> ManifestHeader {
    ManifestHeader {
        id: uuid::Uuid::nil(),
        name: name.parse().unwrap(),
        version,
        created_at: Timestamp::from_micros(1_700_000_000_000_000),
        created_by: "tester@here".to_owned(),
        metadata: Labels::new(),
        receipts: Vec::new(),
        retention: RetentionSummary { class: "permanent-record".to_owned(), duration_seconds: None },
        provenance: Labels::new(),
    }
}

fn layers(files: &[(&[u8], &[u8])]) -> Vec<Layer> {
    let layer = |(path, bytes): &(&[u8], &[u8])| Layer {
        object: Digests::of(bytes),
        path: EntryPath::new(*path).unwrap(),
    };
    files.iter().map(layer).collect()
}

fn write(layers: &[Layer]) -> Documents {
    documents(&header("doc", 7), Blake3::of(b"m"), Blake3::of(b"c"), b"{}", layers)
}

#[test]
fn the_documents_are_these() {
    let documents = write(&layers(&[(b"a/b", b"x"), (b"\xff", b"")]));
    insta::assert_snapshot!(String::from_utf8(documents.manifest).unwrap(), @r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.astore.package.v1","config":{"mediaType":"application/vnd.astore.manifest.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.astore.object.v1","digest":"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","size":1,"annotations":{"org.opencontainers.image.title":"a/b"}},{"mediaType":"application/vnd.astore.object.v1","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}],"annotations":{"org.opencontainers.image.created":"2023-11-14T22:13:20.000000Z","org.opencontainers.image.title":"doc","org.opencontainers.image.version":"7","vnd.astore.content":"blake3:ea7aa1fc9efdbe106dbb70369a75e9671fa29d52bd55536711bf197477b8f021","vnd.astore.manifest":"blake3:83d9dab06011479163c7c4d5fa735f911bac86729f56aaa115b7eed2eb66e022"}}"#);
    insta::assert_snapshot!(String::from_utf8(documents.index).unwrap(), @r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:3491892a4c04d869ae008e02c385063882d8e6536c0c1cb7d0a928ad06f04746","size":982,"annotations":{"org.opencontainers.image.ref.name":"doc-7"},"artifactType":"application/vnd.astore.package.v1"}]}"#);
}

#[test]
fn titles_are_left_out_where_they_make_a_manifest_too_large() {
    let path = "d/".repeat(500) + "file";
    let many = |count: u32| -> Vec<Layer> {
        (0..count)
            .map(|nth| Layer {
                object: Digests::of(&nth.to_le_bytes()),
                path: EntryPath::new(path.as_bytes()).unwrap(),
            })
            .collect()
    };
    assert!(write(&many(3000)).has_titles);
    let large = write(&many(5000));
    assert!(!large.has_titles && large.manifest.len() < REGISTRY_BYTES_MAX);
    assert_eq!(artifact(&large.manifest).unwrap().layers.len(), 5000);
}

#[test]
fn a_tag_is_what_clients_take() {
    for (name, tag) in
        [("a", "a-3"), ("a.b_c-d", "a.b_c-d-3"), ("a+b", "3"), ("a..b", "3"), ("_a", "3"), ("a.", "3")]
    {
        assert_eq!(tag_of(name, 3), tag, "{name}");
    }
    assert_eq!(tag_of(&"a".repeat(127), 3), "3");
}

#[test]
fn an_artifact_is_told_from_an_image() {
    let of = |json: &str| is_artifact(json.as_bytes()).map_err(|error| error.to_string());
    assert_eq!(of(&format!("{{\"artifactType\":{ARTIFACT_TYPE:?}}}")), Ok(true));
    assert_eq!(of(&format!("{{\"config\":{{\"mediaType\":{CONFIG_TYPE:?}}}}}")), Ok(true));
    assert_eq!(
        of(r#"{"config":{"mediaType":"application/vnd.oci.image.config.v1+json"},"layers":[]}"#),
        Ok(false)
    );
    assert_eq!(of("{}"), Ok(false));
    assert!(of("[1").is_err());
}

proptest! {
    /// What is written is read again, whatever the names.
    #[test]
    fn documents_come_back(files in prop::collection::vec(("[^/\u{0}]{1,20}", prop::collection::vec(any::<u8>(), 0..9)), 0..20)) {
        let files: Vec<Layer> = files
            .into_iter()
            .filter_map(|(path, bytes)| Some(Layer { path: EntryPath::new(path.as_bytes()).ok()?, object: Digests::of(&bytes) }))
            .collect();
        let written = write(&files);
        prop_assert!(is_artifact(&written.manifest).unwrap());
        let read = artifact(&written.manifest).unwrap();
        let expected: Vec<(Sha256, u64)> = files.iter().map(|layer| (layer.object.sha256, layer.object.size_bytes)).collect();
        prop_assert_eq!(read.layers, expected);
        prop_assert_eq!(read.config, (Sha256::of(b"{}"), 2));
        let value: serde_json::Value = serde_json::from_slice(&written.manifest).unwrap();
        for (layer, text) in files.iter().zip(value["layers"].as_array().unwrap()) {
            prop_assert_eq!(text["annotations"]["org.opencontainers.image.title"].as_str(), layer.path.as_str());
        }
        let listed = index(&written.index).unwrap();
        prop_assert_eq!(&listed[0].digest, &format!("sha256:{}", Sha256::of(&written.manifest)));
        prop_assert_eq!((listed[0].tag.as_deref(), listed.len()), (Some("doc-7"), 1));
    }

    /// Whatever stands there is refused or read, and nothing panics.
    #[test]
    fn any_bytes_are_refused_or_read(at: prop::sample::Index, byte: u8) {
        let written = write(&layers(&[(b"a", b"x")]));
        for mut bytes in [written.manifest, written.index] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            drop((index(&bytes), artifact(&bytes), is_artifact(&bytes)));
        }
    }
}
