//! One camera's thread: connects, watches, reconnects.
//!
//! It shares two things with the pipeline's threads: the [`SharedPlan`], and a channel of [`Note`]s
//! that they fill and this thread empties.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, select, unbounded};
use gatehouse_core::health::{StatusSink, StreamFacts, StreamStatus};
use gatehouse_core::stream::{Decoder, RtspUrl, Source, Transport};
use gatehouse_core::time::{Clock, Monotonic};
use gatehouse_core::{CameraId, Fate, FrameSink};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use crate::backoff;
use crate::decoder::{Decoders, decoder_of};
use crate::delivery::Delivery;
use crate::failure::{self, Failure};
use crate::note::Note;
use crate::options::StreamOptions;
use crate::pipeline::{self, Connections};
use crate::rtsp::{Client, Memory};
use crate::shared_plan::SharedPlan;
use crate::watchdog::{self, Seen, Verdict};

/// The interval between two checks of a connection.
const TICK: Duration = Duration::from_millis(250);
/// A connection that lived this long resets the back-off.
const PROVEN_AFTER: Duration = Duration::from_secs(10);

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
        let outcome = self.watch(&pipeline, &notes, connected);
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
    fn watch(&self, pipeline: &gst::Pipeline, notes: &Receiver<Note>, connected: Monotonic) -> Option<Failure> {
        let counts = || [Fate::Received, Fate::Decoded].map(|fate| self.plan.fates().get(fate));
        let mut before = counts();
        let mut seen = Seen { connected, arrived: None, decoded: None, max_decode_gap: Duration::ZERO };
        let mut facts: Option<StreamFacts> = None;
        let mut transport: Option<Transport> = None;
        let mut stalled = false;
        loop {
            select! {
                recv(self.stopped) -> _ => return None,
                recv(notes) -> note => match note {
                    Ok(Note::Failed(failure)) => return Some(failure),
                    Ok(Note::DecoderFailed(decoder, failure)) => {
                        // A decoder that has given frames suits the stream: then the stream is at
                        // fault.
                        return Some(if seen.decoded.is_none() { self.without(decoder, failure) } else { failure });
                    }
                    Ok(Note::Playing(over)) => transport = Some(over),
                    Ok(Note::Caps { width, height }) => {
                        let (codec, decoder) = pipeline::decoding(pipeline);
                        let decoder = decoder.map(|decoder| decoder.to_string());
                        let transport = transport.map(|transport| transport.to_string());
                        let now_seen = StreamFacts { codec: codec.into(), decoder, width, height, transport };
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
            let after = counts();
            for (at, changed) in
                [(&mut seen.arrived, after[0] != before[0]), (&mut seen.decoded, after[1] != before[1])]
            {
                if changed {
                    *at = Some(now);
                }
            }
            before = after;
            let is_resting = {
                let plan = self.plan.state();
                seen.max_decode_gap = plan.max_decode_gap();
                plan.is_resting()
            };
            if is_resting && seen.decoded.is_some() {
                // A frame that nobody wants counts as decoded.
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
                    if seen.decoded.is_some() {
                        self.plan.state().give_up_waiting_for_key_frame();
                    }
                    let reason = format!("connected, but no frame could be decoded for {:.0} s", silent.as_secs_f64());
                    let failure = Failure::Lost(reason);
                    // Frames came, and the decoder gave none.
                    return Some(match pipeline::decoding(pipeline).1 {
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
