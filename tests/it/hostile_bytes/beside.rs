//! Files that SQLite looks for beside its database: the WAL with its index, and a rollback journal.

use std::path::PathBuf;

use astore::error::ErrorKind;
use astore::registry::Access;
use astore::registry::report::{AddRequest, CacheUse, Completion};

use super::{Chance, Store, files};
use crate::support::cli::is_slow_run;
use crate::support::store::{open, reference, request};

fn beside(store: &Store, suffix: &str) -> PathBuf {
    store.root().join(format!("astore.db{suffix}"))
}

/// A WAL with real transactions in it, and the database as it was before them.
fn with_wal(store: &Store) -> (Vec<u8>, Vec<u8>) {
    store.restore();
    let keep_open = rusqlite::Connection::open(store.database()).unwrap();
    keep_open.query_row("SELECT count(*) FROM events", (), |_| Ok(())).unwrap();
    let registry = open(&store.root(), Access::Write).unwrap();
    registry.unpin("mine", None).unwrap();
    registry.restore(&reference("gone@1")).unwrap();
    drop(registry);
    let (database, wal) =
        (std::fs::read(store.database()).unwrap(), std::fs::read(beside(store, "-wal")).unwrap());
    drop(keep_open);
    assert!(wal.len() > 32, "a WAL with frames in it");
    (database, wal)
}

#[test]
fn a_wal_may_hold_anything() {
    let store = Store::new();
    let (database, wal) = with_wal(&store);
    let log = std::fs::read(store.log().join("00000000000000000001.cborseq")).unwrap();
    let mut chance = Chance(5);
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("no WAL".to_owned(), Vec::new()),
        ("garbage".to_owned(), vec![0x5a; 100_000]),
        ("a header alone".to_owned(), wal[..32].to_vec()),
    ];
    for nth in 0..if is_slow_run() { 400 } else { 10 } {
        let mut bytes = wal.clone();
        let at = if nth % 3 == 0 { chance.below(56) } else { chance.below(bytes.len()) };
        bytes[at] ^= 1 << chance.below(8);
        cases.push((format!("byte {at}"), bytes));
        cases.push((format!("cut at {at}"), wal[..at].to_vec()));
    }
    eprintln!("{} WALs", cases.len());
    for (what, bytes) in cases {
        store.restore();
        std::fs::write(store.database(), &database).unwrap();
        std::fs::write(store.log().join("00000000000000000001.cborseq"), &log).unwrap();
        std::fs::write(beside(&store, "-wal"), bytes).unwrap();
        let before = files(&store.elsewhere());
        // What the WAL lost, log/ has: the answers are those of the moment after, so they are not compared.
        let answers = store.ask();
        assert!(store.is_right(&answers), "{what}: log/ is ahead of it, and sound: {:?}", answers.last());
        assert_eq!(files(&store.elsewhere()), before);
        assert_eq!(std::fs::read(store.log().join("00000000000000000001.cborseq")).unwrap(), log, "{what}");
    }
}

#[test]
fn the_wal_of_another_database_is_not_taken_for_ours() {
    let (store, other) = (Store::new(), Store::new());
    let (_, wal) = with_wal(&other);
    store.restore();
    std::fs::write(beside(&store, "-wal"), &wal).unwrap();
    // SQLite cannot tell, for a WAL bears no name: what it makes of both is seen to be damaged, or is right.
    store.check("another's WAL");
    for shm in [vec![0xff; 32_768], vec![0; 100], Vec::new()] {
        store.restore();
        std::fs::write(beside(&store, "-shm"), shm).unwrap();
        assert!(!store.check("an index of the WAL that lies"), "it is made anew");
    }
}

/// A rollback journal as SQLite writes them: it says that page 2 has held this, and that there were two pages.
fn journal(content: &[u8; 4096]) -> Vec<u8> {
    let nonce: u32 = 42;
    let mut bytes = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    for number in [1, nonce, 2, 512, 4096] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.resize(512, 0);
    bytes.extend(2_u32.to_be_bytes());
    bytes.extend(content);
    // Its checksum goes over every 200th byte, from the end.
    let every = (1..=20).map(|nth| u32::from(content[4096 - 200 * nth]));
    bytes.extend(every.fold(nonce, u32::wrapping_add).to_be_bytes());
    bytes
}

#[test]
fn a_rollback_journal_is_not_played_back() {
    let store = Store::new();
    let planted = journal(&[0; 4096]);
    // The bait is good: SQLite alone takes it, and cuts the database off after two pages.
    let bait = store.place.path().join("bait.db");
    std::fs::write(&bait, store.whole()).unwrap();
    std::fs::write(store.place.path().join("bait.db-journal"), &planted).unwrap();
    let taken = rusqlite::Connection::open(&bait).unwrap();
    drop(taken.query_row("SELECT count(*) FROM events", (), |_| Ok(())));
    drop(taken);
    assert_eq!(std::fs::metadata(&bait).unwrap().len(), 8192);

    std::fs::write(beside(&store, "-journal"), &planted).unwrap();
    assert!(store.check("a rollback journal"));
    for access in [Access::Read, Access::Log, Access::Write] {
        let error = open(&store.root(), access).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Damage, "{error}");
    }
    assert!(std::fs::read(store.database()).unwrap() == store.whole(), "it was played back");
    // Beside the stat cache, which is nobody's truth, it goes with the cache.
    store.restore();
    let add = || {
        let registry = open(&store.root(), Access::Write).unwrap();
        let tree = store.place.path().join("trees/kept");
        let asked = AddRequest { cache: CacheUse::Use, ..request("kept", &tree, Completion::Finalize) };
        registry.add(asked, &mut std::io::empty(), &astore::Void).unwrap();
    };
    add();
    std::fs::write(store.root().join("cache.db-journal"), planted).unwrap();
    add();
    assert!(store.root().join("cache.db").exists() && !store.root().join("cache.db-journal").exists());
}

#[test]
fn what_was_planted_in_the_cache_goes_with_it() {
    let store = Store::new();
    let tree = store.place.path().join("trees/kept");
    for planted in [
        "CREATE TRIGGER mine AFTER INSERT ON block BEGIN INSERT OR REPLACE INTO block VALUES (NULL, NEW.device + 1, 1, x''); END",
        "DROP TABLE block; CREATE VIEW block AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
         SELECT x AS device, x AS first, x AS facts FROM n",
        "CREATE TABLE more (x)",
    ] {
        let add = || {
            let registry = open(&store.root(), Access::Write).unwrap();
            let asked = AddRequest { cache: CacheUse::Use, ..request("kept", &tree, Completion::Finalize) };
            registry.add(asked, &mut std::io::empty(), &astore::Void).unwrap()
        };
        add();
        let cache = rusqlite::Connection::open(store.root().join("cache.db")).unwrap();
        cache.execute_batch(planted).unwrap();
        drop(cache);
        super::within_a_minute({
            let (root, tree) = (store.root(), tree.clone());
            move || {
                let registry = open(&root, Access::Write).unwrap();
                let asked =
                    AddRequest { cache: CacheUse::Use, ..request("kept", &tree, Completion::Finalize) };
                drop(registry.add(asked, &mut std::io::empty(), &astore::Void).unwrap());
            }
        });
        let cache = rusqlite::Connection::open(store.root().join("cache.db")).unwrap();
        let others = "SELECT count(*) FROM sqlite_schema WHERE name NOT IN ('block', 'block_by_place', 'run')";
        assert_eq!(cache.query_row(others, (), |row| row.get::<_, i64>(0)).unwrap(), 0, "{planted}");
    }
}
