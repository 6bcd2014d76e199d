//! An operator who has lost astore.db and log/ both: the manifests among the objects still tell what the finalised
//! packages were. `recover --from-objects` lists them, and, confirmed, imports them; it believes nothing that it has not
//! read, guesses nothing silently, and says what is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use astore::disk::Disk;
use astore::disk::testing::{Call, Crashes, Node, Observed, Trace, Tree};
use astore::env::Timestamp;
use astore::error::{Error, ErrorKind};
use astore::events::LogError;
use astore::identity::{Blake3, ContentAddress, Digests};
use astore::manifest::{Entry, EntryPath, Labels, ManifestHeader, Receipt, RetentionSummary, write_manifest};
use astore::monitor::Void;
use astore::registry::report::{
    ClaimStanding, ClaimsReport, Completion, ImportReport, ImportRequest, ListFilter, Recorded, VerifyDepth,
    VerifyRequest,
};
use astore::registry::{Access, Registry};
use uuid::Uuid;

use crate::reader;
use crate::support::cli::{Desk, is_slow_run};
use crate::support::oracle::{self, file_of, put_object};
use crate::support::store::{
    add, copy_store, env, fast_dir, init, open, options, real_disk, reference, tree,
};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Takes both copies of the log away.
fn lose_log(root: &Path) {
    for name in ["astore.db", "astore.db-wal", "astore.db-shm"] {
        drop(std::fs::remove_file(root.join(name)));
    }
    std::fs::remove_dir_all(root.join("log")).unwrap();
}

fn claims(root: &Path) -> Result<ClaimsReport, Error> {
    Registry::claims(root, options(Access::Read), env(), &Void)
}

fn import_shown(root: &Path, shown: Option<Blake3>) -> Result<ImportReport, Error> {
    let request = ImportRequest { shown };
    Registry::import_claims(root, &request, options(Access::Alone), env(), &mut |_| Ok(()), &Void)
}

fn import(root: &Path) -> Result<ImportReport, Error> {
    import_shown(root, None)
}

fn import_on(disk: Arc<dyn Disk>, root: &Path) -> Result<ImportReport, Error> {
    let request = ImportRequest::default();
    Registry::import_claims_on(disk, root, &request, options(Access::Alone), env(), &mut |_| Ok(()), &Void)
}

fn references(report: &ImportReport) -> Vec<&str> {
    report.imported.iter().map(|package| package.reference.as_str()).collect()
}

/// What the store calls its packages, with the digests of their manifests.
fn packages(root: &Path) -> BTreeMap<String, Option<Blake3>> {
    let listed = open(root, Access::Read).unwrap().list(ListFilter::All, None).unwrap();
    listed.into_iter().map(|p| (format!("{}@{}", p.name, p.version), p.manifest_digest)).collect()
}

#[track_caller]
fn check_sound(root: &Path) {
    let registry = open(root, Access::Read).unwrap();
    let request =
        VerifyRequest { depth: VerifyDepth::Both, record: Recorded::No, ..VerifyRequest::default() };
    assert_eq!(registry.verify(&request, &Void).unwrap().faults, []);
    assert!(registry.replay_check(&Void).unwrap().differing.is_empty());
    drop(registry);
    oracle::check_names(root).unwrap();
    oracle::check_log(root).unwrap();
}

/// Everything under a root, but for what a look at it leaves.
fn everything(root: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let tree = Tree::take(root).unwrap();
    let bytes = |node: &Node| match node {
        Node::File { bytes, .. } => Some(bytes.to_vec()),
        Node::Directory { .. } | Node::Symlink { .. } => None,
    };
    tree.nodes.iter().map(|(path, node)| (path.clone(), bytes(node))).collect()
}

/// A manifest of a package that no store here made.
fn manifest(id: u128, name: &str, version: u64, class: (&str, Option<u64>), entries: &[Entry]) -> Vec<u8> {
    let header = ManifestHeader {
        id: Uuid::from_u128(id),
        name: name.parse().unwrap(),
        version,
        created_at: Timestamp::from_micros(1_700_000_000_000_000 + i64::try_from(id).unwrap()),
        created_by: "somebody@elsewhere".to_owned(),
        metadata: Labels::new(),
        receipts: vec![Receipt { backend_id: "local".to_owned(), objects: 1, bytes: 1 }],
        retention: RetentionSummary { class: class.0.to_owned(), duration_seconds: class.1 },
        provenance: Labels::new(),
    };
    let mut bytes = Vec::new();
    write_manifest(&mut bytes, &header, entries.iter()).unwrap();
    bytes
}

const FOR_EVER: (&str, Option<u64>) = ("permanent-record", None);

fn file(path: &str, object: Digests) -> Entry {
    let path = EntryPath::new(path.as_bytes().to_vec()).unwrap();
    Entry::file(path, 0o644, object.blake3, object.sha256, object.size_bytes)
}

