//! An operator whose database or log was hit: `recover` gives back every event that either copy still has, the same
//! to the byte, says what it could not find, and throws nothing away.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use astore::disk::testing::{Act, Call, Observed};
use astore::error::Error;
use astore::events::LogError;
use astore::monitor::Void;
use astore::plane::HealedFrom;
use astore::registry::report::{Completion, LogMended, Recorded, RecoverReport, VerifyRequest};
use astore::registry::{Access, Registry};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::oracle;
use crate::support::store::{
    add, copy_store, env, fast_dir, init, open, options, real_disk, reference, tree,
};

const LOG: &str = "log/00000000000000000001.cborseq";

/// A row of `events`, as bytes.
type Row = (i64, i64, String, String, Option<Vec<u8>>, Vec<u8>);

/// Reads the events by hand.
fn rows(root: &Path) -> Vec<Row> {
    let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    let sql = "SELECT sequence, created_at, event_type, actor, payload, digest FROM events ORDER BY sequence";
    let mut statement = db.prepare(sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    };
    statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
}

struct Stage {
    place: tempfile::TempDir,
}

impl Stage {
    /// A store with eight events, and none of its database in a WAL.
    fn new() -> Self {
        let stage = Self { place: fast_dir() };
        let root = stage.root();
        init(&root);
        let registry = open(&root, Access::Write).unwrap();
        for (name, text) in [("x", "alpha"), ("y", "beta"), ("z", "gamma")] {
            let source = tree(&stage.place.path().join(name), &[("a", text.as_bytes()), ("d/same", b"same")]);
            add(&registry, name, &source, Completion::Finalize).unwrap();
        }
        registry.remove(&[reference("x")], "old").unwrap();
        registry.restore(&reference("x")).unwrap();
        add(&registry, "open", &stage.place.path().join("x"), Completion::LeaveOpen).unwrap();
        drop(registry);
        stage
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("store")
    }

    /// A copy to be harmed.
    fn copy(&self) -> (tempfile::TempDir, PathBuf) {
        let place = fast_dir();
        let root = place.path().join("store");
        copy_store(&self.root(), &root);
        (place, root)
    }
}

fn recover(root: &Path) -> Result<RecoverReport, Error> {
    Registry::recover(root, options(Access::Alone), env(), &Void)
}

fn view_digest(root: &Path) -> String {
    let registry = open(root, Access::Read).unwrap();
    let check = registry.replay_check(&Void).unwrap();
    assert!(check.differing.is_empty(), "{:?}", check.differing);
    check.view_digest.to_string()
}

fn assert_sound(root: &Path) {
    let request = VerifyRequest { record: Recorded::No, ..VerifyRequest::default() };
    let report = open(root, Access::Read).unwrap().verify(&request, &Void).unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    oracle::check_names(root).unwrap();
    oracle::check_log(root).unwrap();
}

