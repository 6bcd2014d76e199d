//! Who is let in, where this user is not: asks the system whose a file of the store is, since an error does not say.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use astore::error::Error;
use astore::events::LogError;
use astore::storage::StorageError;
use astore::views::ViewError;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use super::asked::Asked;
use super::hint::of_system;
use super::output::escape;

/// Says who is let in, where this user is not.
#[expect(clippy::wildcard_enum_match_arm, reason = "most failures are no question of who asks")]
pub(super) fn denied(error: &Error, asked: Asked<'_>) -> Option<String> {
    let root = asked.root?;
    if let Error::Db(error) | Error::View(ViewError::Db(error)) = error
        && error.is_system()
    {
        return barred(root, Access::READ_OK | Access::WRITE_OK);
    }
    let database = match error {
        Error::Db(error) | Error::View(ViewError::Db(error)) if error.is_read_only() => {
            format!("SQLite writes to {}/astore.db and beside it; ", escape::path(root))
        }
        // What is named in full may stand elsewhere.
        Error::Storage(StorageError::Io { path, .. }) if !path.is_relative() && !path.starts_with(root) => {
            return None;
        }
        Error::Db(_) | Error::Storage(_) | Error::Log(_)
            if of_system(error)?.kind() == io::ErrorKind::PermissionDenied =>
        {
            let said = barred_way(root, error).or_else(|| barred(root, Access::READ_OK));
            if said.is_some() {
                return said;
            }
            String::new()
        }
        _ => return None,
    };
    // Nothing to say where the root cannot be looked at: it is not there yet, or a directory above it is in the way.
    let owner = std::fs::metadata(root).ok()?.uid();
    let root = escape::path(root);
    Some(if owner == rustix::process::geteuid().as_raw() {
        format!("{database}{root} is yours: see its modes with 'ls -ld {root} {root}/*'")
    } else {
        format!(
            "{database}{root} belongs to user {owner}: do it as that user (sudo -u \\#{owner} astore ...), or ask to \
             be let in"
        )
    })
}

/// Names the first part of the way to what could not be opened that this user may not go. Where it is closed since all of
/// the store is another's, that is what to say, and not this.
fn barred_way(root: &Path, error: &Error) -> Option<String> {
    let (Error::Storage(StorageError::Io { path, .. }) | Error::Log(LogError::Io { path, .. })) = error
    else {
        return None;
    };
    let owner_of_all = std::fs::metadata(root).ok()?.uid();
    let mut way = root.to_owned();
    path.strip_prefix(root).unwrap_or(path).components().find_map(|part| {
        way.push(part);
        let found = std::fs::symlink_metadata(&way).ok()?;
        if found.uid() == owner_of_all && owner_of_all != rustix::process::geteuid().as_raw() {
            return None;
        }
        refusal(&way, if found.is_dir() { Access::EXEC_OK | Access::READ_OK } else { Access::READ_OK })
    })
}

/// Names the file of the database that this user may not open, which SQLite does not.
fn barred(root: &Path, wanted: Access) -> Option<String> {
    ["astore.db", "astore.db-wal", "astore.db-shm"].iter().find_map(|name| {
        let path: std::path::PathBuf = [root, Path::new(name)].iter().collect();
        refusal(&path, wanted)
    })
}

/// Says whose a file or a directory is that this user is refused, and what lets him in.
fn refusal(path: &Path, wanted: Access) -> Option<String> {
    let refused = accessat(CWD, path, wanted, AtFlags::EACCESS).err()?;
    let found = std::fs::symlink_metadata(path).ok()?;
    let owner = found.uid();
    let path = escape::path(path);
    let modes = if found.is_dir() { "u+rwx" } else { "u+rw" };
    (refused == Errno::ACCESS).then(|| {
        if owner == rustix::process::geteuid().as_raw() {
            format!("{path} is yours, and its modes do not let you: 'chmod {modes} {path}'")
        } else {
            format!(
                "{path} belongs to user {owner}, and you may not open it: let that user give it away (chown), or \
                 work as that user (sudo -u \\#{owner} astore ...)"
            )
        }
    })
}
