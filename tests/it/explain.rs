//! Somebody holds a digest, a file or a path of a package, and wants to know what became of it: one of five
//! verdicts, the same by whatever name the bytes are called, and the story behind it.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use astore::disk::testing::{Call, Observed};
use astore::env::Env;
use astore::error::{Error, ErrorKind};
use astore::identity::{Blake3, Digests};
use astore::monitor::Void;
use astore::registry::report::{
    CatTarget, ClockTrust, Completion, ExplainDepth, ExplainReport, ExplainRequest, ExplainTarget,
    ExportRequest, LinkMode, Verdict,
};
use astore::registry::{Access, Registry};
use serde_json::Value;

use crate::support::cli::{Desk, Said};
use crate::support::gc::{self, later_event};
use crate::support::oracle::{file_of, object_path, put_object};
use crate::support::store::{add, fast_dir, init, open, options, real_disk, reference, tree};

const GONE: &[u8] = b"these bytes are let go";
const KEPT: &[u8] = b"these stay";
const LARGE: usize = (16 << 20) + 1;

fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
}

fn collect(root: &Path, env: Env, reason: Option<&str>) {
    let registry = Registry::open(root, options(Access::Alone), env, &Void).unwrap();
    gc::collect(&registry, gc::whatever(Duration::ZERO), reason, ClockTrust::Accepted).unwrap();
}

/// Every form in which a person can ask for the same bytes.
struct Forms {
    bytes: Vec<u8>,
    file: PathBuf,
    path: Option<&'static str>,
}

impl Forms {
    fn new(desk: &Desk, bytes: &[u8], path: Option<&'static str>) -> Self {
        let file = desk.path(format!("copy-{}", &Blake3::of(bytes).to_string()[..8]));
        fs::write(&file, bytes).unwrap();
        Self { bytes: bytes.to_vec(), file, path }
    }

    fn arguments(&self) -> Vec<OsString> {
        let Digests { blake3, sha256, .. } = Digests::of(&self.bytes);
        let (blake3, sha256) = (blake3.to_string(), sha256.to_string());
        let mut forms = vec![
            format!("blake3:{blake3}").into(),
            format!("blake3:{}", &blake3[..8]).into(),
            format!("sha256:{sha256}").into(),
            format!("sha256:{}", &sha256[..11]).into(),
            self.file.clone().into_os_string(),
            self.file.file_name().unwrap().to_owned(),
        ];
        forms.extend(self.path.map(OsString::from));
        forms
    }

    /// Every form has the same verdict, in the exit code, in the text, and in the document.
    #[track_caller]
    fn check(&self, desk: &Desk, code: i32, word: &str) {
        for form in self.arguments() {
            let asked = |options: &[&str]| {
                let options = options.iter().map(OsString::from);
                let line = [OsString::from("explain")].into_iter().chain(options).chain([form.clone()]);
                desk.run(line)
            };
            let text = asked(&[]);
            assert_eq!(text.code, code, "{form:?}: {text:?}");
            assert!(text.out.starts_with(&format!("{word}  ")), "{form:?}: {text:?}");
            assert_eq!(asked(&["--quiet"]).expect(code), format!("{word}\n"), "{form:?}");
            let document: Value = serde_json::from_str(&asked(&["--json"]).expect(code)).unwrap();
            assert_eq!(document["verdict"], word, "{form:?}");
        }
    }
}

/// A store with a package that stays, and one that was removed and collected.
fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("stays"), &[("kept", KEPT), ("again", KEPT), ("sub/kept", KEPT)]);
    tree(&desk.path("goes"), &[("gone", GONE), ("kept", KEPT)]);
    desk.ok(["add", "--finalize", "stays"]);
    desk.ok(["add", "--finalize", "goes"]);
    desk.ok(["remove", "goes", "--reason", "wrong\nbranch"]);
    desk
}

fn document(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap()
}

fn purge(desk: &Desk) {
    collect(&desk.root(), Env::system("op\u{1b}[31m@desk"), Some("disk\nfull"));
}

