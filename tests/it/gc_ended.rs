//! Somebody ends a gc in the middle of its deletions, by one signal, by two, by SIGHUP, by a kill: it says what it did,
//! and the next one says what became of it. `strace` holds each deletion up, so that the signal comes in time.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::cli::{Desk, Said, has, listen_to_signals, skip_without, started_by};
use crate::support::gc::begin_gc;
use crate::support::oracle::file_of;
use crate::support::store::tree;

const GONE: [u8; 2048] = [7; 2048];

/// A desk with one object that nothing keeps.
fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("gone"), &[("g", &GONE)]);
    desk.ok(["add", "gone", "--finalize"]);
    desk.ok(["remove", "gone", "--reason", "r"]);
    desk
}

/// Runs a gc whose deletions take their time, and sends it signals, one after the other, once the object of `desk` is
/// gone; of several the last one until it ends.
fn ended_by(desk: &Desk, more: &[&str], signals: &[Signal]) -> Option<Said> {
    if !has("strace") {
        skip_without("strace");
        return None;
    }
    let object = file_of(&desk.root(), &GONE);
    let plain = desk.command([&["gc", "--confirm", "--min-age", "0s"], more].concat());
    let slowly = "inject=unlinkat:delay_exit=2000000";
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=unlinkat", "-e", slowly];
    let mut command = started_by(&strace, &plain);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    listen_to_signals();
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    while object.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not begin");
        assert!(child.try_wait().unwrap().is_none(), "{:?}", child.wait_with_output());
        std::thread::yield_now();
    }
    let gc = traced(&child);
    let (last, first) = signals.split_last().unwrap();
    for signal in first {
        kill_process(gc, *signal).unwrap();
        while is_pending(gc) {
            std::thread::yield_now();
        }
    }
    // Two of a kind that come at once are one, so the last one comes until it is heard: a gc that has ended is gone.
    kill_process(gc, *last).unwrap();
    while !first.is_empty() && child.try_wait().unwrap().is_none() {
        kill_process(gc, *last).ok();
        std::thread::yield_now();
    }
    Some(Said::of(&child.wait_with_output().unwrap()))
}

/// A pipe that takes nothing more, and how much it holds.
fn full_pipe() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut full) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&full, OFlags::NONBLOCK).unwrap();
    let mut filled = 0;
    while let Ok(written) = full.write(&[b' '; 4096]) {
        filled += written;
    }
    rustix::fs::fcntl_setfl(&full, OFlags::empty()).unwrap();
    (reader, full, filled)
}

/// The process that `strace` runs.
fn traced(strace: &Child) -> Pid {
    let pid = strace.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    Pid::from_raw(children.split_whitespace().next().expect("a child").parse().unwrap()).unwrap()
}

/// Whether a signal that was sent has not reached the process.
fn is_pending(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap();
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
    u64::from_str_radix(pending.trim(), 16).unwrap() != 0
}

/// The same, and a gc died that was to delete it; another object is to go as well. That makes two rounds.
fn desk_with_two_rounds() -> Desk {
    let desk = desk();
    begin_gc(&desk.root(), &[&GONE]);
    tree(&desk.path("more"), &[("m", b"more")]);
    desk.ok(["add", "more", "--finalize"]);
    desk.ok(["remove", "more", "--reason", "r"]);
    desk
}

#[test]
fn who_ends_a_gc_hears_what_it_did_even_if_it_is_to_be_quiet() {
    let desk = desk_with_two_rounds();
    let Some(said) = ended_by(&desk, &["--quiet"], &[Signal::TERM]) else { return };
    assert_eq!((said.code, said.out.as_str()), (143, ""), "{said:?}");
    let told = "astore: before it ended, the gc deleted 1 object, 2.0 KiB, and 1 object of its plan is left; the log has the record\n";
    assert!(said.err.starts_with(told), "{said:?}");
    desk.check_sound();
}

#[test]
fn who_wants_a_document_gets_it_though_the_gc_was_ended() {
    let desk = desk_with_two_rounds();
    let Some(said) = ended_by(&desk, &["--json"], &[Signal::INT]) else { return };
    assert_eq!(said.code, 130, "{said:?}");
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["freed"], serde_json::json!({ "objects": 1, "bytes": 2048 }));
    assert_eq!((&document["confirmed"], &document["left"]), (&true.into(), &1.into()));
}

/// What was confirmed is done: a script that is told otherwise would have it done again.
#[test]
fn a_gc_that_has_nothing_left_to_do_is_not_ended_by_a_signal() {
    for (signal, more) in [(Signal::TERM, &[][..]), (Signal::INT, &["--quiet"])] {
        let desk = desk();
        let Some(said) = ended_by(&desk, more, &[signal]) else { return };
        assert_eq!((said.code, said.out.is_empty()), (0, !more.is_empty()), "{said:?}");
        assert_eq!(said.err, "astore: the signal stopped nothing: the plan is carried out to its end\n");
        assert_ne!(desk.ok(["log", "--type", "v1.gc.completed"]), "");
        desk.check_sound();
    }
}

