//! Compares bounding boxes. The tests of the model crates include this file.

use gatehouse_picture::Rect;

/// The largest distance between the edges of two boxes, in pixels of the tensor.
///
/// `px` is the number of pixels of the picture for one of the tensor.
pub(super) fn box_distance(got: &Rect, [x, y, width, height]: [f32; 4], px: f32) -> f32 {
    let distances = [got.x - x, got.right() - x - width, got.y - y, got.bottom() - y - height];
    distances.into_iter().map(|distance| distance.abs() / px).fold(0.0, f32::max)
}
