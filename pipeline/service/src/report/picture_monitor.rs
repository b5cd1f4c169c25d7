//! Reports a camera's dark and frozen pictures, on its decoder's thread.

use std::sync::Arc;

use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::{CameraId, Frame};

use super::health::{HealthBoard, LastPicture};

/// Checks the due pictures of one camera.
pub(crate) struct PictureMonitor {
    health: Arc<HealthBoard>,
    last: Arc<LastPicture>,
}

impl PictureMonitor {
    pub(crate) fn new(camera: &CameraId, health: &Arc<HealthBoard>) -> Self {
        let last = health.last_picture(camera);
        Self { health: Arc::clone(health), last }
    }

    /// Judges a picture and reports a changed verdict.
    pub(crate) fn judge(&self, frame: &Frame) -> PictureVerdict {
        let verdict = verdict(frame);
        self.health.picture(&frame.camera, &self.last, verdict, frame.frozen);
        verdict
    }
}

/// The verdict on a frame. Capture knows whether the picture is frozen, because it sees the frames
/// between those that are due.
pub(crate) fn verdict(frame: &Frame) -> PictureVerdict {
    PictureVerdict::of(&frame.picture(), frame.frozen.is_some())
}
