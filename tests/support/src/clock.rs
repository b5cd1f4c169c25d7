//! A clock that a test sets.

use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use gatehouse_core::time::{Clock, Monotonic, Timer, WallTime};
use parking_lot::{Condvar, Mutex};

/// A test that waits longer than this for a timer fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Stands still until it is set. Monotonic and wall time start at zero. Its timers fire when it is
/// set to their moment or past it.
#[derive(Debug, Default)]
pub struct ManualClock {
    state: Mutex<State>,
    timer_added: Condvar,
}

#[derive(Debug, Default)]
struct State {
    since_start: Duration,
    /// Wall time minus the time since the start.
    wall_offset_ms: i64,
    /// Timers that have not fired. Dropping a sender fires its timer.
    timers: Vec<(Duration, Sender<Instant>)>,
}

impl ManualClock {
    /// Sets the time since the start, and fires the timers that are due.
    pub fn set(&self, since_start: Duration) {
        let mut state = self.state.lock();
        state.since_start = since_start;
        state.timers.retain(|(at, _)| *at > since_start);
    }

    /// Sets the wall clock this far ahead of the time since the start, in milliseconds. The
    /// monotonic clock and the timers go on.
    pub fn set_wall_offset_ms(&self, ahead: i64) {
        self.state.lock().wall_offset_ms = ahead;
    }

    /// Advances the clock, and returns the new time.
    pub fn advance(&self, by: Duration) -> Monotonic {
        self.set(self.since_start() + by);
        self.monotonic()
    }

    /// Blocks until a thread has a timer for this moment: then it has done all it does before.
    ///
    /// # Panics
    /// If no thread asks for such a timer within 20 s of real time.
    pub fn wait_for_timer(&self, at: Duration) {
        let mut state = self.state.lock();
        let is_missing = |state: &mut State| !state.timers.iter().any(|(timer, _)| *timer == at);
        let waited = self.timer_added.wait_while_for(&mut state, is_missing, PATIENCE);
        assert!(!waited.timed_out(), "no timer for {at:?}: {state:?}");
    }

    /// Waits until a thread has a timer for this moment, and sets the clock to it.
    pub fn fire_timer(&self, at: Duration) {
        self.wait_for_timer(at);
        self.set(at);
    }

    fn since_start(&self) -> Duration {
        self.state.lock().since_start
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_start(self.since_start())
    }

    fn wall(&self) -> WallTime {
        let state = self.state.lock();
        WallTime::from_unix_nanos(state.wall_offset_ms * 1_000_000) + state.since_start
    }

    fn timer(&self, at: Monotonic) -> Timer {
        let (sender, timer) = bounded(0);
        let at = at.since(Monotonic::from_start(Duration::ZERO));
        let mut state = self.state.lock();
        if at > state.since_start {
            state.timers.push((at, sender));
            self.timer_added.notify_all();
        }
        timer
    }
}
