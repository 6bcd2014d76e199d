//! An operator's disk rots, and people poke about in the store by hand: `verify` or `replay --check` finds all of
//! it in one run, says which packages and paths are harmed, exits with 4, and adding the same content heals.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::cli::{Desk, Said};
use crate::support::store::tree;

/// What stands in the tree of `doc`, and where else.
const SHARED: &[u8] = b"in two packages, under three names";
const ALONE: &[u8] = b"in one place";

/// A store with something of everything: `doc`, finalised; `run`, open; `bulk`, whose manifest is too long to
/// stand in the database.
struct Store {
    desk: Desk,
}

/// One fault as `verify` prints it: its first line up to the colon, and whom it harms.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    what: String,
    harms: Vec<String>,
}

impl Store {
    fn new() -> Self {
        let desk = Desk::new();
        tree(&desk.path("doc"), &[("shared", SHARED), ("d/again", SHARED), ("alone", ALONE)]);
        tree(&desk.path("run"), &[("shared", SHARED), ("log", b"a log")]);
        let names: Vec<String> = (0..600).map(|number| format!("{number:040}")).collect();
        let bulk: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
        tree(&desk.path("bulk"), &bulk);
        desk.ok(["add", "doc", "--finalize"]); // event 2
        desk.ok(["add", "run"]); // events 3 and 4
        desk.ok(["add", "bulk", "--finalize"]); // event 5
        let store = Self { desk };
        assert!(store.manifest("bulk").metadata().unwrap().len() > 65_536);
        store
    }

    fn object(&self, content: &[u8]) -> PathBuf {
        self.object_named(blake3::hash(content).to_hex().as_str())
    }

    fn object_named(&self, hex: &str) -> PathBuf {
        self.desk.root().join("blake3").join(&hex[..2]).join(&hex[2..4]).join(hex)
    }

    fn manifest(&self, reference: &str) -> PathBuf {
        let address = self.desk.ok(["manifest", reference, "--digest"]);
        self.object_named(address.trim().strip_prefix("blake3:").unwrap())
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.desk.root().join("astore.db")).unwrap()
    }

    /// Changes the database as somebody would who knows SQLite and nothing of us.
    fn sql(&self, statements: &str) {
        let db = self.database();
        db.execute_batch(
            "DROP TRIGGER IF EXISTS events_are_never_updated;
             DROP TRIGGER IF EXISTS events_are_never_deleted;
             DROP TRIGGER IF EXISTS events_have_no_gap;",
        )
        .unwrap();
        db.execute_batch(statements).unwrap();
    }

    fn log_file(&self) -> PathBuf {
        self.desk.root().join("log/00000000000000000001.cborseq")
    }

    fn verify(&self) -> (i32, BTreeSet<Fault>) {
        faults(self.desk.run(["verify", "--quiet", "--no-record"]))
    }

    /// `verify` finds exactly this.
    #[track_caller]
    fn check_found(&self, expected: &[(String, &[&str])]) {
        let expected: BTreeSet<Fault> = expected
            .iter()
            .map(|(what, harms)| Fault {
                what: what.clone(),
                harms: harms.iter().map(|&harm| harm.to_owned()).collect(),
            })
            .collect();
        let code = if expected.is_empty() { 0 } else { 4 };
        assert_eq!(self.verify(), (code, expected));
    }
}

#[track_caller]
fn faults(said: Said) -> (i32, BTreeSet<Fault>) {
    // That log/ is astray is said also of itself, whatever is asked.
    let else_said: Vec<&str> = said.err.lines().filter(|line| !line.contains("as it stands")).collect();
    assert!(else_said.is_empty(), "{said:#?}");
    let mut found: Vec<Fault> = Vec::new();
    for line in said.out.lines() {
        match line.strip_prefix("  harms ") {
            Some(harm) => found.last_mut().unwrap().harms.push(harm.to_owned()),
            None if line.starts_with("  mend: ") => {}
            None => {
                let what = line.split_once(": ").map_or(line, |(what, _)| what).to_owned();
                found.push(Fault { what, harms: Vec::new() });
            }
        }
    }
    (said.code, found.into_iter().collect())
}

