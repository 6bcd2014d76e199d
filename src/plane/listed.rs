//! The walk of a list: nothing is looked for, each path is taken as itself.
//!
//! Paths of one directory are handed on together, as those of a walk are. The directories above them are opened by
//! their paths, each once, and may be symlinks, as they may be for whoever lists `link/file`; the last component of a
//! listed path is never followed.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, RawDir, openat};
use rustix::io::{Errno, retry_on_intr};

use super::cachedir::{TAG, is_cache};
use super::handle::{FileStat, Follow, Kind, open_directory, stat, stat_at};
use super::ingest::{IngestError, Unreadable};
use super::leaves::{Folder, Names, path};
use super::list::{Listed, PathList, is_within};
use super::walk::{LEAVES_MAX, Walk};
use crate::manifest::{EntryPath, PathError};
use crate::monitor::Problem;

/// A directory on the way to what is listed.
struct Step<'a> {
    /// Its path in the package; nothing for the top.
    stored: &'a [u8],
    /// What becomes of what is listed in it.
    way: Way,
}

enum Way {
    /// It is taken.
    Open { folder: Arc<Folder>, is_cache: bool },
    /// It was, and something beneath it is open now.
    Passed { is_cache: bool },
    /// It is left out, as somebody said.
    Excluded,
    /// It is left out: this is the store.
    Store,
    /// It cannot be read.
    Barred(Barred),
}

/// Why a directory cannot be entered: said again of each path in it.
#[derive(Clone, Copy)]
enum Barred {
    System(Errno),
    Path(PathError),
}

impl From<Barred> for Unreadable {
    fn from(barred: Barred) -> Self {
        match barred {
            Barred::System(errno) => Self::Io(errno.into()),
            Barred::Path(error) => Self::Path(error),
        }
    }
}

/// What is told when the list is through.
#[derive(Default)]
struct Remarks {
    excluded: u64,
    /// Directories that have something in them of which nothing is listed, and the first of them.
    bare: u64,
    first_bare: Option<String>,
}

