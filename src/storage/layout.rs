//! Where everything stands beneath the root (store-layout.md §2): the only place that builds such paths.
//!
//! Knows names, not files: nothing here looks at a disk.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::identity::{Blake3, ContentAddress};

/// The store's own description; a directory with it is a store.
pub const CONFIG: &str = "astore.toml";
/// The name that the description has until it is whole.
pub const CONFIG_NEW: &str = "astore.toml.new";
/// The database: events, and views. SQLite keeps `-wal` and `-shm` beside it.
pub const DATABASE: &str = "astore.db";
/// The name that a database has until it is whole, where `recover` makes one.
pub const DATABASE_NEW: &str = "astore.db.new";
/// The name that it has then, until it is the database: whole, durable, and with every event.
pub const DATABASE_READY: &str = "astore.db.ready";
/// What SQLite keeps beside a database, by the ends of the names.
pub const DATABASE_BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];
/// The file whose advisory lock tells writers from gc, with the holders' process ids and commands in it.
pub const LOCK: &str = "astore.lock";
/// The file whose advisory lock a waiting gc takes, so that no new writer gets in before it.
pub const GATE: &str = "astore.gate";
/// The directory of the events as plain files.
pub const LOG: &str = "log";
/// The bytes set aside, so that remove and gc still work on a full disk.
pub const RESERVE: &str = "reserve";
/// The stat cache, which may be deleted at any time. SQLite may keep files beside it.
pub const CACHE: &str = "cache.db";
/// The directory of the objects.
pub const OBJECTS: &str = "blake3";
/// The directory of bytes in flight.
pub const TMP: &str = crate::disk::SCRATCH;

/// Every name that may stand in the root of a store, and that a killed `init` may leave.
pub(super) const KNOWN: [&str; 16] = [
    CONFIG,
    CONFIG_NEW,
    DATABASE,
    "astore.db-wal",
    "astore.db-shm",
    "astore.db-journal",
    LOCK,
    GATE,
    LOG,
    RESERVE,
    CACHE,
    "cache.db-wal",
    "cache.db-shm",
    "cache.db-journal",
    OBJECTS,
    TMP,
];

/// Returns the name that something gets when it is put aside for the n-th time: by `recover` in the root
/// (`astore.db.aside-1`, `log.aside-2`), or a directory in the place of an object.
pub fn aside(name: &str, nth: u32) -> String {
    format!("{name}.aside-{nth}")
}

/// Returns the path of an object: `blake3/ab/cd/<64 hexadecimal digits>`.
pub fn object_path(address: &ContentAddress) -> PathBuf {
    let name = address.digest().to_string();
    PathBuf::from(format!("{OBJECTS}/{}/{}/{name}", &name[..2], &name[2..4]))
}

/// Returns the directory of an object and its name there.
pub fn object_place(address: &ContentAddress) -> (PathBuf, OsString) {
    let [_, directory] = shard_dirs(address);
    (directory, address.digest().to_string().into())
}

/// Returns the two directories above an object, the outer one first: `blake3/ab` and `blake3/ab/cd`.
pub fn shard_dirs(address: &ContentAddress) -> [PathBuf; 2] {
    let [first, second] = [address.as_bytes()[0], address.as_bytes()[1]];
    [
        PathBuf::from(format!("{OBJECTS}/{first:02x}")),
        PathBuf::from(format!("{OBJECTS}/{first:02x}/{second:02x}")),
    ]
}

/// Returns the object that a file of this name, in these two directories under `blake3/`, is; `None` where it is misplaced or oddly named.
pub fn parse_object_path(outer: &OsStr, inner: &OsStr, name: &OsStr) -> Option<ContentAddress> {
    let digest: Blake3 = name.to_str()?.parse().ok()?;
    let digits = name.to_str()?;
    (outer == &digits[..2] && inner == &digits[2..4]).then(|| ContentAddress::new(digest))
}

/// Returns the path of the directory of one writer's bytes in flight.
pub fn writer_dir(writer: Uuid) -> PathBuf {
    PathBuf::from(format!("{TMP}/{writer}"))
}

/// Returns the path of the n-th file of a writer.
pub(super) fn staged_path(writer: Uuid, nth: u64) -> PathBuf {
    PathBuf::from(format!("{TMP}/{writer}/{nth}"))
}

/// Returns the name that it has in the writer's directory.
pub(super) fn staged_name(nth: u64) -> String {
    nth.to_string()
}

/// Returns the path of a name within a directory that was listed.
///
/// For walks over what is there (verify, clearing `tmp/`): the names come from the disk, not from us.
#[expect(clippy::disallowed_methods, reason = "the one room that builds paths beneath the root")]
pub fn within(directory: &Path, name: &OsStr) -> PathBuf {
    directory.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_stands_under_its_first_four_digits() {
        let address = ContentAddress::new(Blake3::of(b""));
        let digits = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(object_path(&address), Path::new(&format!("blake3/af/13/{digits}")));
        assert_eq!(shard_dirs(&address), [Path::new("blake3/af"), Path::new("blake3/af/13")]);
        let parse = |outer: &str, inner: &str, name: &str| {
            parse_object_path(OsStr::new(outer), OsStr::new(inner), OsStr::new(name))
        };
        assert_eq!(parse("af", "13", digits), Some(address));
        assert_eq!(parse("ae", "13", digits), None);
        assert_eq!(parse("af", "14", digits), None);
        assert_eq!(parse("AF", "13", &digits.to_uppercase()), None);
        assert_eq!(parse("af", "13", &digits[1..]), None);
        assert_eq!(parse("af", "13", &format!("{digits}.tmp")), None);
        assert_eq!(parse("é", "13", "é"), None);
    }
}
