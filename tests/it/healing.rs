//! An operator whose store lost bytes has the same content elsewhere still, and adds it again: that puts it right,
//! whatever became of the object's file, and the log says so. Before that, `verify` says in a line what it takes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use astore::env::TestClock;
use astore::report::{AddRequest, CacheUse, Completion, Recorded, VerifyRequest};
use astore::{Access, Void};

use crate::support::cli::{Desk, Said};
use crate::support::oracle;
use crate::support::store::{later_clock, open, open_by, options, real_disk, request, tree};

/// What stands in `doc` under two names, and in `run`.
const SHARED: &[u8] = b"in two packages, under three names";
const ALONE: &[u8] = b"in one place";

/// A finalised package and an open one.
fn store() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("doc"), &[("shared", SHARED), ("d/again", SHARED), ("alone", ALONE)]);
    tree(&desk.path("run"), &[("shared", SHARED), ("log", b"a log")]);
    desk.ok(["add", "doc", "--finalize"]);
    desk.ok(["add", "run"]);
    desk
}

/// Makes a tree whose entries are too many to stand in the log: its manifest, or whatever lists them, is an object.
fn bulk(desk: &Desk) {
    let names: Vec<String> = (0..700).map(|number| format!("{number:060}")).collect();
    let bulk: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    tree(&desk.path("bulk"), &bulk);
}

/// What can become of an object's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Missing,
    Truncated,
    Emptied,
    Lengthened,
    Altered,
    Another,
    WrongMode,
    EmptyDirectory,
    FullDirectory,
    Symlink,
    SymlinkToTheBytes,
    Fifo,
}

impl Harm {
    const ALL: [Self; 12] = [
        Self::Missing,
        Self::Truncated,
        Self::Emptied,
        Self::Lengthened,
        Self::Altered,
        Self::Another,
        Self::WrongMode,
        Self::EmptyDirectory,
        Self::FullDirectory,
        Self::Symlink,
        Self::SymlinkToTheBytes,
        Self::Fifo,
    ];

    /// What of it shows to who looks at the file without reading it: an `add` heals that without a verify.
    fn shows(self) -> bool {
        !matches!(self, Self::Altered | Self::Another)
    }

    fn happen_to(self, object: &Path, bytes: &[u8]) {
        fs::remove_file(object).unwrap();
        let mut mode = 0o444;
        let altered: Vec<u8> = match self {
            Self::Missing => return,
            Self::Truncated => bytes[..bytes.len() - 1].to_vec(),
            Self::Emptied => Vec::new(),
            Self::Lengthened => [bytes, b"\0"].concat(),
            Self::Altered => [&[bytes[0] ^ 1], &bytes[1..]].concat(),
            Self::Another => vec![b'x'; bytes.len()],
            Self::WrongMode => {
                mode = 0o644;
                bytes.to_vec()
            }
            Self::EmptyDirectory => return fs::create_dir(object).unwrap(),
            Self::FullDirectory => {
                fs::create_dir(object).unwrap();
                return fs::write(object.join("mine"), "somebody's").unwrap();
            }
            Self::Symlink => return symlink("/etc/hostname", object).unwrap(),
            Self::SymlinkToTheBytes => {
                fs::write(elsewhere(object), bytes).unwrap();
                return symlink(elsewhere(object), object).unwrap();
            }
            Self::Fifo => {
                let made = std::process::Command::new("mkfifo").arg(object).status().unwrap();
                return assert!(made.success());
            }
        };
        fs::write(object, altered).unwrap();
        fs::set_permissions(object, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The words of the event that heals it, where a verify came first and where none did.
    fn healed_as(self, verified: bool) -> &'static str {
        match self {
            Self::WrongMode => "wrong-mode",
            _ if verified => "damaged",
            Self::Missing => "missing",
            Self::Truncated | Self::Emptied | Self::Lengthened => "truncated",
            Self::Altered
            | Self::Another
            | Self::EmptyDirectory
            | Self::FullDirectory
            | Self::Symlink
            | Self::SymlinkToTheBytes
            | Self::Fifo => "damaged",
        }
    }
}

/// A place outside of the store.
fn elsewhere(object: &Path) -> PathBuf {
    object.ancestors().nth(5).unwrap().join(object.file_name().unwrap())
}

/// The events that say what was healed: the fault of each address.
fn healed(desk: &Desk) -> BTreeMap<String, String> {
    let lines = desk.ok(["log", "--type", "v1.object.healed", "--json"]);
    let each = lines.lines().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["payload"]["source"], "add");
        let fault = event["payload"]["fault"].as_str().unwrap().to_owned();
        (event["subject_id"].as_str().unwrap().to_owned(), fault)
    });
    each.collect()
}

