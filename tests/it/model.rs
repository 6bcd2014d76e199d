//! What a store says against a model of a few lines: random operations, and by hand the events of builds to come.
//!
//! After each sequence the packages hold what the model holds, replay makes the same views as the operations
//! did, and verify finds exactly what was broken and not mended since.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use astore::env::Timestamp;
use astore::error::Error;
use astore::events::payload::{self, GcEnd, GcStart};
use astore::events::{EventType, LogFiles, PinTarget, Position, PurgedObject, Record, Step, Stored};
use astore::identity::{Blake3, Digests};
use astore::manifest::Encoder;
use astore::monitor::Void;
use astore::registry::report::{
    AddReport, AddRequest, AddTarget, Completion, ListFilter, OnConflict, PackageStatus, Recorded,
    Superseded, VerifyDepth, VerifyRequest,
};
use astore::registry::{Access, Registry};
use astore::storage::{Backend as _, Local};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::cli::is_slow_run;
use crate::support::oracle::file_of;
use crate::support::store::{add, copy_store, fast_dir, init, open, real_disk, reference, request, tree};

/// What the files of the trees hold; small numbers, so that packages share them.
const CONTENTS: [&[u8]; 5] = [b"", b"alpha", b"beta", b"gamma", b"a longer text that is delta"];

/// Trees to add. A path that ends in a slash is a directory, others name a content.
const TREES: [&[(&str, usize)]; 8] = [
    &[],
    &[("a", 1)],
    &[("a", 2), ("b", 1)],
    &[("a/", 0), ("a/x", 1), ("a/y", 3)],
    &[("a/x", 2), ("a-b", 1), ("ab", 3)],
    &[("b/c/", 0), ("b/c/d", 4), ("b/e", 1)],
    &[("b", 3), ("c", 0)],
    &[("a/x/y", 4), ("z", 0)],
];

const NAMES: [&str; 2] = ["one", "two"];

