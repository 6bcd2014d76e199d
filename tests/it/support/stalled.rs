//! One of two who work on a store is stalled at a call of its disk, and the other one let go: a race that happens on
//! every run.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::scope;
use std::time::Duration;

use astore::disk::Disk;
use astore::disk::testing::{Call, Observed};
use astore::monitor::{Counter, Monitor, Problem, Task};

use super::store::real_disk;

/// Where somebody is stalled until somebody else opens.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    calls: usize,
    /// The call at which somebody stands.
    at: Option<Call>,
    /// Whether a call that changes something came before it, or is it.
    at_work: bool,
    open: bool,
    ended: bool,
}

impl Gate {
    /// Counts a call, and stalls at the nth.
    fn pass(&self, call: &Call, nth: usize) {
        let mut state = self.state.lock().unwrap();
        state.at_work |= !call.is_reading() && state.at.is_none();
        let number = state.calls;
        state.calls += 1;
        if number != nth {
            return;
        }
        state.at = Some(call.clone());
        self.moved.notify_all();
        drop(self.moved.wait_while(state, |state| !state.open).unwrap());
    }

    /// Waits until somebody stands at the gate, and tells where and whether at work; `None` where it was never
    /// reached.
    fn wait(&self) -> Option<(Call, bool)> {
        let state = self.state.lock().unwrap();
        let state = self.moved.wait_while(state, |state| state.at.is_none() && !state.ended).unwrap();
        state.at.clone().map(|call| (call, state.at_work))
    }

    fn open(&self) {
        self.state.lock().unwrap().open = true;
        self.moved.notify_all();
    }

    fn end(&self) {
        self.state.lock().unwrap().ended = true;
        self.moved.notify_all();
    }
}

/// Opens a gate, whatever happens: else nobody would ever hear what went wrong.
struct Opens<'g>(&'g Gate);

impl Drop for Opens<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

struct Ends<'g>(&'g Gate);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Which calls somebody may be stalled at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// All, those that only read too.
    All,
    /// Those that change or sync something, and points.
    Changes,
    /// Points.
    Points,
}

/// Runs `act` on a disk that stalls at call number `nth`, and `meanwhile` when it stands there, until that
/// returns. Returns what `act` did, and `None` where it never came so far.
pub(crate) fn stalled<T: Send, M>(
    root: &Path,
    at: (Calls, usize),
    act: impl FnOnce(Arc<dyn Disk>) -> T + Send,
    meanwhile: impl FnOnce(&Call, bool) -> M,
) -> (T, Option<M>) {
    stalled_on(real_disk(root), at, act, meanwhile)
}

/// The same on a disk that somebody else may use too.
pub(crate) fn stalled_on<T: Send, M>(
    real: Arc<dyn Disk>,
    (calls, nth): (Calls, usize),
    act: impl FnOnce(Arc<dyn Disk>) -> T + Send,
    meanwhile: impl FnOnce(&Call, bool) -> M,
) -> (T, Option<M>) {
    let gate = Arc::new(Gate::default());
    let at = gate.clone();
    let watch = move |_: usize, call: &Call| {
        if calls != Calls::Points || matches!(call, Call::Point { .. }) {
            at.pass(call, nth);
        }
        Ok(())
    };
    let disk: Arc<dyn Disk> = match calls {
        Calls::All => Arc::new(Observed::with_reads(real, watch)),
        Calls::Changes | Calls::Points => Arc::new(Observed::new(real, watch)),
    };
    scope(|threads| {
        let ends = gate.clone();
        let acting = threads.spawn(move || {
            let _ended = Ends(&ends);
            act(disk)
        });
        let opens = Opens(&gate);
        let met = gate.wait().map(|(call, at_work)| meanwhile(&call, at_work));
        drop(opens);
        (acting.join().unwrap(), met)
    })
}

/// Says when somebody begins to wait for the lock.
pub(crate) struct Waits(Mutex<Sender<()>>);

impl Waits {
    pub(crate) fn new() -> (Self, Receiver<()>) {
        let (sender, receiver) = channel();
        (Self(Mutex::new(sender)), receiver)
    }
}

impl Monitor for Waits {
    fn start(&self, _: Task, _: Option<u64>) {}

    fn count(&self, _: Counter, _: u64) {}

    fn finish(&self, _: Task) {}

    fn problem(&self, problem: &Problem) {
        if matches!(problem, Problem::Waiting { .. }) {
            self.0.lock().unwrap().send(()).unwrap();
        }
    }
}

/// Longer than anybody has to wait here.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Calls `race` with 0, 1, 2, … until the call of this number was never reached.
pub(crate) fn each_call(least: usize, mut race: impl FnMut(usize) -> bool) {
    let mut nth = 0;
    while race(nth) {
        nth += 1;
    }
    eprintln!("{nth} calls");
    assert!(nth >= least, "only {nth} calls were met");
}
