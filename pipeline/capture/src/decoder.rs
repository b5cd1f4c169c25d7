//! Which decoder a stream gets: the first of those that the user wants that is on this machine and hasn't failed on this stream.

use std::sync::{Mutex, PoisonError};

use gatehouse_core::stream::Decoder;
use gstreamer as gst;
use gstreamer::prelude::*;

/// The kind of decoder that an element is; none if it is no decoder.
pub(crate) fn decoder_of(element: &gst::Element) -> Option<Decoder> {
    let factory = element.factory()?;
    let is = |decoder: &Decoder| {
        [Codec::H264, Codec::H265].iter().any(|codec| factory.name() == codec.decoder_element(*decoder))
    };
    [Decoder::Software, Decoder::VaApi, Decoder::Nvdec].into_iter().find(is)
}

/// What a camera sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    H264,
    H265,
}

impl Codec {
    /// By its name in SDP.
    pub(crate) fn of(encoding: &str) -> Option<Self> {
        match encoding {
            "H264" => Some(Self::H264),
            "H265" => Some(Self::H265),
            _ => None,
        }
    }

    /// Whole frames in a byte stream.
    pub(crate) fn byte_stream(self) -> gst::Caps {
        let name = match self {
            Self::H264 => "video/x-h264",
            Self::H265 => "video/x-h265",
        };
        gst::Caps::builder(name).field("stream-format", "byte-stream").field("alignment", "au").build()
    }

    /// GStreamer's element that decodes it.
    fn decoder_element(self, decoder: Decoder) -> &'static str {
        match (decoder, self) {
            (Decoder::Software, Self::H264) => "avdec_h264",
            (Decoder::Software, Self::H265) => "avdec_h265",
            (Decoder::VaApi, Self::H264) => "vah264dec",
            (Decoder::VaApi, Self::H265) => "vah265dec",
            (Decoder::Nvdec, Self::H264) => "nvh264dec",
            (Decoder::Nvdec, Self::H265) => "nvh265dec",
        }
    }

    /// What takes it out of RTP, and what finds its frames.
    pub(crate) fn elements(self) -> [&'static str; 2] {
        match self {
            Self::H264 => ["rtph264depay", "h264parse"],
            Self::H265 => ["rtph265depay", "h265parse"],
        }
    }
}

/// A camera's decoders, best first, and those of them that failed on its stream.
#[derive(Debug)]
pub(crate) struct Decoders {
    wanted: Vec<Decoder>,
    failed: Mutex<Vec<Decoder>>,
}

impl Decoders {
    pub(crate) fn new(wanted: Vec<Decoder>) -> Self {
        Self { wanted, failed: Mutex::default() }
    }

    /// The decoder for a stream, and the element that it is.
    ///
    /// # Errors
    /// Why there is none, in words for an operator.
    pub(crate) fn choose(&self, codec: Codec) -> Result<(Decoder, &'static str), String> {
        self.choose_of(codec, |element| gst::ElementFactory::find(element).is_some())
    }

    fn choose_of(&self, codec: Codec, is_here: impl Fn(&str) -> bool) -> Result<(Decoder, &'static str), String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unusable = Vec::new();
        for decoder in &self.wanted {
            let element = codec.decoder_element(*decoder);
            if failed.contains(decoder) {
                unusable.push(format!("{decoder} failed on this stream"));
            } else if is_here(element) {
                return Ok((*decoder, element));
            } else {
                unusable.push(format!("{decoder} isn't on this machine (no `{element}`)"));
            }
        }
        Err(format!("no decoder for {codec:?}: {}", unusable.join(", ")))
    }

    /// A decoder failed before it gave a frame: from now on the next one is used. False if there is none: the stream itself may be
    /// at fault, and it is tried again.
    pub(crate) fn give_up(&self, decoder: Decoder) -> bool {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_last = self.wanted.iter().all(|wanted| *wanted == decoder || failed.contains(wanted));
        if !is_last && !failed.contains(&decoder) {
            failed.push(decoder);
        }
        !is_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Decoder; 3] = [Decoder::Nvdec, Decoder::VaApi, Decoder::Software];

    #[test]
    fn the_first_that_is_here_and_has_not_failed_decodes() {
        let decoders = Decoders::new(ALL.to_vec());
        assert_eq!(decoders.choose_of(Codec::H264, |_| true), Ok((Decoder::Nvdec, "nvh264dec")));
        let no_nvidia = |element: &str| !element.starts_with("nv");
        assert_eq!(decoders.choose_of(Codec::H265, no_nvidia), Ok((Decoder::VaApi, "vah265dec")));
        assert!(decoders.give_up(Decoder::VaApi));
        assert_eq!(decoders.choose_of(Codec::H265, no_nvidia), Ok((Decoder::Software, "avdec_h265")));
    }

    #[test]
    fn the_last_one_is_never_given_up() {
        let decoders = Decoders::new(ALL.to_vec());
        assert_eq!(ALL.map(|decoder| decoders.give_up(decoder)), [true, true, false]);
        assert_eq!(decoders.choose_of(Codec::H264, |_| true), Ok((Decoder::Software, "avdec_h264")));
        assert!(!Decoders::new(vec![Decoder::Software]).give_up(Decoder::Software));
    }

    #[test]
    fn where_there_is_none_each_is_named_with_the_reason() {
        let decoders = Decoders::new(vec![Decoder::Nvdec, Decoder::VaApi]);
        assert!(decoders.give_up(Decoder::Nvdec));
        assert_eq!(
            decoders.choose_of(Codec::H264, |_| false),
            Err("no decoder for H264: nvdec failed on this stream, vaapi isn't on this machine (no `vah264dec`)".into())
        );
    }
}
