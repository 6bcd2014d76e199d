//! Members out of a stream, which may come from anybody.

use std::io::{self, Read};

use tar::Header;

use super::pax::{self, Records};
use super::{BLOCK, BLOCK_BYTES};
use crate::fill::fill;
use crate::manifest::{EntryPath, Mtime, PathError};

/// The most that an extended header may hold. Ours hold two paths at most.
const EXTENSION_BYTES_MAX: u64 = 1 << 20;
/// The largest size that a manifest can say.
const SIZE_MAX: u64 = (1 << 53) - 1;

/// What is wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes end before they should.
    #[error("it is cut off")]
    CutOff,
    /// It holds not even the mark that an empty archive ends with.
    #[error("it is empty: whatever was to write it wrote nothing")]
    Empty,
    /// A header's checksum is not that of its bytes.
    #[error("it is no tar archive, or damaged: a header has a wrong checksum")]
    Checksum,
    /// It is a tar archive at best inside.
    #[error("it is compressed with {0}; give it unpacked, as {0} -dc writes it")]
    Compressed(&'static str),
    /// Something follows its end.
    #[error("something follows the end of the archive")]
    AfterEnd,
    /// A number cannot be read, or is larger than any file.
    #[error("a size, mode or time cannot be read")]
    Number,
    /// A directory, link or device claims to have content.
    #[error("its size says {0} bytes, and what it is holds none")]
    Size(u64),
    /// An extended record cannot be read.
    #[error("its extended header cannot be read")]
    Record,
    /// An extended header says the same thing twice.
    #[error("its extended header says the same thing twice")]
    RecordTwice,
    /// An extended header is longer than any path.
    #[error("its extended header has {0} bytes")]
    RecordTooLong(u64),
    /// Headers that say something of the next member are not followed by one.
    #[error("an extended header belongs to nothing")]
    Astray,
    /// A global header would rename every member.
    #[error("a global header names all members alike")]
    Global,
    /// It is a file with holes, told in GNU tar's way.
    #[error(
        "it is sparse in GNU tar's own format; write the archive without --sparse (bsdtar: with --no-read-sparse)"
    )]
    Sparse,
    /// It is of a kind that has no place in a package: one of a volume or of an incremental backup.
    #[error("it is of the kind {:?}, which is not understood", char::from(*.0))]
    Kind(u8),
    /// Its path leads out, or is none.
    #[error("{0}")]
    Path(PathError),
    /// It is another name of something out of the archive.
    #[error("it is a link out of the archive: {0}")]
    LinkOut(PathError),
    /// A link leads nowhere that can be stored.
    #[error("its link is empty, longer than 4,096 bytes or holds a NUL byte")]
    Link,
}

/// Why no member could be read.
#[derive(Debug, thiserror::Error)]
pub enum TarError<E> {
    /// The archive is refused.
    #[error("{}: {refusal}", String::from_utf8_lossy(member))]
    Refused {
        /// The member's path as the archive has it; empty where it is the archive itself.
        member: Vec<u8>,
        /// Why.
        refusal: Refusal,
    },
    /// The stream cannot be read.
    #[error(transparent)]
    Read(io::Error),
    /// Whoever was asked whether to go on said no.
    #[error(transparent)]
    Stop(E),
}

impl<E> From<io::Error> for TarError<E> {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A file of so many bytes, which can be read now.
    File {
        /// Its size in bytes.
        size_bytes: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points: 1 to 4,096 bytes without NUL.
        target: Box<[u8]>,
    },
    /// Another name of a member that came before.
    Link {
        /// That member.
        to: EntryPath,
    },
    /// A device or a fifo.
    Special(&'static str),
}

/// One member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path; `None` for the directory that everything is in.
    pub path: Option<EntryPath>,
    /// Permission bits (`07777`).
    pub mode: u32,
    /// When it was last modified.
    pub mtime: Mtime,
    /// What it is.
    pub body: Body,
}

/// Where an archive comes from: a stream, and somebody to ask whether to go on where a signal ended a read.
pub struct Input<'a, E> {
    /// The bytes.
    pub stream: &'a mut dyn Read,
    /// Whether to go on.
    pub ask: &'a dyn Fn() -> Result<(), E>,
}

/// Reads an archive, member by member, without going back.
pub struct Reader<'a, E> {
    input: Input<'a, E>,
    /// How much of the present member's content has not been read yet.
    content: u64,
    /// What fills its last block.
    padding: u64,
    /// What a global header said.
    global_mtime: Option<Mtime>,
    members: u64,
}

impl<'a, E> Reader<'a, E> {
    /// Begins with nothing read.
    pub const fn new(input: Input<'a, E>) -> Self {
        Self { input, content: 0, padding: 0, global_mtime: None, members: 0 }
    }

