//! Sharpness of a face at the embedder's scale.

use gatehouse_faces::ALIGNED_SIDE;

use super::{FACE_COLUMNS, FACE_ROWS};

/// Variance of the Laplacian that rounding alone causes, in decoding and in cutting out the crop.
/// Measured 2.4 to 3 on faces that are blurred beyond recognition.
const ROUNDING: f32 = 2.5;

/// Variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy",
/// 2000) minus the share of rounding, divided by the variance of the luma; within the face.
///
/// The plain variance of the Laplacian grows with the square of the contrast, so a dim room looks
/// blurred; the division removes that. `luma` is an aligned face, rows of 112 samples. A flat face
/// has 0.
///
/// Measured on portraits and their blurred copies (`tests/photos.rs`): 0.1 and more for a sharp
/// face with 20 pixels between the eyes, 0.3 and more from 40 pixels on. At about 0.01 the
/// embedding's likeness to the sharp picture has fallen to 0.8, at 0.005 to 0.6 or 0.7.
pub fn sharpness(luma: &[f32]) -> f32 {
    let at = |x: usize, y: usize| luma[y * ALIGNED_SIDE + x];
    let (mut laplacian, mut values) = (Moments::default(), Moments::default());
    for y in FACE_ROWS {
        for x in FACE_COLUMNS {
            values.add(at(x, y));
            laplacian.add(at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y));
        }
    }
    // A standard deviation of one step of 255 is noise.
    if values.variance() < 1.0 { 0.0 } else { (laplacian.variance() - ROUNDING).max(0.0) / values.variance() }
}

/// Mean and variance of a series of values.
#[derive(Default)]
pub(super) struct Moments {
    count: f32,
    sum: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn add(&mut self, value: f32) {
        self.count += 1.0;
        self.sum += f64::from(value);
        self.squares += f64::from(value).powi(2);
    }

    pub(super) fn mean(&self) -> f32 {
        (self.sum / f64::from(self.count)) as f32
    }

    pub(super) fn variance(&self) -> f32 {
        let mean = self.sum / f64::from(self.count);
        (self.squares / f64::from(self.count) - mean * mean).max(0.0) as f32
    }
}
