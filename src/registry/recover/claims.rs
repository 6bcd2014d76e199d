//! What the manifests among the objects say of packages that the log does not know. Looks, and changes nothing.
//!
//! Nobody vouches for a claim, and two may contradict each other: a store may hold another store's manifests as
//! ordinary objects, and an add whose version was taken meanwhile leaves the manifest that it wrote first. Which one
//! would be imported follows a rule that is told with the list; nothing is guessed silently.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::super::open::file_mode;
use super::super::report::{ClaimStanding, ClaimsReport, DEFAULT_WAIT, PackageClaim};
use super::super::{Access, OpenOptions, Registry};
use super::OldDatabase;
use crate::db::{Database, DbError, OpenMode, ReadTx};
use crate::disk::Disk;
use crate::env::Env;
use crate::error::{Error, ErrorKind};
use crate::events::{self, Event, LogError, LogFiles, Payloads as _, Position, Step, Stored, merge};
use crate::identity::ContentAddress;
use crate::manifest::PackageName;
use crate::monitor::Monitor;
use crate::plane::{self, Claim};
use crate::storage::{Local, StorageError, layout, root};
use crate::views::{packages, retention};

impl Registry {
    /// Lists what the manifests among the objects claim, of packages that the log does not know. Works where nothing is
    /// left of log and database. Changes nothing.
    ///
    /// # Errors
    /// [`StorageError::NoStore`] where the directory has no objects; as [`Registry::open`] where there is a log or a
    /// database that is to be recovered first.
    pub fn claims(
        root: &Path,
        options: OpenOptions,
        env: Env,
        monitor: &dyn Monitor,
    ) -> Result<ClaimsReport, Error> {
        let disk = open_remains(root)?;
        let cancelled = options.cancelled.clone();
        if is_nothing_left(&disk, root)? {
            return claims_on(disk.as_ref(), root, &Log::Gone, &cancelled);
        }
        let reading = OpenOptions { access: Access::Read, ..options.clone() };
        match Self::open(root, reading, env, monitor) {
            Ok(registry) => registry.claims_now(),
            // What one copy has lost, the other may have: recover would see.
            Err(error) if error.kind() == ErrorKind::Damage => {
                let events = KnownPackages::of(&disk, root, options.wait)?;
                claims_on(disk.as_ref(), root, &Log::Events(events), &cancelled)
            }
            Err(error) => Err(error),
        }
    }

    /// The same of a store that is open.
    pub(super) fn claims_now(&self) -> Result<ClaimsReport, Error> {
        let tx = self.db.read()?;
        claims_on(self.disk.as_ref(), &self.root, &Log::Views(&tx), &self.cancelled)
    }
}

/// Opens what may be the remains of a store: a directory with objects.
pub(super) fn open_remains(root: &Path) -> Result<Arc<dyn Disk>, Error> {
    let disk = root::open_unnamed(root)?;
    match disk.stat(Path::new(layout::OBJECTS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StorageError::NoStore { root: root.to_owned() }.into())
        }
        _ => Ok(disk),
    }
}

/// What is known of the log.
pub(super) enum Log<'a, 'c> {
    /// Nothing is left of it.
    Gone,
    /// The views that follow from it.
    Views(&'a ReadTx<'c>),
    /// Its events, where there are no views.
    Events(KnownPackages),
}

impl Log<'_, '_> {
    fn knows(&self, id: &Uuid) -> Result<bool, DbError> {
        Ok(match self {
            Log::Gone => false,
            Log::Views(tx) => packages::by_id(tx, id)?.is_some(),
            Log::Events(known) => known.ids.contains(id),
        })
    }

    fn version(&self, name: &PackageName, version: u64) -> Result<Option<Uuid>, DbError> {
        Ok(match self {
            Log::Gone => None,
            Log::Views(tx) => packages::by_version(tx, name.as_str(), version)?.map(|row| row.id),
            Log::Events(known) => known.versions.get(&(name.clone(), version)).copied(),
        })
    }

    fn classes(&self) -> Result<Option<HashSet<String>>, DbError> {
        let names = |classes: Vec<(String, Option<u64>)>| classes.into_iter().map(|(name, _)| name).collect();
        Ok(match self {
            Log::Gone => None,
            Log::Views(tx) => Some(names(retention::classes(tx)?)),
            Log::Events(known) => Some(known.classes.clone()),
        })
    }
}