/// A root with these files as objects, an `astore.toml`, and nothing else.
fn remains(objects: &[&[u8]]) -> (tempfile::TempDir, PathBuf) {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    lose_log(&root);
    objects.iter().for_each(|bytes| put_object(&root, bytes));
    (place, root)
}

// --- both copies are lost ---

#[test]
fn when_both_copies_of_the_log_are_lost_the_packages_come_back() {
    // store-layout.md 19.12, 19.13
    let desk = Desk::without_store();
    desk.ok(["init", "--class", "nightly=14d"]);
    tree(&desk.path("doc"), &[("a", b"alpha"), ("d/b", b"beta"), ("d/e/", b"")]);
    let many: Vec<(String, Vec<u8>)> = (0..600).map(|n| (format!("many-{n}"), vec![1; n])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
    tree(&desk.path("large"), &many);
    desk.ok(["add", "--finalize", "doc"]);
    desk.ok(["add", "--finalize", "doc", "--meta", "again=yes"]);
    desk.ok(["add", "--finalize", "large", "--class", "nightly", "--mtime"]);
    desk.ok(["add", "--finalize", "large", "--name", "removed"]);
    desk.ok(["remove", "removed", "--reason", "nobody wants it"]);
    desk.ok(["add", "doc", "--name", "open"]);
    let kept = ["doc@1", "doc@2", "large@1", "removed@1"];
    let digests = |desk: &Desk| kept.map(|package| desk.ok(["manifest", "--digest", package]));
    let before = digests(&desk);
    desk.ok(["export", "doc@2", "before"]);
    let store_id = std::fs::read_to_string(desk.root().join("astore.toml")).unwrap();
    lose_log(&desk.root());

    for command in [&["list"][..], &["verify"], &["recover"], &["add", "doc"]] {
        let said = desk.run(command);
        assert_eq!(said.code, 4, "{command:?}: {said:?}");
        assert!(said.err.contains("recover --from-objects"), "{command:?}: {said:?}");
    }
    let left = everything(&desk.root());
    let listed = desk.ok(["recover", "--from-objects"]);
    assert_eq!(desk.ok(["recover", "--from-objects", "--quiet"]), "doc@1\ndoc@2\nlarge@1\nremoved@1\n");
    let json: serde_json::Value =
        serde_json::from_str(&desk.ok(["recover", "--from-objects", "--json"])).unwrap();
    assert_eq!(json["begins_anew"], true);
    assert_eq!(json["claims"][2]["missing"], 0);
    assert_eq!(json["claims"][2]["class"], "nightly");
    assert!(everything(&desk.root()) == left, "whoever only looks changes nothing");
    for said in ["removed@1", "a removed package comes back", "open packages, pins and holds are gone"] {
        assert!(listed.contains(said), "no {said} in {listed}");
    }

    let said = desk.ok(["recover", "--from-objects", "--confirm"]);
    assert!(said.contains("4 packages imported as claims"), "{said}");
    assert_eq!(digests(&desk), before);
    assert_eq!(desk.ok(["list", "--quiet"]).lines().count(), 4);
    desk.expect(7, ["show", "open"]);
    desk.check_sound();
    desk.ok(["export", "doc@2", "after"]);
    assert!(everything(&desk.path("before")) == everything(&desk.path("after")));
    assert_eq!(std::fs::read_to_string(desk.root().join("astore.toml")).unwrap(), store_id);
    for options in [&[][..], &["--from-log"]] {
        if let Some((code, text)) = reader::read(&desk.root(), options) {
            assert_eq!(code, 0, "{text}");
        }
    }
    // Versions go on where they were, and the class is there.
    assert_eq!(desk.ok(["add", "--finalize", "doc", "--quiet"]), "doc@3\n");
    assert_eq!(desk.ok(["add", "--finalize", "large", "--class", "nightly", "--quiet"]), "large@2\n");
    // Done again, there is nothing left to be done.
    let again = desk.ok(["recover", "--from-objects", "--confirm"]);
    assert!(again.contains("0 packages imported"), "{again}");
    desk.check_sound();
}

#[test]
fn when_the_name_of_the_store_is_lost_too_it_gets_a_new_one() {
    let desk = Desk::new();
    tree(&desk.path("doc"), &[("a", b"alpha")]);
    desk.ok(["add", "--finalize", "doc"]);
    let digest = desk.ok(["manifest", "--digest", "doc"]);
    lose_log(&desk.root());
    std::fs::remove_file(desk.root().join("astore.toml")).unwrap();
    for name in ["tmp", "reserve", "cache.db", "astore.lock", "astore.gate"] {
        let path = desk.root().join(name);
        drop(std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path)));
    }
    assert!(desk.run(["list"]).err.contains("recover"), "{:?}", desk.run(["list"]));
    let json = desk.ok(["recover", "--from-objects", "--confirm", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["begun"]["config_written"], true);
    let config = std::fs::read_to_string(desk.root().join("astore.toml")).unwrap();
    assert!(config.contains(json["begun"]["store_id"].as_str().unwrap()));
    assert_eq!(desk.ok(["manifest", "--digest", "doc"]), digest);
    desk.check_sound();
}

