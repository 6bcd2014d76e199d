//! A package that somebody hands over as an OCI image layout: found, and looked at before any of its objects is read.
//!
//! Nothing is followed that could lead out: `index.json`, `blobs`, `blobs/sha256` and each blob are themselves or are
//! refused, and a blob's name is made of a digest that was parsed. A document is read only as far as its size is told,
//! and counts only if its SHA-256 is the one that it is named by.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::handle::{Follow, Kind, open_directory, open_file, stat, stat_at};
use crate::formats::oci::{self, ArtifactParts, DOCUMENT_BYTES_MAX, DocumentProblem, Listing};
use crate::identity::{Blake3, Digests, Sha256};
use crate::manifest::{EntryList, JcsError, Labels, Manifest, ManifestError, ManifestHeader, from_jcs};

/// `index.json` lists what is in a layout: more than this is no list that somebody made for a package.
const INDEX_BYTES_MAX: u64 = 16 << 20;
/// The directory that blobs are in.
const BLOBS: &str = "blobs/sha256";
/// How many tags are named where there are many.
const NAMED: usize = 5;

/// Why a layout cannot be taken in.
#[derive(Debug, thiserror::Error)]
#[error("cannot take in {}{}", layout.display(), at_part(part))]
pub struct ArtifactError {
    /// The layout.
    pub layout: PathBuf,
    /// What in it; empty where that is all of it.
    pub part: String,
    /// What is wrong with that.
    #[source]
    pub source: LayoutProblem,
}

fn at_part(part: &str) -> String {
    if part.is_empty() { String::new() } else { format!(": {part}") }
}

