//! Counts errors by threshold from measured scores.

use super::{Calibration, CalibrationError, GalleryTrial, OpenSet};

/// Data set and model of a measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredOn {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the model.
    pub model: String,
    /// Version of the model.
    pub model_version: String,
    /// People in the data set.
    pub people: u64,
    /// Used pictures.
    pub images: u64,
    /// People with genuine comparisons.
    pub genuine_people: u64,
}

/// Measured cosines, in any order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// Scores of two pictures of one person.
    pub genuine: Vec<f32>,
    /// Scores of pictures of two people.
    pub impostor: Vec<f32>,
    /// Each stranger's best score by the number of enrolled people, ascending. No stranger is
    /// enrolled; smaller galleries are parts of larger ones. Empty if no gallery was tried.
    pub strangers: Vec<(u64, Vec<f32>)>,
}

/// Thresholds are multiples of one by this, so that a person can copy one.
const STEPS_BY_ONE: f64 = 1e4;

impl Calibration {
    /// Counts errors at up to 400 evenly spaced thresholds: from the median of the impostors'
    /// scores (a lower one is useless) to just above any stranger's highest score.
    ///
    /// # Errors
    /// If a score is not finite, or the counts don't fit the data set.
    pub fn count(on: MeasuredOn, mut measured: Measured) -> Result<Self, CalibrationError> {
        let columns = measured.strangers.iter_mut().map(|(_, scores)| scores);
        for scores in [&mut measured.genuine, &mut measured.impostor].into_iter().chain(columns) {
            if let Some(wrong) = scores.iter().find(|score| !score.is_finite()) {
                return Err(CalibrationError(format!("a score is {wrong}, a number within −1 to 1 was expected")));
            }
            scores.sort_unstable_by(f32::total_cmp);
        }
        let Measured { genuine, impostor, strangers } = measured;
        let tried = strangers.first().map_or(0, |(_, scores)| scores.len());
        if let Some((enrolled, scores)) = strangers.iter().find(|(_, scores)| scores.len() != tried) {
            return Err(CalibrationError(format!(
                "{} strangers were tried with {enrolled} enrolled, and {tried} with the smallest gallery",
                scores.len()
            )));
        }
        let thresholds = thresholds(&impostor, &strangers);
        let below = |scores: &[f32], threshold: f64| scores.partition_point(|score| *score < threshold as f32) as u64;
        let at_or_above = |scores: &[f32]| {
            thresholds.iter().map(|threshold| scores.len() as u64 - below(scores, *threshold)).collect::<Vec<u64>>()
        };
        let galleries: Vec<GalleryTrial> = strangers
            .iter()
            .map(|(enrolled, scores)| GalleryTrial { enrolled: *enrolled, let_in: at_or_above(scores) })
            .collect();
        let calibration = Self {
            dataset: on.dataset,
            model: on.model,
            model_version: on.model_version,
            people: on.people,
            images: on.images,
            genuine: genuine.len() as u64,
            genuine_people: on.genuine_people,
            impostor: impostor.len() as u64,
            false_non_matches: thresholds.iter().map(|threshold| below(&genuine, *threshold)).collect(),
            false_matches: at_or_above(&impostor),
            open_set: (!galleries.is_empty()).then_some(OpenSet { strangers: tried as u64, galleries }),
            thresholds,
        };
        calibration.check()?;
        Ok(calibration)
    }
}

/// Thresholds for ascending scores; none without impostors.
fn thresholds(impostor: &[f32], strangers: &[(u64, Vec<f32>)]) -> Vec<f64> {
    let Some(median) = impostor.get(impostor.len() / 2) else { return Vec::new() };
    let highest = strangers.iter().filter_map(|(_, scores)| scores.last()).chain(impostor.last());
    let highest = highest.fold(-1f32, |highest, score| highest.max(*score));
    let first = (f64::from(*median) * STEPS_BY_ONE).floor();
    // One more than needed, in case rounding to f32 lowers a threshold to the score.
    let last = (f64::from(highest) * STEPS_BY_ONE).floor() + 2.0;
    let rows = (last - first + 1.0).min(Calibration::MOST_ROWS as f64);
    let width = (last - first) / (rows - 1.0);
    let at = |row: usize| ((first + width * row as f64).round() / STEPS_BY_ONE).clamp(-1.0, 1.0);
    let mut thresholds: Vec<f64> = (0..rows as usize).map(at).collect();
    thresholds.dedup();
    thresholds
}
