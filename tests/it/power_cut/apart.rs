//! A test that mounts things runs in a process and a mount namespace of its own: whatever becomes of it, no mount
//! is left, and with the mounts the loop devices go, which clear themselves.

use std::process::{Command, Stdio};

use rustix::process::Signal;

/// Set in the process in which the test itself runs.
const APART: &str = "ASTORE_TEST_POWER_CUT_APART";

/// Runs `body` in a process apart. `test` is the name of the test that calls this, under `power_cut`: it is run
/// again there. Where that cannot be, or one of these programs is missing, says why and does nothing.
pub(super) fn apart(test: &str, programs: &[&str], body: impl FnOnce()) {
    if std::env::var_os(APART).is_some() {
        die_with_parent();
        body();
        return;
    }
    if let Some(reason) = reason_against(programs) {
        eprintln!("skipped: {reason}");
        return;
    }
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args([&format!("power_cut::{test}"), "--exact", "--nocapture"])
        .env(APART, "1")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}");
    assert!(out.contains(" 1 passed"), "no test has the name power_cut::{test}: {out}");
}

/// Ends this process when the one that started it ends.
pub(super) fn die_with_parent() {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
}

/// Why no disk can be recorded here, if so.
fn reason_against(programs: &[&str]) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("loop devices and FUSE are Linux's".to_owned());
    }
    if !rustix::process::geteuid().is_root() {
        return Some("a loop device needs root".to_owned());
    }
    for device in ["/dev/fuse", "/dev/loop-control"] {
        if let Err(error) = std::fs::File::options().read(true).write(true).open(device) {
            return Some(format!("{device}: {error}"));
        }
    }
    for program in ["unshare", "mount", "losetup"].iter().chain(programs) {
        let found =
            Command::new("sh").args(["-c", "command -v \"$0\"", program]).stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return Some(format!("there is no {program}"));
        }
    }
    let tries = [
        // Containers may have the devices and not the right to mount.
        "mount -t tmpfs tmpfs /mnt && umount /mnt",
        // Or the right, and not the device that is free.
        "test -b \"$(losetup --find)\"",
    ];
    for script in tries {
        let mut tried = Command::new("unshare");
        tried.args(["--mount", "--propagation", "private", "sh", "-c", script]);
        match tried.output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                return Some(format!("{script}: {}", said.trim()));
            }
            Err(error) => return Some(error.to_string()),
        }
    }
    None
}