#[test]
fn what_is_no_database_and_no_log_is_put_aside() {
    let (_place, root) = remains(&[&manifest(1, "x", 1, FOR_EVER, &[])]);
    let garbage: [(&str, &[u8]); 3] = [
        ("astore.db", b"no database"),
        ("astore.db-wal", b"no WAL"),
        ("log/00000000000000000001.cborseq", b"\x81"),
    ];
    std::fs::create_dir(root.join("log")).unwrap();
    for (name, bytes) in garbage {
        std::fs::write(root.join(name), bytes).unwrap();
    }
    let report = import(&root).unwrap();
    assert_eq!(report.begun.unwrap().aside, ["astore.db.aside-1", "log.aside-1"]);
    for (name, aside) in garbage.iter().map(|(name, _)| *name).zip([
        "astore.db.aside-1",
        "astore.db.aside-1-wal",
        "log.aside-1/00000000000000000001.cborseq",
    ]) {
        let bytes = garbage.iter().find(|(garbage, _)| *garbage == name).unwrap().1;
        assert_eq!(std::fs::read(root.join(aside)).unwrap(), bytes, "nothing is thrown away");
    }
    check_sound(&root);
    // A log that holds events behind something else is not nothing: a person has to say that they are given up.
    let registry = open(&root, Access::Write).unwrap();
    registry.remove(&[reference("x")], "wanted no more").unwrap();
    drop(registry);
    let log = root.join("log/00000000000000000001.cborseq");
    let mut events = std::fs::read(&log).unwrap();
    events[10] ^= 1;
    std::fs::write(&log, &events).unwrap();
    std::fs::remove_file(root.join("astore.db")).unwrap();
    let before = everything(&root);
    for outcome in [import(&root).map(drop), claims(&root).map(drop)] {
        let refused = outcome.unwrap_err();
        assert!(matches!(refused, Error::Log(LogError::Damaged { .. }) | Error::Chain(_)), "{refused:?}");
    }
    let after = everything(&root);
    assert!(before == after, "{:?}", before.iter().zip(&after).find(|(one, other)| one != other));
    std::fs::rename(root.join("log"), root.join("log.given-up")).unwrap();
    assert_eq!(references(&import(&root).unwrap()), ["x@1"]);
}

#[test]
fn a_directory_without_manifests_becomes_no_store() {
    let place = fast_dir();
    assert_eq!(claims(&place.path().join("none")).unwrap_err().kind(), ErrorKind::NoStore);
    assert_eq!(claims(place.path()).unwrap_err().kind(), ErrorKind::NoStore);
    assert_eq!(import(place.path()).unwrap_err().kind(), ErrorKind::NoStore);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    let (_place, root) = remains(&[b"only bytes"]);
    assert_eq!(claims(&root).unwrap().unclaimed, (1, 10));
    assert!(matches!(import(&root), Err(Error::NothingClaimed { .. })));
    assert!(!root.join("astore.db").exists());
    // A format that this build does not know is refused before anything is touched.
    std::fs::write(root.join("astore.toml"), "format = 2\n").unwrap();
    let before = everything(&root);
    assert_eq!(import(&root).unwrap_err().kind(), ErrorKind::NoStore);
    assert_eq!(claims(&root).unwrap_err().kind(), ErrorKind::NoStore);
    assert!(everything(&root) == before);
}

#[test]
fn an_import_is_of_what_was_shown_or_of_nothing() {
    let (_place, root) = remains(&[&manifest(1, "x", 1, FOR_EVER, &[file("a", Digests::of(b"alpha"))])]);
    let shown = claims(&root).unwrap().digest();
    put_object(&root, b"alpha");
    assert_ne!(claims(&root).unwrap().digest(), shown, "what is missing is part of it");
    let changed = import_shown(&root, Some(shown)).unwrap_err();
    assert_eq!((changed.kind(), root.join("astore.db").exists()), (ErrorKind::PlanGone, false));
    let shown = claims(&root).unwrap().digest();
    assert_eq!(references(&import_shown(&root, Some(shown)).unwrap()), ["x@1"]);
}

// --- what is not there, or not as it should be ---

