//! `recover --from-objects`, confirmed: packages that only their manifests still tell of become the log's again.
//!
//! Everything happens under the exclusive lock. The order, and why no crash can tell a lie: every object of every
//! claim is read and compared, for an object that no event names is not trusted; all of it is made durable; then, where
//! nothing is left of the old log, a new one begins, and its database gets its name when it is whole; and only then
//! the packages are recorded, some in each transaction. A crash leaves the packages of whole transactions, and the next
//! import takes the rest.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::assured::Reading;
use super::super::change::{Change, Payload};
use super::super::open::lock_to_write;
use super::super::report::{ClaimsReport, ImportReport, ImportRequest, ImportedPackage, PackageClaim};
use super::super::resolve::{Named, named};
use super::super::{Access, OpenOptions, Registry};
use super::aside;
use super::begin::{Classes, begin};
use super::claims::{Log, claims_on, is_nothing_left, open_remains};
use crate::db::ReadTx;
use crate::disk::{Disk, FileKind};
use crate::env::Env;
use crate::error::{Error, ErrorKind, with_causes};
use crate::events::{EventType, Payloads as _, payload};
use crate::identity::{Blake3, ContentAddress, Digests};
use crate::manifest::ScanError;
use crate::monitor::{Monitor, Problem, Void};
use crate::plane::{Fault, claimed, claims};
use crate::storage::{Staging, StoreConfig, layout, root};
use crate::views::Standing;

/// Where the events say that the packages come from.
const ORIGIN: &str = "manifests among the objects";

/// At most so many packages, and payloads of so many bytes, are recorded in one transaction.
const TOGETHER: (usize, u64) = (64, 8 << 20);

/// Hears what is about to be imported; what it returns ends the import.
type OnClaims<'a> = &'a mut dyn FnMut(&ClaimsReport) -> Result<(), Error>;

impl Registry {
    /// Imports what the manifests among the objects claim, as far as the log does not know it. `on_claims` is shown it
    /// before anything is changed.
    ///
    /// Where nothing is left of log and database, a new log begins, with the id that `astore.toml` has, or with a new
    /// one where that is lost too. Objects that are missing or wrong are reported, and their packages imported all the
    /// same: they are lost, which is what the log says then.
    ///
    /// # Errors
    /// [`Error::ClaimsChanged`] where something else was shown, [`Error::NothingClaimed`] where a log would begin
    /// without a package: then nothing was imported, though a copy of the log that was damaged may have been mended.
    /// As [`Registry::recover`] and [`Registry::open`] where there is a log or a database.
    pub fn import_claims(
        root: &Path,
        request: &ImportRequest,
        options: OpenOptions,
        env: Env,
        on_claims: OnClaims<'_>,
        monitor: &dyn Monitor,
    ) -> Result<ImportReport, Error> {
        import(open_remains(root)?, root, request, options, env, on_claims, monitor)
    }

    /// The same on a disk that is open already: a test's, which fails or stalls where it is told to.
    ///
    /// # Errors
    /// As [`Registry::import_claims`].
    #[cfg(any(test, feature = "testing"))]
    pub fn import_claims_on(
        disk: Arc<dyn Disk>,
        root: &Path,
        request: &ImportRequest,
        options: OpenOptions,
        env: Env,
        on_claims: OnClaims<'_>,
        monitor: &dyn Monitor,
    ) -> Result<ImportReport, Error> {
        import(disk, root, request, options, env, on_claims, monitor)
    }

    /// Records packages, some in each transaction. What cannot be recorded is told in `report`, and so is what was.
    fn record_claims(
        &self,
        claims: &[Accepted],
        report: &mut ImportReport,
        monitor: &dyn Monitor,
    ) -> Result<(), Error> {
        let mut rest = claims;
        while !rest.is_empty() {
            self.check_cancelled()?;
            let staging = Staging::begin(self.disk.clone(), self.env.random_id())?;
            let (mut group, mut bytes) = (Vec::new(), 0);
            while let Some((accepted, others)) = rest.split_first() {
                if group.len() == TOGETHER.0 || bytes >= TOGETHER.1 {
                    break;
                }
                rest = others;
                let manifest = match self.local.load(&accepted.claim.manifest.digest()) {
                    Ok(manifest) => manifest,
                    Err(unavailable) => {
                        report.refused.push((accepted.claim.reference(), with_causes(&unavailable)));
                        continue;
                    }
                };
                bytes += manifest.len() as u64;
                group.push((
                    accepted,
                    Payload::staged(payload::package_imported(&manifest, ORIGIN), &staging)?,
                ));
            }
            staging.publish()?;
            staging.finish()?;
            let mut change = Change::begin(self, monitor)?;
            let (mut imported, mut refused) = (Vec::new(), Vec::new());
            for (accepted, payload) in group {
                let (claim, id) = (&accepted.claim, accepted.claim.id);
                let (reference, manifest) = (claim.reference(), claim.manifest);
                match change.append_unless_refused(EventType::PackageImported, &id.to_string(), &payload)? {
                    Ok(sequence) => {
                        let lost = accepted.lost;
                        imported.push(ImportedPackage { reference, id, manifest, sequence, lost });
                    }
                    Err(why) => refused.push((reference, with_causes(&why))),
                }
            }
            change.commit()?;
            self.disk.point("claims recorded");
            report.imported.append(&mut imported);
            report.refused.append(&mut refused);
        }
        Ok(())
    }
}

