//! One reader: opens files, makes sure that they hold still, and hands their bytes to the store.
//!
//! A file is looked at before and after it is read; where the two differ it is read again.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, BorrowedFd};

use crossbeam_channel::Sender;
use rustix::io::Errno;

use super::crew::{Haul, Run};
use super::handle::{FileStat, Follow, Kind, open_file, stat, stat_at};
use super::hook::Moment;
use super::ingest::{IngestError, Taking, Unreadable};
use super::intake::{Accepted, Content};
use super::leaves::{Folder, Leaves, Named, Work};
use super::sift::Glance;
use super::stream::StreamError;
use super::tick::wait_out_the_tick;
use crate::cache::{Fact, RunId};
use crate::identity::Digests;
use crate::manifest::{Entry, EntryBody, EntryPath};
use crate::monitor::{Counter, Problem};
use crate::storage::StorageError;

/// Up to this size content is held in memory until it is known whether the store has it.
/// What goes through a file in flight costs a thread, a second name and, for what is stored already, a write in vain.
const SMALL_BYTES: usize = 1 << 20;
/// How often a file that does not hold still is read.
const TRIES: usize = 3;
const STDIN_MODE: u32 = 0o644;

/// Why there is no entry for a name.
pub(super) enum Trouble {
    /// It cannot be read.
    Unreadable(Unreadable),
    /// The ingest is over.
    Fatal(IngestError),
}

impl From<IngestError> for Trouble {
    fn from(error: IngestError) -> Self {
        Self::Fatal(error)
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Fatal(error.into())
    }
}

impl From<StreamError> for Trouble {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Read(error) => Self::Unreadable(Unreadable::Io(error)),
            StreamError::Stop(error) => Self::Fatal(error),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(Unreadable::Io(error))
    }
}

/// Where a name is to be looked up.
pub(super) struct Place<'a> {
    pub(super) at: BorrowedFd<'a>,
    pub(super) name: &'a CStr,
    pub(super) follow: Follow,
    /// The device that everything beneath a source has to be on, where that was asked for.
    pub(super) device: Option<u64>,
}

/// One reading thread's tools.
pub(super) struct Hand<'a> {
    pub(super) run: &'a Run<'a>,
    give: Sender<Haul>,
    pub(super) haul: Haul,
    /// Of which runs the log says that what they stored is still there.
    pub(super) vouched: HashMap<RunId, bool>,
    buffer: Vec<u8>,
}

impl<'a> Hand<'a> {
    pub(super) fn new(run: &'a Run<'a>, give: Sender<Haul>) -> Self {
        Self { run, give, haul: Haul::default(), vouched: HashMap::new(), buffer: Vec::new() }
    }

    /// Works until there is nothing left to do.
    pub(super) fn work(&mut self) -> Result<(), IngestError> {
        while let Some((work, _ticket)) = self.run.queue.pop() {
            match work {
                Work::Leaves(mut leaves) => self.leaves(&mut leaves)?,
                Work::Named(named) => self.named(&named)?,
                Work::Small(small) => self.small(small)?,
            }
            self.deliver()?;
        }
        Ok(())
    }

    /// Reads standard input to its end.
    pub(super) fn stdin(
        &mut self,
        input: &mut (dyn Read + Send),
        name: &EntryPath,
    ) -> Result<(), IngestError> {
        match self.read_stdin(input) {
            Ok(object) => {
                let body = EntryBody::File { mode: STDIN_MODE, object };
                self.haul.entries.push(Entry { path: name.clone(), body, mtime: None });
                self.deliver()
            }
            Err(Trouble::Unreadable(Unreadable::Io(error))) => Err(IngestError::Stdin(error)),
            Err(Trouble::Unreadable(source)) => {
                Err(IngestError::Unreadable { path: "standard input".into(), source })
            }
            Err(Trouble::Fatal(error)) => Err(error),
        }
    }

