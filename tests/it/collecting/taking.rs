//! What takes: plans, gcs, and gcs that are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use astore::disk::testing::{Call, Observed};
use astore::error::Error;
use astore::monitor::Void;
use astore::registry::report::{
    ClockTrust, CollectReport, CollectRequest, Confirmed, Keeper, PlanReport, PlanRequest,
};

use super::model::{Address, Harm, Plan, Target};
use super::run::{Run, Seen, holds, started_of};
use super::steps::{AGES, Which};
use crate::support::gc::{collect, whatever};
use crate::support::store::{real_disk, reference};

impl Run<'_> {
    pub(super) fn planned(&self, at: i64, age: u64) -> Plan {
        self.model.plan(at, i64::try_from(age).unwrap() * 1_000_000, &self.strays())
    }

    pub(super) fn look_at_plan(&mut self, age: usize) {
        let age = AGES[age];
        let seen = self.check_plan(age);
        self.plans.push(seen);
    }

    /// Compares a plan with the model's.
    pub(super) fn check_plan(&self, age: u64) -> Seen {
        let now = self.now();
        let request = PlanRequest { min_age: Duration::from_secs(age) };
        let report = self.registry().plan(&request, &Void).unwrap();
        let expected = self.planned(now, age);
        self.compare(&report, &expected, now);
        let digest = expected.digest(&self.store_id, age);
        let name = report.plan.name();
        assert_eq!((name.instant.as_micros(), name.min_age_seconds), (now, age));
        assert_eq!(name.digest.as_bytes(), &digest);
        Seen { name, instant: now, age, digest }
    }

    /// Compares what removing a package would bring back.
    pub(super) fn check_without(&self) {
        let Some(nth) = self.nth(self.steps) else { return };
        let asked = reference(&self.model.packages[nth].reference());
        let report = self.registry().plan_without(&[asked], &Void).unwrap();
        let (lost, shared) = self.model.without(nth, self.now());
        let found: BTreeSet<Address> =
            report.objects.iter().map(|object| *object.address.as_bytes()).collect();
        assert_eq!(found, lost);
        assert_eq!(report.shared.0, shared.len() as u64);
    }

    pub(super) fn compare(&self, report: &PlanReport, expected: &Plan, at: i64) {
        let objects: BTreeMap<Address, (u64, &str)> = (report.plan.objects().iter())
            .map(|object| (*object.address.as_bytes(), (object.size_bytes, object.reason.name())))
            .collect();
        assert_eq!(objects.len(), report.plan.objects().len(), "twice the same");
        let expected_objects: BTreeMap<Address, (u64, &str)> =
            expected.objects.iter().map(|(address, (size, why))| (*address, (*size, why.word()))).collect();
        assert_eq!(objects, expected_objects);
        let sum = |sizes: &mut dyn Iterator<Item = u64>| {
            sizes.fold((0_u64, 0_u64), |(count, sum), size| (count + 1, sum + size))
        };
        assert_eq!(report.plan.bytes(), expected.objects.values().map(|(size, _)| size).sum::<u64>());
        for (reason, count, bytes) in &report.reasons {
            let mut sizes = expected.objects.values().filter(|(_, why)| why.word() == reason.name());
            assert_eq!((*count, *bytes), sum(&mut sizes.by_ref().map(|(size, _)| *size)), "{reason}");
        }
        assert_eq!(report.kept_total, sum(&mut expected.kept.values().copied()));
        for kept in &report.kept {
            let reached = match &kept.by {
                Keeper::Pin(name) => match self.model.pins[name] {
                    Target::Object(address) => BTreeSet::from([address]),
                    Target::Package(package) => self.model.packages[package].contents(),
                },
                Keeper::Hold(held) => {
                    let package = self.model.packages.iter().find(|package| package.reference() == *held);
                    assert!(package.unwrap().hold);
                    package.unwrap().contents()
                }
            };
            let mut sizes = expected.kept.iter().filter(|(address, _)| reached.contains(*address));
            assert_eq!(
                (kept.objects, kept.bytes),
                sum(&mut sizes.by_ref().map(|(_, size)| *size)),
                "{kept:?}"
            );
        }
        let young = report.young.map(|young| (young.objects, young.bytes));
        assert_eq!(young.unwrap_or_default(), sum(&mut expected.young.values().map(|(size, ..)| *size)));
        if let Some(young) = report.young {
            let untils = || expected.young.values().map(|(_, until, _)| *until);
            assert_eq!(young.first.as_micros(), untils().min().unwrap());
            assert_eq!(young.until.as_micros(), untils().max().unwrap());
        }
        let losing: Vec<(String, u64)> =
            report.packages.iter().map(|losing| (losing.reference.clone(), losing.objects)).collect();
        let expected_losing: Vec<(String, u64)> = (self.model.packages.iter())
            .map(|package| {
                let lost = package.contents().iter().filter(|content| objects.contains_key(*content)).count();
                (package.reference(), lost as u64)
            })
            .filter(|(_, lost)| *lost > 0)
            .collect();
        assert_eq!(losing, expected_losing, "at {at}");
        assert_eq!(report.unfinished.iter().copied().collect::<BTreeSet<_>>(), self.model.unfinished);
        assert_eq!(report.remains, self.remains().len() as u64);
        assert_eq!(report.clock.is_some(), self.model.is_clock_odd(self.now()));
    }

    pub(super) fn collect(&mut self, which: Which, accept: bool, rounds_of: usize) {
        let now = self.now();
        let (confirmed, instant, age, reviewed) = match which {
            Which::Now { age } => (whatever(Duration::from_secs(AGES[age])), now, AGES[age], None),
            Which::Last | Which::First => {
                let which =
                    if matches!(which, Which::First) { self.plans.first() } else { self.plans.last() };
                let Some(seen) = which else { return };
                (Confirmed::Exactly(seen.name), seen.instant, seen.age, Some(seen.digest))
            }
        };
        let expected = self.planned(instant, age);
        let has_changed = reviewed.is_some_and(|digest| expected.digest(&self.store_id, age) != digest);
        let is_odd = self.model.is_clock_odd(now) && !accept;
        let head = self.head();
        let files = self.files();
        let clock = if accept { ClockTrust::Accepted } else { ClockTrust::Doubted };
        let request = CollectRequest { confirmed, reason: Some("room".to_owned()), clock };
        let size = [1, 2, 100][rounds_of - 1];
        let mut registry = self.registry.take().unwrap();
        registry.set_round_objects(size);
        let mut shown = None;
        let mut show = |report: &PlanReport| {
            shown = Some(report.plan.clone());
            Ok(())
        };
        let outcome = registry.collect(&request, &mut show, &Void);
        self.registry = Some(registry);
        if let Err(error) = &outcome {
            let what = if matches!(error, Error::PlanOfTheFuture { .. }) {
                assert!(instant > now);
                "a plan of the future refused"
            } else if matches!(error, Error::ClockDoubted { .. }) {
                assert!(is_odd);
                "the clock doubted"
            } else {
                assert!(matches!(error, Error::PlanChanged { .. }) && has_changed, "{error:?}");
                "a changed plan refused"
            };
            self.ground.saw(what);
            assert_eq!((self.head(), self.files()), (head, files), "refused, and yet something changed");
            return;
        }
        let report = outcome.unwrap();
        assert!(instant <= now && !is_odd && !has_changed, "{request:?} was not refused");
        assert_eq!(shown.as_ref(), Some(&report.plan.plan));
        if reviewed.is_some() {
            self.ground.saw("a reviewed plan carried out");
        }
        self.collected(&report, &expected, instant, size, head);
    }

    pub(super) fn collected(
        &mut self,
        report: &CollectReport,
        expected: &Plan,
        instant: i64,
        size: usize,
        head: i64,
    ) {
        let resumed: BTreeSet<u64> = report.resumed.iter().map(|round| round.started).collect();
        assert_eq!(resumed, self.model.unfinished);
        if !resumed.is_empty() {
            self.ground.saw("resumed");
        }
        if report.remains_deleted > 0 {
            self.ground.saw("remains deleted");
        }
        self.model.unfinished.clear();
        let objects: Vec<(Address, u64)> =
            expected.objects.iter().map(|(address, (size, _))| (*address, *size)).collect();
        assert_eq!(report.rounds.len(), objects.len().div_ceil(size));
        for (round, objects) in report.rounds.iter().zip(objects.chunks(size)) {
            let missing = objects.iter().filter(|(address, _)| {
                self.model.harmed.contains_key(address) && !self.was_there_before(address)
            });
            let missing = missing.count() as u64;
            assert_eq!(round.objects + round.missing, objects.len() as u64, "{round:?}");
            assert!(round.missing <= missing, "{round:?}");
            assert!(round.failed.is_empty(), "{round:?}");
            let purged: BTreeMap<Address, u64> = objects.iter().copied().collect();
            self.purged(instant, &purged);
        }
        for (_, why) in expected.objects.values() {
            self.ground.saw(match why.word() {
                "removed" => "purged: removed",
                "expired" => "purged: expired",
                "stored" => "purged: stored",
                _ => "purged: unrecorded",
            });
        }
        if self.events_after(head).is_empty() {
            assert!(objects.is_empty() && resumed.is_empty());
        } else {
            self.model.event(self.now());
        }
        assert_eq!(self.remains(), BTreeSet::new(), "a gc that ended leaves nothing behind");
    }

    /// Files of harmed objects may be there, with something else in them.
    pub(super) fn was_there_before(&self, address: &Address) -> bool {
        self.model.harmed.get(address).is_some_and(|harm| *harm != Harm::Plain)
    }

    pub(super) fn purged(&mut self, instant: i64, objects: &BTreeMap<Address, u64>) {
        let now = self.model.event(self.now());
        self.model.gc_started(instant, objects);
        for (address, size) in objects {
            self.model.purge(*address, *size, now);
        }
    }

    pub(super) fn killed_collect(&mut self, age: usize, death: usize) {
        let (now, head) = (self.now(), self.head());
        let expected = self.planned(now, AGES[age]);
        let confirmed = whatever(Duration::from_secs(AGES[age]));
        self.registry = None;
        let (armed, counted) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
        let begins = armed.clone();
        let watch = move |_: usize, _: &Call| {
            let counts = armed.load(Ordering::SeqCst);
            if counts && counted.fetch_add(1, Ordering::SeqCst) >= death {
                return Err(io::Error::other("it is dead"));
            }
            Ok(())
        };
        let mut dying = self.open(Arc::new(Observed::new(real_disk(&self.root), watch)));
        dying.set_round_objects(2);
        begins.store(true, Ordering::SeqCst);
        let outcome = collect(&dying, confirmed, None, ClockTrust::Accepted);
        drop(dying);
        self.reopen();
        match outcome {
            // Where an unlink fails the rest goes on, so a death among them comes to light only later.
            Ok(report) if report.failed().next().is_none() => {
                self.collected(&report, &expected, now, 2, head);
            }
            _ => {
                self.ground.saw("a gc was killed");
                for (sequence, event_type, payload) in self.events_after(head) {
                    let sequence = u64::try_from(sequence).unwrap();
                    if event_type == "v1.gc.completed" {
                        self.model.event(now);
                        let ended = started_of(&payload);
                        assert!(self.model.unfinished.remove(&ended), "event {sequence} ends {ended}");
                        continue;
                    }
                    assert_eq!(event_type, "v1.gc.started");
                    self.model.unfinished.insert(sequence);
                    let objects: BTreeMap<Address, u64> = (expected.objects.iter())
                        .filter(|(address, _)| holds(&payload, address))
                        .map(|(address, (size, _))| (*address, *size))
                        .collect();
                    assert!(!objects.is_empty());
                    self.purged(now, &objects);
                }
            }
        }
    }
}
