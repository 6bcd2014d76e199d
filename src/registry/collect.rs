//! `gc --confirm`: the plan is carried out. The only caller of [`Backend::delete`].
//!
//! Everything happens under the exclusive lock: nobody adds, pins or restores meanwhile. The order, and why no
//! crash can tell a lie: what goes is named by a `v1.gc.started` that is durable before the first unlink. From
//! then on the log calls it purged, whether its file still lies there or not; an add writes it anew. After the
//! last unlink the directories are made durable, and a `v1.gc.completed` says how it went. Where that is
//! missing, the next confirmed gc deletes what the log by then still calls purged, and writes it.

use uuid::Uuid;

use super::change::{Change, check_lock};
use super::open::no_room;
use super::plan::Planned;
use super::report::{ClockTrust, CollectReport, CollectRequest, Confirmed, PlanReport, Round};
use super::resolve::{Named, named, reference as spelled};
use super::text::check_text;
use super::{Access, Registry};
use crate::db::ReadTx;
use crate::env::Timestamp;
use crate::error::{Error, with_causes};
use crate::events::payload::{self, GcEnd, GcStart};
use crate::events::{self, EventType, Head, PurgedObject};
use crate::gc::{Candidate, PlanName};
use crate::identity::{Blake3, ContentAddress};
use crate::monitor::{Counter, Monitor, Problem, Task};
use crate::plane::threads::Meanwhile;
use crate::storage::{Backend as _, Deleted, Local};
use crate::views::{packages, reach, runs};

/// The most objects that one round names: it bounds the payload, and what a crash leaves to be done.
pub(super) const ROUND_OBJECTS_MAX: usize = 65_536;

/// The fewest, however full the disk is.
const ROUND_OBJECTS_MIN: usize = 64;

/// What one object of a round may cost in database, WAL and log before its bytes come back: a page of `objects`
/// and a page of `storage_locations` where no two objects share one, and its line in the event, twice.
const OBJECT_COST_BYTES: u64 = 10 * 1024;

/// How many events are named where a plan has changed.
const CHANGES_NAMED_MAX: usize = 5;

/// The events that can change which objects may go, or since when: to remove what had expired makes it young again.
const ROOTING: [EventType; 12] = [
    EventType::PackageRemoved,
    EventType::PackageCreated,
    EventType::ObjectsStored,
    EventType::EntriesAdded,
    EventType::PackageFinalized,
    EventType::PackageRestored,
    EventType::PackageImported,
    EventType::PinAdded,
    EventType::PinRemoved,
    EventType::RetentionChanged,
    EventType::GcStarted,
    EventType::ObjectHealed,
];

/// How many objects are handed to a thread together. A round of no more is deleted by the caller's own thread.
const UNLINKS_TOGETHER: usize = 1024;

impl Registry {
    /// Says what [`Registry::collect`] would carry out, and refuses what it would refuse. Changes nothing and takes
    /// no lock: for whoever asks a person first.
    ///
    /// # Errors
    /// As [`Registry::collect`].
    pub fn review(&self, request: &CollectRequest, monitor: &dyn Monitor) -> Result<PlanReport, Error> {
        Ok(self.confirm(request, monitor)?.0.report)
    }

    /// Carries a plan out. `on_plan` is shown it before anything is changed; what it returns ends the gc.
    ///
    /// Rounds that an earlier gc began are brought to their end first. An object that cannot be deleted is
    /// recorded and the rest go on. Where the caller's flag says to stop, the round at work is finished; if
    /// that was the last one, nothing is left to be stopped and all is as if nobody had asked. Else the answer is
    /// [`Error::Cancelled`]; what was done until then the monitor is told.
    ///
    /// # Errors
    /// [`Error::NotAlone`], [`Error::BadText`], [`Error::PlanChanged`], [`Error::PlanOfTheFuture`],
    /// [`Error::ClockDoubted`], [`Error::Unsure`]: then nothing was changed. What the system refuses: then the next gc
    /// goes on where this one ended.
    pub fn collect(
        &self,
        request: &CollectRequest,
        on_plan: &mut dyn FnMut(&PlanReport) -> Result<(), Error>,
        monitor: &dyn Monitor,
    ) -> Result<CollectReport, Error> {
        self.collect_telling(request, on_plan, &mut |_| {}, monitor)
    }

