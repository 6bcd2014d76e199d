//! The document of `recover --from-objects`.

use astore::registry::report as r;
use serde::Serialize;

use super::RootText;
use super::recover::Recover;

#[derive(Serialize)]
pub(crate) struct ClaimsList {
    confirmed: bool,
    #[serde(flatten)]
    claimed: Claimed,
}

#[derive(Serialize)]
struct Claimed {
    #[serde(flatten)]
    root: RootText,
    begins_anew: bool,
    claims: Vec<ClaimText>,
    known: u64,
    damaged: Vec<String>,
    later: Vec<String>,
    unreadable: Vec<String>,
    unclaimed: Amount,
}

#[derive(Serialize)]
struct Amount {
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ClaimText {
    reference: String,
    id: String,
    manifest_digest: String,
    created_at: String,
    created_by: String,
    class: String,
    duration_seconds: Option<u64>,
    entries: u64,
    files: u64,
    bytes: u64,
    objects: u64,
    missing: u64,
    standing: &'static str,
    by: Option<String>,
}

impl ClaimText {
    fn of(claim: &r::PackageClaim) -> Self {
        let (standing, by) = match &claim.standing {
            r::ClaimStanding::Importable => ("importable", None),
            r::ClaimStanding::VersionTaken { by } => ("version-taken", Some(by.to_string())),
            r::ClaimStanding::Superseded { by } => ("superseded", Some(by.to_string())),
            r::ClaimStanding::NoClass => ("no-class", None),
            r::ClaimStanding::TooLarge => ("too-large", None),
        };
        Self {
            reference: claim.reference(),
            id: claim.id.to_string(),
            manifest_digest: claim.manifest.to_string(),
            created_at: claim.created_at.to_string(),
            created_by: claim.created_by.clone(),
            class: claim.class.clone(),
            duration_seconds: claim.duration_seconds,
            entries: claim.entries,
            files: claim.files,
            bytes: claim.bytes,
            objects: claim.objects,
            missing: claim.missing,
            standing,
            by,
        }
    }
}

impl Claimed {
    fn of(report: &r::ClaimsReport) -> Self {
        let (objects, bytes) = report.unclaimed;
        Self {
            root: RootText::of(&report.root),
            begins_anew: report.begins_anew,
            claims: report.claims.iter().map(ClaimText::of).collect(),
            known: report.known,
            damaged: report.damaged.iter().map(ToString::to_string).collect(),
            later: report.later.iter().map(ToString::to_string).collect(),
            unreadable: report.unreadable.clone(),
            unclaimed: Amount { objects, bytes },
        }
    }
}

impl ClaimsList {
    pub(crate) fn of(report: &r::ClaimsReport) -> Self {
        Self { confirmed: false, claimed: Claimed::of(report) }
    }
}

#[derive(Serialize)]
pub(crate) struct ClaimsImported {
    confirmed: bool,
    #[serde(flatten)]
    claimed: Claimed,
    recovered: Option<Recover>,
    begun: Option<BegunText>,
    imported: Vec<ImportedText>,
    refused: Vec<RefusedText>,
    lost: Vec<LostText>,
    checked: Amount,
}

#[derive(Serialize)]
struct BegunText {
    store_id: String,
    config_written: bool,
    aside: Vec<String>,
    disputed_classes: Vec<String>,
}

#[derive(Serialize)]
struct ImportedText {
    reference: String,
    id: String,
    manifest_digest: String,
    sequence: u64,
    lost_objects: u64,
}

#[derive(Serialize)]
struct RefusedText {
    reference: String,
    why: String,
}

#[derive(Serialize)]
struct LostText {
    address: String,
    kind: &'static str,
    detail: String,
}

impl ClaimsImported {
    pub(crate) fn of(report: &r::ImportReport) -> Self {
        let begun = |begun: &r::BegunLog| BegunText {
            store_id: begun.store_id.to_string(),
            config_written: begun.config_written,
            aside: begun.aside.clone(),
            disputed_classes: begun.disputed_classes.clone(),
        };
        let imported = |package: &r::ImportedPackage| ImportedText {
            reference: package.reference.clone(),
            id: package.id.to_string(),
            manifest_digest: package.manifest.to_string(),
            sequence: package.sequence,
            lost_objects: package.lost,
        };
        let refused = |(reference, why): &(String, String)| RefusedText {
            reference: reference.clone(),
            why: why.clone(),
        };
        let lost = |(address, kind, detail): &(astore::identity::ContentAddress, &'static str, String)| {
            LostText { address: address.to_string(), kind, detail: detail.clone() }
        };
        let (objects, bytes) = report.checked;
        Self {
            confirmed: true,
            claimed: Claimed::of(&report.claims),
            recovered: report.recovered.as_ref().map(Recover::of),
            begun: report.begun.as_ref().map(begun),
            imported: report.imported.iter().map(imported).collect(),
            refused: report.refused.iter().map(refused).collect(),
            lost: report.faults.iter().map(lost).collect(),
            checked: Amount { objects, bytes },
        }
    }
}
