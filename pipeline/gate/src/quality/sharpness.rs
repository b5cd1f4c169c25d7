//! How sharp a face is at the scale that the embedder sees it at.

use gatehouse_faces::ALIGNED_SIDE;

use super::{FACE_COLUMNS, FACE_ROWS};

/// Variance of the Laplacian that rounding alone gives: samples are rounded when they are decoded, and again when the crop is
/// cut out and converted. Measured 2.4 to 3 on faces that are blurred beyond recognition.
const ROUNDING: f32 = 2.5;

/// Variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000), less what rounding
/// gives, over the variance of the luma itself; within the face.
///
/// The plain variance of the Laplacian grows with the square of the contrast, so that a dim room looks blurred; dividing
/// takes that out. `luma`: an aligned face, rows of 112. 0 for a flat one.
///
/// Measured on portraits and their blurred copies (`tests/photos.rs`): 0.1 and more for a sharp face of 20 pixels between the
/// eyes, 0.3 and more from 40 pixels on. At about 0.01 the embedding's likeness to that of the sharp picture has fallen to
/// 0.8, at 0.005 to 0.6 or 0.7.
pub fn sharpness(luma: &[f32]) -> f32 {
    let at = |x: usize, y: usize| luma[y * ALIGNED_SIDE + x];
    let (mut laplacian, mut values) = (Moments::default(), Moments::default());
    for y in FACE_ROWS {
        for x in FACE_COLUMNS {
            values.add(at(x, y));
            laplacian.add(at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y));
        }
    }
    // A spread of one step of 255 is noise.
    if values.variance() < 1.0 { 0.0 } else { (laplacian.variance() - ROUNDING).max(0.0) / values.variance() }
}

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
