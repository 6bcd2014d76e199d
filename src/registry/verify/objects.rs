//! The objects' files against the log: the scan, and the second look at what it found.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::Registry;
use super::super::known::KnownObjects;
use super::super::report::{Fault, Harm, Remedy, VerifyDepth, VerifyReport, VerifyRequest};
use super::part::Turn;
use super::record::FoundAnew;
use crate::db::{Database, DbError, ReadTx};
use crate::disk::Disk;
use crate::error::{Error, rest_in_words};
use crate::events::{self, Head};
use crate::identity::{Blake3, ContentAddress, Digests};
use crate::monitor::Monitor;
use crate::plane::{self, BoxError, Coverage, Depth, Finding, ScanOptions, Scanned, Subject, VerifyError};
use crate::storage::{layout, staging};
use crate::views::{ObjectRecord, browse, objects};

/// How many objects are read from the views at once.
const PAGE_OBJECTS: u32 = 4096;

/// How many objects are few enough to be read and sorted in memory: 5 MiB of digests. Twice as many, and a verify of
/// 100,000 objects took 66 MiB, where 64 are allowed.
const FEW_OBJECTS: u32 = 1 << 16;

/// How many unrecorded files and leftovers are named one by one.
const NAMED_MAX: usize = 3;

const LEFTOVERS: &str = "leftover(s) of writers, at work or dead";

/// What is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The whole store.
    Everything,
    /// The trees of some packages, and the objects that their manifests and other payloads are.
    Packages(Packages),
}

/// The objects of some packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packages {
    trees: Vec<i64>,
    payloads: Vec<i64>,
}

impl Scope {
    /// Returns whether an object is of it.
    pub(super) fn has(&self, tx: &ReadTx<'_>, object: &ObjectRecord) -> Result<bool, DbError> {
        match self {
            Self::Everything => Ok(true),
            Self::Packages(packages) => Ok(packages.payloads.contains(&object.number)
                || objects::is_in(tx, object.number, &packages.trees)?),
        }
    }
}

impl Registry {
    /// Finds out what is to be verified.
    pub(super) fn scope(&self, request: &VerifyRequest) -> Result<Scope, Error> {
        if request.references.is_empty() {
            return Ok(Scope::Everything);
        }
        let tx = self.db.read()?;
        let mut packages = Packages::default();
        for reference in &request.references {
            let package = self.resolve(&tx, reference)?;
            packages.trees.push(package.tree);
            let events = events::of_package(&tx, &package.id)?;
            let payloads =
                events.iter().map(|event| event.record.payload_digest).chain(package.manifest_digest);
            for payload in payloads {
                // An inline payload is no object, unless it is a manifest.
                let object = objects::find(&tx, &payload).map_err(DbError::from)?;
                packages.payloads.extend(object.map(|object| object.number));
            }
        }
        Ok(Scope::Packages(packages))
    }

    /// Looks at the objects that the log named up to `head`, without a lock.
    pub(super) fn scan(
        &self,
        request: &VerifyRequest,
        scope: &Scope,
        turn: Option<&Turn>,
        head: Head,
        monitor: &dyn Monitor,
    ) -> Result<Scanned, Error> {
        let disk = self.disk.as_ref();
        let Scope::Packages(packages) = scope else {
            let never = AtomicBool::new(false);
            let scan = self.scan_of_everything(request, turn, head)?;
            return scan.run(disk, monitor, &self.cancelled, &never);
        };
        let known = KnownObjects::new(self.db.again()?);
        let options = ScanOptions { coverage: Coverage::Expected, ..options(request) };
        let tx = self.db.read()?;
        let scanned = browse::with_objects_of(&tx, &packages.trees, &packages.payloads, |found| {
            let is_wanted = |object: &ObjectRecord| {
                object.purged_sequence.is_none() && object.first_sequence <= head.sequence
            };
            let mut expected = found
                .filter(|found| found.as_ref().map_or(true, is_wanted))
                .map(|found| found.map(|object| object.digests).map_err(BoxError::from));
            plane::scan(disk, &mut expected, &options, &known, monitor, &self.cancelled)
        })?;
        scanned.map_err(unwrap)
    }

