//! Encodes a scene into a clip: one GStreamer pipeline with a single-threaded software encoder.

use std::sync::Arc;
use std::time::Duration;

use gstreamer::{self as gst, glib, prelude::*};
use gstreamer_app as gst_app;
use serde::Deserialize;

use crate::{
    clip::{AccessUnit, Clip},
    error::ClipError,
    form::PictureForm,
    scene::Scene,
    walk_up,
};

/// Time without a picture after which a pipeline is given up.
const STALL: Duration = Duration::from_secs(30);

/// Video codecs that cameras speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// H.264 / AVC.
    #[default]
    H264,
    /// H.265 / HEVC.
    H265,
}

impl Codec {
    /// Caps of a clip's access units.
    pub(crate) fn caps(self) -> gst::Caps {
        let name = match self {
            Self::H264 => "video/x-h264",
            Self::H265 => "video/x-h265",
        };
        gst::Caps::builder(name).field("stream-format", "byte-stream").field("alignment", "au").build()
    }

    /// The payloader, with the parameter sets repeated in band before every key frame.
    pub(crate) fn payloader(self) -> &'static str {
        match self {
            Self::H264 => "rtph264pay config-interval=-1",
            Self::H265 => "rtph265pay config-interval=-1",
        }
    }
}

/// How a scene is encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoding {
    pub codec: Codec,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    pub fps: u32,
    pub bitrate_kbps: u32,
    /// Constant quantizer of H.264 in place of the bit rate; 0 for none.
    pub quantizer: u32,
    /// Pictures from one key frame to the next.
    pub gop_pictures: u32,
    /// B-frames between two other pictures. No picture refers to one.
    pub b_frames: u32,
    /// A column of intra blocks wanders over the picture, and only the first picture is a key
    /// frame.
    pub intra_refresh: bool,
    /// Seconds of the scene to skip at first, up to the next key frame.
    pub seconds_skipped: u32,
    /// The most seconds to encode.
    pub seconds_max: u32,
    /// Colour space, samples, scan and cropping.
    pub form: PictureForm,
}

impl Encoding {
    /// Caps of the encoder's raw frames.
    fn raw_caps(&self) -> String {
        let Self { width, height, form, .. } = self;
        let fps = self.fps * form.moments();
        format!(
            "video/x-raw,{},width={width},height={height},framerate={fps}/1,pixel-aspect-ratio=1/1",
            form.caps_fields()
        )
    }

    /// The encoder: one thread, closed groups of pictures, key frames at a fixed distance. The clip
    /// can be cut and looped at any key frame.
    fn encoder(&self) -> String {
        let Self { bitrate_kbps, quantizer, gop_pictures, b_frames, intra_refresh, .. } = self;
        let constant = if *quantizer > 0 { format!("pass=quant quantizer={quantizer} ") } else { String::new() };
        let refresh = if *intra_refresh { "intra-refresh=true " } else { "" };
        // Every gap between reference frames has the full number of B-frames, and no picture refers
        // to one.
        let [always_264, always_265] = if *b_frames == 0 {
            [""; 2]
        } else {
            ["b-adapt=false b-pyramid=false ", ":b-adapt=0:b-pyramid=0:rc-lookahead=5"]
        };
        let ((interlaced, crop), unstated) = (self.form.h264(), self.form.h265());
        match self.codec {
            Codec::H264 => format!(
                "x264enc {interlaced}bitrate={bitrate_kbps} {constant}key-int-max={gop_pictures} bframes={b_frames} {always_264}{refresh}threads=1 tune=zerolatency \
                 speed-preset=superfast option-string=scenecut=0{crop} ! h264parse config-interval=-1"
            ),
            Codec::H265 => format!(
                "x265enc bitrate={bitrate_kbps} key-int-max={gop_pictures} tune=zerolatency speed-preset=ultrafast \
                 log-level=none option-string=bframes={b_frames}:scenecut=0:open-gop=0:pools=none:frame-threads=1{always_265}{unstated} \
                 ! h265parse config-interval=-1"
            ),
        }
    }

    /// All settings that change the encoded bytes, for the key of the clip cache.
    pub(crate) fn fingerprint(&self) -> String {
        let (encoded, Self { seconds_skipped, seconds_max, .. }) = (self.encoder(), self);
        format!(
            "{}{} ! {}{encoded} | {seconds_skipped} to {seconds_max} s | {}",
            self.raw_caps(),
            self.form.colour_steps(),
            self.form.filters(),
            gst::version_string()
        )
    }
}

