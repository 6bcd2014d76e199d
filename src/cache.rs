//! The stat cache: which digests a file had when it was last read, in a SQLite file of its own.
//!
//! It is nobody's truth. It may be deleted or damaged at any time: then it is made anew, or not used, and
//! nothing but time is lost. Facts stand in sorted blocks, each under a checksum of itself, so that a damaged file can
//! make the cache forget but not lie, and SQLite need not sync it. A fact is about a file (these bytes were read under
//! this size and these times), true whatever the store holds. Whether the store still has the object is for
//! the caller to ask; so that he need not ask for each, a run that ended well leaves a [`Stamp`]: by this event of the
//! log all that this run's facts name was stored. What that is worth today, the log says.
//!
//! Files whose times are too fresh to tell are neither stored nor answered for: a file that is changed
//! again within one tick of the file system's clock keeps its size and times.

mod block;
mod fact;
mod file;
mod table;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ErrorCode};

pub use block::Stamp;
use block::{Block, Range};
use fact::is_racy;
pub use fact::{Fact, FileId, FileTime, Fingerprint, Hit, RunId};
use file::{connect, connect_to_read, discard, is_useless};

use crate::env::Timestamp;
use crate::identity::ContentAddress;

/// How many blocks a reader keeps: some 14 MiB.
const BLOCKS_KEPT: usize = 512;

/// The stat cache of one store, open for writing: for one run.
#[derive(Debug)]
pub struct StatCache {
    path: PathBuf,
    started: Timestamp,
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    /// Whose facts are stored; counted when there are any.
    run: Option<RunId>,
}

/// What the cache held when this was made, for all threads of a run.
#[derive(Debug)]
pub struct CacheReader {
    started: Timestamp,
    loaded: Mutex<Option<Loaded>>,
}

/// What was read so far.
#[derive(Debug)]
struct Loaded {
    connection: Connection,
    blocks: BTreeMap<(u64, u64), (Range, Block)>,
    /// The keys of `blocks`, the first one read first.
    order: VecDeque<(u64, u64)>,
    stamps: HashMap<RunId, Option<Stamp>>,
}

impl StatCache {
    /// Opens the cache, making it anew where it is missing, damaged or not ours. A new file gets exactly `mode`.
    ///
    /// `started` is an instant before anything is looked at. `None` means that there is none to be had (a
    /// read-only store, a file system without locks): every file is then read.
    pub fn open(path: &Path, mode: u32, started: Timestamp) -> Option<Self> {
        let connection = match connect(path, mode) {
            Ok(connection) => connection,
            Err(error) if is_useless(&error) => {
                discard(path);
                connect(path, mode).ok()?
            }
            Err(_) => return None,
        };
        Some(Self::over(path, connection, started))
    }

    /// Opens the cache where there is one, and makes none.
    pub fn open_existing(path: &Path, started: Timestamp) -> Option<Self> {
        let there = path.symlink_metadata().is_ok_and(|found| found.is_file());
        let connection = if there { connect(path, 0o600).ok()? } else { return None };
        Some(Self::over(path, connection, started))
    }

    fn over(path: &Path, connection: Connection, started: Timestamp) -> Self {
        Self { path: path.to_owned(), started, writer: Mutex::new(Some(Writer { connection, run: None })) }
    }

    /// Returns a view of what the cache holds now.
    pub fn reader(&self) -> CacheReader {
        let loaded = connect_to_read(&self.path).ok().map(|connection| Loaded {
            connection,
            blocks: BTreeMap::new(),
            order: VecDeque::new(),
            stamps: HashMap::new(),
        });
        CacheReader { started: self.started, loaded: Mutex::new(loaded) }
    }

    /// Stores facts, but for those of files that are too fresh. What cannot be stored is left out.
    pub fn remember(&self, facts: &[Fact]) {
        let mut writer = self.writer();
        let Some(Writer { connection, run }) = writer.as_mut() else { return };
        let mut kept = facts.iter().filter(|fact| fact.may_be_kept(self.started)).copied().peekable();
        if kept.peek().is_none() {
            return; // an unchanged tree leaves the file as it is
        }
        match table::insert(connection, kept, *run) {
            Ok(stored_by) => *run = Some(stored_by),
            Err(error) => self.give_up(&mut writer, &error),
        }
    }

    /// Writes down by what the facts of this run are believed, where it stored any. For the end of a run that ended
    /// well: every object that they name is stored by the event of the stamp.
    pub fn vouch(&self, stamp: &Stamp) {
        let mut writer = self.writer();
        let Some(Writer { connection, run: Some(run) }) = writer.as_ref() else { return };
        if let Err(error) = table::vouch(connection, *run, stamp) {
            self.give_up(&mut writer, &error);
        }
    }

    /// Forgets the files that had this content, and returns how many they were: the next add reads them again.
    pub fn forget(&self, addresses: &[ContentAddress]) -> u64 {
        let mut writer = self.writer();
        let Some(Writer { connection, .. }) = writer.as_mut() else { return 0 };
        match table::delete(connection, addresses) {
            Ok(files) => files,
            Err(error) => {
                self.give_up(&mut writer, &error);
                0
            }
        }
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops using a cache that failed, and drops it where it is damaged. One that is merely busy goes on.
    fn give_up(&self, writer: &mut Option<Writer>, error: &rusqlite::Error) {
        if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) {
            return;
        }
        *writer = None;
        if is_useless(error) {
            discard(&self.path);
        }
    }
}

impl CacheReader {
    /// Returns whether nothing is known of any file: then nobody needs to look before he reads.
    pub fn is_empty(&self) -> bool {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.as_ref().is_none_or(|loaded| !table::has_blocks(&loaded.connection).unwrap_or(false))
    }

    /// Returns what is known of each file that is still as it was when it was read, as far as the cache can tell.
    ///
    /// Many are asked for together, so that threads meet here once for a directory and not once for a file.
    pub fn lookup(&self, prints: &[Fingerprint]) -> Vec<Option<Hit>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut look = |print: &Fingerprint| {
            if is_racy(print, self.started) {
                return None;
            }
            let found = loaded.as_mut()?.find(print);
            found.unwrap_or_else(|_| {
                *loaded = None;
                None
            })
        };
        prints.iter().map(&mut look).collect()
    }

    /// Returns by what the facts of a run are believed; `None` where it did not end well, or too long ago.
    pub fn stamp(&self, run: RunId) -> Option<Stamp> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let Loaded { connection, stamps, .. } = loaded.as_mut()?;
        *stamps.entry(run).or_insert_with(|| table::stamp(connection, run).ok().flatten())
    }
}

impl Loaded {
    fn find(&mut self, print: &Fingerprint) -> rusqlite::Result<Option<Hit>> {
        let FileId { device, inode } = print.id;
        let below = self.blocks.range(..=(device, inode)).next_back();
        if let Some((_, (range, block))) = below
            && range.holds(device, inode)
        {
            return Ok(block.find(print));
        }
        let range = table::range_of(&self.connection, device, inode)?;
        let block = table::load(&self.connection, range)?;
        let hit = block.find(print);
        // Whoever walks in another order than the inodes' reads blocks again; a bound costs him time, not us memory.
        if self.order.len() >= BLOCKS_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.blocks.remove(&oldest);
        }
        self.order.push_back((device, range.first));
        self.blocks.insert((device, range.first), (range, block));
        Ok(hit)
    }
}

#[cfg(test)]
mod tests;
