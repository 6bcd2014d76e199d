//! Manifests among the objects: what is left to tell what the packages were when the log is lost.
//!
//! A claim is a file under an object's name whose bytes are that object and a manifest. Nobody vouches for it: the
//! package that it speaks of may have been removed, or be another store's, or never have been recorded. What to make
//! of it is the caller's to decide; nothing here is changed.
//!
//! A store of many gigabytes is not read for it: the first bytes of a file say whether it may be a manifest. What is
//! held of the store is 17 bytes an object; of a manifest 16 bytes a file while it is read, and a summary then.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::fault::fill;
use super::shards::{Met, beginning, each_file};
use super::threads::in_threads;
use crate::disk::{Disk, DiskFile};
use crate::identity::{Blake3, ContentAddress};
use crate::manifest::cbor::INTEGER_MAX;
use crate::manifest::{
    Entry, EntryBody, Labels, Manifest, ManifestError, ManifestHeader, ScanError, ScannedManifest,
    begins_manifest, scan_manifest,
};
use crate::storage::{Action, StorageError, layout};

/// How much of a file says whether it may be a manifest.
const BEGINNING_BYTES: usize = 16;
/// Up to this size a manifest that cannot be read is looked at once more, for its version.
const VERSION_BYTES_MAX: u64 = 16 << 20;
/// How many files and directories that could not be read are named.
const NAMED_MAX: usize = 100;

/// A manifest among the objects.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The manifest's own address.
    pub manifest: Blake3,
    /// Its size.
    pub manifest_bytes: u64,
    /// What it says of its package; what grows with that (labels, receipts) is left empty.
    pub header: ManifestHeader,
    /// The digest of its entries.
    pub content_digest: Blake3,
    /// How many entries it has.
    pub entries: u64,
    /// How many of them are files.
    pub files: u64,
    /// The sum of the files' sizes; `None` where that is more than any store can count.
    pub bytes: Option<u64>,
    /// How many distinct objects they have.
    pub objects: u64,
    /// How many of these have no file of their size.
    pub missing: u64,
}

/// What was found among the objects.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// The manifests, in no order.
    pub claims: Vec<Claim>,
    /// Files that begin as a manifest does, and whose bytes are not those of their name.
    pub damaged: Vec<ContentAddress>,
    /// Manifests of a later version.
    pub later: Vec<ContentAddress>,
    /// Files and directories that could not be read, and why; the first of them.
    pub unreadable: Vec<String>,
    /// Files among the objects.
    pub objects: u64,
    /// Those of them that no claim names, the manifests aside.
    pub unclaimed: u64,
    /// The sum of their sizes.
    pub unclaimed_bytes: u64,
}

/// Looks for manifests among the objects, on several threads.
///
/// # Errors
/// [`StorageError::Io`] where the objects' directory itself cannot be listed, or with
/// [`io::ErrorKind::Interrupted`] where the caller's flag says to stop.
pub fn claims(disk: &dyn Disk, threads: usize, cancelled: &AtomicBool) -> Result<Claims, StorageError> {
    let objects = Path::new(layout::OBJECTS);
    let failed = |source| StorageError::Io { action: Action::Read, path: objects.to_owned(), source };
    let walked = each_file(disk, threads, cancelled, Walked::default, |walked, met| walked.take(disk, met))?;
    let (mut there, mut candidates, mut found) = (Vec::new(), Vec::new(), Claims::default());
    for mut walked in walked {
        there.append(&mut walked.there);
        candidates.append(&mut walked.candidates);
        found.unreadable.append(&mut walked.unreadable);
    }
    let inventory = Inventory::new(there);
    candidates.sort_unstable();
    let next = AtomicUsize::new(0);
    let read = in_threads(threads, || {
        let mut reader = Reader { disk, inventory: &inventory, found: Claims::default() };
        while let Some(candidate) = candidates.get(next.fetch_add(1, Ordering::Relaxed)) {
            if cancelled.load(Ordering::Relaxed) {
                break;
            }
            reader.read(candidate);
        }
        reader.found
    });
    if cancelled.load(Ordering::Relaxed) {
        return Err(failed(io::ErrorKind::Interrupted.into()));
    }
    for mut part in read {
        found.claims.append(&mut part.claims);
        found.damaged.append(&mut part.damaged);
        found.later.append(&mut part.later);
        found.unreadable.append(&mut part.unreadable);
    }
    found.damaged.sort_unstable();
    found.later.sort_unstable();
    found.unreadable.sort_unstable();
    found.unreadable.truncate(NAMED_MAX);
    found.objects = inventory.there.len() as u64;
    (found.unclaimed, found.unclaimed_bytes) = inventory.unclaimed();
    Ok(found)
}

