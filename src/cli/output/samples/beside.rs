//! Schemas and attestations.

use astore::identity::Blake3;
use astore::registry::report::*;

use super::{at, finalized};

pub(crate) fn schema() -> SchemaRow {
    SchemaRow {
        name: "release".into(),
        version: 2,
        digest: Blake3::of(b"schema"),
        size_bytes: 1234,
        media_type: "application/schema+json".into(),
        registered_at: at(9),
        registered_by: "ann@box\n".into(),
        sequence: 7,
    }
}

pub(crate) fn attestation() -> Attestation {
    Attestation {
        reference: "doc.attestation@1".into(),
        predicate_type: Some("https://slsa.dev/provenance/v1".into()),
    }
}

pub(crate) fn attested() -> AttestReport {
    AttestReport {
        attestation: PackageSummary { name: "doc.attestation".parse().unwrap(), ..finalized() },
        attested: "doc@2".into(),
        predicate_type: "https://slsa.dev/provenance/v1".into(),
    }
}
