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
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::RawDir;
use rustix::io::Errno;

use super::artifact::Blobs;
use super::cachedir::{TAG, is_cache};
use super::exclude::Excludes;
use super::handle::{FileStat, Follow, Kind, kind_of, open_directory, open_place, stat, stat_at};
use super::ingest::{IngestError, Unreadable};
use super::leaves::{Folder, Leaves, Named, Names, Work, path, under};
use super::list::PathList;
use crate::cache::FileId;
use crate::manifest::{Entry, EntryBody, EntryPath, Mtime};
use crate::monitor::Problem;

/// How many directories on the way down are open at once.
const OPEN_MAX: usize = 48;
/// How many names are handed on together.
pub(super) const LEAVES_MAX: usize = 64;
const LISTING_BYTES: usize = 32 * 1024;

/// Who takes what the walk finds. Any error ends the walk.
pub(super) trait Visitor {
    /// Takes the entry of a directory.
    fn directory(&self, entry: Entry) -> Result<(), IngestError>;
    /// Takes files and symlinks to look at.
    fn work(&self, work: Work) -> Result<(), IngestError>;
    /// Hears of a path that cannot be read, and says whether the walk goes on without it.
    fn unreadable(&self, path: PathBuf, why: Unreadable) -> Result<(), IngestError>;
    /// Hears of something that is left out, though nobody said so.
    fn problem(&self, problem: &Problem);
    /// Hears how many paths were left out because somebody said so; what is beneath one does not count.
    fn excluded(&self, paths: u64);
    /// Hears of a directory that is about to be opened.
    fn entering(&self, name: &CStr);
    /// Hears how many names a directory had, and may say stop.
    fn listed(&self, names: u64) -> Result<(), IngestError>;
}

/// What is left out, and what is kept of the rest.
#[derive(Debug)]
pub(super) struct WalkRules {
    pub(super) excludes: Excludes,
    /// Whether of a directory that is tagged as a cache the tag alone is taken.
    pub(super) excludes_caches: bool,
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
/// that contributes its entries and not itself; and takes what was listed.
pub(super) fn walk(
    roots: &[(PathBuf, Option<EntryPath>)],
    lists: &[&PathList],
    blobs: &[&Blobs],
    rules: &WalkRules,
    visitor: &dyn Visitor,
) -> Result<(), IngestError> {
    let walk = Walk { rules, visitor };
    roots.iter().try_for_each(|(path, stored)| walk.root(path, stored.as_ref()))?;
    lists.iter().try_for_each(|list| walk.list_of_paths(list))?;
    blobs.iter().try_for_each(|blobs| walk.blobs(blobs))
}

/// What the listing of one directory showed.
#[derive(Default)]
struct Found {
    subdirectories: Names,
    leaves: Names,
    /// What is no file, directory or symlink, where it is not clear yet whether to speak of it.
    specials: Vec<(Kind, CString)>,
    /// Whether the tag of a cache is excluded, where there may be one.
    tag: Option<bool>,
    count: u64,
    excluded: u64,
}

impl Found {
    /// Leaves the tag of a cache, unless it is excluded, and nothing else.
    fn leave_tag(&mut self, is_excluded: bool) {
        let mut leaves = Names::default();
        if !is_excluded {
            leaves.push(Kind::File, TAG);
        }
        self.excluded = self.count - leaves.len() as u64;
        *self = Self { leaves, count: self.count, excluded: self.excluded, ..Self::default() };
    }
}

/// One directory on the way down.
struct Frame {
    /// `None` while too many deeper ones are open.
    folder: Option<Arc<Folder>>,
    id: FileId,
    subdirectories: Names,
}

pub(super) struct Walk<'a> {
    pub(super) rules: &'a WalkRules,
    pub(super) visitor: &'a dyn Visitor,
}

impl Walk<'_> {
    /// Takes the blobs of a layout, whose directory is open already.
    fn blobs(&self, blobs: &Blobs) -> Result<(), IngestError> {
        self.refuse_own(&blobs.path, Kind::Directory)?;
        let unreadable = |error| self.visitor.unreadable(blobs.path.clone(), Unreadable::Io(error));
        let opened = blobs.place.try_clone().and_then(|place| Ok((stat(&place)?, place)));
        let (found, place) = match opened {
            Ok(opened) => opened,
            Err(error) => return unreadable(error),
        };
        let walked = blobs.path.as_os_str().as_bytes().into();
        let folder = Folder { place, device: found.print.id.device, stored: Box::default(), walked };
        let folder = Arc::new(folder);
        let mut names = Names::default();
        for name in blobs.names() {
            names.push(Kind::File, &name);
            if names.len() >= LEAVES_MAX {
                self.visitor.listed(names.len() as u64)?;
                self.visitor.work(Work::Leaves(Leaves::new(&folder, std::mem::take(&mut names))))?;
            }
        }
        self.visitor.listed(names.len() as u64)?;
        self.visitor.work(Work::Leaves(Leaves::new(&folder, names)))
    }

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
            self.visitor.excluded(1);
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
            (Kind::Special(kind), _) => Err(IngestError::Special { path: walked.to_owned(), kind }),
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
    pub(super) fn refuse_own(&self, walked: &Path, kind: Kind) -> Result<(), IngestError> {
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

    pub(super) fn directory_entry(&self, path: EntryPath, found: &FileStat) -> Entry {
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
        let mut seen = Found::default();
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
            seen.count += 1;
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
            let is_excluded = !excludes.is_empty()
                && excludes.matches(&under(&folder.stored, name.to_bytes()), kind == Kind::Directory);
            // The tag marks its directory, whether it is to be in the package or not.
            if self.rules.excludes_caches && name == TAG && kind == Kind::File {
                seen.tag = Some(is_excluded);
            }
            if is_excluded {
                seen.excluded += 1;
                continue;
            }
            match kind {
                Kind::Directory => seen.subdirectories.push(kind, name),
                Kind::Special(_) if self.rules.excludes_caches => seen.specials.push((kind, name.to_owned())),
                Kind::Special(_) => self.skip_special(folder, kind, name),
                Kind::File | Kind::Symlink | Kind::Unknown => seen.leaves.push(kind, name),
            }
            // Where the next name may tell that this is a cache, nothing of it is handed on yet.
            if seen.leaves.len() == LEAVES_MAX && !self.rules.excludes_caches {
                self.hand_on(folder, std::mem::take(&mut seen.leaves))?;
            }
        }
        if let Some(tag_is_excluded) = seen.tag
            && is_cache(folder.place.as_fd())
        {
            seen.leave_tag(tag_is_excluded);
        }
        seen.specials.iter().for_each(|(kind, name)| self.skip_special(folder, *kind, name));
        self.hand_on(folder, seen.leaves)?;
        self.visitor.excluded(seen.excluded);
        self.visitor.listed(seen.count)?;
        Ok(seen.subdirectories)
    }

    fn skip_special(&self, folder: &Folder, kind: Kind, name: &CStr) {
        if let Kind::Special(kind) = kind {
            self.visitor.problem(&Problem::SpecialFileSkipped { path: folder.walked_path(name), kind });
        }
    }

    /// Hands on files and symlinks of a directory, so many at a time.
    pub(super) fn hand_on(&self, folder: &Arc<Folder>, mut leaves: Names) -> Result<(), IngestError> {
        while leaves.len() > LEAVES_MAX {
            self.hand_on(folder, leaves.take(LEAVES_MAX))?;
        }
        match leaves.len() {
            0 => Ok(()),
            _ => self.visitor.work(Work::Leaves(Leaves::new(folder, leaves))),
        }
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
            if frame.subdirectories.len() > 0 {
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
