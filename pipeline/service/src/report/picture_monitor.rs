//! Reports a camera's dark and frozen pictures, on its decoder's thread.

use std::sync::Arc;

use gatehouse_core::picture_check::{PictureCheck, PictureVerdict};
use gatehouse_core::{CameraId, Frame};
use parking_lot::Mutex;

use super::health::{HealthBoard, LastPicture};

/// Checks the due pictures of one camera.
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
        let verdict = self.check.lock().judge(&frame.picture(), frame.times.arrival);
        self.health.picture(&frame.camera, &self.last, verdict);
        verdict
    }
}
