//! A tree in one stream, every byte checked before it is called whole.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::serve::{ServeError, WHOLE_BYTES_MAX, copy_checked, read_checked};
use crate::formats::Projection;
use crate::manifest::{Entry, EntryPath};
use crate::monitor::{Counter, Monitor, Task};
use crate::storage::Local;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Poured {
    /// Entries.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
}

/// Why a stream came to no end. What was written of it has no end mark, and is to be thrown away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PourError {
    /// The bytes of a file could not be handed out.
    #[error("cannot hand out {}", String::from_utf8_lossy(path.as_bytes()))]
    File {
        /// Its path in the package.
        path: EntryPath,
        /// Why.
        source: ServeError,
    },
    /// The writer failed; a closed pipe is such a failure.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    /// The caller's flag said to stop.
    #[error("cancelled")]
    Cancelled,
}

/// Writes entries in the order in which they come. The first object that is missing or damaged ends it: a stream cannot
/// leave one out without being of another tree.
///
/// # Errors
/// [`PourError`].
pub fn pour(
    entries: &mut dyn Iterator<Item = Entry>,
    local: &Local,
    projection: &mut dyn Projection,
    bytes_expected: Option<u64>,
    monitor: &dyn Monitor,
    cancelled: &AtomicBool,
) -> Result<Poured, PourError> {
    monitor.start(Task::Exporting, bytes_expected);
    let mut poured = Poured::default();
    for entry in entries {
        if cancelled.load(Ordering::Relaxed) {
            return Err(PourError::Cancelled);
        }
        let mut bytes = 0;
        if let Some(object) = entry.object() {
            bytes = object.size_bytes;
            let failed = |source| PourError::File { path: entry.path.clone(), source };
            if bytes <= WHOLE_BYTES_MAX {
                // Checked before its header goes out.
                let content = read_checked(local, &object.address(), WHOLE_BYTES_MAX).map_err(failed)?;
                projection.entry(&entry).map_err(PourError::Output)?;
                projection.content(&content).map_err(PourError::Output)?;
            } else {
                projection.entry(&entry).map_err(PourError::Output)?;
                let mut content = Content { projection };
                copy_checked(local, &object.address(), None, &mut content, cancelled).map_err(|error| {
                    match error {
                        ServeError::Output(error) => PourError::Output(error),
                        ServeError::Cancelled => PourError::Cancelled,
                        other @ (ServeError::Missing { .. }
                        | ServeError::Damaged { .. }
                        | ServeError::Unreadable { .. }
                        | ServeError::OutOfRange { .. }
                        | ServeError::TooLong { .. }
                        | ServeError::Storage(_)) => failed(other),
                    }
                })?;
            }
            projection.end_content().map_err(PourError::Output)?;
        } else {
            projection.entry(&entry).map_err(PourError::Output)?;
        }
        poured.entries += 1;
        poured.bytes += bytes;
        monitor.count(Counter::EntriesExported, 1);
        monitor.count(Counter::BytesExported, bytes);
    }
    projection.finish().map_err(PourError::Output)?;
    monitor.finish(Task::Exporting);
    Ok(poured)
}

/// The content of one file, as something to write to.
struct Content<'a> {
    projection: &'a mut dyn Projection,
}

impl Write for Content<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.projection.content(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
