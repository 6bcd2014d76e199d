//! A store is judged on its bad days. The operator wants `verify` to find whatever was done to it behind its
//! back, all of it in one run, and to name the packages and paths that suffer.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use astore::identity::{Blake3, ContentAddress};
use astore::monitor::{Counter, Monitor, Problem, Task, Void};
use astore::registry::report::{
    Completion, Fault, Recorded, Reference, VerifyDepth, VerifyReport, VerifyRequest,
};
use astore::registry::{Access, Registry};

use crate::support::store::{add, fast_dir, init, open, reference, tree};

/// A store of two finalised packages that share a file, and an open one.
struct Store {
    _dir: tempfile::TempDir,
    root: PathBuf,
    tree: PathBuf,
}

const SHARED: &[u8] = b"in both packages";
const ALONE: &[u8] = b"in one package only";

fn store() -> Store {
    let dir = fast_dir();
    let root = dir.path().join("store");
    init(&root);
    let first = tree(&dir.path().join("first"), &[("a/shared", SHARED), ("a/alone", ALONE), ("empty/", b"")]);
    let second = tree(&dir.path().join("second"), &[("shared", SHARED), ("other", b"something else")]);
    let registry = open(&root, Access::Write).expect("open");
    add(&registry, "first", &first, Completion::Finalize).expect("add");
    add(&registry, "second", &second, Completion::Finalize).expect("add");
    add(&registry, "draft", &second, Completion::LeaveOpen).expect("add");
    Store { _dir: dir, root, tree: first }
}

impl Store {
    fn object(&self, bytes: &[u8]) -> PathBuf {
        self.named(&Blake3::of(bytes).to_string())
    }

    fn named(&self, hex: &str) -> PathBuf {
        self.root.join("blake3").join(&hex[..2]).join(&hex[2..4]).join(hex)
    }

    fn database(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.root.join("astore.db")).expect("the database");
        db.execute_batch(sql).expect(sql);
    }

    fn log(&self) -> PathBuf {
        self.root.join("log/00000000000000000001.cborseq")
    }

    fn verify(&self, request: &VerifyRequest) -> VerifyReport {
        open(&self.root, Access::Read).expect("open").verify(request, &Void).expect("verify")
    }

    fn faults(&self) -> Vec<String> {
        self.verify(&VerifyRequest::default()).faults.iter().map(line).collect()
    }

    fn quick_faults(&self) -> Vec<String> {
        let quick = VerifyRequest { depth: VerifyDepth::Quick, ..VerifyRequest::default() };
        self.verify(&quick).faults.iter().map(line).collect()
    }
}

/// Spells a fault: its kind, its subject (an object as the bytes that it should hold), and its harms.
fn line(fault: &Fault) -> String {
    let subject = match fault.address {
        Some(address) => known(&address),
        None => fault.subject.clone(),
    };
    let harms: Vec<String> = fault
        .harms
        .iter()
        .map(|harm| match &harm.path {
            Some(path) => format!("{}:{}", harm.package, path.as_str().expect("text")),
            None => harm.package.clone(),
        })
        .collect();
    format!("{} {subject} [{}]", fault.kind, harms.join(" "))
}

fn known(address: &ContentAddress) -> String {
    for (name, bytes) in [("SHARED", SHARED), ("ALONE", ALONE), ("STRAY", STRAY)] {
        if Blake3::of(bytes) == address.digest() {
            return name.to_owned();
        }
    }
    "an object".to_owned()
}

const STRAY: &[u8] = b"nobody recorded this";
const IN_BOTH: &str = "[draft@1:shared first@1:a/shared second@1:shared]";

fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("bytes");
    change(&mut bytes);
    let mode = std::fs::metadata(path).expect("a file").permissions();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    std::fs::write(path, bytes).expect("written");
    std::fs::set_permissions(path, mode).expect("a mode");
}

