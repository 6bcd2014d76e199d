//! An operator collects while others work: at every point of either the other one waits or is told to, whoever adds
//! keeps what was added, and nobody who reads is told of damage.
//!
//! The races are forced: one of the two is stalled at one of its calls of the disk, the other one is let go.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::scope;
use std::time::Duration;

use astore::disk::Disk;
use astore::env::{Env, TestClock, Timestamp};
use astore::error::{Error, ErrorKind};
use astore::manifest::EntryPath;
use astore::monitor::{Monitor, Void};
use astore::registry::report::{
    AddReport, CatTarget, ClockTrust, CollectReport, Completion, Confirmed, ExportRequest, LinkMode,
    PinRequest, Plan, PlanRequest, Recorded, VerifyRequest,
};
use astore::registry::{Access, OpenOptions, Registry};
use astore::storage::LockError;

use crate::support::gc;
use crate::support::oracle::{self, Digest};
use crate::support::stalled::{Calls, LONG, Waits, each_call, stalled};
use crate::support::store::{
    add, copy_store, fast_dir, init, later_clock, open_by, options, real_disk, reference, tree,
};
use crate::support::verdict::{Verdict, verdict};

/// The first two are in a package that was removed, and nowhere else.
const OLD: [(&str, &[u8]); 3] = [("x", b"the only copy"), ("y", b"another only copy"), ("z", b"kept")];
const KEPT: [(&str, &[u8]); 1] = [("z", b"kept")];
const AGAIN: [(&str, &[u8]); 4] =
    [("d/x", b"the only copy"), ("n", b"new"), ("y", b"another only copy"), ("z", b"kept")];

fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}

/// A store with candidates, and a tree that has the same content.
struct Stage {
    place: tempfile::TempDir,
    clock: Arc<TestClock>,
}

/// A copy of it, to be used once.
struct Copy<'s> {
    place: tempfile::TempDir,
    stage: &'s Stage,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { place: fast_dir(), clock: later_clock() };
        let root = stage.place.path().join("store");
        init(&root);
        for (name, files) in [("old", &OLD[..]), ("kept", &KEPT[..]), ("again", &AGAIN[..])] {
            tree(&stage.tree(name), files);
        }
        let registry = open_by(&stage.clock, real_disk(&root), &root, options(Access::Write)).unwrap();
        add(&registry, "old", &stage.tree("old"), Completion::Finalize).unwrap();
        add(&registry, "kept", &stage.tree("kept"), Completion::Finalize).unwrap();
        registry.remove(&[reference("old")], "no longer needed").unwrap();
        stage
    }

    fn tree(&self, name: &str) -> PathBuf {
        self.place.path().join("trees").join(name)
    }

    fn copy(&self) -> Copy<'_> {
        let place = fast_dir();
        copy_store(&self.place.path().join("store"), &place.path().join("store"));
        Copy { place, stage: self }
    }
}

impl Copy<'_> {
    fn root(&self) -> PathBuf {
        self.place.path().join("store")
    }

    fn disk(&self) -> Arc<dyn Disk> {
        real_disk(&self.root())
    }

    fn open(&self, disk: Arc<dyn Disk>, access: Access, wait: Duration) -> Result<Registry, Error> {
        self.open_and_tell(disk, access, wait, &Void)
    }

    fn open_and_tell(
        &self,
        disk: Arc<dyn Disk>,
        access: Access,
        wait: Duration,
        monitor: &dyn Monitor,
    ) -> Result<Registry, Error> {
        let options = OpenOptions { wait, ..options(access) };
        let env = Env::on_clock("tester@here", self.stage.clock.clone());
        Registry::open_on(disk, &self.root(), options, env, monitor)
    }

    fn read(&self) -> Registry {
        self.open(self.disk(), Access::Read, Duration::ZERO).unwrap()
    }

    fn add(&self, registry: &mut Registry) -> Result<AddReport, Error> {
        registry.set_batch_files(2);
        add(registry, "again", &self.stage.tree("again"), Completion::Finalize)
    }

    /// What was added is there, all of it, and nothing is wrong.
    #[track_caller]
    fn check_added(&self, at: &str) {
        oracle::check_names(&self.root()).unwrap();
        oracle::check_log(&self.root()).unwrap_or_else(|fault| panic!("{at}: {fault}"));
        let registry = self.read();
        for (path, bytes) in AGAIN {
            assert_eq!(cat(&registry, "again", path).unwrap(), bytes, "{at}");
            assert_eq!(verdict(&registry, &digest(bytes)), Verdict::Present, "{at}");
        }
        let report = registry.verify(&VerifyRequest { record: Recorded::No, ..Default::default() }, &Void);
        assert_eq!(report.unwrap().faults, [], "{at}");
    }

    /// A gc that comes later does not take it either.
    fn check_kept(&self, at: &str) {
        collect(&self.open(self.disk(), Access::Alone, Duration::ZERO).unwrap()).unwrap();
        self.check_added(at);
    }
}