fn names(root: &Path) -> BTreeSet<String> {
    std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_lost_database_comes_back_to_the_byte() {
    // store-layout.md 19.3, 19.4
    let stage = Stage::new();
    let (events, views) = (rows(&stage.root()), view_digest(&stage.root()));
    for garbage in
        [None, Some(Vec::new()), Some(vec![0u8; 8192]), Some(b"SQLite format 3\0 but no more".to_vec())]
    {
        let (_place, root) = stage.copy();
        std::fs::remove_file(root.join("astore.db")).unwrap();
        if let Some(garbage) = &garbage {
            std::fs::write(root.join("astore.db"), garbage).unwrap();
        }
        let report = recover(&root).unwrap();
        assert_eq!((report.head_sequence, report.only_in_log, report.only_in_database), (8, 8, 0));
        assert_eq!(report.log, LogMended::Whole);
        assert_eq!(report.database_aside, garbage.as_ref().map(|_| "astore.db.aside-1".to_owned()));
        assert!(rows(&root) == events);
        assert_eq!(view_digest(&root), views);
        assert_sound(&root);
        if let Some(garbage) = garbage {
            assert_eq!(
                std::fs::read(root.join("astore.db.aside-1")).unwrap(),
                garbage,
                "nothing is thrown away"
            );
        }
        assert!(!names(&root).iter().any(|name| name.starts_with("astore.db.new")), "{:?}", names(&root));
    }
}

#[test]
fn a_damaged_log_is_written_again_from_the_database() {
    // store-layout.md 19.5
    let stage = Stage::new();
    let (events, whole) = (rows(&stage.root()), std::fs::read(stage.root().join(LOG)).unwrap());
    for at in (0..whole.len()).step_by(97) {
        let (_place, root) = stage.copy();
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        std::fs::write(root.join(LOG), &bytes).unwrap();
        let report = recover(&root).unwrap_or_else(|error| panic!("a flip at {at}: {error}"));
        assert_eq!(report.head_sequence, 8, "a flip at {at}");
        match &report.log {
            LogMended::WrittenAgain { aside, .. } => {
                assert_eq!(
                    std::fs::read(root.join(LOG.replace("log/", &format!("{aside}/")))).unwrap(),
                    bytes
                );
            }
            // The length of the last item says more than there is: as if it had been cut short.
            LogMended::Completed { .. } => {}
            LogMended::Whole => panic!("a flip at {at} was not seen"),
        }
        assert!(rows(&root) == events, "a flip at {at}");
        assert_sound(&root);
    }
}

#[test]
fn two_histories_are_refused_and_nothing_is_touched() {
    // store-layout.md 19.2
    let stage = Stage::new();
    let (_place, root) = stage.copy();
    let source = stage.place.path().join("y");
    add(&open(&stage.root(), Access::Write).unwrap(), "here", &source, Completion::Finalize).unwrap();
    add(&open(&root, Access::Write).unwrap(), "there", &source, Completion::Finalize).unwrap();
    std::fs::copy(stage.root().join(LOG), root.join(LOG)).unwrap();
    let (events, before) = (rows(&root), names(&root));
    let error = recover(&root).unwrap_err();
    assert!(matches!(error, Error::Log(LogError::Parted { sequence: 9 })), "{error:?}");
    assert!(rows(&root) == events, "the database is another");
    // SQLite's own files come and go.
    let own = |name: &&String| !name.starts_with("astore.db-");
    assert_eq!(
        names(&root).iter().filter(own).collect::<Vec<_>>(),
        before.iter().filter(own).collect::<Vec<_>>()
    );
    // The operator chooses.
    std::fs::rename(root.join("astore.db"), root.join("not-this-one")).unwrap();
    let report = recover(&root).unwrap();
    assert_eq!(report.head_sequence, 9);
    assert!(rows(&root).starts_with(&rows(&stage.root())), "and behind it the manifest that was healed");
}

#[test]
fn a_missing_astore_toml_is_written_again() {
    // store-layout.md 19.6
    let stage = Stage::new();
    let (_place, root) = stage.copy();
    let config = std::fs::read_to_string(root.join("astore.toml")).unwrap();
    std::fs::remove_file(root.join("astore.toml")).unwrap();
    let error = open(&root, Access::Read).unwrap_err();
    assert!(error.to_string().contains("astore.toml is missing"), "{error}");
    assert!(recover(&root).unwrap().config_written);
    assert_eq!(std::fs::read_to_string(root.join("astore.toml")).unwrap(), config);
    assert_sound(&root);
}

#[test]
fn manifests_are_written_again_from_the_log_and_from_the_views() {
    // store-layout.md 19.8
    let stage = Stage::new();
    // One whose manifest is too large for its event.
    let many: Vec<(String, Vec<u8>)> =
        (0..900).map(|n| (format!("many/{n:04}"), n.to_string().into_bytes())).collect();
    let many: Vec<(&str, &[u8])> =
        many.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    let source = tree(&stage.place.path().join("large"), &many);
    let registry = open(&stage.root(), Access::Write).unwrap();
    let large = add(&registry, "large", &source, Completion::Finalize).unwrap();
    let digest = |name: &str| registry.manifest(&reference(name)).unwrap().digest;
    let (small, large) = (digest("y"), large.package.manifest_digest.unwrap());
    drop(registry);
    let events = rows(&stage.root());
    assert_eq!(events.iter().filter(|row| row.4.is_none()).count(), 1, "one payload is an object");
    let path = |root: &Path, hex: &str| root.join(format!("blake3/{}/{}/{hex}", &hex[..2], &hex[2..4]));

    let (_place, root) = stage.copy();
    std::fs::remove_file(path(&root, &small.to_string())).unwrap();
    std::fs::remove_file(path(&root, &large.to_string())).unwrap();
    std::fs::write(path(&root, &large.to_string()), b"something else").unwrap();
    let report = recover(&root).unwrap();
    let healed: Vec<HealedFrom> = report.healed.iter().map(|(_, from)| *from).collect();
    assert_eq!(healed, [HealedFrom::Log, HealedFrom::Views]);
    assert!(report.left_out.is_empty());
    assert_sound(&root);
    let healings = rows(&root).iter().filter(|row| row.2 == "v1.object.healed").count();
    assert_eq!(healings, 2);

    // store-layout.md 19.7: with the database gone as well, the large one is gone for good, and the rest goes on.
    let (_place, root) = stage.copy();
    let bytes = std::fs::read(path(&root, &large.to_string())).unwrap();
    std::fs::remove_file(path(&root, &large.to_string())).unwrap();
    std::fs::remove_file(root.join("astore.db")).unwrap();
    let report = recover(&root).unwrap();
    assert_eq!(report.left_out.len(), 1, "{:?}", report.left_out);
    assert_eq!((report.left_out[0].sequence, report.left_out[0].payload.digest()), (9, large));
    assert!(rows(&root) == events);
    let registry = open(&root, Access::Write).unwrap();
    assert!(registry.show(&reference("y")).is_ok());
    assert!(registry.show(&reference("large")).is_err());
    drop(registry);
    // Put back, a replay takes it in.
    std::fs::write(path(&root, &large.to_string()), bytes).unwrap();
    let mode = std::fs::Permissions::from_mode(0o444);
    std::fs::set_permissions(path(&root, &large.to_string()), mode).unwrap();
    open(&root, Access::Write).unwrap().replay(&Void).unwrap();
    assert!(open(&root, Access::Read).unwrap().show(&reference("large")).is_ok());
    assert_sound(&root);
}

/// The database is yesterday's, and one sector of `log/` cannot be read: the events in it are in the database, and
/// those behind it are whole.
#[test]
fn what_stands_behind_a_sector_that_cannot_be_read_is_found() {
    const BAD: std::ops::Range<u64> = 4096..8192;
    let stage = Stage::new();
    let root = stage.root();
    let source = stage.place.path().join("y");
    let grow = |until: u64| {
        while std::fs::metadata(root.join(LOG)).unwrap().len() < until {
            add(&open(&root, Access::Write).unwrap(), "more", &source, Completion::Finalize).unwrap();
        }
    };
    grow(BAD.end + 1000);
    let yesterday = std::fs::read(root.join("astore.db")).unwrap();
    assert!(!root.join("astore.db-wal").exists(), "all of it is in the database");
    grow(BAD.end + 9000);
    let truth = rows(&root);
    std::fs::write(root.join("astore.db"), yesterday).unwrap();
    let failing = Observed::acting(real_disk(&root), |_, call| match call {
        Call::Read { path, offset, length } if path == Path::new(LOG) => {
            let end = offset + *length as u64;
            match (*offset < BAD.start, end <= BAD.start || *offset >= BAD.end) {
                (_, true) => Act::Pass,
                (true, false) => Act::ReadAtMost(usize::try_from(BAD.start - offset).unwrap()),
                (false, false) => Act::Fail(std::io::Error::from_raw_os_error(5)),
            }
        }
        _ => Act::Pass,
    });
    let report =
        Registry::recover_on(Arc::new(failing), &root, options(Access::Alone), env(), &Void).unwrap();
    assert_eq!(report.head_sequence, truth.len() as u64);
    assert!(matches!(report.log, LogMended::WrittenAgain { .. }), "{:?}", report.log);
    assert!(rows(&root) == truth);
    assert_sound(&root);
}

/// What is done to a copy of the events.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Delete,
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Zero(prop::sample::Index, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        1 => Just(Harm::Delete),
        2 => any::<prop::sample::Index>().prop_map(Harm::Cut),
        6 => (any::<prop::sample::Index>(), 0..8u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        2 => (any::<prop::sample::Index>(), 1..600usize).prop_map(|(at, length)| Harm::Zero(at, length)),
    ]
}

fn inflict(path: &Path, harm: Harm) {
    let mut bytes = std::fs::read(path).unwrap_or_default();
    if bytes.is_empty() {
        return;
    }
    match harm {
        Harm::Delete => {
            std::fs::remove_file(path).unwrap();
            return;
        }
        Harm::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Harm::Flip(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Harm::Zero(at, length) => {
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes[at..end].fill(0);
        }
    }
    std::fs::write(path, bytes).unwrap();
}

/// Whatever is done to both copies: recover refuses and touches nothing, or what it gives back is a beginning of the
/// true history, and all of it where one copy was left alone.
#[test]
fn no_damage_makes_it_invent_or_lose_an_event() {
    let stage = Stage::new();
    let truth = rows(&stage.root());
    let slow = std::env::var_os("ASTORE_TEST_SLOW").is_some();
    let cases = if slow { 3000 } else { 60 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let harms = || prop::collection::vec(harm(), 0..3);
    runner
        .run(&(harms(), harms()), |(to_log, to_database)| {
            let (_place, root) = stage.copy();
            to_log.iter().for_each(|harm| inflict(&root.join(LOG), *harm));
            to_database.iter().for_each(|harm| inflict(&root.join("astore.db"), *harm));
            let (log, database) =
                (std::fs::read(root.join(LOG)).ok(), std::fs::read(root.join("astore.db")).ok());
            match recover(&root) {
                Ok(_) => {
                    let found = rows(&root);
                    prop_assert!(truth.starts_with(&found), "{:?}", found);
                    if to_log.is_empty() || to_database.is_empty() {
                        prop_assert_eq!(found.len(), truth.len());
                    }
                    assert_sound(&root);
                }
                Err(error) => {
                    prop_assert!(!to_log.is_empty(), "log/ was whole: {error:?}");
                    prop_assert!(!to_database.is_empty(), "the database was whole: {error:?}");
                    prop_assert_eq!(std::fs::read(root.join(LOG)).ok(), log);
                    prop_assert_eq!(std::fs::read(root.join("astore.db")).ok(), database);
                }
            }
            Ok(())
        })
        .unwrap();
}
