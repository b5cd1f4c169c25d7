//! The calibration table of a manifest, from an evaluation.

use gatehouse_faces::calibration::{Calibration, CalibrationError, GalleryTrial, OpenSet};

use crate::faces::FaceReport;

/// Thresholds are multiples of this, so that a person can copy one.
const STEPS_BY_ONE: f64 = 1e4;

/// Computes errors at up to 400 thresholds over all pairs of pictures, and the best scores of
/// strangers in galleries of several sizes.
///
/// # Errors
/// If the data don't suffice for a table: nobody has two pictures, or there are no two people.
pub fn calibration(report: &FaceReport) -> Result<Calibration, CalibrationError> {
    let counts = report.comparison_sets.iter().find(|set| set.name == "all-pairs").map(|set| &set.counts);
    let strangers = &report.identification.best_of_strangers;
    let (median, mut highest) = counts.and_then(|counts| counts.impostor_median_and_highest()).unwrap_or((-1.0, 1.0));
    strangers.iter().flat_map(|(_, best)| best).for_each(|score| highest = highest.max(*score));
    let thresholds = thresholds(f64::from(median), f64::from(highest));
    let at = |column: &dyn Fn(f32) -> u64| thresholds.iter().map(|threshold| column(*threshold as f32)).collect();
    let galleries: Vec<GalleryTrial> = strangers
        .iter()
        .map(|(enrolled, best)| GalleryTrial {
            enrolled: *enrolled,
            let_in: at(&|threshold| best.iter().filter(|score| **score >= threshold).count() as u64),
        })
        .collect();
    let embedder = report.models.last();
    let calibration = Calibration {
        dataset: report.dataset.name.clone(),
        model: embedder.map(|model| model.name.clone()).unwrap_or_default(),
        model_version: embedder.map(|model| model.version.clone()).unwrap_or_default(),
        people: report.usable.people,
        images: report.usable.pictures,
        genuine: counts.map_or(0, |counts| counts.genuine_total()),
        genuine_people: report.usable.people_with_two,
        impostor: counts.map_or(0, |counts| counts.impostor_total()),
        false_non_matches: at(&|threshold| counts.map_or(0, |counts| counts.at(threshold).false_non_matches)),
        false_matches: at(&|threshold| counts.map_or(0, |counts| counts.at(threshold).false_matches)),
        open_set: strangers.last().map(|(_, best)| OpenSet { strangers: best.len() as u64, galleries }),
        thresholds,
    };
    calibration.check()?;
    Ok(calibration)
}

/// From the median of the impostor scores (no lower one is useful) to just above the highest.
fn thresholds(median: f64, highest: f64) -> Vec<f64> {
    let first = (median * STEPS_BY_ONE).floor();
    // One step because of rounding down, and one to be above.
    let last = (highest * STEPS_BY_ONE).floor() + 2.0;
    let rows = (last - first + 1.0).clamp(2.0, Calibration::MOST_ROWS as f64);
    let width = (last - first) / (rows - 1.0);
    let at = |row: usize| ((first + width * row as f64).round() / STEPS_BY_ONE).clamp(-1.0, 1.0);
    let mut thresholds: Vec<f64> = (0..rows as usize).map(at).collect();
    thresholds.dedup();
    thresholds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_rise_from_the_median_to_above_the_highest() {
        let wide = thresholds(0.0312, 0.71234);
        assert!(wide.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((wide.len(), wide[0]), (400, 0.0312));
        assert!(*wide.last().expect("some") > 0.71234);
        assert_eq!(thresholds(0.5, 0.50005), [0.5, 0.5001, 0.5002]);
        assert_eq!(*thresholds(0.9, 1.0).last().expect("some"), 1.0);
    }
}
