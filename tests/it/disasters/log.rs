//! `log/` is lost, cut off, damaged, or of another day, and the database is whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::{LOG, Story, WRITES};

const COMPLETED: &str = "nothing to do: the next command that writes completes log/";

/// The next command that writes completes `log/`, and says so.
#[track_caller]
fn check_completed(story: &Story, events: usize) {
    let said = story.desk.run(["pin", "q", "doc@1"]);
    assert_eq!(said.code, 0, "{said:#?}");
    let says = format!("astore: log/ was behind the database; {events} event(s) were written to it again");
    assert!(said.err.contains(&says), "{said:#?}");
    story.check_mended();
}

#[test]
fn a_log_that_is_gone_or_of_yesterday_is_written_again_by_whoever_writes_next() {
    let story = Story::new();
    let zeros = vec![0; story.log().len()];
    let disasters: [(&str, &dyn Fn(), &str, usize); 6] = [
        ("gone", &|| story.lose("log"), "log event 1: log/ does not hold it", 10),
        ("its file gone", &|| story.lose(LOG), "log event 1: log/ does not hold it", 10),
        (
            "emptied",
            &|| story.put(LOG, b""),
            "log event 1: log/00000000000000000001.cborseq ends too early, at byte 0",
            10,
        ),
        (
            "zeros",
            &|| story.put(LOG, &zeros),
            "log event 1: log/00000000000000000001.cborseq ends too early, at byte 0",
            10,
        ),
        (
            "yesterday's",
            &|| {
                fs::copy(story.yesterday(LOG), story.root().join(LOG)).unwrap();
            },
            "log event 6: log/ does not hold it",
            5,
        ),
        (
            "today's, and ends in zeros",
            &|| {
                let mut bytes = story.log();
                let whole = fs::metadata(story.yesterday(LOG)).unwrap().len();
                bytes[usize::try_from(whole).unwrap() + 40..].fill(0);
                story.put(LOG, &bytes);
            },
            "log event 6: log/00000000000000000001.cborseq ends too early, at byte",
            5,
        ),
    ];
    for (what, befalls, says, missing) in disasters {
        eprintln!("{what}");
        for by_recover in [false, true] {
            story.again();
            befalls();
            story.check_answers();
            story.check_named(&[(says, COMPLETED)]);
            if by_recover {
                story.check_recovers();
            } else {
                check_completed(&story, missing);
            }
        }
    }
    // Each command that writes does it, not only the one above.
    for words in WRITES {
        story.again();
        story.lose("log");
        let said = story.desk.run(words);
        assert!(
            said.code == 0 && said.err.contains("10 event(s) were written to it again"),
            "{words:?}: {said:#?}"
        );
        story.desk.check_sound();
    }
}

#[test]
fn a_log_that_is_cut_off_anywhere_is_completed() {
    let story = Story::new();
    let whole = story.log();
    let lengths = if crate::support::cli::is_slow_run() { 400 } else { 24 };
    let mut tried = 0;
    for nth in 0..lengths {
        let length = (whole.len() - 1) * nth / (lengths - 1);
        story.again();
        story.put(LOG, &whole[..length]);
        let said = story.desk.run(["verify", "--quiet", "--no-record"]);
        assert_eq!(said.code, 4, "{length}: {said:#?}");
        assert!(said.out.contains(COMPLETED), "{length}: {said:#?}");
        story.desk.ok(["pin", "q", "doc@1"]);
        story.check_mended_briefly();
        tried += 1;
    }
    eprintln!("log/ cut off at {tried} lengths of {}", whole.len());
}

