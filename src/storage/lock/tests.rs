//! Who gets the lock, who waits for whom, and what is said of the holders.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread;

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn root() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Asks for a lock, as most tests do: with no one to interrupt it.
fn ask<T>(wait: Duration, command: &str, with: impl FnOnce(&mut LockRequest<'_>) -> T) -> T {
    let cancelled = AtomicBool::new(false);
    with(&mut LockRequest { command, wait, cancelled: &cancelled, on_wait: &mut |_| {} })
}

fn share(root: &Path, wait: Duration) -> Result<StoreLock, LockError> {
    ask(wait, "add", |request| StoreLock::shared(root, request))
}

fn alone(root: &Path, wait: Duration) -> Result<StoreLock, LockError> {
    ask(wait, "gc", |request| StoreLock::exclusive(root, request))
}

fn is_busy(tried: Result<StoreLock, LockError>) -> bool {
    match tried {
        Ok(_) => false,
        Err(LockError::Busy { .. }) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn many_share_and_one_excludes() {
    let root = root();
    let root = root.path();
    let first = share(root, Duration::ZERO).expect("free");
    let second = share(root, Duration::ZERO).expect("shared");
    assert!(is_busy(alone(root, Duration::ZERO)));
    assert!(StoreLock::try_exclusive(root, "gc").expect("asked").is_none());
    drop(first);
    assert!(is_busy(alone(root, Duration::from_millis(20))));
    drop(second);
    let gc = alone(root, Duration::ZERO).expect("free");
    assert!(gc.is_exclusive());
    assert!(is_busy(share(root, Duration::ZERO)));
    assert!(is_busy(alone(root, Duration::ZERO)));
    drop(gc);
    let gc = StoreLock::try_exclusive(root, "gc").expect("asked").expect("free");
    drop(gc);
    drop(share(root, Duration::ZERO).expect("free"));
}

#[test]
fn a_failed_try_leaves_the_gate_open() {
    let root = root();
    let add = share(root.path(), Duration::ZERO).expect("free");
    assert!(is_busy(alone(root.path(), Duration::ZERO)));
    assert!(StoreLock::try_exclusive(root.path(), "gc").expect("asked").is_none());
    drop(share(root.path(), Duration::ZERO).expect("shared with the first"));
    drop(add);
}

#[test]
fn a_waiting_gc_lets_nobody_in_before_it() {
    let root = root();
    let add = share(root.path(), Duration::ZERO).expect("free");
    let (told, hear) = mpsc::channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let cancelled = AtomicBool::new(false);
            let on_wait = &mut |holders: &[Holder]| told.send(holders.to_vec()).expect("heard");
            let mut request = LockRequest { command: "gc", wait: LONG, cancelled: &cancelled, on_wait };
            StoreLock::exclusive(root.path(), &mut request).expect("in the end")
        });
        // It is waiting, and says for whom.
        let holders = hear.recv().expect("told");
        assert_eq!(holders, [Holder { pid: std::process::id(), command: "add".into() }]);
        assert!(is_busy(share(root.path(), Duration::from_millis(20))), "a sharer got in before the gc");
        drop(add);
        let gc = waiting.join().expect("no panic");
        assert!(is_busy(share(root.path(), Duration::ZERO)));
        drop(gc);
    });
    drop(share(root.path(), LONG).expect("free again"));
}

#[test]
fn a_lock_held_alone_can_be_shared_without_a_gap() {
    let root = root();
    let gc = alone(root.path(), Duration::ZERO).expect("free");
    let shared = gc.downgrade().expect("shared");
    assert!(!shared.is_exclusive());
    drop(share(root.path(), Duration::ZERO).expect("with the first"));
    assert!(is_busy(alone(root.path(), Duration::ZERO)));
    let same = shared.downgrade().expect("is shared already");
    assert!(!same.is_exclusive());
}

