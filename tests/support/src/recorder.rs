//! Records a camera's frames and status, and lets a test wait for them.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gatehouse_core::CameraId;
use gatehouse_core::frame::{Delivery, Frame, FrameDemand, FrameSink};
use gatehouse_core::health::{StatusSink, StreamStatus};
use gatehouse_core::time::FrameTimes;
use gatehouse_picture::Size;
pub use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

use crate::PATIENCE;

/// What is kept of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub size: Size,
    pub times: FrameTimes,
    pub mean_luma: f64,
    /// The darkest and the lightest sample of the left half, and of the right one.
    pub halves: [[u8; 2]; 2],
    /// Of the thread that delivered it.
    pub policy: ThreadSchedulePolicy,
}

/// What came from a camera, in order.
#[derive(Debug, Clone)]
pub enum Heard {
    Frame(Seen),
    Status(StreamStatus),
}

struct Sink {
    heard: SyncSender<Heard>,
    /// The demand, and the next demand after this many more frames.
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
        let seen = Seen { size: frame.size(), times: frame.times, mean_luma, halves, policy };
        // A test that has seen enough doesn't listen any more.
        let _ = self.heard.try_send(Heard::Frame(seen));
        Delivery::Analysed
    }

    /// Every decoded frame is recorded.
    fn is_urgent(&self, _: &Frame) -> bool {
        true
    }

    fn demand(&self) -> FrameDemand {
        let mut demand = self.demand.lock().expect("no test panics with it");
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
        let _ = self.heard.try_send(Heard::Status(status));
    }
}

/// The listening end.
pub struct Recorder {
    heard: Mutex<Receiver<Heard>>,
    sink: Arc<Sink>,
}

impl Default for Recorder {
    fn default() -> Self {
        let (sender, heard) = sync_channel(10_000);
        Self { heard: Mutex::new(heard), sink: Arc::new(Sink { heard: sender, demand: Mutex::default() }) }
    }
}

impl Recorder {
    pub fn frames(&self) -> Arc<dyn FrameSink> {
        self.sink.clone()
    }

    /// Changes the demand.
    pub fn demand(&self, demand: FrameDemand) {
        *self.sink.demand.lock().expect("no test panics with it") = (demand, None);
    }

    /// Changes the demand after this many more frames.
    pub fn demand_after(&self, frames: u32, demand: FrameDemand) {
        self.sink.demand.lock().expect("no test panics with it").1 = Some((frames, demand));
    }

    pub fn status(&self) -> Arc<dyn StatusSink> {
        self.sink.clone()
    }

    /// Waits until `wanted` makes something of what is heard, and returns that.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut wanted: impl FnMut(Heard) -> Option<T>) -> T {
        let heard = self.heard.lock().expect("one test, one thread");
        let until = Instant::now() + PATIENCE;
        let mut last = None;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match heard.recv_timeout(left) {
                Ok(one) => {
                    if let Heard::Status(status) = &one {
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

    /// Waits for a frame that fulfils a condition.
    #[track_caller]
    pub fn frame(&self, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        self.wait(what, |heard| match heard {
            Heard::Frame(seen) if wanted(&seen) => Some(seen),
            _ => None,
        })
    }

    /// Waits for a status that fulfils a condition.
    #[track_caller]
    pub fn status_where(&self, what: &str, wanted: impl Fn(&StreamStatus) -> bool) -> StreamStatus {
        self.wait(what, |heard| match heard {
            Heard::Status(status) if wanted(&status) => Some(status),
            _ => None,
        })
    }
}
