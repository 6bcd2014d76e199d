//! An archive taken in as it comes through a pipe: nothing of it is unpacked anywhere but into the store.
//!
//! One thread reads the archive. What is small it hands to the readers of files, which hash and stage it; a long member
//! it takes itself. What a link is a link to is looked up at the end, when all members are known.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::hand::{Hand, Trouble};
use super::ingest::{IngestError, OutsideLinks, Unreadable};
use super::intake::Content;
use super::leaves::Work;
use super::roots::MADE_UP_MODE;
use crate::formats::tar::{Body, Input, Member, Reader, Refusal, TarError};
use crate::identity::Digests;
use crate::manifest::{ENTRIES_MAX, Entry, EntryBody, EntryList, EntryPath, Mtime};
use crate::monitor::{Counter, Problem};

/// Up to this size a member is held in memory and handed to whoever is free; some sixty of them wait at most.
const SMALL_BYTES: u64 = 64 << 10;

/// What is wrong with an archive as a tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveRefusal {
    /// It is no good archive.
    #[error(transparent)]
    Format(#[from] Refusal),
    /// Two members have this path.
    #[error("it is there twice")]
    Twice,
    /// A symbolic link points out of the tree that the archive is.
    #[error("it is a symlink that leads out of the archive, to {}", String::from_utf8_lossy(target))]
    LeadsOut {
        /// Where it points.
        target: Vec<u8>,
    },
    /// Its parent is a file or a symbolic link.
    #[error("it is beneath {}, which is no directory", String::from_utf8_lossy(parent.as_bytes()))]
    Beneath {
        /// What it is beneath.
        parent: EntryPath,
    },
    /// It is another name of something that is not there, or no file.
    #[error("it is a link to {}, which is no file of the archive", String::from_utf8_lossy(to.as_bytes()))]
    NoTarget {
        /// What it is to be another name of.
        to: EntryPath,
    },
    /// More members than a package has entries.
    #[error("it is one more than a package holds ({ENTRIES_MAX})")]
    TooMany,
}

/// A small file out of an archive.
#[derive(Debug)]
pub(super) struct Small {
    path: EntryPath,
    mode: u32,
    mtime: Option<Mtime>,
    bytes: Vec<u8>,
}

/// Another name of a file of the archive.
#[derive(Debug)]
pub(super) struct HardLink {
    path: EntryPath,
    to: EntryPath,
    mtime: Option<Mtime>,
}

/// What an archive holds beside what its members are by themselves.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) archive: PathBuf,
    pub(super) links: Vec<HardLink>,
}

type Archive<'a> = Reader<'a, IngestError>;

