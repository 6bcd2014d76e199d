//! Somebody at a terminal who has never seen it: what is printed fits the window, a mistake gets a suggestion, and
//! without a command astore says where one stands.

use std::fs::File;

use crate::support::cli::Desk;
use crate::support::store::tree;
use crate::support::terminal::at_terminal;

/// What a line takes on the screen: two columns for each character of the far east that is in these tests.
fn columns_of(line: &str) -> usize {
    line.chars().map(|character| if character >= '\u{2e80}' { 2 } else { 1 }).sum()
}

/// A desk with packages, pins, something removed, and long names.
fn desk() -> Desk {
    let desk = Desk::new();
    let long = "a-directory-with-quite-a-long-name/and-a-file-in-it-whose-name-is-longer-still.html";
    tree(
        &desk.path("doc"),
        &[("a", b"1"), (long, b"22"), ("漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字", b"3")],
    );
    desk.ok(["add", "doc", "--finalize", "--class", "transient"]);
    desk.ok(["add", "doc", "--name", "a-package-whose-name-is-as-long-as-names-get-in-most-places"]);
    tree(&desk.path("gone"), &[("g", b"gone")]);
    desk.ok(["add", "gone", "--finalize"]);
    desk.ok([
        "pin",
        "golden-and-not-to-be-touched",
        "doc",
        "--reason",
        "what the customer has had since last year",
    ]);
    desk.ok(["remove", "gone", "--reason", "a mistake that somebody made and somebody else found"]);
    desk
}

const COMMANDS: [&[&str]; 7] =
    [&["list", "--all"], &["files", "doc"], &["pins"], &["log"], &["stats"], &["gc", "--min-age", "0s"], &[]];

#[test]
fn everything_fits_the_window_and_a_pipe_gets_all_of_it() {
    let desk = desk();
    for arguments in COMMANDS {
        let mut piped = desk.command(arguments);
        piped.env("COLUMNS", "40");
        let piped = crate::support::cli::said(piped).expect(0);
        assert!(!piped.contains('…') && !piped.contains("ago\n"), "{piped}");
        for columns in [40, 80, 120] {
            let mut command = desk.command([&["--color", "never"], arguments].concat());
            command.env("LC_ALL", "C.UTF-8");
            let (code, seen) = at_terminal(command, columns);
            assert_eq!(code, 0, "{arguments:?}: {seen}");
            // What is to be copied is never cut: the name of a plan, a command, the root.
            let whole = |line: &str| {
                line.trim_start().starts_with("astore ")
                    || line.contains("--confirm=")
                    || line.contains(desk.root().to_str().unwrap())
                    || !line.contains(' ')
            };
            for line in seen.lines().filter(|line| !whole(line)) {
                assert!(columns_of(line) <= usize::from(columns), "{arguments:?} at {columns}: {line}");
            }
        }
    }
    let mut command = desk.command(["files", "doc"]);
    command.env("LC_ALL", "C.UTF-8").env("COLUMNS", "50");
    let (_, seen) = at_terminal(command, 120);
    assert!(seen.contains('…') && seen.lines().all(|line| columns_of(line) <= 50), "{seen}");
    let mut command = desk.command(["files", "doc"]);
    command.env("LC_ALL", "C");
    assert!(at_terminal(command, 50).1.contains("..."), "no dots where there may be no other characters");
}

#[test]
fn the_line_that_moves_never_wraps_and_quiet_has_none() {
    let desk = Desk::new();
    tree(&desk.path("doc"), &[("a", b"1")]);
    let lock = File::options().read(true).write(true).open(desk.root().join("astore.lock")).unwrap();
    fs2::FileExt::lock_exclusive(&lock).unwrap();
    let (code, seen) = at_terminal(desk.command(["add", "doc", "--wait", "1s"]), 24);
    assert_eq!(code, 6, "{seen}");
    let drawn: Vec<&str> =
        seen.split(['\r', '\n']).filter(|line| line.contains("waiting for the l")).collect();
    assert!(drawn.len() > 2, "nothing moved: {seen:?}");
    for line in drawn {
        let shown: String = line
            .split('\u{1b}')
            .map(|part| part.split_once(['K', 'J', 'A', 'B', 'm', 'l', 'h']).map_or(part, |(_, rest)| rest))
            .collect();
        assert!(columns_of(&shown) <= 24, "{line:?}");
    }
    for more in ["--quiet", "--json"] {
        let (code, seen) = at_terminal(desk.command(["add", "doc", "--wait", "1s", more]), 24);
        assert_eq!(code, 6, "{seen}");
        let whole = |line: &str| line.starts_with("astore: ") || line.starts_with("{\"schema\":");
        assert!(!seen.contains('\u{1b}') && seen.lines().all(whole), "{seen:?}");
    }
}

