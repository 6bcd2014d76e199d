//! A backend that keeps objects in memory: the second implementation, for tests and for programs that want no disk.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::backend::{Backend, BackendHealth, BackendId, ByteRange, Deleted, ObjectStat, Receipt};
use super::error::StorageError;
use crate::identity::{ContentAddress, Digests};

/// Objects in memory. "Durable" means as long as the value lives.
#[derive(Debug)]
pub struct Memory {
    id: BackendId,
    objects: Mutex<HashMap<ContentAddress, Arc<[u8]>>>,
}

impl Memory {
    /// Begins with no objects.
    pub fn new(id: BackendId) -> Self {
        Self { id, objects: Mutex::default() }
    }

    fn objects(&self) -> MutexGuard<'_, HashMap<ContentAddress, Arc<[u8]>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Memory {
    fn id(&self) -> &BackendId {
        &self.id
    }

    fn put(&self, object: &Digests, bytes: &mut dyn Read) -> Result<Receipt, StorageError> {
        let mut held = Vec::new();
        // One byte more than expected tells a source that is too long, without holding all of it.
        let limit = object.size_bytes.saturating_add(1);
        bytes.take(limit).read_to_end(&mut held).map_err(|source| StorageError::Source { source })?;
        let found = held.len() as u64;
        if found != object.size_bytes {
            let path = PathBuf::from(object.address().to_string());
            return Err(StorageError::WrongSize { path, expected: object.size_bytes, found });
        }
        let before = self.objects().insert(object.address(), held.into());
        Ok(Receipt { already: before.is_some_and(|before| before.len() as u64 == object.size_bytes) })
    }

    fn get(
        &self,
        address: &ContentAddress,
        range: Option<ByteRange>,
    ) -> Result<Option<Box<dyn Read + Send>>, StorageError> {
        let Some(bytes) = self.objects().get(address).map(Arc::clone) else { return Ok(None) };
        let range = range.unwrap_or(ByteRange { first: 0, last: None });
        let length = range.last.map_or(u64::MAX, |last| last.saturating_add(1)).saturating_sub(range.first);
        let mut reader = Cursor::new(bytes);
        reader.set_position(range.first);
        Ok(Some(Box::new(io::Read::take(reader, length))))
    }

    fn head(&self, address: &ContentAddress) -> Result<Option<ObjectStat>, StorageError> {
        let size_bytes = self.objects().get(address).map(|bytes| bytes.len() as u64);
        Ok(size_bytes.map(|size_bytes| ObjectStat { size_bytes, mode: None }))
    }

    fn delete(&self, address: &ContentAddress) -> Result<Deleted, StorageError> {
        Ok(if self.objects().remove(address).is_some() { Deleted::Gone } else { Deleted::WasMissing })
    }

    fn health(&self) -> Result<BackendHealth, StorageError> {
        Ok(BackendHealth { free_bytes: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conforms() {
        crate::storage::testing::conformance::check(&Memory::new("memory".parse().expect("a name")));
    }
}
