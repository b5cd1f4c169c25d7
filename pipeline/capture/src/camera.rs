//! One camera: a thread that connects, watches and reconnects, and never shares its troubles.
//!
//! Threads of a camera: the one here, and those that GStreamer makes for its pipeline. They meet in two places only:
//! [`Shared`], which is atomics, and a channel of [`Note`]s that the pipeline's threads fill and this one empties.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select, unbounded};
use gatehouse_core::health::{StatusSink, StreamFacts, StreamStatus};
use gatehouse_core::stream::{Decoder, Source};
use gatehouse_core::time::{CaptureTime, Clock, FrameTimes, Monotonic, StreamTime};
use gatehouse_core::{CameraId, Frame, FrameSink};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::CaptureError;
use crate::backoff;
use crate::decoder::{Decoders, decoder_of};
use crate::failure::{self, Failure};
use crate::key_frames::SPARED_APART;
use crate::mapped::{MapError, MappedPictures, camera_time};
use crate::privacy::PrivacyMask;
use crate::source::{self, StreamOptions, Wanted};
use crate::stream_threads::StreamThreads;
use crate::thinning::Thinning;
use crate::watchdog::{self, Seen, Verdict};

/// How often a connection is judged.
const TICK: Duration = Duration::from_millis(250);
/// A connection that lived this long starts the back-off anew when it ends.
const PROVEN_AFTER: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Shared {
    /// Which frames are decoded, where not all are.
    thinning: Arc<Thinning>,
    decoded: AtomicU64,
    reconnects: AtomicU64,
}

/// What a camera has done since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames decoded.
    pub decoded: u64,
    /// Times that the connection was lost.
    pub reconnects: u64,
}

/// What the pipeline's threads tell the camera's.
enum Note {
    Failed(Failure),
    /// A decoder can't go on.
    DecoderFailed(Decoder, Failure),
    Caps {
        width: u32,
        height: u32,
    },
}

/// A running camera.
pub struct Camera {
    id: CameraId,
    shared: Arc<Shared>,
    stop: Sender<()>,
    /// Closed by the camera's thread when it ends.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Camera {
    /// Starts pulling a camera. Returns at once: what happens is told to `status`, frames go to `frames`.
    ///
    /// # Errors
    /// If GStreamer doesn't start or there is no thread to be had.
    pub fn start(
        options: StreamOptions,
        clock: Arc<dyn Clock>,
        frames: Arc<dyn FrameSink>,
        status: Arc<dyn StatusSink>,
    ) -> Result<Self, CaptureError> {
        crate::init()?;
        let id = options.camera.clone();
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = bounded(1);
        let (alive, ended) = bounded::<()>(0);
        let decoders = Arc::new(Decoders::new(options.decoders.clone()));
        let supervisor = Supervisor { options, clock, frames, status, shared: Arc::clone(&shared), decoders, stopped };
        let thread = std::thread::Builder::new()
            .name(format!("cam-{id}"))
            .spawn(move || {
                let _alive = alive;
                supervisor.run();
            })
            .map_err(|source| CaptureError::Thread { camera: id.clone(), source })?;
        Ok(Self { id, shared, stop, ended, thread })
    }

    /// Which camera this is.
    pub fn id(&self) -> &CameraId {
        &self.id
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        Counts {
            decoded: self.shared.decoded.load(Ordering::Relaxed),
            reconnects: self.shared.reconnects.load(Ordering::Relaxed),
        }
    }

    /// Whether all of its frames are decoded though fewer are wanted, since its key frames are too rare.
    pub fn is_decoded_whole(&self) -> bool {
        self.shared.thinning.is_whole()
    }

    /// Whether only its key frames are decoded though they are rarer than its frames are wanted.
    pub fn is_spared(&self) -> bool {
        self.shared.thinning.is_spared()
    }

    /// Has a camera of which not all frames are wanted decoded in key frames alone, even where they are rarer than wanted, as long as
    /// they are no more than 10 s apart; or ends that.
    pub fn spare(&self, sparing: bool) {
        self.shared.thinning.spare(sparing);
    }

    fn ask_to_stop(&self) {
        // Full means that it was asked before; closed that it has ended.
        let _ = self.stop.try_send(());
    }

