//! Quality of a face picture for recognition, and the advice to the person who took it.
//!
//! Quality does not say whether a face is live, or whose it is. It is measured on the landmarks,
//! the box and the aligned crop, so every camera's faces are judged at the embedder's scale.

mod light;
mod pose;
mod problem;
mod sharpness;

use gatehouse_faces::{ALIGNED_SIDE, AlignedFace, Face};
use gatehouse_picture::Size;

pub use light::Light;
pub use pose::Pose;
pub use problem::{Limits, Problem};
pub use sharpness::sharpness;

/// The measured quality of one face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Distance between the eyes, in pixels of the picture.
    pub eye_distance_px: f32,
    /// Direction of the face.
    pub pose: Pose,
    /// See [`sharpness()`]; 0 is a flat picture.
    pub sharpness: f32,
    /// Lighting of the face.
    pub light: Light,
    /// Share of the face's box outside the picture, 0–1.
    pub cut_off: f32,
}

/// Measures a face in a picture of size `frame`; `aligned` is the same face, cut out.
pub fn assess(face: &Face, frame: Size, aligned: &AlignedFace) -> Quality {
    let luma = luma(aligned);
    let whole = face.box_in_frame.area();
    let inside = face.box_in_frame.clamped(frame).area();
    Quality {
        eye_distance_px: face.eye_distance_px(),
        pose: Pose::of(&face.landmarks_in_frame),
        sharpness: sharpness(&luma),
        light: Light::of(&luma),
        cut_off: if whole > 0.0 { (1.0 - inside / whole).clamp(0.0, 1.0) } else { 1.0 },
    }
}

impl Quality {
    /// Overall quality, 0–1, to choose the best of several pictures of one person. It is the
    /// product of the measures, each scaled from useless (0) to perfect (1).
    pub fn overall(&self) -> f32 {
        let scaled = |value: f32, useless: f32, perfect: f32| ((value - useless) / (perfect - useless)).clamp(0.0, 1.0);
        scaled(self.eye_distance_px, 15.0, 60.0)
            * scaled(self.pose.turn_degrees(), 60.0, 5.0)
            * scaled(self.sharpness, 0.0, SHARP)
            * scaled(self.light.spread, 5.0, 40.0)
            * scaled(self.cut_off, 0.3, 0.0)
    }
}

/// Least sharpness of a perfect picture.
const SHARP: f32 = 0.1;

/// Luma of an aligned face (ITU-R BT.601 weights), full range 0–255, rows of [`ALIGNED_SIDE`].
/// Overwritten when dropped.
type Luma = zeroize::Zeroizing<Vec<f32>>;

fn luma(aligned: &AlignedFace) -> Luma {
    let rgb = aligned.rgb();
    let mut luma = zeroize::Zeroizing::new(Vec::with_capacity(ALIGNED_SIDE * ALIGNED_SIDE));
    for y in 0..ALIGNED_SIDE {
        for x in 0..ALIGNED_SIDE {
            let [r, g, b] = [0, 1, 2].map(|channel| f32::from(rgb[[channel, y, x]]));
            luma.push(0.299 * r + 0.587 * g + 0.114 * b);
        }
    }
    luma
}

/// The part of the crop that shows the face without background and hair: from above the eyes to
/// below the mouth. Columns and rows, end excluded.
const FACE_COLUMNS: std::ops::Range<usize> = 28..84;
const FACE_ROWS: std::ops::Range<usize> = 36..104;

#[cfg(test)]
pub(crate) mod tests;
