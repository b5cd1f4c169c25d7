//! Counts of genuine and impostor scores, and the error rates that follow.

use gatehouse_faces::calibration::trials_to_show;
use serde::Serialize;

use super::interval::rate;
use super::probit::probit;

/// Bins per unit of score. A power of two, so that every edge is an exact `f32`.
const BINS_PER_UNIT: f32 = 1_048_576.0;
const ZERO: i32 = 1 << 20;
const BINS: usize = (1 << 21) + 1;

/// Histograms of genuine and impostor scores from −1 to 1, in steps of about a millionth, in
/// constant memory. Error rates at a bin's edge are exact.
#[derive(Clone)]
pub struct ScoreCounts {
    genuine: Vec<u64>,
    impostor: Vec<u64>,
}

impl std::fmt::Debug for ScoreCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScoreCounts({} genuine, {} impostor)", self.genuine_total(), self.impostor_total())
    }
}

impl Default for ScoreCounts {
    fn default() -> Self {
        Self { genuine: vec![0; BINS], impostor: vec![0; BINS] }
    }
}

/// Errors at a threshold. Scores at or above it are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Errors {
    pub threshold: f32,
    /// Impostor scores at or above it.
    pub false_matches: u64,
    /// Genuine scores below it.
    pub false_non_matches: u64,
}

/// A point of a DET curve: both rates above 0 and below 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DetPoint {
    /// Share of impostor scores that were accepted.
    pub false_match_rate: f64,
    /// Share of genuine scores that were not.
    pub false_non_match_rate: f64,
}

fn bin(score: f32) -> usize {
    // Multiplying by a power of two is exact, so `floor` sees the score itself.
    let offset = (score * BINS_PER_UNIT).floor() as i32 + ZERO;
    usize::try_from(offset).unwrap_or(0).min(BINS - 1)
}

fn edge(bin: usize) -> f32 {
    (bin as i32 - ZERO) as f32 / BINS_PER_UNIT
}

impl ScoreCounts {
    pub fn add_genuine(&mut self, score: f32) {
        self.genuine[bin(score)] += 1;
    }

    pub fn add_impostor(&mut self, score: f32) {
        self.impostor[bin(score)] += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        self.genuine.iter_mut().zip(&other.genuine).for_each(|(to, from)| *to += from);
        self.impostor.iter_mut().zip(&other.impostor).for_each(|(to, from)| *to += from);
    }

    /// Lower bin edges of the median and the highest impostor score; `None` without any.
    pub fn impostor_median_and_highest(&self) -> Option<(f32, f32)> {
        let half = self.impostor_total().div_ceil(2);
        let mut below = 0;
        let median = self.impostor.iter().position(|count| {
            below += count;
            below >= half && *count > 0
        })?;
        let highest = self.impostor.iter().rposition(|count| *count > 0)?;
        Some((edge(median), edge(highest)))
    }

    pub fn genuine_total(&self) -> u64 {
        self.genuine.iter().sum()
    }

    pub fn impostor_total(&self) -> u64 {
        self.impostor.iter().sum()
    }

    /// Errors at a threshold, to the next lower edge of a bin (a millionth).
    pub fn at(&self, threshold: f32) -> Errors {
        let bin = bin(threshold);
        Errors {
            threshold: edge(bin),
            false_matches: self.impostor[bin..].iter().sum(),
            false_non_matches: self.genuine[..bin].iter().sum(),
        }
    }

    /// The lowest threshold at which at most this share of impostor scores is accepted. `None` if
    /// there are too few for this rate, by the rule of three.
    pub fn at_false_match_rate(&self, target: f64) -> Option<Errors> {
        let total = self.impostor_total();
        if total < trials_to_show(target) {
            return None;
        }
        // 0.001 · 3000 is 3, but may be slightly less in binary.
        let allowed = (target * total as f64 + 1e-6).floor() as u64;
        let mut accepted = 0;
        let mut bin = BINS;
        while bin > 0 && accepted + self.impostor[bin - 1] <= allowed {
            bin -= 1;
            accepted += self.impostor[bin];
        }
        // The highest bin contains too many scores: no bin edge meets the target.
        (bin < BINS).then(|| Errors {
            threshold: edge(bin),
            false_matches: accepted,
            false_non_matches: self.genuine[..bin].iter().sum(),
        })
    }

    /// The equal error rate and its threshold: the mean of both rates where they cross between two.
    pub fn equal_error(&self) -> Option<(f64, f32)> {
        let (genuine, impostor) = (self.genuine_total(), self.impostor_total());
        let (mut below, mut above) = (0u64, impostor);
        for bin in 0..BINS {
            let (fnmr, fmr) = (rate(below, genuine)?, rate(above, impostor)?);
            if fnmr >= fmr {
                return Some(((fnmr + fmr) / 2.0, edge(bin)));
            }
            below += self.genuine[bin];
            above -= self.impostor[bin];
        }
        None
    }

    /// A few hundred points of the DET curve, without those where a rate is 0 or 1.
    pub fn det(&self) -> Vec<DetPoint> {
        /// In normal deviates; the whole axis has about eight.
        const STEP: f64 = 0.02;
        let (genuine, impostor) = (self.genuine_total(), self.impostor_total());
        let (mut below, mut above) = (0u64, impostor);
        let mut points: Vec<(f64, f64, DetPoint)> = Vec::new();
        for bin in 0..BINS {
            if self.genuine[bin] == 0 && self.impostor[bin] == 0 {
                continue;
            }
            below += self.genuine[bin];
            above -= self.impostor[bin];
            if below == 0 || below == genuine || above == 0 || above == impostor {
                continue;
            }
            let (fmr, fnmr) = (above as f64 / impostor as f64, below as f64 / genuine as f64);
            let (x, y) = (probit(fmr), probit(fnmr));
            if points.last().is_none_or(|(last_x, last_y, _)| (x - last_x).hypot(y - last_y) >= STEP) {
                points.push((x, y, DetPoint { false_match_rate: fmr, false_non_match_rate: fnmr }));
            }
        }
        points.into_iter().map(|(_, _, point)| point).collect()
    }

