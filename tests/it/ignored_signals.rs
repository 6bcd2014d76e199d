//! A script has its steps ignore a signal, a shell what it runs in the background SIGINT: such a step comes to its end,
//! whatever comes.

use std::io::Write as _;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::cli::{Desk, Said, listen_to_signals, started_by};

/// An add of what it is told, in a shell that ignores a signal.
fn add(desk: &Desk, ignored: &str) -> Child {
    let plain = desk.command(["add", "-", "--name", "x", "--quiet", "--finalize"]);
    let trap = format!("trap '' {ignored}; exec \"$0\" \"$@\"");
    let mut command = started_by(&["sh", "-c", &trap], &plain);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_signal_that_is_ignored_ends_nothing_and_the_other_one_does() {
    listen_to_signals();
    let desk = Desk::new();
    for (ignored, signal, other, code) in
        [("INT", Signal::INT, Signal::TERM, 143), ("TERM", Signal::TERM, Signal::INT, 130)]
    {
        for (sent, expected) in [(signal, 0), (other, code)] {
            let mut child = add(&desk, ignored);
            let mut input = child.stdin.take().unwrap();
            // More than a pipe holds: when this returns, it is reading.
            input.write_all(&vec![7; 1 << 20]).unwrap();
            kill_process(Pid::from_child(&child), sent).unwrap();
            if expected == 0 {
                // The second one would end it at once.
                kill_process(Pid::from_child(&child), sent).unwrap();
                drop(input);
                assert_eq!(Said::of(&child.wait_with_output().unwrap()).code, 0, "{ignored}");
            } else {
                assert_eq!(Said::of(&child.wait_with_output().unwrap()).code, expected, "{ignored}");
                drop(input);
            }
        }
    }
    assert_eq!(desk.ok(["list", "--quiet"]), "x@1\nx@2\n");
    desk.check_sound();
}
