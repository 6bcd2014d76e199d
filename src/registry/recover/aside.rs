//! Putting aside what is not believed: renamed, never deleted. store-layout.md, "Recovery".

use std::io;
use std::path::Path;

use super::failed;
use crate::disk::{Disk, Listed};
use crate::error::Error;
use crate::storage::{Action, StorageError, layout};

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
    // A WAL without its database gets a number of its own, so that it never stands beside another's.
    let aside = layout::aside(layout::DATABASE, free(disk, layout::DATABASE)?);
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
    // What still has a name beside the database's is of the one that was put aside last.
    let last = layout::aside(layout::DATABASE, free(disk, layout::DATABASE)? - 1);
    if is_there(disk, &last)? {
        for suffix in layout::DATABASE_BESIDE {
            let (from, to) = (format!("{}{suffix}", layout::DATABASE), format!("{last}{suffix}"));
            if is_there(disk, &from)? && !is_there(disk, &to)? {
                rename(disk, &from, &to)?;
            }
        }
    }
    put_database_aside(disk)?;
    sync_root(disk)?;
    give_name(disk, layout::DATABASE_READY)
}

/// Gives `log/` another name and returns it.
pub(super) fn put_log_aside(disk: &dyn Disk) -> Result<String, Error> {
    let aside = layout::aside(layout::LOG, free(disk, layout::LOG)?);
    rename(disk, layout::LOG, &aside)?;
    sync_root(disk)?;
    Ok(aside)
}

/// Puts one file of `log/` into a directory of its own, and returns what that is called.
pub(super) fn put_log_file_aside(disk: &dyn Disk, path: &Path) -> Result<String, Error> {
    let aside = layout::aside(layout::LOG, free(disk, layout::LOG)?);
    disk.make_dir(Path::new(&aside)).map_err(failed(Action::Create, &aside))?;
    sync_root(disk)?;
    let to = layout::within(Path::new(&aside), path.file_name().unwrap_or_default());
    disk.rename(path, &to).map_err(|source| {
        Error::from(StorageError::Io { action: Action::Rename, path: path.to_owned(), source })
    })?;
    for directory in [&aside, layout::LOG] {
        disk.sync_dir(Path::new(directory)).map_err(failed(Action::Sync, directory))?;
    }
    Ok(aside)
}

/// Clears the names that a new database needs. A whole one that an earlier run left, and somebody then put another beside
/// under the database's own name, goes aside: it may be the only one that has all events.
pub(super) fn clear_new(disk: &dyn Disk) -> Result<(), Error> {
    if is_there(disk, layout::DATABASE_READY)? {
        rename(
            disk,
            layout::DATABASE_READY,
            &layout::aside(layout::DATABASE, free(disk, layout::DATABASE)?),
        )?;
        sync_root(disk)?;
    }
    discard_new(disk)
}

/// Takes away what this run, failing, or an earlier one, killed, has made of a new database.
pub(super) fn discard_new(disk: &dyn Disk) -> Result<(), Error> {
    let beside = layout::DATABASE_BESIDE.map(|suffix| format!("{}{suffix}", layout::DATABASE_NEW));
    for name in [layout::DATABASE_READY, layout::DATABASE_NEW].map(str::to_owned).into_iter().chain(beside) {
        match disk.remove_file(Path::new(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done.map_err(failed(Action::Remove, &name))?,
        }
    }
    Ok(())
}

/// Returns the number after the highest under which something of this name stands aside, or something beside it. So
/// the highest one is the one that came last.
fn free(disk: &dyn Disk, name: &str) -> Result<u32, Error> {
    let root = disk.list(Path::new("")).map_err(failed(Action::Read, ""))?;
    let prefix = layout::aside(name, 0);
    let prefix = prefix.trim_end_matches('0');
    let number = |entry: &Listed| -> Option<u32> {
        entry.name.to_str()?.strip_prefix(prefix)?.split('-').next()?.parse().ok()
    };
    let last = root.iter().filter_map(number).max().unwrap_or(0);
    last.checked_add(1).ok_or_else(|| failed(Action::Rename, name)(io::ErrorKind::AlreadyExists.into()))
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
