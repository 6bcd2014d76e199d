//! A release desk says what the labels of a release have to be, and no release without them gets in.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::cli::{Desk, Said};
use crate::support::store::tree;

const RELEASE: &str = r#"{
  "type": "object",
  "required": ["commit", "build"],
  "properties": {
    "commit": {"type": "string", "pattern": "^[0-9a-f]{6,40}$"},
    "build": {"type": "integer", "minimum": 1},
    "signed": {"const": true}
  },
  "additionalProperties": false
}
"#;

fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("src"), &[("a", b"a")]);
    fs::write(desk.path("release.json"), RELEASE).unwrap();
    desk
}

fn with_release() -> Desk {
    let desk = desk();
    assert_eq!(desk.ok(["schema", "add", "release", "release.json"]), "release@1\n");
    desk
}

#[track_caller]
fn told(desk: &Desk, said: &Said) -> String {
    format!("{}{} {}", said.out, said.code, said.err.replace(desk.root().to_str().unwrap(), "STORE"))
}

fn labels(desk: &Desk, labels: &Value) {
    fs::write(desk.path("labels.json"), labels.to_string()).unwrap();
}

#[test]
fn labels_that_fit_their_schema_get_in() {
    let desk = with_release();
    labels(&desk, &json!({"commit": "1a2b3c", "build": 7, "signed": true}));
    let add = ["add", "src", "--finalize", "--schema", "release", "--meta-file", "labels.json"];
    desk.ok(add);
    assert_eq!(desk.fact("src", "schema"), "= release@1");
    assert_eq!(desk.fact("src", "build"), "= 7", "a number is kept as it is written");
    // An open package, too, and one whose content is known.
    desk.ok(["add", "src", "--schema", "release@1", "--meta-file", "labels.json"]);
    assert_eq!(desk.fact("src@2", "schema"), "= release@1");
    // What is remembered is the version that was used, whatever comes after it.
    fs::write(desk.path("looser.json"), "{}").unwrap();
    assert_eq!(desk.ok(["schema", "add", "release", "looser.json"]), "release@2\n");
    desk.ok(["add", "src", "--finalize", "--schema", "release", "--no-provenance"]);
    assert_eq!(desk.fact("src@3", "schema"), "= release@2");
    assert_eq!(desk.run(["add", "src", "--finalize", "--schema", "release@1"]).code, 2);
    desk.check_sound();
}

