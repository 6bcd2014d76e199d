//! The document of `astore` without a command.

use astore::registry::report as r;
use serde::Serialize;

use super::{Head, LastVerify, RootText};
use crate::cli::output::concern;
use crate::cli::output::status::{self as told, Found, Step};

#[derive(Serialize)]
pub(crate) struct Status {
    #[serde(flatten)]
    root: RootText,
    root_from: &'static str,
    store_id: Option<String>,
    head: Option<Head>,
    packages_ever: Option<u64>,
    objects_ever: Option<u64>,
    looked_at: Option<u64>,
    newest: Option<String>,
    open: Vec<String>,
    let_go: Vec<LetGoText>,
    last_verify: Option<LastVerify>,
    free_bytes: Option<u64>,
    writable: Option<bool>,
    damage: Option<bool>,
    concerns: Vec<String>,
    next: Vec<StepText>,
}

#[derive(Serialize)]
struct LetGoText {
    reference: String,
    reason: &'static str,
}

#[derive(Serialize)]
struct StepText {
    command: String,
    why: String,
}

impl Status {
    pub(crate) fn of(status: &told::Status, next: &[Step]) -> Self {
        let glance = status.found.as_ref().map(|Found { glance, .. }| glance);
        let health = status.found.as_ref().map(|Found { health, .. }| health);
        let let_go = |(reference, reason): &(String, r::Reason)| LetGoText {
            reference: reference.clone(),
            reason: reason.name(),
        };
        let concerns = |health: &r::HealthReport| health.concerns.iter().map(concern::in_document).collect();
        let step = |step: &Step| StepText { command: step.command.clone(), why: step.why.clone() };
        Self {
            root: RootText::of(&status.root),
            root_from: status.said_by,
            store_id: health.map(|health| health.store_id.to_string()),
            head: health.map(|health| Head {
                sequence: health.head_sequence,
                digest: health.head_digest.to_string(),
            }),
            packages_ever: glance.map(|glance| glance.packages_ever),
            objects_ever: glance.map(|glance| glance.objects_ever),
            looked_at: glance.map(|glance| glance.looked_at),
            newest: glance.and_then(|glance| Some(glance.newest.as_ref()?.reference())),
            open: glance.map(|glance| glance.open.clone()).unwrap_or_default(),
            let_go: glance.map(|glance| glance.let_go.iter().map(let_go).collect()).unwrap_or_default(),
            last_verify: health.and_then(|health| health.last_verify).map(LastVerify::of),
            free_bytes: health.map(|health| health.free_bytes),
            writable: health.map(|health| health.writable),
            damage: health.map(|health| health.damage),
            concerns: health.map(concerns).unwrap_or_default(),
            next: next.iter().map(step).collect(),
        }
    }
}

#[cfg(test)]
pub(super) fn sample() -> Status {
    use crate::cli::asked::Asked;
    use crate::cli::output::samples;
    let found = Found { glance: samples::glance(), health: samples::health() };
    let status = told::Status {
        around: None,
        root: "/srv/astore".into(),
        said_by: "ASTORE_ROOT",
        made_by_add: false,
        found: Some(found),
    };
    let next = told::next(&status, Asked::default());
    Status::of(&status, &next)
}