fn name(object: &Path) -> String {
    format!("blake3:{}", object.file_name().unwrap().to_string_lossy())
}

/// Writes to a file that nobody should write to; its mode stays.
fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mode = path.metadata().unwrap().permissions();
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, mode).unwrap();
}

fn flip(path: &Path, place: usize) {
    overwrite(path, |bytes| bytes[place] ^= 1);
}

/// What may happen to an object, and what that is called.
#[derive(Clone, Copy, Debug)]
enum Action {
    Flip,
    Truncate,
    Lengthen,
    Empty,
    Delete,
    Rename,
    Open,
    Replace,
}

impl Action {
    const ALL: [Self; 8] = [
        Self::Flip,
        Self::Truncate,
        Self::Lengthen,
        Self::Empty,
        Self::Delete,
        Self::Rename,
        Self::Open,
        Self::Replace,
    ];

    fn act(self, object: &Path) {
        match self {
            Self::Flip => flip(object, fs::read(object).unwrap().len() / 2),
            Self::Truncate => overwrite(object, |bytes| bytes.truncate(bytes.len() - 1)),
            Self::Lengthen => overwrite(object, |bytes| bytes.push(0)),
            Self::Empty => overwrite(object, Vec::clear),
            Self::Delete => fs::remove_file(object).unwrap(),
            Self::Rename => fs::rename(object, other_name(object)).unwrap(),
            Self::Open => fs::set_permissions(object, PermissionsExt::from_mode(0o644)).unwrap(),
            Self::Replace => {
                fs::remove_file(object).unwrap();
                std::os::unix::fs::symlink("/etc/hostname", object).unwrap();
            }
        }
    }

    fn undo(self, object: &Path, bytes: &[u8]) {
        drop(fs::remove_file(object));
        drop(fs::remove_file(other_name(object)));
        fs::write(object, bytes).unwrap();
        fs::set_permissions(object, PermissionsExt::from_mode(0o444)).unwrap();
    }

    /// The faults of this action, without the harms.
    fn kinds(self, object: &Path) -> Vec<String> {
        let kind = match self {
            Self::Flip | Self::Lengthen => "altered",
            Self::Truncate | Self::Empty => "truncated",
            Self::Delete => "missing",
            Self::Rename => {
                let other = other_name(object);
                let shard =
                    other.iter().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect::<PathBuf>();
                return vec![format!("missing {}", name(object)), format!("misnamed {}", shard.display())];
            }
            Self::Open => "wrong-mode",
            Self::Replace => "not-a-file",
        };
        vec![format!("{kind} {}", name(object))]
    }
}

/// A name of the right form, in the same directory, that is another object's.
fn other_name(object: &Path) -> PathBuf {
    let hex = object.file_name().unwrap().to_str().unwrap();
    object.with_file_name(format!("{}{}", &hex[..32], "0".repeat(32)))
}

#[test]
fn whatever_happens_to_an_object_is_found_and_named() {
    let store = Store::new();
    store.check_found(&[]);
    let locations: [(PathBuf, &[&str]); 5] = [
        (store.object(ALONE), &["doc@1:alone"]),
        (store.object(SHARED), &["doc@1:d/again", "doc@1:shared", "run@1:shared"]),
        (store.object(b"a log"), &["run@1:log"]),
        (store.manifest("doc"), &["doc@1 as a whole"]),
        (store.manifest("bulk"), &["bulk@1 as a whole"]),
    ];
    for (object, harms) in locations {
        let bytes = fs::read(&object).unwrap();
        for action in Action::ALL {
            eprintln!("{action:?} of {}", object.display());
            action.act(&object);
            let kinds = action.kinds(&object);
            let expected: Vec<(String, &[&str])> = kinds
                .into_iter()
                .map(|what| if what.starts_with("misnamed") { (what, &[][..]) } else { (what, harms) })
                .collect();
            store.check_found(&expected);
            action.undo(&object, &bytes);
        }
    }
    store.check_found(&[]);
    store.desk.ok(["replay", "--check"]);
}

