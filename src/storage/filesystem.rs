//! What kind of file system a root is on, and whether a store can live there.
//!
//! A store needs advisory locks, shared memory (SQLite's WAL) and a rename and a sync that mean what they
//! say. Network file systems break one or the other in ways that show only after a crash.

use std::os::fd::AsFd;

/// The standing of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// One that is known to keep the promises.
    Sound(&'static str),
    /// One that may not; the person should hear of it.
    Doubtful {
        /// What it is called.
        name: &'static str,
        /// What is to be said of it.
        because: &'static str,
    },
    /// A network file system, on which no store is made.
    Network(&'static str),
}

/// Returns what the directory that is open here is on.
///
/// # Errors
/// Those of `fstatfs`.
pub fn of(directory: impl AsFd) -> std::io::Result<FileSystem> {
    let magic = rustix::fs::fstatfs(directory)?.f_type;
    // The field is as wide as a register; the numbers are 32 bits and some have the uppermost set.
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "the low 32 bits are the number"
    )]
    let magic = magic as u32;
    Ok(classify(magic))
}

/// Magic numbers from `linux/magic.h`, statfs(2), and the file systems' own headers.
fn classify(magic: u32) -> FileSystem {
    use FileSystem::{Doubtful, Network, Sound};
    let volatile = "nothing in it survives a restart of the machine";
    let shared = "it may be shared by several machines, whose locks may not see each other";
    match magic {
        0x0000_ef53 => Sound("ext4"), // ext2 and ext3 have the same number
        0x5846_5342 => Sound("xfs"),
        0x9123_683e => Sound("btrfs"),
        0xf2f5_2010 => Sound("f2fs"),
        0x2fc1_2fc1 => Sound("zfs"),
        0xca45_1a4e => Sound("bcachefs"),
        0x794c_7630 => {
            Doubtful { name: "overlayfs", because: "it is usually thrown away with its container" }
        }
        0x0102_1994 => Doubtful { name: "tmpfs", because: volatile },
        0x8584_58f6 => Doubtful { name: "ramfs", because: volatile },
        0x6573_5546 => Doubtful { name: "FUSE", because: "what its syncs and renames promise is not known" },
        0x0000_4d44 => Doubtful { name: "FAT", because: "it keeps no modes, and its renames are not atomic" },
        0x2011_bab0 => {
            Doubtful { name: "exFAT", because: "it keeps no modes, and its renames are not atomic" }
        }
        0x0bd0_0bd0 => Doubtful { name: "Lustre", because: shared },
        0x4750_4653 => Doubtful { name: "GPFS", because: shared },
        0x0116_1970 => Doubtful { name: "GFS2", because: shared },
        0x7461_636f => Doubtful { name: "OCFS2", because: shared },
        0x0000_6969 => Network("NFS"),
        0x0000_517b | 0xff53_4d42 | 0xfe53_4d42 => Network("SMB"),
        0x5346_414f | 0x6b41_4653 => Network("AFS"),
        0x00c3_6400 => Network("CephFS"),
        0x0102_1997 => Network("9P"),
        0x7375_7245 => Network("Coda"),
        0x0000_564c => Network("NCP"),
        _ => Doubtful { name: "unknown", because: "its promises are not known" },
    }
}

impl FileSystem {
    /// Returns what the person should hear of it, if anything.
    pub fn note(&self) -> Option<String> {
        match self {
            Self::Doubtful { name, because } => Some(format!("the store is on {name}: {because}")),
            Self::Sound(_) | Self::Network(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_apart() {
        for magic in [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x00c3_6400, 0x0102_1997] {
            assert!(matches!(classify(magic), FileSystem::Network(_)), "{magic:#x}");
        }
        assert_eq!(classify(0xef53), FileSystem::Sound("ext4"));
        assert!(classify(0x6573_5546).note().is_some());
        assert!(classify(1).note().is_some());
    }
}
