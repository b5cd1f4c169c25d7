//! Rates and their intervals, computed as for the calibration table.

use gatehouse_faces::calibration::Rate;
use serde::Serialize;

/// A 95 % confidence interval of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end, 0–1.
    pub low: f64,
    /// Upper end, 0–1.
    pub high: f64,
}

/// Share of `errors` in `trials`; `None` without trials.
pub(crate) fn rate(errors: u64, trials: u64) -> Option<f64> {
    (trials > 0).then(|| errors as f64 / trials as f64)
}

/// The interval of Clopper and Pearson (1934). It assumes independent trials; for comparisons that
/// share people see [`super::bootstrap`]. `None` without trials.
pub(crate) fn interval(errors: u64, trials: u64) -> Option<Interval> {
    (trials > 0).then(|| {
        let [low, high] = Rate::of(errors, trials, trials).interval;
        Interval { low, high }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exact_interval_and_none_of_nothing() {
        let five = interval(5, 100).expect("trials");
        assert!((five.low - 0.016_432).abs() < 1e-6 && (five.high - 0.112_835).abs() < 1e-6, "{five:?}");
        let none = interval(0, 100).expect("trials");
        assert!(none.low == 0.0 && (none.high - 0.036_217).abs() < 1e-6, "{none:?}");
        assert_eq!((interval(0, 0), rate(0, 0)), (None, None));
    }
}