fn collect(registry: &Registry) -> Result<CollectReport, Error> {
    confirm(registry, gc::whatever(Duration::ZERO))
}

fn confirm(registry: &Registry, confirmed: Confirmed) -> Result<CollectReport, Error> {
    gc::collect(registry, confirmed, None, ClockTrust::Doubted)
}

fn plan(registry: &Registry) -> Plan {
    registry.plan(&PlanRequest { min_age: Duration::ZERO }, &Void).unwrap().plan
}

fn cat(registry: &Registry, package: &str, path: &str) -> Result<Vec<u8>, Error> {
    let path = EntryPath::new(path.as_bytes()).unwrap();
    let mut out = Vec::new();
    registry.cat(&CatTarget::Path { reference: reference(package), path }, None, &mut out)?;
    Ok(out)
}

fn is_busy<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Lock(LockError::Busy { .. })))
}

#[test]
fn a_gc_does_not_get_in_while_somebody_adds() {
    let stage = Stage::new();
    for calls in [Calls::Changes, Calls::All] {
        each_call(25, |nth| {
            let copy = stage.copy();
            let (added, met) = stalled(
                &copy.root(),
                (calls, nth),
                |disk| {
                    let mut registry = copy.open(disk, Access::Write, LONG)?;
                    copy.add(&mut registry)
                },
                |call, at_work| {
                    // Whoever only looks sees no danger in what is on its way, and what was planned then is not
                    // carried out later.
                    let planned = plan(&copy.read());
                    let alone = copy.open(copy.disk(), Access::Alone, Duration::ZERO);
                    assert!(is_busy(&alone) || !at_work, "gc got in at {call:?}: {alone:?}");
                    if let Ok(alone) = alone {
                        collect(&alone).unwrap();
                    }
                    (format!("{nth}, {call:?}"), planned)
                },
            );
            added.unwrap();
            let Some((at, planned)) = met else { return false };
            copy.check_added(&at);
            let alone = copy.open(copy.disk(), Access::Alone, Duration::ZERO).unwrap();
            let outcome = confirm(&alone, Confirmed::Exactly(planned.name()));
            match outcome {
                Err(Error::PlanChanged { .. }) => assert!(!planned.objects().is_empty(), "{at}"),
                outcome => assert!(outcome.unwrap().rounds.is_empty(), "{at}: {planned:?}"),
            }
            drop(alone);
            copy.check_kept(&at);
            true
        });
    }
}

