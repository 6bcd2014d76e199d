//! An operator collects, whatever happened before: random histories of a store against a model in memory, which is
//! written from the design's §9 and knows nothing of the code.
//!
//! After every step: what a package, a pin or a hold reaches is there, unless it was broken on purpose; every
//! digest that the log ever named has one verdict, the model's; the plan is the model's, and so is its name; and
//! what must be refused was refused, and nothing else. At the end replay makes the same views, and verify finds
//! what was broken and nothing else.

mod model;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use astore::disk::Disk;
use astore::disk::testing::{Call, Observed};
use astore::env::{Env, TestClock, Timestamp};
use astore::error::Error;
use astore::identity::{Blake3, ContentAddress};
use astore::monitor::Void;
use astore::registry::report::{
    AddReport, AddRequest, AddTarget, ClockTrust, CollectReport, CollectRequest, Completion, Confirmed,
    HoldRequest, InitRequest, Keeper, OnConflict, PinRequest, PlanName, PlanReport, PlanRequest, Recorded,
    RetainRequest, VerifyDepth, VerifyRequest,
};
use astore::registry::{Access, Registry};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use self::model::{
    Address, DAY, Entries, HOUR, Harm, Model, Package, Plan, Stray, Target, Verdict, duration_of,
};
use crate::support::cli::is_slow_run;
use crate::support::store::{copy_store, fast_dir, options, real_disk, reference, request, tree};
use crate::support::verdict::{Verdict as Told, verdict};

/// What the files of the trees hold; few, so that packages share them. The last one is in no tree.
const CONTENTS: [&[u8]; 7] =
    [b"", b"alpha", b"beta!", b"gamma, a third", b"a longer text that is delta", b"epsilon...", b"nowhere"];

/// Trees to add. A path that ends in a slash is a directory, others name a content.
const TREES: [&[(&str, usize)]; 9] = [
    &[("a", 1)],
    &[("a", 2), ("b", 1)],
    &[("a/", 0), ("a/x", 1), ("a/y", 3)],
    &[("a/x", 2), ("a-b", 1), ("ab", 3)],
    &[("b/c/", 0), ("b/c/d", 4), ("b/e", 1)],
    &[("b", 3), ("c", 0)],
    &[("a/x/y", 4), ("z", 0)],
    &[("c", 5), ("d", 4), ("e", 5)],
    &[("a", 5), ("b", 2), ("c", 3)],
];

const NAMES: [&str; 3] = ["one", "two", "three"];
const PINS: [&str; 3] = ["first", "second", "third"];
const AGES: [u64; 3] = [0, 24 * 60 * 60, 30 * 24 * 60 * 60];

