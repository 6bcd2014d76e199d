//! Whoever changes the code keeps the house in order: the floors, one room for each thing, no forgotten file.
//! Each rule is a function from the sources to what breaks it, and is tried on sources that break it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by floor, the ground first. A room may name those of lower floors and itself.
const FLOORS: [&[&str]; 5] = [
    &["identity", "env", "fill", "monitor", "disk", "fixtures"],
    &["manifest", "retention", "formats"],
    &["storage", "db", "events", "views", "cache"],
    &["plane", "gc", "audit"],
    &["registry", "error"],
];

/// Who may name whom on one floor: in the database's wing, views stand on events, and events on the database.
const NEIGHBOURS: [(&str, &str); 5] =
    [("formats", "manifest"), ("events", "db"), ("views", "db"), ("views", "events"), ("registry", "error")];

/// The rooms that speak to SQLite.
const SQLITE: [&str; 4] = ["db", "events", "views", "cache"];

/// Files of more than 500 lines, and why they are one thought.
const LONG: [(&str, &str); 4] = [
    ("src/cli/output/samples.rs", "plain values: one report of each kind"),
    (
        "src/events/settle.rs",
        "two thirds of it tests: every way in which the two copies of the log can differ",
    ),
    ("src/events/event.rs", "a list of sixteen types, each with its fields and how they are read"),
    ("src/manifest/jcs.rs", "one codec, both ways, with its tests"),
];

/// A file of the repository: its path from the top, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The room it is in: the first part of its path under `src`.
    fn room(&self) -> &str {
        let rest = self.path.strip_prefix("src/").unwrap_or(&self.path);
        rest.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// How many modules deep its own module is: 1 for `src/cache.rs` and `src/views/mod.rs`.
    fn depth(&self) -> usize {
        let parts = self.path.strip_prefix("src/").unwrap_or(&self.path).split('/').count();
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    /// The text without comments, and with nothing in its string literals.
    fn code(&self) -> String {
        strip(&self.text)
    }

    /// The code that is no test: what stands before the tests at the foot, and nothing of a file of tests.
    fn code_in_use(&self) -> String {
        let of_tests = ["tests", "testing", "golden", "properties", "samples", "fixtures"];
        if self.path.split(['/', '.']).any(|part| of_tests.contains(&part)) {
            return String::new();
        }
        let code = self.code();
        code.split("\nmod tests {").next().unwrap().to_owned()
    }

    fn is_binary(&self) -> bool {
        self.path == "src/main.rs" || self.path.starts_with("src/cli/")
    }
}

/// Takes out comments and the insides of literals.
fn strip(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let raw = ["r#\"", "br#\""].into_iter().find(|start| rest.starts_with(start));
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(start) = raw {
            code.push_str("\"\"");
            rest[start.len()..].find("\"#").map_or(rest.len(), |end| start.len() + end + 2)
        } else if first == '"' {
            code.push_str("\"\"");
            literal(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find("'").unwrap() + 2
        } else {
            code.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    code
}

/// The length of the string literal that a text begins with.
fn literal(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file beneath a directory, or the file itself.
fn walk(at: &Path, found: &mut Vec<PathBuf>) {
    if at.is_file() {
        found.push(at.to_owned());
    } else if let Ok(entries) = fs::read_dir(at) {
        entries.for_each(|entry| walk(&entry.unwrap().path(), found));
    }
}

/// The Rust files beneath these, by path.
fn sources(directories: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    directories.iter().for_each(|directory| walk(&top().join(directory), &mut found));
    found.sort();
    let rust = found.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    rust.map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        Source::new(path.strip_prefix(top()).unwrap().to_str().unwrap(), &text)
    })
    .collect()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What follows each `prefix` that stands as a word of its own: one name, or those of a group in braces.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| is_word(c) || c == ':' || c == '$') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let word = |text: &str| text.chars().take_while(|&c| is_word(c)).collect::<String>();
        if !rest.starts_with('{') {
            names.push(word(rest));
            continue;
        }
        // A group: the first word of each part at its own level.
        let (mut level, mut fresh) = (0, false);
        for (at, c) in rest.char_indices() {
            match c {
                '{' => (level, fresh) = (level + 1, level == 0),
                '}' => level -= 1,
                ',' => fresh = level == 1,
                c if is_word(c) && fresh => {
                    names.push(word(&rest[at..]));
                    fresh = false;
                }
                _ => {}
            }
            if level == 0 {
                break;
            }
        }
    }
    names
}

