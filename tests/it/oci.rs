//! A release desk hands its packages to a registry and gets them back: as artifacts in OCI image layouts, which skopeo
//! copies, and nothing that was changed on the way is taken in.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::Digest as _;

use crate::support::cli::{Desk, Said, has, said};

/// Three thousand files of three hundred contents (skopeo's time grows with the square of the layers), and all that makes
/// a tree hard to carry.
fn hard_tree(desk: &Desk) -> PathBuf {
    let tree = desk.path("tree");
    for nth in 0..3000 {
        let directory = tree.join(format!("dir{}", nth % 30));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("file{nth}")), format!("content {}\n", nth % 300)).unwrap();
    }
    for name in [&b"new\nline"[..], b"not \xff UTF-8", b"back\\slash", b"\"quoted\"", b" "] {
        fs::write(tree.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    fs::write(tree.join("empty"), "").unwrap();
    fs::create_dir(tree.join("nothing in it")).unwrap();
    symlink("../outside", tree.join("dangling")).unwrap();
    fs::set_permissions(tree.join("empty"), fs::Permissions::from_mode(0o4750)).unwrap();
    fs::write(tree.join("long"), vec![7; (1 << 20) + 1]).unwrap();
    tree
}

fn skopeo(desk: &Desk, arguments: &[&str]) -> Said {
    let mut command = Command::new("skopeo");
    // It keeps notes about blobs: here, and not where the machine's own are.
    command.arg("--insecure-policy").args(arguments).env("HOME", desk.path("")).current_dir(desk.path(""));
    command.env("XDG_DATA_HOME", desk.path("notes")).env("_CONTAINERS_ROOTLESS_UID", "1000");
    said(command)
}

fn content_digest(desk: &Desk, reference: &str) -> String {
    let shown: serde_json::Value = serde_json::from_str(&desk.ok(["show", reference, "--json"])).unwrap();
    shown["package"]["content_digest"].as_str().unwrap().to_owned()
}

fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn files(layout: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = walkdir::WalkDir::new(layout)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
            (entry.path().strip_prefix(layout).unwrap().to_owned(), fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_layout_is_the_package_to_the_byte_and_back() {
    let desk = Desk::new();
    hard_tree(&desk);
    desk.ok(["add", "tree", "--name", "tree", "--mtime", "--meta", "commit=1a2b3c", "--finalize"]);
    let line = desk.ok(["export", "tree", "--oci", "layout"]);
    desk.ok(["export", "tree", "--oci", "again", "--link", "copy"]);
    let (layout, again) = (files(&desk.path("layout")), files(&desk.path("again")));
    assert!(layout == again, "the same package is the same layout");
    for (path, bytes) in &layout {
        if let Ok(name) = path.strip_prefix("blobs/sha256") {
            assert_eq!(name.to_str().unwrap(), sha256(bytes));
        }
    }
    assert!(line.starts_with("tree-1 sha256:"), "{line}");

    // Another store knows nothing of it.
    let other = Desk::new();
    fs::rename(desk.path("layout"), other.path("layout")).unwrap();
    other.ok(["add", "--oci", "layout", "--finalize", "--meta", "more=1"]);
    assert_eq!(content_digest(&other, "tree@1"), content_digest(&desk, "tree@1"));
    let shown = other.ok(["show", "tree@1"]);
    let manifest = desk.ok(["manifest", "tree", "--digest"]);
    for part in ["commit = 1a2b3c", "more = 1", "origin.package = tree@1", manifest.trim(), line[7..].trim()]
    {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    other.check_sound();
    // It is as it was, so nothing is new; and what an open package has may be joined by it.
    other.ok(["add", "--oci", "layout", "--finalize", "--if-changed"]);
    assert_eq!(other.ok(["list", "--quiet"]).lines().count(), 1);
    fs::write(other.path("note"), "of another hand").unwrap();
    other.ok(["add", "note", "--name", "joined"]);
    other.ok(["add", "--oci", "layout", "--package", "joined", "--tag", "tree-1"]);
    assert_eq!(
        other.ok(["files", "joined", "--quiet"]).lines().count(),
        other.ok(["files", "tree"]).lines().count() + 1
    );
}

#[test]
fn skopeo_copies_and_inspects_an_artifact() {
    if !has("skopeo") {
        eprintln!("skipped: there is no skopeo");
        return;
    }
    let desk = Desk::new();
    hard_tree(&desk);
    desk.ok(["add", "tree", "--name", "tree", "--finalize"]);
    let line = desk.ok(["export", "tree", "--oci", "layout"]);
    let raw = skopeo(&desk, &["inspect", "--raw", "oci:layout:tree-1"]).expect(0);
    assert_eq!(format!("tree-1 sha256:{}\n", sha256(raw.as_bytes())), line);
    // What it says of the whole it says of images only.
    let plain = skopeo(&desk, &["inspect", "oci:layout:tree-1"]);
    assert!(plain.code == 0 || plain.err.contains("artifact"), "{plain:?}");
    let config = skopeo(&desk, &["inspect", "--config", "--raw", "oci:layout:tree-1"]).expect(0);
    assert_eq!(config.trim_end(), desk.ok(["manifest", "tree", "--format", "json"]).trim_end());

    skopeo(&desk, &["copy", "--quiet", "oci:layout:tree-1", "oci:copied:tree-1"]).expect(0);
    skopeo(&desk, &["copy", "--quiet", "oci:copied:tree-1", "dir:plain"]).expect(0);
    skopeo(&desk, &["copy", "--quiet", "dir:plain", "oci:back:latest"]).expect(0);
    for layout in ["copied", "back"] {
        desk.ok(["add", "--oci", layout, "--name", layout, "--finalize"]);
        assert_eq!(content_digest(&desk, layout), content_digest(&desk, "tree"));
    }
    desk.check_sound();
}

#[test]
fn a_client_takes_the_tag_of_any_name() {
    let desk = Desk::new();
    fs::write(desk.path("file"), "x").unwrap();
    for (name, tag) in [("a.b-c_d", "a.b-c_d-1"), ("_a", "1"), ("a+b", "1"), ("a..b", "1"), ("a-", "1")] {
        desk.ok(["add", "file", "--name", name, "--finalize"]);
        let line = desk.ok(["export", name, "--oci", &format!("layout-{name}")]);
        assert_eq!(line.split(' ').next(), Some(tag), "{name}");
        if has("skopeo") {
            skopeo(&desk, &["inspect", "--raw", &format!("oci:layout-{name}:{tag}")]).expect(0);
        }
    }
}

#[test]
fn what_is_open_or_damaged_makes_no_artifact() {
    let desk = Desk::new();
    fs::write(desk.path("file"), "a file").unwrap();
    fs::write(desk.path("other"), "another").unwrap();
    desk.ok(["add", "file", "other", "--name", "two"]);
    let refused = desk.run(["export", "two", "--oci", "layout"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("two@1 is open; freeze it with 'astore finalize two@1'"), "{}", refused.err);
    desk.ok(["finalize", "two"]);
    let address = blake3::hash(b"a file").to_hex().to_string();
    let object = desk.root().join("blake3").join(&address[..2]).join(&address[2..4]).join(&address);
    fs::remove_file(object).unwrap();
    let damaged = desk.run(["export", "two", "--oci", "layout"]);
    assert_eq!((damaged.code, &*damaged.out), (4, ""));
    assert!(damaged.err.contains("not exported: file: missing"), "{}", damaged.err);
    assert!(damaged.err.contains("no artifact"), "{}", damaged.err);
    assert!(!desk.path("layout/oci-layout").exists() && !desk.path("layout/index.json").exists());
    let again = desk.run(["export", "two", "--oci", "layout"]);
    assert!(again.code == 2 && again.err.contains("layout is not empty"), "{again:?}");
}

/// A layout of two files, and one way to spoil it.
struct Spoiled {
    desk: Desk,
    layout: PathBuf,
}

impl Spoiled {
    fn new() -> Self {
        let desk = Desk::new();
        fs::write(desk.path("file"), "a file").unwrap();
        fs::write(desk.path("other"), "another").unwrap();
        desk.ok(["add", "file", "other", "--name", "two", "--finalize"]);
        desk.ok(["export", "two", "--oci", "layout"]);
        fs::rename(desk.root(), desk.path("elsewhere")).unwrap();
        desk.ok(["init"]);
        let layout = desk.path("layout");
        Self { desk, layout }
    }

    fn blob(&self, bytes: &[u8]) -> PathBuf {
        self.layout.join("blobs/sha256").join(sha256(bytes))
    }

    fn index(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.layout.join("index.json")).unwrap()).unwrap()
    }

    fn manifest(&self) -> Vec<u8> {
        let digest = self.index()["manifests"][0]["digest"].as_str().unwrap()[7..].to_owned();
        fs::read(self.layout.join("blobs/sha256").join(digest)).unwrap()
    }

    /// Puts another manifest in the place of the artifact's.
    fn set_manifest(&self, bytes: &[u8]) {
        fs::write(self.blob(bytes), bytes).unwrap();
        let mut index = self.index();
        index["manifests"][0]["digest"] = format!("sha256:{}", sha256(bytes)).into();
        index["manifests"][0]["size"] = bytes.len().into();
        fs::write(self.layout.join("index.json"), index.to_string()).unwrap();
    }

    fn edit_manifest(&self, edit: impl FnOnce(&mut serde_json::Value)) {
        let mut manifest = serde_json::from_slice(&self.manifest()).unwrap();
        edit(&mut manifest);
        self.set_manifest(manifest.to_string().as_bytes());
    }

    /// Puts another config in the place of the artifact's.
    fn edit_config(&self, edit: impl FnOnce(String) -> String) {
        let manifest: serde_json::Value = serde_json::from_slice(&self.manifest()).unwrap();
        let digest = manifest["config"]["digest"].as_str().unwrap()[7..].to_owned();
        let config = fs::read_to_string(self.layout.join("blobs/sha256").join(digest)).unwrap();
        let config = edit(config);
        fs::write(self.blob(config.as_bytes()), &config).unwrap();
        self.edit_manifest(|manifest| {
            manifest["config"]["digest"] = format!("sha256:{}", sha256(config.as_bytes())).into();
            manifest["config"]["size"] = config.len().into();
        });
    }

    /// It is refused in these words, and nothing is recorded.
    #[track_caller]
    fn refused(&self, code: i32, words: &str) {
        let refused = self.desk.run(["add", "--oci", "layout", "--finalize"]);
        assert_eq!(refused.code, code, "{}", refused.err);
        assert!(refused.err.contains(words), "{words} is not in {}", refused.err);
        assert_eq!(refused.err.lines().count(), 1, "{}", refused.err);
        let log = self.desk.ok(["log", "--json"]);
        assert_eq!(log.lines().count(), 1, "the store was made, and nothing came after that: {log}");
    }
}

#[test]
fn blobs_that_are_not_what_they_are_named_by_are_refused() {
    let spoiled = Spoiled::new();
    let blob = spoiled.blob(b"a file");
    fs::write(&blob, "a fail").unwrap();
    spoiled.refused(1, "its bytes have another SHA-256");
    fs::write(&blob, "a file that is longer").unwrap();
    spoiled.refused(1, "it has 21 bytes, and is said to have 6");
    fs::remove_file(&blob).unwrap();
    spoiled.refused(1, "No such file");
    fs::write(spoiled.desk.path("outside"), "a file").unwrap();
    symlink(spoiled.desk.path("outside"), &blob).unwrap();
    spoiled.refused(1, "it is a symlink");
    fs::remove_file(&blob).unwrap();
    fs::create_dir(&blob).unwrap();
    spoiled.refused(1, "it is a directory");
    fs::remove_dir(&blob).unwrap();
    fs::write(&blob, "a file").unwrap();
    let blobs = spoiled.layout.join("blobs");
    fs::rename(&blobs, spoiled.desk.path("blobs")).unwrap();
    symlink(spoiled.desk.path("blobs"), &blobs).unwrap();
    spoiled.refused(1, "cannot take in layout: blobs/sha256");
    fs::remove_file(&blobs).unwrap();
    fs::rename(spoiled.desk.path("blobs"), &blobs).unwrap();
    spoiled.desk.ok(["add", "--oci", "layout"]);
}

#[test]
fn documents_that_say_what_cannot_be_are_refused() {
    type Edit = fn(&Spoiled);
    let cases: [(Edit, &str); 13] = [
        (
            |s| s.edit_manifest(|m| m["layers"][0]["digest"] = "sha256:../../../../store/astore.db".into()),
            "is not sha256: and 64 digits",
        ),
        (|s| s.edit_manifest(|m| m["layers"][0]["size"] = 7.into()), "no layer is the file"),
        (
            |s| s.edit_manifest(|m| drop(m["layers"].as_array_mut().unwrap().pop())),
            "no layer is the file other",
        ),
        (
            |s| {
                s.edit_manifest(|m| {
                    let config = m["config"].clone();
                    m["layers"].as_array_mut().unwrap().push(config);
                });
            },
            "its manifest knows no such file",
        ),
        (
            |s| s.edit_manifest(|m| m["artifactType"] = "application/vnd.other".into()),
            "no package that astore exported; an image that others made becomes a directory",
        ),
        (|s| s.edit_manifest(|m| m["schemaVersion"] = 3.into()), "schema version 3"),
        (
            |s| {
                let twice = String::from_utf8(s.manifest()).unwrap().replacen('{', "{\"layers\":[],", 1);
                s.set_manifest(twice.as_bytes());
            },
            "duplicate field `layers`",
        ),
        (|s| s.set_manifest(b"{\"schemaVersion\":2,"), "EOF while parsing"),
        (|s| s.edit_config(|c| c.replace("\"package\"", " \"package\"")), "not the canonical JSON"),
        (|s| s.edit_config(|c| c.replace("\"path\":\"file\"", "\"path\":\"../x\"")), "it is no manifest"),
        (|s| s.edit_config(|c| c.replace("\"size\":6", "\"size\":5")), "it is no manifest"),
        (|s| fs::write(s.layout.join("index.json"), "{}").unwrap(), "missing field"),
        (
            |s| {
                let file = fs::File::create(s.layout.join("index.json")).unwrap();
                file.set_len(1 << 40).unwrap();
            },
            "no more than 16777216 are taken",
        ),
    ];
    for (edit, words) in cases {
        let spoiled = Spoiled::new();
        edit(&spoiled);
        spoiled.refused(1, words);
    }
    // A manifest that is said to be gigabytes, and is: nobody reads it.
    let spoiled = Spoiled::new();
    let manifest = spoiled.manifest();
    let file = fs::File::options().write(true).open(spoiled.blob(&manifest)).unwrap();
    file.set_len(3 << 30).unwrap();
    spoiled.refused(1, "no more than 1073741824 are taken");
}

#[test]
fn of_several_packages_one_is_named() {
    let spoiled = Spoiled::new();
    let mut index = spoiled.index();
    let mut other = index["manifests"][0].clone();
    let manifest = spoiled.manifest();
    spoiled.edit_manifest(|manifest| manifest["annotations"]["more"] = "x".into());
    index["manifests"][0] = spoiled.index()["manifests"][0].clone();
    other["annotations"]["org.opencontainers.image.ref.name"] = "other".into();
    assert_eq!(other["size"], manifest.len());
    index["manifests"].as_array_mut().unwrap().push(other);
    fs::write(spoiled.layout.join("index.json"), index.to_string()).unwrap();
    spoiled.refused(2, "it has several packages: two-1, other; --tag TAG says which one");
    let mistyped = spoiled.desk.run(["add", "--oci", "layout", "--tag", "no"]);
    assert!(mistyped.code == 2 && mistyped.err.contains("its tags are two-1, other"), "{}", mistyped.err);
    spoiled.desk.ok(["add", "--oci", "layout", "--tag", "other", "--finalize"]);
    // Together with anything else it is nothing.
    assert_eq!(spoiled.desk.run(["add", "--oci", "layout", "file"]).code, 2);
}
