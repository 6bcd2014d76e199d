//! Who keeps what: packages, pins and holds against objects, one object after the other (design §9).
//!
//! Values come in, sums and candidates go out. Where they come from, and in which order, is the caller's affair.

use std::collections::HashMap;
use std::time::Duration;

use super::plan::Candidate;
use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::retention::{Claim, Fate, ObjectFacts, Reason, Wanted, fate, wanted};

/// What the views say of a package.
#[derive(Clone, Debug)]
pub struct PackageFacts {
    /// Whose entries it has: packages of equal content share them.
    pub tree: i64,
    /// What bears on whether it is wanted.
    pub claim: Claim,
    /// The last event that bore on that.
    pub since: u64,
    /// The pins and holds on it, as the caller numbers them.
    pub keepers: Vec<usize>,
}

/// What the views say of an object that may be purged.
#[derive(Clone, Copy, Debug)]
pub struct SurveyedObject<'a> {
    /// Which.
    pub address: Blake3,
    /// Its size.
    pub size_bytes: u64,
    /// The last event that stored it or let it go by itself.
    pub since: u64,
    /// The trees that have it.
    pub trees: &'a [i64],
    /// The pins on it, as the caller numbers them.
    pub keepers: &'a [usize],
}

/// Objects, and the sum of their sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub objects: u64,
    /// Their sizes together.
    pub bytes: u64,
}

impl Sum {
    /// Adds an object of this size.
    pub const fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// What nothing but its age keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooYoung {
    /// How much.
    pub sum: Sum,
    /// When the first of it will be old enough.
    pub first: Timestamp,
    /// When the last of it will be old enough.
    pub until: Timestamp,
}

/// What the packages of one tree do for its objects.
#[derive(Clone, Debug, Default)]
struct Tree {
    wanted: bool,
    keepers: Vec<usize>,
    gone: Vec<usize>,
    reason: Option<Reason>,
    since: u64,
}

/// What the trees, pins and holds do for one object.
#[derive(Clone, Debug, Default)]
struct Reach {
    wanted: bool,
    /// Ascending, none twice.
    keepers: Vec<usize>,
    gone: Vec<usize>,
    reason: Option<Reason>,
    since: u64,
}

impl Reach {
    /// Counts the pins in that stand on the object itself.
    fn pinned_by(&mut self, pins: &[usize]) {
        if !pins.is_empty() && !self.wanted {
            self.keepers.extend(pins);
            self.keepers.sort_unstable();
            self.keepers.dedup();
        }
    }
}

/// Which packages keep what is in their trees, at an instant.
#[derive(Clone, Debug)]
pub struct Roots {
    trees: HashMap<i64, Tree>,
}

impl Roots {
    /// Judges the packages. Their place is their number.
    pub fn new<'p>(packages: impl IntoIterator<Item = &'p PackageFacts>, at: Timestamp) -> Self {
        let mut trees: HashMap<i64, Tree> = HashMap::new();
        for (number, package) in packages.into_iter().enumerate() {
            let tree = trees.entry(package.tree).or_default();
            tree.since = tree.since.max(package.since);
            match wanted(&package.claim, at) {
                Wanted::Present => tree.wanted = true,
                Wanted::Kept => tree.keepers.extend(&package.keepers),
                Wanted::Gone(reason) => {
                    tree.gone.push(number);
                    tree.reason = Some(tree.reason.map_or(reason, |before| before.min(reason)));
                }
            }
        }
        Self { trees }
    }

    /// Returns what some trees do for an object that is in all of them. What is wanted is not looked at further.
    fn reach(&self, trees: &[i64]) -> Reach {
        let mut reach = Reach::default();
        for tree in trees.iter().filter_map(|tree| self.trees.get(tree)) {
            if tree.wanted {
                return Reach { wanted: true, ..Reach::default() };
            }
            reach.keepers.extend(&tree.keepers);
            reach.gone.extend(&tree.gone);
            reach.since = reach.since.max(tree.since);
            reach.reason = match (reach.reason, tree.reason) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        reach.keepers.sort_unstable();
        reach.keepers.dedup();
        reach
    }

    /// Returns whether nothing keeps an object, and who does where only pins and holds do.
    pub fn keeping(&self, object: &SurveyedObject<'_>) -> Keeping {
        let mut reach = self.reach(object.trees);
        reach.pinned_by(object.keepers);
        match (reach.wanted, reach.keepers.is_empty()) {
            (true, _) => Keeping::Wanted,
            (false, false) => Keeping::Kept(reach.keepers),
            (false, true) => Keeping::Nobody,
        }
    }
}

