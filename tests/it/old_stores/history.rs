//! What happened to the kept store: trees with everything odd in them, and a life in which each thing that a
//! version-1 store can do was done.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use astore::report::{
    AddRequest, AddSource, AddTarget, Completion, InitRequest, OnConflict, Reference, RetentionClass,
    VerifyRequest,
};
use astore::{Access, Env, OpenOptions, Registry, Timestamp, Void};

use crate::support::store::reference;

/// The trees that packages were made of: by name, and how many entries each has.
pub(super) const TREES: [(&str, u64); 4] = [("build", 7), ("odd", 11), ("first", 3), ("wide", 260)];

/// Makes a tree, the same one each time, at `place/name`.
pub(super) fn tree(place: &Path, name: &str) -> PathBuf {
    let at = place.join(name);
    fs::create_dir(&at).unwrap();
    match name {
        "build" => {
            directory(&at, b"bin", 0o755);
            file(&at, b"bin/tool", 0o755, b"#!/bin/sh\necho built\n");
            file(&at, b"bin/tool-again", 0o755, b"#!/bin/sh\necho built\n");
            directory(&at, b"lib", 0o755);
            directory(&at, b"lib/empty", 0o750);
            file(&at, b"lib/data", 0o644, &(0..=255).cycle().take(3000).collect::<Vec<u8>>());
            file(&at, b"log.txt", 0o644, b"ok\n");
        }
        "odd" => {
            let long = [b'n'; 255];
            file(&at, b"-rf", 0o644, b"dash\n");
            file(&at, b"a\nb", 0o600, b"newline\n");
            link(&at, b"absolute", b"/nowhere/at/all");
            link(&at, b"dangling", b"gone");
            directory(&at, b"dir\xff", 0o2755);
            file(&at, b"dir\xff/\xfe\xfd", 0o444, b"not UTF-8\n");
            file(&at, b"empty", 0o000, b"");
            link(&at, b"itself", b"itself");
            link(&at, b"link\xff", b"dir\xff/\xfe\xfd");
            file(&at, &long, 0o644, b"a name as long as can be\n");
            file(&at, b"setuid", 0o4755, b"mine\n");
        }
        "first" => {
            directory(&at, b"d", 0o700);
            file(&at, b"d/x", 0o640, b"x\n");
            file(&at, b"y", 0o640, b"y\n");
        }
        "second" => {
            // Displaces a directory by a file, and adds one.
            file(&at, b"d", 0o640, b"now a file\n");
            file(&at, b"z", 0o640, b"z\n");
        }
        "wide" => {
            // Long names of the same few bytes: a manifest of more than 64 KiB out of little.
            for n in 0..260 {
                let path = format!("{n:03}-{}", "w".repeat(160));
                file(&at, path.as_bytes(), 0o644, if n % 2 == 0 { b"even\n" } else { b"odd\n" });
            }
        }
        other => panic!("no tree {other}"),
    }
    at
}

fn within(at: &Path, path: &[u8]) -> PathBuf {
    at.join(OsStr::from_bytes(path))
}

fn directory(at: &Path, path: &[u8], mode: u32) {
    let path = within(at, path);
    fs::create_dir(&path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn file(at: &Path, path: &[u8], mode: u32, bytes: &[u8]) {
    let path = within(at, path);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn link(at: &Path, path: &[u8], target: &[u8]) {
    symlink(OsStr::from_bytes(target), within(at, path)).unwrap();
}

/// Gives everything in a tree without symlinks the same time, before 1970 and not on a whole second.
fn backdate(tree: &Path) {
    let time = SystemTime::UNIX_EPOCH - Duration::new(86_400, 250_000_000);
    for path in fs::read_dir(tree).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            backdate(&path);
        }
        File::open(path).unwrap().set_modified(time).unwrap();
    }
}

fn new(name: &str, tree: &Path, completion: Completion) -> AddRequest {
    let target = AddTarget::new_version(name.parse().unwrap());
    AddRequest::new(vec![AddSource::Path(tree.to_owned())], target, completion)
}

/// What is said of a package when it is added.
fn told(mut request: AddRequest, class: &str) -> AddRequest {
    let AddTarget::New { class: chosen, metadata, provenance, .. } = &mut request.target else {
        panic!("a new package")
    };
    *chosen = Some(class.to_owned());
    metadata.insert("branch".to_owned(), "main".to_owned());
    metadata.insert("é".to_owned(), "line\nbreak".to_owned());
    provenance.insert("builder".to_owned(), "machine 7".to_owned());
    request
}

/// Makes the store. Every instant and every id comes from a clock that repeats itself.
pub(super) fn make(root: &Path) {
    let place = tempfile::tempdir().unwrap();
    let [build, odd, first, second, wide] =
        ["build", "odd", "first", "second", "wide"].map(|name| tree(place.path(), name));
    let env = || Env::fixed("keeper@fixtures", Timestamp::from_micros(1_790_000_000_000_000), 1_000_003);
    let classes = vec![RetentionClass { name: "nightly".to_owned(), duration_seconds: Some(3 * 86_400) }];
    Registry::init(root, &InitRequest { classes, ..InitRequest::default() }, &env()).unwrap();

    let env = env();
    assert_ne!(env.random_id(), env.random_id(), "the first id is the store's");
    let options = OpenOptions::new(Access::Write, place.path());
    let mut store = Registry::open(root, options, env, &Void).unwrap();
    let add = |store: &Registry, request| store.add(request, &mut std::io::empty(), &Void).unwrap();

    // One tree under two names and in two versions; a third with times.
    let request = told(new("build", &build, Completion::Finalize), "nightly");
    add(&store, request);
    add(&store, new("mirror", &build, Completion::Finalize));
    add(&store, new("build", &build, Completion::Finalize));
    backdate(&build);
    add(&store, AddRequest { keep_mtime: true, ..new("build", &build, Completion::Finalize) });
    add(&store, new("odd", &odd, Completion::Finalize));

    // An open package that grows, one that is finalised later, and one whose entries are displaced.
    add(&store, new("open", &first, Completion::LeaveOpen));
    add(&store, new("later", &first, Completion::LeaveOpen));
    store.finalize(&reference("later"), &Void).unwrap();
    add(&store, new("displaced", &first, Completion::LeaveOpen));
    let target = AddTarget::Open { reference: reference("displaced"), on_conflict: OnConflict::Replace };
    add(&store, AddRequest::new(vec![AddSource::Path(second)], target, Completion::LeaveOpen));

    // Removed; removed and restored; several batches; a payload that is an object.
    store.remove(&[Reference("mirror@1".to_owned())], "the original will do").unwrap();
    store.remove(&[Reference("build@1".to_owned()), Reference("later".to_owned())], "a mistake").unwrap();
    store.restore(&reference("build@1")).unwrap();
    store.set_batch_files(1);
    add(&store, new("wide", &wide, Completion::Finalize));

    // Bytes that went missing are found missing, and healed by the next add.
    let hex = astore::Blake3::of(b"ok\n").to_string();
    fs::remove_file(root.join("blake3").join(&hex[..2]).join(&hex[2..4]).join(&hex)).unwrap();
    assert_eq!(store.verify(&VerifyRequest::default(), &Void).unwrap().faults.len(), 1);
    assert_eq!(add(&store, new("healed", &build, Completion::LeaveOpen)).healed.len(), 1);
    assert_eq!(store.verify(&VerifyRequest::default(), &Void).unwrap().faults.len(), 0);
}
