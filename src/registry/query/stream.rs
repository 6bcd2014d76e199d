//! `export --tar` and `--nar`: a package's tree in one stream.

use std::io::{self, Write};

use sha2::Digest as _;

use super::super::Registry;
use super::super::report::{Stream, StreamReport, StreamRequest};
use super::super::resolve::reference as spelled;
use super::summary;
use crate::db::DbError;
use crate::error::Error;
use crate::formats::{Projection, nar, tar};
use crate::identity::Sha256;
use crate::manifest::{Entry, EntryBody, EntryList};
use crate::monitor::Monitor;
use crate::plane::{self, PourError, ServeError};
use crate::views::{EntryPages, browse, objects};

impl Registry {
    /// Writes a package's contents as one stream: the same bytes wherever and whenever it is written. An object that is
    /// missing or damaged ends it, without the mark that a whole one ends with.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::Ambiguous`], [`Error::Purged`] where bytes of it are gone for good (before
    /// anything is written, unless a gc takes them meanwhile); [`Error::Changed`], [`Error::Pour`],
    /// [`Error::EntriesAstray`].
    pub fn export_stream(
        &self,
        request: &StreamRequest,
        out: &mut dyn Write,
        monitor: &dyn Monitor,
    ) -> Result<StreamReport, Error> {
        let tx = self.db.read()?;
        let package = self.resolve(&tx, &request.reference)?;
        if let Some(object) = browse::purged_in_tree(&tx, package.tree)? {
            self.refuse_purged(&tx, &object)?;
        }
        let mut out = Hashed { out, hasher: sha2::Sha256::new(), bytes: 0 };
        // What is in a directory right behind it: a NAR is so, and GNU tar sets a directory's time when it has left it.
        let mut entries = EntryPages::new(&tx, package.tree).collect::<Result<EntryList, _>>()?;
        entries.sort_by_component();
        let pour = |projection: &mut dyn Projection| {
            let bytes = Some(package.totals.bytes);
            plane::pour(&mut entries.iter(), &self.local, projection, bytes, monitor, &self.cancelled)
        };
        let (poured, not_carried) = match request.stream {
            Stream::Tar => (pour(&mut tar::Writer::new(&mut out)), 0),
            Stream::Nar => {
                let losing = entries.iter().filter(loses_in_nar).count();
                (pour(&mut nar::Writer::new(&mut out)), losing as u64)
            }
        };
        let name = spelled(&package);
        let poured = match poured {
            Ok(poured) => poured,
            // A gc may have taken the file since the log was asked. That is no damage.
            Err(PourError::File { source: missing @ ServeError::Missing { address }, path }) => {
                let found = objects::find(&tx, &address.digest()).map_err(DbError::from)?;
                drop(tx);
                if let Some(object) = found
                    && self.ask_again(&object)? != object
                {
                    return Err(Error::Changed { reference: name });
                }
                return Err(PourError::File { path, source: missing }.into());
            }
            Err(error) => return Err(error.into()),
        };
        if poured.entries != package.totals.entries {
            let (expected, found) = (package.totals.entries, poured.entries);
            return Err(Error::EntriesAstray { reference: name, expected, found });
        }
        out.flush().map_err(PourError::Output)?;
        Ok(StreamReport {
            package: summary(package),
            entries: poured.entries,
            bytes: poured.bytes,
            sha256: Sha256::from_bytes(out.hasher.finalize().into()),
            stream_bytes: out.bytes,
            not_carried,
        })
    }
}

/// Returns whether a NAR cannot say all of an entry: all but its time, and modes that say who may write or read.
fn loses_in_nar(entry: &Entry) -> bool {
    let mode_is_lost = match entry.body {
        EntryBody::File { mode, .. } => !matches!(mode, 0o644 | 0o755),
        EntryBody::Directory { mode } => mode != 0o755,
        EntryBody::Symlink { .. } => false,
    };
    mode_is_lost || entry.mtime.is_some()
}

/// Hashes what passes.
struct Hashed<'a> {
    out: &'a mut dyn Write,
    hasher: sha2::Sha256,
    bytes: u64,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
