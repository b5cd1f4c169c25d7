//! Drawing a tilted flat object in front of the camera.

use crate::picture::{Picture, Plane};

/// The pose of a flat object in front of the camera. Positions are in pixels of luma planes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct View {
    /// The pivot, in the object: the point that stays still while the object tilts.
    pub(crate) pivot_in_source: (f64, f64),
    /// The pivot, in the frame.
    pub(crate) pivot_in_frame: (f64, f64),
    /// Frame pixels per pixel of the object, at the pivot.
    pub(crate) scale: f64,
    /// Rotation in the object's plane, radians.
    pub(crate) tilt: f64,
    /// Rotation about the vertical axis: the relative decrease in size per frame pixel to the
    /// right.
    pub(crate) slant: f64,
}

impl View {
    fn to_source(self, (x, y): (f64, f64)) -> (f64, f64) {
        let (x, y) = (x - self.pivot_in_frame.0, y - self.pivot_in_frame.1);
        let flat_x = x / (1.0 - self.slant * x);
        let flat_y = y * (1.0 + self.slant * flat_x);
        let (sin, cos) = self.tilt.sin_cos();
        (
            self.pivot_in_source.0 + (cos * flat_x + sin * flat_y) / self.scale,
            self.pivot_in_source.1 + (cos * flat_y - sin * flat_x) / self.scale,
        )
    }

    fn to_frame(self, (u, v): (f64, f64)) -> (f64, f64) {
        let (u, v) = ((u - self.pivot_in_source.0) * self.scale, (v - self.pivot_in_source.1) * self.scale);
        let (sin, cos) = self.tilt.sin_cos();
        let (flat_x, flat_y) = (cos * u - sin * v, sin * u + cos * v);
        let nearness = 1.0 / (1.0 + self.slant * flat_x);
        (self.pivot_in_frame.0 + flat_x * nearness, self.pivot_in_frame.1 + flat_y * nearness)
    }
}

/// Light on a pixel: luma becomes `gain · value + glare`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Light {
    pub(crate) gain: f64,
    pub(crate) glare: f64,
}

impl Picture {
    /// Draws `source` in the pose `view`. `light` is called for every pixel with its position in
    /// the source, in pixels.
    pub(crate) fn draw_at_a_slant(&mut self, source: &Self, view: View, light: impl Fn(f64, f64) -> Light) {
        let (width, height) = (source.width() as f64, source.height() as f64);
        let corners = [(0.0, 0.0), (width, 0.0), (0.0, height), (width, height)].map(|corner| view.to_frame(corner));
        let halvings = if view.scale < 1.0 { (1.0 / view.scale).log2() as u32 } else { 0 };
        let reduced = source.reduced(halvings);
        for (index, (frame, source)) in self.planes.iter_mut().zip(&reduced.planes).enumerate() {
            let subsampling = if index == 0 { 1.0 } else { 2.0 };
            let source_pixel = subsampling * f64::from(1_u32 << halvings);
            let span = |along: fn((f64, f64)) -> f64, most: usize| {
                let ends = corners.map(|corner| along(corner) / subsampling);
                let least = ends.into_iter().fold(f64::MAX, f64::min).floor() - 1.0;
                let greatest = ends.into_iter().fold(f64::MIN, f64::max).ceil() + 1.0;
                least.clamp(0.0, most as f64) as usize..greatest.clamp(0.0, most as f64) as usize
            };
            let columns = span(|corner| corner.0, frame.width);
            for row in span(|corner| corner.1, frame.height) {
                let line = &mut frame.bytes[row * frame.width..][..frame.width];
                for column in columns.clone() {
                    // Pixel centres lie at half-integers.
                    let at = ((column as f64 + 0.5) * subsampling, (row as f64 + 0.5) * subsampling);
                    let (u, v) = view.to_source(at);
                    // Coverage is one half at the object's border and fades over one pixel of the
                    // frame.
                    let inside = u.min(v).min(width - u).min(height - v) * view.scale / subsampling;
                    let cover = (inside + 0.5).clamp(0.0, 1.0);
                    if cover > 0.0 {
                        let mut value = bilinear(source, u / source_pixel - 0.5, v / source_pixel - 0.5);
                        if index == 0 {
                            let Light { gain, glare } = light(u, v);
                            value = (value * gain + glare).clamp(16.0, 235.0);
                        }
                        let behind = f64::from(line[column]);
                        line[column] = (behind + (value - behind) * cover + 0.5) as u8;
                    }
                }
            }
        }
    }
}

