//! One report of each kind, for tests of how it is rendered.

mod beside;
mod claims;
mod rendered;
mod verify;

use std::path::PathBuf;

use astore::env::Timestamp;
use astore::identity::{Blake3, ContentAddress, Digests};
use astore::manifest::{Entry, EntryBody, EntryPath, Labels, Mtime};
use astore::plane::HealedFrom;
use astore::registry::report::*;
use uuid::Uuid;

pub(crate) use beside::{attestation, attested, schema};
pub(crate) use claims::{claims, imported};
pub(crate) use rendered::rendered;
pub(crate) use verify::{part_verified, verified};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + second * 1_000_000 + 250)
}

pub(crate) fn path(bytes: &[u8]) -> EntryPath {
    EntryPath::new(bytes).unwrap()
}

pub(crate) fn finalized() -> PackageSummary {
    PackageSummary {
        id: Uuid::from_u128(0x0193_c2a4_7e1f_7000_8000_0000_0000_0001),
        name: "doc".parse().unwrap(),
        version: 2,
        status: PackageStatus::Finalized,
        created_at: at(0),
        created_by: "ann@box".into(),
        finalized_at: Some(at(1)),
        removed_at: None,
        manifest_digest: Some(Blake3::of(b"manifest")),
        content_digest: Some(Blake3::of(b"content")),
        entries: 5,
        files: 3,
        bytes: 1_234_567,
        class: "transient".into(),
        expires_at: Some(at(604_801)),
        hold: true,
        hold_reason: Some("case 4711\n".into()),
    }
}

pub(crate) fn open() -> PackageSummary {
    PackageSummary {
        id: Uuid::from_u128(0x0193_c2a4_7e1f_7000_8000_0000_0000_0002),
        name: "run".parse().unwrap(),
        version: 11,
        status: PackageStatus::Open,
        finalized_at: None,
        manifest_digest: None,
        content_digest: None,
        entries: 0,
        files: 0,
        bytes: 0,
        class: "permanent-record".into(),
        expires_at: None,
        hold: false,
        hold_reason: None,
        ..finalized()
    }
}

pub(crate) fn removed() -> PackageSummary {
    PackageSummary { version: 1, removed_at: Some(at(9)), hold: false, hold_reason: None, ..finalized() }
}

pub(crate) fn event() -> EventRow {
    EventRow {
        line: EventLine {
            sequence: 7,
            created_at: at(9),
            event_type: "v1.package.removed".into(),
            subject_kind: "package".into(),
            subject_id: finalized().id.to_string(),
            actor: "ann@box\n".into(),
        },
        package: Some("doc@1".into()),
        // {"reason": "wrong branch", "digest": h'00ff', "count": -2}
        payload: Some(b"\xa3\x66reason\x6cwrong branch\x66digest\x42\x00\xff\x65count\x21".to_vec()),
        payload_digest: Blake3::of(b"payload"),
        previous_digest: Blake3::of(b"previous"),
        digest: Blake3::of(b"digest"),
    }
}

pub(crate) fn detail() -> PackageDetail {
    PackageDetail {
        summary: removed(),
        objects: 2,
        object_bytes: 1_234_000,
        metadata: Labels::from([("commit".into(), "1a2b3c".into()), ("note".into(), "two\nlines".into())]),
        provenance: Labels::new(),
        removed_reason: Some("wrong branch".into()),
        manifest_size: Some(812),
        purged: vec![PurgedPart {
            sequence: 11,
            at: at(11),
            actor: "ann@box".into(),
            reason: Some("disk\nfull".into()),
            objects: 1,
            bytes: 2048,
        }],
        attestations: vec![attestation()],
        pins: pins().into_iter().map(|row| row.pin).collect(),
        events: vec![event().line],
    }
}

/// A pin on a removed package, and one on an object.
pub(crate) fn pins() -> Vec<PinRow> {
    let pin = |name: &str, target, reason: Option<&str>| Pin {
        name: name.to_owned(),
        target,
        reason: reason.map(Into::into),
        created_at: at(3),
        created_by: "ann@box\n".into(),
        sequence: 5,
    };
    let address = ContentAddress::new(Blake3::of(b"object"));
    vec![
        PinRow {
            pin: pin("golden", PinTarget::Package("doc@1".into()), Some("it\nruns")),
            objects: 2,
            bytes: 1_234_000,
            gone: Some(Reason::Removed),
        },
        PinRow { pin: pin("image", PinTarget::Object(address), None), objects: 1, bytes: 8, gone: None },
    ]
}

