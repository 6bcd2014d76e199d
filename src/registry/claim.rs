//! What bears on whether a package is wanted, put together from the views in one place: gc, `explain`, `retain`
//! and `restore` must not disagree.

use super::report::Lost;
use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::events;
use crate::retention::{Claim, Expiry, Reason, Wanted, wanted};
use crate::views::PackageRow;

/// Puts together what bears on a package; `pinned` says whether a pin stands on it.
pub(super) fn claim(package: &PackageRow, pinned: bool) -> Claim {
    let expiry = match (package.expired_sequence, package.expires_at) {
        (Some(_), _) => Expiry::Taken,
        (None, Some(instant)) => Expiry::At(instant),
        (None, None) => Expiry::Never,
    };
    Claim {
        finalized: package.finalized,
        removed: package.removed_at.is_some(),
        expiry,
        kept: pinned || package.hold,
    }
}

/// Says why a package keeps nothing by itself at an instant, where that is so: pins and holds are left aside.
pub(super) fn gone(claim: &Claim, at: Timestamp) -> Option<Reason> {
    match wanted(&Claim { kept: false, ..*claim }, at) {
        Wanted::Gone(reason) => Some(reason),
        Wanted::Present | Wanted::Kept => None,
    }
}

/// Says by what and when a package ceased to keep anything by itself, where it has at this instant.
pub(super) fn lost(tx: &ReadTx<'_>, package: &PackageRow, at: Timestamp) -> Result<Option<Lost>, DbError> {
    if gone(&claim(package, false), at).is_none() {
        return Ok(None);
    }
    if let (Some(sequence), Some(at)) = (package.removed_sequence, package.removed_at) {
        let reason = package.removed_reason.clone().unwrap_or_default();
        return Ok(Some(Lost::Removed { sequence, at, reason }));
    }
    let at = match package.expires_at {
        Some(at) => Some(at),
        // A gc took objects of it since it had expired, so it had by then.
        None => package.expired_sequence.map(|sequence| events::time_of(tx, sequence)).transpose()?,
    };
    Ok(at.map(|at| Lost::Expired { class: package.class.clone(), at }))
}
