//! REF: which package, and which object, a person means.
//!
//! A reference is tried as a name, as `name@version`, as an id, and as the beginning of one, in that order; the
//! first form that names something decides. What a bare name means depends on what is to be done with it.

use super::Registry;
use super::report::Reference;
use crate::db::{DbError, ReadTx};
use crate::error::Error;
use crate::identity::{AddressPrefix, Algorithm, Blake3, ContentAddress};
use crate::manifest::PackageName;
use crate::views::browse::{self, Pick};
use crate::views::{Leftover, ObjectRecord, PackageRow, objects, packages};

/// The fewest digits of an id that count as its beginning.
const ID_DIGITS_MIN: usize = 8;

/// How many packages or objects an ambiguous reference lists.
const CANDIDATES_MAX: u32 = 16;

/// What is to be done with the package: it decides what a bare name means, and what will not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Look at it: the newest finalised version that is not removed, else the newest open one.
    Look,
    /// Add to it or finalise it: the newest open one.
    Extend,
    /// Bring it back: the newest removed one.
    Restore,
    /// Take it away: the only one there is.
    Remove,
}

impl Registry {
    /// Finds the package that is to be looked at.
    pub(super) fn resolve(&self, tx: &ReadTx<'_>, reference: &Reference) -> Result<PackageRow, Error> {
        resolve(tx, &reference.0, Purpose::Look)
    }

    /// Finds the open package that is to be added to or finalised.
    pub(super) fn resolve_open(&self, tx: &ReadTx<'_>, reference: &Reference) -> Result<PackageRow, Error> {
        resolve(tx, &reference.0, Purpose::Extend)
    }

    /// Finds the removed package that is to be brought back.
    pub(super) fn resolve_to_restore(
        &self,
        tx: &ReadTx<'_>,
        reference: &Reference,
    ) -> Result<PackageRow, Error> {
        resolve(tx, &reference.0, Purpose::Restore)
    }

    /// Finds the package that is to be taken away. A bare name of several versions is ambiguous.
    pub(super) fn resolve_to_remove(
        &self,
        tx: &ReadTx<'_>,
        reference: &Reference,
    ) -> Result<PackageRow, Error> {
        resolve(tx, &reference.0, Purpose::Remove)
    }

    /// Finds the object that an address or the beginning of one names.
    pub(super) fn resolve_object(
        &self,
        tx: &ReadTx<'_>,
        prefix: &AddressPrefix,
    ) -> Result<ObjectRecord, Error> {
        match find_object(tx, prefix)? {
            Some(Named::Object(object)) => Ok(object),
            Some(Named::Leftover(leftover)) => {
                Err(self.purged(tx, &leftover.address, leftover.purged_sequence)?)
            }
            None => Err(Error::NoSuchObject { address: prefix.to_string() }),
        }
    }
}

/// What an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Something that an event stored.
    Object(ObjectRecord),
    /// A file that no event had named before a gc purged it, and none has stored since.
    Leftover(Leftover),
}

impl Named {
    /// Returns its primary digest.
    pub(super) const fn address(&self) -> Blake3 {
        match self {
            Self::Object(object) => object.digests.blake3,
            Self::Leftover(leftover) => leftover.address,
        }
    }
}

/// Finds what the log calls by a primary digest.
pub(super) fn named(tx: &ReadTx<'_>, address: &Blake3) -> Result<Option<Named>, DbError> {
    match objects::find(tx, address)? {
        Some(object) => Ok(Some(Named::Object(object))),
        None => Ok(objects::leftover(tx, address)?.map(Named::Leftover)),
    }
}

/// Finds the only thing that an address or the beginning of one names.
pub(super) fn find_object(tx: &ReadTx<'_>, prefix: &AddressPrefix) -> Result<Option<Named>, Error> {
    if prefix.is_whole() && prefix.algorithm() == Algorithm::Blake3 {
        return Ok(named(tx, &Blake3::from_bytes(prefix.bounds().0))?);
    }
    let mut found: Vec<Named> =
        objects::by_prefix(tx, prefix, CANDIDATES_MAX)?.into_iter().map(Named::Object).collect();
    for leftover in objects::leftovers_by_prefix(tx, prefix, CANDIDATES_MAX)? {
        // What was stored since has a row of its own, and that one counts.
        if objects::find(tx, &leftover.address).map_err(DbError::from)?.is_none() {
            found.push(Named::Leftover(leftover));
        }
    }
    if found.len() > 1 {
        return Err(Error::AmbiguousObject {
            prefix: prefix.to_string(),
            candidates: found.iter().map(|named| ContentAddress::new(named.address())).collect(),
        });
    }
    Ok(found.pop())
}