    fn read_stdin(&mut self, input: &mut (dyn Read + Send)) -> Result<Digests, Trouble> {
        // The first chunk tells whether a file in flight is needed at all.
        self.buffer.resize(SMALL_BYTES + 1, 0);
        let ask = || Ok::<(), Trouble>(self.run.go_on()?);
        let filled = crate::fill::fill(&mut self.buffer, |rest, _| input.read(rest), ask)?;
        let buffer = std::mem::take(&mut self.buffer);
        let head = &buffer[..filled];
        self.haul.files_hashed += 1;
        if filled <= SMALL_BYTES {
            let digests = Digests::of(head);
            self.count_bytes(digests.size_bytes);
            self.accept(digests, Content::Bytes(head))?;
            self.haul.bytes_hashed += digests.size_bytes;
            return Ok(digests);
        }
        let (digests, staged) = self.stream(input, None, head)?;
        self.accept(digests, Content::Staged(staged))?;
        self.haul.bytes_hashed += digests.size_bytes;
        Ok(digests)
    }

    fn leaves(&mut self, leaves: &mut Leaves) -> Result<(), IngestError> {
        let folder = std::sync::Arc::clone(&leaves.folder);
        if !leaves.sifted {
            self.sift(&folder, leaves)?;
        }
        while let Some((kind, name)) = leaves.next() {
            self.run.go_on()?;
            let name = name.to_owned();
            self.leaf(&folder, kind, &name, leaves)?;
        }
        Ok(())
    }

    fn leaf(
        &mut self,
        folder: &Folder,
        kind: Kind,
        name: &CString,
        rest: &mut Leaves,
    ) -> Result<(), IngestError> {
        let place = self.place_in(folder, name);
        let walked = || folder.walked_path(name);
        let looked = match folder.stored_path(name) {
            Ok(path) if rest.sifted => self.content(&place, path, Some(rest)),
            Ok(path) => self.look(&place, kind, path, Some(rest)),
            Err(error) => Err(Trouble::Unreadable(Unreadable::Path(error))),
        };
        self.note(looked, &walked)
    }

    fn named(&mut self, named: &Named) -> Result<(), IngestError> {
        self.run.go_on()?;
        let place = Place { at: rustix::fs::CWD, name: &named.name, follow: Follow::Named, device: None };
        let looked = self.look(&place, Kind::File, named.stored.clone(), None);
        self.note(looked, &|| named.walked_path())
    }

    /// Puts down what came of looking at a name.
    pub(super) fn note(
        &mut self,
        looked: Result<Looked, Trouble>,
        walked: &dyn Fn() -> std::path::PathBuf,
    ) -> Result<(), IngestError> {
        let monitor = self.run.context.monitor;
        match looked {
            Ok(Looked::Entry(entry)) => self.haul.entries.push(entry),
            Ok(Looked::Special(kind)) => {
                monitor.problem(&Problem::SpecialFileSkipped { path: walked(), kind });
            }
            Ok(Looked::Elsewhere) => {
                monitor.problem(&Problem::Note(format!(
                    "skipped {} (on another file system)",
                    walked().display()
                )));
            }
            Err(Trouble::Unreadable(Unreadable::NoReflink)) => {
                return Err(IngestError::NoReflink { path: walked() });
            }
            Err(Trouble::Unreadable(why)) => self.run.unreadable(walked(), why)?,
            Err(Trouble::Fatal(error)) => return Err(error),
        }
        Ok(())
    }

    /// Looks at one name: what it is and, for a file, what it holds.
    fn look(
        &mut self,
        place: &Place<'_>,
        kind: Kind,
        path: EntryPath,
        rest: Option<&mut Leaves>,
    ) -> Result<Looked, Trouble> {
        let (path, found) = match self.glance(place, kind, path)? {
            Glance::Done(looked) => return Ok(looked),
            Glance::File(path, found) => (path, found),
        };
        if let Some(found) = found
            && let [Some(object)] = self.cached(&[found.print])?[..]
        {
            self.haul.cache_hits += 1;
            return Ok(self.entry(path, &found, object));
        }
        self.content(place, path, rest)
    }

