//! A bag that somebody made: its tag files, read and held against each other before its payload is looked at.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags};
use sha2::Digest as _;

use super::super::handle::{Follow, Kind, open_beneath, open_directory, open_file, stat};
use super::{BagError, MANIFEST};
use crate::formats::bagit::{Encoding, Listed, TagProblem, Version, parse_fetch, parse_list, parse_tags};
use crate::manifest::EntryPath;

/// The largest bagit.txt and bag-info.txt that are read.
const TAGS_BYTES_MAX: u64 = 16 << 20;
/// The largest list, and manifest of ours, that are read.
const LIST_BYTES_MAX: u64 = 4 << 30;
/// How much of a file is hashed at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// An algorithm that a bag's list can be relied on by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    /// Finds it by its name in a list's: in any case, and with the dash that some write.
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "sha256" | "sha-256" => Some(Self::Sha256),
            "sha512" | "sha-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    const fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Hashes all that comes; `each` hears of every chunk.
    fn of(self, input: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<Vec<u8>> {
        match self {
            Self::Sha256 => hash(sha2::Sha256::new(), input, each),
            Self::Sha512 => hash(sha2::Sha512::new(), input, each),
        }
    }
}

fn hash<D: sha2::Digest>(
    mut hasher: D,
    input: &mut dyn Read,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().to_vec()),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                each(&buffer[..read])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A bag whose tag files were read and agree with each other. Its payload is yet to be held against them.
#[derive(Debug)]
pub struct Bag {
    pub(super) directory: PathBuf,
    pub(super) root: OwnedFd,
    /// The manifest that the payload is held against, and its algorithm.
    pub(super) list: PathBuf,
    pub(super) hash: Hash,
    /// Its lines, their paths beneath `data/`, sorted.
    pub(super) lines: Vec<Listed>,
    /// Bytes and files of the payload, where `bag-info.txt` says that.
    pub(super) oxum: Vec<(u64, u64)>,
    pub(super) manifest: Option<Vec<u8>>,
    info: Vec<(String, String)>,
    unchecked: Vec<String>,
}

/// What a list is of.
enum List {
    Payload,
    Tags,
}

