//! Looks at a store as design demands it to be, without asking the code that wrote it: SQLite by hand, files
//! by hand, digests by the crate.

use std::collections::BTreeMap;
use std::path::Path;

/// What a store says, read by hand.
pub(crate) struct Seen {
    /// Packages as `name@version`: whether each is finalised and whether it is removed.
    pub(crate) packages: BTreeMap<String, (bool, bool)>,
    /// The last event.
    pub(crate) head: i64,
}

fn query<T>(
    db: &rusqlite::Connection,
    sql: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut statement = db.prepare(sql).expect("a statement");
    let rows = statement.query_map([], read).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}

/// Invariant 1: every file under a final name holds exactly the bytes of that name.
pub(crate) fn check_names(root: &Path) -> Result<(), String> {
    for outer in std::fs::read_dir(root.join("blake3")).expect("blake3/") {
        for inner in std::fs::read_dir(outer.expect("an entry").path()).expect("a shard") {
            for object in std::fs::read_dir(inner.expect("an entry").path()).expect("a shard") {
                let path = object.expect("an entry").path();
                let bytes = std::fs::read(&path).expect("an object");
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                if blake3::hash(&bytes).to_hex().as_str() != name {
                    return Err(format!("{name} holds {} bytes of something else", bytes.len()));
                }
            }
        }
    }
    Ok(())
}

/// Invariants 2 and 3: the log has no gap and binds each event to the one before; every object that it names
/// is there and whole. Returns what the views say.
pub(crate) fn check_log(root: &Path) -> Result<Seen, String> {
    let db = rusqlite::Connection::open(root.join("astore.db")).expect("the database");
    let mut previous = vec![0u8; 32];
    let mut head = 0i64;
    let events =
        query(&db, "SELECT sequence, previous_digest, digest FROM events ORDER BY sequence", |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
        });
    for (sequence, before, digest) in events {
        if sequence != head + 1 || before != previous {
            return Err(format!("event {sequence} does not follow event {head}"));
        }
        head = sequence;
        previous = digest;
    }
    let objects =
        query(&db, "SELECT content_address, size_bytes FROM objects WHERE purged_sequence IS NULL", |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        });
    for (address, size) in objects {
        let hex = address.trim_start_matches("blake3:");
        let path = root.join("blake3").join(&hex[..2]).join(&hex[2..4]).join(hex);
        match std::fs::metadata(&path) {
            Ok(found) if found.len() == size.cast_unsigned() => {}
            Ok(found) => return Err(format!("{address} has {} bytes instead of {size}", found.len())),
            Err(error) => return Err(format!("{address}, which the log names: {error}")),
        }
    }
    let packages = query(
        &db,
        "SELECT name || '@' || version, status = 'finalized', removed_at IS NOT NULL FROM artifact_packages",
        |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))),
    );
    Ok(Seen { packages: packages.into_iter().collect(), head })
}
