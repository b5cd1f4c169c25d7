//! Chooses a stream's decoder: the first configured one that is installed and hasn't failed on this
//! stream.

use gatehouse_core::stream::Decoder;
use gstreamer as gst;
use gstreamer::prelude::*;
use parking_lot::Mutex;

use crate::codec::Codec;

/// The decoder that an element is, or `None` if it is no decoder.
pub(crate) fn decoder_of(element: &gst::Element) -> Option<Decoder> {
    let factory = element.factory()?;
    let is = |decoder: &Decoder| {
        [Codec::H264, Codec::H265].iter().any(|codec| factory.name() == element_name(*decoder, *codec))
    };
    [Decoder::Software, Decoder::VaApi, Decoder::Nvdec].into_iter().find(is)
}

/// GStreamer's element for a decoder and a codec.
fn element_name(decoder: Decoder, codec: Codec) -> &'static str {
    match (decoder, codec) {
        (Decoder::Software, Codec::H264) => "avdec_h264",
        (Decoder::Software, Codec::H265) => "avdec_h265",
        (Decoder::VaApi, Codec::H264) => "vah264dec",
        (Decoder::VaApi, Codec::H265) => "vah265dec",
        (Decoder::Nvdec, Codec::H264) => "nvh264dec",
        (Decoder::Nvdec, Codec::H265) => "nvh265dec",
    }
}

/// The caps of whole access units of a codec in a byte stream.
pub(crate) fn byte_stream(codec: Codec) -> gst::Caps {
    let name = match codec {
        Codec::H264 => "video/x-h264",
        Codec::H265 => "video/x-h265",
    };
    gst::Caps::builder(name).field("stream-format", "byte-stream").field("alignment", "au").build()
}

/// A camera's decoders, best first, and those that failed on its stream.
#[derive(Debug)]
pub(crate) struct Decoders {
    wanted: Vec<Decoder>,
    failed: Mutex<Vec<Decoder>>,
}

impl Decoders {
    pub(crate) fn new(wanted: Vec<Decoder>) -> Self {
        Self { wanted, failed: Mutex::default() }
    }

    /// The decoder for a stream, and the name of its element.
    ///
    /// # Errors
    /// Why no decoder is usable, in words for an operator.
    pub(crate) fn choose(&self, codec: Codec) -> Result<(Decoder, &'static str), String> {
        self.choose_installed(codec, |element| gst::ElementFactory::find(element).is_some())
    }

    fn choose_installed(
        &self,
        codec: Codec,
        is_installed: impl Fn(&str) -> bool,
    ) -> Result<(Decoder, &'static str), String> {
        let failed = self.failed.lock();
        let mut unusable = Vec::new();
        for decoder in &self.wanted {
            let element = element_name(*decoder, codec);
            if failed.contains(decoder) {
                unusable.push(format!("{decoder} failed on this stream"));
            } else if is_installed(element) {
                return Ok((*decoder, element));
            } else {
                unusable.push(format!("{decoder} isn't on this machine (no `{element}`)"));
            }
        }
        Err(format!("no decoder for {codec:?}: {}", unusable.join(", ")))
    }

    /// A decoder failed before it gave a frame: the next one is used from now on. False if there is
    /// no other: the stream may be at fault, and the same decoder is tried again.
    pub(crate) fn give_up(&self, decoder: Decoder) -> bool {
        let mut failed = self.failed.lock();
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
    fn the_first_installed_decoder_that_has_not_failed_decodes() {
        let decoders = Decoders::new(ALL.to_vec());
        assert_eq!(decoders.choose_installed(Codec::H264, |_| true), Ok((Decoder::Nvdec, "nvh264dec")));
        let no_nvidia = |element: &str| !element.starts_with("nv");
        assert_eq!(decoders.choose_installed(Codec::H265, no_nvidia), Ok((Decoder::VaApi, "vah265dec")));
        assert!(decoders.give_up(Decoder::VaApi));
        assert_eq!(decoders.choose_installed(Codec::H265, no_nvidia), Ok((Decoder::Software, "avdec_h265")));
    }

    #[test]
    fn the_last_one_is_never_given_up() {
        let decoders = Decoders::new(ALL.to_vec());
        assert_eq!(ALL.map(|decoder| decoders.give_up(decoder)), [true, true, false]);
        assert_eq!(decoders.choose_installed(Codec::H264, |_| true), Ok((Decoder::Software, "avdec_h264")));
        assert!(!Decoders::new(vec![Decoder::Software]).give_up(Decoder::Software));
    }

    #[test]
    fn without_a_decoder_each_is_named_with_the_reason() {
        let decoders = Decoders::new(vec![Decoder::Nvdec, Decoder::VaApi]);
        assert!(decoders.give_up(Decoder::Nvdec));
        assert_eq!(
            decoders.choose_installed(Codec::H264, |_| false),
            Err("no decoder for H264: nvdec failed on this stream, vaapi isn't on this machine (no `vah264dec`)".into())
        );
    }
}
