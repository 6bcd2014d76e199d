//! A cron job verifies a large store a part each night, and is told when that is too little.

mod beside;
mod model;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::support::cli::Desk;
use crate::support::oracle;
use crate::support::store::tree;

/// A package of twenty files: with its manifest there are 21 objects.
fn store() -> Desk {
    let desk = Desk::new();
    let files: Vec<(String, Vec<u8>)> =
        (0..20).map(|number| (format!("{number}"), format!("content {number}").into_bytes())).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    tree(&desk.path("doc"), &files);
    desk.ok(["add", "doc", "--finalize"]);
    desk
}

#[track_caller]
fn night(desk: &Desk, code: i32, arguments: &[&str]) -> Value {
    let all = ["verify", "--json"].iter().chain(arguments);
    serde_json::from_str(&desk.expect(code, all)).expect("a document")
}

#[test]
fn nights_go_on_where_the_last_one_ended_and_begin_anew_after_the_end() {
    let desk = store();
    let mut next = json!(format!("blake3:{}", "0".repeat(64)));
    for (nth, objects) in [(1, 9), (2, 9), (3, 3)] {
        let document = night(&desk, 0, &["--sample", "42%"]);
        let part = &document["part"];
        assert_eq!((&document["objects"], &part["parts"]), (&json!(objects), &json!(nth)), "{document}");
        assert_eq!((&part["first"], &part["views_compared"]), (&next, &json!(nth == 1)), "{document}");
        assert_eq!(part["objects_left"], json!([12, 3, 0][nth - 1]), "{document}");
        assert_eq!(part["since"].is_null(), nth == 1, "{document}");
        next = part["next"].clone();
        // A pass that is not at its end is no full verify.
        assert_eq!(desk.ok(["health"]).contains("no full verify is recorded"), nth < 3);
    }
    assert_eq!(next, Value::Null);
    let health = desk.ok(["health"]);
    assert!(health.contains(", sound (in 3 parts since "), "{health}");
    let document: Value = serde_json::from_str(&desk.ok(["health", "--json"])).unwrap();
    assert_eq!(
        (&document["last_verify"]["parts"], &document["last_verify"]["faults"]),
        (&json!(3), &json!(0))
    );
    let said = desk.ok(["verify", "--budget", "0s"]);
    assert!(said.starts_with("part 1 of a pass: from blake3:00000000"), "{said}");
    assert!(said.contains("\nthe next run begins at blake3:") && said.contains(": 20 objects ("), "{said}");
    // Unrecorded, it was for nothing.
    let said = desk.ok(["verify", "--budget", "0s", "--no-record"]);
    assert!(said.starts_with("part 2 of a pass, begun "), "{said}");
    assert!(said.contains("\nthe next run begins where this one did: it is not recorded\n"), "{said}");
    assert!(desk.ok(["verify", "--budget", "0s"]).starts_with("part 2 of a pass, begun "));
    // Whichever ends first; and enough time is a pass.
    assert_eq!(night(&desk, 0, &["--sample", "10%", "--budget", "1h"])["objects"], 3);
    assert_eq!(night(&desk, 0, &["--sample", "100%", "--budget", "0s"])["objects"], 1);
    let document = night(&desk, 0, &["--budget", "52w", "--both", "--threads", "1"]);
    assert_eq!((&document["objects"], &document["part"]["next"]), (&json!(15), &Value::Null), "{document}");
    // A verify of everything is a pass of its own.
    desk.ok(["verify", "--sample", "1%"]);
    desk.ok(["verify"]);
    assert_eq!(night(&desk, 0, &["--budget", "0s"])["part"]["parts"], 1);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let desk = store();
    for arguments in [
        &["--budget", "1h", "--quick"][..],
        &["--sample", "5%", "--quick"],
        &["doc", "--budget", "1h"],
        &["doc", "--sample", "5%"],
        &["doc", "--max-age", "5d"],
        &["--sample", "0%"],
        &["--sample", "5"],
        &["--budget", "5"],
        &["--max-age", "month"],
    ] {
        desk.expect(2, ["verify"].iter().chain(arguments));
    }
}

