//! The normal deviate of a rate, for the axes of a DET curve (Martin et al.: "The DET Curve in
//! Assessment of Detection Task Performance", 1997).

/// The quantile of the standard normal distribution for a rate within 0 and 1, both excluded
/// (Abramowitz and Stegun, 26.2.23: off by at most 0.00045, a fraction of a pixel in any plot).
pub(crate) fn probit(rate: f64) -> f64 {
    let tail = rate.min(1.0 - rate);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = (0.010_328 * t + 0.802_853) * t + 2.515_517;
    let below = ((0.001_308 * t + 0.189_269) * t + 1.432_788) * t + 1.0;
    let quantile = t - above / below;
    if rate < 0.5 { -quantile } else { quantile }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_agrees_with_the_tables() {
        for (rate, wanted) in [(0.5, 0.0), (0.975, 1.959_964), (0.001, -3.090_232), (1e-4, -3.719_016)] {
            assert!((probit(rate) - wanted).abs() < 4.6e-4, "{rate}: {}", probit(rate));
        }
    }

    proptest! {
        #[test]
        fn it_is_odd_around_a_half_and_increases(rate in 1e-7f64..0.5, more in 1.01f64..1.9) {
            prop_assert!((probit(rate) + probit(1.0 - rate)).abs() < 1e-6);
            prop_assert!(probit((rate * more).min(0.5)) >= probit(rate));
        }
    }
}