fn bilinear(plane: &Plane, x: f64, y: f64) -> f64 {
    let clamped = |at: f64, size: usize| at.clamp(0.0, (size - 1) as f64);
    let (x, y) = (clamped(x, plane.width), clamped(y, plane.height));
    let (left, top) = (x as usize, y as usize);
    let (right, bottom) = ((left + 1).min(plane.width - 1), (top + 1).min(plane.height - 1));
    let at = |column: usize, row: usize| f64::from(plane.bytes[row * plane.width + column]);
    let (x, y) = (x.fract(), y.fract());
    let upper = at(left, top) * (1.0 - x) + at(right, top) * x;
    let lower = at(left, bottom) * (1.0 - x) + at(right, bottom) * x;
    upper * (1.0 - y) + lower * y
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLANTED: View =
        View { pivot_in_source: (40.0, 30.0), pivot_in_frame: (100.0, 80.0), scale: 1.5, tilt: 0.1, slant: 0.0005 };
    const AS_IT_IS: Light = Light { gain: 1.0, glare: 0.0 };

    #[test]
    fn both_directions_are_inverse() {
        for point in [(0.0, 0.0), (40.0, 30.0), (80.0, 0.0), (-20.0, 90.0)] {
            let (u, v) = SLANTED.to_source(SLANTED.to_frame(point));
            assert!((u - point.0).abs() < 1e-9 && (v - point.1).abs() < 1e-9, "{point:?} became {u}, {v}");
        }
        assert_eq!(SLANTED.to_frame((40.0, 30.0)), (100.0, 80.0));
    }

    #[test]
    fn only_the_area_between_its_corners_is_covered() {
        let mut frame = Picture::plain(200, 160, [50, 128, 128]);
        frame.draw_at_a_slant(&Picture::plain(80, 60, [200, 90, 140]), SLANTED, |_, _| AS_IT_IS);
        let at = |x: f64, y: f64| frame.planes[0].bytes[y as usize * 200 + x as usize];
        let towards =
            |(u, v): (f64, f64), share: f64| SLANTED.to_frame((40.0 + (u - 40.0) * share, 30.0 + (v - 30.0) * share));
        for corner in [(0.0, 0.0), (80.0, 0.0), (0.0, 60.0), (80.0, 60.0)] {
            let ((inner_x, inner_y), (outer_x, outer_y)) = (towards(corner, 0.95), towards(corner, 1.05));
            assert_eq!((at(inner_x, inner_y), at(outer_x, outer_y)), (200, 50), "{corner:?}");
        }
        assert_eq!(frame.planes[1].bytes[40 * 100 + 50], 90);
    }

    #[test]
    fn light_changes_only_luma_and_stays_in_its_range() {
        let mut frame = Picture::plain(200, 160, [50, 128, 128]);
        let source = Picture::plain(80, 60, [100, 90, 140]);
        frame.draw_at_a_slant(&source, SLANTED, |u, _| Light { gain: if u < 40.0 { 0.5 } else { 3.0 }, glare: 10.0 });
        let luma = |x: usize| frame.planes[0].bytes[80 * 200 + x];
        assert_eq!((luma(90), luma(110)), (60, 235));
        assert_eq!(frame.planes[2].bytes[40 * 100 + 50], 140);
    }
}
