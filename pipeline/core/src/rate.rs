//! Limits a camera's frames to the rate at which they are analysed.

use std::time::Duration;

use crate::time::Monotonic;

/// A frame may replace one that was due at most this long ago.
const CATCH_UP_WITHIN: Duration = Duration::from_millis(500);

/// Admits frames on an even grid, so that the mean rate is exact whatever the camera's own rate is:
/// 10 of 25 frames a second come as every second or third frame, never as a burst after a gap. A
/// frame may come a quarter of an interval early, or a camera that is a little early would lose
/// every second frame.
///
/// Catch-up: a frame that was admitted and then superseded
/// ([`RateLimit::record_superseded`]) is replaced by the camera's very next frame. So are frames
/// that were due in a short gap, as where a decoder was held up. So a node that was held up for a
/// moment keeps its cameras' rate, and always with the newest frames.
#[derive(Debug, Clone)]
pub struct RateLimit {
    interval: Duration,
    due: Option<Monotonic>,
    /// Superseded frames that a later one may still replace.
    superseded: u32,
    /// Frames that were due in a short gap. They never come where the camera is slower than the
    /// rate.
    in_gap: u32,
    /// The most that either may be.
    most: u32,
    /// When either was last increased.
    increased_at: Option<Monotonic>,
    missed: u64,
}

impl RateLimit {
    /// At most `per_second` frames a second, above 0.
    pub fn new(per_second: f64) -> Self {
        Self::every(Duration::from_secs_f64(1.0 / per_second.max(1e-3)))
    }

    /// One frame every `interval`, above 0.
    pub fn every(interval: Duration) -> Self {
        let most = CATCH_UP_WITHIN.div_duration_f64(interval).round().max(1.0) as u32;
        Self { interval, due: None, superseded: 0, in_gap: 0, most, increased_at: None, missed: 0 }
    }

    /// True if the frame that arrived now is to be analysed. Ask once for each frame.
    pub fn admits(&mut self, now: Monotonic) -> bool {
        if self.increased_at.is_some_and(|at| now.since(at) > CATCH_UP_WITHIN) {
            self.missed += u64::from(std::mem::take(&mut self.superseded));
            self.in_gap = 0;
        }
        let Some(due) = self.due else {
            self.due = Some(now + self.interval);
            return true;
        };
        if now + self.interval / 4 < due {
            let catch_up = if self.superseded > 0 { &mut self.superseded } else { &mut self.in_gap };
            let is_catch_up = *catch_up > 0;
            *catch_up = catch_up.saturating_sub(1);
            return is_catch_up;
        }
        // Keep the grid, so that the mean rate is exact; after a gap start a new one.
        let late = now.since(due);
        if late < self.interval {
            self.due = Some(due + self.interval);
            return true;
        }
        self.due = Some(now + self.interval);
        if late <= CATCH_UP_WITHIN {
            let in_gap = late.div_duration_f64(self.interval) as u32;
            self.in_gap = (self.in_gap + in_gap).min(self.most);
            self.increased_at = Some(now);
        }
        true
    }

    /// An admitted frame was superseded now. A later frame replaces it, unless too many already
    /// wait to be replaced: then it is missed.
    pub fn record_superseded(&mut self, now: Monotonic) {
        self.increased_at = Some(now);
        if self.superseded < self.most {
            self.superseded += 1;
        } else {
            self.missed += 1;
        }
    }

    /// An admitted frame will not be analysed, and no later one is to replace it.
    pub fn record_missed(&mut self) {
        self.missed += 1;
    }

    /// Frames that were due and were neither analysed nor replaced by a later one.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    proptest! {
        #[test]
        fn the_mean_rate_is_exact(rate in 1f64..25.0, jitter in proptest::collection::vec(0u64..8, 500)) {
            let mut limit = RateLimit::new(rate);
            let passed = jitter.iter().enumerate().filter(|(i, j)| limit.admits(at(*i as u64 * 40 + **j))).count();
            let asked = 20.0 * rate;
            prop_assert!((passed as f64 - asked).abs() <= 2.0 + asked * 0.02, "{passed} passed of {asked} asked");
        }
    }

    #[test]
    fn superseded_frames_are_replaced_within_half_a_second() {
        let mut limit = RateLimit::new(10.0);
        let mut passed = |from: u64, to: u64, superseded: usize| {
            (0..superseded).for_each(|_| limit.record_superseded(at(40 * from)));
            ((from..to).filter(|i| limit.admits(at(40 * i))).collect::<Vec<_>>(), limit.missed())
        };
        assert_eq!(passed(0, 10, 0), (vec![0, 2, 5, 7], 0));
        assert_eq!(passed(10, 20, 2), (vec![10, 11, 12, 13, 15, 17], 0), "two more than without");
        assert_eq!(passed(20, 30, 9), (vec![20, 21, 22, 23, 24, 25, 26, 27, 28], 4), "five more");
        let mut slow = RateLimit::new(1.0);
        assert!(slow.admits(at(0)));
        slow.record_superseded(at(1000));
        assert!(slow.admits(at(1000)) && !slow.admits(at(1600)), "it is too late for catch-up");
        assert_eq!(slow.missed(), 1);
    }

    proptest! {
        /// Each due frame is analysed, waits for catch-up, or is missed; never two of these.
        #[test]
        fn each_due_frame_has_one_outcome(
            rate in 1f64..25.0, superseded in proptest::collection::vec(any::<bool>(), 500),
        ) {
            let (mut limit, mut on_the_grid) = (RateLimit::new(rate), RateLimit::new(rate));
            let (mut analysed, mut due) = (0, 0);
            for (i, superseded) in (0..).zip(superseded) {
                let now = at(40 * i);
                due += u64::from(on_the_grid.admits(now));
                match limit.admits(now) {
                    true if superseded => limit.record_superseded(now),
                    true => analysed += 1,
                    false => {}
                }
            }
            prop_assert_eq!(analysed + u64::from(limit.superseded) + limit.missed(), due);
        }
    }

    #[test]
    fn an_admitted_frame_that_is_dropped_is_missed() {
        let mut limit = RateLimit::new(1.0);
        for ms in [0, 500, 1000, 1500] {
            if limit.admits(at(ms)) {
                limit.record_missed();
            }
        }
        assert_eq!(limit.missed(), 2);
        assert!(limit.admits(at(2000)) && !limit.admits(at(2500)));
    }

    #[test]
    fn frames_due_in_a_short_gap_are_made_up_for() {
        let mut limit = RateLimit::new(10.0);
        // Those of 200 to 440 ms come with that of 480 ms.
        let arrivals = (0..5).map(|i| 40 * i).chain([480; 7]).chain((12..25).map(|i| 40 * i));
        assert_eq!(arrivals.filter(|ms| limit.admits(at(*ms))).count(), 10, "as many as in any second");
        assert_eq!(limit.missed(), 0);
    }

    #[test]
    fn a_camera_slower_than_the_rate_misses_nothing() {
        let mut limit = RateLimit::new(10.0);
        assert!((0..20).map(|i| 200 * i).chain([9_000]).all(|ms| limit.admits(at(ms))));
        assert_eq!(limit.missed(), 0);
    }

    #[test]
    fn a_long_gap_is_not_made_up_for() {
        let mut limit = RateLimit::new(10.0);
        assert!(limit.admits(at(0)));
        assert!(!limit.admits(at(40)));
        assert!(limit.admits(at(5_000)));
        assert!(!limit.admits(at(5_040)), "no burst after a silence");
    }
}
