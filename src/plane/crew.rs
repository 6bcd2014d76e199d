//! Who does what during an ingest: one walks, several read, one gives names to what was staged, one collects.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use super::exclude::Excludes;
use super::hand::Hand;
use super::hook::{Hook, Moment};
use super::ingest::{
    BoxError, Healed, IngestContext, IngestError, IngestOptions, IngestStore, Ingested, OnUnreadable,
    Skipped, Source, Unreadable,
};
use super::leaves::Work;
use super::queue::Queue;
use super::roots::{Roots, Stdin, add_parents, resolve};
use super::threads::crew_of;
use super::unpack::{Unpacked, assemble};
use super::walk::{Visitor, WalkRules, walk};
use crate::cache::{CacheReader, Fact, FileId, Fingerprint, StatCache};
use crate::identity::{ContentAddress, Digests};
use crate::manifest::{ENTRIES_MAX, Entry};
use crate::monitor::{Counter, Problem, Task};
use crate::storage::{Pending, Staging, StorageError};

/// How many handfuls of names wait for a reader; each holds a directory open.
const WORK_WAITING: usize = 64;
/// How many results wait to be collected.
const HAULS_WAITING: usize = 64;
/// How many groups' worth of bytes in flight wait for their names before whoever writes more has to wait.
const GROUPS_WAITING: u64 = 3;
/// How many facts are handed to the stat cache together.
const FACTS_TOGETHER: usize = 32 * 1024;
/// How many files of several names are remembered, so that the other names cost no second read.
const LINKS_MAX: usize = 16 * 1024;
/// How long a wait goes on before the flag is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What one reader brings home from a handful of names.
#[derive(Debug, Default)]
pub(super) struct Haul {
    pub(super) entries: Vec<Entry>,
    pub(super) facts: Vec<Fact>,
    pub(super) healed: Vec<Healed>,
    pub(super) files_hashed: u64,
    pub(super) bytes_hashed: u64,
    pub(super) cache_hits: u64,
    pub(super) objects_new: u64,
    pub(super) bytes_new: u64,
    pub(super) objects_known: u64,
}

/// One ingest, as all its threads see it.
pub(super) struct Run<'a> {
    pub(super) options: &'a IngestOptions,
    pub(super) rules: WalkRules,
    pub(super) store: Option<IngestStore<'a>>,
    pub(super) context: IngestContext<'a>,
    /// What the stat cache held at the beginning; `None` where that was nothing.
    pub(super) cache: Option<CacheReader>,
    pub(super) queue: Queue<Work>,
    pub(super) hook: &'a Hook<'a>,
    stopped: AtomicBool,
    failure: Mutex<Option<IngestError>>,
    skipped: Mutex<Vec<Skipped>>,
    excluded: AtomicU64,
    links: Mutex<HashMap<FileId, Fact>>,
    /// What the log calls stored, and this run writes anew: none, as a rule.
    healing: Mutex<HashSet<ContentAddress>>,
    room: (Mutex<()>, Condvar),
}

impl<'a> Run<'a> {
    pub(super) fn new(
        options: &'a IngestOptions,
        store: Option<IngestStore<'a>>,
        context: IngestContext<'a>,
        hook: &'a Hook<'a>,
    ) -> Result<Self, IngestError> {
        let rules = WalkRules {
            excludes: Excludes::new(&options.exclude)?,
            excludes_caches: options.exclude_caches,
            one_file_system: options.one_file_system,
            keep_mtime: options.keep_mtime,
            own_root: options.own_root,
        };
        Ok(Self {
            options,
            rules,
            store,
            context,
            cache: context.cache.map(StatCache::reader).filter(|cache| !cache.is_empty()),
            queue: Queue::new(WORK_WAITING),
            hook,
            stopped: AtomicBool::new(false),
            failure: Mutex::default(),
            skipped: Mutex::default(),
            excluded: AtomicU64::new(0),
            links: Mutex::default(),
            healing: Mutex::default(),
            room: (Mutex::default(), Condvar::new()),
        })
    }