/// The rooms that a file names: by `crate::…`, and by as many `super::` as lead to the top.
fn rooms_named(source: &Source) -> BTreeSet<String> {
    let code = source.code();
    let mut named: BTreeSet<String> = names_after(&code, "crate::").into_iter().collect();
    let tests = code.find("\nmod tests {").unwrap_or(code.len());
    for (code, depth) in [(&code[..tests], source.depth()), (&code[tests..], source.depth() + 1)] {
        named.extend(names_after(code, &"super::".repeat(depth)));
    }
    named.remove("super");
    named
}

fn floors_broken(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| !source.is_binary() && source.path != "src/lib.rs") {
        let room = source.room();
        let Some(own) = floor(room) else {
            broken.push(format!("{}: the room {room} is on no floor", source.path));
            continue;
        };
        for named in rooms_named(source) {
            let is_below = named == "fixtures" || floor(&named).is_some_and(|other| other < own);
            if named != room && !is_below && !NEIGHBOURS.contains(&(room, &named)) {
                broken.push(format!("{} names {named}", source.path));
            }
        }
    }
    broken
}

fn binary_broken(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| source.is_binary()) {
        let others = names_after(&source.code(), "crate::").into_iter().filter(|named| named != "cli");
        broken.extend(others.map(|named| format!("{} names crate::{named}", source.path)));
        if source.code().contains("::testing::") && !source.code_in_use().is_empty() {
            broken.push(format!("{} uses what is for tests", source.path));
        }
    }
    let cli =
        sources.iter().filter(|source| source.path == "src/lib.rs" && source.code().contains("mod cli"));
    broken.extend(cli.map(|_| "the library has a module cli".to_owned()));
    broken
}

/// Returns the files outside of these rooms whose code has one of these words.
fn only_in(sources: &[Source], rooms: &[&str], words: &[&str], code: fn(&Source) -> String) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| !rooms.contains(&source.room())) {
        let code = code(source);
        let found = words.iter().filter(|word| {
            code.match_indices(**word).any(|(at, _)| !code[..at].ends_with(is_word) || word.starts_with('.'))
        });
        broken.extend(found.map(|word| format!("{} has {word}", source.path)));
    }
    broken
}

fn sqlite_broken(sources: &[Source]) -> Vec<String> {
    only_in(sources, &SQLITE, &["rusqlite"], Source::code)
}

fn terminal_broken(sources: &[Source]) -> Vec<String> {
    // Whoever prints panics on a closed pipe; whoever unwraps panics on input.
    let words = ["println!", "eprintln!", "print!", "eprint!", "dbg!", "todo!", ".unwrap()"];
    let mut broken = only_in(sources, &[], &words, Source::code_in_use);
    let edge = ["env::var", "env::var_os", "env::vars", "env::home_dir", "stdin()", "stdout()", "stderr()"];
    broken.extend(only_in(sources, &["cli", "main"], &edge, Source::code_in_use));
    broken.extend(only_in(sources, &["cli", "main"], &["anyhow", "clap", "indicatif"], Source::code));
    broken
}

fn deletion_broken(sources: &[Source]) -> Vec<String> {
    let others: Vec<Source> = sources
        .iter()
        .filter(|source| source.path != "src/registry/collect.rs")
        .map(|source| Source::new(&source.path, &source.text))
        .collect();
    only_in(
        &others,
        &["storage"],
        &[".delete(", ".delete_many(", "Backend::delete", "Local::delete"],
        Source::code,
    )
}

fn layout_broken(sources: &[Source]) -> Vec<String> {
    // A path to an object is asked of storage::layout, and built nowhere else.
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| source.path != "src/storage/layout.rs") {
        let lines = source.text.lines().take_while(|line| *line != "mod tests {");
        let builds = |line: &&str| line.contains("\"blake3/{") || line.contains(".join(\"blake3\")");
        if !source.code_in_use().is_empty() {
            broken.extend(lines.filter(builds).map(|line| format!("{}: {}", source.path, line.trim())));
        }
    }
    broken
}

fn length_broken(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        let is_listed = LONG.iter().any(|(path, _)| *path == source.path);
        if lines > 500 && !is_listed {
            broken.push(format!("{} has {lines} lines: look for the second thought", source.path));
        } else if lines <= 450 && is_listed {
            broken.push(format!("{} has only {lines} lines and is still listed", source.path));
        }
    }
    for (path, _) in LONG.iter().filter(|(path, _)| !sources.iter().any(|source| source.path == *path)) {
        broken.push(format!("{path} is listed and not there"));
    }
    broken
}

fn headings_broken(sources: &[Source]) -> Vec<String> {
    let bare = sources.iter().filter(|source| !source.text.starts_with("//! "));
    bare.map(|source| format!("{} does not say what it is for", source.path)).collect()
}

