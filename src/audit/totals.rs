//! All that was ever purged, by whom and when last: what `gc_runs` sums up.

use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::views::runs;

/// All that was ever purged, in sums. What was purged, stored again and purged once more counts twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purges {
    /// How many gcs there were; the rounds of one count together.
    pub runs: u64,
    /// How many objects they purged.
    pub objects: u64,
    /// How many bytes came back, by what the finished ones say.
    pub freed_bytes: u64,
    /// The same by who ran them, in the order of their names.
    pub actors: Vec<PurgesOfActor>,
    /// The last one.
    pub last: Option<LastPurge>,
}

/// What one actor purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgesOfActor {
    /// Who.
    pub actor: String,
    /// How many gcs.
    pub runs: u64,
    /// How many objects.
    pub objects: u64,
    /// How many bytes came back.
    pub freed_bytes: u64,
}

/// The gc that began last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastPurge {
    /// The event that began it, or the last round of it.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// The reason that was given.
    pub reason: Option<String>,
}

/// Sums all that was ever purged.
///
/// # Errors
/// [`DbError::Sqlite`] where the database cannot be read.
pub fn purges(tx: &ReadTx<'_>) -> Result<Purges, DbError> {
    let actors: Vec<PurgesOfActor> = runs::gc_totals(tx)?
        .into_iter()
        .map(|runs::GcTotals { actor, runs, objects, freed_bytes }| PurgesOfActor {
            actor,
            runs,
            objects,
            freed_bytes,
        })
        .collect();
    let sum = |of: fn(&PurgesOfActor) -> u64| actors.iter().map(of).sum();
    Ok(Purges {
        runs: sum(|actor| actor.runs),
        objects: sum(|actor| actor.objects),
        freed_bytes: sum(|actor| actor.freed_bytes),
        last: runs::last_gc_round(tx)?.map(|run| LastPurge {
            sequence: run.started_sequence,
            at: run.started_at,
            actor: run.actor,
            reason: run.reason,
        }),
        actors,
    })
}