    /// The same; where it ends with an error after something was deleted, `on_end` gets the report of what was done.
    ///
    /// # Errors
    /// As [`Registry::collect`].
    pub fn collect_telling(
        &self,
        request: &CollectRequest,
        on_plan: &mut dyn FnMut(&PlanReport) -> Result<(), Error>,
        on_end: &mut dyn FnMut(CollectReport),
        monitor: &dyn Monitor,
    ) -> Result<CollectReport, Error> {
        if self.access != Access::Alone {
            return Err(Error::NotAlone);
        }
        let (planned, head) = self.confirm(request, monitor)?;
        on_plan(&planned.report)?;
        self.make_room();
        monitor.start(Task::Purging, Some(planned.report.plan.objects().len() as u64));
        let mut report = CollectReport::of(planned.report);
        let swept = self.sweep(request, &planned.expired, &planned.remains, head, &mut report, monitor);
        monitor.finish(Task::Purging);
        self.set_reserve_aside();
        match swept {
            Ok(()) => Ok(report),
            Err(error) => {
                // What was done stands, and whoever asked should hear of it though the gc ends with an error.
                let (objects, bytes) = report.freed();
                if objects > 0 {
                    monitor.problem(&Problem::GcEnded { objects, bytes, left: report.left() });
                    on_end(report);
                }
                Err(error)
            }
        }
    }

    /// Computes the plan and holds it against what was confirmed. Changes nothing. Returns with it the last event
    /// that it is computed from.
    fn confirm(&self, request: &CollectRequest, monitor: &dyn Monitor) -> Result<(Planned, Head), Error> {
        if let Some(reason) = &request.reason {
            check_text("reason", reason)?;
        }
        let now = self.env.now();
        let (instant, min_age) = match &request.confirmed {
            Confirmed::Exactly(name) if name.instant > now => {
                return Err(Error::PlanOfTheFuture { instant: name.instant, now });
            }
            Confirmed::Exactly(name) => (name.instant, name.min_age()),
            Confirmed::Whatever(request) => (now, request.min_age),
        };
        let tx = self.db.read()?;
        let head = events::head(&tx)?;
        let planned = self.planned(&tx, now, instant, min_age, monitor)?;
        if let (Some(doubt), ClockTrust::Doubted) = (planned.report.clock, request.clock) {
            return Err(Error::ClockDoubted { now: doubt.now, last_event: doubt.last_event });
        }
        if let Confirmed::Exactly(name) = &request.confirmed {
            let today = planned.report.plan.name();
            if today != *name {
                let what = what_changed(&tx, name)?;
                let plan = &planned.report.plan;
                let (objects, bytes) = (plan.objects().len() as u64, plan.bytes());
                return Err(Error::PlanChanged { what, now: today, objects, bytes });
            }
        }
        Ok((planned, head))
    }