/// The packages that the events of either copy speak of.
#[derive(Default)]
pub(super) struct KnownPackages {
    ids: HashSet<Uuid>,
    versions: HashMap<(PackageName, u64), Uuid>,
    classes: HashSet<String>,
}

impl KnownPackages {
    /// Reads both copies of the log as far as they go, as recover would, and changes nothing.
    fn of(disk: &Arc<dyn Disk>, root: &Path, wait: Duration) -> Result<Self, Error> {
        let mut known = Self::default();
        let local = Local::new(disk.clone());
        let files = LogFiles::new(disk.clone(), file_mode(disk.as_ref())?);
        OldDatabase::look(root, wait)?.with(|tx| {
            merge(tx, &files, &mut |event| -> Result<(), Error> {
                known.hear(&event, &local);
                Ok(())
            })
        })?;
        Ok(known)
    }

    fn hear(&mut self, event: &Stored, local: &Local) {
        let loaded;
        let payload = match &event.payload {
            Some(payload) => payload,
            None => match local.load(&event.record.payload_digest) {
                Ok(bytes) => {
                    loaded = bytes;
                    &loaded
                }
                Err(_) => return, // recover leaves it out as well, and says so
            },
        };
        let Ok(decoded) = events::decode(&event.record, payload) else { return };
        match decoded.event {
            Event::StoreCreated { classes, .. } => {
                self.classes.extend(classes.into_iter().map(|(name, _)| name));
            }
            Event::PackageCreated { id, name, version, .. } => self.enter(id, name, version),
            Event::PackageFinalized { manifest } | Event::PackageImported { manifest, .. } => {
                let header = manifest.into_header();
                self.enter(header.id, header.name, header.version);
            }
            Event::ObjectsStored { .. }
            | Event::EntriesAdded { .. }
            | Event::PackageRemoved { .. }
            | Event::PackageRestored { .. }
            | Event::PinAdded { .. }
            | Event::PinRemoved { .. }
            | Event::RetentionChanged { .. }
            | Event::GcStarted { .. }
            | Event::GcCompleted { .. }
            | Event::ObjectHealed { .. }
            | Event::VerifyCompleted { .. }
            | Event::SchemaRegistered { .. }
            | Event::Unknown => {}
        }
    }

    fn enter(&mut self, id: Uuid, name: PackageName, version: u64) {
        self.ids.insert(id);
        self.versions.insert((name, version), id);
    }
}

