//! The order of a manifest's paths: bytewise, unique, each below a directory that came before.

/// What is wrong with the place of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disorder {
    /// It is not above the path before it.
    Order,
    /// Its parent was not there as a directory.
    Parent,
}

/// Walks the paths in their order. Its memory does not grow with their number.
///
/// Paths that begin with the same bytes stand together. So of the directories that were seen, only those can
/// still be a parent whose bytes the last path begins with, and their lengths name them: `a`, `a-b`, `a/b` is
/// the order, and `a` is remembered across `a-b`.
#[derive(Default)]
pub(super) struct Order {
    last: Vec<u8>,
    /// Lengths of the directories that `last` begins with (itself among them), ascending; 4,096 at most, the
    /// length of a path.
    directories: Vec<usize>,
}

impl Order {
    /// Takes the next path; it must be a good one.
    pub(super) fn next(&mut self, path: &[u8], is_directory: bool) -> Result<(), Disorder> {
        let shared = self.last.iter().zip(path).take_while(|(last, next)| last == next).count();
        match (self.last.get(shared), path.get(shared)) {
            (None, Some(_)) => {}
            (Some(last), Some(next)) if last < next => {}
            _ => return Err(Disorder::Order),
        }
        while self.directories.last().is_some_and(|&len| len > shared) {
            self.directories.pop();
        }
        if let Some(parent) = path.iter().rposition(|&byte| byte == b'/')
            && self.directories.binary_search(&parent).is_err()
        {
            return Err(Disorder::Parent);
        }
        if is_directory {
            self.directories.push(path.len());
        }
        self.last.truncate(shared);
        self.last.extend_from_slice(&path[shared..]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn check(paths: &[(&str, bool)]) -> Result<(), (usize, Disorder)> {
        let mut order = Order::default();
        for (index, (path, is_directory)) in paths.iter().enumerate() {
            order.next(path.as_bytes(), *is_directory).map_err(|disorder| (index, disorder))?;
        }
        Ok(())
    }

    #[test]
    fn a_directory_is_remembered_across_its_longer_namesakes() {
        assert_eq!(
            check(&[("a", true), ("a-b", true), ("a-b/x", false), ("a/b", true), ("a/b/c", false)]),
            Ok(())
        );
        assert_eq!(check(&[("a", true), ("a!", false), ("a/b", false), ("b", false)]), Ok(()));
        assert_eq!(check(&[("a", false), ("a/b", false)]), Err((1, Disorder::Parent)));
        assert_eq!(check(&[("a/b", false)]), Err((0, Disorder::Parent)));
        assert_eq!(check(&[("a", true), ("b", false), ("b/c", false)]), Err((2, Disorder::Parent)));
        assert_eq!(check(&[("a", true), ("a", true)]), Err((1, Disorder::Order)));
        assert_eq!(check(&[("b", true), ("a", true)]), Err((1, Disorder::Order)));
        assert_eq!(check(&[("ab", true), ("a", true)]), Err((1, Disorder::Order)));
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_all_directories(
            paths in proptest::collection::vec(("[ab](-|/|)([ab](-|/|)){0,3}[ab]", any::<bool>()), 0..30),
            sorted in prop::bool::weighted(0.9),
        ) {
            let paths: Vec<(String, bool)> =
                if sorted { paths.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect() } else { paths };
            let mut order = Order::default();
            let mut seen: BTreeMap<&str, bool> = BTreeMap::new();
            for (path, is_directory) in &paths {
                let expected = match path.rsplit_once('/') {
                    _ if seen.last_key_value().is_some_and(|(last, _)| *last >= path.as_str()) => Err(Disorder::Order),
                    Some((parent, _)) if seen.get(parent) != Some(&true) => Err(Disorder::Parent),
                    _ => Ok(()),
                };
                prop_assert_eq!(order.next(path.as_bytes(), *is_directory), expected, "{}", path);
                // What was refused is left out, and the walk goes on as if it had not been there.
                if expected.is_ok() {
                    seen.insert(path, *is_directory);
                } else {
                    break;
                }
            }
        }
    }
}