#[test]
fn a_package_of_which_objects_are_missing_or_damaged_is_there_and_its_objects_are_lost() {
    // store-layout.md 19.11
    let desk = Desk::new();
    let files: [(&str, &[u8]); 4] =
        [("gone", b"gone"), ("flipped", b"flipped"), ("short", b"short"), ("well", b"well")];
    tree(&desk.path("doc"), &files);
    desk.ok(["add", "--finalize", "doc"]);
    lose_log(&desk.root());
    let overwrite = |bytes: &[u8], with: &[u8]| {
        std::fs::remove_file(file_of(&desk.root(), bytes)).unwrap();
        std::fs::write(file_of(&desk.root(), bytes), with).unwrap();
    };
    std::fs::remove_file(file_of(&desk.root(), b"gone")).unwrap();
    overwrite(b"flipped", b"flopped");
    overwrite(b"short", b"sho");
    // By name and size, which is all that a list looks at.
    let listed = claims(&desk.root()).unwrap();
    assert_eq!((listed.claims[0].objects, listed.claims[0].missing), (4, 2));
    let said = desk.expect(4, ["recover", "--from-objects", "--confirm"]);
    for word in ["missing", "altered", "truncated", "3 objects of doc@1"] {
        assert!(said.contains(word), "no {word} in {said}");
    }
    for (_, bytes) in &files[..3] {
        let address = ContentAddress::new(Blake3::of(bytes)).to_string();
        desk.expect(4, ["explain", &address]);
    }
    assert_eq!(desk.ok(["cat", "doc:well"]), "well");
    // What verify has seen and what is added again is whole again.
    desk.expect(4, ["verify"]);
    desk.ok(["add", "--finalize", "doc", "--no-cache"]);
    desk.check_sound();
    desk.ok(["export", "doc@1", "out"]);
}

#[test]
fn a_manifest_that_was_damaged_is_named() {
    let desk = Desk::new();
    tree(&desk.path("doc"), &[("a", b"alpha")]);
    desk.ok(["add", "--finalize", "doc"]);
    desk.ok(["add", "--finalize", "doc"]);
    let lost = desk.ok(["manifest", "--digest", "doc@1"]).trim().to_owned();
    lose_log(&desk.root());
    let digest: ContentAddress = lost.parse().unwrap();
    let path = oracle::object_path(&desk.root(), digest.digest().as_bytes());
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let said = desk.expect(4, ["recover", "--from-objects", "--confirm"]);
    assert!(said.contains(&format!("damaged: {lost}")), "{said}");
    assert_eq!(desk.ok(["list", "--quiet"]), "doc@2\n");
}

// --- claims that contradict each other, or the log ---

#[test]
fn of_two_claims_of_one_name_and_version_the_first_counts_and_the_other_is_named() {
    // store-layout.md 19.10
    let objects = [
        manifest(2, "x", 1, FOR_EVER, &[file("b", Digests::of(b"beta"))]),
        manifest(1, "x", 1, FOR_EVER, &[file("a", Digests::of(b"alpha"))]),
        manifest(3, "x", 2, FOR_EVER, &[]),
        // Of one package: its version was taken when it was to be recorded.
        manifest(4, "x", 2, FOR_EVER, &[]),
        manifest(4, "x", 3, FOR_EVER, &[]),
    ];
    let mut all: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
    all.extend([&b"alpha"[..], b"beta"]);
    let (_place, root) = remains(&all);
    let listed = claims(&root).unwrap();
    let standing: Vec<_> = listed.claims.iter().map(|c| (c.reference(), c.standing.clone())).collect();
    let later = ContentAddress::new(Blake3::of(&objects[4]));
    assert_eq!(
        standing,
        [
            ("x@1".to_owned(), ClaimStanding::Importable),
            ("x@1".to_owned(), ClaimStanding::VersionTaken { by: Uuid::from_u128(1) }),
            ("x@2".to_owned(), ClaimStanding::Importable),
            ("x@2".to_owned(), ClaimStanding::Superseded { by: later }),
            ("x@3".to_owned(), ClaimStanding::Importable),
        ]
    );
    let report = import(&root).unwrap();
    assert_eq!(references(&report), ["x@1", "x@2", "x@3"]);
    assert_eq!(packages(&root)["x@1"], Some(Blake3::of(&objects[1])));
    // A second time, the log has taken the place.
    let again = claims(&root).unwrap();
    assert_eq!((again.begins_anew, again.known, again.claims.len()), (false, 4, 1));
    assert_eq!(again.claims[0].standing, ClaimStanding::VersionTaken { by: Uuid::from_u128(1) });
    assert_eq!(references(&import(&root).unwrap()), <[&str; 0]>::default());
    check_sound(&root);
}

/// A store keeps another store's objects as its own: that store's manifests are ordinary objects here.
#[test]
fn manifests_of_another_store_are_claims_like_any_other() {
    let desk = Desk::new();
    let theirs = Desk::new();
    tree(&theirs.path("doc"), &[("a", b"their alpha")]);
    theirs.ok(["add", "--finalize", "doc"]);
    theirs.ok(["add", "--finalize", "doc", "--name", "tool"]);
    tree(&desk.path("doc"), &[("a", b"our alpha")]);
    desk.ok(["add", "--finalize", "doc"]);
    desk.ok(["add", "--finalize", theirs.root().join("blake3").to_str().unwrap(), "--name", "mirror"]);
    let ours = desk.ok(["manifest", "--digest", "doc"]);
    // The log is whole: what it does not know are their packages, and doc@1 is ours.
    let listed = claims(&desk.root()).unwrap();
    let standing: Vec<_> =
        listed.claims.iter().map(|c| (c.reference(), c.standing == ClaimStanding::Importable)).collect();
    assert_eq!(standing, [("doc@1".to_owned(), false), ("tool@1".to_owned(), true)]);
    assert_eq!(listed.known, 2);
    desk.ok(["recover", "--from-objects", "--confirm"]);
    assert_eq!(desk.ok(["cat", "tool:a"]), "their alpha");
    assert_eq!(desk.ok(["cat", "doc:a"]), "our alpha");
    assert_eq!(desk.ok(["manifest", "--digest", "doc"]), ours);
    desk.check_sound();
}