fn address(bytes: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(bytes).to_hex())
}

/// Each line in which a verify says what to do, with the fault's first words before it.
fn mends(said: &Said) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in said.out.lines() {
        match line.strip_prefix("  mend: ") {
            Some(mend) => found.last_mut().unwrap().1 = mend.to_owned(),
            None if line.starts_with("  ") => {}
            None => {
                let what = line.split_once(": ").map_or(line, |(what, _)| what);
                found.push((what.to_owned(), String::new()));
            }
        }
    }
    found
}

#[track_caller]
fn check_whole(desk: &Desk, objects: &[(&[u8], &str)]) {
    for (bytes, path) in objects {
        let file = oracle::file_of(&desk.root(), bytes);
        let found = fs::symlink_metadata(&file).unwrap();
        assert!(found.is_file());
        assert_eq!(found.permissions().mode() & 0o7777, 0o444);
        assert_eq!(fs::read(&file).unwrap(), *bytes);
        assert_eq!(desk.ok(["cat", path]).as_bytes(), *bytes);
    }
}

#[test]
fn adding_the_same_content_again_heals_whatever_became_of_the_file() {
    for harm in Harm::ALL {
        for verified in [true, false] {
            if !verified && !harm.shows() {
                continue;
            }
            let desk = store();
            for bytes in [ALONE, SHARED] {
                harm.happen_to(&oracle::file_of(&desk.root(), bytes), bytes);
            }
            if verified {
                let said = desk.run(["verify", "--quiet"]);
                assert_eq!(said.code, 4, "{harm:?}: {said:#?}");
            }
            let said = desk.run(["add", "doc", "--finalize", "--no-cache"]);
            assert_eq!(said.code, 0, "{harm:?}: {said:#?}");
            assert!(said.err.contains("healed 2 objects"), "{harm:?}: {said:#?}");
            let expected = [ALONE, SHARED].map(|bytes| (address(bytes), harm.healed_as(verified).to_owned()));
            assert_eq!(healed(&desk), expected.into_iter().collect(), "{harm:?}");
            check_whole(&desk, &[(ALONE, "doc@1:alone"), (SHARED, "run@1:shared")]);
            if harm == Harm::FullDirectory {
                // store-layout.md 4.7: it is nobody's to delete, and stands aside until he who put it there has looked.
                let found = mends(&desk.run(["verify", "--quiet", "--no-record"]));
                assert_eq!(found.len(), 2, "{found:?}");
                for (what, mend) in found {
                    let aside = what.strip_prefix("foreign ").unwrap();
                    assert_eq!(
                        mend,
                        format!("move {aside} out of the store; add it, if its bytes are missing elsewhere")
                    );
                    assert_eq!(fs::read(desk.root().join(aside).join("mine")).unwrap(), b"somebody's");
                    fs::remove_dir_all(desk.root().join(aside)).unwrap();
                }
            }
            desk.check_sound();
            if harm == Harm::SymlinkToTheBytes {
                let target = elsewhere(&oracle::file_of(&desk.root(), ALONE));
                assert_eq!(
                    target.metadata().unwrap().permissions().mode() & 0o222,
                    0o200,
                    "nothing went through it"
                );
            }
        }
    }
}

#[test]
fn whatever_adds_the_content_heals_it() {
    // Each way of adding, and what is left of the damage when it is done.
    let ways: [&[&str]; 6] = [
        &["add", "doc", "--finalize"],
        &["add", "doc"],
        &["add", "doc", "--finalize", "--if-changed"],
        &["add", "doc", "--name", "other"],
        &["add", "doc", "--package", "run", "--replace"],
        &["add", "doc/alone", "doc/shared", "--name", "both", "--finalize"],
    ];
    for way in ways {
        let desk = store();
        for bytes in [ALONE, SHARED] {
            Harm::Altered.happen_to(&oracle::file_of(&desk.root(), bytes), bytes);
        }
        desk.expect(4, ["verify", "--quiet"]);
        desk.ok(way);
        assert_eq!(healed(&desk).len(), 2, "{way:?}");
        desk.check_sound();
    }
}

