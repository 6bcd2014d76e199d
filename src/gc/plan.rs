//! The plan and its name (store-layout.md, "Plans").

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use uuid::Uuid;

use crate::env::Timestamp;
use crate::identity::{Blake3, ContentAddress};
use crate::manifest::cbor::{Encoder, INTEGER_MAX};
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
/// Both numbers are whole, not negative, and at most 2^53-1, where the integers of canonical CBOR end.
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
            let in_bounds = u64::try_from(name.instant.as_micros()).is_ok_and(|micros| micros <= INTEGER_MAX)
                && name.min_age_seconds <= INTEGER_MAX;
            // One spelling only: no signs, no leading zeros, lower case.
            (in_bounds && name.to_string() == text).then_some(name)
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

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: Uuid = Uuid::from_u128(0x0011_2233_4455_4677_8899_aabb_ccdd_eeff);

    fn candidate(text: &str, size_bytes: u64, reason: Reason) -> Candidate {
        Candidate { address: Blake3::of(text.as_bytes()), size_bytes, reason }
    }

    fn four() -> Vec<Candidate> {
        let sizes = [0, 23, 24, INTEGER_MAX];
        Reason::ALL.iter().zip(sizes).map(|(&reason, size)| candidate(reason.name(), size, reason)).collect()
    }

    #[track_caller]
    fn check(instant: i64, min_age: u64, objects: Vec<Candidate>, digest: &str) {
        let plan = Plan::new(STORE, Timestamp::from_micros(instant), min_age, objects);
        assert_eq!(plan.name().to_string(), format!("{instant}-{min_age}-{digest}"));
    }

    /// The digests were computed by `tests/reader`, which tests itself against the same ones.
    #[test]
    fn the_name_is_what_an_independent_reader_makes_of_it() {
        // store-layout.md 18.1, 18.2
        check(0, 0, Vec::new(), "c136dcdbe393e85e276689434761a5d1fff6b3d1b6411910a2f650134decd643");
        let digest = "e51c23602dc9f9fffac6a315cda7237b0f3c6acdaae1dfe5bada42a9a4e39aa8";
        check(1_700_000_000_000_000, 86_400, four(), digest);
        // Longer than a piece of what is hashed.
        let many = (0..3000_u64).zip(Reason::ALL.into_iter().cycle());
        let many = many.map(|(n, reason)| candidate(&n.to_string(), n * n, reason)).collect();
        let digest = "530c4db5eda299443d1cb4fedf2db169fbc0a97bbc3931ac7e38e79d85e8aa46";
        check((1 << 53) - 1, INTEGER_MAX, many, digest);
    }

    #[test]
    fn a_plan_is_the_same_in_whatever_order_its_objects_come() {
        let at = Timestamp::from_micros(1);
        let plan = Plan::new(STORE, at, 0, four());
        assert!(plan.objects().is_sorted_by_key(|object| object.address));
        assert_eq!(plan.bytes(), 23 + 24 + INTEGER_MAX);
        let mut turned = four();
        for _ in 0..4 {
            turned.rotate_left(1);
            assert_eq!(Plan::new(STORE, at, 0, turned.clone()), plan);
        }
        turned.reverse();
        assert_eq!(Plan::new(STORE, at, 0, turned), plan);
    }

    #[test]
    fn everything_but_the_instant_is_in_the_digest() {
        let digest = |store, micros, min_age, objects| {
            Plan::new(store, Timestamp::from_micros(micros), min_age, objects).name().digest
        };
        let same = digest(STORE, 5, 60, four());
        assert_eq!(digest(STORE, 6, 60, four()), same);
        assert_ne!(digest(Uuid::nil(), 5, 60, four()), same);
        assert_ne!(digest(STORE, 5, 61, four()), same);
        assert_ne!(digest(STORE, 5, 60, four().split_off(1)), same);
        let changed = |change: fn(&mut Candidate)| {
            let mut objects = four();
            change(&mut objects[1]);
            digest(STORE, 5, 60, objects)
        };
        assert_ne!(changed(|object| object.size_bytes += 1), same);
        assert_ne!(changed(|object| object.reason = Reason::Removed), same);
        assert_ne!(changed(|object| object.address = Blake3::of(b"another")), same);
    }

    #[test]
    fn a_name_has_one_spelling() {
        let digest = Blake3::of(b"a plan").to_string();
        for numbers in ["0-0", "1700000000000000-86400", "9007199254740991-9007199254740991"] {
            let text = format!("{numbers}-{digest}");
            assert_eq!(text.parse::<PlanName>().map(|name| name.to_string()), Ok(text));
        }
        let upper = digest.to_uppercase();
        let bad = [
            "",
            "-",
            "1-0",
            &digest,
            &format!("1-0-{}", &digest[1..]),
            &format!("1-0-{digest}0"),
            &format!("1-0-{upper}"),
            &format!("1-0-blake3:{digest}"),
            &format!("1-0-{digest} "),
            &format!(" 1-0-{digest}"),
            &format!("1--{digest}"),
            &format!("-0-{digest}"),
            &format!("-1-0-{digest}"),
            &format!("+1-0-{digest}"),
            &format!("1-+0-{digest}"),
            &format!("01-0-{digest}"),
            &format!("1-00-{digest}"),
            &format!("1_0-0-{digest}"),
            &format!("1.0-0-{digest}"),
            &format!("1-0-0-{digest}"),
            &format!("1-9007199254740992-{digest}"),
            &format!("9007199254740992-0-{digest}"),
            &format!("18446744073709551616-0-{digest}"),
            &format!("1-18446744073709551616-{digest}"),
        ];
        for text in bad {
            let error = text.parse::<PlanName>().expect_err(text);
            assert_eq!(error.text, text);
        }
    }
}
