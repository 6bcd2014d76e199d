//! What a disk may hold after a power cut: all that was written before the last flush, and of what was written since
//! anything from nothing to everything, in pieces.

use super::recording::{Entry, Recording};
use super::volume::Image;

/// Which of the writes since the last flush survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Nothing,
    /// In the order of the recording, as if the cache of the disk were none.
    Everything,
    /// Each with an even chance.
    Some {
        seed: u64,
    },
    /// Each with an even chance, and of one of them only some sectors.
    Torn {
        seed: u64,
    },
}

/// A power cut, and what the disk made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// So many entries of the recording had come.
    pub(super) at: usize,
    /// All writes among so many of them are certain.
    certain: usize,
    pub(super) kept: Kept,
}

/// How far a disk's word can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A flush is done when it is answered.
    Honest,
    /// The last flushes are answered and not done: so many.
    Lying(usize),
}

/// Chooses about `count` power cuts of a recording, and returns them in its order.
///
/// One is at each of `moments`, where nothing is kept that was not flushed. What lies between two of them, one write or
/// a thousand, gets as many of the others as what lies between any two: half of them right at flushes, all of those
/// where there are not so many, the rest at any time, and keeping what chance will.
pub(super) fn choose(recording: &Recording, moments: &[usize], count: usize, word: Word) -> Vec<Cut> {
    let flushes = flushes(recording);
    let lies = match word {
        Word::Honest => 0,
        Word::Lying(flushes) => flushes,
    };
    let cut = |at: usize, kept: Kept| {
        let certain = certain(&flushes, at, lies);
        // Where nothing is pending all kinds are the same.
        Cut { at, certain, kept: if certain == at { Kept::Nothing } else { kept } }
    };
    let mut cuts: Vec<Cut> = moments.iter().map(|at| cut(*at, Kept::Nothing)).collect();

    // Between two moments: where each flush was done, and the end.
    let mut bounds = [&[0], moments, &[recording.entries.len()]].concat();
    bounds.sort_unstable();
    bounds.dedup();
    let stretches: Vec<(usize, Vec<usize>)> = (bounds.windows(2))
        .map(|bounds| {
            let within = flushes.iter().copied().filter(|at| (bounds[0] + 1..bounds[1]).contains(at));
            (bounds[0], within.chain([bounds[1]]).collect())
        })
        .collect();
    let room = count.saturating_sub(cuts.len()) / 2 / stretches.len().max(1);
    for (_, ends) in &stretches {
        let step = ends.len().div_ceil(room.max(1));
        cuts.extend(ends.iter().skip(step / 2).step_by(step).take(room).map(|at| cut(*at, Kept::Nothing)));
    }
    let mut chance = Chance(0x5eed);
    for _ in 0..count * 4 {
        if cuts.len() >= count || stretches.is_empty() {
            break;
        }
        let (start, ends) = &stretches[chance.below(stretches.len())];
        let gap = chance.below(ends.len());
        let start = if gap == 0 { *start } else { ends[gap - 1] };
        let at = start + chance.below(ends[gap] - start + 1);
        let kept = match chance.below(8) {
            0 => Kept::Nothing,
            1..3 => Kept::Everything,
            3..6 => Kept::Some { seed: chance.next() },
            _ => Kept::Torn { seed: chance.next() },
        };
        let cut = cut(at, kept);
        if !cuts.contains(&cut) {
            cuts.push(cut);
        }
    }
    cuts.sort_by_key(|cut| (cut.certain, cut.at));
    cuts.dedup();
    cuts
}

/// The power cut after so many entries in which a disk without a cache has kept everything.
pub(super) fn cut(recording: &Recording, at: usize) -> Cut {
    Cut { at, certain: certain(&flushes(recording), at, 0), kept: Kept::Everything }
}

/// After how many entries each flush was done.
fn flushes(recording: &Recording) -> Vec<usize> {
    let flushes = recording.entries.iter().enumerate().filter(|(_, entry)| matches!(entry, Entry::Flush));
    flushes.map(|(at, _)| at + 1).collect()
}

/// How many entries are certain after `at` of them, where so many flushes are lies.
fn certain(flushes: &[usize], at: usize, lies: usize) -> usize {
    let done = flushes.partition_point(|flush| *flush <= at);
    done.checked_sub(lies + 1).map_or(0, |last| flushes[last])
}

/// Makes the images that power cuts leave, in the order of the recording.
pub(super) struct Disk<'r> {
    recording: &'r Recording,
    sector_bytes: usize,
    /// With all writes among so many entries.
    image: Image,
    applied: usize,
}