fn resolve(tx: &ReadTx<'_>, text: &str, purpose: Purpose) -> Result<PackageRow, Error> {
    if let Ok(name) = text.parse::<PackageName>()
        && let Some(newest) = browse::newest(tx, name.as_str(), Pick::Any)?
    {
        return bare_name(tx, newest, purpose);
    }
    let found = match text.split_once('@').and_then(|(name, digits)| Some((name, version(digits)?))) {
        Some((name, version)) => packages::by_version(tx, name, version)?,
        None => match id_prefix(text) {
            Some(prefix) => by_id(tx, text, &prefix)?,
            None => None,
        },
    };
    let package = found.ok_or_else(|| Error::NoSuchPackage { reference: text.to_owned() })?;
    match unfit(&package, purpose) {
        Some(state) => Err(Error::WrongState { reference: reference(&package), state }),
        None => Ok(package),
    }
}

/// Decides which version of a name is meant, given the newest of all.
fn bare_name(tx: &ReadTx<'_>, newest: PackageRow, purpose: Purpose) -> Result<PackageRow, Error> {
    let name = newest.name.as_str();
    let found = match purpose {
        Purpose::Look => match browse::newest(tx, name, Pick::Finalized)? {
            Some(package) => Some(package),
            None => browse::newest(tx, name, Pick::Open)?,
        },
        Purpose::Extend => browse::newest(tx, name, Pick::Open)?,
        Purpose::Restore => browse::newest(tx, name, Pick::Removed)?,
        Purpose::Remove => {
            let mut present = browse::present_versions(tx, name, CANDIDATES_MAX + 1)?;
            if present.len() > 1 {
                return Err(ambiguous(name, &present));
            }
            present.pop()
        }
    };
    if let Some(package) = found {
        return Ok(package);
    }
    // Of what there is, the newest tells best why none will do.
    let present = browse::present_versions(tx, name, 1)?.pop();
    let package = present.as_ref().unwrap_or(&newest);
    match unfit(package, purpose) {
        Some(state) => Err(Error::WrongState { reference: reference(package), state }),
        None => Err(Error::AllRemoved { name: name.to_owned(), newest: reference(package) }),
    }
}

/// Says why a package will not do, if it will not.
fn unfit(package: &PackageRow, purpose: Purpose) -> Option<&'static str> {
    match (purpose, package.removed_at.is_some(), package.finalized) {
        (Purpose::Look, _, _)
        | (Purpose::Extend, false, false)
        | (Purpose::Restore, true, _)
        | (Purpose::Remove, false, _) => None,
        (Purpose::Extend, true, _) => Some("removed"),
        (Purpose::Extend, false, true) => Some("finalized already"),
        (Purpose::Restore, false, _) => Some("not removed"),
        (Purpose::Remove, true, _) => Some("removed already"),
    }
}

fn by_id(tx: &ReadTx<'_>, text: &str, prefix: &str) -> Result<Option<PackageRow>, Error> {
    let mut found = packages::by_id_prefix(tx, prefix, CANDIDATES_MAX + 1)?;
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(ambiguous(text, &found)),
    }
}

fn ambiguous(text: &str, found: &[PackageRow]) -> Error {
    let shown = usize::try_from(CANDIDATES_MAX).unwrap_or(usize::MAX);
    let mut candidates: Vec<String> = found.iter().take(shown).map(reference).collect();
    if found.len() > shown {
        candidates.push("and more".to_owned());
    }
    Error::Ambiguous { reference: text.to_owned(), candidates }
}

pub(super) fn reference(package: &PackageRow) -> String {
    format!("{}@{}", package.name, package.version)
}

/// Reads a version in its one spelling: digits without a sign or leading zeros.
pub(super) fn version(digits: &str) -> Option<u64> {
    let version: u64 = digits.parse().ok()?;
    (version.to_string() == digits).then_some(version)
}

