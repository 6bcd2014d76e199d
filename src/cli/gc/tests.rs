//! Whether somebody is asked, what is asked, and what an answer does: with a terminal that a test types on.

use std::ffi::OsString;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use astore::identity::Blake3;

use crate::cli::context::InputSource;
use crate::cli::tests::{Shared, arguments, streams};
use crate::cli::{Environment, Interrupt, run};

const CONTENT: &[u8] = b"nobody wants this";

/// Somebody who does something while the question stands, and then types.
struct Person {
    meanwhile: Box<dyn FnOnce(&Interrupt) -> &'static str>,
}

impl InputSource for Person {
    fn reader(self: Box<Self>, interrupt: &Interrupt) -> Box<dyn Read + Send> {
        let typed = (self.meanwhile)(interrupt);
        if interrupt.flag().load(Ordering::Relaxed) {
            return Box::new(Interrupted);
        }
        Box::new(Cursor::new(typed))
    }
}

/// What standard input is to somebody who pressed Ctrl-C.
struct Interrupted;

impl Read for Interrupted {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Interrupted.into())
    }
}

/// How a command line ended and what it said.
#[derive(Debug)]
struct Said {
    code: u8,
    out: String,
    err: String,
}

/// A store in which one package was added and removed.
struct Store {
    dir: tempfile::TempDir,
}

impl Store {
    fn new() -> Self {
        let store = Self { dir: tempfile::tempdir().unwrap() };
        store.alone(&["init"]);
        store.add("gone");
        store.alone(&["remove", "gone", "--reason", "r"]);
        store
    }

    fn path(&self, name: &str) -> PathBuf {
        [self.dir.path(), Path::new(name)].iter().collect()
    }

    fn environment(&self) -> Environment {
        Environment {
            variables: vec![
                ("ASTORE_ROOT", OsString::from(self.path("store"))),
                ("ASTORE_ACTOR", "tester@desk".into()),
            ],
            scratch: self.dir.path().to_owned(),
            ..Environment::default()
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a file to add, not one of a store")]
    fn add(&self, name: &str) {
        let file = self.path("file");
        std::fs::write(&file, CONTENT).unwrap();
        self.alone(&["add", file.to_str().unwrap(), "--name", name, "--finalize"]);
    }

    /// Runs a command where nobody is, which must succeed.
    fn alone(&self, line: &[&str]) {
        let err = Shared::default();
        let streams = streams(Box::new(io::sink()), &err);
        let exit = run(arguments(line), &self.environment(), Interrupt::default(), streams);
        assert_eq!(exit.code(), 0, "{}", err.text());
    }

    /// Runs a command at a terminal at which somebody sits.
    fn attended(&self, line: &[&str], meanwhile: impl FnOnce(&Interrupt) -> &'static str + 'static) -> Said {
        let (out, err) = (Shared::default(), Shared::default());
        let mut streams = streams(Box::new(out.clone()), &err);
        streams.input = Box::new(Person { meanwhile: Box::new(meanwhile) });
        (streams.in_is_terminal, streams.out_is_terminal, streams.err_is_terminal) = (true, true, true);
        let line = [&["--color", "never"], line].concat();
        let exit = run(arguments(&line), &self.environment(), Interrupt::default(), streams);
        Said { code: exit.code(), out: out.text(), err: err.text() }
    }

    fn has_content(&self) -> bool {
        let hex = Blake3::of(CONTENT).to_string();
        let store = self.path("store");
        let path: PathBuf =
            [store.as_path(), "blake3".as_ref(), hex[..2].as_ref(), hex[2..4].as_ref(), hex.as_ref()]
                .iter()
                .collect();
        path.exists()
    }
}

const CONFIRM: [&str; 4] = ["gc", "--confirm", "--min-age", "0s"];

fn nobody_is_asked(_: &Interrupt) -> &'static str {
    panic!("it asked")
}

#[test]
fn only_yes_is_yes() {
    let store = Store::new();
    for answer in ["", "\n", "y\n", "no\n", "YES\n", "yes please\n", "yesyes\n", "\u{1b}yes\n", "no\nyes\n"] {
        let said = store.attended(&CONFIRM, move |_| answer);
        assert_eq!(said.code, 5, "{answer:?}: {said:?}");
        assert!(said.err.contains("not confirmed, nothing was changed (root /"), "{said:?}");
        assert!(store.has_content(), "{answer:?}");
    }
    let said = store.attended(&CONFIRM, |_| "yes\n");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!store.has_content());
}