    /// Ends what earlier gcs began, and goes through the plan in rounds. `report` tells at any moment what is done.
    fn sweep(
        &self,
        request: &CollectRequest,
        expired: &[(i64, Uuid)],
        remains: &[Blake3],
        mut head: Head,
        report: &mut CollectReport,
        monitor: &dyn Monitor,
    ) -> Result<(), Error> {
        for started in &report.plan.unfinished {
            self.check_cancelled()?;
            let (round, now) = self.resume(*started, head, monitor)?;
            report.resumed.push(round);
            head = now;
        }
        (report.remains_deleted, report.remains_failed) = self.delete_remains(remains)?;
        let objects = report.plan.plan.objects();
        let size = self.round_objects();
        let name = report.plan.plan.name().to_string();
        let gc = self.env.random_id().to_string();
        for (number, candidates) in objects.chunks(size).enumerate() {
            self.check_cancelled()?;
            if number > 0 {
                self.prepare_next_round(candidates.len(), monitor)?;
            }
            let losing = self.losing(expired, candidates)?;
            let start = GcStart {
                plan: &name,
                round: number as u64 + 1,
                rounds: objects.len().div_ceil(size) as u64,
                reason: request.reason.as_deref(),
                clock_accepted: report.plan.clock.is_some(),
                packages: &losing,
            };
            let (round, now) = self.round(&gc, &start, candidates, head, monitor)?;
            report.rounds.push(round);
            head = now;
        }
        // Nobody is asked after the last round: all that was confirmed is done, and who hears that it is not would
        // confirm it again.
        Ok(())
    }

    /// Sees to it between two rounds that the next one fits on the disk. A round that does not would leave a WAL that
    /// nobody can take in, and with it a store that nobody can open: so the gc ends while there is room.
    fn prepare_next_round(&self, objects: usize, monitor: &dyn Monitor) -> Result<(), Error> {
        let shrunk = self.take_in_wal()?;
        self.set_reserve_aside();
        if self.see_to_room(objects as u64 * OBJECT_COST_BYTES)? {
            return Ok(());
        }
        if !shrunk {
            monitor.problem(&Problem::Note(
                "somebody reads the store, and keeps the database from giving room back".to_owned(),
            ));
        }
        Err(no_room())
    }

    /// Returns the expired packages that lose one of these objects, ascending.
    fn losing(&self, expired: &[(i64, Uuid)], candidates: &[Candidate]) -> Result<Vec<Uuid>, Error> {
        if expired.is_empty() {
            return Ok(Vec::new());
        }
        let tx = self.db.read()?;
        let trees = reach::trees_of(&tx, candidates.iter().map(|candidate| &candidate.address))?;
        let mut losing: Vec<Uuid> =
            expired.iter().filter(|(tree, _)| trees.contains(tree)).map(|(_, id)| *id).collect();
        losing.sort_unstable(); // as bytes, which is as text; packages are made in another order
        Ok(losing)
    }

    /// Records the intent, deletes, and records how it went.
    fn round(
        &self,
        gc: &str,
        start: &GcStart<'_>,
        candidates: &[Candidate],
        head: Head,
        monitor: &dyn Monitor,
    ) -> Result<(Round, Head), Error> {
        let begun = self.env.now();
        let intent: Vec<PurgedObject> = candidates
            .iter()
            .map(|candidate| PurgedObject {
                address: candidate.address,
                size_bytes: candidate.size_bytes,
                why: candidate.reason.name().to_owned(),
            })
            .collect();
        let payload = self.prepare_payload(payload::gc_started(start, &intent))?;
        drop(intent);
        let mut change = Change::begin(self, monitor)?;
        change.expect_head(head)?;
        let started = change.append(EventType::GcStarted, gc, &payload)?;
        drop(payload);
        let head = change.commit()?;
        self.disk.point("intent recorded");
        let objects: Vec<_> =
            candidates.iter().map(|candidate| (candidate.address, candidate.size_bytes)).collect();
        self.carry_out(gc, started, &objects, begun, head, monitor)
    }

    /// Brings a round to its end that an earlier gc began: of its objects, what the log still calls purged is
    /// deleted.
    fn resume(&self, started: u64, head: Head, monitor: &dyn Monitor) -> Result<(Round, Head), Error> {
        let begun = self.env.now();
        let tx = self.db.read()?;
        let gc = runs::gc_id(&tx, started)?;
        // Not the event's own list: its payload may be damaged, and what was stored again since is in no way its.
        let still = reach::purged_by(&tx, started)?;
        drop(tx);
        self.carry_out(&gc, started, &still, begun, head, monitor)
    }

