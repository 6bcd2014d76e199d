//! Somebody reads the manual: every page is one that the formatters take without a word, and all of it is installed
//! where they look for it.

use std::fs;
use std::process::Command;

use crate::support::cli::{Desk, has, said};

/// What mandoc says of a page, but for what is so on purpose or not in our hands.
fn complaints(said: &str) -> Vec<&str> {
    let meant = [
        // A date would change the pages with the day on which they are made.
        "missing date",
        // clap_mangen puts them around lists of possible values.
        "skipping paragraph macro: br",
    ];
    said.lines().filter(|line| !meant.iter().any(|meant| line.contains(meant))).collect()
}

#[test]
fn every_page_is_well_formed() {
    let desk = Desk::without_store();
    desk.ok(["man", "--out", "manual"]);
    let (groff, mandoc) =
        (has("groff"), Command::new("mandoc").arg("-Tlint").arg("/dev/null").output().is_ok());
    let mut pages = 0;
    for page in fs::read_dir(desk.path("manual")).unwrap() {
        let page = page.unwrap().path();
        if groff {
            let mut command = Command::new("groff");
            command.args(["-ww", "-man", "-Tutf8", "-z"]).arg(&page);
            let said = said(command);
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", page.display());
        }
        if mandoc {
            let mut command = Command::new("mandoc");
            command.args(["-Tlint", "-Wwarning"]).arg(&page);
            let said = said(command);
            assert_eq!(complaints(&said.out), [""; 0], "{}", page.display());
            assert_eq!(complaints(&said.err), [""; 0], "{}", page.display());
        }
        pages += 1;
    }
    assert!(pages > 25, "{pages} pages");
}

#[test]
fn the_manual_is_installed_by_section() {
    let desk = Desk::without_store();
    desk.ok(["man", "--out", "manual", "--sections"]);
    for page in ["man1/astore.1", "man1/astore-gc.1", "man5/astore-formats.5", "man7/astore-tutorial.7"] {
        assert!(desk.path("manual").join(page).is_file(), "{page}");
    }
    assert_eq!(fs::read_dir(desk.path("manual")).unwrap().count(), 3);
    assert!(desk.ok(["man", "tutorial"]).starts_with(".TH ASTORE-TUTORIAL 7 "));
    assert!(desk.ok(["man", "gc"]).starts_with(".TH ASTORE-GC 1 "));
    desk.expect(2, ["man", "nothing"]);
    desk.expect(2, ["man", "--sections"]);
}

/// Every page that a page names is there.
#[test]
fn no_page_refers_to_one_that_is_not_there() {
    let desk = Desk::without_store();
    desk.ok(["man", "--out", "manual"]);
    for page in fs::read_dir(desk.path("manual")).unwrap() {
        let text = fs::read_to_string(page.unwrap().path()).unwrap().replace("\\fR", "").replace("\\-", "-");
        for reference in text.split("astore-").skip(1) {
            let name: String =
                reference.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            let rest = reference[name.len()..].trim_start();
            if let Some(section) = rest.strip_prefix('(').and_then(|rest| rest.chars().next()) {
                let named = format!("manual/astore-{name}.{section}");
                assert!(desk.path(&named).is_file(), "{named}");
            }
        }
    }
}
