//! The plan and its name (store-layout.md, "Plans").

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use uuid::Uuid;

use crate::env::Timestamp;
use crate::identity::{Blake3, ContentAddress};
use crate::manifest::cbor::Encoder;
use crate::retention::Reason;

/// An object that may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub address: Blake3,
    /// Its size in bytes; for a file that no event names, the file's.
    pub size_bytes: u64,
    /// Why.
    pub reason: Reason,
}

impl Candidate {
    /// Returns its content address.
    pub const fn content_address(&self) -> ContentAddress {
        ContentAddress::new(self.address)
    }
}

/// The name of a plan, `<instant>-<min-age>-<digest>`: the instant for which it was computed in microseconds, the
/// age in seconds, and BLAKE3 of the canonical CBOR array `[1, store id, min-age, [[address, size, reason], …]]`.
///
/// Neither the log's head nor the time of day is in the digest: what bears on no object of the plan does not
/// change its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlanName {
    /// The instant at which expiry and age are judged.
    pub instant: Timestamp,
    /// How long objects stay after they were let go, in whole seconds.
    pub min_age_seconds: u64,
    /// The digest of the content.
    pub digest: Blake3,
}

impl PlanName {
    /// Returns how long objects stay after they were let go.
    pub const fn min_age(&self) -> Duration {
        Duration::from_secs(self.min_age_seconds)
    }
}

impl fmt::Display for PlanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.instant.as_micros(), self.min_age_seconds, self.digest)
    }
}

/// A text is not the name of a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a plan: expected <instant>-<min-age>-<digest>, as gc prints it")]
pub struct ParsePlanNameError {
    /// The text.
    pub text: String,
}

impl FromStr for PlanName {
    type Err = ParsePlanNameError;

    fn from_str(text: &str) -> Result<Self, ParsePlanNameError> {
        let parse = || {
            let (instant, rest) = text.split_once('-')?;
            let (min_age, digest) = rest.split_once('-')?;
            let name = Self {
                instant: Timestamp::from_micros(instant.parse().ok()?),
                min_age_seconds: min_age.parse().ok()?,
                digest: digest.parse().ok()?,
            };
            // One spelling only: no signs, no leading zeros, lower case.
            (name.to_string() == text).then_some(name)
        };
        parse().ok_or_else(|| ParsePlanNameError { text: text.to_owned() })
    }
}

/// What a gc would take: every object of it, ascending by address, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    name: PlanName,
    objects: Vec<Candidate>,
    bytes: u64,
}

impl Plan {
    /// Makes the plan of these objects, in any order; each is there once.
    pub fn new(
        store_id: Uuid,
        instant: Timestamp,
        min_age_seconds: u64,
        mut objects: Vec<Candidate>,
    ) -> Self {
        objects.sort_unstable_by_key(|object| object.address);
        let bytes = objects.iter().fold(0_u64, |sum, object| sum.saturating_add(object.size_bytes));
        let digest = digest(store_id, min_age_seconds, &objects);
        Self { name: PlanName { instant, min_age_seconds, digest }, objects, bytes }
    }

    /// Returns its name.
    pub const fn name(&self) -> PlanName {
        self.name
    }

    /// Returns the objects, ascending by address.
    pub fn objects(&self) -> &[Candidate] {
        &self.objects
    }

    /// Returns the sum of their sizes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Hashes the canonical encoding in pieces: a plan of a million objects is never encoded as a whole.
fn digest(store_id: Uuid, min_age_seconds: u64, objects: &[Candidate]) -> Blake3 {
    const PIECE: usize = 64 * 1024;
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::with_capacity(PIECE + 128);
    Encoder::new(&mut bytes).array(4);
    Encoder::new(&mut bytes).uint(1);
    Encoder::new(&mut bytes).bytes(store_id.as_bytes());
    Encoder::new(&mut bytes).uint(min_age_seconds);
    Encoder::new(&mut bytes).array(objects.len());
    for object in objects {
        let mut out = Encoder::new(&mut bytes);
        out.array(3);
        out.bytes(object.address.as_bytes()).uint(object.size_bytes).text(object.reason.name());
        if bytes.len() >= PIECE {
            hasher.update(&bytes);
            bytes.clear();
        }
    }
    hasher.update(&bytes);
    Blake3::from_bytes(*hasher.finalize().as_bytes())
}
