//! A monitor reads what the nightly jobs measured: a whole file at every moment, also of a night on which they failed,
//! and never one that cost anybody anything else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::cli::{Desk, said};
use crate::support::oracle::file_of;
use crate::support::prometheus::{Samples, read};
use crate::support::store::tree;

/// What stands in a file; it can be read by others, and nothing is left beside it.
#[track_caller]
fn metrics(file: &Path) -> Samples {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o644);
    for entry in fs::read_dir(file.parent().unwrap()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_string_lossy().starts_with(".astore-metrics"), "{name:?} is left");
    }
    read(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"))
}

/// The value of a metric that has no label of its own; all samples say which command and which store.
#[track_caller]
fn value(samples: &Samples, name: &str, command: &str, root: &Path) -> f64 {
    let labels = [("command", command.to_owned()), ("root", root.display().to_string())];
    let labels: BTreeMap<String, String> =
        labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for (name, found) in samples.keys() {
        assert!(labels.iter().all(|(label, value)| found.get(label) == Some(value)), "{name}: {found:?}");
    }
    *samples.get(&(name.to_owned(), labels)).unwrap_or_else(|| panic!("no {name} in {samples:?}"))
}

fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("tree"), &[("a", b"content"), ("b", b"more of it")]);
    desk
}

#[test]
fn each_command_leaves_a_file_that_says_what_it_said() {
    let desk = desk();
    let root = desk.root();
    let run = |command: &str, more: &[&str]| -> (Value, Samples) {
        let mut line = desk.command([&[command, "--json"], more].concat());
        line.env("ASTORE_METRICS_FILE", "astore-{command}.prom");
        let document = serde_json::from_str(&said(line).expect(0)).unwrap();
        (document, metrics(&desk.path(format!("astore-{command}.prom"))))
    };
    let agree = |(document, samples): &(Value, Samples), command: &str, pairs: &[(&str, &str)]| {
        for (pointer, name) in pairs {
            let said = document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {document}"));
            let said = said.as_f64().or(said.as_bool().map(|truth| if truth { 1.0 } else { 0.0 }));
            assert_eq!(said, Some(value(samples, name, command, &root)), "{command} {name}");
        }
        assert_eq!(value(samples, "astore_exit_code", command, &root), 0.0);
        assert!(value(samples, "astore_duration_seconds", command, &root) > 0.0);
        assert!(value(samples, "astore_end_timestamp_seconds", command, &root) > 1.7e9);
    };
    let added = [
        ("/files_hashed", "astore_add_hashed_files"),
        ("/objects_new", "astore_add_new_objects"),
        ("/bytes_new", "astore_add_new_bytes"),
        ("/package/bytes", "astore_add_package_bytes"),
        ("/unchanged", "astore_add_unchanged"),
    ];
    agree(&run("add", &["tree", "--finalize"]), "add", &added);
    let verified = [
        ("/objects", "astore_verify_objects"),
        ("/bytes", "astore_verify_bytes"),
        ("/head/sequence", "astore_events_total"),
    ];
    agree(&run("verify", &[]), "verify", &verified);
    let health = [("/free_bytes", "astore_health_free_bytes"), ("/writable", "astore_health_writable")];
    let found = run("health", &[]);
    // Somebody else may write to the same disk meanwhile, but not between the two ways of saying it.
    agree(&found, "health", &health);
    assert_eq!(value(&found.1, "astore_health_last_verify_faults", "health", &root), 0.0);
    desk.ok(["remove", "tree", "--reason", "r"]);
    let planned = run("gc", &["--min-age", "0s"]);
    agree(&planned, "gc", &[("/bytes", "astore_gc_collectable_bytes")]);
    assert!(value(&planned.1, "astore_gc_collectable_objects", "gc", &root) == 2.0);
    let collected = run("gc", &["--confirm", "--min-age", "0s"]);
    agree(
        &collected,
        "gc",
        &[("/freed/objects", "astore_gc_freed_objects"), ("/freed/bytes", "astore_gc_freed_bytes")],
    );
    let stats = [
        ("/objects", "astore_objects"),
        ("/object_bytes", "astore_object_bytes"),
        ("/purges/objects", "astore_purged_objects_total"),
        ("/events", "astore_events_total"),
    ];
    agree(&run("stats", &[]), "stats", &stats);
}

