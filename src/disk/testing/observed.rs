//! A disk that asks a closure before each call.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::call::Call;
use super::wrapped::{Extent, Hook, Wrapped};
use crate::disk::{Directory, Disk, DiskFile, Listed, Stat};

/// What becomes of a call.
#[derive(Debug)]
pub enum Act {
    /// It happens.
    Pass,
    /// It does not happen, and this is its error.
    Fail(io::Error),
    /// A write puts the first half of its bytes there and then fails with this error; any other call just fails.
    HalfThenFail(io::Error),
    /// A read returns at most so many bytes; any other call happens.
    ReadAtMost(usize),
}

type Watch = dyn Fn(usize, &Call) -> Act + Send + Sync;

/// A disk that asks a closure before each call that changes or syncs something, and at each point.
///
/// The closure is told how many such calls there were before, so the first is number 0. An error from it is
/// the call's error, and the call does not happen; at a point, which cannot fail, the error is dropped. A
/// closure that blocks stalls the operation, on purpose, at an exact place.
#[derive(Debug)]
pub struct Observed(Wrapped<Watching>);

struct Watching {
    watch: Box<Watch>,
    with_reads: bool,
    calls: AtomicUsize,
    free_bytes: Option<u64>,
}

impl Hook for Watching {
    fn around(&self, call: Call, run: &mut dyn FnMut(Extent) -> io::Result<()>) -> io::Result<()> {
        if !self.with_reads && call.is_reading() {
            return run(Extent::Whole);
        }
        match (self.watch)(self.calls.fetch_add(1, Ordering::SeqCst), &call) {
            Act::Pass => run(Extent::Whole),
            Act::Fail(error) => Err(error),
            Act::ReadAtMost(bytes) if call.is_reading() => run(Extent::AtMost(bytes)),
            Act::ReadAtMost(_) => run(Extent::Whole),
            Act::HalfThenFail(error) => {
                if let Call::Write { bytes, .. } = &call {
                    run(Extent::AtMost(bytes.len() / 2))?;
                }
                Err(error)
            }
        }
    }

    fn free_bytes(&self) -> Option<u64> {
        self.free_bytes
    }
}

impl Observed {
    /// Watches calls that change or sync, and points.
    pub fn new(
        inner: Arc<dyn Disk>,
        watch: impl Fn(usize, &Call) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::with(inner, Box::new(move |n, call| act(watch(n, call))), false)
    }

    /// Watches reading calls too, and counts them with the others.
    pub fn with_reads(
        inner: Arc<dyn Disk>,
        watch: impl Fn(usize, &Call) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::with(inner, Box::new(move |n, call| act(watch(n, call))), true)
    }

    /// Watches every call, reading or not, and lets the closure say what becomes of it.
    pub fn acting(inner: Arc<dyn Disk>, watch: impl Fn(usize, &Call) -> Act + Send + Sync + 'static) -> Self {
        Self::with(inner, Box::new(watch), true)
    }

    fn with(inner: Arc<dyn Disk>, watch: Box<Watch>, with_reads: bool) -> Self {
        Self(Wrapped::new(
            inner,
            Watching { watch, with_reads, calls: AtomicUsize::new(0), free_bytes: None },
        ))
    }

    /// The same, and says that so many bytes are free.
    #[must_use]
    pub fn with_free_bytes(mut self, bytes: u64) -> Self {
        if let Some(hook) = self.0.hook_mut() {
            hook.free_bytes = Some(bytes);
        }
        self
    }

    /// Returns how many calls were watched so far.
    pub fn calls(&self) -> usize {
        self.0.hook().calls.load(Ordering::SeqCst)
    }
}

fn act(answer: io::Result<()>) -> Act {
    answer.map_or_else(Act::Fail, |()| Act::Pass)
}

/// Refuses call number `nth` with an error of this kind, and lets all others pass.
pub fn fail_nth(
    nth: usize,
    kind: io::ErrorKind,
) -> impl Fn(usize, &Call) -> io::Result<()> + Send + Sync + 'static {
    move |n, _| if n == nth { Err(kind.into()) } else { Ok(()) }
}

/// Refuses call number `nth` and all after it: what happens on the disk when the process is killed there,
/// where nothing is cleaned up any more.
pub fn dead_from(nth: usize) -> impl Fn(usize, &Call) -> io::Result<()> + Send + Sync + 'static {
    move |n, _| if n >= nth { Err(io::Error::other("the process is dead")) } else { Ok(()) }
}

super::delegate_disk!(Observed);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::disk::RealDisk;

    fn disk() -> (tempfile::TempDir, Arc<RealDisk>) {
        let root = tempfile::tempdir().expect("a directory");
        let disk = Arc::new(RealDisk::open(root.path()).expect("a disk"));
        (root, disk)
    }

    #[test]
    fn the_nth_call_fails_and_does_not_happen() {
        let (_root, real) = disk();
        let disk = Observed::new(real.clone(), fail_nth(1, io::ErrorKind::StorageFull));
        let file = disk.create(Path::new("a"), 0o600).expect("call 0");
        let error = file.write_all_at(b"x", 0).expect_err("call 1");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.stat().expect("a look").size_bytes, 0);
        file.write_all_at(b"x", 0).expect("call 2");
        assert_eq!(disk.calls(), 3, "a look is not counted");
    }

    #[test]
    fn a_write_may_fail_half_way_and_a_read_may_be_short() {
        let (_root, real) = disk();
        let disk = Observed::acting(real.clone(), |_, call| {
            let fails = matches!(call, Call::Write { .. });
            if fails { Act::HalfThenFail(io::ErrorKind::StorageFull.into()) } else { Act::ReadAtMost(1) }
        });
        let file = disk.create(Path::new("a"), 0o600).expect("a file");
        let error = file.write_all_at(b"abcd", 0).expect_err("half of it");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let mut buffer = [0; 8];
        assert_eq!(file.read_at(&mut buffer, 0).expect("read"), 1);
        assert_eq!(real.open(Path::new("a")).expect("a file").read_at(&mut buffer, 0).expect("read"), 2);
        assert_eq!(&buffer[..2], b"ab");
    }

    #[test]
    fn nothing_happens_after_death() {
        let (_root, real) = disk();
        let disk = Observed::new(real.clone(), dead_from(1));
        disk.make_dir(Path::new("a")).expect("call 0");
        disk.make_dir(Path::new("b")).expect_err("call 1");
        disk.remove_dir(Path::new("a")).expect_err("call 2");
        assert_eq!(real.list(Path::new("")).expect("a listing").len(), 1);
    }

    #[test]
    fn reads_and_points_are_seen() {
        let (_root, real) = disk();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let disk = Observed::with_reads(real, move |_, call| {
            into.lock().expect("no panic").push(call.clone());
            Ok(())
        });
        disk.list(Path::new("")).expect("a listing");
        disk.point("here");
        let expected = [Call::List { path: "".into() }, Call::Point { name: "here" }];
        assert_eq!(*seen.lock().expect("no panic"), expected);
    }
}
