//! Places pictures in tensors, and maps points between the two.

use gatehouse_picture::{Point, Rect, Size};

/// How a picture is scaled to a model's size. Its aspect is kept to a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Small pictures are not enlarged: their faces would exceed the sizes of the detector's
    /// training.
    Shrink,
    /// Small pictures are enlarged, so that small people are detected.
    Scale,
}

/// Place of a picture in a tensor: at the top left, scaled along each side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    frame: Size,
    in_tensor: Size,
}

impl Placement {
    /// Places a picture of size `frame` within `most`. The sides are even, as 4:2:0 needs.
    pub fn new(frame: Size, most: Size, fit: Fit) -> Self {
        let (x, y) = (most.width as f64 / frame.width as f64, most.height as f64 / frame.height as f64);
        let scale = match fit {
            Fit::Shrink => x.min(y).min(1.0),
            Fit::Scale => x.min(y),
        };
        let even = |side: usize, most: usize| ((side as f64 * scale / 2.0).round() as usize * 2).clamp(2, most / 2 * 2);
        let in_tensor = Size { width: even(frame.width, most.width), height: even(frame.height, most.height) };
        Self { frame, in_tensor }
    }

    /// Size of the picture.
    pub fn frame(&self) -> Size {
        self.frame
    }

    /// Size of the picture in the tensor.
    pub fn in_tensor(&self) -> Size {
        self.in_tensor
    }

    // Tensor pixels per frame pixel, along x and y.
    fn scale(&self) -> (f32, f32) {
        (self.in_tensor.width as f32 / self.frame.width as f32, self.in_tensor.height as f32 / self.frame.height as f32)
    }

    /// Maps a point from tensor to frame.
    pub fn point_in_frame(&self, in_tensor: Point) -> Point {
        let (x, y) = self.scale();
        Point { x: in_tensor.x / x, y: in_tensor.y / y }
    }

    /// Maps a point from frame to tensor.
    pub fn point_in_tensor(&self, in_frame: Point) -> Point {
        let (x, y) = self.scale();
        Point { x: in_frame.x * x, y: in_frame.y * y }
    }

    /// Maps a rectangle from tensor to frame.
    pub fn rect_in_frame(&self, in_tensor: Rect) -> Rect {
        let (x, y) = self.scale();
        Rect { x: in_tensor.x / x, y: in_tensor.y / y, width: in_tensor.width / x, height: in_tensor.height / y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TENSOR: Size = Size { width: 640, height: 384 };

    #[test]
    fn the_longer_side_fills_the_tensor() {
        let place = |width, height| Placement::new(Size { width, height }, TENSOR, Fit::Shrink).in_tensor();
        assert_eq!(place(1920, 1080), Size { width: 640, height: 360 });
        assert_eq!(place(768, 576), Size { width: 512, height: 384 });
        assert_eq!(place(250, 250), Size { width: 250, height: 250 });
        assert_eq!(place(8000, 2), Size { width: 640, height: 2 });
        let enlarged = Placement::new(Size { width: 320, height: 180 }, TENSOR, Fit::Scale).in_tensor();
        assert_eq!(enlarged, Size { width: 640, height: 360 });
    }

    proptest! {
        #[test]
        fn points_map_to_the_tensor_and_back(
            width in 1usize..2000, height in 1usize..2000, x in 0f32..1.0, y in 0f32..1.0, enlarge in any::<bool>(),
        ) {
            let frame = Size { width: 2 * width, height: 2 * height };
            let fit = if enlarge { Fit::Scale } else { Fit::Shrink };
            let placement = Placement::new(frame, TENSOR, fit);
            let at = Point { x: x * frame.width as f32, y: y * frame.height as f32 };
            let in_tensor = placement.point_in_tensor(at);
            prop_assert!(in_tensor.x <= TENSOR.width as f32 + 1e-2 && in_tensor.y <= TENSOR.height as f32 + 1e-2);
            prop_assert!(placement.point_in_frame(in_tensor).distance(at) < 1e-2);
            let size = placement.in_tensor();
            prop_assert!(size.width <= TENSOR.width && size.height <= TENSOR.height);
            prop_assert!(size.width.is_multiple_of(2) && size.height.is_multiple_of(2));
        }

        #[test]
        fn sides_are_always_even(
            width in 1usize..1000, height in 1usize..1000, most in 2usize..2000, enlarge in any::<bool>(),
        ) {
            let fit = if enlarge { Fit::Scale } else { Fit::Shrink };
            let frame = Size { width: 2 * width, height: 2 * height };
            let size = Placement::new(frame, Size { width: most, height: most }, fit).in_tensor();
            prop_assert!(size.width.is_multiple_of(2) && size.height.is_multiple_of(2), "{}", size);
            prop_assert!((2..=most).contains(&size.width) && (2..=most).contains(&size.height), "{}", size);
        }

        #[test]
        fn the_aspect_is_kept_to_a_pixel(width in 100usize..2000, height in 100usize..2000) {
            let frame = Size { width: 2 * width, height: 2 * height };
            let place = Placement::new(frame, TENSOR, Fit::Shrink).in_tensor();
            let scale = (640.0 / frame.width as f64).min(384.0 / frame.height as f64).min(1.0);
            prop_assert!((place.width as f64 - frame.width as f64 * scale).abs() <= 1.0);
            prop_assert!((place.height as f64 - frame.height as f64 * scale).abs() <= 1.0);
        }
    }
}