#[test]
fn a_sound_store_is_found_sound_and_that_is_recorded() {
    let store = store();
    let report = store.verify(&VerifyRequest::default());
    assert_eq!((report.faults.len(), report.notes.len()), (0, 0), "{report:?}");
    assert_eq!(report.objects, 5, "three files and two manifests");
    assert_eq!(report.events, report.head_sequence);
    assert_eq!(report.recorded, Ok(report.head_sequence + 1));
    let health = open(&store.root, Access::Read).expect("open").health().expect("health");
    assert_eq!(health.last_verify.map(|last| last.faults), Some(0));
    assert_eq!(health.concerns, []);

    let unrecorded = VerifyRequest { record: Recorded::No, ..VerifyRequest::default() };
    assert!(store.verify(&unrecorded).recorded.is_err());
    let again = store.verify(&VerifyRequest::default());
    assert_eq!(again.head_sequence, report.head_sequence + 1, "only the first one left an event");
}

#[test]
fn what_is_done_to_an_object_is_found() {
    let shared = |what: &str| vec![format!("{what} SHARED {IN_BOTH}")];
    type Act = fn(&Store, &Path);
    let acts: [(&str, Act, bool); 8] = [
        ("missing", |_, path| std::fs::remove_file(path).expect("removed"), true),
        ("truncated", |_, path| rewrite(path, |bytes| bytes.truncate(3)), true),
        ("truncated", |_, path| rewrite(path, Vec::clear), true),
        ("altered", |_, path| rewrite(path, |bytes| bytes[0] ^= 1), false),
        ("altered", |_, path| rewrite(path, |bytes| bytes.push(0)), true),
        (
            "wrong-mode",
            |_, path| {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("a mode");
            },
            true,
        ),
        (
            "not-a-file",
            |_, path| {
                std::fs::remove_file(path).expect("removed");
                std::os::unix::fs::symlink("/etc/passwd", path).expect("a link");
            },
            true,
        ),
        (
            "misnamed",
            |store, path| {
                std::fs::remove_file(path).expect("removed");
                std::fs::copy(store.object(ALONE), path).expect("copied");
            },
            true,
        ),
    ];
    for (kind, act, quick_sees) in acts {
        let store = store();
        act(&store, &store.object(SHARED));
        let quick = store.quick_faults();
        // Without reading, another object's bytes are only bytes of another size.
        let without_reading = if kind == "misnamed" { "altered" } else { kind };
        let expected = if quick_sees { shared(without_reading) } else { Vec::new() };
        assert_eq!(quick, expected, "{kind}, quickly");
        assert_eq!(store.faults(), shared(kind), "{kind}");
    }
}

#[test]
fn what_has_no_business_among_the_objects_is_found() {
    let store = store();
    let stray = store.object(STRAY);
    let parent = stray.parent().expect("a parent");
    std::fs::create_dir_all(parent).expect("a shard");
    std::fs::write(parent.join("notes.txt"), "mine").expect("a file");
    std::fs::write(store.root.join("blake3/README"), "mine").expect("a file");
    std::fs::rename(store.object(ALONE), &stray).expect("renamed");
    let shard = parent.strip_prefix(&store.root).expect("beneath the root").display().to_string();
    assert_eq!(
        store.faults(),
        [
            "missing ALONE [first@1:a/alone]".to_owned(),
            format!("misnamed {} []", stray.strip_prefix(&store.root).expect("beneath the root").display()),
            "foreign blake3/README []".to_owned(),
            format!("foreign {shard}/notes.txt []"),
        ]
        .map(|line| line),
    );
}

#[test]
fn the_root_and_the_directory_of_the_log_are_looked_at_too() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    std::fs::write(store.root.join("log/notes.txt"), "mine").expect("a file");
    let config = std::fs::read_to_string(store.root.join("astore.toml")).expect("the description");
    let id = config.split('"').nth(1).expect("an id").to_owned();
    let other = id.replace(|digit: char| digit.is_ascii_digit() && digit != '4' && digit != '8', "7");
    std::fs::write(store.root.join("astore.toml"), config.replace(&id, &other)).expect("another's");
    let request = VerifyRequest { record: Recorded::No, ..VerifyRequest::default() };
    let report = registry.verify(&request, &Void).expect("verify");
    let faults: Vec<String> = report.faults.iter().map(line).collect();
    assert_eq!(faults, ["root astore.toml []", "foreign log/notes.txt []"]);
    // Who comes later does not even get in.
    let refused = open(&store.root, Access::Read).map(drop).expect_err("another's");
    assert!(matches!(refused, astore::Error::OtherStore { .. }), "{refused}");
}