fn cases() -> u32 {
    let usual = if is_slow_run() { 3000 } else { 96 };
    std::env::var("ASTORE_TEST_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

#[derive(Clone, Debug)]
enum Op {
    Add { name: usize, tree: usize, completion: Completion },
    Extend { name: usize, tree: usize, replace: bool, finalize: bool },
    Finalize { name: usize },
    Remove { nth: usize },
    Restore { nth: usize },
    Supersede { name: usize, keep: u64 },
    Break { content: usize },
    Verify { quick: bool },
    Reopen,
    Replay,
    ByHand(Hand),
}

/// Events that this build reads and does not write yet, and such as it does not know.
#[derive(Clone, Debug)]
enum Hand {
    PinPackage {
        pin: usize,
        nth: usize,
    },
    PinObject {
        pin: usize,
        content: usize,
    },
    Unpin {
        pin: usize,
    },
    Retain {
        nth: usize,
        class: Option<&'static str>,
        expires_at: Option<Option<i64>>,
        hold: Option<bool>,
    },
    Gc {
        contents: Vec<usize>,
        /// A package that expired, and whether a file is among them that no event names.
        expired: usize,
        unrecorded: bool,
        unlinks: bool,
        completes: bool,
    },
    Unknown,
    UnknownField {
        nth: usize,
    },
    /// About a package that only an unknown event can have made.
    OfSkipped,
    LaterManifest,
}

fn op() -> impl Strategy<Value = Op> {
    let completion = prop_oneof![
        Just(Completion::LeaveOpen),
        Just(Completion::Finalize),
        Just(Completion::FinalizeIfChanged)
    ];
    let name = 0..NAMES.len();
    let tree = 0..TREES.len();
    let content = 0..CONTENTS.len();
    let nth = 0..6_usize;
    let class = prop_oneof![Just(None), Just(Some("transient")), Just(Some("release-evidence"))];
    let expiry =
        prop_oneof![Just(None), Just(Some(None)), any::<i32>().prop_map(|at| Some(Some(i64::from(at))))];
    let hand = prop_oneof![
        (0..2_usize, nth.clone()).prop_map(|(pin, nth)| Hand::PinPackage { pin, nth }),
        (0..2_usize, content.clone()).prop_map(|(pin, content)| Hand::PinObject { pin, content }),
        (0..2_usize).prop_map(|pin| Hand::Unpin { pin }),
        (nth.clone(), class, expiry, any::<Option<bool>>())
            .prop_map(|(nth, class, expires_at, hold)| Hand::Retain { nth, class, expires_at, hold }),
        (prop::collection::vec(content.clone(), 1..4), nth.clone(), any::<[bool; 3]>()).prop_map(
            |(contents, expired, [unrecorded, unlinks, completes])| Hand::Gc {
                contents,
                expired,
                unrecorded,
                unlinks,
                completes
            }
        ),
        Just(Hand::Unknown),
        nth.clone().prop_map(|nth| Hand::UnknownField { nth }),
        Just(Hand::OfSkipped),
        Just(Hand::LaterManifest),
    ];
    prop_oneof![
        6 => (name.clone(), tree.clone(), completion)
            .prop_map(|(name, tree, completion)| Op::Add { name, tree, completion }),
        5 => (name.clone(), tree, any::<bool>(), any::<bool>())
            .prop_map(|(name, tree, replace, finalize)| Op::Extend { name, tree, replace, finalize }),
        2 => name.clone().prop_map(|name| Op::Finalize { name }),
        2 => nth.clone().prop_map(|nth| Op::Remove { nth }),
        2 => nth.prop_map(|nth| Op::Restore { nth }),
        1 => (name, 0..3_u64).prop_map(|(name, keep)| Op::Supersede { name, keep }),
        2 => content.prop_map(|content| Op::Break { content }),
        2 => any::<bool>().prop_map(|quick| Op::Verify { quick }),
        1 => Just(Op::Reopen),
        1 => Just(Op::Replay),
        7 => hand.prop_map(Op::ByHand),
    ]
}

/// An entry: a directory, or a file and which content it has.
type Entries = BTreeMap<String, Option<usize>>;

#[derive(Clone, Debug)]
struct Package {
    name: &'static str,
    version: u64,
    entries: Entries,
    finalized: bool,
    removed: bool,
    hold: bool,
}

/// What a store should say.
#[derive(Default)]
struct Model {
    /// In order of their making.
    packages: Vec<Package>,
    pins: BTreeSet<usize>,
    /// Contents that the log calls stored, or purged.
    stored: BTreeSet<usize>,
    purged: BTreeSet<usize>,
    /// Contents whose file is not there.
    missing: BTreeSet<usize>,
    /// Whether an event or a field was skipped.
    skipped: bool,
}

fn entries_of(tree: usize) -> Entries {
    let mut entries = Entries::new();
    for (path, content) in TREES[tree] {
        let mut above = path.trim_end_matches('/');
        entries.insert(above.to_owned(), (!path.ends_with('/')).then_some(*content));
        while let Some((parent, _)) = above.rsplit_once('/') {
            entries.entry(parent.to_owned()).or_insert(None);
            above = parent;
        }
    }
    entries
}

impl Model {
    fn newest_open(&self, name: usize) -> Option<usize> {
        self.packages
            .iter()
            .rposition(|package| package.name == NAMES[name] && !package.finalized && !package.removed)
    }

    fn next_version(&self, name: usize) -> u64 {
        self.packages.iter().filter(|package| package.name == NAMES[name]).count() as u64 + 1
    }

    /// The contents of an add are in the store afterwards, whatever was there before.
    fn store(&mut self, tree: usize) {
        for content in entries_of(tree).values().flatten() {
            self.stored.insert(*content);
            self.purged.remove(content);
            self.missing.remove(content);
        }
    }

    /// What adding to a package does to it; `None` where a path is taken.
    fn merged(&self, package: usize, tree: usize, replace: bool) -> Option<Entries> {
        let mut entries = self.packages[package].entries.clone();
        for (path, body) in entries_of(tree) {
            match entries.get(&path) {
                Some(None) if body.is_none() => continue,
                Some(_) if !replace => return None,
                Some(_) => entries.retain(|other, _| !other.starts_with(&format!("{path}/"))),
                None => {}
            }
            entries.insert(path, body);
        }
        Some(entries)
    }
}

/// The stores' beginnings and the trees, made once.
struct Ground {
    place: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let ground = Self { place: fast_dir() };
        for (nth, files) in TREES.iter().enumerate() {
            let files: Vec<(&str, &[u8])> =
                files.iter().map(|&(path, content)| (path, CONTENTS[content])).collect();
            std::fs::create_dir_all(ground.tree(nth)).unwrap();
            tree(&ground.tree(nth), &files);
        }
        init(&ground.place.path().join("store"));
        ground
    }

    fn tree(&self, nth: usize) -> PathBuf {
        self.place.path().join(format!("tree-{nth}"))
    }
}

struct Run<'g> {
    ground: &'g Ground,
    root: PathBuf,
    registry: Registry,
    model: Model,
    _place: tempfile::TempDir,
}

