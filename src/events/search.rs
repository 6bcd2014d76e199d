//! Looking for single events in a damaged log: `log/` is read past what is broken in it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::files::{LogError, LogFiles, READ_BYTES_MAX, at, file_path, is_bad_sector};
use super::item::{NotAnItem, begins_item, decode_item};
use super::log::Stored;

/// How much is read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// How much of a file is given up where one read of it fails: the unit in which disks and page caches read.
const SECTOR_BYTES: usize = 4096;

impl LogFiles {
    /// Returns those of some events of which `log/` holds a whole item, wherever it stands in its file. That
    /// they continue a chain is for the caller to check.
    ///
    /// Reads whole files into memory, one at a time: only for a log that is known to be damaged.
    ///
    /// # Errors
    /// [`LogError::Io`] where the directory cannot be read. A file that cannot be read holds nothing.
    pub fn find(&self, sequences: &[u64]) -> Result<BTreeMap<u64, Stored>, LogError> {
        let names = self.names()?;
        let mut found = BTreeMap::new();
        let mut searched = 0;
        for &sequence in sequences {
            let Some(&file) = names.iter().rfind(|&&first| first <= sequence) else { continue };
            if file != searched {
                searched = file;
                if let Ok(bytes) = self.read_file(&file_path(file)) {
                    collect(&bytes, sequences, &mut found);
                }
            }
        }
        Ok(found)
    }

    /// Hands every event to `each` of which `log/` holds a whole item, wherever it stands: also behind what is broken,
    /// and in a file under another name than its own. That they continue a chain is for the caller to check.
    ///
    /// Reads whole files into memory, one at a time: only for a log that is known to be damaged.
    ///
    /// # Errors
    /// [`LogError::Io`] where the directory cannot be read, [`LogError::Later`], and whatever `each` returns. A file
    /// that cannot be read holds nothing.
    pub(super) fn scan<E: From<LogError>>(
        &self,
        mut each: impl FnMut(Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        let named = self.names()?.into_iter().map(file_path);
        let strays: Vec<PathBuf> = self.strays()?;
        for path in named.chain(strays) {
            let Ok(bytes) = self.read_file(&path) else { continue };
            each_whole(&bytes, &mut |found| match found {
                Found::Event(event) => each(*event),
                Found::Later { offset } => Err(LogError::Later { path: path.clone(), offset }.into()),
            })?;
        }
        Ok(())
    }

    /// Reads a file, with zeros for what the disk does not give any more: what stands behind may be whole.
    fn read_file(&self, path: &Path) -> Result<Vec<u8>, LogError> {
        let file = self.disk.open(path).map_err(at(path))?;
        let size_bytes = file.stat().map_err(at(path))?.size_bytes;
        if size_bytes > READ_BYTES_MAX {
            return Err(at(path)(io::ErrorKind::FileTooLarge.into()));
        }
        let mut bytes = Vec::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut wanted = CHUNK_BYTES;
        while (bytes.len() as u64) < size_bytes {
            let page_end = (bytes.len() / SECTOR_BYTES + 1) * SECTOR_BYTES;
            match file.read_at(&mut chunk[..wanted], bytes.len() as u64) {
                Ok(0) => break,
                Ok(read) => {
                    bytes.extend_from_slice(&chunk[..read]);
                    wanted = CHUNK_BYTES;
                }
                // Somewhere in it: again, as little as can be bad by itself.
                Err(error) if is_bad_sector(&error) && wanted > SECTOR_BYTES => {
                    wanted = page_end - bytes.len();
                }
                Err(error) if is_bad_sector(&error) => bytes.resize(page_end, 0),
                Err(error) => return Err(at(path)(error)),
            }
        }
        Ok(bytes)
    }
}

/// Picks events out of the items of a file.
fn collect(bytes: &[u8], sequences: &[u64], found: &mut BTreeMap<u64, Stored>) {
    let kept: Result<(), std::convert::Infallible> = each_whole(bytes, &mut |whole| {
        if let Found::Event(event) = whole
            && sequences.contains(&event.record.sequence)
        {
            found.insert(event.record.sequence, *event);
        }
        Ok(())
    });
    match kept {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// What stands in a file.
enum Found {
    Event(Box<Stored>),
    /// A record that is whole and that this build cannot read.
    Later {
        offset: u64,
    },
}

/// Hands on the events of the items of a file; where something is no item, the next one is looked for.
fn each_whole<E>(bytes: &[u8], each: &mut dyn FnMut(Found) -> Result<(), E>) -> Result<(), E> {
    let mut offset = 0;
    while offset < bytes.len() {
        if !begins_item(&bytes[offset..]) {
            offset += 1;
            continue;
        }
        match decode_item(&bytes[offset..]) {
            Ok((events, used)) => {
                offset += used;
                events.into_iter().map(|event| Found::Event(Box::new(event))).try_for_each(&mut *each)?;
            }
            Err(NotAnItem::Later) => {
                each(Found::Later { offset: offset as u64 })?;
                offset += 1;
            }
            Err(NotAnItem::Incomplete | NotAnItem::Unsound) => offset += 1,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::encode_item;
    use super::*;
    use crate::env::Timestamp;
    use crate::events::{Head, Record};
    use crate::identity::Blake3;

    fn items(count: u64) -> Vec<Vec<u8>> {
        let mut head = Head::NONE;
        (1..=count)
            .map(|sequence| {
                let payload = vec![0xa0];
                let event = Stored::new(
                    Record {
                        sequence,
                        created_at: Timestamp::from_micros(7),
                        event_type: "v1.test".to_owned(),
                        subject_kind: "test".to_owned(),
                        subject_id: "x".to_owned(),
                        actor: "a@b".to_owned(),
                        payload_digest: Blake3::of(&payload),
                        previous_digest: head.digest,
                    },
                    Some(payload),
                );
                head = Head::from(&event);
                encode_item(&[event])
            })
            .collect()
    }

    #[test]
    fn finds_whole_items_behind_a_broken_one() {
        let mut items = items(5);
        let middle = items[1].len() / 2;
        items[1][middle] ^= 1;
        let mut found = BTreeMap::new();
        collect(&items.concat(), &[2, 3, 5], &mut found);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [3, 5]);
    }
}
