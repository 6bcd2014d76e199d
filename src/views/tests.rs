//! What the handlers take a shorter way to: that it leads to where the long one would.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::trees::Totals;
use super::*;
use crate::db::Database;
use crate::env::Timestamp;
use crate::events::payload::{self, GcStart};
use crate::events::{EventType, Head, INLINE_PAYLOAD_BYTES_MAX, PurgedObject};
use crate::identity::Digests;
use crate::manifest::testing::{self, Chance};
use crate::manifest::{Entry, EntryBody, ManifestHeader, RetentionSummary, write_manifest};
use uuid::Uuid;

/// A log that is applied as it is written.
struct Log<'t, 'c> {
    tx: &'t WriteTx<'c>,
    head: Head,
    packages: u64,
}

impl<'t, 'c> Log<'t, 'c> {
    fn begin(tx: &'t WriteTx<'c>) -> Self {
        ViewWriter::new(tx, 0).reset().unwrap();
        let mut log = Self { tx, head: Head::NONE, packages: 0 };
        let classes = [("permanent-record".to_owned(), None)];
        log.event(EventType::StoreCreated, "store", &payload::store_created(Uuid::from_u128(9), &classes));
        log
    }

    fn event(&mut self, event_type: EventType, subject: &str, payload: &[u8]) {
        let record = Record {
            sequence: self.head.sequence + 1,
            created_at: Timestamp::from_micros(0),
            event_type: event_type.name().to_owned(),
            subject_kind: event_type.subject_kind().to_owned(),
            subject_id: subject.to_owned(),
            actor: "a@b".to_owned(),
            payload_digest: Blake3::of(payload),
            previous_digest: self.head.digest,
        };
        let inline = payload.len() <= INLINE_PAYLOAD_BYTES_MAX;
        let event = Stored::new(record, inline.then(|| payload.to_vec()));
        ViewWriter::new(self.tx, 0).apply(&event, payload).unwrap();
        self.head = Head::from(&event);
    }

    /// Finalises a new package, and returns its manifest.
    fn finalize(&mut self, entries: &[Entry]) -> Vec<u8> {
        self.packages += 1;
        let header = ManifestHeader {
            id: Uuid::from_u128(self.packages.into()),
            name: "p".parse().unwrap(),
            version: self.packages,
            retention: RetentionSummary { class: "permanent-record".to_owned(), duration_seconds: None },
            ..testing::manifest(0).0
        };
        let mut manifest = Vec::new();
        write_manifest(&mut manifest, &header, entries.iter()).unwrap();
        self.event(EventType::PackageFinalized, &header.id.to_string(), &manifest);
        manifest
    }

    fn purge(&mut self, objects: &[Digests]) {
        let start =
            GcStart { plan: "x", round: 1, rounds: 1, reason: None, clock_accepted: false, packages: &[] };
        let mut objects: Vec<PurgedObject> = objects
            .iter()
            .map(|object| PurgedObject {
                address: object.blake3,
                size_bytes: object.size_bytes,
                why: "removed".to_owned(),
            })
            .collect();
        objects.sort_by_key(|object| object.address);
        self.event(EventType::GcStarted, "gc", &payload::gc_started(&start, &objects));
    }

    fn purged(&self) -> i64 {
        let sql = "SELECT count(*) FROM objects WHERE purged_sequence IS NOT NULL";
        self.tx.one(sql, [], |row| row.get(0)).unwrap()
    }

    /// What the views say that the last package holds, and what SQLite counts.
    fn totals(&self) -> (Totals, Totals) {
        let package = packages::by_number(self.tx, i64::try_from(self.packages).unwrap()).unwrap().unwrap();
        (package.totals, trees::totals(self.tx, package.tree).unwrap())
    }
}

