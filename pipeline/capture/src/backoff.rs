//! The delay before the next try to connect: doubling, capped and jittered, so that a hundred
//! cameras behind one switch don't all reconnect in the same instant.

use std::time::Duration;

/// After an ordinary failure.
pub(crate) const LOST: Backoff = Backoff { first: Duration::from_millis(500), cap: Duration::from_secs(30), tries: 0 };
/// After a refused login: cameras lock an account after a few failures, and only a person can fix
/// it.
pub(crate) const REFUSED: Backoff =
    Backoff { first: Duration::from_secs(120), cap: Duration::from_secs(1800), tries: 0 };

/// A sequence of growing delays.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    cap: Duration,
    tries: u32,
}

impl Backoff {
    /// The next delay. `jitter` is a random number in 0–1; the delay lies between half the full one
    /// and all of it.
    pub(crate) fn next(&mut self, jitter: f64) -> Duration {
        let full = self.first.saturating_mul(2u32.saturating_pow(self.tries)).min(self.cap);
        self.tries = self.tries.saturating_add(1);
        full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn delays_grow_to_the_cap_and_stay_in_their_half(jitters in proptest::collection::vec(0f64..1.0, 1..80)) {
            let mut backoff = LOST;
            let mut full = LOST.first;
            for jitter in jitters {
                let delay = backoff.next(jitter);
                prop_assert!(delay >= full / 2 && delay <= full, "{delay:?} of {full:?}");
                full = (full * 2).min(LOST.cap);
            }
        }
    }

    #[test]
    fn a_refused_login_is_not_hammered() {
        let mut backoff = REFUSED;
        let in_a_day = std::iter::from_fn(|| Some(backoff.next(0.0)))
            .scan(Duration::ZERO, |sum, delay| {
                *sum += delay;
                (*sum < Duration::from_secs(86_400)).then_some(())
            })
            .count();
        assert!(in_a_day < 100, "{in_a_day} tries in a day at worst");
    }
}
