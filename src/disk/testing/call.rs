//! One call of a [`Disk`](crate::disk::Disk), as a value.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open file, by the order of opening. It stays the same file when it is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub(super) u64);

/// What was asked of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the arguments of the methods that the variants name")]
pub enum Call {
    /// [`Disk::open`](crate::disk::Disk::open): a reading call.
    Open { path: PathBuf },
    /// [`DiskFile::read_at`](crate::disk::DiskFile::read_at): a reading call.
    Read { path: PathBuf, offset: u64, length: usize },
    /// `stat` of a path or an open file: a reading call.
    Stat { path: PathBuf },
    /// [`Disk::list`](crate::disk::Disk::list): a reading call.
    List { path: PathBuf },
    /// [`Disk::open_write`](crate::disk::Disk::open_write).
    OpenWrite { path: PathBuf, file: FileId },
    /// [`Disk::create`](crate::disk::Disk::create).
    Create { path: PathBuf, mode: u32, file: FileId },
    /// [`DiskFile::write_all_at`](crate::disk::DiskFile::write_all_at).
    Write { path: PathBuf, file: FileId, offset: u64, bytes: Vec<u8> },
    /// [`DiskFile::set_len`](crate::disk::DiskFile::set_len).
    SetLen { path: PathBuf, file: FileId, size_bytes: u64 },
    /// [`DiskFile::set_mode`](crate::disk::DiskFile::set_mode).
    SetMode { path: PathBuf, file: FileId, mode: u32 },
    /// [`DiskFile::sync`](crate::disk::DiskFile::sync).
    SyncFile { path: PathBuf, file: FileId },
    /// [`Disk::make_dir`](crate::disk::Disk::make_dir).
    MakeDir { path: PathBuf },
    /// [`Disk::rename`](crate::disk::Disk::rename).
    Rename { from: PathBuf, to: PathBuf },
    /// [`Disk::remove_file`](crate::disk::Disk::remove_file).
    RemoveFile { path: PathBuf },
    /// [`Disk::remove_dir`](crate::disk::Disk::remove_dir).
    RemoveDir { path: PathBuf },
    /// [`Disk::sync_dir`](crate::disk::Disk::sync_dir).
    SyncDir { path: PathBuf },
    /// [`Disk::sync_all`](crate::disk::Disk::sync_all).
    SyncAll,
    /// [`Disk::point`](crate::disk::Disk::point).
    Point { name: &'static str },
    /// What others (SQLite) made of their files since they were last looked at; no call of a disk. Without bytes, the
    /// file is gone; those come last.
    Foreign { files: Vec<(PathBuf, Option<Arc<Vec<u8>>>)> },
}

impl Call {
    /// Returns whether it neither changes nor syncs anything, and is no point.
    pub fn is_reading(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::Read { .. } | Self::Stat { .. } | Self::List { .. })
    }

    /// Returns whether it makes something durable.
    pub fn is_sync(&self) -> bool {
        matches!(self, Self::SyncFile { .. } | Self::SyncDir { .. } | Self::SyncAll)
    }

    /// Returns whether it changes what is on the disk.
    pub fn is_change(&self) -> bool {
        let opens = matches!(self, Self::OpenWrite { .. } | Self::Point { .. } | Self::Foreign { .. });
        !self.is_reading() && !self.is_sync() && !opens
    }

    /// Returns the path that it is about; the new one of a rename.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Open { path }
            | Self::Read { path, .. }
            | Self::Stat { path }
            | Self::List { path }
            | Self::OpenWrite { path, .. }
            | Self::Create { path, .. }
            | Self::Write { path, .. }
            | Self::SetLen { path, .. }
            | Self::SetMode { path, .. }
            | Self::SyncFile { path, .. }
            | Self::MakeDir { path }
            | Self::Rename { to: path, .. }
            | Self::RemoveFile { path }
            | Self::RemoveDir { path }
            | Self::SyncDir { path } => Some(path),
            Self::SyncAll | Self::Point { .. } | Self::Foreign { .. } => None,
        }
    }
}
