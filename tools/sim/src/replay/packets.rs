//! A clip's RTP packets, made once.

use std::time::Duration;

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;

use crate::{clip::Clip, error::ClipError};

/// Ticks of an RTP time a second, for video (RFC 6184, section 5.1).
pub(crate) const CLOCK_RATE: u64 = 90_000;
/// In front of each packet on an RTSP connection: `$`, the channel, the length.
pub(crate) const FRAMING: usize = 4;
/// How long the payloader may take for a picture.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(30);
const PAYLOAD_TYPE: u8 = 96;

/// The packets of one picture, one after the other as they go over the connection.
pub(crate) struct Picture {
    pub(crate) bytes: Vec<u8>,
    /// Where in `bytes` each packet's RTP header begins.
    pub(crate) packets: Vec<usize>,
    pub(crate) key: bool,
}

/// A clip as packets.
pub(crate) struct Recording {
    pub(crate) pictures: Vec<Picture>,
    pub(crate) fps: u64,
    /// What a client has to know of the stream (RFC 4566).
    pub(crate) sdp: String,
}

impl Recording {
    pub(crate) fn of(clip: &Clip) -> Result<Self, ClipError> {
        let what = || "the packets of a clip".to_owned();
        let broken = |error: gst::glib::BoolError| ClipError::Pipeline { what: what(), reason: error.to_string() };
        let codec = clip.encoding.codec;
        let source = gst_app::AppSrc::builder().caps(&codec.caps()).format(gst::Format::Time).build();
        let payloader = gst::parse::bin_from_description(codec.payloader(), true)
            .map_err(|error| ClipError::Pipeline { what: what(), reason: error.to_string() })?;
        // One packet a sample, where the payloader gives lists of them.
        let sink = gst_app::AppSink::builder().sync(false).build();
        let pipeline = gst::Pipeline::new();
        pipeline
            .add_many([source.upcast_ref(), payloader.upcast_ref(), sink.upcast_ref::<gst::Element>()])
            .map_err(broken)?;
        gst::Element::link_many([source.upcast_ref(), payloader.upcast_ref(), sink.upcast_ref::<gst::Element>()])
            .map_err(broken)?;
        let recorded = record(clip, &pipeline, &source, &sink);
        let ended = pipeline.set_state(gst::State::Null);
        let (pictures, sdp) = recorded?;
        ended.map_err(|error| ClipError::Failed {
            what: what(),
            element: "pipeline".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self { pictures, fps: clip.encoding.fps.into(), sdp })
    }
}

fn record(
    clip: &Clip,
    pipeline: &gst::Pipeline,
    source: &gst_app::AppSrc,
    sink: &gst_app::AppSink,
) -> Result<(Vec<Picture>, String), ClipError> {
    let failed = |reason: &str| ClipError::Failed {
        what: "the packets of a clip".to_owned(),
        element: "the payloader".to_owned(),
        reason: reason.to_owned(),
    };
    pipeline.set_state(gst::State::Playing).map_err(|error| failed(&error.to_string()))?;
    let (mut pictures, mut sdp) = (Vec::new(), String::new());
    for (unit, n) in clip.units().iter().zip(0u32..) {
        let mut buffer = gst::Buffer::from_slice(std::sync::Arc::clone(&unit.bytes));
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::SECOND * u64::from(n) / u64::from(clip.encoding.fps));
            if !unit.key {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        source.push_buffer(buffer).map_err(|error| failed(&error.to_string()))?;
        let mut picture = Picture { bytes: Vec::new(), packets: Vec::new(), key: unit.key };
        loop {
            let sample = sink.try_pull_sample(PATIENCE).ok_or_else(|| failed("it gave no packet"))?;
            if sdp.is_empty() {
                sdp = description(&sample, clip).ok_or_else(|| failed("it doesn't say what it sends"))?;
            }
            let packet = sample.buffer().and_then(|buffer| buffer.map_readable().ok());
            let packet = packet.ok_or_else(|| failed("its packet can't be read"))?;
            let length = u16::try_from(packet.len()).map_err(|_| failed("its packet is too long"))?;
            if length < 12 {
                return Err(failed("its packet has no header"));
            }
            picture.bytes.extend([b'$', 0]);
            picture.bytes.extend(length.to_be_bytes());
            picture.packets.push(picture.bytes.len());
            picture.bytes.extend_from_slice(&packet);
            // The marker: the picture's last packet.
            if packet[1] & 0x80 != 0 {
                break;
            }
        }
        pictures.push(picture);
    }
    Ok((pictures, sdp))
}

fn description(sample: &gst::Sample, clip: &Clip) -> Option<String> {
    let caps = sample.caps()?.structure(0)?;
    let name = caps.get::<&str>("encoding-name").ok()?;
    let parameters =
        ["packetization-mode", "profile-level-id", "sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps"];
    let parameters: Vec<_> =
        parameters.iter().filter_map(|key| caps.get::<&str>(*key).ok().map(|value| format!("{key}={value}"))).collect();
    let fps = clip.encoding.fps;
    Some(format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\n\
         m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:{PAYLOAD_TYPE} {name}/{CLOCK_RATE}\r\n\
         a=fmtp:{PAYLOAD_TYPE} {}\r\na=framerate:{fps}\r\na=control:stream=0\r\n",
        parameters.join(";"),
    ))
}

/// The time of picture `n` since the first, and as an RTP time.
pub(crate) fn time_of(n: u64, fps: u64) -> (Duration, u32) {
    // An RTP time wraps around.
    (Duration::from_micros(n * 1_000_000 / fps), (n * CLOCK_RATE / fps) as u32)
}
