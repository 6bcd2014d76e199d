//! `export --bagit`: a package as a bag (RFC 8493).

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::super::Registry;
use super::super::report::{BagReport, BagRequest};
use super::super::resolve::reference as spelled;
use super::summary;
use crate::env::Timestamp;
use crate::error::Error;
use crate::formats::bagit::{Unbaggable, check_name, composed, write_line, write_tag};
use crate::identity::ContentAddress;
use crate::manifest::{Entry, EntryBody, EntryPath, Manifest};
use crate::monitor::Monitor;
use crate::plane::{BagDirectory, ExportError, ExportOptions, SpecialModes};
use crate::views::{PackageRow, browse};

/// How many names are told where many cannot stand in a bag.
const NAMED: usize = 3;
/// The longest path that the system opens, its end not counted (PATH_MAX).
const OPENED_BYTES_MAX: usize = 4095;

/// The metadata that RFC 8493 §2.2.2 has labels of its own for, which therefore stand under these.
const OWN_LABELS: [&str; 10] = [
    "Bag-Count",
    "Bag-Group-Identifier",
    "Contact-Email",
    "Contact-Name",
    "Contact-Phone",
    "External-Description",
    "Internal-Sender-Description",
    "Internal-Sender-Identifier",
    "Organization-Address",
    "Source-Organization",
];

impl Registry {
    /// Writes a finalised package as a bag into a directory that is missing or empty. Names that no bag can hold are
    /// refused before anything is written. What is damaged is left out and listed, all of it; then there is no bag.
    ///
    /// # Errors
    /// As [`Registry::export`], [`Error::WrongState`] where the package is open, and [`Error::NotBaggable`].
    pub fn export_bag(&self, request: &BagRequest, monitor: &dyn Monitor) -> Result<BagReport, Error> {
        let destination = &request.destination;
        if self.is_inside(destination) {
            return Err(ExportError::InsideStore { path: destination.clone() }.into());
        }
        let tx = self.db.read()?;
        let package = self.resolve(&tx, &request.reference)?;
        let name = spelled(&package);
        let Some(digest) = package.manifest_digest else {
            return Err(Error::WrongState { reference: name, state: "open" });
        };
        if let Some(object) = browse::purged_in_tree(&tx, package.tree)? {
            self.refuse_purged(&tx, &object)?;
        }
        let bytes = self.manifest_bytes(&tx, &package, &digest)?;
        let manifest = Manifest::parse(&bytes)?;
        refuse_names(&manifest, &name, destination)?;
        let options = ExportOptions {
            link: request.link.into(),
            special_modes: if request.special_modes { SpecialModes::Keep } else { SpecialModes::Drop },
            bytes_expected: Some(package.totals.bytes),
            ..ExportOptions::default()
        };
        let info = bag_info(&package, &manifest, ContentAddress::new(digest));
        let bag = BagDirectory::begin(destination)?;
        let mut entries = manifest.entries().filter(|entry| !is_symlink(entry)).map(Ok);
        let exported = bag.payload(&mut entries, &self.local, &options, monitor, &self.cancelled)?;
        let damaged = self.faults_of(tx, exported.damaged, &name)?;
        let mut sha256 = None;
        if damaged.is_empty() {
            let mut list = |out: &mut dyn io::Write| {
                manifest.entries().try_for_each(|entry| match entry.object() {
                    Some(object) => {
                        write_line(&object.sha256, &[b"data/", entry.path.as_bytes()].concat(), out)
                    }
                    None => Ok(()),
                })
            };
            sha256 = Some(bag.finish(&mut list, &info, &bytes)?);
        }
        Ok(BagReport {
            files: package.totals.files - damaged.len() as u64,
            bytes: exported.bytes,
            symlinks: manifest.entries().filter(is_symlink).count() as u64,
            empty_directories: empty_directories(&manifest),
            package: summary(package),
            sha256,
            damaged,
        })
    }
}

fn is_symlink(entry: &Entry) -> bool {
    matches!(entry.body, EntryBody::Symlink { .. })
}

/// Counts the directories with nothing in them.
fn empty_directories(manifest: &Manifest<'_>) -> u64 {
    let parents: BTreeSet<Vec<u8>> =
        manifest.entries().filter_map(|entry| entry.path.parent().map(<[u8]>::to_vec)).collect();
    let is_empty = |entry: &Entry| {
        matches!(entry.body, EntryBody::Directory { .. }) && !parents.contains(entry.path.as_bytes())
    };
    manifest.entries().filter(is_empty).count() as u64
}

/// Refuses a package with names of files that a bag cannot hold.
fn refuse_names(manifest: &Manifest<'_>, reference: &str, destination: &Path) -> Result<(), Error> {
    let files = || manifest.entries().filter(|entry| entry.object().is_some());
    // In memory are only those that have another form: hardly ever any.
    let (mut forms, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for form in files().filter_map(|entry| composed(&entry.path)) {
        if let Some(form) = forms.replace(form) {
            twice.insert(form);
        }
    }
    for entry in files().filter(|entry| forms.contains(&entry.path)) {
        twice.insert(entry.path);
    }
    let above = std::path::absolute(destination).map_or(0, |path| path.as_os_str().len());
    let longest = OPENED_BYTES_MAX.saturating_sub(above + "/data/".len());
    let check = |path: &EntryPath| {
        check_name(path)?;
        if path.as_bytes().len() > longest {
            return Err(Unbaggable::TooLong);
        }
        let is_alike = !twice.is_empty()
            && composed(path).map_or_else(|| twice.contains(path), |form| twice.contains(&form));
        if is_alike { Err(Unbaggable::Alike) } else { Ok(()) }
    };
    let (mut count, mut names) = (0, Vec::new());
    for entry in files() {
        if let Err(why) = check(&entry.path) {
            count += 1;
            if names.len() < NAMED {
                names.push((entry.path, why));
            }
        }
    }
    match count {
        0 => Ok(()),
        count => Err(Error::NotBaggable { reference: reference.to_owned(), count, names }),
    }
}

/// Returns what `bag-info.txt` says: the same for the same package, wherever and whenever it is exported.
fn bag_info(package: &PackageRow, manifest: &Manifest<'_>, digest: ContentAddress) -> Vec<u8> {
    let header = manifest.header();
    let mut out = Vec::new();
    let mut tag = |label: &str, value: &str| {
        write_tag(label, value, &mut out).expect("memory takes what is written to it");
    };
    tag("Bag-Software-Agent", &format!("astore {}", env!("CARGO_PKG_VERSION")));
    tag("Bagging-Date", &day(package.finalized_at.unwrap_or(package.created_at)));
    tag("External-Identifier", &spelled(package));
    tag("Payload-Oxum", &format!("{}.{}", package.totals.bytes, package.totals.files));
    let has_own_label = |key: &str| OWN_LABELS.contains(&key);
    for (key, value) in header.metadata.iter().filter(|(key, _)| has_own_label(key)) {
        tag(key, value);
    }
    tag("Astore-Content-Digest", &ContentAddress::new(manifest.content_digest()).to_string());
    tag("Astore-Manifest-Digest", &digest.to_string());
    for (key, value) in header.metadata.iter().filter(|(key, _)| !has_own_label(key)) {
        tag("Astore-Metadata", &format!("{key}={value}"));
    }
    for (key, value) in &header.provenance {
        tag("Astore-Provenance", &format!("{key}={value}"));
    }
    out
}

/// Returns the day of an instant in UTC.
fn day(instant: Timestamp) -> String {
    let text = instant.to_string();
    text.split_once('T').map_or_else(|| text.clone(), |(day, _)| day.to_owned())
}
