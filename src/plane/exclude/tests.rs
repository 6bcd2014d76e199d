//! What patterns leave out, and whether git would say the same.

#![expect(clippy::disallowed_methods, reason = "builds a tree to ask git about")]

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

fn excludes(patterns: &[&str]) -> Excludes {
    Excludes::new(&patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>()).unwrap()
}

/// Returns whether a path is left out, itself or with a directory above it.
fn leaves_out(excludes: &Excludes, path: &[u8]) -> bool {
    let (path, is_directory) = path.strip_suffix(b"/").map_or((path, false), |path| (path, true));
    let above = (0..path.len()).filter(|&at| path[at] == b'/');
    above.into_iter().any(|at| excludes.matches(&path[..at], true)) || excludes.matches(path, is_directory)
}

fn check(patterns: &[&str], matching: &[&str], others: &[&str]) {
    let excludes = excludes(patterns);
    for path in matching {
        assert!(leaves_out(&excludes, path.as_bytes()), "{patterns:?} should leave out {path}");
    }
    for path in others {
        assert!(!leaves_out(&excludes, path.as_bytes()), "{patterns:?} should not leave out {path}");
    }
}

#[test]
fn a_pattern_means_what_git_takes_it_for() {
    check(&["*.o"], &["a.o", "x/y/a.o", "a.o/x", ".o"], &["a.c", "a.o.c"]);
    check(&["build"], &["build", "x/build", "x/build/y"], &["builds", "rebuild"]);
    check(&["x/*.c"], &["x/a.c"], &["y/x/a.c", "x/y/a.c"]);
    check(&["/top"], &["top", "top/x"], &["x/top"]);
    check(&["d/"], &["d/", "x/d/", "x/d/file"], &["d", "x/d"]);
    check(&["a/**/b"], &["a/b", "a/x/b", "a/x/y/b"], &["x/a/b", "a/xb"]);
    check(&["**/a/b"], &["a/b", "x/a/b", "x/y/a/b"], &["xa/b"]);
    check(&["a/**"], &["a/x", "a/x/y"], &["a/", "a", "x/a/y"]);
    check(&["a**b"], &["ab", "axxb", "x/axb"], &["a/b"]);
    check(&["{a,b}.c"], &["{a,b}.c"], &["a.c", "b.c"]);
    check(&["[!a-c]x"], &["dx", "y/zx"], &["ax", "a/x", "x"]);
    check(&["[]-]x", "[a\\]]y"], &["]x", "-x", "ay", "]y"], &["x", "\\y"]);
    check(&["v[[:digit:]].[^[:alpha:]]"], &["v1.2"], &["v1.a", "vx.2"]);
    check(&["a?b", "\\*"], &["axb", "*"], &["a/b", "ab", "x"]);
    check(&["\\!a", "\\#b", "#c"], &["!a", "#b", "#c"], &["a", "b"]);
    check(&["[z-a]", "", "!", "/"], &["z"], &["a", "-", "x/"]);
    check(&["name "], &["name "], &["name"]);
}

#[test]
fn the_last_pattern_that_matches_decides() {
    check(&["*.log", "!keep.log"], &["a.log", "x/b.log"], &["keep.log", "x/keep.log"]);
    check(&["!keep.log", "*.log"], &["keep.log"], &[]);
    check(&["/*", "!/keep"], &["a", "b/"], &["keep", "keep/x"]);
    // What is in a directory that is left out stays there with it.
    check(&["d/", "!d/keep"], &["d/keep"], &[]);
}

#[test]
fn names_are_bytes() {
    let excludes = excludes(&["caf?.txt", "*.\u{e9}"]);
    assert!(excludes.matches(b"caf\xe9.txt", false), "? is one byte");
    assert!(!excludes.matches("caf\u{e9}.txt".as_bytes(), false));
    assert!(excludes.matches("\n.\u{e9}".as_bytes(), false));
}

#[test]
fn what_can_match_nothing_is_refused() {
    let error = |pattern: &str| match Excludes::new(&["ok".into(), pattern.into()]) {
        Err(IngestError::Exclude { pattern: named, source }) => {
            assert_eq!(named, pattern);
            source.to_string()
        }
        other => panic!("{pattern}: {other:?}"),
    };
    for unclosed in ["a[", "[]", "[!]", "[a\\]", "[[:alpha", "x[[:digit:]"] {
        assert_eq!(error(unclosed), "a '[' is not closed", "{unclosed}");
    }
    assert_eq!(error("[[:vowel:]]"), "[:vowel:] is no class of characters");
    assert_eq!(error("a\\"), "it ends with a backslash");
}

