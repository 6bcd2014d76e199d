//! Long content, hashed on a thread of its own while another reads it and does something with it.
//!
//! What takes the bytes (a file, a pipe) and what hashes them cost about the same, so that one long stream alone uses
//! two cores. Its chunks go to the [`HashingThread`] in their order and come back to be filled again, so that there are
//! few of them. On the way out ([`read_hashed`]) one thread does both where there is no other to be had; on the way in
//! ([`stream`](super::stream::stream)), where another digest is taken meanwhile, that is an error.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::fault::{ReadFailure, fill, read_chunks};
use crate::disk::DiskFile;
use crate::identity::Blake3;

/// How much is read, and written, at a time. A file system with large folios takes memory in pieces of the size of the
/// write; small ones are the pages that were in use a moment ago, and in a virtual machine those are far cheaper: an
/// export of 700 MB took 1.3 s with writes of 1 MiB, and 0.4 s with these.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
/// How many chunks are between the two threads at most.
const CHUNKS: usize = 4;

/// A thread that hashes chunks while whoever gives them to it has them still.
pub(super) struct HashingThread<'s, H> {
    full: Sender<Arc<Vec<u8>>>,
    hashed: Receiver<Arc<Vec<u8>>>,
    made: usize,
    thread: ScopedJoinHandle<'s, H>,
}

impl<'s, H: Send + 's> HashingThread<'s, H> {
    /// Starts one with a hasher and how to feed it. An error where the system has no thread to spare.
    pub(super) fn start(
        scope: &'s Scope<'s, '_>,
        mut hasher: H,
        update: impl Fn(&mut H, &[u8]) + Send + 's,
    ) -> io::Result<Self> {
        let (full, to_hash) = bounded::<Arc<Vec<u8>>>(CHUNKS);
        let (free, hashed) = bounded::<Arc<Vec<u8>>>(CHUNKS);
        let thread = Builder::new().spawn_scoped(scope, move || {
            for chunk in to_hash {
                update(&mut hasher, &chunk);
                // The other side may have ended already.
                drop(free.send(chunk));
            }
            hasher
        })?;
        Ok(Self { full, hashed, made: 0, thread })
    }

    /// Has a chunk filled: a new one, or one that is hashed, with what it held. Waits where all are on their way.
    pub(super) fn next<E>(
        &mut self,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Arc<Vec<u8>>, E> {
        let mut chunk = if self.made < CHUNKS {
            self.made += 1;
            Arc::new(Vec::new())
        } else {
            self.hashed.recv().expect("the hashing thread lives as long as this end of its channel")
        };
        fill(Arc::get_mut(&mut chunk).expect("this thread let go of it when it was handed over"))?;
        Ok(chunk)
    }

    /// Hands a chunk over. Whoever does still has it, and lets go of it before [`HashingThread::next`] is called again.
    pub(super) fn hash(&self, chunk: &Arc<Vec<u8>>) {
        self.full
            .send(Arc::clone(chunk))
            .expect("the hashing thread lives as long as this end of its channel");
    }

    /// Waits for the end, and returns the hasher that had all chunks.
    pub(super) fn finish(self) -> H {
        drop(self.full);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

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
    std::thread::scope(|scope| {
        let started = HashingThread::start(scope, blake3::Hasher::new(), |hasher, chunk| {
            hasher.update(chunk);
        });
        let Ok(mut hashing) = started else { return read_and_hash(file, take) };
        let mut size_bytes = 0;
        loop {
            let chunk = hashing.next(|bytes| {
                bytes.resize(CHUNK_BYTES, 0);
                let filled = fill(file, bytes, size_bytes).map_err(ReadFailure::File)?;
                bytes.truncate(filled);
                Ok(())
            })?;
            if chunk.is_empty() {
                break;
            }
            hashing.hash(&chunk);
            take(&chunk, size_bytes).map_err(ReadFailure::Taker)?;
            size_bytes += chunk.len() as u64;
            if chunk.len() < CHUNK_BYTES {
                break;
            }
        }
        let digest = Blake3::from_bytes(*hashing.finish().finalize().as_bytes());
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
