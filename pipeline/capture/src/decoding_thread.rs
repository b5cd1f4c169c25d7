//! The thread that decodes a crowd camera's stream stands back behind gates' work.
//!
//! Of a stream's threads it is the one that takes frames out of the jitter buffer and carries them to the appsink. GStreamer says
//! when it is about to start one and when it begins. A thread can't become urgent again, and GStreamer's pool gives a thread that is
//! done to whoever wants one next, a gate perhaps: so those that stand back come from a pool of their own.

use std::sync::LazyLock;

use gatehouse_core::{CameraId, Urgency};
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::source::StreamOptions;

static CROWDS: LazyLock<Option<gst::TaskPool>> = LazyLock::new(|| {
    let pool = gst::TaskPool::new();
    match pool.prepare() {
        Ok(()) => Some(pool),
        Err(e) => {
            tracing::warn!(
                "crowd cameras are decoded as urgently as gates', there is no pool of threads for them: {e}"
            );
            None
        }
    }
});

pub(crate) struct DecodingThread {
    camera: CameraId,
    urgency: Urgency,
}

impl DecodingThread {
    pub(crate) fn new(options: &StreamOptions) -> Self {
        Self { camera: options.camera.clone(), urgency: options.urgency }
    }

    /// To be called on the thread that posts the message.
    pub(crate) fn heed(&self, status: &gst::message::StreamStatus) {
        let (what, owner) = status.get();
        let Some(pool) = (self.urgency != Urgency::Gate).then(|| CROWDS.as_ref()).flatten() else { return };
        if owner.factory().is_none_or(|factory| factory.name() != "rtpjitterbuffer") {
            return;
        }
        match what {
            gst::StreamStatusType::Create => {
                let task = status.stream_status_object().and_then(|object| object.get::<gst::Task>().ok());
                if let Some(task) = task {
                    task.set_pool(pool);
                }
            }
            gst::StreamStatusType::Enter => {
                if let Err(e) = self.urgency.take() {
                    tracing::warn!(camera = %self.camera, "decoded as urgently as a gate: {e}");
                }
            }
            _ => {}
        }
    }
}