impl Hand<'_> {
    /// Takes in an archive, to the end of the stream.
    pub(super) fn unpack(&mut self, stream: &mut dyn Read, archive: &Path) -> Result<Unpacked, IngestError> {
        let run = self.run;
        let ask = || run.go_on();
        let mut reader = Reader::new(Input { stream, ask: &ask });
        let mut links = Vec::new();
        let mut members = 0;
        while let Some(member) = reader.next_member().map_err(|error| failed(archive, &[], error))? {
            run.go_on()?;
            members += 1;
            let Some(path) = member.path.clone() else { continue }; // the top itself is no entry
            if members > ENTRIES_MAX {
                return Err(refused(archive, path.as_bytes(), ArchiveRefusal::TooMany));
            }
            if self.is_excluded(&path, member.body == Body::Directory) {
                continue;
            }
            self.member(path, member, &mut reader, archive, &mut links)?;
            if run.lacks_room() {
                self.make_room()?;
            }
        }
        self.deliver()?;
        Ok(Unpacked { archive: archive.to_owned(), links })
    }

    fn member(
        &mut self,
        path: EntryPath,
        member: Member,
        reader: &mut Archive<'_>,
        archive: &Path,
        links: &mut Vec<HardLink>,
    ) -> Result<(), IngestError> {
        let mtime = self.run.rules.keep_mtime.then_some(member.mtime);
        let mode = member.mode;
        self.run.context.monitor.count(Counter::EntriesWalked, 1);
        let body = match member.body {
            Body::File { size_bytes } if size_bytes <= SMALL_BYTES => {
                let mut bytes = vec![0; usize::try_from(size_bytes).unwrap_or_default()];
                reader.read(&mut bytes).map_err(|error| failed(archive, path.as_bytes(), error))?;
                self.run.queue.push(Work::Small(Small { path, mode, mtime, bytes }));
                return Ok(());
            }
            Body::File { .. } => EntryBody::File { mode, object: self.long_member(&path, reader, archive)? },
            Body::Directory => EntryBody::Directory { mode },
            Body::Symlink { target } => {
                if self.run.options.outside_links == OutsideLinks::Refuse && leads_out(&path, &target) {
                    let target = target.into_vec();
                    return Err(refused(archive, path.as_bytes(), ArchiveRefusal::LeadsOut { target }));
                }
                EntryBody::Symlink { target }
            }
            Body::Link { to } => {
                links.push(HardLink { path, to, mtime });
                return Ok(());
            }
            Body::Special(kind) => {
                let path = PathBuf::from(String::from_utf8_lossy(path.as_bytes()).into_owned());
                self.run.context.monitor.problem(&Problem::SpecialFileSkipped { path, kind });
                return Ok(());
            }
        };
        self.haul.entries.push(Entry { path, body, mtime });
        Ok(())
    }

    fn long_member(
        &mut self,
        path: &EntryPath,
        reader: &mut Archive<'_>,
        archive: &Path,
    ) -> Result<Digests, IngestError> {
        let mut content = MemberContent { reader, failure: None };
        let streamed = self.stream(&mut content, None, &[]);
        if let Some(error) = content.failure {
            return Err(failed(archive, path.as_bytes(), error));
        }
        let (digests, staged) = streamed.map_err(|trouble| match trouble {
            Trouble::Fatal(error) => error,
            Trouble::Unreadable(source) => IngestError::Unreadable { path: archive.to_owned(), source },
        })?;
        self.accept(digests, Content::Staged(staged))?;
        self.haul.files_hashed += 1;
        self.haul.bytes_hashed += digests.size_bytes;
        Ok(digests)
    }

    /// Takes a small file that somebody read out of an archive.
    pub(super) fn small(&mut self, small: Small) -> Result<(), IngestError> {
        let Small { path, mode, mtime, bytes } = small;
        let object = Digests::of(&bytes);
        self.run.context.monitor.count(Counter::BytesHashed, object.size_bytes);
        self.accept(object, Content::Bytes(&bytes))?;
        self.haul.files_hashed += 1;
        self.haul.bytes_hashed += object.size_bytes;
        self.haul.entries.push(Entry { path, body: EntryBody::File { mode, object }, mtime });
        Ok(())
    }

    /// Returns whether a path is left out, or is in a directory that is; counts what is left out itself.
    fn is_excluded(&self, path: &EntryPath, is_directory: bool) -> bool {
        let excludes = &self.run.rules.excludes;
        if excludes.is_empty() {
            return false;
        }
        let bytes = path.as_bytes();
        let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        if slashes.into_iter().any(|at| excludes.matches(&bytes[..at], true)) {
            return true;
        }
        let matches = excludes.matches(bytes, is_directory);
        self.run.count_excluded(u64::from(matches));
        matches
    }
}

/// A long member's bytes, as something to read.
struct MemberContent<'a, 'b> {
    reader: &'a mut Archive<'b>,
    failure: Option<TarError<IngestError>>,
}

impl Read for MemberContent<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            self.failure = Some(error);
            io::Error::other("the archive cannot be read")
        })
    }
}

