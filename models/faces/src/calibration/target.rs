//! The threshold for an error rate that the operator states, or why the data can't support it.

use super::{Calibration, Rate, trials_to_show};

/// What the operator asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The share of strangers who may be let in at most (FPIR), between 0 and 1: 0.0001 for 1 in 10,000.
    pub strangers_let_in: f64,
    /// People enrolled.
    pub enrolled: u64,
}

/// What is to be expected of a threshold. Its text form says so in plain words, with what was assumed.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The threshold, a cosine.
    pub threshold: f32,
    /// People enrolled.
    pub enrolled: u64,
    /// Strangers let in (FPIR) with that many enrolled: best estimate, 0 to 1.
    pub strangers_let_in: f64,
    /// The same, the most that it may be, with 95 % confidence.
    pub strangers_let_in_at_most: f64,
    /// What that rests on.
    pub tried: Tried,
    /// Residents whom their face doesn't let in (FNMR at this threshold), by comparison.
    pub residents_referred: Rate,
    /// Name of the data set.
    pub dataset: String,
}

/// The trials that a statement on strangers rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    /// Strangers tried, or comparisons of two people, and those who were let in.
    pub rate: Rate,
    /// People in the gallery that they were tried with; 1 if it was comparisons of two people.
    pub enrolled: u64,
    /// Whether it was strangers before a gallery, or else comparisons of two people.
    pub open_set: bool,
}

/// A target that no threshold can be given for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// No rate.
    #[error("the share of strangers let in must lie between 0 and 1, and be neither; got {got}")]
    NotARate {
        /// As given.
        got: f64,
    },
    /// An empty gallery.
    #[error("a threshold by target needs at least 1 enrolled person; got 0")]
    NobodyEnrolled,
    /// The data set is too small, or the model not good enough on it.
    #[error("{0}")]
    Unsupported(Box<Unsupported>),
}

/// Why a calibration can't support a target, and what it can. Its text form says so in plain words.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsupported {
    /// What was asked for.
    pub target: Target,
    /// Name of the data set.
    pub dataset: String,
    /// The trials, and the errors that remain at the highest threshold.
    pub tried: Tried,
    /// The lowest rate of strangers that the data can show for that many enrolled.
    pub lowest: f64,
    /// For how many enrolled the data can show the target; none if not for 1.
    pub enough_for: Option<u64>,
    /// Strangers, tried with that many enrolled, that it takes to show the target if none is let in.
    pub strangers_needed: u64,
    /// Or pairs of people who share nobody, if none matches.
    pub pairs_needed: u64,
}

impl Tried {
    /// The rate with `enrolled` people, from one with the gallery that was tried (FPIR by gallery size).
    ///
    /// A smaller gallery lets in no more strangers than the one that was tried, so its rate is taken as it is. For a larger
    /// one it is 1 − (1 − FPIR)^(enrolled ÷ tried), which for comparisons of two people is ISO/IEC 19795-1's
    /// 1 − (1 − FMR)^enrolled. That is exact if comparisons with different enrolled people are independent. If they aren't, for
    /// some strangers resemble many, it is too high, by Jensen's inequality: safe, for enrolled people like the data set's.
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
    /// What is to be expected of `threshold` with `enrolled` people; none outside of the table.
    ///
    /// Between two rows strangers are counted at the lower and residents at the higher one, so neither is too low.
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

    /// The lowest threshold of the table at which, with 95 % confidence, no more strangers are let in than `target` says.
    /// Lower ones refer fewer residents.
    ///
    /// Going through the thresholds costs no confidence: errors only fall from one to the next, so a threshold that is too low
    /// passes only if the highest one that is too low would.
    ///
    /// # Errors
    /// If the data can't support the target at any of its thresholds: it says what they do support, and what is needed.
    /// Nothing is assumed beyond the data.
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

    /// The most enrolled people for whom the highest threshold keeps to `rate`.
    fn enough_for(&self, rate: f64, last: usize) -> Option<u64> {
        let kept = |tried: &Tried| tried.rate.upper <= rate;
        let sizes = self.open_set.iter().flat_map(|open_set| open_set.galleries.iter().map(|gallery| gallery.enrolled));
        let largest = self.tried(last, u64::MAX)?;
        if kept(&largest) {
            return Some((largest.enrolled as f64 * (-rate).ln_1p() / (-largest.rate.upper).ln_1p()) as u64);
        }
        sizes.filter(|size| self.tried(last, *size).as_ref().is_some_and(kept)).max()
    }

    /// The trials of that row which say most of a gallery of that size: the smallest gallery tried that isn't smaller, or
    /// else the largest; comparisons of two people where no gallery was tried.
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
