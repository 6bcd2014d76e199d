//! A store and its model, side by side.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use astore::disk::Disk;
use astore::env::{Env, TestClock, Timestamp};
use astore::monitor::Void;
use astore::registry::report::{
    InitRequest, PlanName, Reason, Recorded, Verdict as Told, VerifyDepth, VerifyRequest,
};
use astore::registry::{Access, Registry};
use astore::retention::Wanted;

use super::model::{Address, Harm, MINUTE, Model, Plan, Stray, Target, Verdict};
use super::steps::{AGES, CONTENTS, Step, TREES, address_of, named};
use crate::support::oracle::object_path;
use crate::support::store::{copy_store, fast_dir, later_clock, options, real_disk, tree};
use crate::support::verdict::explain;

/// How often something was seen, so that a test which sees nothing is found out.
pub(super) type Tally = RefCell<BTreeMap<&'static str, u32>>;

/// The stores' beginning and the trees, made once.
pub(super) struct Ground {
    pub(super) place: tempfile::TempDir,
    pub(super) start: i64,
    pub(super) tally: Tally,
}

impl Ground {
    pub(super) fn new() -> Self {
        let place = fast_dir();
        for (nth, files) in TREES.iter().enumerate() {
            let files: Vec<(&str, &[u8])> =
                files.iter().map(|&(path, content)| (path, CONTENTS[content])).collect();
            tree(&place.path().join(format!("tree-{nth}")), &files);
        }
        let clock = later_clock();
        let start = clock.now().as_micros();
        let env = Env::on_clock("tester@here", clock);
        Registry::init(&place.path().join("store"), &InitRequest::default(), &env).unwrap();
        Self { place, start, tally: Tally::default() }
    }

    pub(super) fn tree(&self, nth: usize) -> PathBuf {
        self.place.path().join(format!("tree-{nth}"))
    }

    pub(super) fn saw(&self, what: &'static str) {
        *self.tally.borrow_mut().entry(what).or_default() += 1;
    }
}

/// A plan that somebody looked at.
pub(super) struct Seen {
    pub(super) name: PlanName,
    pub(super) instant: i64,
    pub(super) age: u64,
    pub(super) digest: Address,
}

/// The log's head, the files, and the minute.
type Looked = (i64, BTreeMap<Address, Stray>, i64);

pub(super) struct Run<'g> {
    pub(super) ground: &'g Ground,
    pub(super) root: PathBuf,
    pub(super) clock: Arc<TestClock>,
    /// Alone with its store, so that it may do everything.
    pub(super) registry: Option<Registry>,
    pub(super) model: Model,
    pub(super) store_id: [u8; 16],
    /// Looks at the events by hand.
    pub(super) db: rusqlite::Connection,
    pub(super) plans: Vec<Seen>,
    pub(super) steps: usize,
    /// What there was when verdicts were last asked for.
    looked: RefCell<Option<Looked>>,
    pub(super) _place: tempfile::TempDir,
}

impl<'g> Run<'g> {
    pub(super) fn new(ground: &'g Ground) -> Self {
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
            looked: RefCell::default(),
            _place: place,
        };
        run.reopen();
        run.store_id = *run.registry().config().store_id.as_bytes();
        run
    }

    pub(super) fn registry(&self) -> &Registry {
        self.registry.as_ref().unwrap()
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_micros()
    }

    pub(super) fn open(&self, disk: Arc<dyn Disk>) -> Registry {
        let env = Env::on_clock("tester@here", self.clock.clone());
        Registry::open_on(disk, &self.root, options(Access::Alone), env, &Void).unwrap()
    }

    pub(super) fn reopen(&mut self) {
        self.registry = None;
        let mut registry = self.open(real_disk(&self.root));
        registry.set_batch_files(2);
        self.registry = Some(registry);
    }

    pub(super) fn apply(&mut self, step: &Step) {
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
}

