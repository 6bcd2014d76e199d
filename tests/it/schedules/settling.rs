//! `log/` is ahead of the database, and several find it so: what it has is entered once, in order, by whoever comes
//! first.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::sync::{Mutex, mpsc};
use std::thread::scope;

use astore::disk::Disk;
use astore::disk::testing::{Call, Observed};
use astore::monitor::{Problem, Recording};
use astore::registry::Access;
use astore::registry::report::Completion;

use super::{Stage, is_inside, packages};
use crate::support::stalled::{Calls, LONG, each_call, stalled};
use crate::support::store::{add, open, request};

/// A store whose database is yesterday's: `log/` has two transactions more.
fn behind() -> Stage {
    let stage = Stage::new();
    let database = std::fs::read(stage.root().join("astore.db")).unwrap();
    stage.add_here("second", b"second");
    stage.add_here("third", b"third");
    std::fs::write(stage.root().join("astore.db"), database).unwrap();
    stage
}

fn caught_up(monitor: &Recording) -> u64 {
    let problems = monitor.problems();
    problems.iter().map(|problem| if let Problem::CaughtUp { events } = problem { *events } else { 0 }).sum()
}

/// Says when somebody makes his first call of this directory: from then on he is on his way to the write lock.
fn on_his_way(disk: Arc<dyn Disk>, directory: &'static [u8]) -> (Arc<dyn Disk>, mpsc::Receiver<()>) {
    let (told, hears) = channel();
    let told = Mutex::new(Some(told));
    let directory = OsStr::from_bytes(directory);
    let watched = Observed::with_reads(disk, move |_, call| {
        let listing = matches!(call, Call::List { .. });
        if directory.is_empty() || !listing && call.path().is_some_and(|path| path.starts_with(directory)) {
            drop(told.lock().unwrap().take());
        }
        Ok(())
    });
    (Arc::new(watched), hears)
}

#[test]
fn two_writers_who_settle_the_same_tail_apply_it_once() {
    let stage = behind();
    for calls in [Calls::Changes, Calls::All] {
        each_call(6, |nth| {
            let copy = stage.copy();
            let (one, other) = (Recording::default(), Recording::default());
            let met = scope(|threads| {
                let (first, met) = stalled(
                    &copy.root(),
                    (calls, nth),
                    |disk| {
                        let registry = copy.open_and_wait(disk, Access::Write, LONG, &one)?;
                        copy.add_by(&registry, "one", b"one")
                    },
                    |_, _| {
                        let (disk, hears) = on_his_way(copy.disk(), b"");
                        let (copy, other) = (&copy, &other);
                        let second = threads.spawn(move || {
                            let registry = copy.open_and_wait(disk, Access::Write, LONG, other)?;
                            copy.add_by(&registry, "other", b"other")
                        });
                        // The sender goes with the first call.
                        hears.recv().ok();
                        second
                    },
                );
                first.unwrap();
                met.map(|second| drop(second.join().unwrap().unwrap())).is_some()
            });
            let at = format!("{calls:?}, {nth}");
            assert_eq!(caught_up(&one) + caught_up(&other), 2, "{at}: each event is entered once");
            let mut expected = vec!["first@1", "one@1", "other@1", "second@1", "third@1"];
            expected.retain(|name| met || *name != "other@1");
            assert_eq!(copy.check_whole(&at), expected, "{at}");
            met
        });
    }
}

/// The reader who finds `log/` ahead and the lock free settles as well.
#[test]
fn a_reader_and_a_writer_who_settle_the_same_tail_apply_it_once() {
    let stage = behind();
    each_call(6, |nth| {
        let copy = stage.copy();
        let (one, other) = (Recording::default(), Recording::default());
        let (read, met) = stalled(
            &copy.root(),
            (Calls::All, nth),
            |disk| copy.open_and_wait(disk, Access::Read, LONG, &one).map(|reader| packages(&reader)),
            |call, _| {
                // While the reader settles it has the write lock; a writer waits, and its test with it.
                if !is_inside(call) {
                    copy.open_and_wait(copy.disk(), Access::Write, LONG, &other).unwrap();
                }
            },
        );
        let at = format!("{nth}, {met:?}");
        assert_eq!(read.unwrap(), ["first@1", "second@1", "third@1"], "{at}");
        assert_eq!(caught_up(&one) + caught_up(&other), 2, "{at}: each event is entered once");
        copy.check_whole(&at);
        met.is_some()
    });
}

