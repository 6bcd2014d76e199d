//! What is to be removed, and what a removal did or would do.

use std::time::Duration;

use super::{Attestation, PackageSummary, Root};
use crate::manifest::PackageName;

/// Versions of a name that newer ones have taken the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// The name.
    pub name: PackageName,
    /// How many of its newest finalised versions that are not removed stay.
    pub keep: u64,
    /// Where it is given, only those that were finalised longer ago than this.
    pub older_than: Option<Duration>,
}

/// What `remove` did to one package.
#[derive(Clone, Debug, Default)]
pub struct RemoveReport {
    /// The packages, as they are now.
    pub packages: Vec<PackageSummary>,
    /// The events.
    pub sequences: Vec<u64>,
    /// The pins and holds that keep bytes of them.
    pub kept_by: Vec<Root>,
    /// The attestations about them, which stay.
    pub attestations: Vec<Attestation>,
}

impl RemoveReport {
    /// Forgets the attestations that go in the same step.
    pub(in crate::registry) fn keep_those_that_stay(&mut self) {
        let Self { attestations, packages, .. } = self;
        attestations.retain(|attestation| {
            packages.iter().all(|package| package.reference() != attestation.reference)
        });
    }
}
