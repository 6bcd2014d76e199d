//! OCI image layouts (image-spec 1.1): a package as one artifact, whose config is the manifest in its JSON projection
//! and whose layers are its objects, each once, named by their SHA-256.
//!
//! The config is JSON, since clients print configs as that; the projection gives the manifest back byte for byte. All
//! types but the format's own are astore's: a client that knows them not copies what it has untouched, and none takes a
//! package for something to run.

mod read;
mod write;

pub use read::{ArtifactParts, DocumentProblem, Listing, artifact, index, is_artifact};
pub use write::{Documents, Layer, documents, tag_of};

/// What a package is called as an artifact.
pub const ARTIFACT_TYPE: &str = "application/vnd.astore.package.v1";
/// The media type of the config: a manifest in its JSON projection.
pub const CONFIG_TYPE: &str = "application/vnd.astore.manifest.v1+json";
/// The media type of a layer: an object's bytes as they are.
pub const OBJECT_TYPE: &str = "application/vnd.astore.object.v1";
/// The media type of the artifact's own manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of `index.json`.
pub const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// All that the file `oci-layout` holds.
pub const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// The annotation under which `index.json` has a tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Larger manifests are refused by registries, and by clients that speak to them.
pub const REGISTRY_BYTES_MAX: usize = 4 << 20;
/// The largest document that is written, or taken back: each is held in memory.
pub const DOCUMENT_BYTES_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests;
