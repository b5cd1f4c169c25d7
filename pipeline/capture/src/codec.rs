//! The video codecs of cameras.

/// A camera's codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    H264,
    H265,
}

impl Codec {
    /// By the encoding's name in SDP, in any case.
    pub(crate) fn from_encoding_name(name: &str) -> Option<Self> {
        [Self::H264, Self::H265].into_iter().find(|codec| codec.encoding_name().eq_ignore_ascii_case(name))
    }

    /// The encoding's name in SDP (RFC 6184, section 8.1; RFC 7798, section 7.1).
    pub(crate) fn encoding_name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
        }
    }

    /// The names of the elements that take it out of RTP and that find its access units.
    pub(crate) fn elements(self) -> [&'static str; 2] {
        match self {
            Self::H264 => ["rtph264depay", "h264parse"],
            Self::H265 => ["rtph265depay", "h265parse"],
        }
    }
}
