//! NanoDet with only its person class, and crowd models on its backbone that also give a density.
//!
//! At strides 8, 16 and 32 each cell gives a score and, for each side of the box, a distribution
//! over the distance from the cell's centre. The distance is its expectation (Li et al.:
//! "Generalized Focal Loss", 2020). A stride's output is `[batch, 45, rows, columns]`
//! (`tools/convert/nanodet_tfjs_to_onnx.py`).

use gatehouse_picture::{Rect, Size};
use gatehouse_runtime::{
    Fit, Manifest, ModelError, PictureModel, Provider, Registry, ResultPool, SessionOptions, Task, suppress,
};
use ndarray::{ArrayView1, ArrayView3, Axis};

use crate::counting::Counting;
use crate::scene::{PeopleReading, PeopleScene};

/// Strides and the names of their outputs.
const LEVELS: [(usize, &str); 3] = [(8, "people_8"), (16, "people_16"), (32, "people_32")];
const COARSEST: usize = 32;
/// Name of the density output, in people per cell.
const DENSITY: &str = "density";
/// Side of a density cell in pixels of the tensor.
const DENSITY_CELL_PX: usize = 8;
/// Distances of 0 to 10 strides.
const BINS: usize = 11;
/// Channels of an output: score, and the bins of the left, upper, right and lower distance.
const CHANNELS: usize = DISTANCES + 4 * BINS;
const SCORE: usize = 0;
const DISTANCES: usize = 1;
/// Intersection over union above which the worse of two people is suppressed: the authors' value.
const MAX_IOU: f32 = 0.6;

/// A person in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Person {
    /// Bounding box of the visible person in pixels of the picture, within its edges.
    pub box_in_frame: Rect,
    /// Score, 0–1.
    pub score: f32,
}

/// Detects people in batches of pictures. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct PersonDetector {
    model: PictureModel,
    /// Measured errors of its counts, if its manifest has them.
    pub counting: Option<Counting>,
    /// True if it measures a density too.
    pub has_density: bool,
    pool: ResultPool<PeopleReading>,
}

impl PersonDetector {
    /// Opens the named model and warms it up. The output `density` is optional.
    ///
    /// # Errors
    /// If it is unknown, for another task, not the file of its manifest, or lacks an output of
    /// NanoDet. Also if its `[counting]` table is wrong.
    pub fn load(registry: &Registry, name: &str, options: &SessionOptions) -> Result<Self, ModelError> {
        let model = registry.load(name, Task::PersonDetection, options)?;
        LEVELS.iter().try_for_each(|(_, output)| model.require_output(output))?;
        let counting = Counting::of(model.manifest())?;
        let has_density = model.manifest().outputs.iter().any(|output| output.name == DENSITY);
        let model = PictureModel::new(model, Fit::Scale, COARSEST)?;
        Ok(Self { model, counting, has_density, pool: ResultPool::default() })
    }

    /// Detects people with scores of `min_score` (0–1) and more, best first, and measures the
    /// density if the model has one. `results[i]` belongs to `scenes[i]`; tiles are ignored.
    ///
    /// Each picture keeps its aspect. The network's authors squeeze it to a square, which makes
    /// people in wide pictures thin and misses more of them. Tensors of the same size share one
    /// inference. People with a number that is not finite are dropped.
    ///
    /// # Errors
    /// If a picture can't be converted or the inference fails. `results` is undefined then.
    pub fn detect(
        &mut self,
        scenes: &[PeopleScene<'_>],
        min_score: f32,
        results: &mut Vec<PeopleReading>,
    ) -> Result<(), ModelError> {
        self.pool.resize(results, scenes.len());
        self.detect_each(scenes.iter().copied(), min_score, results)
    }

    /// As [`Self::detect`], with one result for each scene.
    pub(crate) fn detect_each<'s>(
        &mut self,
        scenes: impl Iterator<Item = PeopleScene<'s>> + Clone,
        min_score: f32,
        results: &mut [PeopleReading],
    ) -> Result<(), ModelError> {
        for reading in results.iter_mut() {
            reading.people.clear();
            reading.density.clear();
        }
        self.model.run_batches(scenes.map(|scene| (scene.picture, Some(scene.longer_side_px))), |batch| {
            let pictures = batch.pictures.len();
            for (stride, output) in LEVELS {
                let shape = [pictures, CHANNELS, batch.size.height / stride, batch.size.width / stride];
                let candidates = batch.outputs.array(output, shape)?;
                for (candidates, scene) in candidates.outer_iter().zip(batch.pictures) {
                    let level = Level { stride, picture: batch.placements[*scene].in_tensor(), candidates };
                    level.decode(min_score, &mut results[*scene].people);
                }
            }
            if self.has_density {
                let cells = [pictures, 1, batch.size.height / DENSITY_CELL_PX, batch.size.width / DENSITY_CELL_PX];
                let maps = batch.outputs.array(DENSITY, cells)?;
                for (map, scene) in maps.outer_iter().zip(batch.pictures) {
                    let (density, place) = (&mut results[*scene].density, &batch.placements[*scene]);
                    density.reset(place.frame(), place, DENSITY_CELL_PX);
                    density.fill(map.index_axis(Axis(0), 0));
                }
            }
            Ok(())
        })?;
        for (reading, place) in results.iter_mut().zip(self.model.placements()) {
            for person in &mut reading.people {
                person.box_in_frame = place.rect_in_frame(person.box_in_frame);
            }
            suppress(&mut reading.people, MAX_IOU, |person| (person.box_in_frame, person.score));
        }
        Ok(())
    }

