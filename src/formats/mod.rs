//! Other people's formats, as projections of what a package holds: values and bytes in, bytes and values out.
//!
//! Nothing here opens a file or knows a store. What a format cannot carry is for the caller to say.

pub mod bagit;
pub mod checkfile;
pub mod nar;
pub mod oci;
pub mod tar;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::io;

use crate::manifest::Entry;

/// A format that a tree is written in from front to end, in one stream.
pub trait Projection {
    /// Begins an entry. Where it is a file, its bytes follow through [`Projection::content`], all of them, and
    /// [`Projection::end_content`].
    ///
    /// # Errors
    /// Whatever the writer answers.
    fn entry(&mut self, entry: &Entry) -> io::Result<()>;

    /// Goes on with a file's bytes.
    ///
    /// # Errors
    /// Whatever the writer answers.
    fn content(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends a file's bytes.
    ///
    /// # Errors
    /// Whatever the writer answers.
    fn end_content(&mut self) -> io::Result<()>;

    /// Ends the whole. What was not ended is known to be cut off.
    ///
    /// # Errors
    /// Whatever the writer answers.
    fn finish(&mut self) -> io::Result<()>;
}
