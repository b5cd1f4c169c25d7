//! A clip's RTP packets, which are made once.

use std::{sync::Arc, time::Duration};

use gstreamer as gst;

use crate::{clip::Clip, encode::Running, error::ClipError};

/// Ticks of an RTP time a second, for video (RFC 6184, section 5.1).
pub(crate) const CLOCK_RATE: u64 = 90_000;
/// Length of the prefix of each packet on an RTSP connection: `$`, the channel, the length.
pub(crate) const FRAMING: usize = 4;
/// An RTP header (RFC 3550, section 5.1).
pub(crate) const HEADER: usize = 12;
const PAYLOAD_TYPE: u8 = 96;

/// The packets of one picture, in the order of sending.
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
    /// The session description (RFC 4566).
    pub(crate) sdp: String,
}

impl Recording {
    /// Makes the packets of each picture with GStreamer's payloader.
    pub(crate) fn of(clip: &Clip) -> Result<Self, ClipError> {
        let codec = clip.encoding.codec;
        // One packet per sample; the payloader gives lists of packets otherwise.
        let text = format!("appsrc name=source format=time ! {} ! appsink name=sink sync=false", codec.payloader());
        let pipeline = Running::launch("the packets of a clip", &text)?;
        let (source, sink) = (pipeline.app_src("source")?, pipeline.app_sink("sink")?);
        source.set_caps(Some(&codec.caps()));
        pipeline.play()?;
        let failed = |reason: &str| pipeline.failed("the payloader", reason);
        let fps = u64::from(clip.encoding.fps);
        let (mut pictures, mut sdp) = (Vec::new(), String::new());
        for (unit, n) in clip.units.iter().zip(0u64..) {
            let mut buffer = gst::Buffer::from_slice(Arc::clone(&unit.bytes));
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(gst::ClockTime::SECOND * n / fps);
                if !unit.key {
                    buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
                }
            }
            source.push_buffer(buffer).map_err(|error| failed(&error.to_string()))?;
            let mut picture = Picture { bytes: Vec::new(), packets: Vec::new(), key: unit.key };
            loop {
                let sample = pipeline.pull(&sink)?.ok_or_else(|| failed("it gave no packet"))?;
                if sdp.is_empty() {
                    sdp = description(&sample, fps).ok_or_else(|| failed("it doesn't say what it sends"))?;
                }
                let packet = sample.buffer().and_then(|buffer| buffer.map_readable().ok());
                let packet = packet.ok_or_else(|| failed("its packet can't be read"))?;
                let length = u16::try_from(packet.len()).map_err(|_| failed("its packet is too long"))?;
                if packet.len() < HEADER {
                    return Err(failed("its packet has no header"));
                }
                picture.bytes.extend([b'$', 0]);
                picture.bytes.extend(length.to_be_bytes());
                picture.packets.push(picture.bytes.len());
                picture.bytes.extend_from_slice(&packet);
                // The marker bit: the picture's last packet.
                if packet[1] & 0x80 != 0 {
                    break;
                }
            }
            pictures.push(picture);
        }
        Ok(Self { pictures, fps, sdp })
    }
}

fn description(sample: &gst::Sample, fps: u64) -> Option<String> {
    let caps = sample.caps()?.structure(0)?;
    let name = caps.get::<&str>("encoding-name").ok()?;
    let parameters =
        ["packetization-mode", "profile-level-id", "sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps"];
    let parameters: Vec<_> =
        parameters.iter().filter_map(|key| caps.get::<&str>(*key).ok().map(|value| format!("{key}={value}"))).collect();
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
