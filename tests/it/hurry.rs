//! A person in a hurry, and the scripts that they write: the binary, from what is typed to what is printed
//! where, and the exit code.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::cli::{Desk, Said, listen_to_signals, said};
use crate::support::oracle::file_of;

/// Somebody at a desk who names no root: the store is where it is for everyone, beneath their home.
struct Person {
    desk: Desk,
}

impl Person {
    /// With a tree `site` to archive: three entries, of which two are files.
    fn new() -> Self {
        let person = Self { desk: Desk::without_store() };
        person.write("site/index.html", "hi\n");
        person.write("site/css/a.css", "a{}\n");
        person
    }

    fn at(&self, path: &str) -> PathBuf {
        self.desk.path(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        std::fs::write(self.at(path), text).unwrap();
    }

    fn astore(&self, arguments: &[&str]) -> Command {
        let mut command = self.desk.command(arguments);
        command.env_remove("ASTORE_ROOT");
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        said(self.astore(arguments))
    }

    /// Runs what has to succeed and returns standard output.
    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).expect(0)
    }

    /// The default root.
    fn root(&self) -> PathBuf {
        self.at(".local/share/astore")
    }

    fn json(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let out = self.run(arguments).out;
        out.lines().map(|line| serde_json::from_str(line).expect("a document")).collect()
    }
}

/// Takes the lock of a store as another process would, without a word about who it is.
fn hold_lock(root: &Path) -> std::fs::File {
    let file = std::fs::File::options().read(true).write(true).open(root.join("astore.lock")).unwrap();
    fs2::FileExt::lock_exclusive(&file).unwrap();
    file
}

/// Asks a process to end as Ctrl-C and kill(1) do.
fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Nothing in a store is anybody's destination: a gc clears some of it.
#[test]
fn nothing_is_exported_into_the_store() {
    let person = Person::new();
    person.done(&["add", "--finalize", "site"]);
    for inside in ["tmp/keep", "blake3/zz/deep", ".", "log/../new"] {
        let place = person.root().join(inside).display().to_string();
        let said = person.run(&["export", "site", &place]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(" is inside the store; name a directory elsewhere"), "{said:?}");
    }
    assert!(!person.root().join("tmp/keep").exists());
    person.done(&["verify"]);
}