    fn wait(self, until: Monotonic, clock: &dyn Clock, deadline: Duration) -> Result<(), CaptureError> {
        match self.ended.recv_timeout(until.since(clock.monotonic())) {
            Err(RecvTimeoutError::Timeout) => {
                Err(CaptureError::StillRunning { camera: self.id, deadline_ms: deadline.as_millis() })
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                // It has ended; a panic in it has been printed by the panic hook.
                let _ = self.thread.join();
                Ok(())
            }
        }
    }
}

/// All cameras of a node.
#[derive(Default)]
pub struct Cameras(Vec<Camera>);

impl Cameras {
    /// Adds a running camera.
    pub fn push(&mut self, camera: Camera) {
        self.0.push(camera);
    }

    /// The running cameras.
    pub fn iter(&self) -> impl Iterator<Item = &Camera> {
        self.0.iter()
    }

    /// Stops all cameras at once. One that doesn't end by the deadline is left behind and named; the others don't wait for it.
    pub fn stop(self, clock: &dyn Clock, deadline: Duration) -> Vec<CaptureError> {
        self.0.iter().for_each(Camera::ask_to_stop);
        let until = clock.monotonic() + deadline;
        self.0.into_iter().filter_map(|camera| camera.wait(until, clock, deadline).err()).collect()
    }
}

struct Supervisor {
    options: StreamOptions,
    clock: Arc<dyn Clock>,
    frames: Arc<dyn FrameSink>,
    status: Arc<dyn StatusSink>,
    shared: Arc<Shared>,
    decoders: Arc<Decoders>,
    stopped: Receiver<()>,
}

/// How a connection ended.
enum Outcome {
    Stopped,
    Failed { failure: Failure, lived: Duration },
}

impl Supervisor {
    fn report(&self, status: StreamStatus) {
        self.status.status(&self.options.camera, status);
    }

