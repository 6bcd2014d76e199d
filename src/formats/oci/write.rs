//! The documents of a layout, the same to the byte for the same package.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{
    ARTIFACT_TYPE, CONFIG_TYPE, INDEX_TYPE, MANIFEST_TYPE, OBJECT_TYPE, REF_NAME, REGISTRY_BYTES_MAX,
};
use crate::identity::{Blake3, Digests, Sha256};
use crate::manifest::{EntryPath, ManifestHeader};

/// One layer: an object, and the first path that has it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The object.
    pub object: Digests,
    /// What the file is called that a client makes of it.
    pub path: EntryPath,
}

/// What stands in a layout beside the objects.
#[derive(Clone, Debug)]
pub struct Documents {
    /// The artifact's manifest, a blob.
    pub manifest: Vec<u8>,
    /// Its digest, by which a registry knows it.
    pub manifest_digest: Sha256,
    /// `index.json`.
    pub index: Vec<u8>,
    /// The artifact's tag.
    pub tag: String,
    /// Whether the layers say what their files are called: not where that would make too large a manifest.
    pub has_titles: bool,
}

/// Writes the documents of a package's layout. `config` is the JSON projection of its manifest, `manifest` and `content`
/// are the digests of that.
pub fn documents(
    header: &ManifestHeader,
    manifest: Blake3,
    content: Blake3,
    config: &[u8],
    layers: &[Layer],
) -> Documents {
    let write = |has_titles| {
        let config = Descriptor {
            media_type: CONFIG_TYPE,
            digest: Named(Sha256::of(config)),
            size: config.len() as u64,
        };
        let text = ManifestText {
            schema_version: 2,
            media_type: MANIFEST_TYPE,
            artifact_type: ARTIFACT_TYPE,
            config,
            layers: layers.iter().map(|layer| LayerText::of(layer, has_titles)).collect(),
            annotations: Annotations {
                // Where no calendar reaches it is no date; the config has the instant in any case.
                created: Some(header.created_at.to_string()).filter(|text| text.ends_with('Z')),
                title: header.name.as_str(),
                version: header.version.to_string(),
                content: format!("blake3:{content}"),
                manifest: format!("blake3:{manifest}"),
            },
        };
        json(&text)
    };
    let (mut bytes, mut has_titles) = (write(true), true);
    if bytes.len() > REGISTRY_BYTES_MAX {
        (bytes, has_titles) = (write(false), false);
    }
    let tag = tag_of(header.name.as_str(), header.version);
    let manifest_digest = Sha256::of(&bytes);
    let index = IndexText {
        schema_version: 2,
        media_type: INDEX_TYPE,
        manifests: [TaggedText {
            media_type: MANIFEST_TYPE,
            digest: Named(manifest_digest),
            size: bytes.len() as u64,
            annotations: Tag { tag: &tag },
            artifact_type: ARTIFACT_TYPE,
        }],
    };
    Documents { manifest: bytes, manifest_digest, index: json(&index), tag, has_titles }
}

/// Returns the tag of a package: its name and version, or the version alone where clients or registries take no such
/// name. They want letters and digits, between which stand single dots, dashes and underscores.
pub fn tag_of(name: &str, version: u64) -> String {
    let is_plain = name
        .split(['.', '-', '_'])
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let tag = format!("{name}-{version}");
    if is_plain && tag.len() <= TAG_BYTES_MAX { tag } else { version.to_string() }
}

/// What registries take for a tag at most.
const TAG_BYTES_MAX: usize = 128;

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts, numbers and lists of them can be written as JSON")
}

/// A digest as the format writes it.
struct Named(Sha256);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: Named,
    size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerText<'a> {
    media_type: &'static str,
    digest: Named,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Title<'a>>,
}

impl<'a> LayerText<'a> {
    fn of(layer: &'a Layer, has_title: bool) -> Self {
        Self {
            media_type: OBJECT_TYPE,
            digest: Named(layer.object.sha256),
            size: layer.object.size_bytes,
            annotations: layer.path.as_str().filter(|_| has_title).map(|title| Title { title }),
        }
    }
}

#[derive(Serialize)]
struct Title<'a> {
    #[serde(rename = "org.opencontainers.image.title")]
    title: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestText<'a> {
    schema_version: u8,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Descriptor,
    layers: Vec<LayerText<'a>>,
    annotations: Annotations<'a>,
}

#[derive(Serialize)]
struct Annotations<'a> {
    #[serde(rename = "org.opencontainers.image.created", skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(rename = "org.opencontainers.image.title")]
    title: &'a str,
    #[serde(rename = "org.opencontainers.image.version")]
    version: String,
    #[serde(rename = "vnd.astore.content")]
    content: String,
    #[serde(rename = "vnd.astore.manifest")]
    manifest: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IndexText<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: [TaggedText<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaggedText<'a> {
    media_type: &'static str,
    digest: Named,
    size: u64,
    annotations: Tag<'a>,
    artifact_type: &'static str,
}

struct Tag<'a> {
    tag: &'a str,
}

impl Serialize for Tag<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(REF_NAME, self.tag)])
    }
}
