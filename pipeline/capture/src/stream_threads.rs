//! How urgent the threads of a stream are.
//!
//! They are the one that `rtspsrc` reads the network with, the ones that read datagrams, and the one that takes frames out of the jitter
//! buffer and carries them, decoded, to the appsink. A thread can't become more urgent again, and a pool gives one that is done to whoever
//! wants one within half a second, a gate perhaps. So each urgency has a pool of its own, for all threads but the first, which GStreamer
//! doesn't say when it is about to start: there a camera whose thread was a less urgent one's connects anew.

use std::sync::{LazyLock, OnceLock};

use gatehouse_core::{CameraId, Urgency};
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::source::StreamOptions;

static URGENT: LazyLock<Option<gst::TaskPool>> = LazyLock::new(pool);
static LESS_URGENT: LazyLock<Option<gst::TaskPool>> = LazyLock::new(pool);

fn pool() -> Option<gst::TaskPool> {
    let pool = gst::TaskPool::new();
    let prepared = pool.prepare();
    if let Err(e) = &prepared {
        tracing::warn!("some cameras' threads are as urgent as others', for there is no other pool of threads: {e}");
    }
    prepared.is_ok().then_some(pool)
}

/// Whether the whole program gives way to all others.
static ALL_ARE_LAST: OnceLock<bool> = OnceLock::new();

/// To be called on a thread of the program's own, before there are cameras.
pub(crate) fn init() {
    ALL_ARE_LAST.get_or_init(Urgency::is_last);
}

/// Elements whose threads GStreamer says when it is about to start, and when they begin.
const ANNOUNCED: [&str; 2] = ["rtpjitterbuffer", "udpsrc"];

#[derive(Clone)]
pub(crate) struct StreamThreads {
    camera: CameraId,
    urgency: Urgency,
}

impl StreamThreads {
    pub(crate) fn new(options: &StreamOptions) -> Self {
        Self { camera: options.camera.clone(), urgency: options.urgency }
    }

    /// To be called on the thread that posts the message.
    pub(crate) fn heed(&self, status: &gst::message::StreamStatus) {
        let (what, owner) = status.get();
        if owner.factory().is_none_or(|factory| !ANNOUNCED.contains(&factory.name().as_str())) {
            return;
        }
        let pool = if self.urgency == Urgency::First { &URGENT } else { &LESS_URGENT };
        match (what, pool.as_ref()) {
            (gst::StreamStatusType::Create, Some(pool)) => {
                let task = status.stream_status_object().and_then(|object| object.get::<gst::Task>().ok());
                if let Some(task) = task {
                    task.set_pool(pool);
                }
            }
            (gst::StreamStatusType::Enter, Some(_)) => self.take(),
            _ => {}
        }
    }

    /// To be called on the thread that reads the network, once the camera has said what it sends.
    ///
    /// # Errors
    /// In words, if that thread was a less urgent camera's.
    pub(crate) fn reading(&self) -> Result<(), &'static str> {
        if self.urgency == Urgency::First && Urgency::is_last() && !ALL_ARE_LAST.get().is_some_and(|all| *all) {
            return Err(
                "the thread that reads it gave way to all others, for it was another camera's; connecting anew",
            );
        }
        self.take();
        Ok(())
    }

    fn take(&self) {
        if let Err(e) = self.urgency.take() {
            tracing::warn!(camera = %self.camera, "its stream is read and decoded as urgently as a gate's: {e}");
        }
    }
}
