//! Where density takes over from detections.

use gatehouse_people::{DensityMap, FusionRamp};

/// Uncertainty of a detector about a picture, 0–1, by its scores; people have `min_score` or more.
pub(crate) fn detector_uncertainty(fusion: &FusionRamp, scores: impl Iterator<Item = f32>, min_score: f32) -> f32 {
    let Some(rule) = fusion.detector_uncertainty else { return 0.0 };
    let (mut candidates, mut rejected) = (0u32, 0u32);
    for score in scores.filter(|score| *score >= rule.candidate_score) {
        candidates += 1;
        rejected += u32::from(score < min_score);
    }
    if candidates == 0 { 0.0 } else { ramp(rule.rejected_share, rejected as f32 / candidates as f32) }
}

/// Share of a place that the density counts, 0–1, by the density's people in the picture and in the
/// square around the place, and by the detector's uncertainty (0–1).
fn density_share(fusion: &FusionRamp, in_picture: f32, in_square: f32, uncertainty: f32) -> f32 {
    let certain = ramp(fusion.people_in_picture, in_picture);
    let uncertain = fusion.detector_uncertainty.map_or(certain, |rule| ramp(rule.people_in_picture, in_picture));
    (certain + uncertainty * (uncertain - certain)) * ramp(fusion.people_in_square, in_square)
}

/// 0 up to `from`, 1 from `to` on, linear between them.
fn ramp([from, to]: [f32; 2], value: f32) -> f32 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

/// Density shares of all cells of a map. It keeps its memory.
#[derive(Debug, Default)]
pub(super) struct DensityShares {
    /// Summed-area table, with a row and a column of zeros before it.
    sums: Vec<f64>,
    shares: Vec<f32>,
}

impl DensityShares {
    /// The share of each cell, row by row. The people of a square cut by the edge are scaled up.
    pub(super) fn of(&mut self, map: &DensityMap, fusion: &FusionRamp, uncertainty: f32) -> &[f32] {
        let (columns, rows) = (map.columns(), map.rows());
        self.sum_areas(map);
        let stride = columns + 1;
        let square_in_frame = fusion.square_px as f32 * map.px_in_frame();
        let (width, height) = map.cell_in_frame();
        let reach = |cell: f32| ((square_in_frame / cell - 1.0) / 2.0).round().max(0.0) as usize;
        let (across, down) = (reach(width), reach(height));
        let full = ((2 * across + 1) * (2 * down + 1)) as f32;
        let Self { sums, shares } = self;
        let in_picture = sums.last().copied().unwrap_or_default() as f32;
        shares.clear();
        for row in 0..rows {
            let (top, bottom) = (row.saturating_sub(down), (row + down + 1).min(rows));
            for column in 0..columns {
                let (left, right) = (column.saturating_sub(across), (column + across + 1).min(columns));
                let sum = sums[bottom * stride + right] + sums[top * stride + left]
                    - sums[bottom * stride + left]
                    - sums[top * stride + right];
                let visible = ((bottom - top) * (right - left)) as f32;
                shares.push(density_share(fusion, in_picture, sum as f32 * full / visible, uncertainty));
            }
        }
        shares
    }

    fn sum_areas(&mut self, map: &DensityMap) {
        let (columns, rows) = (map.columns(), map.rows());
        let stride = columns + 1;
        self.sums.clear();
        self.sums.resize(stride * (rows + 1), 0.0);
        for row in 0..rows {
            let mut along = 0.0;
            for column in 0..columns {
                along += f64::from(map.people()[row * columns + column]);
                self.sums[(row + 1) * stride + column + 1] = self.sums[row * stride + column + 1] + along;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_people::UncertaintyRamp;

    use super::*;

    const CERTAIN: FusionRamp = FusionRamp {
        people_in_picture: [20.0, 60.0],
        people_in_square: [2.0, 4.0],
        square_px: 128,
        detector_uncertainty: None,
    };
    const UNCERTAIN: UncertaintyRamp =
        UncertaintyRamp { candidate_score: 0.3, rejected_share: [0.25, 0.75], people_in_picture: [8.0, 16.0] };

    #[test]
    fn the_share_is_the_product_of_both_ramps() {
        let share = |in_picture, in_square| density_share(&CERTAIN, in_picture, in_square, 1.0);
        assert_eq!([share(10.0, 9.0), share(60.0, 2.0), share(99.0, 9.0)], [0.0, 0.0, 1.0]);
        assert_eq!([share(40.0, 9.0), share(99.0, 3.0), share(40.0, 3.0)], [0.5, 0.5, 0.25]);
    }

    #[test]
    fn density_takes_over_earlier_if_the_detector_is_uncertain() {
        let fusion = FusionRamp { detector_uncertainty: Some(UNCERTAIN), ..CERTAIN };
        let shares =
            |in_picture| [0.0, 0.5, 1.0].map(|uncertainty| density_share(&fusion, in_picture, 9.0, uncertainty));
        assert_eq!(shares(12.0), [0.0, 0.25, 0.5]);
        assert_eq!(shares(99.0), [1.0; 3], "density counts many people however certain the detector is");
    }

    #[test]
    fn uncertainty_is_the_ramp_over_rejected_candidates() {
        let fusion = FusionRamp { detector_uncertainty: Some(UNCERTAIN), ..CERTAIN };
        let of = |scores: &[f32]| detector_uncertainty(&fusion, scores.iter().copied(), 0.5);
        assert_eq!(of(&[0.9, 0.8, 0.5, 0.4, 0.29, 0.2]), 0.0, "a quarter");
        assert_eq!((of(&[0.9, 0.4]), of(&[0.4, 0.3]), of(&[0.2])), (0.5, 1.0, 0.0));
        assert_eq!(detector_uncertainty(&CERTAIN, [0.4].into_iter(), 0.5), 0.0);
    }
}
