//! A directory that is held, so that many names in it cost one way there.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A directory beneath the root, for [`Disk::create_in`](super::Disk::create_in) and its like.
///
/// What is done in it is done in the directory that had the path when it was taken, and no symlink was on the way
/// there. Somebody who moves it away meanwhile moves along what is put into it: so it is held for one run of names,
/// under the store's lock, and not for longer.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    handle: Option<OwnedFd>,
}

impl Directory {
    /// Holds nothing but the path: each use finds the way anew.
    pub fn by_path(path: &Path) -> Self {
        Self { path: path.to_owned(), handle: None }
    }

    pub(super) fn open(path: PathBuf, handle: OwnedFd) -> Self {
        Self { path, handle: Some(handle) }
    }

    /// Returns where it was taken from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a name in it.
    #[expect(clippy::disallowed_methods, reason = "the names are those that the caller made of its layout")]
    pub fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn handle(&self) -> Option<&OwnedFd> {
        self.handle.as_ref()
    }
}