    /// Goes on to the next member; what was not read of the last one is passed over. `None` at the end, when the rest
    /// of the stream has been read.
    ///
    /// # Errors
    /// [`TarError`]; nothing can be read after one.
    pub fn next_member(&mut self) -> Result<Option<Member>, TarError<E>> {
        self.pass_over()?;
        let mut long_path = None;
        let mut long_link = None;
        let mut records = None;
        loop {
            let Some(header) = self.header()? else {
                let is_astray = long_path.is_some() || long_link.is_some() || records.is_some();
                return if is_astray { Err(refused(b"", Refusal::Astray)) } else { Ok(None) };
            };
            let name = header.path_bytes().into_owned();
            let fail = |refusal| refused(&name, refusal);
            match header.entry_type().as_byte() {
                b'L' => set(&mut long_path, self.long(&header)?).map_err(fail)?,
                b'K' => set(&mut long_link, self.long(&header)?).map_err(fail)?,
                b'x' => {
                    let extension = self.extension(&header)?;
                    set(&mut records, pax::parse(&extension).map_err(fail)?).map_err(fail)?;
                }
                b'g' => {
                    let extension = self.extension(&header)?;
                    let Records { path, link, size, mtime } = pax::parse(&extension).map_err(fail)?;
                    if path.is_some() || link.is_some() || size.is_some() {
                        return Err(fail(Refusal::Global));
                    }
                    self.global_mtime = mtime.or(self.global_mtime);
                }
                b'V' => self.extension(&header).map(drop)?, // the archive's own label
                kind => {
                    let Records { path, link, size, mtime } = records.unwrap_or_default();
                    // Two names for one member: readers would disagree about which it is.
                    if (path.is_some() && long_path.is_some()) || (link.is_some() && long_link.is_some()) {
                        return Err(fail(Refusal::RecordTwice));
                    }
                    let path = path.or(long_path).unwrap_or(name);
                    let link = link.or(long_link).or_else(|| header.link_name_bytes().map(Into::into));
                    let told = Told { path, link: link.unwrap_or_default(), size, mtime };
                    let member = self.member(&header, kind, &told);
                    return member.map(Some).map_err(|refusal| refused(&told.path, refusal));
                }
            }
        }
    }

    /// Reads of the present member's content until the buffer is full or there is no more, and returns how much.
    ///
    /// # Errors
    /// [`TarError`], also where the archive ends within.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TarError<E>> {
        let wanted = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        let filled = self.fill(&mut buffer[..wanted])?;
        self.content -= filled as u64;
        if filled < wanted { Err(refused(b"", Refusal::CutOff)) } else { Ok(filled) }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, TarError<E>> {
        let Input { stream, ask } = &mut self.input;
        fill(buffer, |rest, _| stream.read(rest), || ask().map_err(TarError::Stop))
    }

    /// Reads what is left of a member.
    fn pass_over(&mut self) -> Result<(), TarError<E>> {
        let mut buffer = [0; 16 * BLOCK_BYTES];
        self.content += std::mem::take(&mut self.padding);
        while self.content > 0 {
            self.read(&mut buffer)?;
        }
        Ok(())
    }

