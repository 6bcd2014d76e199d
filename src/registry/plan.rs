//! The plan of a gc: what could go, why, and what keeps the rest. Changes nothing and takes no lock; a confirmed gc
//! computes it again under its own.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use uuid::Uuid;

use super::Registry;
use super::assured::Reading;
use super::claim::{claim, gone, lost};
use super::report::{
    ClockDoubt, Keeper, Kept, LosingPackage, Plan, PlanReport, PlanRequest, Reference, WithoutReport, Young,
};
use super::resolve::reference as spelled;
use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::error::Error;
use crate::events::{self, ChainFault};
use crate::gc::{Candidate, Keeping, PackageFacts, Roots, Sum, Survey, SurveyedObject};
use crate::identity::Blake3;
use crate::monitor::{Monitor, Problem, Task};
use crate::plane::threads::Meanwhile;
use crate::plane::{self, NamedObjects, UnrecordedFile};
use crate::retention::{Reason, Wanted, wanted};
use crate::storage::staging;
use crate::views::{PackageFilter, browse, objects, packages, pins, reach, runs};

/// How far the clock may be behind the log's last event before gc doubts it.
const CLOCK_BEHIND_MAX: Duration = Duration::from_secs(60);
/// How far it may be ahead of it: a month without any event, not even a verify's, is a long silence.
const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The longest age that a plan can be asked for, in seconds: the largest integer of canonical CBOR here.
pub(super) const MIN_AGE_SECONDS_MAX: u64 = (1 << 53) - 1;

/// A plan with what carrying it out needs.
pub(super) struct Planned {
    pub(super) report: PlanReport,
    /// The expired packages that lose something: the tree of each, and its id.
    pub(super) expired: Vec<(i64, Uuid)>,
    /// Purged objects whose files still lie there, as far as eight bytes of a digest tell.
    pub(super) remains: Vec<Blake3>,
}

impl Registry {
    /// Says what a gc would purge now, and why; what only pins, holds and the age keep; and the plan's name.
    ///
    /// # Errors
    /// [`Error::Unsure`] where the log holds what this build does not know, or a payload of a package that is not
    /// removed cannot be read; [`Error::BadText`] for an age beyond all measure; what the system refuses.
    pub fn plan(&self, request: &PlanRequest, monitor: &dyn Monitor) -> Result<PlanReport, Error> {
        let now = self.env.now();
        let tx = self.db.read()?;
        Ok(self.planned(&tx, now, now, request.min_age, monitor)?.report)
    }

    /// Says what would come back if some packages were removed. Ages are left aside.
    ///
    /// # Errors
    /// As [`Registry::plan`], and what names no package.
    pub fn plan_without(
        &self,
        references: &[Reference],
        monitor: &dyn Monitor,
    ) -> Result<WithoutReport, Error> {
        let tx = self.db.read()?;
        self.assured(&tx, "what may be purged", Reading::All)?;
        let (mut without, mut names) = (HashSet::new(), Vec::new());
        for reference in references {
            let package = self.resolve(&tx, reference)?;
            if without.insert(package.number) {
                names.push(spelled(&package));
            }
        }
        let now = self.env.now();
        let rooted = rooted(&tx)?;
        let mut facts: Vec<PackageFacts> = rooted.facts().cloned().collect();
        let (mut trees, mut already) = (HashSet::new(), Vec::new());
        for (package, facts) in rooted.packages.iter().zip(&mut facts) {
            if without.contains(&package.number) {
                already.extend(gone(&facts.claim, now).map(|why| (package.reference.clone(), why)));
                facts.claim.removed = true;
                trees.insert(facts.tree);
            }
        }
        let before = Roots::new(rooted.facts(), now);
        let after = Roots::new(&facts, now);
        let (mut found, mut shared, mut kept) = (Vec::new(), Sum::default(), HashMap::new());
        monitor.start(Task::Planning, None);
        let each = reach::each_object(&tx, |object, reached| {
            if object.is_payload || object.is_purged || !reached.iter().any(|tree| trees.contains(tree)) {
                return Ok(());
            }
            let surveyed = rooted.surveyed(object, reached);
            match (before.keeping(&surveyed), after.keeping(&surveyed)) {
                (Keeping::Nobody, _) => {}
                (_, Keeping::Nobody) => {
                    let (address, size_bytes) = (object.address, object.size_bytes);
                    let reason = Reason::Removed;
                    found.push(Candidate { address, size_bytes, reason });
                }
                (_, Keeping::Wanted) => shared.add(object.size_bytes),
                (_, Keeping::Kept(keepers)) => {
                    shared.add(object.size_bytes);
                    for keeper in keepers {
                        kept.entry(keeper).or_insert_with(Sum::default).add(object.size_bytes);
                    }
                }
            }
            self.check_cancelled()
        });
        monitor.finish(Task::Planning);
        each?;
        found.sort_unstable_by_key(|candidate| candidate.address);
        let mut kept: Vec<(usize, Sum)> = kept.into_iter().collect();
        kept.sort_unstable_by_key(|(keeper, _)| *keeper);
        Ok(WithoutReport {
            packages: names,
            bytes: found.iter().map(|candidate| candidate.size_bytes).sum(),
            objects: found,
            shared: (shared.objects, shared.bytes),
            kept: rooted.kept(&kept),
            gone: already,
        })
    }

