//! Command lines, from what is typed to the exit code, as far as no store is needed.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;

/// A writer whose bytes a test can read.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A standard output that fails.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

pub(super) fn streams(out: Box<dyn Write>, err: &Shared) -> Streams {
    Streams {
        input: Box::new(io::empty()),
        out,
        err: Box::new(err.clone()),
        in_is_terminal: false,
        out_is_terminal: false,
        out_columns: None,
        err_is_terminal: false,
    }
}

pub(super) fn arguments(line: &[&str]) -> Vec<OsString> {
    std::iter::once("astore").chain(line.iter().copied()).map(OsString::from).collect()
}

/// Runs a command line without any environment; returns the exit code, standard output and standard error.
fn run_line(line: &[&str]) -> (u8, String, String) {
    let (out, err) = (Shared::default(), Shared::default());
    let streams = streams(Box::new(out.clone()), &err);
    let exit = run(arguments(line), &Environment::default(), Interrupt::default(), streams);
    (exit.code(), out.text(), err.text())
}

#[test]
fn the_definition_is_sound() {
    definition().debug_assert();
}

const PLAN: &str = "1790000000000000-86400-af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
const PLAN_OPTION: &str =
    "--confirm=1790000000000000-86400-af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

/// Reads what a failure says with `--json`.
fn failure(err: &str) -> serde_json::Value {
    assert_eq!(err.matches('\n').count(), 1, "{err}");
    let document: serde_json::Value =
        serde_json::from_str(err).unwrap_or_else(|error| panic!("{error}: {err}"));
    assert_eq!(document["schema"], "astore/error/v1");
    document
}

#[test]
fn who_asks_for_json_before_anything_else_fails_gets_it() {
    for (line, is_json) in [
        (&["--json", "frob"][..], true),
        (&["add", "--frob", "--json"], true),
        (&["add", "--frob", "--", "--json"], false),
        (&["--frob"], false),
    ] {
        let (code, _, err) = run_line(line);
        assert_eq!((code, err.starts_with('{')), (2, is_json), "{line:?}: {err}");
    }
    let said = failure(&run_line(&["--json", "add"]).2);
    assert_eq!(said["hint"], "usage: astore add [OPTIONS] <PATH>...", "{said}");
    assert!(
        said["message"].as_str().unwrap().ends_with("<PATH>...; usage: astore add [OPTIONS] <PATH>..."),
        "{said}"
    );
    let said = failure(&run_line(&["--json", "lst"]).2);
    assert_eq!(said["hint"], "a similar subcommand exists: 'list'; see 'astore --help'");
    let err = Shared::default();
    let streams = streams(Box::new(Broken(io::ErrorKind::StorageFull)), &err);
    let exit = run(arguments(&["--json", "--help"]), &Environment::default(), Interrupt::default(), streams);
    assert_eq!((exit, failure(&err.text())["kind"].as_str()), (Exit::Failed, Some("failed")));
}