/// What is mistyped, misplaced or misunderstood: the exit code, and a line that says what to do.
#[test]
fn each_mistake_has_its_code_and_its_advice() {
    let person = Person::new();
    person.done(&["add", "--finalize", "site"]);
    person.done(&["add", "site", "--name", "run"]);
    person.write("plain", "a file");
    std::fs::create_dir(person.at("full")).unwrap();
    person.write("full/x", "x");
    for (line, code, says) in [
        ("show sote", 7, "'astore list --all' shows"),
        ("show 01a1fea", 7, "8 digits or more"),
        ("show site@2", 7, "site@2"),
        ("cat site", 2, "neither REF:PATH nor an address"),
        ("cat site:", 2, "the path is empty"),
        ("cat site:nope", 7, "'astore files site@1' shows"),
        ("cat site:css", 2, "is a directory"),
        ("cat site:index.html --range 9-", 2, "there are 3 bytes"),
        ("cat site:index.html --range -3", 2, "expected A-B or A-"),
        ("cat blake3:00000000", 7, "no object"),
        ("cat blake3:0000", 2, "at least 8"),
        ("finalize site", 2, "finalized already"),
        ("finalize nope", 7, "no package"),
        ("manifest run", 2, "freeze it with 'astore finalize run@1'"),
        ("add --package site site", 2, "without --package, add makes a new version"),
        ("add --package run site", 2, "--replace"),
        ("add nope", 1, "cannot read nope"),
        ("add site plain", 2, "--name NAME"),
        ("add /", 2, "--name NAME"),
        ("add site ./site --name twice", 2, "both be stored as site"),
        ("add site --class nope", 2, "permanent-record"),
        ("add .local/share/astore", 2, "the store itself"),
        ("diff site nope", 7, "no package"),
        ("diff site full", 7, "the directory of that name is ./full"),
        ("diff ./full site", 7, "the package comes first"),
        ("diff site ./plain", 1, "not a directory"),
        ("diff site ./nope", 1, "cannot read ./nope"),
        ("export site full", 2, "missing or empty"),
        ("export site plain", 1, "Not a directory"),
        ("export site no/such", 1, "make the directory that it is to stand in first"),
        ("list --limit 0", 2, "expected a number from 1"),
        ("list --limit -1", 2, "expected a number from 1"),
        ("list --limit 99999999999999999999", 2, "too large"),
        ("log --since -1", 2, "expected a number"),
        ("files site --limit 2", 2, "unexpected argument '--limit' found; see 'astore files --help'"),
        ("init elsewhere", 2, "--root DIR or ASTORE_ROOT"),
        ("init --class a=1d --class a=2d", 2, "--class a is given twice"),
        ("init --root full", 2, "it holds x; name a directory that is missing or empty"),
        ("--root elsewhere list", 8, "make one with 'astore init' and the same --root"),
        ("--root plain list", 8, "no store at"),
        ("remove site", 2, "--reason"),
        ("remove site run nope --reason r", 7, "nope"),
        ("restore site", 2, "not removed"),
        ("verify nope", 7, "no package"),
        ("lsit", 2, "'list'"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let answer = person.run(&arguments);
        assert_eq!((answer.code, answer.out.as_str()), (code, ""), "{line}: {answer:?}");
        assert_eq!(answer.err.lines().count(), 1, "{line}: {answer:?}");
        assert!(answer.err.starts_with("astore: ") && answer.err.contains(says), "{line}: {answer:?}");
        // A tip of clap's that would only lead astray.
        assert!(!answer.err.contains("as a value"), "{line}: {answer:?}");
    }
    assert_eq!(person.done(&["list", "--all", "--quiet"]), "site@1\nrun@1\n", "mistakes change nothing");
}

/// A store that is refused says so in a line, whatever is wrong with it.
#[test]
fn a_store_that_cannot_be_used_is_named_with_its_root() {
    let person = Person::new();
    person.done(&["add", "--finalize", "site"]);
    let root = person.root();
    let config = std::fs::read_to_string(root.join("astore.toml")).unwrap();
    let refused = |code: i32, says: &str| {
        let answer = person.run(&["list"]);
        assert_eq!((answer.code, answer.out.as_str()), (code, ""), "{answer:?}");
        assert_eq!(answer.err.lines().count(), 1, "{answer:?}");
        assert!(answer.err.contains(says), "{answer:?}");
        assert!(answer.err.contains(&*root.to_string_lossy()), "{answer:?}");
        answer.err
    };
    std::fs::write(root.join("astore.toml"), config.replace("format = 1", "format = 2")).unwrap();
    refused(8, "format 2");
    std::fs::write(root.join("astore.toml"), "garbage").unwrap();
    refused(4, "astore.toml is damaged");
    std::fs::write(root.join("astore.toml"), config).unwrap();
    std::fs::write(root.join("astore.db"), [7; 4096]).unwrap();
    for end in ["-wal", "-shm"] {
        drop(std::fs::remove_file(root.join(format!("astore.db{end}"))));
    }
    let said = refused(4, "'astore recover'");
    assert_eq!(said.matches("not a database").count(), 1, "once is enough: {said}");
    std::fs::remove_file(root.join("astore.db")).unwrap();
    refused(4, "'astore recover'");
}

/// `--quiet` leaves exactly the result, wherever it stands.
#[test]
fn quiet_is_for_scripts() {
    let person = Person::new();
    for (line, out) in [
        ("-q add site", "site@1\n"),
        ("add site --finalize -q", "site@2\n"),
        ("add --quiet --if-changed --finalize site", "site@2\n"),
        ("list -q", "site@1\nsite@2\n"),
        ("files site -q", "css\ncss/a.css\nindex.html\n"),
        ("cat -q site:index.html", "hi\n"),
        ("export site out -q", ""),
        ("diff site ./out -q", ""),
        ("verify -q", ""),
        ("log --type v1.pin.added -q", ""),
        ("list --removed -q", ""),
        ("remove site --keep 9 --dry-run -q", ""),
        ("remove site@1 --reason r -q", "site@1\n"),
        ("restore site -q", "site@1\n"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let answer = person.run(&arguments);
        assert_eq!((answer.code, answer.out.as_str(), answer.err.as_str()), (0, out, ""), "{line}");
    }
    let head = person.done(&["health", "-q"]);
    assert_eq!(person.run(&["verify", "-q", "--head", head.trim()]).code, 0);
    let other = head.trim().replace(['0', '1', '2'], "3");
    let answer = person.run(&["verify", "-q", "--no-record", "--head", &other]);
    assert_eq!((answer.code, answer.err.as_str()), (4, ""), "{answer:?}");
    assert!(answer.out.starts_with("head event "), "the fault and nothing else: {answer:?}");
}

/// Where there is nothing to print, a person learns that nothing is wrong with what they typed.
#[test]
fn an_empty_answer_says_so() {
    let person = Person::new();
    person.done(&["init"]);
    for (line, says) in [
        ("list", "no such packages"),
        ("log --type v1.pin.added", "no such events"),
        ("log --since 99", "no such events"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let answer = person.run(&arguments);
        assert_eq!((answer.code, answer.out.as_str()), (0, ""), "{line}");
        assert_eq!(answer.err, format!("astore: {says}\n"), "{line}");
    }
    person.done(&["add", "--finalize", "site"]);
    let answer = person.run(&["remove", "site", "--keep", "1", "--dry-run"]);
    assert_eq!((answer.out.as_str(), answer.err.as_str()), ("", "astore: nothing to remove\n"));
    let answer = person.run(&["init", "--class", "nightly=14d"]);
    assert_eq!(answer.code, 0, "provisioning can be repeated");
    assert!(answer.err.contains("count only when it is made"), "{answer:?}");
}

/// Every command with `--json`: its documents, with the schema that docs/json.md describes.
#[test]
fn json_is_documents_on_standard_output() {
    let person = Person::new();
    for (line, schema, documents) in [
        ("init", "init", 1),
        ("add site", "add", 1),
        ("finalize site", "finalize", 1),
        ("manifest site", "manifest", 1),
        ("manifest site --digest", "manifest", 1),
        ("list", "package", 1),
        ("list --removed", "package", 0),
        ("show site", "show", 1),
        ("files site", "entry", 3),
        ("diff site ./site", "diff", 1),
        ("export site out", "export", 1),
        ("remove site --keep 0 --dry-run", "remove", 1),
        ("remove site --reason r", "remove", 1),
        ("restore site", "restore", 1),
        ("verify", "verify", 1),
        ("log", "event", 7),
        ("replay --check", "replay", 1),
        ("stats", "stats", 1),
        ("health", "health", 1),
    ] {
        let mut arguments = vec!["--json"];
        arguments.extend(line.split(' '));
        let answer = person.run(&arguments);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{line}: {answer:?}");
        let found: Vec<serde_json::Value> =
            answer.out.lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
        assert_eq!(found.len(), documents, "{line}: {answer:?}");
        for document in found {
            assert_eq!(document["schema"], format!("astore/{schema}/v1"), "{line}");
        }
    }
}

/// REF: a name, `name@version`, an id, the beginning of an id, in that order; 2 where it could be several.
#[test]
fn a_reference_means_one_package() {
    let person = Person::new();
    for _ in 0..2 {
        person.done(&["add", "--finalize", "site"]);
    }
    person.done(&["add", "site"]);
    let documents = person.json(&["list", "--json"]);
    let id = |index: usize| documents[index]["id"].as_str().unwrap().to_owned();
    let means = |reference: &str| {
        let answer = person.json(&["show", reference, "--json"]);
        answer[0]["package"]["reference"].as_str().unwrap().to_owned()
    };
    assert_eq!(means("site"), "site@2", "the newest finalised one, though site@3 is open");
    assert_eq!(means("site@1"), "site@1");
    assert_eq!(means(&id(0)), "site@1");
    assert_eq!(means(&id(2)), "site@3");
    // A name wins over an id, and ids of the same minute begin alike.
    let prefix = id(0)[..8].to_owned();
    if documents.iter().filter(|document| document["id"].as_str().unwrap().starts_with(&prefix)).count() > 1 {
        let answer = person.run(&["show", &prefix]);
        assert_eq!(answer.code, 2, "{answer:?}");
        assert!(answer.err.contains("means several packages: site@1, site@2"), "{answer:?}");
    }
    person.done(&["add", "site", "--name", &prefix]);
    assert_eq!(means(&prefix), format!("{prefix}@1"));
    assert_eq!(person.run(&["remove", "site", "--reason", "r"]).code, 2, "which of three?");
    assert!(person.done(&["finalize", "site"]).starts_with("site@3 "), "the newest open one");
    assert_eq!(person.done(&["remove", "site@1", "site@2", "--reason", "r"]), "site@1\nsite@2\n");
    assert_eq!(person.done(&["restore", "site"]), "site@2\n", "the newest removed one");
}

/// `diff` reads a directory as `add` would: without the store that lies in it, and without what `add` skips.
#[test]
fn a_directory_is_the_same_right_after_it_was_added() {
    let person = Person::new();
    person.done(&["add", "--finalize", ".", "--name", "home"]);
    let answer = person.run(&["diff", "home", "."]);
    assert_eq!((answer.code, answer.out.as_str()), (0, ""), "{answer:?}");
    assert!(answer.err.contains("(the store itself)"), "{answer:?}");
    person.write("site/index.html", "other");
    let answer = person.run(&["diff", "home", "./"]);
    assert_eq!((answer.code, answer.out.as_str()), (9, "~ site/index.html (content)\n"), "{answer:?}");
}

/// Names that would move a cursor are escaped for people, raw for programs, and good in check files.
#[test]
fn odd_names_do_no_harm() {
    let person = Person::new();
    for name in ["new\nline", "esc\u{1b}[31m", "tab\t", "back\\slash", "-dash", " space ", "co:lon"] {
        person.write(&format!("odd/{name}"), name);
    }
    person.done(&["add", "--finalize", "odd"]);
    let people = person.done(&["files", "odd", "-q"]);
    assert_eq!(people, " space \n-dash\nback\\\\slash\nco:lon\nesc\\x1b[31m\nnew\\nline\ntab\\t\n");
    let programs = person.done(&["files", "odd", "-0"]);
    assert_eq!(programs, " space \0-dash\0back\\slash\0co:lon\0esc\u{1b}[31m\0new\nline\0tab\t\0");
    assert_eq!(person.done(&["cat", "odd:co:lon"]), "co:lon");
    assert_eq!(person.done(&["cat", "odd:new\nline", "--range", "4-6"]), "lin");
    person.done(&["export", "odd", "out"]);
    person.write("sums", &person.done(&["manifest", "odd", "--format", "sha256sums"]));
    let checked = Command::new("sha256sum").args(["-c", "../sums"]).current_dir(person.at("out")).output();
    assert!(checked.unwrap().status.success());
    let answer = person.run(&["cat", "odd:no\nsuch"]);
    assert_eq!((answer.code, answer.err.lines().count()), (7, 1), "{answer:?}");
}

/// The language, the zone and the place of a person change neither order nor digest nor times.
#[test]
fn the_same_everywhere() {
    let person = Person::new();
    let first = person.json(&["add", "--finalize", "site", "--json"]);
    let mut elsewhere = person.astore(&["add", "--finalize", "../site/.", "--name", "b", "--json"]);
    std::fs::create_dir(person.at("away")).unwrap();
    elsewhere.current_dir(person.at("away")).env("LC_ALL", "tr_TR.UTF-8").env("TZ", "Asia/Tokyo");
    elsewhere.env("NO_COLOR", "1");
    let second = said(elsewhere);
    let second: serde_json::Value = serde_json::from_str(&second.out).unwrap();
    assert_eq!(first[0]["package"]["content_digest"], second["package"]["content_digest"]);
    assert!(second["package"]["created_at"].as_str().unwrap().ends_with('Z'));
}

/// A reader that has seen enough is no failure, but does not hide one.
#[test]
fn a_closed_pipe_is_silent() {
    let person = Person::new();
    for number in 0..3000 {
        person.write(&format!("many/a-name-that-is-long-enough-to-fill-a-pipe-{number}"), "");
    }
    person.done(&["add", "--finalize", "many"]);
    for (line, code) in [
        ("files many", 0),
        ("files many -0", 0),
        ("files many --json", 0),
        ("manifest many --format sha256sums", 0),
        ("manifest many --format json", 0),
        ("diff many ./site", 9),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let mut command = person.astore(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
        assert!(output.stderr.is_empty(), "{line}: {output:?}");
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut list = person.astore(&["list"]);
    let answer = Said::of(&list.stdout(full).output().unwrap());
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.err.starts_with("astore: cannot write the output: No space left"), "{answer:?}");
}

/// Ctrl-C in the middle of an add: the exit code says so, nothing is left, and the store goes on.
#[test]
fn a_signal_leaves_the_store_clean() {
    listen_to_signals();
    let person = Person::new();
    person.done(&["init"]);
    for (asked, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let mut command = person.astore(&["add", "-", "--name", "endless"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // More than a pipe holds: when this returns, it is reading.
        input.write_all(&vec![7; 4 << 20]).unwrap();
        signal(&child, asked);
        let answer = Said::of(&child.wait_with_output().unwrap());
        drop(input);
        assert_eq!((answer.code, answer.out.as_str()), (code, ""), "{answer:?}");
        assert!(answer.err.contains("astore: interrupted (root "), "{answer:?}");
        assert_eq!(std::fs::read_dir(person.root().join("tmp")).unwrap().count(), 0);
        assert_eq!(person.done(&["list", "--all"]), "");
    }
    person.done(&["verify"]);
}

/// Who has to wait is told; who will not wait gets an answer of its own.
#[test]
fn a_store_in_use_is_waited_for() {
    let person = Person::new();
    person.done(&["add", "--finalize", "site"]);
    let held = hold_lock(&person.root());
    let answer = person.run(&["add", "site", "--wait", "0s"]);
    assert_eq!((answer.code, answer.err.lines().count()), (6, 1), "{answer:?}");
    assert!(answer.err.contains("the store is in use") && answer.err.contains("--wait"), "{answer:?}");
    assert_eq!(person.done(&["list", "-q", "--wait", "0s"]), "site@1\n", "reading does not wait");
    let mut command = person.astore(&["add", "site"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    let mut err = std::io::BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut told).unwrap();
    assert_eq!(told, "astore: waiting for the store's lock\n");
    drop(held);
    let answer = Said::of(&child.wait_with_output().unwrap());
    assert_eq!((answer.code, answer.out.as_str()), (0, "site@2\n"), "{answer:?}");
}

/// What is damaged is not handed out, and whoever asked learns how it heals.
#[test]
fn damage_is_refused_with_a_way_out() {
    let person = Person::new();
    person.done(&["add", "--finalize", "site"]);
    std::fs::remove_file(file_of(&person.root(), b"hi\n")).unwrap();
    let answer = person.run(&["cat", "site:index.html"]);
    assert_eq!((answer.code, answer.out.as_str()), (4, ""), "{answer:?}");
    assert!(answer.err.contains("adding the same content again heals it"), "{answer:?}");
    let answer = person.run(&["export", "site", "out"]);
    assert_eq!(answer.code, 4, "{answer:?}");
    assert!(answer.err.contains("not exported: index.html: missing"), "{answer:?}");
    assert!(answer.err.contains("exported site@1 to out: 2 of 3 entries"), "{answer:?}");
    assert_eq!(person.run(&["verify", "-q"]).code, 4);
    let answer = person.run(&["add", "--finalize", "--if-changed", "site"]);
    assert!(answer.out.starts_with("site@1 ") && answer.err.contains("healed 1 object"), "{answer:?}");
    assert_eq!(person.done(&["cat", "site:index.html"]), "hi\n");
    person.done(&["verify", "-q"]);
}
