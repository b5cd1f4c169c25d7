//! Reports a camera's dark and frozen pictures, on its decoder's thread.

use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_core::picture_check::{PictureCheck, PictureVerdict};
use gatehouse_core::{CameraId, Frame};

use crate::health::{HealthBoard, LastPicture};

/// Checks one camera's pictures that are to be analysed.
pub(crate) struct PictureMonitor {
    check: Mutex<PictureCheck>,
    health: Arc<HealthBoard>,
    last: Arc<LastPicture>,
}

impl PictureMonitor {
    pub(crate) fn new(camera: &CameraId, health: &Arc<HealthBoard>) -> Self {
        let last = health.last_picture(camera);
        Self { check: Mutex::default(), health: Arc::clone(health), last }
    }

    /// Judges a picture and reports a changed verdict.
    pub(crate) fn judge(&self, frame: &Frame) -> PictureVerdict {
        let verdict = {
            let mut check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
            check.judge(&frame.picture(), frame.times.arrival)
        };
        self.health.picture(&frame.camera, &self.last, verdict);
        verdict
    }
}
