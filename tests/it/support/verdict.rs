//! What a store answers when it is asked about a digest.

use astore::error::{Error, ErrorKind};
use astore::identity::{Blake3, ContentAddress};
use astore::monitor::Void;
use astore::registry::Registry;
use astore::registry::report::{
    CatTarget, ExplainDepth, ExplainReport, ExplainRequest, ExplainTarget, Verdict as Word,
};

use super::oracle::Digest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Present,
    Evicted,
    /// By this event.
    Purged(u64),
    Lost,
    Unknown,
}

/// Asks for the verdict on a digest. Whoever asks for the bytes is told the same.
#[track_caller]
pub(crate) fn verdict(registry: &Registry, digest: &Digest) -> Verdict {
    let report = explain(registry, digest);
    assert_eq!(report.purge.is_some(), report.verdict == Word::Purged, "{report:?}");
    assert_eq!(report.lost.is_some(), report.verdict == Word::Lost, "{report:?}");
    let printed = cat(registry, digest);
    let agrees = match report.verdict {
        Word::Present => printed.as_ref().is_ok_and(|bytes| blake3::hash(bytes).as_bytes() == digest),
        Word::Purged => is_kind(&printed, ErrorKind::Purged),
        Word::Lost => is_kind(&printed, ErrorKind::Damage),
        Word::Unknown => is_kind(&printed, ErrorKind::NotFound),
        Word::Evicted => printed.is_err(),
    };
    assert!(agrees, "{:?}, and cat says {printed:?}", report.verdict);
    match report.verdict {
        Word::Present => Verdict::Present,
        Word::Evicted => Verdict::Evicted,
        Word::Purged => Verdict::Purged(report.purge.expect("a purge").sequence),
        Word::Lost => Verdict::Lost,
        Word::Unknown => Verdict::Unknown,
    }
}

fn is_kind(printed: &Result<Vec<u8>, Error>, kind: ErrorKind) -> bool {
    printed.as_ref().is_err_and(|error| error.kind() == kind)
}

/// Asks for the bytes of a digest.
pub(crate) fn cat(registry: &Registry, digest: &Digest) -> Result<Vec<u8>, Error> {
    let address = ContentAddress::new(Blake3::from_bytes(*digest)).to_string();
    let mut out = Vec::new();
    registry.cat(&CatTarget::Object(address.parse().expect("an address")), None, &mut out)?;
    Ok(out)
}

/// Asks for all that is known of a digest.
#[track_caller]
pub(crate) fn explain(registry: &Registry, digest: &Digest) -> ExplainReport {
    let address = ContentAddress::new(Blake3::from_bytes(*digest)).to_string();
    let request = ExplainRequest {
        target: ExplainTarget::Object(address.parse().expect("an address")),
        depth: ExplainDepth::Short,
        paths_max: None,
    };
    registry.explain(&request, &Void).expect("a verdict")
}
