//! A disk that fails once, at any call: the command says so or succeeds, what it said is true, and the next
//! command simply works.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use astore::disk::testing::{Call, Observed};
use astore::error::Error;
use astore::events::LogError;
use astore::monitor::Void;
use astore::registry::report::{
    AddTarget, CatTarget, Completion, ListFilter, OnConflict, Recorded, VerifyDepth, VerifyRequest,
};
use astore::registry::{Access, Registry};

use crate::support::oracle;
use crate::support::store::{
    add, copy_store, fast_dir, init, open, open_on, real_disk, reference, request, tree,
};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// A store to begin from, and a tree beside it.
struct Stage {
    place: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { place: fast_dir() };
        init(&stage.root());
        let files: [(&str, &[u8]); 5] =
            [("a", b"alpha"), ("d/b", b"beta"), ("d/c", b"gamma"), ("same", b"alpha"), ("z", b"")];
        tree(&stage.tree(), &files);
        stage
    }

    /// The same with a package in it.
    fn with(completion: Completion) -> Self {
        let stage = Self::new();
        add(&open(&stage.root(), Access::Write).unwrap(), "x", &stage.tree(), completion).unwrap();
        stage
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("store")
    }

    fn tree(&self) -> PathBuf {
        self.place.path().join("tree")
    }
}

type Packages = BTreeMap<String, (bool, bool)>;

/// Runs `operate` on copies of a store, each with another call failing once, until one runs through untouched.
///
/// `after` is what the packages are once it has happened. Whatever was answered, the store must then open, be
/// what it says, and take the operation again.
fn sweep(
    stage: &Stage,
    operate: impl Fn(&Registry) -> Result<(), Error>,
    before: &Packages,
    after: &Packages,
) {
    for (errno, reads) in [(EIO, false), (ENOSPC, false), (EIO, true)] {
        let mut nth = 0;
        loop {
            let place = fast_dir();
            let root = place.path().join("store");
            copy_store(&stage.root(), &root);
            let hit = Arc::new(AtomicBool::new(false));
            let outcome = fail_at(&root, nth, errno, reads, &hit, &operate);
            let at = |what: &str| format!("call {nth} fails with {errno} (reads: {reads}): {what}");
            let seen = inspect(&root).unwrap_or_else(|fault| panic!("{}", at(&fault)));
            match &outcome {
                Ok(()) => assert_eq!(&seen, after, "{}", at("it said that it is done")),
                Err(error @ (Error::MayStand(_) | Error::Log(LogError::Unsure { .. }))) => {
                    assert_clear(error, errno, &at);
                }
                Err(error) => {
                    assert_eq!(&seen, before, "{}", at(&format!("it said that it failed: {error:?}")));
                    assert_clear(error, errno, &at);
                }
            }
            if &seen == before {
                let registry = open(&root, Access::Write).unwrap();
                operate(&registry).unwrap_or_else(|error| panic!("{}", at(&format!("again: {error:?}"))));
                drop(registry);
                assert_eq!(&inspect(&root).unwrap(), after, "{}", at("done again"));
            }
            if !hit.load(Ordering::SeqCst) {
                outcome.unwrap();
                assert!(nth > 4, "only {nth} calls were seen");
                break;
            }
            nth += 1;
        }
    }
}

fn fail_at(
    root: &Path,
    nth: usize,
    errno: i32,
    reads: bool,
    hit: &Arc<AtomicBool>,
    operate: &impl Fn(&Registry) -> Result<(), Error>,
) -> Result<(), Error> {
    let hit = hit.clone();
    let watch = move |n: usize, _: &_| {
        if n == nth {
            hit.store(true, Ordering::SeqCst);
            return Err(io::Error::from_raw_os_error(errno));
        }
        Ok(())
    };
    let real = real_disk(root);
    let disk = if reads { Observed::with_reads(real, watch) } else { Observed::new(real, watch) };
    let mut registry = open_on(Arc::new(disk), root)?;
    registry.set_batch_files(2);
    operate(&registry)
}

/// A clear error names what failed and what the system said.
pub(crate) fn assert_clear(error: &Error, errno: i32, at: &impl Fn(&str) -> String) {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        said.push_str(": ");
        said.push_str(&cause.to_string());
        source = cause.source();
    }
    let system = io::Error::from_raw_os_error(errno).to_string();
    assert!(said.contains(&system), "{}", at(&format!("unclear: {said}")));
}

/// Opens the store as the next command does, verifies it, compares the views with replay, and says what it holds.
fn inspect(root: &Path) -> Result<Packages, String> {
    let registry = open(root, Access::Write).map_err(|error| format!("it does not open: {error:?}"))?;
    let check = registry.replay_check(&Void).map_err(|error| format!("no replay: {error:?}"))?;
    if !check.differing.is_empty() {
        return Err(format!("views differ from replay: {:?}", check.differing));
    }
    let quick = VerifyRequest { depth: VerifyDepth::Quick, record: Recorded::No, ..VerifyRequest::default() };
    let report = registry.verify(&quick, &Void).map_err(|error| format!("no verify: {error:?}"))?;
    if !report.faults.is_empty() {
        return Err(format!("verify finds {:?}", report.faults));
    }
    drop(registry);
    oracle::check_names(root)?;
    Ok(oracle::check_log(root)?.packages)
}

