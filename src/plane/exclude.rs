//! Globs of what to leave out.
//!
//! A glob is held against the stored path and against its last component. One that begins with `/` is held
//! against the whole path only; one that ends with `/` leaves out directories only. `*` does not cross a
//! slash, `**` does. What is beneath an excluded directory is not looked at.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use super::ingest::IngestError;

#[derive(Clone, Copy, Debug)]
struct Rule {
    whole_path_only: bool,
    directories_only: bool,
}

/// What a walk leaves out.
#[derive(Debug)]
pub(super) struct Excludes {
    globs: GlobSet,
    rules: Vec<Rule>,
}

impl Excludes {
    pub(super) fn new(patterns: &[String]) -> Result<Self, IngestError> {
        let bad = |pattern: &str, source| IngestError::Exclude { pattern: pattern.to_owned(), source };
        let mut globs = GlobSetBuilder::new();
        let mut rules = Vec::new();
        for pattern in patterns {
            let text = pattern.strip_prefix('/').unwrap_or(pattern);
            let bare = text.strip_suffix('/').unwrap_or(text);
            let rule = Rule { whole_path_only: text != pattern, directories_only: bare != text };
            let glob = GlobBuilder::new(bare).literal_separator(true).build();
            globs.add(glob.map_err(|error| bad(pattern, error))?);
            rules.push(rule);
        }
        let globs = globs.build().map_err(|error| bad(&patterns.join(" "), error))?;
        Ok(Self { globs, rules })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns whether the entry at this stored path is left out.
    pub(super) fn matches(&self, path: &[u8], is_directory: bool) -> bool {
        if self.is_empty() {
            return false;
        }
        let name = path.iter().rposition(|&byte| byte == b'/').map_or(path, |slash| &path[slash + 1..]);
        let hit = |bytes: &[u8], admits: &dyn Fn(&Rule) -> bool| {
            let candidate = Candidate::new(OsStr::from_bytes(bytes));
            self.globs.matches_candidate(&candidate).into_iter().any(|nth| {
                let rule = &self.rules[nth];
                admits(rule) && (is_directory || !rule.directories_only)
            })
        };
        hit(path, &|_| true) || hit(name, &|rule| !rule.whole_path_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, directory: bool, matching: &[&[u8]], others: &[&[u8]]) {
        let excludes = Excludes::new(&[pattern.to_owned()]).unwrap();
        for path in matching {
            assert!(excludes.matches(path, directory), "{pattern} should match {path:?}");
        }
        for path in others {
            assert!(!excludes.matches(path, directory), "{pattern} should not match {path:?}");
        }
    }

    #[test]
    fn matches_the_path_or_its_last_component() {
        check("*.o", false, &[b"a.o", b"x/y/a.o", b"x/\xff.o"], &[b"a.c", b"a.o/x"]);
        check("build", false, &[b"build", b"x/build"], &[b"build/x", b"builds"]);
        check("x/*.c", false, &[b"x/a.c"], &[b"y/x/a.c", b"x/y/a.c"]);
        check("x/**", false, &[b"x/a", b"x/y/a"], &[b"x"]);
        check("/top", false, &[b"top"], &[b"x/top"]);
        check("d/", false, &[], &[b"d", b"x/d"]);
        check("d/", true, &[b"d", b"x/d"], &[]);
        check("{a,b}.[ch]", false, &[b"a.c", b"b.h"], &[b"c.c"]);
        assert!(Excludes::new(&["a[".to_owned()]).is_err());
    }
}
