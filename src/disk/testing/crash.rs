//! What a kill or a power cut at any call of a trace can leave behind.
//!
//! The model: a file's bytes are durable after a sync of that file or of everything; a directory's entries
//! after a sync of that directory or of everything. A rename is two changes of entries, one where the name
//! goes and one where it comes, which may reach the disk apart. What is not durable is, after a power cut,
//! there or not there, each change by itself; a write may be there as its first part only, or as zeros.
//! Modes are taken to be durable at once: nothing here depends on them.
//!
//! Files that others write (SQLite) are files of the model as well: whoever renames one moves it. What they were at
//! each moment is known, what of it is durable is theirs to know; so a power cut finds all of them as they were at
//! one moment, the last or an earlier one, but for what was synced through the disk since.

use super::call::Call;
use super::model::Model;
use super::tree::Tree;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// The process was killed between two calls: everything it did is there.
    Kill,
    /// The process was killed within a write: half of that is there.
    KillInWrite,
    /// The power went. Seeds 0 to 3 lose everything not synced; keep names but lose bytes; keep names and
    /// lengths, but have zeros for bytes; keep everything. Others choose by chance, the same for the same seed.
    PowerCut {
        /// What the choice follows.
        seed: u64,
    },
    /// The power went, and of all changes that were not synced exactly these are there, whole.
    Subset {
        /// One bit for each change, the first made the lowest.
        kept: u64,
        /// Whether what others wrote is as it was when it was last known to be synced, and not as it was in the end.
        behind: bool,
    },
}

/// One thing that can be found after a crash.
#[derive(Clone, Debug)]
pub struct CrashState {
    /// How many calls of the trace had returned.
    pub calls: usize,
    /// How it ended.
    pub kind: CrashKind,
    /// What is there.
    pub tree: Tree,
}

/// Goes through a trace and yields every [`CrashState`]: for each number of calls a kill, a kill within the
/// call that comes next where that is a write, and as many power cuts as asked for.
#[derive(Debug)]
pub struct Crashes<'a> {
    model: Model,
    calls: &'a [Call],
    done: usize,
    seeds: u64,
    /// Up to how many changes that are not durable every subset of them is gone through.
    subsets_up_to: usize,
    most_pending: usize,
    queue: Vec<CrashKind>,
}

impl<'a> Crashes<'a> {
    /// Begins before the first call, with `before` as what was there, all of it durable.
    pub fn of(before: &Tree, calls: &'a [Call], seeds: u64) -> Self {
        let model = Model::new(before);
        let mut crashes =
            Self { model, calls, done: 0, seeds, subsets_up_to: 0, most_pending: 0, queue: Vec::new() };
        crashes.refill();
        crashes
    }

    /// Goes through every subset as well wherever at most so many changes are not durable: at most 2ⁿ⁺¹ states a call.
    #[must_use]
    pub fn with_subsets_up_to(mut self, pending: usize) -> Self {
        self.subsets_up_to = pending.min(16);
        self.refill();
        self
    }

    /// Returns one state: that after so many calls.
    pub fn state(before: &Tree, calls: &[Call], kind: CrashKind) -> CrashState {
        let mut model = Model::new(before);
        calls.iter().for_each(|call| model.apply(call));
        CrashState { calls: calls.len(), kind, tree: model.crash(kind) }
    }

    /// Returns the largest number of changes that were not durable at any call so far.
    pub const fn most_pending(&self) -> usize {
        self.most_pending
    }

    fn refill(&mut self) {
        let pending = self.model.pending();
        self.most_pending = self.most_pending.max(pending);
        self.queue = (0..self.seeds).rev().map(|seed| CrashKind::PowerCut { seed }).collect();
        if pending <= self.subsets_up_to && self.subsets_up_to > 0 {
            for behind in [true, false].into_iter().filter(|behind| !behind || self.model.is_behind()) {
                self.queue.extend((0..1 << pending).map(|kept| CrashKind::Subset { kept, behind }));
            }
        }
        if matches!(self.calls.get(self.done), Some(Call::Write { .. })) {
            self.queue.push(CrashKind::KillInWrite);
        }
        self.queue.push(CrashKind::Kill);
    }
}

impl Iterator for Crashes<'_> {
    type Item = CrashState;

    fn next(&mut self) -> Option<CrashState> {
        while self.queue.is_empty() {
            let call = self.calls.get(self.done)?;
            self.model.apply(call);
            self.done += 1;
            self.refill();
        }
        let kind = self.queue.pop()?;
        let tree = match (kind, self.calls.get(self.done)) {
            (CrashKind::KillInWrite, Some(call)) => {
                let mut model = self.model.clone();
                model.apply_half(call);
                model.crash(kind)
            }
            _ => self.model.crash(kind),
        };
        Some(CrashState { calls: self.done, kind, tree })
    }
}

#[cfg(test)]
mod tests;
