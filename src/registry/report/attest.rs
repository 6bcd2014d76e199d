//! Attestations: what is asked and answered about them.

use super::{PackageSummary, Reference};
use crate::manifest::Labels;

/// What `attest` is asked for.
#[derive(Clone, Debug)]
pub struct AttestRequest {
    /// The package that it is about.
    pub reference: Reference,
    /// An in-toto Statement, or a DSSE envelope with one: JSON. It is stored as it is.
    pub document: Vec<u8>,
    /// The retention class; `None` is that of the package.
    pub class: Option<String>,
    /// Where the document comes from.
    pub provenance: Labels,
}

/// What `attest` did.
#[derive(Clone, Debug)]
pub struct AttestReport {
    /// The package that holds the document.
    pub attestation: PackageSummary,
    /// The package that it is about, as `name@version`.
    pub attested: String,
    /// What kind of thing it states: a URI.
    pub predicate_type: String,
}

/// An attestation beside a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The package that holds it, as `name@version`.
    pub reference: String,
    /// What kind of thing it states, where that is known.
    pub predicate_type: Option<String>,
}
