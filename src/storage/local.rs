//! The backend that every store has: its own directory, `blake3/ab/cd/<64 hexadecimal digits>`.
//!
//! Hashes nothing. Ingest does not go through [`Local::put`], which is durable object by object, but writes
//! whole batches through [`Staging`].

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::backend::{Backend, BackendHealth, BackendId, ByteRange, Deleted, ObjectStat, Receipt};
use super::error::{Action, Doing as _, StorageError};
use super::layout;
use super::staging::Staging;
use crate::disk::{Directory, Disk, DiskFile, FileKind};
use crate::identity::{Blake3, ContentAddress, Digests};

/// For how many deletions in a row [`Local::delete_many`] holds a directory, and asks nothing: some tenths of a
/// millisecond.
pub const HELD_FOR_MAX: usize = 64;

/// How many bytes [`Local::put`] copies at a time.
const CHUNK: usize = 256 * 1024;

/// The objects in the store's own directory.
#[derive(Clone, Debug)]
pub struct Local {
    disk: Arc<dyn Disk>,
    id: BackendId,
}

impl Local {
    /// Works on the objects beneath a store's root.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, id: BackendId::local() }
    }

    /// Opens an object's file. `None` where there is none.
    ///
    /// # Errors
    /// [`StorageError::NotAFile`] where something else stands under the name, [`StorageError::Io`].
    pub fn open_object(&self, address: &ContentAddress) -> Result<Option<Box<dyn DiskFile>>, StorageError> {
        let path = layout::object_path(address);
        match self.disk.open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // What the system says of a symlink or a directory tells less than a look at it.
            Err(error) => match self.disk.stat(&path) {
                Ok(stat) if stat.kind != FileKind::File => {
                    Err(StorageError::NotAFile { address: *address, kind: stat.kind })
                }
                Ok(_) | Err(_) => Err(error).doing(Action::Open, &path),
            },
        }
    }

    /// Takes the bytes of many objects away; `done` hears of each what [`Backend::delete`] would have returned.
    ///
    /// Neighbours, which lie beside each other in the order of their addresses, cost one way to their directory, up to
    /// [`HELD_FOR_MAX`] of them. `may` is asked each time before a directory is taken hold of, and may end it.
    ///
    /// # Errors
    /// Those of `may`, and no others.
    pub fn delete_many<'a, E>(
        &self,
        objects: impl IntoIterator<Item = &'a Blake3>,
        mut may: impl FnMut() -> Result<(), E>,
        mut done: impl FnMut(&'a Blake3, Result<Deleted, StorageError>),
    ) -> Result<(), E> {
        let mut held: Option<(PathBuf, io::Result<Directory>)> = None;
        let mut times = 0;
        for object in objects {
            let address = ContentAddress::new(*object);
            let [_, shard] = layout::shard_dirs(&address);
            if times == HELD_FOR_MAX || held.as_ref().is_none_or(|(path, _)| *path != shard) {
                may()?;
                times = 0;
                let directory = self.disk.directory(&shard);
                held = Some((shard, directory));
            }
            times += 1;
            match &held {
                Some((_, Ok(directory))) => {
                    let removed = self.disk.remove_file_in(directory, OsStr::new(&object.to_string()));
                    done(object, deleted(removed, &address));
                }
                // Whatever stands in the way there: each object is told of what it meets itself.
                _ => done(object, self.delete(&address)),
            }
        }
        Ok(())
    }

    /// Makes deletions durable, all of this process so far.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn sync(&self) -> Result<(), StorageError> {
        self.disk.sync_all().doing(Action::Sync, Path::new(layout::OBJECTS))
    }
}

impl Backend for Local {
    fn id(&self) -> &BackendId {
        &self.id
    }

