//! `diff`: a package against another one, or against a directory as `add` would take it.

use std::cmp::Ordering;
use std::io;
use std::path::Path;

use super::super::Registry;
use super::super::report::{DiffTarget, Difference, Reference};
use crate::error::Error;
use crate::manifest::{Entry, EntryList};
use crate::monitor::Monitor;
use crate::plane::{self, IngestContext, IngestError, IngestOptions, Unreadable};
use crate::views::{EntryPages, PackageRow};

impl Registry {
    /// Tells how two trees differ, ascending by path, and returns in how many paths; an error of `each` ends it.
    /// Modification times count where both sides keep them. Two packages are never in memory, however large.
    ///
    /// # Errors
    /// [`Error::NoSuchPackage`], [`Error::Ambiguous`]; [`Error::Ingest`] where a path of the directory cannot be
    /// read; [`Error::Output`].
    pub fn diff(
        &self,
        left: &Reference,
        right: &DiffTarget,
        monitor: &dyn Monitor,
        each: &mut dyn FnMut(&Difference) -> io::Result<()>,
    ) -> Result<u64, Error> {
        let each = &mut |difference: &Difference| {
            self.check_cancelled()?;
            each(difference).map_err(Error::Output)
        };
        let tx = self.db.read()?;
        let left = self.resolve(&tx, left)?;
        let ours = EntryPages::new(&tx, left.tree).map(|entry| entry.map_err(Error::from));
        match right {
            DiffTarget::Package(reference) => {
                let right = self.resolve(&tx, reference)?;
                if is_same(&left, &right) {
                    return Ok(0);
                }
                let theirs = EntryPages::new(&tx, right.tree).map(|entry| entry.map_err(Error::from));
                differences(ours, theirs, each)
            }
            DiffTarget::Directory(directory) => {
                let found = self.survey(directory, monitor)?;
                differences(ours, found.iter().map(Ok), each)
            }
        }
    }

    /// Walks and hashes a directory as `add` would, and stores nothing: the store itself is left out here too.
    fn survey(&self, directory: &Path, monitor: &dyn Monitor) -> Result<EntryList, Error> {
        // A file would be taken for a tree of one entry, and everything else in the package for missing.
        if std::fs::metadata(directory).is_ok_and(|found| !found.is_dir()) {
            let source = Unreadable::Io(std::io::ErrorKind::NotADirectory.into());
            return Err(IngestError::Unreadable { path: directory.to_owned(), source }.into());
        }
        let own_root = Some(self.own_root()?);
        let options = IngestOptions { keep_mtime: true, own_root, ..IngestOptions::default() };
        let context = IngestContext { cache: None, monitor, cancelled: &self.cancelled };
        Ok(plane::survey(&[directory.to_owned()], &options, context)?.entries)
    }
}

/// Returns whether two packages have the same entries without looking at them.
fn is_same(left: &PackageRow, right: &PackageRow) -> bool {
    left.tree == right.tree || left.content_digest.is_some() && left.content_digest == right.content_digest
}

/// Goes through two trees side by side, both ascending by path.
fn differences(
    left: impl Iterator<Item = Result<Entry, Error>>,
    right: impl Iterator<Item = Result<Entry, Error>>,
    each: &mut dyn FnMut(&Difference) -> Result<(), Error>,
) -> Result<u64, Error> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    let mut found = 0;
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return Ok(found),
            (Some(Ok(ours)), Some(Ok(theirs))) => ours.path.cmp(&theirs.path),
            (Some(_), _) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
        };
        let ours = if order.is_le() { left.next().transpose()? } else { None };
        let theirs = if order.is_ge() { right.next().transpose()? } else { None };
        let Some(path) = ours.as_ref().or(theirs.as_ref()).map(|entry| entry.path.clone()) else { continue };
        let (left, right) = level_times(ours, theirs);
        if left != right {
            found += 1;
            each(&Difference { path, left, right })?;
        }
    }
}

/// Leaves the times out where only one side keeps them.
fn level_times(mut left: Option<Entry>, mut right: Option<Entry>) -> (Option<Entry>, Option<Entry>) {
    if let (Some(left), Some(right)) = (&mut left, &mut right)
        && left.mtime.is_none() != right.mtime.is_none()
    {
        left.mtime = None;
        right.mtime = None;
    }
    (left, right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{EntryBody, EntryPath, Mtime};

    /// Makes a tree of directories out of words such as `a/b=755` or `a=755+9` (with a time).
    fn tree(text: &str) -> Vec<Result<Entry, Error>> {
        let entry = |word: &str| {
            let (path, rest) = word.split_once('=').unwrap();
            let (mode, seconds) = rest.split_once('+').unwrap_or((rest, ""));
            Ok(Entry {
                path: EntryPath::new(path.as_bytes()).unwrap(),
                body: EntryBody::Directory { mode: u32::from_str_radix(mode, 8).unwrap() },
                mtime: seconds.parse().ok().map(|seconds| Mtime { seconds, nanoseconds: 0 }),
            })
        };
        text.split_whitespace().map(entry).collect()
    }

    fn check(left: &str, right: &str, expected: &str) {
        let side = |entry: &Option<Entry>| if entry.is_some() { 'x' } else { '-' };
        let mut found = Vec::new();
        let each = &mut |one: &Difference| {
            found.push(format!("{}{}{}", side(&one.left), side(&one.right), one.path.as_str().unwrap()));
            Ok(())
        };
        let count = differences(tree(left).into_iter(), tree(right).into_iter(), each).unwrap();
        assert_eq!(found.join(" "), expected, "{left} | {right}");
        assert_eq!(count, found.len() as u64);
    }

    #[test]
    fn finds_what_is_new_gone_and_changed() {
        check("", "", "");
        check("a=755 b=755", "a=755 b=755", "");
        check("a=755 c=755", "b=755 c=700", "x-a -xb xxc");
        check("a=755", "", "x-a");
        check("", "a=755 b=755", "-xa -xb");
    }

    #[test]
    fn times_count_where_both_sides_keep_them() {
        check("a=755+1", "a=755+2", "xxa");
        check("a=755+1", "a=755", "");
        check("a=755", "a=755+2", "");
        check("a=755+1", "a=700", "xxa");
    }
}
