//! A program reads what every command says with `--json`, on both streams, and holds each line against its schema: in
//! good times, with odd names, with damage, and when nothing works.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use crate::support::cli::{Desk, Said};
use crate::support::gc::{begin_gc, later_event};
use crate::support::oracle::file_of;
use crate::support::store::tree;

#[path = "../../src/cli/output/json/testing/schemas.rs"]
#[allow(dead_code, reason = "the binary's own tests use the rest")]
mod files;

use files::Schemas;

/// A program at a desk, which understands documents and nothing else.
struct Program {
    desk: Desk,
    schemas: Schemas,
    seen: BTreeSet<String>,
}

/// What a command said, line by line.
struct Documents {
    out: Vec<Value>,
    err: Vec<Value>,
}

impl Program {
    fn new() -> Self {
        Self { desk: Desk::without_store(), schemas: Schemas::load(), seen: BTreeSet::new() }
    }

    /// Runs a command that must end with this code, and reads all that it says.
    #[track_caller]
    fn run(&mut self, code: i32, line: &[&str]) -> Documents {
        let said = self.desk.run([line, &["--json"]].concat());
        self.read(code, line, &said)
    }

    #[track_caller]
    fn read(&mut self, code: i32, line: &[&str], said: &Said) -> Documents {
        assert_eq!(said.code, code, "{line:?}: {said:#?}");
        let mut read = |text: &str| -> Vec<Value> {
            let documents = text.lines().map(serde_json::from_str);
            let documents: Result<Vec<Value>, _> = documents.collect();
            let documents = documents.unwrap_or_else(|error| panic!("{line:?}: {error}: {said:#?}"));
            for document in &documents {
                let name = self.schemas.check(document).unwrap_or_else(|wrong| panic!("{line:?}: {wrong}"));
                self.seen.insert(name.to_owned());
            }
            documents
        };
        let (out, err) = (read(&said.out), read(&said.err));
        let errors = err.iter().filter(|document| document["schema"] == "astore/error/v1").count();
        match code {
            0 => assert_eq!(errors, 0, "{line:?}: {said:#?}"),
            // A failure is told, unless the result itself says why.
            _ => assert!(errors == 1 || (errors == 0 && !out.is_empty()), "{line:?}: {said:#?}"),
        }
        if let Some(error) = err.iter().find(|document| document["schema"] == "astore/error/v1") {
            assert_eq!(error["exit"], code, "{line:?}");
        }
        Documents { out, err }
    }

    /// Runs a command that prints one document.
    #[track_caller]
    fn one(&mut self, code: i32, line: &[&str]) -> Value {
        let documents = self.run(code, line);
        let [document] = &documents.out[..] else { panic!("{line:?}: {} documents", documents.out.len()) };
        document.clone()
    }

    /// Runs a command that fails without a result.
    #[track_caller]
    fn error(&mut self, code: i32, line: &[&str]) -> Value {
        let documents = self.run(code, line);
        assert!(documents.out.is_empty(), "{line:?}: {:?}", documents.out);
        documents.err.last().unwrap_or_else(|| panic!("{line:?} says nothing")).clone()
    }
}

const LOST: &[u8] = b"what will be lost";
const GOING: &[u8] = b"what will go";

/// A tree with what a name and an entry can be.
fn odd_tree(desk: &Desk) {
    let at = desk.path("tree");
    tree(&at, &[("file", b"content"), ("beneath/lost", LOST), ("empty/", b"")]);
    fs::write(at.join(OsStr::from_bytes(b"caf\xe9\n")), "odd").unwrap();
    fs::set_permissions(at.join("file"), fs::Permissions::from_mode(0o4755)).unwrap();
    symlink(OsStr::from_bytes(b"../\xff"), at.join("link")).unwrap();
    symlink("file", at.join("plain")).unwrap();
    mknodat(CWD, at.join(OsStr::from_bytes(b"fifo\xff")), FileType::Fifo, Mode::RUSR, 0).unwrap();
}

