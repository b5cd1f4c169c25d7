//! How the samples of a YUV picture map to colours: matrix and range.

use crate::Size;

/// Weights of red, green and blue in luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Matrix {
    /// ITU-R BT.601: standard definition, photos, and the default of most tools.
    #[default]
    Bt601,
    /// ITU-R BT.709: high definition.
    Bt709,
    /// ITU-R BT.2020 with non-constant luminance: ultra-high definition with a wide gamut.
    Bt2020,
}

/// Which sample values are black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Range {
    /// Luma from 16 to 235, chroma from 16 to 240.
    #[default]
    Limited,
    /// Luma and chroma from 0 to 255, as in JPEG.
    Full,
}

impl Range {
    /// Luma of black.
    pub const fn black(self) -> u8 {
        match self {
            Self::Limited => 16,
            Self::Full => 0,
        }
    }

    /// The same luma in limited range, so that one threshold serves pictures of both ranges. A
    /// luma of limited range is returned unchanged.
    pub fn to_limited(self, luma: f32) -> f32 {
        match self {
            Self::Limited => luma,
            Self::Full => 16.0 + luma * (219.0 / 255.0),
        }
    }
}

/// Matrix and range of a YUV picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ColourSpace {
    /// The matrix.
    pub matrix: Matrix,
    /// The range.
    pub range: Range,
}

/// Factors from YUV to RGB of full range (0–255):
/// `R = luma·(Y − black) + red_v·V`, `G = luma·(Y − black) − green_u·U − green_v·V` and
/// `B = luma·(Y − black) + blue_u·U`, where U and V are the samples minus 128.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToRgb {
    /// Luma of black.
    pub black: u8,
    /// Factor of luma.
    pub luma: f32,
    /// Factor of V for red.
    pub red_v: f32,
    /// Factor of U for green; subtracted.
    pub green_u: f32,
    /// Factor of V for green; subtracted.
    pub green_v: f32,
    /// Factor of U for blue.
    pub blue_u: f32,
}

impl ColourSpace {
    /// BT.601 in limited range.
    pub const BT601: Self = Self { matrix: Matrix::Bt601, range: Range::Limited };

    /// The matrix of a stream that states none: BT.601 up to 576 lines, BT.709 above.
    ///
    /// Players and GStreamer's `video-info.c` guess so as well.
    pub fn guess_matrix(size: Size) -> Matrix {
        if size.height > 576 { Matrix::Bt709 } else { Matrix::Bt601 }
    }

    /// The factors of the conversion to RGB. They follow from the weights of red and blue in luma:
    /// 0.299 and 0.114 (BT.601), 0.2126 and 0.0722 (BT.709), 0.2627 and 0.0593 (BT.2020).
    pub const fn to_rgb(self) -> ToRgb {
        let full = match self.matrix {
            Matrix::Bt601 => [1.402, 0.344_136, 0.714_136, 1.772],
            Matrix::Bt709 => [1.5748, 0.187_324, 0.468_124, 1.8556],
            Matrix::Bt2020 => [1.4746, 0.164_553, 0.571_353, 1.8814],
        };
        let limited = match self.matrix {
            Matrix::Bt601 => [1.596_027, 0.391_762, 0.812_968, 2.017_232],
            Matrix::Bt709 => [1.792_741, 0.213_249, 0.532_909, 2.112_402],
            Matrix::Bt2020 => [1.678_674, 0.187_326, 0.650_424, 2.141_772],
        };
        let (luma, [red_v, green_u, green_v, blue_u]) = match self.range {
            Range::Limited => (1.164_383, limited),
            Range::Full => (1.0, full),
        };
        ToRgb { black: self.range.black(), luma, red_v, green_u, green_v, blue_u }
    }
}

impl ToRgb {
    /// Converts one pixel and rounds to the nearest value.
    pub fn apply(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let (y, u, v) =
            (self.luma * (f32::from(y) - f32::from(self.black)), f32::from(u) - 128.0, f32::from(v) - 128.0);
        // `as` rounds towards zero and saturates at 0 and 255.
        [y + self.red_v * v, y - self.green_u * u - self.green_v * v, y + self.blue_u * u]
            .map(|value| (value + 0.5) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::COLOUR_SPACES;

    /// Weights of red and blue.
    fn weights(matrix: Matrix) -> (f64, f64) {
        match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        }
    }

    #[test]
    fn factors_follow_from_the_weights() {
        for space in COLOUR_SPACES {
            let (red, blue) = weights(space.matrix);
            let green = 1.0 - red - blue;
            let (luma, chroma) = match space.range {
                Range::Limited => (255.0 / 219.0, 255.0 / 224.0),
                Range::Full => (1.0, 1.0),
            };
            let expected = [
                luma,
                chroma * 2.0 * (1.0 - red),
                chroma * 2.0 * (1.0 - blue) * blue / green,
                chroma * 2.0 * (1.0 - red) * red / green,
                chroma * 2.0 * (1.0 - blue),
            ];
            let ToRgb { black, luma, red_v, green_u, green_v, blue_u } = space.to_rgb();
            for (got, expected) in [luma, red_v, green_u, green_v, blue_u].into_iter().zip(expected) {
                assert!((f64::from(got) - expected).abs() < 2e-6, "{space:?}: {got}, expected {expected}");
            }
            assert_eq!(space.to_rgb().apply(black, 128, 128), [0; 3]);
            let white = if space.range == Range::Full { 255 } else { 235 };
            assert_eq!(space.to_rgb().apply(white, 128, 128), [255; 3]);
        }
    }

    #[test]
    fn black_and_white_are_the_same_in_limited_range() {
        for range in [Range::Limited, Range::Full] {
            let white = if range == Range::Full { 255.0 } else { 235.0 };
            assert_eq!(range.to_limited(f32::from(range.black())), 16.0);
            assert!((range.to_limited(white) - 235.0).abs() < 1e-4);
        }
    }

    #[test]
    fn high_definition_without_a_stated_matrix_is_709() {
        let guess = |width, height| ColourSpace::guess_matrix(Size { width, height });
        assert_eq!(guess(640, 480), Matrix::Bt601);
        assert_eq!(guess(704, 576), Matrix::Bt601);
        assert_eq!(guess(1280, 720), Matrix::Bt709);
        assert_eq!(guess(3840, 2160), Matrix::Bt709);
    }
}
