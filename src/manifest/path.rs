//! Stored paths: bytes, relative, and safe by construction.

use std::fmt;

/// The longest stored path in bytes (part of manifest version 1).
pub const PATH_BYTES_MAX: usize = 4096;

/// Why some bytes cannot be the path of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Nothing at all.
    #[error("the path is empty")]
    Empty,
    /// More than [`PATH_BYTES_MAX`] bytes.
    #[error("the path is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// It begins with `/`.
    #[error("the path is absolute")]
    Absolute,
    /// Two slashes in a row, or one at the end.
    #[error("the path has an empty component")]
    EmptyComponent,
    /// A component is `.` or `..`.
    #[error("the path has a component \".\" or \"..\"")]
    DotComponent,
    /// It holds a NUL byte.
    #[error("the path holds a NUL byte")]
    Nul,
}

/// The path of an entry: relative, `/`-separated bytes without empty, `.` or `..` components and without NUL.
///
/// Ordered by its bytes, which is the order of a manifest.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryPath(Box<[u8]>);

impl EntryPath {
    /// Checks the bytes and takes them for a path.
    ///
    /// # Errors
    /// Whatever of [`PathError`] is wrong with them first.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, PathError> {
        let bytes = bytes.into();
        check(&bytes)?;
        Ok(Self(bytes))
    }

    /// Takes bytes that were checked before.
    pub(super) fn of_checked(bytes: &[u8]) -> Self {
        debug_assert_eq!(check(bytes), Ok(()), "the path was checked");
        Self(bytes.into())
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path of the directory that holds this one, or `None` at the top.
    pub fn parent(&self) -> Option<&[u8]> {
        self.0.iter().rposition(|&byte| byte == b'/').map(|slash| &self.0[..slash])
    }

    /// Returns the last component.
    pub fn file_name(&self) -> &[u8] {
        self.parent().map_or(&self.0, |parent| &self.0[parent.len() + 1..])
    }

    /// Returns the text, where the bytes are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// Says what is wrong with bytes as an entry's path, if anything is.
pub(crate) fn check(bytes: &[u8]) -> Result<(), PathError> {
    match bytes {
        [] => return Err(PathError::Empty),
        [b'/', ..] => return Err(PathError::Absolute),
        _ if bytes.len() > PATH_BYTES_MAX => return Err(PathError::TooLong),
        _ if bytes.contains(&0) => return Err(PathError::Nul),
        _ => {}
    }
    for component in bytes.split(|&byte| byte == b'/') {
        match component {
            b"" => return Err(PathError::EmptyComponent),
            b"." | b".." => return Err(PathError::DotComponent),
            _ => {}
        }
    }
    Ok(())
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '"' | '\\' => write!(f, "\\{character}")?,
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    control if control.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(control))?,
                    other => write!(f, "{other}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_could_leave_the_tree() {
        for (bytes, error) in [
            (&b""[..], PathError::Empty),
            (b"/etc", PathError::Absolute),
            (b"a//b", PathError::EmptyComponent),
            (b"a/", PathError::EmptyComponent),
            (b"..", PathError::DotComponent),
            (b"a/../b", PathError::DotComponent),
            (b"./a", PathError::DotComponent),
            (b"a\0b", PathError::Nul),
        ] {
            assert_eq!(EntryPath::new(bytes), Err(error), "{bytes:?}");
        }
        assert_eq!(EntryPath::new(vec![b'a'; PATH_BYTES_MAX + 1]), Err(PathError::TooLong));
        for bytes in [&b"a"[..], b"..a/...", b"-rf", b"\xff\n", b"a/b/c"] {
            assert!(EntryPath::new(bytes).is_ok(), "{bytes:?}");
        }
    }

    #[test]
    fn knows_its_parts() {
        let path = EntryPath::new(&b"a/b/c"[..]).unwrap();
        assert_eq!((path.parent(), path.file_name()), (Some(&b"a/b"[..]), &b"c"[..]));
        let top = EntryPath::new(&b"a"[..]).unwrap();
        assert_eq!((top.parent(), top.file_name()), (None, &b"a"[..]));
    }
}
