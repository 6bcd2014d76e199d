//! The view `pins`.

use rusqlite::Row;

use super::{Context, Refusal, objects, packages};
use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::events::{PinTarget, instant, signed, unsigned};

/// A row of `pins`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PinRecord {
    /// Its name.
    pub(crate) name: String,
    /// What it keeps.
    pub(crate) target: Target,
    /// Why.
    pub(crate) reason: Option<String>,
    /// When it was set.
    pub(crate) created_at: Timestamp,
    /// Who set it.
    pub(crate) actor: String,
    /// The event that set it.
    pub(crate) added_sequence: u64,
}

/// What a pin keeps, by the surrogate key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// What a package reaches.
    Package(i64),
    /// One object.
    Object(i64),
}

const SELECT: &str = "SELECT name, package, object, reason, created_at, actor, added_sequence FROM pins";

fn read(row: &Row<'_>) -> rusqlite::Result<PinRecord> {
    Ok(PinRecord {
        name: row.get("name")?,
        target: match row.get("package")? {
            Some(package) => Target::Package(package),
            None => Target::Object(row.get("object")?),
        },
        reason: row.get("reason")?,
        created_at: instant(row, "created_at")?,
        actor: row.get("actor")?,
        added_sequence: unsigned(row, "added_sequence")?,
    })
}

/// Returns every pin, by name.
pub(crate) fn all(tx: &ReadTx<'_>) -> Result<Vec<PinRecord>, DbError> {
    Ok(tx.all(&format!("{SELECT} ORDER BY name"), [], read)?)
}

/// Returns the pin of this name.
pub(crate) fn by_name(tx: &ReadTx<'_>, name: &str) -> Result<Option<PinRecord>, DbError> {
    Ok(tx.maybe(&format!("{SELECT} WHERE name = ?1"), [name], read)?)
}

/// Returns the pins on a package, by name.
pub(crate) fn on_package(tx: &ReadTx<'_>, package: i64) -> Result<Vec<PinRecord>, DbError> {
    Ok(tx.all(&format!("{SELECT} WHERE package = ?1 ORDER BY name"), [package], read)?)
}

/// Returns the pins on an object itself, by name.
pub(crate) fn on_object(tx: &ReadTx<'_>, object: i64) -> Result<Vec<PinRecord>, DbError> {
    Ok(tx.all(&format!("{SELECT} WHERE object = ?1 ORDER BY name"), [object], read)?)
}

/// Returns the pins on a package and on objects of its tree, by name.
pub(crate) fn touching(tx: &ReadTx<'_>, package: i64, tree: i64) -> Result<Vec<PinRecord>, DbError> {
    let sql = format!(
        "{SELECT} WHERE package = ?1
         UNION ALL
         {SELECT} WHERE object IS NOT NULL AND EXISTS (
             SELECT 1 FROM artifact_files WHERE artifact_files.object = pins.object AND tree = ?2)
         ORDER BY name"
    );
    Ok(tx.all(&sql, (package, tree), read)?)
}

/// Sets a pin.
pub(super) fn add(
    context: &Context<'_, '_>,
    name: &str,
    target: PinTarget,
    reason: Option<&str>,
) -> Result<(), Refusal> {
    let (package, object) = match target {
        PinTarget::Package(id) => {
            let package = packages::by_id(context.tx, &id).map_err(super::ViewError::from)?;
            (Some(package.ok_or_else(|| Refusal::Unmade(format!("there is no package {id}")))?.number), None)
        }
        PinTarget::Object(address) => {
            let object = objects::find(context.tx, &address)?;
            let unmade = || Refusal::Unmade(format!("blake3:{address} was never stored"));
            (None, Some(object.ok_or_else(unmade)?.number))
        }
    };
    let taken = context.tx.maybe("SELECT 1 FROM pins WHERE name = ?1", [name], |_| Ok(()))?.is_some();
    if taken {
        return Err(context.impossible(format!("the pin {name:?} is there already")));
    }
    context.tx.execute(
        "INSERT INTO pins VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            name,
            package,
            object,
            reason,
            context.record.created_at.as_micros(),
            &context.record.actor,
            signed(context.sequence()),
        ),
    )?;
    Ok(())
}

/// Takes a pin away: what it kept is let go.
pub(super) fn remove(context: &Context<'_, '_>, name: &str) -> Result<(), Refusal> {
    let sql = "DELETE FROM pins WHERE name = ?1 RETURNING package, object";
    let target: Option<(Option<i64>, Option<i64>)> =
        context.tx.maybe(sql, [name], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (package, object) = target.ok_or_else(|| Refusal::Unmade(format!("there is no pin {name:?}")))?;
    if let Some(package) = package {
        packages::let_go(context, package)?;
    }
    if let Some(object) = object {
        objects::let_go(context, object)?;
    }
    Ok(())
}
