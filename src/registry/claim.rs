//! What bears on whether a package is wanted, put together from the views in one place: gc, `explain`, `retain`
//! and `restore` must not disagree.

use crate::env::Timestamp;
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
