//! Lighting of a face.

use gatehouse_faces::ALIGNED_SIDE;

use super::sharpness::Moments;
use super::{FACE_COLUMNS, FACE_ROWS};

/// Least luma of a burnt-out pixel.
const BURNT_OUT: f32 = 250.0;
/// Greatest luma of a black pixel.
const BLACK: f32 = 8.0;

/// Lighting of a face, from its luma (0–255).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Light {
    /// Mean luma, 0–255. Skin and rooms are dark or light, so only the ends of the range are a
    /// fault.
    pub mean: f32,
    /// Standard deviation of the luma. Near 0 in fog, behind glass or in backlight.
    pub spread: f32,
    /// Share of burnt-out and black pixels, 0–1.
    pub clipped: f32,
}

impl Light {
    /// Measures an aligned face: rows of [`ALIGNED_SIDE`] luma samples.
    pub(super) fn of(luma: &[f32]) -> Self {
        let mut moments = Moments::default();
        let mut clipped = 0;
        for y in FACE_ROWS {
            for x in FACE_COLUMNS {
                let value = luma[y * ALIGNED_SIDE + x];
                moments.add(value);
                clipped += usize::from(value <= BLACK || value >= BURNT_OUT);
            }
        }
        let pixels = FACE_ROWS.len() * FACE_COLUMNS.len();
        Self { mean: moments.mean(), spread: moments.variance().sqrt(), clipped: clipped as f32 / pixels as f32 }
    }
}