/// Hands out the entries of a manifest that was found, and sees again that its bytes are those of its name.
///
/// # Errors
/// [`ScanError`]: with [`io::ErrorKind::InvalidData`] where the file has other bytes by now.
pub fn each_entry<E>(
    disk: &dyn Disk,
    manifest: &Blake3,
    each: impl FnMut(&Entry) -> Result<(), E>,
) -> Result<ScannedManifest, ScanError<E>> {
    let path = layout::object_path(&ContentAddress::new(*manifest));
    let file = disk.open(&path).map_err(ScanError::Read)?;
    let scanned = scan_manifest(&mut FileReader { file: &*file, offset: 0 }, each)?;
    if scanned.digest == *manifest {
        Ok(scanned)
    } else {
        Err(ScanError::Read(io::Error::new(io::ErrorKind::InvalidData, "it has other bytes by now")))
    }
}

/// What is there, and what may be a manifest.
#[derive(Default)]
struct Walked {
    there: Vec<(u64, u64)>,
    candidates: Vec<Blake3>,
    unreadable: Vec<String>,
}

impl Walked {
    fn take(&mut self, disk: &dyn Disk, met: Met<'_>) {
        match met {
            Met::File(address) => {
                if let Err(error) = self.file(disk, &address) {
                    self.unreadable(&layout::object_path(&address), &error);
                }
            }
            Met::Unlisted(path, error) => self.unreadable(path, &error),
        }
    }

    fn file(&mut self, disk: &dyn Disk, address: &ContentAddress) -> io::Result<()> {
        let file = match disk.open(&layout::object_path(address)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()), // it went meanwhile
            opened => opened?,
        };
        let mut start = [0; BEGINNING_BYTES];
        let filled = fill(&*file, &mut start, 0)?;
        self.there.push((beginning(&address.digest()), file.stat()?.size_bytes));
        if begins_manifest(&start[..filled]) {
            self.candidates.push(address.digest());
        }
        Ok(())
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        if self.unreadable.len() < NAMED_MAX {
            self.unreadable.push(format!("{}: {error}", path.display()));
        }
    }
}

/// The files among the objects, in few bytes: the beginning of each digest, and the size.
struct Inventory {
    /// Ascending.
    there: Vec<(u64, u64)>,
    claimed: Vec<AtomicBool>,
}

impl Inventory {
    fn new(mut there: Vec<(u64, u64)>) -> Self {
        there.sort_unstable();
        let claimed = there.iter().map(|_| AtomicBool::new(false)).collect();
        Self { there, claimed }
    }

    /// Notes that somebody claims an object, and returns whether it has a file of its size.
    fn claim(&self, object: &(u64, u64)) -> bool {
        let found = self.there.binary_search(object);
        if let Ok(at) = found {
            self.claimed[at].store(true, Ordering::Relaxed);
        }
        found.is_ok()
    }

    /// Counts what nobody claims, and adds up the sizes.
    fn unclaimed(&self) -> (u64, u64) {
        let all = self.there.iter().zip(&self.claimed);
        all.filter(|(_, claimed)| !claimed.load(Ordering::Relaxed))
            .fold((0, 0), |(count, bytes), ((_, size), _)| (count + 1, bytes + size))
    }
}

/// What is counted while a manifest goes by.
struct Tally {
    files: u64,
    bytes: Option<u64>,
    objects: Vec<(u64, u64)>,
}

impl Tally {
    const fn new() -> Self {
        Self { files: 0, bytes: Some(0), objects: Vec::new() }
    }