#[test]
fn a_file_of_patterns_is_read_as_git_reads_it() {
    let text = "\u{feff}*.o\r\n# not this\n\n  \nspace \nkept\\ \n\\#literal\ntab\t\nlast  ";
    assert_eq!(patterns_of(text), ["*.o", "space", "kept\\ ", "\\#literal", "tab\t", "last"]);
    assert_eq!(patterns_of("two\\\\  \none\\   "), ["two\\\\", "one\\ "]);
}

/// Many stars are no reason to wait.
#[test]
fn no_pattern_takes_for_ever() {
    let pattern = format!("{}b", "*a".repeat(40));
    assert!(!excludes(&[&pattern]).matches(&[b'a'; 200], false));
}

/// Asks git of random patterns and paths, where there is one to ask.
#[test]
fn git_says_the_same() {
    let git = |directory: &std::path::Path, arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(directory).args(arguments).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", directory);
        command.env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap_or(directory));
        command
    };
    let place = tempfile::tempdir().unwrap();
    let made = git(place.path(), &["init", "--quiet"]).stderr(Stdio::null()).status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    let mut seed = 7_u64;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let pieces = [
        "a",
        "b",
        "ab",
        "/",
        "/",
        "*",
        "**",
        "?",
        "**/",
        "/**",
        "/**/",
        "[ab]",
        "[!a]",
        "[^b/]",
        "[a-]",
        "[[:alpha:]]",
        "\\a",
        "\\*",
        "{a,b}",
        "!",
        "#",
        "-",
        "[]a]",
        "[\\]b]",
        "[+-9]",
        "[b-a]",
    ];
    let mut patterns = vec![String::new(); 600];
    for pattern in &mut patterns {
        (0..=draw(4)).for_each(|_| pattern.push_str(pieces[draw(pieces.len())]));
    }
    // `a**/b` matches `ab` in git, since it compares what comes before the first star by itself; gitignore(5) says that
    // such stars are as one, and so do we.
    patterns
        .retain(|pattern| pattern.match_indices("**").all(|(at, _)| at == 0 || pattern[..at].ends_with('/')));
    let names = ["a", "b", "ab", "ba", "a-", "{a,b}", "*", "]", "!", "#", "aab", "0"];
    // They have to be there, since git looks at what they are; a directory comes before what is in it.
    let mut paths: Vec<String> = Vec::new();
    for _ in 0..120 {
        let path = (0..=draw(3)).map(|_| names[draw(names.len())]).collect::<Vec<_>>().join("/");
        if draw(3) == 0 && fs::create_dir_all(place.path().join(&path)).is_ok() {
            paths.push(path);
        } else if let Some((above, _)) = path.rsplit_once('/')
            && fs::create_dir_all(place.path().join(above)).is_ok()
            && File::create_new(place.path().join(&path)).is_ok()
        {
            paths.push(path);
        }
    }
    assert!(paths.len() > 60);
    for few in patterns.chunks(3) {
        // Not from the command line: `check-ignore` takes patterns from files alone.
        let text = few.join("\n");
        let patterns = patterns_of(&text);
        fs::write(place.path().join(".git/info/exclude"), &text).unwrap();
        let mut asked = git(place.path(), &["check-ignore", "--no-index", "-z", "--stdin", "-v", "-n"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = asked.stdin.take().unwrap();
        let question: String = paths.iter().map(|path| format!("{path}\0")).collect();
        let writer = std::thread::spawn(move || input.write_all(question.as_bytes()));
        let answer = asked.wait_with_output().unwrap().stdout;
        writer.join().unwrap().unwrap();
        let fields: Vec<&str> = std::str::from_utf8(&answer).unwrap().split_terminator('\0').collect();
        assert_eq!(fields.len(), 4 * paths.len());
        let excludes = Excludes::new(&patterns).unwrap();
        for fields in fields.chunks(4) {
            let (pattern, path) = (fields[2], fields[3]);
            let is_out = !pattern.is_empty() && !pattern.starts_with('!');
            let found = place.path().join(path);
            let typed = if found.is_dir() { format!("{path}/") } else { path.to_owned() };
            assert_eq!(leaves_out(&excludes, typed.as_bytes()), is_out, "{few:?} and {path}");
        }
    }
}
