//! Manifests out of a number, for property tests: the same ones on every machine and in every year.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::cbor::INTEGER_MAX;
use super::super::{
    Entry, EntryBody, EntryPath, Labels, ManifestHeader, Mtime, Receipt, RetentionSummary, write_manifest,
};
use crate::env::Timestamp;
use crate::identity::{Blake3, Digests, Sha256};

/// SplitMix64: small, and its output will never change under us.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[usize::try_from(self.below(choices.len() as u64)).expect("an index")]
    }

    /// Returns an integer of any size up to 2^53−1, the ends among them.
    pub(crate) fn integer(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => INTEGER_MAX,
            _ => {
                let bits = self.below(53);
                self.next() >> 11 >> bits
            }
        }
    }

    pub(crate) fn signed(&mut self) -> i64 {
        let magnitude = i64::try_from(self.integer()).expect("2^53-1 is within an i64");
        if self.below(2) == 0 { magnitude } else { -magnitude }
    }

    pub(crate) fn text(&mut self) -> String {
        let parts = [
            "",
            "a",
            "B",
            "0",
            "\n",
            "\"",
            "\\",
            "\u{7f}",
            "\u{0}",
            "é",
            "\u{fb33}",
            "\u{1f600}",
            "blake3",
            "path_bytes",
        ];
        (0..self.below(5)).map(|_| self.pick(&parts)).collect()
    }

    pub(crate) fn labels(&mut self) -> Labels {
        (0..self.below(6)).map(|_| (self.text(), self.text())).collect()
    }

    pub(crate) fn digest(&mut self) -> [u8; 32] {
        *Blake3::of(&self.next().to_le_bytes()).as_bytes()
    }

    fn mode(&mut self) -> u32 {
        u32::try_from(self.below(0o10000)).expect("twelve bits")
    }
}

/// Returns a header and entries that can stand in a manifest; most have few entries, some hundreds.
pub(crate) fn manifest(seed: u64) -> (ManifestHeader, Vec<Entry>) {
    let mut chance = Chance::new(seed);
    let backends = chance.below(4);
    let header = ManifestHeader {
        id: Uuid::from_u64_pair(chance.next(), chance.next()),
        name: chance.pick(&["a", "build-1.2+3", "_", "Z"]).parse().expect("a name"),
        version: chance.integer().max(1),
        created_at: Timestamp::from_micros(chance.signed()),
        created_by: chance.text(),
        metadata: chance.labels(),
        receipts: (0..backends)
            .map(|n| Receipt {
                backend_id: format!("b{n}"),
                objects: chance.integer(),
                bytes: chance.integer(),
            })
            .collect(),
        retention: RetentionSummary {
            class: chance.text(),
            duration_seconds: if chance.below(2) == 0 { None } else { Some(chance.integer()) },
        },
        provenance: chance.labels(),
    };
    let paths = if chance.below(16) == 0 { 300 } else { chance.below(12) };
    (header, entries(&mut chance, paths))
}

/// Returns the entries of a tree into which so many paths were put, sorted, with all their parents.
pub(crate) fn entries(chance: &mut Chance, paths: u64) -> Vec<Entry> {
    let components: [&[u8]; 12] =
        [b"a", b"a-b", b"a!", b"b", b"..c", b"\xff", b"\xc3\xa9", b"-rf", b"\n", b"\xe2\x80", b"x y", b"\\"];
    let mut tree: BTreeMap<Vec<u8>, (EntryBody, Option<Mtime>)> = BTreeMap::new();
    for _ in 0..paths {
        let mut path = Vec::new();
        for level in 0..=chance.below(4) {
            if level > 0 {
                let parent = tree.entry(path.clone()).or_insert((EntryBody::Directory { mode: 0o755 }, None));
                if !matches!(parent.0, EntryBody::Directory { .. }) {
                    parent.0 = EntryBody::Directory { mode: 0o700 };
                }
                path.push(b'/');
            }
            path.extend_from_slice(chance.pick(&components));
        }
        let body = match chance.below(4) {
            0 => EntryBody::Directory { mode: chance.mode() },
            1 => EntryBody::Symlink { target: chance.pick(&components).into() },
            _ => EntryBody::File {
                mode: chance.mode(),
                object: Digests {
                    blake3: Blake3::from_bytes(chance.digest()),
                    sha256: Sha256::from_bytes(chance.digest()),
                    size_bytes: chance.integer(),
                },
            },
        };
        let nanoseconds = u32::try_from(chance.below(1_000_000_000)).expect("below 2^32");
        let mtime = (chance.below(3) == 0).then(|| Mtime { seconds: chance.signed(), nanoseconds });
        tree.entry(path).or_insert((body, mtime));
    }
    let entry = |(path, (body, mtime)): (Vec<u8>, _)| Entry {
        path: EntryPath::new(path).expect("a good path"),
        body,
        mtime,
    };
    tree.into_iter().map(entry).collect()
}

/// Returns the bytes of [`manifest`].
pub(crate) fn manifest_bytes(seed: u64) -> Vec<u8> {
    let (header, entries) = manifest(seed);
    let mut bytes = Vec::new();
    write_manifest(&mut bytes, &header, entries.iter()).expect("a good manifest");
    bytes
}