/// The same while it waits for somebody to read what it has to say: one signal changes nothing, a second one ends that too.
#[test]
fn a_gc_that_is_through_is_not_ended_by_a_signal() {
    if !std::path::Path::new("/proc/self/task").exists() {
        eprintln!("skipped: the system does not tell which threads a process has");
        return;
    }
    listen_to_signals();
    for (signal, is_read) in
        [(Signal::TERM, true), (Signal::INT, true), (Signal::TERM, false), (Signal::HUP, false)]
    {
        let desk = desk();
        let mut command = desk.command(["gc", "--confirm", "--min-age", "0s", "--json"]);
        let (mut reader, full, filled) = full_pipe();
        let mut child = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        let begun = Instant::now();
        let tasks = format!("/proc/{}/task", child.id());
        // Whoever hears signals during the deletions is gone as well.
        while desk.run(["log", "--type", "v1.gc.completed"]).out.is_empty()
            || std::fs::read_dir(&tasks).unwrap().count() > 1
        {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not end");
        }
        let gc = Pid::from_child(&child);
        kill_process(gc, signal).unwrap();
        if is_read {
            let mut out = String::new();
            reader.read_to_string(&mut out).unwrap();
            let said = Said::of(&child.wait_with_output().unwrap());
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{signal:?}");
            let document: serde_json::Value = serde_json::from_str(&out[filled..]).unwrap();
            assert_eq!(document["freed"]["objects"], 1);
        } else {
            while child.try_wait().unwrap().is_none() {
                assert!(begun.elapsed() < Duration::from_secs(60), "{signal:?} does not end it");
                kill_process(gc, signal).ok();
                std::thread::yield_now();
            }
            let code = Said::of(&child.wait_with_output().unwrap()).code;
            assert_eq!(code, if signal == Signal::HUP { -1 } else { 143 });
        }
        desk.check_sound();
    }
}

#[test]
fn a_second_signal_and_a_hangup_end_it_at_once_and_not_without_a_word() {
    for (signals, code) in
        [(&[Signal::INT, Signal::INT][..], 130), (&[Signal::INT, Signal::TERM], 143), (&[Signal::HUP], -1)]
    {
        let desk = desk();
        let Some(said) = ended_by(&desk, &[], signals) else { return };
        assert_eq!(said.code, code, "{signals:?}: {said:?}");
        let root = desk.root();
        let told = format!(
            "astore: ended at once in the middle of a gc; the store is sound, and what the log calls purged and is not \
             deleted yet, the next 'astore gc --confirm' deletes (root {})\n",
            root.display()
        );
        assert!(said.err.contains(&told), "{said:?}");
        let next = desk.ok(["gc", "--confirm", "--min-age", "0s"]);
        assert!(next.contains("\nfinished the gc that event 4 began: "), "{next}");
        assert!(next.ends_with("nothing else was to go\n") && !next.contains("nothing was purged"), "{next}");
        desk.check_sound();
    }
}

/// Nobody reads what it says, on whatever stream: it can be ended all the same, and lets go of the store.
#[test]
fn a_gc_that_nobody_reads_is_ended_by_a_second_signal_and_by_a_hangup() {
    listen_to_signals();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, -1)] {
        let desk = desk();
        let mut command = desk.command(["gc", "--confirm", "--min-age", "0s"]);
        let (reader, full, _) = full_pipe();
        let err = full.try_clone().unwrap();
        let mut child = command.stdout(full).stderr(err).spawn().unwrap();
        drop(command);
        let begun = Instant::now();
        // It shows the plan, with the store's lock in its hands.
        let where_it_waits = format!("/proc/{}/wchan", child.id());
        while !std::fs::read_to_string(&where_it_waits).unwrap_or_default().contains("pipe_write") {
            assert!(child.try_wait().unwrap().is_none(), "it does not wait");
            if begun.elapsed() > Duration::from_secs(20) {
                eprintln!("skipped: the system does not tell where a process waits");
                child.kill().unwrap();
                child.wait().unwrap();
                return;
            }
            std::thread::yield_now();
        }
        let gc = Pid::from_child(&child);
        while child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{signal:?} does not end it");
            kill_process(gc, signal).ok();
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(child.wait().unwrap().code().unwrap_or(-1), code, "{signal:?}");
        drop(reader);
        desk.ok(["gc", "--confirm", "--min-age", "0s", "--wait", "0s"]);
        desk.check_sound();
    }
}

#[test]
fn a_plan_whose_gc_was_killed_says_so() {
    let desk = desk();
    let plan = desk.ok(["gc", "--quiet", "--min-age", "0s"]);
    let confirm = format!("--confirm={}", plan.trim_end());
    // Of this very name: it is what a person confirms again.
    let Some(_) = ended_by(&desk, &[], &[Signal::KILL]) else { return };
    let carried_out = desk.ok(["log", "--type", "v1.gc.started"]);
    let begun = carried_out.split(" of plan ").nth(1).and_then(|rest| rest.split(':').next()).unwrap();
    let said = desk.run(["gc", &format!("--confirm={begun}")]);
    assert_eq!(said.code, 5, "{said:?}");
    let told = "event 4 began to carry it out and came to no end, which any confirmed gc brings about; ";
    assert!(said.err.contains(told), "{said:?}");
    assert!(!desk.run(["gc", &confirm]).err.contains("began to carry it out"), "another plan");
    desk.ok(["gc", "--confirm", "--min-age", "0s"]);
    let said = desk.run(["gc", &format!("--confirm={begun}")]);
    assert!(said.err.contains("event 4 began to carry it out, and that is done; "), "{said:?}");
}
