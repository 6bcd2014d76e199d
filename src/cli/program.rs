//! A program whose output is read to its end, and believed only if the program ended well.
//!
//! Whoever is ended early ends it, with SIGTERM, whatever came itself: a shell has what it runs in the background ignore
//! SIGINT, and `nohup` SIGHUP. What the program started in turn is reached by its process group, and it has one of its own
//! where there is no terminal: in cron, a unit, a CI job. At a terminal that would do more harm than good. The new group
//! would be one in the background, which is stopped for good as soon as it asks for a password, as `ssh` and `pg_dump` do,
//! and neither Ctrl-C nor Ctrl-Z would reach it, unless we handed the terminal to and fro as a shell does. There the
//! program stays in our group: the terminal's signals and its hangup reach all of that, and `kill` of us ends the program.
//!
//! Nothing is done by one who is killed with SIGKILL. The program notices when it writes next, to a pipe that nobody reads.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use signal_hook::low_level::signal_name;

use super::interrupt::{Interrupt, Interruptible, LastWords};
use super::output::escape;

/// How long a program that is told to end may take for it.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A running program, as a reader of its standard output: what ends that, and fails where the program does.
///
/// Its standard input and standard error are those of this process. One that is dropped before it ended is ended; so it is
/// where a second signal or SIGHUP ends this process at once, which then does not wait for it.
pub(crate) struct Program {
    name: String,
    child: Child,
    out: Option<Interruptible<ChildStdout>>,
    ended: Option<ExitStatus>,
    reach: Arc<Mutex<Reach>>,
    _last_words: Option<LastWords>,
}

/// What is ended with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The program.
    Alone(Pid),
    /// All in its process group.
    Group(Pid),
    /// Nothing any more: it has ended, and its id may be another's.
    Nothing,
}

impl Reach {
    fn send(self, signal: Signal) {
        // Where the system refuses, nothing is to be done; whoever waits gives up after a while.
        match self {
            Self::Alone(program) => kill_process(program, signal).ok(),
            Self::Group(group) => kill_process_group(group, signal).ok(),
            Self::Nothing => None,
        };
    }
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
        let is_apart = !has_terminal();
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped());
        if is_apart {
            command.process_group(0);
        }
        // Before it runs, and what comes just then waits until it does: it may be told at once.
        let reach = Arc::new(Mutex::new(Reach::Nothing));
        let told = Arc::clone(&reach);
        let last_words = interrupt.last_words(move || locked(&told).send(Signal::TERM));
        let mut child = {
            let mut reach = locked(&reach);
            let child = command.spawn().with_context(|| format!("cannot run {name}"))?;
            let id = Pid::from_child(&child);
            *reach = if is_apart { Reach::Group(id) } else { Reach::Alone(id) };
            child
        };
        let out = child.stdout.take().map(|out| Interruptible::new(out, interrupt));
        Ok(Self { name, child, out, ended: None, reach, _last_words: last_words })
    }

    /// Looks whether it has ended.
    fn look(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut reach = locked(&self.reach); // nobody sends a signal to an id that is given back just now
        let ended = self.child.try_wait()?;
        if let (Some(_), Reach::Alone(_)) = (ended, *reach) {
            *reach = Reach::Nothing;
        }
        Ok(ended)
    }

    /// Returns whether anything still runs of what is ended with it.
    fn is_running(&mut self) -> bool {
        let is_running = matches!(self.look(), Ok(None));
        let reach = *locked(&self.reach);
        // An id that is a group's is given to nobody else.
        is_running
            || matches!(reach, Reach::Group(group) if test_kill_process_group(group).is_ok() && lives(group))
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
            self.ended = self.look()?;
            if self.ended.is_some() {
                // What it left running when it ended by itself is none of our business.
                *locked(&self.reach) = Reach::Nothing;
            }
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
        if self.ended.is_none() {
            locked(&self.reach).send(Signal::TERM);
            let told = Instant::now();
            while self.is_running() {
                if told.elapsed() >= GRACE {
                    locked(&self.reach).send(Signal::KILL);
                    drop(self.child.wait());
                    break;
                }
                std::thread::sleep(LOOK_AGAIN);
            }
        }
        *locked(&self.reach) = Reach::Nothing;
    }
}

/// Returns whether one of a group's processes is more than a zombie. Those whose parent is gone are taken away by the
/// system's first process, which in a container may take its time. Where nobody says what there is, there is one.
fn lives(group: Pid) -> bool {
    let Ok(listed) = std::fs::read_dir("/proc") else { return true };
    let processes = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut of_group = processes
        .filter_map(|process| std::fs::read(format!("/proc/{process}/stat")).ok())
        .filter_map(|stat| is_zombie_of(&String::from_utf8_lossy(&stat), group))
        .peekable();
    of_group.peek().is_none() || of_group.any(|is_zombie| !is_zombie)
}

