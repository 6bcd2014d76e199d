//! The root of a store: what makes a directory one, and how `init` prepares it.
//!
//! `astore.toml` gets its name last of all, so a directory with it is a whole store, and one without it is
//! none, whatever else is there. This module knows neither the database nor the log.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Mode;
use uuid::Uuid;

use super::error::{Action, Doing as _, StorageError};
use super::filesystem::{self, FileSystem};
use super::layout;
use crate::disk::{Disk, FileKind, RealDisk, file_mode};
use crate::env::Timestamp;

mod around;
mod defaults;
pub use around::store_around;
pub use defaults::{DefaultValue, Stood, read_defaults};

/// The store format that this build reads and writes.
pub const FORMAT: i64 = 1;

/// `astore.toml` is never longer, in bytes; one that is, is not ours.
pub(super) const CONFIG_BYTES_MAX: usize = 64 * 1024;

/// Who may use a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sharing {
    /// Its owner alone: directories are `0700`.
    #[default]
    Private,
    /// Everyone in the root's group: directories are `02770`.
    Shared,
}

impl Sharing {
    const fn mode(self) -> u32 {
        match self {
            Self::Private => 0o700,
            Self::Shared => 0o2770,
        }
    }
}

/// What `astore.toml` says of a store of format 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The store's own id.
    pub store_id: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A root that is ready to be worked on.
#[derive(Debug)]
pub struct Root {
    /// The disk beneath it.
    pub disk: Arc<RealDisk>,
    /// What it is on.
    pub file_system: FileSystem,
}

/// Opens the root of a store and reads its description, changing nothing.
///
/// # Errors
/// [`StorageError::NoStore`] where there is none, [`StorageError::Unnamed`] where only its `astore.toml` is missing,
/// [`StorageError::UnknownFormat`], [`StorageError::Config`],
/// [`StorageError::Io`].
pub fn open(root: &Path) -> Result<(Root, StoreConfig), StorageError> {
    let disk = match RealDisk::open(root) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(StorageError::NoStore { root: root.to_owned() });
        }
        opened => Arc::new(opened.doing(Action::Open, root)?),
    };
    let Some(config) = read_config(&*disk)? else {
        // A killed `init` leaves no object.
        let has_objects = disk.list(Path::new(layout::OBJECTS)).is_ok_and(|listed| !listed.is_empty());
        let root = root.to_owned();
        return Err(if has_objects {
            StorageError::Unnamed { root }
        } else {
            StorageError::NoStore { root }
        });
    };
    let file_system = filesystem::of(disk.root()).doing(Action::Look, root)?;
    Ok((Root { disk, file_system }, config))
}

/// Opens a root for `recover`, be its `astore.toml` there or not.
///
/// # Errors
/// [`StorageError::NoStore`] where there is no such directory, [`StorageError::Io`].
pub fn open_unnamed(root: &Path) -> Result<Arc<dyn Disk>, StorageError> {
    match RealDisk::open(root) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(StorageError::NoStore { root: root.to_owned() })
        }
        opened => Ok(Arc::new(opened.doing(Action::Open, root)?)),
    }
}

