//! A gate's sub-stream, watched so that the main stream, which costs several times as much, need not be decoded while nobody is there.
//!
//! Nobody is recognised in it: a face is looked for, and cut out, in the main stream's frames, since frames of two streams don't show the
//! same moment. Locks: one, `watched`, held for a look at one small picture; the health board's is taken under it when the state changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::health::{CameraState, StatusSink, StreamStatus, SubStream};
use gatehouse_core::picture_check::{PictureCheck, PictureVerdict};
use gatehouse_core::{CameraId, Frame, FrameSink};
use gatehouse_gate::Stillness;

use crate::health::HealthBoard;

/// Watches one gate's sub-stream.
pub(crate) struct Lookout {
    gate: CameraId,
    health: Arc<HealthBoard>,
    watched: Mutex<Watched>,
    quiet: AtomicBool,
}

struct Watched {
    stillness: Stillness,
    check: PictureCheck,
    connection: SubStream,
    frozen: bool,
}

impl Lookout {
    pub(crate) fn new(gate: &CameraId, health: &Arc<HealthBoard>) -> Arc<Self> {
        let connection = SubStream { state: CameraState::Connecting, reason: None };
        health.sub_stream(gate, connection.clone());
        let watched =
            Watched { stillness: Stillness::default(), check: PictureCheck::default(), connection, frozen: false };
        Arc::new(Self {
            gate: gate.clone(),
            health: Arc::clone(health),
            watched: Mutex::new(watched),
            quiet: AtomicBool::new(false),
        })
    }

    /// Whether it is seen that nothing has moved for a few seconds. Where that can't be seen, something may have.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, watched: &Watched) {
        let state = match watched.connection.state {
            CameraState::Live if watched.frozen => CameraState::Frozen,
            state => state,
        };
        self.health.sub_stream(&self.gate, SubStream { state, ..watched.connection.clone() });
    }
}

impl FrameSink for Lookout {
    fn deliver(&self, frame: Frame) {
        let (picture, now) = (frame.picture(), frame.times.arrival);
        let mut watched = self.watched();
        let frozen = watched.check.judge(&picture, now) == PictureVerdict::Frozen;
        let still = watched.stillness.is_still(&picture, now);
        self.quiet.store(still && !frozen, Ordering::Relaxed);
        if std::mem::replace(&mut watched.frozen, frozen) != frozen {
            self.report(&watched);
        }
    }
}

impl StatusSink for Lookout {
    fn status(&self, _: &CameraId, status: StreamStatus) {
        let (state, reason) = status.state();
        let mut watched = self.watched();
        if state != CameraState::Live {
            self.quiet.store(false, Ordering::Relaxed);
            watched.frozen = false;
        }
        watched.connection = SubStream { state, reason };
        self.report(&watched);
    }
}