fn import(
    disk: Arc<dyn Disk>,
    root: &Path,
    request: &ImportRequest,
    options: OpenOptions,
    env: Env,
    on_claims: OnClaims<'_>,
    monitor: &dyn Monitor,
) -> Result<ImportReport, Error> {
    let config = root::read_config(disk.as_ref())?;
    let options = OpenOptions { access: Access::Alone, ..options };
    root::make_directories(disk.as_ref())?;
    let lock = lock_to_write(disk.as_ref(), root, &options, monitor)?;
    aside::end_earlier(disk.as_ref())?;
    if !is_nothing_left(&disk, root)? {
        drop(lock); // whoever opens or recovers takes it again, and all is looked at anew
        return import_into(disk, root, request, options, env, on_claims, monitor);
    }
    let claims = claims_on(disk.as_ref(), root, &Log::Gone, &options.cancelled)?;
    if claims.importable().next().is_none() {
        return Err(Error::NothingClaimed { root: root.to_owned() });
    }
    let claims = confirmed(claims, request, on_claims)?;
    let look = Look { disk: disk.as_ref(), log: None, cancelled: &options.cancelled };
    let (mut report, mut accepted) = look.check(claims, monitor)?;
    let claimed =
        accepted.iter().map(|accepted| (accepted.claim.class.as_str(), accepted.claim.duration_seconds));
    let classes = Classes::of(claimed);
    accepted.retain(|accepted| {
        let is_known = classes.contains(&accepted.claim.class);
        if !is_known {
            let why = "there are more retention classes than the first event can name".to_owned();
            report.refused.push((accepted.claim.reference(), why));
        }
        is_known
    });
    if accepted.is_empty() {
        return Err(Error::NothingClaimed { root: root.to_owned() });
    }
    let (config, begun) = begin(&disk, root, &env, config, classes)?;
    report.begun = Some(begun);
    // That settling writes log/ from the database is no news here: it was made so.
    let registry = Registry::open_under(lock, disk, root, config, options, env, &Void)?;
    recorded(&registry, &accepted, &mut report, monitor)?;
    Ok(report)
}

/// Imports into a log of which one copy at least is there; where the other is not, `recover` comes first.
fn import_into(
    disk: Arc<dyn Disk>,
    root: &Path,
    request: &ImportRequest,
    options: OpenOptions,
    env: Env,
    on_claims: OnClaims<'_>,
    monitor: &dyn Monitor,
) -> Result<ImportReport, Error> {
    let open = |config: Option<StoreConfig>| {
        let config = config.ok_or(Error::DatabaseMissing)?;
        Registry::open_as(disk.clone(), config, root, options.clone(), env.clone(), monitor)
    };
    let (registry, recovered) = match open(root::read_config(disk.as_ref())?) {
        Err(error) if error.kind() == ErrorKind::Damage => {
            let recovered =
                Registry::recover_opened(disk.clone(), root, options.clone(), env.clone(), monitor)?;
            (open(root::read_config(disk.as_ref())?)?, Some(recovered))
        }
        opened => (opened?, None),
    };
    let aside = recovered.as_ref().map(|recovered| recovered.database_aside.clone());
    let imported = || -> Result<ImportReport, Error> {
        // What was left out or is not understood may be one of the packages that are claimed.
        registry.assured(&registry.db.read()?, "which packages the log knows", Reading::UpTo(0))?;
        let claims = confirmed(registry.claims_now()?, request, on_claims)?;
        let (mut report, accepted) = Look::of(&registry).check(claims, monitor)?;
        report.recovered = recovered;
        recorded(&registry, &accepted, &mut report, monitor)?;
        Ok(report)
    };
    imported().inspect_err(|_| {
        if let Some(aside) = aside {
            let old = aside.map(|aside| format!("; the old one is {aside} now")).unwrap_or_default();
            monitor.problem(&Problem::Note(format!("the database was built anew before that{old}")));
        }
    })
}