    /// Gets ready to look at all objects that the log named up to `head`, or a part of them, on any thread.
    pub(super) fn scan_of_everything(
        &self,
        request: &VerifyRequest,
        turn: Option<&Turn>,
        head: Head,
    ) -> Result<ScanOfAll, Error> {
        let options = options(request);
        let (db, known) = (self.db.again()?, KnownObjects::new(self.db.again()?));
        Ok(ScanOfAll { db, known, options, turn: turn.cloned(), head })
    }

    /// Looks once more at everything that a scan found, against the log as it stands now, and reports what is
    /// still so. Returns what of it is about bytes that were stored after the verify began.
    pub(super) fn look_again(
        &self,
        request: &VerifyRequest,
        findings: Vec<Finding>,
        report: &mut VerifyReport,
    ) -> Result<FoundAnew, Error> {
        let mut anew = FoundAnew { head: Head::NONE, objects: BTreeSet::new() };
        if findings.is_empty() {
            return Ok(anew);
        }
        let again = Again {
            registry: self,
            tx: self.db.read()?,
            known: KnownObjects::new(self.db.again()?),
            depth: depth(request),
        };
        anew.head = events::head(&again.tx)?;
        let mut notes = Notes::default();
        let mut last = None;
        for finding in findings {
            self.check_cancelled()?;
            match &finding.subject {
                // An object may have several findings; one look tells them all.
                Subject::Object(address) if last == Some(*address) => {}
                Subject::Object(address) => {
                    last = Some(*address);
                    again.object(address, &finding, report, &mut notes, &mut anew)?;
                }
                Subject::Path(path) => again.path(path, &finding, report, &mut notes),
            }
        }
        report.notes.extend(notes.lines(self.disk.as_ref()));
        Ok(anew)
    }
}

/// All that a scan of the whole store needs, on connections of its own.
pub(super) struct ScanOfAll {
    db: Database,
    known: KnownObjects,
    options: ScanOptions,
    turn: Option<Turn>,
    head: Head,
}

impl ScanOfAll {
    /// Looks at the objects, until they are all looked at or somebody has given up.
    pub(super) fn run(
        self,
        disk: &dyn Disk,
        monitor: &dyn Monitor,
        cancelled: &AtomicBool,
        given_up: &AtomicBool,
    ) -> Result<Scanned, Error> {
        let after = self.turn.as_ref().and_then(|turn| turn.after().copied());
        let mut all = AllObjects::new(&self.db, self.head, after);
        let options = match &self.turn {
            Some(turn) => ScanOptions { coverage: Coverage::Part(turn.begin()), ..self.options },
            None => ScanOptions { bytes_expected: Some(all.bytes()?), ..self.options },
        };
        let mut expected = all.map(|object| {
            if given_up.load(Ordering::Relaxed) {
                Err("given up".into())
            } else {
                object.map_err(BoxError::from)
            }
        });
        plane::scan(disk, &mut expected, &options, &self.known, monitor, cancelled).map_err(unwrap)
    }
}

fn options(request: &VerifyRequest) -> ScanOptions {
    let mut options = ScanOptions { depth: depth(request), ..ScanOptions::default() };
    if let Some(threads) = request.threads {
        options.threads = threads;
    }
    options
}

/// Takes an error of the database out again that went through the scan.
fn unwrap(error: VerifyError) -> Error {
    match error {
        VerifyError::Expected(source) => match source.downcast::<DbError>() {
            Ok(error) => Error::Db(*error),
            Err(source) => VerifyError::Expected(source).into(),
        },
        error @ (VerifyError::Known(_)
        | VerifyError::Thread(_)
        | VerifyError::Limit { .. }
        | VerifyError::Cancelled) => error.into(),
    }
}

const fn depth(request: &VerifyRequest) -> Depth {
    match request.depth {
        VerifyDepth::Quick => Depth::Quick,
        VerifyDepth::Full => Depth::Primary,
        VerifyDepth::Both => Depth::Both,
    }
}

