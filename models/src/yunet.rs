//! YuNet, a face detector (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023).
//!
//! At strides 8, 16 and 32 each cell of the grid offers one face: a class score, an objectness, a box and five
//! landmarks, all relative to the cell.

use gatehouse_picture::{Point, Rect, YuvPicture};
use ndarray::{ArrayView2, Axis};

use crate::error::ModelError;
use crate::manifest::{Manifest, Task};
use crate::nms::suppress;
use crate::picture_model::{PictureModel, Spare};
use crate::placement::{Fit, Placement};
use crate::provider::Provider;
use crate::registry::Registry;
use crate::session::SessionOptions;

/// Each stride with its outputs: class scores, objectness, boxes and landmarks.
const LEVELS: [(usize, [&str; 4]); 3] = [
    (8, ["cls_8", "obj_8", "bbox_8", "kps_8"]),
    (16, ["cls_16", "obj_16", "bbox_16", "kps_16"]),
    (32, ["cls_32", "obj_32", "bbox_32", "kps_32"]),
];
const COARSEST: usize = 32;
/// Of two faces that overlap by more than this, one falls: OpenCV's default for this model.
const MAX_IOU: f32 = 0.3;
/// Longest side that a photo is looked at with: what YuNet was trained with.
const PHOTO_SIDE_PX: usize = 640;

/// A face in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// Around the face, in pixels of the picture; may reach beyond its edges.
    pub box_in_frame: Rect,
    /// 0–1: the root of class score times objectness.
    pub score: f32,
    /// Right eye, left eye, tip of the nose, right and left corner of the mouth. Right and left are the person's own:
    /// in a picture that is not mirrored the right eye is on the left side of a face that looks at the camera.
    pub landmarks_in_frame: [Point; 5],
}

impl Face {
    /// Distance between the eyes in pixels of the picture: how much detail there is to recognise by.
    pub fn eye_distance_px(&self) -> f32 {
        self.landmarks_in_frame[0].distance(self.landmarks_in_frame[1])
    }
}

/// Finds faces in batches of pictures. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct FaceDetector {
    model: PictureModel,
    not_finite: u64,
    spare: Spare<Vec<Face>>,
}

impl FaceDetector {
    /// Opens and warms up the named model.
    ///
    /// # Errors
    /// If it is unknown, for another task, not the file of its manifest, or has not YuNet's outputs.
    pub fn load(registry: &Registry, name: &str, options: &SessionOptions) -> Result<Self, ModelError> {
        let model = registry.load(name, Task::FaceDetection, options)?;
        LEVELS.iter().flat_map(|(_, outputs)| outputs).try_for_each(|output| model.require_output(output))?;
        let model = PictureModel::new(model, Fit::Shrink, COARSEST)?;
        Ok(Self { model, not_finite: 0, spare: Spare::default() })
    }