impl Bag {
    /// Reads the tag files of a bag: all lists have to be sound and to list the same, every tag file what its list says.
    ///
    /// # Errors
    /// [`BagError`] for the first thing that is wrong.
    pub fn read(directory: &Path) -> Result<Self, BagError> {
        let read = |source: io::Error| BagError::Read { path: directory.to_owned(), source };
        let name = std::ffi::CString::new(directory.as_os_str().as_bytes());
        let name = name.map_err(|error| read(error.into()))?;
        let root = open_directory(CWD, &name, Follow::Named).map_err(read)?;
        let mut tags = Tags { directory, root: &root, read: BTreeMap::new() };
        let (version, encoding) = tags.declaration()?;
        let info = match tags.decoded(version.info_file(), TAGS_BYTES_MAX, encoding)? {
            Some(text) => parse_tags(&text)
                .map_err(|source| BagError::Tags { path: tags.path(version.info_file()), source })?,
            None => Vec::new(),
        };
        let mut payload: Vec<(PathBuf, Hash, Vec<Listed>)> = Vec::new();
        let (mut unchecked, mut weak) = (Vec::new(), Vec::new());
        let mut tag_lists = Vec::new();
        for (name, kind, algorithm) in lists(directory).map_err(read)? {
            let Some(hash) = Hash::named(&algorithm) else {
                if matches!(kind, List::Payload) {
                    weak.push(algorithm);
                }
                unchecked.push(name);
                continue;
            };
            let list = tags.list(&name, version, encoding, hash)?;
            match kind {
                List::Payload => {
                    payload.push((tags.path(&name), hash, beneath_data(list, tags.path(&name))?));
                }
                List::Tags => tag_lists.push((tags.path(&name), hash, list)),
            }
        }
        // Before 1.0 it was enough that one of them lists a file.
        let differ = payload.windows(2).find(|pair| !same_paths(&pair[0].2, &pair[1].2));
        let differ = differ.filter(|_| version >= Version::RFC);
        if let Some(unlike) = differ.and_then(|pair| unlike(&pair[0], &pair[1])) {
            return Err(unlike);
        }
        payload.sort_by_key(|(_, hash, _)| *hash == Hash::Sha512);
        for (path, ..) in payload.iter().skip(1) {
            unchecked.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        let Some((list, hash, lines)) = payload.into_iter().next() else {
            return Err(match weak.is_empty() {
                true => tags.no_bag("it has no manifest of its payload"),
                false => BagError::Weak { directory: directory.to_owned(), algorithms: weak },
            });
        };
        let manifest = tags.bytes(MANIFEST, LIST_BYTES_MAX)?;
        for (path, hash, list) in &tag_lists {
            tags.check(path, *hash, list)?;
        }
        tags.check_fetched(version, encoding)?;
        let oxum = oxums(&info).ok_or_else(|| tags.no_bag("its Payload-Oxum is not two numbers"))?;
        if !open_beneath(&root, b"data", OFlags::PATH)
            .is_ok_and(|data| kind_of(&data) == Some(Kind::Directory))
        {
            return Err(tags.no_bag("it has no directory data"));
        }
        unchecked.sort();
        let directory = directory.to_owned();
        Ok(Self { directory, root, list, hash, lines, oxum, manifest, info, unchecked })
    }

    /// Returns the directory, as it was named.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the directory of the payload.
    pub fn payload(&self) -> PathBuf {
        let mut path = self.directory.clone();
        path.push("data");
        path
    }

    /// Returns the labels of `bag-info.txt` with their values, in their order.
    pub fn info(&self) -> &[(String, String)] {
        &self.info
    }

    /// Returns the lists that nothing is held against, since another is relied on or their algorithm is not.
    pub fn unchecked(&self) -> &[String] {
        &self.unchecked
    }
}

pub(super) fn kind_of(fd: &OwnedFd) -> Option<Kind> {
    stat(fd).ok().map(|found| found.kind)
}

/// Opens a regular file of a bag; no symlink is followed.
pub(super) fn open_in(root: &OwnedFd, path: &[u8]) -> io::Result<File> {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    let name = std::ffi::CString::new(&path[slash.map_or(0, |slash| slash + 1)..])?;
    let opened = match slash {
        Some(slash) => open_file(open_beneath(root, &path[..slash], OFlags::PATH)?, &name, Follow::Never)?,
        None => open_file(root, &name, Follow::Never)?,
    };
    match kind_of(&opened) {
        Some(Kind::File) => Ok(opened.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

/// Hashes a file of a bag.
pub(super) fn hash_file(
    hash: Hash,
    root: &OwnedFd,
    path: &[u8],
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    hash.of(&mut open_in(root, path)?, each)
}

/// Puts a path of a bag behind its directory, for people.
pub(super) fn shown(directory: &Path, path: &[u8]) -> PathBuf {
    let mut bytes = directory.as_os_str().as_bytes().to_vec();
    bytes.push(b'/');
    bytes.extend_from_slice(path);
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// The tag files, each read once: what is parsed is what is held against the tag manifests.
struct Tags<'a> {
    directory: &'a Path,
    root: &'a OwnedFd,
    read: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Tags<'_> {
    fn path(&self, name: &str) -> PathBuf {
        shown(self.directory, name.as_bytes())
    }

    fn no_bag(&self, what: impl Into<String>) -> BagError {
        BagError::NoBag { directory: self.directory.to_owned(), what: what.into() }
    }

    /// Reads a tag file whole, where it is there.
    fn bytes(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, BagError> {
        let failed = |source| BagError::Read { path: self.path(name), source };
        let file = match open_in(self.root, name.as_bytes()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > limit {
            return Err(BagError::TooLarge { path: self.path(name), limit });
        }
        self.read.insert(name.as_bytes().to_vec(), bytes.clone());
        Ok(Some(bytes))
    }

    fn decoded(&mut self, name: &str, limit: u64, encoding: Encoding) -> Result<Option<Vec<u8>>, BagError> {
        let Some(bytes) = self.bytes(name, limit)? else { return Ok(None) };
        let encoded = || BagError::Tags { path: self.path(name), source: TagProblem::Encoding };
        encoding.decode(&bytes).ok_or_else(encoded).map(Some)
    }

    /// Reads bagit.txt.
    fn declaration(&mut self) -> Result<(Version, Encoding), BagError> {
        let Some(bytes) = self.bytes("bagit.txt", TAGS_BYTES_MAX)? else {
            return Err(self.no_bag("it has no bagit.txt"));
        };
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(self.no_bag("its bagit.txt begins with a byte order mark"));
        }
        let tags =
            parse_tags(&bytes).map_err(|source| BagError::Tags { path: self.path("bagit.txt"), source })?;
        let value = |label: &str| {
            let mut found = tags.iter().filter(|(name, _)| name == label).map(|(_, value)| &**value);
            found.next().filter(|_| found.next().is_none())
        };
        let version = value("BagIt-Version").and_then(Version::parse);
        let Some(version) = version.filter(|version| version.is_known()) else {
            return Err(self.no_bag("its bagit.txt names no BagIt-Version from 0.93 to 1.0"));
        };
        match value("Tag-File-Character-Encoding").and_then(Encoding::named) {
            Some(encoding) => Ok((version, encoding)),
            None => Err(self.no_bag(
                "its bagit.txt names no Tag-File-Character-Encoding of UTF-8, UTF-16 and ISO-8859-1",
            )),
        }
    }

    fn list(
        &mut self,
        name: &str,
        version: Version,
        encoding: Encoding,
        hash: Hash,
    ) -> Result<Vec<Listed>, BagError> {
        let text = self.decoded(name, LIST_BYTES_MAX, encoding)?.unwrap_or_default();
        let list = parse_list(&text, version, hash.digest_bytes());
        list.map_err(|source| BagError::List { path: self.path(name), source })
    }

    /// Holds the tag files against a list of them.
    fn check(&self, list_path: &Path, hash: Hash, list: &[Listed]) -> Result<(), BagError> {
        for Listed { path, otherwise, digest } in list {
            let misplaced =
                |what| BagError::Misplaced { path: list_path.to_owned(), listed: path.clone(), what };
            if is_payload(path) {
                return Err(misplaced("no tag file"));
            }
            let wrong = |what| BagError::TagFile {
                path: shown(self.directory, path.as_bytes()),
                what,
                list: list_path.to_owned(),
            };
            let hashed = |path: &EntryPath| match self.read.get(path.as_bytes()) {
                Some(bytes) => hash.of(&mut &bytes[..], &mut |_| Ok(())),
                None => hash_file(hash, self.root, path.as_bytes(), &mut |_| Ok(())),
            };
            let mut found = hashed(path);
            if let (Err(_), Some(otherwise)) = (&found, otherwise) {
                found = hashed(otherwise);
            }
            match found {
                Ok(found) if found == *digest => {}
                Ok(_) => return Err(wrong("holds other bytes")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(wrong("is not there")),
                Err(source) => {
                    return Err(BagError::Read { path: shown(self.directory, path.as_bytes()), source });
                }
            }
        }
        Ok(())
    }

    /// Makes sure that all that fetch.txt lists was fetched.
    fn check_fetched(&mut self, version: Version, encoding: Encoding) -> Result<(), BagError> {
        let Some(text) = self.decoded("fetch.txt", LIST_BYTES_MAX, encoding)? else { return Ok(()) };
        let path = self.path("fetch.txt");
        let listed =
            parse_fetch(&text, version).map_err(|source| BagError::List { path: path.clone(), source })?;
        if let Some(listed) = listed.iter().find(|path| !is_payload(path)) {
            return Err(BagError::Misplaced { path, listed: listed.clone(), what: "not under data/" });
        }
        let missing: Vec<&EntryPath> =
            listed.iter().filter(|path| open_in(self.root, path.as_bytes()).is_err()).collect();
        match missing.first() {
            Some(&first) => Err(BagError::NotFetched {
                directory: self.directory.to_owned(),
                count: missing.len() as u64,
                first: first.clone(),
            }),
            None => Ok(()),
        }
    }
}

fn is_payload(path: &EntryPath) -> bool {
    path.as_bytes().starts_with(b"data/")
}

/// Finds the lists of a bag by their names, sorted by these.
fn lists(directory: &Path) -> io::Result<Vec<(String, List, String)>> {
    let mut lists = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let Some(stem) = name.strip_suffix(".txt") else { continue };
        let found = match (stem.strip_prefix("manifest-"), stem.strip_prefix("tagmanifest-")) {
            (Some(algorithm), _) => Some((List::Payload, algorithm.to_owned())),
            (_, Some(algorithm)) => Some((List::Tags, algorithm.to_owned())),
            (None, None) => None,
        };
        lists.extend(found.map(|(kind, algorithm)| (name.clone(), kind, algorithm)));
    }
    lists.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(lists)
}

/// Takes `data/` from the paths of a manifest.
fn beneath_data(list: Vec<Listed>, file: PathBuf) -> Result<Vec<Listed>, BagError> {
    let beneath =
        |path: &EntryPath| path.as_bytes().strip_prefix(b"data/").and_then(|rest| EntryPath::new(rest).ok());
    list.into_iter()
        .map(|Listed { path, otherwise, digest }| match beneath(&path) {
            Some(plain) => {
                Ok(Listed { path: plain, otherwise: otherwise.as_ref().and_then(beneath), digest })
            }
            None => Err(BagError::Misplaced { path: file.clone(), listed: path, what: "not under data/" }),
        })
        .collect()
}

fn same_paths(left: &[Listed], right: &[Listed]) -> bool {
    left.iter().map(|listed| &listed.path).eq(right.iter().map(|listed| &listed.path))
}

/// Says which path one of two lists has and the other has not, if there is one.
fn unlike(left: &(PathBuf, Hash, Vec<Listed>), right: &(PathBuf, Hash, Vec<Listed>)) -> Option<BagError> {
    let lacks =
        |list: &[Listed], path: &EntryPath| list.binary_search_by(|listed| listed.path.cmp(path)).is_err();
    let of = |one: &(PathBuf, Hash, Vec<Listed>), other: &(PathBuf, Hash, Vec<Listed>)| {
        let listed = one.2.iter().find(|listed| lacks(&other.2, &listed.path))?.path.clone();
        Some(BagError::Unlike { path: one.0.clone(), listed, other: other.0.clone() })
    };
    of(left, right).or_else(|| of(right, left))
}

/// Reads every `Payload-Oxum`: bytes, a point, files.
fn oxums(info: &[(String, String)]) -> Option<Vec<(u64, u64)>> {
    let values = info.iter().filter(|(label, _)| label.eq_ignore_ascii_case("Payload-Oxum"));
    values
        .map(|(_, value)| {
            let (bytes, files) = value.split_once('.')?;
            Some((bytes.parse().ok()?, files.parse().ok()?))
        })
        .collect()
}
