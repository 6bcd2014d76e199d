//! `astore.db` is lost, damaged, another store's, or of another day.

use std::fs;

use super::{Facts, READS, Story, WRITES, all_commands, check_line, events};
use crate::support::cli::Desk;
use crate::support::store::{copy_store, tree};

#[test]
fn a_database_that_is_lost_or_overwritten_is_told_by_everything_and_built_anew() {
    let story = Story::new();
    let garbage: Vec<u8> =
        (0..200_000_u32).map(|nth| nth.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    let today = fs::read(story.desk.path("today/astore.db")).unwrap();
    let another = story.desk.path("another.db");
    let db = rusqlite::Connection::open(&another).unwrap();
    db.execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)").unwrap();
    drop(db);
    let another = fs::read(another).unwrap();
    let anew = "'astore recover' builds it anew from log/";
    let disasters: [(&str, Option<&[u8]>, &str); 7] = [
        ("deleted", None, "the database astore.db is missing"),
        ("emptied", Some(b""), "is not an astore database"),
        ("cut in half", Some(&today[..today.len() / 2]), "malformed"),
        ("garbage", Some(&garbage), "not a database"),
        ("zeros", Some(&vec![0; today.len()]), "not a database"),
        ("somebody's letter", Some(b"Dear operator,\n"), "not a database"),
        ("another program's", Some(&another), "is not an astore database"),
    ];
    for (what, bytes, says) in disasters {
        eprintln!("{what}");
        story.again();
        match bytes {
            None => story.lose("astore.db"),
            Some(bytes) => story.put("astore.db", bytes),
        }
        story.check_refused(&all_commands(), 4, &[says, anew]);
        story.check_recovers();
    }
}

/// Whatever is left of the database: no command answers wrongly or dies, and `recover` gives it all back.
#[track_caller]
fn check_whatever_is_left(story: &Story, what: &str) -> [bool; 3] {
    let mut answered = [false; 3];
    let verify = ["verify", "--quiet", "--no-record"];
    for (nth, words) in [&["list", "--all"][..], &["explain", "doc@1:a"], &verify].into_iter().enumerate() {
        let said = story.desk.run(words);
        match said.code {
            0 => answered[nth] = true,
            4 if said.out.is_empty() => check_line(words, &said, 4, &["astore recover"]),
            4 if words[0] == "verify" => assert!(said.out.contains("  mend: "), "{what}: {said:#?}"),
            _ => panic!("{what}, {words:?}: {said:#?}"),
        }
    }
    if answered[2] {
        // What verify calls sound is so.
        assert!(events(&story.root()) == story.facts.events, "{what}");
        assert_eq!(Facts::of(&story.root()).views, story.facts.views, "{what}");
    }
    story.check_recovers_briefly();
    answered
}

#[test]
fn a_database_that_is_cut_off_anywhere_is_built_anew() {
    let story = Story::new();
    let today = fs::read(story.desk.path("today/astore.db")).unwrap();
    let page = 4096;
    let pages = today.len() / page;
    let mut lengths: Vec<usize> = vec![1, 16, 99, 100, 101, 1023, page - 1, page, page + 1, today.len() - 1];
    let step = if crate::support::cli::is_slow_run() { 1 } else { (pages / 6).max(1) };
    lengths.extend((2..pages).step_by(step).flat_map(|nth| [nth * page, nth * page + page / 3]));
    let mut sound = 0;
    for &length in &lengths {
        story.again();
        story.put("astore.db", &today[..length]);
        let answered = check_whatever_is_left(&story, &format!("{length} of {} bytes", today.len()));
        sound += usize::from(answered[2]);
    }
    eprintln!("{} lengths of {} bytes, {sound} of them sound to verify", lengths.len(), today.len());
}

