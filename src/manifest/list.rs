//! Many entries in little memory: what an add of a million files holds until its manifest is written.
//!
//! An [`Entry`] is some 120 bytes and a heap allocation for its path. Here the same is the path, 77 bytes and
//! an index of 8, in chunks that go back to the system when the list goes.

use std::cmp::Ordering;

use super::codec::{BodyRef, EntryRef};
use super::model::{Entry, EntryBody, Mtime};
use super::path::EntryPath;
use crate::identity::{Blake3, Digests, Sha256};

/// How large a chunk is; an entry never crosses the end of one.
const CHUNK_BYTES: usize = 1 << 20;

const FILE: u8 = 0;
const DIRECTORY: u8 = 1;
const SYMLINK: u8 = 2;
/// Set in the kind where a time follows.
const WITH_MTIME: u8 = 0x80;

/// A list of entries, packed.
#[derive(Clone, Debug, Default)]
pub struct EntryList {
    chunks: Vec<Vec<u8>>,
    /// Where each entry is: the chunk in the upper half, the offset in it in the lower.
    index: Vec<u64>,
}

impl EntryList {
    /// Starts with no entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many entries there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: &Entry) {
        let size = packed_len(entry);
        if self.chunks.last().is_none_or(|chunk| chunk.len() + size > chunk.capacity()) {
            self.chunks.push(Vec::with_capacity(CHUNK_BYTES.max(size)));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        self.index.push((number as u64) << 32 | chunk.len() as u64);
        pack(chunk, entry);
    }

    /// Sorts by path, as manifests are.
    pub fn sort(&mut self) {
        let chunks = &self.chunks;
        self.index.sort_unstable_by(|left, right| path_at(chunks, *left).cmp(path_at(chunks, *right)));
    }

    /// Sorts so that what is in a directory stands right behind it, each by its name.
    pub fn sort_by_component(&mut self) {
        let chunks = &self.chunks;
        let key = |at: &u64| path_at(chunks, *at).iter().map(|&byte| if byte == b'/' { 0 } else { byte });
        self.index.sort_unstable_by(|left, right| key(left).cmp(key(right)));
    }

    /// Returns the entry of a path, in a sorted list.
    pub fn find(&self, path: &[u8]) -> Option<Entry> {
        let place = self.index.binary_search_by(|at| path_at(&self.chunks, *at).cmp(path));
        place.ok().map(|there| self.get(there))
    }

    /// Adds an entry where its path belongs in a sorted list; the entry that has the path already is returned
    /// instead.
    pub fn insert_sorted(&mut self, entry: &Entry) -> Option<Entry> {
        let place = self.index.binary_search_by(|at| path_at(&self.chunks, *at).cmp(entry.path.as_bytes()));
        match place {
            Ok(there) => Some(self.get(there)),
            Err(place) => {
                self.push(entry);
                let at = self.index.pop()?;
                self.index.insert(place, at);
                None
            }
        }
    }

    /// Returns a path that occurs twice, if the list is sorted and one does.
    pub fn first_repeated(&self) -> Option<EntryPath> {
        let repeated =
            self.index.windows(2).position(|pair| self.compare(pair[0], pair[1]) == Ordering::Equal);
        repeated.map(|nth| self.get(nth).path)
    }

    fn compare(&self, left: u64, right: u64) -> Ordering {
        path_at(&self.chunks, left).cmp(path_at(&self.chunks, right))
    }

    fn get(&self, nth: usize) -> Entry {
        unpack(bytes_at(&self.chunks, self.index[nth])).into()
    }

    /// Returns the entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Entry> + '_ {
        self.refs().map(Entry::from)
    }

    /// Returns the entries in order, where they stand.
    pub fn refs(&self) -> impl ExactSizeIterator<Item = EntryRef<'_>> + '_ {
        self.index.iter().map(|&at| unpack(bytes_at(&self.chunks, at)))
    }

    /// Returns the objects of the files in order.
    pub fn objects(&self) -> impl Iterator<Item = Digests> + '_ {
        self.refs().filter_map(|entry| match entry.body {
            BodyRef::File { object, .. } => Some(object),
            BodyRef::Directory { .. } | BodyRef::Symlink { .. } => None,
        })
    }
}

impl Extend<Entry> for EntryList {
    fn extend<T: IntoIterator<Item = Entry>>(&mut self, entries: T) {
        entries.into_iter().for_each(|entry| self.push(&entry));
    }
}

impl FromIterator<Entry> for EntryList {
    fn from_iter<T: IntoIterator<Item = Entry>>(entries: T) -> Self {
        let mut list = Self::new();
        list.extend(entries);
        list
    }
}

fn bytes_at(chunks: &[Vec<u8>], at: u64) -> &[u8] {
    let chunk = usize::try_from(at >> 32).unwrap_or(usize::MAX);
    let offset = usize::try_from(at & 0xffff_ffff).unwrap_or(usize::MAX);
    &chunks[chunk][offset..]
}

