//! The tick of the kernel's file times.
//!
//! They move in steps, so a file that was changed within the present one might change once more, while it is
//! read, without showing it. Such a file is read in the next step.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::cache::FileTime;

/// The longest tick of any kernel's file times (`CONFIG_HZ=100`).
const TICK: Duration = Duration::from_millis(10);

/// Waits for the next tick of the file system's clock where a file was changed in this one.
///
/// Linux 6.13 and later show such a change by themselves on most file systems; older kernels do not.
pub(super) fn wait_out_the_tick(changed: FileTime) {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
    if is_within_a_tick(FileTime { seconds: now.tv_sec, nanoseconds }, changed) {
        std::thread::sleep(TICK * 2);
    }
}

/// Returns whether a file that is changed now might get the time that it has.
fn is_within_a_tick(now: FileTime, changed: FileTime) -> bool {
    // Differences of more than a few seconds are all the same here, so they may saturate.
    let seconds = now.seconds.saturating_sub(changed.seconds).clamp(-10, 10);
    let age_ns = seconds * 1_000_000_000 + i64::from(now.nanoseconds) - i64::from(changed.nanoseconds);
    let tick_ns = i64::from(TICK.subsec_nanos());
    // A change long in the future is a clock that was set; waiting would not help.
    (-tick_ns..=tick_ns).contains(&age_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_in_the_present_tick_is_waited_for() {
        let time = |nanoseconds: i64| FileTime {
            seconds: nanoseconds.div_euclid(1_000_000_000),
            nanoseconds: u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap(),
        };
        let now = 5_000_000_000;
        for (changed, waits) in [
            (now, true),
            (now - 1, true),
            (now + 9_000_000, true),
            (now - 10_000_000, true),
            (now - 10_000_001, false),
            (now + 10_000_001, false),
            (i64::MIN / 2, false),
            (i64::MAX / 2, false),
        ] {
            assert_eq!(is_within_a_tick(time(now), time(changed)), waits, "{changed}");
        }
        let far = FileTime { seconds: i64::MAX, nanoseconds: 0 };
        assert!(!is_within_a_tick(time(now), far) && !is_within_a_tick(far, time(now)));
    }
}
