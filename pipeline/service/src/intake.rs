//! What happens to every frame on its decoder's thread, whatever its camera's role: thinned to the analysis rate, and looked at
//! for a dark or frozen picture.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::picture_check::{PictureCheck, PictureVerdict};
use gatehouse_core::rate::RateLimit;
use gatehouse_core::{CameraId, Frame};

use crate::health::{HealthBoard, LastPicture};

/// One camera's intake.
pub(crate) struct Intake {
    state: Mutex<(RateLimit, PictureCheck)>,
    lost: AtomicU64,
    health: Arc<HealthBoard>,
    last: Arc<LastPicture>,
}

impl Intake {
    pub(crate) fn new(camera: &CameraId, analyse_fps: f64, health: &Arc<HealthBoard>) -> Self {
        let state = Mutex::new((RateLimit::new(analyse_fps), PictureCheck::default()));
        Self { state, lost: AtomicU64::new(0), health: Arc::clone(health), last: health.last_picture(camera) }
    }

    fn state(&self) -> MutexGuard<'_, (RateLimit, PictureCheck)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a frame that is due looks like; nothing for one that isn't due. `hurry`: each one is.
    pub(crate) fn admit(&self, frame: &Frame, hurry: bool) -> Option<PictureVerdict> {
        let verdict = {
            let mut state = self.state();
            let (rate, check) = &mut *state;
            let due = rate.admits(frame.times.arrival) || hurry;
            due.then(|| check.judge(&frame.picture(), frame.times.arrival))?
        };
        self.health.picture(&frame.camera, &self.last, verdict);
        Some(verdict)
    }

    /// A frame that was due was overtaken by a newer one before anybody looked at it: the next one is due for it, unless that
    /// has happened so often that it is lost.
    pub(crate) fn overtaken(&self) {
        if !self.state().0.owe() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many frames were lost so.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
