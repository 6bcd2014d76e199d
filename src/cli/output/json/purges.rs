//! What is purged: of a store, of a package, and one object.

use astore::registry::report as r;
use serde::Serialize;

/// Who purged an object, when and why.
#[derive(Serialize)]
pub(super) struct PurgeText {
    sequence: u64,
    at: String,
    actor: String,
    reason: Option<String>,
    plan: String,
    why: Option<String>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl PurgeText {
    pub(super) fn of(purge: &r::Purge) -> Self {
        Self {
            sequence: purge.sequence,
            at: purge.at.to_string(),
            actor: purge.actor.clone(),
            reason: purge.reason.clone(),
            plan: purge.plan.clone(),
            why: purge.why.clone(),
            outcome: purge.outcome.name(),
            error: match &purge.outcome {
                r::Outcome::Failed(error) => Some(error.clone()),
                r::Outcome::Deleted
                | r::Outcome::WasMissing
                | r::Outcome::Unfinished
                | r::Outcome::Untold => None,
            },
        }
    }
}

/// All that was ever purged.
#[derive(Serialize)]
pub(super) struct PurgesText {
    runs: u64,
    objects: u64,
    freed_bytes: u64,
    actors: Vec<ActorText>,
    last: Option<LastText>,
}

#[derive(Serialize)]
struct ActorText {
    actor: String,
    runs: u64,
    objects: u64,
    freed_bytes: u64,
}

#[derive(Serialize)]
struct LastText {
    sequence: u64,
    at: String,
    actor: String,
    reason: Option<String>,
}

impl PurgesText {
    pub(super) fn of(purges: &r::Purges) -> Self {
        let actor = |of: &r::PurgesOfActor| ActorText {
            actor: of.actor.clone(),
            runs: of.runs,
            objects: of.objects,
            freed_bytes: of.freed_bytes,
        };
        Self {
            runs: purges.runs,
            objects: purges.objects,
            freed_bytes: purges.freed_bytes,
            actors: purges.actors.iter().map(actor).collect(),
            last: purges.last.as_ref().map(|last| LastText {
                sequence: last.sequence,
                at: last.at.to_string(),
                actor: last.actor.clone(),
                reason: last.reason.clone(),
            }),
        }
    }
}

/// What one gc round purged of a package.
#[derive(Serialize)]
pub(super) struct PurgedPartText {
    sequence: u64,
    at: String,
    actor: String,
    reason: Option<String>,
    objects: u64,
    bytes: u64,
}

impl PurgedPartText {
    pub(super) fn of(part: &r::PurgedPart) -> Self {
        Self {
            sequence: part.sequence,
            at: part.at.to_string(),
            actor: part.actor.clone(),
            reason: part.reason.clone(),
            objects: part.objects,
            bytes: part.bytes,
        }
    }
}
