//! Files of an export that are no objects: what a format wants beside the bytes.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::sync::PoisonError;

use rustix::fs::{Mode, OFlags, fchmod, openat};
use rustix::io::retry_on_intr;

use super::super::handle::open_beneath;
use super::{Export, ExportError};
use crate::manifest::EntryPath;

/// A file with these bytes.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it goes; the directory is one of the entries.
    pub path: EntryPath,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Who may read a document: the same whatever the umask.
const DOCUMENT_MODE: Mode = Mode::from_raw_mode(0o644);

impl Export<'_> {
    /// Writes the documents, unless something is damaged: what they speak of is not all there then.
    pub(super) fn documents(&self, root: &OwnedFd, documents: &[Document]) -> Result<(), ExportError> {
        if !self.damaged.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Ok(());
        }
        for document in documents {
            self.go_on()?;
            write(root, document).map_err(|error| self.failed(&document.path, error))?;
        }
        Ok(())
    }
}

fn write(root: &OwnedFd, document: &Document) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let create =
        |parent: &OwnedFd| retry_on_intr(|| openat(parent, document.path.file_name(), flags, DOCUMENT_MODE));
    let file = match document.path.parent() {
        None => create(root)?,
        Some(parent) => create(&open_beneath(root, parent, OFlags::PATH)?)?,
    };
    fchmod(&file, DOCUMENT_MODE)?;
    File::from(file).write_all(&document.bytes)
}
