//! Both digests and the size of a stream, taken in one pass over the bytes.

use sha2::Digest as _;

use super::{Blake3, ContentAddress, Sha256};

/// What one pass over some bytes found: both digests and how many bytes there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digests {
    /// The primary digest.
    pub blake3: Blake3,
    /// The second digest.
    pub sha256: Sha256,
    /// The number of bytes.
    pub size_bytes: u64,
}

impl Digests {
    /// Returns both digests of bytes that are in memory already.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = DualHasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns the content address of the bytes.
    pub const fn address(&self) -> ContentAddress {
        ContentAddress::new(self.blake3)
    }
}

/// Takes BLAKE3 and SHA-256 over the same bytes, chunk by chunk.
#[derive(Clone, Default)]
pub struct DualHasher {
    blake3: blake3::Hasher,
    sha256: sha2::Sha256,
    size_bytes: u64,
}

impl DualHasher {
    /// Starts with no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    /// Returns the digests of all bytes taken in.
    pub fn finish(self) -> Digests {
        Digests {
            blake3: Blake3::from_bytes(*self.blake3.finalize().as_bytes()),
            sha256: Sha256::from_bytes(self.sha256.finalize().into()),
            size_bytes: self.size_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn chunks_make_no_difference(bytes: Vec<u8>, cut in 0usize..4096) {
            let cut = cut.min(bytes.len());
            let mut hasher = DualHasher::new();
            hasher.update(&bytes[..cut]);
            hasher.update(&bytes[cut..]);
            let digests = hasher.finish();
            prop_assert_eq!(digests, Digests::of(&bytes));
            prop_assert_eq!(digests.blake3, Blake3::of(&bytes));
            prop_assert_eq!(digests.size_bytes, bytes.len() as u64);
        }
    }

    #[test]
    fn agrees_with_the_published_vectors() {
        let digests = Digests::of(b"abc");
        assert_eq!(
            digests.sha256.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            digests.blake3.to_string(),
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
        );
    }
}
