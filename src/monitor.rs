//! How the library tells what it is doing: counters, tasks and problems, never a terminal.
//!
//! A front end implements [`Monitor`]; the library neither prints nor draws. What a monitor is told may be
//! shown, counted or dropped: no result depends on it.

use std::fmt;
use std::path::PathBuf;

/// A stretch of work worth showing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// Looking at, reading, hashing and storing files.
    Adding,
    /// Making a batch durable.
    Syncing,
    /// Reading and hashing a file that is not to be stored.
    Hashing,
    /// Re-reading stored objects.
    Verifying,
    /// Writing a package out again.
    Exporting,
    /// Computing the views again from the log.
    Replaying,
    /// Finding out what may go.
    Planning,
    /// Deleting the objects of a confirmed plan.
    Purging,
    /// Waiting for another process to release a lock.
    Waiting,
}

/// Something that is counted while a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Counter {
    /// Directory entries seen by a walk.
    EntriesWalked,
    /// Files whose digests the stat cache knew.
    CacheHits,
    /// Files read and hashed.
    FilesHashed,
    /// Bytes read and hashed.
    BytesHashed,
    /// Objects whose bytes were written.
    ObjectsWritten,
    /// Bytes of objects that were written.
    BytesWritten,
    /// Objects whose bytes the store had already.
    ObjectsKnown,
    /// Objects looked at by verify.
    ObjectsVerified,
    /// Bytes re-read by verify.
    BytesVerified,
    /// Entries written out by export.
    EntriesExported,
    /// Bytes written out by export.
    BytesExported,
    /// Events applied by replay.
    EventsReplayed,
    /// Objects whose files a gc deleted.
    ObjectsPurged,
    /// Bytes of objects whose files a gc deleted.
    BytesPurged,
}

/// Something that the person should hear of though the operation goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A path that is neither file, directory nor symlink was left out.
    SpecialFileSkipped {
        /// The path as it was walked.
        path: PathBuf,
        /// What it is: `socket`, `fifo`, `block device`, `character device`, `unknown`.
        kind: &'static str,
    },
    /// A path could not be read and was left out, as `--keep-going` asks.
    EntrySkipped {
        /// The path as it was walked.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The store's own root was met in the walk and left out.
    StoreSkipped {
        /// The path as it was walked.
        path: PathBuf,
    },
    /// The plain-file log was ahead of the database, which caught up.
    CaughtUp {
        /// How many events were applied.
        events: u64,
    },
    /// The plain-file log was behind the database and was completed from it.
    LogRewritten {
        /// How many events were written.
        events: u64,
    },
    /// The plain-file log is damaged or another history behind what the database knows: the answer comes from the
    /// database as it stands, and may lack what happened since.
    LogAstray {
        /// What is wrong with it.
        what: String,
    },
    /// The lock is held by others; the operation waits.
    Waiting {
        /// Who holds it, one description a process.
        holders: Vec<String>,
    },
    /// A gc ended before it was through, and has deleted something.
    GcEnded {
        /// How many objects.
        objects: u64,
        /// The sum of their sizes.
        bytes: u64,
        /// How many objects of its plan it did not come to.
        left: u64,
    },
    /// Anything else, as one line.
    Note(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SpecialFileSkipped { path, kind } => write!(f, "skipped {} ({kind})", path.display()),
            Self::EntrySkipped { path, why } => write!(f, "skipped {}: {why}", path.display()),
            Self::StoreSkipped { path } => write!(f, "skipped {} (the store itself)", path.display()),
            Self::CaughtUp { events } => {
                write!(f, "log/ was ahead of the database by {events} event(s), which are now applied")
            }
            Self::LogRewritten { events } => {
                write!(f, "log/ was behind the database; {events} event(s) were written to it again")
            }
            Self::LogAstray { what } => {
                write!(f, "{what}; the database is read as it stands, and may lack what happened since")
            }
            Self::Waiting { holders } if holders.is_empty() => write!(f, "waiting for the store's lock"),
            Self::Waiting { holders } => write!(f, "waiting for {}", holders.join(", ")),
            Self::GcEnded { objects, bytes, left } => write!(
                f,
                "before it ended, the gc deleted {objects} object(s) of {bytes} bytes, and {}; the log has the record",
                left_in_words(*left)
            ),
            Self::Note(text) => f.write_str(text),
        }
    }
}

/// Says how much of a plan is left.
pub fn left_in_words(left: u64) -> String {
    match left {
        0 => "nothing of its plan is left".to_owned(),
        1 => "1 object of its plan is left".to_owned(),
        left => format!("{left} objects of its plan are left"),
    }
}

/// Hears what the library is doing. Calls come from several threads.
pub trait Monitor: Send + Sync {
    /// A task begins; `total` is how much there is to do, where that is known: events for [`Task::Replaying`], objects for
    /// [`Task::Purging`], bytes for all others. It may turn out to be a little more or less.
    fn start(&self, task: Task, total: Option<u64>);
    /// A counter goes up by `n`.
    fn count(&self, counter: Counter, n: u64);
    /// Something is worth a line.
    fn problem(&self, problem: &Problem);
    /// The task ends, well or not.
    fn finish(&self, task: Task);
}

/// A monitor that drops everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Void;

impl Monitor for Void {
    fn start(&self, _task: Task, _bytes: Option<u64>) {}
    fn count(&self, _counter: Counter, _n: u64) {}
    fn problem(&self, _problem: &Problem) {}
    fn finish(&self, _task: Task) {}
}

/// A monitor that remembers everything, for tests that assert on counts instead of on time.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug, Default)]
pub struct Recording {
    counts: std::sync::Mutex<std::collections::HashMap<Counter, u64>>,
    problems: std::sync::Mutex<Vec<Problem>>,
}

#[cfg(any(test, feature = "testing"))]
impl Recording {
    /// Returns how far a counter went.
    pub fn counted(&self, counter: Counter) -> u64 {
        self.counts.lock().map_or(0, |counts| counts.get(&counter).copied().unwrap_or(0))
    }

    /// Returns the problems heard of, in order.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems.lock().map(|problems| problems.clone()).unwrap_or_default()
    }
}

#[cfg(any(test, feature = "testing"))]
impl Monitor for Recording {
    fn start(&self, _task: Task, _bytes: Option<u64>) {}

    fn count(&self, counter: Counter, n: u64) {
        if let Ok(mut counts) = self.counts.lock() {
            *counts.entry(counter).or_default() += n;
        }
    }

    fn problem(&self, problem: &Problem) {
        if let Ok(mut problems) = self.problems.lock() {
            problems.push(problem.clone());
        }
    }

    fn finish(&self, _task: Task) {}
}
