//! What `verify` is asked for and what it answers; what `health` says of it.

use std::time::Duration;

use super::{Reference, Remedy};
use crate::env::Timestamp;
use crate::identity::{Blake3, ContentAddress};
use crate::manifest::EntryPath;

/// What `verify` is asked for.
#[derive(Clone, Debug, Default)]
pub struct VerifyRequest {
    /// Only what these packages hold; empty is everything.
    pub references: Vec<Reference>,
    /// How much is looked at.
    pub depth: VerifyDepth,
    /// How many threads read; `None` is one a processor.
    pub threads: Option<usize>,
    /// An event that the log must contain: its sequence and digest.
    pub head: Option<(u64, Blake3)>,
    /// Whether the result is recorded in the log.
    pub record: Recorded,
    /// Goes on where the last verify ended, and begins no further object after this time. It reads one object at
    /// least, and to its end what it has begun.
    pub budget: Option<Duration>,
    /// Goes on where the last verify ended, and reads this share of the objects. Whichever ends first counts, of this
    /// and the budget.
    pub sample: Option<Sample>,
    /// Tells what was not read for longer than this.
    pub max_age: Option<Duration>,
}

impl VerifyRequest {
    /// Returns whether it may end before every object is read.
    pub const fn is_part(&self) -> bool {
        self.budget.is_some() || self.sample.is_some()
    }
}

/// A share of the objects: more than nothing, at most all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    millionths: u32,
}

impl Sample {
    /// Takes millionths for a share, from 1 to a million: 50,000 are 5 %.
    pub const fn from_millionths(millionths: u32) -> Option<Self> {
        if millionths == 0 || millionths > 1_000_000 { None } else { Some(Self { millionths }) }
    }

    /// Returns how many of so many objects it is, rounded up.
    pub fn of(self, objects: u64) -> u64 {
        let share = (u128::from(objects) * u128::from(self.millionths)).div_ceil(1_000_000);
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

/// Whether a result goes into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Recorded {
    /// It does, where the store can be written.
    #[default]
    Yes,
    /// It does not.
    No,
}

/// How much verify looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum VerifyDepth {
    /// Names, sizes and the chain, without reading bytes.
    Quick,
    /// Every byte against its primary digest.
    #[default]
    Full,
    /// Every byte against both digests.
    Both,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, in one word of store-layout.md's list: `missing`, `truncated`, `altered`, `misnamed`,
    /// `foreign`, `wrong-mode`, `unreadable`, `chain`, `log`, `views`, `head`, …
    pub kind: String,
    /// The object, where it is about one.
    pub address: Option<ContentAddress>,
    /// The file, event or table that it is about, for people.
    pub subject: String,
    /// More, for people: expected and found.
    pub detail: String,
    /// The packages and paths that it harms.
    pub harms: Vec<Harm>,
    /// What would put it right.
    pub remedy: Remedy,
}

/// A path that a fault harms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harm {
    /// The package, as `name@version`.
    pub package: String,
    /// The path, or `None` where the whole package is harmed (its manifest).
    pub path: Option<EntryPath>,
}

/// What `verify` found.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// The last event when it began.
    pub head_sequence: u64,
    /// That event's digest.
    pub head_digest: Blake3,
    /// Objects looked at.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Events whose chain was checked.
    pub events: u64,
    /// What is wrong: exit 4 where there is any.
    pub faults: Vec<Fault>,
    /// What earlier verifies found, nobody has mended, and this one did not look at closely enough to say more: exit 4
    /// as well. Of a verify of packages, what concerns them.
    pub on_record: Vec<Fault>,
    /// What is worth knowing and not damage.
    pub notes: Vec<String>,
    /// The event that records the result, or why there is none.
    pub recorded: Result<u64, String>,
    /// What it covered, where it may have been a part.
    pub part: Option<VerifyPart>,
    /// What was not read for too long, where that was asked.
    pub overdue: Option<Overdue>,
}

impl VerifyReport {
    /// Returns whether nothing is wrong, as far as this verify and those before it know.
    pub const fn is_sound(&self) -> bool {
        self.faults.is_empty() && self.on_record.is_empty()
    }
}

/// The part of all keys that a verify covered, and how far the pass is that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyPart {
    /// The first address of it.
    pub first: ContentAddress,
    /// The last one.
    pub last: ContentAddress,
    /// The address with which the next part begins. `None` where this one ended the pass: then at the first of all.
    pub next: Option<ContentAddress>,
    /// When the first part of the pass ended; `None` where this is it.
    pub since: Option<Timestamp>,
    /// How many parts the pass has by now.
    pub parts: u64,
    /// Objects that are left to be read in this pass.
    pub objects_left: u64,
    /// The sum of their sizes.
    pub bytes_left: u64,
    /// Whether the views were compared with replay: the first part of a pass does that.
    pub views_compared: bool,
}

/// What was not read for too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// How long is not too long.
    pub max_age: Duration,
    /// How many objects.
    pub objects: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// That which waits longest: since when, read or stored, and which.
    pub oldest: Option<(Timestamp, ContentAddress)>,
}

/// The last verify of all keys that read bytes: one run, or the parts that together cover them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastVerify {
    /// When it, or its last part, ended.
    pub at: Timestamp,
    /// When its first part ended.
    pub since: Timestamp,
    /// How many parts it has.
    pub parts: u64,
    /// How many faults they found.
    pub faults: u64,
}