    /// Finds the faces of score `min_score` (0–1) and more, best first.
    ///
    /// `results[i]` belongs to `pictures[i]`. Pictures may differ in size: each is shrunk to within the model's size with
    /// its aspect kept, at the top left of a tensor no larger than it needs, the rest black. One inference for all whose
    /// tensors have the same size. A face with a number that is not finite is left out and counted,
    /// see [`FaceDetector::not_finite`].
    ///
    /// # Errors
    /// If a picture can't be converted or the inference fails; `results` are of no use then.
    pub fn detect(
        &mut self,
        pictures: &[YuvPicture<'_>],
        min_score: f32,
        results: &mut Vec<Vec<Face>>,
    ) -> Result<(), ModelError> {
        self.detect_at(pictures.iter().map(|picture| (*picture, None)), min_score, results)
    }

    /// The same in photos, that may stand upright and are not looked at many times a second: at their own size up to 640 × 640
    /// pixels, whatever the manifest says of frames.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn detect_in_photos(
        &mut self,
        photos: &[YuvPicture<'_>],
        min_score: f32,
        results: &mut Vec<Vec<Face>>,
    ) -> Result<(), ModelError> {
        self.detect_at(photos.iter().map(|photo| (*photo, Some(PHOTO_SIDE_PX))), min_score, results)
    }

    /// The same in pictures beside each of which stands the number of pixels that its longer side is shrunk to; none for the model's own
    /// size. A quarter of the pixels takes a quarter of the time.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn detect_at<'p>(
        &mut self,
        pictures: impl Iterator<Item = (YuvPicture<'p>, Option<usize>)> + Clone,
        min_score: f32,
        results: &mut Vec<Vec<Face>>,
    ) -> Result<(), ModelError> {
        self.spare.resize(results, pictures.clone().count());
        results.iter_mut().for_each(Vec::clear);
        self.model.look(pictures, |look| {
            for (stride, [class, object, boxes, landmarks]) in LEVELS {
                let columns = look.size.width / stride;
                let cells = columns * (look.size.height / stride);
                let output = |name, values| look.outputs.array(name, [look.pictures.len(), cells, values]);
                let (class, object, boxes, landmarks) =
                    (output(class, 1)?, output(object, 1)?, output(boxes, 4)?, output(landmarks, 10)?);
                for (i, picture) in look.pictures.iter().enumerate() {
                    let level = Level {
                        stride,
                        columns,
                        class: class.index_axis(Axis(0), i),
                        object: object.index_axis(Axis(0), i),
                        boxes: boxes.index_axis(Axis(0), i),
                        landmarks: landmarks.index_axis(Axis(0), i),
                    };
                    self.not_finite += level.decode(min_score, &mut results[*picture]);
                }
            }
            Ok(())
        })?;
        for (faces, place) in results.iter_mut().zip(self.model.places()) {
            suppress(faces, MAX_IOU, |face| (face.box_in_frame, face.score));
            faces.iter_mut().for_each(|face| face.move_to_frame(place));
        }
        Ok(())
    }

    /// The manifest it was opened by.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// What runs it.
    pub fn provider(&self) -> Provider {
        self.model.provider()
    }

    /// Runs so many empty pictures of 16:9 at once, with the longer side as in [`Self::detect_at`], to learn how long that takes.
    ///
    /// # Errors
    /// If the model can't take so many, or the inference fails.
    pub fn rehearse(&mut self, pictures: usize, longer_side_px: Option<usize>) -> Result<(), ModelError> {
        self.model.rehearse(pictures, longer_side_px)
    }

    /// How many candidates had a number that is not finite, since it was loaded. More than 0 means a broken model.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }
}

impl Face {
    fn move_to_frame(&mut self, placement: &Placement) {
        self.box_in_frame = placement.rect_in_frame(self.box_in_frame);
        self.landmarks_in_frame = self.landmarks_in_frame.map(|landmark| placement.point_in_frame(landmark));
    }
}

/// The outputs of one stride for one picture: a row per cell, cells row by row.
struct Level<'o> {
    stride: usize,
    columns: usize,
    class: ArrayView2<'o, f32>,
    object: ArrayView2<'o, f32>,
    boxes: ArrayView2<'o, f32>,
    landmarks: ArrayView2<'o, f32>,
}