#[test]
fn what_the_log_calls_purged_stays_purged() {
    // store-layout.md 19.11
    let desk = Desk::new();
    let theirs = manifest(1, "theirs", 1, FOR_EVER, &[file("a", Digests::of(b"wanted no more"))]);
    std::fs::write(desk.path("manifest"), &theirs).unwrap();
    std::fs::write(desk.path("file"), b"wanted no more").unwrap();
    desk.ok(["add", "--finalize", "manifest"]);
    desk.ok(["add", "--finalize", "file"]);
    desk.ok(["remove", "file", "--reason", "no more"]);
    desk.ok(["gc", "--confirm", "--min-age", "0s"]);
    let address = ContentAddress::new(Blake3::of(b"wanted no more")).to_string();
    desk.expect(11, ["explain", &address]);
    let said = desk.expect(4, ["recover", "--from-objects", "--confirm"]);
    assert!(said.contains("not imported: theirs@1") && said.contains("purged"), "{said}");
    desk.expect(11, ["explain", &address]);
    // Added again it is there, and so may the package be.
    desk.ok(["add", "--finalize", "file"]);
    desk.ok(["recover", "--from-objects", "--confirm"]);
    assert_eq!(desk.ok(["cat", "theirs:a"]), "wanted no more");
    desk.check_sound();
}

/// What is lost, and how.
type Disaster<'a> = (&'a str, &'a dyn Fn(&Path));

#[test]
fn where_one_copy_of_the_log_is_left_recover_comes_first() {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let source = tree(&place.path().join("t"), &[("a", b"alpha")]);
    let registry = open(&root, Access::Write).unwrap();
    for name in ["x", "y"] {
        add(&registry, name, &source, Completion::Finalize).unwrap();
    }
    registry.remove(&[reference("x")], "gone").unwrap();
    drop(registry);
    put_object(&root, &manifest(1, "z", 1, FOR_EVER, &[file("a", Digests::of(b"alpha"))]));
    let lost: [Disaster<'_>; 4] = [
        ("nothing", &|_| {}),
        ("the database", &|root| std::fs::remove_file(root.join("astore.db")).unwrap()),
        ("log/", &|root| std::fs::remove_dir_all(root.join("log")).unwrap()),
        ("the database and the name", &|root| {
            std::fs::remove_file(root.join("astore.db")).unwrap();
            std::fs::remove_file(root.join("astore.toml")).unwrap();
        }),
    ];
    for (what, lose) in lost {
        let place = fast_dir();
        let root_here = place.path().join("store");
        copy_store(&root, &root_here);
        lose(&root_here);
        let listed = claims(&root_here).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((listed.begins_anew, listed.known, listed.claims.len()), (false, 2, 1), "{what}");
        let report = import(&root_here).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(references(&report), ["z@1"], "{what}");
        assert_eq!(report.recovered.is_some(), what.contains("database"), "{what}");
        assert!(report.begun.is_none());
        let seen = oracle::check_log(&root_here).unwrap();
        assert_eq!(seen.packages["x@1"], (true, true), "{what}: what was removed stays so");
        check_sound(&root_here);
    }
}

// --- hostile manifests ---

#[test]
fn a_manifest_that_lies_about_an_object_is_not_believed() {
    // store-layout.md 19.11
    let truth = Digests::of(b"alpha");
    let other = Digests::of(b"beta");
    let sha = Digests { sha256: other.sha256, ..truth };
    let size = Digests { size_bytes: 4, ..truth };
    let nowhere = Digests::of(b"not there");
    let liars = [
        manifest(1, "sha", 1, FOR_EVER, &[file("a", sha)]),
        manifest(2, "size", 1, FOR_EVER, &[file("a", size)]),
        manifest(3, "both", 1, FOR_EVER, &[file("a", truth), file("b", sha)]),
        // Nobody can tell which of these is right; the first one is believed.
        manifest(4, "first", 1, FOR_EVER, &[file("a", nowhere)]),
        manifest(5, "second", 1, FOR_EVER, &[file("a", Digests { sha256: other.sha256, ..nowhere })]),
        manifest(
            6,
            "within",
            1,
            FOR_EVER,
            &[file("a", nowhere), file("b", Digests { size_bytes: 1, ..nowhere })],
        ),
    ];
    let honest = manifest(9, "honest", 1, FOR_EVER, &[file("a", truth)]);
    let mut all: Vec<&[u8]> = liars.iter().map(Vec::as_slice).collect();
    all.extend([&honest[..], b"alpha"]);
    let (_place, root) = remains(&all);
    let report = import(&root).unwrap();
    assert_eq!(references(&report), ["first@1", "honest@1"], "{:?}", report.refused);
    assert_eq!(report.refused.len(), 5);
    assert_eq!(report.faults.len(), 1, "{:?}", report.faults);
    let registry = open(&root, Access::Read).unwrap();
    let request =
        VerifyRequest { depth: VerifyDepth::Both, record: Recorded::No, ..VerifyRequest::default() };
    let faults = registry.verify(&request, &Void).unwrap().faults;
    assert_eq!(faults.iter().map(|fault| fault.kind.as_str()).collect::<Vec<_>>(), ["missing"]);
    assert!(registry.replay_check(&Void).unwrap().differing.is_empty());
}

