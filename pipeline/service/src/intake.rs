//! What happens to every frame on its decoder's thread, whatever its camera's role: thinned to the analysis rate, and looked at
//! for a dark or frozen picture.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::picture_check::{PictureCheck, PictureVerdict};
use gatehouse_core::rate::RateLimit;
use gatehouse_core::time::Monotonic;
use gatehouse_core::{CameraId, Frame};

use crate::health::{HealthBoard, LastPicture};

/// One camera's intake.
pub(crate) struct Intake {
    state: Mutex<(RateLimit, PictureCheck)>,
    health: Arc<HealthBoard>,
    last: Arc<LastPicture>,
}

impl Intake {
    pub(crate) fn new(camera: &CameraId, analyse_fps: f64, health: &Arc<HealthBoard>) -> Self {
        let state = Mutex::new((RateLimit::new(analyse_fps), PictureCheck::default()));
        Self { state, health: Arc::clone(health), last: health.last_picture(camera) }
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

    /// Whether a frame that came now would be due.
    pub(crate) fn is_due(&self, now: Monotonic) -> bool {
        self.state().0.would_admit(now)
    }

    /// A frame that was due was overtaken by a newer one, which arrived now, before anybody looked at it.
    pub(crate) fn overtaken(&self, now: Monotonic) {
        self.state().0.owe(now);
    }

    /// A frame that came now won't be decoded, for it would be overtaken.
    pub(crate) fn pass_over(&self, now: Monotonic) {
        self.state().0.pass_over(now);
    }

    /// How many frames that were due were not looked at for either.
    pub(crate) fn lost(&self) -> u64 {
        self.state().0.lost()
    }
}