    /// Runs it all and returns what came of it.
    pub(super) fn collect(
        self,
        sources: &[Source],
        stdin: &mut (dyn Read + Send),
        on_batch: &mut dyn FnMut(Vec<Digests>) -> Result<(), BoxError>,
    ) -> Result<Ingested, IngestError> {
        let roots = resolve(sources)?;
        let bytes = roots.bytes_known();
        let Roots { paths, lists, blobs, stdin: input } = roots;
        let unpacked = Mutex::new(None);
        let mut ingested = Ingested::default();
        let mut facts = Vec::new();
        self.context.monitor.start(Task::Adding, bytes);
        std::thread::scope(|scope| {
            let (give, hauls) = bounded(HAULS_WAITING);
            let run = &self;
            let visitor = Walker { run, give: give.clone() };
            let started = |started: io::Result<()>| run.attempt(|| started.map_err(IngestError::Thread));
            let archive = match &input {
                Some(Stdin::Entry(name)) => {
                    let mut reader = Hand::new(run, give.clone());
                    let read = move || run.attempt(|| reader.stdin(stdin, name));
                    started(Builder::new().spawn_scoped(scope, read).map(drop));
                    None
                }
                Some(Stdin::Tar(archive)) => Some((Hand::new(run, give.clone()), stdin, archive)),
                None => None,
            };
            let unpacked = &unpacked;
            // An archive hands its small members to the readers, as the walk its names: they end together.
            let walker = Builder::new().spawn_scoped(scope, move || {
                run.attempt(|| walk(&paths, &lists, &blobs, &run.rules, &visitor));
                if let Some((mut reader, stream, archive)) = archive {
                    run.attempt(|| {
                        let took = reader.unpack(stream, archive)?;
                        *unpacked.lock().unwrap_or_else(PoisonError::into_inner) = Some(took);
                        Ok(())
                    });
                }
                run.queue.end();
            });
            started(walker.map(drop));
            let (_, refused) = crew_of(self.options.threads, |thread| {
                let mut hand = Hand::new(run, give.clone());
                thread.spawn_scoped(scope, move || run.attempt(|| hand.work()))
            });
            started(refused);
            drop(give);
            let (wake, woken) = bounded(1);
            if let Some(store) = self.store {
                let place = move || woken.iter().try_for_each(|()| run.place_group(store.staging));
                let placer = Builder::new().spawn_scoped(scope, move || run.attempt(place));
                started(placer.map(drop));
            }
            // After a failure the hauls are still taken, so that nobody waits to deliver one.
            for haul in hauls {
                run.attempt(|| run.take(haul, &mut ingested, &mut facts, &wake, on_batch));
            }
        });
        self.context.monitor.finish(Task::Adding);
        if let Some(error) = self.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        if let Some(cache) = self.context.cache {
            cache.remember(&facts);
        }
        ingested.excluded = self.excluded.into_inner();
        ingested.skipped = self.skipped.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unpacked = unpacked.into_inner().unwrap_or_else(PoisonError::into_inner);
        finish(ingested, input.as_ref(), unpacked.as_ref())
    }

