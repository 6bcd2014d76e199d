//! Histories at random: events as some build may have written them, whatever their order and their clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use astore::env::Timestamp;
use astore::events::payload::{self, GcEnd, GcStart};
use astore::events::{EventType, LogFiles, PinTarget, Position, PurgedObject, Record, Step, Stored};
use astore::identity::{Blake3, Digests};
use astore::manifest::{
    Entry, EntryBody, EntryPath, Labels, ManifestHeader, Receipt, RetentionSummary, write_manifest,
};
use astore::registry::Access;
use astore::storage::{Backend as _, Local};
use uuid::Uuid;

use super::{BEGIN, DAY, SECOND};
use crate::support::oracle::put_object;
use crate::support::store::{init, open, real_disk};

/// Numbers that look random and are the same each time.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("small") % end
    }

    fn one_in(&mut self, end: usize) -> bool {
        self.below(end) == 0
    }

    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

type Entries = BTreeMap<&'static str, Option<usize>>;

struct Package {
    id: Uuid,
    name: String,
    entries: Entries,
    finalized: bool,
    removed: bool,
}

/// A history of events as some build may have written them: the order and the clock of it are not honest ones.
pub(super) struct History {
    root: PathBuf,
    local: Local,
    dice: Dice,
    clock: i64,
    events: Vec<Stored>,
    position: Position,
    packages: Vec<Package>,
    pins: Vec<String>,
    named: Vec<bool>,
    gcs: Vec<u64>,
}

const PATHS: [&str; 6] = ["a", "b", "c", "d", "d/x", "d/y"];
const CONTENTS: usize = 9;

fn content(number: usize) -> Vec<u8> {
    format!("{number}").repeat(number * number).into_bytes()
}

fn object(number: usize) -> Digests {
    Digests::of(&content(number))
}

