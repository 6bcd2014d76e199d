//! What `gc` is asked for and what it answers.

use std::time::Duration;

use crate::env::Timestamp;
use crate::gc::{Plan, PlanName};
use crate::identity::ContentAddress;
use crate::retention::Reason;
use crate::storage::Leftovers;

/// How long objects stay after they were let go, unless something else is asked for.
pub const DEFAULT_MIN_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The plan that is asked for.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// How long objects stay after they were last named or let go; whole seconds count.
    pub min_age: Duration,
}

impl Default for PlanRequest {
    fn default() -> Self {
        Self { min_age: DEFAULT_MIN_AGE }
    }
}

/// A plan, and the story of it.
#[derive(Clone, Debug)]
pub struct PlanReport {
    /// What may go.
    pub plan: Plan,
    /// How much of it for which reason: objects and bytes; reasons without any are left out.
    pub reasons: Vec<(Reason, u64, u64)>,
    /// The packages that lose objects, in the order in which they were made.
    pub packages: Vec<LosingPackage>,
    /// What only pins and holds keep: pins by name, then holds by package.
    pub kept: Vec<Kept>,
    /// Distinct objects, and their bytes, that only pins and holds keep.
    pub kept_total: (u64, u64),
    /// What only its age keeps.
    pub young: Option<Young>,
    /// The gc rounds that began and did not end, by the sequence of their start: a confirmed gc ends them.
    pub unfinished: Vec<u64>,
    /// How many files of purged objects still lie there: a confirmed gc deletes them.
    pub remains: u64,
    /// What stands in `tmp/`: a confirmed gc deletes what is no writer's at work. It is no part of the plan.
    pub leftovers: Leftovers,
    /// What is odd about the machine's clock: a confirmed gc refuses until it is accepted.
    pub clock: Option<ClockDoubt>,
}

/// A package that loses objects. An object of several packages counts in each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LosingPackage {
    /// The package, as `name@version`.
    pub reference: String,
    /// Why nothing of it is kept.
    pub why: Lost,
    /// How many objects it loses.
    pub objects: u64,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// Why a package keeps nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It was removed.
    Removed {
        /// By this event.
        sequence: u64,
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// It expired.
    Expired {
        /// Its class.
        class: String,
        /// When.
        at: Timestamp,
    },
}

/// A pin or a hold, and what only pins and holds keep of what it reaches. What several keep counts in each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub by: Keeper,
    /// How many objects.
    pub objects: u64,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// What keeps bytes that nothing else wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// A pin, by its name.
    Pin(String),
    /// The hold on a package, as `name@version`.
    Hold(String),
}

/// What only its age keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Young {
    /// How many objects.
    pub objects: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// When the first of them will be old enough.
    pub first: Timestamp,
    /// When the last of them will be old enough.
    pub until: Timestamp,
}

/// What is odd about the machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDoubt {
    /// What it reads.
    pub now: Timestamp,
    /// When, by the clock of that time, the log's last event happened.
    pub last_event: Timestamp,
}

/// What would come back if some packages were removed.
#[derive(Clone, Debug)]
pub struct WithoutReport {
    /// The packages, as `name@version`.
    pub packages: Vec<String>,
    /// The objects that would become candidates, ascending by address; their age is left aside.
    pub objects: Vec<crate::gc::Candidate>,
    /// The sum of their sizes.
    pub bytes: u64,
    /// The objects of these packages that stay, because others, pins or holds keep them: how many, and their bytes.
    pub shared: (u64, u64),
    /// The pins and holds that keep objects of them.
    pub kept: Vec<Kept>,
    /// Those of the packages that keep nothing by themselves any more, and why.
    pub gone: Vec<(String, Reason)>,
}

/// What `gc` is confirmed for.
#[derive(Clone, Debug)]
pub struct CollectRequest {
    /// Which plan.
    pub confirmed: Confirmed,
    /// Why; the log keeps it.
    pub reason: Option<String>,
    /// Whether a clock that looks wrong is believed.
    pub clock: ClockTrust,
}

/// Which plan is confirmed.
#[derive(Clone, Debug)]
pub enum Confirmed {
    /// Exactly this one, or nothing.
    Exactly(PlanName),
    /// Whatever the plan is by the time that nobody else can change it.
    Whatever(PlanRequest),
}

/// Whether a clock that looks wrong is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClockTrust {
    /// It is not: gc refuses.
    #[default]
    Doubted,
    /// It is, and the log says so.
    Accepted,
}

/// What a confirmed gc did.
#[derive(Clone, Debug)]
pub struct CollectReport {
    /// The plan that was carried out.
    pub plan: PlanReport,
    /// What became of its rounds, in order.
    pub rounds: Vec<Round>,
    /// Rounds of earlier gcs that were brought to their end first.
    pub resumed: Vec<Round>,
    /// Files of objects that were purged before, still there, and deleted now.
    pub remains_deleted: u64,
    /// Those of them that could not be deleted, and why.
    pub remains_failed: Vec<(ContentAddress, String)>,
}

impl CollectReport {
    /// Begins with a plan of which nothing is done yet.
    pub(crate) const fn of(plan: PlanReport) -> Self {
        Self { plan, rounds: Vec::new(), resumed: Vec::new(), remains_deleted: 0, remains_failed: Vec::new() }
    }

    /// Returns how many objects were deleted, resumed rounds included, and the sum of their sizes.
    pub fn freed(&self) -> (u64, u64) {
        let all = self.rounds.iter().chain(&self.resumed);
        all.fold((0, 0), |(objects, bytes), round| (objects + round.objects, bytes + round.bytes))
    }

    /// Returns how many objects of the plan were not reached.
    pub fn left(&self) -> u64 {
        let reached = |round: &Round| round.objects + round.missing + round.failed.len() as u64;
        let reached: u64 = self.rounds.iter().map(reached).sum();
        (self.plan.plan.objects().len() as u64).saturating_sub(reached)
    }

    /// Returns every object that is purged and could not be deleted, and why.
    pub fn failed(&self) -> impl Iterator<Item = &(ContentAddress, String)> {
        let rounds = self.rounds.iter().chain(&self.resumed).flat_map(|round| &round.failed);
        rounds.chain(&self.remains_failed)
    }
}

/// One round of a gc: an intent in the log, the deletions, and their record.
#[derive(Clone, Debug)]
pub struct Round {
    /// The event that began it.
    pub started: u64,
    /// The event that ended it.
    pub completed: u64,
    /// Objects deleted.
    pub objects: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// Objects whose files were missing already.
    pub missing: u64,
    /// Objects that could not be deleted, and why.
    pub failed: Vec<(ContentAddress, String)>,
}