impl<'r> Disk<'r> {
    pub(super) fn new(image: Image, recording: &'r Recording, sector_bytes: usize) -> Self {
        Self { recording, sector_bytes, image, applied: 0 }
    }

    pub(super) fn after(&mut self, cut: &Cut) -> Image {
        assert!(self.applied <= cut.certain, "cuts come in order");
        for entry in &self.recording.entries[self.applied..cut.certain] {
            if let Entry::Write { offset, bytes } = entry {
                self.image.write_at(bytes, *offset);
            }
        }
        self.applied = cut.certain;
        let mut image = self.image.clone();
        let pending = &self.recording.entries[cut.certain..cut.at];
        let pending = pending.iter().filter_map(|entry| match entry {
            Entry::Write { offset, bytes } => Some((*offset, &bytes[..])),
            Entry::Flush => None,
        });
        match cut.kept {
            Kept::Nothing => {}
            Kept::Everything => pending.for_each(|(offset, bytes)| image.write_at(bytes, offset)),
            Kept::Some { seed } => {
                let mut chance = Chance(seed);
                for (offset, bytes) in pending.filter(|_| chance.below(2) == 0) {
                    image.write_at(bytes, offset);
                }
            }
            Kept::Torn { seed } => {
                let mut chance = Chance(seed);
                let pending: Vec<_> = pending.collect();
                let torn = chance.below(pending.len().max(1));
                for (nth, (offset, bytes)) in pending.into_iter().enumerate() {
                    if nth == torn {
                        let sectors =
                            bytes.chunks(self.sector_bytes).zip((offset..).step_by(self.sector_bytes));
                        for (sector, offset) in sectors.filter(|_| chance.below(2) == 0) {
                            image.write_at(sector, offset);
                        }
                    } else if chance.below(2) == 0 {
                        image.write_at(bytes, offset);
                    }
                }
            }
        }
        image
    }
}

/// Numbers that look like chance and are the same in every run (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(offset: u64, byte: u8, length: usize) -> Entry {
        Entry::Write { offset, bytes: vec![byte; length] }
    }

    fn recording() -> Recording {
        let sector = |n: u64, byte| write(n * 512, byte, 512);
        let entries =
            vec![sector(0, b'a'), Entry::Flush, sector(1, b'b'), write(1024, b'c', 1024), Entry::Flush];
        Recording::of(entries)
    }

    fn after(cut: &Cut) -> String {
        let recording = recording();
        let mut disk = Disk::new(Image::empty(1 << 16), &recording, 512);
        let image = disk.after(cut);
        let first: Vec<u8> = (0..4).map(|sector| image.byte_at(sector * 512)).collect();
        first.iter().map(|byte| if *byte == 0 { '.' } else { char::from(*byte) }).collect()
    }

    #[test]
    fn what_was_flushed_is_there_and_of_the_rest_anything() {
        let cut = |at, certain, kept| Cut { at, certain, kept };
        assert_eq!(after(&cut(0, 0, Kept::Everything)), "....");
        assert_eq!(after(&cut(1, 0, Kept::Nothing)), "....");
        assert_eq!(after(&cut(1, 0, Kept::Everything)), "a...");
        assert_eq!(after(&cut(4, 2, Kept::Nothing)), "a...");
        assert_eq!(after(&cut(4, 2, Kept::Everything)), "abcc");
        let seen = |kept: &dyn Fn(u64) -> Kept| {
            let mut seen: Vec<String> = (0..64).map(|seed| after(&cut(4, 2, kept(seed)))).collect();
            seen.sort();
            seen.dedup();
            seen
        };
        assert_eq!(seen(&|seed| Kept::Some { seed }), ["a...", "a.cc", "ab..", "abcc"]);
        let torn = seen(&|seed| Kept::Torn { seed });
        assert!(["a.c.", "a..c", "ab.c", "abc."].iter().all(|half| torn.iter().any(|seen| seen == half)));
    }

    #[test]
    fn cuts_are_certain_of_what_was_flushed_unless_the_disk_lies() {
        let recording = recording();
        for (word, expected) in [
            (Word::Honest, [0, 0, 2, 2, 2, 5]),
            (Word::Lying(1), [0, 0, 0, 0, 0, 2]),
            (Word::Lying(2), [0; 6]),
        ] {
            let moments = [0, 1, 2, 3, 4, 5];
            let cuts = choose(&recording, &moments, 6, word);
            assert_eq!(cuts.iter().map(|cut| cut.certain).collect::<Vec<_>>(), expected, "{word:?}");
        }
        let many = choose(&recording, &[5], 40, Word::Honest);
        assert!(many.len() > 15, "{many:?}");
        assert!(many.iter().all(|cut| cut.certain <= cut.at));
    }
}
