//! What bears on whether a package is wanted, put together from the views in one place: gc, `explain`, `retain`
//! and `restore` must not disagree.

use crate::retention::{Claim, Expiry};
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