/// Makes a tree of an archive's members: links become files, and directories that no member is are made up. `entries`
/// are sorted, and stay so.
pub(super) fn assemble(unpacked: &Unpacked, entries: &mut EntryList) -> Result<(), IngestError> {
    let refuse = |path: &EntryPath, why| refused(&unpacked.archive, path.as_bytes(), why);
    let mut linked: HashMap<&EntryPath, EntryBody> = HashMap::new();
    let mut added = Vec::new();
    for link in &unpacked.links {
        // It may be a link to a link that came before.
        let to = linked.get(&link.to).cloned();
        let body = match to.or_else(|| Some(entries.find(link.to.as_bytes())?.body)) {
            Some(body @ (EntryBody::File { .. } | EntryBody::Symlink { .. })) => body,
            Some(EntryBody::Directory { .. }) | None => {
                return Err(refuse(&link.path, ArchiveRefusal::NoTarget { to: link.to.clone() }));
            }
        };
        linked.insert(&link.path, body.clone());
        added.push(Entry { path: link.path.clone(), body, mtime: link.mtime });
    }
    add(entries, added);
    if let Some(path) = entries.first_repeated() {
        return Err(refuse(&path, ArchiveRefusal::Twice));
    }
    let mut made_up = BTreeSet::new();
    let mut good: Option<Vec<u8>> = None;
    for entry in entries.iter() {
        let Some(parent) = entry.path.parent() else { continue };
        if good.as_deref() == Some(parent) {
            continue;
        }
        for above in ancestors(&entry.path) {
            match entries.find(above.as_bytes()) {
                None => drop(made_up.insert(above)),
                Some(Entry { body: EntryBody::Directory { .. }, .. }) => {}
                Some(there) => {
                    return Err(refuse(&entry.path, ArchiveRefusal::Beneath { parent: there.path }));
                }
            }
        }
        good = Some(parent.to_vec());
    }
    let directory = |path| Entry { path, body: EntryBody::Directory { mode: MADE_UP_MODE }, mtime: None };
    add(entries, made_up.into_iter().map(directory).collect());
    Ok(())
}

fn add(entries: &mut EntryList, added: Vec<Entry>) {
    if !added.is_empty() {
        entries.extend(added);
        entries.sort();
    }
}

/// Returns the directories above a path.
fn ancestors(path: &EntryPath) -> Vec<EntryPath> {
    let bytes = path.as_bytes();
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.filter_map(|(at, _)| EntryPath::new(&bytes[..at]).ok()).collect()
}

/// Returns whether a symbolic link leads out of the tree, as it is written: other links on its way are not followed.
pub(super) fn leads_out(path: &EntryPath, target: &[u8]) -> bool {
    let mut depth = path.as_bytes().iter().filter(|byte| **byte == b'/').count();
    if target.starts_with(b"/") {
        return true;
    }
    for component in target.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn refused(archive: &Path, member: &[u8], why: ArchiveRefusal) -> IngestError {
    IngestError::Archive { archive: archive.to_owned(), member: member.to_vec(), source: why }
}

fn failed(archive: &Path, member: &[u8], error: TarError<IngestError>) -> IngestError {
    match error {
        TarError::Refused { member: named, refusal } => {
            let member = if named.is_empty() { member } else { &named };
            refused(archive, member, refusal.into())
        }
        TarError::Read(source) => {
            IngestError::Unreadable { path: archive.to_owned(), source: Unreadable::Io(source) }
        }
        TarError::Stop(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_out_or_stay() {
        let out = |path: &str, target: &str| {
            leads_out(&EntryPath::new(path.as_bytes()).unwrap(), target.as_bytes())
        };
        for (path, target) in
            [("a", "/x"), ("a", ".."), ("a", "./../x"), ("d/a", "../../x"), ("d/a", "b/../../../x")]
        {
            assert!(out(path, target), "{path} {target}");
        }
        for (path, target) in
            [("a", "b"), ("d/a", ".."), ("d/a", "../x"), ("d/a", "b/../../x"), ("a", "..b/...")]
        {
            assert!(!out(path, target), "{path} {target}");
        }
    }
}
