//! An operator whose astore is older than the store: it says so, and leaves everything as it is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use astore::views::VIEWS_VERSION;

use crate::support::cli::Desk;
use crate::support::store::tree;

/// Every command that opens a store, as one would type it. One that is missing here is found by its name.
const COMMANDS: [&[&str]; 33] = [
    &["init"],
    &["add", "doc", "--finalize"],
    &["finalize", "run"],
    &["manifest", "doc"],
    &["list"],
    &["show", "doc"],
    &["files", "doc"],
    &["diff", "doc", "run"],
    &["explain", "doc:a"],
    &["cat", "doc:a"],
    &["export", "doc", "out"],
    &["remove", "doc@1", "--reason", "r"],
    &["restore", "gone"],
    &["pin", "p", "doc"],
    &["unpin", "q"],
    &["pins"],
    &["retain", "doc", "--hold", "--reason", "r"],
    &["verify"],
    &["verify", "--no-record"],
    &["log"],
    &["replay"],
    &["replay", "--check"],
    &["recover"],
    &["recover", "--from-objects"],
    &["recover", "--from-objects", "--confirm", "--yes"],
    &["gc"],
    &["gc", "--confirm", "--min-age", "0s"],
    &["gc", "--without", "doc"],
    &["schema", "list"],
    &["schema", "add", "s", "doc/a"],
    &["attest", "doc", "doc/a"],
    &["stats"],
    &["health"],
];

/// Commands that open no store.
const WITHOUT_STORE: [&str; 3] = ["completions", "man", "help"];

fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("doc"), &[("a", b"a"), ("b", b"b")]);
    tree(&desk.path("run"), &[("a", b"a"), ("log", b"a log")]);
    desk.ok(["add", "doc", "--finalize"]);
    desk.ok(["add", "run"]);
    desk.ok(["add", "run", "--name", "gone"]);
    desk.ok(["remove", "gone", "--reason", "r"]);
    desk.ok(["pin", "q", "doc"]);
    desk
}

/// The names of the commands, as `help` tells them.
fn commands(desk: &Desk) -> Vec<String> {
    let help = desk.ok(["--help"]);
    let listed = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let listed = listed.take_while(|line| line.starts_with("  "));
    listed.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

/// Everything under a directory: what it is, when it was changed, and its bytes.
fn everything(root: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, u64, Vec<u8>)> {
    let each = walkdir::WalkDir::new(root).into_iter().map(|entry| {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        let bytes = if found.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        (entry.path().to_owned(), (found.mode(), found.mtime(), found.mtime_nsec(), found.ino(), bytes))
    });
    each.collect()
}

#[test]
fn every_command_that_opens_a_store_is_tried() {
    let desk = desk();
    let known: Vec<&str> = COMMANDS.iter().map(|words| words[0]).chain(WITHOUT_STORE).collect();
    let names = commands(&desk);
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(known.contains(&name.as_str()), "{name} is not tried on a newer store");
    }
}

