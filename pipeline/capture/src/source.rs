//! From a camera's address to a pipeline that ends in an appsink. Every element is named here and explained:
//!
//! - `rtsp://`: `rtspsrc` → `rtph264depay`/`rtph265depay` → `h264parse`/`h265parse` → a decoder (`avdec_h264`/`avdec_h265` on
//!   one thread, or one of [`crate::decoder`]'s). Streams other than video are not even set up. A codec that isn't H.264 or H.265
//!   is an error, not a guess.
//! - `file://`: `filesrc` → `decodebin` (a file may hold any codec) → `videoconvert` (and any pixel format), at the file's
//!   own pace, once.
//! - `test://PATTERN`: `videotestsrc`, live, 1280×720 at 25 frames a second.
//!
//! Decoders hand over I420 (software) or NV12 (hardware); no other format is accepted, so nothing is converted on the way.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gatehouse_core::stream::{Decoder, Login, RtspUrl, Source, Transport};
use gatehouse_core::{CameraId, FrameSink, Urgency};
use gatehouse_picture::NormalisedPolygon;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::decoder::{Codec, Decoders, decoder_of};
use crate::packets;
use crate::stream_threads::StreamThreads;
use crate::thinning::{self, Thinning};

/// Which frames of a stream are wanted. Those that aren't need not be decoded, where no other needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Each.
    All,
    /// One in so long. Where key frames come as often, they alone are decoded.
    OneIn(Duration),
    /// One in so long, and at any time more or fewer from the next one on, as [`FrameSink::demand`] says.
    AsDemanded(Duration),
}

/// What the user set for one camera's stream.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// Which camera.
    pub camera: CameraId,
    /// Where its video comes from.
    pub source: Source,
    /// Basic or digest login, whichever the camera asks for.
    pub login: Option<Login>,
    /// How RTP travels.
    pub transport: Transport,
    /// Length of the jitter buffer.
    pub latency: Duration,
    /// Which of its frames are wanted.
    pub wanted: Wanted,
    /// How urgent the threads of its stream are.
    pub urgency: Urgency,
    /// What may decode an RTSP camera's stream, best first; at least one.
    pub decoders: Vec<Decoder>,
    /// Parts of the picture that are black from the decoder on.
    pub privacy: Vec<NormalisedPolygon>,
}

/// How long to wait for a camera's answer on TCP, and for its first datagram on UDP.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the goodbye to a camera may take. A camera that is gone doesn't hold up its pipeline's end.
const GOODBYE: Duration = Duration::from_millis(100);

/// A pipeline that isn't started yet, and the appsink at its end. Where some frames need not be decoded, `thinning` says so.
pub(crate) fn pipeline(
    options: &StreamOptions,
    frames: &Arc<dyn FrameSink>,
    thinning: &Arc<Thinning>,
    decoders: &Arc<Decoders>,
) -> Result<(gst::Pipeline, gst_app::AppSink), gst::glib::BoolError> {
    let pipeline = gst::Pipeline::with_name(&format!("camera-{}", options.camera));
    let formats = gst::List::new(["I420", "NV12"]);
    let caps = gst::Caps::builder("video/x-raw").field("format", formats).build();
    // One buffer that the newest frame replaces: a consumer that is late gets the newest, and memory can't grow.
    let sink = gst_app::AppSink::builder().caps(&caps).max_buffers(1).drop(true).build();
    pipeline.add(&sink)?;
    match &options.source {
        Source::Rtsp(url) => {
            sink.set_property("sync", false);
            rtsp(&pipeline, &sink, url, options, frames, thinning, decoders)?;
        }
        Source::File(path) => add_file(&pipeline, &sink, path)?,
        Source::Test(pattern) => {
            sink.set_property("sync", false);
            let source = gst::ElementFactory::make("videotestsrc")
                .property("is-live", true)
                .property_from_str("pattern", pattern)
                .build()?;
            let size = gst::Caps::builder("video/x-raw")
                .field("format", "I420")
                .field("width", 1280)
                .field("height", 720)
                .field("framerate", gst::Fraction::new(25, 1))
                .build();
            pipeline.add(&source)?;
            source.link_filtered(&sink, &size)?;
        }
    }
    Ok((pipeline, sink))
}

/// A file of any codec, into `sink`, which is in the pipeline already.
pub(crate) fn add_file(
    pipeline: &gst::Pipeline,
    sink: &gst_app::AppSink,
    path: &Path,
) -> Result<(), gst::glib::BoolError> {
    let file = gst::ElementFactory::make("filesrc").property("location", path).build()?;
    let decoder = gst::ElementFactory::make("decodebin").build()?;
    let convert = gst::ElementFactory::make("videoconvert").build()?;
    pipeline.add_many([&file, &decoder, &convert])?;
    gst::Element::link(&file, &decoder)?;
    gst::Element::link(&convert, sink)?;
    decoder.connect_pad_added(move |_, pad| {
        let is_video = pad.current_caps().is_some_and(|c| c.structure(0).is_some_and(|s| s.name() == "video/x-raw"));
        if let Some(target) = convert.static_pad("sink").filter(|t| is_video && !t.is_linked()) {
            // A pad that doesn't fit leaves the file without frames, which the watchdog reports.
            let _ = pad.link(&target);
        }
    });
    Ok(())
}

