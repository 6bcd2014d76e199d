//! The views `gc_runs` and `verify_runs`: what was done to the store as a whole.

use super::{Context, Refusal};
use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::events::{digest_column, instant, signed, unsigned};
use crate::identity::Blake3;

/// A gc round that began.
pub(super) struct GcRound {
    pub(super) plan: String,
    pub(super) round: u64,
    pub(super) rounds: u64,
    pub(super) reason: Option<String>,
    pub(super) count: u64,
    pub(super) bytes: u64,
}

/// A gc round that ended.
pub(super) struct GcEnd {
    pub(super) started: u64,
    pub(super) objects: u64,
    pub(super) bytes: u64,
    pub(super) missing: u64,
    pub(super) failed: u64,
    pub(super) duration_micros: u64,
}

/// A verify that ended.
pub(super) struct VerifyEnd {
    pub(super) head: u64,
    pub(super) mode: String,
    pub(super) first: Option<Blake3>,
    pub(super) last: Option<Blake3>,
    pub(super) objects: u64,
    pub(super) bytes: u64,
    pub(super) faults: u64,
}

/// A verify that read the bytes of a range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadingRun {
    /// The event that tells of it.
    pub(crate) sequence: u64,
    /// When it ended.
    pub(crate) completed_at: Timestamp,
    /// The head when it began.
    pub(crate) head_sequence: u64,
    /// The first key of its range.
    pub(crate) first: Blake3,
    /// The last one.
    pub(crate) last: Blake3,
    /// How many faults it found.
    pub(crate) faults: u64,
}

/// Returns up to `limit` verifies that read a range of keys and were recorded before an event, the last one first.
pub(crate) fn reading_runs(
    tx: &ReadTx<'_>,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<ReadingRun>, DbError> {
    let sql = "SELECT sequence, completed_at, head_sequence, first_key, last_key, faults FROM verify_runs
               WHERE mode <> 'quick' AND first_key IS NOT NULL AND last_key IS NOT NULL AND sequence < ?1
               ORDER BY sequence DESC LIMIT ?2";
    Ok(tx.all(sql, (before.map_or(i64::MAX, signed), limit), |row| {
        Ok(ReadingRun {
            sequence: unsigned(row, "sequence")?,
            completed_at: instant(row, "completed_at")?,
            head_sequence: unsigned(row, "head_sequence")?,
            first: digest_column(row, "first_key")?,
            last: digest_column(row, "last_key")?,
            faults: unsigned(row, "faults")?,
        })
    })?)
}

/// Returns the verifies of any kind that found faults, the last one first.
pub(crate) fn faulty_runs(tx: &ReadTx<'_>) -> Result<Vec<u64>, DbError> {
    let sql = "SELECT sequence FROM verify_runs WHERE faults > 0 ORDER BY sequence DESC";
    Ok(tx.all(sql, [], |row| unsigned(row, "sequence"))?)
}

/// A verify that found faults and is none of [`reading_runs`]: a quick one, or one of some packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherRun {
    /// The event that tells of it.
    pub(crate) sequence: u64,
    /// How many faults it found.
    pub(crate) faults: u64,
    /// Whether it is a quick one of the whole store.
    pub(crate) is_of_all: bool,
}

/// Returns the verifies that found faults and are quick or of some packages, the last one first.
pub(crate) fn other_faulty_runs(tx: &ReadTx<'_>) -> Result<Vec<OtherRun>, DbError> {
    let sql = "SELECT sequence, faults, first_key IS NOT NULL AS is_of_all FROM verify_runs
               WHERE faults > 0 AND (mode = 'quick' OR first_key IS NULL OR last_key IS NULL)
               ORDER BY sequence DESC";
    Ok(tx.all(sql, [], |row| {
        Ok(OtherRun {
            sequence: unsigned(row, "sequence")?,
            faults: unsigned(row, "faults")?,
            is_of_all: row.get("is_of_all")?,
        })
    })?)
}

/// Returns the last of the heads with which quick verifies of the whole store began.
pub(crate) fn last_head_of_quick(tx: &ReadTx<'_>) -> Result<Option<u64>, DbError> {
    let sql = "SELECT max(head_sequence) FROM verify_runs WHERE mode = 'quick' AND first_key IS NOT NULL";
    let head: Option<i64> = tx.one(sql, [], |row| row.get(0))?;
    Ok(head.map(|head| u64::try_from(head).unwrap_or(0)))
}

