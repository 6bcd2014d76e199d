//! `verify`: what is on disk against what the log says, all of it, and the log against itself.
//!
//! Everything is looked at twice where anything is wrong: first without a lock, for as long as it takes, then,
//! under the shared lock and against the log as it stands by then, once more whatever was found. An add or a gc
//! that was running meanwhile is not damage. Only what is still wrong the second time is reported.
//!
//! Changes no object and no view; one event records the result.

mod chain;
mod debt;
mod fault;
mod files;
mod harm;
mod objects;
mod part;
mod past;
mod reads;
mod record;
mod unsettled;
mod views;

pub(super) use self::past::PastVerifies;
pub(super) use self::unsettled::Sought;

use std::sync::atomic::{AtomicBool, Ordering};

use self::chain::Chain;
use self::debt::Ends;
use self::objects::Scope;
use self::part::{KEYS, Turn};
use super::Registry;
use super::report::{Fault, Recorded, Remedy, VerifyDepth, VerifyReport, VerifyRequest};
use crate::db::{Database, DbError, ReadTx};
use crate::error::{Error, with_causes};
use crate::events::Head;
use crate::identity::Blake3;
use crate::monitor::{Monitor, Task};
use crate::plane::Scanned;
use crate::storage::{LockError, LockRequest, StoreLock, layout, reserve, root};
use crate::views::runs;

/// What a look at the log and the views found.
#[derive(Debug, Default)]
struct LogLook {
    events: u64,
    faults: Vec<Fault>,
    notes: Vec<String>,
}

impl LogLook {
    /// Takes a fault that is not there yet: what ends one file is met again at the beginning of the next.
    fn find(&mut self, fault: Fault) {
        let same = |known: &Fault| known.kind == fault.kind && known.subject == fault.subject;
        if !self.faults.iter().any(same) {
            self.faults.push(fault);
        }
    }
}

/// What a verify has to do.
#[derive(Clone, Copy)]
struct Job<'j> {
    request: &'j VerifyRequest,
    scope: &'j Scope,
    /// Where it begins, if it may end early.
    turn: Option<&'j Turn>,
    /// The last event when it began.
    head: Head,
    monitor: &'j dyn Monitor,
}

impl Job<'_> {
    /// Returns whether the views are compared with replay and every page of the database is looked at: that takes as
    /// long for a part of the objects as for all, so that only the first part of a pass does it.
    fn compares_views(&self) -> bool {
        *self.scope == Scope::Everything
            && self.request.depth != VerifyDepth::Quick
            && self.turn.is_none_or(Turn::begins)
    }

    /// Returns the keys that a scan has covered, where that is a range of them.
    fn range(&self, scanned_to: Option<Blake3>) -> Option<(Blake3, Blake3)> {
        match (self.scope, self.turn) {
            (Scope::Packages(_), _) => None,
            (Scope::Everything, None) => Some(KEYS),
            (Scope::Everything, Some(turn)) => scanned_to.map(|last| (turn.first(), last)),
        }
    }
}

impl Registry {
    /// Reads every object again, or with references only those of these packages, or with a budget or a sample those
    /// that come next, and the whole log, and tells all that is wrong.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::Ambiguous`], [`Error::Cancelled`]; [`Error::BadText`] for a budget, a sample or
    /// a maximum age together with references, and for a budget or a sample of a quick look. Damage is not an error,
    /// and neither is that the result cannot be recorded: both are in the report.
    pub fn verify(&self, request: &VerifyRequest, monitor: &dyn Monitor) -> Result<VerifyReport, Error> {
        let turn = self.turn(request)?;
        let scope = self.scope(request)?;
        let head = crate::events::head(&self.db.read()?)?;
        let job = Job { request, scope: &scope, turn: turn.as_ref(), head, monitor };
        let (log, scanned) = self.look_at_all(&job)?;
        self.conclude(&job, log, scanned)
    }

    /// Looks at the log and at the objects, beside each other: replay keeps one processor busy and asks nothing of the
    /// disk, the objects keep the disk busy and all processors that there are. Whoever asks for one thread gets one
    /// thing after the other.
    fn look_at_all(&self, job: &Job<'_>) -> Result<(LogLook, Scanned), Error> {
        let Job { request, scope, turn, head, monitor } = *job;
        if *scope != Scope::Everything || request.threads == Some(1) {
            let log = self.look_at_log(job)?;
            return Ok((log, self.scan(request, scope, turn, head, monitor)?));
        }
        let scan = self.scan_of_everything(request, turn, head)?;
        let (disk, cancelled, given_up) = (self.disk.as_ref(), &*self.cancelled, &AtomicBool::new(false));
        std::thread::scope(|threads| {
            let run = move || scan.run(disk, monitor, cancelled, given_up);
            let scanning = std::thread::Builder::new().spawn_scoped(threads, run);
            let log = self.look_at_log(job);
            if log.is_err() {
                // Then nothing can be reported, and to read for hours is of no use.
                given_up.store(true, Ordering::Relaxed);
            }
            let scanned = match scanning {
                Ok(scanning) => scanning.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                // The system has no thread to spare.
                Err(_) => self.scan(request, scope, turn, head, monitor),
            };
            Ok((log?, scanned?))
        })
    }