fn packages(program: &mut Program) {
    assert!(program.one(0, &[])["store_id"].is_null(), "no store is there yet");
    let error = program.error(8, &["list"]);
    assert_eq!(
        (error["kind"].as_str(), error["hint"].as_str()),
        (Some("no-store"), Some("make one with 'astore init'"))
    );
    assert_eq!(error["root"], program.desk.root().to_str().unwrap());
    program.one(0, &["init"]);
    let again = program.run(0, &["init", "--class", "nightly=14d"]);
    assert_eq!((&again.out[0]["existed"], &again.err[0]["level"]), (&true.into(), &"warning".into()));
    odd_tree(&program.desk);
    let added =
        program.run(0, &["add", "tree", "--finalize", "--mtime", "--class", "transient", "--meta", "k=v"]);
    assert_eq!(
        (&added.err[0]["kind"], &added.err[0]["path_bytes"]),
        (&"skipped".into(), &"747265652f6669666fff".into())
    );
    program.one(0, &["add", "tree", "--finalize", "--if-changed", "--quiet", "--mtime"]);
    fs::write(program.desk.path("tree/file"), GOING).unwrap();
    program.one(0, &["add", "tree/file", "--name", "tree", "--finalize"]);
    program.one(0, &["add", "tree/beneath", "--name", "open"]);
    fs::write(program.desk.path("more"), "more").unwrap();
    program.one(0, &["add", "more", "--package", "open"]);
    assert_eq!(program.run(0, &["list"]).out.len(), 3);
    fs::write(program.desk.path("s.json"), r#"{"minProperties": 1}"#).unwrap();
    for is_new in [true, false] {
        assert_eq!(program.one(0, &["schema", "add", "s", "s.json"])["is_new"], is_new);
    }
    assert_eq!(program.run(0, &["schema", "list"]).out[0]["reference"], "s@1");
    program.error(2, &["add", "tree", "--schema", "s"]);
    let sha256 = program.run(0, &["files", "tree@2"]).out[0]["sha256"].clone();
    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": sha256}}],
        "predicateType": "p",
    });
    fs::write(program.desk.path("statement"), statement.to_string()).unwrap();
    assert_eq!(program.one(0, &["attest", "tree@2", "statement"])["attested"], "tree@2");
    assert_eq!(program.one(0, &["show", "tree@2"])["attestations"][0]["reference"], "tree.attestation@1");
    program.one(0, &["remove", "tree.attestation", "--reason", "r"]);
    let entries = program.run(0, &["files", "tree@1"]).out;
    assert!(entries.iter().any(|entry| entry["path_bytes"] == "636166e90a"), "{entries:?}");
    assert!(entries.iter().any(|entry| entry["target_bytes"] == "2e2e2fff"), "{entries:?}");
    for line in [
        &["show", "tree@1"][..],
        &["show", "open"],
        &["manifest", "tree@1"],
        &["manifest", "tree@1", "--digest"],
        &["diff", "tree@1", "tree@1"],
        &["explain", "tree@1:file"],
        &["explain", "./tree/file"],
        &["export", "tree@1", "--tar", "out.tar"],
        &["export", "tree@1", "--oci", "layout"],
        &["export", "tree@1", "out"],
        &["finalize", "open"],
        &["export", "open", "--bagit", "out-bag"],
    ] {
        program.one(0, line);
    }
    program.one(9, &["diff", "tree@1", "tree@2"]);
    program.one(9, &["diff", "tree@1", "./tree"]);
    program.one(7, &["explain", "blake3:00000000"]);
}

fn failures(program: &mut Program) {
    let error = program.error(2, &["remove", "tree", "--reason", "r"]);
    assert_eq!(error["candidates"], serde_json::json!(["tree@2", "tree@1"]), "{error}");
    assert_eq!(error["hint"], "name one of them");
    for (code, line) in [
        (2, &["show", "a", "b"][..]),
        (2, &["cat", "tree@1:file"]),
        (2, &["export", "tree@1", "out"]),
        (2, &["add", "--class", "no such", "tree/file"]),
        (7, &["show", "nobody"]),
        (7, &["unpin", "nobody"]),
        (1, &["add", "missing\n", "--name", "n"]),
        (5, &["gc", "--confirm=1-0-af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"]),
    ] {
        let told = program.error(code, line);
        // The same line as without it.
        let plain = program.desk.run(line);
        let refused = told["message"].as_str().unwrap().starts_with("--json does not apply");
        assert!(
            refused || plain.err == format!("astore: {}\n", told["message"].as_str().unwrap()),
            "{line:?}: {told}"
        );
    }
    let held = fs::File::options().write(true).open(program.desk.root().join("astore.lock")).unwrap();
    held.lock().unwrap();
    let busy = program.run(6, &["pin", "p", "tree@1", "--wait", "0s"]);
    assert!(busy.out.is_empty() && busy.err.iter().any(|document| document["kind"] == "busy"));
}