/// Returns whether a root without `astore.toml` was a store once: it has a database, a file of the log, or a directory
/// of objects.
///
/// # Errors
/// [`StorageError::Io`].
pub fn has_remains(disk: &dyn Disk) -> Result<bool, StorageError> {
    let database = Path::new(layout::DATABASE);
    match disk.stat(database) {
        Ok(found) if found.kind == FileKind::File => return Ok(true),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(StorageError::Io { action: Action::Look, path: database.to_owned(), source });
        }
    }
    // Other things have directories of such names: an application's `log/` is no store.
    fn is_log(name: &str) -> bool {
        name.strip_suffix(".cborseq").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    }
    fn is_shard(name: &str) -> bool {
        name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
    for (directory, is_ours) in [(layout::LOG, is_log as fn(&str) -> bool), (layout::OBJECTS, is_shard)] {
        let directory = Path::new(directory);
        match disk.list(directory) {
            Ok(listed) if listed.iter().any(|entry| entry.name.to_str().is_some_and(is_ours)) => {
                return Ok(true);
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(source) => {
                return Err(StorageError::Io { action: Action::Read, path: directory.to_owned(), source });
            }
        }
    }
    // A recover that was stopped has left its new database.
    Ok(disk.stat(Path::new(layout::DATABASE_READY)).is_ok())
}

/// Makes those of a store's directories that are missing.
///
/// # Errors
/// [`StorageError::Io`].
pub fn make_directories(disk: &dyn Disk) -> Result<(), StorageError> {
    for directory in [layout::TMP, layout::OBJECTS, layout::LOG].map(Path::new) {
        match disk.make_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.doing(Action::Create, directory)?,
        }
    }
    disk.sync_dir(Path::new("")).doing(Action::Sync, Path::new(""))
}

/// Makes the directories of a new store: `blake3/`, `log/` and `tmp/`, and the files of the locks.
///
/// Takes a directory that is missing (with its parents), empty, or holds only what an `init` that was killed
/// left; everything is durable on return, and nothing of it makes the directory a store yet. The caller then
/// takes the exclusive lock, makes the log and the database, and last of all calls [`write_config`].
///
/// # Errors
/// [`StorageError::IsStore`], [`StorageError::InsideStore`], [`StorageError::NotEmpty`], [`StorageError::NetworkFileSystem`], and
/// [`StorageError::Io`].
pub fn prepare(root: &Path, sharing: Sharing) -> Result<Root, StorageError> {
    let prepared = prepare_root(root, sharing)?;
    prepare_beneath(&prepared.disk, &*prepared.disk, root)?;
    Ok(prepared)
}

/// The first half of [`prepare`]: the root itself.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_root(root: &Path, sharing: Sharing) -> Result<Root, StorageError> {
    check_file_system(root)?;
    if let Some(around) = store_around(root) {
        return Err(StorageError::InsideStore { root: root.to_owned(), around });
    }
    make_root(root, sharing)?;
    let disk = RealDisk::open(root).doing(Action::Open, root)?;
    let file_system = filesystem::of(disk.root()).doing(Action::Look, root)?;
    Ok(Root { disk: Arc::new(disk), file_system })
}

/// The second half of [`prepare`]: what is beneath the root. `real` is the disk that `disk` is, or is a wrapper of.
///
/// # Errors
/// [`StorageError::Io`].
pub fn prepare_beneath(real: &RealDisk, disk: &dyn Disk, root: &Path) -> Result<(), StorageError> {
    for directory in [layout::TMP, layout::OBJECTS, layout::LOG].map(Path::new) {
        match disk.make_dir(directory) {
            // Whoever was killed here may have left it without its mode.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => real.level_mode(directory),
            made => made,
        }
        .doing(Action::Create, directory)?;
    }
    let mode = file_mode(disk).doing(Action::Look, root)?;
    for lock in [layout::LOCK, layout::GATE].map(Path::new) {
        real.open_or_create(lock, mode).doing(Action::Create, lock)?;
    }
    disk.sync_dir(Path::new("")).doing(Action::Sync, root)
}

/// Reads `astore.toml`; `None` where there is none.
///
/// The format is looked at before anything else. Keys that this build does not know are left alone.
///
/// # Errors
/// [`StorageError::UnknownFormat`], [`StorageError::Config`], [`StorageError::Io`].
pub fn read_config(disk: &dyn Disk) -> Result<Option<StoreConfig>, StorageError> {
    read_bytes(disk)?.map(|bytes| parse_bytes(&bytes)).transpose()
}