    fn run(self) {
        let (mut lost, mut refused) = (backoff::LOST, backoff::REFUSED);
        self.report(StreamStatus::Connecting);
        loop {
            let (failure, lived) = match self.connect_and_watch() {
                Outcome::Stopped => return,
                Outcome::Failed { failure, lived } => (failure, lived),
            };
            if lived >= PROVEN_AFTER {
                (lost, refused) = (backoff::LOST, backoff::REFUSED);
            }
            let jitter = rand::random::<f64>();
            let retry_in = match failure {
                Failure::Ended if matches!(self.options.source, Source::File(_)) => {
                    self.report(StreamStatus::Ended);
                    return;
                }
                Failure::Ended => {
                    let retry_in = lost.next(jitter);
                    self.report(StreamStatus::Lost { reason: "the camera ended the stream".into(), retry_in });
                    retry_in
                }
                Failure::Lost(reason) => {
                    let retry_in = lost.next(jitter);
                    self.report(StreamStatus::Lost { reason, retry_in });
                    retry_in
                }
                Failure::Refused(reason) => {
                    let retry_in = refused.next(jitter);
                    self.report(StreamStatus::Refused { reason, retry_in });
                    retry_in
                }
            };
            self.shared.reconnects.fetch_add(1, Ordering::Relaxed);
            if self.stopped.recv_timeout(retry_in) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn connect_and_watch(&self) -> Outcome {
        let connected = self.clock.monotonic();
        let failed = |failure, now: Monotonic| Outcome::Failed { failure, lived: now.since(connected) };
        let (pipeline, sink) =
            match source::pipeline(&self.options, &self.frames, &self.shared.thinning, &self.decoders) {
                Ok(built) => built,
                Err(e) => {
                    return failed(Failure::Lost(format!("the pipeline can't be built: {}", e.message)), connected);
                }
            };
        let (notes_in, notes) = unbounded();
        self.listen(&pipeline, &sink, notes_in);
        // An error here is also posted on the bus, with its reason.
        let _ = pipeline.set_state(gst::State::Playing);
        let outcome = self.watch(&pipeline, &notes, connected);
        tear_down(&self.options.camera, pipeline, sink);
        match outcome {
            None => Outcome::Stopped,
            Some(failure) => failed(failure, self.clock.monotonic()),
        }
    }

    /// Watches a connection until it fails, or the camera is stopped (`None`).
    fn watch(&self, pipeline: &gst::Pipeline, notes: &Receiver<Note>, connected: Monotonic) -> Option<Failure> {
        let thinning = &self.shared.thinning;
        let mut arrived_before = thinning.arrived();
        let mut decoded_before = self.shared.decoded.load(Ordering::Relaxed);
        let mut seen = Seen { connected, arrived: None, decoded: None, wanted: Duration::ZERO };
        let mut facts: Option<StreamFacts> = None;
        let mut stalled = false;
        loop {
            select! {
                recv(self.stopped) -> _ => return None,
                recv(notes) -> note => match note {
                    Ok(Note::Failed(failure)) => return Some(failure),
                    Ok(Note::DecoderFailed(decoder, failure)) => {
                        // A decoder that has given frames is fit for the stream; it is what came that it couldn't decode.
                        return Some(if seen.decoded.is_none() { self.without(decoder, failure) } else { failure });
                    }
                    Ok(Note::Caps { width, height }) => {
                        let (codec, decoder) = source::decoding(pipeline);
                        let decoder = decoder.map(|decoder| decoder.to_string());
                        let now_seen = StreamFacts { codec: codec.into(), decoder, width, height };
                        if facts.as_ref() != Some(&now_seen) {
                            self.report(StreamStatus::Live(now_seen.clone()));
                            facts = Some(now_seen);
                        }
                    }
                    Err(_) => return Some(Failure::Lost("the pipeline ended".into())),
                },
                default(TICK) => {}
            }
            let now = self.clock.monotonic();
            seen.wanted = match self.options.wanted {
                Wanted::OneIn(every) if !thinning.is_settled() => every.max(SPARED_APART),
                Wanted::OneIn(every) | Wanted::AsDemanded(every) => every,
                Wanted::All => Duration::ZERO,
            };
            for (count, before, at) in [
                (thinning.arrived(), &mut arrived_before, &mut seen.arrived),
                (self.shared.decoded.load(Ordering::Relaxed), &mut decoded_before, &mut seen.decoded),
            ] {
                if std::mem::replace(before, count) != count {
                    *at = Some(now);
                }
            }
            if thinning.is_resting() && seen.decoded.is_some() {
                // What nobody wants to see counts as seen.
                seen.decoded = seen.decoded.max(seen.arrived);
            }
            match watchdog::judge(now, &seen) {
                Verdict::Stalled(silent) if !stalled => {
                    stalled = true;
                    self.report(StreamStatus::Stalled(silent));
                }
                Verdict::Live if stalled => {
                    stalled = false;
                    facts.iter().for_each(|facts| self.report(StreamStatus::Live(facts.clone())));
                }
                Verdict::GiveUp(silent) => {
                    if seen.decoded.is_some() && !thinning.is_settled() {
                        thinning.key_frames_are_rare();
                    }
                    let reason = format!("connected, but no frame could be decoded for {:.0} s", silent.as_secs_f64());
                    let failure = Failure::Lost(reason);
                    // Frames came, and a decoder swallowed them all.
                    return Some(match source::decoding(pipeline).1 {
                        Some(decoder) if seen.arrived.is_some() && seen.decoded.is_none() => {
                            self.without(decoder, failure)
                        }
                        _ => failure,
                    });
                }
                Verdict::Waiting | Verdict::Live | Verdict::Stalled(_) => {}
            }
        }
    }

    /// The next connection has another decoder, if there is one, and the operator learns of it.
    fn without(&self, decoder: Decoder, failure: Failure) -> Failure {
        match failure {
            Failure::Lost(reason) if self.decoders.give_up(decoder) => Failure::Lost(format!(
                "{decoder} can't decode this stream, and the next decoder is used from now on: {reason}"
            )),
            failure => failure,
        }
    }

    /// Lets the pipeline's threads deliver frames and tell of errors.
    fn listen(&self, pipeline: &gst::Pipeline, sink: &gst_app::AppSink, notes: Sender<Note>) {
        if let Some(bus) = pipeline.bus() {
            let (notes, source) = (notes.clone(), self.options.source.clone());
            let threads = StreamThreads::new(&self.options);
            // Handled on the thread that posts it, so that no main loop is needed and nothing queues up.
            bus.set_sync_handler(move |_, message| {
                let note = match message.view() {
                    gst::MessageView::Error(e) => {
                        let failure = failure::of_error(&source, &e.error(), e.debug().as_deref());
                        let decoder = e.src().and_then(|src| decoder_of(src.downcast_ref()?));
                        Some(match decoder {
                            Some(decoder) => Note::DecoderFailed(decoder, failure),
                            None => Note::Failed(failure),
                        })
                    }
                    gst::MessageView::StreamStatus(status) => {
                        threads.heed(status);
                        None
                    }
                    gst::MessageView::Eos(_) => Some(Note::Failed(Failure::Ended)),
                    _ => None,
                };
                note.into_iter().for_each(|note| drop(notes.send(note)));
                gst::BusSyncReply::Drop
            });
        }
        let mut delivery = Delivery {
            camera: self.options.camera.clone(),
            latency: self.options.latency,
            clock: Arc::clone(&self.clock),
            frames: Arc::clone(&self.frames),
            shared: Arc::clone(&self.shared),
            notes,
            info: None,
            privacy: PrivacyMask::new(self.options.privacy.clone()),
            pictures: MappedPictures::default(),
        };
        let callbacks = gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| delivery.take(sink.pull_sample().map_err(|_| gst::FlowError::Eos)?))
            .build();
        sink.set_callbacks(callbacks);
    }
}

/// The appsink's callback: runs on the decoder's thread, once for each decoded frame.
struct Delivery {
    camera: CameraId,
    latency: Duration,
    clock: Arc<dyn Clock>,
    frames: Arc<dyn FrameSink>,
    shared: Arc<Shared>,
    notes: Sender<Note>,
    /// The caps last seen, parsed; a stream may change them at any frame.
    info: Option<(gst::Caps, gst_video::VideoInfo)>,
    privacy: PrivacyMask,
    pictures: MappedPictures,
}

impl Delivery {
    fn take(&mut self, sample: gst::Sample) -> Result<gst::FlowSuccess, gst::FlowError> {
        let arrival = self.clock.monotonic();
        let (buffer, caps) = (sample.buffer_owned(), sample.caps_owned());
        let (Some(buffer), Some(caps)) = (buffer, caps) else {
            return Err(gst::FlowError::Error);
        };
        if self.info.as_ref().is_none_or(|(known, _)| *known != caps) {
            let info = gst_video::VideoInfo::from_caps(&caps).map_err(|_| gst::FlowError::NotNegotiated)?;
            // The camera's thread may be gone already; then nobody wants to know.
            let _ = self.notes.send(Note::Caps { width: info.width(), height: info.height() });
            self.info = Some((caps, info));
        }
        if !self.shared.thinning.shows(buffer.pts()) {
            return Ok(gst::FlowSuccess::Ok);
        }
        let Some((_, info)) = &self.info else { return Err(gst::FlowError::NotNegotiated) };

        let running = sample.segment().and_then(|s| {
            let segment = s.downcast_ref::<gst::ClockTime>()?;
            segment.to_running_time(buffer.pts())
        });
        let capture = CaptureTime::choose(camera_time(&buffer), self.clock.wall(), self.latency);
        let stream = StreamTime(running.map_or(Duration::ZERO, Duration::from));
        let unreadable = |problem: MapError| {
            let _ = self.notes.send(Note::Failed(Failure::Lost(format!("a frame can't be read: {problem}"))));
            gst::FlowError::Error
        };
        let buffer = self.privacy.black_out(buffer, info).map_err(unreadable)?;
        let buffer = self.pictures.map(buffer, info).map_err(unreadable)?;
        let number = self.shared.decoded.fetch_add(1, Ordering::Relaxed) + 1;
        let times = FrameTimes { stream, arrival, capture };
        self.frames.deliver(Frame { camera: self.camera.clone(), number, times, buffer });
        // Most frames aren't due, and are dropped at once.
        self.pictures.release();
        Ok(gst::FlowSuccess::Ok)
    }
}

/// Ends a pipeline and makes sure that nothing of it stays behind.
fn tear_down(camera: &CameraId, pipeline: gst::Pipeline, sink: gst_app::AppSink) {
    if let Some(bus) = pipeline.bus() {
        bus.unset_sync_handler();
    }
    if pipeline.set_state(gst::State::Null).is_err() {
        tracing::warn!(%camera, "the pipeline didn't stop cleanly");
    }
    sink.set_callbacks(gst_app::AppSinkCallbacks::builder().build());
    let weak = pipeline.downgrade();
    drop((pipeline, sink));
    if weak.upgrade().is_some() {
        tracing::warn!(%camera, "something still holds the stopped pipeline: its memory stays in use");
    }
}
