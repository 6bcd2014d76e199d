//! What would put a fault right: a fact about the store. How that is said is for whoever says it.

use std::path::PathBuf;

/// What it would take to put a fault right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same content, added again; the harms of the fault say where it was added from.
    AddAgain,
    /// A verify that records the fault, and then the same content, added again: nothing tells an `add` before that the
    /// bytes are wrong.
    RecordThenAdd,
    /// The mode of this file, relative to the root, set to that of an object; or the same content, added again.
    SetMode(PathBuf),
    /// `recover`: the store has all of it, elsewhere.
    Recover,
    /// `replay`: the events say it all.
    Replay,
    /// Nothing: the next command that writes puts it right.
    NextWrite,
    /// A person, who says which of two histories is the true one.
    Choose,
    /// The description of the root moved aside, and `recover`, which writes it again from the log.
    NewConfig,
    /// This file, relative to the root, moved out of the store; it may be the only copy of what it holds.
    MoveAway(PathBuf),
    /// A look at the disk and at the permissions of what cannot be read.
    SeeToDisk,
    /// This file, relative to the root, put back from a backup: the store has it nowhere else.
    Backup(PathBuf),
    /// Nothing does: the log holds what cannot be.
    Nothing,
}

impl Remedy {
    /// Returns the word that documents use.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AddAgain => "add",
            Self::RecordThenAdd => "verify-and-add",
            Self::SetMode(_) => "set-mode",
            Self::Recover => "recover",
            Self::Replay => "replay",
            Self::NextWrite => "next-write",
            Self::Choose => "choose",
            Self::NewConfig => "new-config",
            Self::MoveAway(_) => "move-away",
            Self::SeeToDisk => "see-to-disk",
            Self::Backup(_) => "backup",
            Self::Nothing => "nothing",
        }
    }
}
