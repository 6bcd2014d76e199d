//! `explain`: the verdict on any digest, and what keeps its bytes alive.
//!
//! The log decides, and one look at the object's file. Only what the log calls stored can be lost, and only by what
//! the log says both before and after that look: a gc that ran meanwhile is no loss.

use std::collections::HashMap;

use super::Registry;
use super::assured::Reading;
use super::claim::claim;
use super::known::KnownObjects;
use super::pin::pinned;
use super::query::event_line;
use super::report::{
    Checked, Collectable, DEFAULT_MIN_AGE, ExplainDepth, ExplainReport, ExplainRequest, ExplainTarget, Lost,
    LostBytes, PackageStatus, PackageUse, PartOfLog, PinTarget, Verdict,
};
use super::resolve::{Named, find_object, named, reference};
use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::error::{Error, ErrorKind, with_causes};
use crate::events::{self, EventType};
use crate::identity::{Algorithm, Blake3, ContentAddress, Sha256};
use crate::manifest::{EntryBody, EntryPath};
use crate::monitor::Monitor;
use crate::plane::{self, Depth, Fault, WHOLE_BYTES_MAX};
use crate::retention::{Fate, ObjectFacts, Reason, Wanted, fate, wanted};
use crate::storage::Backend as _;
use crate::views::pins::{self, PinRecord, Target};
use crate::views::{ObjectRecord, PackageRow, browse, objects, packages, trees};

/// What is known of the bytes that are asked about before the log is asked.
#[derive(Clone, Copy, Debug, Default)]
struct Subject {
    address: Option<Blake3>,
    sha256: Option<Sha256>,
    size_bytes: Option<u64>,
}

/// What a look at an object's file found.
#[derive(Debug)]
struct Look {
    checked: Option<Checked>,
    lost: Option<LostBytes>,
    note: Option<String>,
}