#[test]
fn what_a_quick_verify_can_see_it_sees() {
    let store = Store::new();
    let object = store.object(ALONE);
    let bytes = fs::read(&object).unwrap();
    for action in Action::ALL {
        action.act(&object);
        let (code, found) = faults(store.desk.run(["verify", "--quick", "--quiet", "--no-record"]));
        let seen = !matches!(action, Action::Flip);
        assert_eq!((code, !found.is_empty()), (if seen { 4 } else { 0 }, seen), "{action:?}: {found:?}");
        // What is asked of one package alone is not about the others.
        let (code, found) = faults(store.desk.run(["verify", "run", "--quiet", "--no-record"]));
        assert_eq!((code, found.len()), (0, 0), "{action:?}: {found:?}");
        let (code, found) = faults(store.desk.run(["verify", "doc", "--quiet", "--no-record"]));
        assert_eq!((code, found.len()), (4, 1), "{action:?}: {found:?}");
        action.undo(&object, &bytes);
    }
}

#[test]
fn foreign_files_are_found_and_leftovers_are_noted() {
    let store = Store::new();
    let root = store.desk.root();
    fs::write(root.join("blake3/notes.txt"), "mine").unwrap();
    let shard = store.object(ALONE).parent().unwrap().to_owned();
    fs::write(shard.join("README"), "mine").unwrap();
    fs::create_dir(root.join("blake3/zz")).unwrap();
    fs::write(root.join("blake3/zz/file"), "mine").unwrap();
    let (code, found) = store.verify();
    let found: Vec<String> = found.into_iter().map(|fault| fault.what).collect();
    let relative = shard.strip_prefix(&root).unwrap().display().to_string();
    assert_eq!(
        (code, found),
        (
            4,
            vec![
                format!("foreign {relative}/README"),
                "foreign blake3/notes.txt".to_owned(),
                "foreign blake3/zz".to_owned(),
            ]
        )
    );
    fs::remove_file(root.join("blake3/notes.txt")).unwrap();
    fs::remove_file(shard.join("README")).unwrap();
    fs::remove_dir_all(root.join("blake3/zz")).unwrap();
    // Whole bytes that no event names, and a dead writer's: worth a note, and no damage.
    let unrecorded = store.object(b"nobody knows");
    tree(&root, &[("tmp/dead/1", b"half")]);
    fs::create_dir_all(unrecorded.parent().unwrap()).unwrap();
    fs::write(&unrecorded, "nobody knows").unwrap();
    fs::set_permissions(&unrecorded, PermissionsExt::from_mode(0o444)).unwrap();
    let said = store.desk.run(["verify", "--no-record"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.out.contains(&name(&unrecorded)) && said.out.contains("tmp/dead"), "{said:#?}");
}

#[test]
fn adding_the_same_content_heals() {
    for action in Action::ALL {
        let store = Store::new();
        let alone = store.object(ALONE);
        let shared = store.object(SHARED);
        for object in [&alone, &shared] {
            action.act(object);
        }
        assert_eq!(store.verify().0, 4);
        // Recorded: the next add reads what verify found damaged, whatever the stat cache knows.
        assert_eq!(store.desk.run(["verify", "--quiet"]).code, 4);
        for reference in ["doc:alone", "doc:shared"] {
            let said = store.desk.run(["cat", reference]);
            let code = if matches!(action, Action::Open) { 0 } else { 4 };
            assert_eq!((said.code, said.out.is_empty()), (code, code != 0), "{action:?}: {said:#?}");
        }
        store.desk.ok(["add", "doc", "--finalize"]);
        if matches!(action, Action::Rename) {
            for object in [&alone, &shared] {
                fs::remove_file(other_name(object)).unwrap();
            }
        }
        store.check_found(&[]);
        let healed = store.desk.ok(["log", "--type", "v1.object.healed"]);
        assert_eq!(healed.lines().count(), 2, "{action:?}: {healed}");
        store.desk.ok(["export", "doc@1", "out"]);
        assert_eq!(fs::read(store.desk.path("out/alone")).unwrap(), ALONE);
    }
}

#[test]
fn an_edited_event_is_found() {
    // Each column, in the first event, in the middle and in the last.
    let columns = [
        "created_at = created_at + 1",
        "event_type = 'v1.package.removed'",
        "subject_kind = 'add'",
        "subject_id = 'x'",
        "actor = 'mallory'",
        "payload = x'a0'",
        "payload_digest = zeroblob(32)",
        "previous_digest = zeroblob(32)",
        "digest = zeroblob(32)",
    ];
    let store = Store::new();
    let whole = fs::read(backup(&store)).unwrap();
    for (sequence, harms) in [(1, &[][..]), (2, &["doc@1 as a whole"][..]), (4, &["run@1 as a whole"])] {
        for column in columns {
            if sequence == 1 && column.starts_with("previous_digest") {
                continue; // these are its 32 zero bytes
            }
            eprintln!("event {sequence}: {column}");
            store.sql(&format!("UPDATE events SET {column} WHERE sequence = {sequence}"));
            let kind = if column.starts_with("payload = ") { "payload" } else { "chain" };
            store.check_found(&[(format!("{kind} event {sequence}"), harms)]);
            let said = store.desk.run(["replay", "--check"]);
            assert_eq!(said.code, 4, "{said:#?}");
            restore(&store, &whole);
        }
    }
    store.check_found(&[]);
}

/// One file with all of the database in it; returns where it is.
fn backup(store: &Store) -> PathBuf {
    let path = store.desk.root().join("astore.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    path
}

fn restore(store: &Store, bytes: &[u8]) {
    for name in ["astore.db-wal", "astore.db-shm"] {
        drop(fs::remove_file(store.desk.root().join(name)));
    }
    fs::write(store.desk.root().join("astore.db"), bytes).unwrap();
}

#[test]
fn a_deleted_event_is_found() {
    let store = Store::new();
    let whole = fs::read(backup(&store)).unwrap();
    for (sequence, harms) in [(1, &[][..]), (2, &["doc@1 as a whole"][..]), (3, &["run@1 as a whole"])] {
        store.sql(&format!("DELETE FROM events WHERE sequence = {sequence}"));
        store.check_found(&[(format!("chain event {sequence}"), harms)]);
        assert_eq!(store.desk.run(["replay", "--check"]).code, 4);
        restore(&store, &whole);
    }
    // The newest one is still in log/: an old backup would look like that, but the bookkeeping is newer.
    store.sql("DELETE FROM events WHERE sequence = 5");
    store.check_found(&[("chain event 5".to_owned(), &["bulk@1 as a whole"])]);
    restore(&store, &whole);
    store.check_found(&[]);
}

#[test]
fn an_edited_view_is_found_and_replay_mends_it() {
    let edits = [
        ("artifact_packages", "UPDATE artifact_packages SET created_by = 'mallory' WHERE name = 'doc'"),
        ("artifact_packages", "UPDATE artifact_packages SET removed_at = 1 WHERE name = 'run'"),
        ("artifact_packages", "DELETE FROM artifact_packages WHERE name = 'run'"),
        ("artifact_files", "UPDATE artifact_files SET mode = 511 WHERE path = CAST('alone' AS BLOB)"),
        ("artifact_files", "DELETE FROM artifact_files WHERE path = CAST('alone' AS BLOB)"),
        ("objects", "UPDATE objects SET digest_sha256 = zeroblob(32) WHERE size_bytes = 12"),
        ("storage_locations", "DELETE FROM storage_locations WHERE object = 1"),
        (
            "retention_classes",
            "UPDATE retention_classes SET duration_seconds = 1 WHERE name = 'raw-evidence'",
        ),
        ("retention_state", "UPDATE retention_state SET hold = 1"),
        ("pins", "INSERT INTO pins VALUES ('keep', 1, NULL, 'mine', 1, 'mallory', 2)"),
        (
            "verify_runs",
            "INSERT INTO verify_runs VALUES (9, 'x', 'full', 'mallory', 1, 5, NULL, NULL, 1, 1, 0)",
        ),
    ];
    let store = Store::new();
    for (table, edit) in edits {
        eprintln!("{edit}");
        store.database().execute_batch(edit).unwrap();
        let (code, found) = store.verify();
        let named = format!("views {table}");
        assert!(found.iter().any(|fault| fault.what == named), "{edit}: {found:?}");
        assert_eq!(code, 4, "{edit}");
        let said = store.desk.run(["replay", "--check"]);
        assert_eq!(said.code, 4, "{said:#?}");
        assert!(said.out.contains(&format!("differs: {table}")), "{said:#?}");
        store.desk.ok(["replay"]);
        store.desk.check_sound();
    }
}

#[test]
fn any_byte_of_the_plain_log_counts() {
    let store = Store::new();
    let whole = fs::read(store.log_file()).unwrap();
    let steps = 40;
    for step in 0..=steps {
        let place = (whole.len() - 1) * step / steps;
        flip(&store.log_file(), place);
        let (code, found) = store.verify();
        assert_eq!(code, 4, "byte {place} of {}: {found:?}", whole.len());
        assert!(found.iter().all(|fault| fault.what.starts_with("log ")), "byte {place}: {found:?}");
        fs::write(store.log_file(), &whole).unwrap();
    }
    store.check_found(&[]);
    // Cut short or gone, it is behind: the database has it all, and the next writer writes it again.
    for length in [0, 100, whole.len() - 1] {
        overwrite(&store.log_file(), |bytes| bytes.truncate(length));
        let (code, found) = store.verify();
        assert_eq!((code, found.len()), (4, 1), "{length}: {found:?}");
        store.desk.ok(["add", "run", "--name", &format!("after-{length}")]);
        store.check_found(&[]);
    }
}

#[test]
fn all_of_it_is_found_in_one_run() {
    let store = Store::new();
    let (alone, shared, manifest) = (store.object(ALONE), store.object(SHARED), store.manifest("doc"));
    let log = store.object(b"a log");
    Action::Flip.act(&alone);
    Action::Truncate.act(&shared);
    Action::Delete.act(&log);
    Action::Open.act(&manifest);
    fs::write(store.desk.root().join("blake3/notes.txt"), "mine").unwrap();
    store.sql(
        "UPDATE events SET actor = 'mallory' WHERE sequence = 3;
         UPDATE artifact_packages SET created_by = 'mallory' WHERE name = 'doc';
         UPDATE retention_classes SET duration_seconds = 1 WHERE name = 'raw-evidence';",
    );
    flip(&store.log_file(), fs::read(store.log_file()).unwrap().len() - 100);
    let (code, found) = store.verify();
    let expected: [(String, &[&str]); 9] = [
        (format!("altered {}", name(&alone)), &["doc@1:alone"]),
        (format!("truncated {}", name(&shared)), &["doc@1:d/again", "doc@1:shared", "run@1:shared"]),
        (format!("missing {}", name(&log)), &["run@1:log"]),
        (format!("wrong-mode {}", name(&manifest)), &["doc@1 as a whole"]),
        ("foreign blake3/notes.txt".to_owned(), &[]),
        ("chain event 3".to_owned(), &["run@1 as a whole"]),
        ("views artifact_packages".to_owned(), &["doc@1 as a whole"]),
        ("views retention_classes".to_owned(), &[]),
        ("log event 5".to_owned(), &["bulk@1 as a whole"]),
    ];
    for (what, harms) in expected {
        let fault = found.iter().find(|fault| fault.what == what);
        let fault = fault.unwrap_or_else(|| panic!("{what} was not found: {found:#?}"));
        assert_eq!(fault.harms, harms, "{what}");
    }
    assert_eq!((code, found.len()), (4, 9), "{found:#?}");
}
