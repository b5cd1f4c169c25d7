//! The video codecs of cameras.

/// A camera's codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    H264,
    H265,
}

impl Codec {
    /// By `encoding-name` of SDP.
    pub(crate) fn from_encoding_name(name: &str) -> Option<Self> {
        match name {
            "H264" => Some(Self::H264),
            "H265" => Some(Self::H265),
            _ => None,
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
