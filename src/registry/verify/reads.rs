//! What was read when: values in, values out. The ranges of many verifies, one over the other, as few ranges.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::part::KEYS;
use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::views::runs::ReadingRun;

/// A verify, as far as it matters for the keys of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Read {
    /// Only what was stored by then was read.
    head: u64,
    at: Timestamp,
}

/// What was read when, by key.
#[derive(Clone, Debug)]
pub(super) struct Reads {
    /// Neighbouring ranges: each begins with its key and ends before the next. Of the reads of a range those are here
    /// that no other one is as good as: as a rule the last one alone.
    ranges: BTreeMap<[u8; 32], Vec<Read>>,
}

impl Reads {
    /// Of each verify, what it read and when.
    pub(super) fn of<'r>(runs: impl Iterator<Item = &'r ReadingRun>) -> Self {
        let mut reads = Self { ranges: BTreeMap::from([(*Blake3::FIRST.as_bytes(), Vec::new())]) };
        for run in runs {
            reads.add(run);
        }
        reads
    }

    /// Returns when a key was last read, if that was after the event that stored what is there.
    pub(super) fn last_of(&self, key: &Blake3, stored: u64) -> Option<Timestamp> {
        let (_, reads) = self.ranges.range(..=*key.as_bytes()).next_back()?;
        reads.iter().filter(|read| read.head >= stored).map(|read| read.at).max()
    }

    fn add(&mut self, run: &ReadingRun) {
        if run.first > run.last {
            return; // no key is in it
        }
        let read = Read { head: run.head_sequence, at: run.completed_at };
        let first = *run.first.as_bytes();
        self.split(first);
        let behind = next_key(&run.last).map(|next| *next.as_bytes());
        if let Some(behind) = behind {
            self.split(behind);
        }
        let end = behind.map_or(Bound::Unbounded, Bound::Excluded);
        for reads in self.ranges.range_mut((Bound::Included(first), end)).map(|(_, reads)| reads) {
            if !reads.iter().any(|other| other.head >= read.head && other.at >= read.at) {
                reads.retain(|other| other.head > read.head || other.at > read.at);
                reads.push(read);
            }
        }
        self.join(first, behind);
    }

    /// Lets a range begin with a key.
    fn split(&mut self, key: [u8; 32]) {
        if let Some((_, reads)) = self.ranges.range(..=key).next_back() {
            let reads = reads.clone();
            self.ranges.entry(key).or_insert(reads);
        }
    }

    /// Makes one range of neighbours that are alike, from the one before `first` to that which begins with `behind`.
    fn join(&mut self, first: [u8; 32], behind: Option<[u8; 32]>) {
        let end = behind.map_or(Bound::Unbounded, Bound::Included);
        let mut before = self.ranges.range(..first).next_back().map(|(_, reads)| reads.clone());
        let mut alike = Vec::new();
        for (key, reads) in self.ranges.range((Bound::Included(first), end)) {
            if before.as_ref() == Some(reads) {
                alike.push(*key);
            } else {
                before = Some(reads.clone());
            }
        }
        for key in alike {
            self.ranges.remove(&key);
        }
    }
}

/// Returns the key after one, if there is one.
pub(super) fn next_key(key: &Blake3) -> Option<Blake3> {
    let mut bytes = *key.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (next, wrapped) = byte.overflowing_add(1);
        *byte = next;
        if !wrapped {
            return Some(Blake3::from_bytes(bytes));
        }
    }
    None
}

/// The keys that no verify has read so far, of verifies that are looked at one after the other.
pub(crate) struct Unread(Vec<(Blake3, Blake3)>);

impl Unread {
    /// All of them.
    pub(crate) fn all() -> Self {
        Self(vec![KEYS])
    }