/// Reads the bytes of `astore.toml`; `None` where there is none.
fn read_bytes(disk: &dyn Disk) -> Result<Option<Vec<u8>>, StorageError> {
    let path = Path::new(layout::CONFIG);
    let file = match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.doing(Action::Open, path)?,
    };
    let mut bytes = vec![0; CONFIG_BYTES_MAX + 1];
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], length as u64).doing(Action::Read, path)? {
            0 => break,
            n => length += n,
        }
    }
    if length > CONFIG_BYTES_MAX {
        return Err(StorageError::Config { what: format!("it is longer than {CONFIG_BYTES_MAX} bytes") });
    }
    bytes.truncate(length);
    Ok(Some(bytes))
}

/// Reads what `astore.toml` holds.
pub(super) fn parse_bytes(bytes: &[u8]) -> Result<StoreConfig, StorageError> {
    parse(text_of(bytes)?)
}

fn text_of(bytes: &[u8]) -> Result<&str, StorageError> {
    std::str::from_utf8(bytes).map_err(|_| StorageError::Config { what: "it is not UTF-8".into() })
}

/// Writes `astore.toml`: under another name first, and renamed when it is whole and durable.
///
/// This is the last step of `init`: on return the directory is a store, and stays one through a power cut.
///
/// # Errors
/// [`StorageError::Io`].
pub fn write_config(disk: &dyn Disk, config: &StoreConfig) -> Result<(), StorageError> {
    let (new, path) = (Path::new(layout::CONFIG_NEW), Path::new(layout::CONFIG));
    let mode = file_mode(disk).doing(Action::Look, Path::new(""))?;
    match disk.remove_file(new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        done => done.doing(Action::Remove, new)?,
    }
    let file = disk.create(new, mode).doing(Action::Create, new)?;
    file.write_all_at(render(config).as_bytes(), 0).doing(Action::Write, new)?;
    file.sync().doing(Action::Sync, new)?;
    disk.point("config durable");
    disk.rename(new, path).doing(Action::Rename, path)?;
    disk.sync_dir(Path::new("")).doing(Action::Sync, Path::new(""))
}

pub(super) fn render(config: &StoreConfig) -> String {
    format!(
        "# An astore store. Made by `astore init`: leave these three lines as they are.\n\
         format = {FORMAT}\n\
         store_id = \"{}\"\n\
         created_at = \"{}\"\n\
         # Below them, under [defaults], may stand what options are to be: see CONFIGURATION in astore(1).\n",
        config.store_id, config.created_at
    )
}

/// Reads the table that a description of this build's format is.
fn described(text: &str) -> Result<toml::Table, StorageError> {
    let wrong = |what: &str| StorageError::Config { what: what.to_owned() };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.as_bytes().get(..span.start));
        let line = before.map(|before| before.iter().filter(|&&byte| byte == b'\n').count() + 1);
        let at = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        StorageError::Config { what: format!("{at}{}", error.message()) }
    })?;
    match table.get("format").map(toml::Value::as_integer) {
        Some(Some(FORMAT)) => Ok(table),
        Some(Some(found)) => Err(StorageError::UnknownFormat { found }),
        Some(None) => Err(wrong("`format` is not an integer")),
        None => Err(wrong("`format` is missing")),
    }
}

fn parse(text: &str) -> Result<StoreConfig, StorageError> {
    let wrong = |what: &str| StorageError::Config { what: what.to_owned() };
    let table = described(text)?;
    let field = |name: &str| table.get(name).and_then(toml::Value::as_str);
    let store_id = field("store_id").ok_or_else(|| wrong("`store_id` is missing or not text"))?;
    let parsed = Uuid::try_parse(store_id).map_err(|_| wrong("`store_id` is not a UUID"))?;
    if parsed.hyphenated().to_string() != store_id {
        return Err(wrong("`store_id` is not in the lower-case hyphenated form"));
    }
    let created_at = field("created_at").ok_or_else(|| wrong("`created_at` is missing or not text"))?;
    let instant: jiff::Timestamp =
        created_at.parse().map_err(|_| wrong("`created_at` is not an RFC 3339 instant"))?;
    Ok(StoreConfig { store_id: parsed, created_at: Timestamp::from_micros(instant.as_microsecond()) })
}