/// Returns the verifies of any kind that began after an event, and the head with which each did.
pub(crate) fn begun_after(tx: &ReadTx<'_>, sequence: u64) -> Result<Vec<(u64, u64)>, DbError> {
    let sql = "SELECT sequence, head_sequence FROM verify_runs WHERE sequence > ?1 AND head_sequence >= ?1";
    Ok(tx.all(sql, [signed(sequence)], |row| {
        Ok((unsigned(row, "sequence")?, unsigned(row, "head_sequence")?))
    })?)
}

/// Returns whether a verify that began after an event took both digests of a range that has this key.
pub(crate) fn is_read_with_both(tx: &ReadTx<'_>, key: &Blake3, sequence: u64) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM verify_runs WHERE sequence > ?2 AND head_sequence >= ?2
                                  AND mode = 'both' AND first_key <= ?1 AND last_key >= ?1)";
    Ok(tx.one(sql, (key.as_bytes(), signed(sequence)), |row| row.get(0))?)
}

/// Returns whether an event after this one took back that an object is stored: a gc, or a verify that found faults.
pub(crate) fn took_back_since(tx: &ReadTx<'_>, sequence: u64) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM gc_runs WHERE started_sequence > ?1)
                   OR EXISTS (SELECT 1 FROM verify_runs WHERE sequence > ?1 AND faults > 0)";
    Ok(tx.one(sql, [signed(sequence)], |row| row.get(0))?)
}

/// Returns the sequences of gc rounds that began and did not end.
pub(crate) fn unfinished_gc(tx: &ReadTx<'_>) -> Result<Vec<u64>, DbError> {
    let sql = "SELECT started_sequence FROM gc_runs WHERE completed_sequence IS NULL ORDER BY 1";
    Ok(tx.all(sql, [], |row| unsigned(row, "started_sequence"))?)
}

/// Returns whether every gc round began before an event, so that what was stored by then is not purged.
pub(super) fn purged_nothing_since(tx: &ReadTx<'_>, sequence: u64) -> Result<bool, DbError> {
    let sql = "SELECT coalesce(max(started_sequence), 0) < ?1 FROM gc_runs";
    Ok(tx.one(sql, [signed(sequence)], |row| row.get(0))?)
}

/// Returns the id of the gc of which an event began a round.
pub(crate) fn gc_id(tx: &ReadTx<'_>, started: u64) -> Result<String, DbError> {
    Ok(tx.one("SELECT gc_id FROM gc_runs WHERE started_sequence = ?1", [signed(started)], |row| row.get(0))?)
}

/// A gc round, as far as its events say it in their own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GcRow {
    /// The event that began it.
    pub(crate) started_sequence: u64,
    /// When.
    pub(crate) started_at: Timestamp,
    /// Who.
    pub(crate) actor: String,
    /// Why.
    pub(crate) reason: Option<String>,
    /// The plan's word.
    pub(crate) plan: String,
    /// The event that ended it.
    pub(crate) completed_sequence: Option<u64>,
    /// How many of its objects were missing already or could not be deleted.
    pub(crate) odd_objects: u64,
}

const GC_ROWS: &str = "SELECT started_sequence, started_at, actor, reason, plan, completed_sequence,
                              coalesce(missing_objects, 0) + coalesce(failed_objects, 0) AS odd_objects
                       FROM gc_runs";

fn read_gc(row: &rusqlite::Row<'_>) -> rusqlite::Result<GcRow> {
    let completed: Option<i64> = row.get("completed_sequence")?;
    Ok(GcRow {
        started_sequence: unsigned(row, "started_sequence")?,
        started_at: instant(row, "started_at")?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
        plan: row.get("plan")?,
        completed_sequence: completed.map(|sequence| u64::try_from(sequence).unwrap_or(0)),
        odd_objects: unsigned(row, "odd_objects")?,
    })
}

/// Returns the gc round that an event began.
pub(crate) fn gc_round(tx: &ReadTx<'_>, started: u64) -> Result<Option<GcRow>, DbError> {
    Ok(tx.maybe(&format!("{GC_ROWS} WHERE started_sequence = ?1"), [signed(started)], read_gc)?)
}

