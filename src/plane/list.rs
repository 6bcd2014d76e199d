//! A list of paths to take, as `find` prints them: each named by itself.
//!
//! Paths are bytes, normalised as they come in and kept packed, since a list may be as long as a tree is large. What
//! they lead to is for the walk to see.

use std::cmp::Ordering;

/// Why something cannot be a path of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// It has a component `..`: where that leads depends on symlinks, and it may be out of every package.
    #[error("it has '..' in it")]
    Parent,
    /// It holds a NUL byte.
    #[error("it holds a NUL byte")]
    Nul,
}

/// Paths to take, each as itself: a directory without what is in it, a symlink as a symlink.
///
/// A path stands in the package as it is listed, without `.`, doubled slashes and the slash that it may begin with. The
/// directories above it are taken as well. One that is listed twice is taken once.
#[derive(Clone, Debug, Default)]
pub struct PathList {
    /// Each followed by NUL; one that is absolute begins with a slash.
    packed: Vec<u8>,
}

impl PathList {
    /// Takes in a path, relative to the working directory or absolute. What names that or the root directory itself
    /// adds nothing: what is taken stands beneath it.
    ///
    /// # Errors
    /// [`ListError`]; then nothing was added.
    pub fn push(&mut self, path: &[u8]) -> Result<(), ListError> {
        if path.contains(&0) {
            return Err(ListError::Nul);
        }
        if path.split(|&byte| byte == b'/').any(|component| component == b"..") {
            return Err(ListError::Parent);
        }
        let before = self.packed.len();
        let components = path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
        for (nth, component) in components.enumerate() {
            if nth > 0 || path.starts_with(b"/") {
                self.packed.push(b'/');
            }
            self.packed.extend_from_slice(component);
        }
        if self.packed.len() > before {
            self.packed.push(0);
        }
        Ok(())
    }

    /// Returns whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Returns the paths, each once, in the order of [`Listed`].
    pub(super) fn sorted(&self) -> Vec<Listed<'_>> {
        let mut paths: Vec<_> = self.packed.split(|&byte| byte == 0).map(Listed).collect();
        paths.pop(); // what follows the last NUL
        paths.sort_unstable();
        paths.dedup();
        paths
    }
}

/// One path of a list, normalised.
///
/// In order, those of one directory stand together, a directory's before those of the directories beneath it, and
/// these before whatever is not beneath it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed<'a>(&'a [u8]);

impl<'a> Listed<'a> {
    /// Returns the path as the system is asked for it.
    pub(super) fn walked(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn is_absolute(self) -> bool {
        self.0.starts_with(b"/")
    }

    /// Returns the path in the package.
    pub(super) fn stored(self) -> &'a [u8] {
        self.0.strip_prefix(b"/").unwrap_or(self.0)
    }

    /// Returns the path of its directory in the package; nothing for the top.
    pub(super) fn directory(self) -> &'a [u8] {
        let stored = self.stored();
        stored.iter().rposition(|&byte| byte == b'/').map_or(b"", |slash| &stored[..slash])
    }

    /// Returns its last component.
    pub(super) fn name(self) -> &'a [u8] {
        self.0.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// Compares the directory of this one with another directory.
    pub(super) fn compare_directory(self, absolute: bool, directory: &[u8]) -> Ordering {
        self.is_absolute().cmp(&absolute).then_with(|| by_component(self.directory(), directory))
    }
}

impl Ord for Listed<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let directories = self.compare_directory(other.is_absolute(), other.directory());
        directories.then_with(|| self.name().cmp(other.name()))
    }
}

impl PartialOrd for Listed<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares paths so that nothing comes between a directory and what is beneath it: the slash before every other byte.
fn by_component(left: &[u8], right: &[u8]) -> Ordering {
    let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    left.iter().map(key).cmp(right.iter().map(key))
}

/// Returns whether a path is a directory's, or of something beneath it.
pub(super) fn is_within(path: &[u8], directory: &[u8]) -> bool {
    match path.strip_prefix(directory) {
        Some(rest) => rest.is_empty() || directory.is_empty() || rest.starts_with(b"/"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(paths: &[&str]) -> PathList {
        let mut list = PathList::default();
        paths.iter().for_each(|path| list.push(path.as_bytes()).unwrap());
        list
    }

    #[test]
    fn paths_are_normalised_and_taken_once() {
        let list = list(&["./b//c/", "b/./c", "b/c", ".", "", "/", "./", "a", "//a", "-x", "#y"]);
        let sorted = list.sorted();
        let shown: Vec<_> = sorted.iter().map(|path| str::from_utf8(path.walked()).unwrap()).collect();
        assert_eq!(shown, ["#y", "-x", "a", "b/c", "/a"]);
        assert_eq!(sorted[4].stored(), b"a");
        assert!(PathList::default().is_empty() && PathList::default().sorted().is_empty());
    }

    #[test]
    fn what_could_lead_anywhere_is_refused() {
        let mut list = PathList::default();
        for path in ["..", "../a", "a/../b", "/..", "a/.."] {
            assert_eq!(list.push(path.as_bytes()), Err(ListError::Parent), "{path}");
        }
        assert_eq!(list.push(b"a\0b"), Err(ListError::Nul));
        assert!(list.is_empty());
        list.push(b"..a/b../...").unwrap();
        assert_eq!(list.sorted()[0].walked(), b"..a/b../...");
    }

    #[test]
    fn what_is_beneath_a_directory_stands_together() {
        let list = list(&["a-b/x", "a/b/x", "a/z", "a/b-/x", "z", "a", "a/b"]);
        let shown: Vec<_> =
            list.sorted().iter().map(|path| str::from_utf8(path.walked()).unwrap().to_owned()).collect();
        assert_eq!(shown, ["a", "z", "a/b", "a/z", "a/b/x", "a/b-/x", "a-b/x"]);
        assert!(is_within(b"a/b", b"a") && is_within(b"a", b"a") && is_within(b"a", b""));
        assert!(!is_within(b"a-b", b"a") && !is_within(b"a", b"a/b"));
    }
}
