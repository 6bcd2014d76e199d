//! What is there to add: directories found, their files and symlinks handed on by the packed handful.
//!
//! One thread walks; it lists directories and looks at nothing else, so that opening, reading and hashing go
//! on meanwhile. Everything is opened relative to its directory's handle. At most [`OPEN_MAX`] directories
//! of the way down are open at once: a deeper tree is found again through `..`, checked by device and inode.
//! The order is the file system's; whoever collects sorts.
//!
//! The walk reads no file and knows no digest.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::RawDir;
use rustix::io::Errno;

use super::exclude::Excludes;
use super::handle::{FileStat, Follow, Kind, kind_of, open_directory, open_place, stat, stat_at};
use super::ingest::{IngestError, Unreadable};
use crate::cache::FileId;
use crate::manifest::{Entry, EntryBody, EntryPath, Mtime, PathError};
use crate::monitor::Problem;

/// How many directories on the way down are open at once.
const OPEN_MAX: usize = 48;
/// How many names are handed on together.
const LEAVES_MAX: usize = 64;
const LISTING_BYTES: usize = 32 * 1024;

/// A directory that is being walked, open.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) place: OwnedFd,
    pub(super) device: u64,
    stored: Box<[u8]>,
    walked: Box<[u8]>,
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
    fn push(&mut self, kind: Kind, name: &CStr) {
        self.bytes.push(match kind {
            Kind::Symlink => b'l',
            Kind::File | Kind::Directory | Kind::Special(_) | Kind::Unknown => b'f',
        });
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.left += 1;
    }

    fn next(&mut self) -> Option<(Kind, &CStr)> {
        let (kind, name) = name_at(self.bytes.get(self.next..)?)?;
        self.next += 1 + name.count_bytes() + 1;
        self.left -= 1;
        Some((kind, name))
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
}

/// Who takes what the walk finds. Any error ends the walk.
pub(super) trait Visitor {
    /// Takes the entry of a directory.
    fn directory(&self, entry: Entry) -> Result<(), IngestError>;
    /// Takes files and symlinks to look at.
    fn work(&self, work: Work) -> Result<(), IngestError>;
    /// Hears of a path that cannot be read, and says whether the walk goes on without it.
    fn unreadable(&self, path: PathBuf, why: Unreadable) -> Result<(), IngestError>;
    /// Hears of something that is left out on purpose.
    fn problem(&self, problem: &Problem);
    /// Hears of a directory that is about to be opened.
    fn entering(&self, name: &CStr);
    /// Hears how many names a directory had, and may say stop.
    fn listed(&self, names: u64) -> Result<(), IngestError>;
}

/// What is left out, and what is kept of the rest.
#[derive(Debug)]
pub(super) struct WalkRules {
    pub(super) excludes: Excludes,
    pub(super) one_file_system: bool,
    pub(super) keep_mtime: bool,
    /// The store's own root, which is never entered.
    pub(super) own_root: Option<FileId>,
}

impl WalkRules {
    /// Returns the time that an entry keeps, if entries keep times.
    pub(super) fn mtime(&self, stat: &FileStat) -> Option<Mtime> {
        let time = stat.print.mtime;
        // A manifest's integers end at 2^53 (the year 285 million); such a time is not kept.
        let fits = time.seconds.unsigned_abs() < 1 << 53 && time.nanoseconds < 1_000_000_000;
        let keep = self.keep_mtime && fits;
        keep.then_some(Mtime { seconds: time.seconds, nanoseconds: time.nanoseconds })
    }
}

/// Walks what was named: each path with the name that it gets in the package, or `None` for the one directory
/// that contributes its entries and not itself.
pub(super) fn walk(
    roots: &[(PathBuf, Option<EntryPath>)],
    rules: &WalkRules,
    visitor: &dyn Visitor,
) -> Result<(), IngestError> {
    let walk = Walk { rules, visitor };
    roots.iter().try_for_each(|(path, stored)| walk.root(path, stored.as_ref()))
}

/// One directory on the way down.
struct Frame {
    /// `None` while too many deeper ones are open.
    folder: Option<Arc<Folder>>,
    id: FileId,
    subdirectories: Names,
}

struct Walk<'a> {
    rules: &'a WalkRules,
    visitor: &'a dyn Visitor,
}

