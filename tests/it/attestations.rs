//! Somebody states where a package came from, and others find that beside the package years later.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::cli::Desk;
use crate::support::store::tree;

fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("tool"), &[("bin/tool", b"tool"), ("LICENSE", b"do as you like")]);
    desk.ok(["add", "tool", "--finalize", "--meta", "commit=1a2b3c", "--class", "transient"]);
    desk
}

fn sha256(desk: &Desk, path: &str) -> String {
    let line = desk.ok(["files", "tool", "--json"]);
    let entries = line.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let entry = entries.into_iter().find(|entry| entry["path"] == path).unwrap();
    entry["sha256"].as_str().unwrap().to_owned()
}

fn statement(subject: &Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://example.com/reviewed/v1",
        "predicate": {"by": "ann"},
    })
}

/// Says that somebody attests this of the tool; returns what the command said.
fn attest(desk: &Desk, document: &Value) -> String {
    fs::write(desk.path("statement"), document.to_string()).unwrap();
    let said = desk.run(["attest", "tool", "statement", "-q"]);
    format!("{} {}{}", said.code, said.out, said.err.replace(desk.root().to_str().unwrap(), "STORE"))
}

#[test]
fn a_statement_is_kept_beside_its_package() {
    let desk = desk();
    let document = statement(&json!([
        {"name": "bin/tool", "digest": {"sha256": sha256(&desk, "bin/tool")}},
        {"name": "the same under another name", "digest": {"sha256": sha256(&desk, "bin/tool").to_uppercase()}},
        {"uri": "git+https://example.com", "digest": {"gitCommit": "00"}},
    ]));
    assert_eq!(attest(&desk, &document), "0 tool.attestation@1\n");
    assert_eq!(desk.ok(["cat", "tool.attestation:statement.json"]), document.to_string(), "byte for byte");
    let shown: Value = serde_json::from_str(&desk.ok(["show", "tool", "--json"])).unwrap();
    let listed =
        json!([{"reference": "tool.attestation@1", "predicate_type": "https://example.com/reviewed/v1"}]);
    assert_eq!(shown["attestations"], listed);
    assert!(
        desk.ok(["show", "tool"])
            .contains("  attestations\n    tool.attestation@1  https://example.com/reviewed/v1\n")
    );
    let beside: Value = serde_json::from_str(&desk.ok(["show", "tool.attestation", "--json"])).unwrap();
    assert_eq!(beside["metadata"]["attests"], shown["package"]["manifest_digest"]);
    assert_eq!(beside["package"]["class"], "transient", "it is wanted for as long as what it is about");
    assert_eq!(beside["provenance"]["source"], desk.path("statement").to_str().unwrap());

    // An envelope is kept as it is; what it holds is what is looked at.
    let envelope = json!({
        "payloadType": "application/vnd.in-toto+json",
        "payload": data_encoding::BASE64.encode(document.to_string().as_bytes()),
        "signatures": [{"keyid": "k", "sig": "bm90IGNoZWNrZWQ="}],
    });
    assert_eq!(attest(&desk, &envelope), "0 tool.attestation@2\n");
    assert_eq!(desk.ok(["cat", "tool.attestation@2:statement.json"]), envelope.to_string());
    // By the manifest, by BLAKE3; with a class of its own.
    let manifest = desk.ok(["manifest", "tool", "--digest"]);
    let by_manifest =
        statement(&json!([{"digest": {"blake3": manifest.trim().strip_prefix("blake3:").unwrap()}}]));
    fs::write(desk.path("statement"), by_manifest.to_string()).unwrap();
    desk.ok(["attest", "tool@1", "statement", "--class", "permanent-record"]);
    // It is about this version, and no other.
    desk.ok(["add", "tool", "--finalize"]);
    let of = |reference: &str| desk.ok(["show", reference]).matches("    tool.attestation@").count();
    assert_eq!((of("tool@1"), of("tool@2")), (3, 0));

    // Who removes the package hears of it; what is removed is no longer listed.
    desk.ok(["remove", "tool.attestation@1", "--reason", "r"]);
    assert_eq!(of("tool@1"), 2);
    let said = desk.run(["remove", "tool@1", "tool.attestation@2", "--reason", "r"]);
    assert!(said.err.contains("tool.attestation@3, which is about what was removed, stays"), "{said:#?}");
    assert!(!said.err.contains("tool.attestation@2,"), "{said:#?}");
    // Views made anew know it as well.
    fs::remove_file(desk.root().join("astore.db")).unwrap();
    desk.ok(["recover"]);
    assert_eq!(of("tool@1"), 1);
    desk.check_sound();
}