#[test]
fn labels_that_do_not_fit_leave_no_package() {
    let desk = with_release();
    let refused = |more: &[&str]| {
        let line = ["add", "src", "--finalize", "--schema", "release"];
        let said = desk.run(line.iter().chain(more));
        assert_eq!(desk.ok(["list", "--all"]), "", "nothing was added");
        told(&desk, &said)
    };
    assert_snapshot!(refused(&["--meta", "commit=1a2b3c"]), @"2 astore: the metadata does not fit the schema release@1: /build: is required; nothing was added; 'astore schema show' prints the schema (root STORE)");
    // A text is no number.
    assert_snapshot!(refused(&["--meta", "commit=1a2b3c", "--meta", "build=7"]), @r#"2 astore: the metadata does not fit the schema release@1: /build: "7" is not of type "integer"; nothing was added; 'astore schema show' prints the schema (root STORE)"#);
    labels(&desk, &json!({"commit": "master", "build": 0, "signed": false, "a/b": "x"}));
    assert_snapshot!(refused(&["--meta-file", "labels.json"]), @r#"
    2 astore: /build: 0 is less than the minimum of 1
    astore: /commit: "master" does not match "^[0-9a-f]{6,40}$"
    astore: /signed: true was expected
    astore: /a~1b: is not allowed
    astore: the metadata does not fit the schema release@1: /build: 0 is less than the minimum of 1 and 3 more; nothing was added; 'astore schema show' prints the schema (root STORE)
    "#);
    assert_snapshot!(refused(&["--meta-file", "labels.json", "--json"]).lines().count().to_string(), @"5");
    // Nothing is read before: not even what there is not.
    assert_snapshot!(told(&desk, &desk.run(["add", "none", "--schema", "release"])), @"
    2 astore: /commit: is required
    astore: /build: is required
    astore: the metadata does not fit the schema release@1: /commit: is required and 1 more; nothing was added; 'astore schema show' prints the schema (root STORE)
    ");
    assert_snapshot!(told(&desk, &desk.run(["add", "src", "--schema", "relaese"])), @r#"7 astore: no schema "relaese"; did you mean release? 'astore schema list' shows the schemas there are (root STORE)"#);
    assert_snapshot!(told(&desk, &desk.run(["add", "src", "--schema", "release@2"])), @r#"7 astore: no schema "release@2"; did you mean release? 'astore schema list' shows the schemas there are (root STORE)"#);
    assert_snapshot!(told(&desk, &desk.run(["add", "src", "--schema", "a b"])), @"2 astore: invalid value 'a b' for '--schema <NAME[@N]>': expected NAME or NAME@N, such as release or release@2; see 'astore add --help'");
    let both = ["add", "src", "--schema", "release", "--provenance", "schema=x"];
    assert_snapshot!(told(&desk, &desk.run(both)), @"2 astore: --schema and --provenance schema=… both say which schema it was; leave one out");
    desk.ok(["add", "src"]);
    let said = desk.run(["add", "src", "--package", "src", "--schema", "release"]);
    assert_eq!(said.code, 2, "{said:#?}");
    assert_eq!(desk.ok(["schema", "list", "-q"]), "release@1\n");
}

#[test]
fn more_than_ten_things_are_too_many_to_tell() {
    let desk = desk();
    fs::write(desk.path("no.json"), r#"{"additionalProperties": {"type": "integer"}}"#).unwrap();
    desk.ok(["schema", "add", "no", "no.json"]);
    let many: Vec<String> =
        (0..12).map(|number| format!("--meta=k{number:02}={}", "v".repeat(1000))).collect();
    let said = desk.run(["add", "src", "--schema", "no"].map(str::to_owned).iter().chain(&many));
    assert_eq!((said.code, said.err.lines().count()), (2, 11), "{said:#?}");
    assert!(said.err.lines().all(|line| line.len() < 600), "{said:#?}");
    assert!(said.err.starts_with("astore: /k00: "), "{said:#?}");
    assert!(said.err.contains(" and 11 more"), "{said:#?}");
}

#[test]
fn schemas_have_versions_and_stay_as_they_were() {
    let desk = with_release();
    assert_eq!(desk.ok(["schema", "show", "release"]), RELEASE);
    // The same again changes nothing.
    let head = desk.ok(["log", "-q"]);
    assert_snapshot!(told(&desk, &desk.run(["schema", "add", "release", "release.json"])), @"
    release@1
    0 astore: release@1 is the same schema already; nothing changed
    ");
    assert_eq!(desk.ok(["log", "-q"]), head);
    let odd = "\n{ \"title\" :\t\"two\" }";
    fs::write(desk.path("two.json"), odd).unwrap();
    assert_eq!(desk.ok(["schema", "add", "release", "two.json"]), "release@2\n");
    assert_eq!(desk.ok(["schema", "add", "release", "release.json"]), "release@3\n", "the newest is another");
    desk.ok(["schema", "add", "bare", "two.json"]);
    assert_eq!(desk.ok(["schema", "show", "release@2"]), odd);
    assert_eq!(desk.ok(["schema", "show", "release@1"]), RELEASE);
    assert_eq!(desk.ok(["schema", "list", "-q"]), "bare@1\nrelease@1\nrelease@2\nrelease@3\n");
    let listed = desk.ok(["schema", "list"]);
    let columns: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(columns[0], ["SCHEMA", "SIZE", "SINCE", "BY", "DIGEST"]);
    assert_eq!(columns[3][..3], ["release@2", "20", "B"]);
    let line = desk.ok(["schema", "list", "--json"]);
    let document: Value = serde_json::from_str(line.lines().nth(2).unwrap()).unwrap();
    assert_eq!((&document["reference"], &document["size"]), (&json!("release@2"), &json!(20)));
    assert_snapshot!(told(&desk, &desk.run(["schema", "show", "release@4"])), @r#"7 astore: no schema "release@4"; did you mean release? 'astore schema list' shows the schemas there are (root STORE)"#);
    assert_eq!(desk.run(["schema", "show", "release", "--json"]).code, 2);
    desk.check_sound();
}

/// A document that is too long for its event is an object, and a part of the log.
#[test]
fn a_long_schema_is_kept_through_gc_and_recover() {
    let desk = desk();
    let long = format!("{{\"title\": \"{}\"}}", "x".repeat(200_000));
    fs::write(desk.path("long.json"), &long).unwrap();
    desk.ok(["schema", "add", "long", "long.json"]);
    desk.ok(["gc", "--confirm", "--min-age", "0s"]);
    assert_eq!(desk.ok(["schema", "show", "long"]), long);
    fs::remove_file(desk.root().join("astore.db")).unwrap();
    desk.ok(["recover"]);
    assert_eq!(desk.ok(["schema", "show", "long@1"]), long);
    desk.ok(["add", "src", "--schema", "long"]);
    desk.check_sound();
}

#[test]
fn what_is_no_schema_is_refused() {
    let desk = desk();
    let refused = |document: &str| {
        fs::write(desk.path("s.json"), document).unwrap();
        told(&desk, &desk.run(["schema", "add", "s", "s.json"]))
    };
    assert_snapshot!(refused("{"), @"2 astore: cannot register s.json: the schema is no JSON: EOF while parsing an object at line 1 column 1 (root STORE)");
    assert_snapshot!(refused(r#"{"type": 7}"#), @"2 astore: cannot register s.json: the schema is no JSON Schema that stands by itself: /type: 7 is not valid under any of the schemas listed in the 'anyOf' keyword (root STORE)");
    assert_snapshot!(refused(r#"{"properties": {"a": {"$ref": "https://example.com/a.json"}}}"#), @"2 astore: cannot register s.json: the schema is no JSON Schema that stands by itself: Resource 'https://example.com/a.json' is not present in a registry and retrieving it failed: nothing is fetched (root STORE)");
    assert_snapshot!(refused(&format!("\"{}\"", "x".repeat(1_048_576))), @"2 astore: s.json is longer than 1.0 MiB, which is too long for a schema");
    assert_snapshot!(told(&desk, &desk.run(["schema", "add", "a b", "release.json"])), @"2 astore: invalid value 'a b' for '<NAME>': a name is 1 to 128 of the characters A-Z a-z 0-9 . _ + - and does not begin with '.', '+' or '-'; see 'astore schema --help'");
    assert_snapshot!(told(&desk, &desk.run(["schema", "add", "a", "none.json"])), @"1 astore: cannot read none.json: No such file or directory (os error 2)");
    assert_eq!(desk.ok(["schema", "list"]), "");
    assert_eq!(desk.ok(["log", "-q"]).lines().count(), 1, "a store that is as it was made");
}