fn keeping(program: &mut Program) {
    let address = format!("blake3:{}", blake3::hash(GOING).to_hex());
    for line in [
        &["pin", "one", "tree@1"][..],
        &["pin", "two", &address, "--reason", "a\nreason"],
        &["pins"],
        &["retain", "tree@1", "--hold", "--reason", "case"],
        &["retain", "tree@1", "--class", "raw-evidence", "--reason", "case"],
        &["explain", &address],
        &["remove", "tree@1", "--reason", "r"],
        &["remove", "tree", "--keep", "1", "--dry-run"],
        &["pins"],
        &["show", "tree@1"],
        &["restore", "tree"],
        &["retain", "tree@1", "--release", "--reason", "closed"],
        &["unpin", "one"],
        &["gc", "--without", "tree@2"],
        &["unpin", "two"],
        &["remove", "tree@2", "--reason", "wrong"],
        &["gc"],
        &["gc", "--min-age", "0s"],
        &["gc", "--confirm", "--min-age", "0s", "--reason", "full"],
        &["show", "tree@2"],
        &["stats"],
    ] {
        program.one(0, line);
    }
    assert_eq!(program.one(11, &["explain", &address])["purge"]["outcome"], "deleted");
    assert_eq!(program.error(11, &["restore", "tree@2"])["kind"], "purged");
    // A gc that died, which the next one ends.
    program.one(0, &["add", "tree/beneath", "--name", "dying"]);
    program.one(0, &["remove", "dying", "--reason", "r"]);
    fs::write(program.desk.path("left"), "left behind").unwrap();
    program.one(0, &["add", "left", "--finalize"]);
    program.one(0, &["remove", "left", "--reason", "r"]);
    begin_gc(&program.desk.root(), &[b"left behind"]);
    let plan = program.run(0, &["gc", "--min-age", "0s"]);
    assert!(
        plan.out[0]["unfinished"][0].is_u64() && plan.err[0]["kind"] == "caught-up",
        "{plan}",
        plan = plan.out[0]
    );
    assert_eq!(program.one(11, &["explain", "left@1:left"])["purge"]["outcome"], "unfinished");
    let done = program.one(0, &["gc", "--confirm", "--min-age", "0s", "--accept-clock"]);
    assert_eq!(done["resumed"].as_array().map(Vec::len), Some(1), "{done}");
}

fn damage(program: &mut Program) {
    program.one(0, &["verify"]);
    program.one(0, &["health"]);
    assert!(program.one(0, &["verify", "--budget", "1h", "--max-age", "30d"])["part"].is_object());
    assert_eq!(program.one(12, &["verify", "--quick", "--max-age", "0s"])["overdue"]["max_age_seconds"], 0);
    fs::remove_file(file_of(&program.desk.root(), LOST)).unwrap();
    assert_eq!(program.one(4, &["explain", "tree@1:beneath/lost"])["fault"]["kind"], "missing");
    let verified = program.one(4, &["verify"]);
    assert_eq!(verified["faults"][0]["harms"][2]["path"], "beneath/lost", "{verified}");
    let exported = program.run(4, &["export", "tree@1", "again"]);
    assert_eq!(exported.err[0]["schema"], "astore/remark/v1");
    program.one(4, &["health"]);
    assert_eq!(program.one(4, &["verify", "--quick"])["sound"], false);
    assert_eq!(program.one(0, &[])["damage"], true);
    let healed = program.one(0, &["add", "tree/beneath", "--name", "healing", "--no-cache"]);
    assert_eq!(healed["healed"].as_array().map(Vec::len), Some(1), "{healed}");
    assert!(program.run(0, &["log"]).out.len() > 20);
    program.one(0, &["verify", "--both", "tree@1"]);
    program.one(0, &["replay", "--check"]);
    program.one(0, &["replay"]);
}

fn disasters(program: &mut Program) {
    let root = program.desk.root();
    fs::remove_file(root.join("astore.db")).unwrap();
    assert_eq!(program.error(4, &["list"])["kind"], "damage");
    fs::remove_file(root.join("astore.toml")).unwrap();
    program.one(0, &["recover"]);
    for name in ["astore.db", "astore.db-wal", "astore.db-shm"] {
        drop(fs::remove_file(root.join(name)));
    }
    fs::remove_dir_all(root.join("log")).unwrap();
    assert_eq!(program.one(0, &["recover", "--from-objects"])["confirmed"], false);
    let imported = program.one(4, &["recover", "--from-objects", "--confirm"]);
    assert!(imported["lost"][0].is_object(), "what was purged counts as lost now: {imported}");
    later_event(&root);
    let replayed = program.run(0, &["replay", "--check"]);
    assert_eq!(replayed.out[0]["skipped"][0]["count"], 1);
    assert_eq!(program.error(1, &["explain", "blake3:00000000"])["kind"], "failed");
    fs::write(root.join("log/00000000000000000001.cborseq"), "nothing").unwrap();
    let listed = program.run(0, &["list"]);
    assert_eq!(listed.err[0]["kind"], "log-astray", "{:?}", listed.err);
}

#[test]
fn every_line_of_every_command_is_what_its_schema_says() {
    let mut program = Program::new();
    program.one(0, &["--version"]);
    packages(&mut program);
    failures(&mut program);
    keeping(&mut program);
    damage(&mut program);
    disasters(&mut program);
    let all: BTreeSet<String> = program.schemas.names().map(str::to_owned).collect();
    let missed: Vec<&String> = all.difference(&program.seen).collect();
    assert!(missed.is_empty(), "no command said {missed:?}");
}