/// The tools of the second look.
struct Again<'r> {
    registry: &'r Registry,
    tx: ReadTx<'r>,
    known: KnownObjects,
    depth: Depth,
}

impl Again<'_> {
    fn object(
        &self,
        address: &ContentAddress,
        finding: &Finding,
        report: &mut VerifyReport,
        notes: &mut Notes,
        anew: &mut FoundAnew,
    ) -> Result<(), Error> {
        let path = layout::object_path(address);
        let Some(object) = objects::find(&self.tx, &address.digest()).map_err(DbError::from)? else {
            if self.is_there(&path) {
                match &finding.fault {
                    fault if fault.is_note() => {
                        notes.add("unrecorded file(s) whose bytes match their name", address.to_string());
                    }
                    fault => report.faults.push(stray(&path, fault.name(), fault)),
                }
            }
            return Ok(());
        };
        let disk = self.registry.disk.as_ref();
        let faults = plane::look(disk, &object.digests, self.depth, &self.known, &self.registry.cancelled)?;
        if object.purged_sequence.is_some() {
            // Gone is as it should be. Sound bytes wait for the gc that was interrupted; others are nobody's.
            match faults.into_iter().find(plane::Fault::harms_bytes) {
                Some(plane::Fault::Missing) => {}
                None => notes.add("file(s) of purged objects, still there", address.to_string()),
                Some(fault @ plane::Fault::Misnamed { .. }) => {
                    report.faults.push(stray(&path, fault.name(), &fault));
                }
                Some(fault) => report.faults.push(stray(&path, "foreign", &fault)),
            }
            return Ok(());
        }
        for fault in faults {
            if objects::is_damage(fault.name()) && object.stored_sequence > report.head_sequence {
                anew.objects.insert(address.digest());
            }
            let (harms, more) = self.registry.harms_of_object(&self.tx, &self.tx, &object)?;
            let remedy = self.remedy(&object, &fault, &harms)?;
            let mut reported = fault_of(*address, &fault, harms, remedy);
            if more {
                reported.detail.push_str("; more paths than are named here");
            }
            report.faults.push(reported);
        }
        Ok(())
    }

    /// Says what would put an object right.
    fn remedy(&self, object: &ObjectRecord, fault: &plane::Fault, harms: &[Harm]) -> Result<Remedy, Error> {
        let path = layout::object_path(&object.digests.address());
        Ok(match fault {
            plane::Fault::WrongMode { .. } => Remedy::SetMode(path),
            // What is added again has the SHA-256 that it has.
            plane::Fault::SecondDigest { .. } => Remedy::Nothing,
            plane::Fault::Foreign { .. } | plane::Fault::Unrecorded | plane::Fault::Leftover => {
                Remedy::MoveAway(path)
            }
            plane::Fault::Missing
            | plane::Fault::Truncated { .. }
            | plane::Fault::Altered { .. }
            | plane::Fault::Misnamed { .. }
            | plane::Fault::NotAFile { .. }
            | plane::Fault::Unreadable { .. } => remedy_of_damage(self.registry, &self.tx, object, harms)?,
        })
    }

    fn path(&self, path: &Path, finding: &Finding, report: &mut VerifyReport, notes: &mut Notes) {
        if !self.is_there(path) {
            return;
        }
        if finding.fault.is_note() {
            notes.add(LEFTOVERS, path.display().to_string());
            return;
        }
        report.faults.push(stray(path, finding.fault.name(), &finding.fault));
    }

    /// Returns whether something is there; what cannot be looked at is.
    fn is_there(&self, path: &Path) -> bool {
        let stat = self.registry.disk.stat(path);
        !stat.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }
}

