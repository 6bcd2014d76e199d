//! How fast something goes, and how long it will go on: judged by the last seconds, since what went before says little
//! of a cold cache or of another kind of file.

use std::collections::VecDeque;
use std::time::Duration;

/// How far it looks back.
const LOOK_BACK: Duration = Duration::from_secs(10);

/// Shorter than this it says nothing.
const LEAST: Duration = Duration::from_millis(500);

/// What was done by when, over the last seconds.
#[derive(Debug, Default)]
pub(super) struct Pace {
    seen: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// Notes how much was done at a time; times come in order.
    pub(super) fn note(&mut self, at: Duration, done: u64) {
        self.seen.push_back((at, done));
        // The oldest one that is kept is the last that is old enough.
        while self.seen.get(1).is_some_and(|(second, _)| at.saturating_sub(*second) >= LOOK_BACK) {
            self.seen.pop_front();
        }
    }

    /// Forgets everything: something else is being done now.
    pub(super) fn reset(&mut self) {
        self.seen.clear();
    }

    /// Returns how much is done in a second, once it can be told.
    pub(super) fn per_second(&self) -> Option<u64> {
        let ((from, before), (to, now)) = (self.seen.front()?, self.seen.back()?);
        let span = to.saturating_sub(*from);
        if span < LEAST {
            return None;
        }
        let rate = u128::from(now.saturating_sub(*before)) * 1_000_000 / span.as_micros();
        u64::try_from(rate).ok()
    }

    /// Returns how long it takes to do so much, at this pace; nothing where it stands still.
    pub(super) fn takes(&self, amount: u64) -> Option<Duration> {
        let rate = self.per_second().filter(|&rate| rate > 0)?;
        Some(Duration::from_secs(amount.div_ceil(rate)))
    }
}

/// Writes a time that is left: to the second below a minute, and with two units above an hour.
pub(super) fn left(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..600 => format!("{}m {}s", seconds / 60, seconds % 60),
        seconds @ 600..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..360_000 => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => "days".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(tenths: u64) -> Duration {
        Duration::from_millis(tenths * 100)
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let mut pace = Pace::default();
        pace.note(at(0), 0);
        pace.note(at(4), 4000);
        assert_eq!(pace.per_second(), None, "too early to tell");
        (1..=100).for_each(|tenth| pace.note(at(tenth), tenth * 1000));
        assert_eq!(pace.per_second(), Some(10_000));
        // Ten times as slow from now on: ten seconds later nothing is left of what was before.
        (1..=100).for_each(|tenth| pace.note(at(100 + tenth), 100_000 + tenth * 100));
        assert_eq!(pace.per_second(), Some(1_000));
        assert_eq!(pace.takes(60_500), Some(Duration::from_secs(61)));
        assert!(pace.seen.len() <= 102, "{}", pace.seen.len());
        // And nothing at all: nobody knows how long.
        (1..=101).for_each(|tenth| pace.note(at(200 + tenth), 110_000));
        assert_eq!((pace.per_second(), pace.takes(1)), (Some(0), None));
        pace.reset();
        assert_eq!(pace.per_second(), None);
    }

    #[test]
    fn what_is_left_is_told_roughly() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (83, "1m 23s"), (3599, "59m"), (7_260, "2h 1m"), (400_000, "days")]
        {
            assert_eq!(left(Duration::from_secs(seconds)), text);
        }
    }
}
