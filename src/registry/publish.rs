//! From bytes in flight to bytes that an event may name: the last batch, its manifest in it.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::Registry;
use super::change::Payload;
use crate::error::Error;
use crate::identity::{Blake3, Digests};
use crate::manifest::{AsEntry, ManifestError, ManifestHeader, ManifestInfo, write_manifest};
use crate::monitor::{Monitor, Task};
use crate::storage::{Action, Staged, Staging, StorageError, layout};

/// Makes the batch durable under its names.
pub(super) fn publish(staging: &Staging, monitor: &dyn Monitor) -> Result<Vec<Digests>, Error> {
    monitor.start(Task::Syncing, None);
    let published = staging.publish();
    monitor.finish(Task::Syncing);
    Ok(published?)
}

/// How long a prepared transaction, which others who write wait for, waits itself for a disk that is slow.
const PATIENCE: Duration = Duration::from_secs(1);

impl Registry {
    /// Publishes, and prepares the transaction that names what is published: events and views are entered, and none
    /// of them is committed, which the caller does with what this returns.
    ///
    /// Where `payload` is large, both happen at once: publishing waits for the disk, on a thread of its own, and preparing
    /// computes. A transaction that is not committed leaves no trace, so it does not matter to a crash which of them is
    /// first. But it holds the write lock. So nobody waits for that lock only to hold it while the disk is busy, and one
    /// who has it waits for a slow disk no longer than a second: then the transaction is dropped, others write, and it
    /// is prepared again once the batch is durable.
    ///
    /// # Errors
    /// Where publishing fails, that; else what `prepare` fails with. Where lock or database lost their names meanwhile,
    /// [`Error::Lock`] and [`Error::DatabaseReplaced`].
    pub(super) fn publish_and_prepare<T>(
        &self,
        staging: &Staging,
        payload: &Payload,
        monitor: &dyn Monitor,
        mut prepare: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        if payload.is_object()
            && let Some(prepared) = self.publish_beside(staging, monitor, &mut prepare)?
        {
            // Both were looked at when the transaction began. A gc that ran since beside a lock that has lost its
            // name may have taken what was published.
            self.check_lock()?;
            if !self.db.has_its_name()? {
                return Err(Error::DatabaseReplaced);
            }
            return Ok(prepared);
        }
        publish(staging, monitor)?; // where it was published beside, this finds nothing, and costs nothing
        prepare()
    }

    /// Does both at once; `None` where the batch is published, or is still to be, and nothing is prepared.
    fn publish_beside<T>(
        &self,
        staging: &Staging,
        monitor: &dyn Monitor,
        prepare: &mut dyn FnMut() -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let (done, is_done) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let publishing = std::thread::Builder::new().spawn_scoped(scope, move || {
                let _done = done; // dropped at the end, however that comes
                publish(staging, monitor).map(drop)
            });
            // The system may have no thread to spare.
            let Ok(publishing) = publishing else { return Ok(None) };
            let prepared = match self.unless_others_write(prepare) {
                Ok(Some(transaction)) if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) => {
                    drop(transaction); // now, and not when the disk is done
                    Ok(None)
                }
                prepared => prepared,
            };
            let published = publishing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            published.and(prepared)
        })
    }

    /// Does something that needs the write lock, where that is free; `None` where it is not.
    fn unless_others_write<T>(&self, act: &mut dyn FnMut() -> Result<T, Error>) -> Result<Option<T>, Error> {
        self.db.set_wait(Duration::ZERO)?;
        let done = act();
        self.db.set_wait(self.transaction_wait())?;
        match done {
            Err(Error::Db(error)) if error.is_busy() => Ok(None),
            done => done.map(Some),
        }
    }
}

/// A manifest that is written, and belongs to no batch yet.
#[derive(Debug)]
pub(super) struct StagedManifest {
    staged: Staged,
    info: ManifestInfo,
}

impl StagedManifest {
    /// Takes it into the batch that is about to be published, and returns its bytes, as they were read back.
    pub(super) fn keep(self, staging: &Staging) -> Result<Payload, Error> {
        let Self { staged, info: ManifestInfo { digests, .. } } = self;
        let mut bytes = Vec::new();
        let room = usize::try_from(digests.size_bytes).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(room).map_err(|error| unread(error.into()))?;
        io::Read::read_to_end(&mut staged.reader(), &mut bytes).map_err(unread)?;
        if Blake3::of(&bytes) != digests.blake3 {
            return Err(unread(io::Error::new(io::ErrorKind::InvalidData, "it is not what was written")));
        }
        staging.keep(staged, digests)?;
        Ok(Payload::stored(bytes, digests))
    }
}

