//! One entry: a map of five to nine keys.

use super::ManifestError;
use crate::identity::{Blake3, Digests, Sha256};
use crate::manifest::cbor::{Decoder, Encoder, INTEGER_MAX};
use crate::manifest::model::{Entry, EntryBody, Mtime, TARGET_BYTES_MAX};
use crate::manifest::path::{self, EntryPath};

const MODE_MAX: u64 = 0o7777;
const NANOSECONDS_MAX: u64 = 999_999_999;

/// Appends the canonical bytes of an entry.
///
/// What [`check_entry`] refuses is written all the same (integers beyond 2^53−1 as that), and not read again.
pub fn encode_entry(out: &mut Vec<u8>, entry: &Entry) {
    let mut e = Encoder::new(out);
    let path = entry.path.as_bytes();
    let text = std::str::from_utf8(path).ok();
    let own_keys = match &entry.body {
        EntryBody::File { .. } => 4,
        EntryBody::Directory { .. } | EntryBody::Symlink { .. } => 1,
    };
    e.map(2 + own_keys + usize::from(entry.mtime.is_some()));
    e.text("kind").text(entry.body.kind());
    if let EntryBody::File { mode, .. } | EntryBody::Directory { mode } = entry.body {
        e.text("mode").uint(mode.into());
    }
    if let Some(text) = text {
        e.text("path").text(text);
    }
    if let EntryBody::File { object, .. } = &entry.body {
        e.text("size").uint(object.size_bytes);
    }
    if let Some(mtime) = entry.mtime {
        e.text("mtime").array(2).int(mtime.seconds).uint(mtime.nanoseconds.into());
    }
    let target = match &entry.body {
        EntryBody::File { object, .. } => {
            e.text("blake3").bytes(object.blake3.as_bytes());
            e.text("sha256").bytes(object.sha256.as_bytes());
            None
        }
        EntryBody::Directory { .. } => None,
        EntryBody::Symlink { target } => Some(std::str::from_utf8(target).map_err(|_| target)),
    };
    if let Some(Ok(text)) = target {
        e.text("target").text(text);
    }
    if text.is_none() {
        e.text("path_bytes").bytes(path);
    }
    if let Some(Err(bytes)) = target {
        e.text("target_bytes").bytes(bytes);
    }
}

/// Checks that an entry can stand in a manifest; its path is good by construction.
///
/// # Errors
/// [`ManifestError::Invalid`], at offset 0: mode bits beyond `07777`, a size or time beyond ±(2^53−1),
/// nanoseconds of a second or more, a symlink's target that is empty, too long, or holds a NUL.
pub fn check_entry(entry: &Entry) -> Result<(), ManifestError> {
    let invalid = |key| Err(ManifestError::Invalid { offset: 0, key });
    match &entry.body {
        EntryBody::File { mode, .. } | EntryBody::Directory { mode } if u64::from(*mode) > MODE_MAX => {
            return invalid("mode");
        }
        EntryBody::File { object, .. } if object.size_bytes > INTEGER_MAX => return invalid("size"),
        EntryBody::Symlink { target } if !is_target(target) => return invalid("target"),
        EntryBody::File { .. } | EntryBody::Directory { .. } | EntryBody::Symlink { .. } => {}
    }
    match entry.mtime {
        Some(mtime) if mtime.seconds.unsigned_abs() > INTEGER_MAX => invalid("mtime"),
        Some(mtime) if u64::from(mtime.nanoseconds) > NANOSECONDS_MAX => invalid("mtime"),
        _ => Ok(()),
    }
}

/// Reads one entry.
///
/// # Errors
/// It is not canonical, not of version 1, or its path is not safe.
pub fn decode_entry(d: &mut Decoder<'_>) -> Result<Entry, ManifestError> {
    decode(d).map(Into::into)
}

/// An entry whose path and target are still in the bytes it was read from.
pub(super) struct EntryRef<'a> {
    /// A good path.
    pub(super) path: &'a [u8],
    pub(super) body: BodyRef<'a>,
    pub(super) mtime: Option<Mtime>,
}

pub(super) enum BodyRef<'a> {
    File { mode: u32, object: Digests },
    Directory { mode: u32 },
    Symlink { target: &'a [u8] },
}

impl From<EntryRef<'_>> for Entry {
    fn from(entry: EntryRef<'_>) -> Self {
        let body = match entry.body {
            BodyRef::File { mode, object } => EntryBody::File { mode, object },
            BodyRef::Directory { mode } => EntryBody::Directory { mode },
            BodyRef::Symlink { target } => EntryBody::Symlink { target: target.into() },
        };
        Self {
            path: EntryPath::new(entry.path).expect("the path was checked when it was read"),
            body,
            mtime: entry.mtime,
        }
    }
}