fn names_broken(sources: &[Source]) -> Vec<String> {
    let vague = ["utils", "util", "misc", "common", "helpers", "helper"];
    let vague = |source: &&Source| source.path.split(['/', '.']).any(|part| vague.contains(&part));
    sources.iter().filter(vague).map(|source| format!("{} names no noun", source.path)).collect()
}

/// A file that no `mod` names is not compiled, and nobody notices.
fn forgotten(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let path = Path::new(&source.path);
        let (mut parent, mut name) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
        if name == "mod" {
            (parent, name) = (parent.parent().unwrap(), parent.file_name().unwrap().to_str().unwrap());
        }
        let is_top = [Path::new("src"), Path::new("tests/it")].contains(&parent);
        if is_top && ["lib", "main"].contains(&name) {
            continue;
        }
        let parents = if is_top {
            vec![parent.join("lib.rs"), parent.join("main.rs")]
        } else {
            vec![parent.join("mod.rs"), parent.with_extension("rs")]
        };
        let is_named = sources
            .iter()
            .filter(|other| parents.contains(&Path::new(&other.path).into()))
            .any(|other| names_after(&other.code(), "mod ").contains(&name.to_owned()));
        if !is_named {
            broken.push(format!("{} is named by none of {parents:?}", source.path));
        }
    }
    broken
}

/// Where the machine of whoever wrote it shows.
fn machines_broken(path: &str, bytes: &[u8]) -> Vec<String> {
    let mut marks = vec![top().to_str().unwrap().to_owned()];
    marks.extend(
        ["wo:rk", "ro:ot", "Us:ers", "workspace:s"].map(|mark| format!("/{}/", mark.replace(':', ""))),
    );
    let has = |mark: &String| bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
    marks.into_iter().filter(has).map(|mark| format!("{path} has {mark}")).collect()
}