#[test]
fn manifests_at_the_limits_are_no_trouble_to_the_others() {
    // store-layout.md 12.4.3, 19.10, 19.12
    let huge = |n: u8| Digests { size_bytes: (1 << 53) - 1, ..Digests::of(&[n]) };
    let path = |n: u8| format!("{n:03}");
    let too_large: Vec<Entry> = (0..4).map(|n| file(&path(n), huge(n))).collect();
    let mut later = manifest(7, "later", 1, FOR_EVER, &[]);
    let at = later.windows(16).position(|window| window == b"manifest_version").unwrap() + 16;
    later[at] = 2;
    let mut nearly = manifest(8, "nearly", 1, FOR_EVER, &[]);
    nearly.push(0);
    let objects = [
        manifest(1, "last", (1 << 53) - 1, FOR_EVER, &[]),
        manifest(2, "large", 1, FOR_EVER, &too_large),
        manifest(3, "class", 1, ("no class at all", None), &[]),
        manifest(4, "week", 1, ("week", Some(604_800)), &[]),
        manifest(5, "week", 2, ("week", Some(9_999_999)), &[]),
        manifest(6, "forever", 1, ("transient", Some((1 << 53) - 1)), &[]),
        later.clone(),
        nearly,
    ];
    let all: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
    let (_place, root) = remains(&all);
    let report = import(&root).unwrap();
    assert_eq!(references(&report), ["last@9007199254740991", "week@1", "week@2", "forever@1"]);
    assert_eq!(report.claims.later, [ContentAddress::new(Blake3::of(&later))]);
    assert_eq!(report.claims.damaged, []);
    assert_eq!(report.begun.unwrap().disputed_classes, ["week"]);
    let standing: Vec<_> = report.claims.claims.iter().map(|claim| claim.standing.clone()).collect();
    assert!(standing.contains(&ClaimStanding::TooLarge) && standing.contains(&ClaimStanding::NoClass));
    check_sound(&root);
    let registry = open(&root, Access::Write).unwrap();
    let source = tree(&root.parent().unwrap().join("t"), &[("a", b"alpha")]);
    let full = add(&registry, "last", &source, Completion::Finalize).unwrap_err();
    assert!(!full.to_string().is_empty());
    assert_eq!(add(&registry, "week", &source, Completion::Finalize).unwrap().package.version, 3);
    // The longest of the claimed durations counts.
    drop(registry);
    let db = rusqlite::Connection::open(root.join("astore.db")).unwrap();
    let week = "SELECT duration_seconds FROM retention_classes WHERE name = 'week'";
    assert_eq!(db.query_row(week, [], |row| row.get::<_, i64>(0)).unwrap(), 9_999_999);
}

#[test]
fn so_many_classes_are_claimed_that_the_first_event_cannot_name_them() {
    let class = |n: u128| format!("{n:0>128}");
    let objects: Vec<Vec<u8>> =
        (1..=600).map(|n| manifest(n, "x", u64::try_from(n).unwrap(), (&class(n), None), &[])).collect();
    let all: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
    let (_place, root) = remains(&all);
    let report = import(&root).unwrap();
    assert!(report.imported.len() > 300, "{}", report.imported.len());
    assert_eq!(report.imported.len() + report.refused.len(), 600);
    check_sound(&root);
}

#[test]
fn files_in_the_wrong_place_claim_nothing() {
    let (_place, root) = remains(&[&manifest(1, "x", 1, FOR_EVER, &[])]);
    let other = manifest(2, "y", 1, FOR_EVER, &[]);
    let place = file_of(&root, &other);
    std::fs::create_dir_all(root.join("blake3/zz/00")).unwrap();
    std::fs::write(root.join("blake3/manifest"), &other).unwrap();
    std::fs::write(root.join("blake3/zz/00").join(place.file_name().unwrap()), &other).unwrap();
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(root.join("blake3/manifest"), &place).unwrap();
    let elsewhere = manifest(3, "z", 1, FOR_EVER, &[]);
    std::fs::write(root.join("elsewhere"), &elsewhere).unwrap();
    let hex = Blake3::of(&elsewhere).to_string();
    drop(std::fs::remove_dir_all(root.join("blake3").join(&hex[..2])));
    std::os::unix::fs::symlink(&root, root.join("blake3").join(&hex[..2])).unwrap();
    let listed = claims(&root).unwrap();
    assert!(listed.claims.iter().all(|claim| claim.name.as_str() == "x"), "{listed:?}");
}

