//! Claims, and an import of them.

use std::path::PathBuf;

use astore::env::Timestamp;
use astore::identity::{Blake3, ContentAddress};
use astore::registry::report::*;
use uuid::Uuid;

pub(crate) fn claims() -> ClaimsReport {
    let claim = |name: &str, version: u64, standing| PackageClaim {
        manifest: ContentAddress::new(Blake3::of(name.as_bytes())),
        id: Uuid::from_u128(version.into()),
        name: name.parse().unwrap(),
        version,
        created_at: Timestamp::from_micros(1_800_000_000_000_250),
        created_by: "ann@box\n".into(),
        class: "nightly".into(),
        duration_seconds: Some(86_400),
        entries: 5,
        files: 4,
        bytes: 12_345,
        objects: 3,
        missing: u64::from(name == "doc"),
        standing,
    };
    let other = ContentAddress::new(Blake3::of(b"other"));
    ClaimsReport {
        root: PathBuf::from("/srv/store"),
        begins_anew: true,
        claims: vec![
            claim("doc", 1, ClaimStanding::Importable),
            claim("run", 1, ClaimStanding::Importable),
            claim("run", 2, ClaimStanding::VersionTaken { by: Uuid::from_u128(7) }),
            claim("run", 3, ClaimStanding::Superseded { by: other }),
            claim("odd", 1, ClaimStanding::NoClass),
            claim("odd", 2, ClaimStanding::TooLarge),
        ],
        known: 2,
        damaged: vec![ContentAddress::new(Blake3::of(b"damaged"))],
        later: vec![ContentAddress::new(Blake3::of(b"later"))],
        unreadable: vec!["blake3/ab: Input/output error".into()],
        unclaimed: (1, 4096),
    }
}

pub(crate) fn imported() -> ImportReport {
    let claims = claims();
    let imported = claims.claims[..2].iter().zip(2..).map(|(claim, sequence)| ImportedPackage {
        reference: claim.reference(),
        id: claim.id,
        manifest: claim.manifest,
        sequence,
        lost: claim.missing,
    });
    ImportReport {
        recovered: None,
        begun: Some(BegunLog {
            store_id: Uuid::from_u128(1),
            config_written: true,
            aside: vec!["astore.db.aside-1".into()],
            disputed_classes: vec!["nightly".into()],
        }),
        imported: imported.collect(),
        refused: vec![("lie@1".into(), "it gives another size".into())],
        faults: vec![(ContentAddress::new(Blake3::of(b"gone")), "missing", "no file stands there".into())],
        checked: (6, 24_690),
        claims,
    }
}
