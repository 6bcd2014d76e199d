//! The kernels under everything else, each by itself: `just bench-kernels`, or one of them with
//! `just bench-kernels replay`.
//!
//! Times are for eyes and for pairing two builds on one machine; no test looks at them. What has a limit stands beside
//! what it is held against: `replay::astore` beside `replay::bare_loop`, which inserts the very rows that replay makes,
//! through one prepared statement a table, into a database of the same schema and settings. `TMPDIR` says on which disk.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark that cannot go on has failed, and makes its files by hand"
)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use astore::db::Database;
use astore::disk::RealDisk;
use astore::events::{
    self, Bookkeeping, EventType, Head, LogFiles, PayloadUnavailable, Payloads, Position, Record, Stored,
    payload, replay,
};
use astore::identity::{Blake3, Digests, DualHasher, Sha256};
use astore::manifest::{
    Entry, EntryBody, EntryPath, Labels, Manifest, ManifestHeader, Receipt, RetentionSummary, write_manifest,
};
use astore::views::{TABLES, VIEWS_VERSION, ViewWriter, view_digest};
use astore::{Error, Timestamp};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use uuid::Uuid;

fn main() {
    divan::main();
}

/// Entries as a build leaves them: a directory for each hundred, one file in five with bytes that another has.
fn entries(count: usize) -> Vec<Entry> {
    let entry = |nth: usize| {
        let directory = nth - nth % 100;
        if nth == directory {
            let path = EntryPath::new(format!("directory-{directory:08}").into_bytes()).unwrap();
            return Entry { path, body: EntryBody::Directory { mode: 0o755 }, mtime: None };
        }
        let path = format!("directory-{directory:08}/some-file-of-a-tree-{nth:08}.html");
        let content = if nth.is_multiple_of(5) { nth / 10 } else { nth };
        let sha256 =
            Sha256::from_bytes(*Blake3::of(&[b"sha256", &content.to_le_bytes()[..]].concat()).as_bytes());
        Entry::file(
            EntryPath::new(path.into_bytes()).unwrap(),
            0o644,
            Blake3::of(&content.to_le_bytes()),
            sha256,
            content as u64,
        )
    };
    (0..count).map(entry).collect()
}

fn header(number: u64) -> ManifestHeader {
    ManifestHeader {
        id: Uuid::from_u128(u128::from(number) + 1),
        name: "tree".parse().unwrap(),
        version: number + 1,
        created_at: Timestamp::from_micros(0),
        created_by: "someone@somewhere".to_owned(),
        metadata: Labels::new(),
        receipts: vec![Receipt { backend_id: "local".to_owned(), objects: 0, bytes: 0 }],
        retention: RetentionSummary { class: "permanent-record".to_owned(), duration_seconds: None },
        provenance: Labels::new(),
    }
}

fn manifest(number: u64, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_manifest(&mut bytes, &header(number), entries.iter()).unwrap();
    bytes
}

mod digest {
    use super::*;

    #[divan::bench(args = [1 << 10, 8 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20])]
    fn dual(bencher: Bencher<'_, '_>, bytes: usize) {
        let content: Vec<u8> = (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect();
        bencher.counter(BytesCount::new(bytes)).bench(|| {
            let mut hasher = DualHasher::new();
            for chunk in black_box(&content).chunks(128 << 10) {
                hasher.update(chunk);
            }
            hasher.finish()
        });
    }
}

mod manifests {
    use super::*;

    #[divan::bench(args = [1, 10_000, 1_000_000], max_time = 3)]
    fn encode(bencher: Bencher<'_, '_>, count: usize) {
        let (entries, header) = (entries(count), header(0));
        bencher
            .counter(ItemsCount::new(count))
            .bench(|| write_manifest(&mut std::io::sink(), &header, black_box(&entries).iter()).unwrap());
    }

    #[divan::bench(args = [1, 10_000, 1_000_000], max_time = 3)]
    fn decode(bencher: Bencher<'_, '_>, count: usize) {
        let bytes = manifest(0, &entries(count));
        bencher
            .counter(ItemsCount::new(count))
            .bench(|| Manifest::parse(black_box(&bytes)).unwrap().entry_count());
    }

