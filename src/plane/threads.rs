//! Threads, and other things that the system may refuse: whoever has one thread goes on with it, and whoever has none
//! says so or does the work alone.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use rustix::io::Errno;

/// More threads than these are started for nobody: no disk and no processor has work for them, and where the memory of
/// the process is at its end already, the standard library's start of a thread panics in that thread.
const THREADS_MAX: usize = 256;

/// Starts up to so many threads, one at least and `THREADS_MAX` at most. Where the system refuses one after the first, those that there are do
/// the work; an error where there is none.
pub(crate) fn crew_of<'scope, T>(
    threads: usize,
    mut start: impl FnMut(Builder) -> io::Result<ScopedJoinHandle<'scope, T>>,
) -> (Vec<ScopedJoinHandle<'scope, T>>, io::Result<()>) {
    let mut crew = Vec::new();
    for _ in 0..threads.clamp(1, THREADS_MAX) {
        match start(Builder::new()) {
            Ok(thread) => crew.push(thread),
            Err(error) if crew.is_empty() => return (crew, Err(error)),
            Err(_) => break,
        }
    }
    (crew, Ok(()))
}

/// Does the same on several threads, or without one where the system has none to spare; returns what each of them has.
pub(super) fn in_threads<T: Send>(threads: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    let all = Mutex::new(Vec::new());
    let share = || {
        let done = work();
        all.lock().unwrap_or_else(PoisonError::into_inner).push(done);
    };
    std::thread::scope(|scope| {
        let (_, refused) = crew_of(threads, |thread| thread.spawn_scoped(scope, share));
        if refused.is_err() {
            share();
        }
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Something that is done on another thread, or, where the system has none to spare, when it is asked for.
pub(crate) struct Meanwhile<'scope, W, T> {
    thread: Option<ScopedJoinHandle<'scope, T>>,
    work: W,
}

impl<'scope, W, T> Meanwhile<'scope, W, T>
where
    W: Fn() -> T + Copy + Send + 'scope,
    T: Send + 'scope,
{
    /// Begins it, if there is a thread.
    pub(crate) fn begin(scope: &'scope Scope<'scope, '_>, work: W) -> Self {
        Self { thread: Builder::new().spawn_scoped(scope, work).ok(), work }
    }

    /// Waits for it, or does it now. A panic goes on in the caller.
    pub(crate) fn end(self) -> T {
        match self.thread {
            Some(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => (self.work)(),
        }
    }
}

/// Returns the error again if it tells of a limit of this process or machine, and nothing of the file it was met at.
pub(crate) fn limit(error: &io::Error) -> Option<io::Error> {
    match Errno::from_io_error(error)? {
        errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOLCK | Errno::INTR) => {
            Some(errno.into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn those_who_came_do_the_work_of_those_who_were_refused() {
        for (allowed, expected) in [(0, 0), (1, 1), (3, 3), (9, 4)] {
            let worked = AtomicUsize::new(0);
            let worked = &worked;
            let refused = std::thread::scope(|scope| {
                let mut asked = 0;
                let (crew, refused) = crew_of(4, |thread| {
                    asked += 1;
                    if asked > allowed {
                        return Err(Errno::AGAIN.into());
                    }
                    thread.spawn_scoped(scope, || worked.fetch_add(1, Ordering::Relaxed))
                });
                assert_eq!(crew.len(), expected);
                refused
            });
            assert_eq!(worked.load(Ordering::Relaxed), expected);
            assert_eq!(refused.is_err(), allowed == 0);
        }
    }

    #[test]
    fn what_no_thread_does_is_done_in_the_end() {
        let times = AtomicUsize::new(0);
        let work = || times.fetch_add(1, Ordering::Relaxed) + 1;
        std::thread::scope(|scope| assert_eq!(Meanwhile::begin(scope, work).end(), 1));
        assert_eq!(Meanwhile { thread: None, work }.end(), 2);
    }

    #[test]
    fn nobody_gets_more_threads_than_do_any_good() {
        assert_eq!(in_threads(usize::MAX, || ()).len(), THREADS_MAX);
    }
}
