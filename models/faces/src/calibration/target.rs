//! The threshold for an operator's target error rate, or the reason why the data can't support it.

use super::{Calibration, Rate, trials_to_show};

/// An operator's target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Greatest share of strangers let in (FPIR), between 0 and 1: 0.0001 for 1 in 10,000.
    pub strangers_let_in: f64,
    /// People enrolled.
    pub enrolled: u64,
}

/// Predicted errors of a threshold. Its text form explains them with their assumptions.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Threshold, a cosine.
    pub threshold: f32,
    /// People enrolled.
    pub enrolled: u64,
    /// Strangers let in (FPIR) with that many enrolled: estimate, 0–1.
    pub strangers_let_in: f64,
    /// Upper bound of the same, with 95 % confidence.
    pub strangers_let_in_at_most: f64,
    /// Trials that it rests on.
    pub tried: Tried,
    /// Residents who are refused by their face (FNMR at this threshold), per comparison.
    pub residents_referred: Rate,
    /// Name of the data set.
    pub dataset: String,
}

/// Trials of strangers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    /// Rate of strangers let in, or of matches of two people.
    pub rate: Rate,
    /// Size of the gallery; 1 for comparisons of two people.
    pub enrolled: u64,
    /// True for strangers with a gallery, false for comparisons of two people.
    pub open_set: bool,
}

/// A target without a threshold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// The target is no rate.
    #[error("the share of strangers let in must be above 0 and below 1; got {got}")]
    NotARate {
        /// The given number.
        got: f64,
    },
    /// The gallery is empty.
    #[error("a threshold by target needs at least 1 enrolled person; got 0")]
    NobodyEnrolled,
    /// The data set is too small, or the model errs too often on it.
    #[error("{0}")]
    Unsupported(Box<Unsupported>),
}

/// Why a calibration can't support a target, and what it supports. Its text form explains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsupported {
    /// The target.
    pub target: Target,
    /// Name of the data set.
    pub dataset: String,
    /// Trials, with the errors at the highest threshold.
    pub tried: Tried,
    /// Lowest supported rate for that many enrolled.
    pub lowest: f64,
    /// Most enrolled for which the target is supported; none if not even for 1.
    pub enough_for: Option<u64>,
    /// Strangers that a test must try with that many enrolled, if none is let in.
    pub strangers_needed: u64,
    /// Or pairs of people that share nobody, if none matches.
    pub pairs_needed: u64,
}

impl Tried {
    /// Scales a rate to `enrolled` people (FPIR by gallery size).
    ///
    /// A smaller gallery lets in no more strangers, so its rate stays. A larger one has 1 − (1 −
    /// FPIR)^(enrolled ÷ tried), as ISO/IEC 19795-1 has it for comparisons of two people. It is
    /// exact for independent comparisons. If some strangers resemble many people it is too high
    /// (Jensen's inequality), which is safe.
    fn scaled(&self, rate: f64, enrolled: u64) -> f64 {
        if enrolled <= self.enrolled || rate >= 1.0 {
            return rate;
        }
        -((-rate).ln_1p() * (enrolled as f64 / self.enrolled as f64)).exp_m1()
    }

    fn at_most(&self, enrolled: u64) -> f64 {
        self.scaled(self.rate.upper, enrolled)
    }
}

impl Calibration {
    /// Predicts the errors of `threshold` with `enrolled` people; `None` outside the table.
    ///
    /// Between two rows, strangers' errors are those of the lower row and residents' those of the
    /// higher, so that no prediction is too low.
    pub fn predict(&self, threshold: f32, enrolled: u64) -> Option<Prediction> {
        let row = self.row_at_or_below(threshold)?;
        let residents_referred = self.fnmr(threshold)?;
        let tried = self.tried(row, enrolled)?;
        Some(Prediction {
            threshold,
            enrolled,
            strangers_let_in: tried.scaled(tried.rate.estimate, enrolled),
            strangers_let_in_at_most: tried.at_most(enrolled),
            tried,
            residents_referred,
            dataset: self.dataset.clone(),
        })
    }

    /// Finds the lowest threshold that keeps the target with 95 % confidence. A lower threshold
    /// refuses fewer residents.
    ///
    /// Trying all thresholds costs no confidence: errors fall from row to row, so a wrong one
    /// passes only if the highest wrong one would.
    ///
    /// # Errors
    /// If the data support the target nowhere; it names what they support and what is needed.
    pub fn threshold_for(&self, target: Target) -> Result<Prediction, TargetError> {
        let Target { strangers_let_in, enrolled } = target;
        if !(strangers_let_in > 0.0 && strangers_let_in < 1.0) {
            return Err(TargetError::NotARate { got: strangers_let_in });
        }
        if enrolled == 0 {
            return Err(TargetError::NobodyEnrolled);
        }
        let too_many = |threshold: &f64| {
            self.predict(*threshold as f32, enrolled).is_some_and(|it| it.strangers_let_in_at_most > strangers_let_in)
        };
        let lowest = self.thresholds.get(self.thresholds.partition_point(too_many));
        lowest.and_then(|threshold| self.predict(*threshold as f32, enrolled)).ok_or_else(|| self.unsupported(target))
    }

    fn unsupported(&self, target: Target) -> TargetError {
        let last = self.thresholds.len().saturating_sub(1);
        let Target { strangers_let_in, enrolled } = target;
        let nothing = Tried { rate: Rate::of(1, 1, 1), enrolled: 1, open_set: false };
        let tried = self.tried(last, enrolled).unwrap_or(nothing);
        TargetError::Unsupported(Box::new(Unsupported {
            target,
            dataset: self.dataset.clone(),
            tried,
            lowest: tried.at_most(enrolled),
            enough_for: self.enough_for(strangers_let_in, last).filter(|enrolled| *enrolled > 0),
            strangers_needed: trials_to_show(strangers_let_in),
            pairs_needed: trials_to_show(-((-strangers_let_in).ln_1p() / enrolled as f64).exp_m1()),
        }))
    }

    /// Most enrolled people for which the highest threshold keeps `rate`.
    fn enough_for(&self, rate: f64, last: usize) -> Option<u64> {
        let kept = |tried: &Tried| tried.rate.upper <= rate;
        let sizes = self.open_set.iter().flat_map(|open_set| open_set.galleries.iter().map(|gallery| gallery.enrolled));
        let largest = self.tried(last, u64::MAX)?;
        if kept(&largest) {
            return Some((largest.enrolled as f64 * (-rate).ln_1p() / (-largest.rate.upper).ln_1p()) as u64);
        }
        sizes.filter(|size| self.tried(last, *size).as_ref().is_some_and(kept)).max()
    }

    /// Trials of a row that fit a gallery of that size best: the smallest one that isn't smaller,
    /// else the largest, else comparisons of two people.
    fn tried(&self, row: usize, enrolled: u64) -> Option<Tried> {
        let Some(open_set) = &self.open_set else {
            let rate = self.fmr(*self.thresholds.get(row)? as f32)?;
            return Some(Tried { rate, enrolled: 1, open_set: false });
        };
        let gallery = open_set.galleries.iter().find(|g| g.enrolled >= enrolled).or(open_set.galleries.last())?;
        let rate = Rate::of(*gallery.let_in.get(row)?, open_set.strangers, open_set.strangers);
        Some(Tried { rate, enrolled: gallery.enrolled, open_set: true })
    }
}