pub(crate) fn roots() -> Vec<Root> {
    let root = |by| Root { package: "doc@1".into(), by };
    let pins = pins().into_iter().map(|row| root(RootKind::Pin(row.pin)));
    pins.chain([root(RootKind::Hold { reason: "case\n4711".into() })]).collect()
}

pub(crate) fn unpinned() -> UnpinReport {
    let [row, other] = pins().try_into().unwrap();
    let other = Pin { target: row.pin.target.clone(), ..other.pin };
    UnpinReport { row, sequence: 9, others: vec![other], hold: Some("case\n4711".into()) }
}

pub(crate) fn retained() -> RetainReport {
    let pins = pins().into_iter().take(1).map(|row| row.pin).collect();
    RetainReport { package: finalized(), sequence: Some(9), gone: Some(Reason::Expired), pins }
}

pub(crate) fn entries() -> Vec<Entry> {
    let file = |name: &[u8], mode| Entry {
        path: path(name),
        body: EntryBody::File { mode, object: Digests::of(name) },
        mtime: None,
    };
    let symlink = |name: &[u8], target: &[u8]| Entry {
        path: path(name),
        body: EntryBody::Symlink { target: target.into() },
        mtime: Some(Mtime { seconds: -1, nanoseconds: 5 }),
    };
    vec![
        Entry { path: path(b"bin"), body: EntryBody::Directory { mode: 0o755 }, mtime: None },
        file(b"bin/tool", 0o4755),
        file(b"caf\xe9\n", 0o644),
        symlink(b"link", b"../\xff"),
    ]
}

pub(crate) fn differences() -> Vec<Difference> {
    let [directory, tool, odd, link] = entries().try_into().unwrap();
    let mut other = tool.clone();
    other.body = EntryBody::File { mode: 0o755, object: Digests::of(b"other") };
    let difference = |left: Option<Entry>, right: Option<Entry>| {
        let path = left.as_ref().or(right.as_ref()).unwrap().path.clone();
        Difference { path, left, right }
    };
    vec![
        difference(Some(directory), Some(Entry { path: path(b"bin"), ..link.clone() })),
        difference(Some(tool), Some(other)),
        difference(None, Some(odd)),
        difference(Some(link), None),
    ]
}

pub(crate) fn fault() -> Fault {
    let address = ContentAddress::new(Blake3::of(b"object"));
    Fault {
        kind: "truncated".into(),
        address: Some(address),
        subject: address.to_string(),
        detail: "expected 10 bytes, found 4".into(),
        harms: vec![
            Harm { package: "doc@2".into(), path: Some(path(b"caf\xe9\n")) },
            Harm { package: "run@11".into(), path: None },
        ],
        remedy: Remedy::AddAgain,
    }
}

pub(crate) fn explained() -> ExplainReport {
    let object = Digests::of(b"object");
    let pin = |name: &str, target, reason: Option<&str>| Pin {
        name: name.into(),
        target,
        reason: reason.map(str::to_owned),
        created_at: at(3),
        created_by: "ann@box".into(),
        sequence: 8,
    };
    let package = |version, gone, wanted| PackageUse {
        id: finalized().id,
        name: finalized().name,
        version,
        status: PackageStatus::Finalized,
        gone,
        expires_at: finalized().expires_at,
        wanted,
        pins: Vec::new(),
        hold: None,
        paths: vec![path(b"caf\xe9\n")],
        paths_total: 1,
    };
    let removed = Lost::Removed { sequence: 7, at: at(9), reason: "wrong\nbranch".into() };
    ExplainReport {
        verdict: Verdict::Present,
        address: Some(object.address()),
        sha256: Some(object.sha256),
        size_bytes: Some(2048),
        checked: Some(Checked::Bytes),
        lost: None,
        purge: None,
        first: Some(event().line),
        part_of_log: Some(PartOfLog { event: event().line, manifest_of: Some("run@11".into()) }),
        pins: vec![pin("keep", PinTarget::Object(object.address()), Some("a\nreason"))],
        packages: vec![
            PackageUse { paths_total: 23, ..package(2, None, Wanted::Present) },
            PackageUse {
                pins: vec![pin("golden", PinTarget::Package("doc@1".into()), None)],
                hold: Some("audit".into()),
                ..package(1, Some(removed), Wanted::Kept)
            },
        ],
        paths_total: 24,
        collectable: None,
        damage_on_record: Some(6),
        notes: vec!["a verify found it damaged (event 6); its file is whole now".into()],
    }
}

