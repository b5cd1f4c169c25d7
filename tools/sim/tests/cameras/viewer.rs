//! An RTSP client that decodes what a camera sends, and a few cameras to watch.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use gatehouse_sim::{AuthScheme, ClipLibrary, Codec, Login, MountConfig, Password, Scene, Sim, SimConfig};
use gstreamer::{self as gst, glib, prelude::*};
use gstreamer_app as gst_app;
use gstreamer_video::{self as gst_video, prelude::*};

/// Long enough for the slowest step on a busy machine; reached only when a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A small moving picture at 25 frames per second that starts again after two seconds.
pub(crate) fn camera(path: &str, codec: Codec) -> MountConfig {
    MountConfig {
        codec,
        size: [320, 240],
        bitrate_kbps: 500,
        gop_seconds: 0.4,
        max_seconds: 2,
        ..MountConfig::new(path, Scene::Pattern("ball".to_owned()))
    }
}

/// Serves `mounts`; all tests share what was encoded.
pub(crate) fn serve(mounts: Vec<MountConfig>) -> Sim {
    static LIBRARY: OnceLock<ClipLibrary> = OnceLock::new();
    Sim::start_with(SimConfig { mounts, ..SimConfig::default() }, LIBRARY.get_or_init(|| ClipLibrary::new(None)))
        .unwrap()
}

pub(crate) fn login(scheme: AuthScheme, password: &str) -> Login {
    Login { scheme, user: "admin".to_owned(), password: Password::new(password) }
}

/// One decoded picture.
pub(crate) struct Frame {
    pub(crate) pts: gst::ClockTime,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Rows of the luma plane, packed.
    pub(crate) luma: Vec<u8>,
    /// Camera time from RTCP sender reports, since 1900.
    pub(crate) ntp: Option<gst::ClockTime>,
}

impl Frame {
    pub(crate) fn mean_luma(&self) -> f64 {
        self.luma.iter().map(|&y| f64::from(y)).sum::<f64>() / self.luma.len() as f64
    }
}

enum Event {
    Frame(Frame),
    /// The stream is over: the error's text, or "end of stream".
    Over(String),
}

/// One RTP packet's header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
}

/// A running RTSP client.
pub(crate) struct Viewer {
    pipeline: gst::Pipeline,
    events: mpsc::Receiver<Event>,
    packets: mpsc::Receiver<Packet>,
    /// Bytes that the jitter buffer has seen come in.
    received: std::sync::Arc<AtomicU64>,
}

impl Viewer {
    pub(crate) fn tcp(url: &str, codec: Codec) -> Self {
        Self::watch(url, codec, "tcp", None)
    }

