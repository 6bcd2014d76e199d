//! Looks at a store as design demands it to be, without asking the code that wrote it: SQLite by hand, files
//! by hand, digests by the crate.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ciborium::Value;

/// A primary digest.
pub(crate) type Digest = [u8; 32];

/// What a store says, read by hand.
pub(crate) struct Seen {
    /// Packages as `name@version`: whether each is finalised and whether it is removed.
    pub(crate) packages: BTreeMap<String, (bool, bool)>,
    /// The last event.
    pub(crate) head: i64,
}

pub(crate) fn query<T>(
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
    if !root.join("blake3").exists() {
        return Ok(()); // no store yet
    }
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
        let digest = blake3::Hash::from_hex(address.trim_start_matches("blake3:")).expect("a digest");
        let path = object_path(root, digest.as_bytes());
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

/// Where an object's file belongs.
pub(crate) fn object_path(root: &Path, digest: &Digest) -> PathBuf {
    let hex = blake3::Hash::from_bytes(*digest).to_hex();
    root.join("blake3").join(&hex[..2]).join(&hex[2..4]).join(hex.as_str())
}

/// Where the file of an object with these bytes belongs.
pub(crate) fn file_of(root: &Path, bytes: &[u8]) -> PathBuf {
    object_path(root, blake3::hash(bytes).as_bytes())
}

/// Puts an object's file in its place, as an add does that dies before its event.
pub(crate) fn put_object(root: &Path, bytes: &[u8]) {
    let path = file_of(root, bytes);
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    std::fs::write(&path, bytes).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).expect("a mode");
}

/// A round of a gc, as its events tell it.
#[derive(Debug)]
pub(crate) struct Purge {
    /// The event that began it.
    pub(crate) started: u64,
    /// The gc that it is of.
    pub(crate) gc: String,
    /// The name of the plan.
    pub(crate) plan: String,
    /// Which round it is, and of how many.
    pub(crate) round: (i128, i128),
    /// Whether an event ended it.
    pub(crate) completed: bool,
    /// What it purged.
    pub(crate) objects: Vec<Digest>,
    /// What was not there.
    pub(crate) missing: Vec<Digest>,
    /// What could not be deleted.
    pub(crate) failed: Vec<Digest>,
}

impl Purge {
    /// Whether this event purged this object.
    pub(crate) fn is_of(&self, sequence: u64, digest: &Digest) -> bool {
        self.started == sequence && self.objects.contains(digest)
    }
}

/// Reads every round of every gc out of the events.
pub(crate) fn purges(root: &Path) -> Vec<Purge> {
    let db = rusqlite::Connection::open(root.join("astore.db")).expect("the database");
    let sql = "SELECT sequence, event_type, payload, payload_digest, subject_id FROM events
               WHERE event_type IN ('v1.gc.started', 'v1.gc.completed') ORDER BY sequence";
    let events = query(&db, sql, |row| {
        let payload = row.get::<_, Option<Vec<u8>>>(2)?;
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, payload, row.get(3)?, row.get(4)?))
    });
    let mut purges: Vec<Purge> = Vec::new();
    for (sequence, event_type, payload, payload_digest, gc) in events {
        // A large one is an object.
        let payload = payload.unwrap_or_else(|| {
            std::fs::read(object_path(root, &payload_digest)).expect("the payload's object")
        });
        let payload: Value = ciborium::from_reader(&payload[..]).expect("CBOR");
        if event_type == "v1.gc.started" {
            let objects = list(&payload, "objects").iter().map(|object| digest(field(object, "address")));
            purges.push(Purge {
                started: sequence.cast_unsigned(),
                gc,
                plan: field(&payload, "plan").as_text().expect("text").to_owned(),
                round: (number(&payload, "round"), number(&payload, "rounds")),
                completed: false,
                objects: objects.collect(),
                missing: Vec::new(),
                failed: Vec::new(),
            });
            continue;
        }
        let started = number(&payload, "started");
        let round = purges.iter_mut().find(|round| started == i128::from(round.started));
        let round = round.expect("an end of something that began");
        assert_eq!(round.gc, gc, "event {sequence} ends another gc's round");
        assert!(!round.completed, "event {sequence} ends event {} again", round.started);
        round.completed = true;
        round.missing = list(&payload, "missing").iter().map(digest).collect();
        round.failed =
            list(&payload, "failed").iter().map(|failed| digest(field(failed, "address"))).collect();
    }
    purges
}

pub(crate) fn field<'v>(map: &'v Value, key: &str) -> &'v Value {
    let map = map.as_map().expect("a map");
    let found = map.iter().find(|(name, _)| name.as_text() == Some(key));
    &found.unwrap_or_else(|| panic!("no {key} in {map:?}")).1
}

fn number(map: &Value, key: &str) -> i128 {
    field(map, key).as_integer().expect("a number").into()
}

pub(crate) fn list<'v>(map: &'v Value, key: &str) -> &'v [Value] {
    field(map, key).as_array().expect("an array")
}

pub(crate) fn digest(value: &Value) -> Digest {
    value.as_bytes().expect("bytes").as_slice().try_into().expect("a digest")
}