/// Entries out of chance, small enough that their sums can be counted.
fn entries(seed: u64) -> Vec<Entry> {
    let mut entries = testing::entries(&mut Chance::new(seed), 12);
    for entry in &mut entries {
        if let EntryBody::File { object, .. } = &mut entry.body {
            // Few contents, so that some stand under several paths and in several packages.
            let content = [object.blake3.as_bytes()[0] % 5];
            *object = Digests { size_bytes: content[0].into(), ..Digests::of(&content) };
        }
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_counted_on_the_way_is_what_sqlite_counts(seeds: [u64; 3], replace: bool) {
        let database = Database::temporary().unwrap();
        let tx = database.write().unwrap();
        let mut log = Log::begin(&tx);
        for seed in seeds {
            log.finalize(&entries(seed));
            let (kept, counted) = log.totals();
            prop_assert_eq!(kept, counted);
        }
        // The same, step by step, into an open package.
        log.packages += 1;
        let (id, none) = (Uuid::from_u128(log.packages.into()), BTreeMap::new());
        let name = "p".parse().unwrap();
        let created =
            payload::package_created(id, &name, log.packages, "permanent-record", &none, &none);
        log.event(EventType::PackageCreated, &id.to_string(), &created);
        for seed in [seeds[0], seeds[1]].into_iter().take(if replace { 2 } else { 1 }) {
            let added = payload::entries_added("local", entries(seed).iter(), replace);
            log.event(EventType::EntriesAdded, &id.to_string(), &added);
            let (kept, counted) = log.totals();
            prop_assert_eq!(kept, counted);
        }
    }
}

#[test]
fn a_tree_that_lost_objects_is_brought_back_whole_and_one_that_lost_none_is_not_looked_at() {
    let object = |content: &[u8]| Digests::of(content);
    let file = |name: &str, object: Digests| {
        let path = EntryPath::new(name.as_bytes()).unwrap();
        Entry { path, body: EntryBody::File { mode: 0o644, object }, mtime: None }
    };
    let tree = [file("a", object(b"a")), file("b", object(b"b"))];
    let other = [file("c", object(b"c"))];
    let database = Database::temporary().unwrap();
    let tx = database.write().unwrap();
    let mut log = Log::begin(&tx);
    log.finalize(&tree);
    log.finalize(&other);
    log.purge(&[object(b"a"), object(b"c")]);
    assert_eq!(log.purged(), 2);
    log.finalize(&tree);
    assert_eq!(log.purged(), 1, "the gc was after the tree was named last");
    log.purge(&[object(b"b")]);
    log.finalize(&other);
    log.finalize(&tree);
    assert_eq!(log.purged(), 0);

    // No event purged it; who looked would bring it back.
    tx.execute(
        "UPDATE objects SET purged_sequence = 1 WHERE digest_primary = ?1",
        [object(b"a").blake3.as_bytes()],
    )
    .unwrap();
    log.finalize(&tree);
    assert_eq!(log.purged(), 1, "no gc since: the entries are not gone through");
}

#[test]
fn a_replay_ends_with_the_whole_schema() {
    let schema = |make: &dyn Fn(&mut ViewWriter<'_, '_>)| {
        let database = Database::temporary().unwrap();
        let tx = database.write().unwrap();
        make(&mut ViewWriter::new(&tx, 0));
        let sql = "SELECT type || name || coalesce(sql, '') FROM sqlite_schema ORDER BY 1";
        tx.all::<String>(sql, [], |row| row.get(0)).unwrap()
    };
    let at_once = Database::temporary().unwrap();
    let tx = at_once.write().unwrap();
    tx.execute_batch(SCHEMA).unwrap();
    let sql = "SELECT type || name || coalesce(sql, '') FROM sqlite_schema ORDER BY 1";
    let expected: Vec<String> = tx.all(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(schema(&|views| views.reset().unwrap()), expected);
    let begun = schema(&|views| views.reset_to_replay().unwrap());
    assert_eq!(begun.len() + INDICES_LEFT_TO_THE_END.len(), expected.len());
}
