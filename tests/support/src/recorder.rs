//! Records a camera's frames and statuses, and lets a test wait for them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Instant;

use gatehouse_core::CameraId;
use gatehouse_core::frame::{Delivery, Frame, FrameDemand, FrameSink};
use gatehouse_core::health::{Frozen, StatusSink, StreamStatus};
use gatehouse_core::time::FrameTimes;
use gatehouse_picture::Size;
use parking_lot::Mutex;
pub use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

use crate::PATIENCE;

/// Properties of a recorded frame.
#[derive(Debug, Clone, Copy)]
pub struct RecordedFrame {
    pub size: Size,
    pub times: FrameTimes,
    /// True if packets are missing for it.
    pub is_damaged: bool,
    /// Set if the camera's picture no longer changes.
    pub frozen: Option<Frozen>,
    pub mean_luma: f64,
    /// Least and greatest luma of the left half, and of the right half.
    pub halves: [[u8; 2]; 2],
    /// Scheduling policy of the thread that delivered it.
    pub policy: ThreadSchedulePolicy,
}

/// A frame or status of a camera.
#[derive(Debug, Clone)]
pub enum Recorded {
    Frame(RecordedFrame),
    Status(StreamStatus),
}

struct Sink {
    recorded: SyncSender<Recorded>,
    /// The demand, and optionally the next demand with the number of frames until then.
    demand: Mutex<(FrameDemand, Option<(u32, FrameDemand)>)>,
}

impl FrameSink for Sink {
    fn deliver(&self, frame: Frame) -> Delivery {
        let picture = frame.picture();
        let luma = picture.luma();
        let rows = (0..luma.rows).step_by(8);
        let samples: Vec<u64> = rows.flat_map(|r| luma.row(r).iter().step_by(8).map(|v| u64::from(*v))).collect();
        let mean_luma = samples.iter().sum::<u64>() as f64 / samples.len() as f64;
        let halves = [0, 1].map(|half| {
            let middle = luma.row_bytes / 2;
            let samples = (0..luma.rows).flat_map(|r| luma.row(r)[half * middle..(half + 1) * middle].iter().copied());
            samples.fold([255, 0], |[darkest, lightest], v| [v.min(darkest), v.max(lightest)])
        });
        let policy = thread_schedule_policy().expect("the kernel says");
        let recorded = RecordedFrame {
            size: frame.size(),
            times: frame.times,
            is_damaged: frame.is_damaged,
            frozen: frame.frozen,
            mean_luma,
            halves,
            policy,
        };
        // A test that has finished no longer receives.
        let _ = self.recorded.try_send(Recorded::Frame(recorded));
        Delivery::Analysed
    }

    /// Every decoded frame is recorded.
    fn is_urgent(&self, _: &Frame) -> bool {
        true
    }

    fn demand(&self) -> FrameDemand {
        let mut demand = self.demand.lock();
        match &mut demand.1 {
            Some((0, next)) => *demand = (*next, None),
            Some((frames, _)) => *frames -= 1,
            None => {}
        }
        demand.0
    }
}

impl StatusSink for Sink {
    fn status(&self, _: &CameraId, status: StreamStatus) {
        let _ = self.recorded.try_send(Recorded::Status(status));
    }
}

/// The receiving end.
pub struct Recorder {
    recorded: Mutex<Receiver<Recorded>>,
    sink: Arc<Sink>,
}

impl Default for Recorder {
    fn default() -> Self {
        let (sender, recorded) = sync_channel(10_000);
        Self { recorded: Mutex::new(recorded), sink: Arc::new(Sink { recorded: sender, demand: Mutex::default() }) }
    }
}

impl Recorder {
    pub fn frames(&self) -> Arc<dyn FrameSink> {
        self.sink.clone()
    }

    /// Changes the demand now.
    pub fn demand(&self, demand: FrameDemand) {
        *self.sink.demand.lock() = (demand, None);
    }

    /// Changes the demand after this number of frames.
    pub fn demand_after(&self, frames: u32, demand: FrameDemand) {
        self.sink.demand.lock().1 = Some((frames, demand));
    }

    pub fn status(&self) -> Arc<dyn StatusSink> {
        self.sink.clone()
    }

    /// Waits until `wanted` returns something for a recorded item.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut wanted: impl FnMut(Recorded) -> Option<T>) -> T {
        let recorded = self.recorded.lock();
        let until = Instant::now() + PATIENCE;
        let mut last = None;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match recorded.recv_timeout(left) {
                Ok(one) => {
                    if let Recorded::Status(status) = &one {
                        last = Some(status.clone());
                    }
                    if let Some(result) = wanted(one) {
                        return result;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("waited {PATIENCE:?} for {what}; last status: {last:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the camera is gone, waiting for {what}"),
            }
        }
    }

    /// Waits for a frame that fulfils the condition.
    #[track_caller]
    pub fn frame(&self, what: &str, wanted: impl Fn(&RecordedFrame) -> bool) -> RecordedFrame {
        self.wait(what, |recorded| match recorded {
            Recorded::Frame(frame) if wanted(&frame) => Some(frame),
            _ => None,
        })
    }

    /// Waits for a status that fulfils the condition.
    #[track_caller]
    pub fn status_where(&self, what: &str, wanted: impl Fn(&StreamStatus) -> bool) -> StreamStatus {
        self.wait(what, |recorded| match recorded {
            Recorded::Status(status) if wanted(&status) => Some(status),
            _ => None,
        })
    }
}
