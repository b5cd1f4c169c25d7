//! How urgent the thread is that decodes a stream.
//!
//! Of a stream's threads it is the one that takes frames out of the jitter buffer and carries them to the appsink. GStreamer says
//! when it is about to start one and when it begins. A thread can't become more urgent again, and GStreamer's pool gives a thread
//! that is done to whoever wants one next, a gate perhaps: so those that are less urgent come from a pool of their own.

use std::sync::LazyLock;

use gatehouse_core::{CameraId, Urgency};
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::source::StreamOptions;

static LESS_URGENT: LazyLock<Option<gst::TaskPool>> = LazyLock::new(|| {
    let pool = gst::TaskPool::new();
    let prepared = pool.prepare();
    if let Err(e) = &prepared {
        tracing::warn!("all cameras are decoded as urgently as gates, for there is no other pool of threads: {e}");
    }
    prepared.is_ok().then_some(pool)
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
        let Some(pool) = (self.urgency != Urgency::First).then(|| LESS_URGENT.as_ref()).flatten() else { return };
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
