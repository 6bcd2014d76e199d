//! What bytes are called: digests, content addresses, and the hasher that takes both digests in one pass.
//!
//! Text forms exist only at the edges; inside, a digest is 32 bytes of a named algorithm. This module
//! knows no file, no database and no clock.

mod address;
mod digest;
mod hasher;

pub use address::{AddressPrefix, ContentAddress};
pub use digest::{Algorithm, Blake3, ParseDigestError, Sha256};
pub use hasher::{Digests, DualHasher};
