//! A disk that fails, at any call and in any way: the command says so or succeeds, what it said is true, and the next
//! command simply works.

mod harm;
mod reading;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use astore::disk::Disk;
use astore::disk::testing::{Act, Call, Observed};
use astore::error::Error;
use astore::events::LogError;
use astore::monitor::Void;
use astore::registry::report::{
    AddTarget, CatTarget, Completion, HoldRequest, InitRequest, ListFilter, OnConflict, PinRequest,
    RetainRequest, VerifyDepth, VerifyRequest,
};
use astore::registry::{Access, Registry};
use astore::storage::StorageError;

use self::harm::{EIO, Operate, Story};
pub(crate) use self::harm::{ERRNOS, Packages, inspect};
use crate::support::oracle;
use crate::support::store::{
    add, env, fast_dir, init, open, open_on, options, real_disk, reference, request, tree,
};

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

/// Puts a writing command through every fault.
fn sweep(
    name: &'static str,
    stage: &Stage,
    operate: impl Fn(&Registry) -> Result<(), Error>,
    before: &Packages,
    after: &Packages,
) {
    story(name, stage, &writing(operate), before, after, |story| story.run());
}

fn story(
    name: &'static str,
    stage: &Stage,
    operate: &Operate<'_>,
    before: &Packages,
    after: &Packages,
    run: impl FnOnce(&Story<'_>),
) {
    let (before, after) = (before.clone(), after.clone());
    run(&Story { name, root: stage.root(), operate, look: &inspect, before, after, may_stand: false });
}

fn writing(
    operate: impl Fn(&Registry) -> Result<(), Error>,
) -> impl Fn(Arc<dyn Disk>, &Path) -> Result<Option<String>, Error> {
    move |disk, root| {
        let mut registry = open_on(disk, root)?;
        registry.set_batch_files(2);
        registry.set_group_files(1);
        operate(&registry).map(|()| None)
    }
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
    assert!(said.len() > system.len(), "{}", at(&format!("it does not say what: {said}")));
}

fn packages(all: &[(&str, bool, bool)]) -> Packages {
    all.iter().map(|&(name, finalized, removed)| (name.to_owned(), (finalized, removed))).collect()
}

#[test]
fn an_add_fails_clearly_or_succeeds() {
    let stage = Stage::new();
    let adding = |registry: &Registry| add(registry, "x", &stage.tree(), Completion::Finalize).map(drop);
    sweep("add", &stage, adding, &packages(&[]), &packages(&[("x@1", true, false)]));
}

#[test]
fn an_add_that_leaves_its_package_open_fails_clearly_or_succeeds() {
    let stage = Stage::new();
    let adding = |registry: &Registry| add(registry, "x", &stage.tree(), Completion::LeaveOpen).map(drop);
    sweep("add, left open", &stage, adding, &packages(&[]), &packages(&[("x@1", false, false)]));
}

#[test]
fn an_add_to_an_open_package_fails_clearly_or_succeeds() {
    let stage = Stage::with(Completion::LeaveOpen);
    let more = tree(&stage.place.path().join("more"), &[("a", b"more"), ("n/o", b"other")]);
    let extend = |registry: &Registry| {
        let target = AddTarget::Open { reference: reference("x"), on_conflict: OnConflict::Replace };
        let request =
            astore::registry::report::AddRequest { target, ..request("x", &more, Completion::Finalize) };
        registry.add(request, &mut io::empty(), &Void).map(drop)
    };
    let open = packages(&[("x@1", false, false)]);
    sweep("add to an open package", &stage, extend, &open, &packages(&[("x@1", true, false)]));
}

#[test]
fn a_finalize_fails_clearly_or_succeeds() {
    let stage = Stage::with(Completion::LeaveOpen);
    let finalize = |registry: &Registry| registry.finalize(&reference("x"), &Void).map(drop);
    sweep(
        "finalize",
        &stage,
        finalize,
        &packages(&[("x@1", false, false)]),
        &packages(&[("x@1", true, false)]),
    );
}

#[test]
fn a_remove_and_a_restore_fail_clearly_or_succeed() {
    let stage = Stage::with(Completion::Finalize);
    let (there, gone) = (packages(&[("x@1", true, false)]), packages(&[("x@1", true, true)]));
    let remove = |registry: &Registry| registry.remove(&[reference("x")], "no more").map(drop);
    sweep("remove", &stage, remove, &there, &gone);
    remove(&open(&stage.root(), Access::Write).unwrap()).unwrap();
    sweep("restore", &stage, |registry| registry.restore(&reference("x")).map(drop), &gone, &there);
}

/// What a pin and a hold do to a package shows in no package: they are done twice, and refuse what is there.
#[test]
fn pins_and_holds_fail_clearly_or_succeed() {
    let stage = Stage::with(Completion::Finalize);
    let x = packages(&[("x@1", true, false)]);
    let pin = |registry: &Registry| match registry.pin("p", &PinRequest::Package(reference("x")), None) {
        Err(Error::PinTaken { .. }) => Ok(()),
        pinned => pinned.map(drop),
    };
    sweep("pin", &stage, pin, &x, &x);
    pin(&open(&stage.root(), Access::Write).unwrap()).unwrap();
    let unpin = |registry: &Registry| match registry.unpin("p", None) {
        Err(Error::NoSuchPin { .. }) => Ok(()),
        unpinned => unpinned.map(drop),
    };
    sweep("unpin", &stage, unpin, &x, &x);
    let retain = |registry: &Registry| {
        let hold =
            RetainRequest { hold: HoldRequest::Set, ..RetainRequest::new(reference("x"), "a lawsuit") };
        registry.retain(&hold).map(drop)
    };
    sweep("retain", &stage, retain, &x, &x);
}

/// An object that cannot be read is told of as a fault of that object, and what cannot be recorded is told.
#[test]
fn a_verify_tells_or_fails_clearly() {
    let stage = Stage::with(Completion::Finalize);
    let x = packages(&[("x@1", true, false)]);
    let verify = |disk: Arc<dyn Disk>, root: &Path| {
        let request =
            VerifyRequest { depth: VerifyDepth::Both, threads: Some(1), ..VerifyRequest::default() };
        let report = open_on(disk, root)?.verify(&request, &Void)?;
        let told: Vec<String> = report.faults.iter().map(|fault| format!("{fault:?}")).collect();
        let told: Vec<String> = told.into_iter().chain(report.recorded.err()).collect();
        Ok(if told.is_empty() { None } else { Some(told.join("; ")) })
    };
    story("verify, recorded", &stage, &verify, &x, &x, |story| story.run());
}

#[test]
fn a_replay_fails_clearly_or_succeeds() {
    let stage = Stage::with(Completion::Finalize);
    let x = packages(&[("x@1", true, false)]);
    sweep("replay", &stage, |registry| registry.replay(&Void).map(drop), &x, &x);
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
    sweep("settling", &stage, |registry| registry.list(ListFilter::All, None).map(drop), &gone, &gone);
}

/// An object is missing; the add that brings it back is disturbed, or the reading of it after that.
#[test]
fn healing_fails_clearly_or_succeeds() {
    let stage = Stage::with(Completion::Finalize);
    let object = oracle::file_of(&stage.root(), b"beta");
    std::fs::remove_file(&object).unwrap();
    let prefix: astore::identity::AddressPrefix =
        format!("blake3:{}", blake3::hash(b"beta").to_hex()).parse().unwrap();
    let operate = |registry: &Registry| {
        add(registry, "y", &stage.tree(), Completion::Finalize)?;
        let mut bytes = Vec::new();
        registry.cat(&CatTarget::Object(prefix.clone()), None, &mut bytes)?;
        assert_eq!(bytes, b"beta");
        Ok(())
    };
    let lost = packages(&[("x@1", true, false)]);
    let healed = packages(&[("x@1", true, false), ("y@1", true, false)]);
    // Until it is healed the store is one that has lost an object: what else is wrong is asked then.
    let look = |root: &Path| match oracle::file_of(root, b"beta").exists() {
        true => inspect(root),
        false => {
            drop(open(root, Access::Write).map_err(|error| format!("{error:?}"))?);
            Ok(oracle::check_names(root).map(|()| lost.clone())?)
        }
    };
    let (before, after) = (lost.clone(), healed);
    Story {
        name: "heal",
        root: stage.root(),
        operate: &writing(operate),
        look: &look,
        before,
        after,
        may_stand: true,
    }
    .run();
}

#[test]
fn an_init_fails_clearly_or_succeeds() {
    let place = fast_dir();
    let root = place.path().join("store");
    let is_store = packages(&[("store", true, false)]);
    let look = |root: &Path| match open(root, Access::Write) {
        Err(Error::Storage(StorageError::NoStore { .. })) => Ok(Packages::new()),
        Err(error) => Err(format!("{error:?}")),
        Ok(registry) => {
            drop(registry);
            inspect(root).map(|_| is_store.clone())
        }
    };
    let operate = |disk: Arc<dyn Disk>, root: &Path| {
        Registry::init_watched(root, &InitRequest::default(), &env(), &|_| disk.clone()).map(|_| None)
    };
    let (before, after) = (Packages::new(), is_store.clone());
    std::fs::create_dir(&root).unwrap();
    Story { name: "init", root, operate: &operate, look: &look, before, after, may_stand: true }.run();
}

#[test]
fn a_recover_fails_clearly_or_succeeds() {
    let stage = Stage::with(Completion::Finalize);
    open(&stage.root(), Access::Write).unwrap().remove(&[reference("x")], "gone").unwrap();
    let gone = packages(&[("x@1", true, true)]);
    let operate = |disk: Arc<dyn Disk>, root: &Path| {
        let report = Registry::recover_on(disk, root, options(Access::Alone), env(), &Void)?;
        // What it could not read it leaves out and tells, or writes again where the log has it.
        Ok((!report.left_out.is_empty()).then(|| format!("{:?}", report.left_out)))
    };
    let look = |root: &Path| {
        drop(operate(real_disk(root), root).map_err(|error| format!("again: {error:?}"))?);
        inspect(root)
    };
    for lost in ["astore.db", "log/00000000000000000001.cborseq"] {
        std::fs::rename(stage.root().join(lost), stage.place.path().join("lost")).unwrap();
        let (before, after) = (gone.clone(), gone.clone());
        Story {
            name: "recover",
            root: stage.root(),
            operate: &operate,
            look: &look,
            before,
            after,
            may_stand: false,
        }
        .run();
        std::fs::rename(stage.place.path().join("lost"), stage.root().join(lost)).unwrap();
    }
}

#[test]
fn a_directory_that_vanishes_is_told_and_nothing_is_lost_once_it_is_back() {
    let stage = Stage::with(Completion::Finalize);
    let x = packages(&[("x@1", true, false)]);
    let more = tree(&stage.place.path().join("more"), &[("m", b"more")]);
    let adding = |registry: &Registry| add(registry, "y", &more, Completion::Finalize).map(drop);
    let both = packages(&[("x@1", true, false), ("y@1", true, false)]);
    story("add", &stage, &writing(adding), &x, &both, |story| story.run_vanishing());
    let remove = |registry: &Registry| registry.remove(&[reference("x")], "no more").map(drop);
    let gone = packages(&[("x@1", true, true)]);
    story("remove", &stage, &writing(remove), &x, &gone, |story| story.run_vanishing());
}

/// No room for a byte, and `remove` works all the same: it gives the reserve up, and what it writes fits into that.
#[test]
fn a_remove_gives_the_reserve_up_where_there_is_no_room() {
    let stage = Stage::with(Completion::Finalize);
    let root = stage.root();
    let given_up: Arc<Mutex<bool>> = Arc::default();
    let seen = Arc::clone(&given_up);
    let watch = move |_: usize, call: &Call| {
        let mut given_up = seen.lock().unwrap();
        *given_up |= matches!(call, Call::RemoveFile { path } if path == Path::new("reserve"));
        let is_full = matches!(call, Call::Write { .. }) && !*given_up;
        if is_full { Act::Fail(io::Error::from_raw_os_error(harm::ENOSPC)) } else { Act::Pass }
    };
    let disk = Observed::acting(real_disk(&root), watch).with_free_bytes(0);
    let mut spending = options(Access::Write);
    spending.spends_reserve = true;
    let registry = Registry::open_on(Arc::new(disk), &root, spending, env(), &Void).unwrap();
    registry.remove(&[reference("x")], "no room").unwrap();
    drop(registry);
    assert!(*given_up.lock().unwrap());
    assert_eq!(inspect(&root).unwrap(), packages(&[("x@1", true, true)]));
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