#[test]
fn a_page_of_the_database_that_is_wrong_is_found_or_told_and_mended() {
    let story = Story::new();
    let today = fs::read(story.desk.path("today/astore.db")).unwrap();
    let pages = today.len() / 4096;
    let step = if crate::support::cli::is_slow_run() { 1 } else { (pages / 12).max(1) };
    let (mut states, mut sound) = (0, 0);
    for nth in (0..pages).step_by(step) {
        for filled in [0, 0xff] {
            story.again();
            let mut bytes = today.clone();
            bytes[nth * 4096..(nth + 1) * 4096].fill(filled);
            story.put("astore.db", &bytes);
            states += 1;
            sound += usize::from(check_whatever_is_left(&story, &format!("page {nth} of {filled:#x}"))[2]);
        }
    }
    eprintln!("{states} databases with a page overwritten, {sound} of them sound to verify");
    assert_eq!(sound, 0, "what stands in an index alone is looked at too");
}

#[test]
fn a_database_from_yesterdays_backup_catches_up_and_says_so() {
    let story = Story::new();
    let ahead = "astore: log/ was ahead of the database by 5 event(s), which are now applied\n";
    for words in READS.iter().chain(&WRITES).copied().chain([&["verify"][..], &["health"], &["log"]]) {
        story.again();
        fs::copy(story.yesterday("astore.db"), story.root().join("astore.db")).unwrap();
        let said = story.desk.run(words);
        assert!(matches!(said.code, 0 | 9), "{words:?}: {said:#?}");
        assert!(said.err.starts_with(ahead), "{words:?}: {said:#?}");
        let found = events(&story.root());
        assert!(found[..10] == story.facts.events, "{words:?}");
    }
    story.again();
    fs::copy(story.yesterday("astore.db"), story.root().join("astore.db")).unwrap();
    story.check_answers();
    story.check_mended();
    // To recover is not wrong either.
    story.again();
    fs::copy(story.yesterday("astore.db"), story.root().join("astore.db")).unwrap();
    story.check_recovers();
}

#[test]
fn a_database_of_another_store_is_refused_before_it_answers_anything() {
    let story = Story::new();
    let other = Desk::new();
    tree(&other.path("doc"), &[("x", b"another store's")]);
    other.ok(["add", "doc", "--finalize"]);
    other.ok(["pin", "p", "doc@1"]);
    let theirs = |name: &str| other.root().join(name);
    let put_back = "put back what belongs here";

    // The database alone.
    story.again();
    fs::copy(theirs("astore.db"), story.root().join("astore.db")).unwrap();
    let commands: Vec<_> = all_commands().into_iter().filter(|words| words[0] != "log").collect();
    story.check_refused(&commands, 4, &["astore.toml is of the store", "those of the store", put_back]);
    story.check_refused(&[&["recover"]], 4, &["part at event 1"]);
    story.lose("astore.db");
    story.check_recovers();

    // Both copies of the events, and nothing of them is written to.
    story.again();
    fs::copy(theirs("astore.db"), story.root().join("astore.db")).unwrap();
    fs::copy(theirs(super::LOG), story.root().join(super::LOG)).unwrap();
    let commands: Vec<_> = commands.into_iter().chain([&["recover"][..]]).collect();
    story.check_refused(&commands, 4, &["astore.toml is of the store", "those of the store", put_back]);

    // log/ alone: who reads is answered by the database, who writes is told.
    story.again();
    fs::copy(theirs(super::LOG), story.root().join(super::LOG)).unwrap();
    story.check_answers();
    story.check_named(&[("log event 1: log/ and the database differ", "choose: ")]);
    story.check_refused(&WRITES, 4, &["part at event 1", "move aside astore.db or log/"]);
    story.check_refused(&[&["recover"]], 4, &["part at event 1"]);
    story.lose("log");
    story.check_recovers();

    // astore.toml alone: nothing says which is right but its own two copies of the events.
    story.again();
    let ours = fs::read(story.root().join("astore.toml")).unwrap();
    fs::copy(theirs("astore.toml"), story.root().join("astore.toml")).unwrap();
    story.check_refused(&commands, 4, &["astore.toml is of the store", put_back]);
    story.lose("astore.toml");
    story.check_recovers();
    assert_eq!(fs::read(story.root().join("astore.toml")).unwrap(), ours);
}