impl Level<'_> {
    /// Adds the faces from `min_score` on, still in pixels of the tensor; returns how many were not finite.
    fn decode(&self, min_score: f32, faces: &mut Vec<Face>) -> u64 {
        let mut not_finite = 0;
        let scores = self.class.column(0).into_iter().zip(self.object.column(0));
        for (cell, (class, object)) in scores.enumerate() {
            let score = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
            if score < min_score {
                continue;
            }
            let face = self.face(cell, score);
            let box_ = face.box_in_frame;
            let numbers = [score, box_.x, box_.y, box_.width, box_.height].into_iter();
            if numbers.chain(face.landmarks_in_frame.iter().flat_map(|p| [p.x, p.y])).all(f32::is_finite) {
                faces.push(face);
            } else {
                not_finite += 1;
            }
        }
        not_finite
    }

    fn face(&self, cell: usize, score: f32) -> Face {
        let stride = self.stride as f32;
        let (column, row) = ((cell % self.columns) as f32, (cell / self.columns) as f32);
        let at = |x: f32, y: f32| Point { x: (column + x) * stride, y: (row + y) * stride };
        let values = self.boxes.row(cell);
        let centre = at(values[0], values[1]);
        let (width, height) = (values[2].exp() * stride, values[3].exp() * stride);
        let landmarks = self.landmarks.row(cell);
        Face {
            box_in_frame: Rect { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height },
            score,
            landmarks_in_frame: std::array::from_fn(|i| at(landmarks[2 * i], landmarks[2 * i + 1])),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    // A grid of 3 × 2 cells at stride 16, in which cell 4 (column 1, row 1) has a face.
    struct Grid {
        class: Array2<f32>,
        object: Array2<f32>,
        boxes: Array2<f32>,
        landmarks: Array2<f32>,
    }

    fn grid() -> Grid {
        let mut grid = Grid {
            class: Array2::zeros((6, 1)),
            object: Array2::zeros((6, 1)),
            boxes: Array2::zeros((6, 4)),
            landmarks: Array2::zeros((6, 10)),
        };
        grid.class[[4, 0]] = 0.81;
        // Above 1, as sums of halves can be: it counts as 1.
        grid.object[[4, 0]] = 1.5;
        grid.boxes.row_mut(4).assign(&ndarray::array![0.5, 0.25, 2f32.ln(), 0.0]);
        grid.landmarks.row_mut(4).iter_mut().enumerate().for_each(|(i, v)| *v = i as f32 / 4.0);
        grid
    }

    fn decode(grid: &Grid, min_score: f32) -> (Vec<Face>, u64) {
        let mut faces = Vec::new();
        let level = Level {
            stride: 16,
            columns: 3,
            class: grid.class.view(),
            object: grid.object.view(),
            boxes: grid.boxes.view(),
            landmarks: grid.landmarks.view(),
        };
        let not_finite = level.decode(min_score, &mut faces);
        (faces, not_finite)
    }

    #[test]
    fn a_cell_is_decoded_relative_to_its_corner() {
        let (faces, not_finite) = decode(&grid(), 0.5);
        assert_eq!((faces.len(), not_finite), (1, 0));
        let face = faces[0];
        assert!((face.score - 0.9).abs() < 1e-6);
        // Centre (1.5, 1.25) cells, 2 × 1 cells.
        assert_eq!(face.box_in_frame, Rect { x: 8.0, y: 12.0, width: 32.0, height: 16.0 });
        assert_eq!(face.landmarks_in_frame[0], Point { x: 16.0, y: 20.0 });
        assert_eq!(face.landmarks_in_frame[4], Point { x: 48.0, y: 52.0 });
        assert!((face.eye_distance_px() - 8.0 * 2f32.sqrt()).abs() < 1e-4);
    }

    #[test]
    fn the_least_score_is_included() {
        let mut grid = grid();
        grid.class[[4, 0]] = 0.25;
        grid.object[[4, 0]] = 1.0;
        assert_eq!(decode(&grid, 0.5).0.len(), 1);
        assert_eq!(decode(&grid, 0.500_001).0.len(), 0);
    }

    #[test]
    fn what_is_not_finite_is_left_out_and_counted() {
        for spoil in [
            (|grid: &mut Grid| grid.class[[4, 0]] = f32::NAN) as fn(&mut Grid),
            |grid| grid.boxes[[4, 1]] = f32::INFINITY,
            // exp overflows.
            |grid| grid.boxes[[4, 2]] = 1000.0,
            |grid| grid.landmarks[[4, 9]] = f32::NAN,
        ] {
            let mut grid = grid();
            spoil(&mut grid);
            assert_eq!(decode(&grid, 0.5), (Vec::new(), 1));
        }
    }
}
