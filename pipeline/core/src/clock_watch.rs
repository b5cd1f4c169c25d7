//! Notices that the wall clock was set, by comparing it with the monotonic clock.

use std::time::Duration;

use crate::time::{Monotonic, WallTime, rough};

/// Difference between the two clocks' progress that counts as a step, besides the rate's error.
const STEP: Duration = Duration::from_millis(500);
/// Expected error of the clocks' rates. NTP corrects small errors by as much.
const RATE_ERROR_PPM: u32 = 500;
/// The clocks are compared from the last step on, and at most from this long ago.
const COMPARED_OVER: Duration = Duration::from_secs(600);

/// The wall clock was set, or the machine slept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStep {
    /// Wall time minus what it would be without the step, in milliseconds: positive for forward.
    pub by_ms: i64,
}

impl std::fmt::Display for ClockStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let by = rough(Duration::from_millis(self.by_ms.unsigned_abs()));
        write!(f, "the clock was set {by} {}", if self.by_ms < 0 { "back" } else { "forward" })
    }
}

/// Compares a machine's two clocks: a pure function of the times that it is given.
#[derive(Debug)]
pub struct ClockWatch {
    /// Both clocks, when the comparison began.
    reference: (Monotonic, WallTime),
    /// When the wall clock was last set, or the watch began.
    steady_since: Monotonic,
    steps: u64,
}

impl ClockWatch {
    /// Begins to watch.
    pub fn new(now: Monotonic, wall: WallTime) -> Self {
        Self { reference: (now, wall), steady_since: now, steps: 0 }
    }

    /// Compares the clocks. Returns a step once, when it is first seen.
    pub fn observe(&mut self, now: Monotonic, wall: WallTime) -> Option<ClockStep> {
        let (since, was) = self.reference;
        let passed = now.since(since);
        let expected = was + passed;
        let is_step = expected.distance(wall) > STEP + passed * RATE_ERROR_PPM / 1_000_000;
        if is_step || passed >= COMPARED_OVER {
            self.reference = (now, wall);
        }
        if !is_step {
            return None;
        }
        self.steady_since = now;
        self.steps += 1;
        Some(ClockStep { by_ms: wall.unix_millis().saturating_sub(expected.unix_millis()) })
    }

    /// Steps seen so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How long the two clocks have agreed.
    pub fn steady_for(&self, now: Monotonic) -> Duration {
        now.since(self.steady_since)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON_MS: i64 = 1_790_000_000_000;

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    fn wall(ms: i64) -> WallTime {
        WallTime::from_unix_nanos((NOON_MS + ms) * 1_000_000)
    }

    #[test]
    fn a_step_is_reported_once_with_its_size() {
        let mut watch = ClockWatch::new(at(0), wall(0));
        assert_eq!(watch.observe(at(1000), wall(1000)), None);
        let step = watch.observe(at(2000), wall(2000 - 28_800_000)).expect("a step");
        assert_eq!(step.to_string(), "the clock was set 8.0 h back");
        assert_eq!(watch.observe(at(3000), wall(3000 - 28_800_000)), None);
        assert_eq!((watch.steps(), watch.steady_for(at(3000))), (1, Duration::from_secs(1)));
        let step = watch.observe(at(4000), wall(4000)).expect("a step");
        assert_eq!(step.to_string(), "the clock was set 8.0 h forward");
    }

    #[test]
    fn a_clock_that_is_slewed_fast_counts_as_set() {
        let mut watch = ClockWatch::new(at(0), wall(0));
        // chrony corrects up to 8.3 %.
        let steps = (1..120).filter(|s| watch.observe(at(s * 1000), wall(*s as i64 * 1083)).is_some()).count();
        assert!(steps > 5, "{steps}");
        assert!(watch.steady_for(at(119_000)) < Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn a_clock_that_drifts_is_steady(ppm in -500i64..=500, gaps in prop::collection::vec(1u64..60_000, 1..200)) {
            let (mut watch, mut now) = (ClockWatch::new(at(0), wall(0)), 0);
            for gap in gaps {
                now += gap;
                prop_assert_eq!(watch.observe(at(now), wall(now as i64 + now as i64 * ppm / 1_000_000)), None);
            }
            prop_assert_eq!(watch.steady_for(at(now)), Duration::from_millis(now));
        }

        #[test]
        fn every_step_of_two_seconds_is_seen(
            steps in prop::collection::vec((0u64..1_200_000, prop_oneof![2000i64..1 << 40, -(1i64 << 40)..-2000]), 1..20),
        ) {
            let (mut watch, mut now, mut off) = (ClockWatch::new(at(0), wall(0)), 0, 0);
            for (gap, by) in steps {
                now += gap;
                off = (off + by) % (1 << 41);
                let before = watch.reference.1.unix_millis() - NOON_MS - watch.reference.0.since_start().as_millis() as i64;
                let seen = watch.observe(at(now), wall(now as i64 + off));
                prop_assert_eq!(seen.map(|step| step.by_ms), Some(off - before));
            }
        }
    }
}
