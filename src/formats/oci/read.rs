//! What others hand over as a layout: read strictly, and nothing believed that is not checked against bytes.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{ARTIFACT_TYPE, CONFIG_TYPE, MANIFEST_TYPE};
use crate::identity::Sha256;

/// Why a document cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentProblem {
    /// It is not the JSON that the format asks for, or has a key twice.
    #[error("it is not what an OCI image layout has there: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of another version of the format.
    #[error("it is of schema version {0}, and this build knows 2")]
    Version(u64),
}

/// One image or artifact that `index.json` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Its digest as it is written: of whatever algorithm, and no more to be trusted than any other text.
    pub digest: String,
    /// The size of its manifest in bytes, as it is said to be.
    pub size_bytes: u64,
    /// Its tag.
    pub tag: Option<String>,
    /// Whether it is an image manifest, which an artifact is, too.
    pub is_manifest: bool,
}

/// What an artifact's manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactParts {
    /// The config, and its size in bytes.
    pub config: (Sha256, u64),
    /// The layers, and their sizes.
    pub layers: Vec<(Sha256, u64)>,
}

/// Reads `index.json`.
///
/// # Errors
/// [`DocumentProblem`].
pub fn index(json: &[u8]) -> Result<Vec<Listing>, DocumentProblem> {
    let read: Index = serde_json::from_slice(json)?;
    check_version(read.schema_version)?;
    let listing = |one: IndexEntry| Listing {
        digest: one.digest,
        size_bytes: one.size,
        tag: one.annotations.and_then(|annotations| annotations.ref_name),
        is_manifest: one.media_type == MANIFEST_TYPE,
    };
    Ok(read.manifests.into_iter().map(listing).collect())
}

/// Returns whether a manifest is that of a package.
///
/// # Errors
/// [`DocumentProblem`] where it is no manifest at all.
pub fn is_artifact(json: &[u8]) -> Result<bool, DocumentProblem> {
    let kind: Kind = serde_json::from_slice(json)?;
    // Clients of before 1.1 know no artifactType: there the config's says it.
    Ok(match kind.artifact_type {
        Some(artifact) => artifact == ARTIFACT_TYPE,
        None => kind.config.is_some_and(|config| config.media_type.as_deref() == Some(CONFIG_TYPE)),
    })
}

/// Reads the manifest of a package.
///
/// # Errors
/// [`DocumentProblem`]; a digest that is not `sha256:` and 64 lower-case digits is one.
pub fn artifact(json: &[u8]) -> Result<ArtifactParts, DocumentProblem> {
    let read: Artifact = serde_json::from_slice(json)?;
    check_version(read.schema_version)?;
    let part = |blob: Blob| (blob.digest, blob.size);
    Ok(ArtifactParts { config: part(read.config), layers: read.layers.into_iter().map(part).collect() })
}

fn check_version(version: u64) -> Result<(), DocumentProblem> {
    if version == 2 { Ok(()) } else { Err(DocumentProblem::Version(version)) }
}

// A key that one of these names is refused where it is there twice; what they do not name is passed over.

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u64,
    manifests: Vec<IndexEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IndexEntry {
    media_type: String,
    digest: String,
    size: u64,
    annotations: Option<IndexAnnotations>,
}

#[derive(Deserialize)]
struct IndexAnnotations {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    ref_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    artifact_type: Option<String>,
    config: Option<KindOfConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KindOfConfig {
    media_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    schema_version: u64,
    config: Blob,
    layers: Vec<Blob>,
}

#[derive(Deserialize)]
struct Blob {
    #[serde(deserialize_with = "digest")]
    digest: Sha256,
    size: u64,
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sha256, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix("sha256:").and_then(|digits| digits.parse().ok());
    digits.ok_or_else(|| D::Error::custom(format!("{text:?} is not sha256: and 64 digits")))
}
