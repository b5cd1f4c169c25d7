//! What the threads of one gate camera share, from detection to decision.
//!
//! Its locks are leaves. `state` is held for microseconds by the workers that detect, recognise and
//! read codes; `background` for up to 2 ms by the first two. No lock is held while a model runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gatehouse_batching::{Batcher, Lane};
use gatehouse_config::GateCamera;
use gatehouse_core::event::Direction;
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::Monotonic;
use gatehouse_core::{CameraId, FateCounters};
use gatehouse_credential::SearchedInVain;
use gatehouse_faces::Face;
use gatehouse_gate::{
    Background, Gallery, Gate, MIN_OPENNESS, Outcome, Policy, StageTimes, coarse_side_px, may_be_near,
};
use gatehouse_picture::{Rect, Size, YuvPicture};
use parking_lot::{Mutex, RwLock};

use super::recognition::EmbedJob;
use super::settings::checks_background;
use crate::publish::{Decided, Outbound};

/// A gallery that is replaced as a whole when it changes; readers keep the one that they hold.
pub(super) type SharedGallery = RwLock<Arc<Gallery>>;

/// One gate camera of a running node.
pub(super) struct GatePipeline {
    pub(super) camera: CameraId,
    direction: Direction,
    pub(super) liveness: LivenessPolicy,
    /// How long the same pass is refused after it was accepted.
    pub(super) pass_again: Duration,
    min_eye_distance_px: f32,
    state: Mutex<Gate>,
    /// `None` where the gate does not compare faces with its background.
    background: Option<Mutex<Background>>,
    gallery: Arc<SharedGallery>,
    /// Where the last pictures were searched for codes in vain. Only the code reader uses it.
    pub(super) searched: Mutex<SearchedInVain>,
    pub(super) embedding: Lane<EmbedJob>,
    pub(super) fates: Arc<FateCounters>,
    /// True while the gate follows nobody and compares no card. Published with each change of
    /// state.
    is_idle: AtomicBool,
    /// True while frames are searched in full. Published with each change of state.
    is_somebody_near: AtomicBool,
    /// True while a decision about somebody waits for frames: every frame is then analysed.
    is_deciding: AtomicBool,
    /// Stale frames that the log has reported.
    stale_logged: AtomicU64,
    stale_log: LogLimit,
    hidden_background_log: LogLimit,
    unknown_background_log: LogLimit,
    outbound: Outbound,
}

impl GatePipeline {
    pub(super) fn new(
        gate: &GateCamera,
        policy: Policy,
        gallery: Arc<SharedGallery>,
        embedding: &Batcher<EmbedJob>,
        outbound: &Outbound,
        fates: Arc<FateCounters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            camera: gate.id.clone(),
            direction: gate.direction,
            liveness: gate.liveness,
            pass_again: gate.pass_again,
            min_eye_distance_px: gate.min_eye_distance_px,
            state: Mutex::new(Gate::new(policy)),
            background: checks_background(gate).then(Mutex::default),
            gallery,
            searched: Mutex::default(),
            embedding: embedding.lane(),
            fates,
            is_idle: AtomicBool::new(true),
            is_somebody_near: AtomicBool::new(false),
            is_deciding: AtomicBool::new(false),
            stale_logged: AtomicU64::new(0),
            stale_log: LogLimit::default(),
            hidden_background_log: LogLimit::default(),
            unknown_background_log: LogLimit::default(),
            outbound: outbound.clone(),
        })
    }

    /// Changes the gate's state, and publishes what other threads read of it without the lock.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Gate) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        self.is_idle.store(state.is_idle(), Ordering::Relaxed);
        self.is_somebody_near.store(state.is_somebody_near(), Ordering::Relaxed);
        result
    }

    /// Reads the gate's state.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Gate) -> T) -> T {
        read(&self.state.lock())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.is_idle.load(Ordering::Relaxed)
    }

    pub(super) fn is_deciding(&self) -> bool {
        self.is_deciding.load(Ordering::Relaxed)
    }

    pub(super) fn set_deciding(&self, is_deciding: bool) {
        self.is_deciding.store(is_deciding, Ordering::Relaxed);
    }

    /// The longer side of the coarse pass's picture, in pixels; `None` if the frame must be
    /// searched in full.
    pub(super) fn coarse_side_px(&self, frame: Size) -> Option<usize> {
        let is_somebody_near = self.is_somebody_near.load(Ordering::Relaxed);
        (!is_somebody_near).then(|| coarse_side_px(frame, self.min_eye_distance_px)).flatten()
    }

    /// True if a face of the coarse pass may be near.
    pub(super) fn may_be_near(&self, faces: &[Face]) -> bool {
        may_be_near(faces, self.min_eye_distance_px)
    }

    /// Learns the background from a frame with faces in these boxes.
    pub(super) fn learn_background(
        &self,
        picture: &YuvPicture<'_>,
        faces: impl ExactSizeIterator<Item = Rect>,
        now: Monotonic,
    ) {
        if let Some(background) = &self.background {
            background.lock().learn(picture, faces, now);
        }
    }

    /// The share of the background that is visible around a face, 0–1. `None` if the background is
    /// not compared or not known.
    pub(super) fn openness(&self, picture: &YuvPicture<'_>, face: &Rect) -> Option<f32> {
        self.background.as_ref().and_then(|background| background.lock().openness(picture, face))
    }

    pub(super) fn gallery(&self) -> Arc<Gallery> {
        Arc::clone(&self.gallery.read())
    }

    /// Logs that the background around a face is hidden, or that it is not known yet.
    pub(super) fn log_background(&self, openness: Option<f32>, now: Monotonic) {
        match openness {
            None if self.background.as_ref().is_some_and(|background| !background.lock().is_known()) => {
                let Some(times) = self.unknown_background_log.count(now) else { return };
                tracing::info!(
                    camera = %self.camera, times,
                    "only the liveness model judges this face: the node has not seen the gate empty for a few seconds yet"
                );
            }
            Some(openness) if openness < MIN_OPENNESS => {
                let Some(times) = self.hidden_background_log.count(now) else { return };
                tracing::warn!(
                    camera = %self.camera, times, openness,
                    "a face is not accepted as live: it hides the gate's background. Somebody holds up a screen or a print, \
                     people crowd the view, or the camera or its light has changed; the node learns a new background within minutes"
                );
            }
            _ => {}
        }
    }

    /// Logs that frames come too late to admit anybody. `stale`: the number of such frames so far.
    pub(super) fn log_stale(&self, stale: u64, times: &StageTimes, now: Monotonic) {
        if self.stale_logged.swap(stale, Ordering::Relaxed) >= stale {
            return;
        }
        if let Some(count) = self.stale_log.count(now) {
            tracing::warn!(
                camera = %self.camera, times = count, age_ms = times.age().as_millis(),
                "frames are too old to admit anybody when their analysis ends: the node is overloaded. Give cameras to \
                 another node, or lower `analyse_fps`"
            );
        }
    }

    /// Sends a decision to the publisher. Logs why a face could not be used, but not whose it is.
    pub(super) fn decide(&self, outcome: Outcome) {
        if let Some(problem) = outcome.problem {
            tracing::info!(
                camera = %self.camera,
                "somebody was referred: the last picture of the face could not be used: {problem}"
            );
        }
        self.outbound.enter(Decided { gate: self.camera.clone(), direction: self.direction, outcome });
    }
}
