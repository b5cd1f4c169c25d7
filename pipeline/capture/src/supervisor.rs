//! One camera's thread: connects, watches, reconnects.
//!
//! It shares two things with the pipeline's threads: the [`SharedPlan`], and a channel of [`Note`]s
//! that they fill and this thread empties.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, select, unbounded};
use gatehouse_core::health::{CameraState, StatusSink, StreamFacts, StreamStatus};
use gatehouse_core::stream::{Decoder, RtspUrl, Source, Transport};
use gatehouse_core::time::{Clock, Monotonic};
use gatehouse_core::{CameraId, FrameSink};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use crate::backoff;
use crate::decoder::{Decoders, decoder_of};
use crate::delivery::Delivery;
use crate::failure::{self, Failure};
use crate::liveness::{GiveUp, Verdict};
use crate::note::Note;
use crate::options::StreamOptions;
use crate::pipeline::{self, Connections};
use crate::rtsp::{Client, Memory};
use crate::shared_plan::SharedPlan;

/// The interval between two checks of a connection.
const TICK: Duration = Duration::from_millis(250);
/// A connection that lived this long resets the back-off.
const PROVEN_AFTER: Duration = Duration::from_secs(10);
/// Time between two reports of a connection that waits.
const REPORTED_EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Supervisor {
    options: StreamOptions,
    clock: Arc<dyn Clock>,
    frames: Arc<dyn FrameSink>,
    status: Arc<dyn StatusSink>,
    plan: Arc<SharedPlan>,
    decoders: Arc<Decoders>,
    reconnects: Arc<AtomicU64>,
    stopped: Receiver<()>,
    /// What was learnt of an RTSP camera.
    memory: Arc<Mutex<Memory>>,
}

/// What was last reported of a connection. While it waits or is stalled, it is reported again from
/// time to time, with the time that has passed.
#[derive(Default)]
struct Reported {
    state: Option<CameraState>,
    at: Option<Monotonic>,
}

impl Reported {
    /// True if this status is to be reported now. A connection is live until something else is
    /// reported.
    fn is_due(&mut self, status: &StreamStatus, now: Monotonic) -> bool {
        let state = status.state().0;
        let is_new = self.state.unwrap_or(CameraState::Live) != state;
        let is_due =
            is_new || (state != CameraState::Live && self.at.is_some_and(|at| now.since(at) >= REPORTED_EVERY));
        if is_due {
            (self.state, self.at) = (Some(state), Some(now));
        }
        is_due
    }
}

/// How a connection ended.
enum Outcome {
    Stopped,
    Failed { failure: Failure, lived: Duration },
}

impl Supervisor {
    pub(crate) fn new(
        options: StreamOptions,
        clock: Arc<dyn Clock>,
        frames: Arc<dyn FrameSink>,
        status: Arc<dyn StatusSink>,
        plan: Arc<SharedPlan>,
        reconnects: Arc<AtomicU64>,
        stopped: Receiver<()>,
    ) -> Self {
        let decoders = Arc::new(Decoders::new(options.decoders.clone()));
        Self { options, clock, frames, status, plan, decoders, reconnects, stopped, memory: Arc::default() }
    }

    fn report(&self, status: StreamStatus) {
        self.status.status(&self.options.camera, status);
    }

