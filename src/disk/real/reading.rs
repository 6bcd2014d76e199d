//! Bytes that are read once, without crowding out of the page cache what others keep there.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2, retry_on_intr};

/// `RWF_DONTCACHE` (Linux 6.14): pages that this read brings into the page cache leave it again when they have been
/// copied; pages that were there before stay. `rustix` has no name for it yet.
const DONTCACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);

/// How a file is read so that the page cache is afterwards as it was before (docs/decisions/0016).
#[derive(Debug, Default)]
pub(super) struct Behind(AtomicU8);

/// The kernel does it, as far as is known yet.
const BY_KERNEL: u8 = 0;
/// It cannot. All that was read so far was in the page cache before, and is left there.
const CACHED: u8 = 1;
/// It cannot. The rest of the file was not in the page cache, or only because we made the kernel read ahead.
const OURS: u8 = 2;
/// It cannot, and does not tell what is in the page cache: whatever was dropped could be what others need.
const UNTOLD: u8 = 3;

impl Behind {
    /// Reads as [`File::read_at`] does.
    pub(super) fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // Threads that read one file together may each find out the same.
        if self.0.load(Ordering::Relaxed) == BY_KERNEL {
            match flagged(file, buffer, offset, DONTCACHE) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.0.store(CACHED, Ordering::Relaxed);
                }
                read => return Ok(read?),
            }
        }
        let without_waiting = |buffer: &mut [u8]| flagged(file, buffer, offset, ReadWriteFlags::NOWAIT);
        self.without_the_kernel(file, buffer, offset, without_waiting)
    }

    /// What is read without waiting was in the page cache. Where that ends, the file was not, and from there on what
    /// was read is dropped.
    fn without_the_kernel(
        &self,
        file: &File,
        buffer: &mut [u8],
        offset: u64,
        without_waiting: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        let mut perhaps_at_end = false;
        if self.0.load(Ordering::Relaxed) == CACHED {
            match without_waiting(buffer) {
                // Linux 5.9 and 5.10 say so, too, of what is not in the page cache (preadv2(2), BUGS). Taken for the end of
                // the file, that would make damage of every sound object that nobody has read lately.
                Ok(0) => perhaps_at_end = true,
                Ok(read) => return Ok(read),
                Err(Errno::AGAIN) => self.0.store(OURS, Ordering::Relaxed),
                // A failing disk says more to the plain read.
                Err(_) => self.0.store(UNTOLD, Ordering::Relaxed),
            }
        }
        let read = loop {
            match file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if perhaps_at_end && read > 0 {
            self.0.store(OURS, Ordering::Relaxed);
        }
        if self.0.load(Ordering::Relaxed) == OURS {
            // To the end of the file where this is it: a length would spare its last page. Advice, so a refusal is no error.
            let length = if read < buffer.len() { None } else { NonZeroU64::new(read as u64) };
            fadvise(file, offset, length, Advice::DontNeed).ok();
        }
        Ok(read)
    }
}

fn flagged(file: &File, buffer: &mut [u8], offset: u64, flags: ReadWriteFlags) -> rustix::io::Result<usize> {
    retry_on_intr(|| preadv2(file, &mut [IoSliceMut::new(buffer)], offset, flags))
}

#[cfg(test)]
mod tests;