    /// Takes one haul in and publishes the batch where it is full.
    fn take(
        &self,
        haul: Haul,
        ingested: &mut Ingested,
        facts: &mut Vec<Fact>,
        wake: &Sender<()>,
        on_batch: &mut dyn FnMut(Vec<Digests>) -> Result<(), BoxError>,
    ) -> Result<(), IngestError> {
        self.go_on()?;
        haul.entries.iter().for_each(|entry| ingested.entries.push(entry));
        ingested.healed.extend(haul.healed);
        let monitor = self.context.monitor;
        for (total, counter, n) in [
            (&mut ingested.files_hashed, Some(Counter::FilesHashed), haul.files_hashed),
            (&mut ingested.bytes_hashed, None, haul.bytes_hashed), // counted while they are read
            (&mut ingested.cache_hits, Some(Counter::CacheHits), haul.cache_hits),
            (&mut ingested.objects_new, Some(Counter::ObjectsWritten), haul.objects_new),
            (&mut ingested.bytes_new, Some(Counter::BytesWritten), haul.bytes_new),
            (&mut 0, Some(Counter::ObjectsKnown), haul.objects_known),
        ] {
            *total += n;
            if let (Some(counter), 1..) = (counter, n) {
                monitor.count(counter, n);
            }
        }
        if let Some(cache) = self.context.cache {
            facts.extend(haul.facts);
            if facts.len() >= FACTS_TOGETHER {
                cache.remember(facts);
                facts.clear();
            }
        }
        let Some(store) = &self.store else { return Ok(()) };
        if self.has_group(1) {
            // One that is not taken finds a placer at work, who is woken again when it is done.
            wake.try_send(()).ok();
        }
        if self.is_full(1) {
            monitor.start(Task::Syncing, None);
            let published = store.staging.publish();
            monitor.finish(Task::Syncing);
            self.room.1.notify_all();
            on_batch(published?).map_err(IngestError::Batch)?;
        }
        Ok(())
    }

    /// Gives a group its final names, while others read and write on.
    fn place_group(&self, staging: &Staging) -> Result<(), IngestError> {
        self.go_on()?;
        let placed = staging.place();
        self.room.1.notify_all();
        Ok(placed?)
    }

    /// Returns whether so many groups' worth wait to be placed.
    fn has_group(&self, groups: u64) -> bool {
        let Some(store) = &self.store else { return false };
        let IngestOptions { group_files: files, group_bytes: bytes, .. } = *self.options;
        store.staging.waiting().reaches(groups, Pending { files, bytes })
    }

    /// Returns whether so many batches' worth wait to be published.
    fn is_full(&self, batches: u64) -> bool {
        let Some(store) = &self.store else { return false };
        let IngestOptions { batch_files: files, batch_bytes: bytes, .. } = *self.options;
        store.staging.pending().reaches(batches, Pending { files, bytes })
    }

    /// Waits until less than two batches wait to be published. Whoever calls has delivered its haul, else the
    /// collector might never hear that there is something to publish.
    pub(super) fn wait_for_room(&self) -> Result<(), IngestError> {
        while self.lacks_room() {
            self.go_on()?;
            let guard = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.room.1.wait_timeout(guard, LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner));
        }
        Ok(())
    }

    /// Returns whether [`Run::wait_for_room`] would wait.
    pub(super) fn lacks_room(&self) -> bool {
        self.is_full(2) || self.has_group(GROUPS_WAITING)
    }

    /// Says whether to go on: not after a failure, and not when the caller has had enough.
    pub(super) fn go_on(&self) -> Result<(), IngestError> {
        let stop = self.stopped.load(Ordering::Relaxed) || self.context.cancelled.load(Ordering::Relaxed);
        if stop { Err(IngestError::Cancelled) } else { Ok(()) }
    }

    /// Does something that may fail; the first failure ends the run, and the first that says why is returned.
    fn attempt(&self, work: impl FnOnce() -> Result<(), IngestError>) {
        if let Err(error) = work() {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever stops because of a failure may be quicker to say so than who knows what failed.
            if failure.as_ref().is_none_or(|said| tells(said) < tells(&error)) {
                *failure = Some(error);
            }
            self.stopped.store(true, Ordering::Relaxed);
            self.queue.close();
            self.room.1.notify_all();
        }
    }

    /// Ends the run, or notes what is left out, as was asked for.
    pub(super) fn unreadable(&self, path: PathBuf, why: Unreadable) -> Result<(), IngestError> {
        match self.options.on_unreadable {
            OnUnreadable::Fail => Err(IngestError::Unreadable { path, source: why }),
            OnUnreadable::Skip => {
                let problem = Problem::EntrySkipped { path: path.clone(), why: why.to_string() };
                self.context.monitor.problem(&problem);
                self.skipped.lock().unwrap_or_else(PoisonError::into_inner).push(Skipped { path, why });
                Ok(())
            }
        }
    }

    /// Returns what another name of the same file was found to hold, if it has not changed since.
    pub(super) fn linked(&self, print: &Fingerprint) -> Option<Digests> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(&print.id).filter(|fact| fact.print == *print).map(|fact| fact.digests)
    }

    /// Counts what is left out because the options say so.
    pub(super) fn count_excluded(&self, paths: u64) {
        if paths > 0 {
            self.excluded.fetch_add(paths, Ordering::Relaxed);
        }
    }

    /// Remembers what a file of several names holds.
    pub(super) fn remember_link(&self, fact: Fact) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= LINKS_MAX {
            links.clear(); // forgetting costs a second read, remembering everything costs memory
        }
        links.insert(fact.print.id, fact);
    }

    /// Notes that an object is to be healed: before it is staged, so that whoever finds it staged is told.
    pub(super) fn begin_healing(&self, address: ContentAddress) {
        self.healing.lock().unwrap_or_else(PoisonError::into_inner).insert(address);
    }

    /// Returns whether an object that is staged was to be healed by that.
    pub(super) fn is_healing(&self, address: &ContentAddress) -> bool {
        self.healing.lock().unwrap_or_else(PoisonError::into_inner).contains(address)
    }
}

