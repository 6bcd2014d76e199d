//! The other files of a store: `astore.toml`, the objects, and what may go at any time.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{LOG, Story, WRITES, all_commands, bytes_of, events};

#[test]
fn a_store_without_its_description_is_no_empty_place() {
    let story = Story::new();
    story.again();
    let toml = fs::read(story.root().join("astore.toml")).unwrap();
    story.lose("astore.toml");
    let says = ["astore.toml is missing", "'astore recover' writes it again"];
    story.check_refused(&all_commands(), 4, &says);
    story.check_refused(&[&["init"]], 4, &[]);
    story.check_recovers();
    assert_eq!(fs::read(story.root().join("astore.toml")).unwrap(), toml);

    // Nor does an add make a new store there, where it makes one without being asked.
    story.again();
    story.lose("astore.toml");
    let default = story.desk.path(".local/share/astore");
    fs::create_dir_all(default.parent().unwrap()).unwrap();
    fs::rename(story.root(), &default).unwrap();
    let before = bytes_of(&default);
    let mut command = story.desk.command(["add", "doc"]);
    command.env_remove("ASTORE_ROOT");
    let said = crate::support::cli::said(command);
    super::check_line(&["add"], &said, 4, &says);
    assert!(bytes_of(&default) == before);
    fs::rename(&default, story.root()).unwrap();
}

#[test]
fn a_description_that_is_garbage_is_told_and_written_again_once_it_is_out_of_the_way() {
    let story = Story::new();
    let whole = fs::read(story.root().join("astore.toml")).unwrap();
    let half = whole[..whole.len() / 2].to_vec();
    let long = [whole.clone(), vec![b'#'; 70_000]].concat();
    for garbage in [&b""[..], b"{{{", b"\0\0\0\0\0\0\0\0", b"\xff\xfe", &half, &long] {
        story.again();
        story.put("astore.toml", garbage);
        let advice = "put it back from a backup, or move it aside, and 'astore recover' writes it again";
        let commands: Vec<_> = all_commands().into_iter().chain([&["recover"][..], &["init"]]).collect();
        story.check_refused(&commands, 4, &["astore.toml is damaged: ", advice]);
        fs::rename(story.root().join("astore.toml"), story.desk.path("aside")).unwrap();
        story.check_recovers();
        assert_eq!(fs::read(story.root().join("astore.toml")).unwrap(), whole);
    }
}

#[test]
fn with_both_copies_of_the_events_gone_nothing_is_made_up() {
    let story = Story::new();
    story.again();
    story.lose("astore.db");
    story.lose("log");
    story.check_refused(&all_commands(), 4, &["neither log/ nor astore.db holds an event"]);
    let before = bytes_of(&story.root());
    let said = story.desk.run(["recover"]);
    super::check_line(&["recover"], &said, 4, &["neither log/ nor astore.db holds an event"]);
    assert!(bytes_of(&story.root()) == before);
    // A backup of either will do.
    fs::copy(story.yesterday("astore.db"), story.root().join("astore.db")).unwrap();
    story.desk.ok(["recover"]);
    assert!(events(&story.root()) == story.facts.events[..5]);
    story.desk.check_sound();

    // Of a store that is younger than its backup, too: then what came later is known by no event.
    story.again();
    story.lose("astore.db");
    fs::copy(story.yesterday(LOG), story.root().join(LOG)).unwrap();
    story.desk.ok(["recover"]);
    assert!(events(&story.root()) == story.facts.events[..5]);
    story.desk.check_sound();
    story.desk.ok(["add", "doc", "--name", "later", "--finalize"]);
    story.desk.check_sound();
}

