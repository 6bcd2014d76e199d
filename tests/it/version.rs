//! Somebody reports a defect and is asked which build it is: one line with `--version`, and the commit and the formats
//! with `--verbose` beside it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::cli::{Desk, has};

#[path = "../../build.rs"]
#[expect(clippy::print_stdout, reason = "this is how a build script answers")]
mod build;

#[test]
fn the_version_is_one_line_and_more_on_request() {
    let desk = Desk::without_store();
    let short = format!("astore {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(desk.ok(["--version"]), short);
    assert_eq!(desk.ok(["-V"]), short);
    for arguments in [["--version", "--verbose"], ["--verbose", "--version"], ["-V", "--verbose"]] {
        let said = desk.ok(arguments);
        let said = said.strip_prefix(&short).unwrap();
        let words: Vec<&str> = said.lines().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(words, ["commit", "store format", "event record", "manifest", "views", "sqlite"]);
        assert!(said.contains("\nstore format: 1\n") && said.contains("\nsqlite: 3."), "{said}");
    }
    for arguments in [&["--version", "--json"][..], &["--json", "-V"], &["--version", "--verbose", "--json"]]
    {
        let document: serde_json::Value = serde_json::from_str(&desk.ok(arguments)).unwrap();
        let known =
            ["schema", "version", "commit", "store_format", "event_record", "manifest", "views", "sqlite"];
        assert!(document.as_object().unwrap().keys().all(|key| known.contains(&&**key)), "{document}");
        assert_eq!(document["schema"], "astore/version/v1");
        assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(document["store_format"], 1);
        assert!(desk.ok(["--version", "--verbose"]).contains(document["sqlite"].as_str().unwrap()));
    }
    assert!(desk.run(["list", "--verbose"]).code == 2);
    let alone = desk.run(["--verbose", "stats"]);
    assert_eq!(alone.code, 2);
    assert!(alone.err.contains("--verbose goes with --version"), "{}", alone.err);
}

#[test]
fn the_commit_is_that_of_the_repository_or_of_the_packed_source() {
    if !has("git") {
        return;
    }
    let desk = Desk::without_store();
    let top = desk.path("source");
    fs::create_dir_all(top.join("inner")).unwrap();
    fs::write(top.join("file"), "1").unwrap();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(&top)
            .args(["-c", "user.name=a", "-c", "user.email=a@b.invalid"])
            .args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(build::of_git(&top), None);
    git(&["init", "--quiet"]);
    git(&["add", "file"]);
    git(&["commit", "--quiet", "--no-verify", "--message", "one"]);
    let commit = git(&["rev-parse", "HEAD"]);
    assert_eq!(build::of_git(&top), Some(commit.clone()));
    fs::write(top.join("file"), "2").unwrap();
    assert_eq!(build::of_git(&top), Some(format!("{commit}-dirty")));
    // A source that was unpacked inside of another repository says what it was packed from, or nothing.
    let inner = top.join("inner");
    assert_eq!(build::of_git(&inner), None);
    assert_eq!(build::of_package(&inner), None);
    let note = inner.join(".cargo_vcs_info.json");
    fs::write(&note, format!("{{\n  \"git\": {{\n    \"sha1\": \"{commit}\"\n  }}\n}}\n")).unwrap();
    assert_eq!(build::of_package(&inner), Some(commit));
    fs::write(&note, "{\"git\":{\"sha1\":\"$(id)\"}}").unwrap();
    assert_eq!(build::of_package(&inner), None);
}

/// What the manifest of the crate says is needed is what CI has.
#[test]
fn the_oldest_compiler_that_will_do_is_named_alike_everywhere() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let needed = env!("CARGO_PKG_RUST_VERSION");
    assert_eq!(needed.matches('.').count(), 1, "{needed}");
    for (path, words) in [
        ("README.md", format!("Rust toolchain ({needed} or later)")),
        ("docs/operator.md", format!("Rust {needed} or later")),
        (".ci/run", "step \"the oldest compiler that will do\"".to_owned()),
    ] {
        assert!(read(path).contains(&words), "{path} does not say {words:?}");
    }
}
