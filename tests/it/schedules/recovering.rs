//! A recover puts another database in the place of the one that somebody has open: nothing of the one gets into the
//! other, and whoever reads is told the truth.

use std::sync::Arc;
use std::time::Duration;

use astore::disk::Disk;
use astore::disk::testing::Call;
use astore::error::{Error, ErrorKind};
use astore::monitor::Void;
use astore::registry::Access;
use astore::storage::LockError;

use super::{FIRST, Stage, cat, packages, recover};
use crate::support::stalled::{Calls, LONG, Waits, each_call, stalled};
use crate::support::store::{env, options};

fn is_busy<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Lock(LockError::Busy { .. })))
}

/// What a recover must leave: one database, whole, and the one before it aside.
#[track_caller]
fn check_recovered(stage: &Stage, at: &str) -> Vec<String> {
    let found = stage.check_whole(at);
    let names: Vec<String> = std::fs::read_dir(stage.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!names.iter().any(|name| name.starts_with("astore.db.new")), "{at}: {names:?}");
    found
}

#[test]
fn a_recover_waits_for_a_writer_that_has_the_old_database_open() {
    let stage = Stage::new();
    each_call(15, |nth| {
        let copy = stage.copy();
        let (added, met) = stalled(
            &copy.root(),
            (Calls::Changes, nth),
            |disk| copy.add_by(&copy.open(disk, Access::Write)?, "x", b"x"),
            |call, _| {
                let refused = recover(&copy.root(), copy.disk());
                assert!(is_busy(&refused), "a recover got in at {call:?}: {refused:?}");
            },
        );
        added.unwrap();
        let at = format!("{nth}");
        recover(&copy.root(), copy.disk()).unwrap();
        assert_eq!(check_recovered(&copy, &at), ["first@1", "x@1"]);
        met.is_some()
    });
}

#[test]
fn nobody_writes_while_a_recover_is_at_work() {
    // store-layout.md 19.1
    let stage = Stage::new();
    each_call(10, |nth| {
        let copy = stage.copy();
        let (recovered, met) = stalled(
            &copy.root(),
            (Calls::Changes, nth),
            |disk| recover(&copy.root(), disk),
            |call, at_work| {
                let writer = copy.open(copy.disk(), Access::Write);
                // Before it has the lock it makes directories that are missing, and nothing else.
                let no_lock =
                    matches!(call, Call::MakeDir { .. }) || nth < 5 && matches!(call, Call::SyncDir { .. });
                assert!(is_busy(&writer) || !at_work || no_lock, "a writer got in at {call:?}: {writer:?}");
                drop(writer);
                let again = recover(&copy.root(), copy.disk());
                assert!(is_busy(&again) || !at_work || no_lock, "two recovers at {call:?}: {again:?}");
            },
        );
        recovered.unwrap();
        assert_eq!(check_recovered(&copy, &format!("{nth}")), ["first@1"]);
        met.is_some()
    });
}

/// With the lock file deleted nothing makes the recover wait: the writer stands anywhere in its add, and another one
/// adds to the new database before the first goes on.
#[test]
fn a_recover_without_the_lock_file_lets_nothing_of_the_old_history_into_the_new() {
    // store-layout.md 19.1
    let stage = Stage::new();
    for then_another in [false, true] {
        each_call(15, |nth| {
            let copy = stage.copy();
            let (added, met) = stalled(
                &copy.root(),
                (Calls::Changes, nth),
                |disk| copy.add_by(&copy.open(disk, Access::Write)?, "x", b"x"),
                |call, _| {
                    std::fs::remove_file(copy.root().join("astore.lock")).unwrap();
                    drop(std::fs::remove_file(copy.root().join("astore.gate")));
                    let recovered = recover(&copy.root(), copy.disk());
                    let another = then_another && recovered.is_ok();
                    if another {
                        copy.add_here("another", b"another");
                    }
                    (call.clone(), recovered.map(drop).map_err(|error| error.to_string()), another)
                },
            );
            let at = format!("{nth}, {met:?}: {added:?}");
            let found = check_recovered(&copy, &at);
            assert!(found.contains(&"first@1".to_owned()), "{at}");
            let another = met.as_ref().is_some_and(|(_, _, another)| *another);
            assert_eq!(found.contains(&"another@1".to_owned()), another, "{at}: {found:?}");
            match added {
                Ok(_) => assert!(found.contains(&"x@1".to_owned()), "{at}: acknowledged, and not there"),
                // Its bytes in flight were cleared away, its lock or its database is another's: all of that is said.
                Err(error) => assert!(error.kind() != ErrorKind::Damage, "{at}"),
            }
            met.is_some()
        });
    }
}