#[test]
fn what_an_interrupted_writer_left_is_a_note() {
    let store = store();
    let stray = store.object(STRAY);
    std::fs::create_dir_all(stray.parent().expect("a parent")).expect("a shard");
    std::fs::write(&stray, STRAY).expect("an object that no event names");
    std::fs::create_dir(store.root.join("tmp/dead")).expect("a dead writer's directory");
    let report = store.verify(&VerifyRequest::default());
    assert_eq!(report.faults, []);
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    assert!(report.notes[0].starts_with("1 leftover(s)"), "{:?}", report.notes);
    assert!(report.notes[1].starts_with("1 unrecorded file(s)"), "{:?}", report.notes);

    for number in 0..7 {
        std::fs::create_dir(store.root.join(format!("tmp/dead-{number}")))
            .expect("a dead writer's directory");
    }
    let notes = store.verify(&VerifyRequest::default()).notes;
    assert!(notes[0].starts_with("8 leftover(s)"), "{notes:?}");
    assert!(notes[0].ends_with(": tmp/dead, tmp/dead-0, tmp/dead-1 and 5 more"), "a line to read: {notes:?}");
}

#[test]
fn a_damaged_manifest_harms_its_package_and_can_still_be_read() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    let manifest = registry.manifest(&reference("first")).expect("a manifest");
    rewrite(&store.named(&manifest.digest.to_string()), |bytes| bytes[20] ^= 1);
    assert_eq!(store.faults(), ["altered an object [first@1]"]);
    let again = registry.manifest(&reference("first")).expect("the copy in the log");
    assert_eq!(again.bytes, manifest.bytes);
}

#[test]
fn a_large_manifest_is_written_again_from_the_views() {
    let dir = fast_dir();
    let root = dir.path().join("store");
    init(&root);
    let many = dir.path().join("many");
    std::fs::create_dir(&many).expect("a directory");
    for number in 0..600 {
        std::fs::write(many.join(format!("file-{number}")), b"the same").expect("a file");
    }
    let registry = open(&root, Access::Write).expect("open");
    add(&registry, "many", &many, Completion::Finalize).expect("add");
    let manifest = registry.manifest(&reference("many")).expect("a manifest");
    assert!(manifest.bytes.len() > 65_536, "an object, and not in the event");
    drop(registry);
    let hex = manifest.digest.to_string();
    std::fs::remove_file(root.join("blake3").join(&hex[..2]).join(&hex[2..4]).join(&hex)).expect("removed");
    let registry = open(&root, Access::Read).expect("open");
    assert_eq!(registry.manifest(&reference("many")).expect("rewritten").bytes, manifest.bytes);
    let report = registry.verify(&VerifyRequest::default(), &Void).expect("verify");
    let lines: Vec<String> = report.faults.iter().map(line).collect();
    assert_eq!(lines, ["missing an object [many@1]"], "and the views were still compared");
    assert_eq!(report.notes, Vec::<String>::new());
}

#[test]
fn a_payload_object_that_no_view_knows_is_missed_all_the_same() {
    let dir = fast_dir();
    let root = dir.path().join("store");
    init(&root);
    let many = dir.path().join("many");
    std::fs::create_dir(&many).expect("a directory");
    for number in 0..700 {
        std::fs::write(many.join(format!("file-{number}")), b"the same").expect("a file");
    }
    let registry = open(&root, Access::Write).expect("open");
    add(&registry, "many", &many, Completion::LeaveOpen).expect("add");
    let shown = registry.show(&reference("many")).expect("show");
    let sequence = shown.events.last().expect("an event").sequence;
    drop(registry);
    let db = rusqlite::Connection::open(root.join("astore.db")).expect("the database");
    let payload: Vec<u8> = db
        .query_row("SELECT payload_digest FROM events WHERE sequence = ?1", [sequence.cast_signed()], |row| {
            row.get(0)
        })
        .expect("a digest");
    db.execute("DELETE FROM objects WHERE digest_primary = ?1", [&payload]).expect("deleted");
    let hex = Blake3::from_slice(&payload).expect("a digest").to_string();
    std::fs::remove_file(root.join("blake3").join(&hex[..2]).join(&hex[2..4]).join(&hex)).expect("removed");
    let registry = open(&root, Access::Read).expect("open");
    let report = registry.verify(&VerifyRequest::default(), &Void).expect("verify");
    let lines: Vec<String> = report.faults.iter().map(line).collect();
    assert_eq!(lines, ["payload event 3 [many@1]"]);
}

