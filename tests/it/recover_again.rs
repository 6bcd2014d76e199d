//! An operator whose `recover` was stopped half-way, met the store of a later build, or was pointed at the wrong
//! directory: it can be repeated until it is done, and it loses nothing and touches nothing that it does not know.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use astore::disk::testing::{Call, Observed};
use astore::error::Error;
use astore::identity::Blake3;
use astore::monitor::Void;
use astore::registry::report::{Completion, LogFilter, LogMended, RecoverReport};
use astore::registry::{Access, Registry};
use astore::storage::StorageError;

use crate::support::store::{
    add, copy_store, env, fast_dir, init, open, options, real_disk, reference, tree,
};

const LOG: &str = "log/00000000000000000001.cborseq";

/// A store with five events.
fn store() -> (tempfile::TempDir, PathBuf) {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let registry = open(&root, Access::Write).unwrap();
    for (name, text) in [("x", "alpha"), ("y", "beta")] {
        let source = tree(&place.path().join(name), &[("a", text.as_bytes()), ("d/same", b"same")]);
        add(&registry, name, &source, Completion::Finalize).unwrap();
    }
    registry.remove(&[reference("x")], "old").unwrap();
    registry.restore(&reference("x")).unwrap();
    drop(registry);
    (place, root)
}

fn copy(root: &Path) -> (tempfile::TempDir, PathBuf) {
    let place = fast_dir();
    let copied = place.path().join("store");
    copy_store(root, &copied);
    (place, copied)
}

fn recover(root: &Path) -> Result<RecoverReport, Error> {
    Registry::recover(root, options(Access::Alone), env(), &Void)
}

/// Runs a recover that is stopped before a call.
fn recover_until(
    root: &Path,
    stop: impl Fn(usize, &Call) -> bool + Send + Sync + 'static,
) -> Result<RecoverReport, Error> {
    let disk = Observed::new(real_disk(root), move |nth, call| {
        if stop(nth, call) { Err(std::io::Error::other("stopped")) } else { Ok(()) }
    });
    Registry::recover_on(Arc::new(disk), root, options(Access::Alone), env(), &Void)
}

fn head(root: &Path) -> u64 {
    let mut last = 0;
    open(root, Access::Log)
        .unwrap()
        .log(&LogFilter { since: 0, ..LogFilter::default() }, &mut |row| {
            last = row.line.sequence;
            Ok(())
        })
        .unwrap();
    last
}

/// What is done to a store before it is recovered.
type Harm<'a> = &'a dyn Fn(&Path);