/// What is wrong with a layout, or with a part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutProblem {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is another kind of thing: a symlink that leads elsewhere, say.
    #[error("it is a {0}")]
    NotAFile(&'static str),
    /// It has another size than is said of it.
    #[error("it has {found} bytes, and is said to have {expected}")]
    Size {
        /// What is said.
        expected: u64,
        /// What it has.
        found: u64,
    },
    /// It is larger than is taken.
    #[error("it has {found} bytes, and no more than {limit} are taken")]
    TooLarge {
        /// What it has.
        found: u64,
        /// What is taken.
        limit: u64,
    },
    /// Its bytes are not those that it is named by.
    #[error("its bytes have another SHA-256")]
    Altered,
    /// It is named by something that is no SHA-256.
    #[error("{0:?} is not sha256: and 64 digits")]
    Digest(String),
    /// It is no document of the format.
    #[error(transparent)]
    Document(#[from] DocumentProblem),
    /// It lists nothing that is a package.
    #[error("it has no package that astore exported")]
    NoPackage,
    /// It lists nothing of this tag.
    #[error("it has no tag {tag:?}; its tags are {}", tags_in_words(tags))]
    NoTag {
        /// What was asked for.
        tag: String,
        /// What there is.
        tags: Vec<String>,
    },
    /// It lists several packages.
    #[error("it has several packages: {}", tags_in_words(tags))]
    Several {
        /// Their tags.
        tags: Vec<String>,
    },
    /// The config is not the projection of a manifest.
    #[error("it is not the JSON of a manifest")]
    Json(#[from] JcsError),
    /// The config is the projection of something else.
    #[error("it is no manifest")]
    Manifest(#[from] ManifestError),
    /// A file of the package has no layer.
    #[error("no layer is the file {}", String::from_utf8_lossy(path))]
    NoLayer {
        /// The file's path in the package.
        path: Vec<u8>,
    },
    /// A layer is no file of the package.
    #[error("its manifest knows no such file")]
    Unknown,
    /// One object has two sizes, or two digests of one kind.
    #[error("its manifest says two things of it")]
    Contradiction,
    /// Its bytes have the SHA-256, and not the BLAKE3.
    #[error("its bytes have another BLAKE3 than its manifest says")]
    OtherPrimary,
}

fn tags_in_words(tags: &[String]) -> String {
    let mut words: Vec<String> = tags.iter().take(NAMED).cloned().collect();
    match tags.len().saturating_sub(NAMED) {
        0 => {}
        rest => words.push(format!("and {rest} more")),
    }
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// Blobs to take in: names in one directory, each what its digest says.
#[derive(Clone, Debug)]
pub struct Blobs {
    /// The directory, held open: it is not looked up again.
    pub(super) place: Arc<OwnedFd>,
    /// The directory, for people.
    pub(super) path: PathBuf,
    /// Sorted by SHA-256, each once.
    objects: Arc<Vec<Digests>>,
}

impl Blobs {
    /// Returns the names of the blobs in their directory.
    pub(super) fn names(&self) -> impl Iterator<Item = CString> + '_ {
        self.objects.iter().map(|object| name_of(&object.sha256))
    }
}

/// A package as a layout has it. Its objects were seen, and not read.
#[derive(Clone, Debug)]
pub struct Artifact {
    layout: PathBuf,
    /// The digest of the artifact's own manifest.
    oci_digest: Sha256,
    manifest_digest: Blake3,
    header: ManifestHeader,
    entries: EntryList,
    blobs: Blobs,
}

impl Artifact {
    /// Finds the one package in a layout, or the one of this tag, and looks at all that belongs to it.
    ///
    /// # Errors
    /// [`ArtifactError`] for the first thing that is not as it has to be.
    pub fn open(layout: &Path, tag: Option<&str>) -> Result<Self, ArtifactError> {
        let failed =
            |part: &str, source| ArtifactError { layout: layout.to_owned(), part: part.to_owned(), source };
        let directory = Place::open(layout).map_err(|error| failed("", error))?;
        let blobs = directory.blobs().map_err(|error| failed(BLOBS, error))?;
        let chosen = directory.choose(&blobs, tag).map_err(|(part, error)| failed(&part, error))?;
        let bytes = chosen.bytes;
        let parts = oci::artifact(&bytes).map_err(|error| failed(&blob(&chosen.digest), error.into()))?;
        drop(bytes);
        let (config, size) = parts.config;
        let at_config = |error| failed(&blob(&config), error);
        let json = read_blob(&blobs, &config, size).map_err(at_config)?;
        let cbor = from_jcs(&json).map_err(|error| at_config(error.into()))?;
        drop(json);
        let manifest = Manifest::parse(&cbor).map_err(|error| at_config(error.into()))?;
        let entries: EntryList = manifest.entries().collect();
        let header = manifest.into_header();
        let objects = match_layers(&entries, parts).map_err(|(part, error)| failed(&part, error))?;
        for object in &objects {
            look(&blobs, object).map_err(|error| failed(&blob(&object.sha256), error))?;
        }
        let path: PathBuf = [layout, Path::new(BLOBS)].iter().collect();
        Ok(Self {
            layout: layout.to_owned(),
            oci_digest: chosen.digest,
            manifest_digest: Blake3::of(&cbor),
            header,
            entries,
            blobs: Blobs { place: Arc::new(blobs), path, objects: Arc::new(objects) },
        })
    }

    /// Returns what the manifest says beside the entries.
    pub const fn header(&self) -> &ManifestHeader {
        &self.header
    }

    /// Returns what is to be taken in.
    pub fn blobs(&self) -> Blobs {
        self.blobs.clone()
    }

    /// Returns where it comes from: what its manifest says of that, and beside it the package that it was, the manifest
    /// of that, and the artifact. Of one that came through several stores the last one is told.
    pub fn provenance(&self) -> Labels {
        let Self { header, manifest_digest, oci_digest, .. } = self;
        let origin = [
            ("origin.package", format!("{}@{}", header.name, header.version)),
            ("origin.manifest", format!("blake3:{manifest_digest}")),
            ("origin.oci", format!("sha256:{oci_digest}")),
        ];
        let mut provenance = header.provenance.clone();
        provenance.extend(origin.map(|(key, value)| (key.to_owned(), value)));
        provenance
    }

    /// Returns the entries of the package, if each of its objects is among those that were taken in: of the same size,
    /// and of the same two digests.
    ///
    /// # Errors
    /// [`ArtifactError`] for the first object that is not.
    pub fn entries_if_taken(&self, taken: &EntryList) -> Result<EntryList, ArtifactError> {
        let mut found: Vec<Digests> = taken.objects().collect();
        found.sort_unstable_by_key(|object| object.sha256);
        for object in &*self.blobs.objects {
            let source = match found.binary_search_by_key(&object.sha256, |found| found.sha256) {
                Ok(nth) if found[nth] == *object => continue,
                Ok(_) => LayoutProblem::OtherPrimary,
                Err(_) => LayoutProblem::Altered,
            };
            return Err(ArtifactError { layout: self.layout.clone(), part: blob(&object.sha256), source });
        }
        Ok(self.entries.clone())
    }
}

/// What is wrong, and with what.
type Wrong = (String, LayoutProblem);

/// Holds layers and files against one another, and returns the objects, sorted by SHA-256, each once.
fn match_layers(entries: &EntryList, parts: ArtifactParts) -> Result<Vec<Digests>, Wrong> {
    let mut layers = parts.layers;
    layers.sort_unstable();
    layers.dedup();
    let mut objects: Vec<Digests> = entries.objects().collect();
    objects.sort_unstable_by_key(|object| (object.sha256, object.blake3, object.size_bytes));
    objects.dedup();
    if let Some(pair) = objects.windows(2).find(|pair| pair[0].sha256 == pair[1].sha256) {
        return Err((blob(&pair[0].sha256), LayoutProblem::Contradiction));
    }
    let has_layer = |object: &Digests| layers.binary_search(&(object.sha256, object.size_bytes)).is_ok();
    if let Some(missing) = objects.iter().find(|object| !has_layer(object)) {
        let path = entries.iter().find(|entry| entry.object() == Some(missing));
        let path = path.map(|entry| entry.path.as_bytes().to_vec()).unwrap_or_default();
        return Err((String::new(), LayoutProblem::NoLayer { path }));
    }
    // What is no file would be lost without a word.
    let is_file =
        |(digest, _): &(Sha256, u64)| objects.binary_search_by_key(digest, |object| object.sha256).is_ok();
    match layers.iter().find(|layer| !is_file(layer)) {
        Some((digest, _)) => Err((blob(digest), LayoutProblem::Unknown)),
        None => Ok(objects),
    }
}

/// A layout's directory, open.
struct Place {
    root: OwnedFd,
}

/// The artifact that is meant.
struct Chosen {
    digest: Sha256,
    bytes: Vec<u8>,
}

impl Place {
    fn open(layout: &Path) -> Result<Self, LayoutProblem> {
        let name = CString::new(layout.as_os_str().as_bytes()).map_err(io::Error::from)?;
        Ok(Self { root: open_directory(rustix::fs::CWD, &name, Follow::Named)? })
    }

    fn blobs(&self) -> Result<OwnedFd, LayoutProblem> {
        let blobs = open_directory(&self.root, c"blobs", Follow::Never)?;
        Ok(open_directory(&blobs, c"sha256", Follow::Never)?)
    }

    /// Finds the package that is meant among all that `index.json` lists.
    fn choose(&self, blobs: &OwnedFd, tag: Option<&str>) -> Result<Chosen, Wrong> {
        let at = |error| ("index.json".to_owned(), error);
        let bytes = read(&self.root, c"index.json", INDEX_BYTES_MAX).map_err(at)?;
        let listed = oci::index(&bytes).map_err(|error| at(error.into()))?;
        let is_meant = |one: &&Listing| tag.is_none() || one.tag.as_deref() == tag;
        let mut found: Vec<(Chosen, String)> = Vec::new();
        let meant: Vec<&Listing> = listed.iter().filter(is_meant).collect();
        if let (true, Some(tag)) = (meant.is_empty(), tag) {
            let tags = listed.iter().filter_map(|one| one.tag.clone()).collect();
            return Err(at(LayoutProblem::NoTag { tag: tag.to_owned(), tags }));
        }
        for one in meant.into_iter().filter(|one| one.is_manifest) {
            let digest = digest_of(&one.digest).map_err(at)?;
            let at_blob = |error| (blob(&digest), error);
            let bytes = read_blob(blobs, &digest, one.size_bytes).map_err(at_blob)?;
            // One artifact may have several tags.
            let is_new = found.iter().all(|(chosen, _)| chosen.digest != digest);
            if is_new && oci::is_artifact(&bytes).map_err(|error| at_blob(error.into()))? {
                found.push((Chosen { digest, bytes }, one.tag.clone().unwrap_or_else(|| one.digest.clone())));
            }
        }
        if found.len() > 1 {
            let tags = found.into_iter().map(|(_, tag)| tag).collect();
            return Err((String::new(), LayoutProblem::Several { tags }));
        }
        found.pop().map(|(chosen, _)| chosen).ok_or((String::new(), LayoutProblem::NoPackage))
    }
}

fn digest_of(text: &str) -> Result<Sha256, LayoutProblem> {
    let digits = text.strip_prefix("sha256:").and_then(|digits| digits.parse().ok());
    digits.ok_or_else(|| LayoutProblem::Digest(text.to_owned()))
}

fn blob(digest: &Sha256) -> String {
    format!("{BLOBS}/{digest}")
}

fn name_of(digest: &Sha256) -> CString {
    CString::new(digest.to_string()).unwrap_or_default() // digits hold no NUL
}

/// Makes sure that a blob is a file of the right size.
fn look(blobs: &OwnedFd, object: &Digests) -> Result<(), LayoutProblem> {
    let found = stat_at(blobs, &name_of(&object.sha256), Follow::Never)?;
    is_file(found.kind)?;
    check_size(object.size_bytes, found.print.size_bytes)
}

fn is_file(kind: Kind) -> Result<(), LayoutProblem> {
    match kind {
        Kind::File => Ok(()),
        Kind::Symlink => Err(LayoutProblem::NotAFile("symlink")),
        Kind::Directory => Err(LayoutProblem::NotAFile("directory")),
        Kind::Special(kind) => Err(LayoutProblem::NotAFile(kind)),
        Kind::Unknown => Err(LayoutProblem::NotAFile("thing that is no file")),
    }
}

const fn check_size(expected: u64, found: u64) -> Result<(), LayoutProblem> {
    if expected == found { Ok(()) } else { Err(LayoutProblem::Size { expected, found }) }
}

/// Reads a document that is a blob.
fn read_blob(blobs: &OwnedFd, digest: &Sha256, size_bytes: u64) -> Result<Vec<u8>, LayoutProblem> {
    let bytes = read(blobs, &name_of(digest), DOCUMENT_BYTES_MAX)?;
    check_size(size_bytes, bytes.len() as u64)?;
    if Sha256::of(&bytes) == *digest { Ok(bytes) } else { Err(LayoutProblem::Altered) }
}

/// Reads all of a file, which is one, and not too large.
fn read(at: &OwnedFd, name: &CStr, limit: u64) -> Result<Vec<u8>, LayoutProblem> {
    is_file(stat_at(at, name, Follow::Never)?.kind)?;
    let file = File::from(open_file(at, name, Follow::Never)?);
    let found = stat(file.as_fd())?;
    is_file(found.kind)?;
    let found = found.print.size_bytes;
    if found > limit {
        return Err(LayoutProblem::TooLarge { found, limit });
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile; then it is not what it is named by.
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
