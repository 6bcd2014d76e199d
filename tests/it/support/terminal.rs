//! A terminal for a command to talk to.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Runs a command at a terminal of so many columns; returns its exit code and all that came to the terminal.
pub(crate) fn at_terminal(command: Command, columns: u16) -> (i32, String) {
    typed_at_terminal(command, columns, "", "")
}

/// The same; somebody types this once the prompt is there.
pub(crate) fn typed_at_terminal(
    mut command: Command,
    columns: u16,
    prompt: &str,
    typed: &str,
) -> (i32, String) {
    let mut controller = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&controller, size).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let name = std::ffi::OsStr::from_bytes(name.to_bytes());
    let open = || File::options().read(true).write(true).open(name).unwrap();
    command.stdin(open()).stdout(open()).stderr(open()).env("TERM", "xterm");
    let mut child = command.spawn().unwrap();
    drop(command); // and with it this process's ends of the terminal
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    let mut typed = Some(typed);
    // Where nobody is left at the other end, Linux says EIO.
    while let Ok(length @ 1..) = controller.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..length]);
        if String::from_utf8_lossy(&seen).contains(prompt)
            && let Some(typed) = typed.take()
        {
            controller.write_all(typed.as_bytes()).unwrap();
        }
    }
    let code = child.wait().unwrap().code().unwrap();
    (code, String::from_utf8(seen).unwrap().replace("\r\n", "\n"))
}
