//! The view `artifact_packages`.

use rusqlite::Row;
use uuid::Uuid;

use super::trees::{self, Place, Totals, TreeWriter};
use super::{Context, Refusal, mentions, retention};
use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::events::{instant, read_labels, signed, unsigned, write_labels};
use crate::identity::{Blake3, ContentAddress};
use crate::manifest::cbor::{Decoder, Encoder};
use crate::manifest::{Labels, Manifest, PackageName};

/// A row of `artifact_packages`, with its retention.
#[derive(Clone, Debug)]
pub struct PackageRow {
    /// The surrogate key.
    pub number: i64,
    /// Whose rows of `artifact_files` its entries are.
    pub tree: i64,
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: u64,
    /// Whether it is finalised.
    pub finalized: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: String,
    /// The event that made it.
    pub created_sequence: u64,
    /// The last event about it.
    pub changed_sequence: u64,
    /// When it was finalised.
    pub finalized_at: Option<Timestamp>,
    /// The event that finalised it.
    pub finalized_sequence: Option<u64>,
    /// When it was removed.
    pub removed_at: Option<Timestamp>,
    /// The event that removed it.
    pub removed_sequence: Option<u64>,
    /// Why it was removed.
    pub removed_reason: Option<String>,
    /// The digest of its manifest.
    pub manifest_digest: Option<Blake3>,
    /// The size of its manifest.
    pub manifest_size: Option<u64>,
    /// The digest of its entries.
    pub content_digest: Option<Blake3>,
    /// What its tree holds.
    pub(crate) totals: Totals,
    /// What the user says of it.
    pub metadata: Labels,
    /// Where it comes from.
    pub provenance: Labels,
    /// The last event that took a pin off it.
    pub let_go_sequence: Option<u64>,
    /// Its retention class.
    pub class: String,
    /// When it becomes eligible for gc.
    pub expires_at: Option<Timestamp>,
    /// Whether a hold keeps it.
    pub hold: bool,
    /// Why a hold keeps it.
    pub hold_reason: Option<String>,
    /// The gc that took objects of it because it had expired, unless its expiry was set since.
    pub expired_sequence: Option<u64>,
}

/// Which packages a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageFilter {
    /// Not removed.
    Present,
    /// All that ever were.
    All,
    /// Open and not removed.
    Open,
    /// Removed.
    Removed,
    /// Finalised, not removed, without a hold, expired at this instant.
    Expired(Timestamp),
}

pub(super) const SELECT: &str = include_str!("../db/sql/packages.sql");

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<PackageRow> {
    let corrupt = |what: &str| rusqlite::Error::InvalidColumnName(what.to_owned());
    let maybe = |column| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(|value| u64::try_from(value).unwrap_or(0)))
    };
    let maybe_instant = |column| -> rusqlite::Result<Option<Timestamp>> {
        if row.get::<_, Option<i64>>(column)?.is_none() { Ok(None) } else { instant(row, column).map(Some) }
    };
    let digest = |column| -> rusqlite::Result<Option<Blake3>> {
        Ok(row.get::<_, Option<[u8; 32]>>(column)?.map(Blake3::from_bytes))
    };
    let labels = |column| -> rusqlite::Result<Labels> {
        let bytes: Vec<u8> = row.get(column)?;
        read_labels(&mut Decoder::new(&bytes)).map_err(|_| corrupt(column))
    };
    Ok(PackageRow {
        number: row.get("package")?,
        tree: row.get("tree")?,
        id: Uuid::try_parse(&row.get::<_, String>("package_id")?).map_err(|_| corrupt("package_id"))?,
        name: row.get::<_, String>("name")?.parse().map_err(|_| corrupt("name"))?,
        version: unsigned(row, "version")?,
        finalized: row.get::<_, String>("status")? == "finalized",
        created_at: instant(row, "created_at")?,
        created_by: row.get("created_by")?,
        created_sequence: unsigned(row, "created_sequence")?,
        changed_sequence: unsigned(row, "changed_sequence")?,
        finalized_at: maybe_instant("finalized_at")?,
        finalized_sequence: maybe("finalized_sequence")?,
        removed_at: maybe_instant("removed_at")?,
        removed_sequence: maybe("removed_sequence")?,
        removed_reason: row.get("removed_reason")?,
        manifest_digest: digest("manifest_digest")?,
        manifest_size: maybe("manifest_size")?,
        content_digest: digest("content_digest")?,
        totals: Totals {
            entries: unsigned(row, "entries")?,
            files: unsigned(row, "files")?,
            bytes: unsigned(row, "bytes")?,
            objects: unsigned(row, "objects")?,
            object_bytes: unsigned(row, "object_bytes")?,
        },
        metadata: labels("metadata")?,
        provenance: labels("provenance")?,
        let_go_sequence: maybe("let_go_sequence")?,
        class: row.get("class")?,
        expires_at: maybe_instant("expires_at")?,
        hold: row.get("hold")?,
        hold_reason: row.get("hold_reason")?,
        expired_sequence: maybe("expired_sequence")?,
    })
}

