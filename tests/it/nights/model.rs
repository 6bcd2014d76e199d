//! Random histories against a model of a few lines: what each run reads, what is overdue, and when all was read.
//!
//! The model has, of every object, when it was stored and when it was read, and nothing else. What a run reads is seen
//! on the disk, not in its report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use astore::disk::testing::{Call, Observed};
use astore::env::{Env, TestClock, Timestamp};
use astore::identity::Blake3;
use astore::monitor::Void;
use astore::registry::report::{ClockTrust, Completion, InitRequest, Sample, VerifyDepth, VerifyRequest};
use astore::registry::{Access, Registry};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::cli::is_slow_run;
use crate::support::gc::{collect, whatever};
use crate::support::oracle::file_of;
use crate::support::store::{add, fast_dir, later_clock, open_by, options, real_disk, reference, tree};

const FILES: usize = 8;
const HOUR: i64 = 3_600_000_000;

#[derive(Clone, Debug)]
enum Step {
    /// Adds a package of these contents.
    Add(BTreeSet<usize>),
    /// Removes the package that was made so many before the last, and collects.
    Collect(usize),
    Break(usize),
    /// A part, of so many hundredths, or of one object.
    Part(Option<u32>),
    Full(VerifyDepth),
    /// One package only.
    Packages,
    Pass(i64),
    Replay,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::btree_set(0..FILES, 1..4).prop_map(Step::Add),
        2 => (0..4_usize).prop_map(Step::Collect),
        1 => (0..FILES).prop_map(Step::Break),
        8 => prop_oneof![Just(None), (1..100_u32).prop_map(Some)].prop_map(Step::Part),
        1 => prop_oneof![Just(VerifyDepth::Quick), Just(VerifyDepth::Full), Just(VerifyDepth::Both)]
            .prop_map(Step::Full),
        1 => Just(Step::Packages),
        3 => (1..40_i64).prop_map(Step::Pass),
        1 => Just(Step::Replay),
    ]
}

#[derive(Clone, Copy, Debug)]
struct Object {
    size: u64,
    stored: i64,
    read: Option<i64>,
    /// Whether it was there when the pass began, and whether the pass has read it.
    was_there: bool,
    in_pass: bool,
}

struct Run {
    root: std::path::PathBuf,
    clock: Arc<TestClock>,
    registry: Registry,
    opened: Arc<Mutex<BTreeSet<String>>>,
    objects: BTreeMap<Blake3, Object>,
    cursor: Option<Blake3>,
    packages: Vec<String>,
    /// Of each verify that read a range: when, from after which key, to which.
    ranges: Vec<(i64, Option<Blake3>, Option<Blake3>)>,
    place: tempfile::TempDir,
}