/// Refuses a network file system before anything is made on it: looks at the nearest directory that exists.
fn check_file_system(root: &Path) -> Result<(), StorageError> {
    for directory in root.ancestors() {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        match std::fs::File::open(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => {
                let opened = opened.doing(Action::Open, directory)?;
                return match filesystem::of(&opened).doing(Action::Look, directory)? {
                    FileSystem::Network(name) => {
                        Err(StorageError::NetworkFileSystem { root: root.to_owned(), file_system: name })
                    }
                    FileSystem::Sound(_) | FileSystem::Doubtful { .. } => Ok(()),
                };
            }
        }
    }
    Ok(())
}

/// Makes the root with exactly its mode, or takes one that is empty or half made.
fn make_root(root: &Path, sharing: Sharing) -> Result<(), StorageError> {
    let make = || rustix::fs::mkdir(root, Mode::from_raw_mode(sharing.mode() & 0o777));
    let made = match make() {
        Err(rustix::io::Errno::NOENT) => {
            make_parents(root)?;
            make() // somebody else may be making the same store
        }
        made => made,
    };
    match made {
        Ok(()) => sync_parent(root)?,
        Err(rustix::io::Errno::EXIST) => {
            check_left_over(root)?;
            match sync_parent(root) {
                // It was there before us, in a directory that is not ours to look into.
                Err(StorageError::Io { action: Action::Open, .. }) => {}
                // Whoever made it may have been killed before this.
                synced => synced?,
            }
        }
        Err(error) => return Err(io::Error::from(error)).doing(Action::Create, root),
    }
    let mode = std::fs::metadata(root).doing(Action::Look, root)?.permissions().mode() & 0o7777;
    if mode != sharing.mode() {
        rustix::fs::chmod(root, Mode::from_raw_mode(sharing.mode()))
            .map_err(io::Error::from)
            .doing(Action::Create, root)?;
    }
    Ok(())
}

/// Makes the directories above the root, with the modes that the umask gives, each durably.
fn make_parents(root: &Path) -> Result<(), StorageError> {
    let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    match rustix::fs::mkdir(parent, Mode::from_raw_mode(0o777)) {
        Ok(()) => sync_parent(parent),
        Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(rustix::io::Errno::NOENT) => {
            make_parents(parent)?;
            match rustix::fs::mkdir(parent, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => sync_parent(parent),
                Err(error) => Err(io::Error::from(error)).doing(Action::Create, parent),
            }
        }
        Err(error) => Err(io::Error::from(error)).doing(Action::Create, parent),
    }
}

fn sync_parent(directory: &Path) -> Result<(), StorageError> {
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let opened = std::fs::File::open(parent).doing(Action::Open, parent)?;
    opened.sync_all().doing(Action::Sync, parent)
}

/// Takes a directory that is empty or holds only what an unfinished `init` left, and refuses any other.
///
/// What makes the difference beside the names: no object, and no more of a log than `init` begins. A store
/// whose `astore.toml` was lost must not be taken for a beginning.
fn check_left_over(root: &Path) -> Result<(), StorageError> {
    let disk = RealDisk::open(root).doing(Action::Open, root)?;
    let refuse = |name: PathBuf| Err(StorageError::NotEmpty { root: root.to_owned(), name });
    for entry in disk.list(Path::new("")).doing(Action::Read, root)? {
        if entry.name == layout::CONFIG {
            return Err(StorageError::IsStore { root: root.to_owned() });
        }
        // What mkfs puts into every new file system.
        let from_mkfs = entry.name == "lost+found" && entry.kind == FileKind::Directory;
        let known = layout::KNOWN.iter().any(|known| entry.name == *known);
        if !known && !from_mkfs {
            return refuse(PathBuf::from(entry.name));
        }
    }
    for (directory, limit) in [(layout::OBJECTS, 0), (layout::LOG, 1)] {
        let directory = Path::new(directory);
        match disk.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            listed => {
                if let Some(beyond) = listed.doing(Action::Read, directory)?.get(limit) {
                    return refuse(layout::within(directory, &beyond.name));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