/// Somebody who keeps the database open, so that the WAL stays when a command ends.
fn hold_open(desk: &Desk) -> rusqlite::Connection {
    let held = rusqlite::Connection::open(desk.root().join("astore.db")).unwrap();
    held.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).unwrap();
    held
}

#[test]
fn a_database_with_the_wal_of_another_day_is_found_or_told_and_mended() {
    let desk = Desk::new();
    tree(&desk.path("doc"), &[("a", b"alpha"), ("d/b", b"beta")]);
    tree(&desk.path("run"), &[("a", b"alpha"), ("log", b"a log")]);
    desk.ok(["add", "doc", "--finalize"]);
    let snap = |name: &str| {
        // By another process: who closes a file gives up the locks that SQLite in the same process has on it.
        let copied = std::process::Command::new("cp").arg("-a").args([desk.root(), desk.path(name)]).status();
        assert!(copied.unwrap().success());
        desk.path(name)
    };
    let mut days = vec![snap("day-0")];
    for round in 0..2 {
        // Half of a day's commits in the WAL, then all of it; then it is taken in, and a new one begins.
        let held = hold_open(&desk);
        for nth in 0..3 {
            desk.ok(["add", "run", "--name", &format!("run-{round}-{nth}"), "--finalize"]);
            days.push(snap(&format!("day-{round}-{nth}")));
        }
        drop(held);
        desk.ok(["remove", &format!("run-{round}-0"), "--reason", "over"]);
        days.push(snap(&format!("day-{round}-end")));
    }
    let facts = Facts::of(&desk.root());
    let with_wal = days.iter().filter(|day| day.join("astore.db-wal").exists()).count();
    assert!(with_wal >= 5, "{with_wal} of {} days have a WAL", days.len());

    let (mut states, mut sound, mut refused, mut written) = (0, 0, 0, 0);
    for (of_db, db) in days.iter().enumerate() {
        for (of_wal, wal) in days.iter().enumerate() {
            let wal = wal.join("astore.db-wal");
            if of_db == of_wal || !wal.exists() {
                continue;
            }
            let what = format!("the database of day {of_db}, the WAL of day {of_wal}");
            let root = desk.root();
            for name in ["astore.db", "astore.db-wal", "astore.db-shm"] {
                drop(fs::remove_file(root.join(name)));
            }
            fs::remove_dir_all(root.join("log")).unwrap();
            fs::remove_dir_all(root.join("blake3")).unwrap();
            let last = days.last().unwrap();
            copy_store(&last.join("log"), &root.join("log"));
            copy_store(&last.join("blake3"), &root.join("blake3"));
            fs::copy(db.join("astore.db"), root.join("astore.db")).unwrap();
            fs::copy(wal, root.join("astore.db-wal")).unwrap();
            states += 1;
            let said = desk.run(["list", "--all"]);
            assert!(matches!(said.code, 0 | 4), "{what}: {said:#?}");
            refused += usize::from(said.code == 4);
            if states % 2 == 0 {
                // Somebody writes before anybody has looked: log/ comes first, and it is not led astray.
                let said = desk.run(["pin", "q", "doc@1"]);
                match said.code {
                    0 => written += 1,
                    4 => check_line(&["pin"], &said, 4, &["astore recover"]),
                    _ => panic!("{what}: {said:#?}"),
                }
            }
            let said = desk.run(["verify", "--quiet", "--no-record"]);
            assert!(matches!(said.code, 0 | 4), "{what}: {said:#?}");
            if said.code == 0 {
                sound += 1;
                assert!(events(&root)[..facts.events.len()] == facts.events, "{what}");
            }
            desk.ok(["recover"]);
            assert!(events(&root)[..facts.events.len()] == facts.events, "{what}");
            desk.check_sound();
        }
    }
    eprintln!(
        "{states} databases with another day's WAL: {sound} sound to verify, {refused} refused, {written} written to"
    );
}
