//! What the events say, read by hand from `log/` and from the table: which objects there must be, which packages and
//! pins. Knows of the library nothing but what store-layout.md says of the bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ciborium::Value;
use sha2::{Digest as _, Sha256};

use super::oracle::{Digest, digest, field, list, object_path, query};

/// An event, read by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) sequence: u64,
    pub(crate) event_type: String,
    pub(crate) subject: String,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) payload_digest: Digest,
    pub(crate) previous: Digest,
    pub(crate) digest: Digest,
}

/// An object that must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named {
    size: u64,
    sha256: Option<Digest>,
}

/// What the events come to.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Packages as `name@version`: whether each is finalised and whether it is removed.
    pub(crate) packages: BTreeMap<String, (bool, bool)>,
    /// The digest of each event, in order.
    pub(crate) chain: Vec<Digest>,
    /// How many there are of each type.
    pub(crate) types: BTreeMap<String, usize>,
    pub(crate) pins: BTreeSet<String>,
    ids: BTreeMap<String, String>,
    there: BTreeMap<Digest, Named>,
    /// What each gc purged, by the event that began it.
    rounds: BTreeMap<u64, BTreeSet<Digest>>,
    /// What a gc says that it deleted: that stays deleted, whatever happens to the power.
    deleted: BTreeSet<Digest>,
}

/// Reads the whole items of `log/`, to the first thing that is none.
pub(crate) fn log_events(root: &Path) -> Vec<Event> {
    let mut names: Vec<_> = match std::fs::read_dir(root.join("log")) {
        Ok(listed) => listed.map(|entry| entry.expect("an entry").path()).collect(),
        Err(_) => Vec::new(),
    };
    names.sort();
    let mut events: Vec<Event> = Vec::new();
    for name in names {
        let bytes = std::fs::read(name).expect("a file of log/");
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let Some(item) =
                ciborium::from_reader::<Value, _>(&mut rest).ok().and_then(|item| item_of(&item))
            else {
                return events;
            };
            let mut previous = events.last().map_or([0; 32], |event| event.digest);
            for (event, sequence) in item.iter().zip(events.len() as u64 + 1..) {
                if event.sequence != sequence || event.previous != previous {
                    return events;
                }
                previous = event.digest;
            }
            events.extend(item);
        }
    }
    events
}

/// Counts the events in items as they are appended to `log/`.
pub(crate) fn count_events(mut items: &[u8]) -> usize {
    let mut count = 0;
    while !items.is_empty() {
        let item: Value = ciborium::from_reader(&mut items).expect("an item");
        count += item.as_array().expect("an array").len();
    }
    count
}

fn item_of(item: &Value) -> Option<Vec<Event>> {
    item.as_array()?.iter().map(event_of).collect()
}

fn event_of(event: &Value) -> Option<Event> {
    let [record, payload, digest] = event.as_array()?.as_slice() else { return None };
    let record = record.as_bytes()?;
    let parsed: Value = ciborium::from_reader(&record[..]).ok()?;
    let parsed = parsed.as_array()?;
    let payload = payload.as_bytes().cloned();
    let event = Event {
        sequence: u64::try_from(i128::from(parsed.get(1)?.as_integer()?)).ok()?,
        event_type: parsed.get(3)?.as_text()?.to_owned(),
        subject: parsed.get(5)?.as_text()?.to_owned(),
        payload_digest: parsed.get(7)?.as_bytes()?.as_slice().try_into().ok()?,
        previous: parsed.get(8)?.as_bytes()?.as_slice().try_into().ok()?,
        digest: digest.as_bytes()?.as_slice().try_into().ok()?,
        payload,
    };
    let hashes = |bytes: &[u8], digest: &Digest| blake3::hash(bytes).as_bytes() == digest;
    let is_whole = hashes(record, &event.digest)
        && event.payload.as_ref().is_none_or(|payload| hashes(payload, &event.payload_digest));
    is_whole.then_some(event)
}

fn table_events(db: &rusqlite::Connection) -> Vec<Event> {
    let sql = "SELECT sequence, event_type, subject_id, payload, payload_digest, previous_digest, digest
               FROM events ORDER BY sequence";
    query(db, sql, |row| {
        Ok(Event {
            sequence: row.get::<_, i64>(0)?.cast_unsigned(),
            event_type: row.get(1)?,
            subject: row.get(2)?,
            payload: row.get(3)?,
            payload_digest: row.get(4)?,
            previous: row.get(5)?,
            digest: row.get(6)?,
        })
    })
}

/// Returns every object that a gc says it purges, in `log/` as it lies there.
pub(crate) fn intents(root: &Path) -> BTreeSet<Digest> {
    let mut purged = BTreeSet::new();
    for event in log_events(root).iter().filter(|event| event.event_type == "v1.gc.started") {
        let payload = payload_of(root, event).expect("the payload of an intent");
        purged.extend(list(&payload, "objects").iter().map(|object| digest(field(object, "address"))));
    }
    purged
}