fn path_at(chunks: &[Vec<u8>], at: u64) -> &[u8] {
    let mut input = Unpack(bytes_at(chunks, at));
    input.counted()
}

/// Paths and targets are at most 4,096 bytes, so two bytes count them.
fn counted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(&bytes[..bytes.len().min(usize::from(u16::MAX))]);
}

fn packed_len(entry: &Entry) -> usize {
    let body = match &entry.body {
        EntryBody::File { .. } => 4 + 72,
        EntryBody::Directory { .. } => 4,
        EntryBody::Symlink { target } => 2 + target.len(),
    };
    2 + entry.path.as_bytes().len() + 1 + body + if entry.mtime.is_some() { 12 } else { 0 }
}

fn pack(out: &mut Vec<u8>, entry: &Entry) {
    counted(out, entry.path.as_bytes());
    let with_mtime = if entry.mtime.is_some() { WITH_MTIME } else { 0 };
    match &entry.body {
        EntryBody::File { mode, object } => {
            out.push(FILE | with_mtime);
            out.extend(mode.to_le_bytes());
            out.extend(object.blake3.as_bytes());
            out.extend(object.sha256.as_bytes());
            out.extend(object.size_bytes.to_le_bytes());
        }
        EntryBody::Directory { mode } => {
            out.push(DIRECTORY | with_mtime);
            out.extend(mode.to_le_bytes());
        }
        EntryBody::Symlink { target } => {
            out.push(SYMLINK | with_mtime);
            counted(out, target);
        }
    }
    if let Some(mtime) = &entry.mtime {
        out.extend(mtime.seconds.to_le_bytes());
        out.extend(mtime.nanoseconds.to_le_bytes());
    }
}

/// What is left to unpack. Only what [`pack`] wrote is ever in there.
struct Unpack<'a>(&'a [u8]);

impl<'a> Unpack<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N));
        array
    }

    fn counted(&mut self) -> &'a [u8] {
        let count = u16::from_le_bytes(self.array());
        self.take(usize::from(count))
    }
}

fn unpack(bytes: &[u8]) -> EntryRef<'_> {
    let mut input = Unpack(bytes);
    let path = input.counted();
    let [kind] = input.array();
    let body = match kind & !WITH_MTIME {
        FILE => BodyRef::File {
            mode: u32::from_le_bytes(input.array()),
            object: Digests {
                blake3: Blake3::from_bytes(input.array()),
                sha256: Sha256::from_bytes(input.array()),
                size_bytes: u64::from_le_bytes(input.array()),
            },
        },
        DIRECTORY => BodyRef::Directory { mode: u32::from_le_bytes(input.array()) },
        _ => BodyRef::Symlink { target: input.counted() },
    };
    let mtime = (kind & WITH_MTIME != 0).then(|| Mtime {
        seconds: i64::from_le_bytes(input.array()),
        nanoseconds: u32::from_le_bytes(input.array()),
    });
    EntryRef { path, body, mtime }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::testing;

    proptest! {
        #[test]
        fn packs_what_it_unpacks(seed: u64) {
            let entries: Vec<Entry> = testing::manifest(seed).1;
            let mut list: EntryList = entries.iter().rev().cloned().collect();
            prop_assert_eq!(list.len(), entries.len());
            list.sort();
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), entries.clone());
            prop_assert_eq!(list.first_repeated(), None);
            for entry in &entries {
                prop_assert_eq!(list.find(entry.path.as_bytes()), Some(entry.clone()));
            }
            prop_assert_eq!(list.find(b"no such path"), None);
            if let Some(entry) = entries.first() {
                prop_assert_eq!(list.insert_sorted(entry), Some(entry.clone()));
                list.push(entry);
                list.sort();
                prop_assert_eq!(list.first_repeated(), Some(entry.path.clone()));
            }
        }

        #[test]
        fn inserts_where_it_belongs(seed: u64, nth: usize) {
            let mut entries: Vec<Entry> = testing::manifest(seed).1;
            if !entries.is_empty() {
                let taken = entries.remove(nth % entries.len());
                let mut list: EntryList = entries.iter().cloned().collect();
                prop_assert_eq!(list.insert_sorted(&taken), None);
                prop_assert_eq!(list.iter().collect::<Vec<_>>(), testing::manifest(seed).1);
            }
        }
    }

    #[test]
    fn holds_more_than_a_chunk() {
        let path = |nth: u32| EntryPath::new(format!("{nth:0>4000}").into_bytes()).unwrap();
        let directory =
            |nth| Entry { path: path(nth), body: EntryBody::Directory { mode: 0o755 }, mtime: None };
        let list: EntryList = (0..1000).map(directory).collect();
        assert!(list.chunks.len() > 2);
        assert!(list.iter().eq((0..1000).map(directory)));
    }
}