impl Registry {
    /// Gives the verdict on an object, a file anywhere, or a path of a package, and tells what keeps the object.
    ///
    /// # Errors
    /// [`Error::Unsure`] where the verdict would be that it is lost or unknown while the log holds what this build
    /// does not know, or a payload of a package that is not removed cannot be read; [`Error::AmbiguousObject`],
    /// [`Error::Ingest`] where the file cannot be read; what names no path of a package.
    pub fn explain(&self, request: &ExplainRequest, monitor: &dyn Monitor) -> Result<ExplainReport, Error> {
        let reading = match request.depth {
            ExplainDepth::Short => Reading::UpTo(WHOLE_BYTES_MAX),
            ExplainDepth::Whole => Reading::All,
        };
        let subject = match self.subject(&request.target, monitor) {
            // That there is no such package, too, is something that only a log can say that is understood.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.assured(&self.db.read()?, "what it means", reading)?;
                return Err(error);
            }
            subject => subject?,
        };
        loop {
            let tx = self.db.read()?;
            let found = subject.address.map(|address| named(&tx, &address)).transpose()?.flatten();
            let object = match found {
                Some(Named::Object(object)) => object,
                Some(Named::Leftover(leftover)) => {
                    let mut report = blank(Verdict::Purged, &subject);
                    report.size_bytes = Some(leftover.size_bytes);
                    self.tell_purge(&tx, &leftover.address, leftover.purged_sequence, &mut report)?;
                    return Ok(report);
                }
                None => {
                    self.check_current(&tx)?;
                    self.assured(&tx, "whether the log ever named it", reading)?;
                    return Ok(self.unknown(&subject));
                }
            };
            let mut report = blank(Verdict::Present, &subject);
            report.address = Some(object.digests.address());
            report.sha256 = Some(object.digests.sha256);
            report.size_bytes = Some(object.digests.size_bytes);
            if let Some(sequence) = object.purged_sequence {
                report.verdict = Verdict::Purged;
                self.tell_purge(&tx, &object.digests.blake3, sequence, &mut report)?;
                self.tell_uses(&tx, &object, request, &mut report)?;
                return Ok(report);
            }
            let look = self.look_at(&object, request.depth)?;
            report.checked = look.checked;
            report.notes.extend(look.note);
            if look.lost.is_none() {
                report.notes.extend(object.damaged_sequence.map(|sequence| {
                    format!("a verify found it damaged (event {sequence}); its file is whole now")
                }));
                self.tell_uses(&tx, &object, request, &mut report)?;
                return Ok(report);
            }
            // A gc may have begun since the log was asked: only what it says now as well is so.
            drop(tx);
            let tx = self.db.read()?;
            self.check_current(&tx)?;
            if named(&tx, &object.digests.blake3)? != Some(Named::Object(object.clone())) {
                continue;
            }
            self.assured(&tx, "whether it is lost", reading)?;
            report.verdict = Verdict::Lost;
            report.lost = look.lost;
            report.notes.extend(
                object
                    .damaged_sequence
                    .map(|sequence| format!("a verify found it damaged already (event {sequence})")),
            );
            self.tell_uses(&tx, &object, request, &mut report)?;
            return Ok(report);
        }
    }

    /// Finds out which bytes are meant.
    fn subject(&self, target: &ExplainTarget, monitor: &dyn Monitor) -> Result<Subject, Error> {
        match target {
            ExplainTarget::File(path) => {
                let digests = plane::digests_of(path, monitor, &self.cancelled)?;
                Ok(Subject {
                    address: Some(digests.blake3),
                    sha256: Some(digests.sha256),
                    size_bytes: Some(digests.size_bytes),
                })
            }
            ExplainTarget::Object(prefix) => {
                let found = find_object(&self.db.read()?, prefix)?;
                let whole = prefix.is_whole().then(|| prefix.bounds().0);
                Ok(match (found, prefix.algorithm(), whole) {
                    (Some(found), _, _) => Subject { address: Some(found.address()), ..Subject::default() },
                    (None, Algorithm::Blake3, Some(whole)) => {
                        Subject { address: Some(Blake3::from_bytes(whole)), ..Subject::default() }
                    }
                    (None, Algorithm::Sha256, Some(whole)) => {
                        Subject { sha256: Some(Sha256::from_bytes(whole)), ..Subject::default() }
                    }
                    (None, _, None) => Subject::default(),
                })
            }
            ExplainTarget::Path { reference: asked, path } => {
                let tx = self.db.read()?;
                let package = self.resolve(&tx, asked)?;
                let reference = reference(&package);
                let Some(entry) = trees::entry_at(&tx, package.tree, path.as_bytes())? else {
                    return Err(Error::NoSuchPath { reference, path: path.clone() });
                };
                let EntryBody::File { object, .. } = &entry.body else {
                    return Err(Error::NotAFile { reference, path: path.clone(), kind: entry.body.kind() });
                };
                Ok(Subject { address: Some(object.blake3), ..Subject::default() })
            }
        }
    }

    /// Says that the log never named it, and whether something lies under its name all the same.
    fn unknown(&self, subject: &Subject) -> ExplainReport {
        let mut report = blank(Verdict::Unknown, subject);
        if self.has_file(subject.address.as_ref()) {
            report.notes.push(
                "a file lies under its name, and no event names it: it is not trusted, and adding the same \
                 content writes it anew"
                    .to_owned(),
            );
        }
        report
    }

    fn tell_purge(
        &self,
        tx: &ReadTx<'_>,
        address: &Blake3,
        sequence: u64,
        report: &mut ExplainReport,
    ) -> Result<(), Error> {
        report.purge = Some(self.purge_of(tx, address, sequence)?);
        if self.has_file(Some(address)) {
            report.notes.push("its file still lies there, and the next confirmed gc deletes it".to_owned());
        }
        Ok(())
    }

    /// Returns whether anything stands under an object's name; what cannot be looked at does.
    fn has_file(&self, address: Option<&Blake3>) -> bool {
        address.is_some_and(|address| !matches!(self.local.head(&ContentAddress::new(*address)), Ok(None)))
    }

    /// Looks at an object's file.
    fn look_at(&self, object: &ObjectRecord, depth: ExplainDepth) -> Result<Look, Error> {
        // That the size is right says little of a file that was found altered.
        let is_read = depth == ExplainDepth::Whole
            || object.digests.size_bytes <= WHOLE_BYTES_MAX
            || object.damaged_sequence.is_some();
        let (depth, checked) =
            if is_read { (Depth::Primary, Checked::Bytes) } else { (Depth::Quick, Checked::Size) };
        let known = KnownObjects::new(self.db.again()?);
        let disk = self.disk.as_ref();
        let mut faults = plane::look(disk, &object.digests, depth, &known, &self.cancelled)?;
        // To see the size takes no right to read.
        if !is_read && let Err(error) = self.local.open_object(&object.digests.address()) {
            faults.push(Fault::Unreadable { error: std::io::Error::other(with_causes(&error)) });
        }
        let harm = faults.iter().find(|fault| fault.harms_bytes());
        let is_nothing_there =
            matches!(harm, Some(Fault::Missing | Fault::NotAFile { .. } | Fault::Unreadable { .. }));
        Ok(Look {
            checked: (!is_nothing_there).then_some(checked),
            lost: harm.map(|fault| LostBytes { kind: fault.name(), detail: fault.to_string() }),
            note: faults
                .iter()
                .find(|fault| !fault.harms_bytes())
                .map(|fault| format!("its file is not as the store made it: {fault}")),
        })
    }

    /// Tells what names an object, what has it, and what keeps it.
    fn tell_uses(
        &self,
        tx: &ReadTx<'_>,
        object: &ObjectRecord,
        request: &ExplainRequest,
        report: &mut ExplainReport,
    ) -> Result<(), Error> {
        let now = self.env.now();
        report.first = events::event(tx, object.first_sequence)?.map(event_line);
        report.part_of_log = part_of_log(tx, object)?;
        let mut on_packages: HashMap<i64, Vec<PinRecord>> = HashMap::new();
        for pin in pins::all(tx)? {
            match pin.target {
                Target::Object(number) if number == object.number => {
                    let target = PinTarget::Object(object.digests.address());
                    report.pins.push(pinned(pin, target));
                }
                Target::Object(_) => {}
                Target::Package(number) => on_packages.entry(number).or_default().push(pin),
            }
        }
        let mut uses = Vec::new();
        let mut since = object.stored_sequence.max(object.let_go_sequence.unwrap_or(0));
        for (tree, paths) in objects::trees_with(tx, object.number)? {
            for package in browse::of_tree(tx, tree, u32::MAX)? {
                since = since.max(package.changed_sequence).max(package.let_go_sequence.unwrap_or(0));
                let pins = on_packages.remove(&package.number).unwrap_or_default();
                report.paths_total += paths;
                uses.push((tree, usage(package, pins, paths, now)));
            }
        }
        uses.sort_by(|(_, one), (_, other)| {
            let order = |package: &PackageUse| matches!(package.wanted, Wanted::Gone(_));
            (order(one), &one.name, one.version).cmp(&(order(other), &other.name, other.version))
        });
        let mut left = request.paths_max;
        for (tree, package) in &mut uses {
            let paths =
                if left == Some(0) { Vec::new() } else { objects::paths_in(tx, object.number, *tree, left)? };
            left = left.map(|left| left.saturating_sub(paths.len() as u64));
            package.paths = paths.into_iter().filter_map(|path| EntryPath::new(path).ok()).collect();
        }
        report.packages = uses.into_iter().map(|(_, package)| package).collect();
        if report.verdict == Verdict::Present && report.part_of_log.is_none() {
            report.collectable = collectable(report, events::time_of(tx, since)?, now);
        }
        Ok(())
    }
}

