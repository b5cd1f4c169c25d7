//! The priority of a stream's threads.
//!
//! A stream has one thread in which `rtspsrc` reads the network, threads that read datagrams, and
//! one that takes frames out of the jitter buffer, decodes them and hands them to the appsink. A
//! thread's priority can't be raised again, and a pool lends a free thread to any stream. So normal
//! and lowered threads have pools of their own. GStreamer doesn't announce the first thread: there
//! a camera that was lent a lowered thread reconnects.

use std::sync::{LazyLock, OnceLock};

use gatehouse_core::{CameraId, ThreadPriority};
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::options::StreamOptions;

static NORMAL: LazyLock<Option<gst::TaskPool>> = LazyLock::new(pool);
static LOWERED: LazyLock<Option<gst::TaskPool>> = LazyLock::new(pool);

fn pool() -> Option<gst::TaskPool> {
    let pool = gst::TaskPool::new();
    let prepared = pool.prepare();
    if let Err(e) = &prepared {
        tracing::warn!(
            "no separate thread pool for cameras of low priority: {e}; crowd cameras will compete with gates"
        );
    }
    prepared.is_ok().then_some(pool)
}

/// True if the whole program runs at idle priority.
static PROGRAM_IS_IDLE: OnceLock<bool> = OnceLock::new();

/// Call on a thread of the program, before there are cameras.
pub(crate) fn init() {
    PROGRAM_IS_IDLE.get_or_init(ThreadPriority::current_is_idle);
}

/// Elements whose threads GStreamer announces before they are created and when they begin.
const ANNOUNCED: [&str; 2] = ["rtpjitterbuffer", "udpsrc"];

/// Gives a stream's threads its priority.
#[derive(Clone)]
pub(crate) struct StreamThreads {
    camera: CameraId,
    priority: ThreadPriority,
}

impl StreamThreads {
    pub(crate) fn new(options: &StreamOptions) -> Self {
        Self { camera: options.camera.clone(), priority: options.thread_priority }
    }

    /// Call on the thread that posts the message.
    pub(crate) fn on_status(&self, status: &gst::message::StreamStatus) {
        let (what, owner) = status.get();
        if owner.factory().is_none_or(|factory| !ANNOUNCED.contains(&factory.name().as_str())) {
            return;
        }
        let pool = if self.priority == ThreadPriority::Normal { &NORMAL } else { &LOWERED };
        match (what, pool.as_ref()) {
            (gst::StreamStatusType::Create, Some(pool)) => {
                let task = status.stream_status_object().and_then(|object| object.get::<gst::Task>().ok());
                if let Some(task) = task {
                    task.set_pool(pool);
                }
            }
            (gst::StreamStatusType::Enter, Some(_)) => self.apply(),
            _ => {}
        }
    }

    /// Call on the thread that reads the network, once the camera has described its stream.
    ///
    /// # Errors
    /// In words, if that thread's priority was lowered for another camera.
    pub(crate) fn on_reading(&self) -> Result<(), &'static str> {
        let is_idle = || ThreadPriority::current_is_idle() && !PROGRAM_IS_IDLE.get().is_some_and(|all| *all);
        if self.priority == ThreadPriority::Normal && is_idle() {
            return Err("its reading thread had the low priority of another camera; reconnecting");
        }
        self.apply();
        Ok(())
    }

    fn apply(&self) {
        if let Err(e) = self.priority.apply_to_current_thread() {
            tracing::warn!(
                camera = %self.camera, "cannot lower the priority of its threads: {e}; they will compete with gates"
            );
        }
    }
}