fn entry((path, content): (&&'static str, &Option<usize>)) -> Entry {
    let body = match content {
        Some(content) => EntryBody::File { mode: 0o644, object: object(*content) },
        None => EntryBody::Directory { mode: 0o755 },
    };
    Entry { path: EntryPath::new(path.as_bytes()).expect("a path"), body, mtime: None }
}

impl History {
    pub(super) fn new(root: &Path, seed: u64) -> Self {
        init(root);
        let files = LogFiles::new(real_disk(root), 0o600);
        let mut walk = files.walk(Position::START);
        while let Step::Item(_) = walk.step().expect("a sound log") {}
        Self {
            root: root.to_owned(),
            local: Local::new(real_disk(root)),
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            clock: BEGIN,
            events: Vec::new(),
            position: walk.position(),
            packages: Vec::new(),
            pins: Vec::new(),
            named: vec![false; CONTENTS],
            gcs: Vec::new(),
        }
    }

    fn event(&mut self, event_type: EventType, subject_id: &str, payload: Vec<u8>) -> u64 {
        // Days pass, and now and then the clock is set back.
        let hours =
            i64::try_from(self.dice.below(200)).expect("small") - if self.dice.one_in(4) { 150 } else { 0 };
        self.clock += hours * 3600 * SECOND + 1;
        let head = self.events.last().map_or(self.position.head, Into::into);
        let record = Record {
            sequence: head.sequence + 1,
            created_at: Timestamp::from_micros(self.clock),
            event_type: event_type.name().to_owned(),
            subject_kind: event_type.subject_kind().to_owned(),
            subject_id: subject_id.to_owned(),
            actor: "another@build".to_owned(),
            payload_digest: Blake3::of(&payload),
            previous_digest: head.digest,
        };
        self.events.push(Stored::new(record, Some(payload)));
        head.sequence + 1
    }

    /// Draws entries, and puts their objects where they belong.
    fn draw(&mut self, entries: &mut Entries) {
        for _ in 0..1 + self.dice.below(3) {
            let (path, content) = (self.dice.of(&PATHS), self.dice.below(CONTENTS));
            if path.starts_with("d/") {
                entries.insert("d", None);
            } else if path == "d" {
                entries.retain(|other, _| !other.starts_with("d/"));
            }
            entries.insert(path, Some(content));
        }
    }

    fn name(&mut self, entries: &Entries) {
        entries.values().flatten().for_each(|content| self.named[*content] = true);
    }

    fn new_package(&mut self) -> (Uuid, String) {
        let number = self.packages.len() as u128;
        let id = Uuid::from_u128(0x7000_8000_0000_0000_0000 | (number.wrapping_mul(7) % 16) << 8 | number);
        (id, format!("p{number}"))
    }

    fn finalize(&mut self, id: Uuid, name: &str, entries: &Entries) {
        let (class, duration_seconds) = self.dice.of(&[
            ("transient", Some(604_800)),
            ("permanent-record", None),
            ("raw-evidence", Some(30)),
        ]);
        let header = ManifestHeader {
            id,
            name: name.parse().expect("a name"),
            version: 1,
            created_at: Timestamp::from_micros(self.clock),
            created_by: "another@build".to_owned(),
            metadata: Labels::new(),
            receipts: vec![Receipt { backend_id: "local".to_owned(), objects: 1, bytes: 1 }],
            retention: RetentionSummary { class: class.to_owned(), duration_seconds },
            provenance: Labels::new(),
        };
        let mut manifest = Vec::new();
        let entries: Vec<Entry> = entries.iter().map(entry).collect();
        write_manifest(&mut manifest, &header, entries.iter()).expect("a manifest");
        self.local.put(&Digests::of(&manifest), &mut &manifest[..]).expect("room");
        self.event(EventType::PackageFinalized, &id.to_string(), manifest);
    }

    pub(super) fn step(&mut self) {
        let nth = self.dice.below(self.packages.len().max(1));
        match self.dice.below(14) {
            0 | 1 => {
                let (id, name) = self.new_package();
                let mut entries = Entries::new();
                // Equal trees are shared.
                match self.packages.get(nth) {
                    Some(package) if self.dice.one_in(3) => entries.clone_from(&package.entries),
                    _ => self.draw(&mut entries),
                }
                self.name(&entries);
                self.finalize(id, &name, &entries);
                self.packages.push(Package { id, name, entries, finalized: true, removed: false });
            }
            2 => {
                let (id, name) = self.new_package();
                let parsed = name.parse().expect("a name");
                let none = Labels::new();
                let created = payload::package_created(id, &parsed, 1, "transient", &none, &none);
                self.event(EventType::PackageCreated, &id.to_string(), created);
                let entries = Entries::new();
                self.packages.push(Package { id, name, entries, finalized: false, removed: false });
            }
            3 | 4 => {
                let Some(Package { id, finalized: false, removed: false, .. }) = self.packages.get(nth)
                else {
                    return;
                };
                let id = *id;
                let mut added = Entries::new();
                self.draw(&mut added);
                self.name(&added);
                let items: Vec<Entry> = added.iter().map(entry).collect();
                let payload = payload::entries_added("local", items.iter(), true);
                self.event(EventType::EntriesAdded, &id.to_string(), payload);
                let entries = &mut self.packages[nth].entries;
                for (path, content) in added {
                    if path == "d" && content.is_some() {
                        entries.retain(|other, _| !other.starts_with("d/"));
                    }
                    entries.insert(path, content);
                }
            }
            5 => {
                let Some(Package { id, name, entries, finalized: false, removed: false }) =
                    self.packages.get(nth)
                else {
                    return;
                };
                let (id, name, mut entries) = (*id, name.clone(), entries.clone());
                if self.dice.one_in(2) {
                    entries.pop_last();
                    self.draw(&mut entries);
                }
                self.name(&entries);
                self.finalize(id, &name, &entries);
                self.packages[nth].entries = entries;
                self.packages[nth].finalized = true;
            }
            6 | 7 => {
                let Some(package) = self.packages.get_mut(nth) else { return };
                package.removed = !package.removed;
                let (id, removed) = (package.id.to_string(), package.removed);
                let (event_type, payload) = match removed {
                    true => (EventType::PackageRemoved, payload::package_removed("enough")),
                    false => (EventType::PackageRestored, payload::package_restored(None)),
                };
                self.event(event_type, &id, payload);
            }
            8 => {
                let Some(id) = self.packages.get(nth).map(|package| package.id) else { return };
                self.pin(PinTarget::Package(id));
            }
            9 => {
                let content = self.dice.below(CONTENTS);
                if self.named[content] {
                    self.pin(PinTarget::Object(object(content).blake3));
                }
            }
            10 => {
                if let Some(name) = self.pins.pop() {
                    self.event(EventType::PinRemoved, &name, payload::pin_removed(&name, None));
                }
            }
            11 => {
                let Some(id) = self.packages.get(nth).map(|package| package.id) else { return };
                let days = i64::try_from(self.dice.below(400)).expect("small");
                let later = Timestamp::from_micros(BEGIN + days * DAY);
                let expires_at = self.dice.of(&[None, None, Some(None), Some(Some(later))]);
                let hold = self.dice.of(&[None, Some(true), Some(false)]);
                let payload = payload::retention_changed(None, expires_at, hold, "asked");
                self.event(EventType::RetentionChanged, &id.to_string(), payload);
            }
            12 => {
                let content = self.dice.below(CONTENTS);
                self.named[content] = true;
                let payload = payload::objects_stored("local", &[object(content)]);
                self.event(EventType::ObjectsStored, &Uuid::from_u128(1).to_string(), payload);
            }
            _ => self.gc(),
        }
    }

    fn pin(&mut self, target: PinTarget) {
        let name = format!("pin-{}", self.events.len());
        self.event(EventType::PinAdded, &name, payload::pin_added(&name, target, None));
        let at = self.dice.below(self.pins.len() + 1);
        self.pins.insert(at, name);
    }

    /// A gc takes anything at all, be it wanted, and does not always come to its end.
    fn gc(&mut self) {
        let mut objects: Vec<PurgedObject> = Vec::new();
        for content in 0..CONTENTS {
            if self.dice.one_in(4) {
                let why = if self.named[content] { "removed" } else { "unrecorded" };
                let Digests { blake3: address, size_bytes, .. } = object(content);
                objects.push(PurgedObject { address, size_bytes, why: why.to_owned() });
            }
        }
        objects.sort_unstable_by_key(|object| *object.address.as_bytes());
        let dice = &mut self.dice;
        let mut packages: Vec<Uuid> =
            self.packages.iter().filter(|_| dice.one_in(5)).map(|package| package.id).collect();
        packages.sort_unstable();
        let start = GcStart {
            plan: "0-0-0",
            round: 1,
            rounds: 1,
            reason: None,
            clock_accepted: false,
            packages: &packages,
        };
        let gc = Uuid::from_u128(2).to_string();
        let started = self.event(EventType::GcStarted, &gc, payload::gc_started(&start, &objects));
        self.gcs.push(started);
        if self.dice.one_in(2) {
            let started = self.gcs.pop().expect("it began");
            let end = GcEnd { started, objects: 0, bytes: 0, missing: &[], failed: &[], duration_micros: 1 };
            self.event(EventType::GcCompleted, &gc, payload::gc_completed(&end));
        }
    }

    /// Writes it all, and some files that may or may not have been named.
    pub(super) fn write(mut self) -> Vec<i64> {
        let times = self.events.iter().map(|event| event.record.created_at.as_micros()).collect();
        LogFiles::new(real_disk(&self.root), 0o600).append(&self.position, &self.events).expect("room");
        drop(open(&self.root, Access::Write).expect("a store"));
        for content_number in 0..CONTENTS {
            if self.dice.one_in(2) {
                put_object(&self.root, &content(content_number));
            }
        }
        times
    }
}