fn payload_of(root: &Path, event: &Event) -> Result<Value, String> {
    let bytes = match &event.payload {
        Some(payload) => payload.clone(),
        None => std::fs::read(object_path(root, &event.payload_digest))
            .map_err(|error| format!("the payload of event {}: {error}", event.sequence))?,
    };
    if blake3::hash(&bytes).as_bytes() != &event.payload_digest {
        return Err(format!("the payload of event {} is not what it was", event.sequence));
    }
    ciborium::from_reader(&bytes[..]).map_err(|error| format!("event {}: {error}", event.sequence))
}

/// Invariants 2, 3, 4 and 6 of a store that was opened and settled: both copies of the log are the same, without a gap;
/// each object that it names and does not purge is there, with the right bytes by both digests; and the views say of
/// packages, objects and pins what the events come to.
pub(crate) fn check(root: &Path) -> Result<History, String> {
    let db = rusqlite::Connection::open(root.join("astore.db")).map_err(|error| error.to_string())?;
    let events = log_events(root);
    let rows = table_events(&db);
    if events != rows {
        return Err(format!("log/ has {} events, the database {}, or they differ", events.len(), rows.len()));
    }
    let mut history = History::default();
    for event in &events {
        history.take(root, event)?;
    }
    history.check_objects(root)?;
    history.check_deleted(root)?;
    history.check_views(&db)?;
    Ok(history)
}

impl History {
    fn take(&mut self, root: &Path, event: &Event) -> Result<(), String> {
        let payload = payload_of(root, event)?;
        if event.payload.is_none() {
            self.keep(event.payload_digest, None);
        }
        match event.event_type.as_str() {
            "v1.package.created" => {
                let version = i128::from(field(&payload, "version").as_integer().expect("a number"));
                let name = field(&payload, "name").as_text().expect("text");
                self.ids.insert(event.subject.clone(), format!("{name}@{version}"));
                self.packages.insert(format!("{name}@{version}"), (false, false));
            }
            "v1.objects.stored" => {
                for object in list(&payload, "objects") {
                    let object = object.as_array().expect("an array");
                    let size = size(&object[2]);
                    self.name(digest(&object[0]), Named { size, sha256: Some(digest(&object[1])) });
                }
            }
            "v1.package.entries_added" => self.enter(list(&payload, "entries")),
            "v1.package.finalized" => {
                self.keep(event.payload_digest, event.payload.as_ref().map(Vec::len));
                self.finalized(&event.subject, &payload);
            }
            "v1.package.imported" => {
                let manifest = field(&payload, "manifest").as_bytes().expect("bytes");
                self.keep(*blake3::hash(manifest).as_bytes(), Some(manifest.len()));
                self.finalized(&event.subject, &ciborium::from_reader(&manifest[..]).expect("CBOR"));
            }
            "v1.package.removed" | "v1.package.restored" => {
                let name = self.ids.get(&event.subject).ok_or("an event about no package")?;
                self.packages.get_mut(name).expect("a package").1 = event.event_type.ends_with("removed");
            }
            "v1.pin.added" => drop(self.pins.insert(event.subject.clone())),
            "v1.pin.removed" => drop(self.pins.remove(&event.subject)),
            "v1.gc.started" => {
                let objects = list(&payload, "objects").iter().map(|object| digest(field(object, "address")));
                let objects: BTreeSet<Digest> = objects.collect();
                self.there.retain(|address, _| !objects.contains(address));
                self.rounds.insert(event.sequence, objects);
            }
            "v1.gc.completed" => {
                let started = size(field(&payload, "started"));
                let mut objects = self.rounds.remove(&started).ok_or("the end of no round")?;
                for failed in list(&payload, "failed") {
                    objects.remove(&digest(field(failed, "address")));
                }
                self.deleted.extend(objects.iter().filter(|address| !self.there.contains_key(*address)));
            }
            "v1.object.healed" => {
                let named = Named {
                    size: size(field(&payload, "size")),
                    sha256: Some(digest(field(&payload, "sha256"))),
                };
                self.name(digest(field(&payload, "address")), named);
            }
            "v1.store.created" | "v1.retention.changed" | "v1.verify.completed" | "v1.schema.registered" => {}
            unknown => return Err(format!("event {} is a {unknown}", event.sequence)),
        }
        *self.types.entry(event.event_type.clone()).or_default() += 1;
        self.chain.push(event.digest);
        Ok(())
    }

    fn finalized(&mut self, id: &str, manifest: &Value) {
        let package = field(manifest, "package");
        let version = i128::from(field(package, "version").as_integer().expect("a number"));
        let name = format!("{}@{version}", field(package, "name").as_text().expect("text"));
        self.ids.insert(id.to_owned(), name.clone());
        self.packages.insert(name, (true, false));
        self.enter(list(manifest, "files"));
    }

    fn enter(&mut self, entries: &[Value]) {
        for entry in entries.iter().filter(|entry| field(entry, "kind").as_text() == Some("file")) {
            let sha256 = Some(digest(field(entry, "sha256")));
            self.name(digest(field(entry, "blake3")), Named { size: size(field(entry, "size")), sha256 });
        }
    }

