//! Builds a camera's pipeline, from its address to an appsink:
//!
//! - `rtsp://`: `rtspsrc` → `rtph264depay`/`rtph265depay` → `h264parse`/`h265parse` → a decoder
//!   (`avdec_h264`/`avdec_h265` on one thread, or another of [`crate::decoder`]). Streams other
//!   than video are not set up. A codec other than H.264 and H.265 is an error.
//! - `file://`: `filesrc` → `decodebin` (any codec) → `videoconvert` (any pixel format), at the
//!   file's own pace, once.
//! - `test://PATTERN`: `videotestsrc`, live, 1280×720 at 25 frames a second.
//!
//! Decoders give I420 (software) or NV12 (hardware). No other format is accepted, so nothing is
//! converted on the way.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gatehouse_core::FrameSink;
use gatehouse_core::stream::{Decoder, RtspUrl, Source, Transport};
use gatehouse_core::time::Clock;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::codec::Codec;
use crate::decode_plan::Wanted;
use crate::decoder::{Decoders, byte_stream, decoder_of};
use crate::options::StreamOptions;
use crate::packet_probe::{PacketProbe, Packets};
use crate::shared_plan::SharedPlan;
use crate::stream_threads::StreamThreads;
use crate::{depay_probe, unit_probe};

/// The longest wait for a camera's answer on TCP, and for its first datagram on UDP.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time for RTSP's TEARDOWN: a camera that is gone must not hold up its pipeline's end.
const TEARDOWN: Duration = Duration::from_millis(100);

/// What a pipeline is connected to.
pub(crate) struct Connections<'a> {
    pub(crate) frames: &'a Arc<dyn FrameSink>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) plan: &'a Arc<SharedPlan>,
    pub(crate) decoders: &'a Arc<Decoders>,
}

/// Builds a pipeline that isn't started yet. Returns it with its appsink.
///
/// # Errors
/// If an element is missing or can't be linked.
pub(crate) fn build(
    options: &StreamOptions,
    connections: &Connections<'_>,
) -> Result<(gst::Pipeline, gst_app::AppSink), gst::glib::BoolError> {
    let pipeline = gst::Pipeline::with_name(&format!("camera-{}", options.camera));
    let formats = gst::List::new(["I420", "NV12"]);
    let caps = gst::Caps::builder("video/x-raw").field("format", formats).build();
    // One buffer that the newest frame replaces: a late consumer gets the newest frame, and memory
    // can't grow.
    let sink = gst_app::AppSink::builder().caps(&caps).max_buffers(1).drop(true).build();
    pipeline.add(&sink)?;
    match &options.source {
        Source::Rtsp(url) => {
            sink.set_property("sync", false);
            rtsp(&pipeline, &sink, url, options, connections)?;
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

/// Adds a file of any codec, linked to `sink`, which is in the pipeline already.
///
/// # Errors
/// If an element is missing or can't be linked.
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
            // Without this link no frames come, and the connection is given up.
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
    connections: &Connections<'_>,
) -> Result<(), gst::glib::BoolError> {
    let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
    let mut source = gst::ElementFactory::make("rtspsrc")
        .property("location", url.as_str())
        .property_from_str("protocols", if options.transport == Transport::Tcp { "tcp" } else { "udp" })
        .property("latency", u32::try_from(options.latency.as_millis()).unwrap_or(u32::MAX))
        .property("drop-on-latency", true)
        .property("tcp-timeout", micros(NETWORK_TIMEOUT))
        .property("timeout", micros(NETWORK_TIMEOUT))
        .property("teardown-timeout", micros(TEARDOWN) * 1000)
        .property("add-reference-timestamp-meta", true);
    if let Some(login) = &options.login {
        source = source.property("user-id", login.user.as_str()).property("user-pw", login.password.as_str());
    }
    let source = source.build()?;
    pipeline.add(&source)?;

    limit_login_attempts(&source);
    let codec = Arc::new(OnceLock::new());
    let may_drop = options.transport == Transport::Tcp && matches!(options.wanted, Wanted::OneIn(_));
    PacketProbe {
        codec: Arc::clone(&codec),
        plan: Arc::clone(connections.plan),
        clock: Arc::clone(connections.clock),
        packets: if may_drop { Packets::Decide } else { Packets::Watch },
    }
    .install(&source);
    let threads = StreamThreads::new(options);
    source.connect("select-stream", false, move |values| {
        if let (Err(problem), Some(source)) =
            (threads.on_reading(), values.first().and_then(|v| v.get::<gst::Element>().ok()))
        {
            gst::element_error!(source, gst::ResourceError::Busy, ("{problem}"));
        }
        let video = values.get(2).and_then(|caps| caps.get::<gst::Caps>().ok()).is_some_and(|caps| {
            caps.structure(0).is_some_and(|s| s.get::<&str>("media").is_ok_and(|media| media == "video"))
        });
        Some(video.to_value())
    });
    let (weak, sink) = (pipeline.downgrade(), sink.clone());
    let (wanted, known_codec) = (options.wanted, codec);
    let (frames, clock) = (Arc::clone(connections.frames), Arc::clone(connections.clock));
    let (plan, decoders) = (Arc::clone(connections.plan), Arc::clone(connections.decoders));
    source.connect_pad_added(move |source, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        if sink.static_pad("sink").is_none_or(|s| s.is_linked()) {
            return;
        }
        let before_data = |depay: &gst::Element, parser: &gst::Element, codec| -> Result<(), String> {
            depay_probe::install(depay, codec, &plan, Arc::clone(&clock))?;
            unit_probe::install(parser, codec, wanted, Arc::clone(&frames), Arc::clone(&clock), Arc::clone(&plan))?;
            known_codec.get_or_init(|| codec);
            Ok(())
        };
        if let Err(problem) = link_decoder(&pipeline, pad, &sink, &decoders, before_data) {
            gst::element_error!(source, gst::StreamError::CodecNotFound, ("{problem}"));
        }
    });
    Ok(())
}

/// Requests allowed until the camera has described its stream: OPTIONS, DESCRIBE, DESCRIBE with the
/// login, and once more for an expired nonce.
const REQUESTS_TO_DESCRIBE: u32 = 4;

/// Sends no further requests once a login is refused. rtspsrc repeats a refused login eight times,
/// and cameras lock an account after three to five. It treats an unsent request as another refusal.
fn limit_login_attempts(source: &gst::Element) {
    let left = Arc::new(AtomicU32::new(REQUESTS_TO_DESCRIBE));
    let described = Arc::clone(&left);
    source.connect("on-sdp", false, move |_| {
        described.store(u32::MAX, Ordering::Relaxed);
        None
    });
    source.connect("before-send", false, move |_| {
        let use_one = |left: u32| if left == u32::MAX { Some(left) } else { left.checked_sub(1) };
        Some(left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, use_one).is_ok().to_value())
    });
}

