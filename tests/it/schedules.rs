//! Several work on one store, and one of them stands still, dies, or is lied to by its disk at the worst moment: what
//! was acknowledged is there, each thing happened once, and no two histories become one.
//!
//! The order is forced in each: at a call of one's disk the other is let go. More of them stand in `races`,
//! `gc_races`, `together` and `crash`.

mod durable;
mod forks;
mod locks;
mod readers;
mod recovering;
mod settling;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use astore::disk::Disk;
use astore::disk::testing::Call;
use astore::env::Env;
use astore::error::Error;
use astore::monitor::{Monitor, Void};
use astore::registry::report::{
    AddReport, CatTarget, Completion, ListFilter, Recorded, VerifyReport, VerifyRequest,
};
use astore::registry::{Access, OpenOptions, Registry};
use astore::storage::LockError;

use crate::support::oracle;
use crate::support::store::{
    add, copy_store, env, fast_dir, init, open, options, real_disk, reference, tree,
};

/// A store with one package, `first`, and room beside it.
struct Stage {
    place: tempfile::TempDir,
}

const FIRST: &[u8] = b"what was there first";

impl Stage {
    fn new() -> Self {
        let stage = Self { place: fast_dir() };
        init(&stage.root());
        stage.add_here("first", FIRST);
        stage
    }

    /// The same once more, with the same history.
    fn copy(&self) -> Self {
        let copy = Self { place: fast_dir() };
        copy_store(&self.root(), &copy.root());
        copy
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.at("store")
    }

    fn disk(&self) -> Arc<dyn Disk> {
        real_disk(&self.root())
    }

    fn tree(&self, name: &str, content: &[u8]) -> PathBuf {
        tree(&self.at("trees").join(name), &[("f", content)])
    }

    /// Adds a package of one file as a process of its own.
    fn add_here(&self, name: &str, content: &[u8]) {
        self.add_by(&self.open(self.disk(), Access::Write).unwrap(), name, content).unwrap();
    }

    fn add_by(&self, registry: &Registry, name: &str, content: &[u8]) -> Result<AddReport, Error> {
        add(registry, name, &self.tree(name, content), Completion::Finalize)
    }

    fn open(&self, disk: Arc<dyn Disk>, access: Access) -> Result<Registry, Error> {
        self.open_and_wait(disk, access, Duration::ZERO, &Void)
    }

    fn open_and_wait(
        &self,
        disk: Arc<dyn Disk>,
        access: Access,
        wait: Duration,
        monitor: &dyn Monitor,
    ) -> Result<Registry, Error> {
        let options = OpenOptions { wait, ..options(access) };
        // Ids that nobody else has, as a process of its own would have.
        let env = || Env::system("tester@here");
        unless_nobody_holds_it(|| {
            Registry::open_on(disk.clone(), &self.root(), options.clone(), env(), monitor)
        })
    }

    /// Everything that design §3 says of the log, the objects and the views; returns the packages.
    #[track_caller]
    fn check_whole(&self, at: &str) -> Vec<String> {
        check_whole(&self.root(), at)
    }
}

#[track_caller]
fn check_whole(root: &Path, at: &str) -> Vec<String> {
    oracle::check_names(root).unwrap_or_else(|fault| panic!("{at}: {fault}"));
    let registry = open(root, Access::Write).unwrap_or_else(|error| panic!("{at}: {error:?}"));
    let report = verify(&registry);
    assert_eq!(report.faults, [], "{at}");
    assert!(registry.replay_check(&Void).unwrap().differing.is_empty(), "{at}");
    drop(registry);
    let seen = oracle::check_log(root).unwrap_or_else(|fault| panic!("{at}: {fault}"));
    assert_eq!(logged(root), seen.head, "{at}: log/ and the database have the same events");
    seen.packages.into_keys().collect()
}

fn verify(registry: &Registry) -> VerifyReport {
    registry.verify(&VerifyRequest { record: Recorded::No, ..Default::default() }, &Void).unwrap()
}

/// Returns whether whoever makes this call may hold the write lock: then nobody else settles or commits.
fn is_inside(call: &Call) -> bool {
    call.path().is_some_and(|path| path.starts_with("log"))
        || matches!(call, Call::Point { name: "log written" | "log durable" })
}

/// Returns how many events `log/` holds, read by hand: each item is an array of events.
fn logged(root: &Path) -> i64 {
    let mut names: Vec<_> =
        std::fs::read_dir(root.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut events = 0;
    for name in names {
        let bytes = std::fs::read(name).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let item: ciborium::Value = ciborium::from_reader(&mut rest).expect("an item");
            events += item.as_array().expect("an array").len();
        }
    }
    i64::try_from(events).unwrap()
}

fn packages(registry: &Registry) -> Vec<String> {
    let listed = registry.list(ListFilter::All, None).unwrap();
    let mut names: Vec<_> =
        listed.iter().map(|package| format!("{}@{}", package.name, package.version)).collect();
    names.sort();
    names
}

fn cat(registry: &Registry, package: &str) -> Result<Vec<u8>, Error> {
    let path = astore::manifest::EntryPath::new(&b"f"[..]).unwrap();
    let mut out = Vec::new();
    registry.cat(&CatTarget::Path { reference: reference(package), path }, None, &mut out)?;
    Ok(out)
}

/// Builds the database anew, as a process of its own.
fn recover(root: &Path, disk: Arc<dyn Disk>) -> Result<astore::registry::report::RecoverReport, Error> {
    let options = OpenOptions { wait: Duration::ZERO, ..options(Access::Alone) };
    unless_nobody_holds_it(|| Registry::recover_on(disk.clone(), root, options.clone(), env(), &Void))
}

/// Tries again where the lock is held, and by no process that has it open: a test beside this one has forked to start
/// a program, and its child shares every descriptor of this process until it is that program.
fn unless_nobody_holds_it<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..10_000 {
        match attempt() {
            Err(Error::Lock(LockError::Busy { holders })) if holders.is_empty() => std::thread::yield_now(),
            outcome => return outcome,
        }
    }
    attempt()
}
