//! For tests: a street of boxes, as a camera sees it that may have been moved.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::testing::TestPicture;
use gatehouse_picture::{Size, YuvPicture};

pub(crate) const SIZE: Size = Size { width: 640, height: 360 };

/// Luma of a picture.
pub(crate) struct Street(pub(crate) Vec<u8>);

impl Street {
    /// A street as seen by a camera shifted by some pixels.
    pub(crate) fn shifted(shift: (isize, isize)) -> Self {
        Self::boxes(1, |x, y| (x - shift.0 as f32, y - shift.1 as f32))
    }

    /// A street as seen by a camera turned about its axis and zoomed.
    pub(crate) fn turned(degrees: f32, zoom: f32) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (middle_x, middle_y) = (SIZE.width as f32 / 2.0, SIZE.height as f32 / 2.0);
        Self::boxes(1, |x, y| {
            let (x, y) = ((x - middle_x) / zoom, (y - middle_y) / zoom);
            (cos * x - sin * y + middle_x, sin * x + cos * y + middle_y)
        })
    }

    /// A street for each seed, with a map from points of the picture to the street.
    pub(crate) fn boxes(seed: usize, in_street: impl Fn(f32, f32) -> (f32, f32)) -> Self {
        let mut random = seed.wrapping_mul(2_654_435_761);
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((random >> 33) % below) as f32
        };
        let mut boxes = [(); 60].map(|()| {
            let (left, top) = (next(SIZE.width), next(SIZE.height));
            let (width, height, value) = (20.0 + next(80), 20.0 + next(60), 20 + next(200) as u8);
            (left..left + width, top..top + height, value)
        });
        // The last box hides the others.
        boxes.reverse();
        let seen = |at: usize| {
            let (x, y) = in_street((at % SIZE.width) as f32, (at / SIZE.width) as f32);
            boxes
                .iter()
                .find(|(across, down, _)| across.contains(&x) && down.contains(&y))
                .map_or(90, |(.., value)| *value)
        };
        Self((0..SIZE.width * SIZE.height).map(seen).collect())
    }

    pub(crate) fn with_noise(mut self, noise: usize, seed: usize) -> Self {
        for (i, value) in self.0.iter_mut().enumerate() {
            let random = (i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            *value = value.saturating_add((random % (noise + 1)) as u8);
        }
        self
    }

    pub(crate) fn with_someone(mut self, left: usize, top: usize) -> Self {
        for y in top..top + 30 {
            self.0[y * SIZE.width + left..y * SIZE.width + left + 10].fill(10);
        }
        self
    }

    pub(crate) fn with_picture<T>(&self, then: impl FnOnce(&YuvPicture<'_>) -> T) -> T {
        then(&TestPicture::grey(SIZE, self.0.clone()).i420())
    }
}

pub(crate) fn at(s: u64) -> Monotonic {
    Monotonic::from_start(Duration::from_secs(s))
}
