//! Watches whether the node's wall clock is set while it runs, for all who judge by dates.
//!
//! Its lock is held for one comparison.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::clock_watch::{ClockStep, ClockWatch};
use gatehouse_core::load::ClockSet;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::Clock;
use parking_lot::Mutex;

/// How long the wall clock must have been steady before anything is removed for its date. A machine
/// without a battery for its clock starts with a wrong time, and NTP corrects it within minutes.
pub(crate) const STEADY_BEFORE_REMOVAL: Duration = Duration::from_secs(600);

/// Every step from this size on is logged. Of smaller ones, one in 30 s is.
const LOGGED_FROM_MS: u64 = 10_000;

/// The node's wall clock.
pub(crate) struct WallClock {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    small_steps_log: LogLimit,
}

struct State {
    watch: ClockWatch,
    last_step: Option<ClockSet>,
}

impl WallClock {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Arc<Self> {
        let watch = ClockWatch::new(clock.monotonic(), clock.wall());
        Arc::new(Self {
            clock: Arc::clone(clock),
            state: Mutex::new(State { watch, last_step: None }),
            small_steps_log: LogLimit::default(),
        })
    }

    /// Compares the wall clock with the monotonic one, and logs a step. Returns how often the clock
    /// was set since the start: a caller that judged by dates judges anew when this has changed.
    pub(crate) fn observe(&self) -> u64 {
        let (now, wall) = (self.clock.monotonic(), self.clock.wall());
        let mut state = self.state.lock();
        let step = state.watch.observe(now, wall);
        let steps = state.watch.steps();
        if let Some(step) = step {
            state.last_step = Some(ClockSet { by_ms: step.by_ms, seen_at: wall, times: steps });
        }
        drop(state);
        // NTP may correct a clock in many small steps.
        let is_logged =
            |step: &ClockStep| step.by_ms.unsigned_abs() >= LOGGED_FROM_MS || self.small_steps_log.count(now).is_some();
        if let Some(step) = step.filter(is_logged) {
            tracing::warn!(
                "{step}; it is now {wall}. Consents and passes are judged by the new time at once, and no record is removed \
                 for its age for the next {} minutes. Decisions and doors go on",
                STEADY_BEFORE_REMOVAL.as_secs() / 60
            );
        }
        steps
    }

    /// The last time that the clock was set, if it was.
    pub(crate) fn last_step(&self) -> Option<ClockSet> {
        self.state.lock().last_step
    }

    /// True once the clock has been steady long enough to remove what is past its date.
    pub(crate) fn allows_removal(&self) -> bool {
        self.observe();
        self.state.lock().watch.steady_for(self.clock.monotonic()) >= STEADY_BEFORE_REMOVAL
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_testing::clock::ManualClock;

    use super::*;

    #[test]
    fn removal_waits_after_the_start_and_after_each_step() {
        let manual = Arc::new(ManualClock::default());
        let clock: Arc<dyn Clock> = manual.clone();
        let wall = WallClock::new(&clock);
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert!(!wall.allows_removal());
        manual.set(minutes(10));
        assert!(wall.allows_removal());
        assert_eq!((wall.observe(), wall.last_step()), (0, None));
        manual.set_wall_offset_ms(-28_800_000);
        assert!(!wall.allows_removal());
        let step = wall.last_step().expect("it was set");
        assert_eq!((step.by_ms, step.times, wall.observe()), (-28_800_000, 1, 1));
        manual.set(minutes(19));
        assert!(!wall.allows_removal());
        manual.set(minutes(20));
        assert!(wall.allows_removal());
    }
}
