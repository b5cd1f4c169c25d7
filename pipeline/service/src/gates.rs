//! Gate cameras: capture → face detection batcher → gate logic → embedding batcher → match, liveness and decision → publisher;
//! and beside it capture → code reading ([`crate::codes`]) → decision → publisher.
//!
//! Locks: each gate's own state is behind its `state` mutex, taken by the detection, embedding and code workers for a few
//! microseconds and never while a model runs; no other lock is taken under it. Its `background` is behind a
//! mutex of its own, taken by the first two for less than a millisecond, or two when it learns.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use gatehouse_batching::{Batcher, Lane, Worker};
use gatehouse_core::event::Direction;
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, Monotonic, WallTime};
use gatehouse_core::{CameraId, Delivery, Fate, FateCounters, Frame, FrameDemand, FrameSink};
use gatehouse_credential::SearchedInVain;
use gatehouse_faces::{AlignedFace, Embedding, Template, TemplateProtection, align_face};
use gatehouse_gate::quality::{Limits, assess};
use gatehouse_gate::{
    Background, Gallery, Gate, LivenessCues, MIN_OPENNESS, Matched, MotionGate, Observation, Policy, Probe, StageTimes,
};
use gatehouse_picture::Rect;

use crate::codes::{CodeIntake, CodeJob};
use crate::face_finder::FaceFinder;
use crate::load::{FrameStages, RoleMeter};
use crate::models::FaceRecognition;
use crate::picture_monitor::PictureMonitor;
use crate::publisher::{Decided, Outbound};
use crate::sub_stream::SubStreamMonitor;

/// A gallery that is replaced whole when it changes; readers keep the one that they hold.
pub(crate) type SharedGallery = RwLock<Arc<Gallery>>;

/// What the operator set for a gate.
pub(crate) struct GateLineOptions {
    pub(crate) camera: CameraId,
    pub(crate) direction: Direction,
    pub(crate) policy: Policy,
    /// Whether the gate's own view must be seen beside a live face.
    pub(crate) check_background: bool,
    /// How long the same pass isn't taken again.
    pub(crate) pass_again: Duration,
}

/// One gate camera of a running node.
pub(crate) struct GateLine {
    camera: CameraId,
    direction: Direction,
    liveness: LivenessPolicy,
    pass_again: Duration,
    state: Mutex<Gate>,
    /// None where it isn't asked for.
    background: Option<Mutex<Background>>,
    gallery: Arc<SharedGallery>,
    /// Where its picture was searched for codes in vain: the code reader's own.
    searched: Mutex<SearchedInVain>,
    embed: Lane<EmbedJob>,
    fates: Arc<FateCounters>,
    /// Somebody near is being decided about: they wait for the frames that must agree, so each is looked at.
    deciding: AtomicBool,
    /// How many frames were too old to be evidence, as far as that was told.
    stale: AtomicU64,
    stale_told: LogLimit,
    hidden_told: LogLimit,
    unknown_told: LogLimit,
    outbound: Outbound,
}

impl GateLine {
    pub(crate) fn new(
        options: GateLineOptions,
        gallery: Arc<SharedGallery>,
        embedding: &Batcher<EmbedJob>,
        outbound: &Outbound,
        fates: Arc<FateCounters>,
    ) -> Arc<Self> {
        let GateLineOptions { camera, direction, policy, check_background, pass_again } = options;
        Arc::new(Self {
            camera,
            direction,
            liveness: policy.liveness,
            pass_again,
            state: Mutex::new(Gate::new(policy)),
            background: check_background.then(Mutex::default),
            gallery,
            searched: Mutex::default(),
            embed: embedding.lane(),
            fates,
            deciding: AtomicBool::new(false),
            stale: AtomicU64::new(0),
            stale_told: LogLimit::default(),
            hidden_told: LogLimit::default(),
            unknown_told: LogLimit::default(),
            outbound: outbound.clone(),
        })
    }

