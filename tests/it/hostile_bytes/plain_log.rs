//! A hostile `log/`: files of strange names, a long one, a repeated one, one of another store.

use std::path::Path;

use astore::error::ErrorKind;
use astore::monitor::Void;
use astore::registry::report::{Recorded, VerifyDepth, VerifyRequest};
use astore::registry::{Access, Registry};

use super::{Store, files, within_a_minute};
use crate::support::store::{env, open, options, reference};

/// What a writer may make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Whoever comes first, be it a reader, cuts off what was never done.
    Cuts,
    /// It goes on: what is there is nothing to it, or is cut off or completed without loss.
    Writes,
    /// It refuses and leaves everything as it is.
    Refuses,
}

/// Does something to `log/`; then reading must work, verify must see it, and a writer go on or refuse.
fn check(store: &Store, what: &str, then: Then, seen: bool, put: impl FnOnce(&Path)) {
    store.restore();
    let whole = std::fs::read(store.log().join(FIRST)).unwrap();
    put(&store.log());
    let before = files(store.place.path());
    let found = within_a_minute({
        let root = store.root();
        move || {
            let registry = open(&root, Access::Read).unwrap();
            let quick =
                VerifyRequest { depth: VerifyDepth::Quick, record: Recorded::No, ..VerifyRequest::default() };
            let listed = registry.list(astore::report::ListFilter::All, None).unwrap();
            assert_eq!(listed.len(), 3);
            registry.verify(&quick, &Void).unwrap().faults
        }
    });
    assert_eq!(!found.is_empty(), seen, "{what}: {found:?}");
    if then != Then::Cuts {
        let changed = super::changed(&before, &files(store.place.path()));
        assert_eq!(changed, Vec::<std::path::PathBuf>::new(), "{what}");
    }
    let wrote = within_a_minute({
        let root = store.root();
        move || {
            open(&root, Access::Write)
                .and_then(|registry| registry.restore(&reference("gone@1")).map(drop))
                .map_err(|error| (error.kind(), error.to_string()))
        }
    });
    match (then, wrote) {
        (Then::Writes | Then::Cuts, Ok(())) => {
            let now = std::fs::read(store.log().join(FIRST)).unwrap();
            assert!(now.starts_with(&whole), "{what}: log/ lost something");
        }
        (Then::Refuses, Err((ErrorKind::Damage, _))) => {
            assert_eq!(
                super::changed(&before, &files(store.place.path())),
                Vec::<std::path::PathBuf>::new(),
                "{what}"
            );
        }
        (_, other) => panic!("{what}: {other:?}"),
    }
}

const FIRST: &str = "00000000000000000001.cborseq";

fn name(first: u64) -> String {
    format!("{first:020}.cborseq")
}

#[test]
fn files_of_strange_names_are_foreign_and_in_nobodys_way() {
    use std::os::unix::ffi::OsStrExt as _;
    let store = Store::new();
    for strange in [
        &b"README"[..],
        b"1.cborseq",
        b"00000000000000000001.cborseq.new",
        b"00000000000000000001.CBORSEQ",
        b"000000000000000000001.cborseq",
        b"100000000000000000000.cborseq",
        b"99999999999999999999.cborseq",
        b"-0000000000000000001.cborseq",
        b"+0000000000000000001.cborseq",
        b"0000000000000000000x.cborseq",
        b".cborseq",
        b"\xff\xfe.cborseq",
        b"line\nbreak",
        "\u{661}0000000000000000001.cborseq".as_bytes(),
    ] {
        check(&store, &String::from_utf8_lossy(strange), Then::Writes, true, |log| {
            std::fs::write(log.join(std::ffi::OsStr::from_bytes(strange)), "mine").unwrap();
        });
        std::fs::remove_file(store.log().join(std::ffi::OsStr::from_bytes(strange))).unwrap();
    }
    check(&store, "a directory", Then::Writes, true, |log| std::fs::create_dir(log.join("more")).unwrap());
}