#[test]
fn every_name_of_the_same_bytes_has_the_same_verdict() {
    let desk = desk();
    let kept = Forms::new(&desk, KEPT, Some("stays:sub/kept"));
    let gone = Forms::new(&desk, GONE, Some("goes@1:gone"));
    let never = Forms::new(&desk, b"never seen", None);
    kept.check(&desk, 0, "present");
    gone.check(&desk, 0, "present");
    never.check(&desk, 7, "unknown");

    purge(&desk);
    kept.check(&desk, 0, "present");
    gone.check(&desk, 11, "purged");
    never.check(&desk, 7, "unknown");

    // A file that lies there all the same brings nothing back.
    put_object(&desk.root(), GONE);
    put_object(&desk.root(), b"never seen");
    gone.check(&desk, 11, "purged");
    never.check(&desk, 7, "unknown");
    let unknown = desk.run(["explain", "./copy-"]);
    assert_eq!(unknown.code, 1, "a file that is not there is no verdict: {unknown:?}");

    fs::remove_file(file_of(&desk.root(), KEPT)).unwrap();
    kept.check(&desk, 4, "lost");
    desk.ok(["add", "--finalize", "goes"]);
    kept.check(&desk, 0, "present");
    gone.check(&desk, 0, "present");
}

#[test]
fn a_present_object_tells_what_keeps_it() {
    let desk = desk();
    let said = desk.run(["explain", "goes@1:kept"]);
    let text = said.expect(0);
    for line in [
        "\n    stays@1  keeps it, never expires\n      again\n      kept\n      sub/kept\n",
        "\\nbranch\n      kept\n",
    ] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    assert!(!text.contains("nothing keeps it"), "{text}");

    let text = desk.ok(["explain", "goes@1:gone"]);
    let last = "nothing keeps it, since its package was removed: a confirmed gc may take it from 2";
    assert!(text.contains(last), "{text}");

    let manifest = desk.fact("goes@1", "manifest");
    let text = desk.ok(["explain", manifest.split(' ').next().unwrap()]);
    assert!(text.contains("keeps it: it is the manifest of goes@1, and never collected"), "{text}");
    assert!(!text.contains("nothing keeps it"), "{text}");
}

/// A gc that took a package as expired says so for good; when it expired, a broken view may have lost.
#[test]
fn what_a_gc_took_had_expired_by_then() {
    let desk = desk();
    let db = rusqlite::Connection::open(desk.root().join("astore.db")).unwrap();
    db.execute_batch("UPDATE retention_state SET expires_at = NULL, expired_sequence = 3").unwrap();
    let log = desk.ok(["log", "--json"]);
    let third: Value = serde_json::from_str(log.lines().nth(2).unwrap()).unwrap();
    let said = desk.run(["explain", "stays:kept", "--json"]);
    let packages = document(&said)["packages"].take();
    let package = &packages[1];
    assert_eq!(package["reference"], "stays@1");
    assert_eq!(package["gone"]["reason"], "expired");
    assert_eq!(package["gone"]["at"], third["created_at"]);
}