/// Returns the package of this id.
pub(crate) fn by_id(tx: &ReadTx<'_>, id: &Uuid) -> Result<Option<PackageRow>, DbError> {
    Ok(tx.maybe(&format!("{SELECT} WHERE package_id = ?1"), [id.to_string()], read)?)
}

/// Returns the package whose id an event's subject is. The subjects of other events are none's.
pub(crate) fn by_subject(tx: &ReadTx<'_>, subject: &str) -> Result<Option<PackageRow>, DbError> {
    Ok(Uuid::try_parse(subject).ok().map(|id| by_id(tx, &id)).transpose()?.flatten())
}

/// Returns the package of this surrogate number.
pub(crate) fn by_number(tx: &ReadTx<'_>, number: i64) -> Result<Option<PackageRow>, DbError> {
    Ok(tx.maybe(&format!("{SELECT} WHERE package = ?1"), [number], read)?)
}

/// Returns up to `limit` packages whose id begins with this text.
pub(crate) fn by_id_prefix(tx: &ReadTx<'_>, prefix: &str, limit: u32) -> Result<Vec<PackageRow>, DbError> {
    let high = format!("{prefix}\u{7f}");
    let sql = format!("{SELECT} WHERE package_id >= ?1 AND package_id < ?2 ORDER BY package_id LIMIT ?3");
    Ok(tx.all(&sql, (prefix, high, limit), read)?)
}

/// Returns one version of a name.
pub(crate) fn by_version(tx: &ReadTx<'_>, name: &str, version: u64) -> Result<Option<PackageRow>, DbError> {
    Ok(tx.maybe(&format!("{SELECT} WHERE name = ?1 AND version = ?2"), (name, signed(version)), read)?)
}

/// Returns every version of a name, oldest first.
pub(crate) fn versions(tx: &ReadTx<'_>, name: &str) -> Result<Vec<PackageRow>, DbError> {
    Ok(tx.all(&format!("{SELECT} WHERE name = ?1 ORDER BY version"), [name], read)?)
}

/// Returns the version that the next package of this name gets.
pub(crate) fn next_version(tx: &ReadTx<'_>, name: &str) -> Result<u64, DbError> {
    let sql = "SELECT coalesce(max(version), 0) + 1 AS next FROM artifact_packages WHERE name = ?1";
    Ok(tx.one(sql, [name], |row| unsigned(row, "next"))?)
}

/// Returns the first finalised package with this content, removed ones included.
pub(crate) fn first_with_content(tx: &ReadTx<'_>, content: &Blake3) -> Result<Option<PackageRow>, DbError> {
    let sql = format!("{SELECT} WHERE content_digest = ?1 ORDER BY package LIMIT 1");
    Ok(tx.maybe(&sql, [content.as_bytes()], read)?)
}

