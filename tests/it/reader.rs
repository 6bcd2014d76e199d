//! Someone writes a reader from store-layout.md alone, in another language, and trusts it. `tests/reader` is
//! that program; it must agree with the views row by row, and find what was done to a store by hand.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use astore::db::{Database, OpenMode};
use astore::disk::Disk;
use astore::env::Timestamp;
use astore::events::payload::{self, GcEnd, GcStart, VerifyEnd};
use astore::events::{
    Bookkeeping, EventType, Head, INLINE_PAYLOAD_BYTES_MAX, LogFiles, PinTarget, Position, PurgedObject,
    Record, RecordedFault, Stored, insert,
};
use astore::identity::{Blake3, Digests};
use astore::manifest::{
    Entry, EntryBody, EntryPath, Labels, ManifestHeader, Mtime, Receipt, RetentionSummary, write_manifest,
};
use astore::storage::{Backend as _, Local, Sharing, StoreConfig, root};
use astore::views::{VIEWS_VERSION, ViewWriter, view_digest};
use uuid::Uuid;

use crate::support::cli::skip_without;
use crate::support::oracle::file_of;

const STORE: Uuid = Uuid::from_u128(0x4000_8000_0000_0000_0001);
const ADD: &str = "00000000-0000-4000-8000-00000000000a";
const GC: &str = "00000000-0000-4000-8000-00000000000c";
const VERIFY: &str = "00000000-0000-4000-8000-00000000000e";

/// Where stores for the reader are left: CI reads them once more.
pub(crate) fn place(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reader-stores").join(name);
    drop(fs::remove_dir_all(&place));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    place
}

fn python() -> Option<String> {
    let python = std::env::var("ASTORE_TEST_PYTHON").ok().filter(|path| !path.is_empty());
    let python = python.unwrap_or_else(|| "python3".to_owned());
    let there = Command::new(&python).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        skip_without(&python);
    }
    there.then_some(python)
}

/// What the reader says of a store: its exit code and its summary. `None` where there is no Python.
pub(crate) fn read(store: &Path, options: &[&str]) -> Option<(i32, String)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader/astore_reader.py");
    let output = Command::new(python()?).arg(script).args(options).arg(store).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.code().unwrap(), text))
}

/// What the reader says a gc may take, for each instant and age: its exit code and its document. `None` where there is no Python.
pub(crate) fn plans(store: &Path, asked: &[(i64, u64)]) -> Option<(i32, String)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader/astore_reader.py");
    let mut command = Command::new(python()?);
    command.arg(script).arg("plan").arg(store);
    command.args(asked.iter().flat_map(|(instant, min_age)| [instant.to_string(), min_age.to_string()]));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.code().unwrap(), text))
}

#[track_caller]
fn check_sound(store: &Path, view_digest: &Blake3) {
    for options in [&[][..], &["--from-log"]] {
        if let Some((code, text)) = read(store, options) {
            assert_eq!(code, 0, "{options:?}: {text}");
            assert!(text.contains(&format!("\"view_digest_computed\": \"{view_digest}\"")), "{text}");
        }
    }
}

#[track_caller]
fn check_fault(store: &Path, kind: &str, subject: &str) {
    if let Some((code, text)) = read(store, &[]) {
        assert_eq!(code, 4, "{text}");
        assert!(text.contains(&format!("\"kind\": \"{kind}\"")), "no fault {kind}: {text}");
        assert!(text.contains(subject), "nothing about {subject}: {text}");
    }
}

/// A store that is written event by event, so that there is one of every type.
struct Scribe {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    local: Local,
    files: LogFiles,
    db: Database,
    position: Position,
    skipped: u64,
    clock: i64,
}

