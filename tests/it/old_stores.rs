//! An operator has a store that an old astore wrote, and a new astore: it opens, everything is there, and it
//! goes on from where it was. The stores under `fixtures/stores` are kept for ever.
//!
//! `fixtures/stores/VERSION/NAME` is the store, `NAME.txt` beside it what must be in it. `just fixtures` makes one
//! that is missing and changes nothing that is there. When the views change, `NAME.txt` gets one more line, with
//! the digest that views of the new version have; the database in the fixture keeps the views it has, so that there
//! is always one whose views are made again.

mod history;
mod newer;
mod past;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use astore::report::{
    Completion, DiffTarget, Difference, ExportRequest, LinkMode, ListFilter, LogFilter, Recorded,
    VerifyRequest,
};
use astore::views::VIEWS_VERSION;
use astore::{Access, EventType, Registry, Void};

use crate::reader;
use crate::support::oracle;
use crate::support::store::{add, fast_dir, init, open, reference};

/// Every store that is kept, by version and name. None is ever taken out.
const KEPT: [(&str, &str); 2] = [("v1", "everything"), ("v1", "collected")];

/// What is beside the log, the database and the objects: made again by whoever opens the store.
const NOT_KEPT: [&str; 4] = ["astore.lock", "astore.gate", "reserve", "tmp"];

fn folder(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stores").join(version)
}

/// Makes what is missing, where that is asked for.
fn make_missing() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("ASTORE_MAKE_FIXTURES").is_none() {
            return;
        }
        fs::create_dir_all(folder("v1")).unwrap();
        for (_, name) in KEPT {
            let root = folder("v1").join(name);
            if root.exists() {
                continue;
            }
            match name {
                "everything" => history::make(&root),
                "collected" => past::make(&root),
                other => panic!("nobody makes {other}"),
            }
            for name in NOT_KEPT {
                let path = root.join(name);
                match if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{name}: {error}"),
                    Ok(()) | Err(_) => {}
                }
            }
            let copy = Copy::of("v1", name);
            let said = describe(&copy.open(Access::Read));
            fs::write(folder("v1").join(format!("{name}.txt")), said).unwrap();
        }
    });
}

/// A copy of a kept store with the modes that its repository cannot hold.
struct Copy {
    place: tempfile::TempDir,
}

impl Copy {
    fn of(version: &str, name: &str) -> Self {
        let place = fast_dir();
        copy_store(&folder(version).join(name), &place.path().join("store"));
        Self { place }
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("store")
    }

    fn open(&self, access: Access) -> Registry {
        open(&self.root(), access).unwrap()
    }
}

/// The kept store, once what may be made is made.
fn kept() -> Copy {
    make_missing();
    Copy::of("v1", "everything")
}

fn expected(name: &str) -> String {
    fs::read_to_string(folder("v1").join(format!("{name}.txt"))).unwrap()
}

fn copy_store(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_store(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
            let is_object = entry.path().components().any(|part| part.as_os_str() == "blake3");
            fs::set_permissions(to, Permissions::from_mode(if is_object { 0o444 } else { 0o600 })).unwrap();
        }
    }
}

/// Tells what is in a store: what must stay the same for ever, but for the line of the views, which counts only
/// for views of its own version.
fn describe(store: &Registry) -> String {
    let mut text = String::new();
    let health = store.health().unwrap();
    let replay = store.replay_check(&Void).unwrap();
    writeln!(text, "store {}", health.store_id).unwrap();
    writeln!(text, "head {}:{}", health.head_sequence, health.head_digest).unwrap();
    writeln!(text, "views {VIEWS_VERSION} {}", replay.view_digest).unwrap();
    for package in store.list(ListFilter::All, None).unwrap() {
        let state = if package.removed_at.is_some() { "removed" } else { "there" };
        writeln!(
            text,
            "package {} {} {state} {} entries {} bytes {} class {} manifest {} content {}",
            package.reference(),
            package.status.name(),
            package.id,
            package.entries,
            package.bytes,
            package.class,
            package.manifest_digest.map_or("-".to_owned(), |digest| digest.to_string()),
            package.content_digest.map_or("-".to_owned(), |digest| digest.to_string()),
        )
        .unwrap();
    }
    let mut types: BTreeMap<String, u64> = BTreeMap::new();
    store
        .log(&LogFilter::default(), &mut |event| {
            *types.entry(event.line.event_type.clone()).or_default() += 1;
            Ok(())
        })
        .unwrap();
    for (event_type, count) in types {
        writeln!(text, "events {event_type} {count}").unwrap();
    }
    text
}

