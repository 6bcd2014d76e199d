//! A damaged or hostile `astore.db`.

use std::path::Path;
use std::time::Instant;

use astore::env::Env;
use astore::error::ErrorKind;
use astore::monitor::Void;
use astore::registry::report::Completion;
use astore::registry::{Access, Registry};

use super::{Chance, Store, files};
use crate::support::cli::is_slow_run;
use crate::support::store::{add, env, open, options, reference};

const PAGE: usize = 4096;

/// Damages the database in many ways, asks everything each time, and says how that went.
fn sweep(store: &Store, cases: impl Iterator<Item = (String, Vec<u8>)>) {
    let started = Instant::now();
    let (mut tried, mut seen) = (0, 0);
    for (what, bytes) in cases {
        store.restore();
        std::fs::write(store.database(), bytes).unwrap();
        seen += u32::from(store.check(&what));
        tried += 1;
    }
    eprintln!("{tried} databases, {seen} found damaged, {} ms", started.elapsed().as_millis());
    assert!(seen > 0, "nobody saw anything");
}

#[test]
fn every_page_may_begin_with_anything() {
    let store = Store::unvarying();
    let whole = store.whole();
    let step = if is_slow_run() { 1 } else { 3 };
    let cases = (0..whole.len() / PAGE).step_by(step).map(|page| {
        let mut bytes = whole.clone();
        let header = if page == 0 { 100 } else { page * PAGE };
        for (at, byte) in bytes[header..header + 12].iter_mut().enumerate() {
            *byte ^= 1 << (at % 8);
        }
        (format!("page {page}"), bytes)
    });
    sweep(&store, cases);
}

#[test]
fn it_may_end_anywhere() {
    let store = Store::unvarying();
    let whole = store.whole();
    let step = if is_slow_run() { PAGE / 2 } else { 6 * PAGE + PAGE / 2 };
    let lengths =
        (0..whole.len()).step_by(step).chain([1, 15, 16, 99, 100, 511, 512, PAGE - 1, PAGE, PAGE + 1]);
    sweep(&store, lengths.map(|length| (format!("{length} bytes"), whole[..length].to_vec())));
}

#[test]
fn any_bit_may_be_another() {
    let store = Store::unvarying();
    let whole = store.whole();
    let mut chance = Chance(7);
    let cases = (0..if is_slow_run() { 2_000 } else { 24 }).map(|nth| {
        let mut bytes = whole.clone();
        for _ in 0..1 + nth % 16 {
            // Mostly where something is: the pages are half empty.
            let page = chance.below(bytes.len() / PAGE);
            let within = if nth % 2 == 0 { chance.below(64) } else { chance.below(PAGE) };
            bytes[page * PAGE + within] ^= 1 << chance.below(8);
        }
        (format!("flip {nth}"), bytes)
    });
    sweep(&store, cases);
}

#[test]
fn pages_may_change_places() {
    let store = Store::unvarying();
    let whole = store.whole();
    let mut chance = Chance(11);
    let cases = (0..if is_slow_run() { 500 } else { 10 }).map(|nth| {
        let mut bytes = whole.clone();
        let pages = bytes.len() / PAGE;
        let (one, other) = (1 + chance.below(pages - 1), 1 + chance.below(pages - 1));
        bytes.copy_within(one * PAGE..(one + 1) * PAGE, other * PAGE);
        (format!("copy {nth}: page {one} over {other}"), bytes)
    });
    sweep(&store, cases);
}

/// Puts the cells of a page in another order: every one is sound, and a search among them goes anywhere, back to where
/// it came from as well.
fn shuffled(page: &[u8], header: usize, turn: usize) -> Option<Vec<u8>> {
    let start = header + if matches!(page[header], 2 | 5) { 12 } else { 8 };
    let count = usize::from(page[header + 3]) << 8 | usize::from(page[header + 4]);
    if !matches!(page[header], 2 | 5 | 10 | 13) || count < 2 {
        return None;
    }
    let mut cells: Vec<[u8; 2]> =
        page[start..start + 2 * count].chunks_exact(2).map(|cell| [cell[0], cell[1]]).collect();
    match turn {
        0 => cells.reverse(),
        1 => cells.rotate_left(1),
        _ => cells.swap(0, count / 2),
    }
    let mut page = page.to_vec();
    page[start..start + 2 * count].copy_from_slice(&cells.concat());
    Some(page)
}