/// Who keeps an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// A package that is there.
    Wanted,
    /// Only these pins and holds.
    Kept(Vec<usize>),
    /// Nobody.
    Nobody,
}

/// Goes through all objects and sums up what becomes of them.
#[derive(Debug)]
pub struct Survey {
    roots: Roots,
    at: Timestamp,
    min_age: Duration,
    candidates: Vec<Candidate>,
    /// The trees of the last object, and what they do for it: neighbours come from the same ones.
    last: (Vec<i64>, Reach),
    reasons: [Sum; 4],
    lost: HashMap<usize, Sum>,
    kept: HashMap<usize, Sum>,
    kept_total: Sum,
    young: Option<TooYoung>,
}

impl Survey {
    /// Begins with roots that were judged at the same instant.
    pub fn new(roots: Roots, at: Timestamp, min_age: Duration) -> Self {
        Self {
            roots,
            at,
            min_age,
            candidates: Vec::new(),
            last: (Vec::new(), Reach::default()),
            reasons: [Sum::default(); 4],
            lost: HashMap::new(),
            kept: HashMap::new(),
            kept_total: Sum::default(),
            young: None,
        }
    }

    /// Takes an object that the log names. `time_of` tells when an event happened.
    ///
    /// # Errors
    /// What `time_of` returns.
    pub fn object<E>(
        &mut self,
        object: &SurveyedObject<'_>,
        time_of: &mut dyn FnMut(u64) -> Result<Timestamp, E>,
    ) -> Result<(), E> {
        if self.last.0 != object.trees {
            self.last = (object.trees.to_vec(), self.roots.reach(object.trees));
        }
        if self.last.1.wanted {
            return Ok(());
        }
        // Taken out and put back: what it is does not change, and nothing is copied for an object without pins.
        let mut reach = std::mem::take(&mut self.last.1);
        let kept_by_trees = (!object.keepers.is_empty()).then(|| reach.keepers.clone());
        reach.pinned_by(object.keepers);
        let facts = ObjectFacts {
            wanted: false,
            kept: !reach.keepers.is_empty(),
            reason: reach.reason.unwrap_or(Reason::Stored),
            since: time_of(reach.since.max(object.since))?,
        };
        self.decide(object.address, object.size_bytes, &facts, &reach);
        if let Some(keepers) = kept_by_trees {
            reach.keepers = keepers;
        }
        self.last.1 = reach;
        Ok(())
    }

    /// Takes a file that no event names.
    pub fn unrecorded(&mut self, address: Blake3, size_bytes: u64, changed_at: Timestamp) {
        let facts = ObjectFacts { wanted: false, kept: false, reason: Reason::Unrecorded, since: changed_at };
        self.decide(address, size_bytes, &facts, &Reach::default());
    }

    fn decide(&mut self, address: Blake3, size_bytes: u64, facts: &ObjectFacts, reach: &Reach) {
        match fate(facts, self.at, self.min_age) {
            Fate::Stays => {}
            Fate::Kept => {
                self.kept_total.add(size_bytes);
                for keeper in &reach.keepers {
                    self.kept.entry(*keeper).or_default().add(size_bytes);
                }
            }
            Fate::Young(until) => {
                let young = self.young.get_or_insert(TooYoung { sum: Sum::default(), first: until, until });
                young.sum.add(size_bytes);
                young.first = young.first.min(until);
                young.until = young.until.max(until);
            }
            Fate::Collectable(reason) => {
                self.reasons[reason as usize].add(size_bytes);
                for package in &reach.gone {
                    self.lost.entry(*package).or_default().add(size_bytes);
                }
                self.candidates.push(Candidate { address, size_bytes, reason });
            }
        }
    }

    /// Ends it.
    pub fn finish(self) -> Surveyed {
        let reasons = Reason::ALL.into_iter().map(|reason| (reason, self.reasons[reason as usize]));
        Surveyed {
            candidates: self.candidates,
            reasons: reasons.filter(|(_, sum)| sum.objects > 0).collect(),
            lost: sorted(self.lost),
            kept: sorted(self.kept),
            kept_total: self.kept_total,
            young: self.young,
        }
    }
}

