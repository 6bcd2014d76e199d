//! The store as a whole: how it is begun, what replay found, what it holds, how it is.

use std::path::PathBuf;

use uuid::Uuid;

use super::{Concern, LastVerify, PackageSummary, Purges};
use crate::env::Timestamp;
use crate::identity::Blake3;
use crate::retention::{Reason, RetentionClass};

/// How a store's root is opened to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sharing {
    /// 0700: the owner alone.
    #[default]
    Private,
    /// 02770: the group writes too, and what is made inside belongs to it.
    Shared,
}

/// What `init` is asked for.
#[derive(Clone, Debug, Default)]
pub struct InitRequest {
    /// Who may enter.
    pub sharing: Sharing,
    /// Classes beside the five seeded ones, or in their place where the name is the same.
    pub classes: Vec<RetentionClass>,
}

/// What `init` did.
#[derive(Clone, Debug)]
pub struct InitReport {
    /// The store's id.
    pub store_id: Uuid,
    /// Its root.
    pub root: PathBuf,
    /// Whether it was there before.
    pub existed: bool,
}

/// What `replay` did or would do.
#[derive(Clone, Debug)]
pub struct ReplayReport {
    /// Events read.
    pub events: u64,
    /// Events that this build does not know, by type.
    pub skipped: Vec<(String, u64)>,
    /// The digest of the views as replay computes them.
    pub view_digest: Blake3,
    /// The digest of the views as they were before, where this build can read them.
    pub view_digest_before: Option<Blake3>,
    /// The tables that differ, where `--check` compared them.
    pub differing: Vec<String>,
}

/// What the store holds.
#[derive(Clone, Debug)]
pub struct StatsReport {
    /// The store's id.
    pub store_id: Uuid,
    /// Its root.
    pub root: PathBuf,
    /// Events in the log.
    pub events: u64,
    /// Packages by state: open, finalised, removed.
    pub packages_open: u64,
    /// Finalised and not removed.
    pub packages_finalized: u64,
    /// Removed.
    pub packages_removed: u64,
    /// Objects whose bytes should be here.
    pub objects: u64,
    /// The sum of their sizes.
    pub object_bytes: u64,
    /// The sum of all files of all packages that are not removed: what it would be without deduplication.
    pub logical_bytes: u64,
    /// Objects ever purged and not stored again.
    pub purged_objects: u64,
    /// All that was ever purged.
    pub purges: Purges,
    /// The size of the database, the plain-file log and everything beside the objects, in bytes.
    pub overhead_bytes: u64,
    /// Packages by retention class: the class, how many, their bytes.
    pub classes: Vec<(String, u64, u64)>,
    /// The largest packages that are not removed, as `name@version` with the sum of all their files, the largest first:
    /// ten at most.
    pub largest: Vec<(String, u64)>,
    /// The months, as `2027-01`, in which packages that are not removed were made (UTC): how many, and their bytes. Months
    /// without any are left out; the oldest first.
    pub months: Vec<(String, u64, u64)>,
}

impl StatsReport {
    /// Returns what it saves at least that equal files are kept once. What no package holds any more counts against it.
    pub const fn saved_bytes(&self) -> u64 {
        self.logical_bytes.saturating_sub(self.object_bytes)
    }
}

/// What can be said of a store in no time.
#[derive(Clone, Debug)]
pub struct Glance {
    /// How many packages were ever made.
    pub packages_ever: u64,
    /// How many objects were ever named.
    pub objects_ever: u64,
    /// When it was looked at.
    pub at: Timestamp,
    /// How many packages were looked at, the newest; the following is said of those.
    pub looked_at: u64,
    /// How many of them are not removed.
    pub present: u64,
    /// The newest of them that is not removed.
    pub newest: Option<PackageSummary>,
    /// Those that are open, as `name@version`, the newest last.
    pub open: Vec<String>,
    /// Those that were removed after the last gc, or have expired and no gc took anything of them, and why.
    pub let_go: Vec<(String, Reason)>,
}

/// How the store is.
#[derive(Clone, Debug)]
pub struct HealthReport {
    /// The store's id.
    pub store_id: Uuid,
    /// Its root.
    pub root: PathBuf,
    /// The last event.
    pub head_sequence: u64,
    /// Its digest.
    pub head_digest: Blake3,
    /// Bytes that can still be written.
    pub free_bytes: u64,
    /// Whether this process may write.
    pub writable: bool,
    /// The last full verify that was recorded, in one run or in parts.
    pub last_verify: Option<LastVerify>,
    /// What an operator should look at; empty is well.
    pub concerns: Vec<Concern>,
    /// Whether one of them is damage.
    pub damage: bool,
}
