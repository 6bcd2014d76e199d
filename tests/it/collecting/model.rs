//! What a store keeps and what a gc may take, in sets and maps: written from the design's §9, and not from the code.
//!
//! An instant is a number of microseconds. Events are counted in turns: of two the later one counts, whatever the
//! clock said.

use std::collections::{BTreeMap, BTreeSet};

pub(super) type Address = [u8; 32];

pub(super) const MINUTE: i64 = 60_000_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// The classes that every store begins with, and their durations.
pub(super) const CLASSES: [(&str, Option<i64>); 5] = [
    ("transient", Some(7 * DAY)),
    ("raw-evidence", Some(90 * DAY)),
    ("summary-evidence", Some(365 * DAY)),
    ("release-evidence", Some(7 * 365 * DAY)),
    ("permanent-record", None),
];

pub(super) fn duration_of(class: &str) -> Option<i64> {
    CLASSES.iter().find(|(name, _)| *name == class).unwrap().1
}

/// When something was last named or let go: which of all steps did it, and what the clock read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    turn: u64,
    pub(super) at: i64,
}

/// A directory, or a file and its content.
pub(super) type Entries = BTreeMap<String, Option<Address>>;

#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) version: u64,
    pub(super) entries: Entries,
    pub(super) finalized_at: Option<i64>,
    pub(super) removed: bool,
    pub(super) class: &'static str,
    pub(super) expires_at: Option<i64>,
    /// A gc took something of it because it had expired, and nobody has moved its expiry since.
    pub(super) taken: bool,
    pub(super) hold: bool,
    /// The last event about it, or that took a pin from it.
    pub(super) changed: Moment,
}

impl Package {
    pub(super) fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    pub(super) fn contents(&self) -> BTreeSet<Address> {
        self.entries.values().flatten().copied().collect()
    }

    pub(super) fn has_expired(&self, at: i64) -> bool {
        self.finalized_at.is_some() && (self.taken || self.expires_at.is_some_and(|expiry| expiry <= at))
    }

    /// Whether it keeps what it has, by itself.
    pub(super) fn is_there(&self, at: i64) -> bool {
        !self.removed && !self.has_expired(at)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Package(usize),
    Object(Address),
}

/// A digest that the log named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) size: u64,
    /// It is part of the log.
    pub(super) is_payload: bool,
    pub(super) purged: bool,
    /// When an event named it or let it go, its packages aside.
    last: Moment,
}

/// What was done to an object's file behind the store's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// It is gone, or has another size: whoever adds it again sees that.
    Plain,
    /// It has other bytes: nobody sees that without reading them.
    Hidden,
    /// The same, and a verify has said so in the log.
    Told,
}

/// A file under `blake3/` that no event names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stray {
    pub(super) size: u64,
    pub(super) since: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    Removed,
    Expired,
    Stored,
    Unrecorded,
}

impl Why {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Expired => "expired",
            Self::Stored => "stored",
            Self::Unrecorded => "unrecorded",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Present,
    Purged,
    Lost,
    Unknown,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) objects: BTreeMap<Address, (u64, Why)>,
    /// Only pins and holds keep these.
    pub(super) kept: BTreeMap<Address, u64>,
    /// Only their age keeps these: their sizes, until when, and why they may go then.
    pub(super) young: BTreeMap<Address, (u64, i64, Why)>,
}

impl Plan {
    pub(super) fn digest(&self, store_id: &[u8; 16], min_age_seconds: u64) -> Address {
        let mut out = Vec::new();
        head(&mut out, 4, 4);
        head(&mut out, 0, 1);
        head(&mut out, 2, 16);
        out.extend(store_id);
        head(&mut out, 0, min_age_seconds);
        head(&mut out, 4, self.objects.len() as u64);
        for (address, (size, why)) in &self.objects {
            head(&mut out, 4, 3);
            head(&mut out, 2, 32);
            out.extend(address);
            head(&mut out, 0, *size);
            head(&mut out, 3, why.word().len() as u64);
            out.extend(why.word().as_bytes());
        }
        *blake3::hash(&out).as_bytes()
    }
}