/// Sees to it that what would be done is what was shown, and shows it.
fn confirmed(
    claims: ClaimsReport,
    request: &ImportRequest,
    on_claims: OnClaims<'_>,
) -> Result<ClaimsReport, Error> {
    if request.shown.is_some_and(|shown| shown != claims.digest()) {
        return Err(Error::ClaimsChanged);
    }
    on_claims(&claims)?;
    Ok(claims)
}

/// Records what was accepted. Where that ends early, the monitor is told what stands.
fn recorded(
    registry: &Registry,
    accepted: &[Accepted],
    report: &mut ImportReport,
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    // From the events on the log calls all that they name stored; the stat cache of the log that is lost would have the
    // next add believe that unread, even of what a gc had purged. Before them, for a kill in between.
    let missed: Vec<ContentAddress> = report.faults.iter().map(|(object, ..)| *object).collect();
    registry.forget_files_of(&missed);
    registry.record_claims(accepted, report, monitor).inspect_err(|_| {
        if !report.imported.is_empty() {
            let (count, of) = (report.imported.len(), accepted.len());
            monitor.problem(&Problem::Note(format!(
                "{count} of {of} packages were imported before that; doing the same again takes the rest"
            )));
        }
    })
}

/// A claim that is going to be recorded.
struct Accepted {
    claim: PackageClaim,
    /// How many of its objects are lost.
    lost: u64,
}

/// Looks at the objects of claims.
struct Look<'a> {
    disk: &'a dyn Disk,
    log: Option<&'a Registry>,
    cancelled: &'a AtomicBool,
}

/// What is wrong with objects.
#[derive(Default)]
struct Wrong {
    faults: HashMap<Blake3, Fault>,
    /// Those of them that the log calls purged.
    purged: HashSet<Blake3>,
    /// What is said of an object that its bytes refute.
    refuted: HashSet<Digests>,
}

impl<'a> Look<'a> {
    fn of(registry: &'a Registry) -> Self {
        Self { disk: registry.disk.as_ref(), log: Some(registry), cancelled: &registry.cancelled }
    }

    /// Reads every object of the claims that the log does not vouch for, makes them durable, and says which claims can
    /// be recorded.
    fn check(
        &self,
        claims: ClaimsReport,
        monitor: &dyn Monitor,
    ) -> Result<(ImportReport, Vec<Accepted>), Error> {
        let (mut said, mut refused, mut readable) = (HashSet::new(), Vec::new(), Vec::new());
        for claim in claims.importable() {
            let entered = self.each_object(claim, |object| _ = said.insert(*object))?;
            match entered {
                Ok(()) => readable.push(claim.clone()),
                Err(why) => refused.push((claim.reference(), why)),
            }
        }
        let objects = said.len() as u64;
        let (wrong, bytes) = self.read(said, monitor)?;
        let manifests = readable.iter().map(|claim| claim.manifest);
        claimed::make_durable(self.disk, manifests)?;
        self.disk.point("claimed objects durable");
        let mut accepted = Vec::new();
        for claim in readable {
            match self.judge(&claim, &wrong)? {
                Ok(lost) => accepted.push(Accepted { claim, lost }),
                Err(why) => refused.push((claim.reference(), why)),
            }
        }
        let mut faults: Vec<_> = wrong
            .faults
            .iter()
            .map(|(object, fault)| (ContentAddress::new(*object), fault.name(), fault.to_string()))
            .collect();
        faults.sort_unstable();
        let checked = (objects, bytes);
        let (imported, begun) = (Vec::new(), None);
        let report = ImportReport { claims, recovered: None, begun, imported, refused, faults, checked };
        Ok((report, accepted))
    }

