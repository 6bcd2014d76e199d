//! The document of `explain`.

use astore::registry::report as r;
use serde::Serialize;

use super::PathText;
use super::event::EventHead;
use super::pins::PinText;
use super::purges::PurgeText;

#[derive(Serialize)]
struct LostText {
    kind: &'static str,
    detail: String,
}

#[derive(Serialize)]
struct PartText {
    manifest_of: Option<String>,
    event: EventHead,
}

/// Why a package is not there any more.
#[derive(Serialize)]
struct GoneText {
    reason: &'static str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
}

impl GoneText {
    fn of(gone: &r::Lost) -> Self {
        match gone {
            r::Lost::Removed { sequence, at, reason } => Self {
                reason: r::Reason::Removed.name(),
                at: at.to_string(),
                sequence: Some(*sequence),
                removed_reason: Some(reason.clone()),
                class: None,
            },
            r::Lost::Expired { class, at } => Self {
                reason: r::Reason::Expired.name(),
                at: at.to_string(),
                sequence: None,
                removed_reason: None,
                class: Some(class.clone()),
            },
        }
    }
}

#[derive(Serialize)]
struct UseText {
    reference: String,
    id: String,
    status: &'static str,
    keeps: bool,
    gone: Option<GoneText>,
    expires_at: Option<String>,
    pins: Vec<PinText>,
    hold: bool,
    hold_reason: Option<String>,
    paths: Vec<PathText>,
}

impl UseText {
    fn of(package: &r::PackageUse) -> Self {
        Self {
            reference: package.reference(),
            id: package.id.to_string(),
            status: package.status.name(),
            keeps: match package.wanted {
                r::Wanted::Present | r::Wanted::Kept => true,
                r::Wanted::Gone(_) => false,
            },
            gone: package.gone.as_ref().map(GoneText::of),
            expires_at: package.expires_at.map(|at| at.to_string()),
            pins: package.pins.iter().map(PinText::of).collect(),
            hold: package.hold.is_some(),
            hold_reason: package.hold.clone(),
            paths: package.paths.iter().map(|path| PathText::of(path.as_bytes())).collect(),
        }
    }
}

