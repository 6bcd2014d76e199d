//! What the cache keeps of a file, and when that is worth nothing.

use crate::env::Timestamp;
use crate::identity::{Blake3, Digests, Sha256};

/// A file whose times are within this long of the instant it was looked at is not cached.
const RACY_SECONDS: i64 = 2;
/// A fact laid out: inode, size (8 bytes each), mtime, ctime (8 + 4 each), both digests, the run (8).
pub(super) const FACT_BYTES: usize = 112;

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The device that holds it.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
}

/// A time of a file, as `stat` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime {
    /// Seconds since the Unix epoch.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanoseconds: u32,
}

/// What tells a file's present content from its past ones, as far as `stat` can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Which file.
    pub id: FileId,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When its bytes were last changed, as its owner says.
    pub mtime: FileTime,
    /// When its inode was last changed, as the kernel says.
    pub ctime: FileTime,
}

/// A file as it was when these digests were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The file, before and after it was read.
    pub print: Fingerprint,
    /// What was read; as many bytes as the fingerprint says.
    pub digests: Digests,
}

/// The run that stored a fact; what is known of it, its [`Stamp`](super::Stamp) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId(pub(super) i64);

/// What the cache knows of a file that is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What the file holds.
    pub digests: Digests,
    /// Who says so.
    pub run: RunId,
}

impl Fact {
    /// Returns whether the fact may be stored by a run that began at this instant.
    pub(super) fn may_be_kept(&self, started: Timestamp) -> bool {
        !is_racy(&self.print, started) && self.print.size_bytes == self.digests.size_bytes
    }
}

/// Returns whether a file changed so lately that a later change might not show in its times.
pub(super) fn is_racy(print: &Fingerprint, started: Timestamp) -> bool {
    let seconds_max = started.as_micros().div_euclid(1_000_000) - RACY_SECONDS;
    print.mtime.seconds >= seconds_max || print.ctime.seconds >= seconds_max
}

/// A fact of a block, laid out.
pub(super) type Packed = [u8; FACT_BYTES];

pub(super) fn pack(fact: &Fact, run: RunId) -> Packed {
    let mut bytes = [0; FACT_BYTES];
    bytes[..8].copy_from_slice(&fact.print.id.inode.to_le_bytes());
    bytes[8..40].copy_from_slice(&print_bytes(&fact.print));
    bytes[40..72].copy_from_slice(fact.digests.blake3.as_bytes());
    bytes[72..104].copy_from_slice(fact.digests.sha256.as_bytes());
    bytes[104..].copy_from_slice(&run.0.to_le_bytes());
    bytes
}

/// Returns the inode of a fact.
pub(super) fn inode(fact: &Packed) -> u64 {
    u64::from_le_bytes(array(&fact[..8]))
}

/// Returns the primary digest of a fact.
pub(super) fn blake3(fact: &Packed) -> Blake3 {
    Blake3::from_bytes(array(&fact[40..72]))
}

/// Returns what a fact says of a file, where the file still is what the fact speaks of.
pub(super) fn unpack(fact: &Packed, print: &Fingerprint) -> Option<Hit> {
    if inode(fact) != print.id.inode || fact[8..40] != print_bytes(print) {
        return None;
    }
    let sha256 = Sha256::from_bytes(array(&fact[72..104]));
    let digests = Digests { blake3: blake3(fact), sha256, size_bytes: print.size_bytes };
    Some(Hit { digests, run: RunId(i64::from_le_bytes(array(&fact[104..]))) })
}

fn print_bytes(print: &Fingerprint) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&print.size_bytes.to_le_bytes());
    bytes[8..16].copy_from_slice(&print.mtime.seconds.to_le_bytes());
    bytes[16..20].copy_from_slice(&print.mtime.nanoseconds.to_le_bytes());
    bytes[20..28].copy_from_slice(&print.ctime.seconds.to_le_bytes());
    bytes[28..32].copy_from_slice(&print.ctime.nanoseconds.to_le_bytes());
    bytes
}

/// Takes bytes whose number is known where it is asked for.
pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}
