//! A clock that a test sets.

use std::time::Duration;

use gatehouse_core::time::{Clock, Monotonic, WallTime};
use parking_lot::Mutex;

/// Stands still until it is set. Monotonic and wall time start at zero.
#[derive(Debug, Default)]
pub struct ManualClock(Mutex<Duration>);

impl ManualClock {
    /// Sets the time since the start.
    pub fn set(&self, since_start: Duration) {
        *self.0.lock() = since_start;
    }

    /// Advances the clock, and returns the new time.
    pub fn advance(&self, by: Duration) -> Monotonic {
        self.set(self.since_start() + by);
        self.monotonic()
    }

    fn since_start(&self) -> Duration {
        *self.0.lock()
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_start(self.since_start())
    }

    fn wall(&self) -> WallTime {
        WallTime::from_unix_nanos(0) + self.since_start()
    }
}
