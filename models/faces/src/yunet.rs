//! YuNet, a face detector (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023).
//!
//! At strides 8, 16 and 32 each cell of the grid gives one candidate: class score, objectness, box
//! and five landmarks, relative to the cell. A stride's output is `[batch, 16, rows, columns]`
//! (`tools/convert/yunet_dynamic.py`).

use gatehouse_picture::{Point, Rect, YuvPicture};
use gatehouse_runtime::{
    Fit, Manifest, ModelError, PictureModel, Placement, Provider, Registry, ResultPool, SessionOptions, Task, suppress,
};
use ndarray::{ArrayView3, Axis, Zip};

use crate::error::FaceError;

/// Strides and the names of their outputs.
const LEVELS: [(usize, &str); 3] = [(8, "faces_8"), (16, "faces_16"), (32, "faces_32")];
/// Channels of an output: class score, objectness, box, landmarks.
const CHANNELS: usize = 16;
const CLASS: usize = 0;
const OBJECT: usize = 1;
const BOX: usize = 2;
const LANDMARKS: usize = 6;
const COARSEST: usize = 32;
/// Intersection over union above which the worse of two faces is suppressed: OpenCV's default.
const MAX_IOU: f32 = 0.3;
/// Longest side of a photo in the tensor: the size that YuNet was trained at.
const PHOTO_SIDE_PX: usize = 640;

/// A face in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// Bounding box in pixels of the picture; may reach beyond its edges.
    pub box_in_frame: Rect,
    /// 0–1: the square root of class score times objectness.
    pub score: f32,
    /// Right eye, left eye, tip of the nose, right and left corner of the mouth. Right and left are
    /// the person's own: in a picture that isn't mirrored, the right eye is on the left.
    pub landmarks_in_frame: [Point; 5],
}

impl Face {
    /// Distance between the eyes in pixels of the picture.
    pub fn eye_distance_px(&self) -> f32 {
        self.landmarks_in_frame[0].distance(self.landmarks_in_frame[1])
    }
}

/// Detects faces in batches of pictures. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct FaceDetector {
    model: PictureModel,
    pool: ResultPool<Vec<Face>>,
}

impl FaceDetector {
    /// Opens the named model and warms it up.
    ///
    /// # Errors
    /// If it is unknown, for another task, not its manifest's file, or lacks an output of YuNet.
    pub fn load(registry: &Registry, name: &str, options: &SessionOptions) -> Result<Self, ModelError> {
        let model = registry.load(name, Task::FaceDetection, options)?;
        LEVELS.iter().try_for_each(|(_, output)| model.require_output(output))?;
        let model = PictureModel::new(model, Fit::Shrink, COARSEST)?;
        Ok(Self { model, pool: ResultPool::default() })
    }