#[test]
fn a_store_of_a_newer_format_is_left_as_it_is_by_every_command() {
    let desk = desk();
    let config = desk.root().join("astore.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("format = 1"));
    for (format, extra) in [("2", ""), ("99", "key = \"of a later build\"\n[table]\nx = 1\n")] {
        let newer = text.replace("format = 1", &format!("format = {format}")) + extra;
        fs::write(&config, newer).unwrap();
        // What later builds may have added, and what a reader or a writer of ours would touch.
        fs::write(desk.root().join("later"), "of a later build").unwrap();
        fs::create_dir_all(desk.root().join("tmp/dead")).unwrap();
        drop(fs::remove_file(desk.root().join("reserve")));
        let before = everything(&desk.root());
        for words in COMMANDS {
            let said = desk.run(words);
            assert_eq!(said.code, 8, "{words:?}: {said:#?}");
            assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{words:?}: {said:#?}");
            assert!(
                said.err
                    .contains(&format!("the store has format {format}, and this build knows format 1 only"))
                    && said.err.contains("use the newer astore that made it"),
                "{words:?}: {said:#?}"
            );
            assert!(everything(&desk.root()) == before, "{words:?} changed something");
            assert!(!desk.path("out").exists());
        }
    }
}

#[test]
fn a_format_that_is_no_number_is_damage_and_nothing_is_touched() {
    let desk = desk();
    let config = desk.root().join("astore.toml");
    let text = fs::read_to_string(&config).unwrap();
    let odd = [
        text.replace("format = 1", "format = \"1\""),
        text.replace("format = 1\n", ""),
        text.replace("format = 1", "format = -1"),
        text.replace("format = 1", "format = 0"),
        "format = 1\n".to_owned(),
        "not TOML at all".to_owned(),
        String::new(),
    ];
    for odd in odd {
        fs::write(&config, &odd).unwrap();
        let before = everything(&desk.root());
        for words in [&["add", "doc"][..], &["list"], &["log"], &["verify"], &["gc"], &["init"]] {
            let said = desk.run(words);
            assert!(matches!(said.code, 4 | 8), "{odd:?}, {words:?}: {said:#?}");
            assert_eq!(
                (said.out.as_str(), said.err.lines().count()),
                ("", 1),
                "{odd:?}, {words:?}: {said:#?}"
            );
            assert!(said.err.contains("astore.toml") || said.err.contains("format"), "{odd:?}: {said:#?}");
            assert!(everything(&desk.root()) == before, "{odd:?}: {words:?} changed something");
        }
    }
}

#[test]
fn newer_views_are_refused_by_everything_but_the_log() {
    let desk = desk();
    let db = rusqlite::Connection::open(desk.root().join("astore.db")).unwrap();
    let set = "UPDATE bookkeeping SET value = ?1 WHERE name = 'views_version'";
    db.execute(set, [i64::try_from(VIEWS_VERSION + 1).unwrap()]).unwrap();
    drop(db);
    // Their tables may be other ones.
    let facts = || {
        let db = rusqlite::Connection::open(desk.root().join("astore.db")).unwrap();
        let count = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let version = "SELECT value FROM bookkeeping WHERE name = 'views_version'";
        (
            count(version),
            count("SELECT count(*) FROM events"),
            count("SELECT count(*) FROM artifact_packages"),
        )
    };
    let (before, log) = (facts(), fs::read(desk.root().join("log/00000000000000000001.cborseq")).unwrap());
    for words in COMMANDS {
        // `init` finds the store there and looks no further; what the objects claim is no view.
        if matches!(words[0], "log" | "init") || *words == ["recover", "--from-objects"] {
            continue;
        }
        let said = desk.run(words);
        assert_eq!(said.code, 1, "{words:?}: {said:#?}");
        assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{words:?}: {said:#?}");
        assert!(
            said.err.contains(&format!("the views have schema version {}", VIEWS_VERSION + 1))
                && said.err.contains("use the newer astore that wrote them"),
            "{words:?}: {said:#?}"
        );
        assert_eq!(facts(), before, "{words:?}");
    }
    assert_eq!(desk.ok(["log"]).lines().count(), usize::try_from(before.1).unwrap());
    assert_eq!(fs::read(desk.root().join("log/00000000000000000001.cborseq")).unwrap(), log);
}

#[test]
fn a_database_of_a_newer_schema_is_refused_by_everything() {
    let desk = desk();
    let path = desk.root().join("astore.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA user_version = 2").unwrap();
    drop(db);
    let (before, log) =
        (fs::read(&path).unwrap(), fs::read(desk.root().join("log/00000000000000000001.cborseq")).unwrap());
    for words in COMMANDS {
        if words[0] == "init" {
            continue;
        }
        let said = desk.run(words);
        assert_eq!(said.code, 1, "{words:?}: {said:#?}");
        assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{words:?}: {said:#?}");
        assert!(said.err.contains("the database has schema version 2"), "{words:?}: {said:#?}");
        assert!(fs::read(&path).unwrap() == before, "{words:?}");
    }
    assert_eq!(fs::read(desk.root().join("log/00000000000000000001.cborseq")).unwrap(), log);
}