/// Killed between `log/` and COMMIT, with another one waiting for the write lock: the operation did happen, and the
/// one who waits enters it before its own.
#[test]
fn who_waits_for_the_write_lock_enters_what_the_killed_one_had_appended() {
    for point in ["log written", "log durable"] {
        let stage = Stage::new();
        let (stands, standing) = channel();
        let (go, goes) = channel::<()>();
        let (stands, goes) = (Mutex::new(stands), Mutex::new(goes));
        let killed_at = Observed::new(stage.disk(), move |_, call| {
            if *call == (Call::Point { name: point }) {
                stands.lock().unwrap().send(()).unwrap();
                goes.lock().unwrap().recv().ok();
                // All that a killed process does: it lets go of its locks.
                std::panic::panic_any("killed");
            }
            Ok(())
        });
        let monitor = Recording::default();
        // It has settled before there was anything to settle; what it finds now it finds in its own transaction.
        let (disk, hears) = on_his_way(stage.disk(), b"tmp");
        let waiter = stage.open_and_wait(disk, Access::Write, LONG, &monitor).unwrap();
        let source = stage.tree("waited", b"waited");
        scope(|threads| {
            let first = threads.spawn(|| {
                let registry = stage.open(Arc::new(killed_at), Access::Write).unwrap();
                stage.add_by(&registry, "killed", b"killed").map(drop)
            });
            standing.recv().unwrap();
            let monitor = &monitor;
            let waits = threads.spawn(move || {
                let request = request("waited", &source, Completion::Finalize);
                waiter.add(request, &mut std::io::empty(), monitor)
            });
            hears.recv().ok();
            go.send(()).unwrap();
            assert!(first.join().is_err(), "it was killed");
            waits.join().unwrap().unwrap();
        });
        assert_eq!(caught_up(&monitor), 1, "{point}");
        assert_eq!(stage.check_whole(point), ["first@1", "killed@1", "waited@1"]);
    }
}

/// Each transaction closes a file of `log/` and begins the next; the other one stands at any call meanwhile.
#[test]
fn two_writers_close_a_full_log_file_once() {
    let stage = Stage::new();
    let source = stage.tree("x", b"x");
    each_call(20, |nth| {
        let copy = stage.copy();
        let write = |disk: Arc<dyn Disk>, name: &str| {
            let mut registry = copy.open_and_wait(disk, Access::Write, LONG, &astore::monitor::Void)?;
            registry.set_log_file_bytes(1);
            add(&registry, name, &source, Completion::Finalize)?;
            add(&registry, name, &source, Completion::Finalize)
        };
        let met = scope(|threads| {
            let write = &write;
            let (first, met) = stalled(
                &copy.root(),
                (Calls::Changes, nth),
                |disk| write(disk, "one"),
                |_, _| {
                    let (disk, hears) = on_his_way(copy.disk(), b"");
                    let second = threads.spawn(move || write(disk, "other"));
                    hears.recv().ok();
                    second
                },
            );
            first.unwrap();
            met.map(|second| drop(second.join().unwrap().unwrap())).is_some()
        });
        let at = format!("{nth}");
        let found = copy.check_whole(&at);
        assert_eq!(found.len(), if met { 5 } else { 3 }, "{at}: {found:?}");
        let files = std::fs::read_dir(copy.root().join("log")).unwrap().count();
        assert_eq!(files, found.len(), "{at}: one transaction a file, but for the first");
        met
    });
}

/// One dies within the first write to the next file; the other finds a file in which nothing counts.
#[test]
fn a_log_file_that_was_begun_by_a_killed_writer_is_begun_again() {
    let stage = Stage::new();
    for length in [0, 1, 40] {
        let copy = stage.copy();
        let source = copy.tree("x", b"x");
        let mut registry = open(&copy.root(), Access::Write).unwrap();
        registry.set_log_file_bytes(1);
        std::fs::write(copy.root().join(format!("log/{:020}.cborseq", 3)), vec![0x81; length]).unwrap();
        add(&registry, "x", &source, Completion::Finalize).unwrap();
        drop(registry);
        assert_eq!(copy.check_whole(&format!("{length} bytes")), ["first@1", "x@1"]);
    }
}
