//! One file, served to the kernel over `/dev/fuse`: the protocol, and nothing of what the bytes mean.
//!
//! The root of the file system is the file itself, so there is nothing to look up. Of the protocol
//! (`linux/fuse.h`) this speaks what a loop device asks of its backing file. It asks for no writeback cache, and
//! opens with `FOPEN_DIRECT_IO`: a write has come here when the loop device reports its end, and not later.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

/// What the file does. A write is kept, and a sync done, when the method returns: only then is it answered.
pub(super) trait Served {
    fn size_bytes(&self) -> u64;
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

/// The options under which `mount` has to be told of the connection, which is its standard input.
pub(super) const MOUNT_OPTIONS: &str = "fd=0,rootmode=100600,user_id=0,group_id=0,default_permissions";

/// The one inode.
const ROOT: u64 = 1;
const WRITE_BYTES_MAX: u32 = 1 << 20;
const PAGES_MAX: u16 = 256;
/// The version whose structures are written here; a later kernel speaks it.
const VERSION: [u32; 2] = [7, 31];

const FUSE_ASYNC_READ: u32 = 1;
const FUSE_BIG_WRITES: u32 = 1 << 5;
const FUSE_MAX_PAGES: u32 = 1 << 22;
const FOPEN_DIRECT_IO: u32 = 1;

const ENOSYS: i32 = 38;
const EIO: i32 = 5;

/// Answers the kernel until the file is unmounted.
pub(super) fn serve(mut device: File, file: &mut impl Served) -> io::Result<()> {
    let mut buffer = vec![0; WRITE_BYTES_MAX as usize + 65536];
    loop {
        let length = match device.read(&mut buffer) {
            Ok(length) => length,
            Err(error) => match error.raw_os_error() {
                // Unmounted: there is nobody any more.
                Some(19) => return Ok(()),
                // The request was taken back, or a signal came.
                Some(2 | 4 | 11) => continue,
                _ => return Err(error),
            },
        };
        let request = Request { bytes: &buffer[..length] };
        let Some(answer) = answer(&request, file) else { continue };
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(errno) => (-errno, Vec::new()),
        };
        let mut reply = Vec::with_capacity(16 + body.len());
        reply.extend(u32::try_from(16 + body.len()).unwrap().to_ne_bytes());
        reply.extend(error.to_ne_bytes());
        reply.extend(request.u64(8).to_ne_bytes());
        reply.extend(body);
        match device.write(&reply) {
            // Who asked may have gone meanwhile.
            Err(error) if error.raw_os_error() != Some(2) => return Err(error),
            _ => {}
        }
    }
}

/// A request as it came: 40 bytes of header (length, opcode, unique, inode, …), then the opcode's own.
struct Request<'b> {
    bytes: &'b [u8],
}

impl Request<'_> {
    fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    /// Of a read or a write: where, and how many bytes.
    fn range(&self) -> (u64, usize) {
        (self.u64(48), self.u32(56) as usize)
    }
}

/// `None` where the kernel expects no answer.
fn answer(request: &Request<'_>, file: &mut impl Served) -> Option<Result<Vec<u8>, i32>> {
    let failed = |_: io::Error| EIO;
    Some(match request.u32(4) {
        // FORGET, INTERRUPT, BATCH_FORGET
        2 | 36 | 42 => return None,
        // GETATTR, SETATTR
        3 | 4 => Ok(attributes(file.size_bytes())),
        // OPEN
        14 => Ok([0u32, 0, FOPEN_DIRECT_IO, 0].iter().flat_map(|word| word.to_ne_bytes()).collect()),
        // READ
        15 => {
            let (offset, length) = request.range();
            let rest = usize::try_from(file.size_bytes().saturating_sub(offset)).unwrap_or(usize::MAX);
            let mut bytes = vec![0; length.min(rest)];
            file.read_at(&mut bytes, offset).map(|()| bytes).map_err(failed)
        }
        // WRITE
        16 => {
            let (offset, length) = request.range();
            let written = file.write_at(&request.bytes[80..80 + length], offset);
            written.map(|()| (length as u64).to_ne_bytes().to_vec()).map_err(failed)
        }
        // STATFS
        17 => Ok(vec![0; 80]),
        // FSYNC
        20 => file.sync().map(|()| Vec::new()).map_err(failed),
        // RELEASE, FLUSH (of a close, which makes nothing durable), ACCESS, DESTROY
        18 | 25 | 34 | 38 => Ok(Vec::new()),
        // INIT
        26 => Ok(init(request)),
        // FALLOCATE among them: what would punch a hole writes zeros instead, or does without.
        _ => Err(ENOSYS),
    })
}

fn init(request: &Request<'_>) -> Vec<u8> {
    let offered = request.u32(52);
    let wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES;
    let mut body = Vec::new();
    // Version, read-ahead, flags.
    for word in [VERSION[0], VERSION[1], request.u32(48), offered & wanted] {
        body.extend(word.to_ne_bytes());
    }
    // Background requests: the most, and from where on there is a jam.
    body.extend([64u16, 48].iter().flat_map(|word| word.to_ne_bytes()));
    // The longest write, the granularity of times.
    body.extend([WRITE_BYTES_MAX, 1].iter().flat_map(|word| word.to_ne_bytes()));
    body.extend(PAGES_MAX.to_ne_bytes());
    body.resize(64, 0);
    body
}

fn attributes(size_bytes: u64) -> Vec<u8> {
    let mut body = Vec::new();
    // For how long they hold: a second, and then they are asked for again.
    body.extend([1u64, 0].iter().flat_map(|word| word.to_ne_bytes()));
    // Inode, size, blocks, three times in seconds.
    let longs = [ROOT, size_bytes, size_bytes.div_ceil(512), 0, 0, 0];
    body.extend(longs.iter().flat_map(|word| word.to_ne_bytes()));
    // The rest of the times, mode, links, owner, group, device, block size, flags.
    let words = [0, 0, 0, 0o100_600, 1, 0, 0, 0, 4096, 0u32];
    body.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    body
}
