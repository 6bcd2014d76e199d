//! What can be wrong with the file of an object, and the reading that finds it.

use std::fmt;
use std::io;

use crate::disk::{DiskFile, FileKind};
use crate::identity::{ContentAddress, Sha256};

/// What is wrong with an object's file, or odd about something that stands among the objects.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// No file stands under the object's name.
    Missing,
    /// The file is shorter than the object.
    Truncated {
        /// The object's size.
        expected_bytes: u64,
        /// The file's size.
        found_bytes: u64,
    },
    /// The file holds other bytes.
    Altered {
        /// The file's size.
        found_bytes: u64,
        /// What the bytes are called, where they were read.
        found: Option<ContentAddress>,
    },
    /// The bytes have the primary digest, and not the second one that the log names.
    SecondDigest {
        /// The digest that they have.
        found: Sha256,
    },
    /// The file holds, whole, another object that the log names.
    Misnamed {
        /// That object.
        found: ContentAddress,
    },
    /// Something stands among the objects that the log does not know.
    Foreign {
        /// What it is.
        kind: FileKind,
    },
    /// The permission bits are not those of an object.
    WrongMode {
        /// What they are.
        found: u32,
    },
    /// Something that is no regular file stands under an object's name.
    NotAFile {
        /// What it is.
        kind: FileKind,
    },
    /// The system refused to show the bytes.
    Unreadable {
        /// What it said.
        error: io::Error,
    },
    /// A note: a file whose bytes match its name (unread in a quick scan), and the log does not call it stored.
    Unrecorded,
    /// A note: something in `tmp/`, a writer's at work or a dead one's.
    Leftover,
}

impl Fault {
    /// Returns the word that documents and events use.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Truncated { .. } => "truncated",
            Self::Altered { .. } => "altered",
            Self::SecondDigest { .. } => "second-digest",
            Self::Misnamed { .. } => "misnamed",
            Self::Foreign { .. } => "foreign",
            Self::WrongMode { .. } => "wrong-mode",
            Self::NotAFile { .. } => "not-a-file",
            Self::Unreadable { .. } => "unreadable",
            Self::Unrecorded => "unrecorded",
            Self::Leftover => "leftover",
        }
    }

    /// Returns whether it is worth knowing and not damage.
    pub const fn is_note(&self) -> bool {
        matches!(self, Self::Unrecorded | Self::Leftover)
    }

    /// Returns whether the object's bytes cannot be had from this file.
    pub const fn harms_bytes(&self) -> bool {
        match self {
            Self::Missing
            | Self::Truncated { .. }
            | Self::Altered { .. }
            | Self::Misnamed { .. }
            | Self::NotAFile { .. }
            | Self::Unreadable { .. } => true,
            Self::SecondDigest { .. }
            | Self::Foreign { .. }
            | Self::WrongMode { .. }
            | Self::Unrecorded
            | Self::Leftover => false,
        }
    }
}

impl fmt::Display for Fault {
    /// Says it in a few words, with what was expected and what was found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no file stands there"),
            Self::Truncated { expected_bytes, found_bytes } => {
                write!(f, "expected {expected_bytes} bytes, found {found_bytes}")
            }
            Self::Altered { found_bytes, found: Some(found) } => {
                write!(f, "found {found_bytes} bytes, {found}")
            }
            Self::Altered { found_bytes, found: None } => write!(f, "found {found_bytes} bytes"),
            Self::SecondDigest { found } => write!(f, "found sha256:{found}"),
            Self::Misnamed { found } => write!(f, "found {found}"),
            Self::Foreign { kind } => write!(f, "found a {}", word(*kind)),
            Self::WrongMode { found } => write!(f, "expected mode 0444, found {found:04o}"),
            Self::NotAFile { kind } => write!(f, "found a {}", word(*kind)),
            Self::Unreadable { error } => error.fmt(f),
            Self::Unrecorded => f.write_str("not called stored by the log"),
            Self::Leftover => f.write_str("bytes in flight, or left by a writer that died"),
        }
    }
}

fn word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symbolic link",
        FileKind::Other => "special file",
    }
}

/// Why a file was not read to its end.
pub(super) enum ReadFailure<E> {
    /// The system refused.
    File(io::Error),
    /// Whoever took the chunks did.
    Taker(E),
}

/// Reads a file from front to end through one buffer, whose length is the length of all chunks but the last.
pub(super) fn read_chunks<E>(
    file: &dyn DiskFile,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8], u64) -> Result<(), E>,
) -> Result<u64, ReadFailure<E>> {
    let mut offset = 0;
    loop {
        let filled = fill(file, buffer, offset).map_err(ReadFailure::File)?;
        if filled == 0 {
            return Ok(offset);
        }
        take(&buffer[..filled], offset).map_err(ReadFailure::Taker)?;
        offset += filled as u64;
        if filled < buffer.len() {
            return Ok(offset);
        }
    }
}

/// Reads until the buffer is full or the file ends.
pub(super) fn fill(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    crate::fill::fill(buffer, |rest, filled| file.read_at(rest, offset + filled as u64), || Ok(()))
}
