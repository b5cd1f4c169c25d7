//! Detects black and frozen pictures by 576 luma samples.

use std::time::Duration;

use gatehouse_picture::YuvPicture;

use crate::time::Monotonic;

const COLUMNS: usize = 32;
const ROWS: usize = 18;
/// In limited range, where black is 16. A camera with its infrared lamp on is well above this.
const BLACK_AT_MOST: f32 = 22.0;
/// A real sensor never gives the same samples for this long: even a still scene has noise.
const FROZEN_AFTER: Duration = Duration::from_secs(5);

/// The state of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureVerdict {
    /// Neither black nor frozen.
    Sound,
    /// Black all over.
    Dark,
    /// Identical for 5 s or more.
    Frozen,
}

/// Checks one camera's pictures in their order.
#[derive(Debug)]
pub struct PictureCheck {
    last: [u8; COLUMNS * ROWS],
    changed_at: Option<Monotonic>,
}

impl Default for PictureCheck {
    fn default() -> Self {
        Self { last: [0; COLUMNS * ROWS], changed_at: None }
    }
}

impl PictureCheck {
    /// Judges the picture that arrived now.
    pub fn judge(&mut self, picture: &YuvPicture<'_>, now: Monotonic) -> PictureVerdict {
        let luma = picture.luma();
        let mut samples = [0u8; COLUMNS * ROWS];
        for (i, sample) in samples.iter_mut().enumerate() {
            let row = luma.row((2 * (i / COLUMNS) + 1) * luma.rows / (2 * ROWS));
            *sample = row[(2 * (i % COLUMNS) + 1) * luma.row_bytes / (2 * COLUMNS)];
        }
        if self.changed_at.is_none() || samples != self.last {
            self.last = samples;
            self.changed_at = Some(now);
        }
        let mean = samples.iter().map(|s| f32::from(*s)).sum::<f32>() / samples.len() as f32;
        if picture.colour().range.to_limited(mean) <= BLACK_AT_MOST {
            PictureVerdict::Dark
        } else if self.changed_at.is_some_and(|at| now.since(at) >= FROZEN_AFTER) {
            PictureVerdict::Frozen
        } else {
            PictureVerdict::Sound
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_picture::testing::TestPicture;
    use gatehouse_picture::{ColourSpace, Matrix, Range, Size};

    fn judge(check: &mut PictureCheck, luma: &[u8], seconds: u64) -> PictureVerdict {
        let size = Size { width: 64, height: 36 };
        let picture = TestPicture::grey(size, luma.to_vec());
        check.judge(&picture.i420(), Monotonic::from_start(Duration::from_secs(seconds)))
    }

    #[test]
    fn black_is_dark_at_once_and_a_still_picture_frozen_later() {
        let mut check = PictureCheck::default();
        let scene: Vec<u8> = (0..64 * 36).map(|i| (i % 200) as u8 + 20).collect();
        assert_eq!(judge(&mut check, &[16; 64 * 36], 0), PictureVerdict::Dark);
        assert_eq!(judge(&mut check, &scene, 1), PictureVerdict::Sound);
        assert_eq!(judge(&mut check, &scene, 5), PictureVerdict::Sound);
        assert_eq!(judge(&mut check, &scene, 6), PictureVerdict::Frozen);
        let moved: Vec<u8> = scene.iter().map(|v| v + 1).collect();
        assert_eq!(judge(&mut check, &moved, 7), PictureVerdict::Sound, "any change thaws it");
    }

    #[test]
    fn a_dim_scene_is_dark_in_neither_range_and_black_in_both() {
        let size = Size { width: 64, height: 36 };
        let verdict = |range: Range, luma: u8| {
            let picture = TestPicture::uniform(size, luma);
            let colour = ColourSpace { matrix: Matrix::Bt601, range };
            PictureCheck::default().judge(&picture.i420().with_colour(colour), Monotonic::from_start(Duration::ZERO))
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
