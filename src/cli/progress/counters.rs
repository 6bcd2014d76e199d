//! What was counted so far, and how a bar says it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use astore::monitor::{Counter, Task};

use super::pace::{self, Pace};
use super::{Running, gauge};
use crate::cli::output::units::{count, size};

/// The counters that a description uses; the others are only counted.
#[derive(Default)]
pub(super) struct Counters {
    files_hashed: AtomicU64,
    bytes_hashed: AtomicU64,
    cache_hits: AtomicU64,
    objects_written: AtomicU64,
    objects_verified: AtomicU64,
    bytes_verified: AtomicU64,
    entries_exported: AtomicU64,
    bytes_exported: AtomicU64,
    events_replayed: AtomicU64,
    objects_purged: AtomicU64,
    bytes_purged: AtomicU64,
}

impl Counters {
    pub(super) fn add(&self, counter: Counter, n: u64) {
        let place = match counter {
            Counter::FilesHashed => &self.files_hashed,
            Counter::BytesHashed => &self.bytes_hashed,
            Counter::CacheHits => &self.cache_hits,
            Counter::ObjectsWritten => &self.objects_written,
            Counter::ObjectsVerified => &self.objects_verified,
            Counter::BytesVerified => &self.bytes_verified,
            Counter::EntriesExported => &self.entries_exported,
            Counter::BytesExported => &self.bytes_exported,
            Counter::EventsReplayed => &self.events_replayed,
            Counter::ObjectsPurged => &self.objects_purged,
            Counter::BytesPurged => &self.bytes_purged,
            Counter::EntriesWalked | Counter::BytesWritten | Counter::ObjectsKnown | _ => return,
        };
        place.fetch_add(n, Ordering::Relaxed);
    }

    /// Returns how much of a task is done, in the unit of its total.
    pub(super) fn done(&self, task: Task) -> u64 {
        let counter = match task {
            Task::Verifying => &self.bytes_verified,
            Task::Exporting => &self.bytes_exported,
            Task::Purging => &self.objects_purged,
            Task::Replaying => &self.events_replayed,
            Task::Adding | Task::Hashing | Task::Syncing | Task::Planning | Task::Waiting | _ => {
                &self.bytes_hashed
            }
        };
        counter.load(Ordering::Relaxed)
    }

    /// Says what is being done: how far it is, how long it will take, what it is, how fast it goes. What matters most
    /// comes first, since a narrow window shows no more.
    pub(super) fn line(&self, running: Running, elapsed: Duration, pace: &Pace) -> String {
        let Running { task, total, before } = running;
        let said = self.describe(task, total);
        let rate = match (task, pace.per_second()) {
            (Task::Syncing | Task::Planning | Task::Waiting, _) | (_, None) => String::new(),
            (Task::Replaying | Task::Purging, Some(rate)) => format!(", {rate}/s"),
            (_, Some(rate)) => format!(", {}/s", size(rate)),
        };
        let Some(total) = total.filter(|&total| total > 0) else {
            return format!("{} {said}{rate}", pace::left(elapsed));
        };
        let done = self.done(task).saturating_sub(before);
        let left = pace.takes(total.saturating_sub(done));
        let left = left.map(|left| format!(" {} left", pace::left(left))).unwrap_or_default();
        format!("{}{left}, {said}{rate}", gauge(done, total))
    }

    pub(super) fn describe(&self, task: Task, total: Option<u64>) -> String {
        let of = total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let files = read(&self.files_hashed) + read(&self.cache_hits);
        let adding = || {
            let read_bytes = size(read(&self.bytes_hashed));
            let new = count(read(&self.objects_written), "object");
            format!("{}, {read_bytes}{of} read, {new} new", count(files, "file"))
        };
        let of_all = |done: u64, noun: &str| match total {
            Some(total) => format!("{done} of {}", count(total, noun)),
            None => count(done, noun),
        };
        match task {
            Task::Adding => format!("adding: {}", adding()),
            Task::Syncing => format!("making durable: {}", adding()),
            Task::Hashing => format!("hashing: {}{of}", size(read(&self.bytes_hashed))),
            Task::Verifying => {
                let bytes = size(read(&self.bytes_verified));
                format!("verifying: {}, {bytes}{of}", count(read(&self.objects_verified), "object"))
            }
            Task::Exporting => {
                let bytes = size(read(&self.bytes_exported));
                format!("exporting: {}, {bytes}{of}", count(read(&self.entries_exported), "entry"))
            }
            Task::Replaying => format!("replaying: {}", of_all(read(&self.events_replayed), "event")),
            Task::Planning => "finding out what may go".to_owned(),
            Task::Purging => {
                let bytes = size(read(&self.bytes_purged));
                format!("deleting: {}, {bytes}", of_all(read(&self.objects_purged), "object"))
            }
            Task::Waiting => "waiting for the lock".to_owned(),
            _ => "working".to_owned(),
        }
    }
}
