//! YuNet, a face detector (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023).
//!
//! At strides 8, 16 and 32 each cell of the grid offers one face: a class score, an objectness, a box and five
//! landmarks, all relative to the cell. A stride's output is `[batch, 16, rows, columns]`: `tools/convert/yunet_dynamic.py`.

use gatehouse_picture::{Point, Rect, YuvPicture};
use ndarray::{ArrayView3, Axis, Zip};

use crate::error::ModelError;
use crate::manifest::{Manifest, Task};
use crate::nms::suppress;
use crate::picture_model::{PictureModel, Spare};
use crate::placement::{Fit, Placement};
use crate::provider::Provider;
use crate::registry::Registry;
use crate::session::SessionOptions;

/// Each stride with its output.
const LEVELS: [(usize, &str); 3] = [(8, "faces_8"), (16, "faces_16"), (32, "faces_32")];
/// What an output says of each cell: class score and objectness, box, landmarks.
const CHANNELS: usize = 16;
const CLASS: usize = 0;
const OBJECT: usize = 1;
const BOX: usize = 2;
const LANDMARKS: usize = 6;
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
        LEVELS.iter().try_for_each(|(_, output)| model.require_output(output))?;
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
            for (stride, output) in LEVELS {
                let shape = [look.pictures.len(), CHANNELS, look.size.height / stride, look.size.width / stride];
                let offers = look.outputs.array(output, shape)?;
                for (offers, picture) in offers.outer_iter().zip(look.pictures) {
                    self.not_finite += Level { stride, offers }.decode(min_score, &mut results[*picture]);
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

/// The output of one stride for one picture: `[16, rows, columns]`.
struct Level<'o> {
    stride: usize,
    offers: ArrayView3<'o, f32>,
}

impl Level<'_> {
    /// Adds the faces from `min_score` on, still in pixels of the tensor; returns how many were not finite.
    fn decode(&self, min_score: f32, faces: &mut Vec<Face>) -> u64 {
        let mut not_finite = 0;
        let channel = |channel| self.offers.index_axis(Axis(0), channel);
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
            } else {
                not_finite += 1;
            }
        });
        not_finite
    }

    fn face(&self, (row, column): (usize, usize), score: f32) -> Face {
        let stride = self.stride as f32;
        let at = |x: f32, y: f32| Point { x: (column as f32 + x) * stride, y: (row as f32 + y) * stride };
        let offer = self.offers.index_axis_move(Axis(2), column).index_axis_move(Axis(1), row);
        let centre = at(offer[BOX], offer[BOX + 1]);
        let (width, height) = (offer[BOX + 2].exp() * stride, offer[BOX + 3].exp() * stride);
        Face {
            box_in_frame: Rect { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height },
            score,
            landmarks_in_frame: std::array::from_fn(|i| at(offer[LANDMARKS + 2 * i], offer[LANDMARKS + 2 * i + 1])),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    // Of a grid of 2 rows and 3 columns at stride 16 the cell that has a face.
    const ROW: usize = 1;
    const COLUMN: usize = 1;

    fn grid() -> Array3<f32> {
        let mut grid = Array3::zeros((CHANNELS, 2, 3));
        // An objectness above 1, as a runtime's sigmoid can be by a little: it counts as 1.
        let before_landmarks = [0.81, 1.5, 0.5, 0.25, 2f32.ln(), 0.0];
        let landmarks = (0..10u8).map(|i| f32::from(i) / 4.0);
        for (channel, value) in before_landmarks.into_iter().chain(landmarks).enumerate() {
            grid[[channel, ROW, COLUMN]] = value;
        }
        grid
    }

    fn decode(grid: &Array3<f32>, min_score: f32) -> (Vec<Face>, u64) {
        let mut faces = Vec::new();
        let not_finite = Level { stride: 16, offers: grid.view() }.decode(min_score, &mut faces);
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
        (grid[[CLASS, ROW, COLUMN]], grid[[OBJECT, ROW, COLUMN]]) = (0.25, 1.0);
        assert_eq!(decode(&grid, 0.5).0.len(), 1);
        assert_eq!(decode(&grid, 0.500_001).0.len(), 0);
    }

    #[test]
    fn what_is_not_finite_is_left_out_and_counted() {
        // Of a box's third, its width, exp overflows.
        let spoilt = [(CLASS, f32::NAN), (BOX + 1, f32::INFINITY), (BOX + 2, 1000.0), (CHANNELS - 1, f32::NAN)];
        for (channel, value) in spoilt {
            let mut grid = grid();
            grid[[channel, ROW, COLUMN]] = value;
            assert_eq!(decode(&grid, 0.5), (Vec::new(), 1), "{channel}");
        }
    }
}
