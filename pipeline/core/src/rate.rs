//! Thins a camera's frames to the rate at which they are analysed.

use std::time::Duration;

use crate::time::Monotonic;

/// For what was missed in so long frames are owed: longer ago than that is past.
const OWED_FOR: Duration = Duration::from_millis(500);

/// Lets through `per_second` frames a second on an even grid, so that the mean rate holds whatever the camera's own is:
/// 10 of 25 frames a second come as every second or third frame, never as a burst after a gap. A frame that comes up to a
/// quarter of an interval before its time is let through, or a camera that is a little early would lose every second one.
///
/// A frame that was let through and then not looked at, since a newer one overtook it, is owed ([`RateLimit::owe`]): the camera's very next
/// one is let through in its place. So is what was due in a short gap, as where a decoder was held up and its frames come late and all at
/// once. So a node that was held up for a moment keeps its cameras' rate, with newer frames and not with late
/// ones; and one that has too much to do looks at the newest frame that there is.
#[derive(Debug, Clone)]
pub struct RateLimit {
    interval: Duration,
    due: Option<Monotonic>,
    owed: u32,
    /// Frames that were due in a short gap. Where the camera is slower than the rate, they never come.
    missed: u32,
    /// Of either.
    most_owed: u32,
    /// When one was added to either last.
    owed_at: Option<Monotonic>,
    lost: u64,
}

impl RateLimit {
    /// At most `per_second` frames, above 0.
    pub fn new(per_second: f64) -> Self {
        let interval = Duration::from_secs_f64(1.0 / per_second.max(1e-3));
        let most_owed = (OWED_FOR.as_secs_f64() / interval.as_secs_f64()).round().max(1.0) as u32;
        Self { interval, due: None, owed: 0, missed: 0, most_owed, owed_at: None, lost: 0 }
    }

    /// Whether the frame that arrived now is to be analysed.
    pub fn admits(&mut self, now: Monotonic) -> bool {
        if self.owed_at.is_some_and(|at| now.since(at) > OWED_FOR) {
            self.lost += u64::from(std::mem::take(&mut self.owed));
            self.missed = 0;
        }
        let Some(due) = self.due else {
            self.due = Some(now + self.interval);
            return true;
        };
        if now + self.interval / 4 < due {
            let of = if self.owed > 0 { &mut self.owed } else { &mut self.missed };
            let is_owed = *of > 0;
            *of = of.saturating_sub(1);
            return is_owed;
        }
        // Keep the grid, so that the mean rate is exact; after a gap start a new one.
        let late = now.since(due);
        if late < self.interval {
            self.due = Some(due + self.interval);
            return true;
        }
        self.due = Some(now + self.interval);
        if late <= OWED_FOR {
            let missed = late.div_duration_f64(self.interval) as u32;
            self.missed = (self.missed + missed).min(self.most_owed);
            self.owed_at = Some(now);
        }
        true
    }

    /// Whether [`RateLimit::admits`] would let a frame through that arrived now.
    pub fn would_admit(&self, now: Monotonic) -> bool {
        self.clone().admits(now)
    }

    /// A frame that was let through was overtaken now: another is let through for it, unless so many are owed that it is lost.
    pub fn owe(&mut self, now: Monotonic) {
        self.owed_at = Some(now);
        if self.owed < self.most_owed {
            self.owed += 1;
        } else {
            self.lost += 1;
        }
    }

    /// The frame that came now won't be looked at: it is lost if it was due.
    pub fn pass_over(&mut self, now: Monotonic) {
        self.lost += u64::from(self.admits(now));
    }

    /// Frames that were to be looked at and never will be.
    pub fn lost(&self) -> u64 {
        self.lost
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
        fn the_mean_rate_is_the_one_asked_for(rate in 1f64..25.0, jitter in proptest::collection::vec(0u64..8, 500)) {
            let mut limit = RateLimit::new(rate);
            let passed = jitter.iter().enumerate().filter(|(i, j)| limit.admits(at(*i as u64 * 40 + **j))).count();
            let asked = 20.0 * rate;
            prop_assert!((passed as f64 - asked).abs() <= 2.0 + asked * 0.02, "{passed} passed of {asked} asked");
        }
    }

