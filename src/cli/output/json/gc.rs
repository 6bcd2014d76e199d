//! The document of `gc`: a plan, what a confirmed one did, or what would be freed.

use astore::gc::Candidate;
use astore::identity::ContentAddress;
use astore::registry::report as r;
use serde::{Serialize, Serializer};

#[derive(Serialize)]
pub(crate) struct GcPlan<'r> {
    confirmed: bool,
    plan: String,
    instant: String,
    min_age_seconds: u64,
    #[serde(serialize_with = "candidates")]
    objects: &'r [Candidate],
    bytes: u64,
    reasons: Vec<ReasonText>,
    packages: Vec<LosingText<'r>>,
    kept: Vec<KeptText<'r>>,
    kept_objects: u64,
    kept_bytes: u64,
    young: Option<YoungText>,
    unfinished: &'r [u64],
    remains: u64,
    leftovers: LeftoversText,
    clock: Option<ClockText>,
}

#[derive(Serialize)]
struct LeftoversText {
    writers: u64,
    bytes: u64,
}

impl<'r> GcPlan<'r> {
    pub(crate) fn of(report: &'r r::PlanReport) -> Self {
        let name = report.plan.name();
        let reason = |&(reason, objects, bytes): &(astore::retention::Reason, u64, u64)| ReasonText {
            reason: reason.name(),
            objects,
            bytes,
        };
        Self {
            confirmed: false,
            plan: name.to_string(),
            instant: name.instant.to_string(),
            min_age_seconds: name.min_age_seconds,
            objects: report.plan.objects(),
            bytes: report.plan.bytes(),
            reasons: report.reasons.iter().map(reason).collect(),
            packages: report.packages.iter().map(LosingText::of).collect(),
            kept: report.kept.iter().map(KeptText::of).collect(),
            kept_objects: report.kept_total.0,
            kept_bytes: report.kept_total.1,
            young: report.young.as_ref().map(YoungText::of),
            unfinished: &report.unfinished,
            remains: report.remains,
            leftovers: LeftoversText { writers: report.leftovers.writers, bytes: report.leftovers.bytes },
            clock: report.clock.as_ref().map(ClockText::of),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct GcCollected<'r> {
    #[serde(flatten)]
    plan: GcPlan<'r>,
    rounds: Vec<RoundText>,
    resumed: Vec<RoundText>,
    freed: Amount,
    missing: u64,
    failed: Vec<FailedText<'r>>,
    remains_deleted: u64,
    left: u64,
}

impl<'r> GcCollected<'r> {
    pub(crate) fn of(report: &'r r::CollectReport) -> Self {
        let (objects, bytes) = report.freed();
        Self {
            plan: GcPlan { confirmed: true, ..GcPlan::of(&report.plan) },
            rounds: report.rounds.iter().map(RoundText::of).collect(),
            resumed: report.resumed.iter().map(RoundText::of).collect(),
            freed: Amount { objects, bytes },
            missing: report.rounds.iter().chain(&report.resumed).map(|round| round.missing).sum(),
            failed: report
                .failed()
                .map(|(address, why)| FailedText { address: address.to_string(), why })
                .collect(),
            remains_deleted: report.remains_deleted,
            left: report.left(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct GcWithout<'r> {
    confirmed: bool,
    plan: Option<String>,
    without: &'r [String],
    #[serde(serialize_with = "candidates")]
    objects: &'r [Candidate],
    bytes: u64,
    shared: Amount,
    kept: Vec<KeptText<'r>>,
}

impl<'r> GcWithout<'r> {
    pub(crate) fn of(report: &'r r::WithoutReport) -> Self {
        Self {
            confirmed: false,
            plan: None,
            without: &report.packages,
            objects: &report.objects,
            bytes: report.bytes,
            shared: Amount { objects: report.shared.0, bytes: report.shared.1 },
            kept: report.kept.iter().map(KeptText::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct CandidateText {
    address: ContentAddressText,
    size: u64,
    reason: &'static str,
}

/// An address that becomes text as it is written.
struct ContentAddressText(ContentAddress);

impl Serialize for ContentAddressText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Writes each as it comes: there may be a million, and the plan has them already.
fn candidates<S: Serializer>(objects: &[Candidate], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(objects.iter().map(|object| CandidateText {
        address: ContentAddressText(object.content_address()),
        size: object.size_bytes,
        reason: object.reason.name(),
    }))
}

#[derive(Serialize)]
struct Amount {
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ReasonText {
    reason: &'static str,
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct LosingText<'r> {
    reference: &'r str,
    reason: &'static str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_reason: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'r str>,
    objects: u64,
    bytes: u64,
}

impl<'r> LosingText<'r> {
    fn of(package: &'r r::LosingPackage) -> Self {
        let (reason, at, sequence, removed_reason, class) = match &package.why {
            r::Lost::Removed { sequence, at, reason } => {
                ("removed", at, Some(*sequence), Some(reason.as_str()), None)
            }
            r::Lost::Expired { class, at } => ("expired", at, None, None, Some(class.as_str())),
        };
        Self {
            reference: &package.reference,
            reason,
            at: at.to_string(),
            sequence,
            removed_reason,
            class,
            objects: package.objects,
            bytes: package.bytes,
        }
    }
}

#[derive(Serialize)]
struct KeptText<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<&'r str>,
    objects: u64,
    bytes: u64,
}

impl<'r> KeptText<'r> {
    fn of(kept: &'r r::Kept) -> Self {
        let (pin, hold) = match &kept.by {
            r::Keeper::Pin(name) => (Some(name.as_str()), None),
            r::Keeper::Hold(reference) => (None, Some(reference.as_str())),
        };
        Self { pin, hold, objects: kept.objects, bytes: kept.bytes }
    }
}

#[derive(Serialize)]
struct YoungText {
    objects: u64,
    bytes: u64,
    first: String,
    until: String,
}

impl YoungText {
    fn of(young: &r::Young) -> Self {
        Self {
            objects: young.objects,
            bytes: young.bytes,
            first: young.first.to_string(),
            until: young.until.to_string(),
        }
    }
}

#[derive(Serialize)]
struct ClockText {
    now: String,
    last_event: String,
}

impl ClockText {
    fn of(doubt: &r::ClockDoubt) -> Self {
        Self { now: doubt.now.to_string(), last_event: doubt.last_event.to_string() }
    }
}

#[derive(Serialize)]
struct RoundText {
    started: u64,
    completed: u64,
    freed_objects: u64,
    freed_bytes: u64,
    missing_objects: u64,
    failed_objects: u64,
}

impl RoundText {
    fn of(round: &r::Round) -> Self {
        Self {
            started: round.started,
            completed: round.completed,
            freed_objects: round.objects,
            freed_bytes: round.bytes,
            missing_objects: round.missing,
            failed_objects: round.failed.len() as u64,
        }
    }
}

#[derive(Serialize)]
struct FailedText<'r> {
    address: String,
    why: &'r str,
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::Value;

    use super::super::super::samples;
    use super::super::schema;
    use super::super::tests::document;
    use super::*;

    #[test]
    fn a_plan_and_what_became_of_it() {
        assert_snapshot!(document(schema::GC, GcPlan::of(&samples::plan())), @r#"
        {
          "bytes": 9000,
          "clock": {
            "last_event": "2027-01-15T08:10:00.000250Z",
            "now": "2027-01-15T08:01:00.000250Z"
          },
          "confirmed": false,
          "instant": "2027-01-15T08:01:00.000250Z",
          "kept": [
            {
              "bytes": 2048,
              "objects": 2,
              "pin": "keep"
            },
            {
              "bytes": 1024,
              "hold": "doc@2",
              "objects": 1
            }
          ],
          "kept_bytes": 2048,
          "kept_objects": 2,
          "leftovers": {
            "bytes": 5242880,
            "writers": 1
          },
          "min_age_seconds": 86400,
          "objects": [
            {
              "address": "blake3:37392008a949c4879f190a4ce54e354782bc88564a9534a882b3d42448f96168",
              "reason": "removed",
              "size": 4000
            },
            {
              "address": "blake3:dbec0e689fb63bd729147727129d854e9d590ab620a18bbbcb3317d268d6fd72",
              "reason": "unrecorded",
              "size": 5000
            }
          ],
          "packages": [
            {
              "at": "2027-01-15T08:00:09.000250Z",
              "bytes": 4000,
              "objects": 1,
              "reason": "removed",
              "reference": "doc@1",
              "removed_reason": "wrong\nbranch",
              "sequence": 7
            },
            {
              "at": "2027-01-15T08:00:50.000250Z",
              "bytes": 4000,
              "class": "transient",
              "objects": 1,
              "reason": "expired",
              "reference": "run@11"
            }
          ],
          "plan": "1800000060000250-86400-3b20e1e1361a4b2a28ad6bec3c296e7c8c0c6d795bc7a6f08bda60c09ecc5533",
          "reasons": [
            {
              "bytes": 4000,
              "objects": 1,
              "reason": "removed"
            },
            {
              "bytes": 5000,
              "objects": 1,
              "reason": "unrecorded"
            }
          ],
          "remains": 1,
          "schema": "astore/gc/v1",
          "unfinished": [
            5
          ],
          "young": {
            "bytes": 3072,
            "first": "2027-01-15T08:01:40.000250Z",
            "objects": 3,
            "until": "2027-01-16T08:00:00.000250Z"
          }
        }
        "#);
        let plan: Value = serde_json::from_str(&document(schema::GC, GcPlan::of(&samples::plan()))).unwrap();
        let mut collected: Value =
            serde_json::from_str(&document(schema::GC, GcCollected::of(&samples::collected()))).unwrap();
        let fields = collected.as_object_mut().unwrap();
        for (name, value) in plan.as_object().unwrap() {
            let found = fields.remove(name);
            assert!(found.as_ref() == Some(value) || name == "confirmed", "{name}: {found:?}");
        }
        assert_snapshot!(serde_json::to_string_pretty(&collected).unwrap(), @r#"
        {
          "failed": [
            {
              "address": "blake3:dbec0e689fb63bd729147727129d854e9d590ab620a18bbbcb3317d268d6fd72",
              "why": "Operation not permitted"
            }
          ],
          "freed": {
            "bytes": 4100,
            "objects": 2
          },
          "left": 0,
          "missing": 2,
          "remains_deleted": 1,
          "resumed": [
            {
              "completed": 8,
              "failed_objects": 0,
              "freed_bytes": 100,
              "freed_objects": 1,
              "missing_objects": 2,
              "started": 5
            }
          ],
          "rounds": [
            {
              "completed": 10,
              "failed_objects": 1,
              "freed_bytes": 4000,
              "freed_objects": 1,
              "missing_objects": 0,
              "started": 9
            }
          ]
        }
        "#);
        assert_snapshot!(document(schema::GC, GcWithout::of(&samples::without())), @r#"
        {
          "bytes": 9000,
          "confirmed": false,
          "kept": [
            {
              "bytes": 10,
              "objects": 1,
              "pin": "keep"
            }
          ],
          "objects": [
            {
              "address": "blake3:37392008a949c4879f190a4ce54e354782bc88564a9534a882b3d42448f96168",
              "reason": "removed",
              "size": 4000
            },
            {
              "address": "blake3:dbec0e689fb63bd729147727129d854e9d590ab620a18bbbcb3317d268d6fd72",
              "reason": "unrecorded",
              "size": 5000
            }
          ],
          "plan": null,
          "schema": "astore/gc/v1",
          "shared": {
            "bytes": 10,
            "objects": 1
          },
          "without": [
            "doc@2"
          ]
        }
        "#);
    }
}
