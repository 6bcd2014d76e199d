//! Bytes out, to a writer, checked against the name that they were asked for under.
//!
//! Up to [`WHOLE_BYTES_MAX`] nothing is written before all is checked. Longer objects are checked as they
//! pass; a mismatch is known only at the end, and the caller must then disown what was written. A range is
//! checked in the same way: the whole object is read, since only the whole has a digest.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::beside::read_hashed;
use super::fault::{ReadFailure, fill};
use crate::disk::DiskFile;
use crate::identity::{Blake3, ContentAddress};
use crate::storage::{ByteRange, Local, StorageError};

/// Objects of up to this size are checked before the first byte is written.
pub const WHOLE_BYTES_MAX: u64 = 16 << 20;

/// Why bytes were not handed out, or not all of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// No file stands under the object's name.
    #[error("the bytes of {address} are missing")]
    Missing {
        /// The object.
        address: ContentAddress,
    },
    /// The file's bytes are not the object's. Where the object is longer than [`WHOLE_BYTES_MAX`] some of them
    /// may have been written.
    #[error("the bytes of {expected} are damaged: found {found} ({found_bytes} bytes)")]
    Damaged {
        /// The object.
        expected: ContentAddress,
        /// What the bytes are called.
        found: ContentAddress,
        /// How many they are.
        found_bytes: u64,
    },
    /// The file cannot be read.
    #[error("cannot read the bytes of {address}")]
    Unreadable {
        /// The object.
        address: ContentAddress,
        /// What the system said.
        source: io::Error,
    },
    /// The range begins behind the end.
    #[error("byte {first} is behind the end of {address} ({size_bytes} bytes)")]
    OutOfRange {
        /// The object.
        address: ContentAddress,
        /// The first byte that was asked for, counted from 0.
        first: u64,
        /// The object's size.
        size_bytes: u64,
    },
    /// The object is longer than the caller would take at once.
    #[error("{address} has {size_bytes} bytes, more than {limit_bytes}")]
    TooLong {
        /// The object.
        address: ContentAddress,
        /// Its size.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// Something that is no file stands there, or the disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The writer failed; a closed pipe is such a failure.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    /// The caller's flag said to stop.
    #[error("cancelled")]
    Cancelled,
}

/// Writes an object's bytes, or a range of them, and returns how many were written.
///
/// # Errors
/// [`ServeError`]. After `Damaged` on an object longer than [`WHOLE_BYTES_MAX`], bytes that are not the object's
/// may have been written.
pub fn copy_checked(
    local: &Local,
    address: &ContentAddress,
    range: Option<ByteRange>,
    out: &mut dyn Write,
    cancelled: &AtomicBool,
) -> Result<u64, ServeError> {
    let (file, size_bytes) = open(local, address)?;
    let first = range.map_or(0, |range| range.first);
    let end =
        range.and_then(|range| range.last).map_or(size_bytes, |last| last.saturating_add(1).min(size_bytes));
    // A range is out of bounds only if the file has its right size: else that is the news.
    let out_of_range = range.is_some() && first >= size_bytes;
    let part = |chunk: &[u8], offset: u64| {
        let within = |at: u64| {
            usize::try_from(at.saturating_sub(offset)).map_or(chunk.len(), |at| at.min(chunk.len()))
        };
        within(first)..within(end).max(within(first))
    };
    let mut written = 0;
    if size_bytes <= WHOLE_BYTES_MAX {
        let bytes = read_whole(&*file, address, size_bytes)?;
        check(address, Blake3::of(&bytes), bytes.len() as u64)?;
        if !out_of_range {
            let part = &bytes[part(&bytes, 0)];
            out.write_all(part).map_err(ServeError::Output)?;
            written = part.len() as u64;
        }
    } else {
        let read = read_hashed(&*file, |chunk, offset| {
            if cancelled.load(Ordering::Relaxed) {
                return Err(ServeError::Cancelled);
            }
            let part = &chunk[part(chunk, offset)];
            written += part.len() as u64;
            out.write_all(part).map_err(ServeError::Output)
        });
        let found = read.map_err(|failure| match failure {
            ReadFailure::File(source) => ServeError::Unreadable { address: *address, source },
            ReadFailure::Taker(error) => error,
        })?;
        check(address, found.digest, found.size_bytes)?;
    }
    if out_of_range {
        return Err(ServeError::OutOfRange { address: *address, first, size_bytes });
    }
    out.flush().map_err(ServeError::Output)?;
    Ok(written)
}

/// Returns an object's bytes, checked; for payloads and manifests.
///
/// # Errors
/// [`ServeError::TooLong`] where it is longer than `limit_bytes`, and what [`copy_checked`] fails with.
pub fn read_checked(
    local: &Local,
    address: &ContentAddress,
    limit_bytes: u64,
) -> Result<Vec<u8>, ServeError> {
    let (file, size_bytes) = open(local, address)?;
    if size_bytes > limit_bytes {
        return Err(ServeError::TooLong { address: *address, size_bytes, limit_bytes });
    }
    let bytes = read_whole(&*file, address, size_bytes)?;
    check(address, Blake3::of(&bytes), bytes.len() as u64)?;
    Ok(bytes)
}

fn open(local: &Local, address: &ContentAddress) -> Result<(Box<dyn DiskFile>, u64), ServeError> {
    let file = local.open_object(address)?.ok_or(ServeError::Missing { address: *address })?;
    let stat = file.stat().map_err(|source| ServeError::Unreadable { address: *address, source })?;
    Ok((file, stat.size_bytes))
}

fn read_whole(file: &dyn DiskFile, address: &ContentAddress, size_bytes: u64) -> Result<Vec<u8>, ServeError> {
    let unreadable = |source| ServeError::Unreadable { address: *address, source };
    let size = usize::try_from(size_bytes).map_err(|error| unreadable(io::Error::other(error)))?;
    let mut bytes = vec![0; size];
    let filled = fill(file, &mut bytes, 0).map_err(unreadable)?;
    bytes.truncate(filled);
    Ok(bytes)
}

fn check(address: &ContentAddress, found: Blake3, found_bytes: u64) -> Result<(), ServeError> {
    let found = ContentAddress::new(found);
    if found == *address {
        Ok(())
    } else {
        Err(ServeError::Damaged { expected: *address, found, found_bytes })
    }
}