fn sorted(sums: HashMap<usize, Sum>) -> Vec<(usize, Sum)> {
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable_by_key(|(number, _)| *number);
    sums
}

/// What a survey found.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// What may go, in no order.
    pub candidates: Vec<Candidate>,
    /// How much for which reason.
    pub reasons: Vec<(Reason, Sum)>,
    /// How much each package loses, by its number.
    pub lost: Vec<(usize, Sum)>,
    /// How much only pins and holds keep, by their numbers.
    pub kept: Vec<(usize, Sum)>,
    /// How much only pins and holds keep, each object once.
    pub kept_total: Sum,
    /// What only its age keeps.
    pub young: Option<TooYoung>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retention::Expiry;

    const fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn package(tree: i64, claim: Claim, keepers: &[usize]) -> PackageFacts {
        PackageFacts { tree, claim, since: 1, keepers: keepers.to_vec() }
    }

    fn survey(packages: &[PackageFacts], objects: &[(&[i64], &[usize])], min_age: u64) -> Surveyed {
        let min_age = Duration::from_micros(min_age);
        let mut survey = Survey::new(Roots::new(packages, at(10)), at(10), min_age);
        for (number, (trees, keepers)) in objects.iter().enumerate() {
            let address = Blake3::of(&number.to_be_bytes());
            let object = SurveyedObject { address, size_bytes: 1 << number, since: 1, trees, keepers };
            let mut time_of = |sequence| Ok::<_, ()>(at(i64::try_from(sequence).unwrap()));
            survey.object(&object, &mut time_of).unwrap();
        }
        survey.finish()
    }

    #[test]
    fn the_first_reason_counts_and_any_root_keeps() {
        let there = Claim { finalized: true, ..Claim::default() };
        let removed = Claim { removed: true, ..there };
        let expired = Claim { expiry: Expiry::At(at(10)), ..there };
        let packages = [
            package(1, there, &[]),
            package(2, removed, &[]),
            package(3, expired, &[]),
            package(4, Claim { kept: true, ..removed }, &[7]),
            package(2, expired, &[]), // shares the tree of the removed one
        ];
        let objects: [(&[i64], &[usize]); 8] = [
            (&[1, 2], &[]),  // wanted
            (&[2, 3], &[]),  // removed
            (&[3], &[]),     // expired
            (&[2, 4], &[8]), // kept by the package's keeper and by its own
            (&[], &[]),      // stored
            (&[99], &[]),    // of a tree without packages: stored
            (&[3], &[8]),    // kept
            (&[2], &[]),     // removed
        ];
        let found = survey(&packages, &objects, 0);
        let mut went: Vec<_> =
            found.candidates.iter().map(|found| (found.size_bytes.ilog2(), found.reason)).collect();
        went.sort_unstable();
        assert_eq!(
            went,
            [
                (1, Reason::Removed),
                (2, Reason::Expired),
                (4, Reason::Stored),
                (5, Reason::Stored),
                (7, Reason::Removed)
            ]
        );
        assert_eq!(found.kept, [(7, Sum { objects: 1, bytes: 8 }), (8, Sum { objects: 2, bytes: 72 })]);
        assert_eq!(found.kept_total, Sum { objects: 2, bytes: 72 });
        let lost: Vec<_> = found.lost.iter().map(|(package, sum)| (*package, sum.bytes)).collect();
        assert_eq!(lost, [(1, 2 + 128), (2, 2 + 4), (4, 2 + 128)]);
    }

    #[test]
    fn what_is_too_young_is_told_and_stays() {
        let removed = Claim { finalized: true, removed: true, ..Claim::default() };
        let mut late = package(2, removed, &[]);
        late.since = 5;
        let found = survey(&[package(1, removed, &[]), late], &[(&[1], &[]), (&[2], &[]), (&[1, 2], &[])], 6);
        assert_eq!(found.candidates.len(), 1);
        let sum = Sum { objects: 2, bytes: 6 };
        assert_eq!(found.young, Some(TooYoung { sum, first: at(11), until: at(11) }));
    }
}