    /// Computes the plan of an instant from one snapshot of the views, and from the objects' directories.
    pub(super) fn planned(
        &self,
        tx: &ReadTx<'_>,
        now: Timestamp,
        instant: Timestamp,
        min_age: Duration,
        monitor: &dyn Monitor,
    ) -> Result<Planned, Error> {
        if min_age.as_secs() > MIN_AGE_SECONDS_MAX {
            return Err(Error::BadText { what: "minimum age", problem: "is beyond all measure" });
        }
        let min_age = Duration::from_secs(min_age.as_secs());
        monitor.start(Task::Planning, None);
        let planned = self
            .assured(tx, "what may be purged", Reading::All)
            .and_then(|()| self.survey_all(tx, now, instant, min_age, monitor));
        monitor.finish(Task::Planning);
        planned
    }

    fn survey_all(
        &self,
        tx: &ReadTx<'_>,
        now: Timestamp,
        instant: Timestamp,
        min_age: Duration,
        monitor: &dyn Monitor,
    ) -> Result<Planned, Error> {
        let rooted = rooted(tx)?;
        let mut survey = Survey::new(Roots::new(rooted.facts(), instant), instant, min_age);
        let mut named = NamedObjects::default();
        let mut times: HashMap<u64, Timestamp> = HashMap::new();
        let mut time_of = |sequence: u64| -> Result<Timestamp, Error> {
            if let Some(time) = times.get(&sequence) {
                return Ok(*time);
            }
            let time = events::time_of(tx, sequence)?;
            times.insert(sequence, time);
            Ok(time)
        };
        let mut until_asked = 0_u32;
        let each = |object: &reach::ReachedObject, trees: &[i64]| {
            until_asked = until_asked.wrapping_add(1);
            if until_asked.is_multiple_of(4096) {
                self.check_cancelled()?;
            }
            if object.is_purged {
                named.purged(&object.address);
                return Ok(());
            }
            named.stored(&object.address);
            if object.is_payload {
                return Ok(());
            }
            survey.object(&rooted.surveyed(object, trees), &mut time_of)
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let files = self.listing_meanwhile(threads, || reach::each_object(tx, each));
        self.check_cancelled()?;
        let files = files?;
        for address in reach::purged_leftovers(tx)? {
            named.purged(&address);
        }
        let strays = plane::strays(self.disk.as_ref(), files, named, threads);
        for line in &strays.unreadable {
            monitor.problem(&Problem::Note(format!("left out of the plan: {line}")));
        }
        for file in self.still_unrecorded(strays.unrecorded)? {
            survey.unrecorded(file.address, file.size_bytes, file.changed_at);
        }
        let found = survey.finish();
        let is_expired = |number: &usize| {
            wanted(&rooted.packages[*number].facts.claim, instant) == Wanted::Gone(Reason::Expired)
        };
        let numbers = found.lost.iter().map(|(number, _)| *number);
        let packages = numbers.filter(is_expired).map(|number| &rooted.packages[number]);
        let expired = packages.map(|package| (package.facts.tree, package.id)).collect();
        let mut packages = Vec::new();
        for (number, sum) in &found.lost {
            packages.push(losing(tx, &rooted.packages[*number], instant, *sum)?);
        }
        let report = PlanReport {
            plan: Plan::new(self.config.store_id, instant, min_age.as_secs(), found.candidates),
            reasons: found.reasons.iter().map(|(reason, sum)| (*reason, sum.objects, sum.bytes)).collect(),
            packages,
            kept: rooted.kept(&found.kept),
            kept_total: (found.kept_total.objects, found.kept_total.bytes),
            young: found.young.map(|young| Young {
                objects: young.sum.objects,
                bytes: young.sum.bytes,
                first: young.first,
                until: young.until,
            }),
            unfinished: runs::unfinished_gc(tx)?,
            remains: strays.purged.len() as u64,
            leftovers: staging::leftovers(self.disk.as_ref()),
            clock: clock_doubt(tx, now)?,
        };
        Ok(Planned { report, expired, remains: strays.purged })
    }

    /// Lists the directories of the objects, and does something else meanwhile: to list them is most of a plan's time,
    /// and the views are read by one thread. What is listed may be newer than the snapshot in either case.
    fn listing_meanwhile(
        &self,
        threads: usize,
        meanwhile: impl FnOnce() -> Result<(), Error>,
    ) -> Result<plane::ObjectFiles, Error> {
        let (disk, cancelled) = (self.disk.as_ref(), &*self.cancelled);
        let list = || plane::object_files(disk, threads, cancelled);
        std::thread::scope(|scope| {
            let listing = Meanwhile::begin(scope, list);
            meanwhile()?;
            Ok(listing.end()?)
        })
    }

    /// Leaves out the files that an event has named since the snapshot was taken: an add's, which were no
    /// leftovers but on their way.
    fn still_unrecorded(&self, files: Vec<UnrecordedFile>) -> Result<Vec<UnrecordedFile>, Error> {
        if files.is_empty() {
            return Ok(files);
        }
        let again = self.db.again()?;
        let tx = again.read()?;
        let mut still = Vec::with_capacity(files.len());
        for file in files {
            if objects::find(&tx, &file.address).map_err(DbError::from)?.is_none() {
                still.push(file);
            }
        }
        Ok(still)
    }
}

/// Returns what is odd about a clock that reads `now`, if anything is.
fn clock_doubt(tx: &ReadTx<'_>, now: Timestamp) -> Result<Option<ClockDoubt>, Error> {
    let head = events::head(tx)?.sequence;
    if head == 0 {
        return Ok(None);
    }
    let last_event = events::time_of(tx, head)?;
    let ahead = i128::from(now.as_micros()) - i128::from(last_event.as_micros());
    let micros = |limit: Duration| i128::try_from(limit.as_micros()).unwrap_or(i128::MAX);
    let is_odd = ahead < -micros(CLOCK_BEHIND_MAX) || ahead > micros(CLOCK_AHEAD_MAX);
    Ok(is_odd.then_some(ClockDoubt { now, last_event }))
}

/// Everything that can keep an object, from one snapshot.
struct Rooted {
    packages: Vec<Root>,
    /// Pins by name, then holds in the order of the packages: the place is the keeper's number.
    keepers: Vec<Keeper>,
    /// The pins on single objects.
    pinned: HashMap<i64, Vec<usize>>,
}

/// A package as a root.
struct Root {
    number: i64,
    id: Uuid,
    reference: String,
    facts: PackageFacts,
}

impl Rooted {
    fn facts(&self) -> impl Iterator<Item = &PackageFacts> {
        self.packages.iter().map(|package| &package.facts)
    }

