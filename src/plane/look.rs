//! One file among the objects looked at: is it what its name says?
//!
//! Written so that it fails safe: an object counts as sound only where every byte of it was read and hashed
//! here (or, in a quick look, where it was seen with its size), and each way out before that adds a fault.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::fault::{Fault, ReadFailure, read_chunks};
use super::ingest::{Known, Standing};
use super::verify::{Depth, VerifyError};
use crate::disk::{Disk, DiskFile, FileKind};
use crate::identity::{Blake3, ContentAddress, Digests, DualHasher};
use crate::storage::layout;
use crate::storage::staging::OBJECT_MODE;

const CHUNK_BYTES: usize = 1 << 20;

/// One thread's tools.
pub(super) struct Looker<'a> {
    disk: &'a dyn Disk,
    known: &'a dyn Known,
    cancelled: &'a AtomicBool,
    buffer: Vec<u8>,
    /// How many bytes it has read.
    pub(super) bytes: u64,
}

impl<'a> Looker<'a> {
    pub(super) fn new(disk: &'a dyn Disk, known: &'a dyn Known, cancelled: &'a AtomicBool) -> Self {
        Self { disk, known, cancelled, buffer: Vec::new(), bytes: 0 }
    }

    pub(super) fn look(&mut self, expected: &Digests, depth: Depth) -> Result<Vec<Fault>, VerifyError> {
        let path = layout::object_path(&expected.address());
        let opened = if depth == Depth::Quick { None } else { Some(self.disk.open(&path)) };
        let stat = match &opened {
            Some(Ok(file)) => file.stat(),
            // What cannot be opened may still be seen, and says more about itself then.
            Some(Err(_)) | None => self.disk.stat(&path),
        };
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![Fault::Missing]),
            Err(error) => return Ok(vec![Fault::Unreadable { error }]),
        };
        if stat.kind != FileKind::File {
            return Ok(vec![Fault::NotAFile { kind: stat.kind }]);
        }
        let mut faults = Vec::new();
        if stat.mode != OBJECT_MODE {
            faults.push(Fault::WrongMode { found: stat.mode });
        }
        let found = match opened {
            None => {
                faults.extend(wrong_size(expected, stat.size_bytes, None));
                return Ok(faults);
            }
            Some(Err(error)) => Err(error),
            Some(Ok(file)) => self.read(&*file, depth)?,
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                faults.push(Fault::Unreadable { error });
                return Ok(faults);
            }
        };
        if found.blake3 == expected.blake3 {
            if depth == Depth::Both && found.sha256 != expected.sha256 {
                faults.push(Fault::SecondDigest { found: found.sha256 });
            }
            return Ok(faults);
        }
        let address = found.address();
        faults.push(if self.is_known(&address)? {
            Fault::Misnamed { found: address }
        } else {
            let altered = Fault::Altered { found_bytes: found.size_bytes, found: Some(address) };
            wrong_size(expected, found.size_bytes, Some(address)).unwrap_or(altered)
        });
        Ok(faults)
    }

    /// Looks at a file under an object's name that nobody expects.
    pub(super) fn unexpected(
        &mut self,
        address: &ContentAddress,
        depth: Depth,
    ) -> Result<Fault, VerifyError> {
        let path = layout::object_path(address);
        let kind = match self.disk.stat(&path) {
            Ok(stat) => stat.kind,
            Err(error) => return Ok(Fault::Unreadable { error }),
        };
        match self.unknown_bytes(&path, kind, depth)? {
            Ok(Some(found)) if found == *address => Ok(Fault::Unrecorded),
            Ok(Some(found)) if self.is_known(&found)? => Ok(Fault::Misnamed { found }),
            Ok(Some(_)) => Ok(Fault::Foreign { kind }),
            Ok(None) if kind == FileKind::File => Ok(Fault::Unrecorded),
            Ok(None) => Ok(Fault::Foreign { kind }),
            Err(fault) => Ok(fault),
        }
    }

    /// Looks at something that has no business where it is.
    pub(super) fn stray(&mut self, path: &Path, kind: FileKind, depth: Depth) -> Result<Fault, VerifyError> {
        match self.unknown_bytes(path, kind, depth)? {
            Ok(Some(found)) if self.is_known(&found)? => Ok(Fault::Misnamed { found }),
            Ok(_) => Ok(Fault::Foreign { kind }),
            Err(fault) => Ok(fault),
        }
    }

    /// Says what the bytes of a file that no event vouches for are called, unless they are not to be read.
    fn unknown_bytes(
        &mut self,
        path: &Path,
        kind: FileKind,
        depth: Depth,
    ) -> Result<Result<Option<ContentAddress>, Fault>, VerifyError> {
        if kind != FileKind::File || depth == Depth::Quick {
            return Ok(Ok(None));
        }
        let found = match self.disk.open(path) {
            Ok(file) => self.read(&*file, Depth::Primary)?,
            Err(error) => Err(error),
        };
        Ok(found.map(|found| Some(found.address())).map_err(|error| Fault::Unreadable { error }))
    }

    /// Reads and hashes a file. Without [`Depth::Both`] the second digest is not taken and means nothing.
    fn read(&mut self, file: &dyn DiskFile, depth: Depth) -> Result<io::Result<Digests>, VerifyError> {
        if self.buffer.is_empty() {
            // Asked for as zeros, not filled with them: of a small file few of its pages are ever touched.
            self.buffer = vec![0; CHUNK_BYTES];
        }
        let mut primary = blake3::Hasher::new();
        let mut both = DualHasher::new();
        let read = read_chunks(file, &mut self.buffer, |chunk, _| {
            if depth == Depth::Both {
                both.update(chunk);
            } else {
                primary.update(chunk);
            }
            if self.cancelled.load(Ordering::Relaxed) { Err(VerifyError::Cancelled) } else { Ok(()) }
        });
        let size_bytes = match read {
            Ok(size_bytes) => size_bytes,
            Err(ReadFailure::File(error)) => return Ok(Err(error)),
            Err(ReadFailure::Taker(error)) => return Err(error),
        };
        self.bytes += size_bytes;
        let mut digests = both.finish();
        if depth != Depth::Both {
            digests.blake3 = Blake3::from_bytes(*primary.finalize().as_bytes());
            digests.size_bytes = size_bytes;
        }
        Ok(Ok(digests))
    }

    fn is_known(&self, address: &ContentAddress) -> Result<bool, VerifyError> {
        Ok(self.known.standing(address).map_err(VerifyError::Known)? != Standing::Unknown)
    }
}

fn wrong_size(expected: &Digests, found_bytes: u64, found: Option<ContentAddress>) -> Option<Fault> {
    match found_bytes.cmp(&expected.size_bytes) {
        std::cmp::Ordering::Less => {
            Some(Fault::Truncated { expected_bytes: expected.size_bytes, found_bytes })
        }
        std::cmp::Ordering::Greater => Some(Fault::Altered { found_bytes, found }),
        std::cmp::Ordering::Equal => None,
    }
}
