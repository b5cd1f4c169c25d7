//! How a face is lit.

use gatehouse_faces::ALIGNED_SIDE;

use super::sharpness::Moments;
use super::{FACE_COLUMNS, FACE_ROWS};

/// Luma from which on a pixel has lost its detail: burnt out.
const BURNT: f32 = 250.0;
/// Luma up to which a pixel has lost its detail: black.
const BLACK: f32 = 8.0;

/// How a face is lit, from its luma (0–255).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Light {
    /// Mean luma, 0–255. Skin is dark or light as well as the room: only the ends of the range say that something is wrong.
    pub mean: f32,
    /// Standard deviation of the luma. Near 0 in fog, behind glass or against the light.
    pub spread: f32,
    /// Share of pixels that are burnt out or black, 0–1.
    pub clipped: f32,
}

impl Light {
    /// Of an aligned face, rows of 112.
    pub(super) fn of(luma: &[f32]) -> Self {
        let mut moments = Moments::default();
        let mut clipped = 0;
        for y in FACE_ROWS {
            for x in FACE_COLUMNS {
                let value = luma[y * ALIGNED_SIDE + x];
                moments.add(value);
                clipped += usize::from(value <= BLACK || value >= BURNT);
            }
        }
        let pixels = FACE_ROWS.len() * FACE_COLUMNS.len();
        Self { mean: moments.mean(), spread: moments.variance().sqrt(), clipped: clipped as f32 / pixels as f32 }
    }
}
