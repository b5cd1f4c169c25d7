//! A clock that stands still until it is set, for simulations and for tests of elapsed time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_core::time::{Clock, Monotonic, WallTime};

/// Begins at zero, of either kind of time.
#[derive(Debug, Default)]
pub struct SetClock(Mutex<Duration>);

impl SetClock {
    /// Sets the time since the beginning.
    pub fn set(&self, since_start: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since_start;
    }

    /// Advances the clock, and returns the new time.
    pub fn advance(&self, by: Duration) -> Monotonic {
        self.set(self.since_start() + by);
        self.monotonic()
    }

    fn since_start(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SetClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_start(self.since_start())
    }

    fn wall(&self) -> WallTime {
        WallTime::from_unix_nanos(0) + self.since_start()
    }
}
