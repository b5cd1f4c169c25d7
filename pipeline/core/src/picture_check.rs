//! Detects black pictures by 576 luma samples.

use gatehouse_picture::YuvPicture;

const COLUMNS: usize = 32;
const ROWS: usize = 18;
/// In limited range, where black is 16. A camera with its infrared lamp on is well above this.
const BLACK_AT_MOST: f32 = 22.0;

/// The state of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureVerdict {
    /// Neither black nor frozen.
    Sound,
    /// Black all over.
    Dark,
    /// One of a stream whose picture no longer changes.
    Frozen,
}

impl PictureVerdict {
    /// Judges a picture. `is_frozen`: its camera's picture no longer changes
    /// ([`Frame::frozen`](crate::Frame::frozen)). A black picture is dark, also if it is frozen.
    pub fn of(picture: &YuvPicture<'_>, is_frozen: bool) -> Self {
        if picture.colour().range.to_limited(mean_luma(picture)) <= BLACK_AT_MOST {
            Self::Dark
        } else if is_frozen {
            Self::Frozen
        } else {
            Self::Sound
        }
    }
}

/// The mean of samples that are spread evenly over the picture.
fn mean_luma(picture: &YuvPicture<'_>) -> f32 {
    let luma = picture.luma();
    let sample = |i: usize| {
        let row = luma.row((2 * (i / COLUMNS) + 1) * luma.rows / (2 * ROWS));
        f32::from(row[(2 * (i % COLUMNS) + 1) * luma.row_bytes / (2 * COLUMNS)])
    };
    (0..COLUMNS * ROWS).map(sample).sum::<f32>() / (COLUMNS * ROWS) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_picture::testing::TestPicture;
    use gatehouse_picture::{ColourSpace, Matrix, Range, Size};

    #[test]
    fn black_is_dark_and_a_still_picture_is_what_its_camera_is() {
        let size = Size { width: 64, height: 36 };
        let scene = TestPicture::grey(size, (0..64 * 36).map(|i| (i % 200) as u8 + 20).collect());
        let black = TestPicture::uniform(size, 16);
        assert_eq!(PictureVerdict::of(&scene.i420(), false), PictureVerdict::Sound);
        assert_eq!(PictureVerdict::of(&scene.i420(), true), PictureVerdict::Frozen);
        assert_eq!(PictureVerdict::of(&black.i420(), true), PictureVerdict::Dark);
    }

    #[test]
    fn a_dim_scene_is_dark_in_neither_range_and_black_in_both() {
        let size = Size { width: 64, height: 36 };
        let verdict = |range: Range, luma: u8| {
            let picture = TestPicture::uniform(size, luma);
            let colour = ColourSpace { matrix: Matrix::Bt601, range };
            PictureVerdict::of(&picture.i420().with_colour(colour), false)
        };
        // From black to a dim room, the same light in either range. At 6 the mean is the threshold,
        // and rounding decides.
        for light in (0..60u8).filter(|light| *light != 6) {
            let full = (f32::from(light) * 255.0 / 219.0).round() as u8;
            assert_eq!(verdict(Range::Limited, 16 + light), verdict(Range::Full, full), "light {light}");
        }
        assert_eq!(verdict(Range::Full, 6), PictureVerdict::Dark);
        assert_eq!(verdict(Range::Full, 8), PictureVerdict::Sound);
        assert_eq!(verdict(Range::Limited, 8), PictureVerdict::Dark, "without the range it would be black");
    }
}
