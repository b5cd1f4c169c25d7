//! Limits a log line that would repeat with every frame: one line at once, then one in 30 s with a
//! count.

use std::time::Duration;

use parking_lot::Mutex;

use crate::time::Monotonic;

/// Time between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(30);

/// Counts events of one kind and says when to log them.
#[derive(Debug, Default)]
pub struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    logged_at: Option<Monotonic>,
    /// Events since then.
    count: u64,
}

impl LogLimit {
    /// Counts one more event. `Some(n)`: log now, for the `n` events since the last line, this one
    /// included.
    pub fn count(&self, now: Monotonic) -> Option<u64> {
        let mut state = self.0.lock();
        state.count += 1;
        if state.logged_at.is_some_and(|at| now.since(at) < PAUSE) {
            return None;
        }
        state.logged_at = Some(now);
        Some(std::mem::take(&mut state.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    #[test]
    fn the_first_is_logged_and_the_rest_are_counted() {
        let limit = LogLimit::default();
        assert_eq!(limit.count(at(0)), Some(1));
        assert!((1..100).all(|i| limit.count(at(i * 300)).is_none()));
        assert_eq!(limit.count(at(30_000)), Some(100));
    }

    #[test]
    fn each_line_begins_a_new_pause() {
        let limit = LogLimit::default();
        let logged = [0, 1, 29, 30, 31, 200].map(|seconds| limit.count(at(1000 * seconds)));
        assert_eq!(logged, [Some(1), None, None, Some(3), None, Some(2)]);
    }
}
