//! The view `pins`.

use super::{Context, Refusal, objects, packages};
use crate::db::{DbError, ReadTx};
use crate::events::{PinTarget, signed};

/// Returns the names of the pins on a package.
pub(crate) fn on_package(tx: &ReadTx<'_>, package: i64) -> Result<Vec<String>, DbError> {
    Ok(tx.all("SELECT name FROM pins WHERE package = ?1 ORDER BY name", [package], |row| row.get(0))?)
}

/// What a pin keeps, by the surrogate key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// What a package reaches.
    Package(i64),
    /// One object.
    Object(i64),
}

/// A pin and what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PinnedTarget {
    /// The pin's name.
    pub(crate) name: String,
    /// What it keeps.
    pub(crate) target: Target,
}

/// Returns every pin by name.
pub(crate) fn targets(tx: &ReadTx<'_>) -> Result<Vec<PinnedTarget>, DbError> {
    Ok(tx.all("SELECT name, package, object FROM pins ORDER BY name", [], |row| {
        let package: Option<i64> = row.get("package")?;
        let target = match package {
            Some(package) => Target::Package(package),
            None => Target::Object(row.get("object")?),
        };
        Ok(PinnedTarget { name: row.get("name")?, target })
    })?)
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