#[track_caller]
fn check(rule: fn(&[Source]) -> Vec<String>, directories: &[&str]) {
    let sources = sources(directories);
    assert!(!sources.is_empty());
    let broken = rule(&sources);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_floor_uses_only_floors_below() {
    check(floors_broken, &["src"]);
}

#[test]
fn the_binary_sees_only_the_public_face() {
    check(binary_broken, &["src"]);
}

#[test]
fn sqlite_is_known_to_its_wing_and_the_cache() {
    check(sqlite_broken, &["src"]);
}

#[test]
fn the_library_knows_no_terminal_and_nothing_panics_on_input() {
    check(terminal_broken, &["src"]);
}

#[test]
fn only_gc_deletes_from_a_backend() {
    check(deletion_broken, &["src"]);
}

#[test]
fn object_paths_are_built_in_one_place() {
    check(layout_broken, &["src"]);
}

#[test]
fn a_file_is_one_thought() {
    check(length_broken, &["src"]);
}

#[test]
fn every_file_says_what_it_is_for() {
    check(headings_broken, &["src", "tests", "examples"]);
}

#[test]
fn every_file_is_named_after_a_noun() {
    check(names_broken, &["src", "tests", "examples"]);
}

#[test]
fn no_file_is_forgotten() {
    check(forgotten, &["src", "tests/it"]);
}

#[test]
fn no_machine_of_a_developer_shows() {
    let mut files = Vec::new();
    for entry in fs::read_dir(top()).unwrap().map(|entry| entry.unwrap()) {
        // What git ignores or keeps for itself may name whatever it likes.
        if ![".git", "target"].map(Into::into).contains(&entry.file_name()) {
            walk(&entry.path(), &mut files);
        }
    }
    let is_cache = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "__pycache__");
    files.retain(|path| !is_cache(path));
    assert!(files.len() > 100);
    let broken: Vec<String> = files
        .iter()
        .flat_map(|path| machines_broken(&path.display().to_string(), &fs::read(path).unwrap()))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A rule, a path and a text that break it, and a word of what it says of them.
type Breach = (fn(&[Source]) -> Vec<String>, &'static str, &'static str, &'static str);

#[test]
fn each_rule_finds_what_breaks_it() {
    let breaches: [Breach; 28] = [
        (floors_broken, "src/manifest/x.rs", "use crate::storage::Local;", "names storage"),
        (floors_broken, "src/identity/x.rs", "use crate::env::Env;", "names env"),
        (floors_broken, "src/storage/x.rs", "use crate::db::ReadTx;", "names db"),
        (floors_broken, "src/db/x.rs", "use crate::events;", "names events"),
        (floors_broken, "src/events/x.rs", "fn f() { crate::views::f() }", "names views"),
        (floors_broken, "src/plane/x.rs", "use crate::{disk::Disk, error::Error};", "names error"),
        (
            floors_broken,
            "src/plane/x.rs",
            "use crate::{\n    disk::{a, b},\n    registry,\n};",
            "names registry",
        ),
        (floors_broken, "src/cache.rs", "use super::plane;", "names plane"),
        (floors_broken, "src/views/x.rs", "use super::super::cache;", "names cache"),
        (floors_broken, "src/views/mod.rs", "use super::{db::X, cache};", "names cache"),
        (floors_broken, "src/attic/x.rs", "", "on no floor"),
        (binary_broken, "src/cli/x.rs", "use crate::registry::Registry;", "names crate::registry"),
        (binary_broken, "src/cli/x.rs", "use astore::disk::testing::Trace;", "is for tests"),
        (binary_broken, "src/lib.rs", "mod cli;", "module cli"),
        (sqlite_broken, "src/registry/x.rs", "use rusqlite::Row;", "rusqlite"),
        (sqlite_broken, "src/disk/x.rs", "fn f() { rusqlite::f() }", "rusqlite"),
        (terminal_broken, "src/plane/x.rs", "fn f() { x.unwrap() }", ".unwrap()"),
        (terminal_broken, "src/cli/x.rs", "fn f() { println!() }", "println!"),
        (terminal_broken, "src/registry/x.rs", "fn f() { std::env::var_os(x) }", "env::var_os"),
        (terminal_broken, "src/monitor.rs", "use indicatif::ProgressBar;", "indicatif"),
        (deletion_broken, "src/registry/add.rs", "fn f() { self.local.delete(&x) }", ".delete("),
        (layout_broken, "src/plane/x.rs", "fn f() { format!(\"blake3/{a}\") }", "blake3/"),
        (length_broken, "src/manifest/cbor.rs", "", "jcs.rs is listed and not there"),
        (headings_broken, "src/x.rs", "use std::fs;\n", "does not say"),
        (names_broken, "src/plane/utils.rs", "", "names no noun"),
        (forgotten, "tests/it/lonely.rs", "", "is named by none"),
        (forgotten, "src/plane/lonely.rs", "", "is named by none"),
        (forgotten, "src/plane/tests/lonely.rs", "", "is named by none"),
    ];
    for (rule, path, text, word) in breaches {
        let said = rule(&[Source::new(path, text)]);
        assert!(said.iter().any(|said| said.contains(word)), "{path}: {text}: {said:?}");
    }
    let long = "//! x\n".repeat(501);
    assert!(length_broken(&[Source::new("src/plane/x.rs", &long)])[0].contains("501 lines"));
    let short = length_broken(&[Source::new("src/events/event.rs", "")]);
    assert!(short.iter().any(|said| said.contains("only 0 lines")), "{short:?}");
    let path = ["in /ro", "ot/x"].concat();
    assert!(!machines_broken("x", path.as_bytes()).is_empty());
}

#[test]
fn no_rule_finds_what_is_allowed() {
    type Rule = fn(&[Source]) -> Vec<String>;
    let allowed: [(Rule, &str, &str); 11] = [
        (floors_broken, "src/views/x.rs", "use crate::{db::X, events::Y, manifest::{registry, Z}};"),
        (floors_broken, "src/views/x.rs", "// crate::registry\nconst X: &str = \"crate::registry\";"),
        (floors_broken, "src/views/x.rs", "use super::cache;\nuse super::super::db;"),
        (floors_broken, "src/cache.rs", "#[cfg(test)]\n#[expect(x)]\nmod tests {\n    use super::plane;\n}"),
        (floors_broken, "src/manifest/cbor/x.rs", "use super::super::storage;"),
        (floors_broken, "src/events/x.rs", "use ciborium_crate::views; macro $crate::views"),
        (sqlite_broken, "src/registry/x.rs", "/// As rusqlite does.\nconst X: &str = r#\"rusqlite\"#;"),
        (
            terminal_broken,
            "src/plane/x.rs",
            "fn f() { '\"'; eprintln_of(x) }\n#[cfg(test)]\nmod tests { x.unwrap() }",
        ),
        (deletion_broken, "src/registry/collect.rs", "fn f() { self.local.delete(&x) }"),
        (deletion_broken, "src/storage/local.rs", "fn f() { self.local.delete(&x) }"),
        (layout_broken, "src/storage/layout.rs", "fn f() { format!(\"blake3/{a}\") }"),
    ];
    for (rule, path, text) in allowed {
        assert_eq!(rule(&[Source::new(path, text)]), Vec::<String>::new(), "{path}: {text}");
    }
}
