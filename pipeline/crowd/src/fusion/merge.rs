//! Merges the map of a separate density model into that of the person detector.

use gatehouse_people::{Counting, DensityMap, FusionRamp};

use super::ramp::DensityShares;

/// True if the density model should measure a picture: the detector's map is above the start of the
/// model's ramp, or either is missing. The model is large, so it doesn't run on other pictures.
pub(crate) fn needs_density_model(detector_map: &DensityMap, ramp: Option<&FusionRamp>) -> bool {
    ramp.is_none_or(|ramp| detector_map.is_empty() || detector_map.sum() > ramp.people_in_picture[0])
}

/// Errors and ramp of a detector with a density model: the model's errors, and the detector's ramp
/// if it measures a density (`detector_has_density`), else the model's.
pub(crate) fn combined_counting(detector: Option<&Counting>, detector_has_density: bool, model: &Counting) -> Counting {
    let ramp = detector.filter(|_| detector_has_density).and_then(|detector| detector.fusion_ramp);
    Counting { fusion_ramp: ramp.or(model.fusion_ramp), ..model.clone() }
}

/// Merges maps picture by picture. It keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct MapMerger {
    shares: DensityShares,
}

impl MapMerger {
    /// Replaces `detector_map` by `model_map` as far as `ramp` says, cell by cell. Without a ramp
    /// or a detector's map, the two are swapped.
    pub(crate) fn merge(
        &mut self,
        detector_map: &mut DensityMap,
        model_map: &mut DensityMap,
        ramp: Option<&FusionRamp>,
    ) {
        match ramp.filter(|_| !detector_map.is_empty()) {
            None => std::mem::swap(detector_map, model_map),
            Some(ramp) => {
                let shares = self.shares.of(detector_map, ramp, 0.0);
                replace_by_share(detector_map, model_map, shares);
            }
        }
    }
}

/// Replaces the share of each cell of `map` by people of `other`, a map of the same picture with
/// other cells. People of `other` go to the cell that holds the middle of theirs.
fn replace_by_share(map: &mut DensityMap, other: &DensityMap, shares: &[f32]) {
    map.people_mut().iter_mut().zip(shares).for_each(|(people, share)| *people *= 1.0 - share);
    for (middle, people) in other.cells() {
        let cell = map.cell_at(middle);
        map.people_mut()[cell] += shares[cell] * people;
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_picture::Size;
    use gatehouse_runtime::{Fit, Placement};

    use super::*;

    const RAMP: FusionRamp = FusionRamp {
        people_in_picture: [10.0, 20.0],
        people_in_square: [4.0, 8.0],
        square_px: 8,
        detector_uncertainty: None,
    };

    fn map(frame: Size, side_px: usize, people: &[f32]) -> DensityMap {
        let place = Placement::new(frame, Size { width: side_px, height: side_px }, Fit::Scale);
        let mut map = DensityMap::default();
        map.reset(frame, &place, 8);
        map.people_mut().copy_from_slice(people);
        map
    }

    #[test]
    fn a_map_is_replaced_where_the_ramp_says_so() {
        let frame = Size { width: 640, height: 360 };
        let packed = [0.0, 0.0, 9.0, 9.0, 0.0, 0.0, 9.0, 9.0, 1.0, 0.0, 0.0, 0.0];
        let mut own = map(frame, 32, &packed);
        let mut other = map(frame, 32, &[5.0, 5.0, 20.0, 20.0, 5.0, 5.0, 20.0, 20.0, 5.0, 5.0, 0.0, 0.0]);
        let expected = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(DensityShares::default().of(&own, &RAMP, 0.0), expected);
        MapMerger::default().merge(&mut own, &mut other, Some(&RAMP));
        assert_eq!(own.people(), [0.0, 0.0, 20.0, 20.0, 0.0, 0.0, 20.0, 20.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_finer_map_is_summed_into_coarser_cells() {
        let frame = Size { width: 640, height: 320 };
        let fine = map(frame, 64, &[1.0; 32]);
        let mut coarse = map(frame, 32, &[0.0; 8]);
        replace_by_share(&mut coarse, &fine, &[1.0; 8]);
        assert_eq!(coarse.people(), [4.0; 8]);
    }

    #[test]
    fn without_a_ramp_or_an_own_map_the_models_map_counts() {
        let frame = Size { width: 640, height: 320 };
        for (mut own, ramp) in [(map(frame, 32, &[3.0; 8]), None), (DensityMap::default(), Some(&RAMP))] {
            let mut other = map(frame, 32, &[2.0; 8]);
            MapMerger::default().merge(&mut own, &mut other, ramp);
            assert_eq!(own.people(), [2.0; 8]);
        }
    }

    #[test]
    fn the_density_model_measures_packed_pictures_only() {
        let frame = Size { width: 640, height: 320 };
        let needed = |people: f32, ramp| needs_density_model(&map(frame, 32, &[people; 8]), ramp);
        assert!(!needed(1.25, Some(&RAMP)), "10 people are the start of the ramp");
        assert!(needed(1.26, Some(&RAMP)) && needed(0.0, None));
        assert!(needs_density_model(&DensityMap::default(), Some(&RAMP)), "the detector measures no density");
    }
}
