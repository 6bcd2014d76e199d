//! Someone archives what a program prints, and would rather have nothing than half of it:
//! `astore add --name db --from-command pg_dump shop`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::cli::{Desk, Said, has, listen_to_signals, started_by};
use crate::support::stalled::LONG;
use crate::support::terminal::at_terminal;

/// Adds what a shell prints that runs this script.
fn add(desk: &Desk, script: &str) -> Said {
    desk.run(["add", "--finalize", "--name", "db", "--quiet", "--from-command", "sh", "-c", script])
}

/// Nothing was added, and nothing is left of the attempt.
#[track_caller]
fn check_untouched(desk: &Desk) {
    assert_eq!(desk.ok(["list", "--all"]), "");
    let left: Vec<_> = std::fs::read_dir(desk.path("store/tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    desk.check_sound();
}

#[test]
fn what_a_program_prints_is_a_file() {
    let desk = Desk::new();
    assert_eq!(add(&desk, "echo one; echo two").expect(0), "db@1\n");
    assert_eq!(desk.ok(["cat", "db:stdin"]), "one\ntwo\n");
    // Everything after the option is the program's, options of astore's name among it.
    let echo = [
        "add",
        "--name",
        "db",
        "--stdin-name",
        "a/said",
        "--finalize",
        "--from-command",
        "echo",
        "--json",
        "-x",
    ];
    desk.ok(echo);
    assert_eq!(desk.ok(["cat", "db:a/said"]), "--json -x\n");
    desk.ok(["add", "--name", "db", "--finalize", "--from-command", "--", "printf", "%s", "--"]);
    assert_eq!(desk.ok(["cat", "db:stdin"]), "--");
    // Its standard error is the person's, and its standard input as well.
    let mut command =
        desk.command(["add", "--name", "db", "--quiet", "--from-command", "sh", "-c", "cat; echo E >&2"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"typed").unwrap();
    let said = Said::of(&child.wait_with_output().unwrap());
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "db@4\n", "E\n"));
    assert_eq!(desk.ok(["cat", "db@4:stdin"]), "typed");
    desk.check_sound();
}

/// Closes its output, and goes on when its parent has seen that, and closed the pipe as well.
const AFTER_ITS_OUTPUT: &str = "pipe=$(readlink /proc/$$/fd/1); exec >&-; \
     while readlink /proc/$PPID/fd/* | grep -qxF \"$pipe\"; do :; done";

/// Where it fails, nothing is added, however much it said before.
#[test]
fn what_fails_is_not_archived() {
    let desk = Desk::new();
    let failed = |script: &str| {
        let said = add(&desk, script);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:#?}");
        check_untouched(&desk);
        let place = desk.path("");
        said.err.replace(place.to_str().unwrap().trim_end_matches('/'), "~")
    };
    assert_snapshot!(failed("echo half; exit 3"), @"astore: sh exited with 3; nothing was added (root ~/store)");
    assert_snapshot!(failed("head -c 3000000 /dev/zero; kill -9 $$"), @"astore: sh was ended by signal 9 (SIGKILL); nothing was added (root ~/store)");
    assert_snapshot!(failed(&format!("echo all; {AFTER_ITS_OUTPUT}; exit 1")), @"astore: sh exited with 1; nothing was added (root ~/store)");
    assert_snapshot!(failed("exec no-such-program 2>/dev/null"), @"astore: sh exited with 127; nothing was added (root ~/store)");
    let said = desk.run(["add", "--name", "db", "--keep-going", "--from-command", "false"]);
    assert_eq!(said.code, 1, "nobody asked for half of it: {said:#?}");
    let said = desk.run(["add", "--name", "db", "--from-command", "no-such-program", "-x"]);
    assert_snapshot!(said.err.replace(desk.path("").to_str().unwrap().trim_end_matches('/'), "~"), @"astore: cannot run no-such-program: No such file or directory (os error 2) (root ~/store)");
    assert_eq!(said.code, 1);
    check_untouched(&desk);
}

#[test]
fn what_is_typed_wrongly_is_said() {
    let desk = Desk::new();
    let told = |arguments: &[&str]| {
        let said = desk.run(arguments);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:#?}");
        said.err
    };
    assert_snapshot!(told(&["add", "--from-command", "true"]), @"astore: a command gives the package no name; give it one with --name NAME");
    assert_snapshot!(told(&["add", "--name", "x", "--from-command"]), @"astore: a value is required for '--from-command <CMD>...' but none was supplied; see 'astore add --help'");
    assert_snapshot!(told(&["add", "--name", "x", "--from-command", "--"]), @"astore: --from-command names no command after --");
    assert_snapshot!(told(&["add", "--from-command", "--name", "x", "true"]), @"astore: --from-command takes all that follows for the command; put --name before it");
    assert_snapshot!(told(&["add", "a", "--from-command", "true"]), @"astore: the argument '[PATH]...' cannot be used with '--from-command <CMD>...'; see 'astore add --help'");
}

/// A store that is nobody's business to make, or is not there, runs nothing.
#[test]
fn no_store_no_program_and_no_program_no_store() {
    let desk = Desk::without_store();
    let said = desk.run(["add", "--name", "x", "--from-command", "touch", "ran"]);
    assert_eq!((said.code, desk.path("ran").exists()), (8, false), "{said:#?}");
    let mut command = desk.command(["add", "--name", "x", "--from-command", "no-such-program"]);
    let said = Said::of(&command.env_remove("ASTORE_ROOT").output().unwrap());
    assert_eq!((said.code, desk.path(".local").exists()), (1, false), "{said:#?}");
    let mut command = desk.command(["add", "--name", "x", "--quiet", "--from-command", "echo", "1"]);
    assert_eq!(Said::of(&command.env_remove("ASTORE_ROOT").output().unwrap()).expect(0), "x@1\n");
}

/// More than fits into memory's first chunk, and much of it: it goes to its place once.
#[test]
fn much_is_written_once() {
    let desk = Desk::new();
    assert_eq!(add(&desk, "yes | head -c 20000000").expect(0), "db@1\n");
    let shown: serde_json::Value = serde_json::from_str(&desk.ok(["files", "db", "--json"])).unwrap();
    assert_eq!(shown["size"], 20_000_000);
    desk.check_sound();
}

/// Whoever ends astore ends the program with it, and leaves neither it nor its remains behind.
#[test]
fn a_signal_ends_the_program_too() {
    listen_to_signals();
    for script in ["echo $$ >&2; exec sleep 1000", "trap '' PIPE; echo $$ >&2; exec yes"] {
        let desk = Desk::new();
        let mut command = desk.command(["add", "--name", "db", "--from-command", "sh", "-c", script]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut id = String::new();
        errors.read_line(&mut id).unwrap();
        let id = Pid::from_raw(id.trim().parse().unwrap()).unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(143));
        assert!(test_kill_process(id).is_err(), "{script}: it still runs");
        check_untouched(&desk);
    }
}

/// Nor what the program has started, where there is no terminal to tell that; SIGHUP, which ends astore at once, is no
/// exception, and nor is what does not care.
#[test]
fn a_signal_ends_what_the_program_started() {
    // A session of its own has no terminal.
    if !has("setsid") {
        return;
    }
    listen_to_signals();
    let starts = "sleep 1000 & echo $! >&2; wait";
    let does_not_care = format!("trap '' TERM; {starts}");
    for (script, signal, code) in [
        (starts, Signal::TERM, 143),
        (starts, Signal::INT, 130),
        (starts, Signal::HUP, -1),
        (&does_not_care, Signal::TERM, 143),
    ] {
        let desk = Desk::new();
        let plain = desk.command(["add", "--name", "db", "--from-command", "sh", "-c", script]);
        let mut command = started_by(&["setsid"], &plain);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut id = String::new();
        errors.read_line(&mut id).unwrap();
        let id = id.trim().parse().unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let said = Said::of(&child.wait_with_output().unwrap());
        assert_eq!(said.code, code, "{script}, {signal:?}");
        let ended = std::time::Instant::now();
        while runs(id) {
            let is_waited_for = signal != Signal::HUP;
            assert!(!is_waited_for && ended.elapsed() < LONG, "{script}, {signal:?}: it still runs");
            std::thread::yield_now();
        }
        desk.check_sound();
    }
}

/// Whether a process runs. One that has ended, and whose parent did not look, does not.
fn runs(id: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// `ssh` and `pg_dump` ask for a password there; who is in the background is stopped for that.
#[test]
fn at_a_terminal_the_program_stays_in_the_foreground() {
    if !has("setsid") {
        return;
    }
    let desk = Desk::new();
    let script = "read -r stat </proc/$$/stat; set -- $stat; echo $5 $8";
    let add = ["add", "--finalize", "--name", "db", "--quiet", "--from-command", "sh", "-c", script];
    let (code, seen) = at_terminal(started_by(&["setsid", "--ctty"], &desk.command(add)), 80);
    assert_eq!((code, seen.as_str()), (0, "db@1\n"));
    let said = desk.ok(["cat", "db:stdin"]);
    let (group, foreground) = said.trim().split_once(' ').unwrap();
    assert_eq!(group, foreground);
}
