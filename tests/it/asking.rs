//! Scripts and people ask: what is there, what is in it, how does it differ, give me the bytes. The answers are
//! exact, and say so where there is none.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use astore::error::{Error, ErrorKind};
use astore::identity::Blake3;
use astore::manifest::{Entry, EntryPath};
use astore::monitor::Void;
use astore::registry::report::{
    ByteRange, CatTarget, Completion, Concern, DiffTarget, Difference, ExportRequest, LinkMode, ListFilter,
    LogFilter,
};
use astore::registry::{Access, Registry};

use crate::support::store::{add, env, fast_dir, init, open, options, reference, tree};

struct Store {
    dir: tempfile::TempDir,
    root: PathBuf,
    tree: PathBuf,
}

/// `app@1` finalised, `lib@1` removed, `app@2` open with one file changed, one gone and one new.
fn store() -> Store {
    let dir = fast_dir();
    let root = dir.path().join("store");
    init(&root);
    let at = dir.path().join("tree");
    tree(&at, &[("bin/tool", b"0123456789"), ("etc/gone", b"gone"), ("etc/same", b"same"), ("empty/", b"")]);
    let registry = open(&root, Access::Write).expect("open");
    add(&registry, "app", &at, Completion::Finalize).expect("add");
    add(&registry, "lib", &at, Completion::Finalize).expect("add");
    registry.remove(&[reference("lib")], "superseded").expect("remove");
    tree(&at, &[("bin/tool", b"0123456789!"), ("etc/new", b"new")]);
    std::fs::remove_file(at.join("etc/gone")).expect("removed");
    add(&registry, "app", &at, Completion::LeaveOpen).expect("add");
    Store { dir, root, tree: at }
}

fn names(registry: &Registry, filter: ListFilter, limit: Option<u64>) -> String {
    let listed = registry.list(filter, limit).expect("list");
    listed.iter().map(|package| package.reference()).collect::<Vec<_>>().join(" ")
}

fn path(text: &str) -> EntryPath {
    EntryPath::new(text.as_bytes()).expect("a path")
}

fn of(text: &str, at: &str) -> CatTarget {
    CatTarget::Path { reference: reference(text), path: path(at) }
}

#[test]
fn packages_are_listed_in_the_order_in_which_they_were_made() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    assert_eq!(names(&registry, ListFilter::Present, None), "app@1 app@2");
    assert_eq!(names(&registry, ListFilter::All, None), "app@1 lib@1 app@2");
    assert_eq!(names(&registry, ListFilter::All, Some(2)), "lib@1 app@2");
    assert_eq!(names(&registry, ListFilter::All, Some(0)), "");
    assert_eq!(names(&registry, ListFilter::Open, None), "app@2");
    assert_eq!(names(&registry, ListFilter::Removed, None), "lib@1");
    assert_eq!(names(&registry, ListFilter::Expired, None), "");
}

#[test]
fn a_package_is_shown_with_all_that_happened_to_it() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    let shown = registry.show(&reference("lib@1")).expect("show");
    assert_eq!(shown.removed_reason.as_deref(), Some("superseded"));
    assert_eq!((shown.summary.entries, shown.summary.files, shown.objects), (6, 3, 3));
    let happened: Vec<&str> = shown.events.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(happened, ["v1.package.finalized", "v1.package.removed"]);
    assert_eq!(registry.show(&reference("lib")).expect_err("removed").kind(), ErrorKind::NotFound);
    assert_eq!(registry.show(&reference("nobody")).expect_err("unknown").kind(), ErrorKind::NotFound);
}

#[test]
fn entries_come_in_the_order_of_their_paths_and_stop_when_nobody_listens() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    let mut paths = Vec::new();
    let mut each = |entry: &Entry| {
        paths.push(entry.path.as_str().expect("text").to_owned());
        if paths.len() == 4 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    };
    let error = registry.files(&reference("app"), &mut each).expect_err("a closed pipe");
    assert_eq!(error.kind(), ErrorKind::ClosedPipe);
    assert_eq!(paths, ["bin", "bin/tool", "empty", "etc"]);
}