#[test]
fn without_a_command_one_learns_where_one_stands() {
    let desk = Desk::without_store();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = words(&desk.ok([""; 0]));
    assert!(
        said.contains("(by ASTORE_ROOT) holds no store is there yet next astore init make the store;"),
        "{said}"
    );
    let mut command = desk.command([""; 0]);
    command.env_remove("ASTORE_ROOT");
    let said = crate::support::cli::said(command).expect(0);
    assert!(
        words(&said)
            .contains("astore (the default) holds no store is there yet next astore add --finalize DIR"),
        "{said}"
    );
    assert!(!desk.path(".local").exists() && !desk.root().exists(), "asking makes nothing");

    desk.ok(["init"]);
    assert!(words(&desk.ok([""; 0])).contains("holds nothing yet verified never in full"));
    tree(&desk.path("doc"), &[("a", b"1")]);
    desk.ok(["add", "doc"]);
    let said = desk.ok([""; 0]);
    assert!(
        words(&said)
            .contains("holds 1 package (1 open), 1 object named so far newest doc@1, 1 B, made just now"),
        "{said}"
    );
    assert!(words(&said).contains("next astore verify read every stored byte again"), "{said}");
    assert!(words(&said).contains("astore finalize doc@1 freeze it"), "{said}");
    desk.ok(["finalize", "doc"]);
    desk.ok(["verify"]);
    desk.ok(["remove", "doc", "--reason", "r"]);
    let said = desk.ok(["--json"]);
    let status: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(status["schema"], "astore/status/v1");
    assert_eq!(status["root_from"], "ASTORE_ROOT");
    assert_eq!(status["let_go"], serde_json::json!([{ "reference": "doc@1", "reason": "removed" }]));
    assert_eq!(status["next"][0]["command"], "astore gc");
    assert_eq!(status["last_verify"]["faults"], 0);

    // Who names the root by option does so again; damage comes first, and does not change the exit code.
    let root = desk.root();
    for entry in walkdir::WalkDir::new(root.join("blake3")).into_iter().flatten() {
        if entry.file_type().is_file() {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    desk.expect(4, ["verify"]);
    let mut command = desk.command(["--root", root.to_str().unwrap()]);
    command.env_remove("ASTORE_ROOT");
    let said = crate::support::cli::said(command).expect(0);
    assert!(said.contains("(by --root)") && said.contains("concern: "), "{said}");
    assert!(said.contains(&format!("next\n  astore verify --root {}", root.display())), "{said}");
    // A store that cannot be opened says why, as everywhere.
    std::fs::write(root.join("astore.toml"), "format = 9").unwrap();
    let said = desk.run([""; 0]);
    assert_ne!(said.code, 0, "{said:?}");
    assert!(said.err.starts_with("astore: "), "{said:?}");
}

#[test]
fn who_mistypes_is_asked_what_was_meant() {
    let desk = desk();
    let asked = |arguments: &[&str]| {
        let said = desk.run(arguments);
        let (_, rest) = said.err.split_once("did you mean ").unwrap_or_else(|| panic!("{said:?}"));
        rest.split_once('?').unwrap().0.to_owned()
    };
    assert_eq!(asked(&["show", "dco"]), "doc");
    assert_eq!(asked(&["show", "DOC"]), "doc");
    assert_eq!(asked(&["export", "doc@7", "out"]), "doc@1");
    assert_eq!(asked(&["show", "dox@1"]), "doc@1");
    assert_eq!(asked(&["unpin", "golden-and-not-to-be-tuched"]), "golden-and-not-to-be-touched");
    assert_eq!(asked(&["add", "doc", "--class", "transcient"]), "transient");
    assert_eq!(asked(&["log", "--type", "package.finalised"]), "v1.package.finalized");
    for arguments in [&["show", "quite-another"][..], &["show", "./doc"], &["unpin", "x"]] {
        assert!(!desk.run(arguments).err.contains("did you mean"), "{arguments:?}");
    }
}

/// An export by reflink where there are none leaves nothing behind that its own advice would stumble over.
#[test]
fn an_export_that_cannot_share_blocks_can_be_tried_again() {
    let desk = Desk::new(); // in memory, where there are no reflinks
    tree(&desk.path("doc"), &[("a", b"some bytes")]);
    desk.ok(["add", "doc", "--finalize"]);
    let said = desk.run(["export", "doc", "out", "--link", "reflink"]);
    if said.code == 0 {
        return; // this file system has them
    }
    assert!(said.err.contains("--link auto copies where there are no reflinks"), "{said:?}");
    assert!(!said.err.contains("incomplete") && !desk.path("out").exists(), "{said:?}");
    desk.ok(["export", "doc", "out", "--link", "auto"]);
}