#[test]
fn a_purged_object_tells_who_when_and_why() {
    let desk = desk();
    purge(&desk);
    let said = desk.run(["explain", "goes@1:gone"]);
    let text = said.expect(11);
    for part in [
        "by op\\x1b[31m@desk, event 5",
        "\n  reason    disk\\nfull\n",
        "\n  why       its package was removed\n",
        "\n  file      deleted\n",
        "\n  was in\n    goes@1  removed ",
        "\nadding the same content again brings it back\n",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
    let json = document(&desk.run(["explain", "--json", "goes@1:gone"]));
    assert_eq!(json["purge"]["sequence"], 5);
    assert_eq!(json["purge"]["outcome"], "deleted");
    assert_eq!(json["purge"]["actor"], "op\u{1b}[31m@desk");

    // Whoever asks for the bytes gets the same answer in a line.
    let address = json["address"].as_str().unwrap();
    let plan = json["purge"]["plan"].as_str().unwrap();
    for line in [&["cat", "goes@1:gone"][..], &["cat", address], &["export", "goes@1", "out"]] {
        let said = desk.run(line);
        assert_eq!((said.code, said.out.as_str()), (11, ""), "{said:?}");
        assert_eq!(said.err.lines().count(), 1, "{said:?}");
        for part in [address, "op\\x1b[31m@desk", "event 5", plan, "its package was removed", "disk\\nfull"] {
            assert!(said.err.contains(part), "no {part:?} in {}", said.err);
        }
    }
    assert!(!desk.path("out").exists(), "nothing was begun");

    let stats: Value = serde_json::from_str(&desk.ok(["stats", "--json"])).unwrap();
    assert_eq!((&stats["purges"]["runs"], &stats["purges"]["objects"]), (&1.into(), &1.into()));
    assert_eq!(stats["purges"]["freed_bytes"], GONE.len());
    assert_eq!(stats["purges"]["last"]["reason"], "disk\nfull");
    assert!(desk.ok(["stats"]).contains("1 object by 1 gc, 22 B freed"));
    assert!(desk.fact("goes@1", "purged").starts_with("1 object (22 B), 2"));
    assert!(!desk.ok(["show", "stays"]).contains("purged"));
    let log = desk.ok(["log", "--type", "v1.gc.completed"]);
    assert!(log.ends_with("  deleted 1 object (22 B); begun by event 5\n"), "{log}");
}

#[test]
fn what_no_event_had_named_is_purged_too() {
    let desk = desk();
    let leftover = b"left by an add that died";
    put_object(&desk.root(), leftover);
    let address = Digests::of(leftover).address().to_string();
    let said = desk.run(["explain", &address]);
    assert_eq!(said.code, 7);
    assert!(said.out.contains("a file lies under its name, and no event names it"), "{said:?}");
    purge(&desk);
    for form in [&address[..], &address[..20]] {
        let text = desk.run(["explain", form]).expect(11);
        assert!(text.contains("why       no event had named it\n"), "{text}");
        let said = desk.run(["cat", form]);
        assert_eq!(said.code, 11, "{said:?}");
    }
    fs::write(desk.path("copy"), leftover).unwrap();
    desk.run(["explain", "copy"]).expect(11);
    // What is stored since is present, whatever was purged once.
    desk.ok(["add", "copy"]);
    desk.run(["explain", &address]).expect(0);
    assert_eq!(desk.ok(["cat", &address[..20]]).as_bytes(), leftover);
}

#[test]
fn a_long_object_is_read_when_that_is_asked_for() {
    let desk = Desk::new();
    let mut bytes = vec![7; LARGE];
    fs::write(desk.path("large"), &bytes).unwrap();
    desk.ok(["add", "--finalize", "large"]);
    let address = Digests::of(&bytes).address().to_string();
    let text = desk.ok(["explain", &address]);
    assert!(text.contains("its size in the store, not its bytes"), "{text}");
    assert!(desk.ok(["explain", "--read", &address]).contains("every byte"));

    let path = file_of(&desk.root(), &bytes);
    bytes[LARGE / 2] = 8;
    overwrite(&path, &bytes);
    assert!(desk.ok(["explain", &address]).contains("its size in the store"));
    let text = desk.run(["explain", "--read", &address]).expect(4);
    assert!(text.contains("fault     altered: found 16777217 bytes, blake3:"), "{text}");
    assert!(text.contains("\n  harms\n    large@1 "), "{text}");
    // Once a verify has found it, a look at its size is not enough.
    desk.run(["verify"]).expect(4);
    desk.run(["explain", &address]).expect(4);

    overwrite(&path, &bytes[..LARGE / 2]);
    let text = desk.run(["explain", &address]).expect(4);
    assert!(text.contains("truncated: expected 16777217 bytes, found 8388608"), "{text}");
    bytes[LARGE / 2] = 7;
    overwrite(&path, &bytes);
    let text = desk.ok(["explain", &address]);
    assert!(text.contains("note: a verify found it damaged (event 3); its file is whole now"), "{text}");
}

#[test]
fn what_was_taken_behind_the_stores_back_is_lost() {
    for (break_it, says) in [
        ((|path| fs::remove_file(path).unwrap()) as fn(&Path), "missing: no file stands there"),
        (|path| overwrite(path, b"these sway"), "altered: found 10 bytes, blake3:"),
        (|path| overwrite(path, b""), "truncated: expected 10 bytes, found 0"),
        (|path| overwrite(path, GONE), "misnamed: found blake3:"),
        (
            |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            },
            "not-a-file: found a directory",
        ),
    ] {
        let desk = desk();
        break_it(&file_of(&desk.root(), KEPT));
        let text = desk.run(["explain", "stays:kept"]).expect(4);
        assert!(text.contains(&format!("  fault     {says}")), "no {says:?} in {text}");
        assert!(text.ends_with("adding the same content again heals it\n"), "{text}");
    }
}