/// Begins a report with what is known of the bytes.
fn blank(verdict: Verdict, subject: &Subject) -> ExplainReport {
    ExplainReport {
        verdict,
        address: subject.address.map(ContentAddress::new),
        sha256: subject.sha256,
        size_bytes: subject.size_bytes,
        checked: None,
        lost: None,
        purge: None,
        first: None,
        part_of_log: None,
        pins: Vec::new(),
        packages: Vec::new(),
        paths_total: 0,
        collectable: None,
        notes: Vec::new(),
    }
}

/// Says what of the log an object is, if it is.
fn part_of_log(tx: &ReadTx<'_>, object: &ObjectRecord) -> Result<Option<PartOfLog>, DbError> {
    let Some(event) =
        object.payload_sequence.map(|sequence| events::event(tx, sequence)).transpose()?.flatten()
    else {
        return Ok(None);
    };
    // The payload of a finalising is the manifest itself; that of an import has it inside.
    let is_payload = event.record.payload_digest == object.digests.blake3;
    let is_manifest = match EventType::of(&event.record.event_type) {
        Some(EventType::PackageFinalized) => true,
        Some(EventType::PackageImported) => !is_payload,
        _other => false,
    };
    let package = if is_manifest { packages::by_subject(tx, &event.record.subject_id)? } else { None };
    Ok(Some(PartOfLog { manifest_of: package.as_ref().map(reference), event: event_line(event) }))
}

