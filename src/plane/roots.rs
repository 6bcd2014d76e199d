//! What the sources of an ingest are called in the package.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::artifact::Blobs;
use super::ingest::{IngestError, Source, Unreadable};
use super::list::PathList;
use crate::manifest::{Entry, EntryBody, EntryList, EntryPath};

/// The mode of directories that are made up for the path of standard input.
pub(super) const MADE_UP_MODE: u32 = 0o755;

/// The sources, by kind.
#[derive(Debug)]
pub(super) struct Roots<'a> {
    /// Paths to walk, each with its name, or `None` for the directory that contributes its entries.
    pub(super) paths: Vec<(PathBuf, Option<EntryPath>)>,
    /// Paths that are taken by themselves.
    pub(super) lists: Vec<&'a PathList>,
    /// Blobs that are taken by their names.
    pub(super) blobs: Vec<&'a Blobs>,
    /// What standard input is.
    pub(super) stdin: Option<Stdin>,
}

/// What the reader is that was handed in.
#[derive(Debug)]
pub(super) enum Stdin {
    /// A file that stands under this path.
    Entry(EntryPath),
    /// An archive, called so.
    Tar(PathBuf),
}

impl Roots<'_> {
    /// Returns how many bytes there are to read, where that is known before the walk: every source is a file.
    pub(super) fn bytes_known(&self) -> Option<u64> {
        let files = self.paths.iter().filter(|_| self.stdin.is_none() && self.lists.is_empty());
        let bytes = files.map(|(path, _)| {
            let found = std::fs::metadata(path).ok()?;
            found.is_file().then_some(found.len())
        });
        bytes.sum::<Option<u64>>().filter(|&bytes| bytes > 0)
    }
}

/// Decides what each source is called.
pub(super) fn resolve(sources: &[Source]) -> Result<Roots<'_>, IngestError> {
    let mut roots = Roots { paths: Vec::new(), lists: Vec::new(), blobs: Vec::new(), stdin: None };
    for source in sources {
        match source {
            Source::Path(path) if sources.len() == 1 && is_directory(path)? => {
                roots.paths.push((path.clone(), None));
            }
            Source::Path(path) => roots.paths.push((path.clone(), Some(name_of(path)?))),
            Source::Listed(list) => roots.lists.push(list),
            Source::Blobs(blobs) => roots.blobs.push(blobs),
            Source::Stdin { .. } | Source::Tar { .. } if roots.stdin.is_some() => {
                return Err(IngestError::StdinTwice);
            }
            Source::Stdin { name } => roots.stdin = Some(Stdin::Entry(name.clone())),
            Source::Tar { archive } => roots.stdin = Some(Stdin::Tar(archive.clone())),
        }
    }
    let stdin = match &roots.stdin {
        Some(Stdin::Entry(name)) => Some(name),
        Some(Stdin::Tar(_)) | None => None,
    };
    let mut names: Vec<&EntryPath> =
        roots.paths.iter().filter_map(|(_, name)| name.as_ref()).chain(stdin).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(IngestError::Alike { path: pair[0].clone() }),
        None => Ok(roots),
    }
}

/// Returns whether a path leads to a directory. Where the system does not say, nothing is guessed: the same tree would
/// be another package.
fn is_directory(path: &Path) -> Result<bool, IngestError> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(found.is_dir()),
        // Whoever opens it says so; a link that leads nowhere is one.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(IngestError::Unreadable { path: path.to_owned(), source: Unreadable::Io(error) }),
    }
}

/// Returns the last component of a path, after `.` and `..` are resolved.
fn name_of(path: &Path) -> Result<EntryPath, IngestError> {
    let unreadable = |source| IngestError::Unreadable { path: path.to_owned(), source };
    let real;
    let name = match path.file_name() {
        Some(name) => name,
        None => {
            real = std::fs::canonicalize(path).map_err(|error| unreadable(Unreadable::Io(error)))?;
            real.file_name().ok_or_else(|| IngestError::NoName { path: path.to_owned() })?
        }
    };
    EntryPath::new(name.as_bytes()).map_err(|error| unreadable(Unreadable::Path(error)))
}

/// Adds the directories above standard input's path where no other source has them. `entries` are sorted,
/// and stay so.
pub(super) fn add_parents(entries: &mut EntryList, stdin: &EntryPath) -> Result<(), IngestError> {
    let bytes = stdin.as_bytes();
    for slash in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at) {
        let path =
            EntryPath::new(&bytes[..slash]).expect("the front of a path, cut before a slash, is a path");
        let made_up = Entry { path, body: EntryBody::Directory { mode: MADE_UP_MODE }, mtime: None };
        match entries.insert_sorted(&made_up) {
            None => {}
            Some(there) if matches!(there.body, EntryBody::Directory { .. }) => {}
            Some(there) => return Err(IngestError::Alike { path: there.path }),
        }
    }
    Ok(())
}