impl Scribe {
    fn new(name: &str) -> Self {
        let root = place(name);
        let disk: Arc<dyn Disk> = root::prepare(&root, Sharing::Private).unwrap().disk;
        let db = Database::create(&root.join("astore.db")).unwrap();
        let tx = db.write().unwrap();
        ViewWriter::new(&tx, 0).reset().unwrap();
        tx.commit().unwrap();
        let scribe = Self {
            local: Local::new(disk.clone()),
            files: LogFiles::new(disk.clone(), 0o600).with_limit(2000),
            position: Position::START,
            skipped: 0,
            clock: 1_700_000_000_000_000,
            root,
            disk,
            db,
        };
        let config = StoreConfig { store_id: STORE, created_at: Timestamp::from_micros(scribe.clock) };
        root::write_config(scribe.disk.as_ref(), &config).unwrap();
        scribe
    }

    fn put(&self, bytes: &[u8]) -> Digests {
        let object = Digests::of(bytes);
        self.local.put(&object, &mut &bytes[..]).unwrap();
        object
    }

    /// Writes events as one transaction: type, subject, payload.
    fn write(&mut self, events: &[(&str, &str, &str, Vec<u8>)]) {
        let tx = self.db.write().unwrap();
        let mut views = ViewWriter::new(&tx, self.skipped);
        let mut head: Head = self.position.head;
        let mut item = Vec::new();
        for (event_type, subject_kind, subject_id, payload) in events {
            self.clock += 1_000_003;
            let is_object = payload.len() > INLINE_PAYLOAD_BYTES_MAX;
            if is_object {
                self.put(payload);
            }
            let record = Record {
                sequence: head.sequence + 1,
                created_at: Timestamp::from_micros(self.clock),
                event_type: (*event_type).to_owned(),
                subject_kind: (*subject_kind).to_owned(),
                subject_id: (*subject_id).to_owned(),
                actor: "someone@somewhere".to_owned(),
                payload_digest: Blake3::of(payload),
                previous_digest: head.digest,
            };
            let event = Stored::new(record, (!is_object).then(|| payload.clone()));
            insert(&tx, &event).unwrap();
            views.apply(&event, payload).unwrap_or_else(|error| panic!("{event_type}: {error:?}"));
            head = Head::from(&event);
            item.push(event);
        }
        self.skipped = views.skipped();
        self.position = self.files.append(&self.position, &item).unwrap();
        let kept = Bookkeeping {
            log: self.position,
            views_version: VIEWS_VERSION,
            views_sequence: head.sequence,
            skipped: self.skipped,
        };
        kept.store(&tx).unwrap();
        tx.commit().unwrap();
    }

    fn event(&mut self, event_type: EventType, subject_id: &str, payload: Vec<u8>) {
        self.write(&[(event_type.name(), event_type.subject_kind(), subject_id, payload)]);
    }

    fn finish(self) -> (PathBuf, Blake3) {
        let digest = view_digest(&self.db.read().unwrap()).unwrap();
        drop(self.db);
        (self.root, digest)
    }
}

fn path(bytes: &[u8]) -> EntryPath {
    EntryPath::new(bytes).unwrap()
}

fn file(name: &[u8], object: Digests) -> Entry {
    Entry { path: path(name), body: EntryBody::File { mode: 0o644, object }, mtime: None }
}

fn directory(name: &[u8], mode: u32) -> Entry {
    Entry { path: path(name), body: EntryBody::Directory { mode }, mtime: None }
}

