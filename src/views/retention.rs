//! The views `retention_classes` and `retention_state`.

use uuid::Uuid;

use super::{Context, Refusal, packages};
use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::events::signed;
use crate::retention::expires_at;

/// Returns the retention classes by name: name and duration in seconds.
pub(crate) fn classes(tx: &ReadTx<'_>) -> Result<Vec<(String, Option<u64>)>, DbError> {
    Ok(tx.all("SELECT name, duration_seconds FROM retention_classes ORDER BY name", [], |row| {
        let duration: Option<i64> = row.get(1)?;
        Ok((row.get(0)?, duration.map(|seconds| u64::try_from(seconds).unwrap_or(0))))
    })?)
}

/// Enters the classes that a store begins with.
pub(super) fn seed(context: &Context<'_, '_>, classes: &[(String, Option<u64>)]) -> Result<(), Refusal> {
    for (name, duration) in classes {
        context.tx.execute("INSERT INTO retention_classes VALUES (?1, ?2)", (name, duration.map(signed)))?;
    }
    Ok(())
}

fn check_class(context: &Context<'_, '_>, class: &str) -> Result<(), Refusal> {
    let known =
        context.tx.maybe("SELECT 1 FROM retention_classes WHERE name = ?1", [class], |_| Ok(()))?.is_some();
    if known { Ok(()) } else { Err(Refusal::Unmade(format!("there is no retention class {class:?}"))) }
}

/// Begins the retention of a new package. It expires never before it is finalised.
pub(super) fn begin(context: &Context<'_, '_>, package: i64, class: &str) -> Result<(), Refusal> {
    check_class(context, class)?;
    context.tx.execute(
        "INSERT INTO retention_state VALUES (?1, ?2, NULL, 0, NULL, ?3, NULL)",
        (package, class, signed(context.sequence())),
    )?;
    Ok(())
}

/// Starts the clock of a finalised package, unless its expiry was set before.
pub(super) fn finalized(
    context: &Context<'_, '_>,
    package: i64,
    duration_seconds: Option<u64>,
) -> Result<(), Refusal> {
    let expires_at = expires_at(context.record.created_at, duration_seconds).map(Timestamp::as_micros);
    context.tx.execute(
        "UPDATE retention_state SET expires_at = ?2, changed_sequence = ?3
         WHERE package = ?1 AND expires_at IS NULL",
        (package, expires_at, signed(context.sequence())),
    )?;
    Ok(())
}

/// Notes that this gc takes objects of a package because it has expired.
pub(super) fn expire(context: &Context<'_, '_>, id: &Uuid) -> Result<(), Refusal> {
    let package = packages::by_id(context.tx, id).map_err(super::ViewError::from)?;
    let package = package.ok_or_else(|| Refusal::Unmade(format!("there is no package {id}")))?;
    context.tx.execute(
        "UPDATE retention_state SET expired_sequence = ?2 WHERE package = ?1",
        (package.number, signed(context.sequence())),
    )?;
    Ok(())
}

/// Changes how long a package is wanted.
pub(super) fn change(
    context: &Context<'_, '_>,
    class: Option<&str>,
    expires_at: Option<Option<Timestamp>>,
    hold: Option<bool>,
    reason: &str,
) -> Result<(), Refusal> {
    let package = packages::subject(context)?.number;
    let sequence = signed(context.sequence());
    if let Some(class) = class {
        check_class(context, class)?;
        context.tx.execute("UPDATE retention_state SET class = ?2 WHERE package = ?1", (package, class))?;
    }
    if let Some(expires_at) = expires_at {
        context.tx.execute(
            "UPDATE retention_state SET expires_at = ?2, expired_sequence = NULL WHERE package = ?1",
            (package, expires_at.map(Timestamp::as_micros)),
        )?;
    }
    if let Some(hold) = hold {
        context.tx.execute(
            "UPDATE retention_state SET hold = ?2, hold_reason = ?3 WHERE package = ?1",
            (package, hold, hold.then_some(reason)),
        )?;
    }
    for table in ["retention_state", "artifact_packages"] {
        let sql = format!("UPDATE {table} SET changed_sequence = ?2 WHERE package = ?1");
        context.tx.execute(&sql, (package, sequence))?;
    }
    Ok(())
}