    /// Genuine and impostor scores in `bars` equal parts of −1 to 1, to draw distributions.
    pub fn bars(&self, bars: usize) -> Vec<(u64, u64)> {
        let mut counts = vec![(0, 0); bars];
        for bin in 0..BINS {
            let bar = (bin * bars / (BINS - 1)).min(bars.saturating_sub(1));
            if let Some((genuine, impostor)) = counts.get_mut(bar) {
                *genuine += self.genuine[bin];
                *impostor += self.impostor[bin];
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(genuine: &[f32], impostor: &[f32]) -> ScoreCounts {
        let mut counts = ScoreCounts::default();
        genuine.iter().for_each(|score| counts.add_genuine(*score));
        impostor.iter().for_each(|score| counts.add_impostor(*score));
        counts
    }

    #[test]
    fn a_score_at_the_threshold_is_accepted() {
        let counts = counts(&[0.5, 0.25], &[0.5, -1.0]);
        assert_eq!(counts.at(0.5), Errors { threshold: 0.5, false_matches: 1, false_non_matches: 1 });
        assert_eq!(counts.at(-1.0), Errors { threshold: -1.0, false_matches: 2, false_non_matches: 0 });
        assert_eq!(counts.at(0.75), Errors { threshold: 0.75, false_matches: 0, false_non_matches: 2 });
    }

    #[test]
    fn a_rate_allows_a_number_of_errors() {
        // 3000 strangers at 0, 0.0001, … 0.2999: one in a thousand lets three in.
        let impostor: Vec<f32> = (0..3000).map(|i| i as f32 / 1e4).collect();
        let counts = counts(&[0.2, 0.29975, 0.9], &impostor);
        let errors = counts.at_false_match_rate(1e-3).expect("3000 support one in a thousand");
        assert_eq!((errors.false_matches, errors.false_non_matches), (3, 1));
        assert!(errors.threshold > 0.2996 && errors.threshold < 0.29965, "{errors:?}");
        assert_eq!(counts.at_false_match_rate(9e-4), None, "3000 don't support less");
    }

    #[test]
    fn ties_are_never_let_in_halfway() {
        let counts = counts(&[0.5], &[vec![0.5; 20], vec![0.1; 280]].concat());
        let errors = counts.at_false_match_rate(0.01).expect("300 are enough");
        assert_eq!((errors.false_matches, errors.false_non_matches), (0, 1));
        let all_on_top = self::counts(&[1.0], &[1.0; 300]);
        assert_eq!(all_on_top.at_false_match_rate(0.01), None);
    }

    #[test]
    fn equal_errors_meet_where_the_distributions_cross() {
        // At 0.5 one of four is wrong on both sides.
        let counts = counts(&[0.4, 0.6, 0.7, 0.8], &[0.1, 0.2, 0.3, 0.55]);
        let (rate, threshold) = counts.equal_error().expect("both sides");
        assert_eq!(rate, 0.25);
        assert!(threshold > 0.4 && threshold <= 0.55, "{threshold}");
        assert_eq!(counts.det(), [DetPoint { false_match_rate: 0.25, false_non_match_rate: 0.25 }]);
        assert_eq!(ScoreCounts::default().equal_error(), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(counts(&[], &[0.5, -0.5, 0.25]).impostor_median_and_highest(), Some((0.25, 0.5)));
        assert_eq!(ScoreCounts::default().impostor_median_and_highest(), None);
    }

    #[test]
    fn bars_hold_every_score() {
        let bars = counts(&[1.0, 0.999], &[-1.0, 0.0, 0.001]).bars(4);
        assert_eq!(bars, [(0, 1), (0, 0), (0, 2), (2, 0)]);
    }

    proptest! {
        #[test]
        fn rates_agree_with_counting(
            genuine in prop::collection::vec(-1f32..1.0, 1..50), impostor in prop::collection::vec(-1f32..1.0, 30..200),
            target in 0.1f64..1.0,
        ) {
            let counts = counts(&genuine, &impostor);
            let errors = counts.at_false_match_rate(target).expect("30 support one in ten");
            let t = errors.threshold;
            prop_assert_eq!(errors.false_matches, impostor.iter().filter(|s| **s >= t).count() as u64);
            prop_assert_eq!(errors.false_non_matches, genuine.iter().filter(|s| **s < t).count() as u64);
            prop_assert!(errors.false_matches as f64 <= target * impostor.len() as f64 + 1e-6);
            prop_assert_eq!(counts.at(t), errors);
            // A bin lower would accept too many.
            let lower = counts.at(t - 1.5 / BINS_PER_UNIT);
            prop_assert!(t <= -0.999 || lower.false_matches as f64 > target * impostor.len() as f64 - 1e-6);
        }

        #[test]
        fn curves_fall(genuine in prop::collection::vec(-1f32..1.0, 2..50), impostor in prop::collection::vec(-1f32..1.0, 2..50)) {
            let points = counts(&genuine, &impostor).det();
            for pair in points.windows(2) {
                prop_assert!(pair[1].false_match_rate <= pair[0].false_match_rate);
                prop_assert!(pair[1].false_non_match_rate >= pair[0].false_non_match_rate);
            }
        }
    }
}
