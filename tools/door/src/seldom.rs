//! A message that is logged now and then only, with how often it would have been.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// How long nothing more is said after something was.
const PAUSE: Duration = Duration::from_secs(30);

/// Says when to log, and how many were not logged since the last.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    last: Option<Monotonic>,
    silent: u64,
}

impl Seldom {
    /// How many were passed over since the last one that was logged; none while this one is to be passed over, too.
    pub(crate) fn now(&mut self, now: Monotonic) -> Option<u64> {
        if self.last.is_some_and(|last| now.since(last) < PAUSE) {
            self.silent += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_others_with_their_count() {
        let at = |seconds| Monotonic::from_start(Duration::from_secs(seconds));
        let mut seldom = Seldom::default();
        let told: Vec<_> = [0, 1, 29, 30, 31, 200].map(|seconds| seldom.now(at(seconds))).into();
        assert_eq!(told, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
