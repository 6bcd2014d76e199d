//! A part of the keys: where a scan begins, when it ends, and which directories belong to it.

use std::time::Instant;

use crate::identity::Blake3;

/// Where a scan of a part begins and when it ends. It always covers one object, if there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    /// It begins after this key, or at the first one.
    pub after: Option<Blake3>,
    /// Nothing more is begun after this instant. What was begun is read to its end, however long it is.
    pub until: Option<Instant>,
    /// At most so many expected objects are looked at, and one at least.
    pub objects_max: Option<u64>,
}

impl Part {
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// Neighbouring keys: those after one of them, up to and with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) after: Option<Blake3>,
    pub(super) last: Blake3,
}

impl Bounds {
    /// Every key.
    pub(super) const ALL: Self = Self { after: None, last: Blake3::LAST };

    /// Those after a key, to the end.
    pub(super) const fn rest(after: Option<Blake3>) -> Self {
        Self { after, last: Blake3::LAST }
    }

    pub(super) fn contains(&self, key: &Blake3) -> bool {
        self.after.is_none_or(|after| *key > after) && *key <= self.last
    }

    /// Returns whether keys that begin so are among them: what a directory can hold.
    pub(super) fn meets(&self, beginning: &[u8]) -> bool {
        let begins_early = beginning <= &self.last.as_bytes()[..beginning.len()];
        begins_early && self.after.is_none_or(|after| beginning >= &after.as_bytes()[..beginning.len()])
    }

    /// Returns whether the first key that begins so is among them: of several scans that meet a directory, it is one
    /// that has to tell of what stands there under no key.
    pub(super) fn begins(&self, beginning: &[u8]) -> bool {
        let mut first = [0; 32];
        first[..beginning.len()].copy_from_slice(beginning);
        self.contains(&Blake3::from_bytes(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: &[u8]) -> Blake3 {
        let mut whole = [0; 32];
        whole[..bytes.len()].copy_from_slice(bytes);
        Blake3::from_bytes(whole)
    }

    #[test]
    fn of_two_neighbours_one_has_a_key_and_one_begins_a_directory() {
        let border = key(&[0x12, 0x34, 5]);
        let (left, right) = (Bounds { after: None, last: border }, Bounds::rest(Some(border)));
        for probe in [key(&[]), border, key(&[0x12, 0x34, 6]), key(&[0x12, 0x34]), Blake3::LAST] {
            assert_ne!(left.contains(&probe), right.contains(&probe), "{probe}");
        }
        assert!(Bounds::ALL.contains(&key(&[])) && Bounds::ALL.contains(&Blake3::LAST));
        for beginning in [&[0][..], &[0x12], &[0x13], &[0x12, 0x34], &[0x12, 0x35], &[0xff, 0xff]] {
            assert_ne!(left.begins(beginning), right.begins(beginning), "{beginning:?}");
        }
        // The directory with the border in it is met by both.
        assert!(left.meets(&[0x12]) && right.meets(&[0x12]));
        assert!(left.meets(&[0x12, 0x34]) && right.meets(&[0x12, 0x34]));
        assert!(left.meets(&[0x11]) && !right.meets(&[0x11]));
        assert!(!left.meets(&[0x12, 0x35]) && right.meets(&[0x12, 0x35]));
    }
}
