//! What several texts say in the same words: why, and since when a package is gone.

use astore::registry::report as r;

use super::escape;
use super::units::instant;

/// Returns a reason as the end of a line, or nothing where none was given.
pub(crate) fn why(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {}", escape::line(reason))).unwrap_or_default()
}

/// Says why and since when a package keeps nothing by itself.
pub(crate) fn lost(why: &r::Lost) -> String {
    match why {
        r::Lost::Removed { sequence, at, reason } => {
            format!("removed by event {sequence}, {}: {}", instant(*at), escape::line(reason))
        }
        r::Lost::Expired { class, at } => format!("expired {} ({})", instant(*at), escape::line(class)),
    }
}