#[test]
fn rows_may_stand_in_any_order() {
    let store = Store::unvarying();
    let whole = store.whole();
    let turns = if is_slow_run() { 0..3 } else { 0..2 };
    let cases = turns.flat_map(|turn| {
        let whole = &whole;
        (1..whole.len() / PAGE).filter_map(move |number| {
            let mut bytes = whole.clone();
            let page = number * PAGE..(number + 1) * PAGE;
            bytes[page.clone()].copy_from_slice(&shuffled(&whole[page], 0, turn)?);
            Some((format!("page {number}, turn {turn}"), bytes))
        })
    });
    sweep(&store, cases);
}

#[test]
fn what_is_no_database_is_none() {
    let store = Store::unvarying();
    let garbage: Vec<u8> = (0..20_000_u32).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
    let cases = [
        ("nothing", Vec::new()),
        ("a text", b"SQLite format 3\0 and no more".to_vec()),
        ("zeros", vec![0; 8 * PAGE]),
        ("garbage", garbage.clone()),
        ("a header and garbage", [&store.whole()[..100], &garbage].concat()),
    ];
    for (what, bytes) in cases {
        store.restore();
        std::fs::write(store.database(), &bytes).unwrap();
        assert!(store.check(what), "{what}: nobody saw it");
        assert_eq!(std::fs::read(store.database()).unwrap(), bytes, "{what}: it was written to");
    }
    // Somebody else's database is left as it is, in its own mode of journal.
    store.restore();
    std::fs::remove_file(store.database()).unwrap();
    let foreign = rusqlite::Connection::open(store.database()).unwrap();
    foreign.execute_batch("CREATE TABLE songs (name); INSERT INTO songs VALUES ('mine')").unwrap();
    drop(foreign);
    let before = files(&store.root());
    assert!(store.check("a foreign database"));
    assert!(open(&store.root(), Access::Write).is_err());
    assert_eq!(files(&store.root())[Path::new("astore.db")], before[Path::new("astore.db")]);
}

/// Changes the database as somebody would who knows SQLite well and means harm.
fn sql(store: &Store, statements: &str) {
    store.restore();
    let db = rusqlite::Connection::open(store.database()).unwrap();
    db.execute_batch(&format!(
        "PRAGMA ignore_check_constraints = ON;
         DROP TRIGGER events_are_never_updated; DROP TRIGGER events_are_never_deleted; DROP TRIGGER events_have_no_gap;
         {statements}"
    ))
    .unwrap_or_else(|error| panic!("{statements}: {error}"));
    // The last connection that is closed takes the WAL in.
    drop(db);
}

const TABLES: [&str; 13] = [
    "artifact_files",
    "artifact_packages",
    "bookkeeping",
    "events",
    "gc_runs",
    "leftovers",
    "metadata_schemas",
    "objects",
    "pins",
    "retention_classes",
    "retention_state",
    "storage_locations",
    "verify_runs",
];

