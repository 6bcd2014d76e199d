//! What the cache answers, refuses to answer, and survives.

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000_000);

fn fact(inode: u64, seconds: i64, content: &[u8]) -> Fact {
    let time = FileTime { seconds, nanoseconds: 7 };
    let id = FileId { device: 1, inode };
    let digests = Digests::of(content);
    Fact { print: Fingerprint { id, size_bytes: digests.size_bytes, mtime: time, ctime: time }, digests }
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
    let known = fact(u64::MAX, 5, b"abc");
    cache.remember(&[known, fact(2, -5, b"")]);
    let mut reader = cache.reader();
    assert_eq!(reader.lookup(&known.print), Some(known.digests));
    assert_eq!(reader.lookup(&fact(2, -5, b"").print), Some(Digests::of(b"")));
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
        assert_eq!(reader.lookup(&print), None, "change {nth}");
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
    let mut reader = StatCache::open(&path, 0o600, later).unwrap().reader();
    assert_eq!(reader.lookup(&old.print), Some(old.digests));
    for fact in fresh {
        assert_eq!(reader.lookup(&fact.print), None);
    }
    // An earlier one, to which the old one is fresh.
    let earlier = Timestamp::from_micros(NOW.as_micros() - 2_000_000);
    assert_eq!(StatCache::open(&path, 0o600, earlier).unwrap().reader().lookup(&old.print), None);
}

#[test]
fn forgets_files_by_content() {
    let directory = tempfile::tempdir().unwrap();
    let (_, cache) = cache(&directory);
    let facts = [fact(1, 5, b"a"), fact(2, 5, b"b"), fact(3, 5, b"a")];
    cache.remember(&facts);
    assert_eq!(cache.forget(&[facts[0].digests.address(), Digests::of(b"?").address()]), 2);
    let mut reader = cache.reader();
    assert_eq!(facts.map(|fact| reader.lookup(&fact.print).is_some()), [false, true, false]);
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
        let mut reader = cache.reader();
        for fact in &facts {
            if let Some(found) = reader.lookup(&fact.print) {
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
        assert_eq!(cache.reader().lookup(&known.print), Some(known.digests), "{what}");
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
    let mut reader = cache.reader();
    std::fs::write(&path, vec![b'x'; 100_000]).unwrap();
    std::fs::write(directory.path().to_str().unwrap().to_owned() + "/cache.db-wal", b"").unwrap();
    for fact in &facts {
        assert!(reader.lookup(&fact.print).is_none_or(|found| found == fact.digests));
    }
    cache.remember(&facts);
    cache.forget(&[facts[0].digests.address()]);
    let nowhere = Path::new("/proc/no-such/cache.db");
    assert!(StatCache::open(nowhere, 0o600, NOW).is_none());
    assert!(StatCache::open_existing(nowhere, NOW).is_none());
}
