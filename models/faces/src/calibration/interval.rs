//! Confidence intervals of error rates.

/// Confidence of all intervals and bounds.
pub const CONFIDENCE: f64 = 0.95;

/// A measured rate with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Number of errors.
    pub errors: u64,
    /// Number of trials.
    pub trials: u64,
    /// Number of independent trials that they are worth. Interval and bound use this number.
    pub independent: u64,
    /// Errors divided by trials, 0–1.
    pub estimate: f64,
    /// Two-sided 95 % interval.
    pub interval: [f64; 2],
    /// One-sided 95 % bound: the rate is at most this.
    pub upper: f64,
}

impl Rate {
    /// The rate of `errors` in `trials` that are worth `independent` ones.
    ///
    /// The interval is Clopper and Pearson's (1934), which is never too short. Dependent trials
    /// (several pictures of one person) are replaced by independent ones with the same share of
    /// errors (Korn and Graubard, 1998).
    pub fn of(errors: u64, trials: u64, independent: u64) -> Self {
        let (trials, errors) = (trials.max(1), errors.min(trials));
        let independent = independent.clamp(1, trials);
        let estimate = errors as f64 / trials as f64;
        let n = independent as f64;
        let k = estimate * n;
        let side = (1.0 - CONFIDENCE) / 2.0;
        Self {
            errors,
            trials,
            independent,
            estimate,
            interval: [lower_bound(k, n, side), upper_bound(k, n, side)],
            upper: upper_bound(k, n, 1.0 - CONFIDENCE),
        }
    }
}

/// Independent trials without an error that show, with 95 % confidence, a rate of at most `rate`.
///
/// The *rule of three* approximates it by 3 ÷ rate (Jovanovic and Levy, 1997; ISO/IEC 19795-1).
pub fn trials_to_show(rate: f64) -> u64 {
    ((1.0 - CONFIDENCE).ln() / (-rate).ln_1p()).ceil() as u64
}

/// Greatest rate at which `k` errors or fewer in `n` trials have the probability `chance`.
fn upper_bound(k: f64, n: f64, chance: f64) -> f64 {
    if k >= n { 1.0 } else { beta_quantile(1.0 - chance, k + 1.0, n - k) }
}

/// Least rate at which `k` errors or more in `n` trials have the probability `chance`.
fn lower_bound(k: f64, n: f64, chance: f64) -> f64 {
    if k <= 0.0 { 0.0 } else { beta_quantile(chance, k, n - k + 1.0) }
}

fn beta_quantile(share: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // Bisects until the two are neighbours.
    for _ in 0..120 {
        let middle = 0.5 * (low + high);
        if beta_distribution(middle, a, b) < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Regularised incomplete beta function (NIST Digital Library of Mathematical Functions, 8.17).
fn beta_distribution(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // The fraction converges fast below the mean only; above it, symmetry holds (8.17.4).
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_distribution(1.0 - x, b, a);
    }
    let log_front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p() - a.ln();
    log_front.exp() * continued_fraction(x, a, b)
}

/// DLMF 8.17.22, by the modified Lentz method (Thompson and Barnett, 1986).
fn continued_fraction(x: f64, a: f64, b: f64) -> f64 {
    // Replaces a divisor of 0.
    let not_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    // It takes about √(a + b) steps, so the end is never reached: a guard.
    for step in 1..1_000_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / not_zero(1.0 + term * d);
            c = not_zero(1.0 + term / c);
            change = c * d;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The chance of at most `k` errors in `n`, summed term by term.
    fn chance_of_at_most(k: u64, n: u64, rate: f64) -> f64 {
        let mut log_term = n as f64 * (-rate).ln_1p();
        let mut sum = log_term.exp();
        for i in 1..=k {
            log_term += ((n - i + 1) as f64 / i as f64).ln() + rate.ln() - (-rate).ln_1p();
            sum += log_term.exp();
        }
        sum
    }

    #[test]
    fn known_intervals() {
        // Of Clopper and Pearson's tables, and of SciPy's
        // `binomtest(...).proportion_ci(method="exact")`.
        for (errors, trials, low, high) in [
            (0, 10, 0.0, 0.308_497_1),
            (1, 10, 0.002_528_6, 0.445_016_1),
            (5, 100, 0.016_431_9, 0.112_834_9),
            (10, 10, 0.691_502_9, 1.0),
            (21, 6000, 0.002_167_8, 0.005_345_2),
        ] {
            let rate = Rate::of(errors, trials, trials);
            assert!((rate.interval[0] - low).abs() < 5e-7, "{rate:?}");
            assert!((rate.interval[1] - high).abs() < 5e-7, "{rate:?}");
        }
    }

    #[test]
    fn without_an_error_the_bound_is_the_rule_of_three() {
        for trials in [100, 3_000, 50_000_000] {
            let upper = Rate::of(0, trials, trials).upper;
            let exact = -((0.05f64).ln() / trials as f64).exp_m1();
            assert!((upper / exact - 1.0).abs() < 1e-6, "{upper} {exact}");
            assert!((upper * trials as f64 / 3.0 - 1.0).abs() < 0.02);
            assert_eq!(trials_to_show(exact), trials);
        }
        assert_eq!(trials_to_show(1e-3), 2995);
    }

    #[test]
    fn dependent_trials_widen_the_interval_and_keep_the_estimate() {
        let (all, few) = (Rate::of(300, 30_000, 30_000), Rate::of(300, 30_000, 500));
        assert_eq!((all.estimate, few.estimate), (0.01, 0.01));
        assert!(few.upper > all.upper && few.interval[0] < all.interval[0]);
        assert_eq!(few.interval, Rate::of(5, 500, 500).interval);
        // More can't be made of them than they are.
        assert_eq!(Rate::of(1, 10, 99), Rate::of(1, 10, 10));
    }

    proptest! {
        #[test]
        fn bounds_are_where_the_binomial_puts_them(trials in 1u64..3000, share in 0.0f64..1.0) {
            let errors = (share * trials as f64) as u64;
            let Rate { interval: [low, high], upper, estimate, .. } = Rate::of(errors, trials, trials);
            prop_assert!(low <= estimate && estimate <= high && upper <= high);
            if errors < trials {
                prop_assert!((chance_of_at_most(errors, trials, upper) - 0.05).abs() < 1e-7);
                prop_assert!((chance_of_at_most(errors, trials, high) - 0.025).abs() < 1e-7);
            }
            if errors > 0 {
                prop_assert!((1.0 - chance_of_at_most(errors - 1, trials, low) - 0.025).abs() < 1e-7);
            }
        }

        #[test]
        fn millions_of_trials_keep_the_order(errors in 0u64..2_000_000, more in 1u64..1000) {
            let (fewer, rate) = (Rate::of(errors, 100_000_000, 100_000_000), Rate::of(errors + more, 100_000_000, 100_000_000));
            prop_assert!(fewer.upper < rate.upper && fewer.interval[0] <= rate.interval[0]);
            prop_assert!(rate.interval[0] < rate.estimate && rate.estimate < rate.upper);
        }
    }
}
