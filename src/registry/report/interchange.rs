//! What is asked and answered where other people's formats come in or go out.

use std::path::PathBuf;

use super::{Fault, LinkMode, PackageSummary, Reference};
use crate::formats::checkfile::CheckFile;
use crate::identity::Sha256;

/// What files are to hold, told by somebody else.
#[derive(Clone, Debug)]
pub struct Check {
    /// What it is called where something does not match.
    pub file: PathBuf,
    /// The lines of it.
    pub expected: CheckFile,
}

/// In which format a tree is written in one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// tar, as POSIX.1-2017 has it: sorted, owned by nobody, with the times that the package keeps, else the epoch.
    Tar,
    /// Nix's archive; of a mode it keeps whether the owner may execute, and no times.
    Nar,
}

/// What is asked of an export to a stream.
#[derive(Clone, Debug)]
pub struct StreamRequest {
    /// Which package.
    pub reference: Reference,
    /// In which format.
    pub stream: Stream,
}

/// What an export to a stream did.
#[derive(Clone, Debug)]
pub struct StreamReport {
    /// The package.
    pub package: PackageSummary,
    /// Entries written.
    pub entries: u64,
    /// Bytes of files written.
    pub bytes: u64,
    /// The digest of all that was written: of a NAR, its NAR hash.
    pub sha256: Sha256,
    /// How many bytes that were.
    pub stream_bytes: u64,
    /// Entries of whose mode or time the format keeps a part at most.
    pub not_carried: u64,
}

/// What is asked of an export as a bag.
#[derive(Clone, Debug)]
pub struct BagRequest {
    /// Which package; a finalised one.
    pub reference: Reference,
    /// Where to: a directory that is missing or empty.
    pub destination: PathBuf,
    /// How files are made.
    pub link: LinkMode,
    /// Whether setuid, setgid and sticky bits are set.
    pub special_modes: bool,
}

/// What an export as a bag did.
#[derive(Clone, Debug)]
pub struct BagReport {
    /// The package.
    pub package: PackageSummary,
    /// Files written into the payload.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Symlinks, which are in the bag's copy of the manifest alone.
    pub symlinks: u64,
    /// Empty directories: a bag that is packed or sent may lose them.
    pub empty_directories: u64,
    /// The SHA-256 of the tag manifest, which covers all the bag; `None` where it was not finished because of damage.
    pub sha256: Option<Sha256>,
    /// Entries whose object is damaged or missing. With one of these there is no bag, only what was written of it.
    pub damaged: Vec<Fault>,
}

/// What there is to know of a bag that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BagNote {
    /// A list that nothing was held against.
    Unchecked {
        /// Its name in the bag.
        list: String,
    },
    /// The bag has a manifest of ours that does not describe its payload, and was not used.
    DescribedOtherwise,
    /// Labels of `bag-info.txt` that are not kept: there are too many, one is too long, or the package is there already.
    LabelsLeftOut {
        /// How many.
        labels: u64,
    },
}

/// What is asked of an export to an OCI image layout.
#[derive(Clone, Debug)]
pub struct LayoutRequest {
    /// Which package; it has to be finalised.
    pub reference: Reference,
    /// Where to: a directory that is missing or empty.
    pub destination: PathBuf,
    /// How blobs come to be.
    pub link: LinkMode,
}

/// What an export to an OCI image layout did.
#[derive(Clone, Debug)]
pub struct LayoutReport {
    /// The package.
    pub package: PackageSummary,
    /// The artifact's tag.
    pub tag: String,
    /// The digest of the artifact's manifest, by which a registry knows it.
    pub manifest_sha256: Sha256,
    /// The size of that manifest.
    pub manifest_bytes: u64,
    /// Layers: distinct objects that were written.
    pub layers: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Whether the layers say what their files are called.
    pub has_titles: bool,
    /// Objects that are damaged or missing, with the paths that have them. There is no artifact where there is one.
    pub damaged: Vec<Fault>,
}
