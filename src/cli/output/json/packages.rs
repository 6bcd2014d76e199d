//! Documents about packages.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use astore::registry::report as r;
use serde::Serialize;

use super::event::EventHead;
use super::pins::{PinText, RootText, pin_names};
use super::purges::PurgedPartText;
use super::store::FaultText;
use super::{PathText, Text, primary};

#[derive(Serialize)]
pub(crate) struct Package {
    id: String,
    reference: String,
    name: String,
    version: u64,
    status: &'static str,
    created_at: String,
    created_by: String,
    finalized_at: Option<String>,
    removed_at: Option<String>,
    manifest_digest: Option<String>,
    content_digest: Option<String>,
    entries: u64,
    files: u64,
    bytes: u64,
    class: String,
    expires_at: Option<String>,
    hold: bool,
    hold_reason: Option<String>,
}

impl Package {
    pub(crate) fn of(package: &r::PackageSummary) -> Self {
        Self {
            id: package.id.to_string(),
            reference: package.reference(),
            name: package.name.to_string(),
            version: package.version,
            status: package.status.name(),
            created_at: package.created_at.to_string(),
            created_by: package.created_by.clone(),
            finalized_at: package.finalized_at.map(|at| at.to_string()),
            removed_at: package.removed_at.map(|at| at.to_string()),
            manifest_digest: package.manifest_digest.map(primary),
            content_digest: package.content_digest.map(primary),
            entries: package.entries,
            files: package.files,
            bytes: package.bytes,
            class: package.class.clone(),
            expires_at: package.expires_at.map(|at| at.to_string()),
            hold: package.hold,
            hold_reason: package.hold_reason.clone(),
        }
    }
}

/// A document that is about one package and says no more: `finalize`, `restore`.
#[derive(Serialize)]
pub(crate) struct OnePackage {
    package: Package,
}

impl OnePackage {
    pub(crate) fn of(package: &r::PackageSummary) -> Self {
        Self { package: Package::of(package) }
    }
}

#[derive(Serialize)]
struct Skipped {
    #[serde(flatten)]
    path: PathText,
    why: String,
}

#[derive(Serialize)]
pub(crate) struct Add {
    package: Package,
    unchanged: bool,
    files_hashed: u64,
    cache_hits: u64,
    objects_new: u64,
    bytes_new: u64,
    healed: Vec<String>,
    skipped: Vec<Skipped>,
    excluded: u64,
}

