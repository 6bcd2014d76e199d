//! What is written and when, what is not written again, and what is healed.

use std::sync::Condvar;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::hook::Moment;
use super::*;
use crate::cache::{Stamp, StatCache};
use crate::disk::testing::{Call, Observed};
use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::storage::{Action, StorageError};

/// Files of one kibibyte each, all different.
fn files(bench: &Bench, count: u32) {
    for nth in 0..count {
        let mut content = vec![b'x'; 1024];
        content[..4].copy_from_slice(&nth.to_le_bytes());
        bench.file(format!("d{}/{nth}", nth % 7), content);
    }
}

/// Runs an ingest and returns the batches that were handed over, and the objects left to publish.
fn batches(bench: &Bench) -> (Ingested, Vec<Vec<Digests>>, Vec<Digests>) {
    let staging = Staging::begin(Arc::clone(&bench.disk), Uuid::new_v4()).unwrap();
    let store = IngestStore { staging: &staging, local: &bench.local, known: &bench.log };
    let context = IngestContext { cache: None, monitor: &bench.monitor, cancelled: &bench.cancelled };
    let mut handed = Vec::new();
    let sources = [Source::Path(bench.source.path().to_owned())];
    let ingested = ingest(&sources, &mut std::io::empty(), &bench.options, store, context, &mut |batch| {
        // What is handed over stands under its final name, whole.
        for object in &batch {
            assert_eq!(Digests::of(&fs::read(bench.object(&object.address())).unwrap()), *object);
        }
        handed.push(batch);
        Ok(())
    });
    let last = staging.publish().unwrap();
    staging.finish().unwrap();
    (ingested.unwrap(), handed, last)
}

#[test]
fn full_batches_are_published_and_the_last_is_left() {
    for by_files in [true, false] {
        let mut bench = Bench::new();
        files(&bench, 500);
        if by_files {
            bench.options.batch_files = 100;
        } else {
            bench.options.batch_bytes = 100 * 1024;
        }
        let (ingested, handed, last) = batches(&bench);
        assert_eq!(ingested.objects_new, 500);
        assert!((2..=5).contains(&handed.len()), "{} batches", handed.len());
        let mut all: Vec<Digests> = handed.iter().flatten().chain(&last).copied().collect();
        for batch in handed.iter().chain([&last]) {
            assert!(batch.is_sorted_by_key(|object| object.blake3));
            assert!(batch.len() <= 300, "{} objects in a batch", batch.len());
        }
        all.sort_by_key(|object| object.blake3);
        all.dedup();
        assert_eq!(all.len(), 500, "each object is in exactly one batch");
        assert_eq!(bench.objects().len(), 500);
    }
}

#[test]
fn a_batch_of_one_file_each_does_not_lock_up() {
    let mut bench = Bench::new();
    files(&bench, 100);
    bench.file("big", vec![9; 3 << 20]);
    (bench.options.batch_files, bench.options.batch_bytes) = (1, 1);
    let (ingested, handed, last) = batches(&bench);
    assert_eq!(handed.iter().flatten().count() + last.len(), 101);
    assert_eq!(ingested.entries.len(), 101 + 7);
}

#[test]
fn a_small_add_publishes_nothing_by_itself() {
    let bench = Bench::new();
    files(&bench, 50);
    let (_, handed, last) = batches(&bench);
    assert_eq!((handed.len(), last.len()), (0, 50));
}