/// Says what a package does for an object that it has.
fn usage(package: PackageRow, pins: Vec<PinRecord>, paths_total: u64, now: Timestamp) -> PackageUse {
    let wanted = wanted(&claim(&package, !pins.is_empty()), now);
    let spelled = reference(&package);
    let has_expired = package.finalized
        && (package.expired_sequence.is_some() || package.expires_at.is_some_and(|at| at <= now));
    let gone = match (package.removed_sequence, package.removed_at) {
        (Some(sequence), Some(at)) => {
            Some(Lost::Removed { sequence, at, reason: package.removed_reason.unwrap_or_default() })
        }
        _ if has_expired => Some(Lost::Expired {
            class: package.class,
            at: package.expires_at.unwrap_or(Timestamp::from_micros(0)),
        }),
        _ => None,
    };
    PackageUse {
        id: package.id,
        name: package.name,
        version: package.version,
        status: if package.finalized { PackageStatus::Finalized } else { PackageStatus::Open },
        gone,
        expires_at: package.expires_at,
        wanted,
        pins: pins.into_iter().map(|pin| pinned(pin, PinTarget::Package(spelled.clone()))).collect(),
        hold: package.hold.then(|| package.hold_reason.unwrap_or_default()),
        paths: Vec::new(),
        paths_total,
    }
}

/// Says what a gc may do about an object that was last named or let go at an instant.
fn collectable(report: &ExplainReport, since: Timestamp, now: Timestamp) -> Option<Collectable> {
    let is = |wanted: fn(&Wanted) -> bool| report.packages.iter().any(|package| wanted(&package.wanted));
    let reasons = report.packages.iter().filter_map(|package| match package.wanted {
        Wanted::Gone(reason) => Some(reason),
        Wanted::Present | Wanted::Kept => None,
    });
    let reason = reasons.min().unwrap_or(Reason::Stored);
    let facts = ObjectFacts {
        wanted: is(|wanted| *wanted == Wanted::Present),
        kept: !report.pins.is_empty() || is(|wanted| *wanted == Wanted::Kept),
        reason,
        since,
    };
    match fate(&facts, now, DEFAULT_MIN_AGE) {
        Fate::Stays | Fate::Kept => None,
        Fate::Young(until) => Some(Collectable { reason, from: Some(until) }),
        Fate::Collectable(reason) => Some(Collectable { reason, from: None }),
    }
}
