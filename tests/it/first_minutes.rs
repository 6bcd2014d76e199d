//! The page of the first ten minutes shows what somebody sees who begins, and keeps showing it.

use std::fs;
use std::path::Path;
use std::process::Command;

use regex::Regex;

use crate::support::cli::Desk;
use crate::support::store::tree;
use crate::support::terminal::at_terminal;

const PAGE: &str = "docs/first-minutes.md";
const COLUMNS: u16 = 100;
/// What stands in the page for the place where the test works.
const HOME: &str = "/home/ann";

/// Types a line into a shell at a terminal; returns what is seen.
fn typed(desk: &Desk, line: &str) -> String {
    let home = desk.path("");
    let binary = Path::new(env!("CARGO_BIN_EXE_astore")).parent().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).env_clear().current_dir(&home);
    shell.env("PATH", format!("{}:{}", binary.display(), std::env::var("PATH").unwrap()));
    shell.env("HOME", home.to_str().unwrap().trim_end_matches('/'));
    shell.env("ASTORE_ACTOR", "ann@box").env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1");
    let (_, seen) = at_terminal(shell, COLUMNS);
    let seen = seen.replace(home.to_str().unwrap().trim_end_matches('/'), HOME);
    // What the terminal is told beside the text: that the cursor is there again, say.
    Regex::new("\u{1b}\\[[0-9;?]*[A-Za-z]|\r").unwrap().replace_all(&seen, "").into_owned()
}

/// Takes away what is another each time: digests, ids, instants, plans, how much room the disk has, and how large the
/// manifests are, which say where a package came from.
fn lasting(text: &str) -> String {
    let patterns = r"[0-9a-f]{8}(-[0-9a-f]{4})+(-[0-9a-f]{12})?|\d{16}-\d+-|[0-9a-f]{8,}(-\d+-[0-9a-f]{64})?";
    let text = Regex::new(patterns).unwrap().replace_all(text, "#").into_owned();
    let text = Regex::new(r"\d{4}-\d\d(-\d\d(T[0-9:]+Z)?)?").unwrap().replace_all(&text, "#").into_owned();
    let text =
        Regex::new(r"(?m)^(free +|sharing saves +).*$").unwrap().replace_all(&text, "$1#").into_owned();
    Regex::new(r"(objects(?: +\d+)?) \([0-9.]+ KiB").unwrap().replace_all(&text, "$1 (#").into_owned()
}

#[test]
fn the_first_ten_minutes_are_as_the_page_shows_them() {
    let desk = Desk::without_store();
    let files: [(&str, &[u8]); 4] = [
        ("index.html", &[b'i'; 5_000]),
        ("css/site.css", &[b'c'; 12_000]),
        ("css/print.css", &[b'p'; 900]),
        ("img/logo.svg", &[b'l'; 30_000]),
    ];
    tree(&desk.path("public"), &files);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let (above, shown) = page.split_once("```text\n").unwrap();
    let shown = shown.strip_suffix("```\n").unwrap();
    let seen: String = shown
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(|line| format!("$ {line}\n{}", typed(&desk, line)))
        .collect();
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        return fs::write(path, format!("{above}```text\n{seen}```\n")).unwrap();
    }
    assert!(seen.matches("$ ").count() > 15);
    same_lines(&lasting(shown), &lasting(&seen));
}

/// Compares line by line, so that the first that differs is what is told.
#[track_caller]
fn same_lines(shown: &str, seen: &str) {
    for (shown, seen) in shown.lines().zip(seen.lines()) {
        assert_eq!(shown, seen, "{PAGE} shows the former; just generate writes it anew");
    }
    assert_eq!(shown.lines().count(), seen.lines().count());
}