/// What is done to the event that made `second@1`, in SQL.
fn with_event_3(change: &str) -> Vec<String> {
    let store = store();
    store.database(&format!(
        "DROP TRIGGER events_are_never_updated; DROP TRIGGER events_are_never_deleted; {change}"
    ));
    store.faults()
}

#[test]
fn what_is_done_to_an_event_is_found() {
    let payload = "UPDATE events SET payload = x'a0' WHERE sequence = 3";
    assert_eq!(with_event_3(payload), ["payload event 3 [second@1]"]);
    let broken = ["chain event 3 [second@1]"];
    for change in [
        "UPDATE events SET actor = 'somebody@else' WHERE sequence = 3",
        "UPDATE events SET created_at = created_at + 1 WHERE sequence = 3",
        "UPDATE events SET digest = zeroblob(32) WHERE sequence = 3",
        "UPDATE events SET previous_digest = zeroblob(32) WHERE sequence = 3",
        "UPDATE events SET payload_digest = zeroblob(32) WHERE sequence = 3",
        "DELETE FROM events WHERE sequence = 3",
    ] {
        assert_eq!(with_event_3(change), broken, "{change}");
    }
}

#[test]
fn a_database_that_holds_nonsense_is_damage_and_the_rest_is_looked_at() {
    for nonsense in ["event_type = CAST(x'ff' AS TEXT)", "sequence = -3"] {
        let store = store();
        store.database(&format!(
            "DROP TRIGGER events_are_never_updated; UPDATE events SET {nonsense} WHERE sequence = 3"
        ));
        std::fs::remove_file(store.object(ALONE)).expect("removed");
        let faults = store.faults();
        assert!(faults.contains(&"missing ALONE [first@1:a/alone]".to_owned()), "{nonsense}: {faults:?}");
        assert_eq!(faults.len(), 2, "{nonsense}: {faults:?}");
    }
}

#[test]
fn events_that_are_gone_from_the_end_are_missed() {
    let store = store();
    store.database("DROP TRIGGER events_are_never_deleted; DELETE FROM events WHERE sequence >= 4");
    let report = store.verify(&VerifyRequest::default());
    let lines: Vec<String> = report.faults.iter().map(line).collect();
    assert_eq!(lines, ["chain event 4 [draft@1]", "chain event 5 [draft@1]"]);
    // Recording has settled: log/ had the events, and the views know them already.
    assert_eq!(report.recorded, Ok(6));
    assert_eq!(store.faults(), Vec::<String>::new());
}

#[test]
fn half_a_transaction_is_never_completed() {
    let store = store();
    store.database("DROP TRIGGER events_are_never_deleted; DELETE FROM events WHERE sequence = 5");
    let report = store.verify(&VerifyRequest::default());
    assert_eq!(report.faults.iter().map(line).collect::<Vec<_>>(), ["chain event 5 [draft@1]"]);
    assert!(report.recorded.is_err(), "no crash leaves half of one: somebody has to choose");
}

#[test]
fn a_history_rewritten_in_the_database_alone_is_found_by_the_files() {
    let store = store();
    // The last event, rewritten with sound digests: only log/ knows better.
    let db = rusqlite::Connection::open(store.root.join("astore.db")).expect("the database");
    let registry = open(&store.root, Access::Read).expect("open");
    let mut last = None;
    let all = astore::registry::report::LogFilter::default();
    registry
        .log(&all, &mut |row| {
            last = Some(row);
            Ok(())
        })
        .expect("log");
    let last = last.expect("an event");
    let record = astore::events::Record {
        sequence: last.line.sequence,
        created_at: last.line.created_at,
        event_type: last.line.event_type,
        subject_kind: last.line.subject_kind,
        subject_id: last.line.subject_id,
        actor: "somebody@else".to_owned(),
        payload_digest: last.payload_digest,
        previous_digest: last.previous_digest,
    };
    db.execute_batch("DROP TRIGGER events_are_never_updated").expect("dropped");
    db.execute(
        "UPDATE events SET actor = ?1, digest = ?2 WHERE sequence = ?3",
        (&record.actor, record.digest().as_bytes(), record.sequence.cast_signed()),
    )
    .expect("rewritten");
    let report = store.verify(&VerifyRequest::default());
    assert!(report.faults.iter().any(|fault| line(fault) == "log event 5 [draft@1]"), "{:?}", report.faults);
    assert!(report.recorded.is_err(), "nothing is written where two histories part");
}

