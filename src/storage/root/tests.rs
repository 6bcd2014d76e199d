//! What `init` takes, what it refuses, and how a description is read.

use super::*;
use crate::disk::testing::{Call, Crashes, Observed, Trace, Tree, fail_nth};

fn base() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn beneath(directory: &Path, name: &str) -> PathBuf {
    layout::within(directory, name.as_ref())
}

fn config() -> StoreConfig {
    StoreConfig {
        store_id: Uuid::from_u128(0xabcd),
        created_at: Timestamp::from_micros(1_763_733_600_123_456),
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a look").permissions().mode() & 0o7777
}

fn init(root: &Path, sharing: Sharing) -> Result<(), StorageError> {
    let made = prepare(root, sharing)?;
    write_config(&*made.disk, &config())
}

#[test]
fn a_store_is_made_and_read_again() {
    let base = base();
    let root = beneath(base.path(), "a/b/store");
    assert!(matches!(open(&root), Err(StorageError::NoStore { .. })));
    assert!(!beneath(base.path(), "a").exists(), "opening makes nothing");
    init(&root, Sharing::Private).expect("made");
    let (_, read) = open(&root).expect("a store");
    assert_eq!(read, config());
    assert_eq!(mode(&root), 0o700);
    for directory in [layout::OBJECTS, layout::TMP, layout::LOG] {
        assert_eq!(mode(&beneath(&root, directory)), 0o700, "{directory}");
    }
    for file in [layout::CONFIG, layout::LOCK, layout::GATE] {
        assert_eq!(mode(&beneath(&root, file)), 0o600, "{file}");
    }
    let text = std::fs::read_to_string(beneath(&root, layout::CONFIG)).expect("text");
    assert!(text.contains("format = 1\n"), "{text}");
    assert!(text.contains("store_id = \"00000000-0000-0000-0000-00000000abcd\"\n"), "{text}");
    assert!(text.contains("created_at = \"2025-11-21T14:00:00.123456Z\"\n"), "{text}");
    assert!(matches!(init(&root, Sharing::Private), Err(StorageError::IsStore { .. })));
}

#[test]
fn a_shared_store_is_for_its_group() {
    let base = base();
    let root = beneath(base.path(), "store");
    init(&root, Sharing::Shared).expect("made");
    for (name, expected) in
        [("blake3", 0o2770), ("tmp", 0o2770), ("log", 0o2770), ("astore.lock", 0o660), ("astore.toml", 0o660)]
    {
        assert_eq!(mode(&beneath(&root, name)), expected, "{name}");
    }
    assert_eq!(mode(&root), 0o2770);
}

#[test]
fn an_empty_directory_is_taken_and_gets_its_mode() {
    let base = base();
    rustix::fs::chmod(base.path(), Mode::from_raw_mode(0o755)).expect("mode");
    rustix::fs::mkdir(beneath(base.path(), "lost+found"), Mode::from_raw_mode(0o700)).expect("a directory");
    init(base.path(), Sharing::Private).expect("made");
    assert_eq!(mode(base.path()), 0o700);
}

#[test]
fn what_a_killed_init_left_is_taken() {
    // Killed at each of its calls, and started again.
    for nth in 0.. {
        let base = base();
        let made = prepare(base.path(), Sharing::Private).expect("prepared");
        let disk = Arc::new(Observed::new(made.disk, fail_nth(nth, io::ErrorKind::StorageFull)));
        std::fs::File::create(beneath(base.path(), "astore.db")).expect("a file");
        let done = write_config(&*disk, &config());
        let left = Tree::take(base.path()).expect("a tree");
        if disk.calls() <= nth {
            done.expect("no call failed");
            break;
        }
        if left.file(layout::CONFIG).is_none() {
            init(base.path(), Sharing::Private).expect("made in the end");
        }
        assert_eq!(open(base.path()).expect("a store").1, config());
    }
}

#[test]
fn other_directories_are_refused() {
    for name in ["notes.txt", "astore.db2", ".hidden", "blake3/ab", "log/00000000000000000002.cborseq"] {
        let base = base();
        for directory in ["blake3", "log"] {
            std::fs::DirBuilder::new().create(beneath(base.path(), directory)).expect("a directory");
        }
        std::fs::File::create(beneath(base.path(), "log/00000000000000000001.cborseq")).expect("a file");
        std::fs::File::create(beneath(base.path(), name)).expect("a file");
        let error = init(base.path(), Sharing::Private).expect_err(name);
        assert!(
            matches!(&error, StorageError::NotEmpty { name: found, .. } if found == Path::new(name)),
            "{error:?}"
        );
    }
    let base = base();
    let file = beneath(base.path(), "file");
    std::fs::File::create(&file).expect("a file");
    init(&file, Sharing::Private).expect_err("a file");
    assert!(matches!(open(&file), Err(StorageError::NoStore { .. })));
    init(&beneath(base.path(), "file/store"), Sharing::Private).expect_err("beneath a file");
    assert!(matches!(open(&beneath(base.path(), "file/store")), Err(StorageError::NoStore { .. })));
}

#[test]
fn a_description_has_its_name_only_when_it_is_whole() {
    let base = base();
    let made = prepare(base.path(), Sharing::Private).expect("prepared");
    let before = Tree::take(base.path()).expect("a tree");
    let trace = Trace::new(made.disk);
    write_config(&trace, &config()).expect("written");
    let calls = trace.calls();
    assert!(calls.iter().any(|call| matches!(call, Call::Rename { .. })));
    for state in Crashes::of(&before, &calls, 12) {
        match state.tree.file(layout::CONFIG) {
            Some(bytes) => {
                assert_eq!(
                    parse(str::from_utf8(bytes).expect("text")).expect("whole"),
                    config(),
                    "{:?}",
                    state.kind
                );
            }
            None => assert!(state.calls < calls.len(), "lost after init: {:?}", state.kind),
        }
    }
}

#[test]
fn the_format_is_looked_at_before_anything_else() {
    let good = render(&config());
    assert_eq!(parse(&good).expect("good"), config());
    assert_eq!(
        parse(&format!("{good}[defaults]\nclass = \"x\"\n")).expect("unknown keys are left alone"),
        config()
    );
    assert!(matches!(parse("format = 2\n"), Err(StorageError::UnknownFormat { found: 2 })));
    let future = good.replace("format = 1", "format = 2").replace("store_id = ", "store_id = 7 # ");
    assert!(matches!(parse(&future), Err(StorageError::UnknownFormat { found: 2 })));
    for (bad, what) in [
        ("", "`format` is missing"),
        ("format = \"1\"\n", "`format` is not an integer"),
        ("format = 1\n", "`store_id` is missing or not text"),
        ("format = 1\nstore_id = \"x\"\n", "`store_id` is not a UUID"),
        (&good.replace("abcd\"", "ABCD\""), "`store_id` is not in the lower-case hyphenated form"),
        (&good.replace("2025-", "2025x"), "`created_at` is not an RFC 3339 instant"),
        (&good.replace("created_at", "made_at"), "`created_at` is missing or not text"),
    ] {
        match parse(bad) {
            Err(StorageError::Config { what: found }) => assert_eq!(found, what),
            other => panic!("{bad:?}: {other:?}"),
        }
    }
    assert!(matches!(parse("format = \n"), Err(StorageError::Config { .. })));
}

#[test]
fn a_description_is_no_larger_than_it_can_be() {
    let base = base();
    init(base.path(), Sharing::Private).expect("made");
    let (root, _) = open(base.path()).expect("a store");
    let file = root.disk.open_write(Path::new(layout::CONFIG)).expect("a file");
    let end = file.stat().expect("a look").size_bytes;
    let comment = format!("#{}\n", "x".repeat(CONFIG_BYTES_MAX));
    file.write_all_at(comment.as_bytes(), end).expect("written");
    assert!(matches!(open(base.path()), Err(StorageError::Config { .. })));
}
