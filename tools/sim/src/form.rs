//! The form of a camera's pictures: colour space, samples, scan and cropping.

use serde::Deserialize;

use crate::Codec;

/// Weights of red, green and blue in luma.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matrix {
    /// ITU-R BT.601.
    Bt601,
    /// ITU-R BT.709.
    #[default]
    Bt709,
    /// ITU-R BT.2020.
    Bt2020,
}

/// Which sample values are black and white.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// 16 to 235.
    #[default]
    Limited,
    /// 0 to 255.
    Full,
}

/// Chroma subsampling and bits a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum Samples {
    /// Chroma of half the width and half the height, 8 bits.
    #[default]
    #[serde(rename = "4:2:0")]
    Yuv420,
    /// The same with 10 bits.
    #[serde(rename = "4:2:0 10 bit")]
    Yuv420TenBit,
    /// Chroma of half the width, 8 bits. The height may be odd.
    #[serde(rename = "4:2:2")]
    Yuv422,
    /// Chroma of the full size, 8 bits. Both sides may be odd.
    #[serde(rename = "4:4:4")]
    Yuv444,
}

impl Samples {
    fn format(self) -> &'static str {
        match self {
            Self::Yuv420 => "I420",
            Self::Yuv420TenBit => "I420_10LE",
            Self::Yuv422 => "Y42B",
            Self::Yuv444 => "Y444",
        }
    }

    /// Multiples that width and height are of.
    fn multiples(self) -> [u32; 2] {
        match self {
            Self::Yuv420 | Self::Yuv420TenBit => [2, 2],
            Self::Yuv422 => [2, 1],
            Self::Yuv444 => [1, 1],
        }
    }
}

/// The form of a camera's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PictureForm {
    /// Default `bt709`.
    pub matrix: Matrix,
    /// Default `limited`.
    pub range: Range,
    /// False if the stream states a range and no matrix. Of H.265 only, because the H.264 encoder
    /// always states both. Default true.
    pub states_matrix: bool,
    /// Default `4:2:0`.
    pub samples: Samples,
    /// True if each picture's rows are from two moments. Of H.264 only. Default false.
    pub interlaced: bool,
    /// Coded pixels beside the picture, which the stream says to cut off: left, top, right and
    /// bottom, even. Of H.264 in 4:2:0 only. Default none.
    pub crop: [u32; 4],
    /// Light of the scene in percent, 1 to 100. Default 100.
    pub light_percent: u32,
}

impl Default for PictureForm {
    fn default() -> Self {
        Self {
            matrix: Matrix::default(),
            range: Range::default(),
            states_matrix: true,
            samples: Samples::default(),
            interlaced: false,
            crop: [0; 4],
            light_percent: 100,
        }
    }
}

impl PictureForm {
    pub(crate) fn validate(&self, codec: Codec, size: [u32; 2]) -> Result<(), String> {
        let [width, height] = size;
        if size.iter().zip(self.samples.multiples()).any(|(side, multiple)| !side.is_multiple_of(multiple)) {
            return Err(format!("width and height are even in 4:2:0, and the width in 4:2:2, got {width}x{height}"));
        }
        if self.interlaced && (codec != Codec::H264 || !height.is_multiple_of(4)) {
            return Err(format!("interlaced pictures are h264 with a height that is a multiple of 4, got {height}"));
        }
        if !self.states_matrix && codec != Codec::H265 {
            return Err("states_matrix = false is of h265 only".to_owned());
        }
        let is_cropped = self.crop != [0; 4];
        if is_cropped && (codec, self.samples) != (Codec::H264, Samples::Yuv420) {
            return Err("crop is of h264 in 4:2:0 only".to_owned());
        }
        if self.crop.iter().any(|pixels| pixels % 4 != 0 || *pixels > 256) {
            return Err(format!("crop has multiples of 4 up to 256, got {:?}", self.crop));
        }
        if !(1..=100).contains(&self.light_percent) {
            return Err(format!("light_percent is from 1 to 100, got {}", self.light_percent));
        }
        Ok(())
    }

    /// Elements before the raw caps, each behind its link: they dim the scene and convert its
    /// colours. The way over 16-bit RGB is exact to a level; `videoconvert` alone rounds down, and
    /// converts no range where the matrix stays.
    pub(crate) fn colour_steps(&self) -> String {
        let mut steps = String::new();
        if self.light_percent < 100 {
            let light = f64::from(self.light_percent) / 100.0;
            steps += &format!(
                " ! videoconvert ! video/x-raw,format=I420 ! videobalance contrast={light} saturation={light}"
            );
        }
        if (self.matrix, self.range) != (Matrix::default(), Range::default()) {
            steps += " ! videoconvert ! video/x-raw,format=ARGB64 ! videoconvert dither=none";
        }
        steps
    }

    /// With the transfer and the primaries of BT.709, so that only matrix and range are converted.
    fn colorimetry(&self) -> String {
        let range = match self.range {
            Range::Full => 1,
            Range::Limited => 2,
        };
        let matrix = match self.matrix {
            Matrix::Bt709 => 3,
            Matrix::Bt601 => 4,
            Matrix::Bt2020 => 6,
        };
        // The word keeps the clips of earlier versions in the cache.
        if (range, matrix) == (2, 3) { "bt709".to_owned() } else { format!("{range}:{matrix}:5:1") }
    }

    /// Fields of raw caps: pixel format and colorimetry.
    pub(crate) fn caps_fields(&self) -> String {
        format!("format={},colorimetry={}", self.samples.format(), self.colorimetry())
    }

    /// Elements between the raw caps and the encoder, each with its link.
    pub(crate) fn filters(&self) -> String {
        let [left, top, right, bottom] = self.crop;
        let mut filters = String::new();
        if self.crop != [0; 4] {
            // `videobox` forgets the colorimetry.
            filters += &format!(
                "videobox left=-{left} top=-{top} right=-{right} bottom=-{bottom} \
                 ! capssetter caps=video/x-raw,colorimetry={} ! ",
                self.colorimetry()
            );
        }
        if self.interlaced {
            filters += "interlace field-pattern=1:1 top-field-first=true ! ";
        }
        filters
    }

    /// Properties of `x264enc` and the options that its option string adds.
    pub(crate) fn h264(&self) -> (&'static str, String) {
        let [left, top, right, bottom] = self.crop;
        let interlaced = if self.interlaced { "interlaced=true " } else { "" };
        let crop =
            if self.crop == [0; 4] { String::new() } else { format!(":crop-rect={left},{top},{right},{bottom}") };
        (interlaced, crop)
    }

    /// Options that the option string of `x265enc` adds.
    pub(crate) fn h265(&self) -> &'static str {
        if self.states_matrix { "" } else { ":colormatrix=2:colorprim=2:transfer=2" }
    }

    /// Raw pictures for each encoded one: the two moments of an interlaced picture.
    pub(crate) fn moments(&self) -> u32 {
        if self.interlaced { 2 } else { 1 }
    }
}
