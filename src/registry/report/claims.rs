//! What the manifests among the objects say, and what became of them.

use std::path::PathBuf;

use uuid::Uuid;

use super::recover::RecoverReport;
use crate::env::Timestamp;
use crate::identity::{Blake3, ContentAddress};
use crate::manifest::PackageName;
use crate::manifest::cbor::Encoder;

/// The manifests among the objects that the log does not know.
#[derive(Clone, Debug)]
pub struct ClaimsReport {
    /// The store's root.
    pub root: PathBuf,
    /// Whether nothing is left of the log: a confirmed import begins a new one.
    pub begins_anew: bool,
    /// What the manifests claim, in the order in which their packages were made.
    pub claims: Vec<PackageClaim>,
    /// How many more manifests there are whose packages the log knows.
    pub known: u64,
    /// Files that begin as a manifest does, and whose bytes are not those of their name: most likely a lost package
    /// each.
    pub damaged: Vec<ContentAddress>,
    /// Manifests of a later version, which this build cannot read.
    pub later: Vec<ContentAddress>,
    /// What could not be read among the objects, and why.
    pub unreadable: Vec<String>,
    /// How many files there are among the objects that no manifest names, and the sum of their sizes.
    pub unclaimed: (u64, u64),
}

impl ClaimsReport {
    /// Returns the claims that a confirmed import takes.
    pub fn importable(&self) -> impl Iterator<Item = &PackageClaim> {
        self.claims.iter().filter(|claim| claim.standing == ClaimStanding::Importable)
    }

    /// Returns a digest of what is claimed, of how much of it is there, and of what would be done: two reports with
    /// the same one show the same.
    pub fn digest(&self) -> Blake3 {
        let mut bytes = Vec::new();
        let mut out = Encoder::new(&mut bytes);
        out.array(4).uint(1).bool(self.begins_anew).uint(self.known).array(self.claims.len());
        for claim in &self.claims {
            out.array(4).bytes(claim.manifest.as_bytes()).text(&claim.standing.to_string());
            out.uint(claim.objects).uint(claim.missing);
        }
        Blake3::of(&bytes)
    }
}

/// What one manifest claims.
#[derive(Clone, Debug)]
pub struct PackageClaim {
    /// The manifest's address.
    pub manifest: ContentAddress,
    /// The package's id.
    pub id: Uuid,
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Its retention class.
    pub class: String,
    /// That class's duration as the manifest has it; `None` is no expiry.
    pub duration_seconds: Option<u64>,
    /// How many entries it has.
    pub entries: u64,
    /// How many of them are files.
    pub files: u64,
    /// The sum of the files' sizes, as far as that can be counted.
    pub bytes: u64,
    /// How many distinct objects they have.
    pub objects: u64,
    /// How many of these have no file of their size.
    pub missing: u64,
    /// What an import would do with it.
    pub standing: ClaimStanding,
}

impl PackageClaim {
    /// Returns the package as `name@version`.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// What an import would do with a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimStanding {
    /// It would be imported.
    Importable,
    /// Another package has its name and version: the log's, or that of an earlier claim.
    VersionTaken {
        /// That package's id.
        by: Uuid,
    },
    /// Another manifest is of the same package, and was written later: its version was taken when it was to be
    /// recorded.
    Superseded {
        /// The other manifest.
        by: ContentAddress,
    },
    /// Its retention class is none of the store's, or could be none.
    NoClass,
    /// Its sizes add up to more than a store can count.
    TooLarge,
}

impl std::fmt::Display for ClaimStanding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Importable => f.write_str("importable"),
            Self::VersionTaken { by } => write!(f, "its name and version are those of {by}"),
            Self::Superseded { by } => write!(f, "{by} is a later manifest of the same package"),
            Self::NoClass => f.write_str("its retention class is none of the store's"),
            Self::TooLarge => f.write_str("its sizes add up to more than a store can count"),
        }
    }
}

/// What an import of claims is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportRequest {
    /// Import what was shown, or nothing: the [digest](ClaimsReport::digest) of that.
    pub shown: Option<Blake3>,
}

/// What an import of claims did.
#[derive(Clone, Debug)]
pub struct ImportReport {
    /// What was claimed when nobody else could change it.
    pub claims: ClaimsReport,
    /// What `recover` did first, where one copy of the log was lost or damaged.
    pub recovered: Option<RecoverReport>,
    /// The log that was begun, where nothing was left of the old one.
    pub begun: Option<BegunLog>,
    /// What was imported, in order.
    pub imported: Vec<ImportedPackage>,
    /// Claims that were not imported though they looked fit, and why.
    pub refused: Vec<(String, String)>,
    /// Objects of the claims whose bytes are not to be had, what is wrong with each, and more about that.
    pub faults: Vec<(ContentAddress, &'static str, String)>,
    /// How many objects the importable claims have, and how many bytes of them were read and compared: not those of
    /// objects that the log vouches for.
    pub checked: (u64, u64),
}

impl ImportReport {
    /// Returns whether all that was claimed is there: no object is lost, no claim was refused, no manifest is damaged.
    pub const fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.refused.is_empty() && self.claims.damaged.is_empty()
    }
}

/// A log that was begun.
#[derive(Clone, Debug)]
pub struct BegunLog {
    /// The store's id.
    pub store_id: Uuid,
    /// Whether `astore.toml` was lost as well and was written, with a new id.
    pub config_written: bool,
    /// What was left of the old log and database, and is put aside under these names.
    pub aside: Vec<String>,
    /// The retention classes that the manifests speak of with different durations; the longest counts.
    pub disputed_classes: Vec<String>,
}

/// A package that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedPackage {
    /// The package, as `name@version`.
    pub reference: String,
    /// Its id.
    pub id: Uuid,
    /// Its manifest.
    pub manifest: ContentAddress,
    /// The event that says so.
    pub sequence: u64,
    /// How many of its objects are lost: missing, truncated, altered or unreadable.
    pub lost: u64,
}
