//! What must hold of any bytes that somebody calls an archive or a check file.

use std::convert::Infallible;

use super::checkfile::{CheckFile, Mismatch};
use super::tar::{Body, Input, Reader, TarError};
use crate::manifest::EntryList;

/// Reads bytes as an archive: whatever they are, that comes to an end, and no member holds more than there is.
///
/// # Panics
/// Where that does not hold.
pub fn check_archive(bytes: &[u8]) {
    let mut stream = bytes;
    let mut reader = Reader::new(Input { stream: &mut stream, ask: &|| Ok::<(), Infallible>(()) });
    let mut whole = 0;
    let mut buffer = vec![0; 4096];
    loop {
        match reader.next_member() {
            Ok(Some(member)) => {
                whole += 512;
                let Body::File { size_bytes } = member.body else { continue };
                let mut read = 0;
                loop {
                    match reader.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(more) => read += more as u64,
                        Err(TarError::Refused { .. }) => return,
                        Err(TarError::Read(error)) => panic!("a slice cannot fail: {error}"),
                    }
                }
                assert_eq!(read, size_bytes, "{:?}", member.path);
                whole += read;
                assert!(whole <= bytes.len() as u64, "more came out than went in");
            }
            Ok(None) | Err(TarError::Refused { .. }) => return,
            Err(TarError::Read(error)) => panic!("a slice cannot fail: {error}"),
        }
    }
}

/// Reads bytes as a check file: where it is one, an empty tree lacks all that it lists.
///
/// # Panics
/// Where that does not hold.
pub fn check_check_file(bytes: &[u8]) {
    let Ok(check) = CheckFile::parse(bytes) else { return };
    let missing = check.hold(&EntryList::new());
    assert_eq!(missing.len(), check.len());
    assert!(missing.iter().all(|mismatch| matches!(mismatch, Mismatch::Missing(_))));
    assert!(missing.is_sorted_by(|left, right| match (left, right) {
        (Mismatch::Missing(left), Mismatch::Missing(right)) => left < right,
        _ => false,
    }));
}
