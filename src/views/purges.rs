//! What a round of a gc does to the views `objects`, `storage_locations` and `leftovers`.

use super::{Context, Refusal};
use crate::events::{Items, PurgedObject, signed};
use crate::retention::Reason;

/// A round, as far as the view of the runs keeps it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Purged {
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

const FIND: &str =
    "SELECT object FROM objects WHERE substr(digest_primary, 1, 8) = ?1 AND digest_primary = ?2";
const PURGE: &str = "UPDATE objects SET purged_sequence = ?2, damaged_sequence = NULL WHERE object = ?1";
const WITHDRAW: &str = "DELETE FROM storage_locations WHERE object = ?1";

/// Marks objects as purged by this event. A file that no event had named has no row of `objects`, and gets one of
/// `leftovers`.
///
/// The event names them by address, and the rows lie in the order of their numbers. So all are found first, and changed
/// in that order: pages are then written one after the other, and each of them once.
pub(super) fn purge(context: &Context<'_, '_>, objects: &Items<'_, PurgedObject>) -> Result<Purged, Refusal> {
    let mut purged = Purged::default();
    let mut numbers: Vec<i64> = Vec::new();
    let mut find = context.tx.prepare(FIND)?;
    objects.each(|object| -> Result<(), Refusal> {
        purged.objects += 1;
        purged.bytes += object.size_bytes;
        let address = object.address.as_bytes();
        let mut found = find.query((&address[..8], address))?;
        match found.next()? {
            Some(row) => numbers.push(row.get(0)?),
            None => leave_over(context, &object)?,
        }
        Ok(())
    })?;
    numbers.sort_unstable();
    let sequence = signed(context.sequence());
    let mut purge = context.tx.prepare(PURGE)?;
    for number in &numbers {
        purge.execute((number, sequence))?;
    }
    let mut withdraw = context.tx.prepare(WITHDRAW)?;
    for number in &numbers {
        withdraw.execute([number])?;
    }
    Ok(purged)
}

fn leave_over(context: &Context<'_, '_>, object: &PurgedObject) -> Result<(), Refusal> {
    if object.why != Reason::Unrecorded.name() {
        return Err(Refusal::Unmade(format!("blake3:{} was never stored", object.address)));
    }
    context.tx.execute(
        "INSERT OR REPLACE INTO leftovers VALUES (?1, ?2, ?3)",
        (object.address.as_bytes(), signed(object.size_bytes), signed(context.sequence())),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;
    use crate::views::ViewWriter;

    #[test]
    fn purging_finds_its_rows_by_an_index() {
        let database = Database::temporary().unwrap();
        let tx = database.write().unwrap();
        ViewWriter::new(&tx, 0).reset().unwrap();
        let check = |sql: &str, parameters: usize, index: &str| {
            let given = rusqlite::params_from_iter(std::iter::repeat_n(1, parameters));
            let steps =
                tx.all(&format!("EXPLAIN QUERY PLAN {sql}"), given, |row| row.get::<_, String>("detail"));
            let steps = steps.unwrap();
            assert!(!steps.is_empty());
            assert!(steps.iter().all(|step| step.contains(index)), "{sql}: {steps:?}");
        };
        check(FIND, 2, "USING INDEX objects_by_primary");
        check(PURGE, 2, "USING INTEGER PRIMARY KEY");
        check(WITHDRAW, 1, "USING PRIMARY KEY");
    }
}
