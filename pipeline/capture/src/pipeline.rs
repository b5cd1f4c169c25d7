//! Builds a camera's pipeline, from its address to an appsink:
//!
//! - `rtsp://`: the packets of [`crate::rtsp`] → `rtph264depay`/`rtph265depay` →
//!   `h264parse`/`h265parse` → a decoder (`avdec_h264`/`avdec_h265` on one thread, or another of
//!   [`crate::decoder`]). All of it runs on the thread that receives the packets.
//! - `file://`: `filesrc` → `decodebin` (any codec) → `videoconvert` (any pixel format) →
//!   `videoflip` (upright, as the file's header says), at the file's own pace, once.
//! - `test://PATTERN`: `videotestsrc`, live, 1280×720 at 25 frames a second.
//!
//! Decoders of most streams give I420 (software) or NV12 (hardware), which nothing converts on the
//! way. Other formats are converted behind the appsink (`conversion.rs`).

use std::path::Path;
use std::sync::Arc;

use gatehouse_core::FrameSink;
use gatehouse_core::stream::{Decoder, Source};
use gatehouse_core::time::Clock;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video::VideoFormat;

use crate::codec::Codec;
use crate::decode_plan::Wanted;
use crate::decoder::{Decoders, byte_stream, decoder_of};
use crate::options::StreamOptions;
use crate::shared_plan::SharedPlan;
use crate::unit_probe;

/// What a pipeline is connected to.
pub(crate) struct Connections<'a> {
    pub(crate) frames: &'a Arc<dyn FrameSink>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) plan: &'a Arc<SharedPlan>,
    pub(crate) decoders: &'a Arc<Decoders>,
}

/// Builds a pipeline that isn't started yet. Returns it with its appsink. That of a camera has
/// nothing else before [`attach`].
///
/// # Errors
/// If an element is missing or can't be linked.
pub(crate) fn build(options: &StreamOptions) -> Result<(gst::Pipeline, gst_app::AppSink), gst::glib::BoolError> {
    let pipeline = gst::Pipeline::with_name(&format!("camera-{}", options.camera));
    // One buffer that the newest frame replaces: a late consumer gets the newest frame, and memory
    // can't grow.
    let sink = gst_app::AppSink::builder().caps(&picture_caps()).max_buffers(1).drop(true).build();
    pipeline.add(&sink)?;
    match &options.source {
        // Its data comes from a pad of no element, so it has no state to wait for.
        Source::Rtsp(_) => sink.set_properties(&[("sync", &false), ("async", &false)]),
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

/// The caps of pictures that [`crate::conversion`] accepts: every format in plain memory, the best
/// first.
pub(crate) fn picture_caps() -> gst::Caps {
    let best = [VideoFormat::I420, VideoFormat::Nv12];
    let others = VideoFormat::iter_raw().filter(|format| !best.contains(format));
    let formats: Vec<_> = best.into_iter().chain(others).map(VideoFormat::to_str).collect();
    let modes = gst::List::new(["progressive", "interleaved", "mixed"]);
    gst::Caps::builder("video/x-raw").field("format", gst::List::new(formats)).field("interlace-mode", modes).build()
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
    let upright = gst::ElementFactory::make("videoflip").property_from_str("video-direction", "auto").build()?;
    pipeline.add_many([&file, &decoder, &convert, &upright])?;
    gst::Element::link(&file, &decoder)?;
    gst::Element::link(&convert, &upright)?;
    gst::Element::link(&upright, sink)?;
    decoder.connect_pad_added(move |_, pad| {
        let is_video = pad.current_caps().is_some_and(|c| c.structure(0).is_some_and(|s| s.name() == "video/x-raw"));
        if let Some(target) = convert.static_pad("sink").filter(|t| is_video && !t.is_linked()) {
            // Without this link no frames come, and the connection is given up.
            let _ = pad.link(&target);
        }
    });
    Ok(())
}

/// Connects the packets that leave `pad`, with their caps, to the appsink: depayloader, parser,
/// decoder.
///
/// # Errors
/// If no decoder is usable, or an element is missing.
pub(crate) fn attach(
    pipeline: &gst::Pipeline,
    sink: &gst_app::AppSink,
    (pad, caps, codec): (&gst::Pad, &gst::Caps, Codec),
    wanted: Wanted,
    connections: &Connections<'_>,
) -> Result<(), String> {
    let make = |name| gst::ElementFactory::make(name).build().map_err(|_| format!("{name} is not installed"));
    let [depay, parse] = codec.elements();
    let (kind, decoder) = connections.decoders.choose(codec)?;
    let [depay, parse, decoder] = [make(depay)?, make(parse)?, make(decoder)?];
    if kind == Decoder::Software {
        // One thread a camera: many cameras share the processors, and frame threads add delay.
        decoder.set_property("max-threads", 1i32);
    }
    let (frames, clock) = (Arc::clone(connections.frames), Arc::clone(connections.clock));
    unit_probe::install(&parse, codec, wanted, frames, clock, Arc::clone(connections.plan))?;
    let words = |e: gst::glib::BoolError| e.message.to_string();
    pipeline.add_many([&depay, &parse, &decoder]).map_err(words)?;
    depay.link(&parse).map_err(words)?;
    parse.link_filtered(&decoder, &byte_stream(codec)).map_err(words)?;
    decoder.link(sink).map_err(words)?;
    for element in [&decoder, &parse, &depay] {
        element.sync_state_with_parent().map_err(words)?;
    }
    let target = depay.static_pad("sink").ok_or("the depayloader has no input")?;
    if !target.query_accept_caps(caps) {
        return Err("the stream doesn't fit its depayloader".into());
    }
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