#[test]
fn what_is_done_to_a_view_is_found_with_its_rows() {
    for (change, expected) in [
        (
            "UPDATE artifact_files SET mode = 511 WHERE path = CAST('a/alone' AS BLOB)",
            "views artifact_files [first@1:a/alone]",
        ),
        (
            "DELETE FROM artifact_files WHERE path = CAST('other' AS BLOB) AND tree = 2",
            "views artifact_files [second@1:other]",
        ),
        (
            "UPDATE artifact_packages SET removed_at = 1, removed_sequence = 1 WHERE name = 'first'",
            "views artifact_packages [first@1]",
        ),
        ("UPDATE objects SET purged_sequence = 1 WHERE size_bytes = 19", "views objects [first@1:a/alone]"),
        ("UPDATE retention_state SET hold = 1 WHERE package = 3", "views retention_state [draft@1]"),
        ("DELETE FROM retention_classes WHERE name = 'transient'", "views retention_classes []"),
        (
            "INSERT INTO metadata_schemas VALUES ('x', 1, zeroblob(32), 1, 'x', 1, 'x', 1)",
            "views metadata_schemas []",
        ),
        ("ALTER TABLE pins ADD COLUMN mine TEXT", "views pins []"),
        ("DROP TABLE gc_runs", "views the views []"),
    ] {
        let store = store();
        store.database(change);
        let request = VerifyRequest { record: Recorded::No, ..VerifyRequest::default() };
        let registry = open(&store.root, Access::Read).expect("open");
        let found: Vec<String> = match registry.verify(&request, &Void) {
            Ok(report) => report.faults.iter().map(line).collect(),
            Err(error) => vec![error.to_string()],
        };
        assert!(
            found.iter().any(|found| found.starts_with(expected.trim_end_matches(" []"))),
            "{change}: {found:?}"
        );
        if !change.contains("objects") {
            assert_eq!(found.len(), 1, "{change}: {found:?}");
        }
    }
}

#[test]
fn a_changed_byte_of_the_log_is_found_wherever_it_is() {
    let length = std::fs::metadata(store().log()).expect("the log").len();
    for offset in (0..length).step_by(97).chain([length - 1]) {
        let store = store();
        let offset = usize::try_from(offset).expect("small");
        rewrite(&store.log(), |bytes| bytes[offset] ^= 0x10);
        let faults = store.faults();
        assert_eq!(faults.len(), 1, "byte {offset}: {faults:?}");
        assert!(faults[0].starts_with("log event "), "byte {offset}: {faults:?}");
    }
}

#[test]
fn all_of_it_is_found_in_one_run() {
    let store = store();
    std::fs::remove_file(store.object(ALONE)).expect("removed");
    rewrite(&store.object(SHARED), |bytes| bytes[0] ^= 1);
    std::fs::write(store.root.join("blake3/README"), "mine").expect("a file");
    store.database(
        "DROP TRIGGER events_are_never_updated;
         UPDATE events SET actor = 'somebody@else' WHERE sequence = 3;
         UPDATE retention_state SET hold = 1 WHERE package = 1",
    );
    rewrite(&store.log(), |bytes| bytes[40] ^= 1);
    let mut faults = store.faults();
    faults.sort();
    assert_eq!(
        faults,
        [
            format!("altered SHARED {IN_BOTH}"),
            "chain event 3 [second@1]".to_owned(),
            "foreign blake3/README []".to_owned(),
            "log event 1 []".to_owned(),
            "missing ALONE [first@1:a/alone]".to_owned(),
            "views retention_state [first@1]".to_owned(),
        ]
    );
}