/// Leaves out the lines of views of other versions than this build's.
fn comparable(text: &str) -> Vec<&str> {
    let is_ours = |line: &&str| {
        let version = line.strip_prefix("views ").and_then(|rest| rest.split_once(' '));
        version.is_none_or(|(version, _)| version == VIEWS_VERSION.to_string())
    };
    text.lines().filter(is_ours).collect()
}

/// Everything in a directory, as the system tells it: kind, mode, bytes or target.
fn look(directory: &Path) -> BTreeMap<PathBuf, (char, u32, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let mode = found.permissions().mode() & 0o7777;
            let what = if found.is_symlink() {
                ('l', 0, fs::read_link(&path).unwrap().into_os_string().into_vec())
            } else if found.is_dir() {
                open.push(path.clone());
                ('d', mode, Vec::new())
            } else {
                ('f', mode, fs::read(&path).unwrap_or_default())
            };
            seen.insert(path.strip_prefix(directory).unwrap().to_owned(), what);
        }
    }
    seen
}

#[track_caller]
fn check_sound(store: &Registry, notes: &[&str]) {
    let request = VerifyRequest { record: Recorded::No, ..VerifyRequest::default() };
    let report = store.verify(&request, &Void).unwrap();
    assert_eq!(report.faults, []);
    assert_eq!(report.notes, notes);
    let check = store.replay_check(&Void).unwrap();
    assert_eq!((check.differing, check.skipped), (vec![], vec![]));
    assert_eq!(check.view_digest_before, Some(check.view_digest));
}

#[test]
fn every_kept_store_is_tested() {
    make_missing();
    let names = |path: &Path| -> BTreeSet<OsString> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    let versions: BTreeSet<OsString> = KEPT.iter().map(|(version, _)| (*version).into()).collect();
    assert_eq!(names(&folder("")), versions, "a version that is kept and not tested, or the other way round");
    for version in versions {
        let stores = KEPT.iter().filter(|(of, _)| *of == version);
        let both = stores.flat_map(|(_, name)| [name.into(), format!("{name}.txt").into()]);
        assert_eq!(names(&folder(version.to_str().unwrap())), both.collect(), "in {version:?}");
    }
}

#[test]
fn an_old_store_opens_and_everything_is_there() {
    make_missing();
    for (version, name) in KEPT {
        let copy = Copy::of(version, name);
        oracle::check_names(&copy.root()).unwrap();
        for access in [Access::Read, Access::Write] {
            let store = copy.open(access);
            assert_eq!(comparable(&describe(&store)), comparable(&expected(name)), "{name}, {access:?}");
            if name == "everything" {
                // Whoever opens it to write sets a reserve aside again.
                check_sound(&store, if access == Access::Read { &["the reserve is missing"] } else { &[] });
            }
        }
        oracle::check_log(&copy.root()).unwrap();
    }
}

