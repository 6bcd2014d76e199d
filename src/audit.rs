//! Who purged what, when and why: a view over the log, with no state of its own.
//!
//! What a gc says stands in the payload of its `v1.gc.started`, and what came of it in that of its
//! `v1.gc.completed`; `gc_runs` has the sums. Either payload may be an object, and that object may be damaged: then
//! the story has a gap, and who, when and under which plan is still told.

mod totals;

use std::fmt;

use crate::db::{DbError, ReadTx};
use crate::env::Timestamp;
use crate::events::{self, Decoded, Event, PayloadError, Payloads, Stored, decode};
use crate::identity::Blake3;
use crate::retention::Reason;
use crate::views::runs;

pub use totals::{LastPurge, Purges, PurgesOfActor, purges};

/// How an object was purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// The `v1.gc.started` that says so.
    pub sequence: u64,
    /// When that happened, as the clock read.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// The reason that was given.
    pub reason: Option<String>,
    /// The plan that was carried out.
    pub plan: String,
    /// Why it was in the plan: the name of a [`Reason`]. `None` where the event's payload cannot be read.
    pub why: Option<String>,
    /// Its size as the plan had it. `None` where the event's payload cannot be read.
    pub size_bytes: Option<u64>,
    /// What became of the file.
    pub outcome: Outcome,
}

/// What became of a purged object's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was deleted.
    Deleted,
    /// It was not there any more.
    WasMissing,
    /// It could not be deleted; the text says why.
    Failed(String),
    /// The gc did not come to its end: the next one goes on.
    Unfinished,
    /// The payload that would tell cannot be read.
    Untold,
}

impl Outcome {
    /// Returns the word that documents use.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::WasMissing => "was-missing",
            Self::Failed(_) => "failed",
            Self::Unfinished => "unfinished",
            Self::Untold => "untold",
        }
    }
}

impl fmt::Display for Purge {
    /// Writes who, when, by which event and plan, and why, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, at, actor, plan, .. } = self;
        write!(f, "by {actor} at {at} (event {sequence}, plan {plan})")?;
        if let Some(why) = &self.why {
            write!(f, ", since {}", because(why))?;
        }
        match &self.reason {
            Some(reason) => write!(f, ", with the reason {reason:?}"),
            None => f.write_str(", without a reason given"),
        }
    }
}

/// Says in words why an object was in a plan; what this build does not know stands for itself.
pub fn because(why: &str) -> &str {
    match Reason::ALL.into_iter().find(|reason| reason.name() == why) {
        Some(Reason::Removed) => "its package was removed",
        Some(Reason::Expired) => "its package had expired",
        Some(Reason::Stored) => "an add had stored it, and it was in no package",
        Some(Reason::Unrecorded) => "no event had named it",
        None => why,
    }
}

/// Tells how an object was purged by the `v1.gc.started` of this sequence. `None` where there is no such event.
///
/// # Errors
/// [`DbError::Sqlite`] where the database cannot be read.
pub fn purge(
    tx: &ReadTx<'_>,
    payloads: &dyn Payloads,
    address: &Blake3,
    sequence: u64,
) -> Result<Option<Purge>, DbError> {
    let Some(run) = runs::gc_round(tx, sequence)? else { return Ok(None) };
    let mut listed = None;
    if let Some(started) = events::event(tx, sequence)? {
        // Where the payload cannot be read, what it listed stays untold.
        read(&started, payloads, |event| {
            let Event::GcStarted { objects, .. } = event else { return Ok(()) };
            until(objects.each(|object| {
                if object.address == *address {
                    listed = Some((object.why, object.size_bytes));
                }
                // They ascend: behind it there is nothing to find.
                if object.address >= *address { Err(Stop::Here) } else { Ok(()) }
            }))
        });
    }
    let outcome = match run.completed_sequence {
        None => Outcome::Unfinished,
        Some(_) if run.odd_objects == 0 => Outcome::Deleted,
        Some(completed) => outcome(tx, payloads, address, completed)?,
    };
    let (why, size_bytes) = listed.unzip();
    Ok(Some(Purge {
        sequence,
        at: run.started_at,
        actor: run.actor,
        reason: run.reason,
        plan: run.plan,
        why,
        size_bytes,
        outcome,
    }))
}

/// Looks an object up among what a gc found missing or could not delete.
fn outcome(
    tx: &ReadTx<'_>,
    payloads: &dyn Payloads,
    address: &Blake3,
    completed: u64,
) -> Result<Outcome, DbError> {
    let Some(completed) = events::event(tx, completed)? else { return Ok(Outcome::Untold) };
    let mut outcome = Outcome::Deleted;
    let told = read(&completed, payloads, |event| {
        let Event::GcCompleted { missing, failed, .. } = event else { return Ok(()) };
        missing.each(|found| -> Result<(), PayloadError> {
            if found == *address {
                outcome = Outcome::WasMissing;
            }
            Ok(())
        })?;
        failed.each(|found| -> Result<(), PayloadError> {
            if found.address == *address {
                outcome = Outcome::Failed(found.error);
            }
            Ok(())
        })
    });
    Ok(if told { outcome } else { Outcome::Untold })
}

/// Hands what an event says to `tell`, and returns whether its payload could be read.
fn read(
    event: &Stored,
    payloads: &dyn Payloads,
    tell: impl FnOnce(Event<'_>) -> Result<(), PayloadError>,
) -> bool {
    let loaded;
    let payload = match &event.payload {
        Some(payload) => payload,
        None => match payloads.load(&event.record.payload_digest) {
            Ok(bytes) => {
                loaded = bytes;
                &loaded
            }
            Err(_) => return false,
        },
    };
    decode(&event.record, payload).is_ok_and(|Decoded { event, .. }| tell(event).is_ok())
}

/// Ends a list before its end.
enum Stop {
    /// What was looked for is found, or will not come.
    Here,
    /// An item is no item.
    Error(PayloadError),
}

impl From<PayloadError> for Stop {
    fn from(error: PayloadError) -> Self {
        Self::Error(error)
    }
}

fn until(read: Result<(), Stop>) -> Result<(), PayloadError> {
    match read {
        Ok(()) | Err(Stop::Here) => Ok(()),
        Err(Stop::Error(error)) => Err(error),
    }
}