#[test]
fn an_argument_that_means_nothing_is_a_usage_error() {
    let desk = desk();
    fs::create_dir(desk.path("dir")).unwrap();
    let hex = Blake3::of(KEPT).to_string();
    for (argument, code, says) in [
        ("dir", 2, "dir is a directory"),
        (".", 2, "is a directory"),
        ("dir/", 2, "is a directory"),
        ("nothing", 2, "is no file, and neither REF:PATH nor an address"),
        ("", 2, "is no file"),
        (hex.as_str(), 2, "put blake3: or sha256: before it"),
        ("blake3:1234567", 2, "is no address"),
        ("blake3:xyz", 2, "is no address"),
        ("sha256:ABCDEF012345", 2, "is no address"),
        ("stays:", 2, "names no file of a package"),
        ("stays:../kept", 2, "names no file of a package"),
        ("stays:sub", 2, "is a directory, not a file"),
        ("stays:nothing", 7, "has no path"),
        ("nobody:kept", 7, "no package"),
        ("./nothing", 1, "nothing"),
        ("two words", 1, "two words"),
    ] {
        let said = desk.run(["explain", argument]);
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{argument}: {said:?}");
        assert_eq!(said.err.lines().count(), 1, "{argument}: {said:?}");
        assert!(said.err.contains(says), "{argument} says {}", said.err);
    }
    let said = desk.run(["explain", "blake3:00000000"]);
    assert_eq!((said.code, said.out.as_str()), (7, "unknown  blake3:00000000\nthe log never named it\n"));
}

#[test]
fn a_prefix_of_several_is_a_usage_error() {
    // Two of these agree in their first eight digits.
    let (one, other) = twins();
    let desk = Desk::new();
    tree(&desk.path("twins"), &[("one", &one)]);
    desk.ok(["add", "twins"]);
    let address = Digests::of(&one).address().to_string();
    assert!(desk.ok(["explain", &address[..15]]).starts_with("present"));
    put_object(&desk.root(), &other);
    purge(&desk);
    let said = desk.run(["explain", &address[..15]]);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    assert!(said.err.contains("begins several objects") && said.err.contains("give more digits"), "{said:?}");
    desk.run(["explain", &address[..20]]).expect(0);
}

/// Two contents whose addresses begin with the same eight digits.
fn twins() -> (Vec<u8>, Vec<u8>) {
    let mut seen = std::collections::HashMap::new();
    for number in 0_u32.. {
        let bytes = number.to_le_bytes();
        let digest = blake3::hash(&bytes);
        let begin: [u8; 4] = digest.as_bytes()[..4].try_into().unwrap();
        if let Some(other) = seen.insert(begin, number) {
            return (other.to_le_bytes().to_vec(), bytes.to_vec());
        }
    }
    unreachable!("the birthday comes within some hundred thousand")
}

