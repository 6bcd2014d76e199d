//! What the cache answers, refuses to answer, and survives.

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;
use crate::identity::{Blake3, Digests};

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000_000);

fn fact(inode: u64, seconds: i64, content: &[u8]) -> Fact {
    let time = FileTime { seconds, nanoseconds: 7 };
    let id = FileId { device: 1, inode };
    let digests = Digests::of(content);
    Fact { print: Fingerprint { id, size_bytes: digests.size_bytes, mtime: time, ctime: time }, digests }
}

impl CacheReader {
    /// Looks one file up.
    fn ask(&self, print: &Fingerprint) -> Option<Digests> {
        let hits = self.lookup(&[*print]);
        assert_eq!(hits.len(), 1);
        hits[0].map(|hit| hit.digests)
    }
}

fn cache(directory: &tempfile::TempDir) -> (PathBuf, StatCache) {
    let path = directory.path().to_owned().into_os_string().into_string().unwrap() + "/cache.db";
    let path = PathBuf::from(path);
    let cache = StatCache::open(&path, 0o600, NOW).expect("a cache");
    (path, cache)
}

#[test]
fn answers_for_a_file_that_did_not_change_and_for_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (_, cache) = cache(&directory);
    assert!(cache.reader().is_empty());
    let known = fact(u64::MAX, 5, b"abc");
    cache.remember(&[known, fact(2, -5, b"")]);
    let reader = cache.reader();
    assert!(!reader.is_empty());
    assert_eq!(reader.ask(&known.print), Some(known.digests));
    assert_eq!(reader.ask(&fact(2, -5, b"").print), Some(Digests::of(b"")));
    let changes: [fn(&mut Fingerprint); 7] = [
        |print| print.id.inode = 3,
        |print| print.id.device = 2,
        |print| print.size_bytes += 1,
        |print| print.mtime.seconds += 1,
        |print| print.mtime.nanoseconds += 1,
        |print| print.ctime.seconds += 1,
        |print| print.ctime.nanoseconds += 1,
    ];
    for (nth, change) in changes.iter().enumerate() {
        let mut print = known.print;
        change(&mut print);
        assert_eq!(reader.ask(&print), None, "change {nth}");
    }
}

#[test]
fn neither_stores_nor_trusts_what_is_too_fresh() {
    let directory = tempfile::tempdir().unwrap();
    let (path, cache) = cache(&directory);
    let now = NOW.as_micros() / 1_000_000;
    let fresh = [fact(1, now - 2, b"1"), fact(2, now, b"2"), fact(3, now + 1000, b"3")];
    let old = fact(4, now - 3, b"4");
    cache.remember(&fresh);
    cache.remember(&[old]);
    // A later run, to which all of them would be old.
    let later = Timestamp::from_micros(NOW.as_micros() + 1_000_000_000_000);
    let reader = StatCache::open(&path, 0o600, later).unwrap().reader();
    assert_eq!(reader.ask(&old.print), Some(old.digests));
    for fact in fresh {
        assert_eq!(reader.ask(&fact.print), None);
    }
    // An earlier one, to which the old one is fresh.
    let earlier = Timestamp::from_micros(NOW.as_micros() - 2_000_000);
    assert_eq!(StatCache::open(&path, 0o600, earlier).unwrap().reader().ask(&old.print), None);
}

