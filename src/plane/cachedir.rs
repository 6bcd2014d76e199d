//! Directories that say of themselves that they hold nothing but a cache, by the Cache Directory Tagging Specification
//! (bford.info/cachedir).

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::BorrowedFd;

use super::handle::{Follow, Kind, open_file, stat};
use crate::fill::fill;

/// The name of the file that says so.
pub(super) const TAG: &CStr = c"CACHEDIR.TAG";
/// What the file begins with; what follows is for people.
const SIGNATURE: &[u8; 43] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Returns whether a directory is tagged. A tag that cannot be read tags nothing: whoever reads the directory meets it.
pub(super) fn is_cache(directory: BorrowedFd<'_>) -> bool {
    let Ok(fd) = open_file(directory, TAG, Follow::Never) else { return false };
    // What is no regular file may keep a reader waiting.
    if !stat(&fd).is_ok_and(|found| found.kind == Kind::File) {
        return false;
    }
    let mut file = File::from(fd);
    let mut head = [0; SIGNATURE.len()];
    let read = fill(&mut head, |rest, _| file.read(rest), || io::Result::Ok(()));
    read.is_ok() && head == *SIGNATURE
}