/// Writes a CBOR head in its shortest form (RFC 8949 §4.2.1).
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let (major, bytes) = (major << 5, number.to_be_bytes());
    match number {
        0..24 => out.push(major | bytes[7]),
        24..0x100 => out.extend([major | 24, bytes[7]]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend(&bytes[6..]);
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend(bytes);
        }
    }
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) packages: Vec<Package>,
    pub(super) pins: BTreeMap<String, Target>,
    pub(super) named: BTreeMap<Address, Named>,
    /// What was broken on purpose and not mended since.
    pub(super) harmed: BTreeMap<Address, Harm>,
    /// Rounds of gcs that began and did not end, by the event that began them.
    pub(super) unfinished: BTreeSet<u64>,
    pub(super) last_event_at: i64,
    turn: u64,
}

impl Model {
    /// An event happens now.
    pub(super) fn event(&mut self, at: i64) -> Moment {
        self.turn += 1;
        self.last_event_at = at;
        Moment { turn: self.turn, at }
    }

    /// An event says that the store has these bytes.
    pub(super) fn name(&mut self, address: Address, size: u64, is_payload: bool, last: Moment) {
        let known = self.named.get(&address);
        let is_payload = is_payload || known.is_some_and(|known| known.is_payload);
        self.named.insert(address, Named { size, is_payload, purged: false, last });
    }

    /// An event lets go of it while its package stays.
    pub(super) fn let_go(&mut self, address: &Address, last: Moment) {
        self.named.get_mut(address).unwrap().last = last;
    }

    /// A gc's intent says that it is purged, though no other event may have named it.
    pub(super) fn purge(&mut self, address: Address, size: u64, last: Moment) {
        self.named.insert(address, Named { size, is_payload: false, purged: true, last });
        self.harmed.remove(&address);
    }

    pub(super) fn is_purged(&self, address: &Address) -> bool {
        self.named.get(address).is_some_and(|named| named.purged)
    }

    /// What of a package's contents is purged.
    pub(super) fn lacks(&self, package: usize) -> bool {
        self.packages[package].contents().iter().any(|content| self.is_purged(content))
    }

    pub(super) fn is_pinned(&self, package: usize) -> bool {
        self.pins.values().any(|target| *target == Target::Package(package))
    }

    /// What packages that are there hold.
    fn wanted(&self, at: i64) -> BTreeSet<Address> {
        self.packages.iter().filter(|package| package.is_there(at)).flat_map(Package::contents).collect()
    }

    /// What pins and holds reach.
    pub(super) fn kept(&self) -> BTreeSet<Address> {
        let mut kept = BTreeSet::new();
        for (number, package) in self.packages.iter().enumerate() {
            if package.hold || self.is_pinned(number) {
                kept.extend(package.contents());
            }
        }
        kept.extend(self.pins.values().filter_map(|target| match target {
            Target::Object(address) => Some(*address),
            Target::Package(_) => None,
        }));
        kept
    }

    /// What must be there: what packages, pins and holds reach, and what the log consists of.
    pub(super) fn live(&self, at: i64) -> BTreeSet<Address> {
        let payloads = self.named.iter().filter(|(_, named)| named.is_payload).map(|(address, _)| *address);
        self.wanted(at).into_iter().chain(self.kept()).chain(payloads).collect()
    }

