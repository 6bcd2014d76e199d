//! A program whose output is read to its end, and believed only if the program ended well.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::low_level::signal_name;

use super::interrupt::{Interrupt, Interruptible};
use super::output::escape;

/// How long a program that is told to end may take for it.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A running program, as a reader of its standard output: what ends that, and fails where the program does.
///
/// Its standard input and standard error are those of this process. One that is dropped before it ended is ended.
pub(crate) struct Program {
    name: String,
    child: Child,
    out: Option<Interruptible<ChildStdout>>,
    ended: Option<ExitStatus>,
}

impl Program {
    /// Starts a program with its arguments.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub(crate) fn start(
        program: &OsStr,
        arguments: &[OsString],
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let name = escape::argument(program);
        let mut command = Command::new(program);
        let spawned = command.args(arguments).stdout(Stdio::piped()).spawn();
        let mut child = spawned.with_context(|| format!("cannot run {name}"))?;
        let out = child.stdout.take().map(|out| Interruptible::new(out, interrupt));
        Ok(Self { name, child, out, ended: None })
    }

    /// Says how it failed, if it did.
    pub(crate) fn failure(&self) -> Option<String> {
        let ended = self.ended.filter(|ended| !ended.success())?;
        let name = &self.name;
        Some(match (ended.code(), ended.signal()) {
            (Some(code), _) => format!("{name} exited with {code}"),
            (None, Some(signal)) => {
                let called = signal_name(signal).map(|called| format!(" ({called})")).unwrap_or_default();
                format!("{name} was ended by signal {signal}{called}")
            }
            (None, None) => format!("{name} did not end well"),
        })
    }
}

impl Read for Program {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if let Some(out) = &mut self.out {
            match out.read(buffer)? {
                0 => self.out = None,
                read => return Ok(read),
            }
        }
        // Nothing is known of it until it is through, though it will say no more.
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        match self.ended {
            Some(ended) if ended.success() => Ok(0),
            Some(_) => Err(io::Error::other(self.failure().unwrap_or_default())),
            None => {
                std::thread::sleep(LOOK_AGAIN);
                Err(io::ErrorKind::Interrupted.into()) // whoever reads looks whether to go on, and asks again
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.out = None; // what it writes from now on ends it, unless it says otherwise
        let is_running = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        if self.ended.is_some() || !is_running(&mut self.child) {
            return;
        }
        // Nothing to be done where the system refuses: it is not waited for, then, and whoever takes over does.
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        let told = Instant::now();
        while is_running(&mut self.child) {
            if told.elapsed() >= GRACE {
                drop(self.child.kill());
                drop(self.child.wait());
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::start("sh".as_ref(), &["-c".into(), script.into()], &Interrupt::default()).unwrap()
    }

    fn read(program: &mut Program) -> Result<String, String> {
        let mut text = String::new();
        program.read_to_string(&mut text).map(|_| text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_it_says_is_read_if_it_ends_well() {
        assert_eq!(read(&mut shell("echo a; exec >&-; sleep 0.05; exit 0")), Ok("a\n".into()));
        let failed = |script: &str| read(&mut shell(script)).unwrap_err();
        assert_eq!(failed("echo a; exit 3"), "sh exited with 3");
        assert_eq!(failed("echo a; kill -KILL $$"), "sh was ended by signal 9 (SIGKILL)");
        assert_eq!(failed("exec >&-; sleep 0.05; exit 1"), "sh exited with 1", "after its output had ended");
    }

    #[test]
    fn one_that_is_not_read_to_its_end_is_ended() {
        let mut program = shell("echo begun; exec sleep 1000");
        let mut begun = [0; 6];
        program.read_exact(&mut begun).unwrap();
        let id = Pid::from_child(&program.child);
        drop(program);
        let gone = rustix::process::test_kill_process(id);
        assert_eq!(gone, Err(rustix::io::Errno::SRCH), "it is neither running nor a zombie");
    }

    #[test]
    fn one_that_is_not_there_cannot_be_run() {
        let started = Program::start("/no/such/program".as_ref(), &[], &Interrupt::default());
        let error = started.map(drop).unwrap_err();
        assert_eq!(error.to_string(), "cannot run /no/such/program");
    }
}
