//! A bag in the making: the payload first, the tag files around it, and last of all the list that covers these.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use sha2::Digest as _;

use super::super::export::{ExportError, ExportOptions, Exported, Made, export_into, open_destination};
use super::super::handle::{Follow, open_directory};
use super::super::hook::Hook;
use super::super::ingest::BoxError;
use super::MANIFEST;
use crate::formats::bagit;
use crate::identity::Sha256;
use crate::manifest::Entry;
use crate::monitor::Monitor;
use crate::storage::Local;

/// The list of the tag files. A bag without it was not finished.
const TAG_LIST: &str = "tagmanifest-sha256.txt";

/// A directory that becomes a bag.
#[derive(Debug)]
pub struct BagDirectory {
    root: OwnedFd,
    made: Made,
    path: PathBuf,
    /// What was written of tag files, with their digests.
    written: Vec<(&'static str, Sha256)>,
}

impl BagDirectory {
    /// Makes the directory, or takes one that is empty.
    ///
    /// # Errors
    /// [`ExportError::Destination`], [`ExportError::NotEmpty`].
    pub fn begin(path: &Path) -> Result<Self, ExportError> {
        let (root, made) = open_destination(path)?;
        Ok(Self { root, made, path: path.to_owned(), written: Vec::new() })
    }

    /// Writes the payload: files and directories, no symlinks.
    ///
    /// # Errors
    /// As [`export`](super::super::export()). Where nothing was written, nothing is left.
    pub fn payload(
        &self,
        entries: &mut (dyn Iterator<Item = Result<Entry, BoxError>> + '_),
        local: &Local,
        options: &ExportOptions,
        monitor: &dyn Monitor,
        cancelled: &AtomicBool,
    ) -> Result<Exported, ExportError> {
        let data = self.beneath("data");
        let exported = self.make_directory("data").and_then(|root| {
            export_into(&root, entries, local, &data, options, monitor, cancelled, &Hook::none())
        });
        if exported.is_err() {
            unlinkat(&self.root, "data", AtFlags::REMOVEDIR).ok();
            if self.made == Made::ByUs {
                unlinkat(CWD, &self.path, AtFlags::REMOVEDIR).ok();
            }
        }
        exported
    }

    /// Writes the tag files, and their list last, when all else is durable. `manifest` is the canonical one.
    ///
    /// # Errors
    /// [`ExportError::Write`].
    pub fn finish(
        mut self,
        list: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        info: &[u8],
        manifest: &[u8],
    ) -> Result<Sha256, ExportError> {
        self.tag_file("manifest-sha256.txt", list)?;
        self.tag_file("bag-info.txt", &mut |out| out.write_all(info))?;
        drop(self.make_directory("astore")?);
        self.tag_file(MANIFEST, &mut |out| out.write_all(manifest))?;
        self.tag_file("bagit.txt", &mut |out| out.write_all(bagit::DECLARATION))?;
        self.sync()?;
        let mut tags = std::mem::take(&mut self.written);
        tags.sort_unstable_by_key(|(name, _)| *name);
        let digest = self.tag_file(TAG_LIST, &mut |out| {
            tags.iter().try_for_each(|(name, digest)| bagit::write_line(digest, name.as_bytes(), out))
        })?;
        rustix::fs::fsync(&self.root).map_err(|error| self.failed(".", error))?;
        Ok(digest)
    }

    /// Writes a tag file, and remembers its digest.
    fn tag_file(
        &mut self,
        name: &'static str,
        content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Sha256, ExportError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let opened = openat(&self.root, name, flags, Mode::from_raw_mode(0o666));
        let file = File::from(opened.map_err(|error| self.failed(name, error))?);
        let mut out = Hashed { out: BufWriter::new(file), hasher: sha2::Sha256::new() };
        let written = content(&mut out).and_then(|()| {
            out.out.flush()?;
            out.out.get_ref().sync_all()
        });
        written.map_err(|error| self.failed(name, error))?;
        let digest = Sha256::from_bytes(out.hasher.finalize().into());
        self.written.push((name, digest));
        Ok(digest)
    }

    fn make_directory(&self, name: &'static str) -> Result<OwnedFd, ExportError> {
        let made = mkdirat(&self.root, name, Mode::from_raw_mode(0o777));
        made.map_err(|error| self.failed(name, error))?;
        let name_c = std::ffi::CString::new(name).map_err(|error| self.failed(name, error))?;
        open_directory(&self.root, &name_c, Follow::Never).map_err(|error| self.failed(name, error))
    }

    /// Makes all of it durable.
    fn sync(&self) -> Result<(), ExportError> {
        rustix::fs::syncfs(&self.root).map_err(|error| self.failed(".", error))
    }

    fn failed(&self, name: &str, error: impl Into<io::Error>) -> ExportError {
        ExportError::Write { path: self.beneath(name), source: error.into() }
    }

    fn beneath(&self, name: &str) -> PathBuf {
        let mut path = self.path.clone();
        if name != "." {
            path.push(name);
        }
        path
    }
}

/// Hashes what passes.
struct Hashed {
    out: BufWriter<File>,
    hasher: sha2::Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