/// Returns whether a process is a zombie, of what proc_pid_stat(5) says of it; `None` where it is of another group.
fn is_zombie_of(stat: &str, group: Pid) -> Option<bool> {
    // A program may be called whatever it likes.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let its_group: i32 = fields.nth(1)?.parse().ok()?;
    // The first thread may end before the others.
    let threads: u64 = fields.nth(14)?.parse().ok()?;
    (its_group == group.as_raw_nonzero().get()).then_some(matches!(state, "Z" | "X") && threads <= 1)
}

fn locked(reach: &Mutex<Reach>) -> MutexGuard<'_, Reach> {
    reach.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether a terminal controls this process, and with it what may be read from and which signals come.
fn has_terminal() -> bool {
    Interruptible::<File>::open(Path::new("/dev/tty"), &Interrupt::default()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends badly once this process has seen the end of its output, and closed the pipe.
    const AFTER_ITS_OUTPUT: &str = "pipe=$(readlink /proc/$$/fd/1); exec >&-; \
         while readlink /proc/$PPID/fd/* | grep -qxF \"$pipe\"; do :; done; exit 1";

    #[test]
    fn what_only_waits_to_be_taken_away_runs_no_more() {
        let group = Pid::from_raw(77).unwrap();
        let stat = |state: &str, group: u32, threads: u32| {
            format!("12 (a) R 1 b) {state} 1 {group} 77 0 -1 4 0 0 0 0 0 0 0 0 20 0 {threads} 0 99 1 2\n")
        };
        for (state, its_group, threads, is) in [
            ("Z", 77, 1, Some(true)),
            ("X", 77, 1, Some(true)),
            ("S", 77, 1, Some(false)),
            ("T", 77, 1, Some(false)),
            ("Z", 77, 2, Some(false)),
            ("Z", 78, 1, None),
        ] {
            assert_eq!(
                is_zombie_of(&stat(state, its_group, threads), group),
                is,
                "{state} {its_group} {threads}"
            );
        }
        assert!(lives(rustix::process::getpgrp()), "this one runs");
        let own = std::fs::read_to_string("/proc/self/stat");
        assert!(own.is_ok_and(|own| is_zombie_of(&own, rustix::process::getpgrp()) == Some(false)));
    }

    fn shell(script: &str) -> Program {
        Program::start("sh".as_ref(), &["-c".into(), script.into()], &Interrupt::default()).unwrap()
    }

    fn read(program: &mut Program) -> Result<String, String> {
        let mut text = String::new();
        program.read_to_string(&mut text).map(|_| text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_it_says_is_read_if_it_ends_well() {
        assert_eq!(read(&mut shell("echo a; exec >&-; exit 0")), Ok("a\n".into()));
        let failed = |script: &str| read(&mut shell(script)).unwrap_err();
        assert_eq!(failed("echo a; exit 3"), "sh exited with 3");
        assert_eq!(failed("echo a; kill -KILL $$"), "sh was ended by signal 9 (SIGKILL)");
        assert_eq!(failed(AFTER_ITS_OUTPUT), "sh exited with 1", "after its output had ended");
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

    /// Neither what has ended already nor what does not care is a reason to leave the rest running.
    #[test]
    fn where_it_has_a_group_of_its_own_all_of_that_is_ended() {
        for script in ["sleep 1000 & echo $!; wait", "sleep 1000 & echo $!"] {
            let mut program = shell(script);
            let mut id = [0; 16];
            let read = program.read(&mut id).unwrap();
            let id = std::str::from_utf8(&id[..read]).unwrap().trim().parse().unwrap();
            if matches!(*locked(&program.reach), Reach::Alone(_)) {
                eprintln!("skipped: there is a terminal");
                return;
            }
            assert!(runs(id));
            drop(program);
            assert!(!runs(id), "{script}");
        }
    }

    #[test]
    fn what_it_leaves_running_when_it_ends_by_itself_is_left_alone() {
        let mut program = shell("sleep 1000 >/dev/null 2>&1 & echo $!; exit 3");
        let mut id = [0; 16];
        let read = program.read(&mut id).unwrap();
        let id = std::str::from_utf8(&id[..read]).unwrap().trim().parse().unwrap();
        assert!(program.read_to_end(&mut Vec::new()).is_err());
        drop(program);
        assert!(runs(id));
        kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
    }

    /// Whether a process runs. One that has ended, and whose parent did not look, does not.
    fn runs(id: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state.is_some_and(|state| state != 'Z')
    }

    #[test]
    fn one_that_is_not_there_cannot_be_run() {
        let started = Program::start("/no/such/program".as_ref(), &[], &Interrupt::default());
        let error = started.map(drop).unwrap_err();
        assert_eq!(error.to_string(), "cannot run /no/such/program");
    }
}