#[test]
fn a_column_may_hold_values_of_any_type() {
    let store = Store::unvarying();
    let values = ["'text'", "-1", "x'00'", "NULL", "1e300", "9223372036854775807", "zeroblob(32)", "''"];
    let (mut tried, mut seen) = (0, 0);
    let mut nth = 0;
    for table in TABLES {
        let db = rusqlite::Connection::open(store.database()).unwrap();
        let columns: Vec<String> = db
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .unwrap()
            .query_map((), |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let rows: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap();
        drop(db);
        if rows == 0 {
            continue;
        }
        for column in columns {
            nth += 1;
            if !is_slow_run() && nth % 3 != 0 {
                continue;
            }
            let every = if is_slow_run() { values.len() } else { 1 };
            for value in values.iter().cycle().skip(nth).take(every) {
                // A table without types, of the same name and columns: what a later hand might have made of it.
                sql(
                    &store,
                    &format!(
                        "CREATE TABLE other AS SELECT * FROM {table}; DROP TABLE {table};
                         ALTER TABLE other RENAME TO {table}; UPDATE {table} SET {column} = {value};"
                    ),
                );
                seen += u32::from(store.check(&format!("{table}.{column} = {value}")));
                tried += 1;
            }
        }
    }
    eprintln!("{tried} columns, {seen} found damaged");
    assert!(seen > tried / 2, "{seen} of {tried}");
}

#[test]
fn a_table_may_be_missing_or_have_company() {
    let store = Store::unvarying();
    for table in TABLES {
        sql(&store, &format!("DROP TABLE {table}"));
        let damaged = store.check(&format!("no {table}"));
        assert!(damaged, "{table} was not missed");
    }
    // store-layout.md 11.5: a reader ignores what it does not know.
    store.restore();
    let db = rusqlite::Connection::open(store.database()).unwrap();
    db.execute_batch(
        "CREATE TABLE of_the_future (name TEXT); INSERT INTO of_the_future VALUES ('x');
         CREATE INDEX of_the_future_by_name ON of_the_future (name);
         CREATE INDEX another ON objects (size_bytes);",
    )
    .unwrap();
    drop(db);
    assert!(!store.check("company"));
}

#[test]
fn what_was_planted_in_it_is_never_set_going() {
    let store = Store::unvarying();
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT";
    let planted = [
        ("a view for a table", format!("DROP TABLE pins; CREATE VIEW pins AS {endless} x AS name FROM n;")),
        ("a view", "CREATE VIEW innocent AS SELECT 1".to_owned()),
        (
            "a trigger",
            "CREATE TRIGGER mine AFTER INSERT ON bookkeeping BEGIN DELETE FROM pins; END".to_owned(),
        ),
        (
            "an endless trigger",
            "CREATE TRIGGER mine AFTER INSERT ON bookkeeping
             BEGIN INSERT OR REPLACE INTO bookkeeping VALUES (NEW.name || 'x', 1); END"
                .to_owned(),
        ),
        (
            "a trigger that is called like one of ours",
            "CREATE TRIGGER events_have_no_gap BEFORE INSERT ON events BEGIN DELETE FROM objects; END"
                .to_owned(),
        ),
        ("a virtual table", "DROP TABLE pins; CREATE VIRTUAL TABLE pins USING fts5(name, target)".to_owned()),
    ];
    for (what, statements) in planted {
        sql(&store, &statements);
        let before = std::fs::read(store.database()).unwrap();
        assert!(store.check(what), "{what} was not seen");
        for access in [Access::Read, Access::Write, Access::Log] {
            let error = open(&store.root(), access).expect_err(what);
            assert_eq!(error.kind(), ErrorKind::Damage, "{what}: {error}");
        }
        assert!(std::fs::read(store.database()).unwrap() == before, "{what}: it was set going");
        recovered(&store, what);
    }
}

#[test]
fn an_event_may_lie_about_its_place() {
    let store = Store::unvarying();
    for statements in [
        "UPDATE events SET sequence = 99 WHERE sequence = 3",
        "UPDATE events SET sequence = -3 WHERE sequence = 3",
        "UPDATE events SET sequence = 9223372036854775807 WHERE sequence = 3",
        "UPDATE events SET payload = zeroblob(1000000) WHERE sequence = 3",
        "UPDATE events SET actor = CAST(zeroblob(1000000) AS TEXT) WHERE sequence = 3",
        "UPDATE events SET actor = CAST(x'ff' AS TEXT) WHERE sequence = 3",
        "UPDATE events SET event_type = 'v1.gc.started' WHERE sequence = 3",
        "UPDATE artifact_packages SET name = CAST(zeroblob(1000000) AS TEXT) WHERE package = 1",
        "UPDATE artifact_packages SET name = '../../..' WHERE package = 1",
        "UPDATE artifact_packages SET metadata = x'bf', provenance = x'9bffffffffffffffff'",
        "UPDATE artifact_packages SET tree = 2 WHERE package = 1",
        "UPDATE artifact_files SET path = CAST('../../elsewhere/file' AS BLOB) WHERE path = CAST('own' AS BLOB)",
        "UPDATE artifact_files SET path = CAST('/etc/passwd' AS BLOB) WHERE path = CAST('own' AS BLOB)",
        "UPDATE artifact_files SET object = 1000000 WHERE object IS NOT NULL",
        "UPDATE artifact_files SET kind = 'fifo' WHERE path = CAST('own' AS BLOB)",
        "UPDATE objects SET size_bytes = 9007199254740991",
        "UPDATE bookkeeping SET value = -1",
        "UPDATE bookkeeping SET value = 9223372036854775807 WHERE name <> 'log_digest'",
        "UPDATE bookkeeping SET value = 99999999999 WHERE name = 'log_length'",
        "UPDATE bookkeeping SET value = 7 WHERE name = 'log_file'",
        "UPDATE bookkeeping SET value = 1000000 WHERE name = 'skipped'",
        "DELETE FROM bookkeeping",
        "UPDATE pins SET package = 1000000",
        "UPDATE retention_state SET class = 'nobody''s', expires_at = -9223372036854775808",
    ] {
        sql(&store, statements);
        let damaged = store.check(statements);
        // What the plain-file log tells better is put right by whoever comes first.
        assert!(damaged || statements.contains("bookkeeping"), "{statements}: nobody saw it");
    }
}

#[test]
fn an_index_may_lie() {
    let store = Store::unvarying();
    let db = rusqlite::Connection::open(store.database()).unwrap();
    let indices: Vec<(String, String)> = db
        .prepare("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index'")
        .unwrap()
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    drop(db);
    let (mut tried, mut seen) = (0, 0);
    for (index, table) in &indices {
        // Each index reads the pages of another one, and then those of a table.
        for other in [&indices[(tried + 1) % indices.len()].0, table] {
            sql(
                &store,
                &format!(
                    "PRAGMA writable_schema = ON;
                     UPDATE sqlite_schema SET rootpage =
                         (SELECT rootpage FROM sqlite_schema WHERE name = '{other}') WHERE name = '{index}';"
                ),
            );
            seen += usize::from(store.check(&format!("{index} is {other}")));
            tried += 1;
        }
    }
    eprintln!("{tried} indices, {seen} found damaged");
}

#[test]
fn a_number_in_the_header_may_be_another() {
    let store = Store::unvarying();
    for (statement, is_refused) in [
        ("PRAGMA user_version = 2", true),
        ("PRAGMA user_version = -1", true),
        ("PRAGMA application_id = 1", true),
        ("PRAGMA user_version = 1", false),
    ] {
        store.restore();
        rusqlite::Connection::open(store.database()).unwrap().execute_batch(statement).unwrap();
        super::checkpoint(&store.database());
        let before = std::fs::read(store.database()).unwrap();
        let opened = open(&store.root(), Access::Write);
        assert_eq!(opened.is_err(), is_refused, "{statement}");
        drop(opened);
        if is_refused {
            assert!(std::fs::read(store.database()).unwrap() == before, "{statement}: it was touched");
        }
        store.check(statement);
    }
}

/// Whatever became of the database, writing to it is refused or done, `log/` loses nothing, and recover mends it.
#[test]
fn writing_to_a_damaged_one_loses_nothing() {
    let store = Store::unvarying();
    let whole = store.whole();
    let tree = store.place.path().join("trees/gone");
    let mut chance = Chance(3);
    let (mut wrote, mut tried) = (0, 0);
    let sets: Vec<Vec<usize>> = (0..if is_slow_run() { 400 } else { 12 })
        .map(|_| (0..1 + chance.below(4)).map(|_| chance.below(whole.len())).collect())
        .collect();
    for places in sets {
        store.restore();
        let mut bytes = whole.clone();
        for place in &places {
            for byte in &mut bytes[*place..(*place + 16).min(whole.len())] {
                *byte = !*byte;
            }
        }
        std::fs::write(store.database(), bytes).unwrap();
        let log = std::fs::read(store.log().join("00000000000000000001.cborseq")).unwrap();
        if let Ok(registry) = open(&store.root(), Access::Write) {
            wrote += usize::from(add(&registry, "again", &tree, Completion::Finalize).is_ok());
            drop(registry.remove(&[reference("kept@1")], "to see what becomes of it"));
            drop(registry.unpin("mine", None));
        }
        let after = std::fs::read(store.log().join("00000000000000000001.cborseq")).unwrap();
        assert!(after.starts_with(&log), "{places:?}: log/ lost something");
        recovered(&store, &format!("{places:?}"));
        tried += 1;
    }
    eprintln!("{tried} databases, {wrote} took an add; all recovered");
}

/// `log/` is whole, so recover makes the store what its events say.
fn recovered(store: &Store, what: &str) {
    let by: Env = env();
    let report = Registry::recover(&store.root(), options(Access::Alone), by, &Void);
    report.unwrap_or_else(|error| panic!("{what}: {error}"));
    let answers = store.ask();
    assert!(store.is_right(&answers), "{what}: {answers:?}");
}
