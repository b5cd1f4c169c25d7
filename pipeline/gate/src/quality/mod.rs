//! How good a picture of a face is for recognising its owner by, and what to say to whoever took it.
//!
//! Nothing here says whether a face is live, or whose it is. All measures are taken from the landmarks, the box and the
//! aligned crop, so a face is judged at the scale that the embedder sees it at, whatever the camera.

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

/// What was measured of one face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Distance between the eyes in pixels of the picture.
    pub eye_distance_px: f32,
    /// Where the face looks.
    pub pose: Pose,
    /// See [`sharpness()`]: 0 for none.
    pub sharpness: f32,
    /// How the face is lit.
    pub light: Light,
    /// Share of the face's box that lies beyond the picture's edges, 0–1.
    pub cut_off: f32,
}

/// Measures a face of a picture of `frame` pixels; `aligned` is the same face, cut out.
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
    /// What is wrong with it, the gravest first: all of it, so that one new picture mends everything.
    pub fn problems(&self, limits: &Limits) -> Vec<Problem> {
        problem::problems(self, limits)
    }

    /// How good it is beside other pictures of the same person, 0–1: for choosing the best of several. The product of how
    /// far each measure lies between useless (0) and as good as any (1).
    pub fn overall(&self) -> f32 {
        let part = |value: f32, useless: f32, good: f32| ((value - useless) / (good - useless)).clamp(0.0, 1.0);
        part(self.eye_distance_px, 15.0, 60.0)
            * part(self.pose.turn_degrees(), 60.0, 5.0)
            * part(self.sharpness, 0.0, SHARP)
            * part(self.light.spread, 5.0, 40.0)
            * part(self.cut_off, 0.3, 0.0)
    }
}

/// From this sharpness on a picture is as good as any.
const SHARP: f32 = 0.1;

/// Luma of the aligned face (ITU-R BT.601 weights), full range 0–255, rows of [`ALIGNED_SIDE`]. Overwritten when dropped.
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

/// The part of the crop that is face and not background or hair, by the place of the landmarks in every crop: from above the
/// eyes to below the mouth. Columns and rows, the end excluded.
const FACE_COLUMNS: std::ops::Range<usize> = 28..84;
const FACE_ROWS: std::ops::Range<usize> = 36..104;

#[cfg(test)]
pub(crate) mod tests;
