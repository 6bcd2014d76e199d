//! `recover`: the database built anew from the events, whichever copy still has them.
//!
//! The exclusive lock is held throughout. Nothing that was there is deleted: what is not believed is put aside under
//! another name. The new database is whole and durable before the old one loses its name, and has its name before
//! `log/` loses its own, so that at every instant one of them holds every event; killed anywhere, it can be repeated.

mod aside;
mod begin;
mod claims;
mod import;
mod rebuild;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(super) use self::claims::is_nothing_left;
use self::rebuild::{Rebuilding, Rebuilt};
use super::add::append_healed;
use super::change::{Change, check_lock, settle_into, tell};
use super::open::{file_mode, lock_to_write, make_room, open_database};
use super::report::{LogMended, RecoverReport};
use super::{Access, OpenOptions, Registry};
use crate::db::{Database, DbError, OpenMode, ReadTx};
use crate::disk::Disk;
use crate::env::Env;
use crate::error::{Error, with_causes};
use crate::events::{self, Bookkeeping, LogError, LogFiles, Position, Settled, Step};
use crate::monitor::{Monitor, Task};
use crate::storage::{Action, Local, StorageError, layout, root, staging};
use crate::views::VIEWS_VERSION;

impl Registry {
    /// Builds the database anew from `log/` and from what can still be read of the old one, with the same events to
    /// the byte; mends a damaged `log/`, damaged manifests and a missing `astore.toml` on the way.
    ///
    /// # Errors
    /// [`StorageError::NoStore`] and [`StorageError::UnknownFormat`] before anything is touched; [`LogError::Parted`]
    /// where the two copies are two histories, [`LogError::Damaged`] and [`Error::Chain`] where neither has an event
    /// that others stand behind, [`Error::NothingToRecover`]: then everything is as it was.
    pub fn recover(
        root: &Path,
        options: OpenOptions,
        env: Env,
        monitor: &dyn Monitor,
    ) -> Result<RecoverReport, Error> {
        Self::recover_opened(root::open_unnamed(root)?, root, options, env, monitor)
    }

    /// The same on a disk that is open already: a test's, which fails or stalls where it is told to.
    ///
    /// # Errors
    /// As [`Registry::recover`].
    #[cfg(any(test, feature = "testing"))]
    pub fn recover_on(
        disk: Arc<dyn Disk>,
        root: &Path,
        options: OpenOptions,
        env: Env,
        monitor: &dyn Monitor,
    ) -> Result<RecoverReport, Error> {
        Self::recover_opened(disk, root, options, env, monitor)
    }

    fn recover_opened(
        disk: Arc<dyn Disk>,
        root: &Path,
        options: OpenOptions,
        env: Env,
        monitor: &dyn Monitor,
    ) -> Result<RecoverReport, Error> {
        let options = OpenOptions { access: Access::Alone, ..options };
        if root::read_config(disk.as_ref())?.is_none() && !root::has_remains(disk.as_ref())? {
            return Err(StorageError::NoStore { root: root.to_owned() }.into());
        }
        root::make_directories(disk.as_ref())?;
        let lock = lock_to_write(disk.as_ref(), root, &options, monitor)?;
        let config = root::read_config(disk.as_ref())?; // under the lock: another may have written it
        let mode = file_mode(disk.as_ref())?;
        let files = LogFiles::new(disk.clone(), mode);
        let local = Local::new(disk.clone());

        let rebuilding = Rebuilding {
            disk: &disk,
            root,
            mode,
            files: &files,
            local: &local,
            config: config.as_ref(),
            env: &env,
            cancelled: &options.cancelled,
        };
        if options.spends_reserve {
            make_room(disk.as_ref());
        }
        aside::end_earlier(disk.as_ref())?;
        // Who has lost the lock, because somebody deleted its file, may be in the middle of a transaction: its item must
        // not come into `log/` behind those of the new database.
        let held = Database::hold(&layout::within(root, layout::DATABASE.as_ref()), options.wait)?;
        let old = OldDatabase::look(root, options.wait)?;
        if config.is_none() && old.with(|tx| Ok(has_first(tx, &files)))? {
            staging::clear_dead(disk.as_ref())?; // a store, though it has lost its name
        }
        monitor.start(Task::Replaying, None);
        let rebuilt = old.with(|tx| rebuilding.run(tx, monitor));
        monitor.finish(Task::Replaying);
        let rebuilt = rebuilt?;
        let database_fault = old.fault(rebuilt.merged.fault.as_deref());

        check_lock(&lock, disk.as_ref())?; // from here on the store changes
        let database_aside = aside::put_database_aside(disk.as_ref())?;
        disk.point("database aside");
        aside::give_name(disk.as_ref(), layout::DATABASE_READY)?;
        drop(held); // from here on it finds that its database has lost its name
        disk.point("database named");
        // Until here, so that no reader was the last to close it: that one takes the WAL in and deletes what has its name.
        drop(old);
        let config_written = config.is_none();
        if config_written {
            root::write_config(disk.as_ref(), &rebuilt.config)?;
        }

        let db = open_database(&layout::within(root, layout::DATABASE.as_ref()), OpenMode::Write)?;
        let registry = Self::assemble(disk, root, rebuilt.config.clone(), options, env, db, Some(lock))?;
        let log = registry.mend_log(&rebuilt, database_fault.is_some(), monitor)?;
        registry.record_healed(&rebuilt, monitor)?;
        let healed = rebuilt.healed.iter().map(|(healed, from)| (healed.object.address(), *from)).collect();
        Ok(RecoverReport {
            head_sequence: rebuilt.merged.head.sequence,
            head_digest: rebuilt.merged.head.digest,
            only_in_log: rebuilt.merged.only_in_log,
            only_in_database: rebuilt.merged.only_in_database,
            log,
            database_aside,
            database_fault,
            config_written,
            healed,
            left_out: rebuilt.left_out,
            skipped: rebuilt.skipped,
            view_digest: rebuilt.view_digest,
        })
    }