    /// `transport` is `tcp` or `udp`; `password` is that of user `admin`.
    pub(crate) fn watch(url: &str, codec: Codec, transport: &str, password: Option<&str>) -> Self {
        gst::init().unwrap();
        let decode = match codec {
            Codec::H264 => "rtph264depay ! h264parse ! avdec_h264 max-threads=1",
            Codec::H265 => "rtph265depay ! h265parse ! avdec_h265 max-threads=1",
        };
        let pipeline = gst::parse::launch(&format!(
            "rtspsrc name=source protocols={transport} latency=100 add-reference-timestamp-meta=true \
             ! identity name=packets ! {decode} ! appsink name=sink sync=false"
        ))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
        let source = pipeline.by_name("source").unwrap();
        source.set_property("location", url);
        if let Some(password) = password {
            source.set_property("user-id", "admin");
            source.set_property("user-pw", password);
        }

        let (event, events) = mpsc::channel();
        let over = event.clone();
        let sink = pipeline.by_name("sink").and_downcast::<gst_app::AppSink>().unwrap();
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    event.send(Event::Frame(decoded(&sample))).map_err(|_| gst::FlowError::Eos)?;
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        pipeline.bus().unwrap().set_sync_handler(move |_, message| {
            let text = match message.view() {
                gst::MessageView::Error(error) => {
                    format!("{}: {}", error.error(), error.debug().unwrap_or_default())
                }
                gst::MessageView::Eos(_) => "end of stream".to_owned(),
                _ => return gst::BusSyncReply::Drop,
            };
            let _ = over.send(Event::Over(text));
            gst::BusSyncReply::Drop
        });

        let (packet, packets) = mpsc::channel();
        let received = std::sync::Arc::new(AtomicU64::new(0));
        let counter = std::sync::Arc::clone(&received);
        let pad = pipeline.by_name("packets").unwrap().static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer() {
                let bytes = buffer.map_readable().unwrap();
                counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                let _ = packet.send(Packet {
                    sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
                    timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
                });
            }
            gst::PadProbeReturn::Ok
        });
        // A refused connection already fails here; the reason comes as an event.
        let _ = pipeline.set_state(gst::State::Playing);
        Self { pipeline, events, packets, received }
    }

    /// The next picture.
    pub(crate) fn frame(&self) -> Frame {
        match self.events.recv_timeout(PATIENCE) {
            Ok(Event::Frame(frame)) => frame,
            Ok(Event::Over(reason)) => panic!("the stream is over: {reason}"),
            Err(_) => panic!("no picture for {PATIENCE:?}"),
        }
    }

    pub(crate) fn frames(&self, count: usize) -> Vec<Frame> {
        (0..count).map(|_| self.frame()).collect()
    }

    /// The first of the next 500 pictures (20 s) that is as wanted.
    pub(crate) fn frame_that(&self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        (0..500).map(|_| self.frame()).find(wanted).unwrap_or_else(|| panic!("no picture that {what}"))
    }

    /// Reads pictures until none has come for `quiet`.
    pub(crate) fn falls_silent(&self, quiet: Duration) {
        for _ in 0..500 {
            match self.events.recv_timeout(quiet) {
                Ok(Event::Frame(_)) => {}
                Ok(Event::Over(reason)) => panic!("the stream is over: {reason}"),
                Err(_) => return,
            }
        }
        panic!("pictures keep coming");
    }

    /// Reads pictures until the stream is over, and says why it is.
    pub(crate) fn ends(&self) -> String {
        for _ in 0..500 {
            match self.events.recv_timeout(PATIENCE) {
                Ok(Event::Frame(_)) => {}
                Ok(Event::Over(reason)) => return reason,
                Err(_) => panic!("neither a picture nor an end for {PATIENCE:?}"),
            }
        }
        panic!("the stream goes on");
    }

    /// The RTP packets that came so far, since the last call.
    pub(crate) fn packets(&self) -> Vec<Packet> {
        self.packets.try_iter().collect()
    }

    pub(crate) fn received_bytes(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn decoded(sample: &gst::Sample) -> Frame {
    let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let buffer = sample.buffer().unwrap();
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).unwrap();
    let (width, stride) = (info.width() as usize, frame.plane_stride()[0] as usize);
    let rows = frame.plane_data(0).unwrap().chunks(stride).take(info.height() as usize);
    Frame {
        pts: buffer.pts().unwrap(),
        width: info.width(),
        height: info.height(),
        luma: rows.flat_map(|row| &row[..width]).copied().collect(),
        ntp: buffer
            .iter_meta::<gst::ReferenceTimestampMeta>()
            .find(|meta| meta.reference().structure(0).is_some_and(|s| s.name() == "timestamp/x-ntp"))
            .map(|meta| meta.timestamp()),
    }
}

/// Wall-clock time since 1900, as NTP counts.
pub(crate) fn ntp_now() -> gst::ClockTime {
    const FROM_1900_TO_1970: u64 = 2_208_988_800;
    gst::ClockTime::from_seconds(FROM_1900_TO_1970)
        + gst::ClockTime::from_useconds(u64::try_from(glib::real_time()).unwrap())
}
