//! `explain`: the verdict on any digest, and what keeps its bytes alive.
//!
//! The log decides, and one look at the object's file. Only what the log calls stored can be lost, and only by what
//! the log says both before and after that look: a gc that ran meanwhile is no loss.

mod file;
mod uses;

use super::Registry;
use super::assured::Reading;
use super::report::{ExplainDepth, ExplainReport, ExplainRequest, ExplainTarget, Verdict};
use super::resolve::{Named, find_object, named, reference};
use crate::audit::Outcome;
use crate::db::ReadTx;
use crate::error::{Error, ErrorKind};
use crate::identity::{Algorithm, Blake3, ContentAddress, Digests, Sha256};
use crate::manifest::EntryBody;
use crate::monitor::Monitor;
use crate::plane::{self, WHOLE_BYTES_MAX};
use crate::storage::Backend as _;
use crate::views::{ObjectRecord, trees};

/// What is known of the bytes that are asked about before the log is asked.
#[derive(Clone, Copy, Debug, Default)]
struct Subject {
    address: Option<Blake3>,
    sha256: Option<Sha256>,
    size_bytes: Option<u64>,
}

impl Subject {
    const fn of(object: &ObjectRecord) -> Self {
        let Digests { blake3, sha256, size_bytes } = object.digests;
        Self { address: Some(blake3), sha256: Some(sha256), size_bytes: Some(size_bytes) }
    }
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
            let mut tx = self.db.read()?;
            let found = subject.address.map(|address| named(&tx, &address)).transpose()?.flatten();
            let object = match found {
                Some(Named::Object(object)) => object,
                Some(Named::Leftover(leftover)) => {
                    let mut report = blank(Verdict::Present, &subject);
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
            let mut report = blank(Verdict::Present, &Subject::of(&object));
            match object.purged_sequence {
                Some(sequence) => self.tell_purge(&tx, &object.digests.blake3, sequence, &mut report)?,
                None => self.tell_file(&object, request.depth, &mut report)?,
            }
            if report.verdict == Verdict::Lost {
                // A gc may have begun since the log was asked: only what it says now as well is so.
                drop(tx);
                tx = self.db.read()?;
                self.check_current(&tx)?;
                if named(&tx, &object.digests.blake3)? != Some(Named::Object(object.clone())) {
                    continue;
                }
                self.assured(&tx, "whether it is lost", reading)?;
            }
            uses::tell(&tx, &object, self.env.now(), request.paths_max, &mut report)?;
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

    /// Says who purged it, when and why, and whether its file is gone.
    fn tell_purge(
        &self,
        tx: &ReadTx<'_>,
        address: &Blake3,
        sequence: u64,
        report: &mut ExplainReport,
    ) -> Result<(), Error> {
        report.verdict = Verdict::Purged;
        let purge = report.purge.insert(self.purge_of(tx, address, sequence)?);
        match (self.has_file(Some(address)), &purge.outcome) {
            (true, _) => {
                report
                    .notes
                    .push("its file still lies there, and the next confirmed gc deletes it".to_owned());
            }
            // The event tells how that gc fared. To delete what is purged already needs no event of its own.
            (false, Outcome::Failed(_)) => {
                report
                    .notes
                    .push("its file is gone since: a later gc deleted what that one could not".to_owned());
            }
            (false, _) => {}
        }
        Ok(())
    }

    /// Returns whether anything stands under an object's name; what cannot be looked at does.
    fn has_file(&self, address: Option<&Blake3>) -> bool {
        address.is_some_and(|address| !matches!(self.local.head(&ContentAddress::new(*address)), Ok(None)))
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
        damage_on_record: None,
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