/// Writes a manifest into a file in flight.
pub(super) fn stage_manifest<E: AsEntry>(
    staging: &Staging,
    header: &ManifestHeader,
    entries: impl ExactSizeIterator<Item = E>,
) -> Result<StagedManifest, Error> {
    let mut staged = staging.stage()?;
    let written = {
        let mut out = io::BufWriter::with_capacity(1 << 18, StagedWriter { staged: &mut staged });
        let info = write_manifest(&mut out, header, entries);
        io::Write::flush(&mut out).and(info)
    };
    let info = written.map_err(|error| match error.downcast::<ManifestError>() {
        Ok(refused) => Error::Manifest(refused),
        // What `StagedWriter` passed on.
        Err(error) => Error::Storage(match error.downcast::<StorageError>() {
            Ok(refused) => refused,
            Err(source) => of_tmp(Action::Write, source),
        }),
    })?;
    Ok(StagedManifest { staged, info })
}

fn unread(source: io::Error) -> Error {
    of_tmp(Action::Read, source).into()
}

fn of_tmp(action: Action, source: io::Error) -> StorageError {
    StorageError::Io { action, path: PathBuf::from(layout::TMP), source }
}

/// Writes into a file in flight.
struct StagedWriter<'a> {
    staged: &'a mut Staged,
}

