//! Durable bytes get their final names: renames, in the directories that they need.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::super::error::{Action, Doing as _, StorageError};
use super::super::layout;
use super::{Kept, Staging};
use crate::disk::{Directory, Disk};
use crate::identity::{ContentAddress, Digests};

/// From so many files on the renames are shared among threads.
pub(super) const MANY: usize = 256;

/// At most so many threads rename: the kernel does most of a rename under one lock of the file system.
const RENAMERS: usize = 4;

/// Renames a sorted group.
pub(super) fn rename_all(staging: &Staging, group: &[Kept]) -> Result<(), StorageError> {
    if group.len() < MANY {
        return Run::new(staging).place_all(group);
    }
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, RENAMERS);
    // The group is sorted, so each thread works in directories of its own but for the first and last.
    let share = group.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let place = |chunk: &[Kept]| Run::new(staging).place_all(chunk);
        let workers: Vec<_> = group
            .chunks(share)
            .map(|chunk| (std::thread::Builder::new().spawn_scoped(scope, move || place(chunk)), chunk))
            .collect();
        workers.into_iter().try_for_each(|(worker, chunk)| match worker.map(|worker| worker.join()) {
            Ok(Ok(placed)) => placed,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // The system has no thread to spare.
            Err(_) => place(chunk),
        })
    })
}

/// A run of renames in the order of the names, which holds the directories that it is in.
///
/// They are opened step by step and not through a symlink, as every path is; that this is done once for all
/// that goes into them, and not for each name, saves half of the system calls.
struct Run<'a> {
    staging: &'a Staging,
    outer: Option<(u8, Directory)>,
    inner: Option<(u8, Directory)>,
    /// Whether the last inner directory was missing. In a young store most are, in an old one none is.
    mostly_missing: bool,
}

impl<'a> Run<'a> {
    fn new(staging: &'a Staging) -> Self {
        Self { staging, outer: None, inner: None, mostly_missing: false }
    }

    fn place_all(mut self, chunk: &[Kept]) -> Result<(), StorageError> {
        chunk.iter().try_for_each(|kept| self.place(kept))
    }

    /// Renames one durable file to its final name, making the directories above where they are missing.
    fn place(&mut self, kept: &Kept) -> Result<(), StorageError> {
        let address = kept.digests.address();
        let (from, name) = (layout::staged_name(kept.nth), address.digest().to_string());
        let staging = self.staging;
        let into = self.enter(&address)?;
        match staging.disk.rename_in(&staging.own, from.as_ref(), into, name.as_ref()) {
            // The directories are gone again, or no file takes a directory's name.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => {
                (self.outer, self.inner) = (None, None);
                self.place_by_path(kept, &address)
            }
            renamed => renamed.doing(Action::Rename, &layout::object_path(&address)),
        }
    }

    /// Opens the directory that an object belongs in, unless it is open from the one before.
    fn enter(&mut self, address: &ContentAddress) -> Result<&Directory, StorageError> {
        let disk = &*self.staging.disk;
        let [first, second] = [address.as_bytes()[0], address.as_bytes()[1]];
        let paths = layout::shard_dirs(address);
        let outer = match self.outer.take() {
            Some((at, outer)) if at == first => outer,
            _ => {
                self.inner = None;
                match disk.directory(&paths[0]) {
                    // `blake3/` itself is never made here: where it is missing, this is not the store it was.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        unless_there(disk.make_dir(&paths[0])).doing(Action::Create, &paths[0])?;
                        disk.directory(&paths[0])
                    }
                    opened => opened,
                }
                .doing(Action::Open, &paths[0])?
            }
        };
        let inner = match self.inner.take() {
            Some((at, inner)) if at == second => inner,
            _ => self.enter_inner(&outer, second).doing(Action::Create, &paths[1])?,
        };
        self.outer = Some((first, outer));
        Ok(&self.inner.insert((second, inner)).1)
    }

    fn enter_inner(&mut self, outer: &Directory, second: u8) -> io::Result<Directory> {
        let disk = &*self.staging.disk;
        let name = format!("{second:02x}");
        let name: &OsStr = name.as_ref();
        if self.mostly_missing {
            self.mostly_missing = unless_there(disk.make_dir_in(outer, name))?;
        }
        match disk.directory_in(outer, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.mostly_missing = unless_there(disk.make_dir_in(outer, name))?;
                disk.directory_in(outer, name)
            }
            opened => opened,
        }
    }

    /// The same by paths, where something is in the way.
    fn place_by_path(&self, kept: &Kept, address: &ContentAddress) -> Result<(), StorageError> {
        let disk = &*self.staging.disk;
        let from = layout::staged_path(self.staging.writer, kept.nth);
        let to = layout::object_path(address);
        let renamed = match disk.rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                for directory in layout::shard_dirs(address) {
                    unless_there(disk.make_dir(&directory)).doing(Action::Create, &directory)?;
                }
                disk.rename(&from, &to)
            }
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                clear_name(disk, &to)?;
                disk.rename(&from, &to)
            }
            renamed => renamed,
        };
        renamed.doing(Action::Rename, &to)
    }
}

/// Returns whether a directory was made now; that it is there already is no error.
pub(super) fn unless_there(made: io::Result<()>) -> io::Result<bool> {
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    }
}

/// Takes a directory away that stands where an object belongs. One that is not empty holds what is not ours to
/// delete: it gets the next free name beside it, and verify tells of it until somebody has looked.
fn clear_name(disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
    // Gone already where another writer heals the same object.
    let unless_gone = |done: io::Result<()>| match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    };
    match disk.remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
        removed => return unless_gone(removed).doing(Action::Remove, path),
    }
    // An object's name is hexadecimal digits: nothing is lost.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for number in 1..u32::MAX {
        let aside = path.with_file_name(layout::aside(&name, number));
        match disk.stat(&aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return unless_gone(disk.rename(path, &aside)).doing(Action::Rename, path);
            }
            found => drop(found.doing(Action::Look, &aside)?),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists)).doing(Action::Rename, path)
}

/// Returns every directory whose entries the renames of objects depend on, the innermost first.
pub(super) fn directories(objects: &[Digests]) -> Vec<PathBuf> {
    let mut inner = BTreeSet::new();
    let mut outer = BTreeSet::new();
    for object in objects {
        let [above, beside] = layout::shard_dirs(&object.address());
        inner.insert(beside);
        outer.insert(above);
    }
    inner.into_iter().chain(outer).chain([PathBuf::from(layout::OBJECTS)]).collect()
}
