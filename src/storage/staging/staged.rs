//! One file in flight: written under `tmp/`, and removed unless a batch takes it.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::error::{Action, Doing as _, StorageError};
use crate::disk::{Disk, DiskFile};

/// A file in flight, being written. It is removed when dropped, unless [`Staging::keep`](super::Staging::keep) takes it.
#[derive(Debug)]
pub struct Staged {
    disk: Arc<dyn Disk>,
    pub(super) path: PathBuf,
    /// Its number among the writer's.
    pub(super) nth: u64,
    pub(super) file: Option<Box<dyn DiskFile>>,
    size_bytes: u64,
}

impl Staged {
    pub(super) fn new(disk: Arc<dyn Disk>, path: PathBuf, nth: u64, file: Box<dyn DiskFile>) -> Self {
        Self { disk, path, nth, file: Some(file), size_bytes: 0 }
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let offset = self.size_bytes;
        self.write_all_at(bytes, offset)
    }

    /// Writes bytes at an offset; what was never written in between reads as zeros.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<(), StorageError> {
        if let Some(file) = &self.file
            && !bytes.is_empty()
        {
            file.write_all_at(bytes, offset).doing(Action::Write, &self.path)?;
            self.size_bytes = self.size_bytes.max(offset + bytes.len() as u64);
        }
        Ok(())
    }

    /// Makes the file share the blocks of another, as that is now, and returns whether the file system could do so.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn reflink(&mut self, source: BorrowedFd<'_>) -> Result<bool, StorageError> {
        let Some(file) = &self.file else { return Ok(false) };
        match file.reflink(source) {
            Ok(()) => {
                self.size_bytes = file.stat().doing(Action::Look, &self.path)?.size_bytes;
                Ok(true)
            }
            // Two file systems, or one that cannot.
            Err(error) if is_about_the_file_system(&error) => Ok(false),
            // Whatever it is, whoever writes the bytes instead meets it again, and tells of it.
            Err(_) => self.restart().map(|()| false),
        }
    }

    /// Reads what the file holds, from the front.
    pub fn reader(&self) -> impl io::Read {
        StagedReader { staged: self, at: 0 }
    }

    /// Asks for what was written in a range to be on its way to the disk already, without waiting for it.
    pub fn begin_writeback(&self, offset: u64, length: u64) {
        if let Some(file) = &self.file {
            file.begin_writeback(offset, length);
        }
    }

    /// Forgets what was written, to begin again.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn restart(&mut self) -> Result<(), StorageError> {
        if let Some(file) = &self.file {
            file.set_len(0).doing(Action::Write, &self.path)?;
        }
        self.size_bytes = 0;
        Ok(())
    }

    /// Returns how many bytes it holds.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Gives up the claim to remove the file.
    pub(super) fn kept(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            drop(self.disk.remove_file(&self.path));
        }
    }
}

/// Returns whether a reflink was refused for what the two files are on.
fn is_about_the_file_system(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, InvalidInput, Unsupported};
    matches!(error.kind(), CrossesDevices | InvalidInput | Unsupported)
}

/// Reads a file in flight from the front.
struct StagedReader<'a> {
    staged: &'a Staged,
    at: u64,
}

impl io::Read for StagedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(file) = &self.staged.file else { return Ok(0) };
        let read = file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
