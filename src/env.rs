//! What an operation takes from the world besides its arguments: the instant, new ids, and who asks.
//!
//! An operation reads its [`Env`] once, at the top; below that an instant is an argument. Tests hand in a
//! fixed one, and every run is the same run.

use std::fmt;
use std::sync::Arc;
#[cfg(any(test, feature = "testing"))]
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// An instant: microseconds since the Unix epoch, UTC, as the clock read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Takes microseconds since the Unix epoch for an instant.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC with microseconds, or the bare number where no calendar reaches.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// Where instants and chance come from.
#[derive(Debug)]
enum Source {
    System,
    #[cfg(any(test, feature = "testing"))]
    Fixed {
        start: i64,
        step: i64,
        read: AtomicU64,
        ids: AtomicU64,
    },
    #[cfg(any(test, feature = "testing"))]
    Set(Arc<TestClock>),
}

/// A clock that stands still until a test sets it, for as many [`Env`]s as are made of it. Their ids count on from
/// one to the other.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
pub struct TestClock {
    now: AtomicI64,
    ids: AtomicU64,
}

#[cfg(any(test, feature = "testing"))]
impl TestClock {
    /// Makes a clock that reads `now`.
    pub fn new(now: Timestamp) -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(now.as_micros()), ids: AtomicU64::new(0) })
    }

    /// Returns what it reads.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    /// Sets it, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.as_micros(), Ordering::SeqCst);
    }
}

/// The clock, the source of ids, and the actor that events name. Clones are the same clock and the same source.
#[derive(Clone, Debug)]
pub struct Env {
    source: Arc<Source>,
    actor: String,
}

impl Env {
    /// Uses the machine's clock and chance. `actor` is who the events say did it: a claim, not a proof.
    pub fn system(actor: impl Into<String>) -> Self {
        Self { source: Arc::new(Source::System), actor: actor.into() }
    }

    /// Uses a clock that starts at `start` and goes on by `step_micros` each time it is read, and ids that
    /// count from 1.
    #[cfg(any(test, feature = "testing"))]
    pub fn fixed(actor: impl Into<String>, start: Timestamp, step_micros: i64) -> Self {
        let source = Source::Fixed {
            start: start.as_micros(),
            step: step_micros,
            read: AtomicU64::new(0),
            ids: AtomicU64::new(0),
        };
        Self { source: Arc::new(source), actor: actor.into() }
    }

    /// Uses a clock that a test sets.
    #[cfg(any(test, feature = "testing"))]
    pub fn on_clock(actor: impl Into<String>, clock: Arc<TestClock>) -> Self {
        Self { source: Arc::new(Source::Set(clock)), actor: actor.into() }
    }

    /// Returns who asks.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Reads the clock.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Timestamp {
        match &*self.source {
            Source::System => {
                let now = SystemTime::now();
                let micros = match now.duration_since(UNIX_EPOCH) {
                    Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
                    Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
                };
                Timestamp(micros)
            }
            #[cfg(any(test, feature = "testing"))]
            Source::Fixed { start, step, read, .. } => {
                let nth = i64::try_from(read.fetch_add(1, Ordering::Relaxed)).unwrap_or(i64::MAX);
                Timestamp(start.saturating_add(step.saturating_mul(nth)))
            }
            #[cfg(any(test, feature = "testing"))]
            Source::Set(clock) => clock.now(),
        }
    }

    /// Returns a new UUIDv7 (RFC 9562 §5.7) of this instant, for a package.
    pub fn package_id(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_micros()).unwrap_or(0) / 1000;
        let random = match &*self.source {
            Source::System => *Uuid::new_v4().as_bytes(),
            #[cfg(any(test, feature = "testing"))]
            Source::Fixed { .. } | Source::Set(_) => self.counted(),
        };
        let mut tail = [0; 10];
        tail.copy_from_slice(&random[6..]);
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }

    /// Returns a new UUIDv4 (RFC 9562 §5.4): for a store, and for an operation that needs a name of its own.
    pub fn random_id(&self) -> Uuid {
        match &*self.source {
            Source::System => Uuid::new_v4(),
            #[cfg(any(test, feature = "testing"))]
            Source::Fixed { .. } | Source::Set(_) => {
                uuid::Builder::from_random_bytes(self.counted()).into_uuid()
            }
        }
    }

    #[cfg(any(test, feature = "testing"))]
    fn counted(&self) -> [u8; 16] {
        let ids = match &*self.source {
            Source::System => return [0; 16],
            Source::Fixed { ids, .. } => ids,
            Source::Set(clock) => &clock.ids,
        };
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&(ids.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_env_repeats_itself() {
        let env = Env::fixed("a@b", Timestamp::from_micros(1_000_000), 5);
        assert_eq!((env.now(), env.now()), (Timestamp(1_000_000), Timestamp(1_000_005)));
        assert_eq!(env.random_id().to_string(), "00000000-0000-4000-8000-000000000001");
        assert_eq!(env.package_id(env.now()).get_version_num(), 7);
    }

    #[test]
    fn a_clock_that_is_set_is_the_same_for_all_who_have_it() {
        let clock = TestClock::new(Timestamp(5));
        let (one, other) = (Env::on_clock("a@b", clock.clone()), Env::on_clock("c@d", clock.clone()));
        clock.set(Timestamp(3));
        assert_eq!((one.now(), other.now()), (Timestamp(3), Timestamp(3)));
        assert_ne!(one.random_id(), other.random_id());
    }

    #[test]
    fn instants_print_in_utc() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), "9223372036854775807us");
    }
}