#[test]
fn a_manifest_is_exactly_what_its_digest_says() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    let report = registry.manifest(&reference("app")).expect("a manifest");
    assert_eq!(Blake3::of(&report.bytes), report.digest);
    assert_eq!(report.package.manifest_digest, Some(report.digest));
    assert!(matches!(registry.manifest(&reference("app@2")), Err(Error::WrongState { state: "open", .. })));
}

#[test]
fn two_trees_differ_in_what_was_changed() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    let differing = |left: &str, right: DiffTarget| {
        let side = |entry: &Option<Entry>| if entry.is_some() { 'x' } else { '-' };
        let mut lines = Vec::new();
        let mut each = |one: &Difference| {
            let path = one.path.as_str().expect("text");
            lines.push(format!("{}{}{path}", side(&one.left), side(&one.right)));
            Ok(())
        };
        registry.diff(&reference(left), &right, &Void, &mut each).expect("diff");
        lines.join(" ")
    };
    let package = |text: &str| DiffTarget::Package(reference(text));
    let changes = "xxbin/tool x-etc/gone -xetc/new";
    assert_eq!(differing("app@1", package("app@2")), changes);
    assert_eq!(differing("app@1", package("lib@1")), "");
    assert_eq!(differing("app@1", DiffTarget::Directory(store.tree.clone())), changes);
    assert_eq!(differing("app@2", DiffTarget::Directory(store.tree.clone())), "");
    let nowhere = DiffTarget::Directory(store.dir.path().join("nowhere"));
    assert!(registry.diff(&reference("app"), &nowhere, &Void, &mut |_| Ok(())).is_err());
}

#[test]
fn bytes_come_back_whole_or_by_the_range() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    let cat = |target: &CatTarget, first, last| {
        let mut out = Vec::new();
        registry.cat(target, Some(ByteRange { first, last }), &mut out).map(|_| out)
    };
    let tool = of("app@1", "bin/tool");
    assert_eq!(cat(&tool, 0, None).expect("all"), b"0123456789");
    assert_eq!(cat(&tool, 3, Some(5)).expect("a part"), b"345");
    assert_eq!(cat(&tool, 8, Some(99)).expect("the end"), b"89");
    assert!(matches!(cat(&tool, 10, None), Err(Error::Range { first: 10, size_bytes: 10 })));
    assert_eq!(cat(&tool, 5, Some(4)).expect_err("nonsense").kind(), ErrorKind::Usage);
    assert!(matches!(cat(&of("app@1", "etc"), 0, None), Err(Error::NotAFile { kind: "directory", .. })));
    assert!(matches!(cat(&of("app@1", "etc/new"), 0, None), Err(Error::NoSuchPath { .. })));

    let address = format!("blake3:{}", Blake3::of(b"same"));
    let object = |text: &str| CatTarget::Object(text.parse().expect("an address"));
    assert_eq!(cat(&object(&address), 0, None).expect("by address"), b"same");
    assert_eq!(cat(&object(&address[..15]), 0, None).expect("by a prefix"), b"same");
    let sha256 = "sha256:0967115f2813a3541eaef77de9d9d577";
    assert_eq!(cat(&object(sha256), 0, None).expect("by the second digest"), b"same");
    let unknown = object("blake3:00000000");
    assert_eq!(cat(&unknown, 0, None).expect_err("unknown").kind(), ErrorKind::NotFound);
}

