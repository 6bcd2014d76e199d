//! Groups of a batch: one gets its names while the next is written.

use super::*;

/// Stores contents in groups, each of which is written while the one before it is between its sync and its renames.
fn live_in_groups(disk: Arc<dyn Disk>, groups: &[&[Vec<u8>]]) -> Result<Vec<Digests>, StorageError> {
    let (reached, wait_reached) = mpsc::sync_channel(0);
    let (go, wait_go) = mpsc::channel::<()>();
    let wait_go = Mutex::new(wait_go);
    let disk = Observed::new(disk, move |_, call| {
        // Where the test has ended, nobody is at the other ends, and this goes on.
        if *call == (Call::Point { name: "bytes durable" }) && reached.send(()).is_ok() {
            let _: Result<(), _> = wait_go.lock().expect("no panic").recv();
        }
        Ok(())
    });
    let staging = Staging::begin(Arc::new(disk), writer())?;
    let keep = |group: &[Vec<u8>]| -> Result<(), StorageError> {
        group.iter().try_for_each(|bytes| staging.put_bytes(bytes, Digests::of(bytes)).map(drop))
    };
    keep(groups[0])?;
    for next in &groups[1..] {
        std::thread::scope(|scope| {
            let placing = scope.spawn(|| staging.place());
            wait_reached.recv().expect("there");
            keep(next)?;
            go.send(()).expect("waited for");
            placing.join().expect("no panic")
        })?;
    }
    drop((wait_reached, go));
    let published = staging.publish()?;
    staging.finish()?;
    Ok(published)
}

fn sweep_groups(sizes: &[usize], edit: impl FnOnce(&mut Vec<Call>)) -> Result<(), String> {
    let bench = bench();
    let before = Tree::take(bench.root.path()).expect("a tree");
    let trace = Arc::new(Trace::new(bench.disk.clone()));
    let all = contents(sizes.iter().sum());
    let mut rest = all.as_slice();
    let groups: Vec<_> = sizes.iter().map(|size| rest.split_off(..*size).expect("enough")).collect();
    let published = live_in_groups(trace.clone(), &groups).expect("stored");
    assert_eq!(published.len(), groups.iter().flat_map(|group| group.iter()).collect::<BTreeSet<_>>().len());
    assert!(published.is_sorted_by_key(|object| object.blake3));
    judge(&before, &trace, &published, edit)
}

#[test]
fn no_crash_hurts_while_one_group_is_placed_and_the_next_is_written() {
    for sizes in [[2, 3, 1], [FEW + 9, 3, FEW + 9], [2, FEW + 9, 2]] {
        sweep_groups(&sizes, |_| {}).expect("true and durable");
    }
}

/// What was written while a group was synced has a sync of its own to wait for, and the names of the first group
/// wait for the last.
#[test]
fn the_sweep_notices_a_group_that_relies_on_the_sync_of_another() {
    let sizes = [FEW + 9, FEW + 9];
    for (nth, what) in [(0, "other bytes"), (1, "other bytes"), (2, "is lost")] {
        let error = sweep_groups(&sizes, |calls| {
            let syncs: Vec<_> = (0..calls.len()).filter(|&at| calls[at] == Call::SyncAll).collect();
            assert_eq!(syncs.len(), 3, "one for the bytes of each group, one for all names");
            calls.remove(syncs[nth]);
        })
        .expect_err("a sync is missing");
        assert!(error.contains(what), "{nth}: {error}");
    }
}

#[test]
fn a_placed_group_is_held_and_waits_to_be_published() {
    let bench = bench();
    let staging = Staging::begin(bench.disk.clone(), writer()).expect("begun");
    let (one, two) = (Digests::of(b"one"), Digests::of(b"two"));
    staging.put_bytes(b"one", one).expect("kept");
    assert_eq!(staging.waiting(), Pending { files: 1, bytes: 3 });
    staging.place().expect("placed");
    staging.place().expect("nothing to do");
    assert!(bench.disk.stat(&layout::object_path(&one.address())).is_ok());
    assert_eq!(staging.waiting(), Pending::default());
    assert_eq!(staging.pending(), Pending { files: 1, bytes: 3 });
    assert!(staging.holds(&one.address()));
    assert!(!staging.put_bytes(b"one", one).expect("held"));
    staging.put_bytes(b"two", two).expect("kept");
    let mut both = [one, two];
    both.sort_by_key(|object| object.blake3);
    assert_eq!(staging.publish().expect("published"), both);
    assert_eq!(staging.pending(), Pending::default());
    assert!(staging.holds(&one.address()) && staging.holds(&two.address()), "not recorded yet");
}

/// After a sync that failed the kernel may have dropped what it could not write: none is tried again.
#[test]
fn a_group_whose_sync_fails_ends_it_and_is_never_synced_again() {
    for files in [2, FEW + 9] {
        let bench = bench();
        let syncs = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&syncs);
        let disk = Observed::new(bench.disk.clone(), move |_, call| {
            if call.is_sync() {
                count.fetch_add(1, Ordering::SeqCst);
                return Err(io::Error::from_raw_os_error(5));
            }
            Ok(())
        });
        let staging = Staging::begin(Arc::new(disk), writer()).expect("begun");
        for bytes in contents(files) {
            staging.put_bytes(&bytes, Digests::of(&bytes)).expect("kept");
        }
        let error = staging.place().expect_err("the sync fails");
        assert!(matches!(error, StorageError::Io { action: Action::Sync, .. }), "{error:?}");
        for error in [
            staging.place().expect_err("failed before"),
            staging.put_bytes(b"y", Digests::of(b"y")).map(drop).expect_err("failed before"),
            staging.publish().map(drop).expect_err("failed before"),
        ] {
            assert!(matches!(error, StorageError::EarlierBatchFailed), "{error:?}");
        }
        assert_eq!(syncs.load(Ordering::SeqCst), 1);
        assert_eq!(names(&bench, layout::OBJECTS), [] as [&str; 0], "nothing got a name");
    }
}