    /// Returns whether none is left.
    pub(crate) const fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out the keys from `first` to `last`, and returns whether any of them was left.
    pub(crate) fn take(&mut self, first: &Blake3, last: &Blake3) -> bool {
        let mut left = Vec::with_capacity(self.0.len() + 1);
        let mut taken = false;
        for (low, high) in self.0.drain(..) {
            if first > &high || last < &low || first > last {
                left.push((low, high));
                continue;
            }
            taken = true;
            if low < *first {
                left.push((low, previous_key(first)));
            }
            if let Some(next) = next_key(last).filter(|next| *next <= high) {
                left.push((next, high));
            }
        }
        self.0 = left;
        taken
    }
}

/// Returns the key before one that is not the first.
fn previous_key(key: &Blake3) -> Blake3 {
    let mut bytes = *key.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (previous, wrapped) = byte.overflowing_sub(1);
        *byte = previous;
        if !wrapped {
            break;
        }
    }
    Blake3::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key of three values in each of its two ends, so that borders meet.
    fn key() -> impl Strategy<Value = Blake3> {
        (prop::sample::select(vec![0, 1, 0x80, 0xff]), prop::sample::select(vec![0, 1, 0xff])).prop_map(
            |(first, last)| {
                let mut bytes = [first; 32];
                bytes[31] = last;
                Blake3::from_bytes(bytes)
            },
        )
    }

    fn run() -> impl Strategy<Value = ReadingRun> {
        (key(), key(), 0..6_u64, 0..6_i64).prop_map(|(first, last, head_sequence, at)| ReadingRun {
            sequence: 1,
            completed_at: Timestamp::from_micros(at),
            head_sequence,
            first,
            last,
            faults: 0,
        })
    }

    proptest! {
        #[test]
        fn it_says_what_a_walk_through_all_verifies_would(
            runs in prop::collection::vec(run(), 0..12),
            probes in prop::collection::vec((key(), 0..7_u64), 1..12),
        ) {
            let reads = Reads::of(runs.iter());
            for (key, stored) in probes {
                let all = runs.iter().filter(|run| run.first <= key && key <= run.last);
                let expected = all.filter(|run| run.head_sequence >= stored).map(|run| run.completed_at).max();
                prop_assert_eq!(reads.last_of(&key, stored), expected);
            }
            let mut unread = Unread::all();
            let mut taken: Vec<&ReadingRun> = Vec::new();
            for run in &runs {
                let fresh = unread.take(&run.first, &run.last);
                // Borders are where anything can change: a key of the run that no earlier one has is one, or next to one.
                let borders = taken.iter().filter_map(|other| next_key(&other.last)).chain([run.first]);
                let mut new = borders.filter(|key| run.first <= *key && *key <= run.last);
                let is_new = new.any(|key| !taken.iter().any(|other| other.first <= key && key <= other.last));
                prop_assert_eq!(fresh, is_new);
                taken.push(run);
            }
            let mut starts = taken.iter().filter_map(|run| next_key(&run.last)).chain([Blake3::FIRST]);
            let all = starts.all(|key| taken.iter().any(|run| run.first <= key && key <= run.last));
            prop_assert_eq!(unread.is_none(), all);
        }
    }

    #[test]
    fn many_verifies_of_parts_are_few_ranges() {
        let at = |byte: u8| Blake3::from_bytes([byte; 32]);
        let run = |first: Blake3, last, sequence| ReadingRun {
            sequence,
            completed_at: Timestamp::from_micros(i64::try_from(sequence).unwrap()),
            head_sequence: sequence,
            first,
            last,
            faults: 0,
        };
        let mut runs = Vec::new();
        for night in 0..300 {
            let (first, last) =
                if night % 3 == 0 { (at(0), at(99)) } else { (next_key(&at(99)).unwrap(), at(255)) };
            runs.push(run(first, last, night + 1));
        }
        let reads = Reads::of(runs.iter());
        assert_eq!(reads.ranges.len(), 2);
        assert!(reads.ranges.values().all(|reads| reads.len() == 1), "{reads:?}");
        assert_eq!(next_key(&at(255)), None);
    }
}
