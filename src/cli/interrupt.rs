//! SIGINT and SIGTERM: the first asks the running operation to end cleanly, the second ends the process. And SIGXFSZ,
//! which is to end nothing. Two of a kind that come before the process has heard the first are one: the system keeps no
//! count of them.
//!
//! One that whoever started this process has it ignore stays ignored, as the standard asks: `nohup`, a shell that runs it
//! in the background, a script's `trap '' INT`. SIGTERM is no exception, as it is none for the GNU tools: who has that
//! ignored wants this step to come to its end, and SIGKILL is left.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::{SigId, flag, low_level};

use super::exit::Exit;

/// What signals have asked for so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
    /// Which signals ask, and how the process ends then.
    heard: Arc<[(i32, Exit)]>,
    hears_hangup: bool,
    /// What ends the process at the second signal, and what tells that it is the second.
    shutdowns: Arc<Mutex<Vec<SigId>>>,
}

impl Interrupt {
    /// Starts to listen to what is not ignored; to both where nobody can tell, for an end that is clean. A system that
    /// refuses handlers leaves the signals' own effect: the process ends, and what it leaves is what a kill leaves.
    pub(crate) fn install() -> Self {
        let ignored = ignored();
        let is_ignored = |number: i32| ignored.map(|mask| mask >> (number - 1) & 1 == 1);
        let heard = ASKING.into_iter().filter(|(number, _)| !is_ignored(*number).unwrap_or(false));
        let interrupt = Self {
            heard: heard.collect(),
            // Where nobody can tell, it is left alone, which is right either way.
            hears_hangup: is_ignored(SIGHUP) == Some(false),
            ..Self::default()
        };
        interrupt.shut_down_at_the_second();
        for &(number, exit) in &*interrupt.heard {
            let word = usize::from(exit.code());
            drop(flag::register_usize(number, Arc::clone(&interrupt.signal), word));
            drop(flag::register(number, Arc::clone(&interrupt.asked)));
        }
        // A file beyond the limit of file sizes: with a handler the write fails with EFBIG instead of the process
        // being killed, and that is an error like any other. Nobody asks whether it came.
        drop(flag::register(SIGXFSZ, Arc::default()));
        interrupt
    }

    /// Has the next signal but one end the process, or the next one where one came already.
    fn shut_down_at_the_second(&self) {
        let mut shutdowns = self.shutdowns.lock().unwrap_or_else(PoisonError::into_inner);
        // Not the flag that operations look at: its handlers may be older, and would set it before the same signal, the
        // first one, is asked whether it is the second.
        let again = Arc::new(AtomicBool::new(self.asked.load(Ordering::Relaxed)));
        for &(number, exit) in &*self.heard {
            let code = i32::from(exit.code());
            shutdowns.extend(flag::register_conditional_shutdown(number, code, Arc::clone(&again)));
            shutdowns.extend(flag::register(number, Arc::clone(&again)));
        }
    }

