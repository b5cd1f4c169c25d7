//! Gate cameras: capture → face detection batcher → gate logic → embedding batcher → match and decide → publisher.
//!
//! Locks: each gate's own state is behind its `state` mutex, taken by the detection and the embedding worker for a few
//! microseconds and never while a model runs; no other lock is taken under it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use gatehouse_batching::{Batcher, Lane};
use gatehouse_core::time::{Clock, FrameTimes, Monotonic, WallTime};
use gatehouse_core::{CameraId, Frame, FrameSink};
use gatehouse_gate::track::TrackId;
use gatehouse_gate::{Gallery, Gate, GateOptions, ProbeTimes};
use gatehouse_models::{AlignedFace, Embedding, Face, FaceDetector, FaceEmbedder, align_face};

use crate::intake::Intake;
use crate::log_limit::LogLimit;
use crate::publisher::Outbound;

/// Score from which on a detection is taken for a face. YuNet's scores are bimodal; the value is its authors' own.
const MIN_FACE_SCORE: f32 = 0.7;

/// A gallery that is replaced whole when it changes; readers keep the one that they hold.
pub(crate) type SharedGallery = RwLock<Arc<Gallery>>;

/// One gate camera of a running node.
pub(crate) struct GateLine {
    camera: CameraId,
    state: Mutex<Gate>,
    gallery: Arc<SharedGallery>,
    embed: Lane<EmbedJob>,
    analysed: AtomicU64,
}

impl GateLine {
    pub(crate) fn new(
        camera: CameraId,
        options: GateOptions,
        gallery: Arc<SharedGallery>,
        embedding: &Batcher<EmbedJob>,
    ) -> Arc<Self> {
        let (state, analysed) = (Mutex::new(Gate::new(options)), AtomicU64::new(0));
        Arc::new(Self { camera, state, gallery, embed: embedding.lane(), analysed })
    }

    pub(crate) fn analysed(&self) -> u64 {
        self.analysed.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, Gate> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gallery(&self) -> Arc<Gallery> {
        Arc::clone(&self.gallery.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A frame waiting for face detection.
pub(crate) struct DetectJob {
    line: Arc<GateLine>,
    frame: Frame,
    arrived: WallTime,
}

/// One frame's faces waiting to be embedded.
pub(crate) struct EmbedJob {
    line: Arc<GateLine>,
    times: FrameTimes,
    arrived: WallTime,
    detected: Monotonic,
    tracks: Vec<TrackId>,
    faces: Vec<AlignedFace>,
}

/// Takes a gate camera's frames on its decoder's thread and puts those that are due into its detection lane.
pub(crate) struct GateSink {
    pub(crate) line: Arc<GateLine>,
    pub(crate) lane: Arc<Lane<DetectJob>>,
    pub(crate) intake: Intake,
    pub(crate) clock: Arc<dyn Clock>,
}

impl FrameSink for GateSink {
    fn deliver(&self, frame: Frame) {
        if self.intake.admit(&frame).is_some() {
            self.lane.offer(DetectJob { line: Arc::clone(&self.line), frame, arrived: self.clock.wall() });
        }
    }
}

/// Runs the face detector until its batcher is closed.
pub(crate) fn detect(mut detector: FaceDetector, batcher: &Batcher<DetectJob>, clock: &dyn Clock) {
    let failures = LogLimit::default();
    let mut batch = Vec::new();
    let mut found: Vec<Vec<Face>> = Vec::new();
    while batcher.collect(&mut batch) {
        let pictures: Vec<_> = batch.iter().map(|job| job.frame.picture()).collect();
        if let Err(e) = detector.detect(&pictures, MIN_FACE_SCORE, &mut found) {
            if let Some(times) = failures.count(clock.monotonic()) {
                tracing::error!(times, "frames of gates are dropped, face detection failed: {e}");
            }
            continue;
        }
        for (job, faces) in batch.iter().zip(&found) {
            job.line.analysed.fetch_add(1, Ordering::Relaxed);
            let probes = job.line.state().see(faces, clock.monotonic());
            let (mut tracks, mut aligned) = (Vec::new(), Vec::new());
            for probe in probes {
                // Landmarks on one spot make no alignment: such a face is a false one, or useless.
                if let Ok(face) = align_face(&job.frame.picture(), &probe.landmarks_in_frame) {
                    tracks.push(probe.track);
                    aligned.push(face);
                }
            }
            if !aligned.is_empty() {
                job.line.embed.offer(EmbedJob {
                    line: Arc::clone(&job.line),
                    times: job.frame.times,
                    arrived: job.arrived,
                    detected: clock.monotonic(),
                    tracks,
                    faces: aligned,
                });
            }
        }
    }
}

/// Runs the face embedder until its batcher is closed, and decides.
pub(crate) fn embed(mut embedder: FaceEmbedder, batcher: &Batcher<EmbedJob>, clock: &dyn Clock, outbound: &Outbound) {
    let failures = LogLimit::default();
    let mut batch: Vec<EmbedJob> = Vec::new();
    let mut faces: Vec<AlignedFace> = Vec::new();
    let mut embeddings: Vec<Embedding> = Vec::new();
    while batcher.collect(&mut batch) {
        faces.clear();
        batch.iter_mut().for_each(|job| faces.append(&mut job.faces));
        if let Err(e) = embedder.embed(&faces, &mut embeddings) {
            if let Some(times) = failures.count(clock.monotonic()) {
                tracing::error!(times, "faces at gates are dropped, embedding failed: {e}");
            }
            continue;
        }
        let embedded = clock.monotonic();
        let mut probes = embeddings.drain(..);
        for job in &batch {
            let gallery = job.line.gallery();
            for (track, probe) in job.tracks.iter().zip(probes.by_ref()) {
                let person = gallery.identify(&probe, clock.wall());
                let times = ProbeTimes {
                    frame: job.times,
                    arrived: job.arrived,
                    detected: job.detected,
                    embedded,
                    matched: clock.monotonic(),
                };
                let entry = job.line.state().judge(*track, person, &times);
                if let Some(draft) = entry {
                    outbound.enter(job.line.camera.clone(), draft);
                }
            }
        }
    }
}