#[test]
fn readers_do_not_run_away_from_a_slow_disk() {
    let mut bench = Bench::new();
    files(&bench, 500);
    bench.options.batch_files = 10;
    let staging = Staging::begin(Arc::clone(&bench.disk), Uuid::new_v4()).unwrap();
    let store = IngestStore { staging: &staging, local: &bench.local, known: &bench.log };
    let context = IngestContext { cache: None, monitor: &bench.monitor, cancelled: &bench.cancelled };
    let sources = [Source::Path(bench.source.path().to_owned())];
    let mut pending_max = 0;
    ingest(&sources, &mut std::io::empty(), &bench.options, store, context, &mut |_| {
        // As long as recording takes, whoever reads may go on; but only so far.
        let mut before = u64::MAX;
        while pending_max < 100 && staging.pending().files != before {
            before = staging.pending().files;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        pending_max = pending_max.max(staging.pending().files);
        Ok(())
    })
    .unwrap();
    let limit = 2 * bench.options.batch_files + bench.options.threads as u64;
    assert!(pending_max <= limit, "{pending_max} files waited");
}

#[test]
fn a_long_file_does_not_hold_up_its_neighbours() {
    let bench = Bench::new();
    let names = ["one", "two"];
    for name in names {
        bench.file(name, vec![name.as_bytes()[0]; 3 << 20]);
    }
    let begun = AtomicU64::new(0);
    let together = AtomicU64::new(0);
    let hook = |moment, _: &[u8]| match moment {
        Moment::BeforeRead => drop(begun.fetch_add(1, Ordering::SeqCst)),
        Moment::AfterRead => {
            // Both were handed out together, to one thread; the other takes over what is left.
            for _ in 0..2000 {
                if begun.load(Ordering::SeqCst) == 2 {
                    together.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        Moment::BeforeEnter | Moment::BeforeOpen => {}
        Moment::BeforeCreate | Moment::AfterCreate | Moment::BeforeFinish => {}
    };
    let sources = [Source::Path(bench.source.path().to_owned())];
    bench.add_hooked(&sources, &mut std::io::empty(), &Hook(Some(&hook))).unwrap();
    assert_eq!(together.into_inner(), 2);
}

/// A group waits for its sync until the next one is being written.
#[test]
fn a_group_gets_its_names_while_the_next_is_written() {
    let mut bench = Bench::new();
    files(&bench, 600);
    bench.options.group_files = 50;
    let (created, placing) = (Arc::new((Mutex::new(0_u32), Condvar::new())), AtomicU64::new(0));
    let together = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&together);
    bench.disk = Arc::new(Observed::new(Arc::clone(&bench.disk), move |_, call| {
        let (lock, changed) = &*created;
        if matches!(call, Call::Create { .. }) {
            *lock.lock().unwrap() += 1;
            changed.notify_all();
        }
        // Not after the sync: on a slow disk the readers may have written all that they may by then.
        if *call == Call::SyncAll && placing.fetch_add(1, Ordering::SeqCst) == 0 {
            let at_first = lock.lock().unwrap();
            let before = *at_first;
            // Where nobody writes meanwhile, this ends after a while and the test fails.
            let patience = std::time::Duration::from_secs(60);
            let (now, _) = changed.wait_timeout_while(at_first, patience, |now| *now == before).unwrap();
            count.fetch_add(u64::from(*now > before), Ordering::SeqCst);
        }
        Ok(())
    }));
    // The readers wait once three groups wait; when the first one is taken there is room, and more than that left to write.
    let added = bench.add().unwrap();
    assert_eq!(added.objects_new, 600);
    assert_eq!(together.load(Ordering::SeqCst), 1, "nothing was written while a group was placed");
    assert_eq!(bench.objects().len(), 600);
}

/// A sync that fails while others read and write ends it all, and is what is told.
#[test]
fn a_group_that_cannot_be_synced_is_what_is_told() {
    for _ in 0..10 {
        let mut bench = Bench::new();
        files(&bench, 300);
        bench.options.group_files = 30;
        let syncs = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&syncs);
        bench.disk = Arc::new(Observed::new(Arc::clone(&bench.disk), move |_, call| {
            if call.is_sync() {
                count.fetch_add(1, Ordering::SeqCst);
                return Err(std::io::Error::from_raw_os_error(5));
            }
            Ok(())
        }));
        let error = bench.add().expect_err("no sync succeeds");
        let IngestError::Storage(StorageError::Io { action: Action::Sync, source, .. }) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(source.raw_os_error(), Some(5));
        assert_eq!(syncs.load(Ordering::SeqCst), 1, "a failed sync is not tried again");
        assert_eq!(bench.objects(), []);
    }
}

#[test]
fn a_batch_that_cannot_be_recorded_ends_it() {
    let mut bench = Bench::new();
    files(&bench, 300);
    bench.options.batch_files = 10;
    let staging = Staging::begin(Arc::clone(&bench.disk), Uuid::new_v4()).unwrap();
    let store = IngestStore { staging: &staging, local: &bench.local, known: &bench.log };
    let context = IngestContext { cache: None, monitor: &bench.monitor, cancelled: &bench.cancelled };
    let sources = [Source::Path(bench.source.path().to_owned())];
    let error =
        ingest(&sources, &mut std::io::empty(), &bench.options, store, context, &mut |_| Err("no".into()));
    assert!(matches!(error, Err(IngestError::Batch(source)) if source.to_string() == "no"));
}

#[test]
fn a_log_that_cannot_be_asked_ends_it() {
    struct Broken;
    impl Known for Broken {
        fn standing(&self, _address: &ContentAddress) -> Result<Standing, BoxError> {
            // Long enough for the walk to fill the queue and wait: it must be sent home too.
            std::thread::sleep(std::time::Duration::from_millis(300));
            Err("broken".into())
        }
    }
    let bench = Bench::new();
    for nth in 0..300 {
        bench.file(format!("{nth}/f"), "1");
    }
    let staging = Staging::begin(Arc::clone(&bench.disk), Uuid::new_v4()).unwrap();
    let store = IngestStore { staging: &staging, local: &bench.local, known: &Broken };
    let context = IngestContext { cache: None, monitor: &bench.monitor, cancelled: &bench.cancelled };
    let sources = [Source::Path(bench.source.path().to_owned())];
    let error = ingest(&sources, &mut std::io::empty(), &bench.options, store, context, &mut |_| Ok(()));
    assert!(matches!(error, Err(IngestError::Known(_))));
}

#[test]
fn known_bytes_are_not_written_again() {
    let mut bench = Bench::new();
    files(&bench, 100);
    bench.file("big", vec![9; 3 << 20]).file("d0/copy", vec![9; 3 << 20]);
    bench.add().unwrap();
    let (disk, writes) = counting(&bench);
    bench.disk = disk;
    // Small content is known before anything is made. Long content cannot be; it is not under test here.
    fs::remove_file(bench.path("big")).unwrap();
    fs::remove_file(bench.path("d0/copy")).unwrap();
    let again = bench.add().unwrap();
    assert_eq!((again.objects_new, again.files_hashed), (0, 100));
    // The writer's own directory is made and removed, and nothing else is touched.
    assert_eq!(writes.load(Ordering::Relaxed), 0);
    assert_eq!(
        bench.counted(Counter::ObjectsKnown),
        100 + 1,
        "the second copy in the first run, all in the second"
    );
}

#[test]
fn what_the_log_does_not_vouch_for_is_written_again() {
    let bench = Bench::new();
    let content = vec![b'x'; 5000];
    let object = Digests::of(&content);
    let path = bench.object(&object.address());
    for (standing, lies) in
        [(Standing::Unknown, "lies"), (Standing::Purged, "lies"), (Standing::Damaged, "lies")]
    {
        bench.file("f", &content);
        bench.add().unwrap();
        // Bytes of the right size under the right name, and wrong.
        mode(&path, 0o644);
        fs::write(&path, lies.repeat(1250)).unwrap();
        bench.log.set(object.address(), standing);
        let ingested = bench.add().unwrap();
        assert_eq!(fs::read(&path).unwrap(), content, "{standing:?}");
        let healed = if standing == Standing::Damaged { vec![HealedFault::Damaged] } else { vec![] };
        assert_eq!(
            ingested.healed.iter().map(|healed| healed.fault).collect::<Vec<_>>(),
            healed,
            "{standing:?}"
        );
        assert_eq!(ingested.objects_new, 1);
    }
}

#[test]
fn what_is_missing_or_of_the_wrong_size_is_healed() {
    for size in [5000, 3 << 20] {
        let bench = Bench::new();
        let content = vec![b'x'; size];
        let object = Digests::of(&content);
        let path = bench.object(&object.address());
        let harms: [(HealedFault, &dyn Fn()); 4] = [
            (HealedFault::Missing, &|| fs::remove_file(&path).unwrap()),
            (HealedFault::Truncated, &|| {
                fs::File::options().write(true).open(&path).unwrap().set_len(17).unwrap();
            }),
            (HealedFault::Truncated, &|| {
                fs::File::options().write(true).open(&path).unwrap().set_len(9 << 20).unwrap();
            }),
            (HealedFault::Damaged, &|| {
                fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
            }),
        ];
        bench.file("f", &content).file("same", &content);
        bench.add().unwrap();
        for (fault, harm) in harms {
            mode(&path, 0o644);
            harm();
            let ingested = bench.add().unwrap();
            assert_eq!(ingested.healed, [Healed { object, fault }]);
            assert!(path.symlink_metadata().unwrap().is_file());
            assert_eq!(bench.objects(), [object.address()]);
            assert_eq!(bench.add().unwrap().healed, []);
        }
    }
}

#[test]
fn the_stat_cache_saves_the_reading_where_the_store_still_has_it() {
    let mut bench = Bench::new();
    files(&bench, 50);
    let future = Timestamp::from_micros(4_000_000_000_000_000);
    let cache = |bench: &Bench| StatCache::open(&bench.root.path().join("cache.db"), 0o600, future);
    bench.cache = cache(&bench);
    let first = bench.add().unwrap();
    assert_eq!((first.files_hashed, first.cache_hits), (50, 0));
    bench.cache = cache(&bench);
    let second = bench.add().unwrap();
    assert_eq!((second.files_hashed, second.cache_hits), (0, 50));
    assert_eq!(second.entries, first.entries);
    // A changed file is read; a touched one too.
    bench.file("d1/1", "new");
    fs::File::options()
        .write(true)
        .open(bench.path("d2/2"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    bench.cache = cache(&bench);
    let third = bench.add().unwrap();
    assert_eq!((third.files_hashed, third.cache_hits), (2, 48));
    // What the log no longer vouches for is read and written, whatever the cache says.
    let [lost, purged, damaged] = [3, 4, 5].map(|nth| *third.entries[nth].object().unwrap());
    bench.log.set(lost.address(), Standing::Unknown);
    bench.log.set(purged.address(), Standing::Purged);
    bench.log.set(damaged.address(), Standing::Damaged);
    bench.cache = cache(&bench);
    let fourth = bench.add().unwrap();
    assert_eq!((fourth.files_hashed, fourth.objects_new, fourth.cache_hits), (3, 3, 47));
    assert_eq!(fourth.healed, [Healed { object: damaged, fault: HealedFault::Damaged }]);
}

#[test]
fn where_the_log_vouches_for_a_run_no_object_is_asked_for() {
    let mut bench = Bench::new();
    bench.options.threads = 1;
    files(&bench, 500);
    let future = Timestamp::from_micros(4_000_000_000_000_000);
    let add = |bench: &mut Bench| {
        bench.cache = StatCache::open(&bench.root.path().join("cache.db"), 0o600, future);
        let found = bench.add().unwrap();
        (found.cache_hits, bench.log.asked())
    };
    add(&mut bench);
    let stamp = Stamp { since: 1, sequence: 2, digest: Blake3::of(b"event") };
    // The run has no stamp: each object is asked for, and found, and stored anew by the present run.
    assert_eq!(add(&mut bench), (500, [500, 0]));
    bench.cache.as_ref().unwrap().vouch(&stamp);
    // It has one, and the log does not vouch for it.
    assert_eq!(add(&mut bench), (500, [500, 1]));
    bench.cache.as_ref().unwrap().vouch(&stamp);
    *bench.log.stamp.lock().unwrap() = Some(stamp);
    assert_eq!(add(&mut bench), (500, [0, 1]));
    // One file more costs the log one question more: what a slightly changed tree costs.
    bench.file("more", "something new");
    assert_eq!(add(&mut bench), (500, [1, 1]));
}

#[test]
fn a_file_that_was_just_changed_is_not_cached() {
    let mut bench = Bench::new();
    files(&bench, 5);
    let now = bench.path("d0/0").metadata().unwrap().modified().unwrap();
    let micros = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    let started = Timestamp::from_micros(i64::try_from(micros).unwrap());
    for _ in 0..2 {
        bench.cache = StatCache::open(&bench.root.path().join("cache.db"), 0o600, started);
        assert_eq!(bench.add().unwrap().cache_hits, 0);
    }
}

/// Returns a disk that counts what it is asked to change or sync, but for the making and removing of a
/// writer's own directory.
fn counting(bench: &Bench) -> (Arc<dyn Disk>, Arc<AtomicU64>) {
    let writes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&writes);
    let disk = Observed::new(Arc::clone(&bench.disk), move |_, call| {
        let own = call.path().and_then(Path::parent) == Some(Path::new("tmp"));
        if (call.is_change() || call.is_sync()) && !own {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    (Arc::new(disk), writes)
}
