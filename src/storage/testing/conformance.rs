//! The one suite that every backend passes: a new one is finished when it does.
//!
//! Each check works on objects of its own, so they may run on one backend in any order. They panic, as tests do.

use std::io::Read;

use crate::identity::Digests;
use crate::storage::{Backend, ByteRange, Deleted, Receipt, StorageError};

/// Runs every check.
pub fn check(backend: &dyn Backend) {
    an_object_comes_back(backend);
    what_is_missing_is_no_error(backend);
    putting_again_is_no_error_and_heals(backend);
    ranges_stop_at_the_end(backend);
    a_source_of_another_length_is_refused(backend);
    a_source_that_fails_leaves_nothing(backend);
    many_may_work_at_once(backend);
    assert!(backend.health().is_ok());
    assert_eq!(
        backend.id().to_string().parse().as_ref(),
        Ok(backend.id()),
        "the name is one that events can carry"
    );
}

fn put(backend: &dyn Backend, bytes: &[u8]) -> (Digests, Receipt) {
    let digests = Digests::of(bytes);
    let receipt = backend.put(&digests, &mut &*bytes).expect("put");
    (digests, receipt)
}

fn read(backend: &dyn Backend, object: &Digests, range: Option<ByteRange>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    backend.get(&object.address(), range).expect("get")?.read_to_end(&mut bytes).expect("read");
    Some(bytes)
}

fn an_object_comes_back(backend: &dyn Backend) {
    // Longer than any buffer on the way, short, and empty.
    let long: Vec<u8> = (0..3_000_017u32).map(|n| n.to_le_bytes()[0]).collect();
    for bytes in [&long[..], b"conformance", b""] {
        let (object, receipt) = put(backend, bytes);
        assert!(!receipt.already);
        let stat = backend.head(&object.address()).expect("head").expect("is there");
        assert_eq!(stat.size_bytes, bytes.len() as u64);
        assert!(stat.mode.is_none_or(|mode| mode == 0o444));
        assert!(read(backend, &object, None).expect("is there") == bytes);
        assert_eq!(backend.delete(&object.address()).expect("delete"), Deleted::Gone);
    }
}

fn what_is_missing_is_no_error(backend: &dyn Backend) {
    let address = Digests::of(b"never stored").address();
    assert_eq!(backend.head(&address).expect("head"), None);
    assert!(backend.get(&address, None).expect("get").is_none());
    assert_eq!(backend.delete(&address).expect("delete"), Deleted::WasMissing);
    let (object, _) = put(backend, b"soon gone");
    assert_eq!(backend.delete(&object.address()).expect("delete"), Deleted::Gone);
    assert_eq!(backend.delete(&object.address()).expect("delete"), Deleted::WasMissing);
    assert_eq!(read(backend, &object, None), None);
}

fn putting_again_is_no_error_and_heals(backend: &dyn Backend) {
    let (object, first) = put(backend, b"put twice");
    let (_, second) = put(backend, b"put twice");
    assert!(!first.already && second.already);
    // The caller vouches for the digests, so this is how damage looks from here.
    backend.put(&object, &mut &b"put twicf"[..]).expect("put");
    put(backend, b"put twice");
    assert_eq!(read(backend, &object, None).as_deref(), Some(&b"put twice"[..]));
}

fn ranges_stop_at_the_end(backend: &dyn Backend) {
    let (object, _) = put(backend, b"0123456789");
    for (first, last, expected) in [
        (0, None, "0123456789"),
        (3, None, "3456789"),
        (3, Some(5), "345"),
        (9, Some(9), "9"),
        (0, Some(99), "0123456789"),
        (7, Some(u64::MAX), "789"),
        (10, None, ""),
        (u64::MAX, None, ""),
        (5, Some(4), ""),
    ] {
        let read = read(backend, &object, Some(ByteRange { first, last })).expect("is there");
        assert_eq!(String::from_utf8_lossy(&read), expected, "{first}-{last:?}");
    }
}

fn a_source_of_another_length_is_refused(backend: &dyn Backend) {
    let object = Digests::of(b"the right length");
    for wrong in [&b"the right lengt"[..], b"the right length!", b""] {
        let error = backend.put(&object, &mut &*wrong).expect_err("another length");
        assert!(matches!(error, StorageError::WrongSize { expected: 16, .. }), "{error:?}");
        assert_eq!(backend.head(&object.address()).expect("head"), None);
    }
}

fn a_source_that_fails_leaves_nothing(backend: &dyn Backend) {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("on purpose"))
        }
    }
    let object = Digests::of(b"half of this");
    let error = backend.put(&object, &mut b"half".chain(Fails)).expect_err("it fails");
    assert!(matches!(error, StorageError::Source { .. }), "{error:?}");
    assert_eq!(backend.head(&object.address()).expect("head"), None);
}

fn many_may_work_at_once(backend: &dyn Backend) {
    let object = Digests::of(b"wanted by all");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                put(backend, b"wanted by all");
                assert_eq!(read(backend, &object, None).as_deref(), Some(&b"wanted by all"[..]));
            });
        }
    });
}