/// Returns whether neither the database nor `log/` has an event, so that there is nothing to go on from. Where one of
/// them has events that do not begin with the first, it is not nothing: a person has to move it aside.
pub(in crate::registry) fn is_nothing_left(disk: &Arc<dyn Disk>, root: &Path) -> Result<bool, Error> {
    // A format that this build does not know is refused before anything is looked at.
    root::read_config(disk.as_ref())?;
    // A recover that was stopped left the database that it had built: the next one gives it its name.
    let is_ready = || disk.stat(Path::new(layout::DATABASE_READY)).is_ok();
    if is_ready() {
        return Ok(false);
    }
    let path = layout::within(root, layout::DATABASE.as_ref());
    // Its end may be damaged, and its beginning not.
    let first = |db: Database| Ok(events::event(&db.read()?, 1)?.is_some_and(|event| event.is_sound()));
    let head = |db: Database| Ok(events::head(&db.read()?)?.sequence > 0);
    let looks = [
        Database::open(&path, OpenMode::Read).and_then(head),
        Database::open(&path, OpenMode::Read).and_then(first),
    ];
    for look in looks {
        match look {
            Ok(true) => return Ok(false),
            Ok(false) | Err(DbError::Missing { .. }) => {}
            Err(error) if error.is_damage() => {}
            // Whoever opens it to work with it says what is the matter.
            Err(_) => return Ok(false),
        }
    }
    // Whoever comes to read has no lock, and a recover may have taken the other one's name away meanwhile.
    if is_ready() {
        return Ok(false);
    }
    let files = LogFiles::new(disk.clone(), file_mode(disk.as_ref())?);
    match files.walk(Position::START).step() {
        Ok(Step::Item(_)) => return Ok(false),
        Err(error @ LogError::Io { .. }) => return Err(error.into()),
        Ok(Step::End | Step::Broken { .. }) | Err(_) => {}
    }
    // Neither begins well: whether there is an event anywhere is for recover to tell.
    let old = OldDatabase::look(root, DEFAULT_WAIT)?;
    let merged = old.with(|tx| merge(tx, &files, &mut |_| -> Result<(), Error> { Ok(()) }));
    match merged {
        Ok(merged) => Ok(merged.head.sequence == 0),
        Err(error) if error.kind() == ErrorKind::Damage => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lists the claims that the log does not know; all of them where there is none.
pub(super) fn claims_on(
    disk: &dyn Disk,
    root: &Path,
    log: &Log<'_, '_>,
    cancelled: &AtomicBool,
) -> Result<ClaimsReport, Error> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let found = plane::claims(disk, threads, cancelled).map_err(|error| {
        let stopped = cancelled.load(Ordering::Relaxed);
        if stopped { Error::Cancelled } else { error.into() }
    })?;
    let (claims, known) = judge(found.claims, log)?;
    Ok(ClaimsReport {
        root: root.to_owned(),
        begins_anew: matches!(log, Log::Gone),
        claims,
        known,
        damaged: found.damaged,
        later: found.later,
        unreadable: found.unreadable,
        unclaimed: (found.unclaimed, found.unclaimed_bytes),
    })
}

/// Leaves out what the log knows, and says of the rest what an import would do with it.
///
/// Of several manifests of one package the one with the highest version counts: an add writes its manifest again where
/// the version was taken when it was to be recorded. Of several packages of one name and version the one that was made
/// first counts, and of these the one with the lower id.
fn judge(mut found: Vec<Claim>, log: &Log<'_, '_>) -> Result<(Vec<PackageClaim>, u64), DbError> {
    found.sort_unstable_by(|one, other| {
        let key = |claim: &Claim| {
            (claim.header.created_at, claim.header.id, claim.header.version, *claim.manifest.as_bytes())
        };
        key(one).cmp(&key(other))
    });
    let mut last: HashMap<Uuid, (u64, ContentAddress)> = HashMap::new();
    for claim in &found {
        let this = (claim.header.version, ContentAddress::new(claim.manifest));
        let best = last.entry(claim.header.id).or_insert(this);
        if best.0 < this.0 {
            *best = this;
        }
    }
    let classes = log.classes()?;
    let mut taken: HashMap<(PackageName, u64), Uuid> = HashMap::new();
    let (mut claims, mut known) = (Vec::new(), 0);
    for claim in found {
        let header = &claim.header;
        if log.knows(&header.id)? {
            known += 1;
            continue;
        }
        let manifest = ContentAddress::new(claim.manifest);
        let place = (header.name.clone(), header.version);
        let has_class = match &classes {
            Some(classes) => classes.contains(&header.retention.class),
            // The log that is begun gets the classes that are claimed, if they can be any store's.
            None => header.retention.class.parse::<PackageName>().is_ok(),
        };
        let recorded = log.version(&header.name, header.version)?;
        let later = last.get(&header.id).map(|(_, by)| *by).filter(|by| *by != manifest);
        let standing = if let Some(by) = later {
            ClaimStanding::Superseded { by }
        } else if let Some(by) = recorded.or_else(|| taken.get(&place).copied()) {
            ClaimStanding::VersionTaken { by }
        } else if !has_class {
            ClaimStanding::NoClass
        } else if claim.bytes.is_none() {
            ClaimStanding::TooLarge
        } else {
            taken.insert(place, header.id);
            ClaimStanding::Importable
        };
        claims.push(summary(claim, manifest, standing));
    }
    Ok((claims, known))
}

fn summary(claim: Claim, manifest: ContentAddress, standing: ClaimStanding) -> PackageClaim {
    let header = claim.header;
    PackageClaim {
        manifest,
        id: header.id,
        name: header.name,
        version: header.version,
        created_at: header.created_at,
        created_by: header.created_by,
        class: header.retention.class,
        duration_seconds: header.retention.duration_seconds,
        entries: claim.entries,
        files: claim.files,
        bytes: claim.bytes.unwrap_or(u64::MAX),
        objects: claim.objects,
        missing: claim.missing,
        standing,
    }
}