    fn surveyed<'a>(&'a self, object: &reach::ReachedObject, trees: &'a [i64]) -> SurveyedObject<'a> {
        SurveyedObject {
            address: object.address,
            size_bytes: object.size_bytes,
            since: object.since,
            trees,
            keepers: self.pinned.get(&object.number).map_or(&[], Vec::as_slice),
        }
    }

    fn kept(&self, sums: &[(usize, Sum)]) -> Vec<Kept> {
        let kept = sums.iter().map(|(keeper, sum)| Kept {
            by: self.keepers[*keeper].clone(),
            objects: sum.objects,
            bytes: sum.bytes,
        });
        kept.collect()
    }
}

/// Reads every package, pin and hold.
fn rooted(tx: &ReadTx<'_>) -> Result<Rooted, Error> {
    let mut keepers = Vec::new();
    let mut pinned: HashMap<i64, Vec<usize>> = HashMap::new();
    let mut on_packages: HashMap<i64, Vec<usize>> = HashMap::new();
    for pin in pins::all(tx)? {
        let number = keepers.len();
        keepers.push(Keeper::Pin(pin.name));
        match pin.target {
            pins::Target::Package(package) => on_packages.entry(package).or_default().push(number),
            pins::Target::Object(object) => pinned.entry(object).or_default().push(number),
        }
    }
    let mut packages = Vec::new();
    browse::each_package(tx, PackageFilter::All, None, |package| -> Result<(), Error> {
        let mut on = on_packages.remove(&package.number).unwrap_or_default();
        let claim = claim(&package, !on.is_empty());
        if package.hold {
            on.push(keepers.len());
            keepers.push(Keeper::Hold(spelled(&package)));
        }
        let since = package.changed_sequence.max(package.let_go_sequence.unwrap_or(0));
        packages.push(Root {
            number: package.number,
            id: package.id,
            reference: spelled(&package),
            facts: PackageFacts { tree: package.tree, claim, since, keepers: on },
        });
        Ok(())
    })?;
    Ok(Rooted { packages, keepers, pinned })
}

/// Tells why a package keeps nothing, and how much it loses.
fn losing(tx: &ReadTx<'_>, root: &Root, at: Timestamp, sum: Sum) -> Result<LosingPackage, Error> {
    // One snapshot said that the package keeps nothing: that it cannot say why is damage.
    let fault =
        || ChainFault { sequence: root.facts.since, what: "the views do not say why its package is gone" };
    let package = packages::by_number(tx, root.number)?.ok_or_else(fault)?;
    let why = lost(tx, &package, at)?.ok_or_else(fault)?;
    Ok(LosingPackage { reference: root.reference.clone(), why, objects: sum.objects, bytes: sum.bytes })
}
