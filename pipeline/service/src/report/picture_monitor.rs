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
        let verdict = verdict(&mut self.check.lock(), frame);
        self.health.picture(&frame.camera, &self.last, verdict, frame.frozen);
        verdict
    }
}

/// The verdict on a frame. Capture knows whether the picture is frozen, because it sees the frames
/// between those that are due.
pub(crate) fn verdict(check: &mut PictureCheck, frame: &Frame) -> PictureVerdict {
    match check.judge(&frame.picture(), frame.times.arrival) {
        PictureVerdict::Dark => PictureVerdict::Dark,
        PictureVerdict::Sound | PictureVerdict::Frozen if frame.frozen.is_some() => PictureVerdict::Frozen,
        PictureVerdict::Sound | PictureVerdict::Frozen => PictureVerdict::Sound,
    }
}
