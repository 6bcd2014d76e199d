//! Any bytes as `astore.db`, beside the plain-file log and the objects of the store of the fixtures. What follows the
//! last `WAL:` in the input is `astore.db-wal`.
#![no_main]

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;

thread_local! {
    static ROOT: OnceCell<PathBuf> = const { OnceCell::new() };
}

/// A copy of the store of the fixtures, without its database.
fn store() -> PathBuf {
    let shm = Path::new("/dev/shm");
    let place = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
    let root = place.expect("a directory").keep().join("store");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/stores/v1/everything");
    copy(&fixture, &root);
    root
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    ROOT.with(|cell| {
        let root = cell.get_or_init(store);
        let wal = bytes.windows(4).rposition(|window| window == b"WAL:");
        let (database, wal) = match wal {
            Some(at) => (&bytes[..at], Some(&bytes[at + 4..])),
            None => (bytes, None),
        };
        for name in ["astore.db", "astore.db-wal", "astore.db-shm"] {
            drop(std::fs::remove_file(root.join(name)));
        }
        std::fs::write(root.join("astore.db"), database).expect("room");
        if let Some(wal) = wal {
            std::fs::write(root.join("astore.db-wal"), wal).expect("room");
        }
        let scratch = root.parent().expect("a parent");
        astore::registry::testing::read_everything(root, scratch, &["app", "nobody@1"], &[]);
    });
});