fn rtsp(
    pipeline: &gst::Pipeline,
    sink: &gst_app::AppSink,
    url: &RtspUrl,
    options: &StreamOptions,
    frames: &Arc<dyn FrameSink>,
    thinning: &Arc<Thinning>,
    decoders: &Arc<Decoders>,
) -> Result<(), gst::glib::BoolError> {
    let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
    let mut source = gst::ElementFactory::make("rtspsrc")
        .property("location", url.as_str())
        .property_from_str("protocols", if options.transport == Transport::Tcp { "tcp" } else { "udp" })
        .property("latency", u32::try_from(options.latency.as_millis()).unwrap_or(u32::MAX))
        .property("drop-on-latency", true)
        .property("tcp-timeout", micros(NETWORK_TIMEOUT))
        .property("timeout", micros(NETWORK_TIMEOUT))
        .property("teardown-timeout", micros(GOODBYE) * 1000)
        .property("add-reference-timestamp-meta", true);
    if let Some(login) = &options.login {
        source = source.property("user-id", login.user.as_str()).property("user-pw", login.password.as_str());
    }
    let source = source.build()?;
    pipeline.add(&source)?;

    limit_login_attempts(&source);
    let codec = Arc::new(OnceLock::new());
    if options.transport == Transport::Tcp && matches!(options.wanted, Wanted::OneIn(_)) {
        packets::thin(&source, &codec, thinning);
    }
    let threads = StreamThreads::new(options);
    source.connect("select-stream", false, move |values| {
        if let (Err(problem), Some(source)) =
            (threads.reading(), values.first().and_then(|v| v.get::<gst::Element>().ok()))
        {
            gst::element_error!(source, gst::ResourceError::Busy, ("{problem}"));
        }
        let video = values.get(2).and_then(|caps| caps.get::<gst::Caps>().ok()).is_some_and(|caps| {
            caps.structure(0).is_some_and(|s| s.get::<&str>("media").is_ok_and(|media| media == "video"))
        });
        Some(video.to_value())
    });
    let (weak, sink) = (pipeline.downgrade(), sink.clone());
    let (wanted, frames, thinning) = (options.wanted, Arc::clone(frames), Arc::clone(thinning));
    let (decoders, known_codec) = (Arc::clone(decoders), codec);
    source.connect_pad_added(move |source, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        if sink.static_pad("sink").is_none_or(|s| s.is_linked()) {
            return;
        }
        let thin = |parse: &gst::Element, codec| -> Result<(), String> {
            thinning::thin(parse, codec, wanted, Arc::clone(&frames), Arc::clone(&thinning))?;
            known_codec.get_or_init(|| codec);
            Ok(())
        };
        if let Err(problem) = link_decoder(&pipeline, pad, &sink, &decoders, thin) {
            gst::element_error!(source, gst::StreamError::CodecNotFound, ("{problem}"));
        }
    });
    Ok(())
}

/// Requests that may be sent until the camera has described its stream: OPTIONS, DESCRIBE, the same with the login, and once
/// more for a nonce that has just expired.
const REQUESTS_TO_DESCRIBE: u32 = 4;

/// rtspsrc answers a refused login with the same login again, eight times over, and cameras lock an account after three to
/// five. The requests beyond the limit are not sent, which rtspsrc takes as the refusal that it had last.
fn limit_login_attempts(source: &gst::Element) {
    let left = Arc::new(AtomicU32::new(REQUESTS_TO_DESCRIBE));
    let described = Arc::clone(&left);
    source.connect("on-sdp", false, move |_| {
        described.store(u32::MAX, Ordering::Relaxed);
        None
    });
    source.connect("before-send", false, move |_| {
        let take = |left: u32| if left == u32::MAX { Some(left) } else { left.checked_sub(1) };
        Some(left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok().to_value())
    });
}

fn link_decoder(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    sink: &gst_app::AppSink,
    decoders: &Decoders,
    thin: impl FnOnce(&gst::Element, Codec) -> Result<(), String>,
) -> Result<(), String> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let encoding = caps.structure(0).and_then(|s| s.get::<String>("encoding-name").ok()).unwrap_or_default();
    let Some(codec) = Codec::of(&encoding) else {
        return Err(format!("the camera sends {encoding}; H.264 or H.265 is needed"));
    };
    let make = |name| gst::ElementFactory::make(name).build().map_err(|_| format!("{name} is not installed"));
    let [depay, parse] = codec.elements();
    let (kind, decoder) = decoders.choose(codec)?;
    let [depay, parse, decoder] = [make(depay)?, make(parse)?, make(decoder)?];
    if kind == Decoder::Software {
        // One thread a camera: the machine's cores are shared by many cameras, and frame threads would add frames of delay.
        decoder.set_property("max-threads", 1i32);
    }
    thin(&parse, codec)?;
    let words = |e: gst::glib::BoolError| e.message.to_string();
    pipeline.add_many([&depay, &parse, &decoder]).map_err(words)?;
    depay.link(&parse).map_err(words)?;
    // Of two layouts the one whose frames can be looked into without knowing more of the stream.
    parse.link_filtered(&decoder, &codec.byte_stream()).map_err(words)?;
    decoder.link(sink).map_err(words)?;
    for element in [&decoder, &parse, &depay] {
        element.sync_state_with_parent().map_err(words)?;
    }
    let target = depay.static_pad("sink").ok_or("the depayloader has no input")?;
    pad.link(&target).map_err(|e| format!("the stream doesn't fit its depayloader: {e}"))?;
    Ok(())
}

/// What a running pipeline decodes, and what decodes it: `raw` and nothing where no decoder of [`crate::decoder`] is in it.
pub(crate) fn decoding(pipeline: &gst::Pipeline) -> (&'static str, Option<Decoder>) {
    let elements = || pipeline.iterate_recurse().into_iter().flatten();
    let has = |name: &str| elements().any(|element| element.factory().is_some_and(|factory| factory.name() == name));
    let codec = if has("h264parse") {
        "h264"
    } else if has("h265parse") {
        "h265"
    } else {
        "raw"
    };
    (codec, elements().find_map(|element| decoder_of(&element)))
}
