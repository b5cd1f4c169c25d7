//! One camera: a handle on its supervising thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use gatehouse_core::camera_clock::ClockOffset;
use gatehouse_core::health::StatusSink;
use gatehouse_core::time::{Clock, Monotonic};
use gatehouse_core::{CameraId, FateCounters, FrameSink};

use crate::CaptureError;
use crate::options::StreamOptions;
use crate::shared_plan::SharedPlan;
use crate::supervisor::Supervisor;

/// Observes and controls a running camera from any thread.
#[derive(Clone)]
pub struct CameraControl {
    id: CameraId,
    plan: Arc<SharedPlan>,
    reconnects: Arc<AtomicU64>,
}

/// A running camera.
pub struct Camera {
    control: CameraControl,
    stop: Sender<()>,
    /// Closed by the camera's thread when it ends.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Camera {
    /// Starts a camera and returns at once. Changes of its state go to `status`, frames go to
    /// `frames`, and `fates` counts what became of them.
    ///
    /// # Errors
    /// If GStreamer doesn't start or the system gives no thread.
    pub fn start(
        options: StreamOptions,
        clock: Arc<dyn Clock>,
        frames: Arc<dyn FrameSink>,
        status: Arc<dyn StatusSink>,
        fates: Arc<FateCounters>,
    ) -> Result<Self, CaptureError> {
        crate::init()?;
        let id = options.camera.clone();
        let (plan, reconnects) = (Arc::new(SharedPlan::new(options.wanted, fates)), Arc::default());
        let (stop, stopped) = bounded(1);
        let (alive, ended) = bounded::<()>(0);
        let supervisor =
            Supervisor::new(options, clock, frames, status, Arc::clone(&plan), Arc::clone(&reconnects), stopped);
        let thread = std::thread::Builder::new()
            .name(format!("cam-{id}"))
            .spawn(move || {
                let _alive = alive;
                supervisor.run();
            })
            .map_err(|source| CaptureError::Thread { camera: id.clone(), source })?;
        Ok(Self { control: CameraControl { id, plan, reconnects }, stop, ended, thread })
    }

    /// A handle on it for other threads.
    pub fn control(&self) -> &CameraControl {
        &self.control
    }

    fn ask_to_stop(&self) {
        // Full: it was asked before. Closed: it has ended.
        let _ = self.stop.try_send(());
    }

    fn wait(self, until: Monotonic, clock: &dyn Clock, deadline: Duration) -> Result<(), CaptureError> {
        match self.ended.recv_timeout(until.since(clock.monotonic())) {
            Err(RecvTimeoutError::Timeout) => {
                Err(CaptureError::StillRunning { camera: self.control.id, deadline_ms: deadline.as_millis() })
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                // It has ended. The panic hook has printed a panic, if there was one.
                let _ = self.thread.join();
                Ok(())
            }
        }
    }
}

impl CameraControl {
    /// The camera's id.
    pub fn id(&self) -> &CameraId {
        &self.id
    }

    /// Times that the connection was lost since the start.
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    /// How far the camera's clock differs from this machine's. `None` while it sends no sender
    /// reports.
    pub fn clock_offset(&self) -> Option<ClockOffset> {
        self.plan.camera_offset().get()
    }

    /// True while all of its frames are decoded though fewer are wanted, because its key frames are
    /// too rare.
    pub fn decodes_whole_stream(&self) -> bool {
        self.plan.state().plan.decodes_whole_stream()
    }

    /// True while load shedding decodes only its key frames, though they are rarer than wanted.
    pub fn is_shed(&self) -> bool {
        self.plan.state().plan.is_shed()
    }

    /// The time between its key frames, the longest of the last few, once two have come.
    pub fn key_frame_interval(&self) -> Option<Duration> {
        self.plan.state().liveness.key_frame_interval()
    }

    /// Starts or ends load shedding: key frames alone are decoded even where they are rarer than
    /// wanted, if they are at most 10 s apart.
    pub fn set_shedding(&self, is_shedding: bool) {
        self.plan.state().plan.set_shedding(is_shedding);
    }
}

/// All cameras of a node.
#[derive(Default)]
pub struct Cameras(Vec<Camera>);

impl Cameras {
    /// Adds a running camera.
    pub fn push(&mut self, camera: Camera) {
        self.0.push(camera);
    }

    /// Handles on the running cameras, in the order in which they were added.
    pub fn controls(&self) -> impl Iterator<Item = &CameraControl> {
        self.0.iter().map(Camera::control)
    }

    /// Stops all cameras at once. Returns an error for each camera that doesn't end by the
    /// deadline; it is left behind, and the others don't wait for it.
    pub fn stop(self, clock: &dyn Clock, deadline: Duration) -> Vec<CaptureError> {
        self.0.iter().for_each(Camera::ask_to_stop);
        let until = clock.monotonic() + deadline;
        self.0.into_iter().filter_map(|camera| camera.wait(until, clock, deadline).err()).collect()
    }
}