    pub(crate) fn pass_again(&self) -> Duration {
        self.pass_again
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, Gate> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn background(&self) -> Option<MutexGuard<'_, Background>> {
        self.background.as_ref().map(|background| background.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn searched_in_vain(&self) -> MutexGuard<'_, SearchedInVain> {
        self.searched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says so when a face is taken for a picture since nothing of the gate is seen beside it, and when that can't be told.
    fn tell_background(&self, openness: Option<f32>, now: Monotonic) {
        let Some(openness) = openness else {
            if self.background().is_some_and(|view| !view.is_known())
                && let Some(more) = self.unknown_told.count(now)
            {
                tracing::info!(
                    camera = %self.camera, more,
                    "a face is judged by the liveness model alone: the gate has not been seen without anybody for a few seconds yet"
                );
            }
            return;
        };
        if openness < MIN_OPENNESS
            && let Some(more) = self.hidden_told.count(now)
        {
            tracing::warn!(
                camera = %self.camera, more, openness,
                "a face isn't taken for live: nothing of the gate's own view is seen beside it. A screen or a print is held up, the \
                 view is crowded, or the camera was moved or its light has changed (the new view is known after some minutes)"
            );
        }
    }

    /// Says so when nobody can be let in because the frames come too late. `stale`: how many did so far.
    fn tell_stale(&self, stale: u64, times: &StageTimes, now: Monotonic) {
        if self.stale.swap(stale, Ordering::Relaxed) >= stale {
            return;
        }
        if let Some(more) = self.stale_told.count(now) {
            let age_ms = times.arrived.distance(times.frame.capture.at).as_millis();
            tracing::warn!(
                camera = %self.camera, more, age_ms, clock = ?times.frame.capture.source,
                "frames are too old to let anybody in by: the camera's clock is behind (set it by NTP), its stream is held up, or \
                 the node is overloaded"
            );
        }
    }

    fn gallery(&self) -> Arc<Gallery> {
        Arc::clone(&self.gallery.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands a decision to the publisher. Why a face was of no use goes into the operator's log; it says nothing of whose.
    pub(crate) fn decide(&self, outcome: gatehouse_gate::Outcome) {
        if let Some(problem) = outcome.problem {
            tracing::info!(camera = %self.camera, "referred; the last picture of the face was of no use: {problem}");
        }
        self.outbound.enter(Decided { gate: self.camera.clone(), direction: self.direction, outcome });
    }
}

/// A frame waiting for face detection.
pub(crate) struct DetectJob {
    pub(crate) line: Arc<GateLine>,
    pub(crate) frame: Frame,
    arrived: WallTime,
}

/// One frame's faces waiting to be embedded.
pub(crate) struct EmbedJob {
    line: Arc<GateLine>,
    frame: Frame,
    arrived: WallTime,
    detected: Monotonic,
    probes: Vec<Probe>,
    /// Beside each of them.
    openness: Vec<Option<f32>>,
    faces: Vec<AlignedFace>,
}

/// Takes a gate camera's frames on its decoder's thread and offers them to its lanes.
pub(crate) struct GateSink {
    pub(crate) line: Arc<GateLine>,
    pub(crate) lane: Lane<DetectJob>,
    pub(crate) codes: Lane<CodeJob>,
    pub(crate) code_intake: CodeIntake,
    pub(crate) pictures: PictureMonitor,
    /// `None` if every due frame is analysed.
    pub(crate) motion_gate: Option<Mutex<MotionGate>>,
    /// The camera's sub-stream, if it has one.
    pub(crate) sub_stream: Option<Arc<SubStreamMonitor>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl GateSink {
    fn motion_gate(&self) -> Option<MutexGuard<'_, MotionGate>> {
        self.motion_gate.as_ref().map(|gate| gate.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl FrameSink for GateSink {
    fn deliver(&self, frame: Frame) -> Delivery {
        self.pictures.judge(&frame);
        let is_idle = self.line.state().is_idle();
        if self.motion_gate().is_some_and(|mut gate| gate.may_skip(&frame.picture(), frame.times.arrival, is_idle)) {
            return Delivery::Unchanged;
        }
        let arrived = self.clock.wall();
        if self.code_intake.admits(&frame) {
            self.codes.offer(CodeJob::new(&self.line, &frame, arrived));
        }
        self.lane.offer(DetectJob { line: Arc::clone(&self.line), frame, arrived }).into()
    }

    fn demand(&self) -> FrameDemand {
        if self.line.deciding.load(Ordering::Relaxed) {
            FrameDemand::All
        } else if self.sub_stream.as_ref().is_some_and(|sub_stream| sub_stream.is_quiet())
            && self.line.state().is_idle()
        {
            FrameDemand::KeyFrames
        } else {
            FrameDemand::AtRate
        }
    }

    /// While somebody is being decided about, and for the first frame that shows motion.
    fn is_urgent(&self, frame: &Frame) -> bool {
        self.line.deciding.load(Ordering::Relaxed)
            || self.motion_gate().is_some_and(|mut gate| gate.detects_motion(&frame.picture(), frame.times.arrival))
    }
}

/// Finds faces until its batcher is closed.
pub(crate) fn detect(mut finder: FaceFinder, mut worker: Worker<DetectJob>, clock: &dyn Clock, meter: &RoleMeter) {
    let failures = LogLimit::default();
    while let Some(batch) = worker.collect() {
        let taken = clock.monotonic();
        let found = match finder.find(batch) {
            Ok(found) => found,
            Err(e) => {
                if let Some(times) = failures.count(clock.monotonic()) {
                    tracing::error!(times, "frames of gates are dropped, face detection failed: {e}");
                }
                batch.iter().for_each(|job| _ = job.line.fates.count(Fate::Failed));
                continue;
            }
        };
        let inferred = clock.monotonic();
        for (job, faces) in batch.drain(..).zip(found) {
            let line = Arc::clone(&job.line);
            line.fates.count(Fate::Analysed);
            if let Some(mut background) = line.background() {
                let boxes = faces.iter().map(|face| face.box_in_frame);
                background.learn(&job.frame.picture().luma(), boxes, clock.monotonic());
            }
            let times = StageTimes::found(job.frame.times, job.arrived, clock.monotonic());
            let (seen, stale) = {
                let mut state = line.state();
                (state.process_frame(faces, &times), state.stale_frames())
            };
            line.tell_stale(stale, &times, clock.monotonic());
            line.deciding.store(!seen.probes.is_empty(), Ordering::Relaxed);
            seen.outcomes.into_iter().for_each(|outcome| line.decide(outcome));
            meter.frame(&FrameStages { times: times.frame, taken, inferred, decided: clock.monotonic() });
            if let Some(job) = usable(job, seen.probes, &times, clock) {
                line.embed.offer(job);
            }
        }
    }
}

/// Cuts out the faces that an embedder can make something of, and tells the gate of the others.
fn usable(job: DetectJob, wanted: Vec<Probe>, times: &StageTimes, clock: &dyn Clock) -> Option<EmbedJob> {
    let (mut probes, mut openness, mut faces) = (Vec::new(), Vec::new(), Vec::new());
    for probe in wanted {
        // Landmarks on one spot make no alignment: such a face is a false one, or useless.
        let Ok(aligned) = align_face(&job.frame.picture(), &probe.face.landmarks_in_frame) else { continue };
        let quality = assess(&probe.face, job.frame.size(), &aligned);
        if let Some(problem) = quality.problems(&Limits::GATE).first() {
            let outcome = job.line.state().process_probe(
                probe.id,
                Observation::Unusable(*problem),
                &times.checked(clock.monotonic()),
            );
            outcome.into_iter().for_each(|outcome| job.line.decide(outcome));
        } else {
            let luma = job.frame.picture().luma();
            let background = job.line.background();
            openness.push(background.and_then(|mut view| view.openness(&luma, &probe.face.box_in_frame)));
            probes.push(probe);
            faces.push(aligned);
        }
    }
    let DetectJob { line, frame, arrived } = job;
    let detected = clock.monotonic();
    (!faces.is_empty()).then_some(EmbedJob { line, frame, arrived, detected, probes, openness, faces })
}

/// Embeds faces, matches them, asks whether those that match are live, and decides.
pub(crate) struct Recogniser {
    pub(crate) models: FaceRecognition,
    pub(crate) protection: Arc<TemplateProtection>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A face that was matched.
struct Compared<'a> {
    job: &'a EmbedJob,
    probe: &'a Probe,
    openness: Option<f32>,
    matched: Matched,
}

impl Compared<'_> {
    fn is_somebody(&self) -> bool {
        matches!(self.matched, Matched::Person(_) | Matched::Card(true))
    }
}

impl Recogniser {
    /// Works until the batcher is closed.
    pub(crate) fn run(mut self, mut worker: Worker<EmbedJob>) {
        let (failures, liveness_failures) = (LogLimit::default(), LogLimit::default());
        let mut faces: Vec<AlignedFace> = Vec::new();
        let mut embeddings: Vec<Embedding> = Vec::new();
        while let Some(batch) = worker.collect() {
            faces.clear();
            batch.iter_mut().for_each(|job| faces.append(&mut job.faces));
            if let Err(e) = self.models.embedder.embed(&faces, &mut embeddings) {
                if let Some(times) = failures.count(self.clock.monotonic()) {
                    tracing::error!(times, "faces at gates are dropped, embedding failed: {e}");
                }
                continue;
            }
            let compared = self.compare(batch, &mut embeddings);
            let live = self.judge_liveness(&compared, &liveness_failures);
            let embedded = self.clock.monotonic();
            for (compared, live) in compared.iter().zip(live) {
                let job = compared.job;
                let times = StageTimes {
                    frame: job.frame.times,
                    arrived: job.arrived,
                    detected: job.detected,
                    embedded,
                    matched: self.clock.monotonic(),
                };
                if compared.is_somebody() {
                    job.line.tell_background(compared.openness, times.matched);
                }
                let live = LivenessCues { score: live, openness: compared.openness };
                let observation = Observation::Usable { matched: compared.matched, live };
                let outcome = job.line.state().process_probe(compared.probe.id, observation, &times);
                outcome.into_iter().for_each(|outcome| job.line.decide(outcome));
            }
        }
    }

    /// Compares each face with the card that is held up to its gate, or with the gate's gallery.
    fn compare<'a>(&self, batch: &'a [EmbedJob], embeddings: &mut Vec<Embedding>) -> Vec<Compared<'a>> {
        let mut compared = Vec::with_capacity(embeddings.len());
        let mut embeddings = embeddings.drain(..);
        for job in batch {
            let gallery = job.line.gallery();
            let templates: Vec<Template> =
                embeddings.by_ref().take(job.probes.len()).map(|e| self.protection.protect(&e)).collect();
            // Whoever shows a card is compared with that alone: their face isn't searched for.
            let (mut searched, mut to_search) = (Vec::new(), Vec::new());
            let probes = job.probes.iter().zip(job.openness.iter().copied());
            {
                let state = job.line.state();
                for ((probe, openness), template) in probes.zip(templates) {
                    match state.compare_with_card(probe.id, &template) {
                        Some(same) => compared.push(Compared { job, probe, openness, matched: Matched::Card(same) }),
                        None => {
                            searched.push((probe, openness));
                            to_search.push(template);
                        }
                    }
                }
            }
            let identified = gallery.identify_all(&to_search, self.clock.wall());
            compared.extend(searched.into_iter().zip(identified).map(|((probe, openness), matched)| Compared {
                job,
                probe,
                openness,
                matched,
            }));
        }
        compared
    }

    /// The liveness of each face that matches somebody, where its gate asks for it. A face that matches no one isn't looked
    /// at any further.
    fn judge_liveness(&mut self, compared: &[Compared<'_>], failures: &LogLimit) -> Vec<Option<f32>> {
        let mut live = vec![None; compared.len()];
        let Some(model) = &mut self.models.liveness else { return live };
        let asked: Vec<usize> = (0..compared.len())
            .filter(|i| compared[*i].is_somebody() && compared[*i].job.line.liveness != LivenessPolicy::Off)
            .collect();
        if asked.is_empty() {
            return live;
        }
        let pictures: Vec<_> = asked.iter().map(|i| compared[*i].job.frame.picture()).collect();
        let faces: Vec<(_, Rect)> =
            asked.iter().zip(&pictures).map(|(i, picture)| (picture, compared[*i].probe.face.box_in_frame)).collect();
        let mut scores = Vec::new();
        if let Err(e) = model.score(&faces, &mut scores) {
            if let Some(times) = failures.count(self.clock.monotonic()) {
                tracing::error!(times, "nobody is judged live, the liveness model failed: {e}");
            }
            return live;
        }
        for (i, score) in asked.into_iter().zip(scores) {
            live[i] = Some(score);
        }
        live
    }
}
