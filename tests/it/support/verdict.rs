//! What a store answers when it is asked about a digest.

use astore::identity::{Blake3, ContentAddress};
use astore::monitor::Void;
use astore::registry::Registry;
use astore::registry::report::{ExplainDepth, ExplainReport, ExplainRequest, ExplainTarget, Verdict as Word};

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

/// Asks for the verdict on a digest.
#[track_caller]
pub(crate) fn verdict(registry: &Registry, digest: &Digest) -> Verdict {
    let report = explain(registry, digest);
    assert_eq!(report.purge.is_some(), report.verdict == Word::Purged, "{report:?}");
    assert_eq!(report.lost.is_some(), report.verdict == Word::Lost, "{report:?}");
    match report.verdict {
        Word::Present => Verdict::Present,
        Word::Evicted => Verdict::Evicted,
        Word::Purged => Verdict::Purged(report.purge.expect("a purge").sequence),
        Word::Lost => Verdict::Lost,
        Word::Unknown => Verdict::Unknown,
    }
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
