//! Bytes in: walk, hash both digests in one pass, stage what the store does not have, report.
//!
//! One thread walks, several look at files, one gives groups of what is staged their names, and the caller's own thread
//! collects, publishes full batches and calls back for each. What is published is durable under its final name; what it means is for the registry
//! to record. The last batch is left in the staging, unpublished, so that whatever else belongs to the same
//! transaction can join it.
//!
//! Memory: what is returned, and nothing else that grows with the number of files or their size.
//!
//! This file knows no database and writes no event.

use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::artifact::Blobs;
use super::crew::Run;
use super::exclude::PatternError;
use super::hook::Hook;
use super::list::PathList;
use super::unpack::ArchiveRefusal;
use crate::cache::{FileId, Stamp, StatCache};
use crate::identity::{ContentAddress, Digests};
use crate::manifest::{EntryList, EntryPath, PathError};
use crate::monitor::Monitor;
use crate::storage::{Local, Staging, StorageError};

/// An error of the caller's own code, handed through.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the log says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was never named, or only by what does not claim that its bytes are here.
    Unknown,
    /// It should be here.
    Stored,
    /// It was purged, and not stored again since.
    Purged,
    /// It should be here, and was found damaged since it was stored.
    Damaged,
}

/// Who knows the log. Asked from several threads: for each file that is read, and for those that the stat cache answers
/// for a directory at a time, or once for all that one run stored.
pub trait Known: Sync {
    /// Says what the log says of an object, batches of the present run that were recorded included.
    ///
    /// # Errors
    /// Whatever keeps it from telling; the ingest ends with it.
    fn standing(&self, address: &ContentAddress) -> Result<Standing, BoxError>;

    /// Says the same of several, in their order: cheaper than one by one where each question has a price of its own.
    ///
    /// # Errors
    /// As [`Known::standing`].
    fn standings(&self, addresses: &[ContentAddress]) -> Result<Vec<Standing>, BoxError> {
        addresses.iter().map(|address| self.standing(address)).collect()
    }

    /// Says whether what was stored by this event, in this very log, still stands as [`Standing::Stored`], without
    /// looking at any object. `false` where it cannot tell.
    ///
    /// # Errors
    /// As [`Known::standing`].
    fn vouches_for(&self, _stamp: &Stamp) -> Result<bool, BoxError> {
        Ok(false)
    }
}

/// Where content comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file or a tree. Where it is a symlink it is followed; nothing beneath it is.
    Path(PathBuf),
    /// Paths that somebody listed, each as itself.
    Listed(PathList),
    /// The reader handed in, as one entry of mode 0644. Directories above it that no other source has are
    /// made up, with mode 0755.
    Stdin {
        /// Where it stands in the package.
        name: EntryPath,
    },
    /// Blobs of a layout, each an entry of its own name at the top.
    Blobs(Blobs),
    /// The reader handed in, as a tar archive whose members are the entries. Directories that it leaves out are made up,
    /// with mode 0755; owners and extended attributes are not kept.
    Tar {
        /// What the archive is called where it is refused.
        archive: PathBuf,
    },
}

/// What becomes of symbolic links in an archive that lead out of it. In a tree they are taken as they are: nobody can
/// have put them there to lead whoever unpacks it astray.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OutsideLinks {
    /// The archive is refused.
    #[default]
    Refuse,
    /// They are recorded.
    Take,
}

/// What happens when a path cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnUnreadable {
    /// The first one ends the ingest.
    #[default]
    Fail,
    /// It is left out and listed.
    Skip,
}

/// How bytes get from a file into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Taking {
    /// They are copied, or a long file's blocks are shared where the file systems allow that.
    #[default]
    Any,
    /// The store shares a file's blocks, whatever its length, or the ingest ends.
    Reflink,
}