fn symlink(name: &[u8], target: &[u8]) -> Entry {
    let mtime = Some(Mtime { seconds: -1, nanoseconds: 999_999_999 });
    Entry { path: path(name), body: EntryBody::Symlink { target: target.into() }, mtime }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn manifest(id: Uuid, name: &str, version: u64, class: (&str, Option<u64>), entries: &[Entry]) -> Vec<u8> {
    let header = ManifestHeader {
        id,
        name: name.parse().unwrap(),
        version,
        created_at: Timestamp::from_micros(1_600_000_000_000_000),
        created_by: "earlier@elsewhere".to_owned(),
        metadata: labels(&[("blake3", "not a digest"), ("z", ""), ("é", "ü\n")]),
        receipts: vec![Receipt { backend_id: "local".to_owned(), objects: 1, bytes: 1 }],
        retention: RetentionSummary { class: class.0.to_owned(), duration_seconds: class.1 },
        provenance: labels(&[("commit", "0123456789abcdef")]),
    };
    let mut bytes = Vec::new();
    write_manifest(&mut bytes, &header, entries.iter()).unwrap();
    bytes
}

/// Writes a store with an event of every type, and of none; one package has as many files as is said.
#[expect(clippy::too_many_lines, reason = "a history is told in one go")]
fn write_history(name: &str, files: usize) -> (PathBuf, Blake3) {
    let mut store = Scribe::new(name);
    let classes = [("permanent-record".to_owned(), None), ("transient".to_owned(), Some(604_800))];
    store.event(EventType::StoreCreated, &STORE.to_string(), payload::store_created(STORE, &classes));

    let [one, two, three, four] = [b"one".as_slice(), b"two", b"", &[7; 3000]].map(|bytes| store.put(bytes));
    let mut batch = [one, two];
    batch.sort_by_key(|object| *object.blake3.as_bytes());
    store.event(EventType::ObjectsStored, ADD, payload::objects_stored("local", &batch));

    // An open package: entries, the same again, some displaced, then finalised with one more and one less.
    let seven = store.put(b"seven");
    let open = Uuid::from_u128(0x7000_8000_0000_0000_0001);
    let created = payload::package_created(
        open,
        &"open".parse().unwrap(),
        1,
        "transient",
        &labels(&[("a", "1"), ("bb", "2")]),
        &Labels::new(),
    );
    let entries = [
        directory(b"dir", 0o755),
        file(b"dir/a", one),
        file(b"dir/a-b", two),
        directory(b"dir/sub", 0o2750),
        file(b"dir/sub/x", three),
        symlink(b"link", b"../\xff"),
        file(b"n\xffame", one),
        file(b"only", seven),
    ];
    store.write(&[
        ("v1.package.created", "package", &open.to_string(), created),
        (
            "v1.package.entries_added",
            "package",
            &open.to_string(),
            payload::entries_added("local", entries.iter(), false),
        ),
    ]);
    let again = [directory(b"dir", 0o755), file(b"dir/b", four)];
    store.event(
        EventType::EntriesAdded,
        &open.to_string(),
        payload::entries_added("local", again.iter(), false),
    );
    let displacing = [directory(b"dir", 0o700), file(b"dir/sub", two), directory(b"link", 0o755)];
    store.event(
        EventType::EntriesAdded,
        &open.to_string(),
        payload::entries_added("local", displacing.iter(), true),
    );
    store.event(
        EventType::RetentionChanged,
        &open.to_string(),
        payload::retention_changed(None, None, Some(true), "look"),
    );
    let five = store.put(b"five");
    let whole = [
        directory(b"dir", 0o700),
        file(b"dir/a", one),
        file(b"dir/a-b", two),
        file(b"dir/b", four),
        file(b"dir/sub", two),
        directory(b"link", 0o755),
        file(b"link/five", five),
        file(b"n\xffame", one),
    ];
    let class = ("transient", Some(604_800));
    let finalized = manifest(open, "open", 1, class, &whole);
    store.put(&finalized);
    store.event(EventType::PackageFinalized, &open.to_string(), finalized);

    // The same tree under another name shares its rows; a large one is an object as payload.
    let same = Uuid::from_u128(0x7000_8000_0000_0000_0002);
    let finalized = manifest(same, "same", 1, ("permanent-record", None), &whole);
    store.put(&finalized);
    store.event(EventType::PackageFinalized, &same.to_string(), finalized);
    let many: Vec<Entry> = (0..files).map(|n| file(format!("many-{n:04}").as_bytes(), three)).collect();
    let large = Uuid::from_u128(0x7000_8000_0000_0000_0003);
    let finalized = manifest(large, "large", 7, class, &many);
    store.put(&finalized);
    store.event(EventType::PackageFinalized, &large.to_string(), finalized);
    let imported = Uuid::from_u128(0x7000_8000_0000_0000_0004);
    let foreign = manifest(imported, "imported", 3, class, &[file(b"six", store.put(b"six"))]);
    store.put(&foreign);
    store.event(
        EventType::PackageImported,
        &imported.to_string(),
        payload::package_imported(&foreign, "elsewhere"),
    );

    // Pins, retention, removal.
    store.event(
        EventType::PinAdded,
        "keep",
        payload::pin_added("keep", PinTarget::Package(same), Some("a reason")),
    );
    store.event(
        EventType::PinAdded,
        "bytes",
        payload::pin_added("bytes", PinTarget::Object(one.blake3), None),
    );
    store.event(EventType::PinAdded, "gone", payload::pin_added("gone", PinTarget::Package(open), None));
    store.event(EventType::PinRemoved, "gone", payload::pin_removed("gone", Some("done")));
    let again = payload::pin_added("again", PinTarget::Object(two.blake3), None);
    store.event(EventType::PinAdded, "again", again);
    store.event(EventType::PinRemoved, "again", payload::pin_removed("again", None));
    let later = Some(Some(Timestamp::from_micros(1_900_000_000_000_000)));
    let changed = payload::retention_changed(Some("permanent-record"), later, Some(false), "longer");
    store.event(EventType::RetentionChanged, &open.to_string(), changed);
    store.event(
        EventType::RetentionChanged,
        &large.to_string(),
        payload::retention_changed(None, Some(None), None, "for ever"),
    );
    store.event(EventType::PackageRemoved, &imported.to_string(), payload::package_removed("a mistake"));
    store.event(EventType::PackageRemoved, &large.to_string(), payload::package_removed("too large"));
    store.event(EventType::PackageRestored, &large.to_string(), payload::package_restored(None));

    // Schemas: two versions of one, and one whose event is an object.
    let schema = |version, document: &[u8]| {
        payload::schema_registered(&"release".parse().unwrap(), version, "application/schema+json", document)
    };
    store.event(EventType::SchemaRegistered, "release", schema(1, b"{}"));
    store.event(EventType::SchemaRegistered, "release", schema(2, b"true"));
    let long = format!("{{\"title\": \"{}\"}}", "x".repeat(70_000));
    store.event(EventType::SchemaRegistered, "release", schema(3, long.as_bytes()));

    // A verify that finds one object damaged that is there, one that was never named, and one of another kind.
    let end = VerifyEnd {
        head: store.position.head.sequence,
        head_digest: store.position.head.digest,
        mode: "full",
        range: Some((Blake3::from_bytes([0; 32]), Blake3::from_bytes([255; 32]))),
        expected: Some((1, Blake3::of(b"noted"))),
        objects: 9,
        bytes: 3123,
    };
    let fault = |kind: &str, address: Option<Blake3>, name: Option<&str>| RecordedFault {
        kind: kind.to_owned(),
        address,
        name: name.map(str::to_owned),
        detail: Some("found by a test".to_owned()),
    };
    let faults = [
        fault("altered", Some(two.blake3), None),
        fault("truncated", Some(four.blake3), None),
        fault("missing", Some(Blake3::of(b"never")), None),
        fault("wrong-mode", Some(one.blake3), None),
        fault("views", None, Some("objects")),
    ];
    store.event(EventType::VerifyCompleted, VERIFY, payload::verify_completed(&end, &faults));
    let healed = payload::object_healed(&two, "local", "damaged", "add");
    store.event(EventType::ObjectHealed, &two.address().to_string(), healed);
    // One that began before the healing and ends after it must not mark the object again.
    store.event(
        EventType::VerifyCompleted,
        VERIFY,
        payload::verify_completed(&VerifyEnd { range: None, ..end }, &faults[..1]),
    );

    // A gc takes one that the log knows and one that it does not; an add brings the first back.
    let six = Digests::of(b"six");
    let mut purged = [
        PurgedObject { address: six.blake3, size_bytes: 3, why: "removed".to_owned() },
        PurgedObject { address: Blake3::of(b"left over"), size_bytes: 9, why: "unrecorded".to_owned() },
    ];
    purged.sort_by_key(|object| *object.address.as_bytes());
    let start = GcStart {
        plan: "1700000000000000-0-00",
        round: 1,
        rounds: 1,
        reason: None,
        clock_accepted: true,
        packages: &[same, imported],
    };
    store.event(EventType::GcStarted, GC, payload::gc_started(&start, &purged));
    let started = store.position.head.sequence;
    store.local.delete(&six.address()).unwrap();
    let end = GcEnd {
        started,
        objects: 1,
        bytes: 3,
        missing: &[Blake3::of(b"left over")],
        failed: &[(Blake3::of(b"stubborn"), "it is busy".to_owned())],
        duration_micros: 12,
    };
    store.event(EventType::GcCompleted, GC, payload::gc_completed(&end));
    store.event(
        EventType::GcStarted,
        GC,
        payload::gc_started(
            &start,
            &[PurgedObject { address: four.blake3, size_bytes: 3000, why: "expired".to_owned() }],
        ),
    );
    store.event(EventType::ObjectsStored, ADD, payload::objects_stored("local", &[four]));
    // The same is left over once more, and what was left over is stored, which does not unmake that; a package
    // that lost objects as expired is wanted for longer.
    let purged = ["left over", "left over twice"].map(|text| PurgedObject {
        address: Blake3::of(text.as_bytes()),
        size_bytes: text.len() as u64 + 1,
        why: "unrecorded".to_owned(),
    });
    let mut purged = purged.to_vec();
    purged.sort_by_key(|object| *object.address.as_bytes());
    store.event(EventType::GcStarted, GC, payload::gc_started(&start, &purged));
    let stored = store.put(b"left over twice");
    store.event(EventType::ObjectsStored, ADD, payload::objects_stored("local", &[stored]));
    let changed = payload::retention_changed(None, later, None, "once more");
    store.event(EventType::RetentionChanged, &same.to_string(), changed);

    // What a later build may have written, and what leans on it.
    let later = b"\xa1\x61x\x01".to_vec();
    store.write(&[("v2.something.new", "something", "else", later)]);
    let lost = Uuid::from_u128(0x7000_8000_0000_0000_0009);
    store.event(
        EventType::PackageRemoved,
        &lost.to_string(),
        payload::package_removed("it leans on the unknown"),
    );
    store.finish()
}

#[test]
fn the_reader_computes_the_same_views() {
    let (store, digest) = write_history("every-event", 1000);
    check_sound(&store, &digest);
    assert!(fs::read_dir(store.join("log")).unwrap().count() > 3, "the log should span files");
}

#[test]
fn the_reader_agrees_with_the_commands() {
    let store = place("commands");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let astore = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_astore"))
            .env_clear()
            .current_dir(sources)
            .args(["--root", store.to_str().unwrap(), "--actor", "someone@somewhere"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    astore(&["init", "--class", "week=7d"]);
    astore(&["add", "--name", "pages", "--class", "week", "--meta", "a=b", "docs"]);
    astore(&["add", "--package", "pages", "--mtime", "fixtures/manifests/refused"]);
    astore(&["finalize", "pages"]);
    astore(&["add", "--finalize", "--name", "again", "docs"]);
    astore(&["add", "--finalize", "--name", "once-more", "docs"]);
    astore(&["remove", "again", "--reason", "to see it come back"]);
    astore(&["restore", "again"]);
    fs::remove_file(file_of(&store, &fs::read(sources.join("docs/decisions/0001-dual-digest.md")).unwrap()))
        .unwrap();
    let verify =
        Command::new(env!("CARGO_BIN_EXE_astore")).arg("--root").arg(&store).arg("verify").output().unwrap();
    assert_eq!(verify.status.code(), Some(4), "verify finds the missing object");
    check_fault(&store, "missing", "blake3:");
    astore(&["add", "--finalize", "--no-cache", "--name", "healing", "docs"]);
    astore(&["verify"]);
    let digest = astore(&["replay", "--check"]);
    let hex = digest.split_once("blake3:").expect("a view digest").1.trim();
    check_sound(&store, &hex.parse().unwrap());
}

#[test]
fn the_reader_tests_itself() {
    if let Some(python) = python() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader/astore_reader.py");
        let output = Command::new(python).args([script, "--self-test"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_reader_agrees_about_golden_manifests() {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/manifests");
    if let Some((code, text)) = read(&manifests, &["--manifests"]) {
        assert_eq!(code, 0, "{text}");
    }
}

/// Does something to a store that the triggers would refuse.
fn edit(store: &Path, sql: &str) {
    let db = rusqlite::Connection::open(store.join("astore.db")).unwrap();
    db.execute_batch(
        "DROP TRIGGER events_are_never_updated; DROP TRIGGER events_are_never_deleted; DROP TRIGGER events_have_no_gap;",
    )
    .unwrap();
    db.execute_batch(sql).unwrap();
}

fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    let mode = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::File::create(path).unwrap().write_all(&bytes).unwrap();
    fs::set_permissions(path, mode).unwrap();
}

/// The kind of fault, what it is about, and what is done to the store.
type Damage<'a> = (&'a str, &'a str, &'a dyn Fn(&Path));

#[test]
fn the_reader_finds_what_was_done_by_hand() {
    // The stores that CI reads again must be sound, so these are copies that go when the test ends.
    let (sound, digest) = write_history("every-event-to-damage", 5);
    check_sound(&sound, &digest);
    let cases: &[Damage<'_>] = &[
        ("chain", "event 5", &|store| edit(store, "UPDATE events SET actor = 'nobody' WHERE sequence = 5")),
        ("chain", "event 6", &|store| edit(store, "DELETE FROM events WHERE sequence = 6")),
        ("log", "event 4", &|store| {
            edit(store, "UPDATE events SET created_at = created_at + 1 WHERE sequence = 4");
        }),
        ("chain", "event 3", &|store| edit(store, "UPDATE events SET payload = x'a0' WHERE sequence = 3")),
        ("views", "pins", &|store| edit(store, "UPDATE pins SET reason = 'another' WHERE name = 'keep'")),
        ("views", "artifact_files", &|store| {
            edit(store, "DELETE FROM artifact_files WHERE path = CAST('dir/a' AS BLOB)");
        }),
        ("missing", "blake3:", &|store| fs::remove_file(file_of(store, b"one")).unwrap()),
        ("altered", "blake3:", &|store| overwrite(&file_of(store, b"one"), |bytes| bytes[0] ^= 1)),
        ("truncated", "blake3:", &|store| overwrite(&file_of(store, b"one"), |bytes| bytes.truncate(1))),
        ("wrong-mode", "0600", &|store| {
            fs::set_permissions(file_of(store, b"one"), fs::Permissions::from_mode(0o600)).unwrap();
        }),
        ("foreign", "notes.txt", &|store| fs::write(store.join("blake3/notes.txt"), "hello").unwrap()),
        ("foreign", "blake3/", &|store| {
            let there = file_of(store, b"nor this");
            fs::create_dir_all(there.parent().unwrap()).unwrap();
            fs::write(there, "other bytes").unwrap();
        }),
        ("misnamed", "blake3/", &|store| {
            let there = file_of(store, b"not there");
            fs::create_dir_all(there.parent().unwrap()).unwrap();
            fs::write(there, "one").unwrap();
        }),
        ("log", "cborseq", &|store| {
            overwrite(&store.join("log/00000000000000000001.cborseq"), |bytes| bytes[100] ^= 1);
        }),
    ];
    if python().is_none() {
        return;
    }
    for (kind, subject, damage) in cases {
        let copy = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-a").arg(&sound).arg(copy.path()).status().unwrap();
        assert!(copied.success());
        let store = copy.path().join("every-event-to-damage");
        damage(&store);
        check_fault(&store, kind, subject);
    }
}

#[test]
fn the_reader_changes_nothing() {
    let (store, _) = write_history("every-event-to-look-at", 5);
    let list = |store: &Path| {
        let output =
            Command::new("find").arg(store).args(["-printf", "%p %s %m %T@ %C@\n"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let before = list(&store);
    drop(read(&store, &[]));
    assert_eq!(before, list(&store));
    assert!(Database::open(&store.join("astore.db"), OpenMode::Read).is_ok());
}