#[test]
fn forgets_files_by_content() {
    let directory = tempfile::tempdir().unwrap();
    let (_, cache) = cache(&directory);
    let facts = [fact(1, 5, b"a"), fact(2, 5, b"b"), fact(3, 5, b"a")];
    cache.remember(&facts);
    assert_eq!(cache.forget(&[facts[0].digests.address(), Digests::of(b"?").address()]), 2);
    let reader = cache.reader();
    assert_eq!(facts.map(|fact| reader.ask(&fact.print).is_some()), [false, true, false]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages a file by hand")]
fn a_damaged_cache_forgets_but_never_lies() {
    let directory = tempfile::tempdir().unwrap();
    let (path, cache) = cache(&directory);
    let facts: Vec<Fact> = (0..200u64).map(|inode| fact(inode, 5, &inode.to_le_bytes())).collect();
    cache.remember(&facts);
    drop(cache); // the last connection folds the WAL into the file
    let sound = std::fs::read(&path).unwrap();
    let mut answers = 0;
    for at in (0..sound.len()).step_by(97) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        let Some(cache) = StatCache::open(&path, 0o600, NOW) else { continue };
        let reader = cache.reader();
        for fact in &facts {
            if let Some(found) = reader.ask(&fact.print) {
                assert_eq!(found, fact.digests, "byte {at} made the cache lie");
                answers += 1;
            }
        }
    }
    assert!(answers > 1000, "the loop looked at something");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages files by hand")]
fn is_made_anew_where_it_is_of_no_use() {
    let directory = tempfile::tempdir().unwrap();
    let (path, cache) = cache(&directory);
    drop(cache);
    let known = fact(1, 5, b"x");
    let works = |what: &str| {
        let cache = StatCache::open(&path, 0o640, NOW).unwrap_or_else(|| panic!("{what}: no cache"));
        cache.remember(&[known]);
        assert_eq!(cache.reader().ask(&known.print), Some(known.digests), "{what}");
    };
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    works("garbage");
    std::fs::write(&path, b"").unwrap();
    works("empty");
    std::fs::remove_file(&path).unwrap();
    works("deleted");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    works("another program's database");
    // A symlink to another program's database: the link goes, the database stays.
    let other = path.with_file_name("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let before = std::fs::read(&other).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&other, &path).unwrap();
    works("a symlink");
    assert_eq!(std::fs::read(&other).unwrap(), before);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages files by hand")]
fn going_bad_under_an_open_cache_is_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let (path, cache) = cache(&directory);
    let facts: Vec<Fact> = (0..5000u64).map(|inode| fact(inode, 5, b"x")).collect();
    cache.remember(&facts);
    let reader = cache.reader();
    std::fs::write(&path, vec![b'x'; 100_000]).unwrap();
    std::fs::write(directory.path().to_str().unwrap().to_owned() + "/cache.db-wal", b"").unwrap();
    for fact in &facts {
        assert!(reader.ask(&fact.print).is_none_or(|found| found == fact.digests));
    }
    cache.remember(&facts);
    cache.forget(&[facts[0].digests.address()]);
    let nowhere = Path::new("/proc/no-such/cache.db");
    assert!(StatCache::open(nowhere, 0o600, NOW).is_none());
    assert!(StatCache::open_existing(nowhere, NOW).is_none());
}

#[test]
fn a_run_is_believed_by_its_stamp_and_by_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (path, first) = cache(&directory);
    let (old, young) = (fact(1, 5, b"old"), fact(2, 5, b"young"));
    let stamp = |sequence| Stamp { since: 1, sequence, digest: Blake3::of(b"event") };
    first.vouch(&stamp(2)); // stored nothing, so there is nothing to vouch for
    first.remember(&[old]);
    let told = |path: &Path, fact: &Fact| {
        let reader = StatCache::open(path, 0o600, NOW).unwrap().reader();
        let hit = reader.lookup(&[fact.print])[0].expect("a hit");
        reader.stamp(hit.run)
    };
    assert_eq!(told(&path, &old), None, "the run has not ended well so far");
    first.vouch(&stamp(7));
    assert_eq!(told(&path, &old), Some(stamp(7)));
    // What another run stores into the same block is its own: that one failed.
    let second = StatCache::open(&path, 0o600, NOW).unwrap();
    second.remember(&[young]);
    assert_eq!((told(&path, &old), told(&path, &young)), (Some(stamp(7)), None));
    second.remember(&[old]);
    assert_eq!(told(&path, &old), None, "found again by a run that has not ended");
    second.vouch(&stamp(9));
    assert_eq!((told(&path, &old), told(&path, &young)), (Some(stamp(9)), Some(stamp(9))));
}

#[test]
fn a_damaged_stamp_is_none() {
    let stamp = Stamp { since: 3, sequence: 4, digest: Blake3::of(b"event") };
    let bytes = stamp.encode(5);
    assert_eq!(Stamp::decode(5, &bytes), Some(stamp));
    assert_eq!(Stamp::decode(6, &bytes), None, "another run's");
    for at in 0..bytes.len() {
        let mut bytes = bytes;
        bytes[at] ^= 1;
        assert_eq!(Stamp::decode(5, &bytes), None, "byte {at}");
    }
    assert_eq!(Stamp::decode(5, &bytes[1..]), None);
}

#[test]
fn runs_of_long_ago_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (path, first) = cache(&directory);
    first.remember(&[fact(1, 5, b"1")]);
    first.vouch(&Stamp { since: 1, sequence: 1, digest: Blake3::of(b"event") });
    let many = "WITH RECURSIVE n (x) AS (SELECT 2 UNION ALL SELECT x + 1 FROM n WHERE x < 5000)
                INSERT INTO run (run) SELECT x << 32 FROM n";
    Connection::open(&path).unwrap().execute_batch(many).unwrap();
    let last = StatCache::open(&path, 0o600, NOW).unwrap();
    last.remember(&[fact(2, 5, b"2")]);
    let reader = last.reader();
    let hits = reader.lookup(&[fact(1, 5, b"1").print, fact(2, 5, b"2").print]);
    assert_eq!(hits[0].map(|hit| (hit.run.0 >> 32, reader.stamp(hit.run))), Some((1, None)));
    assert_eq!(hits[1].map(|hit| hit.run.0 >> 32), Some(5001));
    let runs = "SELECT count(*) FROM run";
    let runs: i64 = Connection::open(&path).unwrap().query_row(runs, (), |row| row.get(0)).unwrap();
    assert_eq!(runs, 4096);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages a file by hand")]
fn a_stamp_does_not_vouch_for_a_run_that_the_disk_forgot() {
    let directory = tempfile::tempdir().unwrap();
    let (path, first) = cache(&directory);
    first.remember(&(10..210u64).map(|inode| fact(inode, 5, b"sound")).collect::<Vec<_>>());
    drop(first); // the last connection folds the WAL into the file
    let before = std::fs::read(&path).unwrap();
    // This add fails, so its objects are nowhere.
    let lost = fact(11, 6, b"lost");
    StatCache::open(&path, 0o600, NOW).unwrap().remember(&[lost]);
    let mut after = std::fs::read(&path).unwrap();
    // The power is cut: of the pages that were changed, the one that counts the runs has not reached the disk.
    let sql =
        "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE sqlite_schema.name = 'run'";
    let (page, bytes): (u32, u32) =
        Connection::open(&path).unwrap().query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let place = (page - 1) as usize * bytes as usize..page as usize * bytes as usize;
    assert!(after[place.clone()] != before[place.clone()]);
    after[place.clone()].copy_from_slice(&before[place]);
    std::fs::write(&path, &after).unwrap();
    // The next one ends well.
    let next = StatCache::open(&path, 0o600, NOW).unwrap();
    next.remember(&[fact(500, 5, b"next")]);
    next.vouch(&Stamp { since: 1, sequence: 9, digest: Blake3::of(b"event") });
    let reader = next.reader();
    let stamp = |fact: &Fact| {
        let hit = reader.lookup(&[fact.print])[0].expect("a hit");
        reader.stamp(hit.run)
    };
    assert!(stamp(&fact(500, 5, b"next")).is_some());
    assert_eq!(stamp(&lost), None, "the run that stored it has not ended well");
}

#[test]
fn a_reader_keeps_no_more_blocks_than_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let (_, cache) = cache(&directory);
    // Each device has a block of its own.
    let on = |device| {
        let mut fact = fact(9, 5, b"x");
        fact.print.id.device = device;
        fact
    };
    let facts: Vec<Fact> = (0..700).map(on).collect();
    cache.remember(&facts);
    let reader = cache.reader();
    for _ in 0..2 {
        assert!(facts.iter().all(|fact| reader.ask(&fact.print) == Some(fact.digests)));
        let loaded = reader.loaded.lock().unwrap();
        let loaded = loaded.as_ref().expect("it works");
        assert_eq!((loaded.blocks.len(), loaded.order.len()), (BLOCKS_KEPT, BLOCKS_KEPT));
    }
}

#[test]
fn an_unchanged_tree_leaves_the_file_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (path, cache) = cache(&directory);
    cache.remember(&[fact(1, 5, b"x")]);
    drop(cache);
    let before = std::fs::read(&path).unwrap();
    let cache = StatCache::open(&path, 0o600, NOW).unwrap();
    assert!(cache.reader().ask(&fact(1, 5, b"x").print).is_some());
    cache.remember(&[]);
    cache.remember(&[fact(2, NOW.as_micros() / 1_000_000, b"fresh")]);
    cache.vouch(&Stamp { since: 1, sequence: 1, digest: Blake3::of(b"event") });
    drop(cache);
    assert!(std::fs::read(&path).unwrap() == before);
}