/// How to ingest.
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// What to leave out, by its path in the package: patterns of gitignore(5), of which the last that matches decides.
    /// None is a comment, and spaces at the end count; [`patterns_of`](super::patterns_of) reads a file of them.
    pub exclude: Vec<String>,
    /// Whether of a directory that is tagged as a cache (CACHEDIR.TAG) only the tag is taken.
    pub exclude_caches: bool,
    /// Whether what is mounted beneath a source is left out; a mount point is then an empty directory.
    pub one_file_system: bool,
    /// Whether modification times are kept.
    pub keep_mtime: bool,
    /// What to do about what cannot be read.
    pub on_unreadable: OnUnreadable,
    /// What becomes of symbolic links that lead out of an archive.
    pub outside_links: OutsideLinks,
    /// How bytes get into the store.
    pub taking: Taking,
    /// How many threads read and hash, at least one; another one walks.
    pub threads: usize,
    /// From so many new bytes on a group of a batch gets its names, while the next one is written.
    pub group_bytes: u64,
    /// The same, from so many new objects on.
    pub group_files: u64,
    /// From so many new bytes on a batch is published.
    pub batch_bytes: u64,
    /// The same, from so many new objects on.
    pub batch_files: u64,
    /// The store's own root directory, which is refused as a source and left out of a walk.
    pub own_root: Option<FileId>,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            exclude: Vec::new(),
            exclude_caches: false,
            one_file_system: false,
            keep_mtime: false,
            on_unreadable: OnUnreadable::default(),
            outside_links: OutsideLinks::default(),
            taking: Taking::default(),
            threads: std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16),
            group_bytes: 128 << 20,
            group_files: 4096,
            batch_bytes: 1 << 30,
            batch_files: 65_536,
            own_root: None,
        }
    }
}

/// Where content goes.
#[derive(Clone, Copy)]
pub struct IngestStore<'a> {
    /// The batch in the making.
    pub staging: &'a Staging,
    /// The objects that are there.
    pub local: &'a Local,
    /// The log.
    pub known: &'a dyn Known,
}

/// Who is asked and told on the way.
#[derive(Clone, Copy)]
pub struct IngestContext<'a> {
    /// The stat cache, unless it is to be ignored. Facts are handed to it as they are found, before any commit:
    /// until a [`Stamp`] vouches for them, the log is asked whether what they name is stored.
    pub cache: Option<&'a StatCache>,
    /// Who hears of progress.
    pub monitor: &'a dyn Monitor,
    /// Ends the ingest when it becomes true; looked at for each file and each chunk.
    pub cancelled: &'a AtomicBool,
}

/// What was wrong with an object that is whole again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HealedFault {
    /// No file stood under its name.
    Missing,
    /// A file of another size did.
    Truncated,
    /// The log says that it was found damaged, or something that is no file stood there.
    Damaged,
    /// Its mode is not an object's: whoever may write to it may have done so.
    WrongMode,
}

impl HealedFault {
    /// Returns the word of the event that records it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Truncated => "truncated",
            Self::Damaged => "damaged",
            Self::WrongMode => "wrong-mode",
        }
    }
}

/// Where good bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealedFrom {
    /// The same content was added again.
    Add,
    /// The event that carries them in `log/` or in the database.
    Log,
    /// The views of the database, which hold all that a manifest says.
    Views,
}

impl HealedFrom {
    /// Returns the word of the event that records it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Log => "log",
            Self::Views => "views",
        }
    }
}

/// An object that the log calls stored, whose bytes were not right and were staged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Healed {
    /// The object.
    pub object: Digests,
    /// What was wrong.
    pub fault: HealedFault,
}

/// Why a path could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The system refused.
    #[error(transparent)]
    Io(std::io::Error),
    /// It changed while it was read, each time that it was tried.
    #[error("it changed while it was read")]
    Changed,
    /// Its path cannot be stored.
    #[error(transparent)]
    Path(PathError),
    /// A list names it, and it is no file, directory or symlink.
    #[error("it is a {0}")]
    Special(&'static str),
    /// The store cannot share its blocks, which was insisted on.
    #[error("its blocks cannot be shared with the store")]
    NoReflink,
}

/// A path that was left out because it could not be read.
#[derive(Debug)]
pub struct Skipped {
    /// The path as it was walked.
    pub path: PathBuf,
    /// Why.
    pub why: Unreadable,
}

/// What an ingest found and did.
#[derive(Debug, Default)]
pub struct Ingested {
    /// What is to be in the package: sorted by path, no two alike, every parent a directory entry.
    pub entries: EntryList,
    /// What was damaged and is staged again.
    pub healed: Vec<Healed>,
    /// What was left out ([`OnUnreadable::Skip`]), sorted by path.
    pub skipped: Vec<Skipped>,
    /// Paths that were left out because the options say so; what is beneath one is not counted.
    pub excluded: u64,
    /// Files that were read.
    pub files_hashed: u64,
    /// Bytes that were read.
    pub bytes_hashed: u64,
    /// Files whose digests the stat cache knew.
    pub cache_hits: u64,
    /// Objects that were staged, published or not.
    pub objects_new: u64,
    /// Bytes of these.
    pub bytes_new: u64,
}

