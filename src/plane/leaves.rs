//! What the walk hands on: names of one directory, packed, and paths that were named.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::handle::Kind;
use super::unpack::Small;
use crate::manifest::{EntryPath, PathError};

/// A directory that is being walked, open.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) place: OwnedFd,
    pub(super) device: u64,
    /// Its path in the package; nothing for the top.
    pub(super) stored: Box<[u8]>,
    /// Its path for people.
    pub(super) walked: Box<[u8]>,
}

impl Folder {
    /// Returns the path in the package of a name in this directory.
    pub(super) fn stored_path(&self, name: &CStr) -> Result<EntryPath, PathError> {
        EntryPath::new(under(&self.stored, name.to_bytes()))
    }

    /// Returns the path, for people, of a name in this directory.
    pub(super) fn walked_path(&self, name: &CStr) -> PathBuf {
        path(under(&self.walked, name.to_bytes()))
    }
}

/// Names of one directory, packed: a byte for the kind, the name, NUL.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    next: usize,
    left: usize,
}

impl Names {
    pub(super) fn push(&mut self, kind: Kind, name: &CStr) {
        self.bytes.push(match kind {
            Kind::Symlink => b'l',
            Kind::File | Kind::Directory | Kind::Special(_) | Kind::Unknown => b'f',
        });
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.left += 1;
    }

    pub(super) fn next(&mut self) -> Option<(Kind, &CStr)> {
        let (kind, name) = name_at(self.bytes.get(self.next..)?)?;
        self.next += 1 + name.count_bytes() + 1;
        self.left -= 1;
        Some((kind, name))
    }

    /// Takes so many of those that are left away.
    pub(super) fn take(&mut self, count: usize) -> Self {
        let mut taken = Self::default();
        while taken.left < count
            && let Some((kind, name)) = self.next()
        {
            taken.push(kind, name);
        }
        taken
    }

    /// Returns how many are left.
    pub(super) const fn len(&self) -> usize {
        self.left
    }

    /// Returns the names that are left, and leaves them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Kind, &CStr)> {
        let mut rest = self.bytes.get(self.next..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (kind, name) = name_at(rest)?;
            rest = &rest[1 + name.count_bytes() + 1..];
            Some((kind, name))
        })
    }
}

/// Reads one name of the packing.
fn name_at(packed: &[u8]) -> Option<(Kind, &CStr)> {
    let (tag, rest) = packed.split_first()?;
    let name = CStr::from_bytes_until_nul(rest).ok()?;
    Some((if *tag == b'l' { Kind::Symlink } else { Kind::File }, name))
}

/// Files and symlinks of one directory, still to be looked at.
#[derive(Debug)]
pub(super) struct Leaves {
    pub(super) folder: Arc<Folder>,
    names: Names,
    /// Whether the stat cache was asked already, and knew none of these.
    pub(super) sifted: bool,
}

impl Leaves {
    pub(super) fn new(folder: &Arc<Folder>, names: Names) -> Self {
        Self { folder: Arc::clone(folder), names, sifted: false }
    }

    /// Returns the next name and what the listing said of it.
    pub(super) fn next(&mut self) -> Option<(Kind, &CStr)> {
        self.names.next()
    }

    /// Takes what is left away, for another thread, unless there is nothing.
    pub(super) fn split(&mut self) -> Option<Self> {
        if self.names.left == 0 {
            return None;
        }
        let rest =
            Names { bytes: self.names.bytes[self.names.next..].to_vec(), next: 0, left: self.names.left };
        self.names = Names::default();
        Some(Self { folder: Arc::clone(&self.folder), names: rest, sifted: self.sifted })
    }

    /// Takes all names out, for the stat cache to be asked about them together. What it does not know is
    /// [put back](Leaves::unknown).
    pub(super) fn take_names(&mut self) -> Names {
        self.sifted = true;
        std::mem::take(&mut self.names)
    }

    /// Puts back the name of a file that the stat cache does not know.
    pub(super) fn unknown(&mut self, name: &CStr) {
        self.names.push(Kind::File, name);
    }
}

/// A path that was named and is no directory.
#[derive(Debug)]
pub(super) struct Named {
    /// As it was typed.
    pub(super) name: CString,
    /// Where it stands in the package.
    pub(super) stored: EntryPath,
}

impl Named {
    /// Returns the path as it was typed.
    pub(super) fn walked_path(&self) -> PathBuf {
        path(self.name.to_bytes().to_vec())
    }
}

/// What the walk hands on.
#[derive(Debug)]
pub(super) enum Work {
    Leaves(Leaves),
    Named(Named),
    Small(Small),
}

/// Returns the bytes of the path of a name in a directory; the empty directory is where paths begin.
pub(super) fn under(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    if !directory.is_empty() && !directory.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

pub(super) fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}