    /// Deletes objects that the log calls purged, and records how that went.
    fn carry_out(
        &self,
        gc: &str,
        started: u64,
        objects: &[(Blake3, u64)],
        begun: Timestamp,
        head: Head,
        monitor: &dyn Monitor,
    ) -> Result<(Round, Head), Error> {
        let outcome = delete_all(&self.local, objects, &self.alone(), monitor)?;
        self.disk.point("purged");
        self.local.sync()?;
        self.disk.point("purge durable");
        let failed: Vec<(Blake3, String)> = outcome.failed;
        let end = GcEnd {
            started,
            objects: outcome.objects,
            bytes: outcome.bytes,
            missing: &outcome.missing,
            failed: &failed,
            duration_micros: u64::try_from(self.env.now().as_micros().saturating_sub(begun.as_micros()))
                .unwrap_or(0),
        };
        let payload = self.prepare_payload(payload::gc_completed(&end))?;
        let mut change = Change::begin(self, monitor)?;
        change.expect_head(head)?;
        let completed = change.append(EventType::GcCompleted, gc, &payload)?;
        let head = change.commit()?;
        self.disk.point("completion recorded");
        let failed = failed.into_iter().map(|(address, why)| (ContentAddress::new(address), why)).collect();
        let missing = outcome.missing.len() as u64;
        let (objects, bytes) = (outcome.objects, outcome.bytes);
        Ok((Round { started, completed, objects, bytes, missing, failed }, head))
    }

    /// Returns a look at whether this gc still is alone: without its lock an add may be storing again just what is to
    /// be deleted. Between that look and the unlink nothing helps; whoever deletes a lock in use takes that upon him.
    /// That it is taken once for a directory that is held, and not for each of its files, makes that moment some
    /// microseconds longer for each of them, for [`HELD_FOR_MAX`](crate::storage::local::HELD_FOR_MAX) at most.
    fn alone(&self) -> impl Fn() -> Result<(), Error> + Sync + '_ {
        let (lock, disk) = (self.lock.as_ref(), self.disk.as_ref());
        move || lock.map_or(Ok(()), |lock| check_lock(lock, disk))
    }

    /// Deletes files of objects that were purged before and could not be deleted then. Their intent is in the
    /// log already.
    fn delete_remains(&self, remains: &[Blake3]) -> Result<(u64, Vec<(ContentAddress, String)>), Error> {
        let (mut deleted, mut failed) = (0, Vec::new());
        if remains.is_empty() {
            return Ok((deleted, failed));
        }
        let tx = self.db.read()?;
        for address in remains {
            if !is_purged(&tx, address)? {
                continue;
            }
            self.alone()()?;
            let address = ContentAddress::new(*address);
            match self.local.delete(&address) {
                Ok(Deleted::Gone) => deleted += 1,
                Ok(Deleted::WasMissing) => {} // a round that was resumed had it
                Err(error) => failed.push((address, with_causes(&error))),
            }
        }
        self.local.sync()?;
        Ok((deleted, failed))
    }

    /// Returns how many objects a round may have so that its events fit on the disk.
    fn round_objects(&self) -> usize {
        // Where nobody can tell, the disk counts as full: small rounds work everywhere.
        let room = self.disk.free_bytes().unwrap_or(0) / 2;
        let fits = usize::try_from(room / OBJECT_COST_BYTES).unwrap_or(usize::MAX);
        fits.clamp(ROUND_OBJECTS_MIN, ROUND_OBJECTS_MAX).min(self.round_objects)
    }
}

/// What became of objects that were to be deleted.
#[derive(Debug, Default)]
struct Outcome {
    objects: u64,
    bytes: u64,
    missing: Vec<Blake3>,
    failed: Vec<(Blake3, String)>,
}

