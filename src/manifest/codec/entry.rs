//! One entry: a map of five to nine keys.

use super::ManifestError;
use crate::identity::{Blake3, Digests, Sha256};
use crate::manifest::cbor::{Decoder, Encoder, INTEGER_MAX, Major, split_head};
use crate::manifest::model::{Entry, EntryBody, Mtime, TARGET_BYTES_MAX};
use crate::manifest::path::{self, EntryPath};

const MODE_MAX: u64 = 0o7777;
const NANOSECONDS_MAX: u64 = 999_999_999;

/// Appends the canonical bytes of an entry.
///
/// What [`check_entry`] refuses is written all the same (integers beyond 2^53−1 as that), and not read again.
pub fn encode_entry(out: &mut Vec<u8>, entry: &Entry) {
    encode(out, &entry.as_entry());
}

/// Appends the canonical bytes of an entry that stands elsewhere.
pub(super) fn encode(out: &mut Vec<u8>, entry: &EntryRef<'_>) {
    let mut e = Encoder::new(out);
    let text = std::str::from_utf8(entry.path).ok();
    let own_keys = match &entry.body {
        BodyRef::File { .. } => 4,
        BodyRef::Directory { .. } | BodyRef::Symlink { .. } => 1,
    };
    e.map(2 + own_keys + usize::from(entry.mtime.is_some()));
    e.text("kind").text(entry.body.kind());
    if let BodyRef::File { mode, .. } | BodyRef::Directory { mode } = entry.body {
        e.text("mode").uint(mode.into());
    }
    if let Some(text) = text {
        e.text("path").text(text);
    }
    if let BodyRef::File { object, .. } = &entry.body {
        e.text("size").uint(object.size_bytes);
    }
    if let Some(mtime) = entry.mtime {
        e.text("mtime").array(2).int(mtime.seconds).uint(mtime.nanoseconds.into());
    }
    let target = match &entry.body {
        BodyRef::File { object, .. } => {
            e.text("blake3").bytes(object.blake3.as_bytes());
            e.text("sha256").bytes(object.sha256.as_bytes());
            None
        }
        BodyRef::Directory { .. } => None,
        BodyRef::Symlink { target } => Some(std::str::from_utf8(target).map_err(|_| *target)),
    };
    if let Some(Ok(text)) = target {
        e.text("target").text(text);
    }
    if text.is_none() {
        e.text("path_bytes").bytes(entry.path);
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
    check(&entry.as_entry())
}

/// Checks an entry that stands elsewhere, as [`check_entry`] does.
pub(super) fn check(entry: &EntryRef<'_>) -> Result<(), ManifestError> {
    let invalid = |key| Err(ManifestError::Invalid { offset: 0, key });
    match &entry.body {
        BodyRef::File { mode, .. } | BodyRef::Directory { mode } if u64::from(*mode) > MODE_MAX => {
            return invalid("mode");
        }
        BodyRef::File { object, .. } if object.size_bytes > INTEGER_MAX => return invalid("size"),
        BodyRef::Symlink { target } if !is_target(target) => return invalid("target"),
        BodyRef::File { .. } | BodyRef::Directory { .. } | BodyRef::Symlink { .. } => {}
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

/// An entry whose path and target stand elsewhere: in a manifest's bytes, in a packed list, in an [`Entry`].
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    /// A good path.
    pub(in crate::manifest) path: &'a [u8],
    pub(in crate::manifest) body: BodyRef<'a>,
    pub(in crate::manifest) mtime: Option<Mtime>,
}

/// What such an entry is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyRef<'a> {
    File { mode: u32, object: Digests },
    Directory { mode: u32 },
    Symlink { target: &'a [u8] },
}

impl<'a> EntryRef<'a> {
    /// Returns where it stands in the package.
    pub(crate) const fn path(&self) -> &'a [u8] {
        self.path
    }

    /// Returns what it is.
    pub(crate) const fn body(&self) -> &BodyRef<'a> {
        &self.body
    }

    /// Returns when it was last modified, where that was asked for.
    pub(crate) const fn mtime(&self) -> Option<Mtime> {
        self.mtime
    }
}

impl BodyRef<'_> {
    /// Returns the manifest's word for the kind.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Directory { .. } => "directory",
            Self::Symlink { .. } => "symlink",
        }
    }
}

/// What can be written as an entry, wherever its bytes stand.
pub trait AsEntry {
    /// Returns the entry.
    fn as_entry(&self) -> EntryRef<'_>;
}

impl AsEntry for EntryRef<'_> {
    fn as_entry(&self) -> EntryRef<'_> {
        *self
    }
}

impl AsEntry for Entry {
    fn as_entry(&self) -> EntryRef<'_> {
        let body = match &self.body {
            EntryBody::File { mode, object } => BodyRef::File { mode: *mode, object: *object },
            EntryBody::Directory { mode } => BodyRef::Directory { mode: *mode },
            EntryBody::Symlink { target } => BodyRef::Symlink { target },
        };
        EntryRef { path: self.path.as_bytes(), body, mtime: self.mtime }
    }
}

impl<E: AsEntry + ?Sized> AsEntry for &E {
    fn as_entry(&self) -> EntryRef<'_> {
        (*self).as_entry()
    }
}