/// Why an ingest failed. Nothing of it is in any package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// A path could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The path as it was walked.
        path: PathBuf,
        /// Why.
        source: Unreadable,
    },
    /// The store cannot share a file's blocks ([`Taking::Reflink`]).
    #[error(
        "the store cannot share the blocks of {}: it is on another file system, or on one that has no reflinks",
        path.display()
    )]
    NoReflink {
        /// The path as it was walked.
        path: PathBuf,
    },
    /// Standard input could not be read.
    #[error("cannot read standard input")]
    Stdin(#[source] std::io::Error),
    /// Standard input was asked for more than once.
    #[error("standard input can be read only once")]
    StdinTwice,
    /// An archive is refused.
    #[error("{} is refused{}", archive.display(), at_member(member))]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// The path of the member, as far as it is one's fault; else empty.
        member: Vec<u8>,
        /// Why.
        source: ArchiveRefusal,
    },
    /// Two sources would stand under the same path.
    #[error("two of the given paths would both be stored as {}", String::from_utf8_lossy(path.as_bytes()))]
    Alike {
        /// The path in the package.
        path: EntryPath,
    },
    /// A list names a symlink to a directory, and what is in that directory: under its path can stand one of them.
    #[error("the list names {}, which is a symlink, and what is behind it", String::from_utf8_lossy(path))]
    ListedThrough {
        /// The symlink, as it was walked.
        path: Box<[u8]>,
    },
    /// A source has no last component to stand under.
    #[error("{} has no name to be stored under", path.display())]
    NoName {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A source is a fifo, a socket or a device: whoever names one wants what comes out of it, and to leave it out would
    /// be to store nothing and say that all is well.
    #[error("{} is a {kind}", path.display())]
    Special {
        /// The path as it was given.
        path: PathBuf,
        /// What it is, in one or two words.
        kind: &'static str,
    },
    /// A source is the store, or lies in it.
    #[error("{} belongs to the store itself", path.display())]
    StoreItself {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A pattern of what to leave out cannot be understood.
    #[error("cannot understand the pattern {pattern:?}")]
    Exclude {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: PatternError,
    },
    /// More entries than a manifest holds.
    #[error("{found} entries are more than a package holds ({limit})")]
    TooMany {
        /// How many there are.
        found: u64,
        /// How many there may be.
        limit: u64,
    },
    /// The store could not take the bytes.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A thread to work with could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The log could not be asked.
    #[error("cannot ask the log")]
    Known(#[source] BoxError),
    /// A batch that was published could not be recorded.
    #[error("cannot record a batch")]
    Batch(#[source] BoxError),
    /// The caller's flag said to stop.
    #[error("cancelled")]
    Cancelled,
}

fn at_member(member: &[u8]) -> String {
    match member {
        [] => String::new(),
        member => format!(" at {}", String::from_utf8_lossy(member)),
    }
}

/// Ingests: reads the sources, stages what the store does not have, and returns what a package of them holds.
///
/// A single directory contributes its entries and not itself; any other source, or several, stand under their
/// last components; what is listed stands as it is listed. A full batch is published and handed to `on_batch`, sorted by address; the last one stays
/// in the staging. Sockets, fifos and devices beneath a directory are left out and the monitor hears of it. A read of `stdin` may
/// return `Interrupted` at any time, so that the flag is looked at again.
///
/// # Errors
/// [`IngestError`]. What was published before stays; what was staged is the staging's to clear.
pub fn ingest(
    sources: &[Source],
    stdin: &mut (dyn Read + Send),
    options: &IngestOptions,
    store: IngestStore<'_>,
    context: IngestContext<'_>,
    on_batch: &mut dyn FnMut(Vec<Digests>) -> Result<(), BoxError>,
) -> Result<Ingested, IngestError> {
    Run::new(options, Some(store), context, &Hook::none())?.collect(sources, stdin, on_batch)
}

/// Looks at a tree as an ingest would, and stores nothing.
///
/// # Errors
/// [`IngestError`].
pub fn survey(
    sources: &[PathBuf],
    options: &IngestOptions,
    context: IngestContext<'_>,
) -> Result<Ingested, IngestError> {
    let sources: Vec<Source> = sources.iter().cloned().map(Source::Path).collect();
    Run::new(options, None, context, &Hook::none())?.collect(&sources, &mut std::io::empty(), &mut |_| Ok(()))
}
