//! Watches a gate's sub-stream, so that the main stream need not be decoded while nothing moves.
//!
//! No face is detected in it: frames of two streams do not show the same moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatehouse_core::health::{CameraState, StatusSink, StreamStatus, SubStream};
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::{CameraId, Delivery, Frame, FrameSink};
use gatehouse_gate::MotionGate;
use parking_lot::Mutex;

use crate::report::{HealthBoard, LastPicture, verdict};

/// Watches one gate's sub-stream.
pub(super) struct SubStreamMonitor {
    gate: CameraId,
    health: Arc<HealthBoard>,
    last: Arc<LastPicture>,
    /// Held while one small picture is checked.
    motion_gate: Mutex<MotionGate>,
    is_quiet: AtomicBool,
}

impl SubStreamMonitor {
    pub(super) fn new(gate: &CameraId, health: &Arc<HealthBoard>) -> Arc<Self> {
        health.sub_stream(gate, SubStream { state: CameraState::Connecting, reason: None });
        Arc::new(Self {
            gate: gate.clone(),
            health: Arc::clone(health),
            last: health.last_sub_picture(gate),
            motion_gate: Mutex::default(),
            is_quiet: AtomicBool::new(false),
        })
    }

    /// True if the sub-stream shows that nothing has moved for a few seconds. False if it shows
    /// nothing: lost, stalled or frozen.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Relaxed)
    }
}

impl FrameSink for SubStreamMonitor {
    fn deliver(&self, frame: Frame) -> Delivery {
        let (picture, now) = (frame.picture(), frame.times.arrival);
        let verdict = verdict(&frame);
        let is_still = self.motion_gate.lock().is_still(&picture, now);
        self.is_quiet.store(is_still && verdict != PictureVerdict::Frozen, Ordering::Relaxed);
        self.health.picture(&self.gate, &self.last, verdict, frame.frozen);
        Delivery::Analysed
    }
}

impl StatusSink for SubStreamMonitor {
    fn status(&self, _: &CameraId, status: StreamStatus) {
        let (state, reason) = status.state();
        if state != CameraState::Live {
            self.is_quiet.store(false, Ordering::Relaxed);
        }
        self.health.sub_stream(&self.gate, SubStream { state, reason });
    }
}