#[test]
fn an_event_that_somebody_wrote_down_must_still_be_there() {
    let store = store();
    let head = store.verify(&VerifyRequest::default());
    let with = |sequence, digest| {
        let request = VerifyRequest { head: Some((sequence, digest)), ..VerifyRequest::default() };
        store.verify(&request).faults.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(with(head.head_sequence, head.head_digest), Vec::<String>::new());
    assert_eq!(with(2, head.head_digest), ["head event 2 []"]);
    assert_eq!(with(99, head.head_digest), ["head event 99 []"]);
}

#[test]
fn with_references_only_their_objects_are_looked_at() {
    let store = store();
    std::fs::remove_file(store.object(ALONE)).expect("removed");
    std::fs::write(store.root.join("blake3/README"), "mine").expect("a file");
    let only = |name: &str| {
        let references = vec![Reference(name.to_owned())];
        let report = store.verify(&VerifyRequest { references, ..VerifyRequest::default() });
        (report.objects, report.faults.iter().map(line).collect::<Vec<_>>())
    };
    assert_eq!(only("second"), (3, Vec::new()));
    assert_eq!(only("first"), (3, vec!["missing ALONE [first@1:a/alone]".to_owned()]));
}

#[test]
fn what_is_found_damaged_is_healed_by_adding_it_again() {
    let store = store();
    rewrite(&store.object(SHARED), |bytes| bytes[0] ^= 1);
    assert_eq!(store.faults().len(), 1);
    let registry = open(&store.root, Access::Write).expect("open");
    let report = add(&registry, "again", &store.tree, Completion::Finalize).expect("add");
    assert_eq!(report.healed, [ContentAddress::new(Blake3::of(SHARED))]);
    drop(registry);
    assert_eq!(store.faults(), Vec::<String>::new());
}

#[test]
fn a_store_that_cannot_be_written_is_verified_and_that_is_said() {
    if rustix::process::geteuid().is_root() {
        return; // nothing is read-only to root
    }
    let store = store();
    let lock =
        |mode| std::fs::set_permissions(&store.root, std::fs::Permissions::from_mode(mode)).expect("a mode");
    lock(0o500);
    let report = store.verify(&VerifyRequest::default());
    lock(0o700);
    assert_eq!(report.faults, []);
    assert!(report.recorded.is_err());
}

#[test]
fn a_registry_that_was_opened_to_write_verifies_too() {
    let store = store();
    let registry: Registry = open(&store.root, Access::Write).expect("open");
    std::fs::remove_file(store.object(ALONE)).expect("removed");
    let report = registry.verify(&VerifyRequest::default(), &Void).expect("verify");
    assert_eq!(report.faults.iter().map(line).collect::<Vec<_>>(), ["missing ALONE [first@1:a/alone]"]);
    assert_eq!(report.recorded, Ok(report.head_sequence + 1));
}

/// Does something at the moment when the scan is over and what it found has not been looked at again.
struct AfterTheScan<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync> Monitor for AfterTheScan<F> {
    fn start(&self, _task: Task, _bytes: Option<u64>) {}
    fn count(&self, _counter: Counter, _n: u64) {}
    fn problem(&self, _problem: &Problem) {}
    fn finish(&self, task: Task) {
        if task == Task::Verifying {
            (self.0)();
        }
    }
}

#[test]
fn what_is_mended_while_verify_runs_is_not_damage() {
    let store = store();
    let object = store.object(SHARED);
    std::fs::remove_file(&object).expect("removed");
    let mend = AfterTheScan(|| {
        std::fs::write(&object, SHARED).expect("written");
        std::fs::set_permissions(&object, std::fs::Permissions::from_mode(0o444)).expect("a mode");
    });
    let registry = open(&store.root, Access::Read).expect("open");
    let report = registry.verify(&VerifyRequest::default(), &mend).expect("verify");
    assert_eq!(report.faults, []);
}

#[test]
fn what_an_add_records_while_verify_runs_is_not_damage() {
    let store = store();
    let stray = store.object(STRAY);
    std::fs::create_dir_all(stray.parent().expect("a parent")).expect("a shard");
    // As another add has it between its renames and its commit.
    std::fs::write(&stray, STRAY).expect("published, and not recorded");
    let more = tree(&store.root.with_file_name("more"), &[("stray", STRAY)]);
    let record = AfterTheScan(|| {
        let writer = open(&store.root, Access::Write).expect("open");
        add(&writer, "more", &more, Completion::Finalize).expect("add");
    });
    let registry = open(&store.root, Access::Read).expect("open");
    let report = registry.verify(&VerifyRequest::default(), &record).expect("verify");
    assert_eq!((report.faults, report.notes), (vec![], vec![]));
    assert_eq!(report.recorded, Ok(7));
    assert_eq!(report.head_sequence, 5, "what came after is not covered");
}

/// Hands every path beneath a directory, and itself, to `each`.
fn everything(at: &Path, each: &mut dyn FnMut(&Path)) {
    each(at);
    if std::fs::symlink_metadata(at).expect("it is there").is_dir() {
        for entry in std::fs::read_dir(at).expect("a directory") {
            everything(&entry.expect("an entry").path(), each);
        }
    }
}

#[test]
fn what_root_leaves_behind_belongs_to_the_stores_owner() {
    if !rustix::process::geteuid().is_root() {
        return; // only root can find out
    }
    let store = store();
    let many = store.root.with_file_name("many");
    std::fs::create_dir(&many).expect("a directory");
    for number in 0..700 {
        std::fs::write(many.join(number.to_string()), number.to_string()).expect("a file");
    }
    add(&open(&store.root, Access::Write).expect("open"), "many", &many, Completion::Finalize).expect("add");
    everything(&store.root, &mut |path| {
        std::os::unix::fs::lchown(path, Some(65534), Some(65534)).expect("given away");
    });
    for number in 0..700 {
        std::fs::remove_file(store.object(number.to_string().as_bytes())).expect("removed");
    }
    std::fs::remove_dir_all(store.root.join("log")).expect("removed");
    // So many faults are an object, most likely in a new directory; and log/ is written again.
    let report = store.verify(&VerifyRequest::default());
    assert_eq!(report.recorded, Ok(report.head_sequence + 1));
    everything(&store.root, &mut |path| {
        use std::os::unix::fs::MetadataExt as _;
        let owner = std::fs::symlink_metadata(path).expect("it is there").uid();
        assert_eq!(owner, 65534, "{}", path.display());
    });
}

#[test]
fn a_view_that_is_made_again_while_verify_runs_is_not_damage() {
    let store = store();
    store.database("UPDATE retention_state SET hold = 1 WHERE package = 1");
    let mend = AfterTheScan(|| store.database("UPDATE retention_state SET hold = 0 WHERE package = 1"));
    let registry = open(&store.root, Access::Read).expect("open");
    let report = registry.verify(&VerifyRequest::default(), &mend).expect("verify");
    assert_eq!(report.faults, []);
}

/// Splits `log/` behind its first item, as if the limit of a file's length had been reached there.
fn split_log(store: &Store) -> PathBuf {
    let registry = open(&store.root, Access::Log).expect("open");
    let mut boundary = 0;
    let all = astore::registry::report::LogFilter::default();
    let bytes = std::fs::read(store.log()).expect("the log");
    let mut digest_of_first = |row: astore::registry::report::EventRow| {
        if row.line.sequence == 1 {
            let digest = row.digest.as_bytes();
            boundary = bytes.windows(32).position(|window| window == digest).expect("its digest") + 32;
        }
        Ok(())
    };
    registry.log(&all, &mut digest_of_first).expect("log");
    drop(registry);
    let second = store.root.join("log/00000000000000000002.cborseq");
    std::fs::write(&second, &bytes[boundary..]).expect("written");
    std::fs::write(store.log(), &bytes[..boundary]).expect("written");
    let length = bytes.len() - boundary;
    store.database(&format!(
        "UPDATE bookkeeping SET value = 2 WHERE name = 'log_file';
         UPDATE bookkeeping SET value = {length} WHERE name = 'log_length'"
    ));
    second
}

#[test]
fn every_file_of_the_log_is_read_whatever_the_others_hold() {
    let whole = store();
    split_log(&whole);
    assert_eq!(whole.faults(), Vec::<String>::new());

    let both = store();
    let second = split_log(&both);
    rewrite(&both.log(), |bytes| bytes[9] ^= 1);
    rewrite(&second, |bytes| bytes[9] ^= 1);
    assert_eq!(both.faults(), ["log event 1 []", "log event 2 [first@1]"]);

    let first_gone = store();
    let second = split_log(&first_gone);
    std::fs::remove_file(first_gone.log()).expect("removed");
    rewrite(&second, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let faults = first_gone.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert_eq!(faults[0], "log event 1 []");

    let second_gone = store();
    std::fs::remove_file(split_log(&second_gone)).expect("removed");
    assert_eq!(second_gone.faults(), ["log event 2 [first@1]"]);
}
