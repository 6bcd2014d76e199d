//! SIGINT and SIGTERM: the first asks the running operation to end cleanly, the second ends the process. And SIGXFSZ,
//! which is to end nothing.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use super::exit::Exit;

/// What signals have asked for so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Starts to listen. A system that refuses handlers leaves the signals' own effect: the process ends, and
    /// what it leaves is what a kill leaves.
    pub(crate) fn install() -> Self {
        let interrupt = Self::default();
        for (number, exit) in [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated)] {
            let code = i32::from(exit.code());
            // In this order: the shutdown looks at the flag before this same signal sets it.
            drop(flag::register_conditional_shutdown(number, code, Arc::clone(&interrupt.asked)));
            let word = usize::from(exit.code());
            drop(flag::register_usize(number, Arc::clone(&interrupt.signal), word));
            drop(flag::register(number, Arc::clone(&interrupt.asked)));
        }
        // A file beyond the limit of file sizes: with a handler the write fails with EFBIG instead of the process
        // being killed, and that is an error like any other. Nobody asks whether it came.
        drop(flag::register(SIGXFSZ, Arc::default()));
        interrupt
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
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                }
            };
            if ready > 0 {
                return self.file.read(buffer);
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