    /// Runs until the camera is stopped, or its file has ended.
    pub(crate) fn run(self) {
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
            self.reconnects.fetch_add(1, Ordering::Relaxed);
            if self.stopped.recv_timeout(retry_in) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn connect_and_watch(&self) -> Outcome {
        let connected = self.clock.monotonic();
        self.plan.begin_connection(connected);
        let failed = |failure, now: Monotonic| Outcome::Failed { failure, lived: now.since(connected) };
        let (pipeline, sink) = match pipeline::build(&self.options) {
            Ok(built) => built,
            Err(e) => {
                return failed(Failure::Lost(format!("the pipeline can't be built: {}", e.message)), connected);
            }
        };
        let (notes_in, notes) = unbounded();
        self.listen(&pipeline, &sink, notes_in.clone());
        // An error here is also posted on the bus, with its reason.
        let _ = pipeline.set_state(gst::State::Playing);
        let client = match &self.options.source {
            Source::Rtsp(url) => match self.start_client(url, &pipeline, &sink, notes_in) {
                Ok(client) => Some(client),
                Err(e) => {
                    tear_down(&self.options.camera, pipeline, sink);
                    let reason = format!("the system gives no thread or descriptor: {e}");
                    return failed(Failure::Lost(reason), self.clock.monotonic());
                }
            },
            Source::File(_) | Source::Test(_) => None,
        };
        let outcome = self.watch(&pipeline, &notes);
        if let Some(client) = client {
            client.stop();
        }
        tear_down(&self.options.camera, pipeline, sink);
        match outcome {
            None => Outcome::Stopped,
            Some(failure) => failed(failure, self.clock.monotonic()),
        }
    }

    fn start_client(
        &self,
        url: &RtspUrl,
        pipeline: &gst::Pipeline,
        sink: &gst_app::AppSink,
        notes: Sender<Note>,
    ) -> std::io::Result<Client> {
        let (pipeline, sink, wanted) = (pipeline.downgrade(), sink.downgrade(), self.options.wanted);
        let (frames, clock) = (Arc::clone(&self.frames), Arc::clone(&self.clock));
        let (plan, decoders) = (Arc::clone(&self.plan), Arc::clone(&self.decoders));
        let attach = move |pad: &gst::Pad, caps: &gst::Caps, codec| {
            let (Some(pipeline), Some(sink)) = (pipeline.upgrade(), sink.upgrade()) else {
                return Err(Failure::Lost("the pipeline ended".into()));
            };
            let connections = Connections { frames: &frames, clock: &clock, plan: &plan, decoders: &decoders };
            pipeline::attach(&pipeline, &sink, (pad, caps, codec), wanted, &connections)
                .map_err(|why| Failure::Lost(format!("the stream can't be decoded: {why}")))
        };
        Client::start(&self.options, url, &self.clock, &self.plan, notes, &self.memory, Box::new(attach))
    }

    /// Watches a connection until it fails, or the camera is stopped (`None`).
    fn watch(&self, pipeline: &gst::Pipeline, notes: &Receiver<Note>) -> Option<Failure> {
        let mut facts: Option<StreamFacts> = None;
        let mut transport: Option<Transport> = None;
        let mut reported = Reported::default();
        loop {
            select! {
                recv(self.stopped) -> _ => return None,
                recv(notes) -> note => match note {
                    Ok(Note::Failed(failure)) => return Some(failure),
                    Ok(Note::DecoderFailed(decoder, failure)) => {
                        // A decoder that has given frames suits the stream: then the stream is at
                        // fault.
                        let has_pictures = self.plan.state().liveness.has_pictures();
                        return Some(if has_pictures { failure } else { self.without(decoder, failure) });
                    }
                    Ok(Note::Playing(over)) => transport = Some(over),
                    Ok(Note::Caps { width, height }) => {
                        let (codec, decoder) = pipeline::decoding(pipeline);
                        let decoder = decoder.map(|decoder| decoder.to_string());
                        let transport = transport.map(|transport| transport.to_string());
                        let now_seen = StreamFacts { codec: codec.into(), decoder, width, height, transport };
                        if facts.as_ref() != Some(&now_seen) {
                            self.report(StreamStatus::Live(now_seen.clone()));
                            (facts, reported) = (Some(now_seen), Reported::default());
                        }
                    }
                    Err(_) => return Some(Failure::Lost("the pipeline ended".into())),
                },
                default(TICK) => {}
            }
            let now = self.clock.monotonic();
            let status = match self.plan.judge(now) {
                Verdict::Connecting => continue,
                Verdict::Live => facts.clone().map(StreamStatus::Live),
                Verdict::Waiting(waiting) => Some(StreamStatus::Waiting(waiting)),
                Verdict::Stalled(stall) => Some(StreamStatus::Stalled(stall)),
                Verdict::GiveUp(reason) => return Some(self.give_up(pipeline, reason)),
            };
            if let Some(status) = status
                && reported.is_due(&status, now)
            {
                self.report(status);
            }
        }
    }

    fn give_up(&self, pipeline: &gst::Pipeline, reason: GiveUp) -> Failure {
        if matches!(reason, GiveUp::Waited(_)) {
            self.plan.state().liveness.forget_key_frame_interval();
        }
        let failure = Failure::Lost(reason.to_string());
        // Frames came, and the decoder gave none.
        match pipeline::decoding(pipeline).1 {
            Some(decoder) if matches!(reason, GiveUp::NeverDecoded(_)) => self.without(decoder, failure),
            _ => failure,
        }
    }

    /// The failure to report. The next connection has another decoder, if there is one.
    fn without(&self, decoder: Decoder, failure: Failure) -> Failure {
        match failure {
            Failure::Lost(reason) if self.decoders.give_up(decoder) => Failure::Lost(format!(
                "{decoder} can't decode this stream, and the next decoder is used from now on: {reason}"
            )),
            failure => failure,
        }
    }

    /// Lets the pipeline's threads deliver frames and report errors.
    fn listen(&self, pipeline: &gst::Pipeline, sink: &gst_app::AppSink, notes: Sender<Note>) {
        if let Some(bus) = pipeline.bus() {
            let (notes, source) = (notes.clone(), self.options.source.clone());
            // Handled on the thread that posts it, so that no main loop is needed and nothing
            // queues up.
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
                    gst::MessageView::Eos(_) => Some(Note::Failed(Failure::Ended)),
                    _ => None,
                };
                note.into_iter().for_each(|note| drop(notes.send(note)));
                gst::BusSyncReply::Drop
            });
        }
        let mut delivery = Delivery::new(&self.options, &self.clock, &self.frames, &self.plan, notes);
        let callbacks = gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| delivery.on_sample(&sink.pull_sample().map_err(|_| gst::FlowError::Eos)?))
            .build();
        sink.set_callbacks(callbacks);
    }
}

/// Ends a pipeline and checks that nothing stays behind.
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
        tracing::warn!(%camera, "the stopped pipeline is still referenced: its memory stays in use");
    }
}
