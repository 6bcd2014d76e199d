//! Exit codes: the numbers that scripts rely on, and what each of them says.

use astore::error::ErrorKind;

/// How a command ended, as the shell sees it. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything that was asked for is done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The request makes no sense as given.
    Usage = 2,
    /// Done, but for some inputs.
    Skipped = 3,
    /// Damage or loss was found.
    Damage = 4,
    /// A plan no longer holds, or was not confirmed.
    PlanGone = 5,
    /// Others hold the lock.
    Busy = 6,
    /// No such package or object.
    NotFound = 7,
    /// No store there.
    NoStore = 8,
    /// `diff` found differences.
    Different = 9,
    /// The object is evicted.
    Evicted = 10,
    /// The object was purged.
    Purged = 11,
    /// Verification is overdue.
    Overdue = 12,
    /// Ended by SIGINT with something left to do. A signal that comes when all is done changes nothing.
    Interrupted = 130,
    /// The same by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// Every code with what it means, in ascending order: the manual's table.
    pub(crate) const ALL: [(Self, &'static str); 15] = [
        (Self::Done, "done"),
        (Self::Failed, "failed: the system, the disk, or a limit was in the way"),
        (Self::Usage, "usage: the command line makes no sense, or a reference is ambiguous"),
        (Self::Skipped, "done, with some inputs skipped and listed"),
        (Self::Damage, "damage or loss was found"),
        (Self::PlanGone, "the plan no longer holds, or was not confirmed"),
        (Self::Busy, "busy: another process holds the lock for longer than --wait"),
        (Self::NotFound, "no such package, object, pin or schema"),
        (Self::NoStore, "no store there, or one of a format that this build does not know"),
        (Self::Different, "diff found differences"),
        (Self::Evicted, "the object is evicted: another backend holds it"),
        (Self::Purged, "the object was purged: the log says by whom, when and why"),
        (Self::Overdue, "verification is overdue (damage outranks it)"),
        (Self::Interrupted, "interrupted by SIGINT before all was done; the store is left clean"),
        (Self::Terminated, "ended by SIGTERM before all was done; the store is left clean"),
    ];

    /// Returns the number.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the word for it that documents use.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Skipped => "skipped",
            Self::Damage => "damage",
            Self::PlanGone => "plan-gone",
            Self::Busy => "busy",
            Self::NotFound => "not-found",
            Self::NoStore => "no-store",
            Self::Different => "different",
            Self::Evicted => "evicted",
            Self::Purged => "purged",
            Self::Overdue => "overdue",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    /// Chooses the code for a failure of the library. `Cancelled` is SIGINT's unless the caller knows better.
    pub(crate) const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Damage => Self::Damage,
            ErrorKind::Busy => Self::Busy,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::NoStore => Self::NoStore,
            ErrorKind::Purged => Self::Purged,
            ErrorKind::PlanGone => Self::PlanGone,
            ErrorKind::Cancelled => Self::Interrupted,
            ErrorKind::ClosedPipe => Self::Done,
            ErrorKind::Failed | _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_manual() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 130, 143]);
    }

    #[test]
    fn kinds_have_their_codes() {
        for (kind, code) in [
            (ErrorKind::Failed, 1),
            (ErrorKind::Usage, 2),
            (ErrorKind::Damage, 4),
            (ErrorKind::Busy, 6),
            (ErrorKind::NotFound, 7),
            (ErrorKind::NoStore, 8),
            (ErrorKind::Purged, 11),
            (ErrorKind::PlanGone, 5),
            (ErrorKind::Cancelled, 130),
            (ErrorKind::ClosedPipe, 0),
        ] {
            assert_eq!(Exit::of(kind).code(), code, "{kind:?}");
        }
    }
}