#[test]
fn usage_errors_are_one_line_and_exit_2() {
    for (line, says) in [
        (&[][..], "HOME is not set"),
        (&["-q"], "HOME is not set"),
        (&["frob"], "unrecognized subcommand 'frob'; see 'astore --help'"),
        (&["LIST"], "unrecognized subcommand 'LIST'; did you mean 'astore list'? see 'astore --help'"),
        (&["prune"], "'prune'; did you mean 'astore gc'? see 'astore --help'"),
        (&["add"], "<PATH>...; usage: astore add [OPTIONS] <PATH>..."),
        (&["add", "--finalise", "x"], "'--finalize'; see 'astore add --help'"),
        (&["add", "-dash"], "'-d' found; see 'astore add --help'"),
        (
            &["restore", "doc", "out"],
            "'out' found; 'astore export REF DEST' writes what is in a package; see",
        ),
        (&["add", "a", "b"], "--name NAME"),
        (&["add", "-"], "--name NAME"),
        (&["add", "--if-changed", "a"], "--finalize"),
        (&["add", "--replace", "a"], "--package"),
        (&["add", "--package", "p", "--meta", "a=b", "c"], "cannot be used with"),
        (&["add", "--meta", "a=b", "--meta", "a=c", "d"], "--meta a is given twice"),
        (&["add", "--meta", "novalue", "d"], "expected KEY=VALUE"),
        (&["add", "--stdin-name", "x", "d"], "give - as a PATH"),
        (&["add", "--stdin-name", "/x", "--name", "n", "-"], "absolute"),
        (&["show"], "<REF>; usage: astore show <REF>"),
        (&["schema"], "requires a subcommand"),
        (&["schema", "frob"], "unrecognized subcommand 'frob'; see 'astore schema --help'"),
        (&["schema", "add", "x"], "<FILE>; usage: astore schema add <NAME> <FILE>"),
        (&["schema", "show", "x@0"], "expected NAME or NAME@N"),
        (&["schema", "show", "x", "--json"], "--json does not apply"),
        (&["attest", "x"], "<FILE>; usage: astore attest <REF> <FILE>"),
        (&["list", "--meta", "=v"], "expected KEY=VALUE or KEY"),
        (&["add", "--package", "p", "--schema", "s", "c"], "cannot be used with"),
        (&["add", "--package", "p", "--meta-file", "s", "c"], "cannot be used with"),
        (&["add", "--package", "p", "--no-provenance", "c"], "cannot be used with"),
        (&["gc", "--yes"], "--confirm[=<PLAN>]; usage: astore gc [OPTIONS] --confirm[=<PLAN>] [--yes]"),
        (
            &["remove", "doc", "--older-than", "1d"],
            "--keep <N> --reason <TEXT>; usage: astore remove [OPTIONS] --reason <TEXT> --keep <N>",
        ),
        (&["remove", "doc", "--dry-run"], "HOME is not set"),
        (&["gc", "--confirm", "1-0-word"], "; a plan is named by --confirm=PLAN; see"),
        (&["gc", "--min-age", "-1s"], "unexpected argument '-1' found; see 'astore gc --help'"),
        (&["show", "a", "b"], "unexpected argument 'b'"),
        (&["list", "--open", "--all"], "cannot be used with"),
        (&["list", "--limit", "0"], "expected a number from 1"),
        (&["log", "--since", "-1"], "see 'astore log --help'"),
        (&["verify", "--quick", "--both"], "cannot be used with"),
        (&["verify", "--head", "7"], "expected N:DIGEST"),
        (&["cat", "doc"], "neither REF:PATH nor an address"),
        (&["cat", "--range", "5-4", "doc:a"], "the range ends before it begins"),
        (&["cat", "--json", "doc:a"], "--json does not apply"),
        (&["--json", "files", "-0", "doc"], "--json does not apply"),
        (&["manifest", "--json", "doc", "--format", "cbor"], "--json does not apply"),
        (&["manifest", "doc", "--digest", "--format", "cbor"], "cannot be used with"),
        (&["manifest", "doc", "--format", "xml"], "invalid value 'xml'"),
        (&["remove", "doc"], "--reason"),
        (&["remove", "doc", "--reason", " "], "--reason is empty"),
        (&["remove", "doc", "--reason", "r", "--dry-run"], "HOME is not set"),
        (&["remove", "a", "b", "--keep", "3", "--reason", "r"], "exactly one name"),
        (&["remove", "a@1", "--keep", "3", "--reason", "r"], "bare name"),
        (&["gc", "--confirm="], "expected <instant>-<min-age>-<digest>, as 'astore gc' prints it"),
        (&["gc", "--confirm=7"], "expected <instant>-<min-age>-<digest>, as 'astore gc' prints it"),
        (&["gc", "--confirm", PLAN], "a plan is named by --confirm=PLAN"),
        (&["gc", PLAN], "a plan is named by --confirm=PLAN"),
        (&["gc", "--confirm", "--without", "a"], "cannot be used with"),
        (&["gc", "--yes"], "--confirm[=<PLAN>]"),
        (&["gc", "--reason", "r"], "--confirm[=<PLAN>]"),
        (&["gc", "--accept-clock", "--without", "a"], "cannot be used with"),
        (&["gc", "--without"], "a value is required"),
        (&["gc", "--min-age", "1"], "expected an integer with"),
        (&["gc", "--min-age", "9007199254740992s"], "the duration is too long"),
        (&["gc", PLAN_OPTION, "--min-age", "23h"], "PLAN has a --min-age of its own, 24h"),
        (&["gc", PLAN_OPTION, "--min-age", "1440m"], "HOME is not set"),
        (&["gc", "--confirm", "--reason", ""], "--reason is empty"),
        (&["man", "frob"], "no command is called 'frob'"),
        (&["completions", "tcsh"], "invalid value 'tcsh'"),
        (&["--wait", "5", "list"], "expected an integer with"),
        (&["list", "--wait", "5"], "expected an integer with"),
        (&["list"], "HOME is not set"),
        (&["--actor", "", "list"], "--actor"),
    ] {
        let (code, out, err) = run_line(line);
        assert_eq!((code, out.as_str()), (2, ""), "{line:?}: {err}");
        assert_eq!(err.matches('\n').count(), 1, "{line:?}: {err}");
        assert!(err.ends_with('\n'), "{line:?}: {err}");
        let Some(text) = err.strip_prefix("astore: ") else {
            assert!(line.contains(&"--json") && failure(&err)["message"].as_str().unwrap().contains(says));
            continue;
        };
        assert!(text.contains(says), "{line:?} says: {err}");
        let (code, out, err) = run_line(&[&["--json"], line].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{line:?}: {err}");
        let failure = failure(&err);
        assert_eq!(
            (failure["kind"].as_str(), failure["exit"].as_u64()),
            (Some("usage"), Some(2)),
            "{line:?}"
        );
        let refused = failure["message"].as_str().unwrap().contains("--json does not apply");
        assert!(refused || failure["message"] == text.trim_end(), "{line:?}: {failure}");
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in definition().get_subcommands() {
        let name = command.get_name();
        let (code, out, err) = run_line(&[name, "--help"]);
        assert_eq!((code, err.as_str()), (0, ""), "{name}");
        assert!(out.contains("Usage: astore ") && out.contains("\nExamples:\n"), "{name}: {out}");
        assert!(
            out.contains(&format!("\n      astore {name}")) || out.contains(&format!(" astore {name} ")),
            "{name}"
        );
        assert!(out.lines().all(|line| line.chars().count() <= 100), "{name} has a long line");
    }
    assert_eq!(run_line(&["--version"]).1, format!("astore {}\n", env!("CARGO_PKG_VERSION")));
}

mod examples;

#[test]
fn global_options_stand_before_or_after_the_command() {
    let parse = |line: &[&str]| Cli::try_parse_from(arguments(line)).unwrap().global;
    for line in [
        &["--root", "/s", "--json", "-q", "--actor", "me", "--wait", "3s", "--color", "never", "list"][..],
        &["list", "--root", "/s", "--json", "-q", "--actor", "me", "--wait", "3s", "--color", "never"],
        &["--root", "/s", "-q", "list", "--json", "--actor", "me", "--color=never", "--wait=3s"],
    ] {
        let global = parse(line);
        assert_eq!(global.root.as_deref(), Some(std::path::Path::new("/s")), "{line:?}");
        assert!(global.json && global.quiet, "{line:?}");
        assert_eq!(global.actor.as_deref(), Some("me"), "{line:?}");
        assert_eq!(global.wait, Some(std::time::Duration::from_secs(3)), "{line:?}");
        assert_eq!(global.color, Some(ColorChoice::Never), "{line:?}");
    }
    for line in [
        &["--root", "/a", "-q", "--root", "/s", "list", "-q"][..],
        &["--root", "/a", "list", "--root", "/s", "--json", "--json"],
        &["list", "--root=/a", "--root=/s", "--color", "never", "--color", "auto"],
        &["--root", "/a", "--root", "/b", "list", "--root", "/c", "--root", "/s"],
    ] {
        assert_eq!(parse(line).root.as_deref(), Some(std::path::Path::new("/s")), "{line:?}");
    }
    assert_eq!((parse(&["list"]).wait, parse(&["list"]).color), (None, None));
}

#[test]
fn a_closed_pipe_is_silent_and_a_full_disk_is_not() {
    for (line, kind, code) in [
        (&["--help"][..], io::ErrorKind::BrokenPipe, 0),
        (&["man"], io::ErrorKind::BrokenPipe, 0),
        (&["--help"], io::ErrorKind::StorageFull, 1),
        (&["man"], io::ErrorKind::StorageFull, 1),
    ] {
        let err = Shared::default();
        let exit = run(
            arguments(line),
            &Environment::default(),
            Interrupt::default(),
            streams(Box::new(Broken(kind)), &err),
        );
        assert_eq!(exit.code(), code, "{line:?} {kind}");
        let said = err.text();
        assert_eq!(said.is_empty(), code == 0, "{line:?} {kind}: {said}");
        assert_eq!(said.contains("cannot write the output"), code == 1, "{said}");
    }
}

/// What failed by itself failed, though somebody pressed Ctrl-C as well.
#[test]
fn a_signal_is_the_reason_only_where_it_stopped_something() {
    let (err, interrupt) = (Shared::default(), Interrupt::default());
    interrupt.flag().store(true, std::sync::atomic::Ordering::Relaxed);
    let line = arguments(&["--root", "/no/such/store", "list"]);
    let exit = run(line, &Environment::default(), interrupt, streams(Box::new(io::sink()), &err));
    assert_eq!((exit.code(), err.text().contains("no store at")), (8, true), "{}", err.text());
}

#[test]
fn damage_is_told_even_where_no_one_reads_of_it() {
    let global = Cli::try_parse_from(arguments(&["verify"])).unwrap().global;
    for (kind, exit) in [(io::ErrorKind::BrokenPipe, Some(Exit::Damage)), (io::ErrorKind::StorageFull, None)]
    {
        let streams = streams(Box::new(Broken(kind)), &Shared::default());
        let mut ctx = Context::new(&global, &Environment::default(), Interrupt::default(), streams);
        assert_eq!(ctx.result(Exit::Damage, |out| writeln!(out, "altered")).ok(), exit);
    }
}

#[test]
fn the_manual_and_the_completions_are_printed() {
    assert!(run_line(&["man"]).1.starts_with(".TH ASTORE 1"));
    assert!(run_line(&["man", "add"]).1.starts_with(".TH ASTORE-ADD 1"));
    assert!(run_line(&["completions", "bash"]).1.contains("complete -F _astore"));
}

/// Whoever read the store's settings while they were being written has not read what they say.
#[test]
fn settings_that_were_not_whole_when_they_were_read_first_are_read_again() {
    use super::settings::{Settings, WAIT};

    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let file: std::path::PathBuf = root.iter().chain([std::ffi::OsStr::new("astore.toml")]).collect();
    #[expect(clippy::disallowed_methods, reason = "a description made by hand")]
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let described = "format = 1\nstore_id = \"x\"\n[defaults]\nwait = \"3s\"\n";
    let mut settings = Settings::new(&[], &[]);
    for cut in [None, Some("format = 1\nstore_id = \"x")] {
        cut.into_iter().for_each(write);
        assert_eq!(settings.read_store(root).unwrap(), Vec::<String>::new());
        assert!(settings.read_again(root).is_err(), "who acts on it wants to know");
        write(described);
        settings.read_again(root).unwrap();
        assert!(settings.get(None, &WAIT).unwrap().is_some() && settings.odd().is_none());
        write(&format!("{described}min_age = \"9d\"\n"));
        settings.read_again(root).unwrap();
        assert!(settings.odd().is_some());
    }
}