impl Run {
    fn new() -> Self {
        let place = fast_dir();
        let root = place.path().join("store");
        let clock = later_clock();
        Registry::init(&root, &InitRequest::default(), &Env::on_clock("tester@here", clock.clone())).unwrap();
        let opened = Arc::new(Mutex::new(BTreeSet::new()));
        let into = Arc::clone(&opened);
        let disk = Observed::with_reads(real_disk(&root), move |_, call| {
            if let Call::Open { path } = call
                && let Some(name) = path.strip_prefix("blake3").ok().and_then(|path| path.file_name())
            {
                into.lock().unwrap().insert(name.to_str().unwrap().to_owned());
            }
            Ok(())
        });
        let registry = open_by(&clock, Arc::new(disk), &root, options(Access::Alone)).unwrap();
        Self {
            root,
            clock,
            registry,
            opened,
            objects: BTreeMap::new(),
            cursor: None,
            packages: Vec::new(),
            ranges: Vec::new(),
            place,
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().as_micros()
    }

    fn pass(&self, micros: i64) {
        self.clock.set(Timestamp::from_micros(self.now() + micros));
    }

    fn store(&mut self, key: Blake3, size: u64, anew: bool) {
        let now = self.now();
        let object = Object { size, stored: now, read: None, was_there: false, in_pass: false };
        let known = self.objects.entry(key).or_insert(object);
        if anew {
            // The pass has read what was there before.
            (known.stored, known.read) = (now, None);
        }
    }

    fn apply(&mut self, step: &Step) {
        self.pass(1_000_000);
        match step {
            Step::Add(contents) => self.add(contents),
            Step::Collect(nth) => self.collect(*nth),
            Step::Break(content) => {
                drop(std::fs::remove_file(file_of(&self.root, text(*content).as_bytes())));
            }
            Step::Part(share) => self.part(*share),
            Step::Full(depth) => {
                self.registry.verify(&request(*depth), &Void).unwrap();
                if *depth != VerifyDepth::Quick {
                    let now = self.now();
                    self.objects.values_mut().for_each(|object| object.read = Some(now));
                    self.cursor = None;
                    self.ranges.push((now, None, None));
                }
            }
            Step::Packages => {
                let Some(package) = self.packages.last().map(|name| format!("{name}@1")) else { return };
                let request =
                    VerifyRequest { references: vec![reference(&package)], ..request(VerifyDepth::Full) };
                self.registry.verify(&request, &Void).unwrap();
            }
            Step::Pass(hours) => self.pass(hours * HOUR),
            Step::Replay => {
                let report = self.registry.replay_check(&Void).unwrap();
                assert_eq!(Some(report.view_digest), report.view_digest_before);
            }
        }
    }

    fn add(&mut self, contents: &BTreeSet<usize>) {
        let name = format!("p{}", self.packages.len());
        let at = self.place.path().join(&name);
        let files: Vec<(String, String)> =
            contents.iter().map(|&content| (content.to_string(), text(content))).collect();
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
        let report = add(&self.registry, &name, &tree(&at, &files), Completion::Finalize).unwrap();
        for (_, bytes) in files {
            let key = Blake3::of(bytes);
            let healed = report.healed.iter().any(|address| address.digest() == key);
            self.store(key, bytes.len() as u64, healed);
        }
        let manifest = report.package.manifest_digest.unwrap();
        let size = self.registry.show(&reference(&name)).unwrap().manifest_size.unwrap();
        self.store(manifest, size, false);
        self.packages.push(name);
    }

    fn collect(&mut self, nth: usize) {
        let Some(at) = self.packages.len().checked_sub(nth + 1) else { return };
        let package = reference(&format!("{}@1", self.packages[at]));
        if self.registry.remove(&[package], "by chance").is_err() {
            return; // it was removed before
        }
        let report = collect(&self.registry, whatever(Duration::ZERO), None, ClockTrust::Accepted).unwrap();
        for object in report.plan.plan.objects() {
            self.objects.remove(&object.content_address().digest()).expect("it was there");
        }
    }

    fn part(&mut self, share: Option<u32>) {
        let now = self.now();
        if self.cursor.is_none() {
            self.objects.values_mut().for_each(|object| (object.was_there, object.in_pass) = (true, false));
        }
        let total = self.objects.len();
        let wanted = share.map_or(1, |share| (total * share as usize).div_ceil(100).max(1));
        let after = self.cursor;
        let is_next = |key: &Blake3| after.is_none_or(|after| *key > after);
        let next: Vec<Blake3> = self.objects.keys().copied().filter(is_next).take(wanted).collect();
        self.opened.lock().unwrap().clear();
        let request = VerifyRequest {
            budget: share.is_none().then_some(Duration::ZERO),
            sample: share.and_then(|share| Sample::from_millionths(share * 10_000)),
            ..request(VerifyDepth::Full)
        };
        let report = self.registry.verify(&request, &Void).unwrap();
        // What was broken is opened, too: that it is not there is seen so.
        let opened: BTreeSet<String> = std::mem::take(&mut *self.opened.lock().unwrap());
        assert!(
            opened.iter().all(|name| next.iter().any(|key| key.to_string() == *name)),
            "{opened:?} {next:?}"
        );
        for key in &next {
            let found = opened.contains(&key.to_string());
            assert!(
                found
                    || report.faults.iter().any(|fault| fault.address.is_some_and(|it| it.digest() == *key))
            );
            let object = self.objects.get_mut(key).unwrap();
            assert!(!object.in_pass, "{key} is read twice in a pass");
            (object.read, object.in_pass) = (Some(now), true);
        }
        let ends = next.last().is_none_or(|last| *last == *self.objects.keys().next_back().unwrap());
        let last = (!ends).then(|| *next.last().unwrap());
        assert_eq!(report.objects, next.len() as u64);
        let part = report.part.unwrap();
        assert_eq!(part.next.is_none(), ends, "{part:?}");
        let left = self.objects.keys().filter(|key| last.is_some_and(|last| **key > last)).count();
        assert_eq!(part.objects_left, left as u64);
        if ends {
            let missed = self.objects.values().filter(|object| object.was_there && !object.in_pass).count();
            assert_eq!(missed, 0, "a pass has read everything that was there when it began");
        } else {
            assert_eq!(part.last.digest(), last.unwrap());
        }
        self.ranges.push((now, after, last));
        self.cursor = last;
    }

    /// What is overdue, and since when everything was read.
    fn look(&self) {
        let now = self.now();
        for hours in [0, 7, 48] {
            let allowed = now - hours * HOUR;
            let since = |object: &Object| object.read.unwrap_or(object.stored).max(object.stored);
            let late: Vec<(i64, Blake3, u64)> = (self.objects.iter())
                .map(|(key, object)| (since(object), *key, object.size))
                .filter(|(since, ..)| *since < allowed)
                .collect();
            let request = VerifyRequest {
                max_age: Some(Duration::from_micros(u64::try_from(hours * HOUR).unwrap())),
                record: astore::registry::report::Recorded::No,
                ..request(VerifyDepth::Quick)
            };
            let overdue = self.registry.verify(&request, &Void).unwrap().overdue.unwrap();
            let bytes = late.iter().map(|(_, _, size)| size).sum::<u64>();
            assert_eq!(
                (overdue.objects, overdue.bytes),
                (late.len() as u64, bytes),
                "{hours} hours: {late:?}"
            );
            let oldest = late.iter().map(|(since, key, _)| (*since, *key)).min();
            assert_eq!(overdue.oldest.map(|(at, address)| (at.as_micros(), address.digest())), oldest);
        }
        let last = self.registry.health().unwrap().last_verify;
        let found = last.map(|last| (last.at.as_micros(), last.since.as_micros()));
        let newest = self.ranges.last().map(|(at, ..)| *at);
        assert_eq!(found, self.all_read_since().map(|since| (newest.unwrap(), since)));
    }

    /// The latest verify of which, with all after it, every key was read.
    fn all_read_since(&self) -> Option<i64> {
        (0..self.ranges.len()).rev().find_map(|nth| {
            let later = &self.ranges[nth..];
            // Every range begins after a key or with the first one: a key is unread only behind the end of another.
            let mut behind: Vec<Option<Blake3>> =
                later.iter().filter_map(|(_, _, last)| last.map(Some)).collect();
            behind.push(None);
            let covers = |after: &Option<Blake3>| {
                later.iter().any(|(_, from, to)| from <= after && to.is_none_or(|to| Some(to) > *after))
            };
            behind.iter().all(covers).then_some(self.ranges[nth].0)
        })
    }
}

fn text(content: usize) -> String {
    format!("content {content}{}", "!".repeat(content))
}

fn request(depth: VerifyDepth) -> VerifyRequest {
    VerifyRequest { depth, threads: Some(1), ..VerifyRequest::default() }
}

#[test]
fn parts_and_debts_are_those_of_a_model() {
    let cases = if is_slow_run() { 1000 } else { 32 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), 1..30), |steps| {
        let mut run = Run::new();
        for step in &steps {
            run.apply(step);
            run.look();
        }
        run.apply(&Step::Replay);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