    /// Reads the next header; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, TarError<E>> {
        let mut block = [0; BLOCK_BYTES];
        match self.fill(&mut block)? {
            BLOCK_BYTES => {}
            0 if self.members == 0 => return Err(refused(b"", Refusal::Empty)),
            read if self.members == 0 => {
                return Err(refused(b"", compression(&block[..read]).unwrap_or(Refusal::Checksum)));
            }
            _ => return Err(refused(b"", Refusal::CutOff)),
        }
        if block.iter().all(|byte| *byte == 0) {
            self.end()?;
            return Ok(None);
        }
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block);
        let sum =
            |range: std::ops::Range<usize>| block[range].iter().map(|byte| u32::from(*byte)).sum::<u32>();
        let sum = sum(0..148) + 8 * u32::from(b' ') + sum(156..BLOCK_BYTES);
        if header.cksum().ok() != Some(sum) {
            let refusal = if self.members == 0 { compression(&block) } else { None };
            return Err(refused(b"", refusal.unwrap_or(Refusal::Checksum)));
        }
        self.members += 1;
        Ok(Some(header))
    }

    /// Makes sure that nothing but zeros follows the mark of the end, of which one block has been read.
    fn end(&mut self) -> Result<(), TarError<E>> {
        let mut buffer = [0; 16 * BLOCK_BYTES];
        loop {
            let filled = self.fill(&mut buffer)?;
            if buffer[..filled].iter().any(|byte| *byte != 0) {
                return Err(refused(b"", Refusal::AfterEnd));
            }
            if filled < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Reads the content of a header that says something of another.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, TarError<E>> {
        let name = header.path_bytes();
        let size = header.entry_size().map_err(|_| refused(&name, Refusal::Number))?;
        if size > EXTENSION_BYTES_MAX {
            return Err(refused(&name, Refusal::RecordTooLong(size)));
        }
        self.content = size;
        self.padding = padding(size);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        self.read(&mut bytes)?;
        self.pass_over()?;
        Ok(bytes)
    }

    /// Reads a path that GNU tar found too long for a header; it ends with NUL.
    fn long(&mut self, header: &Header) -> Result<Vec<u8>, TarError<E>> {
        let mut bytes = self.extension(header)?;
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            bytes.truncate(end);
        }
        Ok(bytes)
    }

    /// Makes sense of a member's header and of what was said of it before.
    fn member(&mut self, header: &Header, kind: u8, told: &Told) -> Result<Member, Refusal> {
        let size_bytes = match told.size {
            Some(size) => size,
            None => header.entry_size().map_err(|_| Refusal::Number)?,
        };
        if size_bytes > SIZE_MAX {
            return Err(Refusal::Number);
        }
        let path = path(&told.path)?;
        // In the oldest archives a slash is all that tells a directory.
        let is_file = matches!(kind, b'0' | b'7');
        let body = match kind {
            _ if is_file && told.path.ends_with(b"/") => Body::Directory,
            _ if is_file => Body::File { size_bytes },
            b'1' => Body::Link { to: linked(&told.link)? },
            b'2' => Body::Symlink { target: target(&told.link)? },
            b'3' => Body::Special("character device"),
            b'4' => Body::Special("block device"),
            b'5' => Body::Directory,
            b'6' => Body::Special("fifo"),
            b'S' => return Err(Refusal::Sparse),
            other => return Err(Refusal::Kind(other)),
        };
        match body {
            Body::File { .. } => (self.content, self.padding) = (size_bytes, padding(size_bytes)),
            Body::Directory | Body::Symlink { .. } | Body::Link { .. } | Body::Special(_) => {
                if size_bytes > 0 {
                    return Err(Refusal::Size(size_bytes));
                }
            }
        }
        if path.is_none() && body != Body::Directory {
            return Err(Refusal::Path(PathError::Empty));
        }
        let mode = header.mode().map_err(|_| Refusal::Number)? & 0o7777;
        let mtime = match told.mtime.or(self.global_mtime) {
            Some(mtime) => mtime,
            // Two's complement is how a time before 1970 stands there.
            None => {
                Mtime { seconds: header.mtime().map_err(|_| Refusal::Number)?.cast_signed(), nanoseconds: 0 }
            }
        };
        if mtime.seconds.unsigned_abs() > SIZE_MAX {
            return Err(Refusal::Number);
        }
        Ok(Member { path, mode, mtime, body })
    }
}

/// What a header and the extended ones before it say.
struct Told {
    path: Vec<u8>,
    link: Vec<u8>,
    size: Option<u64>,
    mtime: Option<Mtime>,
}

fn refused<E>(member: &[u8], refusal: Refusal) -> TarError<E> {
    TarError::Refused { member: member.to_vec(), refusal }
}

/// Sets what may be said only once.
fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::RecordTwice),
    }
}

const fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK) - size
}

/// Returns the path of a member without `.` and doubled slashes, `None` for the top.
fn path(bytes: &[u8]) -> Result<Option<EntryPath>, Refusal> {
    if bytes.starts_with(b"/") {
        return Err(Refusal::Path(PathError::Absolute));
    }
    let parts: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    match &parts[..] {
        [] if bytes.is_empty() => Err(Refusal::Path(PathError::Empty)),
        [] => Ok(None),
        parts => EntryPath::new(parts.join(&b'/')).map(Some).map_err(Refusal::Path),
    }
}

/// Returns the path of the member that a hard link is another name of.
fn linked(bytes: &[u8]) -> Result<EntryPath, Refusal> {
    match path(bytes) {
        Ok(to) => to.ok_or(Refusal::Link),
        Err(Refusal::Path(PathError::Empty)) => Err(Refusal::Link),
        Err(Refusal::Path(error)) => Err(Refusal::LinkOut(error)),
        Err(other) => Err(other),
    }
}

fn target(bytes: &[u8]) -> Result<Box<[u8]>, Refusal> {
    match bytes.len() {
        1..=crate::manifest::TARGET_BYTES_MAX if !bytes.contains(&0) => Ok(bytes.into()),
        _ => Err(Refusal::Link),
    }
}

/// Says by what a stream begins with that somebody has to unpack it first.
fn compression(bytes: &[u8]) -> Option<Refusal> {
    let known: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x04\x22\x4d\x18", "lz4"),
    ];
    known.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| Refusal::Compressed(name))
}