pub(crate) fn explained_purged() -> ExplainReport {
    let mut report = explained();
    report.packages.remove(0);
    report.packages[0].wanted = Wanted::Gone(Reason::Removed);
    report.packages[0].pins.clear();
    ExplainReport {
        verdict: Verdict::Purged,
        checked: None,
        purge: Some(Purge {
            sequence: 11,
            at: at(11),
            actor: "ann@box".into(),
            reason: Some("disk\nfull".into()),
            plan: "1800000000000000-86400-00ff".into(),
            why: Some("removed".into()),
            size_bytes: Some(2048),
            outcome: Outcome::Failed("busy".into()),
        }),
        part_of_log: None,
        pins: Vec::new(),
        paths_total: 1,
        collectable: None,
        notes: Vec::new(),
        ..report
    }
}

pub(crate) fn replayed() -> ReplayReport {
    ReplayReport {
        events: 7,
        skipped: vec![("v2.package.renamed".into(), 1)],
        view_digest: Blake3::of(b"after"),
        view_digest_before: Some(Blake3::of(b"before")),
        differing: vec!["objects".into()],
    }
}

pub(crate) fn recovered() -> RecoverReport {
    RecoverReport {
        head_sequence: 7,
        head_digest: Blake3::of(b"head"),
        only_in_log: 2,
        only_in_database: 1,
        log: LogMended::WrittenAgain {
            aside: "log.aside-1".into(),
            damage: "log/00000000000000000001.cborseq is damaged at byte 812, where event 4 should begin"
                .into(),
        },
        database_aside: Some("astore.db.aside-1".into()),
        database_fault: Some("the database: database disk image is malformed".into()),
        config_written: true,
        healed: vec![(ContentAddress::new(Blake3::of(b"manifest")), HealedFrom::Views)],
        left_out: vec![LeftOut {
            sequence: 5,
            event_type: "v1.package.finalized".into(),
            subject_id: Uuid::from_u128(5).to_string(),
            payload: ContentAddress::new(Blake3::of(b"lost")),
            why: "its object is missing".into(),
        }],
        skipped: vec![("v2.package.renamed".into(), 1)],
        view_digest: Blake3::of(b"after"),
    }
}

pub(crate) fn stats() -> StatsReport {
    StatsReport {
        store_id: Uuid::from_u128(1),
        root: PathBuf::from("/srv/astore"),
        events: 7,
        packages_open: 1,
        packages_finalized: 2,
        packages_removed: 3,
        objects: 4,
        object_bytes: 4096,
        logical_bytes: 12_288,
        purged_objects: 0,
        purges: Purges {
            runs: 2,
            objects: 3,
            freed_bytes: 4096,
            actors: vec![PurgesOfActor { actor: "ann@box".into(), runs: 2, objects: 3, freed_bytes: 4096 }],
            last: Some(LastPurge {
                sequence: 11,
                at: at(11),
                actor: "ann@box".into(),
                reason: Some("disk\nfull".into()),
            }),
        },
        overhead_bytes: 65_536,
        classes: vec![("permanent-record".into(), 1, 0), ("transient".into(), 2, 4096)],
        largest: vec![("doc@2".into(), 8192), ("run@11".into(), 4096)],
        months: vec![("2026-12".into(), 1, 4096), ("2027-01".into(), 2, 8192)],
    }
}

pub(crate) fn glance() -> Glance {
    Glance {
        packages_ever: 12,
        objects_ever: 345,
        at: at(99),
        looked_at: 3,
        present: 2,
        newest: Some(open()),
        open: vec!["run@11".into()],
        let_go: vec![("doc@1".into(), Reason::Removed)],
    }
}