/// Returns how much an error tells of why the run ended: that it did, that a group failed, or what failed.
fn tells(error: &IngestError) -> u8 {
    match error {
        IngestError::Cancelled => 0,
        IngestError::Storage(StorageError::EarlierBatchFailed) => 1,
        IngestError::Storage(_)
        | IngestError::Unreadable { .. }
        | IngestError::NoReflink { .. }
        | IngestError::Stdin(_)
        | IngestError::StdinTwice
        | IngestError::Archive { .. }
        | IngestError::Alike { .. }
        | IngestError::ListedThrough { .. }
        | IngestError::Special { .. }
        | IngestError::NoName { .. }
        | IngestError::StoreItself { .. }
        | IngestError::Exclude { .. }
        | IngestError::TooMany { .. }
        | IngestError::Thread(_)
        | IngestError::Known(_)
        | IngestError::Batch(_) => 2,
    }
}

/// Takes what the walk finds.
struct Walker<'a> {
    run: &'a Run<'a>,
    give: Sender<Haul>,
}

impl Visitor for Walker<'_> {
    fn directory(&self, entry: Entry) -> Result<(), IngestError> {
        let haul = Haul { entries: vec![entry], ..Haul::default() };
        self.give.send(haul).map_err(|_| IngestError::Cancelled)
    }

    fn work(&self, work: Work) -> Result<(), IngestError> {
        self.run.go_on()?;
        self.run.queue.push(work);
        Ok(())
    }

    fn unreadable(&self, path: PathBuf, why: Unreadable) -> Result<(), IngestError> {
        self.run.unreadable(path, why)
    }

    fn problem(&self, problem: &Problem) {
        self.run.context.monitor.problem(problem);
    }

    fn excluded(&self, paths: u64) {
        self.run.count_excluded(paths);
    }

    fn entering(&self, name: &CStr) {
        self.run.hook.call(Moment::BeforeEnter, name.to_bytes());
    }

    fn listed(&self, names: u64) -> Result<(), IngestError> {
        self.run.context.monitor.count(Counter::EntriesWalked, names);
        self.run.go_on()
    }
}

/// Sorts what was found and makes sure that it is a tree.
fn finish(
    mut ingested: Ingested,
    input: Option<&Stdin>,
    unpacked: Option<&Unpacked>,
) -> Result<Ingested, IngestError> {
    ingested.entries.sort();
    if let Some(unpacked) = unpacked {
        assemble(unpacked, &mut ingested.entries)?;
    }
    if let Some(Stdin::Entry(name)) = input {
        add_parents(&mut ingested.entries, name)?;
    }
    if let Some(path) = ingested.entries.first_repeated() {
        return Err(IngestError::Alike { path });
    }
    let (found, limit) = (ingested.entries.len() as u64, ENTRIES_MAX);
    if found > limit {
        return Err(IngestError::TooMany { found, limit });
    }
    ingested.skipped.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(ingested)
}