    #[divan::bench(args = [10_000, 1_000_000], max_time = 3)]
    fn decode_and_list(bencher: Bencher<'_, '_>, count: usize) {
        let bytes = manifest(0, &entries(count));
        bencher
            .counter(ItemsCount::new(count))
            .bench(|| Manifest::parse(black_box(&bytes)).unwrap().entries().map(black_box).count());
    }
}

/// Payload objects in memory.
#[derive(Default)]
struct Objects(HashMap<Blake3, Vec<u8>>);

impl Payloads for Objects {
    fn load(&self, digest: &Blake3) -> Result<Vec<u8>, PayloadUnavailable> {
        Ok(self.0[digest].clone())
    }
}

fn event(head: Head, event_type: EventType, subject: &str, payload: &[u8]) -> Stored {
    let record = Record {
        sequence: head.sequence + 1,
        created_at: Timestamp::from_micros(0),
        event_type: event_type.name().to_owned(),
        subject_kind: event_type.subject_kind().to_owned(),
        subject_id: subject.to_owned(),
        actor: "someone@somewhere".to_owned(),
        payload_digest: Blake3::of(payload),
        previous_digest: head.digest,
    };
    Stored::new(record, (payload.len() <= events::INLINE_PAYLOAD_BYTES_MAX).then(|| payload.to_vec()))
}

/// A log: the store, a package of some entries, and as many others with the same tree as there are versions.
fn history(count: usize, versions: u64) -> (Vec<Stored>, Objects) {
    let store = Uuid::from_u128(7);
    let classes = [("permanent-record".to_owned(), None)];
    let created = payload::store_created(store, &classes);
    let mut events = vec![event(Head::NONE, EventType::StoreCreated, &store.to_string(), &created)];
    let (entries, mut objects) = (entries(count), Objects::default());
    for version in 0..versions {
        let (bytes, head) = (manifest(version, &entries), Head::from(events.last().unwrap()));
        let subject = header(version).id.to_string();
        events.push(event(head, EventType::PackageFinalized, &subject, &bytes));
        objects.0.insert(Blake3::of(&bytes), bytes);
    }
    (events, objects)
}

fn database(at: &Path, events: &[Stored]) -> Database {
    let database = Database::create(at).unwrap();
    let tx = database.write().unwrap();
    ViewWriter::new(&tx, 0).reset().unwrap();
    events.iter().for_each(|event| events::insert(&tx, event).unwrap());
    tx.commit().unwrap();
    database
}

fn replay_all(database: &Database, objects: &Objects) {
    let tx = database.write().unwrap();
    let mut views = ViewWriter::new(&tx, 0);
    views.reset_to_replay().unwrap();
    let head = replay(&tx, objects, |event, payload| -> Result<(), Error> {
        views.apply(event, payload)?;
        Ok(())
    });
    views.complete().unwrap();
    let head = head.unwrap();
    let log = Position::START;
    let kept = Bookkeeping { log, views_version: VIEWS_VERSION, views_sequence: head.sequence, skipped: 0 };
    kept.store(&tx).unwrap();
    tx.commit().unwrap();
}

#[divan::bench_group(name = "replay", sample_count = 9, sample_size = 1, max_time = 20)]
mod replaying {
    use rusqlite::{Connection, params_from_iter, types::Value};

    use super::*;

    const ENTRIES: [usize; 2] = [50_000, 200_000];

    #[divan::bench(args = ENTRIES)]
    fn astore(bencher: Bencher<'_, '_>, count: usize) {
        let (events, objects) = history(count, 2);
        let made = || {
            let dir = tempfile::tempdir().unwrap();
            let database = database(&dir.path().join("astore.db"), &events);
            (database, dir)
        };
        let rows = rows(count).iter().map(|(_, rows)| rows.len()).sum::<usize>();
        bencher.counter(ItemsCount::new(rows)).with_inputs(made).bench_refs(|(database, _)| {
            replay_all(database, &objects);
        });
    }

    /// The rows that replay makes, by the statement that inserts them.
    fn rows(count: usize) -> Vec<(String, Vec<Vec<Value>>)> {
        let (events, objects) = history(count, 2);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("astore.db");
        replay_all(&database(&path, &events), &objects);
        let source = Connection::open(&path).unwrap();
        let of_table = |name: &str, key: &str| {
            // Without those that are generated.
            let mut columns = source.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
            let columns: Vec<String> =
                columns.query_map([name], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            let (list, marks) = (columns.join(", "), vec!["?"; columns.len()].join(", "));
            let mut select = source.prepare(&format!("SELECT {list} FROM {name} ORDER BY {key}")).unwrap();
            let values = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|nth| row.get(nth)).collect();
            let rows = select.query_map([], values).unwrap().map(Result::unwrap).collect();
            (format!("INSERT INTO {name} ({list}) VALUES ({marks})"), rows)
        };
        TABLES.iter().map(|table| of_table(table.name, table.key())).collect()
    }