#[test]
fn with_both_gone_and_no_backup_the_manifests_bring_the_finalised_packages_back() {
    let story = Story::new();
    story.again();
    let list = |all: &str| -> Vec<String> {
        let lines = story.desk.ok(["list", all, "--json"]);
        let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let mut found: Vec<String> = (lines.lines().map(line))
            .map(|package| format!("{} {}", package["reference"], package["content_digest"]))
            .collect();
        found.sort();
        found
    };
    let finalised: Vec<String> = list("--all").into_iter().filter(|line| !line.ends_with(" null")).collect();
    assert_eq!(finalised.len(), 3);
    story.lose("astore.db");
    story.lose("log");
    let before = bytes_of(&story.root());
    let claims = story.desk.run(["recover", "--from-objects"]);
    assert_eq!(claims.code, 0, "{claims:#?}");
    assert!(["doc@1", "bulk@1", "later@1"].iter().all(|package| claims.out.contains(package)), "{claims:#?}");
    assert!(bytes_of(&story.root()) == before, "it only lists");
    story.desk.ok(["recover", "--from-objects", "--confirm", "--yes"]);
    assert_eq!(list("--all"), finalised);
    story.desk.ok(["export", "doc@1", "out"]);
    assert_eq!(fs::read(story.desk.path("out/d/b")).unwrap(), b"beta");
    story.desk.check_sound();
    story.desk.ok(["add", "run", "--name", "next", "--finalize"]);
    story.desk.check_sound();
}

#[test]
fn objects_that_are_gone_are_named_and_come_back_by_recover_and_by_adding() {
    let story = Story::new();
    for all in [false, true] {
        story.again();
        let mut lost = 0;
        if all {
            story.lose("blake3");
            let said = story.desk.run(["add", "run", "--name", "new"]);
            assert_eq!(said.code, 1, "{said:#?}");
            assert!(said.err.contains("if blake3/ is gone, put it back from a backup"), "{said:#?}");
        } else {
            // Every second directory.
            let shards: Vec<_> = fs::read_dir(story.root().join("blake3"))
                .unwrap()
                .map(|shard| shard.unwrap().path())
                .collect();
            for shard in shards.iter().step_by(2) {
                fs::remove_dir_all(shard).unwrap();
                lost += 1;
            }
            assert!(lost >= 3);
        }
        let said = story.desk.run(["verify", "--quiet"]);
        assert_eq!(said.code, 4, "{said:#?}");
        let faults = said.out.lines().filter(|line| line.starts_with("missing blake3:")).count();
        assert!(faults >= lost.max(1), "{said:#?}");
        assert_eq!(said.out.matches("  mend: ").count(), faults, "{said:#?}");
        // What the log says stands whatever is gone; nothing is made up about the bytes.
        story.desk.ok(["list", "--all"]);
        let said = story.desk.run(["gc"]);
        assert!(said.code == 1 || (said.code == 0 && !all), "{said:#?}");
        story.desk.ok(["recover"]);
        for words in [["add", "doc"], ["add", "run"], ["add", "bulk"]] {
            story.desk.ok(words);
        }
        assert!(events(&story.root())[..10] == story.facts.events);
        story.desk.check_sound();
        story.desk.ok(["export", "doc@1", "out"]);
        assert_eq!(fs::read(story.desk.path("out/d/b")).unwrap(), b"beta");
        fs::remove_dir_all(story.desk.path("out")).unwrap();
    }
}

#[test]
fn what_may_go_at_any_time_may_go() {
    let story = Story::new();
    let names = ["tmp", "astore.lock", "astore.gate", "reserve", "cache.db"];
    for name in names {
        for words in WRITES {
            story.again();
            story.lose(name);
            story.desk.ok(words);
        }
        story.again();
        story.lose(name);
        story.check_answers();
        let said = story.desk.run(["verify"]);
        assert_eq!(said.code, 0, "{name}: {said:#?}");
        assert_eq!(said.out.contains("note: the reserve is missing"), name == "reserve", "{said:#?}");
        story.check_mended();
        if name != "cache.db" {
            let found = story.root().join(name).metadata().unwrap();
            let mode = if found.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(found.permissions().mode() & 0o7777, mode, "{name} is made again as it was");
        }
    }
    // All of them at once, and garbage in their places.
    story.again();
    names.iter().for_each(|name| story.lose(name));
    story.check_mended();
    story.again();
    for name in ["astore.lock", "astore.gate", "reserve", "cache.db"] {
        story.put(name, b"\0garbage\xff\n");
    }
    story.put("tmp/garbage", b"a file where directories are");
    story.check_answers();
    story.check_mended();
    story.again();
    story.lose("astore.db");
    names.iter().for_each(|name| story.lose(name));
    story.check_recovers();
}