impl io::Write for StagedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.staged.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Condvar, Mutex};

    use super::*;
    use crate::disk::testing::{Call, Observed};
    use crate::disk::{Disk, RealDisk};
    use crate::env::Env;
    use crate::events::{EventType, INLINE_PAYLOAD_BYTES_MAX, payload};
    use crate::identity::ContentAddress;
    use crate::monitor::Void;
    use crate::registry::change::Change;
    use crate::registry::report::{AddReport, AddRequest, AddSource, AddTarget, Completion, InitRequest};
    use crate::registry::{Access, OpenOptions};

    fn store_in(place: &Path) -> PathBuf {
        layout::within(place, "store".as_ref())
    }

    fn env() -> Env {
        Env::system("publish@test")
    }

    fn open(place: &Path, disk: Arc<dyn Disk>) -> Registry {
        let options = OpenOptions { wait: PATIENCE * 10, ..OpenOptions::new(Access::Write, place) };
        Registry::open_on(disk, &store_in(place), options, env(), &Void).expect("a store")
    }

    fn disk(place: &Path) -> Arc<dyn Disk> {
        Arc::new(RealDisk::open(&store_in(place)).expect("a disk"))
    }

    /// Adds a tree whose manifest is an object of its own.
    fn add(registry: &Registry, place: &Path, name: &str) -> Result<AddReport, Error> {
        let tree = layout::within(place, name.as_ref());
        std::fs::DirBuilder::new().recursive(true).create(&tree).expect("a directory");
        for nth in 0..900 {
            let file = layout::within(&tree, format!("{name} {nth}").as_ref());
            #[expect(clippy::disallowed_methods, reason = "a file to add, and no store's")]
            std::fs::write(&file, name).expect("a file");
        }
        let target = AddTarget::new_version(name.parse().expect("a name"));
        let request = AddRequest::new(vec![AddSource::Path(tree)], target, Completion::Finalize);
        let report = registry.add(request, &mut std::io::empty(), &Void)?;
        let manifest = ContentAddress::new(report.package.manifest_digest.expect("a manifest"));
        let stat = disk(place).stat(&layout::object_path(&manifest)).expect("a look");
        assert!(stat.size_bytes > INLINE_PAYLOAD_BYTES_MAX as u64);
        Ok(report)
    }

    fn store() -> tempfile::TempDir {
        let place = tempfile::tempdir().expect("a directory");
        Registry::init(&store_in(place.path()), &InitRequest::default(), &env()).expect("a store");
        place
    }

    fn log_bytes(place: &Path) -> u64 {
        let disk = disk(place);
        let log = Path::new(layout::LOG);
        let files = disk.list(log).expect("a log");
        files.iter().map(|file| disk.stat(&layout::within(log, &file.name)).expect("a look").size_bytes).sum()
    }

    /// A transaction that waits for a disk, and a disk that waits for it.
    #[derive(Default)]
    struct Prepared(Mutex<Stage>, Condvar);

    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    enum Stage {
        /// Nothing is waited for.
        #[default]
        Before,
        /// The batch is about to be published.
        Publishing,
        /// Everything is entered, and nothing committed.
        Prepared,
    }

    impl Prepared {
        fn is_now(&self, stage: Stage) {
            *self.0.lock().expect("a stage") = stage;
            self.1.notify_all();
        }

        /// Waits until the transaction is prepared; returns whether one is.
        fn wait(&self) -> bool {
            let stage = self.0.lock().expect("a stage");
            // Longer than anybody has to wait here.
            let long = Duration::from_secs(60);
            let waited = self.1.wait_timeout_while(stage, long, |stage| *stage == Stage::Publishing);
            let (stage, waited) = waited.expect("a stage");
            assert!(!waited.timed_out(), "no transaction is prepared while the disk is busy");
            *stage == Stage::Prepared
        }
    }

    /// Removes a package for a reason that is an object of its own.
    fn remove(registry: &Registry, package: &AddReport, prepared: &Prepared) -> Result<(), Error> {
        let staging = Staging::begin(registry.disk.clone(), registry.env.random_id())?;
        let reason = "r".repeat(INLINE_PAYLOAD_BYTES_MAX);
        let payload = Payload::staged(payload::package_removed(&reason), &staging)?;
        assert!(payload.is_object());
        prepared.is_now(Stage::Publishing);
        let change = registry.publish_and_prepare(&staging, &payload, &Void, || {
            let mut change = Change::begin(registry, &Void)?;
            change.append(EventType::PackageRemoved, &package.package.id.to_string(), &payload)?;
            prepared.is_now(Stage::Prepared);
            Ok(change)
        })?;
        change.commit().map(drop)
    }

    /// The transaction is ready before the disk is; it does not begin to stand before.
    #[test]
    fn nothing_is_in_the_log_before_the_batch_is_durable() {
        let place = store();
        let root = place.path().to_owned();
        let package = add(&open(&root, disk(&root)), &root, "goes").expect("added");
        let prepared = Arc::new(Prepared::default());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (within, prepared_there, seen_there) = (root.clone(), prepared.clone(), seen.clone());
        let slow = Observed::new(disk(&root), move |_, call| {
            if *call == (Call::Point { name: "published" }) && prepared_there.wait() {
                seen_there.lock().expect("a list").push(log_bytes(&within));
            }
            Ok(())
        });
        let before = log_bytes(&root);
        remove(&open(&root, Arc::new(slow)), &package, &prepared).expect("removed");
        assert_eq!(*seen.lock().expect("a list"), [before]);
        assert!(log_bytes(&root) > before);
    }

    #[test]
    fn who_waits_for_a_slow_disk_lets_others_write() {
        let place = store();
        let root = place.path().to_owned();
        let (within, met) = (root.clone(), Arc::new(AtomicBool::new(false)));
        let met_there = met.clone();
        let slow = Observed::new(disk(&root), move |_, call| {
            if *call == (Call::Point { name: "published" }) {
                // Here the first one's transaction is prepared or being prepared; the other needs the write lock.
                add(&open(&within, disk(&within)), &within, "other").expect("added meanwhile");
                met_there.store(true, Ordering::SeqCst);
            }
            Ok(())
        });
        let report = add(&open(&root, Arc::new(slow)), &root, "slow").expect("added");
        assert!(met.load(Ordering::SeqCst));
        assert_eq!(report.package.version, 1);
    }

    #[test]
    fn a_batch_that_cannot_be_published_leaves_no_event() {
        let place = store();
        let root = place.path().to_owned();
        let package = add(&open(&root, disk(&root)), &root, "stays").expect("added");
        let prepared = Arc::new(Prepared::default());
        let prepared_there = prepared.clone();
        let full = Observed::new(disk(&root), move |_, call| {
            // A sync of the directory that the object is in, and the transaction is prepared by then.
            let is_objects = |path: &Path| path.starts_with(layout::OBJECTS);
            if matches!(call, Call::SyncDir { path } if is_objects(path)) && prepared_there.wait() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        });
        let before = log_bytes(&root);
        let registry = open(&root, Arc::new(full));
        let error = remove(&registry, &package, &prepared).expect_err("the disk is full");
        assert!(crate::error::with_causes(&error).contains("no storage space"), "{error:?}");
        assert_eq!(log_bytes(&root), before);
        drop(registry);
        let prepared = Prepared::default();
        remove(&open(&root, disk(&root)), &package, &prepared).expect("removed");
        assert!(log_bytes(&root) > before);
    }
}