/// How many histories each of the tests goes through.
fn cases() -> u32 {
    let usual = if is_slow_run() { 5000 } else { 500 };
    std::env::var("ASTORE_TEST_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

#[derive(Clone, Debug)]
enum Step {
    Add { name: usize, tree: usize, class: Option<&'static str>, completion: Completion },
    Extend { name: usize, tree: usize, replace: bool, finalize: bool },
    KilledAdd { name: usize, tree: usize, completion: Completion, death: Death },
    Finalize { name: usize },
    Remove { nth: usize },
    Restore { nth: usize },
    PinPackage { pin: usize, nth: usize },
    PinObject { pin: usize, content: usize },
    Unpin { pin: usize },
    Retain { nth: usize, class: Option<&'static str>, until: Option<i64>, hold: Hold },
    Pass { micros: i64 },
    Plan { age: usize },
    Collect { which: Which, accept: bool, rounds_of: usize },
    KilledCollect { age: usize, death: usize },
    Break { content: usize, hidden: bool },
    Verify { quick: bool },
    Replay,
    Reopen,
}

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// As it begins to write to `log/` for the nth time.
    AtLogWrite(usize),
    /// As it gives the nth object its name.
    AtRename(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Leave,
    Set,
    Release,
}

/// Which plan is confirmed.
#[derive(Clone, Copy, Debug)]
enum Which {
    /// Whatever it is now.
    Now { age: usize },
    /// The one that was looked at last.
    Last,
    /// The one that was looked at first.
    First,
}

fn step() -> impl Strategy<Value = Step> {
    let completion = || {
        prop_oneof![
            1 => Just(Completion::LeaveOpen),
            3 => Just(Completion::Finalize),
            1 => Just(Completion::FinalizeIfChanged)
        ]
    };
    let (name, tree, nth) = (0..NAMES.len(), 0..TREES.len(), 0..12_usize);
    let (content, pin, age) = (0..CONTENTS.len(), 0..PINS.len(), 0..AGES.len());
    let class = || {
        prop_oneof![
            2 => Just(None),
            2 => Just(Some("transient")),
            1 => Just(Some("raw-evidence")),
            1 => Just(Some("permanent-record"))
        ]
    };
    let until = prop_oneof![2 => Just(None), 1 => (-3..200_i64).prop_map(|days| Some(days * DAY + 7))];
    let hold = prop_oneof![Just(Hold::Leave), Just(Hold::Set), Just(Hold::Release)];
    let death = prop_oneof![(1..4_usize).prop_map(Death::AtLogWrite), (1..5_usize).prop_map(Death::AtRename)];
    let time = prop_oneof![
        3 => Just(HOUR),
        6 => Just(25 * HOUR),
        6 => Just(8 * DAY),
        2 => Just(31 * DAY - HOUR),
        1 => Just(95 * DAY),
        1 => Just(400 * DAY),
        1 => Just(-HOUR / 120),
        1 => Just(-2 * HOUR),
    ];
    let which = prop_oneof![
        2 => age.clone().prop_map(|age| Which::Now { age }),
        6 => Just(Which::Now { age: 0 }),
        4 => Just(Which::Last),
        1 => Just(Which::First),
    ];
    prop_oneof![
        14 => (name.clone(), tree.clone(), class(), completion())
            .prop_map(|(name, tree, class, completion)| Step::Add { name, tree, class, completion }),
        6 => (name.clone(), tree.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(name, tree, replace, finalize)| Step::Extend { name, tree, replace, finalize }),
        5 => (name.clone(), tree, completion(), death)
            .prop_map(|(name, tree, completion, death)| Step::KilledAdd { name, tree, completion, death }),
        2 => name.prop_map(|name| Step::Finalize { name }),
        8 => nth.clone().prop_map(|nth| Step::Remove { nth }),
        4 => nth.clone().prop_map(|nth| Step::Restore { nth }),
        4 => (pin.clone(), nth.clone()).prop_map(|(pin, nth)| Step::PinPackage { pin, nth }),
        4 => (pin.clone(), content.clone()).prop_map(|(pin, content)| Step::PinObject { pin, content }),
        4 => pin.prop_map(|pin| Step::Unpin { pin }),
        6 => (nth, class(), until, hold)
            .prop_map(|(nth, class, until, hold)| Step::Retain { nth, class, until, hold }),
        10 => time.prop_map(|micros| Step::Pass { micros }),
        5 => age.clone().prop_map(|age| Step::Plan { age }),
        14 => (which, prop::bool::weighted(0.7), 1..4_usize)
            .prop_map(|(which, accept, rounds_of)| Step::Collect { which, accept, rounds_of }),
        3 => (age, 0..40_usize).prop_map(|(age, death)| Step::KilledCollect { age, death }),
        3 => (content, any::<bool>()).prop_map(|(content, hidden)| Step::Break { content, hidden }),
        2 => any::<bool>().prop_map(|quick| Step::Verify { quick }),
        1 => Just(Step::Replay),
        1 => Just(Step::Reopen),
    ]
}

fn address_of(content: usize) -> Address {
    *blake3::hash(CONTENTS[content]).as_bytes()
}

fn size_of(address: &Address) -> u64 {
    CONTENTS.iter().find(|bytes| blake3::hash(bytes).as_bytes() == address).unwrap().len() as u64
}

fn entries_of(tree: usize) -> Entries {
    let mut entries = Entries::new();
    for (path, content) in TREES[tree] {
        let mut above = path.trim_end_matches('/');
        entries.insert(above.to_owned(), (!path.ends_with('/')).then(|| address_of(*content)));
        while let Some((parent, _)) = above.rsplit_once('/') {
            entries.entry(parent.to_owned()).or_insert(None);
            above = parent;
        }
    }
    entries
}

fn named(address: &Address) -> ContentAddress {
    ContentAddress::new(Blake3::from_bytes(*address))
}

/// How often something was seen, so that a test which sees nothing is found out.
type Tally = RefCell<BTreeMap<&'static str, u32>>;

/// The stores' beginning and the trees, made once.
struct Ground {
    place: tempfile::TempDir,
    start: i64,
    tally: Tally,
}

impl Ground {
    fn new() -> Self {
        let place = fast_dir();
        for (nth, files) in TREES.iter().enumerate() {
            let files: Vec<(&str, &[u8])> =
                files.iter().map(|&(path, content)| (path, CONTENTS[content])).collect();
            tree(&place.path().join(format!("tree-{nth}")), &files);
        }
        // The kernel says when a file was changed. By the clock of these stores that was some hours ago, so that
        // it makes no difference how long a history takes.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let start = i64::try_from(now.as_micros()).unwrap() + 5 * HOUR;
        let env = Env::on_clock("tester@here", TestClock::new(Timestamp::from_micros(start)));
        Registry::init(&place.path().join("store"), &InitRequest::default(), &env).unwrap();
        Self { place, start, tally: Tally::default() }
    }

    fn tree(&self, nth: usize) -> PathBuf {
        self.place.path().join(format!("tree-{nth}"))
    }

    fn saw(&self, what: &'static str) {
        *self.tally.borrow_mut().entry(what).or_default() += 1;
    }
}

/// A plan that somebody looked at.
struct Seen {
    name: PlanName,
    instant: i64,
    age: u64,
    digest: Address,
}

struct Run<'g> {
    ground: &'g Ground,
    root: PathBuf,
    clock: Arc<TestClock>,
    /// Alone with its store, so that it may do everything.
    registry: Option<Registry>,
    model: Model,
    store_id: [u8; 16],
    /// Looks at the events by hand.
    db: rusqlite::Connection,
    plans: Vec<Seen>,
    steps: usize,
    _place: tempfile::TempDir,
}

impl<'g> Run<'g> {
    fn new(ground: &'g Ground) -> Self {
        let place = fast_dir();
        let root = place.path().join("store");
        copy_store(&ground.place.path().join("store"), &root);
        let clock = TestClock::new(Timestamp::from_micros(ground.start));
        let mut model = Model::default();
        model.event(ground.start);
        let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
        let mut run = Self {
            ground,
            root,
            clock,
            registry: None,
            model,
            store_id: [0; 16],
            db,
            plans: Vec::new(),
            steps: 0,
            _place: place,
        };
        run.reopen();
        run.store_id = *run.registry().config().store_id.as_bytes();
        run
    }

    fn registry(&self) -> &Registry {
        self.registry.as_ref().unwrap()
    }

    fn now(&self) -> i64 {
        self.clock.now().as_micros()
    }

    fn open(&self, disk: Arc<dyn Disk>) -> Registry {
        let env = Env::on_clock("tester@here", self.clock.clone());
        Registry::open_on(disk, &self.root, options(Access::Alone), env, &Void).unwrap()
    }

    fn reopen(&mut self) {
        self.registry = None;
        let mut registry = self.open(real_disk(&self.root));
        registry.set_batch_files(2);
        self.registry = Some(registry);
    }

    fn apply(&mut self, step: &Step) {
        self.steps += 1;
        self.clock.set(Timestamp::from_micros(self.now() + 1_000_000));
        match step {
            Step::Add { name, tree, class, completion } => self.add(*name, *tree, *class, *completion),
            Step::Extend { name, tree, replace, finalize } => self.extend(*name, *tree, *replace, *finalize),
            Step::KilledAdd { name, tree, completion, death } => {
                self.killed_add(*name, *tree, *completion, *death);
            }
            Step::Finalize { name } => self.finalize(*name),
            Step::Remove { nth } => self.remove(*nth),
            Step::Restore { nth } => self.restore(*nth),
            Step::PinPackage { pin, nth } => self.pin_package(*pin, *nth),
            Step::PinObject { pin, content } => self.pin_object(*pin, *content),
            Step::Unpin { pin } => self.unpin(*pin),
            Step::Retain { nth, class, until, hold } => self.retain(*nth, *class, *until, *hold),
            Step::Pass { micros } => self.clock.set(Timestamp::from_micros(self.now() + micros)),
            Step::Plan { age } => self.look_at_plan(*age),
            Step::Collect { which, accept, rounds_of } => self.collect(*which, *accept, *rounds_of),
            Step::KilledCollect { age, death } => self.killed_collect(*age, *death),
            Step::Break { content, hidden } => self.damage(*content, *hidden),
            Step::Verify { quick } => self.verify(*quick, Recorded::Yes),
            Step::Replay => {
                let replayed = self.registry().replay(&Void).unwrap();
                assert_eq!(replayed.view_digest_before, Some(replayed.view_digest));
            }
            Step::Reopen => self.reopen(),
        }
    }

    // What puts things in.

    fn add(&mut self, name: usize, tree: usize, class: Option<&'static str>, completion: Completion) {
        let request = self.add_request(name, tree, class, completion);
        let report = self.registry().add(request, &mut io::empty(), &Void).unwrap();
        self.added(name, tree, class, completion, &report);
    }

    fn add_request(
        &self,
        name: usize,
        tree: usize,
        class: Option<&str>,
        completion: Completion,
    ) -> AddRequest {
        let mut request = request(NAMES[name], &self.ground.tree(tree), completion);
        if let AddTarget::New { class: asked, .. } = &mut request.target {
            *asked = class.map(str::to_owned);
        }
        request
    }

    fn added(
        &mut self,
        name: usize,
        tree: usize,
        class: Option<&'static str>,
        completion: Completion,
        report: &AddReport,
    ) {
        let (now, entries) = (self.now(), entries_of(tree));
        let newest = self.model.newest_finalized(NAMES[name]);
        let unchanged = completion == Completion::FinalizeIfChanged
            && newest.is_some_and(|newest| self.model.packages[newest].entries == entries);
        assert_eq!(report.unchanged, unchanged);
        if unchanged {
            self.ground.saw("unchanged");
            let missing: Vec<Address> = (entries.values().flatten())
                .filter(|content| self.model.is_purged(content) || self.is_seen_to_be_harmed(content))
                .copied()
                .collect();
            if !missing.is_empty() {
                self.store(missing);
            }
            return;
        }
        self.store(entries.values().flatten().copied().collect());
        let version = self.model.next_version(NAMES[name]);
        assert_eq!(report.package.version, version);
        let changed = self.model.event(now);
        self.model.packages.push(Package {
            name: NAMES[name],
            version,
            entries,
            finalized_at: None,
            removed: false,
            class: class.unwrap_or("permanent-record"),
            expires_at: None,
            taken: false,
            hold: false,
            changed,
        });
        if completion != Completion::LeaveOpen {
            let package = self.model.packages.len() - 1;
            self.finalized(package, report.package.manifest_digest.unwrap());
        }
    }

    fn is_seen_to_be_harmed(&self, content: &Address) -> bool {
        self.model.harmed.get(content).is_some_and(|harm| *harm != Harm::Hidden)
    }

    /// An add says that the store has these, and whatever was wrong with them that it can see is mended.
    fn store(&mut self, contents: Vec<Address>) {
        let now = self.model.event(self.now());
        for content in contents {
            if self.model.is_purged(&content) {
                self.ground.saw("brought back");
            }
            if self.is_seen_to_be_harmed(&content) {
                self.ground.saw("healed");
                self.model.harmed.remove(&content);
            }
            self.model.name(content, size_of(&content), false, now);
        }
    }

    fn finalized(&mut self, package: usize, manifest: Blake3) {
        let now = self.model.event(self.now());
        let size = std::fs::metadata(self.file(manifest.as_bytes())).unwrap().len();
        self.model.name(*manifest.as_bytes(), size, true, now);
        let package = &mut self.model.packages[package];
        package.finalized_at = Some(now.at);
        package.expires_at = duration_of(package.class).map(|duration| now.at + duration);
        package.changed = now;
    }

    fn extend(&mut self, name: usize, tree: usize, replace: bool, finalize: bool) {
        let completion = if finalize { Completion::Finalize } else { Completion::LeaveOpen };
        let on_conflict = if replace { OnConflict::Replace } else { OnConflict::Refuse };
        let target = AddTarget::Open { reference: reference(NAMES[name]), on_conflict };
        let request = AddRequest { target, ..request(NAMES[name], &self.ground.tree(tree), completion) };
        let head = self.head();
        let outcome = self.registry().add(request, &mut io::empty(), &Void);
        let Some(package) = self.model.newest_open(NAMES[name]) else {
            assert!(
                matches!(
                    outcome,
                    Err(Error::NoSuchPackage { .. } | Error::WrongState { .. } | Error::AllRemoved { .. })
                ),
                "{outcome:?}"
            );
            return;
        };
        let added = entries_of(tree);
        let Some(merged) = self.model.merged(package, &added, replace) else {
            assert!(matches!(outcome, Err(Error::PathTaken { .. })), "{outcome:?}");
            self.ground.saw("a path was taken");
            self.enter_stored(head);
            return;
        };
        let report = outcome.unwrap();
        self.store(added.values().flatten().copied().collect());
        let before = self.model.packages[package].contents();
        let now = self.model.event(self.now());
        self.model.packages[package].entries = merged;
        self.model.packages[package].changed = now;
        for displaced in before.difference(&self.model.packages[package].contents()) {
            self.ground.saw("displaced");
            self.model.let_go(displaced, now);
        }
        if finalize {
            self.finalized(package, report.package.manifest_digest.unwrap());
        }
    }

    fn killed_add(&mut self, name: usize, tree: usize, completion: Completion, death: Death) {
        let head = self.head();
        self.registry = None;
        let counted = AtomicUsize::new(0);
        let watch = move |_: usize, call: &Call| {
            let (counts, nth) = match (death, call) {
                (Death::AtLogWrite(nth), Call::Write { path, .. }) => (path.starts_with("log"), nth),
                (Death::AtRename(nth), Call::Rename { to, .. }) => (to.starts_with("blake3"), nth),
                (Death::AtLogWrite(nth) | Death::AtRename(nth), _) => (false, nth),
            };
            let before = counted.fetch_add(usize::from(counts), Ordering::SeqCst);
            if before + usize::from(counts) >= nth { Err(io::Error::other("it is dead")) } else { Ok(()) }
        };
        let mut dying = self.open(Arc::new(Observed::new(real_disk(&self.root), watch)));
        dying.set_batch_files(1);
        let outcome = dying.add(self.add_request(name, tree, None, completion), &mut io::empty(), &Void);
        drop(dying);
        self.reopen();
        match outcome {
            Ok(report) => self.added(name, tree, None, completion, &report),
            Err(_) => {
                self.ground.saw("an add was killed");
                self.enter_stored(head);
            }
        }
    }

    /// Enters what an add that failed or was killed has told the log on its way, and what it has mended.
    fn enter_stored(&mut self, head: i64) {
        for (sequence, event_type, payload) in self.events_after(head) {
            assert_eq!(event_type, "v1.objects.stored", "event {sequence} of an add that made no package");
            let now = self.model.event(self.now());
            for content in (0..CONTENTS.len()).map(address_of) {
                if holds(&payload, &content) {
                    self.ground.saw("stored by an add that made no package");
                    self.model.name(content, size_of(&content), false, now);
                }
            }
        }
        let harmed: Vec<Address> = self.model.harmed.keys().copied().collect();
        for address in harmed {
            if std::fs::read(self.file(&address))
                .is_ok_and(|bytes| *blake3::hash(&bytes).as_bytes() == address)
            {
                self.model.harmed.remove(&address);
            }
        }
    }

    fn finalize(&mut self, name: usize) {
        let outcome = self.registry().finalize(&reference(NAMES[name]), &Void);
        match self.model.newest_open(NAMES[name]) {
            Some(package) => {
                let manifest = outcome.unwrap().manifest_digest.unwrap();
                self.finalized(package, manifest);
            }
            None => drop(outcome.unwrap_err()),
        }
    }

    // What lets go, and what keeps.

    /// Chooses one of the packages there are.
    fn nth(&self, nth: usize) -> Option<usize> {
        nth.checked_rem(self.model.packages.len())
    }

    fn remove(&mut self, nth: usize) {
        let Some(nth) = self.nth(nth) else { return };
        let package = &self.model.packages[nth];
        let outcome = self.registry().remove(&[reference(&package.reference())], "because");
        assert_eq!(outcome.is_ok(), !package.removed, "{outcome:?}");
        if outcome.is_ok() {
            let now = self.model.event(self.now());
            let package = &mut self.model.packages[nth];
            package.removed = true;
            package.changed = now;
        }
    }

    fn restore(&mut self, nth: usize) {
        let Some(nth) = self.nth(nth) else { return };
        let package = &self.model.packages[nth];
        let outcome = self.registry().restore(&reference(&package.reference()));
        match (package.removed, self.model.lacks(nth)) {
            (false, _) => assert!(matches!(outcome, Err(Error::WrongState { .. })), "{outcome:?}"),
            (true, true) => {
                assert!(matches!(outcome, Err(Error::HasPurged { .. })), "{outcome:?}");
                self.ground.saw("restore refused");
            }
            (true, false) => {
                outcome.unwrap();
                self.ground.saw("restored");
                let now = self.model.event(self.now());
                let package = &mut self.model.packages[nth];
                package.removed = false;
                package.changed = now;
            }
        }
    }

    fn pin_package(&mut self, pin: usize, nth: usize) {
        let Some(nth) = self.nth(nth) else { return };
        let package = &self.model.packages[nth];
        let target = PinRequest::Package(reference(&package.reference()));
        let outcome = self.registry().pin(PINS[pin], &target, Some("kept")).map(drop);
        let lacks = self.model.lacks(nth);
        self.pinned(pin, Target::Package(nth), lacks, outcome);
    }

    fn pin_object(&mut self, pin: usize, content: usize) {
        let address = address_of(content);
        let target = PinRequest::Object(named(&address).to_string().parse().unwrap());
        let outcome = self.registry().pin(PINS[pin], &target, None).map(drop);
        if !self.model.named.contains_key(&address) {
            assert!(
                matches!(outcome, Err(Error::NoSuchObject { .. } | Error::PinTaken { .. })),
                "{outcome:?}"
            );
            return;
        }
        let lacks = self.model.is_purged(&address);
        self.pinned(pin, Target::Object(address), lacks, outcome);
    }

    fn pinned(&mut self, pin: usize, target: Target, lacks: bool, outcome: Result<(), Error>) {
        if self.model.pins.contains_key(PINS[pin]) {
            assert!(matches!(outcome, Err(Error::PinTaken { .. })), "{outcome:?}");
        } else if lacks {
            assert!(matches!(outcome, Err(Error::HasPurged { .. } | Error::Purged { .. } | Error::NoSuchObject { .. })), "{outcome:?}");
            self.ground.saw("pin refused");
        } else {
            outcome.unwrap();
            self.model.event(self.now());
            self.model.pins.insert(PINS[pin].to_owned(), target);
        }
    }

    fn unpin(&mut self, pin: usize) {
        let outcome = self.registry().unpin(PINS[pin], None);
        let Some(target) = self.model.pins.remove(PINS[pin]) else {
            assert!(matches!(outcome, Err(Error::NoSuchPin { .. })), "{outcome:?}");
            return;
        };
        outcome.unwrap();
        let now = self.model.event(self.now());
        match target {
            Target::Package(package) => self.model.packages[package].changed = now,
            Target::Object(address) => self.model.let_go(&address, now),
        }
    }

    fn retain(&mut self, nth: usize, class: Option<&'static str>, until: Option<i64>, hold: Hold) {
        let now = self.now();
        let Some(nth) = self.nth(nth) else { return };
        let package = &self.model.packages[nth];
        let until = until.map(|until| now + until);
        let request = RetainRequest {
            reference: reference(&package.reference()),
            class: class.map(str::to_owned),
            until: until.map(Timestamp::from_micros),
            hold: match hold {
                Hold::Leave => HoldRequest::Leave,
                Hold::Set => HoldRequest::Set,
                Hold::Release => HoldRequest::Release,
            },
            reason: "asked".to_owned(),
        };
        let outcome = self.registry().retain(&request);

        let new_class = class.filter(|class| *class != package.class);
        let mut after = package.clone();
        let mut wrong = hold == Hold::Release && !package.hold;
        wrong |= class.is_none() && until.is_none() && hold == Hold::Leave;
        // Never is the latest of all.
        let late = |expiry: Option<i64>| expiry.unwrap_or(i64::MAX);
        let mut earlier = false;
        match package.finalized_at {
            None => wrong |= until.is_some(),
            Some(finalized_at) => {
                let by_class = new_class.map(|class| duration_of(class).map(|length| finalized_at + length));
                let asked = by_class.into_iter().chain(until.map(Some)).max_by_key(|expiry| late(*expiry));
                if let Some(asked) = asked {
                    earlier = late(asked) < late(package.expires_at);
                    if late(asked) > late(package.expires_at) {
                        after.expires_at = asked;
                        after.taken = false;
                    }
                }
            }
        }
        after.class = new_class.unwrap_or(package.class);
        after.hold = (package.hold || hold == Hold::Set) && hold != Hold::Release;
        let pinned = self.model.pins.values().any(|target| *target == Target::Package(nth));
        let keeps = |package: &Package| package.is_there(now) || package.hold || pinned;
        let refused = !keeps(package) && keeps(&after) && self.model.lacks(nth);
        let changes = hold != Hold::Leave || new_class.is_some() || after.expires_at != package.expires_at;
        match &outcome {
            Err(Error::EarlierExpiry { .. }) => {
                assert!(earlier, "{request:?} of {package:?}");
                self.ground.saw("an earlier expiry refused");
            }
            Err(Error::HasPurged { .. }) => {
                assert!(refused, "{request:?} of {package:?}");
                self.ground.saw("retain refused");
            }
            Err(Error::WrongState { .. } | Error::BadText { .. }) => {
                assert!(wrong, "{request:?} of {package:?}")
            }
            Err(error) => panic!("{error:?}: {request:?} of {package:?}"),
            Ok(report) => {
                assert!(!wrong && !earlier && !refused, "{request:?} of {package:?}: {report:?}");
                assert_eq!(report.sequence.is_some(), changes, "{request:?} of {package:?}");
                if changes {
                    after.changed = self.model.event(now);
                    self.model.packages[nth] = after;
                }
            }
        }
    }

    // What takes.

    fn planned(&self, at: i64, age: u64) -> Plan {
        self.model.plan(at, i64::try_from(age).unwrap() * 1_000_000, &self.strays())
    }

    fn look_at_plan(&mut self, age: usize) {
        let age = AGES[age];
        let seen = self.check_plan(age);
        self.plans.push(seen);
    }

    /// Compares a plan with the model's.
    fn check_plan(&self, age: u64) -> Seen {
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

    fn compare(&self, report: &PlanReport, expected: &Plan, at: i64) {
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
        assert_eq!(young.unwrap_or_default(), sum(&mut expected.young.values().map(|(size, _)| *size)));
        if let Some(young) = report.young {
            let untils = || expected.young.values().map(|(_, until)| *until);
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

    fn collect(&mut self, which: Which, accept: bool, rounds_of: usize) {
        let now = self.now();
        let (confirmed, instant, age, reviewed) = match which {
            Which::Now { age } => {
                let request = PlanRequest { min_age: Duration::from_secs(AGES[age]) };
                (Confirmed::Whatever(request), now, AGES[age], None)
            }
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
            match error {
                Error::PlanOfTheFuture { .. } => assert!(instant > now),
                Error::ClockDoubted { .. } => assert!(is_odd),
                Error::PlanChanged { .. } => assert!(has_changed),
                error => panic!("{error:?}"),
            }
            self.ground.saw(match error {
                Error::PlanOfTheFuture { .. } => "a plan of the future refused",
                Error::ClockDoubted { .. } => "the clock doubted",
                _ => "a changed plan refused",
            });
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

    fn collected(&mut self, report: &CollectReport, expected: &Plan, instant: i64, size: usize, head: i64) {
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
    fn was_there_before(&self, address: &Address) -> bool {
        self.model.harmed.get(address).is_some_and(|harm| *harm != Harm::Plain)
    }

    fn purged(&mut self, instant: i64, objects: &BTreeMap<Address, u64>) {
        let now = self.model.event(self.now());
        self.model.gc_started(instant, objects);
        for (address, size) in objects {
            self.model.purge(*address, *size, now);
        }
    }

    fn killed_collect(&mut self, age: usize, death: usize) {
        let (now, head) = (self.now(), self.head());
        let expected = self.planned(now, AGES[age]);
        let request = CollectRequest {
            confirmed: Confirmed::Whatever(PlanRequest { min_age: Duration::from_secs(AGES[age]) }),
            reason: None,
            clock: ClockTrust::Accepted,
        };
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
        let outcome = dying.collect(&request, &mut |_| Ok(()), &Void);
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

    // What looks.

    fn damage(&mut self, content: usize, hidden: bool) {
        let address = address_of(content);
        let is_stored = self.model.named.get(&address).is_some_and(|named| !named.purged);
        if !is_stored || self.model.harmed.contains_key(&address) {
            return;
        }
        let file = self.file(&address);
        let mut bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let harm = match bytes.first_mut() {
            Some(byte) if hidden => {
                *byte ^= 0x20;
                std::fs::write(&file, bytes).unwrap();
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
                Harm::Hidden
            }
            _ => Harm::Plain,
        };
        self.model.harmed.insert(address, harm);
        self.ground.saw("broken");
    }

    fn verify(&mut self, quick: bool, record: Recorded) {
        let depth = if quick { VerifyDepth::Quick } else { VerifyDepth::Full };
        let request = VerifyRequest { depth, record, threads: Some(1), ..VerifyRequest::default() };
        let report = self.registry().verify(&request, &Void).unwrap();
        let found: BTreeSet<Address> = (report.faults.iter())
            .map(|fault| *fault.address.unwrap_or_else(|| panic!("{fault:?}")).digest().as_bytes())
            .collect();
        let expected: BTreeSet<Address> = (self.model.harmed.iter())
            .filter(|(_, harm)| !quick || **harm == Harm::Plain)
            .map(|(address, _)| *address)
            .collect();
        assert_eq!(found, expected, "{:?}", report.faults);
        if record == Recorded::Yes {
            self.model.event(self.now());
            for address in found {
                if self.model.harmed[&address] == Harm::Hidden {
                    self.model.harmed.insert(address, Harm::Told);
                }
            }
        }
    }

    fn file(&self, address: &Address) -> PathBuf {
        object_file(&self.root, address)
    }

    /// Lists by hand what stands under `blake3/`: sizes, and when the kernel says that it was last changed.
    fn files(&self) -> BTreeMap<Address, Stray> {
        let mut files = BTreeMap::new();
        for outer in std::fs::read_dir(self.root.join("blake3")).unwrap() {
            for inner in std::fs::read_dir(outer.unwrap().path()).unwrap() {
                for file in std::fs::read_dir(inner.unwrap().path()).unwrap() {
                    let file = file.unwrap();
                    let name: blake3::Hash = file.file_name().to_str().unwrap().parse().unwrap();
                    let stat = file.metadata().unwrap();
                    let since = stat.ctime() * 1_000_000 + stat.ctime_nsec() / 1000;
                    files.insert(*name.as_bytes(), Stray { size: stat.len(), since });
                }
            }
        }
        files
    }

    fn strays(&self) -> BTreeMap<Address, Stray> {
        let mut files = self.files();
        files.retain(|address, _| !self.model.named.contains_key(address));
        files
    }

    /// Files of purged objects.
    fn remains(&self) -> BTreeSet<Address> {
        self.files().into_keys().filter(|address| self.model.is_purged(address)).collect()
    }

    fn head(&self) -> i64 {
        self.db.query_row("SELECT max(sequence) FROM events", [], |row| row.get(0)).unwrap()
    }

    fn events_after(&self, head: i64) -> Vec<(i64, String, Vec<u8>)> {
        let sql = "SELECT sequence, event_type, payload FROM events WHERE sequence > ?1 ORDER BY sequence";
        let mut statement = self.db.prepare_cached(sql).unwrap();
        let rows = statement.query_map([head], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Compares what the store is, after each step.
    fn look(&self) {
        let (now, files) = (self.now(), self.files());
        for address in self.model.live(now) {
            let is_there = files.contains_key(&address);
            let harmed = self.model.harmed.contains_key(&address);
            assert!(is_there || harmed, "{} is live and gone", named(&address));
        }
        for (address, is) in &self.model.named {
            let may_lack = is.purged || self.model.harmed.contains_key(address);
            assert!(may_lack || files.contains_key(address), "{} is gone", named(address));
        }
        let known = self.model.named.keys().copied();
        let all: BTreeSet<Address> = known.chain(files.into_keys()).chain([address_of(6)]).collect();
        for address in all {
            assert_eq!(self.told(&address), self.model.verdict(&address), "{}", named(&address));
        }
        self.check_plan(AGES[self.steps % AGES.len()]);
    }

    fn told(&self, address: &Address) -> Verdict {
        match verdict(self.registry(), address) {
            Told::Present => Verdict::Present,
            Told::Purged(_) => Verdict::Purged,
            Told::Lost => Verdict::Lost,
            Told::Unknown => Verdict::Unknown,
        }
    }

    fn judge(&mut self) {
        let check = self.registry().replay_check(&Void).unwrap();
        assert!(check.differing.is_empty(), "replay makes other {:?}", check.differing);
        assert_eq!(check.view_digest_before, Some(check.view_digest));
        self.verify(false, Recorded::No);
    }
}

fn object_file(root: &Path, address: &Address) -> PathBuf {
    let hex = Blake3::from_bytes(*address).to_string();
    root.join(format!("blake3/{}/{}/{hex}", &hex[..2], &hex[2..4]))
}

/// Whether some bytes have a digest in them.
fn holds(payload: &[u8], address: &Address) -> bool {
    payload.windows(32).any(|window| window == address)
}

/// Reads the small integer `started` out of a `v1.gc.completed`.
fn started_of(payload: &[u8]) -> u64 {
    let key = b"\x67started";
    let at = payload.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    match payload[at] {
        small @ 0..24 => u64::from(small),
        24 => u64::from(payload[at + 1]),
        _ => panic!("more than 255 events"),
    }
}

fn check(needed: &[&'static str]) {
    let ground = Ground::new();
    let config =
        Config { cases: cases(), failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&prop::collection::vec(step(), 1..34), |steps| {
        let mut run = Run::new(&ground);
        for step in &steps {
            run.apply(step);
            run.look();
        }
        run.judge();
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let tally = ground.tally.borrow();
    eprintln!("{tally:#?}");
    for what in needed {
        let seen = tally.get(what).copied().unwrap_or_default();
        assert!(seen > 0 || cases() < 400, "{what:?} was never seen: {tally:#?}");
    }
}

const NEEDED: [&str; 22] = [
    "a changed plan refused",
    "a gc was killed",
    "a path was taken",
    "a plan of the future refused",
    "a reviewed plan carried out",
    "an add was killed",
    "an earlier expiry refused",
    "broken",
    "brought back",
    "displaced",
    "healed",
    "pin refused",
    "purged: expired",
    "purged: removed",
    "purged: stored",
    "purged: unrecorded",
    "remains deleted",
    "restore refused",
    "restored",
    "resumed",
    "stored by an add that made no package",
    "the clock doubted",
];

#[test]
fn a_gc_takes_what_a_model_takes_first_part() {
    check(&NEEDED);
}

#[test]
fn a_gc_takes_what_a_model_takes_second_part() {
    check(&NEEDED);
}

#[test]
fn a_gc_takes_what_a_model_takes_third_part() {
    check(&NEEDED);
}

#[test]
fn a_gc_takes_what_a_model_takes_fourth_part() {
    check(&NEEDED);
}
