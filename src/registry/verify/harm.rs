//! Which packages and paths a fault harms.

use std::collections::BTreeMap;

use super::super::Registry;
use super::super::report::{Fault, Harm};
use super::super::resolve::reference;
use super::fault::sequence_of;
use crate::db::{DbError, ReadTx};
use crate::error::Error;
use crate::events::{self, Stored};
use crate::manifest::EntryPath;
use crate::views::{ObjectRecord, PackageRow, Value, browse, objects, packages};

/// How many paths one fault names. An empty file can stand under a million of them.
const HARMS_MAX: u32 = 1000;

impl Registry {
    /// Returns what suffers where an object's bytes are not to be had, and whether there is more of it. `log` has
    /// the events; `tx` has the views, which may be another database's.
    pub(super) fn harms_of_object(
        &self,
        log: &ReadTx<'_>,
        tx: &ReadTx<'_>,
        object: &ObjectRecord,
    ) -> Result<(Vec<Harm>, bool), Error> {
        let mut harms = Vec::new();
        for package in browse::with_manifest(tx, &object.digests.blake3)? {
            harms.push(whole(&package));
        }
        if let Some(event) =
            object.payload_sequence.map(|sequence| events::event(log, sequence)).transpose()?.flatten()
        {
            harms.extend(package_of(tx, &event)?.filter(|harm| !harms.contains(harm)));
        }
        let mut uses = objects::uses(tx, object.number, HARMS_MAX + 1)?;
        let more = uses.len() > HARMS_MAX as usize;
        uses.truncate(HARMS_MAX as usize);
        harms.extend(uses.into_iter().map(|found| Harm {
            package: format!("{}@{}", found.name, found.version),
            path: EntryPath::new(found.path).ok(),
        }));
        Ok((harms, more))
    }

    /// Names the package that a broken or missing event is about, from the row or from its copy in `log/`.
    pub(super) fn find_harm_of_event(
        &self,
        tx: &ReadTx<'_>,
        fault: &mut Fault,
        copies: &BTreeMap<u64, Stored>,
    ) -> Result<(), Error> {
        let Some(sequence) = sequence_of(fault) else { return Ok(()) };
        let event = match copies.get(&sequence) {
            Some(copy) => Some(copy.clone()),
            None => events::event(tx, sequence)?,
        };
        if let Some(event) = event {
            fault.harms.extend(package_of(tx, &event)?);
        }
        Ok(())
    }

    /// Names what a row of a view is about. `tx` has the views as replay makes them.
    pub(super) fn harms_of_row(
        &self,
        log: &ReadTx<'_>,
        tx: &ReadTx<'_>,
        table: &str,
        key: &[Value],
    ) -> Result<Vec<Harm>, Error> {
        match (table, key) {
            ("artifact_files", [Value::Integer(tree), Value::Blob(path)]) => {
                let path = EntryPath::new(path.clone()).ok();
                let packages = browse::of_tree(tx, *tree, HARMS_MAX)?;
                Ok(packages.iter().map(|package| Harm { path: path.clone(), ..whole(package) }).collect())
            }
            ("artifact_packages" | "retention_state", [Value::Integer(package)]) => {
                Ok(packages::by_number(tx, *package)?.iter().map(whole).collect())
            }
            ("objects" | "storage_locations", [Value::Integer(object), ..]) => {
                let found = objects::by_number(tx, *object)?;
                Ok(found
                    .map(|object| self.harms_of_object(log, tx, &object))
                    .transpose()?
                    .unwrap_or_default()
                    .0)
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn whole(package: &PackageRow) -> Harm {
    Harm { package: reference(package), path: None }
}

/// Returns the package that an event is about, if it is about one.
fn package_of(tx: &ReadTx<'_>, event: &Stored) -> Result<Option<Harm>, DbError> {
    let record = &event.record;
    if record.subject_kind != "package" {
        return Ok(None);
    }
    Ok(packages::by_subject(tx, &record.subject_id)?.as_ref().map(whole))
}
