//! What becomes of a change that was not synced: it is there, or not, or torn, or zeros.

use std::sync::Arc;

use super::crash::CrashKind;

/// A change of a file's bytes.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    SetLen(usize),
    /// What somebody else made of the whole file.
    Replace(Arc<Vec<u8>>),
}

/// Changes the bytes of a file.
pub(super) fn change(file: &mut Arc<Vec<u8>>, edit: &Edit) {
    match edit {
        Edit::Write { offset, bytes: new } => {
            let bytes = Arc::make_mut(file);
            let end = offset + new.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(new);
        }
        Edit::SetLen(length) => Arc::make_mut(file).resize(*length, 0),
        Edit::Replace(bytes) => *file = Arc::clone(bytes),
    }
}

/// What became of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    Lost,
    /// The file has its length, and zeros where it grew.
    Zeros,
    /// Only so much of a write is there.
    Torn(usize),
}

impl Fate {
    /// Returns what is left of an edit of a file that has these bytes.
    pub(super) fn of(self, edit: &Edit, there: &[u8]) -> Option<Edit> {
        match (self, edit) {
            (Self::Lost, _) => None,
            (Self::Kept, _) | (_, Edit::SetLen(_) | Edit::Replace(_)) => Some(edit.clone()),
            (Self::Zeros, Edit::Write { offset, bytes }) => {
                // What was overwritten in place is as it was, for no file system puts zeros where bytes were.
                let mut left = vec![0; bytes.len()];
                if let Some(old) = there.get(*offset..) {
                    let kept = old.len().min(left.len());
                    left[..kept].copy_from_slice(&old[..kept]);
                }
                Some(Edit::Write { offset: *offset, bytes: left })
            }
            (Self::Torn(cut), Edit::Write { offset, bytes }) => {
                Some(Edit::Write { offset: *offset, bytes: bytes[..cut].to_vec() })
            }
        }
    }
}

/// Decides the fate of one change after the other: by rule, by the bits of a set, or by a small generator
/// (SplitMix64).
pub(super) struct Fates {
    kind: CrashKind,
    state: u64,
}

impl Fates {
    pub(super) fn new(kind: CrashKind) -> Self {
        let state = match kind {
            CrashKind::PowerCut { seed } => seed,
            CrashKind::Subset { kept, .. } => kept,
            CrashKind::Kill | CrashKind::KillInWrite => 0,
        };
        Self { kind, state }
    }

    /// Decides as of which moment there is what others wrote.
    pub(super) fn moment(&mut self, oldest: usize, last: usize) -> usize {
        match self.kind {
            CrashKind::Subset { behind: true, .. } => oldest,
            CrashKind::PowerCut { seed } if seed > 3 => last - self.number(last + 1 - oldest),
            CrashKind::Kill
            | CrashKind::KillInWrite
            | CrashKind::PowerCut { .. }
            | CrashKind::Subset { .. } => last,
        }
    }

    pub(super) fn entry(&mut self) -> Fate {
        match self.kind {
            CrashKind::Kill | CrashKind::KillInWrite | CrashKind::PowerCut { seed: 1..=3 } => Fate::Kept,
            CrashKind::PowerCut { seed: 0 } => Fate::Lost,
            CrashKind::PowerCut { .. } => whole(self.number(2) == 0),
            CrashKind::Subset { .. } => whole(self.bit()),
        }
    }

    pub(super) fn edit(&mut self, edit: &Edit) -> Fate {
        match self.kind {
            CrashKind::Kill | CrashKind::KillInWrite | CrashKind::PowerCut { seed: 3 } => Fate::Kept,
            CrashKind::PowerCut { seed: 0 | 1 } => Fate::Lost,
            CrashKind::PowerCut { seed: 2 } => Fate::Zeros,
            CrashKind::PowerCut { .. } => match self.number(4) {
                0 => Fate::Kept,
                1 => Fate::Lost,
                2 => Fate::Zeros,
                _ => match edit {
                    Edit::Write { bytes, .. } => Fate::Torn(self.number(bytes.len() + 1)),
                    Edit::SetLen(_) | Edit::Replace(_) => Fate::Kept,
                },
            },
            CrashKind::Subset { .. } => whole(self.bit()),
        }
    }

    fn bit(&mut self) -> bool {
        let bit = self.state & 1 == 1;
        self.state >>= 1;
        bit
    }

    fn number(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (below.max(1) as u64)).unwrap_or(0)
    }
}

const fn whole(is_there: bool) -> Fate {
    if is_there { Fate::Kept } else { Fate::Lost }
}
