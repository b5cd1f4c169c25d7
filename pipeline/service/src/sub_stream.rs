//! Watches a gate's sub-stream, so that the main stream need not be decoded while nothing moves.
//!
//! No face is looked for in it: frames of two streams don't show the same moment. Locks: one,
//! `watched`, held for the check of one small picture. A change is reported under it, in order: the
//! health board's lock is the only one taken under it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::health::{CameraState, StatusSink, StreamStatus, SubStream};
use gatehouse_core::picture_check::{PictureCheck, PictureVerdict};
use gatehouse_core::{CameraId, Delivery, Frame, FrameSink};
use gatehouse_gate::MotionGate;

use crate::health::HealthBoard;

/// Watches one gate's sub-stream.
pub(crate) struct SubStreamMonitor {
    gate: CameraId,
    health: Arc<HealthBoard>,
    watched: Mutex<Watched>,
    is_quiet: AtomicBool,
}

struct Watched {
    motion_gate: MotionGate,
    check: PictureCheck,
    connection: SubStream,
    is_frozen: bool,
}

impl SubStreamMonitor {
    pub(crate) fn new(gate: &CameraId, health: &Arc<HealthBoard>) -> Arc<Self> {
        let connection = SubStream { state: CameraState::Connecting, reason: None };
        health.sub_stream(gate, connection.clone());
        let watched = Watched {
            motion_gate: MotionGate::default(),
            check: PictureCheck::default(),
            connection,
            is_frozen: false,
        };
        Arc::new(Self {
            gate: gate.clone(),
            health: Arc::clone(health),
            watched: Mutex::new(watched),
            is_quiet: AtomicBool::new(false),
        })
    }

    /// True if the sub-stream shows that nothing has moved for a few seconds. False if it shows
    /// nothing: lost, stalled or frozen.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Relaxed)
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, watched: &Watched) {
        let state = match watched.connection.state {
            CameraState::Live if watched.is_frozen => CameraState::Frozen,
            state => state,
        };
        self.health.sub_stream(&self.gate, SubStream { state, ..watched.connection.clone() });
    }
}

impl FrameSink for SubStreamMonitor {
    fn deliver(&self, frame: Frame) -> Delivery {
        let (picture, now) = (frame.picture(), frame.times.arrival);
        let mut watched = self.watched();
        let is_frozen = watched.check.judge(&picture, now) == PictureVerdict::Frozen;
        let is_still = watched.motion_gate.is_still(&picture, now);
        self.is_quiet.store(is_still && !is_frozen, Ordering::Relaxed);
        if std::mem::replace(&mut watched.is_frozen, is_frozen) != is_frozen {
            self.report(&watched);
        }
        Delivery::Analysed
    }
}

impl StatusSink for SubStreamMonitor {
    fn status(&self, _: &CameraId, status: StreamStatus) {
        let (state, reason) = status.state();
        let mut watched = self.watched();
        if state != CameraState::Live {
            self.is_quiet.store(false, Ordering::Relaxed);
            watched.is_frozen = false;
        }
        watched.connection = SubStream { state, reason };
        self.report(&watched);
    }
}