fn packages(all: &[(&str, bool, bool)]) -> Packages {
    all.iter().map(|&(name, finalized, removed)| (name.to_owned(), (finalized, removed))).collect()
}

#[test]
fn an_add_fails_clearly_or_succeeds() {
    let stage = Stage::new();
    for (completion, finalized) in [(Completion::Finalize, true), (Completion::LeaveOpen, false)] {
        sweep(
            &stage,
            |registry| add(registry, "x", &stage.tree(), completion).map(drop),
            &packages(&[]),
            &packages(&[("x@1", finalized, false)]),
        );
    }
}

#[test]
fn an_add_to_an_open_package_fails_clearly_or_succeeds() {
    let stage = Stage::with(Completion::LeaveOpen);
    let more = tree(&stage.place.path().join("more"), &[("m", b"more"), ("n/o", b"other")]);
    let extend = |registry: &Registry, completion| {
        let target = AddTarget::Open { reference: reference("x"), on_conflict: OnConflict::Refuse };
        let request = astore::registry::report::AddRequest { target, ..request("x", &more, completion) };
        registry.add(request, &mut io::empty(), &Void).map(drop)
    };
    let open = packages(&[("x@1", false, false)]);
    sweep(
        &stage,
        |registry| extend(registry, Completion::Finalize),
        &open,
        &packages(&[("x@1", true, false)]),
    );
}

#[test]
fn a_finalize_fails_clearly_or_succeeds() {
    let stage = Stage::with(Completion::LeaveOpen);
    sweep(
        &stage,
        |registry| registry.finalize(&reference("x"), &Void).map(drop),
        &packages(&[("x@1", false, false)]),
        &packages(&[("x@1", true, false)]),
    );
}

#[test]
fn a_remove_fails_clearly_or_succeeds() {
    let stage = Stage::with(Completion::Finalize);
    sweep(
        &stage,
        |registry| registry.remove(&[reference("x")], "no more").map(drop),
        &packages(&[("x@1", true, false)]),
        &packages(&[("x@1", true, true)]),
    );
}

/// `log/` is ahead by a removal, and torn behind it.
#[test]
fn settling_fails_clearly_or_succeeds() {
    let stage = Stage::with(Completion::Finalize);
    let root = stage.root();
    let database = std::fs::read(root.join("astore.db")).unwrap();
    open(&root, Access::Write).unwrap().remove(&[reference("x")], "gone").unwrap();
    std::fs::write(root.join("astore.db"), database).unwrap();
    let log = root.join("log/00000000000000000001.cborseq");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes.extend([0x81, 0x83, 0x58]);
    std::fs::write(&log, bytes).unwrap();
    // What is in the log did happen, whoever enters it and however often that fails.
    let gone = packages(&[("x@1", true, true)]);
    sweep(&stage, |registry| registry.list(ListFilter::All, None).map(drop), &gone, &gone);
}

/// An object is missing; the add that brings it back is disturbed.
#[test]
fn healing_fails_clearly_or_succeeds() {
    let stage = Stage::with(Completion::Finalize);
    let hex = blake3::hash(b"beta").to_hex();
    let object = PathBuf::from(format!("blake3/{}/{}/{hex}", &hex[..2], &hex[2..4]));
    let operate = |registry: &Registry| -> Result<(), Error> {
        let report = add(registry, "y", &stage.tree(), Completion::Finalize)?;
        assert_eq!(report.package.files, 5);
        let prefix = format!("blake3:{hex}").parse().unwrap();
        let mut bytes = Vec::new();
        registry.cat(&CatTarget::Object(prefix), None, &mut bytes).unwrap();
        assert_eq!(bytes, b"beta");
        Ok(())
    };
    for nth in 0..200 {
        let place = fast_dir();
        let root = place.path().join("store");
        copy_store(&stage.root(), &root);
        std::fs::remove_file(root.join(&object)).unwrap();
        let hit = Arc::new(AtomicBool::new(false));
        let outcome = fail_at(&root, nth, EIO, false, &hit, &operate);
        if outcome.is_err() {
            let registry = open(&root, Access::Write).unwrap();
            operate(&registry).unwrap();
        }
        inspect(&root).unwrap();
        if !hit.load(Ordering::SeqCst) {
            return;
        }
    }
    panic!("the add never ran through");
}

/// A sync of `log/` that fails: the item is taken back, but a power cut may bring it to light, and the command
/// does not claim that it failed for good.
#[test]
fn a_log_that_cannot_be_synced_leaves_it_open_what_happened() {
    let stage = Stage::with(Completion::Finalize);
    let watch = |_: usize, call: &Call| {
        let fails = matches!(call, Call::SyncFile { path, .. } if path.starts_with("log"));
        if fails { Err(io::Error::from_raw_os_error(EIO)) } else { Ok(()) }
    };
    let root = stage.root();
    let registry = open_on(Arc::new(Observed::new(real_disk(&root), watch)), &root).unwrap();
    let error = registry.remove(&[reference("x")], "no more").unwrap_err();
    assert!(matches!(error, Error::Log(LogError::Unsure { .. })), "{error:?}");
    drop(registry);
    assert_eq!(inspect(&root).unwrap(), packages(&[("x@1", true, false)]));
}