/// Adds `doc` with the stat cache, by a clock by which its files have long held still. Returns how many files the
/// cache answered for, and how many objects were healed.
fn add_by_cache(clock: &Arc<TestClock>, desk: &Desk) -> (u64, usize) {
    let root = desk.root();
    let registry = open_by(clock, real_disk(&root), &root, options(Access::Write)).unwrap();
    let request =
        AddRequest { cache: CacheUse::Use, ..request("doc", &desk.path("doc"), Completion::Finalize) };
    let report = registry.add(request, &mut std::io::empty(), &Void).unwrap();
    (report.cache_hits, report.healed.len())
}

#[test]
fn the_stat_cache_keeps_nothing_from_being_healed_that_verify_found() {
    for harm in Harm::ALL {
        for record in [Recorded::Yes, Recorded::No] {
            let desk = store();
            tree(&desk.path("doc"), &[("sound", b"this one is well")]);
            let clock = later_clock();
            assert_eq!(add_by_cache(&clock, &desk), (0, 0));
            for bytes in [ALONE, SHARED] {
                harm.happen_to(&oracle::file_of(&desk.root(), bytes), bytes);
            }
            assert_eq!(
                add_by_cache(&clock, &desk),
                (4, 0),
                "{harm:?}: nothing has looked, and it answers for all"
            );
            let registry = open(&desk.root(), Access::Read).unwrap();
            let report =
                registry.verify(&VerifyRequest { record, ..VerifyRequest::default() }, &Void).unwrap();
            drop(registry);
            // Bytes of the right length are believed until the log says otherwise, and verify says that.
            let heals = record == Recorded::Yes || harm.shows();
            for fault in report.faults.iter().filter(|fault| fault.address.is_some()) {
                let advice = match fault.remedy.name() {
                    "add" | "set-mode" => true,
                    "verify-and-add" => false,
                    other => panic!("{harm:?}: {other}"),
                };
                assert!(heals || !advice, "{harm:?}, {record:?}: {fault:?}");
            }
            assert_eq!(
                add_by_cache(&clock, &desk),
                if heals { (1, 2) } else { (1, 0) },
                "{harm:?}, {record:?}"
            );
        }
    }
}