#[test]
fn a_gc_that_waits_for_an_add_takes_nothing_of_it() {
    let stage = Stage::new();
    each_call(6, |nth| {
        let copy = stage.copy();
        let (collected, met) = scope(|threads| {
            let (waits, waiting) = Waits::new();
            let (added, met) = stalled(
                &copy.root(),
                (Calls::Points, nth),
                |disk| {
                    let mut registry = copy.open(disk, Access::Write, LONG)?;
                    copy.add(&mut registry)
                },
                |call, _| {
                    let copy = &copy;
                    let collects = threads.spawn(move || {
                        let alone = copy.open_and_tell(copy.disk(), Access::Alone, LONG, &waits)?;
                        collect(&alone)
                    });
                    waiting.recv().unwrap();
                    // Nobody new gets in before it: so it does not wait for ever.
                    let late = copy.open(copy.disk(), Access::Write, Duration::ZERO);
                    assert!(is_busy(&late), "{call:?}: {late:?}");
                    (collects, format!("{nth}, {call:?}"))
                },
            );
            added.unwrap();
            match met {
                Some((collects, at)) => (Some(collects.join().unwrap()), at),
                None => (None, String::new()),
            }
        });
        let Some(collected) = collected else { return false };
        assert!(collected.unwrap().rounds.is_empty(), "{met}");
        copy.check_added(&met);
        copy.check_kept(&met);
        true
    });
}

#[test]
fn nobody_adds_while_a_gc_is_at_work() {
    let stage = Stage::new();
    each_call(20, |nth| {
        let copy = stage.copy();
        let (collected, met) = stalled(
            &copy.root(),
            (Calls::Changes, nth),
            |disk| {
                let mut alone = copy.open(disk, Access::Alone, LONG)?;
                alone.set_round_objects(1);
                collect(&alone)
            },
            |call, _| {
                let adds = copy.open(copy.disk(), Access::Write, Duration::ZERO);
                assert!(is_busy(&adds), "an add got in at {call:?}: {adds:?}");
                let alone = copy.open(copy.disk(), Access::Alone, Duration::ZERO);
                assert!(is_busy(&alone), "another gc got in at {call:?}: {alone:?}");
                // Who only looks is told no lie: what is not there is purged.
                let reader = copy.read();
                for (_, bytes) in OLD {
                    let told = verdict(&reader, &digest(bytes));
                    let purged = matches!(told, Verdict::Purged(_)) && bytes != b"kept";
                    assert!(told == Verdict::Present || purged, "{call:?}: {told:?}");
                }
                format!("{nth}, {call:?}")
            },
        );
        assert_eq!(collected.unwrap().freed().0, 2);
        let Some(at) = met else { return false };
        let mut registry = copy.open(copy.disk(), Access::Write, Duration::ZERO).unwrap();
        assert_eq!(copy.add(&mut registry).unwrap().objects_new, 3, "{at}");
        drop(registry);
        copy.check_added(&at);
        copy.check_kept(&at);
        true
    });
}

#[test]
fn an_add_that_waits_for_a_gc_writes_what_the_gc_took() {
    let stage = Stage::new();
    each_call(6, |nth| {
        let copy = stage.copy();
        let added = scope(|threads| {
            let (waits, waiting) = Waits::new();
            let (collected, met) = stalled(
                &copy.root(),
                (Calls::Points, nth),
                |disk| collect(&copy.open(disk, Access::Alone, LONG)?),
                |call, _| {
                    let copy = &copy;
                    let adds = threads.spawn(move || {
                        let mut registry = copy.open_and_tell(copy.disk(), Access::Write, LONG, &waits)?;
                        copy.add(&mut registry)
                    });
                    waiting.recv().unwrap();
                    (adds, format!("{nth}, {call:?}"))
                },
            );
            assert_eq!(collected.unwrap().freed().0, 2);
            met.map(|(adds, at)| (adds.join().unwrap().unwrap(), at))
        });
        let Some((added, at)) = added else { return false };
        assert_eq!(added.objects_new, 3, "{at}");
        copy.check_added(&at);
        copy.check_kept(&at);
        true
    });
}

