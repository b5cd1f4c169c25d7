//! Counts the grants that did not open the door, and says when that is a fault.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

use crate::controller::Refusal;

/// Refused grants in a row from which on the door warns.
const WARN_FROM: u64 = 3;
/// Time without the node's clock from which on the door warns.
const CLOCK_MISSING_FOR: Duration = Duration::from_secs(5);
/// Lines in [`LINES_PERIOD`]: anybody on the bus can repeat an old grant without end.
const LINES: u64 = 20;
const LINES_PERIOD: Duration = Duration::from_secs(30);

/// Grants refused since the door last opened.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    in_a_row: u64,
    last: Option<Refusal>,
}

impl Refusals {
    pub(crate) fn record_refused(&mut self, refusal: Refusal) {
        self.in_a_row += 1;
        self.last = Some(refusal);
    }

    pub(crate) fn record_opened(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn in_a_row(&self) -> u64 {
        self.in_a_row
    }

    /// What an operator must know, in words.
    pub(crate) fn warning(&self) -> Option<String> {
        let last = self.last.filter(|_| self.in_a_row >= WARN_FROM)?;
        Some(format!("{} grants in a row did not open the door; the last one: {last}", self.in_a_row))
    }
}

/// How long the node is there without an answer about its clock.
#[derive(Debug, Default)]
pub(crate) struct ClockWait {
    since: Option<Monotonic>,
}

impl ClockWait {
    /// Records whether the door waits for the clock. True when a warning is due.
    pub(crate) fn record(&mut self, is_waiting: bool, now: Monotonic) -> bool {
        if !is_waiting {
            self.since = None;
            return false;
        }
        now.since(*self.since.get_or_insert(now)) >= CLOCK_MISSING_FOR
    }
}

/// Limits lines about refusals, and counts those that were left out.
#[derive(Debug, Default)]
pub(crate) struct LineLimit {
    period: Option<Monotonic>,
    lines: u64,
    left_out: u64,
}

impl LineLimit {
    /// `Some(n)`: write this line, and say that `n` were left out before it.
    pub(crate) fn admits(&mut self, now: Monotonic) -> Option<u64> {
        if self.period.is_none_or(|start| now.since(start) >= LINES_PERIOD) {
            (self.period, self.lines) = (Some(now), 0);
        }
        self.lines += 1;
        if self.lines > LINES {
            self.left_out += 1;
            return None;
        }
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn three_refusals_in_a_row_are_a_warning_until_the_door_opens() {
        let mut refusals = Refusals::default();
        for _ in 0..2 {
            refusals.record_refused(Refusal::EarlierRun);
            assert_eq!(refusals.warning(), None);
        }
        refusals.record_refused(Refusal::NoClock);
        let warning = refusals.warning().expect("three");
        assert!(warning.starts_with("3 grants in a row") && warning.contains("its age is not known"), "{warning}");
        refusals.record_opened();
        assert_eq!((refusals.warning(), refusals.in_a_row()), (None, 0));
    }

    #[test]
    fn a_missing_clock_is_a_warning_after_five_seconds() {
        let mut wait = ClockWait::default();
        let warned = [0, 4, 5, 9].map(|seconds| wait.record(true, at(seconds)));
        assert_eq!(warned, [false, false, true, true]);
        assert!(!wait.record(false, at(10)));
        assert!(!wait.record(true, at(11)));
    }

    #[test]
    fn lines_are_limited_and_those_left_out_are_counted() {
        let mut limit = LineLimit::default();
        let written = (0..100).filter(|_| limit.admits(at(1)).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!((limit.admits(at(31)), limit.admits(at(31))), (Some(80), Some(0)));
    }
}
