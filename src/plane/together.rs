//! Long files, hashed by several threads together.
//!
//! BLAKE3 is a tree over its input: pieces of a power of two can be hashed by anyone and in any order, and are put
//! together at the end. So a thread that has come to the end of its own work helps those that have not, and no
//! processor idles while another reads the last long file of a store. Each piece is read by who hashes it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use blake3::hazmat::{ChainingValue, HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::disk::DiskFile;
use crate::identity::Blake3;

/// The length of a piece: a power of two, and so little that nobody waits long for the last of them.
const PIECE_BYTES: u64 = 4 << 20;
/// From which size on a file is hashed in pieces; it has to have two at least.
pub(super) const LONG_BYTES: u64 = 2 * PIECE_BYTES;

/// The long files that are being hashed, and who may still come with another.
#[derive(Default)]
pub(super) struct Together {
    board: Mutex<Board>,
    news: Condvar,
}

#[derive(Default)]
struct Board {
    files: Vec<Long>,
    opened: u64,
    members: usize,
}

struct Long {
    number: u64,
    file: Arc<dyn DiskFile>,
    size_bytes: u64,
    pieces: u64,
    next: u64,
    at_work: usize,
    tree: Tree,
    failure: Option<io::Error>,
    /// It is not what it was when it was opened, or somebody stopped: it is of no use to go on in pieces.
    spoilt: bool,
}

/// A thread that may come with long files. Helpers wait for as long as there is one.
pub(super) struct Member<'t>(&'t Together);

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.0.board().members -= 1;
        self.0.news.notify_all();
    }
}