#[test]
fn a_bit_that_is_wrong_in_the_log_is_found_and_recover_mends_it() {
    let story = Story::new();
    let whole = story.log();
    let flips = if crate::support::cli::is_slow_run() { 400 } else { 24 };
    let mut refused = 0;
    for nth in 0..flips {
        let place = (whole.len() - 1) * nth / (flips - 1);
        story.again();
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (nth % 8);
        story.put(LOG, &bytes);
        let said = story.desk.run(["verify", "--quiet", "--no-record"]);
        assert_eq!(said.code, 4, "byte {place}: {said:#?}");
        assert!(said.out.starts_with("log event "), "byte {place}: {said:#?}");
        let wanted = ["  mend: astore recover", COMPLETED, "  mend: choose: "];
        assert!(wanted.iter().any(|mend| said.out.contains(mend)), "byte {place}: {said:#?}");
        // Who writes looks at the end of log/ only: it is told there, and goes on where the end is sound.
        let said = story.desk.run(["pin", "q", "doc@1"]);
        match said.code {
            0 => {}
            4 => {
                refused += 1;
                super::check_line(&["pin"], &said, 4, &["log/", "astore recover"]);
            }
            code => panic!("byte {place}, {code}: {said:#?}"),
        }
        story.check_recovers_briefly();
    }
    eprintln!("{flips} bits of log/ flipped; in {refused} cases who writes was told at once");
}

/// Cuts `log/` into a file for each item, as if the limit of a file's length had been reached there.
fn split(story: &Story) -> Vec<PathBuf> {
    let bytes = story.log();
    let digests: Vec<Vec<u8>> = {
        let db = rusqlite::Connection::open(story.root().join("astore.db")).unwrap();
        let mut statement = db.prepare("SELECT digest FROM events ORDER BY sequence").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    // An event ends with its digest; which of them also end an item is known from how the story was written.
    let mut files = Vec::new();
    let (mut begin, mut first) = (0, 1);
    for (last, digest) in [1, 2, 3, 5, 6, 7, 9, 10].map(|last: usize| (last, &digests[last - 1])) {
        let end = bytes.windows(32).position(|window| window == digest.as_slice()).unwrap() + 32;
        let path = story.root().join(format!("log/{first:020}.cborseq"));
        fs::write(&path, &bytes[begin..end]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        files.push(path);
        (begin, first) = (end, last + 1);
    }
    assert_eq!(begin, bytes.len());
    let last = files.last().unwrap();
    fs::set_permissions(last, fs::Permissions::from_mode(0o600)).unwrap();
    let (name, length) = (10, fs::metadata(last).unwrap().len());
    let db = rusqlite::Connection::open(story.root().join("astore.db")).unwrap();
    db.execute("UPDATE bookkeeping SET value = ?1 WHERE name = 'log_file'", [name]).unwrap();
    db.execute(
        "UPDATE bookkeeping SET value = ?1 WHERE name = 'log_length'",
        [i64::try_from(length).unwrap()],
    )
    .unwrap();
    files
}

#[test]
fn a_file_of_the_log_that_is_missing_or_damaged_among_several_is_found_and_mended() {
    let story = Story::new();
    story.again();
    let files = split(&story).len();
    story.check_named(&[]);
    story.check_mended();
    for nth in 0..files {
        for harm in ["gone", "emptied", "cut off", "a bit flipped"] {
            story.again();
            let path = split(&story)[nth].clone();
            let mut bytes = fs::read(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            match harm {
                "gone" => fs::remove_file(&path).unwrap(),
                "emptied" => fs::write(&path, b"").unwrap(),
                "cut off" => fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
                _ => {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 4;
                    fs::write(&path, bytes).unwrap();
                }
            }
            let said = story.desk.run(["verify", "--quiet", "--no-record"]);
            assert_eq!(said.code, 4, "file {nth} {harm}: {said:#?}");
            assert_eq!(said.out.matches("  mend: ").count(), 1, "file {nth} {harm}: {said:#?}");
            let is_last = nth + 1 == files;
            let mend = if is_last && harm != "a bit flipped" { COMPLETED } else { "  mend: astore recover" };
            assert!(said.out.contains(mend), "file {nth} {harm}: {said:#?}");
            if mend == COMPLETED {
                story.desk.ok(["pin", "q", "doc@1"]);
                story.check_mended_briefly();
            } else {
                story.check_recovers_briefly();
            }
        }
    }
    eprintln!("{files} files of log/, each harmed in 4 ways");
}