#[test]
fn a_statement_about_something_else_is_refused() {
    let desk = desk();
    let of_tool = sha256(&desk, "bin/tool");
    let refused = |subject: Value| {
        let said = attest(&desk, &statement(&subject));
        assert_eq!(desk.ok(["list", "-q"]), "tool@1\n");
        said
    };
    assert_snapshot!(refused(json!([{"name": "bin/tool", "digest": {"sha256": "00".repeat(32)}}])), @r#"2 astore: the statement is about "bin/tool", and no file of tool@1 has its digest (root STORE)"#);
    assert_snapshot!(refused(json!([{"name": "LICENSE", "digest": {"sha256": of_tool}}])), @r#"2 astore: the statement is about "LICENSE", and tool@1 has other bytes under that path (root STORE)"#);
    assert_snapshot!(refused(json!([{"name": "a", "digest": {"sha256": of_tool}}, {"name": "b", "digest": {"blake3": "11".repeat(32)}}])), @r#"2 astore: the statement is about "b", and no file of tool@1 has its digest (root STORE)"#);
    assert_snapshot!(refused(json!([{"name": "a", "digest": {"sha256": of_tool, "blake3": "11".repeat(32)}}])), @r#"2 astore: the statement is about "a", and no file of tool@1 has its digest (root STORE)"#);
    assert_snapshot!(refused(json!([{"name": "a", "digest": {"sha512": "00"}}])), @"2 astore: the statement names no subject by sha256 or blake3 (root STORE)");
    assert_snapshot!(refused(json!([{"name": "a", "digest": {"sha256": "00"}}])), @r#"2 astore: the statement names "a" by a sha256 that is not 64 hexadecimal digits (root STORE)"#);
    assert_snapshot!(attest(&desk, &json!({"hello": "world"})), @"2 astore: the statement is neither an in-toto statement, which has _type, nor a DSSE envelope, which has payloadType (root STORE)");
    let good = statement(&json!([{"name": "a", "digest": {"sha256": of_tool}}]));
    desk.ok(["add", "tool", "--name", "open"]);
    fs::write(desk.path("statement"), good.to_string()).unwrap();
    assert_eq!(desk.run(["attest", "open", "statement"]).code, 2);
    assert_eq!(desk.run(["attest", "none", "statement"]).code, 7);
    let long = "n".repeat(120);
    desk.ok(["add", "tool", "--finalize", "--name", &long]);
    let said = desk.run(["attest", &long, "statement"]);
    assert_eq!(said.code, 2, "{said:#?}");
    assert!(said.err.contains("would be longer than 128 bytes"), "{said:#?}");
    desk.ok(["remove", "tool", "--reason", "r"]);
    assert_eq!(desk.run(["attest", "tool@1", "statement"]).code, 2);
}

/// What a store says of its own package is a statement, which it takes back.
#[test]
fn a_manifest_is_a_statement_as_well() {
    let desk = desk();
    let printed = desk.ok(["manifest", "tool", "--format", "in-toto"]);
    assert_eq!(printed, desk.ok(["manifest", "tool", "--format", "in-toto"]));
    let said: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        said["subject"][1],
        json!({"name": "bin/tool", "digest": {"sha256": sha256(&desk, "bin/tool")}})
    );
    let predicate = &said["predicate"];
    assert_eq!(predicate["buildDefinition"]["externalParameters"], json!({"commit": "1a2b3c"}));
    assert_eq!(predicate["runDetails"]["builder"]["version"]["astore"], env!("CARGO_PKG_VERSION"));
    assert_eq!(attest(&desk, &said), "0 tool.attestation@1\n");
    let builder =
        ["--provenance", "builder=https://ci.example/7", "--provenance", "buildType=https://ci.example/make"];
    desk.ok(["add", "tool", "--finalize"].iter().chain(&builder));
    let said: Value = serde_json::from_str(&desk.ok(["manifest", "tool@2", "--format", "in-toto"])).unwrap();
    assert_eq!(said["predicate"]["runDetails"]["builder"]["id"], "https://ci.example/7");
    assert_eq!(said["predicate"]["buildDefinition"]["buildType"], "https://ci.example/make");
    // A name that JSON cannot say is left out; a package without files is stated about by its manifest.
    fs::write(desk.path("tool").join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "odd").unwrap();
    desk.ok(["add", "tool", "--finalize"]);
    let odd = desk.run(["manifest", "tool", "--format", "in-toto"]);
    assert_eq!((odd.code, odd.err.as_str()), (3, "astore: left out caf\\xe9: JSON cannot say this name\n"));
    fs::create_dir(desk.path("empty")).unwrap();
    desk.ok(["add", "empty", "--finalize"]);
    let said: Value = serde_json::from_str(&desk.ok(["manifest", "empty", "--format", "in-toto"])).unwrap();
    assert_eq!(said["subject"][0]["name"], "empty@1");
}

/// The bindings of in-toto itself take what we print: the statement, and SLSA's predicate with no field that it does not know.
#[test]
fn in_totos_own_bindings_take_our_statement() {
    const SCRIPT: &str = "
import json, sys
import google.protobuf.json_format as form
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
text = json.load(sys.stdin)
Statement.copy_from_pb(form.ParseDict(text, statement_pb2.Statement())).validate()
predicate = form.ParseDict(text['predicate'], provenance_pb2.Provenance())
assert predicate.build_definition.build_type and predicate.run_details.builder.id
print(len(text['subject']))
";
    let python = std::env::var("ASTORE_TEST_PYTHON").ok().filter(|path| !path.is_empty());
    let python = python.unwrap_or_else(|| "python3".to_owned());
    let has = Command::new(&python).args(["-c", "import in_toto_attestation"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} has no in_toto_attestation");
        return;
    }
    let desk = desk();
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    desk.ok(["add", docs, "--finalize", "--name", "source", "--meta", "k=\"\\\n"]);
    for (reference, subjects) in [
        ("tool", 2),
        (
            "source",
            walkdir::WalkDir::new(docs)
                .into_iter()
                .filter(|entry| entry.as_ref().unwrap().file_type().is_file())
                .count(),
        ),
    ] {
        fs::write(desk.path("statement"), desk.ok(["manifest", reference, "--format", "in-toto"])).unwrap();
        let input = fs::File::open(desk.path("statement")).unwrap();
        let output = Command::new(&python).args(["-c", SCRIPT]).stdin(input).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), subjects.to_string());
    }
}
