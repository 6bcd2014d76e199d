//! Long files on a file system that can share blocks: an add costs none, and is as safe.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use astore::registry::Access;
use astore::registry::report::Completion;

use super::volume::FileSystem;
use crate::support::oracle;
use crate::support::store::{add, init, open};

const LONG_BYTES: u32 = 8 << 20;

/// The object shares the blocks of its source, and what is done to the source later is done to the source alone.
pub(super) fn blocks_are_shared(on: &FileSystem) {
    let place = tempfile::tempdir().unwrap();
    let [image, at] = ["image", "at"].map(|name| place.path().join(name));
    std::fs::create_dir(&at).unwrap();
    on.make(&image);
    let _mounted = on.mount(&image, &at).unwrap();
    let [root, source] = ["store", "source"].map(|name| at.join(name));
    std::fs::create_dir(&source).unwrap();
    let bytes: Vec<u8> =
        (0..LONG_BYTES / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(source.join("long"), &bytes).unwrap();
    init(&root);
    let free = || {
        let directory = File::open(&at).unwrap();
        rustix::fs::syncfs(&directory).unwrap();
        let volume = rustix::fs::fstatvfs(&directory).unwrap();
        volume.f_bfree * volume.f_frsize
    };
    let before = free();
    drop(add(&open(&root, Access::Write).unwrap(), "x", &source, Completion::Finalize).unwrap());
    let cost = before.saturating_sub(free());
    assert!(cost < u64::from(LONG_BYTES / 2), "{cost} bytes for {LONG_BYTES} that are there already");
    let file = File::options().write(true).open(source.join("long")).unwrap();
    file.write_all_at(&[0; 1 << 20], 1 << 20).unwrap();
    file.sync_all().unwrap();
    assert!(std::fs::read(oracle::file_of(&root, &bytes)).unwrap() == bytes, "the object changed too");
}