impl Walk<'_> {
    fn root(&self, walked: &Path, stored: Option<&EntryPath>) -> Result<(), IngestError> {
        let unreadable = |error: io::Error| self.visitor.unreadable(walked.to_owned(), Unreadable::Io(error));
        let name = match CString::new(walked.as_os_str().as_bytes()) {
            Ok(name) => name,
            Err(error) => return unreadable(error.into()),
        };
        let found = match stat_at(rustix::fs::CWD, &name, Follow::Named) {
            Ok(found) => found,
            Err(error) => return unreadable(error),
        };
        self.refuse_own(walked, found.kind)?;
        if let Some(stored) = stored
            && self.rules.excludes.matches(stored.as_bytes(), found.kind == Kind::Directory)
        {
            return Ok(());
        }
        match (found.kind, stored) {
            (Kind::Directory, _) => {
                let opened =
                    open_directory(rustix::fs::CWD, &name, Follow::Named).and_then(|fd| Ok((stat(&fd)?, fd)));
                let (found, fd) = match opened {
                    Ok(opened) => opened,
                    Err(error) => return unreadable(error),
                };
                // The name was followed twice: what is open now counts.
                if self.rules.own_root == Some(found.print.id) {
                    return Err(IngestError::StoreItself { path: walked.to_owned() });
                }
                if let Some(stored) = stored {
                    self.visitor.directory(self.directory_entry(stored.clone(), &found))?;
                }
                let stored = stored.map_or(&b""[..], EntryPath::as_bytes);
                let folder = Folder {
                    place: fd,
                    device: found.print.id.device,
                    stored: stored.into(),
                    walked: walked.as_os_str().as_bytes().into(),
                };
                self.tree(Arc::new(folder), found.print.id)
            }
            (Kind::Special(kind), _) => {
                self.visitor.problem(&Problem::SpecialFileSkipped { path: walked.to_owned(), kind });
                Ok(())
            }
            (Kind::File | Kind::Symlink | Kind::Unknown, Some(stored)) => {
                self.visitor.listed(1)?;
                self.visitor.work(Work::Named(Named { name, stored: stored.clone() }))
            }
            // It was a directory when its name was decided.
            (Kind::File | Kind::Symlink | Kind::Unknown, None) => {
                self.visitor.unreadable(walked.to_owned(), Unreadable::Changed)
            }
        }
    }

    /// Refuses a named path that is the store or lies in it.
    fn refuse_own(&self, walked: &Path, kind: Kind) -> Result<(), IngestError> {
        let Some(own_root) = self.rules.own_root else { return Ok(()) };
        // What cannot be resolved cannot be read either, and the walk will say so.
        let Ok(real) = std::fs::canonicalize(walked) else { return Ok(()) };
        let mut above = if kind == Kind::Directory { Some(real.as_path()) } else { real.parent() };
        while let Some(directory) = above {
            let found = CString::new(directory.as_os_str().as_bytes())
                .map_err(io::Error::from)
                .and_then(|name| stat_at(rustix::fs::CWD, &name, Follow::Never));
            if found.is_ok_and(|found| found.print.id == own_root) {
                return Err(IngestError::StoreItself { path: walked.to_owned() });
            }
            above = directory.parent();
        }
        Ok(())
    }

    fn directory_entry(&self, path: EntryPath, found: &FileStat) -> Entry {
        Entry { path, body: EntryBody::Directory { mode: found.mode }, mtime: self.rules.mtime(found) }
    }

    /// Walks one directory and all beneath it.
    fn tree(&self, root: Arc<Folder>, id: FileId) -> Result<(), IngestError> {
        let device = root.device;
        let mut buffer = Vec::with_capacity(LISTING_BYTES);
        let subdirectories = self.list(&root, buffer.spare_capacity_mut())?;
        let mut frames = vec![Frame { folder: Some(root), id, subdirectories }];
        while let Some(frame) = frames.last_mut() {
            let folder = frame.folder.clone().expect("the deepest directory is open: climb() sees to it");
            let Some((_, name)) = frame.subdirectories.next() else {
                frames.pop();
                self.climb(&mut frames, &folder)?;
                continue;
            };
            if let Some((child, id)) = self.enter(&folder, name, device)? {
                let subdirectories = self.list(&child, buffer.spare_capacity_mut())?;
                frames.push(Frame { folder: Some(child), id, subdirectories });
                if let Some(far) = frames.len().checked_sub(OPEN_MAX).filter(|&far| far > 0) {
                    frames[far].folder = None; // the root's stays open
                }
            }
        }
        Ok(())
    }

    /// Opens a subdirectory and hands on its entry; `None` where it is not entered.
    fn enter(
        &self,
        folder: &Folder,
        name: &CStr,
        device: u64,
    ) -> Result<Option<(Arc<Folder>, FileId)>, IngestError> {
        self.visitor.entering(name);
        let opened = open_directory(&folder.place, name, Follow::Never).and_then(|fd| Ok((stat(&fd)?, fd)));
        let (found, fd) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.visitor.unreadable(folder.walked_path(name), no_longer(error))?;
                return Ok(None);
            }
        };
        if self.rules.own_root == Some(found.print.id) {
            self.visitor.problem(&Problem::StoreSkipped { path: folder.walked_path(name) });
            return Ok(None);
        }
        let stored = match folder.stored_path(name) {
            Ok(stored) => stored,
            Err(error) => {
                self.visitor.unreadable(folder.walked_path(name), Unreadable::Path(error))?;
                return Ok(None);
            }
        };
        let bytes = stored.as_bytes().into();
        self.visitor.directory(self.directory_entry(stored, &found))?;
        if self.rules.one_file_system && found.print.id.device != device {
            return Ok(None); // the mount point is an entry, what is mounted there is not
        }
        let walked = under(&folder.walked, name.to_bytes()).into_boxed_slice();
        let child = Folder { place: fd, device: found.print.id.device, stored: bytes, walked };
        Ok(Some((Arc::new(child), found.print.id)))
    }

    /// Lists a directory: hands on its leaves and returns its subdirectories.
    fn list(&self, folder: &Arc<Folder>, buffer: &mut [MaybeUninit<u8>]) -> Result<Names, IngestError> {
        let mut subdirectories = Names::default();
        let mut leaves = Names::default();
        let mut count = 0;
        let mut listing = RawDir::new(&folder.place, buffer);
        while let Some(item) = listing.next() {
            let item = match item {
                Ok(item) => item,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => {
                    let path = path(folder.walked.to_vec());
                    self.visitor.unreadable(path, Unreadable::Io(error.into()))?;
                    break;
                }
            };
            let name = item.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            count += 1;
            let mut kind = kind_of(item.file_type());
            if kind == Kind::Unknown {
                kind = match stat_at(&folder.place, name, Follow::Never) {
                    Ok(found) => found.kind,
                    Err(error) => {
                        self.visitor.unreadable(folder.walked_path(name), Unreadable::Io(error))?;
                        continue;
                    }
                };
            }
            let excludes = &self.rules.excludes;
            if !excludes.is_empty()
                && excludes.matches(&under(&folder.stored, name.to_bytes()), kind == Kind::Directory)
            {
                continue;
            }
            match kind {
                Kind::Directory => subdirectories.push(kind, name),
                Kind::Special(kind) => {
                    let path = folder.walked_path(name);
                    self.visitor.problem(&Problem::SpecialFileSkipped { path, kind });
                }
                Kind::File | Kind::Symlink | Kind::Unknown => leaves.push(kind, name),
            }
            if leaves.left == LEAVES_MAX {
                let names = std::mem::take(&mut leaves);
                self.visitor.work(Work::Leaves(Leaves {
                    folder: Arc::clone(folder),
                    names,
                    sifted: false,
                }))?;
            }
        }
        if leaves.left > 0 {
            self.visitor.work(Work::Leaves(Leaves {
                folder: Arc::clone(folder),
                names: leaves,
                sifted: false,
            }))?;
        }
        self.visitor.listed(count)?;
        Ok(subdirectories)
    }

    /// Makes the deepest frame's directory open again after the one beneath it is done.
    ///
    /// Where `..` is no longer the directory that we came from, somebody moved it: what was not walked above
    /// is unreadable, up to the nearest directory that is still open.
    fn climb(&self, frames: &mut Vec<Frame>, done: &Folder) -> Result<(), IngestError> {
        let Some(frame) = frames.last_mut().filter(|frame| frame.folder.is_none()) else { return Ok(()) };
        let above = |path: &[u8]| {
            path.iter().rposition(|&byte| byte == b'/').map_or(Vec::new(), |at| path[..at].to_vec())
        };
        let (stored, mut walked) = (above(&done.stored), above(&done.walked));
        let opened = open_place(&done.place, c"..").and_then(|fd| Ok((stat(&fd)?, fd)));
        if let Ok((found, place)) = opened
            && found.print.id == frame.id
        {
            let (device, stored) = (found.print.id.device, stored.into_boxed_slice());
            frame.folder =
                Some(Arc::new(Folder { place, device, stored, walked: walked.into_boxed_slice() }));
            return Ok(());
        }
        while let Some(frame) = frames.pop_if(|frame| frame.folder.is_none()) {
            if frame.subdirectories.left > 0 {
                self.visitor.unreadable(path(walked.clone()), Unreadable::Changed)?;
            }
            walked = above(&walked);
        }
        Ok(())
    }
}

/// Returns why something that was a directory when it was listed cannot be opened as one.
fn no_longer(error: io::Error) -> Unreadable {
    // A symlink that stands there now is refused like anything else that is no directory.
    match Errno::from_io_error(&error) {
        Some(Errno::NOTDIR | Errno::LOOP) => Unreadable::Changed,
        Some(_) | None => Unreadable::Io(error),
    }
}

/// Returns the bytes of the path of a name in a directory; the empty directory is where paths begin.
fn under(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    if !directory.is_empty() && !directory.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}
