//! `init`: a new store, which gets its name last.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::Registry;
use super::first::FirstEvent;
use super::open::file_mode;
use super::report::{InitReport, InitRequest, Sharing};
use crate::db::{Database, OpenMode};
use crate::disk::Disk;
use crate::env::Env;
use crate::error::Error;
use crate::events::{LogFiles, Position, Step, head};
use crate::retention::{RetentionClass, SEEDED_CLASSES};
use crate::storage::{
    self, Action, LockRequest, StorageError, StoreConfig, StoreLock, layout, reserve, root,
};

impl Registry {
    /// Makes a store of a directory that is missing, empty, or holds only what a killed `init` left; where
    /// there is a store already, says so and changes nothing.
    ///
    /// # Errors
    /// [`StorageError::NotEmpty`] and [`Error::Remains`] where the directory holds anything else;
    /// [`StorageError::InsideStore`] where it lies within another store.
    pub fn init(root: &Path, request: &InitRequest, env: &Env) -> Result<InitReport, Error> {
        Self::init_through(root, request, env, &|disk| disk)
    }

    /// The same on a disk that `watch` makes of the real one, once the root itself is there: a test's, which records,
    /// fails or stalls.
    ///
    /// # Errors
    /// As [`Registry::init`].
    #[cfg(any(test, feature = "testing"))]
    pub fn init_watched(
        root: &Path,
        request: &InitRequest,
        env: &Env,
        watch: &dyn Fn(Arc<dyn Disk>) -> Arc<dyn Disk>,
    ) -> Result<InitReport, Error> {
        Self::init_through(root, request, env, watch)
    }

    fn init_through(
        root: &Path,
        request: &InitRequest,
        env: &Env,
        watch: &dyn Fn(Arc<dyn Disk>) -> Arc<dyn Disk>,
    ) -> Result<InitReport, Error> {
        super::text::check_actor(env.actor())?;
        let classes = merge_classes(&request.classes)?;
        if let Some(report) = existing(root)? {
            return Ok(report);
        }
        let sharing = match request.sharing {
            Sharing::Private => storage::Sharing::Private,
            Sharing::Shared => storage::Sharing::Shared,
        };
        let prepared = root::prepare_root(root, sharing).and_then(|prepared| {
            let disk = watch(prepared.disk.clone());
            root::prepare_beneath(&prepared.disk, disk.as_ref(), root)?;
            Ok(disk)
        });
        match prepared {
            Ok(disk) => Self::init_on(disk, root, &classes, env),
            // Another init may have come first meanwhile, and an add behind it: then this is no failure.
            Err(error) => existing(root)?.ok_or_else(|| error.into()),
        }
    }

    /// The same on a directory that is prepared already.
    fn init_on(
        disk: Arc<dyn Disk>,
        root: &Path,
        classes: &[(String, Option<u64>)],
        env: &Env,
    ) -> Result<InitReport, Error> {
        let never = AtomicBool::new(false);
        let mut request = LockRequest {
            command: "init",
            wait: Duration::from_secs(60),
            cancelled: &never,
            on_wait: &mut |_| {},
        };
        let lock = StoreLock::exclusive(root, &mut request)?;
        if let Some(report) = existing(root)? {
            return Ok(report);
        }
        let file_mode = file_mode(disk.as_ref())?;
        let files = LogFiles::new(disk.clone(), file_mode);
        clear_unfinished(disk.as_ref(), root, &files)?;
        reserve::create(disk.as_ref())?;

        let now = env.now();
        let store_id = env.random_id();
        let first = FirstEvent::new(env, now, store_id, classes);
        first.make_database(disk.as_ref(), root, layout::DATABASE, |event| {
            Ok(files.append(&Position::START, std::slice::from_ref(event))?)
        })?;
        let failed = |source| StorageError::Io { action: Action::Sync, path: "".into(), source };
        disk.sync_dir(Path::new("")).map_err(failed)?;

        // The name comes last: a directory without astore.toml is no store yet, and init may be repeated.
        let config = StoreConfig { store_id, created_at: now };
        root::write_config(disk.as_ref(), &config)?;
        drop(lock);
        Ok(InitReport { store_id, root: root.to_owned(), existed: false })
    }
}

/// Returns the report for a store that is there already.
fn existing(root: &Path) -> Result<Option<InitReport>, Error> {
    match root::open(root) {
        Ok((opened, config)) => {
            // Whoever gave it its name may have been killed before that was durable.
            match opened.disk.sync_dir(Path::new("")) {
                Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {}
                synced => {
                    let path = root.to_owned();
                    synced.map_err(|source| StorageError::Io { action: Action::Sync, path, source })?;
                }
            }
            Ok(Some(InitReport { store_id: config.store_id, root: root.to_owned(), existed: true }))
        }
        Err(StorageError::NoStore { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn merge_classes(extra: &[RetentionClass]) -> Result<Vec<(String, Option<u64>)>, Error> {
    let mut classes: Vec<(String, Option<u64>)> =
        SEEDED_CLASSES.iter().map(|(name, duration)| ((*name).to_owned(), *duration)).collect();
    for (index, class) in extra.iter().enumerate() {
        if extra[..index].iter().any(|earlier| earlier.name == class.name) {
            return Err(Error::BadText { what: "class name", problem: "is given twice" });
        }
        if class.name.parse::<crate::manifest::PackageName>().is_err() {
            return Err(Error::BadText {
                what: "class name",
                problem: "is not of the form of a package name",
            });
        }
        match classes.iter_mut().find(|(name, _)| *name == class.name) {
            Some(known) => known.1 = class.duration_seconds,
            None => classes.push((class.name.clone(), class.duration_seconds)),
        }
    }
    Ok(classes)
}

/// Takes away what a killed `init` left: a database and a log of at most one event, and no object.
fn clear_unfinished(disk: &dyn Disk, root: &Path, files: &LogFiles) -> Result<(), Error> {
    let remains = || Error::Remains { root: root.to_owned() };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StorageError::Io { action: Action::Remove, path, source }
    };
    let objects = Path::new(layout::OBJECTS);
    if !disk.list(objects).map_err(failed(objects))?.is_empty() {
        return Err(remains());
    }
    let mut walk = files.walk(Position::START);
    while let Step::Item(events) = walk.step()? {
        if events.len() > 1 || walk.position().head.sequence > 1 {
            return Err(remains());
        }
    }
    if files.names()?.iter().any(|&first| first > 1) {
        return Err(remains());
    }
    // The database of a store that lost all else, or that somebody put there to begin its recovery.
    let path = layout::within(root, layout::DATABASE.as_ref());
    let head = Database::open(&path, OpenMode::Read).and_then(|db| head(&db.read()?));
    if head.is_ok_and(|head| head.sequence > 1) {
        return Err(remains());
    }
    let beside = layout::DATABASE_BESIDE.map(|suffix| format!("{}{suffix}", layout::DATABASE).into());
    let others = [layout::RESERVE.into(), layout::CONFIG_NEW.into(), LogFiles::path(1)];
    for path in [PathBuf::from(layout::DATABASE)].into_iter().chain(beside).chain(others) {
        match disk.remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path)(error).into()),
        }
    }
    Ok(())
}