    /// Looks at everything but the objects: in one snapshot, so that a running add makes no difference.
    fn look_at_log(&self, job: &Job<'_>) -> Result<LogLook, Error> {
        let mut look = LogLook::default();
        let pages = if job.compares_views() { Some(self.db.again()?) } else { None };
        let (pages, beside) = if job.request.threads == Some(1) { (pages, None) } else { (None, pages) };
        let (looked, damage) = std::thread::scope(|threads| {
            // Beside the replay, which keeps one processor busy.
            let thread = std::thread::Builder::new;
            let damage = beside.map(|db| thread().spawn_scoped(threads, move || look_at_pages(&db)));
            let looked = self.look_at_snapshot(job, &mut look);
            (looked, damage.map(|started| started.map(std::thread::ScopedJoinHandle::join)))
        });
        let damage = match damage {
            None => pages.map(|db| Ok(look_at_pages(&db))),
            Some(Ok(joined)) => Some(joined),
            // The system has no thread to spare.
            Some(Err(_)) => Some(Ok(look_at_pages(&self.db.again()?))),
        };
        match looked {
            // The rest of the store is looked at all the same.
            Err(Error::Db(error)) if error.is_corrupt() => look.find(corrupt(error.to_string())),
            looked => looked?,
        }
        match damage {
            None | Some(Ok(Ok(None))) => {}
            Some(Ok(Ok(Some(damage)))) => look.find(corrupt(damage)),
            Some(Ok(Err(error))) if error.is_corrupt() => look.find(corrupt(error.to_string())),
            Some(Ok(Err(error))) => return Err(error.into()),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
        Ok(look)
    }

    fn look_at_snapshot(&self, job: &Job<'_>, look: &mut LogLook) -> Result<(), Error> {
        let monitor = job.monitor;
        let tx = self.db.read()?;
        let chain = self.check_chain(&tx)?;
        look.events = chain.events;
        look.faults.extend(check_head(&tx, job.request)?);
        look.faults.extend(chain.faults.iter().cloned());
        if *job.scope == Scope::Everything {
            self.check_root(&tx, &chain, look)?;
            self.check_files(&tx, &chain, look)?;
            for fault in look.faults.iter_mut().filter(|fault| fault.kind == "log") {
                self.find_harm_of_event(&tx, fault, &chain.repairs)?;
            }
            if job.compares_views() {
                monitor.start(Task::Replaying, Some(look.events));
                let checked = self.check_views(&tx, &chain, look, monitor);
                monitor.finish(Task::Replaying);
                checked?;
            }
            if !reserve::is_present(self.disk.as_ref()).unwrap_or(true) {
                look.notes.push("the reserve is missing".to_owned());
            }
            match runs::unfinished_gc(&tx) {
                Ok(rounds) => look.notes.extend(rounds.iter().map(|started| unfinished(*started))),
                Err(error) => look.find(views::unreadable(&error)),
            }
        }
        Ok(())
    }

    /// Checks that the root says of itself what the log says of it.
    fn check_root(&self, tx: &ReadTx<'_>, chain: &Chain, look: &mut LogLook) -> Result<(), Error> {
        let created = crate::events::event(tx, 1)?;
        let detail = match root::read_config(self.disk.as_ref()) {
            Ok(Some(config)) => match created {
                Some(event)
                    if !chain.is_broken(1) && event.record.subject_id != config.store_id.to_string() =>
                {
                    format!("expected the store {}, found {}", event.record.subject_id, config.store_id)
                }
                Some(_) | None => return Ok(()),
            },
            Ok(None) => "it is missing".to_owned(),
            Err(error) => with_causes(&Error::from(error)),
        };
        look.find(fault::about("root", layout::CONFIG.to_owned(), detail, Remedy::NewConfig));
        Ok(())
    }

    /// Looks once more at whatever is wrong, under the lock, and records the result.
    fn conclude(&self, job: &Job<'_>, mut log: LogLook, scanned: Scanned) -> Result<VerifyReport, Error> {
        let Job { request, scope, head, monitor, .. } = *job;
        let range = job.range(scanned.last);
        let suspicious = !log.faults.is_empty() || !scanned.findings.is_empty();
        let lock =
            if suspicious || request.record == Recorded::Yes { self.lock_to_conclude()? } else { Ok(None) };
        if self.private.is_some() {
            self.apply_tail()?;
        } else if !self.db.has_its_name()? {
            // Whoever works on says nothing to a database that was moved aside: what it calls missing may be purged.
            return Err(Error::DatabaseReplaced);
        }
        if !log.faults.is_empty() {
            log = self.look_at_log(job)?;
        }
        let mut report = VerifyReport {
            head_sequence: head.sequence,
            head_digest: head.digest,
            objects: scanned.objects,
            bytes: scanned.bytes,
            events: log.events,
            faults: log.faults,
            on_record: Vec::new(),
            notes: log.notes,
            recorded: Err(String::new()),
            part: None,
            overdue: None,
        };
        let anew = self.look_again(request, scanned.findings, &mut report)?;
        let covered = range.unwrap_or(KEYS);
        let told = self.tell_damage_on_record(request, scope, covered, &mut report);
        unless_corrupt(told, &mut report)?;
        let told = self.tell_unsettled(request, scope, covered, &mut report);
        unless_corrupt(told, &mut report)?;
        if let (Some(turn), Some((_, last))) = (job.turn, range) {
            let part = self.db.read().map_err(Error::from).and_then(|tx| turn.report(&tx, last, head));
            report.part = unless_corrupt(part, &mut report)?;
        }
        self.forget_damaged(&report);
        report.recorded = match (request.record, lock) {
            (Recorded::No, _) => Err("not asked for".to_owned()),
            (Recorded::Yes, Err(why)) => Err(why),
            (Recorded::Yes, Ok(lock)) => {
                match self.record(request, range, &report, &anew, lock.as_ref(), monitor) {
                    Ok(sequence) => Ok(sequence),
                    Err(Error::Cancelled) => return Err(Error::Cancelled),
                    Err(error) => Err(with_causes(&error)),
                }
            }
        };
        if report.recorded.is_err() {
            let forgets = self.private.is_none() && super::open::is_writable(&self.root);
            report.faults.iter_mut().for_each(|fault| unrecorded(fault, forgets));
        }
        // Whatever was recorded just now counts.
        if let Some(max_age) = request.max_age {
            // Nor may a signal hide from whoever sent it what the log has by now.
            let ends = if report.recorded.is_ok() { Ends::Last } else { Ends::WhenAsked };
            let overdue = self.overdue(max_age, ends);
            report.overdue = unless_corrupt(overdue, &mut report)?;
        }
        Ok(report)
    }

    /// Takes the shared lock where this registry does not hold it. The inner error says why it cannot be had:
    /// then what was found is looked at again without it, and nothing is recorded.
    fn lock_to_conclude(&self) -> Result<Result<Option<StoreLock>, String>, Error> {
        if self.lock.is_some() {
            return Ok(Ok(None));
        }
        if self.private.is_some() || !super::open::is_writable(&self.root) {
            return Ok(Err("the store cannot be written here".to_owned()));
        }
        let mut request = LockRequest {
            command: "verify",
            wait: self.wait,
            cancelled: &self.cancelled,
            on_wait: &mut |_| {},
        };
        match StoreLock::shared(&self.root, &mut request) {
            Ok(lock) => Ok(Ok(Some(lock))),
            Err(LockError::Cancelled) => Err(Error::Cancelled),
            Err(error) => Ok(Err(with_causes(&Error::from(error)))),
        }
    }
}

/// Checks that the log still holds the event that somebody wrote down.
fn check_head(tx: &ReadTx<'_>, request: &VerifyRequest) -> Result<Option<Fault>, Error> {
    let Some((sequence, expected)) = request.head else { return Ok(None) };
    let detail = match crate::events::stored_digest(tx, sequence)? {
        Some(found) if found == expected => return Ok(None),
        Some(found) => format!("expected {expected}, found {found}"),
        None => format!("expected {expected}, and there is no such event"),
    };
    Ok(Some(fault::fault("head", sequence, detail, Remedy::Nothing)))
}

/// Takes into account that no event tells of a fault. An `add` sees for itself whether an object is there and how
/// long it is, where the stat cache has forgotten it; of its bytes it knows what the log says.
fn unrecorded(fault: &mut Fault, cache_forgets: bool) {
    let shows = matches!(&*fault.kind, "missing" | "truncated" | "not-a-file");
    if fault.remedy == Remedy::AddAgain && !(shows && cache_forgets) {
        fault.remedy = Remedy::RecordThenAdd;
    }
}

/// Has SQLite look at the pages of the database: what stands in an index alone, no table tells, and questions about
/// one object would go wrong there.
fn look_at_pages(db: &Database) -> Result<Option<String>, DbError> {
    let damage = db.read()?.integrity(DAMAGE_LINES_MAX)?;
    Ok(if damage.is_empty() { None } else { Some(damage.join("; ")) })
}

/// Keeps what cannot be told where the database is damaged from hiding everything else.
fn unless_corrupt<T>(told: Result<T, Error>, report: &mut VerifyReport) -> Result<Option<T>, Error> {
    match told {
        Err(Error::Db(error)) if error.is_corrupt() => {
            let is_told = |fault: &Fault| matches!(&*fault.kind, "database" | "views");
            if !report.faults.iter().any(is_told) {
                report.faults.push(corrupt(error.to_string()));
            }
            Ok(None)
        }
        told => told.map(Some),
    }
}

fn corrupt(detail: String) -> Fault {
    fault::about("database", layout::DATABASE.to_owned(), detail, Remedy::Recover)
}

/// How many of the things that SQLite finds wrong are told.
const DAMAGE_LINES_MAX: u32 = 4;

fn unfinished(started: u64) -> String {
    format!("the gc that event {started} began is not finished")
}
