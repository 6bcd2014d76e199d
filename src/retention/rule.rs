//! The rule: which packages are wanted, and what becomes of an object at an instant (design §9).

use std::fmt;
use std::time::Duration;

use crate::env::Timestamp;

/// Why an object may go. Of several the first in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A package that holds it was removed.
    Removed,
    /// A package that holds it expired.
    Expired,
    /// An add stored it, and it is in no package.
    Stored,
    /// A file that no event names.
    Unrecorded,
}

impl Reason {
    /// Every reason, the first that counts first.
    pub const ALL: [Self; 4] = [Self::Removed, Self::Expired, Self::Stored, Self::Unrecorded];

    /// Returns the word that plans, events and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Expired => "expired",
            Self::Stored => "stored",
            Self::Unrecorded => "unrecorded",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When a package expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    #[default]
    Never,
    /// At this instant.
    At(Timestamp),
    /// A gc took an object of it because it had expired: it stays so, even by a clock that was set back.
    Taken,
}

/// What bears on whether a package is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// It is finalised. An open package does not expire.
    pub finalized: bool,
    /// It was removed.
    pub removed: bool,
    /// When it expires.
    pub expiry: Expiry,
    /// A pin or a hold stands on it.
    pub kept: bool,
}

/// What a package does for its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It is there, and keeps them.
    Present,
    /// It is removed or expired, and a pin or a hold keeps them.
    Kept,
    /// Nothing of it keeps them, for this reason: [`Reason::Removed`] or [`Reason::Expired`].
    Gone(Reason),
}

/// Says what a package does for its objects at an instant.
pub fn wanted(claim: &Claim, at: Timestamp) -> Wanted {
    let expired = claim.finalized
        && match claim.expiry {
            Expiry::Never => false,
            Expiry::At(instant) => instant <= at,
            Expiry::Taken => true,
        };
    match (claim.removed, expired) {
        (false, false) => Wanted::Present,
        _ if claim.kept => Wanted::Kept,
        (true, _) => Wanted::Gone(Reason::Removed),
        (false, true) => Wanted::Gone(Reason::Expired),
    }
}

/// What bears on an object that is not part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// A package that is there holds it.
    pub wanted: bool,
    /// A pin or a hold reaches it.
    pub kept: bool,
    /// Why it may go if neither is so.
    pub reason: Reason,
    /// When it was last named or let go.
    pub since: Timestamp,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A package holds it.
    Stays,
    /// Only a pin or a hold keeps it.
    Kept,
    /// Nothing keeps it but its age, until this instant.
    Young(Timestamp),
    /// It may go.
    Collectable(Reason),
}

/// Decides what becomes of an object at an instant, where objects stay for `min_age` after they were let go.
pub fn fate(facts: &ObjectFacts, at: Timestamp, min_age: Duration) -> Fate {
    if facts.wanted {
        return Fate::Stays;
    }
    if facts.kept {
        return Fate::Kept;
    }
    let age = i64::try_from(min_age.as_micros()).unwrap_or(i64::MAX);
    let until = Timestamp::from_micros(facts.since.as_micros().saturating_add(age));
    if until <= at { Fate::Collectable(facts.reason) } else { Fate::Young(until) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn a_package_is_wanted_until_it_is_removed_or_expires() {
        let open = Claim { expiry: Expiry::At(at(5)), ..Claim::default() };
        assert_eq!(wanted(&open, at(9)), Wanted::Present, "an open package does not expire");
        let finalized = Claim { finalized: true, ..open };
        assert_eq!(wanted(&finalized, at(4)), Wanted::Present);
        assert_eq!(wanted(&finalized, at(5)), Wanted::Gone(Reason::Expired));
        let removed = Claim { removed: true, ..finalized };
        assert_eq!(wanted(&removed, at(5)), Wanted::Gone(Reason::Removed), "removed comes first");
        let taken = Claim { expiry: Expiry::Taken, ..finalized };
        assert_eq!(wanted(&taken, at(4)), Wanted::Gone(Reason::Expired), "the clock was set back");
        assert_eq!(wanted(&Claim { kept: true, ..removed }, at(5)), Wanted::Kept);
        assert_eq!(wanted(&Claim { kept: true, ..finalized }, at(4)), Wanted::Present);
    }

    #[test]
    fn an_object_goes_when_nothing_keeps_it_for_long_enough() {
        let facts = ObjectFacts { wanted: false, kept: false, reason: Reason::Stored, since: at(10) };
        let age = Duration::from_micros(5);
        assert_eq!(fate(&facts, at(14), age), Fate::Young(at(15)));
        assert_eq!(fate(&facts, at(15), age), Fate::Collectable(Reason::Stored));
        assert_eq!(fate(&facts, at(9), Duration::ZERO), Fate::Young(at(10)), "let go after the instant");
        assert_eq!(fate(&ObjectFacts { kept: true, ..facts }, at(99), age), Fate::Kept);
        assert_eq!(fate(&ObjectFacts { kept: true, wanted: true, ..facts }, at(99), age), Fate::Stays);
        let forever = Duration::from_secs(u64::MAX);
        assert_eq!(fate(&facts, at(i64::MAX - 1), forever), Fate::Young(at(i64::MAX)));
    }
}