    fn put(&self, object: &Digests, bytes: &mut dyn Read) -> Result<Receipt, StorageError> {
        let already = self
            .head(&object.address())
            .is_ok_and(|stat| stat.is_some_and(|stat| stat.size_bytes == object.size_bytes));
        // A name under tmp/ that no result ever shows, so chance need not come from outside.
        let staging = Staging::begin(Arc::clone(&self.disk), Uuid::new_v4())?;
        let mut staged = staging.stage()?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match bytes.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => staged.append(&chunk[..n])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(StorageError::Source { source }),
            }
        }
        staging.keep(staged, *object)?;
        staging.publish()?;
        staging.finish()?;
        Ok(Receipt { already })
    }

    fn get(
        &self,
        address: &ContentAddress,
        range: Option<ByteRange>,
    ) -> Result<Option<Box<dyn Read + Send>>, StorageError> {
        let Some(file) = self.open_object(address)? else { return Ok(None) };
        let range = range.unwrap_or(ByteRange { first: 0, last: None });
        let end = range.last.map_or(u64::MAX, |last| last.saturating_add(1));
        Ok(Some(Box::new(ObjectReader { file, at: range.first, end })))
    }

    fn head(&self, address: &ContentAddress) -> Result<Option<ObjectStat>, StorageError> {
        let path = layout::object_path(address);
        match self.disk.stat(&path) {
            Ok(stat) if stat.kind == FileKind::File => {
                Ok(Some(ObjectStat { size_bytes: stat.size_bytes, mode: Some(stat.mode) }))
            }
            Ok(stat) => Err(StorageError::NotAFile { address: *address, kind: stat.kind }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).doing(Action::Look, &path),
        }
    }

    fn delete(&self, address: &ContentAddress) -> Result<Deleted, StorageError> {
        deleted(self.disk.remove_file(&layout::object_path(address)), address)
    }

    fn health(&self) -> Result<BackendHealth, StorageError> {
        let objects = Path::new(layout::OBJECTS);
        self.disk.list(objects).doing(Action::Read, objects)?;
        let free_bytes = self.disk.free_bytes().doing(Action::Look, Path::new(""))?;
        Ok(BackendHealth { free_bytes: Some(free_bytes) })
    }
}

/// Returns what the removal of an object's file comes to.
fn deleted(removed: io::Result<()>, address: &ContentAddress) -> Result<Deleted, StorageError> {
    match removed {
        Ok(()) => Ok(Deleted::Gone),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Deleted::WasMissing),
        Err(error) => Err(error).doing(Action::Remove, &layout::object_path(address)),
    }
}

/// Reads a range of an open object, from the front.
#[derive(Debug)]
struct ObjectReader {
    file: Box<dyn DiskFile>,
    at: u64,
    end: u64,
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        // Offsets behind what the system can count are behind the end of every file.
        if wanted == 0 || i64::try_from(self.at).is_err() {
            return Ok(0);
        }
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::disk::testing::{Call, Trace};

    fn store() -> (tempfile::TempDir, Arc<RealDisk>) {
        let root = tempfile::tempdir().expect("a directory");
        let disk = Arc::new(RealDisk::open(root.path()).expect("a disk"));
        disk.make_dir(Path::new(layout::OBJECTS)).expect("a directory");
        (root, disk)
    }

    fn at(root: &tempfile::TempDir, address: &ContentAddress) -> std::path::PathBuf {
        layout::within(root.path(), layout::object_path(address).as_os_str())
    }

    #[test]
    fn conforms() {
        let (_root, disk) = store();
        crate::storage::testing::conformance::check(&Local::new(disk.clone()));
        assert_eq!(disk.list(Path::new(layout::TMP)).expect("a listing"), [], "nothing is left in flight");
    }

    #[test]
    fn what_is_no_file_is_an_error_and_is_not_followed() {
        let (root, disk) = store();
        let local = Local::new(disk);
        let object = Digests::of(b"x");
        local.put(&object, &mut &b"x"[..]).expect("put");
        let path = at(&root, &object.address());
        local.delete(&object.address()).expect("delete");
        std::fs::File::create(path.with_extension("else")).expect("a file");
        std::os::unix::fs::symlink(path.with_extension("else"), &path).expect("a symlink");
        for error in [
            local.head(&object.address()).map(drop).expect_err("a symlink"),
            local.open_object(&object.address()).map(drop).expect_err("a symlink"),
            local.get(&object.address(), None).map(drop).expect_err("a symlink"),
        ] {
            let expected = FileKind::Symlink;
            assert!(matches!(error, StorageError::NotAFile { kind, .. } if kind == expected), "{error:?}");
        }
        // To put the object again heals that too.
        local.put(&object, &mut &b"x"[..]).expect("put");
        assert_eq!(local.head(&object.address()).expect("head").expect("is there").size_bytes, 1);
        assert_eq!(
            std::fs::read(path.with_extension("else")).expect("a file"),
            b"",
            "the symlink was followed"
        );
    }

