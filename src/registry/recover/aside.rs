//! Putting aside what is not believed: renamed, never deleted. store-layout.md, "Recovery".

use std::io;
use std::path::Path;

use super::failed;
use crate::disk::Disk;
use crate::error::Error;
use crate::storage::{Action, layout};

/// How many things of one name can stand aside.
const ASIDE_MAX: u32 = 9_999;

/// Gives the database and what SQLite keeps beside it other names, and syncs that: a WAL that still stood under its
/// old name when the new database gets its own would be taken for the new one's. Returns what the database is called
/// then, if it was there.
///
/// The database loses its name durably before its WAL does: without that it would be an older one, or none.
pub(super) fn put_database_aside(disk: &dyn Disk) -> Result<Option<String>, Error> {
    let there = is_there(disk, layout::DATABASE)?;
    let mut beside = Vec::new();
    for suffix in layout::DATABASE_BESIDE {
        if is_there(disk, &format!("{}{suffix}", layout::DATABASE))? {
            beside.push(suffix);
        }
    }
    if !there && beside.is_empty() {
        return Ok(None);
    }
    // Killed in the middle, an earlier run left the WAL: it belongs to the last one that stands aside.
    let free = free(disk, layout::DATABASE)?;
    let nth = if there || free == 1 { free } else { free - 1 };
    let aside = layout::aside(layout::DATABASE, nth);
    if there {
        rename(disk, layout::DATABASE, &aside)?;
        sync_root(disk)?;
    }
    if !beside.is_empty() {
        for suffix in beside {
            rename(disk, &format!("{}{suffix}", layout::DATABASE), &format!("{aside}{suffix}"))?;
        }
        sync_root(disk)?;
    }
    Ok(there.then_some(aside))
}

/// Says, by its name, that the new database is whole and durable: from here on it may be the only one that is.
pub(super) fn call_ready(disk: &dyn Disk) -> Result<(), Error> {
    rename(disk, layout::DATABASE_NEW, layout::DATABASE_READY)?;
    sync_root(disk)
}

/// Gives the new database its name.
pub(super) fn give_name(disk: &dyn Disk, from: &str) -> Result<(), Error> {
    rename(disk, from, layout::DATABASE)?;
    sync_root(disk)
}

/// Ends what a run that was killed had almost done: the old database was aside, and the new one had not its name yet.
/// It may have events that no other copy under its own name has, so it is what the next run begins with.
pub(super) fn end_earlier(disk: &dyn Disk) -> Result<(), Error> {
    if is_there(disk, layout::DATABASE)? || !is_there(disk, layout::DATABASE_READY)? {
        return Ok(());
    }
    sync_root(disk)?; // what a kill left is believed only once it is durable
    put_database_aside(disk)?;
    give_name(disk, layout::DATABASE_READY)
}

/// Gives `log/` another name and returns it.
pub(super) fn put_log_aside(disk: &dyn Disk) -> Result<String, Error> {
    let aside = layout::aside(layout::LOG, free(disk, layout::LOG)?);
    rename(disk, layout::LOG, &aside)?;
    sync_root(disk)?;
    Ok(aside)
}

/// Takes away what an earlier run, killed, left of a new database.
pub(super) fn clear_new(disk: &dyn Disk) -> Result<(), Error> {
    let beside = layout::DATABASE_BESIDE.map(|suffix| format!("{}{suffix}", layout::DATABASE_NEW));
    for name in [layout::DATABASE_READY, layout::DATABASE_NEW].map(str::to_owned).into_iter().chain(beside) {
        match disk.remove_file(Path::new(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done.map_err(failed(Action::Remove, &name))?,
        }
    }
    Ok(())
}

/// Returns the first number under which nothing of this name stands aside.
fn free(disk: &dyn Disk, name: &str) -> Result<u32, Error> {
    for nth in 1..ASIDE_MAX {
        if !is_there(disk, &layout::aside(name, nth))? {
            return Ok(nth);
        }
    }
    Err(failed(Action::Rename, name)(io::ErrorKind::AlreadyExists.into()))
}

fn is_there(disk: &dyn Disk, name: &str) -> Result<bool, Error> {
    match disk.stat(Path::new(name)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(Action::Look, name)(error)),
    }
}

fn rename(disk: &dyn Disk, from: &str, to: &str) -> Result<(), Error> {
    disk.rename(Path::new(from), Path::new(to)).map_err(failed(Action::Rename, from))
}

fn sync_root(disk: &dyn Disk) -> Result<(), Error> {
    disk.sync_dir(Path::new("")).map_err(failed(Action::Sync, ""))
}
