//! Long content: read once, in chunks, hashed twice and written meanwhile.
//!
//! SHA-256 of one stream cannot be split, so for long content it gets a thread of its own; reading, BLAKE3
//! and writing share the other. Chunks that are all zeros are not written: what was sparse stays sparse.

use std::io::{self, Read};

use sha2::Digest as _;

use super::beside::{CHUNK_BYTES, HashingThread};
use super::ingest::IngestError;
use crate::identity::{Blake3, Digests, Sha256};
use crate::storage::Staged;

/// After how many bytes the kernel is asked to begin writing them. Left to itself it waits until a tenth of the memory
/// is full of them, and the sync at the end waits for it all.
const WRITEBACK_BYTES: u64 = 16 << 20;
const ZEROS: &[u8] = &[0; 16 * 1024];

/// Why content could not be taken.
#[derive(Debug)]
pub(super) enum StreamError {
    /// It could not be read.
    Read(io::Error),
    /// It could not be written, or somebody said stop.
    Stop(IngestError),
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// Reads everything, writing it where there is somewhere to write to, and returns its digests.
///
/// `head` is what has been read already. `each` hears of every chunk's length and may say stop; it is also
/// asked, with 0, whenever a read is interrupted.
pub(super) fn stream(
    input: &mut dyn Read,
    head: &[u8],
    mut output: Option<&mut Staged>,
    each: &dyn Fn(u64) -> Result<(), IngestError>,
) -> Result<Digests, StreamError> {
    std::thread::scope(|scope| {
        let second = HashingThread::start(scope, sha2::Sha256::new(), |hasher, chunk| hasher.update(chunk));
        let mut second = second.map_err(|error| StreamError::Stop(IngestError::Thread(error)))?;
        let mut primary = blake3::Hasher::new();
        let mut size_bytes = 0;
        let mut on_the_way = 0;
        let mut head = Some(head);
        loop {
            let chunk = second.next(|bytes| {
                bytes.clear();
                bytes.extend_from_slice(head.take().unwrap_or_default());
                fill(input, bytes, each)
            })?;
            if chunk.is_empty() {
                break;
            }
            second.hash(&chunk);
            primary.update(&chunk);
            if let Some(output) = output.as_deref_mut()
                && !is_zero(&chunk)
            {
                output.write_all_at(&chunk, size_bytes).map_err(|error| StreamError::Stop(error.into()))?;
            }
            size_bytes += chunk.len() as u64;
            if let Some(output) = output.as_deref()
                && size_bytes - on_the_way >= WRITEBACK_BYTES
            {
                output.begin_writeback(on_the_way, size_bytes - on_the_way);
                on_the_way = size_bytes;
            }
            each(chunk.len() as u64).map_err(StreamError::Stop)?;
        }
        if let Some(output) = output
            && output.size_bytes() < size_bytes
        {
            // The end was zeros: its last byte gives the file its length.
            output.write_all_at(&[0], size_bytes - 1).map_err(|error| StreamError::Stop(error.into()))?;
        }
        let sha256 = Sha256::from_bytes(second.finish().finalize().into());
        Ok(Digests { blake3: Blake3::from_bytes(*primary.finalize().as_bytes()), sha256, size_bytes })
    })
}

/// Reads until the chunk is full or the input ends.
fn fill(
    input: &mut dyn Read,
    bytes: &mut Vec<u8>,
    each: &dyn Fn(u64) -> Result<(), IngestError>,
) -> Result<(), StreamError> {
    let before = bytes.len();
    bytes.resize(CHUNK_BYTES.max(before), 0);
    let ask = || each(0).map_err(StreamError::Stop);
    let filled = crate::fill::fill(&mut bytes[before..], |rest, _| input.read(rest), ask)?;
    bytes.truncate(before + filled);
    Ok(())
}

/// Returns whether bytes are zeros to the last.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROS.len()).all(|piece| piece == &ZEROS[..piece.len()])
}