/// Returns the canonical spelling of an id, or of its beginning, as far as it was typed: lower case, hyphens in
/// their places whether they were typed or not.
pub(super) fn id_prefix(text: &str) -> Option<String> {
    let typed = text.to_ascii_lowercase();
    let digits: String = typed.chars().filter(|&character| character != '-').collect();
    if !(ID_DIGITS_MIN..=32).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        return None;
    }
    let mut canonical = String::with_capacity(36);
    for (at, digit) in digits.char_indices() {
        if matches!(at, 8 | 12 | 16 | 20) {
            canonical.push('-');
        }
        canonical.push(digit);
    }
    let spelled_so = typed == digits || canonical.starts_with(typed.strip_suffix('-').unwrap_or(&typed));
    spelled_so.then_some(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;
    use crate::error::ErrorKind;
    use crate::views::ViewWriter;

    /// A database of packages: id, name, version, and a letter for the state: o(pen), f(inalised), r(emoved).
    fn database(rows: &[(&str, &str, u64, char)]) -> Database {
        let database = Database::temporary().unwrap();
        let tx = database.write().unwrap();
        ViewWriter::new(&tx, 0).reset().unwrap();
        for (at, (id, name, version, state)) in rows.iter().enumerate() {
            let status = if *state == 'o' { "open" } else { "finalized" };
            let removed = if *state == 'r' { "1" } else { "NULL" };
            tx.execute_batch(&format!(
                "INSERT INTO artifact_packages (package, package_id, name, version, status, tree, created_at,
                     created_by, created_sequence, changed_sequence, removed_at, entries, files, bytes, objects,
                     object_bytes, backend_id, metadata, provenance)
                 VALUES ({n}, '{id}', '{name}', {version}, '{status}', {n}, 0, 'x', 1, 1, {removed}, 0, 0, 0, 0,
                     0, 'local', x'a0', x'a0');
                 INSERT INTO retention_state VALUES ({n}, 'permanent-record', NULL, 0, NULL, 1, NULL);",
                n = at + 1
            ))
            .unwrap();
        }
        tx.commit().unwrap();
        database
    }

    const A: &str = "01890000-0000-7000-8000-000000000001";
    const B: &str = "01890000-0000-7000-8000-000000000002";
    const C: &str = "0189ffff-0000-7000-8000-000000000003";
    const D: &str = "0189eeee-0000-7000-8000-000000000004";

    fn check(rows: &[(&str, &str, u64, char)], text: &str, purpose: Purpose, expected: Result<&str, &str>) {
        let database = database(rows);
        let found = resolve(&database.read().unwrap(), text, purpose);
        let found = found.map(|package| reference(&package)).map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text} {purpose:?}");
    }

    #[test]
    fn a_bare_name_means_what_the_purpose_needs() {
        let rows = [(A, "app", 1, 'f'), (B, "app", 2, 'f'), (C, "app", 3, 'r'), (D, "app", 4, 'o')];
        check(&rows, "app", Purpose::Look, Ok("app@2"));
        check(&rows, "app", Purpose::Extend, Ok("app@4"));
        check(&rows, "app", Purpose::Restore, Ok("app@3"));
        check(&rows, "app", Purpose::Remove, Err("\"app\" means several packages: app@4, app@2, app@1"));
        check(&rows[..1], "app", Purpose::Remove, Ok("app@1"));
        check(&rows[3..], "app", Purpose::Look, Ok("app@4"));
    }

    #[test]
    fn what_will_not_do_is_named() {
        let rows = [(A, "app", 1, 'f'), (C, "gone", 3, 'r'), (D, "open", 4, 'o')];
        check(&rows, "app", Purpose::Extend, Err("app@1 is finalized already"));
        check(&rows, "app@1", Purpose::Extend, Err("app@1 is finalized already"));
        check(&rows, "gone@3", Purpose::Extend, Err("gone@3 is removed"));
        check(&rows, "app", Purpose::Restore, Err("app@1 is not removed"));
        check(&rows, "gone", Purpose::Remove, Err("gone@3 is removed already"));
        check(&rows, "gone", Purpose::Look, Err("every version of gone is removed, gone@3 the last"));
        check(&rows, "gone@3", Purpose::Look, Ok("gone@3"));
    }

    #[test]
    fn the_forms_are_tried_in_their_order() {
        // A package is named like the beginning of the id of another.
        let rows = [(A, "0189eeee", 1, 'f'), (B, "b", 2, 'f'), (C, "c", 3, 'f'), (D, "d", 4, 'o')];
        check(&rows, "0189eeee", Purpose::Look, Ok("0189eeee@1"));
        check(&rows, "0189eeee-", Purpose::Look, Ok("d@4"));
        check(&rows, "0189eeee0", Purpose::Look, Ok("d@4"));
        check(&rows, "0189EEEE00007000", Purpose::Look, Ok("d@4"));
        check(&rows, D, Purpose::Look, Ok("d@4"));
        check(&rows, "b@2", Purpose::Look, Ok("b@2"));
        check(&rows, "01890000", Purpose::Look, Err("\"01890000\" means several packages: 0189eeee@1, b@2"));
        check(&rows, "0189ffff-0000", Purpose::Look, Ok("c@3"));
        for nothing in ["b@1", "b@02", "b@+2", "b@", "@2", "", "0189fff", "0189-ffff", "nobody", "b@2@2"] {
            check(&rows, nothing, Purpose::Look, Err(&format!("no package {nothing:?}")));
        }
    }

    #[test]
    fn the_kinds_are_those_of_the_exit_codes() {
        let database = database(&[(A, "app", 1, 'f'), (B, "app", 2, 'f'), (C, "gone", 3, 'r')]);
        let tx = database.read().unwrap();
        for (text, purpose, kind) in [
            ("app", Purpose::Remove, ErrorKind::Usage),
            ("app", Purpose::Extend, ErrorKind::Usage),
            ("nobody", Purpose::Look, ErrorKind::NotFound),
            ("gone", Purpose::Look, ErrorKind::NotFound),
        ] {
            assert_eq!(resolve(&tx, text, purpose).unwrap_err().kind(), kind, "{text} {purpose:?}");
        }
    }
}
