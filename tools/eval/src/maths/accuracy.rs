//! Accuracy of verification of pairs, by cross-validation after LFW's protocol (Huang et al.:
//! "Labeled Faces in the Wild", 2007, section III).

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trial {
    /// Its fold, from 0.
    pub(crate) fold: usize,
    pub(crate) genuine: bool,
    /// Cosine, −1 to 1. `None` if a picture gave no face: the answer is then "not the same".
    pub(crate) score: Option<f32>,
}

/// Accuracy of a fold, with the threshold that the other folds chose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fold {
    /// Lowest score of the answer "same person".
    pub threshold: f32,
    /// Share of the fold's pairs with a correct answer.
    pub accuracy: f64,
}

/// Accuracy over the folds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    pub mean: f64,
    /// Standard deviation over the folds (n − 1).
    pub std: f64,
    /// Standard error of the mean, as in LFW's tables: the deviation over the root of the folds.
    pub standard_error: f64,
    pub folds: Vec<Fold>,
}

/// Judges each fold by the best threshold of the others. `None` below two folds or if one is empty.
pub(crate) fn cross_validated(trials: &[Trial]) -> Option<Accuracy> {
    let count = trials.iter().map(|trial| trial.fold + 1).max()?;
    if count < 2 {
        return None;
    }
    let mut sorted: Vec<&Trial> = trials.iter().collect();
    sorted.sort_by(|a, b| value(a).total_cmp(&value(b)));
    let folds: Vec<Fold> = (0..count)
        .map(|fold| {
            let threshold = best_threshold(sorted.iter().filter(|trial| trial.fold != fold).copied())?;
            let own = trials.iter().filter(|trial| trial.fold == fold);
            let (right, all) = own.fold((0u32, 0u32), |(right, all), trial| {
                (right + u32::from((value(trial) >= threshold) == trial.genuine), all + 1)
            });
            (all > 0).then(|| Fold { threshold, accuracy: f64::from(right) / f64::from(all) })
        })
        .collect::<Option<_>>()?;
    let n = folds.len() as f64;
    let mean = folds.iter().map(|fold| fold.accuracy).sum::<f64>() / n;
    let std = (folds.iter().map(|fold| (fold.accuracy - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    Some(Accuracy { mean, std, standard_error: std / n.sqrt(), folds })
}

fn value(trial: &Trial) -> f32 {
    // Below every cosine, and so below every threshold.
    trial.score.unwrap_or(-2.0)
}

/// The threshold with the most correct answers for these pairs (sorted by score); of several, the
/// middle one. It lies half-way between two scores, so that it is tied to neither.
fn best_threshold<'t>(sorted: impl Iterator<Item = &'t Trial>) -> Option<f32> {
    let sorted: Vec<&Trial> = sorted.collect();
    let (first, last) = (sorted.first()?, sorted.last()?);
    let mut right = sorted.iter().filter(|trial| trial.genuine).count();
    let mut best = (right, vec![value(first)]);
    for (index, trial) in sorted.iter().enumerate() {
        // From here on the threshold is above this pair.
        right = if trial.genuine { right - 1 } else { right + 1 };
        let next = sorted.get(index + 1).map_or(value(last) + 1.0, |next| value(next));
        if next <= value(trial) {
            continue;
        }
        let threshold = value(trial) / 2.0 + next / 2.0;
        if right > best.0 {
            best = (right, vec![threshold]);
        } else if right == best.0 {
            best.1.push(threshold);
        }
    }
    best.1.get(best.1.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trial(fold: usize, genuine: bool, score: f32) -> Trial {
        Trial { fold, genuine, score: Some(score) }
    }

    #[test]
    fn each_fold_is_judged_by_the_others() {
        // Folds 0 and 1 separate at 0.5; fold 2 has a stranger above that.
        let trials = [
            trial(0, true, 0.75),
            trial(0, false, 0.25),
            trial(1, true, 0.75),
            trial(1, false, 0.25),
            trial(2, true, 0.8),
            trial(2, false, 0.7),
        ];
        let accuracy = cross_validated(&trials).expect("three folds");
        assert_eq!(accuracy.folds[2], Fold { threshold: 0.5, accuracy: 0.5 });
        // For all pairs of folds 1 and 2, only a threshold between 0.7 and 0.75 is correct.
        assert!((accuracy.folds[0].threshold - 0.725).abs() < 1e-6);
        assert!((accuracy.mean - 5.0 / 6.0).abs() < 1e-12);
        // Deviations 1/6, 1/6, −1/3: variance (1/36 + 1/36 + 4/36) / 2 = 1/12.
        assert!((accuracy.std - (1f64 / 12.0).sqrt()).abs() < 1e-12);
        assert!((accuracy.standard_error - (1f64 / 36.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_picture_without_a_face_is_a_no() {
        let none = |fold, genuine| Trial { fold, genuine, score: None };
        let trials = [
            trial(0, true, 0.9),
            trial(0, false, 0.1),
            trial(1, true, 0.9),
            none(1, true),
            none(1, false),
            none(0, false),
        ];
        let accuracy = cross_validated(&trials).expect("two folds");
        assert_eq!(accuracy.folds.iter().map(|f| f.accuracy).collect::<Vec<_>>(), [2.0 / 3.0, 2.0 / 3.0]);
    }

    #[test]
    fn one_fold_gives_no_accuracy() {
        assert_eq!(cross_validated(&[trial(0, true, 0.9)]), None);
        assert_eq!(cross_validated(&[]), None);
        assert_eq!(cross_validated(&[trial(0, true, 0.9), trial(2, true, 0.9)]), None, "fold 1 is empty");
    }

    proptest! {
        #[test]
        fn no_threshold_is_better_than_the_best(
            pairs in prop::collection::vec((any::<bool>(), 0u8..20), 1..40), other in 0u8..42,
        ) {
            let mut trials: Vec<Trial> = pairs.iter().map(|(g, s)| trial(0, *g, f32::from(*s) / 20.0)).collect();
            trials.sort_by(|a, b| value(a).total_cmp(&value(b)));
            let right = |t: f32| trials.iter().filter(|trial| (value(trial) >= t) == trial.genuine).count();
            let best = best_threshold(trials.iter()).expect("some trials");
            prop_assert!(right(best) >= right(f32::from(other) / 40.0 - 0.01));
        }
    }
}