/// A reader takes no lock. It has the old database open all the time, or opens it at any moment of the recover.
#[test]
fn whoever_reads_during_a_recover_is_told_the_truth() {
    let stage = Stage::new();
    each_call(20, |nth| {
        let copy = stage.copy();
        let old = copy.open(copy.disk(), Access::Read).unwrap();
        let (recovered, met) = stalled(
            &copy.root(),
            (Calls::All, nth),
            |disk| recover(&copy.root(), disk),
            |call, _| {
                assert_eq!(packages(&old), ["first@1"], "{call:?}");
                // Between the two names there is no database for a moment.
                match copy.open(copy.disk(), Access::Read) {
                    Ok(new) => {
                        assert_eq!(packages(&new), ["first@1"], "{call:?}");
                        assert_eq!(cat(&new, "first").unwrap(), FIRST, "{call:?}");
                    }
                    Err(error) => assert!(matches!(error, Error::DatabaseMissing), "{call:?}: {error:?}"),
                }
            },
        );
        recovered.unwrap();
        let at = format!("{nth}");
        // The next writer's WAL is its own: the old reader, closing, must not take it away or write to it.
        let writer = copy.open(copy.disk(), Access::Write).unwrap();
        copy.add_by(&writer, "x", b"x").unwrap();
        let wal = copy.root().join("astore.db-wal");
        let there = std::fs::metadata(&wal).unwrap().len();
        assert!(there > 0, "{at}");
        assert_eq!(packages(&old), ["first@1"], "{at}: a true state of a moment ago");
        drop(old);
        assert_eq!(std::fs::metadata(&wal).unwrap().len(), there, "{at}: the new WAL is gone");
        assert_eq!(packages(&copy.open(copy.disk(), Access::Read).unwrap()), ["first@1", "x@1"], "{at}");
        drop(writer);
        assert_eq!(check_recovered(&copy, &at), ["first@1", "x@1"]);
        met.is_some()
    });
}

/// The reader stands between the database and the first thing that it asks it, and the recover goes through.
#[test]
fn a_reader_that_opens_the_old_database_just_before_the_swap_is_told_the_truth() {
    let stage = Stage::new();
    each_call(4, |nth| {
        let copy = stage.copy();
        let (read, met) = stalled(
            &copy.root(),
            (Calls::All, nth),
            |disk| {
                let reader = copy.open(disk, Access::Read)?;
                Ok::<_, Error>((packages(&reader), cat(&reader, "first")?))
            },
            |call, _| {
                recover(&copy.root(), copy.disk()).unwrap();
                copy.add_here("x", b"x");
                call.clone()
            },
        );
        let at = format!("{nth}, {met:?}");
        let (listed, content) = match read {
            Ok(read) => read,
            // It found `log/` ahead of a database that is none any more, and would have had to write to it.
            Err(Error::DatabaseReplaced) => return true,
            Err(error) => panic!("{at}: {error:?}"),
        };
        assert!(listed == ["first@1"] || listed == ["first@1", "x@1"], "{at}: {listed:?}");
        assert_eq!(content, FIRST, "{at}");
        check_recovered(&copy, &at);
        met.is_some()
    });
}

/// The WAL of the old database holds what was committed last, and its writer was killed: it goes with the old one,
/// and what it held is in the new one.
#[test]
fn what_only_the_old_wal_has_is_in_the_new_database_and_the_wal_is_not_beside_it() {
    let stage = Stage::new();
    let writer = stage.open(stage.disk(), Access::Write).unwrap();
    stage.add_by(&writer, "x", b"x").unwrap();
    // As a killed process leaves it: nobody took the WAL in.
    let killed = stage.copy();
    drop(writer);
    assert!(std::fs::metadata(killed.root().join("astore.db-wal")).unwrap().len() > 0);
    std::fs::remove_dir_all(killed.root().join("log")).unwrap();
    let report = recover(&killed.root(), killed.disk()).unwrap();
    assert_eq!(report.head_sequence, 3);
    let aside = killed.root().join("astore.db.aside-1");
    assert!(aside.exists());
    assert_eq!(check_recovered(&killed, "killed"), ["first@1", "x@1"]);
}

/// A writer waits for the lock that a recover holds: what it opens then is the new database.
#[test]
fn a_writer_that_waits_for_a_recover_opens_the_new_database() {
    let stage = Stage::new();
    each_call(3, |nth| {
        let copy = stage.copy();
        let met = std::thread::scope(|threads| {
            let (waits, waiting) = Waits::new();
            let (recovered, met) = stalled(
                &copy.root(),
                (Calls::Points, nth),
                |disk: Arc<dyn Disk>| {
                    let options =
                        astore::registry::OpenOptions { wait: Duration::ZERO, ..options(Access::Alone) };
                    astore::registry::Registry::recover_on(disk, &copy.root(), options, env(), &Void)
                },
                |_, _| {
                    let copy = &copy;
                    let adds = threads.spawn(move || {
                        let registry = copy.open_and_wait(copy.disk(), Access::Write, LONG, &waits)?;
                        copy.add_by(&registry, "x", b"x")
                    });
                    waiting.recv().unwrap();
                    adds
                },
            );
            recovered.unwrap();
            met.map(|adds| drop(adds.join().unwrap().unwrap())).is_some()
        });
        let found = check_recovered(&copy, &format!("{nth}"));
        assert_eq!(found.contains(&"x@1".to_owned()), met, "{nth}: {found:?}");
        met
    });
}
