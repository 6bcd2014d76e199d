//! Opening a store: to write it, to read it, or to read one that may not be written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use uuid::Uuid;

use super::change::{enter_found, settle_into, tell, unless_busy};
use super::private::copy_database;
use super::recover::is_nothing_left;
use super::{Access, OpenOptions, Registry};
use crate::db::{Database, DbError, OpenMode};
use crate::disk::Disk;
use crate::env::Env;
use crate::error::Error;
use crate::events::{Bookkeeping, LogError, LogFiles, Step, event, head};
use crate::monitor::{Monitor, Problem, Task};
use crate::storage::{
    Action, Local, LockError, LockRequest, StorageError, StoreConfig, StoreLock, layout, reserve, root,
    staging,
};

/// How `log/` stands to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogStands {
    /// Both end with the same event.
    Even,
    /// `log/` has the database's last event, and something behind it.
    Ahead,
    /// It has not, at least not there: it is cut off, damaged, or another history.
    Astray,
}

/// What a reader is told of such a `log/`.
fn astray() -> Problem {
    let what = "log/ does not have the database's last event in its place".to_owned();
    Problem::LogAstray { what }
}

/// How long a transaction waits for another one at least.
const SHORT_WAIT: Duration = Duration::from_secs(5);

impl Registry {
    /// Opens a store.
    ///
    /// To write, the shared lock is taken before the database is opened, then both copies of the log are
    /// settled. To read, no lock is taken; where `log/` is known to be ahead, the database catches up first.
    ///
    /// # Errors
    /// [`StorageError::NoStore`] and [`StorageError::UnknownFormat`] before anything is touched,
    /// [`Error::Lock`] where the lock is not to be had in time, [`Error::DatabaseMissing`], [`Error::Log`] where
    /// the two copies of the log part, and whatever the system refuses.
    pub fn open(root: &Path, options: OpenOptions, env: Env, monitor: &dyn Monitor) -> Result<Self, Error> {
        let (opened, config) = root::open(root)?;
        Self::open_as(opened.disk, config, root, options, env, monitor)
    }

