//! The tree put together from pieces in any order is the hash, and whoever comes short hands it back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::disk::Stat;

/// A file of so many bytes, of which some cannot be read.
#[derive(Debug)]
struct Made {
    size_bytes: u64,
    reads: Arc<AtomicUsize>,
    fails_at: Option<u64>,
}

const fn byte(at: u64) -> u8 {
    (at % 251) as u8
}

impl DiskFile for Made {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let wanted = (self.size_bytes.saturating_sub(offset)).min(buffer.len() as u64);
        if self.fails_at.is_some_and(|at| (offset..=offset + wanted).contains(&at)) {
            return Err(io::Error::other("a sector"));
        }
        self.reads.fetch_add(usize::try_from(wanted).expect("small"), Ordering::Relaxed);
        let wanted = usize::try_from(wanted).expect("small");
        for (at, to) in buffer[..wanted].iter_mut().enumerate() {
            *to = byte(offset + at as u64);
        }
        Ok(wanted)
    }
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        unreachable!()
    }
    fn stat(&self) -> io::Result<Stat> {
        unreachable!()
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        unreachable!()
    }
    fn set_mode(&self, _: u32) -> io::Result<()> {
        unreachable!()
    }
    fn sync(&self) -> io::Result<()> {
        unreachable!()
    }
}

fn hash_with(file: Made, claimed: u64, helpers: usize, go_on: bool) -> io::Result<Option<Blake3>> {
    let together = Together::default();
    let member = together.join();
    let file: Arc<dyn DiskFile> = Arc::new(file);
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|| together.help(&mut [0; 70_000], &|| go_on));
        }
        let found = together.hash(&file, claimed, &mut [0; 100_000], &|| go_on);
        drop(member);
        found
    })
}

fn made(size_bytes: u64) -> Made {
    Made { size_bytes, reads: Arc::default(), fails_at: None }
}

#[test]
fn whoever_helps_it_is_the_hash_and_each_byte_is_read_once() {
    for (size_bytes, helpers) in [
        (LONG_BYTES, 0),
        (LONG_BYTES, 2),
        (LONG_BYTES + 1, 1),
        (3 * PIECE_BYTES - 1, 3),
        (3 * PIECE_BYTES, 1),
        (4 * PIECE_BYTES, 2),
        (5 * PIECE_BYTES + 1, 2),
    ] {
        let bytes: Vec<u8> = (0..size_bytes).map(byte).collect();
        let file = made(size_bytes);
        let reads = Arc::clone(&file.reads);
        let found = hash_with(file, size_bytes, helpers, true).expect("bytes");
        assert_eq!(found, Some(Blake3::of(&bytes)), "{size_bytes} bytes, {helpers} helpers");
        assert_eq!(reads.load(Ordering::Relaxed) as u64, size_bytes);
    }
}

#[test]
fn what_is_no_longer_so_long_or_is_stopped_is_handed_back() {
    for (is, was) in
        [(LONG_BYTES - 1, LONG_BYTES), (LONG_BYTES, LONG_BYTES + PIECE_BYTES), (LONG_BYTES + 1, LONG_BYTES)]
    {
        assert_eq!(hash_with(made(is), was, 2, true).expect("bytes"), None, "{is} for {was}");
    }
    assert_eq!(hash_with(made(LONG_BYTES), LONG_BYTES, 2, false).expect("bytes"), None);
}

#[test]
fn a_sector_that_cannot_be_read_is_an_error_and_nobody_waits_for_ever() {
    for fails_at in [0, PIECE_BYTES, LONG_BYTES - 1] {
        let file = Made { fails_at: Some(fails_at), ..made(LONG_BYTES) };
        hash_with(file, LONG_BYTES, 2, true).map(drop).expect_err("a sector");
    }
}

/// Trees of every number of pieces, put together in every order that a few threads make: with pieces of one chunk.
#[test]
fn a_tree_of_any_number_of_pieces_has_the_root_of_the_whole() {
    let bytes: Vec<u8> = (0..70 * 1024).map(byte).collect();
    for pieces in 2..70u64 {
        for stride in [1, 3, 7] {
            let end = usize::try_from(pieces).expect("small") * 1024 - 5;
            let mut tree = Tree::default();
            for first in 0..stride {
                for nth in (0..pieces).rev().filter(|nth| nth % stride == first) {
                    let start = usize::try_from(nth).expect("small") * 1024;
                    let mut hasher = blake3::Hasher::new();
                    hasher.set_input_offset(start as u64).update(&bytes[start..end.min(start + 1024)]);
                    tree.add(nth, hasher.finalize_non_root());
                }
            }
            assert_eq!(tree.root(), Some(Blake3::of(&bytes[..end])), "{pieces} pieces, every {stride}th");
        }
    }
}

#[test]
fn a_helper_leaves_when_nobody_can_come_with_more() {
    let together = Together::default();
    let left = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let member = together.join();
        scope.spawn(|| {
            together.help(&mut [0; 10], &|| true);
            left.store(true, Ordering::Relaxed);
        });
        drop(member);
    });
    assert!(left.load(Ordering::Relaxed));
}
