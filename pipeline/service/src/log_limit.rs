//! Keeps a failure that comes with every frame from flooding the log: one line at first, then one a while with a count.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// Between two lines of the same kind.
const QUIET: Duration = Duration::from_secs(30);

/// Counts failures of one kind and says when to write a line.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    written: Option<Monotonic>,
    since_then: u64,
}

impl LogLimit {
    /// Counts one more failure. `Some(n)`: write a line now, for the `n` failures since the last one.
    pub(crate) fn count(&self, now: Monotonic) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.since_then += 1;
        if state.written.is_some_and(|at| now.since(at) < QUIET) {
            return None;
        }
        state.written = Some(now);
        Some(std::mem::take(&mut state.since_then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_written_and_the_rest_are_counted() {
        let limit = LogLimit::default();
        let at = |ms| Monotonic::from_start(Duration::from_millis(ms));
        assert_eq!(limit.count(at(0)), Some(1));
        assert!((1..100).all(|i| limit.count(at(i * 300)).is_none()));
        assert_eq!(limit.count(at(30_000)), Some(100));
    }
}