/// Deletes objects, on several threads where there are many. An error of one is no reason to stop.
fn delete_all(
    local: &Local,
    objects: &[(Blake3, u64)],
    alone: &Alone<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let handfuls = objects.len().div_ceil(UNLINKS_TOGETHER);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(handfuls);
    if threads < 2 {
        return delete(local, objects, alone, monitor);
    }
    // Each thread has a stretch of its own: neighbours share a directory.
    let stretch = handfuls.div_ceil(threads) * UNLINKS_TOGETHER;
    let mut all = Outcome::default();
    std::thread::scope(|scope| -> Result<(), Error> {
        let work = |objects| Meanwhile::begin(scope, move || delete(local, objects, alone, monitor));
        let at_work: Vec<_> = objects.chunks(stretch).map(work).collect();
        for deleting in at_work {
            let outcome = deleting.end()?;
            all.objects += outcome.objects;
            all.bytes += outcome.bytes;
            all.missing.extend(outcome.missing);
            all.failed.extend(outcome.failed);
        }
        Ok(())
    })?;
    Ok(all)
}

/// Fails where the gc is not alone any more.
type Alone<'a> = dyn Fn() -> Result<(), Error> + Sync + 'a;

fn delete(
    local: &Local,
    objects: &[(Blake3, u64)],
    alone: &Alone<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for handful in objects.chunks(UNLINKS_TOGETHER) {
        let (objects_before, bytes_before) = (outcome.objects, outcome.bytes);
        let mut sizes = handful.iter().map(|(_, size_bytes)| size_bytes);
        local.delete_many(handful.iter().map(|(address, _)| address), alone, |address, deleted| {
            let size_bytes = sizes.next();
            match deleted {
                Ok(Deleted::Gone) => {
                    outcome.objects += 1;
                    outcome.bytes += size_bytes.copied().unwrap_or(0);
                }
                Ok(Deleted::WasMissing) => outcome.missing.push(*address),
                Err(error) => outcome.failed.push((*address, with_causes(&error))),
            }
        })?;
        monitor.count(Counter::ObjectsPurged, outcome.objects - objects_before);
        monitor.count(Counter::BytesPurged, outcome.bytes - bytes_before);
    }
    Ok(outcome)
}

/// Returns whether the log at its head calls an object purged.
fn is_purged(tx: &ReadTx<'_>, address: &Blake3) -> Result<bool, Error> {
    Ok(match named(tx, address)? {
        Some(Named::Object(object)) => object.purged_sequence.is_some(),
        Some(Named::Leftover(_)) => true,
        None => false,
    })
}

/// Says what is different from a plan of which no more is known than its name: the events since its instant that
/// bear on what may go.
fn what_changed(tx: &ReadTx<'_>, name: &PlanName) -> Result<String, Error> {
    let since = events::since(tx, name.instant, &ROOTING, CHANGES_NAMED_MAX + 1)?;
    let mut named = Vec::new();
    for line in since.iter().take(CHANGES_NAMED_MAX) {
        let subject = match line.subject_kind.as_str() {
            "package" => packages::by_subject(tx, &line.subject_id)?.map(|found| spelled(&found)),
            "pin" => Some(line.subject_id.clone()),
            _ => None,
        };
        let subject = subject.map_or(String::new(), |subject| format!(" {subject}"));
        named.push(format!("event {} ({}{subject})", line.sequence, line.event_type));
    }
    let begun = match runs::last_round_of(tx, &name.to_string())? {
        Some((event, false)) => {
            format!(
                "event {event} began to carry it out and came to no end, which any confirmed gc brings about; "
            )
        }
        Some((event, true)) => format!("event {event} began to carry it out, and that is done; "),
        None => String::new(),
    };
    let changes = match (named.is_empty(), since.len() > CHANGES_NAMED_MAX) {
        (true, _) => "no later event explains it, so files that no event names came or went, the clock was set back, or PLAN is mistyped or of another store".to_owned(),
        (false, true) => format!("since then: {} and more", named.join(", ")),
        (false, false) => format!("since then: {}", named.join(", ")),
    };
    Ok(format!("{begun}{changes}"))
}