    fn name(&mut self, address: Digest, named: Named) {
        self.deleted.remove(&address);
        self.rounds.values_mut().for_each(|round| round.retain(|purged| *purged != address));
        self.there.insert(address, named);
    }

    /// A payload or a manifest: never purged.
    fn keep(&mut self, address: Digest, size: Option<usize>) {
        let size = size.map_or(u64::MAX, |size| size as u64);
        self.there.entry(address).or_insert(Named { size, sha256: None });
    }

    fn check_objects(&self, root: &Path) -> Result<(), String> {
        for (address, named) in &self.there {
            let hex = blake3::Hash::from_bytes(*address).to_hex();
            let bytes = std::fs::read(object_path(root, address))
                .map_err(|error| format!("{hex}, which the log names: {error}"))?;
            let sha256: Digest = Sha256::digest(&bytes).into();
            if blake3::hash(&bytes).as_bytes() != address
                || named.sha256.is_some_and(|expected| expected != sha256)
                || (named.size != u64::MAX && named.size != bytes.len() as u64)
            {
                return Err(format!("{hex}, which the log names, is not what it says"));
            }
        }
        Ok(())
    }

    fn check_deleted(&self, root: &Path) -> Result<(), String> {
        match self.deleted.iter().find(|address| object_path(root, address).exists()) {
            Some(address) => {
                let hex = blake3::Hash::from_bytes(*address).to_hex();
                Err(format!("{hex} is there, and a gc says that it deleted it"))
            }
            None => Ok(()),
        }
    }

    fn check_views(&self, db: &rusqlite::Connection) -> Result<(), String> {
        let packages: BTreeMap<String, (bool, bool)> = query(
            db,
            "SELECT name || '@' || version, status = 'finalized', removed_at IS NOT NULL FROM artifact_packages",
            |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))),
        )
        .into_iter()
        .collect();
        if packages != self.packages {
            return Err(format!("the views have {packages:?}, the events {:?}", self.packages));
        }
        let pins: BTreeSet<String> =
            query(db, "SELECT name FROM pins", |row| row.get(0)).into_iter().collect();
        if pins != self.pins {
            return Err(format!("the views have pins {pins:?}, the events {:?}", self.pins));
        }
        let objects: BTreeMap<Digest, bool> =
            query(db, "SELECT digest_primary, purged_sequence IS NULL FROM objects", |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .into_iter()
            .collect();
        for address in self.there.keys() {
            // A small payload that stands in its event has no row; a manifest has.
            if objects.get(address) == Some(&false) {
                return Err("the views call purged what the events keep".to_owned());
            }
        }
        for (address, is_there) in &objects {
            if *is_there != self.there.contains_key(address) {
                return Err(format!("the views have an object (there: {is_there}) that the events do not"));
            }
        }
        Ok(())
    }
}

fn size(value: &Value) -> u64 {
    u64::try_from(i128::from(value.as_integer().expect("a number"))).expect("a size")
}

/// The view digest, computed by hand.
pub(crate) fn view_digest(root: &Path) -> Result<String, String> {
    let db = rusqlite::Connection::open(root.join("astore.db")).map_err(|error| error.to_string())?;
    let version: i64 = db
        .query_row("SELECT value FROM bookkeeping WHERE name = 'views_version'", [], |row| row.get(0))
        .map_err(|error| error.to_string())?;
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
               AND name NOT IN ('events', 'bookkeeping') ORDER BY name";
    let mut all = vec![Value::from(version)];
    for table in query(&db, sql, |row| row.get::<_, String>(0)) {
        let columns =
            query(&db, &format!("SELECT name FROM pragma_table_xinfo('{table}') ORDER BY cid"), |row| {
                row.get::<_, String>(0)
            });
        let key = query(
            &db,
            &format!("SELECT name FROM pragma_table_xinfo('{table}') WHERE pk > 0 ORDER BY pk"),
            |row| row.get::<_, String>(0),
        );
        let sql = format!("SELECT * FROM {table} ORDER BY {}", key.join(", "));
        let rows = query(&db, &sql, |row| {
            (0..columns.len()).map(|column| row.get::<_, rusqlite::types::Value>(column).map(cbor)).collect()
        });
        let columns = columns.into_iter().map(Value::from).collect();
        let rows = rows.into_iter().map(Value::Array).collect();
        all.push(Value::Array(vec![Value::from(table), Value::Array(columns), Value::Array(rows)]));
    }
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Array(all), &mut bytes).map_err(|error| error.to_string())?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

fn cbor(value: rusqlite::types::Value) -> Value {
    match value {
        rusqlite::types::Value::Null => Value::Null,
        rusqlite::types::Value::Integer(value) => Value::from(value),
        rusqlite::types::Value::Real(value) => panic!("{value} is in a view"),
        rusqlite::types::Value::Text(text) => Value::from(text),
        rusqlite::types::Value::Blob(bytes) => Value::from(bytes),
    }
}
