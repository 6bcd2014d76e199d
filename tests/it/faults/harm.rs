//! One fault after the other, at every call of an operation: the command says so or succeeds, what it said is true, and
//! the next one simply works.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use astore::disk::Disk;
use astore::disk::testing::{Act, Call, Observed};
use astore::error::{Error, ErrorKind};
use astore::events::LogError;
use astore::monitor::Void;
use astore::registry::Access;
use astore::registry::report::{Recorded, VerifyDepth, VerifyRequest};

use super::assert_clear;
use crate::support::cli::is_slow_run;
use crate::support::history;
use crate::support::oracle;
use crate::support::store::{copy_store, fast_dir, open, real_disk};

pub(super) const EINTR: i32 = 4;
pub(super) const EIO: i32 = 5;
pub(super) const EACCES: i32 = 13;
pub(super) const EMFILE: i32 = 24;
pub(super) const ENOSPC: i32 = 28;
pub(super) const EROFS: i32 = 30;
pub(super) const EDQUOT: i32 = 122;

/// What the system says when it will not.
pub(crate) const ERRNOS: [i32; 7] = [EIO, ENOSPC, EDQUOT, EMFILE, EROFS, EINTR, EACCES];

/// What happens to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    /// A call fails, that one alone.
    Once(i32),
    /// A write puts half of its bytes there and fails.
    HalfWrite(i32),
    /// This sync fails, and every later one: what a failed one means to a process.
    Syncs(i32),
    /// Nothing new finds room from this call on; names can still be taken away.
    Full,
    /// Everything fails from this call on.
    Dead(i32),
    /// A directory is taken away before this call, and brought back in the end.
    Vanishes(&'static str),
}

impl Harm {
    fn act(self, n: usize, nth: usize, call: &Call) -> Option<Act> {
        let error = |errno| io::Error::from_raw_os_error(errno);
        let grows = matches!(
            call,
            Call::Create { .. } | Call::Write { .. } | Call::MakeDir { .. } | Call::Rename { .. }
        );
        match self {
            Self::Once(errno) if n == nth => Some(Act::Fail(error(errno))),
            Self::HalfWrite(errno) if n == nth => Some(Act::HalfThenFail(error(errno))),
            Self::Syncs(errno) if n >= nth && call.is_sync() => Some(Act::Fail(error(errno))),
            Self::Full if n >= nth && grows => Some(Act::Fail(error(ENOSPC))),
            Self::Dead(errno) if n >= nth => Some(Act::Fail(error(errno))),
            Self::Vanishes(_) if n == nth => Some(Act::Pass),
            _ => None,
        }
    }

    fn errno(self) -> Option<i32> {
        match self {
            Self::Once(errno) | Self::HalfWrite(errno) | Self::Syncs(errno) | Self::Dead(errno) => {
                Some(errno)
            }
            Self::Full => Some(ENOSPC),
            Self::Vanishes(_) => None,
        }
    }
}

pub(crate) type Packages = BTreeMap<String, (bool, bool)>;

/// An operation, and what it makes of a store.
pub(super) struct Story<'a> {
    pub(super) name: &'static str,
    /// The store that it begins from.
    pub(super) root: PathBuf,
    /// Does it. What it told and yet went on from is the answer.
    pub(super) operate: &'a dyn Fn(Arc<dyn Disk>, &Path) -> Result<Option<String>, Error>,
    /// Says what a store holds, as the next command finds it.
    pub(super) look: &'a dyn Fn(&Path) -> Result<Packages, String>,
    pub(super) before: Packages,
    pub(super) after: Packages,
    /// Whether a failure may leave it done: what has its name and cannot sync that is not taken back.
    pub(super) may_stand: bool,
}