impl From<EntryRef<'_>> for Entry {
    fn from(entry: EntryRef<'_>) -> Self {
        let body = match entry.body {
            BodyRef::File { mode, object } => EntryBody::File { mode, object },
            BodyRef::Directory { mode } => EntryBody::Directory { mode },
            BodyRef::Symlink { target } => EntryBody::Symlink { target: target.into() },
        };
        Self { path: EntryPath::of_checked(entry.path), body, mtime: entry.mtime }
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
    if d.takes_map_of_arrays()
        && let Some((entry, rest)) = usual_file(d.rest())
    {
        d.pass(d.rest().len() - rest.len());
        return Ok(entry);
    }
    decode_any(d)
}

/// Reads a file's entry as nearly all of them are: keys in their only order, the path a text. Returns it with the bytes
/// after it, or nothing, of anything else and of whatever is wrong: that is for [`decode_any`] to say.
fn usual_file(bytes: &[u8]) -> Option<(EntryRef<'_>, &[u8])> {
    let (has_mtime, rest) = match bytes.split_first()? {
        (0xa6, rest) => (false, rest),
        (0xa7, rest) => (true, rest),
        _ => return None,
    };
    let (mode, rest) = usual_uint(rest.strip_prefix(b"\x64kind\x64file\x64mode")?)?;
    let (major, len, rest) = split_head(rest.strip_prefix(b"\x64path")?)?;
    let (path, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let (size_bytes, mut rest) = usual_uint(rest.strip_prefix(b"\x64size")?)?;
    if major != Major::Text || mode > MODE_MAX || std::str::from_utf8(path).is_err() {
        return None;
    }
    path::check(path).ok()?;
    let mut mtime = None;
    if has_mtime {
        let (major, argument, after) = split_head(rest.strip_prefix(b"\x65mtime\x82")?)?;
        let seconds = match major {
            Major::Unsigned => i64::try_from(argument).ok()?,
            Major::Negative => -1 - i64::try_from(argument).ok()?,
            Major::Bytes | Major::Text | Major::Array | Major::Map | Major::Bool | Major::Null => {
                return None;
            }
        };
        let (nanoseconds, after) = usual_uint(after)?;
        if nanoseconds > NANOSECONDS_MAX {
            return None;
        }
        mtime = Some(Mtime { seconds, nanoseconds: u32::try_from(nanoseconds).ok()? });
        rest = after;
    }
    let (blake3, rest) = rest.strip_prefix(b"\x66blake3\x58\x20")?.split_first_chunk()?;
    let (sha256, rest) = rest.strip_prefix(b"\x66sha256\x58\x20")?.split_first_chunk()?;
    let (blake3, sha256) = (Blake3::from_bytes(*blake3), Sha256::from_bytes(*sha256));
    let object = Digests { blake3, sha256, size_bytes };
    let body = BodyRef::File { mode: u32::try_from(mode).ok()?, object };
    Some((EntryRef { path, body, mtime }, rest))
}

fn usual_uint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    match split_head(bytes)? {
        (Major::Unsigned, value, rest) => Some((value, rest)),
        _ => None,
    }
}

/// Reads one entry of any kind.
fn decode_any<'a>(d: &mut Decoder<'a>) -> Result<EntryRef<'a>, ManifestError> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::cbor::testing::{damage, damaged, mutated, mutations};
    use crate::manifest::testing::{Chance, entries};

    /// Reads bytes both ways, where they are the usual file, and says whether they are.
    fn both_ways_agree(bytes: &[u8]) -> bool {
        let Some((entry, rest)) = usual_file(bytes) else { return false };
        let mut strict = Decoder::new(bytes);
        let other = decode_any(&mut strict).expect("what the quick way takes, the strict one does");
        assert_eq!((Entry::from(entry), rest), (other.into(), strict.rest()));
        true
    }

    proptest! {
        #[test]
        fn the_quick_way_takes_nothing_that_the_strict_one_does_not(
            seed: u64, mutations in mutations(), damage in damage(), at: prop::sample::Index, byte: u8,
        ) {
            for entry in entries(&mut Chance::new(seed), 6) {
                let mut bytes = Vec::new();
                encode_entry(&mut bytes, &entry);
                let is_usual = matches!(entry.body, EntryBody::File { .. })
                    && std::str::from_utf8(entry.path.as_bytes()).is_ok();
                prop_assert_eq!(both_ways_agree(&bytes), is_usual);
                let mut one_byte_off = bytes.clone();
                one_byte_off[at.index(bytes.len())] = byte;
                both_ways_agree(&one_byte_off);
                both_ways_agree(&bytes[..at.index(bytes.len())]);
                both_ways_agree(&damaged(bytes.clone(), &damage));
                both_ways_agree(&mutated(bytes, &mutations));
            }
        }
    }

    #[test]
    fn the_quick_way_fits_where_the_strict_one_does() {
        let mut bytes = Vec::new();
        let path = EntryPath::new(&b"file"[..]).unwrap();
        let zero = (Blake3::from_bytes([0; 32]), Sha256::from_bytes([0; 32]));
        encode_entry(&mut bytes, &Entry::file(path, 0o644, zero.0, zero.1, 1));
        for depth in 0..=16 {
            let nested = [vec![0x81; depth], bytes.clone()].concat();
            let (mut quick, mut strict) = (Decoder::new(&nested), Decoder::new(&nested));
            for _ in 0..depth {
                assert_eq!(quick.array(), strict.array());
            }
            let read = (decode(&mut quick).map(Entry::from), decode_any(&mut strict).map(Entry::from));
            assert_eq!(format!("{:?}", read.0), format!("{:?}", read.1), "{depth}");
            assert_eq!(format!("{:?}", quick.finish()), format!("{:?}", strict.finish()), "{depth}");
        }
    }
}