    /// What a gc would take at an instant, where objects stay for an age after they were named or let go.
    pub(super) fn plan(&self, at: i64, min_age: i64, strays: &BTreeMap<Address, Stray>) -> Plan {
        let (wanted, kept) = (self.wanted(at), self.kept());
        let mut plan = Plan::default();
        for (address, named) in &self.named {
            if named.purged || named.is_payload || wanted.contains(address) {
                continue;
            }
            if kept.contains(address) {
                plan.kept.insert(*address, named.size);
                continue;
            }
            let holders = || self.packages.iter().filter(|package| package.contents().contains(address));
            let last = holders().map(|package| package.changed).chain([named.last]).max().unwrap();
            let until = last.at + min_age;
            let why = match () {
                () if holders().any(|package| package.removed) => Why::Removed,
                () if holders().next().is_some() => Why::Expired,
                () => Why::Stored,
            };
            if until > at {
                plan.young.insert(*address, (named.size, until, why));
            } else {
                plan.objects.insert(*address, (named.size, why));
            }
        }
        for (address, stray) in strays {
            let until = stray.since + min_age;
            if until > at {
                plan.young.insert(*address, (stray.size, until, Why::Unrecorded));
            } else {
                plan.objects.insert(*address, (stray.size, Why::Unrecorded));
            }
        }
        plan
    }

    /// What would come back if a package were removed, ages aside, and what of it others keep.
    pub(super) fn without(&self, package: usize, at: i64) -> (BTreeSet<Address>, BTreeSet<Address>) {
        let others = (0..self.packages.len()).filter(|&number| number != package);
        let others = others.map(|number| &self.packages[number]).filter(|package| package.is_there(at));
        let mut stays: BTreeSet<Address> = others.flat_map(Package::contents).collect();
        stays.extend(self.kept());
        let held = self.wanted(at);
        let contents = self.packages[package].contents().into_iter();
        let (shared, lost) = contents
            .filter(|content| !self.is_purged(content))
            .partition::<BTreeSet<_>, _>(|content| stays.contains(content));
        (lost.into_iter().filter(|content| held.contains(content)).collect(), shared)
    }

    /// A round of a gc began: these are purged from here on, and the expired packages that lose some stay expired.
    pub(super) fn gc_started(&mut self, at: i64, purged: &BTreeMap<Address, u64>) {
        for package in &mut self.packages {
            if !package.removed
                && package.has_expired(at)
                && package.contents().iter().any(|content| purged.contains_key(content))
            {
                package.taken = true;
            }
        }
    }

    /// Whether the machine's clock is behind the last event by more than a minute, or ahead by more than 31 days.
    pub(super) fn is_clock_odd(&self, now: i64) -> bool {
        self.last_event_at - now > MINUTE || now - self.last_event_at > 31 * DAY
    }

    pub(super) fn verdict(&self, address: &Address) -> Verdict {
        match self.named.get(address) {
            None => Verdict::Unknown,
            Some(named) if named.purged => Verdict::Purged,
            Some(_) if self.harmed.contains_key(address) => Verdict::Lost,
            Some(_) => Verdict::Present,
        }
    }

    pub(super) fn newest_open(&self, name: &str) -> Option<usize> {
        let is_open = |package: &Package| package.finalized_at.is_none() && !package.removed;
        self.packages.iter().rposition(|package| package.name == name && is_open(package))
    }

    pub(super) fn newest_finalized(&self, name: &str) -> Option<usize> {
        let is_final = |package: &Package| package.finalized_at.is_some() && !package.removed;
        self.packages.iter().rposition(|package| package.name == name && is_final(package))
    }

    pub(super) fn next_version(&self, name: &str) -> u64 {
        self.packages.iter().filter(|package| package.name == name).count() as u64 + 1
    }

    /// What adding to a package makes of its entries; `None` where a path is taken.
    pub(super) fn merged(&self, package: usize, added: &Entries, replace: bool) -> Option<Entries> {
        let mut entries = self.packages[package].entries.clone();
        for (path, body) in added {
            match entries.get(path) {
                Some(None) if body.is_none() => continue,
                Some(_) if !replace => return None,
                Some(_) => entries.retain(|other, _| !other.starts_with(&format!("{path}/"))),
                None => {}
            }
            entries.insert(path.clone(), *body);
        }
        Some(entries)
    }
}
