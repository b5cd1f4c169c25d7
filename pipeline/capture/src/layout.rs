//! How a stream's decoded pictures lie in memory, and what their samples mean, by their caps.

use gatehouse_picture::{ColourSpace, Matrix, Range, Size};
use gstreamer as gst;
use gstreamer_video as gst_video;

/// The layout of decoded pictures with the same caps.
#[derive(Debug, Clone)]
pub(crate) struct PictureLayout {
    pub(crate) info: gst_video::VideoInfo,
    pub(crate) colour: ColourSpace,
}

impl PictureLayout {
    /// Reads caps.
    ///
    /// # Errors
    /// If they describe no raw video.
    pub(crate) fn of(caps: &gst::CapsRef) -> Result<Self, gst::glib::BoolError> {
        let info = gst_video::VideoInfo::from_caps(caps)?;
        let colour = colour_space(caps, &info);
        Ok(Self { info, colour })
    }

    /// The colour space in GStreamer's words.
    pub(crate) fn colorimetry(&self) -> gst_video::VideoColorimetry {
        let matrix = match self.colour.matrix {
            Matrix::Bt601 => gst_video::VideoColorMatrix::Bt601,
            Matrix::Bt709 => gst_video::VideoColorMatrix::Bt709,
            Matrix::Bt2020 => gst_video::VideoColorMatrix::Bt2020,
        };
        let range = match self.colour.range {
            Range::Limited => gst_video::VideoColorRange::Range16_235,
            Range::Full => gst_video::VideoColorRange::Range0_255,
        };
        let unstated = self.info.colorimetry();
        gst_video::VideoColorimetry::new(range, matrix, unstated.transfer(), unstated.primaries())
    }
}

/// The colour space that the stream states. Where it states no matrix, it is guessed by the size;
/// where it states no range, the range is limited (ITU-T H.264 and H.265, annex E: a
/// `video_full_range_flag` that is absent is 0).
///
/// The caps' own text is read: `VideoInfo` replaces a colorimetry without a matrix by its default,
/// and so loses the range. Cameras often state a range alone.
fn colour_space(caps: &gst::CapsRef, info: &gst_video::VideoInfo) -> ColourSpace {
    let size = Size { width: info.width() as usize, height: info.height() as usize };
    let stated = caps.structure(0).and_then(|s| s.get::<&str>("colorimetry").ok());
    let stated = stated.and_then(|text| text.parse::<gst_video::VideoColorimetry>().ok());
    let matrix = match stated.as_ref().map(gst_video::VideoColorimetry::matrix) {
        Some(gst_video::VideoColorMatrix::Bt601 | gst_video::VideoColorMatrix::Fcc) => Matrix::Bt601,
        // SMPTE 240M's weights are within 0.015 of BT.709's.
        Some(gst_video::VideoColorMatrix::Bt709 | gst_video::VideoColorMatrix::Smpte240m) => Matrix::Bt709,
        Some(gst_video::VideoColorMatrix::Bt2020) => Matrix::Bt2020,
        _ => ColourSpace::guess_matrix(size),
    };
    let range = match stated.map(|stated| stated.range()) {
        Some(gst_video::VideoColorRange::Range0_255) => Range::Full,
        _ => Range::Limited,
    };
    ColourSpace { matrix, range }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(height: i32, colorimetry: Option<&str>) -> ColourSpace {
        gst::init().expect("GStreamer starts");
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", height / 9 * 16)
            .field("height", height)
            .field("framerate", gst::Fraction::new(25, 1))
            .field_if_some("colorimetry", colorimetry)
            .build();
        PictureLayout::of(&caps).expect("raw video").colour
    }

    #[test]
    fn a_stated_colour_space_is_used_at_any_size() {
        let space = |matrix, range| ColourSpace { matrix, range };
        for height in [144, 480, 576, 720, 1080, 2160] {
            for (stated, expected) in [
                ("bt601", space(Matrix::Bt601, Range::Limited)),
                ("bt709", space(Matrix::Bt709, Range::Limited)),
                ("bt2020", space(Matrix::Bt2020, Range::Limited)),
                ("smpte240m", space(Matrix::Bt709, Range::Limited)),
                ("1:4:5:1", space(Matrix::Bt601, Range::Full)),
                ("1:3:5:1", space(Matrix::Bt709, Range::Full)),
                ("1:6:0:0", space(Matrix::Bt2020, Range::Full)),
                ("2:4:16:4", space(Matrix::Bt601, Range::Limited)),
            ] {
                assert_eq!(colour(height, Some(stated)), expected, "{stated} at {height} lines");
            }
        }
    }

    #[test]
    fn unstated_colours_follow_the_size_in_limited_range() {
        let guesses = [(144, Matrix::Bt601), (576, Matrix::Bt601), (720, Matrix::Bt709), (2160, Matrix::Bt709)];
        for (height, matrix) in guesses {
            let limited = ColourSpace { matrix, range: Range::Limited };
            for stated in [None, Some("2:0:0:0"), Some("0:0:0:0"), Some("nonsense")] {
                assert_eq!(colour(height, stated), limited, "{stated:?} at {height} lines");
            }
            let full = ColourSpace { matrix, range: Range::Full };
            assert_eq!(colour(height, Some("1:0:0:0")), full, "a range alone at {height} lines");
        }
    }
}