/// Two gcs, one of which stands at one of its points.
#[test]
fn two_gcs_take_each_thing_once() {
    let stage = Stage::new();
    each_call(6, |nth| {
        let copy = stage.copy();
        let (first, second) = scope(|threads| {
            let (waits, waiting) = Waits::new();
            let (first, met) = stalled(
                &copy.root(),
                (Calls::Points, nth),
                |disk| collect(&copy.open(disk, Access::Alone, LONG)?),
                |_, _| {
                    let copy = &copy;
                    let second = threads.spawn(move || {
                        let alone = copy.open_and_tell(copy.disk(), Access::Alone, LONG, &waits)?;
                        collect(&alone)
                    });
                    waiting.recv().unwrap();
                    second
                },
            );
            (first.unwrap(), met.map(|second| second.join().unwrap().unwrap()))
        });
        assert_eq!(first.freed().0, 2);
        let Some(second) = second else { return false };
        assert_eq!((second.rounds.len(), second.resumed.len(), second.remains_deleted), (0, 0, 0));
        let purges = oracle::purges(&copy.root());
        assert_eq!(purges.iter().map(|purge| purge.objects.len()).sum::<usize>(), 2, "{purges:?}");
        true
    });
}

/// A reader has decided what to read, and the gc takes it: the reader gets the bytes or hears of the purge.
#[test]
fn who_reads_gets_the_bytes_or_hears_who_took_them() {
    let stage = Stage::new();
    let mut seen = (0, 0);
    let told = std::cell::RefCell::new(&mut seen);
    for path in ["x", "y"] {
        each_call(3, |nth| {
            let copy = stage.copy();
            let (read, met) = stalled(
                &copy.root(),
                (Calls::All, nth),
                |disk| {
                    let registry = copy.open(disk, Access::Read, Duration::ZERO)?;
                    cat(&registry, "old@1", path)
                },
                |call, _| {
                    collect(&copy.open(copy.disk(), Access::Alone, Duration::ZERO).unwrap()).unwrap();
                    call.clone()
                },
            );
            let mut told = told.borrow_mut();
            match read {
                Ok(bytes) => {
                    assert_eq!(
                        Some(&bytes[..]),
                        OLD.iter().find(|(at, _)| *at == path).map(|(_, bytes)| *bytes)
                    );
                    told.0 += 1;
                }
                Err(Error::Purged { .. }) => told.1 += 1,
                Err(error) => panic!("{nth}, {met:?}: {error:?}"),
            }
            met.is_some()
        });
    }
    assert!(seen.0 > 0 && seen.1 > 0, "{seen:?}");
}

#[test]
fn who_exports_gets_the_tree_or_hears_who_took_it() {
    let stage = Stage::new();
    let mut seen = (0, 0);
    let told = std::cell::RefCell::new(&mut seen);
    each_call(6, |nth| {
        let copy = stage.copy();
        let destination = copy.place.path().join("out");
        let request = ExportRequest {
            reference: reference("old@1"),
            destination: destination.clone(),
            link: LinkMode::Copy,
            special_modes: false,
        };
        let (exported, met) = stalled(
            &copy.root(),
            (Calls::All, nth),
            |disk| copy.open(disk, Access::Read, Duration::ZERO)?.export(&request, &Void),
            |call, _| {
                collect(&copy.open(copy.disk(), Access::Alone, Duration::ZERO).unwrap()).unwrap();
                call.clone()
            },
        );
        let mut told = told.borrow_mut();
        match exported {
            Ok(report) => {
                assert_eq!(report.damaged, [], "{nth}, {met:?}");
                for (path, bytes) in OLD {
                    assert_eq!(std::fs::read(destination.join(path)).unwrap(), bytes);
                }
                told.0 += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Purged, "{nth}, {met:?}: {error:?}");
                told.1 += 1;
            }
        }
        met.is_some()
    });
    assert!(seen.0 > 0 && seen.1 > 0, "{seen:?}");
}