/// Encodes `scene` once.
///
/// # Errors
/// When a file cannot be decoded, a plugin is missing, or the pipeline stalls.
pub(crate) fn encode(scene: &Scene, encoding: &Encoding) -> Result<Clip, ClipError> {
    let what = match scene {
        Scene::File(path) => format!("video {}", path.display()),
        Scene::Pattern(pattern) => format!("test pattern {pattern}"),
        Scene::WalkUp(_) => "walk-up scene".to_owned(),
        Scene::Still(_) => "still scene".to_owned(),
        Scene::Black => "black picture".to_owned(),
    };
    // Interlaced pictures are drawn at twice their rate.
    let drawn = Encoding { fps: encoding.fps * encoding.form.moments(), ..*encoding };
    let fps = drawn.fps;
    let source = match scene {
        Scene::File(_) => "filesrc name=source ! decodebin ! videoconvert ! videoscale ! videorate".to_owned(),
        Scene::Pattern(pattern) => {
            format!("videotestsrc pattern={pattern} num-buffers={} ! videoconvert", fps * PATTERN_SECONDS)
        }
        Scene::Black => format!("videotestsrc pattern=black num-buffers={fps} ! videoconvert"),
        Scene::WalkUp(_) | Scene::Still(_) => {
            "appsrc name=source format=time block=true max-buffers=4 ! videoconvert".to_owned()
        }
    };
    let description = format!(
        "{source}{colours} ! {raw} ! {filters}{encoder} ! {encoded} ! appsink name=sink sync=false max-buffers=16",
        raw = encoding.raw_caps(),
        colours = encoding.form.colour_steps(),
        filters = encoding.form.filters(),
        encoder = encoding.encoder(),
        encoded = encoding.codec.caps(),
    );
    let pipeline = Running::launch(&what, &description)?;
    match scene {
        Scene::File(path) => pipeline.element("source")?.set_property("location", path),
        Scene::WalkUp(_) | Scene::Still(_) => {
            let source = pipeline.app_src("source")?;
            let impossible =
                |error: glib::BoolError| ClipError::Pipeline { what: what.clone(), reason: error.to_string() };
            let info = walk_up::video_info(&drawn).map_err(impossible)?;
            source.set_caps(Some(&info.to_caps().map_err(impossible)?));
            pipeline.play()?;
            return std::thread::scope(|scope| {
                let drawing = scope.spawn(move || {
                    let drawn = match scene {
                        Scene::WalkUp(walk_up) => walk_up.push_frames(&drawn, &info, &source),
                        Scene::Still(still) => still.push_frames(&drawn, &info, &source),
                        Scene::File(_) | Scene::Pattern(_) | Scene::Black => Ok(()),
                    };
                    let _ = source.end_of_stream();
                    drawn
                });
                let clip = collect(&what, encoding, &pipeline);
                // If the scene is cut short, stopping the pipeline also ends a drawing thread that
                // waits for space.
                pipeline.stop();
                match drawing.join() {
                    Ok(drawn) => drawn.and(clip),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            });
        }
        Scene::Pattern(_) | Scene::Black => {}
    }
    pipeline.play()?;
    collect(&what, encoding, &pipeline)
}

/// A test pattern repeats after this many seconds.
const PATTERN_SECONDS: u32 = 10;

fn collect(what: &str, encoding: &Encoding, pipeline: &Running) -> Result<Clip, ClipError> {
    let sink = pipeline.app_sink("sink")?;
    let [skipped, most] =
        [encoding.seconds_skipped, encoding.seconds_max].map(|seconds| (encoding.fps * seconds) as usize);
    let mut units: Vec<AccessUnit> = Vec::new();
    let mut first = None;
    while units.len() < skipped + most {
        let Some(sample) = pipeline.pull(&sink)? else { break };
        if let Some(buffer) = sample.buffer() {
            let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            let bytes = buffer.map_readable().map_err(|error| pipeline.failed("appsink", &error.to_string()))?;
            // Copied, because the encoder's memory returns to its pool.
            let bytes = Arc::from(&*bytes);
            let later = match buffer.pts() {
                Some(shown) => {
                    let since = shown.saturating_sub(*first.get_or_insert(shown));
                    let number = (since.seconds_f64() * f64::from(encoding.fps)).round();
                    (number - units.len() as f64) as i8
                }
                None => 0,
            };
            units.push(AccessUnit { bytes, key, later });
        }
    }
    // A reordered last picture would leave a gap, because the B-frames shown before it were cut
    // off.
    while units.last().is_some_and(|last| last.later > 0) {
        units.pop();
    }
    let begin = units.iter().enumerate().position(|(at, unit)| at >= skipped && unit.key).unwrap_or(units.len());
    units.drain(..begin);
    Clip::new(what, *encoding, units)
}

/// A pipeline that stops when dropped, and whose errors name its purpose.
pub(crate) struct Running {
    pub(crate) what: String,
    pipeline: gst::Pipeline,
}

impl Running {
    /// Builds the pipeline of `description`; it does not run yet.
    pub(crate) fn launch(what: &str, description: &str) -> Result<Self, ClipError> {
        let broken = |reason: String| ClipError::Pipeline { what: what.to_owned(), reason };
        gst::parse::launch(description)
            .map_err(|error| broken(error.to_string()))?
            .downcast::<gst::Pipeline>()
            .map(|pipeline| Self { what: what.to_owned(), pipeline })
            .map_err(|_| broken("its description is a single element".to_owned()))
    }

    pub(crate) fn play(&self) -> Result<(), ClipError> {
        match self.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.first_error().unwrap_or_else(|| self.failed("pipeline", &error.to_string()))),
        }
    }

    pub(crate) fn stop(&self) {
        // Going to NULL cannot fail for the elements in use.
        let _ = self.pipeline.set_state(gst::State::Null);
    }

    pub(crate) fn element(&self, name: &str) -> Result<gst::Element, ClipError> {
        self.pipeline.by_name(name).ok_or_else(|| self.failed(name, "no such element"))
    }

    pub(crate) fn app_src(&self, name: &str) -> Result<gst_app::AppSrc, ClipError> {
        self.element(name)?.downcast().map_err(|_| self.failed(name, "not an appsrc"))
    }

    pub(crate) fn app_sink(&self, name: &str) -> Result<gst_app::AppSink, ClipError> {
        self.element(name)?.downcast().map_err(|_| self.failed(name, "not an appsink"))
    }

    /// The next sample, or `None` at the end of the stream.
    pub(crate) fn pull(&self, sink: &gst_app::AppSink) -> Result<Option<gst::Sample>, ClipError> {
        // In short waits, because an error on the bus does not wake the sink.
        let turn = gst::ClockTime::from_mseconds(100);
        let turns = STALL.as_millis() / 100;
        for _ in 0..turns {
            if let Some(sample) = sink.try_pull_sample(turn) {
                return Ok(Some(sample));
            }
            if let Some(error) = self.first_error() {
                return Err(error);
            }
            if sink.is_eos() {
                return Ok(None);
            }
        }
        Err(ClipError::Stalled { what: self.what.clone(), waited: STALL })
    }

    pub(crate) fn failed(&self, element: &str, reason: &str) -> ClipError {
        ClipError::Failed { what: self.what.clone(), element: element.to_owned(), reason: reason.to_owned() }
    }

    fn first_error(&self) -> Option<ClipError> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        let gst::MessageView::Error(error) = message.view() else { return None };
        let element = error.src().map_or_else(String::new, |source| source.name().to_string());
        Some(self.failed(&element, &error.error().to_string()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn small(codec: Codec) -> Encoding {
        Encoding {
            codec,
            width: 160,
            height: 120,
            fps: 10,
            gop_pictures: 5,
            b_frames: 0,
            intra_refresh: false,
            bitrate_kbps: 300,
            quantizer: 0,
            seconds_skipped: 0,
            seconds_max: 2,
            form: PictureForm::default(),
        }
    }

    #[test]
    fn a_pattern_is_cut_at_its_limit_with_regular_key_frames() {
        gst::init().unwrap();
        for codec in [Codec::H264, Codec::H265] {
            let clip = encode(&Scene::Pattern("ball".to_owned()), &small(codec)).unwrap();
            let keys: Vec<usize> =
                clip.units.iter().enumerate().filter_map(|(at, unit)| unit.key.then_some(at)).collect();
            assert_eq!(clip.units.len(), 20, "{codec:?}");
            assert_eq!(keys, [0, 5, 10, 15], "{codec:?}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        gst::init().unwrap();
        let error = encode(&Scene::File(PathBuf::from("no/such.avi")), &small(Codec::H264)).unwrap_err();
        assert!(error.to_string().contains("no/such.avi"), "{error}");
    }

    #[test]
    fn a_scene_can_begin_later() {
        gst::init().unwrap();
        let scene = Scene::Pattern("ball".to_owned());
        let whole = encode(&scene, &small(Codec::H264)).unwrap();
        let later = encode(&scene, &Encoding { seconds_skipped: 1, seconds_max: 1, ..small(Codec::H264) }).unwrap();
        let bytes = |units: &[AccessUnit]| units.iter().map(|unit| unit.bytes.to_vec()).collect::<Vec<_>>();
        assert_eq!(bytes(&later.units), bytes(&whole.units[10..]));
    }

    #[test]
    fn a_file_without_video_is_refused() {
        gst::init().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "just words, and enough of them to be taken for text\n".repeat(50)).unwrap();
        let error = encode(&Scene::File(file.path().to_owned()), &small(Codec::H264)).unwrap_err();
        assert!(matches!(error, ClipError::Failed { .. } | ClipError::Empty { .. }), "{error}");
    }
}
