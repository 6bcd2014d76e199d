//! What bears on whether a package is wanted, put together from the views in one place: gc, `explain`, `retain`
//! and `restore` must not disagree.

use crate::retention::{Claim, Expiry};
use crate::views::PackageRow;

/// Puts together what bears on a package; `pinned` says whether a pin stands on it.
#[expect(dead_code, reason = "the refusals of `pin` and `retain` are the first to ask")]
pub(super) fn claim(package: &PackageRow, pinned: bool) -> Claim {
    Claim {
        finalized: package.finalized,
        removed: package.removed_at.is_some(),
        expiry: package.expires_at.map_or(Expiry::Never, Expiry::At),
        kept: pinned || package.hold,
    }
}