/// A verify that runs while a gc purges finds no damage.
#[test]
fn who_verifies_does_not_take_a_gc_for_damage() {
    let stage = Stage::new();
    each_call(20, |nth| {
        let copy = stage.copy();
        let (verified, met) = stalled(
            &copy.root(),
            (Calls::All, nth),
            |disk| {
                let registry = copy.open(disk, Access::Read, Duration::ZERO)?;
                let request = VerifyRequest { threads: Some(1), ..VerifyRequest::default() };
                registry.verify(&request, &Void)
            },
            |call, _| {
                let alone = copy.open(copy.disk(), Access::Alone, Duration::ZERO);
                // It holds the lock only to record.
                if !is_busy(&alone) {
                    collect(&alone.unwrap()).unwrap();
                }
                call.clone()
            },
        );
        assert_eq!(verified.unwrap().faults, [], "{nth}, {met:?}");
        met.is_some()
    });
}
/// Between the look at a plan and its confirmation things happen.
#[test]
fn a_plan_that_somebody_has_changed_is_not_carried_out() {
    let stage = Stage::new();
    type Meanwhile = fn(&Copy<'_>, &mut Registry);
    let x = |bytes: &[u8]| {
        let address = blake3::hash(bytes).to_hex();
        PinRequest::Object(format!("blake3:{address}").parse().unwrap())
    };
    let only = x(b"the only copy");
    let pin_object: Meanwhile = |_, registry| {
        let address = blake3::hash(b"the only copy").to_hex();
        let target = PinRequest::Object(format!("blake3:{address}").parse().unwrap());
        registry.pin("mine", &target, None).unwrap();
    };
    let changes: [(&str, Meanwhile); 5] = [
        ("the same content is added", |copy, registry| drop(copy.add(registry).unwrap())),
        ("an object is pinned", pin_object),
        ("the package is pinned", |_, registry| {
            let target = PinRequest::Package(reference("old@1"));
            registry.pin("mine", &target, Some("wait")).unwrap();
        }),
        ("the package is restored", |_, registry| drop(registry.restore(&reference("old")).unwrap())),
        ("a pin came and went: what it let go is younger than the plan", |copy, registry| {
            let target = PinRequest::Package(reference("old@1"));
            registry.pin("mine", &target, Some("wait")).unwrap();
            let later = copy.stage.clock.now().as_micros() + 1;
            copy.stage.clock.set(Timestamp::from_micros(later));
            registry.unpin("mine", None).unwrap();
        }),
    ];
    for (what, change) in changes {
        let copy = stage.copy();
        let mut registry = copy.open(copy.disk(), Access::Write, Duration::ZERO).unwrap();
        let planned = plan(&registry);
        assert_eq!(planned.objects().len(), 2);
        change(&copy, &mut registry);
        drop(registry);
        let head = oracle::check_log(&copy.root()).unwrap().head;
        let alone = copy.open(copy.disk(), Access::Alone, Duration::ZERO).unwrap();
        let outcome = confirm(&alone, Confirmed::Exactly(planned.name()));
        assert!(matches!(outcome, Err(Error::PlanChanged { .. })), "{what}: {outcome:?}");
        drop(alone);
        assert_eq!(oracle::check_log(&copy.root()).unwrap().head, head, "{what}");
        assert_eq!(cat(&copy.read(), "old@1", "x").unwrap(), b"the only copy", "{what}");
    }
    // And what changes nothing in it does not spoil it.
    let copy = stage.copy();
    let registry = copy.open(copy.disk(), Access::Write, Duration::ZERO).unwrap();
    registry.pin("mine", &only, None).unwrap();
    let planned = plan(&registry);
    assert_eq!(planned.objects().len(), 1);
    registry.verify(&VerifyRequest::default(), &Void).unwrap();
    registry.pin("other", &PinRequest::Package(reference("kept")), None).unwrap();
    registry.remove(&[reference("kept")], "not needed, and pinned").unwrap();
    let later = stage.clock.now().as_micros() + 1;
    stage.clock.set(Timestamp::from_micros(later));
    registry.unpin("mine", None).unwrap();
    drop(registry);
    let alone = copy.open(copy.disk(), Access::Alone, Duration::ZERO).unwrap();
    let report = confirm(&alone, Confirmed::Exactly(planned.name())).unwrap();
    assert_eq!(report.freed().0, 1);
    assert_eq!(cat(&alone, "old@1", "x").unwrap(), b"the only copy");
    assert!(matches!(cat(&alone, "old@1", "y"), Err(Error::Purged { .. })));
}