    fn count(&mut self, entry: &Entry) {
        if let EntryBody::File { object, .. } = &entry.body {
            self.files += 1;
            let sum = self.bytes.and_then(|bytes| bytes.checked_add(object.size_bytes));
            self.bytes = sum.filter(|&sum| sum <= INTEGER_MAX);
            self.objects.push((beginning(&object.blake3), object.size_bytes));
        }
    }
}

/// What begins as a manifest does, and is none of version 1.
enum Other {
    /// Whole bytes of something else.
    Object,
    /// Bytes that are not those of the file's name.
    Damaged,
    /// A manifest of a later version.
    Later,
}

/// Reads what may be manifests.
struct Reader<'a> {
    disk: &'a dyn Disk,
    inventory: &'a Inventory,
    found: Claims,
}

impl Reader<'_> {
    fn read(&mut self, candidate: &Blake3) {
        let address = ContentAddress::new(*candidate);
        let unreadable = |error: &io::Error| format!("{}: {error}", layout::object_path(&address).display());
        let path = layout::object_path(&address);
        let file = match self.disk.open(&path) {
            Ok(file) => file,
            Err(error) => return self.found.unreadable.push(unreadable(&error)),
        };
        match self.manifest(&*file) {
            Ok(Ok((scanned, tally))) if scanned.digest == *candidate => self.enter(scanned, tally),
            Ok(Ok(_)) => self.found.damaged.push(address),
            Ok(Err(_)) => match self.other(&*file, candidate) {
                Ok(Other::Object) => {}
                Ok(Other::Damaged) => self.found.damaged.push(address),
                Ok(Other::Later) => self.found.later.push(address),
                Err(error) => self.found.unreadable.push(unreadable(&error)),
            },
            Err(error) => self.found.unreadable.push(unreadable(&error)),
        }
    }

    fn manifest(&self, file: &dyn DiskFile) -> io::Result<Result<(ScannedManifest, Tally), ManifestError>> {
        let mut tally = Tally::new();
        let mut source = FileReader { file, offset: 0 };
        let scanned = scan_manifest(&mut source, |entry| -> Result<(), Infallible> {
            tally.count(entry);
            Ok(())
        });
        match scanned {
            Ok(scanned) => Ok(Ok((scanned, tally))),
            Err(ScanError::Read(error)) => Err(error),
            Err(ScanError::Manifest(error)) => Ok(Err(error)),
            Err(ScanError::Taker(never)) => match never {},
        }
    }

    /// Says what a file is that begins as a manifest does, and is none of version 1.
    fn other(&self, file: &dyn DiskFile, candidate: &Blake3) -> io::Result<Other> {
        let mut source = FileReader { file, offset: 0 };
        let size_bytes = file.stat()?.size_bytes;
        if size_bytes <= VERSION_BYTES_MAX {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut source, &mut bytes)?;
            return Ok(match Manifest::parse(&bytes) {
                _ if Blake3::of(&bytes) != *candidate => Other::Damaged,
                Err(ManifestError::Version(_)) => Other::Later,
                _ => Other::Object,
            });
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(source)?;
        let is_whole = hasher.finalize().as_bytes() == candidate.as_bytes();
        Ok(if is_whole { Other::Object } else { Other::Damaged })
    }

    fn enter(&mut self, scanned: ScannedManifest, mut tally: Tally) {
        let mut objects = std::mem::take(&mut tally.objects);
        objects.sort_unstable();
        objects.dedup();
        self.inventory.claim(&(beginning(&scanned.digest), scanned.size_bytes));
        let missing = objects.iter().filter(|object| !self.inventory.claim(object)).count() as u64;
        let mut header = scanned.header;
        header.metadata = Labels::new();
        header.provenance = Labels::new();
        header.receipts = Vec::new();
        self.found.claims.push(Claim {
            manifest: scanned.digest,
            manifest_bytes: scanned.size_bytes,
            header,
            content_digest: scanned.content_digest,
            entries: scanned.entry_count,
            files: tally.files,
            bytes: tally.bytes,
            objects: objects.len() as u64,
            missing,
        });
    }
}

/// A file read from front to end.
struct FileReader<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
}

impl io::Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