#[test]
fn a_log_that_is_not_this_one_is_refused() {
    let (store, other) = (Store::new(), Store::new());
    let head = open(&store.root(), Access::Read).unwrap().health().unwrap().head_sequence;
    let mine = std::fs::read(store.log().join(FIRST)).unwrap();
    let theirs = std::fs::read(other.log().join(FIRST)).unwrap();
    let file = |log: &Path, bytes: &[u8]| std::fs::write(log.join(FIRST), bytes).unwrap();
    check(&store, "another store's", Then::Refuses, true, |log| file(log, &theirs));
    check(&store, "another store's behind ours", Then::Refuses, true, |log| {
        file(log, &[&mine[..], &theirs].concat());
    });
    check(&store, "ours twice", Then::Refuses, true, |log| file(log, &mine.repeat(2)));
    check(&store, "ours, then again in a file of its own", Then::Refuses, true, |log| {
        std::fs::write(log.join(name(head + 1)), &mine).unwrap();
    });
    check(&store, "another's next file", Then::Refuses, true, |log| {
        std::fs::write(log.join(name(head + 1)), &theirs).unwrap();
    });
    check(&store, "the halves in each other's place", Then::Refuses, true, |log| {
        let half = mine.len() / 2;
        file(log, &[&mine[half..], &mine[..half]].concat());
    });
    check(&store, "a file from the middle of nowhere", Then::Refuses, true, |log| {
        std::fs::remove_file(log.join(FIRST)).unwrap();
        std::fs::write(log.join(name(3)), &mine).unwrap();
    });
    // A fork: both histories go on from the same event.
    let forked = {
        store.restore();
        open(&store.root(), Access::Write).unwrap().unpin("mine", Some("one way")).unwrap();
        std::fs::read(store.log().join(FIRST)).unwrap()
    };
    store.restore();
    open(&store.root(), Access::Write).unwrap().unpin("mine", Some("or another")).unwrap();
    super::checkpoint(&store.database());
    std::fs::write(store.log().join(FIRST), &forked).unwrap();
    let error = open(&store.root(), Access::Write).expect_err("two histories");
    assert_eq!(error.to_string(), format!("log/ and the database part at event {}", head + 1));
    assert_eq!(std::fs::read(store.log().join(FIRST)).unwrap(), forked);
}

#[test]
fn an_end_that_is_no_item_is_cut_off_or_refused() {
    let store = Store::new();
    let mine = std::fs::read(store.log().join(FIRST)).unwrap();
    let head = open(&store.root(), Access::Read).unwrap().health().unwrap().head_sequence;
    let with = |log: &Path, more: &[u8]| std::fs::write(log.join(FIRST), [&mine[..], more].concat()).unwrap();
    for (what, more) in [
        ("zeros", &[0; 5_000][..]),
        ("half an item", &mine[..100]),
        ("a head that promises much", &[0x9b, 0, 0, 0, 16, 0, 0, 0, 0]),
        ("a text", b"and so on"),
        ("an item of nothing", &[0x80]),
        ("the end of time", &[0xff; 64]),
    ] {
        check(&store, what, Then::Cuts, false, |log| with(log, more));
    }
    check(&store, "an empty next file", Then::Cuts, false, |log| {
        std::fs::write(log.join(name(head + 1)), "").unwrap();
    });
    check(&store, "a next file of zeros", Then::Cuts, false, |log| {
        std::fs::write(log.join(name(head + 1)), [0; 300]).unwrap();
    });
    check(&store, "a file of the far future", Then::Writes, true, |log| {
        std::fs::write(log.join(name(u64::MAX)), "").unwrap();
    });
    check(&store, "a file that begins with nothing", Then::Writes, true, |log| {
        std::fs::write(log.join(name(0)), &mine).unwrap();
    });
}

#[test]
fn a_file_as_long_as_a_disk_is_damage_and_no_burden() {
    let store = Store::new();
    let mine = std::fs::read(store.log().join(FIRST)).unwrap();
    let long = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).unwrap();
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
    };
    let item = [&[0x81, 0x83, 0x5b, 0, 0, 0, 16, 0, 0, 0, 0][..], &[0; 64]].concat();
    for (what, bytes) in
        [("zeros behind ours", mine.clone()), ("a long item behind ours", [&mine[..], &item].concat())]
    {
        check(&store, what, Then::Refuses, true, |log| long(&log.join(FIRST), &bytes));
    }
    // The database knows it all, so recover can do without it.
    let report = within_a_minute({
        let root = store.root();
        move || Registry::recover(&root, options(Access::Alone), env(), &Void).map(drop)
    });
    report.unwrap();
    assert!(store.is_right(&store.ask()));
}
