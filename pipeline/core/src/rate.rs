//! Thins a camera's frames to the rate at which they are analysed.

use std::time::Duration;

use crate::time::Monotonic;

/// Lets through `per_second` frames a second on an even grid, so that the mean rate holds whatever the camera's own is:
/// 10 of 25 frames a second come as every second or third frame, never as a burst after a gap. A frame that comes up to a
/// quarter of an interval before its time is let through, or a camera that is a little early would lose every second one.
#[derive(Debug)]
pub struct RateLimit {
    interval: Duration,
    due: Option<Monotonic>,
}

impl RateLimit {
    /// At most `per_second` frames, above 0.
    pub fn new(per_second: f64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / per_second.max(1e-3)), due: None }
    }

    /// Whether the frame that arrived now is to be analysed.
    pub fn admits(&mut self, now: Monotonic) -> bool {
        let Some(due) = self.due else {
            self.due = Some(now + self.interval);
            return true;
        };
        if now + self.interval / 4 < due {
            return false;
        }
        // Keep the grid, so that the mean rate is exact; after a gap start a new one.
        let late = now.since(due);
        self.due = Some(if late < self.interval { due + self.interval } else { now + self.interval });
        true
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
    fn a_gap_is_not_made_up_for() {
        let mut limit = RateLimit::new(10.0);
        assert!(limit.admits(at(0)));
        assert!(!limit.admits(at(40)));
        assert!(limit.admits(at(5_000)));
        assert!(!limit.admits(at(5_040)), "no burst after a silence");
    }
}
