//! One file among the objects looked at: is it what its name says?
//!
//! Written so that it fails safe: an object counts as sound only where every byte of it was read and hashed
//! here (or, in a quick look, where it was seen with its size), and each way out before that adds a fault.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::fault::Fault;
use super::ingest::{Known, Standing};
use super::together::{LONG_BYTES, Together};
use super::verify::{Depth, VerifyError};
use crate::disk::{Directory, Disk, DiskFile, FileKind};
use crate::identity::{Blake3, ContentAddress, Digests, DualHasher, Sha256};
use crate::storage::layout;
use crate::storage::staging::OBJECT_MODE;

/// How much is read at a time: what was copied is still in the processor's own cache when it is hashed.
const CHUNK_BYTES: usize = 256 * 1024;

/// What stands for the second digest where it was not asked for.
const NOT_TAKEN: Sha256 = Sha256::from_bytes([0; 32]);

/// One thread's tools.
pub(super) struct Looker<'a> {
    disk: &'a dyn Disk,
    known: &'a dyn Known,
    cancelled: &'a AtomicBool,
    together: Option<&'a Together>,
    buffer: Vec<u8>,
    /// How many bytes it has read.
    pub(super) bytes: u64,
}

impl<'a> Looker<'a> {
    pub(super) fn new(disk: &'a dyn Disk, known: &'a dyn Known, cancelled: &'a AtomicBool) -> Self {
        Self { disk, known, cancelled, together: None, buffer: Vec::new(), bytes: 0 }
    }

    /// The same, and long files are hashed together with other threads.
    pub(super) fn with_others(self, together: &'a Together) -> Self {
        Self { together: Some(together), ..self }
    }

    /// Looks at an object by its path.
    pub(super) fn look(&mut self, expected: &Digests, depth: Depth) -> Result<Vec<Fault>, VerifyError> {
        let (directory, name) = layout::object_place(&expected.address());
        self.look_in(&Directory::by_path(&directory), &name, expected, depth)
    }

    /// Looks at an object in its directory, under its name.
    pub(super) fn look_in(
        &mut self,
        directory: &Directory,
        name: &OsStr,
        expected: &Digests,
        depth: Depth,
    ) -> Result<Vec<Fault>, VerifyError> {
        let opened = if depth == Depth::Quick { None } else { Some(self.disk.open_in(directory, name)) };
        let (stat, opened) = match opened {
            Some(Ok((file, stat))) => (Ok(stat), Some(Ok(file))),
            // What cannot be opened may still be seen, and says more about itself then.
            Some(Err(error)) => (self.disk.stat_in(directory, name), Some(Err(error))),
            None => (self.disk.stat_in(directory, name), None),
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
            Some(Ok(file)) => self.read(file, stat.size_bytes, depth)?,
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
            Ok(file) => match file.stat() {
                Ok(stat) => self.read(file, stat.size_bytes, Depth::Primary)?,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        Ok(found.map(|found| Some(found.address())).map_err(|error| Fault::Unreadable { error }))
    }

    /// Reads and hashes a file that was so long when it was opened. Without [`Depth::Both`] the second digest is not
    /// taken and means nothing.
    fn read(
        &mut self,
        file: Box<dyn DiskFile>,
        size_bytes: u64,
        depth: Depth,
    ) -> Result<io::Result<Digests>, VerifyError> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; CHUNK_BYTES];
        }
        let file: Arc<dyn DiskFile> = Arc::from(file);
        let quickly = match self.together {
            _ if size_bytes < CHUNK_BYTES as u64 => self.whole(&*file, size_bytes, depth),
            Some(together) if size_bytes >= LONG_BYTES && depth == Depth::Primary => {
                let go_on = || !self.cancelled.load(Ordering::Relaxed);
                let found = together.hash(&file, size_bytes, &mut self.buffer, &go_on);
                found.map(|found| found.map(|blake3| Digests { blake3, sha256: NOT_TAKEN, size_bytes }))
            }
            Some(_) | None => Ok(None),
        };
        let digests = match quickly.transpose() {
            Some(digests) => digests,
            None => self.stream(&*file, depth)?,
        };
        if let Ok(digests) = &digests {
            self.bytes += digests.size_bytes;
        }
        Ok(digests)
    }

    /// Reads a file that fits into the buffer: at one go, as a rule. `None` where it has become longer.
    fn whole(&mut self, file: &dyn DiskFile, size_bytes: u64, depth: Depth) -> io::Result<Option<Digests>> {
        let Ok(size) = usize::try_from(size_bytes) else { return Ok(None) };
        let mut filled = 0;
        while filled <= size {
            // One byte more than there should be: what comes short then has come to the end.
            let wanted = &mut self.buffer[filled..=size];
            match file.read_once_at(wanted, filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if filled == size {
                break;
            }
        }
        if filled > size {
            return Ok(None);
        }
        let bytes = &self.buffer[..filled];
        Ok(Some(match depth {
            Depth::Both => Digests::of(bytes),
            Depth::Primary | Depth::Quick => {
                Digests { blake3: Blake3::of(bytes), sha256: NOT_TAKEN, size_bytes: filled as u64 }
            }
        }))
    }

    /// Reads a file to its end, whatever its length.
    fn stream(&mut self, file: &dyn DiskFile, depth: Depth) -> Result<io::Result<Digests>, VerifyError> {
        let mut primary = blake3::Hasher::new();
        let mut both = DualHasher::new();
        let mut size_bytes = 0;
        loop {
            let chunk = match file.read_once_at(&mut self.buffer, size_bytes) {
                Ok(0) => break,
                Ok(read) => &self.buffer[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Err(error)),
            };
            if depth == Depth::Both {
                both.update(chunk);
            } else {
                primary.update(chunk);
            }
            size_bytes += chunk.len() as u64;
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(VerifyError::Cancelled);
            }
        }
        Ok(Ok(if depth == Depth::Both {
            both.finish()
        } else {
            let blake3 = Blake3::from_bytes(*primary.finalize().as_bytes());
            Digests { blake3, sha256: NOT_TAKEN, size_bytes }
        }))
    }

    /// Helps others with their long files, until nobody can come with another.
    pub(super) fn help(&mut self, together: &Together) {
        if self.buffer.is_empty() {
            self.buffer = vec![0; CHUNK_BYTES];
        }
        let go_on = || !self.cancelled.load(Ordering::Relaxed);
        together.help(&mut self.buffer, &go_on);
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