#[test]
fn verify_says_of_every_fault_what_it_would_take() {
    let desk = store();
    bulk(&desk);
    desk.ok(["add", "bulk", "--finalize"]);
    let root = desk.root();
    let manifest = |reference: &str| {
        let address = desk.ok(["manifest", reference, "--digest"]);
        let hex = address.trim().strip_prefix("blake3:").unwrap().to_owned();
        root.join("blake3").join(&hex[..2]).join(&hex[2..4]).join(hex)
    };
    let (inline, large) = (manifest("doc"), manifest("bulk"));
    let object = |bytes: &[u8]| oracle::file_of(&root, bytes);
    Harm::Altered.happen_to(&object(ALONE), ALONE);
    Harm::Missing.happen_to(&object(SHARED), SHARED);
    Harm::WrongMode.happen_to(&object(b"a log"), b"a log");
    fs::remove_file(&inline).unwrap();
    fs::remove_file(&large).unwrap();
    fs::write(root.join("blake3/README"), "mine").unwrap();
    fs::write(root.join("log/README"), "mine").unwrap();
    let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    db.execute_batch(
        "DROP TRIGGER events_are_never_updated;
         UPDATE events SET actor = 'mallory' WHERE sequence = 3;
         UPDATE retention_state SET hold = 1 WHERE package = 1",
    )
    .unwrap();
    drop(db);
    let named = |path: &Path| format!("blake3:{}", path.file_name().unwrap().to_string_lossy());
    let relative = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    let mut expected = vec![
        (format!("altered {}", address(ALONE)), "add the same content again (doc@1:alone)".to_owned()),
        (format!("missing {}", address(SHARED)), "add the same content again (doc@1:d/again)".to_owned()),
        (
            format!("wrong-mode {}", address(b"a log")),
            format!("chmod 444 {}, or add the same content again (run@1:log)", relative(&object(b"a log"))),
        ),
        (format!("missing {}", named(&inline)), "astore recover".to_owned()),
        (format!("missing {}", named(&large)), "astore recover".to_owned()),
        (
            "foreign blake3/README".to_owned(),
            "move blake3/README out of the store; add it, if its bytes are missing elsewhere".to_owned(),
        ),
        (
            "foreign log/README".to_owned(),
            "move log/README out of the store; add it, if its bytes are missing elsewhere".to_owned(),
        ),
        ("chain event 3".to_owned(), "astore recover".to_owned()),
        ("views retention_state".to_owned(), "astore replay".to_owned()),
    ];
    expected.sort();
    let said = desk.run(["verify", "--quiet"]);
    let mut found = mends(&said);
    found.sort();
    assert_eq!((said.code, found), (4, expected), "{said:#?}");

    // The same for scripts. Here nothing is recorded, so that an add would not know of altered bytes.
    let said = desk.run(["verify", "--quiet", "--no-record", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let mut actions: Vec<(&str, &str)> = document["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["kind"].as_str().unwrap(), fault["remedy"]["action"].as_str().unwrap()))
        .collect();
    actions.sort_unstable();
    assert_eq!(
        actions,
        [
            ("altered", "verify-and-add"),
            ("chain", "recover"),
            ("foreign", "move-away"),
            ("foreign", "move-away"),
            ("missing", "add"),
            ("missing", "recover"),
            ("missing", "recover"),
            ("views", "replay"),
            ("wrong-mode", "set-mode"),
        ]
    );
}

#[test]
fn a_payload_that_the_store_has_nowhere_else_is_a_backups_to_mend() {
    let desk = store();
    bulk(&desk);
    desk.ok(["add", "bulk"]);
    let events = desk.ok(["log", "--type", "v1.package.entries_added", "--json"]);
    let event: serde_json::Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert!(event["payload"].is_null(), "it is an object");
    let hex = event["payload_digest"].as_str().unwrap();
    let path = PathBuf::from(format!("blake3/{}/{}/{hex}", &hex[..2], &hex[2..4]));
    fs::remove_file(desk.root().join(&path)).unwrap();
    let backup = format!("put {} back from a backup: the store has it nowhere else", path.display());
    let found = mends(&desk.run(["verify", "--quiet"]));
    assert!(found.contains(&(format!("missing blake3:{hex}"), backup.clone())), "{found:?}");
    let sequence = event["sequence"].as_u64().unwrap();
    assert!(found.contains(&(format!("payload event {sequence}"), backup)), "{found:?}");
}

#[test]
fn views_on_scribbled_pages_are_mended_by_recover_and_no_replay_is_advised() {
    let desk = store();
    let path = desk.root().join("astore.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let number =
        |sql: &str| usize::try_from(db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()).unwrap();
    let page = number("SELECT rootpage FROM sqlite_master WHERE name = 'artifact_files'");
    let size = number("PRAGMA page_size");
    drop(db);
    let mut bytes = fs::read(&path).unwrap();
    bytes[(page - 1) * size..page * size].fill(0xa5);
    fs::write(&path, bytes).unwrap();

    let said = desk.run(["verify", "--quiet"]);
    let found = mends(&said);
    assert!(found.iter().any(|(what, _)| what.starts_with("views ")), "{said:#?}");
    assert!(found.iter().all(|(_, mend)| mend == "astore recover"), "{said:#?}");
    let said = desk.run(["replay"]);
    assert_eq!(said.code, 4, "{said:#?}");
    assert!(said.err.contains("; 'astore recover' builds it anew from log/"), "{said:#?}");
    desk.ok(["recover"]);
    desk.check_sound();
}

/// A job that asks every night learns of damage that is on record without reading anything again.
#[test]
fn health_says_in_its_exit_code_that_damage_is_on_record() {
    let desk = store();
    desk.ok(["health"]);
    fs::remove_file(oracle::file_of(&desk.root(), ALONE)).unwrap();
    desk.ok(["health"]); // nobody has looked yet
    desk.expect(4, ["verify"]);
    assert!(desk.expect(4, ["health"]).contains("objects found damaged and not yet mended: 1"));
    assert_eq!(desk.expect(4, ["health", "--quiet"]).lines().count(), 1);
    desk.expect(4, ["health", "--json"]);
    // Who asks quickly is told as well, once: what a quick look sees, and what it cannot see.
    assert_eq!(
        desk.expect(4, ["verify", "--quick", "--quiet", "--no-record"]).matches("missing blake3:").count(),
        1
    );
    // The log says that it is mended.
    desk.ok(["add", "doc", "--name", "again", "--finalize"]);
    let health = desk.ok(["health"]);
    assert!(health.contains(", 1 fault\n") && !health.contains("concern"), "{health}");
    desk.ok(["verify"]);
    assert!(!desk.ok(["health"]).contains("fault"));
}
