//! The directories that an export made, found again without following what somebody may have put in their place.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, mkdirat};

use super::super::handle::{Follow, Kind, open_beneath, stat, stat_at};
use super::Unfinished;
use crate::cache::FileId;
use crate::manifest::EntryPath;

/// Finds the directory that an entry is made in; the last one stays open, since neighbours come together.
pub(super) struct Parents {
    pub(super) root: Arc<OwnedFd>,
    pub(super) last: Option<(Vec<u8>, Arc<OwnedFd>)>,
}

impl Parents {
    /// Opens the directory of an entry, which is one of those that were made, sorted by path.
    pub(super) fn of(&mut self, path: &EntryPath, made: &[Unfinished]) -> io::Result<Arc<OwnedFd>> {
        let Some(parent) = path.parent() else { return Ok(Arc::clone(&self.root)) };
        if let Some((last, open)) = &self.last
            && last == parent
        {
            return Ok(Arc::clone(open));
        }
        // One step further down is the usual case; from the root, a deep tree would cost its depth squared.
        let below = self.last.as_ref().and_then(|(last, open)| {
            let rest = parent.strip_prefix(&last[..])?.strip_prefix(b"/")?;
            Some((open, rest))
        });
        let opened = Arc::new(match below {
            Some((open, rest)) => open_beneath(open, rest, OFlags::PATH)?,
            None => open_beneath(&self.root, parent, OFlags::PATH)?,
        });
        let known = made.binary_search_by(|directory| directory.path.as_bytes().cmp(parent));
        let known = known.map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
        expect(&opened, made[known].id)?;
        self.last = Some((parent.to_vec(), Arc::clone(&opened)));
        Ok(opened)
    }
}

/// Makes a directory that is ours alone for now, and returns which one it is.
pub(super) fn make_directory(parent: &OwnedFd, name: &[u8]) -> io::Result<FileId> {
    mkdirat(parent, name, Mode::RWXU)?;
    let name = CString::new(name)?;
    let found = stat_at(parent, &name, Follow::Never)?;
    if found.kind == Kind::Directory { Ok(found.print.id) } else { Err(replaced()) }
}

/// Makes sure that a directory still is the one that was made under its name.
pub(super) fn expect(opened: &OwnedFd, id: FileId) -> io::Result<()> {
    if stat(opened)?.print.id == id { Ok(()) } else { Err(replaced()) }
}

fn replaced() -> io::Error {
    io::Error::other("its directory was replaced while it was written")
}