    /// Makes `log/` agree with the new database, which has every event: completed where it ends too early, put aside
    /// and written again where something else is wrong with it. Its last file is written again, too, where no database
    /// vouches for it that what stands at the end never was an event: settling would cut it off.
    fn mend_log(
        &self,
        rebuilt: &Rebuilt,
        unvouched: bool,
        monitor: &dyn Monitor,
    ) -> Result<LogMended, Error> {
        if let Some(tail @ LogError::Damaged { path, .. }) = &rebuilt.merged.tail
            && unvouched
        {
            let aside = aside::put_log_file_aside(self.disk.as_ref(), path)?;
            self.disk.point("log aside");
            self.settle_quietly()?;
            return Ok(LogMended::WrittenAgain { aside, damage: with_causes(tail) });
        }
        let settled = match self.settle_quietly() {
            Err(Error::Log(LogError::Parted { .. } | LogError::Damaged { .. } | LogError::Io { .. }))
                if rebuilt.merged.damage.is_some() =>
            {
                let name = aside::put_log_aside(self.disk.as_ref())?;
                self.disk.point("log aside");
                self.settle_quietly()?;
                let damage = rebuilt.merged.damage.as_ref().map(|damage| with_causes(damage));
                return Ok(LogMended::WrittenAgain { aside: name, damage: damage.unwrap_or_default() });
            }
            settled => settled?,
        };
        Ok(match settled {
            Settled::Completed { events } => LogMended::Completed { events },
            Settled::CaughtUp { .. } => {
                tell(settled, monitor);
                LogMended::Whole
            }
            Settled::Even | Settled::Cut => LogMended::Whole,
        })
    }

    fn settle_quietly(&self) -> Result<Settled, Error> {
        let tx = self.db.write()?;
        let (_, settled) = settle_into(self, &tx)?;
        tx.commit()?;
        self.disk.point("settled");
        Ok(settled)
    }

    fn record_healed(&self, rebuilt: &Rebuilt, monitor: &dyn Monitor) -> Result<(), Error> {
        if rebuilt.healed.is_empty() {
            return Ok(());
        }
        let mut change = Change::begin(self, monitor)?;
        for (healed, from) in &rebuilt.healed {
            append_healed(&mut change, &[*healed], *from)?;
        }
        change.commit()?;
        Ok(())
    }
}

/// The database that was there.
enum OldDatabase {
    Missing,
    /// It cannot even be opened: why.
    Unreadable(String),
    Open(Database),
}

impl OldDatabase {
    /// Opens it to be read: what it is must not change before it is put aside.
    fn look(root: &Path, wait: Duration) -> Result<Self, Error> {
        let path = layout::within(root, layout::DATABASE.as_ref());
        let db = match Database::open(&path, OpenMode::Read) {
            Ok(db) => db,
            Err(DbError::Missing { .. }) => return Ok(Self::Missing),
            Err(error) if error.is_damage() => return Ok(Self::Unreadable(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        db.set_wait(wait)?;
        let looked = db.read().and_then(|tx| Bookkeeping::load(&tx));
        match looked {
            // A later build's: its views say more than this one can compute.
            Ok(kept) if kept.views_version > VIEWS_VERSION => {
                Err(Error::ViewsVersion { found: kept.views_version, known: VIEWS_VERSION })
            }
            Ok(_) => Ok(Self::Open(db)),
            Err(error) if !error.is_damage() => Err(error.into()),
            // The table beside the events is gone; the events may be there.
            Err(_) => {
                let readable = db.read().map(drop);
                Ok(match readable {
                    Ok(()) => Self::Open(db),
                    Err(error) => Self::Unreadable(error.to_string()),
                })
            }
        }
    }

    /// Does something with one state of it, or without it.
    fn with<T>(&self, work: impl FnOnce(Option<&ReadTx<'_>>) -> Result<T, Error>) -> Result<T, Error> {
        match self {
            Self::Open(db) => work(Some(&db.read()?)),
            Self::Missing | Self::Unreadable(_) => work(None),
        }
    }

    /// Says what was wrong with it, if anything was; `found` is what its events showed.
    fn fault(&self, found: Option<&str>) -> Option<String> {
        match self {
            Self::Missing => Some("it is missing".to_owned()),
            Self::Unreadable(why) => Some(why.clone()),
            Self::Open(_) => found.map(str::to_owned),
        }
    }
}

/// Returns whether either copy has a first event, so that this is a store.
fn has_first(database: Option<&ReadTx<'_>>, files: &LogFiles) -> bool {
    let row = database.and_then(|tx| events::event(tx, 1).ok().flatten());
    row.is_some_and(|event| event.is_sound())
        || matches!(files.walk(Position::START).step(), Ok(Step::Item(_)))
}

/// Says which file an action failed on.
fn failed(action: Action, name: &str) -> impl FnOnce(io::Error) -> Error {
    let path = PathBuf::from(name);
    move |source| StorageError::Io { action, path, source }.into()
}