impl Add {
    pub(crate) fn of(report: &r::AddReport) -> Self {
        let skipped = |skipped: &r::SkippedPath| Skipped {
            path: PathText::of(skipped.path.as_os_str().as_bytes()),
            why: skipped.why.clone(),
        };
        Self {
            package: Package::of(&report.package),
            unchanged: report.unchanged,
            files_hashed: report.files_hashed,
            cache_hits: report.cache_hits,
            objects_new: report.objects_new,
            bytes_new: report.bytes_new,
            healed: report.healed.iter().map(ToString::to_string).collect(),
            skipped: report.skipped.iter().map(skipped).collect(),
            excluded: report.excluded,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ManifestHead {
    package: Package,
    manifest_digest: String,
    size_bytes: u64,
}

impl ManifestHead {
    pub(crate) fn of(report: &r::ManifestReport) -> Self {
        Self {
            package: Package::of(&report.package),
            manifest_digest: primary(report.digest),
            size_bytes: report.bytes.len() as u64,
        }
    }
}

/// An attestation about a package.
#[derive(Serialize)]
struct AttestationText {
    reference: String,
    predicate_type: Option<String>,
}

impl AttestationText {
    fn of(attestation: &r::Attestation) -> Self {
        Self { reference: attestation.reference.clone(), predicate_type: attestation.predicate_type.clone() }
    }
}

#[derive(Serialize)]
pub(crate) struct Attest {
    package: Package,
    attested: String,
    predicate_type: String,
}

impl Attest {
    pub(crate) fn of(report: &r::AttestReport) -> Self {
        Self {
            package: Package::of(&report.attestation),
            attested: report.attested.clone(),
            predicate_type: report.predicate_type.clone(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Show {
    package: Package,
    objects: u64,
    object_bytes: u64,
    metadata: BTreeMap<String, String>,
    provenance: BTreeMap<String, String>,
    removed_reason: Option<String>,
    manifest_size: Option<u64>,
    purged: Vec<PurgedPartText>,
    pins: Vec<PinText>,
    attestations: Vec<AttestationText>,
    events: Vec<EventHead>,
}

impl Show {
    pub(crate) fn of(detail: &r::PackageDetail) -> Self {
        Self {
            package: Package::of(&detail.summary),
            objects: detail.objects,
            object_bytes: detail.object_bytes,
            metadata: detail.metadata.clone(),
            provenance: detail.provenance.clone(),
            removed_reason: detail.removed_reason.clone(),
            manifest_size: detail.manifest_size,
            purged: detail.purged.iter().map(PurgedPartText::of).collect(),
            pins: detail.pins.iter().map(PinText::of).collect(),
            attestations: detail.attestations.iter().map(AttestationText::of).collect(),
            events: detail.events.iter().map(EventHead::of).collect(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Export {
    package: Package,
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_bytes: Option<String>,
    entries: u64,
    bytes: u64,
    damaged: Vec<FaultText>,
}

impl Export {
    pub(crate) fn of(report: &r::ExportReport, destination: &Path) -> Self {
        let Text { text, bytes } = Text::of(destination.as_os_str().as_bytes());
        Self {
            package: Package::of(&report.package),
            destination: text,
            destination_bytes: bytes,
            entries: report.entries,
            bytes: report.bytes,
            damaged: report.damaged.iter().map(FaultText::of).collect(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ExportBag {
    package: Package,
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_bytes: Option<String>,
    files: u64,
    bytes: u64,
    symlinks: u64,
    empty_directories: u64,
    sha256: Option<String>,
    damaged: Vec<FaultText>,
}

impl ExportBag {
    pub(crate) fn of(report: &r::BagReport, destination: &Path) -> Self {
        let Text { text, bytes } = Text::of(destination.as_os_str().as_bytes());
        Self {
            package: Package::of(&report.package),
            destination: text,
            destination_bytes: bytes,
            files: report.files,
            bytes: report.bytes,
            symlinks: report.symlinks,
            empty_directories: report.empty_directories,
            sha256: report.sha256.map(|sha256| sha256.to_string()),
            damaged: report.damaged.iter().map(FaultText::of).collect(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ExportStream {
    package: Package,
    format: &'static str,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_bytes: Option<String>,
    entries: u64,
    bytes: u64,
    stream_bytes: u64,
    sha256: String,
    not_carried: u64,
}

impl ExportStream {
    pub(crate) fn of(report: &r::StreamReport, stream: r::Stream, file: &Path) -> Self {
        let Text { text, bytes } = Text::of(file.as_os_str().as_bytes());
        Self {
            package: Package::of(&report.package),
            format: match stream {
                r::Stream::Tar => "tar",
                r::Stream::Nar => "nar",
            },
            file: text,
            file_bytes: bytes,
            entries: report.entries,
            bytes: report.bytes,
            stream_bytes: report.stream_bytes,
            sha256: report.sha256.to_string(),
            not_carried: report.not_carried,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ExportOci {
    package: Package,
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_bytes: Option<String>,
    tag: String,
    manifest_sha256: String,
    manifest_bytes: u64,
    layers: u64,
    bytes: u64,
    has_titles: bool,
    damaged: Vec<FaultText>,
}

impl ExportOci {
    pub(crate) fn of(report: &r::LayoutReport, destination: &Path) -> Self {
        let Text { text, bytes } = Text::of(destination.as_os_str().as_bytes());
        Self {
            package: Package::of(&report.package),
            destination: text,
            destination_bytes: bytes,
            tag: report.tag.clone(),
            manifest_sha256: report.manifest_sha256.to_string(),
            manifest_bytes: report.manifest_bytes,
            layers: report.layers,
            bytes: report.bytes,
            has_titles: report.has_titles,
            damaged: report.damaged.iter().map(FaultText::of).collect(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Remove {
    dry_run: bool,
    packages: Vec<Package>,
    sequences: Vec<u64>,
    pinned_by: Vec<String>,
    kept_by: Vec<RootText>,
    attestations: Vec<AttestationText>,
}

impl Remove {
    pub(crate) fn of(report: &r::RemoveReport, dry_run: bool) -> Self {
        Self {
            dry_run,
            packages: report.packages.iter().map(Package::of).collect(),
            sequences: report.sequences.clone(),
            pinned_by: pin_names(&report.kept_by),
            kept_by: report.kept_by.iter().map(RootText::of).collect(),
            attestations: report.attestations.iter().map(AttestationText::of).collect(),
        }
    }
}