#[test]
fn damaged_bytes_are_not_handed_out() {
    let store = store();
    let hex = Blake3::of(b"0123456789").to_string();
    let object = store.root.join("blake3").join(&hex[..2]).join(&hex[2..4]).join(&hex);
    std::fs::remove_file(&object).expect("removed");
    std::fs::write(&object, b"012345678X").expect("damaged");
    let registry = open(&store.root, Access::Read).expect("open");
    let mut out = Vec::new();
    let error = registry.cat(&of("app@1", "bin/tool"), None, &mut out).expect_err("damaged");
    assert_eq!((error.kind(), out.len()), (ErrorKind::Damage, 0));
    let request = ExportRequest {
        reference: reference("app@1"),
        destination: store.dir.path().join("out"),
        link: LinkMode::Copy,
        special_modes: false,
    };
    let report = registry.export(&request, &Void).expect("export");
    assert_eq!(report.entries, 5);
    let [damaged] = report.damaged.as_slice() else { panic!("{:?}", report.damaged) };
    assert_eq!((damaged.kind.as_str(), damaged.harms[0].package.as_str()), ("altered", "app@1"));
    assert_eq!(damaged.harms[0].path, Some(path("bin/tool")));
    assert!(!request.destination.join("bin/tool").exists());
    assert_eq!(std::fs::read(request.destination.join("etc/same")).expect("the rest"), b"same");
}

#[test]
fn the_log_is_told_from_where_it_is_asked_for() {
    let store = store();
    let registry = open(&store.root, Access::Log).expect("open");
    let told = |since, event_type: Option<&str>| {
        let filter = LogFilter { since, event_type: event_type.map(str::to_owned), ..LogFilter::default() };
        let mut told = Vec::new();
        let mut each = |row: astore::registry::report::EventRow| {
            assert_eq!(Blake3::of(&registry.payload(&row).expect("a payload")), row.payload_digest);
            told.push(row.line.sequence);
            Ok(())
        };
        registry.log(&filter, &mut each).expect("log");
        told
    };
    assert_eq!(told(0, None), [1, 2, 3, 4, 5, 6]);
    assert_eq!(told(4, None), [5, 6]);
    assert!(told(6, None).is_empty());
    assert_eq!(told(0, Some("v1.package.finalized")), [2, 3]);
    assert_eq!(told(2, Some("v1.package.finalized")), [3]);
}

#[test]
fn a_follower_hears_of_what_comes() {
    let store = store();
    let enough = Arc::new(AtomicBool::new(false));
    let mut options = options(Access::Log);
    options.cancelled = enough.clone();
    let follower = Registry::open(&store.root, options, env(), &Void).expect("open");
    std::thread::scope(|scope| {
        let (tell, heard) = std::sync::mpsc::channel();
        let following = scope.spawn(move || {
            follower.follow(&LogFilter { since: 5, ..LogFilter::default() }, &mut |row| {
                tell.send(row.line.sequence).map_err(io::Error::other)
            })
        });
        assert_eq!(heard.recv(), Ok(6));
        let writer = open(&store.root, Access::Write).expect("open");
        writer.restore(&reference("lib")).expect("restore");
        assert_eq!(heard.recv(), Ok(7));
        enough.store(true, Ordering::Relaxed);
        let ended = following.join().expect("no panic");
        assert_eq!(ended.expect_err("it was told to stop").kind(), ErrorKind::Cancelled);
    });
}

#[test]
fn the_numbers_add_up() {
    let store = store();
    let registry = open(&store.root, Access::Read).expect("open");
    let stats = registry.stats().expect("stats");
    assert_eq!((stats.packages_open, stats.packages_finalized, stats.packages_removed), (1, 1, 1));
    assert_eq!(stats.events, 6);
    // Five different files, and two manifests.
    assert_eq!(stats.objects, 7);
    assert_eq!(stats.logical_bytes, (10 + 4 + 4) + (11 + 4 + 3));
    assert!(stats.overhead_bytes > 4 << 20, "the reserve alone is that large");
    let held: Vec<_> = stats.classes.iter().filter(|(_, packages, _)| *packages > 0).collect();
    assert_eq!(held, [&("permanent-record".to_owned(), 2, 36)]);
    let health = registry.health().expect("health");
    assert_eq!((health.head_sequence, health.writable, health.last_verify), (6, true, None));
    assert_eq!(health.concerns, [Concern::NeverVerified]);
}