/// What the keys of an entry hold, before its kind says which of them must be there.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    mode: Option<u32>,
    path: Option<&'a [u8]>,
    size: Option<u64>,
    mtime: Option<Mtime>,
    blake3: Option<Blake3>,
    sha256: Option<Sha256>,
    target: Option<&'a [u8]>,
}

/// Reads one entry without copying it.
pub(super) fn decode<'a>(d: &mut Decoder<'a>) -> Result<EntryRef<'a>, ManifestError> {
    let offset = d.position();
    let mut fields = Fields::default();
    d.map_entries(|key, d| {
        let at = d.position();
        let invalid = |key| ManifestError::Invalid { offset: at, key };
        match key {
            "kind" => fields.kind = Some(d.text()?),
            "mode" => {
                let mode = u32::try_from(d.uint()?).ok().filter(|&mode| u64::from(mode) <= MODE_MAX);
                fields.mode = Some(mode.ok_or_else(|| invalid("mode"))?);
            }
            "path" => fields.path = Some(d.text()?.as_bytes()),
            "size" => fields.size = Some(d.uint()?),
            "mtime" => fields.mtime = Some(mtime(d)?),
            "blake3" => {
                fields.blake3 = Some(Blake3::from_slice(d.bytes()?).ok_or_else(|| invalid("blake3"))?);
            }
            "sha256" => {
                fields.sha256 = Some(Sha256::from_slice(d.bytes()?).ok_or_else(|| invalid("sha256"))?);
            }
            "target" => fields.target = Some(d.text()?.as_bytes()),
            "path_bytes" if fields.path.is_none() => {
                fields.path = Some(not_text(d.bytes()?).ok_or_else(|| invalid("path_bytes"))?);
            }
            "target_bytes" if fields.target.is_none() => {
                fields.target = Some(not_text(d.bytes()?).ok_or_else(|| invalid("target_bytes"))?);
            }
            _ => return Err(ManifestError::UnknownKey { offset: at, map: "an entry" }),
        }
        Ok(())
    })?;
    fields.assemble(offset)
}

impl<'a> Fields<'a> {
    fn assemble(self, offset: usize) -> Result<EntryRef<'a>, ManifestError> {
        let missing = |map, key| ManifestError::Missing { offset, map, key };
        let kind = self.kind.ok_or_else(|| missing("an entry", "kind"))?;
        let path = self.path.ok_or_else(|| missing("an entry", "path"))?;
        path::check(path).map_err(|source| ManifestError::Path { offset, source })?;
        let has_object = self.size.is_some() || self.blake3.is_some() || self.sha256.is_some();
        let (body, map, surplus) = match kind {
            "file" => {
                let map = "a file's entry";
                let mode = self.mode.ok_or_else(|| missing(map, "mode"))?;
                let object = Digests {
                    blake3: self.blake3.ok_or_else(|| missing(map, "blake3"))?,
                    sha256: self.sha256.ok_or_else(|| missing(map, "sha256"))?,
                    size_bytes: self.size.ok_or_else(|| missing(map, "size"))?,
                };
                (BodyRef::File { mode, object }, map, self.target.is_some())
            }
            "directory" => {
                let map = "a directory's entry";
                let mode = self.mode.ok_or_else(|| missing(map, "mode"))?;
                (BodyRef::Directory { mode }, map, has_object || self.target.is_some())
            }
            "symlink" => {
                let map = "a symlink's entry";
                let target = self.target.ok_or_else(|| missing(map, "target"))?;
                if !is_target(target) {
                    return Err(ManifestError::Invalid { offset, key: "target" });
                }
                (BodyRef::Symlink { target }, map, has_object || self.mode.is_some())
            }
            _ => return Err(ManifestError::Invalid { offset, key: "kind" }),
        };
        if surplus {
            return Err(ManifestError::UnknownKey { offset, map });
        }
        Ok(EntryRef { path, body, mtime: self.mtime })
    }
}

fn mtime(d: &mut Decoder<'_>) -> Result<Mtime, ManifestError> {
    let invalid = ManifestError::Invalid { offset: d.position(), key: "mtime" };
    if d.array()? != 2 {
        return Err(invalid);
    }
    let (seconds, nanoseconds) = (d.int()?, d.uint()?);
    match u32::try_from(nanoseconds) {
        Ok(nanoseconds) if u64::from(nanoseconds) <= NANOSECONDS_MAX => Ok(Mtime { seconds, nanoseconds }),
        _ => Err(invalid),
    }
}

/// Returns the bytes unless they are UTF-8, in which case they had to be written as text.
fn not_text(bytes: &[u8]) -> Option<&[u8]> {
    std::str::from_utf8(bytes).is_err().then_some(bytes)
}

fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.len() <= TARGET_BYTES_MAX && !bytes.contains(&0)
}
