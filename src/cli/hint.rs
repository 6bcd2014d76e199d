//! What to do about a failure: advice for people, which the library does not give.

use std::io;

use astore::db::DbError;
use astore::error::Error;
use astore::events::LogError;
use astore::plane::IngestError;
use astore::plane::ingest::Unreadable;
use astore::storage::{LockError, StorageError};

/// Returns what to do about it, where there is something.
#[expect(clippy::wildcard_enum_match_arm, reason = "most failures say all there is to say")]
pub(crate) fn hint(error: &Error) -> Option<String> {
    let said = match error {
        Error::Storage(error) => return storage(error),
        Error::Ingest(IngestError::Storage(error)) => return storage(error),
        Error::Ingest(IngestError::Unreadable { source: Unreadable::Io(source), .. })
            if source.kind() == io::ErrorKind::NotFound =>
        {
            return None; // mistyped, most likely
        }
        Error::Ingest(IngestError::Unreadable { .. }) => "--keep-going leaves out what cannot be read",
        Error::Db(DbError::Version { .. }) | Error::ViewsVersion { .. } => {
            "use the newer astore that wrote them"
        }
        Error::Db(DbError::Missing { .. }) | Error::DatabaseMissing => {
            "restore astore.db from a backup: what happened since then stands in log/ and is caught up"
        }
        Error::Log(LogError::Parted { .. }) => {
            "there are two histories: if the database is right, move log/ aside, and it is written again"
        }
        Error::Log(LogError::Damaged { .. }) => {
            "if the database is whole ('astore verify' says so), move log/ aside, and it is written again"
        }
        Error::Lock(LockError::Busy { .. }) => "try again later, or wait longer with --wait",
        Error::NoSuchPackage { .. } => "'astore list --all' shows the packages there are",
        Error::NoSuchPath { reference, .. } => {
            return Some(format!("'astore files {reference}' shows its paths"));
        }
        Error::WrongState { reference, state: "removed" } => {
            return Some(format!("'astore restore {reference}' brings it back"));
        }
        Error::Ambiguous { .. } => "name one of them",
        Error::AmbiguousObject { .. } => "give more digits",
        Error::AllRemoved { newest, .. } => return Some(format!("'astore restore {newest}' brings it back")),
        Error::PathTaken { .. } => "--replace lets what is added displace it",
        Error::NoSuchClass { known, .. } => return Some(format!("the classes are {}", known.join(", "))),
        Error::Changed { .. } => "try again",
        Error::MayStand(_) | Error::Log(LogError::Unsure { .. }) => {
            "look with 'astore log' before you try again"
        }
        Error::Output(error) if error.kind() == io::ErrorKind::StorageFull => {
            "make room where the output goes"
        }
        _ => return None,
    };
    Some(said.to_owned())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most failures say all there is to say")]
fn storage(error: &StorageError) -> Option<String> {
    let said = match error {
        StorageError::NoStore { .. } => "make one with 'astore init'",
        StorageError::UnknownFormat { .. } => "use the newer astore that made it",
        StorageError::NotEmpty { .. } => "name a directory that is missing or empty",
        StorageError::NetworkFileSystem { .. } => "name a directory on a local file system",
        StorageError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
            "make room: 'astore remove' works on a full disk"
        }
        _ => return None,
    };
    Some(said.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn who_finds_no_store_learns_how_to_make_one() {
        let error = Error::Storage(StorageError::NoStore { root: PathBuf::from("/srv/s") });
        assert_eq!(hint(&error).as_deref(), Some("make one with 'astore init'"));
        let known = vec!["transient".to_owned(), "permanent-record".to_owned()];
        let error = Error::NoSuchClass { class: "x".into(), known };
        assert_eq!(hint(&error).as_deref(), Some("the classes are transient, permanent-record"));
        assert_eq!(hint(&Error::Cancelled), None);
    }
}