impl Run<'_> {
    // What looks.

    pub(super) fn damage(&mut self, content: usize, hidden: bool) {
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

    pub(super) fn verify(&mut self, quick: bool, record: Recorded) {
        let depth = if quick { VerifyDepth::Quick } else { VerifyDepth::Full };
        let request = VerifyRequest { depth, record, threads: Some(1), ..VerifyRequest::default() };
        let report = self.registry().verify(&request, &Void).unwrap();
        // Bytes that were altered, then purged, and not deleted yet are nobody's.
        let (of_objects, foreign): (Vec<_>, Vec<_>) =
            report.faults.iter().partition(|fault| fault.address.is_some());
        let foreign: BTreeSet<PathBuf> =
            foreign.into_iter().map(|fault| self.root.join(&fault.subject)).collect();
        let altered = self.remains().into_iter().filter(|address| !quick && !self.is_sound(address));
        assert_eq!(foreign, altered.map(|address| self.file(&address)).collect(), "{:?}", report.faults);
        let found: BTreeSet<Address> = (of_objects.iter())
            .filter_map(|fault| fault.address.map(|address| *address.digest().as_bytes()))
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

    /// Whether the bytes of a file are those of its name.
    pub(super) fn is_sound(&self, address: &Address) -> bool {
        std::fs::read(self.file(address)).is_ok_and(|bytes| blake3::hash(&bytes).as_bytes() == address)
    }

    pub(super) fn file(&self, address: &Address) -> PathBuf {
        object_path(&self.root, address)
    }

    /// Lists by hand what stands under `blake3/`: sizes, and when the kernel says that it was last changed.
    pub(super) fn files(&self) -> BTreeMap<Address, Stray> {
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

    pub(super) fn strays(&self) -> BTreeMap<Address, Stray> {
        let mut files = self.files();
        files.retain(|address, _| !self.model.named.contains_key(address));
        files
    }

    /// Files of purged objects.
    pub(super) fn remains(&self) -> BTreeSet<Address> {
        self.files().into_keys().filter(|address| self.model.is_purged(address)).collect()
    }

    pub(super) fn head(&self) -> i64 {
        self.db.query_row("SELECT max(sequence) FROM events", [], |row| row.get(0)).unwrap()
    }

    pub(super) fn events_after(&self, head: i64) -> Vec<(i64, String, Vec<u8>)> {
        let sql = "SELECT sequence, event_type, payload FROM events WHERE sequence > ?1 ORDER BY sequence";
        let mut statement = self.db.prepare_cached(sql).unwrap();
        let rows = statement.query_map([head], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Compares what the store is, after each step.
    pub(super) fn look(&self) {
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
        // What the log consists of is always there: once at the end will do.
        let known = self.model.named.iter().filter(|(_, named)| !named.is_payload);
        let known = known.map(|(address, _)| *address);
        let strays = files.keys().filter(|address| !self.model.named.contains_key(*address)).copied();
        let all = known.chain(strays).chain([address_of(6)]).collect();
        self.check_plan(AGES[self.steps % AGES.len()]);
        // What explain answers follows from the log, the files, and what time it is: a second more is not worth it.
        let looked = (self.head(), files, now / MINUTE);
        if self.looked.replace(Some(looked.clone())).as_ref() != Some(&looked) {
            self.check_all_told(all);
            self.check_without();
        }
    }

    fn check_all_told(&self, addresses: BTreeSet<Address>) {
        let by_default = self.planned(self.now(), AGES[1]);
        for address in addresses {
            self.check_told(&address, &by_default);
        }
    }

    /// Compares what `explain` says of a digest.
    fn check_told(&self, address: &Address, by_default: &Plan) {
        let (now, report) = (self.now(), explain(self.registry(), address));
        let verdict = self.model.verdict(address);
        let said = match report.verdict {
            Told::Present => Verdict::Present,
            Told::Purged => Verdict::Purged,
            Told::Lost => Verdict::Lost,
            Told::Unknown => Verdict::Unknown,
            Told::Evicted => panic!("{report:?}"),
        };
        assert_eq!(said, verdict, "{report:?}");
        if verdict != Verdict::Present {
            return;
        }
        let packages: BTreeMap<String, Wanted> =
            report.packages.iter().map(|package| (package.reference(), package.wanted)).collect();
        let expected: BTreeMap<String, Wanted> = (self.model.packages.iter().enumerate())
            .filter(|(_, package)| package.contents().contains(address))
            .map(|(number, package)| {
                let wanted = match () {
                    () if package.is_there(now) => Wanted::Present,
                    () if package.hold || self.model.is_pinned(number) => Wanted::Kept,
                    () if package.removed => Wanted::Gone(Reason::Removed),
                    () => Wanted::Gone(Reason::Expired),
                };
                (package.reference(), wanted)
            })
            .collect();
        assert_eq!(packages, expected);
        let pins: Vec<&String> = report.pins.iter().map(|pin| &pin.name).collect();
        let expected = self.model.pins.iter().filter(|(_, target)| **target == Target::Object(*address));
        assert_eq!(pins, expected.map(|(name, _)| name).collect::<Vec<_>>());
        let collectable =
            report.collectable.map(|may| (may.reason.name(), may.from.map(Timestamp::as_micros)));
        let expected = match (by_default.objects.get(address), by_default.young.get(address)) {
            (Some((_, why)), _) => Some((why.word(), None)),
            (_, Some((_, until, why))) => Some((why.word(), Some(*until))),
            (None, None) => None,
        };
        assert_eq!(collectable, expected, "{report:?}");
    }

    pub(super) fn judge(&mut self) {
        // To read all is to replay the log and to compare the views, too.
        self.verify(false, Recorded::No);
        self.check_all_told(self.model.named.keys().copied().collect());
    }
}

/// Whether some bytes have a digest in them.
pub(super) fn holds(payload: &[u8], address: &Address) -> bool {
    payload.windows(32).any(|window| window == address)
}

/// Reads the small integer `started` out of a `v1.gc.completed`.
pub(super) fn started_of(payload: &[u8]) -> u64 {
    let key = b"\x67started";
    let at = payload.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    match payload[at] {
        small @ 0..24 => u64::from(small),
        24 => u64::from(payload[at + 1]),
        _ => panic!("more than 255 events"),
    }
}