    /// Finds out what a file holds, by reading it.
    fn content(
        &mut self,
        place: &Place<'_>,
        path: EntryPath,
        mut rest: Option<&mut Leaves>,
    ) -> Result<Looked, Trouble> {
        for _ in 0..TRIES {
            let fd = match open_file(place.at, place.name, place.follow) {
                Ok(fd) => fd,
                Err(error)
                    if error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
                        && place.follow == Follow::Never =>
                {
                    return self.symlink(place, path);
                }
                Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                    return Ok(Looked::Special("socket"));
                }
                Err(error) => return Err(error.into()),
            };
            let before = stat(&fd)?;
            if let Some(other) = place.instead_of_file(&before) {
                return self.other(other, place, path);
            }
            if before.links > 1
                && let Some(object) = self.run.linked(&before.print)
            {
                return Ok(self.entry(path, &before, object));
            }
            wait_out_the_tick(before.print.ctime);
            self.run.hook.call(Moment::BeforeRead, path.file_name());
            if let Some((object, after)) =
                self.read(File::from(fd), &before, path.file_name(), rest.as_deref_mut())?
            {
                return Ok(self.entry(path, &after, object));
            }
        }
        Err(Trouble::Unreadable(Unreadable::Changed))
    }

    /// Reads an open file and stages what the store lacks; `None` where the file did not hold still.
    fn read(
        &mut self,
        mut file: File,
        before: &FileStat,
        name: &[u8],
        rest: Option<&mut Leaves>,
    ) -> Result<Option<(Digests, FileStat)>, Trouble> {
        let small = match usize::try_from(before.print.size_bytes) {
            // What is to be shared goes through a file in flight, however short.
            Ok(1..) if self.run.options.taking == Taking::Reflink => None,
            Ok(size) if size <= SMALL_BYTES => self.read_small(&mut file, size)?,
            _ => None,
        };
        let mut staged = None;
        let digests = match small {
            Some(length) => Digests::of(&self.buffer[..length]),
            None => {
                // The others need not wait behind a long file.
                if let Some(rest) = rest.and_then(Leaves::split) {
                    self.run.queue.put_back(Work::Leaves(rest));
                }
                io::Seek::rewind(&mut file)?;
                // Advice: a refusal costs nothing but speed.
                rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential).ok();
                let (digests, in_flight) = self.stream(&mut &file, Some(file.as_fd()), &[])?;
                staged = in_flight;
                digests
            }
        };
        self.run.hook.call(Moment::AfterRead, name);
        let after = stat(&file)?;
        // A regular file that ends before its size was not read to its end, whatever the system says.
        let is_cut_short = digests.size_bytes < before.print.size_bytes && before.has_blocks;
        if after.print != before.print || is_cut_short {
            return Ok(None);
        }
        drop(file);
        self.haul.files_hashed += 1;
        self.haul.bytes_hashed += digests.size_bytes;
        let accepted = match small {
            Some(length) => {
                self.count_bytes(digests.size_bytes);
                let buffer = std::mem::take(&mut self.buffer);
                let accepted = self.accept(digests, Content::Bytes(&buffer[..length]));
                self.buffer = buffer;
                accepted?
            }
            None => self.accept(digests, Content::Staged(staged))?,
        };
        // Files whose size is no such thing (in /proc, say) are read to their end and never cached.
        if before.print.size_bytes == digests.size_bytes {
            let fact = Fact { print: before.print, digests };
            if before.links > 1 {
                self.run.remember_link(fact);
            }
            // What is about to be healed is read again by the next add: should this one fail, the cache would tell
            // that one to believe a log that is wrong about it.
            if self.run.context.cache.is_some() && accepted == Accepted::Sound {
                self.haul.facts.push(fact);
            }
        }
        Ok(Some((digests, after)))
    }

    /// Reads a file into the buffer and returns its length, or `None` where it is longer than it was.
    fn read_small(&mut self, file: &mut File, size: usize) -> io::Result<Option<usize>> {
        if self.buffer.len() <= SMALL_BYTES {
            // Asked for as zeros, not filled with them: of a small file few of its pages are ever touched.
            self.buffer = vec![0; SMALL_BYTES + 1];
        }
        let mut filled = 0;
        loop {
            // One byte more than there should be, so that a single call shows the end too.
            let end = if filled <= size { size + 1 } else { self.buffer.len() };
            match file.read(&mut self.buffer[filled..end]) {
                Ok(0) => return Ok(Some(filled)),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if filled == size {
                return Ok(Some(filled));
            }
            if filled > SMALL_BYTES {
                return Ok(None);
            }
        }
    }

    pub(super) fn symlink(&self, place: &Place<'_>, path: EntryPath) -> Result<Looked, Trouble> {
        let target = match rustix::fs::readlinkat(place.at, place.name, Vec::new()) {
            Ok(target) => target.into_bytes().into_boxed_slice(),
            Err(Errno::INVAL) => return Err(Trouble::Unreadable(Unreadable::Changed)), // it is something else now
            Err(error) => return Err(io::Error::from(error).into()),
        };
        let mtime = match self.run.rules.keep_mtime {
            true => self.run.rules.mtime(&stat_at(place.at, place.name, Follow::Never)?),
            false => None,
        };
        Ok(Looked::Entry(Entry { path, body: EntryBody::Symlink { target }, mtime }))
    }

    pub(super) fn other(
        &self,
        other: Instead,
        place: &Place<'_>,
        path: EntryPath,
    ) -> Result<Looked, Trouble> {
        match other {
            Instead::Symlink => self.symlink(place, path),
            Instead::Special(kind) => Ok(Looked::Special(kind)),
            Instead::Elsewhere => Ok(Looked::Elsewhere),
            Instead::Directory => Err(Trouble::Unreadable(Unreadable::Changed)), // it was none when it was listed
        }
    }

    pub(super) fn entry(&self, path: EntryPath, found: &FileStat, object: Digests) -> Looked {
        let body = EntryBody::File { mode: found.mode, object };
        Looked::Entry(Entry { path, body, mtime: self.run.rules.mtime(found) })
    }

    /// Waits while too much is unpublished, delivering first.
    pub(super) fn make_room(&mut self) -> Result<(), IngestError> {
        if self.run.lacks_room() {
            self.deliver()?;
            self.run.wait_for_room()?;
        }
        Ok(())
    }

    pub(super) fn deliver(&mut self) -> Result<(), IngestError> {
        self.give.send(std::mem::take(&mut self.haul)).map_err(|_| IngestError::Cancelled)
    }

    fn count_bytes(&self, bytes: u64) {
        self.run.context.monitor.count(Counter::BytesHashed, bytes);
    }
}

/// What a name turned out to be.
pub(super) enum Looked {
    Entry(Entry),
    Special(&'static str),
    Elsewhere,
}

/// What stands where a file should.
pub(super) enum Instead {
    Symlink,
    Directory,
    Special(&'static str),
    Elsewhere,
}

impl Place<'_> {
    pub(super) fn instead_of_file(&self, found: &FileStat) -> Option<Instead> {
        match found.kind {
            Kind::File if self.device.is_some_and(|device| device != found.print.id.device) => {
                Some(Instead::Elsewhere)
            }
            Kind::File => None,
            Kind::Symlink => Some(Instead::Symlink),
            Kind::Directory => Some(Instead::Directory),
            Kind::Special(kind) => Some(Instead::Special(kind)),
            Kind::Unknown => Some(Instead::Special("unknown")),
        }
    }
}
