//! What a place that keeps objects must do: five verbs over bytes and addresses.
//!
//! A backend interprets nothing and hashes nothing: the digests were taken on the way in, and are checked on
//! the way out, each in one place of the data plane. `storage::testing::conformance` says the same as tests.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use super::error::StorageError;
use crate::identity::{ContentAddress, Digests};

/// The name of a backend, as events and the view of locations spell it: `local` for the store's own directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId(String);

/// A text is not the name of a backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the name of a backend: 1 to 64 of a-z, 0-9 and -, beginning with a letter")]
pub struct ParseBackendIdError {
    /// The text.
    pub text: String,
}

impl BackendId {
    /// Returns the name of the store's own directory.
    pub fn local() -> Self {
        Self("local".to_owned())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BackendId {
    type Err = ParseBackendIdError;

    fn from_str(text: &str) -> Result<Self, ParseBackendIdError> {
        let fits = text.len() <= 64
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits { Ok(Self(text.to_owned())) } else { Err(ParseBackendIdError { text: text.to_owned() }) }
    }
}

/// A range of an object's bytes, counted from 0, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub first: u64,
    /// The last byte, or `None` for the end.
    pub last: Option<u64>,
}

/// What [`Backend::put`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Whether an object of that name and size stood there before.
    pub already: bool,
}

/// What [`Backend::head`] sees of an object, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectStat {
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its permission bits, where the backend has such; `0o444` is right.
    pub mode: Option<u32>,
}

/// What [`Backend::delete`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The object was there and is gone.
    Gone,
    /// There was none.
    WasMissing,
}

/// How a backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendHealth {
    /// How many bytes may still be written, where that is known.
    pub free_bytes: Option<u64>,
}

/// A place that keeps objects.
///
/// All methods may be called from several threads, on the same object too.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Returns the name that events give it.
    fn id(&self) -> &BackendId;

    /// Keeps an object. When it returns, the bytes are under the object's name and survive a power cut.
    ///
    /// The caller vouches that `bytes` have these digests. What stood under the name is replaced, so putting
    /// again is not an error, and heals. Until it returns nobody sees a part of the bytes.
    ///
    /// # Errors
    /// [`StorageError::Source`] where `bytes` cannot be read, [`StorageError::WrongSize`] where they are more
    /// or fewer than the digests say, [`StorageError::Io`]. Nothing new stands under the name then.
    fn put(&self, object: &Digests, bytes: &mut dyn Read) -> Result<Receipt, StorageError>;

    /// Opens an object, or a range of it, for reading. `None` where there is none: that is not an error.
    ///
    /// The bytes are as they lie there; whoever reads checks them. A range that begins at or behind the end
    /// is empty, and one that goes beyond the end stops there: neither is an error.
    ///
    /// # Errors
    /// [`StorageError::NotAFile`], [`StorageError::Io`].
    fn get(
        &self,
        address: &ContentAddress,
        range: Option<ByteRange>,
    ) -> Result<Option<Box<dyn Read + Send>>, StorageError>;

    /// Looks at an object without reading it. `None` where there is none: that is not an error.
    ///
    /// # Errors
    /// [`StorageError::NotAFile`], [`StorageError::Io`].
    fn head(&self, address: &ContentAddress) -> Result<Option<ObjectStat>, StorageError>;

    /// Takes an object's bytes away. One that is missing already is not an error.
    ///
    /// Only a confirmed plan may call this, after the event that says so is durable. The removal itself need
    /// not be durable on return: whoever deletes many syncs once.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    fn delete(&self, address: &ContentAddress) -> Result<Deleted, StorageError>;

    /// Tells whether the place can be reached, and how much room is left.
    ///
    /// # Errors
    /// [`StorageError::Io`] where it cannot be reached.
    fn health(&self) -> Result<BackendHealth, StorageError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_has_a_plain_name() {
        for good in ["local", "s3-eu", "b2"] {
            assert_eq!(good.parse::<BackendId>().expect("a name").as_str(), good);
        }
        for bad in ["", "Local", "-x", "2b", "a b", "a/b", &"a".repeat(65)] {
            assert!(bad.parse::<BackendId>().is_err(), "{bad:?} was taken for a backend's name");
        }
    }
}
