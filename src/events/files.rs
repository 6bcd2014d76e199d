//! `log/`: the same events as plain files, so that the log outlives SQLite. store-layout.md, "log/".
//!
//! Appending, walking, cutting and completing; when to do which is [`super::settle`]'s.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::item::encode_item;
use super::log::{Head, Position, Stored};
use super::walk::Walk;
use crate::disk::{Disk, DiskFile, FileKind, Listed};

/// A file of `log/` is closed once it is this long.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// No file of `log/` is longer, and no transaction's item longer than half of it (store-layout.md 6.5): what claims to
/// be is not read.
pub(super) const READ_BYTES_MAX: u64 = 1 << 30;

/// The directory of the plain-file log.
const DIRECTORY: &str = "log";

/// The unit in which a kernel writes file contents back: what is written over before it is believed begins at
/// a multiple of this.
const PAGE_BYTES: u64 = 4096;

/// What can be wrong with `log/`, or with reading and writing it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The system refused.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// The file, relative to the root.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An item was written, and the system would not say that it is durable. It was taken back, but after a power
    /// cut it may be there all the same.
    #[error("{} could not be synced: the operation may stand", path.display())]
    Unsure {
        /// The file, relative to the root.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The plain-file log has another event at this place than the database.
    #[error("log/ and the database part at event {sequence}")]
    Parted {
        /// The first event that differs.
        sequence: u64,
    },
    /// A record of a version that this build does not know.
    #[error("{} holds what a later build wrote, at byte {offset}", path.display())]
    Later {
        /// The file, relative to the root.
        path: PathBuf,
        /// Where in it.
        offset: u64,
    },
    /// Something that is no item stands in a file, and events stand after it.
    #[error("{} is damaged at byte {offset}, where event {sequence} should begin", path.display())]
    Damaged {
        /// The file, relative to the root.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// The event that should begin there.
        sequence: u64,
    },
}

/// Returns whether the disk gives these bytes no more, however often it is asked.
pub(super) fn is_bad_sector(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::IO)
}

/// Returns the path of the file that begins with this event, relative to the root.
pub(super) fn file_path(first: u64) -> PathBuf {
    PathBuf::from(format!("{DIRECTORY}/{first:020}.cborseq"))
}

/// Returns the sequence that a file of `log/` is named by, or `None` for a name that is not of that form.
fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".cborseq")?;
    let well_formed = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    if well_formed { digits.parse().ok().filter(|&first| first > 0) } else { None }
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> LogError + '_ {
    |source| LogError::Io { path: path.to_owned(), source }
}

/// The files of `log/`.
#[derive(Clone, Debug)]
pub struct LogFiles {
    pub(super) disk: Arc<dyn Disk>,
    file_mode: u32,
    file_bytes_max: u64,
}

impl LogFiles {
    /// Takes the files under this root; new ones get `file_mode`.
    pub fn new(disk: Arc<dyn Disk>, file_mode: u32) -> Self {
        Self { disk, file_mode, file_bytes_max: FILE_BYTES_MAX }
    }

    /// The same with another limit, so that tests see several files.
    #[cfg(any(test, feature = "testing"))]
    pub fn with_limit(mut self, file_bytes_max: u64) -> Self {
        self.file_bytes_max = file_bytes_max;
        self
    }

    /// Appends one transaction's events at `position` and makes them durable. Returns where the log stands then.
    ///
    /// The caller holds the database's write lock and has settled, so nothing else writes here. On an error the
    /// file is cut back as far as that goes; whatever is left, the next settling judges.
    ///
    /// # Errors
    /// [`LogError::Io`] where nothing was written, [`LogError::Unsure`] where the events may or may not be durable.
    pub fn append(&self, position: &Position, events: &[Stored]) -> Result<Position, LogError> {
        match events.first().zip(events.last()) {
            Some((first, last)) => {
                self.append_items(position, &encode_item(events), first.record.sequence, Head::from(last))
            }
            None => Ok(*position),
        }
    }