/// What happens to a cache and to the naive one beside it.
#[derive(Clone, Debug)]
enum Step {
    Remember(Vec<(u64, u64, u8)>),
    Forget(u8),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Inodes close together, far apart, and at both ends.
    let inode = prop_oneof![4 => 0..2000u64, 1 => any::<u64>(), 1 => (u64::MAX - 3)..=u64::MAX];
    let one = (0..2u64, inode, 0..20u8);
    let step = prop_oneof![
        6 => prop::collection::vec(one, 0..700).prop_map(Step::Remember),
        1 => (0..20u8).prop_map(Step::Forget),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn answers_as_a_naive_cache_does(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        let (path, mut cache) = cache(&directory);
        let mut naive: HashMap<FileId, Fact> = HashMap::new();
        for step in steps {
            match step {
                Step::Remember(files) => {
                    let facts: Vec<Fact> = files
                        .into_iter()
                        .map(|(device, inode, content)| {
                            let mut fact = fact(inode, i64::from(content), &[content]);
                            fact.print.id.device = if device == 0 { 7 } else { u64::MAX };
                            fact
                        })
                        .collect();
                    cache.remember(&facts);
                    naive.extend(facts.iter().map(|fact| (fact.print.id, *fact)));
                }
                Step::Forget(content) => {
                    let unwanted = Digests::of(&[content]);
                    let before = naive.len();
                    naive.retain(|_, fact| fact.digests != unwanted);
                    prop_assert_eq!(cache.forget(&[unwanted.address()]), (before - naive.len()) as u64);
                }
                Step::Reopen => {
                    drop(cache);
                    cache = StatCache::open(&path, 0o600, NOW).expect("a cache");
                }
            }
            let reader = cache.reader();
            for fact in naive.values() {
                prop_assert_eq!(reader.ask(&fact.print), Some(fact.digests));
                let mut other = fact.print;
                other.id.inode ^= 4096;
                prop_assert_eq!(reader.ask(&other).is_some(), naive.get(&other.id).is_some_and(|there| there.print == other));
                other = fact.print;
                other.ctime.nanoseconds += 1;
                prop_assert_eq!(reader.ask(&other), None);
            }
        }
    }
}
