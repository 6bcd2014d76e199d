//! A bag's payload held against its manifest, by what an ingest of it found.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::Digest as _;

use super::super::ingest::OutsideLinks;
use super::super::unpack::leads_out;
use super::read::{Hash, hash_file, shown};
use super::{Bag, BagError, MANIFEST};
use crate::formats::bagit::Listed;
use crate::formats::checkfile::Mismatch;
use crate::manifest::{EntryBody, EntryList, EntryPath, Manifest};
use crate::monitor::{Counter, Monitor, Task};

impl Bag {
    /// Makes sure that the payload can be held against what an ingest finds, which is SHA-256. Where the bag has that
    /// already, it is done; else every file is read once, held against its digest, and what SHA-256 the very same bytes
    /// have is noted: what is taken in later has to be these.
    ///
    /// # Errors
    /// [`BagError::Read`], [`BagError::Cancelled`]. A file that is missing or differs is for [`Bag::hold`] to name.
    pub fn prepare(&mut self, monitor: &dyn Monitor, cancelled: &AtomicBool) -> Result<(), BagError> {
        if self.hash == Hash::Sha256 {
            return Ok(());
        }
        monitor.start(Task::Hashing, self.oxum.first().map(|told| told.0));
        for line in &mut self.lines {
            let hashed = |path: &EntryPath| {
                let mut own = sha2::Sha256::new();
                let path = [b"data/", path.as_bytes()].concat();
                let found = hash_file(self.hash, &self.root, &path, &mut |chunk| {
                    own.update(chunk);
                    monitor.count(Counter::BytesHashed, chunk.len() as u64);
                    match cancelled.load(Ordering::Relaxed) {
                        true => Err(io::Error::from(io::ErrorKind::Interrupted)),
                        false => Ok(()),
                    }
                });
                found.map(|found| (found, own.finalize().to_vec()))
            };
            let mut found = hashed(&line.path);
            if let (Err(_), Some(otherwise)) = (&found, &line.otherwise) {
                found = hashed(otherwise);
            }
            line.digest = match found {
                Ok((found, own)) if found == line.digest => own,
                Ok(_) => Vec::new(), // no file has this digest
                Err(_) if cancelled.load(Ordering::Relaxed) => return Err(BagError::Cancelled),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(source) => {
                    let path = [b"data/", line.path.as_bytes()].concat();
                    return Err(BagError::Read { path: shown(&self.directory, &path), source });
                }
            };
        }
        monitor.finish(Task::Hashing);
        Ok(())
    }

    /// Returns the manifest that the payload is held against.
    pub fn list(&self) -> &std::path::Path {
        &self.list
    }

    /// Holds what an ingest of the payload found, sorted by path, against the manifest, and returns every mismatch in
    /// the order of paths. A symlink is no file of a bag.
    pub fn hold(&self, entries: &EntryList) -> Vec<Mismatch> {
        let is_there = |path: &EntryPath| entries.find(path.as_bytes()).is_some();
        let meant = |line: &Listed| match &line.otherwise {
            Some(otherwise) if !is_there(&line.path) && is_there(otherwise) => otherwise.clone(),
            _ => line.path.clone(),
        };
        let mut expected: Vec<(EntryPath, &[u8])> =
            self.lines.iter().map(|line| (meant(line), &*line.digest)).collect();
        expected.sort_unstable();
        let mut mismatches = Vec::new();
        let mut expected = expected.into_iter().peekable();
        for entry in entries.iter() {
            while let Some((path, _)) = expected.next_if(|(path, _)| *path < entry.path) {
                mismatches.push(Mismatch::Missing(path));
            }
            let told = expected.next_if(|(path, _)| *path == entry.path);
            match (&entry.body, told) {
                (EntryBody::File { object, .. }, Some((path, digest))) => {
                    if object.sha256.as_bytes()[..] != *digest {
                        mismatches.push(Mismatch::Differs(path));
                    }
                }
                (EntryBody::File { .. } | EntryBody::Symlink { .. }, None) => {
                    mismatches.push(Mismatch::Unlisted(entry.path));
                }
                (EntryBody::Directory { .. } | EntryBody::Symlink { .. }, Some((path, _))) => {
                    mismatches.push(Mismatch::Missing(path));
                }
                (EntryBody::Directory { .. }, None) => {}
            }
        }
        mismatches.extend(expected.map(|(path, _)| Mismatch::Missing(path)));
        mismatches
    }

    /// Holds bytes and files of the payload against `Payload-Oxum`, where that is there.
    ///
    /// # Errors
    /// [`BagError::Oxum`].
    pub fn hold_oxum(&self, entries: &EntryList) -> Result<(), BagError> {
        let sizes = entries.objects().map(|object| object.size_bytes);
        let found = sizes.fold((0, 0), |(bytes, files), size| (bytes + size, files + 1));
        match self.oxum.iter().find(|told| **told != found) {
            Some(&told) => Err(BagError::Oxum { directory: self.directory.clone(), told, found }),
            None => Ok(()),
        }
    }

    /// Returns what a package of this bag is to hold by our own manifest in it, where there is one that says of every
    /// file just what was found: then it has the modes, symlinks, empty directories and times that a bag cannot say.
    ///
    /// # Errors
    /// [`BagError::LeadsOut`].
    pub fn described(&self, entries: &EntryList, outside_links: OutsideLinks) -> Result<Described, BagError> {
        let Some(bytes) = &self.manifest else { return Ok(Described::Not) };
        let Ok(manifest) = Manifest::parse(bytes) else { return Ok(Described::Otherwise) };
        let files = |entry: crate::manifest::Entry| {
            let object = *entry.object()?;
            Some((entry.path, object))
        };
        if !manifest.entries().filter_map(files).eq(entries.iter().filter_map(files)) {
            return Ok(Described::Otherwise);
        }
        for entry in manifest.entries() {
            if let EntryBody::Symlink { target } = entry.body
                && outside_links == OutsideLinks::Refuse
                && leads_out(&entry.path, &target)
            {
                let file = shown(&self.directory, MANIFEST.as_bytes());
                return Err(BagError::LeadsOut { file, path: entry.path, target: target.into_vec() });
            }
        }
        Ok(Described::As(manifest.entries().collect()))
    }
}

/// What our own manifest in a bag says of it.
#[derive(Debug)]
pub enum Described {
    /// There is none.
    Not,
    /// It describes other files.
    Otherwise,
    /// These entries.
    As(EntryList),
}
