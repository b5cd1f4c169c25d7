//! Frames of a site's camera, for a command that runs beside the node.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use gatehouse_capture::{Camera, Cameras, StreamOptions};
use gatehouse_core::health::{StatusSink, StreamStatus};
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_core::{CameraId, Delivery, Frame, FrameSink};
use gatehouse_terminal::{Exit, Failure};

const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Passes frames on, and drops those for which the receiver is too slow.
struct FrameSender(Sender<Frame>);

impl FrameSink for FrameSender {
    fn deliver(&self, frame: Frame) -> Delivery {
        // The receiver processes one frame while the next is decoded; others are dropped.
        if self.0.try_send(frame).is_ok() { Delivery::Queued } else { Delivery::Closed }
    }
}

impl StatusSink for FrameSender {
    fn status(&self, camera: &CameraId, status: StreamStatus) {
        tracing::info!(%camera, "{status:?}");
    }
}

/// Calls `on_frame` with the camera's frames, until it wants no more or `within` has passed. Fails
/// if the camera can't be opened or sent no picture in time, or `on_frame` fails.
pub(crate) fn for_each_frame(
    options: StreamOptions,
    within: Duration,
    mut on_frame: impl FnMut(&Frame) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    gatehouse_capture::init()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (sender, frames) = bounded(1);
    let sink = Arc::new(FrameSender(sender));
    let mut cameras = Cameras::default();
    cameras.push(Camera::start(options, Arc::clone(&clock), sink.clone(), sink, Arc::default())?);
    let until = clock.monotonic() + within;
    let received = receive(&frames, until, clock.as_ref(), &mut on_frame);
    for problem in cameras.stop(clock.as_ref(), STOP_WITHIN) {
        tracing::warn!("{problem}");
    }
    if received? == 0 {
        return Err(Failure::message(Exit::Failed, "the camera sent no picture; the log above says why"));
    }
    Ok(())
}

/// Returns the number of frames.
fn receive(
    frames: &Receiver<Frame>,
    until: gatehouse_core::time::Monotonic,
    clock: &dyn Clock,
    on_frame: &mut impl FnMut(&Frame) -> Result<ControlFlow<()>, Failure>,
) -> Result<usize, Failure> {
    let mut received = 0;
    loop {
        // A fast camera always has a frame ready, so the deadline is checked before each frame.
        let left = until.since(clock.monotonic());
        if left.is_zero() {
            return Ok(received);
        }
        let Ok(frame) = frames.recv_timeout(left) else { return Ok(received) };
        received += 1;
        if on_frame(&frame)?.is_break() {
            return Ok(received);
        }
    }
}