#[test]
fn hostile_names_stay_on_their_line() {
    let desk = Desk::new();
    let names = [&b"a\nb"[..], b"\xff\xfe", b"\x1b[31mred", b"with:colon", b"-rf", b"blake3:00000000"];
    let directory = desk.path("odd");
    fs::create_dir(&directory).unwrap();
    for name in names {
        fs::write(directory.join(OsString::from_vec(name.to_vec())), KEPT).unwrap();
    }
    desk.ok(["add", "--finalize", "odd"]);
    for name in names {
        let of_package = OsString::from_vec([b"odd:", name].concat());
        let file = OsString::from_vec([b"odd/", name].concat());
        for form in [of_package, file] {
            let said = desk.run([OsString::from("explain"), form]);
            assert_eq!(said.code, 0, "{said:?}");
            assert_eq!(said.out.matches("\n      ").count(), names.len(), "{said:?}");
            assert!(!said.out.contains('\u{1b}'), "{said:?}");
        }
    }
    let json = document(&desk.run(["explain", "--json", "odd:with:colon"]));
    assert_eq!(json["packages"][0]["paths"].as_array().unwrap().len(), names.len());
    // In the directory itself, a name with a colon is a path of a package, until it has a slash.
    let said = desk.run(["explain", "odd/with:colon"]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn of_many_paths_the_first_are_named_and_the_document_has_all() {
    let desk = Desk::new();
    let names: Vec<String> = (0..50).map(|number| format!("f{number:02}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), KEPT)).collect();
    tree(&desk.path("many"), &files);
    desk.ok(["add", "--finalize", "many"]);
    desk.ok(["add", "--finalize", "many"]);
    desk.ok(["remove", "many@1", "--reason", "old"]);
    let text = desk.ok(["explain", "many:f00"]);
    assert_eq!(text.matches("\n      f").count(), 20, "{text}");
    assert!(text.contains("\n    many@2  keeps it"), "what keeps it comes first: {text}");
    assert!(text.contains("\n    and 80 more of the 100 paths in 2 packages\n"), "{text}");
    let json = document(&desk.run(["explain", "--json", "many:f00"]));
    let paths = |nth: usize| json["packages"][nth]["paths"].as_array().unwrap().len();
    assert_eq!((paths(0), paths(1)), (50, 50));
}

#[test]
fn nothing_is_called_lost_or_unknown_while_the_log_is_not_understood() {
    let desk = desk();
    purge(&desk);
    later_event(&desk.root());
    desk.ok(["list"]); // enters it
    desk.run(["explain", "stays:kept"]).expect(0);
    desk.run(["explain", "goes@1:gone"]).expect(11);
    fs::remove_file(file_of(&desk.root(), KEPT)).unwrap();
    for argument in ["stays:kept", "blake3:00000000", "nobody:x", "stays:nothing"] {
        let said = desk.run(["explain", argument]);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{argument}: {said:?}");
        assert!(said.err.contains("v1.object.evicted"), "{argument}: {said:?}");
    }
}

#[test]
fn nothing_is_called_lost_or_unknown_while_a_payload_is_not_to_be_had() {
    let desk = Desk::new();
    let names: Vec<String> = (0..700).map(|number| format!("{number:0100}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), KEPT)).collect();
    tree(&desk.path("wide"), &files);
    desk.ok(["add", "--finalize", "wide"]);
    let manifest = desk.fact("wide@1", "manifest");
    let hex = &manifest["blake3:".len()..][..64];
    let path = object_path(&desk.root(), blake3::Hash::from_hex(hex).unwrap().as_bytes());
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 65_536, "the manifest is no object: {}", bytes.len());
    desk.run(["explain", "blake3:00000000"]).expect(7);
    let mut altered = bytes.clone();
    altered[10] ^= 1;
    overwrite(&path, &altered);
    let said = desk.run(["explain", "blake3:00000000"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("of event 2 (v1.package.finalized of wide@1) cannot be read"), "{said:?}");
    let said = desk.run(["explain", &format!("blake3:{hex}")]);
    assert_eq!(said.code, 1, "that payload itself: {said:?}");
    desk.run(["explain", "wide:"]).expect(2);
    // A package that is removed has nothing more to keep.
    desk.ok(["remove", "wide", "--reason", "r"]);
    desk.run(["explain", "blake3:00000000"]).expect(7);
    desk.run(["explain", &format!("blake3:{hex}")]).expect(4);
}

fn explain(registry: &Registry, bytes: &[u8]) -> Result<ExplainReport, Error> {
    let target = ExplainTarget::Object(Digests::of(bytes).address().into());
    registry.explain(&ExplainRequest { target, depth: ExplainDepth::Short, paths_max: None }, &Void)
}

/// A removed package whose bytes a gc takes just when somebody opens the object's file.
fn raced(ask: impl FnOnce(&Registry, &Path)) {
    let place = fast_dir();
    let root = place.path().join("store");
    init(&root);
    let at = tree(&place.path().join("tree"), &[("gone", GONE)]);
    let writer = open(&root, Access::Write).unwrap();
    add(&writer, "app", &at, Completion::Finalize).unwrap();
    writer.remove(&[reference("app")], "r").unwrap();
    drop(writer);
    let (store, begun) = (root.clone(), AtomicBool::new(false));
    let disk = Observed::with_reads(real_disk(&root), move |_, call| {
        let path = file_of(Path::new(""), GONE);
        if matches!(call, Call::Open { path: opened } if *opened == path)
            && !begun.swap(true, Ordering::SeqCst)
        {
            collect(&store, crate::support::store::env(), Some("meanwhile"));
        }
        Ok(())
    });
    let env = crate::support::store::env();
    let registry = Registry::open_on(Arc::new(disk), &root, options(Access::Read), env, &Void).unwrap();
    ask(&registry, place.path());
}

#[test]
fn what_a_gc_takes_meanwhile_is_purged_and_no_damage() {
    raced(|registry, _| {
        let report = explain(registry, GONE).unwrap();
        assert_eq!(report.verdict, Verdict::Purged);
        assert_eq!(report.purge.unwrap().reason.as_deref(), Some("meanwhile"));
    });
    raced(|registry, _| {
        let target = CatTarget::Object(Digests::of(GONE).address().into());
        let error = registry.cat(&target, None, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Purged, "{error}");
    });
    raced(|registry, place| {
        let request = ExportRequest {
            reference: reference("app@1"),
            destination: place.join("out"),
            link: LinkMode::Copy,
            special_modes: false,
        };
        let error = registry.export(&request, &Void).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Purged, "{error}");
    });
}
