//! Two histories: a store was copied, both were written to, and somebody mixed them. Nothing chooses but a person.

use std::fs;

use super::{Facts, LOG, Story, WRITES, events};
use crate::support::store::copy_store;

/// Commands, each in its words.
type Commands = &'static [&'static [&'static str]];

/// What each of the two did after they parted: so much that both are as long, or one is longer.
const AFTER: [(Commands, Commands, usize); 3] = [
    (&[&["pin", "ours", "doc@1"]], &[&["pin", "them", "doc@1"]], 11),
    (&[&["add", "run", "--name", "ours"]], &[&["pin", "them", "doc@1"]], 11),
    (
        &[&["pin", "ours", "doc@1"], &["unpin", "p"]],
        &[&["pin", "ours", "doc@1"], &["add", "run", "--name", "x"]],
        11,
    ),
];

#[test]
fn two_histories_are_refused_by_whoever_writes_and_named_where_they_part() {
    let story = Story::new();
    for (ours, theirs, parts) in AFTER {
        story.again();
        copy_store(&story.root(), &story.desk.path("copy"));
        ours.iter().for_each(|words| drop(story.desk.ok(*words)));
        let of_ours = Facts::of(&story.root());
        for words in theirs {
            let mut command = story.desk.command(*words);
            command.env("ASTORE_ROOT", story.desk.path("copy"));
            crate::support::cli::said(command).expect(0);
        }
        let of_theirs = Facts::of(&story.desk.path("copy"));
        copy_store(&story.root(), &story.desk.path("ours"));

        let mix = || {
            fs::remove_dir_all(story.root()).unwrap();
            copy_store(&story.desk.path("ours"), &story.root());
            fs::copy(story.desk.path("copy").join(LOG), story.root().join(LOG)).unwrap();
            // Bytes are of no history: those of both are there.
            let both = std::process::Command::new("cp")
                .args(["-rn"])
                .arg(story.desk.path("copy/blake3"))
                .arg(story.root())
                .status();
            assert!(both.unwrap().success());
        };
        mix();
        let says = format!("log/ and the database part at event {parts}");
        let advice = "move aside astore.db or log/, whichever you do not believe, then 'astore recover'";
        story.check_answers();
        story.check_refused(&WRITES, 4, &[&says, advice]);
        story.check_refused(&[&["recover"]], 4, &[&says, advice]);
        story.check_refused(&[&["recover", "--quiet"]], 4, &[&says]);
        let named = format!("log event {parts}: log/ and the database differ");
        story.check_named(&[(&named, "choose: move aside astore.db or log/")]);
        let said = story.desk.run(["verify", "--quiet"]);
        assert_eq!(said.code, 4, "it finds it, and records nothing: {said:#?}");
        assert!(events(&story.root()) == of_ours.events);

        // The database is believed: log/ is written again.
        fs::rename(story.root().join("log"), story.desk.path("log-aside")).unwrap();
        story.desk.ok(["recover"]);
        assert!(events(&story.root()) == of_ours.events);
        story.desk.check_sound();
        story.desk.ok(["add", "run", "--name", "next"]);

        // log/ is believed: the database is built from it.
        mix();
        fs::rename(story.root().join("astore.db"), story.desk.path("db-aside")).unwrap();
        story.desk.ok(["recover"]);
        assert!(events(&story.root()) == of_theirs.events);
        assert_eq!(Facts::of(&story.root()).views, of_theirs.views);
        story.desk.check_sound();
        story.desk.ok(["add", "run", "--name", "next"]);
        story.desk.check_sound();
        for left in ["copy", "ours", "log-aside"] {
            fs::remove_dir_all(story.desk.path(left)).unwrap();
        }
    }
}