#[test]
fn an_old_store_is_what_its_story_says() {
    let copy = kept();
    let store = copy.open(Access::Read);
    let said = expected("everything");
    let written = [
        EventType::StoreCreated,
        EventType::PackageCreated,
        EventType::ObjectsStored,
        EventType::EntriesAdded,
        EventType::PackageFinalized,
        EventType::PackageRemoved,
        EventType::PackageRestored,
        EventType::ObjectHealed,
        EventType::VerifyCompleted,
    ];
    for event_type in written {
        assert!(said.contains(&format!("events {} ", event_type.name())), "no {}", event_type.name());
    }
    let mut large = 0;
    store
        .log(&LogFilter::default(), &mut |event| {
            large += u32::from(event.payload.is_none());
            Ok(())
        })
        .unwrap();
    assert_eq!(large, 1, "one payload is an object");
    let same = |name: &str| store.show(&reference(name)).unwrap().summary.content_digest;
    assert_eq!(same("build@1"), same("mirror@1"));
    assert_ne!(same("build@1"), same("build@3"), "this one keeps times");
    assert!(store.show(&reference("mirror@1")).unwrap().summary.removed_at.is_some());
    assert!(store.show(&reference("build@1")).unwrap().summary.removed_at.is_none());
    let displaced = {
        let mut paths = Vec::new();
        let each = &mut |entry: &astore::Entry| {
            paths.push(String::from_utf8_lossy(entry.path.as_bytes()).into_owned());
            Ok(())
        };
        store.files(&reference("displaced"), each).unwrap();
        paths
    };
    assert_eq!(displaced, ["d", "y", "z"]);
}

#[test]
fn what_an_old_store_holds_comes_out_as_it_went_in() {
    let copy = kept();
    let store = copy.open(Access::Read);
    for (package, tree) in [("build@2", "build"), ("mirror@1", "build"), ("odd", "odd"), ("wide", "wide")] {
        let place = fast_dir();
        let source = history::tree(place.path(), tree);
        let destination = place.path().join("out");
        let request = ExportRequest {
            reference: reference(package),
            destination: destination.clone(),
            link: LinkMode::Auto,
            special_modes: true,
        };
        let report = store.export(&request, &Void).unwrap();
        assert_eq!(report.damaged, [], "{package}");
        assert_eq!(look(&destination), look(&source), "{package}");
        let mut differences = Vec::new();
        let right = DiffTarget::Directory(destination);
        let mut each = |one: &Difference| {
            differences.push(one.clone());
            Ok(())
        };
        store.diff(&reference(package), &right, &Void, &mut each).unwrap();
        assert_eq!(differences, [], "{package}");
    }
}

#[test]
fn the_same_trees_have_the_same_content_digests_today() {
    let copy = kept();
    let old = copy.open(Access::Read);
    let place = fast_dir();
    init(&place.path().join("store"));
    let today = open(&place.path().join("store"), Access::Write).unwrap();
    for ((tree, entries), package) in history::TREES.iter().zip(["build@2", "odd@1", "later@1", "wide@1"]) {
        let source = history::tree(place.path(), tree);
        let added = add(&today, tree, &source, Completion::Finalize).unwrap().package;
        let kept = old.show(&reference(package)).unwrap().summary;
        assert_eq!((added.entries, added.content_digest), (*entries, kept.content_digest), "{tree}");
    }
}

#[test]
fn an_old_store_goes_on_from_where_it_was() {
    let copy = kept();
    let store = copy.open(Access::Write);
    let before = store.health().unwrap().head_sequence;
    let place = fast_dir();
    let build = history::tree(place.path(), "build");
    let report = add(&store, "build", &build, Completion::Finalize).unwrap();
    assert_eq!(
        (report.package.reference().as_str(), report.objects_new),
        ("build@4", 0),
        "it knows the bytes"
    );
    store.finalize(&reference("open"), &Void).unwrap();
    store.restore(&reference("mirror@1")).unwrap();
    store.remove(&[reference("wide@1")], "no more").unwrap();
    assert_eq!(store.health().unwrap().head_sequence, before + 4);
    store.replay(&Void).unwrap();
    check_sound(&store, &[]);
    drop(store);
    oracle::check_log(&copy.root()).unwrap();
}

#[test]
fn the_second_implementation_reads_an_old_store() {
    make_missing();
    for (version, name) in KEPT {
        // It is left there for CI, which reads it once more.
        let place = reader::place(&format!("kept-{version}-{name}"));
        copy_store(&folder(version).join(name), &place);
        let Some((code, text)) = reader::read(&place, &[]) else { return };
        assert_eq!(code, 0, "{text}");
        for line in comparable(&expected(name)) {
            if let Some((_, digest)) = line.strip_prefix("views ").and_then(|rest| rest.split_once(' ')) {
                assert!(text.contains(&format!("\"view_digest_computed\": \"{digest}\"")), "{text}");
            }
        }
    }
}