    /// Appends items that are encoded already: the first event among them is `first`, the last one is `head`.
    pub(super) fn append_items(
        &self,
        position: &Position,
        items: &[u8],
        first: u64,
        head: Head,
    ) -> Result<Position, LogError> {
        if items.len() as u64 > READ_BYTES_MAX / 2 {
            let source = io::ErrorKind::FileTooLarge.into();
            return Err(LogError::Io { path: PathBuf::from(DIRECTORY), source });
        }
        let fresh = position.file == 0 || position.length >= self.file_bytes_max;
        let (file, offset) = if fresh { (first, 0) } else { (position.file, position.length) };
        let path = file_path(file);
        let handle = if fresh {
            self.close(position)?;
            self.disk.create(&path, self.file_mode).map_err(at(&path))?
        } else {
            self.open_to_write(&path)?
        };
        let take_back = || {
            let cut = if fresh { self.disk.remove_file(&path) } else { handle.set_len(offset) };
            drop(cut); // best effort: the next settling judges what is still there
        };
        if let Err(source) = handle.write_all_at(items, offset) {
            take_back();
            return Err(LogError::Io { path, source });
        }
        self.disk.point("log written");
        let synced = handle.sync();
        let synced =
            if fresh { synced.and_then(|()| self.disk.sync_dir(Path::new(DIRECTORY))) } else { synced };
        if let Err(source) = synced {
            take_back();
            return Err(LogError::Unsure { path, source });
        }
        self.disk.point("log durable");
        Ok(Position { file, length: offset + items.len() as u64, head })
    }

    /// Makes a full file read-only. Nothing depends on it: it is a word to whoever looks.
    fn close(&self, position: &Position) -> Result<(), LogError> {
        if position.file == 0 {
            return Ok(());
        }
        let path = file_path(position.file);
        let handle = self.disk.open(&path).map_err(at(&path))?;
        match handle.set_mode(self.file_mode & 0o444) {
            // In a shared store the file may be another user's: then it stays writable.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            outcome => outcome.map_err(at(&path)),
        }
    }

