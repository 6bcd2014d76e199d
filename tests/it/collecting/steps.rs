//! What may happen to a store, one after the other, by chance.

use astore::identity::{Blake3, ContentAddress};
use astore::registry::report::Completion;
use proptest::prelude::*;

use super::model::{Address, DAY, Entries, HOUR};

/// What the files of the trees hold; few, so that packages share them. The last one is in no tree.
pub(super) const CONTENTS: [&[u8]; 7] =
    [b"", b"alpha", b"beta!", b"gamma, a third", b"a longer text that is delta", b"epsilon...", b"nowhere"];

/// Trees to add. A path that ends in a slash is a directory, others name a content.
pub(super) const TREES: [&[(&str, usize)]; 9] = [
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

pub(super) const NAMES: [&str; 3] = ["one", "two", "three"];
pub(super) const PINS: [&str; 3] = ["first", "second", "third"];
pub(super) const AGES: [u64; 3] = [0, 24 * 60 * 60, 30 * 24 * 60 * 60];

#[derive(Clone, Debug)]
pub(super) enum Step {
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
pub(super) enum Death {
    /// As it begins to write to `log/` for the nth time.
    AtLogWrite(usize),
    /// As it gives the nth object its name.
    AtRename(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Leave,
    Set,
    Release,
}

/// Which plan is confirmed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// Whatever it is now.
    Now { age: usize },
    /// The one that was looked at last.
    Last,
    /// The one that was looked at first.
    First,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
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
        5 => (prop_oneof![3 => Just(0), 1 => age], 0..40_usize)
            .prop_map(|(age, death)| Step::KilledCollect { age, death }),
        3 => (content, any::<bool>()).prop_map(|(content, hidden)| Step::Break { content, hidden }),
        2 => any::<bool>().prop_map(|quick| Step::Verify { quick }),
        1 => Just(Step::Replay),
        1 => Just(Step::Reopen),
    ]
}

pub(super) fn address_of(content: usize) -> Address {
    *blake3::hash(CONTENTS[content]).as_bytes()
}

pub(super) fn size_of(address: &Address) -> u64 {
    CONTENTS.iter().find(|bytes| blake3::hash(bytes).as_bytes() == address).unwrap().len() as u64
}

pub(super) fn entries_of(tree: usize) -> Entries {
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

pub(super) fn named(address: &Address) -> ContentAddress {
    ContentAddress::new(Blake3::from_bytes(*address))
}