/// As many entries as a shell with little memory has no room for at once.
#[test]
fn a_manifest_of_very_many_entries_is_listed_in_little_memory() {
    let (count, width): (u32, usize) = if is_slow_run() { (1_000_000, 100) } else { (50_000, 1000) };
    let desk = Desk::new();
    lose_log(&desk.root());
    let object = Digests::of(b"alpha");
    let entry = |n: u32| {
        let path = EntryPath::new(format!("{n:0>width$}").into_bytes()).unwrap();
        Entry::file(path, 0o644, object.blake3, object.sha256, object.size_bytes)
    };
    let entries: Vec<Entry> = (0..count).map(entry).collect();
    let bytes = manifest(1, "many", 1, FOR_EVER, &entries);
    drop(entries);
    let size = bytes.len();
    put_object(&desk.root(), &bytes);
    drop(bytes);
    let limit = size / 1024 * 4 / 5;
    let line =
        format!("ulimit -v {limit}; exec {} recover --from-objects --json", env!("CARGO_BIN_EXE_astore"));
    let output = std::process::Command::new("sh")
        .env_clear()
        .env("ASTORE_ROOT", desk.root())
        .args(["-c", &line])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["claims"][0]["files"], count);
    eprintln!("a manifest of {count} entries, {size} bytes, in {limit} KiB of address space");
}

// --- killed, and repeated ---

/// SQLite's files are not written through the disk; at each point of an operation they are copied whole.
const DATABASE: [&str; 4] = ["astore.db", "astore.db-wal", "astore.db.new", "astore.db.new-wal"];

/// What was there before the disaster, and what is left.
struct Stage {
    _place: tempfile::TempDir,
    root: PathBuf,
    packages: BTreeMap<String, Option<Blake3>>,
}

impl Stage {
    /// A store with three packages, one of them with a manifest too large for its event; log and database are lost.
    fn new(config_too: bool, large: bool) -> Self {
        let place = fast_dir();
        let root = place.path().join("store");
        init(&root);
        let registry = open(&root, Access::Write).unwrap();
        let small = tree(&place.path().join("small"), &[("a", b"alpha"), ("d/b", b"beta"), ("empty", b"")]);
        add(&registry, "x", &small, Completion::Finalize).unwrap();
        add(&registry, "x", &small, Completion::Finalize).unwrap();
        if large {
            let many: Vec<String> = (0..190).map(|n| format!("{n:0>250}")).collect();
            let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"same"[..])).collect();
            let large = tree(&place.path().join("large"), &many);
            add(&registry, "large", &large, Completion::Finalize).unwrap();
        }
        drop(registry);
        let packages = packages(&root);
        lose_log(&root);
        if config_too {
            std::fs::remove_file(root.join("astore.toml")).unwrap();
        }
        Self { _place: place, root, packages }
    }

    /// Everything is there: nothing is missing that was, and nothing is wrong.
    fn check(&self, root: &Path, at: &dyn Fn(&str) -> String) {
        assert_eq!(packages(root), self.packages, "{}", at("packages"));
        oracle::check_names(root).unwrap_or_else(|fault| panic!("{}", at(&fault)));
        oracle::check_log(root).unwrap_or_else(|fault| panic!("{}", at(&fault)));
        let registry =
            open(root, Access::Write).unwrap_or_else(|error| panic!("{}", at(&format!("{error:?}"))));
        let check = registry.replay_check(&Void).unwrap();
        assert!(check.differing.is_empty(), "{}", at("views"));
        let request = VerifyRequest { record: Recorded::No, ..VerifyRequest::default() };
        assert_eq!(registry.verify(&request, &Void).unwrap().faults, [], "{}", at("verify"));
    }
}

/// Two crashes that leave the same are one.
fn fingerprint(tree: &Tree) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for (path, node) in &tree.nodes {
        hasher.update(path.as_os_str().as_encoded_bytes()).update(b"\0");
        match node {
            Node::File { bytes, .. } => hasher.update(&(bytes.len() as u64).to_be_bytes()).update(bytes),
            Node::Directory { .. } | Node::Symlink { .. } => hasher.update(b"-"),
        };
    }
    *hasher.finalize().as_bytes()
}

/// A step, and whether a call is it.
type Step<'a> = (&'a str, &'a dyn Fn(&Call) -> bool);

