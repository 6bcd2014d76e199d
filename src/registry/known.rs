//! What the log says of an object, for the data plane: its threads ask while an add or a scan runs.

use std::sync::{Mutex, PoisonError};

use crate::cache::Stamp;
use crate::db::{Database, ReadTx};
use crate::events::{Bookkeeping, stored_digest};
use crate::identity::ContentAddress;
use crate::plane::{self, BoxError, Known};
use crate::views::{Standing, objects, runs};

/// Asks on a connection of its own, each time anew: what was recorded meanwhile is seen.
pub(super) struct KnownObjects(Mutex<Database>);

impl KnownObjects {
    /// Takes the connection.
    pub(super) const fn new(db: Database) -> Self {
        Self(Mutex::new(db))
    }

    fn ask<T>(&self, ask: impl FnOnce(&ReadTx<'_>) -> Result<T, BoxError>) -> Result<T, BoxError> {
        let db = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ask(&db.read()?)
    }
}

impl Known for KnownObjects {
    fn standing(&self, address: &ContentAddress) -> Result<plane::Standing, BoxError> {
        let db = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One statement: a transaction around it would cost more than the lookup.
        standing(&db.read_single_statements(), address)
    }

    fn standings(&self, addresses: &[ContentAddress]) -> Result<Vec<plane::Standing>, BoxError> {
        self.ask(|tx| addresses.iter().map(|address| standing(tx, address)).collect())
    }

    fn vouches_for(&self, stamp: &Stamp) -> Result<bool, BoxError> {
        self.ask(|tx| still_stands(tx, stamp))
    }
}

fn standing(tx: &ReadTx<'_>, address: &ContentAddress) -> Result<plane::Standing, BoxError> {
    Ok(match objects::standing(tx, &address.digest())? {
        Standing::Unknown => plane::Standing::Unknown,
        Standing::Stored => plane::Standing::Stored,
        Standing::Purged => plane::Standing::Purged,
        Standing::Damaged => plane::Standing::Damaged,
    })
}

/// Returns whether all that was stored by an event still is, by the log alone.
///
/// The event must be in this log, digest and all: a log that was taken back to an older state, another store's, or one
/// that went on differently after both were copied, has none or another one of that number. And no event since the run
/// began may have taken anything back: only a gc and a verify that found faults do. What is unknown to this build might
/// have, so where anything was skipped nothing is vouched for.
fn still_stands(tx: &ReadTx<'_>, stamp: &Stamp) -> Result<bool, BoxError> {
    Ok(stored_digest(tx, stamp.sequence)? == Some(stamp.digest)
        && Bookkeeping::load(tx)?.skipped == 0
        && !runs::took_back_since(tx, stamp.since)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::OpenMode;
    use crate::env::{Env, Timestamp};
    use crate::events::head;
    use crate::identity::Blake3;
    use crate::registry::Registry;
    use crate::registry::report::InitRequest;
    use crate::storage::layout;

    #[test]
    fn vouches_while_nothing_was_taken_back_and_for_no_other_log() {
        let place = tempfile::tempdir().unwrap();
        let root = layout::within(place.path(), "store".as_ref());
        let env = Env::fixed("tester@here", Timestamp::from_micros(1_790_000_000_000_000), 1);
        Registry::init(&root, &InitRequest::default(), &env).unwrap();
        let db = Database::open(&layout::within(&root, layout::DATABASE.as_ref()), OpenMode::Write).unwrap();
        let head = head(&db.read().unwrap()).unwrap();
        let stamp = Stamp { since: head.sequence, sequence: head.sequence, digest: head.digest };
        // Each statement is rolled back again.
        let after = |sql: &str, stamp: Stamp| {
            let tx = db.write().unwrap();
            tx.execute_batch(sql).unwrap();
            still_stands(&tx, &stamp).unwrap()
        };
        assert!(after("", stamp));
        assert!(!after("", Stamp { sequence: stamp.sequence + 1, ..stamp }), "not there");
        assert!(!after("", Stamp { digest: Blake3::of(b"another"), ..stamp }), "another one");
        let gc = |sequence: u64| {
            format!(
                "INSERT INTO gc_runs VALUES ({sequence}, 'id', 'plan', 1, 1, NULL, 'me', 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
            )
        };
        let verify = |sequence: u64, faults: u64| {
            format!(
                "INSERT INTO verify_runs VALUES ({sequence}, 'id', 'full', 'me', 1, 1, NULL, NULL, 1, 1, {faults})"
            )
        };
        let (now, next) = (stamp.since, stamp.since + 1);
        assert!(after(&gc(now), stamp) && after(&verify(now, 1), stamp), "before it was asked");
        assert!(!after(&gc(next), stamp), "a gc, ended or not");
        assert!(!after(&verify(next, 1), stamp), "faults");
        assert!(after(&verify(next, 0), stamp), "no faults");
        let skipped = "INSERT OR REPLACE INTO bookkeeping VALUES ('skipped', 1)";
        assert!(!after(skipped, stamp), "what this build does not know");
    }
}
