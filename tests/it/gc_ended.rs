//! Somebody ends a gc in the middle of its deletions, by one signal, by two, by SIGHUP, by a kill: it says what it did,
//! and the next one says what became of it. `strace` holds each deletion up, so that the signal comes in time.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::cli::{Desk, Said, has, skip_without};
use crate::support::store::tree;

/// A desk with one object that nothing keeps.
fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("gone"), &[("g", &[7; 2048])]);
    desk.ok(["add", "gone", "--finalize"]);
    desk.ok(["remove", "gone", "--reason", "r"]);
    desk
}

/// Runs a gc whose deletions take their time, and sends it signals, one after the other, once it deletes; the last one
/// until it ends.
fn ended_by(desk: &Desk, more: &[&str], signals: &[Signal]) -> Option<Said> {
    if !has("strace") {
        skip_without("strace");
        return None;
    }
    let plain = desk.command([&["gc", "--confirm", "--min-age", "0s"], more].concat());
    let mut command = Command::new("strace");
    command
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=unlinkat",
            "-e",
            "inject=unlinkat:delay_enter=2000000",
        ])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear()
        .current_dir(desk.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap());
    }
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    while desk.run(["log", "--type", "v1.gc.started"]).out.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not begin");
        assert!(child.try_wait().unwrap().is_none(), "{:?}", child.wait_with_output());
    }
    let gc = traced(&child);
    for (number, signal) in signals.iter().enumerate() {
        if number > 0 {
            std::thread::sleep(Duration::from_millis(200)); // two that come at once are one
        }
        kill_process(gc, *signal).unwrap();
    }
    Some(Said::of(&child.wait_with_output().unwrap()))
}

/// The process that `strace` runs.
fn traced(strace: &Child) -> Pid {
    let pid = strace.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    Pid::from_raw(children.split_whitespace().next().expect("a child").parse().unwrap()).unwrap()
}

#[test]
fn who_ends_a_gc_hears_what_it_did_even_if_it_is_to_be_quiet() {
    let desk = desk();
    let Some(said) = ended_by(&desk, &["--quiet"], &[Signal::TERM]) else { return };
    assert_eq!((said.code, said.out.as_str()), (143, ""), "{said:?}");
    let told = "astore: before it ended, the gc deleted 1 object, 2.0 KiB, and nothing of its plan is left; the log has the record\n";
    assert!(said.err.starts_with(told), "{said:?}");
    desk.check_sound();
}

#[test]
fn who_wants_a_document_gets_it_though_the_gc_was_ended() {
    let desk = desk();
    let Some(said) = ended_by(&desk, &["--json"], &[Signal::INT]) else { return };
    assert_eq!(said.code, 130, "{said:?}");
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["freed"], serde_json::json!({ "objects": 1, "bytes": 2048 }));
    assert_eq!((&document["confirmed"], &document["left"]), (&true.into(), &0.into()));
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