impl Together {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that this thread may come with long files, until what is returned is dropped.
    pub(super) fn join(&self) -> Member<'_> {
        self.board().members += 1;
        Member(self)
    }

    /// Hashes a file of at least [`LONG_BYTES`], with the help of whoever has time. `None` where the file turns out to
    /// have another length, or `go_on` says no.
    pub(super) fn hash(
        &self,
        file: &Arc<dyn DiskFile>,
        size_bytes: u64,
        buffer: &mut [u8],
        go_on: &dyn Fn() -> bool,
    ) -> io::Result<Option<Blake3>> {
        let mut board = self.board();
        board.opened += 1;
        let number = board.opened;
        board.files.push(Long {
            number,
            file: Arc::clone(file),
            size_bytes,
            pieces: size_bytes.div_ceil(PIECE_BYTES),
            next: 0,
            at_work: 0,
            tree: Tree::default(),
            failure: None,
            spoilt: false,
        });
        drop(board);
        self.news.notify_all();
        while let Some(piece) = self.take(Some(number)) {
            piece.hash(buffer, go_on);
        }
        let mut board = self.board();
        loop {
            // Others may be at its last pieces.
            match board.files.iter().position(|long| long.number == number && long.at_work == 0) {
                Some(at) => {
                    let long = board.files.swap_remove(at);
                    drop(board);
                    return long.conclude();
                }
                None => board = self.news.wait(board).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Helps with what is there to be done, until nobody can come with more.
    pub(super) fn help(&self, buffer: &mut [u8], go_on: &dyn Fn() -> bool) {
        loop {
            while let Some(piece) = self.take(None) {
                piece.hash(buffer, go_on);
            }
            let board = self.board();
            if board.members == 0 {
                return;
            }
            if board.files.iter().all(|long| !long.has_more()) {
                drop(self.news.wait(board).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Takes a piece to be hashed: of this file, or of any.
    fn take(&self, of: Option<u64>) -> Option<Piece<'_>> {
        let mut board = self.board();
        let mut candidates = board.files.iter_mut();
        let long =
            candidates.find(|long| long.has_more() && of.is_none_or(|number| number == long.number))?;
        let nth = long.next;
        long.next += 1;
        long.at_work += 1;
        Some(Piece {
            together: self,
            number: long.number,
            file: Arc::clone(&long.file),
            nth,
            size_bytes: PIECE_BYTES.min(long.size_bytes - nth * PIECE_BYTES),
            is_last: nth + 1 == long.pieces,
            found: Ok(None),
        })
    }
}

impl Long {
    fn has_more(&self) -> bool {
        self.next < self.pieces && !self.spoilt
    }

    fn conclude(self) -> io::Result<Option<Blake3>> {
        match self.failure {
            Some(error) => Err(error),
            None if self.spoilt => Ok(None),
            None => Ok(self.tree.root()),
        }
    }
}

/// A piece of a file in the hands of a thread. What became of it is told when it is dropped, also by a panic.
struct Piece<'t> {
    together: &'t Together,
    number: u64,
    file: Arc<dyn DiskFile>,
    nth: u64,
    size_bytes: u64,
    is_last: bool,
    found: io::Result<Option<ChainingValue>>,
}

impl Piece<'_> {
    fn hash(mut self, buffer: &mut [u8], go_on: &dyn Fn() -> bool) {
        self.found = self.read(buffer, go_on);
    }

    fn read(&self, buffer: &mut [u8], go_on: &dyn Fn() -> bool) -> io::Result<Option<ChainingValue>> {
        let (start, mut read) = (self.nth * PIECE_BYTES, 0);
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(start);
        while read < self.size_bytes {
            let wanted =
                usize::try_from(self.size_bytes - read).map_or(buffer.len(), |left| left.min(buffer.len()));
            match self.file.read_once_at(&mut buffer[..wanted], start + read) {
                Ok(0) => return Ok(None),
                Ok(bytes) => {
                    hasher.update(&buffer[..bytes]);
                    read += bytes as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if !go_on() {
                return Ok(None);
            }
        }
        let ends = !self.is_last || self.file.read_once_at(&mut buffer[..1], start + read)? == 0;
        Ok(ends.then(|| hasher.finalize_non_root()))
    }
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        let mut board = self.together.board();
        if let Some(long) = board.files.iter_mut().find(|long| long.number == self.number) {
            long.at_work -= 1;
            match std::mem::replace(&mut self.found, Ok(None)) {
                Ok(Some(value)) => long.tree.add(self.nth, value),
                Ok(None) => long.spoilt = true,
                Err(error) => {
                    long.failure.get_or_insert(error);
                    long.spoilt = true;
                }
            }
        }
        drop(board);
        self.together.news.notify_all();
    }
}

/// The tree of the hash, as far as its pieces are there. Holds little: what lies side by side is one.
#[derive(Default)]
struct Tree {
    /// Pieces whose predecessors are not there yet.
    early: BTreeMap<u64, ChainingValue>,
    /// Whole subtrees, from the left, each of more pieces than the next: all pieces before `last`.
    subtrees: Vec<ChainingValue>,
    /// The last piece that has all its predecessors. Another one may follow, so that it belongs to no subtree yet.
    last: Option<ChainingValue>,
    /// How many pieces are in `subtrees`.
    counted: u64,
}

impl Tree {
    fn add(&mut self, nth: u64, value: ChainingValue) {
        self.early.insert(nth, value);
        let mut next = self.counted + u64::from(self.last.is_some());
        while let Some(value) = self.early.remove(&next) {
            next += 1;
            if let Some(mut whole) = self.last.replace(value) {
                self.counted += 1;
                // Two subtrees of one size make one of twice the size, as a carry does in binary numbers.
                for _ in 0..self.counted.trailing_zeros() {
                    let Some(left) = self.subtrees.pop() else { break };
                    whole = merge_subtrees_non_root(&left, &whole, Mode::Hash);
                }
                self.subtrees.push(whole);
            }
        }
    }

    /// Returns the hash of it all. `None` where there are not two pieces at least: then its root is no merge.
    fn root(mut self) -> Option<Blake3> {
        let mut right = self.last?;
        while self.subtrees.len() > 1 {
            right = merge_subtrees_non_root(&self.subtrees.pop()?, &right, Mode::Hash);
        }
        let root = merge_subtrees_root(&self.subtrees.pop()?, &right, Mode::Hash);
        self.early.is_empty().then(|| Blake3::from_bytes(*root.as_bytes()))
    }
}

#[cfg(test)]
mod tests;
