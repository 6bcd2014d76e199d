//! Long content on its way out: one thread reads it and hands it on, another hashes it beside.
//!
//! What takes the bytes (a file, a pipe) and what checks them cost about the same, so that one long object alone uses two
//! cores. Where there is no thread to be had, one does both.

use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::bounded;

use super::fault::{ReadFailure, fill, read_chunks};
use crate::disk::DiskFile;
use crate::identity::Blake3;

/// How much is read at a time.
pub(super) const CHUNK_BYTES: usize = 1 << 20;
/// How many chunks are between the two threads at most.
const CHUNKS: usize = 4;

/// What was read, and what its bytes are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hashed {
    pub(super) digest: Blake3,
    pub(super) size_bytes: u64,
}

/// Reads a file from front to end, handing out each chunk with its offset, and hashes all of it.
pub(super) fn read_hashed<E>(
    file: &dyn DiskFile,
    mut take: impl FnMut(&[u8], u64) -> Result<(), E>,
) -> Result<Hashed, ReadFailure<E>> {
    let (full, to_hash) = bounded::<Arc<Vec<u8>>>(CHUNKS);
    let (free, hashed) = bounded::<Arc<Vec<u8>>>(CHUNKS);
    std::thread::scope(|scope| {
        let hashing = Builder::new().spawn_scoped(scope, move || {
            let mut hasher = blake3::Hasher::new();
            for chunk in to_hash {
                hasher.update(&chunk);
                // The other side may have ended already.
                drop(free.send(chunk));
            }
            Blake3::from_bytes(*hasher.finalize().as_bytes())
        });
        let Ok(hashing) = hashing else { return read_and_hash(file, take) };
        let (mut size_bytes, mut made) = (0, 0);
        loop {
            let mut chunk = if made < CHUNKS {
                made += 1;
                Arc::new(vec![0; CHUNK_BYTES])
            } else {
                hashed.recv().expect("the hashing thread lives as long as this end of its channel")
            };
            let bytes = Arc::get_mut(&mut chunk).expect("this thread let go of it when it was handed over");
            let filled = fill(file, bytes, size_bytes).map_err(ReadFailure::File)?;
            bytes.truncate(filled);
            if filled == 0 {
                break;
            }
            full.send(Arc::clone(&chunk))
                .expect("the hashing thread lives as long as this end of its channel");
            take(&chunk, size_bytes).map_err(ReadFailure::Taker)?;
            size_bytes += filled as u64;
            if filled < CHUNK_BYTES {
                break;
            }
        }
        drop(full);
        let digest = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(Hashed { digest, size_bytes })
    })
}

/// The same on one thread.
fn read_and_hash<E>(
    file: &dyn DiskFile,
    mut take: impl FnMut(&[u8], u64) -> Result<(), E>,
) -> Result<Hashed, ReadFailure<E>> {
    let mut hasher = blake3::Hasher::new();
    let size_bytes = read_chunks(file, &mut vec![0; CHUNK_BYTES], |chunk, offset| {
        hasher.update(chunk);
        take(chunk, offset)
    })?;
    Ok(Hashed { digest: Blake3::from_bytes(*hasher.finalize().as_bytes()), size_bytes })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::{Disk as _, RealDisk};

    #[test]
    fn what_is_handed_out_is_what_is_hashed() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(dir.path()).unwrap();
        let name = Path::new("long");
        let file = disk.create(name, 0o600).unwrap();
        for length in [0, 1, CHUNK_BYTES, 7 * CHUNK_BYTES - 1, 7 * CHUNK_BYTES + 1] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            file.set_len(0).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
            let expected = Hashed { digest: Blake3::of(&bytes), size_bytes: length as u64 };
            for beside in [true, false] {
                let mut taken = Vec::new();
                let take = |chunk: &[u8], offset| {
                    assert_eq!(offset, taken.len() as u64);
                    taken.extend_from_slice(chunk);
                    Ok::<(), ()>(())
                };
                let hashed = if beside { read_hashed(&*file, take) } else { read_and_hash(&*file, take) };
                assert!(matches!(hashed, Ok(found) if found == expected), "{length}");
                assert!(taken == bytes, "{length}");
            }
        }
    }

    #[test]
    fn whoever_takes_the_bytes_may_stop() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(dir.path()).unwrap();
        let file = disk.create(Path::new("long"), 0o600).unwrap();
        file.set_len(9 * CHUNK_BYTES as u64).unwrap();
        for stop_at in 0..9 {
            let stopped = read_hashed(&*file, |_, offset| {
                if offset == stop_at * CHUNK_BYTES as u64 { Err(offset) } else { Ok(()) }
            });
            assert!(matches!(stopped, Err(ReadFailure::Taker(at)) if at == stop_at * CHUNK_BYTES as u64));
        }
    }
}