    /// The manifest that it was opened by.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// The execution provider that runs it.
    pub fn provider(&self) -> Provider {
        self.model.provider()
    }

    /// Runs a batch of empty 16:9 scenes, to be timed; `longer_side_px` as in [`PeopleScene`].
    ///
    /// # Errors
    /// If the batch is too large for the model or the inference fails.
    pub fn benchmark(&mut self, scenes: usize, longer_side_px: usize) -> Result<(), ModelError> {
        self.model.benchmark(scenes, Some(longer_side_px))
    }
}

/// The output of one stride for one picture: `[45, rows, columns]`.
struct Level<'o> {
    stride: usize,
    /// Size of the picture in the tensor.
    picture: Size,
    candidates: ArrayView3<'o, f32>,
}

impl Level<'_> {
    /// Adds finite people of score `min_score` and more, in pixels of the tensor.
    fn decode(&self, min_score: f32, people: &mut Vec<Person>) {
        for ((row, column), &score) in self.candidates.index_axis(Axis(0), SCORE).indexed_iter() {
            if score < min_score {
                continue;
            }
            let stride = self.stride as f32;
            let (x, y) = ((column as f32 + 0.5) * stride, (row as f32 + 0.5) * stride);
            let mut sides = [0.0; 4];
            let values = self.candidates.index_axis_move(Axis(2), column).index_axis_move(Axis(1), row);
            let (_, distances) = values.split_at(Axis(0), DISTANCES);
            for (side, bins) in sides.iter_mut().zip(distances.exact_chunks(BINS)) {
                *side = expectation(bins) * stride;
            }
            let [left, top, right, bottom] = sides;
            if [score, left, top, right, bottom].into_iter().all(f32::is_finite) {
                let box_in_frame = Rect::from_corners(x - left, y - top, x + right, y + bottom).clamped(self.picture);
                people.push(Person { box_in_frame, score });
            }
        }
    }
}

/// Expected index under the softmax of `logits`.
fn expectation(logits: ArrayView1<'_, f32>) -> f32 {
    // Subtracting the greatest keeps `exp` from overflowing.
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut mean) = (0.0, 0.0);
    for (index, logit) in logits.iter().enumerate() {
        let weight = (logit - greatest).exp();
        sum += weight;
        mean += weight * index as f32;
    }
    mean / sum
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array3};

    use super::*;

    const TENSOR: Size = Size { width: 96, height: 64 };

    // Logits that put all weight on one distance.
    fn certain(distance: usize) -> Array1<f32> {
        Array1::from_shape_fn(BINS, |bin| if bin == distance { 80.0 } else { 0.0 })
    }

    // The cell that has a person, in a grid of 2 rows and 3 columns at stride 32.
    const ROW: usize = 1;
    const COLUMN: usize = 1;

    fn grid() -> Array3<f32> {
        let mut grid = Array3::zeros((CHANNELS, 2, 3));
        grid[[SCORE, ROW, COLUMN]] = 0.75;
        let distances = [1, 1, 0, 3].into_iter().flat_map(certain);
        for (channel, logit) in (DISTANCES..).zip(distances) {
            grid[[channel, ROW, COLUMN]] = logit;
        }
        grid
    }

    fn decode(grid: &Array3<f32>, min_score: f32) -> Vec<Person> {
        let mut people = Vec::new();
        let level = Level { stride: 32, picture: TENSOR, candidates: grid.view() };
        level.decode(min_score, &mut people);
        people
    }

    #[test]
    fn boxes_are_decoded_from_the_centre_and_clamped() {
        let people = decode(&grid(), 0.75);
        // Centre (48, 48); 32 to the left and up, 0 to the right, 96 down of which 16 are inside.
        let box_in_frame = Rect { x: 16.0, y: 16.0, width: 32.0, height: 48.0 };
        assert_eq!(people, [Person { box_in_frame, score: 0.75 }]);
        assert_eq!(decode(&grid(), 0.76), []);
    }

    #[test]
    fn a_distance_is_the_expectation_of_its_bins() {
        assert!((expectation(Array1::zeros(BINS).view()) - 5.0).abs() < 1e-6);
        let mut two = Array1::from_elem(BINS, -80.0);
        (two[2], two[3]) = (3f32.ln(), 0.0);
        assert!((expectation(two.view()) - 2.25).abs() < 1e-6);
        assert!((expectation(certain(10).mapv(|v| v + 1e4).view()) - 10.0).abs() < 1e-6, "large logits");
    }

    #[test]
    fn candidates_that_are_not_finite_are_dropped() {
        for value in [f32::NAN, f32::INFINITY] {
            let mut grid = grid();
            grid[[DISTANCES + 2 * BINS, ROW, COLUMN]] = value;
            assert_eq!(decode(&grid, 0.5), []);
        }
        let mut grid = grid();
        grid[[SCORE, ROW, COLUMN]] = f32::NAN;
        assert_eq!(decode(&grid, 0.5), []);
    }
}