    /// Hands out the objects of a claim, as often as its entries have them; or says why they cannot be had.
    fn each_object(
        &self,
        claim: &PackageClaim,
        mut each: impl FnMut(&Digests),
    ) -> Result<Result<(), String>, Error> {
        let mut count = 0_u32;
        let gone_through = claims::each_entry(self.disk, &claim.manifest.digest(), |entry| {
            entry.object().into_iter().for_each(&mut each);
            count = count.wrapping_add(1);
            let stop = count.is_multiple_of(1024) && self.cancelled.load(Ordering::Relaxed);
            if stop { Err(Error::Cancelled) } else { Ok(()) }
        });
        match gone_through {
            Ok(_) => Ok(Ok(())),
            Err(ScanError::Taker(error)) => Err(error),
            Err(ScanError::Read(error)) => Ok(Err(format!("its manifest cannot be read: {error}"))),
            Err(ScanError::Manifest(error)) => Ok(Err(with_causes(&error))),
        }
    }

    /// Finds out what is wrong with objects; returns it with how many bytes were read.
    fn read(&self, said: HashSet<Digests>, monitor: &dyn Monitor) -> Result<(Wrong, u64), Error> {
        let (mut unknown, mut wrong, mut bytes) = (Vec::with_capacity(said.len()), Wrong::default(), 0);
        let tx = self.log.map(|log| log.db.read()).transpose()?;
        let mut purged = HashSet::new();
        for object in said {
            match standing(tx.as_ref(), &object.blake3)? {
                // What the log vouches for was checked when it came. It may be gone since.
                Some(Standing::Stored) => {
                    if let Some(fault) = self.glance(&object) {
                        wrong.faults.insert(object.blake3, fault);
                    }
                    continue;
                }
                Some(Standing::Purged) => drop(purged.insert(object.blake3)),
                Some(Standing::Damaged | Standing::Unknown) | None => {}
            }
            unknown.push(object);
        }
        unknown.sort_unstable_by_key(|object| (object.blake3, object.sha256, object.size_bytes));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let checked = claimed::check_objects(self.disk, &unknown, threads, monitor, self.cancelled)?;
        bytes += checked.bytes;
        claimed::make_durable(self.disk, unknown.iter().map(Digests::address))?;
        wrong.refuted = checked.refuted;
        wrong.faults.extend(checked.faults);
        purged.retain(|object| wrong.faults.contains_key(object));
        wrong.purged = purged;
        Ok((wrong, bytes))
    }

    /// Looks whether an object has a file of its size.
    fn glance(&self, object: &Digests) -> Option<Fault> {
        match self.disk.stat(&layout::object_path(&object.address())) {
            Ok(stat) if stat.kind != FileKind::File => Some(Fault::NotAFile { kind: stat.kind }),
            Ok(stat) if stat.size_bytes < object.size_bytes => {
                Some(Fault::Truncated { expected_bytes: object.size_bytes, found_bytes: stat.size_bytes })
            }
            Ok(stat) if stat.size_bytes > object.size_bytes => {
                Some(Fault::Altered { found_bytes: stat.size_bytes, found: None })
            }
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Fault::Missing),
            Err(error) => Some(Fault::Unreadable { error }),
        }
    }

    /// Says how many objects of a claim are lost; or why it cannot be recorded.
    fn judge(&self, claim: &PackageClaim, wrong: &Wrong) -> Result<Result<u64, String>, Error> {
        if wrong.faults.is_empty() && wrong.refuted.is_empty() {
            return Ok(Ok(0));
        }
        let (mut lost, mut purged, mut refuted) = (HashSet::new(), HashSet::new(), None);
        let gone_through = self.each_object(claim, |object| {
            if wrong.faults.contains_key(&object.blake3) {
                lost.insert(object.blake3);
            }
            if wrong.purged.contains(&object.blake3) {
                purged.insert(object.blake3);
            }
            if wrong.refuted.contains(object) {
                refuted = Some(object.address());
            }
        })?;
        Ok(match (gone_through, refuted, purged.len()) {
            (Err(why), _, _) => Err(why),
            (Ok(()), Some(address), _) => {
                Err(format!("it gives {address} another SHA-256 or size than its bytes have"))
            }
            (Ok(()), None, 0) => Ok(lost.len() as u64),
            // A purge is on record, with who did it and why; it must not turn into a loss.
            (Ok(()), None, purged) => Err(format!("the log says that {purged} of its objects were purged")),
        })
    }
}

/// Returns what the log says of an object, where there is a log.
fn standing(log: Option<&ReadTx<'_>>, object: &Blake3) -> Result<Option<Standing>, Error> {
    let Some(tx) = log else { return Ok(None) };
    Ok(named(tx, object)?.map(|named| match named {
        Named::Object(object) => object.standing(),
        Named::Leftover(_) => Standing::Purged,
    }))
}