    #[divan::bench(args = ENTRIES)]
    fn bare_loop(bencher: Bencher<'_, '_>, count: usize) {
        let rows = rows(count);
        let made = || {
            let dir = tempfile::tempdir().unwrap();
            let connection = Connection::open(dir.path().join("bare.db")).unwrap();
            let settings =
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384;";
            connection.execute_batch(settings).unwrap();
            (connection, dir)
        };
        let total = rows.iter().map(|(_, rows)| rows.len()).sum::<usize>();
        bencher.counter(ItemsCount::new(total)).with_inputs(made).bench_refs(|(connection, _)| {
            let tx = connection.transaction().unwrap();
            tx.execute_batch(include_str!("../src/db/sql/views.sql")).unwrap();
            for (insert, rows) in &rows {
                let mut insert = tx.prepare(insert).unwrap();
                for row in rows {
                    insert.execute(params_from_iter(row)).unwrap();
                }
            }
            tx.commit().unwrap();
        });
    }
}

mod views {
    use super::*;

    #[divan::bench(args = [50_000], max_time = 5)]
    fn digest(bencher: Bencher<'_, '_>, count: usize) {
        let (events, objects) = history(count, 1);
        let dir = tempfile::tempdir().unwrap();
        let database = database(&dir.path().join("astore.db"), &events);
        replay_all(&database, &objects);
        let tx = database.read().unwrap();
        bencher.counter(ItemsCount::new(count)).bench_local(|| view_digest(&tx).unwrap());
    }

    /// A package of a tree that is there already: what an `add` of an unchanged tree costs in the views.
    #[divan::bench(args = [1, 50_000], max_time = 5)]
    fn finalize_unchanged(bencher: Bencher<'_, '_>, count: usize) {
        let (events, objects) = history(count, 2);
        let dir = tempfile::tempdir().unwrap();
        let database = database(&dir.path().join("astore.db"), &events[..2]);
        replay_all(&database, &objects);
        let last = &events[2];
        let bytes = &objects.0[&last.record.payload_digest];
        let sha256 = Some(Digests::of(bytes).sha256);
        bencher.bench_local(|| {
            // Dropped without a commit: the next round finds what this one found.
            let tx = database.write().unwrap();
            ViewWriter::new(&tx, 0).apply(last, astore::views::Payload { bytes, sha256 }).unwrap()
        });
    }
}

mod event {
    use super::*;

    /// The record of a small event, its digests, and the item of `log/`.
    #[divan::bench]
    fn encode(bencher: Bencher<'_, '_>) {
        let small = payload::package_removed("superseded");
        bencher.bench(|| {
            let event = event(Head::NONE, EventType::PackageRemoved, "id", black_box(&small));
            events::encode_item(&[event])
        });
    }

    /// One small event, as a whole transaction on the disk under `TMPDIR`: its row and the views, the item of `log/`
    /// and its sync, the commit.
    #[divan::bench(max_time = 5)]
    fn append(bencher: Bencher<'_, '_>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("log")).unwrap();
        let files = LogFiles::new(Arc::new(RealDisk::open(dir.path()).unwrap()), 0o600);
        let (events, objects) = history(0, 0);
        let database = database(&dir.path().join("astore.db"), &events);
        replay_all(&database, &objects);
        let (mut head, mut position, mut number) = (Head::from(&events[0]), Position::START, 0);
        bencher.bench_local(|| {
            let (id, name) = (Uuid::from_u128(number + 1), "small".parse().unwrap());
            number += 1;
            let version = u64::try_from(number).unwrap();
            let none = Labels::new();
            let created = payload::package_created(id, &name, version, "permanent-record", &none, &none);
            let event = event(head, EventType::PackageCreated, &id.to_string(), &created);
            head = Head::from(&event);
            let tx = database.write().unwrap();
            events::insert(&tx, &event).unwrap();
            ViewWriter::new(&tx, 0).apply(&event, &created).unwrap();
            position = files.append(&position, &[event]).unwrap();
            let views_sequence = head.sequence;
            let kept =
                Bookkeeping { log: position, views_version: VIEWS_VERSION, views_sequence, skipped: 0 };
            kept.store(&tx).unwrap();
            tx.commit().unwrap();
        });
    }
}
