//! Whoever reads only the documents must not be misled: they name what the code has, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use astore::events::EventType;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of these directories with this extension.
fn files(directories: &[&str], extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = directories.iter().map(|directory| root().join(directory)).collect();
    while let Some(directory) = open.pop() {
        for entry in
            fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else if entry.path().extension().is_some_and(|found| found == extension) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// The promises of the layout: their numbers, in the order in which they stand.
fn promises(layout: &str) -> Vec<String> {
    let number = |line: &str| {
        let number = line.strip_prefix("**")?.split_once("** ")?.0;
        let well_formed = number.contains('.') && number.chars().all(|c| c.is_ascii_digit() || c == '.');
        well_formed.then(|| number.to_owned())
    };
    layout.lines().filter_map(number).collect()
}

#[test]
fn the_layout_quotes_the_schema() {
    let mut layout = read("store-layout.md");
    for path in ["src/db/sql/schema.sql", "src/db/sql/views.sql"] {
        let sql = read(path);
        let begin = format!("<!-- {path} -->\n```sql\n");
        let (before, rest) = layout.split_once(&begin).unwrap_or_else(|| panic!("no quotation of {path}"));
        let (quoted, after) = rest.split_once("```\n").unwrap();
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            layout = format!("{before}{begin}{sql}```\n{after}");
            fs::write(root().join("store-layout.md"), &layout).unwrap();
        } else {
            assert_eq!(quoted, sql, "store-layout.md quotes another {path}: just generate");
        }
    }
}

#[test]
fn the_layout_has_the_payload_of_every_event() {
    let layout = read("store-layout.md");
    let mut rows = 0;
    for line in layout.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() == 5 && cells[1].starts_with("`v1.") {
            let name = cells[1].trim_matches('`');
            let known = EventType::of(name).unwrap_or_else(|| panic!("no event type {name}"));
            assert_eq!(cells[2].trim_matches('`'), known.subject_kind(), "the subject of {name}");
            rows += 1;
        }
    }
    assert_eq!(rows, EventType::ALL.len(), "the table of subjects has one row an event type");
    for event_type in EventType::ALL {
        let name = format!("`{}`", event_type.name());
        let has_heading = layout.lines().any(|line| line.starts_with("### 8.") && line.contains(&name));
        assert!(has_heading, "no payload table for {name}");
    }
}

#[test]
fn every_promise_has_a_number_of_its_own() {
    let promises = promises(&read("store-layout.md"));
    assert!(promises.len() > 60, "only {} promises", promises.len());
    let keys: Vec<Vec<u32>> =
        promises.iter().map(|number| number.split('.').map(|part| part.parse().unwrap()).collect()).collect();
    for (pair, names) in keys.windows(2).zip(promises.windows(2)) {
        assert!(pair[0] < pair[1], "{} stands before {}", names[0], names[1]);
    }
}

/// The promises that are quoted, by their number or in a list of numbers, and where.
fn quoted() -> BTreeMap<String, PathBuf> {
    let mut quoted: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in files(&["src", "tests"], "rs") {
        let text = fs::read_to_string(&path).unwrap();
        for after in text.split("store-layout.md ").skip(1) {
            for after in after.split(", ") {
                let number: String = after.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
                let is_whole = number.len() == after.len();
                let number = number.trim_end_matches('.');
                if number.contains('.') {
                    quoted.insert(number.to_owned(), path.clone());
                }
                if !is_whole {
                    break;
                }
            }
        }
    }
    quoted
}

#[test]
fn what_quotes_a_promise_quotes_one_that_is_there() {
    let promises = promises(&read("store-layout.md"));
    for (number, path) in quoted() {
        assert!(promises.contains(&number), "{} quotes store-layout.md {number}", path.display());
    }
}

/// What deletes has the most to prove, and what is run on a bad day.
#[test]
fn each_promise_about_gc_and_recovery_is_quoted_by_who_proves_it() {
    let quoted = quoted();
    let promises = promises(&read("store-layout.md"));
    for section in ["18.", "19."] {
        let about: Vec<&String> = promises.iter().filter(|number| number.starts_with(section)).collect();
        assert!(about.len() > 12, "only {about:?}");
        for number in about {
            assert!(quoted.contains_key(number), "no test quotes store-layout.md {number}");
        }
    }
}

#[test]
fn the_first_screen_of_the_readme_has_the_two_commands() {
    let readme = read("README.md");
    let screen: Vec<&str> = readme.lines().take(24).collect();
    for command in ["cargo run --release -- add --finalize ", "cargo test "] {
        assert!(
            screen.iter().any(|line| line.starts_with(command)),
            "{command:?} is not on the first screen"
        );
    }
}

#[test]
fn the_tests_that_the_page_about_reliability_names_are_there() {
    let page = read("docs/reliability.md");
    let section = page.split("## How it is tested").nth(1).unwrap().split("\n## ").next().unwrap();
    let table = section.split("\n\n").find(|part| part.trim_start().starts_with("| promise |")).unwrap();
    let mut named = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).skip(1) {
        let column = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in column.split('`').skip(1).step_by(2) {
            let path = if name.ends_with('/') { name.to_owned() } else { format!("tests/it/{name}.rs") };
            assert!(root().join(&path).exists(), "there is no {path}");
            named += 1;
        }
    }
    assert!(named >= 20, "{named} tests are named");
}

#[test]
fn decisions_are_numbered_and_whole() {
    let pages = files(&["docs/decisions"], "md");
    assert!(!pages.is_empty());
    for (index, path) in pages.iter().enumerate() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let number = format!("{:04}", index + 1);
        assert!(name.starts_with(&format!("{number}-")), "{name} is not number {number}");
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with(&format!("# {number}: ")), "{name} has another title");
        assert!(text.contains("\nStatus: "), "{name} has no status");
        let sections: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let expected =
            ["Context", "Decision", "Alternatives", "Consequences", "How we would notice that it was wrong"];
        assert_eq!(sections, expected, "{name}");
    }
}

#[test]
fn both_licences_are_there() {
    let either = read("LICENSE");
    for (path, words) in
        [("LICENSE-MIT", "Permission is hereby granted"), ("LICENSE-APACHE", "Apache License")]
    {
        assert!(read(path).contains(words), "{path}");
        assert!(either.contains(path), "LICENSE does not name {path}");
    }
    assert!(read("Cargo.toml").contains("license = \"MIT OR Apache-2.0\""));
}