impl Story<'_> {
    /// Goes through every call and every harm.
    pub(super) fn run(&self) {
        let began = Instant::now();
        let calls = self.calls();
        let mut faults = 0;
        for (nth, call) in calls.iter().enumerate() {
            for harm in harms(nth, call) {
                self.check(nth, harm);
                faults += 1;
            }
        }
        let short = [1, 7, 100];
        short.iter().for_each(|bytes| self.check_short_reads(*bytes));
        eprintln!(
            "{}: {} calls, {} faults injected, {:.1} s",
            self.name,
            calls.len(),
            faults + short.len(),
            began.elapsed().as_secs_f64()
        );
        assert!(calls.len() > 8, "only {} calls were seen", calls.len());
    }

    /// A directory vanishes before each of the calls.
    pub(super) fn run_vanishing(&self) {
        let calls = self.calls();
        for directory in ["blake3", "log", "tmp"] {
            for nth in 0..calls.len() {
                self.check(nth, Harm::Vanishes(directory));
            }
        }
        eprintln!("{}: a directory vanishes, {} times", self.name, 3 * calls.len());
    }

    fn copy(&self) -> (tempfile::TempDir, PathBuf) {
        let place = fast_dir();
        let root = place.path().join("store");
        copy_store(&self.root, &root);
        (place, root)
    }

    /// Returns the calls of an operation that nothing disturbs.
    fn calls(&self) -> Vec<Call> {
        let (_place, root) = self.copy();
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let into = Arc::clone(&calls);
        let told = self.on(&root, move |_, call| {
            into.lock().unwrap().push(call.clone());
            Act::Pass
        });
        assert_eq!(told.unwrap(), None, "{}", self.name);
        assert_eq!((self.look)(&root).unwrap(), self.after, "{}", self.name);
        std::mem::take(&mut calls.lock().unwrap())
    }

    fn on(
        &self,
        root: &Path,
        watch: impl Fn(usize, &Call) -> Act + Send + Sync + 'static,
    ) -> Result<Option<String>, Error> {
        let disk = Arc::new(Observed::acting(real_disk(root), watch));
        (self.operate)(disk, root)
    }

    fn check(&self, nth: usize, harm: Harm) {
        let (place, root) = self.copy();
        let hit: Arc<Mutex<Option<Call>>> = Arc::default();
        let away = place.path().join("away");
        let watch = {
            let (hit, root, away) = (Arc::clone(&hit), root.clone(), away.clone());
            move |n: usize, call: &Call| {
                let act = harm.act(n, nth, call);
                if act.is_some() {
                    hit.lock().unwrap().get_or_insert_with(|| call.clone());
                }
                if let (Harm::Vanishes(directory), Some(_)) = (harm, &act) {
                    drop(std::fs::rename(root.join(directory), &away));
                }
                act.unwrap_or(Act::Pass)
            }
        };
        let outcome = self.on(&root, watch);
        let hit = hit.lock().unwrap().take();
        let at =
            |what: &str| format!("{}: call {nth}, {}, {harm:?}: {what}", self.name, shortly(hit.as_ref()));
        if let Harm::Vanishes(directory) = harm
            && away.exists()
            && std::fs::rename(&away, root.join(directory)).is_err()
        {
            // It was made anew meanwhile, which only `log/` is.
            assert_eq!(directory, "log", "{}", at("it was made anew"));
        }
        let seen = (self.look)(&root).unwrap_or_else(|fault| panic!("{}", at(&fault)));
        match &outcome {
            Ok(None) => {
                assert_eq!(seen, self.after, "{}", at("it said that it is done"));
                // The reserve is a convenience: whoever cannot set it aside goes on.
                let synced = hit.as_ref().is_some_and(|call| {
                    call.is_sync() && call.path().is_none_or(|path| path != Path::new("reserve"))
                });
                let failed = matches!(harm, Harm::Once(_) | Harm::Syncs(_) | Harm::Dead(_));
                assert!(!(synced && failed), "{}", at("a sync failed, and it said that it is done"));
            }
            Ok(Some(told)) => {
                assert!(seen == self.before || seen == self.after, "{}", at("neither"));
                let system = harm.errno().map(|errno| io::Error::from_raw_os_error(errno).to_string());
                assert!(system.is_none_or(|system| told.contains(&system)), "{}", at(told));
            }
            Err(error) => {
                let may_stand = matches!(error, Error::MayStand(_) | Error::Log(LogError::Unsure { .. }));
                if may_stand || self.may_stand {
                    assert!(seen == self.before || seen == self.after, "{}", at("neither"));
                } else {
                    assert_eq!(seen, self.before, "{}", at(&format!("it said that it failed: {error:?}")));
                }
                if let Some(errno) = harm.errno() {
                    assert_clear(error, errno, &at);
                    // Bytes that the disk will not give are damage to whoever needs them.
                    let unreadable = matches!(error, Error::PayloadUnavailable(_)) && errno == EIO;
                    let expected = if unreadable { ErrorKind::Damage } else { ErrorKind::Failed };
                    assert_eq!(error.kind(), expected, "{}", at(&format!("{error:?}")));
                }
            }
        }
        if seen == self.before {
            let told = self.on(&root, |_, _| Act::Pass);
            assert_eq!(told.unwrap_or_else(|error| panic!("{}", at(&format!("again: {error:?}")))), None);
            let seen = (self.look)(&root).unwrap_or_else(|fault| panic!("{}", at(&fault)));
            assert_eq!(seen, self.after, "{}", at("done again"));
        }
    }

    /// Reads may return less than was asked for, always: nothing depends on how much comes at once.
    fn check_short_reads(&self, bytes: usize) {
        let (_place, root) = self.copy();
        let told = self.on(&root, move |_, _| Act::ReadAtMost(bytes));
        let at = || format!("{}: reads of {bytes} bytes", self.name);
        assert_eq!(told.unwrap_or_else(|error| panic!("{}: {error:?}", at())), None, "{}", at());
        assert_eq!((self.look)(&root).unwrap(), self.after, "{}", at());
    }
}

/// The harms of a call. In an ordinary run two of the system's words for each, all of them over the calls.
fn harms(nth: usize, call: &Call) -> Vec<Harm> {
    let mut harms = Vec::new();
    if matches!(call, Call::Point { .. }) {
        return harms; // a point cannot fail
    }
    let few = [ERRNOS[nth % 7], ERRNOS[(nth + 3) % 7]];
    let errnos: &[i32] = if is_slow_run() { &ERRNOS } else { &few };
    harms.extend(errnos.iter().map(|errno| Harm::Once(*errno)));
    if matches!(call, Call::Write { .. }) {
        harms.extend([Harm::HalfWrite(ENOSPC), Harm::HalfWrite(EIO)]);
    }
    if call.is_sync() {
        harms.push(Harm::Syncs(EIO));
    }
    if call.is_change() || nth == 0 {
        harms.push(Harm::Full);
    }
    if !call.is_reading() || is_slow_run() || nth % 4 == 0 {
        harms.push(Harm::Dead(EIO));
    }
    harms
}

fn shortly(call: Option<&Call>) -> String {
    match call {
        Some(Call::Write { path, offset, bytes, .. }) => {
            format!("a write of {} bytes at {offset} of {}", bytes.len(), path.display())
        }
        Some(call) => format!("{call:?}"),
        None => "which did not come".to_owned(),
    }
}

/// Opens the store as the next command does, verifies it, compares the views with replay and with what an oracle makes
/// of the events, and says what it holds.
pub(crate) fn inspect(root: &Path) -> Result<Packages, String> {
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
    Ok(history::check(root)?.packages)
}
