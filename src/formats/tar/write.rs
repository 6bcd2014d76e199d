//! An archive that is the same to the byte wherever and whenever it is written.
//!
//! Members are `ustar`, with an extended header where that cannot say it. Nobody owns anything; times are those that the
//! package keeps, else the epoch.

use std::io::{self, Write};

use tar::{EntryType, Header};

use super::super::Projection;
use super::pax;
use super::{BLOCK, BLOCK_BYTES};
use crate::manifest::{Entry, EntryBody, Mtime};

/// Archives end at a multiple of this, as POSIX has it.
const RECORD: u64 = 20 * BLOCK;
/// The largest numbers that eleven octal digits say.
const OCTAL_MAX: u64 = (1 << 33) - 1;
/// How the record begins that says so where names are not UTF-8.
const HDRCHARSET: &[u8] = b"21 hdrcharset=";
/// The name of an extended header, which nobody extracts under it.
const EXTENDED_NAME: &[u8] = b"././@PaxHeader";

/// Writes an archive.
pub struct Writer<'a> {
    out: &'a mut dyn Write,
    written: u64,
}

impl<'a> Writer<'a> {
    /// Begins with nothing written.
    pub const fn new(out: &'a mut dyn Write) -> Self {
        Self { out, written: 0 }
    }

    fn extended(&mut self, records: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        set_field(&mut header.as_old_mut().name, EXTENDED_NAME);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(records.len() as u64);
        header.set_cksum();
        self.put(header.as_bytes())?;
        self.put(records)?;
        self.fill_to(BLOCK)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn fill_to(&mut self, unit: u64) -> io::Result<()> {
        let mut missing = self.written.next_multiple_of(unit) - self.written;
        while missing > 0 {
            let some = missing.min(BLOCK);
            self.put(&[0; BLOCK_BYTES][..usize::try_from(some).unwrap_or(BLOCK_BYTES)])?;
            missing -= some;
        }
        Ok(())
    }
}

impl Projection for Writer<'_> {
    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let mut path = entry.path.as_bytes().to_vec();
        let (kind, mode, size, target) = match &entry.body {
            EntryBody::File { mode, object } => (EntryType::Regular, *mode, object.size_bytes, &[][..]),
            EntryBody::Directory { mode } => {
                path.push(b'/');
                (EntryType::Directory, *mode, 0, &[][..])
            }
            EntryBody::Symlink { target } => (EntryType::Symlink, 0o777, 0, &**target),
        };
        let mut records = Vec::new();
        // Records are UTF-8 unless something says otherwise. GNU tar takes what it finds, and warns of this one.
        let put_name = |records: &mut Vec<u8>, key, name: &[u8]| {
            if std::str::from_utf8(name).is_err() && !records.starts_with(HDRCHARSET) {
                pax::write(records, "hdrcharset", b"BINARY");
            }
            pax::write(records, key, name);
        };
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        if !set_path(&mut header, &path) {
            put_name(&mut records, "path", &path);
        }
        if !set_field(&mut header.as_old_mut().linkname, target) {
            put_name(&mut records, "linkpath", target);
        }
        if size > OCTAL_MAX {
            pax::write(&mut records, "size", size.to_string().as_bytes());
        }
        header.set_size(if size > OCTAL_MAX { 0 } else { size });
        let mtime = entry.mtime.unwrap_or(Mtime { seconds: 0, nanoseconds: 0 });
        let seconds = u64::try_from(mtime.seconds).ok().filter(|seconds| *seconds <= OCTAL_MAX);
        if seconds.is_none() || mtime.nanoseconds > 0 {
            pax::write(&mut records, "mtime", pax::decimal(mtime).as_bytes());
        }
        header.set_mtime(seconds.unwrap_or_default());
        if !records.is_empty() {
            self.extended(&records)?;
        }
        header.set_cksum();
        self.put(header.as_bytes())
    }

    fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put(bytes)
    }

    fn end_content(&mut self) -> io::Result<()> {
        self.fill_to(BLOCK)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.put(&[0; 2 * BLOCK_BYTES])?;
        self.fill_to(RECORD)
    }
}

/// Sets a field that ends with NUL where it is not full; what does not fit leaves the front of it, for people.
fn set_field(field: &mut [u8], bytes: &[u8]) -> bool {
    let fitting = bytes.len().min(field.len());
    field[..fitting].copy_from_slice(&bytes[..fitting]);
    fitting == bytes.len()
}

/// Sets the path, cut in two at a slash where one field is too short for it.
fn set_path(header: &mut Header, path: &[u8]) -> bool {
    let Some(ustar) = header.as_ustar_mut() else { return false };
    if path.len() <= ustar.name.len() {
        return set_field(&mut ustar.name, path);
    }
    // The second part may not be empty: the slash that ends a directory's path does not cut it.
    let ends = path.iter().enumerate().take(ustar.prefix.len() + 1).rev();
    let mut cuts = ends.filter(|(at, byte)| **byte == b'/' && *at > 0 && at + 1 < path.len());
    match cuts.next().filter(|(at, _)| path.len() - at - 1 <= ustar.name.len()) {
        Some((at, _)) => {
            set_field(&mut ustar.prefix, &path[..at]) && set_field(&mut ustar.name, &path[at + 1..])
        }
        None => {
            set_field(&mut ustar.name, path);
            false
        }
    }
}