    /// Returns whether the log stands exactly at `position`: an `fstat`, 32 bytes, and no next file.
    ///
    /// # Errors
    /// [`LogError::Io`] where the file is there and cannot be read.
    pub fn stands_at(&self, position: &Position) -> Result<bool, LogError> {
        if position.file != 0 {
            let path = file_path(position.file);
            let file = match self.disk.open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(at(&path)(error)),
            };
            if file.stat().map_err(at(&path))?.size_bytes != position.length
                || !ends_with(file.as_ref(), position).map_err(at(&path))?
            {
                return Ok(false);
            }
        }
        self.is_absent(position.head.sequence + 1)
    }

    pub(super) fn is_absent(&self, first: u64) -> Result<bool, LogError> {
        let path = file_path(first);
        match self.disk.stat(&path) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// Returns whether the event that `position` ends with ends there, whatever comes after it.
    ///
    /// # Errors
    /// [`LogError::Io`] where the file is there and cannot be read.
    pub fn reaches(&self, position: &Position) -> Result<bool, LogError> {
        if position.file == 0 {
            return Ok(true);
        }
        let path = file_path(position.file);
        match self.disk.open(&path) {
            Ok(file) => ends_with(file.as_ref(), position).map_err(at(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// Returns the path of the file that begins with this event, relative to the root.
    pub fn path(first: u64) -> PathBuf {
        file_path(first)
    }

    /// Returns the sequences that the files are named by, ascending.
    ///
    /// # Errors
    /// [`LogError::Io`] where the directory cannot be read; a missing one holds nothing.
    pub fn names(&self) -> Result<Vec<u64>, LogError> {
        let directory = Path::new(DIRECTORY);
        match self.disk.list(directory) {
            Ok(listed) => Ok(listed.iter().filter_map(|entry| parse_name(entry.name.to_str()?)).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(at(directory)(error)),
        }
    }

    /// Returns the files in the directory whose names are not of a log file's form.
    ///
    /// # Errors
    /// [`LogError::Io`] where the directory cannot be read; a missing one holds nothing.
    pub(super) fn strays(&self) -> Result<Vec<PathBuf>, LogError> {
        let directory = Path::new(DIRECTORY);
        let listed = match self.disk.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(at(directory))?,
        };
        let is_stray = |entry: &Listed| {
            entry.kind == FileKind::File && entry.name.to_str().and_then(parse_name).is_none()
        };
        let path = |entry: &Listed| PathBuf::from_iter([OsStr::new(DIRECTORY), &entry.name]);
        Ok(listed.iter().filter(|entry| is_stray(entry)).map(path).collect())
    }

    /// Walks the log's items from a position on.
    pub fn walk(&self, position: Position) -> Walk<'_> {
        Walk::begin(self, position)
    }

    /// Cuts off what stands after `position` in its file, or takes away a next file of which nothing counts.
    pub(super) fn cut(&self, position: &Position) -> Result<(), LogError> {
        let next = file_path(position.head.sequence + 1);
        if !self.is_absent(position.head.sequence + 1)? {
            self.disk.remove_file(&next).map_err(at(&next))?;
        }
        if position.file != 0 {
            let path = file_path(position.file);
            let found = self.disk.stat(&path).map_err(at(&path))?;
            if found.size_bytes > position.length {
                let file = self.open_to_write(&path)?;
                file.set_len(position.length).map_err(at(&path))?;
                file.sync().map_err(at(&path))?;
            }
        }
        self.sync_directory()
    }

    pub(super) fn sync_directory(&self) -> Result<(), LogError> {
        let directory = Path::new(DIRECTORY);
        self.disk.sync_dir(directory).map_err(at(directory))
    }

    /// Makes the directory where it is missing.
    pub(super) fn make_directory(&self) -> Result<(), LogError> {
        let directory = Path::new(DIRECTORY);
        match self.disk.make_dir(directory) {
            Ok(()) => self.disk.sync_dir(Path::new("")).map_err(at(Path::new(""))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(at(directory)(error)),
        }
    }

    /// Writes the bytes of a file from `from` to `to` over themselves and syncs them.
    ///
    /// A sync that failed in another process may have left bytes in the page cache that the kernel believes to
    /// be clean: readable now, gone after a power cut. Written over, they are dirty again, and the sync counts.
    pub(super) fn write_over(&self, file: u64, from: u64, to: u64) -> Result<(), LogError> {
        let path = file_path(file);
        let mode = self.disk.stat(&path).map_err(at(&path))?.mode;
        let handle = self.open_to_write(&path)?;
        let mut offset = from / PAGE_BYTES * PAGE_BYTES;
        let mut buffer = vec![0; 1 << 20];
        while offset < to {
            let wanted = usize::try_from(to - offset).unwrap_or(usize::MAX).min(buffer.len());
            let read = handle.read_at(&mut buffer[..wanted], offset).map_err(at(&path))?;
            if read == 0 {
                return Err(at(&path)(io::ErrorKind::UnexpectedEof.into()));
            }
            handle.write_all_at(&buffer[..read], offset).map_err(at(&path))?;
            offset += read as u64;
        }
        handle.sync().map_err(at(&path))?;
        if mode & 0o200 == 0 {
            handle.set_mode(mode).map_err(at(&path))?;
        }
        Ok(())
    }

    /// Opens a file to be written, though it may be one that was [closed](Self::close): an append that was cut
    /// short in the file after it leaves the log ending there.
    fn open_to_write(&self, path: &Path) -> Result<Box<dyn DiskFile>, LogError> {
        match self.disk.open_write(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let closed = self.disk.open(path).map_err(at(path))?;
                closed.set_mode(self.file_mode).map_err(at(path))?;
                self.disk.open_write(path).map_err(at(path))
            }
            opened => opened.map_err(at(path)),
        }
    }
}

/// Returns whether the 32 bytes before `position` are its head's digest.
fn ends_with(file: &dyn DiskFile, position: &Position) -> io::Result<bool> {
    let Some(offset) = position.length.checked_sub(32) else {
        return Ok(position.length == 0 && position.head.sequence == 0);
    };
    let mut digest = [0; 32];
    Ok(read_full(file, &mut digest, offset)? == 32 && digest == *position.head.digest.as_bytes())
}

pub(super) fn read_full(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
