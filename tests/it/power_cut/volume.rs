//! File systems on images: made, mounted by a loop device that clears itself, and unmounted whatever happens.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system as somebody may have it under a store.
#[derive(Debug)]
pub(super) struct FileSystem {
    pub(super) name: &'static str,
    /// For `mount -t`.
    kind: &'static str,
    /// The program that makes it, and all but the image.
    mkfs: &'static [&'static str],
    options: &'static str,
    size_bytes: u64,
    /// What it expects a disk to write whole or not at all.
    pub(super) sector_bytes: usize,
}

/// As small as it goes, nothing left to be initialised by a thread of the kernel.
const MKFS_EXT4: &[&str] = &[
    "mkfs.ext4",
    "-q",
    "-F",
    "-b4096",
    "-Jsize=4",
    "-N4096",
    "-Elazy_itable_init=0,lazy_journal_init=0,nodiscard",
];

pub(super) const EXT4: FileSystem = FileSystem {
    name: "ext4",
    kind: "ext4",
    mkfs: MKFS_EXT4,
    options: "data=ordered",
    size_bytes: 48 << 20,
    sector_bytes: 512,
};

/// Nothing orders the bytes of a file before the metadata that shows them.
pub(super) const EXT4_WRITEBACK: FileSystem =
    FileSystem { name: "ext4 data=writeback", options: "data=writeback", ..EXT4 };

/// Sends no flush: what a disk is that says that it has written what it has not.
pub(super) const EXT4_NO_BARRIER: FileSystem =
    FileSystem { name: "ext4 nobarrier", options: "data=ordered,nobarrier", ..EXT4 };

pub(super) const XFS: FileSystem = FileSystem {
    name: "xfs",
    kind: "xfs",
    mkfs: &["mkfs.xfs", "-q", "-f", "-K"],
    options: "rw",
    size_bytes: 300 << 20,
    sector_bytes: 512,
};

pub(super) const BTRFS: FileSystem = FileSystem {
    name: "btrfs",
    kind: "btrfs",
    mkfs: &["mkfs.btrfs", "-q", "-f", "-K", "--metadata", "single"],
    options: "rw",
    size_bytes: 128 << 20,
    // Its superblock is a block of this size, and has no second one to fall back to at a mount.
    sector_bytes: 4096,
};

/// Each sync of a file makes the whole file system durable as it is then, as that of ext4's journal does; otherwise it
/// goes into a log of its own, with little else.
pub(super) const BTRFS_WITHOUT_LOG: FileSystem =
    FileSystem { name: "btrfs notreelog", options: "notreelog", ..BTRFS };

impl FileSystem {
    /// The program that makes one.
    pub(super) fn program(&self) -> &'static str {
        self.mkfs[0]
    }

    /// Whether this kernel has it; says so where it has not.
    pub(super) fn is_known(&self) -> bool {
        drop(Command::new("modprobe").arg(self.kind).stderr(Stdio::null()).status());
        let known = std::fs::read_to_string("/proc/filesystems").unwrap();
        let known = known.split_whitespace().any(|name| name == self.kind);
        if !known {
            eprintln!("skipped: this kernel has no {}", self.kind);
        }
        known
    }

    /// Makes an empty one in a new file.
    pub(super) fn make(&self, image: &Path) {
        File::create(image).unwrap().set_len(self.size_bytes).unwrap();
        let output = Command::new(self.mkfs[0]).args(&self.mkfs[1..]).arg(image).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Mounts the one in this image, which replays its journal.
    pub(super) fn mount(&self, image: &Path, at: &Path) -> Result<Mounted, String> {
        let options = format!("loop,{}", self.options);
        let output =
            Command::new("mount").args(["-t", self.kind, "-o", &options]).args([image, at]).output().unwrap();
        if output.status.success() {
            Ok(Mounted { at: at.to_owned() })
        } else {
            Err(format!("it cannot be mounted: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
    }
}

/// A mounted file system.
#[derive(Debug)]
pub(super) struct Mounted {
    at: PathBuf,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let umount = |options: &[&str]| {
            let status = Command::new("umount").args(options).arg(&self.at).status();
            status.is_ok_and(|status| status.success())
        };
        if !umount(&[]) && !umount(&["--lazy"]) {
            eprintln!("{} could not be unmounted", self.at.display());
        }
    }
}

/// Bytes of an image are kept in pieces of this size, those of zeros not at all.
const PIECE_BYTES: usize = 64 << 10;

/// An image in memory.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pieces: BTreeMap<u64, Vec<u8>>,
    size_bytes: u64,
}

impl Image {
    pub(super) fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let size_bytes = file.metadata().unwrap().len();
        assert_eq!(size_bytes % PIECE_BYTES as u64, 0, "an image of whole pieces");
        let mut pieces = BTreeMap::new();
        let mut piece = vec![0; PIECE_BYTES];
        for at in (0..size_bytes).step_by(PIECE_BYTES) {
            file.read_exact_at(&mut piece, at).unwrap();
            if piece.iter().any(|byte| *byte != 0) {
                pieces.insert(at, piece.clone());
            }
        }
        Self { pieces, size_bytes }
    }

    /// One of zeros.
    pub(super) const fn empty(size_bytes: u64) -> Self {
        Self { pieces: BTreeMap::new(), size_bytes }
    }

    pub(super) fn byte_at(&self, offset: u64) -> u8 {
        let start = offset - offset % PIECE_BYTES as u64;
        let within = usize::try_from(offset - start).unwrap();
        self.pieces.get(&start).map_or(0, |piece| piece[within])
    }

    pub(super) fn write_at(&mut self, mut bytes: &[u8], mut offset: u64) {
        while !bytes.is_empty() {
            let start = offset - offset % PIECE_BYTES as u64;
            let within = usize::try_from(offset - start).unwrap();
            let (now, later) = bytes.split_at(bytes.len().min(PIECE_BYTES - within));
            let piece = self.pieces.entry(start).or_insert_with(|| vec![0; PIECE_BYTES]);
            piece[within..within + now.len()].copy_from_slice(now);
            offset += now.len() as u64;
            bytes = later;
        }
    }

    /// Writes it into a new file.
    pub(super) fn write_to(&self, path: &Path) {
        drop(std::fs::remove_file(path));
        let file = File::create_new(path).unwrap();
        file.set_len(self.size_bytes).unwrap();
        for (at, piece) in &self.pieces {
            file.write_all_at(piece, *at).unwrap();
        }
    }
}