    /// Detects faces with scores of `min_score` (0–1) and more, best first; `results[i]` belongs to
    /// `pictures[i]`.
    ///
    /// Each picture is shrunk to the model's size with its aspect kept, at the top left of the
    /// smallest tensor that holds it; the rest is black. Tensors of the same size share one
    /// inference. Faces with a number that is not finite are dropped.
    ///
    /// # Errors
    /// If a picture can't be converted or the inference fails. `results` is undefined then.
    pub fn detect(
        &mut self,
        pictures: &[YuvPicture<'_>],
        min_score: f32,
        results: &mut Vec<Vec<Face>>,
    ) -> Result<(), FaceError> {
        self.detect_at(pictures.iter().map(|picture| (*picture, None)), min_score, results)
    }

    /// Detects faces in photos, as [`Self::detect`], but at their own size up to 640 × 640 pixels.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn detect_in_photos(
        &mut self,
        photos: &[YuvPicture<'_>],
        min_score: f32,
        results: &mut Vec<Vec<Face>>,
    ) -> Result<(), FaceError> {
        self.detect_at(photos.iter().map(|photo| (*photo, Some(PHOTO_SIDE_PX))), min_score, results)
    }

    /// Detects faces, as [`Self::detect`]. Each picture has its longer side in the tensor, in
    /// pixels; none for the model's default. Cost grows with the number of pixels.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn detect_at<'p>(
        &mut self,
        pictures: impl Iterator<Item = (YuvPicture<'p>, Option<usize>)> + Clone,
        min_score: f32,
        results: &mut Vec<Vec<Face>>,
    ) -> Result<(), FaceError> {
        self.pool.resize(results, pictures.clone().count());
        results.iter_mut().for_each(Vec::clear);
        self.model.run_batches(pictures, |batch| {
            for (stride, output) in LEVELS {
                let shape = [batch.pictures.len(), CHANNELS, batch.size.height / stride, batch.size.width / stride];
                let candidates = batch.outputs.array(output, shape)?;
                for (candidates, picture) in candidates.outer_iter().zip(batch.pictures) {
                    Level { stride, candidates }.decode(min_score, &mut results[*picture]);
                }
            }
            Ok(())
        })?;
        for (faces, place) in results.iter_mut().zip(self.model.placements()) {
            suppress(faces, MAX_IOU, |face| (face.box_in_frame, face.score));
            faces.iter_mut().for_each(|face| face.move_to_frame(place));
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

    /// Runs one empty 16:9 batch, to be timed; `longer_side_px` as in [`Self::detect_at`].
    ///
    /// # Errors
    /// If the batch is too large for the model or the inference fails.
    pub fn benchmark(&mut self, pictures: usize, longer_side_px: Option<usize>) -> Result<(), ModelError> {
        self.model.benchmark(pictures, longer_side_px)
    }
}

impl Face {
    fn move_to_frame(&mut self, placement: &Placement) {
        self.box_in_frame = placement.rect_in_frame(self.box_in_frame);
        self.landmarks_in_frame = self.landmarks_in_frame.map(|landmark| placement.point_in_frame(landmark));
    }
}

/// The output of one stride for one picture: `[16, rows, columns]`.
struct Level<'o> {
    stride: usize,
    candidates: ArrayView3<'o, f32>,
}

impl Level<'_> {
    /// Adds finite faces of score `min_score` and more, in pixels of the tensor.
    fn decode(&self, min_score: f32, faces: &mut Vec<Face>) {
        let channel = |channel| self.candidates.index_axis(Axis(0), channel);
        Zip::indexed(channel(CLASS)).and(channel(OBJECT)).for_each(|cell, class, object| {
            let score = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
            if score < min_score {
                return;
            }
            let face = self.face(cell, score);
            let box_ = face.box_in_frame;
            let numbers = [score, box_.x, box_.y, box_.width, box_.height].into_iter();
            if numbers.chain(face.landmarks_in_frame.iter().flat_map(|p| [p.x, p.y])).all(f32::is_finite) {
                faces.push(face);
            }
        });
    }

    fn face(&self, (row, column): (usize, usize), score: f32) -> Face {
        let stride = self.stride as f32;
        let at = |x: f32, y: f32| Point { x: (column as f32 + x) * stride, y: (row as f32 + y) * stride };
        let values = self.candidates.index_axis_move(Axis(2), column).index_axis_move(Axis(1), row);
        let centre = at(values[BOX], values[BOX + 1]);
        let (width, height) = (values[BOX + 2].exp() * stride, values[BOX + 3].exp() * stride);
        Face {
            box_in_frame: Rect { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height },
            score,
            landmarks_in_frame: std::array::from_fn(|i| at(values[LANDMARKS + 2 * i], values[LANDMARKS + 2 * i + 1])),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    // The cell that has a face, in a grid of 2 rows and 3 columns at stride 16.
    const ROW: usize = 1;
    const COLUMN: usize = 1;

    fn grid() -> Array3<f32> {
        let mut grid = Array3::zeros((CHANNELS, 2, 3));
        // The sigmoid of a runtime can give an objectness slightly above 1: it counts as 1.
        let before_landmarks = [0.81, 1.5, 0.5, 0.25, 2f32.ln(), 0.0];
        let landmarks = (0..10u8).map(|i| f32::from(i) / 4.0);
        for (channel, value) in before_landmarks.into_iter().chain(landmarks).enumerate() {
            grid[[channel, ROW, COLUMN]] = value;
        }
        grid
    }

    fn decode(grid: &Array3<f32>, min_score: f32) -> Vec<Face> {
        let mut faces = Vec::new();
        Level { stride: 16, candidates: grid.view() }.decode(min_score, &mut faces);
        faces
    }

    #[test]
    fn cells_are_decoded_relative_to_their_corner() {
        let faces = decode(&grid(), 0.5);
        assert_eq!(faces.len(), 1);
        let face = faces[0];
        assert!((face.score - 0.9).abs() < 1e-6);
        // Centre (1.5, 1.25) cells, 2 × 1 cells.
        assert_eq!(face.box_in_frame, Rect { x: 8.0, y: 12.0, width: 32.0, height: 16.0 });
        assert_eq!(face.landmarks_in_frame[0], Point { x: 16.0, y: 20.0 });
        assert_eq!(face.landmarks_in_frame[4], Point { x: 48.0, y: 52.0 });
        assert!((face.eye_distance_px() - 8.0 * 2f32.sqrt()).abs() < 1e-4);
    }

    #[test]
    fn a_score_equal_to_the_minimum_is_included() {
        let mut grid = grid();
        (grid[[CLASS, ROW, COLUMN]], grid[[OBJECT, ROW, COLUMN]]) = (0.25, 1.0);
        assert_eq!(decode(&grid, 0.5).len(), 1);
        assert_eq!(decode(&grid, 0.500_001).len(), 0);
    }

    #[test]
    fn candidates_that_are_not_finite_are_dropped() {
        // 1000 overflows the exponential of the box's width.
        let spoilt = [(CLASS, f32::NAN), (BOX + 1, f32::INFINITY), (BOX + 2, 1000.0), (CHANNELS - 1, f32::NAN)];
        for (channel, value) in spoilt {
            let mut grid = grid();
            grid[[channel, ROW, COLUMN]] = value;
            assert_eq!(decode(&grid, 0.5), [], "{channel}");
        }
    }
}
