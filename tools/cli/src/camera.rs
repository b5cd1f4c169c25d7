//! A camera of a site, opened by a command beside the node that serves it.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use gatehouse_capture::{Camera, Cameras, StreamOptions};
use gatehouse_core::health::{StatusSink, StreamStatus};
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_core::{CameraId, Delivery, Frame, FrameSink};

use crate::exit::{Exit, Failure};

/// How long the camera may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Hands the newest frame over, and drops what its receiver is too slow for.
struct Newest(Sender<Frame>);

impl FrameSink for Newest {
    fn deliver(&self, frame: Frame) -> Delivery {
        // The receiver processes one frame while the next is decoded. A frame in between is dropped.
        if self.0.try_send(frame).is_ok() { Delivery::Queued } else { Delivery::Closed }
    }
}

impl StatusSink for Newest {
    fn status(&self, camera: &CameraId, status: StreamStatus) {
        tracing::info!(%camera, "{status:?}");
    }
}

/// Gives `take` the camera's frames, each at most so long after the call as `within` allows, until it has enough.
///
/// # Errors
/// If the camera can't be opened or sent no picture in time, or `take` fails.
pub(crate) fn watch(
    options: StreamOptions,
    within: Duration,
    mut take: impl FnMut(&Frame) -> Result<Enough, Failure>,
) -> Result<(), Failure> {
    gatehouse_capture::init()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (sender, frames) = bounded(1);
    let sink = Arc::new(Newest(sender));
    let mut cameras = Cameras::default();
    cameras.push(Camera::start(options, Arc::clone(&clock), sink.clone(), sink, Arc::default())?);
    let until = clock.monotonic() + within;
    let taken = take_all(&frames, until, clock.as_ref(), &mut take);
    for problem in cameras.stop(clock.as_ref(), STOP_WITHIN) {
        tracing::warn!("{problem}");
    }
    if taken? == 0 {
        return Err(Failure::say(Exit::Failed, "the camera sent no picture; the log above says why"));
    }
    Ok(())
}

/// Whether frames are still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enough {
    /// No more.
    Yes,
    /// The next one, too.
    No,
}

fn take_all(
    frames: &Receiver<Frame>,
    until: gatehouse_core::time::Monotonic,
    clock: &dyn Clock,
    take: &mut impl FnMut(&Frame) -> Result<Enough, Failure>,
) -> Result<usize, Failure> {
    let mut seen = 0;
    loop {
        // Where frames come faster than they are taken, one is always there, also when the time is over.
        let left = until.since(clock.monotonic());
        if left.is_zero() {
            return Ok(seen);
        }
        let Ok(frame) = frames.recv_timeout(left) else { return Ok(seen) };
        seen += 1;
        if take(&frame)? == Enough::Yes {
            return Ok(seen);
        }
    }
}