#[test]
fn waiting_can_be_called_off() {
    let root = root();
    let held = alone(root.path(), Duration::ZERO).expect("free");
    let cancelled = AtomicBool::new(false);
    let error = {
        let on_wait = &mut |_: &[Holder]| cancelled.store(true, Ordering::Relaxed);
        let mut request = LockRequest { command: "add", wait: LONG, cancelled: &cancelled, on_wait };
        StoreLock::shared(root.path(), &mut request).expect_err("called off")
    };
    assert!(matches!(error, LockError::Cancelled), "{error:?}");
    drop(held);
}

#[test]
fn sharers_and_excluders_all_get_their_turn() {
    let root = root();
    let (inside, excluding) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for n in 0..8 {
            let (root, inside, excluding) = (root.path(), &inside, &excluding);
            scope.spawn(move || {
                for _ in 0..5 {
                    if n < 6 {
                        let lock = share(root, LONG).expect("in the end");
                        inside.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(excluding.load(Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    } else {
                        let lock = alone(root, LONG).expect("in the end");
                        assert_eq!(excluding.fetch_add(1, Ordering::SeqCst), 0);
                        assert_eq!(inside.load(Ordering::SeqCst), 0);
                        excluding.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                }
            });
        }
    });
}

#[test]
fn the_last_to_go_sweeps_the_lines() {
    let root = root();
    let length =
        || std::fs::metadata(layout::within(root.path(), layout::LOCK.as_ref())).expect("a file").len();
    let first = ask(LONG, "add\tone\nline", |request| StoreLock::shared(root.path(), request)).expect("free");
    let second = share(root.path(), LONG).expect("shared");
    let commands: Vec<_> =
        holders(root.path()).expect("told").into_iter().map(|holder| holder.command).collect();
    assert_eq!(commands, ["add one line", "add"]);
    drop(first);
    assert_ne!(length(), 0);
    drop(second);
    assert_eq!(length(), 0);
    assert_eq!(holders(root.path()).expect("told"), []);
}

#[test]
fn an_excluder_forgets_the_dead() {
    let root = root();
    drop(share(root.path(), LONG).expect("free"));
    let file = RealDisk::open(root.path()).expect("a disk").open_or_create(Path::new(layout::LOCK), 0o600);
    file.expect("a file").write_all_at(b"4294967294 add\n", 0).expect("written");
    assert_eq!(holders(root.path()).expect("told"), [], "no such process");
    let gc = alone(root.path(), LONG).expect("free");
    assert_eq!(
        holders(root.path()).expect("told"),
        [Holder { pid: std::process::id(), command: "gc".into() }]
    );
    drop(gc);
}

#[test]
fn a_shared_store_has_locks_for_its_group() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = root();
    rustix::fs::chmod(root.path(), rustix::fs::Mode::from_raw_mode(0o2770)).expect("mode");
    drop(share(root.path(), LONG).expect("free"));
    for name in [layout::LOCK, layout::GATE] {
        let meta = std::fs::metadata(layout::within(root.path(), name.as_ref())).expect("a file");
        assert_eq!(meta.permissions().mode() & 0o7777, 0o660, "{name}");
    }
}

#[test]
fn the_kernels_table_tells_who_holds() {
    let table = "1: FLOCK  ADVISORY  WRITE 1234 fe:00:56789 0 EOF\n\
                 1: -> FLOCK  ADVISORY  WRITE 77 fe:00:56789 0 EOF\n\
                 2: POSIX  ADVISORY  READ 88 fe:00:56789 128 128\n\
                 3: FLOCK  ADVISORY  READ 99 fe:00:5678 0 EOF\n\
                 4: FLOCK  ADVISORY  READ 1235 00:2f:56789 0 EOF\n\
                 rubbish\n";
    assert_eq!(parse_locks(table, 56789), [1234, 1235]);
    assert!(parse_locks("", 1).is_empty());
}

#[test]
fn holders_are_told_in_plain_words() {
    let holders = parse_lines("12 add\nrubbish\n13\n12 add\n");
    let error = LockError::Busy { holders };
    assert_eq!(error.to_string(), "the store is in use by process 13, add (process 12)");
    assert_eq!(LockError::Busy { holders: Vec::new() }.to_string(), "the store is in use");
}
