//! A block: facts about the files of one device within a range of inodes, sorted, under one checksum.
//!
//! One row of SQLite for each file costs a lookup in a tree of 52,000 keys and a transaction's worth of locks;
//! some 256 facts in a row are one lookup and one hash, and a binary search in memory for each file.

use super::fact::{FACT_BYTES, Fingerprint, Hit, Packed, array, inode, unpack};
use crate::identity::Blake3;

/// How many facts a block begins with.
pub(super) const FACTS: usize = 256;
/// From more facts on a block is cut up.
const FACTS_MAX: usize = FACTS + FACTS / 2;
const CHECK_BYTES: usize = 16;

/// Where a block stands: the device, and the inodes from `first` to before `until`.
///
/// The lowest block of a device begins with inode 0 and each ends where the next one begins, so that every inode
/// has just one block that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) device: u64,
    pub(super) first: u64,
    /// `None` for the last block of its device.
    pub(super) until: Option<u64>,
}

impl Range {
    pub(super) fn holds(&self, device: u64, inode: u64) -> bool {
        self.device == device && self.first <= inode && self.until.is_none_or(|until| inode < until)
    }
}

/// The facts of a block, ascending by inode, no two of the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block(Vec<Packed>);

impl Block {
    /// Lays a block out: the checksum, and the facts.
    pub(super) fn encode(&self, device: u64, first: u64) -> Vec<u8> {
        let mut bytes = vec![0; CHECK_BYTES];
        bytes.reserve_exact(self.0.len() * FACT_BYTES);
        self.0.iter().for_each(|fact| bytes.extend_from_slice(fact));
        let check = checksum(device, first, &bytes[CHECK_BYTES..]);
        bytes[..CHECK_BYTES].copy_from_slice(&check);
        bytes
    }

    /// Reads a block back; `None` where it is damaged, or was another one's.
    pub(super) fn decode(device: u64, first: u64, bytes: &[u8]) -> Option<Self> {
        let (check, facts) = bytes.split_at_checked(CHECK_BYTES)?;
        if *check != checksum(device, first, facts) {
            return None;
        }
        let (facts, rest) = facts.as_chunks::<FACT_BYTES>();
        // Whoever can compute a checksum can still not make the search go wrong: it is only told less.
        (rest.is_empty() && facts.is_sorted_by_key(inode)).then(|| Self(facts.to_vec()))
    }

    /// Looks a file up.
    pub(super) fn find(&self, print: &Fingerprint) -> Option<Hit> {
        let at = self.0.binary_search_by_key(&print.id.inode, inode).ok()?;
        unpack(&self.0[at], print)
    }

    /// Takes newer facts in, ascending by inode; they replace what was known of the same inodes.
    pub(super) fn merge(&mut self, newer: &[Packed]) {
        let older = std::mem::take(&mut self.0);
        self.0.reserve(older.len() + newer.len());
        let mut newer = newer.iter().peekable();
        for fact in older {
            while let Some(next) = newer.next_if(|next| inode(next) < inode(&fact)) {
                self.0.push(*next);
            }
            if newer.peek().is_none_or(|next| inode(next) != inode(&fact)) {
                self.0.push(fact);
            }
        }
        self.0.extend(newer);
    }

    /// Drops the facts that `is_unwanted`, and returns how many they were.
    pub(super) fn drop_where(&mut self, is_unwanted: impl Fn(&Packed) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|fact| !is_unwanted(fact));
        before - self.0.len()
    }

    /// Cuts a block up where it has grown too long: the blocks, each with the inode that it begins with.
    pub(super) fn cut(self, first: u64) -> Vec<(u64, Self)> {
        if self.0.len() <= FACTS_MAX {
            return vec![(first, self)];
        }
        let pieces = self.0.chunks(FACTS).map(|piece| (inode(&piece[0]), Self(piece.to_vec())));
        let mut pieces: Vec<_> = pieces.collect();
        pieces[0].0 = first;
        pieces
    }
}

/// A checksum that binds a block to its place, so that no block answers for another's files.
fn checksum(device: u64, first: u64, facts: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&device.to_le_bytes()).update(&first.to_le_bytes()).update(facts);
    array(&hasher.finalize().as_bytes()[..CHECK_BYTES])
}

/// A place in the log, and since when nothing may have been withdrawn: what a run's facts are believed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The head of the log when the run began to ask it.
    pub since: u64,
    /// An event by which every object of the run's facts was stored.
    pub sequence: u64,
    /// That event's digest, so that it is not taken for another one of the same number.
    pub digest: Blake3,
}

const STAMP_BYTES: usize = 8 + 8 + 32 + CHECK_BYTES;

impl Stamp {
    pub(super) fn encode(&self, run: i64) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..8].copy_from_slice(&self.since.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..48].copy_from_slice(self.digest.as_bytes());
        let check = checksum(u64::MAX, run.cast_unsigned(), &bytes[..48]);
        bytes[48..].copy_from_slice(&check);
        bytes
    }

    pub(super) fn decode(run: i64, bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; STAMP_BYTES] = bytes.try_into().ok()?;
        (bytes[48..] == checksum(u64::MAX, run.cast_unsigned(), &bytes[..48])).then(|| Self {
            since: u64::from_le_bytes(array(&bytes[..8])),
            sequence: u64::from_le_bytes(array(&bytes[8..16])),
            digest: Blake3::from_bytes(array(&bytes[16..48])),
        })
    }
}