    /// Lets the process do something before a second signal ends it, or SIGHUP does, which otherwise ends it without a
    /// word: say so, or end what it has started. That takes a thread: a handler may not write lines. Where there is none,
    /// all stays as it was. It has a second for it: whoever reads what it says may be gone, and the process is to end.
    pub(crate) fn last_words(&self, say: impl Fn() + Send + 'static) -> Option<LastWords> {
        let asking = Arc::clone(&self.heard);
        let heard = asking.iter().map(|(number, _)| *number).chain(self.hears_hangup.then_some(SIGHUP));
        // Before it listens: the first signal must not be taken for the second.
        let asked = self.flag();
        let mut is_asked = asked.load(Ordering::Relaxed);
        let mut signals = Signals::new(heard).ok()?;
        let handle = signals.handle();
        let say = LastWord(Arc::new(Mutex::new(say)));
        let listen = move || {
            for number in signals.forever() {
                let exit = asking.iter().find(|(asking, _)| *asking == number).map(|(_, exit)| exit.code());
                match exit {
                    Some(_) if !std::mem::replace(&mut is_asked, true) => {}
                    Some(code) => {
                        say.say();
                        low_level::exit(i32::from(code));
                    }
                    None => {
                        say.say();
                        drop(low_level::emulate_default_handler(number));
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("last words".into()).spawn(listen);
        let Ok(thread) = thread else {
            handle.close();
            return None;
        };
        let shutdowns = std::mem::take(&mut *self.shutdowns.lock().unwrap_or_else(PoisonError::into_inner));
        for shutdown in shutdowns {
            low_level::unregister(shutdown);
        }
        Some(LastWords { interrupt: self.clone(), handle, thread: Some(thread) })
    }

    /// Returns the flag that operations look at.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// Returns how the command ends where an operation was cancelled.
    pub(crate) fn exit(&self) -> Exit {
        if self.signal.load(Ordering::Relaxed) == usize::from(Exit::Terminated.code()) {
            Exit::Terminated
        } else {
            Exit::Interrupted
        }
    }
}

/// The signals that ask for an end, and how the process ends then.
const ASKING: [(i32, Exit); 2] = [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated)];

/// What a process does before it ends at once.
struct LastWord<F>(Arc<Mutex<F>>);

impl<F: Fn() + Send + 'static> LastWord<F> {
    /// Does it, or is at it for as long as [`LAST_WORD_MAX`]: standard error may be a full pipe that nobody reads.
    fn say(&self) {
        let (ended, end) = mpsc::channel::<()>();
        let say = Arc::clone(&self.0);
        let speak = move || {
            let _ended = ended;
            say.lock().unwrap_or_else(PoisonError::into_inner)();
        };
        match std::thread::Builder::new().name("last word".into()).spawn(speak) {
            // What comes is that the other end is dropped.
            Ok(_) => drop(end.recv_timeout(LAST_WORD_MAX)),
            Err(_) => self.0.lock().unwrap_or_else(PoisonError::into_inner)(),
        }
    }
}

/// How long the last word may take.
const LAST_WORD_MAX: Duration = Duration::from_secs(1);

/// As long as it lives, the process does not end without a word.
pub(crate) struct LastWords {
    interrupt: Interrupt,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        self.interrupt.shut_down_at_the_second();
        self.handle.close();
        if self.interrupt.hears_hangup {
            // A signal that once had a handler does not get its own effect back by itself.
            drop(flag::register_conditional_default(SIGHUP, Arc::new(AtomicBool::new(true))));
        }
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Returns the signals that this process ignores, as a mask, where the system tells: before it listens to any, those are
/// the ones that whoever started it has it ignore.
fn ignored() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// A reader of a descriptor that may stay silent for long, such as a terminal: it looks at the flag while it
/// waits, since a signal handler restarts a blocked `read`.
pub(crate) struct Interruptible<F> {
    file: F,
    asked: Arc<AtomicBool>,
}

impl<F: Read + AsFd> Interruptible<F> {
    /// Reads from `file` until it ends or `interrupt` asks.
    pub(crate) fn new(file: F, interrupt: &Interrupt) -> Self {
        Self { file, asked: interrupt.flag() }
    }
}

impl Interruptible<File> {
    /// Opens a file. One that is a fifo is opened at once, and not only when somebody writes to it: the first read waits
    /// for that.
    ///
    /// # Errors
    /// Where the system refuses.
    pub(crate) fn open(path: &Path, interrupt: &Interrupt) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?;
        Ok(Self::new(File::from(file), interrupt))
    }
}

impl<F: Read + AsFd> Read for Interruptible<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const STEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        loop {
            if self.asked.load(Ordering::Relaxed) {
                // Ingest takes this as a reason to look at the flag itself.
                return Err(io::ErrorKind::Interrupted.into());
            }
            let ready = {
                let mut watched = [PollFd::new(&self.file, PollFlags::IN)];
                match poll(&mut watched, Some(&STEP)) {
                    Ok(ready) => ready,
                    Err(Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                }
            };
            if ready > 0 {
                match self.file.read(buffer) {
                    // Somebody else took it.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_reader_ends_when_asked() {
        let (reader, writer) = io::pipe().unwrap();
        let interrupt = Interrupt::default();
        let mut source = Interruptible::new(reader, &interrupt);
        interrupt.flag().store(true, Ordering::Relaxed);
        assert!(source.read(&mut [0; 8]).is_err());
        drop(writer);
    }

    #[test]
    fn bytes_pass() {
        let (reader, mut writer) = io::pipe().unwrap();
        io::Write::write_all(&mut writer, b"abc").unwrap();
        drop(writer);
        let mut text = String::new();
        Interruptible::new(reader, &Interrupt::default()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
    }

    #[test]
    fn the_exit_tells_the_signals_apart() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.exit(), Exit::Interrupted);
        interrupt.signal.store(143, Ordering::Relaxed);
        assert_eq!(interrupt.exit(), Exit::Terminated);
    }
}
