//! Machines do many things at once, and some of them end badly: writers side by side all succeed, one that is
//! killed or interrupted leaves a store that is whole, and a reader that goes away is no failure.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::cli::{Desk, Said, listen_to_signals};
use crate::support::oracle;
use crate::support::store::tree;

/// Makes a tree whose files are partly its own and partly those of every other one.
fn many_files(at: &Path, seed: u32, count: usize) {
    for number in 0..count {
        let content = if number % 3 == 0 {
            format!("everyone's {number} ").repeat(50)
        } else {
            format!("{seed}'s own {number} ").repeat(1 + number % 90)
        };
        tree(at, &[(&format!("{}/{number}", number % 7), content.as_bytes())]);
    }
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Said {
    Said::of(&child.wait_with_output().unwrap())
}

/// The log has no gap, every object that it names is there, and nothing is wrong.
#[track_caller]
fn check_whole(desk: &Desk) {
    oracle::check_names(&desk.root()).unwrap();
    oracle::check_log(&desk.root()).unwrap();
    let log = desk.ok(["log"]);
    let sequences: Vec<usize> =
        log.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect();
    assert_eq!(sequences, (1..=sequences.len()).collect::<Vec<_>>(), "the log has no gap");
    desk.check_sound();
}

/// Nothing is left of a writer that ended badly once the next one has been there.
#[track_caller]
fn check_clean(desk: &Desk) {
    let left: Vec<_> = fs::read_dir(desk.root().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn all_who_add_at_the_same_time_succeed() {
    for writers in [2u32, 8] {
        let desk = Desk::new();
        for writer in 0..writers {
            many_files(&desk.path(format!("tree{writer}")), writer, 120);
        }
        let adds: Vec<Child> = (0..writers)
            .map(|writer| {
                let source = format!("tree{writer}");
                // Half of them want versions of one name; some leave their package open.
                let name = if writer % 2 == 0 { "same".to_owned() } else { source.clone() };
                let mut arguments = vec!["add", &source, "--name", &name];
                arguments.extend((writer % 4 != 3).then_some("--finalize"));
                start(desk.command(arguments))
            })
            .collect();
        // Those who look meanwhile find no damage, and an answer.
        let readers: Vec<Child> = ["verify", "list", "stats", "log", "health"]
            .iter()
            .map(|&command| start(desk.command([command])))
            .collect();
        for child in adds.into_iter().chain(readers) {
            end(child).expect(0);
        }
        let listed = desk.ok(["list", "--quiet"]);
        assert_eq!(listed.lines().count(), writers as usize, "{listed}");
        for version in 1..=writers.div_ceil(2) {
            desk.ok(["show", &format!("same@{version}")]);
        }
        check_whole(&desk);
        check_clean(&desk);
        for writer in 0..writers {
            let tree = format!("./tree{writer}");
            let found = listed.lines().any(|reference| desk.run(["diff", reference, &tree]).code == 0);
            assert!(found, "what {tree} holds is in no package");
        }
    }
}

#[test]
fn whoever_is_killed_leaves_a_whole_store() {
    let desk = Desk::new();
    many_files(&desk.path("tree"), 0, 300);
    // How long it takes when nobody is killed; on a machine whose load changes, a first guess.
    let started = Instant::now();
    desk.ok(["add", "tree", "--finalize"]);
    let mut whole = started.elapsed();
    let rounds: u32 = 24;
    let (mut killed, mut packages) = (0, 1);
    for round in 0..rounds {
        // New content each time, so that there is something to write.
        many_files(&desk.path("tree"), 1 + round, 300);
        let mut arguments = vec!["add", "tree"];
        arguments.extend((round % 2 == 0).then_some("--finalize"));
        let mut child = start(desk.command(arguments));
        thread::sleep(whole * (round % 12) / 11);
        child.kill().unwrap();
        let said = end(child);
        killed += u32::from(said.code == -9);
        if said.code == 0 && round % 12 < 11 {
            whole = whole * 3 / 4;
        }
        assert!([0, -9].contains(&said.code), "{said:#?}");
        // Before anything of ours looks: no torn bytes under a final name.
        oracle::check_names(&desk.root()).unwrap();
        desk.ok(["verify", "--no-record"]);
        desk.ok(["replay", "--check"]);
        let listed = desk.ok(["list", "--quiet"]).lines().count();
        assert!(listed == packages || listed == packages + 1, "{listed} after {packages}");
        assert!(said.code != 0 || listed == packages + 1, "what was acknowledged is there");
        if listed > packages {
            // All of it, or nothing.
            desk.ok(["diff", &format!("tree@{listed}"), "./tree"]);
        }
        packages = listed;
    }
    assert!(killed > rounds / 6, "only {killed} of {rounds} were killed in time");
    desk.ok(["add", "tree", "--name", "last", "--finalize"]);
    check_whole(&desk);
    check_clean(&desk);
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until a writer has something in flight.
fn wait_until_it_writes(desk: &Desk) {
    for _ in 0..2000 {
        if fs::read_dir(desk.root().join("tmp")).unwrap().next().is_some() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("it does not begin");
}

#[test]
fn an_interrupted_command_leaves_the_store_clean() {
    listen_to_signals();
    let desk = Desk::new();
    tree(&desk.path("tree"), &[("a", b"1")]);
    desk.ok(["add", "tree", "--finalize"]);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        // It waits for bytes that never come.
        let mut command = desk.command(["add", "-", "--name", "stream"]);
        command.stdin(Stdio::piped());
        let mut child = start(command);
        let mut input = child.stdin.take().unwrap();
        input.write_all(&vec![7; 3 << 20]).unwrap();
        wait_until_it_writes(&desk);
        send(&child, signal);
        let said = end(child);
        drop(input);
        assert_eq!((said.code, said.err.lines().count()), (code, 1), "{said:#?}");
        assert!(said.err.starts_with("astore: interrupted"), "{said:#?}");
        check_clean(&desk);
        assert_eq!(desk.ok(["list", "--all", "--quiet"]), "tree@1\n");
        check_whole(&desk);
    }
}

#[test]
fn an_interrupt_at_any_moment_is_a_clean_end() {
    listen_to_signals();
    let desk = Desk::new();
    many_files(&desk.path("tree"), 0, 200);
    let file = fs::File::create(desk.path("tree/large")).unwrap();
    file.set_len(24 << 20).unwrap();
    desk.ok(["add", "tree", "--finalize"]);
    let commands: [&[&str]; 4] =
        [&["add", "tree", "--no-cache"], &["verify"], &["export", "tree", "out"], &["replay"]];
    for arguments in commands {
        let mut interrupted = 0;
        for round in 0..8 {
            drop(fs::remove_dir_all(desk.path("out")));
            let started = Instant::now();
            let child = start(desk.command(arguments));
            // Not before its handlers are there: until then a signal has the effect that it always has.
            thread::sleep(Duration::from_millis(5 + 6 * round));
            let signal = if round % 2 == 0 { Signal::INT } else { Signal::TERM };
            let at = started.elapsed();
            send(&child, signal);
            let said = end(child);
            let code = if round % 2 == 0 { 130 } else { 143 };
            interrupted += u32::from(said.code == code);
            let plain = -(code - 128);
            assert!([0, code, plain].contains(&said.code), "{arguments:?} after {at:?}: {said:#?}");
            let last = said.err.lines().last().unwrap_or_default();
            assert!(said.code != code || last.starts_with("astore: interrupted (root "), "{said:#?}");
        }
        eprintln!("{arguments:?}: {interrupted} of 8 were interrupted in the middle");
        check_whole(&desk);
    }
    desk.ok(["add", "tree", "--name", "last"]);
    check_clean(&desk);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    let names: Vec<String> = (0..3000).map(|number| format!("{number:060}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    tree(&desk.path("tree"), &files);
    fs::write(desk.path("tree/large"), vec![b'\n'; 4 << 20]).unwrap();
    desk.ok(["add", "tree", "--finalize"]);
    let long: [&[&str]; 7] = [
        &["files", "tree"],
        &["files", "tree", "--json"],
        &["files", "tree", "-0"],
        &["manifest", "tree"],
        &["manifest", "tree", "--format", "cbor"],
        &["manifest", "tree", "--format", "sha256sums"],
        &["cat", "tree:large"],
    ];
    for arguments in long {
        let mut child = start(desk.command(arguments));
        let mut line = Vec::new();
        let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
        reader.by_ref().take(64).read_until(b'\n', &mut line).unwrap();
        assert!(!line.is_empty());
        drop(reader);
        let said = end(child);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
    }
    // Nobody there from the start; what the command is for is done all the same.
    for arguments in [&["add", "tree", "--name", "unheard", "--quiet"][..], &["list"], &["log"], &["--help"]]
    {
        let mut child = start(desk.command(arguments));
        drop(child.stdout.take());
        let said = end(child);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
    }
    desk.ok(["show", "unheard@1"]);
    // A device that is full is a failure, and said.
    for arguments in [&["files", "tree"][..], &["cat", "tree:large"], &["log"]] {
        let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
        let mut command = desk.command(arguments);
        command.stdout(full).stderr(Stdio::piped());
        let said = end(command.spawn().unwrap());
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{arguments:?}: {said:#?}");
        assert!(said.err.contains("No space left"), "{said:#?}");
    }
}