impl Walk<'_> {
    /// Takes what a list names.
    pub(super) fn list_of_paths(&self, list: &PathList) -> Result<(), IngestError> {
        let paths = list.sorted();
        let (mut steps, mut remarks) = (Vec::new(), Remarks::default());
        let mut rest = &paths[..];
        let mut is_absolute = false;
        while let Some(first) = rest.first() {
            if first.is_absolute() && !is_absolute {
                is_absolute = true;
                steps.clear();
                let note = "listed paths stand in the package without the / that they begin with";
                self.visitor.problem(&Problem::Note(note.to_owned()));
            }
            let directory = first.directory();
            let same = |path: &Listed<'_>| path.compare_directory(is_absolute, directory).is_eq();
            let (together, after) = rest.split_at(rest.partition_point(same));
            rest = after;
            self.reach(&mut steps, directory, is_absolute, &mut remarks)?;
            if let Some(step) = steps.last() {
                self.take_listed(&step.way, together, after, &mut remarks)?;
            }
            self.visitor.listed(together.len() as u64)?;
        }
        self.visitor.excluded(remarks.excluded);
        if let Some(first) = remarks.first_bare {
            let (count, others) = match remarks.bare {
                1 => ("a listed directory".to_owned(), String::new()),
                bare => (format!("{bare} listed directories"), ", and others".to_owned()),
            };
            let note = format!(
                "took {count} without what is in it ({first}{others}): a list names each path itself"
            );
            self.visitor.problem(&Problem::Note(note));
        }
        Ok(())
    }

    /// Goes to a directory, from the one that was reached last, and takes those on the way.
    fn reach<'a>(
        &self,
        steps: &mut Vec<Step<'a>>,
        directory: &'a [u8],
        is_absolute: bool,
        remarks: &mut Remarks,
    ) -> Result<(), IngestError> {
        while steps.pop_if(|step| !is_within(directory, step.stored)).is_some() {}
        if steps.is_empty() {
            steps.push(Step { stored: b"", way: self.step(b"", is_absolute, remarks)? });
        }
        let ends = directory.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain([directory.len()]) {
            let Some(above) = steps.last_mut() else { return Ok(()) };
            if end <= above.stored.len() {
                continue;
            }
            let stored = &directory[..end];
            let way = match &above.way {
                // One is held open at a time: a list may lead deeper than a process may have files open.
                Way::Open { is_cache, .. } | Way::Passed { is_cache } => {
                    let is_cache = *is_cache;
                    above.way = Way::Passed { is_cache };
                    match is_cache {
                        true => {
                            remarks.excluded += 1;
                            Way::Excluded
                        }
                        false => self.step(stored, is_absolute, remarks)?,
                    }
                }
                Way::Excluded => Way::Excluded,
                Way::Store => Way::Store,
                Way::Barred(barred) => Way::Barred(*barred),
            };
            steps.push(Step { stored, way });
        }
        Ok(())
    }

    /// Opens a directory on the way, and hands on its entry.
    fn step(&self, stored: &[u8], is_absolute: bool, remarks: &mut Remarks) -> Result<Way, IngestError> {
        let entry_path = match stored {
            b"" => None,
            stored => match EntryPath::new(stored) {
                Ok(path) => Some(path),
                Err(error) => return Ok(Way::Barred(Barred::Path(error))),
            },
        };
        if entry_path.is_some() && self.rules.excludes.matches(stored, true) {
            remarks.excluded += 1;
            return Ok(Way::Excluded);
        }
        let walked = if is_absolute { [b"/", stored].concat() } else { stored.to_vec() };
        let asked = if walked.is_empty() { &b"."[..] } else { &walked };
        let (place, found) = match self.open_step(asked)? {
            Ok(opened) => opened,
            Err(error) => return Ok(Way::Barred(Barred::System(errno(&error)))),
        };
        if self.rules.own_root == Some(found.print.id) {
            self.visitor.problem(&Problem::StoreSkipped { path: path(walked) });
            return Ok(Way::Store);
        }
        if let Some(path) = entry_path {
            self.visitor.directory(self.directory_entry(path, &found))?;
        }
        let is_cache = self.rules.excludes_caches && is_cache(place.as_fd());
        let device = found.print.id.device;
        let folder = Folder { place, device, stored: stored.into(), walked: walked.into_boxed_slice() };
        Ok(Way::Open { folder: Arc::new(folder), is_cache })
    }

    /// Opens a directory on the way, which may be a symlink, though not one into the store.
    fn open_step(&self, asked: &[u8]) -> Result<io::Result<(OwnedFd, FileStat)>, IngestError> {
        let open = |flags: OFlags| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | flags;
            retry_on_intr(|| openat(rustix::fs::CWD, asked, flags, Mode::empty()))
        };
        let opened = match open(OFlags::NOFOLLOW) {
            // A symlink is not a directory; what every path begins with may lie anywhere, too.
            Err(Errno::NOTDIR | Errno::LOOP) => open(OFlags::empty()).map(|place| (place, true)),
            opened => opened.map(|place| (place, asked == b".")),
        };
        let (place, may_lead_inside) = match opened {
            Ok(opened) => opened,
            Err(errno) => return Ok(Err(errno.into())),
        };
        if may_lead_inside {
            self.refuse_own(Path::new(OsStr::from_bytes(asked)), Kind::Directory)?;
        }
        Ok(stat(&place).map(|found| (place, found)))
    }

    /// Takes what is listed of one directory.
    fn take_listed(
        &self,
        way: &Way,
        together: &[Listed<'_>],
        after: &[Listed<'_>],
        remarks: &mut Remarks,
    ) -> Result<(), IngestError> {
        let (folder, is_cache) = match way {
            Way::Open { folder, is_cache } => (folder, *is_cache),
            Way::Barred(barred) => {
                let unreadable = |listed: &Listed<'_>| {
                    self.visitor.unreadable(path(listed.walked().to_vec()), (*barred).into())
                };
                return together.iter().try_for_each(unreadable);
            }
            // What is listed of a directory comes before what is beneath it; nothing that is listed goes unsaid.
            Way::Passed { .. } => {
                debug_assert!(false, "the directory was passed");
                let changed = |listed: &Listed<'_>| {
                    self.visitor.unreadable(path(listed.walked().to_vec()), Unreadable::Changed)
                };
                return together.iter().try_for_each(changed);
            }
            Way::Excluded | Way::Store => return Ok(()),
        };
        let mut leaves = Names::default();
        for listed in together {
            if is_cache && listed.name() != TAG.to_bytes() {
                remarks.excluded += u64::from(!leads_on(*listed, after));
                continue;
            }
            let unreadable =
                |error| self.visitor.unreadable(path(listed.walked().to_vec()), Unreadable::Io(error));
            let name = match CString::new(listed.name()) {
                Ok(name) => name,
                Err(error) => {
                    unreadable(error.into())?;
                    continue;
                }
            };
            let found = match stat_at(&folder.place, &name, Follow::Never) {
                Ok(found) => found,
                Err(error) => {
                    unreadable(error)?;
                    continue;
                }
            };
            if found.kind == Kind::Directory && leads_on(*listed, after) {
                continue; // it is taken on the way to what is in it
            }
            if self.rules.excludes.matches(listed.stored(), found.kind == Kind::Directory) {
                remarks.excluded += 1;
                continue;
            }
            match found.kind {
                Kind::Directory => self.take_directory(folder, *listed, &name, &found, remarks)?,
                Kind::Special(kind) => {
                    self.visitor.unreadable(path(listed.walked().to_vec()), Unreadable::Special(kind))?;
                }
                // Told before anything is read; where both came to their end, nobody could say what was wrong with the list.
                Kind::Symlink if leads_on(*listed, after) => {
                    return Err(IngestError::ListedThrough { path: listed.walked().into() });
                }
                Kind::File | Kind::Symlink | Kind::Unknown => leaves.push(found.kind, &name),
            }
            if leaves.len() == LEAVES_MAX {
                self.hand_on(folder, std::mem::take(&mut leaves))?;
            }
        }
        self.hand_on(folder, leaves)
    }

    /// Takes a directory of which nothing else is listed.
    fn take_directory(
        &self,
        folder: &Folder,
        listed: Listed<'_>,
        name: &CStr,
        found: &FileStat,
        remarks: &mut Remarks,
    ) -> Result<(), IngestError> {
        let walked = path(listed.walked().to_vec());
        if self.rules.own_root == Some(found.print.id) {
            self.visitor.problem(&Problem::StoreSkipped { path: walked });
            return Ok(());
        }
        match EntryPath::new(listed.stored()) {
            Ok(path) => self.visitor.directory(self.directory_entry(path, found))?,
            Err(error) => return self.visitor.unreadable(walked, Unreadable::Path(error)),
        }
        if has_something(folder, name) {
            remarks.bare += 1;
            remarks.first_bare.get_or_insert_with(|| walked.display().to_string());
        }
        Ok(())
    }
}

/// Returns whether something beneath this path is listed, given what comes after its directory's.
fn leads_on(listed: Listed<'_>, after: &[Listed<'_>]) -> bool {
    let before = |other: &Listed<'_>| other.compare_directory(listed.is_absolute(), listed.stored()).is_lt();
    let next = after.get(after.partition_point(before));
    next.is_some_and(|next| {
        next.is_absolute() == listed.is_absolute() && is_within(next.directory(), listed.stored())
    })
}

/// Returns whether there is something in a directory. One that cannot be listed is not spoken of.
fn has_something(folder: &Folder, name: &CStr) -> bool {
    let Ok(directory) = open_directory(&folder.place, name, Follow::Never) else { return false };
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut listing = RawDir::new(&directory, &mut buffer);
    while let Some(Ok(item)) = listing.next() {
        if item.file_name() != c"." && item.file_name() != c".." {
            return true;
        }
    }
    false
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