#[test]
fn the_question_names_the_store_and_how_much_goes_and_the_plan_is_shown_once() {
    let store = Store::new();
    let said = store.attended(&CONFIRM, |_| "yes\n");
    let root = store.path("store");
    let question =
        format!("astore: delete 1 object, 17 B for good in {}; type 'yes' to do it: ", root.display());
    assert_eq!(said.err, question);
    assert_eq!(said.out.matches("would go under this plan").count(), 1, "{said:?}");
    assert!(said.out.ends_with("freed 1 object, 17 B (event 4)\n"), "{said:?}");
}

#[test]
fn an_interrupted_question_is_no_answer() {
    let store = Store::new();
    let said = store.attended(&CONFIRM, |interrupt| {
        interrupt.flag().store(true, Ordering::Relaxed);
        "yes\n"
    });
    assert_eq!(said.code, 130, "{said:?}");
    assert!(said.err.lines().last().unwrap().starts_with("astore: interrupted (root /"), "{said:?}");
    assert!(store.has_content());
}

#[test]
fn nobody_is_asked_who_does_not_want_to_be() {
    for more in [&["--yes"][..], &["--json", "--yes"], &["--quiet", "--yes"]] {
        let store = Store::new();
        let said = store.attended(&[&CONFIRM, more].concat(), nobody_is_asked);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        assert_eq!(said.out.is_empty(), more.contains(&"--quiet"), "{said:?}");
        assert!(!store.has_content());
    }
}

#[test]
fn who_wants_a_document_is_asked_as_well() {
    let store = Store::new();
    let line = [&CONFIRM[..], &["--json"]].concat();
    let said = store.attended(&line, |_| "no\n");
    assert_eq!((said.code, said.out.as_str()), (5, ""), "{said:?}");
    assert!(said.err.contains("would go under this plan"), "the plan is not seen: {said:?}");
    let said = store.attended(&line, |_| "yes\n");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with('{') && said.out.contains("\"confirmed\":true"), "{said:?}");
    let said = store.attended(&line, nobody_is_asked);
    assert!(said.out.contains("\"confirmed\":true"), "{said:?}");
}

#[test]
fn nobody_is_asked_where_there_is_nothing_to_do() {
    let store = Store::new();
    for line in [&["gc", "--confirm"][..], &["gc", "--confirm", "--quiet"], &["gc", "--min-age", "0s"]] {
        let said = store.attended(line, nobody_is_asked);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    }
    assert!(store.has_content());
    // Nor where it would not be done.
    let unknown = format!("--confirm=7-0-{}", Blake3::of(b""));
    let said = store.attended(&["gc", &unknown], nobody_is_asked);
    assert_eq!((said.code, said.out.as_str()), (5, ""), "{said:?}");
}

#[test]
fn no_lock_is_held_while_the_question_stands_and_who_objects_then_is_heard() {
    let store = std::rc::Rc::new(Store::new());
    let other = std::rc::Rc::clone(&store);
    let said = store.attended(&CONFIRM, move |_| {
        other.add("wanted");
        "yes\n"
    });
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.err.contains("wanted@1"), "{said:?}");
    assert!(store.has_content());
}

#[test]
fn a_plan_by_name_is_asked_about_too_and_quiet_hides_no_question() {
    let store = Store::new();
    let plan = store.attended(&["gc", "--quiet", "--min-age", "0s"], nobody_is_asked).out;
    let confirm = format!("--confirm={}", plan.trim_end());
    let said = store.attended(&["gc", &confirm, "--quiet"], |_| "no\n");
    assert_eq!((said.code, said.out.as_str()), (5, ""), "{said:?}");
    assert!(said.err.contains("1 object, 17 B"), "{said:?}");
    let said = store.attended(&["gc", &confirm, "--quiet"], |_| "yes\n");
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    assert!(!store.has_content());
}

#[test]
fn who_is_asked_sees_the_plan_wherever_the_result_goes() {
    let store = Store::new();
    let (out, err) = (Shared::default(), Shared::default());
    let mut streams = streams(Box::new(out.clone()), &err);
    streams.input = Box::new(Person { meanwhile: Box::new(|_| "no\n") });
    (streams.in_is_terminal, streams.err_is_terminal) = (true, true);
    let exit = run(arguments(&CONFIRM), &store.environment(), Interrupt::default(), streams);
    assert_eq!(exit.code(), 5);
    assert!(err.text().starts_with(&out.text()), "{}", err.text());
    assert!(out.text().contains("gone@1"), "{}", out.text());
}