/// Returns the gc round that began last.
pub(crate) fn last_gc_round(tx: &ReadTx<'_>) -> Result<Option<GcRow>, DbError> {
    Ok(tx.maybe(&format!("{GC_ROWS} ORDER BY started_sequence DESC LIMIT 1"), [], read_gc)?)
}

/// Returns the event that last began a round of the plan of this name, and whether that round came to its end.
pub(crate) fn last_round_of(tx: &ReadTx<'_>, plan: &str) -> Result<Option<(u64, bool)>, DbError> {
    let sql = "SELECT started_sequence, completed_sequence IS NOT NULL AS ended FROM gc_runs WHERE plan = ?1
               ORDER BY started_sequence DESC LIMIT 1";
    Ok(tx.maybe(sql, [plan], |row| Ok((unsigned(row, "started_sequence")?, row.get("ended")?)))?)
}

/// What the gcs of one actor took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GcTotals {
    /// Who.
    pub(crate) actor: String,
    /// How many gcs, all rounds of one together.
    pub(crate) runs: u64,
    /// How many objects they purged.
    pub(crate) objects: u64,
    /// How many bytes came back.
    pub(crate) freed_bytes: u64,
}

/// Sums the gcs by who ran them.
pub(crate) fn gc_totals(tx: &ReadTx<'_>) -> Result<Vec<GcTotals>, DbError> {
    let sql = "SELECT actor, count(DISTINCT gc_id) AS runs, sum(planned_objects) AS objects,
                      coalesce(sum(freed_bytes), 0) AS freed_bytes
               FROM gc_runs GROUP BY actor ORDER BY actor";
    Ok(tx.all(sql, [], |row| {
        Ok(GcTotals {
            actor: row.get("actor")?,
            runs: unsigned(row, "runs")?,
            objects: unsigned(row, "objects")?,
            freed_bytes: unsigned(row, "freed_bytes")?,
        })
    })?)
}

/// Enters a gc round.
pub(super) fn gc_started(context: &Context<'_, '_>, round: &GcRound) -> Result<(), Refusal> {
    context.tx.execute(
        "INSERT INTO gc_runs (started_sequence, gc_id, plan, round, rounds, reason, actor, started_at,
                              planned_objects, planned_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        rusqlite::params![
            signed(context.sequence()),
            context.record.subject_id,
            round.plan,
            signed(round.round),
            signed(round.rounds),
            round.reason,
            context.record.actor,
            context.record.created_at.as_micros(),
            signed(round.count),
            signed(round.bytes),
        ],
    )?;
    Ok(())
}

/// Enters the end of a gc round.
pub(super) fn gc_completed(context: &Context<'_, '_>, end: &GcEnd) -> Result<(), Refusal> {
    let changed = context.tx.execute(
        "UPDATE gc_runs SET completed_sequence = ?2, completed_at = ?3, freed_objects = ?4, freed_bytes = ?5,
                missing_objects = ?6, failed_objects = ?7, duration = ?8
         WHERE started_sequence = ?1 AND completed_sequence IS NULL",
        (
            signed(end.started),
            signed(context.sequence()),
            context.record.created_at.as_micros(),
            signed(end.objects),
            signed(end.bytes),
            signed(end.missing),
            signed(end.failed),
            signed(end.duration_micros),
        ),
    )?;
    match changed {
        0 => Err(Refusal::Unmade(format!("no unfinished gc began with event {}", end.started))),
        _ => Ok(()),
    }
}

/// Enters a verify.
pub(super) fn verify_completed(context: &Context<'_, '_>, end: &VerifyEnd) -> Result<(), Refusal> {
    context.tx.execute(
        "INSERT INTO verify_runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        rusqlite::params![
            signed(context.sequence()),
            context.record.subject_id,
            end.mode,
            context.record.actor,
            context.record.created_at.as_micros(),
            signed(end.head),
            end.first.map(|key| *key.as_bytes()),
            end.last.map(|key| *key.as_bytes()),
            signed(end.objects),
            signed(end.bytes),
            signed(end.faults),
        ],
    )?;
    Ok(())
}