    #[test]
    fn what_is_owed_comes_with_the_next_frames_and_half_a_second_of_it_at_most() {
        let mut limit = RateLimit::new(10.0);
        let mut passed = |from: u64, to: u64, owe: usize| {
            (0..owe).for_each(|_| limit.owe(at(40 * from)));
            ((from..to).filter(|i| limit.admits(at(40 * i))).collect::<Vec<_>>(), limit.lost())
        };
        assert_eq!(passed(0, 10, 0), (vec![0, 2, 5, 7], 0));
        assert_eq!(passed(10, 20, 2), (vec![10, 11, 12, 13, 15, 17], 0), "two more than without");
        assert_eq!(passed(20, 30, 9), (vec![20, 21, 22, 23, 24, 25, 26, 27, 28], 4), "five more");
        let mut slow = RateLimit::new(1.0);
        assert!(slow.admits(at(0)));
        slow.owe(at(1000));
        assert!(slow.admits(at(1000)) && !slow.admits(at(1600)), "it is too late for that");
        assert_eq!(slow.lost(), 1);
    }

    proptest! {
        /// Whatever is overtaken, each frame that is due is looked at, owed, or lost: none twice.
        #[test]
        fn each_frame_that_is_due_is_looked_at_or_owed_or_lost(
            rate in 1f64..25.0, overtaken in proptest::collection::vec(any::<bool>(), 500),
        ) {
            let (mut limit, mut on_the_grid) = (RateLimit::new(rate), RateLimit::new(rate));
            let (mut looked_at, mut due) = (0, 0);
            for (i, overtaken) in (0..).zip(overtaken) {
                let now = at(40 * i);
                due += u64::from(on_the_grid.admits(now));
                let expected = limit.would_admit(now);
                let admitted = limit.admits(now);
                prop_assert_eq!(admitted, expected);
                match admitted {
                    true if overtaken => limit.owe(now),
                    true => looked_at += 1,
                    false => {}
                }
            }
            prop_assert_eq!(looked_at + u64::from(limit.owed) + limit.lost(), due);
        }
    }

    #[test]
    fn what_is_passed_over_is_lost_where_it_was_due() {
        let mut limit = RateLimit::new(1.0);
        for ms in [0, 500, 1000, 1500] {
            limit.pass_over(at(ms));
        }
        assert_eq!(limit.lost(), 2);
        assert!(limit.admits(at(2000)) && !limit.admits(at(2500)));
    }

    #[test]
    fn what_was_due_in_a_short_gap_is_made_up_for() {
        let mut limit = RateLimit::new(10.0);
        // Those of 200 to 440 ms come with that of 480 ms.
        let arrivals = (0..5).map(|i| 40 * i).chain([480; 7]).chain((12..25).map(|i| 40 * i));
        assert_eq!(arrivals.filter(|ms| limit.admits(at(*ms))).count(), 10, "as many as in any second");
        assert_eq!(limit.lost(), 0);
    }

    #[test]
    fn a_camera_that_is_slower_than_the_rate_loses_nothing() {
        let mut limit = RateLimit::new(10.0);
        assert!((0..20).map(|i| 200 * i).chain([9_000]).all(|ms| limit.admits(at(ms))));
        assert_eq!(limit.lost(), 0);
    }

    #[test]
    fn a_long_gap_is_not() {
        let mut limit = RateLimit::new(10.0);
        assert!(limit.admits(at(0)));
        assert!(!limit.admits(at(40)));
        assert!(limit.admits(at(5_000)));
        assert!(!limit.admits(at(5_040)), "no burst after a silence");
    }
}
