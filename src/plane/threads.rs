//! Threads that the system may refuse: whoever has one goes on with it, and whoever has none says so.

use std::io;
use std::thread::{Builder, ScopedJoinHandle};

use rustix::io::Errno;

/// Starts up to so many threads, one at least. Where the system refuses one after the first, those that there are do
/// the work; an error where there is none.
pub(crate) fn crew_of<'scope, T>(
    threads: usize,
    mut start: impl FnMut(Builder) -> io::Result<ScopedJoinHandle<'scope, T>>,
) -> (Vec<ScopedJoinHandle<'scope, T>>, io::Result<()>) {
    let mut crew = Vec::new();
    for _ in 0..threads.max(1) {
        match start(Builder::new()) {
            Ok(thread) => crew.push(thread),
            Err(error) if crew.is_empty() => return (crew, Err(error)),
            Err(_) => break,
        }
    }
    (crew, Ok(()))
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
}