fn object(content: usize) -> Digests {
    Digests::of(CONTENTS[content])
}

fn object_file(root: &Path, content: usize) -> PathBuf {
    file_of(root, CONTENTS[content])
}

impl<'g> Run<'g> {
    fn new(ground: &'g Ground) -> Self {
        let place = fast_dir();
        let root = place.path().join("store");
        copy_store(&ground.place.path().join("store"), &root);
        let mut registry = open(&root, Access::Write).unwrap();
        registry.set_batch_files(2);
        Self { ground, root, registry, model: Model::default(), _place: place }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Add { name, tree, completion } => self.add(*name, *tree, *completion),
            Op::Extend { name, tree, replace, finalize } => self.extend(*name, *tree, *replace, *finalize),
            Op::Finalize { name } => {
                let outcome = self.registry.finalize(&reference(NAMES[*name]), &Void);
                match self.model.newest_open(*name) {
                    Some(package) => {
                        outcome.unwrap();
                        self.model.packages[package].finalized = true;
                    }
                    None => drop(outcome.unwrap_err()),
                }
            }
            Op::Remove { nth } => self.remove(*nth),
            Op::Restore { nth } => {
                let Some(package) = self.model.packages.get_mut(*nth) else { return };
                if package.entries.values().flatten().any(|content| self.model.purged.contains(content)) {
                    return; // to be refused, once there is a gc
                }
                let outcome =
                    self.registry.restore(&reference(&format!("{}@{}", package.name, package.version)));
                assert_eq!(outcome.is_ok(), package.removed, "{outcome:?}");
                package.removed = false;
            }
            Op::Supersede { name, keep } => self.supersede(*name, *keep),
            Op::Break { content } => {
                // Only what the log calls stored can be found missing.
                if std::fs::remove_file(object_file(&self.root, *content)).is_ok()
                    && self.model.stored.contains(content)
                {
                    self.model.missing.insert(*content);
                }
            }
            Op::Verify { quick } => self.verify(*quick, Recorded::Yes),
            Op::Reopen => self.reopen(),
            Op::Replay => {
                let before = self.registry.replay(&Void).unwrap();
                assert_eq!(before.view_digest_before, Some(before.view_digest));
            }
            Op::ByHand(hand) => self.by_hand(hand),
        }
    }

    fn reopen(&mut self) {
        let mut registry = open(&self.root, Access::Write).unwrap();
        registry.set_batch_files(2);
        self.registry = registry;
    }

    fn add(&mut self, name: usize, tree: usize, completion: Completion) {
        // What has expired is no answer to "the same as before?"; the model knows nothing of clocks.
        let expired = self.registry.list(ListFilter::Expired, None).unwrap();
        let report = add(&self.registry, NAMES[name], &self.ground.tree(tree), completion).unwrap();
        let entries = entries_of(tree);
        let newest = (self.model.packages.iter())
            .rfind(|package| package.name == NAMES[name] && package.finalized && !package.removed);
        let same = newest.is_some_and(|package| {
            let reference = format!("{}@{}", package.name, package.version);
            package.entries == entries && expired.iter().all(|expired| expired.reference() != reference)
        });
        let unchanged = completion == Completion::FinalizeIfChanged && same;
        assert_eq!(report.unchanged, unchanged);
        self.model.store(tree);
        if !unchanged {
            let version = self.model.next_version(name);
            assert_eq!(report.package.version, version);
            let finalized = completion != Completion::LeaveOpen;
            self.model.packages.push(Package {
                name: NAMES[name],
                version,
                entries,
                finalized,
                removed: false,
                hold: false,
            });
        }
        self.holds(tree);
    }

    fn extend(&mut self, name: usize, tree: usize, replace: bool, finalize: bool) {
        let completion = if finalize { Completion::Finalize } else { Completion::LeaveOpen };
        let on_conflict = if replace { OnConflict::Replace } else { OnConflict::Refuse };
        let target = AddTarget::Open { reference: reference(NAMES[name]), on_conflict };
        let request = AddRequest { target, ..request(NAMES[name], &self.ground.tree(tree), completion) };
        let outcome: Result<AddReport, Error> = self.registry.add(request, &mut io::empty(), &Void);
        let Some(package) = self.model.newest_open(name) else {
            outcome.unwrap_err();
            return;
        };
        match self.model.merged(package, tree, replace) {
            Some(merged) => {
                outcome.unwrap();
                self.model.store(tree);
                self.model.packages[package].entries = merged;
                self.model.packages[package].finalized = finalize;
                self.holds(tree);
            }
            None => {
                let error = outcome.unwrap_err();
                assert!(matches!(error, Error::PathTaken { .. }), "{error:?}");
                // What was stored on the way stays: which batches that were is no business of the model's.
                self.forget_unsure(tree);
            }
        }
    }

    /// After an add that was refused, looks at what of its contents is there.
    fn forget_unsure(&mut self, tree: usize) {
        let stored = self.standing();
        for content in entries_of(tree).into_values().flatten() {
            let address = object(content).blake3;
            if stored.get(&address) == Some(&true) {
                self.model.stored.insert(content);
                self.model.purged.remove(&content);
            }
            if object_file(&self.root, content).exists() {
                self.model.missing.remove(&content);
            }
        }
    }

    fn remove(&mut self, nth: usize) {
        let Some(package) = self.model.packages.get_mut(nth) else { return };
        let name = reference(&format!("{}@{}", package.name, package.version));
        let outcome = self.registry.remove(&[name], "because");
        assert_eq!(outcome.is_ok(), !package.removed, "{outcome:?}");
        package.removed = true;
    }

    fn supersede(&mut self, name: usize, keep: u64) {
        let which = Superseded { name: NAMES[name].parse().unwrap(), keep, older_than: None };
        let outcome = self.registry.remove_superseded(&which, "too many");
        let mut finalized: Vec<&mut Package> = (self.model.packages.iter_mut())
            .filter(|package| package.name == NAMES[name] && package.finalized && !package.removed)
            .collect();
        let gone = finalized.len().saturating_sub(usize::try_from(keep).unwrap());
        if let Ok(report) = outcome {
            assert_eq!(report.packages.len(), gone);
        }
        finalized.iter_mut().take(gone).for_each(|package| package.removed = true);
    }

    /// What an add named is stored, undamaged, and there.
    fn holds(&self, tree: usize) {
        let standing = self.standing();
        for content in entries_of(tree).into_values().flatten() {
            assert_eq!(standing.get(&object(content).blake3), Some(&true), "content {content}");
            let bytes = std::fs::read(object_file(&self.root, content)).unwrap();
            assert_eq!(bytes, CONTENTS[content]);
        }
    }

    /// Returns of every object whether it is neither purged nor damaged.
    fn standing(&self) -> BTreeMap<Blake3, bool> {
        let db = rusqlite::Connection::open(self.root.join("astore.db")).unwrap();
        let mut statement = db
            .prepare(
                "SELECT digest_primary, purged_sequence IS NULL AND damaged_sequence IS NULL FROM objects",
            )
            .unwrap();
        let rows = statement.query_map([], |row| Ok((Blake3::from_bytes(row.get(0)?), row.get(1)?)));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn verify(&self, quick: bool, record: Recorded) {
        let depth = if quick { VerifyDepth::Quick } else { VerifyDepth::Full };
        let request = VerifyRequest { depth, record, threads: Some(1), ..VerifyRequest::default() };
        let report = self.registry.verify(&request, &Void).unwrap();
        let found: BTreeSet<Blake3> = report
            .faults
            .iter()
            .map(|fault| fault.address.unwrap_or_else(|| panic!("{fault:?}")).digest())
            .collect();
        let missing: BTreeSet<Blake3> = (self.model.missing.iter())
            .filter(|content| !self.model.purged.contains(content))
            .map(|&content| object(content).blake3)
            .collect();
        assert_eq!(found, missing, "{:?}", report.faults);
    }

    /// Appends events to `log/` as another build would; whoever opens the store next enters them.
    fn by_hand(&mut self, hand: &Hand) {
        let id = |nth: &usize| {
            let package = self.model.packages.get(*nth)?;
            let all = self.registry.list(ListFilter::All, None).unwrap();
            let found = all
                .iter()
                .find(|found| found.name.as_str() == package.name && found.version == package.version);
            Some(found.unwrap().id)
        };
        let known = |kind: EventType, subject: String, payload: Vec<u8>| {
            (kind.name().to_owned(), kind.subject_kind().to_owned(), subject, payload)
        };
        let mut events = Vec::new();
        match hand {
            Hand::PinPackage { pin, nth } => {
                let Some(id) = id(nth) else { return };
                if !self.model.pins.insert(*pin) {
                    return;
                }
                let payload = payload::pin_added(&pin.to_string(), PinTarget::Package(id), None);
                events.push(known(EventType::PinAdded, pin.to_string(), payload));
            }
            Hand::PinObject { pin, content } => {
                let known_object = self.model.stored.contains(content) || self.model.purged.contains(content);
                if !known_object || !self.model.pins.insert(*pin) {
                    return;
                }
                let target = PinTarget::Object(object(*content).blake3);
                let payload = payload::pin_added(&pin.to_string(), target, Some("why not"));
                events.push(known(EventType::PinAdded, pin.to_string(), payload));
            }
            Hand::Unpin { pin } => {
                // A pin that is not there can only have been made by what was skipped.
                if !self.model.pins.remove(pin) && !self.model.skipped {
                    return;
                }
                let payload = payload::pin_removed(&pin.to_string(), None);
                events.push(known(EventType::PinRemoved, pin.to_string(), payload));
            }
            Hand::Retain { nth, class, expires_at, hold } => {
                let Some(id) = id(nth) else { return };
                let expires_at = expires_at.map(|expiry| expiry.map(Timestamp::from_micros));
                let payload = payload::retention_changed(*class, expires_at, *hold, "asked");
                events.push(known(EventType::RetentionChanged, id.to_string(), payload));
                if let Some(hold) = hold {
                    self.model.packages[*nth].hold = *hold;
                }
            }
            Hand::Gc { contents, expired, unrecorded, unlinks, completes } => {
                // What is live is never purged: of packages that are not removed, only finalised ones expire.
                let live: BTreeSet<usize> = (self.model.packages.iter())
                    .filter(|package| !package.finalized && !package.removed)
                    .flat_map(|package| package.entries.values().flatten().copied())
                    .collect();
                let purged: BTreeSet<usize> = contents
                    .iter()
                    .copied()
                    .filter(|content| self.model.stored.contains(content) && !live.contains(content))
                    .collect();
                let mut objects: Vec<PurgedObject> = (purged.iter())
                    .map(|&content| PurgedObject {
                        address: object(content).blake3,
                        size_bytes: object(content).size_bytes,
                        why: "removed".to_owned(),
                    })
                    .collect();
                if *unrecorded {
                    objects.push(PurgedObject {
                        address: Blake3::of(b"nobody's"),
                        size_bytes: 8,
                        why: "unrecorded".to_owned(),
                    });
                }
                objects.sort_by_key(|object| *object.address.as_bytes());
                let expired: Vec<_> = id(expired).into_iter().collect();
                let start = GcStart {
                    plan: "0-0-0",
                    round: 1,
                    rounds: 1,
                    reason: None,
                    clock_accepted: false,
                    packages: &expired,
                };
                events.push(known(
                    EventType::GcStarted,
                    "gc".to_owned(),
                    payload::gc_started(&start, &objects),
                ));
                if *completes {
                    let end = GcEnd {
                        started: self.head().head.sequence + 1,
                        objects: objects.len() as u64,
                        bytes: 0,
                        missing: &[],
                        failed: &[],
                        duration_micros: 7,
                    };
                    events.push(known(EventType::GcCompleted, "gc".to_owned(), payload::gc_completed(&end)));
                }
                for content in purged {
                    self.model.stored.remove(&content);
                    self.model.purged.insert(content);
                    self.model.missing.remove(&content);
                    if *unlinks {
                        drop(std::fs::remove_file(object_file(&self.root, content)));
                    }
                }
            }
            Hand::Unknown => {
                self.model.skipped = true;
                let payload = payload::package_restored(None);
                events.push(("v1.checkpoint.signed".to_owned(), "log".to_owned(), "x".to_owned(), payload));
            }
            Hand::UnknownField { nth } => {
                let Some(id) = id(nth) else { return };
                if self.model.packages[*nth].removed {
                    return;
                }
                self.model.packages[*nth].removed = true;
                self.model.skipped = true;
                let mut payload = Vec::new();
                Encoder::new(&mut payload).map(2).text("reason").text("gone").text("severity").uint(3);
                events.push(known(EventType::PackageRemoved, id.to_string(), payload));
            }
            Hand::OfSkipped => {
                if !self.model.skipped {
                    return;
                }
                let id = "01900000-0000-7000-8000-00000000000a".to_owned();
                events.push(known(EventType::PackageRemoved, id, payload::package_removed("never seen")));
            }
            Hand::LaterManifest => {
                self.model.skipped = true;
                let mut payload = Vec::new();
                Encoder::new(&mut payload).map(1).text("manifest_version").uint(2);
                // A manifest is an object, whatever its version.
                let local = Local::new(real_disk(&self.root));
                local.put(&Digests::of(&payload), &mut &payload[..]).unwrap();
                let id = "01900000-0000-7000-8000-00000000000b".to_owned();
                events.push(known(EventType::PackageFinalized, id, payload));
            }
        }
        self.append(events);
        self.reopen();
    }

    fn files(&self) -> LogFiles {
        LogFiles::new(real_disk(&self.root), 0o600)
    }

    fn head(&self) -> Position {
        let files = self.files();
        let mut walk = files.walk(Position::START);
        while let Step::Item(_) = walk.step().unwrap() {}
        walk.position()
    }

    fn append(&self, events: Vec<(String, String, String, Vec<u8>)>) {
        let position = self.head();
        let mut head = position.head;
        let mut stored = Vec::new();
        for (event_type, subject_kind, subject_id, payload) in events {
            let record = Record {
                sequence: head.sequence + 1,
                created_at: Timestamp::from_micros(1_800_000_000_000_000),
                event_type,
                subject_kind,
                subject_id,
                actor: "later@build".to_owned(),
                payload_digest: Blake3::of(&payload),
                previous_digest: head.digest,
            };
            let event = Stored::new(record, Some(payload));
            head = (&event).into();
            stored.push(event);
        }
        self.files().append(&position, &stored).unwrap();
    }

    /// Compares everything.
    fn judge(&self) {
        let check = self.registry.replay_check(&Void).unwrap();
        assert!(check.differing.is_empty(), "replay makes other {:?}", check.differing);
        assert_eq!(check.view_digest_before, Some(check.view_digest));
        let listed = self.registry.list(ListFilter::All, None).unwrap();
        let listed: BTreeMap<_, _> =
            (listed.iter()).map(|found| ((found.name.as_str().to_owned(), found.version), found)).collect();
        assert_eq!(listed.len(), self.model.packages.len());
        for package in &self.model.packages {
            let found = listed[&(package.name.to_owned(), package.version)];
            assert_eq!(found.status == PackageStatus::Finalized, package.finalized, "{package:?}");
            assert_eq!(found.removed_at.is_some(), package.removed, "{package:?}");
            assert_eq!(found.hold, package.hold, "{package:?}");
            let mut entries = BTreeMap::new();
            let mut each = |entry: &astore::manifest::Entry| {
                let path = String::from_utf8(entry.path.as_bytes().to_vec()).unwrap();
                entries.insert(path, entry.object().map(|object| object.blake3));
                Ok(())
            };
            self.registry.files(&reference(&found.reference()), &mut each).unwrap();
            let expected: BTreeMap<_, _> = (package.entries.iter())
                .map(|(path, content)| (path.clone(), content.map(|content| object(content).blake3)))
                .collect();
            assert_eq!(entries, expected, "{package:?}");
            assert_eq!(found.entries, expected.len() as u64);
        }
        self.verify(true, Recorded::No);
    }
}

#[test]
fn a_store_says_what_a_model_says_and_replay_says_the_same() {
    let ground = Ground::new();
    let config =
        Config { cases: cases(), failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&prop::collection::vec(op(), 1..14), |ops| {
        let mut run = Run::new(&ground);
        for op in &ops {
            run.apply(op);
        }
        run.judge();
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// The same content again brings back what was purged, whether or not that makes a new version.
#[test]
fn an_add_that_changes_nothing_brings_purged_bytes_back() {
    let ground = Ground::new();
    for unlinks in [true, false] {
        let mut run = Run::new(&ground);
        run.apply(&Op::Add { name: 0, tree: 1, completion: Completion::Finalize });
        run.apply(&Op::ByHand(Hand::Gc {
            contents: vec![1],
            expired: 0,
            unrecorded: true,
            unlinks,
            completes: true,
        }));
        run.apply(&Op::Add { name: 0, tree: 1, completion: Completion::FinalizeIfChanged });
        run.judge();
    }
}