/// Returns an event at which every object of a tree was stored: the one that finalised its youngest package. 0 where
/// none is finalised.
///
/// A younger event may have named them too. To ask all packages of a tree would cost the more the more often it is
/// added unchanged.
pub(super) fn last_named(tx: &ReadTx<'_>, tree: i64) -> Result<u64, DbError> {
    let sql = "SELECT finalized_sequence FROM artifact_packages
               WHERE tree = ?1 AND finalized_sequence IS NOT NULL ORDER BY package DESC LIMIT 1";
    Ok(tx.maybe(sql, [tree], |row| unsigned(row, "finalized_sequence"))?.unwrap_or(0))
}

/// What makes a package.
pub(super) struct NewPackage {
    pub(super) id: Uuid,
    pub(super) name: PackageName,
    pub(super) version: u64,
    pub(super) metadata: Labels,
    pub(super) provenance: Labels,
}

/// An open package that an event is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackageKey {
    pub(super) number: i64,
    pub(super) tree: i64,
    /// Whether no event gave it an entry yet.
    pub(super) is_empty: bool,
}

/// Returns the manifest of the package that one with this metadata is an attestation about.
fn attested(metadata: &Labels) -> Option<Blake3> {
    let address: ContentAddress = metadata.get("attests")?.parse().ok()?;
    Some(address.digest())
}

fn labels_cbor(labels: &Labels) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_labels(&mut Encoder::new(&mut bytes), labels);
    bytes
}

/// Enters a new, open package and returns its number.
pub(super) fn create(context: &Context<'_, '_>, package: &NewPackage) -> Result<i64, Refusal> {
    insert(context, package, context.record.created_at, &context.record.actor)
}

fn insert(
    context: &Context<'_, '_>,
    package: &NewPackage,
    created_at: Timestamp,
    created_by: &str,
) -> Result<i64, Refusal> {
    let id = package.id.to_string();
    if id != context.record.subject_id {
        return Err(context.impossible("the package's id is not the event's subject"));
    }
    if by_version(context.tx, package.name.as_str(), package.version)?.is_some()
        || by_id(context.tx, &package.id)?.is_some()
    {
        return Err(context.impossible(format!("{}@{} is there already", package.name, package.version)));
    }
    let number =
        context.tx.prepare(include_str!("../db/sql/insert_package.sql"))?.insert(rusqlite::params![
            id,
            package.name.as_str(),
            signed(package.version),
            created_at.as_micros(),
            created_by,
            signed(context.sequence()),
            labels_cbor(&package.metadata),
            labels_cbor(&package.provenance),
            attested(&package.metadata).map(|manifest| *manifest.as_bytes()),
        ])?;
    context.tx.execute("UPDATE artifact_packages SET tree = package WHERE package = ?1", [number])?;
    Ok(number)
}

/// Returns the package that the event is about.
pub(super) fn subject(context: &Context<'_, '_>) -> Result<PackageRow, Refusal> {
    let sql = format!("{SELECT} WHERE package_id = ?1");
    context
        .tx
        .maybe(&sql, [&context.record.subject_id], read)?
        .ok_or_else(|| Refusal::Unmade(format!("there is no package {}", context.record.subject_id)))
}

/// Returns the open package that the event is about.
pub(super) fn open_subject(context: &Context<'_, '_>) -> Result<PackageKey, Refusal> {
    let package = subject(context)?;
    if package.finalized || package.removed_at.is_some() {
        return Err(context.impossible(format!("{}@{} is not open", package.name, package.version)));
    }
    let is_empty = package.totals.entries == 0;
    Ok(PackageKey { number: package.number, tree: package.tree, is_empty })
}

/// Keeps what an open package holds now.
pub(super) fn set_totals(
    context: &Context<'_, '_>,
    package: i64,
    backend: &str,
    totals: Totals,
) -> Result<(), Refusal> {
    let [entries, files, bytes, objects, object_bytes] = totals.signed();
    context.tx.execute(
        "UPDATE artifact_packages SET entries = ?2, files = ?3, bytes = ?4, objects = ?5, object_bytes = ?6,
                backend_id = ?7, changed_sequence = ?8 WHERE package = ?1",
        (package, entries, files, bytes, objects, object_bytes, backend, signed(context.sequence())),
    )?;
    Ok(())
}