/// What was there before is durable before the database is begun, and that before it has its name. No crash of the
/// sweep shows that: it takes what was there, and what SQLite wrote, for durable.
#[track_caller]
fn check_order(calls: &[Call]) {
    let new = Path::new("astore.db.new");
    let steps: [Step<'_>; 6] = [
        ("objects synced", &|call| matches!(call, Call::SyncAll)),
        ("database begun", &|call| matches!(call, Call::Create { path, .. } if path == new)),
        ("database synced", &|call| matches!(call, Call::SyncFile { path, .. } if path == new)),
        ("database named", &|call| matches!(call, Call::Rename { from, .. } if from == new)),
        ("name synced", &|call| matches!(call, Call::SyncDir { path } if path.as_os_str().is_empty())),
        ("log begun", &|call| matches!(call, Call::Create { path, .. } if path.starts_with("log"))),
    ];
    let mut at = 0;
    for (what, is) in steps {
        let found = calls[at..].iter().position(is);
        at += found.unwrap_or_else(|| panic!("no {what} after call {at}: {:#?}", &calls[at..]));
    }
    let first = calls.iter().position(|call| matches!(call, Call::Create { path, .. } if path == new));
    let synced = calls.iter().position(|call| matches!(call, Call::SyncAll));
    assert!(synced < first, "the database is begun before the objects are durable");
}

#[test]
fn an_import_that_is_stopped_anywhere_is_ended_by_the_next_one() {
    let seeds =
        std::env::var("ASTORE_TEST_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(6);
    for config_too in [false, true] {
        let stage = Stage::new(config_too, true);
        let before = Tree::take(&stage.root).unwrap();
        let trace = Arc::new(Trace::with_foreign(real_disk(&stage.root), &stage.root, &DATABASE));
        import_on(trace.clone(), &stage.root).unwrap();
        let calls = trace.take();
        check_order(&calls);
        let (mut seen, mut states, mut begun) = (BTreeSet::new(), 0, 0);
        for state in Crashes::of(&before, &calls, seeds) {
            states += 1;
            if !seen.insert(fingerprint(&state.tree)) {
                continue;
            }
            let at = |what: &str| {
                let call = calls.get(state.calls);
                format!(
                    "lost name {config_too}, after {} calls ({call:?}), {:?}: {what}",
                    state.calls, state.kind
                )
            };
            let place = fast_dir();
            let root = place.path().join("store");
            state.tree.write_to(&root).unwrap();
            oracle::check_names(&root).unwrap_or_else(|fault| panic!("{}", at(&fault)));
            let report = import(&root).unwrap_or_else(|error| panic!("{}", at(&format!("{error:?}"))));
            assert!(report.is_whole(), "{}", at(&format!("{report:?}")));
            begun += usize::from(report.begun.is_none());
            stage.check(&root, &at);
        }
        eprintln!(
            "{} calls, {states} crash states, {} of them different, {begun} with a log",
            calls.len(),
            seen.len()
        );
        assert!(seen.len() > 20 && begun > 5, "the sweep saw {} states, {begun} with a log", seen.len());
    }
}

#[test]
fn an_import_fails_clearly_or_succeeds() {
    for (config_too, reads) in [(false, false), (true, false), (false, true)] {
        // Reading an object fails like reading another: so few objects, or few of the reads.
        let step = if reads && !is_slow_run() { 7 } else { 1 };
        let stage = Stage::new(config_too, !reads);
        {
            let mut nth = 0;
            loop {
                let errno = [EIO, ENOSPC][nth % 2];
                let place = fast_dir();
                let root = place.path().join("store");
                copy_store(&stage.root, &root);
                let failed: Arc<Mutex<Option<Call>>> = Arc::default();
                let note = failed.clone();
                let watch = move |n: usize, call: &Call| {
                    if n == nth {
                        *note.lock().unwrap() = Some(call.clone());
                        return Err(io::Error::from_raw_os_error(errno));
                    }
                    Ok(())
                };
                let real = real_disk(&root);
                let disk = if reads { Observed::with_reads(real, watch) } else { Observed::new(real, watch) };
                let outcome = import_on(Arc::new(disk), &root);
                let hit = failed.lock().unwrap().take();
                let at = |what: &str| format!("call {nth}, {hit:?}, fails with {errno}: {what}");
                oracle::check_names(&root).unwrap_or_else(|fault| panic!("{}", at(&fault)));
                match &outcome {
                    Err(error) => {
                        let text = format!("{error:?}");
                        let told = [
                            format!("code: {errno},"),
                            format!("os error {errno})"),
                            "EarlierSyncFailed".to_owned(),
                        ];
                        let says = told.iter().any(|told| text.contains(told.as_str()));
                        assert!(says, "{}", at(&text));
                    }
                    // What a read that failed hid is told.
                    Ok(report) if hit.is_some() && !report.is_whole() => {}
                    Ok(report) => {
                        let hid = !report.claims.unreadable.is_empty();
                        assert!(hid || packages(&root) == stage.packages, "{}", at("packages"));
                    }
                }
                // The fault is gone; the same once more, and a verify that records what was lost in between.
                let again = import(&root).unwrap_or_else(|error| panic!("{}", at(&format!("{error:?}"))));
                assert!(again.is_whole(), "{}", at(&format!("{again:?}")));
                stage.check(&root, &at);
                if hit.is_none() {
                    assert!(outcome.unwrap().is_whole());
                    assert!(nth > 20, "only {nth} calls were seen");
                    eprintln!("{nth} calls failed, lost name {config_too}, reads {reads}");
                    break;
                }
                nth += step;
            }
        }
    }
}
