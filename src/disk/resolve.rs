//! Opens names beneath a directory handle, and never through a symlink or out of it.
//!
//! Linux 5.6 does it in one call (`openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`). Where that is
//! missing, or a sandbox refuses it, each component is opened relative to the one before with `O_NOFOLLOW`:
//! slower, and as strict. Knows nothing of what the files are for.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// How often an `openat2` that lost a race inside the kernel (`EAGAIN`) is tried again.
const RACES: usize = 64;

/// A directory handle that names are resolved against.
#[derive(Debug)]
pub(super) struct Resolver {
    root: OwnedFd,
    has_openat2: bool,
}

/// The directory that holds a name: the root itself, or a handle that was opened for it.
#[derive(Debug)]
pub(super) enum Parent<'a> {
    Root(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(fd) => *fd,
            Self::Opened(fd) => fd.as_fd(),
        }
    }
}

impl Resolver {
    /// Opens the root. It may itself be reached through symlinks: it is the name that the person gave.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::io::retry_on_intr(|| openat(CWD, root, flags, Mode::empty()))?;
        let probe = openat2(&root, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::BENEATH);
        Ok(Self { root, has_openat2: probe.is_ok() })
    }

    /// Uses the component-wise way, which old kernels need.
    #[cfg(test)]
    pub(super) fn without_openat2(mut self) -> Self {
        self.has_openat2 = false;
        self
    }

    /// Returns the root's handle.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens `path`; the empty path is the root itself, opened anew.
    pub(super) fn open_beneath(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        check(path)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        if !self.has_openat2 {
            return self.walk(path, flags, mode);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let mut races = 0;
        loop {
            match openat2(&self.root, path, flags, mode, resolve) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if races < RACES => races += 1,
                opened => return Ok(opened?),
            }
        }
    }

    /// Returns the directory that holds `path`, and the last component.
    pub(super) fn parent<'p>(&self, path: &'p Path) -> io::Result<(Parent<'_>, &'p OsStr)> {
        check(path)?;
        let Some(name) = path.file_name() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path without a name"));
        };
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => {
                let flags = OFlags::PATH | OFlags::DIRECTORY;
                Ok((Parent::Opened(self.open_beneath(parent, flags, Mode::empty())?), name))
            }
            _ => Ok((Parent::Root(self.root()), name)),
        }
    }

    fn walk(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at: Option<OwnedFd> = None;
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            let from = at.as_ref().map_or(self.root(), AsFd::as_fd);
            let last = components.peek().is_none();
            let (flags, mode) = if last { (flags, mode) } else { (step, Mode::empty()) };
            at = Some(rustix::io::retry_on_intr(|| openat(from, component.as_os_str(), flags, mode))?);
        }
        at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
    }
}

/// Refuses what could lead out of the root: the kernel would too, but not in the component-wise way.
fn check(path: &Path) -> io::Result<()> {
    if path.components().all(|component| matches!(component, Component::Normal(_))) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "a path that is not plainly beneath the root"))
}