    /// Objects of one directory: their addresses begin alike.
    fn neighbours(first: u8, count: u8) -> Vec<Blake3> {
        let address = |last| {
            let mut bytes = [0xab; 32];
            (bytes[0], bytes[31]) = (first, last);
            Blake3::from_bytes(bytes)
        };
        (0..count).map(address).collect()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "makes objects, and what is none, to delete")]
    fn many_are_deleted_as_one_by_one() {
        let (root, disk) = store();
        let local = Local::new(disk.clone());
        let (here, there) = (neighbours(1, 5), neighbours(2, 3));
        for object in here.iter().chain(&there).filter(|object| object.as_bytes()[31] != 1) {
            let path = at(&root, &ContentAddress::new(*object));
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
            std::fs::write(path, b"").expect("a file");
        }
        // Of the third directory there is none, and where the fourth should be stands a symlink to the first.
        std::fs::create_dir(root.path().join("blake3/04")).expect("a directory");
        std::os::unix::fs::symlink("../01/ab", root.path().join("blake3/04/ab")).expect("a symlink");
        let all = [here.clone(), there, neighbours(3, 1), neighbours(4, 5)].concat();
        let mut found = Vec::new();
        let mut asked = 0;
        let may = || {
            asked += 1;
            Ok::<(), ()>(())
        };
        local.delete_many(&all, may, |object, outcome| found.push((*object, outcome))).expect("it may");
        assert_eq!(asked, 4, "once a directory");
        assert!(found.iter().map(|(object, _)| object).eq(&all), "each is told of once, in order");
        for (object, outcome) in found {
            match (object.as_bytes()[0], object.as_bytes()[31]) {
                (1 | 2, 1) | (3, _) => assert!(matches!(outcome, Ok(Deleted::WasMissing)), "{outcome:?}"),
                (1 | 2, _) => assert!(matches!(outcome, Ok(Deleted::Gone)), "{outcome:?}"),
                _ => assert!(matches!(outcome, Err(StorageError::Io { .. })), "{outcome:?}"),
            }
        }
    }

    #[test]
    fn whoever_may_no_more_deletes_no_more() {
        let (_root, disk) = store();
        let local = Local::new(disk);
        let objects = neighbours(1, 255);
        for asked in 1..=4_usize {
            let (mut left, mut done) = (asked, 0);
            let may = || {
                left -= 1;
                if left == 0 { Err(()) } else { Ok(()) }
            };
            local.delete_many(&objects, may, |_, _| done += 1).expect_err("it may not");
            assert_eq!(done, (asked - 1) * HELD_FOR_MAX, "a held directory is not held for long");
        }
    }

    #[test]
    fn to_look_at_an_object_is_one_call() {
        let (_root, disk) = store();
        let calls = Arc::new(std::sync::Mutex::new(Vec::new()));
        let into = Arc::clone(&calls);
        let watched = crate::disk::testing::Observed::with_reads(disk, move |_, call| {
            into.lock().expect("no panic").push(call.clone());
            Ok(())
        });
        let local = Local::new(Arc::new(watched));
        local.head(&Digests::of(b"x").address()).expect("head");
        let calls = calls.lock().expect("no panic");
        assert!(matches!(calls.as_slice(), [Call::Stat { .. }]), "{calls:?}");
    }

    #[test]
    fn a_put_is_durable_when_it_returns() {
        let (_root, disk) = store();
        let trace = Arc::new(Trace::new(disk));
        Local::new(trace.clone()).put(&Digests::of(b"x"), &mut &b"x"[..]).expect("put");
        let calls = trace.calls();
        let place = |is: &dyn Fn(&Call) -> bool| calls.iter().position(is).expect("a call");
        let bytes = place(&|call| matches!(call, Call::SyncFile { .. }));
        let rename = place(&|call| matches!(call, Call::Rename { .. }));
        let names = place(&|call| *call == Call::SyncDir { path: layout::OBJECTS.into() });
        assert!(bytes < rename && rename < names, "{calls:?}");
    }
}
