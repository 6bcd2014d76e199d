//! `export --oci`: a package as an artifact in an OCI image layout.

use std::collections::HashSet;

use super::super::Registry;
use super::super::report::{Fault, Harm, LayoutReport, LayoutRequest, Remedy};
use super::super::resolve::reference as spelled;
use super::summary;
use crate::error::Error;
use crate::formats::oci::{self, DOCUMENT_BYTES_MAX, Layer};
use crate::identity::{Digests, Sha256};
use crate::manifest::{Entry, EntryBody, EntryPath, Manifest, to_jcs};
use crate::monitor::Monitor;
use crate::plane::{self, DamagedEntry, Document, ExportError, ExportOptions};
use crate::views::browse;

/// The directories of a layout.
const DIRECTORIES: [&str; 2] = ["blobs", "blobs/sha256"];
const DIRECTORY_MODE: u32 = 0o755;
const BLOB_MODE: u32 = 0o644;

impl Registry {
    /// Writes a finalised package as one artifact into a directory that is missing or empty: the same package is the
    /// same layout to the byte. Where an object is damaged or missing the other blobs are written, and nothing that would
    /// make a layout of them.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::Ambiguous`], [`Error::WrongState`] where the package is open,
    /// [`Error::TooLargeFor`], [`Error::Purged`] where bytes of it are gone for good; [`Error::Changed`],
    /// [`Error::Export`].
    pub fn export_layout(
        &self,
        request: &LayoutRequest,
        monitor: &dyn Monitor,
    ) -> Result<LayoutReport, Error> {
        let LayoutRequest { reference, destination, link } = request;
        if self.is_inside(destination) {
            return Err(ExportError::InsideStore { path: destination.clone() }.into());
        }
        let tx = self.db.read()?;
        let package = self.resolve(&tx, reference)?;
        let name = spelled(&package);
        let digest = package
            .manifest_digest
            .ok_or_else(|| Error::WrongState { reference: name.clone(), state: "open" })?;
        if let Some(object) = browse::purged_in_tree(&tx, package.tree)? {
            self.refuse_purged(&tx, &object)?;
        }
        let bytes = self.manifest_bytes(&tx, &package, &digest)?;
        let manifest = Manifest::parse(&bytes)?;
        let layers = layers(manifest.entries());
        let config = to_jcs(&bytes).expect("a manifest has a projection");
        let documents =
            oci::documents(manifest.header(), digest, manifest.content_digest(), &config, &layers);
        for (part, bytes) in [("config", &config), ("manifest", &documents.manifest)] {
            let (found, limit) = (bytes.len() as u64, DOCUMENT_BYTES_MAX);
            if found > limit {
                return Err(Error::TooLargeFor { reference: name, part, found, limit });
            }
        }
        let manifest_bytes = documents.manifest.len() as u64;
        let options = ExportOptions {
            link: (*link).into(),
            bytes_expected: Some(package.totals.object_bytes),
            documents: vec![
                Document { path: blob(&Sha256::of(&config)), bytes: config },
                Document { path: blob(&documents.manifest_digest), bytes: documents.manifest },
                Document { path: path("index.json"), bytes: documents.index },
                // Without this one it is no layout: so it comes last.
                Document { path: path("oci-layout"), bytes: oci::LAYOUT.as_bytes().to_vec() },
            ],
            ..ExportOptions::default()
        };
        let directories = DIRECTORIES.map(|directory| Entry {
            path: path(directory),
            body: EntryBody::Directory { mode: DIRECTORY_MODE },
            mtime: None,
        });
        let file = |layer: &Layer| Entry {
            path: blob(&layer.object.sha256),
            body: EntryBody::File { mode: BLOB_MODE, object: layer.object },
            mtime: None,
        };
        let mut entries = directories.into_iter().chain(layers.iter().map(file)).map(Ok);
        let exported =
            plane::export(&mut entries, &self.local, destination, &options, monitor, &self.cancelled)?;
        self.check_missing(tx, &exported.damaged, &name)?;
        let harmed = |object: &Digests| {
            let having = manifest.entries().filter(|entry| entry.object() == Some(object));
            having.map(|entry| Harm { package: name.clone(), path: Some(entry.path) }).collect()
        };
        let fault = |damaged: DamagedEntry| {
            let address = damaged.object.address();
            Fault {
                kind: damaged.fault.name().to_owned(),
                address: Some(address),
                subject: address.to_string(),
                detail: damaged.fault.to_string(),
                harms: harmed(&damaged.object),
                remedy: Remedy::RecordThenAdd,
            }
        };
        Ok(LayoutReport {
            package: summary(package),
            tag: documents.tag,
            manifest_sha256: documents.manifest_digest,
            manifest_bytes,
            layers: (layers.len() - exported.damaged.len()) as u64,
            bytes: exported.bytes,
            has_titles: documents.has_titles,
            damaged: exported.damaged.into_iter().map(fault).collect(),
        })
    }
}

/// Returns each object once, in the order of the first paths that have them.
fn layers(entries: impl Iterator<Item = Entry>) -> Vec<Layer> {
    let mut seen = HashSet::new();
    let files = entries.filter_map(|entry| Some(Layer { object: *entry.object()?, path: entry.path }));
    files.filter(|layer| seen.insert(layer.object.sha256)).collect()
}

fn blob(digest: &Sha256) -> EntryPath {
    path(&format!("blobs/sha256/{digest}"))
}

fn path(text: &str) -> EntryPath {
    EntryPath::new(text.as_bytes()).expect("a layout's paths are paths")
}