    /// The same on a disk that is open already: a test's, which fails or stalls where it is told to.
    ///
    /// # Errors
    /// As [`Registry::open`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_on(
        disk: Arc<dyn Disk>,
        root: &Path,
        options: OpenOptions,
        env: Env,
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        let config = root::read_config(disk.as_ref())?
            .ok_or_else(|| StorageError::NoStore { root: root.to_owned() })?;
        Self::open_as(disk, config, root, options, env, monitor)
    }

    pub(super) fn open_as(
        disk: Arc<dyn Disk>,
        config: StoreConfig,
        root: &Path,
        options: OpenOptions,
        env: Env,
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        let opened = match options.access {
            Access::Write | Access::Alone => {
                Self::open_to_write(disk.clone(), root, config, options, env, monitor)
            }
            Access::Read | Access::Log => {
                Self::open_to_read(disk.clone(), root, config, options, env, monitor)
            }
        };
        opened.map_err(|error| {
            let is_lost =
                matches!(error, Error::DatabaseMissing) && is_nothing_left(&disk, root).unwrap_or(false);
            if is_lost { Error::NothingToRecover } else { error }
        })
    }

    fn open_to_write(
        disk: Arc<dyn Disk>,
        root: &Path,
        config: StoreConfig,
        options: OpenOptions,
        env: Env,
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        let lock = lock_to_write(disk.as_ref(), root, &options, monitor)?;
        Self::open_under(lock, disk, root, config, options, env, monitor)
    }

    /// Opens a store to write for somebody who has the lock already.
    pub(super) fn open_under(
        lock: StoreLock,
        disk: Arc<dyn Disk>,
        root: &Path,
        config: StoreConfig,
        options: OpenOptions,
        env: Env,
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        let path = layout::within(root, layout::DATABASE.as_ref());
        let spends = options.spends_reserve;
        let db = match open_database(&path, OpenMode::Write) {
            // Merely to be read, the database needs some room beside it.
            Err(Error::Db(error)) if error.is_system() && is_full(disk.as_ref()) => {
                if !spends || !make_room(disk.as_ref()) {
                    return Err(no_room());
                }
                open_database(&path, OpenMode::Write)?
            }
            opened => opened?,
        };
        let registry = Self::assemble(disk, root, config, options, env, db, Some(lock))?;
        if is_full(registry.disk.as_ref()) {
            registry.take_in_wal()?;
        }
        match registry.settle(monitor) {
            Err(Error::Db(_) | Error::Log(LogError::Io { .. }))
                if spends && make_room(registry.disk.as_ref()) =>
            {
                registry.settle(monitor)?;
            }
            settled => settled?,
        }
        registry.bring_views_up(monitor)?;
        registry.add_indices(monitor);
        registry.refill_reserve();
        Ok(registry)
    }

    fn settle(&self, monitor: &dyn Monitor) -> Result<(), Error> {
        let tx = self.db.write()?;
        let (_, settled) = settle_into(self, &tx)?;
        tx.commit()?;
        self.disk.point("settled");
        tell(settled, monitor);
        Ok(())
    }

    fn open_to_read(
        disk: Arc<dyn Disk>,
        root: &Path,
        config: StoreConfig,
        options: OpenOptions,
        env: Env,
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        let path = layout::within(root, layout::DATABASE.as_ref());
        if !is_writable(root) || !is_writable(&path) {
            return Self::open_copy(disk, root, config, options, env, monitor);
        }
        let db = match open_database(&path, OpenMode::Write) {
            // Even to be read it needs some room beside it; a copy may stand where there is some.
            Err(Error::Db(error)) if error.is_system() && is_full(disk.as_ref()) => {
                return Self::open_copy(disk, root, config, options, env, monitor);
            }
            opened => opened?,
        };
        let scratch = options.scratch.clone();
        let mut registry = Self::assemble(disk, root, config, options, env, db, None)?;
        let stands = registry.log_stands()?;
        if stands == LogStands::Astray {
            monitor.problem(&astray());
        }
        if stands == LogStands::Ahead {
            match registry.catch_up_unless_busy(monitor) {
                // Where this disk is full, a copy may catch up elsewhere.
                Err(Error::Db(error)) if error.is_system() && is_full(registry.disk.as_ref()) => {
                    let Self { disk, config, env, access, wait, cancelled, .. } = registry;
                    let options = OpenOptions { wait, cancelled, ..OpenOptions::new(access, scratch) };
                    return Self::open_copy(disk, root, config, options, env, monitor);
                }
                caught_up => caught_up?,
            }
        }
        registry.bring_views_up(monitor)?;
        Ok(registry)
    }

    /// Returns how `log/` stands to the database, as far as a look at its end tells. One that is behind or damaged
    /// is no reason to write anything for somebody who came to read.
    fn log_stands(&self) -> Result<LogStands, Error> {
        let kept = Bookkeeping::load(&self.db.read()?)?.log;
        Ok(match self.files.stands_at(&kept)? {
            true => LogStands::Even,
            false if self.files.reaches(&kept)? => LogStands::Ahead,
            false => LogStands::Astray,
        })
    }

    /// Settles where nobody else writes. Where somebody does, the snapshot is a true state of a moment ago.
    fn catch_up_unless_busy(&mut self, monitor: &dyn Monitor) -> Result<(), Error> {
        let mut request = LockRequest {
            command: "catching up",
            wait: Duration::ZERO,
            cancelled: &self.cancelled.clone(),
            on_wait: &mut |_| {},
        };
        let lock = match StoreLock::shared(&self.root, &mut request) {
            Ok(lock) => lock,
            Err(LockError::Busy { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.db.set_wait(Duration::ZERO)?;
        let settled = match unless_busy(self.db.write())? {
            None => None,
            Some(tx) => match settle_into(self, &tx) {
                Ok((_, settled)) => {
                    tx.commit()?;
                    Some(settled)
                }
                // Where a person has to choose, nobody writes; what the database holds can still be read, and
                // verify says the rest.
                Err(Error::Log(error @ (LogError::Parted { .. } | LogError::Damaged { .. }))) => {
                    monitor.problem(&Problem::LogAstray { what: error.to_string() });
                    None
                }
                Err(error) => return Err(error),
            },
        };
        self.db.set_wait(self.transaction_wait())?;
        drop(lock);
        if let Some(settled) = settled {
            tell(settled, monitor);
        }
        Ok(())
    }

    /// Opens a store that this process may not write: on a private copy of the database with the tail of `log/`
    /// applied. SQLite's `immutable` would spare the copy, but only where nothing at all can write, and a mount
    /// that is read-only here may be written elsewhere.
    fn open_copy(
        disk: Arc<dyn Disk>,
        root: &Path,
        config: StoreConfig,
        options: OpenOptions,
        env: Env,
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        let source = layout::within(root, layout::DATABASE.as_ref());
        let directory = layout::within(&options.scratch, format!("astore-{}", env.random_id()).as_ref());
        let private = copy_database(&source, directory)?;
        let db =
            open_database(&layout::within(&private.directory, layout::DATABASE.as_ref()), OpenMode::Write)?;
        let mut registry = Self::assemble(disk, root, config, options, env, db, None)?;
        registry.private = Some(private);
        if registry.apply_tail()? == LogStands::Astray {
            monitor.problem(&astray());
        }
        registry.bring_views_up(monitor)?;
        Ok(registry)
    }

    /// Applies to a private copy what `log/` has beyond it; `log/` itself stays as it is. Returns how it stood.
    pub(super) fn apply_tail(&self) -> Result<LogStands, Error> {
        let tx = self.db.write()?;
        let mut kept = Bookkeeping::load(&tx)?;
        if kept.log.head != head(&tx)? || !self.files.reaches(&kept.log)? {
            return Ok(LogStands::Astray); // the database is the better witness, and verify says the rest
        }
        let mut walk = self.files.walk(kept.log);
        loop {
            match walk.step() {
                Ok(Step::Item(events)) => {
                    for event in &events {
                        enter_found(self, &tx, &mut kept, event)?;
                    }
                }
                // A second history behind the database's head is verify's to tell, and no reason not to read.
                Ok(Step::End | Step::Broken { .. }) | Err(LogError::Parted { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let stood = if walk.position() == kept.log { LogStands::Even } else { LogStands::Ahead };
        kept.log = walk.position();
        kept.store(&tx)?;
        tx.commit()?;
        Ok(stood)
    }

    pub(super) fn assemble(
        disk: Arc<dyn Disk>,
        root: &Path,
        config: StoreConfig,
        options: OpenOptions,
        env: Env,
        db: Database,
        lock: Option<StoreLock>,
    ) -> Result<Self, Error> {
        let file_mode = file_mode(disk.as_ref())?;
        if options.access != Access::Log {
            check_store(&db, &config)?;
        }
        // Transactions are short: an impatient caller still waits for the one that is being committed.
        db.set_wait(options.wait.max(SHORT_WAIT))?;
        Ok(Self {
            db,
            lock,
            private: None,
            root: root.to_owned(),
            local: Local::new(disk.clone()),
            files: LogFiles::new(disk.clone(), file_mode),
            file_mode,
            disk,
            config,
            env,
            access: options.access,
            wait: options.wait,
            cancelled: options.cancelled,
            batch_files: None,
            group_files: None,
            round_objects: super::collect::ROUND_OBJECTS_MAX,
        })
    }

    /// Gives up the reserve where the disk is full, so that what follows has room.
    pub(super) fn make_room(&self) {
        make_room(self.disk.as_ref());
    }

    /// Returns how long a transaction waits for another one: also an impatient caller for one that is being committed.
    pub(super) fn transaction_wait(&self) -> Duration {
        self.wait.max(SHORT_WAIT)
    }

    /// Takes the WAL into the database and gives its room back; `false` where a reader needs it still.
    pub(super) fn take_in_wal(&self) -> Result<bool, Error> {
        Ok(self.db.take_in_wal(self.transaction_wait())?)
    }

    /// Sees to it that so many bytes can be written, the reserve given up if need be.
    pub(super) fn see_to_room(&self, bytes: u64) -> Result<bool, Error> {
        let has_room = || self.disk.free_bytes().is_ok_and(|free| free >= bytes);
        Ok(has_room() || (make_room(self.disk.as_ref()) && has_room()))
    }

    /// Sets the reserve aside again where there is room for it: after a gc, which may have given it up.
    pub(super) fn set_reserve_aside(&self) {
        let fits = self.disk.free_bytes().is_ok_and(|free| free >= 2 * reserve::RESERVE_BYTES);
        if fits && !reserve::is_present(self.disk.as_ref()).unwrap_or(true) {
            // Without it the next gc on a full disk has a harder time; this one is done.
            drop(reserve::create(self.disk.as_ref()));
        }
    }

    /// Sets the reserve aside again where it was given up and there is plenty of room.
    fn refill_reserve(&self) {
        let plenty = self.disk.free_bytes().is_ok_and(|free| free > 4 * reserve::RESERVE_BYTES);
        if plenty && !reserve::is_present(self.disk.as_ref()).unwrap_or(true) {
            drop(reserve::create(self.disk.as_ref()));
        }
    }
}

impl Registry {
    /// Returns what the root is on disk, so that a walk knows it when it meets it.
    pub(super) fn own_root(&self) -> Result<crate::cache::FileId, Error> {
        let path = Path::new("");
        let failed = |source| StorageError::Io { action: Action::Look, path: path.to_owned(), source };
        let stat = self.disk.stat(path).map_err(failed)?;
        Ok(crate::cache::FileId { device: stat.device, inode: stat.inode })
    }
}

/// Returns the mode of new files: the root's own permissions, without the right to execute.
pub(super) fn file_mode(disk: &dyn Disk) -> Result<u32, Error> {
    let failed = |source| StorageError::Io { action: Action::Look, path: PathBuf::new(), source };
    Ok(crate::disk::file_mode(disk).map_err(failed)?)
}

/// Takes the lock that the access asks for. Where dead writers left something in `tmp/` and nobody else is there,
/// it is cleared on the way, under the exclusive lock.
pub(super) fn lock_to_write(
    disk: &dyn Disk,
    root: &Path,
    options: &OpenOptions,
    monitor: &dyn Monitor,
) -> Result<StoreLock, Error> {
    let alone = options.access == Access::Alone;
    if !alone
        && disk.list(Path::new(layout::TMP)).is_ok_and(|listed| !listed.is_empty())
        && let Some(lock) = StoreLock::try_exclusive(root, &options.command)?
    {
        staging::clear_dead(disk)?;
        return Ok(lock.downgrade()?);
    }
    let mut told = false;
    let mut request = LockRequest {
        command: &options.command,
        wait: options.wait,
        cancelled: &options.cancelled,
        on_wait: &mut |holders| {
            told = true;
            monitor.start(Task::Waiting, None);
            let holders = holders.iter().map(ToString::to_string).collect();
            monitor.problem(&Problem::Waiting { holders });
        },
    };
    let take = if alone { StoreLock::exclusive } else { StoreLock::shared };
    let lock = take(root, &mut request);
    if told {
        monitor.finish(Task::Waiting);
    }
    let lock = lock?;
    // Without the name it may be somebody else's directory, with a `tmp/` of its own.
    if alone && root::read_config(disk)?.is_some() {
        staging::clear_dead(disk)?;
    }
    Ok(lock)
}

fn is_full(disk: &dyn Disk) -> bool {
    disk.free_bytes().is_ok_and(|free| free < reserve::RESERVE_BYTES)
}

/// Says plainly what SQLite tells in numbers.
pub(super) fn no_room() -> Error {
    let (action, path) = (Action::Open, PathBuf::from(layout::DATABASE));
    Error::Storage(StorageError::Io { action, path, source: Errno::NOSPC.into() })
}

/// Gives up the reserve where the disk is full, and returns whether there is more room now.
pub(super) fn make_room(disk: &dyn Disk) -> bool {
    is_full(disk) && disk.stat(Path::new(layout::RESERVE)).is_ok() && reserve::release(disk).is_ok()
}

pub(super) fn open_database(path: &Path, mode: OpenMode) -> Result<Database, Error> {
    Database::open(path, mode).map_err(|error| match error {
        DbError::Missing { .. } => Error::DatabaseMissing,
        error @ (DbError::Foreign { .. }
        | DbError::NotRegular { .. }
        | DbError::Journal { .. }
        | DbError::Planted { .. }
        | DbError::Disorder { .. }
        | DbError::Version { .. }
        | DbError::NoWal { .. }
        | DbError::Look(_)
        | DbError::Open(_)
        | DbError::Sqlite(_)) => error.into(),
    })
}

/// Refuses a database that is sound and another store's: nothing that it says is about the objects here. One whose
/// first event is damaged, or cannot be read, is for others to judge.
fn check_store(db: &Database, config: &StoreConfig) -> Result<(), Error> {
    let Ok(Some(first)) = db.read().and_then(|tx| event(&tx, 1)) else { return Ok(()) };
    match Uuid::try_parse(&first.record.subject_id) {
        Ok(found) if found != config.store_id && first.digest == first.record.digest() => {
            Err(Error::OtherStore { expected: config.store_id, found })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(super) fn is_writable(path: &Path) -> bool {
    use rustix::fs::{Access as Wanted, AtFlags, CWD, accessat};
    accessat(CWD, path, Wanted::WRITE_OK, AtFlags::EACCESS).is_ok()
}
