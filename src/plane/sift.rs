//! The names that the stat cache answers for, told from those that have to be read: a directory's names at a time.
//!
//! An unchanged tree costs a `stat` a file here and nothing else of the system: the cache and the log are asked about
//! all names of a handful together, and the log about its runs only, not about each object, where it can vouch for them.

use std::ffi::CStr;
use std::os::fd::AsFd as _;

use super::hand::{Hand, Looked, Place, Trouble};
use super::handle::{FileStat, Follow, Kind, stat_at};
use super::hook::Moment;
use super::ingest::{IngestError, Standing, Unreadable};
use super::leaves::{Folder, Leaves};
use crate::cache::{Fact, Fingerprint, RunId};
use crate::identity::Digests;
use crate::manifest::EntryPath;

/// What a look at a name without opening it shows.
pub(super) enum Glance {
    /// All that there is to know.
    Done(Looked),
    /// A file; looked at only where there is a cache to ask.
    File(EntryPath, Option<FileStat>),
}

impl Hand<'_> {
    pub(super) fn place_in<'p>(&self, folder: &'p Folder, name: &'p CStr) -> Place<'p> {
        let device = self.run.rules.one_file_system.then_some(folder.device);
        Place { at: folder.place.as_fd(), name, follow: Follow::Never, device }
    }

    /// Takes down the entries of all names that need not be read, and leaves the others.
    pub(super) fn sift(&mut self, folder: &Folder, leaves: &mut Leaves) -> Result<(), IngestError> {
        if self.run.cache.is_none() {
            return Ok(());
        }
        let names = leaves.take_names();
        let (mut files, mut prints) = (Vec::with_capacity(names.len()), Vec::with_capacity(names.len()));
        self.haul.entries.reserve(names.len());
        for (kind, name) in names.iter() {
            self.run.go_on()?;
            let glanced = match folder.stored_path(name) {
                Ok(path) => self.glance(&self.place_in(folder, name), kind, path),
                Err(error) => Err(Trouble::Unreadable(Unreadable::Path(error))),
            };
            match glanced {
                Ok(Glance::File(path, Some(found))) => {
                    prints.push(found.print);
                    files.push((name, path, found));
                }
                Ok(Glance::File(_, None)) => leaves.unknown(name),
                Ok(Glance::Done(looked)) => self.note(Ok(looked), &|| folder.walked_path(name))?,
                Err(trouble) => self.note(Err(trouble), &|| folder.walked_path(name))?,
            }
        }
        let known = self.cached(&prints)?;
        for ((name, path, found), known) in files.into_iter().zip(known) {
            match known {
                Some(object) => {
                    self.haul.cache_hits += 1;
                    let entry = self.entry(path, &found, object);
                    self.note(Ok(entry), &|| folder.walked_path(name))?;
                }
                None => leaves.unknown(name),
            }
        }
        Ok(())
    }

    /// Looks at a name without opening it.
    pub(super) fn glance(&self, place: &Place<'_>, kind: Kind, path: EntryPath) -> Result<Glance, Trouble> {
        self.run.hook.call(Moment::BeforeOpen, path.file_name());
        if kind == Kind::Symlink {
            return Ok(Glance::Done(self.symlink(place, path)?));
        }
        if self.run.cache.is_none() {
            return Ok(Glance::File(path, None));
        }
        let found = stat_at(place.at, place.name, place.follow)?;
        match place.instead_of_file(&found) {
            Some(other) => Ok(Glance::Done(self.other(other, place, path)?)),
            None => Ok(Glance::File(path, Some(found))),
        }
    }

    /// Asks the stat cache, and believes it where the store still has what it names.
    ///
    /// A gc cannot come between the question and the event that names the objects, since the store's lock is held. What a
    /// verify finds meanwhile it finds after the question, whether that was asked for a run or for an object.
    pub(super) fn cached(&mut self, prints: &[Fingerprint]) -> Result<Vec<Option<Digests>>, IngestError> {
        let Some(cache) = &self.run.cache else { return Ok(vec![None; prints.len()]) };
        let hits = cache.lookup(prints);
        let mut known: Vec<Option<Digests>> = hits.iter().map(|hit| hit.map(|hit| hit.digests)).collect();
        let Some(store) = self.run.store else { return Ok(known) };
        let mut unsure = Vec::new();
        for (nth, hit) in hits.iter().enumerate() {
            if let Some(hit) = hit
                && !self.is_vouched(hit.run)?
            {
                unsure.push(nth);
            }
        }
        let addresses: Vec<_> =
            unsure.iter().filter_map(|&nth| known[nth].map(|digests| digests.address())).collect();
        let standings = match addresses[..] {
            [] => Vec::new(),
            _ => store.known.standings(&addresses).map_err(IngestError::Known)?,
        };
        for ((nth, address), standing) in unsure.into_iter().zip(&addresses).zip(standings) {
            match known[nth] {
                // In the name of this run from now on: the next one need not ask again.
                Some(digests) if standing == Standing::Stored || store.staging.holds(address) => {
                    self.haul.facts.push(Fact { print: prints[nth], digests });
                }
                _ => known[nth] = None,
            }
        }
        Ok(known)
    }

    /// Returns whether the log still has all that a run stored.
    fn is_vouched(&mut self, run: RunId) -> Result<bool, IngestError> {
        if let Some(vouched) = self.vouched.get(&run) {
            return Ok(*vouched);
        }
        let stamp = self.run.cache.as_ref().and_then(|cache| cache.stamp(run));
        let vouched = match (stamp, &self.run.store) {
            (Some(stamp), Some(store)) => store.known.vouches_for(&stamp).map_err(IngestError::Known)?,
            _ => false,
        };
        self.vouched.insert(run, vouched);
        Ok(vouched)
    }
}