/// Strays stand anywhere: between the keys of parts, beside them, above them. Each is found once a pass.
#[test]
fn a_pass_in_parts_finds_what_one_run_finds_and_each_thing_once() {
    let desk = store();
    let root = desk.root();
    for number in [3, 4, 11] {
        fs::remove_file(oracle::file_of(&root, format!("content {number}").as_bytes())).unwrap();
    }
    let shard = oracle::file_of(&root, b"content 7").parent().unwrap().to_owned();
    fs::write(shard.join("readme"), "stray").unwrap();
    fs::write(shard.parent().unwrap().join("XY"), "stray").unwrap();
    fs::create_dir_all(root.join("blake3/00/00")).unwrap();
    fs::write(root.join("blake3/00/00/first"), "stray").unwrap();
    fs::create_dir_all(root.join("blake3/ff/ff")).unwrap();
    fs::write(root.join(format!("blake3/ff/ff/{}", "f".repeat(64))), "under the last of all names").unwrap();
    // Beside the directories of the objects: no part's, so every run's.
    fs::write(root.join("blake3/beside"), "stray").unwrap();
    let subjects = |document: &Value| -> Vec<String> {
        let faults = document["faults"].as_array().unwrap().iter();
        faults.map(|fault| format!("{} {}", fault["kind"], fault["subject"])).collect()
    };
    let mut whole = subjects(&night(&desk, 4, &["--no-record"]));
    whole.sort();
    assert_eq!(whole.len(), 8, "{whole:?}");
    let (mut found, mut objects) = (Vec::new(), 0);
    for nth in 0.. {
        assert!(nth < 22, "it comes to no end: {found:?}");
        let document = night(&desk, 4, &["--budget", "0s"]);
        let beside = |subject: &String| nth > 0 && subject.ends_with("blake3/beside\"");
        found.extend(subjects(&document).into_iter().filter(|subject| !beside(subject)));
        objects += document["objects"].as_u64().unwrap();
        if document["part"]["next"].is_null() {
            break;
        }
    }
    found.sort();
    assert_eq!((found, objects), (whole, 21));
}

#[test]
fn the_debt_is_told_in_a_line_and_an_exit_code() {
    let desk = store();
    // Stored just now, and never read.
    let said = desk.ok(["verify", "--quick", "--max-age", "1d"]);
    assert!(said.contains("nothing is overdue: every object was read or stored within 24h\n"), "{said}");
    desk.ok(["verify", "--quick", "--quiet", "--max-age", "1d"]);
    let document = night(&desk, 12, &["--quick", "--max-age", "0s"]);
    let overdue = &document["overdue"];
    assert_eq!((&overdue["max_age_seconds"], &overdue["objects"]), (&json!(0), &json!(21)), "{document}");
    assert_eq!(document["sound"], true);
    let size = |address: &str| desk.ok(["cat", address]).len() as u64;
    assert!(size(overdue["oldest"]["address"].as_str().unwrap()) <= overdue["bytes"].as_u64().unwrap());
    let line = desk.expect(12, ["verify", "--quick", "--quiet", "--max-age", "0s"]);
    assert!(line.starts_with("overdue: 21 objects (") && line.ends_with("Z\n"), "{line}");
    assert!(line.contains(") not read within 0s, blake3:") && line.lines().count() == 1, "{line}");
    // Damage outranks it, and both are told.
    fs::remove_file(oracle::file_of(&desk.root(), b"content 5")).unwrap();
    let both = desk.expect(4, ["verify", "--quick", "--quiet", "--max-age", "0s"]);
    assert!(
        both.starts_with("missing blake3:") && both.lines().last().unwrap().starts_with("overdue: "),
        "{both}"
    );
}

/// Damage that an early night found is there in the later ones, until it is mended; then nobody has to wait for the
/// pass to come round.
#[test]
fn what_one_night_found_the_next_ones_remember() {
    let desk = store();
    let mut addresses: Vec<String> = desk
        .ok(["manifest", "doc", "--format", "b3sums"])
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    addresses.sort();
    let first: BTreeSet<&str> = addresses.iter().take(2).map(String::as_str).collect();
    for address in &first {
        let path = format!("blake3/{}/{}/{address}", &address[..2], &address[2..4]);
        fs::remove_file(desk.root().join(path)).unwrap();
    }
    let document = night(&desk, 4, &["--sample", "30%"]);
    assert_eq!((document["faults"].as_array().unwrap().len(), &document["on_record"]), (2, &json!([])));
    let document = night(&desk, 4, &["--sample", "30%"]);
    assert_eq!(document["faults"], json!([]));
    let on_record = document["on_record"].as_array().unwrap().iter();
    let named: BTreeSet<&str> =
        on_record.filter_map(|fault| fault["address"].as_str()?.strip_prefix("blake3:")).collect();
    assert_eq!(named, first);
    desk.expect(4, ["health"]);
    desk.ok(["add", "doc", "--name", "again", "--finalize"]);
    assert_eq!(night(&desk, 0, &["--sample", "30%"])["sound"], true);
    desk.ok(["health"]);
}

/// What stands among the objects is found by its part, and by the next full verify no more.
#[test]
fn health_says_what_takes_a_fault_off_the_record() {
    let desk = store();
    let stray = desk.root().join("blake3/stray");
    fs::write(&stray, "x").unwrap();
    desk.expect(4, ["verify"]);
    let said = desk.expect(4, ["health"]);
    assert!(said.contains("concern: faults that verifies found and none has found mended: 1; "), "{said}");
    assert!(said.contains("'astore verify'"), "{said}");
    fs::remove_file(&stray).unwrap();
    desk.expect(4, ["health"]);
    desk.ok(["verify"]);
    desk.ok(["health"]);
}