#[derive(Serialize)]
struct CollectableText {
    reason: &'static str,
    from: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Explain {
    verdict: &'static str,
    address: Option<String>,
    sha256: Option<String>,
    size: Option<u64>,
    checked: Option<&'static str>,
    fault: Option<LostText>,
    damage_on_record: Option<u64>,
    purge: Option<PurgeText>,
    first: Option<EventHead>,
    part_of_log: Option<PartText>,
    pins: Vec<PinText>,
    packages: Vec<UseText>,
    collectable: Option<CollectableText>,
    notes: Vec<String>,
}

impl Explain {
    pub(crate) fn of(report: &r::ExplainReport) -> Self {
        Self {
            verdict: report.verdict.name(),
            address: report.address.map(|address| address.to_string()),
            sha256: report.sha256.map(|digest| digest.to_string()),
            size: report.size_bytes,
            checked: report.checked.map(|checked| match checked {
                r::Checked::Bytes => "bytes",
                r::Checked::Size => "size",
            }),
            damage_on_record: report.damage_on_record,
            fault: report.lost.as_ref().map(|lost| LostText { kind: lost.kind, detail: lost.detail.clone() }),
            purge: report.purge.as_ref().map(PurgeText::of),
            first: report.first.as_ref().map(EventHead::of),
            part_of_log: report.part_of_log.as_ref().map(|part| PartText {
                manifest_of: part.manifest_of.clone(),
                event: EventHead::of(&part.event),
            }),
            pins: report.pins.iter().map(PinText::of).collect(),
            packages: report.packages.iter().map(UseText::of).collect(),
            collectable: report.collectable.map(|collectable| CollectableText {
                reason: collectable.reason.name(),
                from: collectable.from.map(|from| from.to_string()),
            }),
            notes: report.notes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::schema::EXPLAIN;
    use super::super::tests::document;
    use super::*;
    use crate::cli::output::samples;

    #[test]
    fn a_verdict() {
        assert_snapshot!(document(EXPLAIN, Explain::of(&samples::explained())), @r#"
        {
          "address": "blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede",
          "checked": "bytes",
          "collectable": null,
          "damage_on_record": 6,
          "fault": null,
          "first": {
            "actor": "ann@box\n",
            "created_at": "2027-01-15T08:00:09.000250Z",
            "event_type": "v1.package.removed",
            "sequence": 7,
            "subject_id": "0193c2a4-7e1f-7000-8000-000000000001",
            "subject_kind": "package"
          },
          "notes": [
            "a verify found it damaged (event 6); its file is whole now"
          ],
          "packages": [
            {
              "expires_at": "2027-01-22T08:00:01.000250Z",
              "gone": null,
              "hold": false,
              "hold_reason": null,
              "id": "0193c2a4-7e1f-7000-8000-000000000001",
              "keeps": true,
              "paths": [
                {
                  "path": "caf�\n",
                  "path_bytes": "636166e90a"
                }
              ],
              "pins": [],
              "reference": "doc@2",
              "status": "finalized"
            },
            {
              "expires_at": "2027-01-22T08:00:01.000250Z",
              "gone": {
                "at": "2027-01-15T08:00:09.000250Z",
                "reason": "removed",
                "removed_reason": "wrong\nbranch",
                "sequence": 7
              },
              "hold": true,
              "hold_reason": "audit",
              "id": "0193c2a4-7e1f-7000-8000-000000000001",
              "keeps": true,
              "paths": [
                {
                  "path": "caf�\n",
                  "path_bytes": "636166e90a"
                }
              ],
              "pins": [
                {
                  "created_at": "2027-01-15T08:00:03.000250Z",
                  "created_by": "ann@box",
                  "name": "golden",
                  "object": null,
                  "package": "doc@1",
                  "reason": null,
                  "sequence": 8
                }
              ],
              "reference": "doc@1",
              "status": "finalized"
            }
          ],
          "part_of_log": {
            "event": {
              "actor": "ann@box\n",
              "created_at": "2027-01-15T08:00:09.000250Z",
              "event_type": "v1.package.removed",
              "sequence": 7,
              "subject_id": "0193c2a4-7e1f-7000-8000-000000000001",
              "subject_kind": "package"
            },
            "manifest_of": "run@11"
          },
          "pins": [
            {
              "created_at": "2027-01-15T08:00:03.000250Z",
              "created_by": "ann@box",
              "name": "keep",
              "object": "blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede",
              "package": null,
              "reason": "a\nreason",
              "sequence": 8
            }
          ],
          "purge": null,
          "schema": "astore/explain/v1",
          "sha256": "2958d416d08aa5a472d7b509036cb7eafd542add84527e66a145ea64cb4cdc75",
          "size": 2048,
          "verdict": "present"
        }
        "#);
        assert_snapshot!(document(EXPLAIN, Explain::of(&samples::explained_purged())), @r#"
        {
          "address": "blake3:cb5335a6e2b17f868a138bcc188425d6433d6c2549969455ce3615fac1fb1ede",
          "checked": null,
          "collectable": null,
          "damage_on_record": 6,
          "fault": null,
          "first": {
            "actor": "ann@box\n",
            "created_at": "2027-01-15T08:00:09.000250Z",
            "event_type": "v1.package.removed",
            "sequence": 7,
            "subject_id": "0193c2a4-7e1f-7000-8000-000000000001",
            "subject_kind": "package"
          },
          "notes": [],
          "packages": [
            {
              "expires_at": "2027-01-22T08:00:01.000250Z",
              "gone": {
                "at": "2027-01-15T08:00:09.000250Z",
                "reason": "removed",
                "removed_reason": "wrong\nbranch",
                "sequence": 7
              },
              "hold": true,
              "hold_reason": "audit",
              "id": "0193c2a4-7e1f-7000-8000-000000000001",
              "keeps": false,
              "paths": [
                {
                  "path": "caf�\n",
                  "path_bytes": "636166e90a"
                }
              ],
              "pins": [],
              "reference": "doc@1",
              "status": "finalized"
            }
          ],
          "part_of_log": null,
          "pins": [],
          "purge": {
            "actor": "ann@box",
            "at": "2027-01-15T08:00:11.000250Z",
            "error": "busy",
            "outcome": "failed",
            "plan": "1800000000000000-86400-00ff",
            "reason": "disk\nfull",
            "sequence": 11,
            "why": "removed"
          },
          "schema": "astore/explain/v1",
          "sha256": "2958d416d08aa5a472d7b509036cb7eafd542add84527e66a145ea64cb4cdc75",
          "size": 2048,
          "verdict": "purged"
        }
        "#);
    }
}
