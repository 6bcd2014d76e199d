//! Entries, and what stands above them in a manifest.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::path::EntryPath;
use crate::env::Timestamp;
use crate::identity::{Blake3, Digests, Sha256};

/// The most entries that one manifest holds (part of manifest version 1).
pub const ENTRIES_MAX: u64 = 16_000_000;
/// The longest symlink target in bytes (part of manifest version 1).
pub const TARGET_BYTES_MAX: usize = 4096;
/// The longest key or value of metadata and provenance in bytes (part of manifest version 1).
pub const LABEL_BYTES_MAX: usize = 65_536;

/// Text that describes a package: metadata, provenance.
pub type Labels = BTreeMap<String, String>;

/// The modification time of a file, kept only where it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mtime {
    /// Seconds since the Unix epoch, within ±(2^53−1).
    pub seconds: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EntryBody {
    /// A regular file: its permission bits (`07777`) and its object.
    File {
        /// Permission bits.
        mode: u32,
        /// Digests and size of the bytes.
        object: Digests,
    },
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link, kept as it was read and never followed.
    Symlink {
        /// Where it points: 1 to [`TARGET_BYTES_MAX`] bytes without NUL.
        target: Box<[u8]>,
    },
}

impl EntryBody {
    /// Returns the manifest's word for the kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Directory { .. } => "directory",
            Self::Symlink { .. } => "symlink",
        }
    }
}

/// One path of a package.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Where it stands in the package.
    pub path: EntryPath,
    /// What it is.
    pub body: EntryBody,
    /// When it was last modified, where that was asked for (`--mtime`).
    pub mtime: Option<Mtime>,
}

impl Entry {
    /// Returns the object of a file.
    pub const fn object(&self) -> Option<&Digests> {
        match &self.body {
            EntryBody::File { object, .. } => Some(object),
            EntryBody::Directory { .. } | EntryBody::Symlink { .. } => None,
        }
    }

    /// Makes the entry of a file out of its parts.
    pub const fn file(path: EntryPath, mode: u32, blake3: Blake3, sha256: Sha256, size_bytes: u64) -> Self {
        Self {
            path,
            body: EntryBody::File { mode, object: Digests { blake3, sha256, size_bytes } },
            mtime: None,
        }
    }
}

/// Why a text is not a package's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 128 of the characters A-Z a-z 0-9 . _ + - and does not begin with '.', '+' or '-'")]
pub struct ParseNameError;

/// The name of a package: `[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageName(Box<str>);

impl PackageName {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PackageName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let good = text.len() <= 128
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'+' | b'-'));
        if good { Ok(Self(text.into())) } else { Err(ParseNameError) }
    }
}

/// What one backend said it holds of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The backend; `local` is the store's own.
    pub backend_id: String,
    /// How many distinct objects.
    pub objects: u64,
    /// How many bytes these have together.
    pub bytes: u64,
}

/// How long a package is wanted, as it stood when the manifest was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionSummary {
    /// The name of the retention class.
    pub class: String,
    /// Its duration, or `None` where it has no expiry.
    pub duration_seconds: Option<u64>,
}

/// Everything of a manifest but its entries and their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHeader {
    /// The package's id.
    pub id: Uuid,
    /// The package's name.
    pub name: PackageName,
    /// The package's version, from 1.
    pub version: u64,
    /// When the package was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: String,
    /// What the user says of it.
    pub metadata: Labels,
    /// What the backends hold.
    pub receipts: Vec<Receipt>,
    /// How long it is wanted.
    pub retention: RetentionSummary,
    /// Where it comes from.
    pub provenance: Labels,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_strict() {
        for good in ["a", "_x", "0", "build-1.2+3_x", &"n".repeat(128)] {
            assert!(good.parse::<PackageName>().is_ok(), "{good}");
        }
        for bad in ["", ".a", "-a", "+a", "a b", "a/b", "a@1", "ä", &"n".repeat(129)] {
            assert_eq!(bad.parse::<PackageName>(), Err(ParseNameError), "{bad}");
        }
    }
}