#[test]
fn a_bad_night_is_in_the_file_too() {
    let desk = desk();
    let (root, file) = (desk.root(), desk.path("m.prom"));
    desk.ok(["add", "tree", "--finalize"]);
    let option = ["--metrics-file", "m.prom"];
    let verify = [&["verify", "--quiet"], &option[..]].concat();
    desk.ok(&verify);
    fs::remove_file(file_of(&root, b"content")).unwrap();
    desk.expect(4, &verify);
    let found = metrics(&file);
    assert_eq!(value(&found, "astore_exit_code", "verify", &root), 4.0);
    assert_eq!(value(&found, "astore_verify_faults", "verify", &root), 1.0);
    // Without a result there is still the failure, and nothing of the night before.
    let held = fs::File::options().write(true).open(root.join("astore.lock")).unwrap();
    held.lock().unwrap();
    desk.expect(6, [&["gc", "--confirm", "--wait", "0s"], &option[..]].concat());
    let found = metrics(&file);
    assert_eq!(value(&found, "astore_exit_code", "gc", &root), 6.0);
    assert_eq!(found.len(), 4, "{found:?}");
    let nowhere = desk.path("no\n\"store\"\\");
    let line = ["health", "--root", nowhere.to_str().unwrap(), "--metrics-file", "m.prom"];
    desk.expect(8, line);
    assert_eq!(value(&metrics(&file), "astore_exit_code", "health", &nowhere), 8.0);
    // What makes no sense is no night.
    desk.expect(2, ["verify", "--frob", "--metrics-file", "other.prom"]);
    assert!(!desk.path("other.prom").exists());
}

#[test]
fn what_could_not_be_written_is_said_before_anything_is_done() {
    let desk = desk();
    for (file, why) in [
        ("nowhere/m.prom", "its directory: No such file"),
        ("store/astore.db", "it is inside the store"),
        ("store/new.prom", "it is inside the store"),
        ("tree", "it is no regular file"),
        ("/proc/self/fd/1", "it is no regular file"),
    ] {
        let before = fs::read(desk.root().join("astore.db")).unwrap();
        let told = desk.run(["add", "tree", "--metrics-file", file]);
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{file}: {told:?}");
        assert!(told.err.contains(why) && told.err.contains("--metrics-file"), "{file}: {told:?}");
        assert_eq!(fs::read(desk.root().join("astore.db")).unwrap(), before);
    }
    assert_eq!(desk.ok(["list", "--quiet"]), "");
    // A store that says so for everybody must not keep anybody from working.
    let config = desk.root().join("astore.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}[defaults]\nmetrics-file = \"/nowhere/{{command}}.prom\"\n")).unwrap();
    let told = desk.run(["add", "tree"]);
    assert_eq!((told.code, told.out.as_str()), (0, "tree@1\n"), "{told:?}");
    assert!(
        told.err
            .starts_with("astore: cannot write metrics to /nowhere/add.prom ([defaults] metrics-file in "),
        "{told:?}"
    );
    fs::write(&config, format!("{text}[defaults]\nmetrics-file = \"m.prom\"\n")).unwrap();
    let told = desk.run(["health"]);
    assert!(told.code == 2 && told.err.contains("is 'm.prom': expected an absolute path"), "{told:?}");
    assert_eq!(desk.ok(["list", "--quiet"]), "tree@1\n", "it measures nothing");
    let file = desk.path("m.prom");
    fs::write(&config, format!("{text}[defaults]\nmetrics-file = {:?}\n", file.to_str().unwrap())).unwrap();
    desk.ok(["health"]);
    assert_eq!(value(&metrics(&file), "astore_exit_code", "health", &desk.root()), 0.0);
}

#[test]
fn where_the_output_goes_no_file_is_put() {
    let desk = desk();
    let lines = desk.path("lines");
    fs::write(&lines, "kept\n").unwrap();
    let out = fs::OpenOptions::new().append(true).open(&lines).unwrap();
    let mut command = desk.command(["health", "--metrics-file", "/dev/stdout"]);
    let status = command.stdout(out).stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    assert_eq!(fs::read_to_string(&lines).unwrap(), "kept\n");
}

/// A file that no option names is that of the whole store: a look at a part must not say that all is well.
#[test]
fn a_part_does_not_stand_for_the_whole() {
    let desk = desk();
    desk.ok(["add", "tree", "--finalize"]);
    let file = desk.path("m.prom");
    let with = |line: &[&str]| {
        let mut command = desk.command(line);
        command.env("ASTORE_METRICS_FILE", &file);
        assert_eq!(said(command).code, 0, "{line:?}");
    };
    for line in [&["verify", "tree"][..], &["verify", "--quick"], &["gc", "--without", "tree"]] {
        with(line);
        assert!(!file.exists(), "{line:?}");
    }
    with(&["verify", "--budget", "1h"]);
    assert!(file.exists());
}