/// Makes a package immutable, with the entries that its manifest says; makes the package first where no event
/// did before.
pub(super) fn finalize(
    context: &Context<'_, '_>,
    manifest: &Manifest<'_>,
    manifest_digest: Blake3,
    manifest_size: u64,
    origin: Option<&str>,
) -> Result<(), Refusal> {
    let header = manifest.header();
    let known = by_id(context.tx, &header.id)?;
    let (number, before) = match known {
        Some(package) => {
            let key = open_subject(context)?;
            if (&package.name, package.version) != (&header.name, header.version) {
                return Err(context.impossible("the manifest has another name or version than its package"));
            }
            let before = trees::objects(context.tx, key.tree)?;
            trees::delete(context, key.tree)?;
            (key.number, before)
        }
        None => {
            let package = NewPackage {
                id: header.id,
                name: header.name.clone(),
                version: header.version,
                metadata: header.metadata.clone(),
                provenance: header.provenance.clone(),
            };
            let number = insert(context, &package, header.created_at, &header.created_by)?;
            retention::begin(context, number, &header.retention.class)?;
            (number, Vec::new())
        }
    };
    let backend = header.receipts.first().map_or("local", |receipt| receipt.backend_id.as_str());
    let content = manifest.content_digest();
    let same = first_with_content(context.tx, &content)?;
    let (tree, totals) = match same {
        Some(same) => {
            mentions::store_tree(context, same.tree, backend)?;
            (same.tree, same.totals)
        }
        None => {
            let mut writer = TreeWriter::new(context, number, backend)?;
            manifest.entries().each_ref(|entry| match writer.enter(&entry)? {
                Place::Free => Ok(()),
                Place::Taken => Err(context.impossible("a package that no event made has entries")),
            })?;
            (number, writer.totals()?)
        }
    };
    trees::let_go_of_all_but(context, &before, tree)?;
    let [entries, files, bytes, objects, object_bytes] = totals.signed();
    context.tx.execute(
        include_str!("../db/sql/finalize_package.sql"),
        rusqlite::params![
            number,
            tree,
            context.record.created_at.as_micros(),
            signed(context.sequence()),
            manifest_digest.as_bytes(),
            signed(manifest_size),
            content.as_bytes(),
            entries,
            files,
            bytes,
            objects,
            object_bytes,
            backend,
            origin,
        ],
    )?;
    retention::finalized(context, number, header.retention.duration_seconds)
}

/// Takes a package away.
pub(super) fn remove(context: &Context<'_, '_>, reason: &str) -> Result<(), Refusal> {
    let package = subject(context)?;
    if package.removed_at.is_some() {
        return Err(context.impossible(format!("{}@{} is removed already", package.name, package.version)));
    }
    context.tx.execute(
        "UPDATE artifact_packages SET removed_at = ?2, removed_sequence = ?3, removed_reason = ?4,
                changed_sequence = ?3 WHERE package = ?1",
        (package.number, context.record.created_at.as_micros(), signed(context.sequence()), reason),
    )?;
    Ok(())
}

/// Notes that this event took a pin off a package.
pub(super) fn let_go(context: &Context<'_, '_>, package: i64) -> Result<(), Refusal> {
    context.tx.execute(
        "UPDATE artifact_packages SET let_go_sequence = ?2 WHERE package = ?1",
        (package, signed(context.sequence())),
    )?;
    Ok(())
}

/// Brings a removed package back.
pub(super) fn restore(context: &Context<'_, '_>) -> Result<(), Refusal> {
    let package = subject(context)?;
    if package.removed_at.is_none() {
        return Err(context.impossible(format!("{}@{} is not removed", package.name, package.version)));
    }
    context.tx.execute(
        "UPDATE artifact_packages SET removed_at = NULL, removed_sequence = NULL, removed_reason = NULL,
                changed_sequence = ?2 WHERE package = ?1",
        (package.number, signed(context.sequence())),
    )?;
    Ok(())
}