pub(crate) fn health() -> HealthReport {
    HealthReport {
        store_id: Uuid::from_u128(1),
        root: PathBuf::from("/srv/astore"),
        head_sequence: 7,
        head_digest: Blake3::of(b"digest"),
        free_bytes: 1 << 30,
        writable: true,
        last_verify: Some(LastVerify { at: at(5), since: at(4), parts: 3, faults: 2 }),
        concerns: vec![Concern::DamagedObjects(2)],
        damage: true,
    }
}

pub(crate) fn added() -> AddReport {
    AddReport {
        package: finalized(),
        unchanged: false,
        files_hashed: 2,
        cache_hits: 1,
        objects_new: 2,
        bytes_new: 2048,
        healed: vec![ContentAddress::new(Blake3::of(b"object"))],
        skipped: vec![SkippedPath { path: PathBuf::from("doc/secret"), why: "Permission denied".into() }],
        excluded: 2,
        bag_notes: Vec::new(),
    }
}

pub(crate) fn candidates() -> Vec<Candidate> {
    let candidate = |content: &[u8], reason| Candidate {
        address: Blake3::of(content),
        size_bytes: content.len() as u64 * 1000,
        reason,
    };
    vec![candidate(b"four", Reason::Removed), candidate(b"three", Reason::Unrecorded)]
}

pub(crate) fn plan() -> PlanReport {
    PlanReport {
        plan: Plan::new(Uuid::from_u128(1), at(60), 86_400, candidates()),
        reasons: vec![(Reason::Removed, 1, 4000), (Reason::Unrecorded, 1, 5000)],
        packages: vec![
            LosingPackage {
                reference: "doc@1".into(),
                why: Lost::Removed { sequence: 7, at: at(9), reason: "wrong\nbranch".into() },
                objects: 1,
                bytes: 4000,
            },
            LosingPackage {
                reference: "run@11".into(),
                why: Lost::Expired { class: "transient".into(), at: at(50) },
                objects: 1,
                bytes: 4000,
            },
        ],
        kept: vec![
            Kept { by: Keeper::Pin("keep".into()), objects: 2, bytes: 2048 },
            Kept { by: Keeper::Hold("doc@2".into()), objects: 1, bytes: 1024 },
        ],
        kept_total: (2, 2048),
        leftovers: Leftovers { writers: 1, bytes: 5 << 20 },
        young: Some(Young { objects: 3, bytes: 3072, first: at(100), until: at(86_400) }),
        unfinished: vec![5],
        remains: 1,
        clock: Some(ClockDoubt { now: at(60), last_event: at(600) }),
    }
}

/// The plan of a store in which nothing was ever let go.
pub(crate) fn empty_plan() -> PlanReport {
    PlanReport {
        plan: Plan::new(Uuid::from_u128(1), at(60), 0, Vec::new()),
        reasons: Vec::new(),
        packages: Vec::new(),
        kept: Vec::new(),
        kept_total: (0, 0),
        leftovers: Leftovers::default(),
        young: None,
        unfinished: Vec::new(),
        remains: 0,
        clock: None,
    }
}

pub(crate) fn collected() -> CollectReport {
    let failed = (ContentAddress::new(Blake3::of(b"three")), "Operation not permitted".to_owned());
    CollectReport {
        plan: plan(),
        rounds: vec![Round {
            started: 9,
            completed: 10,
            objects: 1,
            bytes: 4000,
            missing: 0,
            failed: vec![failed],
        }],
        resumed: vec![Round {
            started: 5,
            completed: 8,
            objects: 1,
            bytes: 100,
            missing: 2,
            failed: Vec::new(),
        }],
        remains_deleted: 1,
        remains_failed: Vec::new(),
    }
}

pub(crate) fn without() -> WithoutReport {
    WithoutReport {
        packages: vec!["doc@2".into()],
        objects: candidates(),
        bytes: 9000,
        shared: (1, 10),
        kept: vec![Kept { by: Keeper::Pin("keep".into()), objects: 1, bytes: 10 }],
        gone: Vec::new(),
    }
}