/// Says what would make the bytes of an object whole. A manifest or another payload is nobody's content: its bytes are
/// in the log, or can be written again from the views, or are nowhere else.
pub(super) fn remedy_of_damage(
    registry: &Registry,
    tx: &ReadTx<'_>,
    object: &ObjectRecord,
    harms: &[Harm],
) -> Result<Remedy, Error> {
    let is_payload = object.payload_sequence.is_some();
    Ok(if is_payload && registry.has_payload_elsewhere(tx, object)? {
        Remedy::Recover
    } else if is_payload && harms.iter().all(|harm| harm.path.is_none()) {
        Remedy::Backup(layout::object_path(&object.digests.address()))
    } else {
        Remedy::AddAgain
    })
}

/// Makes a fault about a file that no object should have.
fn stray(path: &Path, kind: &str, fault: &plane::Fault) -> Fault {
    let mut found = super::fault::stray(kind, path, fault.to_string());
    if matches!(fault, plane::Fault::Unreadable { .. }) {
        found.remedy = Remedy::SeeToDisk; // a directory of objects, perhaps
    }
    found
}

fn fault_of(address: ContentAddress, fault: &plane::Fault, harms: Vec<Harm>, remedy: Remedy) -> Fault {
    Fault {
        kind: fault.name().to_owned(),
        address: Some(address),
        subject: address.to_string(),
        detail: fault.to_string(),
        harms,
        remedy,
    }
}

/// Notes by what they are about; of many only the first are named.
#[derive(Debug, Default)]
struct Notes(BTreeMap<&'static str, (usize, Vec<String>)>);

impl Notes {
    fn add(&mut self, what: &'static str, name: String) {
        let (count, names) = self.0.entry(what).or_default();
        *count += 1;
        if names.len() < NAMED_MAX {
            names.push(name);
        }
    }

    fn lines(self, disk: &dyn Disk) -> impl Iterator<Item = String> {
        self.0.into_iter().map(move |(what, (count, names))| {
            let more = rest_in_words(count as u64, names.len());
            let frees = match what {
                LEFTOVERS => {
                    let bytes = staging::leftovers(disk).bytes;
                    format!(" ({bytes} bytes; a confirmed gc frees what is dead)")
                }
                _other => String::new(),
            };
            format!("{count} {what}{frees}: {}{more}", names.join(", "))
        })
    }
}

/// Every object that the log named up to `head` and that is not purged, ascending by primary digest. Each page is a
/// transaction of its own: a verify that takes hours must not keep the database from cleaning up behind its writers.
struct AllObjects<'d> {
    db: &'d Database,
    head: u64,
    page: std::vec::IntoIter<Digests>,
    last: Option<Blake3>,
    ended: bool,
}

impl<'d> AllObjects<'d> {
    /// Those after a key, or all.
    fn new(db: &'d Database, head: Head, after: Option<Blake3>) -> Self {
        Self { db, head: head.sequence, page: Vec::new().into_iter(), last: after, ended: false }
    }

    /// Returns how many bytes they have; only before the first of them was asked for.
    fn bytes(&mut self) -> Result<u64, DbError> {
        self.turn()?;
        if self.ended {
            let sizes = self.page.as_slice().iter().map(|object| object.size_bytes);
            return Ok(sizes.fold(0, u64::saturating_add));
        }
        Ok(objects::totals(&self.db.read()?)?.1)
    }

    fn turn(&mut self) -> Result<(), DbError> {
        let tx = self.db.read()?;
        if self.last.is_none()
            && let Some(all) = objects::few_digests(&tx, self.head, FEW_OBJECTS)?
        {
            self.ended = true;
            self.page = all.into_iter();
            return Ok(());
        }
        let page = objects::digests_by_key(&tx, self.last.as_ref(), self.head, PAGE_OBJECTS)?;
        self.ended = page.is_empty();
        self.last = page.last().map(|object| object.blake3);
        self.page = page.into_iter();
        Ok(())
    }
}

impl Iterator for AllObjects<'_> {
    type Item = Result<Digests, DbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.as_slice().is_empty()
            && !self.ended
            && let Err(error) = self.turn()
        {
            self.ended = true;
            return Some(Err(error));
        }
        self.page.next().map(Ok)
    }
}