#[test]
fn a_recover_that_is_stopped_anywhere_is_repeated_without_a_loss() {
    // store-layout.md 19.4
    let (_place, whole) = store();
    let bytes = std::fs::read(whole.join(LOG)).unwrap();
    let harms: [(&str, Harm<'_>); 5] = [
        ("each has what the other lacks", &|root| {
            std::fs::write(root.join(LOG), [&bytes[..700], &[0xff; 9], &bytes[709..]].concat()).unwrap();
            let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
            let alter =
                "DROP TRIGGER events_are_never_updated; UPDATE events SET actor = 'x' WHERE sequence = 5";
            db.execute_batch(alter).unwrap();
        }),
        ("the last event is in the WAL", &|root| {
            std::fs::remove_dir_all(root.join("log")).unwrap();
            let (other, copied) = copy(root);
            let db = rusqlite::Connection::open(copied.join("astore.db")).unwrap();
            db.execute_batch(
                "PRAGMA wal_autocheckpoint = 0; CREATE TABLE last AS SELECT * FROM events WHERE sequence = 5;
                 DROP TRIGGER events_are_never_deleted; DELETE FROM events WHERE sequence = 5;
                 PRAGMA wal_checkpoint(TRUNCATE);
                 INSERT INTO events SELECT * FROM last; DROP TABLE last;",
            )
            .unwrap();
            for name in ["astore.db", "astore.db-wal"] {
                std::fs::copy(copied.join(name), root.join(name)).unwrap();
            }
            drop((db, other));
        }),
        ("log/ is lost", &|root| std::fs::remove_dir_all(root.join("log")).unwrap()),
        ("log/ is of yesterday", &|root| {
            let bytes = std::fs::read(root.join(LOG)).unwrap();
            std::fs::write(root.join(LOG), &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("the database is lost", &|root| std::fs::remove_file(root.join("astore.db")).unwrap()),
    ];
    let mut stops = 0;
    for (what, harm) in harms {
        for nth in 0.. {
            let (_place, root) = copy(&whole);
            harm(&root);
            // Everything from there on fails, as for a process that is gone.
            let stopped = recover_until(&root, move |number, _| number >= nth);
            // A second one that is stopped as well.
            drop(recover_until(&root, move |number, _| number >= nth * 7 % 40));
            let again = recover(&root).unwrap_or_else(|error| panic!("{what}, stopped at {nth}: {error}"));
            assert_eq!(again.head_sequence, 5, "{what}, stopped at {nth}");
            assert_eq!(head(&root), 5, "{what}, stopped at {nth}");
            stops += 1;
            if stopped.is_ok() {
                break;
            }
        }
    }
    eprintln!("{stops} stops");
}

#[test]
fn a_directory_that_is_no_store_is_left_alone() {
    let place = fast_dir();
    let root = place.path().join("app");
    tree(&root, &[("log/production.log", b"GET /"), ("tmp/precious", b"work"), ("astore.txt", b"")]);
    let error = recover(&root).unwrap_err();
    assert!(root.join("tmp/precious").exists(), "it was deleted: {error}");
    assert!(matches!(error, Error::Storage(StorageError::NoStore { .. })), "{error:?}");
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 3, "something was made");
}

#[test]
fn what_waits_in_tmp_is_cleared_in_a_store_only() {
    let (_place, root) = store();
    std::fs::remove_file(root.join("astore.toml")).unwrap();
    for name in ["astore.db", LOG] {
        std::fs::write(root.join(name), b"something else").unwrap();
    }
    tree(&root, &[("tmp/precious", b"work")]);
    recover(&root).unwrap_err();
    assert!(root.join("tmp/precious").exists());
}

/// An item whose record this build cannot read.
fn later_item() -> Vec<u8> {
    let record = [0x81, 0x02];
    let mut item = vec![0x81, 0x83, 0x42];
    item.extend(record);
    item.extend([0xf6, 0x58, 0x20]);
    item.extend(Blake3::of(&record).as_bytes());
    item
}

#[test]
fn what_a_later_build_wrote_is_never_dropped() {
    // store-layout.md 7.4, 16.1
    let (_place, root) = store();
    let mut bytes = std::fs::read(root.join(LOG)).unwrap();
    bytes.extend(later_item());
    std::fs::write(root.join(LOG), &bytes).unwrap();
    for database in [true, false] {
        if !database {
            std::fs::remove_file(root.join("astore.db")).unwrap();
        }
        let error = recover(&root).map(|report| report.log).unwrap_err();
        assert!(error.to_string().contains("later"), "{error}");
        assert_eq!(std::fs::read(root.join(LOG)).unwrap(), bytes);
    }
}

#[test]
fn a_damaged_last_event_is_put_aside_where_no_database_vouches_for_its_end() {
    // store-layout.md 19.5
    let (_place, whole) = store();
    let bytes = std::fs::read(whole.join(LOG)).unwrap();
    for harm in ["altered", "cut"] {
        let (_place, root) = copy(&whole);
        let mut harmed = bytes.clone();
        match harm {
            "altered" => harmed[bytes.len() - 5] ^= 1,
            _ => harmed.truncate(bytes.len() - 5),
        }
        std::fs::write(root.join(LOG), &harmed).unwrap();
        std::fs::remove_file(root.join("astore.db")).unwrap();
        let report = recover(&root).unwrap();
        assert_eq!(report.head_sequence, 4);
        let LogMended::WrittenAgain { aside, .. } = report.log else { panic!("{harm}: {:?}", report.log) };
        assert_eq!(std::fs::read(root.join(LOG.replace("log/", &format!("{aside}/")))).unwrap(), harmed);
        assert_eq!(head(&root), 4);
        assert_eq!(recover(&root).unwrap().log, LogMended::Whole);
    }
}

#[test]
fn a_row_under_another_number_is_no_event_that_is_missing() {
    let (_place, root) = store();
    let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    db.execute_batch(
        "DROP TRIGGER events_are_never_updated; UPDATE events SET sequence = 72 WHERE sequence = 5;",
    )
    .unwrap();
    drop(db);
    let report = recover(&root).unwrap();
    assert_eq!((report.head_sequence, report.only_in_log), (5, 1));
}

#[test]
fn a_database_without_its_tables_is_damage() {
    let (_place, root) = store();
    let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    db.execute_batch("ALTER TABLE events RENAME TO evants; DROP TABLE bookkeeping;").unwrap();
    drop(db);
    let report = recover(&root).unwrap();
    assert_eq!((report.head_sequence, report.only_in_log), (5, 5));
    assert!(report.database_fault.is_some());
}

#[test]
fn a_wal_without_a_database_stays_by_itself() {
    // store-layout.md 19.4
    let (_place, root) = store();
    std::fs::remove_file(root.join("astore.db")).unwrap();
    std::fs::write(root.join("astore.db-wal"), b"of a database that is gone").unwrap();
    recover(&root).unwrap();
    std::fs::write(root.join("astore.db-wal"), b"of this one").unwrap();
    recover(&root).unwrap();
    let names: Vec<String> = std::fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with("-wal") && name.contains("aside"))
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    for name in names {
        let wal = std::fs::read(root.join(&name)).unwrap();
        let has_database = root.join(name.trim_end_matches("-wal")).exists();
        assert_eq!(has_database, wal == b"of this one", "{name}");
    }
}

#[test]
fn a_symlink_in_the_place_of_a_manifest_is_healed() {
    let (_place, root) = store();
    let digest = open(&root, Access::Read).unwrap().manifest(&reference("y")).unwrap().digest.to_string();
    let path = root.join(format!("blake3/{}/{}/{digest}", &digest[..2], &digest[2..4]));
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    let report = recover(&root).unwrap();
    assert_eq!(report.healed.len(), 1);
    assert!(std::fs::symlink_metadata(&path).unwrap().is_file());
}

#[test]
fn who_follows_the_log_hears_of_what_comes_after_a_recover_or_that_he_cannot() {
    let (place, root) = store();
    let follower = open(&root, Access::Log).unwrap();
    recover(&root).unwrap();
    let registry = open(&root, Access::Write).unwrap();
    let source = tree(&place.path().join("z"), &[("a", b"gamma")]);
    add(&registry, "z", &source, Completion::Finalize).unwrap();
    let (send, hear) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        follower.follow(&LogFilter { since: 0, ..LogFilter::default() }, &mut |row| {
            send.send(row.line.sequence).map_err(std::io::Error::other)?;
            if row.line.sequence > 5 { Err(std::io::Error::other("enough")) } else { Ok(()) }
        })
    });
    let mut heard = Vec::new();
    let ended = loop {
        match hear.recv_timeout(Duration::from_secs(5)) {
            Ok(sequence) => heard.push(sequence),
            Err(error) => break error,
        }
    };
    assert_eq!(ended, std::sync::mpsc::RecvTimeoutError::Disconnected, "it waits for ever, after {heard:?}");
    thread.join().unwrap().unwrap_err();
}

#[test]
fn init_does_not_take_a_database_with_a_history_for_its_own_remains() {
    let (_place, whole) = store();
    let place = fast_dir();
    let root = place.path().join("store");
    std::fs::create_dir(&root).unwrap();
    std::fs::copy(whole.join("astore.db"), root.join("astore.db")).unwrap();
    let before = std::fs::read(root.join("astore.db")).unwrap();
    Registry::init(&root, &Default::default(), &env()).unwrap_err();
    assert!(std::fs::read(root.join("astore.db")).unwrap() == before);
}