/// Links the camera's pad through depayloader, parser and decoder to the appsink. `before_data`
/// gets depayloader and parser before data can flow.
fn link_decoder(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    sink: &gst_app::AppSink,
    decoders: &Decoders,
    before_data: impl FnOnce(&gst::Element, &gst::Element, Codec) -> Result<(), String>,
) -> Result<(), String> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let encoding = caps.structure(0).and_then(|s| s.get::<String>("encoding-name").ok()).unwrap_or_default();
    let Some(codec) = Codec::from_encoding_name(&encoding) else {
        return Err(format!("the camera sends {encoding}; H.264 or H.265 is needed"));
    };
    let make = |name| gst::ElementFactory::make(name).build().map_err(|_| format!("{name} is not installed"));
    let [depay, parse] = codec.elements();
    let (kind, decoder) = decoders.choose(codec)?;
    let [depay, parse, decoder] = [make(depay)?, make(parse)?, make(decoder)?];
    if kind == Decoder::Software {
        // One thread a camera: many cameras share the processors, and frame threads add delay.
        decoder.set_property("max-threads", 1i32);
    }
    before_data(&depay, &parse, codec)?;
    let words = |e: gst::glib::BoolError| e.message.to_string();
    pipeline.add_many([&depay, &parse, &decoder]).map_err(words)?;
    depay.link(&parse).map_err(words)?;
    parse.link_filtered(&decoder, &byte_stream(codec)).map_err(words)?;
    decoder.link(sink).map_err(words)?;
    for element in [&decoder, &parse, &depay] {
        element.sync_state_with_parent().map_err(words)?;
    }
    let target = depay.static_pad("sink").ok_or("the depayloader has no input")?;
    pad.link(&target).map_err(|e| format!("the stream doesn't fit its depayloader: {e}"))?;
    Ok(())
}

/// A running pipeline's codec and decoder: `raw` and `None` without a decoder of
/// [`crate::decoder`].
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
