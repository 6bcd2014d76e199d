//! tar: the interchange format of POSIX.1-2017 (`pax`, section 4 of the utility's description), `ustar` and what GNU tar
//! writes.
//!
//! One header is the `tar` crate's business. The stream of them is ours: the crate looks for the end of an extended
//! record in its value, where a newline may stand, and takes much on trust that a reader of unknown archives should
//! not.

mod pax;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use read::{Body, Input, Member, Reader, Refusal, TarError};
pub use write::Writer;

/// Headers and contents begin at multiples of this.
const BLOCK_BYTES: usize = 512;
const BLOCK: u64 = 512;
